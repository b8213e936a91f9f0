//! Tokens on the wire (FusionAuth: JWT).

use claviger_domain::{Violation, Violations, codes};
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::json::Members;
use super::query::Parameters;
use crate::ops::token::{LONGEST_LIFETIME, VendToken};

/// The body of an answer: `{"token": …}`.
#[derive(Serialize)]
pub(crate) struct VendResponse {
    pub(crate) token: String,
}

/// The body of an answer: `{"jwt": {…}}`, with the claims as they stand in the token.
#[derive(Serialize)]
pub(crate) struct ValidateResponse {
    pub(crate) jwt: Map<String, Value>,
}

/// Reads the body of `POST /api/jwt/vend`.
///
/// # Errors
/// Everything that is wrong with the members.
pub(crate) fn vend(document: Map<String, Value>) -> Result<VendToken, Violations> {
    let mut violations = Violations::none();
    let mut members = Members::of_document(document);
    let claims = match members.take("claims") {
        None => Map::new(),
        Some(Value::Object(claims)) => claims,
        Some(_) => {
            let message = "claims must be an object.";
            violations.push(Violation::at(&codes::INVALID_JSON, "claims").with_message(message));
            Map::new()
        }
    };
    let key_id = members.id("keyId", &mut violations);
    let time_to_live_in_seconds = members.whole_number("timeToLiveInSeconds", &mut violations);
    if time_to_live_in_seconds.is_some_and(|lifetime| !(1..=LONGEST_LIFETIME).contains(&lifetime)) {
        violations.add(&codes::TIME_TO_LIVE_INVALID);
    }
    members.finish(&mut violations);
    violations.into_result(VendToken { claims, key_id, time_to_live_in_seconds })
}

/// Reads the query string of `GET /api/jwt/public-key`: the application, and the kid under either of its names.
///
/// # Errors
/// Everything that is wrong with the parameters.
pub(crate) fn public_key_parameters(
    query: &[(String, String)],
) -> Result<(Option<String>, Option<String>), Violations> {
    let mut violations = Violations::none();
    let parameters = Parameters::new(query);
    let application_id = parameters.text("applicationId", &mut violations);
    let kid = parameters.text("kid", &mut violations);
    let key_id = parameters.text("keyId", &mut violations);
    violations.into_result((application_id.map(str::to_owned), kid.or(key_id).map(str::to_owned)))
}

/// The schemas of this file for the OpenAPI document.
pub(crate) fn schemas() -> Value {
    json!({
        "VendRequest": {"type": "object", "properties": {
            "claims": {"type": "object", "additionalProperties": true},
            "keyId": {"type": "string", "format": "uuid"},
            "timeToLiveInSeconds": {"type": "integer", "minimum": 1, "maximum": LONGEST_LIFETIME},
        }},
        "VendResponse": {"type": "object", "properties": {"token": {"type": "string"}}},
        "ValidateResponse": {"type": "object", "properties": {"jwt": {"type": "object", "additionalProperties": true}}},
        "PublicKeyResponse": {"type": "object", "properties": {
            "publicKey": {"type": "string"},
            "publicKeys": {"type": "object", "additionalProperties": {"type": "string"}},
        }},
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn codes_of(body: Value) -> Vec<String> {
        match vend(body.as_object().unwrap().clone()) {
            Ok(_) => Vec::new(),
            Err(violations) => violations.iter().map(Violation::code).collect(),
        }
    }

    #[test]
    fn every_member_is_optional_and_checked() {
        assert!(codes_of(json!({})).is_empty());
        assert!(codes_of(json!({"claims": null, "keyId": "", "timeToLiveInSeconds": null})).is_empty());
        assert_eq!(codes_of(json!({"claims": []})), ["[invalidJSON]"]);
        assert_eq!(codes_of(json!({"keyId": "x"})), ["[invalidJSON]"]);
        for lifetime in [0, -1, LONGEST_LIFETIME + 1, i64::MAX, i64::MIN] {
            let body = json!({"timeToLiveInSeconds": lifetime});
            assert_eq!(codes_of(body), ["[invalid]timeToLiveInSeconds"], "{lifetime}");
        }
        assert_eq!(codes_of(json!({"timeToLiveInSeconds": 1.5})), ["[invalidJSON]"]);
        assert_eq!(codes_of(json!({"claim": {}})), ["[invalidJSON]"]);
    }

    #[test]
    fn a_kid_has_two_names() {
        let read = |pairs: &[(&str, &str)]| {
            let query: Vec<_> = pairs.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect();
            public_key_parameters(&query)
        };
        let kid = |kid: &str| Ok((None, Some(kid.to_owned())));
        assert_eq!(read(&[]), Ok((None, None)));
        assert_eq!(read(&[("kid", "a")]), kid("a"));
        assert_eq!(read(&[("keyId", "a"), ("kid", "")]), kid("a"));
        assert_eq!(read(&[("applicationId", "x")]), Ok((Some("x".to_owned()), None)));
        assert!(read(&[("kid", "a"), ("kid", "a")]).is_err());
    }
}
