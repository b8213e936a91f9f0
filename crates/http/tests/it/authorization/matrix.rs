//! The matrix: loops over the route table, and over kinds of callers within it.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use claviger_domain::{Method, Permissions};
use claviger_http::{Dialect, ROUTES};
use serde_json::json;

use super::table::{Class, Row, TABLE, expected, in_the_other_dialect, success};
use crate::support::fixture::{TestKey, names};
use crate::support::server::{BOOTSTRAP, START};
use crate::support::{Client, Reply, Server, uuid};

on_each_database! { own: every_route_with_every_caller; }

/// A kind of caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Case {
    NoKey,
    WrongKey,
    /// A good key with its last character changed.
    Mistyped,
    Expired,
    /// All methods at an endpoint that no route here has.
    OtherEndpoint,
    /// The endpoint, with every method but the one.
    OtherMethod,
    /// Unrestricted, but no key manager.
    NotManager,
    /// Exactly the method at the endpoint of the route; for key managers' routes at their path.
    GrantedPath,
    /// Unrestricted and of a tenant; a key manager where one is needed.
    Tenant,
    /// Unrestricted and of a tenant, no key manager.
    TenantNotManager,
    /// As `Tenant`, with the header that names the same tenant.
    SameTenant,
    /// As `Tenant`, with the header that names another tenant.
    OtherTenant,
    /// A global key with the header that names a tenant.
    TenantHeader,
    KeyOfDeletedTenant,
    /// A sufficient key with a tenant header that is no UUID.
    MalformedTenant,
    /// A sufficient key with two tenant headers.
    TwoTenants,
    /// A sufficient key with a tenant header that names no tenant.
    UnknownTenant,
    /// A sufficient key as the password of `Basic`.
    Basic,
    /// A sufficient key behind `Bearer`.
    Bearer,
    /// The header of the route's dialect twice.
    TwoAuthorizations,
    /// The header of the other dialect beside that of the route's.
    OtherHeaderBeside,
    /// A sufficient key in the header of the other dialect alone.
    OtherHeaderAlone,
    /// A role that allows nothing.
    RoleOfNothing,
    /// A role with every method but the one, on the path of the route.
    RoleOfOtherMethods,
    /// A role with exactly the method on the path of the route.
    RoleOfThis,
    /// The same for a key of a tenant.
    TenantRoleOfThis,
    /// The role `admin`.
    AdminRole,
    /// The same for a key of a tenant.
    TenantAdminRole,
    Sufficient,
}

/// Those that may succeed come last: until then nothing may have happened to the target.
const CASES: [Case; 29] = [
    Case::NoKey,
    Case::WrongKey,
    Case::Mistyped,
    Case::Expired,
    Case::OtherEndpoint,
    Case::OtherMethod,
    Case::OtherTenant,
    Case::KeyOfDeletedTenant,
    Case::MalformedTenant,
    Case::TwoTenants,
    Case::UnknownTenant,
    Case::Basic,
    Case::Bearer,
    Case::TwoAuthorizations,
    Case::OtherHeaderBeside,
    Case::RoleOfNothing,
    Case::RoleOfOtherMethods,
    Case::NotManager,
    Case::GrantedPath,
    Case::TenantNotManager,
    Case::Tenant,
    Case::SameTenant,
    Case::TenantHeader,
    Case::OtherHeaderAlone,
    Case::RoleOfThis,
    Case::TenantRoleOfThis,
    Case::AdminRole,
    Case::TenantAdminRole,
    Case::Sufficient,
];

/// What is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Expected {
    Done,
    /// The short form of the status.
    Short,
    Denied,
    /// 400: two credentials.
    Ambiguous,
    /// 400: the tenant header is no UUID.
    Malformed,
    /// 400: the tenant header names no tenant.
    NoSuchTenant,
    /// 400: nothing names a tenant.
    TenantRequired,
    /// 404 without a body.
    NoSuchPath,
    /// 400 in the form of OAuth 2.0: the body is no form.
    NotAForm,
    /// What the table says about the request in the other dialect.
    OtherDialect,
}

/// Callers that every row uses.
struct Callers {
    tenant: String,
    other_tenant: String,
    unrestricted: String,
    expired: String,
    expired_manager: String,
    tenant_manager: String,
    dead: String,
    dead_manager: String,
}

fn every_route_with_every_caller(server: &Server) {
    let mut rows: BTreeMap<(&str, &str, bool), &Row> =
        TABLE.iter().map(|row| ((row.0, row.1, row.2.is_fusions()), row)).collect();
    assert_eq!(rows.len(), TABLE.len(), "a route stands twice in the table");
    let callers = callers(server);
    let mut denials = Vec::new();
    for route in ROUTES {
        let row = rows
            .remove(&(route.method.as_str(), route.template, route.dialect == Some(Dialect::Fusion)))
            .unwrap_or_else(|| panic!("no row for {} {}", route.method, route.template));
        check_route(server, &callers, row, &mut denials);
    }
    assert!(rows.is_empty(), "rows without a route: {:?}", rows.keys());
    assert!(denials.len() > ROUTES.len());
    for (what, headers) in &denials {
        assert_eq!(headers, &denials[0].1, "{what} differs from {}", denials[0].0);
    }
}

fn check_route(server: &Server, callers: &Callers, row: &Row, denials: &mut Vec<(String, Vec<String>)>) {
    let (method, template, class, sample) = *row;
    let untouched = sample(server, None);
    for case in CASES {
        let expected = expected(class, case);
        let what = format!("{method} {template}, {case:?}");
        let reply = if matches!(expected, Expected::Done | Expected::Short | Expected::OtherDialect) {
            let tenant = match case {
                Case::Tenant
                | Case::TenantNotManager
                | Case::SameTenant
                | Case::TenantHeader
                | Case::TenantRoleOfThis
                | Case::TenantAdminRole => {
                    // Key managers of a tenant cannot be made here, but their tenant is not deleted either.
                    Some(if class.takes_managers() { callers.tenant.clone() } else { server.tenant() })
                }
                _ => None,
            };
            let target = sample(server, tenant.as_deref());
            let client = client(server, callers, row, case, tenant.as_deref());
            client.send(method, &target.path, target.body.as_ref())
        } else {
            let client = client(server, callers, row, case, Some(&callers.tenant));
            client.send(method, &untouched.path, untouched.body.as_ref())
        };
        check_reply(&what, row, expected, &reply);
        if expected == Expected::Denied {
            denials.push((what, comparable(&reply)));
        }
    }
    if matches!(class, Class::Token | Class::Client) {
        return;
    }
    // Nothing happened in all the requests that were refused: the same one still succeeds.
    let client = header(class).with(server, BOOTSTRAP);
    let client = match class {
        Class::TenantNamed(_) => client.in_tenant(&server.default_tenant()),
        _ => client,
    };
    let reply = client.send(method, &untouched.path, untouched.body.as_ref());
    assert_eq!(reply.status, success(method, template), "{method} {template}: {}", reply.text());
}

fn check_reply(what: &str, row: &Row, expected: Expected, reply: &Reply) {
    let (method, template, class, _) = *row;
    let errors = |status: u16, code: &str, fusion_code: &str| {
        assert_eq!(reply.status, status, "{what}: {}", reply.text());
        if class.errs_as_fusion() && expected != Expected::Ambiguous {
            assert_eq!(names(&reply.json()), ["code", "message"], "{what}");
            assert_eq!(reply.json()["code"], fusion_code, "{what}");
        } else {
            assert_eq!(reply.errors(), [code], "{what}");
        }
    };
    match expected {
        Expected::Done => {
            assert_eq!(reply.status, success(method, template), "{what}: {}", reply.text());
            if class == Class::Status {
                assert!(names(&reply.json()).len() > 1, "{what}: the short form");
            }
        }
        Expected::Short => assert_eq!(reply.ok(), json!({"status": "Ok"}), "{what}"),
        Expected::Denied => {
            assert_eq!((reply.status, reply.text()), (401, ""), "{what}");
            assert_eq!(reply.header("content-type"), None, "{what}");
            // It stays as FusionAuth's; questions of gateways are challenged, which are no routes of this table.
            assert_eq!(reply.header("www-authenticate"), None, "{what}");
        }
        Expected::Ambiguous => errors(400, "[ambiguousCredentials]", ""),
        Expected::Malformed => errors(400, "tenantId [couldNotConvert]tenantId", "invalid-tenant"),
        Expected::NoSuchTenant => errors(400, "[InvalidTenantId]", "invalid-tenant"),
        Expected::TenantRequired => errors(400, "[TenantIdRequired]", ""),
        Expected::NotAForm => {
            assert_eq!((reply.status, &reply.json()["error"]), (400, &json!("invalid_request")), "{what}");
        }
        Expected::NoSuchPath => assert_eq!((reply.status, reply.text()), (404, ""), "{what}"),
        Expected::OtherDialect => {
            let status = in_the_other_dialect(class, method, template);
            assert_eq!(reply.status, status, "{what}: {}", reply.text());
        }
    }
}

/// The headers of an answer, but for those that differ from one request to the next.
fn comparable(reply: &Reply) -> Vec<String> {
    let mut headers: Vec<_> = reply
        .headers
        .iter()
        .filter(|(name, _)| name != "date" && name != "x-request-id")
        .map(|(name, value)| format!("{name}: {value}"))
        .collect();
    headers.sort();
    headers
}

fn callers(server: &Server) -> Callers {
    let [tenant, other_tenant, dead_tenant] = [(); 3].map(|()| server.tenant());
    let [expired_manager, tenant_manager, dead_manager] = server.command_line_api_keys([
        ("expired manager", true, Permissions::All, None),
        ("manager of the tenant", true, Permissions::All, Some(&tenant)),
        ("manager of the deleted tenant", true, Permissions::All, Some(&dead_tenant)),
    ]);
    let manager = server.as_key_manager();
    let expiring = json!({"apiKey": {"name": "expired manager", "expirationInstant": START}});
    manager.put(&format!("/api/api-key/{}", expired_manager.id), &expiring).ok();
    let dead = server.api_key(json!({"tenantId": dead_tenant}));
    manager.delete(&format!("/api/tenant/{dead_tenant}")).done();
    Callers {
        unrestricted: server.unrestricted().value,
        expired: server.api_key(json!({"expirationInstant": START})).value,
        expired_manager: expired_manager.value,
        tenant_manager: tenant_manager.value,
        dead: dead.value,
        dead_manager: dead_manager.value,
        tenant,
        other_tenant,
    }
}

/// One of the headers that carry a key.
#[derive(Clone, Copy)]
struct Header(&'static str);

impl Header {
    fn with(self, server: &Server, value: &str) -> Client {
        server.anonymous().with_header(self.0, value)
    }
}

/// The header of the dialect that a route speaks; FusionAuth's where it speaks both.
fn header(class: Class) -> Header {
    Header(if class.is_fusions() { "x-api-key" } else { "Authorization" })
}

/// The caller of a case; `tenant` is the tenant of cases that have one.
fn client(server: &Server, callers: &Callers, row: &Row, case: Case, tenant: Option<&str>) -> Client {
    let (method, template, class, _) = *row;
    let managers = class.takes_managers();
    let choose = |manager: &str, other: &str| if managers { manager.to_owned() } else { other.to_owned() };
    let sufficient = choose(BOOTSTRAP, &callers.unrestricted);
    let endpoint = match class {
        Class::Tenant(endpoint)
        | Class::TenantNamed(endpoint)
        | Class::GlobalKey(endpoint)
        | Class::TenantMaker(endpoint)
        | Class::Global(endpoint)
        | Class::Operator(endpoint) => endpoint,
        Class::Managers | Class::FusionManagers | Class::FusionOnly => "/api/api-key",
        Class::Roles | Class::RoleChanges => "/api/roles",
        Class::Status | Class::Public | Class::Token | Class::Client => "/api/status",
    };
    let other = if class.is_fusions() { "Authorization" } else { "x-api-key" };
    let with = |value: &str| header(class).with(server, value);
    let with_role = |methods: &[&str], tenant: Option<&str>| {
        let role = server.role(&[&format!("{}:{}", methods.join(","), pattern(template))]);
        with(&server.fusion_key(&[&role.name], tenant).value)
    };
    let tenant = tenant.unwrap_or(&callers.tenant);
    let of_tenant = || {
        if managers {
            callers.tenant_manager.clone()
        } else {
            server.api_key(json!({"tenantId": tenant})).value
        }
    };
    match case {
        Case::NoKey => server.anonymous(),
        Case::WrongKey => with("no key has this value"),
        Case::Mistyped => with(&mistyped(&callers.unrestricted)),
        Case::Expired => with(&choose(&callers.expired_manager, &callers.expired)),
        Case::OtherEndpoint => with(&granted(server, "/api/user", &Method::ALL).value),
        Case::OtherMethod => {
            let others: Vec<_> = Method::ALL.into_iter().filter(|other| other.as_str() != method).collect();
            with(&granted(server, endpoint, &others).value)
        }
        Case::NotManager => with(&callers.unrestricted),
        Case::GrantedPath => with(&granted(server, endpoint, &[method.parse().unwrap()]).value),
        Case::Tenant => with(&of_tenant()),
        Case::TenantNotManager => with(&server.api_key(json!({"tenantId": tenant})).value),
        Case::SameTenant => with(&of_tenant()).in_tenant(tenant),
        Case::OtherTenant => with(&of_tenant()).in_tenant(&callers.other_tenant),
        Case::TenantHeader => with(&sufficient).in_tenant(tenant),
        Case::KeyOfDeletedTenant => with(&choose(&callers.dead_manager, &callers.dead)),
        Case::MalformedTenant => with(&sufficient).in_tenant("not-a-uuid"),
        Case::TwoTenants => with(&sufficient).in_tenant(tenant).in_tenant(tenant),
        Case::UnknownTenant => with(&sufficient).in_tenant(&uuid()),
        Case::Basic => with(&format!("Basic {}", STANDARD.encode(format!("apikey:{sufficient}")))),
        Case::Bearer => with(&format!("Bearer {sufficient}")),
        Case::TwoAuthorizations => with(&sufficient).with_header(header(class).0, &sufficient),
        Case::OtherHeaderBeside => with(&sufficient).with_header(other, &sufficient),
        Case::OtherHeaderAlone => server.anonymous().with_header(other, &sufficient),
        Case::RoleOfNothing => with(&server.fusion_key(&[&server.role(&[]).name], None).value),
        Case::RoleOfOtherMethods => {
            let all = ["GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS"];
            let others: Vec<_> = all.into_iter().filter(|other| *other != method).collect();
            with_role(&others, None)
        }
        Case::RoleOfThis => with_role(&[method], None),
        Case::TenantRoleOfThis => with_role(&[method], Some(tenant)),
        Case::AdminRole => with(&server.fusion_key(&["admin"], None).value),
        Case::TenantAdminRole => with(&server.fusion_key(&["admin"], Some(tenant)).value),
        Case::Sufficient => with(&sufficient),
    }
}

/// The pattern of a role that matches the paths of a route, and no others of the same length.
fn pattern(template: &str) -> String {
    let segments = template.strip_prefix("/api").unwrap_or(template).split('/');
    let segments: Vec<_> =
        segments.map(|segment| if segment.starts_with('{') { "*" } else { segment }).collect();
    segments.join("/")
}

fn granted(server: &Server, endpoint: &str, methods: &[Method]) -> TestKey {
    let methods: Vec<_> = methods.iter().map(|method| method.as_str()).collect();
    server.restricted(json!({endpoint: methods}))
}

/// A generated value with its last character changed, so that the checksum is wrong.
fn mistyped(value: &str) -> String {
    let (front, last) = value.split_at(value.len() - 1);
    format!("{front}{}", if last == "0" { "1" } else { "0" })
}
