//! Listing, renaming and deleting keys; shadow keys; keys in use.

use serde_json::{Value, json};

use super::{generate, path};
use crate::support::fixture::names;
use crate::support::server::START;
use crate::support::{Server, unique, uuid};

on_each_database! {
    shared: renaming_takes_the_whole_object_back, deleted_is_gone_and_free_again, shadow_keys_do_not_change,
        keys_in_use_stay, the_list_has_every_key;
    own: a_new_instance_has_its_keys, renaming_moves_one_instant, the_default_issuer_is_the_default_tenants;
}

const SHADOW_KEYS: [(&str, &str); 3] = [
    ("HS256", "092dbedc-30af-4149-9c61-b578f2c72f59"),
    ("HS384", "4b8f1c06-518e-45bd-9ac5-d549686ae02a"),
    ("HS512", "c753a44d-7f2e-48d3-bc4e-c2c16488a23b"),
];

fn renaming_takes_the_whole_object_back(server: &Server) {
    let manager = server.as_key_manager();
    for algorithm in ["ES256", "HS256", "Ed25519"] {
        let mut key = generate(server, json!({"algorithm": algorithm}));
        key["name"] = json!(unique("renamed"));
        assert_eq!(manager.put(&path(&key), &json!({"key": key})).ok(), json!({"key": key}));
        // Nothing but the name counts, whatever is said.
        let name = unique("renamed again");
        let nonsense = json!({"name": name, "algorithm": "nonsense", "length": "x", "type": 1, "issuer": [],
            "kid": {}, "publicKey": 1, "privateKey": "p", "secret": "s", "certificate": false, "id": uuid(),
            "hasPrivateKey": false, "certificateInformation": {}, "insertInstant": 1, "lastUpdateInstant": 2});
        let after = manager.put(&path(&key), &json!({"key": nonsense})).ok();
        key["name"] = json!(name);
        assert_eq!(after, json!({"key": key}));
        assert_eq!(manager.put(&path(&key), &json!({"key": {"name": name}})).ok(), json!({"key": key}));
        assert_eq!(manager.get(&path(&key)).ok(), json!({"key": key}));
        assert_eq!(manager.patch(&path(&key), &json!({"key": {"name": name}})).status, 405);
    }
}

fn deleted_is_gone_and_free_again(server: &Server) {
    let manager = server.as_key_manager();
    let id = uuid();
    let request = json!({"key": {"name": unique("again"), "algorithm": "ES256"}});
    let mut kids = Vec::new();
    for _ in 0..3 {
        let key = manager.post(&format!("/api/key/generate/{id}"), &request).ok();
        kids.push(key["key"]["kid"].clone());
        let path = format!("/api/key/{id}");
        manager.delete(&path).done();
        manager.get(&path).not_found();
        manager.put(&path, &request).not_found();
        manager.delete(&path).not_found();
    }
    assert!(kids[0] != kids[1] && kids[1] != kids[2]);
}

fn shadow_keys_do_not_change(server: &Server) {
    let manager = server.as_key_manager();
    for (algorithm, id) in SHADOW_KEYS {
        let path = format!("/api/key/{id}");
        let before = manager.get(&path).ok();
        let key = &before["key"];
        assert_eq!(
            names(key),
            ["algorithm", "id", "insertInstant", "kid", "lastUpdateInstant", "name", "type"]
        );
        assert_eq!((&key["algorithm"], &key["type"]), (&json!(algorithm), &json!("HMAC")));
        manager.delete(&path).refused(&["keyId [invalid]keyId"]);
        manager.put(&path, &json!({"key": {"name": unique("x")}})).refused(&["keyId [invalid]keyId"]);
        let generate = json!({"key": {"name": unique("x"), "algorithm": "HS256"}});
        manager.post(&format!("/api/key/generate/{id}"), &generate).refused(&["keyId [duplicate]keyId"]);
        assert_eq!(manager.get(&path).ok(), before);
    }
}

fn keys_in_use_stay(server: &Server) {
    let manager = server.as_key_manager();
    let id = server.signing_key();
    let (key_path, tenant) = (format!("/api/key/{id}"), server.tenant());
    let tenant_path = format!("/api/tenant/{tenant}");
    let name = unique("user of a key");
    let request = |jwt: Value| json!({"tenant": {"name": name, "jwtConfiguration": jwt}});
    for (property, value) in [
        ("accessTokenKeyId", json!(id)),
        ("idTokenKeyId", json!(id)),
        ("accessTokenVerificationKeyIds", json!([id])),
        ("idTokenVerificationKeyIds", json!([id])),
    ] {
        manager.put(&tenant_path, &request(json!({property: value}))).ok();
        let reply = manager.delete(&key_path);
        reply.refused(&["keyId [inUse]keyId"]);
        let message = reply.json()["fieldErrors"]["keyId"][0]["message"].as_str().unwrap().to_owned();
        assert!(
            message.contains("Tenant")
                && message.contains(&tenant)
                && message.contains(&format!("jwtConfiguration.{property}")),
            "{message}"
        );
        manager.get(&key_path).ok();
    }
    // Each place is named.
    let both = request(json!({"accessTokenKeyId": id, "idTokenKeyId": id}));
    manager.put(&tenant_path, &both).ok();
    manager.delete(&key_path).refused(&["keyId [inUse]keyId", "keyId [inUse]keyId"]);
    // A key in use can be renamed.
    manager.put(&key_path, &json!({"key": {"name": unique("in use")}})).ok();
    // Let go, it can be deleted.
    manager.put(&tenant_path, &request(json!({}))).ok();
    manager.delete(&key_path).done();
    // The end of a tenant lets go as well.
    let id = server.signing_key();
    manager.put(&tenant_path, &request(json!({"accessTokenKeyId": id}))).ok();
    manager.delete(&format!("/api/key/{id}")).refused(&["keyId [inUse]keyId"]);
    manager.delete(&tenant_path).done();
    manager.delete(&format!("/api/key/{id}")).done();
}

fn the_list_has_every_key(server: &Server) {
    let manager = server.as_key_manager();
    let keys =
        ["ES256", "HS512", "Ed25519"].map(|algorithm| generate(server, json!({"algorithm": algorithm})));
    let list = manager.get("/api/key").ok();
    assert_eq!(names(&list), ["keys"]);
    let listed = list["keys"].as_array().unwrap();
    assert!(keys.iter().all(|key| listed.contains(key)));
    for (_, id) in SHADOW_KEYS {
        assert!(listed.iter().any(|key| key["id"] == id));
    }
    let text = list.to_string();
    assert!(!text.contains("PRIVATE") && !text.contains("\"secret\"") && !text.contains("\"privateKey\""));
}

fn a_new_instance_has_its_keys(server: &Server) {
    let list = server.as_key_manager().get("/api/key").ok();
    let mut keys: Vec<_> = list["keys"].as_array().unwrap().clone();
    assert!(keys.is_sorted_by_key(|key| key["name"].as_str().unwrap().to_owned()));
    keys.retain(|key| SHADOW_KEYS.iter().all(|(_, id)| key["id"] != *id));
    assert_eq!((list["keys"].as_array().unwrap().len(), keys.len()), (4, 1));
    super::generate::check_certified(&keys[0], "RS256", "RSA", 2048);
    // It signs for the default tenant, and so it stays.
    server.as_key_manager().delete(&path(&keys[0])).refused(&["keyId [inUse]keyId"]);
}

fn renaming_moves_one_instant(server: &Server) {
    let manager = server.as_key_manager();
    let key = generate(server, json!({"algorithm": "ES256"}));
    server.set_now(START + 5000);
    let after = manager.put(&path(&key), &json!({"key": {"name": "renamed"}})).ok();
    assert_eq!(
        (&after["key"]["insertInstant"], &after["key"]["lastUpdateInstant"]),
        (&json!(START), &json!(START + 5000))
    );
    server.set_now(START + 9000);
    assert_eq!(manager.get(&path(&key)).ok(), after);
    // Certificates say whole seconds.
    server.set_now(START + 9_999);
    let key = generate(server, json!({"algorithm": "ES256"}));
    assert_eq!(key["insertInstant"], json!(START + 9_999));
    assert_eq!(key["certificateInformation"]["validFrom"], json!(START + 9_000));
}

fn the_default_issuer_is_the_default_tenants(server: &Server) {
    let manager = server.as_key_manager();
    let path = format!("/api/tenant/{}", server.default_tenant());
    let issuer = |issuer: &str| {
        manager.put(&path, &json!({"tenant": {"name": "Default", "issuer": issuer}})).ok();
    };
    issuer("issuer.example");
    let key = generate(server, json!({"algorithm": "Ed25519"}));
    assert_eq!(key["issuer"], json!("issuer.example"));
    assert_eq!(key["certificateInformation"]["subject"], json!("CN=issuer.example"));
    // A tenant's issuer can be longer than a certificate's: then the key must name one.
    issuer(&"i".repeat(65));
    let request = json!({"key": {"name": unique("x"), "algorithm": "Ed25519"}});
    manager.post("/api/key/generate", &request).refused(&["key.issuer [invalid]key.issuer"]);
    generate(server, json!({"algorithm": "Ed25519", "issuer": "short"}));
    generate(server, json!({"algorithm": "HS256"}));
}
