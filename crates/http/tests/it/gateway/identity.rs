//! What the upstream is told about the caller, and in which tenant a request is let through.

use serde_json::json;

use super::{Told, ask, behind};
use crate::support::fixture::unique;
use crate::support::{Client, Reply, Server, uuid};

const NAME: &str = "x-claviger-api-key-name";

on_each_database! {
    own: the_key_and_its_tenant_are_named, the_name_of_the_key_is_told, tenants_keep_to_themselves;
}

#[track_caller]
fn named(reply: &Reply, key: &str, tenant: Option<&str>) {
    reply.let_through();
    assert_eq!(reply.header("x-claviger-api-key-id"), Some(key));
    assert_eq!(reply.header("x-claviger-tenant-id"), tenant);
    let own = reply.headers.iter().filter(|(name, _)| name.starts_with("x-claviger")).count();
    assert_eq!(own, 1 + usize::from(tenant.is_some()));
}

fn the_key_and_its_tenant_are_named(server: &Server) {
    let server = &behind(server);
    let (tenant, other) = (server.tenant(), server.tenant());
    let global = server.unrestricted();
    let bound = server.api_key(json!({"tenantId": tenant}));
    let with = |value: &str| server.with_key(value);
    named(&ask(&with(&global.value), "GET", "/v1"), &global.id, None);
    named(&ask(&with(&global.value).in_tenant(&other), "GET", "/v1"), &global.id, Some(&other));
    named(&ask(&with(&bound.value), "GET", "/v1"), &bound.id, Some(&tenant));
    named(&ask(&with(&bound.value).in_tenant(&tenant), "GET", "/v1"), &bound.id, Some(&tenant));
    // What a client says of itself is not repeated.
    let pretender = with(&global.value)
        .with_header("X-Claviger-Api-Key-Id", &bound.id)
        .with_header("X-Claviger-Api-Key-Name", "forged")
        .with_header("X-Claviger-Tenant-Id", &tenant);
    named(&ask(&pretender, "GET", "/v1"), &global.id, None);
    for path in ["/ext-authz/v1", "/ext-authz/v1?x=y"] {
        named(&pretender.get(path), &global.id, None);
        named(&with(&bound.value).get(path), &bound.id, Some(&tenant));
    }
}

fn the_name_of_the_key_is_told(server: &Server) {
    let server = &behind(server);
    let manager = server.as_key_manager();
    let key = server.api_key(json!({"name": "Zahlungen f\u{fc}r 100% K\u{f6}ln "}));
    let client = server.with_key(&key.value);
    let told = |client: &Client, name: Option<&str>| {
        for reply in [ask(client, "GET", "/v1"), client.get("/ext-authz/v1")] {
            reply.let_through();
            assert_eq!(reply.header("x-claviger-api-key-id"), Some(key.id.as_str()));
            assert_eq!(
                reply.headers.iter().filter(|(own, _)| own == NAME).count(),
                usize::from(name.is_some())
            );
            assert_eq!(reply.header(NAME), name);
        }
    };
    told(&client, Some("Zahlungen f%C3%BCr 100%25 K%C3%B6ln%20"));
    // A new name is told with the next question, also to whoever still has the value before a rotation.
    manager.patch(&key.path(), &json!({"apiKey": {"name": "orders, both kinds"}})).ok();
    told(&client, Some("orders, both kinds"));
    let rotated = manager.post(&format!("{}/rotate", key.path()), &json!({"gracePeriodInSeconds": 60})).ok();
    let present = server.with_key(rotated["apiKey"]["key"].as_str().unwrap());
    told(&present, Some("orders, both kinds"));
    manager.patch(&key.path(), &json!({"apiKey": {"name": "renamed"}})).ok();
    told(&present, Some("renamed"));
    told(&client, Some("renamed"));
    manager.put(&key.path(), &json!({"apiKey": {}})).ok();
    told(&present, None);
    // Who is not let through is told nothing of a key.
    manager.patch(&key.path(), &json!({"apiKey": {"name": "closed", "disabled": true}})).ok();
    assert_eq!(ask(&present, "GET", "/v1").unknown().header(NAME), None);
    manager.delete(&key.path()).done();
    assert_eq!(ask(&present, "GET", "/v1").unknown().header(NAME), None);
    let narrow =
        server.api_key(json!({"name": unique("narrow"), "permissions": {"endpoints": {"/v2": ["GET"]}}}));
    assert_eq!(ask(&server.with_key(&narrow.value), "GET", "/v1").forbidden().header(NAME), None);
}

fn tenants_keep_to_themselves(server: &Server) {
    let server = &behind(server);
    let (tenant, other) = (server.tenant(), server.tenant());
    let bound = server.with_key(&server.api_key(json!({"tenantId": tenant})).value);
    let global = server.with_key(&server.unrestricted().value);
    ask(&bound.in_tenant(&other), "GET", "/v1").forbidden();
    ask(&bound, "GET", "/api/key").forbidden();
    ask(&bound, "GET", "/api/tenant").let_through();
    ask(&global, "GET", "/api/key").let_through();
    ask(&global.in_tenant(&tenant), "GET", "/api/key").forbidden();
    for client in [&bound, &global] {
        ask(&client.in_tenant("nonsense"), "GET", "/v1").forbidden();
        ask(&client.in_tenant(&tenant).in_tenant(&tenant), "GET", "/v1").forbidden();
        ask(&client.in_tenant(&uuid()), "GET", "/v1").forbidden();
    }
    server.as_key_manager().delete(&format!("/api/tenant/{tenant}")).done();
    ask(&bound, "GET", "/v1").unknown();
    ask(&global.in_tenant(&tenant), "GET", "/v1").forbidden();
}
