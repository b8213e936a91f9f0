//! Tenants: create, copy, read, search, change, delete.

use std::sync::Arc;

use claviger_domain::{
    ChangeContext, KeptDocument, KeyId, KeyOwner, Name, Revision, Tenant, TenantId, TenantJwtConfiguration,
    TenantScope, TenantSearch, TenantState, Violation, Violations, codes,
};
use claviger_storage::{Entity, ReadTransaction, StorageError, TenantPage, TxError};

use super::{id_bytes, write};
use crate::error::ApiError;
use crate::gate::{Caller, Refusal};
use crate::state::AppState;

/// What a deleted tenant owns goes in groups of this size, each of which takes a few milliseconds.
const DELETE_AT_ONCE: usize = 50;

/// What a caller may say about a tenant.
#[derive(Debug, Clone)]
pub(crate) struct TenantFields {
    pub(crate) name: Name,
    pub(crate) issuer: String,
    pub(crate) jwt: TenantJwtConfiguration,
    pub(crate) kept: KeptDocument,
}

/// A new tenant with everything from another one.
#[derive(Debug, Clone)]
pub(crate) struct CopyTenant {
    pub(crate) source_id: TenantId,
    pub(crate) name: Name,
}

/// One of the two ways to a new tenant.
#[derive(Debug, Clone)]
pub(crate) enum NewTenant {
    Create(TenantFields),
    Copy(CopyTenant),
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
    command: NewTenant,
) -> Result<Tenant, ApiError> {
    require_all_tenants(caller)?;
    let now = state.now();
    let id = match id {
        Some(id) => id,
        None => TenantId::from_random_bytes(id_bytes(&mut state.random())?),
    };
    let default_tenant_id = state.default_tenant_id;
    let tenant = write(state, caller, now, move |tx| {
        let fields = match command.clone() {
            NewTenant::Create(fields) => {
                let defaults = tx.find_tenant(default_tenant_id, TenantScope::All)?.map(|tenant| tenant.jwt);
                complete(tx, fields, defaults.as_ref())?
            }
            NewTenant::Copy(copy) => {
                let source = tx
                    .find_tenant(copy.source_id, TenantScope::All)?
                    .filter(|source| source.state == TenantState::Active)
                    .ok_or(TxError::Abort((&codes::TENANT_SOURCE_INVALID).into()))?;
                let Tenant { issuer, jwt, kept, .. } = source;
                TenantFields { name: copy.name, issuer, jwt, kept }
            }
        };
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

/// Fills in the keys that the request leaves open, and checks those that it names.
fn complete(
    tx: &mut ReadTransaction<'_>,
    mut fields: TenantFields,
    defaults: Option<&TenantJwtConfiguration>,
) -> Result<TenantFields, TxError<ApiError>> {
    let jwt = &mut fields.jwt;
    if let Some(defaults) = defaults {
        jwt.access_token_key_id = jwt.access_token_key_id.or(defaults.access_token_key_id);
        jwt.id_token_key_id = jwt.id_token_key_id.or(defaults.id_token_key_id);
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

/// Refuses keys that the tenant did not name before. Keys are of the whole instance and sign for other tenants as well:
/// whoever is confined to one tenant brings none into it, and makes none sign that only verified.
fn require_known_keys(
    before: &TenantJwtConfiguration,
    after: &TenantJwtConfiguration,
) -> Result<(), ApiError> {
    let mut violations = Violations::none();
    for place in KeyOwner::Tenant.places() {
        let known = |id: &KeyId| {
            KeyOwner::Tenant
                .places()
                .filter(|other| other.usage.signs() || !place.usage.signs())
                .any(|other| before.key_ids(other.usage).contains(id))
        };
        if !after.key_ids(place.usage).iter().all(known) {
            let path = format!("tenant.{}", place.property);
            violations.push(Violation::at(&codes::TENANT_KEY_NOT_AUTHORIZED, path));
        }
    }
    violations.into_result(()).map_err(ApiError::from)
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

/// A page of the tenants that match, with the number of all that do.
pub(crate) fn search(
    state: &AppState,
    _caller: &Caller,
    search: &TenantSearch,
) -> Result<TenantPage, ApiError> {
    Ok(state.store.read::<_, ApiError>(|tx| Ok(tx.search_tenants(search)?))?)
}

/// Changes a tenant: `compute` makes the new fields from the stored tenant, and may be called again when another change came
/// first.
pub(crate) fn update(
    state: &AppState,
    caller: &Arc<Caller>,
    id: TenantId,
    compute: impl Fn(&Tenant) -> Result<TenantFields, Violations> + Send + 'static,
) -> Result<Tenant, ApiError> {
    let now = state.now();
    let (scope, confined) = (caller.scope(), caller.is_confined());
    let default_tenant_id = state.default_tenant_id;
    let tenant = write(state, caller, now, move |tx| {
        let stored = tx.find_tenant(id, scope)?.ok_or(TxError::Abort(ApiError::NotFound))?;
        if stored.state == TenantState::PendingDelete {
            return Err(TxError::Abort((&codes::TENANT_ID_PENDING_DELETE).into()));
        }
        let fields = compute(&stored).map_err(|violations| TxError::Abort(violations.into()))?;
        let defaults = match confined {
            // What was left open stays as it is: the keys of the default tenant would be new ones.
            true => Some(stored.jwt.clone()),
            false => tx.find_tenant(default_tenant_id, TenantScope::All)?.map(|tenant| tenant.jwt),
        };
        let fields = complete(tx, fields, defaults.as_ref())?;
        if confined {
            // Whose tokens they are is told by issuer and key: neither is for the tenant alone to choose.
            if fields.issuer != stored.issuer {
                return Err(TxError::Abort((&codes::TENANT_ISSUER_NOT_AUTHORIZED).into()));
            }
            require_known_keys(&stored.jwt, &fields.jwt).map_err(TxError::Abort)?;
        }
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

/// Deletes a tenant with its API keys, which are refused from the first step on, its entities and their grants. It is done before this returns, or
/// behind the answer where the caller asks for that. What the database interrupts goes on behind the answer too.
pub(crate) fn delete(
    state: &AppState,
    caller: &Arc<Caller>,
    id: TenantId,
    asynchronous: bool,
) -> Result<(), ApiError> {
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
        if stored.state == TenantState::PendingDelete {
            return Err(TxError::Abort((&codes::TENANT_ID_PENDING_DELETE).into()));
        }
        tx.update_tenant(&Tenant { state: TenantState::PendingDelete, last_update_instant: now, ..stored })?;
        Ok(())
    })?;
    let end = state.tenant_deletions.add(id, context);
    // The handler waits on a blocking thread.
    if asynchronous { Ok(()) } else { end.wait() }
}

/// What a step of a deletion leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// There is more to delete.
    More,
    /// The tenant is gone.
    Last,
}

/// Removes some of what a tenant that is `PendingDelete` owns, or the tenant when nothing is left of that. It changes nothing
/// where the tenant is gone already.
pub(crate) fn delete_step(state: &AppState, context: &ChangeContext, id: TenantId) -> Result<Step, ApiError> {
    let step = state.store.write::<_, ApiError, _>(context, move |tx| {
        let mut left = DELETE_AT_ONCE;
        left -= tx.delete_api_keys_of_tenant(id, left)?;
        // Grants before the entities that they name.
        left -= tx.delete_grants_of_tenant(id, left)?;
        left -= tx.delete_entities_of_tenant(id, left)?;
        if left == 0 {
            return Ok(Step::More);
        }
        tx.delete_tenant(id)?;
        Ok(Step::Last)
    });
    match step {
        // A key, an entity or a grant was made by a request that saw the tenant before it was marked. There cannot be many of
        // those.
        Err(TxError::Storage(StorageError::InUse(Entity::Tenant | Entity::Entity))) => Ok(Step::More),
        other => Ok(other?),
    }
}
