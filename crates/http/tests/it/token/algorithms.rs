//! The key decides the algorithm: no token is unsigned, and none chooses how it is verified.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use claviger_domain::KeyAlgorithm;
use serde_json::{Value, json};

use super::known::{Known, good, refused};
use super::{accepted, encode, forge, import, import_secret, part, text, validate, vend};
use crate::support::{Server, unique};

on_each_database! {
    shared: unsigned_tokens_are_refused, keys_decide_the_algorithm, public_keys_are_no_secrets,
        ed25519_has_an_older_name;
}

fn unsigned_tokens_are_refused(server: &Server) {
    let key = Known::new(server);
    for name in ["none", "None", "NONE", "nOnE", "none ", ""] {
        let header = format!(r#"{{"alg":"{name}","typ":"JWT","kid":"{}"}}"#, key.kid);
        let signed = key.sign(&header, &good());
        let (unsigned, _) = signed.rsplit_once('.').unwrap();
        for token in [&signed, unsigned, &format!("{unsigned}."), &format!("{unsigned}.{}", encode("none"))] {
            refused(server, token);
        }
    }
    for header in [
        format!(r#"{{"typ":"JWT","kid":"{}"}}"#, key.kid),
        format!(r#"{{"alg":null,"kid":"{}"}}"#, key.kid),
        format!(r#"{{"alg":["HS256"],"kid":"{}"}}"#, key.kid),
        format!(r#"{{"alg":0,"kid":"{}"}}"#, key.kid),
        format!(r#"{{"ALG":"HS256","kid":"{}"}}"#, key.kid),
    ] {
        refused(server, &key.sign(&header, &good()));
    }
}

/// The private half of a pair of the test fixtures, as OpenSSL reads it.
fn der(pem: &str) -> Vec<u8> {
    let lines: Vec<_> = pem.lines().filter(|line| !line.starts_with('-')).collect();
    STANDARD.decode(lines.concat()).unwrap()
}

const RSA: &str = include_str!("../../../../crypto/tests/fixtures/rsa-2048.pkcs8.pem");
const RSA_PUBLIC: &str = include_str!("../../../../crypto/tests/fixtures/rsa-2048.spki.pem");
const EC: &str = include_str!("../../../../crypto/tests/fixtures/ec-p256.pkcs8.pem");
const EC_PUBLIC: &str = include_str!("../../../../crypto/tests/fixtures/ec-p256.spki.pem");
const ED25519: &str = include_str!("../../../../crypto/tests/fixtures/ed25519.pkcs8.pem");
const ED25519_PUBLIC: &str = include_str!("../../../../crypto/tests/fixtures/ed25519.spki.pem");

/// Imports a pair of the fixtures.
fn pair(server: &Server, key_type: &str, algorithm: &str, private: &str, public: &str) -> Value {
    import(
        server,
        json!({"type": key_type, "algorithm": algorithm, "privateKey": private, "publicKey": public,
            "kid": unique("pair")}),
    )
}

fn keys_decide_the_algorithm(server: &Server) {
    let secret = unique("one secret for three algorithms");
    let hmac =
        [("HS256", KeyAlgorithm::Hs256), ("HS384", KeyAlgorithm::Hs384), ("HS512", KeyAlgorithm::Hs512)];
    let rsa =
        [("RS256", KeyAlgorithm::Rs256), ("RS384", KeyAlgorithm::Rs384), ("RS512", KeyAlgorithm::Rs512)];
    for (name, algorithm) in hmac {
        let key = import_secret(server, name, &secret);
        check_algorithms(server, &key, algorithm, &hmac, secret.as_bytes());
    }
    for (name, algorithm) in rsa {
        let key = pair(server, "RSA", name, RSA, RSA_PUBLIC);
        check_algorithms(server, &key, algorithm, &rsa, &der(RSA));
    }
}

/// The key verifies what is signed as its algorithm and named so, and nothing else that its material could do.
fn check_algorithms(
    server: &Server,
    key: &Value,
    own: KeyAlgorithm,
    family: &[(&str, KeyAlgorithm)],
    material: &[u8],
) {
    let header = |name: &str| format!(r#"{{"alg":"{name}","typ":"JWT","kid":"{}"}}"#, text(key, "kid"));
    for (name, signed_as) in family {
        let names =
            ["HS256", "HS384", "HS512", "RS256", "RS384", "RS512", "PS256", "ES256", "EdDSA", "Ed25519"];
        for written in names.into_iter().chain([name.to_lowercase().as_str(), "rS256", "HS256 "]) {
            let reply = validate(server, &forge(*signed_as, material, &header(written), &good()));
            if own == *signed_as && written == *name {
                accepted(&reply);
            } else {
                reply.denied();
            }
        }
    }
}

fn public_keys_are_no_secrets(server: &Server) {
    for (key_type, algorithm, private, public) in [
        ("RSA", "RS256", RSA, RSA_PUBLIC),
        ("EC", "ES256", EC, EC_PUBLIC),
        ("OKP", "Ed25519", ED25519, ED25519_PUBLIC),
    ] {
        let key = pair(server, key_type, algorithm, private, public);
        let returned = text(&key, "publicKey");
        accepted(&validate(server, &vend(server, &key, json!({}))));
        for secret in [
            returned.as_bytes().to_vec(),
            format!("{returned}\n").into_bytes(),
            format!("{returned}\r\n").into_bytes(),
            public.as_bytes().to_vec(),
            public.trim_end().as_bytes().to_vec(),
            der(public),
            text(&key, "kid").as_bytes().to_vec(),
        ] {
            for (name, hmac) in [
                ("HS256", KeyAlgorithm::Hs256),
                ("HS384", KeyAlgorithm::Hs384),
                ("HS512", KeyAlgorithm::Hs512),
                (algorithm, KeyAlgorithm::Hs256),
            ] {
                let header = format!(r#"{{"alg":"{name}","typ":"JWT","kid":"{}"}}"#, text(&key, "kid"));
                refused(server, &forge(hmac, &secret, &header, &good()));
            }
        }
    }
}

fn ed25519_has_an_older_name(server: &Server) {
    let key = pair(server, "OKP", "Ed25519", ED25519, ED25519_PUBLIC);
    let sign = |name: &str| {
        let header = format!(r#"{{"alg":"{name}","kid":"{}"}}"#, text(&key, "kid"));
        forge(KeyAlgorithm::Ed25519, der(ED25519), &header, &good())
    };
    accepted(&validate(server, &sign("Ed25519")));
    accepted(&validate(server, &sign("EdDSA")));
    for name in ["eddsa", "ed25519", "EdDSA ", "Ed448", "ES256"] {
        refused(server, &sign(name));
    }
    // What is made here has the newer name.
    assert!(part(&vend(server, &key, json!({})), 0).starts_with(r#"{"alg":"Ed25519","#));
}
