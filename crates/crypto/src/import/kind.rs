//! The kinds of keys with a public half that are imported.

use claviger_domain::{KeyAlgorithm, KeyType};
use openssl::nid::Nid;

/// A named curve (RFC 7518, section 6.2.1.1).
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Curve {
    P256,
    P384,
    P521,
}

impl Curve {
    pub(super) const fn nid(self) -> Nid {
        match self {
            Self::P256 => Nid::X9_62_PRIME256V1,
            Self::P384 => Nid::SECP384R1,
            Self::P521 => Nid::SECP521R1,
        }
    }
}

/// The kind and size of a key.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// With the bits of the modulus: 1024, 2048, 3072 or 4096.
    Rsa(u32),
    Ec(Curve),
    Ed25519,
}

impl Kind {
    pub(super) const fn key_type(self) -> KeyType {
        match self {
            Self::Rsa(_) => KeyType::Rsa,
            Self::Ec(_) => KeyType::Ec,
            Self::Ed25519 => KeyType::Okp,
        }
    }

    /// What `key.length` shows: bits, for Ed25519 bytes.
    pub(super) const fn length(self) -> u32 {
        match self {
            Self::Rsa(bits) => bits,
            Self::Ec(Curve::P256) => 256,
            Self::Ec(Curve::P384) => 384,
            Self::Ec(Curve::P521) => 521,
            Self::Ed25519 => 32,
        }
    }

    /// The only algorithm of the key; RSA keys serve several.
    pub(super) const fn algorithm(self) -> Option<KeyAlgorithm> {
        match self {
            Self::Rsa(_) => None,
            Self::Ec(Curve::P256) => Some(KeyAlgorithm::Es256),
            Self::Ec(Curve::P384) => Some(KeyAlgorithm::Es384),
            Self::Ec(Curve::P521) => Some(KeyAlgorithm::Es512),
            Self::Ed25519 => Some(KeyAlgorithm::Ed25519),
        }
    }

    pub(super) fn serves(self, algorithm: KeyAlgorithm) -> bool {
        match self.algorithm() {
            Some(only) => only == algorithm,
            None => algorithm.key_type() == self.key_type(),
        }
    }
}
