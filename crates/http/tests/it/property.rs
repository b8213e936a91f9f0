//! Generated JSON at every write endpoint: no internal error, and nothing is half done when a request is refused.

mod strategy;

use std::cell::Cell;

use proptest::test_runner::{Config, RngAlgorithm, TestError, TestRng, TestRunner};
use serde_json::{Value, json};

use crate::support::{Client, Server, unique, uuid};
use strategy::{Attempt, attempt};

on_each_database! {
    own: api_keys_withstand_any_json, keys_withstand_any_json, tenants_withstand_any_json;
}

/// Cases of each test and database: they are the same in every run.
const CASES: u32 = 120;

/// Stands for a name that is new in each case.
const NAME: &str = "a new name";

/// The state that refused requests must leave as it is: what lists show, and one object that is no list's.
fn snapshot(client: &Client, watched: &[String]) -> Vec<Value> {
    ["/api/key", "/api/tenant"]
        .into_iter()
        .chain(watched.iter().map(String::as_str))
        .map(|path| client.get(path).ok())
        .chain([client.get("/api/status").ok()["keyring"].take()])
        .collect()
}

fn run(
    server: &Server,
    valid: &[Value],
    targets: &dyn Fn() -> Vec<(&'static str, String)>,
    watched: &[String],
) {
    let manager = server.as_key_manager();
    let mut runner = TestRunner::new_with_rng(
        Config { cases: CASES, failure_persistence: None, max_shrink_iters: 200, ..Config::default() },
        TestRng::deterministic_rng(RngAlgorithm::ChaCha),
    );
    let (refused, accepted) = (Cell::new(0), Cell::new(0));
    let result = runner.run(&attempt(valid.to_vec()), |Attempt { target, body }| {
        let targets = targets();
        let (method, path) = &targets[target % targets.len()];
        let body = body.replace(NAME, &unique("generated"));
        let before = snapshot(&manager, watched);
        let reply = manager.with_header("Content-Type", "application/json").send_bytes(
            method,
            path,
            Some(body.as_bytes()),
        );
        match reply.status {
            200 => accepted.set(accepted.get() + 1),
            400 | 409 | 413 => {
                refused.set(refused.get() + 1);
                reply.errors();
                assert_eq!(snapshot(&manager, watched), before, "{method} {path} {body}");
                if *method == "POST" && path.matches('-').count() > 3 {
                    let read = path.replace("/generate", "");
                    assert_eq!(manager.get(&read).status, 404, "{method} {path} {body}");
                }
            }
            other => panic!("{method} {path} {body}: {other} {}", reply.text()),
        }
        // Every object can still be read.
        snapshot(&manager, watched);
        Ok(())
    });
    match result {
        Ok(()) => {
            let (refused, accepted) = (refused.get(), accepted.get());
            println!("{refused} refused, {accepted} accepted");
            assert!(refused > CASES / 10 && accepted > CASES / 10, "{refused} refused, {accepted} accepted");
        }
        Err(TestError::Fail(reason, input)) => panic!("{reason}\n{input:?}"),
        Err(TestError::Abort(reason)) => panic!("{reason}"),
    }
}

fn api_keys_withstand_any_json(server: &Server) {
    let tenant = server.tenant();
    let (changed, source) = (server.unrestricted(), server.unrestricted());
    let valid = [
        json!({"apiKey": {"name": NAME, "metaData": {"attributes": {"description": "d"}}, "retrievable": true,
            "permissions": {"endpoints": {"/api/user": ["GET", "POST"], "/api/tenant": []}}, "keyManager": false,
            "expirationInstant": 1_900_000_000_000_i64, "tenantId": tenant, "ipAccessControlListId": ""}}),
        json!({"apiKey": {"key": "a chosen value"}}),
        json!({"apiKey": {"name": NAME}}),
        json!({"sourceKeyId": source.id, "apiKey": {"name": NAME}}),
    ];
    let targets = || {
        vec![
            ("POST", "/api/api-key".to_owned()),
            ("POST", format!("/api/api-key/{}", uuid())),
            ("PUT", changed.path()),
            ("PATCH", changed.path()),
        ]
    };
    run(server, &valid, &targets, &[changed.path(), source.path()]);
}

fn keys_withstand_any_json(server: &Server) {
    let changed = format!("/api/key/{}", server.signing_key());
    let valid = [
        json!({"key": {"name": NAME, "algorithm": "ES256", "length": 256, "issuer": "i"}}),
        json!({"key": {"name": NAME, "algorithm": "HS256"}}),
        json!({"key": {"name": NAME, "algorithm": "Ed25519", "certificateInformation": {}, "hasPrivateKey": false}}),
    ];
    let targets = || {
        vec![
            ("POST", "/api/key/generate".to_owned()),
            ("POST", format!("/api/key/generate/{}", uuid())),
            ("PUT", changed.clone()),
        ]
    };
    run(server, &valid, &targets, &[]);
}

fn tenants_withstand_any_json(server: &Server) {
    let (changed, key) = (format!("/api/tenant/{}", server.tenant()), server.signing_key());
    let valid = [
        json!({"tenant": {"name": NAME, "issuer": "i", "data": {"x": [1, {"y": null}]}, "jwtConfiguration":
            {"accessTokenKeyId": key, "idTokenVerificationKeyIds": [key], "timeToLiveInSeconds": 60,
            "refreshTokenUsagePolicy": "Reusable"}}}),
        json!({"tenant": {"name": NAME, "emailConfiguration": {"host": "h", "port": 25}}, "webhookIds": [], "eventInfo": {}}),
        json!({"tenant": {"name": NAME, "jwtConfiguration": {"refreshTokenTimeToLiveInMinutes": 5, "enabled": true}}}),
    ];
    let targets = || {
        vec![
            ("POST", "/api/tenant".to_owned()),
            ("POST", format!("/api/tenant/{}", uuid())),
            ("PUT", changed.clone()),
        ]
    };
    run(server, &valid, &targets, &[]);
}
