//! Entity types: rows, conversions, queries, searches. Their permissions have a file of their own.

use std::collections::HashMap;

use claviger_domain::{
    EntityType, EntityTypeColumn, EntityTypeId, EntityTypeJwtConfiguration, EntityTypeSearch, Instant,
    KeptDocument, KeyId, KeyOwner, Name, NamePattern, Order, Revision,
};
use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::sql_types::Text;
use serde_json::{Value, json};

use crate::changes::Record;
use crate::conn::MultiBackend;
use crate::schema::{entity, entity_type};
use crate::search::{Criterion, ROWS_AT_ONCE, bounded, in_order, terms};
use crate::tenants::{ids_from_text, ids_text};
use crate::transaction::corrupt;
use crate::{Entity, ReadTransaction, StorageError, WriteTransaction};

/// A part of the entity types that a search found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EntityTypePage {
    /// The types of the page, in the order that was asked for.
    pub entity_types: Vec<EntityType>,
    /// How many types there are on all pages.
    pub total: u64,
}

#[derive(Queryable, Insertable, AsChangeset)]
#[diesel(table_name = entity_type, treat_none_as_null = true)]
struct Row {
    id: String,
    revision: i64,
    name: String,
    name_folded: String,
    jwt_enabled: bool,
    access_token_key_id: Option<String>,
    access_token_verification_key_ids: String,
    time_to_live_in_seconds: Option<i64>,
    data: Option<String>,
    insert_instant: i64,
    last_update_instant: i64,
}

impl ReadTransaction<'_> {
    /// The entity type with this id, without its permissions. Types belong to no tenant.
    ///
    /// # Errors
    /// [`StorageError::Corrupt`] when its row makes no sense; [`StorageError::Unavailable`] and the like.
    pub fn find_entity_type(&mut self, id: EntityTypeId) -> Result<Option<EntityType>, StorageError> {
        let query = entity_type::table.find(id.to_string());
        let row: Option<Row> = self.run(|connection| query.first(connection).optional())?;
        row.map(EntityType::try_from).transpose()
    }

    /// All entity types, sorted by name (by its bytes in UTF-8), then id.
    ///
    /// # Errors
    /// As [`Self::find_entity_type`].
    pub fn entity_types(&mut self) -> Result<Vec<EntityType>, StorageError> {
        let query = entity_type::table.order((entity_type::name, entity_type::id));
        let rows: Vec<Row> = self.run(|connection| query.load(connection))?;
        rows.into_iter().map(EntityType::try_from).collect()
    }

    /// Those of the entity types with these ids that there are, by their ids.
    ///
    /// # Errors
    /// As [`Self::find_entity_type`].
    pub fn entity_types_by_ids(
        &mut self,
        ids: &[EntityTypeId],
    ) -> Result<HashMap<EntityTypeId, EntityType>, StorageError> {
        let ids: Vec<String> = ids.iter().map(ToString::to_string).collect();
        let mut found = HashMap::with_capacity(ids.len());
        for row in self.entity_type_rows(&ids)? {
            let entity_type = EntityType::try_from(row)?;
            found.insert(entity_type.id, entity_type);
        }
        Ok(found)
    }

    fn entity_type_rows(&mut self, ids: &[String]) -> Result<Vec<Row>, StorageError> {
        let mut rows = Vec::with_capacity(ids.len());
        for ids in ids.chunks(ROWS_AT_ONCE) {
            let query = entity_type::table.filter(entity_type::id.eq_any(ids));
            let some: Vec<Row> = self.run(|connection| query.load(connection))?;
            rows.extend(some);
        }
        Ok(rows)
    }

    /// The types that a search asks for; the same ones on either database. Names compare by the bytes in UTF-8 of their
    /// lower case. Successive pages make up the whole as long as nothing is written.
    ///
    /// # Errors
    /// [`StorageError::Corrupt`] when a row of the page makes no sense; [`StorageError::Unavailable`] and the like.
    pub fn search_entity_types(&mut self, search: &EntityTypeSearch) -> Result<EntityTypePage, StorageError> {
        if search.name.as_ref().is_some_and(|name| !name.is_matchable()) {
            return Ok(EntityTypePage { entity_types: Vec::new(), total: 0 });
        }
        let total: i64 = self.run(|connection| matching(search).count().get_result(connection))?;
        let ids: Vec<String> = if search.number_of_results == 0 {
            Vec::new()
        } else {
            self.run(|connection| page_of_ids(search).load(connection))?
        };
        let rows = self.entity_type_rows(&ids)?;
        let entity_types = in_order(&ids, rows, |row| &row.id).map(EntityType::try_from);
        Ok(EntityTypePage {
            entity_types: entity_types.collect::<Result<_, _>>()?,
            total: total.unsigned_abs(),
        })
    }

    /// The number of entities of a type, in whichever tenants.
    ///
    /// # Errors
    /// Failures of the database.
    pub fn count_entities_of_type(&mut self, id: EntityTypeId) -> Result<u64, StorageError> {
        let own = entity::table.filter(entity::entity_type_id.eq(id.to_string())).count();
        let count: i64 = self.run(|connection| own.get_result(connection))?;
        Ok(count.unsigned_abs())
    }
}

fn matching(search: &EntityTypeSearch) -> entity_type::BoxedQuery<'_, MultiBackend> {
    let query = entity_type::table.into_boxed();
    match search.name.as_ref().map(NamePattern::as_like) {
        None => query,
        Some(pattern) => query.filter(entity_type::name_folded.like(pattern).escape('\\')),
    }
}

/// The ids of the types on the page, in order.
fn page_of_ids(search: &EntityTypeSearch) -> entity_type::BoxedQuery<'_, MultiBackend, Text> {
    let mut query = matching(search).select(entity_type::id);
    for criterion in criteria(&search.order, search.name.is_some()) {
        query = query.then_order_by(sql::<Text>(criterion));
    }
    query.limit(bounded(search.number_of_results)).offset(bounded(search.start_row))
}

fn criteria(order: &[Order<EntityTypeColumn>], filtered: bool) -> Vec<&'static str> {
    let criterion = |&Order { column, descending }: &Order<EntityTypeColumn>| match (column, descending) {
        (EntityTypeColumn::Insert, false) => Criterion::Term("insert_instant"),
        (EntityTypeColumn::Insert, true) => Criterion::Term("insert_instant DESC"),
        (EntityTypeColumn::LastUpdate, false) => Criterion::Term("last_update_instant"),
        (EntityTypeColumn::LastUpdate, true) => Criterion::Term("last_update_instant DESC"),
        (EntityTypeColumn::Id, descending) => Criterion::Id { descending },
        (EntityTypeColumn::Name, descending) => Criterion::Name { descending },
    };
    terms(order.iter().map(criterion), filtered)
}

impl WriteTransaction<'_> {
    /// Stores a new entity type, at the revision that it carries.
    ///
    /// # Errors
    /// [`StorageError::Conflict`] in id or name, [`StorageError::MissingReference`] to a key, and failures of the
    /// database.
    pub fn insert_entity_type(&mut self, entity_type: &EntityType) -> Result<(), StorageError> {
        let row = Row::from(entity_type);
        self.run(|connection| diesel::insert_into(entity_type::table).values(row).execute(connection))?;
        self.insert_key_references(&entity_type.key_references())?;
        self.record_entity_type(entity_type.id, None, Some(entity_type_json(entity_type)))
    }

    /// Replaces an entity type by its new state, which carries the revision at which the old one was read, and returns it
    /// at the next revision. The instant of insertion stays, and so do the permissions.
    ///
    /// # Errors
    /// [`StorageError::Stale`] when the stored revision is another or the type is gone; otherwise as
    /// [`Self::insert_entity_type`].
    pub fn update_entity_type(&mut self, entity_type: &EntityType) -> Result<EntityType, StorageError> {
        let before = self
            .find_entity_type(entity_type.id)?
            .filter(|before| before.revision == entity_type.revision)
            .ok_or(StorageError::Stale)?;
        let after = EntityType {
            revision: before.revision.next(),
            insert_instant: before.insert_instant,
            ..entity_type.clone()
        };
        let row = Row::from(&after);
        let same =
            entity_type::id.eq(after.id.to_string()).and(entity_type::revision.eq(before.revision.number()));
        let updated = self
            .run(|connection| diesel::update(entity_type::table.filter(same)).set(row).execute(connection))?;
        if updated == 0 {
            return Err(StorageError::Stale);
        }
        let references = after.key_references();
        if before.key_references() != references {
            self.delete_key_references(KeyOwner::EntityType, &after.id.to_string())?;
            self.insert_key_references(&references)?;
        }
        let after_json = with_data_changed(entity_type_json(&after), before.data != after.data);
        self.record_entity_type(after.id, Some(entity_type_json(&before)), Some(after_json))?;
        Ok(after)
    }

    /// Deletes an entity type with its permissions; `false` when there was none. A row that makes no sense can be deleted
    /// too.
    ///
    /// # Errors
    /// [`StorageError::InUse`] while there are entities of it ([`ReadTransaction::count_entities_of_type`]), and failures
    /// of the database.
    pub fn delete_entity_type(&mut self, id: EntityTypeId) -> Result<bool, StorageError> {
        self.delete_permissions_of_entity_type(id)?;
        self.delete_key_references(KeyOwner::EntityType, &id.to_string())?;
        let row: Option<Row> = self.run_referring(StorageError::InUse(Entity::EntityType), |connection| {
            diesel::delete(entity_type::table.find(id.to_string()))
                .returning(entity_type::all_columns)
                .get_result(connection)
                .optional()
        })?;
        let Some(row) = row else { return Ok(false) };
        let before = EntityType::try_from(row)
            .map_or_else(|error| json!({ "corrupt": error.to_string() }), |found| entity_type_json(&found));
        self.record_entity_type(id, Some(before), None)?;
        Ok(true)
    }

    fn record_entity_type(
        &mut self,
        id: EntityTypeId,
        before: Option<Value>,
        after: Option<Value>,
    ) -> Result<(), StorageError> {
        let (entity, entity_id) = (Entity::EntityType, id.to_string());
        self.record(Record { entity, entity_id, tenant_id: None, before, after, ended_digests: Vec::new() })
    }
}

/// What a change row says of an object beside its members: `data` is left out, because nobody has looked into it, and only
/// whether it has changed is told.
pub(crate) fn with_data_changed(mut after: Value, changed: bool) -> Value {
    if let Some(members) = after.as_object_mut() {
        members.insert(String::from("dataChanged"), Value::from(changed));
    }
    after
}

fn entity_type_json(entity_type: &EntityType) -> Value {
    let verification: Vec<_> =
        entity_type.jwt.access_token_verification_key_ids.iter().map(KeyId::to_string).collect();
    json!({
        "id": entity_type.id.to_string(),
        "revision": entity_type.revision.number(),
        "name": entity_type.name.as_str(),
        "jwtEnabled": entity_type.jwt.enabled,
        "accessTokenKeyId": entity_type.jwt.access_token_key_id.map(|id| id.to_string()),
        "accessTokenVerificationKeyIds": verification,
        "timeToLiveInSeconds": entity_type.jwt.time_to_live_in_seconds,
        "insertInstant": entity_type.insert_instant.epoch_millis(),
        "lastUpdateInstant": entity_type.last_update_instant.epoch_millis(),
    })
}

/// The column `data`.
pub(crate) fn data_text(data: Option<&KeptDocument>) -> Option<String> {
    data.map(|data| data.as_json().to_owned())
}

impl From<&EntityType> for Row {
    fn from(entity_type: &EntityType) -> Self {
        Self {
            id: entity_type.id.to_string(),
            revision: entity_type.revision.number(),
            name: entity_type.name.as_str().to_owned(),
            name_folded: entity_type.name.folded(),
            jwt_enabled: entity_type.jwt.enabled,
            access_token_key_id: entity_type.jwt.access_token_key_id.map(|id| id.to_string()),
            access_token_verification_key_ids: ids_text(&entity_type.jwt.access_token_verification_key_ids),
            time_to_live_in_seconds: entity_type.jwt.time_to_live_in_seconds,
            data: data_text(entity_type.data.as_ref()),
            insert_instant: entity_type.insert_instant.epoch_millis(),
            last_update_instant: entity_type.last_update_instant.epoch_millis(),
        }
    }
}

impl TryFrom<Row> for EntityType {
    type Error = StorageError;

    fn try_from(row: Row) -> Result<Self, StorageError> {
        let id = row.id;
        let bad = |reason: &str| corrupt(Entity::EntityType, &id, reason);
        let access_token_key_id = row.access_token_key_id.map(|text| text.parse()).transpose();
        Ok(Self {
            id: id.parse().map_err(|_| bad("id"))?,
            revision: Revision::from_number(row.revision),
            name: Name::try_from(row.name).map_err(|_| bad("name"))?,
            jwt: EntityTypeJwtConfiguration {
                enabled: row.jwt_enabled,
                access_token_key_id: access_token_key_id.map_err(|_| bad("access token key id"))?,
                access_token_verification_key_ids: ids_from_text(&row.access_token_verification_key_ids)
                    .ok_or_else(|| bad("access token verification key ids"))?,
                time_to_live_in_seconds: row.time_to_live_in_seconds,
            },
            data: row.data.map(KeptDocument::from_json),
            insert_instant: Instant::from_epoch_millis(row.insert_instant),
            last_update_instant: Instant::from_epoch_millis(row.last_update_instant),
        })
    }
}

#[cfg(all(test, feature = "sqlite"))]
mod tests {
    use claviger_domain::SortColumn;

    use super::*;
    use crate::key_search::tests::{migrated, plan};

    #[test]
    fn searches_read_an_index_and_no_rows() {
        let (_directory, mut connection) = migrated().unwrap();
        for name in [None, Some(NamePattern::parse("x"))] {
            let filter = EntityTypeSearch { name, ..EntityTypeSearch::default() };
            let counted = plan(&mut connection, matching(&filter).count()).unwrap();
            assert!(counted.contains("COVERING INDEX"), "{counted}");
            for &column in EntityTypeColumn::ALL {
                for descending in [false, true] {
                    let order = vec![Order { column, descending }];
                    let search = EntityTypeSearch { order, ..filter.clone() };
                    let found = plan(&mut connection, page_of_ids(&search)).unwrap();
                    assert!(found.contains("COVERING INDEX"), "{search:?}: {found}");
                }
            }
        }
    }
}
