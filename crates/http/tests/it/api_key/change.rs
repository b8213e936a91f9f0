//! PUT, PATCH and DELETE of API keys.

use serde_json::{Value, json};

use super::{body, stored};
use crate::support::fixture::names;
use crate::support::server::START;
use crate::support::{Server, unique, uuid};

on_each_database! {
    shared: put_replaces, put_keeps_what_is_read_only, put_refuses_what_cannot_change, patch_merges, null_clears,
        lists_are_appended, a_restriction_is_never_lifted_by_accident, post_can_be_a_patch,
        changes_of_nothing_are_not_found, deleted_is_gone_and_free_again, names_are_unique_but_for_their_own;
    own: changes_move_one_instant;
}

fn full(server: &Server) -> crate::support::fixture::TestKey {
    server.api_key(json!({
        "name": unique("full"),
        "metaData": {"attributes": {"description": "old", "owner": "x"}},
        "permissions": {"endpoints": {"/api/user": ["GET", "PUT"], "/api/group": ["GET"]}},
        "tenantId": server.tenant(),
        "expirationInstant": START + 1000,
    }))
}

fn put_replaces(server: &Server) {
    let manager = server.as_key_manager();
    let key = full(server);
    let before = stored(server, &key);
    // What is left out is removed: this is the only way in which clients that leave out empty members can remove.
    let after =
        manager.put(&key.path(), &body(json!({"metaData": {"attributes": {"description": "new"}}}))).ok();
    let expected = json!({
        "id": key.id, "insertInstant": START, "key": key.value, "keyManager": false, "lastUpdateInstant": START,
        "metaData": {"attributes": {"description": "new"}}, "retrievable": true, "tenantId": before["tenantId"],
    });
    assert_eq!(after["apiKey"], expected);
    assert_eq!(stored(server, &key), expected);
    let after = manager.put(&key.path(), &body(json!({}))).ok();
    assert_eq!(
        names(&after["apiKey"]),
        ["id", "insertInstant", "key", "keyManager", "lastUpdateInstant", "retrievable", "tenantId"]
    );
    // And all of it can come back.
    let mut whole = before.clone();
    whole["permissions"] = json!({"endpoints": {"/api/user": ["PUT", "GET"], "/api/group": ["GET"]}});
    assert_eq!(manager.put(&key.path(), &json!({"apiKey": whole})).ok()["apiKey"], before);
}

fn put_keeps_what_is_read_only(server: &Server) {
    let manager = server.as_key_manager();
    let key = full(server);
    let members = json!({"key": unique("another value"), "id": uuid(), "insertInstant": 0, "lastUpdateInstant": 0,
        "keyManager": false, "retrievable": false, "tenantId": null});
    let before = stored(server, &key);
    let request = json!({"apiKey": members, "sourceKeyId": uuid()});
    let after = manager.put(&key.path(), &request).ok();
    for member in ["id", "insertInstant", "key", "keyManager", "retrievable", "tenantId"] {
        assert_eq!(after["apiKey"][member], before[member], "{member}");
    }
    server.with_key(members["key"].as_str().unwrap()).get("/api/system/version").denied();
}

fn put_refuses_what_cannot_change(server: &Server) {
    let manager = server.as_key_manager();
    let key = full(server);
    let before = stored(server, &key);
    for (member, value, code) in [
        ("keyManager", json!(true), "notAllowed"),
        ("tenantId", json!(uuid()), "invalid"),
        ("tenantId", json!(server.default_tenant()), "invalid"),
    ] {
        let expected = format!("apiKey.{member} [{code}]apiKey.{member}");
        manager.put(&key.path(), &body(json!({member: value}))).refused(&[&expected]);
        manager.patch(&key.path(), &body(json!({member: value}))).refused(&[&expected]);
    }
    assert_eq!(stored(server, &key), before);
}

fn patch_merges(server: &Server) {
    let manager = server.as_key_manager();
    let key = full(server);
    let mut expected = stored(server, &key);
    let name = unique("patched");
    let patch = json!({"name": name, "metaData": {"attributes": {"owner": "y", "more": "z"}},
        "permissions": {"endpoints": {"/api/system/version": ["GET"]}}});
    let after = manager.patch(&key.path(), &body(patch)).ok();
    expected["name"] = json!(name);
    expected["metaData"]["attributes"] = json!({"description": "old", "more": "z", "owner": "y"});
    expected["permissions"]["endpoints"]["/api/system/version"] = json!(["GET"]);
    assert_eq!(after["apiKey"], expected);
    // Nothing to merge changes nothing.
    for patch in [json!({}), json!({"apiKey": {}}), json!({"apiKey": {"permissions": {"endpoints": {}}}})] {
        assert_eq!(manager.patch(&key.path(), &patch).ok()["apiKey"], expected);
    }
    assert_eq!(stored(server, &key), expected);
}

fn null_clears(server: &Server) {
    let manager = server.as_key_manager();
    let key = full(server);
    let patch = json!({"name": null, "expirationInstant": null, "permissions": null, "metaData": null});
    let after = manager.patch(&key.path(), &body(patch)).ok();
    assert_eq!(
        names(&after["apiKey"]),
        ["id", "insertInstant", "key", "keyManager", "lastUpdateInstant", "retrievable", "tenantId"]
    );
    let key = full(server);
    let patch = json!({"metaData": {"attributes": {"owner": null}}, "permissions": {"endpoints": {"/api/user": null}}});
    let after = manager.patch(&key.path(), &body(patch)).ok();
    assert_eq!(after["apiKey"]["metaData"], json!({"attributes": {"description": "old"}}));
    assert_eq!(after["apiKey"]["permissions"], json!({"endpoints": {"/api/group": ["GET"]}}));
    // A tenant is not among what can be cleared.
    assert!(
        manager.patch(&key.path(), &body(json!({"tenantId": null}))).ok()["apiKey"]["tenantId"].is_string()
    );
    // In PUT null is the same as leaving out.
    let after = manager.put(&key.path(), &body(json!({"name": null, "permissions": null}))).ok();
    assert!(after["apiKey"].get("name").is_none() && after["apiKey"].get("permissions").is_none());
}

fn lists_are_appended(server: &Server) {
    let key = full(server);
    let patch = json!({"permissions": {"endpoints": {"/api/user": ["DELETE", "GET"]}}});
    let after = server.as_key_manager().patch(&key.path(), &body(patch)).ok();
    assert_eq!(after["apiKey"]["permissions"]["endpoints"]["/api/user"], json!(["DELETE", "GET", "PUT"]));
}

fn a_restriction_is_never_lifted_by_accident(server: &Server) {
    let manager = server.as_key_manager();
    let key = server.restricted(json!({"/api/user": ["GET"], "/api/group": ["GET"]}));
    let denied = || server.with_key(&key.value).get("/api/system/version").denied();
    let patch =
        |permissions: Value| manager.patch(&key.path(), &body(json!({"permissions": permissions}))).ok();
    let nothing = json!({"endpoints": {}});
    denied();
    // Without the last endpoint the list is empty, and an empty list grants nothing.
    patch(json!({"endpoints": {"/api/user": null}}));
    let after = patch(json!({"endpoints": {"/api/group": null}}));
    assert_eq!(after["apiKey"]["permissions"], nothing);
    denied();
    // What does not speak of permissions leaves them as they are.
    manager.patch(&key.path(), &body(json!({"name": unique("powerless")}))).ok();
    assert_eq!(patch(json!({}))["apiKey"]["permissions"], nothing);
    denied();
    // Clients leave out lists that are empty: that is not said outright.
    let lifted = ["apiKey.permissions.endpoints [invalid]apiKey.permissions.endpoints"];
    for silent in [json!({}), json!({"permissions": {}}), json!({"name": unique("x")})] {
        manager.put(&key.path(), &body(silent)).refused(&lifted);
    }
    assert_eq!(stored(server, &key)["permissions"], nothing);
    manager.put(&key.path(), &body(json!({"permissions": nothing}))).ok();
    denied();
    // Said outright, it is done.
    for (method, outright) in [
        ("PATCH", json!(null)),
        ("PATCH", json!({"endpoints": null})),
        ("PUT", json!(null)),
        ("PUT", json!({"endpoints": null})),
    ] {
        let after = manager.send(method, &key.path(), Some(&body(json!({"permissions": outright})))).ok();
        assert!(after["apiKey"].get("permissions").is_none());
        server.with_key(&key.value).get("/api/system/version").ok();
        manager.put(&key.path(), &body(json!({"permissions": nothing}))).ok();
        denied();
    }
}

fn post_can_be_a_patch(server: &Server) {
    let manager = server.as_key_manager().with_header("X-HTTP-Method-Override", "PATCH");
    let key = full(server);
    let mut expected = stored(server, &key);
    let name = unique("patched by post");
    let after = manager.post(&key.path(), &body(json!({"name": name}))).ok();
    expected["name"] = json!(name);
    assert_eq!(after["apiKey"], expected);
    // It is a PATCH in every respect: it makes nothing.
    let path = format!("/api/api-key/{}", uuid());
    manager.post(&path, &body(json!({}))).not_found();
    manager.post("/api/api-key", &body(json!({}))).not_found();
    manager.get(&path).not_found();
    // Sent twice it could mean two things, and means nothing.
    let twice = manager.with_header("X-HTTP-Method-Override", "PATCH");
    twice.post(&key.path(), &body(json!({}))).refused(&["apiKeyId [duplicate]apiKeyId"]);
    // Other methods are what they are.
    manager.delete(&key.path()).done();
}

fn changes_of_nothing_are_not_found(server: &Server) {
    let manager = server.as_key_manager();
    let path = format!("/api/api-key/{}", uuid());
    manager.get(&path).not_found();
    manager.put(&path, &body(json!({}))).not_found();
    manager.patch(&path, &body(json!({}))).not_found();
    manager.delete(&path).not_found();
    manager.get(&path).not_found();
}

fn deleted_is_gone_and_free_again(server: &Server) {
    let manager = server.as_key_manager();
    let members = json!({"name": unique("recreated"), "key": unique("recreated value")});
    let path = format!("/api/api-key/{}", uuid());
    for _ in 0..3 {
        manager.post(&path, &body(members.clone())).ok();
        manager.delete(&path).done();
        manager.delete(&path).not_found();
        manager.get(&path).not_found();
        manager.put(&path, &body(json!({}))).not_found();
        manager.patch(&path, &body(json!({}))).not_found();
    }
}

fn names_are_unique_but_for_their_own(server: &Server) {
    let manager = server.as_key_manager();
    let (first, second) = (full(server), full(server));
    let name = stored(server, &first)["name"].clone();
    let duplicate = ["apiKey.name [duplicate]apiKey.name"];
    manager.put(&second.path(), &body(json!({"name": name}))).refused(&duplicate);
    manager.patch(&second.path(), &body(json!({"name": name}))).refused(&duplicate);
    manager.put(&first.path(), &body(json!({"name": name}))).ok();
    manager.patch(&first.path(), &body(json!({"name": name}))).ok();
    // A name that was given up can be taken.
    manager.patch(&first.path(), &body(json!({"name": null}))).ok();
    manager.patch(&second.path(), &body(json!({"name": name}))).ok();
}

fn changes_move_one_instant(server: &Server) {
    let manager = server.as_key_manager();
    let key = server.unrestricted();
    let instants = |document: &Value| {
        ["insertInstant", "lastUpdateInstant"].map(|member| document[member].as_i64().unwrap() - START)
    };
    server.set_now(START + 5);
    assert_eq!(instants(&manager.put(&key.path(), &body(json!({}))).ok()["apiKey"]), [0, 5]);
    server.set_now(START + 7);
    assert_eq!(instants(&manager.patch(&key.path(), &body(json!({}))).ok()["apiKey"]), [0, 7]);
    server.set_now(START + 9);
    assert_eq!(instants(&stored(server, &key)), [0, 7]);
}
