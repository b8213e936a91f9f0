//! Entities: the machines and services of a tenant that get tokens of their own, and what they are granted on each other
//! (FusionAuth: Entity Management). The client secret is never part of these types.

use std::fmt;

use crate::{
    EntityGrantId, EntityId, EntityTypeId, Instant, KeptDocument, MAXIMUM_NAME_LENGTH, Name, Revision,
    TenantId,
};

/// What an entity calls itself at the token endpoint (RFC 6749, section 2.2): the id of the entity in its hyphenated form,
/// or a text that was chosen when it was made. Case counts.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClientId(String);

/// A text that is empty, has more than [`MAXIMUM_NAME_LENGTH`] characters, a control character, or white space at an end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no client id")]
pub struct InvalidClientId;

impl ClientId {
    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<EntityId> for ClientId {
    fn from(id: EntityId) -> Self {
        Self(id.to_string())
    }
}

impl TryFrom<String> for ClientId {
    type Error = InvalidClientId;

    fn try_from(text: String) -> Result<Self, InvalidClientId> {
        let fits = !text.is_empty()
            && text.chars().count() <= MAXIMUM_NAME_LENGTH
            && text.trim() == text
            && !text.chars().any(char::is_control);
        if fits { Ok(Self(text)) } else { Err(InvalidClientId) }
    }
}

impl fmt::Display for ClientId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// An entity without its secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entity {
    /// Names the entity; not secret.
    pub id: EntityId,
    /// Grows with each change, be it of the secret.
    pub revision: Revision,
    /// The tenant that it belongs to. It never changes.
    pub tenant_id: TenantId,
    /// Its type. It never changes.
    pub entity_type_id: EntityTypeId,
    /// For people; other entities may have the same.
    pub name: Name,
    /// Unique over all entities. It never changes.
    pub client_id: ClientId,
    /// The member `parentId`, kept and not acted on.
    pub parent_id: Option<EntityId>,
    /// The member `data`, kept and not acted on.
    pub data: Option<KeptDocument>,
    /// When the entity was made.
    pub insert_instant: Instant,
    /// When the entity was last changed.
    pub last_update_instant: Instant,
}

/// What one entity may do with another one of its tenant. There is at most one grant for a pair of entities.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EntityGrant {
    /// Names the grant; not secret.
    pub id: EntityGrantId,
    /// Grows with each change; not when a permission is deleted from the type of the entity, and so from its grants.
    pub revision: Revision,
    /// The tenant of both entities.
    pub tenant_id: TenantId,
    /// On which entity.
    pub entity_id: EntityId,
    /// To which entity.
    pub recipient_entity_id: EntityId,
    /// Permissions of the type of the entity by their names: sorted by their bytes in UTF-8, each once.
    pub permissions: Vec<Name>,
    /// The member `data`, kept and not acted on.
    pub data: Option<KeptDocument>,
    /// When the grant was made.
    pub insert_instant: Instant,
    /// When the grant was last written.
    pub last_update_instant: Instant,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn client_ids_are_printable() {
        let longest = "é".repeat(MAXIMUM_NAME_LENGTH);
        for text in ["a", "a b:c", "ä", "092dbedc-30af-4149-9c61-b578f2c72f59", &longest] {
            assert_eq!(ClientId::try_from(text.to_owned()).map(|id| id.to_string()), Ok(text.to_owned()));
        }
        let too_long = format!("{longest}é");
        for text in ["", " ", " a", "a\u{3000}", "a\nb", "a\0", "\u{7f}", &too_long] {
            assert_eq!(ClientId::try_from(text.to_owned()), Err(InvalidClientId), "{text:?}");
        }
        let id = EntityId::from_u128(0xab);
        assert_eq!(ClientId::from(id).as_str(), "00000000-0000-0000-0000-0000000000ab");
    }
}
