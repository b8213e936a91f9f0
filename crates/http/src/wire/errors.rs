//! The body of a refused request (FusionAuth: Errors): `fieldErrors`, an object from path to list, and
//! `generalErrors`, a list. A part without entries is left out.

use std::collections::BTreeMap;

use claviger_domain::{Code, Violations, codes};
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

/// The body of a refused request in Fusion's dialect.
#[derive(Serialize)]
pub(crate) struct FusionErrorBody<'a> {
    pub(crate) code: &'static str,
    pub(crate) message: &'a str,
}

/// Status, code and meaning.
pub type FusionCodeRow = (u16, &'static str, &'static str);

macro_rules! fusion_codes {
    ($($(#[$doc:meta])* $name:ident = $status:literal $text:literal, $meaning:literal;)*) => {
        /// The codes of Fusion's dialect.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) enum FusionCode { $(#[doc = $meaning] $name),* }

        impl FusionCode {
            /// The code as it is sent.
            pub(crate) const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text),* }
            }

            /// The status that goes with it.
            pub(crate) const fn status(self) -> u16 {
                match self { $(Self::$name => $status),* }
            }
        }

        /// Status, code and meaning of every error in Fusion's dialect, for the documentation.
        pub static FUSION_CODES: &[FusionCodeRow] = &[$(($status, $text, $meaning)),*];
    };
}

fusion_codes! {
    AdminKeyNotAllowed = 400 "admin-key-not-allowed", "The roles allow everything, and the settings forbid to make such a key here.";
    AmbiguousCredentials = 400 "ambiguous-credentials", "The request carries more than one API key.";
    InvalidId = 400 "invalid-id", "The id could not stand in a path.";
    InvalidJson = 400 "invalid-json", "The body is not the JSON that is expected here.";
    InvalidName = 400 "invalid-name", "The name is too long, or contains what names must not.";
    InvalidPermission = 400 "invalid-permission", "A permission of the role breaks the grammar.";
    InvalidRequest = 400 "invalid-request", "Something else is wrong with the request; the message says what.";
    InvalidTenant = 400 "invalid-tenant", "The header X-FusionAuth-TenantId names no tenant within reach.";
    MissingName = 400 "missing-name", "The name is required.";
    ProtectedRole = 400 "protected-role", "The role admin can be neither changed nor deleted.";
    TooMany = 400 "too-many", "More roles, permissions or user interface permissions than one object can have.";
    UnexpectedField = 400 "unexpected-field", "The member is not accepted here.";
    UnknownRole = 400 "unknown-role", "There is no role with this name.";
    UnsupportedContentType = 400 "unsupported-content-type", "The body must be JSON.";
    WrongDialect = 400 "wrong-dialect", "The body is one of FusionAuth's: send the key in the header Authorization.";
    NotFound = 404 "not-found", "There is no such object within reach.";
    MethodNotAllowed = 405 "method-not-allowed", "The path does not have this method in this dialect.";
    AlreadyExists = 409 "already-exists", "The id or name is taken.";
    Conflict = 409 "conflict", "Somebody else changed the object at the same time. Try again.";
    InUse = 409 "in-use", "API keys have this role.";
    TooLarge = 413 "too-large", "The body has more than 1 MiB.";
    InternalError = 500 "internal-error", "An unexpected error; the log has it under the request id.";
    Unavailable = 503 "unavailable", "The server cannot answer this now.";
}

impl FusionCode {
    /// What a violation that the rest of the server found is called here.
    pub(crate) fn of(code: &'static Code) -> Self {
        if code == &codes::INVALID_JSON || code == &codes::BODY_MISSING {
            Self::InvalidJson
        } else if code == &codes::INVALID_TENANT_ID
            || code == &codes::TENANT_ID_COULD_NOT_CONVERT
            || code == &codes::API_KEY_TENANT_INVALID
        {
            Self::InvalidTenant
        } else {
            Self::InvalidRequest
        }
    }
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
