//! Imports that are right, and requests that contradict themselves: the documented examples, what makes which key, and
//! where `kid`, algorithm and length come from.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::allow_attributes,
    missing_docs,
    reason = "test code"
)]

mod import_support;
mod support;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use claviger_crypto::{
    CryptoError, ImportFault, ImportField, ImportProblem, ImportRefusal, certificate_information,
    jwk_thumbprint,
};
use claviger_domain::{KeyAlgorithm, KeyId, KeyType, SecretBytes};
use import_support::{Fields, check_signatures, der, fixture, pem, same};
use openssl::pkey::{Id, PKey};
use openssl::sign::Verifier;
use openssl::x509::X509;

use crate::ImportFault::{
    Blank, Invalid, InvalidLength, Mismatch, Missing, NotExpected, TooLong, WrongContent,
};
use crate::ImportField::{Algorithm, Certificate, PrivateKey, PublicKey, Secret, Type};

/// The pairs that may be imported: fixture, type, algorithm when none is given, length.
const PAIRS: [(&str, KeyType, KeyAlgorithm, u32); 7] = [
    ("rsa-2048", KeyType::Rsa, KeyAlgorithm::Rs256, 2048),
    ("rsa-3072", KeyType::Rsa, KeyAlgorithm::Rs256, 3072),
    ("rsa-4096", KeyType::Rsa, KeyAlgorithm::Rs256, 4096),
    ("ec-p256", KeyType::Ec, KeyAlgorithm::Es256, 256),
    ("ec-p384", KeyType::Ec, KeyAlgorithm::Es384, 384),
    ("ec-p521", KeyType::Ec, KeyAlgorithm::Es512, 521),
    ("ed25519", KeyType::Okp, KeyAlgorithm::Ed25519, 32),
];

fn text(value: &serde_json::Value, member: &str) -> String {
    value[member].as_str().unwrap().to_owned()
}

fn private(name: &str) -> String {
    fixture(&format!("{name}.pkcs8"))
}

fn public(name: &str) -> String {
    fixture(&format!("{name}.spki"))
}

fn certificate(name: &str) -> String {
    fixture(&format!("{name}.certificate-v3"))
}

#[test]
fn documented_certificates_are_imported_in_every_form() {
    for vector in support::vectors()["keys"].as_array().unwrap() {
        let certificate = text(vector, "certificate");
        let bare = STANDARD.encode(der(&certificate));
        let wrapped =
            certificate.lines().filter(|line| !line.starts_with('-')).collect::<Vec<_>>().join("\n");
        for given in [
            Fields::certificate(&certificate),
            Fields::certificate(bare),
            Fields::certificate(&wrapped),
            Fields::certificate(format!("\r\n {} \n", wrapped.replace('\n', "\r\n"))),
            Fields::certificate(certificate.replace('\n', "\r")),
            Fields::certificate(certificate.replace('\n', " ")),
            Fields::public_key(&certificate),
            Fields { certificate: Some(certificate.clone()), ..Fields::public_key(&certificate) },
            Fields { public_key: Some(text(vector, "publicKey")), ..Fields::certificate(&certificate) },
        ] {
            let key = given.imported();
            assert_eq!(key.key_type.as_str(), vector["type"]);
            assert_eq!(key.algorithm.unwrap().as_str(), vector["algorithm"]);
            assert_eq!(u64::from(key.length.unwrap()), vector["length"].as_u64().unwrap());
            assert_eq!(key.kid.unwrap().as_str(), vector["kid"]);
            assert_eq!(key.public_key.unwrap(), vector["publicKey"]);
            assert_eq!(key.certificate.unwrap(), certificate);
            let information = &vector["certificateInformation"];
            assert_eq!(format!("CN={}", key.issuer.unwrap()), information["issuer"]);
            assert_eq!(
                key.expiration_instant.unwrap().epoch_millis(),
                information["validTo"].as_i64().unwrap()
            );
            assert!(key.material.is_none());
        }
    }
}

#[test]
fn public_keys_alone_have_a_jwk_thumbprint() {
    let vectors = support::vectors();
    for (vector, thumbprint) in vectors["keys"].as_array().unwrap().iter().zip([
        "KjduN9Xv1QTs9ECY9cGsKbxxmEU",
        "PoV7T5uasga6o2oP-eP784plkFw",
        "kBTiyMNNFQZ5LNCNpx5desB8-so",
    ]) {
        let key = Fields::public_key(text(vector, "publicKey")).imported();
        assert_eq!(key.kid.as_ref().unwrap().as_str(), thumbprint);
        assert_eq!(jwk_thumbprint(vector["publicKey"].as_str().unwrap()).unwrap(), thumbprint);
        assert_eq!(key.public_key.unwrap(), vector["publicKey"]);
        assert!(key.certificate.is_none() && key.material.is_none() && key.issuer.is_none());
        let expected = (vector["type"] != "RSA").then(|| text(vector, "algorithm"));
        assert_eq!(key.algorithm.map(|algorithm| algorithm.as_str().to_owned()), expected);
    }
    for bad in [private("ed25519"), certificate("ed25519"), String::new()] {
        assert_eq!(jwk_thumbprint(&bad), Err(CryptoError::Malformed));
    }
    assert_eq!(jwk_thumbprint(public("ed448").trim()), Err(CryptoError::Unsupported));
    assert_eq!(jwk_thumbprint(public("ec-secp256k1").trim()), Err(CryptoError::Unsupported));
}

#[test]
fn pairs_get_a_certificate_and_work() {
    for (name, key_type, algorithm, length) in PAIRS {
        let own = PKey::private_key_from_pkcs8(&der(&private(name))).unwrap();
        let derived = Fields::private_key(private(name)).imported();
        check_signatures(&derived, &own);
        assert_eq!((derived.key_type, derived.algorithm), (key_type, Some(algorithm)));
        assert_eq!(derived.length, Some(length));
        assert_eq!(derived.issuer.as_deref(), Some("acme.com"));
        let information = certificate_information(derived.certificate.as_ref().unwrap()).unwrap();
        assert_eq!(information.issuer, "CN=acme.com");
        assert_eq!(information.serial_number, "00:EA:75:11:86:36:78:48:C0:8F:08:11:F0:E3:C1:93:7B");
        assert_eq!(information.valid_from.epoch_millis(), 1_709_210_096_000);
        assert_eq!(information.valid_to.epoch_millis(), 2_024_742_896_000); // 2034-02-28T12:34:56Z
        let x509 = X509::from_der(&der(derived.certificate.as_ref().unwrap())).unwrap();
        assert!(x509.verify(&own).unwrap());

        let pair = Fields { public_key: Some(public(name)), ..Fields::private_key(private(name)) }.imported();
        assert_eq!(pair.public_key, derived.public_key);
        assert_eq!(pair.material.unwrap().expose(), derived.material.as_ref().unwrap().expose());
        assert_eq!(pair.public_key.unwrap().trim(), public(name).trim());
    }
}

/// The certificate of an RSA pair is signed as the key's algorithm says.
#[test]
fn the_algorithm_of_an_rsa_pair_signs_its_certificate() {
    for (algorithm, name) in [
        (KeyAlgorithm::Rs256, "sha256WithRSAEncryption"),
        (KeyAlgorithm::Rs384, "sha384WithRSAEncryption"),
        (KeyAlgorithm::Rs512, "sha512WithRSAEncryption"),
    ] {
        let given = Fields { algorithm: Some(algorithm), ..Fields::private_key(private("rsa-2048")) };
        let key = given.imported();
        assert_eq!(key.algorithm, Some(algorithm));
        let x509 = X509::from_der(&der(&key.certificate.unwrap())).unwrap();
        assert_eq!(x509.signature_algorithm().object().to_string(), name);
    }
}

#[test]
fn given_certificates_are_kept() {
    for name in ["rsa-2048", "ec-p256", "ec-p384", "ec-p521", "ed25519"] {
        let (kept, own) = (certificate(name), PKey::private_key_from_pkcs8(&der(&private(name))).unwrap());
        for given in [
            Fields { certificate: Some(kept.clone()), ..Fields::private_key(private(name)) },
            Fields { public_key: Some(kept.clone()), ..Fields::private_key(private(name)) },
            Fields {
                certificate: Some(kept.clone()),
                public_key: Some(public(name)),
                // Only for a certificate that is made.
                id: Some(KeyId::from_u128(0)),
                issuer: Some(String::new()),
                ..Fields::private_key(private(name))
            },
        ] {
            let key = given.imported();
            check_signatures(&key, &own);
            assert_eq!(key.certificate.as_deref(), Some(kept.trim()));
            assert_eq!(key.issuer.as_deref(), Some(name));
            assert!(key.material.is_some());
        }
    }
}

#[test]
fn certificates_tell_the_algorithm_of_rsa_keys() {
    for (name, alone, pair) in [
        ("sha384", Some(KeyAlgorithm::Rs384), KeyAlgorithm::Rs384),
        ("sha512", Some(KeyAlgorithm::Rs512), KeyAlgorithm::Rs512),
        ("v1", Some(KeyAlgorithm::Rs256), KeyAlgorithm::Rs256),
        ("v3", Some(KeyAlgorithm::Rs256), KeyAlgorithm::Rs256),
        ("sha1", None, KeyAlgorithm::Rs256),
        ("pss", None, KeyAlgorithm::Rs256),
        ("ec-issuer", None, KeyAlgorithm::Rs256),
    ] {
        let given = Fields::certificate(fixture(&format!("rsa-2048.certificate-{name}")));
        assert_eq!(given.imported().algorithm, alone, "{name}");
        let with_key = Fields { private_key: Some(private("rsa-2048")), ..given.clone() };
        assert_eq!(with_key.imported().algorithm, Some(pair), "{name}");
        let asked = Fields { algorithm: Some(KeyAlgorithm::Rs384), ..given };
        assert_eq!(asked.imported().algorithm, Some(KeyAlgorithm::Rs384), "{name}");
    }
    let bare = Fields { algorithm: Some(KeyAlgorithm::Rs512), ..Fields::public_key(public("rsa-2048")) };
    assert_eq!(bare.imported().algorithm, Some(KeyAlgorithm::Rs512));
    assert_eq!(Fields::public_key(public("rsa-1024")).imported().algorithm, None);
}

#[test]
fn issuers_are_the_common_name() {
    let issuer = |name: &str| Fields::certificate(fixture(name)).imported().issuer;
    assert_eq!(issuer("rsa-2048.certificate-ec-issuer").as_deref(), Some("ec-p256"));
    assert_eq!(issuer("ec-p256.certificate-no-common-name"), None);
}

/// Forms in which the openssl command line writes keys and certificates, notes and all.
#[test]
fn files_of_openssl_are_imported() {
    let expected = Fields::private_key(private("ec-p256")).imported();
    for name in ["sec1", "sec1-parameters", "sec1-no-public", "pkcs8-bag"] {
        same_key(&Fields::private_key(fixture(&format!("ec-p256.{name}"))), &expected.public_key);
    }
    same_key(&Fields::public_key(fixture("ec-p256.spki-compressed")), &expected.public_key);
    let expected = Fields::certificate(fixture("ec-p256.certificate-v3")).imported();
    same(&Fields::certificate(fixture("ec-p256.certificate-bag")).imported(), &expected);
    let expected = Fields::certificate(fixture("rsa-2048.certificate-v3")).imported();
    same(&Fields::certificate(fixture("rsa-2048.certificate-text")).imported(), &expected);
}

#[track_caller]
fn same_key(given: &Fields, public_key: &Option<String>) {
    assert_eq!(&given.imported().public_key, public_key);
}

#[test]
fn secrets_are_kept_as_they_are() {
    for (key_type, algorithm, expected) in [
        (Some(KeyType::Hmac), None, KeyAlgorithm::Hs256),
        (Some(KeyType::Hmac), Some(KeyAlgorithm::Hs512), KeyAlgorithm::Hs512),
        (None, Some(KeyAlgorithm::Hs384), KeyAlgorithm::Hs384),
        (Some(KeyType::Secret), None, KeyAlgorithm::None),
        (Some(KeyType::Secret), Some(KeyAlgorithm::None), KeyAlgorithm::None),
        (None, Some(KeyAlgorithm::None), KeyAlgorithm::None),
    ] {
        for secret in ["x", " with white space\n", "ü\0", &"ü".repeat(256), "c2VjcmV0"] {
            let key = Fields { key_type, algorithm, ..Fields::secret(secret) }.imported();
            assert_eq!((key.key_type, key.algorithm), (expected.key_type(), Some(expected)));
            assert_eq!(key.material.as_ref().map(SecretBytes::expose), Some(secret.as_bytes()));
        }
    }
    let with = |key_type, secret: String| Fields { key_type: Some(key_type), ..Fields::secret(secret) };
    with(KeyType::Hmac, "x".repeat(64 * 1024)).imported();
    assert_eq!(with(KeyType::Hmac, "x".repeat(64 * 1024 + 1)).refused(), [(Secret, TooLong)]);
    assert_eq!(with(KeyType::Secret, "ü".repeat(257)).refused(), [(Secret, TooLong)]);
    for key_type in [KeyType::Hmac, KeyType::Secret] {
        assert_eq!(with(key_type, String::new()).refused(), [(Secret, Blank)]);
        assert_eq!(with(key_type, "\u{a0} \n".into()).refused(), [(Secret, Blank)]);
    }
}

#[test]
fn empty_texts_count_as_absent() {
    let empty = |given: Fields| Fields {
        certificate: given.certificate.or(Some(String::new())),
        public_key: given.public_key.or(Some(" \r\n".into())),
        private_key: given.private_key.or(Some(String::new())),
        secret: given.secret.or(Some(String::new())),
        ..given
    };
    for plain in [
        Fields::certificate(certificate("ec-p256")),
        Fields::public_key(public("rsa-2048")),
        Fields::private_key(private("ed25519")),
        Fields { key_type: Some(KeyType::Hmac), ..Fields::secret("secret") },
    ] {
        same(&empty(plain.clone()).imported(), &plain.imported());
    }
    assert_eq!(empty(Fields::default()).refused(), [(PublicKey, Missing)]);
}

#[test]
fn contradictions_are_refused() {
    let rsa = || Fields::private_key(private("rsa-2048"));
    let (hmac, secret) = (Some(KeyType::Hmac), Some(String::from("secret")));
    let everything = || Fields {
        certificate: Some(certificate("ec-p256")),
        public_key: Some(public("ec-p256")),
        private_key: Some(private("ec-p256")),
        secret: secret.clone(),
        ..Fields::default()
    };
    for (given, expected) in [
        // Nothing to import.
        (Fields::default(), &[(PublicKey, Missing)][..]),
        (Fields { key_type: Some(KeyType::Rsa), ..Fields::default() }, &[(PublicKey, Missing)]),
        (Fields { key_type: hmac, ..Fields::default() }, &[(Secret, Blank)]),
        (Fields { algorithm: Some(KeyAlgorithm::None), ..Fields::default() }, &[(Secret, Blank)]),
        (
            Fields { key_type: hmac, algorithm: Some(KeyAlgorithm::Rs256), ..Fields::default() },
            &[(Secret, Blank), (Algorithm, Mismatch)],
        ),
        // A secret alone.
        (Fields::secret("secret"), &[(Type, Missing)]),
        (Fields { key_type: Some(KeyType::Rsa), ..Fields::secret("secret") }, &[(Type, Mismatch)]),
        (
            Fields { algorithm: Some(KeyAlgorithm::Es256), ..Fields::secret("secret") },
            &[(Algorithm, Mismatch)],
        ),
        (
            Fields { key_type: hmac, algorithm: Some(KeyAlgorithm::None), ..Fields::secret("secret") },
            &[(Algorithm, Mismatch)],
        ),
        (
            Fields {
                key_type: Some(KeyType::Secret),
                algorithm: Some(KeyAlgorithm::Hs256),
                ..Fields::secret("x".repeat(257))
            },
            &[(Algorithm, Mismatch), (Secret, TooLong)],
        ),
        // A secret beside PEM.
        (Fields { secret: secret.clone(), ..rsa() }, &[(Secret, NotExpected)]),
        (
            Fields { key_type: hmac, ..everything() },
            &[(Certificate, NotExpected), (PublicKey, NotExpected), (PrivateKey, NotExpected)],
        ),
        (
            Fields { algorithm: Some(KeyAlgorithm::Hs256), secret: secret.clone(), ..rsa() },
            &[(PrivateKey, NotExpected)],
        ),
        (
            Fields { algorithm: Some(KeyAlgorithm::Es384), ..everything() },
            &[(Secret, NotExpected), (Algorithm, Mismatch)],
        ),
        // PEM against type and algorithm.
        (Fields { key_type: hmac, ..rsa() }, &[(Type, Mismatch)]),
        (Fields { key_type: Some(KeyType::Secret), ..rsa() }, &[(Type, Mismatch)]),
        (
            Fields { key_type: Some(KeyType::Ec), algorithm: Some(KeyAlgorithm::Es256), ..rsa() },
            &[(Type, Mismatch), (Algorithm, Mismatch)],
        ),
        (Fields { algorithm: Some(KeyAlgorithm::None), ..rsa() }, &[(Algorithm, Mismatch)]),
        (
            Fields { algorithm: Some(KeyAlgorithm::Es256), ..Fields::public_key(public("ec-p384")) },
            &[(Algorithm, Mismatch)],
        ),
        (
            Fields { algorithm: Some(KeyAlgorithm::Es256), ..Fields::certificate(certificate("ed25519")) },
            &[(Algorithm, Mismatch)],
        ),
        // Halves of different keys.
        (Fields { public_key: Some(public("rsa-2048-other")), ..rsa() }, &[(PrivateKey, Mismatch)]),
        (Fields { certificate: Some(certificate("ec-p256")), ..rsa() }, &[(PrivateKey, Mismatch)]),
        (
            Fields {
                certificate: Some(certificate("rsa-2048")),
                ..Fields::public_key(public("rsa-2048-other"))
            },
            &[(Certificate, Mismatch)],
        ),
        (
            Fields {
                certificate: Some(certificate("ed25519")),
                public_key: Some(public("rsa-2048")),
                ..rsa()
            },
            &[(Certificate, Mismatch)],
        ),
        (
            Fields {
                certificate: Some(certificate("ed25519")),
                public_key: Some(public("ec-p256")),
                key_type: hmac,
                ..rsa()
            },
            &[(Certificate, Mismatch), (PrivateKey, Mismatch)],
        ),
        // Two certificates of one key.
        (
            Fields {
                certificate: Some(fixture("rsa-2048.certificate-v1")),
                ..Fields::public_key(certificate("rsa-2048"))
            },
            &[(Certificate, Mismatch)],
        ),
        // Several fields at once.
        (
            Fields {
                certificate: Some("x".into()),
                public_key: Some("y".into()),
                private_key: Some("z".into()),
                key_type: Some(KeyType::Ec),
                algorithm: Some(KeyAlgorithm::Rs256),
                ..Fields::default()
            },
            &[(Certificate, Invalid), (PublicKey, Invalid), (PrivateKey, Invalid), (Algorithm, Mismatch)],
        ),
        (
            Fields { certificate: Some("x".into()), key_type: Some(KeyType::Ec), ..rsa() },
            &[(Certificate, Invalid), (Type, Mismatch)],
        ),
        // RSA 1024 has no private half.
        (
            Fields { public_key: Some(public("rsa-1024")), ..Fields::private_key(private("rsa-1024")) },
            &[(PublicKey, InvalidLength), (PrivateKey, InvalidLength)],
        ),
        (Fields { certificate: Some(certificate("rsa-1024")), ..rsa() }, &[(Certificate, InvalidLength)]),
        // Private keys where they do not belong.
        (Fields::public_key(private("ec-p256")), &[(PublicKey, WrongContent)]),
        (Fields::certificate(private("ec-p256")), &[(Certificate, WrongContent)]),
        (Fields::certificate(public("ec-p256")), &[(Certificate, WrongContent)]),
        (Fields::private_key(public("ec-p256")), &[(PrivateKey, WrongContent)]),
        (Fields::private_key(certificate("ec-p256")), &[(PrivateKey, WrongContent)]),
    ] {
        assert_eq!(given.refused(), expected);
    }
}

#[test]
fn several_blocks_are_refused() {
    let chain = format!("{}{}", fixture("rsa-2048.certificate-ec-issuer"), certificate("ec-p256"));
    assert_eq!(Fields::certificate(&chain).refused(), [(Certificate, ImportFault::SeveralBlocks)]);
    assert_eq!(Fields::public_key(&chain).refused(), [(PublicKey, ImportFault::SeveralBlocks)]);
    let both = fixture("ec-p256.bag-of-both");
    assert_eq!(Fields::private_key(&both).refused(), [(PrivateKey, ImportFault::SeveralBlocks)]);
    assert_eq!(Fields::certificate(&both).refused(), [(Certificate, ImportFault::SeveralBlocks)]);
    // The block of parameters must be of the key's own curve, and before an EC key.
    let parameters = fixture("ec-p384.sec1-parameters");
    let parameters = parameters.split_inclusive("-----END EC PARAMETERS-----\n").next().unwrap();
    let wrong_curve = format!("{parameters}{}", fixture("ec-p256.sec1"));
    assert_eq!(Fields::private_key(wrong_curve).refused(), [(PrivateKey, Invalid)]);
    let other_form = format!("{parameters}{}", private("ec-p384"));
    assert_eq!(Fields::private_key(other_form).refused(), [(PrivateKey, ImportFault::SeveralBlocks)]);
    let behind = format!("{}{parameters}", fixture("ec-p384.sec1"));
    assert_eq!(Fields::private_key(behind).refused(), [(PrivateKey, ImportFault::SeveralBlocks)]);
    assert_eq!(Fields::private_key(parameters).refused(), [(PrivateKey, Invalid)]);
}

#[test]
fn a_certificate_that_cannot_be_made_is_a_failure() {
    let pair = || Fields::private_key(private("ed25519"));
    for (given, expected) in [
        (Fields { id: Some(KeyId::from_u128(0)), ..pair() }, CryptoError::Unsupported),
        (Fields { issuer: Some(String::new()), ..pair() }, CryptoError::Malformed),
    ] {
        assert_eq!(given.import().err(), Some(ImportRefusal::Failed(expected)));
    }
    // Without a private key no certificate is made.
    let id = Some(KeyId::from_u128(0));
    Fields { id, issuer: Some(String::new()), ..Fields::public_key(public("ed25519")) }.imported();
}

/// The points whose order is at most eight let anybody make signatures: one that holds for the neutral element shows it.
#[test]
fn ed25519_keys_of_small_order_are_refused() {
    let mut neutral = [0; 32];
    neutral[0] = 1;
    let forged = [neutral, [0; 32]].concat();
    let weak = PKey::public_key_from_raw_bytes(&neutral, Id::ED25519).unwrap();
    assert!(Verifier::new_without_digest(&weak).unwrap().verify_oneshot(&forged, b"anything").unwrap());

    let mut minus_one = [0xff; 32];
    (minus_one[0], minus_one[31]) = (0xec, 0x7f);
    let order_8 = "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05";
    let order_8: Vec<u8> =
        (0..32).map(|at| u8::from_str_radix(&order_8[2 * at..2 * at + 2], 16).unwrap()).collect();
    for point in [neutral.to_vec(), vec![0; 32], minus_one.to_vec(), order_8] {
        for sign in [0, 0x80] {
            let mut point = point.clone();
            point[31] |= sign;
            let spki =
                PKey::public_key_from_raw_bytes(&point, Id::ED25519).unwrap().public_key_to_der().unwrap();
            assert_eq!(Fields::public_key(pem("PUBLIC KEY", &spki)).refused(), [(PublicKey, Invalid)]);
        }
    }
}

#[test]
fn refusals_say_what_is_wrong_and_repeat_nothing() {
    let given = Fields {
        key_type: Some(KeyType::Rsa),
        ..Fields::public_key(fixture("ec-p256.pkcs8").replace("PRIVATE", "PUBLIC"))
    };
    let refusal = given.import().err().unwrap();
    let expected = ImportProblem { field: ImportField::PublicKey, fault: Invalid };
    assert_eq!(refusal, ImportRefusal::Problems(vec![expected]));
    assert_eq!(
        refusal.to_string(),
        "publicKey: this cannot be read, or is no valid key or certificate; the form is PEM"
    );
}
