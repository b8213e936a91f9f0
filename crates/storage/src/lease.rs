//! Until when this node may decide from what it has in memory.
//!
//! Times are those of a clock of this machine alone, which nobody sets and which goes on while the machine sleeps. No two
//! machines compare theirs: who waits for the end of another one's lease waits for as long as a lease lasts.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// Nanoseconds since the machine was started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Moment(u64);

impl Moment {
    /// Before everything.
    pub(crate) const START: Self = Self(0);

    /// Now. On Linux time passes for it while the machine is suspended too, unlike for [`std::time::Instant`].
    pub(crate) fn now() -> Self {
        #[cfg(target_os = "linux")]
        const CLOCK: ClockId = ClockId::Boottime;
        #[cfg(not(target_os = "linux"))]
        const CLOCK: ClockId = ClockId::Monotonic;
        let time = clock_gettime(CLOCK);
        let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
        let nanoseconds = u64::try_from(time.tv_nsec).unwrap_or(0);
        Self(seconds.saturating_mul(1_000_000_000).saturating_add(nanoseconds))
    }

    /// This much later.
    pub(crate) fn after(self, time: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)))
    }

    /// How long ago it was; nothing if it is still to come.
    pub(crate) fn elapsed(self) -> Duration {
        Self::now().since(self)
    }

    /// How much later this is than `earlier`; nothing if it is not.
    pub(crate) fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

/// A moment that several threads look at.
#[derive(Debug)]
pub(crate) struct SharedMoment(AtomicU64);

impl SharedMoment {
    pub(crate) const fn new(moment: Moment) -> Self {
        Self(AtomicU64::new(moment.0))
    }

    pub(crate) fn set(&self, moment: Moment) {
        self.0.store(moment.0, Ordering::SeqCst);
    }

    pub(crate) fn get(&self) -> Moment {
        Moment(self.0.load(Ordering::SeqCst))
    }
}

/// A lease: it runs until a moment that its holder puts off again and again.
#[derive(Debug)]
pub(crate) struct Lease(SharedMoment);

impl Lease {
    /// One that has run out.
    pub(crate) const fn over() -> Self {
        Self(SharedMoment::new(Moment::START))
    }

    /// Whether it runs now.
    pub(crate) fn runs(&self) -> bool {
        Moment::now() < self.0.get()
    }

    /// Lets it run until then, whatever was said before.
    pub(crate) fn run_until(&self, end: Moment) {
        self.0.set(end);
    }

    /// Ends it at once.
    pub(crate) fn end(&self) {
        self.0.set(Moment::START);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lease_runs_until_its_end() {
        let lease = Lease::over();
        assert!(!lease.runs());
        let now = Moment::now();
        lease.run_until(now.after(Duration::from_secs(3600)));
        assert!(lease.runs());
        // However late it is looked at.
        lease.run_until(now);
        assert!(!lease.runs());
        lease.run_until(now.after(Duration::MAX));
        assert!(lease.runs());
        lease.end();
        assert!(!lease.runs());
    }

    #[test]
    fn moments_pass() {
        let moment = Moment::now();
        let later = moment.after(Duration::from_millis(1500));
        assert_eq!((later.since(moment), moment.since(later)), (Duration::from_millis(1500), Duration::ZERO));
        assert_eq!(later.after(Duration::from_secs(3600)).elapsed(), Duration::ZERO);
        while moment.elapsed().is_zero() {}
        assert!(Moment::now() > moment);
    }
}
