//! Making, reading, changing and deleting lists.

use claviger_domain::Actor;
use claviger_storage::{Action, Entity, StorageError, Store};
use serde_json::{Value, json};

use super::{body, create, default, id, list, path, range};
use crate::support::fixture::names;
use crate::support::server::START;
use crate::support::{Server, unique, uuid};

on_each_database! {
    shared: a_list_is_answered_as_it_is_stored, an_id_can_be_chosen_once, put_replaces, patch_merges_and_appends,
        data_is_kept, lists_that_are_not_there, other_methods, ids_that_are_none;
    own: instants_tell_when, lists_outlive_a_restart, changes_are_recorded;
}

fn a_list_is_answered_as_it_is_stored(server: &Server) {
    let manager = server.as_key_manager();
    let name = unique("  \u{1f511} Offices ");
    let entries = json!([
        {"action": "Allow", "startIPAddress": "192.0.2.0", "endIPAddress": "192.0.2.255"},
        {"startIPAddress": "*", "endIPAddress": "ignored", "action": "Block"},
        {"action": "Allow", "startIPAddress": "2001:DB8:0::", "endIPAddress": "2001:db8::FFFF"},
        {"action": "Block", "startIPAddress": "::ffff:192.0.2.7", "endIPAddress": "192.0.2.7"},
    ]);
    // What the server says itself is accepted and not looked at.
    let whole =
        json!({"name": name, "entries": entries, "id": uuid(), "insertInstant": 1, "lastUpdateInstant": "x"});
    let made = list(&manager.post("/api/ip-acl", &body(whole.clone())));
    assert_eq!(names(&made), ["entries", "id", "insertInstant", "lastUpdateInstant", "name"]);
    assert_ne!(made["id"], whole["id"]);
    assert_eq!(made["name"], json!(name));
    let kept = json!([
        range("Allow", "192.0.2.0", "192.0.2.255"),
        default("Block"),
        range("Allow", "2001:db8::", "2001:db8::ffff"),
        range("Block", "192.0.2.7", "192.0.2.7"),
    ]);
    assert_eq!(made["entries"], kept);
    assert_eq!(names(&made["entries"][0]), ["action", "endIPAddress", "startIPAddress"]);
    assert_eq!(list(&manager.get(&path(id(&made)))), made);
    assert_eq!(list(&manager.get(&path(&id(&made).to_uppercase()))), made);
    assert_eq!(list(&manager.get(&format!("{}/", path(id(&made))))), made);
    // What was answered can be sent back.
    let mut same = list(&manager.put(&path(id(&made)), &body(made.clone())));
    same["lastUpdateInstant"] = made["lastUpdateInstant"].clone();
    assert_eq!(same, made);
}

fn an_id_can_be_chosen_once(server: &Server) {
    let manager = server.as_key_manager();
    let chosen = uuid();
    let new = || body(json!({"name": unique("chosen"), "entries": [default("Allow")], "id": uuid()}));
    let made = list(&manager.post(&path(&chosen), &new()));
    assert_eq!(id(&made), chosen);
    manager.post(&path(&chosen), &new()).refused(&["ipAccessControlListId [duplicate]ipAccessControlListId"]);
    assert_eq!(list(&manager.get(&path(&chosen))), made);
}

fn put_replaces(server: &Server) {
    let manager = server.as_key_manager();
    let made = create(
        server,
        json!({"data": {"a": 1}, "entries": [range("Allow", "10.0.0.1", "10.0.0.9"), default("Block")]}),
    );
    let name = unique("replaced");
    let changed =
        list(&manager.put(&path(id(&made)), &body(json!({"name": name, "entries": [default("Allow")]}))));
    let expected = json!({"entries": [default("Allow")], "id": made["id"], "insertInstant": made["insertInstant"],
        "lastUpdateInstant": changed["lastUpdateInstant"], "name": name});
    assert_eq!(changed, expected);
    assert_eq!(list(&manager.get(&path(id(&made)))), expected);
    // A replacement is whole.
    manager.put(&path(id(&made)), &body(json!({}))).refused(&[
        "ipAccessControlList.entries [missing]ipAccessControlList.entries",
        "ipAccessControlList.name [blank]ipAccessControlList.name",
    ]);
    assert_eq!(list(&manager.get(&path(id(&made)))), expected);
}

fn patch_merges_and_appends(server: &Server) {
    let manager = server.as_key_manager();
    let made =
        create(server, json!({"data": {"owner": {"team": "a"}, "tags": [1]}, "entries": [default("Block")]}));
    let path = path(id(&made));
    let patch = |members: Value| list(&manager.patch(&path, &body(members)));
    assert_eq!(patch(json!({}))["entries"], made["entries"]);
    let office = range("Allow", "192.0.2.0", "192.0.2.9");
    let changed = patch(json!({"entries": [office]}));
    assert_eq!(changed["entries"], json!([default("Block"), office]));
    assert_eq!((&changed["name"], &changed["data"]), (&made["name"], &made["data"]));
    let name = unique("patched");
    let changed = patch(json!({"name": name, "data": {"owner": {"team": null, "mail": "x"}, "tags": [2]}}));
    assert_eq!(changed["name"], json!(name));
    assert_eq!(changed["data"], json!({"owner": {"mail": "x"}, "tags": [1, 2]}));
    assert_eq!(changed["entries"], json!([default("Block"), office]));
    assert!(patch(json!({"data": null})).get("data").is_none());
    // Another default is one too many: whoever wants another one replaces the list.
    let refused = |members: Value, code: &str| manager.patch(&path, &body(members)).refused(&[code]);
    let entries = "ipAccessControlList.entries";
    refused(json!({"entries": [default("Allow")]}), &format!("{entries} [multipleDefaults]{entries}"));
    refused(json!({"entries": null}), &format!("{entries} [missing]{entries}"));
    refused(json!({"name": null}), "ipAccessControlList.name [blank]ipAccessControlList.name");
    // Entries are counted from the first of the list.
    refused(
        json!({"entries": [range("Allow", "x", "192.0.2.1")]}),
        &format!("{entries}[2].startIPAddress [invalid]{entries}[2].startIPAddress"),
    );
    assert_eq!(list(&manager.get(&path))["entries"], json!([default("Block"), office]));
    // The same by a client that cannot send PATCH.
    let overriding = manager.with_header("X-HTTP-Method-Override", "PATCH");
    let changed = list(&overriding.post(&path, &body(json!({"entries": [range("Block", "::1", "::1")]}))));
    assert_eq!(changed["entries"], json!([default("Block"), office, range("Block", "::1", "::1")]));
}

fn data_is_kept(server: &Server) {
    let manager = server.as_key_manager();
    for data in [
        json!({}),
        json!({"a": null, "b": [null, 1.5, -7, "\u{0}\u{1f511}"], "c": {"d": {"e": true}}}),
        json!({"startIPAddress": "*", "entries": []}),
    ] {
        let made = create(server, json!({"data": data}));
        assert_eq!(made["data"], data);
        assert_eq!(list(&manager.get(&path(id(&made))))["data"], data);
    }
    assert!(create(server, json!({"data": null})).get("data").is_none());
    // A megabyte in one piece is too large for a body; in two it adds up.
    let made = create(server, json!({"data": {"a": "x".repeat(600_000)}}));
    let more = body(json!({"data": {"b": "x".repeat(600_000)}}));
    manager
        .patch(&path(id(&made)), &more)
        .refused(&["ipAccessControlList.data [tooLong]ipAccessControlList.data"]);
    let back = list(&manager.get(&path(id(&made))));
    assert_eq!(back, made);
}

fn lists_that_are_not_there(server: &Server) {
    let manager = server.as_key_manager();
    let gone = create(server, json!({}));
    manager.delete(&path(id(&gone))).done();
    for id in [id(&gone), &uuid()] {
        let whole = body(json!({"name": unique("nowhere"), "entries": [default("Allow")]}));
        manager.get(&path(id)).not_found();
        manager.put(&path(id), &whole).not_found();
        manager.patch(&path(id), &whole).not_found();
        manager.delete(&path(id)).not_found();
    }
    // Its name is free again.
    create(server, json!({"name": gone["name"]}));
}

fn other_methods(server: &Server) {
    let manager = server.as_key_manager();
    let check = |method: &str, path: &str, allowed: &str| {
        let reply = manager.send(method, path, None);
        assert_eq!((reply.status, reply.text()), (405, ""), "{method} {path}");
        assert_eq!(reply.header("allow"), Some(allowed), "{method} {path}");
    };
    // FusionAuth documents no call that answers all lists; the search does.
    for method in ["GET", "PUT", "PATCH", "DELETE"] {
        check(method, "/api/ip-acl", "POST");
    }
    for method in ["PUT", "PATCH", "DELETE"] {
        check(method, "/api/ip-acl/search", "GET, POST, HEAD");
    }
    check("OPTIONS", &path(&uuid()), "DELETE, GET, PATCH, POST, PUT, HEAD");
    manager.get(&format!("{}/x", path(&uuid()))).not_found();
    manager.post("/api/ip-acl/search/x", &json!({})).not_found();
}

fn ids_that_are_none(server: &Server) {
    let manager = server.as_key_manager();
    let code = "ipAccessControlListId [couldNotConvert]ipAccessControlListId";
    let whole = body(json!({"name": unique("nowhere"), "entries": [default("Allow")]}));
    for id in ["x", "7e57ab1e00004000800000000000000f", "-", "7e57ab1e-0000-4000-8000-00000000000g"] {
        manager.get(&path(id)).refused(&[code]);
        manager.delete(&path(id)).refused(&[code]);
        manager.post(&path(id), &whole).refused(&[code]);
        manager.put(&path(id), &whole).refused(&[code]);
        manager.patch(&path(id), &whole).refused(&[code]);
        // Together with what is wrong with the body.
        manager
            .put(&path(id), &json!({}))
            .refused(&[code, "ipAccessControlList [missing]ipAccessControlList"]);
    }
}

fn instants_tell_when(server: &Server) {
    let made = create(server, json!({}));
    assert_eq!((&made["insertInstant"], &made["lastUpdateInstant"]), (&json!(START), &json!(START)));
    let manager = server.as_key_manager();
    let mut members =
        json!({"name": made["name"], "entries": made["entries"], "insertInstant": 5, "lastUpdateInstant": 5});
    for (method, now) in [("PUT", START + 1), ("PATCH", START + 2)] {
        server.set_now(now);
        let changed = list(&manager.send(method, &path(id(&made)), Some(&body(members.clone()))));
        assert_eq!((&changed["insertInstant"], &changed["lastUpdateInstant"]), (&json!(START), &json!(now)));
        // A patch appends, and there is a default already.
        members["entries"] = json!([]);
    }
}

fn lists_outlive_a_restart(server: &Server) {
    let made = create(
        server,
        json!({"data": {"a": 1}, "entries": [default("Block"), range("Allow", "127.0.0.1", "127.0.0.1"),
            range("Block", "::1", "::1")]}),
    );
    let shut = create(server, json!({"entries": [default("Block")]}));
    let key = server.api_key(json!({"ipAccessControlListId": made["id"]}));
    let blocked = server.api_key(json!({"ipAccessControlListId": shut["id"]}));
    server.while_stopped(|_| ());
    assert_eq!(list(&server.as_key_manager().get(&path(id(&made)))), made);
    server.with_key(&key.value).get("/api/system/version").ok();
    server.with_key(&blocked.value).get("/api/system/version").denied();
}

fn changes_are_recorded(server: &Server) {
    let manager = server.as_key_manager();
    let made = create(server, json!({"data": {"secret": "kept to itself"}}));
    let path = path(id(&made));
    manager
        .patch(
            &path,
            &body(json!({"entries": [range("Block", "10.0.0.1", "10.0.0.1")], "data": {"more": 1}})),
        )
        .ok();
    // What is refused leaves no trace.
    manager
        .patch(&path, &body(json!({"entries": [default("Block")]})))
        .refused(&["ipAccessControlList.entries [multipleDefaults]ipAccessControlList.entries"]);
    manager.delete(&path).done();
    manager.delete(&path).not_found();
    let rows = server.while_stopped(|options| {
        let store = Store::open(options).unwrap();
        store.read::<_, StorageError>(|tx| Ok(tx.changes(0, 10_000)?)).unwrap()
    });
    let rows: Vec<_> = rows.into_iter().filter(|row| row.entity == Entity::IpAccessControlList).collect();
    let actions: Vec<_> = rows.iter().map(|row| row.action).collect();
    assert_eq!(actions, [Action::Create, Action::Update, Action::Delete]);
    for row in &rows {
        assert_eq!((row.entity_id.as_str(), row.tenant_id), (id(&made), None));
        assert_eq!(row.address.as_deref(), Some("127.0.0.1"));
        assert!(matches!(row.actor, Actor::ApiKey(_)));
        for text in [&row.before, &row.after].into_iter().flatten() {
            assert!(!text.contains("kept to itself"), "{text}");
        }
    }
    let entries = |text: &Option<String>| -> Value {
        serde_json::from_str::<Value>(text.as_deref().unwrap()).unwrap()["entries"].take()
    };
    assert!(rows[0].before.is_none() && rows[2].after.is_none());
    assert_eq!(entries(&rows[1].before), json!([default("Allow")]));
    let both = json!([default("Allow"), range("Block", "10.0.0.1", "10.0.0.1")]);
    assert_eq!(entries(&rows[1].after), both);
    assert_eq!(entries(&rows[2].before), both);
}
