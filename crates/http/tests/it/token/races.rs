//! Keys that change while tokens are made and checked.

use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use claviger_domain::KeyAlgorithm;
use serde_json::{Value, json};

use super::{StopAtEnd, accepted, forge, part, patiently, text};
use crate::support::server::START;
use crate::support::{Reply, Server, unique, uuid};

on_each_database! {
    own: a_token_is_signed_by_the_key_that_it_names, what_was_answered_holds_while_others_ask;
}

/// How often a key is made and deleted.
const GENERATIONS: usize = 40;

fn secret(kid: &str) -> String {
    format!("the secret that belongs to {kid} and to no other")
}

/// Imports the secret that belongs to a text under an id, with this kid.
fn import(server: &Server, id: &str, kid: &str, of: &str) {
    let key = json!({"type": "HMAC", "algorithm": "HS256", "secret": secret(of), "kid": kid,
        "name": unique("race")});
    let body = json!({"key": key});
    patiently(|| server.as_key_manager().post(&format!("/api/key/import/{id}"), &body)).ok();
}

fn delete(server: &Server, id: &str) {
    patiently(|| server.as_key_manager().delete(&format!("/api/key/{id}"))).done();
}

fn validate(server: &Server, token: &str) -> Reply {
    patiently(|| super::validate(server, token))
}

fn vend(server: &Server, id: &str) -> Reply {
    patiently(|| server.as_key_manager().post("/api/jwt/vend", &json!({"keyId": id})))
}

fn token_of(kid: &str, of: &str) -> String {
    let header = format!(r#"{{"alg":"HS256","kid":"{kid}"}}"#);
    forge(KeyAlgorithm::Hs256, secret(of), &header, &format!(r#"{{"exp":{}}}"#, START / 1000 + 60))
}

fn a_token_is_signed_by_the_key_that_it_names(server: &Server) {
    let (id, done, start) = (uuid(), AtomicBool::new(false), Barrier::new(4));
    let kids = ["first", "second", "third"];
    let vended: usize = thread::scope(|scope| {
        let (id, done, start) = (&id, &done, &start);
        let vending: Vec<_> = (0..3)
            .map(|_| {
                scope.spawn(move || {
                    let mut vended = 0;
                    start.wait();
                    while !done.load(Ordering::SeqCst) {
                        let reply = vend(server, id);
                        if reply.status == 400 {
                            reply.refused(&["keyId [invalid]keyId"]);
                            continue;
                        }
                        let document = reply.ok();
                        let token = text(&document, "token");
                        let header: Value = serde_json::from_str(&part(token, 0)).unwrap();
                        let secret = secret(text(&header, "kid"));
                        let remade = forge(KeyAlgorithm::Hs256, secret, &part(token, 0), &part(token, 1));
                        assert_eq!(token, remade);
                        vended += 1;
                    }
                    vended
                })
            })
            .collect();
        let stop = StopAtEnd(done);
        start.wait();
        for generation in 0..GENERATIONS {
            let kid = kids[generation % kids.len()];
            import(server, id, kid, kid);
            for other in kids {
                let reply = validate(server, &token_of(other, other));
                assert_eq!(reply.status == 200, other == kid);
            }
            delete(server, id);
        }
        drop(stop);
        vending.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    assert!(vended > 0);
}

fn what_was_answered_holds_while_others_ask(server: &Server) {
    let (id, kid, done) = (uuid(), "one kid for all", AtomicBool::new(false));
    let tokens: Vec<_> =
        (0..GENERATIONS).map(|generation| token_of(kid, &format!("generation {generation}"))).collect();
    thread::scope(|scope| {
        // These keep parsing whatever key is there.
        for _ in 0..3 {
            scope.spawn(|| {
                while !done.load(Ordering::SeqCst) {
                    for token in tokens.iter().step_by(3) {
                        let status = validate(server, token).status;
                        assert!(matches!(status, 200 | 401), "{status}");
                    }
                    let status = vend(server, &id).status;
                    assert!(matches!(status, 200 | 400), "{status}");
                }
            });
        }
        let stop = StopAtEnd(&done);
        for generation in 0..GENERATIONS {
            import(server, &id, kid, &format!("generation {generation}"));
            accepted(&validate(server, &tokens[generation]));
            if generation > 0 {
                validate(server, &tokens[generation - 1]).denied();
            }
            delete(server, &id);
            validate(server, &tokens[generation]).denied();
        }
        drop(stop);
    });
}
