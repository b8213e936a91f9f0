//! Where a token is looked for: one place, one token.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use super::known::{Known, NOW, good, refused};
use super::{accepted, present, validate};
use crate::support::{Client, Server};

on_each_database! {
    shared: tokens_come_in_three_ways, the_header_comes_before_the_cookie, there_is_one_token,
        lengths_have_a_bound;
}

fn with_cookie(client: &Client, value: &str) -> Client {
    client.with_header("Cookie", value)
}

fn tokens_come_in_three_ways(server: &Server) {
    let token = Known::new(server).token(&good());
    let client = server.anonymous();
    let expected = json!({"exp": NOW + 60, "iat": NOW});
    for authorization in [
        format!("Bearer {token}"),
        format!("bearer {token}"),
        format!("BEARER   {token}"),
        format!("JWT {token}"),
        format!("jwt {token}"),
    ] {
        assert_eq!(accepted(&present(&client, &authorization)), expected, "{authorization}");
    }
    for cookie in [
        format!("access_token={token}"),
        format!("a=b; access_token={token}; refresh_token=c"),
        format!("a;access_token={token};"),
    ] {
        assert_eq!(accepted(&with_cookie(&client, &cookie).get("/api/jwt/validate")), expected, "{cookie}");
    }
    let split = with_cookie(&with_cookie(&client, "a=b"), &format!("access_token={token}"));
    assert_eq!(accepted(&split.get("/api/jwt/validate")), expected);
    let reply = present(&client, &format!("Bearer {token}"));
    assert_eq!(reply.header("cache-control"), Some("no-store"));
    // Nowhere else.
    for elsewhere in [format!("?token={token}"), format!("?access_token={token}"), format!("?jwt={token}")] {
        client.get(&format!("/api/jwt/validate{elsewhere}")).denied();
    }
    for (name, value) in [
        ("Cookie", format!("Access_Token={token}")),
        ("Cookie", format!("xaccess_token={token}")),
        ("Cookie", format!("access_token=\"{token}\"")),
        ("Cookie2", format!("access_token={token}")),
        ("X-Access-Token", token.clone()),
        ("Proxy-Authorization", format!("Bearer {token}")),
    ] {
        client.with_header(name, &value).get("/api/jwt/validate").denied();
    }
    for scheme in ["", "Bearer:", "DPoP ", "Basic ", "Token ", "Bearer\t", "Bearer JWT ", "Bear er "] {
        present(&client, &format!("{scheme}{token}")).denied();
    }
}

fn the_header_comes_before_the_cookie(server: &Server) {
    let key = Known::new(server);
    let [header, cookie] =
        ["header", "cookie"].map(|from| key.token(&format!(r#"{{"exp":{},"from":"{from}"}}"#, NOW + 60)));
    let client = with_cookie(&server.anonymous(), &format!("access_token={cookie}"));
    assert_eq!(accepted(&client.get("/api/jwt/validate"))["from"], "cookie");
    assert_eq!(accepted(&present(&client, &format!("Bearer {header}")))["from"], "header");
    // What stands in the header is what counts, however wrong it is.
    let manager = crate::support::server::BOOTSTRAP;
    let basic = format!("Basic {}", STANDARD.encode(format!("apikey:{manager}")));
    for authorization in ["", "Bearer", "Bearer ", "Bearer x", "x", manager, &basic, "Bearer a.b.c", "JWT"] {
        present(&client, authorization).denied();
    }
    present(&client, &format!("Bearer {}x", header)).denied();
}

fn there_is_one_token(server: &Server) {
    let token = Known::new(server).token(&good());
    let (bearer, cookie) = (format!("Bearer {token}"), format!("access_token={token}"));
    let client = server.anonymous();
    for twice in [
        client.with_header("Authorization", &bearer).with_header("Authorization", &bearer),
        client.with_header("Authorization", &bearer).with_header("authorization", "x"),
        client.with_header("Authorization", &format!("{bearer}, {bearer}")),
        client.with_header("Authorization", &format!("{bearer} {token}")),
        with_cookie(&with_cookie(&client, &cookie), &cookie),
        with_cookie(&client, &format!("{cookie}; {cookie}")),
        with_cookie(&client, &format!("{cookie}; access_token=")),
        with_cookie(&client, &format!("{cookie}, {cookie}")),
    ] {
        twice.get("/api/jwt/validate").denied();
    }
}

fn lengths_have_a_bound(server: &Server) {
    let key = Known::new(server);
    let token = |length: usize| key.token(&format!(r#"{{"exp":{},"a":"{}"}}"#, NOW + 60, "a".repeat(length)));
    let empty = token(0).len();
    let longest = (64 * 1024 - empty) / 4 * 3;
    assert!(token(longest).len() > 64 * 1024 - 4);
    accepted(&validate(server, &token(longest)));
    accepted(
        &with_cookie(&server.anonymous(), &format!("access_token={}", token(longest)))
            .get("/api/jwt/validate"),
    );
    refused(server, &token(longest + 3));
    refused(server, &token(80 * 1024));
    for character in ["a", ".", "=", "\u{e9}"] {
        refused(server, &character.repeat(40_000));
        refused(server, &character.repeat(60_000));
    }
}
