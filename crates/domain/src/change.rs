//! Changes: who changed what and when, and the news that follow a commit.
//!
//! Every write commits one row of the `change` table for each object that it touched; [`Change`] is the same news in
//! memory, from which the keyring and other derived state are kept current.

use crate::{
    ApiKey, ApiKeyDigest, ApiKeyId, Instant, IpAccessControlList, IpAccessControlListId, KeyId, Kid,
    PreviousApiKeyDigest, Role, RoleName, Tenant, TenantId,
};

/// The version of a stored object: 1 when it is made, one more with each change. An update names the revision that
/// it was computed from, so that none is lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Revision(i64);

impl Revision {
    /// The revision of a new object.
    pub const FIRST: Self = Self(1);

    /// The revision with this number, as stored.
    #[must_use]
    pub const fn from_number(number: i64) -> Self {
        Self(number)
    }

    /// The number, as stored.
    #[must_use]
    pub const fn number(self) -> i64 {
        self.0
    }

    /// The revision after this one.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

/// Who makes a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Actor {
    /// A caller with this API key.
    ApiKey(ApiKeyId),
    /// The server itself: its first start, or work that it finishes.
    System,
    /// An operator with access to the database.
    CommandLine,
    /// A Kickstart file, on the first start of the instance.
    Kickstart,
}

/// What is recorded with every change of one write.
#[derive(Debug, Clone)]
pub struct ChangeContext {
    /// Who.
    pub actor: Actor,
    /// When, by the clock of the node that writes.
    pub instant: Instant,
    /// From which address, if over the network.
    pub address: Option<String>,
}

/// News of one committed change. Deletions carry what is needed to forget the object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// An API key was made, changed or rotated.
    ApiKeyWritten {
        /// Where it is found.
        digest: ApiKeyDigest,
        /// Its new state.
        api_key: ApiKey,
        /// Where it is found besides, each until its end: all earlier values that still work.
        previous: Vec<PreviousApiKeyDigest>,
        /// Where it is found no more: earlier values that this change ended or found ended.
        ended: Vec<ApiKeyDigest>,
    },
    /// An API key was deleted.
    ApiKeyDeleted {
        /// Where it was found.
        digest: ApiKeyDigest,
        /// Its id.
        id: ApiKeyId,
        /// Where it was found besides, by its earlier values.
        previous: Vec<ApiKeyDigest>,
    },
    /// An entity, its type, a permission of that, or a grant was made, changed or deleted.
    EntitiesWritten,
    /// An IP access control list was made or changed.
    IpAccessControlListWritten(IpAccessControlList),
    /// An IP access control list was deleted.
    IpAccessControlListDeleted(IpAccessControlListId),
    /// A key that signs tokens was made or renamed.
    KeyWritten {
        /// Its id.
        id: KeyId,
        /// What tokens name it by; it never changes.
        kid: Kid,
    },
    /// A key that signs tokens was deleted.
    KeyDeleted(KeyId),
    /// A role was made or changed. One that is in use keeps its name.
    RoleWritten(Role),
    /// The role with this name was deleted.
    RoleDeleted(RoleName),
    /// A tenant was made or changed.
    TenantWritten(Tenant),
    /// A tenant was deleted.
    TenantDeleted(TenantId),
}
