//! Uses of API keys: added up, told by value, gone with the key, and no change of anything.

use std::net::IpAddr;
use std::sync::Barrier;
use std::thread;

use claviger_domain::{ApiKeyId, ApiKeyUsage, Instant, TenantScope, UsedValue, Uses};

use crate::support::{Database, objects, read, write};

fn value(key: u128, earlier: bool) -> UsedValue {
    UsedValue { api_key_id: ApiKeyId::from_u128(key), earlier }
}

fn uses(count: u64, instant: i64, address: Option<&str>) -> Uses {
    let last_address: Option<IpAddr> = address.map(|text| text.parse().unwrap());
    Uses { count, last_instant: Instant::from_epoch_millis(instant), last_address }
}

fn insert(db: &Database, key: u128) {
    let stored = objects::api_key(key, None);
    write(&db.store, move |tx| tx.insert_api_key(&stored));
}

fn add(db: &Database, added: &[(UsedValue, Uses)]) {
    let added = added.to_vec();
    write(&db.store, move |tx| tx.add_api_key_uses(&added));
}

fn usage(db: &Database, key: u128) -> ApiKeyUsage {
    read(&db.store, |tx| tx.api_key_usage(ApiKeyId::from_u128(key)))
}

pub fn usage_adds_up(db: &Database) {
    insert(db, 1);
    insert(db, 2);
    assert_eq!(usage(db, 1), ApiKeyUsage::default());
    let (first, second) = (uses(3, 1000, Some("192.0.2.1")), uses(4, 2000, Some("2001:db8::1")));
    add(db, &[(value(1, false), first)]);
    assert_eq!(usage(db, 1), ApiKeyUsage { present: Some(first), earlier: None });
    add(db, &[(value(1, false), second), (value(1, true), first)]);
    let expected = ApiKeyUsage { present: Some(uses(7, 2000, Some("2001:db8::1"))), earlier: Some(first) };
    assert_eq!(usage(db, 1), expected);
    // Later uses were recorded already: they stay the last ones.
    add(db, &[(value(1, false), uses(5, 1999, Some("192.0.2.9")))]);
    assert_eq!(usage(db, 1).present, Some(uses(12, 2000, Some("2001:db8::1"))));
    // Of equally late ones the newly added.
    add(db, &[(value(1, false), uses(1, 2000, None))]);
    assert_eq!(usage(db, 1).present, Some(uses(13, 2000, None)));
    assert_eq!(usage(db, 2), ApiKeyUsage::default());
    add(db, &[]);
    add(db, &[(value(2, false), uses(u64::MAX, i64::MIN, None))]);
    assert_eq!(usage(db, 2).present, Some(uses(i64::MAX as u64, i64::MIN, None)));
}

pub fn usage_is_no_change(db: &Database) {
    insert(db, 1);
    let rows = || db.texts("SELECT CAST(count(*) AS TEXT) AS value FROM change");
    let stored = || read(&db.store, |tx| tx.find_api_key(ApiKeyId::from_u128(1), TenantScope::All));
    let before = (rows(), stored());
    add(db, &[(value(1, false), uses(3, 1000, Some("192.0.2.1")))]);
    add(db, &[(value(1, true), uses(3, 1001, None)), (value(1, false), uses(3, 1001, None))]);
    assert_eq!((rows(), stored()), before);
}

pub fn usage_goes_with_its_key(db: &Database) {
    for key in 1..=3 {
        insert(db, key);
    }
    let all: Vec<_> = (1..=3)
        .flat_map(|key| [false, true].map(|earlier| (value(key, earlier), uses(1, 1000, None))))
        .collect();
    add(db, &all);
    write(&db.store, |tx| tx.delete_api_key(ApiKeyId::from_u128(2), TenantScope::All));
    let rows = || db.texts("SELECT api_key_id AS value FROM api_key_usage ORDER BY api_key_id").len();
    assert_eq!(rows(), 4);
    // What comes late for a key that is gone is nothing, and does not keep the others from being counted.
    add(db, &all);
    assert_eq!(rows(), 4);
    assert_eq!(usage(db, 2), ApiKeyUsage::default());
    assert_eq!(usage(db, 3).present, Some(uses(2, 1000, None)));
    // The id is free for another key, which starts at nothing.
    insert(db, 2);
    assert_eq!(usage(db, 2), ApiKeyUsage::default());
}

pub fn usage_of_many_keys_at_once(db: &Database) {
    const KEYS: u128 = 1200;
    write(&db.store, |tx| {
        for key in 1..=KEYS {
            tx.insert_api_key(&objects::api_key(key, None))?;
        }
        Ok(())
    });
    // The same two rows of each key from several writers: nothing is lost, and nobody waits for ever.
    let barrier = Barrier::new(3);
    thread::scope(|scope| {
        for writer in 0..3 {
            let barrier = &barrier;
            scope.spawn(move || {
                barrier.wait();
                let mut all: Vec<_> =
                    (1..=KEYS).map(|key| (value(key, key % 2 == 0), uses(1, 1000 + writer, None))).collect();
                all.sort_by_key(|(value, _)| *value);
                for chunk in all.chunks(300) {
                    add(db, chunk);
                }
            });
        }
    });
    for key in 1..=KEYS {
        let expected = Some(uses(3, 1002, None));
        let usage = usage(db, key);
        assert_eq!(if key % 2 == 0 { usage.earlier } else { usage.present }, expected, "{key}");
        assert_eq!(usage.total(), expected, "{key}");
    }
}

pub fn usage_survives_deletions_meanwhile(db: &Database) {
    const KEYS: u128 = 120;
    const WRITERS: u64 = 2;
    const ROUNDS: u64 = 20;
    write(&db.store, |tx| {
        for key in 1..=1 + KEYS {
            tx.insert_api_key(&objects::api_key(key, None))?;
        }
        Ok(())
    });
    thread::scope(|scope| {
        for half in 0..2 {
            scope.spawn(move || {
                for key in (2..=1 + KEYS).filter(|key| key % 2 == half) {
                    write(&db.store, move |tx| tx.delete_api_key(ApiKeyId::from_u128(key), TenantScope::All));
                }
            });
        }
        for _ in 0..WRITERS {
            scope.spawn(move || {
                for round in 0..ROUNDS {
                    let one = uses(1, 1000, None);
                    let all: Vec<_> = (1..=1 + KEYS).map(|key| (value(key, round % 2 == 0), one)).collect();
                    add(db, &all);
                }
            });
        }
    });
    assert_eq!(usage(db, 1).total().unwrap().count, WRITERS * ROUNDS);
    let rows = db.texts("SELECT DISTINCT api_key_id AS value FROM api_key_usage");
    assert_eq!(rows, [ApiKeyId::from_u128(1).to_string()]);
}

pub fn usage_that_makes_no_sense_is_reported(db: &Database) {
    insert(db, 1);
    add(db, &[(value(1, false), uses(1, 1000, None))]);
    for broken in ["last_address = 'nowhere'", "uses = -1"] {
        db.execute(&format!("UPDATE api_key_usage SET {broken}"));
        let found = db.store.read::<_, ()>(|tx| Ok(tx.api_key_usage(ApiKeyId::from_u128(1))?));
        let text = format!("{found:?}");
        assert!(text.contains("Corrupt"), "{text}");
        db.execute("UPDATE api_key_usage SET last_address = NULL, uses = 1");
    }
}
