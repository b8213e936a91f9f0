//! The tenant is part of every grant and of every decision. Look-ups by tenant are storage's, and tested there.

use claviger_authz::{Access, Decision, GrantRefusal, Reason, Request, decide, may_grant, may_manage};
use claviger_domain::{RequestMethod, TenantId, TenantScope};

use crate::{all, manager, only, request};

const OWN: TenantId = TenantId::from_u128(1);
const OTHER: TenantId = TenantId::from_u128(2);

/// Zitadel did not compare the organization of the request with the caller's. Here a key of one tenant that names another
/// is refused, wherever.
#[test]
fn cve_2025_64431_cve_2026_33132_the_tenants_of_key_and_request_are_compared() {
    let permissions = all();
    let access = Access { tenant_id: Some(OWN), ..manager(&permissions) };
    for path in ["/api/user/7", "/api/api-key", "/api/roles", "/v1/orders", "/api/jwt/issue"] {
        let named = |tenant_id| Request { tenant_id, ..request(RequestMethod::Get, path) };
        assert_eq!(decide(&access, &named(Some(OTHER))), Decision::Deny(Reason::OtherTenant), "{path}");
        for tenant_id in [None, Some(OWN)] {
            assert_eq!(decide(&access, &named(tenant_id)), Decision::Allow(TenantScope::One(OWN)), "{path}");
        }
    }
}

/// In Vault an accessor was not tied to its role. Here a key is managed within the tenant of the holder and of the request
/// only, even if the caller of this function passes a wider scope.
#[test]
fn cve_2023_24999_grants_stay_in_the_tenant() {
    let permissions = all();
    let global = manager(&permissions);
    let tenant = Access { tenant_id: Some(OWN), ..global };
    let wanted = |tenant_id| Access { tenant_id, ..Access::new(&permissions) };
    for (holder, scope) in
        [(tenant, TenantScope::One(OWN)), (global, TenantScope::One(OWN)), (tenant, TenantScope::All)]
    {
        assert_eq!(may_grant(&holder, scope, &wanted(Some(OWN))), Ok(()));
        assert_eq!(may_grant(&holder, scope, &wanted(Some(OTHER))), Err(GrantRefusal::Tenant));
        assert_eq!(may_grant(&holder, scope, &wanted(None)), Err(GrantRefusal::Tenant));
        assert_eq!(may_manage(&holder, scope, &global), Err(GrantRefusal::Tenant));
    }
    for tenant_id in [None, Some(OWN), Some(OTHER)] {
        assert_eq!(may_grant(&global, TenantScope::All, &wanted(tenant_id)), Ok(()));
    }
    // A list, however long, does not cover a tenant's key without one.
    let listed = only("GET:/api/user");
    let refusal = may_grant(&manager(&listed), TenantScope::All, &wanted(Some(OWN)));
    assert_eq!(refusal, Err(GrantRefusal::Permissions));
}
