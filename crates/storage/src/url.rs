//! Which database to open: URLs that never show their password.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use crate::StorageError;

/// The connections that a pool holds at most, unless said otherwise.
pub const DEFAULT_POOL_SIZE: u32 = 8;
/// How long a caller waits for a connection, unless said otherwise.
pub const DEFAULT_CONNECTION_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a transaction may stand still unless it is told otherwise.
pub const DEFAULT_IDLE_IN_TRANSACTION: Duration = Duration::from_secs(5);

/// Parameters of a PostgreSQL URL that are shown; the values of all others are masked.
const SHOWN_PARAMETERS: [&str; 8] =
    ["application_name", "connect_timeout", "dbname", "host", "options", "port", "sslmode", "user"];

/// Names a database. `Display` and `Debug` mask passwords.
#[derive(Clone, PartialEq, Eq)]
pub enum DatabaseUrl {
    /// A SQLite file: `sqlite:PATH`.
    Sqlite(PathBuf),
    /// A PostgreSQL server: `postgres://…` or `postgresql://…`, as libpq reads it (PostgreSQL manual, section
    /// "Connection URIs").
    Postgres(String),
}

/// How to open a database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreOptions {
    /// Which database.
    pub url: DatabaseUrl,
    /// The connections that are open at most, at least 1. On SQLite these are the ones that read; writes have
    /// their own.
    pub pool_size: u32,
    /// How long a caller waits for a connection, and SQLite for a lock that another program holds.
    pub connection_timeout: Duration,
    /// How long a transaction on PostgreSQL may stand still before it is broken off: a process that is frozen in one keeps its
    /// rows from all others.
    pub idle_in_transaction: Duration,
}

impl StoreOptions {
    /// The defaults for this database.
    #[must_use]
    pub const fn new(url: DatabaseUrl) -> Self {
        Self {
            url,
            pool_size: DEFAULT_POOL_SIZE,
            connection_timeout: DEFAULT_CONNECTION_TIMEOUT,
            idle_in_transaction: DEFAULT_IDLE_IN_TRANSACTION,
        }
    }
}

impl FromStr for DatabaseUrl {
    type Err = StorageError;

    /// Decides by the scheme.
    ///
    /// libpq's messages repeat parts of a URL that they cannot make sense of. Wherever a password with an
    /// unescaped `/`, `?` or `@` could end up in such a part, the URL is refused here.
    fn from_str(text: &str) -> Result<Self, StorageError> {
        if text.contains('\0') {
            return Err(StorageError::InvalidUrl("it contains the character U+0000"));
        }
        if let Some(path) = text.strip_prefix("sqlite:") {
            return sqlite_path(path).map(|path| Self::Sqlite(PathBuf::from(path)));
        }
        match Parts::of(text) {
            Some(parts) => parts.check().map(|()| Self::Postgres(text.to_owned())),
            None => {
                Err(StorageError::InvalidUrl("it starts with none of sqlite:, postgres:// and postgresql://"))
            }
        }
    }
}

/// `///path` is the form of some other programs; `//path` would be read as a host by people and as a path by
/// SQLite.
fn sqlite_path(path: &str) -> Result<&str, StorageError> {
    let path = match path.strip_prefix("//") {
        Some(absolute) if absolute.starts_with('/') => absolute,
        Some(_) => return Err(StorageError::InvalidUrl("the form is sqlite:PATH")),
        None => path,
    };
    if path.is_empty() || path.ends_with('/') || path == ":memory:" {
        return Err(StorageError::InvalidUrl("sqlite: needs the path of a file"));
    }
    Ok(path)
}

/// The parts of a PostgreSQL URL, cut as libpq cuts them.
struct Parts<'a> {
    scheme: &'a str,
    user: Option<&'a str>,
    password: Option<&'a str>,
    hosts: &'a str,
    path: &'a str,
    query: Option<&'a str>,
}

impl<'a> Parts<'a> {
    fn of(text: &'a str) -> Option<Self> {
        let scheme = ["postgres://", "postgresql://"].into_iter().find(|scheme| text.starts_with(scheme))?;
        let rest = text.strip_prefix(scheme)?;
        let (rest, query) = rest.split_once('?').map_or((rest, None), |(rest, query)| (rest, Some(query)));
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let (login, hosts) =
            authority.rsplit_once('@').map_or((None, authority), |(login, hosts)| (Some(login), hosts));
        let (user, password) = match login.map(|login| login.split_once(':').ok_or(login)) {
            Some(Ok((user, password))) => (Some(user), Some(password)),
            Some(Err(user)) => (Some(user), None),
            None => (None, None),
        };
        Some(Self { scheme, user, password, hosts, path, query })
    }

    fn check(&self) -> Result<(), StorageError> {
        let stray_at = [self.user, self.password, Some(self.path), self.query];
        if stray_at.into_iter().flatten().any(|part| part.contains('@')) {
            return Err(StorageError::InvalidUrl("a '@' inside a part must be written %40"));
        }
        let valid_port = |host: &str| {
            let after_address = host.rsplit_once(']').map_or(host, |(_, after)| after);
            match after_address.split_once(':') {
                Some((_, port)) => port.bytes().all(|byte| byte.is_ascii_digit()),
                None => true,
            }
        };
        if !self.hosts.split(',').all(valid_port) {
            return Err(StorageError::InvalidUrl(
                "a port is a number, and '/' and '?' in a password are escaped",
            ));
        }
        let valid_parameter = |item: &str| {
            item.split_once('=').is_some_and(|(name, _)| {
                !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')
            })
        };
        match self.query {
            Some(query) if !query.split('&').all(valid_parameter) => {
                Err(StorageError::InvalidUrl("what follows '?' has the form name=value&name=value"))
            }
            _ => Ok(()),
        }
    }
}

impl fmt::Display for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let url = match self {
            Self::Sqlite(path) => return write!(f, "sqlite:{}", path.display()),
            Self::Postgres(url) => url,
        };
        let Some(parts) = Parts::of(url).filter(|parts| parts.check().is_ok()) else {
            return f.write_str("postgres://***");
        };
        f.write_str(parts.scheme)?;
        if let Some(user) = parts.user {
            let password = if parts.password.is_some() { ":***" } else { "" };
            write!(f, "{user}{password}@")?;
        }
        write!(f, "{}{}", parts.hosts, parts.path)?;
        for (index, item) in parts.query.into_iter().flat_map(|query| query.split('&')).enumerate() {
            let (name, value) = item.split_once('=').unwrap_or((item, ""));
            let value = if SHOWN_PARAMETERS.contains(&name) { value } else { "***" };
            write!(f, "{}{name}={value}", if index == 0 { '?' } else { '&' })?;
        }
        Ok(())
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DatabaseUrl({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn shown(text: &str, expected: &str) {
        let url: DatabaseUrl = text.parse().unwrap();
        assert_eq!(url.to_string(), expected);
        assert_eq!(format!("{url:?}"), format!("DatabaseUrl({expected})"));
    }

    #[test]
    fn passwords_are_masked() {
        shown("sqlite:data/claviger.db", "sqlite:data/claviger.db");
        shown("sqlite:///var/claviger.db", "sqlite:/var/claviger.db");
        shown("postgres://db/claviger", "postgres://db/claviger");
        shown("postgresql://me@db:5432,other:1/claviger", "postgresql://me@db:5432,other:1/claviger");
        shown("postgres://me:s3cret@[::1]:5432/c", "postgres://me:***@[::1]:5432/c");
        shown("postgres://me:a:b#c@h/", "postgres://me:***@h/");
        shown(
            "postgres://h/c?sslmode=require&password=s3cret",
            "postgres://h/c?sslmode=require&password=***",
        );
        shown("postgres:///c?host=/run/pg&sslpassword=s3cret", "postgres:///c?host=/run/pg&sslpassword=***");
    }

    #[track_caller]
    fn refused(text: &str) {
        let error = text.parse::<DatabaseUrl>().unwrap_err();
        assert!(matches!(error, StorageError::InvalidUrl(_)), "{text}: {error:?}");
        assert!(!error.to_string().contains("s3cret"), "{error}");
    }

    #[test]
    fn refuses_what_libpq_would_misread() {
        refused("");
        refused("mysql://me:s3cret@db/c");
        refused("POSTGRES://db/c");
        refused("sqlite:");
        refused("sqlite::memory:");
        refused("sqlite://relative.db");
        refused("sqlite:directory/");
        refused("postgres://me:pa/s3cret@db/c");
        refused("postgres://me:12/s3cret@db/c");
        refused("postgres://me:12?s3cret@db/c");
        refused("postgres://me:s3@cret@db/c");
        refused("postgres://me:pw@db:s3cret/c");
        refused("postgres://db/c?s3cret");
        refused("postgres://db/c?pass%77ord=s3cret");
        refused("sqlite:a\0b");
    }

    #[test]
    fn an_unparsable_url_is_masked_wholly() {
        let url = DatabaseUrl::Postgres(String::from("postgres://me:12/s3cret@db/c"));
        assert_eq!(url.to_string(), "postgres://***");
    }
}
