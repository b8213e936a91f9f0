//! Requests that are cut off, overtaken, or reach a server that has lost its database to another one.

use std::thread;
use std::time::Duration;

use serde_json::json;

use crate::support::client::head;
use crate::support::database::Database;
use crate::support::{Connection, Server, Settings, unique};

on_each_database! {
    own: a_body_that_does_not_come_is_given_up, rights_that_change_during_the_work_are_a_conflict;
}

fn a_body_that_does_not_come_is_given_up(server: &Server) {
    let settings = Settings { longest_body: Duration::from_millis(100), ..Settings::default() };
    let server = Server::start(Database::new(server.kind()), settings);
    let key = server.unrestricted();
    let headers = [
        ("Authorization", key.value.as_str()),
        ("Content-Type", "application/json"),
        ("Content-Length", "1000"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()));
    let mut connection = Connection::open(server.address());
    connection.write(head("POST", "/api/tenant", &headers).as_bytes()).unwrap();
    connection.write(b"{\"tenant\":").unwrap();
    let reply = connection.read("POST").unwrap();
    assert_eq!((reply.status, reply.text()), (408, ""));
    assert!(!connection.has_more());
}

fn rights_that_change_during_the_work_are_a_conflict(server: &Server) {
    let manager = server.as_key_manager();
    let caller = server.restricted(json!({"/api/key/generate": ["POST"]}));
    let name = unique("overtaken");
    let body = json!({"key": {"algorithm": "RS256", "length": 4096, "name": name}});
    let begun = "claviger_rsa_stock_misses_total{length=\"4096\"} 1";
    thread::scope(|scope| {
        let client = server.with_key(&caller.value);
        let generation = scope.spawn(move || client.post("/api/key/generate", &body));
        // The gate let the request through, and again when its body was complete.
        while !manager.get("/api/prometheus/metrics").text().contains(begun) {
            thread::yield_now();
        }
        let more = json!({"apiKey": {"permissions": {"endpoints": {"/api/key": ["GET"]}}}});
        manager.patch(&caller.path(), &more).ok();
        let reply = generation.join().unwrap();
        assert_eq!((reply.status, reply.errors()), (409, vec!["[retryableConflict]".to_owned()]));
    });
    let keys = manager.get("/api/key").ok();
    assert!(keys["keys"].as_array().unwrap().iter().all(|key| key["name"] != json!(name)));
}

/// Only on PostgreSQL are there nodes that follow each other.
#[cfg(feature = "postgres")]
mod lease {
    use std::time::Duration;

    use claviger_http::WithoutLease;
    use serde_json::json;

    use crate::support::database::Database;
    use crate::support::{Server, Settings};

    mod postgres {
        use crate::support::{Kind, on_own};

        #[test]
        fn a_server_without_a_lease_answers_nobody() {
            let name = concat!(module_path!(), "::a_server_without_a_lease_answers_nobody");
            on_own(Kind::Postgres, name, super::a_server_without_a_lease_answers_nobody);
        }
    }

    fn a_server_without_a_lease_answers_nobody(server: &Server) {
        for without_lease in [WithoutLease::Ask, WithoutLease::Refuse] {
            let settings =
                Settings { lease: Duration::from_millis(500), without_lease, ..Settings::default() };
            let server = Server::start(Database::new(server.kind()), settings);
            let manager = server.as_key_manager();
            let anonymous = server.anonymous();
            manager.get("/api/key").ok();
            anonymous.get("/.well-known/jwks.json").ok();
            // The database is there, but nobody can say what has changed.
            server.database_execute("ALTER SEQUENCE feed_barrier RENAME TO gone");
            while manager.get("/api/system/version").status == 200 {}
            for path in ["/api/system/version", "/api/key", "/.well-known/jwks.json"] {
                let reply = manager.get(path);
                assert_eq!((reply.status, reply.errors()), (503, vec!["[Unavailable]".to_owned()]), "{path}");
            }
            let body = json!({"tenant": {"name": "not to be"}});
            assert_eq!(manager.post("/api/tenant", &body).status, 503);
            assert_eq!(server.with_key("unknown").get("/api/key").status, 503);
            let health = anonymous.get("/api/health").status;
            assert_eq!((health, anonymous.get("/api/status").status), (500, 452));
            anonymous.get("/api/key").denied();
            server.database_execute("ALTER SEQUENCE gone RENAME TO feed_barrier");
            while manager.get("/api/system/version").status != 200 {}
            manager.get("/api/key").ok();
            anonymous.get("/.well-known/jwks.json").ok();
        }
    }
}
