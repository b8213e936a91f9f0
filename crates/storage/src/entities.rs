//! Entities: rows, conversions, queries. A secret is stored sealed, and the one before beside it until it ends.

use claviger_domain::{
    ClientId, Entity as DomainEntity, EntityId, Instant, KeptDocument, Name, Revision, Sealed, TenantId,
    TenantScope, fold,
};
use diesel::prelude::*;
use serde_json::{Value, json};

use crate::changes::Record;
use crate::conn::MultiBackend;
use crate::entity_types::{data_text, with_data_changed};
use crate::schema::entity;
use crate::transaction::{ROWS_PER_DELETION, corrupt};
use crate::{Entity, ReadTransaction, StorageError, WriteTransaction};

/// An entity as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredEntity {
    /// What is known about it.
    pub entity: DomainEntity,
    /// The sealed secret.
    pub client_secret: Sealed,
    /// The secret before, if the entity was given a new one and it was not found ended by a write yet.
    pub previous_client_secret: Option<PreviousClientSecret>,
}

/// A secret that an entity had before it was given a new one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PreviousClientSecret {
    /// The sealed secret.
    pub sealed: Sealed,
    /// From this instant on it is refused.
    pub valid_until: Instant,
}

/// What a write does to the secret of an entity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClientSecretChange {
    /// Nothing; the one before goes, if it has ended.
    Keep,
    /// Another one takes its place. The present one stays beside it until this instant, if that lies after the write; all
    /// others end.
    Replace {
        /// The new one, sealed.
        sealed: Sealed,
        /// The end of the present one.
        previous_valid_until: Instant,
    },
}

#[derive(Queryable, Insertable)]
#[diesel(table_name = entity)]
pub(crate) struct Row {
    pub(crate) id: String,
    revision: i64,
    tenant_id: String,
    entity_type_id: String,
    name: String,
    client_id: String,
    parent_id: Option<String>,
    data: Option<String>,
    insert_instant: i64,
    last_update_instant: i64,
}

/// The columns of [`Row`], in its order: neither secrets nor what only searches use.
pub(crate) type Columns = (
    entity::id,
    entity::revision,
    entity::tenant_id,
    entity::entity_type_id,
    entity::name,
    entity::client_id,
    entity::parent_id,
    entity::data,
    entity::insert_instant,
    entity::last_update_instant,
);

pub(crate) const COLUMNS: Columns = (
    entity::id,
    entity::revision,
    entity::tenant_id,
    entity::entity_type_id,
    entity::name,
    entity::client_id,
    entity::parent_id,
    entity::data,
    entity::insert_instant,
    entity::last_update_instant,
);

/// The present secret, the one before, and its end.
type Secrets = (Vec<u8>, Option<Vec<u8>>, Option<i64>);

const SECRETS: (
    entity::sealed_client_secret,
    entity::sealed_previous_client_secret,
    entity::previous_client_secret_valid_until,
) = (
    entity::sealed_client_secret,
    entity::sealed_previous_client_secret,
    entity::previous_client_secret_valid_until,
);

impl ReadTransaction<'_> {
    /// The entity with this id, if it exists inside the scope.
    ///
    /// # Errors
    /// [`StorageError::Corrupt`] when its row makes no sense; [`StorageError::Unavailable`] and the like.
    pub fn find_entity(
        &mut self,
        id: EntityId,
        scope: TenantScope,
    ) -> Result<Option<StoredEntity>, StorageError> {
        self.find_stored_entity(within(scope).filter(entity::id.eq(id.to_string())))
    }

    /// The entity with this client id, if it exists inside the scope. Case counts.
    ///
    /// # Errors
    /// As [`Self::find_entity`].
    pub fn find_entity_by_client_id(
        &mut self,
        client_id: &ClientId,
        scope: TenantScope,
    ) -> Result<Option<StoredEntity>, StorageError> {
        self.find_stored_entity(within(scope).filter(entity::client_id.eq(client_id.as_str())))
    }

    fn find_stored_entity(
        &mut self,
        query: entity::BoxedQuery<'_, MultiBackend>,
    ) -> Result<Option<StoredEntity>, StorageError> {
        let query = query.select((COLUMNS, SECRETS));
        let found: Option<(Row, Secrets)> = self.run(|connection| query.first(connection).optional())?;
        let Some((row, (client_secret, previous, valid_until))) = found else { return Ok(None) };
        let entity = DomainEntity::try_from(row)?;
        let previous_client_secret = match (previous, valid_until) {
            (Some(sealed), Some(until)) => Some(PreviousClientSecret {
                sealed: Sealed::from(sealed),
                valid_until: Instant::from_epoch_millis(until),
            }),
            (None, None) => None,
            _ => return Err(corrupt(Entity::Entity, &entity.id.to_string(), "previous client secret")),
        };
        Ok(Some(StoredEntity { entity, client_secret: Sealed::from(client_secret), previous_client_secret }))
    }

    /// The number of entities of a tenant.
    ///
    /// # Errors
    /// Failures of the database.
    pub fn count_entities_of_tenant(&mut self, id: TenantId) -> Result<u64, StorageError> {
        let count: i64 =
            self.run(|connection| within(TenantScope::One(id)).count().get_result(connection))?;
        Ok(count.unsigned_abs())
    }
}

/// The entities inside the scope.
pub(crate) fn within<'a>(scope: TenantScope) -> entity::BoxedQuery<'a, MultiBackend> {
    let query = entity::table.into_boxed();
    match scope.tenant() {
        None => query,
        Some(tenant) => query.filter(entity::tenant_id.eq(tenant.to_string())),
    }
}

impl WriteTransaction<'_> {
    /// Stores a new entity with its sealed secret, at the revision that it carries.
    ///
    /// # Errors
    /// [`StorageError::Stale`] when its tenant or its type is gone, [`StorageError::Conflict`] in id or client id, and
    /// failures of the database.
    pub fn insert_entity(
        &mut self,
        entity: &DomainEntity,
        client_secret: &Sealed,
    ) -> Result<(), StorageError> {
        let row = Row::from(entity);
        let others = (
            entity::name_folded.eq(entity.name.folded()),
            entity::client_id_folded.eq(fold(entity.client_id.as_str())),
            entity::sealed_client_secret.eq(client_secret.as_bytes()),
        );
        // Whoever makes an entity looks for both first.
        self.run_referring(StorageError::Stale, |connection| {
            diesel::insert_into(entity::table).values((row, others)).execute(connection)
        })?;
        self.record_entity(entity, None, Some(entity_json(entity)))
    }

    /// Replaces an entity by its new state, which carries the revision at which the old one was read, and returns it at the
    /// next revision. Tenant, type, client id and the instant of insertion stay.
    ///
    /// # Errors
    /// [`StorageError::Stale`] when the stored revision is another or the entity is gone, and failures of the database.
    pub fn update_entity(
        &mut self,
        entity: &DomainEntity,
        secret: &ClientSecretChange,
    ) -> Result<DomainEntity, StorageError> {
        let stored = self
            .find_entity(entity.id, TenantScope::All)?
            .filter(|stored| stored.entity.revision == entity.revision)
            .ok_or(StorageError::Stale)?;
        let before = stored.entity;
        let after = DomainEntity {
            revision: before.revision.next(),
            tenant_id: before.tenant_id,
            entity_type_id: before.entity_type_id,
            client_id: before.client_id.clone(),
            insert_instant: before.insert_instant,
            ..entity.clone()
        };
        let now = self.context().instant;
        let (present, previous) = match secret {
            ClientSecretChange::Keep => (&stored.client_secret, stored.previous_client_secret),
            ClientSecretChange::Replace { sealed, previous_valid_until } => {
                let (sealed_before, valid_until) = (stored.client_secret.clone(), *previous_valid_until);
                (sealed, Some(PreviousClientSecret { sealed: sealed_before, valid_until }))
            }
        };
        let previous = previous.filter(|previous| now < previous.valid_until);
        let same = entity::id.eq(after.id.to_string()).and(entity::revision.eq(before.revision.number()));
        let values = (
            entity::revision.eq(after.revision.number()),
            entity::name.eq(after.name.as_str()),
            entity::name_folded.eq(after.name.folded()),
            entity::parent_id.eq(after.parent_id.map(|id| id.to_string())),
            entity::data.eq(data_text(after.data.as_ref())),
            entity::last_update_instant.eq(after.last_update_instant.epoch_millis()),
            entity::sealed_client_secret.eq(present.as_bytes()),
            entity::sealed_previous_client_secret
                .eq(previous.as_ref().map(|previous| previous.sealed.as_bytes())),
            entity::previous_client_secret_valid_until
                .eq(previous.as_ref().map(|previous| previous.valid_until.epoch_millis())),
        );
        let updated = self
            .run(|connection| diesel::update(entity::table.filter(same)).set(values).execute(connection))?;
        if updated == 0 {
            return Err(StorageError::Stale);
        }
        let mut after_json = with_data_changed(entity_json(&after), before.data != after.data);
        if let Some(members) = after_json.as_object_mut() {
            let replaced = matches!(secret, ClientSecretChange::Replace { .. });
            members.insert(String::from("clientSecretChanged"), Value::from(replaced));
            if let Some(previous) = &previous {
                let until = Value::from(previous.valid_until.epoch_millis());
                members.insert(String::from("previousClientSecretValidUntil"), until);
            }
        }
        self.record_entity(&after, Some(entity_json(&before)), Some(after_json))?;
        Ok(after)
    }

    /// Deletes an entity; `false` when there was none inside the scope. Its grants must be gone before
    /// ([`Self::delete_grants_of_entity`]). A row that makes no sense can be deleted too.
    ///
    /// # Errors
    /// [`StorageError::InUse`] while there are grants on it or to it, and failures of the database.
    pub fn delete_entity(&mut self, id: EntityId, scope: TenantScope) -> Result<bool, StorageError> {
        let own = entity::id.eq(id.to_string());
        let in_use = StorageError::InUse(Entity::Entity);
        let row: Option<Row> = self.run_referring(in_use, |connection| match scope.tenant() {
            None => {
                diesel::delete(entity::table.filter(own)).returning(COLUMNS).get_result(connection).optional()
            }
            Some(tenant) => {
                diesel::delete(entity::table.filter(own.and(entity::tenant_id.eq(tenant.to_string()))))
                    .returning(COLUMNS)
                    .get_result(connection)
                    .optional()
            }
        })?;
        match row {
            Some(row) => self.record(deleted_entity(row)).map(|()| true),
            None => Ok(false),
        }
    }

    /// Deletes at most `limit` of the entities of a tenant, whose grants must be gone before
    /// ([`Self::delete_grants_of_tenant`]), and returns how many.
    ///
    /// # Errors
    /// As [`Self::delete_entity`].
    pub fn delete_entities_of_tenant(&mut self, id: TenantId, limit: usize) -> Result<usize, StorageError> {
        let query = within(TenantScope::One(id))
            .order(entity::id)
            .limit(i64::try_from(limit).unwrap_or(i64::MAX))
            .select(entity::id);
        let ids: Vec<String> = self.run(|connection| query.load(connection))?;
        let mut deleted = 0;
        for ids in ids.chunks(ROWS_PER_DELETION) {
            let own = entity::tenant_id.eq(id.to_string()).and(entity::id.eq_any(ids));
            let rows: Vec<Row> = self.run_referring(StorageError::InUse(Entity::Entity), |connection| {
                diesel::delete(entity::table.filter(own)).returning(COLUMNS).get_results(connection)
            })?;
            deleted += rows.len();
            self.record_deletions(rows.into_iter().map(deleted_entity).collect())?;
            std::thread::yield_now();
        }
        Ok(deleted)
    }

    fn record_entity(
        &mut self,
        entity: &DomainEntity,
        before: Option<Value>,
        after: Option<Value>,
    ) -> Result<(), StorageError> {
        self.record(Record {
            entity: Entity::Entity,
            entity_id: entity.id.to_string(),
            tenant_id: Some(entity.tenant_id),
            before,
            after,
            ended_digests: Vec::new(),
        })
    }
}

/// What is recorded about an entity that was deleted.
fn deleted_entity(row: Row) -> Record {
    let entity_id = row.id.clone();
    let tenant_id = row.tenant_id.parse().ok();
    let before = DomainEntity::try_from(row)
        .map_or_else(|error| json!({ "corrupt": error.to_string() }), |found| entity_json(&found));
    Record {
        entity: Entity::Entity,
        entity_id,
        tenant_id,
        before: Some(before),
        after: None,
        ended_digests: Vec::new(),
    }
}

/// The entity for a change row, without its secrets.
fn entity_json(entity: &DomainEntity) -> Value {
    json!({
        "id": entity.id.to_string(),
        "revision": entity.revision.number(),
        "tenantId": entity.tenant_id.to_string(),
        "entityTypeId": entity.entity_type_id.to_string(),
        "name": entity.name.as_str(),
        "clientId": entity.client_id.as_str(),
        "parentId": entity.parent_id.map(|id| id.to_string()),
        "insertInstant": entity.insert_instant.epoch_millis(),
        "lastUpdateInstant": entity.last_update_instant.epoch_millis(),
    })
}

impl From<&DomainEntity> for Row {
    fn from(entity: &DomainEntity) -> Self {
        Self {
            id: entity.id.to_string(),
            revision: entity.revision.number(),
            tenant_id: entity.tenant_id.to_string(),
            entity_type_id: entity.entity_type_id.to_string(),
            name: entity.name.as_str().to_owned(),
            client_id: entity.client_id.as_str().to_owned(),
            parent_id: entity.parent_id.map(|id| id.to_string()),
            data: data_text(entity.data.as_ref()),
            insert_instant: entity.insert_instant.epoch_millis(),
            last_update_instant: entity.last_update_instant.epoch_millis(),
        }
    }
}

impl TryFrom<Row> for DomainEntity {
    type Error = StorageError;

    fn try_from(row: Row) -> Result<Self, StorageError> {
        let id = row.id;
        let bad = |reason: &str| corrupt(Entity::Entity, &id, reason);
        Ok(Self {
            id: id.parse().map_err(|_| bad("id"))?,
            revision: Revision::from_number(row.revision),
            tenant_id: row.tenant_id.parse().map_err(|_| bad("tenant id"))?,
            entity_type_id: row.entity_type_id.parse().map_err(|_| bad("entity type id"))?,
            name: Name::try_from(row.name).map_err(|_| bad("name"))?,
            client_id: ClientId::try_from(row.client_id).map_err(|_| bad("client id"))?,
            parent_id: row.parent_id.map(|text| text.parse()).transpose().map_err(|_| bad("parent id"))?,
            data: row.data.map(KeptDocument::from_json),
            insert_instant: Instant::from_epoch_millis(row.insert_instant),
            last_update_instant: Instant::from_epoch_millis(row.last_update_instant),
        })
    }
}
