//! `/forward-auth`: who is let through, and what the others are told.

use serde_json::json;

use super::{Told, ask, behind, nginx, traefik};
use crate::support::fixture::TestKey;
use crate::support::server::{BOOTSTRAP, START};
use crate::support::{Reply, Server, Settings};

on_each_database! {
    own: permissions_decide_in_both_conventions, bad_keys_look_alike, whoever_is_no_proxy_is_not_believed,
        every_carrier_but_one_at_a_time, addresses_count, changes_count_at_once, any_method_may_carry_the_question,
        decisions_are_counted, a_gateway_on_the_unix_socket;
}

fn orders(server: &Server) -> TestKey {
    server.restricted(
        json!({"/v1/orders": ["GET", "POST"], "/v1/orders/archive": ["GET"], "/api/user": ["GET"]}),
    )
}

fn permissions_decide_in_both_conventions(server: &Server) {
    let server = &behind(server);
    let client = server.with_key(&orders(server).value);
    for (method, uri, expected) in [
        ("GET", "/v1/orders", 200),
        ("GET", "/v1/orders/", 200),
        ("GET", "/v1/orders/17?a=b&c=/../d", 200),
        ("HEAD", "/v1/orders/17", 200),
        ("POST", "/v1/orders", 200),
        ("GET", "/v1/orders/archive/1", 200),
        ("POST", "/v1/orders/archive/1", 403),
        ("DELETE", "/v1/orders/17", 403),
        ("OPTIONS", "/v1/orders/17", 403),
        ("GET", "/v1/orders-archive", 403),
        ("GET", "/v1/Orders", 403),
        ("GET", "/v1", 403),
        ("GET", "/", 403),
        // Paths of FusionAuth's go by its rules.
        ("GET", "/api/user/17", 200),
        ("GET", "/api/user/search", 403),
        ("GET", "/api/api-key", 403),
        ("POST", "/api/authorize", 403),
        // Our own path means nothing special to somebody else's API.
        ("GET", "/forward-auth", 403),
    ] {
        for convention in [nginx, traefik] {
            let reply = convention(&client, method, uri).get("/forward-auth");
            assert_eq!(reply.status, expected, "{method} {uri}");
            match expected {
                200 => reply.let_through(),
                _ => reply.forbidden(),
            };
            let reply = convention(&server.anonymous(), method, uri).get("/forward-auth");
            reply.unknown();
        }
    }
    ask(&server.with_key(BOOTSTRAP), "DELETE", "/anything/at/all").let_through();
}

fn bad_keys_look_alike(server: &Server) {
    let server = &behind(server);
    let blocked = server.ip_access_control_list(json!([{"action": "Block", "startIPAddress": "*"}]));
    let tenant = server.tenant();
    let gone = server.api_key(json!({"tenantId": tenant}));
    server.as_key_manager().delete(&format!("/api/tenant/{tenant}")).done();
    let good = server.unrestricted();
    let mut mistyped = good.value.clone();
    mistyped.truncate(mistyped.len() - 1);
    let bad = [
        None,
        Some("no key has this value".to_owned()),
        Some(mistyped),
        Some(server.api_key(json!({"expirationInstant": START})).value),
        Some(server.api_key(json!({"disabled": true})).value),
        Some(server.api_key(json!({"ipAccessControlListId": blocked})).value),
        Some(gone.value),
        Some(format!("Bearer {}", good.value)),
        Some("Basic YXBpa2V5Omtl".to_owned()),
    ];
    // Their order is that of a hash map, whatever the answer.
    let comparable = |reply: &Reply| {
        let mut headers = reply.headers.clone();
        headers.retain(|(name, _)| !matches!(name.as_str(), "x-request-id" | "date"));
        headers.sort();
        headers
    };
    let mut first = None;
    for key in bad {
        let client = key.map_or_else(|| server.anonymous(), |key| server.with_key(&key));
        for client in [client.clone(), client.in_tenant("nonsense")] {
            let reply = ask(&client, "GET", "/v1/orders");
            let headers = comparable(reply.unknown());
            assert_eq!(headers, *first.get_or_insert(headers.clone()));
        }
    }
    ask(&server.with_key(&good.value), "GET", "/v1/orders").let_through();
}

fn whoever_is_no_proxy_is_not_believed(server: &Server) {
    for trusted_proxies in ["", "10.0.0.0/8,unix,::1"] {
        let server = server.sibling(Settings { trusted_proxies, ..Settings::default() });
        for convention in [nginx, traefik] {
            convention(&server.as_key_manager(), "GET", "/v1").get("/forward-auth").unknown();
        }
    }
}

fn every_carrier_but_one_at_a_time(server: &Server) {
    let server = server.sibling(Settings {
        trusted_proxies: "127.0.0.1",
        api_key_in_query: true,
        ..Settings::default()
    });
    let key = server.unrestricted().value;
    let other = server.unrestricted().value;
    let asked = |headers: &[(&str, &str)], uri: &str| {
        let client =
            headers.iter().fold(server.anonymous(), |client, (name, value)| client.with_header(name, value));
        ask(&client, "GET", uri)
    };
    for name in ["Authorization", "x-api-key", "apiKey"] {
        asked(&[(name, &key)], "/v1").let_through();
    }
    asked(&[("x-api-key", &key), ("apiKey", &key)], "/v1").let_through();
    // Two credentials are none. Gateways know no 400.
    for two in [
        [("Authorization", key.as_str()), ("x-api-key", key.as_str())],
        [("Authorization", &key), ("Authorization", &key)],
        [("x-api-key", &key), ("apikey", &other)],
        [("x-api-key", &key), ("x-api-key", &key)],
    ] {
        asked(&two, "/v1").unknown();
    }
    // What is in the query string is the upstream's.
    asked(&[], &format!("/v1?apiKey={key}")).unknown();
    asked(&[("Authorization", &key)], "/v1?apiKey=x").let_through();
}

fn addresses_count(server: &Server) {
    let server = &behind(server);
    let list = server.ip_access_control_list(json!([
        {"action": "Allow", "startIPAddress": "192.0.2.1", "endIPAddress": "192.0.2.9"},
        {"action": "Block", "startIPAddress": "*"},
    ]));
    let client = server.with_key(&server.api_key(json!({"ipAccessControlListId": list})).value);
    ask(&client.with_header("X-Forwarded-For", "192.0.2.7"), "GET", "/v1").let_through();
    ask(&client.with_header("X-Forwarded-For", "192.0.2.7, 198.51.100.1"), "GET", "/v1").unknown();
    ask(&client.with_header("X-Real-IP", "192.0.2.7"), "GET", "/v1").unknown();
    ask(&client, "GET", "/v1").unknown();
}

fn changes_count_at_once(server: &Server) {
    let server = &behind(server);
    let key = orders(server);
    let client = server.with_key(&key.value);
    let patch = |members| server.as_key_manager().patch(&key.path(), &json!({"apiKey": members})).ok();
    ask(&client, "POST", "/v1/orders").let_through();
    patch(json!({"permissions": {"endpoints": {"/v1/orders": ["GET"]}}}));
    patch(json!({"disabled": true}));
    ask(&client, "GET", "/v1/orders").unknown();
    patch(json!({"disabled": false, "expirationInstant": START + 1000}));
    ask(&client, "GET", "/v1/orders").let_through();
    server.set_now(START + 1000);
    ask(&client, "GET", "/v1/orders").unknown();
    server.set_now(START);
    server.as_key_manager().delete(&key.path()).done();
    ask(&client, "GET", "/v1/orders").unknown();
}

/// Caddy and nginx ask with GET; what counts is what they say, whatever they ask with.
fn any_method_may_carry_the_question(server: &Server) {
    let server = &behind(server);
    let client = server.with_key(&orders(server).value);
    for carrier in ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "BREW"] {
        for (name, value) in [("X-HTTP-Method-Override", "PATCH"), ("X-Method-Override", "GET")] {
            let client = client.with_header(name, value);
            let told = |method| {
                nginx(&client, method, "/v1/orders").send_bytes(carrier, "/forward-auth", None).status
            };
            assert_eq!(
                [told("GET"), told("POST"), told("PATCH"), told("DELETE")],
                [200, 200, 403, 403],
                "{carrier}"
            );
        }
    }
    nginx(&client, "GET", "/v1/orders").get("/forward-auth/?x=y").let_through();
    nginx(&client, "GET", "/v1/orders").get("/forward-auth/x").not_found();
    for method in ["get", "Get", "GET ,POST", "TRACE", "CONNECT", "BREW", "", "*"] {
        ask(&server.as_key_manager(), method, "/v1/orders").forbidden();
    }
}

fn decisions_are_counted(server: &Server) {
    let server = &behind(server);
    let client = server.with_key(&orders(server).value);
    ask(&client, "GET", "/v1/orders").let_through();
    ask(&client, "PUT", "/v1/orders").forbidden();
    ask(&client, "PUT", "/v1//orders").forbidden();
    client.get("/forward-auth").unknown();
    traefik(&nginx(&client, "GET", "/v1"), "GET", "/v1").get("/forward-auth").unknown();
    nginx(&nginx(&client, "GET", "/v1"), "GET", "/v1").get("/forward-auth").unknown();
    client.with_header("x-api-key", "k").with_header("X-Original-Uri", "/v1").get("/ext-authz/v1").unknown();
    ask(&client.in_tenant("nonsense"), "GET", "/v1/orders").forbidden();
    let text = server.as_key_manager().get("/api/prometheus/metrics").text().to_owned();
    for line in [
        r#"claviger_http_requests_total{method="GET",route="/forward-auth",status="200"} 1"#,
        r#"claviger_http_requests_total{method="GET",route="/forward-auth",status="401"} 3"#,
        r#"claviger_http_requests_total{method="GET",route="/forward-auth",status="403"} 3"#,
        r#"claviger_http_requests_total{method="GET",route="/ext-authz/{path}",status="401"} 1"#,
        r#"claviger_decisions_total{reason="not_granted"} 1"#,
        r#"claviger_decisions_total{reason="original_path"} 1"#,
        r#"claviger_decisions_total{reason="original_missing"} 1"#,
        r#"claviger_decisions_total{reason="original_contradictory"} 1"#,
        r#"claviger_decisions_total{reason="original_repeated"} 1"#,
        r#"claviger_decisions_total{reason="two_credentials"} 1"#,
        r#"claviger_decisions_total{reason="malformed_tenant"} 1"#,
    ] {
        assert!(text.lines().any(|one| one == line), "{line}\n{text}");
    }
}

fn a_gateway_on_the_unix_socket(server: &Server) {
    use crate::support::Connection;
    for (trusted_proxies, status) in [("unix", 200), ("127.0.0.1", 401)] {
        let server = server.sibling(Settings { trusted_proxies, unix_socket: true, ..Settings::default() });
        let mut connection = Connection::open_unix(&server.socket());
        let head = format!(
            "GET /forward-auth HTTP/1.1\r\nHost: localhost\r\nAuthorization: {BOOTSTRAP}\r\n\
             X-Original-Method: GET\r\nX-Original-URI: /v1\r\n\r\n"
        );
        connection.write(head.as_bytes()).unwrap();
        assert_eq!(connection.read("GET").unwrap().status, status);
    }
}
