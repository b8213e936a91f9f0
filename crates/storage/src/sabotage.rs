//! What the test of many nodes must find, and no server has: built in by the feature `sabotage` alone.

use std::sync::atomic::{AtomicBool, Ordering};

static WITHOUT_CONFIRMATION: AtomicBool = AtomicBool::new(false);

/// Lets every write from now on be answered before the other nodes have read it.
pub fn answer_without_confirmation() {
    WITHOUT_CONFIRMATION.store(true, Ordering::SeqCst);
}

pub(crate) fn answers_without_confirmation() -> bool {
    WITHOUT_CONFIRMATION.load(Ordering::SeqCst)
}
