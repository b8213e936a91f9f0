//! Which tenant a request works in, and that nobody reaches into another one.

use serde_json::{Value, json};

use super::{body, create, create_type, entity, entity_path, grant_body, grant_path, granted, id, type_with};
use crate::support::{Client, Server, unique, uuid};

on_each_database! {
    shared: with_many_tenants_one_must_be_named, other_tenants_see_nothing, ids_of_others_are_like_unknown_ones,
        a_key_stays_in_its_tenant_whatever_the_header_says, tenants_that_are_gone_get_no_entities;
    own: the_only_tenant_need_not_be_named;
}

fn the_only_tenant_need_not_be_named(server: &Server) {
    let manager = server.as_key_manager();
    let default = server.default_tenant();
    let of = create_type(server, json!({}));
    let [made, gone] = [(); 2].map(|()| create(&manager, &of, json!({})));
    assert_eq!(made["tenantId"], json!(default));
    manager.put(&entity_path(id(&made)), &body(json!({"name": "n"}))).ok();
    manager.patch(&entity_path(id(&made)), &body(json!({"name": "m"}))).ok();
    manager.delete(&entity_path(id(&gone))).done();
    // From the second one on, it must.
    let second = server.tenant();
    manager.delete(&entity_path(id(&made))).refused(&["[TenantIdRequired]"]);
    manager.delete(&format!("/api/tenant/{second}")).done();
    manager.delete(&entity_path(id(&made))).done();
}

fn with_many_tenants_one_must_be_named(server: &Server) {
    let manager = server.as_key_manager();
    let tenant = server.tenant();
    let of = type_with(server, &["read"]);
    let whole = || body(json!({"name": unique("entity"), "type": {"id": of["id"]}, "tenantId": tenant}));
    let code = ["[TenantIdRequired]"];
    manager.post("/api/entity", &whole()).refused(&code);
    manager.post(&entity_path(&uuid()), &whole()).refused(&code);
    let by_header = entity(&manager.in_tenant(&tenant).post("/api/entity", &whole()));
    let key = server.api_key(json!({"tenantId": tenant}));
    let by_key = entity(&server.with_key(&key.value).post("/api/entity", &whole()));
    assert_eq!((&by_header["tenantId"], &by_key["tenantId"]), (&json!(tenant), &json!(tenant)));
    // Calls that change or delete one need it although there is an id, and before anything is said about the body.
    let path = entity_path(id(&by_header));
    manager.put(&path, &body(json!({"name": "n"}))).refused(&code);
    manager.put(&path, &body(json!({"name": ""}))).refused(&code);
    manager.patch(&path, &body(json!({"name": "n"}))).refused(&code);
    manager.delete(&path).refused(&code);
    manager.delete(&entity_path(&uuid())).refused(&code);
    // All others follow from the id.
    assert_eq!(entity(&manager.get(&path)), by_header);
    manager.post(&format!("{path}/rotate-secret"), &json!({})).ok();
    manager.post(&grant_path(&by_header), &grant_body(&by_key, json!(["read"]))).done();
    assert_eq!(granted(&manager, &by_header, &by_key)["entity"]["tenantId"], json!(tenant));
    manager.get("/api/entity/search").ok();
}

/// Every call about an entity or its grants.
fn every_call(client: &Client, on: &Value, to: &Value) -> Vec<(String, crate::support::Reply)> {
    let path = entity_path(id(on));
    let grant = format!("{}?recipientEntityId={}", grant_path(on), id(to));
    let whole = grant_body(to, json!(["read"]));
    [
        ("GET", path.clone(), None),
        ("PUT", path.clone(), Some(body(json!({"name": "stolen", "clientSecret": "stolen"})))),
        ("PATCH", path.clone(), Some(body(json!({"name": "stolen"})))),
        ("POST", format!("{path}/rotate-secret"), Some(json!({}))),
        ("POST", grant_path(on), Some(whole.clone())),
        ("PUT", grant_path(on), Some(whole)),
        ("GET", grant_path(on), None),
        ("GET", grant.clone(), None),
        ("DELETE", grant, None),
        ("DELETE", path, None),
    ]
    .into_iter()
    .map(|(method, path, body)| (format!("{method} {path}"), client.send(method, &path, body.as_ref())))
    .collect()
}

fn other_tenants_see_nothing(server: &Server) {
    let manager = server.as_key_manager();
    let of = type_with(server, &["read"]);
    let home = manager.in_tenant(&server.tenant());
    let [on, to] = [(); 2].map(|()| create(&home, &of, json!({})));
    home.post(&grant_path(&on), &grant_body(&to, json!(["read"]))).done();
    let before = (entity(&home.get(&entity_path(id(&on)))), granted(&home, &on, &to));
    let tenant = server.tenant();
    let key = server.api_key(json!({"tenantId": tenant}));
    for stranger in [manager.in_tenant(&tenant), server.with_key(&key.value)] {
        for (what, reply) in every_call(&stranger, &on, &to) {
            assert_eq!((reply.status, reply.text()), (404, ""), "{what}");
        }
        // Nor can it be named from there.
        let own = create(&stranger, &of, json!({}));
        let reply = stranger.post(&grant_path(&own), &grant_body(&to, json!(["read"])));
        reply.refused(&["grant.recipientEntityId [invalid]grant.recipientEntityId"]);
    }
    assert_eq!((entity(&home.get(&entity_path(id(&on)))), granted(&home, &on, &to)), before);
}

fn ids_of_others_are_like_unknown_ones(server: &Server) {
    let of = type_with(server, &["read"]);
    let home = server.as_key_manager().in_tenant(&server.tenant());
    let foreign = create(&home, &of, json!({}));
    let key = server.api_key(json!({"tenantId": server.tenant()}));
    let stranger = server.with_key(&key.value);
    let own = create(&stranger, &of, json!({}));
    let unknown = json!({"id": uuid()});
    let comparable = |replies: Vec<(String, crate::support::Reply)>| -> Vec<_> {
        replies.into_iter().map(|(_, reply)| (reply.status, reply.text().to_owned())).collect()
    };
    assert_eq!(
        comparable(every_call(&stranger, &foreign, &own)),
        comparable(every_call(&stranger, &unknown, &own))
    );
    let as_recipient = |recipient: &Value| {
        let reply = stranger.post(&grant_path(&own), &grant_body(recipient, json!(["read"])));
        (reply.status, reply.text().to_owned())
    };
    assert_eq!(as_recipient(&foreign), as_recipient(&unknown));
}

fn a_key_stays_in_its_tenant_whatever_the_header_says(server: &Server) {
    let of = type_with(server, &["read"]);
    let (own, other) = (server.tenant(), server.tenant());
    let foreign = create(&server.as_key_manager().in_tenant(&other), &of, json!({}));
    let key = server.api_key(json!({"tenantId": own}));
    let whole = body(json!({"name": "n", "type": {"id": of["id"]}}));
    for header in [other.as_str(), &uuid()] {
        let client = server.with_key(&key.value).in_tenant(header);
        client.post("/api/entity", &whole).denied();
        client.get(&entity_path(id(&foreign))).denied();
        client.get("/api/entity/search").denied();
        client.get("/api/entity/grant/search").denied();
        client.delete(&entity_path(id(&foreign))).denied();
    }
    // Types are of no tenant: neither keys of tenants nor the header come there.
    for client in [server.with_key(&key.value), server.as_key_manager().in_tenant(&own)] {
        client.get("/api/entity/type").denied();
        client.get(&super::type_path(id(&of))).denied();
        client.get("/api/entity/type/search").denied();
        client.delete(&super::type_path(id(&of))).denied();
    }
    let made = entity(&server.with_key(&key.value).in_tenant(&own).post("/api/entity", &whole));
    assert_eq!(made["tenantId"], json!(own));
}

fn tenants_that_are_gone_get_no_entities(server: &Server) {
    let manager = server.as_key_manager();
    let of = create_type(server, json!({}));
    let tenant = server.tenant();
    let key = server.api_key(json!({"tenantId": tenant}));
    manager.delete(&format!("/api/tenant/{tenant}")).done();
    let whole = body(json!({"name": "n", "type": {"id": of["id"]}}));
    manager.in_tenant(&tenant).post("/api/entity", &whole).refused(&["[InvalidTenantId]"]);
    server.with_key(&key.value).post("/api/entity", &whole).denied();
}
