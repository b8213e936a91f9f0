//! The use cases: each checks what the caller may do with the object at hand, then reads or writes it in one
//! transaction. Nothing here knows of HTTP servers or JSON; the caller passed the gate before.

pub(crate) mod api_key;
pub(crate) mod api_key_rotation;
pub(crate) mod api_key_search;
pub(crate) mod api_key_usage;
pub(crate) mod audit_log;
pub(crate) mod authorization;
pub(crate) mod default_roles;
pub(crate) mod effective_tenant;
pub(crate) mod entity;
pub(crate) mod entity_grant;
pub(crate) mod entity_rights;
pub(crate) mod entity_token;
pub(crate) mod entity_type;
pub(crate) mod entity_type_permission;
pub(crate) mod expiry;
pub(crate) mod fusion_api_key;
pub(crate) mod instance;
pub(crate) mod introspection;
pub(crate) mod ip_acl;
pub(crate) mod key;
pub(crate) mod key_import;
pub(crate) mod kickstart_api_key;
pub(crate) mod oauth_client;
pub(crate) mod oauth_token;
pub(crate) mod power;
pub(crate) mod role;
pub(crate) mod tenant;
pub(crate) mod token;
pub(crate) mod upstream_token;

use std::sync::Arc;

use claviger_crypto::{CryptoError, RandomSource, random_array};
use claviger_domain::Instant;
use claviger_storage::{TxError, WriteTransaction};

use crate::error::ApiError;
use crate::gate::Caller;
use crate::state::AppState;

/// Writes for a caller. Before anything else the transaction looks whether the caller's own key still stands as it did when
/// it passed the gate: bodies can be slow, and so can key generation.
pub(crate) fn write<T: Send + 'static>(
    state: &AppState,
    caller: &Arc<Caller>,
    now: Instant,
    mut closure: impl FnMut(&mut WriteTransaction<'_>) -> Result<T, TxError<ApiError>> + Send + 'static,
) -> Result<T, ApiError> {
    let context = caller.change_context(now);
    let caller = Arc::clone(caller);
    let written = state.store.write(&context, move |tx| {
        caller.require_current(tx, now)?;
        closure(tx)
    });
    written.map_err(ApiError::from)
}

/// Random bytes for a fresh id.
///
/// # Errors
/// When the operating system gives no random bytes.
pub(crate) fn id_bytes(random: &mut dyn RandomSource) -> Result<[u8; 16], CryptoError> {
    random_array::<16>(random)
}
