//! The table: what each route answers to each kind of caller. Written by hand, not derived from the route table.

use serde_json::{Value, json};

use super::matrix::{Case, Expected};
use crate::support::{Server, unique, uuid};

/// Routes that answer alike, whoever calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Class {
    /// For anybody; credentials are not looked at.
    Public,
    /// For anybody; more for a global key that is granted `/api/status`.
    Status,
    /// For the bearers of tokens; API keys are none.
    Token,
    /// For clients of OAuth 2.0, which send forms; API keys are nothing there.
    Client,
    /// As `Global`, and the key may be the password of Basic.
    Operator(&'static str),
    /// For key managers, in FusionAuth's dialect.
    Managers,
    /// For key managers, in Fusion's dialect.
    FusionManagers,
    /// As `FusionManagers`, on a path that the other dialect does not have.
    FusionOnly,
    /// For key managers, and for keys whose roles allow it; not for endpoint permissions.
    Roles,
    /// As `Roles`, but only outside of any tenant.
    RoleChanges,
    /// For keys that are granted this endpoint, of a tenant or not.
    Tenant(&'static str),
    /// As `Tenant`, but only outside of any tenant: who is confined to one makes no others.
    TenantMaker(&'static str),
    /// As `Tenant`, and there must be a tenant: that of the key or of the header.
    TenantNamed(&'static str),
    /// As `Tenant`, but not for keys of a tenant; others may name one in the header.
    GlobalKey(&'static str),
    /// For global keys that are granted this endpoint, in requests without a tenant.
    Global(&'static str),
}

impl Class {
    /// Whether the route speaks Fusion's dialect alone.
    pub(crate) const fn is_fusions(self) -> bool {
        matches!(self, Self::FusionManagers | Self::FusionOnly)
    }

    /// Whether errors come in the shape of Fusion's dialect.
    pub(crate) const fn errs_as_fusion(self) -> bool {
        self.is_fusions() || matches!(self, Self::Roles | Self::RoleChanges)
    }

    /// Whether endpoint-based keys must be key managers.
    pub(super) const fn takes_managers(self) -> bool {
        matches!(self, Self::Managers) || self.errs_as_fusion()
    }
}

/// The status of a request that succeeds.
pub(crate) fn success(method: &str, template: &str) -> u16 {
    if (method, template) == ("POST", "/api/roles") { 201 } else { 200 }
}

/// A request that succeeds if its caller may make it.
pub(crate) struct Sample {
    pub(crate) path: String,
    pub(crate) body: Option<Value>,
}

/// One row: method, template, class, and how to make a request that would succeed in a tenant, or outside of any.
pub(crate) type Row = (&'static str, &'static str, Class, fn(&Server, Option<&str>) -> Sample);

const ENTITY_TYPE: &str = "/api/entity/type";
const PERMISSION: &str = "/api/entity/type/permission";

pub(crate) const TABLE: &[Row] = &[
    ("POST", "/api/api-key", Class::Managers, |_, _| api_key("/api/api-key".to_owned())),
    ("POST", "/api/api-key/{apiKeyId}", Class::Managers, |_, _| api_key(format!("/api/api-key/{}", uuid()))),
    ("GET", "/api/api-key/{apiKeyId}", Class::Managers, |server, tenant| bare(target(server, tenant))),
    ("PUT", "/api/api-key/{apiKeyId}", Class::Managers, |server, tenant| api_key(target(server, tenant))),
    ("PATCH", "/api/api-key/{apiKeyId}", Class::Managers, |server, tenant| api_key(target(server, tenant))),
    ("DELETE", "/api/api-key/{apiKeyId}", Class::Managers, |server, tenant| bare(target(server, tenant))),
    ("POST", "/api/api-key/{apiKeyId}/rotate", Class::Managers, |server, tenant| Sample {
        path: format!("{}/rotate", target(server, tenant)),
        body: Some(json!({"gracePeriodInSeconds": 60})),
    }),
    ("GET", "/api/api-key/{apiKeyId}/usage", Class::Managers, |server, tenant| {
        bare(format!("{}/usage", target(server, tenant)))
    }),
    ("GET", "/api/api-key/search", Class::Managers, |_, _| bare("/api/api-key/search".to_owned())),
    ("POST", "/api/api-key/search", Class::Managers, |_, _| Sample {
        path: "/api/api-key/search".to_owned(),
        body: Some(json!({"search": {}})),
    }),
    ("POST", "/api/authorize", Class::Managers, |server, tenant| Sample {
        path: "/api/authorize".to_owned(),
        body: Some(json!({"authorization": {
            "key": server.api_key(json!({"tenantId": tenant})).value, "method": "GET", "path": "/",
        }})),
    }),
    ("POST", "/api/ip-acl", Class::Global("/api/ip-acl"), |_, _| list("/api/ip-acl".to_owned())),
    ("POST", "/api/ip-acl/{ipAccessControlListId}", Class::Global("/api/ip-acl"), |_, _| {
        list(format!("/api/ip-acl/{}", uuid()))
    }),
    ("GET", "/api/ip-acl/{ipAccessControlListId}", Class::Global("/api/ip-acl"), |server, _| {
        bare(stored_list(server))
    }),
    ("PUT", "/api/ip-acl/{ipAccessControlListId}", Class::Global("/api/ip-acl"), |server, _| {
        list(stored_list(server))
    }),
    ("PATCH", "/api/ip-acl/{ipAccessControlListId}", Class::Global("/api/ip-acl"), |server, _| Sample {
        path: stored_list(server),
        body: Some(json!({"ipAccessControlList": {"name": unique("list")}})),
    }),
    ("DELETE", "/api/ip-acl/{ipAccessControlListId}", Class::Global("/api/ip-acl"), |server, _| {
        bare(stored_list(server))
    }),
    ("GET", "/api/ip-acl/search", Class::Global("/api/ip-acl/search"), |_, _| {
        bare("/api/ip-acl/search".to_owned())
    }),
    ("POST", "/api/ip-acl/search", Class::Global("/api/ip-acl/search"), |_, _| Sample {
        path: "/api/ip-acl/search".to_owned(),
        body: Some(json!({"search": {}})),
    }),
    ("GET", "/api/api-key", Class::FusionOnly, |_, _| bare("/api/api-key".to_owned())),
    ("POST", "/api/api-key", Class::FusionManagers, |_, _| Sample {
        path: "/api/api-key".to_owned(),
        body: Some(json!({"name": unique("api key")})),
    }),
    ("GET", "/api/api-key/{apiKeyId}", Class::FusionManagers, |server, tenant| bare(target(server, tenant))),
    ("DELETE", "/api/api-key/{apiKeyId}", Class::FusionManagers, |server, tenant| {
        bare(target(server, tenant))
    }),
    ("GET", "/api/roles", Class::Roles, |_, _| bare("/api/roles".to_owned())),
    ("POST", "/api/roles", Class::RoleChanges, |_, _| role("/api/roles".to_owned())),
    ("GET", "/api/roles/{roleId}", Class::Roles, |server, _| bare(server.role(&[]).path())),
    ("PUT", "/api/roles/{roleId}", Class::RoleChanges, |server, _| role(server.role(&[]).path())),
    ("DELETE", "/api/roles/{roleId}", Class::RoleChanges, |server, _| bare(server.role(&[]).path())),
    ("GET", "/api/entity/type", Class::Global(ENTITY_TYPE), |_, _| bare(ENTITY_TYPE.to_owned())),
    ("POST", "/api/entity/type", Class::Global(ENTITY_TYPE), |_, _| types(ENTITY_TYPE.to_owned())),
    ("POST", "/api/entity/type/{entityTypeId}", Class::Global(ENTITY_TYPE), |_, _| {
        types(format!("/api/entity/type/{}", uuid()))
    }),
    ("GET", "/api/entity/type/{entityTypeId}", Class::Global(ENTITY_TYPE), |server, _| {
        bare(stored_type(server))
    }),
    ("PUT", "/api/entity/type/{entityTypeId}", Class::Global(ENTITY_TYPE), |server, _| {
        types(stored_type(server))
    }),
    ("PATCH", "/api/entity/type/{entityTypeId}", Class::Global(ENTITY_TYPE), |server, _| {
        types(stored_type(server))
    }),
    ("DELETE", "/api/entity/type/{entityTypeId}", Class::Global(ENTITY_TYPE), |server, _| {
        bare(stored_type(server))
    }),
    ("GET", "/api/entity/type/search", Class::Global("/api/entity/type/search"), |_, _| {
        bare("/api/entity/type/search".to_owned())
    }),
    ("POST", "/api/entity/type/search", Class::Global("/api/entity/type/search"), |_, _| {
        search("/api/entity/type/search")
    }),
    ("POST", "/api/entity/type/{entityTypeId}/permission", Class::GlobalKey(PERMISSION), |server, _| {
        permission(format!("{}/permission", stored_type(server)))
    }),
    ("DELETE", "/api/entity/type/{entityTypeId}/permission", Class::GlobalKey(PERMISSION), |server, _| {
        let path = stored_permission(server, "read");
        bare(format!("{}?name=read", path.rsplit_once('/').unwrap().0))
    }),
    (
        "POST",
        "/api/entity/type/{entityTypeId}/permission/{permissionId}",
        Class::GlobalKey(PERMISSION),
        |server, _| permission(format!("{}/permission/{}", stored_type(server), uuid())),
    ),
    (
        "PUT",
        "/api/entity/type/{entityTypeId}/permission/{permissionId}",
        Class::GlobalKey(PERMISSION),
        |server, _| Sample {
            path: stored_permission(server, "read"),
            body: Some(json!({"permission": {"name": "read"}})),
        },
    ),
    (
        "PATCH",
        "/api/entity/type/{entityTypeId}/permission/{permissionId}",
        Class::GlobalKey(PERMISSION),
        |server, _| Sample {
            path: stored_permission(server, "read"),
            body: Some(json!({"permission": {"isDefault": true}})),
        },
    ),
    (
        "DELETE",
        "/api/entity/type/{entityTypeId}/permission/{permissionId}",
        Class::GlobalKey(PERMISSION),
        |server, _| bare(stored_permission(server, "read")),
    ),
    ("POST", "/api/entity", Class::TenantNamed("/api/entity"), |server, _| {
        entity(server, "/api/entity".to_owned())
    }),
    ("POST", "/api/entity/{entityId}", Class::TenantNamed("/api/entity"), |server, _| {
        entity(server, format!("/api/entity/{}", uuid()))
    }),
    ("GET", "/api/entity/{entityId}", Class::Tenant("/api/entity"), |server, tenant| {
        bare(stored_entity(server, tenant))
    }),
    ("PUT", "/api/entity/{entityId}", Class::TenantNamed("/api/entity"), |server, tenant| {
        renamed_entity(stored_entity(server, tenant))
    }),
    ("PATCH", "/api/entity/{entityId}", Class::TenantNamed("/api/entity"), |server, tenant| {
        renamed_entity(stored_entity(server, tenant))
    }),
    ("DELETE", "/api/entity/{entityId}", Class::TenantNamed("/api/entity"), |server, tenant| {
        bare(stored_entity(server, tenant))
    }),
    ("POST", "/api/entity/{entityId}/rotate-secret", Class::Tenant("/api/entity"), |server, tenant| Sample {
        path: format!("{}/rotate-secret", stored_entity(server, tenant)),
        body: Some(json!({"gracePeriodInSeconds": 60})),
    }),
    ("GET", "/api/entity/search", Class::Tenant("/api/entity/search"), |_, _| {
        bare("/api/entity/search".to_owned())
    }),
    ("POST", "/api/entity/search", Class::Tenant("/api/entity/search"), |_, _| search("/api/entity/search")),
    ("PUT", "/api/entity/search", Class::Tenant("/api/entity/search"), |_, _| {
        bare("/api/entity/search".to_owned())
    }),
    ("POST", "/api/entity/{entityId}/grant", Class::Tenant("/api/entity/grant"), grant),
    ("PUT", "/api/entity/{entityId}/grant", Class::Tenant("/api/entity/grant"), grant),
    ("GET", "/api/entity/{entityId}/grant", Class::Tenant("/api/entity/grant"), |server, tenant| {
        bare(stored_grant(server, tenant))
    }),
    ("DELETE", "/api/entity/{entityId}/grant", Class::Tenant("/api/entity/grant"), |server, tenant| {
        bare(stored_grant(server, tenant))
    }),
    ("GET", "/api/entity/grant/search", Class::Tenant("/api/entity/grant/search"), |_, _| {
        bare("/api/entity/grant/search".to_owned())
    }),
    ("POST", "/api/entity/grant/search", Class::Tenant("/api/entity/grant/search"), |_, _| {
        search("/api/entity/grant/search")
    }),
    ("GET", "/api/key", Class::Global("/api/key"), |_, _| bare("/api/key".to_owned())),
    ("GET", "/api/key/{keyId}", Class::Global("/api/key"), |server, _| bare(signing_key(server))),
    ("PUT", "/api/key/{keyId}", Class::Global("/api/key"), |server, _| key(signing_key(server))),
    ("DELETE", "/api/key/{keyId}", Class::Global("/api/key"), |server, _| bare(signing_key(server))),
    ("POST", "/api/key/generate", Class::Global("/api/key/generate"), |_, _| {
        key("/api/key/generate".to_owned())
    }),
    ("POST", "/api/key/generate/{keyId}", Class::Global("/api/key/generate"), |_, _| {
        key(format!("/api/key/generate/{}", uuid()))
    }),
    ("POST", "/api/key/import", Class::Global("/api/key/import"), |_, _| {
        import("/api/key/import".to_owned())
    }),
    ("POST", "/api/key/import/{keyId}", Class::Global("/api/key/import"), |_, _| {
        import(format!("/api/key/import/{}", uuid()))
    }),
    ("GET", "/api/key/search", Class::Global("/api/key/search"), |_, _| bare("/api/key/search".to_owned())),
    ("POST", "/api/key/search", Class::Global("/api/key/search"), |_, _| Sample {
        path: "/api/key/search".to_owned(),
        body: Some(json!({"search": {}})),
    }),
    ("POST", "/api/jwt/vend", Class::Tenant("/api/jwt/vend"), |_, _| Sample {
        path: "/api/jwt/vend".to_owned(),
        body: Some(json!({"claims": {"a": 1}})),
    }),
    ("GET", "/api/jwt/validate", Class::Token, |_, _| bare("/api/jwt/validate".to_owned())),
    ("GET", "/api/jwt/public-key", Class::Public, |_, _| bare("/api/jwt/public-key".to_owned())),
    ("GET", "/api/prometheus/metrics", Class::Operator("/api/prometheus/metrics"), |_, _| {
        bare("/api/prometheus/metrics".to_owned())
    }),
    ("GET", "/api/tenant", Class::Tenant("/api/tenant"), |_, _| bare("/api/tenant".to_owned())),
    ("POST", "/api/tenant", Class::TenantMaker("/api/tenant"), |_, _| tenant_body("/api/tenant".to_owned())),
    ("POST", "/api/tenant/{tenantId}", Class::TenantMaker("/api/tenant"), |_, _| {
        tenant_body(format!("/api/tenant/{}", uuid()))
    }),
    ("GET", "/api/tenant/{tenantId}", Class::Tenant("/api/tenant"), |server, own| bare(tenant(server, own))),
    ("PUT", "/api/tenant/{tenantId}", Class::Tenant("/api/tenant"), |server, own| {
        tenant_body(tenant(server, own))
    }),
    ("PATCH", "/api/tenant/{tenantId}", Class::Tenant("/api/tenant"), |server, own| {
        tenant_body(tenant(server, own))
    }),
    ("GET", "/api/tenant/search", Class::Global("/api/tenant/search"), |_, _| {
        bare("/api/tenant/search".to_owned())
    }),
    ("POST", "/api/tenant/search", Class::Global("/api/tenant/search"), |_, _| Sample {
        path: "/api/tenant/search".to_owned(),
        body: Some(json!({"search": {}})),
    }),
    ("DELETE", "/api/tenant/{tenantId}", Class::Tenant("/api/tenant"), |server, own| {
        bare(tenant(server, own))
    }),
    ("GET", "/.well-known/jwks.json", Class::Public, |_, _| bare("/.well-known/jwks.json".to_owned())),
    ("GET", "/api/status", Class::Status, |_, _| bare("/api/status".to_owned())),
    ("GET", "/.well-known/openid-configuration", Class::Public, |_, _| {
        bare("/.well-known/openid-configuration".to_owned())
    }),
    ("GET", "/{tenantId}/.well-known/openid-configuration", Class::Public, |server, _| {
        bare(format!("/{}/.well-known/openid-configuration", server.default_tenant()))
    }),
    ("POST", "/oauth2/token", Class::Client, |_, _| no_form("/oauth2/token")),
    ("POST", "/oauth2/introspect", Class::Client, |_, _| no_form("/oauth2/introspect")),
    ("GET", "/api/health", Class::Public, |_, _| bare("/api/health".to_owned())),
    (
        "GET",
        "/api/system/audit-log/{auditLogId}",
        Class::Tenant("/api/system/audit-log"),
        |server, tenant| bare(audit_log(server, tenant)),
    ),
    ("GET", "/api/system/audit-log/search", Class::Tenant("/api/system/audit-log/search"), |_, _| {
        bare("/api/system/audit-log/search".to_owned())
    }),
    ("POST", "/api/system/audit-log/search", Class::Tenant("/api/system/audit-log/search"), |_, _| Sample {
        path: "/api/system/audit-log/search".to_owned(),
        body: Some(json!({"search": {}})),
    }),
    ("GET", "/api/system/version", Class::Tenant("/api/system/version"), |_, _| {
        bare("/api/system/version".to_owned())
    }),
];

fn types(path: String) -> Sample {
    Sample { path, body: Some(json!({"entityType": {"name": unique("type")}})) }
}

fn stored_type(server: &Server) -> String {
    let body = json!({"entityType": {"name": unique("type")}});
    let made = server.as_key_manager().post("/api/entity/type", &body).ok();
    format!("/api/entity/type/{}", made["entityType"]["id"].as_str().unwrap())
}

fn permission(path: String) -> Sample {
    Sample { path, body: Some(json!({"permission": {"name": unique("permission")}})) }
}

fn stored_permission(server: &Server, name: &str) -> String {
    let path = format!("{}/permission", stored_type(server));
    let made = server.as_key_manager().post(&path, &json!({"permission": {"name": name}})).ok();
    format!("{path}/{}", made["permission"]["id"].as_str().unwrap())
}

fn entity(server: &Server, path: String) -> Sample {
    let entity_type = stored_type(server);
    let type_id = entity_type.rsplit('/').next().unwrap();
    Sample { path, body: Some(json!({"entity": {"name": unique("entity"), "type": {"id": type_id}}})) }
}

/// An entity of this tenant, or of the default one.
fn stored_entity(server: &Server, tenant: Option<&str>) -> String {
    let home = tenant.map_or_else(|| server.default_tenant(), str::to_owned);
    let Sample { path, body } = entity(server, "/api/entity".to_owned());
    let made = server.as_key_manager().in_tenant(&home).post(&path, &body.unwrap()).ok();
    format!("/api/entity/{}", made["entity"]["id"].as_str().unwrap())
}

fn renamed_entity(path: String) -> Sample {
    Sample { path, body: Some(json!({"entity": {"name": unique("renamed")}})) }
}

/// A grant on an entity to itself.
fn grant(server: &Server, tenant: Option<&str>) -> Sample {
    let entity = stored_entity(server, tenant);
    let id = entity.rsplit('/').next().unwrap();
    let body = json!({"grant": {"recipientEntityId": id}});
    Sample { path: format!("{entity}/grant"), body: Some(body) }
}

fn stored_grant(server: &Server, tenant: Option<&str>) -> String {
    let Sample { path, body } = grant(server, tenant);
    let body = body.unwrap();
    server.as_key_manager().post(&path, &body).done();
    format!("{path}?recipientEntityId={}", body["grant"]["recipientEntityId"].as_str().unwrap())
}

fn search(path: &str) -> Sample {
    Sample { path: path.to_owned(), body: Some(json!({"search": {}})) }
}

/// What everybody is told alike: that it is no form.
fn no_form(path: &str) -> Sample {
    Sample { path: path.to_owned(), body: Some(json!({"grant_type": "client_credentials"})) }
}

fn bare(path: String) -> Sample {
    Sample { path, body: None }
}

fn api_key(path: String) -> Sample {
    Sample { path, body: Some(json!({"apiKey": {"name": unique("api key")}})) }
}

fn list(path: String) -> Sample {
    let entries = json!([{"action": "Allow", "startIPAddress": "*"}]);
    Sample { path, body: Some(json!({"ipAccessControlList": {"name": unique("list"), "entries": entries}})) }
}

fn stored_list(server: &Server) -> String {
    format!(
        "/api/ip-acl/{}",
        server.ip_access_control_list(json!([{"action": "Allow", "startIPAddress": "*"}]))
    )
}

fn role(path: String) -> Sample {
    Sample { path, body: Some(json!({"name": unique("role"), "permissions": []})) }
}

fn key(path: String) -> Sample {
    Sample { path, body: Some(json!({"key": {"name": unique("key"), "algorithm": "HS256"}})) }
}

fn import(path: String) -> Sample {
    Sample {
        path,
        body: Some(json!({"key": {"name": unique("key"), "type": "HMAC", "secret": unique("secret")}})),
    }
}

fn tenant_body(path: String) -> Sample {
    Sample { path, body: Some(json!({"tenant": {"name": unique("tenant")}})) }
}

fn target(server: &Server, tenant: Option<&str>) -> String {
    server.api_key(json!({"tenantId": tenant})).path()
}

fn signing_key(server: &Server) -> String {
    format!("/api/key/{}", server.signing_key())
}

/// The latest entry about this tenant, or about any object.
fn audit_log(server: &Server, tenant: Option<&str>) -> String {
    let query =
        format!("/api/system/audit-log/search?numberOfResults=1&tenantId={}", tenant.unwrap_or_default());
    let found = server.as_key_manager().get(&query).ok();
    format!("/api/system/audit-log/{}", found["auditLogs"][0]["id"].as_i64().unwrap())
}

fn tenant(server: &Server, own: Option<&str>) -> String {
    format!("/api/tenant/{}", own.map_or_else(|| server.tenant(), str::to_owned))
}

/// What routes of a class answer to a kind of caller.
#[rustfmt::skip]
pub(super) const fn expected(class: Class, case: Case) -> Expected {
    use Case as C;
    use Class as L;
    use Expected::{
        Ambiguous, Denied, Done, Malformed, NoSuchPath, NoSuchTenant, NotAForm, OtherDialect, Short, TenantRequired,
    };
    match (class, case) {
        (L::Public, _) => Done,
        (L::Client, _) => NotAForm,

        (L::Token, C::MalformedTenant | C::TwoTenants) => Malformed,
        (L::Token, _) => Denied,

        (_, C::TwoAuthorizations | C::OtherHeaderBeside) => Ambiguous,
        (L::Operator(_), C::Basic) => Done,
        (_, C::WrongKey | C::Mistyped | C::Expired | C::Basic | C::Bearer | C::KeyOfDeletedTenant) => Denied,

        (L::Status, C::NoKey) => Short,
        // Without a key the request counts as one of the other dialect.
        (L::FusionOnly, C::NoKey) => NoSuchPath,
        (_, C::NoKey) => Denied,

        (_, C::OtherEndpoint | C::OtherMethod | C::OtherTenant) => Denied,
        (_, C::RoleOfNothing | C::RoleOfOtherMethods) => Denied,
        (L::TenantNamed(_), C::AdminRole) => TenantRequired,
        (_, C::AdminRole) => Done,

        (L::Managers | L::FusionManagers | L::FusionOnly, C::NotManager | C::GrantedPath | C::TenantNotManager) => Denied,
        (L::Managers | L::FusionManagers | L::FusionOnly, C::RoleOfThis | C::TenantRoleOfThis) => Denied,
        (L::Managers | L::FusionManagers | L::FusionOnly, C::OtherHeaderAlone) => OtherDialect,
        (L::Managers | L::FusionManagers | L::FusionOnly, C::Tenant | C::TenantHeader | C::SameTenant) => Done,
        (L::Managers | L::FusionManagers | L::FusionOnly, C::TenantAdminRole | C::Sufficient) => Done,
        (L::Managers | L::FusionManagers | L::FusionOnly, C::MalformedTenant | C::TwoTenants) => Malformed,
        (L::Managers | L::FusionManagers | L::FusionOnly, C::UnknownTenant) => NoSuchTenant,

        (L::Roles | L::RoleChanges, C::NotManager | C::GrantedPath | C::TenantNotManager) => Denied,
        (L::Roles | L::RoleChanges, C::RoleOfThis | C::OtherHeaderAlone | C::Sufficient) => Done,
        (L::Roles, C::Tenant | C::TenantHeader | C::SameTenant | C::TenantRoleOfThis | C::TenantAdminRole) => Done,
        (L::Roles, C::MalformedTenant | C::TwoTenants) => Malformed,
        (L::Roles, C::UnknownTenant) => NoSuchTenant,
        (L::RoleChanges, C::Tenant | C::TenantHeader | C::SameTenant) => Denied,
        (L::RoleChanges, C::TenantRoleOfThis | C::TenantAdminRole) => Denied,
        (L::RoleChanges, C::MalformedTenant | C::TwoTenants | C::UnknownTenant) => Denied,

        (L::Tenant(_), C::NotManager | C::GrantedPath | C::TenantNotManager | C::Tenant) => Done,
        (L::Tenant(_), C::TenantHeader | C::SameTenant | C::OtherHeaderAlone | C::Sufficient) => Done,
        (L::Tenant(_), C::RoleOfThis | C::TenantRoleOfThis | C::TenantAdminRole) => Done,
        (L::Tenant(_), C::MalformedTenant | C::TwoTenants) => Malformed,
        (L::Tenant(_), C::UnknownTenant) => NoSuchTenant,

        (L::TenantNamed(_), C::NotManager | C::GrantedPath | C::OtherHeaderAlone | C::Sufficient) => TenantRequired,
        (L::TenantNamed(_), C::RoleOfThis) => TenantRequired,
        (L::TenantNamed(_), C::TenantNotManager | C::Tenant | C::TenantHeader | C::SameTenant) => Done,
        (L::TenantNamed(_), C::TenantRoleOfThis | C::TenantAdminRole) => Done,
        (L::TenantNamed(_), C::MalformedTenant | C::TwoTenants) => Malformed,
        (L::TenantNamed(_), C::UnknownTenant) => NoSuchTenant,

        (L::GlobalKey(_), C::NotManager | C::GrantedPath | C::OtherHeaderAlone | C::Sufficient) => Done,
        (L::GlobalKey(_), C::RoleOfThis | C::TenantHeader) => Done,
        (L::GlobalKey(_), C::TenantNotManager | C::Tenant | C::SameTenant) => Denied,
        (L::GlobalKey(_), C::TenantRoleOfThis | C::TenantAdminRole) => Denied,
        (L::GlobalKey(_), C::MalformedTenant | C::TwoTenants) => Malformed,
        (L::GlobalKey(_), C::UnknownTenant) => NoSuchTenant,

        (L::TenantMaker(_), C::NotManager | C::GrantedPath | C::OtherHeaderAlone | C::Sufficient) => Done,
        (L::TenantMaker(_), C::RoleOfThis) => Done,
        (L::TenantMaker(_), C::TenantNotManager | C::Tenant | C::TenantHeader | C::SameTenant) => Denied,
        (L::TenantMaker(_), C::TenantRoleOfThis | C::TenantAdminRole) => Denied,
        (L::TenantMaker(_), C::MalformedTenant | C::TwoTenants) => Malformed,
        (L::TenantMaker(_), C::UnknownTenant) => NoSuchTenant,

        (L::Global(_) | L::Operator(_) | L::Status, C::NotManager | C::GrantedPath | C::OtherHeaderAlone | C::Sufficient) => Done,
        (L::Global(_) | L::Operator(_) | L::Status, C::RoleOfThis) => Done,
        (L::Global(_) | L::Operator(_) | L::Status, C::TenantNotManager | C::Tenant | C::TenantHeader | C::SameTenant) => Denied,
        (L::Global(_) | L::Operator(_) | L::Status, C::TenantRoleOfThis | C::TenantAdminRole) => Denied,
        (L::Global(_) | L::Operator(_) | L::Status, C::MalformedTenant | C::TwoTenants | C::UnknownTenant) => Denied,
    }
}

/// What the request of a route with a dialect is answered when the key comes in the header of the other one.
pub(super) fn in_the_other_dialect(class: Class, method: &str, template: &str) -> u16 {
    match (class.is_fusions(), method, template) {
        // To Fusion's clients.
        (false, "POST", "/api/api-key") => 400,
        (false, "POST" | "PUT" | "PATCH", "/api/api-key/{apiKeyId}") => 405,
        (false, "POST", "/api/api-key/{apiKeyId}/rotate") => 405,
        (false, "GET", "/api/api-key/{apiKeyId}/usage") => 405,
        // The key with the id `search`, which there is not.
        (false, "GET", "/api/api-key/search") => 404,
        (false, "POST", "/api/api-key/search") => 405,
        // To FusionAuth's.
        (true, "GET", "/api/api-key") => 404,
        (true, "POST", "/api/api-key") => 400,
        (_, "GET" | "DELETE", "/api/api-key/{apiKeyId}") => 200,
        // Not a matter of dialects.
        (false, "POST", "/api/authorize") => 200,
        other => panic!("{other:?}"),
    }
}
