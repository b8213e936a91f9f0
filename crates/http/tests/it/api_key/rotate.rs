//! Rotation: a new value at once, while the one before works on until the grace period ends.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Barrier, Mutex};
use std::thread;

use claviger_domain::Permissions;
use serde_json::{Value, json};

use super::{body, stored};
use crate::support::fixture::{TestKey, names};
use crate::support::server::{PREFIX, START};
use crate::support::{Client, Server, unique, uuid};

on_each_database! {
    shared: a_value_of_your_choice, all_but_the_value_stays, no_grace_is_no_overlap, what_a_key_loses_both_values_lose,
        rotations_have_rules, fusions_dialect_has_no_rotation, keys_are_rotated_from_within_their_reach,
        nothing_fails_while_keys_rotate;
    own: both_values_work_until_the_end, the_overlap_outlives_a_restart, an_overlap_can_end_while_stopped,
        each_value_has_an_end_of_its_own, a_key_ends_with_its_earlier_values, a_manager_rotates_itself,
        more_power_than_held_is_not_rotated, values_are_free_from_their_end_on, the_audit_log_says_who_rotated;
}

const HOUR: i64 = 3_600_000;
const DUPLICATE: [&str; 1] = ["apiKey.key [duplicate]apiKey.key"];

fn path(id: &str) -> String {
    format!("/api/api-key/{id}/rotate")
}

fn grace(seconds: i64) -> Value {
    json!({"gracePeriodInSeconds": seconds})
}

/// Rotates a key as the unrestricted manager, and returns the new value.
#[track_caller]
fn rotate(server: &Server, key: &TestKey, body: &Value) -> String {
    let rotated = TestKey::of(&server.as_key_manager().post(&path(&key.id), body).ok());
    assert_eq!(rotated.id, key.id);
    rotated.value
}

fn works(server: &Server, value: &str) -> bool {
    match server.with_key(value).get("/api/system/version").status {
        200 => true,
        401 => false,
        other => panic!("{other}"),
    }
}

/// Which of the values work.
fn all_work<const N: usize>(server: &Server, values: [&str; N]) -> [bool; N] {
    values.map(|value| works(server, value))
}

fn both_values_work_until_the_end(server: &Server) {
    let key = server.unrestricted();
    // Sent without a body: an hour.
    let reply = server.as_key_manager().send("POST", &path(&key.id), None);
    let new = TestKey::of(&reply.ok()).value;
    assert!(new.starts_with(PREFIX) && new != key.value);
    for now in [START, START + 1, START + HOUR - 1] {
        server.set_now(now);
        assert_eq!(all_work(server, [&key.value, &new]), [true, true], "{now}");
    }
    for now in [START + HOUR, START + HOUR + 1, START + 1000 * HOUR] {
        server.set_now(now);
        assert_eq!(all_work(server, [&key.value, &new]), [false, true], "{now}");
    }
}

fn the_overlap_outlives_a_restart(server: &Server) {
    let key = server.unrestricted();
    let new = rotate(server, &key, &grace(60));
    server.set_now(START + 30_000);
    server.while_stopped(|_| ());
    assert_eq!(all_work(server, [&key.value, &new]), [true, true]);
    server.set_now(START + 59_999);
    assert_eq!(all_work(server, [&key.value, &new]), [true, true]);
    server.set_now(START + 60_000);
    assert_eq!(all_work(server, [&key.value, &new]), [false, true]);
    server.while_stopped(|_| ());
    assert_eq!(all_work(server, [&key.value, &new]), [false, true]);
}

fn an_overlap_can_end_while_stopped(server: &Server) {
    let key = server.unrestricted();
    let new = rotate(server, &key, &grace(60));
    server.while_stopped(|_| server.set_now(START + 60_000));
    assert_eq!(all_work(server, [&key.value, &new]), [false, true]);
    // What has ended is gone: no clock that is set back brings it to life again.
    server.set_now(START);
    assert_eq!(all_work(server, [&key.value, &new]), [false, true]);
}

fn no_grace_is_no_overlap(server: &Server) {
    for _ in 0..5 {
        let key = server.unrestricted();
        let new = rotate(server, &key, &grace(0));
        assert_eq!(all_work(server, [&key.value, &new]), [false, true]);
    }
    // It ends the value before alone: earlier ones have ends of their own.
    let key = server.unrestricted();
    let second = rotate(server, &key, &grace(60));
    let third = rotate(server, &key, &grace(0));
    assert_eq!(all_work(server, [&key.value, &second, &third]), [true, false, true]);
}

fn a_value_of_your_choice(server: &Server) {
    let key = server.unrestricted();
    let chosen = unique("a value of my choice");
    assert_eq!(rotate(server, &key, &json!({"apiKey": {"key": chosen}})), chosen);
    assert_eq!(all_work(server, [&key.value, &chosen]), [true, true]);
    assert_eq!(stored(server, &key)["key"], json!(chosen));
}

fn all_but_the_value_stays(server: &Server) {
    let members = json!({
        "name": unique("rotated"), "metaData": {"attributes": {"a": "b"}}, "disabled": true,
        "permissions": {"endpoints": {"/api/user": ["GET"]}}, "tenantId": server.tenant(),
        "expirationInstant": START + 1_000_000 * HOUR,
        "ipAccessControlListId": server.ip_access_control_list(json!([{"action": "Allow", "startIPAddress": "*"}])),
    });
    for retrievable in [true, false] {
        let mut members = members.clone();
        members["name"] = json!(unique("rotated"));
        members["retrievable"] = json!(retrievable);
        let key = server.api_key(members);
        let mut before = stored(server, &key);
        let mut answer = server.as_key_manager().post(&path(&key.id), &json!({})).ok()["apiKey"].take();
        let value = answer["key"].take();
        // The answer is the one place where a value that is shown once is shown.
        let after = stored(server, &key);
        assert_eq!(after.get("key"), retrievable.then_some(&value));
        before["key"] = Value::Null;
        assert_eq!(answer, before);
    }
    // So it is with keys of the other dialect, which are found by either of their ids.
    let role = server.role(&["GET:/system/version"]);
    let key = server.fusion_key(&[&role.name], None);
    let before = server.as_fusion_admin().get(&key.path()).ok();
    let answer = server.as_key_manager().post(&path(&key.id), &json!({})).ok();
    let value = answer["apiKey"]["key"].as_str().unwrap().to_owned();
    assert_eq!(server.as_fusion_admin().get(&key.path()).ok(), before);
    assert!(!names(&server.as_key_manager().get(&key.path()).ok()["apiKey"]).contains(&"key"));
    for value in [&key.value, &value] {
        server.with_key(value).get("/api/system/version").ok();
        server.with_key(value).get("/api/tenant").denied();
    }
}

fn each_value_has_an_end_of_its_own(server: &Server) {
    let key = server.unrestricted();
    let second = rotate(server, &key, &grace(100));
    let third = rotate(server, &key, &grace(50));
    let fourth = rotate(server, &key, &grace(2_592_000));
    for (seconds, expected) in [
        (0, [true, true, true, true]),
        (50, [true, false, true, true]),
        (100, [false, false, true, true]),
        (2_591_999, [false, false, true, true]),
        (2_592_000, [false, false, false, true]),
    ] {
        server.set_now(START + seconds * 1000);
        let values = [key.value.as_str(), &second, &third, &fourth];
        assert_eq!(all_work(server, values), expected, "{seconds}");
        // A write in between changes none of it.
        server.as_key_manager().patch(&key.path(), &body(json!({"name": unique("x")}))).ok();
    }
    // Eight earlier values at the most: the oldest goes first.
    let mut values = vec![fourth];
    for _ in 0..9 {
        values.push(rotate(server, &key, &grace(60)));
    }
    let expected: Vec<bool> = (0..10).map(|number| number > 0).collect();
    assert_eq!(values.iter().map(|value| works(server, value)).collect::<Vec<_>>(), expected);
}

fn what_a_key_loses_both_values_lose(server: &Server) {
    let manager = server.as_key_manager();
    let takings = [
        json!({"disabled": true}),
        json!({"expirationInstant": START}),
        json!({"permissions": {"endpoints": {"/api/user": ["GET"]}}}),
        json!({"ipAccessControlListId":
            server.ip_access_control_list(json!([{"action": "Block", "startIPAddress": "*"}]))}),
    ];
    for taking in takings {
        let key = server.unrestricted();
        let new = rotate(server, &key, &grace(60));
        assert_eq!(all_work(server, [&key.value, &new]), [true, true]);
        manager.patch(&key.path(), &body(taking.clone())).ok();
        assert_eq!(all_work(server, [&key.value, &new]), [false, false], "{taking}");
        // And what it gets back they get back.
        manager.put(&key.path(), &body(json!({"disabled": false}))).ok();
        assert_eq!(all_work(server, [&key.value, &new]), [true, true], "{taking}");
        // The rotation of a key that lost it all gives none of it back.
        manager.patch(&key.path(), &body(taking.clone())).ok();
        let newest = rotate(server, &key, &grace(60));
        assert_eq!(all_work(server, [&key.value, &new, &newest]), [false; 3], "{taking}");
    }
    let key = server.unrestricted();
    let new = rotate(server, &key, &grace(60));
    manager.delete(&key.path()).done();
    assert_eq!(all_work(server, [&key.value, &new]), [false, false]);
    manager.post(&path(&key.id), &json!({})).not_found();

    let tenant = server.tenant();
    let key = server.api_key(json!({"tenantId": tenant}));
    let new = rotate(server, &key, &grace(60));
    assert_eq!(all_work(server, [&key.value, &new]), [true, true]);
    manager.delete(&format!("/api/tenant/{tenant}")).done();
    assert_eq!(all_work(server, [&key.value, &new]), [false, false]);
}

fn a_key_ends_with_its_earlier_values(server: &Server) {
    let key = server.api_key(json!({"expirationInstant": START + 1000}));
    let new = rotate(server, &key, &grace(60));
    server.set_now(START + 999);
    assert_eq!(all_work(server, [&key.value, &new]), [true, true]);
    server.set_now(START + 1000);
    assert_eq!(all_work(server, [&key.value, &new]), [false, false]);
    server.as_key_manager().patch(&key.path(), &body(json!({"expirationInstant": null}))).ok();
    server.set_now(START + 59_999);
    assert_eq!(all_work(server, [&key.value, &new]), [true, true]);
    server.set_now(START + 60_000);
    assert_eq!(all_work(server, [&key.value, &new]), [false, true]);
    assert_eq!(stored(server, &key).get("expirationInstant"), None);
}

fn a_manager_rotates_itself(server: &Server) {
    let [manager] = server.command_line_api_keys([("manager", true, Permissions::All, None)]);
    let old = server.with_key(&manager.value);
    let rotated = TestKey::of(&old.post(&path(&manager.id), &grace(60)).ok());
    let new = server.with_key(&rotated.value);
    // Either value writes, and rotates again.
    for client in [&old, &new, &old] {
        client.post("/api/api-key", &body(json!({}))).ok();
    }
    let newest = server.with_key(&TestKey::of(&old.post(&path(&manager.id), &grace(60)).ok()).value);
    server.set_now(START + 59_999);
    for client in [&old, &new, &newest] {
        client.post("/api/api-key", &body(json!({}))).ok();
    }
    server.set_now(START + 60_000);
    for client in [&old, &new] {
        client.post("/api/api-key", &body(json!({}))).denied();
        client.post(&path(&manager.id), &json!({})).denied();
    }
    let last = TestKey::of(&newest.post(&path(&manager.id), &grace(0)).ok());
    newest.post("/api/api-key", &body(json!({}))).denied();
    server.with_key(&last.value).post("/api/api-key", &body(json!({}))).ok();
}

fn more_power_than_held_is_not_rotated(server: &Server) {
    let own = server.tenant();
    let held = || Permissions::Only("GET:/api/user\nGET:/api/system/version".parse().unwrap());
    let [restricted, of_tenant, other] = server.command_line_api_keys([
        ("restricted", true, held(), None),
        ("of a tenant", true, Permissions::All, Some(&own)),
        ("other manager", true, Permissions::All, None),
    ]);
    let untouched = |client: &Client, key: &TestKey, status: u16| {
        let before = stored(server, key);
        let reply = client.post(&path(&key.id), &json!({"apiKey": {"key": unique("chosen")}}));
        assert_eq!((reply.status, reply.text()), (status, ""));
        assert_eq!(stored(server, key), before);
        assert!(works(server, &key.value));
    };
    let client = server.with_key(&restricted.value);
    for endpoints in [json!({"/api/user": ["GET", "POST"], "/api/system/version": ["GET"]}), json!(null)] {
        untouched(&client, &server.restricted(endpoints), 401);
    }
    let within = server.restricted(json!({"/api/system/version": ["GET"]}));
    client.post(&path(&within.id), &json!({})).ok();
    client.post(&path(&restricted.id), &json!({})).ok();
    client.post(&path(&other.id), &json!({})).denied();
    assert!(works(server, &other.value));
    let client = server.with_key(&of_tenant.value);
    for key in [server.unrestricted(), server.api_key(json!({"tenantId": server.tenant()}))] {
        untouched(&client, &key, 404);
    }
    let key = server.api_key(json!({"tenantId": own}));
    client.post(&path(&key.id), &json!({})).ok();
    untouched(&server.as_key_manager().in_tenant(&server.tenant()), &key, 404);
}

fn keys_are_rotated_from_within_their_reach(server: &Server) {
    let key = server.unrestricted();
    // Permissions open nothing here, whatever they say.
    for client in [
        server.anonymous(),
        server.with_key(&key.value),
        server.with_key(
            &server.restricted(json!({"/api/api-key": ["POST"], "/api/api-key/rotate": ["POST"]})).value,
        ),
    ] {
        client.post(&path(&key.id), &json!({})).denied();
    }
    let manager = server.as_key_manager();
    manager.post(&path(&uuid()), &json!({})).not_found();
    for method in ["GET", "PUT", "PATCH", "DELETE"] {
        assert_eq!(manager.send(method, &path(&key.id), Some(&json!({}))).status, 405, "{method}");
    }
    assert_eq!(manager.post(&format!("{}/x", path(&key.id)), &json!({})).status, 404);
    assert!(works(server, &key.value));
}

fn fusions_dialect_has_no_rotation(server: &Server) {
    let key = server.unrestricted();
    assert_eq!(server.as_fusion_admin().post(&path(&key.id), &json!({})).status, 405);
    let both = server.as_fusion_admin().with_header("Authorization", &key.value);
    assert_eq!(both.post(&path(&key.id), &json!({})).status, 400);
    assert_eq!(stored(server, &key)["key"], json!(key.value));
}

fn rotations_have_rules(server: &Server) {
    let manager = server.as_key_manager();
    let (key, other) = (server.unrestricted(), server.unrestricted());
    let before = stored(server, &key);
    let invalid = ["gracePeriodInSeconds [invalid]gracePeriodInSeconds"];
    for seconds in [-1, 2_592_001, i64::MIN, i64::MAX] {
        manager.post(&path(&key.id), &grace(seconds)).refused(&invalid);
    }
    let chosen = |value: &str| json!({"apiKey": {"key": value}});
    let mut mistyped = key.value.clone();
    mistyped.pop();
    mistyped.push(if key.value.ends_with('a') { 'b' } else { 'a' });
    for value in [" x", "x\n", "a\u{7f}b", "Bearer x", mistyped.as_str()] {
        manager.post(&path(&key.id), &chosen(value)).refused(&["apiKey.key [invalid]apiKey.key"]);
    }
    manager.post(&path(&key.id), &chosen("")).refused(&["apiKey.key [blank]apiKey.key"]);
    manager.post(&path(&key.id), &chosen(&"x".repeat(1025))).refused(&["apiKey.key [tooLong]apiKey.key"]);
    // Its own value, and that of another key.
    for value in [&key.value, &other.value] {
        manager.post(&path(&key.id), &chosen(value)).refused(&DUPLICATE);
    }
    for document in [
        json!({"gracePeriodInSeconds": "60"}),
        json!({"gracePeriodInSeconds": 1.5}),
        json!({"gracePeriod": 60}),
        json!({"apiKey": "x"}),
        json!({"apiKey": {"name": "x"}}),
        json!({"key": "x"}),
        json!([]),
    ] {
        let reply = manager.post(&path(&key.id), &document);
        assert_eq!(reply.status, 400, "{document}");
        assert!(reply.text().contains("[invalidJSON]"), "{document}: {}", reply.text());
    }
    // All that is wrong is said at once.
    let wrong = json!({"gracePeriodInSeconds": -1, "apiKey": {"key": ""}});
    manager.post(&path(&"x".repeat(300)), &wrong).refused(&[
        invalid[0],
        "apiKey.key [blank]apiKey.key",
        "apiKeyId [couldNotConvert]apiKeyId",
    ]);
    assert_eq!(stored(server, &key), before);
    // Empty in every way is nothing said.
    for document in [json!({}), json!({"apiKey": null}), json!({"apiKey": {}, "gracePeriodInSeconds": null})]
    {
        rotate(server, &key, &document);
    }
    assert!(works(server, &key.value));
}

fn values_are_free_from_their_end_on(server: &Server) {
    let manager = server.as_key_manager();
    let (key, other) = (server.unrestricted(), server.unrestricted());
    let new = rotate(server, &key, &grace(60));
    let taken = json!({"apiKey": {"key": key.value}});
    server.set_now(START + 59_999);
    for to in ["/api/api-key".to_owned(), path(&key.id), path(&other.id)] {
        manager.post(&to, &taken).refused(&DUPLICATE);
    }
    server.set_now(START + 60_000);
    rotate(server, &other, &taken);
    assert_eq!(all_work(server, [&key.value, &new, &other.value]), [true, true, true]);
    // It is the other one's now, and stays so whatever happens to the first.
    manager.patch(&key.path(), &body(json!({"name": unique("x")}))).ok();
    manager.delete(&key.path()).done();
    assert_eq!(all_work(server, [&key.value, &new]), [true, false]);
    server.while_stopped(|_| ());
    let manager = server.as_key_manager();
    assert_eq!(all_work(server, [&key.value, &new, &other.value]), [true, false, true]);
    let newest = rotate(server, &other, &grace(0));
    assert_eq!(all_work(server, [&key.value, &newest]), [false, true]);
    // A key takes a value again that it had.
    manager.post(&path(&other.id), &json!({"apiKey": {"key": key.value}, "gracePeriodInSeconds": 0})).ok();
    assert_eq!(all_work(server, [&key.value, &newest]), [true, false]);
}

fn the_audit_log_says_who_rotated(server: &Server) {
    let tenant = server.tenant();
    let [manager] = server.command_line_api_keys([("manager", true, Permissions::All, Some(&tenant))]);
    let key = server.api_key(json!({"tenantId": tenant}));
    let entries = || {
        let query =
            format!("/api/system/audit-log/search?numberOfResults=1000&orderBy=id&message=*{}", key.id);
        server.as_key_manager().get(&query).ok()["auditLogs"].as_array().unwrap().clone()
    };
    assert_eq!(entries().len(), 1);
    let client = server.with_key(&manager.value);
    let rotated = TestKey::of(&client.post(&path(&key.id), &grace(60)).ok());
    client.post(&path(&key.id), &json!({"apiKey": {"key": key.value}})).refused(&DUPLICATE);
    client.post(&path(&key.id), &grace(-1)).refused(&["gracePeriodInSeconds [invalid]gracePeriodInSeconds"]);
    server.with_key(&key.value).post(&path(&key.id), &json!({})).denied();
    let entries = entries();
    let [_, entry] = entries.as_slice() else { panic!("{entries:?}") };
    assert_eq!(entry["message"], json!(format!("Rotated the API key {}", key.id)));
    assert_eq!(entry["data"]["actor"], json!({"id": manager.id, "kind": "ApiKey"}));
    assert_eq!(entry["data"]["address"], json!("127.0.0.1"));
    assert_eq!((&entry["tenantId"], &entry["insertInstant"]), (&json!(tenant), &json!(START)));
    let differ: Vec<_> = names(&entry["newValue"])
        .into_iter()
        .filter(|name| entry["newValue"][*name] != entry["oldValue"][*name])
        .collect();
    // Until when both work.
    assert_eq!(differ, ["previousValueValidUntil", "revision"]);
    assert_eq!(entry["newValue"]["previousValueValidUntil"], json!(START + 60_000));
    assert_eq!(entry["data"]["action"], json!("rotate"));
    for secret in [&key.value, &rotated.value] {
        assert!(!entry.to_string().contains(secret.as_str()));
    }
}

/// Threads call with the value that they know while it is rotated, and take up the new one some time later.
fn nothing_fails_while_keys_rotate(server: &Server) {
    let key = server.unrestricted();
    let current = Mutex::new(key.value.clone());
    let (done, calls, barrier) = (AtomicBool::new(false), AtomicUsize::new(0), Barrier::new(3));
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                barrier.wait();
                while !done.load(Ordering::SeqCst) {
                    let value = current.lock().unwrap().clone();
                    for _ in 0..5 {
                        let reply = server.with_key(&value).get("/api/system/version");
                        if reply.status != 200 {
                            done.store(true, Ordering::SeqCst);
                        }
                        reply.ok();
                        calls.fetch_add(1, Ordering::SeqCst);
                    }
                }
            });
        }
        barrier.wait();
        for _ in 0..20 {
            let new = rotate(server, &key, &grace(3600));
            *current.lock().unwrap() = new;
            // As many calls as may still be under way with the value before.
            let seen = calls.load(Ordering::SeqCst);
            while calls.load(Ordering::SeqCst) < seen + 10 && !done.load(Ordering::SeqCst) {
                thread::yield_now();
            }
        }
        done.store(true, Ordering::SeqCst);
    });
    assert!(calls.load(Ordering::SeqCst) >= 200);
}
