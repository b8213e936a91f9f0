//! Fusion's dialect on `/api/api-key`, roles, and one key seen from both dialects.

mod authority;
mod both_sides;
mod dialect;
mod example;
mod ids;
mod pitfalls;
mod role_rights;
mod sequences;

mod powerless;

mod roles;

use std::collections::BTreeSet;

use claviger_http::{Dialect, Guard, ROUTES};
use serde_json::Value;

use crate::support::fixture::names;
use crate::support::{Client, Reply, Server, uuid};

/// The path of API keys.
const API_KEYS: &str = "/api/api-key";

/// Asserts an error in the shape of Fusion's dialect, and returns its message.
#[track_caller]
fn refused(reply: &Reply, status: u16, code: &str) -> String {
    assert_eq!(reply.status, status, "{}", reply.text());
    let document = reply.json();
    assert_eq!(names(&document), ["code", "message"]);
    assert_eq!(document["code"], code, "{document}");
    let message = document["message"].as_str().unwrap();
    assert!(message.ends_with('.'), "{message}");
    message.to_owned()
}

/// A key as FusionAuth's dialect shows it to the unrestricted manager.
#[track_caller]
fn seen_in_a(server: &Server, id: &str) -> Value {
    server.as_key_manager().get(&path(id)).ok()["apiKey"].take()
}

/// A key as Fusion's dialect shows it to the unrestricted manager.
#[track_caller]
fn seen_in_f(server: &Server, id: &str) -> Value {
    server.as_fusion_admin().get(&path(id)).ok()
}

/// The path of the key with this id.
fn path(id: &str) -> String {
    let encoded: String = id
        .bytes()
        .map(|byte| match byte {
            b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' | b'-' | b'.' | b'_' | b'~' => {
                char::from(byte).to_string()
            }
            other => format!("%{other:02X}"),
        })
        .collect();
    format!("{API_KEYS}/{encoded}")
}

/// The ids in a list of keys, as they stand.
#[track_caller]
fn listed(client: &Client) -> Vec<String> {
    let keys = client.get(API_KEYS).ok();
    keys.as_array().unwrap().iter().map(|key| key["id"].as_str().unwrap().to_owned()).collect()
}

/// What a key may really do: every route that it gets past the gate of, asked with requests that change nothing. HEAD
/// stands there only without GET, since it tells less.
#[track_caller]
fn powers(server: &Server, value: &str) -> BTreeSet<String> {
    let by_dialect = |dialect| match dialect {
        Dialect::FusionAuth | Dialect::OAuth => server.with_key(value),
        Dialect::Fusion => server.with_fusion_key(value),
    };
    let may = |client: &Client, method: &str, path: &str| {
        // Nothing that reads a body comes to an object with this one.
        let broken = matches!(method, "POST" | "PUT" | "PATCH").then_some(b"{".as_slice());
        let reply = client.with_header("Content-Type", "application/json").send_bytes(method, path, broken);
        assert!(reply.status < 500, "{method} {path}: {}", reply.text());
        reply.status != 401
    };
    let mut powers = BTreeSet::new();
    for route in ROUTES {
        if matches!(route.guard, Guard::Public | Guard::Optional(_)) {
            continue;
        }
        let path = match route.template.split_once('{') {
            Some((front, _)) => format!("{front}{}", uuid()),
            None => route.template.to_owned(),
        };
        let method = route.method.as_str();
        let carriers = match route.dialect {
            Some(dialect) => vec![by_dialect(dialect)],
            None => vec![by_dialect(Dialect::FusionAuth), by_dialect(Dialect::Fusion)],
        };
        let answers: Vec<_> = carriers.iter().map(|client| may(client, method, &path)).collect();
        assert!(answers.iter().all(|answer| *answer == answers[0]), "{method} {path}: carriers differ");
        if answers[0] {
            powers.insert(format!("{method} {} {:?}", route.template, route.dialect));
        } else if method == "GET" && may(&carriers[0], "HEAD", &path) {
            powers.insert(format!("HEAD {} {:?}", route.template, route.dialect));
        }
    }
    let full = server.with_key(value).get("/api/status");
    if full.status == 200 {
        powers.insert("GET /api/status None".to_owned());
    }
    powers
}

/// Asserts that a key may do nothing at all.
#[track_caller]
fn powerless(server: &Server, value: &str) {
    assert_eq!(powers(server, value), BTreeSet::new());
}
