//! What all requests share: the store, the keyring, the keys that seal and digest, and what is derived from them.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, SystemTime};

use claviger_crypto::{
    ApiKeyDigester, ApiKeyFormat, ApiKeyShape, CryptoError, RandomSource, Sealer, SystemRandom, random_array,
};
use claviger_domain::{Change, Instant, TenantId};
use claviger_keyring::Keyring;
use claviger_storage::{ServeLock, Store};

/// Tells the time. A parameter, so that tests decide what time it is.
pub type Clock = Arc<dyn Fn() -> Instant + Send + Sync>;

/// The clock of the machine.
#[must_use]
pub fn system_clock() -> Clock {
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the machine's clock")]
    Arc::new(|| Instant::from_system_time(SystemTime::now()))
}

/// What follows from the committed state and must never lag behind it. Fed by the store, in the order of the commits.
pub(crate) struct Derived {
    pub(crate) keyring: Arc<Keyring>,
    pub(crate) jwks: JwksCache,
}

impl Derived {
    pub(crate) fn new() -> Self {
        Self { keyring: Arc::new(Keyring::new()), jwks: JwksCache::default() }
    }

    /// Takes note of committed changes.
    pub(crate) fn apply(&self, changes: &[Change]) {
        for change in changes {
            self.keyring.apply(change);
            if matches!(change, Change::KeyWritten { .. } | Change::KeyDeleted(_)) {
                self.jwks.invalidate();
            }
        }
    }
}

/// The JSON Web Key Set as last rendered, under the number of key changes seen so far: it cannot be stale.
#[derive(Default)]
pub(crate) struct JwksCache {
    changes: AtomicU64,
    rendered: Mutex<Option<(u64, Arc<str>)>>,
}

impl JwksCache {
    /// Forgets the document, because a key changed.
    pub(crate) fn invalidate(&self) {
        self.changes.fetch_add(1, Ordering::AcqRel);
    }

    /// The number of key changes seen. Read it before the keys are read.
    pub(crate) fn version(&self) -> u64 {
        self.changes.load(Ordering::Acquire)
    }

    /// The document, if it is still true.
    pub(crate) fn current(&self) -> Option<Arc<str>> {
        let rendered = lock(&self.rendered);
        rendered
            .as_ref()
            .filter(|(version, _)| *version == self.version())
            .map(|(_, document)| Arc::clone(document))
    }

    /// Keeps a document that was made from what was read after `version` was.
    pub(crate) fn keep(&self, version: u64, document: &Arc<str>) {
        *lock(&self.rendered) = Some((version, Arc::clone(document)));
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // The values behind these locks are replaced whole: a panic elsewhere leaves them valid.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// How long a caller waits for another one's RSA key at most: RSA-4096 can take seconds.
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// Bounds how many RSA keys are generated at once, and how many callers wait for it: each takes seconds of a core.
pub(crate) struct GenerationSlots {
    running: Mutex<Slots>,
    freed: Condvar,
    at_once: usize,
    waiting_at_most: usize,
}

#[derive(Default)]
struct Slots {
    running: usize,
    waiting: usize,
}

/// Leave to generate; given back on drop.
pub(crate) struct GenerationSlot<'a>(&'a GenerationSlots);

impl GenerationSlots {
    pub(crate) fn new(at_once: usize, waiting_at_most: usize) -> Self {
        Self { running: Mutex::default(), freed: Condvar::new(), at_once, waiting_at_most }
    }

    /// Waits for leave; `None` when too many wait already, or it takes too long.
    pub(crate) fn acquire(&self) -> Option<GenerationSlot<'_>> {
        let mut slots = lock(&self.running);
        if slots.running >= self.at_once {
            if slots.waiting >= self.waiting_at_most {
                return None;
            }
            slots.waiting += 1;
            let full = |slots: &mut Slots| slots.running >= self.at_once;
            let waited = self.freed.wait_timeout_while(slots, LONGEST_WAIT, full);
            let (after, time_out) = waited.unwrap_or_else(PoisonError::into_inner);
            slots = after;
            slots.waiting -= 1;
            if time_out.timed_out() {
                return None;
            }
        }
        slots.running += 1;
        Some(GenerationSlot(self))
    }
}

impl Drop for GenerationSlot<'_> {
    fn drop(&mut self) {
        lock(&self.0.running).running -= 1;
        self.0.freed.notify_one();
    }
}

/// Everything that operations work with.
pub(crate) struct AppState {
    pub(crate) store: Store,
    pub(crate) derived: Arc<Derived>,
    pub(crate) keyring: Arc<Keyring>,
    pub(crate) digester: ApiKeyDigester,
    pub(crate) sealer: Sealer,
    pub(crate) api_key_format: ApiKeyFormat,
    pub(crate) default_tenant_id: TenantId,
    pub(crate) clock: Clock,
    pub(crate) serve_lock: OnceLock<ServeLock>,
    pub(crate) generation: GenerationSlots,
    /// The name of the database engine, for `/api/status`.
    pub(crate) engine: &'static str,
    pub(crate) local_metrics: bool,
    pub(crate) longest_body: Duration,
    pub(crate) started: Instant,
    pub(crate) request_ids: RequestIds,
}

/// Names requests, so that an answer can be found in the log: a random part per process and a running number.
pub(crate) struct RequestIds {
    process: u32,
    next: AtomicU64,
}

impl RequestIds {
    /// A fresh sequence.
    pub(crate) fn new() -> Result<Self, CryptoError> {
        let process = u32::from_be_bytes(random_array::<4>(&mut SystemRandom)?);
        Ok(Self { process, next: AtomicU64::new(1) })
    }

    /// The next id.
    pub(crate) fn next(&self) -> String {
        format!("{:08x}-{:x}", self.process, self.next.fetch_add(1, Ordering::Relaxed))
    }
}

impl AppState {
    /// The time.
    pub(crate) fn now(&self) -> Instant {
        (self.clock)()
    }

    /// The source of random bytes.
    pub(crate) fn random(&self) -> impl RandomSource + use<> {
        SystemRandom
    }

    /// Whether this node may decide from memory: it holds the database for itself.
    pub(crate) fn serves(&self) -> bool {
        self.serve_lock.get().is_some_and(ServeLock::holds)
    }

    /// How often memory was loaded again.
    pub(crate) fn generation(&self) -> u64 {
        self.serve_lock.get().map_or(0, ServeLock::generation)
    }

    /// Whether the database answered lately.
    pub(crate) fn database_up(&self) -> bool {
        self.serve_lock.get().is_some_and(ServeLock::database_up)
    }

    /// Whether a presented value is a generated key with a typing error: refused without a look-up.
    pub(crate) fn is_mistyped(&self, presented: &[u8]) -> bool {
        self.api_key_format.classify(presented) == ApiKeyShape::Mistyped
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::thread;

    use super::*;

    #[test]
    fn generation_is_bounded_and_so_is_the_queue() {
        let slots = Arc::new(GenerationSlots::new(1, 1));
        let first = slots.acquire().unwrap();
        let (waiting, told) = mpsc::channel();
        let second = {
            let slots = Arc::clone(&slots);
            thread::spawn(move || {
                waiting.send(()).unwrap();
                drop(slots.acquire().unwrap());
            })
        };
        told.recv().unwrap();
        while lock(&slots.running).waiting == 0 {
            thread::yield_now();
        }
        assert!(slots.acquire().is_none());
        drop(first);
        second.join().unwrap();
        assert!(slots.acquire().is_some());
    }

    #[test]
    fn a_document_made_before_a_change_is_not_served_after_it() {
        let cache = JwksCache::default();
        let version = cache.version();
        let document: Arc<str> = Arc::from("{}");
        cache.keep(version, &document);
        assert_eq!(cache.current(), Some(Arc::clone(&document)));
        cache.invalidate();
        assert_eq!(cache.current(), None);
        cache.keep(version, &document);
        assert_eq!(cache.current(), None);
    }
}
