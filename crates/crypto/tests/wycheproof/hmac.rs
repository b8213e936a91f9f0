//! HMAC with the three digests.

use claviger_crypto::{Signer, Verifier};
use claviger_domain::{KeyAlgorithm, SecretBytes};
use wycheproof_ng_symmetric::mac::{TestName, TestSet};

use crate::{Counts, complete, counted, expected, verify};

/// The set, its algorithm, and the length of a whole tag in bytes.
const RUN: [(TestName, KeyAlgorithm, usize, [usize; 5]); 3] = [
    (TestName::HmacSha256, KeyAlgorithm::Hs256, 32, [33, 54, 0, 0, 87]),
    (TestName::HmacSha384, KeyAlgorithm::Hs384, 48, [33, 54, 0, 0, 87]),
    (TestName::HmacSha512, KeyAlgorithm::Hs512, 64, [33, 54, 0, 0, 87]),
];

const SKIPPED: [(&str, &[TestName]); 2] = [
    (
        "HMAC with digests that JWS has not",
        &[
            TestName::HmacSha1,
            TestName::HmacSha224,
            TestName::HmacSha3_224,
            TestName::HmacSha3_256,
            TestName::HmacSha3_384,
            TestName::HmacSha3_512,
            TestName::HmacSha512_224,
            TestName::HmacSha512_256,
            TestName::HmacSm3,
        ],
    ),
    (
        "MACs other than HMAC",
        &[
            TestName::AesCmac,
            TestName::AriaCmac,
            TestName::CamelliaCmac,
            TestName::Kmac128,
            TestName::Kmac256,
            TestName::SipHash_1_3,
            TestName::SipHash_2_4,
            TestName::SipHash_4_8,
            TestName::SipHashx_2_4,
            TestName::SipHashx_4_8,
        ],
    ),
];

#[test]
fn every_set_is_run_or_skipped() {
    complete(TestName::all(), &RUN.map(|(name, ..)| name), &SKIPPED);
}

/// Truncated tags, which JWS has not, are refused and counted as left out.
#[test]
fn hmac() {
    for (name, algorithm, length, numbers) in RUN {
        let mut counts = Counts::default();
        for group in TestSet::load(name).unwrap().test_groups {
            for test in &group.tests {
                let secret = SecretBytes::from(test.key.to_vec());
                let verifier = Verifier::from_secret(algorithm, &secret).unwrap();
                let accepted = verify(&verifier, &test.msg, &test.tag);
                if group.tag_size == length * 8 {
                    counts.check(expected!(test), accepted, test);
                    let made = Signer::new(algorithm, &secret).unwrap().sign(&test.msg).unwrap();
                    assert_eq!(made == test.tag.as_ref(), accepted, "{test:?}");
                } else {
                    assert!(!accepted, "{test:?}");
                    counts.left_out += 1;
                }
            }
        }
        counted(&format!("{name:?}"), &counts, numbers);
    }
}
