//! What must hold of every key that is imported: everything else that reads keys accepts it, and importing it again
//! makes the same.

use claviger_crypto::{
    ImportRefusal, ImportRequest, ImportedKey, Signer, Verifier, certificate_information, import,
    jwk_thumbprint, public_jwk,
};
use claviger_domain::{Instant, Key, KeyId, KeyType, Name, Revision, SecretText};
use serde_json::Value;

use crate::input::Fields;
use crate::pem::{armour, unarmour};

/// 2024-02-29T12:34:56.789Z.
const NOW: Instant = Instant::from_epoch_millis(1_709_210_096_789);
const ID: KeyId = KeyId::from_u128(0xea75_1186_3678_48c0_8f08_11f0_e3c1_937b);

/// Imports, and checks what comes of it.
///
/// # Errors
/// The request is refused.
pub fn import_soundly(fields: &Fields) -> Result<ImportedKey, ImportRefusal> {
    let imported = match import_fields(fields) {
        Ok(imported) => imported,
        Err(refusal) => {
            match &refusal {
                ImportRefusal::Problems(problems) => assert!(!problems.is_empty(), "no reason"),
                ImportRefusal::Failed(error) => panic!("not the request's fault: {error}"),
            }
            return Err(refusal);
        }
    };
    check(fields, &imported);
    Ok(imported)
}

/// Imports, and checks nothing.
///
/// # Errors
/// The request is refused.
pub fn import_fields(fields: &Fields) -> Result<ImportedKey, ImportRefusal> {
    let private_key = fields.private_key.clone().map(SecretText::from);
    let secret = fields.secret.clone().map(SecretText::from);
    import(&ImportRequest {
        id: ID,
        key_type: fields.key_type,
        algorithm: fields.algorithm,
        certificate: fields.certificate.as_deref(),
        public_key: fields.public_key.as_deref(),
        private_key: private_key.as_ref(),
        secret: secret.as_ref(),
        issuer: "example.com",
        now: NOW,
    })
}

fn check(fields: &Fields, imported: &ImportedKey) {
    assert!(fields.key_type.is_none_or(|wanted| wanted == imported.key_type));
    assert!(fields.algorithm.is_none_or(|wanted| Some(wanted) == imported.algorithm));
    assert!(imported.algorithm.is_none_or(|algorithm| algorithm.key_type() == imported.key_type));
    let jwk = jwk(imported);
    let Some(public_key) = &imported.public_key else {
        assert!(!imported.key_type.is_asymmetric() && jwk.is_none() && imported.kid.is_none());
        assert!(imported.material.is_some() && imported.certificate.is_none());
        return;
    };
    assert!(imported.key_type.is_asymmetric() && jwk.is_some());
    check_pem(public_key);
    let kid = imported.kid.as_ref().unwrap().as_str();
    match &imported.certificate {
        Some(certificate) => {
            check_pem(certificate);
            let information = certificate_information(certificate).unwrap();
            assert_eq!(information.sha1_thumbprint, kid);
            assert_eq!(Some(information.valid_to), imported.expiration_instant);
        }
        None => {
            assert_eq!(jwk_thumbprint(public_key).unwrap(), kid);
            assert!(imported.material.is_none() && imported.issuer.is_none());
        }
    }
    check_signatures(imported, public_key);
    check_again(imported);
}

/// Lines of 64 columns, LF between them.
fn check_pem(pem: &str) {
    let mut lines = pem.split('\n').skip(1).collect::<Vec<_>>();
    lines.pop();
    assert!(lines.iter().rev().skip(1).all(|line| line.len() == 64), "{pem}");
    assert!(lines.last().is_some_and(|line| (1..=64).contains(&line.len())), "{pem}");
}

fn check_signatures(imported: &ImportedKey, public_key: &str) {
    let Some(algorithm) = imported.algorithm else { return };
    let verifier = Verifier::from_public_key(algorithm, public_key).unwrap();
    assert_eq!(verifier.verify(b"text", &[1; 64]), Ok(false));
    if let Some(material) = &imported.material {
        let signature = Signer::new(algorithm, material).unwrap().sign(b"text").unwrap();
        assert_eq!(verifier.verify(b"text", &signature), Ok(true), "public and private key differ");
    }
}

fn check_again(imported: &ImportedKey) {
    let again = import_fields(&Fields {
        key_type: Some(imported.key_type),
        algorithm: imported.algorithm,
        certificate: imported.certificate.clone(),
        public_key: imported.public_key.clone(),
        private_key: imported.material.as_ref().map(|material| armour("PRIVATE KEY", material.expose())),
        secret: None,
    });
    let again = again.unwrap_or_else(|refusal| panic!("cannot be imported again: {refusal}"));
    let shown = |key: &ImportedKey| {
        (
            (
                key.key_type,
                key.algorithm,
                key.length,
                key.kid.clone(),
                key.issuer.clone(),
                key.expiration_instant,
            ),
            (key.public_key.clone(), key.certificate.clone()),
        )
    };
    assert_eq!(shown(&again), shown(imported));
    let material = |key: &ImportedKey| key.material.as_ref().map(|material| material.expose().to_vec());
    assert!(material(&again) == material(imported), "another private key");
}

/// The JWK that is published of an imported key.
///
/// # Panics
/// When there is none because of a fault.
#[must_use]
pub fn jwk(imported: &ImportedKey) -> Option<Value> {
    public_jwk(&key(imported)).unwrap_or_else(|error| panic!("cannot be published: {error}"))
}

fn key(imported: &ImportedKey) -> Key {
    Key {
        id: ID,
        revision: Revision::FIRST,
        name: Name::try_from(String::from("a key")).unwrap(),
        kid: imported.kid.clone().unwrap_or_else(|| String::from("a kid").into()),
        key_type: imported.key_type,
        algorithm: imported.algorithm,
        length: imported.length,
        issuer: imported.issuer.clone(),
        public_key: imported.public_key.clone(),
        certificate: imported.certificate.clone(),
        has_private_key: imported.material.is_some(),
        shadow: false,
        expiration_instant: imported.expiration_instant,
        insert_instant: NOW,
        last_update_instant: NOW,
    }
}

/// Whether an imported key has exactly this certificate.
#[must_use]
pub fn keeps_certificate(imported: &ImportedKey, der: &[u8]) -> bool {
    imported.certificate.as_deref().is_some_and(|pem| unarmour(pem) == der)
        && imported.key_type != KeyType::Hmac
}
