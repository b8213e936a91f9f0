//! The public half of a key as a JSON Web Key (RFC 7517; RFC 7518, section 6; RFC 8037).

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use claviger_domain::{Key, KeyAlgorithm, KeyType};
use josekit::jwk::Jwk;
use openssl::bn::{BigNum, BigNumContext, BigNumRef};
use openssl::hash::{MessageDigest, hash};
use openssl::nid::Nid;
use openssl::pkey::{Id, PKey, PKeyRef, Public};
use serde_json::Value;

use crate::certificate::{Certificate, sha1_thumbprint};
use crate::error::{backend, malformed};
use crate::{CryptoError, pem};

/// The public JWK of a key, with its certificate where it has one. `None` for HMAC keys and secrets, whatever they
/// carry, and for keys without public half. `alg` is left out when the key has no algorithm.
///
/// # Errors
/// [`CryptoError::Malformed`] when the key or its certificate cannot be read, [`CryptoError::Unsupported`] for a curve
/// without a name in JOSE, [`CryptoError::Mismatch`] when type, algorithm, public key and certificate contradict
/// each other.
pub fn public_jwk(key: &Key) -> Result<Option<Value>, CryptoError> {
    let (true, Some(public_key)) = (key.key_type.is_asymmetric(), &key.public_key) else {
        return Ok(None);
    };
    if key.algorithm.is_some_and(|algorithm| algorithm.key_type() != key.key_type) {
        return Err(CryptoError::Mismatch);
    }
    let public_key = read_public_key(public_key)?;
    let mut jwk = match (key.key_type, public_key.id()) {
        (KeyType::Rsa, Id::RSA) => rsa(&public_key)?,
        (KeyType::Ec, Id::EC) => ec(&public_key, key.algorithm)?,
        (KeyType::Okp, Id::ED25519) => ed25519(&public_key)?,
        _ => return Err(CryptoError::Mismatch),
    };
    jwk.set_key_id(key.kid.as_str());
    jwk.set_key_use("sig");
    if let Some(algorithm) = key.algorithm {
        jwk.set_algorithm(algorithm.as_str());
    }
    if let Some(certificate) = &key.certificate {
        add_certificate(&mut jwk, certificate, &public_key)?;
    }
    Ok(Some(Value::Object(jwk.into())))
}

/// The thumbprint of a public key (RFC 7638) that is no certificate's: the SHA-1 digest of the JWK's required members in
/// the order of their names, without white space, in base64url.
///
/// # Errors
/// [`CryptoError::Malformed`] when the text is no SubjectPublicKeyInfo in PEM as OpenSSL writes it,
/// [`CryptoError::Unsupported`] for keys that are neither RSA, Ed25519 nor on a curve with a name in JOSE.
pub fn jwk_thumbprint(public_key_pem: &str) -> Result<String, CryptoError> {
    let key = read_public_key(public_key_pem)?;
    // These hold the required members and nothing else yet.
    let jwk = match key.id() {
        Id::RSA => rsa(&key)?,
        Id::EC => ec(&key, None)?,
        Id::ED25519 => ed25519(&key)?,
        _ => return Err(CryptoError::Unsupported),
    };
    let members: BTreeMap<&String, &Value> = jwk.as_ref().iter().collect();
    let canonical = serde_json::to_vec(&members).map_err(|error| CryptoError::Backend(error.to_string()))?;
    sha1_thumbprint(&canonical)
}

/// Reads a SubjectPublicKeyInfo in PEM, in the one encoding that OpenSSL itself would write.
pub(crate) fn read_public_key(text: &str) -> Result<PKey<Public>, CryptoError> {
    let der = pem::decode(pem::PUBLIC_KEY, text)?;
    let key = PKey::public_key_from_der(&der).map_err(malformed)?;
    if key.public_key_to_der().map_err(malformed)? != der {
        return Err(CryptoError::Malformed);
    }
    Ok(key)
}

fn rsa(key: &PKeyRef<Public>) -> Result<Jwk, CryptoError> {
    let key = key.rsa().map_err(malformed)?;
    let mut jwk = Jwk::new("RSA");
    set(&mut jwk, "e", &key.e().to_vec())?;
    set(&mut jwk, "n", &key.n().to_vec())?;
    Ok(jwk)
}

fn ec(key: &PKeyRef<Public>, algorithm: Option<KeyAlgorithm>) -> Result<Jwk, CryptoError> {
    let key = key.ec_key().map_err(malformed)?;
    key.check_key().map_err(malformed)?;
    let (name, size, fitting) = match key.group().curve_name() {
        Some(Nid::X9_62_PRIME256V1) => ("P-256", 32, KeyAlgorithm::Es256),
        Some(Nid::SECP384R1) => ("P-384", 48, KeyAlgorithm::Es384),
        Some(Nid::SECP521R1) => ("P-521", 66, KeyAlgorithm::Es512),
        _ => return Err(CryptoError::Unsupported),
    };
    if algorithm.is_some_and(|algorithm| algorithm != fitting) {
        return Err(CryptoError::Mismatch);
    }
    let mut context = BigNumContext::new().map_err(backend)?;
    let (mut x, mut y) = (BigNum::new().map_err(backend)?, BigNum::new().map_err(backend)?);
    key.public_key().affine_coordinates(key.group(), &mut x, &mut y, &mut context).map_err(malformed)?;
    // Padded to the size of the curve: RFC 7518, section 6.2.1.2.
    let padded = |number: &BigNumRef| number.to_vec_padded(size).map_err(backend);
    let mut jwk = Jwk::new("EC");
    jwk.set_curve(name);
    set(&mut jwk, "x", &padded(&x)?)?;
    set(&mut jwk, "y", &padded(&y)?)?;
    Ok(jwk)
}

fn ed25519(key: &PKeyRef<Public>) -> Result<Jwk, CryptoError> {
    let mut jwk = Jwk::new("OKP");
    jwk.set_curve("Ed25519");
    set(&mut jwk, "x", &key.raw_public_key().map_err(malformed)?)?;
    Ok(jwk)
}

/// Adds `x5c`, `x5t` and `x5t#S256`, if the certificate is one of this very key.
fn add_certificate(jwk: &mut Jwk, text: &str, public_key: &PKeyRef<Public>) -> Result<(), CryptoError> {
    let certificate = Certificate::from_pem(text)?;
    if !certificate.x509.public_key().map_err(malformed)?.public_eq(public_key) {
        return Err(CryptoError::Mismatch);
    }
    let digest = |kind| hash(kind, &certificate.der).map_err(backend);
    jwk.set_x509_certificate_sha1_thumbprint(digest(MessageDigest::sha1())?);
    jwk.set_x509_certificate_sha256_thumbprint(digest(MessageDigest::sha256())?);
    jwk.set_x509_certificate_chain(&vec![certificate.der]);
    Ok(())
}

/// Sets a member to bytes in base64url (RFC 7518, section 2).
fn set(jwk: &mut Jwk, member: &str, bytes: &[u8]) -> Result<(), CryptoError> {
    jwk.set_parameter(member, Some(Value::String(URL_SAFE_NO_PAD.encode(bytes))))
        .map_err(|_| CryptoError::Backend(format!("the JWK member {member} was refused")))
}
