//! API keys: queries.

use std::collections::BTreeSet;

use claviger_domain::{
    ApiKey, ApiKeyDigest, ApiKeyId, Change, FusionId, IpAccessControlListId, Name, Sealed, TenantId,
    TenantScope,
};
use diesel::prelude::*;
use serde_json::{Value, json};

use crate::api_key_rotation::{ApiKeyRotation, PreviousValues};
use crate::api_key_rows::{
    COLUMNS, Row, StoredApiKey, api_key_json, as_stored, digest_of, from_row, roles, to_row,
};
use crate::changes::{Action, Record};
use crate::conn::MultiBackend;
use crate::schema::{api_key, api_key_role, ip_access_control_list, tenant};
use crate::transaction::{ROWS_PER_DELETION, corrupt};
use crate::{Entity, LoadedApiKey, ReadTransaction, StorageError, WriteTransaction, dialect};

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
        self.find_stored(api_key::table.filter(api_key::id.eq(id.to_string())).into_boxed(), scope)
    }

    /// The API key with this id in Fusion's dialect, if it exists inside the scope. Case counts.
    ///
    /// # Errors
    /// As [`Self::find_api_key`].
    pub fn find_api_key_by_fusion_id(
        &mut self,
        fusion_id: &FusionId,
        scope: TenantScope,
    ) -> Result<Option<StoredApiKey>, StorageError> {
        let own = api_key::fusion_id.eq(fusion_id.as_str());
        self.find_stored(api_key::table.filter(own).into_boxed(), scope)
    }

    fn find_stored(
        &mut self,
        query: api_key::BoxedQuery<'_, MultiBackend>,
        scope: TenantScope,
    ) -> Result<Option<StoredApiKey>, StorageError> {
        let query = inside(query, scope).select((COLUMNS, api_key::sealed_value));
        let found: Option<(Row, Option<Vec<u8>>)> =
            self.run(|connection| query.first(connection).optional())?;
        let Some((row, sealed_value)) = found else { return Ok(None) };
        let (digest, api_key) = from_row(row)?;
        Ok(Some(StoredApiKey { api_key, digest, sealed_value: sealed_value.map(Sealed::from) }))
    }

    /// All API keys inside the scope, the oldest first, then by id. All of them are in memory at once.
    ///
    /// # Errors
    /// As [`Self::find_api_key`].
    pub fn list_api_keys(&mut self, scope: TenantScope) -> Result<Vec<ApiKey>, StorageError> {
        let query = inside(api_key::table.into_boxed(), scope)
            .order((api_key::insert_instant, api_key::id))
            .select(COLUMNS);
        let rows: Vec<Row> = self.run(|connection| query.load(connection))?;
        rows.into_iter().map(|row| from_row(row).map(|(_, api_key)| api_key)).collect()
    }

    /// Whether an API key other than `except` has this name, be it one that may repeat. Names that may not are also
    /// watched over by the database, but only among themselves.
    ///
    /// # Errors
    /// Failures of the database.
    pub fn api_key_name_is_taken(
        &mut self,
        name: &Name,
        except: Option<ApiKeyId>,
    ) -> Result<bool, StorageError> {
        // Nobody has the empty id.
        let except = except.map(|id| id.to_string()).unwrap_or_default();
        let others = api_key::table.filter(api_key::id.ne(except));
        let unique = others.clone().filter(api_key::name.eq(name.as_str())).count();
        let repeating = others.filter(api_key::repeating_name.eq(name.as_str())).count();
        let unique: i64 = self.run(|connection| unique.get_result(connection))?;
        let repeating: i64 = self.run(|connection| repeating.get_result(connection))?;
        Ok(unique > 0 || repeating > 0)
    }

    /// At most `limit` of the API keys that may be used only from the addresses of a list, sorted by id.
    ///
    /// # Errors
    /// [`StorageError::Corrupt`] when the id of a row makes no sense, and failures of the database.
    pub fn api_keys_with_ip_access_control_list(
        &mut self,
        id: IpAccessControlListId,
        limit: usize,
    ) -> Result<Vec<ApiKeyId>, StorageError> {
        let query = api_key::table
            .filter(api_key::ip_access_control_list_id.eq(id.to_string()))
            .order(api_key::id)
            .limit(i64::try_from(limit).unwrap_or(i64::MAX))
            .select(api_key::id);
        let ids: Vec<String> = self.run(|connection| query.load(connection))?;
        ids.iter().map(|id| id.parse().map_err(|_| corrupt(Entity::ApiKey, id, "id"))).collect()
    }

    /// The number of API keys that may be used only from the addresses of a list.
    ///
    /// # Errors
    /// Failures of the database.
    pub fn count_api_keys_with_ip_access_control_list(
        &mut self,
        id: IpAccessControlListId,
    ) -> Result<u64, StorageError> {
        let own = api_key::ip_access_control_list_id.eq(id.to_string());
        let count: i64 = self.run(|connection| api_key::table.filter(own).count().get_result(connection))?;
        Ok(count.unsigned_abs())
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

    /// Those of the API keys that exist, as memory holds them.
    ///
    /// # Errors
    /// [`StorageError::Corrupt`] when a row makes no sense, and failures of the database.
    pub(crate) fn loaded_api_keys(&mut self, ids: &[String]) -> Result<Vec<LoadedApiKey>, StorageError> {
        let query = api_key::table.filter(api_key::id.eq_any(ids)).select(COLUMNS);
        let rows: Vec<Row> = self.run(|connection| query.load(connection))?;
        let mut previous = self.previous_digests_of(ids)?;
        rows.into_iter()
            .map(|row| {
                let previous = previous.remove(&row.id).unwrap_or_default();
                from_row(row).map(|(digest, api_key)| (digest, api_key, previous))
            })
            .collect()
    }
}

impl WriteTransaction<'_> {
    /// Stores a new API key, at the revision that it carries.
    ///
    /// # Errors
    /// [`StorageError::MissingReference`] to its tenant, IP access control list or one of its roles, the first of them
    /// in this order; [`StorageError::Conflict`] in id, name, digest or Fusion's id, and failures of the database.
    pub fn insert_api_key(&mut self, stored: &StoredApiKey) -> Result<(), StorageError> {
        let made = as_stored(&stored.api_key);
        self.require_references(&made)?;
        let row = to_row(&made, &stored.digest);
        let sealed_value = api_key::sealed_value.eq(stored.sealed_value.as_ref().map(Sealed::as_bytes));
        let name_folded = api_key::name_folded.eq(made.name.as_ref().map(Name::folded));
        self.run_referring(StorageError::Stale, |connection| {
            diesel::insert_into(api_key::table).values((row, sealed_value, name_folded)).execute(connection)
        })?;
        self.insert_roles_of(&made)?;
        let (entity, entity_id, tenant_id) = (Entity::ApiKey, made.id.to_string(), made.tenant_id);
        let (before, after, ended_digests) = (None, Some(api_key_json(&made)), Vec::new());
        let record = Record { entity, entity_id, tenant_id, before, after, ended_digests };
        // Not before the value is in the key's own row: from then on nobody else can give it away.
        let earlier = self.record_and_look_for(record, &stored.digest)?;
        self.require_free(&stored.digest, earlier)?;
        self.announce(Change::ApiKeyWritten {
            digest: stored.digest,
            api_key: made,
            previous: Vec::new(),
            ended: Vec::new(),
        });
        Ok(())
    }

    /// Replaces an API key by its new state, which carries the revision at which the old one was read, and
    /// returns it at the next revision. Value, digest, Fusion's id, retrievability and the instant of insertion stay.
    ///
    /// # Errors
    /// [`StorageError::Stale`] when the stored revision is another or the key is gone; otherwise as
    /// [`Self::insert_api_key`].
    pub fn update_api_key(&mut self, api_key: &ApiKey) -> Result<ApiKey, StorageError> {
        self.replace_api_key(api_key, None)
    }

    pub(crate) fn replace_api_key(
        &mut self,
        api_key: &ApiKey,
        rotation: Option<&ApiKeyRotation>,
    ) -> Result<ApiKey, StorageError> {
        let before = self
            .find_api_key(api_key.id, TenantScope::All)?
            .filter(|before| before.api_key.revision == api_key.revision)
            .ok_or(StorageError::Stale)?;
        let after = ApiKey {
            revision: api_key.revision.next(),
            fusion_id: before.api_key.fusion_id.clone(),
            retrievable: before.api_key.retrievable,
            insert_instant: before.api_key.insert_instant,
            ..as_stored(api_key)
        };
        self.require_references(&after)?;
        let row = to_row(&after, &before.digest);
        let same =
            api_key::id.eq(api_key.id.to_string()).and(api_key::revision.eq(api_key.revision.number()));
        let updated = self.run_referring(StorageError::Stale, |connection| {
            diesel::update(api_key::table.filter(same))
                .set((
                    api_key::revision.eq(row.revision),
                    api_key::name.eq(row.name),
                    api_key::repeating_name.eq(row.repeating_name),
                    api_key::name_folded.eq(after.name.as_ref().map(Name::folded)),
                    api_key::permissions.eq(row.permissions),
                    api_key::roles.eq(row.roles),
                    api_key::key_manager.eq(row.key_manager),
                    api_key::tenant_id.eq(row.tenant_id),
                    api_key::ip_access_control_list_id.eq(row.ip_access_control_list_id),
                    api_key::disabled.eq(row.disabled),
                    api_key::expiration_instant.eq(row.expiration_instant),
                    api_key::attributes.eq(row.attributes),
                    api_key::last_update_instant.eq(row.last_update_instant),
                ))
                .execute(connection)
        })?;
        if updated == 0 {
            return Err(StorageError::Stale);
        }
        if roles(&before.api_key.permissions) != roles(&after.permissions) {
            let own = api_key_role::table.filter(api_key_role::api_key_id.eq(after.id.to_string()));
            self.run(|connection| diesel::delete(own).execute(connection))?;
            self.insert_roles_of(&after)?;
        }
        let (digest, PreviousValues { valid, ended }) = match rotation {
            None => (before.digest, self.settle_previous_values(after.id)?),
            Some(rotation) => {
                let revision = before.api_key.revision.number();
                (rotation.digest, self.replace_value(after.id, revision, &before.digest, rotation)?)
            }
        };
        let mut now = api_key_json(&after);
        let action = match rotation {
            None => Action::Update,
            Some(rotation) => {
                // Says something about the change, not the key; of the values themselves nothing is recorded.
                if let Some(members) = now.as_object_mut() {
                    let until = rotation.previous_valid_until.epoch_millis();
                    members.insert("previousValueValidUntil".to_owned(), until.into());
                }
                Action::Rotate
            }
        };
        self.record_api_key(action, &after, Some(api_key_json(&before.api_key)), Some(now), ended.clone())?;
        self.announce(Change::ApiKeyWritten { digest, api_key: after.clone(), previous: valid, ended });
        Ok(after)
    }

    /// Looks for the tenant and the list that a key names, because SQLite does not say which of two foreign keys stands
    /// against a statement. On PostgreSQL one of them can still go before the statement: the write then runs again.
    fn require_references(&mut self, api_key: &ApiKey) -> Result<(), StorageError> {
        if let Some(id) = api_key.tenant_id {
            let query = tenant::table.find(id.to_string()).select(tenant::id);
            let found: Option<String> = self.run(|connection| query.first(connection).optional())?;
            found.ok_or(StorageError::MissingReference(Entity::Tenant))?;
        }
        if let Some(id) = api_key.ip_access_control_list_id {
            let query = ip_access_control_list::table.find(id.to_string()).select(ip_access_control_list::id);
            let found: Option<String> = self.run(|connection| query.first(connection).optional())?;
            found.ok_or(StorageError::MissingReference(Entity::IpAccessControlList))?;
        }
        Ok(())
    }

    /// Notes which roles a key names, so that they stay. What it named before must be gone.
    fn insert_roles_of(&mut self, api_key: &ApiKey) -> Result<(), StorageError> {
        let names: BTreeSet<_> = roles(&api_key.permissions).iter().collect();
        for name in names {
            self.run_referring(StorageError::MissingReference(Entity::Role), |connection| {
                diesel::insert_into(api_key_role::table)
                    .values((
                        api_key_role::api_key_id.eq(api_key.id.to_string()),
                        api_key_role::role_name.eq(name.as_str()),
                    ))
                    .execute(connection)
            })?;
        }
        Ok(())
    }

    /// Deletes an API key; `false` when there was none inside the scope. A row that makes no sense can be
    /// deleted too.
    ///
    /// # Errors
    /// Failures of the database.
    pub fn delete_api_key(&mut self, id: ApiKeyId, scope: TenantScope) -> Result<bool, StorageError> {
        let own = api_key::id.eq(id.to_string());
        // A rotation that comes first is waited for, and one that comes later finds no key: the earlier values are all.
        let held = self.run(|connection| dialect::hold_api_keys(connection, &[id.to_string()]))?;
        let previous = self.digests_to_forget(&held)?.into_values().flatten().collect();
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
            Some(row) => {
                let record = self.deleted_api_key(row, previous)?;
                self.record(record).map(|()| true)
            }
            None => Ok(false),
        }
    }

    /// Deletes at most `limit` of the API keys that are bound to a tenant, and returns how many.
    ///
    /// # Errors
    /// [`StorageError::Corrupt`] when the id of a row makes no sense, and failures of the database.
    pub fn delete_api_keys_of_tenant(&mut self, id: TenantId, limit: usize) -> Result<usize, StorageError> {
        let query = api_key::table
            .filter(api_key::tenant_id.eq(id.to_string()))
            .order(api_key::id)
            .limit(i64::try_from(limit).unwrap_or(i64::MAX))
            .select(api_key::id);
        let ids: Vec<String> = self.run(|connection| query.load(connection))?;
        let mut deleted = 0;
        for ids in ids.chunks(ROWS_PER_DELETION) {
            deleted += self.delete_api_keys(id, ids)?;
            std::thread::yield_now();
        }
        Ok(deleted)
    }

    /// Deletes those of the API keys that are of the tenant, and returns how many.
    fn delete_api_keys(&mut self, tenant_id: TenantId, ids: &[String]) -> Result<usize, StorageError> {
        // As for a single key: the earlier values are all that there are.
        let ids = self.run(|connection| dialect::hold_api_keys(connection, ids))?;
        let mut previous = self.digests_to_forget(&ids)?;
        let own = api_key::tenant_id.eq(tenant_id.to_string()).and(api_key::id.eq_any(&ids));
        let rows: Vec<Row> = self.run(|connection| {
            diesel::delete(api_key::table.filter(own)).returning(COLUMNS).get_results(connection)
        })?;
        let mut records = Vec::with_capacity(rows.len());
        for row in rows {
            let previous = previous.remove(&row.id).unwrap_or_default();
            records.push(self.deleted_api_key(row, previous)?);
        }
        let deleted = records.len();
        self.record_deletions(records)?;
        Ok(deleted)
    }

    /// Announces a deletion, and says what to record about it. The digest is needed to forget the key, so it must be one.
    fn deleted_api_key(&mut self, row: Row, previous: Vec<ApiKeyDigest>) -> Result<Record, StorageError> {
        let digest = digest_of(&row)?;
        let id = row.id.parse().map_err(|_| corrupt(Entity::ApiKey, &row.id, "id"))?;
        let tenant_id = row.tenant_id.as_deref().and_then(|id| id.parse().ok());
        let before = from_row(row).map_or_else(
            |error| json!({ "corrupt": error.to_string() }),
            |(_, api_key)| api_key_json(&api_key),
        );
        let ended_digests = previous.iter().chain([&digest]).copied().collect();
        self.announce(Change::ApiKeyDeleted { digest, id, previous });
        Ok(Record {
            entity: Entity::ApiKey,
            entity_id: id.to_string(),
            tenant_id,
            before: Some(before),
            after: None,
            ended_digests,
        })
    }

    fn record_api_key(
        &mut self,
        action: Action,
        api_key: &ApiKey,
        before: Option<Value>,
        after: Option<Value>,
        ended_digests: Vec<ApiKeyDigest>,
    ) -> Result<(), StorageError> {
        let (entity, entity_id) = (Entity::ApiKey, api_key.id.to_string());
        let tenant_id = api_key.tenant_id;
        self.record_as(action, Record { entity, entity_id, tenant_id, before, after, ended_digests })
    }
}

pub(crate) fn inside(
    query: api_key::BoxedQuery<'_, MultiBackend>,
    scope: TenantScope,
) -> api_key::BoxedQuery<'_, MultiBackend> {
    match scope.tenant() {
        None => query,
        Some(tenant) => query.filter(api_key::tenant_id.eq(tenant.to_string())),
    }
}
