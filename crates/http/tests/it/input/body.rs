//! Bodies: broken, duplicate, deep, large, of the wrong type, or none.

use claviger_domain::MAXIMUM_VIOLATIONS;
use serde_json::{Value, json};

use crate::support::client::head;
use crate::support::{Connection, Server, unique, uuid};

on_each_database! {
    shared: broken_json, duplicate_members, deep_nesting, content_types, no_body_at_all,
        large_bodies_with_a_length, large_bodies_in_chunks, bodies_up_to_the_limit, errors_have_their_shape,
        errors_do_not_repeat_the_body, names_of_members_are_not_repeated_if_they_may_be_secrets,
        reports_do_not_grow_without_bound, bodies_where_none_belongs_are_not_looked_at;
}

/// Every operation that reads a body, on objects that exist.
fn writers(server: &Server) -> Vec<(&'static str, String)> {
    let api_key = server.unrestricted().path();
    let key = format!("/api/key/{}", server.signing_key());
    let tenant = format!("/api/tenant/{}", server.tenant());
    vec![
        ("POST", "/api/api-key".to_owned()),
        ("POST", format!("/api/api-key/{}", uuid())),
        ("PUT", api_key.clone()),
        ("PATCH", api_key),
        ("POST", "/api/key/generate".to_owned()),
        ("POST", format!("/api/key/generate/{}", uuid())),
        ("PUT", key),
        ("POST", "/api/tenant".to_owned()),
        ("POST", format!("/api/tenant/{}", uuid())),
        ("PUT", tenant.clone()),
        ("PATCH", tenant),
    ]
}

/// Sends these bytes to every writer and expects the same refusal.
#[track_caller]
fn check(server: &Server, content_type: Option<&str>, body: &[u8], expected: &str) {
    let manager = server.as_key_manager();
    let client =
        content_type.map_or_else(|| manager.clone(), |value| manager.with_header("Content-Type", value));
    for (method, path) in writers(server) {
        let reply = client.send_bytes(method, &path, Some(body));
        assert_eq!((reply.status, reply.errors()), (400, vec![expected.to_owned()]), "{method} {path}");
    }
}

const JSON: Option<&str> = Some("application/json");

fn broken_json(server: &Server) {
    let broken: [&[u8]; 17] = [
        b" ",
        b"{",
        b"}",
        b"x",
        b"{\"apiKey\":{}",
        b"{\"apiKey\":{}}}",
        b"{\"apiKey\":{}} {}",
        b"{'apiKey':{}}",
        b"{\"apiKey\":{},}",
        b"{\"apiKey\":{\"name\":\"a\nb\"}}",
        b"{\"apiKey\":{\"name\":\"\\ud800\"}}",
        b"{\"apiKey\":{\"name\":\"\xff\"}}",
        b"\xef\xbb\xbf{\"apiKey\":{}}",
        b"{\"apiKey\":NaN}",
        b"{\"apiKey\":01}",
        b"{\"apiKey\":1e999}",
        b"{\"a\0\":1}",
    ];
    for body in broken {
        check(server, JSON, body, "[invalidJSON]");
    }
    for body in ["[]", "null", "true", "1", "\"apiKey\"", "[{\"apiKey\":{}}]"] {
        check(server, JSON, body.as_bytes(), "[invalidJSON]");
    }
}

fn duplicate_members(server: &Server) {
    for body in [
        r#"{"apiKey":{},"apiKey":{}}"#,
        r#"{"key":{"name":"a","name":"a"}}"#,
        r#"{"tenant":{"name":"x","data":{"a":[{"b":1,"b":1}]}}}"#,
        r#"{"apiKey":{"permissions":{"endpoints":{"/api/user":[],"/api/user":["GET"]}}}}"#,
        r#"{"apiKey":{"name":"a","\u006eame":"b"}}"#,
        r#"{"apiKey":{"keyManager":false,"keyManager":null}}"#,
    ] {
        check(server, JSON, body.as_bytes(), "[invalidJSON]");
    }
}

fn deep_nesting(server: &Server) {
    for levels in [200, 5_000, 100_000] {
        check(
            server,
            JSON,
            &[b"{\"a\":".repeat(levels), b"1".to_vec(), b"}".repeat(levels)].concat(),
            "[invalidJSON]",
        );
        check(server, JSON, &[b"{\"a\":".to_vec(), b"[".repeat(levels)].concat(), "[invalidJSON]");
    }
}

fn content_types(server: &Server) {
    let body = b"{\"apiKey\":{}}";
    check(server, None, body, "[MissingContentType]");
    for other in [
        "text/plain",
        "application/x-www-form-urlencoded",
        "application/jsonp",
        "text/json",
        "json",
        "",
        ";application/json",
        "multipart/form-data; boundary=x",
    ] {
        check(server, Some(other), body, "[UnsupportedContentType]");
    }
    let manager = server.as_key_manager();
    // These two are for PATCH alone.
    for of_patches in ["application/json-patch+json", "application/merge-patch+json"] {
        for (method, path) in writers(server).into_iter().filter(|(method, _)| *method != "PATCH") {
            let reply = manager.with_header("Content-Type", of_patches).send_bytes(method, &path, Some(body));
            reply.refused(&["[UnsupportedContentType]"]);
        }
    }
    for same in [
        "application/json",
        "Application/JSON",
        "application/json;charset=UTF-8",
        "application/json ; charset=utf-8; x=\"y;z\"",
    ] {
        manager.with_header("Content-Type", same).send_bytes("POST", "/api/api-key", Some(body)).ok();
    }
    // No client is asked for what it accepts.
    manager.with_header("Accept", "text/html").with_header("Accept-Encoding", "br").get("/api/key").ok();
}

fn no_body_at_all(server: &Server) {
    check(server, JSON, b"", "[missing]");
    check(server, None, b"", "[missing]");
    for (method, path) in writers(server) {
        server.as_key_manager().send_bytes(method, &path, None).refused(&["[missing]"]);
    }
    // Clients of FusionAuth send the type without a body.
    let client = server.as_key_manager().with_header("Content-Type", "application/json");
    client.get("/api/key").ok();
    client.delete(&server.unrestricted().path()).done();
}

fn large_bodies_with_a_length(server: &Server) {
    for length in ["1048577", "10000000", "18446744073709551615"] {
        for (method, path) in writers(server) {
            let headers = [
                ("Authorization", crate::support::server::BOOTSTRAP),
                ("Content-Length", length),
                ("Content-Type", "application/json"),
            ]
            .map(|(name, value)| (name.to_owned(), value.to_owned()));
            let mut connection = Connection::open(server.address());
            // Nothing of the body is sent: the announcement is enough.
            connection.write(head(method, &path, &headers).as_bytes()).unwrap();
            let reply = connection.read(method).unwrap();
            assert_eq!(
                (reply.status, reply.errors()),
                (413, vec!["[tooLarge]".to_owned()]),
                "{method} {path}"
            );
        }
    }
}

fn large_bodies_in_chunks(server: &Server) {
    let chunk = format!("4000\r\n{}\r\n", " ".repeat(0x4000));
    for (method, path) in writers(server) {
        let headers = [
            ("Authorization", crate::support::server::BOOTSTRAP),
            ("Transfer-Encoding", "chunked"),
            ("Content-Type", "application/json"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()));
        let mut connection = Connection::open(server.address());
        connection.write(head(method, &path, &headers).as_bytes()).unwrap();
        // One chunk more than fits, and no end.
        for _ in 0..65 {
            connection.write(chunk.as_bytes()).unwrap();
        }
        let reply = connection.read(method).unwrap();
        assert_eq!((reply.status, reply.errors()), (413, vec!["[tooLarge]".to_owned()]), "{method} {path}");
    }
}

fn bodies_up_to_the_limit(server: &Server) {
    let padded = |size: usize| {
        let mut body = json!({"tenant": {"name": unique("large")}}).to_string();
        body.push_str(&" ".repeat(size - body.len()));
        body
    };
    let client = server.as_key_manager().with_header("Content-Type", "application/json");
    client.send_bytes("POST", "/api/tenant", Some(padded(1_048_576).as_bytes())).ok();
    let reply = client.send_bytes("POST", "/api/tenant", Some(padded(1_048_577).as_bytes()));
    assert_eq!((reply.status, reply.errors()), (413, vec!["[tooLarge]".to_owned()]));
    // A document of nearly that size is kept as well.
    let data = "x".repeat(1_000_000);
    let created = server
        .as_key_manager()
        .post("/api/tenant", &json!({"tenant": {"name": unique("large"), "data": {"x": data}}}))
        .ok();
    let path = format!("/api/tenant/{}", created["tenant"]["id"].as_str().unwrap());
    assert_eq!(server.as_key_manager().get(&path).ok(), created);
    server.as_key_manager().delete(&path).done();
}

fn errors_have_their_shape(server: &Server) {
    let manager = server.as_key_manager();
    let reply = manager.post("/api/key/generate", &json!({"key": {"algorithm": "HS256", "x": 1, "y": 2}}));
    assert_eq!(reply.header("content-type"), Some("application/json;charset=UTF-8"));
    let document = reply.json();
    let is_error = |error: &Value| error["code"].is_string() && error["message"].is_string();
    assert!(document["fieldErrors"].is_object());
    let list = document["fieldErrors"]["key.name"].as_array().unwrap();
    assert!(list.len() == 1 && list.iter().all(is_error));
    let general = document["generalErrors"].as_array().unwrap();
    assert!(general.len() == 2 && general.iter().all(is_error));
    // A part without entries is left out.
    let reply = manager.post("/api/key/generate", &json!({"key": {"algorithm": "HS256"}}));
    assert_eq!(crate::support::fixture::names(&reply.json()), ["fieldErrors"]);
    let reply = manager.in_tenant(&uuid()).get("/api/tenant");
    assert_eq!(crate::support::fixture::names(&reply.json()), ["generalErrors"]);
}

fn errors_do_not_repeat_the_body(server: &Server) {
    let secret = "5ecret";
    let client = server.as_key_manager().with_header("Content-Type", "application/json");
    for body in [
        format!(r#"{{"apiKey":{{"key":"{secret}","key":"{secret}"}}}}"#),
        format!(r#"{{"apiKey":{{"key":"{secret}"#),
        format!(r#"{{"apiKey":"{secret}"}}"#),
        format!(r#"{{"apiKey":{{"key":["{secret}"]}}}}"#),
        format!(r#"{{"apiKey":{{"key":" {secret}"}}}}"#),
        format!(r#"{{"apiKey":{{"tenantId":"{secret}"}}}}"#),
        format!(r#"{{"apiKey":{{"expirationInstant":"{secret}"}}}}"#),
        format!(r#""{secret}""#),
        secret.to_owned(),
    ] {
        let reply = client.send_bytes("POST", "/api/api-key", Some(body.as_bytes()));
        assert_eq!(reply.status, 400, "{body}");
        assert!(!reply.text().contains(secret), "{}", reply.text());
    }
}

fn names_of_members_are_not_repeated_if_they_may_be_secrets(server: &Server) {
    let secret = server.unrestricted().value;
    for document in [
        json!({secret.as_str(): 1}),
        json!({"apiKey": {secret.as_str(): 1}}),
        json!({"apiKey": {"metaData": {"attributes": {secret.as_str(): 1}}}}),
    ] {
        let reply = server.as_key_manager().post("/api/api-key", &document);
        assert_eq!(reply.status, 400);
        assert!(!reply.text().contains(&secret), "{}", reply.text());
    }
    // A misspelt name helps whoever reads the answer.
    let reply = server.as_key_manager().post("/api/api-key", &json!({"apiKey": {"permisions": {}}}));
    assert!(reply.text().contains("permisions"));
}

fn reports_do_not_grow_without_bound(server: &Server) {
    let many: serde_json::Map<_, _> = (0..20_000).map(|number| (format!("m{number}"), json!(1))).collect();
    for document in [json!(many), json!({"tenant": many}), json!({"tenant": {"jwtConfiguration": many}})] {
        let reply = server.as_key_manager().post("/api/tenant", &document);
        assert_eq!(reply.status, 400);
        assert!(reply.errors().len() <= MAXIMUM_VIOLATIONS && reply.body.len() < 50_000);
    }
}

fn bodies_where_none_belongs_are_not_looked_at(server: &Server) {
    let manager = server.as_key_manager();
    for body in [b"x".as_slice(), b"{\"a\":1}", &b" ".repeat(100_000)] {
        manager.send_bytes("GET", "/api/key", Some(body)).ok();
        manager.send_bytes("DELETE", &server.unrestricted().path(), Some(body)).done();
    }
}
