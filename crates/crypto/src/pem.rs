//! PEM armour (RFC 7468): lines of 64, LF, no newline at the end. Written and read here and not by OpenSSL, whose
//! readers ask for a pass phrase on the terminal when the text claims to be encrypted.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use crate::CryptoError;

/// The longest PEM text that is read, in bytes. A certificate for RSA 4096 has about 2 KiB.
pub const MAXIMUM_PEM_LENGTH: usize = 64 * 1024;

/// The label of an X.509 certificate.
pub(crate) const CERTIFICATE: &str = "CERTIFICATE";

/// The label of a SubjectPublicKeyInfo.
pub(crate) const PUBLIC_KEY: &str = "PUBLIC KEY";

/// The columns of a line.
const WIDTH: usize = 64;

/// The PEM form of these DER bytes.
pub(crate) fn encode(label: &str, der: &[u8]) -> String {
    let base64 = STANDARD.encode(der);
    let mut pem = format!("-----BEGIN {label}-----\n");
    for (index, digit) in base64.chars().enumerate() {
        if index > 0 && index % WIDTH == 0 {
            pem.push('\n');
        }
        pem.push(digit);
    }
    pem.push_str("\n-----END ");
    pem.push_str(label);
    pem.push_str("-----");
    pem
}

/// The DER bytes of the one PEM block that `text` consists of. White space around it and within the base64 is
/// skipped; headers (RFC 1421), text around the block and a second block are refused.
///
/// # Errors
/// [`CryptoError::Malformed`] for any other text, and for one longer than [`MAXIMUM_PEM_LENGTH`].
pub(crate) fn decode(label: &str, text: &str) -> Result<Vec<u8>, CryptoError> {
    if text.len() > MAXIMUM_PEM_LENGTH {
        return Err(CryptoError::Malformed);
    }
    let base64 = body(label, text.trim_ascii()).ok_or(CryptoError::Malformed)?;
    let digits: Vec<u8> = base64.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
    STANDARD.decode(digits).map_err(|_| CryptoError::Malformed)
}

/// One PEM block in a text from outside.
pub(crate) struct Block<'a> {
    pub(crate) label: &'a str,
    body: &'a str,
}

impl Block<'_> {
    /// Whether headers (RFC 1421, section 4.6) or the label say that the content is encrypted.
    pub(crate) fn is_encrypted(&self) -> bool {
        self.label == "ENCRYPTED PRIVATE KEY"
            || self.body.contains("Proc-Type:")
            || self.body.contains("DEK-Info:")
    }

    /// The bytes within the armour; `None` when that is not base64, as with headers of any kind.
    pub(crate) fn der(&self) -> Option<Zeroizing<Vec<u8>>> {
        decode_bare(self.body)
    }
}

/// The blocks of a text in their order. What stands around them is left out, as RFC 7468 (section 2) asks of readers:
/// `openssl pkcs12` and `openssl x509 -text` write notes there. `None` when an armour has only one of its ends.
pub(crate) fn blocks(text: &str) -> Option<Vec<Block<'_>>> {
    const BEGIN: &str = "-----BEGIN ";
    const END: &str = "-----END ";
    let mut blocks = Vec::new();
    let mut rest = text;
    while let Some((before, block)) = rest.split_once(BEGIN) {
        let (label, block) = block.split_once("-----")?;
        let (body, after) = block.split_once(END)?;
        if before.contains(END) || body.contains(BEGIN) {
            return None;
        }
        blocks.push(Block { label, body });
        rest = after.strip_prefix(label)?.strip_prefix("-----")?;
    }
    (!rest.contains(END)).then_some(blocks)
}

/// The bytes of base64 text without armour, in one line or many; `None` for any other text. They may be secret, and
/// are wiped wherever they stood.
pub(crate) fn decode_bare(base64: &str) -> Option<Zeroizing<Vec<u8>>> {
    let mut digits = Zeroizing::new(Vec::with_capacity(base64.len()));
    digits.extend(base64.bytes().filter(|byte| !byte.is_ascii_whitespace()));
    let mut der = Zeroizing::new(vec![0; base64::decoded_len_estimate(digits.len())]);
    let length = STANDARD.decode_slice(&*digits, &mut der).ok()?;
    der.truncate(length);
    Some(der)
}

/// What stands between the two lines of the armour.
fn body<'a>(label: &str, text: &'a str) -> Option<&'a str> {
    text.strip_prefix("-----BEGIN ")?
        .strip_prefix(label)?
        .strip_prefix("-----")?
        .strip_suffix("-----")?
        .strip_suffix(label)?
        .strip_suffix("-----END ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_have_64_columns() {
        for length in [0, 1, 47, 48, 49, 95, 96, 97, 300] {
            let der: Vec<u8> = (0..=255).cycle().take(length).collect();
            let pem = encode(CERTIFICATE, &der);
            assert_eq!(decode(CERTIFICATE, &pem), Ok(der), "{length}");
            assert!(!pem.ends_with('\n') && !pem.contains('\r'), "{length}");
            let lines: Vec<&str> = pem.lines().collect();
            let (last, full) = lines[1..lines.len() - 1].split_last().unwrap();
            assert!(full.iter().all(|line| line.len() == 64) && last.len() <= 64, "{length}");
        }
        assert_eq!(encode("X", b"abc"), "-----BEGIN X-----\nYWJj\n-----END X-----");
    }

    #[test]
    fn reads_crlf_and_surrounding_space_and_nothing_else() {
        let good = "\r\n-----BEGIN X-----\r\nYW\r\nJj\r\n-----END X-----\r\n";
        assert_eq!(decode("X", good), Ok(b"abc".to_vec()));
        let long = format!("{}{}", encode("X", b"abc"), " ".repeat(MAXIMUM_PEM_LENGTH));
        for bad in [
            "",
            "YWJj",
            "-----BEGIN X-----",
            "-----BEGIN X-----END X-----",
            "-----BEGIN Y-----\nYWJj\n-----END Y-----",
            "-----BEGIN X-----\nYWJj\n-----END Y-----",
            "-----BEGIN X-----\nYWJ\n-----END X-----",
            "-----BEGIN X-----\nYWK=\n-----END X-----\nmore",
            "-----BEGIN X-----\nYR==\n-----END X-----", // the unused bits are not zero
            "-----BEGIN X-----\nYWJj\n-----END X-----\n-----BEGIN X-----\nYWJj\n-----END X-----",
            "-----BEGIN X-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,00\n\nYWJj\n-----END X-----",
            "note\n-----BEGIN X-----\nYWJj\n-----END X-----",
            &long,
        ] {
            assert_eq!(decode("X", bad), Err(CryptoError::Malformed), "{bad}");
        }
    }

    /// Labels and contents of the blocks; `-` where the content is no base64.
    fn found(text: &str) -> Option<Vec<(String, String)>> {
        let content = |block: &Block<'_>| {
            block.der().map_or_else(|| "-".into(), |der| String::from_utf8(der.to_vec()).unwrap())
        };
        Some(blocks(text)?.iter().map(|block| (block.label.into(), content(block))).collect())
    }

    #[test]
    fn finds_the_blocks_of_a_text() {
        for (text, expected) in [
            ("", &[][..]),
            ("YWJj", &[]),
            ("-----BEGIN X-----\nYWJj\n-----END X-----", &[("X", "abc")]),
            ("-----BEGIN X----- YWJj -----END X-----", &[("X", "abc")]),
            ("\u{feff}note\r\r\n-----BEGIN X Y-----\rYW\rJj\r-----END X Y-----\rmore", &[("X Y", "abc")]),
            (
                "-----BEGIN X-----\nYWJj\n-----END X-----\n-----BEGIN Y-----\n-----END Y-----",
                &[("X", "abc"), ("Y", "")],
            ),
            ("-----BEGIN X-----\nA: b\n\nYWJj\n-----END X-----", &[("X", "-")]),
            ("-----BEGIN X-----\nYWJ\n-----END X-----", &[("X", "-")]),
            ("-----BEGIN X-----\nYR==\n-----END X-----", &[("X", "-")]),
            ("-----BEGIN X-----\nYW\0Jj\n-----END X-----", &[("X", "-")]),
        ] {
            let expected =
                expected.iter().map(|(label, content)| ((*label).into(), (*content).into())).collect();
            assert_eq!(found(text), Some(expected), "{text:?}");
        }
        for bad in [
            "-----BEGIN X-----\nYWJj",
            "-----BEGIN X",
            "-----BEGIN X-----END X-----",
            "YWJj\n-----END X-----",
            "-----BEGIN X-----\nYWJj\n-----END Y-----",
            "-----BEGIN X-----\n-----BEGIN X-----\nYWJj\n-----END X-----\n-----END X-----",
            "-----BEGIN X-----\nYWJj\n-----END X-----\n-----END X-----",
            "-----END X-----\n-----BEGIN X-----\nYWJj\n-----END X-----",
        ] {
            assert_eq!(found(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn encryption_is_seen_in_headers_and_label() {
        for (text, expected) in [
            ("-----BEGIN X-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: A,0\n\nYWJj\n-----END X-----", true),
            ("-----BEGIN X-----\nDEK-Info: A,0\n\nYWJj\n-----END X-----", true),
            ("-----BEGIN ENCRYPTED PRIVATE KEY-----\nYWJj\n-----END ENCRYPTED PRIVATE KEY-----", true),
            ("-----BEGIN PRIVATE KEY-----\nYWJj\n-----END PRIVATE KEY-----", false),
            ("Proc-Type: 4,ENCRYPTED\n-----BEGIN X-----\nYWJj\n-----END X-----", false),
        ] {
            assert_eq!(blocks(text).unwrap().first().unwrap().is_encrypted(), expected, "{text}");
        }
    }
}
