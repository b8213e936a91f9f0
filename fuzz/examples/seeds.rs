//! Writes the seeds of every target under `corpus-seeds/`, from the fixtures of the crate `claviger-crypto` and the keys of
//! this package: `cargo run --example seeds` in this directory. Run it after the layout of an input has changed.

use std::fs;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use claviger_crypto::{TokenHeader, sign_token};
use claviger_domain::Kid;
use claviger_fuzz::input::{Container, write_pieces};
use claviger_fuzz::keys::PAIRS;
use claviger_fuzz::pem::unarmour;
use serde_json::{Map, json};

const HEADERS: [&str; 8] = [
    r#"{"alg":"ALG","typ":"JWT","kid":"a"}"#,
    r#"{"kid":"ä\u0041","alg":"ALG","typ":"at+jwt","gty":["password"]}"#,
    r#"{"alg":"ALG","crit":["exp"],"exp":1}"#,
    r#"{"alg":"ALG","jwk":{"kty":"oct","k":"AA"}}"#,
    r#"{"alg":"none"}"#,
    r#"{"alg":"EdDSA"}"#,
    r#"{"alg":"ALG","alg":"none"}"#,
    r#"{"alg":"ALG","enc":"A128GCM","zip":"DEF"}"#,
];
const CLAIMS: [&str; 8] = [
    r#"{"exp":1709210100,"nbf":1709210000,"iat":1709210000,"iss":"a","sub":"b","aud":["c","d"],"jti":"e"}"#,
    r#"{"exp":1709210096.790,"nbf":1709210096.789,"aud":"c"}"#,
    r#"{"exp":1.7e9}"#,
    r#"{"exp":253402300800}"#,
    r#"{"exp":1e18,"nbf":-1}"#,
    r#"{"exp":"1709210100"}"#,
    r#"{"exp":1709210100,"exp":1}"#,
    r#"{"exp":1709210100,"aud":[1],"iss":null}"#,
];
const OBJECTS: [&str; 8] = [
    r#" {"b":[1,-2,2.5,1e3,18446744073709551615,null,true,false,"\u00e9\n\ud83d\ude00"],"a":{"":{}}} "#,
    r#"{"a":1,"\u0061":2}"#,
    r#"{"a":{"b":[{"c":1,"c":null}]}}"#,
    r#"{"a":"\"}:{\\","b":-0.0,"c":1E+2,"d":1e400}"#,
    r#"[{"a":1},{"a":1}]"#,
    r#""text""#,
    r#"{"a":"\ud800"}"#,
    "{\"key\":{\"name\":\"a\",\"length\":2048},\r\n\t\"x\" : null}",
];

/// Fixtures whose DER is a seed, each in its container.
const FIXTURES: [(&str, Container); 39] = [
    ("rsa-1024.spki", Container::Spki),
    ("rsa-2048.spki", Container::Spki),
    ("rsa-2048.pkcs1-public", Container::Pkcs1Public),
    ("rsa-2048.pkcs8", Container::Pkcs8),
    ("rsa-2048.pkcs1-private", Container::Pkcs1Private),
    ("rsa-pss.spki", Container::Spki),
    ("rsa-512.spki", Container::Spki),
    ("rsa-exponent-3.pkcs8", Container::Pkcs8),
    ("rsa-three-primes.pkcs8", Container::Pkcs8),
    ("ec-p256.spki", Container::Spki),
    ("ec-p256.spki-compressed", Container::Spki),
    ("ec-p256.spki-explicit", Container::Spki),
    ("ec-p256.pkcs8", Container::Pkcs8),
    ("ec-p256.pkcs8-explicit", Container::Pkcs8),
    ("ec-p256.sec1", Container::Sec1),
    ("ec-p256.sec1-no-public", Container::Sec1),
    ("ec-p256.encrypted-pkcs8", Container::Encrypted),
    ("ec-p384.spki", Container::Spki),
    ("ec-p384.sec1", Container::Sec1),
    ("ec-p521.spki", Container::Spki),
    ("ec-p521.pkcs8", Container::Pkcs8),
    ("ec-secp256k1.spki", Container::Spki),
    ("ed25519.spki", Container::Spki),
    ("ed25519.pkcs8", Container::Pkcs8),
    ("ed448.spki", Container::Spki),
    ("x25519.spki", Container::Spki),
    ("dsa.spki", Container::Spki),
    ("rsa-1024.certificate-v3", Container::Certificate),
    ("rsa-2048.certificate-v1", Container::Certificate),
    ("rsa-2048.certificate-v3", Container::Certificate),
    ("rsa-2048.certificate-pss", Container::Certificate),
    ("rsa-2048.certificate-sha384", Container::Certificate),
    ("rsa-2048.certificate-ec-issuer", Container::Certificate),
    ("ec-p256.certificate-v1", Container::Certificate),
    ("ec-p256.certificate-v3", Container::Certificate),
    ("ec-p256.certificate-no-common-name", Container::Certificate),
    ("ec-p256.certificate-explicit", Container::Certificate),
    ("ec-p521.certificate-v3", Container::Certificate),
    ("ed25519.certificate-v1", Container::Certificate),
];

/// Fixtures that are seeds as texts, with what stands around and between their blocks.
const TEXTS: [&str; 7] = [
    "ec-p256.certificate-v3",
    "ec-p256.spki",
    "ec-p256.pkcs8-bag",
    "ec-p256.sec1-parameters",
    "ec-p256.encrypted-traditional",
    "ec-p256.bag-of-both",
    "ed25519.pkcs8",
];

fn main() {
    json_seeds();
    token_seeds();
    key_seeds();
}

fn write(target: &str, name: &str, data: &[u8]) {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus-seeds").join(target);
    fs::create_dir_all(&directory).unwrap();
    fs::write(directory.join(name), data).unwrap();
}

fn json_seeds() {
    for (number, text) in OBJECTS.into_iter().chain(HEADERS).chain(CLAIMS).enumerate() {
        write("json", &format!("text-{number:02}"), text.as_bytes());
    }
    for levels in [127, 128] {
        let nested = [b"{\"a\":".repeat(levels), b"1".to_vec(), b"}".repeat(levels)].concat();
        write("json", &format!("nested-{levels}"), &nested);
    }
}

fn token_seeds() {
    let kid = Kid::from(String::from("a key"));
    let claims = Map::from_iter([("exp".to_owned(), json!(1_709_210_100))]);
    let header = TokenHeader { kid: &kid, grant_types: &[], key_use: None };
    for (number, pair) in (0_u8..).zip(PAIRS.iter()) {
        let name = pair.signer.algorithm().as_str();
        // Tokens of ECDSA would be forgeries to the target, since nothing shows that they are ours.
        if pair.is_deterministic() {
            let token = sign_token(&pair.signer, &header, &claims).unwrap();
            write("jwt", &format!("text-{name}"), token.as_bytes());
        }
        let mut changed = vec![0xff, number];
        // One change each of header, payload, signature and text.
        changed.extend([0, 2, 9, 1, 1, 0, 5, b' ', 2, 3, 0, 0, 3, 2, 40, 1, 0xfe]);
        changed.extend(b"a text");
        write("jwt", &format!("changed-{name}"), &changed);
        let headers = HEADERS.iter().cycle().skip(usize::from(number)).take(CLAIMS.len());
        for (place, (header, claims)) in headers.zip(CLAIMS).enumerate() {
            // All of them for the quick algorithms, the first for each.
            let header = if place == 0 { HEADERS[0] } else { header };
            if place == 0 || name == "HS256" || name == "Ed25519" {
                let header = header.replace("ALG", name);
                let data = [&[0xfd, number][..], header.as_bytes(), &[0xff], claims.as_bytes()].concat();
                write("jwt", &format!("signed-{name}-{place}"), &data);
            }
        }
    }
    let none = format!("{}.{}.", URL_SAFE_NO_PAD.encode(HEADERS[4]), URL_SAFE_NO_PAD.encode(CLAIMS[0]));
    write("jwt", "text-none", none.as_bytes());
    write("jwt", "text-encrypted", b"eyJhbGciOiJkaXIifQ..AA.AA.AA");
}

fn key_seeds() {
    for (name, container) in FIXTURES {
        let text = fixture(name);
        // Other blocks and notes stand before the key, if at all.
        let der = unarmour(&text[text.rfind("-----BEGIN ").unwrap()..]);
        let place =
            u8::try_from(Container::ALL.iter().position(|other| *other == container).unwrap()).unwrap();
        let pieces = write_pieces(&[(container, der.clone())]);
        write("import_pem", &format!("der-{name}"), &[&[0, 0, 1][..], &pieces].concat());
        write("jwks", &format!("der-{name}"), &[&[0, 2 * place + 1][..], &der].concat());
        if container == Container::Certificate {
            write("certificate", &format!("der-{name}"), &[&[1][..], &der].concat());
        }
    }
    for name in TEXTS {
        let text = fixture(name);
        let field = match name.rsplit_once('.').unwrap().1 {
            "certificate-v3" => 0,
            "spki" => 1,
            _ => 2,
        };
        let data = [&[0, 0, 0][..], &vec![0xff; field], text.as_bytes()].concat();
        write("import_pem", &format!("text-{name}"), &data);
        if field < 2 {
            let mode = u8::try_from(2 * field).unwrap();
            write("jwks", &format!("text-{name}"), &[&[0, mode][..], text.as_bytes()].concat());
        }
        if field == 0 {
            write("certificate", &format!("text-{name}"), &[&[0][..], text.as_bytes()].concat());
        }
    }
    for (key_type, algorithm, secret) in [(2, 0, "secret"), (0, 7, "secret"), (5, 8, "a \u{e9}"), (4, 1, "x")]
    {
        let data = [&[key_type, algorithm, 0, 0xff, 0xff, 0xff][..], secret.as_bytes()].concat();
        write("import_pem", &format!("secret-{key_type}-{algorithm}"), &data);
    }
    let both = |certificate: &str, public: &str, private: &str| {
        let der = |name: &str| unarmour(&fixture(name));
        write_pieces(&[
            (Container::Certificate, der(certificate)),
            (Container::Spki, der(public)),
            (Container::Pkcs8, der(private)),
        ])
    };
    for (name, key_type, algorithm, pieces) in [
        ("all-ec", 1, 2, both("ec-p256.certificate-v3", "ec-p256.spki", "ec-p256.pkcs8")),
        ("all-okp", 3, 1, both("ed25519.certificate-v1", "ed25519.spki", "ed25519.pkcs8")),
        ("all-rsa", 4, 10, both("rsa-2048.certificate-v3", "rsa-2048.spki", "rsa-2048.pkcs8")),
        ("all-mixed", 0, 0, both("ec-p256.certificate-v3", "ed25519.spki", "ec-p384.pkcs8")),
    ] {
        write("import_pem", name, &[&[key_type, algorithm, 1][..], &pieces].concat());
    }
}

/// The text of a fixture of the crate under test.
fn fixture(name: &str) -> String {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/crypto/tests/fixtures");
    let path = directory.join(format!("{name}.pem"));
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
