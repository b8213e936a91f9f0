//! RSA PKCS#1 v1.5 with the three digests.

use claviger_crypto::{CryptoError, Signer, Verifier};
use claviger_domain::{KeyAlgorithm, SecretBytes};
use wycheproof_ng_rsa_signature::{rsa_pkcs1_sig_gen as generate, rsa_pkcs1_verify as check};

use crate::{Counts, Expected, complete, counted, expected, verify};

const VERIFY: [(check::TestName, KeyAlgorithm, [usize; 5]); 12] = [
    (check::TestName::Rsa2048Sha256, KeyAlgorithm::Rs256, [9, 249, 0, 1, 0]),
    (check::TestName::Rsa2048Sha384, KeyAlgorithm::Rs384, [7, 250, 0, 1, 0]),
    (check::TestName::Rsa2048Sha512, KeyAlgorithm::Rs512, [8, 250, 0, 1, 0]),
    (check::TestName::Rsa3072Sha256, KeyAlgorithm::Rs256, [8, 250, 0, 1, 0]),
    (check::TestName::Rsa3072Sha384, KeyAlgorithm::Rs384, [7, 251, 0, 1, 0]),
    (check::TestName::Rsa3072Sha512, KeyAlgorithm::Rs512, [8, 251, 0, 1, 0]),
    (check::TestName::Rsa4096Sha256, KeyAlgorithm::Rs256, [7, 250, 0, 1, 0]),
    (check::TestName::Rsa4096Sha384, KeyAlgorithm::Rs384, [7, 251, 0, 1, 0]),
    (check::TestName::Rsa4096Sha512, KeyAlgorithm::Rs512, [7, 251, 0, 1, 0]),
    (check::TestName::Rsa8192Sha256, KeyAlgorithm::Rs256, [7, 250, 0, 1, 0]),
    (check::TestName::Rsa8192Sha384, KeyAlgorithm::Rs384, [7, 251, 0, 1, 0]),
    (check::TestName::Rsa8192Sha512, KeyAlgorithm::Rs512, [7, 251, 0, 1, 0]),
];

const VERIFY_SKIPPED: [(&str, &[check::TestName]); 1] = [(
    "digests that RS256, RS384 and RS512 have not",
    &[
        check::TestName::Rsa2048Sha224,
        check::TestName::Rsa2048Sha3_224,
        check::TestName::Rsa2048Sha3_256,
        check::TestName::Rsa2048Sha3_384,
        check::TestName::Rsa2048Sha3_512,
        check::TestName::Rsa2048Sha512_224,
        check::TestName::Rsa2048Sha512_256,
        check::TestName::Rsa3072Sha3_256,
        check::TestName::Rsa3072Sha3_384,
        check::TestName::Rsa3072Sha3_512,
        check::TestName::Rsa3072Sha512_256,
        check::TestName::Rsa4096Sha512_256,
    ],
)];

/// The set, and whether its keys are long enough to sign.
const GENERATE: [(generate::TestName, bool, [usize; 5]); 5] = [
    (generate::TestName::RsaSigGen1024, false, [0, 0, 17, 0, 16]),
    (generate::TestName::RsaSigGen1536, false, [0, 0, 24, 0, 8]),
    (generate::TestName::RsaSigGen2048, true, [24, 0, 3, 0, 16]),
    (generate::TestName::RsaSigGen3072, true, [24, 0, 2, 0, 0]),
    (generate::TestName::RsaSigGen4096, true, [24, 0, 0, 0, 0]),
];

#[test]
fn every_set_is_run_or_skipped() {
    complete(check::TestName::all(), &VERIFY.map(|(name, ..)| name), &VERIFY_SKIPPED);
    complete(generate::TestName::all(), &GENERATE.map(|(name, ..)| name), &[]);
}

#[test]
fn verifying() {
    for (name, algorithm, numbers) in VERIFY {
        let mut counts = Counts::default();
        for group in check::TestSet::load(name).unwrap().test_groups {
            let verifier = Verifier::from_public_key(algorithm, &group.pem).unwrap();
            for test in &group.tests {
                counts.check(expected!(test), verify(&verifier, &test.msg, &test.sig), test);
            }
        }
        counted(&format!("{name:?}"), &counts, numbers);
    }
}

/// The scheme has one signature for each input, so that ours must be the same. Groups with other digests are left out.
/// Those with short keys are called acceptable, for their length alone; they must verify here.
#[test]
fn signing() {
    for (name, signs, numbers) in GENERATE {
        let mut counts = Counts::default();
        for group in generate::TestSet::load(name).unwrap().test_groups {
            let algorithm = match format!("{:?}", group.hash).as_str() {
                "Sha2_256" => KeyAlgorithm::Rs256,
                "Sha2_384" => KeyAlgorithm::Rs384,
                "Sha2_512" => KeyAlgorithm::Rs512,
                _ => {
                    counts.left_out += group.tests.len();
                    continue;
                }
            };
            let verifier = Verifier::from_public_key(algorithm, &group.key_pem).unwrap();
            let signer = Signer::new(algorithm, &SecretBytes::from(group.private_key_pkcs8.to_vec()));
            assert_eq!(signer.as_ref().err(), (!signs).then_some(&CryptoError::Unsupported));
            for test in &group.tests {
                assert!(!matches!(expected!(test), Expected::Invalid));
                assert!(verify(&verifier, &test.msg, &test.sig), "{test:?}");
                counts.check(expected!(test), true, test);
                if let Ok(signer) = &signer {
                    assert_eq!(signer.sign(&test.msg).unwrap(), test.sig.as_ref(), "{test:?}");
                }
            }
        }
        counted(&format!("{name:?}"), &counts, numbers);
    }
}
