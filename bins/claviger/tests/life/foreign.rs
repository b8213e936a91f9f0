//! PyJWT (Debian: packages `python3-jwt` and `python3-cryptography`), through the script of the HTTP tests.

use std::io::Write as _;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use serde_json::{Value, json};

/// The first interpreter that has the packages: a version manager may put another one before Debian's.
fn python() -> &'static str {
    static FOUND: OnceLock<&str> = OnceLock::new();
    FOUND.get_or_init(|| {
        let has_packages = |python: &&str| {
            let mut command = Command::new(python);
            command.args(["-c", "import jwt, cryptography"]);
            command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
            command.status().is_ok_and(|status| status.success())
        };
        ["/usr/bin/python3", "python3"].into_iter().find(has_packages).expect(
            "PyJWT with cryptography is needed: install the Debian packages python3-jwt and python3-cryptography",
        )
    })
}

/// What PyJWT says to each of these tokens for this audience, by the key set that the server publishes: its claims, or the
/// name of what is wrong.
#[track_caller]
pub(crate) fn verify(server: SocketAddr, audience: &str, issuer: &str, tokens: &[&str]) -> Vec<Value> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../crates/http/tests/foreign/jose.py");
    let request = json!({"jwks": format!("http://{server}/.well-known/jwks.json"), "tokens": tokens,
        "secrets": {}, "audience": audience, "issuer": issuer});
    let mut command = Command::new(python());
    command.arg(script).arg("verify");
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // Far less than a pipe holds, so that nobody waits for the other.
    child.stdin.take().unwrap().write_all(request.to_string().as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let read: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(read.len(), tokens.len());
    read
}
