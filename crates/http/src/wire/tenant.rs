//! Tenants on the wire (FusionAuth: Tenants). Claviger acts on the name, the issuer and part of `jwtConfiguration`; every
//! other member of FusionAuth's type is kept and returned as it was given.

use claviger_domain::{
    DEFAULT_ISSUER, DEFAULT_REFRESH_TOKEN_TIME_TO_LIVE_IN_MINUTES, DEFAULT_TIME_TO_LIVE_IN_SECONDS,
    EntityTypeId, KeptDocument, KeyId, MAXIMUM_NAME_LENGTH, Name, Tenant, TenantId, TenantJwtConfiguration,
    Violation, Violations, codes,
};
use serde_json::{Map, Value, json};

use super::json::{Members, sorted};
use super::patch::Patch;
use super::query::Parameters;
use super::tenant_defaults::fill;
use super::{NameCodes, name};
use crate::ops::tenant::{CopyTenant, NewTenant, TenantFields};

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

/// Members of the type that only the server writes.
const READ_ONLY_MEMBERS: [&str; 5] = ["configured", "id", "insertInstant", "lastUpdateInstant", "state"];

const MAXIMUM_VERIFICATION_KEYS: usize = 64;
/// The longest text of what is kept, in bytes. One request cannot send more, but patches add up.
const MAXIMUM_KEPT: usize = 1024 * 1024;

/// The document of a tenant, members in alphabetical order.
pub(crate) fn document(tenant: &Tenant) -> Value {
    let mut members = match serde_json::from_str(tenant.kept.as_json()) {
        Ok(Value::Object(kept)) => kept,
        _ => Map::new(),
    };
    fill(&mut members);
    let mut jwt = match members.shift_remove("jwtConfiguration") {
        Some(Value::Object(kept)) => kept,
        _ => Map::new(),
    };
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

/// The body of an answer: `{"tenant": …}`.
pub(crate) fn response(tenant: &Tenant) -> Value {
    json!({"tenant": document(tenant)})
}

/// The body of an answer: `{"tenants": […]}`.
pub(crate) fn list_response(tenants: &[Tenant]) -> Value {
    json!({"tenants": tenants.iter().map(document).collect::<Vec<_>>()})
}

/// Reads the body of `POST /api/tenant[/{tenantId}]`: a new tenant, or a copy.
///
/// # Errors
/// Everything that is wrong with the members; what needs the database is checked later.
pub(crate) fn create(document: Map<String, Value>) -> Result<NewTenant, Violations> {
    let mut violations = Violations::none();
    let mut root = Members::of_document(document);
    root.ignore(&["eventInfo", "webhookIds"]);
    let source_id = root.id::<TenantId>("sourceTenantId", &mut violations);
    let members = tenant_members(root, &mut violations)?;
    match source_id {
        None => Ok(NewTenant::Create(fields(members, violations)?)),
        Some(source_id) => match copied_name(members, &mut violations) {
            Some(name) => violations.into_result(NewTenant::Copy(CopyTenant { source_id, name })),
            None => Err(violations),
        },
    }
}

/// Reads the body of `PUT /api/tenant/{tenantId}`.
///
/// # Errors
/// Everything that is wrong with the members; whether the keys exist is checked later.
pub(crate) fn replace(document: Map<String, Value>) -> Result<TenantFields, Violations> {
    let mut violations = Violations::none();
    let mut root = Members::of_document(document);
    root.ignore(&["eventInfo", "sourceTenantId", "webhookIds"]);
    let members = tenant_members(root, &mut violations)?;
    fields(members, violations)
}

/// The fields that a patch makes of a stored tenant, as it is shown: what was a default until then is set.
///
/// # Errors
/// Everything that is wrong with the patch, or with the members of the document that it makes.
pub(crate) fn patched(stored: &Tenant, patch: &Patch) -> Result<TenantFields, Violations> {
    replace(patch.apply(response(stored))?)
}

/// Reads what a DELETE says: whether the caller does not wait for the end. Either place may say so.
///
/// # Errors
/// Everything that is wrong with the parameter or the members.
pub(crate) fn is_asynchronous(
    query: &[(String, String)],
    document: Map<String, Value>,
) -> Result<bool, Violations> {
    let mut violations = Violations::none();
    let by_query = Parameters::new(query).flag("async", &mut violations);
    let mut root = Members::of_document(document);
    root.ignore(&["eventInfo"]);
    let by_body = root.flag("async", &mut violations);
    root.finish(&mut violations);
    violations.into_result(by_query == Some(true) || by_body == Some(true))
}

/// The members of the wrapper, without those that are read-only.
fn tenant_members(mut root: Members, violations: &mut Violations) -> Result<Members, Violations> {
    let members = root.object("tenant", violations);
    root.finish(violations);
    let Some(mut members) = members else {
        if violations.is_empty() {
            violations.add(&codes::TENANT_MISSING);
        }
        return Err(std::mem::take(violations));
    };
    members.ignore(&READ_ONLY_MEMBERS);
    Ok(members)
}

/// A copy takes a name; every other member with content would be ignored, which is refused (FusionAuth 1.46). Clients that
/// always send some members send them empty.
fn copied_name(mut members: Members, violations: &mut Violations) -> Option<Name> {
    let name = required_name(&mut members, violations);
    for member in KEPT_MEMBERS.into_iter().chain(["issuer", "jwtConfiguration"]) {
        if members.take(member).is_some_and(|value| has_content(&value)) {
            violations.push(Violation::at(&codes::TENANT_NOT_COPIED, members.path_of(member)));
        }
    }
    members.finish(violations);
    name
}

fn has_content(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(flag) => *flag,
        Value::Number(number) => number.as_f64() != Some(0.0),
        Value::String(text) => !text.is_empty(),
        Value::Array(items) => items.iter().any(has_content),
        Value::Object(members) => members.values().any(has_content),
    }
}

fn required_name(members: &mut Members, violations: &mut Violations) -> Option<Name> {
    let before = violations.iter().count();
    let text = members.text("name", violations);
    if text.is_none() && violations.iter().count() == before {
        violations.add(&codes::TENANT_NAME_BLANK);
    }
    name(text?, &NAME_CODES, violations)
}

fn fields(mut members: Members, mut violations: Violations) -> Result<TenantFields, Violations> {
    let name = required_name(&mut members, &mut violations);
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
    let kept = Value::Object(kept).to_string();
    if kept.len() > MAXIMUM_KEPT {
        violations.add(&codes::TENANT_TOO_LONG);
    }
    match name {
        Some(name) => {
            let kept = KeptDocument::from_json(kept);
            violations.into_result(TenantFields { name, issuer, jwt, kept })
        }
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
        "TenantDeleteRequest": {"type": "object", "properties": {"async": {"type": "boolean", "default": false}}},
        "TenantRequest": {"type": "object", "required": ["tenant"], "properties": {
            "sourceTenantId": {"type": "string", "format": "uuid"},
            "tenant": {"$ref": "#/components/schemas/Tenant"}}},
        "TenantResponse": {"type": "object", "properties": {"tenant": {"$ref": "#/components/schemas/Tenant"}}},
        "TenantsResponse": {"type": "object", "properties": {
            "tenants": {"type": "array", "items": {"$ref": "#/components/schemas/Tenant"}}}},
    })
}

/// `scimServerConfiguration.serverEntityTypeId` of what is kept, if it is an id.
pub(crate) fn scim_server_type(kept: &KeptDocument) -> Option<EntityTypeId> {
    let document: Value = serde_json::from_str(kept.as_json()).ok()?;
    document.get("scimServerConfiguration")?.get("serverEntityTypeId")?.as_str()?.parse().ok()
}

#[cfg(test)]
mod tests;
