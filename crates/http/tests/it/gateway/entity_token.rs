//! Tokens of entities as credentials: which count, what they may do, and where.
//!
//! The tests sign the tokens themselves, with keys of which they know the secret, so that they can sign what no server would.

mod elsewhere;
mod explained;
mod rights;
mod rotation;
mod taken_away;
mod unknown;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use claviger_crypto::Signer;
use claviger_domain::{EntityId, KeyAlgorithm, SecretBytes};
use serde_json::{Value, json};

use super::ask;
use crate::support::{Client, Reply, Server, Settings, unique};
use crate::token::{configure, import_secret, text};

/// The id of the entity that stands for the API, as the setting has it.
const AUDIENCE: u128 = 0x7e57_a0d1_e9ce_4000_8000_0000_0000_0001;

fn audience() -> String {
    EntityId::from_u128(AUDIENCE).to_string()
}

/// A key of which the tests know what signs.
struct Known {
    key: Value,
    algorithm: KeyAlgorithm,
    material: Vec<u8>,
}

impl Known {
    /// An HMAC secret.
    fn secret(server: &Server) -> Self {
        let secret = unique("a secret that the tests know");
        let key = import_secret(server, "HS256", &secret);
        Self { key, algorithm: KeyAlgorithm::Hs256, material: secret.into_bytes() }
    }

    /// A pair, of the private key in PEM (PKCS #8) and the public one.
    fn pair(server: &Server, algorithm: KeyAlgorithm, private: &str, public: &str) -> Self {
        let kind = if algorithm.as_str().starts_with("ES") { "EC" } else { "RSA" };
        let key = json!({"name": unique("pair"), "type": kind, "algorithm": algorithm.as_str(), "privateKey": private,
            "publicKey": public});
        let made = server.as_key_manager().post("/api/key/import", &json!({"key": key})).ok()["key"].take();
        Self { key: made, algorithm, material: der(private) }
    }

    fn id(&self) -> &str {
        text(&self.key, "id")
    }

    fn kid(&self) -> &str {
        text(&self.key, "kid")
    }

    /// What this key signs, be it a token or not.
    fn sign(&self, header: &Value, claims: &Value) -> String {
        sign(self.algorithm, &self.material, header, claims)
    }

    fn header(&self) -> Value {
        json!({"alg": self.algorithm.as_str(), "typ": "JWT", "gty": ["client_credentials"], "kid": self.kid()})
    }
}

/// The bytes of a key in PEM.
fn der(pem: &str) -> Vec<u8> {
    let lines: Vec<_> = pem.lines().filter(|line| !line.starts_with('-')).collect();
    STANDARD.decode(lines.concat()).unwrap()
}

fn sign(algorithm: KeyAlgorithm, material: &[u8], header: &Value, claims: &Value) -> String {
    let signer = Signer::new(algorithm, &SecretBytes::from(material.to_vec())).unwrap();
    let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let signed = format!("{}.{}", encode(header), encode(claims));
    let signature = signer.sign(signed.as_bytes()).unwrap();
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
}

/// These members, and those of `more`; `null` takes one away.
fn with(members: &Value, more: &Value) -> Value {
    let mut members = members.clone();
    for (name, value) in more.as_object().unwrap() {
        match value {
            Value::Null => drop(members.as_object_mut().unwrap().remove(name)),
            value => members[name] = value.clone(),
        }
    }
    members
}

/// A gateway before an API for which an entity stands, and another entity that calls it.
struct World {
    server: Server,
    tenant: String,
    key: Known,
    entity_type: String,
    entity: String,
}

impl World {
    fn new(server: &Server) -> Self {
        let server = server.sibling(Settings {
            trusted_proxies: "127.0.0.1",
            entity_token_audience: AUDIENCE,
            ..Settings::default()
        });
        let tenant = server.tenant();
        let key = Known::secret(&server);
        configure(&server, &tenant, json!({"accessTokenKeyId": key.id(), "timeToLiveInSeconds": 60}));
        let entity_type = entity_type(&server);
        let world = Self { tenant, key, entity: String::new(), entity_type, server };
        world.make_entity(&world.tenant, &world.entity_type, Some(&audience()));
        Self { entity: world.make_entity(&world.tenant, &world.entity_type, None), ..world }
    }

    /// Makes an entity in this tenant, and returns its id.
    #[track_caller]
    fn make_entity(&self, tenant: &str, entity_type: &str, id: Option<&str>) -> String {
        let path = id.map_or_else(|| "/api/entity".to_owned(), entity_path);
        let body = json!({"entity": {"name": unique("entity"), "type": {"id": entity_type}}});
        let made = self.server.as_key_manager().in_tenant(tenant).post(&path, &body).ok();
        text(&made["entity"], "id").to_owned()
    }

    /// The claims of a token that may GET and POST below `/v1`.
    fn claims(&self) -> Value {
        let now = self.server.now() / 1000;
        json!({"aud": audience(), "exp": now + 60, "iat": now, "iss": "acme.com", "sub": self.entity,
            "jti": crate::support::uuid(), "scope": format!("target-entity:{}", audience()), "tid": self.tenant,
            "permissions": {audience(): ["GET:/v1", "POST:/v1"]}})
    }

    fn token(&self) -> String {
        self.token_with(json!({}))
    }

    /// A token whose claims differ by these.
    fn token_with(&self, claims: Value) -> String {
        self.key.sign(&self.key.header(), &with(&self.claims(), &claims))
    }

    /// A token that may do what these names say.
    fn token_for(&self, permissions: &[&str]) -> String {
        self.token_with(json!({"permissions": {audience(): permissions}}))
    }

    fn bearing(&self, token: &str) -> Client {
        bearing(&self.server, token)
    }

    fn ask(&self, token: &str, method: &str, path: &str) -> Reply {
        ask(&self.bearing(token), method, path)
    }

    /// Asserts that the token of this world's entity is let through.
    #[track_caller]
    fn accepts(&self, token: &str) {
        named(&self.ask(token, "GET", "/v1/orders"), &self.entity, &self.tenant);
    }

    /// Sets how tokens of the type are signed.
    #[track_caller]
    fn configure_type(&self, jwt: Value) {
        let body = json!({"entityType": {"name": unique("type"), "jwtConfiguration": jwt}});
        self.server.as_key_manager().put(&type_path(&self.entity_type), &body).ok();
    }
}

fn bearing(server: &Server, token: &str) -> Client {
    server.with_key(&format!("Bearer {token}"))
}

fn entity_path(id: &str) -> String {
    format!("/api/entity/{id}")
}

fn type_path(id: &str) -> String {
    format!("/api/entity/type/{id}")
}

/// Makes a type of entities, and returns its id.
#[track_caller]
fn entity_type(server: &Server) -> String {
    let body = json!({"entityType": {"name": unique("type")}});
    let made = server.as_key_manager().post("/api/entity/type", &body).ok();
    text(&made["entityType"], "id").to_owned()
}

/// Asserts an answer that lets this entity through, and names nobody else.
#[track_caller]
fn named(reply: &Reply, entity: &str, tenant: &str) {
    reply.done();
    assert_eq!(reply.header("www-authenticate"), None);
    assert_eq!(reply.header("x-claviger-entity-id"), Some(entity));
    assert_eq!(reply.header("x-claviger-tenant-id"), Some(tenant));
    assert_eq!(reply.headers.iter().filter(|(name, _)| name.starts_with("x-claviger")).count(), 2);
}
