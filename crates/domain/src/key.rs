//! Keys that sign and verify tokens ("Key Master"): what is public about them. Private halves and secrets stand sealed
//! beside them in storage and are never part of these types.

use std::fmt;
use std::str::FromStr;

use crate::{Instant, KeyId, Name, Revision};

/// The kind of a key (FusionAuth: Keys, `type`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum KeyType {
    /// Elliptic curve, P-256, P-384 or P-521.
    Ec,
    /// A symmetric secret for HMAC.
    Hmac,
    /// Octet key pair: Ed25519.
    Okp,
    /// RSA.
    Rsa,
    /// A plain secret that is no signing key.
    Secret,
}

impl KeyType {
    /// Every type.
    pub const ALL: [Self; 5] = [Self::Ec, Self::Hmac, Self::Okp, Self::Rsa, Self::Secret];

    /// The name on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ec => "EC",
            Self::Hmac => "HMAC",
            Self::Okp => "OKP",
            Self::Rsa => "RSA",
            Self::Secret => "Secret",
        }
    }

    /// Whether keys of this type have a public half.
    #[must_use]
    pub const fn is_asymmetric(self) -> bool {
        matches!(self, Self::Ec | Self::Okp | Self::Rsa)
    }
}

impl fmt::Display for KeyType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for KeyType {
    type Err = UnknownName;

    fn from_str(text: &str) -> Result<Self, UnknownName> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text).ok_or(UnknownName)
    }
}

/// A name that is in no list of this crate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("unknown name")]
pub struct UnknownName;

/// The algorithm of a key, by its JWS name (RFC 7518, section 3.1; RFC 9864 for Ed25519).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum KeyAlgorithm {
    /// Ed25519 (RFC 8032).
    Ed25519,
    /// ECDSA with P-256 and SHA-256.
    Es256,
    /// ECDSA with P-384 and SHA-384.
    Es384,
    /// ECDSA with P-521 and SHA-512.
    Es512,
    /// HMAC with SHA-256.
    Hs256,
    /// HMAC with SHA-384.
    Hs384,
    /// HMAC with SHA-512.
    Hs512,
    /// Of a [`KeyType::Secret`]: none.
    None,
    /// RSA PKCS#1 v1.5 with SHA-256.
    Rs256,
    /// RSA PKCS#1 v1.5 with SHA-384.
    Rs384,
    /// RSA PKCS#1 v1.5 with SHA-512.
    Rs512,
}

impl KeyAlgorithm {
    /// Every algorithm.
    pub const ALL: [Self; 11] = [
        Self::Ed25519,
        Self::Es256,
        Self::Es384,
        Self::Es512,
        Self::Hs256,
        Self::Hs384,
        Self::Hs512,
        Self::None,
        Self::Rs256,
        Self::Rs384,
        Self::Rs512,
    ];

    /// The name on the wire and in JWS headers.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ed25519 => "Ed25519",
            Self::Es256 => "ES256",
            Self::Es384 => "ES384",
            Self::Es512 => "ES512",
            Self::Hs256 => "HS256",
            Self::Hs384 => "HS384",
            Self::Hs512 => "HS512",
            Self::None => "None",
            Self::Rs256 => "RS256",
            Self::Rs384 => "RS384",
            Self::Rs512 => "RS512",
        }
    }

    /// The type of the keys that use this algorithm.
    #[must_use]
    pub const fn key_type(self) -> KeyType {
        match self {
            Self::Ed25519 => KeyType::Okp,
            Self::Es256 | Self::Es384 | Self::Es512 => KeyType::Ec,
            Self::Hs256 | Self::Hs384 | Self::Hs512 => KeyType::Hmac,
            Self::None => KeyType::Secret,
            Self::Rs256 | Self::Rs384 | Self::Rs512 => KeyType::Rsa,
        }
    }
}

impl fmt::Display for KeyAlgorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for KeyAlgorithm {
    type Err = UnknownName;

    fn from_str(text: &str) -> Result<Self, UnknownName> {
        Self::ALL.into_iter().find(|algorithm| algorithm.as_str() == text).ok_or(UnknownName)
    }
}

/// The key identifier that goes into token headers and JWKs (RFC 7515, section 4.1.4); unique over all keys.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Kid(String);

impl Kid {
    /// The text of the kid.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<String> for Kid {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl fmt::Display for Kid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The size of the SHA-2 digest of an algorithm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum HashSize {
    /// SHA-256.
    Bits256,
    /// SHA-384.
    Bits384,
    /// SHA-512.
    Bits512,
}

/// The sizes of RSA keys that are generated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RsaLength {
    /// 2048 bits.
    Bits2048,
    /// 3072 bits.
    Bits3072,
    /// 4096 bits.
    Bits4096,
}

impl RsaLength {
    /// The size in bits.
    #[must_use]
    pub const fn bits(self) -> u32 {
        match self {
            Self::Bits2048 => 2048,
            Self::Bits3072 => 3072,
            Self::Bits4096 => 4096,
        }
    }
}

/// What key to generate. The curve of an EC key follows its digest: ES256 is P-256, ES384 P-384, ES512 P-521.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum KeySpec {
    /// A pair on the curve of ES256, ES384 or ES512.
    Ec(HashSize),
    /// An Ed25519 pair.
    Ed25519,
    /// A secret for HS256, HS384 or HS512.
    Hmac(HashSize),
    /// A pair for RS256, RS384 or RS512.
    Rsa(HashSize, RsaLength),
}

/// Why no key can be generated as asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeySpecError {
    /// [`KeyAlgorithm::None`] is for imported secrets.
    #[error("the algorithm cannot be generated")]
    Algorithm,
    /// RSA needs a length.
    #[error("RSA needs a length")]
    LengthMissing,
    /// Not 2048, 3072 or 4096 for RSA, or not the size of the curve for EC.
    #[error("the length does not fit the algorithm")]
    LengthInvalid,
}

impl KeySpec {
    /// The key that this algorithm and length (`key.length`, in bits) ask for. RSA needs a length; EC takes none or the
    /// size of its curve; for HMAC and Ed25519 it is ignored.
    ///
    /// # Errors
    /// When the algorithm cannot be generated, or the length is missing or does not fit.
    pub fn new(algorithm: KeyAlgorithm, length: Option<i64>) -> Result<Self, KeySpecError> {
        let hash = match algorithm {
            KeyAlgorithm::Es256 | KeyAlgorithm::Hs256 | KeyAlgorithm::Rs256 => HashSize::Bits256,
            KeyAlgorithm::Es384 | KeyAlgorithm::Hs384 | KeyAlgorithm::Rs384 => HashSize::Bits384,
            KeyAlgorithm::Es512 | KeyAlgorithm::Hs512 | KeyAlgorithm::Rs512 => HashSize::Bits512,
            KeyAlgorithm::Ed25519 => return Ok(Self::Ed25519),
            KeyAlgorithm::None => return Err(KeySpecError::Algorithm),
        };
        match algorithm.key_type() {
            KeyType::Hmac => Ok(Self::Hmac(hash)),
            KeyType::Ec => {
                let spec = Self::Ec(hash);
                match length {
                    None => Ok(spec),
                    Some(length) if Some(length) == spec.length().map(i64::from) => Ok(spec),
                    Some(_) => Err(KeySpecError::LengthInvalid),
                }
            }
            KeyType::Rsa => match length {
                Some(2048) => Ok(Self::Rsa(hash, RsaLength::Bits2048)),
                Some(3072) => Ok(Self::Rsa(hash, RsaLength::Bits3072)),
                Some(4096) => Ok(Self::Rsa(hash, RsaLength::Bits4096)),
                Some(_) => Err(KeySpecError::LengthInvalid),
                None => Err(KeySpecError::LengthMissing),
            },
            KeyType::Okp | KeyType::Secret => Err(KeySpecError::Algorithm),
        }
    }

    /// The algorithm of the key.
    #[must_use]
    pub const fn algorithm(self) -> KeyAlgorithm {
        match self {
            Self::Ec(HashSize::Bits256) => KeyAlgorithm::Es256,
            Self::Ec(HashSize::Bits384) => KeyAlgorithm::Es384,
            Self::Ec(HashSize::Bits512) => KeyAlgorithm::Es512,
            Self::Ed25519 => KeyAlgorithm::Ed25519,
            Self::Hmac(HashSize::Bits256) => KeyAlgorithm::Hs256,
            Self::Hmac(HashSize::Bits384) => KeyAlgorithm::Hs384,
            Self::Hmac(HashSize::Bits512) => KeyAlgorithm::Hs512,
            Self::Rsa(HashSize::Bits256, _) => KeyAlgorithm::Rs256,
            Self::Rsa(HashSize::Bits384, _) => KeyAlgorithm::Rs384,
            Self::Rsa(HashSize::Bits512, _) => KeyAlgorithm::Rs512,
        }
    }

    /// What `key.length` shows: bits for RSA and EC, 32 (bytes) for Ed25519, nothing for HMAC.
    #[must_use]
    pub const fn length(self) -> Option<u32> {
        match self {
            Self::Ec(HashSize::Bits256) => Some(256),
            Self::Ec(HashSize::Bits384) => Some(384),
            Self::Ec(HashSize::Bits512) => Some(521),
            Self::Ed25519 => Some(32),
            Self::Hmac(_) => None,
            Self::Rsa(_, length) => Some(length.bits()),
        }
    }
}

/// The public side of a key that signs or verifies tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// Names the key. The serial number of a generated certificate is this id as a number.
    pub id: KeyId,
    /// Grows with each change.
    pub revision: Revision,
    /// Unique over all keys.
    pub name: Name,
    /// Unique over all keys.
    pub kid: Kid,
    /// RSA, EC, OKP, HMAC or Secret.
    pub key_type: KeyType,
    /// Absent when it cannot be told, for instance from a bare RSA public key.
    pub algorithm: Option<KeyAlgorithm>,
    /// As [`KeySpec::length`].
    pub length: Option<u32>,
    /// The common name of the certificate's issuer.
    pub issuer: Option<String>,
    /// SubjectPublicKeyInfo as PEM: lines of 64, LF, no newline at the end.
    pub public_key: Option<String>,
    /// The X.509 certificate as PEM, wrapped likewise.
    pub certificate: Option<String>,
    /// Whether the private half or the secret is kept.
    pub has_private_key: bool,
    /// One of the three placeholders that stand for a client's own secret; they cannot be changed or removed.
    pub shadow: bool,
    /// The end of the certificate.
    pub expiration_instant: Option<Instant>,
    /// When the key was made.
    pub insert_instant: Instant,
    /// When the key was last changed.
    pub last_update_instant: Instant,
}

/// A key that always exists and stands for "the client's own secret" (OpenID Connect Core, section 10.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ShadowKey {
    /// The id that FusionAuth documents.
    pub id: KeyId,
    /// HS256, HS384 or HS512.
    pub algorithm: KeyAlgorithm,
    /// The name that FusionAuth documents.
    pub name: &'static str,
}

/// The three shadow keys, with the ids and names that FusionAuth documents.
pub const SHADOW_KEYS: [ShadowKey; 3] = [
    ShadowKey {
        id: KeyId::from_u128(0x092d_bedc_30af_4149_9c61_b578_f2c7_2f59),
        algorithm: KeyAlgorithm::Hs256,
        name: "OpenID Connect compliant HMAC using SHA-256",
    },
    ShadowKey {
        id: KeyId::from_u128(0x4b8f_1c06_518e_45bd_9ac5_d549_686a_e02a),
        algorithm: KeyAlgorithm::Hs384,
        name: "OpenID Connect compliant HMAC using SHA-384",
    },
    ShadowKey {
        id: KeyId::from_u128(0xc753_a44d_7f2e_48d3_bc4e_c2c1_6488_a23b),
        algorithm: KeyAlgorithm::Hs512,
        name: "OpenID Connect compliant HMAC using SHA-512",
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(algorithm: KeyAlgorithm, length: Option<i64>, expected: Result<Option<u32>, KeySpecError>) {
        let spec = KeySpec::new(algorithm, length);
        assert_eq!(spec.map(KeySpec::length), expected, "{algorithm} {length:?}");
        if let Ok(spec) = spec {
            assert_eq!(spec.algorithm(), algorithm);
        }
    }

    #[test]
    fn lengths() {
        for rsa in [KeyAlgorithm::Rs256, KeyAlgorithm::Rs384, KeyAlgorithm::Rs512] {
            check(rsa, Some(2048), Ok(Some(2048)));
            check(rsa, Some(3072), Ok(Some(3072)));
            check(rsa, Some(4096), Ok(Some(4096)));
            check(rsa, None, Err(KeySpecError::LengthMissing));
            for odd in [0, -1, 512, 1024, 2047, 2049, 8192, i64::MAX, i64::MIN] {
                check(rsa, Some(odd), Err(KeySpecError::LengthInvalid));
            }
        }
        check(KeyAlgorithm::Es256, None, Ok(Some(256)));
        check(KeyAlgorithm::Es384, Some(384), Ok(Some(384)));
        check(KeyAlgorithm::Es512, Some(521), Ok(Some(521)));
        check(KeyAlgorithm::Es512, Some(512), Err(KeySpecError::LengthInvalid));
        check(KeyAlgorithm::Es256, Some(384), Err(KeySpecError::LengthInvalid));
        check(KeyAlgorithm::Hs384, Some(7), Ok(None));
        check(KeyAlgorithm::Ed25519, Some(7), Ok(Some(32)));
        check(KeyAlgorithm::None, None, Err(KeySpecError::Algorithm));
    }

    #[test]
    fn names_round_trip() {
        for algorithm in KeyAlgorithm::ALL {
            assert_eq!(algorithm.as_str().parse(), Ok(algorithm));
        }
        for kind in KeyType::ALL {
            assert_eq!(kind.as_str().parse(), Ok(kind));
        }
        assert!("PS256".parse::<KeyAlgorithm>().is_err() && "rs256".parse::<KeyAlgorithm>().is_err());
    }

    #[test]
    fn shadow_keys_have_the_documented_ids() {
        assert_eq!(
            SHADOW_KEYS.map(|key| key.id.to_string()),
            [
                "092dbedc-30af-4149-9c61-b578f2c72f59",
                "4b8f1c06-518e-45bd-9ac5-d549686ae02a",
                "c753a44d-7f2e-48d3-bc4e-c2c16488a23b",
            ]
        );
    }
}
