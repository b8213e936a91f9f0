//! Signing and verifying as JSON Web Signatures have it (RFC 7515; RFC 7518, section 3; RFC 8037), over OpenSSL.
//!
//! A key is parsed once and then used from any number of threads. Signers and verifiers of the asymmetric algorithms
//! hold a parsed key of their own type and nothing else, so that a public key can never serve as an HMAC secret.

use claviger_domain::{KeyAlgorithm, SecretBytes};
use openssl::bn::{BigNum, BigNumContext};
use openssl::ec::{EcGroupRef, EcKey};
use openssl::ecdsa::EcdsaSig;
use openssl::error::ErrorStack;
use openssl::hash::{MessageDigest, hash};
use openssl::nid::Nid;
use openssl::pkey::{HasPublic, Id, PKey, PKeyRef, Private, Public};
use openssl::{memcmp, sign};

use crate::CryptoError;
use crate::error::{backend, malformed};
use crate::jwk::read_public_key;

/// The shortest RSA modulus that signs, in bits (RFC 7518, section 3.3).
const SHORTEST_SIGNING_MODULUS: u32 = 2048;
/// The shortest RSA modulus that verifies, in bits: imported public keys of third parties may be old.
const SHORTEST_VERIFYING_MODULUS: u32 = 1024;
/// The longest RSA modulus, in bits.
const LONGEST_MODULUS: u32 = 8192;
/// The longest RSA modulus with which verifying counts as quick, in bits.
const LONGEST_QUICK_MODULUS: u32 = 4096;
/// The longest public exponent, in bits, as OpenSSL has it for long moduli: verifying takes time in its proportion.
const LONGEST_EXPONENT: i32 = 64;
/// The longest public exponent with which verifying counts as quick, in bits; 65537 has 17.
const LONGEST_QUICK_EXPONENT: i32 = 17;
/// Bytes of an Ed25519 signature (RFC 8032, section 5.1.6).
const ED25519_SIGNATURE: usize = 64;

/// How an algorithm works.
enum Scheme {
    Rsa(MessageDigest),
    Ecdsa(MessageDigest, Nid),
    Ed25519,
    Hmac(MessageDigest),
}

impl Scheme {
    /// # Errors
    /// [`CryptoError::Unsupported`] for [`KeyAlgorithm::None`].
    fn of(algorithm: KeyAlgorithm) -> Result<Self, CryptoError> {
        Ok(match algorithm {
            KeyAlgorithm::Rs256 => Self::Rsa(MessageDigest::sha256()),
            KeyAlgorithm::Rs384 => Self::Rsa(MessageDigest::sha384()),
            KeyAlgorithm::Rs512 => Self::Rsa(MessageDigest::sha512()),
            KeyAlgorithm::Es256 => Self::Ecdsa(MessageDigest::sha256(), Nid::X9_62_PRIME256V1),
            KeyAlgorithm::Es384 => Self::Ecdsa(MessageDigest::sha384(), Nid::SECP384R1),
            KeyAlgorithm::Es512 => Self::Ecdsa(MessageDigest::sha512(), Nid::SECP521R1),
            KeyAlgorithm::Ed25519 => Self::Ed25519,
            KeyAlgorithm::Hs256 => Self::Hmac(MessageDigest::sha256()),
            KeyAlgorithm::Hs384 => Self::Hmac(MessageDigest::sha384()),
            KeyAlgorithm::Hs512 => Self::Hmac(MessageDigest::sha512()),
            KeyAlgorithm::None => return Err(CryptoError::Unsupported),
        })
    }
}

/// A private key or secret, parsed and ready to sign with its one algorithm.
pub struct Signer {
    algorithm: KeyAlgorithm,
    key: SigningKey,
}

enum SigningKey {
    Rsa(PKey<Private>, MessageDigest),
    /// ECDSA through the key itself yields r and s as numbers; through EVP they would come in DER.
    Ecdsa {
        key: EcKey<Private>,
        digest: MessageDigest,
        /// Bytes of r, and of s.
        width: i32,
    },
    Ed25519(PKey<Private>),
    Hmac(HmacKey),
}

impl Signer {
    /// The signer with this key: the private key as PKCS#8 DER (RFC 5208), or for HMAC the bytes of the secret, which
    /// may have any length from one byte.
    ///
    /// # Errors
    /// [`CryptoError::Malformed`] when the material cannot be read or is empty, [`CryptoError::Mismatch`] when it is of
    /// another type or on another curve than the algorithm's, [`CryptoError::Unsupported`] for
    /// [`KeyAlgorithm::None`] and for RSA keys outside 2048 to 8192 bits.
    pub fn new(algorithm: KeyAlgorithm, material: &SecretBytes) -> Result<Self, CryptoError> {
        let key = match Scheme::of(algorithm)? {
            Scheme::Rsa(digest) => {
                let key = private_key(material, Id::RSA)?;
                check_rsa(&key, SHORTEST_SIGNING_MODULUS)?;
                SigningKey::Rsa(key, digest)
            }
            Scheme::Ecdsa(digest, curve) => {
                let key = private_key(material, Id::EC)?.ec_key().map_err(malformed)?;
                let width = width(key.group(), curve)?;
                SigningKey::Ecdsa { key, digest, width }
            }
            Scheme::Ed25519 => SigningKey::Ed25519(private_key(material, Id::ED25519)?),
            Scheme::Hmac(digest) => SigningKey::Hmac(HmacKey::new(material, digest)?),
        };
        Ok(Self { algorithm, key })
    }

    /// The algorithm, which is the only one that this key signs with.
    #[must_use]
    pub const fn algorithm(&self) -> KeyAlgorithm {
        self.algorithm
    }

    /// Whether a signature takes fractions of a millisecond or more, so that it does not belong on an event loop: RSA
    /// and the larger curves. The others take some ten microseconds at most.
    #[must_use]
    pub const fn is_slow(&self) -> bool {
        match self.algorithm {
            KeyAlgorithm::Rs256
            | KeyAlgorithm::Rs384
            | KeyAlgorithm::Rs512
            | KeyAlgorithm::Es384
            | KeyAlgorithm::Es512 => true,
            KeyAlgorithm::Ed25519
            | KeyAlgorithm::Es256
            | KeyAlgorithm::Hs256
            | KeyAlgorithm::Hs384
            | KeyAlgorithm::Hs512
            | KeyAlgorithm::None => false,
        }
    }

    /// The signature of these bytes in the form of a JWS: for RSA as long as the modulus, for ECDSA r and s in the
    /// width of the curve (RFC 7518, section 3.4).
    ///
    /// # Errors
    /// [`CryptoError::Backend`] when OpenSSL fails, for instance without random bytes.
    pub fn sign(&self, input: &[u8]) -> Result<Vec<u8>, CryptoError> {
        match &self.key {
            SigningKey::Rsa(key, digest) => {
                sign::Signer::new(*digest, key).and_then(|mut signer| signer.sign_oneshot_to_vec(input))
            }
            SigningKey::Ecdsa { key, digest, width } => sign_ecdsa(key, *digest, *width, input),
            SigningKey::Ed25519(key) => {
                let mut signature = vec![0; ED25519_SIGNATURE];
                sign::Signer::new_without_digest(key)
                    .and_then(|mut signer| signer.sign_oneshot(&mut signature, input))
                    .map(|_| signature)
            }
            SigningKey::Hmac(key) => key.mac(input),
        }
        .map_err(backend)
    }
}

fn sign_ecdsa(
    key: &EcKey<Private>,
    digest: MessageDigest,
    width: i32,
    input: &[u8],
) -> Result<Vec<u8>, ErrorStack> {
    let signature = EcdsaSig::sign(&hash(digest, input)?, key)?;
    let mut bytes = signature.r().to_vec_padded(width)?;
    bytes.extend_from_slice(&signature.s().to_vec_padded(width)?);
    Ok(bytes)
}

/// A public key or HMAC secret, parsed and ready to verify signatures of its one algorithm.
pub struct Verifier {
    algorithm: KeyAlgorithm,
    key: VerifyingKey,
    is_slow: bool,
}

enum VerifyingKey {
    Rsa(PKey<Public>, MessageDigest),
    Ecdsa {
        key: EcKey<Public>,
        digest: MessageDigest,
        /// The order of the group, big-endian, as wide as r and s.
        order: Vec<u8>,
    },
    Ed25519(PKey<Public>),
    Hmac(HmacKey),
}

impl Verifier {
    /// The verifier with this public key, a SubjectPublicKeyInfo in PEM.
    ///
    /// # Errors
    /// [`CryptoError::Malformed`] when it cannot be read, or is a point outside the curve; [`CryptoError::Mismatch`]
    /// when it is of another type or on another curve than the algorithm's, which for HMAC every public key is;
    /// [`CryptoError::Unsupported`] for [`KeyAlgorithm::None`] and for RSA keys outside 1024 to 8192 bits or with a
    /// public exponent that is even, 1 or longer than 64 bits.
    pub fn from_public_key(algorithm: KeyAlgorithm, public_key_pem: &str) -> Result<Self, CryptoError> {
        let scheme = Scheme::of(algorithm)?;
        let public_key = read_public_key(public_key_pem)?;
        let (key, is_slow) = match (scheme, public_key.id()) {
            (Scheme::Rsa(digest), Id::RSA) => {
                let is_slow = check_rsa(&public_key, SHORTEST_VERIFYING_MODULUS)?;
                (VerifyingKey::Rsa(public_key, digest), is_slow)
            }
            (Scheme::Ecdsa(digest, curve), Id::EC) => {
                let key = public_key.ec_key().map_err(malformed)?;
                let width = width(key.group(), curve)?;
                key.check_key().map_err(malformed)?;
                let order = order(key.group(), width).map_err(backend)?;
                (VerifyingKey::Ecdsa { key, digest, order }, curve != Nid::X9_62_PRIME256V1)
            }
            (Scheme::Ed25519, Id::ED25519) => (VerifyingKey::Ed25519(public_key), false),
            _ => return Err(CryptoError::Mismatch),
        };
        Ok(Self { algorithm, key, is_slow })
    }

    /// The verifier with this HMAC secret, which may have any length from one byte.
    ///
    /// # Errors
    /// [`CryptoError::Mismatch`] unless the algorithm is one of HMAC ([`CryptoError::Unsupported`] for
    /// [`KeyAlgorithm::None`]), [`CryptoError::Malformed`] for an empty secret.
    pub fn from_secret(algorithm: KeyAlgorithm, material: &SecretBytes) -> Result<Self, CryptoError> {
        let Scheme::Hmac(digest) = Scheme::of(algorithm)? else {
            return Err(CryptoError::Mismatch);
        };
        let key = VerifyingKey::Hmac(HmacKey::new(material, digest)?);
        Ok(Self { algorithm, key, is_slow: false })
    }

    /// The algorithm, which is the only one that this key verifies.
    #[must_use]
    pub const fn algorithm(&self) -> KeyAlgorithm {
        self.algorithm
    }

    /// Whether verifying may take more than one or two tenths of a millisecond, so that it does not belong on an
    /// event loop: P-384, P-521, and RSA beyond 4096 bits or the public exponent 65537.
    #[must_use]
    pub const fn is_slow(&self) -> bool {
        self.is_slow
    }

    /// Whether this is a signature of these bytes. One that is wrong in whatever way, its length included, is
    /// `Ok(false)`.
    ///
    /// # Errors
    /// [`CryptoError::Backend`] when OpenSSL fails before it looks at the signature.
    pub fn verify(&self, input: &[u8], signature: &[u8]) -> Result<bool, CryptoError> {
        match &self.key {
            VerifyingKey::Rsa(key, digest) => {
                if signature.len() != key.size() {
                    return Ok(false);
                }
                // The padding of EVP is PKCS#1 v1.5 unless told otherwise.
                let mut verifier = sign::Verifier::new(*digest, key).map_err(backend)?;
                Ok(verifier.verify_oneshot(signature, input).unwrap_or(false))
            }
            VerifyingKey::Ecdsa { key, digest, order } => verify_ecdsa(key, *digest, order, input, signature),
            VerifyingKey::Ed25519(key) => {
                if signature.len() != ED25519_SIGNATURE {
                    return Ok(false);
                }
                let mut verifier = sign::Verifier::new_without_digest(key).map_err(backend)?;
                Ok(verifier.verify_oneshot(signature, input).unwrap_or(false))
            }
            VerifyingKey::Hmac(key) => {
                let expected = key.mac(input).map_err(backend)?;
                // The comparison is for equal lengths only.
                Ok(expected.len() == signature.len() && memcmp::eq(&expected, signature))
            }
        }
    }
}

fn verify_ecdsa(
    key: &EcKey<Public>,
    digest: MessageDigest,
    order: &[u8],
    input: &[u8],
    signature: &[u8],
) -> Result<bool, CryptoError> {
    let Some((r, s)) = signature.split_at_checked(order.len()) else {
        return Ok(false);
    };
    // 0 < r, s < n (FIPS 186-5, section 6.4.2): OpenSSL checks it too, but this must not depend on that.
    let is_in_range =
        |number: &[u8]| number.len() == order.len() && number < order && number.iter().any(|byte| *byte != 0);
    if !is_in_range(r) || !is_in_range(s) {
        return Ok(false);
    }
    let digest = hash(digest, input).map_err(backend)?;
    let signature = BigNum::from_slice(r)
        .and_then(|r| EcdsaSig::from_private_components(r, BigNum::from_slice(s)?))
        .map_err(backend)?;
    let is_valid = signature.verify(&digest, key).unwrap_or(false);
    if !is_valid {
        // What OpenSSL has noted about a wrong signature must not be taken for a fault of the next operation.
        drop(ErrorStack::get());
    }
    Ok(is_valid)
}

/// An HMAC secret (RFC 2104), which OpenSSL wipes when it goes.
struct HmacKey(PKey<Private>, MessageDigest);

impl HmacKey {
    fn new(secret: &SecretBytes, digest: MessageDigest) -> Result<Self, CryptoError> {
        if secret.expose().is_empty() {
            return Err(CryptoError::Malformed);
        }
        PKey::hmac(secret.expose()).map(|key| Self(key, digest)).map_err(backend)
    }

    fn mac(&self, input: &[u8]) -> Result<Vec<u8>, ErrorStack> {
        let mut mac = vec![0; self.1.size()];
        sign::Signer::new(self.1, &self.0)?.sign_oneshot(&mut mac, input)?;
        Ok(mac)
    }
}

fn private_key(material: &SecretBytes, id: Id) -> Result<PKey<Private>, CryptoError> {
    let key = PKey::private_key_from_pkcs8(material.expose()).map_err(malformed)?;
    if key.id() == id { Ok(key) } else { Err(CryptoError::Mismatch) }
}

/// Checks the sizes of an RSA key, and says whether verifying with it is slow.
fn check_rsa<T: HasPublic>(key: &PKeyRef<T>, shortest: u32) -> Result<bool, CryptoError> {
    let rsa = key.rsa().map_err(malformed)?;
    let exponent = rsa.e();
    // Everybody can sign for the exponent 1, and an even one belongs to no private key.
    let is_exponent = exponent.is_bit_set(0) && (2..=LONGEST_EXPONENT).contains(&exponent.num_bits());
    if !is_exponent || !(shortest..=LONGEST_MODULUS).contains(&key.bits()) {
        return Err(CryptoError::Unsupported);
    }
    Ok(key.bits() > LONGEST_QUICK_MODULUS || exponent.num_bits() > LONGEST_QUICK_EXPONENT)
}

/// Bytes of a number below the order of this group, which must be that of the curve.
fn width(group: &EcGroupRef, curve: Nid) -> Result<i32, CryptoError> {
    if group.curve_name() != Some(curve) {
        return Err(CryptoError::Mismatch);
    }
    i32::try_from(group.order_bits().div_ceil(8)).map_err(|_| CryptoError::Unsupported)
}

fn order(group: &EcGroupRef, width: i32) -> Result<Vec<u8>, ErrorStack> {
    let mut order = BigNum::new()?;
    group.order(&mut order, &mut *BigNumContext::new()?)?;
    order.to_vec_padded(width)
}

#[cfg(test)]
mod tests {
    use openssl::rsa::{Padding, Rsa};

    use super::*;
    use crate::pem;

    const INPUT: &[u8] = b"an input";

    fn secret(bytes: &[u8]) -> SecretBytes {
        SecretBytes::from(bytes.to_vec())
    }

    fn pkcs8(key: &PKey<Private>) -> SecretBytes {
        SecretBytes::from(key.private_key_to_pkcs8().unwrap())
    }

    fn public(key: &PKeyRef<impl HasPublic>) -> String {
        pem::encode(pem::PUBLIC_KEY, &key.public_key_to_der().unwrap())
    }

    fn rsa(bits: u32) -> PKey<Private> {
        PKey::from_rsa(Rsa::generate(bits).unwrap()).unwrap()
    }

    fn ec(curve: Nid) -> PKey<Private> {
        let group = openssl::ec::EcGroup::from_curve_name(curve).unwrap();
        PKey::from_ec_key(EcKey::generate(&group).unwrap()).unwrap()
    }

    fn rsa_public(modulus: &str, exponent: &str) -> String {
        let number = |text| BigNum::from_dec_str(text).unwrap();
        let key = Rsa::from_public_components(number(modulus), number(exponent)).unwrap();
        public(&PKey::from_rsa(key).unwrap())
    }

    #[test]
    fn signers_and_verifiers_cross_threads() {
        fn shared<T: Send + Sync>() {}
        shared::<Signer>();
        shared::<Verifier>();
    }

    /// Every algorithm with every kind of key: what fits signs and verifies, everything else is refused.
    #[test]
    fn a_key_must_fit_its_algorithm() {
        let keys = [
            (rsa(2048), &[KeyAlgorithm::Rs256, KeyAlgorithm::Rs384, KeyAlgorithm::Rs512][..]),
            (ec(Nid::X9_62_PRIME256V1), &[KeyAlgorithm::Es256]),
            (ec(Nid::SECP384R1), &[KeyAlgorithm::Es384]),
            (ec(Nid::SECP521R1), &[KeyAlgorithm::Es512]),
            (ec(Nid::SECP256K1), &[]),
            (PKey::generate_ed25519().unwrap(), &[KeyAlgorithm::Ed25519]),
            (PKey::generate_ed448().unwrap(), &[]),
            (PKey::generate_x25519().unwrap(), &[]),
        ];
        for (key, fitting) in &keys {
            for algorithm in KeyAlgorithm::ALL {
                let signer = Signer::new(algorithm, &pkcs8(key));
                let verifier = Verifier::from_public_key(algorithm, &public(key));
                let is_hmac = algorithm.key_type() == claviger_domain::KeyType::Hmac;
                if fitting.contains(&algorithm) {
                    let (signer, verifier) = (signer.unwrap(), verifier.unwrap());
                    assert_eq!((signer.algorithm(), verifier.algorithm()), (algorithm, algorithm));
                    let signature = signer.sign(INPUT).unwrap();
                    assert_eq!(verifier.verify(INPUT, &signature), Ok(true), "{algorithm}");
                    assert_eq!(verifier.verify(b"another", &signature), Ok(false), "{algorithm}");
                } else if algorithm == KeyAlgorithm::None {
                    assert_eq!(signer.err(), Some(CryptoError::Unsupported));
                    assert_eq!(verifier.err(), Some(CryptoError::Unsupported));
                } else {
                    // As the secret of an HMAC key any bytes will do.
                    assert_eq!(signer.err(), (!is_hmac).then_some(CryptoError::Mismatch), "{algorithm}");
                    assert_eq!(verifier.err(), Some(CryptoError::Mismatch), "{algorithm}");
                }
            }
        }
    }

    #[test]
    fn secrets_work_from_one_byte() {
        for (algorithm, length) in
            [(KeyAlgorithm::Hs256, 32), (KeyAlgorithm::Hs384, 48), (KeyAlgorithm::Hs512, 64)]
        {
            for key in [secret(b"a"), secret(&[0]), secret(&[7; 300])] {
                let signature = Signer::new(algorithm, &key).unwrap().sign(INPUT).unwrap();
                assert_eq!(signature.len(), length);
                let verifier = Verifier::from_secret(algorithm, &key).unwrap();
                assert_eq!(verifier.verify(INPUT, &signature), Ok(true));
                for wrong in [
                    &signature[1..],
                    &signature[..length - 1],
                    &[],
                    &[0; 64],
                    &[&signature[..], &[0]].concat(),
                ] {
                    assert_eq!(verifier.verify(INPUT, wrong), Ok(false));
                }
            }
            assert_eq!(Signer::new(algorithm, &secret(b"")).err(), Some(CryptoError::Malformed));
            assert_eq!(Verifier::from_secret(algorithm, &secret(b"")).err(), Some(CryptoError::Malformed));
        }
        for algorithm in KeyAlgorithm::ALL {
            let expected = match algorithm.key_type() {
                claviger_domain::KeyType::Hmac => None,
                claviger_domain::KeyType::Secret => Some(CryptoError::Unsupported),
                _ => Some(CryptoError::Mismatch),
            };
            assert_eq!(Verifier::from_secret(algorithm, &secret(b"a")).err(), expected);
        }
    }

    #[test]
    fn unreadable_keys_are_refused() {
        let key = ec(Nid::X9_62_PRIME256V1);
        let der = key.private_key_to_pkcs8().unwrap();
        for material in [b"".as_slice(), b"secret", &der[..der.len() - 1], &key.public_key_to_der().unwrap()]
        {
            assert_eq!(
                Signer::new(KeyAlgorithm::Es256, &secret(material)).err(),
                Some(CryptoError::Malformed)
            );
        }
        for text in ["", "secret", &pem::encode(pem::CERTIFICATE, &der), &pem::encode(pem::PUBLIC_KEY, &der)]
        {
            assert_eq!(
                Verifier::from_public_key(KeyAlgorithm::Es256, text).err(),
                Some(CryptoError::Malformed)
            );
        }
    }

    #[test]
    fn short_rsa_keys_verify_and_do_not_sign() {
        let short = rsa(1024);
        assert_eq!(Signer::new(KeyAlgorithm::Rs256, &pkcs8(&short)).err(), Some(CryptoError::Unsupported));
        let verifier = Verifier::from_public_key(KeyAlgorithm::Rs256, &public(&short)).unwrap();
        let mut signer = sign::Signer::new(MessageDigest::sha256(), &short).unwrap();
        let signature = signer.sign_oneshot_to_vec(INPUT).unwrap();
        assert_eq!(verifier.verify(INPUT, &signature), Ok(true));
        assert_eq!(
            Verifier::from_public_key(KeyAlgorithm::Rs256, &public(&rsa(1016))).err(),
            Some(CryptoError::Unsupported)
        );
    }

    #[test]
    fn only_pkcs1_v1_5_in_the_length_of_the_modulus() {
        let key = rsa(2048);
        let verifier = Verifier::from_public_key(KeyAlgorithm::Rs256, &public(&key)).unwrap();
        let mut signer = sign::Signer::new(MessageDigest::sha256(), &key).unwrap();
        signer.set_rsa_padding(Padding::PKCS1_PSS).unwrap();
        let pss = signer.sign_oneshot_to_vec(INPUT).unwrap();
        assert_eq!(verifier.verify(INPUT, &pss), Ok(false));
        let good = Signer::new(KeyAlgorithm::Rs256, &pkcs8(&key)).unwrap().sign(INPUT).unwrap();
        assert_eq!(good.len(), 256);
        assert_eq!(verifier.verify(INPUT, &good), Ok(true));
        let zero = [0].as_slice();
        for wrong in [&good[1..], &good[..255], &[zero, &good].concat(), &[&good, zero].concat(), &[]] {
            assert_eq!(verifier.verify(INPUT, wrong), Ok(false));
        }
        // The same number modulo n, for the first input for which it fits into the length.
        let signer = Signer::new(KeyAlgorithm::Rs256, &pkcs8(&key)).unwrap();
        let modulus = key.rsa().unwrap().n().to_owned().unwrap();
        let (input, larger) = (0_u32..100_000)
            .find_map(|number| {
                let input = number.to_be_bytes();
                let signature = BigNum::from_slice(&signer.sign(&input).unwrap()).unwrap();
                Some((input, (&signature + &modulus).to_vec_padded(256).ok()?))
            })
            .unwrap();
        assert_eq!(verifier.verify(&input, &larger), Ok(false));
    }

    #[test]
    fn odd_rsa_keys_are_refused() {
        let key = rsa(2048).rsa().unwrap();
        let modulus = key.n().to_dec_str().unwrap();
        for (exponent, is_slow) in [
            ("3", Some(false)),
            ("65537", Some(false)),
            ("131073", Some(true)),
            ("18446744073709551615", Some(true)),
            ("1", None),
            ("2", None),
            ("65536", None),
            ("18446744073709551617", None),
        ] {
            let verifier = Verifier::from_public_key(KeyAlgorithm::Rs256, &rsa_public(&modulus, exponent));
            assert_eq!(verifier.as_ref().ok().map(Verifier::is_slow), is_slow, "{exponent}");
            if is_slow.is_none() {
                assert_eq!(verifier.err(), Some(CryptoError::Unsupported), "{exponent}");
            }
        }
        // 8192 bits are the limit; the numbers need not be moduli for this.
        for (bits, is_slow) in [(4096, Some(false)), (4104, Some(true)), (8192, Some(true)), (8200, None)] {
            let mut number = BigNum::new().unwrap();
            number.set_bit(bits - 1).unwrap();
            number.set_bit(0).unwrap();
            let text = rsa_public(&number.to_dec_str().unwrap(), "65537");
            let verifier = Verifier::from_public_key(KeyAlgorithm::Rs512, &text);
            assert_eq!(verifier.ok().map(|verifier| verifier.is_slow()), is_slow, "{bits}");
        }
    }

    /// After a wrong signature OpenSSL's list of errors is empty, so that the next operation does not fail for it.
    #[test]
    fn wrong_signatures_leave_no_errors_behind() {
        for (key, algorithm, length) in [
            (rsa(2048), KeyAlgorithm::Rs256, 256),
            (ec(Nid::X9_62_PRIME256V1), KeyAlgorithm::Es256, 64),
            (PKey::generate_ed25519().unwrap(), KeyAlgorithm::Ed25519, 64),
        ] {
            let verifier = Verifier::from_public_key(algorithm, &public(&key)).unwrap();
            for byte in [0, 1, 0x7f, 0xff] {
                assert_eq!(verifier.verify(INPUT, &vec![byte; length]), Ok(false));
                assert!(ErrorStack::get().errors().is_empty(), "{algorithm}");
            }
        }
    }

    #[test]
    fn r_and_s_lie_between_zero_and_the_order() {
        for (curve, algorithm) in [
            (Nid::X9_62_PRIME256V1, KeyAlgorithm::Es256),
            (Nid::SECP384R1, KeyAlgorithm::Es384),
            (Nid::SECP521R1, KeyAlgorithm::Es512),
        ] {
            let key = ec(curve);
            let verifier = Verifier::from_public_key(algorithm, &public(&key)).unwrap();
            let signature = Signer::new(algorithm, &pkcs8(&key)).unwrap().sign(INPUT).unwrap();
            let (r, s) = signature.split_at(signature.len() / 2);
            let width = r.len();
            let order = order(key.ec_key().unwrap().group(), i32::try_from(width).unwrap()).unwrap();
            let (zero, largest) = (vec![0; width], vec![0xff; width]);
            assert_eq!(verifier.verify(INPUT, &[r, s].concat()), Ok(true));
            for wrong in [&zero, &order, &largest] {
                assert_eq!(verifier.verify(INPUT, &[r, wrong].concat()), Ok(false));
                assert_eq!(verifier.verify(INPUT, &[wrong, s].concat()), Ok(false));
                assert_eq!(verifier.verify(INPUT, &[wrong.as_slice(), wrong].concat()), Ok(false));
            }
            // As long as r and s with a leading zero each, or one of them.
            assert_eq!(verifier.verify(INPUT, &[&[0], r, &[0], s].concat()), Ok(false));
            assert_eq!(verifier.verify(INPUT, &[&[0], r, s].concat()), Ok(false));
            assert_eq!(verifier.verify(INPUT, &[s, r].concat()), Ok(false));
            assert_eq!(verifier.verify(INPUT, r), Ok(false));
        }
    }
}
