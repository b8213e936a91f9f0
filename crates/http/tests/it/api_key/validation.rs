//! What is wrong with an API key, and that nothing is made of it.

use serde_json::{Map, Value, json};

use super::{body, stored};
use crate::support::server::START;
use crate::support::{Server, unique, uuid};

on_each_database! {
    shared: names_have_rules, values_have_rules, permissions_have_rules, attributes_have_rules,
        expirations_have_rules, key_managers_cannot_be_made, tenants_must_exist, address_lists_must_exist,
        unknown_members_are_refused, wrong_types_are_refused, everything_wrong_is_reported_at_once;
}

/// Creates, replaces and patches with these members: each is refused with the code, and nothing happens.
#[track_caller]
fn check(server: &Server, members: Value, expected: &[&str]) {
    let manager = server.as_key_manager();
    let path = format!("/api/api-key/{}", uuid());
    manager.post("/api/api-key", &body(members.clone())).refused(expected);
    manager.post(&path, &body(members.clone())).refused(expected);
    manager.get(&path).not_found();
    check_change(server, members, expected);
}

#[track_caller]
fn check_change(server: &Server, members: Value, expected: &[&str]) {
    let manager = server.as_key_manager();
    let key = server.api_key(json!({"name": unique("valid")}));
    let before = stored(server, &key);
    manager.put(&key.path(), &body(members.clone())).refused(expected);
    manager.patch(&key.path(), &body(members)).refused(expected);
    assert_eq!(stored(server, &key), before);
}

fn names_have_rules(server: &Server) {
    for blank in ["", " ", "\t", "\u{3000}"] {
        check(server, json!({"name": blank}), &["apiKey.name [blank]apiKey.name"]);
    }
    check(server, json!({"name": "é".repeat(192)}), &["apiKey.name [tooLong]apiKey.name"]);
    for invalid in ["a\0b", "a\nb", "a\u{85}b"] {
        check(server, json!({"name": invalid}), &["apiKey.name [invalid]apiKey.name"]);
    }
    let taken = unique("taken");
    server.api_key(json!({"name": taken}));
    check(server, json!({"name": taken}), &["apiKey.name [duplicate]apiKey.name"]);
    // Names are compared exactly, and one hundred and ninety-one characters fit, however many bytes they have.
    server.api_key(json!({"name": taken.to_uppercase()}));
    server.api_key(json!({"name": format!(" {taken}")}));
    let longest: String = format!("{}{}", unique("鍵"), "鍵".repeat(191)).chars().take(191).collect();
    assert_eq!(stored(server, &server.api_key(json!({"name": longest})))["name"], json!(longest));
}

fn values_have_rules(server: &Server) {
    let check = |value: &str, expected: &str| {
        let path = format!("/api/api-key/{}", uuid());
        let manager = server.as_key_manager();
        manager.post(&path, &body(json!({"key": value}))).refused(&[expected]);
        manager.get(&path).not_found();
    };
    check("", "apiKey.key [blank]apiKey.key");
    let generated = server.unrestricted().value;
    let (front, last) = generated.split_at(generated.len() - 1);
    let mistyped = format!("{front}{}", if last == "0" { "1" } else { "0" });
    for unusable in [
        " ",
        " x",
        "x ",
        "x\t",
        "a\nb",
        "a\0b",
        "\u{a0}x",
        "Basic abc",
        "bearer x",
        "JWT x",
        "dpop",
        &mistyped,
    ] {
        check(unusable, "apiKey.key [invalid]apiKey.key");
    }
    check(&"x".repeat(1025), "apiKey.key [tooLong]apiKey.key");
    check(&"é".repeat(513), "apiKey.key [tooLong]apiKey.key");
}

fn permissions_have_rules(server: &Server) {
    let invalid = ["apiKey.permissions.endpoints [invalid]apiKey.permissions.endpoints"];
    for endpoints in [
        json!({"api/user": ["GET"]}),
        json!({"": ["GET"]}),
        json!({"/a b": ["GET"]}),
        json!({"/a\0": ["GET"]}),
        json!({format!("/{}", "x".repeat(512)): ["GET"]}),
        json!({"/api/user": ["get"]}),
        json!({"/api/user": ["HEAD"]}),
        json!({"/api/user": ["GET", ""]}),
        json!({"/api/user": ["*"]}),
        json!({"/api/user": [1]}),
        json!({"/api/user": [null]}),
        json!({"/api/user": "GET"}),
        json!({"/api/user": {}}),
        json!({"/api/group": ["GET"], "/api/user": true}),
    ] {
        check(server, json!({"permissions": {"endpoints": endpoints}}), &invalid);
    }
    let many: Map<_, _> = (0..1025).map(|number| (format!("/{number}"), json!(["GET"]))).collect();
    check(
        server,
        json!({"permissions": {"endpoints": many}}),
        &["apiKey.permissions.endpoints [tooMany]apiKey.permissions.endpoints"],
    );
    check(server, json!({"permissions": []}), &["apiKey.permissions [invalidJSON]"]);
    check(server, json!({"permissions": {"endpoints": []}}), &["apiKey.permissions.endpoints [invalidJSON]"]);
    check(server, json!({"permissions": {"endpoint": {}}}), &["[invalidJSON]"]);
    // A method twice counts once; unknown paths are kept.
    let key = server.restricted(json!({"/x": ["PUT", "GET", "PUT"], format!("/{}", "y".repeat(511)): []}));
    assert_eq!(stored(server, &key)["permissions"]["endpoints"]["/x"], json!(["GET", "PUT"]));
}

fn attributes_have_rules(server: &Server) {
    let invalid = ["apiKey.metaData.attributes [invalid]apiKey.metaData.attributes"];
    let many: Map<_, _> = (0..65).map(|number| (format!("a{number}"), json!("x"))).collect();
    for attributes in [
        json!(many),
        json!({"x".repeat(192): "x"}),
        json!({"x": "y".repeat(4097)}),
        json!({"x": "\0"}),
        json!({"\0": "x"}),
    ] {
        check(server, json!({"metaData": {"attributes": attributes}}), &invalid);
    }
    let wrong = ["apiKey.metaData.attributes.x [invalidJSON]"];
    check(server, json!({"metaData": {"attributes": {"x": 1}}}), &wrong);
    check(server, json!({"metaData": {"attributes": {"x": {"y": "z"}}}}), &wrong);
    check(server, json!({"metaData": {"attributes": "x"}}), &["apiKey.metaData.attributes [invalidJSON]"]);
    check(server, json!({"metaData": {"description": "x"}}), &["[invalidJSON]"]);
    let fits = json!({"é".repeat(191): "é".repeat(4096), "empty": ""});
    let key = server.api_key(json!({"metaData": {"attributes": fits}}));
    assert_eq!(stored(server, &key)["metaData"]["attributes"], fits);
}

fn expirations_have_rules(server: &Server) {
    let invalid = ["apiKey.expirationInstant [invalid]apiKey.expirationInstant"];
    for instant in [json!(-1), json!(i64::MIN), json!(253_402_300_800_000_i64), json!(i64::MAX)] {
        check(server, json!({"expirationInstant": instant}), &invalid);
    }
    let wrong = ["apiKey.expirationInstant [invalidJSON]"];
    for instant in [json!(1.5), json!(1e300), json!(u64::MAX), json!("1"), json!(true)] {
        check(server, json!({"expirationInstant": instant}), &wrong);
    }
    // In the past is no mistake: such a key is simply expired.
    for instant in [0, START - 1, START] {
        let key = server.api_key(json!({"expirationInstant": instant}));
        assert_eq!(stored(server, &key)["expirationInstant"], json!(instant));
        server.with_key(&key.value).get("/api/system/version").denied();
    }
    let key = server.api_key(json!({"expirationInstant": 253_402_300_799_999_i64}));
    server.with_key(&key.value).get("/api/system/version").ok();
}

fn key_managers_cannot_be_made(server: &Server) {
    check(
        server,
        json!({"name": unique("x"), "keyManager": true}),
        &["apiKey.keyManager [notAllowed]apiKey.keyManager"],
    );
    check(server, json!({"keyManager": "true"}), &["apiKey.keyManager [invalidJSON]"]);
}

fn tenants_must_exist(server: &Server) {
    let invalid = ["apiKey.tenantId [invalid]apiKey.tenantId"];
    check(server, json!({"name": unique("x"), "tenantId": uuid()}), &invalid);
    check(server, json!({"tenantId": "x"}), &["apiKey.tenantId [invalidJSON]"]);
    check(server, json!({"tenantId": 1}), &["apiKey.tenantId [invalidJSON]"]);
    let deleted = server.tenant();
    server.as_key_manager().delete(&format!("/api/tenant/{deleted}")).done();
    check(server, json!({"name": unique("x"), "tenantId": deleted}), &invalid);
    // A key never moves from one tenant to another, nor into one.
    let (own, other) = (server.tenant(), server.tenant());
    check_change(server, json!({"name": unique("x"), "tenantId": other}), &invalid);
    let bound = server.api_key(json!({"tenantId": own}));
    server.as_key_manager().put(&bound.path(), &body(json!({"tenantId": other}))).refused(&invalid);
    assert_eq!(stored(server, &bound)["tenantId"], json!(own));
    // Go leaves an unset id as an empty text.
    let global = server.api_key(json!({"tenantId": ""}));
    assert!(stored(server, &global).get("tenantId").is_none());
}

fn address_lists_must_exist(server: &Server) {
    let invalid = ["apiKey.ipAccessControlListId [invalid]apiKey.ipAccessControlListId"];
    check(server, json!({"ipAccessControlListId": uuid()}), &invalid);
    check(server, json!({"ipAccessControlListId": "x"}), &invalid);
    check(server, json!({"ipAccessControlListId": 1}), &["apiKey.ipAccessControlListId [invalidJSON]"]);
    for absent in [json!(null), json!("")] {
        let key = server.api_key(json!({"ipAccessControlListId": absent}));
        assert!(stored(server, &key).get("ipAccessControlListId").is_none());
    }
}

fn unknown_members_are_refused(server: &Server) {
    for misspelt in
        ["permission", "Permissions", "permisions", "tenantID", "expiration", "keymanager", "Disabled"]
    {
        check(
            server,
            json!({"name": unique("x"), misspelt: {"endpoints": {"/api/user": ["GET"]}}}),
            &["[invalidJSON]"],
        );
    }
    let manager = server.as_key_manager();
    for document in [json!({"apiKey": {}, "more": 1}), json!({"apiKey": {}, "": {}})] {
        manager.post("/api/api-key", &document).refused(&["[invalidJSON]"]);
    }
    // A body of Fusion's dialect is one of them: without a wrapper nothing is made, whatever else there is.
    for flat in [json!({"apikey": {}}), json!({"name": "kiosk"})] {
        manager.post("/api/api-key", &flat).refused(&["[invalidJSON]", "apiKey [missing]apiKey"]);
    }
    manager.post("/api/api-key", &json!({})).refused(&["apiKey [missing]apiKey"]);
    manager.post("/api/api-key", &json!({"apiKey": null})).refused(&["apiKey [missing]apiKey"]);
    let key = server.unrestricted();
    manager.put(&key.path(), &json!({})).refused(&["apiKey [missing]apiKey"]);
}

fn wrong_types_are_refused(server: &Server) {
    check(server, json!({"name": 1}), &["apiKey.name [invalidJSON]"]);
    check(server, json!({"name": ["x"]}), &["apiKey.name [invalidJSON]"]);
    check(server, json!({"retrievable": 1}), &["apiKey.retrievable [invalidJSON]"]);
    check(server, json!({"key": 1}), &["apiKey.key [invalidJSON]"]);
    check(server, json!({"metaData": 1}), &["apiKey.metaData [invalidJSON]"]);
    let manager = server.as_key_manager();
    for wrong in [json!([]), json!("x"), json!(1), json!(true)] {
        manager.post("/api/api-key", &json!({"apiKey": wrong})).refused(&["apiKey [invalidJSON]"]);
        manager
            .put(&server.unrestricted().path(), &json!({"apiKey": wrong}))
            .refused(&["apiKey [invalidJSON]"]);
    }
}

fn everything_wrong_is_reported_at_once(server: &Server) {
    let members = json!({"name": "", "expirationInstant": -1, "retrievable": 1, "key": "", "tenantId": "x",
        "permissions": {"endpoints": {"x": []}}, "unknown": 1});
    server.as_key_manager().post("/api/api-key/no-uuid", &body(members)).refused(&[
        "[invalidJSON]",
        "apiKey.expirationInstant [invalid]apiKey.expirationInstant",
        "apiKey.key [blank]apiKey.key",
        "apiKey.name [blank]apiKey.name",
        "apiKey.permissions.endpoints [invalid]apiKey.permissions.endpoints",
        "apiKey.retrievable [invalidJSON]",
        "apiKey.tenantId [invalidJSON]",
        "apiKeyId [couldNotConvert]apiKeyId",
    ]);
}
