//! What one worker counts: requests by route and status, and callers that were let through. A counter that all workers share
//! would go back and forth between their cores with every check; these are added up when somebody looks.

use std::sync::atomic::{AtomicU64, Ordering};

use super::{STATUSES, status_name};
use crate::routes::{Route, all_routes, place_of};

/// Of one route, by position in [`STATUSES`]; the last one is of all other statuses.
type ByStatus = [AtomicU64; STATUSES.len() + 1];

/// The counts of one worker since they were last taken.
pub(crate) struct Tally {
    /// By the place of the route; the last one is of requests that no route matches.
    routes: Vec<ByStatus>,
    allowed: AtomicU64,
}

impl Tally {
    /// Counts that start at zero.
    pub(super) fn new() -> Self {
        let routes = all_routes().count() + 1;
        Self {
            routes: std::iter::repeat_with(ByStatus::default).take(routes).collect(),
            allowed: AtomicU64::new(0),
        }
    }

    /// Counts an answered request.
    pub(crate) fn request(&self, route: Option<&'static Route>, status: u16) {
        let own = route.and_then(place_of).and_then(|place| self.routes.get(place));
        let place = STATUSES.iter().position(|one| *one == status).unwrap_or(STATUSES.len());
        if let Some(count) = own.or(self.routes.last()).and_then(|statuses| statuses.get(place)) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Counts a decision that let a caller through.
    pub(crate) fn allowed(&self) {
        self.allowed.fetch_add(1, Ordering::Relaxed);
    }

    /// Takes the callers that were let through.
    pub(super) fn take_allowed(&self) -> u64 {
        self.allowed.swap(0, Ordering::Relaxed)
    }

    /// Takes the requests: what there were any of, with the route and the name of the status.
    pub(super) fn take_requests(&self, mut tell: impl FnMut(Option<&'static Route>, &'static str, u64)) {
        for (route, statuses) in all_routes().map(Some).chain([None]).zip(&self.routes) {
            for (status, count) in STATUSES.iter().copied().chain([0]).zip(statuses) {
                match count.swap(0, Ordering::Relaxed) {
                    0 => {}
                    count => tell(route, status_name(status), count),
                }
            }
        }
    }
}
