//! Each endpoint of the catalogue is granted by itself, method by method.

use serde_json::{Value, json};

use super::{
    body, create, create_type, entity_path, grant_body, grant_path, id, permission_body, permission_path,
    type_body, type_path, type_with,
};
use crate::support::{Client, Reply, Server, unique, uuid};

on_each_database! { shared: each_method_at_each_endpoint_is_granted_by_itself, an_endpoint_opens_no_other; }

type Request = (&'static str, &'static str, String, Option<Value>);

const TYPE: &str = "/api/entity/type";
const PERMISSION: &str = "/api/entity/type/permission";
const TYPE_SEARCH: &str = "/api/entity/type/search";
const ENTITY: &str = "/api/entity";
const GRANT: &str = "/api/entity/grant";
const SEARCH: &str = "/api/entity/search";
const GRANT_SEARCH: &str = "/api/entity/grant/search";

/// A request to each route with the method and the endpoint that grant it, for a client in this tenant where one is needed.
fn every_route(server: &Server, tenant: &str) -> Vec<Request> {
    let home = server.as_key_manager().in_tenant(tenant);
    let of = || create_type(server, json!({}));
    let named = || Some(type_body(json!({"name": unique("type")})));
    let permitted = || {
        let of = type_with(server, &["read"]);
        let read = server.as_key_manager().get(&type_path(id(&of))).ok();
        format!("{}/{}", permission_path(&of), id(&read["entityType"]["permissions"][0]))
    };
    let permission = || Some(permission_body(json!({"name": unique("permission")})));
    let changed = || Some(permission_body(json!({"isDefault": true})));
    let stored = || entity_path(id(&create(&home, &of(), json!({}))));
    let whole = || Some(body(json!({"name": unique("entity"), "type": {"id": of()["id"]}})));
    let renamed = || Some(body(json!({"name": unique("renamed")})));
    let (on, to) = (create(&home, &of(), json!({})), create(&home, &of(), json!({})));
    let grant = || {
        home.post(&grant_path(&on), &grant_body(&to, json!([]))).done();
        format!("{}?recipientEntityId={}", grant_path(&on), id(&to))
    };
    let search = || Some(json!({"search": {}}));
    vec![
        ("GET", TYPE, TYPE.to_owned(), None),
        ("POST", TYPE, TYPE.to_owned(), named()),
        ("POST", TYPE, type_path(&uuid()), named()),
        ("GET", TYPE, type_path(id(&of())), None),
        ("PUT", TYPE, type_path(id(&of())), named()),
        ("PATCH", TYPE, type_path(id(&of())), named()),
        ("DELETE", TYPE, type_path(id(&of())), None),
        ("GET", TYPE_SEARCH, TYPE_SEARCH.to_owned(), None),
        ("POST", TYPE_SEARCH, TYPE_SEARCH.to_owned(), search()),
        ("POST", PERMISSION, permission_path(&of()), permission()),
        ("POST", PERMISSION, format!("{}/{}", permission_path(&of()), uuid()), permission()),
        ("PUT", PERMISSION, permitted(), changed()),
        ("PATCH", PERMISSION, permitted(), changed()),
        ("DELETE", PERMISSION, permitted(), None),
        ("DELETE", PERMISSION, format!("{}?name=read", permission_path(&type_with(server, &["read"]))), None),
        ("POST", ENTITY, ENTITY.to_owned(), whole()),
        ("POST", ENTITY, entity_path(&uuid()), whole()),
        ("GET", ENTITY, stored(), None),
        ("PUT", ENTITY, stored(), renamed()),
        ("PATCH", ENTITY, stored(), renamed()),
        ("POST", ENTITY, format!("{}/rotate-secret", stored()), Some(json!({}))),
        ("DELETE", ENTITY, stored(), None),
        ("GET", SEARCH, SEARCH.to_owned(), None),
        ("POST", SEARCH, SEARCH.to_owned(), search()),
        ("PUT", SEARCH, SEARCH.to_owned(), None),
        ("POST", GRANT, grant_path(&on), Some(grant_body(&to, json!([])))),
        ("PUT", GRANT, grant_path(&on), Some(grant_body(&to, json!([])))),
        ("GET", GRANT, grant_path(&on), None),
        ("GET", GRANT, grant(), None),
        ("DELETE", GRANT, grant(), None),
        ("GET", GRANT_SEARCH, GRANT_SEARCH.to_owned(), None),
        ("POST", GRANT_SEARCH, GRANT_SEARCH.to_owned(), search()),
    ]
}

/// Sends a request as a client in the tenant, where there are tenants.
fn answered(client: &Client, tenant: &str, (method, endpoint, path, body): &Request) -> Reply {
    let global = matches!(*endpoint, TYPE | TYPE_SEARCH);
    let client = if global { client.clone() } else { client.in_tenant(tenant) };
    client.send(method, path, body.as_ref())
}

fn each_method_at_each_endpoint_is_granted_by_itself(server: &Server) {
    let tenant = server.tenant();
    for request in every_route(server, &tenant) {
        let (method, endpoint, ..) = &request;
        let others: Vec<_> =
            ["GET", "POST", "PUT", "PATCH", "DELETE"].into_iter().filter(|other| other != method).collect();
        let without = server.restricted(json!({*endpoint: others}));
        answered(&server.with_key(&without.value), &tenant, &request).denied();
        let with = server.restricted(json!({*endpoint: [method]}));
        let reply = answered(&server.with_key(&with.value), &tenant, &request);
        assert_eq!(reply.status, 200, "{request:?}: {}", reply.text());
    }
}

fn an_endpoint_opens_no_other(server: &Server) {
    let tenant = server.tenant();
    let all = ["GET", "POST", "PUT", "PATCH", "DELETE"];
    let endpoints = [TYPE, TYPE_SEARCH, PERMISSION, ENTITY, SEARCH, GRANT, GRANT_SEARCH];
    let keys = endpoints.map(|endpoint| (endpoint, server.restricted(json!({endpoint: all}))));
    for request in every_route(server, &tenant) {
        for (endpoint, key) in &keys {
            if *endpoint != request.1 {
                answered(&server.with_key(&key.value), &tenant, &request).denied();
            }
        }
    }
}
