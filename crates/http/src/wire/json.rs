//! Strict reading of JSON bodies.
//!
//! A document with a member twice is refused (two readers could disagree about it), unknown members are refused (a
//! misspelt `permissions` must not make an unrestricted key), and everything that is wrong is collected with the path
//! of the member, so that a caller learns all of it at once.

use std::str::FromStr;

use claviger_crypto::{JsonError, JsonFault};
use claviger_domain::{MAXIMUM_VIOLATIONS, Violation, Violations, codes};
use serde_json::{Map, Value};

/// The longest name of a member that an answer repeats, in bytes; those of FusionAuth's types have at most 40.
const LONGEST_REPEATED_NAME: usize = 40;
/// The most digits in such a name: `sha256Thumbprint` has three.
const MOST_REPEATED_DIGITS: usize = 3;

/// The JSON object in `bytes`. Nesting is limited to 127 levels by the parser.
///
/// # Errors
/// A violation that says where the text stops being one JSON object without duplicate members.
pub(crate) fn parse_object(bytes: &[u8]) -> Result<Map<String, Value>, Violations> {
    claviger_crypto::parse_object(bytes).map_err(not_json)
}

/// Says what keeps a body from being the JSON that is expected.
pub(super) fn not_json(error: JsonError) -> Violations {
    let reason = match error.fault {
        JsonFault::NotAnObject => return broken("The body must be a JSON object.".to_owned()),
        JsonFault::NotAnArray => return broken("The body must be a JSON array.".to_owned()),
        JsonFault::EndsEarly => "it ends too early",
        JsonFault::DuplicateMember => "a member stands twice in an object",
        JsonFault::Syntax => "it cannot be read",
    };
    broken(format!("The body is not valid JSON: {reason} at line {}, column {}.", error.line, error.column))
}

fn broken(message: String) -> Violations {
    Violation::new(&codes::INVALID_JSON).with_message(message).into()
}

/// The members of one object while they are read: each reader takes its member out, [`finish`](Self::finish) refuses
/// what nobody asked for. A member that is `null` counts as absent, except where a reader says otherwise.
pub(crate) struct Members {
    path: String,
    members: Map<String, Value>,
}

impl Members {
    /// The members of the document itself.
    pub(crate) fn of_document(members: Map<String, Value>) -> Self {
        Self { path: String::new(), members }
    }

    /// The members of an item of a list, which must be an object; `path` is that of the item.
    pub(crate) fn of_item(path: String, item: Value, violations: &mut Violations) -> Option<Self> {
        match item {
            Value::Object(members) => Some(Self { path, members }),
            _ => {
                not_of_type(path, "an object", violations);
                None
            }
        }
    }

    /// The path of a member of this object, with `*` for a name that is not repeated.
    pub(crate) fn path_of(&self, name: &str) -> String {
        let name = if is_repeatable(name) { name } else { "*" };
        if self.path.is_empty() { name.to_owned() } else { format!("{}.{name}", self.path) }
    }

    /// Takes a member as it is; `None` when it is absent or `null`.
    pub(crate) fn take(&mut self, name: &str) -> Option<Value> {
        self.members.shift_remove(name).filter(|value| !value.is_null())
    }

    /// Members of the type that mean nothing in this request: taken out, whatever they hold.
    pub(crate) fn ignore(&mut self, names: &[&str]) {
        for name in names {
            self.members.shift_remove(*name);
        }
    }

    /// The members that are left, as they are.
    pub(crate) fn into_rest(self) -> Map<String, Value> {
        self.members
    }

    /// The number of members that are left.
    pub(crate) fn len(&self) -> usize {
        self.members.len()
    }

    /// The names of the members that are left.
    pub(crate) fn names(&self) -> Vec<String> {
        self.members.keys().cloned().collect()
    }

    fn wrong_type(&self, name: &str, expected: &str, violations: &mut Violations) {
        not_of_type(self.path_of(name), expected, violations);
    }

    /// A member that is an object.
    pub(crate) fn object(&mut self, name: &str, violations: &mut Violations) -> Option<Self> {
        match self.take(name)? {
            Value::Object(members) => Some(Self { path: self.path_of(name), members }),
            _ => {
                self.wrong_type(name, "an object", violations);
                None
            }
        }
    }

    /// A member that is a list, of whatever items.
    pub(crate) fn list(&mut self, name: &str, violations: &mut Violations) -> Option<Vec<Value>> {
        match self.take(name)? {
            Value::Array(items) => Some(items),
            _ => {
                self.wrong_type(name, "a list", violations);
                None
            }
        }
    }

    /// A member that is a string.
    pub(crate) fn text(&mut self, name: &str, violations: &mut Violations) -> Option<String> {
        match self.take(name)? {
            Value::String(text) => Some(text),
            _ => {
                self.wrong_type(name, "a string", violations);
                None
            }
        }
    }

    /// A member that is `true` or `false`.
    pub(crate) fn flag(&mut self, name: &str, violations: &mut Violations) -> Option<bool> {
        match self.take(name)? {
            Value::Bool(flag) => Some(flag),
            _ => {
                self.wrong_type(name, "true or false", violations);
                None
            }
        }
    }

    /// A member that is a whole number in the range of 64 bits.
    pub(crate) fn whole_number(&mut self, name: &str, violations: &mut Violations) -> Option<i64> {
        let number = self.take(name)?;
        let whole = number.as_i64();
        if whole.is_none() {
            self.wrong_type(name, "a whole number", violations);
        }
        whole
    }

    /// A member that is a whole number, or the text of one: `key.length` is documented as a string.
    pub(crate) fn whole_number_or_text(&mut self, name: &str, violations: &mut Violations) -> Option<i64> {
        if let Some(Value::String(text)) = self.members.get(name)
            && let Ok(number) = text.parse::<i64>()
        {
            self.members.shift_remove(name);
            return Some(number);
        }
        self.whole_number(name, violations)
    }

    /// A member that is the text of an id; Go clients leave unset ids as empty texts, which count as absent.
    pub(crate) fn id<T: FromStr>(&mut self, name: &str, violations: &mut Violations) -> Option<T> {
        let text = self.text(name, violations)?;
        if text.is_empty() {
            return None;
        }
        let id = text.parse().ok();
        if id.is_none() {
            self.wrong_type(name, "a UUID", violations);
        }
        id
    }

    /// A member that is a list of ids.
    pub(crate) fn ids<T: FromStr>(&mut self, name: &str, violations: &mut Violations) -> Option<Vec<T>> {
        let value = self.take(name)?;
        let ids = value.as_array().and_then(|items| {
            items
                .iter()
                .map(|item| item.as_str().and_then(|text| text.parse().ok()))
                .collect::<Option<Vec<T>>>()
        });
        if ids.is_none() {
            self.wrong_type(name, "a list of UUIDs", violations);
        }
        ids
    }

    /// Refuses what is left.
    pub(crate) fn finish(self, violations: &mut Violations) {
        for name in self.members.keys().take(MAXIMUM_VIOLATIONS) {
            let path = self.path_of(name);
            violations.push(
                Violation::new(&codes::INVALID_JSON)
                    .with_message(format!("The member {path:?} is not known here.")),
            );
        }
    }
}

fn not_of_type(path: String, expected: &str, violations: &mut Violations) {
    let message = format!("{path} must be {expected}.");
    violations.push(Violation::at(&codes::INVALID_JSON, path).with_message(message));
}

/// Whether an answer may repeat the name of a member. Misspelt names help whoever reads the answer; an API key that stands
/// where a name belongs must not get from there into the logs of clients. Names are short and have hardly any digits.
fn is_repeatable(name: &str) -> bool {
    let digits = name.bytes().filter(u8::is_ascii_digit).count();
    let of_names = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    name.len() <= LONGEST_REPEATED_NAME && digits <= MOST_REPEATED_DIGITS && name.bytes().all(of_names)
}

/// The same document with the members of every object in alphabetical order, as FusionAuth writes them.
pub(crate) fn sorted(value: Value) -> Value {
    match value {
        Value::Object(members) => {
            let mut members: Vec<_> =
                members.into_iter().map(|(name, value)| (name, sorted(value))).collect();
            members.sort_by(|(a, _), (b, _)| a.cmp(b));
            Value::Object(members.into_iter().collect())
        }
        Value::Array(items) => Value::Array(items.into_iter().map(sorted).collect()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn refused(body: &[u8], words: &str) {
        let violations = parse_object(body).unwrap_err();
        let first = violations.iter().next().unwrap();
        assert_eq!(first.code(), "[invalidJSON]");
        assert!(first.message().contains(words), "{}", first.message());
    }

    #[test]
    fn refuses_what_is_not_one_strict_object() {
        refused(b"", "ends too early");
        refused(b"{", "ends too early");
        refused(b"{\"a\":1}x", "cannot be read");
        refused(b"[]", "must be a JSON object");
        refused(b"\"secret\"", "must be a JSON object");
        refused(b"{\"a\":1,\"a\":1}", "stands twice");
        refused(b"{\"a\":{\"b\":[{\"c\":1,\"c\":null}]}}", "stands twice");
        refused(b"{\"a\":\"\xff\"}", "cannot be read");
        refused(&[b"{\"a\":".repeat(200), b"1".to_vec(), b"}".repeat(200)].concat(), "cannot be read");
    }

    #[test]
    fn errors_do_not_quote_the_body() {
        let violations = parse_object(b"{\"key\":\"s3cret\",\"key\":tru}").unwrap_err();
        assert!(violations.iter().all(|violation| !violation.message().contains("s3cret")));
    }

    #[test]
    fn names_are_repeated_unless_they_may_be_secrets() {
        for name in ["permisions", "key-manager", "sha256Thumbprint", "accessTokenVerificationKeyIds"] {
            assert!(is_repeatable(name), "{name}");
        }
        for name in [
            "clv_yhjskwdA6OZ1AL1YmHWZWm8LLG7HjnuCA2j5rOw8Xp13cWa8L",
            "780e1d5b-ee3b-43b2-aec8-db99b99adc4e",
            "704048fad6c18006f4de49d4b9bf3c73",
            "a b",
            "\u{7f}",
            &"a".repeat(41),
        ] {
            assert!(!is_repeatable(name), "{name}");
            let document = json!({ "o": { name: 1 } }).as_object().unwrap().clone();
            let mut violations = Violations::none();
            let mut root = Members::of_document(document);
            let mut object = root.object("o", &mut violations).unwrap();
            assert_eq!(object.text(name, &mut violations), None);
            assert_eq!(violations.iter().next().and_then(Violation::field), Some("o.*"));
        }
    }

    #[test]
    fn reports_every_wrong_member_with_its_path() {
        let mut violations = Violations::none();
        let mut root = Members::of_document(
            parse_object(br#"{"o":{"t":1,"f":"x","n":1.5,"i":"x","u":true,"z":null}}"#).unwrap(),
        );
        let mut object = root.object("o", &mut violations).unwrap();
        assert_eq!(object.text("t", &mut violations), None);
        assert_eq!(object.flag("f", &mut violations), None);
        assert_eq!(object.whole_number("n", &mut violations), None);
        assert_eq!(object.id::<claviger_domain::KeyId>("i", &mut violations), None);
        assert_eq!(object.text("z", &mut violations), None);
        object.finish(&mut violations);
        let fields: Vec<_> = violations.iter().map(|v| v.field().unwrap_or("-").to_owned()).collect();
        assert_eq!(fields, ["o.t", "o.f", "o.n", "o.i", "-"]);
    }

    #[test]
    fn sorts_members_at_every_level() {
        assert_eq!(
            sorted(json!({"b": {"d": 1, "c": 2}, "a": []})).to_string(),
            r#"{"a":[],"b":{"c":2,"d":1}}"#
        );
    }
}
