//! What tokens need to know of each tenant, in memory: its keys, lifetimes and whether it is in use.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use claviger_domain::{EntityTypeId, Tenant, TenantId, TenantJwtConfiguration, TenantState};

/// The part of a tenant that tokens need.
pub(crate) struct TenantTokens {
    pub(crate) issuer: String,
    pub(crate) jwt: TenantJwtConfiguration,
    pub(crate) state: TenantState,
    /// `scimServerConfiguration.serverEntityTypeId`: tokens for entities of this type say so in their header.
    pub(crate) scim_server_type: Option<EntityTypeId>,
}

/// Every tenant. Fed by the committed changes.
#[derive(Default)]
pub(crate) struct AllTenantTokens(RwLock<HashMap<TenantId, Arc<TenantTokens>>>);

impl AllTenantTokens {
    /// The tenant with this id.
    pub(crate) fn find(&self, id: TenantId) -> Option<Arc<TenantTokens>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).get(&id).cloned()
    }

    /// A tenant was made or changed.
    pub(crate) fn written(&self, tenant: &Tenant) {
        let (issuer, jwt) = (tenant.issuer.clone(), tenant.jwt.clone());
        let scim_server_type = crate::wire::tenant::scim_server_type(&tenant.kept);
        let tokens = Arc::new(TenantTokens { issuer, jwt, state: tenant.state, scim_server_type });
        self.0.write().unwrap_or_else(PoisonError::into_inner).insert(tenant.id, tokens);
    }

    /// A tenant was deleted.
    pub(crate) fn deleted(&self, id: TenantId) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).remove(&id);
    }

    /// Forgets everything, before all of it is told again.
    pub(crate) fn clear(&self) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).clear();
    }
}
