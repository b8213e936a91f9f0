//! Grants on entities on the wire (FusionAuth: Entities, Grants), and searches for them.

use claviger_domain::{EntityGrant, EntityGrantSearch, EntityId, Name, Violations, codes};
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::data;
use super::entity::EntityBody;
use super::json::Members;
use super::query::Parameters;
use super::search::{Common, Source, common, common_properties};
use crate::ops::entity_grant::{GrantFields, Grants, ShownGrant};

/// The document of a grant, members in alphabetical order. The entity is shown without its secret.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct GrantBody<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    entity: Option<EntityBody<'a>>,
    id: String,
    insert_instant: i64,
    last_update_instant: i64,
    permissions: Vec<&'a str>,
    recipient_entity_id: String,
}

impl<'a> GrantBody<'a> {
    fn new(grant: &'a EntityGrant, entity: Option<EntityBody<'a>>) -> Self {
        Self {
            data: data::shown(grant.data.as_ref()),
            entity,
            id: grant.id.to_string(),
            insert_instant: grant.insert_instant.epoch_millis(),
            last_update_instant: grant.last_update_instant.epoch_millis(),
            permissions: grant.permissions.iter().map(Name::as_str).collect(),
            recipient_entity_id: grant.recipient_entity_id.to_string(),
        }
    }
}

/// The body of an answer: `{"grant": …}`.
#[derive(Serialize)]
pub(crate) struct GrantResponse<'a> {
    grant: GrantBody<'a>,
}

impl<'a> From<&'a ShownGrant> for GrantResponse<'a> {
    fn from(shown: &'a ShownGrant) -> Self {
        let entity = EntityBody::new(&shown.entity, Some(&shown.entity_type), None);
        Self { grant: GrantBody::new(&shown.grant, Some(entity)) }
    }
}

/// The body of an answer: `{"grants": […]}`, with the `total` of a search.
#[derive(Serialize)]
pub(crate) struct GrantsResponse<'a> {
    grants: Vec<GrantBody<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    total: Option<u64>,
}

impl<'a> GrantsResponse<'a> {
    /// These grants; those of a search with the number of all that it found.
    pub(crate) fn new(found: &'a Grants, total: Option<u64>) -> Self {
        let body = |grant: &'a EntityGrant| {
            let entity = found.entities.get(&grant.entity_id);
            let entity =
                entity.map(|entity| EntityBody::new(entity, found.types.get(&entity.entity_type_id), None));
            GrantBody::new(grant, entity)
        };
        Self { grants: found.grants.iter().map(body).collect(), total }
    }
}

/// Reads the body of a request that writes a grant. The entity in it, which clients send along, means nothing.
///
/// # Errors
/// Everything that is wrong with the members; whether recipient and permissions exist is checked later.
pub(crate) fn fields(document: Map<String, Value>) -> Result<GrantFields, Violations> {
    let mut violations = Violations::none();
    let mut root = Members::of_document(document);
    let members = root.object("grant", &mut violations);
    root.finish(&mut violations);
    let Some(mut members) = members else {
        if violations.iter().all(|violation| violation.field().is_none()) {
            violations.add(&codes::GRANT_MISSING);
        }
        return Err(violations);
    };
    members.ignore(&["entity", "id", "insertInstant", "lastUpdateInstant"]);
    let before = violations.iter().count();
    let recipient: Option<EntityId> = members.id("recipientEntityId", &mut violations);
    // Ids of users are UUIDs as those of entities are.
    let user: Option<EntityId> = members.id("userId", &mut violations);
    match (recipient, user) {
        (Some(_), Some(_)) => violations.add(&codes::GRANT_RECIPIENT_MISSING),
        (None, None) if violations.iter().count() == before => {
            violations.add(&codes::GRANT_RECIPIENT_MISSING);
        }
        (None, Some(_)) => violations.add(&codes::GRANT_USER_INVALID),
        (Some(_), None) | (None, None) => {}
    }
    let permissions = permissions(&mut members, &mut violations);
    let data = data::take(&mut members, &codes::GRANT_DATA_TOO_LONG, &mut violations);
    members.finish(&mut violations);
    match recipient {
        Some(recipient_entity_id) => {
            violations.into_result(GrantFields { recipient_entity_id, permissions, data })
        }
        None => Err(violations),
    }
}

/// The names: sorted, each once.
fn permissions(members: &mut Members, violations: &mut Violations) -> Vec<Name> {
    let items = members.list("permissions", violations).unwrap_or_default();
    let names: Option<Vec<_>> =
        items.iter().map(|item| Name::try_from(item.as_str()?.trim().to_owned()).ok()).collect();
    let Some(mut names) = names else {
        violations.add(&codes::GRANT_PERMISSIONS_INVALID);
        return Vec::new();
    };
    names.sort_unstable_by(|a, b| a.as_str().cmp(b.as_str()));
    names.dedup();
    names
}

/// Whose grant a URL speaks of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Recipient {
    /// Nobody's in particular.
    All,
    /// That of this entity.
    Entity(EntityId),
    /// That of a user, of whom there are none.
    User,
}

/// Reads the query string of a request that reads or deletes grants.
///
/// # Errors
/// What is no id.
pub(crate) fn recipient(query: &[(String, String)]) -> Result<Recipient, Violations> {
    let mut violations = Violations::none();
    let mut source = Source::query(query);
    let entity = source.id("recipientEntityId", &mut violations);
    // TypeScript sends what its caller left out as the word.
    let user = Parameters::new(query).text("userId", &mut violations);
    let user = user.filter(|text| !matches!(*text, "undefined" | "null"));
    violations.into_result(match (entity, user) {
        (_, Some(_)) => Recipient::User,
        (Some(id), None) => Recipient::Entity(id),
        (None, None) => Recipient::All,
    })
}

/// Reads the query string of a request that deletes one grant.
///
/// # Errors
/// As [`recipient`], and when nobody is named.
pub(crate) fn one_recipient(query: &[(String, String)]) -> Result<Recipient, Violations> {
    match recipient(query)? {
        Recipient::All => Err(Violations::from(&codes::GRANT_RECIPIENT_PARAMETER_MISSING)),
        recipient => Ok(recipient),
    }
}

/// Reads the query string of `GET /api/entity/grant/search`. `None` when only grants to a user are asked for: there are none.
///
/// # Errors
/// Everything that is wrong with the parameters.
pub(crate) fn search_from_query(query: &[(String, String)]) -> Result<Option<EntityGrantSearch>, Violations> {
    search(Source::query(query))
}

/// Reads the body of `POST /api/entity/grant/search`, as [`search_from_query`].
///
/// # Errors
/// Everything that is wrong with the members.
pub(crate) fn search_from_body(
    document: Map<String, Value>,
) -> Result<Option<EntityGrantSearch>, Violations> {
    search(Source::body(document)?)
}

fn search(mut source: Source<'_>) -> Result<Option<EntityGrantSearch>, Violations> {
    let mut violations = Violations::none();
    let entity_id = source.id("entityId", &mut violations);
    let user: Option<EntityId> = source.id("userId", &mut violations);
    let common = common(&mut source, &codes::GRANT_ORDER_BY_INVALID, &mut violations);
    source.finish(&mut violations);
    let Common { name, order, start_row, number_of_results } = common;
    let search = EntityGrantSearch { entity_id, name, order, start_row, number_of_results };
    violations.into_result(user.is_none().then_some(search))
}

/// The schemas of this file for the OpenAPI document.
pub(crate) fn schemas() -> Value {
    let id = || json!({"type": "string", "format": "uuid"});
    let instant = || json!({"type": "integer", "format": "int64", "readOnly": true});
    let grants = || json!({"type": "array", "items": {"$ref": "#/components/schemas/EntityGrant"}});
    let mut properties = common_properties();
    properties.insert("entityId".to_owned(), id());
    properties.insert("userId".to_owned(), id());
    json!({
        "EntityGrant": {"type": "object", "required": ["recipientEntityId"], "properties": {
            "data": {"type": "object"},
            "entity": {"$ref": "#/components/schemas/Entity"},
            "id": {"type": "string", "format": "uuid", "readOnly": true},
            "insertInstant": instant(),
            "lastUpdateInstant": instant(),
            "permissions": {"type": "array", "items": {"type": "string"}, "uniqueItems": true,
                "description": "Names of permissions of the type of the entity; those with isDefault if there are none"},
            "recipientEntityId": id(),
        }},
        "EntityGrantRequest": {"type": "object", "required": ["grant"], "properties": {
            "grant": {"$ref": "#/components/schemas/EntityGrant"}}},
        "EntityGrantResponse": {"type": "object", "description": "The one grant that was asked for, or all of them",
            "properties": {"grant": {"$ref": "#/components/schemas/EntityGrant"}, "grants": grants()}},
        "EntityGrantSearchRequest": {"type": "object", "required": ["search"], "properties": {
            "search": {"type": "object", "properties": properties}}},
        "EntityGrantSearchResponse": {"type": "object", "properties": {
            "grants": grants(), "total": {"type": "integer", "format": "int64"}}},
    })
}

#[cfg(test)]
mod tests {
    use claviger_domain::Violation;

    use super::*;

    const ID: &str = "00000000-0000-0000-0000-000000000007";

    fn read(members: Value) -> Result<GrantFields, Vec<String>> {
        fields(json!({"grant": members}).as_object().unwrap().clone())
            .map_err(|violations| violations.iter().map(Violation::code).collect())
    }

    #[test]
    fn permissions_are_a_set() {
        let members = json!({"recipientEntityId": ID, "userId": "", "permissions": ["b", " a", "b"],
            "entity": {"type": {"jwtConfiguration": {"enabled": false}}}});
        let fields = read(members).unwrap();
        assert_eq!(fields.permissions.iter().map(Name::as_str).collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!(read(json!({"recipientEntityId": ID})).unwrap().permissions, []);
    }

    #[test]
    fn everything_wrong_is_reported() {
        let code = |code: &str| Err(vec![code.to_owned()]);
        assert_eq!(read(json!({})), code("[missing]grant.recipientEntityId"));
        assert_eq!(
            read(json!({"recipientEntityId": ID, "userId": ID})),
            code("[missing]grant.recipientEntityId")
        );
        assert_eq!(read(json!({"userId": ID})), code("[invalid]grant.userId"));
        assert_eq!(read(json!({"recipientEntityId": "x"})), code("[invalidJSON]"));
        for permissions in [json!([1]), json!([""]), json!(["a\n"]), json!([null])] {
            let members = json!({"recipientEntityId": ID, "permissions": permissions});
            // White space at the ends is none of the name.
            match permissions == json!(["a\n"]) {
                true => assert!(read(members).is_ok()),
                false => assert_eq!(read(members), code("[invalid]grant.permissions"), "{permissions}"),
            }
        }
        assert_eq!(fields(Map::new()), Err(Violations::from(&codes::GRANT_MISSING)));
    }

    #[test]
    fn absent_recipients_come_in_many_forms() {
        let read = |pairs: &[(&str, &str)]| {
            let pairs: Vec<_> = pairs.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect();
            recipient(&pairs).map_err(|violations| violations.iter().map(Violation::code).collect::<Vec<_>>())
        };
        let entity = Ok(Recipient::Entity(ID.parse().unwrap()));
        for user in ["", "undefined", "null"] {
            assert_eq!(read(&[("recipientEntityId", ID), ("userId", user)]), entity, "{user:?}");
        }
        assert_eq!(read(&[("userId", ID)]), Ok(Recipient::User));
        assert_eq!(read(&[]), Ok(Recipient::All));
        assert_eq!(
            read(&[("recipientEntityId", "x")]),
            Err(vec!["[couldNotConvert]recipientEntityId".to_owned()])
        );
        assert!(one_recipient(&[]).is_err());
    }
}
