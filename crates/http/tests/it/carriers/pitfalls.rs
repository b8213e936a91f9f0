//! Failures of other programs in reading credentials, each as a test that it cannot happen here.

use std::thread;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use claviger_http::{Dialect, Guard, ROUTES, Route};
use serde_json::json;

use super::{CARRIERS, in_query, with_query};
use crate::support::server::PREFIX;
use crate::support::{Server, Settings, uuid};

on_each_database! {
    shared: cve_2026_28699_basic_password_has_the_keys_scope, cve_2026_40344_no_unknown_scheme_passes;
    own: cve_2026_28744_every_carrier_meets_the_permissions, cve_2026_41145_credential_in_the_query,
        cve_2026_27840_truncated_value, cve_2020_13945_no_default_key, cve_2026_71326_concurrent_keys_keep_apart;
}

const METRICS: &str = "/api/prometheus/metrics";

/// CVE-2026-28699: a token sent as the password of Basic had no scope, and so all of it.
fn cve_2026_28699_basic_password_has_the_keys_scope(server: &Server) {
    let tenant = server.tenant();
    for (members, may) in [
        (json!({"permissions": {"endpoints": {METRICS: ["GET"]}}}), true),
        (json!({"permissions": {"endpoints": {METRICS: ["POST"]}}}), false),
        (json!({"permissions": {"endpoints": {"/api/key": ["GET"]}}}), false),
        (json!({"permissions": {"endpoints": {}}}), false),
        (json!({"tenantId": tenant}), false),
    ] {
        let key = server.api_key(members.clone()).value;
        let basic = server.with_key(&format!("Basic {}", STANDARD.encode(format!("apikey:{key}"))));
        let status = if may { 200 } else { 401 };
        assert_eq!(basic.get(METRICS).status, status, "{members}");
        assert_eq!(server.with_key(&key).get(METRICS).status, status, "{members}");
        for other in ["/api/key", "/api/tenant", "/api/system/version", "/api/api-key/x", "/api/status"] {
            basic.get(other).denied();
        }
    }
}

/// CVE-2026-28744: a second way to send a credential skipped the check of its scope.
fn cve_2026_28744_every_carrier_meets_the_permissions(server: &Server) {
    let server = with_query(server);
    let key = server.restricted(json!({"/api/key": ["GET"]})).value;
    for carrier in CARRIERS {
        let ask = |method: &str, path: &str| {
            let (client, path) = carrier.send(&server.anonymous(), &key, path);
            client.send(method, &path, None).status
        };
        assert_eq!(ask("GET", "/api/key"), 200, "{carrier:?}");
        assert_eq!(ask("DELETE", &format!("/api/key/{}", uuid())), 401, "{carrier:?}");
        for path in ["/api/key/search", "/api/tenant", "/api/system/version", METRICS, "/api/api-key/x"] {
            assert_eq!(ask("GET", path), 401, "{carrier:?} {path}");
        }
        // In a tenant the endpoint is out of reach.
        let (client, path) =
            carrier.send(&server.anonymous().in_tenant(&server.default_tenant()), &key, "/api/key");
        client.get(&path).denied();
    }
}

/// CVE-2026-40344: a kind of credential that a list of cases forgot was let through.
fn cve_2026_40344_no_unknown_scheme_passes(server: &Server) {
    let key = server.unrestricted().value;
    let encoded = STANDARD.encode(format!("apikey:{key}"));
    let guarded = |route: &&Route| {
        matches!(route.guard, Guard::Endpoint(_) | Guard::KeyManager | Guard::Roles)
            // Schemes are of FusionAuth's dialect; in the other one they are a part of the value.
            && route.dialect != Some(Dialect::Fusion)
    };
    for route in ROUTES.iter().filter(guarded) {
        let path = route.template.replace(['{', '}'], "");
        for scheme in [
            "Digest",
            "Negotiate",
            "NTLM",
            "AWS4-HMAC-SHA256",
            "Signature",
            "Token",
            "ApiKey",
            "Key",
            "HOBA",
            "Mutual",
            "SCRAM-SHA-256",
            "vapid",
            "PrivateToken",
            "GNAP",
            "Concealed",
            "Bearer",
            "Basic",
            "JWT",
            "DPoP",
        ] {
            for credentials in [key.as_str(), &encoded, ""] {
                let client = server.with_key(format!("{scheme} {credentials}").trim_end());
                client.send(route.method.as_str(), &path, None).denied();
            }
        }
    }
}

/// CVE-2026-41145: a credential in the query string skipped the check.
fn cve_2026_41145_credential_in_the_query(server: &Server) {
    let key = server.restricted(json!({"/api/tenant": ["GET"]})).value;
    let get = |server: &Server, path: &str, key: &str| server.anonymous().get(&in_query(path, key));
    get(server, "/api/tenant", &key).denied();
    let server = with_query(server);
    let key = server.restricted(json!({"/api/tenant": ["GET"]})).value;
    get(&server, "/api/tenant", &key).ok();
    get(&server, "/api/key", &key).denied();
    get(&server, "/api/tenant", "no such key").denied();
    // It rescues no other credential, nor does another one rescue it.
    server.with_key("no such key").get(&in_query("/api/tenant", &key)).refused(&["[ambiguousCredentials]"]);
    server.with_key(&key).get(&in_query("/api/tenant", "no such key")).refused(&["[ambiguousCredentials]"]);
    server.with_key("Bearer x").get(&in_query("/api/tenant", &key)).refused(&["[ambiguousCredentials]"]);
}

/// CVE-2026-27840: a token whose tail was cut off was still accepted.
fn cve_2026_27840_truncated_value(server: &Server) {
    let server = with_query(server);
    let generated = server.unrestricted().value;
    let chosen = server.api_key(json!({"key": "a value of my own that has no checksum"})).value;
    for value in [&generated, &chosen] {
        for carrier in CARRIERS {
            let status = |value: &str| {
                let (client, path) = carrier.send(&server.anonymous(), value, "/api/system/version");
                client.get(&path).status
            };
            assert_eq!(status(value), 200, "{carrier:?}");
            // Some carriers see all cuts, the others those at the ends.
            let every = matches!(carrier, super::Carrier::Header("x-api-key") | super::Carrier::Query);
            for cut in (1..value.len()).filter(|cut| every || *cut < 3 || *cut > value.len() - 3) {
                assert_eq!(status(&value[..cut]), 401, "{carrier:?}, {cut} of {}", value.len());
                assert_eq!(status(&value[cut..]), 401, "{carrier:?}, from {cut}");
            }
            assert_eq!(status(&format!("{value}{value}")), 401, "{carrier:?}");
        }
    }
}

/// CVE-2020-13945: a default token was shipped, and stayed in use.
fn cve_2020_13945_no_default_key(server: &Server) {
    let settings = Settings { bootstrap: false, api_key_in_query: true, ..Settings::default() };
    let servers = [server.sibling(settings), server.sibling(settings)];
    let [first, second] = [&servers[0], &servers[1]].map(|server| server.first_api_key().unwrap());
    assert_ne!(first, second);
    for (server, own, other) in [(&servers[0], &first, &second), (&servers[1], &second, &first)] {
        assert!(own.starts_with(PREFIX) && own.len() == PREFIX.len() + 49, "{}", own.len());
        server.with_key(own).get("/api/key").ok();
        for guess in [
            other,
            "edd1c9f034335f136f87ad84b625c8f1",
            "admin",
            "apikey",
            "changeme",
            "password",
            "default",
            "claviger",
            "this-really-should-be-secret",
            "00000000-0000-0000-0000-000000000000",
            PREFIX,
            "null",
            "undefined",
            "",
        ] {
            for carrier in CARRIERS {
                let (client, path) = carrier.send(&server.anonymous(), guess, "/api/key");
                client.get(&path).denied();
            }
        }
    }
}

/// CVE-2026-71326: checks that ran at the same time were merged under a key that two credentials could share.
fn cve_2026_71326_concurrent_keys_keep_apart(server: &Server) {
    let server = with_query(server);
    // The same name of the route, beginnings of values that are long and equal, and other rights each.
    let value = |end: &str| format!("{}{end}", "a value that begins alike ".repeat(8));
    let key = |end: &str, endpoint: &str| {
        server.api_key(json!({"key": value(end), "permissions": {"endpoints": {endpoint: ["GET"]}}}));
    };
    key("one", "/api/tenant");
    key("two", "/api/key");
    let callers = [("one", 200, 401), ("two", 401, 200), ("three", 401, 401)];
    thread::scope(|scope| {
        for (end, tenants, keys) in callers.into_iter().cycle().take(9) {
            let server = &server;
            scope.spawn(move || {
                for carrier in CARRIERS.into_iter().cycle().take(60) {
                    for (path, expected) in [("/api/tenant", tenants), ("/api/key", keys)] {
                        let (client, path) = carrier.send(&server.anonymous(), &value(end), path);
                        assert_eq!(client.get(&path).status, expected, "{end} {path} {carrier:?}");
                    }
                }
            });
        }
    });
}
