//! The requests that are made: at least one for each route of tenants, and how to make them from random numbers.

use claviger_http::Dialect;
use serde_json::{Map, Value, json};

use super::picks::{Picks, Request};
use super::play::secret_of;

/// A kind of request.
pub(super) struct Row {
    pub(super) method: &'static str,
    pub(super) template: &'static str,
    pub(super) dialect: Option<Dialect>,
    pub(super) make: fn(&mut Picks<'_>) -> Request,
    /// Whether callers within a tenant may succeed.
    pub(super) can_succeed: bool,
    /// Whether it changes what belongs to no tenant: B leaves it alone.
    pub(super) of_the_instance: bool,
    /// Much has to fit until it succeeds: it is made more often than others.
    often: bool,
}

const fn row(method: &'static str, template: &'static str, make: fn(&mut Picks<'_>) -> Request) -> Row {
    Row { method, template, dialect: None, make, can_succeed: true, of_the_instance: false, often: false }
}

impl Row {
    const fn fusionauth(self) -> Self {
        Self { dialect: Some(Dialect::FusionAuth), ..self }
    }

    const fn fusion(self) -> Self {
        Self { dialect: Some(Dialect::Fusion), ..self }
    }

    const fn refused(self) -> Self {
        Self { can_succeed: false, ..self }
    }

    const fn often(self) -> Self {
        Self { often: true, ..self }
    }

    const fn of_the_instance(self) -> Self {
        Self { of_the_instance: true, ..self }
    }
}

/// The requests, each as often as it is to be made.
pub(super) fn weighted() -> Vec<usize> {
    (0..REQUESTS.len()).flat_map(|index| vec![index; if REQUESTS[index].often { 3 } else { 1 }]).collect()
}

/// Which of them make objects for others to find.
pub(super) fn that_make() -> Vec<usize> {
    let makes = |row: &Row| {
        row.method == "POST"
            && [
                "/api/api-key/{apiKeyId}",
                "/api/entity/{entityId}",
                "/api/entity/{entityId}/grant",
                "/api/jwt/vend",
            ]
            .contains(&row.template)
    };
    (0..REQUESTS.len()).filter(|index| makes(&REQUESTS[*index])).collect()
}

fn bare(path: impl Into<String>) -> Request {
    Request { path: path.into(), body: None, headers: Vec::new(), credential: None }
}

fn with_body(path: impl Into<String>, body: Value) -> Request {
    let json = ("Content-Type", "application/json".to_owned());
    Request { body: Some(body.to_string()), headers: vec![json], ..bare(path) }
}

/// The same members in the body of a search, or in its query string.
fn search(path: &str, in_body: bool, members: Vec<(&'static str, Value)>) -> Request {
    if in_body {
        let members: Map<_, _> = members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        return with_body(path, json!({"search": members}));
    }
    let encode = |value: &Value| -> String {
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        match text.starts_with('<') {
            true => text,
            false => text.bytes().map(|byte| format!("%{byte:02X}")).collect(),
        }
    };
    let parameters: Vec<_> = members
        .iter()
        .flat_map(|(name, value)| match value.as_array() {
            Some(values) => values.iter().map(|value| format!("{name}={}", encode(value))).collect(),
            None => vec![format!("{name}={}", encode(value))],
        })
        .collect();
    bare(format!("{path}?{}", parameters.join("&")))
}

fn api_key(picks: &mut Picks<'_>) -> Value {
    let mut members = json!({"name": picks.name()});
    if !picks.one_in(3) {
        members["permissions"] = json!({"endpoints": picks.endpoints()});
    }
    match picks.number() % 8 {
        0 => members["tenantId"] = json!(picks.tenant()),
        1 => members["expirationInstant"] = json!(picks.now + 20),
        2 => members["retrievable"] = json!(true),
        3 => members["disabled"] = json!(true),
        4 => members["metaData"] = json!({"attributes": {"about": picks.any_id()}}),
        _ => {}
    }
    members
}

fn new_api_key(picks: &mut Picks<'_>) -> Value {
    let members = api_key(picks);
    match picks.number() % 5 {
        0 => json!({"sourceKeyId": picks.any_id(), "apiKey": {"name": members["name"]}}),
        _ => json!({"apiKey": members}),
    }
}

fn api_key_search(picks: &mut Picks<'_>, in_body: bool) -> Request {
    let mut members = picks.page(&["insertInstant DESC", "name", "lastUpdateInstant", "insertInstant ASC"]);
    match picks.number() % 6 {
        0 => members.push(("name", json!(picks.text()))),
        1 => members.push(("tenantId", json!(picks.tenant()))),
        2 => members.push(("role", json!("admin"))),
        3 => members.push(("disabled", json!(false))),
        _ => {}
    }
    search("/api/api-key/search", in_body, members)
}

fn entity(picks: &mut Picks<'_>, with_type: bool) -> Value {
    let mut members = json!({"name": picks.name()});
    if with_type {
        members["type"] = json!({"id": picks.cast.types[picks.number() % 2]});
    }
    match picks.number() % 6 {
        0 if with_type => members["clientId"] = json!(format!("client {}", picks.mark)),
        1 => members["clientSecret"] = json!(secret_of(picks.party)),
        2 => members["parentId"] = json!(picks.any_id()),
        3 => members["tenantId"] = json!(picks.tenant()),
        4 => members["data"] = json!({"about": picks.any_id()}),
        _ => {}
    }
    json!({"entity": members})
}

fn entity_search(picks: &mut Picks<'_>, in_body: bool) -> Request {
    let mut members = picks.page(&["name", "insertInstant DESC", "lastUpdateInstant", "name DESC"]);
    match picks.number() % 4 {
        0 => {
            let ids = [picks.chosen_id(), picks.any_id(), picks.any_id()];
            members = vec![("ids", json!(ids))];
        }
        1 | 2 => members.push(("queryString", json!(picks.text()))),
        _ => {}
    }
    if in_body && let Some((_, order)) = members.iter().find(|(name, _)| *name == "orderBy").cloned() {
        let name = order.as_str().unwrap().split(' ').next().unwrap();
        members.retain(|(name, _)| *name != "orderBy");
        members.push(("sortFields", json!([{"name": name, "order": "desc"}])));
    }
    search("/api/entity/search", in_body, members)
}

/// A grant. Recipients have chosen ids, by which grants are sorted.
fn grant(picks: &mut Picks<'_>) -> Request {
    let permissions = picks.of(&[r#"["read"]"#, r#"["read", "write"]"#, r#"["write"]"#, "[]", r#"["own"]"#]);
    let permissions: Value = permissions.parse().unwrap();
    let on = picks.granted_id();
    let recipient = picks.granted_id();
    let body = json!({"grant": {"recipientEntityId": recipient, "permissions": permissions}});
    with_body(format!("/api/entity/{on}/grant"), body)
}

fn grants(picks: &mut Picks<'_>, whole: bool) -> Request {
    let path = format!("/api/entity/{}/grant", picks.granted_id());
    match whole {
        true => bare(path),
        false => bare(format!("{path}?recipientEntityId={}", picks.granted_id())),
    }
}

fn grant_search(picks: &mut Picks<'_>, in_body: bool) -> Request {
    let mut members = picks.page(&["insertInstant", "insertInstant DESC", "name,insertInstant"]);
    match picks.number() % 3 {
        0 => members.push(("entityId", json!(picks.any_id()))),
        1 => members.push(("name", json!(picks.text()))),
        _ => {}
    }
    search("/api/entity/grant/search", in_body, members)
}

/// A permission of a type, which is for keys outside of any tenant that name one.
fn permission(picks: &mut Picks<'_>) -> Value {
    json!({"permission": {"name": picks.of(&["own", "third"]), "isDefault": picks.one_in(2)}})
}

fn permission_path(picks: &mut Picks<'_>) -> String {
    format!("/api/entity/type/{}/permission", picks.cast.types[picks.number() % 2])
}

fn one_permission_path(picks: &Picks<'_>) -> String {
    let id = &picks.cast.ids[picks.party as usize][0];
    format!("/api/entity/type/{}/permission/{id}", picks.cast.types[0])
}

fn tenant(picks: &mut Picks<'_>, whole: bool) -> Value {
    let mut members = json!({});
    if whole || picks.one_in(2) {
        members["name"] = json!(picks.name());
    }
    if whole || picks.one_in(2) {
        let key = &picks.cast.keys[picks.number() % 2];
        members["jwtConfiguration"] =
            json!({"accessTokenKeyId": key, "timeToLiveInSeconds": picks.of(&[60, 600])});
    }
    if picks.one_in(3) {
        members["data"] = json!({"about": picks.any_id()});
    }
    json!({"tenant": members})
}

fn audit_log_search(picks: &mut Picks<'_>, in_body: bool) -> Request {
    let mut members = picks.page(&["id", "insertInstant DESC", "id DESC"]);
    match picks.number() % 8 {
        0 => members.push(("message", json!(picks.any_id()))),
        1 => members.push(("newValue", json!(picks.text()))),
        2 => members.push(("oldValue", json!(picks.text()))),
        3 => members.push(("user", json!(picks.any_id()))),
        4 => members.push(("tenantId", json!(picks.tenant()))),
        5 => members.push(("start", json!(picks.now - 20))),
        6 => members.push(("end", json!(picks.now - 20))),
        _ => {}
    }
    search("/api/system/audit-log/search", in_body, members)
}

fn authorization(picks: &mut Picks<'_>) -> Request {
    let number = picks.number();
    let which = match number % 6 {
        0 => json!({"key": "<value 0>"}),
        1 => json!({"key": "<foreign-value 0>"}),
        2 => json!({"key": picks.cast.values[number % 2]}),
        _ => json!({"apiKeyId": picks.any_id()}),
    };
    let mut members = which;
    members["method"] = json!(picks.of(&["GET", "POST", "DELETE"]));
    let path = picks.of(&["/v1/orders", "/api/entity", "/api/tenant"]);
    members["path"] = json!(path);
    if picks.one_in(3) {
        members["tenantId"] = json!(picks.tenant());
    }
    with_body("/api/authorize", json!({"authorization": members}))
}

fn question(picks: &mut Picks<'_>) -> Request {
    let path = match picks.number() % 3 {
        0 => "/v1/orders".to_owned(),
        1 => "/api/tenant".to_owned(),
        _ => format!("/api/entity/{}", picks.any_id()),
    };
    let headers = vec![("X-Original-Method", "GET".to_owned()), ("X-Original-URI", path)];
    Request { headers, ..bare("/forward-auth") }
}

fn vend(picks: &mut Picks<'_>) -> Request {
    let mut body = json!({"claims": {"about": picks.any_id()}});
    if let Some(key) = picks.signing_key() {
        body["keyId"] = json!(key);
    }
    match picks.number() % 6 {
        0 => body["claims"]["tid"] = json!(picks.tenant()),
        1 => body["timeToLiveInSeconds"] = json!(5),
        _ => {}
    }
    with_body("/api/jwt/vend", body)
}

fn validate(picks: &mut Picks<'_>) -> Request {
    let number = picks.number();
    let token = match number % 4 {
        0 => "<foreign-token 0>".to_owned(),
        _ => format!("<token {number}>"),
    };
    Request { credential: Some(format!("Bearer {token}")), ..bare("/api/jwt/validate") }
}

/// A form of a client: most likely one of one's own, else a guess.
fn form(picks: &mut Picks<'_>, path: &str, more: &str) -> Request {
    let body = format!(
        "client_id={}&client_secret={}&{more}",
        picks.granted_id(),
        secret_of(picks.party).replace(' ', "+")
    );
    Request {
        body: Some(body),
        headers: vec![("Content-Type", "application/x-www-form-urlencoded".to_owned())],
        credential: Some(String::new()),
        ..bare(path)
    }
}

fn token(picks: &mut Picks<'_>) -> Request {
    let target = picks.granted_id();
    let scope = match picks.number() % 3 {
        0 => String::new(),
        1 => format!("&scope=target-entity:{target}"),
        _ => format!("&scope=target-entity:{target}:read"),
    };
    form(picks, "/oauth2/token", &format!("grant_type=client_credentials{scope}"))
}

/// Asks about tokens of the own tenant.
fn introspection(picks: &mut Picks<'_>) -> Request {
    let number = picks.number();
    form(picks, "/oauth2/introspect", &format!("token=<token {number}>"))
}

/// The id of a key in either dialect.
fn key_path(picks: &mut Picks<'_>) -> String {
    let number = picks.number();
    let id = match number % 7 {
        0 => picks.cast.fusion_ids[picks.party as usize][number % 2].clone(),
        1 => picks.cast.fusion_ids[1 - picks.party as usize][number % 2].clone(),
        _ => picks.any_id(),
    };
    format!("/api/api-key/{id}")
}

fn fusion_key(picks: &mut Picks<'_>) -> Value {
    let roles = [json!([]), json!([picks.cast.role])];
    let mut members = json!({"name": picks.name(), "roles": roles[picks.number() % 2]});
    let number = picks.number();
    if number.is_multiple_of(2) {
        members["id"] = json!(picks.cast.fusion_ids[picks.party as usize][number / 2 % 2]);
    }
    members
}

const PERMISSION: &str = "/api/entity/type/{entityTypeId}/permission";
const ONE_PERMISSION: &str = "/api/entity/type/{entityTypeId}/permission/{permissionId}";

pub(super) const REQUESTS: &[Row] = &[
    row("POST", "/api/api-key", |picks| with_body("/api/api-key", new_api_key(picks))).fusionauth(),
    row("POST", "/api/api-key/{apiKeyId}", |picks| {
        with_body(format!("/api/api-key/{}", picks.own_id()), new_api_key(picks))
    })
    .fusionauth(),
    row("GET", "/api/api-key/{apiKeyId}", |picks| bare(key_path(picks))).often().fusionauth(),
    row("PUT", "/api/api-key/{apiKeyId}", |picks| {
        with_body(key_path(picks), json!({"apiKey": api_key(picks)}))
    })
    .often()
    .fusionauth(),
    row("PATCH", "/api/api-key/{apiKeyId}", |picks| {
        with_body(key_path(picks), json!({"apiKey": api_key(picks)}))
    })
    .often()
    .fusionauth(),
    row("DELETE", "/api/api-key/{apiKeyId}", |picks| bare(key_path(picks))).often().fusionauth(),
    row("POST", "/api/api-key/{apiKeyId}/rotate", |picks| {
        let body = json!({"gracePeriodInSeconds": picks.of(&[0, 60])});
        with_body(format!("{}/rotate", key_path(picks)), body)
    })
    .often()
    .fusionauth(),
    row("GET", "/api/api-key/{apiKeyId}/usage", |picks| bare(format!("{}/usage", key_path(picks))))
        .often()
        .fusionauth(),
    row("GET", "/api/api-key/search", |picks| api_key_search(picks, false)).fusionauth(),
    row("POST", "/api/api-key/search", |picks| api_key_search(picks, true)).fusionauth(),
    row("GET", "/api/api-key", |_| bare("/api/api-key")).fusion(),
    row("POST", "/api/api-key", |picks| with_body("/api/api-key", fusion_key(picks))).fusion(),
    row("GET", "/api/api-key/{apiKeyId}", |picks| bare(key_path(picks))).often().fusion(),
    row("DELETE", "/api/api-key/{apiKeyId}", |picks| bare(key_path(picks))).often().fusion(),
    row("POST", "/api/authorize", authorization).often(),
    row("GET", "/forward-auth", question),
    row("GET", "/ext-authz/{path}", |picks| bare(format!("/ext-authz/v1/{}", picks.any_id()))),
    row("GET", "/api/roles", |_| bare("/api/roles")),
    row("GET", "/api/roles/{roleId}", |picks| {
        bare(match picks.number() % 4 {
            0 => format!("/api/roles/{}", picks.any_id()),
            _ => "/api/roles/<role 0>".to_owned(),
        })
    }),
    row("POST", PERMISSION, |picks| with_body(permission_path(picks), permission(picks)))
        .often()
        .of_the_instance(),
    row("DELETE", PERMISSION, |picks| {
        let path = permission_path(picks);
        bare(format!("{path}?name={}", picks.of(&["own", "third", "write"])))
    })
    .often()
    .of_the_instance(),
    row("POST", ONE_PERMISSION, |picks| with_body(one_permission_path(picks), permission(picks)))
        .often()
        .of_the_instance(),
    row("PUT", ONE_PERMISSION, |picks| {
        with_body(one_permission_path(picks), json!({"permission": {"description": picks.mark}}))
    })
    .often()
    .of_the_instance(),
    row("PATCH", ONE_PERMISSION, |picks| {
        with_body(one_permission_path(picks), json!({"permission": {"description": picks.mark}}))
    })
    .often()
    .of_the_instance(),
    row("DELETE", ONE_PERMISSION, |picks| bare(one_permission_path(picks))).often().of_the_instance(),
    row("POST", "/api/entity", |picks| with_body("/api/entity", entity(picks, true))),
    row("POST", "/api/entity/{entityId}", |picks| {
        with_body(format!("/api/entity/{}", picks.own_id()), entity(picks, true))
    }),
    row("GET", "/api/entity/{entityId}", |picks| bare(format!("/api/entity/{}", picks.any_id()))),
    row("PUT", "/api/entity/{entityId}", |picks| {
        with_body(format!("/api/entity/{}", picks.any_id()), entity(picks, false))
    })
    .often(),
    row("PATCH", "/api/entity/{entityId}", |picks| {
        with_body(format!("/api/entity/{}", picks.any_id()), entity(picks, false))
    })
    .often(),
    row("DELETE", "/api/entity/{entityId}", |picks| bare(format!("/api/entity/{}", picks.any_id()))),
    row("POST", "/api/entity/{entityId}/rotate-secret", |picks| {
        let body = json!({"gracePeriodInSeconds": picks.of(&[0, 60])});
        with_body(format!("/api/entity/{}/rotate-secret", picks.any_id()), body)
    })
    .often(),
    row("GET", "/api/entity/search", |picks| entity_search(picks, false)),
    row("POST", "/api/entity/search", |picks| entity_search(picks, true)),
    row("PUT", "/api/entity/search", |_| bare("/api/entity/search")),
    row("POST", "/api/entity/{entityId}/grant", grant).often(),
    row("PUT", "/api/entity/{entityId}/grant", grant).often(),
    row("GET", "/api/entity/{entityId}/grant", |picks| {
        let whole = picks.one_in(2);
        grants(picks, whole)
    })
    .often(),
    row("DELETE", "/api/entity/{entityId}/grant", |picks| grants(picks, false)).often(),
    row("GET", "/api/entity/grant/search", |picks| grant_search(picks, false)),
    row("POST", "/api/entity/grant/search", |picks| grant_search(picks, true)),
    row("GET", "/api/tenant", |_| bare("/api/tenant")),
    row("POST", "/api/tenant", |picks| with_body("/api/tenant", tenant(picks, true))).refused(),
    row("POST", "/api/tenant/{tenantId}", |picks| {
        with_body(format!("/api/tenant/{}", picks.own_id()), tenant(picks, true))
    })
    .refused(),
    row("GET", "/api/tenant/{tenantId}", |picks| bare(format!("/api/tenant/{}", picks.tenant()))),
    row("PUT", "/api/tenant/{tenantId}", |picks| {
        with_body(format!("/api/tenant/{}", picks.tenant()), tenant(picks, true))
    })
    .often(),
    row("PATCH", "/api/tenant/{tenantId}", |picks| {
        with_body(format!("/api/tenant/{}", picks.tenant()), tenant(picks, false))
    }),
    row("DELETE", "/api/tenant/{tenantId}", |picks| {
        let foreign = picks.cast.tenants[1 - picks.party as usize].clone();
        let id = match picks.number() % 2 {
            0 => foreign,
            _ => picks.cast.unknown.clone(),
        };
        bare(format!("/api/tenant/{id}"))
    })
    .refused(),
    row("POST", "/api/jwt/vend", vend),
    row("GET", "/api/jwt/validate", validate),
    row("POST", "/oauth2/token", token).often(),
    row("POST", "/oauth2/introspect", introspection).often(),
    row("GET", "/{tenantId}/.well-known/openid-configuration", |picks| {
        let own = picks.cast.tenants[picks.party as usize].clone();
        let tenant = if picks.one_in(3) { picks.cast.unknown.clone() } else { own };
        bare(format!("/{tenant}/.well-known/openid-configuration"))
    }),
    row("GET", "/api/system/audit-log/{auditLogId}", |picks| {
        let number = picks.number();
        bare(match number % 3 {
            0 => "/api/system/audit-log/<foreign-entry 0>".to_owned(),
            _ => format!("/api/system/audit-log/<entry {number}>"),
        })
    })
    .often(),
    row("GET", "/api/system/audit-log/search", |picks| audit_log_search(picks, false)),
    row("POST", "/api/system/audit-log/search", |picks| audit_log_search(picks, true)).often(),
    row("GET", "/api/system/version", |_| bare("/api/system/version")),
    // Global ones, at which no caller of a tenant ever succeeds.
    row("GET", "/api/status", |_| bare("/api/status")).refused(),
    row("GET", "/api/tenant/search", |_| bare("/api/tenant/search")).refused(),
    row("GET", "/api/entity/type", |_| bare("/api/entity/type")).refused(),
    row("GET", "/api/prometheus/metrics", |_| bare("/api/prometheus/metrics")).refused(),
];
