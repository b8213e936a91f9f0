//! The self-signed certificates of generated keys.
//!
//! X.509 version 3 without extensions. Subject and issuer are one common name; the serial number is the key's id as an
//! unsigned number; it is valid for ten calendar years.

use claviger_domain::{HashSize, Instant, KeySpec};
use openssl::asn1::{Asn1Time, Asn1Type};
use openssl::bn::BigNum;
use openssl::error::ErrorStack;
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{PKeyRef, Private};
use openssl::x509::{X509, X509Name};

use crate::calendar::ten_years_later;
use crate::error::backend;
use crate::{CryptoError, GenerateRequest};

/// The longest common name, in characters (RFC 5280, appendix A: `ub-common-name`).
const MAXIMUM_COMMON_NAME_LENGTH: usize = 64;

/// A certificate, and when it ends.
pub(crate) struct SelfSigned {
    pub(crate) der: Vec<u8>,
    pub(crate) end: Instant,
}

/// The certificate of this pair, which must be of the kind that `request.spec` names.
///
/// # Errors
/// [`CryptoError::Unsupported`] when the id is zero, or the validity begins before 1970 or ends after 9999;
/// [`CryptoError::Malformed`] when the issuer makes no common name.
pub(crate) fn self_signed(
    request: &GenerateRequest<'_>,
    pair: &PKeyRef<Private>,
) -> Result<SelfSigned, CryptoError> {
    let common_name_type = common_name_type(request.issuer)?;
    let start = request.now.epoch_seconds();
    let end = ten_years_later(start).ok_or(CryptoError::Unsupported)?;
    // A serial number is positive: RFC 5280, section 4.1.2.2.
    if request.id.as_u128() == 0 {
        return Err(CryptoError::Unsupported);
    }
    let der = build(request, common_name_type, start, end, pair)
        .and_then(|certificate| certificate.to_der())
        .map_err(backend)?;
    Ok(SelfSigned { der, end: Instant::from_epoch_millis(end * 1000) })
}

fn build(
    request: &GenerateRequest<'_>,
    common_name_type: Asn1Type,
    start: i64,
    end: i64,
    pair: &PKeyRef<Private>,
) -> Result<X509, ErrorStack> {
    let mut name = X509Name::builder()?;
    name.append_entry_by_nid_with_type(Nid::COMMONNAME, request.issuer, common_name_type)?;
    let name = name.build();
    let serial = BigNum::from_slice(request.id.as_bytes())?.to_asn1_integer()?;

    let mut builder = X509::builder()?;
    builder.set_version(2)?; // counted from zero: version 3
    builder.set_serial_number(&serial)?;
    builder.set_subject_name(&name)?;
    builder.set_issuer_name(&name)?;
    builder.set_not_before(Asn1Time::from_unix(start)?.as_ref())?;
    builder.set_not_after(Asn1Time::from_unix(end)?.as_ref())?;
    builder.set_pubkey(pair)?;
    builder.sign(pair, digest(request.spec))?;
    Ok(builder.build())
}

/// How the common name is encoded: the common form where the characters allow, else UTF-8.
fn common_name_type(name: &str) -> Result<Asn1Type, CryptoError> {
    let length = name.chars().count();
    if length == 0 || length > MAXIMUM_COMMON_NAME_LENGTH || name.chars().any(char::is_control) {
        return Err(CryptoError::Malformed);
    }
    // X.680, section 41.4.
    let printable = |byte: u8| byte.is_ascii_alphanumeric() || b" '()+,-./:=?".contains(&byte);
    Ok(if name.bytes().all(printable) { Asn1Type::PRINTABLESTRING } else { Asn1Type::UTF8STRING })
}

/// The digest of the certificate's signature; Ed25519 has its own.
fn digest(spec: KeySpec) -> MessageDigest {
    match spec {
        KeySpec::Ec(hash) | KeySpec::Hmac(hash) | KeySpec::Rsa(hash, _) => match hash {
            HashSize::Bits256 => MessageDigest::sha256(),
            HashSize::Bits384 => MessageDigest::sha384(),
            HashSize::Bits512 => MessageDigest::sha512(),
        },
        KeySpec::Ed25519 => MessageDigest::null(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_common_name_is_printable_where_it_can_be() {
        for (name, expected) in [
            ("acme.com", Asn1Type::PRINTABLESTRING),
            ("A (b) '+,-./:=?", Asn1Type::PRINTABLESTRING),
            ("a@acme.com", Asn1Type::UTF8STRING),
            ("a_b", Asn1Type::UTF8STRING),
            ("*", Asn1Type::UTF8STRING),
            ("Bücher", Asn1Type::UTF8STRING),
        ] {
            assert!(common_name_type(name) == Ok(expected), "{name}");
        }
    }
}
