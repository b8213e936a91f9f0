//! JSON Patch (RFC 6902) with JSON Pointer (RFC 6901), on documents of our own size.
//!
//! A patch is read once, before any object is looked at, and applied to the document that is stored. It cannot be made to
//! cost more than it is long: copies can double a document with every operation, and moves can nest it deeper than any
//! reader goes, so that size, depth and work are bounded.

use std::fmt;

use claviger_domain::{Violation, Violations, codes};
use serde_json::{Map, Value};

use super::json::not_json;

/// The operations of one patch.
pub(super) const MAXIMUM_OPERATIONS: usize = 1024;
/// How deep a document may be nested, its outermost object included: as deep as one that comes in a body.
const MAXIMUM_DEPTH: usize = 127;
/// What a patch may cost, in values that are looked at.
const MAXIMUM_WORK: usize = 4 * 1024 * 1024;
/// How many values may be looked at for one that is copied: copies take memory.
const COPY_COST: usize = 8;
/// How many bytes of a text, or items of a list that make room, cost as much as one value.
const BULK: usize = 32;

/// A place in a document: the names and indices on the way to it.
type Pointer = Vec<String>;

/// A list of operations, to be applied in this order.
pub(super) struct JsonPatch(Vec<Operation>);

enum Operation {
    Add(Pointer, Value),
    Remove(Pointer),
    Replace(Pointer, Value),
    Move { from: Pointer, to: Pointer },
    Copy { from: Pointer, to: Pointer },
    Test(Pointer, Value),
}

impl fmt::Debug for JsonPatch {
    /// Their number only: values can be secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "JsonPatch({} operations)", self.0.len())
    }
}

/// Why an operation cannot be performed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Failure {
    /// There is no such place.
    NoSuchPlace,
    /// The value is another.
    Test,
    /// The document gets too large or too deep, or the work too much.
    TooLarge,
}

impl JsonPatch {
    /// Reads the body of a request.
    ///
    /// # Errors
    /// Everything that keeps it from being a list of operations; whether these fit the document turns out later. Nothing of
    /// the body is repeated.
    pub(super) fn read(body: &[u8]) -> Result<Self, Violations> {
        let items = claviger_crypto::parse_array(body).map_err(not_json)?;
        if items.len() > MAXIMUM_OPERATIONS {
            return Err((&codes::JSON_PATCH_TOO_LARGE).into());
        }
        let mut violations = Violations::none();
        let operations: Vec<_> = items
            .into_iter()
            .enumerate()
            .filter_map(|(number, item)| operation(number, item, &mut violations))
            .collect();
        violations.into_result(Self(operations))
    }

    /// Performs the operations one after the other; the first that fails ends it.
    ///
    /// # Errors
    /// Which operation failed, and how.
    pub(super) fn apply(&self, mut document: Value) -> Result<Value, Violations> {
        let mut work = Work { left: MAXIMUM_WORK };
        for (number, operation) in self.0.iter().enumerate() {
            operation.perform(&mut document, &mut work).map_err(|failure| failed(number, failure))?;
        }
        Ok(document)
    }

    /// Whether an operation takes the value at this place away, or puts `null` there.
    pub(super) fn clears(&self, place: &[&str]) -> bool {
        self.0.iter().any(|operation| match operation {
            Operation::Remove(path)
            | Operation::Add(path, Value::Null)
            | Operation::Replace(path, Value::Null) => path == place,
            _ => false,
        })
    }
}

fn failed(number: usize, failure: Failure) -> Violations {
    let (code, what) = match failure {
        Failure::NoSuchPlace => {
            (&codes::JSON_PATCH_NOT_APPLICABLE, "names a place that is not in the document")
        }
        Failure::Test => (&codes::JSON_PATCH_TEST_FAILED, "tests for a value that is not there"),
        Failure::TooLarge => {
            (&codes::JSON_PATCH_TOO_LARGE, "makes the document too large, too deep, or costs too much")
        }
    };
    Violation::new(code).with_message(format!("Operation {number}, counted from 0, {what}.")).into()
}

/// One operation; what is wrong with it is reported at its members. Members that it does not need are ignored (section 4).
fn operation(number: usize, item: Value, violations: &mut Violations) -> Option<Operation> {
    let mut wrong = |member: &str, expected: &str| {
        let path = format!("[{number}]{member}");
        let message = format!("{path} must be {expected}.");
        violations.push(Violation::at(&codes::INVALID_JSON, path).with_message(message));
    };
    let Value::Object(mut members) = item else {
        wrong("", "an object");
        return None;
    };
    let mut place = |members: &Map<String, Value>, name: &str| {
        let place = members.get(name).and_then(Value::as_str).and_then(pointer);
        if place.is_none() {
            wrong(&format!(".{name}"), "a JSON Pointer, empty or beginning with '/'");
        }
        place
    };
    let path = place(&members, "path");
    let name = members.get("op").and_then(Value::as_str).unwrap_or_default();
    match name {
        "remove" => Some(Operation::Remove(path?)),
        "move" | "copy" => {
            let is_move = name == "move";
            let (from, to) = (place(&members, "from")?, path?);
            Some(if is_move { Operation::Move { from, to } } else { Operation::Copy { from, to } })
        }
        "add" | "replace" | "test" => {
            let make = match name {
                "add" => Operation::Add,
                "replace" => Operation::Replace,
                _ => Operation::Test,
            };
            let Some(value) = members.swap_remove("value") else {
                wrong(".value", "there, if only as null");
                return None;
            };
            Some(make(path?, value))
        }
        _ => {
            wrong(".op", "add, remove, replace, move, copy or test");
            None
        }
    }
}

/// The names in a pointer (RFC 6901, sections 3 and 4): `~1` is a slash, `~0` a tilde, and no tilde stands alone.
fn pointer(text: &str) -> Option<Pointer> {
    if text.is_empty() {
        return Some(Pointer::new());
    }
    text.strip_prefix('/')?.split('/').map(unescaped).collect()
}

fn unescaped(token: &str) -> Option<String> {
    let mut parts = token.split('~');
    let mut name = parts.next()?.to_owned();
    for part in parts {
        let (character, rest) = match (part.strip_prefix('0'), part.strip_prefix('1')) {
            (Some(rest), _) => ('~', rest),
            (_, Some(rest)) => ('/', rest),
            (None, None) => return None,
        };
        name.push(character);
        name.push_str(rest);
    }
    Some(name)
}

/// An index of a list: decimal digits without leading zeros.
fn index(token: &str) -> Option<usize> {
    let canonical = token == "0" || !token.starts_with('0');
    let digits = !token.is_empty() && token.bytes().all(|byte| byte.is_ascii_digit());
    (canonical && digits).then(|| token.parse().ok()).flatten()
}

fn find<'a>(document: &'a Value, place: &[String]) -> Option<&'a Value> {
    place.iter().try_fold(document, |value, token| match value {
        Value::Object(members) => members.get(token),
        Value::Array(items) => items.get(index(token)?),
        _ => None,
    })
}

fn find_mut<'a>(document: &'a mut Value, place: &[String]) -> Option<&'a mut Value> {
    place.iter().try_fold(document, |value, token| match value {
        Value::Object(members) => members.get_mut(token),
        Value::Array(items) => items.get_mut(index(token)?),
        _ => None,
    })
}

impl Operation {
    fn perform(&self, document: &mut Value, work: &mut Work) -> Result<(), Failure> {
        match self {
            Self::Add(path, value) => {
                work.measure(value, path.len(), 1)?;
                add(document, path, value.clone(), work)
            }
            Self::Remove(path) => remove(document, path, work).map(drop),
            Self::Replace(path, value) => {
                work.measure(value, path.len(), 1)?;
                *find_mut(document, path).ok_or(Failure::NoSuchPlace)? = value.clone();
                Ok(())
            }
            Self::Move { from, to } => {
                let value = find(document, from).ok_or(Failure::NoSuchPlace)?;
                if from == to {
                    return Ok(());
                }
                // Into itself: the place would be gone before anything could be put there.
                if to.starts_with(from) {
                    return Err(Failure::NoSuchPlace);
                }
                work.measure(value, to.len(), 1)?;
                let value = remove(document, from, work)?;
                add(document, to, value, work)
            }
            Self::Copy { from, to } => {
                let value = find(document, from).ok_or(Failure::NoSuchPlace)?;
                work.measure(value, to.len(), COPY_COST)?;
                let value = value.clone();
                add(document, to, value, work)
            }
            Self::Test(path, value) => match find(document, path) {
                None => Err(Failure::NoSuchPlace),
                Some(own) if equal(own, value) => Ok(()),
                Some(_) => Err(Failure::Test),
            },
        }
    }
}

fn add(document: &mut Value, path: &[String], value: Value, work: &mut Work) -> Result<(), Failure> {
    let Some((name, parent)) = path.split_last() else {
        *document = value;
        return Ok(());
    };
    match find_mut(document, parent) {
        Some(Value::Object(members)) => {
            members.insert(name.clone(), value);
            Ok(())
        }
        Some(Value::Array(items)) => {
            let index = if name == "-" { Some(items.len()) } else { index(name) };
            let index = index.filter(|index| *index <= items.len()).ok_or(Failure::NoSuchPlace)?;
            work.take((items.len() - index) / BULK)?;
            items.insert(index, value);
            Ok(())
        }
        _ => Err(Failure::NoSuchPlace),
    }
}

/// Takes a value out. The order of members means nothing, so the last one may take the place of the one that goes.
fn remove(document: &mut Value, path: &[String], work: &mut Work) -> Result<Value, Failure> {
    let (name, parent) = path.split_last().ok_or(Failure::NoSuchPlace)?;
    match find_mut(document, parent) {
        Some(Value::Object(members)) => members.swap_remove(name).ok_or(Failure::NoSuchPlace),
        Some(Value::Array(items)) => {
            let index = index(name).filter(|index| *index < items.len()).ok_or(Failure::NoSuchPlace)?;
            work.take((items.len() - index) / BULK)?;
            Ok(items.remove(index))
        }
        _ => Err(Failure::NoSuchPlace),
    }
}

/// What is left of the work that a patch may make.
struct Work {
    left: usize,
}

impl Work {
    fn take(&mut self, cost: usize) -> Result<(), Failure> {
        self.left = self.left.checked_sub(cost).ok_or(Failure::TooLarge)?;
        Ok(())
    }

    /// Pays for a value that is put at a place so deep, and checks that it does not get too deep there.
    fn measure(&mut self, value: &Value, depth: usize, cost: usize) -> Result<(), Failure> {
        let text = |text: &str| (1 + text.len() / BULK) * cost;
        let inside = depth + 1;
        match value {
            Value::Array(_) | Value::Object(_) if inside > MAXIMUM_DEPTH => Err(Failure::TooLarge),
            Value::Array(items) => {
                self.take(cost)?;
                items.iter().try_for_each(|item| self.measure(item, inside, cost))
            }
            Value::Object(members) => {
                self.take(cost)?;
                members.iter().try_for_each(|(name, member)| {
                    self.take(text(name))?;
                    self.measure(member, inside, cost)
                })
            }
            Value::String(own) => self.take(text(own)),
            _ => self.take(cost),
        }
    }
}

/// Whether two values are the same (section 4.6): numbers by what they are worth, lists with their order, objects without.
fn equal(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| equal(a, b)),
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(name, a)| b.get(name).is_some_and(|b| equal(a, b)))
        }
        (Value::Number(a), Value::Number(b)) => a == b || whole(a).is_some_and(|a| whole(b) == Some(a)),
        _ => a == b,
    }
}

/// The value of a whole number, be it written with a fraction of zeros. Beyond 2^64 both are written so, and compare as they
/// are.
fn whole(number: &serde_json::Number) -> Option<i128> {
    if let Some(whole) = number.as_i128() {
        return Some(whole);
    }
    let float = number.as_f64().filter(|float| float.fract() == 0.0 && float.abs() < 2_f64.powi(64))?;
    // The shortest text of a whole number in this range has no exponent.
    format!("{float:.0}").parse().ok()
}

#[cfg(test)]
mod tests;
