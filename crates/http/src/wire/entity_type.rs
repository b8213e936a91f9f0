//! Entity types on the wire (FusionAuth: Entity Types), and searches for them. Their permissions are shown here, but managed
//! through paths of their own.

use claviger_domain::{
    EntityTypeJwtConfiguration, EntityTypeSearch, KeyId, MAXIMUM_NAME_LENGTH, Violation, Violations, codes,
};
use serde_json::{Map, Value, json};

use super::entity_type_permission::document as permission_document;
use super::json::{Members, sorted};
use super::patch::Patch;
use super::search::{Common, Source, common, common_properties};
use super::{NameCodes, data, name};
use crate::ops::entity_type::{DescribedEntityType, EntityTypeFields};

const NAME_CODES: NameCodes = NameCodes {
    blank: &codes::ENTITY_TYPE_NAME_BLANK,
    too_long: &codes::ENTITY_TYPE_NAME_TOO_LONG,
    invalid: &codes::ENTITY_TYPE_NAME_INVALID,
};

const MAXIMUM_VERIFICATION_KEYS: usize = 64;

/// The members that FusionAuth's type has, for requests in which they mean nothing.
pub(crate) const MEMBERS: [&str; 7] =
    ["data", "id", "insertInstant", "jwtConfiguration", "lastUpdateInstant", "name", "permissions"];

/// The document of a type, members in alphabetical order.
pub(crate) fn document(described: &DescribedEntityType) -> Value {
    let DescribedEntityType { entity_type, permissions } = described;
    let mut jwt = json!({"enabled": entity_type.jwt.enabled});
    let mut document = json!({
        "id": entity_type.id.to_string(),
        "insertInstant": entity_type.insert_instant.epoch_millis(),
        "lastUpdateInstant": entity_type.last_update_instant.epoch_millis(),
        "name": entity_type.name.as_str(),
        "permissions": permissions.iter().map(permission_document).collect::<Vec<_>>(),
    });
    if let Some(members) = jwt.as_object_mut() {
        let configuration = &entity_type.jwt;
        if let Some(id) = configuration.access_token_key_id {
            members.insert("accessTokenKeyId".to_owned(), id.to_string().into());
        }
        let verification = &configuration.access_token_verification_key_ids;
        if !verification.is_empty() {
            let ids: Vec<_> = verification.iter().map(KeyId::to_string).collect();
            members.insert("accessTokenVerificationKeyIds".to_owned(), ids.into());
        }
        if let Some(seconds) = configuration.time_to_live_in_seconds {
            members.insert("timeToLiveInSeconds".to_owned(), seconds.into());
        }
    }
    if let Some(members) = document.as_object_mut() {
        members.insert("jwtConfiguration".to_owned(), jwt);
        if let Some(data) = data::shown(entity_type.data.as_ref()) {
            members.insert("data".to_owned(), data);
        }
    }
    sorted(document)
}

/// The body of an answer: `{"entityType": …}`.
pub(crate) fn response(described: &DescribedEntityType) -> Value {
    json!({"entityType": document(described)})
}

/// The body of an answer: `{"entityTypes": […]}`.
pub(crate) fn list_response(types: &[DescribedEntityType]) -> Value {
    json!({"entityTypes": types.iter().map(document).collect::<Vec<_>>()})
}

/// The body of an answer: `{"entityTypes": […], "total": n}`, a page of a search that found so many.
pub(crate) fn search_response(types: &[DescribedEntityType], total: u64) -> Value {
    json!({"entityTypes": types.iter().map(document).collect::<Vec<_>>(), "total": total})
}

/// Reads the body of a create or replace request.
///
/// # Errors
/// Everything that is wrong with the members; whether the keys exist is checked later.
pub(crate) fn fields(document: Map<String, Value>) -> Result<EntityTypeFields, Violations> {
    let mut violations = Violations::none();
    let mut root = Members::of_document(document);
    // The Go client sends an empty permission along.
    root.ignore(&["permission"]);
    let members = root.object("entityType", &mut violations);
    root.finish(&mut violations);
    let Some(mut members) = members else {
        if violations.iter().all(|violation| violation.field().is_none()) {
            violations.add(&codes::ENTITY_TYPE_MISSING);
        }
        return Err(violations);
    };
    members.ignore(&["id", "insertInstant", "lastUpdateInstant", "permissions"]);
    let before = violations.iter().count();
    let text = members.text("name", &mut violations);
    if text.is_none() && violations.iter().count() == before {
        violations.add(&codes::ENTITY_TYPE_NAME_BLANK);
    }
    let name = text.and_then(|text| name(text, &NAME_CODES, &mut violations));
    let jwt = jwt(&mut members, &mut violations);
    let data = data::take(&mut members, &codes::ENTITY_TYPE_DATA_TOO_LONG, &mut violations);
    members.finish(&mut violations);
    match name {
        Some(name) => violations.into_result(EntityTypeFields { name, jwt, data }),
        None => Err(violations),
    }
}

/// The fields that a patch makes of a stored type.
///
/// # Errors
/// Everything that is wrong with the members of the patched document.
pub(crate) fn patched(stored: &DescribedEntityType, patch: &Patch) -> Result<EntityTypeFields, Violations> {
    fields(patch.apply(response(stored))?)
}

fn jwt(members: &mut Members, violations: &mut Violations) -> EntityTypeJwtConfiguration {
    let mut configuration = EntityTypeJwtConfiguration::default();
    let Some(mut jwt) = members.object("jwtConfiguration", violations) else { return configuration };
    let before = violations.iter().count();
    configuration.enabled = jwt.flag("enabled", violations).unwrap_or(false);
    configuration.access_token_key_id = jwt.id("accessTokenKeyId", violations);
    let verification = &mut configuration.access_token_verification_key_ids;
    for id in jwt.ids::<KeyId>("accessTokenVerificationKeyIds", violations).unwrap_or_default() {
        if !verification.contains(&id) {
            verification.push(id);
        }
    }
    if verification.len() > MAXIMUM_VERIFICATION_KEYS {
        violations.add(&codes::ENTITY_TYPE_VERIFICATION_KEYS_TOO_MANY);
    }
    // Some clients send 0 for a number that nobody set.
    let seconds = jwt.whole_number("timeToLiveInSeconds", violations);
    configuration.time_to_live_in_seconds = seconds.filter(|seconds| configuration.enabled || *seconds != 0);
    if let Some(seconds) = configuration.time_to_live_in_seconds
        && !(1..=i64::from(i32::MAX)).contains(&seconds)
    {
        violations.add(&codes::ENTITY_TYPE_LIFETIME_INVALID);
    }
    // What is there and wrong is not missing.
    if configuration.enabled && violations.iter().count() == before {
        for (name, is_missing) in [
            ("accessTokenKeyId", configuration.access_token_key_id.is_none()),
            ("timeToLiveInSeconds", configuration.time_to_live_in_seconds.is_none()),
        ] {
            if is_missing {
                violations.push(Violation::at(&codes::ENTITY_TYPE_JWT_MEMBER_MISSING, jwt.path_of(name)));
            }
        }
    }
    jwt.finish(violations);
    configuration
}

/// Reads the query string of `GET /api/entity/type/search`.
///
/// # Errors
/// Everything that is wrong with the parameters.
pub(crate) fn search_from_query(query: &[(String, String)]) -> Result<EntityTypeSearch, Violations> {
    search(Source::query(query))
}

/// Reads the body of `POST /api/entity/type/search`.
///
/// # Errors
/// Everything that is wrong with the members.
pub(crate) fn search_from_body(document: Map<String, Value>) -> Result<EntityTypeSearch, Violations> {
    search(Source::body(document)?)
}

fn search(mut source: Source<'_>) -> Result<EntityTypeSearch, Violations> {
    let mut violations = Violations::none();
    let common = common(&mut source, &codes::ENTITY_TYPE_ORDER_BY_INVALID, &mut violations);
    source.finish(&mut violations);
    let Common { name, order, start_row, number_of_results } = common;
    violations.into_result(EntityTypeSearch { name, order, start_row, number_of_results })
}

/// The schemas of this file for the OpenAPI document.
pub(crate) fn schemas() -> Value {
    let id = || json!({"type": "string", "format": "uuid"});
    let instant = || json!({"type": "integer", "format": "int64", "readOnly": true});
    json!({
        "EntityType": {"type": "object", "required": ["name"], "properties": {
            "data": {"type": "object"},
            "id": {"type": "string", "format": "uuid", "readOnly": true},
            "insertInstant": instant(),
            "jwtConfiguration": {"type": "object", "properties": {
                "accessTokenKeyId": id(),
                "accessTokenVerificationKeyIds": {"type": "array", "items": id(), "maxItems": MAXIMUM_VERIFICATION_KEYS},
                "enabled": {"type": "boolean", "default": false},
                "timeToLiveInSeconds": {"type": "integer", "minimum": 1},
            }},
            "lastUpdateInstant": instant(),
            "name": {"type": "string", "maxLength": MAXIMUM_NAME_LENGTH},
            "permissions": {"type": "array", "readOnly": true,
                "items": {"$ref": "#/components/schemas/EntityTypePermission"}},
        }},
        "EntityTypeRequest": {"type": "object", "required": ["entityType"], "properties": {
            "entityType": {"$ref": "#/components/schemas/EntityType"}}},
        "EntityTypeResponse": {"type": "object", "properties": {
            "entityType": {"$ref": "#/components/schemas/EntityType"}}},
        "EntityTypesResponse": {"type": "object", "properties": {
            "entityTypes": {"type": "array", "items": {"$ref": "#/components/schemas/EntityType"}}}},
        "EntityTypeSearchRequest": {"type": "object", "required": ["search"], "properties": {
            "search": {"type": "object", "properties": common_properties()}}},
        "EntityTypeSearchResponse": {"type": "object", "properties": {
            "entityTypes": {"type": "array", "items": {"$ref": "#/components/schemas/EntityType"}},
            "total": {"type": "integer", "format": "int64"}}},
    })
}

#[cfg(test)]
mod tests {
    use claviger_domain::{EntityType, EntityTypeId, Instant, Revision};

    use super::*;

    fn object(value: Value) -> Map<String, Value> {
        value.as_object().unwrap().clone()
    }

    fn read(members: Value) -> Result<EntityTypeFields, Vec<String>> {
        fields(object(json!({"entityType": members})))
            .map_err(|violations| violations.iter().map(Violation::code).collect())
    }

    fn stored(fields: EntityTypeFields) -> DescribedEntityType {
        let entity_type = EntityType {
            id: EntityTypeId::from_u128(7),
            revision: Revision::FIRST,
            name: fields.name,
            jwt: fields.jwt,
            data: fields.data,
            insert_instant: Instant::from_epoch_millis(1),
            last_update_instant: Instant::from_epoch_millis(2),
        };
        DescribedEntityType { entity_type, permissions: Vec::new() }
    }

    const KEY: &str = "00000000-0000-0000-0000-000000000001";

    #[test]
    fn types_are_shown_as_they_are_read() {
        let jwt = json!({"accessTokenKeyId": KEY, "accessTokenVerificationKeyIds": [KEY, KEY], "enabled": true,
            "timeToLiveInSeconds": 60});
        let members = json!({"name": "t", "jwtConfiguration": jwt, "data": {"b": 1, "a": null},
            "permissions": "ignored", "id": 1});
        let document = document(&stored(read(members).unwrap()));
        assert_eq!(
            document.to_string(),
            r#"{"data":{"a":null,"b":1},"id":"00000000-0000-0000-0000-000000000007","insertInstant":1,"jwtConfiguration":{"accessTokenKeyId":"00000000-0000-0000-0000-000000000001","accessTokenVerificationKeyIds":["00000000-0000-0000-0000-000000000001"],"enabled":true,"timeToLiveInSeconds":60},"lastUpdateInstant":2,"name":"t","permissions":[]}"#
        );
        let bare =
            stored(read(json!({"name": "t", "jwtConfiguration": {"timeToLiveInSeconds": 0}})).unwrap());
        assert_eq!(self::document(&bare)["jwtConfiguration"], json!({"enabled": false}));
    }

    #[test]
    fn what_is_enabled_is_whole() {
        let jwt = |jwt: Value| read(json!({"name": "t", "jwtConfiguration": jwt}));
        let path = "entityType.jwtConfiguration";
        let missing = |name: &str| format!("[missing]{path}.{name}");
        assert_eq!(
            jwt(json!({"enabled": true})),
            Err(vec![missing("accessTokenKeyId"), missing("timeToLiveInSeconds")])
        );
        let invalid = format!("[invalid]{path}.timeToLiveInSeconds");
        for seconds in [0, -1, i64::from(i32::MAX) + 1] {
            let wrong = json!({"enabled": true, "accessTokenKeyId": KEY, "timeToLiveInSeconds": seconds});
            assert_eq!(jwt(wrong), Err(vec![invalid.clone()]), "{seconds}");
        }
        assert_eq!(jwt(json!({"timeToLiveInSeconds": -1})), Err(vec![invalid]));
        assert_eq!(jwt(json!({"enabled": 1, "x": 1})), Err(vec!["[invalidJSON]".to_owned(); 2]));
        assert!(jwt(json!({"accessTokenKeyId": KEY})).is_ok());
    }

    #[test]
    fn everything_wrong_is_reported() {
        assert_eq!(
            read(json!({"nam": "x", "data": []})),
            Err(["[blank]entityType.name", "[invalidJSON]", "[invalidJSON]"].map(str::to_owned).to_vec())
        );
        let codes = |body| fields(object(body)).unwrap_err().iter().map(Violation::code).collect::<Vec<_>>();
        assert_eq!(codes(json!({"permission": {}})), ["[missing]entityType"]);
        assert_eq!(codes(json!({"entityType": 1})), ["[invalidJSON]"]);
    }

    #[test]
    fn patches_merge() {
        let before = stored(read(json!({"name": "t", "data": {"a": [1]}})).unwrap());
        let patch = |members: Value| {
            let body = json!({"entityType": members}).to_string();
            patched(&before, &Patch::read("application/json", body.as_bytes())?)
        };
        assert_eq!(stored(patch(json!({})).unwrap()), before);
        let after = stored(patch(json!({"name": "u", "data": {"a": [2]}})).unwrap());
        assert_eq!(document(&after)["data"], json!({"a": [1, 2]}));
        assert_eq!(after.entity_type.name.as_str(), "u");
        assert!(patch(json!({"name": null})).is_err());
    }
}
