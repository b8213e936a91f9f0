//! The keyring itself: a map that readers use without locks, and the changes that keep it current.

use std::fmt;

use claviger_authz::CompiledPermissions;
use claviger_domain::{ApiKey, ApiKeyDigest, ApiKeyId, Change, TenantId, TenantState};
use papaya::{Guard, HashMap};

use crate::Entry;
use crate::hash::DigestState;
use crate::intern::PermissionSets;

/// Every API key of an instance, found by digest, and the state of every tenant.
///
/// Changes may be applied by several threads at once, but those of one digest in the order in which they were
/// committed. Whoever returns from [`apply`](Self::apply) knows that every later look-up sees the change.
///
/// The keyring says what a key may do, not whether its tenant is in use: whoever decides asks
/// [`tenant_state`](Self::tenant_state) for the key's tenant and for the one that the request names, and refuses
/// everything but [`TenantState::Active`].
pub struct Keyring {
    entries: HashMap<ApiKeyDigest, Entry, DigestState>,
    tenants: HashMap<TenantId, TenantState>,
    permission_sets: PermissionSets,
}

impl Keyring {
    /// A keyring that knows no key and no tenant.
    #[must_use]
    pub fn new() -> Self {
        Self {
            entries: HashMap::with_hasher(DigestState),
            tenants: HashMap::new(),
            permission_sets: PermissionSets::default(),
        }
    }

    /// Takes in a committed change. Changes of keys that sign tokens mean nothing here.
    pub fn apply(&self, change: &Change) {
        match change {
            Change::ApiKeyWritten { digest, api_key } => self.write(*digest, api_key),
            Change::ApiKeyDeleted { digest, id } => self.delete(digest, *id),
            Change::TenantWritten(tenant) => {
                self.tenants.pin().insert(tenant.id, tenant.state);
            }
            Change::TenantDeleted(id) => {
                self.tenants.pin().remove(id);
            }
            Change::IpAccessControlListWritten(_)
            | Change::IpAccessControlListDeleted(_)
            | Change::RoleWritten(_)
            | Change::RoleDeleted(_)
            | Change::KeyWritten { .. }
            | Change::KeyDeleted(_) => {}
        }
    }

    /// Forgets everything: what follows is a fresh load. Nobody may decide from a keyring that is not complete, and
    /// nobody may apply changes meanwhile; whoever clears it sees to both.
    pub fn clear(&self) {
        let entries = self.entries.pin();
        for (digest, entry) in &entries {
            self.delete(digest, entry.id);
        }
        self.tenants.pin().clear();
    }

    /// The key with this digest, to keep: for work that goes on after the decision.
    #[must_use]
    pub fn find(&self, digest: &ApiKeyDigest) -> Option<Entry> {
        self.with(digest, |entry| entry.cloned())
    }

    /// What `use_entry` makes of the key with this digest, `None` if there is none. Nothing is copied and no shared
    /// counter is touched, which threads that check keys of one permission set would otherwise pass back and forth.
    /// While `use_entry` runs, keys that others remove are not reclaimed: decide, and return.
    pub fn with<R>(&self, digest: &ApiKeyDigest, use_entry: impl FnOnce(Option<&Entry>) -> R) -> R {
        use_entry(self.entries.pin().get(digest))
    }

    /// The state of a tenant; `None` if there is no such tenant.
    #[must_use]
    pub fn tenant_state(&self, id: &TenantId) -> Option<TenantState> {
        self.tenants.pin().get(id).copied()
    }

    /// The number of API keys.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is no API key.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The number of different permission sets that the keys share.
    #[must_use]
    pub fn permission_sets(&self) -> usize {
        self.permission_sets.len()
    }

    fn write(&self, digest: ApiKeyDigest, api_key: &ApiKey) {
        let entry = Entry {
            id: api_key.id,
            permissions: self.permission_sets.acquire(CompiledPermissions::from(&api_key.permissions)),
            key_manager: api_key.key_manager,
            tenant_id: api_key.tenant_id,
            expiration_instant: api_key.expiration_instant,
        };
        let guard = self.entries.guard();
        if let Some(replaced) = self.entries.insert(digest, entry, &guard) {
            self.permission_sets.release(&replaced.permissions);
        }
        // Outgrown tables too: after loading a million keys they would hold 19 MB until many keys have been replaced.
        guard.flush();
    }

    /// The value of a deleted key may belong to a new one by now, which must stay.
    fn delete(&self, digest: &ApiKeyDigest, id: ApiKeyId) {
        let guard = self.entries.guard();
        if let Ok(Some((_, removed))) = self.entries.remove_if(digest, |_, entry| entry.id == id, &guard) {
            self.permission_sets.release(&removed.permissions);
        }
        guard.flush();
    }
}

impl Default for Keyring {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Keyring {
    /// Numbers only: a keyring can be large.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keyring")
            .field("api_keys", &self.len())
            .field("tenants", &self.tenants.len())
            .field("permission_sets", &self.permission_sets())
            .finish()
    }
}
