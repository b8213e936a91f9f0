//! What kind and size of key stands in some DER, told before OpenSSL reads it. OpenSSL takes numbers of any size, and for
//! some kinds (DSA, DH) calculates with them while it reads: a text of 64 KiB could keep it busy for minutes. Only what
//! passes here gets that far.

use super::ImportFault;
use super::der::{Reader, is_der, positive_bits, tag};
use super::kind::{Curve, Kind};

const RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01];
const EC: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01];
const ED25519: &[u8] = &[0x2b, 0x65, 0x70];
const P256: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];
const P384: &[u8] = &[0x2b, 0x81, 0x04, 0x00, 0x22];
const P521: &[u8] = &[0x2b, 0x81, 0x04, 0x00, 0x23];

/// The most bits of an RSA public exponent: it is odd, so that below 2^64 and up to 2^64 are the same.
const MAXIMUM_EXPONENT_BITS: usize = 64;

/// How far the primes of an RSA key may be from half the bits of its modulus.
const PRIME_TOLERANCE: usize = 32;

/// An X.509 certificate (RFC 5280, section 4.1) of version 1, 2 or 3.
pub(super) fn certificate(der: &[u8]) -> Result<Kind, ImportFault> {
    if !is_der(der) {
        return Err(ImportFault::Invalid);
    }
    spki(certificate_spki(der).ok_or(ImportFault::Invalid)?)
}

fn certificate_spki(der: &[u8]) -> Option<&[u8]> {
    let mut certificate = Reader::of(tag::SEQUENCE, der)?;
    let mut tbs = Reader::new(certificate.take(tag::SEQUENCE)?);
    certificate.take(tag::SEQUENCE)?;
    certificate.take(tag::BIT_STRING)?;
    if tbs.peek() == Some(tag::CONTEXT_0) {
        let [0..=2] = Reader::of(tag::CONTEXT_0, tbs.take_whole(tag::CONTEXT_0)?)?.take(tag::INTEGER)? else {
            return None;
        };
    }
    tbs.take(tag::INTEGER)?; // serial number
    tbs.take(tag::SEQUENCE)?; // signature algorithm
    tbs.take(tag::SEQUENCE)?; // issuer
    tbs.take(tag::SEQUENCE)?; // validity
    tbs.take(tag::SEQUENCE)?; // subject
    let spki = tbs.take_whole(tag::SEQUENCE)?;
    certificate.is_at_end().then_some(spki)
}

/// A SubjectPublicKeyInfo (RFC 5280, section 4.1.2.7).
pub(super) fn spki(der: &[u8]) -> Result<Kind, ImportFault> {
    let parts = || {
        let mut spki = Reader::of(tag::SEQUENCE, der)?;
        let identifier = spki.take(tag::SEQUENCE)?;
        let bits = spki.take(tag::BIT_STRING)?;
        let key = bits.strip_prefix(&[0])?;
        (spki.is_at_end() && is_der(der)).then_some((identifier, key))
    };
    let (identifier, key) = parts().ok_or(ImportFault::Invalid)?;
    match algorithm(identifier)? {
        Algorithm::Rsa => pkcs1_public(key),
        Algorithm::Ec(curve) => Ok(Kind::Ec(curve)),
        Algorithm::Ed25519 => Ok(Kind::Ed25519),
    }
}

/// A PrivateKeyInfo (RFC 5208, section 5) that is not encrypted.
pub(super) fn pkcs8(der: &[u8]) -> Result<Kind, ImportFault> {
    let parts = || {
        let mut info = Reader::of(tag::SEQUENCE, der)?;
        let [0] = info.take(tag::INTEGER)? else { return None };
        let identifier = info.take(tag::SEQUENCE)?;
        let key = info.take(tag::OCTET_STRING)?;
        if info.peek() == Some(tag::CONTEXT_0) {
            info.take(tag::CONTEXT_0)?; // attributes
        }
        (info.is_at_end() && is_der(der)).then_some((identifier, key))
    };
    let (identifier, key) = parts().ok_or(ImportFault::Invalid)?;
    match algorithm(identifier)? {
        Algorithm::Rsa => pkcs1_private(key),
        Algorithm::Ec(curve) => match ec_private(key)? {
            Some(inner) if inner != curve => Err(ImportFault::Invalid),
            Some(_) | None => Ok(Kind::Ec(curve)),
        },
        Algorithm::Ed25519 => Ok(Kind::Ed25519),
    }
}

/// An ECPrivateKey (RFC 5915, section 3) that names its curve.
pub(super) fn sec1(der: &[u8]) -> Result<Kind, ImportFault> {
    ec_private(der)?.map(Kind::Ec).ok_or(ImportFault::Invalid)
}

/// The curve within an ECPrivateKey, which need not be there.
fn ec_private(der: &[u8]) -> Result<Option<Curve>, ImportFault> {
    let parts = || {
        let mut key = Reader::of(tag::SEQUENCE, der)?;
        let [1] = key.take(tag::INTEGER)? else { return None };
        key.take(tag::OCTET_STRING)?;
        let parameters =
            if key.peek() == Some(tag::CONTEXT_0) { Some(key.take(tag::CONTEXT_0)?) } else { None };
        if key.peek() == Some(tag::CONTEXT_1) {
            key.take(tag::CONTEXT_1)?; // public key
        }
        (key.is_at_end() && is_der(der)).then_some(parameters)
    };
    parts().ok_or(ImportFault::Invalid)?.map(curve).transpose()
}

/// An RSAPublicKey (RFC 8017, appendix A.1.1), whose size is not judged here beyond what is ever allowed.
pub(super) fn pkcs1_public(der: &[u8]) -> Result<Kind, ImportFault> {
    let parts = || {
        let mut key = Reader::of(tag::SEQUENCE, der)?;
        let parts = (key.take(tag::INTEGER)?, key.take(tag::INTEGER)?);
        (key.is_at_end() && is_der(der)).then_some(parts)
    };
    let (modulus, exponent) = parts().ok_or(ImportFault::Invalid)?;
    rsa(modulus, exponent)
}

/// An RSAPrivateKey (RFC 8017, appendix A.1.2) of two primes.
pub(super) fn pkcs1_private(der: &[u8]) -> Result<Kind, ImportFault> {
    let parts = || {
        let mut key = Reader::of(tag::SEQUENCE, der)?;
        let [0] = key.take(tag::INTEGER)? else { return None };
        let mut numbers = [&[][..]; 8];
        for number in &mut numbers {
            *number = key.take(tag::INTEGER)?;
        }
        (key.is_at_end() && is_der(der)).then_some(numbers)
    };
    let [modulus, exponent, d, p, q, dp, dq, inverse] = parts().ok_or(ImportFault::Invalid)?;
    let kind = rsa(modulus, exponent)?;
    let sizes_fit = || {
        let (bits, half) = (positive_bits(modulus)?, positive_bits(modulus)? / 2);
        let (p, q) = (positive_bits(p)?, positive_bits(q)?);
        let fits = positive_bits(d)? <= bits
            && p.abs_diff(half) <= PRIME_TOLERANCE
            && q.abs_diff(half) <= PRIME_TOLERANCE
            && positive_bits(dp)? <= p
            && positive_bits(dq)? <= q
            && positive_bits(inverse)? <= p;
        fits.then_some(())
    };
    sizes_fit().ok_or(ImportFault::Invalid)?;
    Ok(kind)
}

/// The one curve that an `EC PARAMETERS` block names.
pub(super) fn curve(parameters: &[u8]) -> Result<Curve, ImportFault> {
    if !is_der(parameters) {
        return Err(ImportFault::Invalid);
    }
    match Reader::new(parameters).take(tag::OBJECT_IDENTIFIER) {
        Some(P256) => Ok(Curve::P256),
        Some(P384) => Ok(Curve::P384),
        Some(P521) => Ok(Curve::P521),
        // Another curve, or parameters without a name, even if they are those of a curve with one.
        Some(_) | None => Err(ImportFault::UnsupportedCurve),
    }
}

enum Algorithm {
    Rsa,
    Ec(Curve),
    Ed25519,
}

/// What the content of an AlgorithmIdentifier (RFC 5280, section 4.1.1.2) names.
fn algorithm(identifier: &[u8]) -> Result<Algorithm, ImportFault> {
    let mut reader = Reader::new(identifier);
    let name = reader.take(tag::OBJECT_IDENTIFIER).ok_or(ImportFault::Invalid)?;
    match (name, reader.rest()) {
        // NULL, which some leave out (RFC 3279, section 2.3.1).
        (RSA, [] | [tag::NULL, 0]) => Ok(Algorithm::Rsa),
        (EC, parameters) => curve(parameters).map(Algorithm::Ec),
        (ED25519, []) => Ok(Algorithm::Ed25519),
        (RSA | ED25519, _) => Err(ImportFault::Invalid),
        _ => Err(ImportFault::UnsupportedAlgorithm),
    }
}

fn rsa(modulus: &[u8], exponent: &[u8]) -> Result<Kind, ImportFault> {
    let (bits, odd) = (positive_bits(modulus).ok_or(ImportFault::Invalid)?, is_odd(modulus));
    let bits = match bits {
        1024 => 1024,
        2048 => 2048,
        3072 => 3072,
        4096 => 4096,
        _ => return Err(ImportFault::InvalidLength),
    };
    if !odd {
        return Err(ImportFault::Invalid);
    }
    let exponent_fits = |length| (2..=MAXIMUM_EXPONENT_BITS).contains(&length) && is_odd(exponent);
    if !positive_bits(exponent).is_some_and(exponent_fits) {
        return Err(ImportFault::InvalidExponent);
    }
    Ok(Kind::Rsa(bits))
}

fn is_odd(integer: &[u8]) -> bool {
    integer.last().is_some_and(|byte| byte & 1 == 1)
}
