//! Copying API keys by `sourceKeyId`.

use serde_json::{Value, json};

use super::stored;
use crate::support::fixture::TestKey;
use crate::support::server::START;
use crate::support::{Server, unique, uuid};

on_each_database! {
    shared: a_copy_inherits, a_copy_needs_little, names_and_ids_follow_the_rules_of_new_keys,
        a_hidden_source_needs_a_name, unknown_sources_are_refused, members_that_would_be_ignored_are_refused;
}

fn a_copy_inherits(server: &Server) {
    let tenant_id = server.tenant();
    let source = server.api_key(json!({
        "name": unique("source"),
        "metaData": {"attributes": {"description": "kept"}},
        "permissions": {"endpoints": {"/api/system/version": ["GET"], "/api/user": []}},
        "tenantId": tenant_id,
        "expirationInstant": START + 1000,
    }));
    let (id, name) = (uuid(), unique("copy"));
    let request = json!({"sourceKeyId": source.id, "apiKey": {"name": name}});
    let created = server.as_key_manager().post(&format!("/api/api-key/{id}"), &request).ok();
    let copy = TestKey::of(&created);
    assert_ne!(copy.value, source.value);
    let mut expected = stored(server, &source);
    for (member, value) in [("id", json!(id)), ("key", json!(copy.value)), ("name", json!(name))] {
        expected[member] = value;
    }
    assert_eq!(created["apiKey"], expected);
    assert_eq!(stored(server, &copy), expected);
    server.with_key(&copy.value).get("/api/system/version").ok();
    server.with_key(&copy.value).get("/api/tenant").denied();
    // They part ways: what happens to the source does not happen to the copy.
    server.as_key_manager().delete(&source.path()).done();
    server.with_key(&copy.value).get("/api/system/version").ok();
}

fn a_copy_needs_little(server: &Server) {
    let manager = server.as_key_manager();
    let source = server.api_key(json!({"name": unique("source")}));
    let empty = json!({"keyManager": false, "retrievable": false, "key": "", "tenantId": "", "permissions": {},
        "metaData": {"attributes": {}}, "ipAccessControlListId": "", "expirationInstant": null, "name": null,
        "id": uuid(), "insertInstant": 0, "lastUpdateInstant": 0});
    for request in [
        json!({"sourceKeyId": source.id}),
        json!({"sourceKeyId": source.id, "apiKey": null}),
        json!({"sourceKeyId": source.id, "apiKey": {}}),
        json!({"sourceKeyId": source.id.to_uppercase(), "apiKey": empty}),
    ] {
        for path in ["/api/api-key", "/api/api-key/"] {
            let created = manager.post(path, &request).ok();
            assert!(created["apiKey"].get("name").is_none(), "{created}");
            assert_eq!(created["apiKey"]["retrievable"], json!(true));
        }
    }
}

fn names_and_ids_follow_the_rules_of_new_keys(server: &Server) {
    let manager = server.as_key_manager();
    let name = unique("source");
    let source = server.api_key(json!({"name": name}));
    let copy = |name: Value| json!({"sourceKeyId": source.id, "apiKey": {"name": name}});
    manager.post("/api/api-key", &copy(json!(name))).refused(&["apiKey.name [duplicate]apiKey.name"]);
    manager.post("/api/api-key", &copy(json!(" "))).refused(&["apiKey.name [blank]apiKey.name"]);
    manager.post("/api/api-key", &copy(json!(1))).refused(&["apiKey.name [invalidJSON]"]);
    manager.post(&source.path(), &copy(json!(unique("x")))).refused(&["apiKeyId [duplicate]apiKeyId"]);
    manager
        .post("/api/api-key/x", &copy(json!(unique("x"))))
        .refused(&["apiKeyId [couldNotConvert]apiKeyId"]);
}

fn a_hidden_source_needs_a_name(server: &Server) {
    let manager = server.as_key_manager();
    let source = server.api_key(json!({"name": unique("hidden source"), "retrievable": false}));
    manager
        .post("/api/api-key", &json!({"sourceKeyId": source.id}))
        .refused(&["apiKey.name [blank]apiKey.name"]);
    let request = json!({"sourceKeyId": source.id, "apiKey": {"name": unique("hidden copy")}});
    let copy = TestKey::of(&manager.post("/api/api-key", &request).ok());
    let read = stored(server, &copy);
    assert_eq!((read["retrievable"].clone(), read.get("key")), (json!(false), None));
}

fn unknown_sources_are_refused(server: &Server) {
    let manager = server.as_key_manager();
    let unknown = ["sourceKeyId [invalid]sourceKeyId"];
    manager.post("/api/api-key", &json!({"sourceKeyId": uuid()})).refused(&unknown);
    manager.post("/api/api-key", &json!({"sourceKeyId": "x"})).refused(&["sourceKeyId [invalidJSON]"]);
    manager.post("/api/api-key", &json!({"sourceKeyId": 1})).refused(&["sourceKeyId [invalidJSON]"]);
    let deleted = server.unrestricted();
    manager.delete(&deleted.path()).done();
    manager.post("/api/api-key", &json!({"sourceKeyId": deleted.id})).refused(&unknown);
    // In a request for one tenant, keys of others and of none are out of reach.
    let (tenant, global) = (server.tenant(), server.unrestricted());
    let other = server.api_key(json!({"tenantId": server.tenant()}));
    let own = server.api_key(json!({"tenantId": tenant}));
    let confined = manager.in_tenant(&tenant);
    confined.post("/api/api-key", &json!({"sourceKeyId": global.id})).refused(&unknown);
    confined.post("/api/api-key", &json!({"sourceKeyId": other.id})).refused(&unknown);
    confined.post("/api/api-key", &json!({"sourceKeyId": own.id})).ok();
}

fn members_that_would_be_ignored_are_refused(server: &Server) {
    let manager = server.as_key_manager();
    let source = server.unrestricted();
    for (member, value) in [
        ("expirationInstant", json!(START)),
        ("ipAccessControlListId", json!(uuid())),
        ("key", json!("a value")),
        ("keyManager", json!(true)),
        ("metaData", json!({"attributes": {"description": "x"}})),
        ("permissions", json!({"endpoints": {"/api/user": ["GET"]}})),
        ("permissions", json!({"endpoints": {"/api/user": []}})),
        ("retrievable", json!(true)),
        ("tenantId", json!(uuid())),
    ] {
        let path = format!("/api/api-key/{}", uuid());
        let request = json!({"sourceKeyId": source.id, "apiKey": {"name": unique("x"), member: value}});
        let expected = format!("apiKey.{member} [notAllowed]apiKey.{member}");
        manager.post(&path, &request).refused(&[&expected]);
        manager.get(&path).not_found();
    }
    let unknown = json!({"sourceKeyId": source.id, "apiKey": {"permission": {}}});
    manager.post("/api/api-key", &unknown).refused(&["[invalidJSON]"]);
}
