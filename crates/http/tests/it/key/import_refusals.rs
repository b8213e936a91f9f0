//! What cannot be imported, what is said about it, and that nothing is left of it.

use serde_json::{Value, json};

use super::{fixture, import, import_body, path, tells_no_secret};
use crate::support::{Reply, Server, unique, uuid};

on_each_database! {
    shared: names_ids_and_kids_are_taken_once, duplicates_of_kids_that_nobody_chose, options_and_types,
        encrypted_keys_are_named_so, halves_and_types_that_contradict, several_problems_at_once,
        members_of_wrong_types, what_is_missing, secrets_of_wrong_lengths, a_megabyte_of_garbage, bad_paths;
    own: nothing_is_stored_after_a_refusal;
}

#[track_caller]
fn post(server: &Server, members: Value) -> Reply {
    let reply = server.as_key_manager().post("/api/key/import", &import_body(&members));
    tells_no_secret_members(&reply);
    reply
}

/// An answer names members, but never repeats what is in them.
#[track_caller]
fn tells_no_secret_members(reply: &Reply) {
    assert!(!reply.text().contains("-----BEGIN") && !reply.text().contains("MII"), "{}", reply.text());
}

#[track_caller]
fn check(server: &Server, members: Value, expected: &[&str]) {
    post(server, members).refused(expected);
}

fn names_ids_and_kids_are_taken_once(server: &Server) {
    let manager = server.as_key_manager();
    let secret = |name: &Value, kid: &str| json!({"name": name, "kid": kid, "type": "HMAC", "secret": "s"});
    let kid = unique("kid");
    let taken = import(server, secret(&json!(unique("taken")), &kid));
    let other = || json!(unique("other"));
    check(server, secret(&taken["name"], &unique("kid")), &["key.name [duplicate]key.name"]);
    check(server, secret(&other(), &kid), &["key.kid [duplicate]key.kid"]);
    let same_path = format!("/api/key/import/{}", taken["id"].as_str().unwrap());
    let body = json!({"key": secret(&other(), &unique("kid"))});
    manager.post(&same_path, &body).refused(&["keyId [duplicate]keyId"]);
    let body = json!({"key": secret(&taken["name"], &kid)});
    manager.post(&same_path, &body).refused(&["key.name [duplicate]key.name", "keyId [duplicate]keyId"]);
    // Against keys that were generated, and against shadow keys.
    let generated = super::generate(server, json!({"algorithm": "Ed25519"}));
    let generated_kid = generated["kid"].as_str().unwrap();
    check(server, secret(&other(), generated_kid), &["key.kid [duplicate]key.kid"]);
    check(server, secret(&generated["name"], &unique("kid")), &["key.name [duplicate]key.name"]);
    let shadow = "/api/key/import/092dbedc-30af-4149-9c61-b578f2c72f59";
    manager.post(shadow, &json!({"key": secret(&other(), "k")})).refused(&["keyId [duplicate]keyId"]);
    let name = "OpenID Connect compliant HMAC using SHA-256";
    check(server, secret(&json!(name), &unique("kid")), &["key.name [duplicate]key.name"]);
    // Case counts, in kids as in names.
    import(server, secret(&json!(taken["name"].as_str().unwrap().to_uppercase()), &kid.to_uppercase()));
    assert_eq!(manager.get(&path(&taken)).ok()["key"], taken);
}

fn duplicates_of_kids_that_nobody_chose(server: &Server) {
    let certificate = json!({"certificate": fixture("ed25519.certificate-v3")});
    let first = import(server, certificate.clone());
    check(server, certificate, &["key.kid [duplicate]key.kid"]);
    let public = json!({"publicKey": fixture("ec-p521.spki")});
    import(server, public.clone());
    check(server, public, &["key.kid [duplicate]key.kid"]);
    // The kid of a plain secret is its name, and competes with all others.
    let name = first["kid"].as_str().unwrap();
    check(server, json!({"name": name, "type": "Secret", "secret": "s"}), &["key.kid [duplicate]key.kid"]);
}

fn options_and_types(server: &Server) {
    for unknown in ["PS256", "PS512", "EdDSA", "Ed448", "rs256", "none", "RS256 ", "HS1"] {
        check(
            server,
            json!({"algorithm": unknown, "publicKey": fixture("rsa-2048.spki")}),
            &["key.algorithm [invalidOption]key.algorithm"],
        );
    }
    for unknown in ["rsa", "SecretKeyValue", "DSA", "oct", "None"] {
        check(server, json!({"type": unknown, "secret": "s"}), &["key.type [invalidOption]key.type"]);
    }
    check(
        server,
        json!({"type": "DSA", "algorithm": "PS256", "secret": "s"}),
        &["key.algorithm [invalidOption]key.algorithm", "key.type [invalidOption]key.type"],
    );
}

fn encrypted_keys_are_named_so(server: &Server) {
    for name in ["rsa-2048", "ec-p256", "ed25519"] {
        for container in ["encrypted-pkcs8", "encrypted-traditional"] {
            if (name, container) == ("ed25519", "encrypted-traditional") {
                continue;
            }
            let private = fixture(&format!("{name}.{container}"));
            for given in [
                json!({"privateKey": private}),
                json!({"privateKey": private, "publicKey": fixture(&format!("{name}.spki"))}),
            ] {
                let reply = post(server, given);
                reply.refused(&["key.privateKey [invalid]key.privateKey"]);
                let message = reply.json()["fieldErrors"]["key.privateKey"][0]["message"].clone();
                assert_eq!(
                    message,
                    json!(
                        "The private key is encrypted; remove the pass phrase first, for instance with openssl pkey."
                    )
                );
            }
        }
    }
}

fn halves_and_types_that_contradict(server: &Server) {
    let (rsa, ec) = (fixture("rsa-2048.spki"), fixture("ec-p256.spki"));
    let mismatch = |member: &str| format!("key.{member} [mismatch]key.{member}");
    for (given, expected) in [
        (json!({"publicKey": rsa, "privateKey": fixture("rsa-2048-other.pkcs8")}), "privateKey"),
        (json!({"publicKey": ec, "privateKey": fixture("rsa-2048.pkcs8")}), "privateKey"),
        (json!({"certificate": fixture("ec-p256.certificate-v3"), "publicKey": rsa}), "certificate"),
        (
            json!({"certificate": fixture("ec-p256.certificate-v3"), "privateKey": fixture("ec-p384.pkcs8")}),
            "privateKey",
        ),
        (json!({"publicKey": rsa, "type": "EC"}), "type"),
        (json!({"publicKey": ec, "type": "RSA"}), "type"),
        (json!({"publicKey": fixture("ed25519.spki"), "type": "EC"}), "type"),
        (json!({"publicKey": ec, "algorithm": "ES384"}), "algorithm"),
        (json!({"publicKey": ec, "algorithm": "RS256"}), "algorithm"),
        (json!({"certificate": fixture("rsa-2048.certificate-v3"), "algorithm": "ES256"}), "algorithm"),
        (json!({"secret": "s", "type": "RSA"}), "type"),
        (json!({"secret": "s", "algorithm": "ES256"}), "algorithm"),
        (json!({"secret": "s", "type": "HMAC", "algorithm": "None"}), "algorithm"),
        (json!({"secret": "s", "type": "Secret", "algorithm": "HS256"}), "algorithm"),
        (json!({"secret": "s", "publicKey": rsa}), "secret"),
        (json!({"secret": "s", "type": "HMAC", "publicKey": rsa}), "publicKey"),
    ] {
        check(server, given, &[&mismatch(expected)]);
    }
    // A private key where everybody could read it.
    for member in ["publicKey", "certificate"] {
        let private = fixture("ec-p256.pkcs8");
        let reply = post(server, json!({member: private}));
        reply.refused(&[&format!("key.{member} [invalid]key.{member}")]);
        assert!(reply.text().contains("belongs into privateKey"), "{}", reply.text());
    }
    let chain = format!("{}{}", fixture("ec-p256.certificate-v3"), fixture("ec-p256.certificate-v1"));
    check(server, json!({"certificate": chain}), &["key.certificate [invalid]key.certificate"]);
}

fn several_problems_at_once(server: &Server) {
    // What the members say is reported together, before anything is read of the keys in them.
    let given = json!({"name": "", "algorithm": "PS256", "type": "rsa", "kid": "k".repeat(192), "publicKey": 7,
        "privteKey": "x", "certificate": []});
    check(
        server,
        given,
        &[
            "[invalidJSON]",
            "key.algorithm [invalidOption]key.algorithm",
            "key.certificate [invalidJSON]",
            "key.kid [invalid]key.kid",
            "key.name [blank]key.name",
            "key.publicKey [invalidJSON]",
            "key.type [invalidOption]key.type",
        ],
    );
    // And so is what is in them.
    let given = json!({"certificate": "garbage", "publicKey": fixture("rsa-512.spki"),
        "privateKey": fixture("rsa-2048.encrypted-pkcs8"), "secret": "s"});
    check(
        server,
        given,
        &[
            "key.certificate [invalid]key.certificate",
            "key.privateKey [invalid]key.privateKey",
            "key.publicKey [invalidLength]key.publicKey",
            "key.secret [mismatch]key.secret",
        ],
    );
    let given = json!({"publicKey": fixture("ec-p256.spki"), "type": "RSA", "algorithm": "HS256"});
    check(server, given, &["key.algorithm [mismatch]key.algorithm", "key.type [mismatch]key.type"]);
    // An id that is none, and a body that is wrong.
    let body = import_body(&json!({"type": "x", "secret": "s"}));
    server
        .as_key_manager()
        .post("/api/key/import/x", &body)
        .refused(&["key.type [invalidOption]key.type", "keyId [couldNotConvert]keyId"]);
}

fn members_of_wrong_types(server: &Server) {
    for member in ["algorithm", "type", "kid", "certificate", "publicKey", "privateKey", "secret", "name"] {
        for wrong in [json!(1), json!(true), json!([]), json!({"a": "b"}), json!(["x"])] {
            let mut given = json!({"type": "HMAC", "secret": "s"});
            given[member] = wrong;
            check(server, given, &[&format!("key.{member} [invalidJSON]")]);
        }
    }
    for kid in ["k\n", "\u{0}", "\u{7f}", "\u{85}"] {
        check(server, json!({"type": "HMAC", "secret": "s", "kid": kid}), &["key.kid [invalid]key.kid"]);
    }
    for unknown in ["Certificate", "private_key", "tenantId", "publickey"] {
        check(server, json!({"type": "HMAC", "secret": "s", unknown: "x"}), &["[invalidJSON]"]);
    }
    let manager = server.as_key_manager();
    for document in [json!({}), json!({"key": null})] {
        manager.post("/api/key/import", &document).refused(&["key [missing]key"]);
    }
    for document in [json!({"key": "x"}), json!({"key": []})] {
        manager.post("/api/key/import", &document).refused(&["key [invalidJSON]"]);
    }
    let twice = br#"{"key": {"name": "twice", "type": "HMAC", "secret": "s", "secret": "s"}}"#;
    manager
        .with_header("Content-Type", "application/json")
        .send_bytes("POST", "/api/key/import", Some(twice))
        .refused(&["[invalidJSON]"]);
}

fn what_is_missing(server: &Server) {
    check(server, json!({}), &["key.publicKey [missing]key.publicKey"]);
    for empty in [json!(""), json!(" \n"), json!(null)] {
        check(
            server,
            json!({"certificate": empty, "publicKey": empty, "privateKey": empty}),
            &["key.publicKey [missing]key.publicKey"],
        );
    }
    check(server, json!({"type": "RSA"}), &["key.publicKey [missing]key.publicKey"]);
    for given in
        [json!({"type": "HMAC"}), json!({"type": "Secret", "secret": ""}), json!({"algorithm": "HS512"})]
    {
        check(server, given, &["key.secret [blank]key.secret"]);
    }
    check(server, json!({"type": "Secret", "secret": " \t "}), &["key.secret [blank]key.secret"]);
    // A secret alone may be one of two types.
    check(server, json!({"secret": "s"}), &["key.type [missing]key.type"]);
}

fn secrets_of_wrong_lengths(server: &Server) {
    let long = ["key.secret [tooLong]key.secret"];
    check(server, json!({"type": "Secret", "secret": "é".repeat(257)}), &long);
    check(server, json!({"type": "HMAC", "secret": "s".repeat(65_537)}), &long);
    let key = import(server, json!({"type": "HMAC", "secret": "s".repeat(65_536)}));
    assert_eq!(key["algorithm"], json!("HS256"));
    for (name, code) in
        [("n".repeat(192), "tooLong"), (" ".to_owned(), "blank"), ("a\u{7}".to_owned(), "invalid")]
    {
        let expected = format!("key.name [{code}]key.name");
        check(server, json!({"name": name, "type": "HMAC", "secret": "s"}), &[&expected]);
    }
}

fn a_megabyte_of_garbage(server: &Server) {
    // A name and the rest of the document fit into what is left.
    let length = 1024 * 1024 - 300;
    for member in ["certificate", "publicKey", "privateKey"] {
        for garbage in ["A", "-----BEGIN CERTIFICATE-----", "-", "é", "{", "\u{1}", "-----END X-----\n"] {
            // Escapes make it longer.
            let escaped = json!(garbage).to_string().len() - 2;
            let text = garbage.repeat(length / escaped);
            check(server, json!({member: text}), &[&format!("key.{member} [tooLong]key.{member}")]);
        }
    }
    let text = "s".repeat(length);
    check(server, json!({"type": "HMAC", "secret": text}), &["key.secret [tooLong]key.secret"]);
    check(server, json!({"kid": text, "type": "HMAC", "secret": "s"}), &["key.kid [invalid]key.kid"]);
    // One byte too many for any body.
    let mut body = import_body(&json!({"certificate": ""})).to_string();
    let more = "A".repeat(1024 * 1024 + 1 - body.len());
    body = body.replacen("\"certificate\":\"", &format!("\"certificate\":\"{more}"), 1);
    assert_eq!(body.len(), 1024 * 1024 + 1);
    let reply = server.as_key_manager().with_header("Content-Type", "application/json").send_bytes(
        "POST",
        "/api/key/import",
        Some(body.as_bytes()),
    );
    assert_eq!((reply.status, reply.errors()), (413, vec!["[tooLarge]".to_owned()]));
}

fn bad_paths(server: &Server) {
    let manager = server.as_key_manager();
    let body = || import_body(&json!({"type": "HMAC", "secret": "s"}));
    for bad in ["x", "generate", "7e57ab1e00004000800000000000ffff", "%20"] {
        manager.post(&format!("/api/key/import/{bad}"), &body()).refused(&["keyId [couldNotConvert]keyId"]);
    }
    // No certificate can have the serial number zero.
    let zero = "/api/key/import/00000000-0000-0000-0000-000000000000";
    manager.post(zero, &body()).refused(&["keyId [invalid]keyId"]);
    manager.post(&format!("/api/key/import/{}/x", uuid()), &body()).not_found();
    assert_eq!(manager.get("/api/key/import").status, 405);
}

fn nothing_is_stored_after_a_refusal(server: &Server) {
    let manager = server.as_key_manager();
    import(server, json!({"name": "taken", "kid": "taken", "type": "HMAC", "secret": "s"}));
    let look = || {
        let jwks = server.anonymous().get("/.well-known/jwks.json").ok();
        (manager.get("/api/key").ok(), jwks, manager.get("/api/key/search?numberOfResults=0").ok())
    };
    let before = look();
    let pair = fixture("rsa-2048.pkcs8");
    for (members, code) in [
        (json!({"kid": "taken", "privateKey": pair}), "key.kid [duplicate]key.kid"),
        (json!({"name": "taken", "privateKey": pair}), "key.name [duplicate]key.name"),
        (
            json!({"kid": "k", "privateKey": pair, "publicKey": fixture("ec-p256.spki")}),
            "key.privateKey [mismatch]key.privateKey",
        ),
        (
            json!({"kid": "k", "publicKey": fixture("ec-secp256k1.spki")}),
            "key.publicKey [invalid]key.publicKey",
        ),
        (json!({"name": "k", "type": "Secret", "secret": "s".repeat(257)}), "key.secret [tooLong]key.secret"),
    ] {
        let id = uuid();
        manager.post(&format!("/api/key/import/{id}"), &import_body(&members)).refused(&[code]);
        manager.get(&format!("/api/key/{id}")).not_found();
        check(server, members, &[code]);
        assert_eq!(look(), before);
    }
    // What was refused took nothing away: id, name and kid are free.
    let id = uuid();
    let path = format!("/api/key/import/{id}");
    let wrong = import_body(&json!({"name": "free", "kid": "free", "privateKey": "garbage"}));
    manager.post(&path, &wrong).refused(&["key.privateKey [invalid]key.privateKey"]);
    let right = import_body(&json!({"name": "free", "kid": "free", "privateKey": pair}));
    let answer = manager.post(&path, &right).ok();
    tells_no_secret(&answer);
    assert_eq!((&answer["key"]["id"], &answer["key"]["kid"]), (&json!(id), &json!("free")));
}
