//! The hashes of the maps.
//!
//! Of a digest: its own first eight bytes. The digest is keyed, so that nobody without the instance's digest key can choose
//! values that fall into one place of the map; a second hash would only cost time. Of a number: a multiple. Numbers are
//! given in a row, and nobody chooses one.

use std::hash::{BuildHasher, Hasher};

/// Makes [`DigestHasher`]s.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct DigestState;

/// Takes the first eight bytes of what is written last.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct DigestHasher(u64);

impl BuildHasher for DigestState {
    type Hasher = DigestHasher;

    fn build_hasher(&self) -> DigestHasher {
        DigestHasher(0)
    }
}

impl Hasher for DigestHasher {
    fn write(&mut self, bytes: &[u8]) {
        if let Some(first) = bytes.first_chunk() {
            self.0 = u64::from_le_bytes(*first);
        }
    }

    /// The length that is written before the bytes is the same for all digests.
    fn write_usize(&mut self, _: usize) {}

    fn finish(&self) -> u64 {
        self.0
    }
}

/// Makes [`NumberHasher`]s.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct NumberState;

/// Multiplies the number that is written: neighbours get different places, and bits that differ at either end.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct NumberHasher(u64);

/// 2^64 by the golden ratio, made odd (Knuth, The Art of Computer Programming, section 6.4).
const GOLDEN: u64 = 0x9E37_79B9_7F4A_7C15;

impl BuildHasher for NumberState {
    type Hasher = NumberHasher;

    fn build_hasher(&self) -> NumberHasher {
        NumberHasher(0)
    }
}

impl Hasher for NumberHasher {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(GOLDEN);
        }
    }

    fn write_u32(&mut self, number: u32) {
        self.0 = u64::from(number).wrapping_mul(GOLDEN);
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::num::NonZeroU32;

    use claviger_domain::ApiKeyDigest;

    use super::*;

    #[test]
    fn the_hash_is_the_first_eight_bytes() {
        let mut bytes = [9; 32];
        bytes[..8].copy_from_slice(&0x0102_0304_0506_0708_u64.to_le_bytes());
        let digest = ApiKeyDigest::from_bytes(bytes);
        assert_eq!(DigestState.hash_one(digest), 0x0102_0304_0506_0708);
    }
    /// The map takes a place from the low bits and tells neighbours apart by the highest seven.
    #[test]
    fn numbers_in_a_row_are_spread() {
        let hashes: Vec<_> =
            (1..=128).filter_map(NonZeroU32::new).map(|number| NumberState.hash_one(number)).collect();
        let low: HashSet<_> = hashes.iter().map(|hash| hash % 128).collect();
        let high: HashSet<_> = hashes.iter().map(|hash| hash >> 57).collect();
        assert_eq!(low.len(), 128);
        assert!(high.len() > 64, "{}", high.len());
    }
}
