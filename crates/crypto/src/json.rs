//! Strict reading of JSON, for token headers, claims and request bodies: a document with a member twice is refused at
//! any depth, because two readers could disagree about what it says.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::error::Category;
use serde_json::{Map, Number, Value};

/// What keeps a text from being one JSON object without duplicate members.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum JsonFault {
    /// An object has a member twice, here or further inside. Names are compared with their escapes resolved.
    #[error("a member stands twice in an object")]
    DuplicateMember,
    /// The text ends before the value does.
    #[error("the text ends too early")]
    EndsEarly,
    /// The text is one JSON value, but not an object.
    #[error("not a JSON object")]
    NotAnObject,
    /// The text is one JSON value, but not an array.
    #[error("not a JSON array")]
    NotAnArray,
    /// Not JSON (RFC 8259), not UTF-8, a number outside the range of `f64`, more than one value, or nested deeper than
    /// 127 levels.
    #[error("not valid JSON")]
    Syntax,
}

/// Where and why a text is not one JSON object, or array. Carries nothing of the text, which may hold a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{fault} at line {line}, column {column}")]
pub struct JsonError {
    /// What is wrong.
    pub fault: JsonFault,
    /// The line, from 1; 0 for [`JsonFault::NotAnObject`] and [`JsonFault::NotAnArray`], which concern the whole text.
    pub line: usize,
    /// The column in bytes, from 1; 0 where the fault has no place in the line.
    pub column: usize,
}

/// The JSON object in `bytes`, its members in their order. Nesting is limited to 127 levels by the parser.
///
/// # Errors
/// [`JsonError`] when the bytes are not one JSON object, or an object in it has a member twice.
pub fn parse_object(bytes: &[u8]) -> Result<Map<String, Value>, JsonError> {
    match parse(bytes)? {
        Value::Object(members) => Ok(members),
        _ => Err(JsonError { fault: JsonFault::NotAnObject, line: 0, column: 0 }),
    }
}

/// The items of the JSON array in `bytes`, read as strictly as [`parse_object`] reads.
///
/// # Errors
/// [`JsonError`] when the bytes are not one JSON array, or an object in it has a member twice.
pub fn parse_array(bytes: &[u8]) -> Result<Vec<Value>, JsonError> {
    match parse(bytes)? {
        Value::Array(items) => Ok(items),
        _ => Err(JsonError { fault: JsonFault::NotAnArray, line: 0, column: 0 }),
    }
}

fn parse(bytes: &[u8]) -> Result<Value, JsonError> {
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    Strict.deserialize(&mut deserializer).and_then(|value| deserializer.end().map(|()| value)).map_err(
        |error| JsonError {
            fault: match error.classify() {
                Category::Data => JsonFault::DuplicateMember,
                Category::Eof => JsonFault::EndsEarly,
                Category::Io | Category::Syntax => JsonFault::Syntax,
            },
            line: error.line(),
            column: error.column(),
        },
    )
}

/// Builds a [`Value`], refusing objects with a member twice.
struct Strict;

impl<'de> DeserializeSeed<'de> for Strict {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict {
    type Value = Value;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Number::from_f64(value).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = sequence.next_element_seed(Self)? {
            items.push(item);
        }
        Ok(Value::Array(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut members = Map::new();
        while let Some(name) = map.next_key::<String>()? {
            let value = map.next_value_seed(Self)?;
            if members.insert(name, value).is_some() {
                return Err(A::Error::custom("duplicate member"));
            }
        }
        Ok(Value::Object(members))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn fault(text: &[u8]) -> Option<JsonFault> {
        parse_object(text).err().map(|error| error.fault)
    }

    fn nested(levels: usize) -> Vec<u8> {
        [b"{\"a\":".repeat(levels), b"1".to_vec(), b"}".repeat(levels)].concat()
    }

    #[test]
    fn reads_what_serde_json_reads() {
        let text = br#" {"b":[1,-2,2.5,1e3,18446744073709551615,null,true,"\u00e9\n"],"a":{"":{}}} "#;
        let expected = json!({"b": [1, -2, 2.5, 1e3, u64::MAX, null, true, "\u{e9}\n"], "a": {"": {}}});
        let members = parse_object(text).unwrap();
        assert_eq!(members.keys().collect::<Vec<_>>(), ["b", "a"]);
        assert_eq!(Value::Object(members), expected);
    }

    #[test]
    fn refuses_what_is_not_one_strict_object() {
        for (text, expected) in [
            (b"".as_slice(), JsonFault::EndsEarly),
            (b"{", JsonFault::EndsEarly),
            (b"{\"a\":\"", JsonFault::EndsEarly),
            (b"[]", JsonFault::NotAnObject),
            (b"\"text\"", JsonFault::NotAnObject),
            (b"null", JsonFault::NotAnObject),
            (b"{\"a\":1}x", JsonFault::Syntax),
            (b"{}{}", JsonFault::Syntax),
            (b"{}\0", JsonFault::Syntax),
            (b"\xef\xbb\xbf{}", JsonFault::Syntax),
            (b"{\"a\":\"\xff\"}", JsonFault::Syntax),
            (b"{\"a\":\"\\ud800\"}", JsonFault::Syntax),
            (b"{\"a\":1e400}", JsonFault::Syntax),
            (b"{\"a\":01}", JsonFault::Syntax),
            (b"{\"a\":NaN}", JsonFault::Syntax),
            (b"{\"a\":1,}", JsonFault::Syntax),
            (b"{'a':1}", JsonFault::Syntax),
            (b"{\"a\":1,\"a\":1}", JsonFault::DuplicateMember),
            (b"{\"a\":1,\"\\u0061\":1}", JsonFault::DuplicateMember),
            (b"{\"a\":{\"b\":[{\"c\":1,\"c\":null}]}}", JsonFault::DuplicateMember),
        ] {
            assert_eq!(fault(text), Some(expected), "{}", String::from_utf8_lossy(text));
        }
    }

    #[test]
    fn arrays_are_read_as_strictly() {
        assert_eq!(parse_array(b" [1,{\"a\":[]}] ").unwrap(), [json!(1), json!({"a": []})]);
        for (text, expected) in [
            (b"{}".as_slice(), JsonFault::NotAnArray),
            (b"null", JsonFault::NotAnArray),
            (b"[", JsonFault::EndsEarly),
            (b"[]]", JsonFault::Syntax),
            (b"[{\"op\":\"a\",\"op\":\"b\"}]", JsonFault::DuplicateMember),
        ] {
            assert_eq!(parse_array(text).unwrap_err().fault, expected, "{}", String::from_utf8_lossy(text));
        }
    }

    #[test]
    fn nesting_is_bounded() {
        assert_eq!(fault(&nested(127)), None);
        assert_eq!(fault(&nested(128)), Some(JsonFault::Syntax));
        assert_eq!(fault(&nested(100_000)), Some(JsonFault::Syntax));
    }

    #[test]
    fn errors_name_the_place_and_nothing_of_the_text() {
        let error = parse_object(b"{\"s3cret\":1,\n\"s3cret\":2}").unwrap_err();
        assert_eq!(error.to_string(), "a member stands twice in an object at line 2, column 11");
        assert!(!format!("{error:?}").contains("s3cret"));
    }
}
