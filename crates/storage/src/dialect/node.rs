//! What nodes on PostgreSQL tell each other through the database: who is there, how far each has read, and that there is
//! something to read.
//!
//! A number is drawn from the sequence `feed_barrier` after each commit. A node looks at the sequence before it reads, so that
//! it has read every commit whose number it saw there. In the table `node` each says how far it is.

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Text};

use super::{one, translate};
use crate::StorageError;
use crate::conn::AnyConnection;

/// What a commit was told to the nodes as.
#[derive(Debug, Clone, Copy, QueryableByName)]
pub(crate) struct Announced {
    /// A node that has read this far has read the commit.
    #[diesel(sql_type = BigInt)]
    pub(crate) barrier: i64,
    /// How many nodes there were besides.
    #[diesel(sql_type = BigInt)]
    pub(crate) others: i64,
    /// The longest lease of any of them.
    #[diesel(sql_type = BigInt)]
    pub(crate) lease_milliseconds: i64,
}

/// One text.
#[derive(QueryableByName)]
struct Value {
    #[diesel(sql_type = Text)]
    value: String,
}

/// A node that has not read as far as it should.
#[derive(Debug, QueryableByName)]
pub(crate) struct Laggard {
    /// Its name on the list.
    #[diesel(sql_type = Text)]
    pub(crate) id: String,
    /// How often it has renewed its lease.
    #[diesel(sql_type = BigInt)]
    pub(crate) renewed: i64,
}

/// One number.
#[derive(QueryableByName)]
struct Number {
    #[diesel(sql_type = BigInt)]
    value: i64,
}

fn failed(error: diesel::result::Error) -> StorageError {
    translate(error).into_error()
}

/// Prepares a connection for following the changes: nothing that is written through it needs to survive a crash of the
/// database but for [`join`], and what is told on the channel reaches it.
pub(crate) fn follow(connection: &mut AnyConnection, channel: &str) -> Result<(), StorageError> {
    use diesel::connection::SimpleConnection;
    connection.batch_execute(&format!("SET synchronous_commit = off; LISTEN {channel}")).map_err(failed)
}

/// Which database this is: another one after a fail-over, although the address is the same. `None` if it does not say.
pub(crate) fn identity(connection: &mut AnyConnection) -> Option<String> {
    let query = diesel::sql_query(
        "SELECT (SELECT system_identifier::text FROM pg_control_system()) || '/' || \
         left(pg_walfile_name(pg_current_wal_lsn()), 8) AS value",
    );
    query.get_result::<Value>(connection).ok().map(|row| row.value)
}

/// How far commits have been told by now. What is read afterwards holds all of these. A sequence from which no number was drawn
/// yet has the first one as its last value already.
pub(crate) fn barrier(connection: &mut AnyConnection) -> Result<i64, StorageError> {
    let query = "SELECT CASE WHEN is_called THEN last_value ELSE last_value - 1 END FROM feed_barrier";
    one(diesel::dsl::sql::<BigInt>(query), connection)
}

/// What is visible in the open transaction, or now.
#[derive(QueryableByName)]
pub(crate) struct Snapshot {
    /// As PostgreSQL writes it (manual, "pg_snapshot").
    #[diesel(sql_type = Text)]
    pub(crate) snapshot: String,
    /// The highest number of a transaction that has changed something, of those that are visible.
    #[diesel(sql_type = BigInt)]
    pub(crate) newest: i64,
}

/// What is visible in the open transaction, or now.
pub(crate) fn snapshot(connection: &mut AnyConnection) -> Result<Snapshot, StorageError> {
    diesel::sql_query(
        "SELECT pg_current_snapshot()::text AS snapshot, \
                (SELECT coalesce(max(transaction_id), 0) FROM change) AS newest",
    )
    .get_result(connection)
    .map_err(failed)
}

/// Tells the nodes that something was committed, after the commit: what is told within a transaction makes its commit wait
/// for those of all others. It need not survive a crash of the database: a number that is lost in one was seen by nobody whose
/// confirmation was not lost with it.
pub(crate) fn announce(
    connection: &mut AnyConnection,
    channel: &str,
    own_id: Option<&str>,
) -> Result<Announced, StorageError> {
    diesel::sql_query(
        "SELECT nextval('feed_barrier') AS barrier, nodes.others, nodes.lease_milliseconds, pg_notify($1, '') IS NULL, \
                set_config('synchronous_commit', 'off', true) \
         FROM (SELECT count(*) AS others, coalesce(max(lease_milliseconds), 0) AS lease_milliseconds \
               FROM node WHERE id <> $2) AS nodes",
    )
    .bind::<Text, _>(channel)
    .bind::<Text, _>(own_id.unwrap_or_default())
    .get_result(connection)
    .map_err(failed)
}

/// The other nodes that have not read as far as this.
pub(crate) fn laggards(
    connection: &mut AnyConnection,
    barrier: i64,
    own_id: Option<&str>,
) -> Result<Vec<Laggard>, StorageError> {
    diesel::sql_query("SELECT id, renewed FROM node WHERE applied < $1 AND id <> $2")
        .bind::<BigInt, _>(barrier)
        .bind::<Text, _>(own_id.unwrap_or_default())
        .load(connection)
        .map_err(failed)
}

/// Takes a node off the list whose lease must have run out, unless it has renewed it in the meantime. If it lives after all it
/// joins again before it decides anything. It need not survive a crash of the database: then it is on the list once more, and
/// is waited for once more.
pub(crate) fn expel(connection: &mut AnyConnection, laggard: &Laggard) -> Result<bool, StorageError> {
    diesel::sql_query(
        "DELETE FROM node WHERE id = $1 AND renewed = $2 \
         AND set_config('synchronous_commit', 'off', true) IS NOT NULL",
    )
    .bind::<Text, _>(&laggard.id)
    .bind::<BigInt, _>(laggard.renewed)
    .execute(connection)
    .map(|rows| rows > 0)
    .map_err(failed)
}

/// Puts this node on the list, for good: it must be there after a crash of the database too, while its lease runs.
pub(crate) fn join(
    connection: &mut AnyConnection,
    id: &str,
    applied: i64,
    lease_milliseconds: i64,
) -> Result<(), StorageError> {
    use diesel::connection::SimpleConnection;
    connection.batch_execute("SET synchronous_commit = on").map_err(failed)?;
    diesel::sql_query(
        "INSERT INTO node (id, applied, lease_milliseconds, renewed) VALUES ($1, $2, $3, 0) \
         ON CONFLICT (id) DO UPDATE SET applied = excluded.applied, renewed = node.renewed + 1",
    )
    .bind::<Text, _>(id)
    .bind::<BigInt, _>(applied)
    .bind::<BigInt, _>(lease_milliseconds)
    .execute(connection)
    .map_err(failed)?;
    connection.batch_execute("SET synchronous_commit = off").map_err(failed)
}

/// Says how far this node has read, and answers how many nodes there are with it; `None` if it is not on the list.
pub(crate) fn confirm(
    connection: &mut AnyConnection,
    id: &str,
    applied: i64,
) -> Result<Option<i64>, StorageError> {
    diesel::sql_query(
        "UPDATE node SET applied = $2, renewed = renewed + 1 WHERE id = $1 RETURNING (SELECT count(*) FROM node) AS value",
    )
    .bind::<Text, _>(id)
    .bind::<BigInt, _>(applied)
    .get_result::<Number>(connection)
    .optional()
    .map(|row| row.map(|row| row.value))
    .map_err(failed)
}

/// Takes this node off the list.
pub(crate) fn leave(connection: &mut AnyConnection, id: &str) -> Result<(), StorageError> {
    diesel::sql_query("DELETE FROM node WHERE id = $1")
        .bind::<Text, _>(id)
        .execute(connection)
        .map(drop)
        .map_err(failed)
}

/// A name for a node that no other one has.
pub(crate) fn new_id(connection: &mut AnyConnection) -> Result<String, StorageError> {
    one(diesel::dsl::sql::<Text>("SELECT gen_random_uuid()::text"), connection)
}

/// Takes the marks off changes that another database made, from which this one was restored: its transactions have other
/// numbers, some of which are yet to come here.
pub(crate) fn forget_foreign_transactions(connection: &mut AnyConnection) -> Result<usize, StorageError> {
    diesel::sql_query(
        "UPDATE change SET transaction_id = NULL \
         WHERE transaction_id >= pg_snapshot_xmax(pg_current_snapshot())::text::bigint",
    )
    .execute(connection)
    .map_err(failed)
}
