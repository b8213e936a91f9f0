//! Tokens as others see them: PyJWT and the `openssl` command line verify what is vended here, by the keys that the key
//! set publishes, and sign what is validated here.
//!
//! They use the clock of the machine, and so the server does here as well.

mod command_line;
pub(crate) mod pyjwt;

use std::io::Write as _;
use std::process::{Command, Stdio};
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use super::{ALGORITHMS, import};
use crate::support::{Server, unique};

#[expect(clippy::disallowed_methods, reason = "other programs take the time from the machine")]
fn machine_time() -> SystemTime {
    SystemTime::now()
}

/// Sets the clock of the server to that of the machine, and returns it in seconds since the epoch.
pub(crate) fn use_real_time(server: &Server) -> i64 {
    let now = i64::try_from(machine_time().duration_since(UNIX_EPOCH).unwrap().as_secs()).unwrap();
    server.set_now(now * 1000);
    now
}

/// Runs a command with this standard input, and returns what it prints.
#[track_caller]
fn run(command: &mut Command, input: &[u8]) -> Vec<u8> {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let mut stdin = child.stdin.take().unwrap();
    // In a thread of its own: a command may print before it has read everything.
    let output = std::thread::scope(|scope| {
        scope.spawn(move || {
            let _ends_early = stdin.write_all(input);
        });
        child.wait_with_output().unwrap()
    });
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{command:?}: {errors}");
    output.stdout
}

/// Runs the `openssl` command.
#[track_caller]
fn openssl(arguments: &[&str], input: &[u8]) -> Vec<u8> {
    run(Command::new("openssl").args(arguments), input)
}

/// A key whose private half is known to others, imported.
struct Shared {
    algorithm: &'static str,
    /// The private key in PEM (PKCS #8), or the secret.
    material: String,
    /// As the import answered.
    key: Value,
}

/// One key per algorithm, made by `openssl` and imported.
fn shared_keys(server: &Server) -> Vec<Shared> {
    let pem = |options: &[&str]| {
        let made = openssl(&[&["genpkey", "-outform", "PEM"], options].concat(), b"");
        String::from_utf8(made).unwrap()
    };
    let rsa = pem(&["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"]);
    ALGORITHMS
        .into_iter()
        .map(|algorithm| {
            let curve = |name: &str| pem(&["-algorithm", "EC", "-pkeyopt", name]);
            let (key_type, material) = match algorithm {
                "RS256" | "RS384" | "RS512" => ("RSA", rsa.clone()),
                "ES256" => ("EC", curve("ec_paramgen_curve:P-256")),
                "ES384" => ("EC", curve("ec_paramgen_curve:P-384")),
                "ES512" => ("EC", curve("ec_paramgen_curve:P-521")),
                "Ed25519" => ("OKP", pem(&["-algorithm", "ED25519"])),
                // As long as the longest digest: shorter ones are no matter of taste to every implementation.
                _ => ("HMAC", unique("a secret of ours and theirs").repeat(3)),
            };
            let member = if key_type == "HMAC" { "secret" } else { "privateKey" };
            let mut members = json!({"type": key_type, "algorithm": algorithm, member: material});
            if key_type != "HMAC" {
                let public = openssl(&["pkey", "-pubout"], material.as_bytes());
                members["publicKey"] = json!(String::from_utf8(public).unwrap());
            }
            let key = import(server, members);
            Shared { algorithm, material, key }
        })
        .collect()
}
