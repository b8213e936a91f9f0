//! Permissions of entity types: create, change, delete. Types are those of every tenant, and so are their permissions: only
//! API keys without a tenant come here, though the catalogue would let others through.

use std::sync::Arc;

use claviger_domain::{
    EntityTypeId, EntityTypePermission, EntityTypePermissionId, KeptDocument,
    MAXIMUM_ENTITY_TYPE_PERMISSIONS, Name, Revision, Violations, codes,
};
use claviger_storage::TxError;

use super::{id_bytes, write};
use crate::error::ApiError;
use crate::gate::{Caller, Refusal};
use crate::state::AppState;

/// What a caller may say about a permission.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PermissionFields {
    /// Needed for a new one; the name of another one can be repeated, but not changed.
    pub(crate) name: Option<Name>,
    pub(crate) description: Option<String>,
    pub(crate) is_default: bool,
    pub(crate) data: Option<KeptDocument>,
}

/// Refuses API keys that belong to a tenant.
///
/// # Errors
/// [`ApiError::Refused`].
pub(crate) fn require_global_key(caller: &Caller) -> Result<(), ApiError> {
    if caller.is_confined() {
        return Err(ApiError::Refused(Refusal::ScopeTooNarrow(caller.api_key_id())));
    }
    Ok(())
}

/// Makes a permission of a type, with this id or a random one.
pub(crate) fn create(
    state: &AppState,
    caller: &Arc<Caller>,
    entity_type_id: EntityTypeId,
    id: Option<EntityTypePermissionId>,
    fields: PermissionFields,
) -> Result<EntityTypePermission, ApiError> {
    require_global_key(caller)?;
    let now = state.now();
    let id = match id {
        Some(id) => id,
        None => EntityTypePermissionId::from_random_bytes(id_bytes(&mut state.random())?),
    };
    let permission = EntityTypePermission {
        id,
        revision: Revision::FIRST,
        entity_type_id,
        name: fields.name.ok_or(ApiError::from(&codes::PERMISSION_NAME_BLANK))?,
        description: fields.description,
        is_default: fields.is_default,
        data: fields.data,
        insert_instant: now,
        last_update_instant: now,
    };
    write(state, caller, now, move |tx| {
        tx.find_entity_type(entity_type_id)?.ok_or(TxError::Abort(ApiError::NotFound))?;
        if tx.permissions_of_entity_type(entity_type_id)?.len() >= MAXIMUM_ENTITY_TYPE_PERMISSIONS {
            return Err(TxError::Abort((&codes::PERMISSIONS_TOO_MANY).into()));
        }
        tx.insert_entity_type_permission(&permission)?;
        Ok(permission.clone())
    })
}

/// Changes a permission: `compute` makes the new fields from the stored one, and may be called again when another change
/// came first.
pub(crate) fn update(
    state: &AppState,
    caller: &Arc<Caller>,
    (entity_type_id, id): (EntityTypeId, EntityTypePermissionId),
    compute: impl Fn(&EntityTypePermission) -> Result<PermissionFields, Violations> + Send + 'static,
) -> Result<EntityTypePermission, ApiError> {
    require_global_key(caller)?;
    let now = state.now();
    write(state, caller, now, move |tx| {
        let stored = tx.find_entity_type_permission(entity_type_id, id)?;
        let stored = stored.ok_or(TxError::Abort(ApiError::NotFound))?;
        let fields = compute(&stored).map_err(|violations| TxError::Abort(violations.into()))?;
        if fields.name.is_some_and(|name| name != stored.name) {
            return Err(TxError::Abort((&codes::PERMISSION_NAME_NOT_ALLOWED).into()));
        }
        let changed = EntityTypePermission {
            description: fields.description,
            is_default: fields.is_default,
            data: fields.data,
            last_update_instant: now,
            ..stored
        };
        Ok(tx.update_entity_type_permission(&changed)?)
    })
}

/// How a request names a permission of a type.
#[derive(Debug, Clone)]
pub(crate) enum PermissionReference {
    Id(EntityTypePermissionId),
    Name(String),
}

/// Deletes a permission, and takes it out of every grant.
pub(crate) fn delete(
    state: &AppState,
    caller: &Arc<Caller>,
    entity_type_id: EntityTypeId,
    reference: PermissionReference,
) -> Result<(), ApiError> {
    require_global_key(caller)?;
    write(state, caller, state.now(), move |tx| {
        let id = match &reference {
            PermissionReference::Id(id) => Some(*id),
            PermissionReference::Name(name) => tx
                .permissions_of_entity_type(entity_type_id)?
                .into_iter()
                .find(|permission| permission.name.as_str() == name)
                .map(|permission| permission.id),
        };
        let deleted = match id {
            Some(id) => tx.delete_entity_type_permission(entity_type_id, id)?,
            None => false,
        };
        if deleted { Ok(()) } else { Err(TxError::Abort(ApiError::NotFound)) }
    })
}
