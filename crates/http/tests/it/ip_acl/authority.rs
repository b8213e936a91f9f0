//! Who may do what with lists: they belong to the whole instance.

use serde_json::{Value, json};

use super::{body, create, default, id, list, path, range};
use crate::support::{Client, Reply, Server, unique, uuid};

on_each_database! {
    shared: keys_and_headers_of_tenants_are_refused, each_method_is_granted_by_itself,
        the_search_is_an_endpoint_of_its_own, a_manager_without_the_endpoint_is_refused,
        a_caller_can_lock_itself_out;
}

/// A request to each route, with the method and the endpoint that grant it.
fn every_route(server: &Server) -> Vec<(&'static str, &'static str, String, Option<Value>)> {
    let stored = || path(id(&create(server, json!({}))));
    let whole = || Some(body(json!({"name": unique("route"), "entries": [default("Allow")]})));
    let (lists, search) = ("/api/ip-acl", "/api/ip-acl/search");
    vec![
        ("POST", lists, lists.to_owned(), whole()),
        ("POST", lists, path(&uuid()), whole()),
        ("GET", lists, stored(), None),
        ("PUT", lists, stored(), whole()),
        ("PATCH", lists, stored(), Some(body(json!({"name": unique("patched")})))),
        ("DELETE", lists, stored(), None),
        ("GET", search, search.to_owned(), None),
        ("POST", search, search.to_owned(), Some(json!({"search": {}}))),
    ]
}

fn answered(client: &Client, (method, _, path, body): &(&str, &str, String, Option<Value>)) -> Reply {
    client.send(method, path, body.as_ref())
}

fn keys_and_headers_of_tenants_are_refused(server: &Server) {
    let tenant = server.tenant();
    let endpoints = json!({"/api/ip-acl": ["GET", "POST", "PUT", "PATCH", "DELETE"], "/api/ip-acl/search": ["GET", "POST"]});
    let granted = server.api_key(json!({"tenantId": tenant, "permissions": {"endpoints": endpoints}}));
    let unrestricted = server.api_key(json!({"tenantId": tenant}));
    for request in every_route(server) {
        for key in [&granted, &unrestricted] {
            answered(&server.with_key(&key.value), &request).denied();
            answered(&server.with_key(&key.value).in_tenant(&tenant), &request).denied();
        }
        for header in [tenant.as_str(), &uuid(), "x", ""] {
            answered(&server.as_key_manager().in_tenant(header), &request).denied();
        }
        // Without any tenant, it is done.
        assert_eq!(answered(&server.as_key_manager(), &request).status, 200, "{request:?}");
    }
}

fn each_method_is_granted_by_itself(server: &Server) {
    for request in every_route(server) {
        let (method, endpoint, ..) = &request;
        let others: Vec<_> =
            ["GET", "POST", "PUT", "PATCH", "DELETE"].into_iter().filter(|other| other != method).collect();
        let without = server.restricted(json!({*endpoint: others}));
        answered(&server.with_key(&without.value), &request).denied();
        let with = server.restricted(json!({*endpoint: [method]}));
        assert_eq!(answered(&server.with_key(&with.value), &request).status, 200, "{request:?}");
    }
}

fn the_search_is_an_endpoint_of_its_own(server: &Server) {
    let all = ["GET", "POST", "PUT", "PATCH", "DELETE"];
    let lists = server.with_key(&server.restricted(json!({"/api/ip-acl": all})).value);
    let search = server.with_key(&server.restricted(json!({"/api/ip-acl/search": ["GET", "POST"]})).value);
    for request in every_route(server) {
        let (allowed, refused) =
            if request.1 == "/api/ip-acl" { (&lists, &search) } else { (&search, &lists) };
        answered(refused, &request).denied();
        assert_eq!(answered(allowed, &request).status, 200, "{request:?}");
    }
}

/// Managing keys grants nothing else.
fn a_manager_without_the_endpoint_is_refused(server: &Server) {
    let keys = server.restricted(json!({"/api/api-key": ["GET", "POST", "PUT", "PATCH", "DELETE"]}));
    for request in every_route(server) {
        answered(&server.with_key(&keys.value), &request).denied();
    }
}

/// A list counts for the key that changes it, from the next request on.
fn a_caller_can_lock_itself_out(server: &Server) {
    let stored = create(server, json!({}));
    let key = server.api_key(json!({"ipAccessControlListId": id(&stored)}));
    let client = server.with_key(&key.value);
    let shut = json!({"name": unique("shut"), "entries": [default("Allow"), range("Block", "127.0.0.1", "127.0.0.1")]});
    let changed = list(&client.put(&path(id(&stored)), &body(shut.clone())));
    assert_eq!(changed["entries"], shut["entries"]);
    client.get(&path(id(&stored))).denied();
    assert_eq!(list(&server.as_key_manager().get(&path(id(&stored)))), changed);
}
