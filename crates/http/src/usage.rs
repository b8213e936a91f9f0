//! How often API keys are used, noted behind the answers: a check adds one in memory, and what has come together is written
//! about once in a second.
//!
//! Each worker has notes of its own, so that no two checks wait for each other. What is written lags behind by
//! [`WRITTEN_EVERY`] and the time of the write; a process that is killed loses that much. Where thousands of different keys are
//! used in a second, writing a row for each would take more of the machine than the checks: between transactions there
//! are rests then, and the lag grows with the number of the keys that were used meanwhile. While the database is
//! away the notes are kept, one for each of these keys.

mod hash;

use std::collections::BTreeMap;
use std::collections::hash_map::{Entry, HashMap};
use std::mem::{replace, take};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant as Stopwatch};

use actix_web::web;
use claviger_domain::{Actor, ChangeContext, Instant, UsedValue, Uses};
use claviger_storage::{StorageError, TxError};

use self::hash::Seeded;
use crate::state::AppState;

/// How long uses stay in memory alone, while the database answers.
pub(crate) const WRITTEN_EVERY: Duration = Duration::from_secs(1);

/// Rows in one transaction: others that write wait for it.
const ROWS_PER_WRITE: usize = 500;
/// How many times as long as a transaction took comes none, while checks go on: so writing takes three per cent of a core at
/// most.
const RESTS: u32 = 31;
/// Notes for which there is room from the start, at most.
const ROOM: usize = 1 << 16;

type Noted = HashMap<UsedValue, Uses, Seeded>;

/// The notes of one worker. Clones share them.
#[derive(Clone, Default)]
pub(crate) struct UsageNotes(Arc<Mutex<Noted>>);

impl UsageNotes {
    /// Notes one use.
    pub(crate) fn note(&self, value: UsedValue, instant: Instant, address: Option<IpAddr>) {
        let one = Uses::one(instant, address);
        match unpoisoned(&self.0).entry(value) {
            Entry::Occupied(mut noted) => {
                let uses = noted.get_mut();
                *uses = uses.and(one);
            }
            Entry::Vacant(place) => {
                place.insert(one);
            }
        }
    }
}

/// The notes of all workers, and what was taken from them and is not written yet.
#[derive(Default)]
pub(crate) struct UsageLog {
    workers: Mutex<Vec<UsageNotes>>,
    /// Those of the threads that are shared by all workers.
    pub(crate) elsewhere: UsageNotes,
    /// Sorted, so that several nodes write their rows in one order.
    unwritten: Mutex<Unwritten>,
}

#[derive(Default)]
struct Unwritten {
    uses: BTreeMap<UsedValue, Uses>,
    /// Whether the last write failed. Only the first failure in a row is told of.
    failing: bool,
}

impl UsageLog {
    /// Notes for one more worker.
    pub(crate) fn notes(&self) -> UsageNotes {
        let notes = UsageNotes::default();
        unpoisoned(&self.workers).push(notes.clone());
        notes
    }

    /// Empties the notes of all workers into `uses`.
    fn gather(&self, uses: &mut BTreeMap<UsedValue, Uses>) {
        for notes in unpoisoned(&self.workers).iter().chain([&self.elsewhere]) {
            // As much room as was needed last time, so that the map does not grow step by step while checks wait for it.
            let room = unpoisoned(&notes.0).len().min(ROOM);
            let fresh = Noted::with_capacity_and_hasher(room, Seeded::default());
            let noted = replace(&mut *unpoisoned(&notes.0), fresh);
            for (value, new) in noted {
                uses.entry(value).and_modify(|uses| *uses = uses.and(new)).or_insert(new);
            }
        }
    }
}

/// Writes everything that was noted until now. What cannot be written is kept for the next time, and told of once.
///
/// The answer is whether nothing is left.
pub(crate) fn write_noted(state: &AppState) -> bool {
    loop {
        match write_some(state) {
            Written::Some | Written::Last => {}
            Written::Nothing => return true,
            Written::Failed => return false,
        }
    }
}

/// What came of a write.
#[derive(Clone, Copy)]
enum Written {
    /// More is left of what was taken from the workers.
    Some,
    /// Nothing is left of that.
    Last,
    /// Nothing was noted.
    Nothing,
    /// The rows are kept.
    Failed,
}

/// Writes one transaction. What the workers noted is not taken before all that was taken earlier is written: until then they add
/// to what they have, and each row is written once.
fn write_some(state: &AppState) -> Written {
    let mut unwritten = unpoisoned(&state.usage.unwritten);
    if unwritten.uses.is_empty() {
        state.usage.gather(&mut unwritten.uses);
    }
    let rows: Vec<_> =
        unwritten.uses.iter().take(ROWS_PER_WRITE).map(|(value, uses)| (*value, *uses)).collect();
    if rows.is_empty() {
        return Written::Nothing;
    }
    match write(state, rows.clone()) {
        Ok(()) => {
            for (value, _) in &rows {
                unwritten.uses.remove(value);
            }
            if take(&mut unwritten.failing) {
                tracing::info!("uses of API keys are written again");
            }
            if unwritten.uses.is_empty() { Written::Last } else { Written::Some }
        }
        Err(error) => {
            if !replace(&mut unwritten.failing, true) {
                tracing::warn!(%error, "uses of API keys cannot be written: they are kept in memory until it works");
            }
            Written::Failed
        }
    }
}

fn write(state: &AppState, rows: Vec<(UsedValue, Uses)>) -> Result<(), StorageError> {
    let context = ChangeContext { actor: Actor::System, instant: state.now(), address: None };
    let written =
        state.store.write::<_, StorageError, _>(&context, move |tx| Ok(tx.add_api_key_uses(&rows)?));
    written.map_err(|error| match error {
        TxError::Storage(error) | TxError::Abort(error) => error,
    })
}

/// Writes what was noted, again and again, for as long as the server runs.
pub(crate) async fn write_regularly(state: Arc<AppState>) {
    loop {
        tokio::time::sleep(WRITTEN_EVERY).await;
        loop {
            let (own, before) = (Arc::clone(&state), state.metrics.decisions());
            let start = Stopwatch::now();
            match web::block(move || write_some(&own)).await {
                Ok(Written::Some) => {}
                Ok(Written::Last | Written::Nothing | Written::Failed) => break,
                Err(_) => {
                    tracing::error!("writing the uses of API keys panicked");
                    break;
                }
            }
            // Where nobody asks, nobody is slowed down.
            if state.metrics.decisions() != before {
                tokio::time::sleep(start.elapsed() * RESTS).await;
            }
        }
    }
}

/// Notes are whole after every step: a thread that panicked while it held the lock has spoiled nothing.
fn unpoisoned<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use claviger_domain::ApiKeyId;

    use super::*;

    fn value(key: u128, earlier: bool) -> UsedValue {
        UsedValue { api_key_id: ApiKeyId::from_u128(key), earlier }
    }

    #[test]
    fn the_notes_of_all_workers_are_added_up() {
        let log = UsageLog::default();
        let (one, other) = (log.notes(), &log.elsewhere);
        let at = Instant::from_epoch_millis;
        let address = |last: u8| Some(IpAddr::from([192, 0, 2, last]));
        one.note(value(1, false), at(5), address(1));
        one.note(value(1, false), at(7), address(2));
        other.clone().note(value(1, false), at(6), address(3));
        other.note(value(1, true), at(6), None);
        other.note(value(2, false), at(6), None);
        let mut uses = BTreeMap::from([(value(2, false), Uses { count: 9, ..Uses::one(at(8), address(4)) })]);
        log.gather(&mut uses);
        let expected = [
            (value(1, false), Uses { count: 3, ..Uses::one(at(7), address(2)) }),
            (value(1, true), Uses::one(at(6), None)),
            (value(2, false), Uses { count: 10, ..Uses::one(at(8), address(4)) }),
        ];
        assert_eq!(uses, BTreeMap::from(expected));
        log.gather(&mut uses);
        assert_eq!(uses, BTreeMap::from(expected));
        // Of equally late uses the one that was noted last.
        one.note(value(1, false), at(7), address(5));
        log.gather(&mut uses);
        let latest = uses.get(&value(1, false)).unwrap();
        assert_eq!(*latest, Uses { count: 4, ..Uses::one(at(7), address(5)) });
    }

    #[test]
    fn uses_that_are_noted_while_others_are_taken_are_not_lost() {
        const EACH: u64 = 20_000;
        let log = UsageLog::default();
        let mut uses = BTreeMap::new();
        std::thread::scope(|scope| {
            let workers: Vec<_> = (0..4)
                .map(|_| {
                    let notes = log.notes();
                    scope.spawn(move || {
                        for number in 0..EACH {
                            let instant = Instant::from_epoch_millis(1);
                            notes.note(value(u128::from(number % 7), false), instant, None);
                        }
                    })
                })
                .collect();
            while !workers.iter().all(std::thread::ScopedJoinHandle::is_finished) {
                log.gather(&mut uses);
            }
        });
        log.gather(&mut uses);
        assert_eq!(uses.len(), 7);
        assert_eq!(uses.values().map(|uses| uses.count).sum::<u64>(), 4 * EACH);
    }
}
