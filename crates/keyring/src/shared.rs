//! What keys share: sets of permissions by content, sets of roles, tenants, and lists of addresses.
//!
//! Readers find all of it under numbers, in maps without locks. That keeps keys small, and a role or a list that changes
//! takes effect for all keys that use it at once, without touching one. A number is given once and never again: a reader
//! that holds an old one finds nothing, and never what belongs to others.

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use claviger_authz::{AddressRules, CompiledPermissions};
use claviger_domain::{
    ApiKeyDigest, IpAccessControlList, IpAccessControlListId, Permissions, Role, RoleName, RolePermission,
    TenantId,
};
use papaya::{Guard, HashMap as SharedMap};

use crate::counted::Counted;
use crate::entry::Slot;
use crate::hash::{DigestState, NumberState};

/// Names what keys share. Sets, tenants and lists have numbers from one row.
pub(crate) type Number = NonZeroU32;

/// The tables.
#[derive(Debug)]
pub(crate) struct Shared {
    tables: Mutex<Tables>,
    /// What each set of permissions or roles allows. It is there before a slot names it, and goes after the last slot that
    /// does.
    pub(crate) sets: SharedMap<Number, PermissionSet, NumberState>,
    /// The tenant of each number, which comes and goes in the same way; under [`NO_TENANT`] that there is none.
    pub(crate) tenants: SharedMap<Number, Option<TenantId>, NumberState>,
    /// What each list of addresses lets in. Keys may name lists that are not there.
    pub(crate) lists: SharedMap<Number, Arc<AddressRules>, NumberState>,
}

/// What keys may call.
#[derive(Debug)]
pub(crate) struct PermissionSet {
    pub(crate) permissions: Arc<CompiledPermissions>,
    /// Whether this is what roles allow together, which changes with them.
    pub(crate) by_role: bool,
}

/// What only writers need.
#[derive(Debug)]
struct Tables {
    own_sets: Counted<Arc<CompiledPermissions>>,
    roles: HashMap<RoleName, Arc<[RolePermission]>>,
    /// Sets of roles by their names in order.
    role_sets: Counted<Arc<[RoleName]>>,
    tenants: Counted<TenantId>,
    lists: HashMap<IpAccessControlListId, Number>,
    last_number: Number,
}

/// The set that allows nothing, whatever keys there are: with it whoever finds no key takes the same steps.
pub(crate) const NOTHING: Number = Number::MIN;
/// Says that a key is bound to no tenant. That has a number too, so that a tenant that is not found is never taken for none.
pub(crate) const NO_TENANT: Number = Number::MIN;
/// Stands for the numbers that there are no more of. Nothing is ever found under it.
const EXHAUSTED: Number = Number::MAX;

impl Shared {
    /// Tables without keys, and the map of keys. All maps have one collector of garbage, so that a guard of any of them is
    /// good for all.
    pub(crate) fn new() -> (Self, SharedMap<ApiKeyDigest, Slot, DigestState>) {
        let collector = Arc::default();
        let slots = SharedMap::builder().hasher(DigestState).shared_collector(Arc::clone(&collector)).build();
        let shared = Self {
            tables: Mutex::new(Tables {
                own_sets: Counted::default(),
                roles: HashMap::new(),
                role_sets: Counted::default(),
                tenants: Counted::default(),
                lists: HashMap::new(),
                last_number: Number::MIN,
            }),
            sets: SharedMap::builder().hasher(NumberState).shared_collector(Arc::clone(&collector)).build(),
            tenants: SharedMap::builder()
                .hasher(NumberState)
                .shared_collector(Arc::clone(&collector))
                .build(),
            lists: SharedMap::builder().hasher(NumberState).shared_collector(collector).build(),
        };
        let nothing = PermissionSet { permissions: Arc::new(CompiledPermissions::none()), by_role: false };
        shared.sets.pin().insert(NOTHING, nothing);
        shared.tenants.pin().insert(NO_TENANT, None);
        (shared, slots)
    }

    /// The number of a key's permissions, for so many slots more.
    pub(crate) fn acquire(&self, permissions: &Permissions, slots: usize, guard: &impl Guard) -> Number {
        match permissions {
            Permissions::Roles(names) => self.acquire_roles(names, slots, guard),
            Permissions::All | Permissions::Only(_) => {
                self.acquire_own(CompiledPermissions::from(permissions), slots, guard)
            }
        }
    }

    fn acquire_own(&self, compiled: CompiledPermissions, slots: usize, guard: &impl Guard) -> Number {
        let mut tables = self.lock();
        if let Some(number) = tables.own_sets.acquire(&compiled, slots) {
            return number;
        }
        let number = tables.next_number();
        if number != EXHAUSTED {
            let permissions = Arc::new(compiled);
            let set = PermissionSet { permissions: Arc::clone(&permissions), by_role: false };
            self.sets.insert(number, set, guard);
            tables.own_sets.insert(number, permissions, slots);
        }
        number
    }

    /// The number of a set of roles. The order in which a key names them means nothing here, or keys with the same roles
    /// would make as many sets as there are orders.
    fn acquire_roles(&self, names: &[RoleName], slots: usize, guard: &impl Guard) -> Number {
        let mut names = names.to_vec();
        names.sort_unstable();
        names.dedup();
        let mut tables = self.lock();
        if let Some(number) = tables.role_sets.acquire(names.as_slice(), slots) {
            return number;
        }
        let number = tables.next_number();
        if number != EXHAUSTED {
            self.sets.insert(number, tables.compile(&names), guard);
            tables.role_sets.insert(number, names.into(), slots);
        }
        number
    }

    /// The number of a key's tenant, whether or not the tenant is known, for so many slots more.
    pub(crate) fn acquire_tenant(
        &self,
        tenant_id: Option<TenantId>,
        slots: usize,
        guard: &impl Guard,
    ) -> Number {
        let Some(tenant_id) = tenant_id else { return NO_TENANT };
        let mut tables = self.lock();
        if let Some(number) = tables.tenants.acquire(&tenant_id, slots) {
            return number;
        }
        let number = tables.next_number();
        if number != EXHAUSTED {
            self.tenants.insert(number, Some(tenant_id), guard);
            tables.tenants.insert(number, tenant_id, slots);
        }
        number
    }

    /// Says that a slot is gone from the map of keys; the last one that names a set or a tenant lets it go.
    pub(crate) fn release(&self, slot: &Slot, guard: &impl Guard) {
        self.release_permissions(slot.permissions, 1, guard);
        self.release_tenant(slot.tenant, 1, guard);
    }

    pub(crate) fn release_permissions(&self, number: Number, slots: usize, guard: &impl Guard) {
        let mut tables = self.lock();
        let own = tables.own_sets.release(number, slots);
        if own.or_else(|| tables.role_sets.release(number, slots)) == Some(0) {
            self.sets.remove(&number, guard);
        }
    }

    pub(crate) fn release_tenant(&self, number: Number, slots: usize, guard: &impl Guard) {
        let mut tables = self.lock();
        if tables.tenants.release(number, slots) == Some(0) {
            self.tenants.remove(&number, guard);
        }
    }

    /// The number under which readers find a list, whether or not it is known yet.
    pub(crate) fn list_number(&self, id: IpAccessControlListId) -> Number {
        let mut tables = self.lock();
        if let Some(number) = tables.lists.get(&id) {
            return *number;
        }
        let number = tables.next_number();
        tables.lists.insert(id, number);
        number
    }

    pub(crate) fn write_list(&self, list: &IpAccessControlList) {
        let number = self.list_number(list.id);
        if number == EXHAUSTED {
            return;
        }
        self.lists.pin().insert(number, Arc::new(AddressRules::compile(&list.entries)));
    }

    pub(crate) fn delete_list(&self, id: IpAccessControlListId) {
        if let Some(number) = self.lock().lists.remove(&id) {
            self.lists.pin().remove(&number);
        }
    }

    pub(crate) fn write_role(&self, role: &Role) {
        let mut tables = self.lock();
        tables.roles.insert(role.name.clone(), role.permissions.as_slice().into());
        self.compile_again(&tables, &role.name);
    }

    pub(crate) fn delete_role(&self, name: &RoleName) {
        let mut tables = self.lock();
        tables.roles.remove(name);
        self.compile_again(&tables, name);
    }

    fn compile_again(&self, tables: &Tables, changed: &RoleName) {
        let sets = self.sets.pin();
        for (number, names) in tables.role_sets.iter() {
            if names.contains(changed) {
                sets.insert(number, tables.compile(names));
            }
        }
    }

    /// What permissions allow, with the roles as they are now.
    pub(crate) fn compile(&self, permissions: &Permissions) -> CompiledPermissions {
        match permissions {
            Permissions::Roles(names) => {
                // Commits wait for the lock: what takes long is done without it.
                let roles = self.lock().roles_of(names);
                CompiledPermissions::of_roles(roles.iter().flat_map(|permissions| permissions.iter()))
            }
            Permissions::All | Permissions::Only(_) => CompiledPermissions::from(permissions),
        }
    }

    /// Forgets the roles and lists. Keys that still name some are refused what these allowed.
    pub(crate) fn clear(&self) {
        let mut tables = self.lock();
        tables.roles.clear();
        tables.lists.clear();
        for (number, names) in tables.role_sets.iter() {
            self.sets.pin().insert(number, tables.compile(names));
        }
        self.lists.pin().clear();
    }

    /// The number of different permission sets in use, sets of roles included.
    pub(crate) fn permission_sets(&self) -> usize {
        let tables = self.lock();
        tables.own_sets.len() + tables.role_sets.len()
    }

    /// As if all numbers but so many had been given.
    #[cfg(test)]
    pub(crate) fn leave_numbers(&self, left: u32) {
        self.lock().last_number = Number::new(EXHAUSTED.get() - 1 - left).unwrap();
    }

    /// No code panics while it holds the lock, so that the tables are whole even if a thread died.
    fn lock(&self) -> MutexGuard<'_, Tables> {
        self.tables.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Tables {
    /// What roles allow together. One that is not known allows nothing.
    fn compile(&self, names: &[RoleName]) -> PermissionSet {
        let roles = self.roles_of(names);
        let compiled = CompiledPermissions::of_roles(roles.iter().flat_map(|permissions| permissions.iter()));
        PermissionSet { permissions: Arc::new(compiled), by_role: true }
    }

    /// The permissions of the roles that are known.
    fn roles_of(&self, names: &[RoleName]) -> Vec<Arc<[RolePermission]>> {
        names.iter().filter_map(|name| self.roles.get(name)).map(Arc::clone).collect()
    }

    fn next_number(&mut self) -> Number {
        // Four thousand million sets, tenants and lists in the life of a process: should it come to that, all further ones
        // share a number under which nothing is found, and so allow nothing, until the next start.
        self.last_number = self.last_number.saturating_add(1);
        self.last_number
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use claviger_domain::{
        ApiKeyId, Instant, IpAccessControlEntry, IpAction, Name, Revision, RoleId, RolePermission,
    };

    use super::*;

    fn roles(names: &[&str]) -> Permissions {
        Permissions::Roles(names.iter().map(|name| RoleName::try_from(*name).unwrap()).collect())
    }

    fn role(name: &str, line: &str) -> Role {
        Role {
            id: RoleId::from_u128(1),
            revision: Revision::FIRST,
            name: RoleName::try_from(name).unwrap(),
            desc: None,
            permissions: vec![line.parse::<RolePermission>().unwrap()],
            ui_permissions: Vec::new(),
            insert_instant: Instant::from_epoch_millis(1),
            last_update_instant: Instant::from_epoch_millis(1),
        }
    }

    fn list(id: u128) -> IpAccessControlList {
        IpAccessControlList {
            id: IpAccessControlListId::from_u128(id),
            revision: Revision::FIRST,
            name: Name::try_from(String::from("everywhere")).unwrap(),
            entries: vec![IpAccessControlEntry { action: IpAction::Allow, range: None }],
            data: None,
            insert_instant: Instant::from_epoch_millis(1),
            last_update_instant: Instant::from_epoch_millis(1),
        }
    }

    #[test]
    fn the_order_of_roles_makes_no_other_set() {
        let (shared, _) = Shared::new();
        let guard = &shared.sets.guard();
        let first = shared.acquire(&roles(&["a", "b", "c"]), 1, guard);
        for other in [["c", "b", "a"], ["b", "a", "c"]] {
            assert_eq!(shared.acquire(&roles(&other), 1, guard), first);
        }
        assert_ne!(shared.acquire(&roles(&["a", "b"]), 1, guard), first);
        assert_eq!(shared.permission_sets(), 2);
        let slot = Slot::new(ApiKeyId::from_u128(1), first, NO_TENANT);
        for left in [2, 2, 1, 1] {
            shared.release(&slot, guard);
            assert_eq!(shared.permission_sets(), left);
        }
        assert_eq!(shared.sets.pin().len(), 2);
    }

    #[test]
    fn a_number_never_comes_back() {
        let (shared, _) = Shared::new();
        let guard = &shared.sets.guard();
        let mut given = HashSet::new();
        for _ in 0..3 {
            for permissions in [Permissions::All, roles(&["a"])] {
                let tenant = Some(TenantId::from_u128(7));
                let slots = [(); 2].map(|()| {
                    let set = shared.acquire(&permissions, 1, guard);
                    Slot::new(ApiKeyId::from_u128(1), set, shared.acquire_tenant(tenant, 1, guard))
                });
                let [first, second] = &slots;
                assert_eq!((first.permissions, first.tenant), (second.permissions, second.tenant));
                assert!(given.insert(first.permissions) && given.insert(first.tenant));
                shared.release(first, guard);
                assert!(shared.sets.get(&first.permissions, guard).is_some());
                assert_eq!(shared.tenants.get(&first.tenant, guard), Some(&tenant));
                shared.release(second, guard);
                assert!(shared.sets.get(&first.permissions, guard).is_none());
                assert_eq!(shared.tenants.get(&first.tenant, guard), None);
            }
        }
        // What stands for nothing and for no tenant belongs to no key, and stays.
        shared.release(&Slot::new(ApiKeyId::from_u128(1), NOTHING, NO_TENANT), guard);
        assert_eq!((shared.sets.len(), shared.tenants.len()), (1, 1));
    }

    /// The server loads again whenever it may have missed something: what was there before must not pile up.
    #[test]
    fn clearing_leaves_no_list_behind() {
        let (shared, _) = Shared::new();
        shared.write_list(&list(1));
        let before = shared.list_number(list(1).id);
        shared.clear();
        assert!(shared.lists.pin().is_empty() && shared.lock().lists.is_empty());
        // Who holds the number from before finds nothing under it, whatever comes.
        shared.write_list(&list(2));
        shared.write_list(&list(1));
        assert!(!shared.lists.pin().contains_key(&before));
        assert_eq!(shared.lists.len(), 2);
    }

    /// The last number is nobody's: what has it would else get what the next one allows.
    #[test]
    fn without_numbers_nothing_is_allowed() {
        let (shared, _) = Shared::new();
        let guard = &shared.sets.guard();
        shared.leave_numbers(1);
        shared.write_role(&role("all", "GET:/**"));
        let last = shared.acquire(&roles(&["all"]), 1, guard);
        assert!(last < EXHAUSTED && shared.sets.pin().contains_key(&last));
        for names in [["all", "x"], ["all", "y"]] {
            assert_eq!(shared.acquire(&roles(&names), 1, guard), EXHAUSTED);
        }
        assert_eq!(shared.acquire(&Permissions::All, 1, guard), EXHAUSTED);
        assert_eq!(shared.acquire_tenant(Some(TenantId::from_u128(1)), 1, guard), EXHAUSTED);
        let list = list(1);
        shared.write_list(&list);
        shared.write_role(&role("x", "GET:/**"));
        assert_eq!(shared.list_number(list.id), EXHAUSTED);
        assert!(!shared.sets.pin().contains_key(&EXHAUSTED) && shared.lists.pin().is_empty());
        assert!(!shared.tenants.pin().contains_key(&EXHAUSTED));
        shared.release(&Slot::new(ApiKeyId::from_u128(1), EXHAUSTED, EXHAUSTED), guard);
        assert!(shared.sets.pin().contains_key(&last));
    }
}
