//! What a measurement leaves out of the server, to see what it costs: possible with the feature `without` alone, which no server is
//! built with.

#[cfg(feature = "without")]
use std::sync::atomic::{AtomicBool, Ordering};

/// Something that comes with every check.
#[cfg_attr(not(feature = "without"), expect(unreachable_pub, reason = "only measurements name them"))]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// The note of the use, and the writing of it.
    Uses,
    /// The counts of requests and decisions.
    Metrics,
}

#[cfg(feature = "without")]
static WITHOUT_USES: AtomicBool = AtomicBool::new(false);
#[cfg(feature = "without")]
static WITHOUT_METRICS: AtomicBool = AtomicBool::new(false);

#[cfg(feature = "without")]
const fn left_out(part: Part) -> &'static AtomicBool {
    match part {
        Part::Uses => &WITHOUT_USES,
        Part::Metrics => &WITHOUT_METRICS,
    }
}

/// Leaves this out from now on.
#[cfg(feature = "without")]
pub fn leave_out(part: Part) {
    left_out(part).store(true, Ordering::Relaxed);
}

/// Whether this is done.
#[cfg(feature = "without")]
pub(crate) fn is_done(part: Part) -> bool {
    !left_out(part).load(Ordering::Relaxed)
}

/// Whether this is done.
#[cfg(not(feature = "without"))]
pub(crate) const fn is_done(_: Part) -> bool {
    true
}
