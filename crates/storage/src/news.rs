//! Commits and their news: whoever keeps derived state in memory hears of every change, in the order of the
//! commits.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use claviger_domain::Change;
use diesel::connection::TransactionManager;

use crate::conn::{AnyConnection, Transactions};
use crate::{StorageError, dialect};

/// Hears of committed changes: all of one write per call.
pub type Listener = Arc<dyn Fn(&[Change]) + Send + Sync>;

/// The listener, and what keeps it in step with the database.
pub(crate) struct News {
    listener: OnceLock<Listener>,
    /// Held over each commit together with the delivery of its news, which makes the order of the one the
    /// order of the other.
    order: Mutex<()>,
    /// How often news may have been lost.
    doubts: AtomicU64,
    bell: Mutex<()>,
    rung: Condvar,
}

impl News {
    pub(crate) const fn new() -> Self {
        Self {
            listener: OnceLock::new(),
            order: Mutex::new(()),
            doubts: AtomicU64::new(0),
            bell: Mutex::new(()),
            rung: Condvar::new(),
        }
    }

    pub(crate) fn set_listener(&self, listener: Listener) -> Result<(), StorageError> {
        self.listener
            .set(listener)
            .map_err(|_| StorageError::Backend(String::from("the listener is set already")))
    }

    /// Keeps commits and deliveries away while the guard lives.
    pub(crate) fn hold(&self) -> MutexGuard<'_, ()> {
        lock(&self.order)
    }

    /// Commits the open transaction, and on success lets `deliver` pass the news on before the next commit.
    ///
    /// When the connection breaks during a commit nobody can tell whether it took place. The write is then
    /// reported as failed and the news as possibly lost, which makes memory be loaded again.
    pub(crate) fn commit(
        &self,
        connection: &mut AnyConnection,
        deliver: impl FnOnce(),
    ) -> Result<(), StorageError> {
        let _order = self.hold();
        match Transactions::commit_transaction(connection).map_err(dialect::translate) {
            Ok(()) => {
                deliver();
                Ok(())
            }
            Err(dialect::Failure::Error(error)) => {
                if !matches!(error, StorageError::Busy | StorageError::Conflict { .. }) {
                    self.doubt();
                }
                Err(error)
            }
            Err(failure) => Err(failure.into_error()),
        }
    }

    /// Calls the listener with the news of one write. `false` if they are lost: memory must be loaded again.
    pub(crate) fn deliver(&self, changes: &[Change]) -> bool {
        let Some(listener) = self.listener.get().filter(|_| !changes.is_empty()) else { return true };
        let delivered = catch_unwind(AssertUnwindSafe(|| listener(changes))).is_ok();
        if !delivered {
            tracing::error!("the listener for changes panicked");
            self.doubt();
        }
        delivered
    }

    fn doubt(&self) {
        self.doubts.fetch_add(1, Ordering::SeqCst);
        self.ring();
    }

    /// How often news may have been lost so far.
    pub(crate) fn doubts(&self) -> u64 {
        self.doubts.load(Ordering::SeqCst)
    }

    /// Ends the present [`Self::wait`].
    pub(crate) fn ring(&self) {
        let _bell = lock(&self.bell);
        self.rung.notify_all();
    }

    /// Waits for `time`, or until the bell rings and `enough` holds.
    pub(crate) fn wait(&self, time: Duration, enough: impl Fn() -> bool) {
        let bell = lock(&self.bell);
        drop(self.rung.wait_timeout_while(bell, time, |()| !enough()));
    }
}

/// A mutex that a panic cannot spoil: what these guard is either nothing or replaced as a whole.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

thread_local! {
    static INSIDE: Cell<bool> = const { Cell::new(false) };
}

/// Marks the present thread as being inside a write or a listener, where another write would wait for itself.
pub(crate) struct Inside {
    before: bool,
}

impl Inside {
    pub(crate) fn enter() -> Self {
        Self { before: INSIDE.replace(true) }
    }

    /// # Errors
    /// When the present thread is inside.
    pub(crate) fn refuse() -> Result<(), StorageError> {
        if INSIDE.get() {
            return Err(StorageError::Backend(String::from("a write cannot start inside another one")));
        }
        Ok(())
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        INSIDE.set(self.before);
    }
}
