//! Ids of a caller's own choice: which there can be, and that one text never means two keys.

use claviger_domain::Permissions;
use serde_json::json;

use super::{API_KEYS, path, refused, seen_in_a, seen_in_f};
use crate::support::fixture::FusionKey;
use crate::support::{Client, Reply, Server, unique, uuid};

on_each_database! {
    shared: ids_that_paths_can_carry, ids_that_no_path_can_carry, case_matters, a_uuid_is_the_uuid,
        a_taken_id_is_taken_in_both_dialects;
    own: an_id_is_taken_in_every_tenant;
}

fn make(client: &Client, id: &str) -> Reply {
    client.post(API_KEYS, &json!({"name": unique("id"), "id": id}))
}

fn ids_that_paths_can_carry(server: &Server) {
    let (admin, manager) = (server.as_fusion_admin(), server.as_key_manager());
    let longest = "é".repeat(255);
    for id in [
        "k", "Kiosk 1", "é", "a?b", "a#b", "...", "a,b", "{id}", "*", "a:b@c", "+", "\"", "generate",
        "api-key", &longest,
    ] {
        let made = make(&admin, id).ok();
        assert_eq!(made["id"], json!(id));
        assert_eq!(seen_in_f(server, id)["id"], json!(id));
        assert_eq!(seen_in_a(server, id)["metaData"]["attributes"]["fusion.id"], json!(id));
        manager.patch(&path(id), &json!({"apiKey": {"name": unique("renamed")}})).ok();
        admin.delete(&path(id)).done();
        refused(&admin.get(&path(id)), 404, "not-found");
    }
}

fn ids_that_no_path_can_carry(server: &Server) {
    let admin = server.as_fusion_admin();
    for id in [
        "",
        "a/b",
        "/",
        "a\\b",
        "a;b",
        "a%2fb",
        "%",
        ".",
        "..",
        "search",
        "a\n",
        "\u{7f}",
        "\u{85}",
        &"é".repeat(256),
    ] {
        refused(&make(&admin, id), 400, "invalid-id");
    }
    assert_eq!(make(&admin, "a\0b").status, 400);
    // Without one, an id is made.
    let made = admin.post(API_KEYS, &json!({"name": "no id", "id": null})).ok();
    assert!(made["id"].as_str().unwrap().starts_with("api-key-no-id-"), "{made}");
}

fn case_matters(server: &Server) {
    let admin = server.as_fusion_admin();
    let (lower, upper) = ("case-of-an-id", "CASE-of-an-id");
    let [lower_key, upper_key] = [lower, upper].map(|id| FusionKey::of(&make(&admin, id).ok()));
    assert_ne!(seen_in_a(server, lower)["id"], seen_in_a(server, upper)["id"]);
    admin.delete(&path(lower)).done();
    server.with_fusion_key(&lower_key.value).get(API_KEYS).denied();
    assert_eq!(seen_in_f(server, upper)["name"], json!(upper_key.name));
    refused(&admin.get(&path("Case-of-an-id")), 404, "not-found");
}

fn a_uuid_is_the_uuid(server: &Server) {
    let admin = server.as_fusion_admin();
    let lower = uuid();
    let upper = lower.to_uppercase();
    assert_ne!(lower, upper);
    let made = make(&admin, &upper).ok();
    // It is shown as it was sent, and found in either case.
    assert_eq!(made["id"], json!(upper));
    for id in [&lower, &upper] {
        assert_eq!(seen_in_f(server, id)["id"], json!(upper));
        let document = seen_in_a(server, id);
        assert_eq!(document["id"], json!(lower));
        assert_eq!(document["metaData"]["attributes"]["fusion.id"], json!(upper));
        refused(&make(&admin, id), 409, "already-exists");
        let create = server.as_key_manager().post(&path(id), &json!({"apiKey": {}}));
        create.refused(&["apiKeyId [duplicate]apiKeyId"]);
    }
    admin.delete(&path(&lower)).done();
    refused(&admin.get(&path(&upper)), 404, "not-found");
    // What only looks like a UUID is a text like any other.
    let simple = lower.replace('-', "");
    make(&admin, &simple).ok();
    assert_ne!(seen_in_a(server, &simple)["id"], json!(lower));
    refused(&admin.get(&path(&lower)), 404, "not-found");
}

fn a_taken_id_is_taken_in_both_dialects(server: &Server) {
    let admin = server.as_fusion_admin();
    let key = server.unrestricted();
    for id in [key.id.clone(), key.id.to_uppercase()] {
        refused(&make(&admin, &id), 409, "already-exists");
    }
    // The UUID that goes with another id is taken as well.
    let fusion = FusionKey::of(&make(&admin, &unique("with a UUID")).ok());
    let own = seen_in_a(server, &fusion.id)["id"].as_str().unwrap().to_owned();
    refused(&make(&admin, &own), 409, "already-exists");
    refused(&make(&admin, &fusion.id), 409, "already-exists");
    server
        .as_key_manager()
        .post(&path(&own), &json!({"apiKey": {}}))
        .refused(&["apiKeyId [duplicate]apiKeyId"]);
    assert_eq!(seen_in_f(server, &own)["id"], json!(fusion.id));
    // Nothing of the refused ones is left: the value that was there still works.
    server.with_key(&key.value).get("/api/tenant").ok();
}

fn an_id_is_taken_in_every_tenant(server: &Server) {
    let [first, second] = [server.tenant(), server.tenant()];
    let [manager] = server.command_line_api_keys([("manager", true, Permissions::All, Some(&second))]);
    let admin = server.as_fusion_admin();
    make(&admin.in_tenant(&first), "taken").ok();
    let global = uuid();
    make(&admin, &global).ok();
    let other = server.with_fusion_key(&manager.value);
    for client in [admin.clone(), admin.in_tenant(&second), admin.in_tenant(&first), other.clone()] {
        refused(&make(&client, "taken"), 409, "already-exists");
        refused(&make(&client, &global), 409, "already-exists");
    }
    // Whoever learns that it is taken does not see it.
    refused(&other.get(&path("taken")), 404, "not-found");
    refused(&other.delete(&path("taken")), 404, "not-found");
    server.with_key(&manager.value).get(&path(&global)).not_found();
    seen_in_f(server, "taken");
}
