//! Making, reading, changing and deleting entities.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::{body, create, create_type, entity, entity_path, id, type_path, type_with};
use crate::patch::{JSON_PATCH, MERGE_PATCH, patch};
use crate::support::fixture::names;
use crate::support::server::START;
use crate::support::{Client, Server, unique, uuid};

on_each_database! {
    shared: an_entity_is_answered_as_it_is_stored, secrets_are_generated_or_chosen, client_ids_are_chosen_once,
        put_replaces, put_keeps_the_secret_unless_it_names_another, patch_merges,
        patches_come_in_three_media_types, what_is_fixed_stays,
        the_type_must_exist, what_is_not_there, ids_that_are_none, wrong_members_are_reported_together,
        the_type_is_never_changed_by_an_entity, concurrent_patches_lose_nothing;
    own: instants_tell_when;
}

/// A client in a tenant of its own, and a type.
fn at_home(server: &Server) -> (Client, Value) {
    (server.as_key_manager().in_tenant(&server.tenant()), type_with(server, &["read"]))
}

fn an_entity_is_answered_as_it_is_stored(server: &Server) {
    let (client, of) = at_home(server);
    let parent = uuid();
    let whole = json!({"name": " Pump ", "type": {"id": of["id"]}, "data": {"b": [null], "a": 1}, "parentId": parent,
        "id": uuid(), "insertInstant": 1, "tenantId": uuid(), "actAsTokenExchangeClient": false});
    let made = entity(&client.post("/api/entity", &body(whole)));
    assert_eq!(
        names(&made),
        [
            "clientId",
            "clientSecret",
            "data",
            "id",
            "insertInstant",
            "lastUpdateInstant",
            "name",
            "parentId",
            "tenantId",
            "type"
        ]
    );
    assert_eq!((&made["clientId"], &made["name"]), (&made["id"], &json!(" Pump ")));
    assert_eq!((&made["data"], &made["parentId"]), (&json!({"a": 1, "b": [null]}), &json!(parent)));
    assert_eq!(made["type"], client_type(server, &of));
    assert_eq!(entity(&client.get(&entity_path(id(&made)))), made);
    // What was answered can be sent back.
    let mut same = entity(&client.put(&entity_path(id(&made)), &body(made.clone())));
    same["lastUpdateInstant"] = made["lastUpdateInstant"].clone();
    assert_eq!(same, made);
    // Names may repeat.
    create(&client, &of, json!({"name": " Pump "}));
}

fn client_type(server: &Server, of: &Value) -> Value {
    super::entity_type(&server.as_key_manager().get(&type_path(id(of))))
}

fn secrets_are_generated_or_chosen(server: &Server) {
    let (client, of) = at_home(server);
    let [one, two] = [json!({}), json!({"clientSecret": " "})].map(|members| create(&client, &of, members));
    assert_ne!(one["clientSecret"], two["clientSecret"]);
    for made in [&one, &two] {
        let secret = made["clientSecret"].as_str().unwrap();
        assert_eq!(URL_SAFE_NO_PAD.decode(secret).unwrap().len(), 32, "{secret}");
    }
    let longest = "s".repeat(1024);
    for chosen in ["x", "+fcXet9Iu2kQi61yWD9Tu4ReZ113P6yEAkr32v6WKOQ=", " a:b \u{1f511}", &longest] {
        let made = create(&client, &of, json!({"clientSecret": chosen}));
        assert_eq!(made["clientSecret"], chosen);
        assert_eq!(entity(&client.get(&entity_path(id(&made))))["clientSecret"], chosen);
    }
    for wrong in [format!("{longest}s"), "a\nb".to_owned(), "a\0".to_owned()] {
        let whole = json!({"name": "n", "type": {"id": of["id"]}, "clientSecret": wrong});
        let code = "entity.clientSecret [invalid]entity.clientSecret";
        client.post("/api/entity", &body(whole)).refused(&[code]);
    }
}

fn client_ids_are_chosen_once(server: &Server) {
    let (client, of) = at_home(server);
    let chosen = unique("Client: é");
    let made = create(&client, &of, json!({"clientId": chosen}));
    assert_eq!(made["clientId"], json!(chosen));
    let whole = |client_id: &str| body(json!({"name": "n", "type": {"id": of["id"]}, "clientId": client_id}));
    client.post("/api/entity", &whole(&chosen)).refused(&["entity.clientId [duplicate]entity.clientId"]);
    // It is one for all tenants.
    let (other, _) = at_home(server);
    other.post("/api/entity", &whole(&chosen)).refused(&["entity.clientId [duplicate]entity.clientId"]);
    let long = "c".repeat(192);
    for wrong in [" a", "a\u{3000}", "a\tb", &long] {
        let code = "entity.clientId [invalid]entity.clientId";
        client.post("/api/entity", &whole(wrong)).refused(&[code]);
    }
    let path = entity_path(id(&made));
    client.post(&path, &whole(&unique("other"))).refused(&["entityId [duplicate]entityId"]);
}

fn put_replaces(server: &Server) {
    let (client, of) = at_home(server);
    let made = create(&client, &of, json!({"data": {"a": 1}, "parentId": uuid(), "clientId": unique("c")}));
    let name = unique("replaced");
    let whole = json!({"name": name, "type": {"id": of["id"]}});
    let changed = entity(&client.put(&entity_path(id(&made)), &body(whole)));
    assert_eq!(
        names(&changed),
        ["clientId", "clientSecret", "id", "insertInstant", "lastUpdateInstant", "name", "tenantId", "type"]
    );
    for member in ["clientId", "clientSecret", "id", "insertInstant", "tenantId", "type"] {
        assert_eq!(changed[member], made[member], "{member}");
    }
    assert_eq!(changed["name"], json!(name));
    assert_eq!(entity(&client.get(&entity_path(id(&made)))), changed);
}

fn put_keeps_the_secret_unless_it_names_another(server: &Server) {
    let (client, of) = at_home(server);
    let made = create(&client, &of, json!({"clientSecret": "the first one"}));
    let path = entity_path(id(&made));
    for (secret, expected) in [
        (json!(null), "the first one"),
        (json!(""), "the first one"),
        (json!("the first one"), "the first one"),
        (json!("the second one"), "the second one"),
    ] {
        let whole = json!({"name": "n", "clientSecret": secret});
        assert_eq!(entity(&client.put(&path, &body(whole)))["clientSecret"], expected);
        assert_eq!(entity(&client.get(&path))["clientSecret"], expected);
    }
    assert_eq!(
        entity(&client.patch(&path, &body(json!({"clientSecret": "third"}))))["clientSecret"],
        "third"
    );
}

fn patch_merges(server: &Server) {
    let (client, of) = at_home(server);
    let made = create(&client, &of, json!({"data": {"a": [1], "b": 1}}));
    let path = entity_path(id(&made));
    let patch = |members: Value| entity(&client.patch(&path, &body(members)));
    let changed = patch(json!({"data": {"a": [2], "b": null}}));
    assert_eq!(changed["data"], json!({"a": [1, 2]}));
    for member in ["clientId", "clientSecret", "name", "type"] {
        assert_eq!(changed[member], made[member], "{member}");
    }
    assert!(patch(json!({"data": null})).get("data").is_none());
    client.patch(&path, &body(json!({"name": null}))).refused(&["entity.name [blank]entity.name"]);
}

/// Entities and permissions as the other objects, which have tests of their own for that.
fn patches_come_in_three_media_types(server: &Server) {
    let (client, of) = at_home(server);
    let made = create(&client, &of, json!({"data": {"a": [1]}, "clientSecret": "the first one"}));
    let path = entity_path(id(&made));
    let merged = entity(&patch(&client, MERGE_PATCH, &path, &body(json!({"data": {"a": [2]}}))));
    assert_eq!((&merged["data"], &merged["clientSecret"]), (&json!({"a": [2]}), &made["clientSecret"]));
    let operations = json!([
        {"op": "test", "path": "/entity/clientId", "value": made["clientId"]},
        {"op": "add", "path": "/entity/data/a/-", "value": 3},
        {"op": "add", "path": "/entity/clientSecret", "value": "the second one"},
    ]);
    let patched = entity(&patch(&client, JSON_PATCH, &path, &operations));
    assert_eq!(patched["data"], json!({"a": [2, 3]}));
    assert_eq!(patched["clientSecret"], "the second one");
    assert_eq!(entity(&client.get(&path)), patched);
    // Nobody finds out about the secret by patches.
    for guess in [
        json!([{"op": "test", "path": "/entity/clientSecret", "value": "the second one"}]),
        json!([{"op": "copy", "from": "/entity/clientSecret", "path": "/entity/name"}]),
        json!([{"op": "replace", "path": "/entity/clientSecret", "value": "third"}]),
    ] {
        patch(&client, JSON_PATCH, &path, &guess).refused(&["[JSONPatchNotApplicable]"]);
    }
    let operations = json!([{"op": "replace", "path": "/entity/clientId", "value": "another"}]);
    patch(&client, JSON_PATCH, &path, &operations).refused(&["entity.clientId [notAllowed]entity.clientId"]);

    let permission = &client_type(server, &of)["permissions"][0];
    let path = format!("{}/permission/{}", type_path(id(&of)), id(permission));
    let manager = server.as_key_manager();
    let operations = json!([{"op": "replace", "path": "/permission/isDefault", "value": true}]);
    assert_eq!(patch(&manager, JSON_PATCH, &path, &operations).ok()["permission"]["isDefault"], true);
    let merge = json!({"permission": {"isDefault": null, "description": "d"}});
    let merged = patch(&manager, MERGE_PATCH, &path, &merge).ok();
    assert_eq!(merged["permission"]["isDefault"], false);
    assert_eq!(merged["permission"]["description"], "d");
}

fn what_is_fixed_stays(server: &Server) {
    let (client, of) = at_home(server);
    let made = create(&client, &of, json!({}));
    let path = entity_path(id(&made));
    let other = create_type(server, json!({}));
    let moved = json!({"name": "n", "clientId": "another", "type": {"id": other["id"]}});
    for method in ["PUT", "PATCH"] {
        client.send(method, &path, Some(&body(moved.clone()))).refused(&[
            "entity.clientId [notAllowed]entity.clientId",
            "entity.type.id [notAllowed]entity.type.id",
        ]);
    }
    // The tenant in a body never counts.
    let elsewhere = json!({"name": "n", "tenantId": server.tenant()});
    assert_eq!(entity(&client.put(&path, &body(elsewhere)))["tenantId"], made["tenantId"]);
}

fn the_type_must_exist(server: &Server) {
    let (client, of) = at_home(server);
    let missing = ["entity.type.id [missing]entity.type.id"];
    for wrong in [json!(null), json!({}), json!({"id": ""}), json!({"name": of["name"]})] {
        client.post("/api/entity", &body(json!({"name": "n", "type": wrong}))).refused(&missing);
    }
    let unknown = body(json!({"name": "n", "type": {"id": uuid()}}));
    client.post("/api/entity", &unknown).refused(&["entity.type.id [invalid]entity.type.id"]);
    let malformed = body(json!({"name": "n", "type": {"id": "x"}}));
    client.post("/api/entity", &malformed).refused(&["entity.type.id [invalidJSON]"]);
}

fn what_is_not_there(server: &Server) {
    let (client, of) = at_home(server);
    let gone = create(&client, &of, json!({}));
    client.delete(&entity_path(id(&gone))).done();
    for id in [id(&gone), &uuid()] {
        let path = entity_path(id);
        client.get(&path).not_found();
        client.put(&path, &body(json!({"name": "n"}))).not_found();
        client.patch(&path, &body(json!({"name": "n"}))).not_found();
        client.post(&format!("{path}/rotate-secret"), &json!({})).not_found();
        client.delete(&path).not_found();
    }
    // Made again at once, as Terraform does it.
    let whole = json!({"name": "again", "type": {"id": of["id"]}, "clientId": gone["clientId"]});
    let again = entity(&client.post(&entity_path(id(&gone)), &body(whole)));
    assert_ne!(again["clientSecret"], gone["clientSecret"]);
}

fn ids_that_are_none(server: &Server) {
    let (client, _) = at_home(server);
    let code = "entityId [couldNotConvert]entityId";
    for id in ["x", "types", "7e57ab1e00004000800000000000000f"] {
        let path = entity_path(id);
        client.get(&path).refused(&[code]);
        client.delete(&path).refused(&[code]);
        client.put(&path, &json!({"entity": {"name": "n"}})).refused(&[code]);
        client.post(&path, &json!({})).refused(&[code, "entity [missing]entity"]);
        client.post(&format!("{path}/rotate-secret"), &json!({"a": 1})).refused(&[code, "[invalidJSON]"]);
    }
}

fn wrong_members_are_reported_together(server: &Server) {
    let (client, _) = at_home(server);
    let wrong = json!({"name": 1, "type": 1, "clientId": 1, "clientSecret": 1, "data": 1, "parentId": "x", "tenantId": 1,
        "secret": "s"});
    client.post("/api/entity", &body(wrong)).refused(&[
        "[invalidJSON]",
        "entity.clientId [invalidJSON]",
        "entity.clientSecret [invalidJSON]",
        "entity.data [invalidJSON]",
        "entity.name [invalidJSON]",
        "entity.parentId [invalidJSON]",
        "entity.tenantId [invalidJSON]",
        "entity.type [invalidJSON]",
    ]);
    let large = json!({"name": "n", "clientSecret": "s".repeat(1 << 20)});
    assert_eq!(client.post("/api/entity", &body(large)).status, 413);
}

/// The Go client always sends a `jwtConfiguration` in the type.
fn the_type_is_never_changed_by_an_entity(server: &Server) {
    let (client, _) = at_home(server);
    let key = server.signing_key();
    let of = create_type(
        server,
        json!({"jwtConfiguration": {"enabled": true, "accessTokenKeyId": key, "timeToLiveInSeconds": 60}}),
    );
    let sent =
        json!({"id": of["id"], "jwtConfiguration": {"enabled": false}, "name": "another", "permissions": []});
    let made = create(&client, &of, json!({"type": sent}));
    client.put(&entity_path(id(&made)), &body(json!({"name": "n", "type": sent}))).ok();
    assert_eq!(client_type(server, &of), of);
    assert_eq!(made["type"], of);
}

fn concurrent_patches_lose_nothing(server: &Server) {
    let (client, of) = at_home(server);
    let made = create(&client, &of, json!({"data": {"list": []}}));
    let path = entity_path(id(&made));
    let done: usize = std::thread::scope(|scope| {
        let patch = |number: usize| {
            let (client, path) = (&client, &path);
            scope.spawn(move || {
                let patch = body(json!({"data": {"list": [number]}}));
                let reply = client.patch(path, &patch);
                assert!(matches!(reply.status, 200 | 409), "{}", reply.text());
                usize::from(reply.status == 200)
            })
        };
        let threads: Vec<_> = (0..6).map(patch).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    let stored = entity(&client.get(&path));
    assert_eq!(stored["data"]["list"].as_array().unwrap().len(), done);
    assert!(done > 0);
}

fn instants_tell_when(server: &Server) {
    let client = server.as_key_manager();
    let of = create_type(server, json!({}));
    let made = create(&client, &of, json!({}));
    assert_eq!((&made["insertInstant"], &made["lastUpdateInstant"]), (&json!(START), &json!(START)));
    server.set_now(START + 1);
    let changed =
        entity(&client.put(&entity_path(id(&made)), &body(json!({"name": "n", "insertInstant": 5}))));
    assert_eq!(
        (&changed["insertInstant"], &changed["lastUpdateInstant"]),
        (&json!(START), &json!(START + 1))
    );
}
