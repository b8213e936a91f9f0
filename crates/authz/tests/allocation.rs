//! A decision takes nothing from the heap, whatever rules the key has: neither the parser of paths nor the engine.
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

use allocation_counter::measure;
use claviger_authz::{
    Access, AddressRules, CompiledPermissions, Decision, Endpoint, Path, Reason, Request, decide, explain,
};
use claviger_domain::{
    AddressRange, EndpointPermissions, Instant, IpAccessControlEntry, IpAction, Method, Permissions,
    RequestMethod, RolePermission, TenantId,
};

const OWN: TenantId = TenantId::from_u128(1);
const USER: &str = "/api/user/780e1d5b-ee3b-43b2-aec8-db99b99adc4e";

/// Parses and decides as a service does, counted; what was decided has to be what the case is about.
#[track_caller]
fn check(access: &Access<'_>, method: RequestMethod, raw: &str, expected: Result<(), Reason>) {
    let mut decision = None;
    let counted = measure(|| {
        let path = Path::parse(black_box(raw).as_bytes()).unwrap();
        let request = Request {
            tenant_id: Some(OWN),
            address: Some([10, 1, 2, 3].into()),
            ..Request::new(method, path, Instant::from_epoch_millis(1_000))
        };
        decision = Some(decide(black_box(access), black_box(&request)));
    });
    let decided = match decision.unwrap() {
        Decision::Allow(_) => Ok(()),
        Decision::Deny(reason) => Err(reason),
    };
    assert_eq!(decided, expected, "{method} {raw}");
    assert_eq!((counted.count_total, counted.bytes_total), (0, 0), "{method} {raw}");
}

fn only(list: EndpointPermissions) -> CompiledPermissions {
    CompiledPermissions::from(&Permissions::Only(list))
}

#[test]
fn a_list_of_a_hundred_endpoints() {
    let mut list: EndpointPermissions = "GET:/api/user".parse().unwrap();
    let others =
        Endpoint::all().map(Endpoint::as_str).filter(|path| !["/api/user", "/api/group"].contains(path));
    for path in others.take(99) {
        list.add(path.try_into().unwrap(), [Method::Get].into_iter().collect());
    }
    assert_eq!(list.len(), 100);
    let permissions = only(list);
    let access = Access { tenant_id: Some(OWN), ..Access::new(&permissions) };
    check(&access, RequestMethod::Get, USER, Ok(()));
    check(&access, RequestMethod::Head, USER, Ok(()));
    check(&access, RequestMethod::Post, USER, Err(Reason::NotGranted));
    check(&access, RequestMethod::Get, "/api/group", Err(Reason::NotGranted));
    check(&access, RequestMethod::Get, "/api/User", Err(Reason::AmbiguousPath));
    check(&access, RequestMethod::Get, "/api/key", Err(Reason::TenantKeyAtGlobalEndpoint));
    check(&access, RequestMethod::Get, "/api/api-key", Err(Reason::NotKeyManager));
    check(&access, RequestMethod::Get, "/oauth2/token", Err(Reason::NotGranted));
}

#[test]
fn prefixes() {
    let mut list: EndpointPermissions =
        "GET:/\nGET,PUT:/v1/orders\n:/v1/orders/secret\nPUT:/v1/a%20b".parse().unwrap();
    for number in 0..100 {
        let path = format!("/v2/{number}/x/{number}");
        list.add(path.as_str().try_into().unwrap(), [Method::Post].into_iter().collect());
    }
    let permissions = only(list);
    let access = Access::new(&permissions);
    check(&access, RequestMethod::Put, "/v1/orders/7/lines", Ok(()));
    check(&access, RequestMethod::Put, "/v1/a%20b/c", Ok(()));
    check(&access, RequestMethod::Get, "/elsewhere", Ok(()));
    check(&access, RequestMethod::Post, "/v2/42/x/42/y", Ok(()));
    check(&access, RequestMethod::Get, "/v1/orders/secret/7", Err(Reason::NotGranted));
    check(&access, RequestMethod::Get, "/v1/orders/SECRET/7", Err(Reason::NotGranted));
    check(&access, RequestMethod::Options, "/v1/orders", Err(Reason::NotGranted));
}

#[test]
fn roles() {
    let mut lines: Vec<String> = (0..50).map(|number| format!("PUT:/unused/{number}/**")).collect();
    lines.extend(
        ["GET:/collections/{id}/**:id=C1,a b,C3", "GET:/**/a/**/b/**/status", "POST:/query/*"]
            .map(str::to_owned),
    );
    let parsed: Vec<RolePermission> = lines.iter().map(|line| line.parse().unwrap()).collect();
    let permissions = CompiledPermissions::of_roles(&parsed);
    let access = Access::new(&permissions);
    check(&access, RequestMethod::Get, "/api/collections/a%20b/x/y", Ok(()));
    check(&access, RequestMethod::Get, "/api/apollo/collections/C3", Ok(()));
    check(&access, RequestMethod::Get, "/x/a/a/b/b/a/status", Ok(()));
    check(&access, RequestMethod::Post, "/api/query/demo/", Ok(()));
    check(&access, RequestMethod::Get, "/api/collections/C2", Err(Reason::NotGranted));
    check(&access, RequestMethod::Get, &format!("{}/status", "/a/b".repeat(15)), Ok(()));
    check(&access, RequestMethod::Get, &"/a/b".repeat(16), Err(Reason::NotGranted));
    check(&access, RequestMethod::Get, &"/a".repeat(100), Err(Reason::NotGranted));
    check(&access, RequestMethod::Get, "/api/roles", Err(Reason::NotGranted));
}

#[test]
fn addresses() {
    let range = |first: [u8; 4], last: [u8; 4]| AddressRange::new(first.into(), last.into());
    for (action, expected) in [(IpAction::Allow, Ok(())), (IpAction::Block, Err(Reason::AddressBlocked))] {
        let mut entries = vec![
            IpAccessControlEntry { action, range: range([10, 1, 2, 3], [10, 1, 2, 4]) },
            IpAccessControlEntry { action: IpAction::Block, range: None },
        ];
        let further = (0..200).map(|n| range([10, n, 0, 0], [10, n, 0, 200]));
        entries.extend(further.map(|range| IpAccessControlEntry { action: IpAction::Allow, range }));
        let rules = AddressRules::compile(&entries);
        let permissions = CompiledPermissions::from(&Permissions::All);
        let access = Access { addresses: Some(&rules), ..Access::new(&permissions) };
        check(&access, RequestMethod::Get, USER, expected);
    }
}

/// Refused paths cost nothing either.
#[test]
fn refused_paths() {
    let longest = format!("/{}", "a".repeat(9_000));
    for raw in ["", "//", "/a/../b", "/a%2fb", "/%C3%28", "/a;b", &longest] {
        let counted = measure(|| assert!(Path::parse(black_box(raw).as_bytes()).is_err()));
        assert_eq!(counted.count_total, 0, "{raw}");
    }
}

/// The counter counts: an explanation is text, and says so.
#[test]
fn an_explanation_is_counted() {
    let permissions = only(EndpointPermissions::default());
    let path = Path::parse(b"/v1/orders").unwrap();
    let request = Request::new(RequestMethod::Get, path, Instant::from_epoch_millis(0));
    let counted = measure(|| drop(black_box(explain(&Access::new(&permissions), &request))));
    assert!(counted.count_total > 0);
}

/// The longest lists that one request can send: a thousand entries of 250 segments. Compiling them must not copy the way to
/// each segment, or one such key keeps whoever writes waiting for seconds. Each segment is kept a few times at most.
#[test]
fn the_longest_list_is_compiled_in_few_steps() {
    const ENTRIES: usize = 1024;
    const SEGMENTS: usize = 250;
    let mut list = EndpointPermissions::default();
    for number in 0..ENTRIES {
        let path = format!("{}/{number}", "/a".repeat(SEGMENTS - 1));
        list.add(path.as_str().try_into().unwrap(), [Method::Get].into_iter().collect());
    }
    let list = Permissions::Only(list);
    let counted = measure(|| drop(black_box(CompiledPermissions::from(&list))));
    let segments = (ENTRIES * SEGMENTS) as u64;
    assert!(counted.count_total < 4 * segments, "{counted:?}");
    assert!(counted.bytes_total < 100 * segments, "{counted:?}");
}
