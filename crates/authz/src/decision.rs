//! The decision: may this key make this request, and which tenants may the work then touch.

use claviger_domain::{Instant, Method, TenantId, TenantScope};

use crate::{Access, Endpoint, EndpointScope};

/// What a request is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Target {
    /// An endpoint of the catalogue, opened by permissions.
    Endpoint(Endpoint),
    /// `/api/api-key`: only key managers reach it, and permissions neither grant nor withhold it. It takes the tenant
    /// header.
    ApiKeys,
}

/// One request, as far as the decision goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Request {
    /// The method. HEAD counts as GET: it reveals no less.
    pub method: Method,
    /// What the request is for.
    pub target: Target,
    /// The tenant that the request names (header `X-FusionAuth-TenantId`).
    pub tenant_id: Option<TenantId>,
    /// The time.
    pub now: Instant,
}

/// What was decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[must_use]
pub enum Decision {
    /// Yes, within these tenants.
    Allow(TenantScope),
    /// No.
    Deny(Reason),
}

/// Why a request is denied: for logs, metrics and tests. A caller is told nothing of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Reason {
    /// The key has expired.
    Expired,
    /// Only a key manager may do that.
    NotKeyManager,
    /// The permissions lack the endpoint or the method.
    NotGranted,
    /// A tenant's key at a global endpoint, even if that is granted.
    TenantKeyAtGlobalEndpoint,
    /// A request at a global endpoint that names a tenant.
    TenantHeaderAtGlobalEndpoint,
    /// The request names another tenant than the key's.
    OtherTenant,
}

impl Reason {
    /// A name for logs and labels of metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Expired => "expired",
            Self::NotKeyManager => "not_key_manager",
            Self::NotGranted => "not_granted",
            Self::TenantKeyAtGlobalEndpoint => "tenant_key_at_global_endpoint",
            Self::TenantHeaderAtGlobalEndpoint => "tenant_header_at_global_endpoint",
            Self::OtherTenant => "other_tenant",
        }
    }
}

/// Decides. What is not expressly allowed is denied.
///
/// The checks in their order, which shows in the [`Reason`] only: expiry; permission (or key manager); that a global
/// endpoint sees neither a tenant's key nor a tenant header; that header and key name the same tenant. The scope is
/// the key's tenant, else the header's, else everything.
///
/// Whether the tenants exist and are in use is not known here: the caller looks that up.
pub fn decide(access: &Access<'_>, request: &Request) -> Decision {
    if access.expiration_instant.is_some_and(|expiration| expiration <= request.now) {
        return Decision::Deny(Reason::Expired);
    }
    match request.target {
        Target::ApiKeys if !access.key_manager => return Decision::Deny(Reason::NotKeyManager),
        Target::ApiKeys => {}
        Target::Endpoint(endpoint) => {
            if !access.permissions.allows(endpoint, request.method) {
                return Decision::Deny(Reason::NotGranted);
            }
            if endpoint.scope() == EndpointScope::Global {
                if access.tenant_id.is_some() {
                    return Decision::Deny(Reason::TenantKeyAtGlobalEndpoint);
                }
                if request.tenant_id.is_some() {
                    return Decision::Deny(Reason::TenantHeaderAtGlobalEndpoint);
                }
            }
        }
    }
    match (access.tenant_id, request.tenant_id) {
        (Some(own), Some(named)) if own != named => Decision::Deny(Reason::OtherTenant),
        (Some(tenant), _) | (None, Some(tenant)) => Decision::Allow(TenantScope::One(tenant)),
        (None, None) => Decision::Allow(TenantScope::All),
    }
}
