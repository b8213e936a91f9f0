//! The hash of the notes: quicker than the one of the standard library, which every check would pay for. Callers can choose ids, so
//! it is seeded: who does not know the seed cannot choose ids that fall into one place.

use std::hash::{BuildHasher, Hasher, RandomState};

/// Makes [`SeededHasher`]s with one seed, drawn when it is made.
#[derive(Clone)]
pub(super) struct Seeded([u64; 2]);

impl Default for Seeded {
    fn default() -> Self {
        let random = RandomState::new();
        Self([random.hash_one(0), random.hash_one(1)])
    }
}

/// Folds the 128 bits of a product into 64, for each eight bytes.
pub(super) struct SeededHasher {
    state: u64,
    factor: u64,
}

impl BuildHasher for Seeded {
    type Hasher = SeededHasher;

    fn build_hasher(&self) -> SeededHasher {
        let Self([state, factor]) = *self;
        SeededHasher { state, factor }
    }
}

impl Hasher for SeededHasher {
    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            for (place, byte) in word.iter_mut().zip(chunk) {
                *place = *byte;
            }
            self.write_u64(u64::from_le_bytes(word));
        }
    }

    fn write_u8(&mut self, number: u8) {
        self.write_u64(u64::from(number));
    }

    fn write_u64(&mut self, number: u64) {
        // Odd, so that no number makes everything behind it disappear.
        let product = u128::from(self.state ^ number).wrapping_mul(u128::from(self.factor | 1));
        self.state = (product as u64) ^ ((product >> 64) as u64);
    }

    /// The length that is written before bytes is the same for all ids.
    fn write_usize(&mut self, _: usize) {}

    fn finish(&self) -> u64 {
        self.state
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use claviger_domain::{ApiKeyId, UsedValue};

    use super::*;

    #[test]
    fn neighbours_are_spread_and_seeds_differ() {
        let seeded = Seeded::default();
        let hash = |key: u128| {
            let value = UsedValue { api_key_id: ApiKeyId::from_u128(key), earlier: false };
            seeded.hash_one(value)
        };
        for shift in [0, 40, 64, 120] {
            let hashes: Vec<_> = (0..128).map(|key| hash(key << shift)).collect();
            assert_eq!(hashes.iter().collect::<HashSet<_>>().len(), 128);
            assert!(hashes.iter().map(|hash| hash % 128).collect::<HashSet<_>>().len() > 48, "{shift}");
            assert!(hashes.iter().map(|hash| hash >> 57).collect::<HashSet<_>>().len() > 48, "{shift}");
        }
        assert_ne!(
            hash(1),
            Seeded::default().hash_one(UsedValue { api_key_id: ApiKeyId::from_u128(1), earlier: false })
        );
        assert_ne!(hash(0), seeded.hash_one(UsedValue { api_key_id: ApiKeyId::from_u128(0), earlier: true }));
    }
}
