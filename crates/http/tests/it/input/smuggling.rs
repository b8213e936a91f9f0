//! Requests whose end two programs could see in different places: never answered as if all was well.

use crate::support::client::head;
use crate::support::server::BOOTSTRAP;
use crate::support::{Connection, Server};

on_each_database! {
    shared: two_lengths, a_length_and_chunks, odd_lengths, odd_encodings, odd_headers;
}

/// Sends a request with these header lines and this body, and asserts that nothing is served, neither it nor what its
/// body might hide.
#[track_caller]
fn check(server: &Server, lines: &[&str], body: &str) {
    let mut request =
        String::from("POST /api/api-key HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n");
    request.push_str(&format!("Authorization: {BOOTSTRAP}\r\n"));
    for line in lines {
        request.push_str(line);
        request.push_str("\r\n");
    }
    request.push_str("\r\n");
    request.push_str(body);
    let mut connection = Connection::open(server.address());
    connection.write(request.as_bytes()).unwrap();
    // The end of what is sent, so that a server that waits for more answers as well.
    connection.stream().shutdown(std::net::Shutdown::Write).unwrap();
    while let Ok(reply) = connection.read("POST") {
        assert!(reply.status >= 400, "{lines:?}: {} {}", reply.status, reply.text());
    }
}

const BODY: &str = "{\"apiKey\":{}}";

/// The same document in chunks.
const CHUNKS: &str = "d\r\n{\"apiKey\":{}}\r\n0\r\n\r\n";

fn two_lengths(server: &Server) {
    check(server, &["Content-Length: 13", "Content-Length: 14"], BODY);
    check(server, &["Content-Length: 14", "Content-Length: 13"], BODY);
    check(server, &["Content-Length: 13", "Content-Length: 13"], BODY);
    check(server, &["Content-Length: 13, 13"], BODY);
    check(server, &["Content-Length: 13,14"], BODY);
    check(server, &["Content-Length: 0", "Content-Length: 13"], BODY);
}

fn a_length_and_chunks(server: &Server) {
    let length = format!("Content-Length: {}", CHUNKS.len());
    check(server, &[&length, "Transfer-Encoding: chunked"], CHUNKS);
    check(server, &["Transfer-Encoding: chunked", &length], CHUNKS);
    check(server, &["Content-Length: 13", "Transfer-Encoding: chunked"], CHUNKS);
    check(server, &["Transfer-Encoding: chunked", "Content-Length: 0"], CHUNKS);
    let hidden =
        format!("{CHUNKS}{}", head("GET", "/api/key", &[("Authorization".to_owned(), BOOTSTRAP.to_owned())]));
    let length = format!("Content-Length: {}", hidden.len());
    check(server, &[&length, "Transfer-Encoding: chunked"], &hidden);
}

fn odd_lengths(server: &Server) {
    for odd in ["+13", "-13", "0x0d", "13.0", "1 3", "", "99999999999999999999999", "thirteen", "13;"] {
        check(server, &[&format!("Content-Length: {odd}")], BODY);
    }
}

fn odd_encodings(server: &Server) {
    for odd in [
        "identity",
        "xchunked",
        "chunked, identity",
        "gzip",
        "chunked, chunked",
        "\u{b}chunked",
        "chunked\u{b}",
    ] {
        check(server, &[&format!("Transfer-Encoding: {odd}")], CHUNKS);
    }
    check(server, &["Transfer-Encoding: chunked", "Transfer-Encoding: identity"], CHUNKS);
    check(server, &["Transfer-Encoding: identity", "Transfer-Encoding: chunked"], CHUNKS);
    for odd in ["-1\r\n", "0xd\r\n", "d \n", "fffffffffffffffff\r\n", "\r\n", "g\r\n"] {
        check(server, &["Transfer-Encoding: chunked"], &format!("{odd}{BODY}\r\n0\r\n\r\n"));
    }
}

fn odd_headers(server: &Server) {
    check(server, &["Content-Length : 13"], BODY);
    check(server, &[" Content-Length: 13"], BODY);
    check(server, &["Content-Length: 13", " continued"], BODY);
    check(server, &["Content-Length: 13", "X-Nul: a\0b"], BODY);
    check(server, &["Content-Length: 13", "No colon"], BODY);
    check(server, &["Content-Length: 13", "X-Return: a\rb"], BODY);
    check(server, &["Content-Length: 13", "Bad(name): x"], BODY);
}
