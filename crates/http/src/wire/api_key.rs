//! API keys on the wire (FusionAuth: API Keys).

use std::collections::BTreeMap;

use claviger_domain::{
    ApiKey, EndpointPath, EndpointPermissions, Instant, Method, MethodSet, Permissions, SecretText, TenantId,
    Violation, Violations, codes,
};
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::json::Members;
use super::patch::Patch;
use super::{NameCodes, name};
use crate::ops::api_key::{
    ApiKeyFields, CopyApiKey, CreateApiKey, DESCRIPTION, FUSION_ID, FUSION_ROLES, NewApiKey,
};

const NAME_CODES: NameCodes = NameCodes {
    blank: &codes::API_KEY_NAME_BLANK,
    too_long: &codes::API_KEY_NAME_TOO_LONG,
    invalid: &codes::API_KEY_NAME_INVALID,
};
const MAXIMUM_ENDPOINTS: usize = 1024;
const MAXIMUM_ATTRIBUTES: usize = 64;
const MAXIMUM_ATTRIBUTE_NAME: usize = 191;
const MAXIMUM_ATTRIBUTE_VALUE: usize = 4096;
const MAXIMUM_VALUE: usize = 1024;

/// The body of an answer: `{"apiKey": …}`, members in alphabetical order.
#[derive(Serialize)]
pub(crate) struct ApiKeyResponse<'a> {
    #[serde(rename = "apiKey")]
    api_key: ApiKeyBody<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ApiKeyBody<'a> {
    /// Only where it is true: FusionAuth has no such member.
    #[serde(skip_serializing_if = "Option::is_none")]
    disabled: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expiration_instant: Option<i64>,
    id: String,
    insert_instant: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    ip_access_control_list_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<&'a str>,
    key_manager: bool,
    last_update_instant: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    meta_data: Option<MetaData<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    permissions: Option<PermissionsBody<'a>>,
    retrievable: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    tenant_id: Option<String>,
}

#[derive(Serialize)]
struct MetaData<'a> {
    attributes: &'a BTreeMap<String, String>,
}

#[derive(Serialize)]
struct PermissionsBody<'a> {
    endpoints: BTreeMap<&'a str, Vec<&'static str>>,
}

impl<'a> ApiKeyResponse<'a> {
    /// The answer for a key, with its value where the caller may see it.
    pub(crate) fn new(api_key: &'a ApiKey, value: Option<&'a SecretText>) -> Self {
        Self { api_key: ApiKeyBody::new(api_key, value) }
    }
}

impl<'a> ApiKeyBody<'a> {
    pub(super) fn new(api_key: &'a ApiKey, value: Option<&'a SecretText>) -> Self {
        Self {
            disabled: api_key.disabled.then_some(true),
            ip_access_control_list_id: api_key.ip_access_control_list_id.map(|id| id.to_string()),
            expiration_instant: api_key.expiration_instant.map(Instant::epoch_millis),
            id: api_key.id.to_string(),
            insert_instant: api_key.insert_instant.epoch_millis(),
            key: value.map(SecretText::expose),
            key_manager: api_key.key_manager,
            last_update_instant: api_key.last_update_instant.epoch_millis(),
            meta_data: (!api_key.attributes.is_empty())
                .then_some(MetaData { attributes: &api_key.attributes }),
            name: api_key.name.as_ref().map(claviger_domain::Name::as_str),
            permissions: match &api_key.permissions {
                Permissions::All | Permissions::Roles(_) => None,
                Permissions::Only(permissions) => Some(PermissionsBody {
                    endpoints: permissions
                        .iter()
                        .map(|(path, methods)| (path.as_str(), methods.iter().map(Method::as_str).collect()))
                        .collect(),
                }),
            },
            retrievable: api_key.retrievable,
            tenant_id: api_key.tenant_id.map(|id| id.to_string()),
        }
    }
}

/// Reads the body of `POST /api/api-key[/{apiKeyId}]`: a new key, or a copy.
///
/// # Errors
/// Everything that is wrong with the members; what needs the database is checked later.
pub(crate) fn create(document: Map<String, Value>) -> Result<NewApiKey, Violations> {
    let mut violations = Violations::none();
    let mut root = Members::of_document(document);
    let source_id = root.id("sourceKeyId", &mut violations);
    let members = root.object("apiKey", &mut violations);
    root.finish(&mut violations);
    match (source_id, members) {
        (Some(source_id), members) => {
            let name = members.and_then(|members| copied_name(members, &mut violations));
            violations.into_result(NewApiKey::Copy(CopyApiKey { source_id, name }))
        }
        (None, Some(mut members)) => {
            let value = value(&mut members, &mut violations);
            let fields = fields(members, &mut violations);
            violations.into_result(NewApiKey::Create(CreateApiKey { value, fields }))
        }
        (None, None) => {
            missing(&mut violations);
            Err(violations)
        }
    }
}

/// Says that the wrapper is missing, whatever stands beside where it should be, unless it is there and wrong itself.
fn missing(violations: &mut Violations) {
    if violations.iter().all(|violation| violation.field().is_none()) {
        violations.add(&codes::API_KEY_MISSING);
    }
}

/// A copy takes a name; every other member with content would be ignored, which is refused (FusionAuth 1.46).
fn copied_name(mut members: Members, violations: &mut Violations) -> Option<claviger_domain::Name> {
    let name = members.text("name", violations).and_then(|text| name(text, &NAME_CODES, violations));
    members.ignore(&["id", "insertInstant", "lastUpdateInstant"]);
    for member in [
        "expirationInstant",
        "ipAccessControlListId",
        "key",
        "keyManager",
        "metaData",
        "permissions",
        "retrievable",
        "tenantId",
    ] {
        // Clients that always send a member send it empty.
        let given = members.take(member).is_some_and(|value| match &value {
            Value::Bool(flag) => *flag,
            Value::String(text) => !text.is_empty(),
            Value::Object(inner) => {
                inner.values().any(|value| value.as_object().is_none_or(|map| !map.is_empty()))
            }
            _ => true,
        });
        if given {
            violations.push(Violation::at(&codes::API_KEY_NOT_COPIED, members.path_of(member)));
        }
    }
    members.finish(violations);
    name
}

/// Reads the body of `PUT /api/api-key/{apiKeyId}`.
///
/// # Errors
/// Everything that is wrong with the members.
pub(crate) fn replace(document: Map<String, Value>) -> Result<ApiKeyFields, Violations> {
    let mut violations = Violations::none();
    let lifts_restrictions = lifts_restrictions(&document);
    let mut root = Members::of_document(document);
    root.ignore(&["sourceKeyId"]);
    let members = root.object("apiKey", &mut violations);
    root.finish(&mut violations);
    let Some(mut members) = members else {
        missing(&mut violations);
        return Err(violations);
    };
    // The value never changes; clients send the one they know back.
    members.text("key", &mut violations);
    let fields = fields(members, &mut violations);
    violations.into_result(ApiKeyFields { lifts_restrictions, ..fields })
}

/// The fields that a patch makes of a stored key. Its value is in no document that is patched.
///
/// # Errors
/// Everything that is wrong with the patch, or with the members of the document that it makes. A patch that takes away the
/// last endpoint leaves an empty list, which grants nothing.
pub(crate) fn patched(stored: &ApiKey, patch: &Patch) -> Result<ApiKeyFields, Violations> {
    let document = serde_json::to_value(ApiKeyResponse::new(stored, None)).unwrap_or_default();
    let fields = replace(patch.apply(document)?)?;
    let lifts_restrictions =
        patch.clears(&["apiKey", "permissions"]) || patch.clears(&["apiKey", "permissions", "endpoints"]);
    Ok(ApiKeyFields { lifts_restrictions, ..fields })
}

/// Whether a request says with `null` that there shall be no restriction, instead of leaving it out.
fn lifts_restrictions(document: &Map<String, Value>) -> bool {
    let permissions = document.get("apiKey").and_then(|api_key| api_key.get("permissions"));
    permissions.is_some_and(|permissions| {
        permissions.is_null() || permissions.get("endpoints").is_some_and(Value::is_null)
    })
}

pub(super) fn value(members: &mut Members, violations: &mut Violations) -> Option<SecretText> {
    let text = members.text("key", violations)?;
    if text.is_empty() {
        violations.add(&codes::API_KEY_KEY_BLANK);
    } else if text.len() > MAXIMUM_VALUE {
        violations.add(&codes::API_KEY_KEY_TOO_LONG);
    }
    Some(SecretText::from(text))
}

fn fields(mut members: Members, violations: &mut Violations) -> ApiKeyFields {
    members.ignore(&["id", "insertInstant", "lastUpdateInstant"]);
    let name = members.text("name", violations).and_then(|text| name(text, &NAME_CODES, violations));
    let key_manager = members.flag("keyManager", violations);
    let retrievable = members.flag("retrievable", violations);
    let tenant_id: Option<TenantId> = members.id("tenantId", violations);
    let expiration_instant = members.whole_number("expirationInstant", violations).and_then(|millis| {
        let instant = Instant::from_epoch_millis(millis);
        if millis < 0 || instant > Instant::MAXIMUM {
            violations.add(&codes::API_KEY_EXPIRATION_INVALID);
            return None;
        }
        Some(instant)
    });
    let list_id = members.text("ipAccessControlListId", violations).filter(|text| !text.is_empty());
    let ip_access_control_list_id = list_id.and_then(|text| {
        let id = text.parse().ok();
        if id.is_none() {
            violations.add(&codes::API_KEY_IP_ACL_INVALID);
        }
        id
    });
    let disabled = members.flag("disabled", violations);
    let attributes = attributes(&mut members, violations);
    let permissions = permissions(&mut members, violations);
    members.finish(violations);
    ApiKeyFields {
        name,
        attributes,
        permissions,
        lifts_restrictions: false,
        key_manager,
        tenant_id,
        retrievable,
        expiration_instant,
        ip_access_control_list_id,
        disabled,
    }
}

fn attributes(members: &mut Members, violations: &mut Violations) -> BTreeMap<String, String> {
    let mut attributes = BTreeMap::new();
    let Some(mut meta_data) = members.object("metaData", violations) else { return attributes };
    if let Some(mut entries) = meta_data.object("attributes", violations) {
        // They show what only Fusion's dialect has, are never stored, and can be longer than what is.
        entries.ignore(&[FUSION_ID, FUSION_ROLES]);
        let names = entries.names();
        // A description may be shown that nobody gave, beside as many as can be given.
        if names.iter().filter(|name| *name != DESCRIPTION).count() > MAXIMUM_ATTRIBUTES {
            violations.add(&codes::API_KEY_ATTRIBUTES_INVALID);
            return attributes;
        }
        for name in names {
            if let Some(value) = entries.text(&name, violations) {
                attributes.insert(name, value);
            }
        }
    }
    meta_data.finish(violations);
    let too_long = |text: &str, limit: usize| text.chars().count() > limit || text.contains('\0');
    if attributes.iter().any(|(name, value)| {
        too_long(name, MAXIMUM_ATTRIBUTE_NAME) || too_long(value, MAXIMUM_ATTRIBUTE_VALUE)
    }) {
        violations.add(&codes::API_KEY_ATTRIBUTES_INVALID);
    }
    attributes
}

/// Absent, `null`, `{}` and `{"endpoints": null}` mean "no restriction", as the Go client needs. A list that is given is one,
/// also when it is empty or has no methods: it grants nothing then.
fn permissions(members: &mut Members, violations: &mut Violations) -> Permissions {
    let Some(mut object) = members.object("permissions", violations) else { return Permissions::All };
    let endpoints = object.object("endpoints", violations);
    object.finish(violations);
    let Some(mut endpoints) = endpoints else { return Permissions::All };
    let mut list = EndpointPermissions::default();
    if endpoints.len() > MAXIMUM_ENDPOINTS {
        violations.add(&codes::API_KEY_PERMISSIONS_TOO_MANY);
        return Permissions::Only(list);
    }
    for path in endpoints.names() {
        // A null list grants nothing; it must not vanish, or the last one would leave a key without restriction.
        let methods = match endpoints.take(&path) {
            None => Some(MethodSet::EMPTY),
            Some(Value::Array(items)) => {
                items.iter().map(|item| item.as_str()?.parse::<Method>().ok()).collect()
            }
            Some(_) => None,
        };
        match (EndpointPath::try_from(path.as_str()), methods) {
            (Ok(endpoint), Some(methods)) => list.add(endpoint, methods),
            _ => violations.add(&codes::API_KEY_PERMISSIONS_INVALID),
        }
    }
    Permissions::Only(list)
}

/// The schemas of this file for the OpenAPI document.
pub(crate) fn schemas() -> Value {
    json!({
        "ApiKey": {"type": "object", "properties": {
            "disabled": {"type": "boolean", "default": false},
            "expirationInstant": {"type": "integer", "format": "int64"},
            "id": {"type": "string", "format": "uuid", "readOnly": true},
            "insertInstant": {"type": "integer", "format": "int64", "readOnly": true},
            "ipAccessControlListId": {"type": "string", "format": "uuid"},
            "key": {"type": "string"},
            "keyManager": {"type": "boolean", "readOnly": true},
            "lastUpdateInstant": {"type": "integer", "format": "int64", "readOnly": true},
            "metaData": {"type": "object", "properties": {"attributes": {"type": "object", "additionalProperties": {"type": "string"}}}},
            "name": {"type": "string", "maxLength": claviger_domain::MAXIMUM_NAME_LENGTH},
            "permissions": {"type": "object", "properties": {"endpoints": {"type": "object", "additionalProperties":
                {"type": "array", "items": {"type": "string", "enum": Method::ALL.map(Method::as_str)}}}}},
            "retrievable": {"type": "boolean", "default": true},
            "tenantId": {"type": "string", "format": "uuid"},
        }},
        "ApiKeyRequest": {"type": "object", "properties": {
            "apiKey": {"$ref": "#/components/schemas/ApiKey"},
            "sourceKeyId": {"type": "string", "format": "uuid"},
        }},
        "ApiKeyResponse": {"type": "object", "properties": {"apiKey": {"$ref": "#/components/schemas/ApiKey"}}},
    })
}

#[cfg(test)]
mod tests {
    use claviger_domain::{ApiKeyId, Revision};

    use super::*;

    fn object(value: Value) -> Map<String, Value> {
        value.as_object().unwrap().clone()
    }

    fn stored(permissions: Permissions) -> ApiKey {
        ApiKey {
            id: ApiKeyId::from_u128(1),
            revision: Revision::FIRST,
            name: Some(claviger_domain::Name::try_from("n".to_owned()).unwrap()),
            attributes: BTreeMap::from([("description".to_owned(), "d".to_owned())]),
            permissions,
            key_manager: false,
            tenant_id: None,
            fusion_id: None,
            name_repeats: false,
            ip_access_control_list_id: None,
            disabled: false,
            retrievable: true,
            expiration_instant: Some(Instant::from_epoch_millis(5)),
            insert_instant: Instant::from_epoch_millis(1),
            last_update_instant: Instant::from_epoch_millis(2),
        }
    }

    #[track_caller]
    fn check_permissions(given: Value, expected: Option<&str>) {
        let body = object(json!({"apiKey": {"permissions": given}}));
        let fields = replace(body).unwrap();
        let expected = expected.map_or(Permissions::All, |text| Permissions::Only(text.parse().unwrap()));
        assert_eq!(fields.permissions, expected, "{given}");
    }

    #[test]
    fn four_ways_to_say_no_restriction_and_no_more() {
        for nothing in [json!(null), json!({}), json!({"endpoints": null})] {
            check_permissions(nothing, None);
        }
        assert_eq!(replace(object(json!({"apiKey": {}}))).unwrap().permissions, Permissions::All);
        check_permissions(json!({"endpoints": {}}), Some(""));
        check_permissions(json!({"endpoints": {"/api/user": []}}), Some(":/api/user"));
        check_permissions(json!({"endpoints": {"/api/user": null}}), Some(":/api/user"));
        check_permissions(json!({"endpoints": {"/x": ["GET", "GET", "PUT"]}}), Some("GET,PUT:/x"));
    }

    #[track_caller]
    fn check_refused(body: Value, expected: &[&str]) {
        let violations = create(object(body.clone())).err().unwrap();
        let found: Vec<_> = violations.iter().map(Violation::code).collect();
        assert_eq!(found, expected, "{body}");
    }

    #[test]
    fn refuses_wrong_members_all_at_once() {
        check_refused(json!({}), &["[missing]apiKey"]);
        check_refused(json!({"apiKey": 1}), &["[invalidJSON]"]);
        check_refused(json!({"apiKey": {"permisions": {}}}), &["[invalidJSON]"]);
        check_refused(json!({"apikey": {}, "apiKey": {}}), &["[invalidJSON]"]);
        check_refused(json!({"apiKey": {"metaData": {"attribute": {}}}}), &["[invalidJSON]"]);
        check_refused(json!({"apiKey": {"permissions": {"endpoint": {}}}}), &["[invalidJSON]"]);
        check_refused(
            json!({"apiKey": {"key": "", "name": " ", "expirationInstant": -1, "tenantId": "x",
                "ipAccessControlListId": "780e1d5b",
                "metaData": {"attributes": {"a": "\u{0}"}},
                "permissions": {"endpoints": {"api": ["GET"]}}}}),
            &[
                "[blank]apiKey.key",
                "[blank]apiKey.name",
                "[invalidJSON]",
                "[invalid]apiKey.expirationInstant",
                "[invalid]apiKey.ipAccessControlListId",
                "[invalid]apiKey.metaData.attributes",
                "[invalid]apiKey.permissions.endpoints",
            ],
        );
        for methods in [json!(["get"]), json!(["HEAD"]), json!([1]), json!("GET"), json!({})] {
            let body = json!({"apiKey": {"permissions": {"endpoints": {"/a": methods}}}});
            check_refused(body, &["[invalid]apiKey.permissions.endpoints"]);
        }
    }

    #[test]
    fn a_copy_takes_a_name_only() {
        let id = "780e1d5b-ee3b-43b2-aec8-db99b99adc4e";
        let empty = json!({"name": "c", "keyManager": false, "retrievable": false, "permissions": {},
            "metaData": {"attributes": {}}, "key": ""});
        assert!(create(object(json!({"sourceKeyId": id, "apiKey": empty}))).is_ok());
        assert!(create(object(json!({"sourceKeyId": id}))).is_ok());
        check_refused(
            json!({"sourceKeyId": id, "apiKey": {"key": "x", "expirationInstant": 1, "permissions":
                {"endpoints": {"/a": ["GET"]}}}}),
            &[
                "[notAllowed]apiKey.expirationInstant",
                "[notAllowed]apiKey.key",
                "[notAllowed]apiKey.permissions",
            ],
        );
    }

    fn merge(patch: Value) -> Patch {
        Patch::read("application/json", patch.to_string().as_bytes()).unwrap()
    }

    fn operations(operations: Value) -> Patch {
        Patch::read("application/json-patch+json", operations.to_string().as_bytes()).unwrap()
    }

    #[test]
    fn a_patch_keeps_what_it_does_not_name() {
        let key = stored(Permissions::Only("GET:/api/user".parse().unwrap()));
        let patch = merge(json!({"apiKey": {"permissions": {"endpoints": {"/api/user": ["PUT"], "/b": []}},
            "metaData": {"attributes": {"description": null, "x": "y"}}, "expirationInstant": null}}));
        let fields = patched(&key, &patch).unwrap();
        assert_eq!(fields.permissions, Permissions::Only("GET,PUT:/api/user\n:/b".parse().unwrap()));
        assert_eq!(fields.attributes, BTreeMap::from([("x".to_owned(), "y".to_owned())]));
        assert_eq!(fields.expiration_instant, None);
        assert_eq!(fields.name, key.name);
    }

    #[test]
    fn a_patch_does_not_lift_restrictions_by_accident() {
        let key = stored(Permissions::Only("GET:/api/user".parse().unwrap()));
        let last = merge(json!({"apiKey": {"permissions": {"endpoints": {"/api/user": null}}}}));
        let removed =
            operations(json!([{"op": "remove", "path": "/apiKey/permissions/endpoints/~1api~1user"}]));
        for last in [last, removed] {
            let fields = patched(&key, &last).unwrap();
            assert_eq!(fields.permissions, Permissions::Only(EndpointPermissions::default()));
            assert!(!fields.lifts_restrictions);
        }
        for on_purpose in [
            json!([{"op": "remove", "path": "/apiKey/permissions"}]),
            json!([{"op": "replace", "path": "/apiKey/permissions/endpoints", "value": null}]),
        ] {
            let fields = patched(&key, &operations(on_purpose)).unwrap();
            assert_eq!((fields.permissions, fields.lifts_restrictions), (Permissions::All, true));
        }
        let around = operations(json!([{"op": "replace", "path": "/apiKey", "value": {}}]));
        let fields = patched(&key, &around).unwrap();
        assert_eq!((fields.permissions, fields.lifts_restrictions), (Permissions::All, false));
        for on_purpose in [json!(null), json!({"endpoints": null})] {
            let fields = patched(&key, &merge(json!({"apiKey": {"permissions": on_purpose}}))).unwrap();
            assert_eq!((fields.permissions, fields.lifts_restrictions), (Permissions::All, true));
        }
        let unsaid = replace(object(json!({"apiKey": {"permissions": {}}}))).unwrap();
        assert_eq!((unsaid.permissions, unsaid.lifts_restrictions), (Permissions::All, false));
        let nothing_new = merge(json!({"apiKey": {"permissions": {"endpoints": {}}}}));
        assert_eq!(patched(&key, &nothing_new).unwrap().permissions, key.permissions);
    }
}
