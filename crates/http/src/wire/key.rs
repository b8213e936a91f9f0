//! Keys that sign tokens on the wire (FusionAuth: Keys).

use std::borrow::Cow;

use claviger_crypto::CertificateInformation;
use claviger_domain::{
    Instant, KeyAlgorithm, KeySpec, KeySpecError, KeyType, Name, Violation, Violations, codes,
};
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::json::Members;
use super::{NameCodes, name};
use crate::ops::key::{DescribedKey, GenerateKey, MAXIMUM_ISSUER_LENGTH};

const NAME_CODES: NameCodes = NameCodes {
    blank: &codes::KEY_NAME_BLANK,
    too_long: &codes::KEY_NAME_TOO_LONG,
    invalid: &codes::KEY_NAME_INVALID,
};

/// The body of an answer: `{"key": …}`.
#[derive(Serialize)]
pub(crate) struct KeyResponse {
    key: KeyBody,
}

/// The body of an answer: `{"keys": […]}`.
#[derive(Serialize)]
pub(crate) struct KeysResponse {
    keys: Vec<KeyBody>,
}

/// Members in alphabetical order; what a kind of key does not have is left out.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct KeyBody {
    #[serde(skip_serializing_if = "Option::is_none")]
    algorithm: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    certificate: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    certificate_information: Option<CertificateInformationBody>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expiration_instant: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    has_private_key: Option<bool>,
    id: String,
    insert_instant: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    issuer: Option<String>,
    kid: String,
    last_update_instant: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    length: Option<u32>,
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    public_key: Option<String>,
    r#type: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct CertificateInformationBody {
    issuer: String,
    md5_fingerprint: String,
    serial_number: String,
    sha1_fingerprint: String,
    sha1_thumbprint: String,
    sha256_fingerprint: String,
    sha256_thumbprint: String,
    subject: String,
    valid_from: i64,
    valid_to: i64,
}

impl From<CertificateInformation> for CertificateInformationBody {
    fn from(information: CertificateInformation) -> Self {
        Self {
            issuer: information.issuer,
            md5_fingerprint: information.md5_fingerprint,
            serial_number: information.serial_number,
            sha1_fingerprint: information.sha1_fingerprint,
            sha1_thumbprint: information.sha1_thumbprint,
            sha256_fingerprint: information.sha256_fingerprint,
            sha256_thumbprint: information.sha256_thumbprint,
            subject: information.subject,
            valid_from: information.valid_from.epoch_millis(),
            valid_to: information.valid_to.epoch_millis(),
        }
    }
}

impl From<DescribedKey> for KeyBody {
    fn from((key, information): DescribedKey) -> Self {
        Self {
            algorithm: key.algorithm.map(KeyAlgorithm::as_str),
            certificate: key.certificate,
            certificate_information: information.map(Into::into),
            expiration_instant: key.expiration_instant.map(Instant::epoch_millis),
            has_private_key: key.key_type.is_asymmetric().then_some(key.has_private_key),
            id: key.id.to_string(),
            insert_instant: key.insert_instant.epoch_millis(),
            issuer: key.issuer,
            kid: key.kid.as_str().to_owned(),
            last_update_instant: key.last_update_instant.epoch_millis(),
            length: key.length,
            name: key.name.as_str().to_owned(),
            public_key: key.public_key,
            r#type: key.key_type.as_str(),
        }
    }
}

impl From<DescribedKey> for KeyResponse {
    fn from(key: DescribedKey) -> Self {
        Self { key: key.into() }
    }
}

impl From<Vec<DescribedKey>> for KeysResponse {
    fn from(keys: Vec<DescribedKey>) -> Self {
        Self { keys: keys.into_iter().map(Into::into).collect() }
    }
}

/// Every member of the type `Key`. Those that a request reads are taken out before.
pub(super) const MEMBERS: [&str; 16] = [
    "algorithm",
    "certificate",
    "certificateInformation",
    "expirationInstant",
    "hasPrivateKey",
    "id",
    "insertInstant",
    "issuer",
    "kid",
    "lastUpdateInstant",
    "length",
    "privateKey",
    "publicKey",
    "secret",
    "type",
    "name",
];

pub(super) fn key_members(document: Map<String, Value>, violations: &mut Violations) -> Option<Members> {
    let mut root = Members::of_document(document);
    let members = root.object("key", violations);
    root.finish(violations);
    if members.is_none() && violations.is_empty() {
        violations.add(&codes::KEY_MISSING);
    }
    members
}

pub(super) fn required_name(members: &mut Members, violations: &mut Violations) -> Option<Name> {
    let before = violations.iter().count();
    let text = members.text("name", violations);
    match text {
        Some(text) => name(text, &NAME_CODES, violations),
        None => {
            if violations.iter().count() == before {
                violations.add(&codes::KEY_NAME_BLANK);
            }
            None
        }
    }
}

/// Reads the body of `POST /api/key/generate[/{keyId}]`.
///
/// # Errors
/// Everything that is wrong with the members.
pub(crate) fn generate(document: Map<String, Value>) -> Result<GenerateKey, Violations> {
    let mut violations = Violations::none();
    let Some(mut members) = key_members(document, &mut violations) else { return Err(violations) };
    let name = required_name(&mut members, &mut violations);
    let algorithm = algorithm(&mut members, &mut violations);
    let length = members.whole_number_or_text("length", &mut violations);
    let issuer = members.text("issuer", &mut violations).filter(|issuer| !issuer.is_empty());
    let has_certificate = algorithm.is_none_or(|algorithm| algorithm.key_type().is_asymmetric());
    if has_certificate && issuer.as_deref().is_some_and(|issuer| !is_issuer(issuer)) {
        violations.add(&codes::KEY_ISSUER_INVALID);
    }
    // What a generated key does not take from the request: clients send whole objects.
    members.ignore(&MEMBERS);
    members.finish(&mut violations);
    let spec = algorithm.and_then(|algorithm| match KeySpec::new(algorithm, length) {
        Ok(spec) => Some(spec),
        Err(error) => {
            let wrong_type = violations.iter().any(|violation| violation.field() == Some("key.length"));
            if !wrong_type {
                violations.add(match error {
                    KeySpecError::Algorithm => &codes::KEY_ALGORITHM_INVALID,
                    KeySpecError::LengthMissing => &codes::KEY_LENGTH_MISSING,
                    KeySpecError::LengthInvalid => &codes::KEY_LENGTH_INVALID,
                });
            }
            None
        }
    });
    match (name, spec) {
        (Some(name), Some(spec)) => violations.into_result(GenerateKey { name, spec, issuer }),
        _ => Err(violations),
    }
}

/// Whether a text can be the common name of a certificate.
pub(crate) fn is_issuer(text: &str) -> bool {
    let length = text.chars().count();
    (1..=MAXIMUM_ISSUER_LENGTH).contains(&length) && !text.chars().any(char::is_control)
}

fn algorithm(members: &mut Members, violations: &mut Violations) -> Option<KeyAlgorithm> {
    let before = violations.iter().count();
    match members.text("algorithm", violations) {
        Some(text) => {
            let algorithm = text.parse().ok();
            if algorithm.is_none() {
                violations.push(invalid_algorithm("key.algorithm"));
            }
            algorithm
        }
        None => {
            if violations.iter().count() == before {
                violations.add(&codes::KEY_ALGORITHM_MISSING);
            }
            None
        }
    }
}

/// An algorithm that nobody knows, at the member with this path.
pub(super) fn invalid_algorithm(path: impl Into<Cow<'static, str>>) -> Violation {
    let options = KeyAlgorithm::ALL.map(KeyAlgorithm::as_str).join(", ");
    Violation::at(&codes::INVALID_OPTION, path)
        .with_message(format!("The algorithm must be one of {options}."))
}

/// A type that nobody knows, at the member with this path.
pub(super) fn invalid_type(path: impl Into<Cow<'static, str>>) -> Violation {
    let options = KeyType::ALL.map(KeyType::as_str).join(", ");
    Violation::at(&codes::INVALID_OPTION, path).with_message(format!("The type must be one of {options}."))
}

/// Reads the body of `PUT /api/key/{keyId}`: the name counts, every other member is accepted as it is.
///
/// # Errors
/// Everything that is wrong with the members.
pub(crate) fn rename(document: Map<String, Value>) -> Result<Name, Violations> {
    let mut violations = Violations::none();
    let Some(mut members) = key_members(document, &mut violations) else { return Err(violations) };
    let name = required_name(&mut members, &mut violations);
    members.ignore(&MEMBERS);
    members.finish(&mut violations);
    match name {
        Some(name) => violations.into_result(name),
        None => Err(violations),
    }
}

/// The schemas of this file for the OpenAPI document.
pub(crate) fn schemas() -> Value {
    let text = || json!({"type": "string", "readOnly": true});
    let instant = || json!({"type": "integer", "format": "int64", "readOnly": true});
    json!({
        "Key": {"type": "object", "required": ["name"], "properties": {
            "algorithm": {"type": "string", "enum": KeyAlgorithm::ALL.map(KeyAlgorithm::as_str)},
            "certificate": {"type": "string", "description": "PEM, or base64 of the DER"},
            "certificateInformation": {"$ref": "#/components/schemas/CertificateInformation"},
            "expirationInstant": instant(),
            "hasPrivateKey": {"type": "boolean", "readOnly": true},
            "id": {"type": "string", "format": "uuid", "readOnly": true},
            "insertInstant": instant(),
            "issuer": {"type": "string", "maxLength": MAXIMUM_ISSUER_LENGTH},
            "kid": {"type": "string"},
            "lastUpdateInstant": instant(),
            "length": {"type": "integer"},
            "name": {"type": "string", "maxLength": claviger_domain::MAXIMUM_NAME_LENGTH},
            "privateKey": {"type": "string", "writeOnly": true, "description": "PEM"},
            "publicKey": {"type": "string", "description": "PEM"},
            "secret": {"type": "string", "writeOnly": true},
            "type": {"type": "string", "enum": KeyType::ALL.map(KeyType::as_str)},
        }},
        "CertificateInformation": {"type": "object", "readOnly": true, "properties": {
            "issuer": text(), "md5Fingerprint": text(), "serialNumber": text(), "sha1Fingerprint": text(),
            "sha1Thumbprint": text(), "sha256Fingerprint": text(), "sha256Thumbprint": text(), "subject": text(),
            "validFrom": instant(), "validTo": instant(),
        }},
        "KeyRequest": {"type": "object", "required": ["key"], "properties": {"key": {"$ref": "#/components/schemas/Key"}}},
        "KeyResponse": {"type": "object", "properties": {"key": {"$ref": "#/components/schemas/Key"}}},
        "KeysResponse": {"type": "object", "properties": {
            "keys": {"type": "array", "items": {"$ref": "#/components/schemas/Key"}}}},
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(value: Value) -> Map<String, Value> {
        value.as_object().unwrap().clone()
    }

    #[track_caller]
    fn check_refused(key: Value, expected: &[&str]) {
        let violations = generate(object(json!({"key": key.clone()}))).err().unwrap();
        let found: Vec<_> = violations.iter().map(Violation::code).collect();
        assert_eq!(found, expected, "{key}");
    }

    #[test]
    fn refuses_wrong_members() {
        check_refused(json!({}), &["[blank]key.name", "[missing]key.algorithm"]);
        check_refused(json!({"name": "n", "algorithm": "PS256"}), &["[invalidOption]key.algorithm"]);
        check_refused(json!({"name": "n", "algorithm": "None"}), &["[invalid]key.algorithm"]);
        check_refused(json!({"name": "n", "algorithm": "RS256"}), &["[missing]key.length"]);
        for length in [json!(1024), json!("2047"), json!(-1), json!(8192)] {
            check_refused(
                json!({"name": "n", "algorithm": "RS512", "length": length}),
                &["[invalid]key.length"],
            );
        }
        check_refused(json!({"name": "n", "algorithm": "ES512", "length": 512}), &["[invalid]key.length"]);
        check_refused(json!({"name": "n", "algorithm": "RS256", "length": 2048.5}), &["[invalidJSON]"]);
        check_refused(json!({"name": 1, "algorithm": 2}), &["[invalidJSON]", "[invalidJSON]"]);
        check_refused(json!({"name": "n", "algorithm": "HS256", "algorthm": 1}), &["[invalidJSON]"]);
        check_refused(
            json!({"name": "n", "algorithm": "ES256", "issuer": "a".repeat(65)}),
            &["[invalid]key.issuer"],
        );
    }

    #[test]
    fn ignores_what_clients_send_along() {
        let key = json!({"name": "n", "algorithm": "RS256", "length": "4096", "certificateInformation": {},
            "hasPrivateKey": false, "issuer": "", "kid": "k", "secret": 1});
        let command = generate(object(json!({"key": key}))).ok().unwrap();
        assert_eq!(command.spec.length(), Some(4096));
        assert_eq!(command.issuer, None);
    }

    #[test]
    fn rename_reads_the_name_only() {
        let whole = json!({"key": {"name": "new", "algorithm": "nonsense", "length": "x", "type": 1}});
        assert_eq!(rename(object(whole)).unwrap().as_str(), "new");
        assert!(rename(object(json!({"key": {"names": "new"}}))).is_err());
        assert!(rename(object(json!({}))).is_err());
    }
}
