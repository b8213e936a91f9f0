//! Which dialect a request speaks, and what each answers: the decision table, the order of the checks, media types.

use serde_json::{Value, json};

use super::{API_KEYS, path, refused};
use crate::support::fixture::names;
use crate::support::server::BOOTSTRAP;
use crate::support::{Client, Reply, Server, Settings, unique, uuid};

on_each_database! {
    shared: fusions_side_of_the_table, methods_of_each_dialect,
        checks_come_in_their_order, media_types, head_is_a_get_without_a_body, one_override_is_read,
        roles_answer_alike_in_both;
    own: fusionauths_side_of_the_table, the_query_speaks_fusions_dialect, too_large_a_body;
}

fn flat() -> Value {
    json!({"name": unique("table")})
}

fn envelope() -> Value {
    json!({"apiKey": flat()})
}

/// A key that is there, one that is not, and no UUID at all.
fn paths(server: &Server) -> [String; 3] {
    [server.unrestricted().path(), path(&uuid()), path("no-such-key")]
}

/// Asserts a key in FusionAuth's shape.
#[track_caller]
fn in_envelope(reply: &Reply) {
    assert_eq!(names(&reply.ok()), ["apiKey"]);
}

/// Asserts the methods in `Allow`, in any order.
#[track_caller]
fn allows(reply: &Reply, expected: &[&str]) {
    let mut allowed: Vec<_> = reply.header("allow").unwrap().split(", ").collect();
    let mut expected = expected.to_vec();
    allowed.sort_unstable();
    expected.sort_unstable();
    assert_eq!((reply.status, allowed), (405, expected));
}

/// Bodies that are no JSON object.
const BROKEN: [&[u8]; 7] =
    [b"{", b"[]", b"[{\"name\":\"x\"}]", b"\"x\"", b"null", b"name=x", b"{\"name\":\"a\",\"name\":\"b\"}"];

fn fusionauths_side_of_the_table(server: &Server) {
    let manager = server.as_key_manager();
    let [there, free, word] = paths(server);
    let fusion = server.fusion_key(&["search"], None).path();
    in_envelope(&manager.post(API_KEYS, &envelope()));
    in_envelope(&manager.post(&free, &envelope()));
    manager.post(&there, &envelope()).refused(&["apiKeyId [duplicate]apiKeyId"]);
    manager.post(&word, &envelope()).refused(&["apiKeyId [couldNotConvert]apiKeyId"]);
    // A flat body must not fall through to a key without restriction.
    let before = keys(server);
    for (method, target) in [("POST", API_KEYS), ("POST", &path(&uuid())), ("PUT", &there), ("PUT", &fusion)]
    {
        let typed = manager.with_header("Content-Type", "application/json");
        manager.send(method, target, Some(&json!({}))).refused(&["apiKey [missing]apiKey"]);
        let reply = manager.send(method, target, Some(&flat()));
        assert!(reply.errors().contains(&"apiKey [missing]apiKey".to_owned()), "{}", reply.text());
        assert_eq!(reply.status, 400);
        typed.send_bytes(method, target, Some(b"")).refused(&["[missing]"]);
        for broken in BROKEN {
            typed.send_bytes(method, target, Some(broken)).refused(&["[invalidJSON]"]);
        }
    }
    for broken in BROKEN {
        let typed = manager.with_header("Content-Type", "application/json");
        typed.send_bytes("PATCH", &there, Some(broken)).refused(&["[invalidJSON]"]);
    }
    assert_eq!(manager.patch(&there, &flat()).status, 400);
    assert_eq!(keys(server), before);
    manager.get(API_KEYS).not_found();
    in_envelope(&manager.get(&there));
    in_envelope(&manager.get(&fusion));
    manager.get(&path(&uuid())).not_found();
    manager.get(&word).refused(&["apiKeyId [couldNotConvert]apiKeyId"]);
    in_envelope(&manager.put(&there, &envelope()));
    in_envelope(&manager.patch(&there, &envelope()));
    for method in ["PUT", "PATCH", "DELETE"] {
        manager.send(method, API_KEYS, Some(&envelope())).not_found();
        manager.send(method, &path(&uuid()), Some(&envelope())).not_found();
    }
    manager.delete(&there).done();
    manager.delete(&there).not_found();
    manager.delete(&fusion).done();
}

/// How many keys there are.
fn keys(server: &Server) -> usize {
    server.as_fusion_admin().get(API_KEYS).ok().as_array().unwrap().len()
}

fn fusions_side_of_the_table(server: &Server) {
    let admin = server.as_fusion_admin();
    let [there, free, word] = paths(server);
    let made = admin.post(API_KEYS, &flat()).ok();
    assert_eq!(names(&made), ["name", "id", "key", "roles", "createdAt"]);
    for other in
        [envelope(), json!({"apiKey": null, "name": "x"}), json!({"sourceKeyId": uuid(), "name": "x"})]
    {
        let message = refused(&admin.post(API_KEYS, &other), 400, "wrong-dialect");
        assert!(message.contains("Authorization"), "{message}");
    }
    for (body, code) in [
        (json!({}), "missing-name"),
        (json!({"name": null}), "missing-name"),
        (json!({"name": "  "}), "missing-name"),
        (json!({"name": "a\u{7}"}), "invalid-name"),
        (json!({"name": "x".repeat(192)}), "invalid-name"),
        (json!({"name": 1}), "invalid-json"),
        (json!({"name": "x", "roles": "admin"}), "invalid-json"),
        (json!({"name": "x", "roles": [1]}), "invalid-json"),
        (json!({"name": "x", "roles": {"0": "admin"}}), "invalid-json"),
        (json!({"name": "x", "roles": ["no such role"]}), "unknown-role"),
        (json!({"name": "x", "roles": ["search", "no such role"]}), "unknown-role"),
        (json!({"name": "x", "roles": ["search,admin"]}), "unknown-role"),
        (json!({"name": "x", "roles": [""]}), "unknown-role"),
        (json!({"name": "x", "roles": vec!["search"; 33]}), "too-many"),
        (json!({"name": "x", "id": 1}), "invalid-json"),
        (json!({"name": "x", "disabled": "no"}), "invalid-json"),
        (json!({"name": "x", "key": "a value of my own"}), "unexpected-field"),
        (json!({"name": "x", "key": null}), "unexpected-field"),
    ] {
        refused(&admin.post(API_KEYS, &body), 400, code);
    }
    let typed = admin.with_header("Content-Type", "application/json");
    for broken in BROKEN.into_iter().chain([b"".as_slice()]) {
        refused(&typed.send_bytes("POST", API_KEYS, Some(broken)), 400, "invalid-json");
    }
    refused(&admin.send_bytes("POST", API_KEYS, None), 400, "invalid-json");
    // Members that Fusion's documents do not name are ignored, as are roles that stand twice.
    let twice = json!({"name": unique("x"), "roles": ["search", "rules", "search"], "tenantId": "x", "keyManager": true});
    let twice = admin.post(API_KEYS, &twice).ok();
    assert_eq!(twice["roles"], json!(["search", "rules"]));
    let list = admin.get(API_KEYS).ok();
    assert!(list.as_array().unwrap().iter().all(|key| key.get("key").is_none()));
    for target in [&there, &path(made["id"].as_str().unwrap())] {
        let members = admin.get(target).ok();
        assert_eq!(names(&members), ["name", "id", "roles", "createdAt"]);
    }
    for target in [&free, &word] {
        refused(&admin.get(target), 404, "not-found");
        refused(&admin.delete(target), 404, "not-found");
    }
    admin.delete(&there).done();
    refused(&admin.delete(&there), 404, "not-found");
}

fn methods_of_each_dialect(server: &Server) {
    let [there, free, word] = paths(server);
    // What the path has in a dialect does not depend on the key, and is said before it is looked at.
    for value in [BOOTSTRAP, "no such key", &server.unrestricted().value] {
        let (fusionauth, fusion) = (server.with_key(value), server.with_fusion_key(value));
        for target in [&there, &free, &word] {
            for method in ["POST", "PUT", "PATCH", "OPTIONS"] {
                let reply = fusion.send(method, target, None);
                allows(&reply, &["GET", "HEAD", "DELETE"]);
                refused(&reply, 405, "method-not-allowed");
            }
            let reply = fusionauth.send("OPTIONS", target, None);
            allows(&reply, &["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"]);
            assert_eq!(reply.text(), "");
        }
        for method in ["PUT", "PATCH", "DELETE", "OPTIONS"] {
            let reply = fusion.send(method, API_KEYS, None);
            allows(&reply, &["GET", "HEAD", "POST"]);
            refused(&reply, 405, "method-not-allowed");
        }
        for method in ["GET", "PUT", "PATCH", "DELETE", "OPTIONS"] {
            fusionauth.send(method, API_KEYS, None).not_found();
            server.anonymous().send(method, API_KEYS, None).not_found();
        }
        for (method, target) in
            [("GET", "/api/api-key/a/b"), ("GET", "/api/Api-Key"), ("POST", "/api/api-keys")]
        {
            fusion.send(method, target, None).not_found();
            fusionauth.send(method, target, None).not_found();
        }
        assert_eq!(fusion.send("BREW", API_KEYS, None).status, 501);
    }
    assert_eq!(server.as_key_manager().get(&there).status, 200);
}

fn checks_come_in_their_order(server: &Server) {
    let there = server.unrestricted().path();
    let unknown_role = format!("/api/roles/{}", uuid());
    // Carriers before methods.
    let both = server.as_key_manager().with_header("x-api-key", BOOTSTRAP);
    for (method, target) in [("PUT", API_KEYS), ("POST", &there), ("GET", API_KEYS), ("PATCH", &unknown_role)]
    {
        both.send(method, target, None).refused(&["[ambiguousCredentials]"]);
    }
    // Key and rights before tenants, bodies and objects.
    let role = server.role(&["GET,POST,PUT,DELETE,PATCH,HEAD:/api-key/**"]);
    for value in ["no such key", &server.unrestricted().value, &server.fusion_key(&[&role.name], None).value]
    {
        for client in [server.with_fusion_key(value), server.with_fusion_key(value).in_tenant("not-a-uuid")] {
            let typed = client.with_header("Content-Type", "application/json");
            typed.send_bytes("POST", API_KEYS, Some(b"{")).denied();
            client.post(API_KEYS, &envelope()).denied();
            typed.send_bytes("POST", API_KEYS, Some(&vec![b' '; 1_100_000])).denied();
            client.get(API_KEYS).denied();
            client.get(&path(&uuid())).denied();
            client.delete(&path("no-such-key")).denied();
            typed.send_bytes("PUT", &unknown_role, Some(b"{")).denied();
            client.delete(&unknown_role).denied();
        }
    }
    // The body before objects, and its own form before the roles that it names.
    let admin = server.as_fusion_admin();
    let typed = admin.with_header("Content-Type", "application/json");
    refused(&typed.send_bytes("PUT", &unknown_role, Some(b"{")), 400, "invalid-json");
    refused(&admin.put(&unknown_role, &json!({})), 400, "missing-name");
    refused(&admin.put(&unknown_role, &json!({"name": "x"})), 404, "not-found");
    refused(&admin.post(API_KEYS, &json!({"roles": ["no such role"]})), 400, "missing-name");
    let taken = server.fusion_key(&[], None);
    let both_wrong = json!({"name": "x", "id": taken.id, "roles": ["no such role"]});
    refused(&admin.post(API_KEYS, &both_wrong), 400, "unknown-role");
}

fn media_types(server: &Server) {
    let sent = |client: &Client, media_type: &str| {
        let client = client.with_header("Content-Type", media_type);
        client.send_bytes("POST", API_KEYS, Some(flat().to_string().as_bytes()))
    };
    let admin = server.as_fusion_admin();
    admin.send_bytes("POST", API_KEYS, Some(flat().to_string().as_bytes())).ok();
    for taken in [
        "application/json",
        "application/json; charset=utf-8",
        "APPLICATION/JSON",
        "application/vnd.lucidworks+json",
        "application/merge-patch+json;x=y",
        "application/x-www-form-urlencoded",
        "application/x-www-form-urlencoded; charset=UTF-8",
        "text/plain",
        "text/plain;charset=utf-8",
        "",
    ] {
        sent(&admin, taken).ok();
    }
    for other in [
        "text/html",
        "application/xml",
        "multipart/form-data; boundary=x",
        "text/json",
        "json",
        "image/x+json",
    ] {
        refused(&sent(&admin, other), 400, "unsupported-content-type");
    }
    // A form is none here: what is called one must be JSON as well.
    let form = admin.with_header("Content-Type", "application/x-www-form-urlencoded");
    refused(&form.send_bytes("POST", API_KEYS, Some(b"name=kiosk&roles=admin")), 400, "invalid-json");
    // In the other dialect only JSON is.
    let manager = server.as_key_manager();
    for other in ["application/x-www-form-urlencoded", "text/plain"] {
        let client = manager.with_header("Content-Type", other);
        let reply = client.send_bytes("POST", API_KEYS, Some(envelope().to_string().as_bytes()));
        reply.refused(&["[UnsupportedContentType]"]);
    }
}

fn head_is_a_get_without_a_body(server: &Server) {
    let there = server.unrestricted().path();
    let (manager, admin) = (server.as_key_manager(), server.as_fusion_admin());
    for (client, target, status) in [
        (&manager, there.as_str(), 200),
        (&manager, &path(&uuid()), 404),
        (&manager, API_KEYS, 404),
        (&admin, &there, 200),
        (&admin, API_KEYS, 200),
        (&admin, &path(&uuid()), 404),
        (&server.with_fusion_key("no such key"), &there, 401),
        (&server.with_fusion_key("no such key"), API_KEYS, 401),
    ] {
        let head = client.send("HEAD", target, None);
        assert_eq!((head.status, head.body.len()), (status, 0), "{target}");
        assert_eq!(client.get(target).status, status, "{target}");
    }
}

fn one_override_is_read(server: &Server) {
    let key = server.unrestricted();
    let overriding = |client: Client, value: &str| client.with_header("X-HTTP-Method-Override", value);
    let name = unique("by override");
    let patch = json!({"apiKey": {"name": name}});
    overriding(server.as_key_manager(), "PATCH").post(&key.path(), &patch).ok();
    assert_eq!(super::seen_in_a(server, &key.id)["name"], json!(name));
    overriding(server.as_key_manager(), "PATCH").post(API_KEYS, &envelope()).not_found();
    for target in [API_KEYS, &key.path()] {
        let reply = overriding(server.as_fusion_admin(), "PATCH").post(target, &flat());
        refused(&reply, 405, "method-not-allowed");
    }
    let reply = overriding(server.as_fusion_admin(), "PATCH").post("/api/roles", &flat());
    refused(&reply, 405, "method-not-allowed");
    // No other override makes one method of another.
    for other in ["DELETE", "GET", "PUT", "patch"] {
        overriding(server.as_fusion_admin(), other).post(API_KEYS, &flat()).ok();
        let reply = overriding(server.as_fusion_admin(), other).post(&key.path(), &flat());
        refused(&reply, 405, "method-not-allowed");
        overriding(server.as_fusion_admin(), other).get(&key.path()).ok();
    }
}

fn roles_answer_alike_in_both(server: &Server) {
    let role = server.role(&["GET:/query/**"]);
    let clients = [server.as_key_manager(), server.as_fusion_admin()];
    let bodies = clients.each_ref().map(|client| client.get(&role.path()).ok());
    assert_eq!(bodies[0], bodies[1]);
    for client in clients {
        refused(&client.get(&format!("/api/roles/{}", uuid())), 404, "not-found");
        refused(&client.post("/api/roles", &json!({})), 400, "missing-name");
        let reply = client.send("PATCH", &role.path(), None);
        allows(&reply, &["GET", "HEAD", "PUT", "DELETE"]);
        refused(&reply, 405, "method-not-allowed");
        let reply = client.send("DELETE", "/api/roles", None);
        allows(&reply, &["GET", "HEAD", "POST"]);
        refused(&reply, 405, "method-not-allowed");
        client.get("/api/roles/a/b").not_found();
    }
    // On all other paths the header changes no answer.
    server.as_fusion_admin().get("/api/key/x").refused(&["keyId [couldNotConvert]keyId"]);
    server.anonymous().get(&role.path()).denied();
}

fn the_query_speaks_fusions_dialect(server: &Server) {
    let target = format!("{API_KEYS}?apiKey={}", BOOTSTRAP.replace(' ', "+"));
    server.anonymous().get(&target).not_found();
    let server = server.sibling(Settings { api_key_in_query: true, ..Settings::default() });
    assert_eq!(names(&server.anonymous().get(&target).ok()[0]), ["name", "id", "roles", "createdAt"]);
    let made = server.anonymous().post(&target, &flat()).ok();
    assert!(made["key"].is_string());
    let roles = target.replace(API_KEYS, "/api/roles").replace('?', "?name=ADM&");
    assert_eq!(server.anonymous().get(&roles).ok().as_array().unwrap().len(), 1);
}

fn too_large_a_body(server: &Server) {
    let body = vec![b' '; 1_100_000];
    let typed = server.as_fusion_admin().with_header("Content-Type", "application/json");
    refused(&typed.send_bytes("POST", API_KEYS, Some(&body)), 413, "too-large");
    refused(&typed.send_bytes("POST", "/api/roles", Some(&body)), 413, "too-large");
}
