//! What stands for something else in the texts of a Kickstart file: `#{NAME}` for a variable, `@{FILE}` for the text of a
//! file, `&{FILE}` for the JSON of one. A backslash before any of these takes the meaning away.
//!
//! What is put in is never looked at again: a value that contains `#{` stays as it is.

use std::collections::HashMap;

use claviger_crypto::{SystemRandom, random_array};
use claviger_domain::TenantId;
use serde_json::Value;

use super::Environment;

/// What the application of FusionAuth's own console is called on every instance.
const FUSIONAUTH_APPLICATION_ID: &str = "3c219e58-ed0e-4b18-ad48-f4f92793ae32";
/// Names that FusionAuth gives values to; those that are not known here have none.
const OWN_NAMES: [&str; 2] = ["FUSIONAUTH_", "TENANT_MANAGER_ID"];
/// The longest name that a message repeats, and the most digits in it: keys and passwords have more.
const LONGEST_NAME: usize = 48;
const MOST_DIGITS: usize = 4;

/// A part of a text.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Piece<'t> {
    /// Text that means itself.
    Literal(String),
    /// `#{NAME}`
    Name(&'t str),
    /// `@{FILE}`
    TextFile(&'t str),
    /// `&{FILE}`
    JsonFile(&'t str),
}

/// Takes a text apart.
///
/// # Errors
/// When something is opened and not closed.
pub(super) fn pieces(text: &str) -> Result<Vec<Piece<'_>>, String> {
    let mut pieces = Vec::new();
    let mut literal = String::new();
    let mut rest = text;
    while let Some((at, opener)) = next_opener(rest) {
        let (before, opened) = rest.split_at(at);
        let inside = opened.strip_prefix(opener).unwrap_or_default();
        if let Some(before) = before.strip_suffix('\\') {
            literal.push_str(before);
            literal.push_str(opener);
            rest = inside;
            continue;
        }
        literal.push_str(before);
        let (name, after) = inside.split_once('}').ok_or_else(|| {
            format!("{opener} is not closed by }}; a text that means itself is written \\\\{opener} in JSON")
        })?;
        if !literal.is_empty() {
            pieces.push(Piece::Literal(std::mem::take(&mut literal)));
        }
        pieces.push(match opener {
            "#{" => Piece::Name(name),
            "@{" => Piece::TextFile(name),
            _ => Piece::JsonFile(name),
        });
        rest = after;
    }
    literal.push_str(rest);
    if !literal.is_empty() || pieces.is_empty() {
        pieces.push(Piece::Literal(literal));
    }
    Ok(pieces)
}

/// The first place in a text where something is opened.
fn next_opener(text: &str) -> Option<(usize, &'static str)> {
    ["#{", "@{", "&{"].into_iter().filter_map(|opener| Some((text.find(opener)?, opener))).min()
}

/// What names stand for.
pub(super) struct Names {
    pub(super) environment: Environment,
    /// Those that the server defines.
    pub(super) own: [(&'static str, String); 3],
    /// Those of the file.
    pub(super) variables: HashMap<String, Value>,
}

impl Names {
    /// With the names that the server defines, and no variables yet.
    pub(super) fn new(environment: Environment, default_tenant_id: String, signing_key_id: String) -> Self {
        let own = [
            ("FUSIONAUTH_APPLICATION_ID", FUSIONAUTH_APPLICATION_ID.to_owned()),
            ("FUSIONAUTH_DEFAULT_SIGNING_KEY_ID", signing_key_id),
            ("FUSIONAUTH_TENANT_ID", default_tenant_id),
        ];
        Self { environment, own, variables: HashMap::new() }
    }

    /// What a name stands for: a text, a number, or true or false.
    ///
    /// # Errors
    /// When there is nothing of this name.
    pub(super) fn value(&self, name: &str) -> Result<Value, String> {
        if let Some(value) = self.outer(name)? {
            return Ok(value);
        }
        let own = self.own.iter().find(|(own, _)| *own == name);
        match own.map(|(_, text)| Value::from(text.as_str())).or_else(|| self.variables.get(name).cloned()) {
            Some(value) => Ok(value),
            None if is_own(name) => Err(format!("{} has no value on this server", shown(name))),
            None => Err(format!("there is no variable {}", shown(name))),
        }
    }

    /// What a name stands for that may be used in variables as well.
    ///
    /// # Errors
    /// When it names an environment variable that is not set.
    pub(super) fn outer(&self, name: &str) -> Result<Option<Value>, String> {
        if name == "UUID()" {
            let bytes = random_array::<16>(&mut SystemRandom).map_err(|error| error.to_string())?;
            return Ok(Some(Value::from(TenantId::from_random_bytes(bytes).to_string())));
        }
        let Some(variable) = name.strip_prefix("ENV.") else { return Ok(None) };
        match (self.environment)(variable) {
            Some(text) => Ok(Some(Value::from(text))),
            None => Err(format!("the environment variable {} is not set, or is no UTF-8", shown(variable))),
        }
    }
}

/// Whether a name is one to which the server gives the value, and nobody else.
pub(super) fn is_own(name: &str) -> bool {
    name == "UUID()" || name.starts_with("ENV.") || OWN_NAMES.iter().any(|own| name.starts_with(own))
}

/// A name for a message, unless it may be something else: an opened text in the middle of a password, say.
pub(super) fn shown(name: &str) -> String {
    let of_names = |byte: u8| byte.is_ascii_alphanumeric() || b"._-()[]".contains(&byte);
    let digits = name.bytes().filter(u8::is_ascii_digit).count();
    if (1..=LONGEST_NAME).contains(&name.len()) && digits <= MOST_DIGITS && name.bytes().all(of_names) {
        format!("{name:?}")
    } else {
        "of this name".to_owned()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::json;

    use super::*;

    fn literal(text: &str) -> Piece<'_> {
        Piece::Literal(text.to_owned())
    }

    #[test]
    fn texts_are_taken_apart() {
        for (text, expected) in [
            ("", vec![literal("")]),
            ("plain { } # @ & $", vec![literal("plain { } # @ & $")]),
            ("#{a}", vec![Piece::Name("a")]),
            ("a#{b}c#{d}", vec![literal("a"), Piece::Name("b"), literal("c"), Piece::Name("d")]),
            ("#{a}#{a}", vec![Piece::Name("a"), Piece::Name("a")]),
            ("@{a/b.txt}", vec![Piece::TextFile("a/b.txt")]),
            ("&{a.json}", vec![Piece::JsonFile("a.json")]),
            ("#{a{b}", vec![Piece::Name("a{b")]),
            ("##{a}}", vec![literal("#"), Piece::Name("a"), literal("}")]),
            ("#{user.name} #{UUID()}", vec![Piece::Name("user.name"), literal(" "), Piece::Name("UUID()")]),
            ("#{}", vec![Piece::Name("")]),
            ("ä#{é}ö", vec![literal("ä"), Piece::Name("é"), literal("ö")]),
        ] {
            assert_eq!(pieces(text), Ok(expected), "{text}");
        }
    }

    /// The escapes of FusionAuth's example, with JSON's own resolved.
    #[test]
    fn a_backslash_takes_the_meaning_away() {
        for (text, expected) in [
            (r"\#{a}", "#{a}"),
            (r"\&{a.json}", "&{a.json}"),
            (r"\@{a.txt}", "@{a.txt}"),
            (r"\\#{a}", r"\#{a}"),
            (r"\#{never closed", "#{never closed"),
            (r"\n \# \ ", r"\n \# \ "),
        ] {
            assert_eq!(pieces(text), Ok(vec![literal(expected)]), "{text}");
        }
        assert_eq!(pieces(r"\#{a}#{b}"), Ok(vec![literal("#{a}"), Piece::Name("b")]));
    }

    #[test]
    fn what_is_opened_is_closed() {
        for text in ["#{", "a #{b", "#{a} #{b", "@{file", "&{file", r"\#{a} #{b"] {
            let told = pieces(text).unwrap_err();
            assert!(
                told.contains("is not closed") && !told.contains('a'.to_string().repeat(2).as_str()),
                "{told}"
            );
        }
    }

    fn names() -> Names {
        let environment: Environment = Arc::new(|name| (name == "HOME").then(|| "#{secret}".to_owned()));
        let mut names = Names::new(environment, "tenant".to_owned(), "key".to_owned());
        for (name, value) in [("secret", json!("s3cret")), ("port", json!(25)), ("on", json!(true))] {
            names.variables.insert(name.to_owned(), value);
        }
        names
    }

    #[test]
    fn names_have_values() {
        let names = names();
        assert_eq!(names.value("secret"), Ok(json!("s3cret")));
        assert_eq!(names.value("port"), Ok(json!(25)));
        assert_eq!(names.value("on"), Ok(json!(true)));
        assert_eq!(names.value("ENV.HOME"), Ok(json!("#{secret}")));
        assert_eq!(names.value("FUSIONAUTH_TENANT_ID"), Ok(json!("tenant")));
        assert_eq!(names.value("FUSIONAUTH_DEFAULT_SIGNING_KEY_ID"), Ok(json!("key")));
        assert_eq!(names.value("FUSIONAUTH_APPLICATION_ID"), Ok(json!(FUSIONAUTH_APPLICATION_ID)));
        let (one, other) = (names.value("UUID()").unwrap(), names.value("UUID()").unwrap());
        assert!(one != other && one.as_str().unwrap().parse::<TenantId>().is_ok());
    }

    #[test]
    fn unknown_names_are_told_unless_they_may_be_secrets() {
        let names = names();
        for (name, expected) in [
            ("adminEmail", "there is no variable \"adminEmail\""),
            ("Secret", "there is no variable \"Secret\""),
            ("", "there is no variable of this name"),
            (" secret", "there is no variable of this name"),
            ("pass word!", "there is no variable of this name"),
            ("chosen-7f00a1b2c3", "there is no variable of this name"),
            ("ENV.PATH", "the environment variable \"PATH\" is not set, or is no UTF-8"),
            (
                "FUSIONAUTH_FORM[adminUser]_ID",
                "\"FUSIONAUTH_FORM[adminUser]_ID\" has no value on this server",
            ),
            ("UUID", "there is no variable \"UUID\""),
        ] {
            assert_eq!(names.value(name), Err(expected.to_owned()), "{name}");
        }
    }
}
