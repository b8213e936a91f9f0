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
    roles: HashMap<RoleName, Vec<RolePermission>>,
    role_sets: HashMap<Vec<RoleName>, RoleSet>,
    lists: HashMap<IpAccessControlListId, NonZeroU32>,
    last_number: u32,
}

#[derive(Debug)]
struct RoleSet {
    number: u32,
    keys: usize,
}

impl Shared {
    /// The shared form of a key's permissions, for one key more.
    pub(crate) fn acquire(&self, permissions: &Permissions) -> SlotPermissions {
        let mut tables = self.lock();
        if let Permissions::Roles(names) = permissions {
            if let Some(set) = tables.role_sets.get_mut(names) {
                set.keys = set.keys.saturating_add(1);
                return SlotPermissions::Roles(set.number);
            }
            let number = tables.next_number().get();
            self.role_sets.pin().insert(number, Arc::new(tables.compile(names)));
            tables.role_sets.insert(names.clone(), RoleSet { number, keys: 1 });
            return SlotPermissions::Roles(number);
        }
        let compiled = CompiledPermissions::from(permissions);
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
                tables.role_sets.retain(|_, set| {
                    if set.number == *number {
                        set.keys = set.keys.saturating_sub(1);
                    }
                    set.keys > 0
                });
                if !tables.role_sets.values().any(|set| set.number == *number) {
                    self.role_sets.pin().remove(number);
                }
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
        self.lists.pin().insert(number, Arc::new(AddressRules::compile(&list.entries)));
    }

    pub(crate) fn delete_list(&self, id: IpAccessControlListId) {
        if let Some(number) = self.lock().lists.remove(&id) {
            self.lists.pin().remove(&number);
        }
    }

    pub(crate) fn write_role(&self, role: &Role) {
        let mut tables = self.lock();
        tables.roles.insert(role.name.clone(), role.permissions.clone());
        self.compile_again(&tables, &role.name);
    }

    pub(crate) fn delete_role(&self, name: &RoleName) {
        let mut tables = self.lock();
        tables.roles.remove(name);
        self.compile_again(&tables, name);
    }

    fn compile_again(&self, tables: &Tables, changed: &RoleName) {
        let role_sets = self.role_sets.pin();
        for (names, set) in &tables.role_sets {
            if names.contains(changed) {
                role_sets.insert(set.number, Arc::new(tables.compile(names)));
            }
        }
    }

    /// What permissions allow, with the roles as they are now.
    pub(crate) fn compile(&self, permissions: &Permissions) -> CompiledPermissions {
        match permissions {
            Permissions::Roles(names) => self.lock().compile(names),
            Permissions::All | Permissions::Only(_) => CompiledPermissions::from(permissions),
        }
    }

    /// Forgets the roles and lists. Keys that still name some are refused what these allowed.
    pub(crate) fn clear(&self) {
        let mut tables = self.lock();
        tables.roles.clear();
        tables.lists.clear();
        for (names, set) in &tables.role_sets {
            self.role_sets.pin().insert(set.number, Arc::new(tables.compile(names)));
        }
        self.lists.pin().clear();
    }

    /// The number of different permission sets in use, sets of roles included.
    pub(crate) fn permission_sets(&self) -> usize {
        let tables = self.lock();
        tables.permission_sets.len() + tables.role_sets.len()
    }

    /// No code panics while it holds the lock, so that the tables are whole even if a thread died.
    fn lock(&self) -> MutexGuard<'_, Tables> {
        self.tables.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Tables {
    /// What roles allow together. One that is not known allows nothing.
    fn compile(&self, names: &[RoleName]) -> CompiledPermissions {
        CompiledPermissions::of_roles(names.iter().filter_map(|name| self.roles.get(name)).flatten())
    }

    fn next_number(&mut self) -> NonZeroU32 {
        // Four thousand million sets in the life of a process: should it come to that, the last number is shared by
        // what finds nothing under it.
        self.last_number = self.last_number.saturating_add(1);
        NonZeroU32::new(self.last_number).unwrap_or(NonZeroU32::MAX)
    }
}
