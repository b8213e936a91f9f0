//! Searching tenants: what is found, in which order, on which page; the same by query string and by body, and on each
//! database.

use std::cmp::Ordering;

use serde_json::{Value, json};

use crate::support::fixture::names;
use crate::support::server::START;
use crate::support::{Server, unique};

on_each_database! {
    shared: names_are_found_by_pattern, what_is_refused, only_global_requests_may_search;
    own: defaults_and_totals, every_order_is_the_same_everywhere;
}

fn create(server: &Server, name: &str) -> Value {
    server.as_key_manager().post("/api/tenant", &json!({"tenant": {"name": name}})).ok()["tenant"].take()
}

/// Everything but letters and digits, percent-encoded.
fn encode(text: &str) -> String {
    let byte = |byte: u8| match byte.is_ascii_alphanumeric() {
        true => char::from(byte).to_string(),
        false => format!("%{byte:02X}"),
    };
    text.bytes().map(byte).collect()
}

/// The tenants and the total that a search finds, which are the same by query string and by body.
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
    let by_query = manager.get(&format!("/api/tenant/search?{}", parameters.join("&"))).ok();
    let by_body = manager.post("/api/tenant/search", &json!({"search": members})).ok();
    assert_eq!(by_query, by_body, "{members}");
    assert_eq!(names(&by_query), ["tenants", "total"]);
    (by_query["tenants"].as_array().unwrap().clone(), by_query["total"].as_u64().unwrap())
}

/// The names that a search finds, in its order.
#[track_caller]
fn found(server: &Server, members: Value) -> Vec<String> {
    let (tenants, total) = search(server, members);
    assert_eq!(total, tenants.len() as u64);
    tenants.iter().map(|tenant| tenant["name"].as_str().unwrap().to_owned()).collect()
}

fn defaults_and_totals(server: &Server) {
    let default = server.as_key_manager().get("/api/tenant").ok()["tenants"].take();
    assert_eq!(search(server, json!({})), (default.as_array().unwrap().clone(), 1));
    let mut made: Vec<_> = (0..30).rev().map(|number| create(server, &format!("row {number:02}"))).collect();
    made.reverse();
    // The default tenant comes first. 25 at once, by name; the total counts all. Tenants are whole.
    let (page, total) = search(server, json!({}));
    assert_eq!((&page[0], &page[1..], total), (&default[0], &made[..24], 31));
    let said = json!({"numberOfResults": 25, "startRow": 0, "orderBy": "name ASC"});
    assert_eq!(search(server, said), (page, 31));
    assert_eq!(search(server, json!({"name": "row", "startRow": 29})), (made[29..].to_vec(), 30));
    assert_eq!(search(server, json!({"numberOfResults": 0})), (vec![], 31));
    assert_eq!(search(server, json!({"numberOfResults": i64::MAX, "startRow": i64::MAX})), (vec![], 31));
    assert_eq!(search(server, json!({"name": "row 1*"})), (made[10..20].to_vec(), 10));
    assert_eq!(search(server, json!({"name": "nowhere"})), (vec![], 0));
    // Pages make up the whole.
    let pages: Vec<_> = (0..5)
        .flat_map(|page| {
            search(
                server,
                json!({"name": "row", "numberOfResults": 7, "startRow": 7 * page, "orderBy": "name DESC"}),
            )
            .0
        })
        .collect();
    assert_eq!(pages, made.iter().rev().cloned().collect::<Vec<_>>());
    let path = format!("/api/tenant/{}", made[0]["id"].as_str().unwrap());
    server.as_key_manager().delete(&path).done();
    assert_eq!(search(server, json!({"name": "row", "numberOfResults": 1})), (made[1..2].to_vec(), 29));
    // What is on the way out is found until it is gone, and says so.
    server.database_execute("UPDATE tenant SET state = 'PendingDelete' WHERE name = 'row 01'");
    assert_eq!(search(server, json!({"name": "row 01"})).0[0]["state"], json!("PendingDelete"));
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
    ];
    for name in &all {
        create(server, name);
    }
    let check = |pattern: String, expected: &[usize]| {
        let mut expected: Vec<_> = expected.iter().map(|index| all[*index].clone()).collect();
        expected.sort_by_key(|name| name.to_lowercase());
        assert_eq!(found(server, json!({"name": pattern})), expected, "{pattern}");
    };
    check(format!(" {tag}\t"), &[0, 1, 2, 3, 4, 5]);
    check(format!("{tag}*"), &[0]);
    check(format!("BETA*{tag}"), &[1]);
    check(format!("50% {tag}"), &[2]);
    check(format!("a_b {tag}"), &[3]);
    check(format!("a**b {tag}"), &[4]);
    check(format!("a*b {tag}"), &[3, 4]);
    check(format!("\u{fc}mlaut {tag}"), &[5]);
    check(format!("{tag}' OR '1'='1"), &[]);
}

fn every_order_is_the_same_everywhere(server: &Server) {
    for (minute, names) in [["b", "Ä", "a B"], ["A", "ä", "Z"], ["aB", "z", "É"]].iter().enumerate() {
        server.set_now(START + 60_000 * minute as i64);
        for name in names {
            create(server, name);
        }
    }
    let (all, _) = search(server, json!({}));
    let compare = |one: &Value, other: &Value, column: &str| -> Ordering {
        let key = |tenant: &Value| {
            let text = tenant["name"].as_str().unwrap();
            match column {
                "id" => (0, tenant["id"].to_string(), String::new()),
                "name" => (0, text.to_lowercase(), text.to_owned()),
                instant => (tenant[instant].as_i64().unwrap(), String::new(), String::new()),
            }
        };
        key(one).cmp(&key(other))
    };
    for first in ["id", "insertInstant", "name"] {
        for direction in ["ASC", "desc", ""] {
            let mut expected = all.clone();
            expected.sort_by(|one, other| {
                let by_first = compare(one, other, first);
                let by_first = if direction == "desc" { by_first.reverse() } else { by_first };
                by_first.then_with(|| compare(one, other, "name").reverse())
            });
            let order = format!("{first} {direction}, name DESC");
            assert_eq!(search(server, json!({"orderBy": order})).0, expected, "{order}");
        }
    }
}

fn what_is_refused(server: &Server) {
    let manager = server.as_key_manager();
    let in_body = |members: Value, expected: &[&str]| {
        manager.post("/api/tenant/search", &json!({"search": members})).refused(expected);
    };
    in_body(json!({"orderBy": "lastUpdateInstant"}), &["search.orderBy [invalid]search.orderBy"]);
    in_body(json!({"startRow": -1}), &["search.startRow [invalid]search.startRow"]);
    in_body(json!({"numberOfResults": "7"}), &["search.numberOfResults [invalidJSON]"]);
    in_body(json!({"name": "x".repeat(513)}), &["search.name [tooLong]search.name"]);
    in_body(json!({"state": "Active"}), &["[invalidJSON]"]);
    manager.post("/api/tenant/search", &json!({})).refused(&["search [missing]search"]);
    for (query, expected) in [
        ("orderBy=state", "orderBy [invalid]orderBy"),
        ("startRow=x", "startRow [couldNotConvert]startRow"),
        ("name=a&name=b", "name [invalid]name"),
    ] {
        manager.get(&format!("/api/tenant/search?{query}")).refused(&[expected]);
    }
    // Empty parameters count as absent, as clients send all that they know of.
    manager.get("/api/tenant/search?name=&orderBy=&startRow=&numberOfResults=true").ok();
    assert_eq!(manager.put("/api/tenant/search", &json!({})).status, 405);
}

fn only_global_requests_may_search(server: &Server) {
    let (own, body) = (server.tenant(), json!({"search": {}}));
    let bound = server.api_key(json!({"tenantId": own}));
    let other = server.api_key(json!({"permissions": {"endpoints": {"/api/tenant": ["GET", "POST"]}}}));
    let granted = server.api_key(json!({"permissions": {"endpoints": {"/api/tenant/search": ["GET"]}}}));
    let manager = server.as_key_manager();
    for client in [
        server.anonymous(),
        server.with_key(&bound.value),
        server.with_key(&other.value),
        manager.in_tenant(&own),
    ] {
        client.get("/api/tenant/search").denied();
        client.post("/api/tenant/search", &body).denied();
    }
    server.with_key(&granted.value).get("/api/tenant/search").ok();
    server.with_key(&granted.value).post("/api/tenant/search", &body).denied();
}
