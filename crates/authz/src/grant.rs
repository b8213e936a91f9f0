//! Granting: nobody makes, changes or rotates an API key into more than they hold.

use std::fmt;

use claviger_domain::TenantScope;

use crate::Access;

/// Why a key may not be granted or managed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum GrantRefusal {
    /// The holder is no key manager, or the wanted key would be one: those never come from another key.
    KeyManager,
    /// The other key is outside the tenants that the holder, or this request of it, reaches.
    Tenant,
    /// The other key's permissions exceed the holder's.
    Permissions,
}

impl GrantRefusal {
    /// A name for logs and labels of metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::KeyManager => "key_manager",
            Self::Tenant => "tenant",
            Self::Permissions => "permissions",
        }
    }
}

impl fmt::Display for GrantRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::KeyManager => "key managers are not granted, and only they grant",
            Self::Tenant => "outside the tenants within reach",
            Self::Permissions => "exceeds the permissions held",
        })
    }
}

impl std::error::Error for GrantRefusal {}

/// Whether `holder` may give a key the powers `wanted`: for a key that is made or copied, and for the outcome of a
/// change. `scope` is what [`decide`](crate::decide) allowed for the request.
///
/// Expiry takes no part in the comparison (FusionAuth's rule): a key that expires may make one that does not.
///
/// # Errors
/// The first reason against it, in the order of [`GrantRefusal`].
pub fn may_grant(holder: &Access<'_>, scope: TenantScope, wanted: &Access<'_>) -> Result<(), GrantRefusal> {
    if wanted.key_manager {
        return Err(GrantRefusal::KeyManager);
    }
    may_manage(holder, scope, wanted)
}

/// Whether `holder` may read, change or delete an existing key with the powers `target`, which may be a key manager's,
/// the holder itself included. A change needs this for the key as it stands, and again for the outcome: with
/// [`may_grant`], or for a key manager, which stays one, with this function.
///
/// # Errors
/// The first reason against it, in the order of [`GrantRefusal`].
pub fn may_manage(holder: &Access<'_>, scope: TenantScope, target: &Access<'_>) -> Result<(), GrantRefusal> {
    if !holder.key_manager {
        return Err(GrantRefusal::KeyManager);
    }
    // The scope of a tenant's key is its tenant already; should a caller pass a wider one, the key still decides.
    let within_holder = holder.tenant_id.is_none_or(|own| target.tenant_id == Some(own));
    if !within_holder || !scope.contains(target.tenant_id) {
        return Err(GrantRefusal::Tenant);
    }
    if !holder.permissions.covers(target.permissions) {
        return Err(GrantRefusal::Permissions);
    }
    Ok(())
}
