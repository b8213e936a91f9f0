//! From whose address a request comes: what is recorded with changes, and who is on loopback.

use serde_json::json;

use crate::support::client::head;
use crate::support::server::BOOTSTRAP;
use crate::support::{Client, Connection, Server, Settings};

on_each_database! {
    own: cve_2020_28483_client_written_forwarded_address, a_trusted_proxy_names_the_client,
        what_a_proxy_may_report_instead_of_an_address, cve_2022_24112_no_other_header_sets_the_address,
        a_unix_socket_can_be_a_proxy, cve_2023_41338_loopback_is_the_socket_s_own_peer;
}

/// The tests connect from here.
const PEER: &str = "127.0.0.1";

fn behind(server: &Server, trusted_proxies: &'static str) -> Server {
    server.sibling(Settings { trusted_proxies, ..Settings::default() })
}

/// Makes one change with these headers, each a line of its own.
fn change(client: &Client, headers: &[(&str, &str)]) {
    let client = headers.iter().fold(client.clone(), |client, (name, value)| client.with_header(name, value));
    client.post("/api/api-key", &json!({"apiKey": {}})).ok();
}

/// Makes a change with each of these lines and checks the addresses that are recorded; `-` stands for none.
#[track_caller]
fn check(server: &Server, rows: &[(&[&str], &str)]) {
    let manager = server.as_key_manager();
    let mut expected = Vec::new();
    for (lines, address) in rows {
        let headers: Vec<_> = lines.iter().map(|line| ("X-Forwarded-For", *line)).collect();
        change(&manager, &headers);
        expected.push((*address != "-").then(|| (*address).to_owned()));
    }
    assert_eq!(server.recorded_addresses(), expected);
}

/// CVE-2020-28483: an address that the client wrote itself was believed.
fn cve_2020_28483_client_written_forwarded_address(server: &Server) {
    let rows: &[(&[&str], &str)] = &[
        (&[], PEER),
        (&["192.0.2.1"], PEER),
        (&["192.0.2.1, 10.0.0.1"], PEER),
        (&["unknown"], PEER),
        (&[""], PEER),
        (&["192.0.2.1", "10.0.0.1"], PEER),
    ];
    check(server, rows);
    // Other proxies are trusted, but not this peer.
    check(&behind(server, "10.0.0.0/8,192.0.2.1,::1,unix"), rows);
}

fn a_trusted_proxy_names_the_client(server: &Server) {
    check(
        &behind(server, "127.0.0.0/8, 10.0.0.0/8, 2001:db8:ffff::/48"),
        &[
            (&[], PEER),
            (&["192.0.2.1"], "192.0.2.1"),
            (&["192.0.2.1:4711"], "192.0.2.1"),
            (&["2001:db8::1"], "2001:db8::1"),
            (&["[2001:DB8:0::1]:4711"], "2001:db8::1"),
            (&["::ffff:192.0.2.1"], "192.0.2.1"),
            // What stands left of the client was written by it.
            (&["203.0.113.1, 192.0.2.1"], "192.0.2.1"),
            (&["127.0.0.1,192.0.2.1,10.0.0.2"], "192.0.2.1"),
            (&["nonsense, 192.0.2.1, 10.0.0.2:80, [2001:db8:ffff::1]"], "192.0.2.1"),
            // Lines are one list.
            (&["203.0.113.1", "192.0.2.1", "10.0.0.2"], "192.0.2.1"),
            (&["203.0.113.1, 192.0.2.1", "10.0.0.2"], "192.0.2.1"),
            // Nobody but proxies.
            (&["10.0.0.3, 10.0.0.2"], "10.0.0.3"),
            (&["10.0.0.3", "127.0.0.1"], "10.0.0.3"),
        ],
    );
    // IPv4 addresses are the same in the notation of IPv6.
    check(&behind(server, "::ffff:127.0.0.0/104"), &[(&["192.0.2.1"], "192.0.2.1")]);
    // IPv6 networks have no IPv4 addresses in them.
    check(&behind(server, "::/0"), &[(&["192.0.2.1"], PEER)]);
}

fn what_a_proxy_may_report_instead_of_an_address(server: &Server) {
    let long = vec!["10.0.0.2"; 64].join(",");
    check(
        &behind(server, "127.0.0.1,10.0.0.0/8"),
        &[
            (&[""], "-"),
            (&["unknown"], "-"),
            (&["192.0.2.1,"], "-"),
            (&["192.0.2.1", ""], "-"),
            (&["192.0.2.01"], "-"),
            (&["fe80::1%eth0"], "-"),
            (&["192.0.2.1, _hidden, 10.0.0.2"], "-"),
            (&["192.0.2.1", &long], "192.0.2.1"),
            (&[&long], "10.0.0.2"),
            (&["192.0.2.1"], "192.0.2.1"),
        ],
    );
}

/// CVE-2022-24112: a header that the client could send set its address. Of all that carry one, a single one is read.
fn cve_2022_24112_no_other_header_sets_the_address(server: &Server) {
    let server = behind(server, "127.0.0.1");
    let manager = server.as_key_manager();
    let names = [
        "X-Real-IP",
        "Forwarded",
        "True-Client-IP",
        "CF-Connecting-IP",
        "X-Client-IP",
        "X-Cluster-Client-IP",
        "X-Forwarded",
        "X-Original-Forwarded-For",
        "Fastly-Client-IP",
        "X-Envoy-External-Address",
        "Via",
        "X_Forwarded_For",
        "X-Forwarded_For",
        "X-Forwarded-For-Original",
        "X-Remote-Addr",
        "Client-IP",
    ];
    for name in names {
        change(&manager, &[(name, "192.0.2.1")]);
        change(&manager, &[(name, "for=192.0.2.1")]);
        change(&manager, &[(name, "192.0.2.1"), ("X-Forwarded-For", "198.51.100.7")]);
    }
    let expected =
        names.map(|_| [PEER, PEER, "198.51.100.7"].map(|address| Some(address.to_owned()))).concat();
    assert_eq!(server.recorded_addresses(), expected);
}

fn a_unix_socket_can_be_a_proxy(server: &Server) {
    for (trusted_proxies, reported) in [
        ("", None),
        ("0.0.0.0/0,::/0", None),
        ("unix", Some("192.0.2.1")),
        ("unix,10.0.0.0/8", Some("192.0.2.1")),
    ] {
        let server = server.sibling(Settings {
            unix_socket: true,
            local_metrics: true,
            trusted_proxies,
            ..Settings::default()
        });
        let body = r#"{"apiKey":{}}"#;
        let length = body.len().to_string();
        let send = |method: &str, path: &str, more: &[(&str, &str)], body: &str| {
            let headers: Vec<_> =
                more.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
            let mut connection = Connection::open_unix(&server.socket());
            connection.write(format!("{}{body}", head(method, path, &headers)).as_bytes()).unwrap();
            connection.read(method).unwrap()
        };
        let with_key =
            [("Authorization", BOOTSTRAP), ("Content-Length", &length), ("Content-Type", "application/json")];
        send("POST", "/api/api-key", &with_key, body).ok();
        let forwarded = [with_key.as_slice(), &[("X-Forwarded-For", "203.0.113.1, 192.0.2.1")]].concat();
        send("POST", "/api/api-key", &forwarded, body).ok();
        // A process on this machine may be anybody's: no bypass over the Unix socket.
        send("GET", "/api/prometheus/metrics", &[], "").denied();
        assert_eq!(send("GET", "/api/status", &[], "").ok(), json!({"status": "Ok"}));
        assert_eq!(server.recorded_addresses(), [None, reported.map(str::to_owned)], "{trusted_proxies}");
    }
}

/// CVE-2023-41338: "is local" looked at `X-Forwarded-For`.
fn cve_2023_41338_loopback_is_the_socket_s_own_peer(server: &Server) {
    let told = |trusted_proxies| {
        server.sibling(Settings { local_metrics: true, trusted_proxies, ..Settings::default() })
    };
    let metrics = |server: &Server, forwarded: Option<&str>| {
        let client = server.anonymous();
        let client = forwarded.map_or(client.clone(), |value| client.with_header("X-Forwarded-For", value));
        let full = client.get("/api/status").ok().get("version").is_some();
        let reply = client.get("/api/prometheus/metrics");
        assert!(reply.status == if full { 200 } else { 401 }, "{forwarded:?}: {}", reply.status);
        full
    };
    for other in ["", "10.0.0.0/8,unix", "127.0.0.2", "::/0"] {
        let server = told(other);
        assert!(metrics(&server, None), "{other}");
        for value in ["127.0.0.1", "::1", "192.0.2.1", ""] {
            assert!(!metrics(&server, Some(value)), "{other} {value}");
        }
    }
    // A proxy on this machine brings others along, even if it forgets to say so.
    for own in ["127.0.0.1", "127.0.0.0/8", "0.0.0.0/0", "::ffff:127.0.0.1", "10.0.0.0/8,127.0.0.1,unix"] {
        let server = told(own);
        for value in [None, Some("127.0.0.1"), Some("::1"), Some("192.0.2.1"), Some("")] {
            assert!(!metrics(&server, value), "{own} {value:?}");
        }
        // With a key it is the key that counts.
        assert_eq!(server.as_key_manager().get("/api/prometheus/metrics").status, 200);
    }
}
