//! Searching keys: what is found, in which order, on which page; the same by query string and by body, and on each
//! database.

use std::cmp::Ordering;

use serde_json::{Value, json};

use super::{fixture, generate, import, path, tells_no_secret, vectors};
use crate::support::fixture::names;
use crate::support::{Server, unique};

on_each_database! {
    shared: filters_combine, patterns_anchor_escape_and_fold, what_is_refused_in_a_query,
        what_is_refused_in_a_body, query_strings_are_decoded, empty_parameters_count_as_absent, bodies_and_their_absence;
    own: patterns_are_the_documented_ones, defaults_and_totals, every_order_is_the_same_everywhere, pages_concatenate, numbers_of_results;
}

/// Everything but the unreserved characters of RFC 3986, percent-encoded.
fn encode(text: &str) -> String {
    let byte = |byte: u8| match byte {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => char::from(byte).to_string(),
        other => format!("%{other:02X}"),
    };
    text.bytes().map(byte).collect()
}

/// The answer to a search, which is the same by query string and by body.
#[track_caller]
fn search(server: &Server, members: Value) -> Value {
    let manager = server.as_key_manager();
    let parameters: Vec<_> = members
        .as_object()
        .unwrap()
        .iter()
        .map(|(name, value)| {
            let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            format!("{name}={}", encode(&text))
        })
        .collect();
    let by_query = manager.get(&format!("/api/key/search?{}", parameters.join("&"))).ok();
    let by_body = manager.post("/api/key/search", &json!({"search": members})).ok();
    assert_eq!(by_query, by_body, "{members}");
    assert_eq!(names(&by_query), ["keys", "total"]);
    tells_no_secret(&by_query);
    by_query
}

fn keys(answer: &Value) -> &[Value] {
    answer["keys"].as_array().unwrap()
}

/// The names that a search finds, in its order.
#[track_caller]
fn found(server: &Server, members: Value) -> Vec<String> {
    let answer = search(server, members);
    assert_eq!(answer["total"], json!(keys(&answer).len()));
    keys(&answer).iter().map(|key| key["name"].as_str().unwrap().to_owned()).collect()
}

/// Makes a key of the quickest kind with this name.
#[track_caller]
fn named(server: &Server, name: &str) {
    generate(server, json!({"name": name, "algorithm": "HS256"}));
}

/// Every key in the order of a search that asks for none.
fn all_keys(server: &Server) -> Vec<Value> {
    let document = server.as_key_manager().get("/api/key").ok();
    let mut all = document["keys"].as_array().unwrap().clone();
    all.sort_by(|one, other| compare(one, other, "name"));
    all
}

fn defaults_and_totals(server: &Server) {
    assert_eq!(search(server, json!({}))["total"], json!(4));
    for number in 0..30 {
        named(server, &format!("row {number:02}"));
    }
    let all = all_keys(server);
    assert_eq!(all.len(), 34);
    let answer = search(server, json!({}));
    // 25 at once, from the first, by name; the total counts all.
    assert_eq!((keys(&answer), &answer["total"]), (&all[..25], &json!(34)));
    let said = json!({"numberOfResults": 25, "startRow": 0, "orderBy": "name ASC"});
    assert_eq!(search(server, said), answer);
    let answer = search(server, json!({"name": "row", "startRow": 29}));
    assert_eq!((keys(&answer).len(), &answer["total"]), (1, &json!(30)));
    let none = search(server, json!({"name": "no such key"}));
    assert_eq!(none, json!({"keys": [], "total": 0}));
}

fn numbers_of_results(server: &Server) {
    for number in 0..3 {
        named(server, &format!("page {number}"));
    }
    let page = |number: Value, start: Value| {
        let answer = search(server, json!({"name": "page", "numberOfResults": number, "startRow": start}));
        assert_eq!(answer["total"], json!(3));
        keys(&answer).iter().map(|key| key["name"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let all = ["page 0", "page 1", "page 2"];
    assert_eq!(page(json!(0), json!(0)), [""; 0]);
    assert_eq!(page(json!(1), json!(1)), all[1..2]);
    assert_eq!(page(json!(100_000), json!(0)), all);
    assert_eq!(page(json!(i64::MAX), json!(2)), all[2..]);
    assert_eq!(page(json!(25), json!(3)), [""; 0]);
    assert_eq!(page(json!(25), json!(i64::MAX)), [""; 0]);
    assert_eq!(page(json!(i64::MAX), json!(i64::MAX)), [""; 0]);
    // FusionAuth's Python client writes 1 and 0 as true and false.
    let python =
        server.as_key_manager().get("/api/key/search?name=page&numberOfResults=true&startRow=false").ok();
    assert_eq!(python, search(server, json!({"name": "page", "numberOfResults": 1, "startRow": 0})));
    assert_eq!(keys(&python).len(), 1);
}

fn filters_combine(server: &Server) {
    let tag = unique("filtered");
    let mut made = Vec::new();
    for (members, count) in [
        (json!({"algorithm": "HS256"}), 2),
        (json!({"algorithm": "HS384"}), 1),
        (json!({"algorithm": "ES256"}), 2),
        (json!({"algorithm": "Ed25519"}), 1),
    ] {
        for _ in 0..count {
            let mut members = members.clone();
            members["name"] = json!(unique(&tag));
            made.push(generate(server, members));
        }
    }
    let unique_kid = || json!(unique("kid"));
    for members in [
        json!({"publicKey": fixture("rsa-2048.spki"), "kid": unique_kid()}),
        json!({"publicKey": fixture("ec-p256.spki"), "kid": unique_kid()}),
        json!({"secret": "s", "type": "Secret"}),
    ] {
        let mut members = members;
        members["name"] = json!(unique(&tag));
        made.push(import(server, members));
    }
    let pattern = format!("{tag} *");
    for algorithm in [
        None,
        Some("HS256"),
        Some("HS384"),
        Some("HS512"),
        Some("ES256"),
        Some("Ed25519"),
        Some("RS256"),
        Some("None"),
    ] {
        for key_type in [None, Some("HMAC"), Some("EC"), Some("OKP"), Some("RSA"), Some("Secret")] {
            let mut members = json!({"name": pattern});
            if let Some(algorithm) = algorithm {
                members["algorithm"] = json!(algorithm);
            }
            if let Some(key_type) = key_type {
                members["type"] = json!(key_type);
            }
            let mut expected: Vec<_> = made
                .iter()
                .filter(|key| {
                    algorithm.is_none_or(|algorithm| key.get("algorithm") == Some(&json!(algorithm)))
                })
                .filter(|key| key_type.is_none_or(|key_type| key["type"] == key_type))
                .cloned()
                .collect();
            expected.sort_by_key(|key| key["name"].as_str().unwrap().to_owned());
            let answer = search(server, members);
            assert_eq!(keys(&answer), expected, "{algorithm:?} {key_type:?}");
        }
    }
    // Without a name the filters hold for all keys.
    let answer = search(server, json!({"type": "Secret", "numberOfResults": 100_000}));
    assert!(keys(&answer).iter().all(|key| key["type"] == "Secret" && key["algorithm"] == "None"));
    assert!(keys(&answer).contains(&made[8]));
}

/// Whether a name fits a `LIKE` pattern with a backslash as escape character.
fn fits(pattern: &[char], name: &[char]) -> bool {
    match pattern {
        [] => name.is_empty(),
        ['%', rest @ ..] => (0..=name.len()).any(|skipped| fits(rest, &name[skipped..])),
        ['_', rest @ ..] => name.split_first().is_some_and(|(_, name)| fits(rest, name)),
        ['\\', literal, rest @ ..] | [literal, rest @ ..] => {
            name.split_first().is_some_and(|(first, name)| first == literal && fits(rest, name))
        }
    }
}

fn patterns_are_the_documented_ones(server: &Server) {
    for name in [
        "forum",
        "Forum",
        "the FORUM",
        "forums",
        "fxm",
        "f*m",
        "50%",
        "50 %",
        "150% of it",
        "a_b",
        "A_B_c",
        "axb",
        "a*b",
        "a**b",
        "xa*by",
        "a*xb",
        "*",
        "**",
        "RS256",
        "my rs256 key",
        "%",
        "_",
    ] {
        named(server, name);
    }
    let all = all_keys(server);
    for case in vectors()["nameSearch"].as_array().unwrap() {
        let like: Vec<_> = case[1].as_str().unwrap().chars().collect();
        let fits = |key: &&Value| {
            let name = key["name"].as_str().unwrap().to_lowercase();
            fits(&like, &name.chars().collect::<Vec<_>>())
        };
        let expected: Vec<_> = all.iter().filter(fits).cloned().collect();
        // An empty parameter is one that is not there, which finds the same.
        let answer = search(server, json!({"name": case[0], "numberOfResults": 1000}));
        assert_eq!(keys(&answer), expected, "{case}");
        assert!(!expected.is_empty(), "{case} has nothing to find");
    }
}

fn patterns_anchor_escape_and_fold(server: &Server) {
    let tag = unique("\u{2021}").replace(' ', "");
    let all = [
        format!("{tag} Alpha"),
        format!("Beta {tag}"),
        format!("back\\slash {tag}"),
        format!("\u{dc}MLAUT {tag}"),
        format!("{tag} \u{43a}\u{43b}\u{44e}\u{447} \u{1f511}"),
        format!("STRASSE {tag}"),
        format!("stra\u{df}e {tag}"),
        format!("quote ' \" {tag}"),
    ];
    for name in &all {
        named(server, name);
    }
    let check = |pattern: String, expected: &[usize]| {
        let mut expected: Vec<_> = expected.iter().map(|index| all[*index].clone()).collect();
        expected.sort_by_key(|name| name.to_lowercase());
        assert_eq!(found(server, json!({"name": pattern})), expected, "{pattern}");
    };
    check(tag.clone(), &[0, 1, 2, 3, 4, 5, 6, 7]);
    check(format!(" {tag}\t"), &[0, 1, 2, 3, 4, 5, 6, 7]);
    check(format!("{tag}*"), &[0, 4]);
    check(format!("*{tag}"), &[1, 2, 3, 5, 6, 7]);
    check(format!("*{tag}*"), &[0, 1, 2, 3, 4, 5, 6, 7]);
    check(format!("ALPHA*{tag}"), &[]);
    check(format!("{tag}*ALPHA"), &[0]);
    check(format!("back\\slash {tag}"), &[2]);
    check(format!("back\\\\slash {tag}"), &[]);
    check(format!("back_slash {tag}"), &[]);
    check(format!("\u{fc}mlaut {tag}"), &[3]);
    check("\u{41a}\u{41b}\u{42e}\u{427} \u{1f511}".to_owned(), &[4]);
    check(format!("{tag}*\u{1f511}"), &[4]);
    // Lower case, not equality in the eyes of a language.
    check(format!("strasse {tag}"), &[5]);
    check(format!("STRA\u{df}E {tag}"), &[6]);
    check(format!("' \" {tag}"), &[7]);
    check(format!("{tag}' OR '1'='1"), &[]);
    check(format!("{tag}\u{0301}"), &[]);
    check("x".repeat(512), &[]);
    // Patterns that are hard to match are answered all the same.
    check(format!("{}{tag}", "*a".repeat(200)), &[]);
}

/// The columns as the documentation compares them: what is absent is smaller than everything.
fn compare(one: &Value, other: &Value, column: &str) -> Ordering {
    let text = |key: &Value, member: &str| key.get(member).and_then(Value::as_str).map(str::to_owned);
    let number = |key: &Value, member: &str| key.get(member).and_then(Value::as_i64);
    match column {
        "algorithm" => text(one, "algorithm").cmp(&text(other, "algorithm")),
        "expiration" => number(one, "expirationInstant").cmp(&number(other, "expirationInstant")),
        "id" => text(one, "id").cmp(&text(other, "id")),
        "insertInstant" => number(one, "insertInstant").cmp(&number(other, "insertInstant")),
        "name" => {
            let name = |key: &Value| {
                let name = text(key, "name").unwrap();
                (name.to_lowercase(), name)
            };
            name(one).cmp(&name(other))
        }
        "type" => text(one, "type").cmp(&text(other, "type")),
        other => panic!("{other} is no column"),
    }
}

/// Keys of every kind, whose names are sorted differently by different collations.
fn mixed(server: &Server) {
    let mut minute = server.now();
    let mut later = || {
        minute += 60_000;
        server.set_now(minute);
    };
    for name in [
        "a",
        "B",
        "c",
        "A",
        "b",
        "C",
        "a b",
        "a-b",
        "ab",
        "a_b",
        "Ab",
        "aB",
        "AB",
        "\u{e9}",
        "e",
        "f",
        "\u{c9}",
        "E",
        "e\u{301}",
        "\u{df}",
        "ss",
        "SS",
        "\u{130}",
        "i",
        "I",
        "\u{131}",
        "z",
        "Z",
        "\u{3b1}",
        "\u{391}",
        "\u{1f511}",
        "\u{ffff}x",
        "10",
        "9",
        "1",
        "'",
        "\"",
        "%",
        "\\",
        "*",
        " leading",
        "~",
        "\u{fb01}",
        "fi",
        "\u{e000}",
    ] {
        named(server, name);
    }
    later();
    for algorithm in ["ES256", "ES384", "ES512", "Ed25519", "HS384", "HS512"] {
        generate(server, json!({"algorithm": algorithm}));
        generate(server, json!({"algorithm": algorithm}));
    }
    later();
    for (name, container) in [
        ("rsa-2048", "certificate-v1"),
        ("rsa-2048", "certificate-sha384"),
        ("rsa-2048", "certificate-sha1"),
        ("ec-p256", "certificate-v3"),
        ("ed25519", "certificate-v3"),
    ] {
        import(server, json!({"certificate": fixture(&format!("{name}.{container}"))}));
    }
    for documented in super::documented_keys() {
        import(server, json!({"certificate": documented["certificate"]}));
    }
    later();
    for name in ["rsa-1024", "rsa-3072", "ec-p384", "ed25519"] {
        import(server, json!({"publicKey": fixture(&format!("{name}.spki"))}));
    }
    import(server, json!({"type": "Secret", "secret": "s"}));
}

fn every_order_is_the_same_everywhere(server: &Server) {
    mixed(server);
    let all = all_keys(server);
    assert!(all.len() > 70);
    let columns = ["algorithm", "expiration", "id", "insertInstant", "name", "type"];
    let mut orders: Vec<Vec<(&str, &str)>> = Vec::new();
    for column in columns {
        for direction in ["", "ASC", "desc"] {
            orders.push(vec![(column, direction)]);
        }
        for other in columns {
            orders.push(vec![(column, "DESC"), (other, "ASC")]);
        }
    }
    orders.push(vec![("type", "DESC"), ("algorithm", ""), ("expiration", "DESC"), ("name", "asc")]);
    orders.push(vec![("expiration", ""), ("algorithm", "DESC"), ("insertInstant", "DESC"), ("id", "DESC")]);
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
        let order_by = text.join(", ");
        let answer = search(server, json!({"orderBy": order_by, "numberOfResults": 1000}));
        let ids = |keys: &[Value]| keys.iter().map(|key| key["id"].clone()).collect::<Vec<_>>();
        assert_eq!(ids(keys(&answer)), ids(&expected), "{order_by}");
    }
    // What has no algorithm, or never ends, comes first going up and last going down.
    for (column, member) in [("algorithm", "algorithm"), ("expiration", "expirationInstant")] {
        let absent = all.iter().filter(|key| key.get(member).is_none()).count();
        assert!(absent > 2);
        let up = search(server, json!({"orderBy": column, "numberOfResults": 1000}));
        assert!(keys(&up).iter().take(absent).all(|key| key.get(member).is_none()));
        let down = search(server, json!({"orderBy": format!("{column} DESC"), "numberOfResults": 1000}));
        assert!(keys(&down).iter().rev().take(absent).all(|key| key.get(member).is_none()));
    }
    assert_eq!(keys(&search(server, json!({"numberOfResults": 1000}))), all);
    // A form that is none is dropped; backquotes are taken off.
    for odd in ["name up", "name;", ",", "name,,id", "`name", "-name", "name IS NULL", "(name)"] {
        assert_eq!(keys(&search(server, json!({"orderBy": odd, "numberOfResults": 1000}))), all, "{odd}");
    }
    let quoted = search(server, json!({"orderBy": "`type` DESC, `name`", "numberOfResults": 1000}));
    assert_eq!(quoted, search(server, json!({"orderBy": "type DESC, name ASC", "numberOfResults": 1000})));
}

fn pages_concatenate(server: &Server) {
    mixed(server);
    let all = all_keys(server).len();
    for order in ["name", "algorithm DESC", "expiration", "type, insertInstant DESC"] {
        let whole = search(server, json!({"orderBy": order, "numberOfResults": all}));
        for size in [1, 7, 25] {
            let mut pages = Vec::new();
            for start in (0..all).step_by(size) {
                let page =
                    search(server, json!({"orderBy": order, "numberOfResults": size, "startRow": start}));
                assert_eq!(page["total"], json!(all));
                assert_eq!(keys(&page).len(), size.min(all - start));
                pages.extend_from_slice(keys(&page));
            }
            assert_eq!(pages, keys(&whole), "{order} {size}");
        }
    }
}

fn what_is_refused_in_a_query(server: &Server) {
    let check = |query: &str, expected: &[&str]| {
        server.as_key_manager().get(&format!("/api/key/search?{query}")).refused(expected);
    };
    for column in ["Name", "kid", "lastUpdateInstant", "insert_instant", "length", "bogus", "ASC"] {
        check(&format!("orderBy={column}"), &["orderBy [invalid]orderBy"]);
        check(&format!("orderBy=name,{column}%20DESC"), &["orderBy [invalid]orderBy"]);
    }
    for algorithm in ["PS256", "rs256", "HS", "null"] {
        check(&format!("algorithm={algorithm}"), &["algorithm [invalidOption]algorithm"]);
    }
    for key_type in ["rsa", "SecretKeyValue", "DSA", "undefined"] {
        check(&format!("type={key_type}"), &["type [invalidOption]type"]);
    }
    check("numberOfResults=-1", &["numberOfResults [invalid]numberOfResults"]);
    check("startRow=-1", &["startRow [invalid]startRow"]);
    for number in ["x", "1.5", "1e3", "0x10", "9223372036854775808", "True", "%20", "1,000"] {
        check(&format!("startRow={number}"), &["startRow [couldNotConvert]startRow"]);
        check(&format!("numberOfResults={number}"), &["numberOfResults [couldNotConvert]numberOfResults"]);
    }
    check(&format!("name={}", "n".repeat(513)), &["name [tooLong]name"]);
    check("name=a%00b", &["name [couldNotConvert]name"]);
    // Twice is once too often, whatever it says.
    for parameter in
        ["algorithm=HS256", "name=x", "numberOfResults=1", "orderBy=name", "startRow=0", "type=HMAC"]
    {
        let name = parameter.split_once('=').unwrap().0;
        let code = format!("{name} [invalid]{name}");
        check(&format!("{parameter}&{parameter}"), &[&code]);
        check(&format!("{parameter}&{name}="), &[&code]);
    }
    // Everything at once.
    check(
        "orderBy=kid&type=x&algorithm=y&startRow=-1&numberOfResults=z&name=a&name=b",
        &[
            "algorithm [invalidOption]algorithm",
            "name [invalid]name",
            "numberOfResults [couldNotConvert]numberOfResults",
            "orderBy [invalid]orderBy",
            "startRow [invalid]startRow",
            "type [invalidOption]type",
        ],
    );
}

fn what_is_refused_in_a_body(server: &Server) {
    let check = |members: Value, expected: &[&str]| {
        server.as_key_manager().post("/api/key/search", &json!({"search": members})).refused(expected);
    };
    check(json!({"orderBy": "name, kid"}), &["search.orderBy [invalid]search.orderBy"]);
    check(json!({"algorithm": "PS256"}), &["search.algorithm [invalidOption]search.algorithm"]);
    check(json!({"type": "rsa"}), &["search.type [invalidOption]search.type"]);
    check(json!({"numberOfResults": -1}), &["search.numberOfResults [invalid]search.numberOfResults"]);
    check(json!({"startRow": i64::MIN}), &["search.startRow [invalid]search.startRow"]);
    check(json!({"name": "n".repeat(513)}), &["search.name [tooLong]search.name"]);
    check(json!({"name": "\u{0}"}), &["search.name [couldNotConvert]search.name"]);
    for (member, wrong) in [
        ("name", json!(1)),
        ("algorithm", json!([])),
        ("type", json!({})),
        ("orderBy", json!(["name"])),
        ("numberOfResults", json!(1.5)),
        ("numberOfResults", json!(true)),
        ("startRow", json!(u64::MAX)),
        ("startRow", json!("x")),
    ] {
        check(json!({member: wrong}), &[&format!("search.{member} [invalidJSON]")]);
    }
    check(json!({"nam": "x"}), &["[invalidJSON]"]);
    check(
        json!({"type": "x", "algorithm": "y", "startRow": -1, "orderBy": "kid"}),
        &[
            "search.algorithm [invalidOption]search.algorithm",
            "search.orderBy [invalid]search.orderBy",
            "search.startRow [invalid]search.startRow",
            "search.type [invalidOption]search.type",
        ],
    );
}

fn query_strings_are_decoded(server: &Server) {
    let tag = unique("plus").replace(' ', "");
    let names =
        [format!("{tag} a b"), format!("{tag} a+b"), format!("{tag} 100%25"), format!("{tag} \u{e9}&x=1")];
    for name in &names {
        named(server, name);
    }
    let check = |query: &str, expected: &[usize]| {
        let answer = server.as_key_manager().get(&format!("/api/key/search?{query}")).ok();
        let found: Vec<_> = keys(&answer).iter().map(|key| key["name"].as_str().unwrap()).collect();
        assert_eq!(found, expected.iter().map(|index| names[*index].as_str()).collect::<Vec<_>>(), "{query}");
    };
    // A plus sign is a space, as in forms.
    check(&format!("name={tag}+a+b"), &[0]);
    check(&format!("name={tag}%20a%20b"), &[0]);
    check(&format!("name={tag}+a%2Bb"), &[1]);
    check(&format!("name={tag}+a%2bb"), &[1]);
    check(&format!("name={tag}+100%2525"), &[2]);
    check(&format!("name={tag}+%C3%A9%26x%3D1"), &[3]);
    check(&format!("name={tag}+%c3%89%26X%3D1"), &[3]);
    check(&format!("n%61me={tag}+a+b"), &[0]);
    check(&format!("name={tag}*&orderBy=name+DESC&numberOfResults=2"), &[3, 1]);
    check(&format!("name={tag}%2A&orderBy=%60name%60%20ASC%2Cid&startRow=3"), &[3]);
    // Parameters that nobody knows are ignored, twice and misspelt as well.
    check(&format!("name={tag}+a+b&x=1&x=2&Name=y&search.name=z&tenantId=t&=&&flag"), &[0]);
    // What is no text, or no escape, is found nowhere and breaks nothing.
    for odd in ["%ff", "%", "%2", "%zz", "%C3"] {
        check(&format!("name={tag}{odd}"), &[]);
    }
}

fn empty_parameters_count_as_absent(server: &Server) {
    let manager = server.as_key_manager();
    let empty = "name=&algorithm=&type=&orderBy=&numberOfResults=&startRow=";
    let tag = unique("absent");
    named(server, &tag);
    // Other tests make keys meanwhile: only what concerns this one is compared.
    let answer = manager
        .get(&format!("/api/key/search?{}", empty.replacen("name=", &format!("name={}", encode(&tag)), 1)));
    assert_eq!(answer.ok()["total"], json!(1));
    assert_eq!(answer.ok(), search(server, json!({"name": tag})));
    for query in [format!("?{empty}"), "?".to_owned(), String::new()] {
        assert!(manager.get(&format!("/api/key/search{query}")).ok()["total"].as_u64().unwrap() >= 5);
    }
    let absent = json!({"name": tag, "algorithm": "", "type": "", "orderBy": "", "numberOfResults": null, "startRow": null});
    assert_eq!(manager.post("/api/key/search", &json!({"search": absent})).ok(), answer.ok());
}

fn bodies_and_their_absence(server: &Server) {
    let manager = server.as_key_manager();
    let tag = unique("body");
    named(server, &tag);
    for document in [json!({}), json!({"search": null})] {
        manager.post("/api/key/search", &document).refused(&["search [missing]search"]);
    }
    for document in [json!({"search": []}), json!({"search": "x"})] {
        manager.post("/api/key/search", &document).refused(&["search [invalidJSON]"]);
    }
    manager.post("/api/key/search", &json!({"name": tag})).refused(&["[invalidJSON]"]);
    // A POST without a body searches for nothing, with and without a type of what is not there.
    manager.send_bytes("POST", "/api/key/search", None).refused(&["[missing]"]);
    manager.send_bytes("POST", "/api/key/search?name=x", Some(b"")).refused(&["[missing]"]);
    let json = manager.with_header("Content-Type", "application/json");
    json.send_bytes("POST", "/api/key/search", None).refused(&["[missing]"]);
    // A GET has its search in the URL, even from clients that announce a body and send none (FusionAuth's for PHP).
    let url = format!("/api/key/search?name={}", encode(&tag));
    let answer = manager.get(&url).ok();
    assert_eq!(answer["total"], json!(1));
    assert_eq!(json.get(&url).ok(), answer);
    // The parameters of a POST are in its body alone.
    let body = json!({"search": {"name": tag}});
    assert_eq!(manager.post("/api/key/search?name=other&startRow=-1", &body).ok(), answer);
    // Nothing is changed by a search.
    let key = &keys(&answer)[0];
    assert_eq!(&manager.get(&path(key)).ok()["key"], key);
}
