//! Searching API keys: a search finds what its caller could read key by key, and never a value.

use claviger_domain::{ApiKey, ApiKeySearch, Permissions, TenantId};
use claviger_storage::{ApiKeyGrant, ApiKeyPage, IsWanted};

use super::api_key::view;
use super::power::Power;
use crate::error::ApiError;
use crate::gate::Caller;
use crate::state::AppState;

/// A page of the keys that match and that the caller could read, as they are shown, with the number of all of those.
pub(crate) fn search(
    state: &AppState,
    caller: &Caller,
    search: &ApiKeySearch,
) -> Result<(Vec<ApiKey>, u64), ApiError> {
    let is_wanted = |grant: &ApiKeyGrant| {
        let power = power(state, &grant.permissions, grant.key_manager, grant.tenant_id);
        search.key_manager.is_none_or(|wanted| wanted == power.key_manager) && power.is_covered_by(caller)
    };
    // Who holds everything may read every key within the scope: the database then need not look at each of them.
    let asks = search.key_manager.is_some() || !caller.access().permissions.are_unrestricted();
    let is_wanted: Option<IsWanted<'_>> = if asks { Some(&is_wanted) } else { None };
    let ApiKeyPage { api_keys, total } =
        state.store.read::<_, ApiError>(|tx| Ok(tx.search_api_keys(search, caller.scope(), is_wanted)?))?;
    let shown = api_keys.iter().map(|api_key| {
        let power = power(state, &api_key.permissions, api_key.key_manager, api_key.tenant_id);
        view(api_key, &power)
    });
    Ok((shown.collect(), total))
}

/// The power of a key, its roles being what they are in memory: there is one transaction for any number of keys.
fn power(
    state: &AppState,
    permissions: &Permissions,
    key_manager: bool,
    tenant_id: Option<TenantId>,
) -> Power {
    let (permissions, manages) = state.keyring.compile(permissions);
    Power { permissions, key_manager: key_manager || manages, tenant_id }
}
