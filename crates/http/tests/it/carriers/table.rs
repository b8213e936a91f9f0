//! The table of carriers, row by row.

use serde_json::json;

use super::{in_query, with_query};
use crate::support::server::BOOTSTRAP;
use crate::support::{Client, Reply, Server};
use crate::token::known::{Known, good};
use crate::token::{accepted, present};

on_each_database! {
    shared: one_carrier_is_taken, two_headers_may_say_the_same, more_than_one_value_is_ambiguous,
        authorization_stands_alone, the_body_speaks_both_dialects, nothing_is_no_key, values_are_taken_as_they_are,
        a_token_in_a_cookie_is_no_key, the_query_is_not_read_unless_told;
    own: an_ambiguous_request_looks_no_key_up, the_query_is_a_carrier_when_told, a_key_in_the_query_stands_alone,
        a_key_in_the_query_leaves_other_parameters_alone;
}

const PATH: &str = "/api/system/version";

/// A request with these headers.
fn get(server: &Server, headers: &[(&str, &str)]) -> Reply {
    with(server, headers).get(PATH)
}

fn with(server: &Server, headers: &[(&str, &str)]) -> Client {
    headers.iter().fold(server.anonymous(), |client, (name, value)| client.with_header(name, value))
}

#[track_caller]
fn ambiguous(reply: &Reply) {
    reply.refused(&["[ambiguousCredentials]"]);
}

fn one_carrier_is_taken(server: &Server) {
    let key = server.unrestricted().value;
    for name in
        ["Authorization", "x-api-key", "X-API-KEY", "X-Api-Key", "apikey", "apiKey", "ApiKey", "APIKEY"]
    {
        let reply = get(server, &[(name, &key)]);
        reply.ok();
        assert_eq!(reply.header("referrer-policy"), None);
        get(server, &[(name, "no such key")]).denied();
    }
    // Names that look alike: an underscore becomes a dash in some programs, on their way to others.
    for name in ["x_api_key", "api_key", "api-key", "x-apikey", "x-api-key2", "Proxy-Authorization", "key"] {
        get(server, &[(name, &key)]).denied();
        get(server, &[(name, "x"), ("x-api-key", &key)]).ok();
    }
    // A key manager works with each of them.
    for name in ["Authorization", "x-api-key", "apiKey"] {
        with(server, &[(name, BOOTSTRAP)]).get("/api/tenant").ok();
    }
}

fn two_headers_may_say_the_same(server: &Server) {
    let key = server.unrestricted().value;
    let other = server.unrestricted().value;
    get(server, &[("x-api-key", &key), ("apiKey", &key)]).ok();
    get(server, &[("apiKey", &key), ("x-api-key", &key)]).ok();
    get(server, &[("x-api-key", &format!(" {key}\t")), ("apiKey", &key)]).ok();
    get(server, &[("x-api-key", "no such key"), ("apiKey", "no such key")]).denied();
    get(server, &[("x-api-key", ""), ("apiKey", "")]).denied();
    for different in [other.as_str(), "", "x", &key[1..], &format!("{key}x"), &key.to_uppercase()] {
        ambiguous(&get(server, &[("x-api-key", &key), ("apiKey", different)]));
        ambiguous(&get(server, &[("x-api-key", different), ("apiKey", &key)]));
    }
}

fn more_than_one_value_is_ambiguous(server: &Server) {
    let key = server.unrestricted().value;
    for name in ["Authorization", "x-api-key", "apiKey"] {
        for second in [key.as_str(), "x", ""] {
            ambiguous(&get(server, &[(name, &key), (name, second)]));
            ambiguous(&get(server, &[(name, second), (name, &key)]));
            ambiguous(&get(server, &[(name, &key), (&name.to_uppercase(), second)]));
        }
    }
    for list in
        [format!("{key},{key}"), format!("{key}, x"), format!("x,{key}"), format!("{key},"), ",".to_owned()]
    {
        for name in ["x-api-key", "apiKey"] {
            ambiguous(&get(server, &[(name, &list)]));
        }
        ambiguous(&get(server, &[("x-api-key", &list), ("apiKey", &list)]));
        // In FusionAuth's carrier a key may have commas, and this is none.
        get(server, &[("Authorization", &list)]).denied();
    }
    let comma = server.api_key(json!({"key": "a key, with a comma"}));
    get(server, &[("Authorization", &comma.value)]).ok();
    ambiguous(&get(server, &[("x-api-key", &comma.value)]));
}

fn authorization_stands_alone(server: &Server) {
    let key = server.unrestricted().value;
    for name in ["x-api-key", "apiKey"] {
        for (authorization, other) in [
            (key.as_str(), key.as_str()),
            (&key, "x"),
            ("x", &key),
            (&key, ""),
            ("", &key),
            ("", ""),
            ("Bearer x", &key),
        ] {
            ambiguous(&get(server, &[("Authorization", authorization), (name, other)]));
            ambiguous(&get(server, &[(name, other), ("Authorization", authorization)]));
        }
    }
    ambiguous(&get(server, &[("Authorization", &key), ("x-api-key", &key), ("apiKey", &key)]));
}

fn the_body_speaks_both_dialects(server: &Server) {
    let message = "The request carries more than one API key. Send exactly one.";
    for headers in [
        [("Authorization", "x"), ("x-api-key", "x")],
        [("Authorization", "x"), ("Authorization", "x")],
        [("x-api-key", "x"), ("apiKey", "y")],
    ] {
        let reply = get(server, &headers);
        assert_eq!(reply.status, 400);
        assert_eq!(
            reply.json(),
            json!({"code": "ambiguous-credentials", "message": message,
                "generalErrors": [{"code": "[ambiguousCredentials]", "message": message}]})
        );
    }
    // Other errors keep FusionAuth's shape.
    let reply = with(server, &[("x-api-key", BOOTSTRAP)]).get("/api/key/x");
    assert_eq!(reply.json().as_object().unwrap().keys().collect::<Vec<_>>(), ["fieldErrors"]);
}

fn nothing_is_no_key(server: &Server) {
    get(server, &[]).denied();
    for name in ["Authorization", "x-api-key", "apiKey"] {
        for empty in ["", "  ", "\t"] {
            get(server, &[(name, empty)]).denied();
            let status = with(server, &[(name, empty)]).get("/api/status");
            assert_eq!(status.ok(), json!({"status": "Ok"}), "{name}");
        }
    }
}

fn values_are_taken_as_they_are(server: &Server) {
    let key = server.unrestricted().value;
    for name in ["x-api-key", "apiKey"] {
        get(server, &[(name, &format!("  {key} \t"))]).ok();
        for wrong in [
            format!("Bearer {key}"),
            format!("ApiKey {key}"),
            format!("\"{key}\""),
            format!("{key};"),
            format!("{key}x"),
            key[..key.len() - 1].to_owned(),
            key.to_uppercase(),
            key.replacen('_', "%5F", 1),
        ] {
            get(server, &[(name, &wrong)]).denied();
        }
    }
    let spaces = server.api_key(json!({"key": "a key with spaces \u{20ac}"})).value;
    for name in ["Authorization", "x-api-key", "apiKey"] {
        get(server, &[(name, &spaces)]).ok();
    }
}

fn a_token_in_a_cookie_is_no_key(server: &Server) {
    let key = server.unrestricted().value;
    for cookie in [format!("x-api-key={key}"), format!("apiKey={key}"), format!("access_token={key}")] {
        get(server, &[("Cookie", &cookie)]).denied();
    }
    // Where keys are taken, the key wins, whatever the cookie says.
    let token = Known::new(server).token(&good());
    for cookie in [format!("access_token={token}"), "access_token=x".to_owned(), "apiKey=x".to_owned()] {
        for name in ["Authorization", "x-api-key", "apiKey"] {
            get(server, &[("Cookie", &cookie), (name, &key)]).ok();
            get(server, &[("Cookie", &cookie), (name, "no such key")]).denied();
        }
    }
    get(server, &[("Cookie", &format!("access_token={token}"))]).denied();
    // Where tokens are taken, it is the token that is looked at: in Authorization, else in the cookie.
    let cookie = server.anonymous().with_header("Cookie", &format!("access_token={token}"));
    accepted(&cookie.with_header("x-api-key", &key).get("/api/jwt/validate"));
    accepted(&cookie.with_header("x-api-key", "x").with_header("apiKey", "y").get("/api/jwt/validate"));
    present(&cookie, &key).denied();
}

fn the_query_is_not_read_unless_told(server: &Server) {
    let key = server.unrestricted().value;
    let silent = |reply: &Reply| assert_eq!(reply.header("referrer-policy"), None);
    for path in [in_query(PATH, &key), in_query(&in_query(PATH, &key), &key), in_query("/api/key", BOOTSTRAP)]
    {
        let reply = server.anonymous().get(&path);
        reply.denied();
        silent(&reply);
        for name in ["Authorization", "x-api-key", "apiKey"] {
            let reply = with(server, &[(name, BOOTSTRAP)]).get(&path);
            reply.ok();
            silent(&reply);
        }
    }
    let status = server.anonymous().get(&in_query("/api/status", &key));
    assert_eq!(status.ok(), json!({"status": "Ok"}));
}

fn the_query_is_a_carrier_when_told(server: &Server) {
    let server = with_query(server);
    let key = server.unrestricted().value;
    let spaces = server.api_key(json!({"key": "a key, with = & + % spaces \u{20ac}"})).value;
    let client = server.anonymous();
    let closed = |reply: &Reply| assert_eq!(reply.header("referrer-policy"), Some("no-referrer"));
    for path in [
        in_query(PATH, &key),
        in_query(PATH, &spaces),
        format!("{PATH}?a=b&apiKey={key}&c"),
        format!("{PATH}?%61piKey={key}"),
        format!("{PATH}?apiKey={}", key.replacen('_', "%5F", 1)),
    ] {
        let reply = client.get(&path);
        reply.ok();
        closed(&reply);
    }
    for path in [
        in_query(PATH, "no such key"),
        in_query(PATH, &format!("{key} ")),
        in_query(PATH, &format!("Bearer {key}")),
        in_query(PATH, &key[..key.len() - 1]),
        // Decoded once, not twice.
        in_query(PATH, &key.replacen('_', "%5F", 1)),
        format!("{PATH}?apiKey="),
        format!("{PATH}?apiKey"),
    ] {
        let reply = client.get(&path);
        reply.denied();
        closed(&reply);
    }
    for name in ["apikey", "ApiKey", "APIKEY", "api_key", "x-api-key", "Authorization", "access_token"] {
        let reply = client.get(&format!("{PATH}?{name}={key}"));
        reply.denied();
        assert_eq!(reply.header("referrer-policy"), None);
    }
    assert_eq!(client.get("/api/status?apiKey=").ok(), json!({"status": "Ok"}));
    client.get(&in_query("/api/status", "no such key")).denied();
    assert!(client.get(&in_query("/api/status", &key)).ok().get("version").is_some());
    // A form's body is no query string.
    let form = client.with_header("Content-Type", "application/x-www-form-urlencoded");
    form.send_bytes("POST", "/api/key/search", Some(format!("apiKey={key}").as_bytes())).denied();
    // Other carriers work as before, without the header.
    let reply = get(&server, &[("x-api-key", &key)]);
    reply.ok();
    assert_eq!(reply.header("referrer-policy"), None);
}

fn a_key_in_the_query_stands_alone(server: &Server) {
    let server = with_query(server);
    let key = server.unrestricted().value;
    let twice = |first: &str, second: &str| server.anonymous().get(&in_query(&in_query(PATH, first), second));
    for (first, second) in [(key.as_str(), key.as_str()), (&key, "x"), ("x", &key), (&key, ""), ("", "")] {
        let reply = twice(first, second);
        ambiguous(&reply);
        assert_eq!(reply.header("referrer-policy"), Some("no-referrer"));
        for name in ["Authorization", "x-api-key", "apiKey"] {
            ambiguous(&with(&server, &[(name, first)]).get(&in_query(PATH, second)));
        }
    }
    ambiguous(&server.anonymous().get(&format!("{PATH}?apiKey={key}&%61piKey={key}")));
    // Public routes do not care.
    server.anonymous().get("/api/health?apiKey=x&apiKey=y").done();
}

fn a_key_in_the_query_leaves_other_parameters_alone(server: &Server) {
    let server = with_query(server);
    let name = "searched by query";
    server
        .as_key_manager()
        .post("/api/key/generate", &json!({"key": {"name": name, "algorithm": "HS256"}}))
        .ok();
    let found = server.anonymous().get(&in_query("/api/key/search?name=searched+by%20query", BOOTSTRAP)).ok();
    assert_eq!(found["total"], 1);
    let body = json!({"tenant": {"name": "made by query"}});
    let made = server.anonymous().post(&in_query("/api/tenant", BOOTSTRAP), &body).ok();
    assert_eq!(made["tenant"]["name"], "made by query");
}

fn an_ambiguous_request_looks_no_key_up(server: &Server) {
    let server = with_query(server);
    let key = server.unrestricted().value;
    let before = server.clock_reads();
    ambiguous(&get(&server, &[("x-api-key", &key), ("apiKey", "x")]));
    ambiguous(&get(&server, &[("x-api-key", &format!("{key},{key}"))]));
    ambiguous(&get(&server, &[("x-api-key", &key), ("x-api-key", &key)]));
    ambiguous(&get(&server, &[("Authorization", &key), ("x-api-key", &key)]));
    ambiguous(&server.with_key(&key).get(&in_query(PATH, &key)));
    // The time is asked for when a key is judged.
    assert_eq!(server.clock_reads(), before);
    get(&server, &[("x-api-key", &key)]).ok();
    assert!(server.clock_reads() > before);
}
