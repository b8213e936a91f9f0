//! `/ext-authz/…`: the method as it is, and the path behind the prefix.

use serde_json::json;

use super::{Told, behind};
use crate::support::Server;
use crate::support::server::BOOTSTRAP;

on_each_database! { shared: method_and_path_are_the_requests_own, a_body_is_the_upstreams; own: headers_change_nothing; }

fn method_and_path_are_the_requests_own(server: &Server) {
    let key = server.restricted(json!({"/v1/orders": ["GET", "POST"], "/v1/orders/archive": ["GET"]}));
    let client = server.with_key(&key.value);
    for (method, path, expected) in [
        ("GET", "/v1/orders/17", 200),
        ("GET", "/v1/orders/17?a=/../b", 200),
        ("HEAD", "/v1/orders/17", 200),
        ("POST", "/v1/orders/", 200),
        ("PUT", "/v1/orders", 403),
        ("DELETE", "/v1/orders/17", 403),
        ("OPTIONS", "/v1/orders/17", 403),
        ("BREW", "/v1/orders/17", 403),
        ("get", "/v1/orders/17", 403),
        ("POST", "/v1/orders/archive/1", 403),
        ("GET", "/ext-authz/v1/orders/17", 403),
        ("GET", "/", 403),
        ("GET", "", 403),
    ] {
        let send =
            |client: &crate::support::Client| client.send_bytes(method, &format!("/ext-authz{path}"), None);
        let reply = send(&client);
        assert_eq!(reply.status, expected, "{method} {path}");
        match expected {
            200 => reply.let_through(),
            _ => reply.forbidden(),
        };
        if expected == 200 {
            send(&server.anonymous()).unknown();
            send(&server.with_key("no key has this value")).unknown();
        }
    }
    server.with_key(BOOTSTRAP).get("/ext-authz/").let_through();
    server.with_key(BOOTSTRAP).get("/ext-authz").forbidden();
    server.with_key(BOOTSTRAP).get("/ext-authzz").not_found();
    server.with_key(BOOTSTRAP).get("/Ext-authz/v1").not_found();
}

/// Nothing but the request line says what is decided about, and nobody has to be trusted for that.
fn headers_change_nothing(server: &Server) {
    let trusting = behind(server);
    for server in [server, &trusting] {
        let key = server.restricted(json!({"/v1/orders": ["POST"]}));
        for (name, value) in [
            ("X-HTTP-Method-Override", "PATCH"),
            ("X-HTTP-Method", "GET"),
            ("X-Original-Method", "GET"),
            ("X-Original-URI", "/v1/other"),
            ("X-Original-URL", "/v1/other"),
            ("X-Rewrite-URL", "/v1/other"),
            ("X-Forwarded-Uri", "/v1/other"),
            ("X-Forwarded-Prefix", "/v1"),
            ("X-Envoy-Original-Path", "/v1/other"),
        ] {
            let client = server.with_key(&key.value).with_header(name, value);
            client.send_bytes("POST", "/ext-authz/v1/orders", None).let_through();
            client.send_bytes("GET", "/ext-authz/v1/orders", None).forbidden();
            client.send_bytes("POST", "/ext-authz/v1/other", None).forbidden();
        }
    }
}

fn a_body_is_the_upstreams(server: &Server) {
    let client = server.with_key(BOOTSTRAP).with_header("Content-Type", "application/json");
    client.send_bytes("POST", "/ext-authz/v1", Some(b"")).let_through();
}
