//! The one row about the instance as a whole, and the versions of the key that seals secrets.

use claviger_domain::{Instant, Sealed, TenantId};
use diesel::prelude::*;
use serde_json::json;

use crate::changes::Record;
use crate::schema::{data_key, instance};
use crate::transaction::corrupt;
use crate::{Entity, ReadTransaction, StorageError, WriteTransaction};

/// The only value that the key of the instance's row can have.
const SINGLETON: i64 = 1;

/// What is known about the instance. It is written once, on the first start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Instance {
    /// Names the instance.
    pub id: String,
    /// The tenant that cannot be deleted.
    pub default_tenant_id: TenantId,
    /// The key of the digests of API keys, sealed.
    pub sealed_digest_key: Sealed,
    /// When the instance was made.
    pub insert_instant: Instant,
}

impl ReadTransaction<'_> {
    /// The instance; `None` before the first start.
    ///
    /// # Errors
    /// [`StorageError::Corrupt`] when the row makes no sense; [`StorageError::Unavailable`] and the like.
    pub fn find_instance(&mut self) -> Result<Option<Instance>, StorageError> {
        let row: Option<(i64, String, String, Vec<u8>, i64)> =
            self.run(|connection| instance::table.find(SINGLETON).first(connection).optional())?;
        let Some((_, id, tenant, sealed, inserted)) = row else { return Ok(None) };
        Ok(Some(Instance {
            default_tenant_id: tenant.parse().map_err(|_| corrupt(Entity::Instance, &id, "tenant id"))?,
            id,
            sealed_digest_key: Sealed::from(sealed),
            insert_instant: Instant::from_epoch_millis(inserted),
        }))
    }

    /// All data keys with their versions, in the order of the versions.
    ///
    /// # Errors
    /// As [`Self::find_instance`].
    pub fn data_keys(&mut self) -> Result<Vec<(u32, Sealed)>, StorageError> {
        let rows: Vec<(i64, Vec<u8>)> = self.run(|connection| {
            data_key::table
                .order(data_key::version)
                .select((data_key::version, data_key::sealed))
                .load(connection)
        })?;
        rows.into_iter()
            .map(|(version, sealed)| {
                let version = u32::try_from(version)
                    .map_err(|_| corrupt(Entity::DataKey, &version.to_string(), "version"))?;
                Ok((version, Sealed::from(sealed)))
            })
            .collect()
    }
}

impl WriteTransaction<'_> {
    /// Stores the instance. Of several nodes that start for the first time together, one succeeds.
    ///
    /// # Errors
    /// [`StorageError::Conflict`] when there is one already, [`StorageError::MissingReference`] to the
    /// default tenant, and failures of the database.
    pub fn insert_instance(&mut self, instance: &Instance) -> Result<(), StorageError> {
        self.run_referring(StorageError::MissingReference(Entity::Tenant), |connection| {
            diesel::insert_into(instance::table)
                .values((
                    instance::singleton.eq(SINGLETON),
                    instance::id.eq(&instance.id),
                    instance::default_tenant_id.eq(instance.default_tenant_id.to_string()),
                    instance::sealed_digest_key.eq(instance.sealed_digest_key.as_bytes()),
                    instance::insert_instant.eq(instance.insert_instant.epoch_millis()),
                ))
                .execute(connection)
        })?;
        self.record(Record {
            entity: Entity::Instance,
            entity_id: instance.id.clone(),
            tenant_id: None,
            before: None,
            after: Some(json!({
                "id": instance.id,
                "defaultTenantId": instance.default_tenant_id.to_string(),
                "insertInstant": instance.insert_instant.epoch_millis(),
            })),
            ended_digests: Vec::new(),
        })
    }

    /// Stores a data key. Versions are never used again.
    ///
    /// # Errors
    /// [`StorageError::Conflict`] when there is one with this version, and failures of the database.
    pub fn insert_data_key(
        &mut self,
        version: u32,
        sealed: &Sealed,
        insert_instant: Instant,
    ) -> Result<(), StorageError> {
        self.run(|connection| {
            diesel::insert_into(data_key::table)
                .values((
                    data_key::version.eq(i64::from(version)),
                    data_key::sealed.eq(sealed.as_bytes()),
                    data_key::insert_instant.eq(insert_instant.epoch_millis()),
                ))
                .execute(connection)
        })?;
        self.record(Record {
            entity: Entity::DataKey,
            entity_id: version.to_string(),
            tenant_id: None,
            before: None,
            after: Some(json!({ "version": version, "insertInstant": insert_instant.epoch_millis() })),
            ended_digests: Vec::new(),
        })
    }
}
