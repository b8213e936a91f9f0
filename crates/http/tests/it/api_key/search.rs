//! Searching API keys: what is found, in which order, on which page; the same by query string and by body, and on each
//! database. Never a value, and never a key that the caller could not read.

use std::cmp::Ordering;

use claviger_domain::Permissions;
use serde_json::{Value, json};

use super::{body, stored};
use crate::support::fixture::{TestKey, names};
use crate::support::server::{BOOTSTRAP, START};
use crate::support::{Client, Server, unique, uuid};

on_each_database! {
    shared: every_criterion_counts, names_are_found_by_pattern, what_is_refused_in_a_query,
        what_is_refused_in_a_body, empty_parameters_count_as_absent, only_managers_search,
        fusion_keys_are_found_by_role, searching_changes_nothing;
    own: defaults_and_totals, values_are_never_shown, every_order_is_the_same_everywhere, pages_concatenate,
        managers_of_a_tenant_find_its_keys, restricted_managers_find_what_they_could_read,
        key_managers_are_found_with_their_roles, in_fusions_dialect_it_is_a_key, a_renamed_key_is_found_anew;
}

const SEARCH: &str = "/api/api-key/search";

/// Everything but letters and digits, percent-encoded.
fn encode(text: &str) -> String {
    let byte = |byte: u8| match byte.is_ascii_alphanumeric() {
        true => char::from(byte).to_string(),
        false => format!("%{byte:02X}"),
    };
    text.bytes().map(byte).collect()
}

/// The keys and the total that a search of this caller finds, which are the same by query string and by body.
#[track_caller]
fn search_as(client: &Client, members: Value) -> (Vec<Value>, u64) {
    let parameters: Vec<_> = members
        .as_object()
        .unwrap()
        .iter()
        .map(|(name, value)| {
            format!("{name}={}", encode(&value.as_str().map_or_else(|| value.to_string(), str::to_owned)))
        })
        .collect();
    let by_query = client.get(&format!("{SEARCH}?{}", parameters.join("&"))).ok();
    let by_body = client.post(SEARCH, &json!({"search": members})).ok();
    assert_eq!(by_query, by_body, "{members}");
    assert_eq!(names(&by_query), ["apiKeys", "total"]);
    let keys = by_query["apiKeys"].as_array().unwrap().clone();
    assert!(keys.iter().all(|key| key.get("key").is_none()), "{by_query}");
    (keys, by_query["total"].as_u64().unwrap())
}

#[track_caller]
fn search(server: &Server, members: Value) -> (Vec<Value>, u64) {
    search_as(&server.as_key_manager(), members)
}

/// The ids that a search of this caller finds, in its order; all of them on one page.
#[track_caller]
fn found_as(client: &Client, members: Value) -> Vec<String> {
    let (keys, total) = search_as(client, members);
    assert_eq!(total, keys.len() as u64);
    keys.iter().map(|key| key["id"].as_str().unwrap().to_owned()).collect()
}

/// The ids that the unrestricted manager finds, sorted.
#[track_caller]
fn found(server: &Server, members: Value) -> Vec<String> {
    sorted(found_as(&server.as_key_manager(), members))
}

fn sorted(mut ids: Vec<String>) -> Vec<String> {
    ids.sort_unstable();
    ids
}

#[track_caller]
fn ids<const N: usize>(keys: [&TestKey; N]) -> Vec<String> {
    sorted(keys.map(|key| key.id.clone()).to_vec())
}

/// The key as a search shows it: as a read does, but for the value.
fn shown(server: &Server, key: &TestKey) -> Value {
    let mut document = stored(server, key);
    document.as_object_mut().unwrap().remove("key");
    document
}

fn defaults_and_totals(server: &Server) {
    let manager = search(server, json!({})).0;
    assert_eq!((manager.len(), &manager[0]["keyManager"]), (1, &json!(true)));
    let mut made: Vec<Value> = (0..30_i64)
        .map(|number| {
            server.set_now(START + 1 + number);
            shown(server, &server.api_key(json!({"name": format!("row {number:02}")})))
        })
        .collect();
    // 25 at once, from the first, the newest; the total counts all. Keys are whole.
    made.reverse();
    assert_eq!(search(server, json!({})), (made[..25].to_vec(), 31));
    let said = json!({"numberOfResults": 25, "startRow": 0, "orderBy": "insertInstant DESC"});
    assert_eq!(search(server, said), (made[..25].to_vec(), 31));
    assert_eq!(search(server, json!({"name": "row", "startRow": 29})), (made[29..].to_vec(), 30));
    assert_eq!(search(server, json!({"numberOfResults": 0})), (vec![], 31));
    assert_eq!(search(server, json!({"numberOfResults": 1000, "startRow": i64::MAX})), (vec![], 31));
    assert_eq!(search(server, json!({"name": "row 1*"})), (made[10..20].to_vec(), 10));
    assert_eq!(search(server, json!({"name": "nowhere"})), (vec![], 0));
    server.as_key_manager().delete(&format!("/api/api-key/{}", made[0]["id"].as_str().unwrap())).done();
    assert_eq!(search(server, json!({"numberOfResults": 1})), (made[1..2].to_vec(), 30));
}

fn values_are_never_shown(server: &Server) {
    let chosen = unique("a value of my choice");
    let keys = [
        server.api_key(json!({"name": unique("retrievable")})),
        server.api_key(json!({"name": unique("chosen"), "key": chosen})),
        server.api_key(json!({"name": unique("shown once"), "retrievable": false})),
    ];
    let rotated = server.as_key_manager().post(&format!("{}/rotate", keys[0].path()), &json!({}));
    let rotated = TestKey::of(&rotated.ok()).value;
    // They can be read, one by one.
    assert_eq!(stored(server, &keys[0])["key"], json!(rotated));
    assert_eq!(stored(server, &keys[1])["key"], json!(chosen));
    let manager = server.as_key_manager();
    for reply in [manager.get(SEARCH), manager.post(SEARCH, &json!({"search": {}}))] {
        assert_eq!(reply.ok()["total"], json!(4));
        let secrets = [&keys[0].value, &keys[1].value, &keys[2].value, &rotated, BOOTSTRAP];
        for secret in secrets {
            assert!(!reply.text().contains(secret), "{}", reply.text());
        }
        assert!(!reply.text().contains("\"key\""), "{}", reply.text());
    }
}

fn every_criterion_counts(server: &Server) {
    let tag = unique("\u{2020}").replace(' ', "");
    let (tenant, other) = (server.tenant(), server.tenant());
    let allow = json!([{"action": "Allow", "startIPAddress": "*"}]);
    let (list, other_list) =
        (server.ip_access_control_list(allow.clone()), server.ip_access_control_list(allow));
    let make = |name: &str, mut members: Value| {
        members["name"] = json!(format!("{tag} {name}"));
        server.api_key(members)
    };
    let plain = make("plain", json!({}));
    let of_tenant = make("of tenant", json!({"tenantId": tenant}));
    let of_other = make("of other", json!({"tenantId": other, "disabled": true}));
    let off = make("off", json!({"disabled": true}));
    let once = make("once", json!({"retrievable": false, "ipAccessControlListId": list}));
    let ends = make("ends", json!({"expirationInstant": START + 1000, "tenantId": tenant}));
    let ended = make("ended", json!({"expirationInstant": START - 1000, "ipAccessControlListId": list}));
    let check = |mut members: Value, expected: Vec<String>| {
        members["name"] = json!(tag);
        assert_eq!(found(server, members.clone()), expected, "{members}");
    };
    check(json!({}), ids([&plain, &of_tenant, &of_other, &off, &once, &ends, &ended]));
    check(json!({"tenantId": tenant}), ids([&of_tenant, &ends]));
    check(json!({"tenantId": tenant.to_uppercase()}), ids([&of_tenant, &ends]));
    check(json!({"tenantId": uuid()}), vec![]);
    check(json!({"disabled": true}), ids([&of_other, &off]));
    check(json!({"disabled": false}), ids([&plain, &of_tenant, &once, &ends, &ended]));
    check(json!({"disabled": true, "tenantId": other}), ids([&of_other]));
    check(json!({"retrievable": false}), ids([&once]));
    check(json!({"retrievable": true, "tenantId": tenant}), ids([&of_tenant, &ends]));
    check(json!({"ipAccessControlListId": list}), ids([&once, &ended]));
    check(json!({"ipAccessControlListId": other_list}), vec![]);
    check(json!({"expiresBefore": START + 1000}), ids([&ended]));
    check(json!({"expiresBefore": START + 1001}), ids([&ends, &ended]));
    check(json!({"expiresBefore": START - 1000}), vec![]);
    check(json!({"expiresBefore": -1}), vec![]);
    check(json!({"unusedSince": START}), vec![]);
    check(json!({"unusedSince": START + 1, "disabled": true}), ids([&of_other, &off]));
    check(json!({"keyManager": true}), vec![]);
    check(json!({"keyManager": false, "disabled": true}), ids([&of_other, &off]));
    check(json!({"role": "admin"}), vec![]);
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
        format!("{tag} \u{39f}\u{394}\u{39f}\u{3a3}"),
        format!("{tag} Stra\u{df}e"),
    ];
    let keys: Vec<_> = all.iter().map(|name| server.api_key(json!({"name": name})).id).collect();
    let nameless = server.unrestricted().id;
    let check = |pattern: String, expected: &[usize]| {
        let expected = sorted(expected.iter().map(|index| keys[*index].clone()).collect());
        assert_eq!(found(server, json!({"name": pattern})), expected, "{pattern}");
    };
    check(format!(" {tag}\t"), &[0, 1, 2, 3, 4, 5, 6, 7, 8]);
    check(format!("{tag}*"), &[0, 7, 8]);
    check(format!("*{tag}"), &[1, 2, 3, 4, 5, 6]);
    check(format!("BETA*{tag}"), &[1]);
    check(format!("50% {tag}"), &[2]);
    check(format!("a_b {tag}"), &[3]);
    check(format!("a**b {tag}"), &[4]);
    check(format!("a*b {tag}"), &[3, 4]);
    check(format!("\u{fc}mlaut {tag}"), &[5]);
    check(format!("back\\slash {tag}"), &[6]);
    check(format!("{tag} \u{3bf}\u{3b4}\u{3bf}\u{3c2}"), &[7]);
    check(format!("{tag} STRA\u{df}E"), &[8]);
    check(format!("{tag}' OR '1'='1"), &[]);
    check("x".repeat(512), &[]);
    // A key without a name is found where no name is asked for.
    let (named, _) = search(server, json!({"name": "*", "numberOfResults": 1000}));
    assert!(named.iter().all(|key| key["name"].is_string() && key["id"] != json!(nameless)));
}

/// The columns as the documentation compares them: what is not there comes last, either way.
fn compare(one: &Value, other: &Value, column: &str, descending: bool) -> Ordering {
    let key = |document: &Value| match &document[column] {
        Value::Null => None,
        Value::String(text) => Some((0, text.to_lowercase())),
        number => Some((number.as_i64().unwrap(), String::new())),
    };
    match (key(one), key(other)) {
        (Some(one), Some(other)) if descending => other.cmp(&one),
        (Some(one), Some(other)) => one.cmp(&other),
        (one, other) => other.is_some().cmp(&one.is_some()),
    }
}

/// Keys in three minutes, some of them changed later, some that expire, some without a name; and the first manager.
fn mixed(server: &Server) -> Vec<Value> {
    let manager = server.as_key_manager();
    let mut minute = server.now();
    let mut keys = Vec::new();
    for (number, name) in
        (0_i64..).zip(["a", "B", "", "b", "a b", "a-b", "", "a_b", "\u{e9}", "E", "z", "10", "9"])
    {
        if number % 4 == 0 {
            minute += 60_000;
            server.set_now(minute);
        }
        let mut members = json!({});
        if !name.is_empty() {
            members["name"] = json!(name);
        }
        if number % 3 == 0 {
            members["expirationInstant"] = json!(START + 1_000_000_000 - number % 2);
        }
        keys.push(manager.post(&format!("/api/api-key/{}", uuid()), &body(members)).ok());
    }
    let mut keys: Vec<_> = keys.iter().map(TestKey::of).collect();
    for key in [&keys[0], &keys[7]] {
        minute += 60_000;
        server.set_now(minute);
        manager.patch(&key.path(), &body(json!({}))).ok();
    }
    let first = search(server, json!({"keyManager": true})).0.remove(0);
    keys.push(TestKey { id: first["id"].as_str().unwrap().to_owned(), value: String::new() });
    keys.iter().map(|key| shown(server, key)).collect()
}

const COLUMNS: [&str; 5] = ["expirationInstant", "id", "insertInstant", "lastUpdateInstant", "name"];

fn every_order_is_the_same_everywhere(server: &Server) {
    let all = mixed(server);
    let mut orders: Vec<Vec<(&str, &str)>> = Vec::new();
    for column in COLUMNS {
        for direction in ["", "ASC", "desc"] {
            orders.push(vec![(column, direction)]);
        }
        for other in COLUMNS.into_iter().filter(|other| *other != column) {
            orders.push(vec![(column, "DESC"), (other, "ASC")]);
        }
    }
    for order in &orders {
        let descends = |direction: &str| direction.eq_ignore_ascii_case("DESC");
        let last = order.last().map(|(_, direction)| ("id", *direction)).unwrap();
        let mut expected = all.clone();
        expected.sort_by(|one, other| {
            order
                .iter()
                .chain([&last])
                .map(|(column, direction)| compare(one, other, column, descends(direction)))
                .fold(Ordering::Equal, Ordering::then)
        });
        let text: Vec<_> = order.iter().map(|(column, direction)| format!("{column} {direction}")).collect();
        assert_eq!(search(server, json!({"orderBy": text.join(",")})), (expected, 14), "{order:?}");
    }
}

fn pages_concatenate(server: &Server) {
    mixed(server);
    for order in ["name DESC", "insertInstant DESC", "lastUpdateInstant,name DESC", "id", "expirationInstant"]
    {
        for wanted in [json!({}), json!({"keyManager": false})] {
            let page = |start: usize, size: usize| {
                let mut members = wanted.clone();
                members["orderBy"] = json!(order);
                members["startRow"] = json!(start);
                members["numberOfResults"] = json!(size);
                search(server, members)
            };
            let (whole, total) = page(0, 100);
            assert_eq!(total, whole.len() as u64);
            for size in [1, 4] {
                let mut pages = Vec::new();
                for start in (0..whole.len()).step_by(size) {
                    let (keys, of) = page(start, size);
                    assert_eq!(of, total);
                    pages.extend(keys);
                }
                assert_eq!(pages, whole, "{order} {size}");
            }
        }
    }
}

fn only_managers_search(server: &Server) {
    let tenant = server.tenant();
    let key = |members: Value| server.with_key(&server.api_key(members).value);
    for client in [
        server.anonymous(),
        server.with_key("no such key"),
        key(json!({})),
        key(json!({"tenantId": tenant})),
        // Permissions open nothing here, whatever they say.
        key(json!({"permissions": {"endpoints": {
            "/api/api-key": ["GET", "POST"], "/api/api-key/search": ["GET", "POST"]}}})),
        server.with_key(&server.fusion_key(&["search"], None).value),
    ] {
        client.get(SEARCH).denied();
        client.post(SEARCH, &json!({"search": {}})).denied();
        // Who may not search hears nothing about what is wrong with the search.
        client.get(&format!("{SEARCH}?orderBy=nothing")).denied();
        client.post(SEARCH, &json!({"nothing": 1})).denied();
    }
    let manager = server.as_key_manager();
    for method in ["PUT", "PATCH", "DELETE"] {
        let reply = manager.send(method, SEARCH, Some(&json!({})));
        assert_eq!((reply.status, reply.header("allow")), (405, Some("GET, POST, HEAD")), "{method}");
    }
    manager.in_tenant(&uuid()).get(SEARCH).refused(&["[InvalidTenantId]"]);
    assert_eq!(manager.get(&format!("{SEARCH}/x")).status, 404);
    assert_eq!(manager.with_header("x-api-key", BOOTSTRAP).get(SEARCH).status, 400);
}

fn managers_of_a_tenant_find_its_keys(server: &Server) {
    let (own, other) = (server.tenant(), server.tenant());
    let inside = [server.api_key(json!({"tenantId": own})), server.api_key(json!({"tenantId": own}))];
    let outside = server.api_key(json!({"tenantId": other, "name": "outside"}));
    server.unrestricted();
    let [manager] = server.command_line_api_keys([("of a tenant", true, Permissions::All, Some(&own))]);
    let client = server.with_key(&manager.value);
    let everything = sorted([ids([&inside[0], &inside[1]]), vec![manager.id.clone()]].concat());
    for client in [client.clone(), server.as_key_manager().in_tenant(&own)] {
        let found = |members| sorted(found_as(&client, members));
        assert_eq!(found(json!({})), everything);
        assert_eq!(found(json!({"tenantId": own})), everything);
        assert_eq!(found(json!({"tenantId": other})), Vec::<String>::new());
        assert_eq!(found(json!({"name": "outside"})), Vec::<String>::new());
        assert_eq!(found(json!({"keyManager": true})), vec![manager.id.clone()]);
        assert_eq!(found(json!({"keyManager": false})), ids([&inside[0], &inside[1]]));
    }
    assert_eq!(found(server, json!({"tenantId": other})), ids([&outside]));
    client.in_tenant(&other).get(SEARCH).denied();
}

fn restricted_managers_find_what_they_could_read(server: &Server) {
    let held = || Permissions::Only("GET:/api/user\nGET:/api/system/version".parse().unwrap());
    let tenant = server.tenant();
    let [restricted, of_tenant, _other] = server.command_line_api_keys([
        ("restricted", true, held(), None),
        ("restricted of a tenant", true, held(), Some(&tenant)),
        ("unrestricted", true, Permissions::All, None),
    ]);
    let covered = server.restricted(json!({"/api/user": ["GET"]}));
    let nothing = server.restricted(json!({}));
    let inside =
        server.api_key(json!({"tenantId": tenant, "permissions": {"endpoints": {"/api/user": ["GET"]}}}));
    let beyond = [
        server.unrestricted(),
        server.restricted(json!({"/api/user": ["GET", "POST"]})),
        server.restricted(json!({"/api/key": ["GET"]})),
    ];
    server.fusion_key(&["search"], None);
    let powerless = server.fusion_key(&[], None);
    let powerless = server.as_key_manager().get(&powerless.path()).ok()["apiKey"]["id"].take();
    let client = server.with_key(&restricted.value);
    let mut expected = ids([&covered, &nothing, &inside]);
    expected.extend([restricted.id.clone(), of_tenant.id.clone(), powerless.as_str().unwrap().to_owned()]);
    let expected = sorted(expected);
    assert_eq!(sorted(found_as(&client, json!({}))), expected);
    // It is what the caller could read one by one.
    for key in found(server, json!({})) {
        let readable = client.get(&format!("/api/api-key/{key}")).status == 200;
        assert_eq!(readable, expected.contains(&key), "{key}");
    }
    assert!(beyond.iter().all(|key| !expected.contains(&key.id)));
    // Neither pages nor totals count what is beyond reach.
    let (page, total) = search_as(&client, json!({"orderBy": "id", "startRow": 2, "numberOfResults": 2}));
    let page: Vec<_> = page.iter().map(|key| key["id"].as_str().unwrap()).collect();
    assert_eq!((page, total), (expected[2..4].iter().map(String::as_str).collect(), 6));
    let client = server.with_key(&of_tenant.value);
    assert_eq!(sorted(found_as(&client, json!({}))), sorted(vec![inside.id.clone(), of_tenant.id.clone()]));
}

fn key_managers_are_found_with_their_roles(server: &Server) {
    let admin = server.fusion_key(&["admin"], None);
    let some = server.fusion_key(&["search"], None);
    let halves = [server.role(&["GET,POST,PUT:/**"]), server.role(&["DELETE,PATCH,HEAD,OPTIONS:/**"])];
    let whole = server.fusion_key(&[&halves[0].name, &halves[1].name], None);
    let half = server.fusion_key(&[&halves[0].name], None);
    let plain = server.unrestricted();
    let id = |path: &str| server.as_key_manager().get(path).ok()["apiKey"]["id"].as_str().unwrap().to_owned();
    let shown = |wanted: bool| {
        let (keys, total) = search(server, json!({"keyManager": wanted}));
        assert_eq!(total, keys.len() as u64);
        assert!(keys.iter().all(|key| key["keyManager"] == json!(wanted)), "{keys:?}");
        let ids = keys.iter().map(|key| key["id"].as_str().unwrap().to_owned());
        sorted(ids.collect())
    };
    let managers = shown(true);
    assert_eq!(managers.len(), 3);
    assert!(managers.contains(&id(&admin.path())) && managers.contains(&id(&whole.path())));
    let others = sorted(vec![id(&some.path()), id(&half.path()), plain.id.clone()]);
    assert_eq!(shown(false), others);
    // A role that shrinks takes the key out, without a change of the key.
    let narrowed = json!({"name": halves[1].name, "permissions": ["GET:/x"]});
    assert_eq!(server.as_fusion_admin().put(&halves[1].path(), &narrowed).status, 200);
    assert_eq!(shown(true).len(), 2);
    assert!(shown(false).contains(&id(&whole.path())));
}

fn fusion_keys_are_found_by_role(server: &Server) {
    let (one, two) = (server.role(&["GET:/a"]), server.role(&["GET:/b"]));
    let first = server.fusion_key(&[&one.name], None);
    let both = server.fusion_key(&[&two.name, &one.name], None);
    let id = |path: &str| server.as_key_manager().get(path).ok()["apiKey"]["id"].as_str().unwrap().to_owned();
    let (first_id, both_id) = (id(&first.path()), id(&both.path()));
    assert_eq!(found(server, json!({"role": one.name})), sorted(vec![first_id, both_id.clone()]));
    assert_eq!(found(server, json!({"role": two.name})), vec![both_id]);
    assert_eq!(found(server, json!({"role": two.name, "name": first.name})), Vec::<String>::new());
    assert_eq!(found(server, json!({"role": unique("nobody's")})), Vec::<String>::new());
    // Keys of that dialect are shown as a read shows them, and are found by their names.
    let (keys, total) = search(server, json!({"name": both.name}));
    assert_eq!(total, 1);
    assert_eq!(keys[0], server.as_key_manager().get(&both.path()).ok()["apiKey"]);
    assert_eq!(
        keys[0]["metaData"]["attributes"]["fusion.roles"],
        json!(format!("{},{}", two.name, one.name))
    );
}

fn in_fusions_dialect_it_is_a_key(server: &Server) {
    let admin = server.as_fusion_admin();
    // It is a key's path, and that of none.
    for path in [SEARCH.to_owned(), format!("{SEARCH}?name=x")] {
        let reply = admin.get(&path);
        assert_eq!((reply.status, &reply.json()["code"]), (404, &json!("not-found")), "{path}");
    }
    assert_eq!(admin.delete(SEARCH).status, 404);
    let reply = admin.post("/api/api-key", &json!({"id": "search", "name": "a kiosk"}));
    assert_eq!((reply.status, &reply.json()["code"]), (400, &json!("invalid-id")));
    for method in ["POST", "PUT", "PATCH"] {
        let reply = admin.send(method, SEARCH, Some(&json!({"search": {}})));
        assert_eq!((reply.status, reply.header("allow")), (405, Some("DELETE, GET, HEAD")), "{method}");
    }
    server.with_fusion_key(&server.unrestricted().value).get(SEARCH).denied();
    // Ids that only look alike are keys in either dialect.
    let like = admin.post("/api/api-key", &json!({"id": "Search", "name": "a kiosk"})).ok();
    assert_eq!(like["id"], json!("Search"));
    assert_eq!(admin.get("/api/api-key/Search").ok()["name"], json!("a kiosk"));
    let (keys, total) = search(server, json!({"name": "a kiosk"}));
    assert_eq!((total, &keys[0]["metaData"]["attributes"]["fusion.id"]), (1, &json!("Search")));
    assert_eq!(server.as_key_manager().get("/api/api-key/Search").ok()["apiKey"], keys[0]);
}

fn a_renamed_key_is_found_anew(server: &Server) {
    let key = server.api_key(json!({"name": "Before"}));
    let check =
        |name: &str, expected: u64| assert_eq!(search(server, json!({"name": name})).1, expected, "{name}");
    check("before", 1);
    server.as_key_manager().patch(&key.path(), &body(json!({"name": "\u{c4}fter"}))).ok();
    check("before", 0);
    check("\u{e4}FTER", 1);
    server.as_key_manager().patch(&key.path(), &body(json!({"name": null}))).ok();
    check("\u{e4}fter", 0);
    // Rows that are there are found after a start, too.
    server.as_key_manager().patch(&key.path(), &body(json!({"name": "Last"}))).ok();
    server.while_stopped(|_| ());
    check("LAST", 1);
}

fn searching_changes_nothing(server: &Server) {
    let key = server.api_key(json!({"name": unique("unchanged")}));
    let before = stored(server, &key);
    assert_eq!(found(server, json!({"name": before["name"]})), vec![key.id.clone()]);
    assert_eq!(stored(server, &key), before);
    server.with_key(&key.value).get("/api/system/version").ok();
}

fn what_is_refused_in_a_query(server: &Server) {
    let check = |query: &str, expected: &[&str]| {
        server.as_key_manager().get(&format!("{SEARCH}?{query}")).refused(expected);
    };
    for column in ["Name", "type", "expiration", "insert_instant", "key", "digest", "keyManager"] {
        check(&format!("orderBy={column}"), &["orderBy [invalid]orderBy"]);
        check(&format!("orderBy=name,{column}%20DESC"), &["orderBy [invalid]orderBy"]);
    }
    for flag in ["disabled", "keyManager", "retrievable"] {
        for value in ["1", "yes", "TRUE", "null"] {
            let expected = format!("{flag} [couldNotConvert]{flag}");
            check(&format!("{flag}={value}"), &[expected.as_str()]);
        }
    }
    for id in ["tenantId", "ipAccessControlListId"] {
        let expected = format!("{id} [couldNotConvert]{id}");
        check(&format!("{id}=x"), &[expected.as_str()]);
    }
    check("expiresBefore=tomorrow", &["expiresBefore [couldNotConvert]expiresBefore"]);
    check("unusedSince=ever", &["unusedSince [couldNotConvert]unusedSince"]);
    check("role=a%00b", &["role [couldNotConvert]role"]);
    for number in ["-1", "1001", "9223372036854775807"] {
        check(&format!("numberOfResults={number}"), &["numberOfResults [invalid]numberOfResults"]);
    }
    check("startRow=-1", &["startRow [invalid]startRow"]);
    check(&format!("name={}", "n".repeat(513)), &["name [tooLong]name"]);
    check("name=a%00b", &["name [couldNotConvert]name"]);
    check("name=a&name=b", &["name [invalid]name"]);
    check(
        "orderBy=kid&startRow=-1&numberOfResults=z&tenantId=1&disabled=2",
        &[
            "disabled [couldNotConvert]disabled",
            "numberOfResults [couldNotConvert]numberOfResults",
            "orderBy [invalid]orderBy",
            "startRow [invalid]startRow",
            "tenantId [couldNotConvert]tenantId",
        ],
    );
}

fn what_is_refused_in_a_body(server: &Server) {
    let manager = server.as_key_manager();
    let check = |members: Value, expected: &[&str]| {
        manager.post(SEARCH, &json!({"search": members})).refused(expected);
    };
    check(json!({"orderBy": "name, type"}), &["search.orderBy [invalid]search.orderBy"]);
    check(json!({"numberOfResults": 1001}), &["search.numberOfResults [invalid]search.numberOfResults"]);
    check(json!({"startRow": 1.5}), &["search.startRow [invalidJSON]"]);
    check(
        json!({"disabled": "true", "keyManager": 1}),
        &["search.disabled [invalidJSON]", "search.keyManager [invalidJSON]"],
    );
    check(json!({"tenantId": "x"}), &["search.tenantId [invalidJSON]"]);
    check(json!({"role": "\u{0}"}), &["search.role [couldNotConvert]search.role"]);
    check(
        json!({"name": "n".repeat(513), "startRow": -1}),
        &["search.name [tooLong]search.name", "search.startRow [invalid]search.startRow"],
    );
    // Nobody searches by value, and members of other searches are unknown here.
    for unknown in [json!({"key": "x"}), json!({"algorithm": "RS256"}), json!({"permissions": {}})] {
        check(unknown, &["[invalidJSON]"]);
    }
    manager.post(SEARCH, &json!({})).refused(&["search [missing]search"]);
    manager.post(SEARCH, &json!({"search": []})).refused(&["search [invalidJSON]"]);
    manager.post(SEARCH, &json!({"name": "x"})).refused(&["[invalidJSON]"]);
    manager.send("POST", SEARCH, None).refused(&["[missing]"]);
}

fn empty_parameters_count_as_absent(server: &Server) {
    let manager = server.as_key_manager();
    let key = server.api_key(json!({"name": unique("only this one")}));
    let shown = shown(server, &key);
    let name = encode(shown["name"].as_str().unwrap());
    let empty =
        "orderBy=&numberOfResults=&startRow=&disabled=&tenantId=&role=&expiresBefore=&unusedSince=&other=x";
    // Other tests make keys meanwhile, whose names may begin alike: only what concerns this one is compared.
    let first =
        |document: &Value| assert!(document["apiKeys"].as_array().unwrap().contains(&shown), "{document}");
    first(&manager.get(&format!("{SEARCH}?name={name}&{empty}")).ok());
    let absent = json!({"name": shown["name"], "orderBy": "", "numberOfResults": null, "disabled": null,
        "tenantId": "", "role": ""});
    first(&manager.post(SEARCH, &json!({"search": absent})).ok());
}
