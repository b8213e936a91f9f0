//! Properties of generated API keys over random prefixes, bytes and mistakes.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::allow_attributes,
    missing_docs,
    reason = "test code"
)]

use claviger_crypto::{ApiKeyFormat, ApiKeyShape, CryptoError, RandomSource};
use proptest::prelude::*;

/// Gives these bytes once.
struct Given([u8; 32]);

impl RandomSource for Given {
    fn fill(&mut self, bytes: &mut [u8]) -> Result<(), CryptoError> {
        bytes.copy_from_slice(&self.0);
        Ok(())
    }
}

fn generate(prefix: &str, bytes: [u8; 32]) -> (ApiKeyFormat, String) {
    let format = ApiKeyFormat::new(prefix).unwrap();
    let value = format.generate(&mut Given(bytes)).unwrap().expose().to_owned();
    (format, value)
}

/// The number that base62 digits stand for, big-endian; the counterpart of what is tested.
fn decode(digits: &str) -> [u8; 32] {
    let mut number = [0_u8; 32];
    for digit in digits.bytes() {
        let mut carry = match digit {
            b'0'..=b'9' => digit - b'0',
            b'A'..=b'Z' => digit - b'A' + 10,
            b'a'..=b'z' => digit - b'a' + 36,
            _ => panic!("not a digit"),
        } as u16;
        for byte in number.iter_mut().rev() {
            let value = u16::from(*byte) * 62 + carry;
            *byte = (value & 0xff) as u8;
            carry = value >> 8;
        }
        assert_eq!(carry, 0);
    }
    number
}

proptest! {
    #[test]
    fn every_random_bit_is_kept(prefix in "[A-Za-z0-9_-]{0,32}", bytes: [u8; 32]) {
        let (format, value) = generate(&prefix, bytes);
        prop_assert_eq!(value.len(), prefix.len() + 49);
        prop_assert_eq!(format.classify(value.as_bytes()), ApiKeyShape::Valid);
        prop_assert_eq!(decode(&value[prefix.len()..prefix.len() + 43]), bytes);
    }

    #[test]
    fn one_changed_character_is_noticed(
        prefix in "[A-Za-z0-9_-]{1,32}",
        bytes: [u8; 32],
        place: prop::sample::Index,
        other: u8,
    ) {
        let (format, value) = generate(&prefix, bytes);
        let mut changed = value.into_bytes();
        let place = place.index(changed.len());
        prop_assume!(changed[place] != other);
        changed[place] = other;
        let expected = if place >= prefix.len() && other.is_ascii_alphanumeric() {
            ApiKeyShape::Mistyped
        } else {
            ApiKeyShape::Foreign
        };
        prop_assert_eq!(format.classify(&changed), expected);
    }

    #[test]
    fn two_swapped_characters_are_noticed(bytes: [u8; 32], place in 4_usize..52) {
        let (format, value) = generate("clv_", bytes);
        let mut changed = value.into_bytes();
        prop_assume!(changed[place] != changed[place + 1]);
        changed.swap(place, place + 1);
        prop_assert_eq!(format.classify(&changed), ApiKeyShape::Mistyped);
    }

    #[test]
    fn anything_can_be_classified(prefix in "[A-Za-z0-9_-]{0,32}", presented: Vec<u8>) {
        // 0 to 100 random bytes are a generated value with a probability far below 2^-32.
        prop_assert_eq!(ApiKeyFormat::new(&prefix).unwrap().classify(&presented), ApiKeyShape::Foreign);
    }
}
