//! Every line of the table of errors, one case or more for each.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use super::{GRANT, TOKEN, World, form, refused, target, text};
use crate::support::{Server, uuid};

on_each_database! { shared: every_line_of_the_table; }

/// Status, `error` and `error_reason`.
type Expected = (u16, &'static str, &'static str);

const fn request(reason: &'static str) -> Expected {
    (400, "invalid_request", reason)
}

const fn client(reason: &'static str) -> Expected {
    (401, "invalid_client", reason)
}

const fn scope(reason: &'static str) -> Expected {
    (400, "invalid_scope", reason)
}

/// The line of the table, the parameters, the header `Authorization`, and what is answered.
type Case<'a> = (&'a str, Vec<(&'a str, &'a str)>, Option<String>, Expected);

fn every_line_of_the_table(server: &Server) {
    let (world, other) = (World::new(server), World::new(server));
    let (own, stranger) = (world.entity(json!({})), other.entity(json!({})));
    let on = world.entity(json!({}));
    world.grant(&on, &own, &["read"]);
    let (id, secret) = (text(&own, "clientId"), text(&own, "clientSecret"));
    let basic = |plain: String| Some(format!("Basic {}", STANDARD.encode(plain)));
    let good = || vec![GRANT, ("client_id", id), ("client_secret", secret)];
    let with = |name, value| [good(), vec![(name, value)]].concat();
    let (nobody, elsewhere, unknown) = (uuid(), target(&stranger, ""), format!("target-entity:{}", uuid()));
    let (not_granted, no_permission) = (target(&own, ""), target(&on, "write"));
    let unknown_permission = target(&on, "fly");
    let cases: Vec<Case<'_>> = vec![
        ("grant_type missing", vec![], None, request("missing_grant_type")),
        ("grant_type missing", vec![("grant_type", "")], None, request("missing_grant_type")),
        (
            "grant_type missing",
            vec![("client_id", id), ("client_secret", secret)],
            None,
            request("missing_grant_type"),
        ),
        (
            "grant_type unknown",
            vec![("grant_type", "Client_Credentials"), ("client_id", id), ("client_secret", secret)],
            None,
            (400, "unsupported_grant_type", "invalid_grant_type"),
        ),
        (
            "grant_type unknown",
            vec![("grant_type", "password")],
            None,
            (400, "unsupported_grant_type", "invalid_grant_type"),
        ),
        ("no client authentication", vec![GRANT], None, client("client_authentication_missing")),
        (
            "scheme other than Basic",
            vec![GRANT],
            Some(format!("Bearer {secret}")),
            client("invalid_client_authentication_scheme"),
        ),
        (
            "scheme other than Basic",
            good(),
            Some(secret.to_owned()),
            client("invalid_client_authentication_scheme"),
        ),
        (
            "Basic and client_id differ",
            vec![GRANT, ("client_id", &nobody)],
            basic(format!("{id}:{secret}")),
            client("client_id_mismatch"),
        ),
        ("client_id missing", vec![GRANT, ("client_secret", secret)], None, client("invalid_client_id")),
        ("client_id missing", vec![GRANT], basic(format!(":{secret}")), client("invalid_client_id")),
        (
            "client_id unknown",
            vec![GRANT, ("client_id", &nobody), ("client_secret", secret)],
            None,
            client("invalid_client_authentication"),
        ),
        (
            "client_id unknown",
            vec![GRANT, ("client_id", "no\ncontrols"), ("client_secret", secret)],
            None,
            client("invalid_client_authentication"),
        ),
        ("secret missing", vec![GRANT, ("client_id", id)], None, client("missing_client_secret")),
        (
            "secret missing",
            vec![GRANT, ("client_id", &nobody), ("client_secret", "")],
            None,
            client("missing_client_secret"),
        ),
        ("secret missing", vec![GRANT], basic(format!("{id}:")), client("missing_client_secret")),
        (
            "secret wrong",
            vec![GRANT, ("client_id", id), ("client_secret", "wrong")],
            None,
            client("invalid_client_authentication"),
        ),
        (
            "secret wrong",
            vec![GRANT],
            basic(format!("{id}:wrong+%20")),
            client("invalid_client_authentication"),
        ),
        ("Basic is broken", vec![GRANT], Some("Basic !".to_owned()), client("invalid_client_authentication")),
        ("Basic is broken", vec![GRANT], Some("Basic".to_owned()), client("invalid_client_authentication")),
        ("Basic is broken", vec![GRANT], basic(id.to_owned()), client("invalid_client_authentication")),
        (
            "two ways to authenticate",
            good(),
            basic(format!("{id}:{secret}")),
            request("invalid_client_authentication"),
        ),
        ("scope item malformed", with("scope", "openid"), None, scope("invalid_target_entity_scope")),
        (
            "scope item malformed",
            with("scope", "target-entity:x"),
            None,
            scope("invalid_target_entity_scope"),
        ),
        ("entity unknown", with("scope", &unknown), None, scope("invalid_target_entity_scope")),
        ("entity of another tenant", with("scope", &elsewhere), None, scope("invalid_target_entity_scope")),
        ("no grant", with("scope", &not_granted), None, scope("invalid_target_entity_scope")),
        (
            "permission not granted",
            with("scope", &no_permission),
            None,
            scope("invalid_entity_permission_scope"),
        ),
        (
            "permission unknown",
            with("scope", &unknown_permission),
            None,
            scope("invalid_entity_permission_scope"),
        ),
        ("bad tenantId", with("tenantId", "x"), None, request("invalid_tenant_id")),
        ("bad tenantId", with("tenantId", &nobody), None, request("invalid_tenant_id")),
        ("bad tenantId", with("tenantId", &other.tenant), None, request("invalid_tenant_id")),
    ];
    for (line, parameters, authorization, expected) in cases {
        let mut sender = server.anonymous();
        if let Some(authorization) = &authorization {
            sender = sender.with_header("Authorization", authorization);
        }
        let reply = form(&sender, TOKEN, &parameters);
        let (status, error, reason) = expected;
        println!("{line}: {status} {error} {reason}");
        refused(&reply, status, error, reason);
        // The scheme is named to whoever tried it, and to nobody else.
        let tried = authorization.is_some_and(|value| value.starts_with("Basic"));
        let challenge = "Basic realm=\"claviger\", charset=\"UTF-8\"";
        assert_eq!(reply.header("www-authenticate"), (tried && status == 401).then_some(challenge), "{line}");
        assert!(!reply.text().contains(secret));
    }
    form(&server.anonymous(), TOKEN, &good()).ok();
    form(&server.anonymous(), TOKEN, &with("tenantId", &world.tenant)).ok();
    form(&server.anonymous(), TOKEN, &with("tenantId", &world.tenant.to_uppercase())).ok();
}
