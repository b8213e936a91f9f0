//! Mistakes that the test of many nodes must find, and no server has: built in by the feature `sabotage` alone.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use claviger_domain::Change;

use crate::state::Derived;

/// A mistake.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sabotage {
    /// Decisions are taken from memory that is one second old.
    Cache,
    /// Changes are answered before the other nodes have read them.
    Unconfirmed,
}

/// How long the first mistake lasts.
const STALE_FOR: Duration = Duration::from_secs(1);

static CACHES: AtomicBool = AtomicBool::new(false);

/// Makes the mistake from now on.
pub fn commit(mistake: Sabotage) {
    match mistake {
        Sabotage::Cache => CACHES.store(true, Ordering::SeqCst),
        Sabotage::Unconfirmed => claviger_storage::sabotage::answer_without_confirmation(),
    }
}

/// Takes note of changes, a second later if that is the mistake.
pub(crate) fn apply(derived: &Arc<Derived>, changes: &[Change]) {
    if !CACHES.load(Ordering::SeqCst) {
        return derived.apply(changes);
    }
    let (derived, changes) = (Arc::clone(derived), changes.to_vec());
    std::thread::spawn(move || {
        std::thread::sleep(STALE_FOR);
        derived.apply(&changes);
    });
}
