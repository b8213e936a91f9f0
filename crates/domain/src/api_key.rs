//! API keys: who calls, and what the caller may do. The secret value itself is never part of these types.

use std::collections::BTreeMap;
use std::fmt;

use crate::{ApiKeyId, FusionId, Instant, IpAccessControlListId, Name, Permissions, Revision, TenantId};

/// An API key without its value (FusionAuth: API Keys).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiKey {
    /// Names the key; not secret.
    pub id: ApiKeyId,
    /// Grows with each change.
    pub revision: Revision,
    /// The id in Fusion's dialect, if the key was made there. It never changes.
    pub fusion_id: Option<FusionId>,
    /// Required when the value is not retrievable.
    pub name: Option<Name>,
    /// Whether other keys may have the same name: so it is with names that were given in Fusion's dialect. All others are
    /// unique among API keys.
    pub name_repeats: bool,
    /// `metaData.attributes`: free texts, `description` among them.
    pub attributes: BTreeMap<String, String>,
    /// What the key may call.
    pub permissions: Permissions,
    /// May manage other API keys. Set by bootstrap or the command line only, never over HTTP.
    pub key_manager: bool,
    /// The one tenant that the key is bound to; `None` is a global key.
    pub tenant_id: Option<TenantId>,
    /// The list that says from which addresses the key may be used; `None`: from any.
    pub ip_access_control_list_id: Option<IpAccessControlListId>,
    /// A key that is disabled is refused until it is enabled again.
    pub disabled: bool,
    /// Whether the value can be read again after creation.
    pub retrievable: bool,
    /// From this instant on the key is refused; `None`: never expires.
    pub expiration_instant: Option<Instant>,
    /// When the key was made.
    pub insert_instant: Instant,
    /// When the key was last changed.
    pub last_update_instant: Instant,
}

/// The most earlier values of one API key that work at the same time.
pub const MAXIMUM_PREVIOUS_VALUES: usize = 8;

/// A value that an API key had before it was rotated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PreviousApiKeyDigest {
    /// Its digest.
    pub digest: ApiKeyDigest,
    /// From this instant on it is refused; earlier, if the key itself is.
    pub valid_until: Instant,
}

/// The keyed digest under which an API key is found. Says nothing about the key without the instance's digest key.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ApiKeyDigest([u8; 32]);

impl ApiKeyDigest {
    /// The digest with these bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The 32 bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for ApiKeyDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ApiKeyDigest(..)")
    }
}
