//! The one node that serves a SQLite file, and the probe of the file's health.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};

use crate::conn::{AnyConnection, Role};
use crate::file::FileLock;
use crate::news::{News, lock};
use crate::serving::Reload;
use crate::{StorageError, Store, StoreOptions, dialect};

/// How often the file is asked for a sign of life.
const INTERVAL: Duration = Duration::from_secs(1);
/// How old the last sign of life may be.
const LIMIT: Duration = Duration::from_secs(5);

/// A node that nobody else is beside: the lock on the file, which cannot be lost, keeps all others out. Memory is behind only
/// when news of a commit may not have reached the listener.
pub(crate) struct Alone {
    state: Arc<State>,
    news: Arc<News>,
    thread: Option<JoinHandle<()>>,
}

struct State {
    /// Memory is current as far as these doubts.
    seen_doubts: AtomicU64,
    generation: AtomicU64,
    /// When the last question that was answered well was asked.
    asked: Mutex<Instant>,
    up: AtomicBool,
    stop: AtomicBool,
}

impl Alone {
    /// Loads memory, and starts to watch over it.
    pub(crate) fn start(store: &Store, mut reload: Reload) -> Result<Self, StorageError> {
        let options = store.inner.options.clone();
        let news = Arc::clone(&store.inner.news);
        let seen_doubts = news.doubts();
        let asked = Instant::now();
        let connection = dialect::connect(&options, Role::Read)?;
        if !reload() {
            return Err(StorageError::Unavailable);
        }
        let state = Arc::new(State {
            seen_doubts: AtomicU64::new(seen_doubts),
            generation: AtomicU64::new(0),
            asked: Mutex::new(asked),
            up: AtomicBool::new(true),
            stop: AtomicBool::new(false),
        });
        let mut watch = Watch {
            state: Arc::clone(&state),
            news: Arc::clone(&news),
            options,
            connection: Some(connection),
            reload,
            _file_lock: store.inner.file_lock.clone(),
        };
        let thread = Builder::new()
            .name(String::from("database-watch"))
            .spawn(move || watch.run())
            .map_err(|error| StorageError::Backend(error.to_string()))?;
        Ok(Self { state, news, thread: Some(thread) })
    }

    pub(crate) fn holds(&self) -> bool {
        self.state.seen_doubts.load(Ordering::SeqCst) == self.news.doubts()
    }

    pub(crate) fn generation(&self) -> u64 {
        self.state.generation.load(Ordering::SeqCst)
    }

    pub(crate) fn database_up(&self) -> bool {
        self.state.up.load(Ordering::SeqCst) && lock(&self.state.asked).elapsed() < LIMIT
    }
}

impl Drop for Alone {
    fn drop(&mut self) {
        self.state.stop.store(true, Ordering::SeqCst);
        self.news.ring();
        if let Some(thread) = self.thread.take()
            && thread.thread().id() != std::thread::current().id()
            && thread.join().is_err()
        {
            tracing::error!("the thread that watches the database panicked");
        }
    }
}

/// What the thread has.
struct Watch {
    state: Arc<State>,
    news: Arc<News>,
    options: StoreOptions,
    /// `None` while the database is away.
    connection: Option<AnyConnection>,
    reload: Reload,
    _file_lock: FileLock,
}

impl Watch {
    fn run(&mut self) {
        let must_stop = || self.state.stop.load(Ordering::SeqCst);
        while !must_stop() {
            let doubts = self.news.doubts();
            let asked = Instant::now();
            let up = match &mut self.connection {
                Some(connection) => dialect::is_alive(connection).is_ok(),
                None => {
                    self.connection = dialect::connect(&self.options, Role::Read).ok();
                    self.connection.is_some()
                }
            };
            self.state.up.store(up, Ordering::SeqCst);
            if up {
                *lock(&self.state.asked) = asked;
                if self.state.seen_doubts.load(Ordering::SeqCst) != doubts {
                    reload(&mut self.reload, &self.state, doubts);
                }
            } else {
                self.connection = None;
            }
            self.news.wait(INTERVAL, || must_stop() || self.news.doubts() != doubts);
        }
    }
}

/// Has memory loaded again after these doubts.
fn reload(reload: &mut Reload, state: &State, doubts: u64) {
    if catch_unwind(AssertUnwindSafe(reload)).unwrap_or(false) {
        state.generation.fetch_add(1, Ordering::SeqCst);
        state.seen_doubts.store(doubts, Ordering::SeqCst);
        tracing::info!("memory is loaded again");
    } else {
        tracing::error!("memory could not be loaded again");
    }
}
