//! Which keys have a certificate that has ended or will end soon: for metrics and the log.

use claviger_domain::{Instant, Key};
use diesel::prelude::*;
use diesel::sql_types::BigInt;

use crate::keys::{COLUMNS, Row};
use crate::schema::key;
use crate::{ReadTransaction, StorageError};

/// The keys that end before one of the boundaries, but not before an earlier one.
#[derive(QueryableByName)]
struct Bucket {
    /// The index of the boundary in their sorted list.
    #[diesel(sql_type = BigInt)]
    boundary: i64,
    #[diesel(sql_type = BigInt)]
    keys: i64,
}

impl ReadTransaction<'_> {
    /// How many keys have a certificate that ends before each of these instants, in their order.
    ///
    /// # Errors
    /// Failures of the database.
    pub fn key_expirations(&mut self, boundaries: &[Instant]) -> Result<Vec<u64>, StorageError> {
        let mut sorted = boundaries.to_vec();
        sorted.sort_unstable();
        let Some(last) = sorted.last() else { return Ok(Vec::new()) };
        let cases: String = (0_usize..)
            .zip(&sorted)
            .map(|(index, boundary)| format!(" WHEN expiration_instant < {boundary} THEN {index}"))
            .collect();
        // Only numbers are formatted into it.
        let query = format!(
            "SELECT boundary, count(*) AS keys FROM \
             (SELECT CAST(CASE{cases} END AS BIGINT) AS boundary FROM \"key\" WHERE expiration_instant < {last}) \
             AS ending GROUP BY boundary"
        );
        let buckets: Vec<Bucket> = self.run(|connection| diesel::sql_query(query).load(connection))?;
        let count = |boundary: &Instant| {
            let index = sorted.partition_point(|earlier| earlier <= boundary);
            let within = |bucket: &&Bucket| usize::try_from(bucket.boundary).is_ok_and(|of| of < index);
            buckets.iter().filter(within).map(|bucket| bucket.keys.unsigned_abs()).sum()
        };
        Ok(boundaries.iter().map(count).collect())
    }

    /// The keys whose certificate ends before an instant, those that end first at the start: at most `limit` of them.
    ///
    /// # Errors
    /// [`StorageError::Corrupt`] when a row makes no sense; [`StorageError::Unavailable`] and the like.
    pub fn keys_expiring_before(&mut self, instant: Instant, limit: usize) -> Result<Vec<Key>, StorageError> {
        let query = key::table
            .filter(key::expiration_instant.lt(instant.epoch_millis()))
            .order((key::expiration_instant, key::id))
            .limit(i64::try_from(limit).unwrap_or(i64::MAX))
            .select(COLUMNS);
        let rows: Vec<Row> = self.run(|connection| query.load(connection))?;
        rows.into_iter().map(Key::try_from).collect()
    }
}
