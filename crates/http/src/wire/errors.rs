//! The body of a refused request (FusionAuth: Errors): `fieldErrors`, an object from path to list, and
//! `generalErrors`, a list. A part without entries is left out.

use std::collections::BTreeMap;

use claviger_domain::Violations;
use serde::Serialize;

#[derive(Serialize)]
struct Error<'a> {
    code: String,
    message: &'a str,
}

/// The body that reports these violations.
#[derive(Serialize)]
pub(crate) struct Errors<'a> {
    #[serde(rename = "fieldErrors", skip_serializing_if = "BTreeMap::is_empty")]
    field_errors: BTreeMap<&'a str, Vec<Error<'a>>>,
    #[serde(rename = "generalErrors", skip_serializing_if = "Vec::is_empty")]
    general_errors: Vec<Error<'a>>,
}

/// The body that reports an error which shows up before it is known which API the caller believes to speak to: Fusion's
/// members beside FusionAuth's.
#[derive(Serialize)]
pub(crate) struct ErrorsOfBothDialects<'a> {
    /// Fusion's code.
    pub(crate) code: &'static str,
    /// The sentence.
    pub(crate) message: &'static str,
    /// FusionAuth's part.
    #[serde(flatten)]
    pub(crate) errors: Errors<'a>,
}

impl<'a> From<&'a Violations> for Errors<'a> {
    fn from(violations: &'a Violations) -> Self {
        let mut errors = Self { field_errors: BTreeMap::new(), general_errors: Vec::new() };
        for violation in violations.iter() {
            let error = Error { code: violation.code(), message: violation.message() };
            match violation.field() {
                Some(path) => errors.field_errors.entry(path).or_default().push(error),
                None => errors.general_errors.push(error),
            }
        }
        errors
    }
}

#[cfg(test)]
mod tests {
    use claviger_domain::{Violation, codes};
    use serde_json::json;

    use super::*;

    #[test]
    fn empty_parts_are_left_out() {
        let mut violations = Violations::from(&codes::KEY_NAME_BLANK);
        assert_eq!(
            serde_json::to_value(Errors::from(&violations)).unwrap(),
            json!({"fieldErrors": {"key.name": [{"code": "[blank]key.name", "message": "The name is required."}]}})
        );
        violations.push(Violation::new(&codes::INVALID_TENANT_ID));
        let both = serde_json::to_value(Errors::from(&violations)).unwrap();
        assert_eq!(both["generalErrors"][0]["code"], "[InvalidTenantId]");
    }
}
