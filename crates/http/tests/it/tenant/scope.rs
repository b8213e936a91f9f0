//! What keys of a tenant, and requests for one, see of tenants.

use serde_json::json;

use crate::support::{Client, Server, unique};

on_each_database! {
    shared: keys_of_a_tenant_see_their_own, requests_for_a_tenant_see_their_own;
}

fn check(server: &Server, client: &Client, own: &str) {
    let other = server.tenant();
    let manager = server.as_key_manager();
    let path = |id: &str| format!("/api/tenant/{id}");
    let list = client.get("/api/tenant").ok();
    let tenants = list["tenants"].as_array().unwrap();
    assert_eq!((tenants.len(), &tenants[0]["id"]), (1, &json!(own)));
    client.get(&path(own)).ok();
    client.put(&path(own), &json!({"tenant": {"name": unique("own")}})).ok();
    client.patch(&path(own), &json!({"tenant": {"name": unique("own")}})).ok();
    // Others do not exist for them; the default tenant is such another.
    for foreign in [&other, &server.default_tenant()] {
        let before = manager.get(&path(foreign)).ok();
        client.get(&path(foreign)).not_found();
        client.put(&path(foreign), &json!({"tenant": {"name": unique("other")}})).not_found();
        client.patch(&path(foreign), &json!({"tenant": {"name": unique("other")}})).not_found();
        client.delete(&path(foreign)).not_found();
        assert_eq!(manager.get(&path(foreign)).ok(), before);
    }
    client.post("/api/tenant", &json!({"tenant": {"name": unique("more")}})).denied();
    // Also when the body is broken: who may not do it learns nothing about bodies.
    client
        .with_header("Content-Type", "application/json")
        .send_bytes("POST", "/api/tenant", Some(b"{"))
        .denied();
    client.post(&path(&crate::support::uuid()), &json!({"tenant": {"name": unique("more")}})).denied();
    client.get("/api/tenant/search").denied();
}

fn keys_of_a_tenant_see_their_own(server: &Server) {
    let own = server.tenant();
    let key = server.api_key(json!({"tenantId": own}));
    check(server, &server.with_key(&key.value), &own);
    let own = server.tenant();
    let endpoints = json!({"/api/tenant": ["GET", "PATCH", "PUT", "POST", "DELETE"]});
    let key = server.api_key(json!({"tenantId": own, "permissions": {"endpoints": endpoints}}));
    check(server, &server.with_key(&key.value), &own);
}

fn requests_for_a_tenant_see_their_own(server: &Server) {
    let own = server.tenant();
    check(server, &server.as_key_manager().in_tenant(&own), &own);
}
