//! Known failures of gateways and of what they ask (rules 5 and 6 of the field), each by its number.

use serde_json::json;

use super::{Told, ask, behind, nginx, traefik};
use crate::support::client::head;
use crate::support::{Connection, Server};

on_each_database! {
    own: cve_2021_43557_what_can_be_read_in_two_ways_is_forbidden, cve_2026_40575_a_clients_uri_is_not_believed,
        cve_2025_64484_underscores_are_no_second_chance, cve_2026_31838_a_header_twice_is_no_header,
        cve_2025_54576_the_query_is_no_part_of_the_path, cve_2023_47106_fragments_are_refused,
        cve_2020_13933_no_parameter_slips_past;
}

/// CVE-2021-43557, CVE-2026-33494, CVE-2021-31920, CVE-2020-1957: a rule used one reading of the path, the upstream another.
fn cve_2021_43557_what_can_be_read_in_two_ways_is_forbidden(server: &Server) {
    let server = &behind(server);
    let key = server.restricted(json!({"/public": ["GET"]}));
    for uri in [
        "//internal",
        "/public//x",
        "/public/..",
        "/public/../internal",
        "/public/./x",
        "/public/%2e%2e/internal",
        "/public/.%2e/internal",
        "/public%2f..%2finternal",
        "/public%2F",
        "/public%5c..%5cinternal",
        "/public\\..\\internal",
        "/public/%00",
        "/public%00.html",
        "/public/%252e%252e/internal",
        "/%70ublic",
        "/public/%c0%ae%c0%ae/internal",
        "/public/%c0%af",
        "/public/%ff",
        "/public/%",
        "/public/%zz",
        "/public/%u002e",
        "http://internal/public",
        "public",
        "*",
        "",
    ] {
        for client in [server.with_key(&key.value), server.as_key_manager(), server.anonymous()] {
            // Whoever asks learns nothing of keys.
            ask(&client, "GET", uri).forbidden();
            if uri.starts_with('/') && !uri.contains('\\') {
                client.get(&format!("/ext-authz{uri}")).forbidden();
            }
        }
    }
    ask(&server.with_key(&key.value), "GET", "/public/x").let_through();
}

/// CVE-2020-13933, CVE-2020-11989, CVE-2020-1957.
fn cve_2020_13933_no_parameter_slips_past(server: &Server) {
    let server = &behind(server);
    for uri in
        ["/public/..;/internal", "/public;/x", "/public/;x", "/public/%3b", "/public/%3Bx", "/public/.;/x"]
    {
        ask(&server.as_key_manager(), "GET", uri).forbidden();
        server.as_key_manager().get(&format!("/ext-authz{uri}")).forbidden();
    }
}

/// CVE-2026-40575, CVE-2026-33495: the client's own `X-Forwarded-Uri` chose the rule. It comes with the gateway's headers
/// here, as where a gateway forgets to delete it.
fn cve_2026_40575_a_clients_uri_is_not_believed(server: &Server) {
    let server = &behind(server);
    let client = server.with_key(&server.restricted(json!({"/public": ["GET"]})).value);
    let by_nginx = nginx(&client, "GET", "/internal");
    for (name, value) in [("X-Forwarded-Uri", "/public"), ("X-Forwarded-Method", "GET")] {
        by_nginx.with_header(name, value).get("/forward-auth").unknown();
    }
    traefik(&by_nginx, "GET", "/public").get("/forward-auth").unknown();
    let by_traefik = traefik(&client, "GET", "/internal");
    for (name, value) in [("X-Original-URI", "/public"), ("X-Original-Method", "GET")] {
        by_traefik.with_header(name, value).get("/forward-auth").unknown();
    }
    // Others are not read at all.
    for name in ["X-Original-URL", "X-Rewrite-URL", "X-Forwarded-Path", "Forwarded", "X-Forwarded-Prefix"] {
        by_nginx.with_header(name, "/public").get("/forward-auth").forbidden();
    }
}

/// CVE-2025-64484, CVE-2026-52845: an underscore becomes a hyphen on the way.
fn cve_2025_64484_underscores_are_no_second_chance(server: &Server) {
    let server = &behind(server);
    let client = server.with_key(&server.restricted(json!({"/public": ["GET"]})).value);
    for name in ["X_Original_URI", "X-Original_URI", "x_original-uri", "X_Original_Method", "X_Forwarded_Uri"]
    {
        nginx(&client, "GET", "/public").with_header(name, "/public").get("/forward-auth").unknown();
    }
    let alone = client.with_header("X_Original_Method", "GET").with_header("X_Original_URI", "/public");
    alone.get("/forward-auth").unknown();
    ask(&client, "GET", "/public").let_through();
}

/// CVE-2026-31838: a header was sent twice, and two programs saw different ones.
fn cve_2026_31838_a_header_twice_is_no_header(server: &Server) {
    let server = &behind(server);
    let client = server.with_key(&server.restricted(json!({"/public": ["GET"]})).value);
    for (name, value) in [
        ("X-Original-URI", "/public"),
        ("X-Original-URI", "/internal"),
        ("x-original-uri", ""),
        ("X-ORIGINAL-METHOD", "GET"),
    ] {
        nginx(&client, "GET", "/public").with_header(name, value).get("/forward-auth").unknown();
        nginx(&client.with_header(name, value), "GET", "/public").get("/forward-auth").unknown();
    }
    for missing in [
        client.with_header("X-Original-URI", "/public"),
        client.with_header("X-Original-Method", "GET"),
        client,
    ] {
        missing.get("/forward-auth").unknown();
    }
}

/// CVE-2025-54576: an allow-list ran over path and query.
fn cve_2025_54576_the_query_is_no_part_of_the_path(server: &Server) {
    let server = &behind(server);
    let client = server.with_key(&server.restricted(json!({"/public": ["GET"]})).value);
    for uri in ["/internal?/public", "/internal?x=/public", "/internal?x=/../public"] {
        ask(&client, "GET", uri).forbidden();
        client.get(&format!("/ext-authz{uri}")).forbidden();
    }
    for uri in ["/public?/internal", "/public?x=//../internal;%00", "/public?%2e%2e", "/public??"] {
        ask(&client, "GET", uri).let_through();
        client.get(&format!("/ext-authz{uri}")).let_through();
    }
}

/// CVE-2023-47106, CVE-2026-41059: a fragment in the request target.
fn cve_2023_47106_fragments_are_refused(server: &Server) {
    let server = &behind(server);
    for uri in ["/public#/internal", "/public?x#y", "/#", "#", "/public%23#"] {
        ask(&server.as_key_manager(), "GET", uri).forbidden();
    }
    ask(&server.as_key_manager(), "GET", "/public/%23").let_through();
    // The HTTP library cuts a fragment off before anybody sees it. So what is decided about ends there; the gateway's
    // refusal of such paths is a condition of `/ext-authz` that the documentation names.
    let key = server.restricted(json!({"/public": ["GET"]})).value;
    for (target, expected) in [("/public#/internal", 200), ("/internal#/public", 403), ("/#/public", 403)] {
        let headers = [("Authorization".to_owned(), key.clone())];
        let mut connection = Connection::open(server.address());
        connection.write(head("GET", &format!("/ext-authz{target}"), &headers).as_bytes()).unwrap();
        assert_eq!(connection.read("GET").unwrap().status, expected, "{target}");
    }
}
