//! What is wrong with a key, and that nothing is made of it.

use serde_json::{Value, json};

use super::{generate, path};
use crate::support::{Server, unique, uuid};

on_each_database! {
    shared: algorithms_and_lengths, names_ids_and_issuers, documents, ids_in_paths;
}

#[track_caller]
fn check(server: &Server, members: Value, expected: &[&str]) {
    let manager = server.as_key_manager();
    let id = uuid();
    let mut key = json!({"name": unique("invalid"), "algorithm": "ES256"});
    for (member, value) in members.as_object().unwrap() {
        key[member] = value.clone();
    }
    manager.post(&format!("/api/key/generate/{id}"), &json!({"key": key})).refused(expected);
    manager.post("/api/key/generate", &json!({"key": key})).refused(expected);
    manager.get(&format!("/api/key/{id}")).not_found();
    let all = manager.get("/api/key").ok();
    assert!(
        all["keys"]
            .as_array()
            .unwrap()
            .iter()
            .all(|other| other["name"] != key["name"] || key["name"] == "taken")
    );
}

fn algorithms_and_lengths(server: &Server) {
    check(server, json!({"algorithm": null}), &["key.algorithm [missing]key.algorithm"]);
    for unknown in ["", "PS256", "EdDSA", "Ed448", "RS1", "rs256", "none", "HS1024", "ES256K"] {
        check(server, json!({"algorithm": unknown}), &["key.algorithm [invalidOption]key.algorithm"]);
    }
    check(server, json!({"algorithm": "None"}), &["key.algorithm [invalid]key.algorithm"]);
    check(server, json!({"algorithm": 1}), &["key.algorithm [invalidJSON]"]);
    for algorithm in ["RS256", "RS384", "RS512"] {
        check(server, json!({"algorithm": algorithm}), &["key.length [missing]key.length"]);
        for odd in [0, -2048, 1, 512, 1024, 2047, 2049, 4095, 5120, 8192, 16384, i64::MAX, i64::MIN] {
            check(
                server,
                json!({"algorithm": algorithm, "length": odd}),
                &["key.length [invalid]key.length"],
            );
        }
    }
    for (algorithm, odd) in [("ES256", 384), ("ES384", 256), ("ES512", 512), ("ES256", 0), ("ES256", 2048)] {
        check(server, json!({"algorithm": algorithm, "length": odd}), &["key.length [invalid]key.length"]);
    }
    for wrong in [json!("x"), json!(""), json!(2048.5), json!(true), json!([2048]), json!(u64::MAX)] {
        check(server, json!({"algorithm": "RS256", "length": wrong}), &["key.length [invalidJSON]"]);
    }
    check(server, json!({"algorithm": "RS256", "length": "1024"}), &["key.length [invalid]key.length"]);
}

fn names_ids_and_issuers(server: &Server) {
    let manager = server.as_key_manager();
    let taken = generate(server, json!({"algorithm": "HS256"}));
    for (name, code) in [
        (json!(null), "[blank]key.name"),
        (json!(""), "[blank]key.name"),
        (json!(" \u{3000}"), "[blank]key.name"),
        (json!("é".repeat(192)), "[tooLong]key.name"),
        (json!("a\0b"), "[invalid]key.name"),
        (json!("a\nb"), "[invalid]key.name"),
        (json!(7), "[invalidJSON]"),
    ] {
        check(server, json!({"name": name}), &[&format!("key.name {code}")]);
        manager.put(&path(&taken), &json!({"key": {"name": name}})).refused(&[&format!("key.name {code}")]);
    }
    for issuer in [json!("i".repeat(65)), json!("é".repeat(65)), json!("a\nb"), json!("a\0b")] {
        check(server, json!({"issuer": issuer}), &["key.issuer [invalid]key.issuer"]);
    }
    check(server, json!({"issuer": 1}), &["key.issuer [invalidJSON]"]);
    let request = |name: &Value| json!({"key": {"name": name, "algorithm": "HS256"}});
    let duplicate = ["key.name [duplicate]key.name"];
    manager.post("/api/key/generate", &request(&taken["name"])).refused(&duplicate);
    let other = generate(server, json!({"algorithm": "HS256"}));
    manager.put(&path(&other), &request(&taken["name"])).refused(&duplicate);
    // Before seconds of work are spent on an RSA key, too; and both at once.
    let same_path = format!("/api/key/generate/{}", taken["id"].as_str().unwrap());
    let rsa = json!({"key": {"name": taken["name"], "algorithm": "RS256", "length": 4096}});
    manager.post(&same_path, &rsa).refused(&["key.name [duplicate]key.name", "keyId [duplicate]keyId"]);
    assert_eq!(manager.get(&path(&taken)).ok()["key"], taken);
    // No certificate can have the serial number zero.
    let zero = "/api/key/generate/00000000-0000-0000-0000-000000000000";
    manager.post(zero, &request(&json!(unique("zero")))).refused(&["keyId [invalid]keyId"]);
}

fn documents(server: &Server) {
    let manager = server.as_key_manager();
    let existing = path(&generate(server, json!({"algorithm": "HS256"})));
    let check = |document: Value, expected: &str| {
        manager.post("/api/key/generate", &document).refused(&[expected]);
        manager.put(&existing, &document).refused(&[expected]);
    };
    check(json!({}), "key [missing]key");
    check(json!({"key": null}), "key [missing]key");
    check(json!({"key": []}), "key [invalidJSON]");
    check(json!({"key": "x"}), "key [invalidJSON]");
    check(json!({"keys": {}}), "[invalidJSON]");
    check(json!({"key": {"name": unique("x"), "algorithm": "HS256"}, "eventInfo": {}}), "[invalidJSON]");
    for unknown in ["lenght", "Name", "tenantId", "algorithms"] {
        check(json!({"key": {"name": unique("x"), "algorithm": "HS256", unknown: 1}}), "[invalidJSON]");
    }
    // Everything at once.
    let wrong = json!({"key": {"algorithm": "RS256", "length": 1, "issuer": "\n", "unknown": 1}});
    manager.post("/api/key/generate/x", &wrong).refused(&[
        "[invalidJSON]",
        "key.issuer [invalid]key.issuer",
        "key.length [invalid]key.length",
        "key.name [blank]key.name",
        "keyId [couldNotConvert]keyId",
    ]);
}

fn ids_in_paths(server: &Server) {
    let manager = server.as_key_manager();
    let code = ["keyId [couldNotConvert]keyId"];
    let request = || json!({"key": {"name": unique("x"), "algorithm": "HS256"}});
    for bad in
        ["x", "generated", "7e57ab1e00004000800000000000ffff", "7e57ab1e-0000-4000-8000-00000000fff", "%20"]
    {
        manager.get(&format!("/api/key/{bad}")).refused(&code);
        manager.put(&format!("/api/key/{bad}"), &request()).refused(&code);
        manager.delete(&format!("/api/key/{bad}")).refused(&code);
        manager.post(&format!("/api/key/generate/{bad}"), &request()).refused(&code);
    }
    let nowhere = format!("/api/key/{}", uuid());
    manager.get(&nowhere).not_found();
    manager.put(&nowhere, &request()).not_found();
    manager.delete(&nowhere).not_found();
    // Words that FusionAuth reserves are no ids, even where they are not served yet.
    for reserved in ["/api/key/search/x", "/api/tenant/search/x"] {
        manager.get(reserved).not_found();
        manager.delete(reserved).not_found();
        manager.put(reserved, &request()).not_found();
        manager.post(reserved, &request()).not_found();
    }
    for served in
        ["/api/key/generate", "/api/key/import", "/api/key/search", "/api/key/import/x", "/api/tenant/search"]
    {
        assert_eq!(manager.put(served, &request()).status, 405, "{served}");
        assert_eq!(manager.delete(served).status, 405, "{served}");
    }
}
