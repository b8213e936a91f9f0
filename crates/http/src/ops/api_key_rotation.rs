//! Rotation of API keys: a new value at once, while the one before works on for a grace period, so that whoever uses the
//! key can change over without an outage. All else about the key stays.

use std::sync::Arc;
use std::time::Duration;

use claviger_domain::{ApiKey, Instant, SecretText, codes};
use claviger_storage::{ApiKeyRotation, TxError};

use super::api_key::{ApiKeyReference, ShownApiKey, is_usable, make_value, view};
use super::power::Power;
use super::write;
use crate::error::ApiError;
use crate::gate::Caller;
use crate::state::AppState;

/// What a caller may say about a rotation.
pub(crate) struct RotateApiKey {
    /// The new value; `None`: one is generated.
    pub(crate) value: Option<SecretText>,
    /// How long the value before works on.
    pub(crate) grace_period: Duration,
}

/// Gives a key a new value, and shows it, be the key retrievable or not.
pub(crate) fn rotate(
    state: &AppState,
    caller: &Arc<Caller>,
    reference: &ApiKeyReference,
    command: RotateApiKey,
) -> Result<ShownApiKey, ApiError> {
    if command.value.as_ref().is_some_and(|value| !is_usable(state, value.expose())) {
        return Err((&codes::API_KEY_KEY_INVALID).into());
    }
    // What the value is sealed for never changes, and no transaction stays open over it.
    let (id, retrievable) = state.store.read::<_, ApiError>(|tx| {
        let api_key = reference.find(tx, caller.scope())?.api_key;
        Power::of(tx, &api_key)?.require_covered_by(caller).map_err(TxError::Abort)?;
        Ok((api_key.id, api_key.retrievable))
    })?;
    let value = make_value(state, id, command.value, retrievable)?;
    let now = state.now();
    let rotation = ApiKeyRotation {
        digest: value.digest,
        sealed_value: value.sealed,
        previous_valid_until: later(now, command.grace_period),
    };
    let owner = Arc::clone(caller);
    let rotated = write(state, caller, now, move |tx| {
        let stored = tx.find_api_key(id, owner.scope())?.ok_or(TxError::Abort(ApiError::NotFound))?;
        let power = Power::of(tx, &stored.api_key)?;
        power.require_covered_by(&owner).map_err(TxError::Abort)?;
        let changed = ApiKey { last_update_instant: now, ..stored.api_key };
        Ok(view(&tx.rotate_api_key(&changed, &rotation)?, &power))
    })?;
    Ok((rotated, Some(value.text)))
}

fn later(now: Instant, period: Duration) -> Instant {
    let millis = i64::try_from(period.as_millis()).unwrap_or(i64::MAX);
    Instant::from_epoch_millis(now.epoch_millis().saturating_add(millis))
}
