//! Tests of the configuration: environments and files against what is read or refused.

use std::os::unix::ffi::OsStringExt;

use super::*;
use crate::settings::SETTINGS;

const KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
const ZEROS: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";

fn surroundings(environment: &[(&str, &str)]) -> Surroundings {
    Surroundings {
        environment: environment.iter().map(|(name, value)| (name.into(), value.into())).collect(),
        terminal: false,
        cores: 3,
    }
}

fn flags(values: &[(&'static Setting, &str)]) -> Flags {
    Flags {
        config: None,
        values: values.iter().map(|(setting, value)| (*setting, (*value).to_owned())).collect(),
    }
}

fn read(environment: &[(&str, &str)]) -> Result<Config, Problems> {
    Config::read(&Flags::default(), &surroundings(environment), Purpose::Instance)
}

/// The effective configuration has these lines.
#[track_caller]
fn shows(config: &Config, lines: &[&str]) {
    let text = config.to_string();
    for line in lines {
        assert!(text.lines().any(|shown| shown == *line), "no line {line:?} in\n{text}");
    }
}

/// Each of the environment's problems, in any order, starts with one of these texts.
#[track_caller]
fn refused(environment: &[(&str, &str)], expected: &[&str]) {
    let problems = read(environment).err().unwrap();
    assert_eq!(problems.0.len(), expected.len(), "{problems}");
    for start in expected {
        assert!(problems.0.iter().any(|problem| problem.starts_with(start)), "no {start:?} in {problems}");
    }
}

#[test]
fn defaults_need_nothing() {
    let config = read(&[]).unwrap();
    let [chatty] = claviger_http::CHATTY_TARGETS;
    let log = format!("LOG = {chatty}=warn,info (default)");
    shows(
        &config,
        &[
            "HTTP_ADDR = 127.0.0.1:9011 (default)",
            "DATA_DIR = ./claviger-data (default)",
            "DATABASE_URL = sqlite:./claviger-data/claviger.db (default)",
            "DATABASE_POOL_SIZE = 8 (default)",
            "MIGRATE = auto (default)",
            "MASTER_KEY = unset (default)",
            "MASTER_KEY_FILE = ./claviger-data/master.key (default)",
            "BOOTSTRAP_API_KEY = unset (default)",
            "BOOTSTRAP_API_KEY_FILE = unset (default)",
            "KICKSTART_FILE = unset (default)",
            "API_KEY_PREFIX = clv_ (default)",
            "API_KEY_IN_QUERY = false (default)",
            "FUSION_ADMIN_KEYS = true (default)",
            "TRUSTED_PROXIES = none (default)",
            "PUBLIC_URL = unset (default)",
            "UPSTREAM_TOKEN_AUDIENCE = unset (default)",
            "UPSTREAM_TOKEN_LIFETIME_SECONDS = 60 (default)",
            "ENTITY_TOKEN_AUDIENCE = unset (default)",
            "LEASE_MILLISECONDS = 2000 (default)",
            "WITHOUT_LEASE = ask (default)",
            "HTTP_WORKERS = 3 (default)",
            "SHUTDOWN_GRACE_SECONDS = 10 (default)",
            "LOCAL_METRICS_ENABLED = false (default)",
            "LOG_FORMAT = json (default)",
            "LOG_ONE_IN = 0 (default)",
            &log,
        ],
    );
    assert_eq!(config.to_string().lines().count(), SETTINGS.len());
    assert!(
        matches!(config.master_key, MasterKeySource::DataDirectory(path) if path.ends_with("master.key"))
    );
}

#[test]
fn every_setting_is_read() {
    let config = read(&[
        ("CLAVIGER_HTTP_ADDR", "unix:/run/claviger.sock"),
        ("CLAVIGER_DATA_DIR", "/var/lib/claviger"),
        ("CLAVIGER_DATABASE_URL", "postgres://me:s3cret@db/claviger"),
        ("CLAVIGER_DATABASE_POOL_SIZE", "100"),
        ("CLAVIGER_MIGRATE", "off"),
        ("CLAVIGER_MASTER_KEY", KEY),
        ("CLAVIGER_BOOTSTRAP_API_KEY", "this-really-should-be-secret"),
        ("CLAVIGER_API_KEY_PREFIX", "acme_"),
        ("CLAVIGER_API_KEY_IN_QUERY", "true"),
        ("CLAVIGER_FUSION_ADMIN_KEYS", "false"),
        ("CLAVIGER_TRUSTED_PROXIES", "10.0.0.0/8, ::ffff:192.0.2.1 ,unix"),
        ("CLAVIGER_UPSTREAM_TOKEN_AUDIENCE", "https://orders.example/a b"),
        ("CLAVIGER_UPSTREAM_TOKEN_LIFETIME_SECONDS", "3600"),
        ("CLAVIGER_ENTITY_TOKEN_AUDIENCE", "780E1D5B-ee3b-43b2-aec8-db99b99adc4e"),
        ("CLAVIGER_LEASE_MILLISECONDS", "500"),
        ("CLAVIGER_WITHOUT_LEASE", "refuse"),
        ("CLAVIGER_HTTP_WORKERS", "1"),
        ("CLAVIGER_SHUTDOWN_GRACE_SECONDS", "0"),
        ("CLAVIGER_LOCAL_METRICS_ENABLED", "true"),
        ("CLAVIGER_LOG_FORMAT", "text"),
        ("CLAVIGER_LOG_ONE_IN", "1000000"),
        ("CLAVIGER_LOG", "warn,claviger_http=debug"),
    ])
    .unwrap();
    assert_eq!(config.http_addr, ListenAddress::Unix("/run/claviger.sock".into()));
    assert_eq!(config.store.pool_size, 100);
    assert!(!config.migrate && config.local_metrics_enabled && config.api_key_in_query);
    assert!(!config.fusion_admin_keys);
    assert_eq!(config.trusted_proxies, "10.0.0.0/8,192.0.2.1,unix".parse().unwrap());
    assert!(matches!(&config.master_key, MasterKeySource::Given(key) if key.to_base64().expose() == KEY));
    let bootstrap = config.bootstrap_api_key.as_ref().map(SecretText::expose);
    assert_eq!(bootstrap, Some("this-really-should-be-secret"));
    assert_eq!(config.upstream_token_audience.as_deref(), Some("https://orders.example/a b"));
    assert_eq!(config.upstream_token_lifetime, Duration::from_secs(3600));
    assert_eq!((config.lease.as_millis(), config.without_lease), (500, WithoutLease::Refuse));
    assert_eq!(config.log_one_in, 1_000_000);
    let audience = config.entity_token_audience.map(|id| id.to_string());
    assert_eq!(audience.as_deref(), Some("780e1d5b-ee3b-43b2-aec8-db99b99adc4e"));
    assert_eq!((config.http_workers, config.shutdown_grace), (1, Duration::ZERO));
    assert_eq!(config.log_format, LogFormat::Text);
    shows(
        &config,
        &[
            "DATABASE_URL = postgres://me:***@db/claviger (environment)",
            "MASTER_KEY = *** (environment)",
            "MASTER_KEY_FILE = unset (default)",
            "BOOTSTRAP_API_KEY = *** (environment)",
            "API_KEY_PREFIX = acme_ (environment)",
            "TRUSTED_PROXIES = 10.0.0.0/8,192.0.2.1,unix (environment)",
        ],
    );
    for text in [config.to_string(), format!("{config:?}")] {
        for secret in ["s3cret", KEY, "this-really"] {
            assert!(!text.contains(secret), "{text}");
        }
    }
}

#[test]
fn flag_goes_before_environment_before_file_before_default() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("claviger.toml");
    std::fs::write(&file, "http_workers = 7\ndatabase_pool_size = 7\nlog = \"error\"\nmigrate = \"off\"\n")
        .unwrap();
    let file = file.to_str().unwrap();
    let environment = [
        ("CLAVIGER_CONFIG", file),
        ("CLAVIGER_DATABASE_POOL_SIZE", "6"),
        ("CLAVIGER_LOG", "warn"),
        ("CLAVIGER_MIGRATE", ""),
    ];
    let flags = flags(&[(&settings::LOG, "debug")]);
    let config = Config::read(&flags, &surroundings(&environment), Purpose::Instance).unwrap();
    shows(
        &config,
        &[
            "HTTP_WORKERS = 7 (file)",
            "DATABASE_POOL_SIZE = 6 (environment)",
            "LOG = debug (flag)",
            "MIGRATE = off (file)",
            "SHUTDOWN_GRACE_SECONDS = 10 (default)",
        ],
    );
    let other = directory.path().join("other.toml");
    std::fs::write(&other, "http_workers = \"9\"\nlocal_metrics_enabled = true").unwrap();
    let flags = Flags { config: Some(other), values: Vec::new() };
    let config = Config::read(&flags, &surroundings(&environment), Purpose::Instance).unwrap();
    shows(&config, &["HTTP_WORKERS = 9 (file)", "LOCAL_METRICS_ENABLED = true (file)"]);
}

#[test]
fn the_form_of_the_log_follows_the_terminal() {
    let mut person = surroundings(&[]);
    person.terminal = true;
    let config = Config::read(&Flags::default(), &person, Purpose::Instance).unwrap();
    assert!(config.log_format == LogFormat::Text && config.log_colors);
    person.environment.push(("NO_COLOR".into(), "1".into()));
    assert!(!Config::read(&Flags::default(), &person, Purpose::Instance).unwrap().log_colors);
    assert!(!read(&[]).unwrap().log_colors);
}

#[test]
fn names_that_nobody_knows_are_refused() {
    refused(
        &[
            ("CLAVIGER_HTTP_ADRR", "x"),
            ("CLAVIGER_TLS_CERT_FILE", "x"),
            ("CLAVIGER_http_addr", "x"),
            ("CLAVIGER_TEST_POSTGRES_URL", "x"),
            ("CLAVIGER_REQUIRE_POSTGRES", "1"),
            ("CLAVIGER_SKIPPED_FILE", "x"),
            ("CLAVIGER_VENDORED", "1"),
            ("CLAVIGER_EMPTY", ""),
            ("HTTP_ADRR", "x"),
        ],
        &[
            "CLAVIGER_HTTP_ADRR: there is no such setting",
            "CLAVIGER_TLS_CERT_FILE: not supported in this version",
            "CLAVIGER_http_addr: there is no such setting",
        ],
    );
}

#[test]
fn values_that_cannot_be_read_are_refused_all_at_once() {
    refused(
        &[
            ("CLAVIGER_HTTP_ADDR", "localhost"),
            ("CLAVIGER_DATABASE_URL", "mysql://me:s3cret@db"),
            ("CLAVIGER_DATABASE_POOL_SIZE", "0"),
            ("CLAVIGER_MIGRATE", "on"),
            ("CLAVIGER_API_KEY_PREFIX", "a b"),
            ("CLAVIGER_API_KEY_IN_QUERY", "1"),
            ("CLAVIGER_TRUSTED_PROXIES", "127.0.0.1,10.0.0.1/8"),
            ("CLAVIGER_UPSTREAM_TOKEN_AUDIENCE", " orders"),
            ("CLAVIGER_UPSTREAM_TOKEN_LIFETIME_SECONDS", "4"),
            ("CLAVIGER_ENTITY_TOKEN_AUDIENCE", "780e1d5bee3b43b2aec8db99b99adc4e"),
            ("CLAVIGER_LEASE_MILLISECONDS", "499"),
            ("CLAVIGER_WITHOUT_LEASE", "answer"),
            ("CLAVIGER_HTTP_WORKERS", "257"),
            ("CLAVIGER_SHUTDOWN_GRACE_SECONDS", "-1"),
            ("CLAVIGER_LOCAL_METRICS_ENABLED", "yes"),
            ("CLAVIGER_LOG_FORMAT", "xml"),
            ("CLAVIGER_LOG_ONE_IN", "1000001"),
            ("CLAVIGER_LOG", "inof"),
        ],
        &[
            "CLAVIGER_HTTP_ADDR: \"localhost\": must be an address",
            "CLAVIGER_DATABASE_URL: invalid database URL",
            "CLAVIGER_DATABASE_POOL_SIZE: \"0\": must be a whole number from 1 to 100",
            "CLAVIGER_MIGRATE: \"on\": must be auto or off",
            "CLAVIGER_API_KEY_PREFIX: \"a b\"",
            "CLAVIGER_API_KEY_IN_QUERY: \"1\": must be true or false",
            "CLAVIGER_TRUSTED_PROXIES: \"127.0.0.1,10.0.0.1/8\": the entry \"10.0.0.1/8\" has bits set beyond",
            "CLAVIGER_UPSTREAM_TOKEN_AUDIENCE: \" orders\": must have 1 to 255 characters",
            "CLAVIGER_UPSTREAM_TOKEN_LIFETIME_SECONDS: \"4\": must be a whole number from 5 to 3600",
            "CLAVIGER_ENTITY_TOKEN_AUDIENCE: \"780e1d5bee3b43b2aec8db99b99adc4e\": must be the id of an entity, a UUID",
            "CLAVIGER_LEASE_MILLISECONDS: \"499\": must be a whole number from 500 to 10000",
            "CLAVIGER_WITHOUT_LEASE: \"answer\": must be ask or refuse",
            "CLAVIGER_HTTP_WORKERS: \"257\"",
            "CLAVIGER_SHUTDOWN_GRACE_SECONDS: \"-1\"",
            "CLAVIGER_LOCAL_METRICS_ENABLED: \"yes\": must be true or false",
            "CLAVIGER_LOG_FORMAT: \"xml\": must be text or json",
            "CLAVIGER_LOG_ONE_IN: \"1000001\": must be a whole number from 0 to 1000000",
            "CLAVIGER_LOG: \"inof\": must be a level",
        ],
    );
    let long = "a".repeat(256);
    for bad in ["a\n", "a\tb", " ", &long] {
        refused(&[("CLAVIGER_UPSTREAM_TOKEN_AUDIENCE", bad)], &["CLAVIGER_UPSTREAM_TOKEN_AUDIENCE"]);
    }
    refused(
        &[("CLAVIGER_UPSTREAM_TOKEN_LIFETIME_SECONDS", "3601")],
        &["CLAVIGER_UPSTREAM_TOKEN_LIFETIME_SECONDS"],
    );
    for bad in ["info,", "=info", "a=b", "info debug"] {
        refused(&[("CLAVIGER_LOG", bad)], &["CLAVIGER_LOG"]);
    }
    let mut strange = surroundings(&[]);
    strange.environment.push(("CLAVIGER_LOG".into(), OsString::from_vec(vec![0xff])));
    let problems = Config::read(&Flags::default(), &strange, Purpose::Instance).err().unwrap();
    assert_eq!(problems.0, ["CLAVIGER_LOG: the value is not UTF-8"]);
}

#[test]
fn master_keys_that_cannot_be_used_are_refused() {
    let postgres = ("CLAVIGER_DATABASE_URL", "postgres://db/claviger");
    refused(&[postgres], &["master key: PostgreSQL needs one"]);
    refused(&[("CLAVIGER_MASTER_KEY", ZEROS)], &["master key: is too weak"]);
    refused(&[postgres, ("CLAVIGER_MASTER_KEY", "s3cret")], &["master key: is not 32 bytes"]);
    refused(
        &[("CLAVIGER_MASTER_KEY", KEY), ("CLAVIGER_MASTER_KEY_FILE", "f")],
        &["CLAVIGER_MASTER_KEY: cannot stand together with CLAVIGER_MASTER_KEY_FILE"],
    );
    refused(
        &[("CLAVIGER_BOOTSTRAP_API_KEY", "x"), ("CLAVIGER_BOOTSTRAP_API_KEY_FILE", "f")],
        &["CLAVIGER_BOOTSTRAP_API_KEY: cannot stand together"],
    );
    let contradictory =
        "KICKSTART_FILE: cannot stand together with BOOTSTRAP_API_KEY or BOOTSTRAP_API_KEY_FILE";
    let kickstart = ("CLAVIGER_KICKSTART_FILE", "f");
    refused(&[kickstart, ("CLAVIGER_BOOTSTRAP_API_KEY", "s3cret")], &[contradictory]);
    refused(
        &[kickstart, ("CLAVIGER_BOOTSTRAP_API_KEY_FILE", "absent")],
        &["CLAVIGER_BOOTSTRAP_API_KEY_FILE: \"absent\"", contradictory],
    );
    // Commands that open nothing sealed need no key.
    let without =
        Config::read(&Flags::default(), &surroundings(&[postgres]), Purpose::WithoutSecrets).unwrap();
    assert!(matches!(without.master_key, MasterKeySource::NotRead));
}

#[test]
fn secrets_come_from_files() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
    std::fs::write(path("key"), format!("{KEY}\n")).unwrap();
    std::fs::write(path("bootstrap"), "from a file, with spaces \r\n").unwrap();
    std::fs::write(path("empty"), "\n").unwrap();
    std::fs::write(path("large"), "s3cret".repeat(20_000)).unwrap();
    let config = read(&[
        ("CLAVIGER_MASTER_KEY_FILE", &path("key")),
        ("CLAVIGER_BOOTSTRAP_API_KEY_FILE", &path("bootstrap")),
    ])
    .unwrap();
    assert!(matches!(&config.master_key, MasterKeySource::Given(key) if key.to_base64().expose() == KEY));
    assert_eq!(config.bootstrap_api_key.as_ref().unwrap().expose(), "from a file, with spaces ");
    shows(&config, &[&format!("MASTER_KEY_FILE = {} (environment)", path("key"))]);
    for (name, why) in [("empty", "is empty"), ("large", "more than 64 KiB"), ("missing", "cannot be read")] {
        let problems = read(&[("CLAVIGER_MASTER_KEY_FILE", &path(name))]).err().unwrap().to_string();
        assert!(problems.contains(why) && !problems.contains("s3cret"), "{problems}");
    }
    let missing = [("CLAVIGER_MASTER_KEY_FILE", path("missing"))];
    let missing: Vec<_> = missing.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let config = Config::read(&Flags::default(), &surroundings(&missing), Purpose::WithoutSecrets).unwrap();
    assert!(matches!(config.master_key, MasterKeySource::NotRead));
}

#[track_caller]
fn file(text: &str) -> (Result<Config, Problems>, String) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("c.toml");
    std::fs::write(&path, text).unwrap();
    let flags = Flags { config: Some(path.clone()), values: Vec::new() };
    let read = Config::read(&flags, &surroundings(&[]), Purpose::Instance);
    (read, path.to_str().unwrap().to_owned())
}

#[test]
fn files_are_read_strictly() {
    let (problems, path) =
        file("http_adr = 1\ntls_cert_file = \"x\"\nHTTP_ADDR = \"x\"\nlog = []\n[data_dir]\n");
    let mut problems = problems.err().unwrap();
    problems.0.sort_unstable();
    let expected = [
        format!("{path}: HTTP_ADDR: there is no such setting"),
        format!("{path}: data_dir: must be a text, a whole number or true or false"),
        format!("{path}: http_adr: there is no such setting"),
        format!("{path}: log: must be a text, a whole number or true or false"),
        format!("{path}: tls_cert_file: not supported in this version"),
    ];
    assert_eq!(problems.0, expected);

    let (broken, path) = file("log = \"info\"\nmaster_key = \"s3cret\n");
    assert_eq!(broken.err().unwrap().0, [format!("{path}:2: is not TOML")]);
    let flags = Flags { config: Some("does/not/exist.toml".into()), values: Vec::new() };
    let missing = Config::read(&flags, &surroundings(&[]), Purpose::Instance).err().unwrap();
    assert!(missing.0[0].starts_with("does/not/exist.toml: cannot be read"), "{missing}");

    let (secret, path) = file(&format!("master_key = \"{KEY}\"\n"));
    let secret = secret.unwrap();
    shows(&secret, &["MASTER_KEY = *** (file)"]);
    assert_eq!(secret.file_with_secret, Some(path.into()));
}
