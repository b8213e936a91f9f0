//! Look-ups of clients of the token endpoint where a statement costs more than what it finds (PostgreSQL): one thread asks for all who
//! wait at the same time.
//!
//! Nobody waits for company, but for those whose requests the same event loop has at hand already: when it has been through them, it says that
//! all are there. Then all who wait are asked for, or as soon as the statement is over that is under way. Each statement begins after everybody in it has come, and the number of changes is looked at after that and before it, so
//! that what is found is as fresh, and is kept by the same rules, as if each had been looked for alone.

use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, Builder, JoinHandle, ThreadId};

use claviger_domain::{ClientId, EntityId};
use claviger_storage::{StorageError, Store, TokenClient};
use tokio::sync::oneshot;
use tokio::task::yield_now;

use crate::state::Derived;

/// The most that one statement asks for: what it costs beside them is spread thinly then, and the first one need not wait long for the
/// others.
const MOST_AT_ONCE: usize = 64;

/// What was found of one client.
pub(crate) struct LookedUp {
    /// The number of changes that had been seen before.
    pub(crate) changes: u64,
    /// The client, if there is one.
    pub(crate) client: Option<TokenClient>,
}

type Found = Result<LookedUp, StorageError>;

/// Who waits, and the thread that asks, which starts with the first one and ends when this is dropped. The queue holds as much as
/// there are requests at most.
pub(crate) struct TokenLookUps {
    shared: Arc<Shared>,
}

struct Shared {
    store: Store,
    derived: Arc<Derived>,
    queue: Mutex<Queue>,
    /// Somebody is due, or nobody will be any more.
    news: Condvar,
}

#[derive(Default)]
struct Queue {
    waiting: Waiting,
    thread: Option<JoinHandle<()>>,
    /// Event loops, by their threads, that are in a turn in which somebody has come, and will say when it is over.
    in_turn: Vec<ThreadId>,
    /// Whether one of them has said so, and nobody was asked for since.
    due: bool,
    closed: bool,
}

/// Who waits: what is looked for, and behind it who is answered, and on which thread he waits.
#[derive(Default)]
struct Waiting {
    wanted: Vec<(ClientId, Option<EntityId>)>,
    waiters: Vec<(ThreadId, oneshot::Sender<Answer>)>,
}

/// An answer, and those for others who wait on the same thread, whom it is for the receiver to tell: so a thread is woken once for all
/// of them, and then has all that it needs.
struct Answer {
    own: Found,
    others: Others,
}

/// Who must be told what.
#[derive(Default)]
struct Others(Vec<(oneshot::Sender<Answer>, Found)>);

impl Others {
    /// Tells one of those who are still there, who tells the others.
    fn pass_on(mut self) {
        let mut others = mem::take(&mut self.0);
        while let Some((waiter, own)) = others.pop() {
            match waiter.send(Answer { own, others: Self(others) }) {
                Ok(()) => return,
                // Who is not there any more is missed by nobody.
                Err(mut answer) => others = mem::take(&mut answer.others.0),
            }
        }
    }
}

impl Drop for Others {
    /// The others are told even if the request of the one who was to do so has ended.
    fn drop(&mut self) {
        for (waiter, own) in self.0.drain(..) {
            drop(waiter.send(Answer { own, others: Self::default() }));
        }
    }
}

impl Waiting {
    /// Takes those who came first out of it.
    fn take(&mut self) -> Self {
        if self.wanted.len() <= MOST_AT_ONCE {
            return mem::take(self);
        }
        let later = Self {
            wanted: self.wanted.split_off(MOST_AT_ONCE),
            waiters: self.waiters.split_off(MOST_AT_ONCE),
        };
        mem::replace(self, later)
    }
}

/// Says at its end that all are there who come in this turn of an event loop, also if the request ends before it has come to that.
struct TurnOver<'a> {
    shared: &'a Shared,
    thread: ThreadId,
}

impl Drop for TurnOver<'_> {
    fn drop(&mut self) {
        let mut queue = self.shared.lock();
        queue.in_turn.retain(|thread| *thread != self.thread);
        queue.due = true;
        drop(queue);
        self.shared.news.notify_one();
    }
}

impl TokenLookUps {
    pub(crate) fn new(store: Store, derived: Arc<Derived>) -> Self {
        let (queue, news) = (Mutex::default(), Condvar::new());
        Self { shared: Arc::new(Shared { store, derived, queue, news }) }
    }

    /// Looks for a client, and what it is granted on the entity `on`, together with whoever else waits.
    ///
    /// # Errors
    /// Those of [`Store::find_token_clients`], which all get who were asked for together.
    pub(crate) async fn find(&self, client_id: &ClientId, on: Option<EntityId>) -> Found {
        let (answer, found) = oneshot::channel();
        let thread = thread::current().id();
        let is_first = {
            let mut queue = self.shared.lock();
            if queue.thread.is_none() {
                queue.thread = Some(self.start()?);
            }
            queue.waiting.wanted.push((client_id.clone(), on));
            queue.waiting.waiters.push((thread, answer));
            let is_first = !queue.in_turn.contains(&thread);
            if is_first {
                queue.in_turn.push(thread);
            }
            is_first
        };
        if is_first {
            let turn = TurnOver { shared: &self.shared, thread };
            yield_now().await;
            drop(turn);
        }
        // Dropping the rest tells the others.
        match found.await {
            Ok(answer) => answer.own,
            Err(_) => Err(StorageError::Backend("a look-up panicked".to_owned())),
        }
    }

    fn start(&self) -> Result<JoinHandle<()>, StorageError> {
        let shared = Arc::clone(&self.shared);
        Builder::new()
            .name("token-look-ups".to_owned())
            .spawn(move || shared.work())
            .map_err(|error| StorageError::Backend(error.to_string()))
    }
}

impl Drop for TokenLookUps {
    /// Waits for the statement that is under way. Nobody waits for its answer: whoever does has this.
    fn drop(&mut self) {
        let thread = {
            let mut queue = self.shared.lock();
            queue.closed = true;
            queue.thread.take()
        };
        self.shared.news.notify_one();
        if thread.is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the thread that looks for clients of the token endpoint panicked");
        }
    }
}

impl Shared {
    /// The queue is valid after each statement: a panic elsewhere leaves it whole.
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Answers whoever comes, until nobody will any more.
    fn work(&self) {
        while let Some(some) = self.next() {
            // Nothing is changed there that a panic could leave in halves. Dropped answers tell of it.
            if catch_unwind(AssertUnwindSafe(|| self.answer(some))).is_err() {
                tracing::error!("a look-up of clients of the token endpoint panicked");
            }
        }
    }

    /// Waits until somebody is due.
    fn next(&self) -> Option<Waiting> {
        let mut queue = self.lock();
        loop {
            if queue.closed {
                return None;
            }
            if queue.due && !queue.waiting.wanted.is_empty() {
                let some = queue.waiting.take();
                queue.due = !queue.waiting.wanted.is_empty();
                return Some(some);
            }
            queue.due = false;
            queue = self.news.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn answer(&self, some: Waiting) {
        let clients = &self.derived.token_clients;
        // Asked for before the clients are read: what changes meanwhile is not kept.
        let changes = clients.changes();
        match self.store.find_token_clients(&some.wanted, &clients.types(changes)) {
            Ok(found) => {
                let found = found.into_iter().map(|found| found.map(|client| LookedUp { changes, client }));
                hand_out(some.waiters.into_iter().zip(found));
            }
            Err(error) => {
                let mut all = some.waiters;
                // It took as long as anybody is to wait for a connection: who came meanwhile need not do so once more.
                if error == StorageError::Unavailable {
                    all.append(&mut mem::take(&mut self.lock().waiting).waiters);
                }
                hand_out(all.into_iter().map(|waiter| (waiter, Err(error.clone()))));
            }
        }
    }
}

/// Tells everybody what was found, by one word to each thread.
fn hand_out(answers: impl Iterator<Item = ((ThreadId, oneshot::Sender<Answer>), Found)>) {
    let mut threads: Vec<(ThreadId, Others)> = Vec::new();
    for ((thread, waiter), found) in answers {
        match threads.iter_mut().find(|(known, _)| *known == thread) {
            Some((_, others)) => others.0.push((waiter, found)),
            None => threads.push((thread, Others(vec![(waiter, found)]))),
        }
    }
    for (_, others) in threads {
        others.pass_on();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(changes: u64) -> Found {
        Ok(LookedUp { changes, client: None })
    }

    fn changes(answer: Option<Answer>) -> Option<u64> {
        answer.and_then(|answer| answer.own.ok()).map(|found| found.changes)
    }

    #[test]
    fn everybody_is_told_his_own_whoever_has_gone() {
        let here = thread::current().id();
        let elsewhere = thread::spawn(|| thread::current().id()).join().unwrap();
        // By bits who has gone before the answers come, and who takes an answer without looking at it.
        for (gone, takes) in (0..32_u32).flat_map(|gone| (0..32_u32).map(move |takes| (gone, takes))) {
            let (waiters, mut receivers): (Vec<_>, Vec<_>) = (0..5)
                .map(|number| {
                    let (waiter, receiver) = oneshot::channel();
                    let thread = if number % 2 == 0 { here } else { elsewhere };
                    ((thread, waiter), Some(receiver))
                })
                .unzip();
            let is = |set: u32, number: usize| set >> number & 1 == 1;
            for (number, receiver) in receivers.iter_mut().enumerate() {
                receiver.take_if(|_| is(gone, number));
            }
            hand_out(waiters.into_iter().zip((0..).map(found)));
            // In the order in which they are told: whoever is not told yet comes later.
            let mut told = [None; 5];
            for _ in 0..5 {
                for (number, receiver) in receivers.iter_mut().enumerate() {
                    let Some(waits) = receiver else { continue };
                    if is(takes, number) && told[number].is_none() {
                        *receiver = None;
                    } else if let Ok(answer) = waits.try_recv() {
                        told[number] = changes(Some(answer));
                        *receiver = None;
                    }
                }
            }
            for (number, told) in told.iter().enumerate() {
                let expected = (!is(gone, number) && !is(takes, number)).then_some(number as u64);
                assert_eq!(*told, expected, "{gone:05b} {takes:05b}");
            }
        }
    }

    #[test]
    fn those_who_came_first_are_asked_for_first() {
        let mut waiting = Waiting::default();
        for number in 0..=2 * MOST_AT_ONCE {
            let id = ClientId::try_from(format!("client {number}")).unwrap();
            waiting.wanted.push((id, None));
            waiting.waiters.push((thread::current().id(), oneshot::channel().0));
        }
        let sizes = [MOST_AT_ONCE, MOST_AT_ONCE, 1, 0].map(|size| {
            let some = waiting.take();
            assert_eq!((some.wanted.len(), some.waiters.len()), (size, size));
            some.wanted.first().map(|(id, _)| id.to_string())
        });
        let first = [0, MOST_AT_ONCE, 2 * MOST_AT_ONCE].map(|number| Some(format!("client {number}")));
        assert_eq!(sizes, [&first[..], &[None]].concat()[..]);
    }
}
