//! What the upstream is told about the caller, and in which tenant a request is let through.

use serde_json::json;

use super::{Told, ask, behind};
use crate::support::{Reply, Server, uuid};

on_each_database! { own: the_key_and_its_tenant_are_named, tenants_keep_to_themselves; }

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
        .with_header("X-Claviger-Tenant-Id", &tenant);
    named(&ask(&pretender, "GET", "/v1"), &global.id, None);
    for path in ["/ext-authz/v1", "/ext-authz/v1?x=y"] {
        named(&pretender.get(path), &global.id, None);
        named(&with(&bound.value).get(path), &bound.id, Some(&tenant));
    }
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
