//! Entities: create, read, search, change, rotate the secret, delete.
//!
//! Secrets are sealed before a transaction starts. A change is therefore computed from what was read, and written only if the
//! entity still is what it was.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use claviger_crypto::{SealedItem, generate_client_secret};
use claviger_domain::{
    ClientId, Entity, EntityId, EntitySearch, EntityTypeId, Instant, KeptDocument, Name, Revision, Sealed,
    SecretText, TenantScope, Violations, codes,
};
use claviger_storage::{ClientSecretChange, ReadTransaction, StorageError, StoredEntity, TxError};

use super::effective_tenant;
use super::entity_type::DescribedEntityType;
use super::{id_bytes, write};
use crate::error::ApiError;
use crate::gate::Caller;
use crate::state::AppState;

/// How often a change is computed at most, when others change the same entity.
const ATTEMPTS: usize = 10;

/// Grants of a deleted entity go in groups of this size, so that no transaction grows without bound.
const DELETE_AT_ONCE: usize = 500;

/// What a caller may say about an entity, but for the secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct EntityFields {
    pub(crate) name: Name,
    /// Needed for a new one; that of another one can be repeated, but not changed.
    pub(crate) entity_type_id: Option<EntityTypeId>,
    /// `None` for a new one: the text of its id. That of another one can be repeated, but not changed.
    pub(crate) client_id: Option<ClientId>,
    pub(crate) parent_id: Option<EntityId>,
    pub(crate) data: Option<KeptDocument>,
}

/// The same with the secret; `None` for a new one: it is generated; for another one: it stays.
pub(crate) type EntityCommand = (EntityFields, Option<SecretText>);

/// An entity with its type, and with its secret where the caller may see that.
pub(crate) struct ShownEntity {
    pub(crate) entity: Entity,
    pub(crate) entity_type: DescribedEntityType,
    pub(crate) client_secret: Option<SecretText>,
}

/// Entities, and the types of all of them.
pub(crate) struct Entities {
    pub(crate) entities: Vec<Entity>,
    pub(crate) types: HashMap<EntityTypeId, DescribedEntityType>,
}

/// Makes an entity of the effective tenant, with this id or a random one.
pub(crate) fn create(
    state: &AppState,
    caller: &Arc<Caller>,
    id: Option<EntityId>,
    (fields, secret): EntityCommand,
) -> Result<ShownEntity, ApiError> {
    let now = state.now();
    let mut random = state.random();
    let id = match id {
        Some(id) => id,
        None => EntityId::from_random_bytes(id_bytes(&mut random)?),
    };
    let secret = match secret {
        Some(secret) => secret,
        None => generate_client_secret(&mut random)?,
    };
    let sealed = seal(state, id, &secret)?;
    let entity_type_id = fields.entity_type_id.ok_or(ApiError::from(&codes::ENTITY_TYPE_REQUIRED))?;
    let owner = Arc::clone(caller);
    let (entity, entity_type) = write(state, caller, now, move |tx| {
        let entity = Entity {
            id,
            revision: Revision::FIRST,
            tenant_id: effective_tenant::required(tx, &owner)?,
            entity_type_id,
            name: fields.name.clone(),
            client_id: fields.client_id.clone().unwrap_or_else(|| ClientId::from(id)),
            parent_id: fields.parent_id,
            data: fields.data.clone(),
            insert_instant: now,
            last_update_instant: now,
        };
        let entity_type = tx.find_entity_type(entity_type_id)?;
        let entity_type = entity_type.ok_or(TxError::Abort((&codes::ENTITY_TYPE_INVALID).into()))?;
        tx.insert_entity(&entity, &sealed)?;
        Ok((entity, DescribedEntityType::of(tx, entity_type)?))
    })?;
    Ok(ShownEntity { entity, entity_type, client_secret: Some(secret) })
}

fn seal(state: &AppState, id: EntityId, secret: &SecretText) -> Result<Sealed, ApiError> {
    let plain = secret.expose().as_bytes();
    Ok(state.sealer.seal(SealedItem::ClientSecret(id), plain, &mut state.random())?)
}

/// The secret in plain.
///
/// # Errors
/// When it does not open, or is no text.
pub(crate) fn unseal(state: &AppState, id: EntityId, sealed: &Sealed) -> Result<SecretText, ApiError> {
    let plain = state.sealer.unseal(SealedItem::ClientSecret(id), sealed)?;
    let text = std::str::from_utf8(plain.expose())
        .map_err(|_| ApiError::Internal(format!("the sealed secret of entity {id} is no text")))?;
    Ok(SecretText::from(text.to_owned()))
}

/// Finds an entity within the scope, with its type.
fn find(
    tx: &mut ReadTransaction<'_>,
    id: EntityId,
    scope: TenantScope,
) -> Result<(StoredEntity, DescribedEntityType), TxError<ApiError>> {
    let stored = tx.find_entity(id, scope)?.ok_or(TxError::Abort(ApiError::NotFound))?;
    let entity_type = described(tx, &stored.entity)?;
    Ok((stored, entity_type))
}

/// The type of an entity.
///
/// # Errors
/// Failures of the database.
pub(super) fn described(
    tx: &mut ReadTransaction<'_>,
    entity: &Entity,
) -> Result<DescribedEntityType, TxError<ApiError>> {
    let entity_type = tx.find_entity_type(entity.entity_type_id)?.ok_or_else(|| {
        TxError::Abort(ApiError::Internal(format!("entity {} is of a type that is not there", entity.id)))
    })?;
    Ok(DescribedEntityType::of(tx, entity_type)?)
}

/// Reads an entity with its secret.
pub(crate) fn retrieve(state: &AppState, caller: &Caller, id: EntityId) -> Result<ShownEntity, ApiError> {
    let (stored, entity_type) = state.store.read(|tx| find(tx, id, caller.scope()))?;
    let client_secret = Some(unseal(state, id, &stored.client_secret)?);
    Ok(ShownEntity { entity: stored.entity, entity_type, client_secret })
}

/// A page of the entities that match, without their secrets, and the number of all that do.
pub(crate) fn search(
    state: &AppState,
    caller: &Caller,
    search: &EntitySearch,
) -> Result<(Entities, u64), ApiError> {
    let read = state.store.read::<_, ApiError>(|tx| {
        let page = tx.search_entities(search, caller.scope())?;
        let ids = page.entities.iter().map(|entity| entity.entity_type_id).collect();
        let types = DescribedEntityType::by_ids(tx, ids)?;
        Ok((Entities { entities: page.entities, types }, page.total))
    });
    Ok(read?)
}

/// Changes an entity of the effective tenant: `compute` makes the new fields from the stored entity, which is shown without
/// its secret, and is called again when another change came first.
pub(crate) fn update(
    state: &AppState,
    caller: &Arc<Caller>,
    id: EntityId,
    compute: impl Fn(&ShownEntity) -> Result<EntityCommand, Violations>,
) -> Result<ShownEntity, ApiError> {
    for _ in 0..ATTEMPTS {
        let (stored, entity_type) = state.store.read(|tx| {
            let tenant_id = effective_tenant::required(tx, caller)?;
            find(tx, id, TenantScope::One(tenant_id))
        })?;
        let seen = ShownEntity { entity: stored.entity, entity_type, client_secret: None };
        let (fields, secret) = compute(&seen)?;
        check_fixed(&seen.entity, &fields)?;
        let present = unseal(state, id, &stored.client_secret)?;
        let now = state.now();
        // Sending the secret back is no change: one that is rotated keeps the one before beside it.
        let (secret, change) = match secret.filter(|secret| secret.expose() != present.expose()) {
            None => (present, ClientSecretChange::Keep),
            Some(secret) => {
                let sealed = seal(state, id, &secret)?;
                (secret, ClientSecretChange::Replace { sealed, previous_valid_until: now })
            }
        };
        let changed = Entity {
            name: fields.name,
            parent_id: fields.parent_id,
            data: fields.data,
            last_update_instant: now,
            ..seen.entity
        };
        if let Some((entity, entity_type)) = replace(state, caller, now, changed, change)? {
            return Ok(ShownEntity { entity, entity_type, client_secret: Some(secret) });
        }
    }
    Err(ApiError::Conflict)
}

/// Refuses what would make another entity of it. Members that are left out stay.
fn check_fixed(stored: &Entity, fields: &EntityFields) -> Result<(), Violations> {
    let mut violations = Violations::none();
    if fields.client_id.as_ref().is_some_and(|client_id| *client_id != stored.client_id) {
        violations.add(&codes::ENTITY_CLIENT_ID_NOT_ALLOWED);
    }
    if fields.entity_type_id.is_some_and(|id| id != stored.entity_type_id) {
        violations.add(&codes::ENTITY_TYPE_NOT_ALLOWED);
    }
    violations.into_result(())
}

/// Writes a new state; `None` when the stored entity is not what it was computed from.
fn replace(
    state: &AppState,
    caller: &Arc<Caller>,
    now: Instant,
    changed: Entity,
    change: ClientSecretChange,
) -> Result<Option<(Entity, DescribedEntityType)>, ApiError> {
    write(state, caller, now, move |tx| {
        let stored = tx.find_entity(changed.id, TenantScope::One(changed.tenant_id))?;
        let stored = stored.ok_or(TxError::Abort(ApiError::NotFound))?.entity;
        if stored.revision != changed.revision {
            return Ok(None);
        }
        let entity = tx.update_entity(&changed, &change)?;
        let entity_type = described(tx, &entity)?;
        Ok(Some((entity, entity_type)))
    })
}

/// What a caller may say about a rotation.
pub(crate) struct RotateClientSecret {
    /// The new secret; `None`: one is generated.
    pub(crate) secret: Option<SecretText>,
    /// How long the present one works on.
    pub(crate) grace_period: Duration,
}

/// Gives an entity a new secret, and shows it. The one that it replaces works on for the grace period; what was before that
/// one ends at once, so that there are never more than two.
pub(crate) fn rotate(
    state: &AppState,
    caller: &Arc<Caller>,
    id: EntityId,
    command: RotateClientSecret,
) -> Result<ShownEntity, ApiError> {
    let secret = match command.secret {
        Some(secret) => secret,
        None => generate_client_secret(&mut state.random())?,
    };
    let sealed = seal(state, id, &secret)?;
    let now = state.now();
    let millis = i64::try_from(command.grace_period.as_millis()).unwrap_or(i64::MAX);
    let until = Instant::from_epoch_millis(now.epoch_millis().saturating_add(millis));
    let change = ClientSecretChange::Replace { sealed, previous_valid_until: until };
    let scope = caller.scope();
    let (entity, entity_type) = write(state, caller, now, move |tx| {
        let stored = tx.find_entity(id, scope)?.ok_or(TxError::Abort(ApiError::NotFound))?.entity;
        let entity = tx.update_entity(&Entity { last_update_instant: now, ..stored }, &change)?;
        let entity_type = described(tx, &entity)?;
        Ok((entity, entity_type))
    })?;
    Ok(ShownEntity { entity, entity_type, client_secret: Some(secret) })
}

/// Deletes an entity of the effective tenant, with its grants in both directions. The entity goes last: cut off in the
/// middle, it is there with fewer grants.
pub(crate) fn delete(state: &AppState, caller: &Arc<Caller>, id: EntityId) -> Result<(), ApiError> {
    loop {
        let owner = Arc::clone(caller);
        let done = write(state, caller, state.now(), move |tx| {
            let scope = TenantScope::One(effective_tenant::required(tx, &owner)?);
            tx.find_entity(id, scope)?.ok_or(TxError::Abort(ApiError::NotFound))?;
            if tx.delete_grants_of_entity(id, DELETE_AT_ONCE)? == DELETE_AT_ONCE {
                return Ok(false);
            }
            // A grant that was made meanwhile is found when this runs again.
            let deleted = tx.delete_entity(id, scope).map_err(|error| match error {
                StorageError::InUse(_) => StorageError::Stale,
                other => other,
            })?;
            // Two deletions can meet: the second one found the entity, and finds nothing to delete.
            if deleted { Ok(true) } else { Err(TxError::Abort(ApiError::NotFound)) }
        })?;
        if done {
            return Ok(());
        }
    }
}
