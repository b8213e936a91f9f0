//! The decision: may this key make this request, and which tenants may the work then touch.

use std::net::IpAddr;

use claviger_domain::{Instant, RequestMethod, TenantId, TenantScope};

use crate::access::Rules;
use crate::{Access, EndpointScope, Path, Target};

/// One request, as far as the decision goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Request<'a> {
    /// The method.
    pub method: RequestMethod,
    /// The path.
    pub path: Path<'a>,
    /// The tenant that the request names (header `X-FusionAuth-TenantId`).
    pub tenant_id: Option<TenantId>,
    /// From where it comes; `None` where that is not known, which no list of addresses lets in.
    pub address: Option<IpAddr>,
    /// The time.
    pub now: Instant,
}

impl<'a> Request<'a> {
    /// A request that names no tenant and comes from an address that is not known.
    #[must_use]
    pub const fn new(method: RequestMethod, path: Path<'a>, now: Instant) -> Self {
        Self { method, path, tenant_id: None, address: None, now }
    }
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
    /// The key is disabled.
    Disabled,
    /// The key's list of addresses does not let this one in.
    AddressBlocked,
    /// A path that could be taken for another one: a word of the catalogue in another case.
    AmbiguousPath,
    /// Only a key manager may do that.
    NotKeyManager,
    /// The permissions lack the endpoint, the path or the method.
    NotGranted,
    /// A tenant's key at a global endpoint, even if that is granted.
    TenantKeyAtGlobalEndpoint,
    /// A request at a global endpoint that names a tenant.
    TenantHeaderAtGlobalEndpoint,
    /// The request names another tenant than the key's.
    OtherTenant,
}

impl Reason {
    /// Every reason, in the order in which they are given.
    pub const ALL: [Self; 9] = [
        Self::Expired,
        Self::Disabled,
        Self::AddressBlocked,
        Self::AmbiguousPath,
        Self::NotKeyManager,
        Self::NotGranted,
        Self::TenantKeyAtGlobalEndpoint,
        Self::TenantHeaderAtGlobalEndpoint,
        Self::OtherTenant,
    ];

    /// The place in [`ALL`](Self::ALL).
    #[must_use]
    pub const fn place(self) -> usize {
        self as usize
    }

    /// A name for logs and labels of metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Expired => "expired",
            Self::Disabled => "disabled",
            Self::AddressBlocked => "address_blocked",
            Self::AmbiguousPath => "ambiguous_path",
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
/// The checks in their order, which shows in the [`Reason`] only: expiry; whether the key is disabled; the address; the
/// path and the permission (or key manager); that a global endpoint sees neither a tenant's key nor a tenant header; that
/// header and key name the same tenant. The scope is the key's tenant, else the header's, else everything.
///
/// Every check is made, whatever the others say, so that the time taken says little about the reason. Whether the tenants
/// exist and are in use is not known here: the caller looks that up.
pub fn decide(access: &Access<'_>, request: &Request<'_>) -> Decision {
    let checks = Checks::new(access, request);
    match checks.first_reason() {
        Some(reason) => Decision::Deny(reason),
        None => Decision::Allow(match access.tenant_id.or(request.tenant_id) {
            Some(tenant) => TenantScope::One(tenant),
            None => TenantScope::All,
        }),
    }
}

/// The outcome of every check: what stands against the request.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Checks {
    pub(crate) expired: bool,
    pub(crate) disabled: bool,
    pub(crate) address_blocked: bool,
    /// Of the permissions; one of `AmbiguousPath`, `NotKeyManager`, `NotGranted`.
    pub(crate) not_permitted: Option<Reason>,
    pub(crate) tenant_key_at_global_endpoint: bool,
    pub(crate) tenant_header_at_global_endpoint: bool,
    pub(crate) other_tenant: bool,
}

impl Checks {
    pub(crate) fn new(access: &Access<'_>, request: &Request<'_>) -> Self {
        let target = Target::of(&request.path);
        let global = is_global(target, request.method);
        Self {
            expired: access.expiration_instant.is_some_and(|expiration| expiration <= request.now),
            disabled: access.disabled,
            address_blocked: access
                .addresses
                .is_some_and(|rules| !request.address.is_some_and(|address| rules.allows(address))),
            not_permitted: not_permitted(access, request, target),
            tenant_key_at_global_endpoint: global && access.tenant_id.is_some(),
            tenant_header_at_global_endpoint: global && request.tenant_id.is_some(),
            other_tenant: matches!((access.tenant_id, request.tenant_id), (Some(own), Some(named)) if own != named),
        }
    }

    fn first_reason(&self) -> Option<Reason> {
        if self.expired {
            Some(Reason::Expired)
        } else if self.disabled {
            Some(Reason::Disabled)
        } else if self.address_blocked {
            Some(Reason::AddressBlocked)
        } else if self.not_permitted.is_some() {
            self.not_permitted
        } else if self.tenant_key_at_global_endpoint {
            Some(Reason::TenantKeyAtGlobalEndpoint)
        } else if self.tenant_header_at_global_endpoint {
            Some(Reason::TenantHeaderAtGlobalEndpoint)
        } else if self.other_tenant {
            Some(Reason::OtherTenant)
        } else {
            None
        }
    }
}

/// Whether the target belongs to the instance as a whole. Roles do: whoever is confined to a tenant may read them, since
/// keys are made with them, and not change them.
fn is_global(target: Target, method: RequestMethod) -> bool {
    match target {
        Target::Endpoint(endpoint) => endpoint.scope() == EndpointScope::Global,
        Target::Roles => !matches!(method, RequestMethod::Get | RequestMethod::Head),
        Target::ApiKeys | Target::Reserved | Target::Other | Target::OtherCase => false,
    }
}

fn not_permitted(access: &Access<'_>, request: &Request<'_>, target: Target) -> Option<Reason> {
    let (permitted, otherwise) = match (target, &access.permissions.0) {
        (Target::OtherCase, _) => (false, Reason::AmbiguousPath),
        (Target::ApiKeys, _) | (Target::Roles, Rules::All | Rules::Only { .. }) => {
            (access.key_manager, Reason::NotKeyManager)
        }
        (Target::Endpoint(endpoint), _) => {
            (access.permissions.allow(endpoint, &request.path, request.method), Reason::NotGranted)
        }
        (_, Rules::All) => (true, Reason::NotGranted),
        (_, Rules::Roles(patterns)) => (patterns.allow(request.method, &request.path), Reason::NotGranted),
        (Target::Other, Rules::Only { foreign, .. }) => {
            let method = request.method.permission_method();
            let granted = foreign.methods(&request.path);
            (method.is_some_and(|method| granted.contains(method)), Reason::NotGranted)
        }
        (Target::Reserved, Rules::Only { .. }) => (false, Reason::NotGranted),
    };
    (!permitted).then_some(otherwise)
}
