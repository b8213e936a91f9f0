//! Points in time, as FusionAuth writes them: whole milliseconds since 1970-01-01T00:00:00Z.

use std::fmt;
use std::time::{SystemTime, UNIX_EPOCH};

/// A point in time in milliseconds since the epoch, UTC. The domain never asks what time it is: callers pass it in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instant(i64);

impl Instant {
    /// The last instant that is accepted: 9999-12-31T23:59:59.999Z, where certificates and many clients end too.
    pub const MAXIMUM: Self = Self(253_402_300_799_999);

    /// The instant `millis` milliseconds after (or, negative, before) the epoch.
    #[must_use]
    pub const fn from_epoch_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// Milliseconds since the epoch.
    #[must_use]
    pub const fn epoch_millis(self) -> i64 {
        self.0
    }

    /// Whole seconds since the epoch, rounded down.
    #[must_use]
    pub const fn epoch_seconds(self) -> i64 {
        self.0.div_euclid(1000)
    }

    /// The instant of a system time; times that do not fit are clamped.
    #[must_use]
    pub fn from_system_time(time: SystemTime) -> Self {
        let millis = match time.duration_since(UNIX_EPOCH) {
            Ok(after) => i64::try_from(after.as_millis()).unwrap_or(i64::MAX),
            Err(before) => i64::try_from(before.duration().as_millis()).map_or(i64::MIN, |millis| -millis),
        };
        Self(millis)
    }
}

impl fmt::Display for Instant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn converts_system_time() {
        assert_eq!(
            Instant::from_system_time(UNIX_EPOCH + Duration::from_millis(1_500)).epoch_millis(),
            1_500
        );
        assert_eq!(Instant::from_system_time(UNIX_EPOCH - Duration::from_millis(2)).epoch_millis(), -2);
        assert_eq!(Instant::from_epoch_millis(-1).epoch_seconds(), -1);
    }
}
