//! Imports of keys on the wire (FusionAuth: Keys, Import).

use claviger_crypto::{ImportFault, ImportField, ImportProblem};
use claviger_domain::{Kid, SecretText, Violation, Violations, codes};
use serde_json::{Map, Value};

use super::key::{MEMBERS, invalid_algorithm, invalid_type, key_members, required_name};
use crate::ops::key_import::ImportKey;

/// The longest kid, in characters.
const MAXIMUM_KID_LENGTH: usize = 191;

/// Reads the body of `POST /api/key/import[/{keyId}]`. Empty texts count as absent: some clients send every member.
///
/// # Errors
/// Everything that is wrong with the members.
pub(crate) fn import(document: Map<String, Value>) -> Result<ImportKey, Violations> {
    let mut violations = Violations::none();
    let Some(mut members) = key_members(document, &mut violations) else { return Err(violations) };
    let name = required_name(&mut members, &mut violations);
    let mut text = |name| members.text(name, &mut violations).filter(|text| !text.is_empty());
    let (algorithm, key_type, kid) = (text("algorithm"), text("type"), text("kid"));
    let (certificate, public_key) = (text("certificate"), text("publicKey"));
    let (private_key, secret) = (text("privateKey"), text("secret"));
    let algorithm = algorithm.and_then(|text| match text.parse() {
        Ok(algorithm) => Some(algorithm),
        Err(_) => {
            violations.push(invalid_algorithm("key.algorithm"));
            None
        }
    });
    let key_type = key_type.and_then(|text| match text.parse() {
        Ok(key_type) => Some(key_type),
        Err(_) => {
            violations.push(invalid_type("key.type"));
            None
        }
    });
    if kid.as_deref().is_some_and(|kid| !is_kid(kid)) {
        violations.add(&codes::KEY_KID_INVALID);
    }
    // What an imported key does not take from the request: clients send whole objects.
    members.ignore(&MEMBERS);
    members.finish(&mut violations);
    match name {
        Some(name) => violations.into_result(ImportKey {
            name,
            algorithm,
            key_type,
            kid: kid.map(Kid::from),
            certificate,
            public_key,
            private_key: private_key.map(SecretText::from),
            secret: secret.map(SecretText::from),
        }),
        None => Err(violations),
    }
}

fn is_kid(text: &str) -> bool {
    (1..=MAXIMUM_KID_LENGTH).contains(&text.chars().count()) && !text.chars().any(char::is_control)
}

/// What the problem is called in an answer.
pub(crate) fn violation(problem: ImportProblem) -> Violation {
    let path = match problem.field {
        ImportField::Algorithm => "key.algorithm",
        ImportField::Certificate => "key.certificate",
        ImportField::PrivateKey => "key.privateKey",
        ImportField::PublicKey => "key.publicKey",
        ImportField::Secret => "key.secret",
        ImportField::Type => "key.type",
    };
    let code = match problem.fault {
        ImportFault::Missing => &codes::KEY_IMPORT_MISSING,
        ImportFault::Blank => &codes::KEY_IMPORT_BLANK,
        ImportFault::TooLong => &codes::KEY_IMPORT_TOO_LONG,
        ImportFault::InvalidLength => &codes::KEY_IMPORT_INVALID_LENGTH,
        ImportFault::Mismatch | ImportFault::NotExpected => &codes::KEY_IMPORT_MISMATCH,
        ImportFault::Invalid
        | ImportFault::InvalidExponent
        | ImportFault::Encrypted
        | ImportFault::UnsupportedCurve
        | ImportFault::UnsupportedAlgorithm
        | ImportFault::SeveralBlocks
        | ImportFault::WrongContent => &codes::KEY_IMPORT_INVALID,
    };
    Violation::at(code, path).with_message(sentence(&problem.fault.to_string()))
}

/// A message of a library as a sentence for people.
fn sentence(text: &str) -> String {
    let mut characters = text.chars();
    let first: String = characters.next().into_iter().flat_map(char::to_uppercase).collect();
    format!("{first}{}.", characters.as_str())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(key: Value) -> Result<ImportKey, Vec<String>> {
        import(json!({"key": key}).as_object().unwrap().clone())
            .map_err(|violations| violations.iter().map(Violation::code).collect())
    }

    #[test]
    fn members_are_read_and_checked() {
        let key =
            read(json!({"name": "n", "type": "", "kid": "k", "secret": "s", "certificateInformation": {},
            "hasPrivateKey": false, "length": 7}))
            .ok()
            .unwrap();
        assert_eq!(key.kid, Some(Kid::from("k".to_owned())));
        assert!(key.key_type.is_none() && key.secret.is_some() && key.private_key.is_none());
        let wrong = read(json!({"type": "rsa", "algorithm": "PS256", "kid": "a\u{0}", "priavteKey": ""}));
        assert_eq!(
            wrong.err().unwrap(),
            [
                "[blank]key.name",
                "[invalidOption]key.algorithm",
                "[invalidOption]key.type",
                "[invalid]key.kid",
                "[invalidJSON]"
            ]
        );
        assert!(read(json!({"name": "n", "kid": "k".repeat(192)})).is_err());
    }

    #[test]
    fn problems_become_sentences_at_their_member() {
        let problem = ImportProblem { field: ImportField::PrivateKey, fault: ImportFault::Encrypted };
        let violation = violation(problem);
        assert_eq!(violation.code(), "[invalid]key.privateKey");
        assert!(violation.message().starts_with("The private key is encrypted"), "{}", violation.message());
        assert!(violation.message().ends_with('.'));
    }
}
