//! Tenants: create, read, replace, delete.

use std::sync::Arc;

use claviger_domain::{
    ChangeContext, KeptDocument, KeyOwner, Name, Revision, Tenant, TenantId, TenantJwtConfiguration,
    TenantScope, TenantState, Violation, Violations, codes,
};
use claviger_storage::{Entity, ReadTransaction, StorageError, TxError};

use super::{id_bytes, write};
use crate::error::ApiError;
use crate::gate::{Caller, Refusal};
use crate::state::AppState;

/// API keys of a deleted tenant go in groups of this size, so that no transaction grows without bound.
const DELETE_AT_ONCE: usize = 500;

/// What a caller may say about a tenant.
#[derive(Debug, Clone)]
pub(crate) struct TenantFields {
    pub(crate) name: Name,
    pub(crate) issuer: String,
    pub(crate) jwt: TenantJwtConfiguration,
    pub(crate) kept: KeptDocument,
}

/// Refuses callers that are confined to one tenant: they make no others.
pub(crate) fn require_all_tenants(caller: &Caller) -> Result<(), ApiError> {
    match caller.scope() {
        TenantScope::All => Ok(()),
        TenantScope::One(_) => Err(ApiError::Refused(Refusal::ScopeTooNarrow(caller.api_key_id()))),
    }
}

/// Makes a tenant. Callers confined to one tenant are refused.
pub(crate) fn create(
    state: &AppState,
    caller: &Arc<Caller>,
    id: Option<TenantId>,
    fields: TenantFields,
) -> Result<Tenant, ApiError> {
    require_all_tenants(caller)?;
    let now = state.now();
    let id = match id {
        Some(id) => id,
        None => TenantId::from_random_bytes(id_bytes(&mut state.random())?),
    };
    let default_tenant_id = state.default_tenant_id;
    let tenant = write(state, caller, now, move |tx| {
        let fields = complete(tx, fields.clone(), default_tenant_id)?;
        let tenant = Tenant {
            id,
            revision: Revision::FIRST,
            name: fields.name,
            issuer: fields.issuer,
            jwt: fields.jwt,
            kept: fields.kept,
            state: TenantState::Active,
            insert_instant: now,
            last_update_instant: now,
        };
        tx.insert_tenant(&tenant)?;
        Ok(tenant)
    })?;
    Ok(tenant)
}

/// Fills in the keys that the request leaves open from the default tenant, and checks those that it names.
fn complete(
    tx: &mut ReadTransaction<'_>,
    mut fields: TenantFields,
    default_tenant_id: TenantId,
) -> Result<TenantFields, TxError<ApiError>> {
    let jwt = &mut fields.jwt;
    if (jwt.access_token_key_id.is_none() || jwt.id_token_key_id.is_none())
        && let Some(default) = tx.find_tenant(default_tenant_id, TenantScope::All)?
    {
        jwt.access_token_key_id = jwt.access_token_key_id.or(default.jwt.access_token_key_id);
        jwt.id_token_key_id = jwt.id_token_key_id.or(default.jwt.id_token_key_id);
    }
    let mut violations = Violations::none();
    for place in KeyOwner::Tenant.places() {
        for id in jwt.key_ids(place.usage) {
            if !tx.find_key(*id)?.is_some_and(|key| place.usage.accepts(&key)) {
                let path = format!("tenant.{}", place.property);
                violations.push(Violation::at(&codes::TENANT_KEY_INVALID, path));
            }
        }
    }
    violations.into_result(fields).map_err(|violations| TxError::Abort(violations.into()))
}

/// Reads one tenant.
pub(crate) fn retrieve(state: &AppState, caller: &Caller, id: TenantId) -> Result<Tenant, ApiError> {
    let scope = caller.scope();
    state.store.read::<_, ApiError>(|tx| Ok(tx.find_tenant(id, scope)?))?.ok_or(ApiError::NotFound)
}

/// Reads every tenant within reach, sorted by name.
pub(crate) fn retrieve_all(state: &AppState, caller: &Caller) -> Result<Vec<Tenant>, ApiError> {
    let scope = caller.scope();
    Ok(state.store.read::<_, ApiError>(|tx| Ok(tx.tenants(scope)?))?)
}

/// Replaces a tenant.
pub(crate) fn update(
    state: &AppState,
    caller: &Arc<Caller>,
    id: TenantId,
    fields: TenantFields,
) -> Result<Tenant, ApiError> {
    let now = state.now();
    let scope = caller.scope();
    let default_tenant_id = state.default_tenant_id;
    let tenant = write(state, caller, now, move |tx| {
        let stored = tx.find_tenant(id, scope)?.ok_or(TxError::Abort(ApiError::NotFound))?;
        if stored.state == TenantState::PendingDelete {
            return Err(TxError::Abort((&codes::TENANT_ID_PENDING_DELETE).into()));
        }
        let fields = complete(tx, fields.clone(), default_tenant_id)?;
        let changed = Tenant {
            name: fields.name,
            issuer: fields.issuer,
            jwt: fields.jwt,
            kept: fields.kept,
            last_update_instant: now,
            ..stored
        };
        Ok(tx.update_tenant(&changed)?)
    })?;
    Ok(tenant)
}

/// Deletes a tenant with its API keys, which are refused from the first step on. A deletion that was cut off, for instance
/// because the database went away, is continued.
pub(crate) fn delete(state: &AppState, caller: &Arc<Caller>, id: TenantId) -> Result<(), ApiError> {
    if id == state.default_tenant_id {
        let scope = caller.scope();
        // Callers of other tenants must not learn which one is the default.
        return Err(match scope.contains(Some(id)) {
            true => (&codes::TENANT_ID_NOT_ALLOWED).into(),
            false => ApiError::NotFound,
        });
    }
    let now = state.now();
    let context = caller.change_context(now);
    let scope = caller.scope();
    write(state, caller, now, move |tx| {
        let stored = tx.find_tenant(id, scope)?.ok_or(TxError::Abort(ApiError::NotFound))?;
        if stored.state != TenantState::PendingDelete {
            tx.update_tenant(&Tenant {
                state: TenantState::PendingDelete,
                last_update_instant: now,
                ..stored
            })?;
        }
        Ok(())
    })?;
    finish_delete(state, &context, id)
}

/// Removes what a tenant that is `PendingDelete` owns, then the tenant. Stopped in the middle, it is finished at the next
/// start.
pub(crate) fn finish_delete(state: &AppState, context: &ChangeContext, id: TenantId) -> Result<(), ApiError> {
    loop {
        let step = state.store.write::<_, ApiError, _>(context, move |tx| {
            if tx.delete_api_keys_of_tenant(id, DELETE_AT_ONCE)? > 0 {
                return Ok(true);
            }
            tx.delete_tenant(id)?;
            Ok(false)
        });
        match step {
            Ok(true) => {}
            // A key was made by a request that saw the tenant before it was marked. There cannot be many of those.
            Err(TxError::Storage(StorageError::InUse(Entity::Tenant))) => {}
            Ok(false) => return Ok(()),
            Err(error) => return Err(error.into()),
        }
    }
}
