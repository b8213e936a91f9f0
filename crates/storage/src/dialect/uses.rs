//! Adding uses of API keys to what is recorded. What is there can be later than what is added: a clock was set back, or another
//! node was sooner.
//!
//! All of them go in one statement. On PostgreSQL no node keeps rows from the others for longer than the database needs for them, and is not to be
//! waited for in the middle. On SQLite the statement is read and prepared once for all rows; `CROSS JOIN` there means that keys are
//! looked up for rows, and not the other way round.

use diesel::prelude::*;
#[cfg(feature = "sqlite")]
use diesel::result::Error::SerializationError;
use diesel::sql_types::Text;

use crate::conn::AnyConnection;

/// The uses of one value of an API key.
pub(crate) struct UsesRow {
    pub(crate) api_key_id: String,
    pub(crate) earlier_value: bool,
    pub(crate) uses: i64,
    pub(crate) last_used_instant: i64,
    pub(crate) last_address: Option<String>,
}

/// What becomes of a row that is there.
const ON_CONFLICT: &str = "ON CONFLICT (api_key_id, earlier_value) DO UPDATE SET \
    uses = present.uses + excluded.uses, \
    last_address = CASE WHEN present.last_used_instant <= excluded.last_used_instant \
        THEN excluded.last_address ELSE present.last_address END, \
    last_used_instant = CASE WHEN present.last_used_instant <= excluded.last_used_instant \
        THEN excluded.last_used_instant ELSE present.last_used_instant END";

/// Adds these, each of which is named once. Those of keys that there are no more are left out. On PostgreSQL a deletion of one of the keys
/// waits until the transaction ends, and one under way is waited for.
pub(crate) fn add_uses(connection: &mut AnyConnection, rows: &[UsesRow]) -> QueryResult<()> {
    match connection {
        #[cfg(feature = "sqlite")]
        AnyConnection::Sqlite(connection) => {
            let rows: Vec<_> = rows
                .iter()
                .map(|row| {
                    let earlier = i32::from(row.earlier_value);
                    (&row.api_key_id, earlier, row.uses, row.last_used_instant, &row.last_address)
                })
                .collect();
            let rows = serde_json::to_string(&rows).map_err(|error| SerializationError(error.into()))?;
            diesel::sql_query(format!(
                "INSERT INTO api_key_usage AS present \
                   (api_key_id, earlier_value, uses, last_used_instant, last_address) \
                 SELECT api_key.id, json_extract(value, '$[1]'), json_extract(value, '$[2]'), \
                   json_extract(value, '$[3]'), json_extract(value, '$[4]') \
                 FROM json_each(?) CROSS JOIN api_key ON api_key.id = json_extract(value, '$[0]') WHERE true \
                 {ON_CONFLICT}"
            ))
            .bind::<Text, _>(rows)
            .execute(connection)
            .map(drop)
        }
        #[cfg(feature = "postgres")]
        AnyConnection::Postgres(connection) => {
            use diesel::sql_types::{Array, BigInt, Bool, Nullable};

            let column = |name: fn(&UsesRow) -> i64| rows.iter().map(name).collect::<Vec<_>>();
            // Rows are locked and written in one order by all nodes, so that none waits in a circle. The lock on keys is the one that
            // a foreign key takes.
            diesel::sql_query(format!(
                "WITH kept AS MATERIALIZED \
                   (SELECT id FROM api_key WHERE id = ANY($1) ORDER BY id FOR KEY SHARE) \
                 INSERT INTO api_key_usage AS present \
                   (api_key_id, earlier_value, uses, last_used_instant, last_address) \
                 SELECT added.* FROM unnest($1, $2, $3, $4, $5) \
                   AS added (api_key_id, earlier_value, uses, last_used_instant, last_address) \
                 JOIN kept ON kept.id = added.api_key_id ORDER BY added.api_key_id, added.earlier_value \
                 {ON_CONFLICT}"
            ))
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
