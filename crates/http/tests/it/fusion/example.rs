//! The documented example as `curl` sends it, and what the answers hold: a key is shown once, lists are in order.

use serde_json::{Value, json};

use super::{API_KEYS, listed, path, seen_in_a, seen_in_f};
use crate::support::fixture::{FusionKey, names};
use crate::support::server::{BOOTSTRAP, START};
use crate::support::{Connection, Server};

on_each_database! {
    own: the_example_works_as_printed, the_key_is_shown_once, lists_are_in_the_order_of_creation,
        ids_are_made_of_name_and_time;
}

/// What `curl -X POST -d …` with the documented header sends: a form by its name.
fn curl(server: &Server, header: &str, body: &str) -> Value {
    let mut connection = Connection::open(server.address());
    let request = format!(
        "POST /api/api-key HTTP/1.1\r\nHost: localhost:9011\r\nUser-Agent: curl/8.5.0\r\nAccept: */*\r\n\
         {header}: {BOOTSTRAP}\r\nContent-Length: {}\r\nContent-Type: application/x-www-form-urlencoded\r\n\r\n{body}",
        body.len()
    );
    connection.write(request.as_bytes()).unwrap();
    connection.read("POST").unwrap().ok()
}

fn the_example_works_as_printed(server: &Server) {
    server.set_now(START + 1_999);
    for (header, id) in
        [("x-api-key", "api-key-searchaccess-16744867518441"), ("apiKey", "second"), ("X-API-KEY", "third")]
    {
        let body =
            format!(r#"{{"name":"searchaccess","id":"{id}","roles":["rules","search-template","search"]}}"#);
        let made = curl(server, header, &body);
        let key = made["key"].as_str().unwrap();
        let expected = json!({"name": "searchaccess", "id": id, "key": key,
            "roles": ["rules", "search-template", "search"], "createdAt": "2027-01-15T08:00:01Z"});
        assert_eq!(made, expected);
        assert_eq!(names(&made), ["name", "id", "key", "roles", "createdAt"]);
        assert_eq!(seen_in_a(server, id)["insertInstant"], json!(START + 1_999));
        // It is a key: known, and without any of the rights that are served here.
        server.with_fusion_key(key).get("/api/key").denied();
        assert_eq!(server.with_fusion_key(key).send("PATCH", API_KEYS, None).status, 405);
    }
}

fn the_key_is_shown_once(server: &Server) {
    let key = server.fusion_key(&["admin"], None);
    let admin = server.as_fusion_admin();
    for document in [admin.get(&key.path()).ok(), admin.get(API_KEYS).ok(), seen_in_a(server, &key.id)] {
        assert!(!document.to_string().contains(&key.value), "{document}");
    }
    assert!(!server.with_fusion_key(&key.value).get(API_KEYS).text().contains(&key.value));
    let renamed = json!({"apiKey": {"name": "renamed"}});
    let document = server.as_key_manager().patch(&key.path(), &renamed).ok();
    assert!(!document.to_string().contains(&key.value), "{document}");
    // A key whose value can be read back in the other dialect is not shown in this one.
    let retrievable = server.unrestricted();
    assert_eq!(seen_in_a(server, &retrievable.id)["key"], json!(retrievable.value));
    assert!(!admin.get(API_KEYS).text().contains(&retrievable.value));
    assert_eq!(names(&seen_in_f(server, &retrievable.id)), ["name", "id", "roles", "createdAt"]);
}

fn lists_are_in_the_order_of_creation(server: &Server) {
    let admin = server.as_fusion_admin();
    let make = |id: &str| drop(admin.post(API_KEYS, &json!({"name": "ordered", "id": id})).ok());
    let first = listed(&admin);
    assert_eq!(first.len(), 1);
    server.set_now(START + 20);
    for id in ["m", "B", "a", "é"] {
        make(id);
    }
    // Within the same second, and before the others in the order of ids.
    server.set_now(START + 10);
    make("z");
    server.set_now(START + 5_000);
    make("A");
    let expected = [first, ["z", "B", "a", "m", "é", "A"].map(str::to_owned).to_vec()].concat();
    assert_eq!(listed(&admin), expected);
    admin.delete(&path("a")).done();
    let expected: Vec<_> = expected.into_iter().filter(|id| id != "a").collect();
    assert_eq!(listed(&admin), expected);
    // The order is that of memory and database alike.
    server.while_stopped(|_| ());
    assert_eq!(listed(&server.as_fusion_admin()), expected);
}

fn ids_are_made_of_name_and_time(server: &Server) {
    let admin = server.as_fusion_admin();
    let make = |name: &str| FusionKey::of(&admin.post(API_KEYS, &json!({"name": name})).ok()).id;
    // The clock of this server stands still: all are made in one millisecond.
    assert_eq!(make("core_ui"), "api-key-core-ui-18000000000000");
    assert_eq!(make("core_ui"), "api-key-core-ui-18000000000001");
    assert_eq!(make("Core -- UI"), "api-key-core-ui-18000000000002");
    assert_eq!(make("Kiosk #1 (Paris)"), "api-key-kiosk-1-paris-18000000000000");
    assert_eq!(make("éé"), "api-key-key-18000000000000");
    for _ in 0..9 {
        make("core_ui");
    }
    assert_eq!(make("core_ui"), "api-key-core-ui-18000000000012");
    // An id that is free again is taken again, and one that somebody chose is not.
    admin.delete(&path("api-key-core-ui-18000000000001")).done();
    assert_eq!(make("core_ui"), "api-key-core-ui-18000000000001");
    server.set_now(START + 1);
    admin.post(API_KEYS, &json!({"name": "x", "id": "api-key-core-ui-18000000000013"})).ok();
    assert_eq!(make("core_ui"), "api-key-core-ui-18000000000014");
    let long = make(&"x".repeat(191));
    assert_eq!(long, format!("api-key-{}-18000000000010", "x".repeat(191)));
    admin.get(&path(&long)).ok();
}
