//! What is read off at the moment of asking: keys near the end of their certificate, the stock of RSA keys, what is in
//! memory, and whether the database answers.

use std::time::{Duration, Instant};

use claviger_http::RsaStockSize;
use serde_json::json;

use super::{Series, look, value};
use crate::key::{documented_keys, fixture, generate};
use crate::support::database::Database;
use crate::support::server::START;
use crate::support::{Server, Settings, unique};

on_each_database! {
    own: certificates_are_counted_by_their_end, every_boundary_of_an_end, keys_without_an_end_are_not_counted,
        the_stock_is_shown, what_is_in_memory_is_counted;
}

const DAY: i64 = 24 * 60 * 60 * 1000;

/// The counts of keys whose certificate has ended, or ends within 7, 30 and 90 days.
#[track_caller]
fn near(server: &Server) -> [f64; 4] {
    let series = look(server);
    ["ended", "7d", "30d", "90d"]
        .map(|within| value(&series, &format!("claviger_keys_near_expiry{{within=\"{within}\"}}")))
}

#[track_caller]
fn import(server: &Server, certificate: &serde_json::Value) -> String {
    let key = json!({"key": {"name": unique("ends"), "certificate": certificate}});
    let document = server.as_key_manager().post("/api/key/import", &key).ok();
    format!("/api/key/{}", document["key"]["id"].as_str().unwrap())
}

fn certificates_are_counted_by_their_end(server: &Server) {
    let manager = server.as_key_manager();
    // What is generated ends ten years later, on the same day of the calendar.
    let end = 2_115_619_200_000;
    let mut paths = Vec::new();
    for days in [5, 20, 60, 100] {
        server.set_now(START + days * DAY);
        let key = json!({"key": {"name": unique("ends"), "algorithm": "ES256"}});
        let document = manager.post("/api/key/generate", &key).ok();
        assert_eq!(document["key"]["expirationInstant"], json!(end + days * DAY));
        paths.push(format!("/api/key/{}", document["key"]["id"].as_str().unwrap()));
    }
    assert_eq!(near(server), [0.0; 4]);
    // The instance's own key was made at the start.
    server.set_now(end - 91 * DAY);
    assert_eq!(near(server), [0.0; 4]);
    server.set_now(end - 80 * DAY);
    assert_eq!(near(server), [0.0, 0.0, 0.0, 2.0]);
    server.set_now(end + 1);
    assert_eq!(near(server), [1.0, 1.0, 1.0, 1.0]);
    server.set_now(end + 30 * DAY + 1);
    assert_eq!(near(server), [3.0, 0.0, 1.0, 1.0]);
    // Ended or not, it signs; deleted or not, it is counted only while it is there.
    for (path, left) in paths.iter().zip([
        [2.0, 0.0, 1.0, 1.0],
        [1.0, 0.0, 1.0, 1.0],
        [1.0, 0.0, 0.0, 1.0],
        [1.0, 0.0, 0.0, 0.0],
    ]) {
        manager.delete(path).done();
        assert_eq!(near(server), left);
    }
    manager.post("/api/jwt/vend", &json!({})).ok();
}

fn every_boundary_of_an_end(server: &Server) {
    let documented = &documented_keys()[0];
    let end = documented["certificateInformation"]["validTo"].as_i64().unwrap();
    let path = import(server, &documented["certificate"]);
    for (before, expected) in [
        (90 * DAY, [0.0, 0.0, 0.0, 0.0]),
        (90 * DAY - 1, [0.0, 0.0, 0.0, 1.0]),
        (60 * DAY, [0.0, 0.0, 0.0, 1.0]),
        (30 * DAY, [0.0, 0.0, 0.0, 1.0]),
        (30 * DAY - 1, [0.0, 0.0, 1.0, 0.0]),
        (20 * DAY, [0.0, 0.0, 1.0, 0.0]),
        (7 * DAY, [0.0, 0.0, 1.0, 0.0]),
        (7 * DAY - 1, [0.0, 1.0, 0.0, 0.0]),
        (5 * DAY, [0.0, 1.0, 0.0, 0.0]),
        (1, [0.0, 1.0, 0.0, 0.0]),
        // The end belongs to the validity (RFC 5280, section 4.1.2.5).
        (0, [0.0, 1.0, 0.0, 0.0]),
        (-1, [1.0, 0.0, 0.0, 0.0]),
        (-1000 * DAY, [1.0, 0.0, 0.0, 0.0]),
    ] {
        server.set_now(end - before);
        assert_eq!(near(server), expected, "{before}");
    }
    // The others of the documentation end later.
    for other in &documented_keys()[1..] {
        import(server, &other["certificate"]);
    }
    server.set_now(end + 1);
    assert_eq!(near(server), [1.0, 0.0, 0.0, 0.0]);
    server.set_now(1_948_714_911_000 - DAY);
    assert_eq!(near(server), [1.0, 1.0, 0.0, 0.0]);
    server.as_key_manager().delete(&path).done();
    assert_eq!(near(server), [0.0, 1.0, 0.0, 0.0]);
}

fn keys_without_an_end_are_not_counted(server: &Server) {
    let manager = server.as_key_manager();
    for members in [
        json!({"publicKey": fixture("ec-p256.spki")}),
        json!({"type": "HMAC", "secret": "s"}),
        json!({"type": "Secret", "secret": "s"}),
    ] {
        let mut key = members;
        key["name"] = json!(unique("endless"));
        manager.post("/api/key/import", &json!({"key": key})).ok();
    }
    // The first moment at which the instance's own key has ended, and much later.
    for now in [2_115_619_200_001, 4_000_000_000_000] {
        server.set_now(now);
        assert_eq!(near(server), [1.0, 0.0, 0.0, 0.0]);
    }
}

/// Waits until the metrics are as wanted: keys for the stock are made in idle time.
#[track_caller]
fn until(server: &Server, wanted: impl Fn(&Series) -> bool) -> Series {
    let deadline = Instant::now() + Duration::from_secs(120);
    loop {
        let series = look(server);
        if wanted(&series) {
            return series;
        }
        assert!(Instant::now() < deadline, "the stock is not filled: {series:?}");
        std::thread::yield_now();
    }
}

fn the_stock_is_shown(server: &Server) {
    // Room for one key, which is of the shortest length.
    let rsa_stock = RsaStockSize { keys: 1, bytes: 2400 };
    let server = Server::start(Database::new(server.kind()), Settings { rsa_stock, ..Settings::default() });
    let manager = server.as_key_manager();
    let stock_keys = |length: &str| format!("claviger_rsa_stock_keys{{length=\"{length}\"}}");
    let stock_bytes = |length: &str| format!("claviger_rsa_stock_bytes{{length=\"{length}\"}}");
    let misses = |length: &str| format!("claviger_rsa_stock_misses_total{{length=\"{length}\"}}");
    let made = |length: &str| format!("claviger_key_generation_seconds_count{{kind=\"RSA-{length}\"}}");
    let full = |series: &Series| value(series, &stock_keys("2048")) == 1.0;
    let take = |length: u32| {
        let key = json!({"key": {"name": unique("stock"), "algorithm": "RS256", "length": length}});
        manager.post("/api/key/generate", &key).ok();
    };
    let first = until(&server, full);
    let bytes = value(&first, &stock_bytes("2048"));
    assert!((1100.0..=1300.0).contains(&bytes), "{bytes}");
    for length in ["3072", "4096"] {
        assert_eq!((value(&first, &stock_keys(length)), value(&first, &stock_bytes(length))), (0.0, 0.0));
    }
    let number = |series: &Series, name: &str| series.get(name).copied().unwrap_or(0.0);
    // What is in stock is handed out without a miss, and made again.
    take(2048);
    let second = until(&server, |series| {
        number(series, &made("2048")) == number(&first, &made("2048")) + 1.0 && full(series)
    });
    assert_eq!(number(&second, &misses("2048")), number(&first, &misses("2048")));
    // What is not in stock is a miss, and leaves the rest where it is.
    take(3072);
    let third = look(&server);
    assert_eq!(number(&third, &misses("3072")), number(&second, &misses("3072")) + 1.0);
    assert_eq!(number(&third, &made("3072")), number(&second, &made("3072")) + 1.0);
    assert!(full(&third));
    assert_eq!(number(&third, &misses("2048")), number(&second, &misses("2048")));
}

fn what_is_in_memory_is_counted(server: &Server) {
    let check = |api_keys: f64, permission_sets: f64| {
        let series = look(server);
        assert_eq!(value(&series, "claviger_api_keys"), api_keys);
        assert_eq!(value(&series, "claviger_permission_sets"), permission_sets);
        assert_eq!(value(&series, "claviger_database_up"), 1.0);
    };
    check(1.0, 1.0);
    let keys = [(); 3].map(|()| server.restricted(json!({"/api/user": ["GET"]})));
    check(4.0, 2.0);
    for key in keys {
        server.as_key_manager().delete(&key.path()).done();
    }
    assert_eq!(value(&look(server), "claviger_api_keys"), 1.0);
    // Keys that sign are parsed when they are first used, once.
    let key = generate(server, json!({"algorithm": "ES256"}));
    let parsed = || value(&look(server), "claviger_parsed_keys");
    let before = parsed();
    for _ in 0..3 {
        server
            .as_key_manager()
            .post("/api/jwt/vend", &json!({"keyId": key["id"], "timeToLiveInSeconds": 60}))
            .ok();
        assert_eq!(parsed(), before + 1.0);
    }
    server.as_key_manager().delete(&format!("/api/key/{}", key["id"].as_str().unwrap())).done();
    assert_eq!(parsed(), before);
}
