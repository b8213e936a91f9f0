//! Generated keys as others see them: the `openssl` command line checks certificates, dates, serial numbers and
//! signatures; josekit signs and verifies with the private key and the public JWK.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::allow_attributes,
    missing_docs,
    reason = "test code"
)]

use std::fs;
use std::path::Path;
use std::process::Command;

use claviger_crypto::{
    GenerateRequest, GeneratedKey, SystemRandom, certificate_information, finish, generate_material,
    public_jwk,
};
use claviger_domain::{HashSize, Instant, Key, KeyAlgorithm, KeySpec, Name, Revision, RsaLength};
use josekit::jwk::Jwk;
use josekit::jws::alg::ecdsa::EcdsaJwsAlgorithm;
use josekit::jws::alg::rsassa::RsassaJwsAlgorithm;
use josekit::jws::{EdDSA, JwsHeader, JwsSigner, JwsVerifier, deserialize_compact, serialize_compact};
use serde_json::{Map, Value};
use tempfile::TempDir;

/// 2024-02-29T12:34:56.789Z.
const NOW: Instant = Instant::from_epoch_millis(1_709_210_096_789);
const ID: &str = "ea751186-3678-48c0-8f08-11f0e3c1937b";

/// Runs `openssl` in a directory and returns its standard output.
#[track_caller]
fn openssl(directory: &Path, arguments: &[&str]) -> String {
    let output = Command::new("openssl")
        .args(arguments)
        .current_dir(directory)
        .output()
        .expect("this test needs the command openssl (3.0 or later) in the path");
    assert!(output.status.success(), "openssl {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn request(spec: KeySpec) -> GenerateRequest<'static> {
    GenerateRequest { id: ID.parse().unwrap(), spec, issuer: "acme.com", now: NOW }
}

/// What the store keeps of a generated key.
fn stored(spec: KeySpec, generated: &GeneratedKey) -> Key {
    Key {
        id: ID.parse().unwrap(),
        revision: Revision::FIRST,
        name: Name::try_from(String::from("a key")).unwrap(),
        kid: generated.kid.clone(),
        key_type: spec.algorithm().key_type(),
        algorithm: Some(spec.algorithm()),
        length: spec.length(),
        issuer: Some("acme.com".into()),
        public_key: generated.public_key.clone(),
        certificate: generated.certificate.clone(),
        has_private_key: true,
        shadow: false,
        expiration_instant: generated.expiration_instant,
        insert_instant: NOW,
        last_update_instant: NOW,
    }
}

/// Everything that holds for pairs of these specs, which are made of one private key each.
fn check(specs: &[KeySpec]) {
    for spec in specs {
        let material = generate_material(*spec, &mut SystemRandom).unwrap();
        let generated = finish(&request(*spec), material, &mut SystemRandom).unwrap();
        check_certificate(*spec, &generated);
        check_signatures(*spec, &generated);
        check_jwk(*spec, &generated);
    }
}

/// The names that openssl gives the signature and the public key.
fn openssl_names(spec: KeySpec) -> (String, String) {
    let bits = match spec {
        KeySpec::Ec(hash) | KeySpec::Hmac(hash) | KeySpec::Rsa(hash, _) => match hash {
            HashSize::Bits256 => 256,
            HashSize::Bits384 => 384,
            HashSize::Bits512 => 512,
        },
        KeySpec::Ed25519 => 0,
    };
    match spec {
        KeySpec::Rsa(_, length) => {
            (format!("sha{bits}WithRSAEncryption"), format!("({} bit)", length.bits()))
        }
        KeySpec::Ec(hash) => {
            let curve = match hash {
                HashSize::Bits256 => "P-256",
                HashSize::Bits384 => "P-384",
                HashSize::Bits512 => "P-521",
            };
            (format!("ecdsa-with-SHA{bits}"), format!("NIST CURVE: {curve}"))
        }
        KeySpec::Ed25519 => ("ED25519".into(), "ED25519 Public-Key:".into()),
        KeySpec::Hmac(_) => panic!("no certificate"),
    }
}

fn check_certificate(spec: KeySpec, generated: &GeneratedKey) {
    let directory = TempDir::new().unwrap();
    let path = directory.path();
    let certificate = generated.certificate.as_ref().unwrap();
    fs::write(path.join("certificate.pem"), certificate).unwrap();

    let text = openssl(path, &["x509", "-in", "certificate.pem", "-noout", "-text", "-nameopt", "RFC2253"]);
    let (signature, public_key) = openssl_names(spec);
    for expected in [
        "Version: 3 (0x2)",
        "Issuer: CN=acme.com\n",
        "Subject: CN=acme.com\n",
        "Not Before: Feb 29 12:34:56 2024 GMT",
        "Not After : Feb 28 12:34:56 2034 GMT",
        &format!("Signature Algorithm: {signature}\n"),
        &public_key,
    ] {
        assert!(text.contains(expected), "{spec:?}: {expected} is not in {text}");
    }
    assert!(!text.contains("X509v3 extensions"), "{text}");
    if let KeySpec::Rsa(..) = spec {
        assert!(text.contains("Exponent: 65537 (0x10001)"), "{text}");
    }

    let serial = openssl(path, &["x509", "-in", "certificate.pem", "-noout", "-serial"]);
    assert_eq!(serial.trim(), format!("serial={}", ID.replace('-', "").to_uppercase()));
    let verified = openssl(
        path,
        &[
            "verify",
            "-CAfile",
            "certificate.pem",
            "-check_ss_sig",
            "-attime",
            "1709210096",
            "certificate.pem",
        ],
    );
    assert_eq!(verified.trim(), "certificate.pem: OK");
    let spki = openssl(path, &["x509", "-in", "certificate.pem", "-noout", "-pubkey"]);
    assert_eq!(Some(spki.trim_end()), generated.public_key.as_deref());
    // The command writes the same armour, but for the newline at the end.
    assert_eq!(
        openssl(path, &["x509", "-in", "certificate.pem"]).strip_suffix('\n'),
        Some(certificate.as_str())
    );

    let structure = openssl(path, &["asn1parse", "-in", "certificate.pem"]);
    assert!(structure.contains("PRINTABLESTRING   :acme.com"), "{structure}");
    // RFC 5758 and RFC 8410 leave the parameters of the signature out; RFC 4055 wants a NULL for RSA.
    let nulls = structure.lines().filter(|line| line.contains("prim: NULL")).count();
    assert_eq!(nulls, if matches!(spec, KeySpec::Rsa(..)) { 3 } else { 0 }, "{structure}");

    let fingerprint = openssl(path, &["x509", "-in", "certificate.pem", "-noout", "-fingerprint", "-sha256"]);
    let information = certificate_information(certificate).unwrap();
    assert_eq!(fingerprint.trim(), format!("sha256 Fingerprint={}", information.sha256_fingerprint));
    assert_eq!(information.sha1_thumbprint, generated.kid.as_str());
    assert_eq!(Some(information.valid_to), generated.expiration_instant);
}

/// Signs with the private key and verifies with the certificate's key, all on the command line.
fn check_signatures(spec: KeySpec, generated: &GeneratedKey) {
    let directory = TempDir::new().unwrap();
    let path = directory.path();
    fs::write(path.join("private.der"), generated.material.expose()).unwrap();
    fs::write(path.join("certificate.pem"), generated.certificate.as_ref().unwrap()).unwrap();
    fs::write(path.join("message"), "a message").unwrap();
    openssl(path, &["pkey", "-in", "private.der", "-inform", "DER", "-noout", "-check"]);
    openssl(
        path,
        &[
            "pkeyutl",
            "-sign",
            "-rawin",
            "-inkey",
            "private.der",
            "-keyform",
            "DER",
            "-in",
            "message",
            "-out",
            "signature",
        ],
    );
    let verify = [
        "pkeyutl",
        "-verify",
        "-rawin",
        "-certin",
        "-inkey",
        "certificate.pem",
        "-in",
        "message",
        "-sigfile",
        "signature",
    ];
    assert_eq!(openssl(path, &verify).trim(), "Signature Verified Successfully", "{spec:?}");
    fs::write(path.join("message"), "another message").unwrap();
    let refused = Command::new("openssl").args(verify).current_dir(path).output().unwrap();
    assert!(!refused.status.success(), "{spec:?}");
}

fn rsassa(algorithm: KeyAlgorithm) -> RsassaJwsAlgorithm {
    match algorithm {
        KeyAlgorithm::Rs256 => RsassaJwsAlgorithm::Rs256,
        KeyAlgorithm::Rs384 => RsassaJwsAlgorithm::Rs384,
        KeyAlgorithm::Rs512 => RsassaJwsAlgorithm::Rs512,
        other => panic!("{other}"),
    }
}

fn ecdsa(algorithm: KeyAlgorithm) -> EcdsaJwsAlgorithm {
    match algorithm {
        KeyAlgorithm::Es256 => EcdsaJwsAlgorithm::Es256,
        KeyAlgorithm::Es384 => EcdsaJwsAlgorithm::Es384,
        KeyAlgorithm::Es512 => EcdsaJwsAlgorithm::Es512,
        other => panic!("{other}"),
    }
}

/// josekit verifies by the public JWK what it signs with the private key.
fn check_jwk(spec: KeySpec, generated: &GeneratedKey) {
    let key = stored(spec, generated);
    let Value::Object(mut members) = public_jwk(&key).unwrap().unwrap() else { panic!("no object") };
    assert_eq!(members["kid"], generated.kid.as_str());
    assert_eq!(members["alg"], spec.algorithm().as_str());
    if spec == KeySpec::Ed25519 {
        // josekit knows the algorithm by its older name only (RFC 8037).
        members.insert("alg".into(), "EdDSA".into());
    }
    let private = generated.material.expose();
    let algorithm = spec.algorithm();
    let (signer, verifier): (Box<dyn JwsSigner>, Box<dyn JwsVerifier>) = match spec {
        KeySpec::Rsa(..) => (
            Box::new(rsassa(algorithm).signer_from_der(private).unwrap()),
            Box::new(rsassa(algorithm).verifier_from_jwk(&jwk(&members)).unwrap()),
        ),
        KeySpec::Ec(_) => (
            Box::new(ecdsa(algorithm).signer_from_der(private).unwrap()),
            Box::new(ecdsa(algorithm).verifier_from_jwk(&jwk(&members)).unwrap()),
        ),
        KeySpec::Ed25519 => (
            Box::new(EdDSA.signer_from_der(private).unwrap()),
            Box::new(EdDSA.verifier_from_jwk(&jwk(&members)).unwrap()),
        ),
        KeySpec::Hmac(_) => panic!("no public JWK"),
    };
    let mut header = JwsHeader::new();
    header.set_key_id(generated.kid.as_str());
    let token = serialize_compact(b"a message", &header, &*signer).unwrap();
    let (payload, _) = deserialize_compact(&token, &*verifier).unwrap();
    assert_eq!(payload, b"a message");
    let (signed, signature) = token.rsplit_once('.').unwrap();
    let middle = signature.len() / 2;
    let other = if signature.as_bytes()[middle] == b'A' { "B" } else { "A" };
    let forged = format!("{signed}.{}{other}{}", &signature[..middle], &signature[middle + 1..]);
    assert!(deserialize_compact(&forged, &*verifier).is_err());
}

fn jwk(members: &Map<String, Value>) -> Jwk {
    Jwk::from_map(members.clone()).unwrap()
}

#[test]
fn ed25519() {
    check(&[KeySpec::Ed25519]);
}

#[test]
fn p256() {
    check(&[KeySpec::Ec(HashSize::Bits256)]);
}

#[test]
fn p384() {
    check(&[KeySpec::Ec(HashSize::Bits384)]);
}

#[test]
fn p521() {
    check(&[KeySpec::Ec(HashSize::Bits512)]);
}

#[test]
fn rsa_2048() {
    check(&[KeySpec::Rsa(HashSize::Bits256, RsaLength::Bits2048)]);
}

#[test]
fn rsa_3072() {
    check(&[KeySpec::Rsa(HashSize::Bits384, RsaLength::Bits3072)]);
}

#[test]
fn rsa_4096() {
    check(&[KeySpec::Rsa(HashSize::Bits512, RsaLength::Bits4096)]);
}
