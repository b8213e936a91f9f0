//! Roles: create, list, read, replace, delete. They belong to the instance as a whole, and nobody writes into a role what
//! they do not hold themselves, so that no role can widen itself.

use std::sync::Arc;

use claviger_authz::CompiledPermissions;
use claviger_domain::{ApiKey, Permissions, Revision, Role, RoleId, RoleName, RolePermission, TenantScope};
use claviger_storage::{Entity, ReadTransaction, StorageError, TxError};

use super::fusion_api_key::ADMIN;
use super::power::Power;
use super::{id_bytes, write};
use crate::error::{ApiError, FusionError};
use crate::gate::{Caller, Refusal};
use crate::state::AppState;
use crate::wire::errors::FusionCode;

/// What a caller says about a role.
#[derive(Debug, Clone)]
pub(crate) struct RoleFields {
    pub(crate) name: RoleName,
    pub(crate) desc: Option<String>,
    pub(crate) permissions: Vec<RolePermission>,
    pub(crate) ui_permissions: Vec<String>,
}

/// Makes a role.
pub(crate) fn create(state: &AppState, caller: &Arc<Caller>, fields: RoleFields) -> Result<Role, ApiError> {
    let now = state.now();
    let role = Role {
        id: RoleId::from_random_bytes(id_bytes(&mut state.random())?),
        revision: Revision::FIRST,
        name: fields.name,
        desc: fields.desc,
        permissions: fields.permissions,
        ui_permissions: fields.ui_permissions,
        insert_instant: now,
        last_update_instant: now,
    };
    let owner = Arc::clone(caller);
    write(state, caller, now, move |tx| {
        require_held(&owner, &role.permissions)?;
        require_free(tx, &role)?;
        tx.insert_role(&role)?;
        Ok(role.clone())
    })
}

/// Every role, or those whose names contain a text.
pub(crate) fn retrieve_all(state: &AppState, name_contains: Option<&str>) -> Result<Vec<Role>, ApiError> {
    Ok(state.store.read::<_, ApiError>(|tx| Ok(tx.roles(name_contains)?))?)
}

/// Reads a role.
pub(crate) fn retrieve(state: &AppState, id: RoleId) -> Result<Role, ApiError> {
    state.store.read::<_, ApiError>(|tx| Ok(tx.find_role(id)?))?.ok_or(ApiError::NotFound)
}

/// Replaces a role. The caller must hold what it allows now and what it will allow: taking power from the keys of others is
/// as much a matter of those above them as giving it.
pub(crate) fn update(
    state: &AppState,
    caller: &Arc<Caller>,
    id: RoleId,
    fields: RoleFields,
) -> Result<Role, ApiError> {
    let (now, admin_keys) = (state.now(), state.fusion_admin_keys);
    let owner = Arc::clone(caller);
    write(state, caller, now, move |tx| {
        let stored = changeable(tx, &owner, id)?;
        require_held(&owner, &fields.permissions)?;
        let fields = fields.clone();
        let role = Role {
            name: fields.name,
            desc: fields.desc,
            permissions: fields.permissions,
            ui_permissions: fields.ui_permissions,
            last_update_instant: now,
            ..stored
        };
        require_free(tx, &role)?;
        let others = if admin_keys { Vec::new() } else { keys_that_manage_nothing(tx, &role.name)? };
        let role = tx.update_role(&role).map_err(in_use)?;
        for api_key in others {
            if Power::of(tx, &api_key)?.key_manager {
                let message = "A key that has this role would get to do everything.";
                return Err(TxError::Abort(FusionError::new(FusionCode::AdminKeyNotAllowed, message).into()));
            }
        }
        Ok(role)
    })
}

/// The keys with this role that do not manage others: where no key may be made that does, none may become one through its
/// roles either.
fn keys_that_manage_nothing(
    tx: &mut ReadTransaction<'_>,
    role: &RoleName,
) -> Result<Vec<ApiKey>, StorageError> {
    let mut keys = Vec::new();
    for api_key in tx.list_api_keys(TenantScope::All)? {
        let has_role = matches!(&api_key.permissions, Permissions::Roles(names) if names.contains(role));
        if has_role && !Power::of(tx, &api_key)?.key_manager {
            keys.push(api_key);
        }
    }
    Ok(keys)
}

/// Deletes a role that no key has.
pub(crate) fn delete(state: &AppState, caller: &Arc<Caller>, id: RoleId) -> Result<(), ApiError> {
    let owner = Arc::clone(caller);
    write(state, caller, state.now(), move |tx| {
        changeable(tx, &owner, id)?;
        if tx.delete_role(id).map_err(in_use)? { Ok(()) } else { Err(TxError::Abort(ApiError::NotFound)) }
    })
}

/// The role with this id, if the caller may change it.
fn changeable(tx: &mut ReadTransaction<'_>, caller: &Caller, id: RoleId) -> Result<Role, TxError<ApiError>> {
    let role = tx.find_role(id)?.ok_or(TxError::Abort(ApiError::NotFound))?;
    if role.name.as_str() == ADMIN {
        let message = "The role admin can be neither changed nor deleted.";
        return Err(TxError::Abort(FusionError::new(FusionCode::ProtectedRole, message).into()));
    }
    require_held(caller, &role.permissions)?;
    Ok(role)
}

fn require_held(caller: &Caller, permissions: &[RolePermission]) -> Result<(), TxError<ApiError>> {
    if caller.access().permissions.covers(&CompiledPermissions::of_roles(permissions)) {
        Ok(())
    } else {
        Err(TxError::Abort(ApiError::Refused(Refusal::ObjectNotCovered(caller.api_key_id()))))
    }
}

fn require_free(tx: &mut ReadTransaction<'_>, role: &Role) -> Result<(), TxError<ApiError>> {
    let taken = tx.roles_named(std::slice::from_ref(&role.name))?;
    if taken.iter().all(|other| other.id == role.id) {
        Ok(())
    } else {
        let message = format!("A role with the name {} exists already.", role.name);
        Err(TxError::Abort(FusionError::new(FusionCode::AlreadyExists, message).into()))
    }
}

fn in_use(error: StorageError) -> TxError<ApiError> {
    match error {
        StorageError::InUse(Entity::Role) => {
            let message = "API keys have this role: it can be neither renamed nor deleted.";
            TxError::Abort(FusionError::new(FusionCode::InUse, message).into())
        }
        error => TxError::Storage(error),
    }
}
