//! The hash of a digest: its own first eight bytes. The digest is keyed, so that nobody without the instance's digest
//! key can choose values that fall into one place of the map; a second hash would only cost time.

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

#[cfg(test)]
mod tests {
    use claviger_domain::ApiKeyDigest;

    use super::*;

    #[test]
    fn the_hash_is_the_first_eight_bytes() {
        let mut bytes = [9; 32];
        bytes[..8].copy_from_slice(&0x0102_0304_0506_0708_u64.to_le_bytes());
        let digest = ApiKeyDigest::from_bytes(bytes);
        assert_eq!(DigestState.hash_one(digest), 0x0102_0304_0506_0708);
    }
}
