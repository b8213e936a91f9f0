//! All API keys, as memory is filled with them: in one stream, or by several readers at once.

use std::collections::{HashMap, VecDeque};
use std::panic::resume_unwind;
use std::sync::Mutex;
use std::thread;

use claviger_domain::{ApiKey, ApiKeyDigest, PreviousApiKeyDigest};

use crate::api_key_rows::{KnownPermissions, Row, from_row_knowing};
use crate::conn::{AnyConnection, Role};
use crate::dialect::load::{self, Part};
use crate::news::{Inside, lock};
use crate::transaction::corrupt;
use crate::{Entity, ReadTransaction, StorageError, Store, dialect};

/// An API key as memory is filled with it: where it is found, its state, and where it is found besides.
pub type LoadedApiKey = (ApiKeyDigest, ApiKey, Vec<PreviousApiKeyDigest>);

/// How many readers there are at most: each has a connection and a few MiB for it, and a database is shared
/// with others.
const MOST_READERS: usize = 4;
/// With so many keys or fewer one reader is done before another could begin.
const KEYS_OF_ONE_READER: i64 = 10_000;

/// The earlier values of all keys that have some.
type Previous = HashMap<String, Vec<PreviousApiKeyDigest>>;

impl ReadTransaction<'_> {
    /// Calls `each` with every API key and its earlier values, in no order, without its sealed value. Rows are passed on as
    /// they come, so that a million keys need no memory here; earlier values do, which few keys have at a time. A row that
    /// makes no sense is passed as [`StorageError::Corrupt`] and does not keep the others back.
    ///
    /// # Errors
    /// Failures of the database; what was passed until then is not all.
    pub fn for_each_api_key(
        &mut self,
        each: &mut dyn FnMut(Result<LoadedApiKey, StorageError>),
    ) -> Result<(), StorageError> {
        let previous = self.all_previous_api_key_digests(&mut |error| each(Err(error)))?;
        self.each_of_part(&Part::Whole, &previous, &mut KnownPermissions::default(), each)
    }

    fn each_of_part(
        &mut self,
        part: &Part,
        previous: &Previous,
        known: &mut KnownPermissions,
        each: &mut dyn FnMut(Result<LoadedApiKey, StorageError>),
    ) -> Result<(), StorageError> {
        let each = |row: Result<Row, String>| {
            each(match row {
                Ok(row) => {
                    let previous = previous.get(&row.id).cloned().unwrap_or_default();
                    from_row_knowing(row, known).map(|(digest, api_key)| (digest, api_key, previous))
                }
                Err(reason) => Err(corrupt(Entity::ApiKey, "unknown", reason)),
            });
        };
        self.run(|connection| load::stream_api_keys(connection, part, each))
    }
}

impl Store {
    /// As [`ReadTransaction::for_each_api_key`], by several readers at once where there are many keys and more processors than
    /// one. Each reader is a thread, with what `begin` makes for it, and passes on keys that no other passes on.
    ///
    /// `transaction` must be one of [`Store::read_between_commits`]. On SQLite all readers then see what it sees. On
    /// PostgreSQL what other nodes commit meanwhile is seen by some and not by others, and must be followed from before the
    /// transaction on. The other readers' connections are their own, not the pool's; a reader without one leaves its part to
    /// the rest.
    ///
    /// # Errors
    /// Failures of the database; what was passed until then is not all.
    pub fn for_each_api_key_at_once<F: FnMut(Result<LoadedApiKey, StorageError>)>(
        &self,
        transaction: &mut ReadTransaction<'_>,
        begin: impl Fn() -> F + Sync,
    ) -> Result<(), StorageError> {
        let readers = self.readers(transaction)?;
        if readers == 1 {
            return transaction.for_each_api_key(&mut begin());
        }
        let previous = {
            let mut each = begin();
            transaction.all_previous_api_key_digests(&mut |error| each(Err(error)))?
        };
        let parts: VecDeque<_> =
            transaction.run(|connection| load::parts(connection, readers))?.into_iter().collect();
        let parts = Mutex::new(parts);
        let work = |transaction: &mut ReadTransaction<'_>| {
            let (mut each, mut known) = (begin(), KnownPermissions::default());
            transaction.run(|connection| dialect::set_scanning(connection, true))?;
            let next = || lock(&parts).pop_front();
            while let Some(part) = next() {
                if let Err(error) = transaction.each_of_part(&part, &previous, &mut known, &mut each) {
                    lock(&parts).clear();
                    return Err(error);
                }
            }
            transaction.run(|connection| dialect::set_scanning(connection, false))
        };
        let help = || {
            let _inside = Inside::enter();
            match self.helper() {
                Ok(mut connection) => work(&mut ReadTransaction::new(&mut connection)),
                Err(error) => {
                    tracing::warn!(%error, "one reader less loads the API keys");
                    Ok(())
                }
            }
        };
        thread::scope(|scope| {
            let helpers: Vec<_> = (1..readers)
                .filter_map(|_| {
                    let builder = thread::Builder::new().name(String::from("api-key-load"));
                    builder.spawn_scoped(scope, help).ok()
                })
                .collect();
            let own = work(transaction);
            helpers.into_iter().fold(own, |result, helper| {
                result.and(helper.join().unwrap_or_else(|panic| resume_unwind(panic)))
            })
        })
    }

    /// How many readers are worth it.
    fn readers(&self, transaction: &mut ReadTransaction<'_>) -> Result<usize, StorageError> {
        let processors = thread::available_parallelism().map_or(1, usize::from);
        // What only one transaction sees no other can read.
        if processors == 1 || self.inner.enclosing.is_some() {
            return Ok(1);
        }
        let many = transaction.run(|connection| load::are_more(connection, KEYS_OF_ONE_READER))?;
        Ok(if many { processors.min(MOST_READERS) } else { 1 })
    }

    /// A connection of its own, with a transaction that reads. Closing it ends that.
    fn helper(&self) -> Result<AnyConnection, StorageError> {
        let mut connection = dialect::connect(&self.inner.options, Role::Read)?;
        dialect::begin_read(&mut connection).map_err(|error| dialect::translate(error).into_error())?;
        Ok(connection)
    }
}
