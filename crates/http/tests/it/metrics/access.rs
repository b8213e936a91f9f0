//! Who sees the metrics: API keys that are granted them, in two ways; loopback only when told, and without a proxy.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use serde_json::json;

use super::{PATH, read};
use crate::support::server::{PREFIX, START};
use crate::support::{Client, Server, Settings};

on_each_database! {
    shared: granted_global_keys_see_them, basic_has_one_user, tenants_do_not_reach_them, loopback_is_nobody_unless_told,
        only_get_and_head;
    own: loopback_sees_them_when_told, a_wrong_credential_stays_wrong_on_loopback;
}

/// A client that sends these credentials by Basic (RFC 7617).
fn basic(server: &Server, credentials: &str) -> Client {
    server.with_key(&format!("Basic {}", STANDARD.encode(credentials)))
}

fn granted_global_keys_see_them(server: &Server) {
    read(&server.as_key_manager().get(PATH));
    read(&server.with_key(&server.unrestricted().value).get(PATH));
    read(&server.with_key(&server.unrestricted().value).get("/api/prometheus/metrics/"));
    let granted = server.restricted(json!({PATH: ["GET"]}));
    read(&server.with_key(&granted.value).get(PATH));
    for other in [
        json!({PATH: ["POST", "PUT", "PATCH", "DELETE"]}),
        json!({"/api/status": ["GET"]}),
        json!({"/api/prometheus": ["GET"]}),
    ] {
        server.with_key(&server.restricted(other).value).get(PATH).denied();
    }
    server.with_key(&server.api_key(json!({"expirationInstant": START})).value).get(PATH).denied();
    server.anonymous().get(PATH).denied();
    server.with_key("no such key").get(PATH).denied();
    server.with_key(&format!("Bearer {}", granted.value)).get(PATH).denied();
    read(&server.anonymous().with_header("x-api-key", &granted.value).get(PATH));
    server
        .with_key(&granted.value)
        .with_header("Authorization", &granted.value)
        .get(PATH)
        .refused(&["[ambiguousCredentials]"]);
    // Deleted, it sees nothing more.
    server.as_key_manager().delete(&granted.path()).done();
    server.with_key(&granted.value).get(PATH).denied();
}

fn basic_has_one_user(server: &Server) {
    let granted = server.restricted(json!({PATH: ["GET"]}));
    let value = &granted.value;
    read(&basic(server, &format!("apikey:{value}")).get(PATH));
    let encoded = STANDARD.encode(format!("apikey:{value}"));
    for scheme in ["basic", "BASIC", "bAsIc "] {
        read(&server.with_key(&format!("{scheme} {encoded}")).get(PATH));
    }
    // A key may have colons in it: the first one ends the user's name.
    let colons =
        server.api_key(json!({"key": "a:key:with:colons", "permissions": {"endpoints": {PATH: ["GET"]}}}));
    read(&basic(server, &format!("apikey:{}", colons.value)).get(PATH));
    for wrong in [
        format!("APIKEY:{value}"),
        format!("Apikey:{value}"),
        format!("apikey :{value}"),
        format!("apikeys:{value}"),
        format!("user:{value}"),
        format!(":{value}"),
        format!("{value}:apikey"),
        format!("{value}:"),
        format!("apikey{value}"),
        format!("apikey:{value} "),
        format!("apikey: {value}"),
        format!("apikey:{value}\n"),
        format!("apikey:{}", &value[..value.len() - 1]),
        "apikey:".to_owned(),
        "apikey".to_owned(),
        "apikey:no such key".to_owned(),
        String::new(),
    ] {
        basic(server, &wrong).get(PATH).denied();
    }
    for wrong in [
        format!("Basic {}", encoded.trim_end_matches('=').repeat(2)),
        format!("Basic {}!", encoded),
        format!("Basic{encoded}"),
        format!("Basic apikey:{value}"),
        format!("Basic {}", URL_SAFE.encode([b"apikey:".as_slice(), &[0xff; 30]].concat())),
        "Basic".to_owned(),
    ] {
        server.with_key(&wrong).get(PATH).denied();
    }
    // Two of them are one too many, even if they say the same.
    let twice = format!("Basic {encoded}");
    server
        .with_key(&twice)
        .with_header("Authorization", &twice)
        .get(PATH)
        .refused(&["[ambiguousCredentials]"]);
    // The way is for this path alone.
    let all = server.unrestricted();
    for other in ["/api/status", "/api/key", "/api/system/version", "/api/tenant"] {
        basic(server, &format!("apikey:{}", all.value)).get(other).denied();
    }
    let ungranted = server.restricted(json!({"/api/key": ["GET"]}));
    basic(server, &format!("apikey:{}", ungranted.value)).get(PATH).denied();
}

fn tenants_do_not_reach_them(server: &Server) {
    let tenant = server.tenant();
    for members in [
        json!({"tenantId": tenant}),
        json!({"tenantId": tenant, "permissions": {"endpoints": {PATH: ["GET"]}}}),
    ] {
        let bound = server.api_key(members).value;
        server.with_key(&bound).get(PATH).denied();
        server.with_key(&bound).in_tenant(&tenant).get(PATH).denied();
        basic(server, &format!("apikey:{bound}")).get(PATH).denied();
    }
    let global = server.unrestricted().value;
    for client in
        [server.with_key(&global), basic(server, &format!("apikey:{global}")), server.as_key_manager()]
    {
        for header in [tenant.as_str(), "x", ""] {
            client.in_tenant(header).get(PATH).denied();
        }
        client.in_tenant(&tenant).in_tenant(&tenant).get(PATH).denied();
        read(&client.get(PATH));
    }
}

const FORWARDING: [&str; 18] = [
    "Forwarded",
    "Via",
    "CF-Connecting-IP",
    "Fastly-Client-IP",
    "True-Client-IP",
    "X-Cluster-Client-IP",
    "X-Envoy-External-Address",
    "X-Client-IP",
    "X-Forwarded",
    "X-Forwarded-By",
    "X-Forwarded-For",
    "X-Forwarded-Host",
    "X-Forwarded-Port",
    "X-Forwarded-Proto",
    "X-Forwarded-Server",
    "X-Original-Forwarded-For",
    "X-Original-URI",
    "X-Real-IP",
];

fn loopback_is_nobody_unless_told(server: &Server) {
    server.anonymous().get(PATH).denied();
    for header in FORWARDING {
        for value in ["127.0.0.1", "::1", ""] {
            server.anonymous().with_header(header, value).get(PATH).denied();
        }
    }
}

fn only_get_and_head(server: &Server) {
    let manager = server.as_key_manager();
    for method in ["POST", "PUT", "PATCH", "DELETE", "OPTIONS"] {
        let reply = manager.send_bytes(method, PATH, None);
        assert_eq!((reply.status, reply.header("allow")), (405, Some("GET, HEAD")), "{method}");
    }
    let reply = manager.send_bytes("HEAD", PATH, None);
    assert_eq!((reply.status, reply.text()), (200, ""));
    server.anonymous().send_bytes("HEAD", PATH, None).denied();
    manager.get("/api/prometheus").not_found();
    manager.get("/api/prometheus/metrics/x").not_found();
}

fn told(server: &Server) -> Server {
    server.sibling(Settings { local_metrics: true, ..Settings::default() })
}

fn loopback_sees_them_when_told(server: &Server) {
    let server = told(server);
    let anonymous = server.anonymous();
    read(&anonymous.get(PATH));
    for header in FORWARDING {
        for value in ["127.0.0.1", "", "for=127.0.0.1"] {
            anonymous.with_header(header, value).get(PATH).denied();
            anonymous.with_header(&header.to_ascii_lowercase(), value).get(PATH).denied();
        }
    }
    read(&anonymous.with_header("X-Request-Id", "x").with_header("User-Agent", "Prometheus").get(PATH));
    // Nothing else opens.
    for other in ["/api/key", "/api/tenant", "/api/system/version", "/api/key/search"] {
        anonymous.get(other).denied();
    }
    // With a key it is the key that counts, proxy or not.
    let granted = server.restricted(json!({PATH: ["GET"]})).value;
    read(&server.with_key(&granted).get(PATH));
    read(&server.with_key(&granted).with_header("X-Forwarded-For", "10.0.0.1").get(PATH));
    read(&basic(&server, &format!("apikey:{granted}")).with_header("Via", "proxy").get(PATH));
}

fn a_wrong_credential_stays_wrong_on_loopback(server: &Server) {
    let server = told(server);
    read(&server.anonymous().get(PATH));
    for wrong in ["no such key", "Bearer x", "Basic x", "Basic", &format!("{PREFIX}mistyped")] {
        server.with_key(wrong).get(PATH).denied();
    }
    for wrong in ["apikey:no such key", "user:password", "apikey:", ":"] {
        basic(&server, wrong).get(PATH).denied();
    }
    let ungranted = server.restricted(json!({"/api/key": ["GET"]})).value;
    server.with_key(&ungranted).get(PATH).denied();
    basic(&server, &format!("apikey:{ungranted}")).get(PATH).denied();
    let bound = server.api_key(json!({"tenantId": server.tenant()})).value;
    server.with_key(&bound).get(PATH).denied();
    server.anonymous().with_header("x-api-key", "no such key").get(PATH).denied();
    server
        .anonymous()
        .with_header("x-api-key", "x")
        .with_header("x-api-key", "y")
        .get(PATH)
        .refused(&["[ambiguousCredentials]"]);
    // An empty header is no credential.
    read(&server.with_key("").get(PATH));
    read(&server.anonymous().with_header("x-api-key", "").get(PATH));
}
