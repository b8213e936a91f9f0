//! What the import tests share: fixtures, requests, and what must hold of every key that is imported.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::allow_attributes,
    missing_docs,
    reason = "test code"
)]
#![allow(dead_code, unreachable_pub, reason = "each test program uses a part")]

use std::fs;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use claviger_crypto::{
    ImportFault, ImportField, ImportRefusal, ImportRequest, ImportedKey, certificate_information, import,
    jwk_thumbprint, public_jwk,
};
use claviger_domain::{
    Instant, Key, KeyAlgorithm, KeyId, KeyType, Kid, Name, Revision, SecretBytes, SecretText,
};
use openssl::hash::MessageDigest;
use openssl::pkey::{Id, PKey, Private};
use openssl::sign::{Signer, Verifier};
use proptest::prelude::*;

/// 2024-02-29T12:34:56.789Z.
pub const NOW: Instant = Instant::from_epoch_millis(1_709_210_096_789);
pub const ID: KeyId = KeyId::from_u128(0xea75_1186_3678_48c0_8f08_11f0_e3c1_937b);

/// The text of `<name>.pem`.
pub fn fixture(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(format!("{name}.pem"));
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The DER of the last PEM block of a text.
pub fn der(text: &str) -> Vec<u8> {
    let begin = text.rfind("-----BEGIN ").unwrap();
    let base64: String = text[begin..].lines().filter(|line| !line.starts_with('-')).collect();
    STANDARD.decode(base64).unwrap()
}

pub fn pem(label: &str, der: &[u8]) -> String {
    let base64 = STANDARD.encode(der);
    let lines: Vec<&str> =
        (0..base64.len()).step_by(64).map(|at| &base64[at..base64.len().min(at + 64)]).collect();
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
}

/// The label of the last PEM block of a text.
pub fn label(text: &str) -> String {
    let begin = text.rfind("-----BEGIN ").unwrap() + "-----BEGIN ".len();
    text[begin..].split_once("-----").unwrap().0.to_owned()
}

/// What a request may carry, owned.
#[derive(Default, Clone)]
pub struct Fields {
    pub id: Option<KeyId>,
    pub key_type: Option<KeyType>,
    pub algorithm: Option<KeyAlgorithm>,
    pub certificate: Option<String>,
    pub public_key: Option<String>,
    pub private_key: Option<String>,
    pub secret: Option<String>,
    pub issuer: Option<String>,
}

impl Fields {
    pub fn certificate(text: impl Into<String>) -> Self {
        Self { certificate: Some(text.into()), ..Self::default() }
    }

    pub fn public_key(text: impl Into<String>) -> Self {
        Self { public_key: Some(text.into()), ..Self::default() }
    }

    pub fn private_key(text: impl Into<String>) -> Self {
        Self { private_key: Some(text.into()), ..Self::default() }
    }

    pub fn secret(text: impl Into<String>) -> Self {
        Self { secret: Some(text.into()), ..Self::default() }
    }

    pub fn import(&self) -> Result<ImportedKey, ImportRefusal> {
        let private_key = self.private_key.clone().map(SecretText::from);
        let secret = self.secret.clone().map(SecretText::from);
        import(&ImportRequest {
            id: self.id.unwrap_or(ID),
            key_type: self.key_type,
            algorithm: self.algorithm,
            certificate: self.certificate.as_deref(),
            public_key: self.public_key.as_deref(),
            private_key: private_key.as_ref(),
            secret: secret.as_ref(),
            issuer: self.issuer.as_deref().unwrap_or("acme.com"),
            now: NOW,
        })
    }

    /// The key, of which everything holds that must.
    #[track_caller]
    pub fn imported(&self) -> ImportedKey {
        let key = self.import().unwrap_or_else(|refusal| panic!("{refusal}"));
        check(&key);
        key
    }

    /// The problems.
    #[track_caller]
    pub fn refused(&self) -> Vec<(ImportField, ImportFault)> {
        match self.import() {
            Ok(_) => panic!("imported"),
            Err(ImportRefusal::Problems(problems)) => {
                assert!(!problems.is_empty());
                problems.iter().map(|problem| (problem.field, problem.fault)).collect()
            }
            Err(failed @ ImportRefusal::Failed(_)) => panic!("{failed}"),
        }
    }
}

/// What the store keeps of an imported key.
pub fn stored(key: &ImportedKey) -> Key {
    Key {
        id: ID,
        revision: Revision::FIRST,
        name: Name::try_from(String::from("a key")).unwrap(),
        kid: key.kid.clone().unwrap_or_else(|| Kid::from(String::from("kid"))),
        key_type: key.key_type,
        algorithm: key.algorithm,
        length: key.length,
        issuer: key.issuer.clone(),
        public_key: key.public_key.clone(),
        certificate: key.certificate.clone(),
        has_private_key: key.material.is_some(),
        shadow: false,
        expiration_instant: key.expiration_instant,
        insert_instant: NOW,
        last_update_instant: NOW,
    }
}

/// Whatever holds of every imported key: it works with the rest of the crate, its fields agree, and it can be imported
/// again from what is kept of it.
#[track_caller]
pub fn check(key: &ImportedKey) {
    if !key.key_type.is_asymmetric() {
        assert!(key.length.is_none() && key.kid.is_none() && key.public_key.is_none());
        assert!(key.certificate.is_none() && key.issuer.is_none() && key.expiration_instant.is_none());
        assert_eq!(key.algorithm.unwrap().key_type(), key.key_type);
        assert!(!key.material.as_ref().unwrap().expose().is_empty());
        return;
    }
    let jwk = public_jwk(&stored(key)).unwrap().unwrap();
    assert_eq!(jwk["kid"], key.kid.as_ref().unwrap().as_str());
    let public_key = key.public_key.clone().unwrap();
    if let Some(certificate) = &key.certificate {
        let information = certificate_information(certificate).unwrap();
        assert_eq!(information.sha1_thumbprint, key.kid.as_ref().unwrap().as_str());
        assert_eq!(key.expiration_instant, Some(information.valid_to));
    } else {
        assert!(key.material.is_none() && key.expiration_instant.is_none() && key.issuer.is_none());
        assert_eq!(jwk_thumbprint(&public_key).unwrap(), key.kid.as_ref().unwrap().as_str());
    }
    if let Some(algorithm) = key.algorithm {
        assert_eq!(algorithm.key_type(), key.key_type);
    }
    let again = Fields {
        key_type: Some(key.key_type),
        algorithm: key.algorithm,
        certificate: key.certificate.clone(),
        public_key: Some(public_key),
        private_key: key.material.as_ref().map(|der| pem("PRIVATE KEY", der.expose())),
        ..Fields::default()
    };
    same(&again.import().unwrap_or_else(|refusal| panic!("again: {refusal}")), key);
}

#[track_caller]
pub fn same(one: &ImportedKey, other: &ImportedKey) {
    assert_eq!(stored(one), stored(other));
    assert_eq!(
        one.material.as_ref().map(SecretBytes::expose),
        other.material.as_ref().map(SecretBytes::expose)
    );
}

/// That the imported public key verifies what `private` signs, and the imported private key signs for `private`'s own
/// public half.
#[track_caller]
pub fn check_signatures(key: &ImportedKey, private: &PKey<Private>) {
    let text = b"text";
    let digest = (private.id() != Id::ED25519).then(MessageDigest::sha256);
    let sign = |key: &PKey<Private>| match digest {
        Some(digest) => Signer::new(digest, key).unwrap().sign_oneshot_to_vec(text).unwrap(),
        None => Signer::new_without_digest(key).unwrap().sign_oneshot_to_vec(text).unwrap(),
    };
    let public = PKey::public_key_from_der(&der(key.public_key.as_ref().unwrap())).unwrap();
    let verify = |signature: &[u8]| match digest {
        Some(digest) => Verifier::new(digest, &public).unwrap().verify_oneshot(signature, text).unwrap(),
        None => Verifier::new_without_digest(&public).unwrap().verify_oneshot(signature, text).unwrap(),
    };
    assert!(public.public_eq(private) && verify(&sign(private)));
    if let Some(material) = &key.material {
        assert!(verify(&sign(&PKey::private_key_from_pkcs8(material.expose()).unwrap())));
    }
}

/// The field that a container belongs in.
pub fn field(container: &str) -> ImportField {
    if container.starts_with("certificate") {
        ImportField::Certificate
    } else if container.starts_with("spki") || container.starts_with("pkcs1-public") {
        ImportField::PublicKey
    } else {
        ImportField::PrivateKey
    }
}

pub fn given(field: ImportField, text: impl Into<String>) -> Fields {
    match field {
        ImportField::Certificate => Fields::certificate(text),
        ImportField::PublicKey => Fields::public_key(text),
        ImportField::PrivateKey => Fields::private_key(text),
        field => panic!("{field:?}"),
    }
}

pub const FIELDS: [ImportField; 3] =
    [ImportField::Certificate, ImportField::PublicKey, ImportField::PrivateKey];

/// Keys that are imported from each of their containers.
pub const SOUND: [(&str, &[&str]); 7] = [
    ("rsa-2048", RSA),
    ("rsa-3072", RSA),
    ("rsa-4096", RSA),
    ("ec-p256", EC),
    ("ec-p384", EC),
    ("ec-p521", EC),
    ("ed25519", &["spki", "pkcs8", "certificate-v1", "certificate-v3"]),
];
pub const RSA: &[&str] =
    &["spki", "pkcs1-public", "pkcs8", "pkcs1-private", "certificate-v1", "certificate-v3"];
pub const EC: &[&str] = &[
    "spki",
    "spki-compressed",
    "pkcs8",
    "sec1",
    "sec1-parameters",
    "sec1-no-public",
    "certificate-v1",
    "certificate-v3",
];

pub fn sound() -> impl Iterator<Item = (&'static str, &'static str, String)> {
    let all = SOUND
        .into_iter()
        .flat_map(|(name, containers)| containers.iter().map(move |container| (name, *container)));
    all.map(|(name, container)| (name, container, fixture(&format!("{name}.{container}"))))
}

/// Either problems or a key of which everything holds; whether it was imported.
#[track_caller]
pub fn check_damaged(field: ImportField, label: &str, der: &[u8]) -> bool {
    match given(field, pem(label, der)).import() {
        Ok(key) => {
            check(&key);
            true
        }
        Err(ImportRefusal::Problems(problems)) => {
            assert!(problems.iter().all(|problem| problem.field == field) && problems.len() == 1);
            false
        }
        Err(failed @ ImportRefusal::Failed(_)) => panic!("{failed}"),
    }
}

/// Where the elements of some DER begin, and the lengths of their heads.
pub fn elements(der: &[u8], from: usize, found: &mut Vec<(usize, usize)>) {
    let mut at = from;
    while at + 1 < der.len() {
        let head = if der[at + 1] < 0x80 { 2 } else { 2 + usize::from(der[at + 1] & 0x7f) };
        let length = if head == 2 {
            usize::from(der[at + 1])
        } else {
            der[at + 2..at + head].iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte))
        };
        found.push((at, head));
        if der[at] & 0x20 != 0 {
            let mut inner = Vec::new();
            elements(&der[..at + head + length], at + head, &mut inner);
            found.extend(inner);
        }
        at += head + length;
    }
}

/// One element with its head.
pub fn element(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let content = parts.concat();
    let length = content.len();
    let mut head = vec![tag];
    match length {
        0..0x80 => head.push(u8::try_from(length).unwrap()),
        0x80..0x100 => head.extend([0x81, u8::try_from(length).unwrap()]),
        _ => head.extend([&[0x82][..], &u16::try_from(length).unwrap().to_be_bytes()].concat()),
    }
    [head, content].concat()
}

/// The containers of small keys, with the parts of which the changes below make something else.
pub fn sample() -> impl Strategy<Value = (&'static str, &'static str)> {
    let all: Vec<_> = SOUND
        .into_iter()
        .filter(|(name, _)| !name.starts_with("rsa-3") && !name.starts_with("rsa-4"))
        .flat_map(|(name, containers)| containers.iter().map(move |container| (name, *container)))
        .collect();
    prop::sample::select(all)
}
