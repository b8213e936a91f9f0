//! The explanation of a decision: everything that would have been needed, for the people who administer keys. It is never for
//! the caller, who is told nothing of it.

use std::fmt;
use std::net::IpAddr;

use claviger_domain::{Instant, RequestMethod, TenantId};

use crate::access::Rules;
use crate::decision::Checks;
use crate::prefix::Deciding;
use crate::{Access, Decision, Endpoint, Reason, Request, Target, decide};

/// A decision with everything that stood against it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Explanation {
    /// What was decided.
    pub decision: Decision,
    /// What would have been needed, all of it; empty if the request is allowed.
    pub missing: Vec<Missing>,
}

/// One thing that would have been needed.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Missing {
    /// A key that has not expired.
    LaterExpiration {
        /// When it expired.
        expiration_instant: Instant,
    },
    /// A key that is not disabled.
    EnabledKey,
    /// An address that the key's list lets in.
    Address {
        /// From where the request came, as far as that is known.
        address: Option<IpAddr>,
    },
    /// A path that cannot be taken for another one.
    ExactCase,
    /// A key manager.
    KeyManager,
    /// A permission on an endpoint.
    EndpointPermission {
        /// The endpoint to list.
        endpoint: Endpoint,
        /// The method to list for it; `None` where no list grants the request's method.
        method: Option<RequestMethod>,
    },
    /// A permission on a path of another service.
    PathPermission {
        /// The path of the request.
        path: String,
        /// The method to list; `None` where no list grants the request's method.
        method: Option<RequestMethod>,
        /// The entry of the key's that decided, if there is one: it lacks the method, or is spelled otherwise.
        decided_by: Option<String>,
    },
    /// A role with a permission that matches.
    RolePermission {
        /// The path of the request.
        path: String,
        /// The method.
        method: RequestMethod,
    },
    /// A key without any list: no list opens this path.
    UnrestrictedKey,
    /// A key that belongs to no tenant.
    GlobalKey {
        /// The tenant of the key.
        tenant_id: TenantId,
    },
    /// A request that names no tenant.
    NoTenant,
    /// A request that names the key's tenant, or none.
    OwnTenant {
        /// The tenant of the key.
        own: TenantId,
        /// The one that the request names.
        named: TenantId,
    },
}

/// Decides as [`decide`] does, and says what would have been needed.
#[must_use]
pub fn explain(access: &Access<'_>, request: &Request<'_>) -> Explanation {
    let checks = Checks::new(access, request);
    let mut missing = Vec::new();
    if let Some(expiration_instant) = access.expiration_instant.filter(|_| checks.expired) {
        missing.push(Missing::LaterExpiration { expiration_instant });
    }
    if checks.disabled {
        missing.push(Missing::EnabledKey);
    }
    if checks.address_blocked {
        missing.push(Missing::Address { address: request.address });
    }
    if let Some(reason) = checks.not_permitted {
        missing.push(permission(access, request, reason));
    }
    if let Some(tenant_id) = access.tenant_id.filter(|_| checks.tenant_key_at_global_endpoint) {
        missing.push(Missing::GlobalKey { tenant_id });
    }
    if checks.tenant_header_at_global_endpoint {
        missing.push(Missing::NoTenant);
    }
    if let (Some(own), Some(named), true) = (access.tenant_id, request.tenant_id, checks.other_tenant) {
        missing.push(Missing::OwnTenant { own, named });
    }
    Explanation { decision: decide(access, request), missing }
}

fn permission(access: &Access<'_>, request: &Request<'_>, reason: Reason) -> Missing {
    let listed = request.method.permission_method().map(RequestMethod::from);
    match (reason, Target::of(&request.path), &access.permissions.0) {
        (Reason::AmbiguousPath, ..) => Missing::ExactCase,
        (Reason::NotKeyManager, ..) => Missing::KeyManager,
        (_, _, Rules::Roles(_)) => {
            Missing::RolePermission { path: request.path.to_string(), method: request.method }
        }
        (_, Target::Endpoint(endpoint), _) => Missing::EndpointPermission { endpoint, method: listed },
        (_, Target::Other, Rules::Only { foreign, .. }) => Missing::PathPermission {
            path: request.path.to_string(),
            method: listed,
            decided_by: match foreign.deciding(&request.path) {
                Deciding::Entry(path, _) | Deciding::OtherSpelling(path, _) => Some(format!("/{path}")),
                Deciding::None => None,
            },
        },
        _ => Missing::UnrestrictedKey,
    }
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let method = |method: &Option<RequestMethod>| {
            method.map_or("a method that lists can grant", RequestMethod::as_str)
        };
        match self {
            Self::LaterExpiration { expiration_instant } => {
                write!(f, "a key that has not expired (it did at {})", expiration_instant.epoch_millis())
            }
            Self::EnabledKey => f.write_str("a key that is not disabled"),
            Self::Address { address: Some(address) } => {
                write!(f, "a list of addresses that lets {address} in")
            }
            Self::Address { address: None } => f.write_str("a known address, which the key's list lets in"),
            Self::ExactCase => f.write_str("the path in its exact case"),
            Self::KeyManager => f.write_str("a key manager"),
            Self::EndpointPermission { endpoint, method: wanted } => {
                write!(f, "{} on the endpoint {endpoint}", method(wanted))
            }
            Self::PathPermission { path, method: wanted, decided_by } => {
                write!(f, "{} on {path} or a path above it", method(wanted))?;
                match decided_by {
                    Some(entry) => write!(f, " (the entry {entry} decides)"),
                    None => Ok(()),
                }
            }
            Self::RolePermission { path, method } => write!(f, "a role that allows {method} on {path}"),
            Self::UnrestrictedKey => f.write_str("a key without a list of endpoints"),
            Self::GlobalKey { tenant_id } => {
                write!(f, "a global key (this one belongs to the tenant {tenant_id})")
            }
            Self::NoTenant => f.write_str("a request without a tenant header"),
            Self::OwnTenant { own, named } => {
                write!(f, "a request for the key's tenant {own} and not for {named}")
            }
        }
    }
}

impl fmt::Display for Explanation {
    /// One line: `allowed`, or `denied (reason): ` and what would have been needed.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.decision {
            Decision::Allow(scope) => match scope.tenant() {
                Some(tenant) => write!(f, "allowed in the tenant {tenant}"),
                None => f.write_str("allowed"),
            },
            Decision::Deny(reason) => {
                write!(f, "denied ({}): needs ", reason.as_str())?;
                for (index, missing) in self.missing.iter().enumerate() {
                    if index > 0 {
                        f.write_str("; ")?;
                    }
                    missing.fmt(f)?;
                }
                Ok(())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use claviger_domain::{Permissions, RolePermission, TenantId};

    use super::*;
    use crate::{AddressRules, CompiledPermissions, Path};

    const NOW: Instant = Instant::from_epoch_millis(1_000);

    fn only(text: &str) -> CompiledPermissions {
        CompiledPermissions::from(&Permissions::Only(text.parse().unwrap()))
    }

    #[track_caller]
    fn check(access: &Access<'_>, method: RequestMethod, path: &str, expected: &str) {
        let request = Request::new(method, Path::parse(path.as_bytes()).unwrap(), NOW);
        let explanation = explain(access, &request);
        assert_eq!(explanation.to_string(), expected);
        assert_eq!(explanation.decision, decide(access, &request));
        assert_eq!(explanation.missing.is_empty(), matches!(explanation.decision, Decision::Allow(_)));
    }

    #[test]
    fn names_what_would_have_been_needed() {
        use RequestMethod::{Delete, Get, Options, Post};
        let list = only("GET:/api/user\nGET:/v1\n:/v1/admin");
        let key = Access::new(&list);
        check(&key, Get, "/api/user/7", "allowed");
        check(&key, Delete, "/api/user/7", "denied (not_granted): needs DELETE on the endpoint /api/user");
        check(
            &key,
            Options,
            "/api/user",
            "denied (not_granted): needs a method that lists can grant on the endpoint /api/user",
        );
        check(&key, Post, "/v2/x", "denied (not_granted): needs POST on /v2/x or a path above it");
        for path in ["/v1/admin/x", "/v1/Admin/x"] {
            let expected = format!(
                "denied (not_granted): needs GET on {path} or a path above it (the entry /v1/admin decides)"
            );
            check(&key, Get, path, &expected);
        }
        check(&key, Get, "/api/api-key", "denied (not_key_manager): needs a key manager");
        check(&key, Get, "/api/User", "denied (ambiguous_path): needs the path in its exact case");
        check(&key, Get, "/oauth2/token", "denied (not_granted): needs a key without a list of endpoints");
        let role: RolePermission = "GET:/query/**".parse().unwrap();
        let roles = CompiledPermissions::of_roles([&role]);
        check(
            &Access::new(&roles),
            RequestMethod::Head,
            "/api/query/status",
            "denied (not_granted): needs a role that allows HEAD on /api/query/status",
        );
    }

    #[test]
    fn names_everything_at_once() {
        let (own, named) = (TenantId::from_u128(1), TenantId::from_u128(2));
        let (list, addresses) = (only(""), AddressRules::block_all());
        let access = Access {
            disabled: true,
            tenant_id: Some(own),
            expiration_instant: Some(NOW),
            addresses: Some(&addresses),
            ..Access::new(&list)
        };
        let path = Path::parse(b"/api/key").unwrap();
        let request = Request { tenant_id: Some(named), ..Request::new(RequestMethod::Get, path, NOW) };
        let explanation = explain(&access, &request);
        assert_eq!(explanation.decision, Decision::Deny(Reason::Expired));
        assert_eq!(explanation.missing.len(), 7, "{explanation}");
    }
}
