//! Known failures of this field as regression tests: ambiguous paths, and keys that gave away more than they had.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::allow_attributes,
    missing_docs,
    reason = "test code"
)]

use claviger_authz::{
    Access, CompiledPermissions, Decision, Endpoint, GrantRefusal, Path, PathError, Request, decide,
    may_grant, may_manage,
};
use claviger_domain::{Instant, Permissions, RequestMethod, TenantId, TenantScope};

#[track_caller]
fn refused(raw: &str, reason: PathError) {
    assert_eq!(Path::parse(raw.as_bytes()), Err(reason), "{raw}");
}

#[track_caller]
fn no_endpoint(raw: &str) {
    assert_eq!(Path::parse(raw.as_bytes()).map(|path| Endpoint::resolve(&path)), Ok(None), "{raw}");
}

fn only(text: &str) -> CompiledPermissions {
    CompiledPermissions::from(&Permissions::Only(text.parse().unwrap()))
}

fn all() -> CompiledPermissions {
    CompiledPermissions::from(&Permissions::All)
}

const fn manager(permissions: &CompiledPermissions) -> Access<'_> {
    Access { key_manager: true, ..Access::new(permissions) }
}

const fn ordinary(permissions: &CompiledPermissions) -> Access<'_> {
    Access::new(permissions)
}

/// CVE-2026-33494: rules matched the path before `..` was taken out.
#[test]
fn dot_segments_reach_no_rule() {
    refused("/api/user/../key", PathError::DotSegment);
    refused("/api/user/..", PathError::DotSegment);
    refused("/api/user/%2e%2e/key", PathError::EncodedUnreserved);
    refused("/api/user/.%2E/key", PathError::EncodedUnreserved);
}

/// CVE-2021-43557, CVE-2021-31920, CVE-2021-29492: `//`, `%2f` and `%5c` meant one thing to the rule, another upstream.
#[test]
fn doubled_and_encoded_slashes_are_refused() {
    refused("//api/key", PathError::EmptySegment);
    refused("/api//key", PathError::EmptySegment);
    refused("/api%2fkey", PathError::EncodedSlash);
    refused("/api/user/x%2F..%2Fkey", PathError::EncodedSlash);
    refused("/api%5ckey", PathError::EncodedBackslash);
    refused("/api\\key", PathError::Backslash);
}

/// CVE-2020-1957, CVE-2020-11989, CVE-2020-13933: `..;/` and `%3b` slipped past path patterns.
#[test]
fn path_parameters_are_refused() {
    refused("/api/user/..;/key", PathError::Semicolon);
    refused("/api/key;jsessionid=1", PathError::Semicolon);
    refused("/api/%3bkey", PathError::EncodedSemicolon);
    refused("/api/key%3B", PathError::EncodedSemicolon);
}

/// CVE-2025-32431, CVE-2025-47952, CVE-2025-66490, CVE-2026-40912, CVE-2026-48020, CVE-2026-65600, CVE-2026-67309:
/// decoded and raw path fell out of step.
#[test]
fn there_is_no_second_spelling_of_a_literal() {
    refused("/api/%6bey", PathError::EncodedUnreserved);
    refused("/%61pi/key", PathError::EncodedUnreserved);
    refused("/api/%252e%252e/key", PathError::EncodedPercent);
    refused("/api/user/%25%32%66", PathError::EncodedPercent);
    refused("/api/%c0%af/key", PathError::InvalidUtf8);
    refused("/api/key%00.html", PathError::EncodedControl);
    refused("/api/key%0d%0a", PathError::EncodedControl);
}

/// CVE-2026-27587, CVE-2026-52844: case was folded on one branch only.
#[test]
fn case_is_not_folded() {
    for path in ["/api/Key", "/API/key", "/api/user/Search", "/api/KEY/generate", "/api/key/Generate"] {
        no_endpoint(path);
    }
}

/// CVE-2025-54576, CVE-2026-41059, CVE-2023-47106: the match ran over query and fragment.
#[test]
fn query_and_fragment_are_no_part_of_a_path() {
    refused("/api/key?x=/api/user", PathError::QueryOrFragment);
    refused("/api/key#/api/user", PathError::QueryOrFragment);
}

/// A rule for `/api/user` is no prefix, and no path elsewhere ends in it.
#[test]
fn paths_are_compared_by_whole_segments() {
    no_endpoint("/api/users");
    no_endpoint("/internal/api/user");
    no_endpoint("/api/x/user");
    let path = Path::parse(b"/api/user-action").unwrap();
    assert_ne!(Endpoint::resolve(&path), Endpoint::find("/api/user"));
}

/// CVE-2026-56654: a narrow token minted a wider one. CVE-2024-24747: a new key had its maker's full rights.
#[test]
fn a_narrow_key_grants_no_wider_one() {
    let held = only("GET:/api/user");
    for wanted in
        [all(), only("GET,POST:/api/user"), only("GET:/api/user\nGET:/api/key"), only("GET:/v1/orders")]
    {
        let refusal = may_grant(&manager(&held), TenantScope::All, &ordinary(&wanted));
        assert_eq!(refusal, Err(GrantRefusal::Permissions), "{wanted:?}");
    }
    assert_eq!(may_grant(&manager(&held), TenantScope::All, &ordinary(&held)), Ok(()));
}

/// CVE-2025-62506, CVE-2024-24747: a restricted key changed its own policy.
#[test]
fn a_key_does_not_widen_itself() {
    let held = only("GET:/api/user");
    assert_eq!(may_manage(&manager(&held), TenantScope::All, &manager(&held)), Ok(()));
    let refusal = may_manage(&manager(&held), TenantScope::All, &manager(&all()));
    assert_eq!(refusal, Err(GrantRefusal::Permissions));
}

/// CVE-2025-61928: who asked for a key was not checked at all.
#[test]
fn a_key_that_is_no_manager_grants_and_manages_nothing() {
    let (everything, nothing) = (all(), only(""));
    let holder = ordinary(&everything);
    assert_eq!(may_grant(&holder, TenantScope::All, &ordinary(&nothing)), Err(GrantRefusal::KeyManager));
    assert_eq!(may_manage(&holder, TenantScope::All, &holder), Err(GrantRefusal::KeyManager));
}

/// CVE-2025-5999, CVE-2025-54996, CVE-2025-64761: the highest right could be named by the back door.
#[test]
fn key_managers_are_never_granted() {
    let (everything, nothing) = (all(), only(""));
    let holder = manager(&everything);
    assert_eq!(may_grant(&holder, TenantScope::All, &manager(&nothing)), Err(GrantRefusal::KeyManager));
    assert_eq!(may_manage(&holder, TenantScope::All, &manager(&everything)), Ok(()));
}

/// CVE-2025-64431, CVE-2026-33132, CVE-2023-24999: the tenant of the request was not compared with the caller's.
#[test]
fn grants_stay_in_the_tenant() {
    let (own, other) = (TenantId::from_u128(1), TenantId::from_u128(2));
    let permissions = all();
    let global = manager(&permissions);
    let tenant = Access { tenant_id: Some(own), ..global };
    let wanted = |tenant_id| Access { tenant_id, ..ordinary(&permissions) };
    for (holder, scope) in
        [(tenant, TenantScope::One(own)), (global, TenantScope::One(own)), (tenant, TenantScope::All)]
    {
        assert_eq!(may_grant(&holder, scope, &wanted(Some(own))), Ok(()));
        assert_eq!(may_grant(&holder, scope, &wanted(Some(other))), Err(GrantRefusal::Tenant));
        assert_eq!(may_grant(&holder, scope, &wanted(None)), Err(GrantRefusal::Tenant));
        assert_eq!(may_manage(&holder, scope, &global), Err(GrantRefusal::Tenant));
    }
    for tenant_id in [None, Some(own), Some(other)] {
        assert_eq!(may_grant(&global, TenantScope::All, &wanted(tenant_id)), Ok(()));
    }
    // A list, however long, does not cover a tenant's key without one.
    let listed = only("GET:/api/user");
    let refusal = may_grant(&manager(&listed), TenantScope::All, &wanted(Some(own)));
    assert_eq!(refusal, Err(GrantRefusal::Permissions));
}

/// CVE-2020-25816, CVE-2021-32923: near its end a lease became endless.
#[test]
fn the_edges_of_time_keep_their_meaning() {
    let permissions = all();
    let path = Path::parse(b"/api/user").unwrap();
    for (expiration, now, allowed) in [
        (i64::MIN, i64::MIN, false),
        (i64::MIN, i64::MAX, false),
        (i64::MAX, i64::MAX, false),
        (i64::MAX, i64::MAX - 1, true),
        (0, 0, false),
        (0, -1, true),
    ] {
        let expiration_instant = Some(Instant::from_epoch_millis(expiration));
        let access = Access { expiration_instant, ..ordinary(&permissions) };
        let now = Instant::from_epoch_millis(now);
        let request = Request::new(RequestMethod::Get, path, now);
        let decision = decide(&access, &request);
        assert_eq!(matches!(decision, Decision::Allow(_)), allowed, "{expiration} {now}");
    }
}
