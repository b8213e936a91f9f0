//! DER that was made to deceive: numbers that are too large, lengths that lie, parts of different keys in one.
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
use import_support::{
    Fields, check, check_damaged, der, element, elements, field, fixture, label, pem, sample,
};
use openssl::bn::{BigNum, BigNumContext};
use openssl::ec::{EcGroup, PointConversionForm};
use openssl::nid::Nid;
use proptest::prelude::*;

use crate::ImportFault::{Invalid, InvalidExponent, InvalidLength, TooLong, UnsupportedAlgorithm};

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

/// The same DER with the element at `chosen` put in other words; lengths around it are made right.
fn rebuilt(der: &[u8], chosen: usize, replace: &dyn Fn(&[u8]) -> Vec<u8>) -> Vec<u8> {
    let mut places = Vec::new();
    elements(der, 0, &mut places);
    let (first, head) = places[0];
    if chosen == 0 {
        return replace(der);
    }
    let mut parts = Vec::new();
    let mut at = first + head;
    while at < der.len() {
        let next = places.iter().position(|(place, _)| *place == at).unwrap();
        let (_, head) = places[next];
        let length = match head {
            2 => usize::from(der[at + 1]),
            _ => der[at + 2..at + head].iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte)),
        };
        let part = &der[at..at + head + length];
        if (at..at + part.len()).contains(&chosen) {
            parts.push(rebuilt(part, chosen - at, replace));
        } else {
            parts.push(part.to_vec());
        }
        at += part.len();
    }
    element(der[0], &[&parts.concat()])
}

/// BER that means the same, anywhere: lengths that are not the shortest, numbers with zeros in front. Text that OpenSSL
/// reads, and for which there could be many thumbprints of one certificate.
#[test]
fn ber_is_refused() {
    for name in ["ec-p256", "rsa-2048"] {
        for container in ["spki", "pkcs8", "certificate-v1", "certificate-v3"] {
            let text = fixture(&format!("{name}.{container}"));
            let (label, whole) = (label(&text), der(&text));
            let mut places = Vec::new();
            elements(&whole, 0, &mut places);
            for (at, head) in places {
                let same = rebuilt(&whole, at, &|found| found.to_vec());
                assert_eq!(same, whole);
                let longer = rebuilt(&whole, at, &|found| match head {
                    2 => [&[found[0], 0x81], &found[1..]].concat(),
                    _ => {
                        let digits = u8::try_from(head - 1).unwrap();
                        [&[found[0], 0x80 + digits, 0], &found[2..]].concat()
                    }
                });
                assert!(!check_damaged(field(container), &label, &longer), "{name} {container} {at}");
                if whole[at] == 2 {
                    let padded = rebuilt(&whole, at, &|found| element(2, &[&[0], &found[head..]]));
                    assert!(!check_damaged(field(container), &label, &padded), "{name} {container} {at}");
                }
            }
        }
    }
}

/// One element more than there should be, within the sequences of a key.
#[test]
fn additional_elements_are_refused() {
    let null = &[5, 0][..];
    for (name, container) in [
        ("rsa-2048", "spki"),
        ("rsa-2048", "pkcs1-public"),
        ("rsa-2048", "pkcs8"),
        ("rsa-2048", "pkcs1-private"),
        ("ec-p256", "spki"),
        ("ec-p256", "pkcs8"),
        ("ec-p256", "sec1"),
        ("ed25519", "spki"),
        ("ed25519", "pkcs8"),
        ("ed25519", "certificate-v1"),
    ] {
        let text = fixture(&format!("{name}.{container}"));
        let (label, whole) = (label(&text), der(&text));
        let mut places = Vec::new();
        elements(&whole, 0, &mut places);
        for (at, head) in places.into_iter().filter(|(at, _)| whole[*at] == 0x30).take(2) {
            let more = rebuilt(&whole, at, &|found| element(0x30, &[&found[head..], null]));
            // The second sequence of a certificate is what is signed: OpenSSL refuses that.
            assert!(!check_damaged(field(container), &label, &more), "{name} {container} {at}");
        }
    }
}

#[test]
fn certificates_have_version_1_to_3() {
    let whole = der(&fixture("ec-p256.certificate-v3"));
    let at = whole.windows(5).position(|window| window == [0xa0, 3, 2, 1, 2]).unwrap() + 4;
    for (version, expected) in [(0, true), (1, true), (2, true), (3, false), (4, false), (0xff, false)] {
        let mut changed = whole.clone();
        changed[at] = version;
        assert_eq!(check_damaged(ImportField::Certificate, "CERTIFICATE", &changed), expected, "{version}");
    }
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

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

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
}
