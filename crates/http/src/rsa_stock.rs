//! RSA keys: generated when they are asked for, and a small stock of them ahead, since some clients wait two seconds and
//! a key of 4096 bits can take longer.
//!
//! Whoever needs a key takes one from the stock. If there is none, a thread makes one, and the caller takes the first that
//! is ready, whether that thread made it or the one that fills the stock in idle time. The stock is kept in memory only,
//! encoded, so that its size is known and its keys are wiped when they are dropped.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::thread;
use std::time::{Duration, Instant as Stopwatch};

use claviger_crypto::{CryptoError, PrivateMaterial, SystemRandom, generate_material};
use claviger_domain::{HashSize, KeySpec, RsaLength, SecretBytes};

use crate::metrics::Metrics;

/// How long a caller waits for a key at most.
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// How long the thread that fills the stock sleeps after a failure of the generator.
const PAUSE_AFTER_FAILURE: Duration = Duration::from_secs(10);

/// How often the thread that fills the stock looks whether the server is gone.
const LOOK_AROUND: Duration = Duration::from_secs(1);

/// The lowest priority: what the machine has left over.
#[cfg(target_os = "linux")]
const IDLE_NICENESS: i32 = 19;

/// The largest encoding of a key: what one more key of 4096 bits can take.
const LARGEST_KEY: usize = 2400;

/// The size of the stock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RsaStockSize {
    /// Keys of each length that are kept ready; 0 keeps none.
    pub keys: usize,
    /// Bytes that all of them may take.
    pub bytes: usize,
}

/// Why there is no key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NoRsaKey {
    /// Too many callers wait already, or it took too long.
    #[error("too many wait for RSA keys")]
    Busy,
    /// The generator failed.
    #[error(transparent)]
    Failed(#[from] CryptoError),
}

/// Where RSA keys come from.
pub(crate) struct RsaKeys {
    shelves: Mutex<Shelves>,
    changed: Condvar,
    size: RsaStockSize,
    at_once: usize,
    waiting_at_most: usize,
    metrics: Arc<Metrics>,
}

/// Everything about keys of one length.
#[derive(Default)]
struct Shelf {
    ready: VecDeque<SecretBytes>,
    waiting: usize,
    /// Threads that make a key because somebody waits for it.
    making: usize,
    /// The failure of such a thread, for one of those who wait.
    failed: Option<CryptoError>,
}

#[derive(Default)]
struct Shelves {
    bits_2048: Shelf,
    bits_3072: Shelf,
    bits_4096: Shelf,
}

impl Shelf {
    fn bytes(&self) -> usize {
        self.ready.iter().map(|key| key.expose().len()).sum()
    }
}

impl Shelves {
    const fn of(&mut self, length: RsaLength) -> &mut Shelf {
        match length {
            RsaLength::Bits2048 => &mut self.bits_2048,
            RsaLength::Bits3072 => &mut self.bits_3072,
            RsaLength::Bits4096 => &mut self.bits_4096,
        }
    }

    /// The shortest first: those keys are asked for most, and cost least.
    const fn all(&self) -> [(RsaLength, &Shelf); 3] {
        [
            (RsaLength::Bits2048, &self.bits_2048),
            (RsaLength::Bits3072, &self.bits_3072),
            (RsaLength::Bits4096, &self.bits_4096),
        ]
    }

    fn sum(&self, of: impl Fn(&Shelf) -> usize) -> usize {
        self.all().into_iter().map(|(_, shelf)| of(shelf)).sum()
    }
}

impl RsaKeys {
    /// No keys yet. At most `at_once` are made at once for callers, of whom at most `waiting_at_most` wait.
    pub(crate) fn new(
        size: RsaStockSize,
        at_once: usize,
        waiting_at_most: usize,
        metrics: Arc<Metrics>,
    ) -> Arc<Self> {
        let shelves = Mutex::default();
        Arc::new(Self { shelves, changed: Condvar::new(), size, at_once, waiting_at_most, metrics })
    }

    /// Starts the thread that fills the stock. It ends soon after the last user of the keys is gone.
    pub(crate) fn fill_in_idle_time(self: &Arc<Self>) {
        if self.size.keys == 0 {
            return;
        }
        let keys = Arc::downgrade(self);
        let started = thread::Builder::new().name("rsa-stock".to_owned()).spawn(move || fill(&keys));
        if let Err(error) = started {
            tracing::warn!(%error, "no RSA keys are generated ahead: the thread for it cannot start");
        }
    }

    /// A key of this length that nobody else has.
    pub(crate) fn obtain(self: &Arc<Self>, length: RsaLength) -> Result<PrivateMaterial, NoRsaKey> {
        let mut shelves = self.lock();
        let shelf = shelves.of(length);
        // Whoever waits goes first.
        let ready = if shelf.waiting == 0 { shelf.ready.pop_front() } else { None };
        if let Some(key) = ready {
            drop(shelves);
            self.changed.notify_all();
            return Ok(PrivateMaterial::from_pkcs8(&key)?);
        }
        self.metrics.stock_miss(length);
        // Those for whom a thread works already do not count as waiting in line.
        if shelves.sum(|shelf| shelf.waiting) >= self.at_once + self.waiting_at_most {
            return Err(NoRsaKey::Busy);
        }
        shelves.of(length).waiting += 1;
        let (mut shelves, outcome) = self.wait(shelves, length);
        let shelf = shelves.of(length);
        shelf.waiting -= 1;
        if shelf.waiting == 0 {
            // A failure is for those who waited then, not for whoever comes next.
            shelf.failed = None;
        }
        drop(shelves);
        // Whoever waits may have a thread of its own now.
        self.changed.notify_all();
        Ok(PrivateMaterial::from_pkcs8(&outcome?)?)
    }

    fn wait<'a>(
        self: &'a Arc<Self>,
        mut shelves: MutexGuard<'a, Shelves>,
        length: RsaLength,
    ) -> (MutexGuard<'a, Shelves>, Result<SecretBytes, NoRsaKey>) {
        let asked = Stopwatch::now();
        loop {
            let idle = shelves.sum(|shelf| shelf.making) < self.at_once;
            let shelf = shelves.of(length);
            if let Some(key) = shelf.ready.pop_front() {
                return (shelves, Ok(key));
            }
            if let Some(error) = shelf.failed.take() {
                return (shelves, Err(error.into()));
            }
            if idle && shelf.making < shelf.waiting {
                match self.make_for_callers(length) {
                    Ok(()) => shelf.making += 1,
                    Err(error) => return (shelves, Err(CryptoError::Backend(error.to_string()).into())),
                }
            }
            let Some(left) = LONGEST_WAIT.checked_sub(asked.elapsed()) else {
                return (shelves, Err(NoRsaKey::Busy));
            };
            let waited = self.changed.wait_timeout(shelves, left);
            shelves = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Makes one key on a thread of its own. The caller counts it among those that are being made.
    fn make_for_callers(self: &Arc<Self>, length: RsaLength) -> io::Result<()> {
        let keys = Arc::clone(self);
        let make = move || {
            let making = Making { keys, length };
            let made = making.keys.make(length);
            let mut shelves = making.keys.lock();
            let room = making.keys.has_room(&shelves);
            let shelf = shelves.of(length);
            match made {
                // Those who waited may have been served from elsewhere meanwhile.
                Ok(key) if shelf.waiting > 0 || (room && shelf.ready.len() < making.keys.size.keys) => {
                    shelf.ready.push_back(key);
                }
                Ok(_) => {}
                Err(error) => shelf.failed = (shelf.waiting > 0).then_some(error),
            }
        };
        thread::Builder::new().name("rsa-key".to_owned()).spawn(make).map(drop)
    }

    fn make(&self, length: RsaLength) -> Result<SecretBytes, CryptoError> {
        let stopwatch = Stopwatch::now();
        // The digest plays no part until a certificate is signed.
        let spec = KeySpec::Rsa(HashSize::Bits256, length);
        let key = generate_material(spec, &mut SystemRandom)?
            .to_pkcs8()?
            .ok_or_else(|| CryptoError::Backend("an RSA key without an encoding".to_owned()))?;
        self.metrics.generation(spec, stopwatch.elapsed());
        Ok(key)
    }

    /// Keys in stock and their bytes, by length.
    pub(crate) fn stock(&self) -> Vec<(RsaLength, usize, usize)> {
        let shelves = self.lock();
        shelves.all().into_iter().map(|(length, shelf)| (length, shelf.ready.len(), shelf.bytes())).collect()
    }

    fn lock(&self) -> MutexGuard<'_, Shelves> {
        // Counts and queues are changed whole: a panic elsewhere leaves them valid.
        self.shelves.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether one more key of any length fits into the memory of the stock.
    fn has_room(&self, shelves: &Shelves) -> bool {
        shelves.sum(Shelf::bytes) + LARGEST_KEY <= self.size.bytes
    }

    /// The length of which the stock lacks most.
    fn lacking(&self, shelves: &Shelves) -> Option<RsaLength> {
        if !self.has_room(shelves) {
            return None;
        }
        shelves
            .all()
            .into_iter()
            .map(|(length, shelf)| (length, shelf.ready.len()))
            .filter(|(_, ready)| *ready < self.size.keys)
            .min_by_key(|(_, ready)| *ready)
            .map(|(length, _)| length)
    }
}

/// One key that is being made for callers; on drop, also after a panic, it is not any more.
struct Making {
    keys: Arc<RsaKeys>,
    length: RsaLength,
}

impl Drop for Making {
    fn drop(&mut self) {
        self.keys.lock().of(self.length).making -= 1;
        self.keys.changed.notify_all();
    }
}

/// Fills the stock until the server is gone.
fn fill(keys: &Weak<RsaKeys>) {
    // On Linux the niceness is that of the thread; elsewhere it would slow down the whole process.
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::process::nice(IDLE_NICENESS) {
        tracing::warn!(%error, "RSA keys are generated ahead at the usual priority");
    }
    while let Some(keys) = keys.upgrade() {
        let shelves = keys.lock();
        let Some(length) = keys.lacking(&shelves) else {
            let _woken = keys.changed.wait_timeout(shelves, LOOK_AROUND);
            continue;
        };
        drop(shelves);
        match keys.make(length) {
            Ok(key) => {
                keys.lock().of(length).ready.push_back(key);
                keys.changed.notify_all();
            }
            Err(error) => {
                tracing::warn!(%error, "an RSA key cannot be generated ahead");
                drop(keys);
                thread::sleep(PAUSE_AFTER_FAILURE);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use claviger_domain::{Instant, KeyId};

    use super::*;

    fn keys(keys: usize, bytes: usize, at_once: usize, waiting: usize) -> Arc<RsaKeys> {
        RsaKeys::new(RsaStockSize { keys, bytes }, at_once, waiting, Arc::new(Metrics::new()))
    }

    /// Asserts that it is an RSA key of this length by making a key of it.
    #[track_caller]
    fn check(material: PrivateMaterial, length: RsaLength) -> Option<String> {
        let spec = KeySpec::Rsa(HashSize::Bits256, length);
        let now = Instant::from_epoch_millis(0);
        let id = KeyId::from_u128(1);
        let request = claviger_crypto::GenerateRequest { id, spec, issuer: "acme.com", now };
        claviger_crypto::finish(&request, material, &mut SystemRandom).unwrap().public_key
    }

    #[test]
    fn without_stock_each_caller_gets_a_key_of_its_own() {
        let keys = keys(0, 0, 1, 8);
        keys.fill_in_idle_time();
        let mut made: Vec<_> = thread::scope(|scope| {
            let ask = || check(keys.obtain(RsaLength::Bits2048).unwrap(), RsaLength::Bits2048);
            let threads: Vec<_> = (0..3).map(|_| scope.spawn(ask)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        made.sort();
        made.dedup();
        assert_eq!(made.len(), 3);
        assert!(keys.stock().iter().all(|(_, ready, bytes)| (*ready, *bytes) == (0, 0)));
    }

    #[test]
    fn the_line_is_bounded() {
        let keys = keys(0, 0, 1, 0);
        keys.lock().of(RsaLength::Bits4096).waiting = 1;
        assert!(matches!(keys.obtain(RsaLength::Bits2048), Err(NoRsaKey::Busy)));
        keys.lock().of(RsaLength::Bits4096).waiting = 0;
        assert!(keys.obtain(RsaLength::Bits2048).is_ok());
    }

    #[test]
    fn the_stock_is_used_up_before_anything_is_made() {
        let keys = keys(2, 1 << 20, 1, 1);
        let made = [keys.make(RsaLength::Bits2048).unwrap(), keys.make(RsaLength::Bits2048).unwrap()];
        let lengths: usize = made.iter().map(|key| key.expose().len()).sum();
        keys.lock().of(RsaLength::Bits2048).ready.extend(made);
        assert_eq!(keys.stock().first(), Some(&(RsaLength::Bits2048, 2, lengths)));
        for left in [1, 0] {
            check(keys.obtain(RsaLength::Bits2048).unwrap(), RsaLength::Bits2048);
            assert_eq!(keys.stock().first().map(|(_, ready, _)| *ready), Some(left));
        }
    }

    #[test]
    fn what_lacks_most_is_made_next_within_the_memory() {
        let keys = keys(2, 3 * LARGEST_KEY, 1, 1);
        let shelve = |length| keys.lock().of(length).ready.push_back(SecretBytes::from(vec![0; LARGEST_KEY]));
        let lacking = || keys.lacking(&keys.lock());
        assert_eq!(lacking(), Some(RsaLength::Bits2048));
        shelve(RsaLength::Bits2048);
        assert_eq!(lacking(), Some(RsaLength::Bits3072));
        shelve(RsaLength::Bits3072);
        assert_eq!(lacking(), Some(RsaLength::Bits4096));
        shelve(RsaLength::Bits4096);
        assert_eq!(lacking(), None);
    }

    #[test]
    fn the_filling_thread_ends_with_its_server() {
        let keys = keys(1, LARGEST_KEY, 1, 1);
        keys.fill_in_idle_time();
        let mut shelves = keys.lock();
        while shelves.of(RsaLength::Bits2048).ready.is_empty() {
            shelves = keys.changed.wait(shelves).unwrap();
        }
        drop(shelves);
        let gone = Arc::downgrade(&keys);
        drop(keys);
        while gone.upgrade().is_some() {
            thread::yield_now();
        }
    }
}
