//! Requests as existing clients send them: the Terraform provider and the Go client.

use serde_json::{Value, json};

use super::stored;
use crate::support::fixture::{TestKey, names};
use crate::support::server::START;
use crate::support::{Server, unique, uuid};

on_each_database! {
    shared: a_key_goes_through_its_life, a_key_of_a_tenant_goes_through_its_life, replacing_with_a_fixed_id,
        unset_members_of_go_are_absent;
}

/// The body that the provider sends: `description` and `keyManager` always, nothing that is empty otherwise.
fn sent(name: &str, members: Value) -> Value {
    let mut api_key = json!({"name": name, "keyManager": false, "retrievable": true,
        "metaData": {"attributes": {"description": ""}}});
    for (member, value) in members.as_object().unwrap() {
        api_key[member] = value.clone();
    }
    json!({"apiKey": api_key})
}

fn a_key_goes_through_its_life(server: &Server) {
    let client = server.as_key_manager().with_header("Accept", "application/json");
    let name = unique("terraform");
    let endpoints = json!({"endpoints": {"/api/tenant": ["GET"], "/api/system/version": ["GET"]}});
    let request = sent(&name, json!({"permissions": endpoints, "expirationInstant": START + 1000}));
    let key = TestKey::of(&client.post("/api/api-key", &request).ok());
    let read = client.get(&key.path()).ok();
    assert_eq!(read["apiKey"]["permissions"], endpoints_sorted());
    assert_eq!(read["apiKey"]["metaData"]["attributes"]["description"], json!(""));
    server.with_key(&key.value).get("/api/tenant").ok();
    // The update carries the key's own value, and leaves out what was taken out of the configuration.
    let after = client.put(&key.path(), &sent(&name, json!({"key": key.value}))).ok();
    assert_eq!(
        names(&after["apiKey"]),
        ["id", "insertInstant", "key", "keyManager", "lastUpdateInstant", "metaData", "name", "retrievable"]
    );
    assert_eq!(client.get(&key.path()).ok(), after);
    client.delete(&key.path()).done();
    client.get(&key.path()).not_found();
}

fn endpoints_sorted() -> Value {
    json!({"endpoints": {"/api/system/version": ["GET"], "/api/tenant": ["GET"]}})
}

fn a_key_of_a_tenant_goes_through_its_life(server: &Server) {
    let tenant = server.tenant();
    let manager = server.as_key_manager();
    let confined = manager.in_tenant(&tenant);
    let name = unique("terraform");
    let key = TestKey::of(&confined.post("/api/api-key", &sent(&name, json!({"tenantId": tenant}))).ok());
    // Reading and deleting come without the header.
    assert_eq!(manager.get(&key.path()).ok()["apiKey"]["tenantId"], json!(tenant));
    let update = sent(&name, json!({"tenantId": tenant, "key": key.value}));
    assert_eq!(confined.put(&key.path(), &update).ok()["apiKey"]["tenantId"], json!(tenant));
    manager.delete(&key.path()).done();
}

fn replacing_with_a_fixed_id(server: &Server) {
    let client = server.as_key_manager();
    let path = format!("/api/api-key/{}", uuid());
    let request = sent(&unique("terraform"), json!({"key": unique("fixed value")}));
    for _ in 0..3 {
        client.post(&path, &request).ok();
        server.with_key(request["apiKey"]["key"].as_str().unwrap()).get("/api/system/version").ok();
        client.delete(&path).done();
    }
}

fn unset_members_of_go_are_absent(server: &Server) {
    let members = json!({"permissions": {}, "tenantId": "", "ipAccessControlListId": "", "keyManager": false,
        "metaData": {"attributes": {}}});
    let key = server.api_key(members.clone());
    assert_eq!(
        names(&stored(server, &key)),
        ["id", "insertInstant", "key", "keyManager", "lastUpdateInstant", "retrievable"]
    );
    server.with_key(&key.value).get("/api/tenant").ok();
    server.as_key_manager().put(&key.path(), &json!({"apiKey": members, "sourceKeyId": ""})).ok();
}
