//! The `openssl` command line, which knows nothing of tokens: it signs and verifies bytes.

use std::fs;
use std::path::Path;
use std::process::Command;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{openssl, shared_keys, use_real_time};
use crate::support::Server;
use crate::token::{ALGORITHMS, accepted, encode, generate, text, validate, vend};

on_each_database! {
    own: openssl_verifies_what_is_vended, what_openssl_signs_is_accepted;
}

/// Bytes of each of the two numbers in a signature of ECDSA (RFC 7518, section 3.4).
fn width(algorithm: &str) -> Option<usize> {
    match algorithm {
        "ES256" => Some(32),
        "ES384" => Some(48),
        "ES512" => Some(66),
        _ => None,
    }
}

fn digest(algorithm: &str) -> &'static str {
    match &algorithm[algorithm.len() - 3..] {
        "256" => "-sha256",
        "384" => "-sha384",
        "512" => "-sha512",
        other => panic!("{other}"),
    }
}

/// The signature as the command line has it: of ECDSA two numbers in DER (RFC 3279, section 2.2.3).
fn to_command_line(algorithm: &str, signature: Vec<u8>) -> Vec<u8> {
    let Some(width) = width(algorithm) else { return signature };
    assert_eq!(signature.len(), 2 * width);
    let number = |bytes: &[u8]| {
        let first = bytes.iter().position(|byte| *byte != 0).unwrap();
        // A number that is not negative has no leading one bit.
        let sign = if bytes[first] >= 0x80 { &[0_u8][..] } else { &[] };
        let content = [sign, &bytes[first..]].concat();
        [&[2, u8::try_from(content.len()).unwrap()], content.as_slice()].concat()
    };
    let content = [number(&signature[..width]), number(&signature[width..])].concat();
    let length = u8::try_from(content.len()).unwrap();
    let head = if length < 0x80 { vec![0x30, length] } else { vec![0x30, 0x81, length] };
    [head, content].concat()
}

/// The other way.
fn from_command_line(algorithm: &str, signature: Vec<u8>) -> Vec<u8> {
    let Some(width) = width(algorithm) else { return signature };
    let head = if signature[1] == 0x81 { 3 } else { 2 };
    assert_eq!((signature[0], usize::from(signature[head - 1])), (0x30, signature.len() - head));
    let mut rest = &signature[head..];
    let mut joined = Vec::new();
    while !rest.is_empty() {
        let end = 2 + usize::from(rest[1]);
        assert_eq!(rest[0], 2);
        let number = rest[2..end].strip_prefix(&[0]).unwrap_or(&rest[2..end]);
        joined.resize(joined.len() + width - number.len(), 0);
        joined.extend_from_slice(number);
        rest = &rest[end..];
    }
    assert_eq!(joined.len(), 2 * width);
    joined
}

/// Whether the command agrees that the signature of the token is one by this public key.
fn verifies(directory: &Path, algorithm: &str, token: &str) -> bool {
    let (signed, signature) = token.rsplit_once('.').unwrap();
    fs::write(directory.join("signed"), signed).unwrap();
    let signature = to_command_line(algorithm, URL_SAFE_NO_PAD.decode(signature).unwrap());
    fs::write(directory.join("signature"), signature).unwrap();
    let arguments: &[&str] = if algorithm == "Ed25519" {
        &[
            "pkeyutl",
            "-verify",
            "-pubin",
            "-inkey",
            "public.pem",
            "-rawin",
            "-in",
            "signed",
            "-sigfile",
            "signature",
        ]
    } else {
        &["dgst", digest(algorithm), "-verify", "public.pem", "-signature", "signature", "signed"]
    };
    Command::new("openssl").args(arguments).current_dir(directory).output().unwrap().status.success()
}

fn openssl_verifies_what_is_vended(server: &Server) {
    use_real_time(server);
    let keys: Vec<_> = ALGORITHMS
        .into_iter()
        .filter(|algorithm| !algorithm.starts_with("HS"))
        .map(|algorithm| (algorithm, generate(server, algorithm)))
        .collect();
    let jwks = server.anonymous().get("/.well-known/jwks.json").ok();
    for (algorithm, key) in keys {
        let jwk = jwks["keys"].as_array().unwrap().iter().find(|jwk| jwk["kid"] == key["kid"]).unwrap();
        // The command reads no JWK, but the certificate that comes with it.
        let certificate = STANDARD.decode(text(&json!({"der": jwk["x5c"][0]}), "der")).unwrap();
        let public = openssl(&["x509", "-inform", "DER", "-noout", "-pubkey"], &certificate);
        let directory = TempDir::new().unwrap();
        fs::write(directory.path().join("public.pem"), public).unwrap();
        // Numbers of ECDSA are shorter than their curve now and then.
        for number in 0..8 {
            let token = vend(server, &key, json!({"number": number}));
            assert!(verifies(directory.path(), algorithm, &token), "{algorithm}");
            let other = vend(server, &key, json!({"number": "other"}));
            let mixed =
                format!("{}.{}", other.rsplit_once('.').unwrap().0, token.rsplit_once('.').unwrap().1);
            assert!(!verifies(directory.path(), algorithm, &mixed), "{algorithm}");
        }
    }
    for shared in shared_keys(server).iter().filter(|shared| shared.algorithm.starts_with("HS")) {
        let token = vend(server, &shared.key, json!({"sub": "s"}));
        let (signed, signature) = token.rsplit_once('.').unwrap();
        assert_eq!(encode(sign(shared.algorithm, &shared.material, signed)), signature);
    }
}

/// The signature that the command makes, as it stands in a token.
fn sign(algorithm: &str, material: &str, signed: &str) -> Vec<u8> {
    let directory = TempDir::new().unwrap();
    let path = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
    let (key, input) = (path("key"), path("input"));
    fs::write(&key, material).unwrap();
    fs::write(&input, signed).unwrap();
    let made = if algorithm.starts_with("HS") {
        let hex: String = material.bytes().map(|byte| format!("{byte:02x}")).collect();
        let secret = format!("hexkey:{hex}");
        openssl(&["dgst", digest(algorithm), "-mac", "HMAC", "-macopt", &secret, "-binary", &input], b"")
    } else if algorithm == "Ed25519" {
        openssl(&["pkeyutl", "-sign", "-inkey", &key, "-rawin", "-in", &input], b"")
    } else {
        openssl(&["dgst", digest(algorithm), "-sign", &key, "-binary", &input], b"")
    };
    from_command_line(algorithm, made)
}

fn what_openssl_signs_is_accepted(server: &Server) {
    let now = use_real_time(server);
    for shared in shared_keys(server) {
        for number in 0..4 {
            let header = json!({"alg": shared.algorithm, "kid": shared.key["kid"]});
            let claims: Value = json!({"exp": now + 600, "number": number});
            let signed = format!("{}.{}", encode(header.to_string()), encode(claims.to_string()));
            let mut signature = sign(shared.algorithm, &shared.material, &signed);
            let token = format!("{signed}.{}", encode(&signature));
            assert_eq!(accepted(&validate(server, &token)), claims, "{}", shared.algorithm);
            // In DER, as the command makes it, a signature of ECDSA is none of a token.
            if width(shared.algorithm).is_some() {
                let der = to_command_line(shared.algorithm, signature.clone());
                validate(server, &format!("{signed}.{}", encode(der))).denied();
            }
            signature[0] ^= 1;
            validate(server, &format!("{signed}.{}", encode(&signature))).denied();
        }
    }
}
