//! `/api/key` and the JSON Web Key Set.

mod generate;
mod import;
mod import_refusals;
mod in_use;
mod jwks;
mod manage;
mod parallel;
mod search;
mod validation;

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::support::fixture::names;
use crate::support::{Server, unique};

/// Keys that were made for the tests of imports, as `<key>.<container>.pem`.
const FIXTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../crypto/tests/fixtures");

/// Generates a key with these members, and a name of its own where they have none.
#[track_caller]
pub(crate) fn generate(server: &Server, members: Value) -> Value {
    let mut key = json!({"name": unique("key")});
    for (member, value) in members.as_object().unwrap() {
        key[member] = value.clone();
    }
    server.as_key_manager().post("/api/key/generate", &json!({"key": key})).ok()["key"].take()
}

/// The body of an import with these members, and a name of its own where they have none.
fn import_body(members: &Value) -> Value {
    let mut key = json!({"name": unique("imported")});
    for (member, value) in members.as_object().unwrap() {
        key[member] = value.clone();
    }
    json!({"key": key})
}

/// Imports a key; its answer tells nothing secret and is what is read afterwards.
#[track_caller]
fn import(server: &Server, members: Value) -> Value {
    let manager = server.as_key_manager();
    let answer = manager.post("/api/key/import", &import_body(&members)).ok();
    assert_eq!(names(&answer), ["key"]);
    tells_no_secret(&answer);
    assert_eq!(manager.get(&path(&answer["key"])).ok(), answer);
    answer["key"].clone()
}

/// Asserts that a document has no member for secrets, and no private key.
#[track_caller]
fn tells_no_secret(document: &Value) {
    let text = document.to_string();
    for secret in ["\"privateKey\"", "\"secret\"", "PRIVATE"] {
        assert!(!text.contains(secret), "{text}");
    }
}

/// The text of `<name>.pem` among the keys that the tests of imports use.
#[track_caller]
pub(crate) fn fixture(name: &str) -> String {
    let path = Path::new(FIXTURES).join(format!("{name}.pem"));
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The documented keys, and what their certificates say.
pub(crate) fn documented_keys() -> Vec<Value> {
    let vectors: Value = serde_json::from_str(include_str!("../../../crypto/tests/vectors.json")).unwrap();
    vectors["keys"].as_array().unwrap().clone()
}

/// What else FusionAuth documents of imports and searches.
fn vectors() -> Value {
    serde_json::from_str(include_str!("vectors.json")).unwrap()
}

/// A token that the key signed, and that counts.
#[track_caller]
fn signs(server: &Server, key: &Value) {
    let request = json!({"keyId": key["id"], "claims": {"sub": "somebody"}, "timeToLiveInSeconds": 60});
    let answer = server.as_key_manager().post("/api/jwt/vend", &request).ok();
    let bearer = format!("Bearer {}", answer["token"].as_str().unwrap());
    let valid = server.anonymous().with_header("Authorization", &bearer).get("/api/jwt/validate").ok();
    assert_eq!(valid["jwt"]["sub"], json!("somebody"));
}

/// Asserts that no token can be made with the key.
#[track_caller]
fn does_not_sign(server: &Server, key: &Value) {
    let request = json!({"keyId": key["id"], "timeToLiveInSeconds": 60});
    server.as_key_manager().post("/api/jwt/vend", &request).refused(&["keyId [invalid]keyId"]);
}

/// The path of a key.
fn path(key: &Value) -> String {
    format!("/api/key/{}", key["id"].as_str().unwrap())
}

/// Runs the `openssl` command with this standard input, and returns what it prints.
#[track_caller]
fn openssl(arguments: &[&str], input: &str) -> String {
    let mut child = Command::new("openssl")
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the command openssl is needed");
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "openssl {arguments:?}: {errors}");
    String::from_utf8(output.stdout).unwrap()
}
