//! Tenants: each has its own issuer, key and entities, and one that is being deleted issues nothing.

use serde_json::json;

use super::{TOKEN, World, ask, ask_for, claims, form, parts, refused, target, text};
use crate::support::{Server, unique};

on_each_database! {
    shared: tenants_are_told_apart, client_ids_lead_to_one_tenant;
    own: a_tenant_that_is_being_deleted_issues_nothing;
}

fn tenants_are_told_apart(server: &Server) {
    let (one, two) = (World::new(server), World::with(server, json!({"issuer": "two.example"})));
    let (a, b) = (one.entity(json!({})), two.entity(json!({})));
    let [(first, of_one), (second, of_two)] = [&a, &b].map(|client| parts(&ask(server, client, &[])));
    assert_eq!((&of_one["iss"], &of_two["iss"]), (&json!("acme.com"), &json!("two.example")));
    assert_eq!((&of_one["tid"], &of_two["tid"]), (&json!(one.tenant), &json!(two.tenant)));
    assert_ne!(first["kid"], second["kid"]);
    // What is granted in the own tenant opens nothing of the other one.
    let on = one.entity(json!({}));
    one.grant(&on, &a, &["read"]);
    ask_for(server, &a, &target(&on, "read")).ok();
    for permissions in ["", "read"] {
        let reply = ask_for(server, &b, &target(&on, permissions));
        refused(&reply, 400, "invalid_scope", "invalid_target_entity_scope");
    }
    // A change of the tenant counts at once.
    let path = format!("/api/tenant/{}", two.tenant);
    server.as_key_manager().patch(&path, &json!({"tenant": {"issuer": "three.example"}})).ok();
    assert_eq!(claims(&ask(server, &b, &[]))["iss"], "three.example");
}

/// A client id is one entity's in the whole instance, so that no tenant has to be named.
fn client_ids_lead_to_one_tenant(server: &Server) {
    let (one, two) = (World::new(server), World::new(server));
    let client = one.entity(json!({"clientId": unique("billing"), "clientSecret": "s"}));
    assert_eq!(claims(&ask(server, &client, &[]))["tid"], json!(one.tenant));
    let in_two = ask(server, &client, &[("tenantId", &two.tenant)]);
    refused(&in_two, 400, "invalid_request", "invalid_tenant_id");
    // Whoever has no secret does not learn in which tenant a client is.
    let wrong = |tenant: &str| {
        let id = text(&client, "clientId");
        let parameters = [super::GRANT, ("client_id", id), ("client_secret", "wrong"), ("tenantId", tenant)];
        let reply = form(&server.anonymous(), TOKEN, &parameters);
        refused(&reply, 401, "invalid_client", "invalid_client_authentication");
        reply.text().to_owned()
    };
    assert_eq!(wrong(&one.tenant), wrong(&two.tenant));
}

fn a_tenant_that_is_being_deleted_issues_nothing(server: &Server) {
    let (world, other) = (World::new(server), World::new(server));
    let (client, stays) = (world.entity(json!({})), other.entity(json!({})));
    ask(server, &client, &[]).ok();
    // From the moment that the deletion is acknowledged, however far it has come.
    let path = format!("/api/tenant/{}?async=true", world.tenant);
    assert_eq!(server.as_key_manager().delete(&path).status, 202);
    let reply = ask(server, &client, &[]);
    refused(&reply, 401, "invalid_client", "invalid_client_authentication");
    let wrong =
        form(&server.anonymous(), TOKEN, &[super::GRANT, ("client_id", "nobody"), ("client_secret", "x")]);
    assert_eq!(reply.text(), wrong.text());
    ask(server, &stays, &[]).ok();
}
