//! What a token may do: its permissions on the entity that stands for the API, in its tenant.

use claviger_domain::KeyAlgorithm;
use serde_json::json;

use super::super::{Told, nginx, traefik};
use super::{AUDIENCE, Known, World, audience, named};
use crate::support::{Server, uuid};
use crate::token::configure;

on_each_database! {
    own: permissions_decide_as_those_of_keys, only_those_on_the_audience_count, every_algorithm_is_taken,
        tokens_keep_to_their_tenant, no_token_for_the_upstream_is_made, decisions_are_counted_and_usage_is_not;
}

fn permissions_decide_as_those_of_keys(server: &Server) {
    let world = World::new(server);
    let token = world.token_for(&[
        "GET:/v1/orders",
        "POST:/v1/orders",
        "GET:/v1/orders/archive",
        "*:/v2",
        "GET:/api/user",
        "*:/api/api-key",
        "*:/oauth2/token",
        // These have no form that means anything.
        "read",
        "orders:read",
        "GET,PUT:/v3",
        "get:/v3",
        "HEAD:/v3",
        ":/v3",
        "PUT: /v1/orders",
    ]);
    let client = world.bearing(&token);
    for (method, uri, expected) in [
        ("GET", "/v1/orders", 200),
        ("GET", "/v1/orders/", 200),
        ("GET", "/v1/orders/17?a=b", 200),
        ("HEAD", "/v1/orders/17", 200),
        ("POST", "/v1/orders", 200),
        ("PUT", "/v1/orders", 403),
        ("GET", "/v1/orders/archive/1", 200),
        ("POST", "/v1/orders/archive/1", 403),
        ("GET", "/v1/orders-archive", 403),
        ("GET", "/v1/Orders", 403),
        ("GET", "/v1", 403),
        ("GET", "/", 403),
        ("DELETE", "/v2/a", 200),
        ("PATCH", "/v2", 200),
        ("OPTIONS", "/v2", 403),
        ("GET", "/v3", 403),
        ("GET", "/api/user/7", 200),
        ("GET", "/api/user/search", 403),
        ("GET", "/api/api-key", 403),
        ("POST", "/oauth2/token", 403),
        ("GET", "/v2//a", 403),
        ("GET", "/v2/%2e%2e", 403),
        ("BREW", "/v2", 403),
    ] {
        for convention in [nginx, traefik] {
            let reply = convention(&client, method, uri).get("/forward-auth");
            match expected {
                200 => named(&reply, &world.entity, &world.tenant),
                _ => drop(reply.forbidden()),
            }
        }
        let reply = client.send_bytes(method, &format!("/ext-authz{uri}"), None);
        assert_eq!(reply.status, expected, "{method} {uri}");
    }
    // However the scheme is spelled.
    for value in [format!("bearer {token}"), format!("BEARER   {token} ")] {
        named(&world.server.with_key(&value).get("/ext-authz/v2"), &world.entity, &world.tenant);
    }
}

fn only_those_on_the_audience_count(server: &Server) {
    let world = World::new(server);
    let other = world.make_entity(&world.tenant, &world.entity_type, None);
    let both = json!([other, audience()]);
    world.accepts(&world.token_with(json!({"aud": both})));
    world.accepts(&world.token_with(json!({"aud": [audience().to_uppercase()]})));
    for claims in [
        json!({"permissions": {}}),
        json!({"permissions": null}),
        json!({"permissions": {audience(): []}}),
        json!({"aud": both, "permissions": {other.clone(): ["GET:/v1"]}}),
        json!({"permissions": {other.clone(): ["*:/"], audience(): ["GET:/v2"]}}),
    ] {
        world.ask(&world.token_with(claims), "GET", "/v1/orders").forbidden();
    }
    for claims in [json!({"aud": null}), json!({"aud": []}), json!({"aud": other}), json!({"aud": [other]})] {
        world.ask(&world.token_with(claims), "GET", "/v1/orders").unknown();
    }
}

/// Those that are verified on the event loop first, and those that are not.
fn every_algorithm_is_taken(server: &Server) {
    const RSA: &str = include_str!("../../../../../crypto/tests/fixtures/rsa-2048.pkcs8.pem");
    const RSA_PUBLIC: &str = include_str!("../../../../../crypto/tests/fixtures/rsa-2048.spki.pem");
    const P256: &str = include_str!("../../../../../crypto/tests/fixtures/ec-p256.pkcs8.pem");
    const P256_PUBLIC: &str = include_str!("../../../../../crypto/tests/fixtures/ec-p256.spki.pem");
    const P384: &str = include_str!("../../../../../crypto/tests/fixtures/ec-p384.pkcs8.pem");
    const P384_PUBLIC: &str = include_str!("../../../../../crypto/tests/fixtures/ec-p384.spki.pem");
    let world = World::new(server);
    for (algorithm, private, public) in [
        (KeyAlgorithm::Rs256, RSA, RSA_PUBLIC),
        (KeyAlgorithm::Es256, P256, P256_PUBLIC),
        (KeyAlgorithm::Es384, P384, P384_PUBLIC),
    ] {
        let pair = Known::pair(&world.server, algorithm, private, public);
        let token = pair.sign(&pair.header(), &world.claims());
        // Before the key was read for the first time, and after.
        for _ in 0..2 {
            world.ask(&token, "GET", "/v1/orders").unknown();
        }
        let jwt = json!({"accessTokenKeyId": pair.id(), "timeToLiveInSeconds": 60});
        configure(&world.server, &world.tenant, jwt);
        for _ in 0..2 {
            world.accepts(&token);
        }
        // With the signature of other claims.
        let (head, _) = token.rsplit_once('.').unwrap();
        let other = pair.sign(&pair.header(), &world.claims());
        let (_, signature) = other.rsplit_once('.').unwrap();
        world.ask(&format!("{head}.{signature}"), "GET", "/v1/orders").unknown();
    }
}

fn tokens_keep_to_their_tenant(server: &Server) {
    let world = World::new(server);
    let other = world.server.tenant();
    let token = world.token();
    let client = world.bearing(&token);
    let ask = |client| super::ask(&client, "GET", "/v1/orders");
    named(&ask(client.in_tenant(&world.tenant)), &world.entity, &world.tenant);
    for client in [
        client.in_tenant(&other),
        client.in_tenant(&uuid()),
        client.in_tenant(&world.server.default_tenant()),
        client.in_tenant("nonsense"),
        client.in_tenant(&world.tenant).in_tenant(&world.tenant),
    ] {
        ask(client).forbidden();
    }
    // What a client says of itself is not repeated.
    let pretender =
        client.with_header("X-Claviger-Entity-Id", &uuid()).with_header("X-Claviger-Api-Key-Id", &uuid());
    named(&ask(pretender), &world.entity, &world.tenant);
    assert_eq!(u128::from_str_radix(&audience().replace('-', ""), 16), Ok(AUDIENCE));
}

fn no_token_for_the_upstream_is_made(server: &Server) {
    let world = World::new(server);
    let ask = |token: &str, path: &str| nginx(&world.bearing(token), "GET", "/v1/orders").get(path);
    ask(&world.token(), "/forward-auth?upstreamToken=true").forbidden();
    ask(&world.token_with(json!({"sub": uuid()})), "/forward-auth?upstreamToken=true").unknown();
    named(&ask(&world.token(), "/forward-auth?upstreamToken=false"), &world.entity, &world.tenant);
}

fn decisions_are_counted_and_usage_is_not(server: &Server) {
    let world = World::new(server);
    let metrics = || world.server.as_key_manager().get("/api/prometheus/metrics").text().to_owned();
    let count = |text: &str, reason: &str| -> u64 {
        let start = format!("claviger_decisions_total{{reason=\"{reason}\"}} ");
        text.lines().find_map(|line| line.strip_prefix(&start)).map_or(0, |count| count.parse().unwrap())
    };
    let before = metrics();
    let good = world.token();
    world.accepts(&good);
    world.accepts(&good);
    world.ask(&good, "DELETE", "/v1").forbidden();
    world.ask("a.b.c", "GET", "/v1").unknown();
    world.ask(&world.token_with(json!({"sub": uuid()})), "GET", "/v1").unknown();
    world.ask(&world.token_with(json!({"aud": world.entity})), "GET", "/v1").unknown();
    super::ask(&world.bearing(&good).in_tenant("x"), "GET", "/v1").forbidden();
    let after = metrics();
    for (reason, more) in [
        // One of them is the request for the metrics.
        ("allowed", 3),
        ("not_granted", 1),
        ("unknown_token", 2),
        ("other_audience", 1),
        ("malformed_tenant", 1),
        ("other_scheme", 0),
        ("unknown_key", 0),
    ] {
        assert_eq!(count(&after, reason) - count(&before, reason), more, "{reason}");
    }
}
