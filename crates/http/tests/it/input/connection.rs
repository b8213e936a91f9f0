//! Connections: kept, pipelined, left in the middle of a body.

use std::io::Write;
use std::thread;

use crate::support::client::head;
use crate::support::server::BOOTSTRAP;
use crate::support::{Connection, Reply, Server};

on_each_database! {
    shared: connections_are_kept, requests_can_be_pipelined, head_answers_without_a_body,
        a_refusal_does_not_wait_for_the_body, a_refused_body_is_not_read_as_the_next_request,
        bodies_in_chunks_are_taken, a_client_that_leaves_in_the_middle_harms_nobody;
}

fn headers<const N: usize>(more: [(&str, &str); N]) -> Vec<(String, String)> {
    more.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn authorized<const N: usize>(more: [(&str, &str); N]) -> Vec<(String, String)> {
    let mut headers = headers(more);
    headers.push(("Authorization".to_owned(), BOOTSTRAP.to_owned()));
    headers
}

fn connections_are_kept(server: &Server) {
    let mut connection = Connection::open(server.address());
    for _ in 0..3 {
        for (method, path, credentials, status) in [
            ("GET", "/api/system/version", true, 200),
            ("GET", "/api/system/version", false, 401),
            ("GET", "/nowhere", true, 404),
            ("HEAD", "/api/key", true, 200),
            ("DELETE", "/api/key", true, 405),
            ("BREW", "/api/key", true, 501),
            ("GET", "/api/key/x", true, 400),
        ] {
            let headers = if credentials { authorized([]) } else { headers([]) };
            connection.write(head(method, path, &headers).as_bytes()).unwrap();
            assert_eq!(connection.read(method).unwrap().status, status, "{method} {path}");
        }
    }
}

fn requests_can_be_pipelined(server: &Server) {
    let body = r#"{"apiKey":{}}"#;
    let length = body.len().to_string();
    let requests = [
        head("GET", "/api/system/version", &authorized([])),
        head(
            "POST",
            "/api/api-key",
            &authorized([("Content-Type", "application/json"), ("Content-Length", &length)]),
        ) + body,
        head("GET", "/api/health", &headers([])),
        head("GET", "/api/key", &headers([])),
        head("GET", "/.well-known/jwks.json", &headers([("Connection", "close")])),
    ];
    let mut connection = Connection::open(server.address());
    connection.write(requests.concat().as_bytes()).unwrap();
    let methods = ["GET", "POST", "GET", "GET", "GET"];
    let replies: Vec<Reply> = methods.iter().map(|method| connection.read(method).unwrap()).collect();
    let statuses: Vec<_> = replies.iter().map(|reply| reply.status).collect();
    assert_eq!(statuses, [200, 200, 200, 401, 200]);
    assert!(replies[0].text().contains("version") && replies[1].text().contains("apiKey"));
    assert!(replies[4].text().contains("kty") && !connection.has_more());
}

fn head_answers_without_a_body(server: &Server) {
    for (path, status) in [
        ("/api/key", 200),
        ("/api/tenant", 200),
        ("/api/status", 200),
        ("/api/health", 200),
        ("/.well-known/jwks.json", 200),
        ("/api/key/x", 400),
        ("/nowhere", 404),
    ] {
        let reply = server.as_key_manager().send("HEAD", path, None);
        // That nothing follows the head is checked where the answer is read.
        assert_eq!((reply.status, reply.body.len()), (status, 0), "{path}");
        let get = server.as_key_manager().get(path);
        assert_eq!(
            (get.status, get.header("content-type")),
            (status, reply.header("content-type")),
            "{path}"
        );
    }
    assert_eq!(server.anonymous().send("HEAD", "/api/key", None).status, 401);
}

fn a_refusal_does_not_wait_for_the_body(server: &Server) {
    for (path, status) in
        [("/api/api-key", 401), ("/api/key/generate", 401), ("/nowhere", 404), ("/api/health", 405)]
    {
        // Announced and never sent.
        for length in ["100", "1000000", "1000000000000"] {
            let mut connection = Connection::open(server.address());
            connection.write(head("POST", path, &headers([("Content-Length", length)])).as_bytes()).unwrap();
            assert_eq!(connection.read("POST").unwrap().status, status, "{path}");
        }
        let mut connection = Connection::open(server.address());
        connection
            .write(head("POST", path, &headers([("Transfer-Encoding", "chunked")])).as_bytes())
            .unwrap();
        assert_eq!(connection.read("POST").unwrap().status, status, "{path}");
        // Sent in full, and not read.
        let reply = server.anonymous().send_bytes("POST", path, Some(&vec![b'x'; 8_000_000]));
        assert_eq!(reply.status, status, "{path}");
    }
}

fn a_refused_body_is_not_read_as_the_next_request(server: &Server) {
    let hidden = head("GET", "/api/key", &authorized([]));
    for path in ["/api/api-key", "/api/health", "/nowhere"] {
        let length = hidden.len().to_string();
        let first = head("POST", path, &headers([("Content-Length", &length)]));
        let last = head("GET", "/api/system/version", &authorized([("Connection", "close")]));
        let mut connection = Connection::open(server.address());
        connection.write([first.as_str(), &hidden, &last].concat().as_bytes()).unwrap();
        let refusal = connection.read("POST").unwrap();
        assert!(matches!(refusal.status, 401 | 404 | 405), "{path}: {}", refusal.status);
        // The server may close now, or answer the last request; the one in the body is none.
        match connection.read("GET") {
            Ok(reply) => {
                assert!(reply.status == 200 && reply.text().contains("version"), "{path}: {}", reply.text());
                assert!(!connection.has_more(), "{path}");
            }
            Err(_closed) => {}
        }
    }
}

fn bodies_in_chunks_are_taken(server: &Server) {
    let headers = authorized([
        ("Transfer-Encoding", "chunked"),
        ("Content-Type", "application/json"),
        ("Connection", "close"),
    ]);
    let mut connection = Connection::open(server.address());
    connection.write(head("POST", "/api/api-key", &headers).as_bytes()).unwrap();
    for chunk in ["3\r\n{\"a\r\n", "4;name=value\r\npiKe\r\n", "6\r\ny\":{}}\r\n", "0\r\n\r\n"] {
        connection.write(chunk.as_bytes()).unwrap();
    }
    connection.read("POST").unwrap().ok();
}

fn a_client_that_leaves_in_the_middle_harms_nobody(server: &Server) {
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for cut in
                    ["POST", "POST /api/api-key HTTP/1.1\r\nHost: x\r\n", "GET /api/key HTTP/1.1\r\n\r\n"]
                {
                    let mut connection = Connection::open(server.address());
                    connection.write(cut.as_bytes()).unwrap();
                }
                let headers = authorized([("Content-Type", "application/json"), ("Content-Length", "100")]);
                let mut stream = Connection::open(server.address()).stream();
                stream.write_all(head("POST", "/api/api-key", &headers).as_bytes()).unwrap();
                stream.write_all(b"{\"apiKey\"").unwrap();
                // Half a body, and then only an ear: the server may say that the body is cut, or nothing.
                stream.shutdown(std::net::Shutdown::Write).unwrap();
            });
        }
    });
    server.as_key_manager().get("/api/key").ok();
}
