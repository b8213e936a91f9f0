//! A store whose reads and writes all take place in one transaction: what is done with it happens wholly or not at all,
//! whenever the process or the database ends.

use std::sync::{Arc, Mutex, MutexGuard, TryLockError};

use claviger_domain::{Actor, ChangeContext};
use diesel::connection::TransactionManager;

use crate::conn::{AnyConnection, Role, Transactions};
use crate::lease::Moment;
use crate::news::{Inside, News, lock};
use crate::store::Inner;
use crate::transaction::{ReadTransaction, Recorded, WriteTransaction, attempt};
use crate::{ATTEMPTS, StorageError, Store, TxError, confirmation, dialect};

/// The transaction of such a store.
pub(crate) struct Enclosing {
    /// With the transaction open; `None` when it is over or lost.
    connection: Mutex<Option<AnyConnection>>,
    /// Who makes every change in it, whatever the context of a write says.
    actor: Actor,
}

impl Store {
    /// Runs `work` with a store of its own, whose reads and writes are savepoints of one transaction of this database. It
    /// is committed when `work` returns `Ok`, and else rolled back; until then nobody else sees anything of it. Every
    /// change is recorded as one by `actor`.
    ///
    /// The inner store has a listener of its own; this one is told nothing, so that what is kept in memory must be loaded
    /// afterwards. It is for one thread at a time, and can do nothing any more when this returns. Other writes wait
    /// meanwhile on SQLite, for as long as [`crate::StoreOptions`] says.
    ///
    /// # Errors
    /// Whatever `work` returns; failures of the database, of which [`StorageError::Unavailable`] leaves open whether the
    /// commit took place.
    pub fn in_one_transaction<T, E: From<StorageError>>(
        &self,
        actor: Actor,
        work: impl FnOnce(&Self) -> Result<T, E>,
    ) -> Result<T, E> {
        Inside::refuse()?;
        let mut connection = dialect::connect(&self.inner.options, Role::Write)?;
        dialect::allow_long_transactions(&mut connection).map_err(lost)?;
        dialect::begin_write(&mut connection).map_err(lost)?;
        let enclosing = Enclosing { connection: Mutex::new(Some(connection)), actor };
        let inner = Arc::new(Inner {
            #[cfg(feature = "sqlite")]
            writer: None,
            #[cfg(feature = "sqlite")]
            snapshots: Arc::clone(&self.inner.snapshots),
            pool: self.inner.pool.clone(),
            options: self.inner.options.clone(),
            news: Arc::new(News::new()),
            node: Mutex::new(None),
            migrating: Mutex::new(()),
            retrying: Mutex::new(()),
            file_lock: self.inner.file_lock.clone(),
            enclosing: Some(enclosing),
        });
        let store = Self { inner: Arc::clone(&inner) };
        let result = work(&store);
        let connection = inner.enclosing.as_ref().and_then(|own| lock(&own.connection).take());
        let value = match result {
            Ok(value) => value,
            Err(error) => {
                if let Some(mut connection) = connection {
                    // If this fails, closing the connection does it.
                    let _rolled_back = Transactions::rollback_transaction(&mut connection);
                }
                return Err(error);
            }
        };
        let mut connection = connection.ok_or_else(over)?;
        #[cfg(feature = "sqlite")]
        let _writing = self.inner.snapshots.begin_write();
        Transactions::commit_transaction(&mut connection).map_err(lost)?;
        let committed = Moment::now();
        // Whatever was done may have taken something away from somebody.
        let announced = confirmation::announce(&mut connection, None, Recorded::Changes)?;
        drop(connection);
        confirmation::wait(self, None, announced, committed);
        Ok(value)
    }
}

impl Enclosing {
    /// As [`Store::read`].
    pub(crate) fn read<T, E>(
        &self,
        closure: impl FnOnce(&mut ReadTransaction<'_>) -> Result<T, TxError<E>>,
    ) -> Result<T, TxError<E>> {
        let mut guard = self.take()?;
        let mut connection = guard.take().ok_or_else(over)?;
        Transactions::begin_transaction(&mut connection).map_err(lost)?;
        let mut transaction = ReadTransaction::new(&mut connection);
        let result = closure(&mut transaction);
        let result = transaction.outcome(result);
        // A connection on which this fails is not put back: the transaction is lost.
        Transactions::rollback_transaction(&mut connection).map_err(lost)?;
        *guard = Some(connection);
        result
    }

    /// As [`Store::write`]. Nobody else can be in the way.
    pub(crate) fn write<T, E>(
        &self,
        inner: &Inner,
        context: &ChangeContext,
        closure: &mut dyn FnMut(&mut WriteTransaction<'_>) -> Result<T, TxError<E>>,
    ) -> Result<T, TxError<E>> {
        let mut guard = self.take()?;
        let mut connection = guard.take().ok_or_else(over)?;
        let _inside = Inside::enter();
        let context = ChangeContext { actor: self.actor, ..context.clone() };
        let mut attempts = 1;
        loop {
            Transactions::begin_transaction(&mut connection).map_err(lost)?;
            let attempt = attempt(&mut connection, &context, closure);
            let again = matches!(attempt.result, Err(TxError::Storage(StorageError::Stale)));
            if attempt.result.is_ok() {
                Transactions::commit_transaction(&mut connection).map_err(lost)?;
                inner.news.deliver(&attempt.changes);
            } else {
                Transactions::rollback_transaction(&mut connection).map_err(lost)?;
            }
            if !again || attempts == ATTEMPTS {
                *guard = Some(connection);
                return attempt.result;
            }
            attempts += 1;
        }
    }

    /// Waiting for another thread, or for oneself, would be a mistake in the program.
    fn take(&self) -> Result<MutexGuard<'_, Option<AnyConnection>>, StorageError> {
        match self.connection.try_lock() {
            Ok(guard) => Ok(guard),
            Err(TryLockError::Poisoned(poisoned)) => Ok(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => Err(StorageError::Backend(String::from(
                "one transaction for everything allows one thing at a time",
            ))),
        }
    }
}

fn over() -> StorageError {
    StorageError::Backend(String::from("the one transaction for everything is over"))
}

fn lost(error: diesel::result::Error) -> StorageError {
    dialect::translate(error).into_error()
}
