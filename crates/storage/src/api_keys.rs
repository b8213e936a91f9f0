//! API keys: rows, conversions, queries.

use std::collections::BTreeMap;

use claviger_domain::{
    ApiKey, ApiKeyDigest, ApiKeyId, Change, Instant, Name, Permissions, Revision, Sealed, TenantId,
    TenantScope,
};
use diesel::prelude::*;
use serde_json::{Value, json};

use crate::changes::Record;
use crate::schema::api_key;
use crate::transaction::corrupt;
use crate::{Entity, ReadTransaction, StorageError, WriteTransaction, dialect};

/// An API key as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredApiKey {
    /// What is known about it.
    pub api_key: ApiKey,
    /// Under which it is found. It never changes.
    pub digest: ApiKeyDigest,
    /// The sealed value of a retrievable key.
    pub sealed_value: Option<Sealed>,
}

#[derive(Queryable, Insertable)]
#[diesel(table_name = api_key)]
struct Row {
    id: String,
    revision: i64,
    digest: Vec<u8>,
    name: Option<String>,
    permissions: Option<String>,
    key_manager: bool,
    tenant_id: Option<String>,
    retrievable: bool,
    expiration_instant: Option<i64>,
    attributes: String,
    insert_instant: i64,
    last_update_instant: i64,
}

/// The columns of [`Row`], in its order: all but the sealed value.
type Columns = (
    api_key::id,
    api_key::revision,
    api_key::digest,
    api_key::name,
    api_key::permissions,
    api_key::key_manager,
    api_key::tenant_id,
    api_key::retrievable,
    api_key::expiration_instant,
    api_key::attributes,
    api_key::insert_instant,
    api_key::last_update_instant,
);

const COLUMNS: Columns = (
    api_key::id,
    api_key::revision,
    api_key::digest,
    api_key::name,
    api_key::permissions,
    api_key::key_manager,
    api_key::tenant_id,
    api_key::retrievable,
    api_key::expiration_instant,
    api_key::attributes,
    api_key::insert_instant,
    api_key::last_update_instant,
);

impl ReadTransaction<'_> {
    /// The API key with this id, if it exists inside the scope.
    ///
    /// # Errors
    /// [`StorageError::Corrupt`] when its row makes no sense; [`StorageError::Unavailable`] and the like.
    pub fn find_api_key(
        &mut self,
        id: ApiKeyId,
        scope: TenantScope,
    ) -> Result<Option<StoredApiKey>, StorageError> {
        let query =
            api_key::table.filter(api_key::id.eq(id.to_string())).select((COLUMNS, api_key::sealed_value));
        let found: Option<(Row, Option<Vec<u8>>)> = self.run(|connection| match scope.tenant() {
            None => query.first(connection).optional(),
            Some(tenant) => {
                query.filter(api_key::tenant_id.eq(tenant.to_string())).first(connection).optional()
            }
        })?;
        let Some((row, sealed_value)) = found else { return Ok(None) };
        let (digest, api_key) = from_row(row)?;
        Ok(Some(StoredApiKey { api_key, digest, sealed_value: sealed_value.map(Sealed::from) }))
    }

    /// The number of all API keys.
    ///
    /// # Errors
    /// Failures of the database.
    pub fn count_api_keys(&mut self) -> Result<u64, StorageError> {
        let count: i64 = self.run(|connection| api_key::table.count().get_result(connection))?;
        Ok(count.unsigned_abs())
    }

    /// The number of API keys that are bound to a tenant.
    ///
    /// # Errors
    /// Failures of the database.
    pub fn count_api_keys_of_tenant(&mut self, id: TenantId) -> Result<u64, StorageError> {
        let own = api_key::tenant_id.eq(id.to_string());
        let count: i64 = self.run(|connection| api_key::table.filter(own).count().get_result(connection))?;
        Ok(count.unsigned_abs())
    }

    /// Calls `each` with every API key, in no order, without its sealed value. Rows are passed on as they
    /// come, so that a million of them need no memory here. A row that makes no sense is passed as
    /// [`StorageError::Corrupt`] and does not keep the others back.
    ///
    /// # Errors
    /// Failures of the database; what was passed until then is not all.
    pub fn for_each_api_key(
        &mut self,
        each: &mut dyn FnMut(Result<(ApiKeyDigest, ApiKey), StorageError>),
    ) -> Result<(), StorageError> {
        let each = |row: Result<Row, String>| {
            each(match row {
                Ok(row) => from_row(row),
                Err(reason) => Err(corrupt(Entity::ApiKey, "unknown", reason)),
            });
        };
        self.run(|connection| dialect::stream!(connection, api_key::table.select(COLUMNS), Row, each))
    }
}

impl WriteTransaction<'_> {
    /// Stores a new API key, at the revision that it carries.
    ///
    /// # Errors
    /// [`StorageError::Conflict`] in id, name or digest, [`StorageError::MissingReference`] to its tenant,
    /// and failures of the database.
    pub fn insert_api_key(&mut self, stored: &StoredApiKey) -> Result<(), StorageError> {
        let row = to_row(&stored.api_key, &stored.digest);
        let sealed_value = api_key::sealed_value.eq(stored.sealed_value.as_ref().map(Sealed::as_bytes));
        self.run_referring(StorageError::MissingReference(Entity::Tenant), |connection| {
            diesel::insert_into(api_key::table).values((row, sealed_value)).execute(connection)
        })?;
        self.record_api_key(&stored.api_key, None, Some(api_key_json(&stored.api_key)))?;
        self.announce(Change::ApiKeyWritten { digest: stored.digest, api_key: stored.api_key.clone() });
        Ok(())
    }

    /// Replaces an API key by its new state, which carries the revision at which the old one was read, and
    /// returns it at the next revision. Value, digest, retrievability and the instant of insertion stay.
    ///
    /// # Errors
    /// [`StorageError::Stale`] when the stored revision is another or the key is gone; otherwise as
    /// [`Self::insert_api_key`].
    pub fn update_api_key(&mut self, api_key: &ApiKey) -> Result<ApiKey, StorageError> {
        let before = self
            .find_api_key(api_key.id, TenantScope::All)?
            .filter(|before| before.api_key.revision == api_key.revision)
            .ok_or(StorageError::Stale)?;
        let after = ApiKey {
            revision: api_key.revision.next(),
            retrievable: before.api_key.retrievable,
            insert_instant: before.api_key.insert_instant,
            ..api_key.clone()
        };
        let row = to_row(&after, &before.digest);
        let same =
            api_key::id.eq(api_key.id.to_string()).and(api_key::revision.eq(api_key.revision.number()));
        let updated = self.run_referring(StorageError::MissingReference(Entity::Tenant), |connection| {
            diesel::update(api_key::table.filter(same))
                .set((
                    api_key::revision.eq(row.revision),
                    api_key::name.eq(row.name),
                    api_key::permissions.eq(row.permissions),
                    api_key::key_manager.eq(row.key_manager),
                    api_key::tenant_id.eq(row.tenant_id),
                    api_key::expiration_instant.eq(row.expiration_instant),
                    api_key::attributes.eq(row.attributes),
                    api_key::last_update_instant.eq(row.last_update_instant),
                ))
                .execute(connection)
        })?;
        if updated == 0 {
            return Err(StorageError::Stale);
        }
        self.record_api_key(&after, Some(api_key_json(&before.api_key)), Some(api_key_json(&after)))?;
        self.announce(Change::ApiKeyWritten { digest: before.digest, api_key: after.clone() });
        Ok(after)
    }

    /// Deletes an API key; `false` when there was none inside the scope. A row that makes no sense can be
    /// deleted too.
    ///
    /// # Errors
    /// Failures of the database.
    pub fn delete_api_key(&mut self, id: ApiKeyId, scope: TenantScope) -> Result<bool, StorageError> {
        let own = api_key::id.eq(id.to_string());
        let row: Option<Row> = self.run(|connection| match scope.tenant() {
            None => diesel::delete(api_key::table.filter(own))
                .returning(COLUMNS)
                .get_result(connection)
                .optional(),
            Some(tenant) => {
                diesel::delete(api_key::table.filter(own.and(api_key::tenant_id.eq(tenant.to_string()))))
                    .returning(COLUMNS)
                    .get_result(connection)
                    .optional()
            }
        })?;
        match row {
            Some(row) => self.deleted_api_key(id, row).map(|()| true),
            None => Ok(false),
        }
    }

    /// Deletes at most `limit` of the API keys that are bound to a tenant, and returns how many.
    ///
    /// # Errors
    /// [`StorageError::Corrupt`] when the id of a row makes no sense, and failures of the database.
    pub fn delete_api_keys_of_tenant(&mut self, id: TenantId, limit: usize) -> Result<usize, StorageError> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let ids: Vec<String> = self.run(|connection| {
            api_key::table
                .filter(api_key::tenant_id.eq(id.to_string()))
                .order(api_key::id)
                .limit(limit)
                .select(api_key::id)
                .load(connection)
        })?;
        let mut deleted = 0;
        for text in ids {
            let key_id = text.parse().map_err(|_| corrupt(Entity::ApiKey, &text, "id"))?;
            if self.delete_api_key(key_id, TenantScope::One(id))? {
                deleted += 1;
            }
        }
        Ok(deleted)
    }

    /// Records and announces a deletion. The digest is needed to forget the key, so it must be one.
    fn deleted_api_key(&mut self, id: ApiKeyId, row: Row) -> Result<(), StorageError> {
        let digest = digest_of(&row)?;
        let tenant_id = row.tenant_id.as_deref().and_then(|id| id.parse().ok());
        let before = from_row(row).map_or_else(
            |error| json!({ "corrupt": error.to_string() }),
            |(_, api_key)| api_key_json(&api_key),
        );
        self.record(Record {
            entity: Entity::ApiKey,
            entity_id: id.to_string(),
            tenant_id,
            before: Some(before),
            after: None,
        })?;
        self.announce(Change::ApiKeyDeleted { digest, id });
        Ok(())
    }

    fn record_api_key(
        &mut self,
        api_key: &ApiKey,
        before: Option<Value>,
        after: Option<Value>,
    ) -> Result<(), StorageError> {
        self.record(Record {
            entity: Entity::ApiKey,
            entity_id: api_key.id.to_string(),
            tenant_id: api_key.tenant_id,
            before,
            after,
        })
    }
}

fn api_key_json(api_key: &ApiKey) -> Value {
    json!({
        "id": api_key.id.to_string(),
        "revision": api_key.revision.number(),
        "name": api_key.name.as_ref().map(Name::as_str),
        "attributes": api_key.attributes,
        "permissions": permissions_text(&api_key.permissions),
        "keyManager": api_key.key_manager,
        "tenantId": api_key.tenant_id.map(|id| id.to_string()),
        "retrievable": api_key.retrievable,
        "expirationInstant": api_key.expiration_instant.map(Instant::epoch_millis),
        "insertInstant": api_key.insert_instant.epoch_millis(),
        "lastUpdateInstant": api_key.last_update_instant.epoch_millis(),
    })
}

/// `None` stands for all endpoints, the empty text for none.
fn permissions_text(permissions: &Permissions) -> Option<String> {
    match permissions {
        Permissions::All => None,
        Permissions::Only(list) => Some(list.to_string()),
        // Roles have no column yet: nothing.
        Permissions::Roles(_) => Some(String::new()),
    }
}

fn to_row(api_key: &ApiKey, digest: &ApiKeyDigest) -> Row {
    Row {
        id: api_key.id.to_string(),
        revision: api_key.revision.number(),
        digest: digest.as_bytes().to_vec(),
        name: api_key.name.as_ref().map(|name| name.as_str().to_owned()),
        permissions: permissions_text(&api_key.permissions),
        key_manager: api_key.key_manager,
        tenant_id: api_key.tenant_id.map(|id| id.to_string()),
        retrievable: api_key.retrievable,
        expiration_instant: api_key.expiration_instant.map(Instant::epoch_millis),
        attributes: json!(api_key.attributes).to_string(),
        insert_instant: api_key.insert_instant.epoch_millis(),
        last_update_instant: api_key.last_update_instant.epoch_millis(),
    }
}

fn digest_of(row: &Row) -> Result<ApiKeyDigest, StorageError> {
    row.digest
        .as_slice()
        .try_into()
        .map(ApiKeyDigest::from_bytes)
        .map_err(|_| corrupt(Entity::ApiKey, &row.id, "digest"))
}

fn from_row(row: Row) -> Result<(ApiKeyDigest, ApiKey), StorageError> {
    let digest = digest_of(&row)?;
    let id = row.id;
    let bad = |reason: &str| corrupt(Entity::ApiKey, &id, reason);
    let permissions = match row.permissions {
        None => Permissions::All,
        Some(text) => Permissions::Only(text.parse().map_err(|_| bad("permissions"))?),
    };
    let attributes: BTreeMap<String, String> =
        serde_json::from_str(&row.attributes).map_err(|_| bad("attributes"))?;
    let api_key = ApiKey {
        id: id.parse().map_err(|_| bad("id"))?,
        revision: Revision::from_number(row.revision),
        name: row.name.map(Name::try_from).transpose().map_err(|_| bad("name"))?,
        attributes,
        permissions,
        key_manager: row.key_manager,
        tenant_id: row.tenant_id.map(|text| text.parse()).transpose().map_err(|_| bad("tenant id"))?,
        fusion_id: None,
        name_repeats: false,
        ip_access_control_list_id: None,
        disabled: false,
        retrievable: row.retrievable,
        expiration_instant: row.expiration_instant.map(Instant::from_epoch_millis),
        insert_instant: Instant::from_epoch_millis(row.insert_instant),
        last_update_instant: Instant::from_epoch_millis(row.last_update_instant),
    };
    Ok((digest, api_key))
}
