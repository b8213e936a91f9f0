//! What only a server can do: connections are lost, and others are in the way.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};

use claviger_domain::{TenantId, TenantScope};
use claviger_storage::{DatabaseUrl, Entity, StorageError, Store, StoreOptions};

use crate::support::{Database, objects, read, try_write, wait_until, write};

const ALL: TenantScope = TenantScope::All;

/// Ends the connections of the stores of this test that meet the condition, and waits until they are gone.
pub fn terminate(db: &Database, condition: &str) -> usize {
    let own = format!("FROM pg_stat_activity WHERE application_name = '{}'", db.application_name());
    let pids = db.texts(&format!("SELECT pid::text AS value {own} AND ({condition})"));
    for pid in &pids {
        db.texts(&format!("SELECT pg_terminate_backend({pid})::text AS value"));
    }
    let list = pids.iter().map(|pid| format!("'{pid}'")).collect::<Vec<_>>().join(",");
    wait_until("the connections are gone", || {
        pids.is_empty()
            || db.texts(&format!("SELECT pid::text AS value {own} AND pid::text IN ({list})")).is_empty()
    });
    pids.len()
}

pub fn dead_connections_are_replaced(db: &Database) {
    let count = 4;
    let use_all = || {
        let barrier = Barrier::new(count);
        std::thread::scope(|scope| {
            for _ in 0..count {
                scope.spawn(|| {
                    read(&db.store, |tx| {
                        barrier.wait();
                        tx.tenants(ALL)
                    });
                });
            }
        });
    };
    use_all();
    assert!(terminate(db, "true") >= count);
    // Neither a read nor a write notices, and what was prepared before is prepared again.
    write(&db.store, |tx| tx.insert_tenant(&objects::tenant(1)));
    assert!(terminate(db, "true") >= 1);
    assert_eq!(read(&db.store, |tx| tx.tenants(ALL)).len(), 1);
    use_all();
    // One that dies in the middle fails once.
    let killer = kill_writer(db);
    let failed = try_write(&db.store, move |tx| {
        killer();
        tx.insert_tenant(&objects::tenant(2))
    });
    assert_eq!(failed, Err(StorageError::Unavailable));
    use_all();
    assert_eq!(read(&db.store, |tx| tx.tenants(ALL)).len(), 1);
}

/// What ends the connection of the write inside which it is called.
fn kill_writer(db: &Database) -> impl Fn() + Send + use<> {
    let db = Database { store: db.store.clone(), options: db.options.clone(), kind: db.kind };
    move || assert_eq!(terminate(&db, "state = 'idle in transaction'"), 1)
}

pub fn deadlocks_are_resolved(db: &Database) {
    write(&db.store, |tx| {
        tx.insert_tenant(&objects::tenant(1))?;
        tx.insert_tenant(&objects::tenant(2))
    });
    let barrier = Arc::new(Barrier::new(2));
    let runs = Arc::new(AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for order in [[1, 2], [2, 1]] {
            let (barrier, runs) = (Arc::clone(&barrier), Arc::clone(&runs));
            scope.spawn(move || {
                let mut first = true;
                write(&db.store, move |tx| {
                    runs.fetch_add(1, Ordering::SeqCst);
                    for number in order {
                        let mut tenant = tx.find_tenant(TenantId::from_u128(number), ALL)?.unwrap();
                        tenant.jwt.time_to_live_in_seconds += 1;
                        tx.update_tenant(&tenant)?;
                        // Both have one row before either asks for the other.
                        if std::mem::take(&mut first) {
                            barrier.wait();
                        }
                    }
                    Ok(())
                });
            });
        }
    });
    assert!(runs.load(Ordering::SeqCst) > 2, "there was no deadlock");
    let tenants = read(&db.store, |tx| tx.tenants(ALL));
    assert!(tenants.iter().all(|tenant| tenant.jwt.time_to_live_in_seconds == 3602), "{tenants:?}");
}

pub fn a_list_that_goes_meanwhile_is_missing(db: &Database) {
    let id = objects::list_id(1);
    write(&db.store, |tx| tx.insert_ip_access_control_list(&objects::list(1)));
    let (deleted, blocked) = (Arc::new(Barrier::new(2)), Arc::new(Barrier::new(2)));
    let runs = Arc::new(AtomicUsize::new(0));
    let inserted = std::thread::scope(|scope| {
        let (now, later) = (Arc::clone(&deleted), Arc::clone(&blocked));
        scope.spawn(move || {
            assert!(write(&db.store, move |tx| {
                let found = tx.delete_ip_access_control_list(id)?;
                now.wait();
                later.wait();
                Ok(found)
            }));
        });
        deleted.wait();
        let counter = Arc::clone(&runs);
        let insert = scope.spawn(move || {
            try_write(&db.store, move |tx| {
                counter.fetch_add(1, Ordering::SeqCst);
                let mut key = objects::api_key(1, None);
                key.api_key.ip_access_control_list_id = Some(id);
                tx.insert_api_key(&key)
            })
        });
        // The list was still there when it was looked for. The insertion waits for the row.
        let waiting = format!(
            "SELECT pid::text AS value FROM pg_stat_activity \
             WHERE application_name = '{}' AND wait_event_type = 'Lock'",
            db.application_name()
        );
        wait_until("the insertion waits", || !db.texts(&waiting).is_empty());
        blocked.wait();
        insert.join().unwrap()
    });
    assert_eq!(inserted, Err(StorageError::MissingReference(Entity::IpAccessControlList)));
    assert_eq!(runs.load(Ordering::SeqCst), 2);
}

pub fn a_server_that_is_away_is_unavailable(_: &Database) {
    // A port that was free a moment ago.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let url: DatabaseUrl = format!("postgres://me:s3cret@127.0.0.1:{port}/claviger").parse().unwrap();
    let error = Store::open(&StoreOptions::new(url)).map(drop).unwrap_err();
    assert_eq!(error, StorageError::Unavailable);
    // A URL that libpq would misread is refused even when it was not parsed before.
    let url = DatabaseUrl::Postgres(String::from("postgres://me:12/s3cret@127.0.0.1/claviger"));
    let error = Store::open(&StoreOptions::new(url)).map(drop).unwrap_err();
    assert!(matches!(error, StorageError::InvalidUrl(_)) && !error.to_string().contains("s3cret"));
}
