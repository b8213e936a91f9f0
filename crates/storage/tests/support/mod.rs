//! Databases for tests: a file in a temporary directory, or a schema of its own on a PostgreSQL server.

pub mod objects;

use std::time::{Duration, Instant};

use claviger_domain::{Actor, ChangeContext, Instant as Epoch};
use claviger_storage::{
    DatabaseUrl, ReadTransaction, StorageError, Store, StoreOptions, TxError, WriteTransaction,
};
use diesel::connection::SimpleConnection;
use diesel::prelude::*;

/// A migrated database for one test.
pub struct Database {
    pub store: Store,
    pub options: StoreOptions,
    pub kind: Kind,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    #[cfg(feature = "sqlite")]
    Sqlite,
    #[cfg(feature = "postgres")]
    Postgres,
}

#[derive(QueryableByName)]
struct Value {
    #[diesel(sql_type = diesel::sql_types::Text)]
    value: String,
}

impl Database {
    fn open(options: StoreOptions, kind: Kind) -> Self {
        let store = Store::open(&options).unwrap();
        store.migrate_up().unwrap();
        Self { store, options, kind }
    }

    /// Runs statements behind the store's back.
    pub fn execute(&self, sql: &str) {
        match self.kind {
            #[cfg(feature = "sqlite")]
            Kind::Sqlite => self.sqlite().batch_execute(sql).unwrap(),
            #[cfg(feature = "postgres")]
            Kind::Postgres => self.postgres().batch_execute(sql).unwrap(),
        }
    }

    /// The column `value` of the rows of a query that is run behind the store's back.
    pub fn texts(&self, sql: &str) -> Vec<String> {
        let query = diesel::sql_query(sql);
        let rows: Vec<Value> = match self.kind {
            #[cfg(feature = "sqlite")]
            Kind::Sqlite => query.load(&mut self.sqlite()).unwrap(),
            #[cfg(feature = "postgres")]
            Kind::Postgres => query.load(&mut self.postgres()).unwrap(),
        };
        rows.into_iter().map(|row| row.value).collect()
    }

    #[cfg(feature = "sqlite")]
    fn sqlite(&self) -> diesel::SqliteConnection {
        let DatabaseUrl::Sqlite(path) = &self.options.url else { panic!("no SQLite") };
        let mut connection = diesel::SqliteConnection::establish(path.to_str().unwrap()).unwrap();
        connection.batch_execute("PRAGMA busy_timeout = 5000; PRAGMA foreign_keys = ON").unwrap();
        connection
    }

    #[cfg(feature = "postgres")]
    fn postgres(&self) -> diesel::PgConnection {
        let DatabaseUrl::Postgres(url) = &self.options.url else { panic!("no PostgreSQL") };
        diesel::PgConnection::establish(&url.replace("application_name=", "application_name=behind_"))
            .unwrap()
    }

    /// The name under which the store's own connections are known to the server.
    #[cfg(feature = "postgres")]
    pub fn application_name(&self) -> String {
        let DatabaseUrl::Postgres(url) = &self.options.url else { panic!("no PostgreSQL") };
        url.split_once("application_name=").unwrap().1.to_owned()
    }
}

#[cfg(feature = "sqlite")]
pub fn on_sqlite(test: fn(&Database)) {
    let directory = tempfile::tempdir().unwrap();
    let url = DatabaseUrl::Sqlite(directory.path().join("claviger.db"));
    test(&Database::open(StoreOptions::new(url), Kind::Sqlite));
}

/// Runs a test on a schema of its own, or says that it is skipped when no server is given.
#[cfg(feature = "postgres")]
pub fn on_postgres(name: &str, test: fn(&Database)) {
    let Ok(server) = std::env::var("CLAVIGER_TEST_POSTGRES_URL") else {
        return skip(name);
    };
    let schema = format!("t{}_{name}", std::process::id());
    assert!(schema.len() < 64, "{schema} is too long for PostgreSQL");
    let separator = if server.contains('?') { '&' } else { '?' };
    let url = format!("{server}{separator}options=-c%20search_path%3D{schema}&application_name={schema}");
    let _schema = Schema::create(server, schema);
    let url: DatabaseUrl = url.parse().unwrap();
    test(&Database::open(StoreOptions::new(url), Kind::Postgres));
}

#[cfg(feature = "postgres")]
fn skip(name: &str) {
    let required = std::env::var("CLAVIGER_REQUIRE_POSTGRES").is_ok_and(|value| value == "1");
    assert!(!required, "CLAVIGER_TEST_POSTGRES_URL is not set");
    eprintln!("skipped postgres::{name}: CLAVIGER_TEST_POSTGRES_URL is not set");
    if let Ok(list) = std::env::var("CLAVIGER_SKIPPED_FILE") {
        let mut list = std::fs::OpenOptions::new().append(true).create(true).open(list).unwrap();
        // In one piece: tests run side by side.
        std::io::Write::write_all(&mut list, format!("postgres::{name}\n").as_bytes()).unwrap();
    }
}

/// Drops the schema at the end, also after a failure.
#[cfg(feature = "postgres")]
struct Schema {
    server: String,
    name: String,
}

#[cfg(feature = "postgres")]
impl Schema {
    fn create(server: String, name: String) -> Self {
        let mut connection = diesel::PgConnection::establish(&server).unwrap();
        connection
            .batch_execute(&format!("DROP SCHEMA IF EXISTS {name} CASCADE; CREATE SCHEMA {name}"))
            .unwrap();
        Self { server, name }
    }
}

#[cfg(feature = "postgres")]
impl Drop for Schema {
    fn drop(&mut self) {
        let mut connection = diesel::PgConnection::establish(&self.server).unwrap();
        connection.batch_execute(&format!("DROP SCHEMA {} CASCADE", self.name)).unwrap();
    }
}

pub fn context() -> ChangeContext {
    ChangeContext { actor: Actor::System, instant: Epoch::from_epoch_millis(1_000), address: None }
}

/// A read that cannot decide to abort.
pub fn read<T>(
    store: &Store,
    closure: impl FnOnce(&mut ReadTransaction<'_>) -> Result<T, StorageError>,
) -> T {
    store.read::<T, ()>(|tx| Ok(closure(tx)?)).unwrap()
}

/// A write by the system that cannot decide to abort.
pub fn try_write<T: Send + 'static>(
    store: &Store,
    mut closure: impl FnMut(&mut WriteTransaction<'_>) -> Result<T, StorageError> + Send + 'static,
) -> Result<T, StorageError> {
    match store.write::<T, (), _>(&context(), move |tx| Ok(closure(tx)?)) {
        Ok(value) => Ok(value),
        Err(TxError::Storage(error)) => Err(error),
        Err(TxError::Abort(())) => panic!("nobody aborts"),
    }
}

/// As [`try_write`], for writes that succeed.
#[track_caller]
pub fn write<T: Send + 'static>(
    store: &Store,
    closure: impl FnMut(&mut WriteTransaction<'_>) -> Result<T, StorageError> + Send + 'static,
) -> T {
    try_write(store, closure).unwrap()
}

/// Waits for something that another thread brings about.
#[track_caller]
pub fn wait_until(what: &str, condition: impl Fn() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < Duration::from_secs(20), "waited in vain: {what}");
        std::thread::yield_now();
    }
}
