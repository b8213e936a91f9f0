//! Tests of the client's address: the setting, the walk, and what is no address.

use super::*;

fn proxies(text: &str) -> TrustedProxies {
    text.parse().unwrap()
}

fn tcp(peer: &str) -> Peer {
    Peer::new(Some(peer.parse().unwrap()), false)
}

fn client(peer: Peer, trusted: &str, lines: &[&[u8]]) -> Client {
    let trusted = if trusted.is_empty() { TrustedProxies::default() } else { proxies(trusted) };
    Client::new(peer, &trusted, lines.iter().copied())
}

/// The client's address as text; `unknown` when there is none.
#[track_caller]
fn check(peer: &str, trusted: &str, lines: &[&str], expected: &str) {
    let lines: Vec<_> = lines.iter().map(|line| line.as_bytes()).collect();
    let address = client(tcp(peer), trusted, &lines).address();
    let address = address.map_or_else(|| "unknown".to_owned(), |address| address.to_string());
    assert_eq!(address, expected, "{peer} {trusted} {lines:?}");
}

const PROXY: &str = "10.0.0.1:40000";
const PROXIES: &str = "10.0.0.0/8,2001:db8:ffff::/48";

#[test]
fn networks_are_read_strictly() {
    for (text, shown) in [
        ("10.0.0.0/8", "10.0.0.0/8"),
        ("192.0.2.7", "192.0.2.7"),
        ("192.0.2.7/32", "192.0.2.7"),
        ("0.0.0.0/0", "0.0.0.0/0"),
        ("::/0", "::/0"),
        ("2001:DB8::/32", "2001:db8::/32"),
        ("2001:db8::1", "2001:db8::1"),
        ("::ffff:192.0.2.0/120", "192.0.2.0/24"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("::ffff:0:0/96", "0.0.0.0/0"),
        ("unix", "unix"),
        (" 10.0.0.0/8 ,  unix,127.0.0.1 ", "10.0.0.0/8,127.0.0.1,unix"),
    ] {
        let read = proxies(text);
        assert_eq!(read.to_string(), shown, "{text}");
        assert_eq!(proxies(shown), read, "{text}");
        assert!(!read.is_empty());
    }
    assert_eq!(TrustedProxies::default().to_string(), "none");
    for (text, entry, problem) in [
        ("", "", CidrProblem::NoAddress),
        ("10.0.0.0/8,", "", CidrProblem::NoAddress),
        ("127.0.0.1,localhost", "localhost", CidrProblem::NoAddress),
        ("UNIX", "UNIX", CidrProblem::NoAddress),
        ("unix:/run/x", "unix:/run/x", CidrProblem::NoAddress),
        ("10.0.0", "10.0.0", CidrProblem::NoAddress),
        ("10/8", "10/8", CidrProblem::NoAddress),
        ("10.0.0.0:80", "10.0.0.0:80", CidrProblem::NoAddress),
        ("[::1]", "[::1]", CidrProblem::NoAddress),
        ("fe80::1%eth0", "fe80::1%eth0", CidrProblem::NoAddress),
        ("10.0.0.0 /8", "10.0.0.0 /8", CidrProblem::NoAddress),
        ("10.0.0.0;10.0.0.1", "10.0.0.0;10.0.0.1", CidrProblem::NoAddress),
        ("10.0.0.0/", "10.0.0.0/", CidrProblem::Prefix(32)),
        ("10.0.0.0/33", "10.0.0.0/33", CidrProblem::Prefix(32)),
        ("10.0.0.0/08", "10.0.0.0/08", CidrProblem::Prefix(32)),
        ("10.0.0.0/+8", "10.0.0.0/+8", CidrProblem::Prefix(32)),
        ("10.0.0.0/-8", "10.0.0.0/-8", CidrProblem::Prefix(32)),
        ("10.0.0.0/ 8", "10.0.0.0/ 8", CidrProblem::Prefix(32)),
        ("10.0.0.0/8/8", "10.0.0.0/8/8", CidrProblem::Prefix(32)),
        ("10.0.0.0/255.0.0.0", "10.0.0.0/255.0.0.0", CidrProblem::Prefix(32)),
        ("2001:db8::/129", "2001:db8::/129", CidrProblem::Prefix(128)),
        ("10.0.0.1/8", "10.0.0.1/8", CidrProblem::HostBits),
        ("2001:db8::1/64", "2001:db8::1/64", CidrProblem::HostBits),
        ("::ffff:192.0.2.1/120", "::ffff:192.0.2.1/120", CidrProblem::HostBits),
        ("::ffff:0:0/95", "::ffff:0:0/95", CidrProblem::HostBits),
    ] {
        let error = text.parse::<TrustedProxies>().unwrap_err();
        assert_eq!(error, InvalidTrustedProxies { entry: entry.to_owned(), problem }, "{text}");
        assert!(error.to_string().starts_with(&format!("the entry {entry:?} ")), "{error}");
    }
}

#[test]
fn networks_end_where_they_end() {
    let inside = |network: &str, address: &str| {
        proxies(network).contains(address.parse::<IpAddr>().unwrap().to_canonical())
    };
    for (network, first, last, outside) in [
        ("10.0.0.0/8", "10.0.0.0", "10.255.255.255", ["9.255.255.255", "11.0.0.0"]),
        ("192.0.2.8/31", "192.0.2.8", "192.0.2.9", ["192.0.2.7", "192.0.2.10"]),
        ("192.0.2.8", "192.0.2.8", "::ffff:192.0.2.8", ["192.0.2.7", "192.0.2.9"]),
        ("0.0.0.0/0", "0.0.0.0", "255.255.255.255", ["::", "2001:db8::"]),
        ("128.0.0.0/1", "128.0.0.0", "255.255.255.255", ["127.255.255.255", "0.0.0.0"]),
        ("::/0", "::", "ffff:ffff::", ["0.0.0.0", "::ffff:192.0.2.1"]),
        ("2001:db8::/33", "2001:db8::", "2001:db8:7fff:ffff::", ["2001:db8:8000::", "2001:db7:ffff::"]),
        ("::1", "::1", "::1", ["::2", "127.0.0.1"]),
    ] {
        assert!(inside(network, first) && inside(network, last), "{network}");
        assert!(outside.iter().all(|address| !inside(network, address)), "{network}");
    }
}

#[test]
fn the_peer_counts_unless_it_is_trusted() {
    for trusted in ["", "unix", "192.0.2.0/24", "10.0.0.2"] {
        check(PROXY, trusted, &["192.0.2.1"], "10.0.0.1");
        check(PROXY, trusted, &[], "10.0.0.1");
    }
    check(PROXY, PROXIES, &[], "10.0.0.1");
    check("[::ffff:10.0.0.1]:1", PROXIES, &["192.0.2.1"], "192.0.2.1");
    check("[::ffff:192.0.2.9]:1", PROXIES, &["192.0.2.1"], "192.0.2.9");
    check("[2001:db8:ffff::1]:1", PROXIES, &["192.0.2.1"], "192.0.2.1");
}

#[test]
fn the_first_untrusted_address_from_the_right_is_the_client() {
    check(PROXY, PROXIES, &["192.0.2.1"], "192.0.2.1");
    check(PROXY, PROXIES, &["203.0.113.1, 192.0.2.1"], "192.0.2.1");
    check(PROXY, PROXIES, &["203.0.113.1, 192.0.2.1, 10.1.1.1,10.2.2.2"], "192.0.2.1");
    check(PROXY, PROXIES, &["127.0.0.1, 192.0.2.1, 2001:db8:ffff::9"], "192.0.2.1");
    // Nobody but proxies: the farthest of them asks for itself.
    check(PROXY, PROXIES, &["10.3.3.3, 10.1.1.1, 10.2.2.2"], "10.3.3.3");
    check(PROXY, "0.0.0.0/0", &["192.0.2.1, 10.1.1.1"], "192.0.2.1");
    // Lines are one list, in their order: HAProxy adds lines.
    check(PROXY, PROXIES, &["203.0.113.1", "192.0.2.1"], "192.0.2.1");
    check(PROXY, PROXIES, &["203.0.113.1, 192.0.2.1", "10.1.1.1", "10.2.2.2"], "192.0.2.1");
    check(PROXY, PROXIES, &["10.3.3.3", "10.1.1.1"], "10.3.3.3");
}

#[test]
fn elements_have_five_forms() {
    for (element, address) in [
        ("192.0.2.1", "192.0.2.1"),
        ("192.0.2.1:443", "192.0.2.1"),
        ("2001:db8::1", "2001:db8::1"),
        ("[2001:db8::1]", "2001:db8::1"),
        ("[2001:db8::1]:443", "2001:db8::1"),
        ("\t 192.0.2.1 \t", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("[::ffff:192.0.2.1]:443", "192.0.2.1"),
        ("::ffff:c000:201", "192.0.2.1"),
        ("2001:0DB8:0::1", "2001:db8::1"),
    ] {
        check(PROXY, PROXIES, &[element], address);
        check(PROXY, PROXIES, &["203.0.113.1", element, "10.1.1.1"], address);
    }
    // Proxies are recognised in each of them.
    for proxy in ["10.1.1.1:80", "::ffff:10.1.1.1", "[::ffff:10.1.1.1]:80", "[2001:db8:ffff::2]"] {
        check(PROXY, PROXIES, &["203.0.113.1, 192.0.2.1", proxy], "192.0.2.1");
    }
}

#[test]
fn what_is_no_address_makes_the_client_unknown() {
    for element in [
        "",
        " ",
        "unknown",
        "_hidden",
        "localhost",
        "192.0.2",
        "192.0.2.1.1",
        "192.0.2.256",
        "192.0.2.1:",
        "192.0.2.1:65536",
        "192.0.2.1:+80",
        "192.0.2.1:x",
        "192.0.2.1:80:80",
        "192.0.2.1 80",
        "0xc0000201",
        "3221225985",
        "[192.0.2.1]",
        "[192.0.2.1]:80",
        "[2001:db8::1",
        "2001:db8::1]",
        "[2001:db8::1]80",
        "[2001:db8::1]:",
        "[2001:db8::1]:99999",
        "[2001:db8::1]:80:80",
        "[]",
        "fe80::1%eth0",
        "[fe80::1%1]:80",
        "fe80::1%25eth0",
        "2001:db8::1::1",
        "\"192.0.2.1\"",
        "for=192.0.2.1",
        "192.0.2.1;",
        "\u{661}92.0.2.1",
        "10.0.0.0/8",
    ] {
        check(PROXY, PROXIES, &[element], "unknown");
        check(PROXY, PROXIES, &["203.0.113.1", element, "10.1.1.1"], "unknown");
        // What the client wrote itself harms nobody.
        check(PROXY, PROXIES, &[element, "192.0.2.1, 10.1.1.1"], "192.0.2.1");
    }
    let bytes: &[u8] = b"192.0.2.1\xff";
    assert_eq!(client(tcp(PROXY), PROXIES, &[bytes]).address(), None);
}

#[test]
fn cve_2021_29922_leading_zeros() {
    // Octal for some, decimal for others: an address of neither kind.
    for zeros in ["0192.0.2.1", "192.0.2.01", "192.000.2.1", "010.8.8.8", "0177.0.0.1", "::ffff:192.0.2.01"] {
        check(PROXY, PROXIES, &[zeros], "unknown");
        check(PROXY, PROXIES, &[&format!("{zeros}:80")], "unknown");
        assert!(zeros.parse::<TrustedProxies>().is_err(), "{zeros}");
        assert!(format!("{zeros}/32").parse::<TrustedProxies>().is_err(), "{zeros}");
    }
}

/// What the client writes in front cannot hide the address that its proxy adds.
#[test]
fn long_chains_are_walked_as_short_ones() {
    let chain = vec!["10.1.1.1"; 1000].join(",");
    check(PROXY, PROXIES, &["192.0.2.1", &chain], "192.0.2.1");
    check(PROXY, PROXIES, &[&chain, "192.0.2.1"], "192.0.2.1");
    check(PROXY, PROXIES, &[&vec!["junk"; 1000].join(","), "192.0.2.1"], "192.0.2.1");
}

#[test]
fn a_unix_socket_is_a_proxy_only_if_it_is_named() {
    let line: &[&[u8]] = &[b"192.0.2.1"];
    let address = |peer, trusted, lines| client(peer, trusted, lines).address().map(|ip| ip.to_string());
    assert_eq!(address(Peer::UnixSocket, "", line), None);
    assert_eq!(address(Peer::UnixSocket, "0.0.0.0/0,::/0", line), None);
    assert_eq!(address(Peer::UnixSocket, "unix", line).as_deref(), Some("192.0.2.1"));
    assert_eq!(address(Peer::UnixSocket, "unix", &[]), None);
    assert_eq!(address(Peer::UnixSocket, "unix,192.0.2.0/24", line).as_deref(), Some("192.0.2.1"));
    // A TCP connection that is gone has no address either, and is no Unix socket.
    assert_eq!(Peer::new(None, true), Peer::UnixSocket);
    assert_eq!(Peer::new(None, false), Peer::Unknown);
    assert_eq!(address(Peer::Unknown, "unix,0.0.0.0/0", line), None);
}

#[test]
fn cve_2023_41338_local_is_who_connects_from_loopback() {
    let local = |peer: &str, trusted: &str, line: &str| {
        client(tcp(peer), trusted, &[line.as_bytes()]).is_on_loopback()
    };
    for peer in ["127.0.0.1:1", "127.9.9.9:1", "[::1]:1", "[::ffff:127.0.0.1]:1"] {
        assert!(local(peer, "", "192.0.2.1") && local(peer, PROXIES, "192.0.2.1"), "{peer}");
        // A proxy on this machine brings others along.
        assert!(!local(peer, "127.0.0.0/8,::1", "127.0.0.1"), "{peer}");
    }
    for peer in [PROXY, "192.0.2.1:1", "[2001:db8::1]:1", "[::ffff:10.0.0.1]:1"] {
        for trusted in ["", PROXIES, "0.0.0.0/0,::/0"] {
            assert!(!local(peer, trusted, "127.0.0.1") && !local(peer, trusted, "::1"), "{peer}");
        }
    }
    for peer in [Peer::UnixSocket, Peer::Unknown] {
        assert!(!client(peer, "", &[]).is_on_loopback() && !client(peer, "unix", &[]).is_on_loopback());
    }
}

#[test]
fn the_log_names_the_client_where_it_is_not_the_peer() {
    let shown = |peer, trusted, line: &str| {
        let client = client(peer, trusted, &[line.as_bytes()]);
        (client.peer().to_string(), client.behind_peer().unwrap_or_default())
    };
    let expected = |peer: &str, client: &str| (peer.to_owned(), client.to_owned());
    assert_eq!(shown(tcp(PROXY), "", "192.0.2.1"), expected(PROXY, ""));
    assert_eq!(shown(tcp(PROXY), PROXIES, "192.0.2.1"), expected(PROXY, "192.0.2.1"));
    assert_eq!(shown(tcp(PROXY), PROXIES, "x"), expected(PROXY, "unknown"));
    assert_eq!(shown(tcp(PROXY), PROXIES, "10.0.0.1:7"), expected(PROXY, ""));
    assert_eq!(shown(Peer::UnixSocket, "", "192.0.2.1"), expected("unix", ""));
    assert_eq!(shown(Peer::UnixSocket, "unix", "192.0.2.1"), expected("unix", "192.0.2.1"));
    assert_eq!(shown(Peer::Unknown, "unix", "192.0.2.1"), expected("-", ""));
}
