//! A token is dead when the call that took away what it rests on has returned.

use serde_json::json;

use super::super::Told;
use super::{World, audience, entity_path, type_path};
use crate::support::{Server, unique};
use crate::token::{configure, generate, text};

on_each_database! {
    own: a_deleted_entity_is_unknown, a_deleted_audience_is_nobodys, a_deleted_tenant_is_unknown,
        a_tenant_that_is_being_deleted_is_unknown, a_deleted_key_is_unknown, a_restart_changes_nothing,
        a_grant_that_was_taken_away_holds_until_the_end;
}

fn a_deleted_entity_is_unknown(server: &Server) {
    let world = World::new(server);
    let token = world.token();
    world.accepts(&token);
    world.server.as_key_manager().in_tenant(&world.tenant).delete(&entity_path(&world.entity)).done();
    world.ask(&token, "GET", "/v1/orders").unknown();
    // Under the same id again, in the same tenant, it is the same to its tokens.
    world.make_entity(&world.tenant, &world.entity_type, Some(&world.entity));
    world.accepts(&token);
}

fn a_deleted_audience_is_nobodys(server: &Server) {
    let world = World::new(server);
    let token = world.token();
    world.accepts(&token);
    let manager = world.server.as_key_manager();
    manager.in_tenant(&world.tenant).delete(&entity_path(&audience())).done();
    world.ask(&token, "GET", "/v1/orders").unknown();
    let other = world.server.tenant();
    world.make_entity(&other, &world.entity_type, Some(&audience()));
    world.ask(&token, "GET", "/v1/orders").unknown();
}

fn a_deleted_tenant_is_unknown(server: &Server) {
    let world = World::new(server);
    let token = world.token();
    world.accepts(&token);
    world.server.as_key_manager().delete(&format!("/api/tenant/{}", world.tenant)).done();
    world.ask(&token, "GET", "/v1/orders").unknown();
}

fn a_tenant_that_is_being_deleted_is_unknown(server: &Server) {
    let world = World::new(server);
    for _ in 0..50 {
        world.make_entity(&world.tenant, &world.entity_type, None);
    }
    let token = world.token();
    world.accepts(&token);
    let path = format!("/api/tenant/{}?async=true", world.tenant);
    assert_eq!(world.server.as_key_manager().delete(&path).status, 202);
    world.ask(&token, "GET", "/v1/orders").unknown();
}

fn a_deleted_key_is_unknown(server: &Server) {
    let world = World::new(server);
    let token = world.token();
    let manager = world.server.as_key_manager();
    let path = format!("/api/key/{}", world.key.id());
    manager.delete(&path).refused(&["keyId [inUse]keyId"]);
    world.accepts(&token);
    let other = generate(&world.server, "Ed25519");
    configure(
        &world.server,
        &world.tenant,
        json!({"accessTokenKeyId": other["id"], "timeToLiveInSeconds": 60}),
    );
    world.ask(&token, "GET", "/v1/orders").unknown();
    manager.delete(&path).done();
    world.ask(&token, "GET", "/v1/orders").unknown();
    // Another secret under the id and the kid of the old one, and named again.
    let twin = json!({"type": "HMAC", "algorithm": "HS256", "secret": "another secret altogether",
        "kid": world.key.kid(), "name": unique("twin")});
    manager.post(&format!("/api/key/import/{}", world.key.id()), &json!({"key": twin})).ok();
    configure(
        &world.server,
        &world.tenant,
        json!({"accessTokenKeyId": world.key.id(), "timeToLiveInSeconds": 60}),
    );
    world.ask(&token, "GET", "/v1/orders").unknown();
}

fn a_restart_changes_nothing(server: &Server) {
    let world = World::new(server);
    let token = world.token();
    world.accepts(&token);
    world.server.while_stopped(|_| ());
    world.accepts(&token);
}

/// As with FusionAuth: what was granted when the token was made holds while it lasts, so keep them short.
fn a_grant_that_was_taken_away_holds_until_the_end(server: &Server) {
    let world = World::new(server);
    let manager = world.server.as_key_manager().in_tenant(&world.tenant);
    let permission = json!({"permission": {"name": "GET:/v1"}});
    let made = manager.post(&format!("{}/permission", type_path(&world.entity_type)), &permission).ok();
    assert_eq!(text(&made["permission"], "name"), "GET:/v1");
    let path = format!("{}/grant", entity_path(&audience()));
    let grant = json!({"grant": {"recipientEntityId": world.entity, "permissions": ["GET:/v1"]}});
    manager.post(&path, &grant).done();
    let token = world.token_for(&["GET:/v1"]);
    world.accepts(&token);
    manager.delete(&format!("{path}?recipientEntityId={}", world.entity)).done();
    world.accepts(&token);
    world.server.set_now(world.server.now() + 60_000);
    world.ask(&token, "GET", "/v1/orders").unknown();
}
