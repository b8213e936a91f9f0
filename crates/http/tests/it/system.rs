//! `/api/status`, `/api/health`, `/api/system/version`.

use serde_json::{Value, json};

use crate::support::fixture::names;
use crate::support::server::START;
use crate::support::{Reply, Server, Settings};

on_each_database! {
    shared: the_short_status_is_for_anybody, the_full_status_is_for_granted_global_keys,
        loopback_is_nobody_unless_told, health_is_for_anybody, the_version_is_for_granted_keys;
    own: the_status_counts, loopback_sees_the_status_when_told;
}

const FULL: [&str; 5] = ["claviger", "database", "keyring", "status", "version"];

#[track_caller]
fn is_full(reply: &Reply) -> Value {
    let status = reply.ok();
    // Of nodes only where there can be several.
    let mut expected = FULL.to_vec();
    expected.extend((status["database"]["engine"] == "PostgreSQL").then_some("feed"));
    assert_eq!(names(&status), expected);
    assert_eq!((&status["status"], &status["version"]), (&json!("Ok"), &json!("1.69.0")));
    status
}

#[track_caller]
fn is_short(reply: &Reply) {
    assert_eq!(reply.ok(), json!({"status": "Ok"}));
}

fn the_short_status_is_for_anybody(server: &Server) {
    is_short(&server.anonymous().get("/api/status"));
    is_short(&server.anonymous().get("/api/status/"));
    is_short(&server.anonymous().with_header("x-api-key", "").get("/api/status"));
}

fn the_full_status_is_for_granted_global_keys(server: &Server) {
    is_full(&server.with_key(&server.unrestricted().value).get("/api/status"));
    is_full(&server.with_key(&server.restricted(json!({"/api/status": ["GET"]})).value).get("/api/status"));
    // Who shows a key is judged by it, and does not fall back to the short form.
    server.with_key("no such key").get("/api/status").denied();
    server.anonymous().with_header("x-api-key", "no such key").get("/api/status").denied();
    server.with_key(&server.restricted(json!({"/api/status": ["POST"]})).value).get("/api/status").denied();
    server
        .with_key(&server.restricted(json!({"/api/system/version": ["GET"]})).value)
        .get("/api/status")
        .denied();
    server.with_key(&server.api_key(json!({"expirationInstant": START})).value).get("/api/status").denied();
    let tenant = server.tenant();
    server.with_key(&server.api_key(json!({"tenantId": tenant})).value).get("/api/status").denied();
    server.as_key_manager().in_tenant(&tenant).get("/api/status").denied();
}

fn loopback_is_nobody_unless_told(server: &Server) {
    is_short(&server.anonymous().get("/api/status"));
    for value in ["127.0.0.1", "::1", "10.0.0.1"] {
        is_short(&server.anonymous().with_header("X-Forwarded-For", value).get("/api/status"));
        is_short(&server.anonymous().with_header("X-Real-IP", value).get("/api/status"));
    }
}

fn health_is_for_anybody(server: &Server) {
    for client in [server.anonymous(), server.with_key("no such key"), server.as_key_manager().in_tenant("x")]
    {
        client.get("/api/health").done();
    }
}

fn the_version_is_for_granted_keys(server: &Server) {
    let version = json!({"version": "1.69.0"});
    let get = |value: &str| server.with_key(value).get("/api/system/version");
    assert_eq!(get(&server.restricted(json!({"/api/system/version": ["GET"]})).value).ok(), version);
    assert_eq!(get(&server.api_key(json!({"tenantId": server.tenant()})).value).ok(), version);
    get(&server.restricted(json!({"/api/status": ["GET"]})).value).denied();
    server.anonymous().get("/api/system/version").denied();
}

fn the_status_counts(server: &Server) {
    let status = is_full(&server.as_key_manager().get("/api/status"));
    assert_eq!(status["claviger"], json!({"startInstant": START, "version": env!("CARGO_PKG_VERSION")}));
    assert_eq!(status["database"]["connected"], json!(true));
    assert!(status["database"]["engine"].is_string());
    assert_eq!(status["keyring"]["apiKeys"], json!(1));
    let keys = [(); 3].map(|()| server.restricted(json!({"/api/user": ["GET"]})));
    let status = is_full(&server.as_key_manager().get("/api/status"));
    assert_eq!(status["keyring"], json!({"apiKeys": 4, "permissionSets": 2}));
    for key in &keys {
        server.as_key_manager().delete(&key.path()).done();
    }
    let status = is_full(&server.as_key_manager().get("/api/status"));
    assert_eq!(status["keyring"]["apiKeys"], json!(1));
}

fn loopback_sees_the_status_when_told(server: &Server) {
    let server = server.sibling(Settings { local_metrics: true, ..Settings::default() });
    let anonymous = server.anonymous();
    is_full(&anonymous.get("/api/status"));
    // With any sign of a proxy, loopback is not the caller.
    for header in [
        "X-Forwarded-For",
        "X-Forwarded-Host",
        "X-Forwarded-Proto",
        "X-Forwarded-Server",
        "X-Original-URI",
        "X-Client-IP",
        "X-Real-IP",
        "Forwarded",
        "Via",
    ] {
        for value in ["127.0.0.1", "", "for=127.0.0.1"] {
            is_short(&anonymous.with_header(header, value).get("/api/status"));
        }
    }
    is_short(&anonymous.with_header("x-forwarded-for", "127.0.0.1").get("/api/status"));
    // The bypass is for this path only, and a wrong key stays wrong.
    anonymous.get("/api/system/version").denied();
    anonymous.get("/api/key").denied();
    server.with_key("no such key").get("/api/status").denied();
}
