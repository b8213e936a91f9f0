//! Hostile tokens, by class, and the failures of other libraries by the names under which they were published.
//!
//! Nearly all of these tokens are signed with the right key, so that only the rule in question can refuse them.
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

use claviger_crypto::{
    CryptoError, GeneratedKey, MAXIMUM_TOKEN_LENGTH, Signer, TokenFault, UnverifiedToken, Verifier,
};
use claviger_domain::{KeyAlgorithm, KeyType, SecretBytes};
use openssl::bn::BigNum;
use openssl::ecdsa::EcdsaSig;
use proptest::prelude::*;
use serde_json::json;
use support::{algorithms, check, decode, encode, new_key, signed, signer, unsigned, verifier};

/// Claims that hold.
const CLAIMS: &str = r#"{"exp":1700003600}"#;
/// A header that fits [`Hs256`].
const HEADER: &str = r#"{"alg":"HS256","typ":"JWT","kid":"k"}"#;

/// A key that signs quickly.
struct Hs256 {
    signer: Signer,
    verifier: Verifier,
}

impl Hs256 {
    fn new() -> Self {
        let secret = SecretBytes::from(b"a secret of some length".to_vec());
        Self {
            signer: Signer::new(KeyAlgorithm::Hs256, &secret).unwrap(),
            verifier: Verifier::from_secret(KeyAlgorithm::Hs256, &secret).unwrap(),
        }
    }

    /// A token of any header and payload, signed.
    fn token(&self, header: impl AsRef<[u8]>, payload: impl AsRef<[u8]>) -> String {
        signed(&self.signer, &unsigned(header, payload))
    }

    #[track_caller]
    fn refused(&self, header: impl AsRef<[u8]>, payload: impl AsRef<[u8]>, fault: TokenFault) {
        let text = String::from_utf8_lossy(header.as_ref()).into_owned();
        assert_eq!(check(&self.token(header, payload), &self.verifier), Err(fault), "{text:.200}");
    }

    #[track_caller]
    fn accepted(&self, header: impl AsRef<[u8]>, payload: impl AsRef<[u8]>) {
        assert!(check(&self.token(header, payload), &self.verifier).is_ok());
    }
}

/// One key of each type of pair.
fn pairs() -> Vec<(KeyAlgorithm, GeneratedKey)> {
    [
        KeyAlgorithm::Rs256,
        KeyAlgorithm::Es256,
        KeyAlgorithm::Es384,
        KeyAlgorithm::Es512,
        KeyAlgorithm::Ed25519,
    ]
    .map(|algorithm| (algorithm, new_key(algorithm)))
    .into()
}

fn fault(token: &str, verifier: &Verifier) -> Option<TokenFault> {
    check(token, verifier).err()
}

// The rule that the key decides the algorithm.

/// CVE-2015-10004 (jwt of robbert229): tags were compared byte by byte. Ours go to OpenSSL's comparison as a whole, which
/// nobody may replace by one that looks at a part: each bit of a tag counts, and so does its length.
#[test]
fn cve_2015_10004_every_bit_of_a_tag_counts() {
    let key = Hs256::new();
    let input = b"header.payload";
    let tag = key.signer.sign(input).unwrap();
    assert!(key.verifier.verify(input, &tag).unwrap());
    for bit in 0..tag.len() * 8 {
        let mut other = tag.clone();
        other[bit / 8] ^= 1 << (bit % 8);
        assert!(!key.verifier.verify(input, &other).unwrap(), "{bit}");
    }
    for length in 0..tag.len() {
        assert!(!key.verifier.verify(input, &tag[..length]).unwrap(), "{length}");
    }
    assert!(!key.verifier.verify(input, &[tag.as_slice(), &[0]].concat()).unwrap());
}

#[test]
fn cve_2015_9235_public_key_as_hmac_secret() {
    for (algorithm, key) in pairs() {
        let pem = key.public_key.clone().unwrap();
        let der: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
        let der = base64::Engine::decode(&base64::engine::general_purpose::STANDARD, der).unwrap();
        let verifier = verifier(algorithm, &key);
        for secret in [pem.clone().into_bytes(), format!("{pem}\n").into_bytes(), der] {
            let secret = SecretBytes::from(secret);
            for hmac in [KeyAlgorithm::Hs256, KeyAlgorithm::Hs384, KeyAlgorithm::Hs512] {
                let signer = Signer::new(hmac, &secret).unwrap();
                let token = signed(&signer, &unsigned(format!(r#"{{"alg":"{hmac}"}}"#), CLAIMS));
                assert_eq!(fault(&token, &verifier), Some(TokenFault::Algorithm));
                // The same under the name that the key has.
                let token = signed(&signer, &unsigned(format!(r#"{{"alg":"{algorithm}"}}"#), CLAIMS));
                assert_eq!(fault(&token, &verifier), Some(TokenFault::Signature));
                assert_eq!(Verifier::from_public_key(hmac, &pem).err(), Some(CryptoError::Mismatch));
            }
        }
    }
}

/// The type of the key comes from OpenSSL, not from a look at its text.
#[test]
fn cve_2023_48223_and_cve_2026_34950_white_space_around_the_key() {
    for (algorithm, key) in pairs() {
        let pem = key.public_key.unwrap();
        for text in
            [format!(" {pem}"), format!("\n\n{pem}\n"), format!("\t{pem}\r\n"), format!("\u{a0}{pem}")]
        {
            for hmac in [KeyAlgorithm::Hs256, KeyAlgorithm::Hs384, KeyAlgorithm::Hs512] {
                assert!(Verifier::from_public_key(hmac, &text).is_err());
            }
            let other =
                if algorithm == KeyAlgorithm::Ed25519 { KeyAlgorithm::Rs256 } else { KeyAlgorithm::Ed25519 };
            assert!(Verifier::from_public_key(other, &text).is_err());
        }
    }
}

/// Each key with each algorithm that a token may name.
#[test]
fn cve_2026_22817_and_cve_2026_33322_the_token_chooses_no_algorithm() {
    for (algorithm, key) in pairs().into_iter().chain([(KeyAlgorithm::Hs256, new_key(KeyAlgorithm::Hs256))]) {
        let (signer, verifier) = (signer(algorithm, &key), verifier(algorithm, &key));
        let others = ["PS256", "ES256K", "Ed448", "RS1", "HS1", "dir", "A256GCM", "", " ", "*", "null"];
        let names = algorithms().map(KeyAlgorithm::as_str).chain(others);
        for name in names.filter(|name| *name != algorithm.as_str()) {
            let token = signed(&signer, &unsigned(json!({ "alg": name }).to_string(), CLAIMS));
            assert_eq!(fault(&token, &verifier), Some(TokenFault::Algorithm), "{algorithm} {name}");
        }
        let lower = algorithm.as_str().to_lowercase();
        for name in [
            lower.as_str(),
            &format!("{algorithm} "),
            &format!("{algorithm}\0"),
            &format!("\u{feff}{algorithm}"),
        ] {
            let token = signed(&signer, &unsigned(json!({ "alg": name }).to_string(), CLAIMS));
            assert_eq!(fault(&token, &verifier), Some(TokenFault::Algorithm), "{algorithm} {name}");
        }
    }
}

/// The digest is part of the algorithm, also where the key would serve for all three.
#[test]
fn keys_serve_one_digest_only() {
    let key = new_key(KeyAlgorithm::Rs256);
    let header = r#"{"alg":"RS256"}"#;
    for other in [KeyAlgorithm::Rs384, KeyAlgorithm::Rs512] {
        let token = signed(&signer(other, &key), &unsigned(header, CLAIMS));
        assert_eq!(fault(&token, &verifier(KeyAlgorithm::Rs256, &key)), Some(TokenFault::Signature));
    }
}

#[test]
fn cve_2022_23540_none() {
    let keys = Hs256::new();
    for name in ["none", "None", "NONE", "nOnE"] {
        let header = format!(r#"{{"alg":"{name}"}}"#);
        keys.refused(&header, CLAIMS, TokenFault::NoneAlgorithm);
        let unsigned = unsigned(&header, CLAIMS);
        assert_eq!(fault(&unsigned, &keys.verifier), Some(TokenFault::Malformed));
        assert_eq!(fault(&format!("{unsigned}."), &keys.verifier), Some(TokenFault::Malformed));
        assert_eq!(fault(&format!("{unsigned}.AA"), &keys.verifier), Some(TokenFault::NoneAlgorithm));
    }
    // Nor is there a key for it.
    let secret = SecretBytes::from(vec![1]);
    assert_eq!(Signer::new(KeyAlgorithm::None, &secret).err(), Some(CryptoError::Unsupported));
    assert_eq!(Verifier::from_secret(KeyAlgorithm::None, &secret).err(), Some(CryptoError::Unsupported));
    // What looks like it, and is no name at all.
    for header in
        [r#"{"alg":null}"#, r#"{"alg":["none"]}"#, r#"{"alg":0}"#, r#"{"alg":{"alg":"HS256"}}"#, "{}"]
    {
        keys.refused(header, CLAIMS, TokenFault::Malformed);
    }
    for header in [r#"{"alg":"n\u006fne"}"#, r#"{"\u0061lg":"none"}"#] {
        keys.refused(header, CLAIMS, TokenFault::NoneAlgorithm);
    }
    for header in [r#"{"alg":"none "}"#, r#"{"alg":"ｎone"}"#, r#"{"alg":"no\u0000ne"}"#] {
        keys.refused(header, CLAIMS, TokenFault::Algorithm);
    }
}

#[test]
fn cve_2026_29000_and_cve_2026_34986_encrypted_tokens() {
    let keys = Hs256::new();
    let signed = keys.token(HEADER, CLAIMS);
    let jwe = unsigned(r#"{"alg":"RSA-OAEP","enc":"A256GCM"}"#, "key");
    for token in [format!("{jwe}.AAAA.{}.AAAA", encode(&signed)), "....".to_owned(), format!("{signed}..")] {
        assert_eq!(UnverifiedToken::parse(&token).err(), Some(TokenFault::Encrypted));
    }
    keys.refused(r#"{"alg":"HS256","enc":"A256GCM"}"#, CLAIMS, TokenFault::Encrypted);
    // A token within a token is no set of claims, whatever `cty` says (RFC 7519, section 5.2).
    keys.refused(r#"{"alg":"HS256","cty":"JWT"}"#, signed, TokenFault::Malformed);
}

#[test]
fn cve_2024_28180_compressed_content() {
    let keys = Hs256::new();
    keys.refused(r#"{"alg":"HS256","zip":"DEF"}"#, CLAIMS, TokenFault::Encrypted);
    keys.refused(r#"{"alg":"HS256","zip":null}"#, CLAIMS, TokenFault::Encrypted);
}

#[test]
fn cve_2022_21449_zero_ecdsa_signature() {
    for (algorithm, length) in
        [(KeyAlgorithm::Es256, 64), (KeyAlgorithm::Es384, 96), (KeyAlgorithm::Es512, 132)]
    {
        let key = new_key(algorithm);
        let verifier = verifier(algorithm, &key);
        let unsigned = unsigned(format!(r#"{{"alg":"{algorithm}"}}"#), CLAIMS);
        let half = vec![0; length / 2];
        let mut one = half.clone();
        one[length / 2 - 1] = 1;
        for (r, s) in [(&half, &half), (&half, &one), (&one, &half), (&one, &one)] {
            let token = format!("{unsigned}.{}", encode([r.as_slice(), s].concat()));
            assert_eq!(fault(&token, &verifier), Some(TokenFault::Signature));
        }
        // In DER, and shorter and longer than it should be.
        for bytes in
            [vec![0x30, 6, 2, 1, 0, 2, 1, 0], vec![0], vec![0; 2], vec![0; length - 1], vec![0; length + 1]]
        {
            assert_eq!(
                fault(&format!("{unsigned}.{}", encode(bytes)), &verifier),
                Some(TokenFault::Signature)
            );
        }
    }
}

#[test]
fn cve_2026_25537_exp_of_wrong_type() {
    let keys = Hs256::new();
    for value in ["\"1700003600\"", "null", "true", "[1700003600]", "{}", "\"\"", "-1", "-1700003600"] {
        keys.refused(HEADER, format!(r#"{{"exp":{value}}}"#), TokenFault::BadTime);
        keys.refused(HEADER, format!(r#"{{"exp":1700003600,"nbf":{value}}}"#), TokenFault::BadTime);
        keys.refused(HEADER, format!(r#"{{"exp":1700003600,"iat":{value}}}"#), TokenFault::BadTime);
    }
    keys.refused(HEADER, "{}", TokenFault::MissingExpiration);
    for name in ["Exp", "EXP", "exp ", " exp", "e\\u0000xp", "expires_at"] {
        keys.refused(HEADER, format!(r#"{{"{name}":1700003600}}"#), TokenFault::MissingExpiration);
    }
    keys.accepted(HEADER, r#"{"\u0065xp":1700003600}"#);
}

#[test]
fn josekit_panics_on_absurd_numbers() {
    let keys = Hs256::new();
    for value in [
        "1e19",
        "1e18",
        "1e300",
        "1.7976931348623157e308",
        "9223372036854775807",
        "9223372036854775808",
        "18446744073709551615",
        "18446744073709551616",
        "253402300800",
        "253402300799.1",
        "-9223372036854775808",
        "-1e300",
        "-1e-300",
    ] {
        keys.refused(HEADER, format!(r#"{{"exp":{value}}}"#), TokenFault::BadTime);
        keys.refused(HEADER, format!(r#"{{"exp":1700003600,"nbf":{value}}}"#), TokenFault::BadTime);
        keys.refused(HEADER, format!(r#"{{"exp":1700003600,"iat":{value}}}"#), TokenFault::BadTime);
    }
    // Beyond what a float holds it is no JSON number for this parser; elsewhere than in a time any number will do.
    for value in ["1e309", "-1e999999999", "NaN", "Infinity", "0x10", "+1", "01"] {
        keys.refused(HEADER, format!(r#"{{"exp":{value}}}"#), TokenFault::Malformed);
    }
    keys.accepted(HEADER, r#"{"exp":253402300799,"n":1e300}"#);
    keys.accepted(HEADER, r#"{"exp":1.7000036e9,"nbf":0,"iat":1e-300}"#);
}

/// `aud` as a list must not read as an absent one. Who is meant is for the caller to check, who gets it as it is.
#[test]
fn cve_2020_26160_audience_as_list() {
    let keys = Hs256::new();
    for audience in [json!("a"), json!([]), json!(["a"]), json!(["a", "b"])] {
        let claims = json!({"exp": 1_700_003_600, "aud": audience}).to_string();
        let read = check(&keys.token(HEADER, claims), &keys.verifier).unwrap();
        assert_eq!(read["aud"], audience);
    }
    for audience in [json!(null), json!(1), json!({"a": "a"}), json!([1]), json!(["a", null]), json!([["a"]])]
    {
        let claims = json!({"exp": 1_700_003_600, "aud": audience}).to_string();
        keys.refused(HEADER, claims, TokenFault::BadClaim);
    }
}

/// One fault and not several, and that of the signature before those of the claims.
#[test]
fn cve_2024_51744_a_wrong_signature_is_never_only_expired() {
    let keys = Hs256::new();
    for claims in [r#"{"exp":1}"#, "{}", "[]", r#"{"exp":"x"}"#, "no JSON"] {
        let token = keys.token(HEADER, claims);
        let (unsigned, _) = token.rsplit_once('.').unwrap();
        assert_eq!(
            fault(&format!("{unsigned}.AAAA"), &keys.verifier),
            Some(TokenFault::Signature),
            "{claims}"
        );
    }
}

#[test]
fn cve_2025_30204_many_dots() {
    for (length, fault) in [
        (3, TokenFault::Malformed),
        (5, TokenFault::Malformed),
        (MAXIMUM_TOKEN_LENGTH, TokenFault::Malformed),
        (MAXIMUM_TOKEN_LENGTH + 1, TokenFault::TooLong),
        (8 * 1024 * 1024, TokenFault::TooLong),
    ] {
        assert_eq!(UnverifiedToken::parse(&".".repeat(length)).err(), Some(fault), "{length}");
    }
    let keys = Hs256::new();
    let token = keys.token(HEADER, CLAIMS);
    assert_eq!(fault(&format!("{token}{}", ".".repeat(60_000)), &keys.verifier), Some(TokenFault::Malformed));
}

/// Josekit and others keep the last of two.
#[test]
fn duplicate_members_are_refused_at_any_depth() {
    let keys = Hs256::new();
    for header in [
        r#"{"alg":"HS256","alg":"HS256"}"#,
        r#"{"alg":"none","alg":"HS256"}"#,
        r#"{"alg":"HS256","al\u0067":"none"}"#,
        r#"{"alg":"HS256","kid":"a","kid":"b"}"#,
        r#"{"alg":"HS256","x":{"y":[{"z":1,"z":1}]}}"#,
    ] {
        keys.refused(header, CLAIMS, TokenFault::Malformed);
    }
    for claims in [
        r#"{"exp":1,"exp":1700003600}"#,
        r#"{"exp":1700003600,"e\u0078p":1700003600}"#,
        r#"{"exp":1700003600,"aud":"you","aud":"me"}"#,
        r#"{"exp":1700003600,"permissions":{"a":["read"],"a":["write"]}}"#,
    ] {
        keys.refused(HEADER, claims, TokenFault::Malformed);
    }
}

#[test]
fn headers_that_bring_a_key_or_an_extension_are_refused() {
    let keys = Hs256::new();
    for (members, fault) in [
        (r#""crit":[]"#, TokenFault::UnknownCritical),
        (r#""crit":null"#, TokenFault::UnknownCritical),
        (r#""crit":["exp"],"exp":1"#, TokenFault::UnknownCritical),
        (r#""crit":["b64"],"b64":true"#, TokenFault::UnknownCritical),
        (r#""b64":false"#, TokenFault::UnknownCritical),
        (r#""b64":true"#, TokenFault::UnknownCritical),
        (r#""jwk":{"kty":"oct","k":"AA"}"#, TokenFault::EmbeddedKey),
        (r#""jwk":null"#, TokenFault::EmbeddedKey),
        (r#""j\u0077k":{}"#, TokenFault::EmbeddedKey),
        (r#""jku":"https://example.com/keys""#, TokenFault::EmbeddedKey),
        (r#""x5u":"https://example.com/certificate""#, TokenFault::EmbeddedKey),
        (r#""x5c":["MIIB"]"#, TokenFault::EmbeddedKey),
        (r#""enc":"A256GCM""#, TokenFault::Encrypted),
        (r#""typ":"JOSE""#, TokenFault::Type),
        (r#""typ":"secevent+jwt""#, TokenFault::Type),
        (r#""typ":"dpop+jwt""#, TokenFault::Type),
        (r#""typ":"""#, TokenFault::Type),
        (r#""typ":"JWT ""#, TokenFault::Type),
        (r#""typ":null"#, TokenFault::Malformed),
        (r#""typ":["JWT"]"#, TokenFault::Malformed),
        (r#""kid":null"#, TokenFault::Malformed),
        (r#""kid":1"#, TokenFault::Malformed),
        (r#""kid":"""#, TokenFault::Malformed),
        (r#""kid":["k"]"#, TokenFault::Malformed),
    ] {
        keys.refused(format!(r#"{{"alg":"HS256",{members}}}"#), CLAIMS, fault);
        keys.refused(format!(r#"{{{members},"alg":"HS256"}}"#), CLAIMS, fault);
    }
    keys.refused(format!(r#"{{"alg":"HS256","kid":"{}"}}"#, "k".repeat(257)), CLAIMS, TokenFault::Malformed);
    for members in [r#""typ":"jwt""#, r#""typ":"AT+JWT""#, r#""x5t":"AA","JWK":{},"use":"x","gty":[1]"#] {
        keys.accepted(format!(r#"{{"alg":"HS256",{members}}}"#), CLAIMS);
    }
    keys.accepted(format!(r#"{{"alg":"HS256","kid":"{}"}}"#, "ü".repeat(256)), CLAIMS);
}

#[test]
fn only_one_json_object_each() {
    let keys = Hs256::new();
    let nested = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
    let frames: [(&str, &str); 8] = [
        ("\u{feff}", ""),
        ("", "x"),
        ("", "{}"),
        ("", "\0"),
        ("[", "]"),
        ("\"", "\""),
        ("/**/", ""),
        ("", ","),
    ];
    for (before, after) in frames {
        keys.refused(format!("{before}{HEADER}{after}"), CLAIMS, TokenFault::Malformed);
        keys.refused(HEADER, format!("{before}{CLAIMS}{after}"), TokenFault::Malformed);
    }
    for text in
        ["null", "true", "1", "\"HS256\"", "[]", "{", "{\"a\"}", "{'alg':'HS256'}", "{\"alg\":\"HS256\",}"]
    {
        keys.refused(text, CLAIMS, TokenFault::Malformed);
        keys.refused(HEADER, text, TokenFault::Malformed);
    }
    for bytes in [
        b"{\"alg\":\"HS256\",\"x\":\"\xff\"}".as_slice(),
        b"{\"alg\":\"HS256\",\"x\":\"\xc0\x80\"}",
        b"\xff\xfe{\0}\0",
    ] {
        keys.refused(bytes, CLAIMS, TokenFault::Malformed);
        keys.refused(HEADER, bytes, TokenFault::Malformed);
    }
    for lone in [r#""\ud800""#, r#""\udfff\ud800""#, r#""\u12""#, "\"\n\""] {
        keys.refused(format!(r#"{{"alg":"HS256","x":{lone}}}"#), CLAIMS, TokenFault::Malformed);
    }
    keys.refused(format!(r#"{{"alg":"HS256","x":{}}}"#, nested(20_000)), CLAIMS, TokenFault::Malformed);
    keys.refused(HEADER, format!(r#"{{"exp":1700003600,"x":{}}}"#, nested(20_000)), TokenFault::Malformed);
    keys.accepted(HEADER, format!(r#"{{"exp":1700003600,"x":{}}}"#, nested(100)));
    keys.accepted(format!(" \r\n\t{HEADER}\n"), format!("\n{CLAIMS} "));
}

#[test]
fn only_strict_base64url() {
    let keys = Hs256::new();
    let token = keys.token(HEADER, CLAIMS);
    assert!(check(&token, &keys.verifier).is_ok());
    let parts: Vec<&str> = token.split('.').collect();
    for index in 0..3 {
        let part = parts[index];
        let (first, rest) = part.split_at(4);
        for wrong in [
            String::new(),
            format!("{part}="),
            format!("{part}=="),
            format!(" {part}"),
            format!("{part} "),
            format!("{part}\n"),
            format!("{first}\r\n{rest}"),
            format!("{first}\0{rest}"),
            format!("{first}+{rest}"),
            format!("{first}/{rest}"),
            format!("{first}%{rest}"),
            format!("{first}é{rest}"),
            // A length that base64 cannot have.
            format!("{part}{}", "A".repeat((5 - part.len() % 4) % 4)),
        ] {
            let mut changed = parts.clone();
            changed[index] = &wrong;
            // Signed again, so that nothing but the encoding is wrong.
            let mut token = changed.join(".");
            if index < 2 {
                let unsigned = format!("{}.{}", changed[0], changed[1]);
                token = signed(&keys.signer, &unsigned);
            }
            assert_eq!(UnverifiedToken::parse(&token).err(), Some(TokenFault::Malformed), "{token}");
        }
    }
    // The bits that the last character has too many: 32 bytes leave two of them.
    let last = token.chars().last().unwrap();
    let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let place = alphabet.find(last).unwrap();
    assert_eq!(place % 4, 0);
    for stray in 1..4 {
        let other = &alphabet[place + stray..=place + stray];
        let stray = format!("{}{other}", &token[..token.len() - 1]);
        assert_eq!(UnverifiedToken::parse(&stray).err(), Some(TokenFault::Malformed));
    }
}

#[test]
fn only_three_parts() {
    let keys = Hs256::new();
    let token = keys.token(HEADER, CLAIMS);
    let parts: Vec<&str> = token.split('.').collect();
    let (header, payload, signature) = (parts[0], parts[1], parts[2]);
    for (text, fault) in [
        (String::new(), TokenFault::Malformed),
        (header.to_owned(), TokenFault::Malformed),
        (format!("{header}.{payload}"), TokenFault::Malformed),
        (format!("{header}.{signature}"), TokenFault::Malformed),
        (format!("{header}.{payload}."), TokenFault::Malformed),
        (format!("{header}..{signature}"), TokenFault::Malformed),
        (format!(".{payload}.{signature}"), TokenFault::Malformed),
        (format!(".{token}"), TokenFault::Malformed),
        (format!("{token}."), TokenFault::Malformed),
        (format!("{token}.{signature}"), TokenFault::Malformed),
        (format!("{token}.."), TokenFault::Encrypted),
        (format!("{token}.{payload}.{signature}"), TokenFault::Encrypted),
        (format!("{token}..."), TokenFault::Malformed),
        (format!("Bearer {token}"), TokenFault::Malformed),
        (format!("\"{token}\""), TokenFault::Malformed),
        (
            json!({"protected": header, "payload": payload, "signature": signature}).to_string(),
            TokenFault::Malformed,
        ),
    ] {
        assert_eq!(UnverifiedToken::parse(&text).err(), Some(fault), "{text}");
    }
    let long = keys.token(HEADER, format!("{CLAIMS}{}", " ".repeat(MAXIMUM_TOKEN_LENGTH / 4 * 3)));
    assert_eq!(UnverifiedToken::parse(&long).err(), Some(TokenFault::TooLong));
    keys.accepted(HEADER, format!("{CLAIMS}{}", " ".repeat(MAXIMUM_TOKEN_LENGTH / 4 * 3 - 200)));
}

/// Signatures of the right key for the right input, in another form than the one.
#[test]
fn only_the_exact_form_of_a_signature() {
    for (algorithm, key) in pairs().into_iter().chain([(KeyAlgorithm::Hs256, new_key(KeyAlgorithm::Hs256))]) {
        let verifier = verifier(algorithm, &key);
        let unsigned = unsigned(format!(r#"{{"alg":"{algorithm}"}}"#), CLAIMS);
        let token = signed(&signer(algorithm, &key), &unsigned);
        assert!(check(&token, &verifier).is_ok());
        let right = decode(token.rsplit_once('.').unwrap().1);
        let length = right.len();
        let (first, second) = right.split_at(length / 2);
        let mut wrong: Vec<Vec<u8>> = vec![
            right[1..].to_vec(),
            right[..length - 1].to_vec(),
            first.to_vec(),
            second.to_vec(),
            vec![0],
            vec![0; length],
            vec![0xff; length],
            [&[0], right.as_slice()].concat(),
            [right.as_slice(), &[0]].concat(),
            [right.as_slice(), &right].concat(),
            [second, first].concat(),
            right.iter().rev().copied().collect(),
            vec![1; 1000],
        ];
        if algorithm.key_type() == KeyType::Ec {
            let number = |bytes| BigNum::from_slice(bytes).unwrap();
            let der = EcdsaSig::from_private_components(number(first), number(second)).unwrap();
            wrong.push(der.to_der().unwrap());
            wrong.push([&[0], first, &[0], second].concat());
        }
        for signature in wrong {
            let token = format!("{unsigned}.{}", encode(&signature));
            assert_eq!(fault(&token, &verifier), Some(TokenFault::Signature), "{algorithm} {signature:?}");
        }
    }
}

/// There is no second token for a signature, and no second signature for a token by changing a character.
#[test]
fn every_changed_character_is_noticed() {
    let keys = Hs256::new();
    let token = keys.token(HEADER, CLAIMS);
    for place in 0..token.len() {
        for other in "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.=+/ \n".chars() {
            if token[place..].starts_with(other) {
                continue;
            }
            let changed = format!("{}{other}{}", &token[..place], &token[place + 1..]);
            assert!(check(&changed, &keys.verifier).is_err(), "{changed}");
        }
        assert!(check(&token[..place], &keys.verifier).is_err());
        assert!(check(&token[place + 1..], &keys.verifier).is_err());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn garbage_never_passes_nor_panics(
        text in "[A-Za-z0-9_.=-]{0,200}|\\PC{0,100}",
        bytes in prop::collection::vec(any::<u8>(), 0..300),
    ) {
        let keys = Hs256::new();
        prop_assert!(check(&text, &keys.verifier).is_err());
        prop_assert!(check(&keys.token(&bytes, CLAIMS), &keys.verifier).is_err());
        prop_assert!(check(&keys.token(HEADER, &bytes), &keys.verifier).is_err());
        let forged = format!("{}.{}", unsigned(HEADER, CLAIMS), encode(&bytes));
        prop_assert!(check(&forged, &keys.verifier).is_err());
    }

    /// Whatever the number, there is an answer, and it is the one of exact arithmetic.
    #[test]
    fn any_number_as_a_time(seconds in any::<f64>(), whole in any::<i64>()) {
        let keys = Hs256::new();
        for number in [json!(seconds), json!(whole), json!(whole >> 20)] {
            let expected = match number.as_f64() {
                Some(number) if (0.0..=253_402_300_799.0).contains(&number) => {
                    if number >= 1_700_000_000.001 { None } else { Some(TokenFault::Expired) }
                }
                _ => Some(TokenFault::BadTime),
            };
            let claims = json!({"exp": number}).to_string();
            prop_assert_eq!(check(&keys.token(HEADER, claims), &keys.verifier).err(), expected);
        }
    }
}
