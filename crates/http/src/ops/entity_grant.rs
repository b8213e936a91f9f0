//! Grants on entities: write, read, search, delete. Recipients are entities of the same tenant; there are no users yet.

use std::collections::HashMap;
use std::sync::Arc;

use claviger_domain::{
    Entity, EntityGrant, EntityGrantId, EntityGrantSearch, EntityId, EntityTypeId, KeptDocument, Name,
    Revision, TenantScope, codes,
};
use claviger_storage::{ReadTransaction, TxError};

use super::entity_type::DescribedEntityType;
use super::{entity, id_bytes, write};
use crate::error::ApiError;
use crate::gate::Caller;
use crate::state::AppState;

/// What a caller may say about a grant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct GrantFields {
    pub(crate) recipient_entity_id: EntityId,
    /// Sorted, each once. None: those that the type of the entity grants by default.
    pub(crate) permissions: Vec<Name>,
    pub(crate) data: Option<KeptDocument>,
}

/// A grant with the entity on which it is.
pub(crate) struct ShownGrant {
    pub(crate) grant: EntityGrant,
    pub(crate) entity: Entity,
    pub(crate) entity_type: DescribedEntityType,
}

/// Grants, the entities on which they are, and the types of these.
pub(crate) struct Grants {
    pub(crate) grants: Vec<EntityGrant>,
    pub(crate) entities: HashMap<EntityId, Entity>,
    pub(crate) types: HashMap<EntityTypeId, DescribedEntityType>,
}

/// Makes a grant on an entity, or replaces the one that the recipient has.
pub(crate) fn upsert(
    state: &AppState,
    caller: &Arc<Caller>,
    entity_id: EntityId,
    fields: GrantFields,
) -> Result<(), ApiError> {
    let now = state.now();
    let scope = caller.scope();
    let fresh_id = EntityGrantId::from_random_bytes(id_bytes(&mut state.random())?);
    write(state, caller, now, move |tx| {
        let entity = find_entity(tx, entity_id, scope)?;
        let within = TenantScope::One(entity.tenant_id);
        let recipient_entity_id = fields.recipient_entity_id;
        if tx.find_entity(recipient_entity_id, within)?.is_none() {
            return Err(TxError::Abort((&codes::GRANT_RECIPIENT_INVALID).into()));
        }
        let permissions = permissions(tx, &entity, &fields.permissions)?;
        let data = fields.data.clone();
        match tx.find_entity_grant(entity_id, recipient_entity_id, within)? {
            Some(stored) => {
                let changed = EntityGrant { permissions, data, last_update_instant: now, ..stored };
                tx.update_entity_grant(&changed)?;
            }
            None => tx.insert_entity_grant(&EntityGrant {
                id: fresh_id,
                revision: Revision::FIRST,
                tenant_id: entity.tenant_id,
                entity_id,
                recipient_entity_id,
                permissions,
                data,
                insert_instant: now,
                last_update_instant: now,
            })?,
        }
        Ok(())
    })
}

fn find_entity(
    tx: &mut ReadTransaction<'_>,
    id: EntityId,
    scope: TenantScope,
) -> Result<Entity, TxError<ApiError>> {
    let stored = tx.find_entity(id, scope)?.ok_or(TxError::Abort(ApiError::NotFound))?;
    Ok(stored.entity)
}

/// The permissions that are granted: those that are named, which the type of the entity must have, or its defaults.
fn permissions(
    tx: &mut ReadTransaction<'_>,
    entity: &Entity,
    named: &[Name],
) -> Result<Vec<Name>, TxError<ApiError>> {
    let known = tx.permissions_of_entity_type(entity.entity_type_id)?;
    if named.is_empty() {
        let defaults = known.into_iter().filter(|permission| permission.is_default);
        return Ok(defaults.map(|permission| permission.name).collect());
    }
    if named.iter().all(|name| known.iter().any(|permission| permission.name == *name)) {
        Ok(named.to_vec())
    } else {
        Err(TxError::Abort((&codes::GRANT_PERMISSIONS_INVALID).into()))
    }
}

/// Reads the grant of one recipient on an entity.
pub(crate) fn retrieve(
    state: &AppState,
    caller: &Caller,
    entity_id: EntityId,
    recipient_entity_id: EntityId,
) -> Result<ShownGrant, ApiError> {
    let scope = caller.scope();
    let read = state.store.read::<_, ApiError>(|tx| {
        let entity = find_entity(tx, entity_id, scope)?;
        let grant = tx.find_entity_grant(entity_id, recipient_entity_id, scope)?;
        let grant = grant.ok_or(TxError::Abort(ApiError::NotFound))?;
        let entity_type = entity::described(tx, &entity)?;
        Ok(ShownGrant { grant, entity, entity_type })
    });
    Ok(read?)
}

/// Reads every grant on an entity, sorted by the ids of the recipients.
pub(crate) fn retrieve_all(
    state: &AppState,
    caller: &Caller,
    entity_id: EntityId,
) -> Result<Grants, ApiError> {
    let scope = caller.scope();
    let read = state.store.read::<_, ApiError>(|tx| {
        let entity = find_entity(tx, entity_id, scope)?;
        let grants = tx.grants_on_entity(entity_id, scope)?;
        let types = DescribedEntityType::by_ids(tx, vec![entity.entity_type_id])?;
        Ok(Grants { grants, entities: HashMap::from([(entity_id, entity)]), types })
    });
    Ok(read?)
}

/// A page of the grants that match, and the number of all that do.
pub(crate) fn search(
    state: &AppState,
    caller: &Caller,
    search: &EntityGrantSearch,
) -> Result<(Grants, u64), ApiError> {
    let scope = caller.scope();
    let read = state.store.read::<_, ApiError>(|tx| {
        let page = tx.search_entity_grants(search, scope)?;
        let mut ids: Vec<_> = page.grants.iter().map(|grant| grant.entity_id).collect();
        ids.sort_unstable();
        ids.dedup();
        let entities = tx.entities_by_ids(&ids, scope)?;
        let types = entities.values().map(|entity| entity.entity_type_id).collect();
        let types = DescribedEntityType::by_ids(tx, types)?;
        Ok((Grants { grants: page.grants, entities, types }, page.total))
    });
    Ok(read?)
}

/// Deletes the grant of one recipient on an entity.
pub(crate) fn delete(
    state: &AppState,
    caller: &Arc<Caller>,
    entity_id: EntityId,
    recipient_entity_id: EntityId,
) -> Result<(), ApiError> {
    let scope = caller.scope();
    write(state, caller, state.now(), move |tx| {
        if tx.delete_entity_grant(entity_id, recipient_entity_id, scope)? {
            Ok(())
        } else {
            Err(TxError::Abort(ApiError::NotFound))
        }
    })
}
