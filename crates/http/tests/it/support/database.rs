//! Databases that tests throw away: a SQLite file in a temporary directory, a PostgreSQL schema.

#[cfg(feature = "postgres")]
use std::sync::Arc;

use claviger_storage::{DatabaseUrl, StoreOptions};
use diesel::connection::SimpleConnection;
use diesel::{Connection, SqliteConnection};
use tempfile::TempDir;

/// Which database a test runs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Sqlite,
    #[cfg_attr(not(feature = "postgres"), expect(dead_code, reason = "made with the feature only"))]
    Postgres,
}

/// The PostgreSQL server that tests may use, if there is one.
pub(crate) fn postgres_url() -> Option<String> {
    std::env::var("CLAVIGER_TEST_POSTGRES_URL").ok().filter(|url| !url.is_empty())
}

/// An empty database of one test; gone when it is dropped.
pub(crate) enum Database {
    Sqlite(TempDir),
    #[cfg(feature = "postgres")]
    Postgres(Arc<schema::Schema>),
}

impl Database {
    pub(crate) fn new(kind: Kind) -> Self {
        match kind {
            Kind::Sqlite => Self::Sqlite(tempfile::tempdir().unwrap()),
            #[cfg(feature = "postgres")]
            Kind::Postgres => Self::Postgres(Arc::new(schema::Schema::create())),
            #[cfg(not(feature = "postgres"))]
            Kind::Postgres => unreachable!("made with the feature only"),
        }
    }

    /// The same database, for one more server.
    #[cfg(feature = "postgres")]
    pub(crate) fn shared(&self) -> Self {
        match self {
            Self::Sqlite(_) => panic!("a file has one server"),
            Self::Postgres(schema) => Self::Postgres(Arc::clone(schema)),
        }
    }

    /// Which kind it is of.
    pub(crate) fn kind(&self) -> Kind {
        match self {
            Self::Sqlite(_) => Kind::Sqlite,
            #[cfg(feature = "postgres")]
            Self::Postgres(_) => Kind::Postgres,
        }
    }

    /// Runs statements behind the server's back.
    pub(crate) fn execute(&self, statements: &str) {
        match self {
            Self::Sqlite(directory) => {
                let path = directory.path().join("claviger.db");
                let mut connection = SqliteConnection::establish(path.to_str().unwrap()).unwrap();
                connection.batch_execute(&format!("PRAGMA busy_timeout = 10000; {statements}")).unwrap();
            }
            #[cfg(feature = "postgres")]
            Self::Postgres(schema) => schema.execute(statements),
        }
    }

    /// Whether a condition holds.
    #[cfg(feature = "postgres")]
    pub(crate) fn is(&self, condition: &str) -> bool {
        match self {
            Self::Sqlite(_) => panic!("only asked of PostgreSQL"),
            Self::Postgres(schema) => schema.is(condition),
        }
    }

    /// How to open it.
    pub(crate) fn options(&self) -> StoreOptions {
        StoreOptions::new(match self {
            Self::Sqlite(directory) => DatabaseUrl::Sqlite(directory.path().join("claviger.db")),
            #[cfg(feature = "postgres")]
            Self::Postgres(schema) => schema.url().parse().unwrap(),
        })
    }
}

#[cfg(feature = "postgres")]
mod schema {
    use std::sync::atomic::{AtomicU32, Ordering};

    use diesel::connection::SimpleConnection;
    use diesel::{Connection, PgConnection, RunQueryDsl};

    use super::postgres_url;

    /// A schema of its own, dropped at the end.
    pub(crate) struct Schema {
        server: String,
        name: String,
    }

    impl Schema {
        pub(super) fn create() -> Self {
            static NEXT: AtomicU32 = AtomicU32::new(0);
            let name =
                format!("claviger_http_{}_{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
            let server = postgres_url().unwrap();
            PgConnection::establish(&server)
                .unwrap()
                .batch_execute(&format!("DROP SCHEMA IF EXISTS {name} CASCADE; CREATE SCHEMA {name}"))
                .unwrap();
            Self { server, name }
        }

        pub(super) fn execute(&self, statements: &str) {
            PgConnection::establish(&self.url()).unwrap().batch_execute(statements).unwrap();
        }

        pub(super) fn is(&self, condition: &str) -> bool {
            let condition = diesel::dsl::sql::<diesel::sql_types::Bool>(condition);
            diesel::select(condition).get_result(&mut PgConnection::establish(&self.url()).unwrap()).unwrap()
        }

        /// The URL under which every connection works in this schema.
        pub(super) fn url(&self) -> String {
            let separator = if self.server.contains('?') { '&' } else { '?' };
            let name = &self.name;
            format!("{}{separator}options=-c%20search_path%3D{name}&application_name={name}", self.server)
        }
    }

    impl Drop for Schema {
        fn drop(&mut self) {
            let dropped = PgConnection::establish(&self.server).map_err(|error| error.to_string()).and_then(
                |mut connection| {
                    connection
                        .batch_execute(&format!("DROP SCHEMA IF EXISTS {} CASCADE", self.name))
                        .map_err(|error| error.to_string())
                },
            );
            if let Err(error) = dropped {
                eprintln!("the schema {} is left behind: {error}", self.name);
            }
        }
    }
}
