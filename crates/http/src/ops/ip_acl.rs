//! IP access control lists: create, read, search, change, delete. They belong to no tenant.
//!
//! The news of a change reach the keyring before the write returns, so that a list counts for every key that names it
//! from the moment that its change is acknowledged.

use std::sync::Arc;

use claviger_domain::{
    ApiKeyId, IpAccessControlEntry, IpAccessControlList, IpAccessControlListId, IpAccessControlListSearch,
    Name, Revision, Violation, Violations, codes,
};
use claviger_storage::{IpAccessControlListPage, TxError};

use super::{id_bytes, write};
use crate::error::ApiError;
use crate::gate::Caller;
use crate::state::AppState;

/// How many of the API keys are named that keep a list from being deleted.
const NAMED_API_KEYS: usize = 5;

/// What a caller may say about a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct IpAccessControlListFields {
    pub(crate) name: Name,
    pub(crate) entries: Vec<IpAccessControlEntry>,
    pub(crate) data: Option<String>,
}

/// Makes a list, with this id or a random one.
pub(crate) fn create(
    state: &AppState,
    caller: &Arc<Caller>,
    id: Option<IpAccessControlListId>,
    fields: IpAccessControlListFields,
) -> Result<IpAccessControlList, ApiError> {
    let now = state.now();
    let id = match id {
        Some(id) => id,
        None => IpAccessControlListId::from_random_bytes(id_bytes(&mut state.random())?),
    };
    let list = IpAccessControlList {
        id,
        revision: Revision::FIRST,
        name: fields.name,
        entries: fields.entries,
        data: fields.data,
        insert_instant: now,
        last_update_instant: now,
    };
    write(state, caller, now, move |tx| {
        tx.insert_ip_access_control_list(&list)?;
        Ok(list.clone())
    })
}

/// Reads a list.
pub(crate) fn retrieve(
    state: &AppState,
    _caller: &Caller,
    id: IpAccessControlListId,
) -> Result<IpAccessControlList, ApiError> {
    let list = state.store.read::<_, ApiError>(|tx| Ok(tx.find_ip_access_control_list(id)?))?;
    list.ok_or(ApiError::NotFound)
}

/// A page of the lists that match, with the number of all that do.
pub(crate) fn search(
    state: &AppState,
    _caller: &Caller,
    search: &IpAccessControlListSearch,
) -> Result<IpAccessControlListPage, ApiError> {
    Ok(state.store.read::<_, ApiError>(|tx| Ok(tx.search_ip_access_control_lists(search)?))?)
}

/// Changes a list: `compute` makes the new fields from the stored list, and may be called again when another change came
/// first.
pub(crate) fn update(
    state: &AppState,
    caller: &Arc<Caller>,
    id: IpAccessControlListId,
    compute: impl Fn(&IpAccessControlList) -> Result<IpAccessControlListFields, Violations> + Send + 'static,
) -> Result<IpAccessControlList, ApiError> {
    let now = state.now();
    write(state, caller, now, move |tx| {
        let stored = tx.find_ip_access_control_list(id)?.ok_or(TxError::Abort(ApiError::NotFound))?;
        let fields = compute(&stored).map_err(|violations| TxError::Abort(violations.into()))?;
        let changed = IpAccessControlList {
            name: fields.name,
            entries: fields.entries,
            data: fields.data,
            last_update_instant: now,
            ..stored
        };
        Ok(tx.update_ip_access_control_list(&changed)?)
    })
}

/// Deletes a list that no API key names: without it the key could be used from nowhere, or from everywhere.
pub(crate) fn delete(
    state: &AppState,
    caller: &Arc<Caller>,
    id: IpAccessControlListId,
) -> Result<(), ApiError> {
    write(state, caller, state.now(), move |tx| {
        let count = tx.count_api_keys_with_ip_access_control_list(id)?;
        if count > 0 {
            let named = tx.api_keys_with_ip_access_control_list(id, NAMED_API_KEYS)?;
            let violation = Violation::new(&codes::IP_ACL_ID_IN_USE).with_message(in_use(count, &named));
            return Err(TxError::Abort(violation.into()));
        }
        if tx.delete_ip_access_control_list(id)? { Ok(()) } else { Err(TxError::Abort(ApiError::NotFound)) }
    })
}

/// Says how many API keys name a list, and which the first of them are.
fn in_use(count: u64, named: &[ApiKeyId]) -> String {
    let keys = if count == 1 { "API key" } else { "API keys" };
    let ids = named.iter().map(ApiKeyId::to_string).collect::<Vec<_>>().join(", ");
    let more = if count > named.len() as u64 { ", …" } else { "" };
    format!("The IP access control list is in use by {count} {keys}: {ids}{more}.")
}
