//! How API keys are used: counts and last uses, which are recorded behind the answer and change nothing about a key.

use std::net::IpAddr;

use crate::{ApiKeyId, Instant};

/// What a use is counted for: the present value of an API key, or all its earlier values together. After a rotation that
/// tells whether somebody still has to change over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UsedValue {
    /// The key.
    pub api_key_id: ApiKeyId,
    /// Whether it was used by a value that it had before a rotation.
    pub earlier: bool,
}

/// Some uses of an API key: requests that it was let through with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Uses {
    /// How many.
    pub count: u64,
    /// When the last of them was.
    pub last_instant: Instant,
    /// From where that came, as far as it is known.
    pub last_address: Option<IpAddr>,
}

impl Uses {
    /// One use.
    #[must_use]
    pub const fn one(instant: Instant, address: Option<IpAddr>) -> Self {
        Self { count: 1, last_instant: instant, last_address: address }
    }

    /// These uses and `others`. Of two that are equally late, the last is that of `others`.
    #[must_use]
    pub const fn and(self, others: Self) -> Self {
        let count = self.count.saturating_add(others.count);
        let earlier = others.last_instant.epoch_millis() < self.last_instant.epoch_millis();
        Self { count, ..if earlier { self } else { others } }
    }
}

/// All recorded uses of an API key.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ApiKeyUsage {
    /// By the value that the key had at the time; `None`: never.
    pub present: Option<Uses>,
    /// By values that the key had before that; `None`: never.
    pub earlier: Option<Uses>,
}

impl ApiKeyUsage {
    /// Both together.
    #[must_use]
    pub fn total(&self) -> Option<Uses> {
        match (self.earlier, self.present) {
            (Some(earlier), Some(present)) => Some(earlier.and(present)),
            (earlier, present) => earlier.or(present),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn uses(count: u64, instant: i64, address: u8) -> Uses {
        let last_instant = Instant::from_epoch_millis(instant);
        Uses { count, last_instant, last_address: Some([192, 0, 2, address].into()) }
    }

    #[test]
    fn the_last_use_is_the_latest() {
        assert_eq!(uses(2, 5, 1).and(uses(3, 6, 2)), uses(5, 6, 2));
        assert_eq!(uses(2, 6, 1).and(uses(3, 5, 2)), uses(5, 6, 1));
        assert_eq!(uses(2, 5, 1).and(uses(3, 5, 2)), uses(5, 5, 2));
        assert_eq!(uses(u64::MAX, 5, 1).and(uses(1, 4, 2)).count, u64::MAX);
        let unknown = Uses::one(Instant::from_epoch_millis(7), None);
        assert_eq!(uses(1, 5, 1).and(unknown), Uses { count: 2, ..unknown });
    }

    #[test]
    fn a_total_is_of_both() {
        let (one, other) = (Some(uses(2, 5, 1)), Some(uses(3, 6, 2)));
        let total = |present, earlier| ApiKeyUsage { present, earlier }.total();
        assert_eq!(total(None, None), None);
        assert_eq!(total(one, None), one);
        assert_eq!(total(None, one), one);
        assert_eq!(total(one, other), Some(uses(5, 6, 2)));
        assert_eq!(total(other, one), Some(uses(5, 6, 2)));
        // Of equally late ones that with the present value.
        assert_eq!(total(Some(uses(1, 5, 3)), one), Some(uses(3, 5, 3)));
        assert_eq!(total(one, Some(uses(1, 5, 3))), Some(uses(3, 5, 1)));
    }
}
