//! Grants on entities: rows, conversions, queries, searches. Permissions are stored by their ids, so that one that is deleted
//! is gone from every grant.

use std::collections::{HashMap, HashSet};

use claviger_domain::{
    EntityGrant, EntityGrantColumn, EntityGrantSearch, EntityId, Instant, KeptDocument, Name, NamePattern,
    Order, Revision, TenantId, TenantScope,
};
use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::sql_types::Text;
use serde_json::{Value, json};

use crate::changes::Record;
use crate::conn::MultiBackend;
use crate::entity_types::{data_text, with_data_changed};
use crate::schema::{entity, entity_grant, entity_grant_permission, entity_type_permission};
use crate::search::{ROWS_AT_ONCE, bounded};
use crate::transaction::{ROWS_PER_DELETION, corrupt};
use crate::{Entity, ReadTransaction, StorageError, WriteTransaction};

/// A part of the grants that a search found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EntityGrantPage {
    /// The grants of the page, in the order that was asked for.
    pub grants: Vec<EntityGrant>,
    /// How many grants there are on all pages.
    pub total: u64,
}

#[derive(Queryable, Insertable, AsChangeset)]
#[diesel(table_name = entity_grant, treat_none_as_null = true)]
struct Row {
    id: String,
    revision: i64,
    tenant_id: String,
    entity_id: String,
    recipient_entity_id: String,
    data: Option<String>,
    insert_instant: i64,
    last_update_instant: i64,
}

type Query<'a> = entity_grant::BoxedQuery<'a, MultiBackend>;

impl ReadTransaction<'_> {
    /// The grant on an entity to another one, if it exists inside the scope.
    ///
    /// # Errors
    /// [`StorageError::Corrupt`] when its row makes no sense; [`StorageError::Unavailable`] and the like.
    pub fn find_entity_grant(
        &mut self,
        entity_id: EntityId,
        recipient_entity_id: EntityId,
        scope: TenantScope,
    ) -> Result<Option<EntityGrant>, StorageError> {
        let query = within(scope)
            .filter(entity_grant::entity_id.eq(entity_id.to_string()))
            .filter(entity_grant::recipient_entity_id.eq(recipient_entity_id.to_string()));
        Ok(self.load_grants(query)?.pop())
    }

    /// The names of the permissions that an entity is granted on another one, sorted; `None` when there is no grant inside
    /// the scope. A grant can be without permissions.
    ///
    /// # Errors
    /// As [`Self::find_entity_grant`].
    pub fn permissions_granted(
        &mut self,
        recipient_entity_id: EntityId,
        entity_id: EntityId,
        scope: TenantScope,
    ) -> Result<Option<Vec<Name>>, StorageError> {
        let grant = self.find_entity_grant(entity_id, recipient_entity_id, scope)?;
        Ok(grant.map(|grant| grant.permissions))
    }

    /// All grants on an entity inside the scope, sorted by the ids of their recipients.
    ///
    /// # Errors
    /// As [`Self::find_entity_grant`].
    pub fn grants_on_entity(
        &mut self,
        entity_id: EntityId,
        scope: TenantScope,
    ) -> Result<Vec<EntityGrant>, StorageError> {
        let query = within(scope)
            .filter(entity_grant::entity_id.eq(entity_id.to_string()))
            .order(entity_grant::recipient_entity_id);
        self.load_grants(query)
    }

    /// The grants that a search asks for, among those within the scope; the same ones on either database. Successive pages
    /// make up the whole as long as nothing is written.
    ///
    /// # Errors
    /// As [`Self::find_entity_grant`].
    pub fn search_entity_grants(
        &mut self,
        search: &EntityGrantSearch,
        scope: TenantScope,
    ) -> Result<EntityGrantPage, StorageError> {
        if search.name.as_ref().is_some_and(|name| !name.is_matchable()) {
            return Ok(EntityGrantPage { grants: Vec::new(), total: 0 });
        }
        let total: i64 = self.run(|connection| matching(search, scope).count().get_result(connection))?;
        let grants = if search.number_of_results == 0 {
            Vec::new()
        } else {
            let mut query = matching(search, scope);
            for criterion in criteria(&search.order) {
                query = query.then_order_by(sql::<Text>(criterion));
            }
            let page = query.limit(bounded(search.number_of_results)).offset(bounded(search.start_row));
            self.load_grants(page)?
        };
        Ok(EntityGrantPage { grants, total: total.unsigned_abs() })
    }

    fn load_grants(&mut self, query: Query<'_>) -> Result<Vec<EntityGrant>, StorageError> {
        let rows: Vec<Row> = self.run(|connection| query.load(connection))?;
        let mut permissions: HashMap<String, Vec<String>> = HashMap::with_capacity(rows.len());
        for rows in rows.chunks(ROWS_AT_ONCE) {
            let ids: Vec<&str> = rows.iter().map(|row| row.id.as_str()).collect();
            let query = entity_grant_permission::table
                .inner_join(
                    entity_type_permission::table
                        .on(entity_grant_permission::permission_id.eq(entity_type_permission::id)),
                )
                .filter(entity_grant_permission::entity_grant_id.eq_any(ids))
                .order(entity_type_permission::name)
                .select((entity_grant_permission::entity_grant_id, entity_type_permission::name));
            let named: Vec<(String, String)> = self.run(|connection| query.load(connection))?;
            for (id, name) in named {
                permissions.entry(id).or_default().push(name);
            }
        }
        rows.into_iter()
            .map(|row| {
                let names = permissions.remove(&row.id).unwrap_or_default();
                from_row(row, names)
            })
            .collect()
    }
}

fn within<'a>(scope: TenantScope) -> Query<'a> {
    let query = entity_grant::table.into_boxed();
    match scope.tenant() {
        None => query,
        Some(tenant) => query.filter(entity_grant::tenant_id.eq(tenant.to_string())),
    }
}

fn matching(search: &EntityGrantSearch, scope: TenantScope) -> Query<'_> {
    let mut query = within(scope);
    if let Some(id) = search.entity_id {
        query = query.filter(entity_grant::entity_id.eq(id.to_string()));
    }
    if let Some(pattern) = search.name.as_ref().map(NamePattern::as_like) {
        let named = entity::table.filter(entity::name_folded.like(pattern).escape('\\')).select(entity::id);
        query = query.filter(entity_grant::entity_id.eq_any(named));
    }
    query
}

/// The terms of `ORDER BY`, which end with the id.
fn criteria(order: &[Order<EntityGrantColumn>]) -> Vec<&'static str> {
    let mut criteria = Vec::new();
    for Order { column, descending } in order {
        match (column, descending) {
            (EntityGrantColumn::Insert, false) => criteria.push("insert_instant"),
            (EntityGrantColumn::Insert, true) => criteria.push("insert_instant DESC"),
            (EntityGrantColumn::Name, false) => criteria.extend([
                "(SELECT e.name_folded FROM entity e WHERE e.id = entity_grant.entity_id)",
                "(SELECT e.name FROM entity e WHERE e.id = entity_grant.entity_id)",
            ]),
            (EntityGrantColumn::Name, true) => criteria.extend([
                "(SELECT e.name_folded FROM entity e WHERE e.id = entity_grant.entity_id) DESC",
                "(SELECT e.name FROM entity e WHERE e.id = entity_grant.entity_id) DESC",
            ]),
        }
    }
    criteria.push("id");
    criteria
}

impl WriteTransaction<'_> {
    /// Stores a new grant, at the revision that it carries.
    ///
    /// # Errors
    /// [`StorageError::Stale`] when one of the entities is gone or not of the tenant, or when there is such a grant already;
    /// [`StorageError::MissingReference`] to a permission that the type of the entity does not have; [`StorageError::Conflict`]
    /// in the id, and failures of the database.
    pub fn insert_entity_grant(&mut self, grant: &EntityGrant) -> Result<(), StorageError> {
        // The unique pair would be reported as a conflict that nobody can do anything about.
        if self.find_entity_grant(grant.entity_id, grant.recipient_entity_id, TenantScope::All)?.is_some() {
            return Err(StorageError::Stale);
        }
        let row = Row::from(grant);
        self.run_referring(StorageError::Stale, |connection| {
            diesel::insert_into(entity_grant::table).values(row).execute(connection)
        })?;
        self.insert_permissions_of(grant)?;
        self.record_grant(grant, None, Some(grant_json(grant)))
    }

    /// Replaces a grant by its new state, which carries the revision at which the old one was read, and returns it at the
    /// next revision. The entities and the instant of insertion stay.
    ///
    /// # Errors
    /// [`StorageError::Stale`] when the stored revision is another or the grant is gone; otherwise as
    /// [`Self::insert_entity_grant`].
    pub fn update_entity_grant(&mut self, grant: &EntityGrant) -> Result<EntityGrant, StorageError> {
        let before = self
            .find_entity_grant(grant.entity_id, grant.recipient_entity_id, TenantScope::All)?
            .filter(|before| before.revision == grant.revision && before.id == grant.id)
            .ok_or(StorageError::Stale)?;
        let after = EntityGrant {
            revision: before.revision.next(),
            tenant_id: before.tenant_id,
            insert_instant: before.insert_instant,
            ..grant.clone()
        };
        let row = Row::from(&after);
        let same = entity_grant::id
            .eq(after.id.to_string())
            .and(entity_grant::revision.eq(before.revision.number()));
        let updated = self.run(|connection| {
            diesel::update(entity_grant::table.filter(same)).set(row).execute(connection)
        })?;
        if updated == 0 {
            return Err(StorageError::Stale);
        }
        if before.permissions != after.permissions {
            let own = entity_grant_permission::entity_grant_id.eq(after.id.to_string());
            let query = entity_grant_permission::table.filter(own);
            self.run(|connection| diesel::delete(query).execute(connection))?;
            self.insert_permissions_of(&after)?;
        }
        let after_json = with_data_changed(grant_json(&after), before.data != after.data);
        self.record_grant(&after, Some(grant_json(&before)), Some(after_json))?;
        Ok(after)
    }

    /// Notes which permissions a grant has. What it had before must be gone.
    fn insert_permissions_of(&mut self, grant: &EntityGrant) -> Result<(), StorageError> {
        let type_of_entity = entity::table.find(grant.entity_id.to_string()).select(entity::entity_type_id);
        let type_id: Option<String> = self.run(|connection| type_of_entity.first(connection).optional())?;
        let type_id = type_id.ok_or(StorageError::Stale)?;
        let missing = StorageError::MissingReference(Entity::EntityTypePermission);
        for name in &grant.permissions {
            let query = entity_type_permission::table
                .filter(entity_type_permission::entity_type_id.eq(&type_id))
                .filter(entity_type_permission::name.eq(name.as_str()))
                .select(entity_type_permission::id);
            let id: Option<String> = self.run(|connection| query.first(connection).optional())?;
            let id = id.ok_or_else(|| missing.clone())?;
            self.run_referring(missing.clone(), |connection| {
                diesel::insert_into(entity_grant_permission::table)
                    .values((
                        entity_grant_permission::entity_grant_id.eq(grant.id.to_string()),
                        entity_grant_permission::permission_id.eq(id),
                    ))
                    .execute(connection)
            })?;
        }
        Ok(())
    }

    /// Deletes the grant on an entity to another one; `false` when there was none inside the scope.
    ///
    /// # Errors
    /// As [`ReadTransaction::find_entity_grant`].
    pub fn delete_entity_grant(
        &mut self,
        entity_id: EntityId,
        recipient_entity_id: EntityId,
        scope: TenantScope,
    ) -> Result<bool, StorageError> {
        match self.find_entity_grant(entity_id, recipient_entity_id, scope)? {
            Some(grant) => self.delete_grant(&grant),
            None => Ok(false),
        }
    }

    /// Deletes at most `limit` of the grants on an entity and to it, and returns how many.
    ///
    /// # Errors
    /// As [`ReadTransaction::find_entity_grant`].
    pub fn delete_grants_of_entity(&mut self, id: EntityId, limit: usize) -> Result<usize, StorageError> {
        let text = id.to_string();
        let on_it = entity_grant::entity_id.eq(text.clone());
        let query = within(TenantScope::All).filter(on_it.or(entity_grant::recipient_entity_id.eq(text)));
        self.delete_grants(query, limit)
    }

    /// Deletes at most `limit` of the grants of a tenant, and returns how many.
    ///
    /// # Errors
    /// As [`ReadTransaction::find_entity_grant`].
    pub fn delete_grants_of_tenant(&mut self, id: TenantId, limit: usize) -> Result<usize, StorageError> {
        self.delete_grants(within(TenantScope::One(id)), limit)
    }

    fn delete_grants(&mut self, query: Query<'_>, limit: usize) -> Result<usize, StorageError> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let grants = self.load_grants(query.order(entity_grant::id).limit(limit))?;
        let mut deleted = 0;
        for grants in grants.chunks(ROWS_PER_DELETION) {
            let ids: Vec<_> = grants.iter().map(|grant| grant.id.to_string()).collect();
            let query = entity_grant::table.filter(entity_grant::id.eq_any(ids));
            let gone: HashSet<String> = self
                .run(|connection| diesel::delete(query).returning(entity_grant::id).get_results(connection))?
                .into_iter()
                .collect();
            deleted += gone.len();
            // Another deletion can have been sooner with some of them.
            let own = grants.iter().filter(|grant| gone.contains(&grant.id.to_string()));
            self.record_deletions(own.map(deleted_grant).collect())?;
            std::thread::yield_now();
        }
        Ok(deleted)
    }

    fn delete_grant(&mut self, grant: &EntityGrant) -> Result<bool, StorageError> {
        let own = entity_grant::table.find(grant.id.to_string());
        let deleted = self.run(|connection| diesel::delete(own).execute(connection))?;
        if deleted > 0 {
            self.record(deleted_grant(grant))?;
        }
        Ok(deleted > 0)
    }

    fn record_grant(
        &mut self,
        grant: &EntityGrant,
        before: Option<Value>,
        after: Option<Value>,
    ) -> Result<(), StorageError> {
        self.record(Record {
            entity: Entity::EntityGrant,
            entity_id: grant.id.to_string(),
            tenant_id: Some(grant.tenant_id),
            before,
            after,
            ended_digests: Vec::new(),
        })
    }
}

/// What is recorded about a grant that was deleted.
fn deleted_grant(grant: &EntityGrant) -> Record {
    Record {
        entity: Entity::EntityGrant,
        entity_id: grant.id.to_string(),
        tenant_id: Some(grant.tenant_id),
        before: Some(grant_json(grant)),
        after: None,
        ended_digests: Vec::new(),
    }
}

fn grant_json(grant: &EntityGrant) -> Value {
    json!({
        "id": grant.id.to_string(),
        "revision": grant.revision.number(),
        "tenantId": grant.tenant_id.to_string(),
        "entityId": grant.entity_id.to_string(),
        "recipientEntityId": grant.recipient_entity_id.to_string(),
        "permissions": grant.permissions.iter().map(Name::as_str).collect::<Vec<_>>(),
        "insertInstant": grant.insert_instant.epoch_millis(),
        "lastUpdateInstant": grant.last_update_instant.epoch_millis(),
    })
}

impl From<&EntityGrant> for Row {
    fn from(grant: &EntityGrant) -> Self {
        Self {
            id: grant.id.to_string(),
            revision: grant.revision.number(),
            tenant_id: grant.tenant_id.to_string(),
            entity_id: grant.entity_id.to_string(),
            recipient_entity_id: grant.recipient_entity_id.to_string(),
            data: data_text(grant.data.as_ref()),
            insert_instant: grant.insert_instant.epoch_millis(),
            last_update_instant: grant.last_update_instant.epoch_millis(),
        }
    }
}

fn from_row(row: Row, names: Vec<String>) -> Result<EntityGrant, StorageError> {
    let id = row.id;
    let bad = |reason: &str| corrupt(Entity::EntityGrant, &id, reason);
    Ok(EntityGrant {
        id: id.parse().map_err(|_| bad("id"))?,
        revision: Revision::from_number(row.revision),
        tenant_id: row.tenant_id.parse().map_err(|_| bad("tenant id"))?,
        entity_id: row.entity_id.parse().map_err(|_| bad("entity id"))?,
        recipient_entity_id: row.recipient_entity_id.parse().map_err(|_| bad("recipient entity id"))?,
        permissions: names
            .into_iter()
            .map(Name::try_from)
            .collect::<Result<_, _>>()
            .map_err(|_| bad("permissions"))?,
        data: row.data.map(KeptDocument::from_json),
        insert_instant: Instant::from_epoch_millis(row.insert_instant),
        last_update_instant: Instant::from_epoch_millis(row.last_update_instant),
    })
}
