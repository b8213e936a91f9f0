//! FusionAuth's outcome table, row by row as far as it is a matter of authorization.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::allow_attributes,
    missing_docs,
    reason = "test code"
)]

use claviger_authz::{Access, CompiledPermissions, Decision, Path, Reason, Request, decide};
use claviger_domain::{Instant, Method, Permissions, TenantId, TenantScope};

const OWN: TenantId = TenantId::from_u128(1);
const OTHER: TenantId = TenantId::from_u128(2);
const NOW: i64 = 1_000;

/// A global key without restrictions, calling a tenant endpoint; each case changes what it is about.
#[derive(Clone, Copy)]
struct Case {
    permissions: Option<&'static str>,
    key_manager: bool,
    key_tenant: Option<TenantId>,
    expiration: Option<i64>,
    method: Method,
    /// `None`: the API keys themselves.
    endpoint: Option<&'static str>,
    header: Option<TenantId>,
}

const CASE: Case = Case {
    permissions: None,
    key_manager: false,
    key_tenant: None,
    expiration: None,
    method: Method::Get,
    endpoint: Some("/api/user"),
    header: None,
};

#[track_caller]
fn check(case: Case, expected: Decision) {
    let permissions = match case.permissions {
        None => Permissions::All,
        Some(text) => Permissions::Only(text.parse().unwrap()),
    };
    let compiled = CompiledPermissions::from(&permissions);
    let access = Access {
        key_manager: case.key_manager,
        tenant_id: case.key_tenant,
        expiration_instant: case.expiration.map(Instant::from_epoch_millis),
        ..Access::new(&compiled)
    };
    let request = Request {
        tenant_id: case.header,
        ..Request::new(
            case.method.into(),
            Path::parse(case.endpoint.unwrap_or("/api/api-key").as_bytes()).unwrap(),
            Instant::from_epoch_millis(NOW),
        )
    };
    assert_eq!(decide(&access, &request), expected);
}

fn allow(scope: TenantScope) -> Decision {
    Decision::Allow(scope)
}

fn deny(reason: Reason) -> Decision {
    Decision::Deny(reason)
}

#[test]
fn row_3_an_expired_key() {
    check(Case { expiration: Some(NOW - 1), ..CASE }, deny(Reason::Expired));
    // The instant of expiration is the first at which the key does not work.
    check(Case { expiration: Some(NOW), ..CASE }, deny(Reason::Expired));
    check(Case { expiration: Some(NOW + 1), ..CASE }, allow(TenantScope::All));
    check(Case { expiration: None, ..CASE }, allow(TenantScope::All));
    // Before 1970 is in the past.
    check(Case { expiration: Some(-1), ..CASE }, deny(Reason::Expired));
    // Expiry comes first.
    check(
        Case { expiration: Some(NOW), endpoint: None, permissions: Some(""), ..CASE },
        deny(Reason::Expired),
    );
}

#[test]
fn row_5_a_key_without_the_endpoint_or_the_method() {
    check(Case { permissions: Some("GET:/api/user"), ..CASE }, allow(TenantScope::All));
    check(Case { permissions: Some("POST:/api/user"), ..CASE }, deny(Reason::NotGranted));
    check(
        Case { permissions: Some("GET:/api/user"), method: Method::Patch, ..CASE },
        deny(Reason::NotGranted),
    );
    check(Case { permissions: Some("GET:/api/user/search"), ..CASE }, deny(Reason::NotGranted));
    check(
        Case { permissions: Some("GET:/api/user"), endpoint: Some("/api/user/search"), ..CASE },
        deny(Reason::NotGranted),
    );
    check(Case { permissions: Some("GET:/api/user-action"), ..CASE }, deny(Reason::NotGranted));
    check(Case { permissions: Some(":/api/user"), ..CASE }, deny(Reason::NotGranted));
    check(Case { permissions: Some(""), ..CASE }, deny(Reason::NotGranted));
    check(Case { permissions: Some("GET:/"), ..CASE }, deny(Reason::NotGranted));
    check(Case { permissions: Some("GET:/api/*"), ..CASE }, deny(Reason::NotGranted));
    // A key manager has no other endpoint for that.
    check(Case { permissions: Some(""), key_manager: true, ..CASE }, deny(Reason::NotGranted));
}

#[test]
fn row_6_a_key_that_is_no_manager_at_the_api_keys() {
    for permissions in [None, Some(""), Some("DELETE,GET,PATCH,POST,PUT:/api/api-key")] {
        for method in Method::ALL {
            let case = Case { endpoint: None, permissions, method, ..CASE };
            check(case, deny(Reason::NotKeyManager));
            check(Case { key_manager: true, ..case }, allow(TenantScope::All));
        }
    }
    // The tenant header is taken there, and a tenant's manager stays in its tenant.
    let case = Case { endpoint: None, key_manager: true, ..CASE };
    check(Case { header: Some(OWN), ..case }, allow(TenantScope::One(OWN)));
    check(Case { key_tenant: Some(OWN), ..case }, allow(TenantScope::One(OWN)));
    check(Case { key_tenant: Some(OWN), header: Some(OTHER), ..case }, deny(Reason::OtherTenant));
}

#[test]
fn rows_7_to_9_a_global_endpoint() {
    for permissions in [None, Some("GET:/api/key")] {
        let case = Case { endpoint: Some("/api/key"), permissions, ..CASE };
        check(case, allow(TenantScope::All));
        check(Case { key_tenant: Some(OWN), ..case }, deny(Reason::TenantKeyAtGlobalEndpoint));
        check(Case { header: Some(OWN), ..case }, deny(Reason::TenantHeaderAtGlobalEndpoint));
        let both = Case { key_tenant: Some(OWN), header: Some(OWN), ..case };
        check(both, deny(Reason::TenantKeyAtGlobalEndpoint));
        check(Case { header: Some(OTHER), ..both }, deny(Reason::TenantKeyAtGlobalEndpoint));
    }
    // Without the permission that is the reason given.
    let case = Case { endpoint: Some("/api/key"), permissions: Some(""), key_tenant: Some(OWN), ..CASE };
    check(case, deny(Reason::NotGranted));
}

#[test]
fn rows_10_to_12_a_key_of_a_tenant_at_a_tenant_endpoint() {
    for permissions in [None, Some("GET:/api/user")] {
        let case = Case { key_tenant: Some(OWN), permissions, ..CASE };
        check(case, allow(TenantScope::One(OWN)));
        check(Case { header: Some(OWN), ..case }, allow(TenantScope::One(OWN)));
        check(Case { header: Some(OTHER), ..case }, deny(Reason::OtherTenant));
    }
}

#[test]
fn row_13_a_global_key_at_a_tenant_endpoint() {
    check(CASE, allow(TenantScope::All));
    check(Case { header: Some(OTHER), ..CASE }, allow(TenantScope::One(OTHER)));
}

#[test]
fn scopes_that_look_odd_are_as_published() {
    let tenant = Case { key_tenant: Some(OWN), ..CASE };
    for endpoint in ["/api/tenant", "/api/entity/type/permission", "/api/system/version", "/api/report/login"]
    {
        check(Case { endpoint: Some(endpoint), ..tenant }, allow(TenantScope::One(OWN)));
    }
    for endpoint in ["/api/tenant/search", "/api/entity/type", "/api/status", "/api/report/totals"] {
        check(Case { endpoint: Some(endpoint), ..tenant }, deny(Reason::TenantKeyAtGlobalEndpoint));
    }
}

#[test]
fn reasons_have_different_names() {
    let names: std::collections::BTreeSet<_> = Reason::ALL.into_iter().map(Reason::as_str).collect();
    assert_eq!(names.len(), Reason::ALL.len());
    for (place, reason) in Reason::ALL.into_iter().enumerate() {
        assert_eq!(reason.place(), place);
    }
}
