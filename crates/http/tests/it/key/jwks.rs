//! The JSON Web Key Set (RFC 7517): the public halves of all keys, and nothing else.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use super::{generate, path};
use crate::support::Server;
use crate::support::fixture::names;

on_each_database! {
    shared: public_halves_only, members_belong_to_the_key, changes_show_at_once, callers_do_not_matter;
}

fn published(server: &Server) -> Vec<Value> {
    let reply = server.anonymous().get("/.well-known/jwks.json");
    assert_eq!(reply.header("cache-control"), Some("public, max-age=60"));
    let document = reply.ok();
    assert_eq!(names(&document), ["keys"]);
    document["keys"].as_array().unwrap().clone()
}

#[track_caller]
fn find(server: &Server, key: &Value) -> Option<Value> {
    let found: Vec<_> = published(server).into_iter().filter(|jwk| jwk["kid"] == key["kid"]).collect();
    assert!(found.len() < 2);
    found.into_iter().next()
}

fn public_halves_only(server: &Server) {
    for algorithm in ["HS256", "HS384", "HS512"] {
        assert_eq!(find(server, &generate(server, json!({"algorithm": algorithm}))), None);
    }
    for algorithm in ["ES256", "Ed25519"] {
        generate(server, json!({"algorithm": algorithm}));
    }
    for jwk in published(server) {
        let known: &[&str] = match jwk["kty"].as_str().unwrap() {
            "RSA" => &["e", "n"],
            "EC" => &["crv", "x", "y"],
            "OKP" => &["crv", "x"],
            other => panic!("{other} has no public half"),
        };
        let common = ["alg", "kid", "kty", "use", "x5c", "x5t", "x5t#S256"];
        for member in names(&jwk) {
            assert!(known.contains(&member) || common.contains(&member), "{member} in {jwk}");
        }
        assert_eq!(jwk["use"], "sig");
    }
    // The three shadow keys have no secret of their own, and still they are not here.
    let all = server.as_key_manager().get("/api/key").ok();
    for key in all["keys"].as_array().unwrap().iter().filter(|key| key["type"] == "HMAC") {
        assert_eq!(find(server, key), None);
    }
}

fn members_belong_to_the_key(server: &Server) {
    for (algorithm, length, kty, curve, size) in [
        ("RS256", Some(2048), "RSA", None, 256),
        ("ES256", None, "EC", Some("P-256"), 32),
        ("ES384", None, "EC", Some("P-384"), 48),
        ("ES512", None, "EC", Some("P-521"), 66),
        ("Ed25519", None, "OKP", Some("Ed25519"), 32),
    ] {
        let key = generate(server, json!({"algorithm": algorithm, "length": length}));
        let jwk = find(server, &key).unwrap();
        assert_eq!((&jwk["alg"], &jwk["kty"]), (&json!(algorithm), &json!(kty)));
        assert_eq!(jwk.get("crv").and_then(Value::as_str), curve);
        let information = &key["certificateInformation"];
        assert_eq!(jwk["x5t"], information["sha1Thumbprint"]);
        assert_eq!(jwk["x5t#S256"], information["sha256Thumbprint"]);
        let der = |pem: &Value| {
            let lines: Vec<_> = pem.as_str().unwrap().lines().filter(|line| !line.starts_with('-')).collect();
            STANDARD.decode(lines.concat()).unwrap()
        };
        assert_eq!(jwk["x5c"], json!([STANDARD.encode(der(&key["certificate"]))]));
        // Numbers have the size of the curve or modulus, and stand at the end of the SubjectPublicKeyInfo.
        let public = der(&key["publicKey"]);
        let number = |member: &str| URL_SAFE_NO_PAD.decode(jwk[member].as_str().unwrap()).unwrap();
        match kty {
            "RSA" => {
                assert_eq!((number("n").len(), number("e")), (size, vec![1, 0, 1]));
                assert!(public.windows(size).any(|window| window == number("n")));
            }
            "EC" => {
                assert_eq!((number("x").len(), number("y").len()), (size, size));
                assert!(public.ends_with(&[number("x"), number("y")].concat()));
            }
            _ => assert!(number("x").len() == size && public.ends_with(&number("x"))),
        }
    }
}

fn changes_show_at_once(server: &Server) {
    for _ in 0..10 {
        let key = generate(server, json!({"algorithm": "Ed25519"}));
        let jwk = find(server, &key);
        assert!(jwk.is_some());
        server.as_key_manager().put(&path(&key), &json!({"key": {"name": key["kid"]}})).ok();
        assert_eq!(find(server, &key), jwk);
        server.as_key_manager().delete(&path(&key)).done();
        assert_eq!(find(server, &key), None);
    }
}

fn callers_do_not_matter(server: &Server) {
    let kid = generate(server, json!({"algorithm": "ES256"}))["kid"].clone();
    let tenant = server.tenant();
    for client in
        [server.anonymous(), server.with_key("no such key"), server.as_key_manager().in_tenant(&tenant)]
    {
        let document = client.get("/.well-known/jwks.json").ok();
        assert!(document["keys"].as_array().unwrap().iter().any(|jwk| jwk["kid"] == kid));
    }
}
