//! The server and what is asked of it: by operators with API keys, and by machines with client ids and secrets.

use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use openssl::base64::encode_block;
use serde_json::{Value, json};

use crate::common::{Connection, Installation, Reply, Server};
use crate::support::Place;

/// How long the server may say that it cannot answer, and how long is waited for what takes its time.
const PATIENCE: Duration = Duration::from_secs(60);

/// Who asks for a token.
#[derive(Clone)]
pub(crate) struct Machine {
    pub(crate) id: String,
    pub(crate) client_id: String,
    pub(crate) secret: String,
}

/// How a machine says who it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    Basic,
    Form,
}

/// A server with its first key manager.
pub(crate) struct Deployment {
    server: Server,
    manager: String,
    steps: Cell<usize>,
    /// What must not be in the audit log, and what it is.
    secrets: RefCell<Vec<(String, String)>>,
}

impl Deployment {
    /// The first start, in which this entity stands for the API behind gateways.
    pub(crate) fn start(place: &Place, audience: &str) -> Self {
        let installation = Installation::new(place);
        let settings =
            [("CLAVIGER_TRUSTED_PROXIES", "127.0.0.1"), ("CLAVIGER_ENTITY_TOKEN_AUDIENCE", audience)];
        let server = Server::start_with(&installation, &settings);
        let manager = installation.bootstrap_key.clone();
        let deployment =
            Self { server, manager: manager.clone(), steps: Cell::new(0), secrets: RefCell::default() };
        deployment.keep_secret("the first API key", &manager);
        deployment
    }

    /// Says what was done.
    pub(crate) fn step(&self, what: &str) {
        self.steps.set(self.steps.get() + 1);
        println!("{:>3}. {what}", self.steps.get());
    }

    /// Notes a secret, to be looked for later.
    pub(crate) fn keep_secret(&self, what: &str, secret: &str) {
        self.secrets.borrow_mut().push((what.to_owned(), secret.to_owned()));
    }

    /// The secrets so far.
    pub(crate) fn secrets(&self) -> Vec<(String, String)> {
        self.secrets.borrow().clone()
    }

    pub(crate) const fn address(&self) -> SocketAddr {
        self.server.address
    }

    /// Stops the server and returns its log.
    pub(crate) fn stop(self) -> String {
        String::from_utf8(self.server.stop().log).unwrap()
    }

    /// A request of the key manager, in a tenant or outside of any.
    #[track_caller]
    pub(crate) fn manage(
        &self,
        tenant: Option<&str>,
        method: &str,
        path: &str,
        body: Option<&Value>,
    ) -> Reply {
        let tenant = tenant.map_or_else(String::new, |id| format!("X-FusionAuth-TenantId: {id}\r\n"));
        let headers = format!("Authorization: {}\r\n{tenant}", self.manager);
        self.send(method, path, &headers, body)
    }

    /// A request with this API key.
    #[track_caller]
    pub(crate) fn with_key(&self, key: &str, method: &str, path: &str, body: Option<&Value>) -> Reply {
        self.send(method, path, &format!("Authorization: {key}\r\n"), body)
    }

    /// A request without a credential.
    #[track_caller]
    pub(crate) fn anonymous(&self, path: &str) -> Reply {
        self.send("GET", path, "", None)
    }

    #[track_caller]
    fn send(&self, method: &str, path: &str, headers: &str, body: Option<&Value>) -> Reply {
        let content = body.map(Value::to_string).unwrap_or_default();
        let json = if body.is_some() { "Content-Type: application/json\r\n" } else { "" };
        raw(self.address(), method, path, &format!("{headers}{json}"), &content)
    }

    /// The member of the answer to a request that makes or changes something.
    #[track_caller]
    pub(crate) fn change(
        &self,
        tenant: Option<&str>,
        method: &str,
        path: &str,
        member: &str,
        body: &Value,
    ) -> Value {
        self.manage(tenant, method, path, Some(&json!({member: body}))).ok()[member].take()
    }

    /// What a gateway is told about a request for orders with this token.
    #[track_caller]
    pub(crate) fn gateway(&self, token: &str) -> u16 {
        let headers = format!(
            "Authorization: Bearer {token}\r\nX-Original-Method: GET\r\nX-Original-URI: /v1/orders/7\r\n"
        );
        self.send("GET", "/forward-auth", &headers, None).status
    }

    /// Asks for a token of a machine for another entity, or for itself.
    #[track_caller]
    pub(crate) fn ask(&self, machine: &Machine, way: Way, target: Option<&str>) -> Reply {
        ask(self.address(), machine, way, target)
    }

    /// A token that is given.
    #[track_caller]
    pub(crate) fn token(&self, machine: &Machine, way: Way, target: Option<&str>) -> String {
        let answer = self.ask(machine, way, target).ok();
        assert_eq!(answer["token_type"], "Bearer");
        let token = text(&answer, "access_token").to_owned();
        self.keep_secret("the signature of a token", token.rsplit('.').next().unwrap());
        token
    }

    /// What introspection says about a token to a machine.
    #[track_caller]
    pub(crate) fn introspect(&self, machine: &Machine, token: &str) -> Reply {
        introspect(self.address(), machine, token)
    }

    /// Whether a token still counts for a machine that may ask.
    #[track_caller]
    pub(crate) fn is_active(&self, machine: &Machine, token: &str) -> bool {
        self.introspect(machine, token).ok()["active"] == json!(true)
    }

    /// Everything that the audit log tells, the oldest first.
    pub(crate) fn audit_log(&self) -> Vec<Value> {
        let mut entries = Vec::new();
        loop {
            let path = format!(
                "/api/system/audit-log/search?orderBy=id&numberOfResults=100&startRow={}",
                entries.len()
            );
            let page = self.manage(None, "GET", &path, None).ok();
            let found = page["auditLogs"].as_array().unwrap();
            if found.is_empty() {
                assert_eq!(page["total"], json!(entries.len()));
                return entries;
            }
            entries.extend(found.iter().cloned());
        }
    }
}

/// The text of a member.
#[track_caller]
pub(crate) fn text<'a>(object: &'a Value, member: &str) -> &'a str {
    object[member].as_str().unwrap_or_else(|| panic!("no {member} in {object}"))
}

/// A request on a connection of its own. On a machine that is kept busy the server may not hear from PostgreSQL for two
/// seconds, and says for so long that it cannot answer.
#[track_caller]
fn raw(address: SocketAddr, method: &str, path: &str, headers: &str, body: &str) -> Reply {
    let start = Instant::now();
    loop {
        let mut connection = Connection::anonymous(address).unwrap();
        connection.send_raw(method, path, headers, body.as_bytes()).unwrap();
        let reply = connection.receive().unwrap();
        if reply.status != 503 || start.elapsed() > PATIENCE {
            return reply;
        }
        std::thread::yield_now();
    }
}

#[track_caller]
fn form(address: SocketAddr, path: &str, headers: &str, parameters: &[(&str, &str)]) -> Reply {
    let encode = |text: &str| -> String {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
        text.bytes()
            .map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
            .collect()
    };
    let pairs: Vec<_> =
        parameters.iter().map(|(name, value)| format!("{}={}", encode(name), encode(value))).collect();
    let headers = format!("{headers}Content-Type: application/x-www-form-urlencoded\r\n");
    raw(address, "POST", path, &headers, &pairs.join("&"))
}

/// Asks for a token.
#[track_caller]
pub(crate) fn ask(address: SocketAddr, machine: &Machine, way: Way, target: Option<&str>) -> Reply {
    let scope = target.map(|id| format!("target-entity:{id}"));
    let mut parameters = vec![("grant_type", "client_credentials")];
    parameters.extend(scope.as_deref().map(|scope| ("scope", scope)));
    let basic = match way {
        Way::Basic => {
            let plain = format!("{}:{}", machine.client_id, machine.secret);
            format!("Authorization: Basic {}\r\n", encode_block(plain.as_bytes()))
        }
        Way::Form => {
            parameters
                .extend([("client_id", machine.client_id.as_str()), ("client_secret", &machine.secret)]);
            String::new()
        }
    };
    form(address, "/oauth2/token", &basic, &parameters)
}

/// Asks about a token.
#[track_caller]
pub(crate) fn introspect(address: SocketAddr, machine: &Machine, token: &str) -> Reply {
    let parameters =
        [("client_id", machine.client_id.as_str()), ("client_secret", &machine.secret), ("token", token)];
    form(address, "/oauth2/introspect", "", &parameters)
}

/// Asks again and again until there is an answer.
#[track_caller]
pub(crate) fn poll<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(Instant::now() < deadline, "waited in vain for {what}");
        std::thread::yield_now();
    }
}
