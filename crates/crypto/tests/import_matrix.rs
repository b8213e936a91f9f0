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

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use claviger_crypto::{ImportFault, ImportField, ImportRefusal, MAXIMUM_PEM_LENGTH};
use import_support::{Fields, check, check_signatures, der, fixture, label, pem, same};
use openssl::bn::{BigNum, BigNumContext};
use openssl::ec::{EcGroup, PointConversionForm};
use openssl::nid::Nid;
use openssl::pkey::PKey;
use proptest::prelude::*;

use crate::ImportFault::{
    Encrypted, Invalid, InvalidExponent, InvalidLength, SeveralBlocks, TooLong, UnsupportedAlgorithm,
    UnsupportedCurve, WrongContent,
};

/// The field that a container belongs in.
fn field(container: &str) -> ImportField {
    if container.starts_with("certificate") {
        ImportField::Certificate
    } else if container.starts_with("spki") || container.starts_with("pkcs1-public") {
        ImportField::PublicKey
    } else {
        ImportField::PrivateKey
    }
}

fn given(field: ImportField, text: impl Into<String>) -> Fields {
    match field {
        ImportField::Certificate => Fields::certificate(text),
        ImportField::PublicKey => Fields::public_key(text),
        ImportField::PrivateKey => Fields::private_key(text),
        field => panic!("{field:?}"),
    }
}

const FIELDS: [ImportField; 3] = [ImportField::Certificate, ImportField::PublicKey, ImportField::PrivateKey];

/// Keys that are imported from each of their containers.
const SOUND: [(&str, &[&str]); 7] = [
    ("rsa-2048", RSA),
    ("rsa-3072", RSA),
    ("rsa-4096", RSA),
    ("ec-p256", EC),
    ("ec-p384", EC),
    ("ec-p521", EC),
    ("ed25519", &["spki", "pkcs8", "certificate-v1", "certificate-v3"]),
];
const RSA: &[&str] = &["spki", "pkcs1-public", "pkcs8", "pkcs1-private", "certificate-v1", "certificate-v3"];
const EC: &[&str] = &[
    "spki",
    "spki-compressed",
    "pkcs8",
    "sec1",
    "sec1-parameters",
    "sec1-no-public",
    "certificate-v1",
    "certificate-v3",
];

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

fn sound() -> impl Iterator<Item = (&'static str, &'static str, String)> {
    let all = SOUND
        .into_iter()
        .flat_map(|(name, containers)| containers.iter().map(move |container| (name, *container)));
    all.map(|(name, container)| (name, container, fixture(&format!("{name}.{container}"))))
}

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

/// A certificate may fit as bare base64 and no longer with line breaks and armour, in which it would be stored.
#[test]
fn certificates_must_fit_with_their_armour() {
    let certificate = der(&fixture("ed25519.certificate-v1"));
    let mut places = Vec::new();
    elements(&certificate, 0, &mut places);
    let (signature, _) = *places.last().unwrap();
    let inner = &certificate[places[1].0..signature];
    // Nothing checks the signature, so it may be of any length.
    let with_signature = |length| element(0x30, &[inner, &element(3, &[&vec![0; length]])]);
    let large = with_signature(48_700);
    let bare = STANDARD.encode(&large);
    assert!(bare.len() <= MAXIMUM_PEM_LENGTH && pem("CERTIFICATE", &large).len() > MAXIMUM_PEM_LENGTH);
    assert_eq!(Fields::certificate(bare).refused(), [(ImportField::Certificate, TooLong)]);
    Fields::certificate(STANDARD.encode(with_signature(48_000))).imported();
}

/// Either problems or a key of which everything holds; whether it was imported.
#[track_caller]
fn check_damaged(field: ImportField, label: &str, der: &[u8]) -> bool {
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
            "ed25519" => true,
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

/// Where the elements of some DER begin, and the lengths of their heads.
fn elements(der: &[u8], from: usize, found: &mut Vec<(usize, usize)>) {
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

/// Each length field in a form that is huge, indefinite, too short, too long or not the shortest.
#[test]
fn lengths_that_lie_are_refused() {
    for name in ["rsa-2048", "ec-p256", "ed25519"] {
        for container in ["spki", "pkcs8", "certificate-v3"] {
            let text = fixture(&format!("{name}.{container}"));
            let (label, whole) = (label(&text), der(&text));
            let mut places = Vec::new();
            elements(&whole, 0, &mut places);
            assert!(places.len() > 3);
            for (at, head) in places {
                let length = &whole[at + 1..at + head];
                let mut plus_one = length.to_vec();
                let last = plus_one.len() - 1;
                plus_one[last] = plus_one[last].wrapping_add(1);
                let mut minus_one = length.to_vec();
                minus_one[last] = minus_one[last].wrapping_sub(1);
                let longer = match length {
                    [short] => vec![0x81, *short],
                    [_, digits @ ..] => [&[0x81 + u8::try_from(digits.len()).unwrap(), 0], digits].concat(),
                    [] => panic!("no length"),
                };
                for lie in [
                    vec![0x80],
                    vec![0xff],
                    vec![0x84, 0xff, 0xff, 0xff, 0xff],
                    vec![0x84, 0x7f, 0xff, 0xff, 0xff],
                    vec![0x88, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
                    vec![0x83, 0xff, 0xff, 0xff],
                    plus_one,
                    minus_one,
                    longer,
                ] {
                    let changed = [&whole[..=at], &lie, &whole[at + head..]].concat();
                    assert!(
                        !check_damaged(field(container), &label, &changed),
                        "{name} {container} at {at}: {lie:02x?}"
                    );
                }
            }
        }
    }
}

/// One element with its head.
fn element(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
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

const RSA_IDENTIFIER: &[u8] = &[0x30, 13, 6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 1, 5, 0];

/// An odd number of this many bits as an INTEGER.
fn number(bits: usize) -> Vec<u8> {
    let mut bytes = vec![0x5b; bits.div_ceil(8)];
    let top = (bits - 1) % 8;
    bytes[0] = 1 << top | bytes[0] & ((1 << top) - 1);
    *bytes.last_mut().unwrap() |= 1;
    if top == 7 {
        bytes.insert(0, 0);
    }
    element(2, &[&bytes])
}

#[test]
fn rsa_numbers_are_bounded() {
    let import = |modulus: &[u8], exponent: &[u8]| {
        let key = element(0x30, &[modulus, exponent]);
        let spki = element(0x30, &[RSA_IDENTIFIER, &element(3, &[&[0], &key])]);
        let results = [pem("RSA PUBLIC KEY", &key), pem("PUBLIC KEY", &spki)].map(|text| {
            match Fields::public_key(text).import() {
                Ok(key) => {
                    check(&key);
                    None
                }
                Err(ImportRefusal::Problems(problems)) => Some(problems[0].fault),
                Err(failed) => panic!("{failed}"),
            }
        });
        assert_eq!(results[0], results[1]);
        results[0]
    };
    let (modulus, exponent) = (number(2048), vec![2, 1, 3]);
    assert_eq!(import(&modulus, &exponent), None);
    for bits in [1024, 3072, 4096] {
        assert_eq!(import(&number(bits), &exponent), None);
    }
    for bits in [1, 8, 512, 1023, 1025, 1536, 2047, 2049, 4095, 4097, 8192, 16384, 300_000] {
        assert_eq!(import(&number(bits), &exponent), Some(InvalidLength), "{bits}");
    }
    for exponent in
        [&[3][..], &[5], &[1, 0, 1], &[0, 0xff], &[0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]]
    {
        assert_eq!(import(&modulus, &element(2, &[exponent])), None, "{exponent:?}");
    }
    for exponent in [
        &[0][..],
        &[1],
        &[2],
        &[4],
        &[0xff],
        &[0x80],
        &[1, 0, 0, 0, 0, 0, 0, 0, 0],
        &[1, 0, 0, 0, 0, 0, 0, 0, 1],
    ] {
        assert_eq!(import(&modulus, &element(2, &[exponent])), Some(InvalidExponent), "{exponent:?}");
    }
    assert_eq!(import(&modulus, &number(2047)), Some(InvalidExponent));
    assert_eq!(import(&modulus, &[2, 2, 0, 3]), Some(Invalid));
    let mut even = modulus.clone();
    *even.last_mut().unwrap() -= 1;
    assert_eq!(import(&even, &exponent), Some(Invalid));
    let mut negative = modulus;
    negative.remove(4);
    negative[3] -= 1;
    assert_eq!(import(&negative, &exponent), Some(Invalid));
}

/// Huge numbers of kinds that OpenSSL calculates with while it reads, were they to get there: 40000 bytes take minutes.
#[test]
fn huge_numbers_are_refused_at_once() {
    let huge = number(300_000);
    let dsa = [
        &[6, 7, 0x2a, 0x86, 0x48, 0xce, 0x38, 4, 1][..],
        &element(0x30, &[&number(70_000), &number(70_000), &number(70_000)]),
    ]
    .concat();
    let dh = [
        &[6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 3, 1][..],
        &element(0x30, &[&number(100_000), &number(100_000)]),
    ]
    .concat();
    for identifier in [dsa, dh] {
        let identifier = element(0x30, &[&identifier]);
        let private = element(0x30, &[&[2, 1, 0], &identifier, &element(4, &[&number(100_000)])]);
        assert_eq!(
            Fields::private_key(pem("PRIVATE KEY", &private)).refused(),
            [(ImportField::PrivateKey, UnsupportedAlgorithm)]
        );
        let public = element(0x30, &[&identifier, &element(3, &[&[0], &number(100_000)])]);
        assert_eq!(
            Fields::public_key(pem("PUBLIC KEY", &public)).refused(),
            [(ImportField::PublicKey, UnsupportedAlgorithm)]
        );
    }
    // An RSA key of a fair size whose parts are not.
    let (n, e, half) = (number(4096), vec![2, 3, 1, 0, 1], number(2048));
    let good = [&n, &e, &n, &half, &half, &half, &half, &half];
    for place in 0..8 {
        let mut numbers = good.map(Vec::as_slice);
        numbers[place] = &huge;
        let key = element(0x30, &[&[2, 1, 0][..], &numbers.concat()]);
        let expected = match place {
            0 => InvalidLength,
            1 => InvalidExponent,
            _ => Invalid,
        };
        for text in [
            pem("RSA PRIVATE KEY", &key),
            pem("PRIVATE KEY", &element(0x30, &[&[2, 1, 0], RSA_IDENTIFIER, &element(4, &[&key])])),
        ] {
            assert_eq!(Fields::private_key(text).refused(), [(ImportField::PrivateKey, expected)], "{place}");
        }
    }
}

/// Private keys whose parts are those of two keys of one kind.
#[test]
fn mixed_private_keys_are_refused() {
    let mixed = |one: &str, other: &str, from: usize, count: usize| {
        let (mut one, other) = (der(&fixture(one)), der(&fixture(other)));
        let at = one.len() - from;
        let other_at = other.len() - from;
        one[at..at + count].copy_from_slice(&other[other_at..other_at + count]);
        one
    };
    // The point at the end of an EC key: that of its own key with one bit changed, or with the other sign.
    for (name, size) in [("ec-p256", 32), ("ec-p384", 48), ("ec-p521", 66)] {
        let text = fixture(&format!("{name}.sec1"));
        let whole = der(&text);
        let mut compressed_sign = whole.clone();
        *compressed_sign.last_mut().unwrap() ^= 1;
        // The generator, which is on the curve and belongs to the scalar 1.
        let nid = match size {
            32 => Nid::X9_62_PRIME256V1,
            48 => Nid::SECP384R1,
            _ => Nid::SECP521R1,
        };
        let group = EcGroup::from_curve_name(nid).unwrap();
        let mut context = BigNumContext::new().unwrap();
        let form = PointConversionForm::UNCOMPRESSED;
        let generator = group.generator_opt().unwrap().to_bytes(&group, form, &mut context).unwrap();
        let mut other_point = whole.clone();
        let at = whole.len() - generator.len();
        other_point[at..].copy_from_slice(&generator);
        for changed in [compressed_sign, other_point] {
            let given = Fields::private_key(pem("EC PRIVATE KEY", &changed));
            assert_eq!(given.refused(), [(ImportField::PrivateKey, Invalid)], "{name}");
        }
        // Scalars out of range, with the point left out: zero, the order, and far more.
        let mut order = BigNum::new().unwrap();
        group.order(&mut order, &mut context).unwrap();
        let curve = &fixture(&format!("{name}.sec1-no-public"));
        let parameters = {
            let whole = der(curve);
            let mut places = Vec::new();
            elements(&whole, 0, &mut places);
            whole[places[3].0..].to_vec()
        };
        for (scalar, good) in [
            (vec![0; size], false),
            (order.to_vec(), false),
            (vec![0xff; size], false),
            (vec![0xff; 10_000], false),
            (Vec::new(), false),
            (vec![1], true),
        ] {
            let key = element(0x30, &[&[2, 1, 1], &element(4, &[&scalar]), &parameters]);
            let given = Fields::private_key(pem("EC PRIVATE KEY", &key));
            if good {
                given.imported();
            } else {
                assert_eq!(given.refused(), [(ImportField::PrivateKey, Invalid)], "{name} {scalar:02x?}");
            }
        }
    }
    // The last number of an RSA key, from another key.
    for count in [20, 128] {
        let changed = mixed("rsa-2048.pkcs8", "rsa-2048-other.pkcs8", 128, count);
        let given = Fields::private_key(pem("PRIVATE KEY", &changed));
        assert_eq!(given.refused(), [(ImportField::PrivateKey, Invalid)]);
    }
    // The curve outside and the curve inside PKCS#8.
    let inner = der(&fixture("ec-p256.sec1"));
    let p384 = [0x30, 16, 6, 7, 0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1, 6, 5, 0x2b, 0x81, 4, 0, 0x22];
    let wrong_curve = element(0x30, &[&[2, 1, 0], &p384, &element(4, &[&inner])]);
    let given = Fields::private_key(pem("PRIVATE KEY", &wrong_curve));
    assert_eq!(given.refused(), [(ImportField::PrivateKey, Invalid)]);
    // The point at infinity.
    let p256 =
        [0x30, 19, 6, 7, 0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1, 6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7];
    let infinity = element(0x30, &[&p256, &element(3, &[&[0, 0]])]);
    let given = Fields::public_key(pem("PUBLIC KEY", &infinity));
    assert_eq!(given.refused(), [(ImportField::PublicKey, Invalid)]);
}

/// The containers of small keys, with the parts of which the changes below make something else.
fn sample() -> impl Strategy<Value = (&'static str, &'static str)> {
    let all: Vec<_> = SOUND
        .into_iter()
        .filter(|(name, _)| !name.starts_with("rsa-3") && !name.starts_with("rsa-4"))
        .flat_map(|(name, containers)| containers.iter().map(move |container| (name, *container)))
        .collect();
    prop::sample::select(all)
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

    /// Elements removed, doubled, swapped with others or with other tags and content, under lengths that are made right
    /// again on the outside.
    #[test]
    fn changed_structure_gives_problems_or_sound_keys(
        (name, container) in sample(),
        place in any::<prop::sample::Index>(),
        other in any::<prop::sample::Index>(),
        change in 0_u8..6,
        byte in any::<u8>(),
    ) {
        let text = fixture(&format!("{name}.{container}"));
        let whole = der(&text);
        let mut places = Vec::new();
        elements(&whole, 0, &mut places);
        let extent = |(at, head): (usize, usize)| {
            let length = whole[at + 1..at + head].iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte));
            let length = if head == 2 { length } else { length & ((1 << (8 * (head - 2))) - 1) };
            at..at + head + length
        };
        let chosen = places[place.index(places.len())];
        let taken = extent(chosen);
        let replacement = match change {
            0 => Vec::new(),
            1 => whole[taken.clone()].repeat(2),
            2 => whole[extent(places[other.index(places.len())])].to_vec(),
            3 => [&[byte], &whole[taken.start + 1..taken.end]].concat(),
            4 => element(whole[taken.start], &[&vec![byte; other.index(2000)]]),
            _ => element(whole[taken.start], &[]),
        };
        // Lengths around the element are made right from the inside out.
        let mut changed = whole.clone();
        changed.splice(taken.clone(), replacement.iter().copied());
        let mut difference = i64::try_from(replacement.len()).unwrap() - i64::try_from(taken.len()).unwrap();
        let mut around: Vec<_> = places
            .iter()
            .copied()
            .filter(|place| {
                let extent = extent(*place);
                extent.start < taken.start && extent.end >= taken.end && whole[place.0] & 0x20 != 0
            })
            .collect();
        around.sort_unstable();
        for (at, head) in around.into_iter().rev() {
            let length = i64::try_from(extent((at, head)).len() - head).unwrap() + difference;
            let rebuilt = element(whole[at], &[&vec![0; usize::try_from(length).unwrap()]]);
            let new_head = rebuilt.len() - usize::try_from(length).unwrap();
            changed.splice(at..at + head, rebuilt[..new_head].iter().copied());
            difference += i64::try_from(new_head).unwrap() - i64::try_from(head).unwrap();
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
