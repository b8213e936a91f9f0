//! Lucidworks Fusion's JSON: API keys without a wrapper, and roles. Members that Fusion's documents do not name are ignored
//! here, except those that would be taken for something else.

use std::collections::BTreeMap;

use claviger_domain::{
    FusionId, MAXIMUM_ROLE_PERMISSIONS, MAXIMUM_ROLE_VALUES, MAXIMUM_ROLES, Name, NameError, RequestMethod,
    RequestMethodSet, Revision, Role, RoleName, RolePermission, SecretText, Violations,
};
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::errors::FusionCode;
use super::query::Parameters;
use crate::error::FusionError;
use crate::ops::fusion_api_key::{CreateFusionApiKey, FusionApiKey};
use crate::ops::role::RoleFields;

/// The most components of a user interface that a role can name, and the longest text among them, in characters.
const MAXIMUM_UI_PERMISSIONS: usize = 256;
const MAXIMUM_TEXT: usize = 4096;

/// A key in an answer.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ApiKeyBody<'a> {
    name: &'a str,
    id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<&'a str>,
    roles: &'a [String],
    created_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    disabled: Option<bool>,
}

impl<'a> ApiKeyBody<'a> {
    /// A key, with its value where it has just been made.
    pub(crate) fn new(api_key: &'a FusionApiKey, value: Option<&'a SecretText>) -> Self {
        Self {
            name: &api_key.name,
            id: &api_key.id,
            key: value.map(SecretText::expose),
            roles: &api_key.roles,
            created_at: instant_text(api_key.created.epoch_millis()),
            disabled: api_key.disabled.then_some(true),
        }
    }
}

/// A role in an answer.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RoleBody<'a> {
    id: String,
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    desc: Option<&'a str>,
    created_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    updated_at: Option<String>,
    permissions: Vec<PermissionBody<'a>>,
    ui_permissions: &'a [String],
}

#[derive(Serialize)]
struct PermissionBody<'a> {
    methods: Vec<&'static str>,
    path: &'a str,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    params: &'a BTreeMap<String, Vec<String>>,
}

impl<'a> From<&'a Role> for RoleBody<'a> {
    fn from(role: &'a Role) -> Self {
        // The clock may not have moved between the two.
        let changed = role.revision != Revision::FIRST;
        Self {
            id: role.id.to_string(),
            name: role.name.as_str(),
            desc: role.desc.as_deref(),
            created_at: instant_text(role.insert_instant.epoch_millis()),
            updated_at: changed.then(|| instant_text(role.last_update_instant.epoch_millis())),
            permissions: role.permissions.iter().map(PermissionBody::from).collect(),
            ui_permissions: &role.ui_permissions,
        }
    }
}

impl<'a> From<&'a RolePermission> for PermissionBody<'a> {
    fn from(permission: &'a RolePermission) -> Self {
        Self {
            methods: permission.methods().iter().map(RequestMethod::as_str).collect(),
            path: permission.path(),
            params: permission.values(),
        }
    }
}

/// `2023-01-23T15:12:32Z`: UTC, whole seconds (RFC 3339). Civil dates from days since the epoch, by the calendar of 400
/// years that repeats.
fn instant_text(epoch_millis: i64) -> String {
    let seconds = epoch_millis.div_euclid(1000);
    let (days, second) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    // Days since 0000-03-01, so that the leap day is the last of its year.
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = era * 400 + year_of_era + i64::from(month <= 2);
    let (hour, minute) = (second / 3600, second / 60 % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{:02}Z", second % 60)
}

fn error(code: FusionCode, message: impl Into<String>) -> FusionError {
    FusionError::new(code, message)
}

/// Reads the body of `POST /api/api-key`.
///
/// # Errors
/// The first thing that is wrong with it.
pub(crate) fn create_api_key(mut document: Map<String, Value>) -> Result<CreateFusionApiKey, FusionError> {
    if document.contains_key("apiKey") || document.contains_key("sourceKeyId") {
        return Err(error(
            FusionCode::WrongDialect,
            "This is a body of FusionAuth's API: send your key in the header Authorization.",
        ));
    }
    if document.contains_key("key") {
        return Err(error(
            FusionCode::UnexpectedField,
            "The value of the key is made by the server: leave out key.",
        ));
    }
    let name = text(&mut document, "name")?;
    let name = Name::try_from(name.unwrap_or_default()).map_err(|problem| match problem {
        NameError::Blank => error(FusionCode::MissingName, "The name is required."),
        NameError::TooLong | NameError::InvalidCharacter => {
            error(FusionCode::InvalidName, format!("The name is invalid: {problem}."))
        }
    })?;
    let id = text(&mut document, "id")?
        .map(FusionId::try_from)
        .transpose()
        .map_err(|problem| error(FusionCode::InvalidId, format!("The id is invalid: {problem}.")))?;
    let mut roles: Vec<RoleName> = Vec::new();
    for text in texts(&mut document, "roles", MAXIMUM_ROLES)? {
        let role = RoleName::try_from(text.as_str())
            .map_err(|_| error(FusionCode::UnknownRole, "No role can have a name like one of these."))?;
        if !roles.contains(&role) {
            roles.push(role);
        }
    }
    let disabled = match document.remove("disabled") {
        None | Some(Value::Null) => false,
        Some(Value::Bool(disabled)) => disabled,
        Some(_) => return Err(error(FusionCode::InvalidJson, "disabled must be true or false.")),
    };
    Ok(CreateFusionApiKey { name, id, roles, disabled })
}

/// Reads the body of `POST /api/roles` and `PUT /api/roles/{roleId}`.
///
/// # Errors
/// The first thing that is wrong with it.
pub(crate) fn role(mut document: Map<String, Value>) -> Result<RoleFields, FusionError> {
    let name = text(&mut document, "name")?.unwrap_or_default();
    if name.trim().is_empty() {
        return Err(error(FusionCode::MissingName, "The name is required."));
    }
    let name = RoleName::try_from(name.as_str())
        .map_err(|problem| error(FusionCode::InvalidName, format!("The name is invalid: {problem}.")))?;
    let desc = text(&mut document, "desc")?;
    if desc.as_deref().is_some_and(is_unfit) {
        return Err(error(FusionCode::InvalidRequest, "desc is too long, or contains NUL."));
    }
    let permissions = match document.remove("permissions") {
        None | Some(Value::Null) => Vec::new(),
        Some(Value::Array(items)) if items.len() > MAXIMUM_ROLE_PERMISSIONS => {
            let message = format!("A role has at most {MAXIMUM_ROLE_PERMISSIONS} permissions.");
            return Err(error(FusionCode::TooMany, message));
        }
        Some(Value::Array(items)) => items.into_iter().map(permission).collect::<Result<_, _>>()?,
        Some(_) => return Err(error(FusionCode::InvalidJson, "permissions must be a list.")),
    };
    let values: usize =
        permissions.iter().flat_map(|permission| permission.values().values()).map(Vec::len).sum();
    if values > MAXIMUM_ROLE_VALUES {
        let message = format!("The variables of a role have at most {MAXIMUM_ROLE_VALUES} values.");
        return Err(error(FusionCode::TooMany, message));
    }
    let ui_permissions = texts(&mut document, "uiPermissions", MAXIMUM_UI_PERMISSIONS)?;
    if ui_permissions.iter().any(|text| is_unfit(text)) {
        return Err(error(
            FusionCode::InvalidRequest,
            "uiPermissions has a text that is too long, or contains NUL.",
        ));
    }
    Ok(RoleFields { name, desc, permissions, ui_permissions })
}

/// Reads the query string of `GET /api/roles`: a part of the names that are wanted.
///
/// # Errors
/// The parameter stands twice.
pub(crate) fn role_filter(query: &[(String, String)]) -> Result<Option<&str>, Violations> {
    let mut violations = Violations::none();
    let name = Parameters::new(query).text("name", &mut violations);
    violations.into_result(name)
}

fn is_unfit(text: &str) -> bool {
    text.chars().count() > MAXIMUM_TEXT || text.contains('\0')
}

/// A permission as an object, or in the one line in which Fusion's user interface writes it.
fn permission(value: Value) -> Result<RolePermission, FusionError> {
    let invalid = |problem: &dyn std::fmt::Display| {
        error(FusionCode::InvalidPermission, format!("A permission is invalid: {problem}."))
    };
    let mut members = match value {
        Value::String(line) => return line.parse().map_err(|problem| invalid(&problem)),
        Value::Object(members) => members,
        _ => return Err(error(FusionCode::InvalidJson, "A permission must be an object or a string.")),
    };
    let methods = texts(&mut members, "methods", RequestMethod::ALL.len())?
        .iter()
        .map(|method| method.parse::<RequestMethod>())
        .collect::<Result<RequestMethodSet, _>>()
        .map_err(|problem| invalid(&problem))?;
    let path = text(&mut members, "path")?.unwrap_or_default();
    let mut values = BTreeMap::new();
    match members.remove("params") {
        None | Some(Value::Null) => {}
        Some(Value::Object(mut params)) => {
            let names: Vec<String> = params.keys().cloned().collect();
            for name in names {
                // Names of variables are the caller's own: an answer does not repeat them.
                let list = texts(&mut params, &name, claviger_domain::MAXIMUM_VALUES).map_err(|problem| {
                    error(problem.code, "params must hold lists of at most 256 strings.")
                })?;
                values.insert(name, list);
            }
        }
        Some(_) => return Err(error(FusionCode::InvalidJson, "params must be an object.")),
    }
    RolePermission::new(methods, &path, values).map_err(|problem| invalid(&problem))
}

/// A member that is a text; `None` where it is absent or `null`.
fn text(members: &mut Map<String, Value>, name: &str) -> Result<Option<String>, FusionError> {
    match members.remove(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(error(FusionCode::InvalidJson, format!("{name} must be a string."))),
    }
}

/// A member that is a list of texts; empty where it is absent or `null`.
fn texts(members: &mut Map<String, Value>, name: &str, most: usize) -> Result<Vec<String>, FusionError> {
    let items = match members.remove(name) {
        None | Some(Value::Null) => return Ok(Vec::new()),
        Some(Value::Array(items)) => items,
        Some(_) => return Err(error(FusionCode::InvalidJson, format!("{name} must be a list of strings."))),
    };
    if items.len() > most {
        return Err(error(FusionCode::TooMany, format!("{name} has more than {most} entries.")));
    }
    let texts = items.into_iter().map(|item| match item {
        Value::String(text) => Ok(text),
        _ => Err(error(FusionCode::InvalidJson, format!("{name} must be a list of strings."))),
    });
    texts.collect()
}

/// The schemas of this file for the OpenAPI document.
pub(crate) fn schemas() -> Value {
    let api_key = json!({
        "createdAt": {"type": "string", "format": "date-time", "readOnly": true},
        "disabled": {"type": "boolean", "description": "There only if the key is disabled or has expired"},
        "id": {"type": "string", "maxLength": claviger_domain::MAXIMUM_FUSION_ID_LENGTH},
        "name": {"type": "string", "maxLength": claviger_domain::MAXIMUM_NAME_LENGTH},
        "roles": {"type": "array", "items": {"type": "string"}},
    });
    let mut made = api_key.clone();
    if let Some(members) = made.as_object_mut() {
        members.insert(
            "key".to_owned(),
            json!({"type": "string", "readOnly": true, "description": "In the answer to the creation only"}),
        );
    }
    let role = json!({
        "createdAt": {"type": "string", "format": "date-time", "readOnly": true},
        "desc": {"type": "string"},
        "id": {"type": "string", "format": "uuid", "readOnly": true},
        "name": {"type": "string", "maxLength": claviger_domain::MAXIMUM_ROLE_NAME_LENGTH},
        "permissions": {"type": "array", "items": {"$ref": "#/components/schemas/RolePermission"}},
        "uiPermissions": {"type": "array", "items": {"type": "string"}},
        "updatedAt": {"type": "string", "format": "date-time", "readOnly": true},
    });
    json!({
        "FusionApiKey": {"type": "object", "properties": made},
        "FusionApiKeyRequest": {"type": "object", "required": ["name"], "properties": api_key},
        "FusionApiKeys": {"type": "array", "items": {"$ref": "#/components/schemas/FusionApiKey"}},
        "FusionError": {"type": "object", "properties": {"code": {"type": "string"}, "message": {"type": "string"}}},
        "Role": {"type": "object", "properties": role},
        "RolePermission": {"type": "object", "required": ["methods", "path"], "properties": {
            "methods": {"type": "array", "items": {"type": "string", "enum": RequestMethod::ALL.map(RequestMethod::as_str)}},
            "params": {"type": "object", "additionalProperties": {"type": "array", "items": {"type": "string"}}},
            "path": {"type": "string", "maxLength": claviger_domain::MAXIMUM_PATTERN_LENGTH},
        }},
        "RoleRequest": {"type": "object", "required": ["name"], "properties": role},
        "Roles": {"type": "array", "items": {"$ref": "#/components/schemas/Role"}},
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_are_whole_seconds_in_utc() {
        for (millis, expected) in [
            (0, "1970-01-01T00:00:00Z"),
            (1_674_486_751_844, "2023-01-23T15:12:31Z"),
            (951_782_399_999, "2000-02-28T23:59:59Z"),
            (951_782_400_000, "2000-02-29T00:00:00Z"),
            (951_868_800_000, "2000-03-01T00:00:00Z"),
            (4_107_542_399_000, "2100-02-28T23:59:59Z"),
            (4_107_542_400_000, "2100-03-01T00:00:00Z"),
            (1_767_605_400_123, "2026-01-05T09:30:00Z"),
            (-1, "1969-12-31T23:59:59Z"),
            (253_402_300_799_999, "9999-12-31T23:59:59Z"),
        ] {
            assert_eq!(instant_text(millis), expected);
        }
    }
}
