//! JSON shapes, and nothing else: FusionAuth's member names live here, the domain never sees them.

pub(crate) mod api_key;
pub(crate) mod api_key_rotation;
pub(crate) mod api_key_search;
pub(crate) mod api_key_usage;
pub(crate) mod audit_log;
pub(crate) mod authorization;
pub(crate) mod data;
pub(crate) mod entity;
pub(crate) mod entity_grant;
pub(crate) mod entity_search;
pub(crate) mod entity_type;
pub(crate) mod entity_type_permission;
pub(crate) mod errors;
pub(crate) mod fusion;
pub(crate) mod ip_acl;
pub(crate) mod ip_acl_search;
pub(crate) mod json;
pub(crate) mod json_patch;
pub(crate) mod json_text;
pub(crate) mod key;
pub(crate) mod key_import;
pub(crate) mod key_search;
pub(crate) mod oauth;
pub(crate) mod patch;
pub(crate) mod query;
pub(crate) mod search;
pub(crate) mod tenant;
pub(crate) mod tenant_defaults;
pub(crate) mod tenant_search;
pub(crate) mod token;

use claviger_domain::{Code, Name, NameError, Violations};
use serde::Serialize;

/// The text of a document whose parts cannot fail to serialize.
pub(crate) fn render<T: Serialize>(document: &T) -> Result<String, serde_json::Error> {
    serde_json::to_string(document)
}

/// The codes that one name member answers with.
pub(crate) struct NameCodes {
    pub(crate) blank: &'static Code,
    pub(crate) too_long: &'static Code,
    pub(crate) invalid: &'static Code,
}

/// Reads a name, reporting what is wrong with it under its own codes.
pub(crate) fn name(text: String, codes: &NameCodes, violations: &mut Violations) -> Option<Name> {
    match Name::try_from(text) {
        Ok(name) => Some(name),
        Err(error) => {
            violations.add(match error {
                NameError::Blank => codes.blank,
                NameError::TooLong => codes.too_long,
                NameError::InvalidCharacter => codes.invalid,
            });
            None
        }
    }
}
