//! The published key set: whatever public key, certificate or pair is imported, josekit and OpenSSL read the same key back
//! from its JWK, and nothing private stands in it. Claviger reads no key sets of others, so josekit's `JwkSet` is used
//! nowhere and is not fuzzed.
//!
//! The input is an algorithm, a byte for the container (twice its number and one) or the field of a text (even), and the
//! DER or text.
#![no_main]

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use claviger_crypto::{ImportedKey, parse_object};
use claviger_domain::KeyAlgorithm;
use claviger_fuzz::import::{import_soundly, jwk};
use claviger_fuzz::input::{Container, Fields, algorithm_of, mutate};
use claviger_fuzz::pem::unarmour;
use josekit::jwk::Jwk;
use josekit::jws::{ES256, ES384, ES512, EdDSA, JwsVerifier, RS256, RS384, RS512};
use libfuzzer_sys::{fuzz_mutator, fuzz_target};
use openssl::bn::BigNum;
use openssl::ec::{EcGroup, EcKey};
use openssl::nid::Nid;
use openssl::pkey::{Id, PKey, Public};
use openssl::rsa::Rsa;
use serde_json::{Map, Value, json};

fuzz_target!(|data: &[u8]| {
    let [algorithm, mode, rest @ ..] = data else { return };
    let mut fields = Fields { algorithm: algorithm_of(*algorithm), ..Fields::default() };
    if mode & 1 == 1 {
        fields.add(Container::of(mode >> 1), rest);
    } else {
        let Ok(text) = String::from_utf8(rest.to_vec()) else { return };
        *(if mode & 2 == 0 { &mut fields.certificate } else { &mut fields.public_key }) = Some(text);
    }
    if let Ok(imported) = import_soundly(&fields) {
        published(&imported);
    }
});

fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    mutate(data, size, max_size, seed, 2, false)
});

fn published(imported: &ImportedKey) {
    // No secret is among the fields, so that every key has a public half.
    let written = serde_json::to_vec(&json!({ "keys": [jwk(imported).unwrap()] })).unwrap();
    let document = parse_object(&written).unwrap();
    let members = document["keys"][0].as_object().unwrap();
    for private in ["d", "p", "q", "dp", "dq", "qi", "oth", "k"] {
        assert!(!members.contains_key(private), "{private}");
    }
    assert_eq!(members["kid"], imported.kid.as_ref().unwrap().as_str());
    let spki = unarmour(imported.public_key.as_deref().unwrap());
    assert_eq!(public_key(members).public_key_to_der().unwrap(), spki, "another key");
    if let Some(certificate) = &imported.certificate {
        assert_eq!(members["x5c"], json!([STANDARD.encode(unarmour(certificate))]));
    } else {
        assert!(["x5c", "x5t", "x5t#S256"].iter().all(|name| !members.contains_key(*name)));
    }
    let jwk = Jwk::from_map(members.clone()).unwrap();
    // josekit takes no RSA keys below 2048 bits.
    if imported.length != Some(1024)
        && let Some(algorithm) = imported.algorithm
    {
        verify(&*verifier(&jwk, algorithm), &spki, imported);
    }
}

/// josekit verifies with the JWK what was signed with the private key, where there is one.
fn verify(verifier: &dyn JwsVerifier, spki: &[u8], imported: &ImportedKey) {
    assert!(verifier.verify(spki, &[1; 64]).is_err());
    if let (Some(material), Some(algorithm)) = (&imported.material, imported.algorithm) {
        let signer = claviger_crypto::Signer::new(algorithm, material).unwrap();
        verifier.verify(spki, &signer.sign(spki).unwrap()).unwrap();
    }
}

fn verifier(jwk: &Jwk, algorithm: KeyAlgorithm) -> Box<dyn JwsVerifier> {
    match algorithm {
        KeyAlgorithm::Rs256 => Box::new(RS256.verifier_from_jwk(jwk).unwrap()),
        KeyAlgorithm::Rs384 => Box::new(RS384.verifier_from_jwk(jwk).unwrap()),
        KeyAlgorithm::Rs512 => Box::new(RS512.verifier_from_jwk(jwk).unwrap()),
        KeyAlgorithm::Es256 => Box::new(ES256.verifier_from_jwk(jwk).unwrap()),
        KeyAlgorithm::Es384 => Box::new(ES384.verifier_from_jwk(jwk).unwrap()),
        KeyAlgorithm::Es512 => Box::new(ES512.verifier_from_jwk(jwk).unwrap()),
        KeyAlgorithm::Ed25519 => {
            // josekit knows the algorithm under its older name only (RFC 8037).
            let mut jwk = jwk.clone();
            jwk.set_algorithm("EdDSA");
            Box::new(EdDSA.verifier_from_jwk(&jwk).unwrap())
        }
        KeyAlgorithm::Hs256 | KeyAlgorithm::Hs384 | KeyAlgorithm::Hs512 | KeyAlgorithm::None => {
            panic!("no public half")
        }
    }
}

/// The key of these members, put together by OpenSSL from the numbers in them.
fn public_key(members: &Map<String, Value>) -> PKey<Public> {
    let bytes = |name: &str| URL_SAFE_NO_PAD.decode(members[name].as_str().unwrap()).unwrap();
    let number = |name: &str| BigNum::from_slice(&bytes(name)).unwrap();
    if members["kty"] == "RSA" {
        return PKey::from_rsa(Rsa::from_public_components(number("n"), number("e")).unwrap()).unwrap();
    }
    let (curve, width) = match members["crv"].as_str().unwrap() {
        "P-256" => (Nid::X9_62_PRIME256V1, 32),
        "P-384" => (Nid::SECP384R1, 48),
        "P-521" => (Nid::SECP521R1, 66),
        name => {
            assert_eq!((name, members["kty"].as_str()), ("Ed25519", Some("OKP")));
            return PKey::public_key_from_raw_bytes(&bytes("x"), Id::ED25519).unwrap();
        }
    };
    assert_eq!((members["kty"].as_str(), bytes("x").len(), bytes("y").len()), (Some("EC"), width, width));
    let group = EcGroup::from_curve_name(curve).unwrap();
    let key = EcKey::from_public_key_affine_coordinates(&group, &number("x"), &number("y")).unwrap();
    PKey::from_ec_key(key).unwrap()
}
