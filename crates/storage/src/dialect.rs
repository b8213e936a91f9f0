//! Everything that differs between SQLite and PostgreSQL. No other file looks which database it is.

pub(crate) mod load;
pub(crate) mod node;
pub(crate) mod token_clients;
pub(crate) mod uses;

#[cfg(feature = "sqlite")]
use std::path::Path;

use diesel::connection::{AnsiTransactionManager, SimpleConnection};
use diesel::prelude::*;
use diesel::result::{DatabaseErrorInformation, DatabaseErrorKind, Error};
use diesel::sql_types::{BigInt, Text};
#[cfg(feature = "postgres")]
use diesel::sql_types::{Bool, Nullable};
use diesel_migrations::{EmbeddedMigrations, embed_migrations};

use crate::changes::NewRow;
use crate::conn::{AnyConnection, Role};
use crate::schema::{api_key, change};
use crate::{DatabaseUrl, Entity, Field, StorageError, StoreOptions};

#[cfg(feature = "sqlite")]
const SQLITE_MIGRATIONS: EmbeddedMigrations = embed_migrations!("../../migrations/sqlite");
#[cfg(feature = "postgres")]
const POSTGRES_MIGRATIONS: EmbeddedMigrations = embed_migrations!("../../migrations/postgres");

/// The cache of the connection to SQLite that writes, in KiB: new keys go to all places of the indices.
#[cfg(feature = "sqlite")]
const WRITE_CACHE: u32 = 4096;
/// The cache of a connection to SQLite that reads, in KiB.
#[cfg(feature = "sqlite")]
const READ_CACHE: u32 = 8192;
/// The same for one that reads everything once: nothing in it is read a second time.
#[cfg(feature = "sqlite")]
const SCAN_CACHE: u32 = 256;

/// The oldest PostgreSQL that is supported, as `server_version_num`.
#[cfg(feature = "postgres")]
const OLDEST_POSTGRES: i64 = 130_000;

/// Opens a connection and sets it up.
pub(crate) fn connect(options: &StoreOptions, role: Role) -> Result<AnyConnection, StorageError> {
    match &options.url {
        #[cfg(feature = "sqlite")]
        DatabaseUrl::Sqlite(path) => {
            let mut connection =
                SqliteConnection::establish(&sqlite_name(path)?).map_err(|error| unreachable(&error))?;
            // The cache is in KiB, and filled only as far as pages are read. The file is in the system's cache anyway, but to copy
            // a page from there takes as long as to find a row. Most reads share one connection: the pool hands out the one that
            // was used last.
            let (query_only, cache) =
                if role == Role::Read { ("ON", READ_CACHE) } else { ("OFF", WRITE_CACHE) };
            // The time-out comes first, so that the statements after it already wait for a lock.
            let setup = format!(
                "PRAGMA busy_timeout = {}; PRAGMA foreign_keys = ON; PRAGMA synchronous = FULL; \
                 PRAGMA cache_size = -{cache}; PRAGMA mmap_size = 0; PRAGMA trusted_schema = OFF; \
                 PRAGMA query_only = {query_only};",
                options.connection_timeout.as_millis().min(600_000)
            );
            connection.batch_execute(&setup).map_err(|error| translate(error).into_error())?;
            Ok(AnyConnection::Sqlite(connection))
        }
        #[cfg(feature = "postgres")]
        DatabaseUrl::Postgres(url) => {
            let _ = role;
            let url = postgres_url(url, options.connection_timeout.as_secs());
            let mut connection = PgConnection::establish(&url).map_err(|error| unreachable(&error))?;
            // An acknowledged write must survive a crash of the server, whatever the server's default says. A process that
            // stands still in the middle of a write must not keep its rows from all others.
            let setup = format!(
                "SELECT set_config('synchronous_commit', 'on', false) \
                 WHERE current_setting('synchronous_commit') = 'off'; \
                 SET idle_in_transaction_session_timeout = {}",
                options.idle_in_transaction.as_millis().clamp(1, 600_000)
            );
            connection.batch_execute(&setup).map_err(|error| translate(error).into_error())?;
            Ok(AnyConnection::Postgres(connection))
        }
        #[cfg(not(all(feature = "sqlite", feature = "postgres")))]
        other => {
            let _ = role;
            Err(StorageError::Backend(format!("this build has no support for {other}")))
        }
    }
}

/// libpq's messages name host, user and database, never the password; the URL was checked for what they repeat.
fn unreachable(error: &ConnectionError) -> StorageError {
    tracing::warn!(%error, "cannot connect to the database");
    StorageError::Unavailable
}

/// The name under which SQLite opens exactly this file: neither `:memory:` nor `file:` has a meaning behind a
/// `/`.
#[cfg(feature = "sqlite")]
fn sqlite_name(path: &Path) -> Result<String, StorageError> {
    let name = path.to_str().ok_or(StorageError::InvalidUrl("the path is not UTF-8"))?;
    Ok(if path.is_absolute() { name.to_owned() } else { format!("./{name}") })
}

/// Adds what keeps a dead network from blocking a thread for minutes, unless the URL says otherwise.
#[cfg(feature = "postgres")]
fn postgres_url(url: &str, connect_timeout_in_seconds: u64) -> String {
    let mut url = url.to_owned();
    // libpq takes less than 2 seconds as 2.
    let parameters = [
        ("connect_timeout", connect_timeout_in_seconds.max(2).to_string()),
        ("tcp_user_timeout", String::from("10000")),
        ("keepalives_idle", String::from("5")),
        ("keepalives_interval", String::from("2")),
        ("keepalives_count", String::from("3")),
        ("fallback_application_name", String::from("claviger")),
    ];
    for (name, value) in parameters {
        let query = url.split_once('?').map(|(_, query)| query);
        let given =
            query.is_some_and(|query| query.split('&').any(|item| item.starts_with(&format!("{name}="))));
        if !given {
            let separator = if query.is_some() { '&' } else { '?' };
            url.push(separator);
            url.push_str(name);
            url.push('=');
            url.push_str(&value);
        }
    }
    url
}

/// Prepares the database on the very first connection: WAL needs a moment alone with a new file, and a server
/// that cannot be used should say so at the start.
pub(crate) fn prepare(connection: &mut AnyConnection) -> Result<(), StorageError> {
    match connection {
        #[cfg(feature = "sqlite")]
        AnyConnection::Sqlite(connection) => {
            let mode: String = one(diesel::dsl::sql::<Text>("PRAGMA journal_mode = WAL"), connection)?;
            if mode == "wal" {
                Ok(())
            } else {
                Err(StorageError::Backend(format!("the file system allows no WAL, only {mode}")))
            }
        }
        #[cfg(feature = "postgres")]
        AnyConnection::Postgres(connection) => {
            let version: i64 = one(
                diesel::dsl::sql::<BigInt>("SELECT current_setting('server_version_num')::bigint"),
                connection,
            )?;
            let encoding: String =
                one(diesel::dsl::sql::<Text>("SELECT current_setting('server_encoding')"), connection)?;
            if version < OLDEST_POSTGRES {
                return Err(StorageError::Backend(format!("PostgreSQL {version} is older than 13")));
            }
            if encoding != "UTF8" {
                return Err(StorageError::Backend(format!(
                    "the database's encoding is {encoding}, not UTF8"
                )));
            }
            Ok(())
        }
    }
}

fn one<'query, Q, C, T>(query: Q, connection: &mut C) -> Result<T, StorageError>
where
    Q: diesel::query_dsl::RunQueryDsl<C> + diesel::query_dsl::methods::LoadQuery<'query, C, T>,
{
    query.get_result(connection).map_err(|error| translate(error).into_error())
}

/// Starts a transaction that reads one snapshot.
pub(crate) fn begin_read(connection: &mut AnyConnection) -> QueryResult<()> {
    match connection {
        #[cfg(feature = "sqlite")]
        AnyConnection::Sqlite(connection) => {
            AnsiTransactionManager::begin_transaction_sql(connection, "BEGIN DEFERRED")
        }
        #[cfg(feature = "postgres")]
        AnyConnection::Postgres(connection) => AnsiTransactionManager::begin_transaction_sql(
            connection,
            "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
        ),
    }
}

/// Starts a transaction that writes. On SQLite it takes the write lock at once: a transaction that only later
/// finds out that it writes fails when another one wrote in between, however long it may wait.
pub(crate) fn begin_write(connection: &mut AnyConnection) -> QueryResult<()> {
    match connection {
        #[cfg(feature = "sqlite")]
        AnyConnection::Sqlite(connection) => {
            AnsiTransactionManager::begin_transaction_sql(connection, "BEGIN IMMEDIATE")
        }
        #[cfg(feature = "postgres")]
        AnyConnection::Postgres(connection) => AnsiTransactionManager::begin_transaction_sql(
            connection,
            "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE",
        ),
    }
}

/// Lets transactions of this connection stand still for as long as they like: what is done in between takes its time.
pub(crate) fn allow_long_transactions(connection: &mut AnyConnection) -> QueryResult<()> {
    match connection {
        #[cfg(feature = "sqlite")]
        AnyConnection::Sqlite(_) => Ok(()),
        #[cfg(feature = "postgres")]
        AnyConnection::Postgres(connection) => {
            connection.batch_execute("SET idle_in_transaction_session_timeout = 0")
        }
    }
}

/// A failed statement.
#[derive(Debug)]
pub(crate) enum Failure {
    /// A foreign key stands against it. What that means depends on the statement.
    ForeignKey,
    /// What it means in itself.
    Error(StorageError),
}

impl Failure {
    /// The error where no foreign key is expected.
    pub(crate) fn into_error(self) -> StorageError {
        match self {
            Self::ForeignKey => StorageError::Backend(String::from("a foreign key is violated")),
            Self::Error(error) => error,
        }
    }
}

/// Gives a failed statement its meaning. No message that is passed on holds a value: both databases put those
/// into the details, which are dropped.
pub(crate) fn translate(error: Error) -> Failure {
    let error = match error {
        Error::DatabaseError(kind, information) => match kind {
            DatabaseErrorKind::ForeignKeyViolation | DatabaseErrorKind::RestrictViolation => {
                return Failure::ForeignKey;
            }
            DatabaseErrorKind::UniqueViolation => conflict(information.as_ref()),
            DatabaseErrorKind::SerializationFailure => StorageError::Busy,
            DatabaseErrorKind::ClosedConnection | DatabaseErrorKind::UnableToSendCommand => {
                tracing::warn!(error = information.message(), "lost a connection to the database");
                StorageError::Unavailable
            }
            _ if is_busy(information.message()) => StorageError::Busy,
            _ => StorageError::Backend(information.message().to_owned()),
        },
        Error::BrokenTransactionManager | Error::RollbackErrorOnCommit { .. } => StorageError::Unavailable,
        other => StorageError::Backend(other.to_string()),
    };
    Failure::Error(error)
}

/// diesel has no kind for these. The last is PostgreSQL's message for SQLSTATE 40P01 in English; from a
/// server that speaks another language a deadlock is reported instead of tried again.
fn is_busy(message: &str) -> bool {
    message.starts_with("database is locked")
        || message.starts_with("database table is locked")
        || message == "deadlock detected"
}

/// The unique columns: constraint on PostgreSQL, column on SQLite, meaning.
const UNIQUE: [(&str, &str, Entity, Field); 26] = [
    ("api_key_primary_key", "api_key.id", Entity::ApiKey, Field::Id),
    ("api_key_name_unique", "api_key.name", Entity::ApiKey, Field::Name),
    ("api_key_digest_unique", "api_key.digest", Entity::ApiKey, Field::Digest),
    ("api_key_previous_digest_primary_key", "api_key_previous_digest.digest", Entity::ApiKey, Field::Digest),
    ("api_key_fusion_id_unique", "api_key.fusion_id", Entity::ApiKey, Field::FusionId),
    (
        "api_key_usage_primary_key",
        "api_key_usage.api_key_id, api_key_usage.earlier_value",
        Entity::ApiKey,
        Field::Id,
    ),
    ("data_key_primary_key", "data_key.version", Entity::DataKey, Field::Id),
    ("entity_primary_key", "entity.id", Entity::Entity, Field::Id),
    ("entity_client_id_unique", "entity.client_id", Entity::Entity, Field::ClientId),
    ("entity_id_tenant_id_unique", "entity.id, entity.tenant_id", Entity::Entity, Field::Id),
    ("entity_grant_primary_key", "entity_grant.id", Entity::EntityGrant, Field::Id),
    (
        "entity_grant_recipient_unique",
        "entity_grant.entity_id, entity_grant.recipient_entity_id",
        Entity::EntityGrant,
        Field::Id,
    ),
    ("entity_type_primary_key", "entity_type.id", Entity::EntityType, Field::Id),
    ("entity_type_name_unique", "entity_type.name", Entity::EntityType, Field::Name),
    (
        "entity_type_permission_primary_key",
        "entity_type_permission.id",
        Entity::EntityTypePermission,
        Field::Id,
    ),
    (
        "entity_type_permission_name_unique",
        "entity_type_permission.entity_type_id, entity_type_permission.name",
        Entity::EntityTypePermission,
        Field::Name,
    ),
    ("instance_primary_key", "instance.singleton", Entity::Instance, Field::Id),
    (
        "ip_access_control_list_primary_key",
        "ip_access_control_list.id",
        Entity::IpAccessControlList,
        Field::Id,
    ),
    (
        "ip_access_control_list_name_unique",
        "ip_access_control_list.name",
        Entity::IpAccessControlList,
        Field::Name,
    ),
    ("key_primary_key", "key.id", Entity::Key, Field::Id),
    ("key_name_unique", "key.name", Entity::Key, Field::Name),
    ("key_kid_unique", "key.kid", Entity::Key, Field::Kid),
    ("role_primary_key", "role.id", Entity::Role, Field::Id),
    ("role_name_unique", "role.name", Entity::Role, Field::Name),
    ("tenant_primary_key", "tenant.id", Entity::Tenant, Field::Id),
    ("tenant_name_unique", "tenant.name", Entity::Tenant, Field::Name),
];

/// PostgreSQL names the constraint; SQLite has only its message, `UNIQUE constraint failed: table.column`.
fn conflict(information: &(dyn DatabaseErrorInformation + Send + Sync)) -> StorageError {
    let message = information.message();
    let column = message.strip_prefix("UNIQUE constraint failed: ");
    UNIQUE
        .iter()
        .find(|(constraint, name, ..)| {
            information.constraint_name() == Some(constraint) || column == Some(name)
        })
        .map_or_else(
            || StorageError::Backend(message.to_owned()),
            |(_, _, entity, field)| StorageError::Conflict { entity: *entity, field: *field },
        )
}

/// Calls `$each` with every row of a query as it comes, without holding the whole result in memory. A row
/// that cannot be read is passed as an error and does not end the loop.
macro_rules! stream {
    ($connection:expr, $query:expr, $row:ty, $each:expr) => {
        match $connection {
            #[cfg(feature = "sqlite")]
            $crate::conn::AnyConnection::Sqlite(connection) => $query
                .load_iter::<$row, diesel::connection::DefaultLoadingMode>(connection)
                .and_then(|rows| $crate::dialect::drive(rows, $each)),
            #[cfg(feature = "postgres")]
            $crate::conn::AnyConnection::Postgres(connection) => $query
                .load_iter::<$row, diesel::pg::PgRowByRowLoadingMode>(connection)
                .and_then(|rows| $crate::dialect::drive(rows, $each)),
        }
    };
}
pub(crate) use stream;

/// Loads the first rows of a query whose text is always the same. A connection of either database finds the prepared statement by
/// the query's type; on [`AnyConnection`] the text would be written first, each time, which takes as long as a look-up. A `LIMIT`
/// would not do: SQLite prepares a statement again whenever a value is bound to it there.
macro_rules! load_prepared {
    ($connection:expr, $query:expr, $row:ty, $most:expr) => {
        match $connection {
            #[cfg(feature = "sqlite")]
            $crate::conn::AnyConnection::Sqlite(connection) => $query
                .load_iter::<$row, diesel::connection::DefaultLoadingMode>(connection)
                .and_then(|rows| rows.take($most).collect()),
            #[cfg(feature = "postgres")]
            $crate::conn::AnyConnection::Postgres(connection) => $query
                .load_iter::<$row, diesel::connection::DefaultLoadingMode>(connection)
                .and_then(|rows| rows.take($most).collect()),
        }
    };
}
pub(crate) use load_prepared;

/// The loop of [`stream!`].
pub(crate) fn drive<R>(
    rows: impl Iterator<Item = QueryResult<R>>,
    mut each: impl FnMut(Result<R, String>),
) -> QueryResult<()> {
    for row in rows {
        match row {
            Ok(row) => each(Ok(row)),
            Err(Error::DeserializationError(error)) => each(Err(error.to_string())),
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Those of the API keys that exist, which nobody else changes or deletes until the transaction ends. On SQLite nobody else
/// writes meanwhile.
pub(crate) fn hold_api_keys(connection: &mut AnyConnection, ids: &[String]) -> QueryResult<Vec<String>> {
    let query = api_key::table.filter(api_key::id.eq_any(ids)).order(api_key::id).select(api_key::id);
    match connection {
        #[cfg(feature = "sqlite")]
        AnyConnection::Sqlite(connection) => query.load(connection),
        #[cfg(feature = "postgres")]
        AnyConnection::Postgres(connection) => query.for_update().load(connection),
    }
}

/// Says whether a connection reads everything once from now on. Its cache would take memory then that nobody ever uses.
pub(crate) fn set_scanning(connection: &mut AnyConnection, scanning: bool) -> QueryResult<()> {
    match connection {
        #[cfg(feature = "sqlite")]
        AnyConnection::Sqlite(connection) => {
            let cache = if scanning { SCAN_CACHE } else { READ_CACHE };
            connection.batch_execute(&format!("PRAGMA cache_size = -{cache}; PRAGMA shrink_memory"))
        }
        #[cfg(feature = "postgres")]
        AnyConnection::Postgres(_) => {
            let _ = scanning;
            Ok(())
        }
    }
}

/// Inserts a row of the `change` table, and answers the number of the transaction where transactions have numbers.
pub(crate) fn insert_change(connection: &mut AnyConnection, row: NewRow) -> QueryResult<Option<i64>> {
    match connection {
        #[cfg(feature = "sqlite")]
        AnyConnection::Sqlite(connection) => {
            diesel::insert_into(change::table).values(row).execute(connection).map(|_| None)
        }
        #[cfg(feature = "postgres")]
        AnyConnection::Postgres(connection) => diesel::insert_into(change::table)
            .values(row)
            .returning(change::transaction_id)
            .get_result(connection),
    }
}

/// As [`insert_change`], and answers until when this is an earlier value of an API key, if it is one: on one way to the server,
/// where there is a way.
pub(crate) fn insert_change_and_find_previous(
    connection: &mut AnyConnection,
    row: NewRow,
    digest: &[u8],
) -> QueryResult<(Option<i64>, Option<i64>)> {
    use crate::schema::api_key_previous_digest as previous;

    let found = previous::table.filter(previous::digest.eq(digest)).select(previous::valid_until);
    match connection {
        #[cfg(feature = "sqlite")]
        AnyConnection::Sqlite(connection) => {
            diesel::insert_into(change::table).values(row).execute(connection)?;
            Ok((None, found.first(connection).optional()?))
        }
        #[cfg(feature = "postgres")]
        AnyConnection::Postgres(connection) => diesel::insert_into(change::table)
            .values(row)
            .returning((change::transaction_id, found.single_value()))
            .get_result(connection),
    }
}

/// Inserts rows of the `change` table: on SQLite one after the other with a statement that is prepared, on PostgreSQL all on
/// one way to the server.
pub(crate) fn insert_changes(connection: &mut AnyConnection, rows: Vec<NewRow>) -> QueryResult<()> {
    match connection {
        #[cfg(feature = "sqlite")]
        AnyConnection::Sqlite(connection) => {
            for row in rows {
                diesel::insert_into(change::table).values(row).execute(connection)?;
            }
        }
        #[cfg(feature = "postgres")]
        AnyConnection::Postgres(connection) => {
            diesel::insert_into(change::table).values(rows).execute(connection)?;
        }
    }
    Ok(())
}

/// The migrations for this database.
pub(crate) fn migrations(connection: &AnyConnection) -> EmbeddedMigrations {
    match connection {
        #[cfg(feature = "sqlite")]
        AnyConnection::Sqlite(_) => SQLITE_MIGRATIONS,
        #[cfg(feature = "postgres")]
        AnyConnection::Postgres(_) => POSTGRES_MIGRATIONS,
    }
}

/// Waits until no other process migrates. The lock goes with the connection. On SQLite the lock file has kept
/// other processes out already.
pub(crate) fn lock_migrations(connection: &mut AnyConnection) -> Result<(), StorageError> {
    match connection {
        #[cfg(feature = "sqlite")]
        AnyConnection::Sqlite(_) => Ok(()),
        #[cfg(feature = "postgres")]
        AnyConnection::Postgres(connection) => {
            let key = advisory_key(connection, "migrate")?;
            connection
                .batch_execute(&format!("SELECT pg_advisory_lock({key})"))
                .map_err(|error| translate(error).into_error())
        }
    }
}

/// How a database is had.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ServeLock {
    /// By all who serve it.
    Shared,
    /// By one alone.
    Exclusive,
}

/// Tries to have the database in this way, for as long as the connection lasts. `false` when others have it in the other way.
pub(crate) fn try_serve_lock(
    connection: &mut AnyConnection,
    wanted: ServeLock,
) -> Result<bool, StorageError> {
    match connection {
        #[cfg(feature = "sqlite")]
        AnyConnection::Sqlite(_) => {
            let _ = wanted;
            Ok(true)
        }
        #[cfg(feature = "postgres")]
        AnyConnection::Postgres(connection) => {
            let key = advisory_key(connection, "serve")?;
            let function = match wanted {
                ServeLock::Shared => "pg_try_advisory_lock_shared",
                ServeLock::Exclusive => "pg_try_advisory_lock",
            };
            one(diesel::dsl::sql::<Bool>(&format!("SELECT {function}({key})")), connection)
        }
    }
}

/// Waits until no other process makes the first rows of an instance. The lock goes with the connection.
pub(crate) fn lock_start(connection: &mut AnyConnection) -> Result<(), StorageError> {
    match connection {
        #[cfg(feature = "sqlite")]
        AnyConnection::Sqlite(_) => Ok(()),
        #[cfg(feature = "postgres")]
        AnyConnection::Postgres(connection) => {
            let key = advisory_key(connection, "start")?;
            connection
                .batch_execute(&format!("SELECT pg_advisory_lock({key})"))
                .map_err(|error| translate(error).into_error())
        }
    }
}

/// Whether there can be several nodes.
pub(crate) const fn has_nodes(connection: &AnyConnection) -> bool {
    match connection {
        #[cfg(feature = "sqlite")]
        AnyConnection::Sqlite(_) => false,
        #[cfg(feature = "postgres")]
        AnyConnection::Postgres(_) => true,
    }
}

/// Asks the database for a sign of life, which on SQLite takes a look at the file.
pub(crate) fn is_alive(connection: &mut AnyConnection) -> Result<(), StorageError> {
    match connection {
        #[cfg(feature = "sqlite")]
        AnyConnection::Sqlite(connection) => {
            one(diesel::dsl::sql::<BigInt>("SELECT count(*) FROM sqlite_schema"), connection).map(|_: i64| ())
        }
        #[cfg(feature = "postgres")]
        AnyConnection::Postgres(connection) => {
            one(diesel::dsl::sql::<BigInt>("SELECT 1::bigint"), connection).map(|_: i64| ())
        }
    }
}

/// Names the notifications of this schema.
pub(crate) fn channel(connection: &mut AnyConnection) -> Result<String, StorageError> {
    match connection {
        #[cfg(feature = "sqlite")]
        AnyConnection::Sqlite(_) => Err(no_nodes()),
        #[cfg(feature = "postgres")]
        AnyConnection::Postgres(connection) => {
            advisory_key(connection, "feed").map(|key| format!("claviger_{:016x}", key.cast_unsigned()))
        }
    }
}

/// Whether anything was told on a channel since the last time. It is a look at what has arrived, and waits for nothing.
pub(crate) fn was_told(connection: &mut AnyConnection) -> Result<bool, StorageError> {
    match connection {
        #[cfg(feature = "sqlite")]
        AnyConnection::Sqlite(_) => Err(no_nodes()),
        #[cfg(feature = "postgres")]
        AnyConnection::Postgres(connection) => {
            let mut told = false;
            for notification in connection.notifications_iter() {
                if let Err(error) = notification {
                    // Whatever it says, the connection is of no use any more.
                    tracing::warn!(%error, "lost the connection that follows the changes");
                    return Err(StorageError::Unavailable);
                }
                told = true;
            }
            Ok(told)
        }
    }
}

#[cfg(feature = "sqlite")]
fn no_nodes() -> StorageError {
    StorageError::Backend(String::from("SQLite knows no nodes"))
}

/// Advisory locks belong to the database, ours to one schema in it: the key is the FNV-1a hash (64 bits) of
/// both names.
#[cfg(feature = "postgres")]
fn advisory_key(connection: &mut PgConnection, purpose: &str) -> Result<i64, StorageError> {
    let schema: Option<String> =
        one(diesel::dsl::sql::<Nullable<Text>>("SELECT current_schema()::text"), connection)?;
    let schema = schema.ok_or_else(|| {
        StorageError::Backend(String::from("no schema of the search path exists in the database"))
    })?;
    let hash =
        format!("claviger {purpose} {schema}").bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
    Ok(hash.cast_signed())
}

#[cfg(all(test, feature = "postgres"))]
mod tests {
    use super::*;

    #[test]
    fn timeouts_of_the_url_win() {
        let added = "&tcp_user_timeout=10000&keepalives_idle=5&keepalives_interval=2&keepalives_count=3&fallback_application_name=claviger";
        assert_eq!(
            postgres_url("postgres://h/c?connect_timeout=9", 5),
            format!("postgres://h/c?connect_timeout=9{added}")
        );
        assert_eq!(postgres_url("postgres://h/c", 0), format!("postgres://h/c?connect_timeout=2{added}"));
    }
}
