//! Start and stop of a server.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use actix_web::{App, HttpServer, rt, web};
use claviger_crypto::{
    ApiKeyFormat, CryptoError, MasterKey, SealedItem, Sealer, SystemRandom, generate_client_secret,
};
use claviger_domain::{Actor, ApiKeyId, Change, ChangeContext, Instant, Sealed, SecretText, TenantScope};
use claviger_storage::{DatabaseUrl, Serving, StorageError, Store, StoreOptions, TxError};
use tokio::sync::oneshot;

use crate::dispatch::service;
use crate::kickstart::{self, KickstartError};
use crate::metrics::Metrics;
use crate::ops::instance::{self, CommandLineApiKey, InstanceError, OpenInstance};
use crate::ops::{default_roles, expiry, oauth_client};
use crate::options::{ListenAddress, ServerOptions};
use crate::rsa_stock::RsaKeys;
use crate::state::{AppState, Clock, Derived, RequestIds, Worker};
use crate::tenant_deletions::{self, TenantDeletions};
use crate::token_look_ups::TokenLookUps;
use crate::upstream_tokens::UpstreamTokens;
use crate::usage::{self, UsageLog};

/// Targets of log events that tell of each thread at start and stop; `warn` is enough of them.
pub const CHATTY_TARGETS: [&str; 1] = ["actix_server"];

/// Callers that may wait for an RSA key before further ones are turned away.
const GENERATIONS_WAITING: usize = 16;
/// Threads per worker for operations that block: more than connections in the pool, and room for those that wait for
/// an RSA key.
pub const BLOCKING_THREADS: usize = 64;
/// How long a connection stays open without a request. Gateways keep theirs for a minute (nginx, Go): whoever closes first must
/// be they, because a request that meets a close fails. At a stop idle connections are closed at once.
pub const KEEP_ALIVE: Duration = Duration::from_secs(75);
/// Connections that wait to be accepted.
pub const BACKLOG: u32 = 1024;

const MILLIS_PER_DAY: i64 = 24 * 60 * 60 * 1000;
/// How often the server looks whether a day has passed.
const LOOK_FOR_EXPIRY_EVERY: Duration = Duration::from_secs(60);

/// Why a server does not start, or stopped.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// The address cannot be listened on.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// The address as configured.
        address: ListenAddress,
        /// What the operating system says.
        source: io::Error,
    },
    /// The instance cannot be opened.
    #[error(transparent)]
    Instance(#[from] InstanceError),
    /// The database failed.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// The Kickstart file was not applied.
    #[error(transparent)]
    Kickstart(Box<KickstartError>),
    /// A setting of cryptography is wrong.
    #[error("API_KEY_PREFIX: {0}")]
    ApiKeyPrefix(CryptoError),
    /// The runtime failed.
    #[error("the server failed: {0}")]
    Runtime(#[source] io::Error),
}

impl From<KickstartError> for ServerError {
    fn from(error: KickstartError) -> Self {
        Self::Kickstart(Box::new(error))
    }
}

/// A server that is ready to answer.
pub struct Ready {
    /// The TCP address, with the port that was taken; `None` for a Unix socket.
    pub address: Option<SocketAddr>,
    /// The value of the first key manager, if one was made now. Nobody can ask for it again.
    pub first_api_key: Option<SecretText>,
    /// The number of API keys in memory.
    pub api_keys: usize,
}

/// What makes a server stop.
pub enum Stop {
    /// `SIGTERM` or `SIGINT`.
    Signal,
    /// A word from whoever started it; dropping the sender counts.
    Channel(oneshot::Receiver<()>),
}

/// Runs a server until it is told to stop and running requests are done. `on_ready` is called once it listens.
///
/// # Errors
/// When it cannot start; nothing is listened on then.
pub fn serve(options: ServerOptions, stop: Stop, on_ready: impl FnOnce(Ready)) -> Result<(), ServerError> {
    claviger_crypto::initialize();
    let (state, first_api_key) = open(&options)?;
    if let Err(error) = expiry::warn(&state) {
        tracing::warn!(%error, "keys near expiry cannot be looked for");
    }
    let system = rt::System::new();
    system.block_on(async move {
        let shared = Arc::clone(&state);
        let app = move || App::new().default_service(service(Worker::new(Arc::clone(&shared))));
        let server = HttpServer::new(app)
            .workers(options.workers)
            .worker_max_blocking_threads(BLOCKING_THREADS)
            .backlog(BACKLOG)
            .keep_alive(KEEP_ALIVE)
            .shutdown_timeout(options.shutdown_grace.as_secs())
            .disable_signals();
        let server = match &options.listen {
            ListenAddress::Tcp(address) => server.bind(address),
            ListenAddress::Unix(path) => remove_stale_socket(path).and_then(|()| server.bind_uds(path)),
        }
        .map_err(|source| ServerError::Listen { address: options.listen.clone(), source })?;
        let address = match options.listen {
            ListenAddress::Tcp(_) => server.addrs().first().copied(),
            ListenAddress::Unix(_) => None,
        };
        let running = server.run();
        let handle = running.handle();
        let word = word_to_stop(stop);
        rt::spawn(async move {
            word.await;
            tracing::info!("stopping: running requests may finish");
            handle.stop(true).await;
        });
        state.rsa_keys.fill_in_idle_time();
        rt::spawn(warn_daily(Arc::clone(&state)));
        rt::spawn(usage::write_regularly(Arc::clone(&state)));
        rt::spawn(tenant_deletions::work(Arc::clone(&state)));
        if state.feed().is_some() {
            rt::spawn(tenant_deletions::take_up_orphans(Arc::clone(&state)));
        }
        on_ready(Ready { address, first_api_key, api_keys: state.keyring.len() });
        let outcome = running.await.map_err(ServerError::Runtime);
        state.tenant_deletions.stop();
        // Nobody is let through any more: these are the last uses.
        if !usage::write_noted(&state) {
            tracing::error!("the last uses of API keys are lost: they could not be written");
        }
        outcome
    })
}

/// Warns of keys near expiry whenever a day has passed by the server's clock since it did so at the start.
async fn warn_daily(state: Arc<AppState>) {
    let mut warned = state.started.epoch_millis();
    loop {
        tokio::time::sleep(LOOK_FOR_EXPIRY_EVERY).await;
        let now = state.now().epoch_millis();
        if now.saturating_sub(warned) < MILLIS_PER_DAY {
            continue;
        }
        let asked = Arc::clone(&state);
        match web::block(move || expiry::warn(&asked)).await {
            Ok(Ok(())) => warned = now,
            // The database is away: the next look is soon.
            Ok(Err(error)) => tracing::debug!(%error, "keys near expiry cannot be looked for"),
            Err(_) => tracing::error!("looking for keys near expiry panicked"),
        }
    }
}

/// A socket that nobody listens on is left over from a process that was killed.
fn remove_stale_socket(path: &std::path::Path) -> io::Result<()> {
    use std::os::unix::net::UnixStream;
    match UnixStream::connect(path) {
        Ok(_) => Err(io::Error::new(io::ErrorKind::AddrInUse, "another process listens on it")),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(_) if is_socket(path) => std::fs::remove_file(path),
        // An ordinary file refuses connections as well, and is not ours to remove; binding would.
        Err(_) => Err(io::Error::new(io::ErrorKind::AlreadyExists, "the path is taken by something else")),
    }
}

fn is_socket(path: &std::path::Path) -> bool {
    use std::os::unix::fs::FileTypeExt;
    std::fs::symlink_metadata(path).is_ok_and(|metadata| metadata.file_type().is_socket())
}

/// The word to stop. Signals are caught from this call on and not only when somebody waits: one that comes as soon as the
/// server says that it listens must not kill it.
fn word_to_stop(stop: Stop) -> impl Future<Output = ()> {
    use tokio::signal::unix::{SignalKind, signal};
    let signals = match &stop {
        Stop::Signal => Some((signal(SignalKind::terminate()), signal(SignalKind::interrupt()))),
        Stop::Channel(_) => None,
    };
    async move {
        match (stop, signals) {
            (Stop::Channel(channel), _) => {
                // An error means that the sender is gone, which is a word as well.
                let _gone = channel.await;
            }
            (Stop::Signal, Some((Ok(mut terminate), Ok(mut interrupt)))) => {
                tokio::select! {
                    _ = terminate.recv() => {}
                    _ = interrupt.recv() => {}
                }
            }
            (Stop::Signal, _) => {
                tracing::error!("cannot listen for signals: only SIGKILL stops this process");
                std::future::pending::<()>().await;
            }
        }
    }
}

pub(crate) fn open(options: &ServerOptions) -> Result<(Arc<AppState>, Option<SecretText>), ServerError> {
    let api_key_format = ApiKeyFormat::new(&options.api_key_prefix).map_err(ServerError::ApiKeyPrefix)?;
    let store = Store::open(&options.store)?;
    if options.migrate {
        store.migrate_up()?;
    }
    store.check_schema()?;
    let derived = Arc::new(Derived::new());
    let listener = Arc::clone(&derived);
    store.set_listener(Arc::new(move |changes: &[Change]| {
        #[cfg(feature = "sabotage")]
        crate::sabotage::apply(&listener, changes);
        #[cfg(not(feature = "sabotage"))]
        listener.apply(changes);
    }))?;
    // Processes that start together on an empty database make one instance.
    let turn = store.start_turn()?;
    kickstart::apply(&store, &api_key_format, options)?;
    let bootstrap = options.bootstrap_api_key.as_ref();
    let mut opened = instance::open(&store, &options.master_key, &api_key_format, bootstrap, &options.clock)?;
    default_roles::ensure(&store, &mut SystemRandom, (options.clock)()).map_err(InstanceError::from)?;
    delete_ended_values(&store, (options.clock)())?;
    drop(turn);
    let serving = Arc::new(store.serve(options.lease, loader(&store, &derived))?);
    let first_key = opened.first_key.take();
    let state = assemble(options, &api_key_format, store, derived, opened, serving)?;
    take_up_deletions(&state)?;
    Ok((state, first_key))
}

/// Everything that operations work with, on an instance whose keys are in memory.
pub(crate) fn assemble(
    options: &ServerOptions,
    api_key_format: &ApiKeyFormat,
    store: Store,
    derived: Arc<Derived>,
    opened: OpenInstance,
    serving: Arc<Serving>,
) -> Result<Arc<AppState>, ServerError> {
    let cores = thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let metrics = Arc::new(Metrics::new());
    let decoy_client_secret = decoy_client_secret(&opened.sealer).map_err(InstanceError::from)?;
    Ok(Arc::new(AppState {
        keyring: Arc::clone(&derived.keyring),
        token_look_ups: TokenLookUps::new(store.clone(), Arc::clone(&derived)),
        derived,
        digester: opened.digester,
        sealer: opened.sealer,
        decoy_client_secret,
        api_key_format: api_key_format.clone(),
        default_tenant_id: opened.default_tenant_id,
        clock: Arc::clone(&options.clock),
        serving,
        without_lease: options.without_lease,
        log_one_in: options.log_one_in,
        // One core stays free for everything else.
        rsa_keys: RsaKeys::new(
            options.rsa_stock,
            cores.saturating_sub(1).max(1),
            GENERATIONS_WAITING,
            Arc::clone(&metrics),
        ),
        metrics,
        tenant_deletions: TenantDeletions::default(),
        usage: UsageLog::default(),
        engine: match options.store.url {
            DatabaseUrl::Sqlite(_) => "SQLite",
            DatabaseUrl::Postgres(_) => "PostgreSQL",
        },
        local_metrics: options.local_metrics,
        trusted_proxies: options.trusted_proxies.clone(),
        public_url: options.public_url.clone(),
        unix_socket: matches!(options.listen, ListenAddress::Unix(_)),
        api_key_in_query: options.api_key_in_query,
        fusion_admin_keys: options.fusion_admin_keys,
        upstream_tokens: UpstreamTokens::new(
            options.upstream_token_audience.clone(),
            options.upstream_token_lifetime,
        ),
        entity_token_audience: options.entity_token_audience,
        longest_body: options.longest_body,
        started: (options.clock)(),
        request_ids: RequestIds::new().map_err(InstanceError::from)?,
        store,
    }))
}

/// A secret of nobody, which is as long as those that are generated.
fn decoy_client_secret(sealer: &Sealer) -> Result<Sealed, CryptoError> {
    let secret = generate_client_secret(&mut SystemRandom)?;
    let nobody = SealedItem::ClientSecret(oauth_client::NOBODY);
    sealer.seal(nobody, secret.expose().as_bytes(), &mut SystemRandom)
}

/// Deletes the values of rotated API keys that have ended since the keys were last written.
fn delete_ended_values(store: &Store, now: Instant) -> Result<(), StorageError> {
    let context = ChangeContext { actor: Actor::System, instant: now, address: None };
    let deleted = store
        .write::<_, StorageError, _>(&context, |tx| Ok(tx.delete_ended_api_key_digests()?))
        .map_err(storage_error)?;
    if deleted > 0 {
        tracing::info!(values = deleted, "deleted earlier values of API keys that have ended");
    }
    Ok(())
}

/// What fills the memory of this node, now and whenever it may be wrong.
pub(crate) fn loader(store: &Store, derived: &Arc<Derived>) -> impl FnMut() -> bool + Send + 'static {
    let (store, derived) = (store.clone(), Arc::clone(derived));
    move || match load(&store, &derived) {
        Ok(()) => true,
        Err(error) => {
            tracing::error!(%error, "cannot load the API keys: nobody is let through until it works");
            false
        }
    }
}

/// Fills the memory of this node from the database, forgetting what it knew before.
fn load(store: &Store, derived: &Derived) -> Result<(), StorageError> {
    store
        .read_between_commits::<_, StorageError>(|tx| {
            derived.clear();
            for tenant in tx.tenants(TenantScope::All)? {
                derived.apply(&[Change::TenantWritten(tenant)]);
            }
            // A list that is not there lets nobody in, and a role that is not there allows nothing.
            for list in tx.each_ip_access_control_list()? {
                match list {
                    Ok(list) => derived.apply(&[Change::IpAccessControlListWritten(list)]),
                    Err(error) => {
                        tracing::error!(%error, "a list of addresses is left out: its row cannot be read")
                    }
                }
            }
            for role in tx.each_role()? {
                match role {
                    Ok(role) => derived.apply(&[Change::RoleWritten(role)]),
                    Err(error) => tracing::error!(%error, "a role is left out: its row cannot be read"),
                }
            }
            let mut tell = |id, kid| {
                let _new = derived.parsed_keys.written(id, &kid);
            };
            match tx.for_each_kid(&mut tell) {
                // All the others were told.
                Err(error @ StorageError::Corrupt { .. }) => {
                    tracing::error!(%error, "a key is left out: its row cannot be read");
                }
                told => told?,
            }
            store.for_each_api_key_at_once(tx, || {
                let mut loader = derived.keyring.loader();
                move |row| match row {
                    Ok((digest, api_key, previous)) => loader.add(digest, &api_key, &previous),
                    // A row that cannot be read grants nothing; the others still work.
                    Err(error) => tracing::error!(%error, "an API key is left out: its row cannot be read"),
                }
            })?;
            Ok(())
        })
        .map_err(storage_error)
}

fn storage_error(error: TxError<StorageError>) -> StorageError {
    match error {
        TxError::Storage(error) | TxError::Abort(error) => error,
    }
}

/// Takes up deletions of tenants that a former run left in the middle.
fn take_up_deletions(state: &AppState) -> Result<(), StorageError> {
    let pending =
        state.store.read::<_, StorageError>(|tx| Ok(tx.tenants_pending_delete()?)).map_err(storage_error)?;
    for id in pending {
        let context = ChangeContext { actor: Actor::System, instant: state.now(), address: None };
        state.tenant_deletions.add(id, context);
    }
    Ok(())
}

/// Makes an API key in the database itself: the way back when no key manager is left. On PostgreSQL servers may run on it.
///
/// # Errors
/// When a SQLite file is in use by a server, the database holds no instance, or the key cannot be made as wanted.
pub fn create_api_key(
    store: &StoreOptions,
    master_key: &MasterKey,
    api_key_prefix: &str,
    wanted: CommandLineApiKey,
    clock: &Clock,
) -> Result<(ApiKeyId, SecretText), ServerError> {
    let format = ApiKeyFormat::new(api_key_prefix).map_err(ServerError::ApiKeyPrefix)?;
    let store = Store::open(store)?;
    store.check_schema()?;
    Ok(instance::create_api_key(&store, master_key, &format, wanted, clock)?)
}
