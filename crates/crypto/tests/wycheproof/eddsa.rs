//! Ed25519.

use claviger_crypto::Verifier;
use claviger_domain::KeyAlgorithm;
use wycheproof_ng_eddsa::{TestName, TestSet};

use crate::{Counts, complete, counted, expected, verify};

#[test]
fn every_set_is_run_or_skipped() {
    complete(TestName::all(), &[TestName::Ed25519], &[("no key may be of this curve", &[TestName::Ed448])]);
}

#[test]
fn ed25519() {
    let mut counts = Counts::default();
    for group in TestSet::load(TestName::Ed25519).unwrap().test_groups {
        let verifier = Verifier::from_public_key(KeyAlgorithm::Ed25519, &group.pem).unwrap();
        for test in &group.tests {
            counts.check(expected!(test), verify(&verifier, &test.msg, &test.sig), test);
        }
    }
    counted("Ed25519", &counts, [88, 63, 0, 0, 0]);
}
