//! New keys that sign tokens. Those with a public half come with a self-signed certificate, whose SHA-1 thumbprint is
//! their `kid`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use claviger_domain::{HashSize, Instant, KeyId, KeySpec, Kid, RsaLength, SecretBytes};
use openssl::ec::{EcGroup, EcKey};
use openssl::nid::Nid;
use openssl::pkey::{Id, PKey, Private};
use openssl::rsa::Rsa;

use crate::certificate::sha1_thumbprint;
use crate::error::{backend, malformed};
use crate::random::random_secret;
use crate::self_signed::self_signed;
use crate::{CryptoError, RandomSource, pem, random_array};

/// What to generate.
#[derive(Debug, Clone, Copy)]
pub struct GenerateRequest<'a> {
    /// The id of the key, which becomes the serial number of its certificate. Not zero for a key with a public half.
    pub id: KeyId,
    /// The algorithm and size.
    pub spec: KeySpec,
    /// The common name in the certificate: 1 to 64 characters, no control characters. Ignored for HMAC.
    pub issuer: &'a str,
    /// The start of the certificate's validity, which counts in whole seconds.
    pub now: Instant,
}

/// A new key.
pub struct GeneratedKey {
    /// The key identifier.
    pub kid: Kid,
    /// SubjectPublicKeyInfo as PEM; none for HMAC.
    pub public_key: Option<String>,
    /// The self-signed certificate as PEM; none for HMAC.
    pub certificate: Option<String>,
    /// The end of the certificate's validity; none for HMAC.
    pub expiration_instant: Option<Instant>,
    /// What is to be sealed. Of a pair: the private key as PKCS#8 DER (RFC 5208). Of HMAC: the bytes of the secret's
    /// text, which are the MAC key as they are.
    pub material: SecretBytes,
}

/// A private key or secret that belongs to no key yet. Making one is the slow part of [`generate`], so that a stock of
/// them can be kept.
pub struct PrivateMaterial(Material);

enum Material {
    Pair(PKey<Private>),
    Secret(HashSize, SecretBytes),
}

impl PrivateMaterial {
    /// The material of a pair as PKCS#8 DER (RFC 5208), in which form a stock keeps it: a known size, wiped on drop.
    /// `None` for HMAC secrets, which take no time to make.
    ///
    /// # Errors
    /// [`CryptoError::Backend`] when OpenSSL fails.
    pub fn to_pkcs8(&self) -> Result<Option<SecretBytes>, CryptoError> {
        match &self.0 {
            Material::Pair(pair) => {
                pair.private_key_to_pkcs8().map(|der| Some(SecretBytes::from(der))).map_err(backend)
            }
            Material::Secret(..) => Ok(None),
        }
    }

    /// Takes up again what [`to_pkcs8`](Self::to_pkcs8) gave.
    ///
    /// # Errors
    /// [`CryptoError::Malformed`] for other bytes.
    pub fn from_pkcs8(der: &SecretBytes) -> Result<Self, CryptoError> {
        PKey::private_key_from_pkcs8(der.expose()).map(|pair| Self(Material::Pair(pair))).map_err(malformed)
    }
}

/// Generates a key: [`generate_material`], then [`finish`].
///
/// # Errors
/// As those two.
pub fn generate(
    request: &GenerateRequest<'_>,
    random: &mut dyn RandomSource,
) -> Result<GeneratedKey, CryptoError> {
    let material = generate_material(request.spec, random)?;
    finish(request, material, random)
}

/// Makes the private key or secret. For RSA this takes from a tenth of a second to several seconds.
///
/// Pairs come from OpenSSL's own generator, which draws on the operating system; `random` is used for HMAC secrets
/// only: the standard base64 text of as many random bytes as the digest has.
///
/// # Errors
/// [`CryptoError::Entropy`] or [`CryptoError::Backend`] when there are no random bytes.
pub fn generate_material(
    spec: KeySpec,
    random: &mut dyn RandomSource,
) -> Result<PrivateMaterial, CryptoError> {
    let pair = match spec {
        KeySpec::Hmac(hash) => {
            let secret = random_secret(secret_length(hash), random)?;
            let text = STANDARD.encode(secret.expose()).into_bytes();
            return Ok(PrivateMaterial(Material::Secret(hash, SecretBytes::from(text))));
        }
        // The public exponent is 65537.
        KeySpec::Rsa(_, length) => Rsa::generate(length.bits()).and_then(PKey::from_rsa),
        KeySpec::Ec(hash) => EcGroup::from_curve_name(curve(hash))
            .and_then(|group| EcKey::generate(&group))
            .and_then(PKey::from_ec_key),
        KeySpec::Ed25519 => PKey::generate_ed25519(),
    };
    pair.map(|pair| PrivateMaterial(Material::Pair(pair))).map_err(backend)
}

/// Makes a key of this material: encodes it, and signs its certificate. The material of an RSA key serves any digest.
///
/// # Errors
/// [`CryptoError::Mismatch`] when the material is not of the kind that `request.spec` asks for. For pairs also
/// [`CryptoError::Unsupported`] when the id is zero or `now` lies before 1970 or within ten years of the end of 9999,
/// and [`CryptoError::Malformed`] when the issuer makes no common name. For HMAC [`CryptoError::Entropy`] when the
/// source fails, which gives the `kid`.
pub fn finish(
    request: &GenerateRequest<'_>,
    material: PrivateMaterial,
    random: &mut dyn RandomSource,
) -> Result<GeneratedKey, CryptoError> {
    match material.0 {
        Material::Secret(hash, secret) if request.spec == KeySpec::Hmac(hash) => Ok(GeneratedKey {
            kid: random_hmac_kid(random)?,
            public_key: None,
            certificate: None,
            expiration_instant: None,
            material: secret,
        }),
        Material::Pair(pair) if fits(&pair, request.spec)? => finish_pair(request, &pair),
        Material::Secret(..) | Material::Pair(_) => Err(CryptoError::Mismatch),
    }
}

/// A random `kid` for a key without public half: five random bytes as ten lower-case hex digits.
///
/// # Errors
/// [`CryptoError::Entropy`] when the source fails.
pub fn random_hmac_kid(random: &mut dyn RandomSource) -> Result<Kid, CryptoError> {
    let bytes: [u8; 5] = random_array(random)?;
    Ok(Kid::from(bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>()))
}

fn finish_pair(request: &GenerateRequest<'_>, pair: &PKey<Private>) -> Result<GeneratedKey, CryptoError> {
    let certificate = self_signed(request, pair)?;
    Ok(GeneratedKey {
        kid: Kid::from(sha1_thumbprint(&certificate.der)?),
        public_key: Some(pem::encode(pem::PUBLIC_KEY, &pair.public_key_to_der().map_err(backend)?)),
        certificate: Some(pem::encode(pem::CERTIFICATE, &certificate.der)),
        expiration_instant: Some(certificate.end),
        material: SecretBytes::from(pair.private_key_to_pkcs8().map_err(backend)?),
    })
}

const fn curve(hash: HashSize) -> Nid {
    match hash {
        HashSize::Bits256 => Nid::X9_62_PRIME256V1,
        HashSize::Bits384 => Nid::SECP384R1,
        HashSize::Bits512 => Nid::SECP521R1,
    }
}

/// Bytes of the random part of an HMAC secret.
const fn secret_length(hash: HashSize) -> usize {
    match hash {
        HashSize::Bits256 => 32,
        HashSize::Bits384 => 48,
        HashSize::Bits512 => 64,
    }
}

/// Whether a pair is of the type and size that the spec asks for.
fn fits(pair: &PKey<Private>, spec: KeySpec) -> Result<bool, CryptoError> {
    Ok(match spec {
        KeySpec::Rsa(_, length) => pair.id() == Id::RSA && pair.bits() == RsaLength::bits(length),
        KeySpec::Ec(hash) => {
            pair.id() == Id::EC && pair.ec_key().map_err(backend)?.group().curve_name() == Some(curve(hash))
        }
        KeySpec::Ed25519 => pair.id() == Id::ED25519,
        KeySpec::Hmac(_) => false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::certificate::Certificate;
    use crate::random::test_random::{CountingRandom, NoRandom};

    fn request(spec: KeySpec) -> GenerateRequest<'static> {
        GenerateRequest {
            id: KeyId::from_u128(1),
            spec,
            issuer: "acme.com",
            now: Instant::from_epoch_millis(1_700_000_000_123),
        }
    }

    fn error(request: &GenerateRequest<'_>) -> Option<CryptoError> {
        generate(request, &mut CountingRandom::default()).err()
    }

    #[test]
    fn hmac_secrets_are_base64_text() {
        for (hash, bytes, characters) in
            [(HashSize::Bits256, 32, 44), (HashSize::Bits384, 48, 64), (HashSize::Bits512, 64, 88)]
        {
            let request =
                GenerateRequest { id: KeyId::from_u128(0), issuer: "", ..request(KeySpec::Hmac(hash)) };
            let key = generate(&request, &mut CountingRandom::default()).unwrap();
            assert_eq!(key.material.expose().len(), characters);
            let expected: Vec<u8> = (0..bytes).collect();
            assert_eq!(STANDARD.decode(key.material.expose()).unwrap(), expected);
            let kid: String = (bytes..bytes + 5).map(|byte| format!("{byte:02x}")).collect();
            assert_eq!(key.kid.as_str(), kid);
            assert!(
                key.public_key.is_none() && key.certificate.is_none() && key.expiration_instant.is_none()
            );
            assert_eq!(generate(&request, &mut NoRandom).err(), Some(CryptoError::Entropy));
        }
        assert_eq!(random_hmac_kid(&mut CountingRandom::default()).unwrap().as_str(), "0001020304");
    }

    #[test]
    fn what_makes_no_certificate_is_refused() {
        let good = request(KeySpec::Ed25519);
        assert_eq!(error(&good), None);
        assert_eq!(
            error(&GenerateRequest { id: KeyId::from_u128(0), ..good }),
            Some(CryptoError::Unsupported)
        );
        for millis in [-1, i64::MIN, Instant::MAXIMUM.epoch_millis(), i64::MAX] {
            let now = Instant::from_epoch_millis(millis);
            assert_eq!(error(&GenerateRequest { now, ..good }), Some(CryptoError::Unsupported), "{millis}");
        }
        let (longest, too_long) = ("ü".repeat(64), "ü".repeat(65));
        assert_eq!(error(&GenerateRequest { issuer: &longest, ..good }), None);
        for issuer in ["", "a\0b", "a\nb", "a\u{85}b", &too_long] {
            assert_eq!(
                error(&GenerateRequest { issuer, ..good }),
                Some(CryptoError::Malformed),
                "{issuer:?}"
            );
        }
    }

    #[test]
    fn material_must_fit_the_request() {
        let mut random = CountingRandom::default();
        for made in [
            KeySpec::Ec(HashSize::Bits256),
            KeySpec::Ec(HashSize::Bits384),
            KeySpec::Ed25519,
            KeySpec::Hmac(HashSize::Bits256),
            KeySpec::Hmac(HashSize::Bits512),
        ] {
            for asked in [
                KeySpec::Ec(HashSize::Bits256),
                KeySpec::Ed25519,
                KeySpec::Hmac(HashSize::Bits256),
                KeySpec::Rsa(HashSize::Bits256, RsaLength::Bits2048),
            ] {
                let material = generate_material(made, &mut random).unwrap();
                let expected = (made != asked).then_some(CryptoError::Mismatch);
                assert_eq!(
                    finish(&request(asked), material, &mut random).err(),
                    expected,
                    "{made:?} {asked:?}"
                );
            }
        }
    }

    /// One RSA key, as from a stock, serves any digest of its size.
    #[test]
    fn rsa_material_serves_any_digest_of_its_size() {
        let pair = Rsa::generate(2048).and_then(PKey::from_rsa).unwrap();
        for (hash, signature) in [
            (HashSize::Bits256, Nid::SHA256WITHRSAENCRYPTION),
            (HashSize::Bits384, Nid::SHA384WITHRSAENCRYPTION),
            (HashSize::Bits512, Nid::SHA512WITHRSAENCRYPTION),
        ] {
            let material = || PrivateMaterial(Material::Pair(pair.clone()));
            let fitting = request(KeySpec::Rsa(hash, RsaLength::Bits2048));
            let key = finish(&fitting, material(), &mut NoRandom).unwrap();
            let certificate = Certificate::from_pem(&key.certificate.unwrap()).unwrap().x509;
            assert_eq!(certificate.signature_algorithm().object().nid(), signature);
            assert!(certificate.verify(&pair).unwrap());
            let other = request(KeySpec::Rsa(hash, RsaLength::Bits3072));
            assert_eq!(finish(&other, material(), &mut NoRandom).err(), Some(CryptoError::Mismatch));
        }
    }

    #[test]
    fn pairs_survive_their_encoding_and_secrets_have_none() {
        let mut random = CountingRandom::default();
        let made = generate_material(KeySpec::Ec(HashSize::Bits256), &mut random).unwrap();
        let encoded = made.to_pkcs8().unwrap().unwrap();
        let again = PrivateMaterial::from_pkcs8(&encoded).unwrap();
        assert_eq!(again.to_pkcs8().unwrap().unwrap().expose(), encoded.expose());
        assert!(finish(&request(KeySpec::Ec(HashSize::Bits256)), again, &mut random).is_ok());
        let secret = generate_material(KeySpec::Hmac(HashSize::Bits256), &mut random).unwrap();
        assert!(secret.to_pkcs8().unwrap().is_none());
        let garbage = SecretBytes::from(b"garbage".to_vec());
        assert_eq!(PrivateMaterial::from_pkcs8(&garbage).err(), Some(CryptoError::Malformed));
    }

    #[test]
    fn material_can_cross_threads() {
        fn sendable<T: Send + Sync>() {}
        sendable::<PrivateMaterial>();
        sendable::<GeneratedKey>();
    }
}
