//! The keyring itself: a map that readers use without locks, and the changes that keep it current.

use std::fmt;
use std::ptr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use claviger_authz::{Access, AddressRules, CompiledPermissions};
use claviger_domain::{
    ApiKey, ApiKeyDigest, ApiKeyId, Change, Permissions, PreviousApiKeyDigest, TenantId, TenantState,
};
use papaya::{Guard, HashMap};
use smol_str::SmolStr;

use crate::Entry;
use crate::entry::Slot;
use crate::hash::DigestState;
use crate::shared::{NO_TENANT, NOTHING, Number, Shared};

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
    /// A guard of this map is good for those in `shared` too, so that a look-up takes one.
    pub(crate) slots: HashMap<ApiKeyDigest, Slot, DigestState>,
    /// How many of the slots are those of earlier values.
    previous_values: AtomicUsize,
    tenants: HashMap<TenantId, TenantState>,
    pub(crate) shared: Shared,
    /// What [`Keyring::find_or_decoy`] answers with where there is no key, and what stands for sets and lists that are not
    /// there.
    decoy: Slot,
    nothing: Arc<CompiledPermissions>,
    nowhere: Arc<AddressRules>,
}

/// What a look-up found, without copies. See [`Keyring::with`].
#[derive(Debug, Clone, Copy)]
pub struct Found<'a> {
    /// Names the key.
    pub id: ApiKeyId,
    /// What its owner calls it, as given; `None` if it has no name.
    pub name: Option<&'a str>,
    /// What the engine asks for.
    pub access: Access<'a>,
    /// Whether the value that was looked up is one that the key had before it was rotated, and not its present one.
    pub earlier_value: bool,
}

/// What a slot shares with others.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Numbers {
    pub(crate) permissions: Number,
    pub(crate) tenant: Number,
}

/// A slot with what its numbers stand for.
struct View<'g> {
    slot: &'g Slot,
    permissions: &'g Arc<CompiledPermissions>,
    key_manager: bool,
    tenant_id: Option<TenantId>,
    addresses: Option<&'g Arc<AddressRules>>,
}

impl Keyring {
    /// A keyring that knows no key and no tenant.
    #[must_use]
    pub fn new() -> Self {
        let (shared, slots) = Shared::new();
        Self {
            slots,
            previous_values: AtomicUsize::new(0),
            tenants: HashMap::new(),
            shared,
            decoy: Slot::new(ApiKeyId::from_u128(0), NOTHING, NO_TENANT),
            nothing: Arc::new(CompiledPermissions::none()),
            nowhere: Arc::new(AddressRules::block_all()),
        }
    }

    /// Takes in a committed change. Changes of entities and of keys that sign tokens mean nothing here.
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
            Change::EntitiesWritten | Change::KeyWritten { .. } | Change::KeyDeleted(_) => {}
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
        let guard = self.slots.guard();
        let (view, known) = self.view(digest, &guard);
        known.then(|| view.entry())
    }

    /// The key with this digest and `true`; without such a key, an entry that may do nothing and `false`. Both take the
    /// same steps, so that a caller who goes on with the entry in either case takes the same time for both.
    #[must_use]
    pub fn find_or_decoy(&self, digest: &ApiKeyDigest) -> (Entry, bool) {
        let guard = self.slots.guard();
        let (view, known) = self.view(digest, &guard);
        (view.entry(), known)
    }

    /// What `use_key` makes of the key with this digest, `None` if there is none. Nothing is copied and no shared
    /// counter is touched, which threads that check keys of one permission set would otherwise pass back and forth.
    /// While `use_key` runs, keys that others remove are not reclaimed: decide, and return.
    pub fn with<R>(&self, digest: &ApiKeyDigest, use_key: impl FnOnce(Option<Found<'_>>) -> R) -> R {
        let guard = self.slots.guard();
        let (view, known) = self.view(digest, &guard);
        use_key(known.then(|| view.found()))
    }

    /// [`Keyring::with`] for callers that take the same time whether or not there is a key: without one `use_key` gets what may do
    /// nothing, and `false`.
    pub fn with_or_decoy<R>(&self, digest: &ApiKeyDigest, use_key: impl FnOnce(&Found<'_>, bool) -> R) -> R {
        let guard = self.slots.guard();
        let (view, known) = self.view(digest, &guard);
        use_key(&view.found(), known)
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

    /// The key with this digest, or the decoy, and whether it is the key.
    ///
    /// Sets and tenants go when the last slot that names them has been replaced or removed. A reader who meets that finds
    /// nothing under the number, and looks what there is instead of the slot: a key that is only rewritten is never without
    /// what it has before and after.
    fn view<'g>(&'g self, digest: &ApiKeyDigest, guard: &'g impl Guard) -> (View<'g>, bool) {
        let mut found = self.slots.get(digest, guard);
        loop {
            let slot = found.unwrap_or(&self.decoy);
            if let Some(view) = self.resolved(slot, guard) {
                return (view, found.is_some());
            }
            let now = self.slots.get(digest, guard);
            if now.map(ptr::from_ref) == found.map(ptr::from_ref) {
                // Its numbers are those that stand for nothing: whom it is bound to is not known, so it may do nothing.
                let permissions = &self.nothing;
                let view = View { slot, permissions, key_manager: false, tenant_id: None, addresses: None };
                return (view, found.is_some());
            }
            found = now;
        }
    }

    /// A slot with what its numbers stand for; `None` if its permissions or its tenant are not there.
    fn resolved<'g>(&'g self, slot: &'g Slot, guard: &'g impl Guard) -> Option<View<'g>> {
        let set = self.shared.sets.get(&slot.permissions, guard)?;
        Some(View {
            slot,
            permissions: &set.permissions,
            key_manager: slot.key_manager || (set.by_role && set.permissions.are_unrestricted()),
            tenant_id: *self.shared.tenants.get(&slot.tenant, guard)?,
            addresses: slot
                .addresses
                .map(|number| self.shared.lists.get(&number, guard).unwrap_or(&self.nowhere)),
        })
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
        let guard = self.slots.guard();
        self.put(digest, api_key, previous, &guard, |guard| Numbers {
            permissions: self.shared.acquire(&api_key.permissions, 1, guard),
            tenant: self.shared.acquire_tenant(api_key.tenant_id, 1, guard),
        });
        // Outgrown tables too: after loading a million keys they would hold 19 MB until many keys have been replaced.
        guard.flush();
    }

    /// Puts a key in under all its values; for each of them `acquire` is asked for the numbers of one slot more.
    pub(crate) fn put<G: Guard>(
        &self,
        digest: ApiKeyDigest,
        api_key: &ApiKey,
        previous: &[PreviousApiKeyDigest],
        guard: &G,
        mut acquire: impl FnMut(&G) -> Numbers,
    ) {
        let mut slot = || {
            let Numbers { permissions, tenant } = acquire(guard);
            Slot {
                name: api_key.name.as_ref().map(|name| SmolStr::new(name.as_str())),
                addresses: api_key.ip_access_control_list_id.map(|id| self.shared.list_number(id)),
                key_manager: api_key.key_manager,
                disabled: api_key.disabled,
                ..Slot::new(api_key.id, permissions, tenant).expiring(api_key.expiration_instant)
            }
        };
        for value in previous {
            // One that ends at this very time may be another key's by now.
            if self.slots.get(&value.digest, guard).is_none_or(|known| known.id == api_key.id) {
                self.insert(value.digest, slot().of_previous_value(value.valid_until), guard);
            }
        }
        self.insert(digest, slot(), guard);
    }

    fn insert(&self, digest: ApiKeyDigest, slot: Slot, guard: &impl Guard) {
        if slot.previous {
            self.previous_values.fetch_add(1, Ordering::Relaxed);
        }
        if let Some(replaced) = self.slots.insert(digest, slot, guard) {
            self.forget(replaced, guard);
        }
    }

    /// The value of a deleted key may belong to a new one by now, which must stay.
    fn delete(&self, digest: &ApiKeyDigest, id: ApiKeyId) {
        let guard = self.slots.guard();
        if let Ok(Some((_, removed))) = self.slots.remove_if(digest, |_, slot| slot.id == id, &guard) {
            self.forget(removed, &guard);
        }
        guard.flush();
    }

    fn forget(&self, slot: &Slot, guard: &impl Guard) {
        if slot.previous {
            self.previous_values.fetch_sub(1, Ordering::Relaxed);
        }
        self.shared.release(slot, guard);
    }
}

impl<'g> View<'g> {
    fn found(&self) -> Found<'g> {
        let access = Access {
            permissions: self.permissions,
            key_manager: self.key_manager,
            disabled: self.slot.disabled,
            tenant_id: self.tenant_id,
            expiration_instant: self.slot.expiration_instant(),
            addresses: self.addresses.map(|rules| &**rules),
        };
        Found { id: self.slot.id, name: self.slot.name.as_deref(), access, earlier_value: self.slot.previous }
    }

    fn entry(&self) -> Entry {
        Entry {
            id: self.slot.id,
            permissions: Arc::clone(self.permissions),
            key_manager: self.key_manager,
            disabled: self.slot.disabled,
            tenant_id: self.tenant_id,
            expiration_instant: self.slot.expiration_instant(),
            addresses: self.addresses.map(Arc::clone),
            earlier_value: self.slot.previous,
        }
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use claviger_domain::{Instant, Revision};

    use super::*;

    /// The greatest danger: that a key whose tenant has no number passes for a global one.
    #[test]
    fn a_key_without_numbers_may_do_nothing() {
        let api_key = ApiKey {
            id: ApiKeyId::from_u128(1),
            revision: Revision::FIRST,
            name: None,
            attributes: BTreeMap::new(),
            permissions: Permissions::All,
            key_manager: true,
            tenant_id: Some(TenantId::from_u128(1)),
            fusion_id: None,
            name_repeats: false,
            ip_access_control_list_id: None,
            disabled: false,
            retrievable: true,
            expiration_instant: None,
            insert_instant: Instant::from_epoch_millis(1),
            last_update_instant: Instant::from_epoch_millis(1),
        };
        let digest = ApiKeyDigest::from_bytes([1; 32]);
        for (left, whole) in [(0, false), (1, false), (2, true)] {
            let keyring = Keyring::new();
            keyring.shared.leave_numbers(left);
            let api_key = api_key.clone();
            keyring.apply(&Change::ApiKeyWritten {
                digest,
                api_key,
                previous: Vec::new(),
                ended: Vec::new(),
            });
            let entry = keyring.find(&digest).unwrap();
            assert_eq!((entry.key_manager, entry.permissions.are_unrestricted()), (whole, whole));
            assert_eq!(entry.tenant_id.is_some(), whole);
            keyring.with(&digest, |found| assert_eq!(found.unwrap().access.key_manager, whole));
            keyring.apply(&Change::ApiKeyDeleted { digest, id: entry.id, previous: Vec::new() });
            assert!(keyring.is_empty());
        }
    }
}
