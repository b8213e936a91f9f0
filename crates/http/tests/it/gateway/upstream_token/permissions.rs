//! The claim `permissions`: by what the request was allowed.

use serde_json::{Value, json};

use super::super::Told;
use super::{ask, give_key, told, unavailable, vending};
use crate::support::{Client, Server};

on_each_database! {
    own: lists_are_named_by_their_entry, roles_by_each_pattern, what_is_not_restricted_by_everything,
        changes_show_at_once, too_many_permissions_are_not_signed;
}

const EVERY: &str = "GET,POST,PUT,DELETE,PATCH,HEAD,OPTIONS";

#[track_caller]
fn check(client: &Client, method: &str, uri: &str, expected: &[&str]) {
    let token = super::token(&ask(client, method, uri));
    assert_eq!(crate::token::claims(&token)["permissions"], json!(expected), "{method} {uri}");
}

fn lists_are_named_by_their_entry(server: &Server) {
    let server = &vending(server, 60);
    give_key(server, &server.default_tenant(), "ES256");
    let key = server.restricted(json!({"/v1/orders": ["POST", "GET"], "/v1/orders/archive": ["GET"],
        "/v1/*": ["GET"], "/api/user": ["GET", "PUT"], "/api/user/search": ["GET"]}));
    let client = server.with_key(&key.value);
    // Requests of one key, one after the other: no token is taken for another.
    for _ in 0..2 {
        check(&client, "GET", "/v1/orders/17", &["GET,POST:/v1/orders"]);
        check(&client, "HEAD", "/v1/orders?x=y", &["GET,POST:/v1/orders"]);
        check(&client, "GET", "/v1/orders/archive/1", &["GET:/v1/orders/archive"]);
        check(&client, "PUT", "/api/user/17", &["GET,PUT:/api/user"]);
        check(&client, "GET", "/api/user/search", &["GET:/api/user/search"]);
        // A star in a list stands for itself, and must not look like more.
        check(&client, "GET", "/v1/*/x", &["GET:/v1/%2A"]);
        ask(&client, "POST", "/v1/orders/archive/1").forbidden();
    }
}

fn roles_by_each_pattern(server: &Server) {
    let server = &vending(server, 60);
    give_key(server, &server.default_tenant(), "Ed25519");
    let roles = [
        server.role(&["GET:/collections/{id}/**:id=C1,C2", "POST:/collections/C1"]),
        server.role(&["GET,HEAD:/collections/*/status"]),
    ];
    let key = server.fusion_key(&[&roles[0].name, &roles[1].name], None);
    let client = server.with_fusion_key(&key.value);
    check(&client, "GET", "/api/collections/C2", &["GET:/collections/C2/**"]);
    check(
        &client,
        "GET",
        "/collections/C1/status",
        &["GET:/collections/C1/**", "GET,HEAD:/collections/*/status"],
    );
    check(&client, "HEAD", "/collections/C3/status", &["GET,HEAD:/collections/*/status"]);
    check(&client, "POST", "/api/apollo/collections/C1", &["POST:/collections/C1"]);
    ask(&client, "GET", "/collections/C3").forbidden();
}

fn what_is_not_restricted_by_everything(server: &Server) {
    let server = &vending(server, 60);
    give_key(server, &server.default_tenant(), "HS256");
    let everything = format!("{EVERY}:/**");
    let unrestricted = server.with_key(&server.unrestricted().value);
    for uri in ["/", "/v1/orders", "/api/user", "/oauth2/token"] {
        check(&unrestricted, "OPTIONS", uri, &[&everything]);
    }
    ask(&unrestricted, "GET", "/api/api-key").forbidden();
    let manager = server.as_key_manager();
    check(&manager, "GET", "/v1", &[&everything]);
    check(&manager, "POST", "/api/api-key/7/rotate", &[&format!("{EVERY}:/api-key/**")]);
    check(&manager, "GET", "/api/roles", &[&format!("{EVERY}:/roles/**")]);
}

fn changes_show_at_once(server: &Server) {
    let server = &vending(server, 3600);
    give_key(server, &server.default_tenant(), "Ed25519");
    let key = server.restricted(json!({"/v1/orders": ["GET", "POST"]}));
    let client = server.with_key(&key.value);
    let patch = |members: Value| server.as_key_manager().patch(&key.path(), &json!({"apiKey": members})).ok();
    let grant = |endpoints| {
        let body = json!({"apiKey": {"permissions": {"endpoints": endpoints}}});
        server.as_key_manager().put(&key.path(), &body).ok();
    };
    check(&client, "GET", "/v1/orders", &["GET,POST:/v1/orders"]);
    grant(json!({"/v1/orders": ["GET"]}));
    check(&client, "GET", "/v1/orders", &["GET:/v1/orders"]);
    ask(&client, "POST", "/v1/orders").forbidden();
    grant(json!({"/v1": ["GET"]}));
    check(&client, "GET", "/v1/orders", &["GET:/v1"]);
    grant(json!({"/v2": ["GET"]}));
    ask(&client, "GET", "/v1/orders").forbidden();
    grant(json!({"/v1/orders": ["GET"]}));
    patch(json!({"disabled": true}));
    ask(&client, "GET", "/v1/orders").unknown();
    patch(json!({"disabled": false}));
    check(&client, "GET", "/v1/orders", &["GET:/v1/orders"]);
    server.as_key_manager().delete(&key.path()).done();
    ask(&client, "GET", "/v1/orders").unknown();
    // A role that changes changes what its keys are told.
    let role = server.role(&["GET:/apps/*"]);
    let client = server.with_fusion_key(&server.fusion_key(&[&role.name], None).value);
    check(&client, "GET", "/apps/a", &["GET:/apps/*"]);
    let body = json!({"name": role.name, "permissions": ["GET,PUT:/apps/**"]});
    assert_eq!(server.as_fusion_admin().put(&role.path(), &body).status, 200);
    check(&client, "GET", "/apps/a", &["GET,PUT:/apps/**"]);
}

/// A header has no room for them: nothing is left out, and nobody is let through without a token.
fn too_many_permissions_are_not_signed(server: &Server) {
    let server = &vending(server, 60);
    give_key(server, &server.default_tenant(), "Ed25519");
    let long = "x".repeat(400);
    let patterns: Vec<String> =
        (0..15).map(|stars| format!("GET:/**{}/{long}", "/*".repeat(stars))).collect();
    let patterns: Vec<&str> = patterns.iter().map(String::as_str).collect();
    let with_role = |permissions: &[&str]| {
        server.with_fusion_key(&server.fusion_key(&[&server.role(permissions).name], None).value)
    };
    let uri = format!("/{}{long}", "a/".repeat(15));
    let client = with_role(&patterns);
    unavailable(&ask(&client, "GET", &uri));
    super::super::ask(&client, "GET", &uri).let_through();
    // No signature is wasted on what is known to be too long.
    let metrics = server.as_key_manager().get("/api/prometheus/metrics").text().to_owned();
    assert!(!metrics.contains("claviger_signatures_total{algorithm=\"Ed25519\"} 1"), "{metrics}");
    let claims = told(&with_role(&patterns[..3]), &uri);
    assert_eq!(claims["permissions"].as_array().unwrap().len(), 3);
    // However long the lists of values are, a token has the one that matched, and alike ones once.
    let lists: Vec<String> = (1..=100)
        .map(|count| format!("GET:/{{a}}/**/{{b}}:a=apps,{};b={},last", "x".repeat(count), "y".repeat(count)))
        .collect();
    let lists: Vec<&str> = lists.iter().map(String::as_str).collect();
    check(&with_role(&lists), "GET", "/apps/last", &["GET:/apps/**/last"]);
}
