//! Searching lists: what is found, in which order, on which page; the same by query string and by body, and on each
//! database.

use std::cmp::Ordering;

use serde_json::{Value, json};

use super::{body, create, default, path};
use crate::support::fixture::names;
use crate::support::{Server, unique, uuid};

on_each_database! {
    shared: names_are_found_by_pattern, what_is_refused_in_a_query, what_is_refused_in_a_body,
        empty_parameters_count_as_absent;
    own: defaults_and_totals, every_order_is_the_same_everywhere, pages_concatenate;
}

/// Everything but letters and digits, percent-encoded.
fn encode(text: &str) -> String {
    let byte = |byte: u8| match byte.is_ascii_alphanumeric() {
        true => char::from(byte).to_string(),
        false => format!("%{byte:02X}"),
    };
    text.bytes().map(byte).collect()
}

/// The lists and the total that a search finds, which are the same by query string and by body.
#[track_caller]
fn search(server: &Server, members: Value) -> (Vec<Value>, u64) {
    let manager = server.as_key_manager();
    let parameters: Vec<_> = members
        .as_object()
        .unwrap()
        .iter()
        .map(|(name, value)| {
            format!("{name}={}", encode(&value.as_str().map_or_else(|| value.to_string(), str::to_owned)))
        })
        .collect();
    let by_query = manager.get(&format!("/api/ip-acl/search?{}", parameters.join("&"))).ok();
    let by_body = manager.post("/api/ip-acl/search", &json!({"search": members})).ok();
    assert_eq!(by_query, by_body, "{members}");
    assert_eq!(names(&by_query), ["ipAccessControlLists", "total"]);
    let lists = by_query["ipAccessControlLists"].as_array().unwrap().clone();
    (lists, by_query["total"].as_u64().unwrap())
}

/// The names that a search finds, in its order.
#[track_caller]
fn found(server: &Server, members: Value) -> Vec<String> {
    let (lists, total) = search(server, members);
    assert_eq!(total, lists.len() as u64);
    lists.iter().map(|list| list["name"].as_str().unwrap().to_owned()).collect()
}

fn defaults_and_totals(server: &Server) {
    assert_eq!(search(server, json!({})), (vec![], 0));
    let mut made: Vec<_> =
        (0..30).rev().map(|number| create(server, json!({"name": format!("row {number:02}")}))).collect();
    made.reverse();
    // 25 at once, from the first, by name; the total counts all. Lists are whole.
    assert_eq!(search(server, json!({})), (made[..25].to_vec(), 30));
    let said = json!({"numberOfResults": 25, "startRow": 0, "orderBy": "name ASC"});
    assert_eq!(search(server, said), (made[..25].to_vec(), 30));
    assert_eq!(search(server, json!({"name": "row", "startRow": 29})), (made[29..].to_vec(), 30));
    assert_eq!(search(server, json!({"numberOfResults": 0})), (vec![], 30));
    assert_eq!(search(server, json!({"numberOfResults": i64::MAX, "startRow": i64::MAX})), (vec![], 30));
    assert_eq!(search(server, json!({"name": "row 1*"})), (made[10..20].to_vec(), 10));
    assert_eq!(search(server, json!({"name": "nowhere"})), (vec![], 0));
    server.as_key_manager().delete(&path(made[0]["id"].as_str().unwrap())).done();
    assert_eq!(search(server, json!({"numberOfResults": 1})), (made[1..2].to_vec(), 29));
}

fn names_are_found_by_pattern(server: &Server) {
    let tag = unique("\u{2021}").replace(' ', "");
    let all = [
        format!("{tag} Alpha"),
        format!("Beta {tag}"),
        format!("50% {tag}"),
        format!("a_b {tag}"),
        format!("a*b {tag}"),
        format!("\u{dc}MLAUT {tag}"),
        format!("back\\slash {tag}"),
    ];
    for name in &all {
        create(server, json!({"name": name}));
    }
    let check = |pattern: String, expected: &[usize]| {
        let mut expected: Vec<_> = expected.iter().map(|index| all[*index].clone()).collect();
        expected.sort_by_key(|name| name.to_lowercase());
        assert_eq!(found(server, json!({"name": pattern})), expected, "{pattern}");
    };
    check(format!(" {tag}\t"), &[0, 1, 2, 3, 4, 5, 6]);
    check(format!("{tag}*"), &[0]);
    check(format!("*{tag}"), &[1, 2, 3, 4, 5, 6]);
    check(format!("BETA*{tag}"), &[1]);
    check(format!("ALPHA*{tag}"), &[]);
    check(format!("50% {tag}"), &[2]);
    check(format!("a_b {tag}"), &[3]);
    check(format!("a**b {tag}"), &[4]);
    check(format!("a*b {tag}"), &[3, 4]);
    check(format!("\u{fc}mlaut {tag}"), &[5]);
    check(format!("back\\slash {tag}"), &[6]);
    check(format!("{tag}' OR '1'='1"), &[]);
    check("x".repeat(512), &[]);
}

/// The columns as the documentation compares them.
fn compare(one: &Value, other: &Value, column: &str) -> Ordering {
    let key = |list: &Value| {
        let text = list["name"].as_str().unwrap();
        match column {
            "id" => (0, list["id"].to_string(), String::new()),
            "name" => (0, text.to_lowercase(), text.to_owned()),
            instant => (list[instant].as_i64().unwrap(), String::new(), String::new()),
        }
    };
    key(one).cmp(&key(other))
}

/// Lists in three minutes, some of them changed later, whose names are sorted differently by different collations.
fn mixed(server: &Server) -> Vec<Value> {
    let manager = server.as_key_manager();
    let mut minute = server.now();
    let mut lists = Vec::new();
    for chunk in
        ["a", "B", "A", "b", "a b", "a-b", "ab", "a_b", "\u{e9}", "e", "E", "z", "\u{1f511}", "10", "9"]
            .chunks(5)
    {
        minute += 60_000;
        server.set_now(minute);
        for name in chunk {
            let new = body(json!({"name": name, "entries": [default("Allow")]}));
            lists.push(manager.post(&path(&uuid()), &new).ok()["ipAccessControlList"].take());
        }
    }
    for index in [0, 7, 12] {
        minute += 60_000;
        server.set_now(minute);
        let id = lists[index]["id"].as_str().unwrap().to_owned();
        lists[index] = manager.patch(&path(&id), &body(json!({}))).ok()["ipAccessControlList"].take();
    }
    lists
}

const COLUMNS: [&str; 4] = ["id", "insertInstant", "lastUpdateInstant", "name"];

fn every_order_is_the_same_everywhere(server: &Server) {
    let all = mixed(server);
    let mut orders: Vec<Vec<(&str, &str)>> = Vec::new();
    for column in COLUMNS {
        for direction in ["", "ASC", "desc"] {
            orders.push(vec![(column, direction)]);
        }
        for other in COLUMNS {
            orders.push(vec![(column, "DESC"), (other, "ASC")]);
        }
    }
    for order in &orders {
        let mut expected = all.clone();
        expected.sort_by(|one, other| {
            let directed = order.iter().map(|(column, direction)| {
                let ordering = compare(one, other, column);
                if direction.eq_ignore_ascii_case("DESC") { ordering.reverse() } else { ordering }
            });
            directed.fold(Ordering::Equal, Ordering::then).then_with(|| compare(one, other, "id"))
        });
        let text: Vec<_> = order.iter().map(|(column, direction)| format!("{column} {direction}")).collect();
        assert_eq!(search(server, json!({"orderBy": text.join(",")})), (expected, 15), "{order:?}");
    }
}

fn pages_concatenate(server: &Server) {
    mixed(server);
    for order in ["name", "insertInstant DESC", "lastUpdateInstant,name DESC", "id"] {
        let (whole, total) = search(server, json!({"orderBy": order}));
        for size in [1, 4] {
            let mut pages = Vec::new();
            for start in (0..15).step_by(size) {
                let (page, of) =
                    search(server, json!({"orderBy": order, "numberOfResults": size, "startRow": start}));
                assert_eq!(of, total);
                pages.extend(page);
            }
            assert_eq!(pages, whole, "{order} {size}");
        }
    }
}

fn what_is_refused_in_a_query(server: &Server) {
    let check = |query: &str, expected: &[&str]| {
        server.as_key_manager().get(&format!("/api/ip-acl/search?{query}")).refused(expected);
    };
    for column in ["Name", "type", "algorithm", "expiration", "insert_instant", "entries"] {
        check(&format!("orderBy={column}"), &["orderBy [invalid]orderBy"]);
        check(&format!("orderBy=name,{column}%20DESC"), &["orderBy [invalid]orderBy"]);
    }
    check("numberOfResults=-1", &["numberOfResults [invalid]numberOfResults"]);
    check("startRow=-1", &["startRow [invalid]startRow"]);
    for number in ["x", "1.5", "9223372036854775808"] {
        check(&format!("startRow={number}"), &["startRow [couldNotConvert]startRow"]);
        check(&format!("numberOfResults={number}"), &["numberOfResults [couldNotConvert]numberOfResults"]);
    }
    check(&format!("name={}", "n".repeat(513)), &["name [tooLong]name"]);
    check("name=a%00b", &["name [couldNotConvert]name"]);
    check("name=a&name=b", &["name [invalid]name"]);
    check(
        "orderBy=kid&startRow=-1&numberOfResults=z&name=a&name=b",
        &[
            "name [invalid]name",
            "numberOfResults [couldNotConvert]numberOfResults",
            "orderBy [invalid]orderBy",
            "startRow [invalid]startRow",
        ],
    );
}

fn what_is_refused_in_a_body(server: &Server) {
    let manager = server.as_key_manager();
    let check = |members: Value, expected: &[&str]| {
        manager.post("/api/ip-acl/search", &json!({"search": members})).refused(expected);
    };
    check(json!({"orderBy": "name, type"}), &["search.orderBy [invalid]search.orderBy"]);
    check(json!({"numberOfResults": -1}), &["search.numberOfResults [invalid]search.numberOfResults"]);
    check(json!({"startRow": 1.5}), &["search.startRow [invalidJSON]"]);
    check(
        json!({"name": "n".repeat(513), "startRow": -1}),
        &["search.name [tooLong]search.name", "search.startRow [invalid]search.startRow"],
    );
    // Members of other searches are unknown here.
    check(json!({"algorithm": "RS256"}), &["[invalidJSON]"]);
    manager.post("/api/ip-acl/search", &json!({})).refused(&["search [missing]search"]);
    manager.post("/api/ip-acl/search", &json!({"search": []})).refused(&["search [invalidJSON]"]);
    manager.post("/api/ip-acl/search", &json!({"name": "x"})).refused(&["[invalidJSON]"]);
}

fn empty_parameters_count_as_absent(server: &Server) {
    let manager = server.as_key_manager();
    let made = create(server, json!({}));
    let expected = json!({"ipAccessControlLists": [made], "total": 1});
    let name = encode(made["name"].as_str().unwrap());
    let query = format!("/api/ip-acl/search?name={name}&orderBy=&numberOfResults=&startRow=&other=x");
    // Other tests make lists meanwhile, whose names may begin alike: only what concerns this one is compared.
    let first = |document: &Value| document["ipAccessControlLists"][0] == expected["ipAccessControlLists"][0];
    assert!(first(&manager.get(&query).ok()));
    let absent = json!({"name": made["name"], "orderBy": "", "numberOfResults": null, "startRow": null});
    assert!(first(&manager.post("/api/ip-acl/search", &json!({"search": absent})).ok()));
}
