//! `/.well-known/openid-configuration`: what is served, for which tenant, and under which address.

use serde_json::{Value, json};

use super::World;
use crate::support::client::{Connection, head};
use crate::support::fixture::names;
use crate::support::server::Settings;
use crate::support::{Reply, Server, uuid};

const PATH: &str = "/.well-known/openid-configuration";

on_each_database! {
    shared: only_what_is_served_is_listed, tenants_have_their_own, the_host_is_that_of_the_request;
    own: the_setting_comes_first, only_trusted_proxies_are_believed, deleted_tenants_are_gone;
}

/// Asks with exactly these headers.
fn asked(server: &Server, headers: &[(&str, &str)]) -> Reply {
    let mut connection = Connection::open(server.address());
    let mut request = format!("GET {PATH} HTTP/1.1\r\nConnection: close\r\n");
    for (name, value) in headers {
        request.push_str(&format!("{name}: {value}\r\n"));
    }
    connection.write(format!("{request}\r\n").as_bytes()).unwrap();
    connection.read("GET").unwrap()
}

#[track_caller]
fn url(reply: &Reply) -> String {
    let document = reply.ok();
    let whole = document["token_endpoint"].as_str().unwrap();
    whole.strip_suffix("/oauth2/token").unwrap().to_owned()
}

fn only_what_is_served_is_listed(server: &Server) {
    let document = server.anonymous().get(PATH).ok();
    let members = [
        "grant_types_supported",
        "id_token_signing_alg_values_supported",
        "introspection_endpoint",
        "introspection_endpoint_auth_methods_supported",
        "issuer",
        "jwks_uri",
        "response_types_supported",
        "subject_types_supported",
        "token_endpoint",
        "token_endpoint_auth_methods_supported",
    ];
    assert_eq!(names(&document), members);
    let text = |name: &str| document[name].as_str().unwrap().to_owned();
    assert_eq!(text("issuer"), "acme.com");
    assert_eq!(document["grant_types_supported"], json!(["client_credentials"]));
    assert_eq!(document["response_types_supported"], json!([]));
    let methods = json!(["client_secret_basic", "client_secret_post"]);
    assert_eq!(document["token_endpoint_auth_methods_supported"], methods);
    let algorithms =
        ["Ed25519", "ES256", "ES384", "ES512", "HS256", "HS384", "HS512", "RS256", "RS384", "RS512"];
    assert_eq!(document["id_token_signing_alg_values_supported"], json!(algorithms));
    // Every address is one of this server.
    for (name, method) in
        [("jwks_uri", "GET"), ("token_endpoint", "POST"), ("introspection_endpoint", "POST")]
    {
        let whole = text(name);
        let path = whole.strip_prefix("http://localhost").unwrap();
        let reply = server.anonymous().send_bytes(method, path, None);
        assert_ne!(reply.status, 404, "{name}");
    }
    let head = server.anonymous().send_bytes("HEAD", PATH, None);
    assert_eq!(head.status, 200);
    assert_eq!(server.anonymous().post(PATH, &json!({})).status, 405);
}

fn tenants_have_their_own(server: &Server) {
    let world = World::with(server, json!({"issuer": "https://own.example"}));
    let get = |path: &str| server.anonymous().get(path);
    let issuer = |path: &str| -> Value { get(path).ok()["issuer"].take() };
    let id = &world.tenant;
    assert_eq!(issuer(&format!("/{id}{PATH}")), "https://own.example");
    assert_eq!(issuer(&format!("{PATH}?tenantId={id}")), "https://own.example");
    assert_eq!(issuer(&format!("/{}{PATH}", id.to_uppercase())), "https://own.example");
    // The one in the path comes first, and none at all is the default tenant.
    assert_eq!(issuer(&format!("/{id}{PATH}?tenantId={}", uuid())), "https://own.example");
    assert_eq!(issuer(&format!("{PATH}?tenantId=&x=y")), "acme.com");
    assert_eq!(issuer(&format!("/{}{PATH}", server.default_tenant())), "acme.com");
    for unknown in [
        format!("/{}{PATH}", uuid()),
        format!("{PATH}?tenantId={}", uuid()),
        format!("/x{PATH}"),
        format!("{PATH}?tenantId=x"),
        format!("/{id}{PATH}/"),
        format!("/{id}{PATH}/x"),
        format!("/{id}/.well-known/jwks.json"),
    ] {
        let reply = get(&unknown);
        // A slash at the end means the same path.
        if unknown.ends_with('/') {
            assert_eq!(reply.status, 200, "{unknown}");
        } else {
            reply.not_found();
        }
    }
    get(&format!("{PATH}?tenantId={id}&tenantId={id}")).refused(&["tenantId [invalid]tenantId"]);
}

fn the_host_is_that_of_the_request(server: &Server) {
    let reply = asked(server, &[("Host", "Auth.Example.com:8443")]);
    assert_eq!(url(&reply), "http://auth.example.com:8443");
    // What one caller wrote is not kept for another one.
    assert_eq!(reply.header("cache-control"), Some("no-store"));
    assert_eq!(url(&asked(server, &[("Host", "[::1]:80")])), "http://[::1]:80");
    // Nobody trusts these here.
    let forged = [
        ("Host", "localhost"),
        ("X-Forwarded-Proto", "https"),
        ("X-Forwarded-Host", "evil.example"),
        ("Forwarded", "host=evil.example;proto=https"),
        ("X-Forwarded-For", "192.0.2.1"),
    ];
    assert_eq!(url(&asked(server, &forged)), "http://localhost");
    for bad in ["a b", "a\"b", "a/b", "a@b", "a:99999", "<x>", "a,b"] {
        let reply = asked(server, &[("Host", bad)]);
        assert_eq!(reply.status, 400, "{bad}: {}", reply.text());
        assert!(!reply.text().contains(bad));
    }
    assert_eq!(asked(server, &[]).status, 400);
    let mut connection = Connection::open(server.address());
    connection.write(head("GET", PATH, &[]).as_bytes()).unwrap();
    assert_eq!(url(&connection.read("GET").unwrap()), "http://localhost");
}

fn the_setting_comes_first(server: &Server) {
    let settings = Settings {
        public_url: "https://auth.example.com/base/",
        trusted_proxies: "127.0.0.1",
        ..Settings::default()
    };
    let server = server.sibling(settings);
    let headers =
        [("Host", "evil.example"), ("X-Forwarded-Host", "evil.example"), ("X-Forwarded-Proto", "http")];
    let reply = asked(&server, &headers);
    assert_eq!(url(&reply), "https://auth.example.com/base");
    assert_eq!(reply.header("cache-control"), Some("public, max-age=60"));
    let tag = reply.header("etag").unwrap();
    let again = asked(&server, &[("Host", "x"), ("If-None-Match", tag)]);
    assert_eq!((again.status, again.text()), (304, ""));
    // A change of the tenant is another document.
    let path = format!("/api/tenant/{}", server.default_tenant());
    server.as_key_manager().patch(&path, &json!({"tenant": {"issuer": "new.example"}})).ok();
    let changed = asked(&server, &[("Host", "x"), ("If-None-Match", tag)]);
    assert_eq!(changed.ok()["issuer"], "new.example");
}

fn only_trusted_proxies_are_believed(server: &Server) {
    let server = server.sibling(Settings { trusted_proxies: "127.0.0.1", ..Settings::default() });
    let of = |headers: &[(&str, &str)]| url(&asked(&server, headers));
    assert_eq!(of(&[("Host", "inside")]), "http://inside");
    assert_eq!(of(&[("Host", "inside"), ("X-Forwarded-Proto", "https")]), "https://inside");
    let both = [("Host", "inside"), ("X-Forwarded-Proto", "HTTPS"), ("X-Forwarded-Host", "auth.example.com")];
    assert_eq!(of(&both), "https://auth.example.com");
    for bad in [
        [("X-Forwarded-Proto", "ftp"), ("X-Forwarded-Host", "a")],
        [("X-Forwarded-Proto", "https,http"), ("X-Forwarded-Host", "a")],
        [("X-Forwarded-Proto", "https"), ("X-Forwarded-Host", "a, b")],
        [("X-Forwarded-Proto", "https"), ("X-Forwarded-Host", "a/b")],
        [("X-Forwarded-Proto", "https"), ("X-Forwarded-Proto", "https")],
        [("X-Forwarded-Host", "a"), ("X-Forwarded-Host", "a")],
    ] {
        let headers = [&[("Host", "inside")][..], &bad].concat();
        assert_eq!(asked(&server, &headers).status, 400, "{bad:?}");
    }
}

fn deleted_tenants_are_gone(server: &Server) {
    let world = World::new(server);
    let path = format!("/{}{PATH}", world.tenant);
    server.anonymous().get(&path).ok();
    server.as_key_manager().delete(&format!("/api/tenant/{}", world.tenant)).done();
    server.anonymous().get(&path).not_found();
}
