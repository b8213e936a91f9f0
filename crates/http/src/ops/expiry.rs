//! Keys whose certificate ends soon: counted for the metrics, and named in the log once a day. They go on signing, as
//! FusionAuth's do; who replaces them in time must be told in time.

use std::time::Duration;

use claviger_domain::Instant;

use crate::error::ApiError;
use crate::metrics::NearExpiry;
use crate::state::AppState;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Days before the end at which a key counts as near it.
const NEAR: [u32; 3] = [7, 30, 90];

/// Keys that one day's log names at most; their number is told in any case.
const NAMED_AT_MOST: usize = 20;

/// How many keys are near the end of their certificate.
pub(crate) fn near_expiry(state: &AppState) -> Result<NearExpiry, ApiError> {
    let now = state.now();
    let [week, month, quarter] = NEAR.map(|days| later(now, days));
    let counts =
        state.store.read::<_, ApiError>(|tx| Ok(tx.key_expirations(&[now, week, month, quarter])?))?;
    let [ended, within_7, within_30, within_90] = counts.as_slice() else {
        return Err(ApiError::Internal("the counts of keys near expiry are not four".to_owned()));
    };
    Ok(NearExpiry {
        ended: *ended,
        within_7_days: within_7.saturating_sub(*ended),
        within_30_days: within_30.saturating_sub(*within_7),
        within_90_days: within_90.saturating_sub(*within_30),
    })
}

fn later(now: Instant, days: u32) -> Instant {
    let millis = i64::try_from((DAY * days).as_millis()).unwrap_or(i64::MAX);
    Instant::from_epoch_millis(now.epoch_millis().saturating_add(millis))
}

/// Warns of keys that are near the end of their certificate, the nearest first.
pub(crate) fn warn(state: &AppState) -> Result<(), ApiError> {
    let counts = near_expiry(state)?;
    let soon = counts.ended + counts.within_7_days + counts.within_30_days + counts.within_90_days;
    if soon == 0 {
        return Ok(());
    }
    let now = state.now();
    let [_, _, quarter] = NEAR.map(|days| later(now, days));
    let keys = state.store.read::<_, ApiError>(|tx| Ok(tx.keys_expiring_before(quarter, NAMED_AT_MOST)?))?;
    for key in keys {
        let Some(end) = key.expiration_instant else { continue };
        let days =
            (end.epoch_millis() - now.epoch_millis()).div_euclid(DAY.as_millis().try_into().unwrap_or(1));
        let (key_id, name, kid) = (key.id.to_string(), key.name.as_str(), key.kid.as_str());
        // The end itself still belongs to the validity (RFC 5280, section 4.1.2.5).
        if end < now {
            tracing::warn!(key_id, name, kid, "the certificate of a key has ended; the key still signs");
        } else {
            tracing::warn!(key_id, name, kid, days, "the certificate of a key ends soon");
        }
    }
    tracing::warn!(
        ended = counts.ended,
        within_7_days = counts.within_7_days,
        within_30_days = counts.within_30_days,
        within_90_days = counts.within_90_days,
        "keys are near the end of their certificate"
    );
    Ok(())
}
