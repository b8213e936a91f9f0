//! How long a decision takes: with the endpoint known from a route, and from the bytes of a path.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::allow_attributes,
    missing_docs,
    reason = "test code"
)]

use std::hint::black_box;

use claviger_authz::{Access, CompiledPermissions, Decision, Endpoint, Path, Request, decide};
use claviger_domain::{EndpointPermissions, Instant, Method, Permissions, RequestMethod, TenantId};
use criterion::{Criterion, criterion_group, criterion_main};

const USER: &str = "/api/user/780e1d5b-ee3b-43b2-aec8-db99b99adc4e";

/// GET at the first `count` endpoints that are open to tenant keys, `/api/user` among them, but not `/api/group`.
fn permissions(count: usize) -> CompiledPermissions {
    let mut list: EndpointPermissions = "GET:/api/user".parse().unwrap();
    let others =
        Endpoint::all().map(Endpoint::as_str).filter(|path| !["/api/user", "/api/group"].contains(path));
    for path in others.take(count - 1) {
        list.add(path.try_into().unwrap(), [Method::Get].into_iter().collect());
    }
    assert_eq!(list.len(), count);
    CompiledPermissions::from(&Permissions::Only(list))
}

/// What a service does for each request: parse, resolve, decide.
fn ask(access: &Access<'_>, path: &str) -> Option<Decision> {
    let path = Path::parse(path.as_bytes()).ok()?;
    Some(decide(access, &Request::new(RequestMethod::Get, path, Instant::from_epoch_millis(1_000))))
}

fn benches(criterion: &mut Criterion) {
    for count in [5, 100] {
        let permissions = permissions(count);
        let access = Access {
            tenant_id: Some(TenantId::from_u128(7)),
            expiration_instant: Some(Instant::from_epoch_millis(2_000)),
            ..Access::new(&permissions)
        };
        for (name, path, allowed) in [("allowed", USER, true), ("denied", "/api/group", false)] {
            assert_eq!(matches!(ask(&access, path), Some(Decision::Allow(_))), allowed);
            criterion.bench_function(&format!("from the path, {count} endpoints, {name}"), |bencher| {
                bencher.iter(|| ask(black_box(&access), black_box(path)));
            });
        }
    }
    criterion.bench_function("parse the path only", |bencher| {
        bencher.iter(|| Path::parse(black_box(USER).as_bytes()).is_ok());
    });
}

criterion_group!(decisions, benches);
criterion_main!(decisions);
