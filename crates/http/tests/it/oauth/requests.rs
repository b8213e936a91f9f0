//! Every line of the table of requests: what a scope asks for, and what the token says then.

use serde_json::json;

use super::{World, ask, ask_for, claims, entity_type, refused, target, text};
use crate::support::fixture::names;
use crate::support::{Server, uuid};

on_each_database! {
    shared: every_line_of_the_table, default_permissions_are_granted, what_is_unknown_looks_alike,
        the_query_string_does_not_count;
}

fn every_line_of_the_table(server: &Server) {
    let world = World::new(server);
    let client = world.entity(json!({}));
    let [one, two, three] = [(); 3].map(|()| world.entity(json!({})));
    world.grant(&one, &client, &["read", "scim:user:read", "write"]);
    world.grant(&two, &client, &["write"]);
    world.grant(&three, &client, &[]);
    let [a, b, c] = [&one, &two, &three].map(|entity| text(entity, "id"));

    // No scope, or an empty one: neither audience nor permissions.
    for more in [&[][..], &[("scope", "")]] {
        let reply = ask(server, &client, more);
        assert_eq!(names(&reply.ok()), ["access_token", "expires_in", "token_type"]);
        assert_eq!(names(&claims(&reply)), ["exp", "iat", "iss", "sub", "jti", "tid"]);
    }
    // The entity only: all that is granted.
    let found = claims(&ask_for(server, &client, &target(&one, "")));
    let all = json!({a: ["read", "scim:user:read", "write"]});
    assert_eq!((&found["aud"], &found["permissions"]), (&json!(a), &all));
    // With permissions: those, and no others; sorted, each once.
    for (asked, permitted) in [
        ("read", json!(["read"])),
        ("scim:user:read", json!(["scim:user:read"])),
        ("write,read,write", json!(["read", "write"])),
    ] {
        let found = claims(&ask_for(server, &client, &target(&one, asked)));
        assert_eq!((&found["aud"], &found["permissions"]), (&json!(a), &json!({a: permitted})));
    }
    // One that is not granted fails the whole request, be it known or not.
    for scope in
        [target(&two, "read"), target(&two, "write,read"), target(&two, "nothing"), target(&three, "read")]
    {
        refused(&ask_for(server, &client, &scope), 400, "invalid_scope", "invalid_entity_permission_scope");
    }
    // Several entities: a list, and a member for each; in the order in which they are named.
    let scope = format!("{} {}", target(&two, ""), target(&one, "read"));
    let found = claims(&ask_for(server, &client, &scope));
    assert_eq!(found["aud"], json!([b, a]));
    assert_eq!(found["permissions"], json!({b: ["write"], a: ["read"]}));
    assert_eq!(names(&found["permissions"]), [b, a]);
    // Items of one entity are merged.
    let scope = format!("{} {}", target(&one, "read"), target(&one, "write"));
    let found = claims(&ask_for(server, &client, &scope));
    assert_eq!((&found["aud"], &found["permissions"]), (&json!(a), &json!({a: ["read", "write"]})));
    let scope = format!("{} {}", target(&one, "read"), target(&one, ""));
    assert_eq!(claims(&ask_for(server, &client, &scope))["permissions"], all);
    // No grant at all fails, also when no permission is named, and wherever it stands.
    let stranger = world.entity(json!({}));
    for scope in [
        target(&stranger, ""),
        target(&stranger, "read"),
        format!("{} {}", target(&one, ""), target(&stranger, "")),
        format!("{} {}", target(&stranger, ""), target(&one, "")),
        target(&client, ""),
    ] {
        refused(&ask_for(server, &client, &scope), 400, "invalid_scope", "invalid_target_entity_scope");
    }
    // A grant without permissions makes an audience and no member.
    let found = claims(&ask_for(server, &client, &target(&three, "")));
    assert_eq!(found["aud"], json!(c));
    assert!(found.get("permissions").is_none(), "{found}");
    let scope = format!("{} {} {}", target(&three, ""), target(&two, ""), target(&one, "read"));
    let found = claims(&ask_for(server, &client, &scope));
    assert_eq!(found["aud"], json!([c, b, a]));
    assert_eq!(found["permissions"], json!({b: ["write"], a: ["read"]}));
    // An id in capitals is the same one.
    let capitals = format!("target-entity:{}", a.to_uppercase());
    let found = claims(&ask_for(server, &client, &capitals));
    assert_eq!((&found["aud"], &found["scope"]), (&json!(a), &json!(capitals)));
}

fn default_permissions_are_granted(server: &Server) {
    let world = World::new(server);
    let of = entity_type(server, json!({}), &["read"]);
    let path = format!("/api/entity/type/{}/permission", text(&of, "id"));
    let permission = json!({"permission": {"name": "default", "isDefault": true}});
    server.as_key_manager().post(&path, &permission).ok();
    let (on, client) = (world.entity_of(&of, json!({})), world.entity(json!({})));
    let grant = json!({"grant": {"recipientEntityId": client["id"]}});
    world.home.post(&format!("/api/entity/{}/grant", text(&on, "id")), &grant).done();
    let found = claims(&ask_for(server, &client, &target(&on, "")));
    assert_eq!(found["permissions"], json!({text(&on, "id"): ["default"]}));
}

/// An entity that there is not, one without a grant and one of another tenant get the same answer, byte for byte.
fn what_is_unknown_looks_alike(server: &Server) {
    let (world, other) = (World::new(server), World::new(server));
    let client = world.entity(json!({}));
    let ids = [
        uuid(),
        text(&world.entity(json!({})), "id").to_owned(),
        text(&other.entity(json!({})), "id").to_owned(),
        text(&client, "id").to_owned(),
    ];
    for permission in ["", ":read", ":nothing"] {
        let replies = ids.each_ref().map(|id| {
            let reply = ask_for(server, &client, &format!("target-entity:{id}{permission}"));
            refused(&reply, 400, "invalid_scope", "invalid_target_entity_scope");
            reply.text().to_owned()
        });
        assert!(replies.iter().all(|reply| *reply == replies[0]), "{replies:?}");
    }
}

fn the_query_string_does_not_count(server: &Server) {
    let world = World::new(server);
    let client = world.entity(json!({}));
    let (id, secret) = (text(&client, "clientId"), text(&client, "clientSecret"));
    let query = format!("?grant_type=client_credentials&client_id={id}&client_secret={secret}");
    let path = format!("{}{query}", super::TOKEN);
    refused(&super::post(&server.anonymous(), &path, ""), 400, "invalid_request", "missing_grant_type");
    let grant = "grant_type=client_credentials";
    let reply = super::post(&server.anonymous(), &path, grant);
    refused(&reply, 401, "invalid_client", "client_authentication_missing");
    // What stands there does no harm either.
    let whole = format!("{grant}&client_id={id}&client_secret={secret}");
    let path = format!("{}?client_secret=wrong&grant_type=password&scope=x&tenantId=y", super::TOKEN);
    super::post(&server.anonymous(), &path, &whole).ok();
}
