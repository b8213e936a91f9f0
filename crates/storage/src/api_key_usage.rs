//! Uses of API keys: added up behind the answers. They change nothing about a key, so neither its revision moves nor is
//! there a row in the audit log.

use std::net::IpAddr;

use claviger_domain::{ApiKeyId, ApiKeyUsage, Instant, UsedValue, Uses};
use diesel::prelude::*;

use crate::dialect::uses::{UsesRow, add_uses};
use crate::schema::api_key_usage;
use crate::transaction::corrupt;
use crate::{Entity, ReadTransaction, StorageError, WriteTransaction};

/// Whether of an earlier value, how many uses, the last one and its address.
type Row = (bool, i64, i64, Option<String>);

impl ReadTransaction<'_> {
    /// What was recorded of the uses of an API key.
    ///
    /// # Errors
    /// [`StorageError::Corrupt`] when a row makes no sense, and failures of the database.
    pub fn api_key_usage(&mut self, id: ApiKeyId) -> Result<ApiKeyUsage, StorageError> {
        let text = id.to_string();
        let query = api_key_usage::table.filter(api_key_usage::api_key_id.eq(&text)).select((
            api_key_usage::earlier_value,
            api_key_usage::uses,
            api_key_usage::last_used_instant,
            api_key_usage::last_address,
        ));
        let rows: Vec<Row> = self.run(|connection| query.load(connection))?;
        let mut usage = ApiKeyUsage::default();
        for (earlier, count, instant, address) in rows {
            let count = u64::try_from(count).map_err(|_| corrupt(Entity::ApiKey, &text, "uses"))?;
            let last_address = match address.map(|address| address.parse::<IpAddr>()) {
                None => None,
                Some(Ok(address)) => Some(address),
                Some(Err(error)) => return Err(corrupt(Entity::ApiKey, &text, error)),
            };
            let uses = Uses { count, last_instant: Instant::from_epoch_millis(instant), last_address };
            *(if earlier { &mut usage.earlier } else { &mut usage.present }) = Some(uses);
        }
        Ok(usage)
    }
}

impl WriteTransaction<'_> {
    /// Adds uses to what is recorded; those of keys that there are no more are forgotten. Sorted and without duplicates:
    /// two writes that add in the same order never wait for each other in a circle.
    ///
    /// # Errors
    /// [`StorageError::Stale`] when another write was in the way, and failures of the database.
    pub fn add_api_key_uses(&mut self, uses: &[(UsedValue, Uses)]) -> Result<(), StorageError> {
        let row = |(value, uses): &(UsedValue, Uses)| UsesRow {
            api_key_id: value.api_key_id.to_string(),
            earlier_value: value.earlier,
            uses: i64::try_from(uses.count).unwrap_or(i64::MAX),
            last_used_instant: uses.last_instant.epoch_millis(),
            last_address: uses.last_address.map(|address| address.to_string()),
        };
        let rows: Vec<_> = uses.iter().map(row).collect();
        // Whatever stands against it, another node was in the way: once more.
        self.run_referring(StorageError::Stale, |connection| add_uses(connection, &rows))
    }
}
