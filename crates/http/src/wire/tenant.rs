//! Tenants on the wire (FusionAuth: Tenants). Claviger acts on the name, the issuer and part of `jwtConfiguration`; every
//! other member of FusionAuth's type is kept and returned as it was given.

use claviger_domain::{
    DEFAULT_ISSUER, DEFAULT_REFRESH_TOKEN_TIME_TO_LIVE_IN_MINUTES, DEFAULT_TIME_TO_LIVE_IN_SECONDS,
    KeptDocument, KeyId, MAXIMUM_NAME_LENGTH, Tenant, TenantId, TenantJwtConfiguration, Violation,
    Violations, codes,
};
use serde_json::{Map, Value, json};

use super::json::{Members, sorted};
use super::{NameCodes, name};
use crate::ops::tenant::TenantFields;

const NAME_CODES: NameCodes = NameCodes {
    blank: &codes::TENANT_NAME_BLANK,
    too_long: &codes::TENANT_NAME_TOO_LONG,
    invalid: &codes::TENANT_NAME_INVALID,
};

/// Members of the type that are kept, not acted on.
pub(crate) const KEPT_MEMBERS: [&str; 31] = [
    "accessControlConfiguration",
    "baseURL",
    "captchaConfiguration",
    "clientRiskConfiguration",
    "connectorPolicies",
    "data",
    "emailConfiguration",
    "eventConfiguration",
    "externalIdentifierConfiguration",
    "failedAuthenticationConfiguration",
    "familyConfiguration",
    "formConfiguration",
    "httpSessionMaxInactiveInterval",
    "lambdaConfiguration",
    "loginConfiguration",
    "logoutURL",
    "maximumPasswordAge",
    "minimumPasswordAge",
    "multiFactorConfiguration",
    "oauthConfiguration",
    "passwordEncryptionConfiguration",
    "passwordValidationRules",
    "phoneConfiguration",
    "rateLimitConfiguration",
    "registrationConfiguration",
    "scimServerConfiguration",
    "ssoConfiguration",
    "themeId",
    "userDeletePolicy",
    "usernameConfiguration",
    "webAuthnConfiguration",
];

/// Members of `jwtConfiguration` that are kept, not acted on.
pub(crate) const KEPT_JWT_MEMBERS: [&str; 6] = [
    "enabled",
    "refreshTokenExpirationPolicy",
    "refreshTokenOneTimeUseConfiguration",
    "refreshTokenRevocationPolicy",
    "refreshTokenSlidingWindowConfiguration",
    "refreshTokenUsagePolicy",
];

const MAXIMUM_VERIFICATION_KEYS: usize = 64;

/// The document of a tenant, members in alphabetical order.
pub(crate) fn document(tenant: &Tenant) -> Value {
    let mut members = match serde_json::from_str(tenant.kept.as_json()) {
        Ok(Value::Object(kept)) => kept,
        _ => Map::new(),
    };
    let mut jwt = match members.shift_remove("jwtConfiguration") {
        Some(Value::Object(kept)) => kept,
        _ => Map::new(),
    };
    for (name, value) in jwt_defaults() {
        jwt.entry(name).or_insert(value);
    }
    let own = &tenant.jwt;
    let mut put = |name: &str, value: Value| jwt.insert(name.to_owned(), value);
    for (name, key) in [("accessTokenKeyId", own.access_token_key_id), ("idTokenKeyId", own.id_token_key_id)]
    {
        if let Some(key) = key {
            put(name, key.to_string().into());
        }
    }
    for (name, keys) in [
        ("accessTokenVerificationKeyIds", &own.access_token_verification_key_ids),
        ("idTokenVerificationKeyIds", &own.id_token_verification_key_ids),
    ] {
        if !keys.is_empty() {
            put(name, keys.iter().map(KeyId::to_string).collect::<Vec<_>>().into());
        }
    }
    put("timeToLiveInSeconds", own.time_to_live_in_seconds.into());
    put("refreshTokenTimeToLiveInMinutes", own.refresh_token_time_to_live_in_minutes.into());
    let mut put = |name: &str, value: Value| members.insert(name.to_owned(), value);
    put("configured", true.into());
    put("id", tenant.id.to_string().into());
    put("insertInstant", tenant.insert_instant.epoch_millis().into());
    put("issuer", tenant.issuer.as_str().into());
    put("jwtConfiguration", Value::Object(jwt));
    put("lastUpdateInstant", tenant.last_update_instant.epoch_millis().into());
    put("name", tenant.name.as_str().into());
    put("state", tenant.state.as_str().into());
    sorted(Value::Object(members))
}

/// What FusionAuth's clients expect in `jwtConfiguration` when nobody set it.
fn jwt_defaults() -> Map<String, Value> {
    let defaults = json!({
        "refreshTokenExpirationPolicy": "Fixed",
        "refreshTokenSlidingWindowConfiguration": {
            "maximumTimeToLiveInMinutes": DEFAULT_REFRESH_TOKEN_TIME_TO_LIVE_IN_MINUTES,
        },
        "refreshTokenUsagePolicy": "Reusable",
    });
    match defaults {
        Value::Object(defaults) => defaults,
        _ => Map::new(),
    }
}

/// The body of an answer: `{"tenant": …}`.
pub(crate) fn response(tenant: &Tenant) -> Value {
    json!({"tenant": document(tenant)})
}

/// The body of an answer: `{"tenants": […]}`.
pub(crate) fn list_response(tenants: &[Tenant]) -> Value {
    json!({"tenants": tenants.iter().map(document).collect::<Vec<_>>()})
}

/// Reads the body of a create or replace request.
///
/// # Errors
/// Everything that is wrong with the members; whether the keys exist is checked later.
pub(crate) fn fields(document: Map<String, Value>) -> Result<TenantFields, Violations> {
    let mut violations = Violations::none();
    let mut root = Members::of_document(document);
    root.ignore(&["eventInfo", "webhookIds"]);
    // An answer without the copied settings would claim a copy that is none.
    if root.id::<TenantId>("sourceTenantId", &mut violations).is_some() {
        violations.add(&codes::TENANT_SOURCE_NOT_SUPPORTED);
    }
    let members = root.object("tenant", &mut violations);
    root.finish(&mut violations);
    let Some(mut members) = members else {
        if violations.is_empty() {
            violations.add(&codes::TENANT_MISSING);
        }
        return Err(violations);
    };
    members.ignore(&["configured", "id", "insertInstant", "lastUpdateInstant", "state"]);
    let before = violations.iter().count();
    let name = match members.text("name", &mut violations) {
        Some(text) => name(text, &NAME_CODES, &mut violations),
        None => {
            if violations.iter().count() == before {
                violations.add(&codes::TENANT_NAME_BLANK);
            }
            None
        }
    };
    let issuer = members.text("issuer", &mut violations).filter(|issuer| !issuer.is_empty());
    let issuer = issuer.unwrap_or_else(|| DEFAULT_ISSUER.to_owned());
    if issuer.chars().count() > MAXIMUM_NAME_LENGTH || issuer.chars().any(char::is_control) {
        violations.add(&codes::TENANT_ISSUER_INVALID);
    }
    let (jwt, kept_jwt) = jwt(&mut members, &mut violations);
    let mut kept = keep(&mut members, &KEPT_MEMBERS);
    if !kept_jwt.is_empty() {
        kept.insert("jwtConfiguration".to_owned(), Value::Object(kept_jwt));
    }
    members.finish(&mut violations);
    match name {
        Some(name) => violations.into_result(TenantFields {
            name,
            issuer,
            jwt,
            kept: KeptDocument::from_json(Value::Object(kept).to_string()),
        }),
        None => Err(violations),
    }
}

fn keep(members: &mut Members, names: &[&str]) -> Map<String, Value> {
    names.iter().filter_map(|name| Some(((*name).to_owned(), members.take(name)?))).collect()
}

fn jwt(members: &mut Members, violations: &mut Violations) -> (TenantJwtConfiguration, Map<String, Value>) {
    let mut configuration = TenantJwtConfiguration {
        access_token_key_id: None,
        id_token_key_id: None,
        access_token_verification_key_ids: Vec::new(),
        id_token_verification_key_ids: Vec::new(),
        time_to_live_in_seconds: DEFAULT_TIME_TO_LIVE_IN_SECONDS,
        refresh_token_time_to_live_in_minutes: DEFAULT_REFRESH_TOKEN_TIME_TO_LIVE_IN_MINUTES,
    };
    let Some(mut jwt) = members.object("jwtConfiguration", violations) else {
        return (configuration, Map::new());
    };
    configuration.access_token_key_id = jwt.id("accessTokenKeyId", violations);
    configuration.id_token_key_id = jwt.id("idTokenKeyId", violations);
    for (name, list) in [
        ("accessTokenVerificationKeyIds", &mut configuration.access_token_verification_key_ids),
        ("idTokenVerificationKeyIds", &mut configuration.id_token_verification_key_ids),
    ] {
        for id in jwt.ids::<KeyId>(name, violations).unwrap_or_default() {
            if !list.contains(&id) {
                list.push(id);
            }
        }
        if list.len() > MAXIMUM_VERIFICATION_KEYS {
            violations.push(Violation::at(&codes::TENANT_VERIFICATION_KEYS_TOO_MANY, jwt.path_of(name)));
        }
    }
    for (name, lifetime) in [
        ("timeToLiveInSeconds", &mut configuration.time_to_live_in_seconds),
        ("refreshTokenTimeToLiveInMinutes", &mut configuration.refresh_token_time_to_live_in_minutes),
    ] {
        if let Some(given) = jwt.whole_number(name, violations) {
            if !(1..=i64::from(i32::MAX)).contains(&given) {
                violations.push(Violation::at(&codes::TENANT_LIFETIME_INVALID, jwt.path_of(name)));
            }
            *lifetime = given;
        }
    }
    let kept = keep(&mut jwt, &KEPT_JWT_MEMBERS);
    jwt.finish(violations);
    (configuration, kept)
}

/// The schemas of this file for the OpenAPI document.
pub(crate) fn schemas() -> Value {
    let instant = || json!({"type": "integer", "format": "int64", "readOnly": true});
    let key = || json!({"type": "string", "format": "uuid"});
    let keys = || json!({"type": "array", "items": {"type": "string", "format": "uuid"}});
    let mut properties = json!({
        "configured": {"type": "boolean", "readOnly": true},
        "id": {"type": "string", "format": "uuid", "readOnly": true},
        "insertInstant": instant(),
        "issuer": {"type": "string", "default": DEFAULT_ISSUER},
        "jwtConfiguration": {"type": "object", "properties": {
            "accessTokenKeyId": key(),
            "accessTokenVerificationKeyIds": keys(),
            "idTokenKeyId": key(),
            "idTokenVerificationKeyIds": keys(),
            "refreshTokenTimeToLiveInMinutes": {"type": "integer", "minimum": 1,
                "default": DEFAULT_REFRESH_TOKEN_TIME_TO_LIVE_IN_MINUTES},
            "timeToLiveInSeconds": {"type": "integer", "minimum": 1, "default": DEFAULT_TIME_TO_LIVE_IN_SECONDS},
        }},
        "lastUpdateInstant": instant(),
        "name": {"type": "string", "maxLength": MAXIMUM_NAME_LENGTH},
        "state": {"type": "string", "enum": ["Active", "PendingDelete"], "readOnly": true},
    });
    if let Some(properties) = properties.as_object_mut() {
        for member in KEPT_MEMBERS {
            properties.insert(member.to_owned(), json!({"description": "Kept, not acted on."}));
        }
    }
    json!({
        "Tenant": {"type": "object", "required": ["name"], "properties": sorted(properties)},
        "TenantRequest": {"type": "object", "required": ["tenant"], "properties": {
            "tenant": {"$ref": "#/components/schemas/Tenant"}}},
        "TenantResponse": {"type": "object", "properties": {"tenant": {"$ref": "#/components/schemas/Tenant"}}},
        "TenantsResponse": {"type": "object", "properties": {
            "tenants": {"type": "array", "items": {"$ref": "#/components/schemas/Tenant"}}}},
    })
}

#[cfg(test)]
mod tests {
    use claviger_domain::{Instant, Revision, TenantState};

    use super::*;

    fn object(value: Value) -> Map<String, Value> {
        value.as_object().unwrap().clone()
    }

    fn tenant(fields: TenantFields) -> Tenant {
        Tenant {
            id: TenantId::from_u128(7),
            revision: Revision::FIRST,
            name: fields.name,
            issuer: fields.issuer,
            jwt: fields.jwt,
            kept: fields.kept,
            state: TenantState::Active,
            insert_instant: Instant::from_epoch_millis(1),
            last_update_instant: Instant::from_epoch_millis(2),
        }
    }

    #[test]
    fn keeps_what_it_does_not_act_on() {
        let body = json!({"tenant": {"name": "t", "data": {"b": [1, null], "a": {"x": 1.5}}, "themeId": "anything",
            "jwtConfiguration": {"refreshTokenUsagePolicy": "OneTimeUse", "timeToLiveInSeconds": 60}}});
        let document = document(&tenant(fields(object(body)).ok().unwrap()));
        assert_eq!(
            document.to_string(),
            r#"{"configured":true,"data":{"a":{"x":1.5},"b":[1,null]},"id":"00000000-0000-0000-0000-000000000007","insertInstant":1,"issuer":"acme.com","jwtConfiguration":{"refreshTokenExpirationPolicy":"Fixed","refreshTokenSlidingWindowConfiguration":{"maximumTimeToLiveInMinutes":43200},"refreshTokenTimeToLiveInMinutes":43200,"refreshTokenUsagePolicy":"OneTimeUse","timeToLiveInSeconds":60},"lastUpdateInstant":2,"name":"t","state":"Active","themeId":"anything"}"#
        );
    }

    #[test]
    fn refuses_wrong_members_all_at_once() {
        let body = json!({"tenant": {"nam": "t", "issuer": "a\nb", "jwtConfiguration": {"timeToLiveInSeconds": 0,
            "accessTokenKeyId": "x", "unknown": 1, "idTokenVerificationKeyIds": [1]}}, "sourceTenantId": TenantId::from_u128(1).to_string()});
        let violations = fields(object(body)).err().unwrap();
        let found: Vec<_> =
            violations.iter().map(|v| format!("{} {}", v.code(), v.field().unwrap_or("-"))).collect();
        assert_eq!(
            found,
            [
                "[notSupported]sourceTenantId sourceTenantId",
                "[blank]tenant.name tenant.name",
                "[invalid]tenant.issuer tenant.issuer",
                "[invalidJSON] tenant.jwtConfiguration.accessTokenKeyId",
                "[invalidJSON] tenant.jwtConfiguration.idTokenVerificationKeyIds",
                "[invalid]tenant.jwtConfiguration.timeToLiveInSeconds tenant.jwtConfiguration.timeToLiveInSeconds",
                "[invalidJSON] -",
                "[invalidJSON] -",
            ]
        );
        assert!(fields(object(json!({}))).is_err() && fields(object(json!({"tenant": []}))).is_err());
    }
}
