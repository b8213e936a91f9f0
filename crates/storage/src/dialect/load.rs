//! The table of API keys in parts, for several readers at once. A part is what each database finds without looking through the
//! others: rows in the order in which SQLite keeps them, and beginnings of ids on PostgreSQL, where they are random.

#[cfg(feature = "sqlite")]
use diesel::dsl::sql;
use diesel::prelude::*;
#[cfg(feature = "sqlite")]
use diesel::sql_types::{BigInt, Nullable};

use crate::api_key_rows::{COLUMNS, Row};
use crate::conn::AnyConnection;
use crate::schema::api_key;

/// For each reader as many parts on SQLite, where rows that were deleted leave some of them almost empty.
#[cfg(feature = "sqlite")]
const PARTS_PER_READER: usize = 8;

/// A part of the table. All parts together are the table, and no two of them share a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Part {
    /// The whole table.
    Whole,
    /// The rows from one number to another, both included.
    #[cfg(feature = "sqlite")]
    Rows(i64, i64),
    /// The ids from one text on, up to another that is not included; without it, to the end.
    #[cfg(feature = "postgres")]
    Ids(String, Option<String>),
}

/// Whether the table has more than so many rows.
pub(crate) fn are_more(connection: &mut AnyConnection, rows: i64) -> QueryResult<bool> {
    let query = api_key::table.select(api_key::id).order(api_key::id).offset(rows).limit(1);
    Ok(query.first::<String>(connection).optional()?.is_some())
}

/// Parts for so many readers; at least one.
pub(crate) fn parts(connection: &mut AnyConnection, readers: usize) -> QueryResult<Vec<Part>> {
    match connection {
        #[cfg(feature = "sqlite")]
        AnyConnection::Sqlite(connection) => {
            let mut bound = |which: &str| {
                let query = format!("SELECT {which}(rowid) FROM api_key");
                sql::<Nullable<BigInt>>(&query).get_result::<Option<i64>>(connection)
            };
            let (Some(first), Some(last)) = (bound("min")?, bound("max")?) else {
                return Ok(vec![Part::Whole]);
            };
            let parts = u64::try_from(readers.saturating_mul(PARTS_PER_READER)).unwrap_or(1).max(1);
            let rows = (last.abs_diff(first) / parts).saturating_add(1);
            let mut list = Vec::new();
            let mut from = first;
            loop {
                let to = from.saturating_add_unsigned(rows - 1).min(last);
                list.push(Part::Rows(from, to));
                if to == last {
                    return Ok(list);
                }
                from = to.saturating_add(1);
            }
        }
        #[cfg(feature = "postgres")]
        AnyConnection::Postgres(_) => {
            // Ids begin with two hexadecimal digits. Whatever order the database has for texts: what is before a bound in it is
            // in one part, and what is not in the next.
            let readers = readers.clamp(1, 256);
            let bounds: Vec<_> = (1..readers).map(|part| format!("{:02x}", part * 256 / readers)).collect();
            let from = std::iter::once(String::new()).chain(bounds.iter().cloned());
            let to = bounds.iter().cloned().map(Some).chain([None]);
            Ok(from.zip(to).map(|(from, to)| Part::Ids(from, to)).collect())
        }
    }
}

/// Calls `each` with every row of a part as it comes; as [`stream!`](super::stream).
pub(crate) fn stream_api_keys(
    connection: &mut AnyConnection,
    part: &Part,
    each: impl FnMut(Result<Row, String>),
) -> QueryResult<()> {
    let table = api_key::table.select(COLUMNS);
    match part {
        Part::Whole => super::stream!(connection, table, Row, each),
        #[cfg(feature = "sqlite")]
        Part::Rows(from, to) => {
            let rows = sql::<BigInt>("api_key.rowid").between(from, to);
            super::stream!(connection, table.filter(rows), Row, each)
        }
        #[cfg(feature = "postgres")]
        Part::Ids(from, None) => {
            super::stream!(connection, table.filter(api_key::id.ge(from)), Row, each)
        }
        #[cfg(feature = "postgres")]
        Part::Ids(from, Some(to)) => {
            let ids = api_key::id.ge(from).and(api_key::id.lt(to));
            super::stream!(connection, table.filter(ids), Row, each)
        }
    }
}
