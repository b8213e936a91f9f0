//! The table of settings: the one definition from which flags, environment variables, keys of the configuration file,
//! `check-config` and the documentation are made.

/// What the names of environment variables start with.
pub(crate) const PREFIX: &str = "CLAVIGER_";

/// The environment variable that names the configuration file, as `--config` does.
pub(crate) const CONFIG_VARIABLE: &str = "CLAVIGER_CONFIG";

/// One setting.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Setting {
    /// The name in capitals, without the prefix of the environment.
    pub(crate) name: &'static str,
    /// What is in force when nothing is set, for people.
    pub(crate) default: &'static str,
    /// What may be given, for people.
    pub(crate) value: &'static str,
    /// What it does.
    pub(crate) description: &'static str,
    /// Whether the value is never shown. Such a setting has no flag: the list of processes shows flags to everybody.
    pub(crate) secret: bool,
}

impl Setting {
    /// The environment variable.
    pub(crate) fn variable(&self) -> String {
        format!("{PREFIX}{}", self.name)
    }

    /// The flag without its dashes; also the id of the argument. `None` for a secret.
    pub(crate) fn flag(&self) -> Option<String> {
        (!self.secret).then(|| self.name.to_ascii_lowercase().replace('_', "-"))
    }

    /// The key in the configuration file.
    pub(crate) fn key(&self) -> String {
        self.name.to_ascii_lowercase()
    }
}

macro_rules! settings {
    ($($name:ident $kind:ident = $default:literal, $value:literal, $description:literal;)*) => {
        $(
            #[doc = $description]
            pub(crate) static $name: Setting = Setting {
                name: stringify!($name),
                default: $default,
                value: $value,
                description: $description,
                secret: settings!(@$kind),
            };
        )*

        /// Every setting, in the order in which they are shown.
        pub(crate) static SETTINGS: &[&Setting] = &[$(&$name),*];
    };
    (@plain) => { false };
    (@secret) => { true };
}

settings! {
    HTTP_ADDR plain = "`127.0.0.1:9011`", "`IP:PORT` or `unix:/path`",
        "Where the server listens. Port 0 takes a free port, which the log names.";
    DATA_DIR plain = "`./claviger-data`", "a directory",
        "Where the SQLite database and a generated master key lie. Made with mode 0700 when it is missing.";
    DATABASE_URL plain = "`sqlite:<DATA_DIR>/claviger.db`", "`sqlite:PATH`, `postgres://…` or `postgresql://…`",
        "The database. A URL with a password belongs into the environment or the file: flags can be seen by others.";
    DATABASE_POOL_SIZE plain = "`8`", "1 to 100",
        "Connections to the database that are open at most; on SQLite those that read.";
    MIGRATE plain = "`auto`", "`auto` or `off`",
        "Whether `serve` runs migrations that are due. With `off` it does not start while some are.";
    MASTER_KEY secret = "with SQLite the content of `<DATA_DIR>/master.key`", "32 bytes in base64",
        "Seals the secrets in the database. Required with PostgreSQL. `claviger master-key generate` makes one.";
    MASTER_KEY_FILE plain = "none", "a file",
        "A file that holds the master key. Not together with `MASTER_KEY`.";
    BOOTSTRAP_API_KEY secret = "none", "16 to 1024 bytes",
        "The value of the first key manager. Used only while the instance has no API keys.";
    BOOTSTRAP_API_KEY_FILE plain = "none", "a file",
        "A file that holds the value of the first key manager. Not together with `BOOTSTRAP_API_KEY`.";
    KICKSTART_FILE plain = "none", "a file",
        "A Kickstart file: API keys and requests with which an empty database begins, all of it or nothing. On a database that is in use it is not read. Not together with `BOOTSTRAP_API_KEY` or its file.";
    API_KEY_PREFIX plain = "`clv_`", "up to 32 of `A-Z a-z 0-9 _ -`",
        "What generated API keys start with, so that scanners recognise a leaked one. A presented value that starts so and has the form of a generated key, but a wrong checksum, is refused without a look-up.";
    API_KEY_IN_QUERY plain = "`false`", "`true` or `false`",
        "Whether an API key may come in the parameter `apiKey` of the query string, as clients of Managed Fusion send it. Addresses end up in the logs of proxies, in histories and in `Referer`: only for clients that know no other way.";
    FUSION_ADMIN_KEYS plain = "`true`", "`true` or `false`",
        "Whether a caller in Fusion's dialect who may do everything can make further keys that may, such as those with the role `admin`. They manage API keys, which FusionAuth's API never makes.";
    TRUSTED_PROXIES plain = "none", "addresses, networks such as `10.0.0.0/8` and `unix`, joined by commas",
        "The proxies and gateways whose `X-Forwarded-For` is believed, and at `/forward-auth` what they say of the original request; `unix` stands for one that connects over the Unix socket. The client is the first address from the right of that header that is none of them. From all others the header is not read.";
    PUBLIC_URL plain = "what each request says", "`http://` or `https://` with a host, and maybe a port and a path",
        "Where clients reach the server: the base of the addresses in `/.well-known/openid-configuration`, which may be cached then. While it is not set, they are made of the header `Host` of the request, or of `X-Forwarded-Proto` and `X-Forwarded-Host` of a trusted proxy.";
    UPSTREAM_TOKEN_AUDIENCE plain = "none", "1 to 255 characters",
        "The claim `aud` of the tokens that `/forward-auth` makes for upstreams, which they compare. While it is not set, gateways that ask for such tokens get 503.";
    UPSTREAM_TOKEN_LIFETIME_SECONDS plain = "`60`", "5 to 3600",
        "How long a token for upstreams lasts. It cannot be taken back, so that an upstream may accept a deleted key for as long.";
    ENTITY_TOKEN_AUDIENCE plain = "none", "a UUID",
        "The entity that stands for the API behind gateways. `/forward-auth`, `/ext-authz` and `/api/authorize` then take access tokens of entities that name it in `aud`, and go by their permissions on it. While it is not set, such tokens are no credential.";
    LEASE_MILLISECONDS plain = "`2000`", "500 to 10000",
        "How long a node on PostgreSQL may decide from memory after it has begun to read the changes of the others. A node that stands still or dies delays the next change that takes something away by as long; a database that is away longer stops decisions. It means nothing on SQLite.";
    WITHOUT_LEASE plain = "`ask`", "`ask` or `refuse`",
        "What becomes of a request that needs a decision while the lease has ended: with `ask` it waits, for a second at most, until the database has told what has changed, with `refuse` it gets 503 at once, as it also does while the database is away.";
    HTTP_WORKERS plain = "the number of cores", "1 to 256",
        "Threads that accept and parse requests.";
    SHUTDOWN_GRACE_SECONDS plain = "`10`", "0 to 600",
        "How long running requests may take to finish after `SIGTERM` or `SIGINT`.";
    LOCAL_METRICS_ENABLED plain = "`false`", "`true` or `false`",
        "Whether callers on a loopback address see the full `/api/status` and the metrics without an API key; never when the request shows that it passed a proxy. Not for machines where a proxy runs: not every one shows itself.";
    RSA_STOCK_KEYS plain = "`8`", "0 to 64",
        "RSA keys of each length that are generated ahead in idle time, so that nobody waits seconds for one. With 0 none are.";
    RSA_STOCK_KIB plain = "`64`", "0 to 1024",
        "Memory in KiB that the RSA keys generated ahead may take. A key takes 1 to 2.4 KiB.";
    LOG_FORMAT plain = "`text` on a terminal, else `json`", "`text` or `json`",
        "The form of the log on standard error.";
    LOG_ONE_IN plain = "`0`", "0 to 1000000",
        "Of how many requests that were let through and change nothing the log shows one at `info`, for each worker; with 0 none. A line takes as long as a check, so that 1 halves the speed. Refusals, changes and faults are logged in any case.";
    LOG plain = "`info`, of the HTTP library `warn`", "`LEVEL` or `TARGET=LEVEL`, joined by commas",
        "What is logged. Levels are `error`, `warn`, `info`, `debug`, `trace` and `off`.";
}

/// Settings that are planned: naming one is refused like an unknown name, but in clearer words.
const PLANNED: [&str; 2] = ["TLS_CERT_FILE", "TLS_KEY_FILE"];

/// Whether this name, in capitals, is a setting of a later version.
pub(crate) fn is_planned(name: &str) -> bool {
    PLANNED.contains(&name)
}

/// Whether this name, without the prefix, belongs to the tests and tools of the project.
pub(crate) fn is_foreign(name: &str) -> bool {
    name.starts_with("TEST_")
        || ["REQUIRE_POSTGRES", "SKIPPED_FILE", "VENDORED"].contains(&name)
        || (cfg!(feature = "sabotage") && name == "SABOTAGE")
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn names_are_unique_and_never_planned_or_foreign() {
        let mut seen = HashSet::new();
        for setting in SETTINGS {
            assert!(seen.insert(setting.name), "{}", setting.name);
            assert!(!is_planned(setting.name) && !is_foreign(setting.name), "{}", setting.name);
            assert!(setting.name.chars().all(|c| c.is_ascii_uppercase() || c == '_'), "{}", setting.name);
            assert!(setting.description.ends_with('.'), "{}", setting.name);
            assert!(!setting.description.contains('|') && !setting.value.contains('|'), "{}", setting.name);
        }
    }

    #[test]
    fn one_name_makes_three() {
        assert_eq!(HTTP_ADDR.variable(), "CLAVIGER_HTTP_ADDR");
        assert_eq!(HTTP_ADDR.flag().as_deref(), Some("http-addr"));
        assert_eq!(HTTP_ADDR.key(), "http_addr");
        assert_eq!(MASTER_KEY.flag(), None);
        assert_eq!(MASTER_KEY_FILE.flag().as_deref(), Some("master-key-file"));
    }
}
