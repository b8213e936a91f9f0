//! Damaged and hostile input to whatever reads certificates and public keys: errors, and never a panic or a question
//! on the terminal.
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

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use claviger_crypto::{CryptoError, MAXIMUM_PEM_LENGTH, certificate_information, public_jwk};
use claviger_domain::Key;
use proptest::prelude::*;
use support::{key, vectors};

fn keys() -> Vec<Key> {
    vectors()["keys"].as_array().unwrap().iter().map(key).collect()
}

/// The DER of a PEM text.
fn der(pem: &str) -> Vec<u8> {
    STANDARD.decode(pem.lines().filter(|line| !line.starts_with('-')).collect::<String>()).unwrap()
}

fn pem(label: &str, der: &[u8]) -> String {
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----", STANDARD.encode(der))
}

#[test]
fn every_truncation_is_refused() {
    for key in keys() {
        let certificate = der(key.certificate.as_ref().unwrap());
        for length in 0..certificate.len() {
            assert_eq!(
                certificate_information(&pem("CERTIFICATE", &certificate[..length])),
                Err(CryptoError::Malformed)
            );
        }
        let public_key = der(key.public_key.as_ref().unwrap());
        for length in 0..public_key.len() {
            let cut = Key { public_key: Some(pem("PUBLIC KEY", &public_key[..length])), ..key.clone() };
            assert_eq!(public_jwk(&cut), Err(CryptoError::Malformed));
        }
        let text = key.certificate.as_ref().unwrap();
        for length in 0..text.len() {
            assert_eq!(certificate_information(&text[..length]), Err(CryptoError::Malformed));
        }
    }
}

#[test]
fn additions_are_refused() {
    for key in keys() {
        let mut certificate = der(key.certificate.as_ref().unwrap());
        certificate.push(0);
        let certificate = pem("CERTIFICATE", &certificate);
        assert_eq!(certificate_information(&certificate), Err(CryptoError::Malformed));
        let more = Key { certificate: Some(certificate), ..key.clone() };
        assert_eq!(public_jwk(&more), Err(CryptoError::Malformed));
        let mut public_key = der(key.public_key.as_ref().unwrap());
        public_key.push(0);
        let more = Key { public_key: Some(pem("PUBLIC KEY", &public_key)), ..key };
        assert_eq!(public_jwk(&more), Err(CryptoError::Malformed));
    }
}

/// OpenSSL writes these bytes again as it has read them, so that comparing with what it writes does not show it.
#[test]
fn ber_within_what_is_signed_is_refused() {
    for key in keys() {
        let certificate = der(key.certificate.as_ref().unwrap());
        // SEQUENCE { SEQUENCE { …, both with two digits of length or the inner one with one.
        let (outer, inner) = match certificate[..] {
            [0x30, 0x82, _, _, 0x30, 0x82, high, low, ..] => (4, [high, low]),
            [0x30, 0x82, _, _, 0x30, 0x81, low, ..] => (4, [0, low]),
            [0x30, 0x81, _, 0x30, 0x81, low, ..] => (3, [0, low]),
            _ => panic!("another size of certificate"),
        };
        let content = outer + 2 + usize::from(certificate[outer + 1] & 0x7f);
        let lengthened = [&[0x30, 0x84, 0, 0, inner[0], inner[1]], &certificate[content..]].concat();
        let length = u16::try_from(lengthened.len()).unwrap().to_be_bytes();
        let head =
            if length[0] == 0 { vec![0x30, 0x81, length[1]] } else { [&[0x30, 0x82], &length[..]].concat() };
        let ber = pem("CERTIFICATE", &[head, lengthened].concat());
        assert_eq!(certificate_information(&ber), Err(CryptoError::Malformed));
        let with_ber = Key { certificate: Some(ber), ..key };
        assert_eq!(public_jwk(&with_ber), Err(CryptoError::Malformed));
    }
}

#[test]
fn huge_input_is_refused_before_it_is_parsed() {
    let key = keys().remove(0);
    let huge = pem("CERTIFICATE", &vec![0x30; 8 * 1024 * 1024]);
    assert_eq!(certificate_information(&huge), Err(CryptoError::Malformed));
    // Right but for its size.
    let padded = format!("{}{}", key.certificate.as_ref().unwrap(), "\n".repeat(MAXIMUM_PEM_LENGTH));
    assert_eq!(certificate_information(&padded), Err(CryptoError::Malformed));
    let padded = format!("{}{}", key.public_key.as_ref().unwrap(), "\n".repeat(MAXIMUM_PEM_LENGTH));
    assert_eq!(public_jwk(&Key { public_key: Some(padded), ..key }), Err(CryptoError::Malformed));
}

#[test]
fn text_that_claims_to_be_encrypted_is_refused() {
    let key = keys().remove(0);
    let encrypt = |text: &str| {
        text.replacen(
            "-----\n",
            "-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00112233445566778899AABBCCDDEEFF\n\n",
            1,
        )
    };
    assert_eq!(
        certificate_information(&encrypt(key.certificate.as_ref().unwrap())),
        Err(CryptoError::Malformed)
    );
    let encrypted = encrypt(key.public_key.as_ref().unwrap());
    assert_eq!(public_jwk(&Key { public_key: Some(encrypted), ..key }), Err(CryptoError::Malformed));
}

/// A point that is not on the curve, and RSA and Ed25519 keys of odd sizes.
#[test]
fn keys_outside_their_group_are_refused() {
    let ec = keys().remove(1);
    let mut public_key = der(ec.public_key.as_ref().unwrap());
    *public_key.last_mut().unwrap() ^= 1;
    let off_curve = Key { public_key: Some(pem("PUBLIC KEY", &public_key)), certificate: None, ..ec };
    assert_eq!(public_jwk(&off_curve), Err(CryptoError::Malformed));
    let ed25519 = keys().remove(2);
    let mut public_key = der(ed25519.public_key.as_ref().unwrap());
    public_key.pop();
    for place in [1, 10] {
        public_key[place] -= 1;
    }
    let short = Key { public_key: Some(pem("PUBLIC KEY", &public_key)), certificate: None, ..ed25519 };
    assert_eq!(public_jwk(&short), Err(CryptoError::Malformed));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    /// Some changes leave a certificate that can be read: the signature is not checked. None may panic.
    #[test]
    fn changed_bytes_never_panic(
        which in 0_usize..3,
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
    ) {
        let key = keys().remove(which);
        let change = |mut der: Vec<u8>| {
            for (place, byte) in &changes {
                let place = place.index(der.len());
                der[place] = *byte;
            }
            der
        };
        let certificate = pem("CERTIFICATE", &change(der(key.certificate.as_ref().unwrap())));
        let public_key = pem("PUBLIC KEY", &change(der(key.public_key.as_ref().unwrap())));
        let before = certificate_information(key.certificate.as_ref().unwrap()).unwrap();
        if let Ok(after) = certificate_information(&certificate)
            && certificate != pem("CERTIFICATE", &der(key.certificate.as_ref().unwrap()))
        {
            prop_assert_ne!(after.sha256_fingerprint, before.sha256_fingerprint);
        }
        let same_key = public_key == pem("PUBLIC KEY", &der(key.public_key.as_ref().unwrap()));
        let changed = Key { public_key: Some(public_key), ..key.clone() };
        // The certificate is of the unchanged key, so a changed one that can be read does not belong to it.
        prop_assert_eq!(public_jwk(&changed).is_ok(), same_key);
        let _ = public_jwk(&Key { certificate: None, ..changed });
        let _ = public_jwk(&Key { certificate: Some(certificate), ..key });
    }

    #[test]
    fn garbage_is_refused(bytes in prop::collection::vec(any::<u8>(), 0..2000), text in ".{0,200}") {
        let key = keys().remove(0);
        for certificate in [pem("CERTIFICATE", &bytes), text.clone()] {
            prop_assert_eq!(certificate_information(&certificate), Err(CryptoError::Malformed));
            let bad = Key { certificate: Some(certificate), ..key.clone() };
            prop_assert_eq!(public_jwk(&bad), Err(CryptoError::Malformed));
        }
        for public_key in [pem("PUBLIC KEY", &bytes), text] {
            let bad = Key { public_key: Some(public_key), ..key.clone() };
            prop_assert_eq!(public_jwk(&bad), Err(CryptoError::Malformed));
        }
    }
}
