//! The lock of the one node that serves a database, and the probe of the database's health.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};

use crate::conn::{AnyConnection, Role};
use crate::file::FileLock;
use crate::news::{News, lock};
use crate::{DatabaseUrl, StorageError, Store, StoreOptions, dialect};

/// How often PostgreSQL is asked whether the lock is still there.
const POSTGRES_INTERVAL: Duration = Duration::from_millis(500);
/// How old the last good answer of PostgreSQL may be.
const POSTGRES_LIMIT: Duration = Duration::from_secs(2);
/// How often SQLite is asked for a sign of life.
const SQLITE_INTERVAL: Duration = Duration::from_secs(1);
/// How old the last sign of life of SQLite may be.
const SQLITE_LIMIT: Duration = Duration::from_secs(5);

/// Says whether this node may decide from what it has in memory: it is the only one that serves the database,
/// and has heard of every change. Dropping it gives the lock back.
pub struct ServeLock {
    state: Arc<State>,
    news: Arc<News>,
    thread: Option<JoinHandle<()>>,
}

struct State {
    /// Whether the lock was there at the last look, and memory is current as far as `seen_doubts`.
    held: AtomicBool,
    seen_doubts: AtomicU64,
    generation: AtomicU64,
    /// When the last question that was answered well was asked.
    asked: Mutex<Instant>,
    up: AtomicBool,
    stop: AtomicBool,
    /// On SQLite the lock is the file's, and cannot be lost.
    can_be_lost: bool,
    limit: Duration,
}

impl Store {
    /// Becomes the one serving node of the database, and starts to watch over it.
    ///
    /// On SQLite the lock on the file is enough. On PostgreSQL this takes an advisory lock for the schema on
    /// a connection of its own, which needs a real session (no pooler that hands out connections per
    /// transaction) and asks twice a second whether it is still there. When it was lost it is taken again as
    /// soon as that is possible.
    ///
    /// `on_regained` loads again what is kept in memory. It is called, on a thread of the lock, when the lock
    /// was lost and taken again, and when news of a commit may not have reached the listener, on either
    /// database; until it has returned `true`, [`ServeLock::holds`] is false. It should use
    /// [`Store::read_between_commits`]. When it returns `false` or panics it is called again.
    ///
    /// # Errors
    /// [`StorageError::Locked`] when another node serves, [`StorageError::Unavailable`] and the like.
    pub fn serve_lock(
        &self,
        on_regained: impl FnMut() -> bool + Send + 'static,
    ) -> Result<ServeLock, StorageError> {
        let options = self.inner.options.clone();
        let news = Arc::clone(&self.inner.news);
        let seen_doubts = news.doubts();
        let asked = Instant::now();
        let mut connection = dialect::connect(&options, Role::Read)?;
        let epoch = dialect::try_serve_lock(&mut connection)?.ok_or(StorageError::Locked)?;
        self.inner.epoch.store(epoch, Ordering::SeqCst);
        let (can_be_lost, interval, limit) = match options.url {
            DatabaseUrl::Sqlite(_) => (false, SQLITE_INTERVAL, SQLITE_LIMIT),
            DatabaseUrl::Postgres(_) => (true, POSTGRES_INTERVAL, POSTGRES_LIMIT),
        };
        let state = Arc::new(State {
            held: AtomicBool::new(true),
            seen_doubts: AtomicU64::new(seen_doubts),
            generation: AtomicU64::new(0),
            asked: Mutex::new(asked),
            up: AtomicBool::new(true),
            stop: AtomicBool::new(false),
            can_be_lost,
            limit,
        });
        let mut watch = Watch {
            state: Arc::clone(&state),
            news: Arc::clone(&news),
            options,
            interval,
            connection: Some(connection),
            epoch: Arc::clone(&self.inner.epoch),
            on_regained: Box::new(on_regained),
            _file_lock: self.inner.file_lock.clone(),
        };
        let thread = Builder::new()
            .name(String::from("serve-lock"))
            .spawn(move || watch.run())
            .map_err(|error| StorageError::Backend(error.to_string()))?;
        Ok(ServeLock { state, news, thread: Some(thread) })
    }
}

impl ServeLock {
    /// Whether memory may be trusted now. False as soon as the lock is known to be lost, when nothing was
    /// heard of it for two seconds, and while memory must be loaded again.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.state.held.load(Ordering::SeqCst)
            && self.state.seen_doubts.load(Ordering::SeqCst) == self.news.doubts()
            && (!self.state.can_be_lost || self.state.is_fresh())
    }

    /// How often memory was loaded again.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.state.generation.load(Ordering::SeqCst)
    }

    /// Whether the database answered when it was last asked, and that was not long ago.
    #[must_use]
    pub fn database_up(&self) -> bool {
        self.state.up.load(Ordering::SeqCst) && self.state.is_fresh()
    }
}

impl Drop for ServeLock {
    fn drop(&mut self) {
        self.state.stop.store(true, Ordering::SeqCst);
        self.news.ring();
        if let Some(thread) = self.thread.take()
            && thread.thread().id() != std::thread::current().id()
            && thread.join().is_err()
        {
            tracing::error!("the thread of the serve lock panicked");
        }
    }
}

impl State {
    fn is_fresh(&self) -> bool {
        lock(&self.asked).elapsed() < self.limit
    }

    fn must_stop(&self) -> bool {
        self.stop.load(Ordering::SeqCst)
    }
}

/// What the thread has.
struct Watch {
    state: Arc<State>,
    news: Arc<News>,
    options: StoreOptions,
    interval: Duration,
    /// With the lock; `None` while it is lost.
    connection: Option<AnyConnection>,
    /// Shared with the store, whose writes belong to it.
    epoch: Arc<AtomicI64>,
    on_regained: Box<dyn FnMut() -> bool + Send>,
    _file_lock: FileLock,
}

impl Watch {
    fn run(&mut self) {
        while !self.state.must_stop() {
            let doubts = self.news.doubts();
            let has_lock = if self.connection.is_some() { self.ask() } else { self.take_again() };
            if has_lock {
                self.reload_if_needed();
            }
            let (state, news) = (&self.state, &self.news);
            news.wait(self.interval, || state.must_stop() || news.doubts() != doubts);
        }
        if let Some(connection) = &mut self.connection
            && let Err(error) = dialect::release_serve_lock(connection)
        {
            tracing::warn!(%error, "could not give the serve lock back");
        }
    }

    /// Asks for a sign of life and whether the lock is there. The answer counts from when it was asked.
    fn ask(&mut self) -> bool {
        let asked = Instant::now();
        let answer = self.connection.as_mut().map(dialect::has_serve_lock);
        self.state.up.store(matches!(answer, Some(Ok(_))), Ordering::SeqCst);
        if matches!(answer, Some(Ok(_))) {
            *lock(&self.state.asked) = asked;
        }
        if matches!(answer, Some(Ok(true))) {
            return true;
        }
        if self.state.can_be_lost {
            self.state.held.store(false, Ordering::SeqCst);
            tracing::error!("lost the serve lock");
        }
        self.connection = None;
        false
    }

    fn take_again(&mut self) -> bool {
        let taken = dialect::connect(&self.options, Role::Read).and_then(|mut connection| {
            // The connection alone says that the database is up, even while another node has the lock.
            let asked = Instant::now();
            let taken = dialect::try_serve_lock(&mut connection)?;
            *lock(&self.state.asked) = asked;
            Ok(taken.map(|epoch| {
                self.epoch.store(epoch, Ordering::SeqCst);
                connection
            }))
        });
        self.state.up.store(taken.is_ok(), Ordering::SeqCst);
        self.connection = taken.ok().flatten();
        self.connection.is_some()
    }

    /// Has memory loaded again when the lock was lost or news may have been, and asks once more afterwards:
    /// it may have been lost meanwhile.
    fn reload_if_needed(&mut self) {
        let doubts = self.news.doubts();
        if self.state.held.load(Ordering::SeqCst) && self.state.seen_doubts.load(Ordering::SeqCst) == doubts {
            return;
        }
        self.state.held.store(false, Ordering::SeqCst);
        let loaded = catch_unwind(AssertUnwindSafe(&mut self.on_regained)).unwrap_or(false);
        if !loaded {
            tracing::error!("memory could not be loaded again");
        } else if self.ask() {
            self.state.seen_doubts.store(doubts, Ordering::SeqCst);
            self.state.generation.fetch_add(1, Ordering::SeqCst);
            self.state.held.store(true, Ordering::SeqCst);
            tracing::info!("memory is loaded again");
        }
    }
}
