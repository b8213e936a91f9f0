//! What the clients do: a mixture of everything that a server is asked for in its life, as fast as it answers.

use super::stand::MANAGER;
use crate::cluster::client::{Client, Seat};
use crate::run::{Failure, Result};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::Write;
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// Keys that are there all the time.
const LASTING: u64 = 1_000;
/// One life of so many ends with its tenant.
const TENANTS: u64 = 20;
/// Keys of such a tenant.
const KEYS_OF_TENANT: u64 = 5;
/// Tokens between two new entities.
const TOKENS: u64 = 20;
/// The connections that a careless client holds at once.
const AT_ONCE: usize = 16;
/// Between two requests that are not about checks: so that all kinds get their turn on few processors.
const PAUSE: Duration = Duration::from_millis(2);

/// The kinds of objects, so that no two share an id.
const KEY: u64 = 1;
const TENANT: u64 = 2;
const ENTITY: u64 = 3;
const SIGNING_KEY: u64 = 4;

/// What each node is asked for at once.
pub(super) const PARTS: [fn(&Shared, usize); 5] = [check, flood, live, entities, hang_up];

/// How much was done.
#[derive(Debug, Default)]
pub(super) struct Counts {
    pub(super) checks: AtomicU64,
    pub(super) unknown: AtomicU64,
    pub(super) writes: AtomicU64,
    pub(super) tokens: AtomicU64,
    pub(super) tenants: AtomicU64,
    pub(super) hung_up: AtomicU64,
    /// Answers that are not the expected ones: what came (0 for nothing), what should have come, and how often.
    pub(super) failures: Mutex<BTreeMap<(u16, u16), u64>>,
}

/// What the clients share.
pub(super) struct Shared {
    pub(super) seats: Vec<Arc<Seat>>,
    pub(super) stop: AtomicBool,
    pub(super) counts: Counts,
    numbers: AtomicU64,
}

impl Shared {
    /// For clients of these servers.
    pub(super) fn new(seats: Vec<Arc<Seat>>) -> Self {
        let counts = Counts::default();
        Self { seats, stop: AtomicBool::new(false), counts, numbers: AtomicU64::new(LASTING) }
    }

    fn is_over(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    fn number(&self) -> u64 {
        self.numbers.fetch_add(1, Ordering::Relaxed)
    }

    fn client(&self, node: usize) -> Option<Client> {
        self.seats.get(node).map(|seat| Client::new(Arc::clone(seat), PATIENCE))
    }

    /// Notes an answer, which should have been this one.
    fn expect(&self, status: u16, wanted: u16, count: &AtomicU64) -> bool {
        if status == wanted {
            count.fetch_add(1, Ordering::Relaxed);
        } else {
            let mut failures = self.counts.failures.lock().unwrap_or_else(PoisonError::into_inner);
            *failures.entry((status, wanted)).or_default() += 1;
        }
        status == wanted
    }

    fn write(&self, client: &mut Client, method: &str, path: &str, body: &Value) -> bool {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        self.expect(client.call(method, path, MANAGER, &body), 200, &self.counts.writes)
    }
}

fn id(kind: u64, number: u64) -> String {
    format!("{kind:08x}-0000-4000-8000-{number:012x}")
}

fn value(number: u64, rotation: u64) -> String {
    format!("the value of key {number:012} number {rotation:03}")
}

/// The question of a gateway.
fn question(value: &str) -> Vec<u8> {
    let head = "GET /ext-authz/v1/orders/17 HTTP/1.1\r\nHost: localhost\r\nX-Forwarded-For: 192.0.2.9";
    format!("{head}\r\nAuthorization: {value}\r\n\r\n").into_bytes()
}

fn api_key(number: u64, tenant: Option<&str>) -> Value {
    let permissions = json!({"endpoints": {"/v1/orders": ["GET"]}});
    json!({"apiKey": {
        "key": value(number, 0), "name": format!("key {number}"), "permissions": permissions, "tenantId": tenant,
    }})
}

/// A call about entities, which belong to the first tenant.
fn of_tenant(shared: &Shared, client: &mut Client, method: &str, path: &str, body: &Value) -> bool {
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: {MANAGER}\r\nX-FusionAuth-TenantId: {}\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        id(TENANT, 0),
        body.len()
    );
    shared.expect(client.send(request.as_bytes()), 200, &shared.counts.writes)
}

fn entity(number: u64) -> Value {
    let kind = json!({"id": id(ENTITY, 0)});
    json!({"entity": {"name": format!("entity {number}"), "clientSecret": "a secret of nobody", "type": kind}})
}

/// Makes what is there all the time.
///
/// # Errors
/// A server refuses it.
pub(super) fn prepare(shared: &Shared) -> Result<()> {
    let refused = |what: &str| Failure::new(format!("the server refuses {what}"));
    let mut client = shared.client(0).ok_or_else(|| refused("everything"))?;
    let client = &mut client;
    let signing = id(SIGNING_KEY, 0);
    let key = json!({"key": {"name": "signing", "algorithm": "ES256"}});
    let jwt = json!({"accessTokenKeyId": signing, "timeToLiveInSeconds": 3600, "refreshTokenTimeToLiveInMinutes": 60});
    let tenant = json!({"tenant": {"name": "lasting", "jwtConfiguration": jwt}});
    let kind = json!({"entityType": {"name": "service"}});
    let made = shared.write(client, "POST", &format!("/api/key/generate/{signing}"), &key)
        && shared.write(client, "POST", &format!("/api/tenant/{}", id(TENANT, 0)), &tenant)
        && shared.write(client, "POST", &format!("/api/entity/type/{}", id(ENTITY, 0)), &kind)
        && of_tenant(shared, client, "POST", &format!("/api/entity/{}", id(ENTITY, 1)), &entity(1));
    if !made {
        return Err(refused("what entities need"));
    }
    for number in 0..LASTING {
        let path = format!("/api/api-key/{}", id(KEY, number));
        if !shared.write(client, "POST", &path, &api_key(number, None)) {
            return Err(refused("a key"));
        }
    }
    // Other servers hear of new keys soon after the answer, in the order in which they were made.
    let last = question(&value(LASTING - 1, 0));
    for node in 0..shared.seats.len() {
        let mut client = shared.client(node).ok_or_else(|| refused("everything"))?;
        let deadline = Instant::now() + PATIENCE;
        while client.send(&last) != 200 {
            if Instant::now() > deadline {
                return Err(Failure::new(format!("server {node} does not hear of new keys")));
            }
            thread::sleep(PAUSE);
        }
    }
    Ok(())
}

/// Checks of keys that are there.
fn check(shared: &Shared, node: usize) {
    let Some(mut client) = shared.client(node) else { return };
    for turn in 0_u64.. {
        if shared.is_over() {
            return;
        }
        let number = turn.wrapping_mul(0x9E37_79B9) % LASTING;
        shared.expect(client.send(&question(&value(number, 0))), 200, &shared.counts.checks);
    }
}

/// Checks of keys that nobody has.
fn flood(shared: &Shared, node: usize) {
    let Some(mut client) = shared.client(node) else { return };
    for turn in 0_u64.. {
        if shared.is_over() {
            return;
        }
        let value = format!("nobody's key {node} {turn}");
        shared.expect(client.send(&question(&value)), 401, &shared.counts.unknown);
    }
}

/// Keys from creation to deletion, some of them with their tenant.
fn live(shared: &Shared, node: usize) {
    let Some(mut client) = shared.client(node) else { return };
    while !shared.is_over() {
        let number = shared.number();
        if number.is_multiple_of(TENANTS) {
            live_with_tenant(shared, &mut client, number);
            continue;
        }
        let path = format!("/api/api-key/{}", id(KEY, number));
        let rotation = json!({"gracePeriodInSeconds": 1, "apiKey": {"key": value(number, 1)}});
        shared.write(&mut client, "POST", &path, &api_key(number, None));
        shared.write(&mut client, "POST", &format!("{path}/rotate"), &rotation);
        for rotation in 0..2 {
            shared.expect(client.send(&question(&value(number, rotation))), 200, &shared.counts.checks);
        }
        shared.write(&mut client, "DELETE", &path, &Value::Null);
        shared.expect(client.send(&question(&value(number, 1))), 401, &shared.counts.unknown);
        thread::sleep(PAUSE);
    }
}

fn live_with_tenant(shared: &Shared, client: &mut Client, number: u64) {
    let tenant = id(TENANT, number);
    let path = format!("/api/tenant/{tenant}");
    shared.write(client, "POST", &path, &json!({"tenant": {"name": tenant}}));
    for key in 0..KEYS_OF_TENANT {
        // Numbers that no other key has.
        let key = (number << 8) + key;
        let path = format!("/api/api-key/{}", id(KEY, key + (1 << 40)));
        shared.write(client, "POST", &path, &api_key(key + (1 << 40), Some(&tenant)));
    }
    if shared.write(client, "DELETE", &path, &Value::Null) {
        shared.counts.tenants.fetch_add(1, Ordering::Relaxed);
    }
}

/// Tokens of an entity that stays, and of others that come and go.
fn entities(shared: &Shared, node: usize) {
    let Some(mut client) = shared.client(node) else { return };
    while !shared.is_over() {
        for _ in 0..TOKENS {
            token(shared, &mut client, 1);
            thread::sleep(PAUSE);
        }
        let number = shared.number();
        let path = format!("/api/entity/{}", id(ENTITY, number));
        of_tenant(shared, &mut client, "POST", &path, &entity(number));
        token(shared, &mut client, number);
        of_tenant(shared, &mut client, "DELETE", &path, &Value::Null);
    }
}

fn token(shared: &Shared, client: &mut Client, entity: u64) {
    let form = format!(
        "grant_type=client_credentials&client_id={}&client_secret=a+secret+of+nobody",
        id(ENTITY, entity)
    );
    let request = format!(
        "POST /oauth2/token HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-www-form-urlencoded\r\n\
         Content-Length: {}\r\n\r\n{form}",
        form.len()
    );
    shared.expect(client.send(request.as_bytes()), 200, &shared.counts.tokens);
}

/// Connections that are opened and dropped, some of them in the middle of a request.
fn hang_up(shared: &Shared, node: usize) {
    let Some(address) = shared.seats.get(node).and_then(|seat| seat.address()) else { return };
    let whole = question(&value(0, 0));
    let body = b"POST /api/api-key HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n{\"apiKey\":";
    let parts: [&[u8]; 4] = [b"", whole.get(..40).unwrap_or_default(), &whole, body];
    let mut held = Vec::new();
    for part in parts.iter().cycle() {
        if shared.is_over() {
            return;
        }
        if let Ok(mut stream) = TcpStream::connect_timeout(&address, PATIENCE) {
            // Whether it arrives is the point of neither side.
            let _ = stream.write_all(part);
            held.push(stream);
        }
        if held.len() >= AT_ONCE {
            shared.counts.hung_up.fetch_add(held.len() as u64, Ordering::Relaxed);
            held.clear();
        }
        thread::sleep(PAUSE);
    }
}
