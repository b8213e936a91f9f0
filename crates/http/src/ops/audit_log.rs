//! The audit log: what was changed, by whom and when. Every change writes its row itself; here they are only read.

use claviger_domain::ChangeSearch;
use claviger_storage::{ChangePage, ChangeRow};

use crate::error::ApiError;
use crate::gate::Caller;
use crate::state::AppState;

/// Reads one entry. A caller confined to a tenant sees those about objects of that tenant only.
pub(crate) fn retrieve(state: &AppState, caller: &Caller, id: i64) -> Result<ChangeRow, ApiError> {
    let scope = caller.scope();
    state.store.read::<_, ApiError>(|tx| Ok(tx.find_change(id, scope)?))?.ok_or(ApiError::NotFound)
}

/// A page of the entries that match and that the caller may see, with the number of all of those.
pub(crate) fn search(
    state: &AppState,
    caller: &Caller,
    search: &ChangeSearch,
) -> Result<ChangePage, ApiError> {
    let scope = caller.scope();
    Ok(state.store.read::<_, ApiError>(|tx| Ok(tx.search_changes(search, scope)?))?)
}
