//! What all requests share: the store, the keyring, the keys that seal and digest, and what is derived from them.

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
use crate::metrics::Metrics;
use crate::options::WithoutLease;
use crate::parsed_keys::ParsedKeys;
use crate::public_url::PublicUrl;
use crate::published::PublishedCache;
use crate::rsa_stock::RsaKeys;
use crate::tenant_deletions::TenantDeletions;
use crate::tenant_tokens::AllTenantTokens;
use crate::token_clients::TokenClients;
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

/// What one worker of the server works with.
pub(crate) struct Worker {
    pub(crate) state: Arc<AppState>,
    pub(crate) usage: UsageNotes,
}

impl Worker {
    /// One more worker.
    pub(crate) fn new(state: Arc<AppState>) -> Self {
        let usage = state.usage.notes();
        Self { state, usage }
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
    /// The entity that stands for the API behind gateways; without one they take no tokens of entities.
    pub(crate) entity_token_audience: Option<EntityId>,
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
