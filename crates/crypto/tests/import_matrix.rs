//! Every kind of key in every container, sound and damaged: an import ends in problems or in a key that is right.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::allow_attributes,
    missing_docs,
    reason = "test code"
)]

mod import_support;

use claviger_crypto::{ImportFault, ImportField, MAXIMUM_PEM_LENGTH};
use import_support::{
    FIELDS, Fields, check_damaged, check_signatures, der, field, fixture, given, label, pem, same, sample,
    sound,
};
use openssl::pkey::PKey;
use proptest::prelude::*;

use crate::ImportFault::{
    Encrypted, Invalid, InvalidExponent, InvalidLength, SeveralBlocks, TooLong, UnsupportedAlgorithm,
    UnsupportedCurve, WrongContent,
};

/// What is refused, and why.
const REFUSED: &[(&str, &str, ImportFault)] = &[
    ("rsa-2048", "encrypted-pkcs8", Encrypted),
    ("rsa-2048", "encrypted-traditional", Encrypted),
    ("rsa-3072", "encrypted-pkcs8", Encrypted),
    ("rsa-3072", "encrypted-traditional", Encrypted),
    ("rsa-4096", "encrypted-pkcs8", Encrypted),
    ("rsa-4096", "encrypted-traditional", Encrypted),
    ("ec-p256", "encrypted-pkcs8", Encrypted),
    ("ec-p256", "encrypted-traditional", Encrypted),
    ("ec-p256", "spki-explicit", UnsupportedCurve),
    ("ec-p256", "pkcs8-explicit", UnsupportedCurve),
    ("ec-p256", "sec1-explicit", UnsupportedCurve),
    ("ec-p256", "certificate-explicit", UnsupportedCurve),
    ("ec-p384", "encrypted-pkcs8", Encrypted),
    ("ec-p384", "encrypted-traditional", Encrypted),
    ("ec-p384", "spki-explicit", UnsupportedCurve),
    ("ec-p384", "pkcs8-explicit", UnsupportedCurve),
    ("ec-p384", "sec1-explicit", UnsupportedCurve),
    ("ec-p384", "certificate-explicit", UnsupportedCurve),
    ("ec-p521", "encrypted-pkcs8", Encrypted),
    ("ec-p521", "encrypted-traditional", Encrypted),
    ("ec-p521", "spki-explicit", UnsupportedCurve),
    ("ec-p521", "pkcs8-explicit", UnsupportedCurve),
    ("ec-p521", "sec1-explicit", UnsupportedCurve),
    ("ec-p521", "certificate-explicit", UnsupportedCurve),
    ("ed25519", "encrypted-pkcs8", Encrypted),
    ("rsa-512", "spki", InvalidLength),
    ("rsa-512", "pkcs1-public", InvalidLength),
    ("rsa-512", "pkcs8", InvalidLength),
    ("rsa-512", "pkcs1-private", InvalidLength),
    ("rsa-512", "certificate-v1", InvalidLength),
    ("rsa-512", "certificate-v3", InvalidLength),
    ("rsa-512", "encrypted-pkcs8", Encrypted),
    ("rsa-512", "encrypted-traditional", Encrypted),
    ("rsa-1024", "pkcs8", InvalidLength),
    ("rsa-1024", "pkcs1-private", InvalidLength),
    ("rsa-1024", "encrypted-pkcs8", Encrypted),
    ("rsa-1024", "encrypted-traditional", Encrypted),
    ("rsa-1536", "spki", InvalidLength),
    ("rsa-1536", "pkcs1-public", InvalidLength),
    ("rsa-1536", "pkcs8", InvalidLength),
    ("rsa-1536", "pkcs1-private", InvalidLength),
    ("rsa-1536", "certificate-v1", InvalidLength),
    ("rsa-1536", "certificate-v3", InvalidLength),
    ("rsa-exponent-large", "pkcs8", InvalidExponent),
    ("rsa-three-primes", "pkcs8", Invalid),
    ("rsa-pss", "spki", UnsupportedAlgorithm),
    ("rsa-pss", "pkcs8", UnsupportedAlgorithm),
    ("rsa-pss", "encrypted-pkcs8", Encrypted),
    ("rsa-pss", "certificate-v1", UnsupportedAlgorithm),
    ("rsa-pss", "certificate-v3", UnsupportedAlgorithm),
    ("ec-secp256k1", "spki", UnsupportedCurve),
    ("ec-secp256k1", "spki-compressed", UnsupportedCurve),
    ("ec-secp256k1", "spki-explicit", UnsupportedCurve),
    ("ec-secp256k1", "pkcs8", UnsupportedCurve),
    ("ec-secp256k1", "pkcs8-explicit", UnsupportedCurve),
    ("ec-secp256k1", "sec1", UnsupportedCurve),
    ("ec-secp256k1", "sec1-parameters", UnsupportedCurve),
    ("ec-secp256k1", "sec1-no-public", UnsupportedCurve),
    ("ec-secp256k1", "sec1-explicit", UnsupportedCurve),
    ("ec-secp256k1", "encrypted-pkcs8", Encrypted),
    ("ec-secp256k1", "encrypted-traditional", Encrypted),
    ("ec-secp256k1", "certificate-v1", UnsupportedCurve),
    ("ec-secp256k1", "certificate-v3", UnsupportedCurve),
    ("ec-secp256k1", "certificate-explicit", UnsupportedCurve),
    ("ed448", "spki", UnsupportedAlgorithm),
    ("ed448", "pkcs8", UnsupportedAlgorithm),
    ("ed448", "encrypted-pkcs8", Encrypted),
    ("ed448", "certificate-v3", UnsupportedAlgorithm),
    ("x25519", "spki", UnsupportedAlgorithm),
    ("x25519", "pkcs8", UnsupportedAlgorithm),
    ("x25519", "encrypted-pkcs8", Encrypted),
    ("dsa", "spki", UnsupportedAlgorithm),
    ("dsa", "pkcs8", UnsupportedAlgorithm),
    ("dsa", "traditional", UnsupportedAlgorithm),
    ("dsa", "encrypted-pkcs8", Encrypted),
    ("dsa", "certificate-v3", UnsupportedAlgorithm),
];

#[test]
fn sound_keys_are_imported_from_every_container() {
    for (name, container, text) in sound() {
        let private = PKey::private_key_from_pkcs8(&der(&fixture(&format!("{name}.pkcs8")))).unwrap();
        let key = given(field(container), &*text).imported();
        check_signatures(&key, &private);
        assert_eq!(key.material.is_some(), field(container) == ImportField::PrivateKey, "{name} {container}");
        assert_eq!(
            key.public_key.as_deref(),
            Some(fixture(&format!("{name}.spki")).trim()),
            "{name} {container}"
        );
    }
    for container in ["spki", "pkcs1-public", "certificate-v1", "certificate-v3"] {
        let key = given(field(container), fixture(&format!("rsa-1024.{container}"))).imported();
        assert_eq!(key.length, Some(1024));
    }
    Fields::private_key(fixture("rsa-exponent-3.pkcs8")).imported();
}

#[test]
fn the_rest_is_refused_from_every_container() {
    for (name, container, fault) in REFUSED.iter().copied() {
        let field = field(container);
        let text = fixture(&format!("{name}.{container}"));
        assert_eq!(given(field, text).refused(), [(field, fault)], "{name} {container}");
    }
}

/// Every text in each field that is not its own.
#[test]
fn no_container_is_taken_for_another() {
    for (name, container, text) in sound() {
        for other in FIELDS {
            let expected = match (field(container), other) {
                (own, other) if own == other => continue,
                (ImportField::Certificate, ImportField::PublicKey) => {
                    same(&given(other, &*text).imported(), &Fields::certificate(&*text).imported());
                    continue;
                }
                // An EC PARAMETERS block comes first.
                _ if container == "sec1-parameters" => SeveralBlocks,
                _ => WrongContent,
            };
            assert_eq!(given(other, &*text).refused(), [(other, expected)], "{name} {container}");
        }
    }
}

/// White space of any kind, a byte order mark and text around the armour make no difference.
#[test]
fn the_shape_of_the_text_makes_no_difference() {
    for name in ["ec-p256", "ed25519", "rsa-2048"] {
        for container in ["spki", "pkcs8", "certificate-v1"] {
            let text = fixture(&format!("{name}.{container}"));
            let expected = given(field(container), &*text).imported();
            let one_line =
                pem(&label(&text), &der(&text)).replacen("-\n", "-#", 1).replace('\n', "").replace('#', "\n");
            for other in [
                text.replace('\n', "\r\n"),
                text.replace('\n', "\r"),
                text.replace('\n', " \n\t"),
                text.replace('\n', ""),
                one_line,
                format!("\u{feff}{text}"),
                format!("note: ü\n{text}note\0"),
                format!("{}{text}", "\n".repeat(1000)),
            ] {
                let key = given(field(container), &*other).imported();
                assert_eq!(key.public_key, expected.public_key);
                // Of a pair it is another one each time: ECDSA signs with random numbers.
                assert!(
                    key.material.is_some()
                        || (key.kid, key.certificate) == (expected.kid.clone(), expected.certificate.clone())
                );
            }
        }
    }
}

#[test]
fn damaged_armour_is_refused() {
    for container in ["spki", "pkcs8", "certificate-v1"] {
        let (field, text) = (field(container), fixture(&format!("ec-p256.{container}")));
        let text = text.trim();
        for length in 1..text.len() {
            // Without the end there are digits for bare base64 only if there is no dash.
            assert_eq!(given(field, &text[..length]).refused(), [(field, Invalid)], "{length}");
        }
        let nested = pem(&label(text), text.as_bytes());
        let middle = text.len() / 2;
        for bad in [
            nested,
            format!("{}\0{}", &text[..middle], &text[middle..]),
            format!("{}\u{a0}{}", &text[..middle], &text[middle..]),
            format!("{}\\n{}", &text[..middle], &text[middle..]),
            format!("{}={}", &text[..middle], &text[middle..]),
            format!("{}{text}{}", &text[..middle], &text[middle..]),
            text.replace("-----END", "----END"),
            text.replace("BEGIN ", "BEGIN  "),
            text.replace("BEGIN ", "BEGIN TRUSTED "),
            text.replacen("-----\n", "-----\nComment: none\n\n", 1),
            text.to_lowercase(),
            text.replace("-----BEGIN ", "-----BEGIN X509 ").replace("-----END ", "-----END X509 "),
            text.replace("-----BEGIN ", "-----BEGIN TRUSTED ").replace("-----END ", "-----END TRUSTED "),
            "-----BEGIN PRIVATE KEY-----\n-----END PRIVATE KEY-----".replace("PRIVATE KEY", &label(text)),
            "\0".repeat(1000),
            "A".repeat(1000),
            "-----".into(),
        ] {
            let problems = given(field, &*bad).refused();
            assert!(
                problems == [(field, Invalid)] || problems == [(field, WrongContent)],
                "{problems:?} {bad}"
            );
        }
        let encrypted = text.replacen(
            "-----\n",
            "-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00112233445566778899AABBCCDDEEFF\n\n",
            1,
        );
        assert_eq!(given(field, encrypted).refused(), [(field, Encrypted)]);
    }
}

/// A label that is that of another container of the same field.
#[test]
fn wrong_labels_are_refused() {
    let labels =
        ["PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY", "PUBLIC KEY", "RSA PUBLIC KEY", "CERTIFICATE"];
    for (name, container, text) in sound() {
        if name == "rsa-3072" || name == "rsa-4096" {
            continue;
        }
        let own = label(&text);
        for wrong in labels.into_iter().filter(|label| *label != own) {
            for field in FIELDS {
                let fault = match (field, wrong) {
                    (ImportField::Certificate, "CERTIFICATE")
                    | (ImportField::PublicKey, "PUBLIC KEY" | "RSA PUBLIC KEY" | "CERTIFICATE") => Invalid,
                    (ImportField::PrivateKey, wrong) if wrong.contains("PRIVATE") => Invalid,
                    _ => WrongContent,
                };
                let problems = given(field, pem(wrong, &der(&text))).refused();
                assert_eq!(problems, [(field, fault)], "{name} {container} as {wrong}");
            }
        }
    }
}

#[test]
fn long_texts_are_refused_unread() {
    for field in FIELDS {
        for text in [
            "A".repeat(1 << 20),
            "-----BEGIN X-----".repeat(1 << 16),
            format!("{}{}", fixture("ec-p256.certificate-v1"), " ".repeat(MAXIMUM_PEM_LENGTH)),
        ] {
            assert_eq!(given(field, text).refused(), [(field, TooLong)]);
        }
        // As long as may be, of one label or many.
        let label = if field == ImportField::Certificate { "CERTIFICATE" } else { "PRIVATE KEY" };
        let garbage = pem(label, &vec![0x30; 48_000]);
        assert!(garbage.len() < MAXIMUM_PEM_LENGTH);
        let fault = if field == ImportField::PublicKey { WrongContent } else { Invalid };
        assert_eq!(given(field, garbage).refused(), [(field, fault)]);
        let many = pem("X", b"").repeat(1000);
        assert!(many.len() < MAXIMUM_PEM_LENGTH);
        assert_eq!(given(field, many).refused(), [(field, SeveralBlocks)]);
    }
}

#[test]
fn truncated_and_prolonged_der_is_refused() {
    for (name, container, text) in sound() {
        let (field, label, whole) = (field(container), label(&text), der(&text));
        let step = if name.starts_with("rsa") { 13 } else { 1 };
        for length in (0..whole.len()).step_by(step) {
            assert!(!check_damaged(field, &label, &whole[..length]), "{name} {container} {length}");
        }
        for tail in [&[0][..], &[5, 0], &whole] {
            assert!(!check_damaged(field, &label, &[&whole, tail].concat()), "{name} {container}");
        }
    }
}

/// Each bit of each container of some small keys. Changed private keys must be refused: their halves no longer fit.
#[test]
fn flipped_bits_give_problems_or_sound_keys() {
    for (name, container, text) in sound() {
        let sampled = match name {
            "ec-p256" => ["spki", "spki-compressed", "pkcs8", "sec1"].contains(&container),
            "ed25519" => container != "certificate-v3",
            _ => false,
        };
        if !sampled {
            continue;
        }
        let (field, label, whole) = (field(container), label(&text), der(&text));
        let original = given(field, &*text).imported();
        for bit in 0..whole.len() * 8 {
            let mut changed = whole.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            let imported = check_damaged(field, &label, &changed);
            let pair = ["pkcs8", "sec1", "sec1-parameters"].contains(&container) && name == "ec-p256";
            if pair && imported {
                let key = given(field, pem(&label, &changed)).imported();
                assert_eq!(key.material.unwrap().expose(), original.material.as_ref().unwrap().expose());
            }
        }
    }
}

/// RSA private keys: in each of their numbers. No changed number may pass.
#[test]
fn flipped_bits_of_rsa_private_keys_are_refused() {
    for container in ["pkcs8", "pkcs1-private"] {
        let text = fixture(&format!("rsa-2048.{container}"));
        let (label, whole) = (label(&text), der(&text));
        for at in (0..whole.len()).step_by(if container == "pkcs8" { 17 } else { 41 }) {
            let mut changed = whole.clone();
            changed[at] ^= 1 << (at % 8);
            assert!(!check_damaged(ImportField::PrivateKey, &label, &changed), "{container} {at}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn changed_bytes_give_problems_or_sound_keys(
        (name, container) in sample(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..5),
    ) {
        let text = fixture(&format!("{name}.{container}"));
        let mut changed = der(&text);
        for (at, byte) in &changes {
            let at = at.index(changed.len());
            changed[at] = *byte;
        }
        check_damaged(field(container), &label(&text), &changed);
    }

    #[test]
    fn garbage_is_refused(bytes in prop::collection::vec(any::<u8>(), 0..500), text in ".{1,200}", which in 0_usize..3) {
        let labels = ["CERTIFICATE", "PUBLIC KEY", "PRIVATE KEY"];
        prop_assert!(!check_damaged(FIELDS[which], labels[which], &bytes));
        if !text.trim_ascii().is_empty() {
            prop_assert_eq!(given(FIELDS[which], text).refused(), [(FIELDS[which], Invalid)]);
        }
    }
}
