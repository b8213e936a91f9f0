//! Two servers on one PostgreSQL: whatever power one of them takes away, the other one grants no more once the call returns.
#![cfg(feature = "postgres")]

use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use serde_json::{Value, json};

use crate::oauth::{TOKEN, World, ask_for, text};
use crate::support::{Reply, Server, Settings, poll, unique};

mod postgres {
    use crate::support::{Kind, on_own};

    macro_rules! on_postgres {
        ($($name:ident)*) => {
            $(
                #[test]
                fn $name() {
                    on_own(Kind::Postgres, concat!(module_path!(), "::", stringify!($name)), super::$name);
                }
            )*
        };
    }

    on_postgres! {
        keys_die_on_every_node_at_once
        what_keys_share_is_the_same_on_every_node
        clients_of_the_token_endpoint_lose_their_rights_on_every_node
        signing_keys_are_the_same_on_every_node
        uses_of_all_nodes_are_added_up
        nodes_say_how_they_follow
        keys_made_by_an_operator_work_at_once
    }
}

/// How often the rounds of a test are played: a race is lost more often than once.
const ROUNDS: usize = 8;

fn may(server: &Server, key: &str) -> bool {
    let reply = server.with_key(key).get("/api/tenant");
    assert!(matches!(reply.status, 200 | 401), "{}", reply.status);
    reply.status == 200
}

/// Waits until a new key works.
fn works(server: &Server, key: &str) {
    poll("a new key on the other node", || may(server, key).then_some(()));
}

/// Takes a key's power away, given its path and its tenant.
type Take = fn(&Server, &str, &Value);

fn keys_die_on_every_node_at_once(server: &Server) {
    let other = server.beside(Settings::default());
    let takes: [(&str, Take); 6] = [
        ("deleted", |server, path, _| server.as_key_manager().delete(path).done()),
        ("disabled", |server, path, _| {
            server.as_key_manager().patch(path, &json!({"apiKey": {"disabled": true}})).ok();
        }),
        ("ended", |server, path, _| {
            let body = json!({"apiKey": {"expirationInstant": server.now() - 1}});
            server.as_key_manager().patch(path, &body).ok();
        }),
        ("narrowed", |server, path, _| {
            let body = json!({"apiKey": {"permissions": {"endpoints": {"/api/key": ["GET"]}}}});
            server.as_key_manager().put(path, &body).ok();
        }),
        ("rotated", |server, path, _| {
            let body = json!({"gracePeriodInSeconds": 0});
            let path = format!("{path}/rotate");
            let reply = server.as_key_manager().post(&path, &body);
            assert_eq!(reply.status, 200, "{}", reply.text());
        }),
        ("of a tenant that is deleted", |server, _, tenant| {
            let path = format!("/api/tenant/{}", tenant.as_str().unwrap());
            server.as_key_manager().delete(&path).done();
        }),
    ];
    for (how, take) in takes {
        for round in 0..ROUNDS {
            let (writer, reader) = if round % 2 == 0 { (server, &other) } else { (&other, server) };
            let tenant = writer.tenant();
            let key = writer
                .api_key(json!({"tenantId": tenant, "permissions": {"endpoints": {"/api/tenant": ["GET"]}}}));
            assert!(may(writer, &key.value));
            works(reader, &key.value);
            take(writer, &key.path(), &json!(tenant));
            assert!(!may(reader, &key.value), "{how}: it works on the other node");
            assert!(!may(writer, &key.value), "{how}: it works on the node that took it away");
        }
    }
}

fn what_keys_share_is_the_same_on_every_node(server: &Server) {
    let other = server.beside(Settings::default());
    for round in 0..ROUNDS {
        let (writer, reader) = if round % 2 == 0 { (server, &other) } else { (&other, server) };
        let entries = |end: &str| json!([{"action": "Block", "startIPAddress": "*"}, {"action": "Allow", "startIPAddress": "127.0.0.1", "endIPAddress": end}]);
        let list = writer.ip_access_control_list(entries("127.0.0.9"));
        let key = writer.api_key(json!({"ipAccessControlListId": list}));
        works(reader, &key.value);
        let body = json!({"ipAccessControlList": {"name": unique("list"), "entries": [{"action": "Block", "startIPAddress": "*"}]}});
        writer.as_key_manager().put(&format!("/api/ip-acl/{list}"), &body).ok();
        assert!(!may(reader, &key.value), "the list on the other node");

        let role = writer.role(&["GET:/roles", "GET:/api-key"]);
        let key = writer.fusion_key(&[&role.name], None);
        let asks = |server: &Server| server.with_fusion_key(&key.value).get("/api/roles").status;
        poll("the key with the role", || (asks(reader) == 200).then_some(()));
        let body = json!({"name": role.name, "permissions": ["GET:/api-key"]});
        let reply = writer.as_fusion_admin().put(&role.path(), &body);
        assert_eq!(reply.status, 200, "{}", reply.text());
        assert_eq!(asks(reader), 401, "the role on the other node");
    }
}

fn clients_of_the_token_endpoint_lose_their_rights_on_every_node(server: &Server) {
    let other = server.beside(Settings::default());
    let world = World::new(server);
    let granted = |reply: &Reply| reply.status == 200;
    for _ in 0..ROUNDS {
        let (target, client) = (world.entity(json!({})), world.entity(json!({})));
        world.grant(&target, &client, &["read"]);
        let scope = format!("target-entity:{}:read", text(&target, "id"));
        // The other node remembers the client from now on.
        poll("a token of the other node", || granted(&ask_for(&other, &client, &scope)).then_some(()));
        let grant =
            format!("/api/entity/{}/grant?recipientEntityId={}", text(&target, "id"), text(&client, "id"));
        world.home.delete(&grant).done();
        assert!(!granted(&ask_for(&other, &client, &scope)), "{TOKEN} of the other node");
        world.home.delete(&format!("/api/entity/{}", text(&client, "id"))).done();
        assert!(!granted(&ask_for(&other, &client, "")));
    }
}

fn signing_keys_are_the_same_on_every_node(server: &Server) {
    let other = server.beside(Settings::default());
    let published = |server: &Server, id: &str| {
        let document = server.anonymous().get("/.well-known/jwks.json").ok();
        let kid = server.as_key_manager().get(&format!("/api/key/{id}"));
        let kid = (kid.status == 200).then(|| kid.ok()["key"]["kid"].clone());
        let keys = document["keys"].as_array().unwrap().clone();
        (keys.len(), kid.is_some_and(|kid| keys.iter().any(|key| key["kid"] == kid)))
    };
    for round in 0..ROUNDS {
        let (writer, reader) = if round % 2 == 0 { (server, &other) } else { (&other, server) };
        let (before, _) = published(reader, "");
        let id = writer.signing_key();
        poll("the new key on the other node", || published(reader, &id).1.then_some(()));
        let token = writer
            .with_key(&writer.unrestricted().value)
            .post("/api/jwt/vend", &json!({"keyId": id, "timeToLiveInSeconds": 60, "claims": {"a": 1}}));
        let token = token.ok()["token"].as_str().unwrap().to_owned();
        let valid = |server: &Server| {
            server
                .anonymous()
                .with_header("Authorization", &format!("Bearer {token}"))
                .get("/api/jwt/validate")
                .status
        };
        assert_eq!(valid(reader), 200);
        writer.as_key_manager().delete(&format!("/api/key/{id}")).done();
        assert_eq!((valid(reader), valid(writer)), (401, 401), "tokens of the deleted key");
        assert_eq!(published(reader, "").0, before);
    }
}

fn uses_of_all_nodes_are_added_up(server: &Server) {
    let other = server.beside(Settings::default());
    let key = server.unrestricted();
    works(&other, &key.value);
    let before = AtomicU64::new(1);
    thread::scope(|scope| {
        for server in [server, &other] {
            let (key, used) = (&key, &before);
            scope.spawn(move || {
                for _ in 0..50 {
                    assert!(may(server, &key.value));
                    used.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
    });
    let path = format!("{}/usage", key.path());
    let wanted = before.load(Ordering::Relaxed);
    // At least the one by which the other node was found to know it.
    poll("the sum", || {
        let usage = server.as_key_manager().get(&path).ok();
        (usage["usage"]["count"].as_u64()? >= wanted).then_some(())
    });
}

fn nodes_say_how_they_follow(server: &Server) {
    let feed = |server: &Server| server.as_key_manager().get("/api/status").ok()["feed"].clone();
    let alone = feed(server);
    assert_eq!((&alone["nodes"], &alone["leaseInMilliseconds"]), (&json!(1), &json!(2000)), "{alone}");
    let other = server.beside(Settings::default());
    for server in [server, &other] {
        poll("both nodes", || (feed(server)["nodes"] == json!(2)).then_some(()));
        assert!(feed(server)["ageInMilliseconds"].as_u64().unwrap() < 2000);
        let metrics = server.as_key_manager().get("/api/prometheus/metrics");
        assert!(metrics.text().contains("\nclaviger_nodes 2\n"), "{}", metrics.text());
        assert!(metrics.text().contains("\nclaviger_feed_age_seconds 0."), "{}", metrics.text());
    }
    drop(other);
    poll("one node", || (feed(server)["nodes"] == json!(1)).then_some(()));
    assert!(server.anonymous().get("/api/status").ok().get("feed").is_none());
}

fn keys_made_by_an_operator_work_at_once(server: &Server) {
    let key = server.command_line_api_key_beside("made beside");
    works(server, &key);
}
