//! Making, reading, changing and deleting types of entities, and the keys that they name.

use serde_json::{Value, json};

use super::{TYPES, create, create_type, entity_type, id, type_body, type_path};
use crate::support::fixture::names;
use crate::support::server::START;
use crate::support::{Server, unique, uuid};

on_each_database! {
    shared: a_type_is_answered_as_it_is_stored, an_id_can_be_chosen_once, put_replaces, patch_merges, names_are_unique,
        what_is_not_there, ids_that_are_none, wrong_members_are_reported_together, keys_are_checked,
        a_key_in_use_cannot_be_deleted, a_type_in_use_cannot_be_deleted;
    own: all_types_are_listed_by_name, instants_tell_when, types_outlive_a_restart;
}

fn a_type_is_answered_as_it_is_stored(server: &Server) {
    let manager = server.as_key_manager();
    let name = unique(" \u{1f511} Device ");
    // The Go client sends an empty permission along.
    let mut whole =
        type_body(json!({"name": name, "data": {"b": [1, null], "a": {}}, "permissions": [{"name": "x"}],
        "jwtConfiguration": {"enabled": false}, "id": uuid(), "insertInstant": 1}));
    whole["permission"] = json!({"isDefault": false});
    let made = entity_type(&manager.post(TYPES, &whole));
    assert_eq!(
        names(&made),
        ["data", "id", "insertInstant", "jwtConfiguration", "lastUpdateInstant", "name", "permissions"]
    );
    assert_eq!((&made["name"], &made["data"]), (&json!(name), &json!({"a": {}, "b": [1, null]})));
    assert_eq!((&made["jwtConfiguration"], &made["permissions"]), (&json!({"enabled": false}), &json!([])));
    assert_eq!(entity_type(&manager.get(&type_path(id(&made)))), made);
    // What was answered can be sent back.
    let mut same = entity_type(&manager.put(&type_path(id(&made)), &type_body(made.clone())));
    same["lastUpdateInstant"] = made["lastUpdateInstant"].clone();
    assert_eq!(same, made);
}

fn an_id_can_be_chosen_once(server: &Server) {
    let manager = server.as_key_manager();
    let chosen = uuid();
    let new = || type_body(json!({"name": unique("chosen")}));
    assert_eq!(id(&entity_type(&manager.post(&type_path(&chosen), &new()))), chosen);
    manager.post(&type_path(&chosen), &new()).refused(&["entityTypeId [duplicate]entityTypeId"]);
}

fn put_replaces(server: &Server) {
    let manager = server.as_key_manager();
    let key = server.signing_key();
    let jwt = json!({"enabled": true, "accessTokenKeyId": key, "timeToLiveInSeconds": 60});
    let made = create_type(server, json!({"data": {"a": 1}, "jwtConfiguration": jwt}));
    super::create_permission(server, &made, json!({"name": "read"}));
    assert_eq!(made["jwtConfiguration"], jwt);
    let name = unique("replaced");
    let changed = entity_type(&manager.put(&type_path(id(&made)), &type_body(json!({"name": name}))));
    assert_eq!(
        names(&changed),
        ["id", "insertInstant", "jwtConfiguration", "lastUpdateInstant", "name", "permissions"]
    );
    assert_eq!((&changed["name"], &changed["jwtConfiguration"]), (&json!(name), &json!({"enabled": false})));
    // They have paths of their own.
    assert_eq!(changed["permissions"][0]["name"], "read");
    assert_eq!(entity_type(&manager.get(&type_path(id(&made)))), changed);
}

fn patch_merges(server: &Server) {
    let manager = server.as_key_manager();
    let made = create_type(server, json!({"data": {"a": [1], "b": 1}}));
    let path = type_path(id(&made));
    let patch = |members: Value| entity_type(&manager.patch(&path, &type_body(members)));
    assert_eq!(patch(json!({}))["data"], made["data"]);
    assert_eq!(patch(json!({"data": {"a": [2], "b": null}}))["data"], json!({"a": [1, 2]}));
    let [one, two] = [server.signing_key(), server.signing_key()];
    let verification = |id: &str| json!({"jwtConfiguration": {"accessTokenVerificationKeyIds": [id]}});
    patch(verification(&one));
    let changed = patch(verification(&two));
    assert_eq!(changed["jwtConfiguration"]["accessTokenVerificationKeyIds"], json!([one, two]));
    assert_eq!(changed["name"], made["name"]);
    let overriding = manager.with_header("X-HTTP-Method-Override", "PATCH");
    let changed = entity_type(&overriding.post(&path, &type_body(json!({"data": null}))));
    assert!(changed.get("data").is_none());
}

fn names_are_unique(server: &Server) {
    let manager = server.as_key_manager();
    let [one, two] = [create_type(server, json!({})), create_type(server, json!({}))];
    let taken = type_body(json!({"name": one["name"]}));
    let code = ["entityType.name [duplicate]entityType.name"];
    manager.post(TYPES, &taken).refused(&code);
    manager.put(&type_path(id(&two)), &taken).refused(&code);
    manager.patch(&type_path(id(&two)), &taken).refused(&code);
    manager.put(&type_path(id(&one)), &taken).ok();
}

fn what_is_not_there(server: &Server) {
    let manager = server.as_key_manager();
    let gone = create_type(server, json!({}));
    manager.delete(&type_path(id(&gone))).done();
    for id in [id(&gone), &uuid()] {
        let whole = type_body(json!({"name": unique("nowhere")}));
        manager.get(&type_path(id)).not_found();
        manager.put(&type_path(id), &whole).not_found();
        manager.patch(&type_path(id), &whole).not_found();
        manager.delete(&type_path(id)).not_found();
    }
    create_type(server, json!({"name": gone["name"]}));
}

fn ids_that_are_none(server: &Server) {
    let manager = server.as_key_manager();
    let code = "entityTypeId [couldNotConvert]entityTypeId";
    for id in ["x", "grant", "7e57ab1e00004000800000000000000f"] {
        manager.get(&type_path(id)).refused(&[code]);
        manager.delete(&type_path(id)).refused(&[code]);
        manager.put(&type_path(id), &json!({})).refused(&[code, "entityType [missing]entityType"]);
    }
}

fn wrong_members_are_reported_together(server: &Server) {
    let wrong =
        json!({"nam": "x", "data": [], "jwtConfiguration": {"enabled": true, "timeToLiveInSeconds": 0}});
    server.as_key_manager().post(TYPES, &type_body(wrong)).refused(&[
        "[invalidJSON]",
        "entityType.data [invalidJSON]",
        "entityType.jwtConfiguration.timeToLiveInSeconds [invalid]entityType.jwtConfiguration.timeToLiveInSeconds",
        "entityType.name [blank]entityType.name",
    ]);
    let bare = json!({"name": unique("bare"), "jwtConfiguration": {"enabled": true}});
    server.as_key_manager().post(TYPES, &type_body(bare)).refused(&[
        "entityType.jwtConfiguration.accessTokenKeyId [missing]entityType.jwtConfiguration.accessTokenKeyId",
        "entityType.jwtConfiguration.timeToLiveInSeconds [missing]entityType.jwtConfiguration.timeToLiveInSeconds",
    ]);
}

/// The three keys that cannot sign: none at all, a public half, and one that stands for the client's secret.
fn keys_are_checked(server: &Server) {
    let manager = server.as_key_manager();
    let pair = server.signing_key();
    let public = manager.get(&format!("/api/key/{pair}")).ok()["key"]["publicKey"].clone();
    let imported = json!({"key": {"name": unique("verifies"), "publicKey": public}});
    let verifies = manager.post("/api/key/import", &imported).ok()["key"]["id"].as_str().unwrap().to_owned();
    let shadow = "092dbedc-30af-4149-9c61-b578f2c72f59";
    let made = create_type(server, json!({}));
    let path = "entityType.jwtConfiguration.accessTokenKeyId";
    let verification = "entityType.jwtConfiguration.accessTokenVerificationKeyIds";
    for (key, signs, checks) in [
        (pair.as_str(), true, true),
        (&verifies, false, true),
        (shadow, false, false),
        (&uuid(), false, false),
    ] {
        for (member, path, accepted) in [
            (json!({"accessTokenKeyId": key}), path, signs),
            (json!({"accessTokenVerificationKeyIds": [key]}), verification, checks),
        ] {
            let whole = || type_body(json!({"name": unique("type"), "jwtConfiguration": member}));
            let replies = [
                manager.post(TYPES, &whole()),
                manager.put(&type_path(id(&made)), &whole()),
                manager.patch(&type_path(id(&made)), &whole()),
            ];
            for reply in replies {
                match accepted {
                    true => drop(reply.ok()),
                    false => reply.refused(&[&format!("{path} [invalid]{path}")]),
                }
            }
            // A patch appends: what was accepted is taken away again.
            manager.put(&type_path(id(&made)), &type_body(json!({"name": unique("type")}))).ok();
        }
    }
}

fn a_key_in_use_cannot_be_deleted(server: &Server) {
    let manager = server.as_key_manager();
    let [signs, verifies] = [server.signing_key(), server.signing_key()];
    let made = create_type(
        server,
        json!({"jwtConfiguration": {"accessTokenKeyId": signs, "accessTokenVerificationKeyIds": [verifies]}}),
    );
    for (key, property) in [
        (&signs, "jwtConfiguration.accessTokenKeyId"),
        (&verifies, "jwtConfiguration.accessTokenVerificationKeyIds"),
    ] {
        let reply = manager.delete(&format!("/api/key/{key}"));
        reply.refused(&["keyId [inUse]keyId"]);
        let message = reply.json()["fieldErrors"]["keyId"][0]["message"].as_str().unwrap().to_owned();
        assert_eq!(message, format!("The key is in use: EntityType {} names it in {property}.", id(&made)));
    }
    manager.put(&type_path(id(&made)), &type_body(json!({"name": unique("freed")}))).ok();
    manager.delete(&format!("/api/key/{signs}")).done();
    let other = create_type(server, json!({"jwtConfiguration": {"accessTokenKeyId": verifies}}));
    manager.delete(&format!("/api/key/{verifies}")).refused(&["keyId [inUse]keyId"]);
    manager.delete(&type_path(id(&other))).done();
    manager.delete(&format!("/api/key/{verifies}")).done();
}

fn a_type_in_use_cannot_be_deleted(server: &Server) {
    let manager = server.as_key_manager();
    let made = super::type_with(server, &["read"]);
    let [one, two] = [server.tenant(), server.tenant()]
        .map(|tenant| create(&manager.in_tenant(&tenant), &made, json!({})));
    let message = |entities: &str| {
        let reply = manager.delete(&type_path(id(&made)));
        reply.refused(&["entityTypeId [inUse]entityTypeId"]);
        let message = &reply.json()["fieldErrors"]["entityTypeId"][0]["message"];
        assert_eq!(*message, json!(format!("The entity type is in use by {entities}.")));
    };
    message("2 entities");
    manager.in_tenant(one["tenantId"].as_str().unwrap()).delete(&super::entity_path(id(&one))).done();
    message("1 entity");
    manager.delete(&format!("/api/tenant/{}", two["tenantId"].as_str().unwrap())).done();
    manager.delete(&type_path(id(&made))).done();
    manager.get(&type_path(id(&made))).not_found();
}

fn all_types_are_listed_by_name(server: &Server) {
    let manager = server.as_key_manager();
    assert_eq!(manager.get(TYPES).ok(), json!({"entityTypes": []}));
    let [b, a] = ["b", "a"].map(|name| create_type(server, json!({"name": name})));
    let permission = super::create_permission(server, &b, json!({"name": "read"}));
    let mut with_permission = b.clone();
    with_permission["permissions"] = json!([permission]);
    assert_eq!(manager.get(TYPES).ok(), json!({"entityTypes": [a, with_permission]}));
}

fn instants_tell_when(server: &Server) {
    let made = create_type(server, json!({}));
    assert_eq!((&made["insertInstant"], &made["lastUpdateInstant"]), (&json!(START), &json!(START)));
    for (method, now) in [("PUT", START + 1), ("PATCH", START + 2)] {
        server.set_now(now);
        let changed = type_body(json!({"name": unique("later"), "insertInstant": 5}));
        let changed =
            entity_type(&server.as_key_manager().send(method, &type_path(id(&made)), Some(&changed)));
        assert_eq!((&changed["insertInstant"], &changed["lastUpdateInstant"]), (&json!(START), &json!(now)));
    }
}

fn types_outlive_a_restart(server: &Server) {
    let made = super::type_with(server, &["a", "b"]);
    let made = entity_type(&server.as_key_manager().get(&type_path(id(&made))));
    let stored = create(&server.as_key_manager(), &made, json!({"clientSecret": "kept over the restart"}));
    server.while_stopped(|_| ());
    assert_eq!(entity_type(&server.as_key_manager().get(&type_path(id(&made)))), made);
    assert_eq!(super::entity(&server.as_key_manager().get(&super::entity_path(id(&stored)))), stored);
}
