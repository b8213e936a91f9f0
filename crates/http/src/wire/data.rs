//! The member `data` of FusionAuth's types: an object that is kept and returned as it was given, but not acted on.

use claviger_domain::{Code, KeptDocument, Violations};
use serde_json::Value;

use super::json::{Members, sorted};

/// The longest `data`, in bytes of its text. One request cannot send more, but patches add up.
const MAXIMUM_DATA: usize = 1024 * 1024;

/// Takes the member out. One that is too long is reported under its own code.
pub(crate) fn take(
    members: &mut Members,
    too_long: &'static Code,
    violations: &mut Violations,
) -> Option<KeptDocument> {
    let text = Value::Object(members.object("data", violations)?.into_rest()).to_string();
    if text.len() > MAXIMUM_DATA {
        violations.add(too_long);
    }
    Some(KeptDocument::from_json(text))
}

/// What is shown of it, members in alphabetical order.
pub(crate) fn shown(data: Option<&KeptDocument>) -> Option<Value> {
    serde_json::from_str(data?.as_json()).ok().map(sorted)
}
