//! How many keys are put in at a time, as at a start.

use std::collections::HashMap;
use std::fmt;
use std::mem;

use claviger_domain::{ApiKey, ApiKeyDigest, Permissions, PreviousApiKeyDigest, TenantId};
use papaya::Guard;

use crate::Keyring;
use crate::keyring::Numbers;
use crate::shared::{NO_TENANT, Number};

/// For how many slots numbers are taken out at once.
const RESERVED: usize = 1024;
/// How many different sets, and how many tenants, are remembered.
const REMEMBERED: usize = 4096;
/// After how many keys memory is given back that the map has outgrown.
const KEYS_PER_FLUSH: usize = 4096;

/// Puts many keys into a [`Keyring`]: what they share is compiled and counted once for many of them. Several can be at work at
/// once, each on a thread of its own; changes of one digest belong to one of them.
///
/// What it has taken out for keys that did not come is given back when it is dropped.
pub struct Loader<'k> {
    keyring: &'k Keyring,
    sets: HashMap<Permissions, Reserve>,
    tenants: HashMap<TenantId, Reserve>,
    unflushed: usize,
}

/// A number, and for how many slots more it is counted already.
#[derive(Debug, Clone, Copy)]
struct Reserve {
    number: Number,
    slots: usize,
}

impl Keyring {
    /// For putting in many keys.
    #[must_use]
    pub fn loader(&self) -> Loader<'_> {
        Loader { keyring: self, sets: HashMap::new(), tenants: HashMap::new(), unflushed: 0 }
    }
}

impl Loader<'_> {
    /// Puts in a key as it is stored, with its earlier values that still work: what
    /// [`Change::ApiKeyWritten`](claviger_domain::Change::ApiKeyWritten) does.
    pub fn add(&mut self, digest: ApiKeyDigest, api_key: &ApiKey, previous: &[PreviousApiKeyDigest]) {
        if self.sets.len() > REMEMBERED || self.tenants.len() > REMEMBERED {
            self.give_back();
        }
        let shared = &self.keyring.shared;
        let guard = self.keyring.slots.guard();
        let (sets, tenants) = (&mut self.sets, &mut self.tenants);
        self.keyring.put(digest, api_key, previous, &guard, |guard| Numbers {
            permissions: take(sets, &api_key.permissions, || {
                shared.acquire(&api_key.permissions, RESERVED, guard)
            }),
            tenant: api_key.tenant_id.map_or(NO_TENANT, |id| {
                take(tenants, &id, || shared.acquire_tenant(Some(id), RESERVED, guard))
            }),
        });
        self.unflushed = self.unflushed.saturating_add(1);
        if self.unflushed >= KEYS_PER_FLUSH {
            self.unflushed = 0;
            guard.flush();
        }
    }

    fn give_back(&mut self) {
        let shared = &self.keyring.shared;
        let guard = self.keyring.slots.guard();
        for reserve in mem::take(&mut self.sets).into_values() {
            shared.release_permissions(reserve.number, reserve.slots, &guard);
        }
        for reserve in mem::take(&mut self.tenants).into_values() {
            shared.release_tenant(reserve.number, reserve.slots, &guard);
        }
        guard.flush();
    }
}

/// The number of a value for one slot; `acquire` gets it for [`RESERVED`] more.
fn take<K: Clone + Eq + std::hash::Hash>(
    reserves: &mut HashMap<K, Reserve>,
    value: &K,
    acquire: impl FnOnce() -> Number,
) -> Number {
    if let Some(reserve) = reserves.get_mut(value)
        && let Some(left) = reserve.slots.checked_sub(1)
    {
        reserve.slots = left;
        return reserve.number;
    }
    let number = acquire();
    reserves.insert(value.clone(), Reserve { number, slots: RESERVED - 1 });
    number
}

impl Drop for Loader<'_> {
    fn drop(&mut self) {
        self.give_back();
    }
}

impl fmt::Debug for Loader<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Loader")
            .field("keyring", self.keyring)
            .field("sets", &self.sets.len())
            .field("tenants", &self.tenants.len())
            .finish_non_exhaustive()
    }
}
