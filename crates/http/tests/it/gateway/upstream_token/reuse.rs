//! How long a token is given out again, and what is never mistaken for it.

use std::collections::HashSet;
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use serde_json::json;

use super::super::Told;
use super::super::nginx;
use super::{ASKING, NOW, ask, give_key, token, told, vending};
use crate::support::fixture::TestKey;
use crate::support::server::START;
use crate::support::{Server, Settings, uuid};
use crate::token::{claims, configure, generate, part, text};

on_each_database! {
    own: a_token_is_given_out_until_shortly_before_it_ends, each_value_of_a_key_has_its_own_end,
        a_value_that_ends_sooner_has_a_shorter_token, tenants_do_not_share_tokens, the_signing_key_follows_the_tenant,
        requests_at_once_are_told_the_truth, tokens_are_counted, whoever_gets_none_is_not_counted_as_allowed;
}

fn a_token_is_given_out_until_shortly_before_it_ends(server: &Server) {
    // Seconds, and milliseconds until a new one is made: ten seconds before the end, or a quarter of the whole.
    for (lifetime, until) in [(60, 50_000), (3_600, 3_590_000), (20, 15_000), (5, 3_750)] {
        let server = &vending(server, lifetime);
        for algorithm in ["Ed25519", "RS256"] {
            server.set_now(START);
            give_key(server, &server.default_tenant(), algorithm);
            let client = server.with_key(&server.unrestricted().value);
            let first = token(&ask(&client, "GET", "/v1"));
            for millis in [1, until - 1] {
                server.set_now(START + millis);
                assert_eq!(token(&ask(&client, "GET", "/v2?x=y")), first, "{lifetime} {millis}");
            }
            server.set_now(START + until);
            let next = token(&ask(&client, "GET", "/v1"));
            let (first, claims) = (claims(&first), claims(&next));
            assert_ne!(claims["jti"], first["jti"]);
            assert_eq!(claims["iat"], json!((START + until) / 1000));
            assert_eq!(claims["exp"], json!((START + until) / 1000 + i64::try_from(lifetime).unwrap()));
            // A clock that was set back gets a token of its time.
            server.set_now(START - 1_000);
            assert_eq!(told(&client, "/v1")["iat"], json!(NOW - 1));
        }
    }
}

fn each_value_of_a_key_has_its_own_end(server: &Server) {
    let server = &vending(server, 60);
    give_key(server, &server.default_tenant(), "Ed25519");
    let key = server.unrestricted();
    let first = told(&server.with_key(&key.value), "/v1");
    let rotate = |seconds: i64| {
        let body = json!({"gracePeriodInSeconds": seconds});
        TestKey::of(&server.as_key_manager().post(&format!("{}/rotate", key.path()), &body).ok()).value
    };
    let new = rotate(20);
    let (old, own) = (told(&server.with_key(&key.value), "/v1"), told(&server.with_key(&new), "/v1"));
    assert_eq!((&old["exp"], &own["exp"]), (&json!(NOW + 20), &json!(NOW + 60)));
    assert_eq!((&old["sub"], &own["sub"]), (&json!(key.id), &json!(key.id)));
    // The token from before says what the new value's says: the key is the same.
    assert_eq!(own["jti"], first["jti"]);
    server.set_now(START + 19_999);
    assert_eq!(told(&server.with_key(&key.value), "/v1")["jti"], old["jti"]);
    assert_eq!(told(&server.with_key(&new), "/v1")["jti"], own["jti"]);
    server.set_now(START + 20_000);
    ask(&server.with_key(&key.value), "GET", "/v1").unknown();
    assert_eq!(told(&server.with_key(&new), "/v1")["jti"], own["jti"]);
    // Without grace the value is dead at once, whatever was made for it.
    let newest = rotate(0);
    ask(&server.with_key(&new), "GET", "/v1").unknown();
    told(&server.with_key(&newest), "/v1");
}

fn a_value_that_ends_sooner_has_a_shorter_token(server: &Server) {
    let server = &vending(server, 60);
    give_key(server, &server.default_tenant(), "ES256");
    let key = server.unrestricted();
    let client = server.with_key(&key.value);
    assert_eq!(told(&client, "/v1")["exp"], json!(NOW + 60));
    let patch = |end| {
        let members = json!({"apiKey": {"expirationInstant": end}});
        server.as_key_manager().patch(&key.path(), &members).ok();
    };
    patch(json!(START + 10_000));
    assert_eq!(told(&client, "/v1")["exp"], json!(NOW + 10));
    patch(json!(START + 30_000));
    assert_eq!(told(&client, "/v1")["exp"], json!(NOW + 30));
    server.set_now(START + 29_999);
    assert_eq!(told(&client, "/v1")["exp"], json!(NOW + 30));
    server.set_now(START + 30_000);
    ask(&client, "GET", "/v1").unknown();
}

fn tenants_do_not_share_tokens(server: &Server) {
    let server = &vending(server, 60);
    let (one, other) = (server.tenant(), server.tenant());
    // They share the key that signs, and the issuer.
    let key = give_key(server, &one, "Ed25519");
    for tenant in [&other, &server.default_tenant()] {
        configure(server, tenant, json!({"accessTokenKeyId": key["id"], "timeToLiveInSeconds": 60}));
    }
    let client = server.with_key(&server.unrestricted().value);
    let mut seen = HashSet::new();
    for (client, tenant) in [
        (client.clone(), None),
        (client.in_tenant(&one), Some(&one)),
        (client.in_tenant(&other), Some(&other)),
        (client.in_tenant(&server.default_tenant()), Some(&server.default_tenant())),
    ] {
        let claims = told(&client, "/v1");
        assert_eq!(claims.get("tid"), tenant.map(|id| json!(id)).as_ref());
        assert!(seen.insert(text(&claims, "jti").to_owned()));
        assert_eq!(told(&client, "/v1"), claims);
    }
    // Nor do keys of one tenant that may do the same.
    for _ in 0..2 {
        let own = server.api_key(json!({"tenantId": one}));
        let claims = told(&server.with_key(&own.value), "/v1");
        assert_eq!(claims["sub"], json!(own.id));
        assert!(seen.insert(text(&claims, "jti").to_owned()));
    }
    ask(&client.in_tenant(&uuid()), "GET", "/v1").forbidden();
    server.as_key_manager().delete(&format!("/api/tenant/{other}")).done();
    ask(&client.in_tenant(&other), "GET", "/v1").forbidden();
}

fn the_signing_key_follows_the_tenant(server: &Server) {
    let server = &vending(server, 3600);
    let tenant = server.tenant();
    let client = server.with_key(&server.api_key(json!({"tenantId": tenant})).value);
    let kid_of = |token: &str| {
        let header: serde_json::Value = serde_json::from_str(&part(token, 0)).unwrap();
        header["kid"].clone()
    };
    let old = give_key(server, &tenant, "RS256");
    let first = token(&ask(&client, "GET", "/v1"));
    assert_eq!(kid_of(&first), old["kid"]);
    assert_eq!(token(&ask(&client, "GET", "/v1")), first);
    // A new name of the key changes nothing of what it signs.
    let path = format!("/api/key/{}", text(&old, "id"));
    server.as_key_manager().put(&path, &json!({"key": {"name": "renamed"}})).ok();
    assert_eq!(token(&ask(&client, "GET", "/v1")), first);
    let new = give_key(server, &tenant, "ES256");
    let second = token(&ask(&client, "GET", "/v1"));
    assert_eq!(kid_of(&second), new["kid"]);
    // The one before may go now. Under its id and kid comes another, and signs with its own material.
    server.as_key_manager().delete(&path).done();
    assert_eq!(token(&ask(&client, "GET", "/v1")), second);
    let again = generate(server, "HS256");
    configure(server, &tenant, json!({"accessTokenKeyId": again["id"], "timeToLiveInSeconds": 60}));
    assert_eq!(kid_of(&token(&ask(&client, "GET", "/v1"))), again["kid"]);
    // What was signed before is given out again when its key is back: it lasts, and says the same.
    configure(server, &tenant, json!({"accessTokenKeyId": new["id"], "timeToLiveInSeconds": 60}));
    assert_eq!(token(&ask(&client, "GET", "/v1")), second);
    let manager = server.as_key_manager();
    let mut stored = manager.get(&format!("/api/tenant/{tenant}")).ok()["tenant"].take();
    stored["issuer"] = json!("another.example");
    manager.put(&format!("/api/tenant/{tenant}"), &json!({"tenant": stored})).ok();
    let claims = told(&client, "/v1");
    assert_eq!(claims["iss"], json!("another.example"));
    // A restart forgets the tokens, and nothing else.
    server.while_stopped(|_| ());
    let client = server.with_key(&server.api_key(json!({"tenantId": tenant})).value);
    assert_eq!(told(&client, "/v1")["iss"], json!("another.example"));
}

/// Tokens are made on other threads here. Whoever was told that a key is disabled, or may do less, sees no token that says
/// otherwise afterwards.
fn requests_at_once_are_told_the_truth(server: &Server) {
    const ROUNDS: usize = 12;
    let server = &vending(server, 60);
    give_key(server, &server.default_tenant(), "RS256");
    for round in 0..ROUNDS {
        let key = server.restricted(json!({"/v1": ["GET"]}));
        let client = server.with_key(&key.value);
        let (changed, start) = (AtomicBool::new(false), Barrier::new(5));
        let change = match round % 3 {
            0 => json!({"disabled": true}),
            1 => json!({"permissions": {"endpoints": {"/v1": ["GET", "PUT"]}}}),
            _ => json!({"permissions": {"endpoints": {"/v2": ["GET"]}}}),
        };
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    start.wait();
                    loop {
                        let known = changed.load(Ordering::SeqCst);
                        let reply = ask(&client, "GET", "/v1/x");
                        match (known, round % 3, reply.status) {
                            (true, 1, 200) => {
                                assert_eq!(claims(&token(&reply))["permissions"], json!(["GET,PUT:/v1"]));
                            }
                            (false, _, 200) => drop(token(&reply)),
                            (_, 0, 401) => drop(reply.unknown()),
                            (_, 2, 403) => drop(reply.forbidden()),
                            // On a machine that is kept busy the server may lose hold of PostgreSQL for a while.
                            (_, _, 503) => continue,
                            other => panic!("{other:?}"),
                        }
                        if known {
                            break;
                        }
                    }
                });
            }
            start.wait();
            let body = json!({"apiKey": change});
            let mut reply = server.as_key_manager().put(&key.path(), &body);
            while reply.status == 503 {
                reply = server.as_key_manager().put(&key.path(), &body);
            }
            changed.store(true, Ordering::SeqCst);
            reply.ok();
        });
    }
}

fn tokens_are_counted(server: &Server) {
    let server = &vending(server, 60);
    for algorithm in ["ES256", "RS256"] {
        give_key(server, &server.default_tenant(), algorithm);
        let client = server.with_key(&server.unrestricted().value);
        for _ in 0..3 {
            told(&client, "/v1");
        }
    }
    let text = server.as_key_manager().get("/api/prometheus/metrics").text().to_owned();
    for line in [
        r#"claviger_upstream_tokens_total{source="made"} 2"#,
        r#"claviger_upstream_tokens_total{source="kept"} 4"#,
        r#"claviger_signatures_total{algorithm="ES256"} 1"#,
        r#"claviger_signatures_total{algorithm="RS256"} 1"#,
    ] {
        assert!(text.lines().any(|one| one == line), "{line}\n{text}");
    }
}

fn whoever_gets_none_is_not_counted_as_allowed(server: &Server) {
    let unable = &server.sibling(Settings { trusted_proxies: "127.0.0.1", ..Settings::default() });
    let able = &vending(server, 60);
    give_key(able, &able.default_tenant(), "Ed25519");
    for (server, asked, allowed) in [(unable, ASKING, 0), (unable, "/forward-auth", 3), (able, ASKING, 3)] {
        let client = server.with_key(&server.unrestricted().value);
        let before = counter(server, ALLOWED);
        for _ in 0..3 {
            let expected = if allowed == 0 { 503 } else { 200 };
            assert_eq!(nginx(&client, "GET", "/v1").get(asked).status, expected);
        }
        // The look before was allowed as well.
        assert_eq!(counter(server, ALLOWED), before + 1 + allowed, "{asked}");
    }
}

const ALLOWED: &str = r#"claviger_decisions_total{reason="allowed"}"#;

/// The number behind this name among the metrics; 0 where it is not there yet.
#[track_caller]
fn counter(server: &Server, name: &str) -> u64 {
    let text = server.as_key_manager().get("/api/prometheus/metrics").text().to_owned();
    let found = text.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok());
    found.unwrap_or(0)
}
