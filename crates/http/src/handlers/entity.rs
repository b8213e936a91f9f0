//! Handlers of entity types, their permissions, entities and grants.

use std::sync::Arc;

use claviger_domain::{
    EntityGrantSearch, EntityId, EntitySearch, EntityTypeId, EntityTypePermissionId, EntityTypeSearch,
    Violations, codes,
};

use super::{Input, both, json_answer};
use crate::answer::Answer;
use crate::error::ApiError;
use crate::gate::Caller;
use crate::ops;
use crate::ops::entity_grant::Grants;
use crate::ops::entity_type_permission::{PermissionReference, require_global_key};
use crate::routes::Operation;
use crate::state::AppState;
use crate::wire;
use crate::wire::entity::EntityResponse;
use crate::wire::entity_grant::{GrantResponse, GrantsResponse, Recipient};

/// Runs one operation on entity types.
pub(super) fn handle_type(
    state: &AppState,
    operation: Operation,
    caller: &Arc<Caller>,
    input: &Input,
) -> Result<Answer, ApiError> {
    match operation {
        Operation::CreateEntityType => {
            let id = input.optional_id(&codes::ENTITY_TYPE_ID_COULD_NOT_CONVERT);
            let (id, fields) = both(id, input.document().and_then(wire::entity_type::fields))?;
            json_answer(&wire::entity_type::response(&ops::entity_type::create(state, caller, id, fields)?))
        }
        Operation::RetrieveEntityTypes => {
            json_answer(&wire::entity_type::list_response(&ops::entity_type::retrieve_all(state, caller)?))
        }
        Operation::RetrieveEntityType => {
            let id = type_id(input)?;
            json_answer(&wire::entity_type::response(&ops::entity_type::retrieve(state, caller, id)?))
        }
        Operation::UpdateEntityType => {
            let fields = input.document().and_then(wire::entity_type::fields);
            let (id, fields) = both(type_id(input), fields)?;
            let compute = move |_: &_| Ok(fields.clone());
            json_answer(&wire::entity_type::response(&ops::entity_type::update(state, caller, id, compute)?))
        }
        Operation::PatchEntityType => {
            let (id, patch) = both(type_id(input), input.patch())?;
            let compute = move |stored: &_| wire::entity_type::patched(stored, &patch);
            json_answer(&wire::entity_type::response(&ops::entity_type::update(state, caller, id, compute)?))
        }
        Operation::DeleteEntityType => {
            ops::entity_type::delete(state, caller, type_id(input)?)?;
            Ok(Answer::empty(200))
        }
        Operation::SearchEntityTypes => {
            found_types(state, caller, wire::entity_type::search_from_query(&input.query))
        }
        Operation::SearchEntityTypesByBody => {
            let search = input.document().and_then(wire::entity_type::search_from_body);
            found_types(state, caller, search)
        }
        _ => handle_permission(state, operation, caller, input),
    }
}

/// Runs one operation on permissions of entity types.
fn handle_permission(
    state: &AppState,
    operation: Operation,
    caller: &Arc<Caller>,
    input: &Input,
) -> Result<Answer, ApiError> {
    require_global_key(caller)?;
    match operation {
        Operation::CreateEntityTypePermission => {
            let ids = both(type_id(input), permission_id(input));
            let fields = input.document().and_then(wire::entity_type_permission::new_fields);
            let ((type_id, id), fields) = both(ids, fields)?;
            let made = ops::entity_type_permission::create(state, caller, type_id, id, fields)?;
            json_answer(&wire::entity_type_permission::response(&made))
        }
        Operation::UpdateEntityTypePermission => {
            let fields = input.document().and_then(wire::entity_type_permission::fields);
            let (ids, fields) = both(permission_ids(input), fields)?;
            let compute = move |_: &_| Ok(fields.clone());
            let changed = ops::entity_type_permission::update(state, caller, ids, compute)?;
            json_answer(&wire::entity_type_permission::response(&changed))
        }
        Operation::PatchEntityTypePermission => {
            let (ids, patch) = both(permission_ids(input), input.patch())?;
            let compute = move |stored: &_| wire::entity_type_permission::patched(stored, &patch);
            let changed = ops::entity_type_permission::update(state, caller, ids, compute)?;
            json_answer(&wire::entity_type_permission::response(&changed))
        }
        Operation::DeleteEntityTypePermission => {
            let (type_id, id) = permission_ids(input)?;
            let reference = PermissionReference::Id(id);
            ops::entity_type_permission::delete(state, caller, type_id, reference)?;
            Ok(Answer::empty(200))
        }
        Operation::DeleteEntityTypePermissionByName => {
            let name = wire::entity_type_permission::by_name(&input.query);
            let (type_id, reference) = both(type_id(input), name)?;
            ops::entity_type_permission::delete(state, caller, type_id, reference)?;
            Ok(Answer::empty(200))
        }
        _ => Err(ApiError::NoSuchPath),
    }
}

/// Runs one operation on entities or grants.
pub(super) fn handle(
    state: &AppState,
    operation: Operation,
    caller: &Arc<Caller>,
    input: &Input,
) -> Result<Answer, ApiError> {
    match operation {
        Operation::CreateEntity => {
            let id = input.optional_id(&codes::ENTITY_ID_COULD_NOT_CONVERT);
            let (id, command) = both(id, input.document().and_then(wire::entity::create))?;
            json_answer(&EntityResponse::from(&ops::entity::create(state, caller, id, command)?))
        }
        Operation::RetrieveEntity => {
            json_answer(&EntityResponse::from(&ops::entity::retrieve(state, caller, entity_id(input)?)?))
        }
        Operation::UpdateEntity => {
            let (id, document) = both(entity_id(input), input.document())?;
            let compute = |_: &_| wire::entity::replace(document.clone());
            json_answer(&EntityResponse::from(&ops::entity::update(state, caller, id, compute)?))
        }
        Operation::PatchEntity => {
            let (id, patch) = both(entity_id(input), input.patch())?;
            let compute = |stored: &_| wire::entity::patched(stored, &patch);
            json_answer(&EntityResponse::from(&ops::entity::update(state, caller, id, compute)?))
        }
        Operation::DeleteEntity => {
            ops::entity::delete(state, caller, entity_id(input)?)?;
            Ok(Answer::empty(200))
        }
        Operation::RotateClientSecret => {
            let command = input.optional_document().and_then(wire::entity::rotate);
            let (id, command) = both(entity_id(input), command)?;
            json_answer(&EntityResponse::from(&ops::entity::rotate(state, caller, id, command)?))
        }
        Operation::SearchEntities => {
            found_entities(state, caller, wire::entity_search::from_query(&input.query))
        }
        Operation::SearchEntitiesByBody => {
            found_entities(state, caller, input.document().and_then(wire::entity_search::from_body))
        }
        // There is no index that could lag behind.
        Operation::FlushEntitySearch => Ok(Answer::empty(200)),
        _ => handle_grant(state, operation, caller, input),
    }
}

/// Runs one operation on grants.
fn handle_grant(
    state: &AppState,
    operation: Operation,
    caller: &Arc<Caller>,
    input: &Input,
) -> Result<Answer, ApiError> {
    match operation {
        Operation::UpsertEntityGrant | Operation::ReplaceEntityGrant => {
            let fields = input.document().and_then(wire::entity_grant::fields);
            let (id, fields) = both(entity_id(input), fields)?;
            ops::entity_grant::upsert(state, caller, id, fields)?;
            Ok(Answer::empty(200))
        }
        Operation::RetrieveEntityGrants => {
            match both(entity_id(input), wire::entity_grant::recipient(&input.query))? {
                (id, Recipient::All) => {
                    let found = ops::entity_grant::retrieve_all(state, caller, id)?;
                    json_answer(&GrantsResponse::new(&found, None))
                }
                (id, Recipient::Entity(recipient)) => {
                    let found = ops::entity_grant::retrieve(state, caller, id, recipient)?;
                    json_answer(&GrantResponse::from(&found))
                }
                (_, Recipient::User) => Err(ApiError::NotFound),
            }
        }
        Operation::DeleteEntityGrant => {
            match both(entity_id(input), wire::entity_grant::one_recipient(&input.query))? {
                (id, Recipient::Entity(recipient)) => {
                    ops::entity_grant::delete(state, caller, id, recipient)?;
                    Ok(Answer::empty(200))
                }
                (_, Recipient::All | Recipient::User) => Err(ApiError::NotFound),
            }
        }
        Operation::SearchEntityGrants => {
            found_grants(state, caller, wire::entity_grant::search_from_query(&input.query))
        }
        Operation::SearchEntityGrantsByBody => {
            let search = input.document().and_then(wire::entity_grant::search_from_body);
            found_grants(state, caller, search)
        }
        _ => Err(ApiError::NoSuchPath),
    }
}

fn type_id(input: &Input) -> Result<EntityTypeId, Violations> {
    input.id(&codes::ENTITY_TYPE_ID_COULD_NOT_CONVERT)
}

fn permission_id(input: &Input) -> Result<Option<EntityTypePermissionId>, Violations> {
    let code = &codes::PERMISSION_ID_COULD_NOT_CONVERT;
    input.inner_parameter.as_deref().map(|text| text.parse().map_err(|_| Violations::from(code))).transpose()
}

/// The ids of a type and of one of its permissions.
fn permission_ids(input: &Input) -> Result<(EntityTypeId, EntityTypePermissionId), Violations> {
    let code = &codes::PERMISSION_ID_COULD_NOT_CONVERT;
    let id = permission_id(input).and_then(|id| id.ok_or_else(|| Violations::from(code)));
    both(type_id(input), id)
}

fn entity_id(input: &Input) -> Result<EntityId, Violations> {
    input.id(&codes::ENTITY_ID_COULD_NOT_CONVERT)
}

fn found_types(
    state: &AppState,
    caller: &Caller,
    search: Result<EntityTypeSearch, Violations>,
) -> Result<Answer, ApiError> {
    let (types, total) = ops::entity_type::search(state, caller, &search?)?;
    json_answer(&wire::entity_type::search_response(&types, total))
}

fn found_entities(
    state: &AppState,
    caller: &Caller,
    search: Result<EntitySearch, Violations>,
) -> Result<Answer, ApiError> {
    let (found, total) = ops::entity::search(state, caller, &search?)?;
    json_answer(&wire::entity_search::EntitySearchResponse::new(&found, total))
}

fn found_grants(
    state: &AppState,
    caller: &Caller,
    search: Result<Option<EntityGrantSearch>, Violations>,
) -> Result<Answer, ApiError> {
    let (found, total) = match search? {
        Some(search) => ops::entity_grant::search(state, caller, &search)?,
        None => (Grants { grants: Vec::new(), entities: [].into(), types: [].into() }, 0),
    };
    json_answer(&GrantsResponse::new(&found, Some(total)))
}
