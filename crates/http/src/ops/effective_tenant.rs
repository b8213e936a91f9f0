//! The tenant that a request works in (FusionAuth: API Authentication): that of the API key, else the one that the header names, else
//! the only one that there is. A tenant in a body never counts.

use claviger_domain::{TenantId, codes};
use claviger_storage::{ReadTransaction, StorageError, TxError};

use crate::error::ApiError;
use crate::gate::Caller;

/// The tenant of the request; `None` when nothing says which. What the request names by its id can still belong to one.
///
/// # Errors
/// Failures of the database.
pub(crate) fn optional(
    tx: &mut ReadTransaction<'_>,
    caller: &Caller,
) -> Result<Option<TenantId>, StorageError> {
    // The gate has put key and header together, and refused what contradicts.
    match caller.scope().tenant() {
        Some(tenant) => Ok(Some(tenant)),
        None => tx.only_tenant(),
    }
}

/// The tenant of a request that cannot do without.
///
/// # Errors
/// `[TenantIdRequired]` when nothing says which, and failures of the database.
pub(crate) fn required(tx: &mut ReadTransaction<'_>, caller: &Caller) -> Result<TenantId, TxError<ApiError>> {
    optional(tx, caller)?.ok_or(TxError::Abort((&codes::TENANT_ID_REQUIRED).into()))
}
