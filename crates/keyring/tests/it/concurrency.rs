//! Readers and writers at once: a reader sees each key whole, and misses none that is only rewritten.

use std::sync::Barrier;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use claviger_authz::CompiledPermissions;
use claviger_domain::{ApiKey, Change, Instant, Name, Permissions, TenantId};
use claviger_keyring::{Entry, Found, Keyring};

use crate::support::{api_key, deleted, digest, only};

const WRITERS: u64 = 2;
const READERS: usize = 2;
/// Keys that are always there, and keys that come and go.
const LASTING: u64 = 64;
const FLEETING: u64 = 64;
const ROUNDS: u64 = 300;

/// One of two states of a key; their parts never mix.
fn state(number: u64, odd: bool) -> Change {
    let permissions = if odd { only("GET:/api/user") } else { Permissions::All };
    let api_key = ApiKey {
        key_manager: odd,
        expiration_instant: Some(Instant::from_epoch_millis(i64::from(odd))),
        ..api_key(number.into(), permissions)
    };
    Change::ApiKeyWritten { digest: digest(number), api_key, previous: Vec::new(), ended: Vec::new() }
}

#[track_caller]
fn whole_of(entry: &Entry, number: u64, narrow: &CompiledPermissions, wide: &CompiledPermissions) {
    let found =
        Found { id: entry.id, name: None, access: entry.access(), earlier_value: entry.earlier_value };
    whole(found, number, narrow, wide);
}

#[track_caller]
fn whole(found: Found<'_>, number: u64, narrow: &CompiledPermissions, wide: &CompiledPermissions) {
    let Found { id, access, .. } = found;
    assert_eq!(id.as_u128(), u128::from(number));
    assert_eq!(access.permissions, if access.key_manager { narrow } else { wide });
    assert_eq!(access.expiration_instant, Some(Instant::from_epoch_millis(i64::from(access.key_manager))));
}

#[test]
fn readers_see_whole_keys_while_writers_write() {
    let keyring = Keyring::new();
    let narrow = CompiledPermissions::from(&only("GET:/api/user"));
    let wide = CompiledPermissions::from(&Permissions::All);
    for number in 0..LASTING {
        keyring.apply(&state(number, false));
    }
    let start = Barrier::new(WRITERS as usize + READERS);
    let writing = AtomicUsize::new(WRITERS as usize);
    thread::scope(|scope| {
        for writer in 0..WRITERS {
            let (keyring, start, writing) = (&keyring, &start, &writing);
            scope.spawn(move || {
                start.wait();
                // Each key has one writer, so that its changes have an order.
                let own = (0..LASTING + FLEETING).filter(|number| number % WRITERS == writer);
                for round in 0..ROUNDS {
                    for number in own.clone() {
                        keyring.apply(&state(number, round % 2 == 0));
                        if number >= LASTING && round % 3 == 0 {
                            keyring.apply(&deleted(digest(number), number.into()));
                            assert_eq!(keyring.find(&digest(number)), None);
                        }
                    }
                }
                for number in own.filter(|number| *number >= LASTING) {
                    keyring.apply(&deleted(digest(number), number.into()));
                }
                writing.fetch_sub(1, Ordering::Release);
            });
        }
        for _ in 0..READERS {
            scope.spawn(|| {
                start.wait();
                // One pass more after the writers have gone, so that at least one is made.
                loop {
                    let last = writing.load(Ordering::Acquire) == 0;
                    for number in 0..LASTING {
                        let entry = keyring.find(&digest(number)).unwrap();
                        whole_of(&entry, number, &narrow, &wide);
                    }
                    for number in LASTING..LASTING + FLEETING {
                        keyring.with(&digest(number), |found| {
                            if let Some(found) = found {
                                assert!(!last, "deleted, and still found");
                                whole(found, number, &narrow, &wide);
                            }
                        });
                    }
                    if last {
                        break;
                    }
                }
            });
        }
    });
    assert_eq!(keyring.len(), LASTING as usize);
    // The last round is an odd one: all are in the wide state, and the narrow set has gone.
    assert_eq!(keyring.permission_sets(), 1);
    for number in 0..LASTING {
        let entry = keyring.find(&digest(number)).unwrap();
        assert!(!entry.key_manager);
        whole_of(&entry, number, &narrow, &wide);
    }
}

/// Each rewriting takes the key's permission set and its tenant out of the tables, which nobody else uses, just when a
/// reader may have read their numbers. He must find the key as it was or as it is, and never without either, or mixed.
#[test]
fn a_rewritten_key_is_never_without_its_permissions_and_its_tenant() {
    const STATES: u128 = 4;
    const REWRITINGS: u128 = 20_000;
    let state = |turn: u128| {
        let state = turn % STATES;
        let permissions = only(&format!("GET:/v1/{state}"));
        let api_key = ApiKey {
            name: Some(Name::try_from(format!("key {state}")).unwrap()),
            tenant_id: Some(TenantId::from_u128(state)),
            ..api_key(1, permissions)
        };
        Change::ApiKeyWritten { digest: digest(1), api_key, previous: Vec::new(), ended: Vec::new() }
    };
    let sets: Vec<_> =
        (0..STATES).map(|state| CompiledPermissions::from(&only(&format!("GET:/v1/{state}")))).collect();
    let keyring = Keyring::new();
    keyring.apply(&state(0));
    let start = Barrier::new(1 + READERS);
    let writing = AtomicUsize::new(1);
    thread::scope(|scope| {
        scope.spawn(|| {
            start.wait();
            (1..=REWRITINGS).for_each(|turn| keyring.apply(&state(turn)));
            writing.store(0, Ordering::Release);
        });
        for _ in 0..READERS {
            scope.spawn(|| {
                start.wait();
                while writing.load(Ordering::Acquire) != 0 {
                    let entry = keyring.find(&digest(1)).unwrap();
                    let state = entry.tenant_id.unwrap().as_u128();
                    assert_eq!(*entry.permissions, sets[usize::try_from(state).unwrap()]);
                    keyring.with(&digest(1), |found| {
                        let Found { access, name, .. } = found.unwrap();
                        let state = access.tenant_id.unwrap().as_u128();
                        assert_eq!(*access.permissions, sets[usize::try_from(state).unwrap()]);
                        assert_eq!(name, Some(format!("key {state}").as_str()));
                    });
                }
            });
        }
    });
    assert_eq!(keyring.permission_sets(), 1);
}

/// A keyring goes wherever threads go.
#[test]
fn a_keyring_is_shared_between_threads() {
    fn shared<T: Send + Sync + 'static>() {}
    shared::<Keyring>();
    shared::<Entry>();
}
