//! X.509 certificates (RFC 5280): reading them, and what the API shows of them (FusionAuth: `certificateInformation`).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use claviger_domain::Instant;
use openssl::asn1::{Asn1IntegerRef, Asn1Time, Asn1TimeRef};
use openssl::hash::{MessageDigest, hash};
use openssl::x509::{X509, X509NameRef};

use crate::error::{backend, malformed};
use crate::import::der::is_der;
use crate::{CryptoError, distinguished_name, pem};

/// What the API shows of a certificate.
///
/// Fingerprints are digests of the DER in upper-case hex pairs joined by `:`; thumbprints are the same digests in
/// base64url without padding (RFC 7517, sections 4.8 and 4.9).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateInformation {
    /// The issuer's name (RFC 4514), such as `CN=acme.com`.
    pub issuer: String,
    /// The MD5 fingerprint. Names the certificate; proves nothing.
    pub md5_fingerprint: String,
    /// The bytes of the DER INTEGER in upper-case hex pairs joined by `:`; a leading `00` where it needs one.
    pub serial_number: String,
    /// The SHA-1 fingerprint.
    pub sha1_fingerprint: String,
    /// The SHA-1 thumbprint, a JWK's `x5t`.
    pub sha1_thumbprint: String,
    /// The SHA-256 fingerprint.
    pub sha256_fingerprint: String,
    /// The SHA-256 thumbprint, a JWK's `x5t#S256`.
    pub sha256_thumbprint: String,
    /// The subject's name, as the issuer's.
    pub subject: String,
    /// The start of its validity, in whole seconds.
    pub valid_from: Instant,
    /// The end of its validity, in whole seconds.
    pub valid_to: Instant,
}

/// Reads a certificate of version 1, 2 or 3. Says nothing about whether it can be trusted: no signature is checked.
///
/// # Errors
/// [`CryptoError::Malformed`] when the text is not one certificate in PEM, is longer than
/// [`MAXIMUM_PEM_LENGTH`](crate::MAXIMUM_PEM_LENGTH), or the certificate is not in DER.
pub fn certificate_information(certificate_pem: &str) -> Result<CertificateInformation, CryptoError> {
    let Certificate { x509, der } = Certificate::from_pem(certificate_pem)?;
    let digest = |kind| hash(kind, &der).map_err(backend);
    let (md5, sha1, sha256) =
        (digest(MessageDigest::md5())?, digest(MessageDigest::sha1())?, digest(MessageDigest::sha256())?);
    Ok(CertificateInformation {
        issuer: name_text(x509.issuer_name())?,
        md5_fingerprint: hex_pairs(&md5),
        serial_number: hex_pairs(&serial_bytes(x509.serial_number())?),
        sha1_fingerprint: hex_pairs(&sha1),
        sha1_thumbprint: URL_SAFE_NO_PAD.encode(sha1),
        sha256_fingerprint: hex_pairs(&sha256),
        sha256_thumbprint: URL_SAFE_NO_PAD.encode(sha256),
        subject: name_text(x509.subject_name())?,
        valid_from: instant(x509.not_before())?,
        valid_to: instant(x509.not_after())?,
    })
}

/// A certificate that OpenSSL has parsed, and the very bytes that it was parsed from.
pub(crate) struct Certificate {
    pub(crate) x509: X509,
    pub(crate) der: Vec<u8>,
}

impl Certificate {
    /// # Errors
    /// As [`certificate_information`].
    pub(crate) fn from_pem(text: &str) -> Result<Self, CryptoError> {
        let der = pem::decode(pem::CERTIFICATE, text)?;
        // OpenSSL reads BER, keeps it within what is signed, and stops where the certificate ends: one certificate could
        // have many fingerprints.
        if !is_der(&der) {
            return Err(CryptoError::Malformed);
        }
        let x509 = X509::from_der(&der).map_err(malformed)?;
        if x509.to_der().map_err(malformed)? != der {
            return Err(CryptoError::Malformed);
        }
        Ok(Self { x509, der })
    }
}

/// The SHA-1 thumbprint of a certificate (RFC 7517, section 4.8) or of a JWK's canonical form (RFC 7638).
pub(crate) fn sha1_thumbprint(der: &[u8]) -> Result<String, CryptoError> {
    hash(MessageDigest::sha1(), der).map(|digest| URL_SAFE_NO_PAD.encode(digest)).map_err(backend)
}

fn name_text(name: &X509NameRef) -> Result<String, CryptoError> {
    distinguished_name::to_text(&name.to_der().map_err(malformed)?)
}

/// The shortest two's complement of a serial number, which is what its DER holds. Negative ones are not allowed
/// (RFC 5280, section 4.1.2.2), and exist.
fn serial_bytes(serial: &Asn1IntegerRef) -> Result<Vec<u8>, CryptoError> {
    let number = serial.to_bn().map_err(malformed)?;
    let mut bytes = vec![0];
    bytes.extend(number.to_vec());
    if number.is_negative() {
        let mut carry = true;
        for byte in bytes.iter_mut().rev() {
            (*byte, carry) = (!*byte).overflowing_add(u8::from(carry));
        }
    }
    while let [first @ (0x00 | 0xff), second, ..] = *bytes
        && first & 0x80 == second & 0x80
    {
        bytes.remove(0);
    }
    Ok(bytes)
}

fn instant(time: &Asn1TimeRef) -> Result<Instant, CryptoError> {
    let epoch = Asn1Time::from_unix(0).map_err(backend)?;
    let since = epoch.diff(time).map_err(malformed)?;
    let seconds = i64::from(since.days) * 86_400 + i64::from(since.secs);
    Ok(Instant::from_epoch_millis(seconds * 1000))
}

fn hex_pairs(bytes: &[u8]) -> String {
    let pairs: Vec<String> = bytes.iter().map(|byte| format!("{byte:02X}")).collect();
    pairs.join(":")
}

#[cfg(test)]
mod tests {
    use openssl::bn::BigNum;

    use super::*;

    #[track_caller]
    fn check(decimal: &str, expected: &str) {
        let serial = BigNum::from_dec_str(decimal).unwrap().to_asn1_integer().unwrap();
        assert_eq!(hex_pairs(&serial_bytes(&serial).unwrap()), expected);
    }

    #[test]
    fn serial_numbers_are_the_bytes_of_the_integer() {
        check("0", "00");
        check("1", "01");
        check("127", "7F");
        check("128", "00:80");
        check("255", "00:FF");
        check("256", "01:00");
        check("32768", "00:80:00");
        check("-1", "FF");
        check("-128", "80");
        check("-129", "FF:7F");
        check("-255", "FF:01");
        check("-256", "FF:00");
        check("-32768", "80:00");
    }

    #[test]
    fn instants_are_whole_seconds_over_the_whole_range() {
        for (text, millis) in [
            ("19700101000000Z", 0),
            ("19691231235959Z", -1_000),
            ("00000101000000Z", -62_167_219_200_000),
            ("20290703212432Z", 1_877_808_272_000),
            ("99991231235959Z", 253_402_300_799_000),
        ] {
            let time = Asn1Time::from_str(text).unwrap();
            assert_eq!(instant(&time).unwrap().epoch_millis(), millis, "{text}");
        }
    }
}
