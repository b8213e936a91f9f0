//! What several test programs share: the vectors, keys built from them, keys and tokens made anew, and a deterministic
//! random source.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::allow_attributes,
    missing_docs,
    reason = "test code"
)]
#![allow(dead_code, unreachable_pub, reason = "each test program uses a part")]

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use claviger_crypto::{
    CryptoError, GenerateRequest, GeneratedKey, RandomSource, Signer, SystemRandom, TokenFault,
    UnverifiedToken, Verifier, generate,
};
use claviger_domain::{Instant, Key, KeyAlgorithm, KeyId, KeySpec, KeyType, Kid, Name, Revision};
use serde_json::{Map, Value};

/// The vectors.
pub fn vectors() -> Value {
    serde_json::from_str(include_str!("../vectors.json")).unwrap()
}

/// The key of one vector.
pub fn key(vector: &Value) -> Key {
    let text = |member: &str| vector[member].as_str().unwrap().to_owned();
    Key {
        id: text("id").parse().unwrap(),
        revision: Revision::FIRST,
        name: Name::try_from(String::from("a key")).unwrap(),
        kid: Kid::from(text("kid")),
        key_type: text("type").parse().unwrap(),
        algorithm: Some(text("algorithm").parse().unwrap()),
        length: Some(u32::try_from(vector["length"].as_u64().unwrap()).unwrap()),
        issuer: None,
        public_key: Some(text("publicKey")),
        certificate: Some(text("certificate")),
        has_private_key: false,
        shadow: false,
        expiration_instant: None,
        insert_instant: Instant::from_epoch_millis(0),
        last_update_instant: Instant::from_epoch_millis(0),
    }
}

/// A source that counts. Not random, which is the point.
#[derive(Default)]
pub struct CountingRandom(u8);

impl RandomSource for CountingRandom {
    fn fill(&mut self, bytes: &mut [u8]) -> Result<(), CryptoError> {
        for byte in bytes {
            *byte = self.0;
            self.0 = self.0.wrapping_add(1);
        }
        Ok(())
    }
}

/// The time at which tokens of tests are checked.
pub const NOW: Instant = Instant::from_epoch_millis(1_700_000_000_000);

/// Every algorithm that signs.
pub fn algorithms() -> impl Iterator<Item = KeyAlgorithm> {
    KeyAlgorithm::ALL.into_iter().filter(|algorithm| *algorithm != KeyAlgorithm::None)
}

/// A new key; of RSA one of 2048 bits.
pub fn new_key(algorithm: KeyAlgorithm) -> GeneratedKey {
    let length = (algorithm.key_type() == KeyType::Rsa).then_some(2048);
    let request = GenerateRequest {
        id: KeyId::from_u128(1),
        spec: KeySpec::new(algorithm, length).unwrap(),
        issuer: "acme.com",
        now: NOW,
    };
    generate(&request, &mut SystemRandom).unwrap()
}

/// The signer with this key.
pub fn signer(algorithm: KeyAlgorithm, key: &GeneratedKey) -> Signer {
    Signer::new(algorithm, &key.material).unwrap()
}

/// The verifier with this key.
pub fn verifier(algorithm: KeyAlgorithm, key: &GeneratedKey) -> Verifier {
    match &key.public_key {
        Some(public_key) => Verifier::from_public_key(algorithm, public_key).unwrap(),
        None => Verifier::from_secret(algorithm, &key.material).unwrap(),
    }
}

/// base64url without padding.
pub fn encode(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// The bytes of strict base64url.
pub fn decode(text: &str) -> Vec<u8> {
    URL_SAFE_NO_PAD.decode(text).unwrap()
}

/// Two parts, before they are signed, of any header and payload.
pub fn unsigned(header: impl AsRef<[u8]>, payload: impl AsRef<[u8]>) -> String {
    format!("{}.{}", encode(header), encode(payload))
}

/// A token of these two parts with the signature that they get from this signer, whatever they say.
pub fn signed(signer: &Signer, unsigned: &str) -> String {
    format!("{unsigned}.{}", encode(signer.sign(unsigned.as_bytes()).unwrap()))
}

/// Parses and verifies.
pub fn check(token: &str, verifier: &Verifier) -> Result<Map<String, Value>, TokenFault> {
    UnverifiedToken::parse(token)?.verify(verifier, NOW)
}
