//! The bodies of PATCH requests (FusionAuth: PATCH) in their three media types, and what they make of a document.
//!
//! One for every kind of object: the document is the one that a read answers, with its wrapper (`{"tenant": {…}}`), and what
//! comes out is read like the body of a PUT, so that nothing gets in by PATCH that PUT would refuse. Members that are
//! read-only are ignored there, whatever a patch made of them.

use std::fmt;

use claviger_domain::{Violation, Violations, codes};
use serde_json::{Map, Value, json};

use super::json::parse_object;
use super::json_patch::{JsonPatch, MAXIMUM_OPERATIONS};

/// FusionAuth's own merge: objects merge, `null` removes, lists are appended.
pub(crate) const JSON: &str = "application/json";
/// Operations (RFC 6902).
pub(crate) const JSON_PATCH: &str = "application/json-patch+json";
/// The standard's merge (RFC 7396): lists are replaced.
pub(crate) const MERGE_PATCH: &str = "application/merge-patch+json";

/// What a PATCH request asks for.
pub(crate) struct Patch(Form);

enum Form {
    Merge(Map<String, Value>, Lists),
    Operations(JsonPatch),
}

impl fmt::Debug for Patch {
    /// The kind only: values can be secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Form::Merge(_, lists) => write!(f, "Patch(merge, lists {lists:?})"),
            Form::Operations(operations) => write!(f, "Patch({operations:?})"),
        }
    }
}

/// What a merge does where both sides have a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Lists {
    Appended,
    Replaced,
}

impl Patch {
    /// Reads the body of a request. `media_type` is that of its `Content-Type`, in any case, without parameters.
    ///
    /// # Errors
    /// `[UnsupportedContentType]`, and everything that keeps the body from being a patch of that type.
    pub(crate) fn read(media_type: &str, body: &[u8]) -> Result<Self, Violations> {
        let is = |known: &str| media_type.eq_ignore_ascii_case(known);
        if is(JSON) {
            Ok(Self(Form::Merge(parse_object(body)?, Lists::Appended)))
        } else if is(MERGE_PATCH) {
            Ok(Self(Form::Merge(parse_object(body)?, Lists::Replaced)))
        } else if is(JSON_PATCH) {
            Ok(Self(Form::Operations(JsonPatch::read(body)?)))
        } else {
            let message = format!("The body must be of the type {JSON}, {JSON_PATCH} or {MERGE_PATCH}.");
            Err(Violation::new(&codes::CONTENT_TYPE_UNSUPPORTED).with_message(message).into())
        }
    }

    /// The document that the patch makes of a stored one. It can be called again when another change came first.
    ///
    /// # Errors
    /// An operation that cannot be performed, or a result that is no object.
    pub(crate) fn apply(&self, document: Value) -> Result<Map<String, Value>, Violations> {
        let patched = match (&self.0, document) {
            (Form::Merge(patch, lists), Value::Object(mut members)) => {
                merge(&mut members, patch, *lists);
                return Ok(members);
            }
            (Form::Merge(..), other) => other,
            (Form::Operations(operations), document) => operations.apply(document)?,
        };
        match patched {
            Value::Object(members) => Ok(members),
            _ => Err(Violation::new(&codes::INVALID_JSON)
                .with_message("What the patch makes of the document is no JSON object.")
                .into()),
        }
    }

    /// Whether the patch says itself that there shall be nothing at this place, given by the names of members on the way to
    /// it: `null` in a merge, an operation that removes it or puts `null` there. A patch that replaces what is around it
    /// only leaves it out.
    pub(crate) fn clears(&self, place: &[&str]) -> bool {
        match &self.0 {
            Form::Operations(operations) => operations.clears(place),
            Form::Merge(patch, _) => {
                let Some((last, way)) = place.split_last() else { return false };
                let mut members = Some(patch);
                for name in way {
                    members = members.and_then(|members| members.get(*name)).and_then(Value::as_object);
                }
                members.and_then(|members| members.get(*last)).is_some_and(Value::is_null)
            }
        }
    }
}

/// Merges a patch into a document. `null` does not stay in it, wherever an object of the patch goes (RFC 7396, section 2); in
/// lists it is a value like others. The order of members means nothing, so the last may take the place of one that goes:
/// closing the gap would take as long as there are members, for each of them.
fn merge(target: &mut Map<String, Value>, patch: &Map<String, Value>, lists: Lists) {
    for (name, value) in patch {
        match value {
            Value::Null => {
                target.swap_remove(name);
            }
            Value::Object(patch) => {
                let member = target.entry(name.clone()).or_insert(Value::Null);
                match member {
                    Value::Object(target) => merge(target, patch, lists),
                    // Into nothing, or over another type.
                    other => {
                        let mut fresh = Map::new();
                        merge(&mut fresh, patch, lists);
                        *other = Value::Object(fresh);
                    }
                }
            }
            Value::Array(items) if lists == Lists::Appended => match target.get_mut(name) {
                Some(Value::Array(own)) => own.extend(items.iter().cloned()),
                _ => drop(target.insert(name.clone(), value.clone())),
            },
            _ => drop(target.insert(name.clone(), value.clone())),
        }
    }
}

/// The schemas of this file for the OpenAPI document.
pub(crate) fn schemas() -> Value {
    let pointer = |what: &str| json!({"type": "string", "description": what});
    json!({
        "JsonPatch": {"type": "array", "maxItems": MAXIMUM_OPERATIONS, "description": "RFC 6902",
            "items": {"type": "object", "required": ["op", "path"], "properties": {
                "from": pointer("Where move and copy take the value"),
                "op": {"type": "string", "enum": ["add", "copy", "move", "remove", "replace", "test"]},
                "path": pointer("A JSON Pointer (RFC 6901) into the document, with its wrapper"),
                "value": {"description": "Of add, replace and test"}}}},
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(value: Value) -> Map<String, Value> {
        value.as_object().unwrap().clone()
    }

    #[track_caller]
    fn check(lists: Lists, original: Value, patch: Value, expected: Value) {
        let text = format!("{original} {patch}");
        let patch = Patch(Form::Merge(object(patch), lists));
        assert_eq!(Value::Object(patch.apply(original).unwrap()), expected, "{text}");
    }

    /// The table of RFC 7396, appendix A, as far as both sides are objects: all documents of ours are.
    #[test]
    fn rfc_7396_examples() {
        let check = |original, patch, expected| check(Lists::Replaced, original, patch, expected);
        check(json!({"a": "b"}), json!({"a": "c"}), json!({"a": "c"}));
        check(json!({"a": "b"}), json!({"b": "c"}), json!({"a": "b", "b": "c"}));
        check(json!({"a": "b"}), json!({"a": null}), json!({}));
        check(json!({"a": "b", "b": "c"}), json!({"a": null}), json!({"b": "c"}));
        check(json!({"a": ["b"]}), json!({"a": "c"}), json!({"a": "c"}));
        check(json!({"a": "c"}), json!({"a": ["b"]}), json!({"a": ["b"]}));
        check(json!({"a": {"b": "c"}}), json!({"a": {"b": "d", "c": null}}), json!({"a": {"b": "d"}}));
        check(json!({"a": [{"b": "c"}]}), json!({"a": [1]}), json!({"a": [1]}));
        check(json!({"e": null}), json!({"a": 1}), json!({"e": null, "a": 1}));
        check(json!({}), json!({"a": {"bb": {"ccc": null}}}), json!({"a": {"bb": {}}}));
        // The example of section 3.
        check(
            json!({"title": "Goodbye!", "author": {"givenName": "John", "familyName": "Doe"},
                "tags": ["example", "sample"], "content": "This will be unchanged"}),
            json!({"title": "Hello!", "phoneNumber": "+01-123-456-7890", "author": {"familyName": null},
                "tags": ["example"]}),
            json!({"title": "Hello!", "author": {"givenName": "John"}, "tags": ["example"],
                "content": "This will be unchanged", "phoneNumber": "+01-123-456-7890"}),
        );
    }

    #[test]
    fn plain_json_appends_lists() {
        let check = |original, patch, expected| check(Lists::Appended, original, patch, expected);
        check(
            json!({"a": 1, "b": {"c": [1], "d": 2}, "e": 3}),
            json!({"a": null, "b": {"c": [2, null], "d": null}, "f": {"g": null, "h": 1}, "e": {"i": null}}),
            json!({"b": {"c": [1, 2, null]}, "e": {}, "f": {"h": 1}}),
        );
        check(json!({"a": "b"}), json!({"a": [1], "c": [2]}), json!({"a": [1], "c": [2]}));
    }

    /// Taking out many members must not take the square of their number.
    #[test]
    fn many_members_go_quickly() {
        let names: Vec<_> = (0..100_000).map(|number| number.to_string()).collect();
        let of =
            |value: Value| Value::Object(names.iter().map(|name| (name.clone(), value.clone())).collect());
        check(Lists::Appended, of(json!(1)), of(json!(null)), json!({}));
    }

    #[test]
    fn media_types_are_told_apart() {
        let stored = || json!({"a": [1]});
        let read = |media_type: &str, body: &str| Patch::read(media_type, body.as_bytes());
        for (media_type, body, expected) in [
            ("application/json", r#"{"a":[2]}"#, json!({"a": [1, 2]})),
            ("Application/JSON", r#"{"a":[2]}"#, json!({"a": [1, 2]})),
            ("application/merge-patch+json", r#"{"a":[2]}"#, json!({"a": [2]})),
            (
                "application/json-patch+json",
                r#"[{"op":"add","path":"/a/0","value":2}]"#,
                json!({"a": [2, 1]}),
            ),
        ] {
            let patched = read(media_type, body).unwrap().apply(stored()).unwrap();
            assert_eq!(Value::Object(patched), expected, "{media_type}");
        }
        for (media_type, body, code) in [
            ("text/plain", "{}", "[UnsupportedContentType]"),
            ("", "{}", "[UnsupportedContentType]"),
            ("application/json", "[]", "[invalidJSON]"),
            ("application/merge-patch+json", "[]", "[invalidJSON]"),
            ("application/merge-patch+json", "1", "[invalidJSON]"),
            ("application/json-patch+json", "{}", "[invalidJSON]"),
            ("application/json-patch+json", "", "[invalidJSON]"),
        ] {
            let violations = read(media_type, body).unwrap_err();
            let found: Vec<_> = violations.iter().map(Violation::code).collect();
            assert_eq!(found, [code], "{media_type} {body}");
        }
        // What is patched stays an object.
        for body in [r#"[{"op":"add","path":"","value":[]}]"#, r#"[{"op":"replace","path":"","value":null}]"#]
        {
            let violations = read(JSON_PATCH, body).unwrap().apply(stored()).unwrap_err();
            assert_eq!(violations.iter().next().unwrap().code(), "[invalidJSON]");
        }
    }

    #[test]
    fn clearing_is_said_expressly() {
        let place = ["k", "p"];
        for (media_type, body, expected) in [
            (JSON, r#"{"k":{"p":null}}"#, true),
            (MERGE_PATCH, r#"{"k":{"p":null}}"#, true),
            (JSON, r#"{"k":null}"#, false),
            (JSON, r#"{"k":{"p":{}}}"#, false),
            (JSON, r#"{"k":{"q":null},"p":null}"#, false),
            (JSON_PATCH, r#"[{"op":"remove","path":"/k/p"}]"#, true),
            (JSON_PATCH, r#"[{"op":"replace","path":"/k/p","value":null}]"#, true),
            (JSON_PATCH, r#"[{"op":"add","path":"/k/p","value":null}]"#, true),
            (JSON_PATCH, r#"[{"op":"test","path":"/k/p","value":null}]"#, false),
            (JSON_PATCH, r#"[{"op":"remove","path":"/k"}]"#, false),
            (JSON_PATCH, r#"[{"op":"replace","path":"/k","value":{}}]"#, false),
            (JSON_PATCH, r#"[{"op":"move","from":"/k/p","path":"/k/q"}]"#, false),
        ] {
            let patch = Patch::read(media_type, body.as_bytes()).unwrap();
            assert_eq!(patch.clears(&place), expected, "{media_type} {body}");
        }
    }
}
