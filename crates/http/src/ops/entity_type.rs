//! Entity types: create, read, search, change, delete. They belong to no tenant.

use std::collections::HashMap;
use std::sync::Arc;

use claviger_domain::{
    EntityType, EntityTypeId, EntityTypeJwtConfiguration, EntityTypePermission, EntityTypeSearch,
    KeptDocument, KeyOwner, Name, Revision, Violation, Violations, codes,
};
use claviger_storage::{ReadTransaction, StorageError, TxError};

use super::{id_bytes, write};
use crate::error::ApiError;
use crate::gate::Caller;
use crate::state::AppState;

/// What a caller may say about a type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct EntityTypeFields {
    pub(crate) name: Name,
    pub(crate) jwt: EntityTypeJwtConfiguration,
    pub(crate) data: Option<KeptDocument>,
}

/// A type with its permissions, sorted by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DescribedEntityType {
    pub(crate) entity_type: EntityType,
    pub(crate) permissions: Vec<EntityTypePermission>,
}

impl DescribedEntityType {
    /// The type with the permissions that it has in this transaction.
    ///
    /// # Errors
    /// Failures of the database.
    pub(super) fn of(tx: &mut ReadTransaction<'_>, entity_type: EntityType) -> Result<Self, StorageError> {
        let permissions = tx.permissions_of_entity_type(entity_type.id)?;
        Ok(Self { entity_type, permissions })
    }

    /// All of these with their permissions.
    fn all(tx: &mut ReadTransaction<'_>, types: Vec<EntityType>) -> Result<Vec<Self>, StorageError> {
        let ids: Vec<_> = types.iter().map(|entity_type| entity_type.id).collect();
        let mut permissions = tx.permissions_of_entity_types(&ids)?;
        let described = types.into_iter().map(|entity_type| {
            let permissions = permissions.remove(&entity_type.id).unwrap_or_default();
            Self { entity_type, permissions }
        });
        Ok(described.collect())
    }

    /// Those of the types with these ids that there are, with their permissions.
    ///
    /// # Errors
    /// Failures of the database.
    pub(super) fn by_ids(
        tx: &mut ReadTransaction<'_>,
        mut ids: Vec<EntityTypeId>,
    ) -> Result<HashMap<EntityTypeId, Self>, StorageError> {
        ids.sort_unstable();
        ids.dedup();
        let types = tx.entity_types_by_ids(&ids)?.into_values().collect();
        let described = Self::all(tx, types)?;
        Ok(described.into_iter().map(|described| (described.entity_type.id, described)).collect())
    }
}

/// Makes a type, with this id or a random one, and without permissions.
pub(crate) fn create(
    state: &AppState,
    caller: &Arc<Caller>,
    id: Option<EntityTypeId>,
    fields: EntityTypeFields,
) -> Result<DescribedEntityType, ApiError> {
    let now = state.now();
    let id = match id {
        Some(id) => id,
        None => EntityTypeId::from_random_bytes(id_bytes(&mut state.random())?),
    };
    let entity_type = EntityType {
        id,
        revision: Revision::FIRST,
        name: fields.name,
        jwt: fields.jwt,
        data: fields.data,
        insert_instant: now,
        last_update_instant: now,
    };
    write(state, caller, now, move |tx| {
        check_keys(tx, &entity_type.jwt)?;
        tx.insert_entity_type(&entity_type)?;
        Ok(DescribedEntityType { entity_type: entity_type.clone(), permissions: Vec::new() })
    })
}

/// Refuses keys that there are not, or that cannot do the work.
fn check_keys(
    tx: &mut ReadTransaction<'_>,
    jwt: &EntityTypeJwtConfiguration,
) -> Result<(), TxError<ApiError>> {
    let mut violations = Violations::none();
    for place in KeyOwner::EntityType.places() {
        for id in jwt.key_ids(place.usage) {
            if !tx.find_key(*id)?.is_some_and(|key| place.usage.accepts(&key)) {
                let path = format!("entityType.{}", place.property);
                violations.push(Violation::at(&codes::ENTITY_TYPE_KEY_INVALID, path));
            }
        }
    }
    violations.into_result(()).map_err(|violations| TxError::Abort(violations.into()))
}

/// Reads a type.
pub(crate) fn retrieve(
    state: &AppState,
    _caller: &Caller,
    id: EntityTypeId,
) -> Result<DescribedEntityType, ApiError> {
    let found = state.store.read::<_, ApiError>(|tx| {
        let Some(entity_type) = tx.find_entity_type(id)? else { return Ok(None) };
        Ok(Some(DescribedEntityType::of(tx, entity_type)?))
    })?;
    found.ok_or(ApiError::NotFound)
}

/// Reads every type, sorted by name.
pub(crate) fn retrieve_all(state: &AppState, _caller: &Caller) -> Result<Vec<DescribedEntityType>, ApiError> {
    let read = state.store.read::<_, ApiError>(|tx| {
        let types = tx.entity_types()?;
        Ok(DescribedEntityType::all(tx, types)?)
    });
    Ok(read?)
}

/// A page of the types that match, and the number of all that do.
pub(crate) fn search(
    state: &AppState,
    _caller: &Caller,
    search: &EntityTypeSearch,
) -> Result<(Vec<DescribedEntityType>, u64), ApiError> {
    let read = state.store.read::<_, ApiError>(|tx| {
        let page = tx.search_entity_types(search)?;
        Ok((DescribedEntityType::all(tx, page.entity_types)?, page.total))
    });
    Ok(read?)
}

/// Changes a type: `compute` makes the new fields from the stored type, and may be called again when another change came
/// first.
pub(crate) fn update(
    state: &AppState,
    caller: &Arc<Caller>,
    id: EntityTypeId,
    compute: impl Fn(&DescribedEntityType) -> Result<EntityTypeFields, Violations> + Send + 'static,
) -> Result<DescribedEntityType, ApiError> {
    let now = state.now();
    write(state, caller, now, move |tx| {
        let stored = tx.find_entity_type(id)?.ok_or(TxError::Abort(ApiError::NotFound))?;
        let stored = DescribedEntityType::of(tx, stored)?;
        let fields = compute(&stored).map_err(|violations| TxError::Abort(violations.into()))?;
        check_keys(tx, &fields.jwt)?;
        let changed = EntityType {
            name: fields.name,
            jwt: fields.jwt,
            data: fields.data,
            last_update_instant: now,
            ..stored.entity_type
        };
        let entity_type = tx.update_entity_type(&changed)?;
        Ok(DescribedEntityType { entity_type, permissions: stored.permissions })
    })
}

/// Deletes a type of which there are no entities, with its permissions.
pub(crate) fn delete(state: &AppState, caller: &Arc<Caller>, id: EntityTypeId) -> Result<(), ApiError> {
    write(state, caller, state.now(), move |tx| {
        let count = tx.count_entities_of_type(id)?;
        if count > 0 {
            let entities = if count == 1 { "entity" } else { "entities" };
            let message = format!("The entity type is in use by {count} {entities}.");
            let violation = Violation::new(&codes::ENTITY_TYPE_ID_IN_USE).with_message(message);
            return Err(TxError::Abort(violation.into()));
        }
        if tx.delete_entity_type(id)? { Ok(()) } else { Err(TxError::Abort(ApiError::NotFound)) }
    })
}
