//! What all requests share: the store, the keyring, the keys that seal and digest, and what is derived from them.

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant as Stopwatch, SystemTime};

use claviger_crypto::{
    ApiKeyDigester, ApiKeyFormat, ApiKeyShape, CryptoError, RandomSource, Sealer, SystemRandom, random_array,
};
use claviger_domain::{Change, EntityId, Instant, Sealed, TenantId};
use claviger_keyring::Keyring;
use claviger_storage::{FeedStatus, Serving, Store};

use crate::client_address::TrustedProxies;
use crate::metrics::{Metrics, Tally};
use crate::options::WithoutLease;
use crate::parsed_keys::ParsedKeys;
use crate::public_url::PublicUrl;
use crate::published::PublishedCache;
use crate::rsa_stock::RsaKeys;
use crate::tenant_deletions::TenantDeletions;
use crate::tenant_tokens::AllTenantTokens;
use crate::token_clients::TokenClients;
use crate::token_look_ups::TokenLookUps;
use crate::upstream_tokens::UpstreamTokens;
use crate::usage::{UsageLog, UsageNotes};

/// Tells the time. A parameter, so that tests decide what time it is.
pub type Clock = Arc<dyn Fn() -> Instant + Send + Sync>;

/// How long a request waits for memory that may be trusted, if the database answers at all: reading the changes takes
/// milliseconds.
const LONGEST_WAIT_FOR_MEMORY: Duration = Duration::from_secs(1);
/// How often it looks whether the wait is over.
const LOOK_AT_MEMORY_EVERY: Duration = Duration::from_millis(2);

/// The clock of the machine.
#[must_use]
pub fn system_clock() -> Clock {
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the machine's clock")]
    Arc::new(|| Instant::from_system_time(SystemTime::now()))
}

/// What follows from the committed state and must never lag behind it. Fed by the store, in the order of the commits.
pub(crate) struct Derived {
    pub(crate) keyring: Arc<Keyring>,
    pub(crate) published: PublishedCache,
    pub(crate) parsed_keys: ParsedKeys,
    pub(crate) tenants: AllTenantTokens,
    pub(crate) token_clients: TokenClients,
}

impl Derived {
    pub(crate) fn new() -> Self {
        Self {
            keyring: Arc::new(Keyring::new()),
            published: PublishedCache::default(),
            parsed_keys: ParsedKeys::default(),
            tenants: AllTenantTokens::default(),
            token_clients: TokenClients::default(),
        }
    }

    /// Forgets everything, before all of it is told again.
    pub(crate) fn clear(&self) {
        self.keyring.clear();
        self.published.invalidate();
        self.parsed_keys.clear();
        self.tenants.clear();
        self.token_clients.changed();
    }

    /// Takes note of committed changes.
    pub(crate) fn apply(&self, changes: &[Change]) {
        for change in changes {
            self.keyring.apply(change);
            match change {
                Change::KeyWritten { id, kid } => {
                    // A new name changes nothing of what is published.
                    if !self.parsed_keys.written(*id, kid) {
                        self.published.invalidate();
                    }
                }
                Change::KeyDeleted(id) => {
                    self.published.invalidate();
                    self.parsed_keys.deleted(*id);
                }
                Change::EntitiesWritten => self.token_clients.changed(),
                Change::TenantWritten(tenant) => self.tenants.written(tenant),
                Change::TenantDeleted(id) => self.tenants.deleted(*id),
                Change::ApiKeyWritten { .. }
                | Change::ApiKeyDeleted { .. }
                | Change::IpAccessControlListWritten(_)
                | Change::IpAccessControlListDeleted(_)
                | Change::RoleWritten(_)
                | Change::RoleDeleted(_) => {}
            }
        }
    }
}

/// What one worker of the server works with. It belongs to one thread.
pub(crate) struct Worker {
    pub(crate) state: Arc<AppState>,
    pub(crate) usage: UsageNotes,
    pub(crate) tally: Arc<Tally>,
    /// The numbers that are left for its requests.
    numbers: Cell<(u64, u64)>,
    /// How many requests have gone by since one was shown as a sample.
    unseen: Cell<u32>,
}

impl Worker {
    /// One more worker.
    pub(crate) fn new(state: Arc<AppState>) -> Self {
        let (usage, tally) = (state.usage.notes(), state.metrics.tally());
        Self { state, usage, tally, numbers: Cell::default(), unseen: Cell::default() }
    }

    /// Whether this request is the one out of so many that the log shows.
    pub(crate) fn is_sampled(&self) -> bool {
        if self.state.log_one_in == 0 {
            return false;
        }
        let count = self.unseen.get() + 1;
        let sampled = count >= self.state.log_one_in;
        self.unseen.set(if sampled { 0 } else { count });
        sampled
    }

    /// The id of its next request.
    pub(crate) fn next_request_id(&self) -> RequestId {
        let ids = &self.state.request_ids;
        let (mut next, mut end) = self.numbers.get();
        if next == end {
            (next, end) = ids.take_numbers();
        }
        self.numbers.set((next + 1, end));
        RequestId::new(ids.process, next)
    }
}

/// Everything that operations work with.
pub(crate) struct AppState {
    pub(crate) store: Store,
    pub(crate) derived: Arc<Derived>,
    pub(crate) keyring: Arc<Keyring>,
    pub(crate) digester: ApiKeyDigester,
    pub(crate) sealer: Sealer,
    /// Stands in for the secret of a client that there is not.
    pub(crate) decoy_client_secret: Sealed,
    pub(crate) api_key_format: ApiKeyFormat,
    pub(crate) default_tenant_id: TenantId,
    pub(crate) clock: Clock,
    pub(crate) serving: Arc<Serving>,
    pub(crate) without_lease: WithoutLease,
    /// Of how many requests that change nothing the log shows one; 0 for none.
    pub(crate) log_one_in: u32,
    pub(crate) rsa_keys: Arc<RsaKeys>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) tenant_deletions: TenantDeletions,
    pub(crate) usage: UsageLog,
    /// The name of the database engine, for `/api/status`.
    pub(crate) engine: &'static str,
    pub(crate) local_metrics: bool,
    pub(crate) trusted_proxies: TrustedProxies,
    /// Under which URL callers reach the server; otherwise requests say it.
    pub(crate) public_url: Option<PublicUrl>,
    /// Whether the server listens on a Unix socket, where peers have no address.
    pub(crate) unix_socket: bool,
    /// Whether the query string may carry an API key.
    pub(crate) api_key_in_query: bool,
    /// Whether keys that may do everything can be made in Fusion's dialect.
    pub(crate) fusion_admin_keys: bool,
    pub(crate) upstream_tokens: UpstreamTokens,
    /// Clients of the token endpoint that requests wait for.
    pub(crate) token_look_ups: TokenLookUps,
    /// The entity that stands for the API behind gateways; without one they take no tokens of entities.
    pub(crate) entity_token_audience: Option<EntityId>,
    pub(crate) longest_body: Duration,
    pub(crate) started: Instant,
    pub(crate) request_ids: RequestIds,
}

/// Names requests, so that an answer can be found in the log: a random part per process and a number.
pub(crate) struct RequestIds {
    process: u32,
    next: AtomicU64,
}

/// How many numbers a worker takes at a time, so that workers seldom meet at the counter.
const NUMBERS: u64 = 4096;

impl RequestIds {
    /// A fresh sequence.
    pub(crate) fn new() -> Result<Self, CryptoError> {
        let process = u32::from_be_bytes(random_array::<4>(&mut SystemRandom)?);
        Ok(Self { process, next: AtomicU64::new(1) })
    }

    /// Numbers for one worker: the first one, and the one behind the last.
    fn take_numbers(&self) -> (u64, u64) {
        let first = self.next.fetch_add(NUMBERS, Ordering::Relaxed);
        (first, first + NUMBERS)
    }
}

/// The name of a request: eight hexadecimal digits of the process, a hyphen, and those of the number.
#[derive(Clone, Copy)]
pub(crate) struct RequestId {
    /// Its digits fill the end.
    text: [u8; Self::LONGEST],
    start: usize,
}

impl RequestId {
    const LONGEST: usize = 8 + 1 + 16;

    fn new(process: u32, mut number: u64) -> Self {
        let mut id = Self { text: [b'0'; Self::LONGEST], start: Self::LONGEST };
        loop {
            id.put(digit(number));
            number >>= 4;
            if number == 0 {
                break;
            }
        }
        id.put(b'-');
        let mut rest = u64::from(process);
        for _ in 0..8 {
            id.put(digit(rest));
            rest >>= 4;
        }
        id
    }

    /// Puts a character in front of the others.
    fn put(&mut self, character: u8) {
        self.start = self.start.saturating_sub(1);
        if let Some(place) = self.text.get_mut(self.start) {
            *place = character;
        }
    }

    /// The name as it stands in answers and in the log.
    pub(crate) fn as_str(&self) -> &str {
        self.text.get(self.start..).and_then(|text| std::str::from_utf8(text).ok()).unwrap_or_default()
    }
}

/// The last hexadecimal digit of a number.
const fn digit(number: u64) -> u8 {
    let value = (number & 15) as u8;
    if value < 10 { b'0' + value } else { b'a' + value - 10 }
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

    /// Whether this node may decide from memory.
    pub(crate) fn serves(&self) -> bool {
        self.serving.holds()
    }

    /// When this node may not decide from memory, asks the database for what has changed and waits until it has told, for as
    /// long as that makes sense. Whoever goes on sees for himself whether it helped.
    pub(crate) async fn wait_for_memory(&self) {
        if self.serves() || self.without_lease == WithoutLease::Refuse {
            return;
        }
        let asked = Stopwatch::now();
        while self.serving.ask() && !self.serves() && asked.elapsed() < LONGEST_WAIT_FOR_MEMORY {
            tokio::time::sleep(LOOK_AT_MEMORY_EVERY).await;
        }
    }

    /// How this node follows the others, where there can be others.
    pub(crate) fn feed(&self) -> Option<FeedStatus> {
        self.serving.feed()
    }

    /// How often memory was loaded again.
    pub(crate) fn generation(&self) -> u64 {
        self.serving.generation()
    }

    /// Whether the database answered lately.
    pub(crate) fn database_up(&self) -> bool {
        self.serving.database_up()
    }

    /// Whether a presented value is a generated key with a typing error: refused without a look-up.
    pub(crate) fn is_mistyped(&self, presented: &[u8]) -> bool {
        self.api_key_format.classify(presented) == ApiKeyShape::Mistyped
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn request_ids_are_written_in_hexadecimal() {
        for (process, number) in
            [(0, 0), (1, 9), (0xdead_beef, 10), (0x0123_4567, 0x10), (u32::MAX, u64::MAX)]
        {
            assert_eq!(RequestId::new(process, number).as_str(), format!("{process:08x}-{number:x}"));
        }
    }

    #[test]
    fn no_two_workers_have_one_number() {
        let ids = RequestIds::new().unwrap();
        let mut last = 0;
        for _ in 0..3 {
            let (first, end) = ids.take_numbers();
            assert!(last <= first && end == first + NUMBERS);
            last = end;
        }
    }
}
