//! What an API key's members mean: seen by calling endpoints with it.

use std::thread;

use serde_json::{Value, json};

use super::{body, stored};
use crate::support::client::head;
use crate::support::fixture::TestKey;
use crate::support::server::START;
use crate::support::{Client, Connection, Server, unique};

on_each_database! {
    shared: no_list_means_no_restriction, a_list_without_methods_grants_nothing, grants_are_exact,
        a_new_key_works_at_once, a_deleted_key_is_dead_at_once, a_narrowed_key_is_narrow_at_once,
        tenants_of_keys_confine_them, changes_do_not_reach_other_keys;
    own: a_key_dies_at_its_expiration, keys_outlive_a_restart, what_counts_is_the_end_of_a_slow_body,
        a_disabled_key_is_dead_until_it_is_enabled;
}

/// Whether the key may read the version and list the tenants.
fn reach(client: &Client) -> (bool, bool) {
    let allowed = |path: &str| match client.get(path).status {
        200 => true,
        401 => false,
        other => panic!("{path}: {other}"),
    };
    (allowed("/api/system/version"), allowed("/api/tenant"))
}

fn no_list_means_no_restriction(server: &Server) {
    for permissions in [json!(null), json!({}), json!({"endpoints": null})] {
        let key = server.api_key(json!({"permissions": permissions}));
        assert_eq!(reach(&server.with_key(&key.value)), (true, true), "{permissions}");
        assert!(stored(server, &key).get("permissions").is_none(), "{permissions}");
        // A restricted key loses its restriction in the same words.
        let key = server.restricted(json!({"/api/user": []}));
        server.as_key_manager().put(&key.path(), &body(json!({"permissions": permissions}))).ok();
        assert_eq!(reach(&server.with_key(&key.value)), (true, true), "{permissions}");
    }
}

fn a_disabled_key_is_dead_until_it_is_enabled(server: &Server) {
    let key = server.unrestricted();
    let manager = server.as_key_manager();
    let set =
        |client: &Client, disabled: bool| client.patch(&key.path(), &body(json!({"disabled": disabled})));
    assert_eq!(reach(&server.with_key(&key.value)), (true, true));
    // Nobody else may: not even the key itself.
    for client in [server.anonymous(), server.with_key(&key.value), server.with_key("no key has this value")]
    {
        set(&client, true).denied();
    }
    set(&manager.in_tenant(&server.tenant()), true).not_found();
    manager.patch(&key.path(), &body(json!({"disabled": "yes"}))).refused(&["apiKey.disabled [invalidJSON]"]);
    assert_eq!(reach(&server.with_key(&key.value)), (true, true));

    let mut expected = stored(server, &key);
    expected["disabled"] = json!(true);
    let disabled = set(&manager, true).ok()["apiKey"].take();
    assert_eq!(reach(&server.with_key(&key.value)), (false, false));
    assert_eq!(disabled, expected);
    // Another PATCH leaves the key disabled.
    manager.patch(&key.path(), &body(json!({"name": unique("still disabled")}))).ok();
    assert_eq!(reach(&server.with_key(&key.value)), (false, false));
    server.while_stopped(|_| ());
    let manager = server.as_key_manager();
    assert_eq!(reach(&server.with_key(&key.value)), (false, false));
    assert_eq!(stored(server, &key)["disabled"], json!(true));
    manager.patch(&key.path(), &body(json!({"disabled": false}))).ok();
    assert_eq!(reach(&server.with_key(&key.value)), (true, true));
}

fn a_list_without_methods_grants_nothing(server: &Server) {
    for endpoints in [
        json!({}),
        json!({"/api/user": []}),
        json!({"/api/system/version": [], "/api/tenant": []}),
        json!({"/api/system/version": null}),
        json!({"/not/in/the/catalogue": ["GET"]}),
    ] {
        let key = server.restricted(endpoints.clone());
        assert_eq!(reach(&server.with_key(&key.value)), (false, false), "{endpoints}");
    }
    for (given, kept) in [(json!({"/api/user": null}), json!({"/api/user": []})), (json!({}), json!({}))] {
        let key = server.restricted(given);
        assert_eq!(stored(server, &key)["permissions"], json!({"endpoints": kept}));
    }
}

fn grants_are_exact(server: &Server) {
    for (endpoints, expected) in [
        (json!({"/api/system/version": ["GET"]}), (true, false)),
        (json!({"/api/tenant": ["GET"]}), (false, true)),
        (json!({"/api/tenant": ["POST", "PUT", "PATCH", "DELETE"]}), (false, false)),
        (json!({"/api/tenant/search": ["GET"], "/api/system": ["GET"]}), (false, false)),
        (json!({"/api/tenant/": ["GET"], "/api/system/version/": ["GET"]}), (false, false)),
        (json!({"/API/TENANT": ["GET"], "/Api/System/Version": ["GET"]}), (false, false)),
        (json!({"/": ["GET"], "/api": ["GET"], "/api/*": ["GET"], "/**": ["GET"]}), (false, false)),
        (json!({"/api/tenant/{tenantId}": ["GET"], "//api/tenant": ["GET"]}), (false, false)),
    ] {
        let key = server.restricted(endpoints.clone());
        assert_eq!(reach(&server.with_key(&key.value)), expected, "{endpoints}");
    }
    let key = server.restricted(json!({"/api/tenant": ["GET"]}));
    let client = server.with_key(&key.value);
    let id = server.tenant();
    client.get(&format!("/api/tenant/{id}")).ok();
    client.delete(&format!("/api/tenant/{id}")).denied();
    client.put(&format!("/api/tenant/{id}"), &json!({"tenant": {"name": unique("x")}})).denied();
    client.post("/api/tenant", &json!({"tenant": {"name": unique("x")}})).denied();
}

fn a_new_key_works_at_once(server: &Server) {
    for _ in 0..20 {
        let key = server.unrestricted();
        server.with_key(&key.value).get("/api/system/version").ok();
    }
}

fn a_deleted_key_is_dead_at_once(server: &Server) {
    for _ in 0..20 {
        let key = server.unrestricted();
        server.as_key_manager().delete(&key.path()).done();
        server.with_key(&key.value).get("/api/system/version").denied();
    }
}

fn a_narrowed_key_is_narrow_at_once(server: &Server) {
    let manager = server.as_key_manager();
    let key = server.unrestricted();
    let client = server.with_key(&key.value);
    let endpoints = |endpoints: Value| body(json!({"permissions": {"endpoints": endpoints}}));
    for _ in 0..5 {
        manager.put(&key.path(), &endpoints(json!({"/api/tenant": ["GET"]}))).ok();
        assert_eq!(reach(&client), (false, true));
        manager
            .patch(&key.path(), &endpoints(json!({"/api/tenant": null, "/api/system/version": ["GET"]})))
            .ok();
        assert_eq!(reach(&client), (true, false));
        manager.put(&key.path(), &body(json!({}))).ok();
        assert_eq!(reach(&client), (true, true));
        manager.put(&key.path(), &body(json!({"expirationInstant": START - 1}))).ok();
        assert_eq!(reach(&client), (false, false));
        manager.patch(&key.path(), &body(json!({"expirationInstant": null}))).ok();
        assert_eq!(reach(&client), (true, true));
    }
}

fn tenants_of_keys_confine_them(server: &Server) {
    let (own, other) = (server.tenant(), server.tenant());
    let key = server.api_key(json!({"tenantId": own}));
    let client = server.with_key(&key.value);
    assert_eq!(reach(&client), (true, true));
    assert_eq!(reach(&client.in_tenant(&own)), (true, true));
    assert_eq!(reach(&client.in_tenant(&own.to_uppercase())), (true, true));
    assert_eq!(reach(&client.in_tenant(&other)), (false, false));
    client.get("/api/key").denied();
    // Granted or not, a global endpoint is out of a tenant key's reach.
    let granted =
        server.api_key(json!({"tenantId": own, "permissions": {"endpoints": {"/api/key": ["GET"]}}}));
    server.with_key(&granted.value).get("/api/key").denied();
}

fn changes_do_not_reach_other_keys(server: &Server) {
    // Two keys with the same permissions share them in memory; they must not share their fate.
    let endpoints = json!({"/api/system/version": ["GET"]});
    let (first, second) = (server.restricted(endpoints.clone()), server.restricted(endpoints));
    server
        .as_key_manager()
        .patch(&first.path(), &body(json!({"permissions": {"endpoints": {"/api/tenant": ["GET"]}}})))
        .ok();
    assert_eq!(reach(&server.with_key(&first.value)), (true, true));
    assert_eq!(reach(&server.with_key(&second.value)), (true, false));
    server.as_key_manager().delete(&first.path()).done();
    assert_eq!(reach(&server.with_key(&second.value)), (true, false));
}

fn a_key_dies_at_its_expiration(server: &Server) {
    let key = server.api_key(json!({"expirationInstant": START + 1000}));
    let client = server.with_key(&key.value);
    let alive = |now: i64| {
        server.set_now(now);
        reach(&client)
    };
    assert_eq!(alive(START), (true, true));
    assert_eq!(alive(START + 999), (true, true));
    assert_eq!(alive(START + 1000), (false, false));
    assert_eq!(alive(START + 1001), (false, false));
    // It is kept, and can be made to work again.
    assert_eq!(stored(server, &key)["expirationInstant"], json!(START + 1000));
    server.as_key_manager().put(&key.path(), &body(json!({"expirationInstant": START + 2000}))).ok();
    assert_eq!(alive(START + 1001), (true, true));
    assert_eq!(alive(START + 2000), (false, false));
    server.as_key_manager().patch(&key.path(), &body(json!({"expirationInstant": null}))).ok();
    assert_eq!(alive(START + 100_000_000_000), (true, true));
}

fn keys_outlive_a_restart(server: &Server) {
    let narrow = server.restricted(json!({"/api/tenant": ["GET"]}));
    let nothing = server.restricted(json!({"/api/user": []}));
    let expired = server.api_key(json!({"expirationInstant": START}));
    let confined = server.api_key(json!({"tenantId": server.tenant()}));
    let deleted = server.unrestricted();
    server.as_key_manager().delete(&deleted.path()).done();
    let read = || [&narrow, &nothing, &expired, &confined].map(|key| stored(server, key));
    let before = read();
    server.while_stopped(|_| ());
    assert_eq!(read(), before);
    assert_eq!(reach(&server.with_key(&narrow.value)), (false, true));
    assert_eq!(reach(&server.with_key(&nothing.value)), (false, false));
    assert_eq!(reach(&server.with_key(&expired.value)), (false, false));
    assert_eq!(reach(&server.with_key(&confined.value)), (true, true));
    server.with_key(&confined.value).get("/api/key").denied();
    server.with_key(&deleted.value).get("/api/system/version").denied();
}

fn what_counts_is_the_end_of_a_slow_body(server: &Server) {
    let manager = server.as_key_manager();
    let endpoints = json!({"/api/tenant": ["GET", "POST"]});
    let tenants = || manager.get("/api/tenant").ok()["tenants"].as_array().unwrap().len();
    let before = tenants();
    // Each takes the caller's right away while its body is on the way.
    let takings: [&dyn Fn(&TestKey); 4] = [
        &|key| manager.delete(&key.path()).done(),
        &|key| {
            drop(
                manager
                    .put(&key.path(), &body(json!({"permissions": {"endpoints": {"/api/tenant": ["GET"]}}})))
                    .ok(),
            )
        },
        &|key| drop(manager.patch(&key.path(), &body(json!({"expirationInstant": START}))).ok()),
        &|key| server.set_now(stored(server, key)["expirationInstant"].as_i64().unwrap()),
    ];
    for take in takings {
        let expiration = START + 1000;
        let key =
            server.api_key(json!({"permissions": {"endpoints": endpoints}, "expirationInstant": expiration}));
        let document = json!({"tenant": {"name": unique("slow")}}).to_string();
        let (first, rest) = document.split_at(document.len() / 2);
        let length = document.len().to_string();
        let headers = [
            ("Authorization", key.value.as_str()),
            ("Content-Type", "application/json"),
            ("Content-Length", &length),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()));
        let mut connection = Connection::open(server.address());
        let reads = server.clock_reads();
        connection.write(head("POST", "/api/tenant", &headers).as_bytes()).unwrap();
        connection.write(first.as_bytes()).unwrap();
        // The gate has let the caller through.
        while server.clock_reads() == reads {
            thread::yield_now();
        }
        take(&key);
        connection.write(rest.as_bytes()).unwrap();
        connection.read("POST").unwrap().denied();
        assert_eq!(tenants(), before);
    }
}
