//! Connections to SQLite that keep one state of the database for look-up after look-up, until something is written: to begin a read and
//! to end it takes system calls for locks on the file and a look at its size, which cost as much as a few rows.
//!
//! All states are given up before a write begins, and none is kept until its commit is over, and its news can be told: nobody reads what
//! was before a change that somebody may know of, and the write-ahead log, which starts anew when no reader needs it, finds none.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use diesel::connection::TransactionManager;

use crate::conn::{AnyConnection, Role, Transactions};
use crate::news::lock;
use crate::{StorageError, StoreOptions, dialect};

/// Connections that keep a state at most: one for each of so many threads that look up at the same time.
const MOST: usize = 8;

/// The connections that are not in use, and what makes their states old.
#[derive(Default)]
pub(crate) struct Snapshots {
    /// Writes that are under way.
    writers: AtomicUsize,
    /// Writes that are over.
    writes: AtomicU64,
    idle: Mutex<Vec<Snapshot>>,
}

struct Snapshot {
    connection: AnyConnection,
    /// The number of writes that were over before its state was taken; `None` if it has none.
    taken_at: Option<u64>,
}

impl Snapshot {
    /// Gives its state up; `false` if the connection cannot be used any more.
    fn end(&mut self) -> bool {
        self.taken_at.take().is_none() || Transactions::rollback_transaction(&mut self.connection).is_ok()
    }
}

impl Snapshots {
    /// Looks something up in a state that holds every commit whose news were told before.
    ///
    /// # Errors
    /// What `look_up` answers, and when the file cannot be opened or read.
    pub(crate) fn look_up<T>(
        &self,
        options: &StoreOptions,
        look_up: impl FnOnce(&mut AnyConnection) -> Result<T, StorageError>,
    ) -> Result<T, StorageError> {
        // Asked for before the state is taken: what is committed in between makes it old although it is in it.
        let writes = self.writes.load(Ordering::SeqCst);
        let taken = lock(&self.idle).pop();
        let mut snapshot = match taken {
            Some(snapshot) => snapshot,
            None => Snapshot { connection: dialect::connect(options, Role::Read)?, taken_at: None },
        };
        if snapshot.taken_at != Some(writes) {
            let failed = |error| dialect::translate(error).into_error();
            if !snapshot.end() {
                snapshot = Snapshot { connection: dialect::connect(options, Role::Read)?, taken_at: None };
            }
            dialect::begin_read(&mut snapshot.connection).map_err(failed)?;
            snapshot.taken_at = Some(writes);
        }
        let found = look_up(&mut snapshot.connection)?;
        let mut idle = lock(&self.idle);
        // Whoever begins to write either is seen here, or sees it here.
        let keeps = self.writers.load(Ordering::SeqCst) == 0 && self.writes.load(Ordering::SeqCst) == writes;
        if idle.len() < MOST && (keeps || snapshot.end()) {
            idle.push(snapshot);
        }
        drop(idle);
        Ok(found)
    }

    /// Gives all states up. To be called before a write begins; what is returned is to be dropped after its commit, before anybody is
    /// told of it.
    pub(crate) fn begin_write(&self) -> Writing<'_> {
        self.writers.fetch_add(1, Ordering::SeqCst);
        lock(&self.idle).retain_mut(Snapshot::end);
        Writing(self)
    }
}

/// A write that is under way.
pub(crate) struct Writing<'a>(&'a Snapshots);

impl Drop for Writing<'_> {
    fn drop(&mut self) {
        self.0.writes.fetch_add(1, Ordering::SeqCst);
        self.0.writers.fetch_sub(1, Ordering::SeqCst);
    }
}
