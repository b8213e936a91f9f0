//! Reading a token (RFC 7515, section 5.2): its form, its header, and the way from there to its claims.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use claviger_domain::{Instant, KeyAlgorithm};
use serde_json::{Map, Value};

use super::{MAXIMUM_TOKEN_LENGTH, TokenFault, claims, is_kid};
use crate::{Verifier, parse_object};

/// A token whose signature nobody has checked. Shows what is needed to find the key and nothing else.
pub struct UnverifiedToken<'a> {
    /// Header and payload with the dot between them, as they are signed.
    signed: &'a str,
    payload: Vec<u8>,
    signature: Vec<u8>,
    algorithm_name: String,
    kid: Option<String>,
    grant_types: Vec<String>,
}

impl<'a> UnverifiedToken<'a> {
    /// Takes a token apart. Work and memory are bounded by [`MAXIMUM_TOKEN_LENGTH`].
    ///
    /// Three parts in base64url without padding and without stray bits; the header is a JSON object without duplicate
    /// members, its `alg` a text other than `none`, its `kid` absent or a text of 1 to 256 characters, its `typ`
    /// absent or `JWT` or `at+jwt` in any case (RFC 9068). Members that change how a token is read, or bring a key,
    /// are refused: `crit`, `b64`, `enc`, `zip`, `jwk`, `jku`, `x5c`, `x5u`. Others mean nothing here.
    ///
    /// # Errors
    /// The first fault that is found; not one of signature or claims.
    pub fn parse(text: &'a str) -> Result<Self, TokenFault> {
        if text.len() > MAXIMUM_TOKEN_LENGTH {
            return Err(TokenFault::TooLong);
        }
        match text.bytes().filter(|byte| *byte == b'.').count() {
            2 => {}
            4 => return Err(TokenFault::Encrypted),
            _ => return Err(TokenFault::Malformed),
        }
        let (signed, signature) = text.rsplit_once('.').ok_or(TokenFault::Malformed)?;
        let (header, payload) = signed.split_once('.').ok_or(TokenFault::Malformed)?;
        let (header, payload, signature) = (decode(header)?, decode(payload)?, decode(signature)?);
        let mut header = parse_object(&header).map_err(|_| TokenFault::Malformed)?;

        let Some(Value::String(algorithm_name)) = header.shift_remove("alg") else {
            return Err(TokenFault::Malformed);
        };
        if algorithm_name.eq_ignore_ascii_case("none") {
            return Err(TokenFault::NoneAlgorithm);
        }
        refuse_members(&header)?;
        match header.get("typ") {
            None => {}
            Some(Value::String(kind))
                if kind.eq_ignore_ascii_case("JWT") || kind.eq_ignore_ascii_case("at+jwt") => {}
            Some(Value::String(_)) => return Err(TokenFault::Type),
            Some(_) => return Err(TokenFault::Malformed),
        }
        let kid = match header.shift_remove("kid") {
            None => None,
            Some(Value::String(kid)) if is_kid(&kid) => Some(kid),
            Some(_) => return Err(TokenFault::Malformed),
        };
        let grant_types = header.get("gty").and_then(texts).unwrap_or_default();
        Ok(Self { signed, payload, signature, algorithm_name, kid, grant_types })
    }

    /// The identifier of the key that the token claims to be signed with.
    #[must_use]
    pub fn kid(&self) -> Option<&str> {
        self.kid.as_deref()
    }

    /// The grants that the token claims to come from, in their order (FusionAuth: `gty`); empty without that member, and
    /// when it is not a list of texts. The header is signed with the rest: once the signature was verified, this is what
    /// the holder of the key says.
    #[must_use]
    pub fn grant_types(&self) -> &[String] {
        &self.grant_types
    }

    /// The algorithm that the token claims to be signed with. It never chooses how the token is verified.
    #[must_use]
    pub fn algorithm_name(&self) -> &str {
        &self.algorithm_name
    }

    /// The claims of the token, in their order, if its algorithm is the verifier's, its signature is right, and its
    /// claims hold at the time `now`: `exp` is there and later than `now`, `nbf` is absent or not later (RFC 7519,
    /// sections 4.1.4 and 4.1.5; no clock skew), and the registered claims have their types. For whom the token is
    /// (`iss`, `aud`, `sub`) remains to be checked by the caller.
    ///
    /// # Errors
    /// The first fault that is found, in this order: algorithm, signature, form and types of the claims, times.
    pub fn verify(&self, verifier: &Verifier, now: Instant) -> Result<Map<String, Value>, TokenFault> {
        if !is_algorithm_of(&self.algorithm_name, verifier.algorithm()) {
            return Err(TokenFault::Algorithm);
        }
        match verifier.verify(self.signed.as_bytes(), &self.signature) {
            Ok(true) => {}
            Ok(false) => return Err(TokenFault::Signature),
            Err(_) => return Err(TokenFault::Backend),
        }
        let claims = parse_object(&self.payload).map_err(|_| TokenFault::Malformed)?;
        claims::check(&claims, now)?;
        Ok(claims)
    }
}

/// Strict base64url (RFC 7515, section 2) of at least one byte.
fn decode(part: &str) -> Result<Vec<u8>, TokenFault> {
    match URL_SAFE_NO_PAD.decode(part) {
        Ok(bytes) if !bytes.is_empty() => Ok(bytes),
        _ => Err(TokenFault::Malformed),
    }
}

/// A list of texts, as such.
fn texts(value: &Value) -> Option<Vec<String>> {
    value.as_array()?.iter().map(|text| text.as_str().map(str::to_owned)).collect()
}

fn refuse_members(header: &Map<String, Value>) -> Result<(), TokenFault> {
    for (names, fault) in [
        (["crit", "b64"].as_slice(), TokenFault::UnknownCritical),
        (&["enc", "zip"], TokenFault::Encrypted),
        (&["jwk", "jku", "x5c", "x5u"], TokenFault::EmbeddedKey),
    ] {
        if names.iter().any(|name| header.contains_key(*name)) {
            return Err(fault);
        }
    }
    Ok(())
}

/// Whether a name in a header stands for this algorithm. Ed25519 has an older name too (RFC 8037; RFC 9864).
fn is_algorithm_of(name: &str, algorithm: KeyAlgorithm) -> bool {
    name == algorithm.as_str() || (algorithm == KeyAlgorithm::Ed25519 && name == "EdDSA")
}
