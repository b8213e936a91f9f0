//! A store whose reads and writes make up one transaction: all of it or nothing, and nobody sees half of it.

use std::sync::{Arc, Mutex};

use claviger_domain::{Actor, Change, TenantScope};
use claviger_storage::{StorageError, Store, TxError};

use crate::support::{Database, context, objects, read, try_write, write};

const ALL: TenantScope = TenantScope::All;

type Outcome = Result<(), StorageError>;

fn enclosed(db: &Database, work: impl FnOnce(&Store) -> Outcome) -> Outcome {
    db.store.in_one_transaction(Actor::Kickstart, work)
}

fn tenants(store: &Store) -> usize {
    read(store, |tx| tx.tenants(ALL)).len()
}

pub fn enclosed_writes_are_seen_at_the_end(db: &Database) {
    let heard = Arc::new(Mutex::new(Vec::new()));
    let done = enclosed(db, |inner| {
        let hear = Arc::clone(&heard);
        inner.set_listener(Arc::new(move |changes: &[Change]| hear.lock().unwrap().push(changes.len())))?;
        for number in 1..=3_u8 {
            write(inner, move |tx| tx.insert_tenant(&objects::tenant(number.into())));
            assert_eq!((tenants(inner), tenants(&db.store)), (usize::from(number), 0));
        }
        Ok(())
    });
    assert_eq!((done, tenants(&db.store)), (Ok(()), 3));
    assert_eq!(*heard.lock().unwrap(), [1, 1, 1]);
    let changes = read(&db.store, |tx| tx.changes(0, 10));
    assert_eq!(changes.len(), 3);
    assert!(changes.iter().all(|change| change.actor == Actor::Kickstart && change.user() == "Kickstart"));
    // The database is as free as before.
    write(&db.store, |tx| tx.insert_tenant(&objects::tenant(4)));
    assert_ne!(context().actor, Actor::Kickstart);
    assert_ne!(read(&db.store, |tx| tx.changes(0, 10)).last().unwrap().actor, Actor::Kickstart);
}

pub fn enclosed_writes_go_together(db: &Database) {
    let failed = enclosed(db, |inner| {
        write(inner, |tx| tx.insert_tenant(&objects::tenant(1)));
        Err(StorageError::Busy)
    });
    assert_eq!((failed, tenants(&db.store)), (Err(StorageError::Busy), 0));
    assert!(read(&db.store, |tx| tx.changes(0, 10)).is_empty());
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        enclosed(db, |inner| {
            write(inner, |tx| tx.insert_tenant(&objects::tenant(1)));
            panic!("in the middle")
        })
    }));
    assert!(panicked.is_err());
    assert_eq!(tenants(&db.store), 0);
    write(&db.store, |tx| tx.insert_tenant(&objects::tenant(1)));
}

pub fn enclosed_failures_undo_themselves_alone(db: &Database) {
    let done = enclosed(db, |inner| {
        write(inner, |tx| tx.insert_tenant(&objects::tenant(1)));
        let twice = try_write(inner, |tx| {
            tx.insert_tenant(&objects::tenant(2))?;
            tx.insert_tenant(&objects::tenant(1))
        });
        assert!(matches!(twice, Err(StorageError::Conflict { .. })), "{twice:?}");
        let aborted = inner.write::<(), &str, _>(&context(), |tx| {
            tx.insert_tenant(&objects::tenant(3))?;
            Err(TxError::Abort("no"))
        });
        assert_eq!(aborted, Err(TxError::Abort("no")));
        assert_eq!(tenants(inner), 1);
        write(inner, |tx| tx.insert_tenant(&objects::tenant(4)));
        Ok(())
    });
    assert_eq!((done, tenants(&db.store)), (Ok(()), 2));
}

pub fn an_enclosed_store_does_one_thing_at_a_time(db: &Database) {
    let mut kept = None;
    let done = enclosed(db, |inner| {
        let nested = inner.clone();
        let inside = inner.read::<_, StorageError>(move |_| {
            Ok(nested.read::<_, StorageError>(|tx| Ok(tx.tenants(ALL)?)).is_err())
        });
        assert_eq!(inside, Ok(true));
        let nested = inner.clone();
        let inside = inner.write::<_, StorageError, _>(&context(), move |_| {
            Ok(nested.read::<_, StorageError>(|tx| Ok(tx.tenants(ALL)?)).is_err())
        });
        assert_eq!(inside, Ok(true));
        kept = Some(inner.clone());
        Ok(())
    });
    assert_eq!(done, Ok(()));
    let kept = kept.unwrap();
    assert!(kept.read::<_, StorageError>(|tx| Ok(tx.tenants(ALL)?)).is_err());
    assert!(try_write(&kept, |tx| tx.insert_tenant(&objects::tenant(1))).is_err());
    assert_eq!(tenants(&db.store), 0);
}
