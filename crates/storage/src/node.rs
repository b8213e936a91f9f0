//! A node on PostgreSQL: it follows the changes of all nodes on a connection of its own, and holds a lease.
//!
//! Each time it reads, it notes when it began, looks how far commits have been told, reads what is new, applies it, and says
//! how far it is. Its lease ends a fixed time after that beginning. So whoever has committed something, and waits until every
//! node has said that it is past that, or until a whole lease has gone by, knows that no node decides from what was before.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use claviger_domain::{Change, Permissions};

use crate::conn::{AnyConnection, Role};
use crate::feed::{Position, Seen, changes_since};
use crate::lease::{Lease, Moment, SharedMoment};
use crate::news::{News, lock};
use crate::serving::{FeedStatus, Reload};
use crate::{StorageError, Store, StoreOptions, dialect};

/// How many times the changes are read while a lease lasts, also when nobody tells of any: a notification can get lost.
const READINGS_PER_LEASE: u32 = 4;
/// How often the connection is looked at for notifications. A look is one system call and asks the database nothing.
const LOOK_EVERY: Duration = Duration::from_millis(5);
/// The time between two words to the other nodes about what was made here. Each makes all of them read, and nobody waits
/// for that.
const TELL_EVERY: Duration = Duration::from_millis(10);
/// Transactions that were taken in and are not read back. What goes beyond is read back, which does no harm.
const MOST_TAKEN_IN: usize = 10_000;
/// How long to wait after a failure: at first, and at most.
const RETRY: [Duration; 2] = [Duration::from_millis(50), Duration::from_secs(1)];

/// A node and its thread. Dropping it takes it off the list of nodes.
pub(crate) struct Node {
    shared: Arc<Shared>,
    store: Store,
    thread: Option<JoinHandle<()>>,
}

/// What the thread and all others look at.
pub(crate) struct Shared {
    /// Its name on the list of nodes.
    pub(crate) id: String,
    /// Names the notifications of the database.
    pub(crate) channel: String,
    pub(crate) lease: Lease,
    lease_time: Duration,
    /// Whether memory holds everything. False while it is loaded again.
    whole: AtomicBool,
    generation: AtomicU64,
    /// When the last reading that went well began, and was confirmed.
    read: SharedMoment,
    up: AtomicBool,
    nodes: AtomicU64,
    progress: Mutex<Progress>,
    /// That there is something for the thread to do.
    bell: Condvar,
    /// That the thread has applied something.
    applied: Condvar,
    news: Arc<News>,
    /// `None` while memory is loaded. Whoever passes on news holds it, so that nothing older comes after something newer.
    held: Mutex<Option<Held>>,
    /// Whether this node has made something that the others were not told of.
    untold: AtomicBool,
}

/// What memory holds at least.
struct Held {
    /// What was read.
    seen: Seen,
    /// Transactions that were taken in since what was read was passed on. A reading that sees them need not read them: nothing older
    /// has come after them.
    taken_in: Vec<i64>,
}

struct Progress {
    /// Everything is applied that was committed before this moment.
    applied_until: Moment,
    /// Somebody waits for everything that was committed before this moment.
    asked_until: Moment,
    stop: bool,
}

impl Node {
    /// Loads memory, joins the other nodes, and begins to follow.
    pub(crate) fn start(store: &Store, lease_time: Duration, reload: Reload) -> Result<Self, StorageError> {
        let options = store.inner.options.clone();
        let mut connection = dialect::connect(&options, Role::Write)?;
        let shared = Arc::new(Shared {
            id: dialect::node::new_id(&mut connection)?,
            channel: dialect::channel(&mut connection)?,
            lease: Lease::over(),
            lease_time,
            whole: AtomicBool::new(false),
            generation: AtomicU64::new(0),
            read: SharedMoment::new(Moment::now()),
            up: AtomicBool::new(true),
            nodes: AtomicU64::new(0),
            progress: Mutex::new(Progress {
                applied_until: Moment::START,
                asked_until: Moment::START,
                stop: false,
            }),
            bell: Condvar::new(),
            applied: Condvar::new(),
            news: Arc::clone(&store.inner.news),
            held: Mutex::new(None),
            untold: AtomicBool::new(false),
        });
        let foreign = dialect::node::forget_foreign_transactions(&mut connection)?;
        if foreign > 0 {
            tracing::info!(changes = foreign, "this database was restored from another one");
        }
        drop(connection);
        let mut follower = Follower {
            shared: Arc::clone(&shared),
            options,
            session: None,
            identity: None,
            position: None,
            seen_doubts: shared.news.doubts(),
            joined: false,
            told: Moment::START,
            reload,
        };
        follower.connect()?;
        while !shared.lease.runs() {
            follower.read()?;
        }
        *lock(&store.inner.node) = Some(Arc::clone(&shared));
        let thread = Builder::new()
            .name(String::from("change-feed"))
            .spawn(move || follower.run())
            .map_err(|error| StorageError::Backend(error.to_string()))?;
        Ok(Self { shared, store: store.clone(), thread: Some(thread) })
    }

    pub(crate) fn holds(&self) -> bool {
        self.shared.holds()
    }

    pub(crate) fn generation(&self) -> u64 {
        self.shared.generation.load(Ordering::SeqCst)
    }

    pub(crate) fn database_up(&self) -> bool {
        self.shared.up.load(Ordering::SeqCst)
            && self.shared.read.get().elapsed() < self.shared.lease_time.saturating_mul(2)
    }

    pub(crate) fn ask(&self) -> bool {
        self.shared.ask(Moment::now());
        self.shared.up.load(Ordering::SeqCst)
    }

    pub(crate) fn status(&self) -> FeedStatus {
        FeedStatus {
            age: self.shared.read.get().elapsed(),
            lease: self.shared.lease_time,
            nodes: self.shared.nodes.load(Ordering::SeqCst),
        }
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        *lock(&self.store.inner.node) = None;
        lock(&self.shared.progress).stop = true;
        self.shared.bell.notify_all();
        if let Some(thread) = self.thread.take()
            && thread.thread().id() != std::thread::current().id()
            && thread.join().is_err()
        {
            tracing::error!("the thread that follows the changes panicked");
        }
    }
}

impl Shared {
    fn holds(&self) -> bool {
        self.whole.load(Ordering::SeqCst) && self.lease.runs()
    }

    /// Wakes the thread for everything that was committed before this moment.
    fn ask(&self, until: Moment) {
        let mut progress = lock(&self.progress);
        if progress.asked_until < until {
            progress.asked_until = until;
            self.bell.notify_all();
        }
    }

    /// Takes in what was made here by the transaction with this number, which is committed, unless it was read back already. The other
    /// nodes are told soon. `false` if it must be read back, for it may refer to something that is not known here yet, or memory is
    /// being loaded.
    pub(crate) fn take_in(&self, made: &[Change], transaction_id: i64, committed: Moment) -> bool {
        if !made.iter().all(stands_alone) {
            return false;
        }
        let end = committed.after(self.lease_time);
        while Moment::now() < end {
            let Ok(mut held) = self.held.try_lock() else {
                // Somebody else's news take microseconds.
                std::thread::sleep(Duration::from_micros(20));
                continue;
            };
            let Some(held) = &mut *held else { return false };
            // Otherwise something that came later may have been read with it.
            if !held.seen.sees(transaction_id) {
                if !self.news.deliver(made) {
                    // Until the thread has loaded it again.
                    self.whole.store(false, Ordering::SeqCst);
                } else if held.taken_in.len() < MOST_TAKEN_IN {
                    held.taken_in.push(transaction_id);
                }
            }
            self.untold.store(true, Ordering::SeqCst);
            return true;
        }
        false
    }

    /// Waits until what was committed before `until`, which is past, is applied here, or every lease has ended that could rest
    /// on an earlier reading.
    pub(crate) fn wait_until_applied(&self, until: Moment) {
        self.ask(until);
        let end = until.after(self.lease_time);
        let mut progress = lock(&self.progress);
        while progress.applied_until < until && Moment::now() < end && !progress.stop {
            progress = match self.applied.wait_timeout(progress, LOOK_EVERY) {
                Ok((progress, _)) => progress,
                Err(poisoned) => poisoned.into_inner().0,
            };
        }
    }

    fn must_stop(&self) -> bool {
        lock(&self.progress).stop
    }

    /// Waits for a bell that was not heeded by a reading that began at `since`; true when it rang.
    fn wait_for_bell(&self, since: Moment, time: Duration) -> bool {
        let progress = lock(&self.progress);
        let rang = |progress: &Progress| progress.stop || progress.asked_until > since;
        let outcome = self.bell.wait_timeout_while(progress, time, |progress| !rang(progress));
        outcome.map_or_else(|poisoned| rang(&poisoned.into_inner().0), |(progress, _)| rang(&progress))
    }
}

/// What the thread has.
struct Follower {
    shared: Arc<Shared>,
    options: StoreOptions,
    /// `None` while the database is away.
    session: Option<AnyConnection>,
    /// Which database was followed last.
    identity: Option<String>,
    /// How far it has been read. `None` when memory must be loaded again.
    position: Option<Position>,
    seen_doubts: u64,
    /// Whether this node was on the list when it looked last.
    joined: bool,
    /// When the others were told of what was made here.
    told: Moment,
    reload: Reload,
}

impl Follower {
    fn run(&mut self) {
        let mut failures = 0_u32;
        while !self.shared.must_stop() {
            let began = Moment::now();
            let outcome = match self.session {
                Some(_) => Ok(()),
                None => self.connect(),
            };
            match outcome.and_then(|()| self.read()) {
                Ok(()) => {
                    if failures > 0 {
                        tracing::info!("following the changes again");
                    }
                    failures = 0;
                    self.shared.up.store(true, Ordering::SeqCst);
                    // One that has just joined reads once more before it decides.
                    if self.shared.lease.runs() {
                        self.wait(began);
                    }
                }
                Err(error) => {
                    if failures == 0 {
                        tracing::error!(%error, "cannot follow the changes: what is in memory counts until the lease ends");
                    }
                    self.session = None;
                    self.shared.up.store(false, Ordering::SeqCst);
                    let [first, most] = RETRY;
                    let time = first.saturating_mul(1_u32 << failures.min(8)).min(most);
                    failures = failures.saturating_add(1);
                    // A bell rings at every request then, and means nothing new.
                    let until = Moment::now().after(time);
                    while Moment::now() < until && !self.shared.must_stop() {
                        std::thread::sleep(LOOK_EVERY);
                    }
                }
            }
        }
        self.shared.lease.end();
        if self.shared.untold.load(Ordering::SeqCst)
            && let Err(error) = self.tell()
        {
            tracing::warn!(%error, "the other nodes could not be told of what was made here: they find it within a quarter of their lease");
        }
        if self.joined
            && let Some(connection) = &mut self.session
            && let Err(error) = dialect::node::leave(connection, &self.shared.id)
        {
            tracing::warn!(%error, "could not leave the list of nodes: the next change that takes something away waits for the lease");
        }
    }

    fn connect(&mut self) -> Result<(), StorageError> {
        let mut connection = dialect::connect(&self.options, Role::Write)?;
        if !dialect::try_serve_lock(&mut connection, dialect::ServeLock::Shared)? {
            return Err(StorageError::Locked);
        }
        dialect::node::follow(&mut connection, &self.shared.channel)?;
        let identity = dialect::node::identity(&mut connection);
        if identity.is_none() || identity != self.identity {
            // Positions mean nothing in another database. One that does not say which it is counts as another.
            self.position = None;
            self.identity = identity;
        }
        self.session = Some(connection);
        Ok(())
    }

    /// Waits until there is something to read: somebody here or elsewhere says so, or it is time.
    fn wait(&mut self, began: Moment) {
        let next = began.after(self.shared.lease_time / READINGS_PER_LEASE);
        while Moment::now() < next {
            if self.shared.wait_for_bell(began, LOOK_EVERY) || self.shared.news.doubts() != self.seen_doubts {
                return;
            }
            if self.shared.untold.load(Ordering::SeqCst)
                && self.told.elapsed() >= TELL_EVERY
                && let Err(error) = self.tell()
            {
                tracing::warn!(%error, "the other nodes could not be told of what was made here");
                self.session = None;
                return;
            }
            let told = self.session.as_mut().map(dialect::was_told);
            match told {
                Some(Ok(false)) => {}
                Some(Ok(true)) => return,
                Some(Err(_)) | None => {
                    self.session = None;
                    return;
                }
            }
        }
    }

    /// Tells the other nodes that something was made here.
    fn tell(&mut self) -> Result<(), StorageError> {
        if self.shared.nodes.load(Ordering::SeqCst) <= 1 {
            // One that joins in this moment looks again soon.
            self.shared.untold.store(false, Ordering::SeqCst);
            return Ok(());
        }
        let connection = self.session.as_mut().ok_or(StorageError::Unavailable)?;
        self.told = Moment::now();
        self.shared.untold.store(false, Ordering::SeqCst);
        dialect::node::announce(connection, &self.shared.channel, Some(&self.shared.id)).map(drop)
    }

    /// Reads once, and confirms it.
    fn read(&mut self) -> Result<(), StorageError> {
        let began = Moment::now();
        let doubts = self.shared.news.doubts();
        if doubts != self.seen_doubts {
            self.position = None;
        }
        let connection = self.session.as_mut().ok_or(StorageError::Unavailable)?;
        let barrier = dialect::node::barrier(connection)?;
        let position = match &self.position {
            Some(position) => position.clone(),
            None => self.load(doubts)?,
        };
        let connection = self.session.as_mut().ok_or(StorageError::Unavailable)?;
        let taken_in = lock(&self.shared.held).as_ref().map(|held| held.taken_in.clone()).unwrap_or_default();
        let position = match changes_since(connection, &position, &taken_in) {
            Ok((changes, position)) => {
                let mut held = lock(&self.shared.held);
                self.shared.news.deliver(&changes);
                let seen = Seen::at(&position);
                // What was taken in during this reading, which does not know of it, is read by the next one: at once if a name or an
                // id was given up that may have been taken again.
                let taken_in = held.take().map(|held| held.taken_in).unwrap_or_default();
                if changes.iter().any(gives_up) && !taken_in.iter().all(|number| seen.sees(*number)) {
                    self.shared.ask(Moment::now());
                }
                *held = Some(Held { seen, taken_in: Vec::new() });
                // While the lock is held nothing is taken in, and so not lost either.
                let whole = self.shared.news.doubts() == self.seen_doubts;
                self.shared.whole.store(whole, Ordering::SeqCst);
                if !whole {
                    return Ok(());
                }
                position
            }
            Err(error @ StorageError::Corrupt { .. }) => {
                tracing::error!(%error, "a change cannot be followed: everything is loaded again");
                self.position = None;
                self.shared.whole.store(false, Ordering::SeqCst);
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        self.position = Some(position);
        {
            let mut progress = lock(&self.shared.progress);
            progress.applied_until = progress.applied_until.max(began);
            self.shared.applied.notify_all();
        }
        self.confirm(began, barrier)
    }

    /// Tells how far this node is, and puts off the end of its lease.
    fn confirm(&mut self, began: Moment, barrier: i64) -> Result<(), StorageError> {
        let connection = self.session.as_mut().ok_or(StorageError::Unavailable)?;
        let id = &self.shared.id;
        match if self.joined { dialect::node::confirm(connection, id, barrier)? } else { None } {
            Some(nodes) => {
                self.shared.nodes.store(nodes.unsigned_abs(), Ordering::SeqCst);
                self.shared.read.set(began);
                self.shared.lease.run_until(began.after(self.shared.lease_time));
            }
            None => {
                // Whoever has not found it on the list does not wait for it: what was committed until now it must read first.
                self.shared.lease.end();
                let lease = i64::try_from(self.shared.lease_time.as_millis()).unwrap_or(i64::MAX);
                dialect::node::join(connection, id, barrier, lease)?;
                if self.shared.generation.load(Ordering::SeqCst) > 0 || self.joined {
                    tracing::info!("joined the other nodes again");
                }
                self.joined = true;
            }
        }
        Ok(())
    }

    /// Loads memory, and answers a position at which it is at least.
    fn load(&mut self, doubts: u64) -> Result<Position, StorageError> {
        self.shared.whole.store(false, Ordering::SeqCst);
        *lock(&self.shared.held) = None;
        self.shared.lease.end();
        let connection = self.session.as_mut().ok_or(StorageError::Unavailable)?;
        if std::mem::take(&mut self.joined) {
            // Nobody is to wait meanwhile.
            dialect::node::leave(connection, &self.shared.id)?;
        }
        let position = Position::present(connection)?;
        let first = self.shared.read_nothing();
        if !catch_unwind(AssertUnwindSafe(&mut self.reload)).unwrap_or(false) {
            tracing::error!("memory could not be loaded");
            return Err(StorageError::Unavailable);
        }
        self.seen_doubts = doubts;
        if !first {
            self.shared.generation.fetch_add(1, Ordering::SeqCst);
            tracing::info!("memory is loaded again");
        }
        Ok(position)
    }
}

impl Shared {
    /// Whether this is the start.
    fn read_nothing(&self) -> bool {
        lock(&self.progress).applied_until == Moment::START
    }
}

/// Whether this takes away what another object can have afterwards.
fn gives_up(change: &Change) -> bool {
    matches!(
        change,
        Change::ApiKeyDeleted { .. }
            | Change::TenantDeleted(_)
            | Change::IpAccessControlListDeleted(_)
            | Change::RoleDeleted(_)
            | Change::KeyDeleted(_)
    )
}

/// Whether what was made refers to nothing that another node may have made a moment ago.
fn stands_alone(made: &Change) -> bool {
    match made {
        Change::ApiKeyWritten { api_key, .. } => {
            api_key.tenant_id.is_none()
                && api_key.ip_access_control_list_id.is_none()
                && !matches!(api_key.permissions, Permissions::Roles(_))
        }
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use claviger_domain::TenantId;

    use super::*;

    fn shared(lease_time: Duration, heard: &Arc<AtomicUsize>) -> Shared {
        let (news, heard) = (Arc::new(News::new()), Arc::clone(heard));
        let listener = move |changes: &[Change]| {
            heard.fetch_add(changes.len(), Ordering::SeqCst);
        };
        news.set_listener(Arc::new(listener)).unwrap();
        Shared {
            id: String::new(),
            channel: String::new(),
            lease: Lease::over(),
            lease_time,
            whole: AtomicBool::new(true),
            generation: AtomicU64::new(0),
            read: SharedMoment::new(Moment::START),
            up: AtomicBool::new(true),
            nodes: AtomicU64::new(1),
            progress: Mutex::new(Progress {
                applied_until: Moment::START,
                asked_until: Moment::START,
                stop: false,
            }),
            bell: Condvar::new(),
            applied: Condvar::new(),
            news,
            held: Mutex::new(None),
            untold: AtomicBool::new(false),
        }
    }

    /// Whoever makes something can be held up for any time between its commit and this.
    #[test]
    fn what_a_reading_has_brought_is_not_taken_in_a_second_time() {
        let heard = Arc::default();
        let shared = shared(Duration::from_secs(3600), &heard);
        let made = [Change::EntitiesWritten, Change::TenantDeleted(TenantId::from_u128(1))];
        let taken = |number| {
            let taken = shared.take_in(&made, number, Moment::now());
            let told = shared.untold.swap(false, Ordering::SeqCst);
            assert_eq!(taken, told);
            (taken, heard.swap(0, Ordering::SeqCst))
        };
        assert_eq!(taken(5), (false, 0), "memory is being loaded");
        let position = Position::for_tests("5:9:6", 8);
        *lock(&shared.held) = Some(Held { seen: Seen::at(&position), taken_in: Vec::new() });
        assert_eq!(taken(5), (true, 0), "it was read, and what came after it maybe too");
        assert_eq!(taken(6), (true, 2));
        assert_eq!(taken(9), (true, 2));
        assert_eq!(lock(&shared.held).as_ref().map(|held| held.taken_in.clone()), Some(vec![6, 9]));
        drop(shared);
    }

    #[test]
    fn nobody_waits_longer_than_a_lease_for_news_that_hang() {
        let heard = Arc::default();
        let shared = shared(Duration::from_millis(5), &heard);
        let _hangs = lock(&shared.held);
        assert!(!shared.take_in(&[Change::EntitiesWritten], 1, Moment::now()));
        assert_eq!(heard.load(Ordering::SeqCst), 0);
    }
}
