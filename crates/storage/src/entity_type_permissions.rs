//! Permissions of entity types: rows, conversions, queries.

use std::collections::HashMap;

use claviger_domain::{
    EntityTypeId, EntityTypePermission, EntityTypePermissionId, Instant, KeptDocument, Name, Revision,
};
use diesel::prelude::*;
use serde_json::{Value, json};

use crate::changes::Record;
use crate::entity_types::{data_text, with_data_changed};
use crate::schema::entity_type_permission as permission;
use crate::search::ROWS_AT_ONCE;
use crate::transaction::corrupt;
use crate::{Entity, ReadTransaction, StorageError, WriteTransaction};

#[derive(Queryable, Insertable, AsChangeset)]
#[diesel(table_name = permission, treat_none_as_null = true)]
struct Row {
    id: String,
    revision: i64,
    entity_type_id: String,
    name: String,
    description: Option<String>,
    is_default: bool,
    data: Option<String>,
    insert_instant: i64,
    last_update_instant: i64,
}

impl ReadTransaction<'_> {
    /// The permission with this id, if it belongs to this entity type.
    ///
    /// # Errors
    /// [`StorageError::Corrupt`] when its row makes no sense; [`StorageError::Unavailable`] and the like.
    pub fn find_entity_type_permission(
        &mut self,
        entity_type_id: EntityTypeId,
        id: EntityTypePermissionId,
    ) -> Result<Option<EntityTypePermission>, StorageError> {
        let own = permission::entity_type_id.eq(entity_type_id.to_string());
        let query = permission::table.filter(permission::id.eq(id.to_string()).and(own));
        let row: Option<Row> = self.run(|connection| query.first(connection).optional())?;
        row.map(EntityTypePermission::try_from).transpose()
    }

    /// The permissions of one entity type, sorted by name (by its bytes in UTF-8).
    ///
    /// # Errors
    /// As [`Self::find_entity_type_permission`].
    pub fn permissions_of_entity_type(
        &mut self,
        id: EntityTypeId,
    ) -> Result<Vec<EntityTypePermission>, StorageError> {
        Ok(self.permissions_of_entity_types(&[id])?.remove(&id).unwrap_or_default())
    }

    /// The permissions of these entity types, sorted by name (by its bytes in UTF-8); types without any are left out.
    ///
    /// # Errors
    /// As [`Self::find_entity_type_permission`].
    pub fn permissions_of_entity_types(
        &mut self,
        ids: &[EntityTypeId],
    ) -> Result<HashMap<EntityTypeId, Vec<EntityTypePermission>>, StorageError> {
        let ids: Vec<String> = ids.iter().map(ToString::to_string).collect();
        let mut found: HashMap<_, Vec<_>> = HashMap::new();
        for ids in ids.chunks(ROWS_AT_ONCE) {
            let query =
                permission::table.filter(permission::entity_type_id.eq_any(ids)).order(permission::name);
            let rows: Vec<Row> = self.run(|connection| query.load(connection))?;
            for row in rows {
                let permission = EntityTypePermission::try_from(row)?;
                found.entry(permission.entity_type_id).or_default().push(permission);
            }
        }
        Ok(found)
    }
}

impl WriteTransaction<'_> {
    /// Stores a new permission of an entity type, at the revision that it carries.
    ///
    /// # Errors
    /// [`StorageError::Conflict`] in id or name, [`StorageError::MissingReference`] to the type, and failures of the
    /// database.
    pub fn insert_entity_type_permission(
        &mut self,
        permission: &EntityTypePermission,
    ) -> Result<(), StorageError> {
        let row = Row::from(permission);
        self.run_referring(StorageError::MissingReference(Entity::EntityType), |connection| {
            diesel::insert_into(permission::table).values(row).execute(connection)
        })?;
        self.record_permission(permission.id, None, Some(permission_json(permission)))
    }

    /// Replaces a permission by its new state, which carries the revision at which the old one was read, and returns it at
    /// the next revision. Type, name and the instant of insertion stay.
    ///
    /// # Errors
    /// [`StorageError::Stale`] when the stored revision is another or the permission is gone, and failures of the database.
    pub fn update_entity_type_permission(
        &mut self,
        permission: &EntityTypePermission,
    ) -> Result<EntityTypePermission, StorageError> {
        let before = self
            .find_entity_type_permission(permission.entity_type_id, permission.id)?
            .filter(|before| before.revision == permission.revision)
            .ok_or(StorageError::Stale)?;
        let after = EntityTypePermission {
            revision: before.revision.next(),
            name: before.name.clone(),
            insert_instant: before.insert_instant,
            ..permission.clone()
        };
        let row = Row::from(&after);
        let same =
            permission::id.eq(after.id.to_string()).and(permission::revision.eq(before.revision.number()));
        let updated = self
            .run(|connection| diesel::update(permission::table.filter(same)).set(row).execute(connection))?;
        if updated == 0 {
            return Err(StorageError::Stale);
        }
        let after_json = with_data_changed(permission_json(&after), before.data != after.data);
        self.record_permission(after.id, Some(permission_json(&before)), Some(after_json))?;
        Ok(after)
    }

    /// Deletes a permission of an entity type, and with it takes it out of every grant; `false` when the type had no such
    /// permission. A row that makes no sense can be deleted too.
    ///
    /// # Errors
    /// Failures of the database.
    pub fn delete_entity_type_permission(
        &mut self,
        entity_type_id: EntityTypeId,
        id: EntityTypePermissionId,
    ) -> Result<bool, StorageError> {
        let own = permission::entity_type_id.eq(entity_type_id.to_string());
        let query = permission::table.filter(permission::id.eq(id.to_string()).and(own));
        let row: Option<Row> = self.run(|connection| {
            diesel::delete(query).returning(permission::all_columns).get_result(connection).optional()
        })?;
        let Some(row) = row else { return Ok(false) };
        let before = EntityTypePermission::try_from(row)
            .map_or_else(|error| json!({ "corrupt": error.to_string() }), |found| permission_json(&found));
        self.record_permission(id, Some(before), None)?;
        Ok(true)
    }

    /// Deletes all permissions of an entity type, one change for each.
    pub(crate) fn delete_permissions_of_entity_type(&mut self, id: EntityTypeId) -> Result<(), StorageError> {
        let query = permission::table
            .filter(permission::entity_type_id.eq(id.to_string()))
            .order(permission::name)
            .select(permission::id);
        let ids: Vec<String> = self.run(|connection| query.load(connection))?;
        for text in ids {
            let permission_id =
                text.parse().map_err(|_| corrupt(Entity::EntityTypePermission, &text, "id"))?;
            self.delete_entity_type_permission(id, permission_id)?;
        }
        Ok(())
    }

    fn record_permission(
        &mut self,
        id: EntityTypePermissionId,
        before: Option<Value>,
        after: Option<Value>,
    ) -> Result<(), StorageError> {
        let (entity, entity_id) = (Entity::EntityTypePermission, id.to_string());
        self.record(Record { entity, entity_id, tenant_id: None, before, after, ended_digests: Vec::new() })
    }
}

fn permission_json(permission: &EntityTypePermission) -> Value {
    json!({
        "id": permission.id.to_string(),
        "revision": permission.revision.number(),
        "entityTypeId": permission.entity_type_id.to_string(),
        "name": permission.name.as_str(),
        "description": permission.description,
        "isDefault": permission.is_default,
        "insertInstant": permission.insert_instant.epoch_millis(),
        "lastUpdateInstant": permission.last_update_instant.epoch_millis(),
    })
}

impl From<&EntityTypePermission> for Row {
    fn from(permission: &EntityTypePermission) -> Self {
        Self {
            id: permission.id.to_string(),
            revision: permission.revision.number(),
            entity_type_id: permission.entity_type_id.to_string(),
            name: permission.name.as_str().to_owned(),
            description: permission.description.clone(),
            is_default: permission.is_default,
            data: data_text(permission.data.as_ref()),
            insert_instant: permission.insert_instant.epoch_millis(),
            last_update_instant: permission.last_update_instant.epoch_millis(),
        }
    }
}

impl TryFrom<Row> for EntityTypePermission {
    type Error = StorageError;

    fn try_from(row: Row) -> Result<Self, StorageError> {
        let id = row.id;
        let bad = |reason: &str| corrupt(Entity::EntityTypePermission, &id, reason);
        Ok(Self {
            id: id.parse().map_err(|_| bad("id"))?,
            revision: Revision::from_number(row.revision),
            entity_type_id: row.entity_type_id.parse().map_err(|_| bad("entity type id"))?,
            name: Name::try_from(row.name).map_err(|_| bad("name"))?,
            description: row.description,
            is_default: row.is_default,
            data: row.data.map(KeptDocument::from_json),
            insert_instant: Instant::from_epoch_millis(row.insert_instant),
            last_update_instant: Instant::from_epoch_millis(row.last_update_instant),
        })
    }
}
