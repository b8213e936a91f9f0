//! What the keyring knows of one API key.

use std::sync::Arc;

use claviger_authz::{Access, CompiledPermissions};
use claviger_domain::{ApiKeyId, Instant, TenantId};

/// The facts of one API key that decisions rest on. A clone copies 64 bytes and counts one more user of the shared
/// permissions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Names the key.
    pub id: ApiKeyId,
    /// What it may call; shared by all keys that may call the same.
    pub permissions: Arc<CompiledPermissions>,
    /// Whether it may manage API keys.
    pub key_manager: bool,
    /// The one tenant that it is bound to; `None` is a global key.
    pub tenant_id: Option<TenantId>,
    /// From this instant on it is refused; `None`: never.
    pub expiration_instant: Option<Instant>,
}

impl Entry {
    /// What the engine asks for.
    #[must_use]
    pub fn access(&self) -> Access<'_> {
        Access {
            permissions: &self.permissions,
            key_manager: self.key_manager,
            tenant_id: self.tenant_id,
            expiration_instant: self.expiration_instant,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// With the digest 96 bytes: the budget of 150 per key leaves room for the allocator and the map.
    #[test]
    fn an_entry_is_small() {
        assert!(size_of::<Entry>() <= 64, "{}", size_of::<Entry>());
    }
}
