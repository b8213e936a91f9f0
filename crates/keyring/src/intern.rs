//! Shared permission sets: a million keys with the same permissions hold one.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use claviger_authz::CompiledPermissions;

/// The permission sets in use, each with the number of keys that use it.
///
/// The keys are counted here rather than by the `Arc`s: the map reclaims a removed key when no reader can see it any
/// more, and readers hold clones, so that the `Arc`s' own counts say when memory can go, but not how many keys there are.
#[derive(Debug, Default)]
pub(crate) struct PermissionSets(Mutex<HashMap<Arc<CompiledPermissions>, usize>>);

impl PermissionSets {
    /// The shared set with this content, for one key more.
    pub(crate) fn acquire(&self, permissions: CompiledPermissions) -> Arc<CompiledPermissions> {
        let mut sets = self.lock();
        if let Some((shared, _)) = sets.get_key_value(&permissions) {
            let shared = Arc::clone(shared);
            if let Some(keys) = sets.get_mut(&permissions) {
                *keys = keys.saturating_add(1);
            }
            return shared;
        }
        let shared = Arc::new(permissions);
        sets.insert(Arc::clone(&shared), 1);
        shared
    }

    /// Says that one key less uses the set; the last one lets it go.
    pub(crate) fn release(&self, permissions: &CompiledPermissions) {
        let mut sets = self.lock();
        if let Some(keys) = sets.get_mut(permissions) {
            *keys = keys.saturating_sub(1);
            if *keys == 0 {
                sets.remove(permissions);
            }
        }
    }

    /// The number of different sets in use.
    pub(crate) fn len(&self) -> usize {
        self.lock().len()
    }

    /// No code panics while it holds the lock, so that the table is whole even if a thread died.
    fn lock(&self) -> MutexGuard<'_, HashMap<Arc<CompiledPermissions>, usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
