//! One connection type for both databases, and the pool that opens connections by URL.

use std::fmt;

use diesel::connection::Connection;
use diesel::r2d2::{HandleError, ManageConnection, Pool, R2D2Connection};

use crate::{DatabaseUrl, StorageError, StoreOptions, dialect};

/// A connection to either database. Only `dialect.rs` looks inside.
#[derive(diesel::MultiConnection)]
pub(crate) enum AnyConnection {
    #[cfg(feature = "sqlite")]
    Sqlite(diesel::SqliteConnection),
    #[cfg(feature = "postgres")]
    Postgres(diesel::PgConnection),
}

/// The transaction manager that nests: transactions outside, savepoints inside.
pub(crate) type Transactions = <AnyConnection as Connection>::TransactionManager;

/// What a connection is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// On SQLite such a connection refuses to write.
    Read,
    /// Reads and writes.
    Write,
}

/// A connection of the pool.
pub(crate) struct Pooled {
    pub(crate) connection: AnyConnection,
    /// Set when something happened on it that is not understood: it is closed instead of going back.
    pub(crate) broken: bool,
}

/// Opens connections. It decides by the variant of the URL; the `establish` of the derive would try each
/// database in turn, and could make an empty SQLite file while PostgreSQL is down.
pub(crate) struct Manager {
    options: StoreOptions,
    role: Role,
}

impl ManageConnection for Manager {
    type Connection = Pooled;
    type Error = StorageError;

    fn connect(&self) -> Result<Pooled, StorageError> {
        Ok(Pooled { connection: dialect::connect(&self.options, self.role)?, broken: false })
    }

    fn is_valid(&self, pooled: &mut Pooled) -> Result<(), StorageError> {
        pooled.connection.ping().map_err(|error| dialect::translate(error).into_error())
    }

    fn has_broken(&self, pooled: &mut Pooled) -> bool {
        pooled.broken || std::thread::panicking() || pooled.connection.is_broken()
    }
}

/// The pool of connections for transactions on the caller's own thread: all on PostgreSQL, the reading ones
/// on SQLite.
pub(crate) fn pool(options: &StoreOptions) -> Result<Pool<Manager>, StorageError> {
    let role = match options.url {
        DatabaseUrl::Sqlite(_) => Role::Read,
        DatabaseUrl::Postgres(_) => Role::Write,
    };
    if options.pool_size == 0 || options.connection_timeout.is_zero() {
        return Err(StorageError::Backend(String::from("the pool needs a size and a timeout above zero")));
    }
    // Connections are opened when they are asked for, and stay. A test at each check-out would cost a round
    // trip.
    Ok(Pool::builder()
        .max_size(options.pool_size)
        .min_idle(Some(0))
        .connection_timeout(options.connection_timeout)
        .test_on_check_out(false)
        .error_handler(Box::new(Silent))
        .build_unchecked(Manager { options: options.clone(), role }))
}

/// Failed attempts to connect are logged where they happen, in [`dialect::connect`].
#[derive(Clone, Copy)]
struct Silent;

impl fmt::Debug for Silent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Silent")
    }
}

impl HandleError<StorageError> for Silent {
    fn handle_error(&self, _: StorageError) {}
}
