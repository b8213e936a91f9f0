//! JSON Web Signatures: whole tokens, from the form to the signature.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use claviger_crypto::{TokenFault, UnverifiedToken, Verifier};
use claviger_domain::{Instant, KeyAlgorithm, SecretBytes};
use openssl::bn::BigNum;
use openssl::ec::{EcGroup, EcKey};
use openssl::nid::Nid;
use openssl::pkey::{PKey, Public};
use openssl::rsa::Rsa;
use serde_json::Value;
use wycheproof_ng_kdf_jose::json_web::{TestName, TestSet};

use crate::{Counts, Expected, complete, counted, expected};

const SKIPPED: [(&str, &[TestName]); 2] = [
    ("encrypted tokens are not read", &[TestName::JsonWebEncryption]),
    (
        "they choose among the keys of a JWK set, which are not read: a key comes from the store by its kid",
        &[TestName::JsonWebCrypto, TestName::JsonWebKey],
    ),
];

/// Vectors that come out otherwise than they expect, and why.
const OTHERWISE: [(&str, &[usize]); 3] = [
    ("valid, but without payload: a token without claims is none", &[259, 264, 268]),
    ("called invalid, but the same token as the valid 357", &[367, 370]),
    ("valid, but with a question mark within the base64url, which is no character of it", &[372, 373]),
];

/// Vectors about what a key is for, which the store decides: `use` and `key_ops` of a JWK.
const KEY_USE: [usize; 4] = [353, 354, 355, 356];

#[test]
fn every_set_is_run_or_skipped() {
    complete(TestName::all(), &[TestName::JsonWebSignature], &SKIPPED);
}

#[test]
fn json_web_signatures() {
    let mut counts = Counts::default();
    let mut otherwise = Vec::new();
    for group in TestSet::load(TestName::JsonWebSignature).unwrap().test_groups {
        let jwk = group.public_key.as_ref().or(group.private_key.as_ref()).unwrap();
        let verifier = verifier(jwk);
        for test in &group.tests {
            let Some(verifier) = verifier.as_ref().filter(|_| !KEY_USE.contains(&test.tc_id)) else {
                counts.left_out += 1;
                continue;
            };
            let token = match test.jws.as_ref().unwrap() {
                Value::String(token) => token.clone(),
                other => other.to_string(),
            };
            let accepted = is_signed(&token, verifier);
            let expected = expected!(test);
            if OTHERWISE.iter().any(|(_, ids)| ids.contains(&test.tc_id)) {
                assert_eq!(accepted, matches!(expected, Expected::Invalid), "{test:?}");
                otherwise.push(test.tc_id);
            } else {
                counts.check(expected, accepted, test);
            }
        }
    }
    assert_eq!(otherwise, OTHERWISE.iter().flat_map(|(_, ids)| *ids).copied().collect::<Vec<_>>());
    counted("JsonWebSignature", &counts, [25, 290, 0, 0, 79]);
}

/// Whether the signature is right. The payloads are not claims, which is found out only after that.
fn is_signed(token: &str, verifier: &Verifier) -> bool {
    let Ok(token) = UnverifiedToken::parse(token) else { return false };
    match token.verify(verifier, Instant::from_epoch_millis(0)) {
        Err(TokenFault::Malformed) => true,
        Err(TokenFault::Algorithm | TokenFault::Signature) => false,
        other => panic!("{other:?}"),
    }
}

/// The verifier of a JWK; none for RSA-PSS.
fn verifier(jwk: &Value) -> Option<Verifier> {
    let bytes = |member: &str| URL_SAFE_NO_PAD.decode(jwk[member].as_str().unwrap()).unwrap();
    let number = |member: &str| BigNum::from_slice(&bytes(member)).unwrap();
    let algorithm = match (jwk["alg"].as_str(), jwk["kty"].as_str().unwrap()) {
        (Some(algorithm), _) if algorithm.starts_with("PS") => return None,
        // The set's own misspelling.
        (Some("ES521"), _) => KeyAlgorithm::Es512,
        (Some(algorithm), _) => algorithm.parse().unwrap(),
        (None, "RSA") => KeyAlgorithm::Rs256,
        (None, "EC") => KeyAlgorithm::Es256,
        other => panic!("{other:?}"),
    };
    let key: PKey<Public> = match jwk["kty"].as_str().unwrap() {
        "oct" => return Some(Verifier::from_secret(algorithm, &SecretBytes::from(bytes("k"))).unwrap()),
        "RSA" => PKey::from_rsa(Rsa::from_public_components(number("n"), number("e")).unwrap()).unwrap(),
        "EC" => {
            let curve = match jwk["crv"].as_str().unwrap() {
                "P-256" => Nid::X9_62_PRIME256V1,
                "P-521" => Nid::SECP521R1,
                other => panic!("{other}"),
            };
            let group = EcGroup::from_curve_name(curve).unwrap();
            let key = EcKey::from_public_key_affine_coordinates(&group, &number("x"), &number("y")).unwrap();
            PKey::from_ec_key(key).unwrap()
        }
        other => panic!("{other}"),
    };
    let pem = String::from_utf8(key.public_key_to_pem().unwrap()).unwrap();
    Some(Verifier::from_public_key(algorithm, &pem).unwrap())
}
