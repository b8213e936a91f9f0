//! The strict JSON reader against serde_json: it accepts exactly the objects that serde_json accepts and that have no
//! member twice, with the same content, and tells the two kinds of refusal apart.
#![no_main]

use claviger_crypto::{JsonFault, parse_object};
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

fuzz_target!(|data: &[u8]| {
    let strict = parse_object(data);
    let lenient = serde_json::from_slice::<Value>(data);
    let Ok(lenient) = lenient else {
        // A member may stand twice before the text goes wrong.
        assert!(!matches!(strict.map_err(|error| error.fault), Ok(_) | Err(JsonFault::NotAnObject)));
        return;
    };
    // serde_json keeps one member of each name: what the text has more of stands there twice.
    let has_duplicates = colons(data) != members(&lenient);
    match (strict.map_err(|error| error.fault), lenient) {
        (Err(fault), _) if has_duplicates => assert_eq!(fault, JsonFault::DuplicateMember),
        (Ok(strict), Value::Object(lenient)) => {
            assert!(!has_duplicates);
            assert!(strict.iter().eq(&lenient), "other content or order");
            let written = serde_json::to_vec(&strict).unwrap();
            assert!(parse_object(&written).is_ok(), "what was read cannot be written and read again");
        }
        (Err(fault), Value::Object(_)) => panic!("an object is refused: {fault}"),
        (outcome, _) => assert_eq!(outcome.err(), Some(JsonFault::NotAnObject)),
    }
});

/// The colons outside of strings of a text that is JSON: one for each member.
fn colons(text: &[u8]) -> usize {
    let mut count = 0;
    let mut in_string = false;
    let mut bytes = text.iter();
    while let Some(byte) = bytes.next() {
        match byte {
            b'\\' if in_string => drop(bytes.next()),
            b'"' => in_string = !in_string,
            b':' if !in_string => count += 1,
            _ => {}
        }
    }
    count
}

/// The members of all objects in a value.
fn members(value: &Value) -> usize {
    match value {
        Value::Object(inner) => inner.len() + inner.values().map(members).sum::<usize>(),
        Value::Array(inner) => inner.iter().map(members).sum(),
        _ => 0,
    }
}
