//! The one connection that writes to SQLite. Whoever finds it idle writes on his own thread: the way to another one and back takes
//! as long as the statements. Others leave their writes to a thread, which takes all that wait into one transaction, a savepoint for
//! each, so that they share one flush to the disk.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::sync::{Arc, Mutex};
use std::thread::{Builder, JoinHandle};

use claviger_domain::{Change, ChangeContext};
use diesel::connection::TransactionManager;

use crate::conn::{AnyConnection, Role, Transactions};
use crate::news::{Inside, News, lock};
use crate::snapshots::Snapshots;
use crate::transaction::{Attempt, WriteTransaction, attempt};
use crate::{ATTEMPTS, StorageError, StoreOptions, TxError, dialect};

/// The writes that share a transaction at most: a bound on how long the first one waits for the last.
const LARGEST_GROUP: usize = 256;

/// The connection, the thread and its queue.
pub(crate) struct Writer {
    shared: Arc<Shared>,
    queue: Option<Sender<Box<dyn Job>>>,
    thread: Option<JoinHandle<()>>,
}

/// What the thread and those who write by themselves have in common.
struct Shared {
    options: StoreOptions,
    news: Arc<News>,
    snapshots: Arc<Snapshots>,
    /// `None` after an error, whereupon its state would be anybody's guess: the next one opens another.
    connection: Mutex<Option<AnyConnection>>,
    /// Writes that are in the queue or taken out of it and not written. While there are any nobody goes first.
    queued: AtomicUsize,
}

impl Shared {
    /// Writes a group on the connection, of which this is the turn, and answers everybody in it.
    fn write(&self, connection: &mut Option<AnyConnection>, mut group: Vec<Box<dyn Job>>) {
        let open = connection.take().map_or_else(|| dialect::connect(&self.options, Role::Write), Ok);
        let outcome = open.and_then(|mut open| {
            self.write_group(&mut open, &mut group)?;
            *connection = Some(open);
            Ok(())
        });
        for job in group {
            job.answer(&outcome);
        }
    }

    /// Writes a group in one transaction. `Err` means that nothing of it is in the database. Nobody is answered
    /// before: what a write was told about another one of its group would be wrong if the commit failed.
    fn write_group(
        &self,
        connection: &mut AnyConnection,
        group: &mut [Box<dyn Job>],
    ) -> Result<(), StorageError> {
        let writing = self.snapshots.begin_write();
        dialect::begin_write(connection).map_err(|error| dialect::translate(error).into_error())?;
        for job in group.iter_mut() {
            job.run(connection)?;
        }
        self.news.commit(connection, || {
            drop(writing);
            for job in group.iter() {
                self.news.deliver(job.changes());
            }
        })
    }
}

impl Writer {
    pub(crate) fn start(
        options: StoreOptions,
        connection: AnyConnection,
        news: Arc<News>,
        snapshots: Arc<Snapshots>,
    ) -> Result<Self, StorageError> {
        let (queue, jobs) = channel();
        let connection = Mutex::new(Some(connection));
        let shared = Arc::new(Shared { options, news, snapshots, connection, queued: AtomicUsize::new(0) });
        let own = Arc::clone(&shared);
        let thread = Builder::new()
            .name(String::from("sqlite-writer"))
            .spawn(move || write_groups(&own, &jobs))
            .map_err(|error| StorageError::Backend(error.to_string()))?;
        Ok(Self { shared, queue: Some(queue), thread: Some(thread) })
    }

    /// Makes a write, or queues it, and waits for its outcome.
    pub(crate) fn write<T, E, F>(&self, context: &ChangeContext, closure: F) -> Result<T, TxError<E>>
    where
        T: Send + 'static,
        E: Send + 'static,
        F: FnMut(&mut WriteTransaction<'_>) -> Result<T, TxError<E>> + Send + 'static,
    {
        let ended = || StorageError::Backend(String::from("the writer has ended"));
        let (answer, outcome) = sync_channel(1);
        let job = Write { context: context.clone(), closure, attempt: None, answer };
        let shared = &self.shared;
        let idle = (shared.queued.load(Ordering::SeqCst) == 0).then(|| shared.connection.try_lock());
        if let Some(Ok(mut connection)) = idle {
            let _inside = Inside::enter();
            shared.write(&mut connection, vec![Box::new(job)]);
        } else {
            let queue = self.queue.as_ref().ok_or_else(ended)?;
            shared.queued.fetch_add(1, Ordering::SeqCst);
            queue.send(Box::new(job)).map_err(|_| ended())?;
        }
        outcome.recv().map_err(|_| ended())?
    }
}

impl Drop for Writer {
    /// Waits until everything that is queued has been written.
    fn drop(&mut self) {
        self.queue = None;
        if let Some(thread) = self.thread.take()
            && thread.thread().id() != std::thread::current().id()
            && thread.join().is_err()
        {
            tracing::error!("the writer panicked");
        }
    }
}

fn write_groups(shared: &Shared, jobs: &Receiver<Box<dyn Job>>) {
    let _inside = Inside::enter();
    while let Ok(first) = jobs.recv() {
        let mut connection = lock(&shared.connection);
        let mut group = vec![first];
        group.extend(jobs.try_iter().take(LARGEST_GROUP - 1));
        let size = group.len();
        shared.write(&mut connection, group);
        shared.queued.fetch_sub(size, Ordering::SeqCst);
    }
}

/// A queued write, whatever its types.
trait Job: Send {
    /// Runs it in a savepoint of the open transaction. `Err` means that the transaction itself is lost:
    /// SQLite rolls it back on its own when the disk is full, for instance.
    fn run(&mut self, connection: &mut AnyConnection) -> Result<(), StorageError>;

    /// Its news.
    fn changes(&self) -> &[Change];

    /// Tells the caller its outcome, given that of the group.
    fn answer(self: Box<Self>, group: &Result<(), StorageError>);
}

struct Write<F, T, E> {
    context: ChangeContext,
    closure: F,
    attempt: Option<Attempt<T, E>>,
    answer: SyncSender<Result<T, TxError<E>>>,
}

impl<F, T, E> Job for Write<F, T, E>
where
    T: Send,
    E: Send,
    F: FnMut(&mut WriteTransaction<'_>) -> Result<T, TxError<E>> + Send,
{
    fn run(&mut self, connection: &mut AnyConnection) -> Result<(), StorageError> {
        let lost = |error| dialect::translate(error).into_error();
        for _ in 0..ATTEMPTS {
            Transactions::begin_transaction(connection).map_err(lost)?;
            let attempt = attempt(connection, &self.context, &mut self.closure);
            let again = matches!(attempt.result, Err(TxError::Storage(StorageError::Stale)));
            if attempt.result.is_ok() {
                Transactions::commit_transaction(connection).map_err(lost)?;
            } else {
                Transactions::rollback_transaction(connection).map_err(lost)?;
            }
            self.attempt = Some(attempt);
            if !again {
                break;
            }
        }
        Ok(())
    }

    fn changes(&self) -> &[Change] {
        match &self.attempt {
            Some(Attempt { result: Ok(_), changes, .. }) => changes,
            _ => &[],
        }
    }

    fn answer(self: Box<Self>, group: &Result<(), StorageError>) {
        let not_run = || TxError::Storage(StorageError::Backend(String::from("the write was not run")));
        let result = match group {
            Ok(()) => self.attempt.map_or_else(|| Err(not_run()), |attempt| attempt.result),
            Err(error) => Err(TxError::Storage(error.clone())),
        };
        // A caller that has gone does not want to know.
        drop(self.answer.send(result));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, sync_channel};

    use claviger_domain::{Actor, Instant, Sealed};
    use diesel::connection::SimpleConnection;

    use super::*;
    use crate::{DatabaseUrl, Store};

    type Outcome = Result<(), TxError<()>>;
    type Closure = Box<dyn FnMut(&mut WriteTransaction<'_>) -> Outcome + Send>;

    fn job(
        closure: impl FnMut(&mut WriteTransaction<'_>) -> Outcome + Send + 'static,
    ) -> (Box<dyn Job>, Receiver<Outcome>) {
        let (answer, outcome) = sync_channel(1);
        let instant = Instant::from_epoch_millis(0);
        let context = ChangeContext { actor: Actor::System, instant, address: None };
        (Box::new(Write { context, closure, attempt: None, answer }), outcome)
    }

    fn insert(tx: &mut WriteTransaction<'_>, version: u32) -> Outcome {
        Ok(tx.insert_data_key(version, &Sealed::from(vec![1]), Instant::from_epoch_millis(0))?)
    }

    /// Writes the jobs as one group, and returns the outcome of the group, those of the jobs, and the
    /// versions stored.
    fn write(closures: Vec<Closure>) -> (Result<(), StorageError>, Vec<Outcome>, Vec<u32>, u64) {
        let directory = tempfile::tempdir().unwrap();
        let options = StoreOptions::new(DatabaseUrl::Sqlite(directory.path().join("claviger.db")));
        let store = Store::open(&options).unwrap();
        store.migrate_up().unwrap();
        let mut connection = dialect::connect(&options, Role::Write).unwrap();
        let shared = Shared {
            options,
            news: Arc::new(News::new()),
            snapshots: Arc::default(),
            connection: Mutex::new(None),
            queued: AtomicUsize::new(0),
        };
        let (mut group, outcomes): (Vec<_>, Vec<_>) = closures.into_iter().map(job).unzip();
        let result = shared.write_group(&mut connection, &mut group);
        for job in group {
            job.answer(&result);
        }
        drop(connection);
        let outcomes = outcomes.into_iter().map(|outcome| outcome.recv().unwrap()).collect();
        let stored = store.read::<_, ()>(|tx| Ok(tx.data_keys()?)).unwrap();
        (result, outcomes, stored.into_iter().map(|(version, _)| version).collect(), shared.news.doubts())
    }

    #[test]
    fn each_of_a_group_has_its_own_outcome() {
        let (result, outcomes, stored, doubts) = write(vec![
            Box::new(|tx| insert(tx, 1)),
            Box::new(|tx| {
                insert(tx, 2)?;
                Err(TxError::Abort(()))
            }),
            Box::new(|tx| insert(tx, 1)),
            Box::new(|tx| insert(tx, 3)),
        ]);
        assert_eq!(result, Ok(()));
        let conflict = StorageError::Conflict { entity: crate::Entity::DataKey, field: crate::Field::Id };
        assert_eq!(outcomes, [Ok(()), Err(TxError::Abort(())), Err(TxError::Storage(conflict)), Ok(())]);
        assert_eq!((stored, doubts), (vec![1, 3], 0));
    }

    #[test]
    fn a_failed_commit_fails_the_whole_group() {
        // A foreign key that is checked at the commit only.
        let dangling = "PRAGMA defer_foreign_keys = ON; \
                        INSERT INTO key_reference VALUES ('Tenant', 'none', 'none', 'none')";
        let (result, outcomes, stored, _) = write(vec![
            Box::new(|tx| insert(tx, 1)),
            Box::new(move |tx| Ok(tx.run(|connection| connection.batch_execute(dangling))?)),
            Box::new(|_| Err(TxError::Abort(()))),
        ]);
        let error = result.unwrap_err();
        assert_eq!(outcomes, vec![Err(TxError::Storage(error)); 3]);
        assert_eq!(stored, Vec::<u32>::new());
    }

    #[test]
    fn a_lost_transaction_fails_the_whole_group() {
        // What SQLite does by itself when the disk is full.
        let seen = Arc::new(Mutex::new(false));
        let reached = Arc::clone(&seen);
        let (result, outcomes, stored, _) = write(vec![
            Box::new(|tx| insert(tx, 1)),
            Box::new(|tx| {
                tx.run(|connection| connection.batch_execute("ROLLBACK"))?;
                Ok(())
            }),
            Box::new(move |tx| {
                *reached.lock().unwrap() = true;
                insert(tx, 2)
            }),
        ]);
        let error = result.unwrap_err();
        assert_eq!(outcomes, vec![Err(TxError::Storage(error)); 3]);
        assert!(!*seen.lock().unwrap() && stored.is_empty());
    }
}
