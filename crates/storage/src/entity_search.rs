//! Searches for entities. Secrets take no part in them.

use std::collections::HashMap;

use claviger_domain::{
    Entity as DomainEntity, EntityColumn, EntityFilter, EntityId, EntitySearch, Order, TenantScope,
};
use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::sql_types::Text;

use crate::conn::MultiBackend;
use crate::entities::{COLUMNS, Row, within};
use crate::schema::{entity, entity_type};
use crate::search::{ROWS_AT_ONCE, bounded};
use crate::{ReadTransaction, StorageError};

/// A part of the entities that a search found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EntityPage {
    /// The entities of the page, in the order that was asked for.
    pub entities: Vec<DomainEntity>,
    /// How many entities there are on all pages.
    pub total: u64,
}

impl ReadTransaction<'_> {
    /// The entities that a search asks for, among those within the scope; the same ones on either database. Texts compare
    /// by the bytes in UTF-8 of their lower case. Successive pages make up the whole as long as nothing is written.
    ///
    /// # Errors
    /// [`StorageError::Corrupt`] when a row of the page makes no sense; [`StorageError::Unavailable`] and the like.
    pub fn search_entities(
        &mut self,
        search: &EntitySearch,
        scope: TenantScope,
    ) -> Result<EntityPage, StorageError> {
        let by_ids = match &search.filter {
            EntityFilter::Text(pattern) if !pattern.is_matchable() => {
                return Ok(EntityPage { entities: Vec::new(), total: 0 });
            }
            EntityFilter::Ids(_) => true,
            EntityFilter::All | EntityFilter::Text(_) => false,
        };
        let mut query = matching(search, scope).select(COLUMNS);
        for criterion in criteria(&search.order) {
            query = query.then_order_by(sql::<Text>(criterion));
        }
        if !by_ids {
            query = query.limit(bounded(search.number_of_results)).offset(bounded(search.start_row));
        }
        let rows: Vec<Row> = if search.number_of_results == 0 && !by_ids {
            Vec::new()
        } else {
            self.run(|connection| query.load(connection))?
        };
        let found = u64::try_from(rows.len()).unwrap_or(u64::MAX);
        // A page that is not full is the last one, unless it lies behind the end: no need to count.
        let is_last = found < search.number_of_results && (found > 0 || search.start_row == 0);
        let total = if by_ids {
            found
        } else if is_last {
            search.start_row.saturating_add(found)
        } else {
            let total: i64 = self.run(|connection| matching(search, scope).count().get_result(connection))?;
            total.unsigned_abs()
        };
        let entities = rows.into_iter().map(DomainEntity::try_from).collect::<Result<_, _>>()?;
        Ok(EntityPage { entities, total })
    }
}

impl ReadTransaction<'_> {
    /// Those of the entities with these ids that there are within the scope, by their ids.
    ///
    /// # Errors
    /// [`StorageError::Corrupt`] when a row makes no sense; [`StorageError::Unavailable`] and the like.
    pub fn entities_by_ids(
        &mut self,
        ids: &[EntityId],
        scope: TenantScope,
    ) -> Result<HashMap<EntityId, DomainEntity>, StorageError> {
        let ids: Vec<String> = ids.iter().map(ToString::to_string).collect();
        let mut found = HashMap::with_capacity(ids.len());
        for ids in ids.chunks(ROWS_AT_ONCE) {
            let query = within(scope).filter(entity::id.eq_any(ids)).select(COLUMNS);
            let rows: Vec<Row> = self.run(|connection| query.load(connection))?;
            for row in rows {
                let entity = DomainEntity::try_from(row)?;
                found.insert(entity.id, entity);
            }
        }
        Ok(found)
    }
}

fn matching(search: &EntitySearch, scope: TenantScope) -> entity::BoxedQuery<'_, MultiBackend> {
    let query = within(scope);
    match &search.filter {
        EntityFilter::All => query,
        EntityFilter::Ids(ids) => {
            let ids: Vec<String> = ids.iter().map(ToString::to_string).collect();
            query.filter(entity::id.eq_any(ids))
        }
        EntityFilter::Text(pattern) => {
            let pattern = pattern.as_like();
            let types = entity_type::table
                .filter(entity_type::name_folded.like(pattern).escape('\\'))
                .select(entity_type::id);
            query.filter(
                entity::name_folded
                    .like(pattern)
                    .escape('\\')
                    .or(entity::client_id_folded.like(pattern).escape('\\'))
                    .or(entity::entity_type_id.eq_any(types)),
            )
        }
    }
}

/// The terms of `ORDER BY`. They end with the id or the client id, which are unique: whatever followed would decide nothing.
fn criteria(order: &[Order<EntityColumn>]) -> Vec<&'static str> {
    let mut criteria = Vec::new();
    for Order { column, descending } in order {
        match (column, descending) {
            (EntityColumn::ClientId, false) => {
                criteria.push("client_id");
                return criteria;
            }
            (EntityColumn::ClientId, true) => {
                criteria.push("client_id DESC");
                return criteria;
            }
            (EntityColumn::Insert, false) => criteria.push("insert_instant"),
            (EntityColumn::Insert, true) => criteria.push("insert_instant DESC"),
            (EntityColumn::LastUpdate, false) => criteria.push("last_update_instant"),
            (EntityColumn::LastUpdate, true) => criteria.push("last_update_instant DESC"),
            (EntityColumn::Name, false) => criteria.extend(["name_folded", "name"]),
            (EntityColumn::Name, true) => criteria.extend(["name_folded DESC", "name DESC"]),
            (EntityColumn::TenantId, false) => criteria.push("tenant_id"),
            (EntityColumn::TenantId, true) => criteria.push("tenant_id DESC"),
            (EntityColumn::TypeId, false) => criteria.push("entity_type_id"),
            (EntityColumn::TypeId, true) => criteria.push("entity_type_id DESC"),
        }
    }
    criteria.push("id");
    criteria
}
