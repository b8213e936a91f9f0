//! Bodies that no client sends, and refusals that must not tell anything.

use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use super::{GRANT, INTROSPECT, TOKEN, World, ask_for, credentials, form, post, refused, text, with_basic};
use crate::support::{Reply, Server, uuid};

on_each_database! {
    shared: bodies_of_every_kind_are_refused, what_is_too_large_is_refused_at_once,
        unknown_clients_and_wrong_secrets_look_alike, other_methods_are_not_allowed;
}

#[track_caller]
fn invalid(reply: &Reply, status: u16) {
    refused(reply, status, "invalid_request", "unknown");
}

fn bodies_of_every_kind_are_refused(server: &Server) {
    let world = World::new(server);
    let client = world.entity(json!({}));
    let pairs = credentials(&client).map(|(name, value)| format!("{name}={value}")).join("&");
    let good = format!("grant_type=client_credentials&{pairs}");
    for path in [TOKEN, INTROSPECT] {
        for repeated in
            ["&scope=x&scope=x", "&scope=&scope=", "&foo=1&foo=2", "&client_id=x", "&%67rant_type=x"]
        {
            invalid(&post(&server.anonymous(), path, &format!("{good}{repeated}")), 400);
        }
        for broken in ["&a=%", "&a=%zz", "&a=%00", "&%00=1", "&scope=%ff", "&client%5=1"] {
            invalid(&post(&server.anonymous(), path, &format!("{good}{broken}")), 400);
        }
        let many: String = (0..10_000).map(|number| format!("&p{number}=1")).collect();
        invalid(&post(&server.anonymous(), path, &format!("{good}{many}")), 400);
        for media_type in ["application/json", "text/plain", "multipart/form-data; boundary=x", ""] {
            let sender = server.anonymous().with_header("Content-Type", media_type);
            invalid(&sender.send_bytes("POST", path, Some(good.as_bytes())), 400);
        }
        invalid(&server.anonymous().send_bytes("POST", path, Some(good.as_bytes())), 400);
        let document = json!({"grant_type": "client_credentials", "client_id": client["clientId"],
            "client_secret": client["clientSecret"]});
        invalid(&server.anonymous().post(path, &document), 400);
        let typed = server.anonymous().with_header("Content-Type", "application/x-www-form-urlencoded");
        for bytes in [b"\xff\xfe".as_slice(), b"grant_type=client_credentials\0", b"\0"] {
            invalid(&typed.send_bytes("POST", path, Some(bytes)), 400);
        }
    }
    let twice = with_basic(server, "a:b").with_header("Authorization", "Basic YTpi");
    let reply = form(&twice, TOKEN, &[GRANT]);
    refused(&reply, 400, "invalid_request", "invalid_client_authentication");
    for broken in ["Basic ====", "Basic YTpi=", "Basic YT pi", "Basic \u{e9}", "basic", "Basic AA=="] {
        let reply = form(&server.anonymous().with_header("Authorization", broken), TOKEN, &[GRANT]);
        refused(&reply, 401, "invalid_client", "invalid_client_authentication");
    }
    let not_text = format!("Basic {}", STANDARD.encode(b"\xff\xfe:\xff"));
    let reply = form(&server.anonymous().with_header("Authorization", &not_text), TOKEN, &[GRANT]);
    refused(&reply, 401, "invalid_client", "invalid_client_authentication");
    // `+` is a space, and spaces are part of a secret.
    let spaced = world.entity(json!({"clientSecret": "a b+c"}));
    let id = text(&spaced, "clientId");
    post(
        &server.anonymous(),
        TOKEN,
        &format!("grant_type=client_credentials&client_id={id}&client_secret=a+b%2Bc"),
    )
    .ok();
}

fn what_is_too_large_is_refused_at_once(server: &Server) {
    let world = World::new(server);
    let client = world.entity(json!({}));
    let id = text(&client, "clientId");
    let long = "s".repeat(1024 * 1024 - 200);
    let reply = form(&server.anonymous(), TOKEN, &[GRANT, ("client_id", id), ("client_secret", &long)]);
    refused(&reply, 401, "invalid_client", "invalid_client_authentication");
    let reply = form(&server.anonymous(), TOKEN, &[GRANT, ("client_id", &long), ("client_secret", "s")]);
    refused(&reply, 401, "invalid_client", "invalid_client_authentication");
    let longer = "s".repeat(1024 * 1024 + 1);
    let reply = form(&server.anonymous(), TOKEN, &[GRANT, ("client_id", id), ("client_secret", &longer)]);
    invalid(&reply, 413);
    let items = vec![format!("target-entity:{}", uuid()); 10_000].join(" ");
    refused(&ask_for(server, &client, &items), 400, "invalid_scope", "invalid_target_entity_scope");
    let names = format!("target-entity:{}:{}", uuid(), "a,".repeat(10_000));
    refused(&ask_for(server, &client, &names), 400, "invalid_scope", "invalid_target_entity_scope");
    // The longest secret that an entity can have works.
    let longest = "s".repeat(1024);
    let client = world.entity(json!({"clientSecret": longest}));
    super::ask(server, &client, &[]).ok();
}

/// From the request on, an answer about a client id and a secret takes this long at least, whatever it took to find it.
const REFUSAL_TIME: Duration = Duration::from_millis(5);

/// The same bytes, and not before the same instant: see also the unit tests, which count what is done until then.
fn unknown_clients_and_wrong_secrets_look_alike(server: &Server) {
    let world = World::new(server);
    let client = world.entity(json!({}));
    let rotated = world.entity(json!({}));
    world.home.post(&format!("/api/entity/{}/rotate-secret", text(&rotated, "id")), &json!({})).ok();
    let (nobody, secret) = (uuid(), text(&client, "clientSecret"));
    let pairs = [
        (nobody.as_str(), secret),
        (text(&client, "clientId"), "wrong"),
        (text(&rotated, "clientId"), "wrong"),
        (text(&rotated, "clientId"), secret),
        ("no\ncontrols", "wrong"),
    ];
    for (path, first) in [(TOKEN, GRANT), (INTROSPECT, ("token", "x"))] {
        for by_basic in [false, true] {
            let mut answers = Vec::new();
            for (id, sent) in &pairs {
                let start = Instant::now();
                let reply = if by_basic {
                    form(&with_basic(server, &format!("{id}:{sent}")), path, &[first])
                } else {
                    form(&server.anonymous(), path, &[first, ("client_id", id), ("client_secret", sent)])
                };
                assert!(start.elapsed() >= REFUSAL_TIME, "{id}");
                refused(&reply, 401, "invalid_client", "invalid_client_authentication");
                let challenge = reply.header("www-authenticate").map(str::to_owned);
                assert_eq!(challenge.is_some(), by_basic);
                answers.push((reply.text().to_owned(), challenge));
            }
            assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
        }
    }
}

fn other_methods_are_not_allowed(server: &Server) {
    for path in [TOKEN, INTROSPECT] {
        for method in ["GET", "PUT", "PATCH", "DELETE"] {
            let reply = server.anonymous().send_bytes(method, path, None);
            assert_eq!((reply.status, reply.header("allow"), reply.text()), (405, Some("POST"), ""));
        }
        let reply =
            server.anonymous().with_header("X-HTTP-Method-Override", "PATCH").send_bytes("POST", path, None);
        assert_eq!(reply.status, 405);
    }
}
