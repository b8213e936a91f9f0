//! An API key is rotated while gateways ask about it as fast as they can: no request fails, the value before ends at its instant, also over
//! `kill -9`, every use is counted, and the audit log tells who did it.

use std::net::SocketAddr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::SystemTime;

use serde_json::{Value, json};

use crate::common::{Connection, Installation, Process, Reply, Server};
use crate::deployment::{poll, text};
use crate::support::Place;

const SETTINGS: [(&str, &str); 1] = [("CLAVIGER_TRUSTED_PROXIES", "127.0.0.1")];
const CLIENTS: u64 = 16;
const ROTATIONS: usize = 8;
/// How many requests are let through between two rotations, at least.
const BETWEEN: u64 = 1_000;
/// How often a client asks with a value before it looks whether there is another one.
const LATE: u64 = 10;
/// Grace periods in seconds, of which one is longer than a restart takes on this machine.
const GRACES: [i64; 3] = [5, 20, 60];

/// A key manager.
struct Manager {
    id: String,
    value: String,
}

/// The key that is rotated.
struct Rotated {
    id: String,
    path: String,
    /// All of its values, the present one last.
    values: Vec<String>,
    /// How many requests were let through with it.
    uses: u64,
    /// Who rotated it, in this order.
    by: Vec<String>,
}

pub(crate) fn play(place: &Place) {
    let installation = Installation::new(place);
    drop(Server::start_with(&installation, &SETTINGS).stop());
    let made = Process::spawn(&mut installation.command(&[
        "api-key",
        "create",
        "--name",
        "second",
        "--key-manager",
    ]));
    let second = String::from_utf8(made.wait().output).unwrap().trim_end().to_owned();
    let mut server = Server::start_with(&installation, &SETTINGS);
    let first = installation.bootstrap_key.clone();
    let managers = [("Bootstrap key manager", first), ("second", second)].map(|(name, value)| {
        let found =
            manage(server.address, &value, "GET", "/api/api-key/search?numberOfResults=100", None).ok();
        let mut keys = found["apiKeys"].as_array().unwrap().iter();
        Manager { id: text(keys.find(|key| key["name"] == name).unwrap(), "id").to_owned(), value }
    });
    println!("  1. The server starts, and has two key managers, {} and {}.", managers[0].id, managers[1].id);

    let permissions = json!({"endpoints": {"/v1/orders": ["GET"]}});
    let body = json!({"apiKey": {"name": "orders", "permissions": permissions}});
    let made = manage(server.address, &managers[0].value, "POST", "/api/api-key", Some(&body)).ok();
    let id = text(&made["apiKey"], "id").to_owned();
    let mut key = Rotated {
        path: format!("/api/api-key/{id}"),
        values: vec![text(&made["apiKey"], "key").to_owned()],
        id,
        uses: 0,
        by: Vec::new(),
    };
    println!("  2. The first makes the API key {}, for GET on /v1/orders.", key.id);

    under_load(&server, &managers, &mut key);
    counted(&server, &managers[0], &key);
    println!("  4. Its usage says {} uses, as many as were let through.", key.uses);
    let mut seen = 0;
    for grace in GRACES {
        (server, seen) = over_a_kill(server, &installation, &managers, &mut key, grace);
        if seen > 0 {
            break;
        }
    }
    assert!(seen > 0, "the server takes longer to start than any grace period here");
    counted(&server, &managers[0], &key);
    println!("  6. Its usage says {} uses, as many as were let through before and after the kill.", key.uses);
    audit_log(&server, &managers, &key);
    let log = String::from_utf8(server.stop().log).unwrap();
    assert!(log.contains("listening"));
    let all = key.values.iter().chain(managers.iter().map(|manager| &manager.value));
    assert!(all.into_iter().all(|value| !log.contains(value.as_str())), "a value is in the server's log");
}

/// Rotates while clients ask, each with the value that it has seen last.
fn under_load(server: &Server, managers: &[Manager; 2], key: &mut Rotated) {
    let address = server.address;
    let current = Mutex::new(key.values[0].clone());
    let (done, accepted, uncertain) = (AtomicBool::new(false), AtomicU64::new(0), AtomicU64::new(0));
    let client = || {
        let mut connection = Connection::anonymous(address).unwrap();
        while !done.load(Ordering::SeqCst) {
            let value = current.lock().unwrap().clone();
            for _ in 0..LATE {
                match ask(&mut connection, &value) {
                    200 => accepted.fetch_add(1, Ordering::SeqCst),
                    // A machine that is kept busy may keep the server from PostgreSQL for two seconds; nothing is decided then.
                    503 => uncertain.fetch_add(1, Ordering::SeqCst),
                    status => panic!("a request was answered with {status}"),
                };
            }
        }
    };
    thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS).map(|_| scope.spawn(client)).collect();
        let more = || {
            let before = accepted.load(Ordering::SeqCst);
            while accepted.load(Ordering::SeqCst) < before + BETWEEN
                && !clients.iter().any(thread::ScopedJoinHandle::is_finished)
            {
                thread::yield_now();
            }
        };
        more();
        for number in 0..ROTATIONS {
            let value = rotate(address, &managers[number % 2], key, 3600);
            *current.lock().unwrap() = value;
            refused(address, &managers[0], key);
            more();
        }
        done.store(true, Ordering::SeqCst);
    });
    key.uses = accepted.into_inner();
    println!(
        "  3. {ROTATIONS} rotations while {CLIENTS} connections ask: {} requests let through, 0 refused, {} times no decision.",
        key.uses,
        uncertain.into_inner()
    );
}

/// Rotates the key, and returns the new value.
#[track_caller]
fn rotate(address: SocketAddr, manager: &Manager, key: &mut Rotated, grace: i64) -> String {
    let path = format!("{}/rotate", key.path);
    let body = json!({"gracePeriodInSeconds": grace});
    let answer = manage(address, &manager.value, "POST", &path, Some(&body)).ok();
    let value = text(&answer["apiKey"], "key").to_owned();
    assert!(!key.values.contains(&value));
    key.values.push(value.clone());
    key.by.push(manager.id.clone());
    value
}

/// Rotations that must change nothing.
#[track_caller]
fn refused(address: SocketAddr, manager: &Manager, key: &Rotated) {
    let path = format!("{}/rotate", key.path);
    let taken = json!({"apiKey": {"key": manager.value}});
    let wrong = json!({"gracePeriodInSeconds": -1});
    for (by, body, status) in [
        (manager.value.as_str(), &taken, 400),
        (&manager.value, &wrong, 400),
        (key.values.last().unwrap(), &json!({}), 401),
        ("no key has this value", &json!({}), 401),
    ] {
        assert_eq!(manage(address, by, "POST", &path, Some(body)).status, status);
    }
}

/// Rotates, kills the server within the grace period and starts it again, and asks with both values until the one before has ended. Returns
/// the server, and how often that one was accepted after the kill.
fn over_a_kill<'a>(
    server: Server,
    installation: &Installation<'a>,
    managers: &[Manager; 2],
    key: &mut Rotated,
    grace: i64,
) -> (Server, u64) {
    let before = key.values.last().unwrap().clone();
    let value = rotate(server.address, &managers[1], key, grace);
    let entry = entries(&server, &managers[0], key).pop().unwrap();
    let end = entry["newValue"]["previousValueValidUntil"].as_i64().unwrap();
    assert_eq!(end, entry["insertInstant"].as_i64().unwrap() + grace * 1000);
    let mut connection = Connection::anonymous(server.address).unwrap();
    for value in [&before, &value] {
        key.uses += u64::from(decided(&mut connection, value) == 200);
    }
    // Uses of the last second are lost by a kill: all are written first.
    counted(&server, &managers[0], key);
    drop(server.kill());
    let server = Server::start_with(installation, &SETTINGS);
    let mut connection = Connection::anonymous(server.address).unwrap();
    let (mut accepted, mut rejected) = (0, 0);
    // Until half a second of refusals is seen, which nothing interrupts.
    while now() < end + 500 {
        let sent = now();
        let status = decided(&mut connection, &before);
        let received = now();
        match status {
            200 => accepted += 1,
            _ => rejected += 1,
        }
        assert!(received >= end || status == 200, "{status} before the end, at {received} of {end}");
        assert!(sent < end || status == 401, "{status} after the end, at {sent} of {end}");
        assert_eq!(decided(&mut connection, &value), 200);
        key.uses += 1 + u64::from(status == 200);
    }
    assert!(rejected > 0);
    println!(
        "  5. Rotated with {grace} seconds of grace, then kill -9: afterwards the value before was accepted {accepted} times, to the \
         millisecond until {end}, and refused {rejected} times since; the new one was always accepted."
    );
    (server, accepted)
}

/// Waits until usage says so many uses, and sees that it never says more.
#[track_caller]
fn counted(server: &Server, manager: &Manager, key: &Rotated) {
    let path = format!("{}/usage", key.path);
    poll("all uses", || {
        let usage = manage(server.address, &manager.value, "GET", &path, None).ok()["usage"].take();
        let count = usage["count"].as_u64().unwrap();
        assert!(count <= key.uses, "{count} uses of {}", key.uses);
        (count == key.uses).then_some(())
    });
}

/// What the audit log says about the key, the oldest first.
#[track_caller]
fn entries(server: &Server, manager: &Manager, key: &Rotated) -> Vec<Value> {
    let path = format!("/api/system/audit-log/search?orderBy=id&numberOfResults=1000&message=*{}", key.id);
    let found = manage(server.address, &manager.value, "GET", &path, None).ok();
    let entries = found["auditLogs"].as_array().unwrap();
    assert_eq!(found["total"], json!(entries.len()));
    entries.clone()
}

/// One entry for what was made and for each rotation, with who did it, and none for those that were refused.
fn audit_log(server: &Server, managers: &[Manager; 2], key: &Rotated) {
    let entries = entries(server, &managers[0], key);
    let made = ("Created", &managers[0].id);
    let expected: Vec<_> = [made].into_iter().chain(key.by.iter().map(|id| ("Rotated", id))).collect();
    assert_eq!(entries.len(), expected.len());
    println!("  7. The audit log:");
    for (entry, (verb, by)) in entries.iter().zip(expected) {
        assert_eq!(entry["message"], json!(format!("{verb} the API key {}", key.id)));
        assert_eq!(entry["data"]["actor"], json!({"id": by, "kind": "ApiKey"}));
        assert_eq!(entry["data"]["address"], json!("127.0.0.1"));
        let text = entry.to_string();
        let mut all = key.values.iter().chain(managers.iter().map(|manager| &manager.value));
        assert!(all.all(|value| !text.contains(value.as_str())), "a value is in {text}");
        let until = entry["newValue"]
            .get("previousValueValidUntil")
            .map_or_else(String::new, |until| format!(", the value before until {until}"));
        println!(
            "     {} {} by {} from {}: {}{until}",
            entry["id"],
            entry["insertInstant"],
            entry["insertUser"],
            entry["data"]["address"],
            entry["message"]
        );
    }
}

/// What a gateway is told about a request for orders.
#[track_caller]
fn ask(connection: &mut Connection, value: &str) -> u16 {
    let headers =
        format!("Authorization: {value}\r\nX-Original-Method: GET\r\nX-Original-URI: /v1/orders/7\r\n");
    connection.send_raw("GET", "/forward-auth", &headers, b"").unwrap();
    connection.receive().unwrap().status
}

/// The same, asked again while nothing is decided.
#[track_caller]
fn decided(connection: &mut Connection, value: &str) -> u16 {
    poll("a decision", || Some(ask(&mut *connection, value)).filter(|status| *status != 503))
}

/// A request to the API, asked again while nothing is decided.
#[track_caller]
fn manage(address: SocketAddr, value: &str, method: &str, path: &str, body: Option<&Value>) -> Reply {
    poll("an answer", || {
        let reply = Connection::open(address, value).unwrap().call(method, path, body);
        Some(reply).filter(|reply| reply.status != 503)
    })
}

/// Milliseconds since the epoch, by the clock that the server has too.
#[expect(clippy::disallowed_methods, reason = "the program that is tested has no other clock")]
fn now() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    i64::try_from(since.as_millis()).unwrap()
}
