//! Entity types: what entities are of, which permissions can be granted on them, and how their tokens are signed
//! (FusionAuth: Entity Management). Types belong to no tenant.

use crate::key_reference::key_references;
use crate::{
    EntityTypeId, EntityTypePermissionId, Instant, KeptDocument, KeyId, KeyOwner, KeyReference, KeyUsage,
    Name, Revision,
};

/// The most permissions of one entity type.
pub const MAXIMUM_ENTITY_TYPE_PERMISSIONS: usize = 1024;

/// `entityType.jwtConfiguration`: how access tokens of entities of a type are made.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct EntityTypeJwtConfiguration {
    /// Whether the rest counts; if not, key and lifetime are those of the tenant.
    pub enabled: bool,
    /// Signs access tokens. There while it is enabled.
    pub access_token_key_id: Option<KeyId>,
    /// Further keys whose access tokens are accepted.
    pub access_token_verification_key_ids: Vec<KeyId>,
    /// Lifetime of access tokens in seconds, at least 1. There while it is enabled.
    pub time_to_live_in_seconds: Option<i64>,
}

/// A permission that can be granted on entities of one type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EntityTypePermission {
    /// Names the permission; not secret.
    pub id: EntityTypePermissionId,
    /// Grows with each change.
    pub revision: Revision,
    /// The type that it belongs to. It never changes.
    pub entity_type_id: EntityTypeId,
    /// What grants and tokens call it: unique within the type. It never changes.
    pub name: Name,
    /// For people.
    pub description: Option<String>,
    /// Whether a grant that names no permissions has it.
    pub is_default: bool,
    /// The member `data`, kept and not acted on.
    pub data: Option<KeptDocument>,
    /// When the permission was made.
    pub insert_instant: Instant,
    /// When the permission was last changed.
    pub last_update_instant: Instant,
}

/// A type of entities, without its permissions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EntityType {
    /// Names the type; not secret.
    pub id: EntityTypeId,
    /// Grows with each change; not with those of its permissions.
    pub revision: Revision,
    /// Unique among types.
    pub name: Name,
    /// Key and lifetime of tokens.
    pub jwt: EntityTypeJwtConfiguration,
    /// The member `data`, kept and not acted on.
    pub data: Option<KeptDocument>,
    /// When the type was made.
    pub insert_instant: Instant,
    /// When the type was last changed.
    pub last_update_instant: Instant,
}

impl EntityTypeJwtConfiguration {
    /// The keys that are named for this use. None is for id tokens, which entities do not get.
    #[must_use]
    pub const fn key_ids(&self, usage: KeyUsage) -> &[KeyId] {
        match usage {
            KeyUsage::SignAccessTokens => self.access_token_key_id.as_slice(),
            KeyUsage::VerifyAccessTokens => self.access_token_verification_key_ids.as_slice(),
            KeyUsage::SignIdTokens | KeyUsage::VerifyIdTokens => &[],
        }
    }
}

impl EntityType {
    /// Every key that the type names, with the place. One entry per pair of place and key, sorted.
    #[must_use]
    pub fn key_references(&self) -> Vec<KeyReference> {
        key_references(KeyOwner::EntityType, &self.id.to_string(), |usage| self.jwt.key_ids(usage))
    }
}
