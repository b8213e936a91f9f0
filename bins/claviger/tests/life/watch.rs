//! Those who verify tokens all the while: one asks the server, one has PyJWT read the published key set.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError, RwLock};

use crate::deployment::{Machine, introspect};
use crate::foreign;

/// Tokens of one machine that should all be good.
pub(crate) struct Good {
    pub(crate) machine: Machine,
    pub(crate) audience: String,
    pub(crate) issuer: String,
    pub(crate) tokens: Vec<String>,
}

/// What is watched, and what was found. The tokens change between two rounds only.
pub(crate) struct Watch {
    server: SocketAddr,
    good: RwLock<Vec<Good>>,
    over: AtomicBool,
    introspected: AtomicUsize,
    verified: AtomicUsize,
    failures: Mutex<Vec<String>>,
}

/// How many verifications there were.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rounds {
    pub(crate) introspected: usize,
    pub(crate) verified: usize,
}

impl Watch {
    pub(crate) const fn new(server: SocketAddr) -> Self {
        Self {
            server,
            good: RwLock::new(Vec::new()),
            over: AtomicBool::new(false),
            introspected: AtomicUsize::new(0),
            verified: AtomicUsize::new(0),
            failures: Mutex::new(Vec::new()),
        }
    }

    /// Changes what should be good, after the rounds that are under way.
    pub(crate) fn change(&self, change: impl FnOnce(&mut Vec<Good>)) {
        change(&mut self.good.write().unwrap_or_else(PoisonError::into_inner));
    }

    /// The tokens that should be good, each with the machine it was given to.
    fn round(&self, verify: impl Fn(&Good) -> Vec<String>, count: &AtomicUsize) {
        while !self.over.load(Ordering::SeqCst) {
            let good = self.good.read().unwrap_or_else(PoisonError::into_inner);
            for group in good.iter().filter(|group| !group.tokens.is_empty()) {
                let failed = verify(group);
                count.fetch_add(group.tokens.len(), Ordering::SeqCst);
                self.failures.lock().unwrap().extend(failed);
            }
            drop(good);
            // Whoever wants to change something comes first.
            std::thread::yield_now();
        }
    }

    /// Asks the server until the end.
    pub(crate) fn introspect(&self) {
        let verify = |group: &Good| {
            let ask = |token: &String| {
                let reply = introspect(self.server, &group.machine, token);
                (reply.status != 200 || !reply.text().contains("\"active\":true"))
                    .then(|| format!("introspection of {}: {} {}", group.issuer, reply.status, reply.text()))
            };
            group.tokens.iter().filter_map(ask).collect()
        };
        self.round(verify, &self.introspected);
    }

    /// Has PyJWT verify until the end.
    pub(crate) fn verify(&self) {
        let verify = |group: &Good| {
            let tokens: Vec<_> = group.tokens.iter().map(String::as_str).collect();
            let read = foreign::verify(self.server, &group.audience, &group.issuer, &tokens);
            let wrong = read.into_iter().filter(|claims| !claims.is_object());
            wrong.map(|name| format!("PyJWT about {}: {name}", group.issuer)).collect()
        };
        self.round(verify, &self.verified);
    }

    /// How many there were until now. Insists that none failed.
    #[track_caller]
    pub(crate) fn so_far(&self) -> Rounds {
        let failures = self.failures.lock().unwrap();
        assert!(failures.is_empty(), "{failures:#?}");
        Rounds {
            introspected: self.introspected.load(Ordering::SeqCst),
            verified: self.verified.load(Ordering::SeqCst),
        }
    }

    /// Whether both have verified something since then.
    pub(crate) fn went_on_since(&self, before: Rounds) -> Option<Rounds> {
        let now = self.so_far();
        // What was under way at that time may have ended since: one more of everything there can be.
        let more = 2 * self.good.read().unwrap().iter().map(|group| group.tokens.len()).sum::<usize>();
        (now.introspected > before.introspected + more && now.verified > before.verified + more)
            .then_some(now)
    }

    /// Ends both when it is dropped, also when an assertion fails.
    pub(crate) const fn end(&self) -> End<'_> {
        End(self)
    }
}

/// See [`Watch::end`].
pub(crate) struct End<'a>(&'a Watch);

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.0.over.store(true, Ordering::SeqCst);
    }
}
