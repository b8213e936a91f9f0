//! What only a file can do.

use std::time::Duration;

use claviger_domain::{ClientId, TenantScope};
use claviger_storage::{DatabaseUrl, StorageError, Store, StoreOptions, TokenTypes};
use diesel::connection::SimpleConnection;
use diesel::prelude::*;

use crate::support::{Database, objects, read, try_write, write};

fn path(options: &StoreOptions) -> &std::path::Path {
    let DatabaseUrl::Sqlite(path) = &options.url else { panic!("no SQLite") };
    path
}

pub fn a_file_has_one_store(db: &Database) {
    let locked = Store::open(&db.options).map(drop);
    assert_eq!(locked, Err(StorageError::Locked));
    assert!(StorageError::Locked.to_string().contains("another process has the database open"));
    let link = path(&db.options).with_file_name("link.db");
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink(path(&db.options), &link).unwrap();
        let through_link = StoreOptions::new(DatabaseUrl::Sqlite(link));
        assert_eq!(Store::open(&through_link).map(drop), Err(StorageError::Locked));
    }
    // While somebody serves it the file stays locked, also after the store has gone.
    let mut other = db.options.clone();
    other.url = DatabaseUrl::Sqlite(path(&db.options).with_file_name("other.db"));
    let store = Store::open(&other).unwrap();
    let serving = store.serve(claviger_storage::DEFAULT_LEASE, || true).unwrap();
    drop(store);
    assert_eq!(Store::open(&other).map(drop), Err(StorageError::Locked));
    drop(serving);
    assert_eq!(Store::open(&other).map(drop), Ok(()));
}

pub fn files_are_for_their_owner(db: &Database) {
    write(&db.store, |tx| tx.insert_tenant(&objects::tenant(1)));
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let directory = path(&db.options).parent().unwrap();
        let files: Vec<_> = std::fs::read_dir(directory).unwrap().map(Result::unwrap).collect();
        assert!(files.len() >= 3, "{files:?}");
        for file in files {
            let mode = file.metadata().unwrap().permissions().mode() & 0o777;
            assert_eq!(mode, 0o600, "{file:?}");
        }
    }
    let nowhere = DatabaseUrl::Sqlite(path(&db.options).with_file_name("nowhere").join("claviger.db"));
    assert!(matches!(Store::open(&StoreOptions::new(nowhere)).map(drop), Err(StorageError::Backend(_))));
}

pub fn another_writer_makes_it_busy(db: &Database) {
    let mut options = db.options.clone();
    options.url = DatabaseUrl::Sqlite(path(&db.options).with_file_name("busy.db"));
    options.connection_timeout = Duration::from_millis(20);
    let store = Store::open(&options).unwrap();
    store.migrate_up().unwrap();
    let mut intruder = SqliteConnection::establish(path(&options).to_str().unwrap()).unwrap();
    intruder.batch_execute("BEGIN IMMEDIATE").unwrap();
    let insert = || try_write(&store, |tx| tx.insert_tenant(&objects::tenant(1)));
    assert_eq!(insert(), Err(StorageError::Busy));
    assert_eq!(read(&store, |tx| tx.tenants(TenantScope::All)), []);
    intruder.batch_execute("ROLLBACK").unwrap();
    assert_eq!(insert(), Ok(()));
}

/// The state of the database that look-ups keep must not keep the write-ahead log from starting at its beginning again.
pub fn look_ups_let_the_log_start_anew(db: &Database) {
    let (types, nobody) = (TokenTypes::default(), ClientId::try_from("nobody".to_owned()).unwrap());
    let log = path(&db.options).with_file_name("claviger.db-wal");
    // Eight MB in all, of which each makes some 40 KB.
    for number in 0..200 {
        write(&db.store, move |tx| {
            (0..10).try_for_each(|place| tx.insert_tenant(&objects::tenant(10 * number + place + 1)))
        });
        assert_eq!(db.store.find_token_client_at_once(&nobody, None, &types), Some(Ok(None)));
    }
    let written = std::fs::metadata(path(&db.options)).unwrap().len();
    let length = std::fs::metadata(log).unwrap().len();
    assert!(length < 6_000_000, "{length} bytes of log, {written} of the database");
}
