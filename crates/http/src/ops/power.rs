//! What an API key is worth: the rules behind it as they stand in the database, compared with those of a caller.

use claviger_authz::{Access, AddressRules, CompiledPermissions, may_manage};
use claviger_domain::{ApiKey, IpAccessControlListId, Permissions, TenantId};
use claviger_storage::{ReadTransaction, StorageError};

use crate::error::ApiError;
use crate::gate::{Caller, Refusal};

/// The power of an API key, as far as keys are compared: neither its end nor its addresses count (FusionAuth's rule).
pub(crate) struct Power {
    pub(crate) permissions: CompiledPermissions,
    /// Whether it manages keys: because it was made so, or because its roles allow everything.
    pub(crate) key_manager: bool,
    pub(crate) tenant_id: Option<TenantId>,
}

impl Power {
    /// The power of a key, its roles being what they are in the database.
    ///
    /// # Errors
    /// Failures of the database.
    pub(crate) fn of(tx: &mut ReadTransaction<'_>, api_key: &ApiKey) -> Result<Self, StorageError> {
        let (permissions, manages) = match &api_key.permissions {
            Permissions::Roles(names) => {
                let roles = tx.roles_named(names)?;
                let compiled = CompiledPermissions::of_roles(roles.iter().flat_map(|role| &role.permissions));
                let manages = compiled.are_unrestricted();
                (compiled, manages)
            }
            permissions => (CompiledPermissions::from(permissions), false),
        };
        Ok(Self { permissions, key_manager: api_key.key_manager || manages, tenant_id: api_key.tenant_id })
    }

    /// What the engine asks for.
    pub(crate) fn access(&self) -> Access<'_> {
        Access { key_manager: self.key_manager, tenant_id: self.tenant_id, ..Access::new(&self.permissions) }
    }

    /// Whether the caller holds at least this power.
    pub(crate) fn is_covered_by(&self, caller: &Caller) -> bool {
        may_manage(&caller.access(), caller.scope(), &self.access()).is_ok()
    }

    /// Refuses callers that hold less.
    ///
    /// # Errors
    /// [`ApiError::Refused`].
    pub(crate) fn require_covered_by(&self, caller: &Caller) -> Result<(), ApiError> {
        if self.is_covered_by(caller) {
            Ok(())
        } else {
            Err(ApiError::Refused(Refusal::ObjectNotCovered(caller.api_key_id())))
        }
    }
}

/// The rules of a key's list of addresses; a list that is not there lets nobody in.
///
/// # Errors
/// Failures of the database.
pub(crate) fn list_rules(
    tx: &mut ReadTransaction<'_>,
    id: Option<IpAccessControlListId>,
) -> Result<Option<AddressRules>, StorageError> {
    let Some(id) = id else { return Ok(None) };
    let list = tx.find_ip_access_control_list(id)?;
    Ok(Some(list.map_or_else(AddressRules::block_all, |list| AddressRules::compile(&list.entries))))
}
