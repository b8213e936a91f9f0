//! The examples of RFC 6902, appendix A, and of RFC 6901; hostile patches; the grammar.

use serde_json::json;

use super::*;

fn patch(operations: &Value) -> JsonPatch {
    JsonPatch::read(operations.to_string().as_bytes()).unwrap()
}

#[track_caller]
fn check(document: Value, operations: Value, expected: Value) {
    assert_eq!(patch(&operations).apply(document).unwrap(), expected, "{operations}");
}

fn codes_of(violations: &Violations) -> Vec<String> {
    violations.iter().map(|one| format!("{}{}", one.code(), one.field().unwrap_or_default())).collect()
}

#[track_caller]
fn check_fails(document: Value, operations: Value, code: &str) {
    let violations = patch(&operations).apply(document).unwrap_err();
    assert_eq!(codes_of(&violations), [code], "{operations}");
}

#[track_caller]
fn check_refused(body: &str, expected: &[&str]) {
    let violations = JsonPatch::read(body.as_bytes()).unwrap_err();
    assert_eq!(codes_of(&violations), expected, "{body}");
}

const NO_PLACE: &str = "[JSONPatchNotApplicable]";
const TEST_FAILED: &str = "[JSONPatchTestFailed]";
const TOO_LARGE: &str = "[JSONPatchTooLarge]";

/// RFC 6902, appendix A, in its order; A.13 is a matter of reading.
#[test]
fn rfc_6902_examples() {
    let add = |path: &str, value: Value| json!([{"op": "add", "path": path, "value": value}]);
    check(json!({"foo": "bar"}), add("/baz", json!("qux")), json!({"baz": "qux", "foo": "bar"}));
    check(json!({"foo": ["bar", "baz"]}), add("/foo/1", json!("qux")), json!({"foo": ["bar", "qux", "baz"]}));
    check(
        json!({"baz": "qux", "foo": "bar"}),
        json!([{"op": "remove", "path": "/baz"}]),
        json!({"foo": "bar"}),
    );
    check(
        json!({"foo": ["bar", "qux", "baz"]}),
        json!([{"op": "remove", "path": "/foo/1"}]),
        json!({"foo": ["bar", "baz"]}),
    );
    check(
        json!({"baz": "qux", "foo": "bar"}),
        json!([{"op": "replace", "path": "/baz", "value": "boo"}]),
        json!({"baz": "boo", "foo": "bar"}),
    );
    check(
        json!({"foo": {"bar": "baz", "waldo": "fred"}, "qux": {"corge": "grault"}}),
        json!([{"op": "move", "from": "/foo/waldo", "path": "/qux/thud"}]),
        json!({"foo": {"bar": "baz"}, "qux": {"corge": "grault", "thud": "fred"}}),
    );
    check(
        json!({"foo": ["all", "grass", "cows", "eat"]}),
        json!([{"op": "move", "from": "/foo/1", "path": "/foo/3"}]),
        json!({"foo": ["all", "cows", "eat", "grass"]}),
    );
    check(
        json!({"baz": "qux", "foo": ["a", 2, "c"]}),
        json!([{"op": "test", "path": "/baz", "value": "qux"}, {"op": "test", "path": "/foo/1", "value": 2}]),
        json!({"baz": "qux", "foo": ["a", 2, "c"]}),
    );
    check_fails(json!({"baz": "qux"}), json!([{"op": "test", "path": "/baz", "value": "bar"}]), TEST_FAILED);
    check(
        json!({"foo": "bar"}),
        add("/child", json!({"grandchild": {}})),
        json!({"foo": "bar", "child": {"grandchild": {}}}),
    );
    check(
        json!({"foo": "bar"}),
        json!([{"op": "add", "path": "/baz", "value": "qux", "xyz": 123}]),
        json!({"foo": "bar", "baz": "qux"}),
    );
    check_fails(json!({"foo": "bar"}), add("/baz/bat", json!("qux")), NO_PLACE);
    check_refused(r#"[{"op":"add","path":"/baz","value":"qux","op":"remove"}]"#, &["[invalidJSON]"]);
    check(
        json!({"/": 9, "~1": 10}),
        json!([{"op": "test", "path": "/~01", "value": 10}]),
        json!({"/": 9, "~1": 10}),
    );
    check_fails(
        json!({"/": 9, "~1": 10}),
        json!([{"op": "test", "path": "/~01", "value": "10"}]),
        TEST_FAILED,
    );
    check(
        json!({"foo": ["bar"]}),
        add("/foo/-", json!(["abc", "def"])),
        json!({"foo": ["bar", ["abc", "def"]]}),
    );
}

/// RFC 6901, section 5.
#[test]
fn rfc_6901_examples() {
    let document = json!({"foo": ["bar", "baz"], "": 0, "a/b": 1, "c%d": 2, "e^f": 3, "g|h": 4, "i\\j": 5, "k\"l": 6,
        " ": 7, "m~n": 8});
    for (text, expected) in [
        ("", document.clone()),
        ("/foo", json!(["bar", "baz"])),
        ("/foo/0", json!("bar")),
        ("/", json!(0)),
        ("/a~1b", json!(1)),
        ("/c%d", json!(2)),
        ("/e^f", json!(3)),
        ("/g|h", json!(4)),
        ("/i\\j", json!(5)),
        ("/k\"l", json!(6)),
        ("/ ", json!(7)),
        ("/m~0n", json!(8)),
    ] {
        assert_eq!(find(&document, &pointer(text).unwrap()), Some(&expected), "{text:?}");
    }
    for broken in ["a", "a/b", " /a", "/~", "/~2", "/a~", "/~~0"] {
        assert_eq!(pointer(broken), None, "{broken:?}");
    }
    assert_eq!(pointer("/~01~10"), Some(vec!["~1/0".to_owned()]));
}

#[test]
fn places_must_be_there() {
    let document = || json!({"a": [1, 2], "o": {}, "n": null, "s": "text"});
    let value = |op: &str, path: &str| json!([{"op": op, "path": path, "value": 7}]);
    for path in ["/a/3", "/a/02", "/a/+1", "/a/-1", "/a/1e0", "/a/", "/a/x", "/n/x", "/s/0", "/x/y"] {
        check_fails(document(), value("add", path), NO_PLACE);
        check_fails(document(), value("replace", path), NO_PLACE);
        check_fails(document(), value("test", path), NO_PLACE);
        check_fails(document(), json!([{"op": "remove", "path": path}]), NO_PLACE);
        for op in ["move", "copy"] {
            check_fails(document(), json!([{"op": op, "from": path, "path": "/x"}]), NO_PLACE);
            check_fails(document(), json!([{"op": op, "from": "/s", "path": path}]), NO_PLACE);
        }
    }
    for path in ["/x", "/a/2", "/a/-", "/a/18446744073709551616"] {
        check_fails(document(), value("replace", path), NO_PLACE);
        check_fails(document(), json!([{"op": "remove", "path": path}]), NO_PLACE);
    }
    check_fails(document(), json!([{"op": "remove", "path": ""}]), NO_PLACE);
    check(document(), value("add", "/a/2"), json!({"a": [1, 2, 7], "o": {}, "n": null, "s": "text"}));
    check(document(), value("add", ""), json!(7));
    check(document(), value("replace", ""), json!(7));
    // A member that is there with null is there.
    check(document(), json!([{"op": "test", "path": "/n", "value": null}]), document());
    check(
        document(),
        json!([{"op": "copy", "from": "/a", "path": "/a/0"}]),
        json!({"a": [[1, 2], 1, 2], "o": {}, "n": null, "s": "text"}),
    );
}

#[test]
fn nothing_moves_into_itself() {
    let document = || json!({"a": {"b": {}}, "ab": 1});
    check_fails(document(), json!([{"op": "move", "from": "/a", "path": "/a/b/c"}]), NO_PLACE);
    check_fails(document(), json!([{"op": "move", "from": "", "path": "/c"}]), NO_PLACE);
    check(document(), json!([{"op": "move", "from": "/a", "path": "/a"}]), document());
    check(document(), json!([{"op": "move", "from": "", "path": ""}]), document());
    // A name that begins alike is another one, and what is inside can replace what is around it.
    check(document(), json!([{"op": "move", "from": "/a", "path": "/ab"}]), json!({"ab": {"b": {}}}));
    check(document(), json!([{"op": "move", "from": "/a/b", "path": "/a"}]), json!({"a": {}, "ab": 1}));
    check(
        document(),
        json!([{"op": "copy", "from": "/a", "path": "/a/b/c"}]),
        json!({"a": {"b": {"c": {"b": {}}}}, "ab": 1}),
    );
}

#[test]
fn values_are_compared_by_what_they_mean() {
    for (a, b) in [
        ("1", "1.0"),
        ("1e2", "100"),
        ("-0.0", "0"),
        ("9007199254740992", "9007199254740992.0"),
        ("18446744073709551615", "18446744073709551615"),
        (r#"{"a":1,"b":[2.0]}"#, r#"{"b":[2],"a":1.0}"#),
        (r#""\u0041""#, r#""A""#),
    ] {
        let [a, b]: [Value; 2] = [a, b].map(|text| serde_json::from_str(text).unwrap());
        assert!(equal(&a, &b) && equal(&b, &a), "{a} {b}");
    }
    for (a, b) in [
        ("1", "1.5"),
        ("9007199254740993", "9007199254740992.0"),
        ("18446744073709551615", "18446744073709551616.0"),
        ("1", "\"1\""),
        ("0", "false"),
        ("[1,2]", "[2,1]"),
        ("[1]", "[1,2]"),
        ("{}", "[]"),
        (r#"{"a":1}"#, r#"{"a":1,"b":2}"#),
        (r#"{"a":null}"#, r#"{"b":null}"#),
    ] {
        let [a, b]: [Value; 2] = [a, b].map(|text| serde_json::from_str(text).unwrap());
        assert!(!equal(&a, &b) && !equal(&b, &a), "{a} {b}");
    }
}

#[test]
fn operations_are_read_strictly() {
    check_refused("[1,null]", &["[invalidJSON][0]", "[invalidJSON][1]"]);
    check_refused(r#"[{"op":"add"}]"#, &["[invalidJSON][0].path", "[invalidJSON][0].value"]);
    check_refused(r#"[{"op":"Add","path":""}]"#, &["[invalidJSON][0].op"]);
    check_refused(r#"[{"path":"/a","value":1}]"#, &["[invalidJSON][0].op"]);
    check_refused(r#"[{"op":"test","path":"/a"}]"#, &["[invalidJSON][0].value"]);
    check_refused(
        r#"[{"op":"move","path":"/a"},{"op":"copy","path":1,"from":"x"}]"#,
        &["[invalidJSON][0].from", "[invalidJSON][1].path", "[invalidJSON][1].from"],
    );
    check_refused(r#"[{"op":"remove","path":"s3cret"}]"#, &["[invalidJSON][0].path"]);
    let violations = JsonPatch::read(br#"[{"op":"s3cret","path":"s3cret"}]"#).unwrap_err();
    assert!(violations.iter().all(|violation| !violation.message().contains("s3cret")));
    check(json!({"a": 1}), json!([]), json!({"a": 1}));
}

#[test]
fn a_failed_operation_is_named() {
    let operations = json!([{"op": "test", "path": "", "value": {}}, {"op": "remove", "path": "/s3cret"}]);
    let violations = patch(&operations).apply(json!({})).unwrap_err();
    let message = violations.iter().next().unwrap().message().to_owned();
    assert!(message.starts_with("Operation 1, counted from 0,") && !message.contains("s3cret"), "{message}");
}

#[test]
fn what_a_patch_costs_is_bounded() {
    let many = |operation: Value, count: usize| Value::Array(vec![operation; count]);
    let test = json!({"op": "test", "path": "", "value": {}});
    check(json!({}), many(test.clone(), MAXIMUM_OPERATIONS), json!({}));
    check_refused(&many(test, MAXIMUM_OPERATIONS + 1).to_string(), &[TOO_LARGE]);
    // Each copy doubles the document.
    let doubling: Vec<_> =
        (0..64).map(|n| json!({"op": "copy", "from": "/a", "path": format!("/a/{n}")})).collect();
    check_fails(json!({"a": {"x": 1}}), doubling.into(), TOO_LARGE);
    let text = "x".repeat(1_000_000);
    let copies: Vec<_> =
        (0..1000).map(|n| json!({"op": "copy", "from": "/a", "path": format!("/{n}")})).collect();
    check_fails(json!({"a": text}), copies.into(), TOO_LARGE);
    // A long list is shifted by each operation at its start.
    let long = json!({"a": vec![0; 500_000]});
    let shift = json!({"op": "move", "from": "/a/0", "path": "/a/-"});
    check_fails(long, many(shift, 1000), TOO_LARGE);
}

#[test]
fn documents_do_not_get_too_deep() {
    let nested = |levels: usize| (1..levels).fold(json!({}), |inner, _| json!({ "a": inner }));
    let depth = |value: &Value| {
        std::iter::successors(Some(value), |value| value.get("a").or_else(|| value.get("b"))).count()
    };
    let moved = json!([{"op": "move", "from": "/a", "path": "/b/a"}]);
    let document = |levels: usize| json!({"a": nested(levels), "b": {}});
    let patched = patch(&moved).apply(document(MAXIMUM_DEPTH - 2)).unwrap();
    assert_eq!(depth(&patched), MAXIMUM_DEPTH);
    check_fails(document(MAXIMUM_DEPTH - 1), moved, TOO_LARGE);
    for op in ["copy", "move"] {
        let steps: Vec<_> = (0..1000)
            .flat_map(|_| {
                [
                    json!({"op": "add", "path": "/b", "value": {}}),
                    json!({"op": op, "from": "/a", "path": "/b/a"}),
                    json!({"op": "move", "from": "/b", "path": "/a"}),
                ]
            })
            .take(MAXIMUM_OPERATIONS)
            .collect();
        check_fails(json!({"a": {}}), steps.into(), TOO_LARGE);
    }
    let deep = json!([{"op": "add", "path": "/a".repeat(125), "value": {"x": {"y": {}}}}]);
    check_fails(nested(126), deep, TOO_LARGE);
}
