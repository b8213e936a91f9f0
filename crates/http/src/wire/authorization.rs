//! Questions about rights on the wire: `POST /api/authorize`, ours, in FusionAuth's style.

use std::net::IpAddr;

use claviger_domain::{RequestMethod, SecretText, Violations, codes};
use serde_json::{Map, Value, json};

use super::json::Members;
use crate::ops::authorization::{Authorization, Holder, Question, WhichKey};

/// Reads the body: `{"authorization": {…}}`.
///
/// # Errors
/// Everything that is wrong with the members.
pub(crate) fn question(document: Map<String, Value>) -> Result<Question, Violations> {
    let mut violations = Violations::none();
    let mut document = Members::of_document(document);
    let authorization = document.object("authorization", &mut violations);
    document.finish(&mut violations);
    let Some(mut members) = authorization else {
        if violations.iter().next().is_none() {
            violations.add(&codes::AUTHORIZATION_MISSING);
        }
        return Err(violations);
    };
    let value = members.text("key", &mut violations).map(SecretText::from);
    let id = members.id("apiKeyId", &mut violations);
    let token = members.text("token", &mut violations).map(SecretText::from);
    let key = match (value, id, token) {
        (Some(value), None, None) => Some(WhichKey::Value(value)),
        (None, Some(id), None) => Some(WhichKey::Id(id)),
        (None, None, Some(token)) => Some(WhichKey::Token(token)),
        _ => None,
    };
    let method = members.text("method", &mut violations);
    let path = members.text("path", &mut violations);
    let tenant_id = members.id("tenantId", &mut violations);
    let address = members.text("address", &mut violations);
    members.finish(&mut violations);
    // What is of the wrong type is reported as that, and not as missing too.
    if violations.iter().next().is_some() {
        return Err(violations);
    }
    if key.is_none() {
        violations.add(&codes::AUTHORIZATION_KEY_MISSING);
    }
    if path.is_none() {
        violations.add(&codes::AUTHORIZATION_PATH_MISSING);
    }
    let method = match method.as_deref().map(str::parse::<RequestMethod>) {
        Some(Ok(method)) => Some(method),
        Some(Err(_)) => {
            violations.add(&codes::AUTHORIZATION_METHOD_INVALID);
            None
        }
        None => {
            violations.add(&codes::AUTHORIZATION_METHOD_MISSING);
            None
        }
    };
    let address = address.and_then(|text| {
        let address = text.parse::<IpAddr>().ok().map(|address| address.to_canonical());
        if address.is_none() {
            violations.add(&codes::AUTHORIZATION_ADDRESS_INVALID);
        }
        address
    });
    match (key, method, path) {
        (Some(key), Some(method), Some(path)) => {
            violations.into_result(Question { key, method, path, tenant_id, address })
        }
        _ => Err(violations),
    }
}

/// The body of an answer. The key, or the entity, is named by its id, however it was asked for.
pub(crate) fn response(answer: &Authorization) -> Value {
    let (holder, id) = match answer.holder {
        Holder::ApiKey(id) => ("apiKeyId", id.to_string()),
        Holder::Entity(id) => ("entityId", id.to_string()),
    };
    let mut authorization = json!({
        "allowed": answer.reason.is_none(),
        (holder): id,
        "explanation": answer.explanation,
        "missing": answer.missing,
    });
    if let Some(members) = authorization.as_object_mut() {
        if let Some(name) = &answer.api_key_name {
            members.insert("apiKeyName".to_owned(), name.as_str().into());
        }
        if let Some(reason) = answer.reason {
            members.insert("reason".to_owned(), reason.into());
        }
        if let Some(tenant_id) = answer.tenant_id {
            members.insert("tenantId".to_owned(), tenant_id.to_string().into());
        }
    }
    json!({"authorization": authorization})
}

/// The schemas of this file for the OpenAPI document.
pub(crate) fn schemas() -> Value {
    let id = json!({"type": "string", "format": "uuid"});
    json!({
        "AuthorizationRequest": {"type": "object", "required": ["authorization"], "properties": {
            "authorization": {"type": "object", "required": ["method", "path"], "properties": {
                "address": {"type": "string", "description": "From where the request comes; unknown if absent"},
                "apiKeyId": id,
                "key": {"type": "string", "description": "The value of the API key, instead of apiKeyId"},
                "method": {"type": "string", "enum": RequestMethod::ALL.map(RequestMethod::as_str)},
                "path": {"type": "string", "description": "As it stands in the request target, without the query"},
                "tenantId": id,
                "token": {"type": "string",
                    "description": "The access token of an entity, instead of key and apiKeyId"},
            }},
        }},
        "AuthorizationResponse": {"type": "object", "properties": {
            "authorization": {"type": "object", "properties": {
                "allowed": {"type": "boolean"},
                "apiKeyId": {"type": "string", "format": "uuid", "description": "Absent if a token was asked about"},
                "apiKeyName": {"type": "string", "description": "Absent if the API key has no name"},
                "entityId": {"type": "string", "format": "uuid",
                    "description": "The entity whose token was asked about"},
                "explanation": {"type": "string"},
                "missing": {"type": "array", "items": {"type": "string"},
                    "description": "What would have been needed"},
                "reason": {"type": "string", "description": "Absent if the request is allowed"},
                "tenantId": {"type": "string", "format": "uuid",
                    "description": "The tenant to which the request is confined, if it is allowed"},
            }},
        }},
    })
}

#[cfg(test)]
mod tests {
    use claviger_domain::Violation;

    use super::*;

    #[track_caller]
    fn check(body: Value, expected: &[&str]) {
        let found = match question(body.as_object().unwrap().clone()) {
            Ok(_) => Vec::new(),
            Err(violations) => violations.iter().map(Violation::code).collect(),
        };
        assert_eq!(found, expected, "{body}");
    }

    #[test]
    fn members_are_checked_together() {
        let id = "780e1d5b-ee3b-43b2-aec8-db99b99adc4e";
        check(json!({"authorization": {"key": "k", "method": "GET", "path": "/a"}}), &[]);
        check(
            json!({"authorization": {"apiKeyId": id, "method": "HEAD", "path": "a", "tenantId": id, "address": "::1"}}),
            &[],
        );
        check(json!({}), &["[missing]authorization"]);
        check(json!({"authorization": []}), &["[invalidJSON]"]);
        check(
            json!({"authorization": {}}),
            &["[missing]authorization.key", "[missing]authorization.path", "[missing]authorization.method"],
        );
        let both = json!({"key": "k", "apiKeyId": id, "method": "get", "path": "/", "address": "1.2.3"});
        check(
            json!({"authorization": both}),
            &[
                "[missing]authorization.key",
                "[invalid]authorization.method",
                "[invalid]authorization.address",
            ],
        );
        check(json!({"authorization": {"token": "t", "method": "GET", "path": "/a"}}), &[]);
        for other in [json!({"key": "k"}), json!({"apiKeyId": id})] {
            let mut two = json!({"token": "t", "method": "GET", "path": "/a"});
            two.as_object_mut().unwrap().extend(other.as_object().unwrap().clone());
            check(json!({"authorization": two}), &["[missing]authorization.key"]);
        }
        check(
            json!({"authorization": {"key": 1, "method": "GET", "path": "/", "x": 1}}),
            &["[invalidJSON]", "[invalidJSON]"],
        );
    }
}
