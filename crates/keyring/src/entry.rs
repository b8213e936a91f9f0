//! What the keyring knows of one API key.

use std::sync::Arc;

use claviger_authz::{Access, AddressRules, CompiledPermissions};
use claviger_domain::{ApiKeyId, Instant, TenantId};
use smol_str::SmolStr;

use crate::shared::Number;

/// The facts of one API key that decisions rest on, at one moment. What is shared between keys is shared here too. The name
/// is not among them, so that checks copy none: [`Keyring::with`](crate::Keyring::with) shows it.
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
    /// Whether the value that was looked up is one that the key had before it was rotated, and not its present one.
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

/// An [`Entry`] as the map holds it: small, with the key's name, and with numbers for what keys share.
#[derive(Debug)]
pub(crate) struct Slot {
    pub(crate) id: ApiKeyId,
    /// Up to 23 bytes of it lie in the slot itself, where a look-up finds them without another way to memory.
    pub(crate) name: Option<SmolStr>,
    pub(crate) expiration_millis: i64,
    pub(crate) permissions: Number,
    /// That of the key's tenant, or the one for no tenant.
    pub(crate) tenant: Number,
    pub(crate) addresses: Option<Number>,
    pub(crate) key_manager: bool,
    pub(crate) disabled: bool,
    /// Whether this is one of the key's earlier values.
    pub(crate) previous: bool,
}

impl Slot {
    /// Stands for "never": no clock shows that time.
    const NEVER: i64 = i64::MAX;

    /// A key without a name that never expires and may be used from anywhere.
    pub(crate) const fn new(id: ApiKeyId, permissions: Number, tenant: Number) -> Self {
        Self {
            id,
            name: None,
            expiration_millis: Self::NEVER,
            permissions,
            tenant,
            addresses: None,
            key_manager: false,
            disabled: false,
            previous: false,
        }
    }

    pub(crate) fn expiring(self, expiration_instant: Option<Instant>) -> Self {
        Self { expiration_millis: expiration_instant.map_or(Self::NEVER, Instant::epoch_millis), ..self }
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

    /// With the digest 96 bytes, name included, which an allocator in steps of 16 bytes makes 112: of the budget of 150 bytes per
    /// key that leaves 38 for the map.
    #[test]
    fn a_slot_is_small() {
        assert!(size_of::<Slot>() <= 64, "{}", size_of::<Slot>());
    }
}
