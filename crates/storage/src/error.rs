//! What can go wrong, in the terms in which callers can act on it.

use std::fmt;

/// The kinds of rows that errors and change rows speak of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Entity {
    /// A key that authenticates callers.
    ApiKey,
    /// A version of the key that seals secrets.
    DataKey,
    /// A machine or service that gets tokens.
    Entity,
    /// What one entity may do with another one.
    EntityGrant,
    /// What entities are of.
    EntityType,
    /// What can be granted on entities of a type.
    EntityTypePermission,
    /// The one row about the instance as a whole.
    Instance,
    /// A list of the addresses from which API keys may be used.
    IpAccessControlList,
    /// A key that signs tokens.
    Key,
    /// A list of permissions that API keys name.
    Role,
    /// A tenant.
    Tenant,
}

impl Entity {
    pub(crate) const ALL: [Self; 11] = [
        Self::ApiKey,
        Self::DataKey,
        Self::Entity,
        Self::EntityGrant,
        Self::EntityType,
        Self::EntityTypePermission,
        Self::Instance,
        Self::IpAccessControlList,
        Self::Key,
        Self::Role,
        Self::Tenant,
    ];

    /// The name in change rows.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ApiKey => "ApiKey",
            Self::DataKey => "DataKey",
            Self::Entity => "Entity",
            Self::EntityGrant => "EntityGrant",
            Self::EntityType => "EntityType",
            Self::EntityTypePermission => "EntityTypePermission",
            Self::Instance => "Instance",
            Self::IpAccessControlList => "IpAccessControlList",
            Self::Key => "Key",
            Self::Role => "Role",
            Self::Tenant => "Tenant",
        }
    }

    /// The name in a sentence.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::ApiKey => "API key",
            Self::DataKey => "data key",
            Self::Entity => "entity",
            Self::EntityGrant => "entity grant",
            Self::EntityType => "entity type",
            Self::EntityTypePermission => "entity type permission",
            Self::Instance => "instance",
            Self::IpAccessControlList => "IP access control list",
            Self::Key => "key",
            Self::Role => "role",
            Self::Tenant => "tenant",
        }
    }

    /// The entity with this name.
    pub(crate) fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|entity| entity.as_str() == name)
    }
}

impl fmt::Display for Entity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The columns that must be unique.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Field {
    /// The id; of an instance or a data key what identifies the row.
    Id,
    /// The display name.
    Name,
    /// The digest of an API key's value: another key has the same value.
    Digest,
    /// The client id of an entity.
    ClientId,
    /// The id of an API key in Fusion's dialect.
    FusionId,
    /// The key identifier in token headers.
    Kid,
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Id => "id",
            Self::Name => "name",
            Self::Digest => "digest",
            Self::ClientId => "client id",
            Self::FusionId => "fusion id",
            Self::Kid => "kid",
        })
    }
}

/// Why storage could not do what was asked. That an object does not exist is no error but `Ok(None)`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StorageError {
    /// Another row has the same value in a unique column.
    #[error("{entity} with the same {field} exists already")]
    Conflict {
        /// The kind of the row.
        entity: Entity,
        /// The first unique column that collides.
        field: Field,
    },
    /// The row is referenced and cannot be deleted.
    #[error("{0} is in use")]
    InUse(Entity),
    /// The write names a row that does not exist.
    #[error("the {0} that is referenced does not exist")]
    MissingReference(Entity),
    /// The row was changed or deleted since it was read; what was computed from it must be computed again.
    #[error("the row was changed in the meantime")]
    Stale,
    /// Other transactions were in the way for too long; the same call can succeed later.
    #[error("the database is busy")]
    Busy,
    /// The database cannot be reached. A write that fails so may nevertheless have been committed.
    #[error("the database is unavailable")]
    Unavailable,
    /// The database belongs to another process.
    #[error("another process has the database open")]
    Locked,
    /// The schema is older than this program.
    #[error("migrations are pending")]
    MigrationsPending,
    /// A stored row makes no sense. It is never repaired silently, and never read as something weaker.
    #[error("corrupt row {entity} {id}: {reason}")]
    Corrupt {
        /// The kind of the row.
        entity: Entity,
        /// The id of the row, or `unknown` when even that could not be read.
        id: String,
        /// What is wrong; never the content.
        reason: String,
    },
    /// The text is no database URL. The text itself is not repeated: it can hold a password.
    #[error("invalid database URL: {0}")]
    InvalidUrl(&'static str),
    /// Anything else that the database or the operating system reports.
    #[error("database error: {0}")]
    Backend(String),
}

/// Why a transaction ended without effect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TxError<E> {
    /// Storage failed, or refused.
    Storage(StorageError),
    /// The closure decided so.
    Abort(E),
}

impl<E> From<StorageError> for TxError<E> {
    fn from(error: StorageError) -> Self {
        Self::Storage(error)
    }
}
