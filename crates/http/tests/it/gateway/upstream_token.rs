//! Tokens for upstreams: who gets one, what it says, and how long it is given out.

mod permissions;
mod reuse;
mod signing;

use std::time::Duration;

use claviger_domain::KeyId;
use serde_json::{Value, json};

use super::{Anonymous, Told, nginx};
use crate::support::fixture::names;
use crate::support::server::START;
use crate::support::{Client, Reply, Server, Settings};
use crate::token::{claims, configure, part, text};

on_each_database! {
    own: the_key_and_its_tenant_are_named, whoever_does_not_ask_gets_none, whoever_is_refused_gets_none,
        a_token_ends_with_the_key, a_key_in_its_last_second_is_refused, without_an_audience_there_is_none;
}

const HEADER: &str = "x-claviger-upstream-token";
const ASKING: &str = "/forward-auth?upstreamToken=true";
/// In seconds since the epoch.
const NOW: i64 = START / 1000;

/// A server behind a trusted gateway, whose tokens are for `orders` and last so many seconds.
fn vending(server: &Server, lifetime: u64) -> Server {
    server.sibling(Settings {
        trusted_proxies: "127.0.0.1",
        upstream_token_audience: "orders",
        upstream_token_lifetime: Duration::from_secs(lifetime),
        ..Settings::default()
    })
}

/// What nginx is told about a request, with a token.
fn ask(client: &Client, method: &str, uri: &str) -> Reply {
    nginx(client, method, uri).get(ASKING)
}

/// The token in an answer that lets the request through.
#[track_caller]
fn token(reply: &Reply) -> String {
    reply.let_through();
    assert_eq!(reply.header("cache-control"), Some("no-store"));
    reply.header(HEADER).unwrap().to_owned()
}

/// The claims of the token for a request with GET.
#[track_caller]
fn told(client: &Client, uri: &str) -> Value {
    claims(&token(&ask(client, "GET", uri)))
}

#[track_caller]
fn unavailable(reply: &Reply) {
    assert_eq!((reply.status, reply.text()), (503, ""));
    reply.anonymous();
}

/// A quick key of its own for a tenant, which is returned.
#[track_caller]
fn give_key(server: &Server, tenant: &str, algorithm: &str) -> Value {
    let key = crate::token::generate(server, algorithm);
    configure(server, tenant, json!({"accessTokenKeyId": key["id"], "timeToLiveInSeconds": 3600}));
    key
}

fn the_key_and_its_tenant_are_named(server: &Server) {
    let server = &vending(server, 60);
    let (tenant, other) = (server.tenant(), server.tenant());
    let own = give_key(server, &tenant, "Ed25519");
    let manager = server.as_key_manager();
    let mut stored = manager.get(&format!("/api/tenant/{other}")).ok()["tenant"].take();
    stored["issuer"] = json!("other.example");
    manager.put(&format!("/api/tenant/{other}"), &json!({"tenant": stored})).ok();
    let default = manager.get(&format!("/api/tenant/{}", server.default_tenant())).ok()["tenant"].take();
    let by_default = &default["jwtConfiguration"]["accessTokenKeyId"];
    let kid =
        |id: &Value| manager.get(&format!("/api/key/{}", id.as_str().unwrap())).ok()["key"]["kid"].clone();

    let global = server.unrestricted();
    let bound = server.api_key(json!({"tenantId": tenant}));
    let client = |value: &str| server.with_key(value);
    for (client, key, tenant, issuer, kid, alg) in [
        (client(&bound.value), &bound, Some(&tenant), "acme.com", own["kid"].clone(), "Ed25519"),
        (
            client(&bound.value).in_tenant(&tenant),
            &bound,
            Some(&tenant),
            "acme.com",
            own["kid"].clone(),
            "Ed25519",
        ),
        (client(&global.value), &global, None, "acme.com", kid(by_default), "RS256"),
        (
            client(&global.value).in_tenant(&tenant),
            &global,
            Some(&tenant),
            "acme.com",
            own["kid"].clone(),
            "Ed25519",
        ),
        (
            client(&global.value).in_tenant(&other),
            &global,
            Some(&other),
            "other.example",
            kid(by_default),
            "RS256",
        ),
    ] {
        let token = token(&ask(&client, "GET", "/v1/orders?a=b"));
        assert_eq!(part(&token, 0), format!(r#"{{"alg":"{alg}","typ":"JWT","kid":{kid}}}"#));
        let claims = claims(&token);
        let mut expected = vec!["aud", "exp", "iat", "iss", "sub", "jti", "tid", "permissions"];
        expected.retain(|name| *name != "tid" || tenant.is_some());
        assert_eq!(names(&claims), expected);
        assert_eq!(claims["aud"], json!("orders"));
        assert_eq!((&claims["iat"], &claims["exp"]), (&json!(NOW), &json!(NOW + 60)));
        assert_eq!((&claims["iss"], &claims["sub"]), (&json!(issuer), &json!(key.id)));
        assert_eq!(claims.get("tid"), tenant.map(|id| json!(id)).as_ref());
        assert!(text(&claims, "jti").parse::<KeyId>().is_ok());
        assert_eq!(claims["permissions"], json!(["GET,POST,PUT,DELETE,PATCH,HEAD,OPTIONS:/**"]));
    }
    // What a client says of itself is not repeated.
    let pretender = server.with_key(&bound.value).with_header("X-Claviger-Upstream-Token", "a.b.c");
    assert_eq!(told(&pretender, "/v1")["sub"], json!(bound.id));
    nginx(&pretender, "GET", "/v1").get("/forward-auth").let_through();
}

fn whoever_does_not_ask_gets_none(server: &Server) {
    let server = &vending(server, 60);
    let client = nginx(&server.as_key_manager(), "GET", "/v1?upstreamToken=true");
    for query in [
        "",
        "?",
        "?upstreamToken",
        "?upstreamToken=false",
        "?upstreamToken=TRUE",
        "?upstreamtoken=true",
        "?upstreamToken=true&upstreamToken=true",
        "?upstreamToken=true&upstreamToken=false",
        "?token=true",
    ] {
        for path in ["/forward-auth", "/forward-auth/"] {
            let reply = client.get(&format!("{path}{query}"));
            assert_eq!(reply.let_through().header(HEADER), None, "{path}{query}");
        }
    }
    let header = client.with_header("X-Upstream-Token", "true").with_header("upstreamToken", "true");
    assert_eq!(header.get("/forward-auth").let_through().header(HEADER), None);
    // There the query is the original request's.
    for path in ["/ext-authz/v1?upstreamToken=true", "/ext-authz/forward-auth?upstreamToken=true"] {
        assert_eq!(server.as_key_manager().get(path).let_through().header(HEADER), None, "{path}");
    }
    for path in ["/forward-auth?upstreamToken=true", "/forward-auth/?a=b&upstreamToken=true&c"] {
        token(&client.get(path));
    }
}

fn whoever_is_refused_gets_none(server: &Server) {
    let server = &vending(server, 60);
    let key = server.restricted(json!({"/v1/orders": ["GET"]}));
    let client = server.with_key(&key.value);
    token(&ask(&client, "GET", "/v1/orders"));
    for (method, uri) in
        [("POST", "/v1/orders"), ("GET", "/v1"), ("GET", "/v1//orders"), ("TRACE", "/v1/orders")]
    {
        ask(&client, method, uri).forbidden();
    }
    ask(&client.in_tenant("nonsense"), "GET", "/v1/orders").forbidden();
    ask(&server.anonymous(), "GET", "/v1/orders").unknown();
    ask(&server.with_key("no key has this value"), "GET", "/v1/orders").unknown();
    client.get(ASKING).unknown();
    for members in [json!({"disabled": true}), json!({"expirationInstant": START})] {
        let key = server.api_key(members);
        ask(&server.with_key(&key.value), "GET", "/v1/orders").unknown();
    }
    let untrusted = server.sibling(Settings { upstream_token_audience: "orders", ..Settings::default() });
    ask(&untrusted.as_key_manager(), "GET", "/v1/orders").unknown();
}

fn a_token_ends_with_the_key(server: &Server) {
    let server = &vending(server, 60);
    give_key(server, &server.default_tenant(), "Ed25519");
    for (end, expected) in [(60_001, 60), (60_000, 60), (59_999, 59), (30_500, 30), (2_000, 2), (1_000, 1)] {
        server.set_now(START);
        let key = server.api_key(json!({"expirationInstant": START + end}));
        let client = server.with_key(&key.value);
        let first = token(&ask(&client, "GET", "/v1"));
        assert_eq!(claims(&first)["exp"], json!(NOW + expected), "{end}");
        if end < 60_000 {
            // There is no longer one: it is given out until it ends, and nothing after that.
            server.set_now(START + expected * 1000 - 1);
            assert_eq!(token(&ask(&client, "GET", "/v1")), first, "{end}");
            server.set_now(START + expected * 1000);
            ask(&client, "GET", "/v1").unknown();
        }
    }
}

fn a_key_in_its_last_second_is_refused(server: &Server) {
    let server = &vending(server, 60);
    for algorithm in ["RS256", "HS256"] {
        server.set_now(START);
        give_key(server, &server.default_tenant(), algorithm);
        let key = server.api_key(json!({"expirationInstant": START + 1_500}));
        let client = server.with_key(&key.value);
        server.set_now(START + 1_000);
        // A token would end as soon as it begins; without one the key works still.
        ask(&client, "GET", "/v1").unknown();
        nginx(&client, "GET", "/v1").get("/forward-auth").let_through();
        server.set_now(START + 1_499);
        ask(&client, "GET", "/v1").unknown();
        server.set_now(START + 999);
        assert_eq!(told(&client, "/v1")["exp"], json!(NOW + 1));
    }
}

fn without_an_audience_there_is_none(server: &Server) {
    let server = server.sibling(Settings { trusted_proxies: "127.0.0.1", ..Settings::default() });
    let client = server.as_key_manager();
    unavailable(&ask(&client, "GET", "/v1"));
    nginx(&client, "GET", "/v1").get("/forward-auth").let_through();
    // Who would be refused anyway learns nothing of it.
    ask(&server.anonymous(), "GET", "/v1").unknown();
    let key = server.restricted(json!({"/v1/orders": ["GET"]}));
    ask(&server.with_key(&key.value), "GET", "/v2").forbidden();
    unavailable(&ask(&server.with_key(&key.value), "GET", "/v1/orders"));
}
