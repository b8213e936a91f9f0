//! Permissions of entity types on the wire (FusionAuth: Entity Types).

use claviger_domain::{EntityTypePermission, MAXIMUM_NAME_LENGTH, Violations, codes};
use serde_json::{Map, Value, json};

use super::json::{Members, sorted};
use super::patch::Patch;
use super::query::Parameters;
use super::{NameCodes, data, name};
use crate::ops::entity_type_permission::{PermissionFields, PermissionReference};

const NAME_CODES: NameCodes = NameCodes {
    blank: &codes::PERMISSION_NAME_BLANK,
    too_long: &codes::PERMISSION_NAME_TOO_LONG,
    invalid: &codes::PERMISSION_NAME_INVALID,
};

const MAXIMUM_DESCRIPTION: usize = 4096;

/// The document of a permission, members in alphabetical order.
pub(crate) fn document(permission: &EntityTypePermission) -> Value {
    let mut document = json!({
        "id": permission.id.to_string(),
        "insertInstant": permission.insert_instant.epoch_millis(),
        "isDefault": permission.is_default,
        "lastUpdateInstant": permission.last_update_instant.epoch_millis(),
        "name": permission.name.as_str(),
    });
    if let Some(members) = document.as_object_mut() {
        if let Some(description) = &permission.description {
            members.insert("description".to_owned(), description.as_str().into());
        }
        if let Some(data) = data::shown(permission.data.as_ref()) {
            members.insert("data".to_owned(), data);
        }
    }
    sorted(document)
}

/// The body of an answer: `{"permission": …}`.
pub(crate) fn response(permission: &EntityTypePermission) -> Value {
    json!({"permission": document(permission)})
}

/// Reads the body of a create or replace request. White space at the ends of name and description does not count.
///
/// # Errors
/// Everything that is wrong with the members.
pub(crate) fn fields(document: Map<String, Value>) -> Result<PermissionFields, Violations> {
    let mut violations = Violations::none();
    let mut root = Members::of_document(document);
    // The Go client sends an empty type along.
    root.ignore(&["entityType"]);
    let members = root.object("permission", &mut violations);
    root.finish(&mut violations);
    let Some(mut members) = members else {
        if violations.iter().all(|violation| violation.field().is_none()) {
            violations.add(&codes::PERMISSION_MISSING);
        }
        return Err(violations);
    };
    members.ignore(&["id", "insertInstant", "lastUpdateInstant"]);
    let name = members
        .text("name", &mut violations)
        .and_then(|text| name(text.trim().to_owned(), &NAME_CODES, &mut violations));
    let description = members.text("description", &mut violations).map(|text| text.trim().to_owned());
    if description
        .as_ref()
        .is_some_and(|text| text.chars().count() > MAXIMUM_DESCRIPTION || text.contains('\0'))
    {
        violations.add(&codes::PERMISSION_DESCRIPTION_INVALID);
    }
    let is_default = members.flag("isDefault", &mut violations).unwrap_or(false);
    let data = data::take(&mut members, &codes::PERMISSION_DATA_TOO_LONG, &mut violations);
    members.finish(&mut violations);
    let description = description.filter(|text| !text.is_empty());
    violations.into_result(PermissionFields { name, description, is_default, data })
}

/// Reads the body of a create request, in which the name must stand.
///
/// # Errors
/// As [`fields`].
pub(crate) fn new_fields(document: Map<String, Value>) -> Result<PermissionFields, Violations> {
    let fields = fields(document)?;
    if fields.name.is_none() { Err(Violations::from(&codes::PERMISSION_NAME_BLANK)) } else { Ok(fields) }
}

/// The fields that a patch makes of a stored permission.
///
/// # Errors
/// Everything that is wrong with the members of the patched document.
pub(crate) fn patched(stored: &EntityTypePermission, patch: &Patch) -> Result<PermissionFields, Violations> {
    fields(patch.apply(response(stored))?)
}

/// Reads the query string of a deletion by name.
///
/// # Errors
/// The name is missing.
pub(crate) fn by_name(query: &[(String, String)]) -> Result<PermissionReference, Violations> {
    let mut violations = Violations::none();
    let name = Parameters::new(query).text("name", &mut violations).map(|text| text.trim().to_owned());
    if name.is_none() && violations.is_empty() {
        violations.add(&codes::PERMISSION_NAME_PARAMETER_MISSING);
    }
    violations.into_result(PermissionReference::Name(name.unwrap_or_default()))
}

/// The schemas of this file for the OpenAPI document.
pub(crate) fn schemas() -> Value {
    let instant = || json!({"type": "integer", "format": "int64", "readOnly": true});
    json!({
        "EntityTypePermission": {"type": "object", "required": ["name"], "properties": {
            "data": {"type": "object"},
            "description": {"type": "string", "maxLength": MAXIMUM_DESCRIPTION},
            "id": {"type": "string", "format": "uuid", "readOnly": true},
            "insertInstant": instant(),
            "isDefault": {"type": "boolean", "default": false},
            "lastUpdateInstant": instant(),
            "name": {"type": "string", "maxLength": MAXIMUM_NAME_LENGTH,
                "description": "Needed for a new permission, and the same ever after"},
        }},
        "EntityTypePermissionRequest": {"type": "object", "required": ["permission"], "properties": {
            "permission": {"$ref": "#/components/schemas/EntityTypePermission"}}},
        "EntityTypePermissionResponse": {"type": "object", "properties": {
            "permission": {"$ref": "#/components/schemas/EntityTypePermission"}}},
    })
}

#[cfg(test)]
mod tests {
    use claviger_domain::Violation;

    use super::*;

    fn read(members: Value) -> Result<PermissionFields, Vec<String>> {
        let body = json!({"permission": members, "entityType": {"jwtConfiguration": {"enabled": false}}});
        fields(body.as_object().unwrap().clone())
            .map_err(|violations| violations.iter().map(Violation::code).collect())
    }

    #[test]
    fn texts_are_trimmed() {
        let fields = read(json!({"name": " read:all ", "description": "\t", "id": 1})).unwrap();
        assert_eq!(fields.name.unwrap().as_str(), "read:all");
        assert_eq!((fields.description, fields.is_default, fields.data), (None, false, None));
    }

    #[test]
    fn everything_wrong_is_reported() {
        let long = "d".repeat(MAXIMUM_DESCRIPTION + 1);
        let found = read(json!({"name": " ", "description": long, "isDefault": "yes", "data": 1, "x": 1}));
        let expected = [
            "[blank]permission.name",
            "[invalid]permission.description",
            "[invalidJSON]",
            "[invalidJSON]",
            "[invalidJSON]",
        ];
        assert_eq!(found, Err(expected.map(str::to_owned).to_vec()));
        let bare = json!({"permission": {}}).as_object().unwrap().clone();
        assert_eq!(new_fields(bare), Err(Violations::from(&codes::PERMISSION_NAME_BLANK)));
        assert_eq!(fields(Map::new()), Err(Violations::from(&codes::PERMISSION_MISSING)));
        assert!(by_name(&[]).is_err());
    }
}
