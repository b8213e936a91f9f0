//! The cases that the engine and the model are asked, and plain data as the crate takes it.

use std::collections::BTreeMap;

use claviger_authz::{Access, AddressRules, CompiledPermissions, Decision, Path, Request, decide};
use claviger_domain::{
    AddressRange, EndpointPath, EndpointPermissions, Instant, IpAccessControlEntry, IpAction, Method,
    Permissions, RequestMethod, RolePermission, TenantId,
};
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;

use crate::naive::{Endpoints, NaiveEntry, NaiveKey, NaivePermission, NaiveRequest, NaiveRules, is_admin};

/// Paths that lists speak of: endpoints, paths of other services, and what no list can open.
const LISTED: [&str; 28] = [
    "/api/user",
    "/api/user/search",
    "/api/tenant",
    "/api/tenant/search",
    "/api/key",
    "/api/entity/type/permission",
    "/api/application/role",
    "/",
    "/v1",
    "/v1/",
    "/v1/orders",
    "/v1/orders/audit",
    "/v1/orders/audit/x",
    "/V1/orders",
    "/v1/Orders",
    "/v1/a:b",
    "/v1/a%3Ab",
    "/v1/%C3%A9",
    "/api",
    "/api/orders",
    "/api/user/",
    "/api/user/7",
    "/API/user",
    "/api/api-key",
    "/api/roles",
    "/api/jwt/issue",
    "/oauth2",
    "/v1//orders",
];

/// Paths that lie below one another, or would if case did not matter.
pub(crate) const NESTED: [&str; 7] =
    ["/", "/v1", "/v1/orders", "/v1/Orders", "/V1/orders", "/v1/orders/audit", "/v1/orders/audit/x"];

/// Paths that requests are for.
pub(crate) const REQUESTED: [&str; 49] = [
    "/api/user",
    "/api/user/",
    "/api/user/7",
    "/api/user/search",
    "/api/user-action/7",
    "/api/tenant/7",
    "/api/tenant/search",
    "/api/key",
    "/api/entity/type/7",
    "/api/entity/type/7/permission/8",
    "/api/application/7/role",
    "/api/jwt/vend",
    "/api/api-key",
    "/api/api-key/7",
    "/api/roles",
    "/api/roles/7",
    "/api/api-key/7/8",
    "/api/roles/7/8",
    "/api/jwt",
    "/api/jwt/issue",
    "/api/health",
    "/oauth2/token",
    "/.well-known/jwks.json",
    "/API/user",
    "/api/User/7",
    "/api/user/Search",
    "/api/Roles",
    "/OAuth2/token",
    "/",
    "/api",
    "/api/orders/7",
    "/api/Orders",
    "/v1",
    "/v1/orders",
    "/v1/orders/7/",
    "/v1/orders/audit",
    "/v1/orders/audit/x/y",
    "/v1/orders/Audit/x",
    "/v1/Orders/7",
    "/V1/orders",
    "/V1/orders/AUDIT",
    "/v1/a:b",
    "/v1/a%3Ab/c",
    "/v1/%C3%A9",
    "/api/collections/C1",
    "/api/apollo/collections/a%20b",
    "/collections/c1",
    "/collections/C1/x/audit",
    "/v2/x",
];

/// Patterns of roles, with the values among which a variable's are chosen.
const PATTERNS: [(&str, &[&str]); 16] = [
    ("/**", &[]),
    ("/", &[]),
    ("/*", &[]),
    ("/collections/*", &[]),
    ("/collections/**", &[]),
    ("/collections/{id}", &["C1", "a b", "#ID", "C2"]),
    ("/collections/C1", &[]),
    ("/**/audit/**", &[]),
    ("/v1/**", &[]),
    ("/v1/{what}/**", &["orders", "a:b", "é"]),
    ("/user/**", &[]),
    ("/user/{id}", &["7", "#ID"]),
    ("/roles/**", &[]),
    ("/api-key/**", &[]),
    ("/jwt/*", &[]),
    ("/*/7", &[]),
];

const ADDRESSES: [&str; 8] = [
    "10.0.0.0",
    "10.0.0.1",
    "10.0.0.7",
    "10.0.0.255",
    "::ffff:10.0.0.7",
    "255.255.255.255",
    "2001:db8::1",
    "2001:db8::ff",
];

pub(crate) fn tenant(number: u128) -> String {
    TenantId::from_u128(number).to_string()
}

pub(crate) fn tenants() -> impl Strategy<Value = Option<String>> {
    option::of((1_u128..3).prop_map(tenant))
}

fn request_method() -> impl Strategy<Value = String> {
    select(RequestMethod::ALL.as_slice()).prop_map(|method| method.as_str().to_owned())
}

pub(crate) fn lists() -> impl Strategy<Value = Endpoints> {
    let method = || select(Method::ALL.as_slice()).prop_map(|method| method.as_str().to_owned());
    let path = select(LISTED.as_slice()).prop_map(str::to_owned);
    let wide = prop::collection::btree_map(path, prop::collection::btree_set(method(), 0..=5), 0..=9);
    prop_oneof![2 => wide, 1 => nested()]
}

/// Lists of few paths and methods, so that one entry lies below another that says almost the same.
pub(crate) fn nested() -> impl Strategy<Value = Endpoints> {
    let path = select(NESTED.as_slice()).prop_map(str::to_owned);
    let method = select(["GET", "PUT"].as_slice()).prop_map(str::to_owned);
    prop::collection::btree_map(path, prop::collection::btree_set(method, 0..=2), 1..=4)
}

/// Permissions of roles. On `/**` they list everything, or not enough to make up the admin permission together: that one is
/// more than its parts by design.
pub(crate) fn permissions() -> impl Strategy<Value = Vec<NaivePermission>> {
    let methods = prop::collection::btree_set(request_method(), 1..=5);
    // Those that include one another come up together more often.
    let pattern = prop_oneof![1 => select(PATTERNS.as_slice()), 1 => select(&PATTERNS[3..7])];
    let one = (pattern, methods, prop::collection::vec(any::<bool>(), 4), 0..8).prop_map(
        |((path, choices), mut methods, chosen, everything)| {
            if path == "/**" {
                methods.remove("DELETE");
                methods.insert(String::from("GET"));
                if everything == 0 {
                    methods.extend(RequestMethod::ALL.map(|method| method.as_str().to_owned()));
                }
            }
            let mut values: Vec<String> = choices
                .iter()
                .zip(chosen)
                .filter(|(_, chosen)| *chosen)
                .map(|(value, _)| (*value).to_owned())
                .collect();
            if values.is_empty() {
                values.extend(choices.first().map(|value| (*value).to_owned()));
            }
            let name = path.split(['{', '}']).nth(1).map(str::to_owned);
            NaivePermission {
                methods,
                path: path.to_owned(),
                values: name.map(|name| (name, values)).into_iter().collect(),
            }
        },
    );
    prop::collection::vec(one, 0..5)
}

pub(crate) fn rules() -> impl Strategy<Value = NaiveRules> {
    prop_oneof![
        1 => Just(NaiveRules::All),
        5 => lists().prop_map(NaiveRules::List),
        4 => permissions().prop_map(NaiveRules::Roles),
    ]
}

pub(crate) fn entries() -> impl Strategy<Value = Vec<NaiveEntry>> {
    let address = || select(ADDRESSES.as_slice()).prop_map(str::to_owned);
    let entry = (any::<bool>(), option::weighted(0.8, (address(), address())));
    prop::collection::vec(entry, 0..6).prop_map(|entries| {
        let entries = entries.into_iter().map(|(allow, range)| NaiveEntry { allow, range });
        entries
            .filter(|entry| entry.range.as_ref().is_none_or(|range| parse_range(range).is_some()))
            .collect()
    })
}

pub(crate) fn keys() -> impl Strategy<Value = NaiveKey> {
    let addresses = option::weighted(0.15, entries());
    let disabled = prop::bool::weighted(0.05);
    (rules(), any::<bool>(), disabled, tenants(), option::weighted(0.1, 0_i64..5), addresses).prop_map(
        |(rules, key_manager, disabled, tenant, expiration, addresses)| NaiveKey {
            rules,
            key_manager,
            disabled,
            tenant,
            expiration,
            addresses,
        },
    )
}

/// Keys that do not end, from anywhere: powers are compared, and not circumstances.
pub(crate) fn lasting() -> impl Strategy<Value = NaiveKey> {
    keys().prop_map(|key| plain_key(NaiveKey { expiration: None, disabled: false, addresses: None, ..key }))
}

/// Of keys with roles, exactly those with the admin permission manage keys.
pub(crate) fn plain_key(mut key: NaiveKey) -> NaiveKey {
    if let NaiveRules::Roles(permissions) = &key.rules {
        key.key_manager = is_admin(permissions);
    }
    key
}

pub(crate) fn requests() -> impl Strategy<Value = NaiveRequest> {
    let path = select(REQUESTED.as_slice()).prop_map(str::to_owned);
    let address = option::weighted(0.9, select(ADDRESSES.as_slice()).prop_map(str::to_owned));
    let tenant = option::weighted(0.4, (1_u128..3).prop_map(tenant));
    (request_method(), path, tenant, address, 0_i64..5)
        .prop_map(|(method, path, tenant, address, now)| NaiveRequest { method, path, tenant, address, now })
}

/// Every method on every path, with each of these tenants, at the time 0.
pub(crate) fn all_requests(tenants: &[Option<String>]) -> Vec<NaiveRequest> {
    let mut requests = Vec::new();
    for method in RequestMethod::ALL {
        for path in REQUESTED {
            for tenant in tenants {
                requests.push(NaiveRequest {
                    method: method.as_str().to_owned(),
                    path: path.to_owned(),
                    tenant: tenant.clone(),
                    address: Some(ADDRESSES[1].to_owned()),
                    now: 0,
                });
            }
        }
    }
    requests
}

fn parse_range((first, last): &(String, String)) -> Option<AddressRange> {
    AddressRange::new(first.parse().unwrap(), last.parse().unwrap())
}

pub(crate) fn permission(permission: &NaivePermission) -> RolePermission {
    let methods = permission.methods.iter().map(|method| method.parse::<RequestMethod>().unwrap());
    RolePermission::new(methods.collect(), &permission.path, permission.values.clone()).unwrap()
}

pub(crate) fn compile(rules: &NaiveRules) -> CompiledPermissions {
    match rules {
        NaiveRules::All => CompiledPermissions::from(&Permissions::All),
        NaiveRules::List(list) => {
            let mut endpoints = EndpointPermissions::default();
            for (path, methods) in list {
                let methods = methods.iter().map(|method| method.parse::<Method>().unwrap()).collect();
                endpoints.add(EndpointPath::try_from(path.as_str()).unwrap(), methods);
            }
            CompiledPermissions::from(&Permissions::Only(endpoints))
        }
        NaiveRules::Roles(permissions) => {
            let permissions: Vec<_> = permissions.iter().map(permission).collect();
            CompiledPermissions::of_roles(&permissions)
        }
    }
}

/// A key as the crate takes it.
pub(crate) struct Compiled {
    permissions: CompiledPermissions,
    addresses: Option<AddressRules>,
    key: NaiveKey,
}

impl NaiveKey {
    pub(crate) fn compile(&self) -> Compiled {
        let addresses = self.addresses.as_ref().map(|entries| {
            let entries: Vec<_> = entries
                .iter()
                .map(|entry| IpAccessControlEntry {
                    action: if entry.allow { IpAction::Allow } else { IpAction::Block },
                    range: entry.range.as_ref().map(|range| parse_range(range).unwrap()),
                })
                .collect();
            AddressRules::compile(&entries)
        });
        Compiled { permissions: compile(&self.rules), addresses, key: self.clone() }
    }
}

impl Compiled {
    pub(crate) fn access(&self) -> Access<'_> {
        Access {
            key_manager: self.key.key_manager,
            disabled: self.key.disabled,
            tenant_id: self.key.tenant.as_deref().map(|tenant| tenant.parse().unwrap()),
            expiration_instant: self.key.expiration.map(Instant::from_epoch_millis),
            addresses: self.addresses.as_ref(),
            ..Access::new(&self.permissions)
        }
    }

    pub(crate) fn decide(&self, request: &NaiveRequest) -> Decision {
        decide(&self.access(), &request.request())
    }

    pub(crate) fn allows(&self, request: &NaiveRequest) -> bool {
        matches!(self.decide(request), Decision::Allow(_))
    }
}

impl NaiveRequest {
    pub(crate) fn request(&self) -> Request<'_> {
        Request {
            tenant_id: self.tenant.as_deref().map(|tenant| tenant.parse().unwrap()),
            address: self.address.as_deref().map(|address| address.parse().unwrap()),
            ..Request::new(
                self.method.parse().unwrap(),
                Path::parse(self.path.as_bytes()).unwrap(),
                Instant::from_epoch_millis(self.now),
            )
        }
    }
}

/// A fixed population of cases with how often each outcome is met: a property says nothing about what never comes up.
pub(crate) fn shares<S: Strategy>(
    cases: S,
    count: usize,
    outcome: impl Fn(S::Value) -> &'static str,
) -> BTreeMap<&'static str, usize> {
    let mut runner = TestRunner::deterministic();
    let mut shares = BTreeMap::new();
    for _ in 0..count {
        *shares.entry(outcome(cases.new_tree(&mut runner).unwrap().current())).or_default() += 1;
    }
    shares
}
