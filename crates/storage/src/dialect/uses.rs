//! Adding uses of API keys to what is recorded. What is there can be later than what is added: a clock was set back, or another
//! node was sooner.
//!
//! On PostgreSQL all of them go in one statement, so that no node keeps rows from the others for longer than the database
//! needs for them, and is not to be waited for in the middle. On SQLite the statement is prepared once, and the rows go one after the
//! other: there is no way to be saved, and nobody else writes.

#[cfg(feature = "sqlite")]
use std::collections::HashSet;

use diesel::QueryResult;
#[cfg(feature = "sqlite")]
use diesel::dsl::case_when;
#[cfg(feature = "sqlite")]
use diesel::prelude::*;
#[cfg(feature = "sqlite")]
use diesel::upsert::excluded;

use crate::conn::AnyConnection;

/// The uses of one value of an API key.
pub(crate) struct UsesRow {
    pub(crate) api_key_id: String,
    pub(crate) earlier_value: bool,
    pub(crate) uses: i64,
    pub(crate) last_used_instant: i64,
    pub(crate) last_address: Option<String>,
}

/// Adds these, each of which is named once. Those of keys that there are no more are left out. On PostgreSQL a deletion of one of the keys
/// waits until the transaction ends, and one under way is waited for.
pub(crate) fn add_uses(connection: &mut AnyConnection, rows: &[UsesRow]) -> QueryResult<()> {
    match connection {
        #[cfg(feature = "sqlite")]
        AnyConnection::Sqlite(connection) => {
            use crate::schema::{api_key, api_key_usage as usage};

            let ids: Vec<_> = rows.iter().map(|row| row.api_key_id.as_str()).collect();
            let mut known = HashSet::new();
            for ids in ids.chunks(crate::search::ROWS_AT_ONCE) {
                let query = api_key::table.filter(api_key::id.eq_any(ids)).select(api_key::id);
                known.extend(query.load::<String>(connection)?);
            }
            for row in rows.iter().filter(|row| known.contains(&row.api_key_id)) {
                let is_last = || usage::last_used_instant.le(excluded(usage::last_used_instant));
                diesel::insert_into(usage::table)
                    .values((
                        usage::api_key_id.eq(&row.api_key_id),
                        usage::earlier_value.eq(row.earlier_value),
                        usage::uses.eq(row.uses),
                        usage::last_used_instant.eq(row.last_used_instant),
                        usage::last_address.eq(&row.last_address),
                    ))
                    .on_conflict((usage::api_key_id, usage::earlier_value))
                    .do_update()
                    .set((
                        usage::uses.eq(usage::uses + excluded(usage::uses)),
                        usage::last_address.eq(case_when(is_last(), excluded(usage::last_address))
                            .otherwise(usage::last_address)),
                        usage::last_used_instant.eq(case_when(is_last(), excluded(usage::last_used_instant))
                            .otherwise(usage::last_used_instant)),
                    ))
                    .execute(connection)?;
            }
            Ok(())
        }
        #[cfg(feature = "postgres")]
        AnyConnection::Postgres(connection) => {
            use diesel::RunQueryDsl;
            use diesel::sql_types::{Array, BigInt, Bool, Nullable, Text};

            let column = |name: fn(&UsesRow) -> i64| rows.iter().map(name).collect::<Vec<_>>();
            // Rows are locked and written in one order by all nodes, so that none waits in a circle. The lock on keys is the one that
            // a foreign key takes.
            diesel::sql_query(
                "WITH kept AS MATERIALIZED \
                   (SELECT id FROM api_key WHERE id = ANY($1) ORDER BY id FOR KEY SHARE) \
                 INSERT INTO api_key_usage AS present \
                   (api_key_id, earlier_value, uses, last_used_instant, last_address) \
                 SELECT added.* FROM unnest($1, $2, $3, $4, $5) \
                   AS added (api_key_id, earlier_value, uses, last_used_instant, last_address) \
                 JOIN kept ON kept.id = added.api_key_id ORDER BY added.api_key_id, added.earlier_value \
                 ON CONFLICT (api_key_id, earlier_value) DO UPDATE SET \
                   uses = present.uses + excluded.uses, \
                   last_address = CASE WHEN present.last_used_instant <= excluded.last_used_instant \
                     THEN excluded.last_address ELSE present.last_address END, \
                   last_used_instant = greatest(present.last_used_instant, excluded.last_used_instant)",
            )
            .bind::<Array<Text>, _>(rows.iter().map(|row| row.api_key_id.as_str()).collect::<Vec<_>>())
            .bind::<Array<Bool>, _>(rows.iter().map(|row| row.earlier_value).collect::<Vec<_>>())
            .bind::<Array<BigInt>, _>(column(|row| row.uses))
            .bind::<Array<BigInt>, _>(column(|row| row.last_used_instant))
            .bind::<Array<Nullable<Text>>, _>(
                rows.iter().map(|row| row.last_address.as_deref()).collect::<Vec<_>>(),
            )
            .execute(connection)
            .map(drop)
        }
    }
}
