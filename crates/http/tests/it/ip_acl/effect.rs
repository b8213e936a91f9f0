//! What lists do: seen by calling endpoints with keys that have one, from addresses that a proxy names.

use std::thread;

use serde_json::{Value, json};

use super::{body, create, default, id, path, range};
use crate::support::client::head;
use crate::support::fixture::TestKey;
use crate::support::{Client, Connection, Reply, Server, Settings, unique};

on_each_database! {
    shared: changes_count_when_they_are_acknowledged, a_copy_has_the_list_of_its_source;
    own: addresses_decide, an_address_that_is_not_known_is_not_let_in, whoever_is_blocked_learns_nothing,
        the_address_is_not_the_clients_to_choose, what_counts_for_a_slow_body_is_its_end;
}

const VERSION: &str = "/api/system/version";

/// A server that the tests reach through a proxy, which says whom it speaks for.
fn behind_proxy(server: &Server) -> Server {
    server.sibling(Settings { trusted_proxies: "127.0.0.1", ..Settings::default() })
}

fn from(server: &Server, key: &TestKey, address: &str) -> Client {
    server.with_key(&key.value).with_header("X-Forwarded-For", address)
}

#[track_caller]
fn is_let_in(reply: &Reply) -> bool {
    match reply.status {
        200 => true,
        401 => {
            reply.denied();
            false
        }
        other => panic!("{other}"),
    }
}

/// Asserts which addresses a list with these entries lets in, and that they are told what they ask for.
#[track_caller]
fn check(server: &Server, entries: Value, allowed: &[&str], blocked: &[&str]) {
    let list = create(server, json!({"entries": entries}));
    let key = server.api_key(json!({"ipAccessControlListId": id(&list)}));
    for (addresses, expected) in [(allowed, true), (blocked, false)] {
        for address in addresses {
            assert_eq!(
                is_let_in(&from(server, &key, address).get(VERSION)),
                expected,
                "{address}: {entries}"
            );
        }
    }
}

fn addresses_decide(server: &Server) {
    let server = &behind_proxy(server);
    let all = ["0.0.0.0", "192.0.2.1", "255.255.255.255", "::1", "2001:db8::1", "::ffff:192.0.2.1"];
    check(server, json!([default("Allow")]), &all, &[]);
    check(server, json!([default("Block")]), &[], &all);
    // IPv4, both ends included; and the same addresses in the notation of IPv6.
    let office = range("Allow", "192.0.2.10", "192.0.2.19");
    let inside = [
        "192.0.2.10",
        "192.0.2.15",
        "192.0.2.19",
        "::ffff:192.0.2.10",
        "::FFFF:c000:213",
        "[::ffff:192.0.2.19]:4711",
    ];
    let outside = ["192.0.2.9", "192.0.2.20", "::ffff:192.0.2.9", "::192.0.2.10", "2001:db8::1", "127.0.0.1"];
    check(server, json!([office, default("Block")]), &inside, &outside);
    check(server, json!([default("Allow"), range("Block", "192.0.2.10", "192.0.2.19")]), &outside, &inside);
    check(
        server,
        json!([range("Allow", "::ffff:192.0.2.10", "192.0.2.19"), default("Block")]),
        &inside,
        &outside,
    );
    // IPv6.
    let network = range("Allow", "2001:db8:1::", "2001:db8:1:ffff:ffff:ffff:ffff:ffff");
    let inside = ["2001:db8:1::", "2001:DB8:1:0::7", "2001:db8:1:ffff:ffff:ffff:ffff:ffff"];
    let outside = ["2001:db8::ffff", "2001:db8:2::", "192.0.2.1", "::ffff:192.0.2.1", "::"];
    check(server, json!([default("Block"), network]), &inside, &outside);
    // Ranges of one family say nothing about the other: the default does.
    let v4 = ["0.0.0.0", "255.255.255.255", "::ffff:10.0.0.1"];
    let v6 = ["::1", "2001:db8::1"];
    check(server, json!([range("Allow", "0.0.0.0", "255.255.255.255"), default("Block")]), &v4, &v6);
    check(server, json!([range("Block", "0.0.0.0", "255.255.255.255"), default("Allow")]), &v6, &v4);
    let every = "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff";
    check(server, json!([range("Block", "::", every), default("Allow")]), &v4, &v6);
    // The smallest range wins; of equal ones that which blocks, wherever it stands.
    let nested = json!([
        range("Allow", "10.1.2.3", "10.1.2.3"),
        default("Block"),
        range("Allow", "10.0.0.0", "10.255.255.255"),
        range("Block", "10.1.0.0", "10.1.255.255"),
    ]);
    check(server, nested, &["10.0.0.1", "10.1.2.3", "10.2.0.0"], &["10.1.0.0", "10.1.2.4", "11.0.0.0"]);
    let (allow, block) = (range("Allow", "10.0.0.1", "10.0.0.9"), range("Block", "10.0.0.1", "10.0.0.9"));
    check(server, json!([default("Allow"), allow, block]), &["10.0.0.10"], &["10.0.0.1", "10.0.0.9"]);
    check(server, json!([block, default("Block"), allow]), &[], &["10.0.0.10", "10.0.0.1", "10.0.0.9"]);
}

/// A proxy that does not say for whom it speaks: a key without a list works, one with any list does not.
fn an_address_that_is_not_known_is_not_let_in(server: &Server) {
    let server = &behind_proxy(server);
    let free = server.unrestricted();
    for action in ["Allow", "Block"] {
        let list = create(server, json!({"entries": [default(action)]}));
        let key = server.api_key(json!({"ipAccessControlListId": id(&list)}));
        for unknown in ["unknown", "", "_hidden", "192.0.2.01", "fe80::1%eth0", "192.0.2.1,"] {
            from(server, &key, unknown).get(VERSION).denied();
            from(server, &free, unknown).get(VERSION).ok();
        }
    }
}

/// Without a proxy that is trusted the address is the peer's, whatever the request says.
fn the_address_is_not_the_clients_to_choose(server: &Server) {
    let local =
        create(server, json!({"entries": [range("Allow", "127.0.0.1", "127.0.0.1"), default("Block")]}));
    let remote =
        create(server, json!({"entries": [range("Allow", "192.0.2.1", "192.0.2.1"), default("Block")]}));
    let local = server.api_key(json!({"ipAccessControlListId": id(&local)}));
    let remote = server.api_key(json!({"ipAccessControlListId": id(&remote)}));
    for header in
        ["X-Forwarded-For", "X-Real-IP", "Forwarded", "True-Client-IP", "X-Client-IP", "CF-Connecting-IP"]
    {
        for value in ["192.0.2.1", "127.0.0.1", "for=192.0.2.1", "unknown"] {
            server.with_key(&local.value).with_header(header, value).get(VERSION).ok();
            server.with_key(&remote.value).with_header(header, value).get(VERSION).denied();
        }
    }
    // Behind one, what the client wrote to the left of its own address does not count.
    let server = &behind_proxy(server);
    let list =
        create(server, json!({"entries": [range("Allow", "192.0.2.1", "192.0.2.1"), default("Block")]}));
    let key = server.api_key(json!({"ipAccessControlListId": id(&list)}));
    from(server, &key, "203.0.113.7, 192.0.2.1").get(VERSION).ok();
    from(server, &key, "192.0.2.1, 203.0.113.7").get(VERSION).denied();
}

/// The parts of an answer that do not differ from one request to the next.
fn comparable(reply: &Reply) -> (u16, Vec<(String, String)>, Vec<u8>) {
    let mut headers = reply.headers.clone();
    headers.retain(|(name, _)| name != "date" && name != "x-request-id");
    (reply.status, headers, reply.body.clone())
}

fn whoever_is_blocked_learns_nothing(server: &Server) {
    let list = create(server, json!({"entries": [default("Block")]}));
    let blocked = server.api_key(json!({"ipAccessControlListId": id(&list)}));
    let unknown = format!("{}x", "no such key ".repeat(4));
    let requests = [
        ("GET", VERSION.to_owned(), None),
        ("HEAD", VERSION.to_owned(), None),
        ("GET", "/api/tenant".to_owned(), None),
        ("GET", "/api/status".to_owned(), None),
        ("GET", "/api/prometheus/metrics".to_owned(), None),
        ("GET", path(id(&list)), None),
        ("GET", path("no-uuid"), None),
        ("POST", "/api/tenant".to_owned(), Some(json!({"tenant": {"name": unique("blocked")}}))),
        ("POST", "/api/jwt/vend".to_owned(), Some(json!({"claims": {}}))),
        ("POST", "/api/api-key".to_owned(), Some(json!({"apiKey": {}}))),
        ("POST", "/api/ip-acl".to_owned(), Some(json!({}))),
    ];
    for (method, path, body) in &requests {
        for header in ["Authorization", "x-api-key", "apikey"] {
            let ask = |value: &str| {
                comparable(&server.anonymous().with_header(header, value).send(method, path, body.as_ref()))
            };
            let answer = ask(&blocked.value);
            assert_eq!(answer.0, 401, "{method} {path}");
            assert_eq!(answer, ask(&unknown), "{method} {path}");
        }
        let in_tenant = |value: &str| {
            let client = server.with_key(value).in_tenant("no uuid");
            comparable(&client.send(method, path, body.as_ref()))
        };
        assert_eq!(in_tenant(&blocked.value), in_tenant(&unknown), "{method} {path}");
    }
}

fn changes_count_when_they_are_acknowledged(server: &Server) {
    let manager = server.as_key_manager();
    let local = || range("Block", "127.0.0.1", "127.0.0.1");
    let (open, shut) = (create(server, json!({})), create(server, json!({"entries": [default("Block")]})));
    let list = create(server, json!({}));
    let keys = [0; 3].map(|_| server.api_key(json!({"ipAccessControlListId": id(&list)})));
    let other = server.api_key(json!({"ipAccessControlListId": id(&open)}));
    let name = &list["name"];
    let all = |expected: bool| {
        for key in &keys {
            assert_eq!(is_let_in(&server.with_key(&key.value).get(VERSION)), expected);
        }
        // Another list is another one's.
        server.with_key(&other.value).get(VERSION).ok();
    };
    for _ in 0..10 {
        // The list changes while keys use it.
        all(true);
        manager.patch(&path(id(&list)), &body(json!({"entries": [local()]}))).ok();
        all(false);
        manager.put(&path(id(&list)), &body(json!({"name": name, "entries": [default("Allow")]}))).ok();
        all(true);
        manager.put(&path(id(&list)), &body(json!({"name": name, "entries": [default("Block")]}))).ok();
        all(false);
        // A change that is refused changes nothing.
        assert_eq!(manager.put(&path(id(&list)), &body(json!({"name": name}))).status, 400);
        all(false);
        manager.put(&path(id(&list)), &body(json!({"name": name, "entries": [default("Allow")]}))).ok();
    }
    let key = server.unrestricted();
    let client = server.with_key(&key.value);
    for _ in 0..10 {
        // The key gets a list, another one, and none.
        client.get(VERSION).ok();
        let named = |list: &Value| json!({"apiKey": {"ipAccessControlListId": list["id"]}});
        manager.patch(&key.path(), &named(&shut)).ok();
        client.get(VERSION).denied();
        manager.patch(&key.path(), &named(&open)).ok();
        client.get(VERSION).ok();
        manager.put(&key.path(), &named(&shut)).ok();
        client.get(VERSION).denied();
        manager.patch(&key.path(), &json!({"apiKey": {"ipAccessControlListId": null}})).ok();
        client.get(VERSION).ok();
        manager.put(&key.path(), &named(&shut)).ok();
        client.get(VERSION).denied();
        manager.put(&key.path(), &json!({"apiKey": {}})).ok();
    }
}

fn a_copy_has_the_list_of_its_source(server: &Server) {
    let manager = server.as_key_manager();
    let shut = create(server, json!({"entries": [default("Block")]}));
    let source = server.api_key(json!({"ipAccessControlListId": shut["id"]}));
    let copy = manager.post("/api/api-key", &json!({"sourceKeyId": source.id})).ok();
    assert_eq!(copy["apiKey"]["ipAccessControlListId"], shut["id"]);
    let copy = TestKey::of(&copy);
    server.with_key(&copy.value).get(VERSION).denied();
    let open = body(json!({"name": shut["name"], "entries": [default("Allow")]}));
    manager.put(&path(id(&shut)), &open).ok();
    server.with_key(&copy.value).get(VERSION).ok();
}

fn what_counts_for_a_slow_body_is_its_end(server: &Server) {
    let manager = server.as_key_manager();
    let list = create(server, json!({}));
    let key = server.api_key(json!({"ipAccessControlListId": id(&list)}));
    let name = unique("slow");
    let document = json!({"tenant": {"name": name}}).to_string();
    let (first, rest) = document.split_at(document.len() / 2);
    let length = document.len().to_string();
    let headers = [
        ("Authorization", key.value.as_str()),
        ("Content-Type", "application/json"),
        ("Content-Length", &length),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()));
    let mut connection = Connection::open(server.address());
    let reads = server.clock_reads();
    connection.write(head("POST", "/api/tenant", &headers).as_bytes()).unwrap();
    connection.write(first.as_bytes()).unwrap();
    // The gate has let the caller through.
    while server.clock_reads() == reads {
        thread::yield_now();
    }
    manager
        .patch(&path(id(&list)), &body(json!({"entries": [range("Block", "127.0.0.1", "127.0.0.1")]})))
        .ok();
    connection.write(rest.as_bytes()).unwrap();
    connection.read("POST").unwrap().denied();
    let tenants = manager.get("/api/tenant").ok();
    assert!(tenants["tenants"].as_array().unwrap().iter().all(|tenant| tenant["name"] != name.as_str()));
}
