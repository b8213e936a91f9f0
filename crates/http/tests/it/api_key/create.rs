//! Creating API keys: members, defaults, values, ids.

use serde_json::{Value, json};

use super::{body, stored};
use crate::support::fixture::{TestKey, names};
use crate::support::server::{PREFIX, START};
use crate::support::{Server, unique, uuid};

on_each_database! {
    shared: every_member_comes_back, a_key_without_members_has_defaults, ids_can_be_chosen, ids_are_unique,
        a_value_that_is_not_retrievable_is_shown_once, a_retrievable_value_is_shown_again,
        values_can_be_chosen, read_only_members_are_not_obeyed, a_tenant_header_decides_the_tenant,
        a_slash_at_the_end_is_no_id;
}

fn every_member_comes_back(server: &Server) {
    let tenant_id = server.tenant();
    let (name, value) = (unique("all members"), unique("a chosen value"));
    let endpoints = json!({
        "/api/user": ["DELETE", "GET", "PATCH", "POST", "PUT"],
        "/api/user/search": ["GET"],
        "/v1/not/in/the/catalogue": ["POST"],
        "/api/group": [],
    });
    let members = json!({
        "name": name,
        "key": value,
        "metaData": {"attributes": {"description": "Something", "owner": "é"}},
        "permissions": {"endpoints": endpoints},
        "tenantId": tenant_id,
        "keyManager": false,
        "retrievable": true,
        "expirationInstant": START + 86_400_000,
    });
    let reply = server.as_key_manager().post("/api/api-key", &body(members));
    let created = reply.ok();
    let api_key = &created["apiKey"];
    let id = api_key["id"].as_str().unwrap();
    let expected = json!({
        "expirationInstant": START + 86_400_000,
        "id": id,
        "insertInstant": START,
        "key": value,
        "keyManager": false,
        "lastUpdateInstant": START,
        "metaData": {"attributes": {"description": "Something", "owner": "é"}},
        "name": name,
        "permissions": {"endpoints": endpoints},
        "retrievable": true,
        "tenantId": tenant_id,
    });
    assert_eq!(created, json!({"apiKey": expected}));
    assert_eq!(stored(server, &TestKey::of(&created)), expected);
    // Members stand in alphabetical order, at every level.
    let positions: Vec<_> = [
        "\"expirationInstant\"",
        "\"id\"",
        "\"insertInstant\"",
        "\"key\"",
        "\"keyManager\"",
        "\"lastUpdateInstant\"",
        "\"metaData\"",
        "\"attributes\"",
        "\"description\"",
        "\"owner\"",
        "\"name\"",
        "\"permissions\"",
        "\"endpoints\"",
        "\"/api/group\"",
        "\"/api/user\"",
        "\"/api/user/search\"",
        "\"/v1/not/in/the/catalogue\"",
        "\"retrievable\"",
        "\"tenantId\"",
    ]
    .map(|member| reply.text().find(member).unwrap())
    .into();
    assert!(positions.is_sorted(), "{}", reply.text());
}

fn a_key_without_members_has_defaults(server: &Server) {
    let created = server.as_key_manager().post("/api/api-key", &body(json!({}))).ok();
    let api_key = &created["apiKey"];
    assert_eq!(
        names(api_key),
        ["id", "insertInstant", "key", "keyManager", "lastUpdateInstant", "retrievable"]
    );
    assert_eq!((&api_key["keyManager"], &api_key["retrievable"]), (&json!(false), &json!(true)));
    assert_eq!((&api_key["insertInstant"], &api_key["lastUpdateInstant"]), (&json!(START), &json!(START)));
    let key = TestKey::of(&created);
    assert_eq!((key.id.len(), &key.id[14..15], key.id.to_lowercase() == key.id), (36, "4", true));
    assert_generated(&key.value);
    assert_ne!(key.value, server.unrestricted().value);
}

/// A prefix, 43 digits of base62, and 6 with the CRC-32 of what precedes.
#[track_caller]
fn assert_generated(value: &str) {
    const DIGITS: &str = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let digits = value.strip_prefix(PREFIX).unwrap();
    assert!(digits.len() == 49 && digits.chars().all(|digit| DIGITS.contains(digit)), "the form is wrong");
    let (checked, check) = value.split_at(value.len() - 6);
    let mut crc = u32::MAX;
    for byte in checked.bytes() {
        crc ^= u32::from(byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 { (crc >> 1) ^ 0xedb8_8320 } else { crc >> 1 };
        }
    }
    let number = check.chars().fold(0_u64, |number, digit| number * 62 + DIGITS.find(digit).unwrap() as u64);
    assert_eq!(number, u64::from(!crc), "the checksum is wrong");
}

fn ids_can_be_chosen(server: &Server) {
    let manager = server.as_key_manager();
    let id = uuid();
    let created = manager.post(&format!("/api/api-key/{}", id.to_uppercase()), &body(json!({}))).ok();
    assert_eq!(created["apiKey"]["id"], json!(id));
    assert_eq!(manager.get(&format!("/api/api-key/{id}")).ok()["apiKey"]["id"], json!(id));
    for bad in
        ["x", "generate", "7e57ab1e00004000800000000000ffff", "%7B7e57ab1e-0000-4000-8000-00000000ffff%7D"]
    {
        let path = format!("/api/api-key/{bad}");
        let code = ["apiKeyId [couldNotConvert]apiKeyId"];
        manager.post(&path, &body(json!({}))).refused(&code);
        manager.get(&path).refused(&code);
        manager.put(&path, &body(json!({}))).refused(&code);
        manager.patch(&path, &body(json!({}))).refused(&code);
        manager.delete(&path).refused(&code);
    }
}

fn ids_are_unique(server: &Server) {
    let manager = server.as_key_manager();
    let key = server.unrestricted();
    let before = stored(server, &key);
    manager
        .post(&key.path(), &body(json!({"name": unique("second")})))
        .refused(&["apiKeyId [duplicate]apiKeyId"]);
    assert_eq!(stored(server, &key), before);
    server.with_key(&key.value).get("/api/system/version").ok();
}

fn a_value_that_is_not_retrievable_is_shown_once(server: &Server) {
    let manager = server.as_key_manager();
    let name = unique("hidden");
    let key = server.api_key(json!({"name": name, "retrievable": false}));
    assert_generated(&key.value);
    server.with_key(&key.value).get("/api/system/version").ok();
    let shown = [
        manager.get(&key.path()),
        manager.put(&key.path(), &body(json!({"name": name, "retrievable": false, "key": key.value}))),
        manager.patch(&key.path(), &body(json!({"metaData": {"attributes": {"description": "x"}}}))),
    ];
    for reply in shown {
        let document = reply.ok();
        assert_eq!(document["apiKey"]["retrievable"], json!(false));
        assert!(document["apiKey"].get("key").is_none() && !reply.text().contains(&key.value));
    }
    server.with_key(&key.value).get("/api/system/version").ok();
    // Without a name nobody could tell such a key from another.
    for members in [json!({"retrievable": false}), json!({"retrievable": false, "name": null})] {
        manager.post("/api/api-key", &body(members)).refused(&["apiKey.name [blank]apiKey.name"]);
    }
    manager.put(&key.path(), &body(json!({}))).refused(&["apiKey.name [blank]apiKey.name"]);
    manager.patch(&key.path(), &body(json!({"name": null}))).refused(&["apiKey.name [blank]apiKey.name"]);
    assert_eq!(stored(server, &key)["name"], json!(name));
}

fn a_retrievable_value_is_shown_again(server: &Server) {
    let manager = server.as_key_manager();
    for key in [server.unrestricted(), server.api_key(json!({"key": unique("chosen"), "retrievable": true}))]
    {
        assert_eq!(manager.get(&key.path()).ok()["apiKey"]["key"], json!(key.value));
        assert_eq!(manager.put(&key.path(), &body(json!({}))).ok()["apiKey"]["key"], json!(key.value));
        let patch = body(json!({"name": unique("named")}));
        assert_eq!(manager.patch(&key.path(), &patch).ok()["apiKey"]["key"], json!(key.value));
    }
}

fn values_can_be_chosen(server: &Server) {
    let manager = server.as_key_manager();
    let long = format!("{:x<1024}", unique("long "));
    for value in [
        &unique("with white space inside"),
        &unique("é ü 鍵"),
        &unique("Bearer-like"),
        &unique("clv_short"),
        &unique("{\"quoted\": \"\\\"}"),
        &long,
    ] {
        let key = server.api_key(json!({"key": value}));
        assert_eq!(&key.value, value);
        server.with_key(value).get("/api/system/version").ok();
        manager
            .post("/api/api-key", &body(json!({"key": value})))
            .refused(&["apiKey.key [duplicate]apiKey.key"]);
        manager.delete(&key.path()).done();
        server.with_key(value).get("/api/system/version").denied();
    }
    // A generated value can be taken over, as from a backup.
    let generated = server.unrestricted();
    manager.delete(&generated.path()).done();
    let again = server.api_key(json!({"key": generated.value}));
    server.with_key(&again.value).get("/api/system/version").ok();
}

fn read_only_members_are_not_obeyed(server: &Server) {
    let members = json!({"id": uuid(), "insertInstant": 1, "lastUpdateInstant": 2, "keyManager": false});
    let created = server.as_key_manager().post("/api/api-key", &body(members.clone())).ok();
    assert_ne!(created["apiKey"]["id"], members["id"]);
    assert_eq!(created["apiKey"]["insertInstant"], json!(START));
    assert_eq!(created["apiKey"]["lastUpdateInstant"], json!(START));
}

fn a_tenant_header_decides_the_tenant(server: &Server) {
    let (tenant, other) = (server.tenant(), server.tenant());
    let client = server.as_key_manager().in_tenant(&tenant);
    let created = client.post("/api/api-key", &body(json!({}))).ok();
    assert_eq!(created["apiKey"]["tenantId"], json!(tenant));
    let created = client.post("/api/api-key", &body(json!({"tenantId": tenant.to_uppercase()}))).ok();
    assert_eq!(created["apiKey"]["tenantId"], json!(tenant));
    client
        .post("/api/api-key", &body(json!({"tenantId": other})))
        .refused(&["apiKey.tenantId [invalid]apiKey.tenantId"]);
}

fn a_slash_at_the_end_is_no_id(server: &Server) {
    let manager = server.as_key_manager();
    let created: Value = manager.post("/api/api-key/", &body(json!({}))).ok();
    let key = TestKey::of(&created);
    assert_eq!(manager.get(&format!("{}/", key.path())).ok()["apiKey"]["id"], json!(key.id));
    manager.delete(&format!("{}/", key.path())).done();
    // Nothing lists API keys, and nothing else works without an id.
    for method in ["GET", "PUT", "PATCH", "DELETE"] {
        for path in ["/api/api-key", "/api/api-key/"] {
            manager.send(method, path, Some(&body(json!({})))).not_found();
        }
    }
}
