//! How long a decision takes, from the bytes of a path: by lists of endpoints, lists of prefixes, roles and addresses.
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
use std::net::{IpAddr, Ipv4Addr};

use claviger_authz::{Access, AddressRules, CompiledPermissions, Decision, Endpoint, Path, Request, decide};
use claviger_domain::{
    AddressRange, EndpointPermissions, Instant, IpAccessControlEntry, IpAction, Method, Permissions,
    RequestMethod, RolePermission, TenantId,
};
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

/// GET on 50 paths of another service, and as many entries below them that grant nothing.
fn prefixes() -> CompiledPermissions {
    let lines: Vec<String> =
        (0..50).map(|number| format!("GET:/v1/s{number}\n:/v1/s{number}/admin")).collect();
    let list: EndpointPermissions = lines.join("\n").parse().unwrap();
    assert_eq!(list.len(), 100);
    CompiledPermissions::from(&Permissions::Only(list))
}

/// Sixteen patterns of each of three kinds.
fn roles() -> CompiledPermissions {
    let permissions: Vec<RolePermission> = (0..16)
        .flat_map(|number| {
            [
                format!("GET:/s{number}/*"),
                format!("GET:/s{number}/**/status"),
                format!("GET:/t{number}/{{id}}/**:id=demo,test,live"),
            ]
        })
        .map(|line| line.parse().unwrap())
        .collect();
    CompiledPermissions::of_roles(&permissions)
}

/// 100 networks are let in, and none between them.
fn addresses() -> AddressRules {
    let range = |number: u8| {
        AddressRange::new(IpAddr::from([10, number, 0, 0]), IpAddr::from([10, number, 255, 255])).unwrap()
    };
    let ranges = (0..100)
        .map(|number| IpAccessControlEntry { action: IpAction::Allow, range: Some(range(2 * number)) });
    let default = IpAccessControlEntry { action: IpAction::Block, range: None };
    AddressRules::compile(&ranges.chain([default]).collect::<Vec<_>>())
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
    for (kind, permissions, paths) in [
        ("100 prefixes", prefixes(), [("/v1/s49/orders/17", true), ("/v1/s49/admin/17", false)]),
        ("48 patterns of roles", roles(), [("/api/t9/live/orders/17", true), ("/api/t9/other/17", false)]),
    ] {
        let access = Access::new(&permissions);
        for (path, allowed) in paths {
            assert_eq!(matches!(ask(&access, path), Some(Decision::Allow(_))), allowed, "{path}");
            let name = if allowed { "allowed" } else { "denied" };
            criterion.bench_function(&format!("from the path, {kind}, {name}"), |bencher| {
                bencher.iter(|| ask(black_box(&access), black_box(path)));
            });
        }
    }
    let rules = addresses();
    for (name, address, allowed) in [("allowed", [10, 98, 3, 4], true), ("denied", [10, 99, 3, 4], false)] {
        let address = IpAddr::V4(Ipv4Addr::from(address));
        assert_eq!(rules.allows(address), allowed);
        criterion.bench_function(&format!("an address, 100 ranges, {name}"), |bencher| {
            bencher.iter(|| black_box(&rules).allows(black_box(address)));
        });
    }
    criterion.bench_function("parse the path only", |bencher| {
        bencher.iter(|| Path::parse(black_box(USER).as_bytes()).is_ok());
    });
}

criterion_group!(decisions, benches);
criterion_main!(decisions);
