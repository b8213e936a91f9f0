//! Migrations, and the schema that they make.

use std::collections::BTreeSet;
use std::sync::Barrier;

use claviger_domain::{
    ApiKey, ApiKeyDigest, ApiKeyId, Instant, KeyId, KeySearch, NamePattern, Permissions, Revision, Sealed,
    TenantId, TenantScope, fold,
};
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

/// The version of the migration before the one that added what restricts API keys.
const BEFORE_ACCESS_RULES: &str = "20261121131801";

/// One key of each kind that the program before could not restrict as it was, and one of each kind of name.
fn insert_restricted_keys(db: &Database) {
    write(&db.store, |tx| {
        tx.insert_tenant(&objects::tenant(1))?;
        tx.insert_ip_access_control_list(&objects::list(1))?;
        tx.insert_role(&objects::role(1))?;
        for number in 1..=9 {
            let mut stored = objects::api_key(number, None);
            let key = &mut stored.api_key;
            key.expiration_instant = Some(Instant::from_epoch_millis(1_000));
            match number {
                1 => key.tenant_id = Some(TenantId::from_u128(1)),
                2 => key.disabled = true,
                3 => {
                    key.ip_access_control_list_id = Some(objects::list_id(1));
                    key.expiration_instant = None;
                }
                4 => key.permissions = Permissions::Roles(vec![objects::role_name("role 1")]),
                5 => key.permissions = Permissions::All,
                6 => (key.name, key.name_repeats) = (Some(objects::name("alone")), true),
                7 => (key.name, key.name_repeats) = (Some(objects::name("api key 1")), true),
                _ => {
                    key.fusion_id = Some(objects::fusion_id(&format!("id {number}")));
                    (key.name, key.name_repeats) = (Some(objects::name("twins")), true);
                }
            }
            tx.insert_api_key(&stored)?;
        }
        Ok(())
    });
    // As if a key with roles had lost its mark.
    let id = ApiKeyId::from_u128(9);
    db.execute(&format!("UPDATE api_key SET roles = '[]', permissions = NULL WHERE id = '{id}'"));
}

pub fn schema_goes_down_without_giving_rights(db: &Database) {
    let before = dump(db);
    // What there was already comes up as it was.
    let older = db.store.migrate_down(BEFORE_ACCESS_RULES).unwrap();
    let bytes = match db.kind {
        #[cfg(feature = "sqlite")]
        Kind::Sqlite => "x'", // A literal of bytes.
        #[cfg(feature = "postgres")]
        Kind::Postgres => "'\\x",
    };
    let id = ApiKeyId::from_u128(77);
    db.execute(&format!(
        "INSERT INTO api_key (id, revision, digest, sealed_value, name, permissions, key_manager, retrievable, \
         expiration_instant, attributes, insert_instant, last_update_instant) VALUES \
         ('{id}', 3, {bytes}{}', {bytes}0102', 'old', 'GET:/api/user', TRUE, FALSE, 4, '{{\"a\":\"b\"}}', 5, 6)",
        "d1".repeat(32)
    ));
    assert_eq!(db.store.migrate_up(), Ok(older));
    let old = read(&db.store, |tx| tx.find_api_key(id, TenantScope::All)).unwrap();
    let mut expected = objects::api_key(77, None);
    expected.digest = ApiKeyDigest::from_bytes([0xd1; 32]);
    expected.sealed_value = Some(Sealed::from(vec![1, 2]));
    expected.api_key = ApiKey {
        revision: Revision::from_number(3),
        name: Some(objects::name("old")),
        attributes: [(String::from("a"), String::from("b"))].into(),
        permissions: Permissions::Only("GET:/api/user".parse().unwrap()),
        key_manager: true,
        retrievable: false,
        expiration_instant: Some(Instant::from_epoch_millis(4)),
        insert_instant: Instant::from_epoch_millis(5),
        last_update_instant: Instant::from_epoch_millis(6),
        ..expected.api_key
    };
    assert_eq!(old, expected);
    write(&db.store, move |tx| tx.delete_api_key(id, TenantScope::All));

    insert_restricted_keys(db);
    assert_eq!(db.store.migrate_down(BEFORE_ACCESS_RULES), Ok(older));
    let rows = |columns: &str| db.texts(&format!("SELECT {columns} AS value FROM api_key ORDER BY id"));
    let rights = "coalesce(permissions, 'all') || ' ' || coalesce(expiration_instant, -1)";
    let ordinary = "GET,POST:/api/user 1000";
    let ended = "GET,POST:/api/user 0";
    assert_eq!(
        rows(rights),
        [ordinary, ended, ended, " 1000", "all 1000", ordinary, ordinary, ordinary, " 1000"]
    );
    let names = rows("coalesce(name, '-')");
    assert_eq!(
        names,
        ["api key 1", "api key 2", "api key 3", "api key 4", "api key 5", "alone", "-", "-", "-"]
    );
    // All else is as it was.
    let rest = "revision || ' ' || coalesce(tenant_id, '-') || ' ' || attributes || ' ' \
                || insert_instant || ' ' || last_update_instant";
    let mut expected = vec![String::from("1 - {\"description\":\"for tests\"} 1 2"); 9];
    expected[0] = expected[0].replace('-', &TenantId::from_u128(1).to_string());
    assert_eq!(rows(rest), expected);

    // Whatever was restricted comes up again as the older program left it.
    assert_eq!(db.store.migrate_up(), Ok(older));
    assert_eq!((dump(db), rows(rights).len()), (before, 9));
    let keys = read(&db.store, |tx| tx.list_api_keys(TenantScope::All));
    assert!(keys.iter().all(|key| {
        let plain = key.fusion_id.is_none() && key.ip_access_control_list_id.is_none();
        plain && !key.disabled && !key.name_repeats
    }));
    let all: Vec<u128> =
        keys.iter().filter(|key| key.permissions == Permissions::All).map(|key| key.id.as_u128()).collect();
    assert_eq!(all, [5]);
    assert_eq!(read(&db.store, |tx| tx.roles(None)), []);
    assert_eq!(read(&db.store, |tx| tx.ip_access_control_lists()), []);
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

/// What only nodes on PostgreSQL use, in statements of their own.
#[cfg(feature = "postgres")]
const OF_NODES: [&str; 4] = [
    "node.applied BigInt not null",
    "node.id Text not null",
    "node.lease_milliseconds BigInt not null",
    "node.renewed BigInt not null",
];

pub fn schema_is_what_diesel_expects(db: &Database) {
    let query = match db.kind {
        // SQLite has no type for bytes: what has a check for 0 and 1 is one.
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
    let mut expected = expected();
    match db.kind {
        // Transactions have no numbers there.
        #[cfg(feature = "sqlite")]
        Kind::Sqlite => assert!(expected.remove("change.transaction_id BigInt null")),
        #[cfg(feature = "postgres")]
        Kind::Postgres => expected.extend(OF_NODES.map(String::from)),
    }
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
