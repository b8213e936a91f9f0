//! Rotation of API keys: which values count, until when, and what is told of it.

use std::sync::{Arc, Barrier, Mutex};

use claviger_domain::{
    Actor, ApiKey, ApiKeyDigest, ApiKeyId, Change, ChangeContext, Instant, MAXIMUM_PREVIOUS_VALUES,
    PreviousApiKeyDigest, Sealed, TenantId, TenantScope,
};
use claviger_storage::{Action, ApiKeyRotation, Entity, Field, StorageError, TxError, WriteTransaction};

use crate::support::objects::digest;
use crate::support::{Database, objects, read};

const ALL: TenantScope = TenantScope::All;
const DUPLICATE: StorageError = StorageError::Conflict { entity: Entity::ApiKey, field: Field::Digest };

fn id(number: u128) -> ApiKeyId {
    ApiKeyId::from_u128(number)
}

fn write_at<T: Send + 'static>(
    db: &Database,
    now: i64,
    mut closure: impl FnMut(&mut WriteTransaction<'_>) -> Result<T, StorageError> + Send + 'static,
) -> Result<T, StorageError> {
    let instant = Instant::from_epoch_millis(now);
    let context = ChangeContext { actor: Actor::System, instant, address: None };
    db.store.write::<T, (), _>(&context, move |tx| Ok(closure(tx)?)).map_err(|error| match error {
        TxError::Storage(error) => error,
        TxError::Abort(()) => panic!("nobody aborts"),
    })
}

fn insert(db: &Database, now: i64, key: u128, value: u128) -> Result<(), StorageError> {
    let mut stored = objects::api_key(key, None);
    stored.digest = digest(value);
    write_at(db, now, move |tx| tx.insert_api_key(&stored))
}

/// Gives a key another value; the one before ends at `until`.
fn rotate(db: &Database, now: i64, key: u128, value: u128, until: i64) -> Result<ApiKey, StorageError> {
    let rotation = ApiKeyRotation {
        digest: digest(value),
        sealed_value: Some(Sealed::from(value.to_be_bytes().to_vec())),
        previous_valid_until: Instant::from_epoch_millis(until),
    };
    write_at(db, now, move |tx| {
        let found = tx.find_api_key(id(key), ALL)?.ok_or(StorageError::Stale)?;
        tx.rotate_api_key(&found.api_key, &rotation)
    })
}

fn update(db: &Database, now: i64, key: u128) -> ApiKey {
    write_at(db, now, move |tx| {
        let found = tx.find_api_key(id(key), ALL)?.ok_or(StorageError::Stale)?;
        tx.update_api_key(&found.api_key)
    })
    .unwrap()
}

fn values(pairs: &[(u128, i64)]) -> Vec<PreviousApiKeyDigest> {
    let value = |&(number, until): &(u128, i64)| PreviousApiKeyDigest {
        digest: digest(number),
        valid_until: Instant::from_epoch_millis(until),
    };
    pairs.iter().map(value).collect()
}

fn previous(db: &Database, key: u128) -> Vec<PreviousApiKeyDigest> {
    read(&db.store, |tx| tx.previous_api_key_digests(id(key)))
}

fn listen(db: &Database) -> Arc<Mutex<Vec<Change>>> {
    let heard: Arc<Mutex<Vec<Change>>> = Arc::default();
    let list = Arc::clone(&heard);
    db.store.set_listener(Arc::new(move |changes| list.lock().unwrap().extend_from_slice(changes))).unwrap();
    heard
}

pub fn a_rotated_key_keeps_all_but_its_value(db: &Database) {
    insert(db, 1, 1, 1).unwrap();
    let before = read(&db.store, |tx| tx.find_api_key(id(1), ALL)).unwrap();
    let heard = listen(db);
    let rotated = rotate(db, 1_000, 1, 2, 5_000).unwrap();
    assert_eq!(rotated, ApiKey { revision: before.api_key.revision.next(), ..before.api_key.clone() });
    let after = read(&db.store, |tx| tx.find_api_key(id(1), ALL)).unwrap();
    assert_eq!((&after.api_key, after.digest), (&rotated, digest(2)));
    assert_eq!(after.sealed_value, Some(Sealed::from(2_u128.to_be_bytes().to_vec())));
    assert_eq!(previous(db, 1), values(&[(1, 5_000)]));
    assert_eq!(
        *heard.lock().unwrap(),
        [Change::ApiKeyWritten {
            digest: digest(2),
            api_key: rotated.clone(),
            previous: values(&[(1, 5_000)]),
            ended: Vec::new()
        }]
    );
    // The record of it says who and when, and nothing of the values.
    let changes = read(&db.store, |tx| tx.changes(0, 100));
    let last = changes.last().unwrap();
    assert_eq!(
        (last.entity, last.action, last.instant.epoch_millis()),
        (Entity::ApiKey, Action::Rotate, 1_000)
    );
    let text = format!("{:?}{:?}", last.before, last.after).to_lowercase();
    assert!(text.contains("revision") && !text.contains("digest") && !text.contains("sealed"), "{text}");
    // Who read the key before knows an old revision.
    let stale = before.api_key;
    let rotation = ApiKeyRotation {
        digest: digest(3),
        sealed_value: None,
        previous_valid_until: Instant::from_epoch_millis(5_000),
    };
    let late = write_at(db, 1_000, move |tx| tx.rotate_api_key(&stale, &rotation));
    assert_eq!(late, Err(StorageError::Stale));
    assert_eq!(previous(db, 1), values(&[(1, 5_000)]));
}

pub fn earlier_values_end_one_by_one(db: &Database) {
    insert(db, 1, 1, 1).unwrap();
    rotate(db, 10, 1, 2, 100).unwrap();
    rotate(db, 20, 1, 3, 50).unwrap();
    assert_eq!(previous(db, 1), values(&[(1, 100), (2, 50)]));
    let heard = listen(db);
    // The very millisecond of an end belongs to what follows.
    update(db, 49, 1);
    assert_eq!(previous(db, 1), values(&[(1, 100), (2, 50)]));
    update(db, 50, 1);
    assert_eq!(previous(db, 1), values(&[(1, 100)]));
    // One that ends at once is none.
    rotate(db, 60, 1, 4, 60).unwrap();
    assert_eq!(previous(db, 1), values(&[(1, 100)]));
    rotate(db, 200, 1, 5, 300).unwrap();
    assert_eq!(previous(db, 1), values(&[(4, 300)]));
    let told: Vec<_> = heard
        .lock()
        .unwrap()
        .iter()
        .map(|change| match change {
            Change::ApiKeyWritten { digest, previous, ended, .. } => {
                (*digest, previous.clone(), ended.clone())
            }
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(
        told,
        [
            (digest(3), values(&[(1, 100), (2, 50)]), vec![]),
            (digest(3), values(&[(1, 100)]), vec![digest(2)]),
            (digest(4), values(&[(1, 100)]), vec![digest(3)]),
            (digest(5), values(&[(4, 300)]), vec![digest(1)]),
        ]
    );
}

pub fn the_oldest_of_too_many_values_ends(db: &Database) {
    insert(db, 1, 1, 1).unwrap();
    let limit = MAXIMUM_PREVIOUS_VALUES as u128;
    for value in 1..=limit {
        // The later ones end sooner: age is what counts.
        rotate(db, 10, 1, value + 1, 1_000 - i64::try_from(value).unwrap()).unwrap();
    }
    let expected: Vec<_> = (1..=limit).map(|value| (value, 1_000 - i64::try_from(value).unwrap())).collect();
    assert_eq!(previous(db, 1), values(&expected));
    let heard = listen(db);
    rotate(db, 10, 1, 100, 20).unwrap();
    let mut expected = expected[1..].to_vec();
    expected.push((limit + 1, 20));
    assert_eq!(previous(db, 1), values(&expected));
    let heard = heard.lock().unwrap();
    let [Change::ApiKeyWritten { ended, previous: told, .. }] = heard.as_slice() else { panic!("{heard:?}") };
    assert_eq!((ended.as_slice(), told), ([digest(1)].as_slice(), &values(&expected)));
    drop(heard);
    // One that ends at once pushes out none.
    rotate(db, 10, 1, 101, 10).unwrap();
    assert_eq!(previous(db, 1), values(&expected));
}

pub fn a_value_is_one_keys_while_it_works(db: &Database) {
    for key in 1..=2 {
        insert(db, 1, key, key).unwrap();
    }
    rotate(db, 10, 1, 11, 100).unwrap();
    let before = read(&db.store, |tx| tx.changes(0, 100)).len();
    for (key, value) in [(1, 11), (1, 2), (2, 11), (1, 1), (2, 1)] {
        assert_eq!(rotate(db, 99, key, value, 200), Err(DUPLICATE), "{key} {value}");
    }
    assert_eq!(insert(db, 99, 3, 1), Err(DUPLICATE));
    assert_eq!(insert(db, 99, 3, 11), Err(DUPLICATE));
    assert_eq!(read(&db.store, |tx| tx.changes(0, 100)).len(), before);
    assert_eq!((previous(db, 1), previous(db, 2)), (values(&[(1, 100)]), vec![]));
    // From its end on it is free: for a new key, for another one, and for the same one again.
    insert(db, 100, 3, 1).unwrap();
    assert_eq!(previous(db, 1), []);
    rotate(db, 100, 1, 12, 150).unwrap();
    rotate(db, 150, 2, 11, 150).unwrap();
    let heard = listen(db);
    rotate(db, 160, 1, 13, 170).unwrap();
    let rotated = rotate(db, 170, 1, 12, 180).unwrap();
    assert_eq!(
        heard.lock().unwrap().last(),
        Some(&Change::ApiKeyWritten {
            digest: digest(12),
            api_key: rotated,
            previous: values(&[(13, 180)]),
            ended: vec![]
        })
    );
}

pub fn earlier_values_go_with_their_key(db: &Database) {
    let tenant = TenantId::from_u128(1);
    let mut bound = objects::api_key(2, Some(tenant));
    bound.digest = digest(2);
    write_at(db, 1, move |tx| {
        tx.insert_tenant(&objects::tenant(1))?;
        tx.insert_api_key(&bound)
    })
    .unwrap();
    insert(db, 1, 1, 1).unwrap();
    rotate(db, 10, 1, 11, 100).unwrap();
    rotate(db, 10, 2, 12, 100).unwrap();
    // Out of reach nothing is lost.
    assert_eq!(write_at(db, 20, move |tx| tx.delete_api_key(id(1), TenantScope::One(tenant))), Ok(false));
    assert_eq!(previous(db, 1), values(&[(1, 100)]));
    let heard = listen(db);
    assert_eq!(write_at(db, 20, |tx| tx.delete_api_key(id(1), ALL)), Ok(true));
    assert_eq!(write_at(db, 20, move |tx| tx.delete_api_keys_of_tenant(tenant, 10)), Ok(1));
    let gone = |key: u128, value: u128| Change::ApiKeyDeleted {
        digest: digest(value),
        id: id(key),
        previous: vec![digest(key)],
    };
    assert_eq!(*heard.lock().unwrap(), [gone(1, 11), gone(2, 12)]);
    assert_eq!(db.texts("SELECT api_key_id AS value FROM api_key_previous_digest"), Vec::<String>::new());
    insert(db, 21, 3, 1).unwrap();
}

pub fn loading_finds_earlier_values(db: &Database) {
    for key in 1..=3 {
        insert(db, 1, key, key).unwrap();
    }
    rotate(db, 10, 1, 11, 100).unwrap();
    rotate(db, 10, 1, 12, 50).unwrap();
    rotate(db, 10, 2, 13, 50).unwrap();
    let load = || {
        let mut found: Vec<(ApiKeyId, ApiKeyDigest, Vec<PreviousApiKeyDigest>)> = Vec::new();
        read(&db.store, |tx| {
            tx.for_each_api_key(&mut |row| {
                let (digest, api_key, previous) = row.unwrap();
                found.push((api_key.id, digest, previous));
            })
        });
        found.sort_unstable_by_key(|(id, ..)| *id);
        found
    };
    assert_eq!(
        load(),
        [
            (id(1), digest(12), values(&[(1, 100), (11, 50)])),
            (id(2), digest(13), values(&[(2, 50)])),
            (id(3), digest(3), vec![]),
        ]
    );
    assert_eq!(write_at(db, 49, |tx| tx.delete_ended_api_key_digests()), Ok(0));
    assert_eq!(write_at(db, 50, |tx| tx.delete_ended_api_key_digests()), Ok(2));
    assert_eq!(load()[..2], [(id(1), digest(12), values(&[(1, 100)])), (id(2), digest(13), vec![])]);
    // The program before knows the present values only.
    let migrations = db.store.migrations().unwrap();
    let position = migrations.iter().position(|one| one.name == "api_key_rotation").unwrap();
    let undone = db.store.migrate_down(&migrations[position - 1].version).unwrap();
    assert_eq!(db.store.migrate_up(), Ok(undone));
    assert_eq!(
        load(),
        [(id(1), digest(12), vec![]), (id(2), digest(13), vec![]), (id(3), digest(3), vec![])]
    );
}

/// Rotations of one key, its deletion, and new keys that want the values it gives up, from many threads at once: at the
/// end memory that listened finds what the database does.
pub fn values_change_hands_in_one_order(db: &Database) {
    let heard = listen(db);
    insert(db, 1, 1, 1).unwrap();
    let barrier = Barrier::new(4);
    std::thread::scope(|scope| {
        for thread in 0..4_u128 {
            let barrier = &barrier;
            scope.spawn(move || {
                barrier.wait();
                for round in 0..25_u128 {
                    let value = 1 + (round + thread) % 5;
                    let outcome = match (thread, round % 5) {
                        (0, 4) => write_at(db, 10, |tx| tx.delete_api_key(id(1), ALL)).map(drop),
                        (0 | 1, _) if round % 2 == 0 => rotate(db, 10, 1, value, 100).map(drop),
                        (0 | 1, _) => rotate(db, 10, 1, value, 10).map(drop),
                        (_, 0) => insert(db, 10, thread, value),
                        (_, 1) => write_at(db, 10, move |tx| tx.delete_api_key(id(thread), ALL)).map(drop),
                        _ => insert(db, 10, 1, value),
                    };
                    match outcome {
                        Ok(())
                        | Err(StorageError::Stale | StorageError::Busy | StorageError::Conflict { .. }) => {}
                        Err(error) => panic!("{error}"),
                    }
                }
            });
        }
    });
    let mut remembered: Vec<(ApiKeyDigest, ApiKeyId)> = Vec::new();
    for change in heard.lock().unwrap().iter() {
        match change {
            Change::ApiKeyWritten { digest, api_key, previous, ended } => {
                remembered.retain(|(known, owner)| *owner != api_key.id || !ended.contains(known));
                for digest in previous.iter().map(|value| &value.digest).chain([digest]) {
                    let owner = remembered.iter().find(|(known, _)| known == digest).map(|(_, owner)| *owner);
                    assert!(owner.is_none_or(|owner| owner == api_key.id), "two keys with one value");
                    if owner.is_none() {
                        remembered.push((*digest, api_key.id));
                    }
                }
            }
            Change::ApiKeyDeleted { digest, id, previous } => {
                remembered
                    .retain(|(known, owner)| owner != id || !(known == digest || previous.contains(known)));
            }
            other => panic!("{other:?}"),
        }
    }
    let mut stored: Vec<(ApiKeyDigest, ApiKeyId)> = Vec::new();
    read(&db.store, |tx| {
        tx.for_each_api_key(&mut |row| {
            let (digest, api_key, previous) = row.unwrap();
            let all = previous.iter().map(|value| value.digest).chain([digest]);
            stored.extend(all.map(|digest| (digest, api_key.id)));
        })
    });
    remembered.sort_unstable();
    stored.sort_unstable();
    assert_eq!(remembered, stored);
}
