//! A second, naive implementation of the rules, on maps of strings, and the cases that both are asked.

use std::collections::{BTreeMap, BTreeSet};

use claviger_authz::{Access, CompiledPermissions, Path, Request};
use claviger_domain::{EndpointPath, EndpointPermissions, Instant, Method, Permissions, TenantId};
use proptest::option;
use proptest::prelude::*;

/// Paths that permissions list. The last four are in no catalogue.
pub(crate) const LISTED: [&str; 10] = [
    "/api/user",
    "/api/user/search",
    "/api/tenant",
    "/api/tenant/search",
    "/api/key",
    "/api/entity/type/permission",
    "/api/user/",
    "/API/user",
    "/api/api-key",
    "/v1/orders",
];

/// Those of them that requests are for, and the ones among these that are global.
pub(crate) const REQUESTED: [&str; 6] = [LISTED[0], LISTED[1], LISTED[2], LISTED[3], LISTED[4], LISTED[5]];
const GLOBAL: [&str; 2] = ["/api/tenant/search", "/api/key"];

pub(crate) type Endpoints = BTreeMap<String, BTreeSet<String>>;

/// A key in plain data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NaiveKey {
    /// `None`: no list was given.
    pub(crate) endpoints: Option<Endpoints>,
    pub(crate) key_manager: bool,
    pub(crate) tenant: Option<String>,
    pub(crate) expiration: Option<i64>,
}

/// A request in plain data.
#[derive(Debug, Clone)]
pub(crate) struct NaiveRequest {
    pub(crate) method: String,
    /// An endpoint, or `/api/api-key`.
    pub(crate) path: String,
    pub(crate) tenant: Option<String>,
    pub(crate) now: i64,
}

pub(crate) fn grants(endpoints: &Option<Endpoints>, path: &str, method: &str) -> bool {
    match endpoints {
        None => true,
        Some(list) => list.get(path).is_some_and(|methods| methods.contains(method)),
    }
}

/// The tenant to which the work is confined, or the name of the reason for refusal.
pub(crate) fn naive_decide(key: &NaiveKey, request: &NaiveRequest) -> Result<Option<String>, &'static str> {
    if let Some(expiration) = key.expiration
        && request.now >= expiration
    {
        return Err("expired");
    }
    if request.path == "/api/api-key" {
        if !key.key_manager {
            return Err("not_key_manager");
        }
    } else {
        if !grants(&key.endpoints, &request.path, &request.method) {
            return Err("not_granted");
        }
        if GLOBAL.contains(&request.path.as_str()) {
            if key.tenant.is_some() {
                return Err("tenant_key_at_global_endpoint");
            }
            if request.tenant.is_some() {
                return Err("tenant_header_at_global_endpoint");
            }
        }
    }
    match (&key.tenant, &request.tenant) {
        (Some(own), Some(named)) if own != named => Err("other_tenant"),
        (Some(own), _) => Ok(Some(own.clone())),
        (None, named) => Ok(named.clone()),
    }
}

pub(crate) fn naive_covers(a: &Option<Endpoints>, b: &Option<Endpoints>) -> bool {
    match (a, b) {
        (None, _) => true,
        (Some(_), None) => false,
        (Some(_), Some(list)) => {
            list.iter().all(|(path, methods)| methods.iter().all(|method| grants(a, path, method)))
        }
    }
}

impl NaiveKey {
    pub(crate) fn compile(&self) -> CompiledPermissions {
        compile(&self.endpoints)
    }

    /// What the crate is given for this key.
    pub(crate) fn access<'a>(&self, permissions: &'a CompiledPermissions) -> Access<'a> {
        Access {
            key_manager: self.key_manager,
            tenant_id: self.tenant.as_deref().map(|tenant| tenant.parse().unwrap()),
            expiration_instant: self.expiration.map(Instant::from_epoch_millis),
            ..Access::new(permissions)
        }
    }
}

impl NaiveRequest {
    /// What the crate is given for this request.
    pub(crate) fn request(&self) -> Request<'_> {
        Request {
            tenant_id: self.tenant.as_deref().map(|tenant| tenant.parse().unwrap()),
            ..Request::new(
                self.method.parse().unwrap(),
                Path::parse(self.path.as_bytes()).unwrap(),
                Instant::from_epoch_millis(self.now),
            )
        }
    }
}

pub(crate) fn compile(endpoints: &Option<Endpoints>) -> CompiledPermissions {
    let Some(list) = endpoints else {
        return CompiledPermissions::from(&Permissions::All);
    };
    let mut permissions = EndpointPermissions::default();
    for (path, methods) in list {
        let methods = methods.iter().map(|method| method.parse::<Method>().unwrap()).collect();
        permissions.add(EndpointPath::try_from(path.as_str()).unwrap(), methods);
    }
    CompiledPermissions::from(&Permissions::Only(permissions))
}

fn tenant(number: u128) -> String {
    TenantId::from_u128(number).to_string()
}

pub(crate) fn tenants() -> impl Strategy<Value = Option<String>> {
    option::of((1_u128..3).prop_map(tenant))
}

fn method() -> impl Strategy<Value = String> {
    prop::sample::select(Method::ALL.as_slice()).prop_map(|method| method.as_str().to_owned())
}

pub(crate) fn endpoints() -> impl Strategy<Value = Option<Endpoints>> {
    let path = prop::sample::select(LISTED.as_slice()).prop_map(str::to_owned);
    let list = prop::collection::btree_map(path, prop::collection::btree_set(method(), 0..=5), 0..=8);
    option::weighted(0.85, list)
}

pub(crate) fn keys() -> impl Strategy<Value = NaiveKey> {
    (endpoints(), any::<bool>(), tenants(), option::weighted(0.3, 0_i64..5)).prop_map(
        |(endpoints, key_manager, tenant, expiration)| NaiveKey {
            endpoints,
            key_manager,
            tenant,
            expiration,
        },
    )
}

pub(crate) fn requests() -> impl Strategy<Value = NaiveRequest> {
    let path = prop_oneof![
        8 => prop::sample::select(REQUESTED.as_slice()).prop_map(str::to_owned),
        1 => Just(String::from("/api/api-key")),
    ];
    (method(), path, tenants(), 0_i64..5).prop_map(|(method, path, tenant, now)| NaiveRequest {
        method,
        path,
        tenant,
        now,
    })
}

/// Every request that the lists can tell apart, at the time 0.
pub(crate) fn all_requests() -> Vec<NaiveRequest> {
    let mut requests = Vec::new();
    for method in Method::ALL {
        for path in REQUESTED.into_iter().chain(["/api/api-key"]) {
            for tenant in [None, Some(tenant(1)), Some(tenant(2))] {
                requests.push(NaiveRequest {
                    method: method.as_str().to_owned(),
                    path: path.to_owned(),
                    tenant,
                    now: 0,
                });
            }
        }
    }
    requests
}
