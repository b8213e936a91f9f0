//! Uses of API keys: added up behind the answers. They change nothing about a key, so neither its revision moves nor is
//! there a row in the audit log.

use std::collections::HashSet;
use std::net::IpAddr;

use claviger_domain::{ApiKeyId, ApiKeyUsage, Instant, UsedValue, Uses};
use diesel::dsl::case_when;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Nullable, Text};

use crate::schema::api_key_usage;
use crate::search::ROWS_AT_ONCE;
use crate::transaction::corrupt;
use crate::{Entity, ReadTransaction, StorageError, WriteTransaction, dialect};

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
    /// two writes that add in the same order never wait for each other.
    ///
    /// # Errors
    /// [`StorageError::Stale`] when another write was in the way, and failures of the database.
    pub fn add_api_key_uses(&mut self, uses: &[(UsedValue, Uses)]) -> Result<(), StorageError> {
        let known = self.keep_api_keys(uses)?;
        for (value, uses) in uses {
            let id = value.api_key_id.to_string();
            if known.contains(&id) {
                self.add_uses(&id, value.earlier, uses)?;
            }
        }
        Ok(())
    }

    /// The keys that there are. Deleting them waits from now on, and a deletion under way was waited for.
    fn keep_api_keys(&mut self, uses: &[(UsedValue, Uses)]) -> Result<HashSet<String>, StorageError> {
        let mut known = HashSet::new();
        for chunk in uses.chunks(ROWS_AT_ONCE) {
            let ids: Vec<_> = chunk.iter().map(|(value, _)| value.api_key_id.to_string()).collect();
            known.extend(self.run(|connection| dialect::keep_api_keys(connection, &ids))?);
        }
        Ok(known)
    }

    fn add_uses(&mut self, id: &str, earlier: bool, added: &Uses) -> Result<(), StorageError> {
        let count = i64::try_from(added.count).unwrap_or(i64::MAX);
        let instant = added.last_instant.epoch_millis();
        let address = added.last_address.map(|address| address.to_string());
        // In one statement: between two, another node can make the row. What is there can be later: a clock was set back,
        // or the other node was sooner.
        let is_last = || api_key_usage::last_used_instant.le(instant);
        let updated = self.run(|connection| {
            diesel::update(api_key_usage::table.find((id, earlier)))
                .set((
                    api_key_usage::uses.eq(api_key_usage::uses + count),
                    api_key_usage::last_address.eq(case_when(
                        is_last(),
                        address.clone().into_sql::<Nullable<Text>>(),
                    )
                    .otherwise(api_key_usage::last_address)),
                    api_key_usage::last_used_instant.eq(case_when(is_last(), instant.into_sql::<BigInt>())
                        .otherwise(api_key_usage::last_used_instant)),
                ))
                .execute(connection)
        })?;
        if updated > 0 {
            return Ok(());
        }
        let values = (
            api_key_usage::api_key_id.eq(id),
            api_key_usage::earlier_value.eq(earlier),
            api_key_usage::uses.eq(count),
            api_key_usage::last_used_instant.eq(instant),
            api_key_usage::last_address.eq(address),
        );
        // Whatever stands against it, another node was in the way: once more.
        let inserted = self.run_referring(StorageError::Stale, |connection| {
            diesel::insert_into(api_key_usage::table).values(values).execute(connection)
        });
        match inserted {
            Err(StorageError::Conflict { .. }) => Err(StorageError::Stale),
            inserted => inserted.map(drop),
        }
    }
}
