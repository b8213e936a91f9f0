//! The documented example keys: what is shown of their certificates, their JWKs, serial numbers and validity.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::allow_attributes,
    missing_docs,
    reason = "test code"
)]

mod support;

use claviger_crypto::{CryptoError, GenerateRequest, certificate_information, generate, public_jwk};
use claviger_domain::{Instant, KeyAlgorithm, KeySpec, KeyType};
use serde_json::json;
use support::{CountingRandom, key, vectors};

#[test]
fn certificates_are_shown_as_documented() {
    for vector in vectors()["keys"].as_array().unwrap() {
        let information = certificate_information(vector["certificate"].as_str().unwrap()).unwrap();
        let shown = json!({
            "issuer": information.issuer,
            "md5Fingerprint": information.md5_fingerprint,
            "serialNumber": information.serial_number,
            "sha1Fingerprint": information.sha1_fingerprint,
            "sha1Thumbprint": information.sha1_thumbprint,
            "sha256Fingerprint": information.sha256_fingerprint,
            "sha256Thumbprint": information.sha256_thumbprint,
            "subject": information.subject,
            "validFrom": information.valid_from.epoch_millis(),
            "validTo": information.valid_to.epoch_millis(),
        });
        assert_eq!(shown, vector["certificateInformation"]);
    }
}

#[test]
fn jwks_are_as_expected() {
    for vector in vectors()["keys"].as_array().unwrap() {
        assert_eq!(public_jwk(&key(vector)).unwrap().unwrap(), vector["jwk"]);
    }
}

#[test]
fn jwks_without_certificate_or_algorithm_lack_those_members() {
    for vector in vectors()["keys"].as_array().unwrap() {
        let mut key = key(vector);
        (key.certificate, key.algorithm) = (None, None);
        let mut expected = vector["jwk"].clone();
        for member in ["alg", "x5c", "x5t", "x5t#S256"] {
            expected.as_object_mut().unwrap().remove(member).unwrap();
        }
        assert_eq!(public_jwk(&key).unwrap().unwrap(), expected);
    }
}

#[test]
fn secrets_have_no_jwk() {
    for vector in vectors()["keys"].as_array().unwrap() {
        for (key_type, algorithm) in
            [(KeyType::Hmac, KeyAlgorithm::Hs256), (KeyType::Secret, KeyAlgorithm::None)]
        {
            let mut key = key(vector);
            (key.key_type, key.algorithm) = (key_type, Some(algorithm));
            assert_eq!(public_jwk(&key), Ok(None));
        }
        let mut key = key(vector);
        key.public_key = None;
        assert_eq!(public_jwk(&key), Ok(None));
    }
}

#[test]
fn keys_that_contradict_themselves_have_no_jwk() {
    let vectors = vectors();
    let keys: Vec<_> = vectors["keys"].as_array().unwrap().iter().map(key).collect();
    for (place, key) in keys.iter().enumerate() {
        let other = &keys[(place + 1) % keys.len()];
        let mut wrong_type = key.clone();
        (wrong_type.key_type, wrong_type.algorithm) = (other.key_type, other.algorithm);
        assert_eq!(public_jwk(&wrong_type), Err(CryptoError::Mismatch));
        let mut wrong_algorithm = key.clone();
        wrong_algorithm.algorithm = other.algorithm;
        assert_eq!(public_jwk(&wrong_algorithm), Err(CryptoError::Mismatch));
        let mut wrong_certificate = key.clone();
        wrong_certificate.certificate.clone_from(&other.certificate);
        assert_eq!(public_jwk(&wrong_certificate), Err(CryptoError::Mismatch));
    }
    let mut wrong_curve = keys.iter().find(|key| key.key_type == KeyType::Ec).unwrap().clone();
    wrong_curve.algorithm = Some(KeyAlgorithm::Es384);
    assert_eq!(public_jwk(&wrong_curve), Err(CryptoError::Mismatch));
}

#[test]
fn serial_numbers_are_the_key_ids() {
    for vector in vectors()["serialNumbers"].as_array().unwrap() {
        let request = GenerateRequest {
            id: vector["id"].as_str().unwrap().parse().unwrap(),
            spec: KeySpec::Ed25519,
            issuer: "acme.com",
            now: Instant::from_epoch_millis(1_700_000_000_000),
        };
        let key = generate(&request, &mut CountingRandom::default()).unwrap();
        let information = certificate_information(&key.certificate.unwrap()).unwrap();
        assert_eq!(information.serial_number, vector["serialNumber"]);
        assert_eq!(information.sha1_thumbprint, key.kid.as_str());
    }
}

#[test]
fn certificates_are_valid_for_ten_calendar_years() {
    for vector in vectors()["validity"].as_array().unwrap() {
        let (from, to) = (vector["fromSeconds"].as_i64().unwrap(), vector["toSeconds"].as_i64().unwrap());
        for millis in [0, 1, 999] {
            let request = GenerateRequest {
                id: "780e1d5b-ee3b-43b2-aec8-db99b99adc4e".parse().unwrap(),
                spec: KeySpec::Ed25519,
                issuer: "acme.com",
                now: Instant::from_epoch_millis(from * 1000 + millis),
            };
            let key = generate(&request, &mut CountingRandom::default()).unwrap();
            let information = certificate_information(&key.certificate.unwrap()).unwrap();
            assert_eq!(information.valid_from.epoch_millis(), from * 1000, "{}", vector["from"]);
            assert_eq!(information.valid_to.epoch_millis(), to * 1000, "{}", vector["to"]);
            assert_eq!(key.expiration_instant, Some(information.valid_to));
        }
    }
}
