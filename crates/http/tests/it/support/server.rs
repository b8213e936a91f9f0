//! The server under test: started as the binary starts it, stopped and started again on the same database.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use claviger_crypto::{MasterKey, Sealer};
use claviger_domain::{Actor, EntityId, Instant, Name, Permissions, SecretBytes, SecretText, TenantId};
use claviger_http::{
    Clock, CommandLineApiKey, ListenAddress, RsaStockSize, ServerError, ServerOptions, Stop, TrustedProxies,
    WithoutLease, create_api_key, serve,
};
use claviger_storage::{DEFAULT_LEASE, StorageError, Store, StoreOptions};
use tempfile::TempDir;
use tokio::sync::oneshot;

use super::client::Client;
use super::database::{Database, Kind};

/// The value of the first key manager.
pub(crate) const BOOTSTRAP: &str = "the key manager of the tests";

/// What generated API keys start with.
pub(crate) const PREFIX: &str = "clv_";

/// When the tests take place: 2027-01-15T08:00:00Z, in milliseconds since the epoch.
pub(crate) const START: i64 = 1_800_000_000_000;

/// Settings in which servers of tests differ.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Settings {
    pub(crate) local_metrics: bool,
    /// As the setting `TRUSTED_PROXIES`; empty for none.
    pub(crate) trusted_proxies: &'static str,
    /// As the setting `PUBLIC_URL`; empty for what requests say.
    pub(crate) public_url: &'static str,
    pub(crate) api_key_in_query: bool,
    pub(crate) fusion_admin_keys: bool,
    /// For whom tokens for upstreams are; empty for nobody, so that none are made.
    pub(crate) upstream_token_audience: &'static str,
    pub(crate) upstream_token_lifetime: Duration,
    /// Which entity stands for the API behind gateways, by the number of its id; 0 for none.
    pub(crate) entity_token_audience: u128,
    /// As the setting `LEASE_MILLISECONDS`.
    pub(crate) lease: Duration,
    pub(crate) without_lease: WithoutLease,
    /// Whether it listens on a Unix socket, at [`Server::socket`], and not on TCP.
    pub(crate) unix_socket: bool,
    /// Whether the first key manager has the value [`BOOTSTRAP`]; else one is generated.
    pub(crate) bootstrap: bool,
    pub(crate) longest_body: Duration,
    pub(crate) rsa_stock: RsaStockSize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            local_metrics: false,
            trusted_proxies: "",
            public_url: "",
            api_key_in_query: false,
            fusion_admin_keys: true,
            upstream_token_audience: "",
            upstream_token_lifetime: Duration::from_secs(60),
            entity_token_audience: 0,
            lease: DEFAULT_LEASE,
            without_lease: WithoutLease::Ask,
            unix_socket: false,
            bootstrap: true,
            longest_body: Duration::from_secs(30),
            rsa_stock: RsaStockSize { keys: 0, bytes: 0 },
        }
    }
}

/// A server on a database of its own.
pub(crate) struct Server {
    clock: Arc<AtomicI64>,
    clock_reads: Arc<AtomicU64>,
    settings: Settings,
    running: Mutex<Option<Running>>,
    directory: TempDir,
    // After the server: a database is dropped when nobody uses it any more.
    database: Database,
}

struct Running {
    /// `None` on a Unix socket.
    address: Option<SocketAddr>,
    /// The value that was generated for the first key manager.
    first_api_key: Option<String>,
    stop: oneshot::Sender<()>,
    thread: JoinHandle<Result<(), ServerError>>,
}

impl Server {
    /// Starts a server and waits until it listens.
    pub(crate) fn start(database: Database, settings: Settings) -> Self {
        let server = Self {
            clock: Arc::new(AtomicI64::new(START)),
            clock_reads: Arc::default(),
            settings,
            running: Mutex::new(None),
            directory: tempfile::tempdir().unwrap(),
            database,
        };
        server.run();
        server
    }

    fn run(&self) {
        let (stop, stopped) = oneshot::channel();
        let (tell, told) = mpsc::channel();
        let options = ServerOptions {
            listen: match self.settings.unix_socket {
                true => ListenAddress::Unix(self.socket()),
                false => "127.0.0.1:0".parse().unwrap(),
            },
            store: self.store_options(),
            master_key: master_key(),
            bootstrap_api_key: self.settings.bootstrap.then(|| SecretText::from(BOOTSTRAP.to_owned())),
            kickstart: None,
            api_key_prefix: PREFIX.to_owned(),
            migrate: true,
            local_metrics: self.settings.local_metrics,
            public_url: match self.settings.public_url {
                "" => None,
                url => Some(url.parse().unwrap()),
            },
            trusted_proxies: match self.settings.trusted_proxies {
                "" => TrustedProxies::default(),
                proxies => proxies.parse().unwrap(),
            },
            api_key_in_query: self.settings.api_key_in_query,
            fusion_admin_keys: self.settings.fusion_admin_keys,
            upstream_token_audience: match self.settings.upstream_token_audience {
                "" => None,
                audience => Some(audience.to_owned()),
            },
            upstream_token_lifetime: self.settings.upstream_token_lifetime,
            entity_token_audience: match self.settings.entity_token_audience {
                0 => None,
                number => Some(EntityId::from_u128(number)),
            },
            lease: self.settings.lease,
            without_lease: self.settings.without_lease,
            log_one_in: 0,
            longest_body: self.settings.longest_body,
            rsa_stock: self.settings.rsa_stock,
            shutdown_grace: Duration::from_secs(1),
            workers: 2,
            clock: self.clock(),
        };
        let thread = thread::spawn(move || {
            serve(options, Stop::Channel(stopped), |ready| {
                let first_api_key = ready.first_api_key.map(|value| value.expose().to_owned());
                tell.send((ready.address, first_api_key)).unwrap();
            })
        });
        let Ok((address, first_api_key)) = told.recv() else {
            panic!("the server does not start: {:?}", thread.join());
        };
        *self.running.lock().unwrap() = Some(Running { address, first_api_key, stop, thread });
    }

    /// Stops the server, does something with its database, and starts it again.
    pub(crate) fn while_stopped<T>(&self, work: impl FnOnce(&StoreOptions) -> T) -> T {
        let running = self.running.lock().unwrap().take().unwrap();
        running.stop();
        self.wait_for_release();
        let outcome = work(&self.store_options());
        self.run();
        outcome
    }

    /// Waits until the database is free: the threads of a server that has stopped let go of it one after the other.
    fn wait_for_release(&self) {
        let deadline = std::time::Instant::now() + Duration::from_secs(20);
        loop {
            let lock = Store::open(&self.store_options()).and_then(|store| store.exclusive().map(drop));
            match lock {
                Ok(()) => return,
                Err(StorageError::Locked) if std::time::Instant::now() < deadline => thread::yield_now(),
                Err(error) => panic!("the database is not released: {error}"),
            }
        }
    }

    /// Makes API keys as an operator does who has access to the database: the one way to key managers.
    pub(crate) fn command_line_api_keys<const N: usize>(
        &self,
        wanted: [(&str, bool, Permissions, Option<&str>); N],
    ) -> [CommandLineKey; N] {
        self.while_stopped(|store| {
            wanted.map(|(name, key_manager, permissions, tenant)| {
                let wanted = CommandLineApiKey {
                    name: Name::try_from(name.to_owned()).unwrap(),
                    key_manager,
                    permissions,
                    tenant_id: tenant.map(|id| id.parse::<TenantId>().unwrap()),
                };
                let (id, value) =
                    create_api_key(store, &master_key(), PREFIX, wanted, &self.clock()).unwrap();
                CommandLineKey { id: id.to_string(), value: value.expose().to_owned() }
            })
        })
    }

    /// Makes an unrestricted API key as an operator does while this server runs, and returns its value.
    #[cfg(feature = "postgres")]
    pub(crate) fn command_line_api_key_beside(&self, name: &str) -> String {
        let wanted = CommandLineApiKey {
            name: Name::try_from(name.to_owned()).unwrap(),
            key_manager: false,
            permissions: Permissions::All,
            tenant_id: None,
        };
        let made = create_api_key(&self.store_options(), &master_key(), PREFIX, wanted, &self.clock());
        made.unwrap().1.expose().to_owned()
    }

    fn store_options(&self) -> StoreOptions {
        StoreOptions { pool_size: 6, ..self.database.options() }
    }

    fn clock(&self) -> Clock {
        let (clock, reads) = (Arc::clone(&self.clock), Arc::clone(&self.clock_reads));
        Arc::new(move || {
            reads.fetch_add(1, Ordering::SeqCst);
            Instant::from_epoch_millis(clock.load(Ordering::SeqCst))
        })
    }

    /// How often the server asked what time it is: the first time in a request is after its key was found.
    pub(crate) fn clock_reads(&self) -> u64 {
        self.clock_reads.load(Ordering::SeqCst)
    }

    /// What time it is for the server.
    pub(crate) fn now(&self) -> i64 {
        self.clock.load(Ordering::SeqCst)
    }

    /// Sets the server's clock. Only for tests that have the server for themselves.
    pub(crate) fn set_now(&self, millis: i64) {
        self.clock.store(millis, Ordering::SeqCst);
    }

    /// Which database it works on.
    pub(crate) fn kind(&self) -> Kind {
        self.database.kind()
    }

    /// Runs statements in its database, behind its back.
    pub(crate) fn database_execute(&self, statements: &str) {
        self.database.execute(statements);
    }

    /// Whether a condition holds in the database.
    #[cfg(feature = "postgres")]
    pub(crate) fn database_is(&self, condition: &str) -> bool {
        self.database.is(condition)
    }

    /// One more server on the same database.
    #[cfg(feature = "postgres")]
    pub(crate) fn beside(&self, settings: Settings) -> Self {
        Self::start(self.database.shared(), settings)
    }

    /// Where the server listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.running.lock().unwrap().as_ref().unwrap().address.unwrap()
    }

    /// The Unix socket on which the server listens if its settings say so.
    pub(crate) fn socket(&self) -> PathBuf {
        self.directory.path().join("claviger.sock")
    }

    /// The value of the first key manager, if it was generated at this start.
    pub(crate) fn first_api_key(&self) -> Option<String> {
        self.running.lock().unwrap().as_ref().unwrap().first_api_key.clone()
    }

    /// Another server of the same kind with other settings, on a database of its own.
    pub(crate) fn sibling(&self, settings: Settings) -> Self {
        Self::start(Database::new(self.kind()), settings)
    }

    /// The addresses that are recorded with the changes of API keys so far.
    pub(crate) fn recorded_addresses(&self) -> Vec<Option<String>> {
        self.while_stopped(|options| {
            let store = Store::open(options).unwrap();
            let changes = store.read::<_, StorageError>(|tx| Ok(tx.changes(0, 10_000)?)).unwrap();
            let by_keys = changes.into_iter().filter(|change| matches!(change.actor, Actor::ApiKey(_)));
            by_keys.map(|change| change.address).collect()
        })
    }

    /// A client without a credential.
    pub(crate) fn anonymous(&self) -> Client {
        Client::new(self.address())
    }

    /// A client with the unrestricted, global key manager.
    pub(crate) fn as_key_manager(&self) -> Client {
        self.with_key(BOOTSTRAP)
    }

    /// A client with this API key.
    pub(crate) fn with_key(&self, value: &str) -> Client {
        self.anonymous().with_header("Authorization", value)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let running = match self.running.get_mut() {
            Ok(running) => running.take(),
            Err(poisoned) => poisoned.into_inner().take(),
        };
        if let Some(running) = running {
            running.stop();
        }
    }
}

impl Running {
    fn stop(self) {
        let _gone = self.stop.send(());
        let ended = self.thread.join();
        // A second panic while a test unwinds would hide the first.
        if !thread::panicking() {
            ended.unwrap().unwrap();
        }
    }
}

/// An API key that was made on the command line.
pub(crate) struct CommandLineKey {
    pub(crate) id: String,
    pub(crate) value: String,
}

/// What opens the secrets in the database of a server that is stopped.
pub(crate) fn sealer(store: &Store) -> Sealer {
    let data_keys = store.read::<_, StorageError>(|tx| Ok(tx.data_keys()?)).unwrap();
    Sealer::open(&master_key(), &data_keys).unwrap()
}

fn master_key() -> MasterKey {
    MasterKey::from_bytes(SecretBytes::from((1..=32).collect::<Vec<u8>>())).unwrap()
}
