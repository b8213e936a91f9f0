//! The keyring itself: a map that readers use without locks, and the changes that keep it current.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use claviger_authz::{Access, AddressRules, CompiledPermissions};
use claviger_domain::{
    ApiKey, ApiKeyDigest, ApiKeyId, Change, Permissions, PreviousApiKeyDigest, TenantId, TenantState,
};
use papaya::{Guard, HashMap};

use crate::Entry;
use crate::entry::{Slot, SlotPermissions};
use crate::hash::DigestState;
use crate::shared::Shared;

/// Every API key of an instance, found by digest, and the state of every tenant. A key that was rotated is found by the
/// digests of its earlier values too, as a key that expires when these end.
///
/// Changes may be applied by several threads at once, but those of one digest in the order in which they were
/// committed. Whoever returns from [`apply`](Self::apply) knows that every later look-up sees the change.
///
/// The keyring says what a key may do, not whether its tenant is in use: whoever decides asks
/// [`tenant_state`](Self::tenant_state) for the key's tenant and for the one that the request names, and refuses
/// everything but [`TenantState::Active`].
pub struct Keyring {
    slots: HashMap<ApiKeyDigest, Slot, DigestState>,
    /// How many of the slots are those of earlier values.
    previous_values: AtomicUsize,
    tenants: HashMap<TenantId, TenantState>,
    shared: Shared,
    /// What [`Keyring::find_or_decoy`] answers with where there is no key, and what stands for roles and lists that are
    /// not there.
    decoy: Slot,
    nothing: Arc<CompiledPermissions>,
    nowhere: Arc<AddressRules>,
}

/// What a look-up found, without copies. See [`Keyring::with`].
#[derive(Debug, Clone, Copy)]
pub struct Found<'a> {
    /// Names the key.
    pub id: ApiKeyId,
    /// What the engine asks for.
    pub access: Access<'a>,
}

impl Keyring {
    /// A keyring that knows no key and no tenant.
    #[must_use]
    pub fn new() -> Self {
        let nothing = Arc::new(CompiledPermissions::none());
        Self {
            slots: HashMap::with_hasher(DigestState),
            previous_values: AtomicUsize::new(0),
            tenants: HashMap::new(),
            shared: Shared::default(),
            decoy: Slot::new(ApiKeyId::from_u128(0), SlotPermissions::Own(Arc::clone(&nothing)), None, None),
            nothing,
            nowhere: Arc::new(AddressRules::block_all()),
        }
    }

    /// Takes in a committed change. Changes of keys that sign tokens mean nothing here.
    pub fn apply(&self, change: &Change) {
        match change {
            Change::ApiKeyWritten { digest, api_key, previous, ended } => {
                self.write(*digest, api_key, previous, ended);
            }
            Change::ApiKeyDeleted { digest, id, previous } => {
                for digest in previous.iter().chain([digest]) {
                    self.delete(digest, *id);
                }
            }
            Change::TenantWritten(tenant) => {
                self.tenants.pin().insert(tenant.id, tenant.state);
            }
            Change::TenantDeleted(id) => {
                self.tenants.pin().remove(id);
            }
            Change::IpAccessControlListWritten(list) => self.shared.write_list(list),
            Change::IpAccessControlListDeleted(id) => self.shared.delete_list(*id),
            Change::RoleWritten(role) => self.shared.write_role(role),
            Change::RoleDeleted(name) => self.shared.delete_role(name),
            Change::KeyWritten { .. } | Change::KeyDeleted(_) => {}
        }
    }

    /// Forgets everything: what follows is a fresh load. Nobody may decide from a keyring that is not complete, and
    /// nobody may apply changes meanwhile; whoever clears it sees to both.
    pub fn clear(&self) {
        let slots = self.slots.pin();
        for (digest, slot) in &slots {
            self.delete(digest, slot.id);
        }
        self.tenants.pin().clear();
        self.shared.clear();
    }

    /// The key with this digest, to keep: for work that goes on after the decision.
    #[must_use]
    pub fn find(&self, digest: &ApiKeyDigest) -> Option<Entry> {
        let slots = self.slots.pin();
        slots.get(digest).map(|slot| self.entry(slot))
    }

    /// The key with this digest and `true`; without such a key, an entry that may do nothing and `false`. Both take the
    /// same steps, so that a caller who goes on with the entry in either case takes the same time for both.
    #[must_use]
    pub fn find_or_decoy(&self, digest: &ApiKeyDigest) -> (Entry, bool) {
        let slots = self.slots.pin();
        let found = slots.get(digest);
        (self.entry(found.unwrap_or(&self.decoy)), found.is_some())
    }

    /// What `use_key` makes of the key with this digest, `None` if there is none. Nothing is copied and no shared
    /// counter is touched, which threads that check keys of one permission set would otherwise pass back and forth.
    /// While `use_key` runs, keys that others remove are not reclaimed: decide, and return.
    pub fn with<R>(&self, digest: &ApiKeyDigest, use_key: impl FnOnce(Option<Found<'_>>) -> R) -> R {
        let slots = self.slots.pin();
        let Some(slot) = slots.get(digest) else { return use_key(None) };
        let (role_sets, lists) = (self.shared.role_sets.pin(), self.shared.lists.pin());
        let (permissions, by_role) = match &slot.permissions {
            SlotPermissions::Own(permissions) => (permissions, false),
            SlotPermissions::Roles(number) => (role_sets.get(number).unwrap_or(&self.nothing), true),
        };
        let addresses = slot.addresses.map(|number| lists.get(&number).unwrap_or(&self.nowhere));
        let access = Access {
            permissions,
            key_manager: slot.key_manager || (by_role && permissions.are_unrestricted()),
            disabled: slot.disabled,
            tenant_id: slot.tenant_id,
            expiration_instant: slot.expiration_instant(),
            addresses: addresses.map(|rules| &**rules),
        };
        use_key(Some(Found { id: slot.id, access }))
    }

    /// What permissions allow, and whether they make a key manager of a key that was not made one: roles that allow
    /// everything do. Roles are taken as they are now; one that is not known allows nothing.
    #[must_use]
    pub fn compile(&self, permissions: &Permissions) -> (CompiledPermissions, bool) {
        let compiled = self.shared.compile(permissions);
        let manages = matches!(permissions, Permissions::Roles(_)) && compiled.are_unrestricted();
        (compiled, manages)
    }

    /// The state of a tenant; `None` if there is no such tenant.
    #[must_use]
    pub fn tenant_state(&self, id: &TenantId) -> Option<TenantState> {
        self.tenants.pin().get(id).copied()
    }

    /// The number of API keys, however many values each has.
    #[must_use]
    pub fn len(&self) -> usize {
        self.slots.len().saturating_sub(self.previous_values.load(Ordering::Relaxed))
    }

    /// Whether there is no API key.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// The number of different permission sets that the keys share.
    #[must_use]
    pub fn permission_sets(&self) -> usize {
        self.shared.permission_sets()
    }

    fn entry(&self, slot: &Slot) -> Entry {
        let (permissions, by_role) = match &slot.permissions {
            SlotPermissions::Own(permissions) => (Arc::clone(permissions), false),
            SlotPermissions::Roles(number) => {
                let role_sets = self.shared.role_sets.pin();
                (Arc::clone(role_sets.get(number).unwrap_or(&self.nothing)), true)
            }
        };
        let addresses = slot.addresses.map(|number| {
            let lists = self.shared.lists.pin();
            Arc::clone(lists.get(&number).unwrap_or(&self.nowhere))
        });
        Entry {
            id: slot.id,
            key_manager: slot.key_manager || (by_role && permissions.are_unrestricted()),
            permissions,
            disabled: slot.disabled,
            tenant_id: slot.tenant_id,
            expiration_instant: slot.expiration_instant(),
            addresses,
            earlier_value: slot.previous,
        }
    }

    fn write(
        &self,
        digest: ApiKeyDigest,
        api_key: &ApiKey,
        previous: &[PreviousApiKeyDigest],
        ended: &[ApiKeyDigest],
    ) {
        for digest in ended {
            self.delete(digest, api_key.id);
        }
        let slot = || Slot {
            key_manager: api_key.key_manager,
            disabled: api_key.disabled,
            addresses: api_key.ip_access_control_list_id.map(|id| self.shared.list_number(id)),
            ..Slot::new(
                api_key.id,
                self.shared.acquire(&api_key.permissions),
                api_key.tenant_id,
                api_key.expiration_instant,
            )
        };
        let guard = self.slots.guard();
        for value in previous {
            // One that ends at this very time may be another key's by now.
            if self.slots.get(&value.digest, &guard).is_none_or(|known| known.id == api_key.id) {
                self.insert(value.digest, slot().of_previous_value(value.valid_until), &guard);
            }
        }
        self.insert(digest, slot(), &guard);
        // Outgrown tables too: after loading a million keys they would hold 19 MB until many keys have been replaced.
        guard.flush();
    }

    fn insert(&self, digest: ApiKeyDigest, slot: Slot, guard: &impl Guard) {
        if slot.previous {
            self.previous_values.fetch_add(1, Ordering::Relaxed);
        }
        if let Some(replaced) = self.slots.insert(digest, slot, guard) {
            self.forget(replaced);
        }
    }

    /// The value of a deleted key may belong to a new one by now, which must stay.
    fn delete(&self, digest: &ApiKeyDigest, id: ApiKeyId) {
        let guard = self.slots.guard();
        if let Ok(Some((_, removed))) = self.slots.remove_if(digest, |_, slot| slot.id == id, &guard) {
            self.forget(removed);
        }
        guard.flush();
    }

    fn forget(&self, slot: &Slot) {
        if slot.previous {
            self.previous_values.fetch_sub(1, Ordering::Relaxed);
        }
        self.shared.release(slot);
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
