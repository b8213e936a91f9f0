//! PyJWT (Debian: package `python3-jwt`), through `tests/foreign/jose.py`.

use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use super::{run, shared_keys, use_real_time};
use crate::support::Server;
use crate::token::{ALGORITHMS, accepted, claims, generate, part, text, validate, vend, vend_as};

on_each_database! {
    own: pyjwt_verifies_what_is_vended, pyjwt_refuses_what_is_wrong, what_pyjwt_signs_is_accepted;
}

/// The first interpreter that has the packages: a version manager may put another one before Debian's.
fn python() -> &'static str {
    ["/usr/bin/python3", "python3"]
        .into_iter()
        .find(|python| {
            Command::new(python)
                .args(["-c", "import jwt, cryptography"])
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .status()
                .is_ok_and(|status| status.success())
        })
        .expect("PyJWT with cryptography is needed: install the Debian packages python3-jwt and python3-cryptography")
}

fn jose(work: &str, request: &Value) -> Vec<Value> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/foreign/jose.py");
    let printed = run(Command::new(python()).arg(script).arg(work), request.to_string().as_bytes());
    serde_json::from_slice(&printed).unwrap()
}

/// What PyJWT says to these tokens.
fn verify(server: &Server, tokens: &[String], secrets: &Value) -> Vec<Value> {
    verify_for(server, tokens, secrets, &Value::Null, &Value::Null)
}

/// What PyJWT says to these tokens for this audience, and from this issuer.
pub(crate) fn verify_for(
    server: &Server,
    tokens: &[String],
    secrets: &Value,
    audience: &Value,
    issuer: &Value,
) -> Vec<Value> {
    let jwks = format!("http://{}/.well-known/jwks.json", server.address());
    let request = json!({"jwks": jwks, "tokens": tokens, "secrets": secrets, "audience": audience,
        "issuer": issuer});
    let read = jose("verify", &request);
    assert_eq!(read.len(), tokens.len());
    read
}

fn pyjwt_verifies_what_is_vended(server: &Server) {
    use_real_time(server);
    let ours = json!({"sub": "é \u{1f511}", "n": {"x": [1, null, 0.5]}, "large": 9_007_199_254_740_993_i64});
    let (mut tokens, mut secrets) = (Vec::new(), json!({}));
    // Keys that were generated here; and keys that both sides have, which include those of HMAC.
    for algorithm in ALGORITHMS.into_iter().filter(|algorithm| !algorithm.starts_with("HS")) {
        tokens.push(vend(server, &generate(server, algorithm), ours.clone()));
    }
    for shared in shared_keys(server) {
        if shared.algorithm.starts_with("HS") {
            secrets[text(&shared.key, "kid")] = json!(shared.material);
        }
        tokens.push(vend(server, &shared.key, ours.clone()));
    }
    assert_eq!(tokens.len(), 17);
    for (token, read) in tokens.iter().zip(verify(server, &tokens, &secrets)) {
        assert_eq!(read, claims(token), "{}", part(token, 0));
        assert_eq!(read["sub"], ours["sub"]);
    }
}

/// Without this, a script that verifies nothing would pass for one that does.
fn pyjwt_refuses_what_is_wrong(server: &Server) {
    let now = use_real_time(server);
    let key = generate(server, "ES256");
    let right = vend(server, &key, json!({"sub": "a"}));
    let other = vend(server, &key, json!({"sub": "b"}));
    let mixed = format!("{}.{}", other.rsplit_once('.').unwrap().0, right.rsplit_once('.').unwrap().1);
    server.set_now((now - 7200) * 1000);
    let expired =
        vend_as(&server.as_key_manager(), &json!({"keyId": key["id"], "timeToLiveInSeconds": 3600}));
    let read = verify(server, &[right.clone(), mixed, expired], &json!({}));
    assert_eq!(read, [claims(&right), json!("InvalidSignatureError"), json!("ExpiredSignatureError")]);
}

fn what_pyjwt_signs_is_accepted(server: &Server) {
    let now = use_real_time(server);
    let theirs = json!({"exp": now + 600, "iat": now, "sub": "é", "aud": ["a", "b"]});
    let mut wanted = Vec::new();
    for shared in shared_keys(server) {
        let names: &[&str] =
            if shared.algorithm == "Ed25519" { &["Ed25519", "EdDSA"] } else { &[shared.algorithm] };
        for name in names {
            wanted.push(
                json!({"alg": name, "kid": shared.key["kid"], "key": shared.material, "claims": theirs}),
            );
        }
    }
    let tokens = jose("sign", &json!(wanted));
    assert_eq!(tokens.len(), 11);
    for (token, wanted) in tokens.iter().zip(&wanted) {
        let token = token.as_str().unwrap();
        let header: Value = serde_json::from_str(&part(token, 0)).unwrap();
        assert_eq!((&header["alg"], &header["kid"]), (&wanted["alg"], &wanted["kid"]));
        assert_eq!(accepted(&validate(server, token)), theirs, "{header}");
        // By its own signature, not by its kid alone.
        let next = tokens.iter().filter_map(Value::as_str).find(|other| *other != token).unwrap();
        let mixed = format!("{}.{}", token.rsplit_once('.').unwrap().0, next.rsplit_once('.').unwrap().1);
        validate(server, &mixed).denied();
    }
}
