//! Whether the numbers of a key that OpenSSL has read make a sound key, and its one form in which it is kept.

use claviger_domain::SecretBytes;
use openssl::bn::{BigNum, BigNumContext, BigNumRef};
use openssl::ec::{Asn1Flag, EcGroup, EcKey, EcKeyRef, EcPoint, PointConversionForm};
use openssl::error::ErrorStack;
use openssl::pkey::{HasPublic, Id, PKey, PKeyRef, Private, Public};
use openssl::rsa::Rsa;

use super::ImportFault;
use super::kind::{Curve, Kind};

/// A public key, and its SubjectPublicKeyInfo as OpenSSL writes it: equal keys have equal bytes.
#[derive(Clone)]
pub(super) struct PublicHalf {
    pub(super) kind: Kind,
    pub(super) spki: Vec<u8>,
}

/// A private key with its public half.
pub(super) struct Pair {
    pub(super) key: PKey<Private>,
    pub(super) public: PublicHalf,
}

impl Pair {
    /// The private key as PKCS#8 DER (RFC 5208).
    pub(super) fn pkcs8(&self) -> Result<SecretBytes, ErrorStack> {
        self.key.private_key_to_pkcs8().map(SecretBytes::from)
    }
}

/// The encodings of the Ed25519 points whose order divides eight, without the sign: with such a key, signatures can be
/// made that hold for any text. The first two and the last three are two points, once in a form that is not canonical.
const ED25519_SMALL_ORDER: [[u8; 32]; 7] = [
    edge(0x00, 0x00, 0x00),
    edge(0x01, 0x00, 0x00),
    [
        0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4, 0x89, 0xf2, 0xef, 0x98, 0xf0, 0xd5,
        0xdf, 0xac, 0x05, 0xd3, 0xc6, 0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53, 0xfc, 0x05,
    ],
    [
        0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b, 0x76, 0x0d, 0x10, 0x67, 0x0f, 0x2a,
        0x20, 0x53, 0xfa, 0x2c, 0x39, 0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77, 0x92, 0xac, 0x03, 0x7a,
    ],
    edge(0xec, 0xff, 0x7f),
    edge(0xed, 0xff, 0x7f),
    edge(0xee, 0xff, 0x7f),
];

/// 32 bytes that are alike but for the first and the last.
const fn edge(first: u8, middle: u8, last: u8) -> [u8; 32] {
    let mut bytes = [middle; 32];
    let [start, .., end] = &mut bytes;
    (*start, *end) = (first, last);
    bytes
}

/// Checks a public key that was announced to be of this kind.
pub(super) fn public(key: &PKeyRef<Public>, kind: Kind) -> Result<PublicHalf, ImportFault> {
    let normal = match (kind, key.id()) {
        (Kind::Rsa(bits), Id::RSA) if key.bits() == bits => {
            // Its size and exponent are checked already; nothing more can be told of a modulus.
            key.rsa().and_then(PKey::from_rsa)
        }
        (Kind::Ec(curve), Id::EC) => {
            let key = key.ec_key().map_err(invalid)?;
            let (group, point) = point(&key, curve)?;
            EcKey::from_public_key(&group, &point).and_then(PKey::from_ec_key)
        }
        (Kind::Ed25519, Id::ED25519) => {
            let bytes = key.raw_public_key().map_err(invalid)?;
            if has_small_order(&bytes) {
                return Err(ImportFault::Invalid);
            }
            PKey::public_key_from_raw_bytes(&bytes, Id::ED25519)
        }
        _ => return Err(ImportFault::Invalid),
    };
    half(&*normal.map_err(invalid)?, kind)
}

/// Checks a private key that was announced to be of this kind, and derives its public half.
pub(super) fn pair(key: PKey<Private>, kind: Kind) -> Result<Pair, ImportFault> {
    let normal = match (kind, key.id()) {
        (Kind::Rsa(bits), Id::RSA) if key.bits() == bits => {
            let rsa = key.rsa().map_err(invalid)?;
            check_rsa(&rsa, bits)?;
            PKey::from_rsa(rsa).map_err(invalid)?
        }
        (Kind::Ec(curve), Id::EC) => {
            let key = key.ec_key().map_err(invalid)?;
            let (group, point) = point(&key, curve)?;
            EcKey::from_private_components(&group, key.private_key(), &point)
                .and_then(PKey::from_ec_key)
                .map_err(invalid)?
        }
        (Kind::Ed25519, Id::ED25519) => key,
        _ => return Err(ImportFault::Invalid),
    };
    let public = half(&normal, kind)?;
    Ok(Pair { key: normal, public })
}

fn half<T: HasPublic>(key: &PKeyRef<T>, kind: Kind) -> Result<PublicHalf, ImportFault> {
    Ok(PublicHalf { kind, spki: key.public_key_to_der().map_err(invalid)? })
}

/// The point of a key, on a curve of OpenSSL's own, once the key is checked: the point is on the curve and, of a pair,
/// belongs to the scalar, which is in range. Whether the point came in the compressed form, which the
/// key remembers, must make no difference.
fn point<T: HasPublic>(key: &EcKeyRef<T>, curve: Curve) -> Result<(EcGroup, EcPoint), ImportFault> {
    if key.group().curve_name() != Some(curve.nid()) || key.group().asn1_flag() != Asn1Flag::NAMED_CURVE {
        return Err(ImportFault::UnsupportedCurve);
    }
    key.check_key().map_err(invalid)?;
    let copy = || {
        let mut context = BigNumContext::new()?;
        let form = PointConversionForm::UNCOMPRESSED;
        let bytes = key.public_key().to_bytes(key.group(), form, &mut context)?;
        let group = EcGroup::from_curve_name(curve.nid())?;
        let point = EcPoint::from_bytes(&group, &bytes, &mut context)?;
        Ok((group, point))
    };
    copy().map_err(invalid)
}

/// The checks that OpenSSL leaves out of `RSA_check_key`, and that one last: it looks for primes, which is only cheap
/// because the sizes have been checked.
fn check_rsa(rsa: &Rsa<Private>, bits: u32) -> Result<(), ImportFault> {
    let (Some(p), Some(q)) = (rsa.p(), rsa.q()) else {
        return Err(ImportFault::Invalid);
    };
    let sound = || -> Result<bool, ErrorStack> {
        let mut product = BigNum::new()?;
        product.checked_mul(p, q, &mut *BigNumContext::new()?)?;
        Ok(product.ucmp(rsa.n()).is_eq()
            && primes_are_apart(p, q, bits)?
            && rsa.d().ucmp(rsa.n()).is_lt()
            && rsa.check_key()?)
    };
    match sound() {
        Ok(true) => Ok(()),
        Ok(false) | Err(_) => Err(ImportFault::Invalid),
    }
}

/// Primes that are close to each other are found at once (Fermat); FIPS 186-5, appendix A.1.3, sets this distance.
fn primes_are_apart(p: &BigNumRef, q: &BigNumRef, bits: u32) -> Result<bool, ErrorStack> {
    let mut distance = BigNum::new()?;
    distance.checked_sub(p, q)?;
    let distance_bits = u32::try_from(distance.num_bits());
    // It gives the primes away.
    distance.clear();
    Ok(distance_bits.is_ok_and(|distance| distance > bits / 2 - 100))
}

/// Whether an encoded point has an order of at most eight.
fn has_small_order(bytes: &[u8]) -> bool {
    ED25519_SMALL_ORDER.iter().any(|small| match (bytes.split_last(), small.split_last()) {
        (Some((last, rest)), Some((small_last, small_rest))) => {
            rest == small_rest && last & 0x7f == *small_last
        }
        _ => false,
    })
}

/// What OpenSSL says about a bad key is of no use to the caller.
fn invalid(_: ErrorStack) -> ImportFault {
    ImportFault::Invalid
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn primes_must_not_be_close() {
        // The function looks at the distance alone: 2^1023 stands for a prime of an RSA key of 2048 bits.
        let power = |exponent| {
            let mut number = BigNum::new().unwrap();
            number.set_bit(exponent).unwrap();
            number
        };
        let p = power(1023);
        for (distance, expected) in [(0, false), (900, false), (923, false), (924, true), (1000, true)] {
            let mut q = BigNum::new().unwrap();
            q.checked_add(&p, &power(distance)).unwrap();
            assert_eq!(primes_are_apart(&p, &q, 2048).unwrap(), expected, "{distance}");
            assert_eq!(primes_are_apart(&q, &p, 2048).unwrap(), expected, "{distance}");
        }
        assert!(!primes_are_apart(&p, &p, 2048).unwrap());
    }
}
