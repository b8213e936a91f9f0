//! What a list must be like; everything that is wrong is told at once.

use serde_json::{Value, json};

use super::{body, create, default, id, path, range};
use crate::support::{Server, unique};

on_each_database! {
    shared: names_are_checked, names_are_unique, entries_need_one_default, entries_end_at_a_limit,
        addresses_are_checked, everything_is_told_at_once, bodies_are_strict, the_same_range_twice_is_no_error;
}

/// Asserts that a list with these members is refused, when it is made and when another is replaced by it. The codes are
/// written without the path of the list.
#[track_caller]
fn check(server: &Server, members: &Value, expected: &[(&str, &str)]) {
    let manager = server.as_key_manager();
    let stored = create(server, json!({}));
    let expected: Vec<_> = expected
        .iter()
        .map(|(reason, member)| match (*reason, *member) {
            ("invalidJSON", "") => "[invalidJSON]".to_owned(),
            ("invalidJSON", member) => format!("ipAccessControlList.{member} [invalidJSON]"),
            (reason, member) => {
                format!("ipAccessControlList.{member} [{reason}]ipAccessControlList.{member}")
            }
        })
        .collect();
    let expected: Vec<_> = expected.iter().map(String::as_str).collect();
    manager.post("/api/ip-acl", &body(members.clone())).refused(&expected);
    manager.put(&path(id(&stored)), &body(members.clone())).refused(&expected);
    assert_eq!(manager.get(&path(id(&stored))).ok()["ipAccessControlList"], stored);
}

fn names_are_checked(server: &Server) {
    for (name, code) in [
        (json!(null), ("blank", "name")),
        (json!(""), ("blank", "name")),
        (json!(" \t"), ("blank", "name")),
        (json!("x".repeat(192)), ("tooLong", "name")),
        (json!("a\u{0}b"), ("invalid", "name")),
        (json!("a\nb"), ("invalid", "name")),
        (json!(1), ("invalidJSON", "name")),
        (json!(["x"]), ("invalidJSON", "name")),
    ] {
        check(server, &json!({"name": name, "entries": [default("Allow")]}), &[code]);
    }
    check(server, &json!({"entries": [default("Allow")]}), &[("blank", "name")]);
    let tail = unique("longest");
    let longest = format!("{}{tail}", "\u{1f511}".repeat(191 - tail.len()));
    assert_eq!(create(server, json!({"name": longest}))["name"], json!(longest));
}

fn names_are_unique(server: &Server) {
    let manager = server.as_key_manager();
    let code = "ipAccessControlList.name [duplicate]ipAccessControlList.name";
    let (one, other) = (create(server, json!({})), create(server, json!({})));
    let entries = json!([default("Allow")]);
    manager.post("/api/ip-acl", &body(json!({"name": one["name"], "entries": entries}))).refused(&[code]);
    manager.put(&path(id(&other)), &body(json!({"name": one["name"], "entries": entries}))).refused(&[code]);
    manager.patch(&path(id(&other)), &body(json!({"name": one["name"]}))).refused(&[code]);
    // Its own name is not taken, and case makes another one.
    manager.put(&path(id(&one)), &body(json!({"name": one["name"], "entries": entries}))).ok();
    create(server, json!({"name": one["name"].as_str().unwrap().to_uppercase()}));
}

fn entries_need_one_default(server: &Server) {
    let name = unique("defaults");
    let one = range("Allow", "10.0.0.1", "10.0.0.1");
    for (entries, code) in [
        (json!(null), ("missing", "entries")),
        (json!([]), ("missingDefault", "entries")),
        (json!([one]), ("missingDefault", "entries")),
        (json!([default("Allow"), one, default("Allow")]), ("multipleDefaults", "entries")),
        (json!([default("Allow"), default("Block"), default("Block")]), ("multipleDefaults", "entries")),
        (json!({}), ("invalidJSON", "entries")),
        (json!("*"), ("invalidJSON", "entries")),
    ] {
        check(server, &json!({"name": name, "entries": entries}), &[code]);
    }
    check(server, &json!({"name": name}), &[("missing", "entries")]);
    // Whatever stands beside the asterisk is not looked at.
    for end in [json!(null), json!(""), json!("*"), json!("x"), json!(1), json!({})] {
        let made = create(
            server,
            json!({"entries": [{"action": "Block", "startIPAddress": "*", "endIPAddress": end}]}),
        );
        assert_eq!(made["entries"], json!([default("Block")]));
    }
}

fn entries_end_at_a_limit(server: &Server) {
    let mut entries: Vec<_> = (0..1023)
        .map(|number| {
            let address = format!("10.0.{}.{}", number / 256, number % 256);
            range("Allow", &address, &address)
        })
        .collect();
    entries.insert(500, default("Block"));
    let made = create(server, json!({"entries": entries}));
    assert_eq!(made["entries"], json!(entries));
    let one_more = body(json!({"entries": [range("Allow", "::1", "::1")]}));
    let code = "ipAccessControlList.entries [tooMany]ipAccessControlList.entries";
    server.as_key_manager().patch(&path(id(&made)), &one_more).refused(&[code]);
    entries.push(range("Allow", "::1", "::1"));
    check(server, &json!({"name": unique("many"), "entries": entries}), &[("tooMany", "entries")]);
    // With what else is wrong, and quickly, however many there are.
    let wrong = json!({"name": "", "entries": vec![json!(0); 100_000]});
    check(server, &wrong, &[("blank", "name"), ("tooMany", "entries")]);
}

fn addresses_are_checked(server: &Server) {
    let refused = |first: &str, last: &str, codes: &[(&str, &str)]| {
        let entries = json!([range("Allow", first, last), default("Block")]);
        check(server, &json!({"name": unique("addresses"), "entries": entries}), codes);
    };
    let (start, end) = (("invalid", "entries[0].startIPAddress"), ("invalid", "entries[0].endIPAddress"));
    for wrong in [
        "10.0.0.01",
        "10.0.0",
        "10.0.0.0/8",
        "10.0.0.1:80",
        " 10.0.0.1",
        "10.0.0.256",
        "0x0a.0.0.1",
        "fe80::1%1",
    ] {
        refused(wrong, "10.0.0.9", &[start]);
        refused("10.0.0.0", wrong, &[end]);
        refused(wrong, wrong, &[start, end]);
    }
    refused("10.0.0.2", "10.0.0.1", &[end]);
    refused("2001:db8::2", "2001:db8::1", &[end]);
    refused("10.0.0.1", "2001:db8::1", &[end]);
    refused("2001:db8::1", "10.0.0.1", &[end]);
    refused("10.0.0.1", "*", &[end]);
    refused("10.0.0.1", "", &[("missing", "entries[0].endIPAddress")]);
    refused("", "10.0.0.1", &[("missing", "entries[0].startIPAddress")]);
}

fn everything_is_told_at_once(server: &Server) {
    let entries = json!([
        {"action": "allow", "startIPAddress": "x", "endIPAddress": "y"},
        {"startIPAddress": "10.0.0.1"},
        [],
        {"action": "Block", "startIPAddress": 1, "endIPAddress": null, "comment": "x"},
        range("Allow", "10.0.0.9", "10.0.0.1"),
    ]);
    check(
        server,
        &json!({"entries": entries, "data": 1, "nmae": "x"}),
        &[
            ("blank", "name"),
            ("missingDefault", "entries"),
            ("invalidJSON", "entries[0].action"),
            ("invalid", "entries[0].startIPAddress"),
            ("invalid", "entries[0].endIPAddress"),
            ("missing", "entries[1].action"),
            ("missing", "entries[1].endIPAddress"),
            ("invalidJSON", "entries[2]"),
            ("invalidJSON", "entries[3].startIPAddress"),
            ("missing", "entries[3].endIPAddress"),
            ("invalidJSON", ""),
            ("invalid", "entries[4].endIPAddress"),
            ("invalidJSON", "data"),
            ("invalidJSON", ""),
        ],
    );
}

fn bodies_are_strict(server: &Server) {
    let manager = server.as_key_manager();
    let missing = "ipAccessControlList [missing]ipAccessControlList";
    for document in [json!({}), json!({"ipAccessControlList": null})] {
        manager.post("/api/ip-acl", &document).refused(&[missing]);
    }
    manager
        .post("/api/ip-acl", &json!({"ipAccessControlList": []}))
        .refused(&["ipAccessControlList [invalidJSON]"]);
    let inner = json!({"name": unique("strict"), "entries": [default("Allow")]});
    manager.post("/api/ip-acl", &inner).refused(&["[invalidJSON]", "[invalidJSON]", missing]);
    let beside = json!({"ipAccessControlList": inner, "tenantId": "x"});
    manager.post("/api/ip-acl", &beside).refused(&["[invalidJSON]"]);
    manager.send_bytes("POST", "/api/ip-acl", None).refused(&["[missing]"]);
    manager.send_bytes("POST", "/api/ip-acl", Some(b"{}")).refused(&["[MissingContentType]"]);
    let json = manager.with_header("Content-Type", "application/json");
    json.send_bytes("POST", "/api/ip-acl", Some(b"{")).refused(&["[invalidJSON]"]);
    let twice = br#"{"ipAccessControlList":{"name":"x","entries":[{"action":"Block","startIPAddress":"*","action":"Allow"}]}}"#;
    json.send_bytes("POST", "/api/ip-acl", Some(twice)).refused(&["[invalidJSON]"]);
}

fn the_same_range_twice_is_no_error(server: &Server) {
    let twice = json!([
        range("Allow", "10.0.0.1", "10.0.0.9"),
        default("Allow"),
        range("Block", "10.0.0.1", "10.0.0.9"),
        range("Block", "10.0.0.1", "10.0.0.9")
    ]);
    assert_eq!(create(server, json!({"entries": twice}))["entries"], twice);
}
