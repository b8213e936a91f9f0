//! `/api/key` and the JSON Web Key Set.

mod generate;
mod jwks;
mod manage;
mod parallel;
mod validation;

use std::io::Write;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::support::{Server, unique};

/// Generates a key with these members, and a name of its own where they have none.
#[track_caller]
fn generate(server: &Server, members: Value) -> Value {
    let mut key = json!({"name": unique("key")});
    for (member, value) in members.as_object().unwrap() {
        key[member] = value.clone();
    }
    server.as_key_manager().post("/api/key/generate", &json!({"key": key})).ok()["key"].take()
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
