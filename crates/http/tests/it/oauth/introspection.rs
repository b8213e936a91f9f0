//! What a token says and whether it still counts, for its client and those it is meant for.

use serde_json::{Value, json};

use super::{INTROSPECT, World, ask, ask_for, claims, credentials, form, refused, target, text, with_basic};
use crate::support::fixture::names;
use crate::support::server::START;
use crate::support::{Reply, Server};

on_each_database! {
    shared: the_claims_are_shown, only_its_client_and_its_audience_may_ask, hints_must_not_contradict,
        what_is_no_token_is_inactive, requests_are_checked;
    own: tokens_end;
}

fn introspect(server: &Server, entity: &Value, more: &[(&str, &str)]) -> Reply {
    form(&server.anonymous(), INTROSPECT, &[&credentials(entity)[..], more].concat())
}

#[track_caller]
fn token(reply: &Reply) -> String {
    text(&reply.ok(), "access_token").to_owned()
}

#[track_caller]
fn inactive(reply: &Reply) {
    assert_eq!((reply.status, reply.text()), (200, r#"{"active":false}"#));
    assert_eq!((reply.header("cache-control"), reply.header("pragma")), (Some("no-store"), Some("no-cache")));
}

fn the_claims_are_shown(server: &Server) {
    let world = World::new(server);
    let (on, client) = (world.entity(json!({})), world.entity(json!({})));
    world.grant(&on, &client, &["read"]);
    let issued = ask_for(server, &client, &target(&on, ""));
    let (token, mut expected) = (token(&issued), claims(&issued));
    let found = introspect(server, &client, &[("token", &token)]).ok();
    let order = ["active", "aud", "exp", "iat", "iss", "sub", "jti", "scope", "tid", "permissions"];
    assert_eq!(names(&found), order);
    expected["active"] = json!(true);
    assert_eq!(found, expected);
    let plain = format!("{}:{}", text(&client, "clientId"), text(&client, "clientSecret"));
    assert_eq!(form(&with_basic(server, &plain), INTROSPECT, &[("token", &token)]).ok(), found);
}

fn only_its_client_and_its_audience_may_ask(server: &Server) {
    let world = World::new(server);
    let (on, client, other) = (world.entity(json!({})), world.entity(json!({})), world.entity(json!({})));
    let second = world.entity(json!({}));
    world.grant(&on, &client, &["read"]);
    world.grant(&second, &client, &[]);
    let scope = format!("{} {}", target(&on, ""), target(&second, ""));
    let token = token(&ask_for(server, &client, &scope));
    for asking in [&client, &on, &second] {
        assert_eq!(introspect(server, asking, &[("token", &token)]).ok()["active"], true);
    }
    let elsewhere = World::new(server).entity(json!({}));
    for asking in [&other, &elsewhere] {
        let reply = introspect(server, asking, &[("token", &token)]);
        refused(&reply, 401, "invalid_client", "client_id_mismatch");
        assert!(!reply.text().contains(text(&client, "id")));
    }
    let reply = introspect(server, &client, &[("token", &token), ("tenantId", &server.tenant())]);
    refused(&reply, 400, "invalid_request", "invalid_tenant_id");
}

fn hints_must_not_contradict(server: &Server) {
    let world = World::new(server);
    let client = world.entity(json!({}));
    let token = token(&ask(server, &client, &[]));
    for hint in ["access_token", "", "something"] {
        let found = introspect(server, &client, &[("token", &token), ("token_type_hint", hint)]);
        assert_eq!(found.ok()["active"], true, "{hint}");
    }
    for hint in ["id_token", "refresh_token"] {
        let reply = introspect(server, &client, &[("token", &token), ("token_type_hint", hint)]);
        refused(&reply, 400, "unsupported_token_type", "token_type_hint_mismatch");
        // Of what is no token nothing can be said.
        inactive(&introspect(server, &client, &[("token", "x"), ("token_type_hint", hint)]));
    }
}

fn what_is_no_token_is_inactive(server: &Server) {
    let world = World::new(server);
    let client = world.entity(json!({}));
    let token = token(&ask(server, &client, &[]));
    let (start, end) = token.split_at(token.len() - 10);
    let changed = format!("{start}{}", end.chars().rev().collect::<String>());
    // Vended tokens are none of entities, whatever they say.
    let vend = json!({"claims": {"sub": client["id"], "tid": world.tenant}});
    let vended = world.home.post("/api/jwt/vend", &vend).ok();
    let mut parts: Vec<_> = token.split('.').collect();
    parts[2] = "";
    let unsigned = parts.join(".");
    for other in ["x", "a.b.c", &changed, text(&vended, "token"), start, &unsigned, &token.repeat(2)] {
        inactive(&introspect(server, &client, &[("token", other)]));
    }
    inactive(&introspect(server, &client, &[("token", &"x".repeat(1_000_000))]));
}

fn requests_are_checked(server: &Server) {
    let world = World::new(server);
    let client = world.entity(json!({}));
    refused(&introspect(server, &client, &[]), 400, "invalid_request", "missing_token");
    refused(&introspect(server, &client, &[("token", "")]), 400, "invalid_request", "missing_token");
    let token = token(&ask(server, &client, &[]));
    let sent = |parameters: &[(&str, &str)]| form(&server.anonymous(), INTROSPECT, parameters);
    refused(&sent(&[("token", &token)]), 401, "invalid_client", "client_authentication_missing");
    let id = ("client_id", text(&client, "clientId"));
    refused(&sent(&[("token", &token), id]), 401, "invalid_client", "missing_client_secret");
    let wrong = sent(&[("token", &token), id, ("client_secret", "wrong")]);
    refused(&wrong, 401, "invalid_client", "invalid_client_authentication");
    let bearer = server.anonymous().with_header("Authorization", &format!("Bearer {token}"));
    let reply = form(&bearer, INTROSPECT, &[("token", &token)]);
    refused(&reply, 401, "invalid_client", "invalid_client_authentication_scheme");
}

fn tokens_end(server: &Server) {
    let world = World::new(server);
    let (client, on, deleted) = (world.entity(json!({})), world.entity(json!({})), world.entity(json!({})));
    let [by_client, by_deleted] = [&client, &deleted].map(|entity| {
        world.grant(&on, entity, &[]);
        token(&ask_for(server, entity, &target(&on, "")))
    });
    let active = |token: &str| introspect(server, &on, &[("token", token)]);
    assert_eq!(
        (&active(&by_client).ok()["active"], &active(&by_deleted).ok()["active"]),
        (&json!(true), &json!(true))
    );
    world.home.delete(&format!("/api/entity/{}", text(&deleted, "id"))).done();
    inactive(&active(&by_deleted));
    server.set_now(START + 3_599_999);
    assert_eq!(active(&by_client).ok()["active"], true);
    server.set_now(START + 3_600_000);
    inactive(&active(&by_client));
}
