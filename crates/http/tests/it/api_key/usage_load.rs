//! Usage under load: 100 000 checks over many connections, counted exactly, and again after a restart.

use std::thread;

use serde_json::{Value, json};

use crate::support::client::head;
use crate::support::fixture::TestKey;
use crate::support::server::START;
use crate::support::{Connection, Server, Settings, poll};

on_each_database! {
    own: a_hundred_thousand_checks_are_counted, uses_wait_while_they_cannot_be_written;
}

const CONNECTIONS: usize = 40;
const PER_CONNECTION: usize = 2_500;
/// Requests that are sent before the answers are read.
const AT_ONCE: usize = 50;

fn usage(server: &Server, key: &TestKey) -> Value {
    server.as_key_manager().get(&format!("/api/api-key/{}/usage", key.id)).ok()["usage"].take()
}

/// A question of a gateway about what any of the keys may do.
fn question(key: &TestKey) -> Vec<u8> {
    let headers = [
        ("Authorization", key.value.as_str()),
        ("X-Original-Method", "GET"),
        ("X-Original-URI", "/v1/orders"),
        ("X-Forwarded-For", "192.0.2.77"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()));
    head("GET", "/forward-auth", &headers).into_bytes()
}

/// Makes checks on one connection, with the keys by turns.
fn check(server: &Server, keys: &[TestKey], first: usize, checks: usize) {
    let mut connection = Connection::open(server.address());
    let questions: Vec<_> = keys.iter().map(question).collect();
    for batch in 0..checks / AT_ONCE {
        let bytes: Vec<u8> = (0..AT_ONCE)
            .flat_map(|number| questions[(first + batch * AT_ONCE + number) % keys.len()].clone())
            .collect();
        connection.write(&bytes).unwrap();
        for _ in 0..AT_ONCE {
            assert_eq!(connection.read("GET").unwrap().status, 200);
        }
    }
}

fn load(server: &Server, keys: &[TestKey], checks: usize, mut meanwhile: impl FnMut()) {
    thread::scope(|scope| {
        let clients: Vec<_> =
            (0..CONNECTIONS).map(|first| scope.spawn(move || check(server, keys, first, checks))).collect();
        while !clients.iter().all(thread::ScopedJoinHandle::is_finished) {
            meanwhile();
        }
    });
}

fn a_hundred_thousand_checks_are_counted(server: &Server) {
    let server = &server.sibling(Settings { trusted_proxies: "127.0.0.1", ..Settings::default() });
    let keys: Vec<_> = (0..5).map(|_| server.restricted(json!({"/v1/orders": ["GET"]}))).collect();
    let each = CONNECTIONS * PER_CONNECTION / keys.len();
    assert_eq!(each * keys.len(), 100_000);
    let mut written = 0;
    load(server, &keys, PER_CONNECTION, || {
        // The clock goes on, so that there is a last use to be right about; uses never become fewer.
        server.set_now(server.now() + 1);
        let count = usage(server, &keys[0])["count"].as_u64().unwrap();
        assert!(written <= count && count <= each as u64);
        written = count;
    });
    // One more of each key, at an instant of its own.
    let mut connection = Connection::open(server.address());
    for (number, key) in keys.iter().enumerate() {
        server.set_now(START + 10_000_000 + number as i64);
        connection.write(&question(key)).unwrap();
        assert_eq!(connection.read("GET").unwrap().status, 200);
    }
    let expected = |number: usize, key: &TestKey, count: usize| {
        json!({
            "apiKeyId": key.id, "count": count, "lastAddress": "192.0.2.77",
            "lastUsedInstant": START + 10_000_000 + number as i64,
        })
    };
    for (number, key) in keys.iter().enumerate() {
        let usage = poll("all uses", || {
            let usage = usage(server, key);
            (usage["count"] == json!(each + 1)).then_some(usage)
        });
        assert_eq!(usage, expected(number, key, each + 1));
    }
    // Stopped right behind the last answer of a load, and nothing is missing.
    server.set_now(START);
    load(server, &keys, 5 * AT_ONCE, thread::yield_now);
    server.while_stopped(|_| ());
    let again = CONNECTIONS * 5 * AT_ONCE / keys.len();
    for (number, key) in keys.iter().enumerate() {
        assert_eq!(usage(server, key), expected(number, key, each + 1 + again));
    }
}

fn uses_wait_while_they_cannot_be_written(server: &Server) {
    let key = server.unrestricted();
    let client = server.with_key(&key.value);
    server.database_execute("ALTER TABLE api_key_usage RENAME TO api_key_usage_elsewhere");
    for count in 1..=3 {
        client.get("/api/system/version").ok();
        // Each attempt to write asks for the time. It fails, and does no harm.
        let reads = server.clock_reads();
        poll("an attempt", || (server.clock_reads() > reads).then_some(()));
        let reply = server.as_key_manager().get(&format!("/api/api-key/{}/usage", key.id));
        assert_eq!(reply.status, 500, "{count}");
    }
    server.database_execute("ALTER TABLE api_key_usage_elsewhere RENAME TO api_key_usage");
    let usage = poll("what was kept", || {
        let usage = usage(server, &key);
        (usage["count"] == json!(3)).then_some(usage)
    });
    assert_eq!(usage["lastUsedInstant"], json!(START));
}
