//! What several test programs share: the vectors, keys built from them, and a deterministic random source.
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

use claviger_crypto::{CryptoError, RandomSource};
use claviger_domain::{Instant, Key, Kid, Name, Revision};
use serde_json::Value;

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
