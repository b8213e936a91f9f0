//! Many clients at once: nothing is lost, nothing happens twice, nothing comes back.

use std::sync::Barrier;
use std::thread;

use serde_json::{Value, json};

use crate::support::fixture::TestKey;
use crate::support::{Reply, Server, unique, uuid};

on_each_database! {
    own: patches_are_not_lost, one_name_has_one_winner, one_id_has_one_winner, one_value_has_one_winner,
        a_patch_does_not_revive_a_deleted_key, one_deletion_wins, a_key_and_its_reference_do_not_part;
}

/// Repeats a request while the answer asks for it, as the official clients do.
pub(crate) fn insist(request: impl Fn() -> Reply) -> Reply {
    loop {
        let reply = request();
        if reply.status != 409 {
            return reply;
        }
        assert_eq!(reply.errors(), ["[retryableConflict]"]);
    }
}

/// Runs the same work on eight threads that start together.
pub(crate) fn together<T: Send>(work: impl Fn(usize) -> T + Sync) -> Vec<T> {
    let barrier = Barrier::new(8);
    thread::scope(|scope| {
        let (work, barrier) = (&work, &barrier);
        let threads: Vec<_> = (0..8)
            .map(|number| {
                scope.spawn(move || {
                    barrier.wait();
                    work(number)
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    })
}

fn patches_are_not_lost(server: &Server) {
    let key = server.api_key(json!({"name": "patched by many"}));
    // Attributes are limited to 64, endpoints to 1024.
    together(|client| {
        for number in 0..20 {
            let endpoint = format!("/{client}/{number}");
            let patch = json!({"apiKey": {"permissions": {"endpoints": {endpoint: ["GET"]}},
                "metaData": {"attributes": {format!("client {client}"): number.to_string()}}}});
            insist(|| server.as_key_manager().patch(&key.path(), &patch)).ok();
        }
    });
    let stored = server.as_key_manager().get(&key.path()).ok();
    let endpoints = stored["apiKey"]["permissions"]["endpoints"].as_object().unwrap();
    assert_eq!(endpoints.len(), 160);
    let attributes = stored["apiKey"]["metaData"]["attributes"].as_object().unwrap();
    assert!(attributes.len() == 8 && attributes.values().all(|value| value == "19"), "{attributes:?}");
    // Memory saw the same last state as the database.
    server.with_key(&key.value).get("/api/system/version").denied();
    server.while_stopped(|_| ());
    server.with_key(&key.value).get("/api/system/version").denied();
}

/// Asserts that one of the answers is 200, and all others are refused with this code.
#[track_caller]
pub(crate) fn one_winner(replies: &[Reply], code: &str) -> Value {
    let winners: Vec<_> = replies.iter().filter(|reply| reply.status == 200).collect();
    assert_eq!(winners.len(), 1);
    for reply in replies.iter().filter(|reply| reply.status != 200) {
        reply.refused(&[code]);
    }
    winners[0].ok()
}

fn one_name_has_one_winner(server: &Server) {
    let manager = server.as_key_manager();
    for _ in 0..10 {
        let name = unique("wanted");
        let replies =
            together(|_| insist(|| manager.post("/api/api-key", &json!({"apiKey": {"name": name}}))));
        one_winner(&replies, "apiKey.name [duplicate]apiKey.name");
        let replies =
            together(|_| insist(|| manager.post("/api/tenant", &json!({"tenant": {"name": name}}))));
        one_winner(&replies, "tenant.name [duplicate]tenant.name");
        let body = json!({"key": {"name": name, "algorithm": "HS256"}});
        let replies = together(|_| insist(|| manager.post("/api/key/generate", &body)));
        one_winner(&replies, "key.name [duplicate]key.name");
    }
}

fn one_id_has_one_winner(server: &Server) {
    let manager = server.as_key_manager();
    for _ in 0..10 {
        let path = format!("/api/api-key/{}", uuid());
        let values: Vec<_> = (0..8).map(|_| unique("value")).collect();
        let replies =
            together(|client| insist(|| manager.post(&path, &json!({"apiKey": {"key": values[client]}}))));
        let winner = TestKey::of(&one_winner(&replies, "apiKeyId [duplicate]apiKeyId"));
        // The values of the losers open nothing.
        for value in &values {
            let status = server.with_key(value).get("/api/system/version").status;
            assert_eq!(status, if *value == winner.value { 200 } else { 401 });
        }
    }
}

fn one_value_has_one_winner(server: &Server) {
    let manager = server.as_key_manager();
    for _ in 0..10 {
        let value = unique("wanted value");
        let replies =
            together(|_| insist(|| manager.post("/api/api-key", &json!({"apiKey": {"key": value}}))));
        let winner = TestKey::of(&one_winner(&replies, "apiKey.key [duplicate]apiKey.key"));
        manager.delete(&winner.path()).done();
        server.with_key(&value).get("/api/system/version").denied();
    }
}

fn a_patch_does_not_revive_a_deleted_key(server: &Server) {
    let manager = server.as_key_manager();
    for _ in 0..20 {
        let key = server.unrestricted();
        let replies = together(|client| {
            if client == 3 {
                return insist(|| manager.delete(&key.path()));
            }
            let patch = json!({"apiKey": {"metaData": {"attributes": {format!("client {client}"): "x"}}}});
            insist(|| manager.patch(&key.path(), &patch))
        });
        for (client, reply) in replies.iter().enumerate() {
            match reply.status {
                200 => {}
                404 => assert_ne!(client, 3, "the deletion finds its key"),
                other => panic!("unexpected {other}: {}", reply.text()),
            }
        }
        server.with_key(&key.value).get("/api/system/version").denied();
        manager.get(&key.path()).not_found();
    }
}

fn one_deletion_wins(server: &Server) {
    let manager = server.as_key_manager();
    for _ in 0..10 {
        let key = server.unrestricted();
        let paths = [key.path(), format!("/api/key/{}", server.signing_key())];
        for path in &paths {
            let statuses = together(|_| insist(|| manager.delete(path)).status);
            let done = statuses.iter().filter(|status| **status == 200).count();
            assert!(done == 1 && statuses.iter().all(|status| matches!(status, 200 | 404)), "{statuses:?}");
        }
    }
    // Whoever finds a tenant that is being deleted is told so.
    for _ in 0..10 {
        let path = format!("/api/tenant/{}", server.tenant());
        let replies = together(|_| insist(|| manager.delete(&path)));
        let statuses: Vec<_> = replies.iter().map(|reply| reply.status).collect();
        assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 1, "{statuses:?}");
        for reply in replies.iter().filter(|reply| !matches!(reply.status, 200 | 404)) {
            reply.refused(&["tenantId [pendingDelete]tenantId"]);
        }
        manager.get(&path).not_found();
    }
}

fn a_key_and_its_reference_do_not_part(server: &Server) {
    let manager = server.as_key_manager();
    let tenants: Vec<_> = (0..4).map(|_| server.tenant()).collect();
    for _ in 0..10 {
        let id = server.signing_key();
        let replies = together(|client| {
            if client % 2 == 0 {
                return insist(|| manager.delete(&format!("/api/key/{id}")));
            }
            let tenant = &tenants[client / 2];
            let body = json!({"tenant": {"name": format!("tenant {client}"), "jwtConfiguration": {"accessTokenKeyId": id}}});
            insist(|| manager.put(&format!("/api/tenant/{tenant}"), &body))
        });
        // Either the key is gone, and no tenant names it; or it is there, and every tenant that was told so names it.
        let gone = manager.get(&format!("/api/key/{id}")).status == 404;
        let list = manager.get("/api/tenant").ok().to_string();
        let told = replies.iter().enumerate().any(|(client, reply)| client % 2 == 1 && reply.status == 200);
        assert_eq!(list.contains(&id), !gone && told);
        assert!(gone || told, "neither deleted nor in use");
        for reply in &replies {
            assert!(matches!(reply.status, 200 | 400 | 404), "{}", reply.text());
        }
        for (client, tenant) in tenants.iter().enumerate() {
            let body = json!({"tenant": {"name": format!("idle {client}")}});
            insist(|| manager.put(&format!("/api/tenant/{tenant}"), &body)).ok();
        }
    }
}
