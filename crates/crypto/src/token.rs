//! Tokens: JSON Web Tokens (RFC 7519) as signed JSON objects in the compact form of a JWS (RFC 7515, section 3.1).
//!
//! The key decides the algorithm: a token that names another than its key's is refused, and claims can be reached only
//! through the verification of the signature. Encrypted, unsigned and nested tokens are not read at all.

mod claims;
mod unverified;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use claviger_domain::Kid;
use serde::Serialize;
use serde_json::{Map, Value};

pub use unverified::UnverifiedToken;

use crate::{CryptoError, Signer};

/// The longest token that is written or read, in bytes.
pub const MAXIMUM_TOKEN_LENGTH: usize = 64 * 1024;

/// The longest `kid` in the header of a token, in characters.
const MAXIMUM_KID_LENGTH: usize = 256;

/// What the header of a token says beside `alg` and `typ`.
#[derive(Debug, Clone, Copy)]
pub struct TokenHeader<'a> {
    /// The key identifier (`kid`), of 1 to 256 characters.
    pub kid: &'a Kid,
    /// The grants that led to the token, in their order (FusionAuth: `gty`). Left out when empty.
    pub grant_types: &'a [&'a str],
    /// What the token is for (FusionAuth: `use`, such as `scim_server`).
    pub key_use: Option<&'a str>,
}

/// The header in the order in which FusionAuth writes it.
#[derive(Serialize)]
struct WrittenHeader<'a> {
    alg: &'a str,
    typ: &'a str,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    gty: &'a [&'a str],
    kid: &'a str,
    #[serde(rename = "use", skip_serializing_if = "Option::is_none")]
    key_use: Option<&'a str>,
}

/// The token with these claims, in their order, signed. Adds no claims and checks none.
///
/// # Errors
/// [`CryptoError::Malformed`] when the token would be longer than [`MAXIMUM_TOKEN_LENGTH`] or the `kid` is empty or
/// longer than 256 characters, as no verifier of ours would accept it; [`CryptoError::Backend`] when OpenSSL fails.
pub fn sign_token(
    signer: &Signer,
    header: &TokenHeader<'_>,
    claims: &Map<String, Value>,
) -> Result<String, CryptoError> {
    // It cannot fail: this is a map with names of text, written to memory.
    let claims = serde_json::to_string(claims).map_err(|_| CryptoError::Malformed)?;
    sign_claims(signer, header, &claims)
}

/// As [`sign_token`], with the claims as the text of a JSON object, which is signed as it is.
///
/// # Errors
/// Those of [`sign_token`].
pub fn sign_claims(signer: &Signer, header: &TokenHeader<'_>, claims: &str) -> Result<String, CryptoError> {
    if !is_kid(header.kid.as_str()) {
        return Err(CryptoError::Malformed);
    }
    let header = WrittenHeader {
        alg: signer.algorithm().as_str(),
        typ: "JWT",
        gty: header.grant_types,
        kid: header.kid.as_str(),
        key_use: header.key_use,
    };
    // As above.
    let header = serde_json::to_vec(&header).map_err(|_| CryptoError::Malformed)?;
    if header.len().saturating_add(claims.len()) > MAXIMUM_TOKEN_LENGTH {
        return Err(CryptoError::Malformed);
    }
    // Two characters more than base64 needs, and room for the signature of RSA 2048.
    let mut token = String::with_capacity((header.len() + claims.len()) / 3 * 4 + 360);
    URL_SAFE_NO_PAD.encode_string(header, &mut token);
    token.push('.');
    URL_SAFE_NO_PAD.encode_string(claims, &mut token);
    let signature = signer.sign(token.as_bytes())?;
    token.push('.');
    URL_SAFE_NO_PAD.encode_string(signature, &mut token);
    if token.len() > MAXIMUM_TOKEN_LENGTH {
        return Err(CryptoError::Malformed);
    }
    Ok(token)
}

fn is_kid(text: &str) -> bool {
    !text.is_empty() && text.chars().count() <= MAXIMUM_KID_LENGTH
}

/// Why a token is refused. Carries nothing of the token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, thiserror::Error)]
pub enum TokenFault {
    /// Not the compact form of a JWS, not strict base64url, or header or claims are not a JSON object of the form that
    /// they should have.
    #[error("the token is malformed")]
    Malformed,
    /// Longer than [`MAXIMUM_TOKEN_LENGTH`].
    #[error("the token is too long")]
    TooLong,
    /// Five parts, or header members of encryption (`enc`, `zip`): JWE is not read (RFC 7516).
    #[error("the token is encrypted")]
    Encrypted,
    /// The algorithm `none`, in whatever case (RFC 7518, section 3.6).
    #[error("the token is not signed")]
    NoneAlgorithm,
    /// The header has `crit` or `b64`: no extension is understood (RFC 7515, section 4.1.11; RFC 7797).
    #[error("the token needs an extension that is not understood")]
    UnknownCritical,
    /// The header brings or names its own key: `jwk`, `jku`, `x5c`, `x5u`.
    #[error("the token brings its own key")]
    EmbeddedKey,
    /// `typ` is neither `JWT` nor `at+jwt`.
    #[error("the token is of another type")]
    Type,
    /// The algorithm is not that of the key.
    #[error("the algorithm is not that of the key")]
    Algorithm,
    /// The signature is not one of this token with this key.
    #[error("the signature is wrong")]
    Signature,
    /// There is no `exp`.
    #[error("the token never expires")]
    MissingExpiration,
    /// `exp`, `nbf` or `iat` is no number, or lies outside the years 1970 to 9999.
    #[error("a time of the token is no time")]
    BadTime,
    /// `iss`, `sub` or `jti` is no text, or `aud` neither text nor a list of texts.
    #[error("a claim of the token has the wrong type")]
    BadClaim,
    /// `exp` is reached.
    #[error("the token has expired")]
    Expired,
    /// `nbf` is not reached.
    #[error("the token is not valid yet")]
    NotYetValid,
    /// OpenSSL failed before it could look at the signature.
    #[error("the cryptographic backend failed")]
    Backend,
}

impl TokenFault {
    /// Every fault.
    pub const ALL: [Self; 15] = [
        Self::Malformed,
        Self::TooLong,
        Self::Encrypted,
        Self::NoneAlgorithm,
        Self::UnknownCritical,
        Self::EmbeddedKey,
        Self::Type,
        Self::Algorithm,
        Self::Signature,
        Self::MissingExpiration,
        Self::BadTime,
        Self::BadClaim,
        Self::Expired,
        Self::NotYetValid,
        Self::Backend,
    ];

    /// A name that stays the same, for metrics and logs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::TooLong => "too-long",
            Self::Encrypted => "encrypted",
            Self::NoneAlgorithm => "none-algorithm",
            Self::UnknownCritical => "unknown-critical",
            Self::EmbeddedKey => "embedded-key",
            Self::Type => "type",
            Self::Algorithm => "algorithm",
            Self::Signature => "signature",
            Self::MissingExpiration => "missing-expiration",
            Self::BadTime => "bad-time",
            Self::BadClaim => "bad-claim",
            Self::Expired => "expired",
            Self::NotYetValid => "not-yet-valid",
            Self::Backend => "backend",
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use claviger_domain::{KeyAlgorithm, SecretBytes};
    use serde_json::json;

    use super::*;

    fn signer() -> Signer {
        Signer::new(KeyAlgorithm::Hs256, &SecretBytes::from(b"secret".to_vec())).unwrap()
    }

    fn header(kid: &Kid) -> TokenHeader<'_> {
        TokenHeader { kid, grant_types: &[], key_use: None }
    }

    fn part(token: &str, index: usize) -> String {
        let part = token.split('.').nth(index).unwrap();
        String::from_utf8(URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
    }

    #[test]
    fn headers_and_claims_stand_in_order() {
        let kid = Kid::from(String::from("053aa5cd1"));
        let claims = json!({"aud": "b", "exp": 2, "iat": 1, "iss": "a\"é"}).as_object().unwrap().clone();
        let token = sign_token(&signer(), &header(&kid), &claims).unwrap();
        assert_eq!(part(&token, 0), r#"{"alg":"HS256","typ":"JWT","kid":"053aa5cd1"}"#);
        assert_eq!(part(&token, 1), r#"{"aud":"b","exp":2,"iat":1,"iss":"a\"é"}"#);
        let full =
            TokenHeader { kid: &kid, grant_types: &["client_credentials"], key_use: Some("scim_server") };
        let token = sign_token(&signer(), &full, &claims).unwrap();
        assert_eq!(
            part(&token, 0),
            r#"{"alg":"HS256","typ":"JWT","gty":["client_credentials"],"kid":"053aa5cd1","use":"scim_server"}"#
        );
    }

    #[test]
    fn what_nobody_would_accept_is_not_signed() {
        let sign = |kid: &str, claim: usize| {
            let claims = Map::from_iter([("a".to_owned(), Value::String("a".repeat(claim)))]);
            sign_token(&signer(), &header(&Kid::from(kid.to_owned())), &claims)
        };
        // Each three bytes of the claim are four characters of the token.
        let longest = (MAXIMUM_TOKEN_LENGTH - sign("k", 0).unwrap().len()) / 4 * 3;
        assert!(sign("k", longest).unwrap().len() > MAXIMUM_TOKEN_LENGTH - 4);
        assert_eq!(sign("k", longest + 3).err(), Some(CryptoError::Malformed));
        assert_eq!(sign("k", 10 * MAXIMUM_TOKEN_LENGTH).err(), Some(CryptoError::Malformed));
        assert!(sign(&"ü".repeat(256), 1).is_ok());
        for kid in ["", &"ü".repeat(257)] {
            assert_eq!(sign(kid, 1).err(), Some(CryptoError::Malformed));
        }
    }

    #[test]
    fn faults_have_stable_names_and_plain_words() {
        let names: BTreeSet<_> = TokenFault::ALL.into_iter().map(TokenFault::as_str).collect();
        assert_eq!(names.len(), TokenFault::ALL.len());
        for fault in TokenFault::ALL {
            let text = fault.to_string();
            assert!(text.starts_with(|first: char| first.is_ascii_lowercase()) && !text.ends_with('.'));
            assert!(fault.as_str().bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-'));
        }
    }
}
