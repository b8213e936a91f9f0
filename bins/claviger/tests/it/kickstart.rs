//! Kickstart files: applied once and wholly, by the real program on both databases.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::http::{get, request};
use crate::support::{Finished, Place, Server, on_both};

on_both! {
    the_example_is_applied_once,
    keys_of_every_kind_are_made,
    what_fails_is_named_and_nothing_stays,
    a_kickstart_that_is_killed_begins_again,
    an_instance_that_is_there_is_left_alone,
}

const PATIENCE: Duration = Duration::from_secs(60);
const VERSION: &str = "/api/system/version";
const PROVISIONING: &str = "provisioning-9f8a7b6c5d4e3f2a";
const READER: &str = "reader-1b2c3d4e5f60718293a4";
const SHOP: &str = "8a3d1f0e-6c5b-4b7e-9c0a-2f1e3d4c5b6a";
const DEFAULT: &str = "30663132-6464-6665-3032-326466613934";
const ORDERS: &str = "b6f0a1c2-3d4e-4f50-8a61-7b8c9d0e1f20";
const SIGNING_KEY: &str = "1ae9da3f-fdd4-45af-b605-5d8be94320e1";

fn write(place: &Place, document: &Value) -> PathBuf {
    write_text(place, &document.to_string())
}

fn write_text(place: &Place, text: &str) -> PathBuf {
    let file = place.path().join("kickstart.json");
    std::fs::write(&file, text).unwrap();
    file
}

fn document(api_keys: Value, requests: Value) -> Value {
    json!({"variables": {"secret": "variable-77aa88bb99cc"}, "apiKeys": api_keys, "requests": requests})
}

fn manager() -> Value {
    json!({"key": PROVISIONING, "keyManager": true})
}

fn started(place: &Place, file: &std::path::Path) -> Server {
    place.start_with(&[("CLAVIGER_KICKSTART_FILE", file.to_str().unwrap())])
}

fn refused(place: &Place, file: &std::path::Path) -> (Finished, String) {
    let finished = place.run_with(&[], &[("CLAVIGER_KICKSTART_FILE", file.to_str().unwrap())]).expect(1);
    let error = finished.logged("the server cannot go on")["error"].as_str().unwrap().to_owned();
    assert_eq!(
        finished.log().iter().filter(|line| line["level"] == "ERROR").count(),
        1,
        "{}",
        finished.stderr
    );
    assert_eq!(finished.stdout, "");
    (finished, error)
}

fn read(server: &Server, path: &str, key: &str) -> Value {
    let (status, body) = request(&server.address, "GET", path, Some(key), "");
    assert_eq!(status, 200, "{path}: {body}");
    serde_json::from_str(&body).unwrap()
}

fn the_example_is_applied_once(place: &Place) {
    let example = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/examples/kickstart.json");
    let variables = [
        ("CLAVIGER_KICKSTART_FILE", example),
        ("CLAVIGER_LOG", "trace"),
        ("PROVISIONING_KEY", PROVISIONING),
        ("READER_KEY", READER),
    ];
    let checked = place.run_with(&["check-config"], &variables).expect(0);
    assert!(
        checked.stdout.contains(&format!("KICKSTART_FILE = {example} (environment)")),
        "{}",
        checked.stdout
    );
    assert!(!place.data().join("claviger.db").exists());

    let server = place.start_with(&variables);
    let tenants = read(&server, "/api/tenant", PROVISIONING);
    let issuers: Vec<_> = tenants["tenants"]
        .as_array()
        .unwrap()
        .iter()
        .map(|tenant| {
            (
                tenant["id"].as_str().unwrap(),
                tenant["name"].as_str().unwrap(),
                tenant["issuer"].as_str().unwrap(),
            )
        })
        .collect();
    assert_eq!(issuers, [(DEFAULT, "Default", "example.com"), (SHOP, "Shop", "shop.example.com")]);
    let shop = read(&server, &format!("/api/tenant/{SHOP}"), PROVISIONING);
    assert_eq!(shop["tenant"]["jwtConfiguration"]["accessTokenKeyId"], SIGNING_KEY);
    let keys = read(&server, "/api/key", PROVISIONING);
    // The three shadow keys and the first RSA key are there as well.
    assert_eq!(keys["keys"].as_array().unwrap().len(), 5);
    let entity = read(&server, &format!("/api/entity/{ORDERS}"), READER);
    assert_eq!(entity["entity"]["type"]["name"], "Service");
    assert_eq!(entity["entity"]["type"]["permissions"].as_array().unwrap().len(), 2);
    let grants = read(&server, &format!("/api/entity/{ORDERS}/grant"), PROVISIONING);
    assert_eq!(grants["grants"][0]["permissions"], json!(["read"]));
    assert_eq!(get(&server.address, "/api/tenant", Some(READER)), 401);
    let found = read(&server, "/api/api-key/search?numberOfResults=10", PROVISIONING);
    let descriptions: Vec<_> = found["apiKeys"]
        .as_array()
        .unwrap()
        .iter()
        .map(|key| key["metaData"]["attributes"]["description"].as_str().unwrap())
        .collect();
    assert!(descriptions.len() == 2 && descriptions.contains(&"Provisioning"), "{descriptions:?}");
    // A manager can go on from here.
    assert_eq!(
        request(&server.address, "POST", "/api/api-key", Some(PROVISIONING), r#"{"apiKey": {}}"#).0,
        200
    );
    let log = read(
        &server,
        "/api/system/audit-log/search?numberOfResults=500&orderBy=insertInstant%20ASC",
        PROVISIONING,
    );
    let kinds: Vec<_> = log["auditLogs"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| entry["data"]["actor"]["kind"].as_str().unwrap())
        .collect();
    assert!(kinds.len() > 20);
    let (last, others) = kinds.split_last().unwrap();
    assert!(*last == "ApiKey" && others.iter().all(|kind| *kind == "Kickstart"), "{kinds:?}");
    assert_eq!(log["auditLogs"][0]["insertUser"], "Kickstart");

    let first = server.stop().expect(0);
    assert_eq!(first.stdout, "");
    assert_eq!(first.logged("the Kickstart file is applied")["default_tenant_id"], DEFAULT);
    let requests: Vec<_> =
        first.log().into_iter().filter(|line| line["message"] == "a Kickstart request is done").collect();
    assert_eq!(requests.len(), 9);
    assert_eq!(
        (&requests[1]["request"], &requests[1]["url"]),
        (&json!(2), &json!("/api/tenant/#{shopTenantId}"))
    );

    // Not even its variables are needed any more.
    let second = place.start_with(&[("CLAVIGER_KICKSTART_FILE", example)]).stop().expect(0);
    second.logged("the Kickstart file is skipped: the database holds an instance already");
    assert!(!second.stderr.contains("a Kickstart request is done"));
    for finished in [first, second, checked] {
        assert!(!finished.stderr.contains(PROVISIONING) && !finished.stderr.contains(READER));
        assert!(!finished.stdout.contains(PROVISIONING) && !finished.stdout.contains(READER));
    }
}

fn keys_of_every_kind_are_made(place: &Place) {
    let list = "2e1f3a4b-5c6d-4e7f-8091-a2b3c4d5e6f7";
    let id = "5d8c2a10-7b3e-4f69-a0d1-2c3b4a596877";
    let file = write(
        place,
        &document(
            json!([
            {"key": PROVISIONING},
            {"key": "a-key-manager-of-one-tenant", "keyManager": true, "tenantId": SHOP},
            {"key": "a-key-for-one-address", "ipAccessControlListId": list, "id": id, "name": "named", "retrievable": false},
            {"key": "short", "permissions": {"endpoints": {"/api/system/version": ["GET"]}}}]),
            json!([
            {"method": "POST", "url": format!("/api/tenant/{SHOP}"), "body": {"tenant": {"name": "Shop"}}},
            {"method": "POST", "url": format!("/api/ip-acl/{list}"), "body": {"ipAccessControlList": {
                "name": "here", "entries": [{"action": "Allow", "startIPAddress": "127.0.0.1", "endIPAddress": "127.0.0.1"},
                {"action": "Block", "startIPAddress": "*"}]}}},
            {"method": "POST", "url": "/api/key/import", "body": {"key": {"name": "hmac", "kid": "hmac", "algorithm": "HS256",
                "secret": "a secret of enough bytes for HS256, really"}}}]),
        ),
    );
    let server = started(place, &file);
    // The first one is no manager here.
    assert_eq!(get(&server.address, "/api/tenant", Some(PROVISIONING)), 200);
    assert_eq!(
        request(&server.address, "POST", "/api/api-key", Some(PROVISIONING), r#"{"apiKey": {}}"#).0,
        401
    );
    let (status, made) = request(
        &server.address,
        "POST",
        "/api/api-key",
        Some("a-key-manager-of-one-tenant"),
        r#"{"apiKey": {}}"#,
    );
    assert_eq!(status, 200);
    assert!(made.contains(SHOP), "{made}");
    assert_eq!(get(&server.address, VERSION, Some("a-key-for-one-address")), 200);
    assert_eq!(get(&server.address, VERSION, Some("short")), 200);
    assert_eq!(get(&server.address, "/api/key", Some("short")), 401);
    let keys = read(&server, "/api/key", PROVISIONING);
    assert!(keys.to_string().contains("\"hmac\""), "{keys}");
    assert_eq!(server.stop().expect(0).logged("listening")["api_keys"], json!(4));
    // The way to a manager that is none's.
    let manager = place.run(&["api-key", "create", "--name", "manager", "--key-manager"]).expect(0).stdout;
    let server = place.start();
    let named = read(&server, &format!("/api/api-key/{id}"), manager.trim());
    assert_eq!((&named["apiKey"]["name"], named["apiKey"].get("key")), (&json!("named"), None));
    server.stop().expect(0);
}

fn what_fails_is_named_and_nothing_stays(place: &Place) {
    let tenant =
        |name: &str| json!({"method": "POST", "url": "/api/tenant", "body": {"tenant": {"name": name}}});
    let secret_url = "/api/tenant/#{secret}";
    for (api_keys, requests, expected) in [
        (
            json!([manager()]),
            json!([tenant("a"), tenant("b"), tenant("a")]),
            "request 3 (POST /api/tenant) is answered with 400 (the request is invalid): {\"fieldErrors\":{\"tenant.name\":[{\"code\":\"[duplicate]tenant.name\"",
        ),
        (
            json!([manager()]),
            json!([tenant("a"), {"method": "PUT", "url": secret_url, "body": {"tenant": {"name": "x"}}}]),
            "request 2 (PUT /api/tenant/#{secret}) is answered with 400",
        ),
        (
            json!([manager()]),
            json!([{"method": "POST", "url": "/api/no-such-path", "body": {}}]),
            "request 1 (POST /api/no-such-path) is answered with 404 (no such path);",
        ),
        (
            json!([manager()]),
            json!([{"method": "POST", "url": "/api/user", "body": {}}]),
            "request 1 (POST /api/user) is answered with 404",
        ),
        (
            json!([manager()]),
            json!([{"method": "PUT", "url": "/api/key/generate", "body": {}}]),
            "request 1 (PUT /api/key/generate) is answered with 405",
        ),
        (
            json!([manager()]),
            json!([{"method": "PATCH", "url": format!("/api/tenant/{SHOP}"), "body": {"tenant": {}}}]),
            "is answered with 404 (not found);",
        ),
        (
            json!([manager()]),
            json!([{"method": "POST", "url": "/api/tenant", "tenantId": SHOP, "body": {"tenant": {"name": "x"}}}]),
            "{\"generalErrors\":[{\"code\":\"[InvalidTenantId]\"",
        ),
        (
            json!([manager()]),
            json!([{"method": "POST", "url": "/api/tenant", "tenantId": "#{FUSIONAUTH_TENANT_ID}", "body": {}}]),
            "request 1 (POST /api/tenant) is answered with 401 (refused: scope_too_narrow)",
        ),
        (
            json!([manager()]),
            json!([{"method": "POST", "url": "/api/entity", "tenantId": "variable #{secret}", "body": {}}]),
            "request 1 (POST /api/entity) is answered with 400",
        ),
        (
            json!([{"key": PROVISIONING}]),
            json!([tenant("a"), {"method": "POST", "url": "/api/api-key", "body": {"apiKey": {}}}]),
            "request 2 (POST /api/api-key) is answered with 401 (refused: not_key_manager)",
        ),
        (
            json!([manager()]),
            json!([{"method": "POST", "url": "/api/tenant", "body": {"tenant": {"name": "x".repeat(1 << 20)}}}]),
            "request 1 (POST /api/tenant) is answered with 413",
        ),
        (
            json!([manager(), {"key": READER, "tenantId": SHOP}]),
            json!([tenant("a")]),
            "API key 2 is answered with 400 (the request is invalid): {\"fieldErrors\":{\"apiKey.tenantId\"",
        ),
        (json!([manager(), {"key": PROVISIONING}]), json!([]), "API key 2 is answered with 400"),
        (json!([{"key": "too-short", "keyManager": true}]), json!([]), "at least 16 bytes"),
        (json!([{"key": " with a blank before it"}]), json!([]), "API key 1 is answered with 400"),
        (json!([]), json!([tenant("a")]), "apiKeys: at least one API key is needed"),
        (
            json!([manager()]),
            json!([tenant("#{absent}")]),
            "request 1: body.tenant.name: there is no variable \"absent\"",
        ),
    ] {
        let file = write(place, &document(api_keys, requests));
        let (finished, error) = refused(place, &file);
        let start = format!("the Kickstart file {}: ", file.display());
        assert!(error.starts_with(&start) && error.contains(expected), "{expected}\n{error}");
        for secret in [PROVISIONING, READER, "variable-77aa88bb99cc", "too-short", " with a blank before it"]
        {
            assert!(!finished.stderr.contains(secret), "{secret}: {}", finished.stderr);
        }
    }
    let nothing = write_text(place, "{");
    let (_, error) = refused(place, &nothing);
    assert!(error.contains("is not valid JSON: it ends too early at line 1"), "{error}");
    std::fs::remove_file(&nothing).unwrap();
    assert!(refused(place, &nothing).1.contains("cannot be read"));

    // There is no instance yet: no key can be made for it, and a Kickstart can make one.
    assert!(!is_there(place));
    let file = write(place, &document(json!([manager()]), json!([tenant("a")])));
    let server = started(place, &file);
    let tenants = read(&server, "/api/tenant", PROVISIONING);
    let names: Vec<_> = tenants["tenants"]
        .as_array()
        .unwrap()
        .iter()
        .map(|tenant| tenant["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["Default", "a"]);
    assert_eq!(server.stop().expect(0).logged("listening")["api_keys"], json!(1));
}

/// Whether there is an instance, which can be asked as soon as PostgreSQL has noticed the death of the last program.
fn is_there(place: &Place) -> bool {
    let start = Instant::now();
    loop {
        // A key that cannot be made, whatever there is.
        let told =
            place.run(&["api-key", "create", "--name", "n", "--all-endpoints", "--tenant", ORDERS]).expect(1);
        if told.stderr.contains("no instance") {
            return false;
        }
        if told.stderr.contains("no active tenant") {
            return true;
        }
        assert!(told.stderr.contains("another process") && start.elapsed() < PATIENCE, "{}", told.stderr);
    }
}

/// Kills the program between any two requests, and at last lets it be.
fn a_kickstart_that_is_killed_begins_again(place: &Place) {
    let tenants = 30;
    let mut requests: Vec<_> = (0..tenants)
        .map(|number| {
            let body = json!({"tenant": {"name": format!("tenant {number}")}});
            json!({"method": "POST", "url": "/api/tenant", "body": body})
        })
        .collect();
    // It takes its time, so that the signals come before the end.
    requests.push(json!({"method": "POST", "url": "/api/key/generate",
        "body": {"key": {"algorithm": "RS512", "length": 4096, "name": "large"}}}));
    let file = write(place, &document(json!([manager()]), json!(requests)));
    let variables = [("CLAVIGER_KICKSTART_FILE", file.to_str().unwrap())];
    let mut undone = 0;
    for done in [0, 1, 7, 20, tenants, tenants + 1] {
        let mut server = Server::spawn(place.command(&[]).envs(variables));
        server.wait_for("applying the Kickstart file");
        for _ in 0..done {
            server.wait_for("a Kickstart request is done");
        }
        server.signal("-KILL");
        assert_eq!(server.wait().code, None);
        if is_there(place) {
            // It was quicker than the signal. Then all of it is there.
            break;
        }
        undone += 1;
    }
    assert!(undone > 0, "nothing was killed in the middle");
    let server = started(place, &file);
    let found = read(&server, "/api/tenant", PROVISIONING);
    assert_eq!(found["tenants"].as_array().unwrap().len(), tenants + 1);
    assert_eq!(read(&server, "/api/key", PROVISIONING)["keys"].as_array().unwrap().len(), 5);
    assert_eq!(server.stop().expect(0).logged("listening")["api_keys"], json!(1));
}

fn an_instance_that_is_there_is_left_alone(place: &Place) {
    let (_, key) = place.start().stop_first();
    // The file is not even looked for.
    let server = started(place, &place.path().join("absent.json"));
    assert_eq!(get(&server.address, VERSION, Some(&key)), 200);
    assert_eq!(get(&server.address, VERSION, Some(PROVISIONING)), 401);
    let stopped = server.stop().expect(0);
    stopped.logged("the Kickstart file is skipped: the database holds an instance already");
    assert!(!stopped.log().iter().any(|line| line["level"] == "ERROR"), "{}", stopped.stderr);
}

#[test]
fn check_config_reads_the_file_and_applies_nothing() {
    let place = Place::plain();
    let check = |document: &Value, code| {
        let file = write(&place, document);
        place.run_with(&["check-config", "--kickstart-file", file.to_str().unwrap()], &[]).expect(code)
    };
    let mut good = document(json!([manager()]), json!([]));
    assert_eq!(check(&good, 0).stderr, "");
    good["licenseId"] = json!("x");
    assert!(check(&good, 0).stderr.contains("the member \"licenseId\" has no effect"));
    let bad = document(json!([manager()]), json!([{"method": "POST", "url": "/#{ENV.ABSENT}"}]));
    let told = check(&bad, 2).says("KICKSTART_FILE: ");
    let told = told.says("request 1.url: the environment variable \"ABSENT\" is not set");
    assert!(!told.stderr.contains(PROVISIONING) && told.stdout.is_empty());
    assert!(!place.data().exists());
}

#[test]
fn a_bootstrap_key_and_a_kickstart_file_contradict_each_other() {
    let place = Place::plain();
    let file = write(&place, &document(json!([manager()]), json!([])));
    let variables =
        [("CLAVIGER_KICKSTART_FILE", file.to_str().unwrap()), ("CLAVIGER_BOOTSTRAP_API_KEY", READER)];
    let told = place
        .run_with(&[], &variables)
        .expect(2)
        .says("KICKSTART_FILE: cannot stand together with BOOTSTRAP_API_KEY");
    assert!(!told.stderr.contains(READER));
}

#[cfg(feature = "postgres")]
mod together {
    mod postgres {
        use super::super::*;

        /// Of programs that start together one applies the file, and all serve what it made.
        #[test]
        fn several_starts_at_once_apply_the_file_once() {
            let Some(place) = Place::postgres(concat!(module_path!(), "::several_starts_at_once")) else {
                return;
            };
            let tenant = json!({"method": "POST", "url": "/api/tenant", "body": {"tenant": {"name": "one"}}});
            let file = write(&place, &document(json!([manager()]), json!([tenant])));
            let variables = [("CLAVIGER_KICKSTART_FILE", file.to_str().unwrap())];
            let mut all: Vec<_> = (0..4).map(|_| Server::spawn(place.command(&[]).envs(variables))).collect();
            let listening = all.iter_mut().filter_map(Server::listening_or_over).count();
            assert_eq!(listening, 4);
            let mut applied = 0;
            let mut ended = Vec::new();
            for mut server in all {
                server.signal_if_running("-TERM");
                let finished = server.wait();
                applied += finished.stderr.matches("the Kickstart file is applied").count();
                ended.push(finished.code);
            }
            ended.sort_unstable();
            assert_eq!((applied, ended), (1, vec![Some(0); 4]));
            let server = started(&place, &file);
            let tenants = read(&server, "/api/tenant", PROVISIONING);
            assert_eq!(tenants["tenants"].as_array().unwrap().len(), 2);
            server.stop().expect(0);
        }
    }
}
