//! The other commands: migrations, keys from the command line, the configuration, and what is printed for readers.

use std::io::pipe;
use std::process::Stdio;

use crate::http::{get, request};
use crate::support::{Finished, MASTER_KEY, Place, on_both};

on_both! {
    migrations_go_up_and_down,
    migrations_are_not_undone_under_a_server,
    api_keys_are_made_without_a_server,
    a_key_that_cannot_be_printed_is_told,
}

/// The states in the output of `migrate status`.
fn states(place: &Place) -> Vec<(String, String)> {
    let lines = place.run(&["migrate", "status"]).expect(0).stdout;
    let state = |line: &str| {
        let words: Vec<_> = line.split(' ').collect();
        assert_eq!(words.len(), 3, "{line}");
        (words[0].to_owned(), words[1].to_owned())
    };
    lines.lines().map(state).collect()
}

#[track_caller]
fn all_are(place: &Place, expected: &str) -> usize {
    let states = states(place);
    assert!(!states.is_empty() && states.iter().all(|(_, state)| state == expected), "{states:?}");
    states.len()
}

fn migrations_go_up_and_down(place: &Place) {
    if place.is_sqlite() {
        place.run(&["migrate", "status"]).expect(1).says("there is no database at");
        place.run(&["migrate", "down", "--to", "0"]).expect(1).says("there is no database at");
        assert!(!place.data().exists(), "looking makes nothing");
    } else {
        all_are(place, "pending");
    }
    // No secret is needed for this.
    let up = place.run_with(&["migrate"], &[("CLAVIGER_MASTER_KEY", "")]).expect(0);
    let count = all_are(place, "applied");
    assert_eq!(up.stdout, format!("migrations applied: {count}\n"));
    assert_eq!(place.run(&["migrate", "up"]).expect(0).stdout, "migrations applied: 0\n");
    place.run(&["migrate", "down", "--to", "1999"]).expect(1).says("no migration 1999");
    let newest = states(place).pop().unwrap().0;
    let nothing = place.run(&["migrate", "down", "--to", &newest]).expect(0);
    assert_eq!(nothing.stdout, "migrations undone: 0\n");
    let down = place.run(&["migrate", "down", "--to", "0"]).expect(0);
    assert_eq!(down.stdout, format!("migrations undone: {count}\n"));
    all_are(place, "pending");
    let up = place.run(&["migrate", "up"]).expect(0);
    assert_eq!(up.stdout, format!("migrations applied: {count}\n"));
    let (_, key) = place.start().stop_first();
    let server = place.start();
    assert_eq!(get(&server.address, "/api/system/version", Some(&key)), 200);
    server.stop().expect(0);
}

fn migrations_are_not_undone_under_a_server(place: &Place) {
    let server = place.start();
    place.run(&["migrate", "down", "--to", "0"]).expect(1).says("another process");
    assert_eq!(get(&server.address, "/api/health", None), 200);
    let (_, key) = server.stop_first();
    let server = place.start();
    assert_eq!(get(&server.address, "/api/system/version", Some(&key)), 200);
    server.stop().expect(0);
}

fn create(place: &Place, arguments: &[&str]) -> Finished {
    let mut all = vec!["api-key", "create", "--name"];
    all.extend(arguments);
    place.run(&all)
}

fn api_keys_are_made_without_a_server(place: &Place) {
    create(place, &["early", "--all-endpoints"]).expect(1);
    assert!(!place.data().exists());
    place.start().stop_first();

    create(place, &["nothing"]).expect(2).says("--all-endpoints");
    let made = create(place, &["reader", "--permission", "GET:/api/key"]).expect(0);
    let key = made.stdout.strip_suffix('\n').unwrap();
    assert!(key.starts_with("clv_") && !key.contains(char::is_whitespace), "{key:?}");
    assert!(!made.stderr.contains(key) && made.stderr.contains("may call GET:/api/key"), "{}", made.stderr);
    create(place, &["reader", "--all-endpoints"]).expect(1).says("with this name exists already");
    let nowhere = "00000000-0000-4000-8000-000000000000";
    create(place, &["lost", "--all-endpoints", "--tenant", nowhere]).expect(1).says("no active tenant");
    let manager = create(place, &["manager", "--key-manager"]).expect(0).stdout;

    let server = place.start();
    let late = create(place, &["late", "--all-endpoints"]);
    if place.is_sqlite() {
        late.expect(1).says("another process, such as a running server");
    } else {
        let key = late.expect(0).stdout.trim_end().to_owned();
        while get(&server.address, "/api/tenant", Some(&key)) != 200 {}
    }
    assert_eq!(get(&server.address, "/api/key", Some(key)), 200);
    assert_eq!(get(&server.address, "/api/tenant", Some(key)), 401);
    let generate = r#"{"key": {"algorithm": "ES256", "name": "n"}}"#;
    assert_eq!(request(&server.address, "POST", "/api/key/generate", Some(key), generate).0, 401);
    let body = r#"{"apiKey": {"name": "made by the manager"}}"#;
    assert_eq!(request(&server.address, "POST", "/api/api-key", Some(key), body).0, 401);
    let (status, tenants) = request(&server.address, "GET", "/api/tenant", Some(manager.trim()), "");
    assert_eq!(status, 200);
    assert_eq!(request(&server.address, "POST", "/api/api-key", Some(manager.trim()), body).0, 200);
    server.stop().expect(0);

    let tenants: serde_json::Value = serde_json::from_str(&tenants).unwrap();
    let tenant = tenants["tenants"][0]["id"].as_str().unwrap();
    let bound = create(place, &["bound", "--all-endpoints", "--tenant", tenant]).expect(0).stdout;
    let server = place.start();
    assert_eq!(get(&server.address, &format!("/api/tenant/{tenant}"), Some(bound.trim())), 200);
    assert_eq!(get(&server.address, "/api/key", Some(bound.trim())), 401);
    server.stop().expect(0);
}

fn a_key_that_cannot_be_printed_is_told(place: &Place) {
    place.start().stop_first();
    let (reader, writer) = pipe().unwrap();
    drop(reader);
    let mut command = place.command(&["api-key", "create", "--name", "lost", "--all-endpoints"]);
    let output = command.stdout(writer).stderr(Stdio::piped()).output().unwrap();
    Finished::from(output).expect(1).says("delete it and make another");
}

#[test]
fn a_closed_standard_output_is_no_failure() {
    let place = Place::plain();
    for arguments in
        [&["openapi"][..], &["check-config"], &["codegen", "routes"], &["--help"], &["--version"]]
    {
        let (reader, writer) = pipe().unwrap();
        drop(reader);
        let output = place.command(arguments).stdout(writer).stderr(Stdio::piped()).output().unwrap();
        let finished = Finished::from(output).expect(0);
        assert_eq!(finished.stderr, "", "{arguments:?}");
    }
}

#[test]
fn a_bad_configuration_lists_all_problems() {
    let place = Place::plain();
    let file = place.path().join("claviger.toml");
    std::fs::write(&file, "http_adr = 1\nmaster_key_file = \"f\"\n").unwrap();
    let variables = [
        ("CLAVIGER_CONFIG", file.to_str().unwrap()),
        ("CLAVIGER_MASTER_KEY", MASTER_KEY),
        ("CLAVIGER_DATABASE_URL", "postgres://me:s3cret/x@db/claviger"),
        ("CLAVIGER_TLS_CERT_FILE", "x"),
        ("CLAVIGER_TEST_ANYTHING", "x"),
    ];
    let arguments = ["serve", "--http-workers", "many", "--no-such-flag", "s3cret", "--tls-cert-file=f"];
    let refused = place.run_with(&arguments, &variables).expect(2);
    for problem in [
        "claviger: the configuration has 7 problems:",
        "--no-such-flag: there is no such flag",
        "--tls-cert-file: not supported in this version",
        "--http-workers: \"many\": must be a whole number from 1 to 256",
        "CLAVIGER_TLS_CERT_FILE: not supported in this version",
        "claviger.toml: http_adr: there is no such setting",
        "CLAVIGER_DATABASE_URL: invalid database URL",
        "CLAVIGER_MASTER_KEY: cannot stand together with",
    ] {
        assert!(refused.stderr.contains(problem), "no {problem:?} in {}", refused.stderr);
    }
    assert_eq!(refused.stderr.lines().count(), 8, "{}", refused.stderr);
    assert!(!refused.stderr.contains("s3cret") && !refused.stderr.contains(MASTER_KEY), "{}", refused.stderr);
    assert_eq!(refused.stdout, "");
    assert!(!place.data().exists());
}

#[test]
fn check_config_masks_secrets() {
    let place = Place::plain();
    let variables = [
        ("CLAVIGER_MASTER_KEY", MASTER_KEY),
        ("CLAVIGER_BOOTSTRAP_API_KEY", "a-very-secret-key-manager"),
        ("CLAVIGER_DATABASE_URL", "postgres://me:s3cret@db/claviger"),
    ];
    let shown = place.run_with(&["check-config", "--log", "debug"], &variables).expect(0);
    for line in [
        "HTTP_ADDR = 127.0.0.1:0 (environment)",
        "MASTER_KEY = *** (environment)",
        "BOOTSTRAP_API_KEY = *** (environment)",
        "DATABASE_URL = postgres://me:***@db/claviger (environment)",
        "LOG = debug (flag)",
        "MIGRATE = auto (default)",
    ] {
        assert!(shown.stdout.lines().any(|shown| shown == line), "no {line:?} in {}", shown.stdout);
    }
    assert!(!shown.stdout.contains("s3cret") && !shown.stdout.contains("a-very") && shown.stderr.is_empty());
    assert!(!shown.stdout.contains(MASTER_KEY));
    place.run_with(&["check-config"], &[("CLAVIGER_MASTER_KEY", "weak")]).expect(2).says("master key");
}

#[test]
fn help_and_version() {
    let place = Place::plain();
    let help = place.run(&["--help"]).expect(0).stdout;
    for command in
        ["serve", "migrate", "api-key", "master-key", "check-config", "openapi", "healthcheck", "--config"]
    {
        assert!(
            help.contains(&format!("\n  {command}")) || help.contains(&format!(" {command} ")),
            "{command}"
        );
    }
    assert!(help.contains("Exit codes: 0 done, 1 failed, 2 wrong usage"));
    assert!(!help.contains("codegen") && !help.contains("rotate") && !help.contains("--master-key "));
    let version = place.run(&["--version"]).expect(0).stdout;
    assert_eq!(version, format!("claviger {} (FusionAuth API 1.69.0)\n", env!("CARGO_PKG_VERSION")));
    for wrong in [&["nonsense"][..], &["master-key"], &["master-key", "rotate"], &["codegen", "x"]] {
        assert_eq!(place.run(wrong).expect(2).stdout, "", "{wrong:?}");
    }
}

#[test]
fn what_is_printed_for_the_documentation() {
    let place = Place::plain();
    for (part, expected) in [
        ("routes", "| `POST` | `/api/api-key/{apiKeyId}` |"),
        ("codes", "| `[blank]apiKey.name` | `apiKey.name` |"),
        ("settings", "| `HTTP_ADDR` | `--http-addr` | `CLAVIGER_HTTP_ADDR` | `http_addr` |"),
        ("openapi", "\"openapi\": \"3.1.0\""),
    ] {
        let text = place.run(&["codegen", part]).expect(0).stdout;
        assert!(text.contains(expected), "{part}: {text}");
    }
    let document = place.run(&["openapi"]).expect(0).stdout;
    assert_eq!(document, place.run(&["codegen", "openapi"]).expect(0).stdout);
    let document: serde_json::Value = serde_json::from_str(&document).unwrap();
    assert!(document["paths"]["/api/key"].is_object());
}

#[cfg(feature = "sqlite")]
#[test]
fn master_keys_are_new_each_time_and_usable() {
    let place = Place::plain();
    let generate = || place.run(&["master-key", "generate"]).expect(0).stdout;
    let (first, second) = (generate(), generate());
    assert_ne!(first, second);
    assert_eq!(first.lines().count(), 1);
    place.start_with(&[("CLAVIGER_MASTER_KEY", first.trim())]).stop_first();
}
