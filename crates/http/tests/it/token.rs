//! Tokens: `/api/jwt/vend`, `/api/jwt/validate`, `/api/jwt/public-key` and the JSON Web Key Set.

mod algorithms;
mod carriers;
pub(crate) mod foreign;
mod form;
pub(crate) mod known;
mod published;
mod races;
mod tenant_bound;
mod validate;
mod vend;
mod verification_keys;

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use claviger_crypto::Signer;
use claviger_domain::{KeyAlgorithm, SecretBytes};
use serde_json::{Value, json};

use crate::support::{Client, Reply, Server, unique};

/// Every algorithm that signs.
const ALGORITHMS: [&str; 10] =
    ["RS256", "RS384", "RS512", "ES256", "ES384", "ES512", "Ed25519", "HS256", "HS384", "HS512"];

/// A key with this algorithm, of the quickest length.
#[track_caller]
pub(crate) fn generate(server: &Server, algorithm: &str) -> Value {
    let length = algorithm.starts_with("RS").then_some(2048);
    let key = json!({"name": unique("token key"), "algorithm": algorithm, "length": length});
    server.as_key_manager().post("/api/key/generate", &json!({"key": key})).ok()["key"].take()
}

/// Imports a key with these members, and a name of its own.
#[track_caller]
fn import(server: &Server, mut members: Value) -> Value {
    members["name"] = json!(unique("imported"));
    let body = json!({"key": members});
    patiently(|| server.as_key_manager().post("/api/key/import", &body)).ok()["key"].take()
}

/// Imports an HMAC secret.
#[track_caller]
pub(crate) fn import_secret(server: &Server, algorithm: &str, secret: &str) -> Value {
    import(server, json!({"type": "HMAC", "algorithm": algorithm, "secret": secret}))
}

/// The text of a member.
#[track_caller]
pub(crate) fn text<'a>(object: &'a Value, member: &str) -> &'a str {
    object[member].as_str().unwrap()
}

/// The path of a key.
fn path(key: &Value) -> String {
    format!("/api/key/{}", text(key, "id"))
}

/// A token that this client has vended with this body.
#[track_caller]
fn vend_as(client: &Client, body: &Value) -> String {
    let document = client.post("/api/jwt/vend", body).ok();
    assert_eq!(document.as_object().unwrap().len(), 1);
    text(&document, "token").to_owned()
}

/// A token of this key with these claims.
#[track_caller]
fn vend(server: &Server, key: &Value, claims: Value) -> String {
    vend_as(&server.as_key_manager(), &json!({"keyId": key["id"], "claims": claims}))
}

/// What `/api/jwt/validate` answers to this value of `Authorization`.
pub(crate) fn present(client: &Client, authorization: &str) -> Reply {
    client.with_header("Authorization", authorization).get("/api/jwt/validate")
}

/// What `/api/jwt/validate` answers to this token.
fn validate(server: &Server, token: &str) -> Reply {
    present(&server.anonymous(), &format!("Bearer {token}"))
}

/// The claims of a token that is accepted.
#[track_caller]
pub(crate) fn accepted(reply: &Reply) -> Value {
    let mut document = reply.ok();
    assert_eq!(document.as_object().unwrap().len(), 1);
    document["jwt"].take()
}

fn encode(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// The text of a part of a token: header, claims.
#[track_caller]
pub(crate) fn part(token: &str, index: usize) -> String {
    let part = token.split('.').nth(index).unwrap();
    String::from_utf8(URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
}

/// The claims of a token, unverified.
#[track_caller]
pub(crate) fn claims(token: &str) -> Value {
    serde_json::from_str(&part(token, 1)).unwrap()
}

/// A token that was not vended: any header and payload, signed with the bytes of a secret.
fn forge(algorithm: KeyAlgorithm, secret: impl AsRef<[u8]>, header: &str, payload: &str) -> String {
    let signer = Signer::new(algorithm, &SecretBytes::from(secret.as_ref().to_vec())).unwrap();
    let signed = format!("{}.{}", encode(header), encode(payload));
    let signature = signer.sign(signed.as_bytes()).unwrap();
    format!("{signed}.{}", encode(signature))
}

/// Replaces the token settings of a tenant.
#[track_caller]
pub(crate) fn configure(server: &Server, tenant: &str, jwt: Value) {
    let manager = server.as_key_manager();
    let path = format!("/api/tenant/{tenant}");
    let mut stored = manager.get(&path).ok()["tenant"].take();
    stored["jwtConfiguration"] = jwt;
    manager.put(&path, &json!({"tenant": stored})).ok();
}

/// How long the server may say that it cannot answer.
const PATIENCE: Duration = Duration::from_secs(60);

/// Repeats a request while the server cannot answer. On a machine that is kept busy it may not hear from PostgreSQL for
/// two seconds, and answers nothing then rather than something old.
#[track_caller]
fn patiently(request: impl Fn() -> Reply) -> Reply {
    let start = Instant::now();
    loop {
        let reply = request();
        if reply.status != 503 {
            return reply;
        }
        assert_eq!(reply.errors(), ["[Unavailable]"]);
        assert!(start.elapsed() < PATIENCE, "the server does not come back");
        thread::yield_now();
    }
}

/// Sets a flag when it is dropped: other threads end also when an assertion fails in this one.
struct StopAtEnd<'a>(&'a AtomicBool);

impl Drop for StopAtEnd<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}
