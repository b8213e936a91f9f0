//! Lists that API keys name stay, and whoever wants to delete one is told which keys these are.

use serde_json::json;

use super::{create, id, path};
use crate::support::{Reply, Server};

on_each_database! {
    shared: a_list_in_use_cannot_be_deleted, a_freed_list_can_be_deleted, at_most_five_keys_are_named,
        a_list_that_is_gone_cannot_be_named;
}

/// The message of a refusal because of use.
#[track_caller]
fn message(reply: &Reply) -> String {
    reply.refused(&["ipAccessControlListId [inUse]ipAccessControlListId"]);
    reply.json()["fieldErrors"]["ipAccessControlListId"][0]["message"].as_str().unwrap().to_owned()
}

fn a_list_in_use_cannot_be_deleted(server: &Server) {
    let manager = server.as_key_manager();
    let list = create(server, json!({}));
    let one = server.api_key(json!({"ipAccessControlListId": id(&list)}));
    let told = message(&manager.delete(&path(id(&list))));
    assert_eq!(told, format!("The IP access control list is in use by 1 API key: {}.", one.id));
    // Keys of tenants count as well.
    let other = server.api_key(json!({"ipAccessControlListId": id(&list), "tenantId": server.tenant()}));
    let mut ids = [one.id.clone(), other.id.clone()];
    ids.sort();
    let told = message(&manager.delete(&path(id(&list))));
    assert_eq!(told, format!("The IP access control list is in use by 2 API keys: {}.", ids.join(", ")));
    // It is there, and counts.
    assert_eq!(manager.get(&path(id(&list))).ok()["ipAccessControlList"], list);
    server.with_key(&one.value).get("/api/system/version").ok();
}

fn a_freed_list_can_be_deleted(server: &Server) {
    let manager = server.as_key_manager();
    let list = create(server, json!({}));
    let name = json!({"ipAccessControlListId": id(&list)});
    let keys = [0; 4].map(|_| server.api_key(name.clone()));
    let other = create(server, json!({}));
    manager.delete(&keys[0].path()).done();
    message(&manager.delete(&path(id(&list))));
    manager.put(&keys[1].path(), &json!({"apiKey": {}})).ok();
    manager.patch(&keys[2].path(), &json!({"apiKey": {"ipAccessControlListId": null}})).ok();
    let told = message(&manager.delete(&path(id(&list))));
    assert!(told.contains("1 API key:") && told.contains(&keys[3].id), "{told}");
    manager.patch(&keys[3].path(), &json!({"apiKey": {"ipAccessControlListId": id(&other)}})).ok();
    manager.delete(&path(id(&list))).done();
    manager.get(&path(id(&list))).not_found();
    message(&manager.delete(&path(id(&other))));
    // The tenant takes its keys along.
    let list = create(server, json!({}));
    let tenant = server.tenant();
    server.api_key(json!({"ipAccessControlListId": id(&list), "tenantId": tenant}));
    message(&manager.delete(&path(id(&list))));
    manager.delete(&format!("/api/tenant/{tenant}")).done();
    manager.delete(&path(id(&list))).done();
}

fn at_most_five_keys_are_named(server: &Server) {
    let list = create(server, json!({}));
    let mut ids: Vec<_> =
        (0..7).map(|_| server.api_key(json!({"ipAccessControlListId": id(&list)})).id).collect();
    ids.sort();
    let told = message(&server.as_key_manager().delete(&path(id(&list))));
    let named = ids[..5].join(", ");
    assert_eq!(told, format!("The IP access control list is in use by 7 API keys: {named}, \u{2026}."));
}

fn a_list_that_is_gone_cannot_be_named(server: &Server) {
    let manager = server.as_key_manager();
    let list = create(server, json!({}));
    let key = server.unrestricted();
    manager.delete(&path(id(&list))).done();
    let code = "apiKey.ipAccessControlListId [invalid]apiKey.ipAccessControlListId";
    let named = json!({"apiKey": {"ipAccessControlListId": id(&list)}});
    manager.post("/api/api-key", &named).refused(&[code]);
    manager.put(&key.path(), &named).refused(&[code]);
    manager.patch(&key.path(), &named).refused(&[code]);
    server.with_key(&key.value).get("/api/system/version").ok();
}
