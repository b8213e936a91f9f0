//! The store: how transactions start and end.

use std::sync::{Arc, Mutex};

use claviger_domain::ChangeContext;
use diesel::QueryResult;
use diesel::connection::TransactionManager;
use diesel::r2d2::{Pool, PooledConnection};

use crate::confirmation::WaitFor;
use crate::conn::{AnyConnection, Manager, Role, Transactions, pool};
use crate::dialect::translate;
use crate::enclosing::Enclosing;
use crate::file::FileLock;
use crate::lease::Moment;
use crate::news::{Inside, Listener, News, lock};
use crate::serving::OwnNode;
#[cfg(feature = "sqlite")]
use crate::snapshots::Snapshots;
use crate::transaction::{Attempt, ReadTransaction, Recorded, WriteTransaction, attempt};
#[cfg(feature = "sqlite")]
use crate::writer::Writer;
use crate::{ATTEMPTS, DatabaseUrl, StorageError, StoreOptions, TxError, confirmation, dialect};

/// An open database. Clones share it; it is closed when the last one goes, after the writes that are queued.
#[derive(Clone)]
pub struct Store {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    // Dropped in this order: the writer finishes before the file is unlocked.
    #[cfg(feature = "sqlite")]
    pub(crate) writer: Option<Writer>,
    #[cfg(feature = "sqlite")]
    pub(crate) snapshots: Arc<Snapshots>,
    pub(crate) pool: Pool<Manager>,
    pub(crate) options: StoreOptions,
    pub(crate) news: Arc<News>,
    /// As which node of many this store serves, if it does.
    pub(crate) node: Mutex<OwnNode>,
    pub(crate) migrating: Mutex<()>,
    /// Held by a write that runs again. Losers that compete only with newcomers get their turn soon.
    pub(crate) retrying: Mutex<()>,
    pub(crate) file_lock: FileLock,
    /// The transaction in which everything takes place, of a store that [`Store::in_one_transaction`] makes.
    pub(crate) enclosing: Option<Enclosing>,
}

impl Store {
    /// Opens a database. It may be empty: see [`Store::check_schema`].
    ///
    /// On SQLite the file is made if there is none, readable by its owner only, and locked through
    /// `<file>.lock` until the store is dropped. PostgreSQL must be version 13 or newer with the encoding
    /// UTF8; any number of stores can open one database (see [`Store::serve`]).
    ///
    /// # Errors
    /// [`StorageError::Locked`] when the SQLite file is open already, [`StorageError::Unavailable`] when the
    /// database cannot be reached, [`StorageError::InvalidUrl`], and [`StorageError::Backend`] for what
    /// cannot be used.
    pub fn open(options: &StoreOptions) -> Result<Self, StorageError> {
        let news = Arc::new(News::new());
        let mut options = options.clone();
        let mut file_lock = FileLock::default();
        match &options.url {
            DatabaseUrl::Postgres(url) => drop(url.parse::<DatabaseUrl>()?),
            DatabaseUrl::Sqlite(path) => {
                let path = file_lock.take(path)?;
                options.url = DatabaseUrl::Sqlite(path);
            }
        }
        let pool = pool(&options)?;
        let mut first = dialect::connect(&options, Role::Write)?;
        dialect::prepare(&mut first)?;
        #[cfg(feature = "sqlite")]
        let snapshots = Arc::new(Snapshots::default());
        Ok(Self {
            inner: Arc::new(Inner {
                #[cfg(feature = "sqlite")]
                writer: match options.url {
                    DatabaseUrl::Sqlite(_) => {
                        let (news, snapshots) = (Arc::clone(&news), Arc::clone(&snapshots));
                        Some(Writer::start(options.clone(), first, news, snapshots)?)
                    }
                    DatabaseUrl::Postgres(_) => None,
                },
                #[cfg(feature = "sqlite")]
                snapshots,
                pool,
                options,
                news,
                node: Mutex::new(None),
                migrating: Mutex::new(()),
                retrying: Mutex::new(()),
                file_lock,
                enclosing: None,
            }),
        })
    }

    /// Sets the listener: once, before the first write.
    ///
    /// It is called after each commit with the changes of that write, before [`Store::write`] returns, and in
    /// the order of the commits. It must be quick, and must not start a write. If it panics, its state counts
    /// as spoiled and is loaded again (see [`Store::serve`]).
    ///
    /// # Errors
    /// [`StorageError::Backend`] when there is one already.
    pub fn set_listener(&self, listener: Listener) -> Result<(), StorageError> {
        self.inner.news.set_listener(listener)
    }

    /// Runs a closure on one consistent state of the database.
    ///
    /// # Errors
    /// Whatever the closure returns; [`StorageError::Unavailable`] when there is no connection within the
    /// time-out.
    pub fn read<T, E>(
        &self,
        closure: impl FnOnce(&mut ReadTransaction<'_>) -> Result<T, TxError<E>>,
    ) -> Result<T, TxError<E>> {
        if let Some(enclosing) = &self.inner.enclosing {
            return enclosing.read(closure);
        }
        let mut pooled = self.begin(dialect::begin_read)?;
        let mut transaction = ReadTransaction::new(&mut pooled.connection);
        let result = closure(&mut transaction);
        let result = transaction.outcome(result);
        pooled.broken = is_suspect(&result);
        if Transactions::rollback_transaction(&mut pooled.connection).is_err() {
            pooled.broken = true;
        }
        result
    }

    /// Runs one statement, without a transaction around it: by itself it sees one state of the database, and beginning and
    /// ending a transaction costs as much as looking for a row. A connection that turns out to be dead is replaced by the
    /// next one.
    pub(crate) fn read_once<T>(
        &self,
        statement: impl Fn(&mut ReadTransaction<'_>) -> Result<T, StorageError>,
    ) -> Result<T, StorageError> {
        let mut error = StorageError::Unavailable;
        for _ in 0..=self.inner.pool.max_size() {
            let mut pooled = self.inner.pool.get().map_err(|_| StorageError::Unavailable)?;
            match statement(&mut ReadTransaction::new(&mut pooled.connection)) {
                Err(suspect @ (StorageError::Unavailable | StorageError::Backend(_))) => {
                    pooled.broken = true;
                    error = suspect;
                }
                result => return result,
            }
        }
        Err(error)
    }

    /// As [`Store::read`], between two commits: every change is either visible to the closure or reaches the
    /// listener after it has returned. That is how derived state is loaded while writes go on. Commits wait
    /// meanwhile.
    ///
    /// # Errors
    /// As [`Store::read`]; [`StorageError::Backend`] when called inside a write or by the listener.
    pub fn read_between_commits<T, E>(
        &self,
        closure: impl FnOnce(&mut ReadTransaction<'_>) -> Result<T, TxError<E>>,
    ) -> Result<T, TxError<E>> {
        Inside::refuse()?;
        let _order = self.inner.news.hold();
        let _inside = Inside::enter();
        self.read(closure)
    }

    /// Runs a closure in a transaction that is committed when it returns `Ok`, and else rolled back.
    ///
    /// The closure runs again, up to ten times in all, when it returns [`StorageError::Stale`], and on
    /// PostgreSQL also when another transaction was in the way. It should read what it changes inside itself,
    /// must not start another write, and should not take long: on SQLite nobody else writes meanwhile.
    ///
    /// When this returns, no node decides from what was before: on SQLite the listener has heard of the write; on PostgreSQL
    /// this node has, and unless the write only made objects, every other node that serves has too, or its lease has ended.
    /// That can take as long as the longest lease.
    ///
    /// # Errors
    /// Whatever the closure returns. [`StorageError::Stale`] or [`StorageError::Busy`] when ten runs were not
    /// enough. [`StorageError::Backend`] when it panicked. After [`StorageError::Unavailable`] it is unknown
    /// whether the write took place, and whether all nodes have heard of it.
    pub fn write<T, E, F>(&self, context: &ChangeContext, mut closure: F) -> Result<T, TxError<E>>
    where
        T: Send + 'static,
        E: Send + 'static,
        F: FnMut(&mut WriteTransaction<'_>) -> Result<T, TxError<E>> + Send + 'static,
    {
        Inside::refuse()?;
        if let Some(enclosing) = &self.inner.enclosing {
            return enclosing.write(&self.inner, context, &mut closure);
        }
        #[cfg(feature = "sqlite")]
        if let Some(writer) = &self.inner.writer {
            return writer.write(context, closure);
        }
        let own = lock(&self.inner.node).clone();
        let mut turn = None;
        let mut attempts = 1;
        loop {
            let result = self.write_once(context, &mut closure, &own);
            let again = matches!(result, Err(TxError::Storage(StorageError::Stale | StorageError::Busy)));
            if !again || attempts == ATTEMPTS {
                drop(turn);
                let Written { value, committed, wait } = result?;
                confirmation::wait(self, Some(&own), wait, committed);
                return Ok(value);
            }
            attempts += 1;
            turn.get_or_insert_with(|| lock(&self.inner.retrying));
        }
    }

    /// One run of a write, on PostgreSQL, with what must be waited for afterwards. The connection is back in the pool then.
    fn write_once<T, E>(
        &self,
        context: &ChangeContext,
        closure: &mut dyn FnMut(&mut WriteTransaction<'_>) -> Result<T, TxError<E>>,
        own: &OwnNode,
    ) -> Result<Written<T>, TxError<E>> {
        let mut pooled = self.begin(dialect::begin_write)?;
        let _inside = Inside::enter();
        let Attempt { result, changes, recorded, transaction_id } =
            attempt(&mut pooled.connection, context, closure);
        let result = result.and_then(|value| {
            if own.is_some() {
                // What was committed is read back, in one order with what other nodes commit, or taken in below.
                Transactions::commit_transaction(&mut pooled.connection)
                    .map_err(|error| translate(error).into_error())?;
            } else {
                let news = &self.inner.news;
                news.commit(&mut pooled.connection, || {
                    news.deliver(&changes);
                })?;
            }
            Ok(value)
        });
        pooled.broken = is_suspect(&result);
        // After a failed commit diesel has mostly rolled back itself, and says so here.
        if result.is_err() && Transactions::rollback_transaction(&mut pooled.connection).is_err() {
            pooled.broken = true;
        }
        let (value, committed) = (result?, Moment::now());
        if let (Some(own), Recorded::Creations, Some(number)) = (own, recorded, transaction_id)
            && own.take_in(&changes, number, committed)
        {
            return Ok(Written { value, committed, wait: WaitFor::Nobody });
        }
        let wait = confirmation::announce(&mut pooled.connection, Some(own), recorded)
            .inspect_err(|_| pooled.broken = true)?;
        Ok(Written { value, committed, wait })
    }

    /// Runs a statement on a connection of the pool, once and without a transaction.
    pub(crate) fn on_connection<T>(
        &self,
        statement: impl FnOnce(&mut AnyConnection) -> Result<T, StorageError>,
    ) -> Result<T, StorageError> {
        let mut pooled = self.inner.pool.get().map_err(|_| StorageError::Unavailable)?;
        statement(&mut pooled.connection).inspect_err(|_| pooled.broken = true)
    }

    /// Takes a connection out of the pool and starts a transaction on it. All that are in the pool may be
    /// dead, after a restart of the server for instance: nothing has happened yet, so the next one is tried.
    fn begin(
        &self,
        start: fn(&mut AnyConnection) -> QueryResult<()>,
    ) -> Result<PooledConnection<Manager>, StorageError> {
        let mut error = StorageError::Unavailable;
        for _ in 0..=self.inner.pool.max_size() {
            let mut pooled = self.inner.pool.get().map_err(|_| StorageError::Unavailable)?;
            match start(&mut pooled.connection) {
                Ok(()) => return Ok(pooled),
                Err(failed) => {
                    pooled.broken = true;
                    error = translate(failed).into_error();
                }
            }
        }
        Err(error)
    }
}

/// A write that is committed.
struct Written<T> {
    value: T,
    /// It was by this moment.
    committed: Moment,
    /// What must be waited for before it is answered.
    wait: WaitFor,
}

/// Whether a connection on which this happened should be closed rather than used again. After a restart of
/// PostgreSQL one that is kept goes on failing.
const fn is_suspect<T, E>(result: &Result<T, TxError<E>>) -> bool {
    matches!(result, Err(TxError::Storage(StorageError::Unavailable | StorageError::Backend(_))))
}
