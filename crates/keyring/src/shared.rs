//! What keys share: permission sets by content, sets of roles, and lists of addresses.
//!
//! Readers find the last two under numbers, in maps without locks, so that a role or a list that changes takes effect for
//! all keys that use it at once, and no key has to be touched. A number is given once and never again: a reader that holds
//! an old one finds nothing, which grants nothing.

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use claviger_authz::{AddressRules, CompiledPermissions};
use claviger_domain::{
    IpAccessControlList, IpAccessControlListId, Permissions, Role, RoleName, RolePermission,
};
use papaya::HashMap as SharedMap;

use crate::entry::{Slot, SlotPermissions};

/// The tables.
#[derive(Debug, Default)]
pub(crate) struct Shared {
    tables: Mutex<Tables>,
    /// What each set of roles allows.
    pub(crate) role_sets: SharedMap<u32, Arc<CompiledPermissions>>,
    /// What each list of addresses lets in.
    pub(crate) lists: SharedMap<NonZeroU32, Arc<AddressRules>>,
}

/// What only writers need.
///
/// The keys that use a set are counted here rather than by the `Arc`s: the map of keys reclaims a removed one when no
/// reader can see it any more, and readers hold clones, so that the `Arc`s' own counts say when memory can go, but not how
/// many keys there are.
#[derive(Debug, Default)]
struct Tables {
    permission_sets: HashMap<Arc<CompiledPermissions>, usize>,
    roles: HashMap<RoleName, Arc<[RolePermission]>>,
    /// The number of each set of roles, by their names in order.
    role_sets: HashMap<Arc<[RoleName]>, u32>,
    /// The same sets by number.
    numbered: HashMap<u32, RoleSet>,
    lists: HashMap<IpAccessControlListId, NonZeroU32>,
    last_number: u32,
}

#[derive(Debug)]
struct RoleSet {
    names: Arc<[RoleName]>,
    keys: usize,
}

/// Stands for the numbers that there are no more of. Nothing is ever found under it.
const EXHAUSTED: u32 = u32::MAX;

impl Shared {
    /// The shared form of a key's permissions, for one key more.
    pub(crate) fn acquire(&self, permissions: &Permissions) -> SlotPermissions {
        if let Permissions::Roles(names) = permissions {
            return SlotPermissions::Roles(self.acquire_roles(names));
        }
        let compiled = CompiledPermissions::from(permissions);
        let mut tables = self.lock();
        if let Some((shared, _)) = tables.permission_sets.get_key_value(&compiled) {
            let shared = Arc::clone(shared);
            if let Some(keys) = tables.permission_sets.get_mut(&compiled) {
                *keys = keys.saturating_add(1);
            }
            return SlotPermissions::Own(shared);
        }
        let shared = Arc::new(compiled);
        tables.permission_sets.insert(Arc::clone(&shared), 1);
        SlotPermissions::Own(shared)
    }

    /// The number of a set of roles. The order in which a key names them means nothing here, or keys with the same roles
    /// would make as many sets as there are orders.
    fn acquire_roles(&self, names: &[RoleName]) -> u32 {
        let mut names = names.to_vec();
        names.sort_unstable();
        names.dedup();
        let mut tables = self.lock();
        if let Some(number) = tables.role_sets.get(names.as_slice()).copied() {
            if let Some(set) = tables.numbered.get_mut(&number) {
                set.keys = set.keys.saturating_add(1);
            }
            return number;
        }
        let number = tables.next_number().get();
        if number != EXHAUSTED {
            let names: Arc<[RoleName]> = names.into();
            self.role_sets.pin().insert(number, Arc::new(tables.compile(&names)));
            tables.numbered.insert(number, RoleSet { names: Arc::clone(&names), keys: 1 });
            tables.role_sets.insert(names, number);
        }
        number
    }

    /// Says that the key of a slot is gone; the last one of a set lets it go.
    pub(crate) fn release(&self, slot: &Slot) {
        let mut tables = self.lock();
        match &slot.permissions {
            SlotPermissions::Own(permissions) => {
                if let Some(keys) = tables.permission_sets.get_mut(permissions) {
                    *keys = keys.saturating_sub(1);
                    if *keys == 0 {
                        tables.permission_sets.remove(permissions);
                    }
                }
            }
            SlotPermissions::Roles(number) => {
                let Some(set) = tables.numbered.get_mut(number) else { return };
                set.keys = set.keys.saturating_sub(1);
                if set.keys > 0 {
                    return;
                }
                if let Some(set) = tables.numbered.remove(number) {
                    tables.role_sets.remove(&set.names);
                }
                self.role_sets.pin().remove(number);
            }
        }
    }

    /// The number under which readers find a list, whether or not it is known yet.
    pub(crate) fn list_number(&self, id: IpAccessControlListId) -> NonZeroU32 {
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
        if number.get() == EXHAUSTED {
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
        let role_sets = self.role_sets.pin();
        for (number, set) in &tables.numbered {
            if set.names.contains(changed) {
                role_sets.insert(*number, Arc::new(tables.compile(&set.names)));
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
        for (number, set) in &tables.numbered {
            self.role_sets.pin().insert(*number, Arc::new(tables.compile(&set.names)));
        }
        self.lists.pin().clear();
    }

    /// The number of different permission sets in use, sets of roles included.
    pub(crate) fn permission_sets(&self) -> usize {
        let tables = self.lock();
        tables.permission_sets.len() + tables.numbered.len()
    }

    /// No code panics while it holds the lock, so that the tables are whole even if a thread died.
    fn lock(&self) -> MutexGuard<'_, Tables> {
        self.tables.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Tables {
    /// What roles allow together. One that is not known allows nothing.
    fn compile(&self, names: &[RoleName]) -> CompiledPermissions {
        let roles = self.roles_of(names);
        CompiledPermissions::of_roles(roles.iter().flat_map(|permissions| permissions.iter()))
    }

    /// The permissions of the roles that are known.
    fn roles_of(&self, names: &[RoleName]) -> Vec<Arc<[RolePermission]>> {
        names.iter().filter_map(|name| self.roles.get(name)).map(Arc::clone).collect()
    }

    fn next_number(&mut self) -> NonZeroU32 {
        // Four thousand million sets and lists in the life of a process: should it come to that, all further ones share a
        // number under which nothing is found, and so allow nothing, until the next start.
        self.last_number = self.last_number.saturating_add(1);
        NonZeroU32::new(self.last_number).unwrap_or(NonZeroU32::MAX)
    }
}

#[cfg(test)]
mod tests {
    use claviger_domain::{
        ApiKeyId, Instant, IpAccessControlEntry, IpAction, Name, Revision, RoleId, RolePermission,
    };

    use super::*;

    fn roles(names: &[&str]) -> Permissions {
        Permissions::Roles(names.iter().map(|name| RoleName::try_from(*name).unwrap()).collect())
    }

    fn number(permissions: &SlotPermissions) -> u32 {
        match permissions {
            SlotPermissions::Roles(number) => *number,
            SlotPermissions::Own(_) => panic!("not by role"),
        }
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

    #[test]
    fn the_order_of_roles_makes_no_other_set() {
        let shared = Shared::default();
        let first = shared.acquire(&roles(&["a", "b", "c"]));
        for other in [["c", "b", "a"], ["b", "a", "c"]] {
            assert_eq!(number(&shared.acquire(&roles(&other))), number(&first));
        }
        assert_ne!(number(&shared.acquire(&roles(&["a", "b"]))), number(&first));
        assert_eq!(shared.permission_sets(), 2);
        let slot = Slot::new(ApiKeyId::from_u128(1), first, None, None);
        for left in [2, 2, 1, 1] {
            shared.release(&slot);
            assert_eq!(shared.permission_sets(), left);
        }
        assert_eq!(shared.role_sets.pin().len(), 1);
    }

    /// The last number is nobody's: what has it would else get what the next one allows.
    #[test]
    fn without_numbers_nothing_is_allowed() {
        let shared = Shared::default();
        shared.lock().last_number = EXHAUSTED - 2;
        shared.write_role(&role("all", "GET:/**"));
        let last = number(&shared.acquire(&roles(&["all"])));
        assert_eq!(last, EXHAUSTED - 1);
        assert!(shared.role_sets.pin().contains_key(&last));
        for names in [["all", "x"], ["all", "y"]] {
            assert_eq!(number(&shared.acquire(&roles(&names))), EXHAUSTED);
        }
        let list = IpAccessControlList {
            id: IpAccessControlListId::from_u128(1),
            revision: Revision::FIRST,
            name: Name::try_from(String::from("everywhere")).unwrap(),
            entries: vec![IpAccessControlEntry { action: IpAction::Allow, range: None }],
            data: None,
            insert_instant: Instant::from_epoch_millis(1),
            last_update_instant: Instant::from_epoch_millis(1),
        };
        shared.write_list(&list);
        shared.write_role(&role("x", "GET:/**"));
        assert_eq!(shared.list_number(list.id).get(), EXHAUSTED);
        assert!(!shared.role_sets.pin().contains_key(&EXHAUSTED) && shared.lists.pin().is_empty());
        let slot = Slot::new(ApiKeyId::from_u128(1), SlotPermissions::Roles(EXHAUSTED), None, None);
        shared.release(&slot);
        assert!(shared.role_sets.pin().contains_key(&last));
    }
}
