//! What tokens say, and how they are signed.

use serde_json::{Value, json};

use super::{World, ask, ask_for, claims, entity_type, parts, target, text};
use crate::support::fixture::names;
use crate::support::server::START;
use crate::support::{Client, Server, unique, uuid};

on_each_database! {
    shared: a_token_is_as_documented, every_algorithm_signs, tokens_are_verified_like_others, the_type_has_a_key_of_its_own,
        texts_are_kept_whole, long_tokens_are_not_issued;
    own: no_signing_key_no_token, the_time_that_is_left_is_rounded_down, deletions_count_at_once,
        what_a_remembered_client_loses_is_lost_at_once;
}

fn a_token_is_as_documented(server: &Server) {
    let scim = entity_type(server, json!({}), &["scim:user:read"]);
    let world = World::with(server, json!({"scimServerConfiguration": {"serverEntityTypeId": scim["id"]}}));
    let target_entity = world.entity_of(&scim, json!({}));
    let client = world.entity(json!({}));
    world.grant(&target_entity, &client, &["scim:user:read"]);
    let scope = target(&target_entity, "scim:user:read");
    let reply = ask_for(server, &client, &scope);
    assert_eq!(reply.header("content-type"), Some("application/json;charset=UTF-8"));
    assert_eq!((reply.header("cache-control"), reply.header("pragma")), (Some("no-store"), Some("no-cache")));
    let document = reply.ok();
    assert_eq!(names(&document), ["access_token", "expires_in", "scope", "token_type"]);
    assert_eq!((&document["scope"], &document["token_type"]), (&json!(scope), &json!("Bearer")));
    let (header, claims) = parts(&reply);
    assert_eq!(names(&header), ["alg", "typ", "gty", "kid", "use"]);
    let expected = (&json!("JWT"), &json!(["client_credentials"]), &json!("scim_server"));
    assert_eq!((&header["typ"], &header["gty"], &header["use"]), expected);
    let order = ["aud", "exp", "iat", "iss", "sub", "jti", "scope", "tid", "permissions"];
    assert_eq!(names(&claims), order);
    let id = text(&target_entity, "id");
    let mut expected = json!({
        "aud": id, "exp": START / 1000 + 3600, "iat": START / 1000, "iss": "acme.com", "sub": client["id"],
        "scope": scope, "tid": world.tenant, "permissions": {id: ["scim:user:read"]},
    });
    expected["jti"] = claims["jti"].clone();
    assert_eq!(claims, expected);
    assert_eq!(text(&claims, "jti").as_bytes()[14], b'4');
    // For other types the header says nothing, and each token has an id of its own.
    let (header, other) = parts(&ask(server, &client, &[]));
    assert_eq!(names(&header), ["alg", "typ", "gty", "kid"]);
    assert_ne!(other["jti"], claims["jti"]);
}

fn validate(client: &Client, token: &str) -> u16 {
    client.with_header("Authorization", &format!("Bearer {token}")).get("/api/jwt/validate").status
}

fn tokens_are_verified_like_others(server: &Server) {
    let world = World::new(server);
    let token = ask(server, &world.entity(json!({})), &[]).ok()["access_token"].take();
    let token = token.as_str().unwrap();
    assert_eq!(validate(&server.anonymous().in_tenant(&world.tenant), token), 200);
    assert_eq!(validate(&server.anonymous().in_tenant(&server.tenant()), token), 401);
}

/// Quick ones sign on the event loop once the client is known, the others never.
fn every_algorithm_signs(server: &Server) {
    for algorithm in ["RS256", "ES256", "ES384", "HS256", "Ed25519"] {
        let key = crate::token::generate(server, algorithm);
        let jwt = json!({"accessTokenKeyId": key["id"], "timeToLiveInSeconds": 60,
            "refreshTokenTimeToLiveInMinutes": 60});
        let world = World::with(server, json!({"jwtConfiguration": jwt}));
        let (on, client) = (world.entity(json!({})), world.entity(json!({})));
        world.grant(&on, &client, &["read"]);
        for _ in 0..3 {
            let reply = ask_for(server, &client, &target(&on, ""));
            let (header, claims) = parts(&reply);
            assert_eq!((&header["alg"], &header["kid"]), (&json!(algorithm), &key["kid"]));
            assert_eq!(claims["permissions"], json!({text(&on, "id"): ["read"]}));
            let document = reply.ok();
            let token = text(&document, "access_token");
            assert_eq!(validate(&server.anonymous().in_tenant(&world.tenant), token), 200, "{algorithm}");
        }
        let wrong = json!({"clientId": client["clientId"], "clientSecret": "wrong"});
        super::refused(&ask(server, &wrong, &[]), 401, "invalid_client", "invalid_client_authentication");
        let reply = ask_for(server, &wrong, &target(&on, ""));
        super::refused(&reply, 401, "invalid_client", "invalid_client_authentication");
    }
}

fn the_type_has_a_key_of_its_own(server: &Server) {
    let world = World::new(server);
    let key = server.signing_key();
    let jwt = json!({"enabled": true, "accessTokenKeyId": key, "timeToLiveInSeconds": 60});
    let own = entity_type(server, json!({"jwtConfiguration": jwt}), &[]);
    let kid = server.as_key_manager().get(&format!("/api/key/{key}")).ok()["key"]["kid"].take();
    let reply = ask(server, &world.entity_of(&own, json!({})), &[]);
    assert_eq!(reply.ok()["expires_in"], 60);
    let (header, claims) = parts(&reply);
    assert_eq!((&header["kid"], claims["exp"].as_i64()), (&kid, Some(START / 1000 + 60)));
    // The type of the target has no say.
    let client = world.entity(json!({}));
    let on = world.entity_of(&own, json!({}));
    world.grant(&on, &client, &[]);
    let reply = ask_for(server, &client, &target(&on, ""));
    assert_eq!(reply.ok()["expires_in"], 3600);
    assert_ne!(parts(&reply).0["kid"], kid);
    // What is written in a type that does not enable it does not count.
    let path = format!("/api/entity/type/{}", text(&own, "id"));
    let off = json!({"name": own["name"], "jwtConfiguration": {"enabled": false, "timeToLiveInSeconds": 60}});
    server.as_key_manager().put(&path, &json!({"entityType": off})).ok();
    assert_eq!(ask(server, &on, &[]).ok()["expires_in"], 3600);
}

fn no_signing_key_no_token(server: &Server) {
    let world = World::new(server);
    let jwt = json!({"enabled": true, "accessTokenKeyId": server.signing_key(), "timeToLiveInSeconds": 60});
    let own = entity_type(server, json!({"jwtConfiguration": jwt}), &[]);
    let (client, with_key) = (world.entity(json!({})), world.entity_of(&own, json!({})));
    // Every tenant is given a key and keeps it: only a database that somebody else has written to lacks one.
    let without = format!("UPDATE tenant SET access_token_key_id = NULL WHERE id = '{}'", world.tenant);
    server.while_stopped(|_| server.database_execute(&without));
    let reply = ask(server, &client, &[]);
    super::refused(&reply, 400, "unauthorized_client", "access_token_failed_processing");
    // A type with a key of its own does not need the tenant's.
    ask(server, &with_key, &[]).ok();
}

/// Issuer, permissions and scope can hold whatever text can.
fn texts_are_kept_whole(server: &Server) {
    let issuer = "https://acme.com/\"é\\ \u{1f600}";
    let world = World::with(server, json!({"issuer": issuer}));
    let name = "a\"b\\c:é\u{1f600}";
    let of = entity_type(server, json!({}), &[name, "plain, with a space"]);
    let (on, client) = (world.entity_of(&of, json!({})), world.entity(json!({})));
    world.grant(&on, &client, &[name, "plain, with a space"]);
    let scope = target(&on, name);
    let by_name = claims(&ask_for(server, &client, &scope));
    assert_eq!((&by_name["iss"], &by_name["scope"]), (&json!(issuer), &json!(scope)));
    assert_eq!(by_name["permissions"][text(&on, "id")], json!([name]));
    let all = claims(&ask_for(server, &client, &target(&on, "")));
    assert_eq!(all["permissions"][text(&on, "id")], json!([name, "plain, with a space"]));
}

fn long_tokens_are_not_issued(server: &Server) {
    let world = World::new(server);
    let permissions: Vec<_> = (0..300).map(|number| format!("{number:0>180}")).collect();
    let permissions: Vec<_> = permissions.iter().map(String::as_str).collect();
    let of = entity_type(server, json!({}), &permissions);
    let (on, client) = (world.entity_of(&of, json!({})), world.entity(json!({})));
    world.grant(&on, &client, &permissions[..200]);
    assert_eq!(ask_for(server, &client, &target(&on, "")).status, 200);
    world.grant(&on, &client, &permissions);
    let reply = ask_for(server, &client, &target(&on, ""));
    super::refused(&reply, 400, "invalid_scope", "invalid_entity_permission_scope");
}

fn the_time_that_is_left_is_rounded_down(server: &Server) {
    let world = World::new(server);
    let client = world.entity(json!({}));
    for (millis, left) in [(0, 3600), (1, 3599), (999, 3599)] {
        server.set_now(START + millis);
        let reply = ask(server, &client, &[]);
        assert_eq!(reply.ok()["expires_in"], left, "{millis}");
        assert_eq!(claims(&reply)["iat"], START / 1000);
    }
    server.set_now(START + 1000);
    assert_eq!(claims(&ask(server, &client, &[]))["iat"], START / 1000 + 1);
}

fn deletions_count_at_once(server: &Server) {
    let world = World::new(server);
    let (on, client) = (world.entity(json!({})), world.entity(json!({})));
    world.grant(&on, &client, &["read", "write"]);
    let granted = |scope: &str| -> Value { claims(&ask_for(server, &client, scope))["permissions"].clone() };
    let id = text(&on, "id");
    assert_eq!(granted(&target(&on, "")), json!({id: ["read", "write"]}));
    let permission = format!("/api/entity/type/{}/permission?name=write", text(&world.entity_type, "id"));
    server.as_key_manager().delete(&permission).done();
    assert_eq!(granted(&target(&on, "")), json!({id: ["read"]}));
    let reply = ask_for(server, &client, &target(&on, "write"));
    super::refused(&reply, 400, "invalid_scope", "invalid_entity_permission_scope");
    let grant = format!("/api/entity/{id}/grant?recipientEntityId={}", text(&client, "id"));
    world.home.delete(&grant).done();
    super::refused(
        &ask_for(server, &client, &target(&on, "")),
        400,
        "invalid_scope",
        "invalid_target_entity_scope",
    );
    world.home.delete(&format!("/api/entity/{}", text(&client, "id"))).done();
    super::refused(&ask(server, &client, &[]), 401, "invalid_client", "invalid_client_authentication");
    let again = json!({"id": client["id"], "clientId": uuid()});
    let renewed = world.home.post(
        &format!("/api/entity/{}", text(&client, "id")),
        &json!({"entity": {
        "name": "again", "type": {"id": world.entity_type["id"]}, "clientId": again["clientId"]}}),
    );
    assert_eq!(ask(server, &renewed.ok()["entity"], &[]).status, 200);
}

fn what_a_remembered_client_loses_is_lost_at_once(server: &Server) {
    // Of the algorithms whose tokens are issued without another thread.
    let key = json!({"key": {"name": unique("quick"), "algorithm": "ES256"}});
    let key = server.as_key_manager().post("/api/key/generate", &key).ok()["key"]["id"].take();
    let jwt =
        |seconds: u32| json!({"enabled": true, "accessTokenKeyId": key, "timeToLiveInSeconds": seconds});
    let of = entity_type(server, json!({"jwtConfiguration": jwt(600)}), &["read", "write"]);
    let world = World::new(server);
    let [on, client] = [(); 2].map(|()| world.entity_of(&of, json!({})));
    world.grant(&on, &client, &["read", "write"]);
    let both = target(&on, "read,write");
    let remembered = || {
        for _ in 0..3 {
            assert_eq!(ask_for(server, &client, &both).status, 200);
        }
    };
    // A grant that becomes narrower.
    remembered();
    world.grant(&on, &client, &["read"]);
    let reply = ask_for(server, &client, &both);
    super::refused(&reply, 400, "invalid_scope", "invalid_entity_permission_scope");
    world.grant(&on, &client, &["read", "write"]);
    // A type that gives tokens a shorter life.
    remembered();
    let shorter = json!({"entityType": {"name": of["name"], "jwtConfiguration": jwt(60)}});
    server.as_key_manager().put(&format!("/api/entity/type/{}", text(&of, "id")), &shorter).ok();
    assert_eq!(ask_for(server, &client, &both).ok()["expires_in"], 60);
    // The entity for which the tokens are, with its grants.
    remembered();
    world.home.delete(&format!("/api/entity/{}", text(&on, "id"))).done();
    let reply = ask_for(server, &client, &both);
    super::refused(&reply, 400, "invalid_scope", "invalid_target_entity_scope");
    // A secret that another one takes the place of.
    assert_eq!(ask(server, &client, &[]).status, 200);
    let changed = json!({"entity": {"name": "n", "clientSecret": unique("another secret")}});
    world.home.put(&format!("/api/entity/{}", text(&client, "id")), &changed).ok();
    super::refused(&ask(server, &client, &[]), 401, "invalid_client", "invalid_client_authentication");
}
