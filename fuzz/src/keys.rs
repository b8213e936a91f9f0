//! A signer and its verifier for every algorithm, from fixed keys, so that a finding can be replayed.

use std::sync::LazyLock;

use claviger_crypto::{Signer, Verifier};
use claviger_domain::{KeyAlgorithm, SecretBytes};

use crate::pem::unarmour;

/// The secret of the HMAC keys: long enough for each digest.
pub const SECRET: &[u8] = b"a fixed secret for fuzzing, of sixty-four bytes, no more no less";

/// What signs, and what verifies it.
pub struct Pair {
    /// Of the private key or secret.
    pub signer: Signer,
    /// Of the public key or secret.
    pub verifier: Verifier,
}

impl Pair {
    /// Whether the same input always has the same signature, so that signing again shows whose a signature is.
    #[must_use]
    pub const fn is_deterministic(&self) -> bool {
        !matches!(self.signer.algorithm(), KeyAlgorithm::Es256 | KeyAlgorithm::Es384 | KeyAlgorithm::Es512)
    }
}

/// A pair for every algorithm but `None`, in the order of [`KeyAlgorithm::ALL`].
pub static PAIRS: LazyLock<Vec<Pair>> = LazyLock::new(|| {
    KeyAlgorithm::ALL.into_iter().filter(|algorithm| *algorithm != KeyAlgorithm::None).map(pair).collect()
});

macro_rules! key_files {
    ($name:literal) => {
        (
            include_str!(concat!("../keys/", $name, ".private.pem")),
            include_str!(concat!("../keys/", $name, ".public.pem")),
        )
    };
}

fn pair(algorithm: KeyAlgorithm) -> Pair {
    let (private, public) = match algorithm {
        KeyAlgorithm::Ed25519 => key_files!("ed25519"),
        KeyAlgorithm::Es256 => key_files!("p256"),
        KeyAlgorithm::Es384 => key_files!("p384"),
        KeyAlgorithm::Es512 => key_files!("p521"),
        KeyAlgorithm::Rs256 | KeyAlgorithm::Rs384 | KeyAlgorithm::Rs512 => key_files!("rsa"),
        KeyAlgorithm::Hs256 | KeyAlgorithm::Hs384 | KeyAlgorithm::Hs512 | KeyAlgorithm::None => {
            let secret = SecretBytes::from(SECRET.to_vec());
            return Pair {
                signer: Signer::new(algorithm, &secret).unwrap(),
                verifier: Verifier::from_secret(algorithm, &secret).unwrap(),
            };
        }
    };
    Pair {
        signer: Signer::new(algorithm, &SecretBytes::from(unarmour(private))).unwrap(),
        verifier: Verifier::from_public_key(algorithm, public).unwrap(),
    }
}
