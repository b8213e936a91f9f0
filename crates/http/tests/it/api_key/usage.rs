//! How often a key was used, when last and from where: what counts, and who is told.

use claviger_domain::Permissions;
use serde_json::{Value, json};

use super::body;
use crate::support::client::head;
use crate::support::fixture::TestKey;
use crate::support::server::START;
use crate::support::{Client, Connection, Server, Settings, poll, unique};

on_each_database! {
    shared: requests_that_are_let_through_count, refused_requests_do_not, ids_of_both_dialects_are_known,
        fusions_dialect_has_no_usage, usage_is_told_within_reach;
    own: the_latest_use_is_shown, gateways_count_for_their_clients, without_a_token_nothing_was_used,
        questions_count_for_the_holder_of_a_value, earlier_values_are_told_apart, keys_that_nobody_uses_are_found,
        nothing_is_lost_by_stopping, usage_goes_with_the_key, reading_changes_nothing,
        clients_that_break_off_do_not_escape, many_keys_are_written_before_the_end;
}

fn path(id: &str) -> String {
    format!("/api/api-key/{id}/usage")
}

/// The usage of a key as the unrestricted manager sees it.
#[track_caller]
fn usage(server: &Server, key: &TestKey) -> Value {
    let usage = server.as_key_manager().get(&path(&key.id)).ok()["usage"].take();
    assert_eq!(usage["apiKeyId"], json!(key.id));
    usage
}

/// Waits until this many uses are written, and returns the usage.
#[track_caller]
fn used(server: &Server, key: &TestKey, count: u64) -> Value {
    poll(&format!("{count} uses"), || {
        let usage = usage(server, key);
        let written = usage["count"].as_u64().unwrap();
        assert!(written <= count, "{usage}");
        (written == count).then_some(usage)
    })
}

/// Makes sure that all uses until now are written: those of another key come after them.
#[track_caller]
fn all_is_written(server: &Server) {
    let key = server.unrestricted();
    // The notes of each worker and those of the threads that work for all of them.
    for _ in 0..2 {
        let before = usage(server, &key)["count"].as_u64().unwrap();
        server.with_key(&key.value).get("/api/system/version").ok();
        used(server, &key, before + 1);
    }
}

fn call(client: &Client) -> u16 {
    client.get("/api/system/version").status
}

fn requests_that_are_let_through_count(server: &Server) {
    let key = server.unrestricted();
    assert_eq!(usage(server, &key), json!({"apiKeyId": key.id, "count": 0}));
    let client = server.with_key(&key.value);
    for _ in 0..3 {
        assert_eq!(call(&client), 200);
    }
    let now = server.now();
    let expected = |count: u64| json!({"apiKeyId": key.id, "count": count, "lastAddress": "127.0.0.1", "lastUsedInstant": now});
    assert_eq!(used(server, &key, 3), expected(3));
    // What comes of the request does not matter: the key was used.
    client.get("/api/key/780e1d5b-ee3b-43b2-aec8-db99b99adc4e").not_found();
    assert_eq!(client.post("/api/key/generate", &json!({})).status, 400);
    client.get("/api/key").ok();
    assert_eq!(used(server, &key, 6), expected(6));
}

fn refused_requests_do_not(server: &Server) {
    let key = server.restricted(json!({"/api/system/version": ["GET"]}));
    let client = server.with_key(&key.value);
    client.get("/api/key").denied();
    client.get("/api/tenant").denied();
    client.get("/api/api-key/search").denied();
    // Nothing is there to be let through to.
    assert_eq!(client.get("/api/nothing").status, 404);
    assert_eq!(client.delete("/api/system/version").status, 405);
    // No key is asked for.
    client.get("/api/health").done();
    let manager = server.as_key_manager();
    manager.patch(&key.path(), &body(json!({"disabled": true}))).ok();
    client.get("/api/system/version").denied();
    all_is_written(server);
    assert_eq!(usage(server, &key), json!({"apiKeyId": key.id, "count": 0}));
}

fn the_latest_use_is_shown(server: &Server) {
    let key = server.unrestricted();
    let client = server.with_key(&key.value);
    for (count, now) in [(1, START), (2, START + 5_000), (3, START + 5_001)] {
        server.set_now(now);
        assert_eq!(call(&client), 200);
        assert_eq!(used(server, &key, count)["lastUsedInstant"], json!(now));
    }
    // A clock that is set back does not make the last use an earlier one.
    server.set_now(START);
    assert_eq!(call(&client), 200);
    assert_eq!(used(server, &key, 4)["lastUsedInstant"], json!(START + 5_001));
}

fn gateways_count_for_their_clients(server: &Server) {
    let server = &server.sibling(Settings { trusted_proxies: "127.0.0.1", ..Settings::default() });
    let key = server.restricted(json!({"/v1/orders": ["GET"]}));
    let question = |method: &str, uri: &str, address: &str| {
        let client = server.with_key(&key.value).with_header("X-Forwarded-For", address);
        client
            .with_header("X-Original-Method", method)
            .with_header("X-Original-URI", uri)
            .get("/forward-auth")
    };
    assert_eq!(question("GET", "/v1/orders/1", "2001:db8::7").status, 200);
    assert_eq!(used(server, &key, 1)["lastAddress"], json!("2001:db8::7"));
    assert_eq!(question("DELETE", "/v1/orders/1", "192.0.2.9").status, 403);
    let client = server.with_key(&key.value).with_header("X-Forwarded-For", "192.0.2.8");
    assert_eq!(client.get("/ext-authz/v1/orders/2").status, 200);
    assert_eq!(client.get("/ext-authz/v2").status, 403);
    assert_eq!(used(server, &key, 2)["lastAddress"], json!("192.0.2.8"));
    // From where a request comes is not known if the proxy says something that is no address.
    server.set_now(START + 1);
    assert_eq!(question("GET", "/v1/orders/1", "nowhere").status, 200);
    let expected = json!({"apiKeyId": key.id, "count": 3, "lastUsedInstant": START + 1});
    assert_eq!(used(server, &key, 3), expected);
}

/// A gateway that asks for a token and gets none lets nobody through.
fn without_a_token_nothing_was_used(server: &Server) {
    let server = &server.sibling(Settings { trusted_proxies: "127.0.0.1", ..Settings::default() });
    let key = server.restricted(json!({"/v1/orders": ["GET"]}));
    let client = server
        .with_key(&key.value)
        .with_header("X-Original-Method", "GET")
        .with_header("X-Original-URI", "/v1/orders");
    for _ in 0..3 {
        assert_eq!(client.get("/forward-auth?upstreamToken=true").status, 503);
    }
    all_is_written(server);
    assert_eq!(usage(server, &key), json!({"apiKeyId": key.id, "count": 0}));
    assert_eq!(client.get("/forward-auth").status, 200);
    used(server, &key, 1);
}

fn questions_count_for_the_holder_of_a_value(server: &Server) {
    let key = server.restricted(json!({"/v1/orders": ["GET"]}));
    let manager = server.as_key_manager();
    let ask = |members: Value| {
        let mut question = json!({"path": "/v1/orders", "method": "GET", "address": "192.0.2.3"});
        for (name, value) in members.as_object().unwrap() {
            question[name] = value.clone();
        }
        manager.post("/api/authorize", &json!({"authorization": question})).ok()["authorization"]["allowed"]
            .as_bool()
            .unwrap()
    };
    assert!(ask(json!({"apiKeyId": key.id})));
    assert!(!ask(json!({"key": key.value, "method": "PUT"})));
    assert!(!ask(json!({"key": key.value, "path": "/v1//orders"})));
    all_is_written(server);
    assert_eq!(usage(server, &key)["count"], json!(0));
    assert!(ask(json!({"key": key.value})));
    let expected = json!({
        "apiKeyId": key.id, "count": 1, "lastAddress": "192.0.2.3", "lastUsedInstant": START,
    });
    assert_eq!(used(server, &key, 1), expected);
}

fn earlier_values_are_told_apart(server: &Server) {
    let key = server.unrestricted();
    assert_eq!(call(&server.with_key(&key.value)), 200);
    assert_eq!(used(server, &key, 1).get("earlierValues"), None);
    let rotate = format!("/api/api-key/{}/rotate", key.id);
    let new = TestKey::of(&server.as_key_manager().post(&rotate, &json!({"gracePeriodInSeconds": 60})).ok());
    server.set_now(START + 1_000);
    for _ in 0..2 {
        assert_eq!(call(&server.with_key(&key.value)), 200);
    }
    server.set_now(START + 2_000);
    for _ in 0..3 {
        assert_eq!(call(&server.with_key(&new.value)), 200);
    }
    let earlier = json!({"count": 2, "lastAddress": "127.0.0.1", "lastUsedInstant": START + 1_000});
    let expected = json!({
        "apiKeyId": key.id, "count": 6, "earlierValues": earlier, "lastAddress": "127.0.0.1",
        "lastUsedInstant": START + 2_000,
    });
    assert_eq!(used(server, &key, 6), expected);
    // Somebody still uses the value before, and cannot be missed.
    server.set_now(START + 3_000);
    assert_eq!(call(&server.with_key(&key.value)), 200);
    let usage = used(server, &key, 7);
    assert_eq!(usage["earlierValues"]["lastUsedInstant"], json!(START + 3_000));
    assert_eq!(usage["lastUsedInstant"], json!(START + 3_000));
    // After its end it is refused, and does not count.
    server.set_now(START + 60_000);
    assert_eq!(call(&server.with_key(&key.value)), 401);
    all_is_written(server);
    assert_eq!(self::usage(server, &key), usage);
}

fn keys_that_nobody_uses_are_found(server: &Server) {
    let [used, by_earlier_value, never] = std::array::from_fn(|_| server.unrestricted());
    let rotate = format!("/api/api-key/{}/rotate", by_earlier_value.id);
    server.as_key_manager().post(&rotate, &json!({})).ok();
    server.set_now(START + 1_000);
    assert_eq!(call(&server.with_key(&by_earlier_value.value)), 200);
    self::used(server, &by_earlier_value, 1);
    server.set_now(START + 2_000);
    assert_eq!(call(&server.with_key(&used.value)), 200);
    self::used(server, &used, 1);
    for (since, expected) in [
        (START + 2_001, vec![&used, &by_earlier_value, &never]),
        (START + 2_000, vec![&by_earlier_value, &never]),
        (START + 1_001, vec![&by_earlier_value, &never]),
        (START + 1_000, vec![&never]),
        (START + 1, vec![&never]),
        // It was not there before.
        (START, vec![]),
    ] {
        let search = format!("/api/api-key/search?unusedSince={since}");
        let found = server.as_key_manager().get(&search).ok();
        let mut found: Vec<_> = found["apiKeys"].as_array().unwrap().iter().map(|key| &key["id"]).collect();
        // The key manager of the tests asks all the time.
        found.retain(|id| [&used, &by_earlier_value, &never].iter().any(|key| **id == json!(key.id)));
        assert_eq!(found.len(), expected.len(), "{since}");
        assert!(expected.iter().all(|key| found.contains(&&json!(key.id))), "{since}");
    }
}

fn nothing_is_lost_by_stopping(server: &Server) {
    let (one, other) = (server.unrestricted(), server.unrestricted());
    for round in 1..=3_u64 {
        for _ in 0..7 {
            assert_eq!(call(&server.with_key(&one.value)), 200);
        }
        server.set_now(START + i64::try_from(round).unwrap());
        assert_eq!(call(&server.with_key(&other.value)), 200);
        server.while_stopped(|_| ());
        // Nothing is waited for: it was written before the server was gone.
        assert_eq!(usage(server, &one)["count"], json!(7 * round));
        let other = usage(server, &other);
        assert_eq!(other["count"], json!(round));
        assert_eq!(other["lastUsedInstant"], json!(START + i64::try_from(round).unwrap()));
    }
}

/// The server is at work for a client that does not wait for the answer: it was let through all the same.
fn clients_that_break_off_do_not_escape(server: &Server) {
    let manager = server.as_key_manager();
    let key = server.restricted(json!({"/api/system/version": ["GET"], "/api/key/generate": ["POST"]}));
    let name = unique("broken off");
    let wanted = json!({"key": {"algorithm": "RS256", "length": 4096, "name": name}}).to_string();
    let length = wanted.len().to_string();
    let headers = [
        ("Authorization", key.value.as_str()),
        ("Content-Type", "application/json"),
        ("Content-Length", length.as_str()),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()));
    let mut connection = Connection::open(server.address());
    connection.write(head("GET", "/api/system/version", &headers[..1]).as_bytes()).unwrap();
    // An answer has come and is not read: the operating system then resets the connection when it is closed.
    assert_eq!(connection.stream().peek(&mut [0]).unwrap(), 1);
    connection.write(head("POST", "/api/key/generate", &headers).as_bytes()).unwrap();
    connection.write(wanted.as_bytes()).unwrap();
    poll("the generation", || {
        let metrics = manager.get("/api/prometheus/metrics");
        metrics.text().contains("claviger_rsa_stock_misses_total{length=\"4096\"} 1").then_some(())
    });
    drop(connection);
    let there =
        || manager.get("/api/key").ok()["keys"].as_array().unwrap().iter().any(|key| key["name"] == name);
    poll("the key", || there().then_some(()));
    used(server, &key, 2);
}

fn many_keys_are_written_before_the_end(server: &Server) {
    // More than two transactions of them, of which one may take place between the two steps below.
    const KEYS: usize = 1_100;
    let keys: Vec<_> = (0..KEYS).map(|_| server.unrestricted()).collect();
    server.database_execute("ALTER TABLE api_key_usage RENAME TO api_key_usage_elsewhere");
    for key in &keys {
        assert_eq!(call(&server.with_key(&key.value)), 200);
    }
    server.database_execute("ALTER TABLE api_key_usage_elsewhere RENAME TO api_key_usage");
    server.while_stopped(|_| ());
    for key in &keys {
        assert_eq!(usage(server, key)["count"], json!(1));
    }
}

fn usage_goes_with_the_key(server: &Server) {
    let manager = server.as_key_manager();
    let key = server.unrestricted();
    assert_eq!(call(&server.with_key(&key.value)), 200);
    used(server, &key, 1);
    // What it was used for last is noted when it is gone already.
    assert_eq!(call(&server.with_key(&key.value)), 200);
    manager.delete(&key.path()).done();
    manager.get(&path(&key.id)).not_found();
    all_is_written(server);
    manager.post(&key.path(), &body(json!({"name": "again"}))).ok();
    assert_eq!(usage(server, &key)["count"], json!(0));
}

fn reading_changes_nothing(server: &Server) {
    let key = server.unrestricted();
    let manager = server.as_key_manager();
    let entries = || manager.get("/api/system/audit-log/search").ok()["total"].clone();
    let before = (manager.get(&key.path()).ok(), entries());
    assert_eq!(call(&server.with_key(&key.value)), 200);
    used(server, &key, 1);
    assert_eq!((manager.get(&key.path()).ok(), entries()), before);
}

fn ids_of_both_dialects_are_known(server: &Server) {
    let role = server.role(&["GET:/query/**"]);
    let key = server.fusion_key(&[&role.name], None);
    let manager = server.as_key_manager();
    assert_eq!(manager.get(&path(&key.id)).ok()["usage"]["count"], json!(0));
    manager.get(&path("no-such-key")).refused(&["apiKeyId [couldNotConvert]apiKeyId"]);
    manager.get(&path("780e1d5b-ee3b-43b2-aec8-db99b99adc4e")).not_found();
}

fn fusions_dialect_has_no_usage(server: &Server) {
    let key = server.unrestricted();
    let reply = server.as_fusion_admin().get(&path(&key.id));
    assert_eq!((reply.status, reply.header("allow")), (405, Some("")));
}

fn usage_is_told_within_reach(server: &Server) {
    let server = &server.sibling(Settings::default());
    let (tenant, other) = (server.tenant(), server.tenant());
    let few: Permissions = Permissions::Only("GET:/api/key".parse().unwrap());
    let [confined, weak] = server.command_line_api_keys([
        ("confined", true, Permissions::All, Some(&tenant)),
        ("weak", true, few, None),
    ]);
    let own = server.api_key(json!({"tenantId": tenant}));
    let foreign = server.api_key(json!({"tenantId": other}));
    let global = server.unrestricted();
    let narrow = server.restricted(json!({"/api/key": ["GET"]}));
    let confined = server.with_key(&confined.value);
    confined.get(&path(&own.id)).ok();
    confined.get(&path(&foreign.id)).not_found();
    confined.get(&path(&global.id)).not_found();
    let weak = server.with_key(&weak.value);
    weak.get(&path(&narrow.id)).ok();
    weak.get(&path(&global.id)).denied();
    for value in [&own.value, &global.value, &narrow.value, "unknown"] {
        server.with_key(value).get(&path(&own.id)).denied();
    }
    server.anonymous().get(&path(&own.id)).denied();
}
