//! Migrations, and the schema that they make.

use std::collections::BTreeSet;
use std::sync::Barrier;

use claviger_domain::{KeyId, KeySearch, NamePattern, TenantScope, fold};
use claviger_storage::{StorageError, Store};

use crate::support::{Database, Kind, objects, read, write};

/// Everything that was defined, one text for each thing.
fn dump(db: &Database) -> BTreeSet<String> {
    let query = match db.kind {
        #[cfg(feature = "sqlite")]
        Kind::Sqlite => {
            "SELECT name || ': ' || coalesce(sql, '') AS value FROM sqlite_schema \
             WHERE name NOT LIKE '\\_\\_diesel%' ESCAPE '\\' AND name NOT LIKE 'sqlite%'"
        }
        #[cfg(feature = "postgres")]
        Kind::Postgres => {
            "SELECT table_name || '.' || column_name || ' ' || data_type || ' ' || is_nullable \
                    || coalesce(' ' || collation_name, '') AS value \
             FROM information_schema.columns \
             WHERE table_schema = current_schema() AND table_name NOT LIKE '\\_\\_diesel%' \
             UNION ALL SELECT conname || ' ' || pg_get_constraintdef(oid) FROM pg_constraint \
             WHERE connamespace = current_schema()::regnamespace AND conname NOT LIKE '\\_\\_diesel%' \
             UNION ALL SELECT indexdef FROM pg_indexes \
             WHERE schemaname = current_schema() AND tablename NOT LIKE '\\_\\_diesel%'"
        }
    };
    db.texts(query).into_iter().collect()
}

/// Lets six processes migrate at once, or on SQLite six threads of the one that may. Returns how often a migration ran.
fn migrate_at_once(db: &Database) -> usize {
    let stores: Vec<Store> = (0..6)
        .map(|_| match db.kind {
            #[cfg(feature = "sqlite")]
            Kind::Sqlite => db.store.clone(),
            #[cfg(feature = "postgres")]
            Kind::Postgres => Store::open(&db.options).unwrap(),
        })
        .collect();
    let barrier = Barrier::new(stores.len());
    let migrate = |store: &Store| {
        barrier.wait();
        let done = store.migrate_up().unwrap();
        store.check_schema().unwrap();
        done
    };
    std::thread::scope(|scope| {
        let migrate = &migrate;
        let threads: Vec<_> = stores.iter().map(|store| scope.spawn(move || migrate(store))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    })
}

pub fn schema_six_migrators_at_once(db: &Database) {
    db.store.migrate_down("0").unwrap();
    let done = migrate_at_once(db);
    assert_eq!(done, db.store.migrations().unwrap().len());
}

pub fn schema_goes_down_and_up(db: &Database) {
    let before = dump(db);
    assert!(before.len() > 8, "{before:?}");
    write(&db.store, |tx| tx.insert_tenant(&objects::tenant(1)));
    let all = db.store.migrations().unwrap();
    let newest = all.last().unwrap().version.clone();
    assert_eq!(db.store.migrate_down(&newest), Ok(0));
    assert!(matches!(db.store.migrate_down("20000101000000"), Err(StorageError::Backend(_))));
    assert_eq!(read(&db.store, |tx| tx.tenants(TenantScope::All)).len(), 1);
    assert_eq!(db.store.migrate_down("0"), Ok(all.len()));
    assert_eq!(dump(db), BTreeSet::new());
    assert_eq!(db.store.migrate_up(), Ok(all.len()));
    assert_eq!(db.store.migrate_up(), Ok(0));
    assert_eq!(dump(db), before);
    // Connections that were open meanwhile go on.
    write(&db.store, |tx| tx.insert_tenant(&objects::tenant(1)));
    assert_eq!(read(&db.store, |tx| tx.tenants(TenantScope::All)).len(), 1);
}

/// The version of the migration before the one that added the folded names.
const BEFORE_FOLDED_NAMES: &str = "20261121100000";

/// Rows as a program of that time wrote them.
fn insert_old_keys(db: &Database, names: &[String]) {
    let rows: Vec<String> = names
        .iter()
        .enumerate()
        .map(|(number, name)| {
            let id = KeyId::from_u128(number as u128);
            format!("('{id}', 1, '{name}', 'kid {number}', 'RSA', FALSE, FALSE, 0, 0)")
        })
        .collect();
    db.execute(&format!(
        "INSERT INTO \"key\" (id, revision, name, kid, key_type, has_private_key, shadow, insert_instant, \
         last_update_instant) VALUES {}",
        rows.join(",")
    ));
}

pub fn schema_folds_names_that_are_there(db: &Database) {
    let later = db.store.migrate_down(BEFORE_FOLDED_NAMES).unwrap();
    assert!(later > 0);
    // More than are folded in one transaction.
    let mut names: Vec<String> = (0..2_500).map(|number| format!("KEY {number:04}")).collect();
    names.extend(["ÄÖÜ", "İ", "ß", "ΑΣ", "a", "A", "\u{10ffff}"].map(String::from));
    insert_old_keys(db, &names);
    assert_eq!(migrate_at_once(db), later);

    let mut expected: Vec<String> = names.iter().map(|name| format!("{name}>{}", fold(name))).collect();
    expected.sort_unstable();
    let mut found = db.texts("SELECT name || '>' || name_folded AS value FROM \"key\"");
    found.sort_unstable();
    assert_eq!(found, expected);
    for (name, total) in [("äöü", 1), ("İ", 1), ("key 24", 100), ("a", 2)] {
        let search = KeySearch { name: Some(NamePattern::parse(name)), ..KeySearch::default() };
        assert_eq!(read(&db.store, |tx| tx.search_keys(&search)).total, total, "{name}");
    }
    // The way back keeps the keys.
    assert_eq!(db.store.migrate_down(BEFORE_FOLDED_NAMES), Ok(later));
    assert_eq!(db.texts("SELECT name AS value FROM \"key\"").len(), names.len());
    assert_eq!(db.store.migrate_up(), Ok(later));
}

pub fn schema_unfolded_names_are_noticed(db: &Database) {
    // As after a crash between the migration and the folding, or after a program that did not know the column.
    insert_old_keys(db, &[String::from("Ä"), String::from("B")]);
    assert_eq!(db.store.check_schema(), Err(StorageError::MigrationsPending));
    assert_eq!(db.store.migrate_up(), Ok(0));
    assert_eq!(db.store.check_schema(), Ok(()));
    let folded = || db.texts("SELECT name_folded AS value FROM \"key\" ORDER BY id");
    assert_eq!(folded(), ["ä", "b"]);
    // A program that does not know the column renames a key.
    db.execute("UPDATE \"key\" SET name = 'C' WHERE name = 'B'");
    assert_eq!((db.store.migrate_up(), folded()), (Ok(0), vec![String::from("ä"), String::from("c")]));
    // A row without a name keeps nobody from starting.
    db.execute("UPDATE \"key\" SET name = '', name_folded = '' WHERE name = 'Ä'");
    assert_eq!((db.store.migrate_up(), db.store.check_schema()), (Ok(0), Ok(())));
    assert_eq!(folded(), ["", "c"]);
}

/// The columns of `schema.rs`, as `table.column type nullability`.
fn expected() -> BTreeSet<String> {
    let (mut columns, mut table) = (BTreeSet::new(), "");
    for line in include_str!("../../src/schema.rs").lines().map(str::trim) {
        if let Some((column, kind)) = line.trim_end_matches(',').split_once(" -> ") {
            let inner = kind.strip_prefix("Nullable<").and_then(|kind| kind.strip_suffix('>'));
            let nullable = if inner.is_some() { "null" } else { "not null" };
            columns.insert(format!("{table}.{column} {} {nullable}", inner.unwrap_or(kind)));
        } else if let Some((name, _)) = line.split_once(" (") {
            table = name;
        }
    }
    columns
}

pub fn schema_is_what_diesel_expects(db: &Database) {
    let query = match db.kind {
        // SQLite has no type for flags: what has a check for 0 and 1 is one.
        #[cfg(feature = "sqlite")]
        Kind::Sqlite => {
            "SELECT t.name || '.' || c.name || ' ' || CASE \
                 WHEN t.sql LIKE '%CHECK (' || c.name || ' IN (0, 1))%' THEN 'Bool' \
                 ELSE CASE c.type WHEN 'TEXT' THEN 'Text' WHEN 'INTEGER' THEN 'BigInt' \
                 WHEN 'BLOB' THEN 'Binary' ELSE c.type END END \
                 || CASE c.\"notnull\" WHEN 1 THEN ' not null' ELSE ' null' END AS value \
             FROM sqlite_schema t JOIN pragma_table_info(t.name) c \
             WHERE t.type = 'table' AND t.name NOT LIKE '\\_\\_diesel%' ESCAPE '\\' \
             AND t.name NOT LIKE 'sqlite%'"
        }
        #[cfg(feature = "postgres")]
        Kind::Postgres => {
            "SELECT table_name || '.' || column_name || ' ' || CASE data_type \
                 WHEN 'text' THEN 'Text' WHEN 'bigint' THEN 'BigInt' WHEN 'bytea' THEN 'Binary' \
                 WHEN 'boolean' THEN 'Bool' ELSE data_type END \
                 || CASE is_nullable WHEN 'NO' THEN ' not null' ELSE ' null' END AS value \
             FROM information_schema.columns \
             WHERE table_schema = current_schema() AND table_name NOT LIKE '\\_\\_diesel%'"
        }
    };
    let expected = expected();
    assert!(expected.len() > 60 && expected.contains("api_key.digest Binary not null"), "{expected:?}");
    assert_eq!(db.texts(query).into_iter().collect::<BTreeSet<_>>(), expected);
}

pub fn schema_pending_is_noticed(db: &Database) {
    assert_eq!(db.store.check_schema(), Ok(()));
    let applied = db.store.migrations().unwrap();
    assert!(applied.iter().all(|migration| migration.applied));
    assert_eq!((applied[0].version.as_str(), applied[0].name.as_str()), ("20261121100000", "initial"));
    db.store.migrate_down("0").unwrap();
    assert_eq!(db.store.check_schema(), Err(StorageError::MigrationsPending));
    assert!(db.store.migrations().unwrap().iter().all(|migration| !migration.applied));
}
