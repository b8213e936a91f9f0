//! The configuration: every setting read into one typed struct, with all problems reported at once.

use std::ffi::OsString;
use std::fmt;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use claviger_crypto::{ApiKeyFormat, CryptoError, MasterKey};
use claviger_domain::{EntityId, SecretText};
use claviger_http::{ListenAddress, PublicUrl, RsaStockSize, TrustedProxies, WithoutLease};
use claviger_storage::{
    DEFAULT_CONNECTION_TIMEOUT, DEFAULT_LEASE, DEFAULT_POOL_SIZE, DatabaseUrl, LONGEST_LEASE, SHORTEST_LEASE,
    StoreOptions,
};
use tracing_subscriber::filter::{LevelFilter, Targets};

use crate::settings::{self, Setting};
use crate::sources::{Flags, Given, Source, Sources};

const DEFAULT_ADDRESS: ([u8; 4], u16) = ([127, 0, 0, 1], 9011);
const DEFAULT_DATA_DIRECTORY: &str = "./claviger-data";
const DATABASE_FILE: &str = "claviger.db";
const MASTER_KEY_FILE: &str = "master.key";
const DEFAULT_API_KEY_PREFIX: &str = "clv_";
const DEFAULT_SHUTDOWN_GRACE: u64 = 10;
const DEFAULT_UPSTREAM_TOKEN_LIFETIME: u64 = 60;
const LONGEST_AUDIENCE: usize = 255;
const DEFAULT_RSA_STOCK_KEYS: usize = 8;
const DEFAULT_RSA_STOCK_KIB: usize = 64;
/// Larger files hold no secret of ours; the bound keeps a wrong path from filling the memory.
const LARGEST_SECRET_FILE: u64 = 64 * 1024;

/// What a command needs of the configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Everything: the master key must be known, and files with secrets are read.
    Instance,
    /// No secrets: files with them need not be readable.
    WithoutSecrets,
}

/// What the process finds around it.
pub(crate) struct Surroundings {
    /// The environment variables.
    pub(crate) environment: Vec<(OsString, OsString)>,
    /// Whether standard error is a terminal, so that a person reads the log.
    pub(crate) terminal: bool,
    /// The cores of the machine.
    pub(crate) cores: usize,
}

impl Surroundings {
    /// Colours are for terminals, and `NO_COLOR` with any value switches them off (no-color.org).
    fn log_colors(&self) -> bool {
        let refused = |(name, value): &(OsString, OsString)| name == "NO_COLOR" && !value.is_empty();
        self.terminal && !self.environment.iter().any(refused)
    }
}

/// Where the master key comes from.
pub(crate) enum MasterKeySource {
    /// It was configured.
    Given(MasterKey),
    /// This file in the data directory, which may have to be made first; with SQLite only.
    DataDirectory(PathBuf),
    /// It is not needed here and was not looked at.
    NotRead,
}

/// The form of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LogFormat {
    /// Lines for people.
    Text,
    /// One JSON object per line.
    Json,
}

/// One line of the effective configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Effective {
    name: &'static str,
    value: String,
    source: Source,
}

impl fmt::Display for Effective {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} = {} ({})", self.name, self.value, self.source)
    }
}

/// The whole configuration. `Debug` and `Display` show the effective values with secrets masked.
pub(crate) struct Config {
    pub(crate) http_addr: ListenAddress,
    pub(crate) data_dir: PathBuf,
    pub(crate) store: StoreOptions,
    pub(crate) migrate: bool,
    pub(crate) master_key: MasterKeySource,
    pub(crate) bootstrap_api_key: Option<SecretText>,
    /// With what an empty database begins; read only then.
    pub(crate) kickstart_file: Option<PathBuf>,
    pub(crate) api_key_prefix: String,
    pub(crate) api_key_in_query: bool,
    pub(crate) fusion_admin_keys: bool,
    pub(crate) trusted_proxies: TrustedProxies,
    /// Where clients reach the server; without one what each request says.
    pub(crate) public_url: Option<PublicUrl>,
    /// The claim `aud` of tokens for upstreams; without one none are made.
    pub(crate) upstream_token_audience: Option<String>,
    pub(crate) upstream_token_lifetime: Duration,
    /// The entity that stands for the API behind gateways; without one they take no tokens of entities.
    pub(crate) entity_token_audience: Option<EntityId>,
    /// How long this node may decide from memory after it has read the changes.
    pub(crate) lease: Duration,
    pub(crate) without_lease: WithoutLease,
    pub(crate) http_workers: usize,
    pub(crate) shutdown_grace: Duration,
    pub(crate) local_metrics_enabled: bool,
    /// RSA keys that are generated ahead.
    pub(crate) rsa_stock: RsaStockSize,
    pub(crate) log_format: LogFormat,
    /// Of how many requests that change nothing the log shows one; 0 for none.
    pub(crate) log_one_in: u32,
    pub(crate) log: Targets,
    /// Whether the text form of the log may have colours.
    pub(crate) log_colors: bool,
    /// A configuration file that holds a secret, whose permissions are worth a look.
    pub(crate) file_with_secret: Option<PathBuf>,
    effective: Vec<Effective>,
}

impl fmt::Display for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.effective.iter().try_for_each(|line| writeln!(f, "{line}"))
    }
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.effective.iter().map(ToString::to_string)).finish()
    }
}

/// Everything that is wrong with a configuration. Never holds a secret.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Problems(Vec<String>);

impl Problems {
    /// Adds what is wrong at a place.
    pub(crate) fn add(&mut self, place: &dyn fmt::Display, what: impl fmt::Display) {
        self.0.push(format!("{place}: {what}"));
    }

    /// Adds the problems of another list.
    pub(crate) fn extend(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    /// Whether nothing is wrong.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plural = if self.0.len() == 1 { "" } else { "s" };
        write!(f, "the configuration has {} problem{plural}:", self.0.len())?;
        self.0.iter().try_for_each(|problem| write!(f, "\n  {problem}"))
    }
}

impl Config {
    /// Reads the configuration from flags, environment and file.
    ///
    /// # Errors
    /// Everything that is wrong, in one list.
    pub(crate) fn read(
        flags: &Flags,
        surroundings: &Surroundings,
        purpose: Purpose,
    ) -> Result<Self, Problems> {
        let mut problems = Problems::default();
        let sources = Sources::read(flags, &surroundings.environment, &mut problems);
        let mut reader = Reader { sources, problems, effective: Vec::new(), purpose };
        let config = reader.config(surroundings);
        if reader.problems.is_empty() { Ok(config) } else { Err(reader.problems) }
    }
}

/// Takes one setting after the other. What cannot be read is a problem, and its default stands in for it meanwhile.
struct Reader {
    sources: Sources,
    problems: Problems,
    effective: Vec<Effective>,
    purpose: Purpose,
}

impl Reader {
    fn config(&mut self, surroundings: &Surroundings) -> Config {
        let http_addr = self.parsed(
            &settings::HTTP_ADDR,
            ListenAddress::Tcp(DEFAULT_ADDRESS.into()),
            str::parse,
            |address| match address {
                ListenAddress::Tcp(address) => address.to_string(),
                unix @ ListenAddress::Unix(_) => unix.to_string(),
            },
        );
        let data_dir =
            self.parsed(&settings::DATA_DIR, DEFAULT_DATA_DIRECTORY.into(), path, |path| shown(path));
        let default_url = DatabaseUrl::Sqlite(data_dir.join(DATABASE_FILE));
        let url = self.parsed(&settings::DATABASE_URL, default_url, str::parse, ToString::to_string);
        let pool_size = self.parsed(
            &settings::DATABASE_POOL_SIZE,
            DEFAULT_POOL_SIZE,
            |text| number(text, 1, 100),
            ToString::to_string,
        );
        let migrate = self.parsed(
            &settings::MIGRATE,
            true,
            |text| choice(text, [("auto", true), ("off", false)]),
            |auto| if *auto { "auto" } else { "off" }.to_owned(),
        );
        let master_key = self.master_key(&url, &data_dir);
        let (bootstrap_api_key, bootstrap_given) =
            self.secret(&settings::BOOTSTRAP_API_KEY, &settings::BOOTSTRAP_API_KEY_FILE, None);
        let kickstart_file = self.parsed(
            &settings::KICKSTART_FILE,
            None,
            |text| path(text).map(Some),
            |file| file.as_deref().map_or_else(|| "unset".to_owned(), shown),
        );
        if bootstrap_given && kickstart_file.is_some() {
            self.problems.add(
                &settings::KICKSTART_FILE.name,
                "cannot stand together with BOOTSTRAP_API_KEY or BOOTSTRAP_API_KEY_FILE: a Kickstart file has its \
                 own API keys",
            );
        }
        let api_key_prefix = self.parsed(
            &settings::API_KEY_PREFIX,
            DEFAULT_API_KEY_PREFIX.to_owned(),
            |text| match ApiKeyFormat::new(text) {
                Ok(_) => Ok(text.to_owned()),
                Err(_) => Err("must have up to 32 of the characters A-Z a-z 0-9 _ -"),
            },
            Clone::clone,
        );
        let api_key_in_query = self.parsed(
            &settings::API_KEY_IN_QUERY,
            false,
            |text| choice(text, [("true", true), ("false", false)]),
            ToString::to_string,
        );
        let trusted_proxies = self.parsed(
            &settings::TRUSTED_PROXIES,
            TrustedProxies::default(),
            str::parse,
            ToString::to_string,
        );
        let public_url = self.parsed(
            &settings::PUBLIC_URL,
            None,
            |text| text.parse().map(Some),
            |url: &Option<PublicUrl>| url.as_ref().map_or_else(|| "unset".to_owned(), ToString::to_string),
        );
        let upstream_token_audience =
            self.parsed(&settings::UPSTREAM_TOKEN_AUDIENCE, None, audience, |audience| {
                audience.clone().unwrap_or_else(|| "unset".to_owned())
            });
        let upstream_token_lifetime = self.parsed(
            &settings::UPSTREAM_TOKEN_LIFETIME_SECONDS,
            DEFAULT_UPSTREAM_TOKEN_LIFETIME,
            |text| number(text, 5, 3600),
            ToString::to_string,
        );
        let entity_token_audience = self.parsed(
            &settings::ENTITY_TOKEN_AUDIENCE,
            None,
            |text| text.parse().map(Some).map_err(|_| "must be the id of an entity, a UUID with hyphens"),
            |audience| audience.map_or_else(|| "unset".to_owned(), |id: EntityId| id.to_string()),
        );
        let lease = self.parsed(
            &settings::LEASE_MILLISECONDS,
            milliseconds(DEFAULT_LEASE),
            |text| number(text, milliseconds(SHORTEST_LEASE), milliseconds(LONGEST_LEASE)),
            ToString::to_string,
        );
        let without_lease = self.parsed(
            &settings::WITHOUT_LEASE,
            WithoutLease::Ask,
            |text| choice(text, [("ask", WithoutLease::Ask), ("refuse", WithoutLease::Refuse)]),
            |without| if *without == WithoutLease::Ask { "ask" } else { "refuse" }.to_owned(),
        );
        let http_workers = self.parsed(
            &settings::HTTP_WORKERS,
            surroundings.cores.clamp(1, 256),
            |text| number(text, 1, 256),
            ToString::to_string,
        );
        let shutdown_grace = self.parsed(
            &settings::SHUTDOWN_GRACE_SECONDS,
            DEFAULT_SHUTDOWN_GRACE,
            |text| number(text, 0, 600),
            ToString::to_string,
        );
        let fusion_admin_keys = self.parsed(
            &settings::FUSION_ADMIN_KEYS,
            true,
            |text| choice(text, [("true", true), ("false", false)]),
            ToString::to_string,
        );
        let local_metrics_enabled = self.parsed(
            &settings::LOCAL_METRICS_ENABLED,
            false,
            |text| choice(text, [("true", true), ("false", false)]),
            ToString::to_string,
        );
        let rsa_stock_keys = self.parsed(
            &settings::RSA_STOCK_KEYS,
            DEFAULT_RSA_STOCK_KEYS,
            |text| number(text, 0, 64),
            ToString::to_string,
        );
        let rsa_stock_kib = self.parsed(
            &settings::RSA_STOCK_KIB,
            DEFAULT_RSA_STOCK_KIB,
            |text| number(text, 0, 1024),
            ToString::to_string,
        );
        let log_format = self.parsed(
            &settings::LOG_FORMAT,
            if surroundings.terminal { LogFormat::Text } else { LogFormat::Json },
            |text| choice(text, [("text", LogFormat::Text), ("json", LogFormat::Json)]),
            |format| if *format == LogFormat::Text { "text" } else { "json" }.to_owned(),
        );
        let log_one_in =
            self.parsed(&settings::LOG_ONE_IN, 0, |text| number(text, 0, 1_000_000), ToString::to_string);
        let log = self.parsed(&settings::LOG, default_log(), log_targets, ToString::to_string);
        Config {
            http_addr,
            data_dir,
            store: StoreOptions {
                url,
                pool_size,
                connection_timeout: DEFAULT_CONNECTION_TIMEOUT,
                // Nobody is to wait longer for what a frozen node had begun than for its lease.
                idle_in_transaction: Duration::from_millis(lease),
            },
            migrate,
            master_key,
            bootstrap_api_key,
            kickstart_file,
            api_key_prefix,
            api_key_in_query,
            fusion_admin_keys,
            trusted_proxies,
            public_url,
            upstream_token_audience,
            upstream_token_lifetime: Duration::from_secs(upstream_token_lifetime),
            entity_token_audience,
            lease: Duration::from_millis(lease),
            without_lease,
            http_workers,
            shutdown_grace: Duration::from_secs(shutdown_grace),
            local_metrics_enabled,
            rsa_stock: RsaStockSize { keys: rsa_stock_keys, bytes: rsa_stock_kib * 1024 },
            log_format,
            log_one_in,
            log,
            log_colors: surroundings.log_colors(),
            file_with_secret: self.sources.file_with_secret.take(),
            effective: std::mem::take(&mut self.effective),
        }
    }

    fn parsed<T, E: fmt::Display>(
        &mut self,
        setting: &'static Setting,
        default: T,
        parse: impl FnOnce(&str) -> Result<T, E>,
        show: impl FnOnce(&T) -> String,
    ) -> T {
        let (value, source) = match self.sources.take(setting) {
            None => (default, Source::Default),
            Some(given) => match parse(given.text.expose()) {
                Ok(value) => (value, given.source),
                Err(why) => {
                    // Not even a part of a URL is repeated: it can hold a password.
                    if setting == &settings::DATABASE_URL {
                        self.problems.add(&given.place, why);
                    } else {
                        self.problems.add(&given.place, format!("{:?}: {why}", given.text.expose()));
                    }
                    (default, Source::Default)
                }
            },
        };
        self.effective.push(Effective { name: setting.name, value: show(&value), source });
        value
    }

    /// A secret that is given itself or as a file. Also says whether it was given at all, read or not.
    fn secret(
        &mut self,
        own: &'static Setting,
        file: &'static Setting,
        default_file: Option<&Path>,
    ) -> (Option<SecretText>, bool) {
        let (own_given, file_given) = (self.sources.take(own), self.sources.take(file));
        let source = |given: &Option<Given>| given.as_ref().map_or(Source::Default, |given| given.source);
        let own_value = if own_given.is_some() { "***" } else { "unset" };
        let file_value = file_given
            .as_ref()
            .map(|given| given.text.expose().to_owned())
            .or_else(|| default_file.filter(|_| own_given.is_none()).map(shown))
            .unwrap_or_else(|| "unset".to_owned());
        self.effective.push(Effective {
            name: own.name,
            value: own_value.to_owned(),
            source: source(&own_given),
        });
        self.effective.push(Effective { name: file.name, value: file_value, source: source(&file_given) });
        match (own_given, file_given) {
            (Some(own), Some(file)) => {
                self.problems.add(&own.place, format!("cannot stand together with {}", file.place));
                (None, true)
            }
            (Some(own), None) => (Some(own.text), true),
            (None, Some(_)) if self.purpose == Purpose::WithoutSecrets => (None, true),
            (None, Some(file)) => match read_secret(Path::new(file.text.expose())) {
                Ok(secret) => (Some(secret), true),
                Err(why) => {
                    self.problems.add(&file.place, format!("{:?}: {why}", file.text.expose()));
                    (None, true)
                }
            },
            (None, None) => (None, false),
        }
    }

    fn master_key(&mut self, url: &DatabaseUrl, data_dir: &Path) -> MasterKeySource {
        let generated = match url {
            DatabaseUrl::Sqlite(_) => Some(data_dir.join(MASTER_KEY_FILE)),
            DatabaseUrl::Postgres(_) => None,
        };
        let (secret, given) =
            self.secret(&settings::MASTER_KEY, &settings::MASTER_KEY_FILE, generated.as_deref());
        match (secret, generated) {
            (Some(text), _) => match MasterKey::from_base64(text.expose()) {
                Ok(key) => return MasterKeySource::Given(key),
                Err(error) => self.problems.add(&"master key", weakness(&error)),
            },
            (None, Some(path)) if !given => return MasterKeySource::DataDirectory(path),
            (None, None) if !given && self.purpose == Purpose::Instance => self.problems.add(
                &"master key",
                "PostgreSQL needs one: set CLAVIGER_MASTER_KEY or CLAVIGER_MASTER_KEY_FILE to what \
                 `claviger master-key generate` prints, and keep it",
            ),
            (None, _) => {}
        }
        MasterKeySource::NotRead
    }
}

/// What is wrong with a text that should be a master key.
pub(crate) fn weakness(error: &CryptoError) -> &'static str {
    match error {
        CryptoError::TooWeak => "is too weak: all its bytes are equal",
        _ => "is not 32 bytes in standard base64 with padding",
    }
}

/// The secret in a file, without the newline at its end.
fn read_secret(path: &Path) -> Result<SecretText, String> {
    let mut text = String::new();
    let read = File::open(path).and_then(|file| file.take(LARGEST_SECRET_FILE + 1).read_to_string(&mut text));
    let text = SecretText::from(text);
    match read {
        Err(error) => Err(format!("cannot be read: {error}")),
        Ok(_) if text.expose().len() as u64 > LARGEST_SECRET_FILE => Err("has more than 64 KiB".to_owned()),
        Ok(_) => match text.expose().trim_end_matches(['\r', '\n']) {
            "" => Err("is empty".to_owned()),
            trimmed => Ok(SecretText::from(trimmed.to_owned())),
        },
    }
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}

fn path(text: &str) -> Result<PathBuf, &'static str> {
    if text.is_empty() { Err("must be a path") } else { Ok(text.into()) }
}

fn audience(text: &str) -> Result<Option<String>, String> {
    let fits = (1..=LONGEST_AUDIENCE).contains(&text.chars().count()) && text.trim() == text;
    if fits && !text.chars().any(char::is_control) {
        Ok(Some(text.to_owned()))
    } else {
        Err(format!(
            "must have 1 to {LONGEST_AUDIENCE} characters, no control characters, and no white space at its ends"
        ))
    }
}

fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

fn number<T: FromStr + PartialOrd + fmt::Display>(text: &str, least: T, most: T) -> Result<T, String> {
    match text.parse::<T>() {
        Ok(value) if least <= value && value <= most => Ok(value),
        _ => Err(format!("must be a whole number from {least} to {most}")),
    }
}

fn choice<T: Copy>(text: &str, [first, second]: [(&str, T); 2]) -> Result<T, String> {
    match [first, second].into_iter().find(|(name, _)| *name == text) {
        Some((_, value)) => Ok(value),
        None => Err(format!("must be {} or {}", first.0, second.0)),
    }
}

/// Everything from `info` on; of the library that accepts connections only what is wrong.
fn default_log() -> Targets {
    let levels = Targets::new().with_default(LevelFilter::INFO);
    claviger_http::CHATTY_TARGETS
        .iter()
        .fold(levels, |levels, target| levels.with_target(*target, LevelFilter::WARN))
}

/// `Targets` takes a word that is no level for the name of a target, and so a misspelt level for silence.
fn log_targets(text: &str) -> Result<Targets, &'static str> {
    // An empty level would mean `error`.
    let level = |text: &str| !text.is_empty() && text.parse::<LevelFilter>().is_ok();
    let known = |part: &str| match part.split_once('=') {
        Some((target, own)) => !target.is_empty() && !target.contains(char::is_whitespace) && level(own),
        None => level(part),
    };
    if !text.split(',').all(known) {
        return Err(
            "must be a level (error, warn, info, debug, trace, off) or target=level, joined by commas",
        );
    }
    text.parse().map_err(|_| "is not understood")
}

#[cfg(test)]
mod tests;
