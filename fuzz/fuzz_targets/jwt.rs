//! Tokens: nothing is accepted that the keys' owner has not signed, and what is accepted says what the token says.
//!
//! The input is one of three things, told apart by bytes that no UTF-8 has:
//! - a text, taken for a token as it is;
//! - `ff`, an algorithm, operations of four bytes (part, operation, place, byte), `fe`, a claim's text: a token of ours
//!   is signed, changed as the operations say, and read;
//! - `fd`, an algorithm, a header, `ff`, a payload: both are signed whatever they are, and read.
#![no_main]

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use claviger_crypto::{
    MAXIMUM_TOKEN_LENGTH, TokenFault, TokenHeader, UnverifiedToken, parse_object, sign_token,
};
use claviger_domain::{Instant, Kid};
use claviger_fuzz::keys::{PAIRS, Pair};
use libfuzzer_sys::fuzz_target;
use serde_json::{Map, Value, json};

/// 2024-02-29T12:34:56.789Z.
const NOW: Instant = Instant::from_epoch_millis(1_709_210_096_789);

fuzz_target!(|data: &[u8]| match data {
    [0xff, algorithm, rest @ ..] => changed(pair(*algorithm), rest),
    [0xfd, algorithm, rest @ ..] => signed(pair(*algorithm), rest),
    _ => {
        if let Ok(text) = std::str::from_utf8(data) {
            foreign(text);
        }
    }
});

fn pair(byte: u8) -> &'static Pair {
    &PAIRS[usize::from(byte) % PAIRS.len()]
}

/// What became of the signature of a token: right or not, whatever its claims are.
enum Outcome {
    Refused,
    Right(&'static Pair, Result<Map<String, Value>, TokenFault>),
}

/// Reads a token and tries every key on it.
fn read(text: &str) -> Outcome {
    let token = match UnverifiedToken::parse(text) {
        Ok(token) => token,
        Err(fault) => {
            // These can only be told with a key.
            assert!(fault < TokenFault::Algorithm, "{fault:?}");
            return Outcome::Refused;
        }
    };
    check_form(text, &token);
    let mut outcome = Outcome::Refused;
    for pair in &*PAIRS {
        match token.verify(&pair.verifier, NOW) {
            Err(TokenFault::Algorithm | TokenFault::Signature) => {}
            Err(TokenFault::Backend) => panic!("the backend failed"),
            claims => {
                assert!(matches!(outcome, Outcome::Refused), "two algorithms accept one token");
                outcome = Outcome::Right(pair, claims);
            }
        }
    }
    outcome
}

/// Holds what a token shows against a reading of its header by other code.
fn check_form(text: &str, token: &UnverifiedToken<'_>) {
    assert!(text.len() <= MAXIMUM_TOKEN_LENGTH);
    let parts: Vec<&str> = text.split('.').collect();
    assert_eq!(parts.len(), 3);
    for part in &parts {
        assert_eq!(URL_SAFE_NO_PAD.encode(URL_SAFE_NO_PAD.decode(part).unwrap()), *part, "stray bits");
    }
    let header: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(parts[0]).unwrap()).unwrap();
    let header = header.as_object().unwrap();
    assert_eq!(header["alg"], token.algorithm_name());
    assert!(!token.algorithm_name().eq_ignore_ascii_case("none"));
    assert_eq!(header.get("kid").map(|kid| kid.as_str().unwrap()), token.kid());
    assert!(token.kid().is_none_or(|kid| (1..=256).contains(&kid.chars().count())));
    for name in ["crit", "b64", "enc", "zip", "jwk", "jku", "x5c", "x5u"] {
        assert!(!header.contains_key(name), "{name}");
    }
}

/// A text from anywhere. Whoever wrote a token that is accepted had the key; for all but ECDSA, whose tokens are not
/// among the seeds, signing again shows that.
fn foreign(text: &str) {
    if let Outcome::Right(pair, _) = read(text) {
        let (input, signature) = text.rsplit_once('.').unwrap();
        let own = pair.signer.sign(input.as_bytes()).unwrap();
        assert!(pair.is_deterministic() && URL_SAFE_NO_PAD.encode(own) == signature, "forged");
    }
}

/// A token of ours, changed.
fn changed(pair: &'static Pair, data: &[u8]) {
    let (operations, text) = match data.iter().position(|byte| *byte == 0xfe) {
        Some(at) => (&data[..at], &data[at + 1..]),
        None => (data, &[][..]),
    };
    let text = String::from_utf8_lossy(text).into_owned();
    let kid = Kid::from(String::from("a key"));
    let claims = Map::from_iter([
        ("exp".to_owned(), json!(NOW.epoch_seconds() + 60)),
        ("sub".to_owned(), Value::String(text)),
    ]);
    let header = TokenHeader { kid: &kid, grant_types: &["password"], key_use: None };
    let original = sign_token(&pair.signer, &header, &claims).unwrap();
    match read(&original) {
        Outcome::Right(by, Ok(read)) => {
            assert_eq!(by.signer.algorithm(), pair.signer.algorithm());
            assert_eq!(read, claims);
        }
        _ => panic!("a token of ours is refused"),
    }
    let Some(changed) = change(&original, operations) else { return };
    if changed != original {
        assert!(matches!(read(&changed), Outcome::Refused), "a changed token has a right signature");
    }
}

/// Applies operations to header, payload, signature or the text of a token; `None` for what is no text any more.
fn change(token: &str, operations: &[u8]) -> Option<String> {
    let mut parts: Vec<Vec<u8>> =
        token.split('.').map(|part| URL_SAFE_NO_PAD.decode(part).unwrap()).collect();
    for operation in operations.chunks_exact(4) {
        if let Some(part) = parts.get_mut(usize::from(operation[0] & 3)) {
            edit(part, operation);
        }
    }
    let parts: Vec<String> = parts.into_iter().map(|part| URL_SAFE_NO_PAD.encode(part)).collect();
    let mut text = parts.join(".").into_bytes();
    for operation in operations.chunks_exact(4).filter(|operation| operation[0] & 3 == 3) {
        edit(&mut text, operation);
    }
    String::from_utf8(text).ok()
}

fn edit(bytes: &mut Vec<u8>, operation: &[u8]) {
    let [part, kind, place, value] = *operation else { return };
    // The upper bits of the part reach beyond 256 bytes.
    let place = usize::from(place) + 256 * usize::from(part >> 5);
    let at = place % (bytes.len() + 1);
    match kind % 6 {
        0 => bytes.insert(at, value),
        1 => bytes.truncate(at),
        2 if at < bytes.len() => bytes[at] ^= value,
        3 if at < bytes.len() => drop(bytes.remove(at)),
        4 => bytes.reverse(),
        5 => bytes[at..].fill(value),
        _ => {}
    }
}

/// Whatever header and payload, rightly signed: what is read must be what they say.
fn signed(pair: &'static Pair, data: &[u8]) {
    let (header, payload) = match data.iter().position(|byte| *byte == 0xff) {
        Some(at) => (&data[..at], &data[at + 1..]),
        None => return,
    };
    let input = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(payload));
    let signature = pair.signer.sign(input.as_bytes()).unwrap();
    let token = format!("{input}.{}", URL_SAFE_NO_PAD.encode(signature));
    let Outcome::Right(by, claims) = read(&token) else { return };
    assert_eq!(by.signer.algorithm(), pair.signer.algorithm());
    let Ok(claims) = claims else { return };
    assert_eq!(parse_object(payload), Ok(claims.clone()));
    let millis = |name: &str| claims.get(name).map(|time| time.as_f64().unwrap() * 1000.0);
    let now = NOW.epoch_millis() as f64;
    assert!(millis("exp").is_some_and(|expiration| now < expiration), "expired");
    assert!(millis("nbf").is_none_or(|start| start <= now), "not valid yet");
    assert!(millis("iat").is_none_or(|issued| issued >= 0.0));
    for name in ["iss", "sub", "jti"] {
        assert!(claims.get(name).is_none_or(Value::is_string), "{name}");
    }
}
