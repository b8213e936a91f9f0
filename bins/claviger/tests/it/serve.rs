//! The server: first and later starts, signals, refusals.

use std::io::Write;

use openssl::asn1::Asn1Time;
use openssl::hash::MessageDigest;
use openssl::pkey::PKey;
use openssl::x509::{X509, X509Name};
use serde_json::json;

use crate::http::{Stream, answer, connect, get, head, request};
use crate::support::{OTHER_MASTER_KEY, Place, Server, on_both};

on_both! {
    the_first_start_prints_a_key_once,
    a_request_in_flight_finishes,
    the_grace_time_ends,
    a_signal_is_heeded_from_the_first_moment,
    a_second_server_is_for_postgresql,
    keys_near_the_end_of_their_certificate_are_named,
    the_log_names_client_and_carrier,
    the_log_shows_a_sample,
    the_bootstrap_key_is_for_instances_without_keys,
    a_wrong_master_key_is_refused,
    pending_migrations_stop_a_start_without_migrations,
    a_server_that_was_killed_starts_again,
    healthcheck_tells_the_state_of_the_server,
}

const VERSION: &str = "/api/system/version";

fn the_first_start_prints_a_key_once(place: &Place) {
    let server = place.start();
    assert_eq!(get(&server.address, "/api/health", None), 200);
    assert_eq!(get(&server.address, VERSION, None), 401);
    assert_eq!(get(&server.address, VERSION, Some("clv_nonsense")), 401);
    let (first, key) = server.stop_first();
    assert_eq!(first.stdout.lines().count(), 3, "{}", first.stdout);
    assert_eq!(first.stdout.matches("clv_").count(), 1);
    assert!(!first.stderr.contains(&key), "the log shows the key");
    let listening = first.logged("listening");
    assert_eq!((&listening["api_keys"], &listening["level"]), (&json!(1), &json!("INFO")));
    assert_eq!(listening["version"], env!("CARGO_PKG_VERSION"));
    first.logged("starting");
    first.logged("stopped");

    let server = place.start();
    assert_eq!(get(&server.address, VERSION, Some(&key)), 200);
    let (status, body) = request(
        &server.address,
        "POST",
        "/api/api-key",
        Some(&key),
        r#"{"apiKey": {"name": "second", "permissions": {"endpoints": {"/api/system/version": ["GET"]}}}}"#,
    );
    assert_eq!(status, 200, "{body}");
    server.signal("-INT");
    let second = server.wait().expect(0);
    assert_eq!(second.stdout, "", "a key is printed again");
    assert_eq!(second.logged("listening")["api_keys"], json!(1));
    let third = place.start().stop().expect(0);
    assert_eq!(third.logged("listening")["api_keys"], json!(2));
}

fn a_request_in_flight_finishes(place: &Place) {
    let (_, key) = place.start().stop_first();
    let mut server = place.start();
    let body = r#"{"key": {"algorithm": "ES256", "name": "in flight"}}"#;
    let mut stream = begin(&server, &key, body.len());
    server.signal("-TERM");
    server.wait_for("stopping: running requests may finish");
    stream.write_all(body.as_bytes()).unwrap();
    let (status, answered) = answer(&mut *stream);
    assert_eq!(status, 200, "{answered}");
    server.wait().expect(0).logged("stopped");

    let server = place.start();
    let (_, keys) = request(&server.address, "GET", "/api/key", Some(&key), "");
    assert!(keys.contains("in flight"), "{keys}");
    server.stop().expect(0);
}

fn the_grace_time_ends(place: &Place) {
    let (_, key) = place.start().stop_first();
    let server = place.start_with(&[("CLAVIGER_SHUTDOWN_GRACE_SECONDS", "1")]);
    let _never_finished = begin(&server, &key, 100);
    server.signal("-TERM");
    server.wait().expect(0).logged("stopped");
}

/// Begins to generate a key, and leaves the body for later.
fn begin(server: &Server, key: &str, length: usize) -> Box<dyn Stream> {
    let mut stream = connect(&server.address);
    let further = "Expect: 100-continue\r\n";
    stream.write_all(head("POST", "/api/key/generate", Some(key), length, further).as_bytes()).unwrap();
    // This answer says that the server works on the request and waits for the body.
    let mut interim = [0; 25];
    std::io::Read::read_exact(&mut stream, &mut interim).unwrap();
    assert_eq!(std::str::from_utf8(&interim).unwrap(), "HTTP/1.1 100 Continue\r\n\r\n");
    stream
}

fn a_signal_is_heeded_from_the_first_moment(place: &Place) {
    for signal in ["-TERM", "-INT", "-TERM", "-INT", "-TERM"] {
        let server = place.listen_with(&[]);
        server.signal(signal);
        server.wait().expect(0).logged("stopped");
    }
}

fn keys_near_the_end_of_their_certificate_are_named(place: &Place) {
    let (_, key) = place.start().stop_first();
    let server = place.start();
    for (name, days) in [("ended", None), ("soon", Some(5)), ("later", Some(80)), ("much later", Some(200))] {
        let body =
            json!({"key": {"name": name, "kid": format!("kid of {name}"), "certificate": certificate(days)}});
        let (status, answered) =
            request(&server.address, "POST", "/api/key/import", Some(&key), &body.to_string());
        assert_eq!(status, 200, "{answered}");
    }
    server.stop().expect(0);

    let stopped = place.start().stop().expect(0);
    let ended = stopped.logged("the certificate of a key has ended; the key still signs");
    assert_eq!(
        (&ended["level"], &ended["name"], &ended["kid"]),
        (&json!("WARN"), &json!("ended"), &json!("kid of ended"))
    );
    let log = stopped.log();
    let soon: Vec<_> = log
        .iter()
        .filter(|line| line["message"] == "the certificate of a key ends soon")
        .map(|line| (line["name"].as_str().unwrap(), line["days"].as_i64().unwrap()))
        .collect();
    // Whole days that are left: the certificates were made a moment ago.
    assert_eq!(soon, [("soon", 4), ("later", 79)]);
    let all = stopped.logged("keys are near the end of their certificate");
    let counts =
        ["ended", "within_7_days", "within_30_days", "within_90_days"].map(|count| all[count].as_i64());
    assert_eq!(counts, [Some(1), Some(1), Some(0), Some(1)]);
}

/// A certificate that ends so many days from now; without them it ended long ago.
fn the_log_names_client_and_carrier(place: &Place) {
    let (_, key) = place.start().stop_first();
    let server = place.start_with(&[
        ("CLAVIGER_TRUSTED_PROXIES", "127.0.0.1, 10.0.0.0/8"),
        ("CLAVIGER_API_KEY_IN_QUERY", "true"),
    ]);
    let (fusionauth, fusion) = (r#"{"apiKey": {}}"#, r#"{"name": "kiosk"}"#);
    for (query, credential, forwarded, body) in [
        ("", format!("Authorization: {key}\r\n"), "", fusionauth),
        (
            "",
            format!("apiKey: {key}\r\n"),
            "X-Forwarded-For: 203.0.113.1\r\nX-Forwarded-For: 192.0.2.1, 10.0.0.1\r\n",
            fusion,
        ),
        (&*format!("?apiKey={key}"), String::new(), "X-Forwarded-For: unknown\r\n", fusion),
        ("?apiKey=no-such-key", String::new(), "X-Forwarded-For: 127.0.0.1\r\n", fusion),
    ] {
        let mut stream = connect(&server.address);
        let head = head(
            "POST",
            &format!("/api/api-key{query}"),
            None,
            body.len(),
            &format!("{credential}{forwarded}"),
        );
        stream.write_all(format!("{head}{body}").as_bytes()).unwrap();
        answer(&mut *stream);
    }
    let stopped = server.stop().expect(0);
    let lines: Vec<_> = stopped
        .log()
        .into_iter()
        .filter(|line| line["message"] == "changed" || line["message"] == "refused")
        .map(|line| {
            assert!(line["peer"].as_str().unwrap().starts_with("127.0.0.1:"), "{line}");
            ["carrier", "client"].map(|member| line.get(member).cloned())
        })
        .collect();
    assert_eq!(
        lines,
        [
            [Some(json!("authorization")), None],
            [Some(json!("x-api-key")), Some(json!("192.0.2.1"))],
            [Some(json!("query")), Some(json!("unknown"))],
            // The proxy itself: its own address, and so not worth a word.
            [Some(json!("query")), None],
        ]
    );
    assert!(!stopped.stderr.contains(&key) && !stopped.stderr.contains("no-such-key"));
}

fn the_log_shows_a_sample(place: &Place) {
    let (_, key) = place.start().stop_first();
    for (setting, expected) in [("0", 0), ("5", 4), ("1", 20)] {
        let server = place.start_with(&[("CLAVIGER_LOG_ONE_IN", setting), ("CLAVIGER_HTTP_WORKERS", "1")]);
        for _ in 0..20 {
            assert_eq!(get(&server.address, VERSION, Some(&key)), 200);
        }
        assert_eq!(get(&server.address, VERSION, None), 401);
        let stopped = server.stop().expect(0);
        let lines = |message: &str| {
            let own = |line: &serde_json::Value| line["message"] == message && line["path"] == VERSION;
            stopped.log().into_iter().filter(own).collect::<Vec<_>>()
        };
        // That the server answers was asked before, which counts too.
        let sampled = lines("answered");
        assert_eq!(sampled.len(), expected, "{setting}: {sampled:?}");
        assert!(sampled.iter().all(|line| line["level"] == "INFO" && line["api_key_id"] != "-"));
        assert_eq!(lines("refused").len(), 1);
    }
}

fn certificate(days: Option<u32>) -> String {
    let pair = PKey::generate_ed25519().unwrap();
    let mut name = X509Name::builder().unwrap();
    name.append_entry_by_text("CN", "test").unwrap();
    let name = name.build();
    let end = match days {
        Some(days) => Asn1Time::days_from_now(days),
        None => Asn1Time::from_unix(1_700_000_000),
    };
    let mut builder = X509::builder().unwrap();
    builder.set_version(2).unwrap();
    builder.set_subject_name(&name).unwrap();
    builder.set_issuer_name(&name).unwrap();
    builder.set_not_before(&Asn1Time::from_unix(1_600_000_000).unwrap()).unwrap();
    builder.set_not_after(&end.unwrap()).unwrap();
    builder.set_pubkey(&pair).unwrap();
    builder.sign(&pair, MessageDigest::null()).unwrap();
    String::from_utf8(builder.build().to_pem().unwrap()).unwrap()
}

fn a_second_server_is_for_postgresql(place: &Place) {
    let first = place.start();
    if !place.is_sqlite() {
        let second = place.start();
        let (_, key) = first.stop_first();
        // The one that goes takes nothing along.
        assert_eq!(get(&second.address, VERSION, Some(&key)), 200);
        let third = place.start();
        assert_eq!(get(&third.address, VERSION, Some(&key)), 200);
        second.stop().expect(0);
        third.stop().expect(0);
        return;
    }
    let second = place.run(&["serve"]).expect(1);
    let error = second.logged("the server cannot go on")["error"].as_str().unwrap().to_owned();
    assert!(error.starts_with("another process, such as a running server, has the database"), "{error}");
    assert_eq!(second.stdout, "");
    assert_eq!(get(&first.address, "/api/health", None), 200);
    first.stop().expect(0);
    place.start().stop().expect(0);
}

fn the_bootstrap_key_is_for_instances_without_keys(place: &Place) {
    let file = place.path().join("bootstrap");
    std::fs::write(&file, "the first key manager of all\n").unwrap();
    let from_file = [("CLAVIGER_BOOTSTRAP_API_KEY_FILE", file.to_str().unwrap())];
    let server = place.start_with(&from_file);
    assert_eq!(get(&server.address, VERSION, Some("the first key manager of all")), 200);
    assert_eq!(server.stop().expect(0).stdout, "");

    let server = place.start_with(&[("CLAVIGER_BOOTSTRAP_API_KEY", "another-key-manager-later")]);
    assert_eq!(get(&server.address, VERSION, Some("another-key-manager-later")), 401);
    assert_eq!(get(&server.address, VERSION, Some("the first key manager of all")), 200);
    let finished = server.stop().expect(0);
    assert!(!finished.stderr.contains("another-key-manager-later"));

    place.run_with(&[], &[("CLAVIGER_BOOTSTRAP_API_KEY", "short")]).expect(1).says("bootstrap API key");
}

fn a_wrong_master_key_is_refused(place: &Place) {
    place.start().stop_first();
    let refused = place.run_with(&[], &[("CLAVIGER_MASTER_KEY", OTHER_MASTER_KEY)]).expect(1);
    let refused = refused.says("the master key does not belong to this database");
    assert!(!refused.stderr.contains(OTHER_MASTER_KEY));
    place.start().stop().expect(0);
}

fn pending_migrations_stop_a_start_without_migrations(place: &Place) {
    place.run_with(&[], &[("CLAVIGER_MIGRATE", "off")]).expect(1).says("run `claviger migrate`");
    place.run(&["migrate"]).expect(0);
    place.start_with(&[("CLAVIGER_MIGRATE", "off")]).stop_first();
}

fn a_server_that_was_killed_starts_again(place: &Place) {
    let server = place.start();
    server.signal("-KILL");
    let killed = server.wait();
    assert_eq!(killed.code, None);
    let key = killed.stdout.lines().last().unwrap().to_owned();
    let server = place.start();
    assert_eq!(get(&server.address, VERSION, Some(&key)), 200);
    server.stop().expect(0);
}

fn healthcheck_tells_the_state_of_the_server(place: &Place) {
    let server = place.start();
    let address = server.address.strip_prefix("http://").unwrap().to_owned();
    let everywhere = format!("0.0.0.0:{}", address.rsplit_once(':').unwrap().1);
    for flag in [&address, &everywhere] {
        let healthy = place.run(&["healthcheck", "--http-addr", flag]).expect(0);
        assert_eq!((healthy.stdout.as_str(), healthy.stderr.as_str()), ("", ""));
    }
    server.stop().expect(0);
    let gone = place.run(&["healthcheck", "--http-addr", &address]).expect(1).says("unhealthy");
    assert_eq!(gone.stderr.lines().count(), 1, "{}", gone.stderr);
}

#[test]
fn healthcheck_believes_200_only() {
    let place = Place::plain();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let server = std::thread::spawn(move || {
        for response in ["HTTP/1.1 500 Internal Server Error\r\n\r\n", "", "SSH-2.0-x\r\n"] {
            let (mut stream, _) = listener.accept().unwrap();
            let mut asked = Vec::new();
            while !asked.ends_with(b"\r\n\r\n") {
                let mut byte = [0];
                std::io::Read::read_exact(&mut stream, &mut byte).unwrap();
                asked.push(byte[0]);
            }
            assert!(asked.starts_with(b"GET /api/health HTTP/1.1\r\n"));
            stream.write_all(response.as_bytes()).unwrap();
        }
    });
    for _ in 0..3 {
        place.run(&["healthcheck", "--http-addr", &address]).expect(1).says("unhealthy");
    }
    server.join().unwrap();
}

#[cfg(feature = "postgres")]
mod postgres_only {
    mod postgres {
        use crate::support::Place;

        #[test]
        fn a_master_key_is_required_and_no_directory_is_made() {
            let Some(place) = Place::postgres(concat!(module_path!(), "::a_master_key_is_required")) else {
                return;
            };
            let without = place.run_with(&[], &[("CLAVIGER_MASTER_KEY", "")]).expect(2);
            assert!(without.says("PostgreSQL needs one").stdout.is_empty());
            place.start().stop_first();
            assert!(!place.data().exists());
        }
    }
}
