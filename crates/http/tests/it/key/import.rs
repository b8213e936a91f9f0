//! Importing keys: every container, what each makes, and what is shown of it.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::generate::{CERTIFIED, check_certified};
use super::{
    FIXTURES, documented_keys, does_not_sign, fixture, import, import_body, openssl, path, signs,
    tells_no_secret, vectors,
};
use crate::support::fixture::names;
use crate::support::server::START;
use crate::support::{Server, unique, uuid};

on_each_database! {
    shared: pairs_get_a_certificate, private_keys_alone_are_pairs, a_pair_keeps_the_certificate_that_comes_with_it,
        certificates_alone_verify, hmac_secrets_of_any_length, secrets_are_found_by_their_name, a_kid_of_ones_own_wins,
        line_ends_do_not_matter, every_member_may_be_sent, the_whole_object_comes_back_with_another_name,
        the_same_pair_has_two_names, deleted_is_free_again, nothing_secret_is_answered;
    own: the_documented_example, the_documented_certificates, public_keys_are_named_by_their_thumbprint,
        every_container, the_issuer_is_the_default_tenants;
}

/// Asserts that a key is what is documented, but for id and times of its making.
#[track_caller]
fn is_documented(key: &Value, documented: &Value) {
    assert_eq!(names(key), CERTIFIED);
    for member in ["kid", "type", "algorithm", "length", "publicKey", "certificate", "certificateInformation"]
    {
        assert_eq!(key[member], documented[member], "{member}");
    }
    let information = &key["certificateInformation"];
    // Whole seconds, as the certificate has them; two documented examples show milliseconds.
    assert_eq!(information["validFrom"].as_i64().unwrap() % 1000, 0);
    assert_eq!(key["expirationInstant"], information["validTo"]);
    assert_eq!(information["issuer"], json!(format!("CN={}", key["issuer"].as_str().unwrap())));
    assert_eq!(key["hasPrivateKey"], json!(false));
    assert_eq!((&key["insertInstant"], &key["lastUpdateInstant"]), (&json!(START), &json!(START)));
}

#[track_caller]
fn is_published(server: &Server, jwk: &Value) {
    let document = server.anonymous().get("/.well-known/jwks.json").ok();
    assert!(document["keys"].as_array().unwrap().contains(jwk), "{document}");
}

fn the_documented_example(server: &Server) {
    let body = vectors()["importRequest"].as_str().unwrap().to_owned();
    let manager = server.as_key_manager();
    let answer = manager
        .with_header("Content-Type", "application/json")
        .send_bytes("POST", "/api/key/import", Some(body.as_bytes()))
        .ok();
    let documented = &documented_keys()[0];
    is_documented(&answer["key"], documented);
    assert_eq!(answer["key"]["name"], json!("SHA-256 with RSA"));
    assert_eq!(answer["key"]["kid"], json!("zamAX0036820RULfdjUV6YkhYbY"));
    assert_eq!(manager.get(&path(&answer["key"])).ok(), answer);
    is_published(server, &documented["jwk"]);
}

fn the_documented_certificates(server: &Server) {
    let documented = documented_keys();
    let types: Vec<_> = documented.iter().map(|key| key["type"].as_str().unwrap()).collect();
    assert_eq!(types, ["RSA", "EC", "OKP"]);
    for documented in &documented {
        let id = documented["id"].as_str().unwrap();
        let body = import_body(&json!({"certificate": documented["certificate"]}));
        let answer = server.as_key_manager().post(&format!("/api/key/import/{id}"), &body).ok();
        is_documented(&answer["key"], documented);
        assert_eq!(answer["key"]["id"], json!(id));
        is_published(server, &documented["jwk"]);
        does_not_sign(server, &answer["key"]);
    }
}

fn public_keys_are_named_by_their_thumbprint(server: &Server) {
    for documented in documented_keys() {
        let key = import(server, json!({"publicKey": documented["publicKey"]}));
        let is_rsa = documented["type"] == "RSA";
        let mut expected = vec![
            "algorithm",
            "hasPrivateKey",
            "id",
            "insertInstant",
            "kid",
            "lastUpdateInstant",
            "length",
            "name",
            "publicKey",
            "type",
        ];
        // The curve tells the algorithm; of RSA nothing does.
        expected.retain(|name| !is_rsa || *name != "algorithm");
        assert_eq!(names(&key), expected);
        for member in ["type", "length", "publicKey"] {
            assert_eq!(key[member], documented[member]);
        }
        if !is_rsa {
            assert_eq!(key["algorithm"], documented["algorithm"]);
        }
        assert_eq!(key["hasPrivateKey"], json!(false));
        assert_eq!(key["kid"], vectors()["jwkThumbprints"][documented["id"].as_str().unwrap()]);
        let mut jwk = documented["jwk"].clone();
        let members = jwk.as_object_mut().unwrap();
        for certified in ["x5c", "x5t", "x5t#S256"] {
            members.remove(certified).unwrap();
        }
        members.insert("kid".to_owned(), key["kid"].clone());
        if is_rsa {
            members.remove("alg").unwrap();
        }
        is_published(server, &jwk);
        does_not_sign(server, &key);
    }
    // What somebody says it is for, it is for.
    let key = import(server, json!({"publicKey": fixture("rsa-2048.spki"), "algorithm": "RS384"}));
    assert_eq!(key["algorithm"], json!("RS384"));
}

/// What a fixture makes: the member it belongs in, and the code of its refusal, if it is refused.
fn outcome(key: &str, container: &str) -> (&'static str, Option<&'static str>) {
    let member = if container.starts_with("certificate") {
        "certificate"
    } else if container.starts_with("spki") || container == "pkcs1-public" {
        "publicKey"
    } else {
        "privateKey"
    };
    let foreign = ["dsa", "ec-secp256k1", "ed448", "x25519", "rsa-pss"].contains(&key);
    let refused = if container.starts_with("encrypted")
        || container.ends_with("-explicit")
        || container == "bag-of-both"
        || ["rsa-exponent-large", "rsa-three-primes"].contains(&key)
        || foreign
    {
        Some("invalid")
    } else if ["rsa-512", "rsa-1536"].contains(&key) || (key == "rsa-1024" && member == "privateKey") {
        Some("invalidLength")
    } else {
        None
    };
    (member, refused)
}

fn every_container(server: &Server) {
    let manager = server.as_key_manager();
    let before = manager.get("/api/key").ok();
    let mut files = BTreeSet::new();
    for entry in std::fs::read_dir(FIXTURES).unwrap() {
        let file = entry.unwrap().file_name().into_string().unwrap();
        if let Some(stem) = file.strip_suffix(".pem") {
            files.insert(stem.to_owned());
        }
    }
    let (mut imported, mut refused) = (0, 0);
    for stem in &files {
        let (name, container) = stem.split_once('.').unwrap();
        let (member, fault) = outcome(name, container);
        let body = import_body(&json!({member: fixture(stem)}));
        let reply = manager.post("/api/key/import", &body);
        if let Some(fault) = fault {
            reply.refused(&[&format!("key.{member} [{fault}]key.{member}")]);
            refused += 1;
            continue;
        }
        let key = reply.ok()["key"].take();
        let (key_type, length) = match name.split_once('-') {
            Some(("rsa", "1024")) => ("RSA", 1024),
            Some(("rsa", "3072")) => ("RSA", 3072),
            Some(("rsa", "4096")) => ("RSA", 4096),
            Some(("rsa", _)) => ("RSA", 2048),
            Some(("ec", curve)) => ("EC", curve[1..].parse().unwrap()),
            _ => ("OKP", 32),
        };
        assert_eq!((&key["type"], &key["length"]), (&json!(key_type), &json!(length)), "{stem}");
        assert_eq!(key["hasPrivateKey"], json!(member == "privateKey"), "{stem}");
        assert_eq!(key.get("certificate").is_some(), member != "publicKey", "{stem}");
        if files.contains(&format!("{name}.spki")) {
            assert_eq!(key["publicKey"], json!(fixture(&format!("{name}.spki")).trim()), "{stem}");
        }
        tells_no_secret(&key);
        if member == "privateKey" {
            signs(server, &key);
        }
        // Different containers hold the same key.
        manager.delete(&path(&key)).done();
        imported += 1;
    }
    assert!(imported > 40 && refused > 60, "{imported} {refused}");
    assert_eq!(manager.get("/api/key").ok(), before);
}

fn pairs_get_a_certificate(server: &Server) {
    for (name, algorithm, key_type, length) in [
        ("rsa-2048", "RS256", "RSA", 2048),
        ("rsa-3072", "RS512", "RSA", 3072),
        ("ec-p256", "ES256", "EC", 256),
        ("ec-p384", "ES384", "EC", 384),
        ("ec-p521", "ES512", "EC", 521),
        ("ed25519", "Ed25519", "OKP", 32),
    ] {
        let public = fixture(&format!("{name}.spki"));
        let private = fixture(&format!("{name}.pkcs8"));
        // With and without what the key itself tells.
        for told in [json!({"type": key_type, "algorithm": algorithm}), json!({})] {
            let mut members = told.clone();
            members["publicKey"] = json!(public);
            members["privateKey"] = json!(private);
            let key = import(server, members);
            let is_told = told.get("algorithm").is_some();
            let algorithm = if key_type == "RSA" && !is_told { "RS256" } else { algorithm };
            check_certified(&key, algorithm, key_type, length);
            assert_eq!(key["publicKey"], json!(public.trim()));
            let id = key["id"].as_str().unwrap().replace('-', "").to_uppercase();
            let certificate = key["certificate"].as_str().unwrap();
            assert_eq!(
                openssl(&["x509", "-noout", "-serial"], certificate).trim().trim_start_matches("serial="),
                id.trim_start_matches("00")
            );
            assert_eq!(openssl(&["x509", "-noout", "-pubkey"], certificate), public);
            let text = openssl(&["x509", "-noout", "-text"], certificate);
            let signature = match algorithm {
                "RS256" => "sha256WithRSAEncryption",
                "RS512" => "sha512WithRSAEncryption",
                "ES256" => "ecdsa-with-SHA256",
                "ES384" => "ecdsa-with-SHA384",
                "ES512" => "ecdsa-with-SHA512",
                _ => "ED25519",
            };
            assert!(text.contains(&format!("Signature Algorithm: {signature}")), "{text}");
            signs(server, &key);
        }
    }
}

fn private_keys_alone_are_pairs(server: &Server) {
    for (name, container, algorithm, key_type, length) in [
        ("rsa-2048", "pkcs8", "RS256", "RSA", 2048),
        ("rsa-2048", "pkcs1-private", "RS256", "RSA", 2048),
        ("ec-p256", "sec1", "ES256", "EC", 256),
        ("ec-p384", "sec1-no-public", "ES384", "EC", 384),
        ("ec-p521", "sec1-parameters", "ES512", "EC", 521),
        ("ed25519", "pkcs8", "Ed25519", "OKP", 32),
    ] {
        let key = import(server, json!({"privateKey": fixture(&format!("{name}.{container}"))}));
        check_certified(&key, algorithm, key_type, length);
        assert_eq!(key["publicKey"], json!(fixture(&format!("{name}.spki")).trim()));
        signs(server, &key);
    }
}

fn a_pair_keeps_the_certificate_that_comes_with_it(server: &Server) {
    for (name, algorithm) in [("rsa-4096", "RS256"), ("ec-p384", "ES384"), ("ed25519", "Ed25519")] {
        let certificate = fixture(&format!("{name}.certificate-v1"));
        let given = json!({"certificate": certificate, "privateKey": fixture(&format!("{name}.pkcs8")),
            "publicKey": fixture(&format!("{name}.spki"))});
        let key = import(server, given);
        assert_eq!(names(&key), CERTIFIED);
        assert_eq!((&key["algorithm"], &key["hasPrivateKey"]), (&json!(algorithm), &json!(true)));
        assert_eq!(key["certificate"], json!(certificate.trim()));
        assert_eq!(key["kid"], key["certificateInformation"]["sha1Thumbprint"]);
        assert_eq!(key["issuer"], json!(name));
        assert_eq!(key["certificateInformation"]["subject"], json!(format!("CN={name},O=Test")));
        signs(server, &key);
        // The kid is taken now: the certificate alone is no other key.
        let again = import_body(&json!({"certificate": certificate}));
        let manager = server.as_key_manager();
        manager.post("/api/key/import", &again).refused(&["key.kid [duplicate]key.kid"]);
        manager.delete(&path(&key)).done();
    }
}

fn certificates_alone_verify(server: &Server) {
    for (fixture_name, algorithm) in [
        ("rsa-2048.certificate-sha384", Some("RS384")),
        ("rsa-2048.certificate-sha512", Some("RS512")),
        // Neither SHA-1 nor PSS nor an issuer's ECDSA tells what the key is for.
        ("rsa-2048.certificate-sha1", None),
        ("rsa-2048.certificate-pss", None),
        ("rsa-2048.certificate-ec-issuer", None),
    ] {
        let key = import(server, json!({"certificate": fixture(fixture_name)}));
        assert_eq!(key.get("algorithm").and_then(Value::as_str), algorithm, "{fixture_name}");
        assert_eq!(key["hasPrivateKey"], json!(false));
        does_not_sign(server, &key);
    }
    let key = import(server, json!({"certificate": fixture("ec-p256.certificate-no-common-name")}));
    assert_eq!(key.get("issuer"), None);
    assert_eq!(key["certificateInformation"]["issuer"], json!("O=No common name"));
    // In place of a public key it is what it is: a certificate.
    let certificate = fixture("rsa-1024.certificate-v3");
    let key = import(server, json!({"publicKey": certificate}));
    assert_eq!((&key["certificate"], &key["length"]), (&json!(certificate.trim()), &json!(1024)));
    assert_eq!(key["kid"], key["certificateInformation"]["sha1Thumbprint"]);
}

const SYMMETRIC: [&str; 7] = ["algorithm", "id", "insertInstant", "kid", "lastUpdateInstant", "name", "type"];

fn hmac_secrets_of_any_length(server: &Server) {
    for (algorithm, secret) in [
        (None, "x".to_owned()),
        (Some("HS256"), "short".to_owned()),
        (Some("HS384"), " with spaces \u{e9}\u{1f511} ".to_owned()),
        (Some("HS512"), "long".repeat(1024)),
    ] {
        for key_type in [Some("HMAC"), None] {
            if (algorithm, key_type) == (None, None) {
                continue;
            }
            let key = import(server, json!({"type": key_type, "algorithm": algorithm, "secret": secret}));
            assert_eq!(names(&key), SYMMETRIC);
            assert_eq!(key["algorithm"], json!(algorithm.unwrap_or("HS256")));
            assert_eq!(key["type"], json!("HMAC"));
            let kid = key["kid"].as_str().unwrap();
            assert!(kid.len() == 10 && kid.bytes().all(|byte| b"0123456789abcdef".contains(&byte)), "{kid}");
            assert!(secret.len() == 1 || !key.to_string().contains(&secret));
            signs(server, &key);
        }
    }
    // The same secret is no duplicate: nobody may ask which secrets are known.
    for _ in 0..2 {
        import(server, json!({"type": "HMAC", "secret": "the same"}));
    }
}

fn secrets_are_found_by_their_name(server: &Server) {
    for (secret, algorithm) in
        [("s", json!(null)), (&*"\u{1f511}".repeat(256), json!("None")), (" kept as it is ", json!(""))]
    {
        let name = unique("plain secret");
        let given = json!({"name": name, "type": "Secret", "algorithm": algorithm, "secret": secret,
            "kid": "not this one"});
        let key = import(server, given);
        assert_eq!(names(&key), SYMMETRIC);
        assert_eq!(
            (&key["algorithm"], &key["type"], &key["kid"], &key["name"]),
            (&json!("None"), &json!("Secret"), &json!(name), &json!(name))
        );
        does_not_sign(server, &key);
        let jwks = server.anonymous().get("/.well-known/jwks.json").ok();
        assert!(!jwks.to_string().contains(&name));
    }
}

fn a_kid_of_ones_own_wins(server: &Server) {
    for given in [
        json!({"certificate": fixture("ec-p256.certificate-v3")}),
        json!({"publicKey": fixture("ec-p256.spki")}),
        json!({"privateKey": fixture("ec-p256.pkcs8")}),
        json!({"type": "HMAC", "secret": "s"}),
    ] {
        for kid in [unique("kid"), format!("{}{}", unique("é"), "é".repeat(150)), unique("/?#\"\\ <")] {
            let mut members = given.clone();
            members["kid"] = json!(kid);
            let key = import(server, members);
            assert_eq!(key["kid"], json!(kid));
            if given.get("secret").is_none() {
                let keys = server.anonymous().get("/.well-known/jwks.json").ok();
                let own: Vec<_> = keys["keys"]
                    .as_array()
                    .unwrap()
                    .iter()
                    .filter(|jwk| jwk["kid"] == kid)
                    .cloned()
                    .collect();
                assert_eq!(own.len(), 1);
                if let Some(certificate) = key.get("certificateInformation") {
                    assert_eq!(own[0]["x5t"], certificate["sha1Thumbprint"]);
                }
            }
        }
    }
}

fn line_ends_do_not_matter(server: &Server) {
    let certificate = fixture("ec-p521.certificate-v3");
    let public = fixture("ec-p521.spki");
    for (from, to) in [("\n", "\r\n"), ("\n", "\r"), ("\n", "\n\n"), ("\n", "")] {
        let bend = |text: &str| text.replace(from, to);
        let given = json!({"certificate": bend(&certificate), "publicKey": bend(&public),
            "privateKey": bend(&fixture("ec-p521.pkcs8"))});
        let key = import(server, given);
        assert_eq!(key["certificate"], json!(certificate.trim()));
        assert_eq!(key["publicKey"], json!(public.trim()));
        server.as_key_manager().delete(&path(&key)).done();
    }
    // The base64 of a certificate alone, wrapped or not.
    let armoured: Vec<_> = certificate.trim().lines().collect();
    let bare = &armoured[1..armoured.len() - 1];
    for text in [bare.concat(), bare.join("\n"), bare.join("\r\n"), format!(" {}\n", bare.concat())] {
        let key = import(server, json!({"certificate": text}));
        assert_eq!(key["certificate"], json!(certificate.trim()));
        server.as_key_manager().delete(&path(&key)).done();
    }
}

fn every_member_may_be_sent(server: &Server) {
    let certificate = fixture("ec-p384.certificate-v3");
    // What FusionAuth's Terraform provider knows of; its language sends nested structures set or not.
    let given = json!({"algorithm": "", "certificate": certificate, "certificateInformation": {},
        "expirationInstant": 0, "hasPrivateKey": false, "id": "", "insertInstant": 0, "issuer": "", "kid": "",
        "lastUpdateInstant": 0, "length": 0, "privateKey": "", "publicKey": "", "secret": "", "type": ""});
    let key = import(server, given.clone());
    assert_eq!(
        (&key["type"], &key["algorithm"], &key["length"]),
        (&json!("EC"), &json!("ES384"), &json!(384))
    );
    assert_eq!(key["kid"], key["certificateInformation"]["sha1Thumbprint"]);
    // Its plan of an update is the same body with another name.
    let mut again = given;
    again["name"] = json!(unique("renamed"));
    let after = server.as_key_manager().put(&path(&key), &json!({"key": again})).ok();
    assert_eq!(after["key"]["name"], again["name"]);
    server.as_key_manager().delete(&path(&key)).done();
    // Texts of spaces are no PEM either.
    let blank =
        json!({"certificate": " \r\n", "publicKey": "\t", "privateKey": " ", "type": "HMAC", "secret": "s"});
    assert_eq!(import(server, blank)["type"], json!("HMAC"));
}

fn the_whole_object_comes_back_with_another_name(server: &Server) {
    let manager = server.as_key_manager();
    for given in [
        json!({"certificate": fixture("rsa-3072.certificate-v3")}),
        json!({"privateKey": fixture("ed25519.pkcs8")}),
        json!({"publicKey": fixture("rsa-3072.spki")}),
        json!({"type": "HMAC", "secret": "not to be seen"}),
        json!({"type": "Secret", "secret": "not to be seen"}),
    ] {
        let mut key = import(server, given.clone());
        let kid_is_name = |key: &mut Value| {
            if key["type"] == "Secret" {
                key["kid"] = key["name"].clone();
            }
        };
        key["name"] = json!(unique("renamed"));
        kid_is_name(&mut key);
        assert_eq!(manager.put(&path(&key), &json!({"key": key})).ok(), json!({"key": key}));
        // With what it was made of, as Terraform sends it, or with something else: only the name counts.
        let mut whole = key.clone();
        for (member, value) in given.as_object().unwrap() {
            whole[member] = value.clone();
        }
        whole["name"] = json!(unique("renamed"));
        whole["kid"] = json!("another");
        key["name"] = whole["name"].clone();
        kid_is_name(&mut key);
        let answer = manager.put(&path(&key), &json!({"key": whole}));
        tells_no_secret(&answer.ok());
        assert_eq!(answer.ok(), json!({"key": key}));
        assert_eq!(manager.get(&path(&key)).ok(), json!({"key": key}));
        manager.delete(&path(&key)).done();
    }
}

fn the_same_pair_has_two_names(server: &Server) {
    let given = json!({"publicKey": fixture("rsa-2048.spki"), "privateKey": fixture("rsa-2048.pkcs8"), "type": "RSA",
        "algorithm": "RS256"});
    let [one, other] = [(); 2].map(|()| import(server, given.clone()));
    assert_eq!(one["publicKey"], other["publicKey"]);
    assert!(
        one["id"] != other["id"] && one["kid"] != other["kid"] && one["certificate"] != other["certificate"]
    );
    signs(server, &one);
    server.as_key_manager().delete(&path(&one)).done();
    signs(server, &other);
}

fn deleted_is_free_again(server: &Server) {
    let manager = server.as_key_manager();
    let id = uuid();
    let (import_path, key_path) = (format!("/api/key/import/{id}"), format!("/api/key/{id}"));
    let body = import_body(&json!({"certificate": fixture("ec-p521.certificate-v1")}));
    let mut answers = Vec::new();
    for _ in 0..3 {
        answers.push(manager.post(&import_path, &body).ok());
        manager
            .post(&import_path, &body)
            .refused(&["key.name [duplicate]key.name", "keyId [duplicate]keyId"]);
        manager.delete(&key_path).done();
        manager.get(&key_path).not_found();
    }
    assert!(answers[0] == answers[1] && answers[1] == answers[2]);
    // As another type of key, too; and what the old one signed does not count for the new one.
    let secret = |secret: &str| import_body(&json!({"type": "HMAC", "kid": id, "secret": secret}));
    let key = manager.post(&import_path, &secret("old")).ok();
    let request = json!({"keyId": id, "timeToLiveInSeconds": 60});
    let token = manager.post("/api/jwt/vend", &request).ok()["token"].as_str().unwrap().to_owned();
    let validate = || {
        let client = server.anonymous().with_header("Authorization", &format!("Bearer {token}"));
        client.get("/api/jwt/validate")
    };
    validate().ok();
    manager.delete(&path(&key["key"])).done();
    validate().denied();
    manager.post(&import_path, &secret("new")).ok();
    validate().denied();
    manager.delete(&key_path).done();
    manager.post(&import_path, &secret("old")).ok();
    validate().ok();
}

fn nothing_secret_is_answered(server: &Server) {
    let manager = server.as_key_manager();
    let secret = "the secret that nobody reads back";
    let private = fixture("rsa-2048-other.pkcs8");
    // The end of the encoding has prime exponents and the coefficient, none of which is public.
    let lines: Vec<_> = private.lines().filter(|line| !line.starts_with('-')).collect();
    let private_lines = &lines[lines.len() - 8..];
    let hmac = import(server, json!({"type": "HMAC", "secret": secret}));
    let plain = import(server, json!({"type": "Secret", "secret": secret}));
    let pair = import(server, json!({"privateKey": private, "publicKey": fixture("rsa-2048-other.spki")}));
    let refused =
        import_body(&json!({"type": "HMAC", "secret": secret, "privateKey": private, "kid": "a\nb"}));
    let mut replies = vec![
        manager.get("/api/key"),
        manager.get("/api/key/search?numberOfResults=100000"),
        manager.post("/api/key/search", &json!({"search": {"numberOfResults": 100_000}})),
        manager.post("/api/key/import", &refused),
        manager.get("/api/prometheus/metrics"),
        manager.get("/api/status"),
        server.anonymous().get("/.well-known/jwks.json"),
        server.anonymous().get("/api/jwt/public-key"),
    ];
    for key in [&hmac, &plain, &pair] {
        replies.push(manager.get(&path(key)));
        let mut renamed = key.clone();
        renamed["secret"] = json!(secret);
        renamed["privateKey"] = json!(private);
        replies.push(manager.put(&path(key), &json!({"key": renamed})));
        let kid = key["kid"].as_str().unwrap().replace(' ', "%20");
        replies.push(server.anonymous().get(&format!("/api/jwt/public-key?kid={kid}")));
    }
    for reply in replies {
        let text = reply.text().replace("\\n", "");
        assert!(!text.contains("PRIVATE") && !text.contains(secret), "{text}");
        assert!(private_lines.iter().all(|line| !text.contains(line)), "{text}");
    }
}

fn the_issuer_is_the_default_tenants(server: &Server) {
    let path = format!("/api/tenant/{}", server.default_tenant());
    let issuer = |issuer: &str| {
        let tenant = json!({"tenant": {"name": "Default", "issuer": issuer}});
        server.as_key_manager().put(&path, &tenant).ok();
    };
    let pair = || import(server, json!({"privateKey": fixture("ed25519.pkcs8"), "issuer": "not this one"}));
    issuer("issuer.example");
    assert_eq!(pair()["issuer"], json!("issuer.example"));
    // One that is too long for a certificate keeps nobody from importing a key.
    issuer(&"i".repeat(65));
    assert_eq!(pair()["issuer"], json!("acme.com"));
}
