//! Transactions: what they leave, what the listener hears, and what concurrency does to them.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::thread::scope;

use claviger_domain::{ApiKey, ApiKeyId, Change, KeyId, Tenant, TenantId, TenantScope};
use claviger_storage::{
    DatabaseUrl, Entity, Field, ReadTransaction, StorageError, Store, TxError, WriteTransaction,
};

use crate::support::{Database, context, objects, read, try_write, write};

const ALL: TenantScope = TenantScope::All;

fn listen(db: &Database) -> Arc<Mutex<Vec<Vec<Change>>>> {
    let heard = Arc::new(Mutex::new(Vec::new()));
    let hear = Arc::clone(&heard);
    let listener = move |changes: &[Change]| hear.lock().unwrap().push(changes.to_vec());
    db.store.set_listener(Arc::new(listener)).unwrap();
    heard
}

pub fn an_abort_leaves_nothing(db: &Database) {
    let heard = listen(db);
    let aborted = db.store.write::<(), &str, _>(&context(), |tx| {
        tx.insert_tenant(&objects::tenant(1))?;
        Err(TxError::Abort("on second thought"))
    });
    assert_eq!(aborted, Err(TxError::Abort("on second thought")));
    assert_eq!(read(&db.store, |tx| tx.tenants(ALL)), []);
    assert_eq!(read(&db.store, |tx| tx.changes(0, 10)), []);
    // What only looks tells nobody.
    write(&db.store, |tx| tx.tenants(ALL));
    assert_eq!(*heard.lock().unwrap(), Vec::<Vec<Change>>::new());
}

pub fn the_listener_hears_commits_in_order(db: &Database) {
    let heard = listen(db);
    let (tenant, key, api_key) = (objects::tenant(1), objects::key(1), objects::api_key(1, None));
    let digest = api_key.digest;
    let (written_tenant, written_key, written_api_key) = (tenant.clone(), key, api_key.clone());
    write(&db.store, move |tx| {
        tx.insert_tenant(&written_tenant)?;
        tx.insert_key(&written_key)?;
        tx.insert_api_key(&written_api_key)
    });
    let written = api_key.clone();
    let updated = write(&db.store, move |tx| tx.update_api_key(&written.api_key));
    write(&db.store, move |tx| tx.delete_api_key(updated.id, ALL));
    write(&db.store, |tx| {
        Ok(tx.delete_key(KeyId::from_u128(1))? && tx.delete_tenant(TenantId::from_u128(1))?)
    });

    let id = api_key.api_key.id;
    let updated = ApiKey { revision: api_key.api_key.revision.next(), ..api_key.api_key.clone() };
    assert_eq!(
        *heard.lock().unwrap(),
        [
            vec![
                Change::TenantWritten(tenant),
                Change::KeyWritten { id: KeyId::from_u128(1), kid: objects::key(1).key.kid },
                Change::ApiKeyWritten {
                    digest,
                    api_key: api_key.api_key,
                    previous: Vec::new(),
                    ended: Vec::new()
                },
            ],
            vec![Change::ApiKeyWritten { digest, api_key: updated, previous: Vec::new(), ended: Vec::new() }],
            vec![Change::ApiKeyDeleted { digest, id, previous: Vec::new() }],
            vec![Change::KeyDeleted(KeyId::from_u128(1)), Change::TenantDeleted(TenantId::from_u128(1))],
        ]
    );
    let again = db.store.set_listener(Arc::new(|_| ()));
    assert!(matches!(again, Err(StorageError::Backend(_))));
}

/// Makes, changes or deletes one of a few API keys, whatever is possible.
fn step(tx: &mut WriteTransaction<'_>, number: u128, thread: usize) -> Result<(), StorageError> {
    let id = ApiKeyId::from_u128(number);
    match tx.find_api_key(id, ALL)? {
        None => tx.insert_api_key(&objects::api_key(number, None)),
        Some(found) if found.api_key.revision.number() > 5 => tx.delete_api_key(id, ALL).map(drop),
        Some(mut found) => {
            found.api_key.attributes.insert(String::from("thread"), thread.to_string());
            tx.update_api_key(&found.api_key).map(drop)
        }
    }
}

pub fn the_listener_ends_with_the_state_of_the_database(db: &Database) {
    type State = BTreeMap<ApiKeyId, ApiKey>;
    let state: Arc<Mutex<State>> = Arc::default();
    let follow = Arc::clone(&state);
    let listener = move |changes: &[Change]| {
        // Lets another one overtake, if that is possible.
        for _ in 0..50 {
            std::thread::yield_now();
        }
        let mut state = follow.lock().unwrap();
        for change in changes {
            match change {
                Change::ApiKeyWritten { api_key, .. } => {
                    let before = state.insert(api_key.id, api_key.clone());
                    let expected = before.map_or(1, |before| before.revision.number() + 1);
                    assert_eq!(api_key.revision.number(), expected, "a change was heard out of order");
                }
                Change::ApiKeyDeleted { id, .. } => assert!(state.remove(id).is_some()),
                other => panic!("{other:?}"),
            }
        }
    };
    db.store.set_listener(Arc::new(listener)).unwrap();
    scope(|scope| {
        for thread in 0..8 {
            scope.spawn(move || {
                for round in 0..40 {
                    let number = (round * 7 + thread as u128) % 5;
                    // Another thread may have made the same key meanwhile, or have been faster ten times.
                    let outcome = try_write(&db.store, move |tx| step(tx, number, thread));
                    let lost = matches!(outcome, Err(StorageError::Conflict { .. } | StorageError::Stale));
                    assert!(outcome.is_ok() || lost, "{outcome:?}");
                }
            });
        }
    });
    let mut stored = State::new();
    read(&db.store, |tx| {
        tx.for_each_api_key(&mut |row| {
            let (_, api_key, _) = row.unwrap();
            stored.insert(api_key.id, api_key);
        })
    });
    assert_eq!(*state.lock().unwrap(), stored);
    assert!(read(&db.store, |tx| tx.changes(0, 1000)).len() > 100);
}

fn increment(tx: &mut WriteTransaction<'_>) -> Result<(), StorageError> {
    let mut tenant = the_tenant(tx)?;
    tenant.jwt.time_to_live_in_seconds += 1;
    tx.update_tenant(&tenant).map(drop)
}

fn the_tenant(tx: &mut ReadTransaction<'_>) -> Result<Tenant, StorageError> {
    Ok(tx.find_tenant(TenantId::from_u128(1), ALL)?.unwrap())
}

pub fn no_increment_is_lost(db: &Database) {
    write(&db.store, |tx| tx.insert_tenant(&objects::tenant(1)));
    let before = read(&db.store, the_tenant);
    scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..50 {
                    // What a client does with a 409.
                    while let Err(error) = try_write(&db.store, increment) {
                        assert_eq!(error, StorageError::Stale);
                    }
                }
            });
        }
    });
    let after = read(&db.store, the_tenant);
    assert_eq!(after.jwt.time_to_live_in_seconds, before.jwt.time_to_live_in_seconds + 400);
    assert_eq!(after.revision.number(), before.revision.number() + 400);
    assert_eq!(read(&db.store, |tx| tx.changes(0, 1000)).len(), 401);
}

pub fn stale_closures_run_again(db: &Database) {
    let runs = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&runs);
    write(&db.store, move |tx| {
        tx.insert_tenant(&objects::tenant(1))?;
        if counter.fetch_add(1, Ordering::SeqCst) < 3 { Err(StorageError::Stale) } else { Ok(()) }
    });
    assert_eq!(runs.swap(0, Ordering::SeqCst), 4);
    assert_eq!(read(&db.store, |tx| tx.tenants(ALL)).len(), 1);
    assert_eq!(read(&db.store, |tx| tx.changes(0, 10)).len(), 1);

    let counter = Arc::clone(&runs);
    let hopeless = try_write(&db.store, move |tx| -> Result<(), _> {
        counter.fetch_add(1, Ordering::SeqCst);
        tx.insert_tenant(&objects::tenant(2))?;
        Err(StorageError::Stale)
    });
    assert_eq!((hopeless, runs.load(Ordering::SeqCst)), (Err(StorageError::Stale), 10));
    assert_eq!(read(&db.store, |tx| tx.tenants(ALL)).len(), 1);
}

pub fn failing_writes_do_not_harm_others(db: &Database) {
    let heard = listen(db);
    write(&db.store, |tx| tx.insert_tenant(&objects::tenant(1000)));
    scope(|scope| {
        for thread in 0..8_u128 {
            scope.spawn(move || {
                for round in 0..12 {
                    let number = 1 + thread * 12 + round;
                    let outcome = db.store.write::<(), u128, _>(&context(), move |tx| {
                        tx.insert_tenant(&objects::tenant(number))?;
                        match number % 3 {
                            0 => Err(TxError::Abort(number)),
                            1 => Ok(tx.insert_tenant(&objects::tenant(1000))?),
                            _ => Ok(()),
                        }
                    });
                    let (entity, field) = (Entity::Tenant, Field::Id);
                    let expected = match number % 3 {
                        0 => Err(TxError::Abort(number)),
                        1 => Err(TxError::Storage(StorageError::Conflict { entity, field })),
                        _ => Ok(()),
                    };
                    assert_eq!(outcome, expected);
                }
            });
        }
    });
    let mut ids: Vec<_> =
        read(&db.store, |tx| tx.tenants(ALL)).iter().map(|tenant| tenant.id.as_u128()).collect();
    ids.sort_unstable();
    let expected: Vec<_> = (1..=96).filter(|number| number % 3 == 2).chain([1000]).collect();
    assert_eq!(ids, expected);
    assert_eq!(heard.lock().unwrap().len(), expected.len());
    assert_eq!(read(&db.store, |tx| tx.changes(0, 1000)).len(), expected.len());
}

pub fn a_panic_is_an_error(db: &Database) {
    let heard = listen(db);
    let result = try_write(&db.store, |tx| -> Result<(), _> {
        tx.insert_tenant(&objects::tenant(1))?;
        panic!("on purpose");
    });
    assert!(matches!(result, Err(StorageError::Backend(_))), "{result:?}");
    assert_eq!(read(&db.store, |tx| tx.tenants(ALL)), []);
    assert!(heard.lock().unwrap().is_empty());
    write(&db.store, |tx| tx.insert_tenant(&objects::tenant(2)));
    assert_eq!(heard.lock().unwrap().len(), 1);
    // A read panics in the thread of its caller, and harms nobody else.
    let read_once = || drop(db.store.read::<(), ()>(|_| panic!("on purpose")));
    assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(read_once)).is_err());
    assert_eq!(read(&db.store, |tx| tx.tenants(ALL)).len(), 1);
}

pub fn a_failed_statement_cannot_be_ignored(db: &Database) {
    let heard = listen(db);
    write(&db.store, |tx| tx.insert_tenant(&objects::tenant(1)));
    let conflict = StorageError::Conflict { entity: Entity::Tenant, field: Field::Id };
    let expected = conflict.clone();
    let result = try_write(&db.store, move |tx| {
        tx.insert_tenant(&objects::tenant(2))?;
        assert_eq!(tx.insert_tenant(&objects::tenant(1)), Err(expected.clone()));
        // Neither a further write nor a read gets through.
        assert_eq!(tx.insert_tenant(&objects::tenant(3)), Err(expected.clone()));
        assert_eq!(tx.tenants(ALL), Err(expected.clone()));
        Ok(())
    });
    assert_eq!(result, Err(conflict));
    assert_eq!(read(&db.store, |tx| tx.tenants(ALL)).len(), 1);
    assert_eq!(heard.lock().unwrap().len(), 1);
}

pub fn writes_do_not_nest(db: &Database) {
    let outcomes: Arc<Mutex<Vec<Result<(), StorageError>>>> = Arc::default();
    let nested = |store: Store, outcomes: &Arc<Mutex<Vec<_>>>| {
        let outcomes = Arc::clone(outcomes);
        move || {
            outcomes.lock().unwrap().push(try_write(&store, |tx| tx.insert_tenant(&objects::tenant(2))));
            let between: Result<(), TxError<()>> = store.read_between_commits(|_| Ok(()));
            assert!(matches!(between, Err(TxError::Storage(StorageError::Backend(_)))));
        }
    };
    let in_listener = nested(db.store.clone(), &outcomes);
    db.store.set_listener(Arc::new(move |_| in_listener())).unwrap();
    let in_write = nested(db.store.clone(), &outcomes);
    write(&db.store, move |tx| {
        tx.insert_tenant(&objects::tenant(1))?;
        in_write();
        Ok(())
    });
    let outcomes = outcomes.lock().unwrap();
    assert_eq!(outcomes.len(), 2);
    assert!(outcomes.iter().all(|outcome| matches!(outcome, Err(StorageError::Backend(_)))), "{outcomes:?}");
    assert_eq!(read(&db.store, |tx| tx.tenants(ALL)).len(), 1);
}

pub fn reads_see_one_snapshot(db: &Database) {
    write(&db.store, |tx| tx.insert_tenant(&objects::tenant(1)));
    read(&db.store, |tx| {
        let before = tx.tenants(ALL)?;
        scope(|scope| {
            scope.spawn(|| {
                write(&db.store, |tx| {
                    tx.insert_tenant(&objects::tenant(2))?;
                    increment(tx)
                });
            });
        });
        assert_eq!(tx.tenants(ALL)?, before);
        assert_eq!(tx.changes(0, 10)?.len(), 1);
        Ok(())
    });
    assert_eq!(read(&db.store, |tx| tx.tenants(ALL)).len(), 2);
}

pub fn loading_between_commits_misses_nothing(db: &Database) {
    write(&db.store, |tx| tx.insert_tenant(&objects::tenant(1)));
    let heard = Arc::new(Mutex::new(read(&db.store, the_tenant).revision));
    let hear = Arc::clone(&heard);
    let listener = move |changes: &[Change]| {
        if let [Change::TenantWritten(tenant)] = changes {
            *hear.lock().unwrap() = tenant.revision;
        }
    };
    db.store.set_listener(Arc::new(listener)).unwrap();
    let (done, end) = channel::<()>();
    scope(|scope| {
        for _ in 0..3 {
            let done = done.clone();
            scope.spawn(move || {
                for _ in 0..40 {
                    while try_write(&db.store, increment).is_err() {}
                }
                drop(done);
            });
        }
        drop(done);
        let mut looked = 0;
        while end.try_recv() != Err(std::sync::mpsc::TryRecvError::Disconnected) || looked == 0 {
            let same: Result<bool, TxError<()>> = db.store.read_between_commits(|tx| {
                let stored = the_tenant(tx)?.revision;
                Ok(stored == *heard.lock().unwrap())
            });
            assert_eq!(same, Ok(true));
            looked += 1;
        }
    });
    assert_eq!(heard.lock().unwrap().number(), 121);
}

pub fn a_store_can_be_opened_again(db: &Database) {
    let mut options = db.options.clone();
    // The file of this test is open already.
    if let DatabaseUrl::Sqlite(path) = &mut options.url {
        path.set_file_name("other.db");
    }
    let store = Store::open(&options).unwrap();
    store.migrate_up().unwrap();
    let clone = store.clone();
    drop(store);
    write(&clone, |tx| tx.insert_tenant(&objects::tenant(1)));
    drop(clone);
    let again = Store::open(&options).unwrap();
    again.check_schema().unwrap();
    assert_eq!(read(&again, |tx| tx.tenants(ALL)).len(), 1);
}
