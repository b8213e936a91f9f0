//! Tokens as others see them: josekit and the `openssl` command line verify what is signed here and the other way
//! round; published examples of the RFCs and of FusionAuth's documentation.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::allow_attributes,
    missing_docs,
    reason = "test code"
)]

mod support;

use std::fs;
use std::path::Path;
use std::process::Command;

use claviger_crypto::{
    GeneratedKey, Signer, TokenFault, TokenHeader, UnverifiedToken, Verifier, parse_object, sign_token,
};
use claviger_domain::{Instant, KeyAlgorithm, KeyType, Kid, SecretBytes};
use josekit::jws::alg::{ecdsa::EcdsaJwsAlgorithm, hmac::HmacJwsAlgorithm, rsassa::RsassaJwsAlgorithm};
use josekit::jws::{EdDSA, JwsHeader, JwsSigner, JwsVerifier, deserialize_compact, serialize_compact};
use openssl::bn::BigNum;
use openssl::ec::{EcGroup, EcKey};
use openssl::ecdsa::EcdsaSig;
use openssl::nid::Nid;
use openssl::pkey::{Id, PKey, Public};
use openssl::rsa::Rsa;
use serde_json::{Map, Value, json};
use support::{NOW, algorithms, check, decode, encode, new_key, signed, signer, unsigned, vectors, verifier};
use tempfile::TempDir;

fn claims() -> Map<String, Value> {
    json!({"aud": ["a", "b"], "exp": 1_700_003_600, "iat": 1_700_000_000, "sub": "\u{e9}\"", "n": {"x": [1, null]}})
        .as_object()
        .unwrap()
        .clone()
}

fn token(signer: &Signer, kid: &Kid) -> String {
    let header = TokenHeader { kid, grant_types: &["client_credentials"], key_use: None };
    sign_token(signer, &header, &claims()).unwrap()
}

#[test]
fn every_algorithm_round_trips() {
    for algorithm in algorithms() {
        let (key, other) = (new_key(algorithm), new_key(algorithm));
        let token = token(&signer(algorithm, &key), &key.kid);
        let unverified = UnverifiedToken::parse(&token).unwrap();
        assert_eq!(unverified.kid(), Some(key.kid.as_str()));
        assert_eq!(unverified.algorithm_name(), algorithm.as_str());
        assert_eq!(unverified.verify(&verifier(algorithm, &key), NOW), Ok(claims()));
        let at = |seconds: i64| Instant::from_epoch_millis(seconds * 1000);
        assert_eq!(
            unverified.verify(&verifier(algorithm, &key), at(1_700_003_600)),
            Err(TokenFault::Expired)
        );
        assert!(
            unverified
                .verify(&verifier(algorithm, &key), Instant::from_epoch_millis(1_700_003_599_999))
                .is_ok()
        );
        assert_eq!(unverified.verify(&verifier(algorithm, &other), NOW), Err(TokenFault::Signature));
    }
}

/// Signatures of josekit by one key.
fn josekit_pair(algorithm: KeyAlgorithm, key: &GeneratedKey) -> (Box<dyn JwsSigner>, Box<dyn JwsVerifier>) {
    let private = key.material.expose();
    let public = key.public_key.as_deref().unwrap_or_default();
    let rsa = |jws: RsassaJwsAlgorithm| -> (Box<dyn JwsSigner>, Box<dyn JwsVerifier>) {
        (Box::new(jws.signer_from_der(private).unwrap()), Box::new(jws.verifier_from_pem(public).unwrap()))
    };
    let ecdsa = |jws: EcdsaJwsAlgorithm| -> (Box<dyn JwsSigner>, Box<dyn JwsVerifier>) {
        (Box::new(jws.signer_from_der(private).unwrap()), Box::new(jws.verifier_from_pem(public).unwrap()))
    };
    let hmac = |jws: HmacJwsAlgorithm| -> (Box<dyn JwsSigner>, Box<dyn JwsVerifier>) {
        (
            Box::new(jws.signer_from_bytes(private).unwrap()),
            Box::new(jws.verifier_from_bytes(private).unwrap()),
        )
    };
    match algorithm {
        KeyAlgorithm::Rs256 => rsa(RsassaJwsAlgorithm::Rs256),
        KeyAlgorithm::Rs384 => rsa(RsassaJwsAlgorithm::Rs384),
        KeyAlgorithm::Rs512 => rsa(RsassaJwsAlgorithm::Rs512),
        KeyAlgorithm::Es256 => ecdsa(EcdsaJwsAlgorithm::Es256),
        KeyAlgorithm::Es384 => ecdsa(EcdsaJwsAlgorithm::Es384),
        KeyAlgorithm::Es512 => ecdsa(EcdsaJwsAlgorithm::Es512),
        KeyAlgorithm::Hs256 => hmac(HmacJwsAlgorithm::Hs256),
        KeyAlgorithm::Hs384 => hmac(HmacJwsAlgorithm::Hs384),
        KeyAlgorithm::Hs512 => hmac(HmacJwsAlgorithm::Hs512),
        KeyAlgorithm::Ed25519 => (
            Box::new(EdDSA.signer_from_der(private).unwrap()),
            Box::new(EdDSA.verifier_from_pem(public).unwrap()),
        ),
        KeyAlgorithm::None => panic!("no algorithm"),
    }
}

#[test]
fn josekit_agrees_both_ways() {
    for algorithm in algorithms() {
        let key = new_key(algorithm);
        let (josekit_signer, josekit_verifier) = josekit_pair(algorithm, &key);
        let mut header = JwsHeader::new();
        header.set_token_type("JWT");
        header.set_key_id(key.kid.as_str());
        let payload = serde_json::to_vec(&claims()).unwrap();
        let theirs = serialize_compact(&payload, &header, &*josekit_signer).unwrap();
        assert_eq!(check(&theirs, &verifier(algorithm, &key)), Ok(claims()), "{algorithm}");

        let ours = token(&signer(algorithm, &key), &key.kid);
        let read = deserialize_compact(&ours, &*josekit_verifier);
        if algorithm == KeyAlgorithm::Ed25519 {
            // josekit knows the older name only, and takes ours for another algorithm.
            assert!(read.is_err());
            let ours = signed(&signer(algorithm, &key), &unsigned(r#"{"alg":"EdDSA"}"#, &payload));
            assert_eq!(deserialize_compact(&ours, &*josekit_verifier).unwrap().0, payload);
        } else {
            let (payload, header) = read.unwrap();
            assert_eq!(parse_object(&payload), Ok(claims()));
            assert_eq!(header.key_id(), Some(key.kid.as_str()));
        }
    }
}

/// Runs `openssl` in a directory.
fn openssl(directory: &Path, arguments: &[&str]) -> bool {
    Command::new("openssl")
        .args(arguments)
        .current_dir(directory)
        .output()
        .expect("this test needs the command openssl (3.0 or later) in the path")
        .status
        .success()
}

/// Bytes of r, and of s.
fn width(algorithm: KeyAlgorithm) -> i32 {
    match algorithm {
        KeyAlgorithm::Es256 => 32,
        KeyAlgorithm::Es384 => 48,
        KeyAlgorithm::Es512 => 66,
        other => panic!("{other}"),
    }
}

/// The signature as the command line has it: of ECDSA in DER.
fn to_command_line(algorithm: KeyAlgorithm, signature: Vec<u8>) -> Vec<u8> {
    if algorithm.key_type() != KeyType::Ec {
        return signature;
    }
    let (r, s) = signature.split_at(signature.len() / 2);
    let number = |bytes| BigNum::from_slice(bytes).unwrap();
    EcdsaSig::from_private_components(number(r), number(s)).unwrap().to_der().unwrap()
}

/// The other way.
fn from_command_line(algorithm: KeyAlgorithm, signature: Vec<u8>) -> Vec<u8> {
    if algorithm.key_type() != KeyType::Ec {
        return signature;
    }
    let signature = EcdsaSig::from_der(&signature).unwrap();
    let padded = |number: &openssl::bn::BigNumRef| number.to_vec_padded(width(algorithm)).unwrap();
    [padded(signature.r()), padded(signature.s())].concat()
}

#[test]
fn the_command_line_agrees_both_ways() {
    for algorithm in algorithms() {
        let (key, directory) = (new_key(algorithm), TempDir::new().unwrap());
        let path = directory.path();
        let (ours, verifier) = (token(&signer(algorithm, &key), &key.kid), verifier(algorithm, &key));
        let (unsigned, signature) = ours.rsplit_once('.').unwrap();
        fs::write(path.join("input"), unsigned).unwrap();
        let digest = match algorithm.as_str().trim_start_matches(|letter: char| letter.is_alphabetic()) {
            "256" => "sha256",
            "384" => "sha384",
            _ => "sha512",
        };
        let made = match &key.public_key {
            None => {
                let secret: String = key.material.expose().iter().map(|byte| format!("{byte:02x}")).collect();
                let digest = format!("-{digest}");
                let secret = format!("hexkey:{secret}");
                let arguments =
                    ["dgst", &digest, "-mac", "HMAC", "-macopt", &secret, "-binary", "-out", "made", "input"];
                assert!(openssl(path, &arguments));
                let made = fs::read(path.join("made")).unwrap();
                assert_eq!(encode(&made), signature, "{algorithm}");
                made
            }
            Some(public_key) => {
                fs::write(path.join("public.pem"), public_key).unwrap();
                fs::write(path.join("private.der"), key.material.expose()).unwrap();
                let digest: &[&str] =
                    if algorithm == KeyAlgorithm::Ed25519 { &[] } else { &["-digest", digest] };
                fs::write(path.join("ours"), to_command_line(algorithm, decode(signature))).unwrap();
                let verify = [
                    "pkeyutl",
                    "-verify",
                    "-rawin",
                    "-pubin",
                    "-inkey",
                    "public.pem",
                    "-in",
                    "input",
                    "-sigfile",
                    "ours",
                ];
                assert!(openssl(path, &[&verify, digest].concat()), "{algorithm}");
                let sign = [
                    "pkeyutl",
                    "-sign",
                    "-rawin",
                    "-inkey",
                    "private.der",
                    "-keyform",
                    "DER",
                    "-in",
                    "input",
                    "-out",
                    "made",
                ];
                assert!(openssl(path, &[&sign, digest].concat()), "{algorithm}");
                from_command_line(algorithm, fs::read(path.join("made")).unwrap())
            }
        };
        assert_eq!(check(&format!("{unsigned}.{}", encode(made)), &verifier), Ok(claims()), "{algorithm}");
        // And that the command was asked the right question.
        if key.public_key.is_some() {
            fs::write(path.join("input"), "another").unwrap();
            let verify = [
                "pkeyutl",
                "-verify",
                "-rawin",
                "-pubin",
                "-inkey",
                "public.pem",
                "-in",
                "input",
                "-sigfile",
                "ours",
            ];
            assert!(!openssl(path, &verify), "{algorithm}");
        }
    }
}

/// FusionAuth's documented tokens, whose secrets are not published: each part is as it would be written here.
#[test]
fn documented_tokens_are_read_and_written_alike() {
    for vector in vectors()["tokens"].as_array().unwrap() {
        let token = vector["token"].as_str().unwrap();
        let (header, payload) = (&vector["header"], &vector["payload"]);
        let unverified = UnverifiedToken::parse(token).unwrap();
        assert_eq!(unverified.algorithm_name(), header["alg"]);
        assert_eq!(unverified.kid(), header["kid"].as_str());
        let parts: Vec<&str> = token.split('.').collect();
        assert_eq!(parse_object(&decode(parts[0])).as_ref(), Ok(header.as_object().unwrap()));
        assert_eq!(parse_object(&decode(parts[1])).as_ref(), Ok(payload.as_object().unwrap()));

        let algorithm: KeyAlgorithm = header["alg"].as_str().unwrap().parse().unwrap();
        let secret = SecretBytes::from(b"another secret".to_vec());
        let verifier = Verifier::from_secret(algorithm, &secret).unwrap();
        assert_eq!(unverified.verify(&verifier, NOW), Err(TokenFault::Signature));
        // One of 2017 has no kid, which is always written today.
        let Some(kid) = unverified.kid() else { continue };
        let grant_types: Vec<&str> =
            header["gty"].as_array().into_iter().flatten().map(|grant| grant.as_str().unwrap()).collect();
        let written = sign_token(
            &Signer::new(algorithm, &secret).unwrap(),
            &TokenHeader {
                kid: &Kid::from(kid.to_owned()),
                grant_types: &grant_types,
                key_use: header["use"].as_str(),
            },
            payload.as_object().unwrap(),
        )
        .unwrap();
        assert_eq!(written.rsplit_once('.').unwrap().0, token.rsplit_once('.').unwrap().0);
    }
}

fn pem(key: &PKey<Public>) -> String {
    String::from_utf8(key.public_key_to_pem().unwrap()).unwrap()
}

fn number(text: &str) -> BigNum {
    BigNum::from_slice(&decode(text)).unwrap()
}

fn ec_key(curve: Nid, x: &str, y: &str) -> String {
    let group = EcGroup::from_curve_name(curve).unwrap();
    let key = EcKey::from_public_key_affine_coordinates(&group, &number(x), &number(y)).unwrap();
    pem(&PKey::from_ec_key(key).unwrap())
}

/// The claims of RFC 7515, appendices A.1 to A.3, encoded as there: with CRLF and spaces.
const JOE: &str =
    "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";

#[track_caller]
fn check_joe(verifier: &Verifier, header: &str, signature: &str) {
    let token = format!("{header}.{JOE}.{signature}");
    let unverified = UnverifiedToken::parse(&token).unwrap();
    let expected = json!({"iss": "joe", "exp": 1_300_819_380, "http://example.com/is_root": true});
    let before = Instant::from_epoch_millis(1_300_819_379_999);
    assert_eq!(unverified.verify(verifier, before).as_ref(), Ok(expected.as_object().unwrap()));
    let after = Instant::from_epoch_millis(1_300_819_380_000);
    assert_eq!(unverified.verify(verifier, after), Err(TokenFault::Expired));
}

#[test]
fn rfc_7515_a_1_hs256() {
    let secret = SecretBytes::from(decode(
        "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow",
    ));
    let header = "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9";
    let signature = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
    check_joe(&Verifier::from_secret(KeyAlgorithm::Hs256, &secret).unwrap(), header, signature);
    let signer = Signer::new(KeyAlgorithm::Hs256, &secret).unwrap();
    assert_eq!(encode(signer.sign(format!("{header}.{JOE}").as_bytes()).unwrap()), signature);
}

#[test]
fn rfc_7515_a_2_rs256() {
    let modulus = number(
        "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pC\
         gNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg6\
         65xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRW\
         yuXpoQ",
    );
    let key = Rsa::from_public_components(modulus, number("AQAB")).unwrap();
    let verifier =
        Verifier::from_public_key(KeyAlgorithm::Rs256, &pem(&PKey::from_rsa(key).unwrap())).unwrap();
    check_joe(
        &verifier,
        "eyJhbGciOiJSUzI1NiJ9",
        "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t\
         1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12j\
         zDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQ\
         Ge77Rw",
    );
}

#[test]
fn rfc_7515_a_3_es256() {
    let key = ec_key(
        Nid::X9_62_PRIME256V1,
        "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
        "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
    );
    check_joe(
        &Verifier::from_public_key(KeyAlgorithm::Es256, &key).unwrap(),
        "eyJhbGciOiJFUzI1NiJ9",
        "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q",
    );
}

/// Its payload is no JSON: the signature is right, and there are no claims.
#[test]
fn rfc_7515_a_4_es512() {
    let key = ec_key(
        Nid::SECP521R1,
        "AekpBQ8ST8a8VcfVOTNl353vSrDCLLJXmPk06wTjxrrjcBpXp5EOnYG_NjFZ6OvLFV1jSfS9tsz4qUxcWceqwQGk",
        "ADSmRA43Z1DSNx_RvcLI87cdL07l6jQyyBXMoxVg_l2Th-x3S1WDhjDly79ajL4Kkd0AZMaZmh9ubmf63e3kyMj2",
    );
    let verifier = Verifier::from_public_key(KeyAlgorithm::Es512, &key).unwrap();
    let (input, signature) = (
        "eyJhbGciOiJFUzUxMiJ9.UGF5bG9hZA",
        "AdwMgeerwtHoh-l192l60hp9wAHZFVJbLfD_UxMi70cwnZOYaRI1bKPWROc-mZZqwqT2SI-KGDKB34XO0aw_7XdtAG8GaSwFKdCAPZgoXD2YBJZC\
         PEX3xKpRwcdOO8KpEHwJjyqOgzDO7iKvU8vcnwNrmxYbSW9ERBXukOXolLzeO_Jn",
    );
    assert_eq!(verifier.verify(input.as_bytes(), &decode(signature)), Ok(true));
    assert_eq!(check(&format!("{input}.{signature}"), &verifier), Err(TokenFault::Malformed));
}

/// Signs as `EdDSA`, which is verified and never written. No JSON either.
#[test]
fn rfc_8037_a_4_ed25519() {
    let private = decode("nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A");
    let public = decode("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo");
    let private = PKey::private_key_from_raw_bytes(&private, Id::ED25519).unwrap();
    let public = PKey::public_key_from_raw_bytes(&public, Id::ED25519).unwrap();
    let signer =
        Signer::new(KeyAlgorithm::Ed25519, &SecretBytes::from(private.private_key_to_pkcs8().unwrap()))
            .unwrap();
    let verifier = Verifier::from_public_key(KeyAlgorithm::Ed25519, &pem(&public)).unwrap();
    let input = "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc";
    let signature = "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg";
    assert_eq!(encode(signer.sign(input.as_bytes()).unwrap()), signature);
    assert_eq!(verifier.verify(input.as_bytes(), &decode(signature)), Ok(true));
    assert_eq!(check(&format!("{input}.{signature}"), &verifier), Err(TokenFault::Malformed));
}

/// Both names of one algorithm, for its own keys only.
#[test]
fn ed25519_has_two_names_to_verify() {
    let key = new_key(KeyAlgorithm::Ed25519);
    let (ours, verifier) = (signer(KeyAlgorithm::Ed25519, &key), verifier(KeyAlgorithm::Ed25519, &key));
    let payload = serde_json::to_vec(&claims()).unwrap();
    for name in ["Ed25519", "EdDSA"] {
        let token = signed(&ours, &unsigned(format!(r#"{{"alg":"{name}"}}"#), &payload));
        assert_eq!(check(&token, &verifier), Ok(claims()));
    }
    for name in ["ed25519", "EDDSA", "Ed448"] {
        let token = signed(&ours, &unsigned(format!(r#"{{"alg":"{name}"}}"#), &payload));
        assert_eq!(check(&token, &verifier), Err(TokenFault::Algorithm));
    }
    let es256 = new_key(KeyAlgorithm::Es256);
    let token = signed(&signer(KeyAlgorithm::Es256, &es256), &unsigned(r#"{"alg":"EdDSA"}"#, &payload));
    assert_eq!(check(&token, &support::verifier(KeyAlgorithm::Es256, &es256)), Err(TokenFault::Algorithm));
}

/// What is no list of texts makes no token unreadable: most do without.
#[test]
fn grants_are_read_from_the_header() {
    let key = new_key(KeyAlgorithm::Ed25519);
    let ours = signer(KeyAlgorithm::Ed25519, &key);
    let token = token(&ours, &key.kid);
    assert_eq!(UnverifiedToken::parse(&token).unwrap().grant_types(), ["client_credentials"]);
    let payload = serde_json::to_vec(&claims()).unwrap();
    for (member, expected) in [
        (r#","gty":["a","client_credentials"]"#, ["a", "client_credentials"].as_slice()),
        (r#","gty":[]"#, &[]),
        ("", &[]),
        (r#","gty":"client_credentials""#, &[]),
        (r#","gty":["client_credentials",7]"#, &[]),
        (r#","gty":[["client_credentials"]]"#, &[]),
        (r#","gty":{"client_credentials":true}"#, &[]),
        (r#","gty":null"#, &[]),
        (r#","Gty":["client_credentials"]"#, &[]),
    ] {
        let token = signed(&ours, &unsigned(format!(r#"{{"alg":"Ed25519"{member}}}"#), &payload));
        let unverified = UnverifiedToken::parse(&token).unwrap();
        assert_eq!(unverified.grant_types(), expected, "{member}");
        assert_eq!(check(&token, &verifier(KeyAlgorithm::Ed25519, &key)), Ok(claims()));
    }
}
