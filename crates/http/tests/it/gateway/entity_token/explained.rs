//! `POST /api/authorize` about the token of an entity.

use claviger_domain::Permissions;
use serde_json::{Value, json};

use super::{World, audience, named};
use crate::support::{Client, Reply, Server, uuid};

on_each_database! {
    own: tokens_are_explained_as_gateways_are_told, only_covered_tokens_are_explained;
}

fn authorize(client: &Client, members: &Value) -> Reply {
    client.post("/api/authorize", &json!({"authorization": members}))
}

fn tokens_are_explained_as_gateways_are_told(server: &Server) {
    let world = World::new(server);
    let manager = world.server.as_key_manager();
    let token = world.token();
    let about = |token: &str, method: &str, path: &str| {
        let reply = authorize(&manager, &json!({"token": token, "method": method, "path": path}));
        assert!(token.is_empty() || !reply.text().contains(token));
        reply
    };
    let told = about(&token, "GET", "/v1/orders").ok();
    let expected = json!({"allowed": true, "entityId": world.entity, "tenantId": world.tenant, "missing": [],
        "explanation": format!("allowed in the tenant {}", world.tenant)});
    assert_eq!(told, json!({"authorization": expected}));
    for (method, path) in [
        ("GET", "/v1/a"),
        ("HEAD", "/v1"),
        ("PUT", "/v1"),
        ("GET", "/V1"),
        ("GET", "/v1//a"),
        ("GET", "/api/key"),
        ("GET", "/api/api-key"),
        ("GET", "/api/Key"),
    ] {
        let reply = world.ask(&token, method, path);
        let answer = about(&token, method, path).ok()["authorization"].take();
        assert_eq!(answer["allowed"], reply.status == 200, "{method} {path}");
        assert_eq!(answer["missing"] == json!([]), reply.status == 200, "{answer}");
        assert_eq!(answer["tenantId"].as_str(), reply.header("x-claviger-tenant-id"));
    }
    let needed = "PUT on /v1/orders or a path above it (the entry /v1 decides)";
    let answer = about(&token, "PUT", "/v1/orders").ok()["authorization"].take();
    assert_eq!((&answer["reason"], &answer["missing"]), (&json!("not_granted"), &json!([needed])));
    let named_tenant = json!({"token": token, "method": "GET", "path": "/v1", "tenantId": uuid()});
    let answer = authorize(&manager, &named_tenant).ok()["authorization"].take();
    assert_eq!(answer["reason"], "other_tenant");
    let other = world.token_with(json!({"aud": world.entity}));
    let answer = about(&other, "GET", "/v1").ok()["authorization"].take();
    let needed = format!("a token whose audience is the entity {}", audience());
    assert_eq!(answer["explanation"], format!("denied (other_audience): needs {needed}"));
    assert_eq!((&answer["allowed"], &answer["missing"]), (&json!(false), &json!([needed])));
    assert_eq!(answer["entityId"], json!(world.entity));
    // What is no live token is nobody's.
    for token in
        ["", "a.b.c", &world.token_with(json!({"sub": uuid()})), &world.token_with(json!({"exp": 1}))]
    {
        about(token, "GET", "/v1").not_found();
    }
    let bare = json!({"key": token, "method": "GET", "path": "/v1"});
    authorize(&manager, &bare).not_found();
    let both = json!({"token": token, "key": "k", "method": "GET", "path": "/v1"});
    authorize(&manager, &both).refused(&["authorization.key [missing]authorization.key"]);
    named(&world.ask(&token, "GET", "/v1"), &world.entity, &world.tenant);
}

fn only_covered_tokens_are_explained(server: &Server) {
    let world = World::new(server);
    let other = world.server.tenant();
    let narrow = |text: &str| Permissions::Only(text.parse().unwrap());
    let keys = world.server.command_line_api_keys([
        ("of the tenant", true, Permissions::All, Some(&world.tenant)),
        ("of another tenant", true, Permissions::All, Some(&other)),
        ("covering", true, narrow("GET,POST:/v1"), None),
        ("too narrow", true, narrow("GET:/v1"), None),
    ]);
    let question = json!({"token": world.token(), "method": "GET", "path": "/v1"});
    for (key, expected) in keys.iter().zip([200, 404, 200, 404]) {
        assert_eq!(authorize(&world.server.with_key(&key.value), &question).status, expected);
    }
    let manager = world.server.as_key_manager();
    authorize(&manager.in_tenant(&other), &question).not_found();
    authorize(&manager.in_tenant(&world.tenant), &question).ok();
    authorize(&world.server.with_key(&world.server.unrestricted().value), &question).denied();
    authorize(&world.bearing(&world.token()), &question).denied();
}
