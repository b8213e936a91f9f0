//! OAuth 2.0: `/oauth2/token`, `/oauth2/introspect` and discovery.

mod credentials;
mod discovery;
mod errors;
mod introspection;
mod refusals;
mod requests;
mod tenants;
mod together;
mod tokens;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use crate::support::{Client, Reply, Server, unique};

pub(crate) const TOKEN: &str = "/oauth2/token";
const INTROSPECT: &str = "/oauth2/introspect";
pub(crate) const GRANT: (&str, &str) = ("grant_type", "client_credentials");

/// A tenant with a key that signs tokens, and a type of entities with the permissions `read`, `write` and `scim:user:read`.
pub(crate) struct World {
    pub(crate) tenant: String,
    pub(crate) home: Client,
    pub(crate) entity_type: Value,
}

impl World {
    #[track_caller]
    pub(crate) fn new(server: &Server) -> Self {
        Self::with(server, json!({}))
    }

    /// The same, with these members of the tenant.
    #[track_caller]
    pub(crate) fn with(server: &Server, members: Value) -> Self {
        let manager = server.as_key_manager();
        let mut tenant = json!({"name": unique("oauth"), "issuer": "acme.com", "jwtConfiguration": {
            "accessTokenKeyId": server.signing_key(), "timeToLiveInSeconds": 3600,
            "refreshTokenTimeToLiveInMinutes": 60,
        }});
        for (name, value) in members.as_object().unwrap() {
            tenant[name] = value.clone();
        }
        let made = manager.post("/api/tenant", &json!({"tenant": tenant})).ok();
        let tenant = made["tenant"]["id"].as_str().unwrap().to_owned();
        let entity_type = entity_type(server, json!({}), &["read", "write", "scim:user:read"]);
        Self { home: manager.in_tenant(&tenant), tenant, entity_type }
    }

    /// An entity of the world's type, with these members.
    #[track_caller]
    pub(crate) fn entity(&self, members: Value) -> Value {
        self.entity_of(&self.entity_type, members)
    }

    #[track_caller]
    pub(crate) fn entity_of(&self, entity_type: &Value, members: Value) -> Value {
        let mut entity = json!({"name": unique("entity"), "type": {"id": entity_type["id"]}});
        for (name, value) in members.as_object().unwrap() {
            entity[name] = value.clone();
        }
        self.home.post("/api/entity", &json!({"entity": entity})).ok()["entity"].take()
    }

    /// Grants permissions on one entity to another.
    #[track_caller]
    pub(crate) fn grant(&self, on: &Value, to: &Value, permissions: &[&str]) {
        let body = json!({"grant": {"recipientEntityId": to["id"], "permissions": permissions}});
        self.home.post(&format!("/api/entity/{}/grant", text(on, "id")), &body).done();
    }
}

/// Makes a type with these members and permissions.
#[track_caller]
pub(crate) fn entity_type(server: &Server, members: Value, permissions: &[&str]) -> Value {
    let manager = server.as_key_manager();
    let mut entity_type = json!({"name": unique("type")});
    for (name, value) in members.as_object().unwrap() {
        entity_type[name] = value.clone();
    }
    let made =
        manager.post("/api/entity/type", &json!({"entityType": entity_type})).ok()["entityType"].take();
    for name in permissions {
        let path = format!("/api/entity/type/{}/permission", text(&made, "id"));
        manager.post(&path, &json!({"permission": {"name": name}})).ok();
    }
    made
}

#[track_caller]
pub(crate) fn text<'a>(object: &'a Value, member: &str) -> &'a str {
    object[member].as_str().unwrap()
}

/// A text as forms have it.
fn encoded(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
    text.bytes()
        .map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}

/// Sends a form as it stands.
pub(crate) fn post(client: &Client, path: &str, form: &str) -> Reply {
    client.with_header("Content-Type", "application/x-www-form-urlencoded").send_bytes(
        "POST",
        path,
        Some(form.as_bytes()),
    )
}

/// Sends these parameters.
pub(crate) fn form(client: &Client, path: &str, parameters: &[(&str, &str)]) -> Reply {
    let pairs: Vec<_> =
        parameters.iter().map(|(name, value)| format!("{}={}", encoded(name), encoded(value))).collect();
    post(client, path, &pairs.join("&"))
}

/// The parameters by which an entity says who it is.
fn credentials(entity: &Value) -> [(&str, &str); 2] {
    [("client_id", text(entity, "clientId")), ("client_secret", text(entity, "clientSecret"))]
}

/// Asks for a token for an entity, with these further parameters.
pub(crate) fn ask(server: &Server, entity: &Value, more: &[(&str, &str)]) -> Reply {
    let parameters = [&[GRANT][..], &credentials(entity), more].concat();
    form(&server.anonymous(), TOKEN, &parameters)
}

/// Asks with this scope.
pub(crate) fn ask_for(server: &Server, entity: &Value, scope: &str) -> Reply {
    ask(server, entity, &[("scope", scope)])
}

/// A client that sends Basic of these bytes.
fn with_basic(server: &Server, plain: &str) -> Client {
    server.anonymous().with_header("Authorization", &format!("Basic {}", STANDARD.encode(plain)))
}

/// Header and claims of the token of an answer, in their order.
#[track_caller]
fn parts(reply: &Reply) -> (Value, Value) {
    let document = reply.ok();
    let mut parts = text(&document, "access_token")
        .split('.')
        .map(|part| serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap_or_default());
    (parts.next().unwrap(), parts.next().unwrap())
}

/// The claims of the token of an answer.
#[track_caller]
fn claims(reply: &Reply) -> Value {
    parts(reply).1
}

/// A target of a scope.
fn target(entity: &Value, permissions: &str) -> String {
    let separator = if permissions.is_empty() { "" } else { ":" };
    format!("target-entity:{}{separator}{permissions}", text(entity, "id"))
}

/// Insists on a refusal in the form of RFC 6749, section 5.2, that nothing may keep.
#[track_caller]
fn refused(reply: &Reply, status: u16, error: &str, reason: &str) {
    let document = reply.json();
    let found = (reply.status, &document["error"], &document["error_reason"]);
    assert_eq!(found, (status, &json!(error), &json!(reason)), "{}", reply.text());
    assert!(!text(&document, "error_description").is_empty() && document.as_object().unwrap().len() == 3);
    assert_eq!(reply.header("content-type"), Some("application/json;charset=UTF-8"));
    assert_eq!((reply.header("cache-control"), reply.header("pragma")), (Some("no-store"), Some("no-cache")));
    assert!(status == 401 || reply.header("www-authenticate").is_none());
}
