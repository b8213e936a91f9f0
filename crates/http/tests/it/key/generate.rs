//! Generating keys: every algorithm, the members of each kind, and certificates as `openssl` reads them.

use serde_json::{Value, json};

use super::{generate, openssl};
use crate::support::fixture::names;
use crate::support::server::START;
use crate::support::{Server, unique, uuid};

on_each_database! {
    shared: every_algorithm, hmac_keys_show_seven_members, certificates_are_what_openssl_reads, issuers_and_their_default,
        lengths_can_be_texts, ids_become_serial_numbers, what_a_generated_key_does_not_take_is_ignored;
}

pub(super) const CERTIFIED: [&str; 14] = [
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
    "name",
    "publicKey",
    "type",
];

/// 2037-01-15T08:00:00Z: the certificates of these tests end ten years after they were made.
const TEN_YEARS_LATER: i64 = 2_115_619_200_000;

/// Asserts everything about a key with a certificate that does not need another program.
#[track_caller]
pub(super) fn check_certified(key: &Value, algorithm: &str, key_type: &str, length: i64) {
    assert_eq!(names(key), CERTIFIED);
    assert_eq!(
        (&key["algorithm"], &key["type"], &key["length"], &key["hasPrivateKey"]),
        (&json!(algorithm), &json!(key_type), &json!(length), &json!(true))
    );
    assert_eq!((&key["insertInstant"], &key["lastUpdateInstant"]), (&json!(START), &json!(START)));
    let information = &key["certificateInformation"];
    assert_eq!(
        names(information),
        [
            "issuer",
            "md5Fingerprint",
            "serialNumber",
            "sha1Fingerprint",
            "sha1Thumbprint",
            "sha256Fingerprint",
            "sha256Thumbprint",
            "subject",
            "validFrom",
            "validTo",
        ]
    );
    assert_eq!(key["kid"], information["sha1Thumbprint"]);
    assert_eq!(key["kid"].as_str().unwrap().len(), 27);
    assert_eq!(information["issuer"], information["subject"]);
    assert_eq!(information["issuer"], json!(format!("CN={}", key["issuer"].as_str().unwrap())));
    assert_eq!(
        (&information["validFrom"], &information["validTo"]),
        (&json!(START), &json!(TEN_YEARS_LATER))
    );
    assert_eq!(key["expirationInstant"], information["validTo"]);
    for (member, label) in [("certificate", "CERTIFICATE"), ("publicKey", "PUBLIC KEY")] {
        let pem = key[member].as_str().unwrap();
        let armour = (format!("-----BEGIN {label}-----\n"), format!("\n-----END {label}-----"));
        assert!(pem.starts_with(&armour.0) && pem.ends_with(&armour.1) && !pem.contains('\r'), "{pem}");
        assert!(pem.lines().all(|line| line.len() <= 64));
    }
    assert!(!key.to_string().contains("PRIVATE"));
}

fn every_algorithm(server: &Server) {
    for (algorithm, requested, key_type, length) in [
        ("RS256", Some(2048), "RSA", 2048),
        ("RS384", Some(2048), "RSA", 2048),
        ("RS512", Some(3072), "RSA", 3072),
        ("ES256", None, "EC", 256),
        ("ES256", Some(256), "EC", 256),
        ("ES384", None, "EC", 384),
        ("ES512", Some(521), "EC", 521),
        ("Ed25519", None, "OKP", 32),
        ("Ed25519", Some(4711), "OKP", 32),
    ] {
        let key = generate(server, json!({"algorithm": algorithm, "length": requested}));
        check_certified(&key, algorithm, key_type, length);
        let read = server.as_key_manager().get(&super::path(&key)).ok();
        assert_eq!(read, json!({"key": key}), "{algorithm}");
    }
}

fn hmac_keys_show_seven_members(server: &Server) {
    for algorithm in ["HS256", "HS384", "HS512"] {
        let given =
            json!({"algorithm": algorithm, "length": 256, "issuer": "ignored", "secret": "not this one"});
        let key = generate(server, given);
        assert_eq!(
            names(&key),
            ["algorithm", "id", "insertInstant", "kid", "lastUpdateInstant", "name", "type"]
        );
        assert_eq!((&key["algorithm"], &key["type"]), (&json!(algorithm), &json!("HMAC")));
        let kid = key["kid"].as_str().unwrap();
        assert!(kid.len() == 10 && kid.bytes().all(|byte| b"0123456789abcdef".contains(&byte)), "{kid}");
        assert_eq!(server.as_key_manager().get(&super::path(&key)).ok(), json!({"key": key}));
    }
}

fn certificates_are_what_openssl_reads(server: &Server) {
    for (algorithm, length, signature) in [
        ("RS256", Some(2048), "sha256WithRSAEncryption"),
        ("RS384", Some(2048), "sha384WithRSAEncryption"),
        ("RS512", Some(2048), "sha512WithRSAEncryption"),
        ("ES256", None, "ecdsa-with-SHA256"),
        ("ES384", None, "ecdsa-with-SHA384"),
        ("ES512", None, "ecdsa-with-SHA512"),
        ("Ed25519", None, "ED25519"),
    ] {
        let id = uuid().replace("7e57ab1e", "fe57ab1e");
        let request = json!({"key": {"name": unique("certified"), "algorithm": algorithm, "length": length}});
        let document = server.as_key_manager().post(&format!("/api/key/generate/{id}"), &request).ok();
        let key = &document["key"];
        let information = &key["certificateInformation"];
        let certificate = key["certificate"].as_str().unwrap();
        let read = |arguments: &[&str]| {
            openssl(&[&["x509", "-noout"], arguments].concat(), certificate).trim().to_owned()
        };
        let serial = id.replace('-', "").to_uppercase();
        assert_eq!(read(&["-serial"]), format!("serial={serial}"));
        assert_eq!(information["serialNumber"], json!(format!("00:{}", pairs(&serial))));
        assert_eq!(read(&["-subject", "-nameopt", "RFC2253"]), "subject=CN=acme.com");
        assert_eq!(read(&["-issuer", "-nameopt", "RFC2253"]), "issuer=CN=acme.com");
        assert_eq!(
            read(&["-dates"]),
            "notBefore=Jan 15 08:00:00 2027 GMT\nnotAfter=Jan 15 08:00:00 2037 GMT"
        );
        for (digest, member) in
            [("-md5", "md5Fingerprint"), ("-sha1", "sha1Fingerprint"), ("-sha256", "sha256Fingerprint")]
        {
            let fingerprint = read(&["-fingerprint", digest]);
            assert_eq!(information[member].as_str(), fingerprint.split_once('=').map(|(_, value)| value));
        }
        assert_eq!(read(&["-pubkey"]), key["publicKey"].as_str().unwrap());
        assert!(read(&["-text"]).contains(&format!("Signature Algorithm: {signature}")), "{algorithm}");
        // The certificate is signed by its own key.
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), format!("{certificate}\n")).unwrap();
        let trusted = file.path().to_str().unwrap();
        let at = (START / 1000 + 60).to_string();
        let verified = openssl(&["verify", "-check_ss_sig", "-attime", &at, "-CAfile", trusted, trusted], "");
        assert!(verified.ends_with("OK\n"), "{verified}");
    }
}

fn pairs(hexadecimal: &str) -> String {
    let pairs: Vec<_> =
        hexadecimal.as_bytes().chunks(2).map(|pair| std::str::from_utf8(pair).unwrap()).collect();
    pairs.join(":")
}

fn issuers_and_their_default(server: &Server) {
    let own = generate(server, json!({"algorithm": "ES256", "issuer": "Example é, Inc."}));
    assert_eq!(own["issuer"], json!("Example é, Inc."));
    let subject = openssl(
        &["x509", "-noout", "-subject", "-nameopt", "utf8,sep_multiline"],
        own["certificate"].as_str().unwrap(),
    );
    assert!(subject.contains("CN=Example é, Inc."), "{subject}");
    assert_eq!(own["certificateInformation"]["subject"], json!("CN=Example é\\, Inc."));
    let longest = "i".repeat(64);
    assert_eq!(
        generate(server, json!({"algorithm": "Ed25519", "issuer": longest}))["issuer"],
        json!(longest)
    );
    for absent in [json!(null), json!("")] {
        assert_eq!(
            generate(server, json!({"algorithm": "Ed25519", "issuer": absent}))["issuer"],
            json!("acme.com")
        );
    }
}

fn lengths_can_be_texts(server: &Server) {
    assert_eq!(generate(server, json!({"algorithm": "RS256", "length": "2048"}))["length"], json!(2048));
    assert_eq!(generate(server, json!({"algorithm": "ES384", "length": "384"}))["length"], json!(384));
}

fn ids_become_serial_numbers(server: &Server) {
    for (id, serial) in [
        ("00000000-0000-0000-0000-0000000000a1", "00:A1"),
        ("00000000-0000-0000-0000-00000000007f", "7F"),
        ("007f0000-0000-4000-8000-000000000001", "7F:00:00:00:00:40:00:80:00:00:00:00:00:00:01"),
        ("c14b50e5-0000-4000-8000-000000000002", "00:C1:4B:50:E5:00:00:40:00:80:00:00:00:00:00:00:02"),
    ] {
        let request = json!({"key": {"name": unique("serial"), "algorithm": "Ed25519"}});
        let document = server.as_key_manager().post(&format!("/api/key/generate/{id}"), &request).ok();
        assert_eq!(document["key"]["id"], json!(id));
        assert_eq!(document["key"]["certificateInformation"]["serialNumber"], json!(serial));
    }
}

fn what_a_generated_key_does_not_take_is_ignored(server: &Server) {
    // The first three are sent by Go with every request.
    let given = json!({"algorithm": "ES256", "certificateInformation": {}, "hasPrivateKey": false, "kid": "chosen",
        "publicKey": "x", "privateKey": "y", "secret": "z", "certificate": "c", "id": uuid(), "type": "HMAC",
        "insertInstant": 1, "lastUpdateInstant": 2, "expirationInstant": 3});
    let key = generate(server, given.clone());
    check_certified(&key, "ES256", "EC", 256);
    assert_ne!(key["id"], given["id"]);
    let text = key.to_string();
    assert!(!text.contains("chosen") && !text.contains("privateKey") && !text.contains("secret"));
}
