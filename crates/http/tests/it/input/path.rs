//! Paths and methods: unknown, ambiguous, not allowed.

use crate::support::client::head;
use crate::support::{Connection, Server, uuid};

on_each_database! {
    shared: unknown_paths, other_methods, unknown_methods, ambiguous_paths, paths_that_are_not_http,
        long_paths, queries_are_no_part_of_the_path, literals_are_exact;
}

fn unknown_paths(server: &Server) {
    for path in [
        "/",
        "/api",
        "/api/",
        "/api/keys",
        "/api/user",
        "/api/user/search",
        "/api/apikey",
        "/api/key/x/y",
        "/api/tenant/x/y",
        "/api/api-key/x/y",
        "/api/status/x",
        "/api/health/x",
        "/api/system",
        "/admin",
        "/index.html",
        "/.well-known",
        "/.well-known/jwks",
        "/.well-known/openid-configuration/x",
        "/x/y/.well-known/openid-configuration",
        "/favicon.ico",
        "/api/system/version/x",
    ] {
        for client in [server.anonymous(), server.with_key("no such key"), server.as_key_manager()] {
            for method in ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"] {
                client.send(method, path, None).not_found();
            }
        }
    }
}

fn other_methods(server: &Server) {
    let id = uuid();
    let check = |method: &str, path: &str, allowed: &str| {
        // A path is no secret, whoever asks.
        for client in [server.anonymous(), server.as_key_manager()] {
            let reply = client.send(method, path, None);
            assert_eq!(
                (reply.status, reply.text(), reply.header("allow")),
                (405, "", Some(allowed)),
                "{method} {path}"
            );
            assert_eq!(reply.header("content-type"), None);
        }
    };
    for method in ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"] {
        check(method, "/api/key", "GET, HEAD");
        check(method, "/api/key/", "GET, HEAD");
        check(method, "/api/status", "GET, HEAD");
        check(method, "/api/health", "GET, HEAD");
        check(method, "/api/system/version", "GET, HEAD");
        check(method, "/.well-known/jwks.json", "GET, HEAD");
    }
    for method in ["POST", "PATCH", "OPTIONS", "TRACE"] {
        check(method, &format!("/api/key/{id}"), "DELETE, GET, PUT, HEAD");
    }
    for method in ["GET", "PUT", "PATCH", "DELETE", "OPTIONS"] {
        check(method, "/api/key/generate", "POST");
        check(method, &format!("/api/key/generate/{id}"), "POST");
    }
    check("PUT", "/api/tenant", "GET, POST, HEAD");
    check("OPTIONS", &format!("/api/tenant/{id}"), "DELETE, GET, PATCH, POST, PUT, HEAD");
    check("PATCH", "/api/tenant/search", "GET, POST, HEAD");
    check("OPTIONS", &format!("/api/api-key/{id}"), "DELETE, GET, PATCH, POST, PUT, HEAD");
    let reply = server.anonymous().send("HEAD", "/api/key/generate", None);
    assert_eq!((reply.status, reply.header("allow")), (405, Some("POST")));
}

fn unknown_methods(server: &Server) {
    for method in ["BREW", "PROPFIND", "get", "Post", "GETX", "M-SEARCH", "LINK", "LOCK"] {
        for path in ["/api/key", "/nowhere", "/api/health", "//"] {
            for client in [server.anonymous(), server.as_key_manager()] {
                let reply = client.send(method, path, None);
                assert_eq!((reply.status, reply.text()), (501, ""), "{method} {path}");
                assert_eq!(reply.header("content-type"), None);
            }
        }
    }
}

/// Spellings that some programs would read as `/api/key` or another path of ours.
const AMBIGUOUS: [&str; 44] = [
    "//api/key",
    "/api//key",
    "/api/key//",
    "///api/key",
    "/api/./key",
    "/./api/key",
    "/api/key/.",
    "/api/../api/key",
    "/nowhere/../api/key",
    "/api/key/..",
    "/api/key/../key",
    "/api/%2e/key",
    "/api/%2e%2e/api/key",
    "/api/.%2e/api/key",
    "/api/%6bey",
    "/api/%6Bey",
    "/%61pi/key",
    "/api/ke%79",
    "/api%2fkey",
    "/api%2Fkey",
    "/api/key%2f",
    "/api/key%2fx",
    "/api/key%2Fgenerate",
    "/api/key%5c",
    "/api%5ckey",
    "/api/key;x",
    "/api/key;x=y",
    "/api;x/key",
    "/api/key%3b",
    "/api/key%3Bx",
    "/;/api/key",
    "/api/key%00",
    "/api/%00key",
    "/api/key%0a",
    "/api/key%0d%0a",
    "/api/key%7f",
    "/api/key%25",
    "/api/%256bey",
    "/api/key%",
    "/api/key%2",
    "/api/key%zz",
    "/api/key%c0%af",
    "/api/key%ff",
    "/api/key%c3",
];

fn ambiguous_paths(server: &Server) {
    let key = server.unrestricted();
    for path in AMBIGUOUS {
        for client in [server.anonymous(), server.with_key(&key.value), server.as_key_manager()] {
            client.get(path).not_found();
            client.delete(path).not_found();
            client.send("POST", path, None).not_found();
        }
        // Below other paths that are there, too.
        for under in ["/api/tenant", "/api/system/version", "/api/status", "/.well-known/jwks.json"] {
            let other = path.replace("/api/key", under);
            if other != path {
                server.as_key_manager().get(&other).not_found();
            }
        }
    }
    // A deletion by another spelling does not happen.
    for path in [
        format!("/api/api-key/./{}", key.id),
        format!("/api//api-key/{}", key.id),
        format!("/api/api-key/{};x", key.id),
    ] {
        server.as_key_manager().delete(&path).not_found();
    }
    server.with_key(&key.value).get("/api/key").ok();
}

fn paths_that_are_not_http(server: &Server) {
    // What is no request target is refused before it is a path: with 400 or 404, and never served.
    for target in [
        "/api/key\\",
        "/api\\key",
        "\\api\\key",
        "/api/k\u{e9}y",
        "/api/key\u{1}",
        "/api/key\u{7f}",
        "/api/key<",
        "*",
        "api/key",
        "",
    ] {
        for method in ["GET", "DELETE"] {
            let headers = [
                ("Authorization".to_owned(), crate::support::server::BOOTSTRAP.to_owned()),
                ("Connection".to_owned(), "close".to_owned()),
            ];
            let mut connection = Connection::open(server.address());
            connection.write(head(method, target, &headers).as_bytes()).unwrap();
            let Ok(reply) = connection.read(method) else { continue };
            assert!(matches!(reply.status, 400 | 404 | 405), "{method} {target:?}: {}", reply.status);
            assert!(!reply.text().contains("keys"), "{method} {target:?}");
        }
    }
    // The absolute form names a host, which does not make it another path (RFC 9112, section 3.2.2).
    let reply = server.as_key_manager().get("http://elsewhere.example/api/key");
    assert_eq!(reply.status, 200);
    server.as_key_manager().get("http://elsewhere.example//api/key").not_found();
    server.anonymous().get("http://elsewhere.example/api/key").denied();
}

fn long_paths(server: &Server) {
    for length in [1_000, 8_000, 8_192, 8_193, 20_000] {
        let reply = server.anonymous().get(&format!("/api/{}", "x".repeat(length)));
        assert_eq!((reply.status, reply.text()), (404, ""), "{length}");
    }
    let reply = server.as_key_manager().get(&format!("/api/key/{}", "x".repeat(4_000)));
    reply.refused(&["keyId [couldNotConvert]keyId"]);
}

fn queries_are_no_part_of_the_path(server: &Server) {
    let manager = server.as_key_manager();
    for query in ["?", "?x", "?x=y", "?a=/../b", "?%00", "?//", "?;", "?apiKey=x"] {
        manager.get(&format!("/api/key{query}")).ok();
        server.anonymous().get(&format!("/api/key{query}")).denied();
    }
    manager.delete(&format!("{}?async=true", server.unrestricted().path())).done();
}

fn literals_are_exact(server: &Server) {
    for path in [
        "/API/key",
        "/Api/Key",
        "/api/KEY",
        "/api/Key/generate",
        "/api/key/GENERATE",
        "/api/key/Generate/x",
        "/api/Tenant",
    ] {
        for method in ["GET", "POST"] {
            server.as_key_manager().send(method, path, None).not_found();
        }
    }
}
