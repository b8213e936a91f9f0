//! The inside of a transaction: where the queries of the other files run, and where changes are recorded.

use std::ops::{Deref, DerefMut};
use std::panic::{AssertUnwindSafe, catch_unwind};

use claviger_domain::{Change, ChangeContext};
use diesel::QueryResult;

use crate::conn::AnyConnection;
use crate::dialect::{self, Failure};
use crate::{Entity, StorageError, TxError};

/// How many rows a bulk deletion takes with each statement. Between them it offers the processor to others: on SQLite the work
/// of the database is done in this process, beside threads that answer requests within microseconds.
pub(crate) const ROWS_PER_DELETION: usize = 10;

/// A transaction that reads one consistent state of the database.
///
/// After a statement has failed, every further one in the same transaction fails with the same error, and the
/// transaction is rolled back even if the closure returns `Ok`: PostgreSQL does so by itself, SQLite would go
/// on.
pub struct ReadTransaction<'c> {
    connection: &'c mut AnyConnection,
    failed: Option<StorageError>,
}

impl<'c> ReadTransaction<'c> {
    pub(crate) const fn new(connection: &'c mut AnyConnection) -> Self {
        Self { connection, failed: None }
    }

    /// Runs a statement against which no foreign key can stand.
    pub(crate) fn run<T>(
        &mut self,
        statement: impl FnOnce(&mut AnyConnection) -> QueryResult<T>,
    ) -> Result<T, StorageError> {
        self.run_or(Failure::into_error, statement)
    }

    /// Runs a statement; when a foreign key stands against it, the error is `meaning`.
    pub(crate) fn run_referring<T>(
        &mut self,
        meaning: StorageError,
        statement: impl FnOnce(&mut AnyConnection) -> QueryResult<T>,
    ) -> Result<T, StorageError> {
        let into_error = |failure| match failure {
            Failure::ForeignKey => meaning,
            Failure::Error(error) => error,
        };
        self.run_or(into_error, statement)
    }

    fn run_or<T>(
        &mut self,
        into_error: impl FnOnce(Failure) -> StorageError,
        statement: impl FnOnce(&mut AnyConnection) -> QueryResult<T>,
    ) -> Result<T, StorageError> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        statement(self.connection).map_err(|error| {
            let error = into_error(dialect::translate(error));
            self.failed = Some(error.clone());
            error
        })
    }

    /// The result of the closure, unless a statement failed that the closure kept silent about.
    pub(crate) fn outcome<T, E>(&self, result: Result<T, TxError<E>>) -> Result<T, TxError<E>> {
        match (&self.failed, result) {
            (Some(error), Ok(_)) => Err(TxError::Storage(error.clone())),
            (_, result) => result,
        }
    }
}

/// A transaction that reads and writes. What it changes becomes visible to others, and to the listener, all
/// at once.
pub struct WriteTransaction<'c> {
    read: ReadTransaction<'c>,
    context: &'c ChangeContext,
    changes: Vec<Change>,
    recorded: Recorded,
    transaction_id: Option<i64>,
}

/// What the rows say that a write left in the `change` table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Recorded {
    /// There are none.
    Nothing,
    /// Objects were made, which takes nothing away from anybody.
    Creations,
    /// Anything else.
    Changes,
}

impl<'c> Deref for WriteTransaction<'c> {
    type Target = ReadTransaction<'c>;

    fn deref(&self) -> &Self::Target {
        &self.read
    }
}

impl DerefMut for WriteTransaction<'_> {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.read
    }
}

impl WriteTransaction<'_> {
    /// Who writes, and when.
    pub(crate) const fn context(&self) -> &ChangeContext {
        self.context
    }

    /// Notes that rows were left in the `change` table.
    pub(crate) fn note_recorded(&mut self, recorded: Recorded) {
        self.recorded = self.recorded.max(recorded);
    }

    /// Notes the number that the database gave the transaction.
    pub(crate) fn note_transaction(&mut self, transaction_id: Option<i64>) {
        self.transaction_id = transaction_id.or(self.transaction_id);
    }

    /// Queues the news of a change for the listener.
    pub(crate) fn announce(&mut self, change: Change) {
        self.changes.push(change);
    }

    /// The same for news that say nothing more when they come twice in a row.
    pub(crate) fn announce_once(&mut self, change: Change) {
        if self.changes.last() != Some(&change) {
            self.changes.push(change);
        }
    }
}

/// One run of the closure of a write: what it returned, and the news for the listener if that is committed.
pub(crate) struct Attempt<T, E> {
    pub(crate) result: Result<T, TxError<E>>,
    pub(crate) changes: Vec<Change>,
    pub(crate) recorded: Recorded,
    /// The number of the transaction, if a row of the `change` table has told it.
    pub(crate) transaction_id: Option<i64>,
}

/// Runs the closure of a write once, inside the transaction or savepoint that is open. A panic in it is
/// caught: on SQLite it would end the writer thread, and with it all writes.
pub(crate) fn attempt<T, E>(
    connection: &mut AnyConnection,
    context: &ChangeContext,
    closure: &mut dyn FnMut(&mut WriteTransaction<'_>) -> Result<T, TxError<E>>,
) -> Attempt<T, E> {
    let mut transaction = WriteTransaction {
        read: ReadTransaction::new(connection),
        context,
        changes: Vec::new(),
        recorded: Recorded::Nothing,
        transaction_id: None,
    };
    // What the closure captured may be left half-changed, but it is never run again after a panic.
    let result = match catch_unwind(AssertUnwindSafe(|| closure(&mut transaction))) {
        Ok(result) => transaction.outcome(result),
        Err(_) => Err(TxError::Storage(StorageError::Backend(String::from("the operation panicked")))),
    };
    let WriteTransaction { changes, recorded, transaction_id, .. } = transaction;
    Attempt { result, changes, recorded, transaction_id }
}

/// A row that makes no sense.
pub(crate) fn corrupt(entity: Entity, id: &str, reason: impl ToString) -> StorageError {
    StorageError::Corrupt { entity, id: id.to_owned(), reason: reason.to_string() }
}
