//! Digests that name content: of what stands in a document, or of the material of a key. None of them proves who wrote
//! it.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// SHA-256 (FIPS 180-4) over all the parts, each preceded by its length, so that no two lists of parts are alike.
#[must_use]
pub fn content_digest(parts: &[&[u8]]) -> [u8; 32] {
    let mut hasher = openssl::sha::Sha256::new();
    for part in parts {
        hasher.update(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
        hasher.update(part);
    }
    hasher.finish()
}

/// The SHA-256 of a text in base64url without padding: 43 characters, fit for an `ETag` (RFC 9110, section 8.8.3).
#[must_use]
pub fn text_digest(text: &str) -> String {
    URL_SAFE_NO_PAD.encode(openssl::sha::sha256(text.as_bytes()))
}

/// Whether two secrets are the same. The comparison takes the same time wherever they differ, and whatever their lengths are:
/// it is one of their digests. BLAKE3, because OpenSSL looks for its SHA-256 among those of its providers each time, which
/// takes longer than to calculate it.
#[must_use]
pub fn is_same_secret(presented: &[u8], own: &[u8]) -> bool {
    openssl::memcmp::eq(blake3::hash(presented).as_bytes(), blake3::hash(own).as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_do_not_run_into_each_other() {
        assert_ne!(content_digest(&[b"ab", b"c"]), content_digest(&[b"a", b"bc"]));
        assert_ne!(content_digest(&[b"ab"]), content_digest(&[b"ab", b""]));
        assert_eq!(content_digest(&[b"ab", b"c"]), content_digest(&[b"ab", b"c"]));
    }

    #[test]
    fn secrets_are_the_same_or_not() {
        assert!(is_same_secret(b"secret", b"secret") && is_same_secret(b"", b""));
        for other in [b"".as_slice(), b"secre", b"secreT", b"secret\0", b"Secret"] {
            assert!(!is_same_secret(other, b"secret") && !is_same_secret(b"secret", other));
        }
    }

    #[test]
    fn a_text_has_the_known_digest() {
        // FIPS 180-4: the example "abc".
        assert_eq!(text_digest("abc"), "ungWv48Bz-pBQUDeXa4iI7ADYaOWF3qctBD_YfIAFa0");
    }
}
