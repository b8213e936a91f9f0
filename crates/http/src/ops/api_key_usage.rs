//! How an API key was used, for whoever manages it.

use claviger_domain::{ApiKeyId, ApiKeyUsage};

use super::api_key::ApiKeyReference;
use super::power::Power;
use crate::error::ApiError;
use crate::gate::Caller;
use crate::state::AppState;

/// Reads what was recorded of the uses of a key; the latest are about a second behind.
pub(crate) fn retrieve(
    state: &AppState,
    caller: &Caller,
    reference: &ApiKeyReference,
) -> Result<(ApiKeyId, ApiKeyUsage), ApiError> {
    let (id, power, usage) = state.store.read::<_, ApiError>(|tx| {
        let api_key = reference.find(tx, caller.scope())?.api_key;
        let power = Power::of(tx, &api_key)?;
        Ok((api_key.id, power, tx.api_key_usage(api_key.id)?))
    })?;
    power.require_covered_by(caller)?;
    Ok((id, usage))
}
