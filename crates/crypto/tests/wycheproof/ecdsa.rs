//! ECDSA with the three curves, each with its own digest.

use claviger_crypto::Verifier;
use claviger_domain::KeyAlgorithm;
use openssl::ecdsa::EcdsaSig;
use wycheproof_ng_ecdsa::{TestName, TestSet};

use crate::{Counts, Expected, complete, counted, expected, verify};

/// Signatures as r and s in the width of the curve, as JWS has them (IEEE P1363).
const FIXED: [(TestName, KeyAlgorithm, [usize; 5]); 3] = [
    (TestName::EcdsaSecp256r1Sha256P1363, KeyAlgorithm::Es256, [173, 89, 0, 0, 0]),
    (TestName::EcdsaSecp384r1Sha384P1363, KeyAlgorithm::Es384, [193, 87, 0, 0, 0]),
    (TestName::EcdsaSecp521r1Sha512P1363, KeyAlgorithm::Es512, [231, 87, 0, 0, 0]),
];

/// Signatures in DER.
const DER: [(TestName, KeyAlgorithm, usize, [usize; 5]); 3] = [
    (TestName::EcdsaSecp256r1Sha256, KeyAlgorithm::Es256, 32, [174, 75, 0, 0, 235]),
    (TestName::EcdsaSecp384r1Sha384, KeyAlgorithm::Es384, 48, [194, 75, 0, 0, 235]),
    (TestName::EcdsaSecp521r1Sha512, KeyAlgorithm::Es512, 66, [232, 82, 0, 0, 228]),
];

const SKIPPED: [(&str, &[TestName]); 2] = [
    (
        "ES256, ES384 and ES512 have one digest each",
        &[
            TestName::EcdsaSecp256r1Sha3_256,
            TestName::EcdsaSecp256r1Sha3_512,
            TestName::EcdsaSecp256r1Sha512P1363,
            TestName::EcdsaSecp256r1Sha512,
            TestName::EcdsaSecp256r1Shake128P1363,
            TestName::EcdsaSecp256r1Shake128,
            TestName::EcdsaSecp384r1Sha256,
            TestName::EcdsaSecp384r1Sha3_384,
            TestName::EcdsaSecp384r1Sha3_512,
            TestName::EcdsaSecp384r1Sha512P1363,
            TestName::EcdsaSecp384r1Sha512,
            TestName::EcdsaSecp384r1Shake256P1363,
            TestName::EcdsaSecp384r1Shake256,
            TestName::EcdsaSecp521r1Sha3_512,
            TestName::EcdsaSecp521r1Shake256P1363,
            TestName::EcdsaSecp521r1Shake256,
        ],
    ),
    (
        "curves that no key may be on",
        &[
            TestName::EcdsaBrainpool224r1Sha224P1363,
            TestName::EcdsaBrainpool224r1Sha224,
            TestName::EcdsaBrainpool224r1Sha3_224,
            TestName::EcdsaBrainpool256r1Sha256P1363,
            TestName::EcdsaBrainpool256r1Sha256,
            TestName::EcdsaBrainpool256r1Sha3_256,
            TestName::EcdsaBrainpool320r1Sha3_384,
            TestName::EcdsaBrainpool320r1Sha384P1363,
            TestName::EcdsaBrainpool320r1Sha384,
            TestName::EcdsaBrainpool384r1Sha3_384,
            TestName::EcdsaBrainpool384r1Sha384P1363,
            TestName::EcdsaBrainpool384r1Sha384,
            TestName::EcdsaBrainpool512r1Sha3_512,
            TestName::EcdsaBrainpool512r1Sha512P1363,
            TestName::EcdsaBrainpool512r1Sha512,
            TestName::EcdsaSecp160k1Sha256P1363,
            TestName::EcdsaSecp160k1Sha256,
            TestName::EcdsaSecp160r1Sha256P1363,
            TestName::EcdsaSecp160r1Sha256,
            TestName::EcdsaSecp160r2Sha256P1363,
            TestName::EcdsaSecp160r2Sha256,
            TestName::EcdsaSecp192k1Sha256P1363,
            TestName::EcdsaSecp192k1Sha256,
            TestName::EcdsaSecp192r1Sha256P1363,
            TestName::EcdsaSecp192r1Sha256,
            TestName::EcdsaSecp224k1Sha224P1363,
            TestName::EcdsaSecp224k1Sha224,
            TestName::EcdsaSecp224k1Sha256P1363,
            TestName::EcdsaSecp224k1Sha256,
            TestName::EcdsaSecp224r1Sha224P1363,
            TestName::EcdsaSecp224r1Sha224,
            TestName::EcdsaSecp224r1Sha256P1363,
            TestName::EcdsaSecp224r1Sha256,
            TestName::EcdsaSecp224r1Sha3_224,
            TestName::EcdsaSecp224r1Sha3_256,
            TestName::EcdsaSecp224r1Sha3_512,
            TestName::EcdsaSecp224r1Sha512P1363,
            TestName::EcdsaSecp224r1Sha512,
            TestName::EcdsaSecp224r1Shake128P1363,
            TestName::EcdsaSecp224r1Shake128,
            TestName::EcdsaSecp256k1Sha256Bitcoin,
            TestName::EcdsaSecp256k1Sha256P1363,
            TestName::EcdsaSecp256k1Sha256,
            TestName::EcdsaSecp256k1Sha3_256,
            TestName::EcdsaSecp256k1Sha3_512,
            TestName::EcdsaSecp256k1Sha512P1363,
            TestName::EcdsaSecp256k1Sha512,
            TestName::EcdsaSecp256k1Shake128P1363,
            TestName::EcdsaSecp256k1Shake128,
            TestName::EcdsaSecp256k1Shake256P1363,
            TestName::EcdsaSecp256k1Shake256,
        ],
    ),
];

#[test]
fn every_set_is_run_or_skipped() {
    let run: Vec<_> =
        FIXED.iter().map(|(name, ..)| *name).chain(DER.iter().map(|(name, ..)| *name)).collect();
    complete(TestName::all(), &run, &SKIPPED);
}

#[test]
fn signatures_of_fixed_width() {
    for (name, algorithm, numbers) in FIXED {
        let mut counts = Counts::default();
        for group in TestSet::load(name).unwrap().test_groups {
            let verifier = Verifier::from_public_key(algorithm, &group.pem).unwrap();
            for test in &group.tests {
                counts.check(expected!(test), verify(&verifier, &test.msg, &test.sig), test);
            }
        }
        counted(&format!("{name:?}"), &counts, numbers);
    }
}

/// Each signature that is DER, and fits the width of the curve, has one of fixed width. The others have none (most of
/// them are faults of the encoding), and are left out; none of these is valid.
#[test]
fn signatures_in_der() {
    for (name, algorithm, width, numbers) in DER {
        let mut counts = Counts::default();
        for group in TestSet::load(name).unwrap().test_groups {
            let verifier = Verifier::from_public_key(algorithm, &group.pem).unwrap();
            for test in &group.tests {
                let expected = expected!(test);
                match fixed(&test.sig, width) {
                    Some(signature) => {
                        counts.check(expected, verify(&verifier, &test.msg, &signature), test);
                    }
                    None => {
                        assert!(!matches!(expected, Expected::Valid), "{test:?}");
                        counts.left_out += 1;
                    }
                }
                // DER is never the form of a JWS, though it may have its length by chance.
                if test.sig.len() != 2 * width {
                    assert!(!verify(&verifier, &test.msg, &test.sig), "{test:?}");
                }
            }
        }
        counted(&format!("{name:?}"), &counts, numbers);
    }
}

fn fixed(der: &[u8], width: usize) -> Option<Vec<u8>> {
    let signature = EcdsaSig::from_der(der).ok()?;
    if signature.to_der().unwrap() != der || signature.r().is_negative() || signature.s().is_negative() {
        return None;
    }
    let width = i32::try_from(width).unwrap();
    let (r, s) = (signature.r().to_vec_padded(width).ok()?, signature.s().to_vec_padded(width).ok()?);
    Some([r, s].concat())
}
