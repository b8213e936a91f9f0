//! The clients that ask: at once about what has just changed, and a thousand times a second each about keys that changed lately.

use super::client::{Client, Seat};
use super::history::{Credential, Decision, Recorder, Span};
use crate::gateway::Random;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

/// Who waits longer for a decision asks anew: when a frozen node goes on, it must find questions that began after the last
/// revocations.
const PATIENCE: Duration = Duration::from_millis(250);
/// Between two questions about what did not change just now: clients that ask without a pause would leave servers and database no
/// core, and what takes its time then says nothing about them.
const REST: Duration = Duration::from_millis(1);
/// In the calm at the beginning of a long run, of so many such questions one is asked.
const CALM: usize = 20;
/// Pause of a client whose node is not there.
const PAUSE: Duration = Duration::from_millis(20);
/// Decisions that a client keeps to itself, so that clients seldom wait for each other.
const BATCH: usize = 64;
/// Credentials that are asked about at random: those that changed last, and so many that were left alive.
const RECENT: usize = 64;
/// Questions that wait for one node at most.
const URGENT: usize = 512;

/// What all clients share.
pub(super) struct Shared {
    pub(super) recorder: Recorder,
    pub(super) seats: Vec<Arc<Seat>>,
    pub(super) stop: AtomicBool,
    /// Whether little is asked and written, so that processors have time to spare.
    pub(super) calm: AtomicBool,
    /// Makes ids and values, so that they need not be remembered.
    pub(super) seed: u64,
    pub(super) keys: AtomicU32,
    pub(super) credentials: AtomicU32,
    boards: Vec<Mutex<VecDeque<Credential>>>,
    recent: Mutex<VecDeque<Credential>>,
    kept: Mutex<VecDeque<Credential>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn push(queue: &Mutex<VecDeque<Credential>>, credential: Credential, longest: usize) {
    let mut queue = lock(queue);
    if queue.len() >= longest {
        queue.pop_front();
    }
    queue.push_back(credential);
}

impl Shared {
    /// For clients of these nodes.
    pub(super) fn new(seats: Vec<Arc<Seat>>, seed: u64) -> Self {
        Self {
            recorder: Recorder::new(),
            boards: seats.iter().map(|_| Mutex::default()).collect(),
            seats,
            stop: AtomicBool::new(false),
            calm: AtomicBool::new(false),
            seed,
            keys: AtomicU32::new(0),
            credentials: AtomicU32::new(0),
            recent: Mutex::default(),
            kept: Mutex::default(),
        }
    }

    /// Whether the clients should end.
    pub(super) fn is_over(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// Whether clients hold back.
    pub(super) fn is_calm(&self) -> bool {
        self.calm.load(Ordering::Relaxed)
    }

    /// Something was acknowledged that concerns this credential: every node is asked about it at once.
    pub(super) fn changed(&self, credential: Credential) {
        for board in &self.boards {
            push(board, credential, URGENT);
        }
        push(&self.recent, credential, RECENT);
    }

    /// This one stays alive, and is asked about now and then.
    pub(super) fn keep(&self, credential: Credential) {
        push(&self.kept, credential, RECENT);
    }

    /// What this node must be asked at once.
    fn urgent(&self, node: usize) -> Option<Credential> {
        self.boards.get(node).and_then(|board| lock(board).pop_front())
    }

    /// What a question is about when none is urgent.
    fn any(&self, random: &mut Random) -> Option<Credential> {
        let queue = if random.percent(10) { &self.kept } else { &self.recent };
        let queue = lock(queue);
        queue.get(random.below(queue.len())).copied()
    }
}

/// The value of a credential.
pub(super) fn value(seed: u64, credential: Credential) -> String {
    let mut random = Random::new(seed ^ 0x0c1e_de47, u64::from(credential));
    format!("cluster-{:016x}{:016x}", random.next(), random.next())
}

/// The UUID of an API key, and of the tenant and the list of addresses that are made for it alone.
pub(super) fn id(seed: u64, key: u32) -> String {
    let mut random = Random::new(seed ^ 0x1d, u64::from(key));
    let (high, low) = (random.next(), random.next());
    format!(
        "{:08x}-{:04x}-4{:03x}-8{:03x}-{:012x}",
        high >> 32,
        (high >> 16) & 0xffff,
        high & 0xfff,
        low >> 52,
        low & 0xffff_ffff_ffff
    )
}

/// The question whether a credential may do what all are asked about. The client's address is one that lists know.
pub(super) fn question(seed: u64, credential: Credential) -> Vec<u8> {
    let value = value(seed, credential);
    format!(
        "GET /ext-authz/v1/orders/17 HTTP/1.1\r\nHost: localhost\r\nAuthorization: {value}\r\n\
         X-Forwarded-For: 192.0.2.9\r\n\r\n"
    )
    .into_bytes()
}

/// Asks one node until the run is over. `number` makes its choices its own.
pub(super) fn ask(shared: &Shared, node: usize, number: u64) {
    let Some(seat) = shared.seats.get(node) else { return };
    let mut client = Client::new(Arc::clone(seat), PATIENCE);
    let mut random = Random::new(shared.seed ^ 0xa5c, number);
    let mut batch = Vec::new();
    while !shared.is_over() {
        let has_server = client.has_server();
        let holds_back = has_server && shared.is_calm() && random.below(CALM) != 0;
        let next = if has_server {
            shared.urgent(node).or_else(|| {
                thread::sleep(REST);
                let any = if holds_back { None } else { shared.any(&mut random) };
                shared.urgent(node).or(any)
            })
        } else {
            None
        };
        if let Some(credential) = next {
            let question = question(shared.seed, credential);
            let start = shared.recorder.now();
            let status = client.send(&question);
            let span = Span { start, end: shared.recorder.now() };
            batch.push(Decision { span, credential, status, node: u8::try_from(node).unwrap_or(u8::MAX) });
        } else if !holds_back {
            thread::sleep(PAUSE);
        }
        if batch.len() >= BATCH || next.is_none() {
            shared.recorder.history().decisions.append(&mut batch);
        }
    }
    shared.recorder.history().decisions.append(&mut batch);
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn names_are_many_and_the_same_for_the_same_seed() {
        let ids: HashSet<_> = (0..1000).map(|key| id(7, key)).collect();
        assert_eq!((ids.len(), id(7, 3)), (1000, id(7, 3)));
        assert!(ids.iter().all(|id| id.len() == 36 && id.split('-').count() == 5));
        let values: HashSet<_> = (0..1000).flat_map(|one| [value(7, one), value(8, one)]).collect();
        assert_eq!(values.len(), 2000);
    }

    #[test]
    fn what_changed_is_asked_first_and_at_every_node() {
        let shared = Shared::new(vec![Arc::default(), Arc::default()], 1);
        let mut random = Random::new(1, 1);
        assert_eq!((shared.urgent(0), shared.any(&mut random)), (None, None));
        shared.changed(5);
        shared.changed(6);
        for node in 0..2 {
            assert_eq!([0; 3].map(|_| shared.urgent(node)), [Some(5), Some(6), None]);
        }
        shared.keep(7);
        let later: HashSet<_> = (0..1000).filter_map(|_| shared.any(&mut random)).collect();
        assert_eq!(later, HashSet::from([5, 6, 7]));
    }
}
