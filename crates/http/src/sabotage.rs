//! Mistakes that the test of many nodes must find, and no server has: built in by the feature `sabotage` alone.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use claviger_domain::ApiKeyDigest;
use claviger_keyring::Entry;

/// A mistake.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sabotage {
    /// What was found under a value is taken for true for one more second.
    Cache,
    /// Changes are answered before the other nodes have read them.
    Unconfirmed,
}

/// How long the mistake lasts.
const STALE_FOR: Duration = Duration::from_secs(1);

static CACHES: AtomicBool = AtomicBool::new(false);
static FOUND: Mutex<Option<HashMap<ApiKeyDigest, (Entry, Instant)>>> = Mutex::new(None);

/// Makes the mistake from now on.
pub fn commit(mistake: Sabotage) {
    match mistake {
        Sabotage::Cache => CACHES.store(true, Ordering::SeqCst),
        Sabotage::Unconfirmed => claviger_storage::sabotage::answer_without_confirmation(),
    }
}

/// What was found under this value, now or within the last second.
pub(crate) fn stale(digest: &ApiKeyDigest, found: (Entry, bool)) -> (Entry, bool) {
    if !CACHES.load(Ordering::SeqCst) {
        return found;
    }
    let mut cache = FOUND.lock().unwrap_or_else(PoisonError::into_inner);
    let cache = cache.get_or_insert_default();
    let now = Instant::now();
    if let Some((entry, at)) = cache.get(digest)
        && now.duration_since(*at) < STALE_FOR
    {
        return (entry.clone(), true);
    }
    if found.1 {
        cache.insert(*digest, (found.0.clone(), now));
    }
    found
}
