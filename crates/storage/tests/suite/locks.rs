//! Serving: what happens when news are lost.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use claviger_domain::TenantScope;
use claviger_storage::DEFAULT_LEASE;

use crate::support::{Database, objects, read, wait_until, write};

pub fn memory_is_loaded_again_after_a_listener_panics(db: &Database) {
    let (panics, loads) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let fail = Arc::clone(&panics);
    let listener = move |_: &[_]| assert!(!fail.load(Ordering::SeqCst), "on purpose");
    db.store.set_listener(Arc::new(listener)).unwrap();
    let (store, counter) = (db.store.clone(), Arc::clone(&loads));
    let (load, loading) = std::sync::mpsc::sync_channel(0);
    let lock = db
        .store
        .serve(DEFAULT_LEASE, move || {
            let load = counter.fetch_add(1, Ordering::SeqCst);
            if load == 0 {
                return true;
            }
            loading.recv().unwrap();
            let tenants = store.read_between_commits::<_, ()>(|tx| Ok(tx.tenants(TenantScope::All)?));
            // The first time after the start it fails, and is called again.
            load > 1 && tenants.unwrap().len() == 1
        })
        .map(|lock| (lock, load));
    let (lock, load) = lock.unwrap();
    assert!(lock.holds() && lock.database_up() && lock.generation() == 0);

    panics.store(true, Ordering::SeqCst);
    write(&db.store, |tx| tx.insert_tenant(&objects::tenant(1)));
    assert!(!lock.holds(), "memory is behind, and nobody has loaded it");
    panics.store(false, Ordering::SeqCst);
    load.send(()).unwrap();
    load.send(()).unwrap();
    wait_until("memory is loaded again", || lock.holds());
    assert_eq!((lock.generation(), loads.load(Ordering::SeqCst)), (1, 3));
}

pub fn serving_reports_health(db: &Database) {
    let lock = db.store.serve(DEFAULT_LEASE, || true).unwrap();
    assert!(lock.holds() && lock.database_up() && lock.generation() == 0);
    drop(lock);
    // It is given back at once.
    let lock = db.store.serve(DEFAULT_LEASE, || true).unwrap();
    assert!(lock.holds());
    assert_eq!(read(&db.store, |tx| tx.tenants(TenantScope::All)), []);
}
