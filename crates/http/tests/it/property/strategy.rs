//! Bodies to throw: valid ones, valid ones that were tampered with, random trees, and texts that are no JSON.

use proptest::prelude::*;
use serde_json::{Map, Value, json};

/// One request to make: which endpoint, and the text of its body.
#[derive(Debug, Clone)]
pub(super) struct Attempt {
    pub(super) target: usize,
    pub(super) body: String,
}

/// A change somewhere in a document; `place` picks the member.
#[derive(Debug, Clone)]
enum Tampering {
    Replace(Value),
    Remove,
    Rename(String),
    AddMember(String, Value),
    Nest,
    InList,
}

/// Requests around these valid bodies.
pub(super) fn attempt(valid: Vec<Value>) -> impl Strategy<Value = Attempt> {
    let tampered =
        (prop::sample::select(valid.clone()), prop::collection::vec((any::<usize>(), tampering()), 0..4))
            .prop_map(|(mut document, tamperings)| {
                for (place, tampering) in tamperings {
                    tamper(&mut document, place, tampering);
                }
                document.to_string()
            });
    let cut =
        (prop::sample::select(valid), any::<usize>(), any::<char>()).prop_map(|(document, at, character)| {
            let text = document.to_string();
            let at = at % text.len();
            format!("{}{character}{}", &text[..at], &text[at + 1..])
        });
    let body = prop_oneof![
        6 => tampered,
        1 => tree().prop_map(|document| document.to_string()),
        1 => prop::sample::select(vec!["apiKey", "key", "tenant", "sourceKeyId"])
            .prop_flat_map(|name| tree().prop_map(move |inner| json!({name: inner}).to_string())),
        1 => cut,
    ];
    (any::<usize>(), body).prop_map(|(target, body)| Attempt { target, body })
}

fn tampering() -> impl Strategy<Value = Tampering> {
    prop_oneof![
        4 => leaf().prop_map(Tampering::Replace),
        1 => tree().prop_map(Tampering::Replace),
        1 => Just(Tampering::Remove),
        1 => name().prop_map(Tampering::Rename),
        2 => (name(), leaf()).prop_map(|(name, value)| Tampering::AddMember(name, value)),
        1 => Just(Tampering::Nest),
        1 => Just(Tampering::InList),
    ]
}

/// Names that mean something somewhere, and others.
fn name() -> impl Strategy<Value = String> {
    let known = [
        "apiKey",
        "key",
        "tenant",
        "name",
        "permissions",
        "endpoints",
        "/api/user",
        "metaData",
        "attributes",
        "description",
        "tenantId",
        "keyManager",
        "retrievable",
        "expirationInstant",
        "sourceKeyId",
        "algorithm",
        "length",
        "issuer",
        "jwtConfiguration",
        "accessTokenKeyId",
        "idTokenVerificationKeyIds",
        "timeToLiveInSeconds",
        "data",
        "state",
        "id",
        "insertInstant",
        "__proto__",
        "$ref",
        "",
    ];
    prop_oneof![
        5 => prop::sample::select(known.to_vec()).prop_map(str::to_owned),
        1 => any::<String>(),
    ]
}

fn leaf() -> impl Strategy<Value = Value> {
    let numbers = [i64::MIN, -1, 0, 1, 256, 2048, 253_402_300_799_999, 253_402_300_800_000, i64::MAX];
    let texts = [
        "",
        " ",
        "\0",
        "a\0b",
        "\u{feff}",
        "\u{202e}",
        "é".repeat(192).as_str(),
        "x".repeat(5000).as_str(),
        "2048",
        "GET",
        "/api/user",
        "Default",
        "HS256",
        "None",
        "PS256",
        "00000000-0000-0000-0000-000000000000",
        "092dbedc-30af-4149-9c61-b578f2c72f59",
        "' OR 1=1; --",
        "%00",
        "${x}",
        "\\",
        "\"",
    ]
    .map(str::to_owned);
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        prop::sample::select(numbers.to_vec()).prop_map(|number| json!(number)),
        any::<i64>().prop_map(|number| json!(number)),
        any::<u64>().prop_map(|number| json!(number)),
        any::<f64>().prop_map(|number| json!(number)),
        prop::sample::select(texts.to_vec()).prop_map(Value::String),
        any::<String>().prop_map(Value::String),
        Just(json!({})),
        Just(json!([])),
    ]
}

fn tree() -> impl Strategy<Value = Value> {
    leaf().prop_recursive(5, 40, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::Array),
            prop::collection::vec((name(), inner), 0..6)
                .prop_map(|members| Value::Object(members.into_iter().collect::<Map<_, _>>())),
        ]
    })
}

/// The JSON pointers of everything in a document, itself included.
fn places(document: &Value, path: &str, found: &mut Vec<String>) {
    found.push(path.to_owned());
    match document {
        Value::Object(members) => {
            for (name, value) in members {
                places(value, &format!("{path}/{}", name.replace('~', "~0").replace('/', "~1")), found);
            }
        }
        Value::Array(items) => {
            for (index, value) in items.iter().enumerate() {
                places(value, &format!("{path}/{index}"), found);
            }
        }
        _ => {}
    }
}

fn tamper(document: &mut Value, place: usize, tampering: Tampering) {
    let mut found = Vec::new();
    places(document, "", &mut found);
    let pointer = found.swap_remove(place % found.len());
    let (parent, last) = pointer.rsplit_once('/').unwrap_or(("", ""));
    let last = last.replace("~1", "/").replace("~0", "~");
    let value = document.pointer_mut(&pointer).unwrap();
    match tampering {
        Tampering::Replace(other) => *value = other,
        Tampering::Nest => *value = json!({"apiKey": value.take()}),
        Tampering::InList => *value = json!([value.take()]),
        Tampering::AddMember(name, other) => match value {
            Value::Object(members) => drop(members.insert(name, other)),
            Value::Array(items) => items.push(other),
            value => *value = json!({name: other}),
        },
        Tampering::Remove | Tampering::Rename(_) => {
            if let Some(Value::Object(members)) = document.pointer_mut(parent)
                && let Some(value) = members.remove(&last)
                && let Tampering::Rename(name) = tampering
            {
                members.insert(name, value);
            }
        }
    }
}
