//! What the keyring knows of one API key.

use std::num::NonZeroU32;
use std::sync::Arc;

use claviger_authz::{Access, AddressRules, CompiledPermissions};
use claviger_domain::{ApiKeyId, Instant, TenantId};

/// The facts of one API key that decisions rest on, at one moment. What is shared between keys is shared here too.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Names the key.
    pub id: ApiKeyId,
    /// What it may call; shared by all keys that may call the same.
    pub permissions: Arc<CompiledPermissions>,
    /// Whether it may manage API keys: because it was made so, or because its roles allow everything.
    pub key_manager: bool,
    /// Whether it is refused until it is enabled again.
    pub disabled: bool,
    /// The one tenant that it is bound to; `None` is a global key.
    pub tenant_id: Option<TenantId>,
    /// From this instant on it is refused; `None`: never. Of an earlier value the end of that, if it is sooner.
    pub expiration_instant: Option<Instant>,
    /// From which addresses it may be used; `None`: from any.
    pub addresses: Option<Arc<AddressRules>>,
    /// Whether it was found by a value that it had before a rotation.
    pub earlier_value: bool,
}

impl Entry {
    /// What the engine asks for.
    #[must_use]
    pub fn access(&self) -> Access<'_> {
        Access {
            permissions: &self.permissions,
            key_manager: self.key_manager,
            disabled: self.disabled,
            tenant_id: self.tenant_id,
            expiration_instant: self.expiration_instant,
            addresses: self.addresses.as_deref(),
        }
    }
}

/// An [`Entry`] as the map holds it: small, and with numbers for what changes without the key.
#[derive(Debug, Clone)]
pub(crate) struct Slot {
    pub(crate) id: ApiKeyId,
    pub(crate) permissions: SlotPermissions,
    pub(crate) key_manager: bool,
    pub(crate) disabled: bool,
    /// Whether this is one of the key's earlier values.
    pub(crate) previous: bool,
    pub(crate) tenant_id: Option<TenantId>,
    pub(crate) expiration_millis: i64,
    pub(crate) addresses: Option<NonZeroU32>,
}

/// Where the permissions of a key are found.
#[derive(Debug, Clone)]
pub(crate) enum SlotPermissions {
    /// Here: a list, or no restriction.
    Own(Arc<CompiledPermissions>),
    /// Under the number of a set of roles.
    Roles(u32),
}

impl Slot {
    /// Stands for "never": no clock shows that time.
    const NEVER: i64 = i64::MAX;

    pub(crate) fn new(
        id: ApiKeyId,
        permissions: SlotPermissions,
        tenant_id: Option<TenantId>,
        expiration_instant: Option<Instant>,
    ) -> Self {
        Self {
            id,
            permissions,
            key_manager: false,
            disabled: false,
            previous: false,
            tenant_id,
            expiration_millis: expiration_instant.map_or(Self::NEVER, Instant::epoch_millis),
            addresses: None,
        }
    }

    /// The same key, found by an earlier value: it is refused from the end of that value on.
    pub(crate) fn of_previous_value(self, valid_until: Instant) -> Self {
        let expiration_millis = self.expiration_millis.min(valid_until.epoch_millis());
        Self { previous: true, expiration_millis, ..self }
    }

    pub(crate) fn expiration_instant(&self) -> Option<Instant> {
        (self.expiration_millis != Self::NEVER).then(|| Instant::from_epoch_millis(self.expiration_millis))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// With the digest 96 bytes: the budget of 150 per key leaves room for the allocator and the map.
    #[test]
    fn a_slot_is_small() {
        assert!(size_of::<Slot>() <= 64, "{}", size_of::<Slot>());
    }
}
