//! What is wrong with a tenant, and that nothing is made of it.

use serde_json::{Map, Value, json};

use crate::support::{Server, unique, uuid};

on_each_database! {
    shared: names_and_issuers, lifetimes, keys_must_fit, unknown_members_are_refused, documents;
}

/// Creates and replaces with these members: both are refused with the code, and nothing happens.
#[track_caller]
fn check(server: &Server, members: Value, expected: &[&str]) {
    let manager = server.as_key_manager();
    let mut tenant = json!({"name": unique("invalid")});
    for (member, value) in members.as_object().unwrap() {
        tenant[member] = value.clone();
    }
    let path = format!("/api/tenant/{}", uuid());
    manager.post(&path, &json!({"tenant": tenant})).refused(expected);
    manager.post("/api/tenant", &json!({"tenant": tenant})).refused(expected);
    manager.get(&path).not_found();
    let existing = format!("/api/tenant/{}", server.tenant());
    let before = manager.get(&existing).ok();
    manager.put(&existing, &json!({"tenant": tenant})).refused(expected);
    // A patch can say the same in each of its types, but that a member is missing in the standard's way only.
    let merge = json!({"tenant": tenant}).to_string();
    for media_type in ["application/json", "application/merge-patch+json"] {
        let client = manager.with_header("Content-Type", media_type);
        client.send_bytes("PATCH", &existing, Some(merge.as_bytes())).refused(expected);
    }
    let operations = json!([{"op": "replace", "path": "/tenant", "value": tenant}]).to_string();
    let client = manager.with_header("Content-Type", "application/json-patch+json");
    client.send_bytes("PATCH", &existing, Some(operations.as_bytes())).refused(expected);
    assert_eq!(manager.get(&existing).ok(), before);
}

fn names_and_issuers(server: &Server) {
    for (name, code) in [
        (json!(null), "[blank]tenant.name"),
        (json!(" "), "[blank]tenant.name"),
        (json!("é".repeat(192)), "[tooLong]tenant.name"),
        (json!("a\0b"), "[invalid]tenant.name"),
        (json!(1), "[invalidJSON]"),
        (json!("Default"), "[duplicate]tenant.name"),
    ] {
        check(server, json!({"name": name}), &[&format!("tenant.name {code}")]);
    }
    for issuer in ["i".repeat(192), "a\nb".to_owned(), "\0".to_owned()] {
        check(server, json!({"issuer": issuer}), &["tenant.issuer [invalid]tenant.issuer"]);
    }
    check(server, json!({"issuer": {}}), &["tenant.issuer [invalidJSON]"]);
    let manager = server.as_key_manager();
    for issuer in [json!(null), json!("")] {
        let request = json!({"tenant": {"name": unique("tenant"), "issuer": issuer}});
        assert_eq!(manager.post("/api/tenant", &request).ok()["tenant"]["issuer"], json!("acme.com"));
    }
}

fn lifetimes(server: &Server) {
    for member in ["timeToLiveInSeconds", "refreshTokenTimeToLiveInMinutes"] {
        let path = format!("tenant.jwtConfiguration.{member}");
        for odd in [0, -1, i64::from(i32::MAX) + 1, i64::MAX, i64::MIN] {
            check(server, json!({"jwtConfiguration": {member: odd}}), &[&format!("{path} [invalid]{path}")]);
        }
        for wrong in [json!(1.5), json!("60"), json!([]), json!(u64::MAX)] {
            check(server, json!({"jwtConfiguration": {member: wrong}}), &[&format!("{path} [invalidJSON]")]);
        }
    }
}

fn keys_must_fit(server: &Server) {
    let shadow = "092dbedc-30af-4149-9c61-b578f2c72f59";
    let places = [
        ("accessTokenKeyId", false),
        ("idTokenKeyId", false),
        ("accessTokenVerificationKeyIds", true),
        ("idTokenVerificationKeyIds", true),
    ];
    for (member, list) in places {
        let path = format!("tenant.jwtConfiguration.{member}");
        let jwt =
            |value: Value| json!({"jwtConfiguration": {member: if list { json!([value]) } else { value }}});
        let invalid = format!("{path} [invalid]{path}");
        check(server, jwt(json!(uuid())), &[&invalid]);
        check(server, jwt(json!("x")), &[&format!("{path} [invalidJSON]")]);
        check(server, jwt(json!(1)), &[&format!("{path} [invalidJSON]")]);
        // The secret of the client signs id tokens only.
        let request = || {
            let mut tenant = jwt(json!(shadow));
            tenant["name"] = json!(unique("shadow"));
            json!({"tenant": tenant})
        };
        if member == "idTokenKeyId" {
            server.as_key_manager().post("/api/tenant", &request()).ok();
        } else {
            check(server, jwt(json!(shadow)), &[&invalid]);
        }
        // A public key alone signs nothing.
        let public = server.as_key_manager().get(&format!("/api/key/{}", server.signing_key())).ok();
        let public = json!({"key": {"name": unique("public"), "publicKey": public["key"]["publicKey"]}});
        let imported = server.as_key_manager().post("/api/key/import", &public).ok();
        let verifying = jwt(imported["key"]["id"].clone());
        if list {
            let mut tenant = verifying;
            tenant["name"] = json!(unique("verifying"));
            server.as_key_manager().post("/api/tenant", &json!({"tenant": tenant})).ok();
        } else {
            check(server, verifying, &[&invalid]);
        }
        let secret = json!({"key": {"name": unique("secret"), "type": "Secret", "secret": unique("secret")}});
        let secret = server.as_key_manager().post("/api/key/import", &secret).ok();
        check(server, jwt(secret["key"]["id"].clone()), &[&invalid]);
        let deleted = server.signing_key();
        server.as_key_manager().delete(&format!("/api/key/{deleted}")).done();
        check(server, jwt(json!(deleted)), &[&invalid]);
    }
    let many: Vec<_> = (0..65).map(|_| uuid()).collect();
    let path = "tenant.jwtConfiguration.accessTokenVerificationKeyIds";
    check(
        server,
        json!({"jwtConfiguration": {"accessTokenVerificationKeyIds": many}}),
        &[&format!("{path} [tooMany]{path}")],
    );
    check(
        server,
        json!({"jwtConfiguration": {"accessTokenVerificationKeyIds": "x"}}),
        &[&format!("{path} [invalidJSON]")],
    );
}

fn unknown_members_are_refused(server: &Server) {
    for unknown in ["nam", "Issuer", "permissions", "applications", ""] {
        check(server, json!({unknown: "x"}), &["[invalidJSON]"]);
    }
    check(server, json!({"jwtConfiguration": {"accessTokenKey": uuid()}}), &["[invalidJSON]"]);
    check(server, json!({"jwtConfiguration": []}), &["tenant.jwtConfiguration [invalidJSON]"]);
    check(server, json!({"jwtConfiguration": {"a": 1}, "b": 2}), &["[invalidJSON]", "[invalidJSON]"]);
    // Kept members with NUL, which PostgreSQL's own JSON could not store, are kept or refused alike.
    let request = json!({"tenant": {"name": unique("nul"), "data": {"a\0": "b\0"}}});
    let created = server.as_key_manager().post("/api/tenant", &request).ok();
    assert_eq!(created["tenant"]["data"], request["tenant"]["data"]);
    let deep = (0..120).fold(json!(1), |inner, _| Value::Object(Map::from_iter([("a".to_owned(), inner)])));
    let request = json!({"tenant": {"name": unique("deep"), "data": deep}});
    let created = server.as_key_manager().post("/api/tenant", &request).ok();
    assert_eq!(created["tenant"]["data"], deep);
    let path = format!("/api/tenant/{}", created["tenant"]["id"].as_str().unwrap());
    assert_eq!(server.as_key_manager().get(&path).ok(), created);
    server.as_key_manager().get("/api/tenant").ok();
}

fn documents(server: &Server) {
    let manager = server.as_key_manager();
    for document in [json!({}), json!({"tenant": null})] {
        manager.post("/api/tenant", &document).refused(&["tenant [missing]tenant"]);
    }
    manager.post("/api/tenant", &json!({"tenant": [1]})).refused(&["tenant [invalidJSON]"]);
    manager.post("/api/tenant", &json!({"tenants": {}})).refused(&["[invalidJSON]"]);
    let id = ["tenantId [couldNotConvert]tenantId"];
    let request = json!({"tenant": {"name": unique("x")}});
    manager.post("/api/tenant/x", &request).refused(&id);
    manager.get("/api/tenant/x").refused(&id);
    manager.put("/api/tenant/x", &request).refused(&id);
    manager.delete("/api/tenant/x").refused(&id);
    manager.patch("/api/tenant/x", &request).refused(&id);
    // A name of its own is no duplicate.
    let tenant = server.tenant();
    let path = format!("/api/tenant/{tenant}");
    let name = manager.get(&path).ok()["tenant"]["name"].clone();
    manager.put(&path, &json!({"tenant": {"name": name}})).ok();
}
