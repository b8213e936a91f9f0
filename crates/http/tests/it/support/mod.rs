//! What all tests share: a server per database, a client, and objects to work with.

pub(crate) mod client;
pub(crate) mod database;
pub(crate) mod fixture;
pub(crate) mod server;

use std::io::Write;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

pub(crate) use client::{Client, Connection, Reply};
pub(crate) use database::Kind;
pub(crate) use fixture::{unique, uuid};
pub(crate) use server::{Server, Settings};

use database::Database;

/// Makes `sqlite::name` and `postgres::name` of each function over `&Server`. Functions behind `shared` run on one
/// server together with others, and must use names of their own; those behind `own` get a server for themselves.
macro_rules! on_each_database {
    ($(shared: $($shared:ident),+;)? $(own: $($own:ident),+;)?) => {
        #[cfg(feature = "sqlite")]
        mod sqlite {
            use crate::support::{Kind, on_own, on_shared};
            $($(#[test] fn $shared() { on_shared(Kind::Sqlite, concat!(module_path!(), "::", stringify!($shared)), super::$shared); })+)?
            $($(#[test] fn $own() { on_own(Kind::Sqlite, concat!(module_path!(), "::", stringify!($own)), super::$own); })+)?
            #[allow(unused_imports, reason = "a module may have one kind of test only")]
            use {on_own as _, on_shared as _};
        }
        #[cfg(feature = "postgres")]
        mod postgres {
            use crate::support::{Kind, on_own, on_shared};
            $($(#[test] fn $shared() { on_shared(Kind::Postgres, concat!(module_path!(), "::", stringify!($shared)), super::$shared); })+)?
            $($(#[test] fn $own() { on_own(Kind::Postgres, concat!(module_path!(), "::", stringify!($own)), super::$own); })+)?
            #[allow(unused_imports, reason = "a module may have one kind of test only")]
            use {on_own as _, on_shared as _};
        }
    };
}

/// The servers that tests share at the moment. The last test that uses one stops it, so that nothing is left behind.
static SHARED: [Mutex<Weak<Server>>; 2] = [const { Mutex::new(Weak::new()) }; 2];

/// Runs a test on the shared server of a database.
pub(crate) fn on_shared(kind: Kind, name: &str, test: fn(&Server)) {
    if is_skipped(kind, name) {
        return;
    }
    let server = {
        let mut shared = SHARED[kind as usize].lock().unwrap_or_else(PoisonError::into_inner);
        shared.upgrade().unwrap_or_else(|| {
            let server = Arc::new(Server::start(Database::new(kind), Settings::default()));
            *shared = Arc::downgrade(&server);
            server
        })
    };
    test(&server);
}

/// Runs a test on a server of its own.
pub(crate) fn on_own(kind: Kind, name: &str, test: fn(&Server)) {
    if is_skipped(kind, name) {
        return;
    }
    test(&Server::start(Database::new(kind), Settings::default()));
}

/// Whether the test's database is missing. Skipping is said, counted for whoever runs the tests
/// (`CLAVIGER_SKIPPED_FILE`), and forbidden by `CLAVIGER_REQUIRE_POSTGRES=1`.
fn is_skipped(kind: Kind, name: &str) -> bool {
    if kind == Kind::Sqlite || database::postgres_url().is_some() {
        return false;
    }
    assert_ne!(
        std::env::var("CLAVIGER_REQUIRE_POSTGRES").as_deref(),
        Ok("1"),
        "CLAVIGER_TEST_POSTGRES_URL is not set"
    );
    println!("{name}: skipped, CLAVIGER_TEST_POSTGRES_URL is not set");
    if let Some(path) = std::env::var_os("CLAVIGER_SKIPPED_FILE") {
        let mut file = std::fs::OpenOptions::new().append(true).create(true).open(path).unwrap();
        // In one piece: other tests write to it as well.
        file.write_all(format!("{name}\n").as_bytes()).unwrap();
    }
    true
}

/// Asks again and again until there is an answer; for what happens behind the answers of the server.
#[track_caller]
pub(crate) fn poll<T>(what: &str, ask: impl Fn() -> Option<T>) -> T {
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(Instant::now() < deadline, "waited in vain for {what}");
        std::thread::yield_now();
    }
}
