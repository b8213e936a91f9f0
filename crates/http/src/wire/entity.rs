//! Entities on the wire (FusionAuth: Entities).

use std::time::Duration;

use claviger_domain::{
    ClientId, Entity, EntityTypeId, MAXIMUM_NAME_LENGTH, SecretText, TenantId, Violation, Violations, codes,
};
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::entity_type::{MEMBERS as TYPE_MEMBERS, document as type_document};
use super::json::Members;
use super::patch::Patch;
use super::{NameCodes, data, name};
use crate::ops::entity::{EntityCommand, EntityFields, RotateClientSecret, ShownEntity};
use crate::ops::entity_type::DescribedEntityType;

const NAME_CODES: NameCodes = NameCodes {
    blank: &codes::ENTITY_NAME_BLANK,
    too_long: &codes::ENTITY_NAME_TOO_LONG,
    invalid: &codes::ENTITY_NAME_INVALID,
};

/// The longest secret, in bytes.
const MAXIMUM_SECRET: usize = 1024;
/// How long the secret before works on if a rotation does not say: an hour.
const DEFAULT_GRACE_PERIOD_SECONDS: u64 = 3600;
/// The longest grace period: thirty days.
const MAXIMUM_GRACE_PERIOD_SECONDS: u64 = 30 * 24 * 3600;

/// The body of an answer: `{"entity": …}`.
#[derive(Serialize)]
pub(crate) struct EntityResponse<'a> {
    entity: EntityBody<'a>,
}

/// The document of an entity, members in alphabetical order.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct EntityBody<'a> {
    client_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_secret: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<Value>,
    id: String,
    insert_instant: i64,
    last_update_instant: i64,
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    parent_id: Option<String>,
    tenant_id: String,
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    entity_type: Option<Value>,
}

impl<'a> EntityBody<'a> {
    /// The document, with the secret where it is shown.
    pub(crate) fn new(
        entity: &'a Entity,
        entity_type: Option<&DescribedEntityType>,
        secret: Option<&'a SecretText>,
    ) -> Self {
        Self {
            client_id: entity.client_id.as_str(),
            client_secret: secret.map(SecretText::expose),
            data: data::shown(entity.data.as_ref()),
            id: entity.id.to_string(),
            insert_instant: entity.insert_instant.epoch_millis(),
            last_update_instant: entity.last_update_instant.epoch_millis(),
            name: entity.name.as_str(),
            parent_id: entity.parent_id.map(|id| id.to_string()),
            tenant_id: entity.tenant_id.to_string(),
            entity_type: entity_type.map(type_document),
        }
    }
}

impl<'a> From<&'a ShownEntity> for EntityResponse<'a> {
    fn from(shown: &'a ShownEntity) -> Self {
        let ShownEntity { entity, entity_type, client_secret } = shown;
        Self { entity: EntityBody::new(entity, Some(entity_type), client_secret.as_ref()) }
    }
}

/// Reads the body of a create request.
///
/// # Errors
/// Everything that is wrong with the members; whether the type exists is checked later.
pub(crate) fn create(document: Map<String, Value>) -> Result<EntityCommand, Violations> {
    read(document, true)
}

/// Reads the body of a replace request.
///
/// # Errors
/// As [`create`].
pub(crate) fn replace(document: Map<String, Value>) -> Result<EntityCommand, Violations> {
    read(document, false)
}

/// What a patch makes of a stored entity, which is shown without its secret.
///
/// # Errors
/// Everything that is wrong with the members of the patched document.
pub(crate) fn patched(stored: &ShownEntity, patch: &Patch) -> Result<EntityCommand, Violations> {
    let document = serde_json::to_value(EntityResponse::from(stored)).unwrap_or_default();
    replace(patch.apply(document)?)
}

fn read(document: Map<String, Value>, is_new: bool) -> Result<EntityCommand, Violations> {
    let mut violations = Violations::none();
    let mut root = Members::of_document(document);
    let members = root.object("entity", &mut violations);
    root.finish(&mut violations);
    let Some(mut members) = members else {
        if violations.iter().all(|violation| violation.field().is_none()) {
            violations.add(&codes::ENTITY_MISSING);
        }
        return Err(violations);
    };
    members.ignore(&["id", "insertInstant", "lastUpdateInstant"]);
    // The tenant comes with the API key or in the header. Newer clients always send the flag, which has no meaning here.
    members.id::<TenantId>("tenantId", &mut violations);
    members.flag("actAsTokenExchangeClient", &mut violations);
    let before = violations.iter().count();
    let text = members.text("name", &mut violations);
    if text.is_none() && violations.iter().count() == before {
        violations.add(&codes::ENTITY_NAME_BLANK);
    }
    let name = text.and_then(|text| name(text, &NAME_CODES, &mut violations));
    let entity_type_id = entity_type_id(&mut members, is_new, &mut violations);
    let client_id = given(&mut members, "clientId", &mut violations).and_then(|text| {
        let client_id = ClientId::try_from(text).ok();
        if client_id.is_none() {
            violations.add(&codes::ENTITY_CLIENT_ID_INVALID);
        }
        client_id
    });
    let secret = secret(&mut members, &mut violations);
    let parent_id = members.id("parentId", &mut violations);
    let data = data::take(&mut members, &codes::ENTITY_DATA_TOO_LONG, &mut violations);
    members.finish(&mut violations);
    match name {
        Some(name) => violations
            .into_result((EntityFields { name, entity_type_id, client_id, parent_id, data }, secret)),
        None => Err(violations),
    }
}

/// A text that is not blank; a blank one counts as absent.
fn given(members: &mut Members, name: &str, violations: &mut Violations) -> Option<String> {
    members.text(name, violations).filter(|text| !text.trim().is_empty())
}

/// The id in `type`; its other members are those of the type, which is not changed here.
fn entity_type_id(members: &mut Members, is_new: bool, violations: &mut Violations) -> Option<EntityTypeId> {
    let before = violations.iter().count();
    let id = members.object("type", violations).and_then(|mut members| {
        let id = members.id("id", violations);
        members.ignore(&TYPE_MEMBERS);
        members.finish(violations);
        id
    });
    if is_new && id.is_none() && violations.iter().count() == before {
        violations.add(&codes::ENTITY_TYPE_REQUIRED);
    }
    id
}

fn secret(members: &mut Members, violations: &mut Violations) -> Option<SecretText> {
    let text = given(members, "clientSecret", violations)?;
    if text.len() > MAXIMUM_SECRET || text.chars().any(char::is_control) {
        violations.add(&codes::ENTITY_CLIENT_SECRET_INVALID);
    }
    Some(SecretText::from(text))
}

/// Reads the body of a rotation, all of whose members are optional.
///
/// # Errors
/// Everything that is wrong with the members.
pub(crate) fn rotate(document: Map<String, Value>) -> Result<RotateClientSecret, Violations> {
    let mut violations = Violations::none();
    let mut root = Members::of_document(document);
    let seconds = match root.whole_number("gracePeriodInSeconds", &mut violations) {
        None => DEFAULT_GRACE_PERIOD_SECONDS,
        Some(seconds) => match u64::try_from(seconds) {
            Ok(seconds) if seconds <= MAXIMUM_GRACE_PERIOD_SECONDS => seconds,
            _ => {
                violations.push(Violation::new(&codes::ENTITY_GRACE_PERIOD_INVALID));
                0
            }
        },
    };
    let secret = root.object("entity", &mut violations).and_then(|mut members| {
        let secret = secret(&mut members, &mut violations);
        members.finish(&mut violations);
        secret
    });
    root.finish(&mut violations);
    violations.into_result(RotateClientSecret { secret, grace_period: Duration::from_secs(seconds) })
}

/// The schemas of this file for the OpenAPI document.
pub(crate) fn schemas() -> Value {
    let instant = || json!({"type": "integer", "format": "int64", "readOnly": true});
    json!({
        "Entity": {"type": "object", "required": ["name", "type"], "properties": {
            "clientId": {"type": "string", "maxLength": MAXIMUM_NAME_LENGTH,
                "description": "The id if it is absent from a new entity, and the same ever after"},
            "clientSecret": {"type": "string", "maxLength": MAXIMUM_SECRET,
                "description": "Generated if it is absent from a new entity; answered by calls that are about one entity"},
            "data": {"type": "object"},
            "id": {"type": "string", "format": "uuid", "readOnly": true},
            "insertInstant": instant(),
            "lastUpdateInstant": instant(),
            "name": {"type": "string", "maxLength": MAXIMUM_NAME_LENGTH},
            "parentId": {"type": "string", "format": "uuid", "description": "Kept, not acted on."},
            "tenantId": {"type": "string", "format": "uuid", "readOnly": true},
            "type": {"$ref": "#/components/schemas/EntityType"},
        }},
        "EntityRequest": {"type": "object", "required": ["entity"], "properties": {
            "entity": {"$ref": "#/components/schemas/Entity"}}},
        "EntityResponse": {"type": "object", "properties": {"entity": {"$ref": "#/components/schemas/Entity"}}},
        "ClientSecretRotationRequest": {"type": "object", "properties": {
            "entity": {"type": "object", "properties": {"clientSecret": {"type": "string", "maxLength": MAXIMUM_SECRET}}},
            "gracePeriodInSeconds": {"type": "integer", "format": "int64", "default": DEFAULT_GRACE_PERIOD_SECONDS,
                "minimum": 0, "maximum": MAXIMUM_GRACE_PERIOD_SECONDS},
        }},
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "00000000-0000-0000-0000-000000000007";

    fn codes_of(result: Result<EntityCommand, Violations>) -> Vec<String> {
        result.err().unwrap().iter().map(Violation::code).collect()
    }

    fn body(members: Value) -> Map<String, Value> {
        json!({"entity": members}).as_object().unwrap().clone()
    }

    #[test]
    fn blank_members_are_absent() {
        let members = json!({"name": "e", "clientId": " ", "clientSecret": "", "parentId": "",
            "tenantId": ID, "type": {"id": ID, "jwtConfiguration": {"enabled": true}, "name": 1}});
        let (fields, secret) = create(body(members)).ok().unwrap();
        assert!(fields.client_id.is_none() && secret.is_none() && fields.parent_id.is_none());
        assert_eq!(fields.entity_type_id, ID.parse().ok());
        assert!(replace(body(json!({"name": "e"}))).is_ok());
    }

    #[test]
    fn everything_wrong_is_reported() {
        let members = json!({"name": "", "clientId": "a\nb", "clientSecret": "a\u{0}", "parentId": 1, "type": {},
            "data": [], "secret": "s"});
        let expected = [
            "[blank]entity.name",
            "[missing]entity.type.id",
            "[invalid]entity.clientId",
            "[invalid]entity.clientSecret",
            "[invalidJSON]",
            "[invalidJSON]",
            "[invalidJSON]",
        ];
        assert_eq!(codes_of(create(body(members))), expected);
        let long = "s".repeat(MAXIMUM_SECRET + 1);
        let members = json!({"name": "e", "type": {"id": "x", "color": 1}, "clientSecret": long});
        let expected = ["[invalidJSON]", "[invalidJSON]", "[invalid]entity.clientSecret"];
        assert_eq!(codes_of(create(body(members))), expected);
        assert_eq!(codes_of(create(Map::new())), ["[missing]entity"]);
    }

    #[test]
    fn grace_periods_have_bounds() {
        let read = |body: Value| rotate(body.as_object().unwrap().clone());
        let default = read(json!({})).ok().unwrap();
        assert_eq!((default.grace_period, default.secret.is_none()), (Duration::from_secs(3600), true));
        for seconds in [0, 2_592_000] {
            assert!(read(json!({"gracePeriodInSeconds": seconds})).is_ok());
        }
        for seconds in [-1, 2_592_001] {
            let wrong = read(json!({"gracePeriodInSeconds": seconds})).err().unwrap();
            assert_eq!(wrong, Violations::from(&codes::ENTITY_GRACE_PERIOD_INVALID));
        }
        assert!(read(json!({"entity": {"clientSecret": "a\tb"}})).is_err());
        assert!(read(json!({"entity": {"name": "e"}})).is_err());
    }
}
