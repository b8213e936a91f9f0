//! Many API keys as memory is filled with them, by several readers at once.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::available_parallelism;

use claviger_domain::{Actor, ApiKeyId};
use claviger_storage::{DatabaseUrl, Entity, LoadedApiKey, StorageError, Store};

use crate::support::Database;

/// More than one reader takes alone, even without those that are deleted.
const KEYS: u128 = 14_000;
/// Which are.
const GAP: std::ops::Range<u128> = 2_000..5_000;

type Row = Result<LoadedApiKey, StorageError>;

/// As different as random ids, and no two the same.
fn id(number: u128) -> ApiKeyId {
    ApiKeyId::from_u128(number.wrapping_mul(0x9E37_79B9_7F4A_7C15_F39C_C060_5CED_C835))
}

fn fill(db: &Database) {
    let blob = |hex: String| match db.options.url {
        DatabaseUrl::Sqlite(_) => format!("x'{hex}'"),
        DatabaseUrl::Postgres(_) => format!("'\\x{hex}'"),
    };
    for start in (0..KEYS).step_by(1_000) {
        let rows: Vec<_> = (start..start + 1_000)
            .map(|number| {
                let id = id(number);
                let digest = blob(format!("{number:064x}"));
                let permissions = format!("GET:/v1/{}", number % 7);
                format!("('{id}',1,{digest},'key {number}','key {number}','{permissions}',false,false,'{{}}',1,1,false)")
            })
            .collect();
        db.execute(&format!(
            "INSERT INTO api_key (id, revision, digest, name, name_folded, permissions, key_manager, retrievable, \
             attributes, insert_instant, last_update_instant, disabled) VALUES {}",
            rows.join(",")
        ));
    }
    let earlier = blob(format!("{:064x}", u128::MAX));
    db.execute(&format!(
        "INSERT INTO api_key_previous_digest (digest, api_key_id, revision, valid_until) VALUES ({earlier}, '{}', 1, 9)",
        id(5)
    ));
    // Rows that make no sense, two of them before and after all ids, and a gap.
    for (number, change) in
        [(1, "id = ''"), (2, "id = 'zzz'"), (3, "permissions = 'x'"), (4, "attributes = '[]'")]
    {
        db.execute(&format!("UPDATE api_key SET {change} WHERE id = '{}'", id(number)));
    }
    let gap: Vec<_> = GAP.map(|number| format!("'{}'", id(number))).collect();
    db.execute(&format!("DELETE FROM api_key WHERE id IN ({})", gap.join(",")));
}

/// What comes, sorted, and how many streams it came in.
fn load(store: &Store) -> (Vec<Row>, usize) {
    let (rows, streams) = (Mutex::new(Vec::new()), AtomicUsize::new(0));
    store
        .read_between_commits::<_, ()>(|tx| {
            Ok(store.for_each_api_key_at_once(tx, || {
                streams.fetch_add(1, Ordering::SeqCst);
                |row| rows.lock().unwrap().push(row)
            })?)
        })
        .unwrap();
    (sorted(rows.into_inner().unwrap()), streams.into_inner())
}

fn one_stream(store: &Store) -> Vec<Row> {
    let mut rows = Vec::new();
    store.read::<_, ()>(|tx| Ok(tx.for_each_api_key(&mut |row| rows.push(row))?)).unwrap();
    sorted(rows)
}

fn sorted(mut rows: Vec<Row>) -> Vec<Row> {
    rows.sort_by_key(|row| match row {
        Ok((digest, ..)) => (*digest.as_bytes(), String::new()),
        Err(error) => ([0; 32], error.to_string()),
    });
    rows
}

pub fn several_readers_pass_on_each_key_once(db: &Database) {
    assert_eq!(load(&db.store), (Vec::new(), 1));
    fill(db);
    let (rows, streams) = load(&db.store);
    let expected = one_stream(&db.store);
    assert_eq!(rows.len() as u128, KEYS - (GAP.end - GAP.start));
    assert!(rows == expected, "the readers together pass on something else than one does");
    // Besides what tells of earlier values that make no sense, there is one for each thread.
    assert!(streams > 1 || available_parallelism().unwrap().get() == 1, "{streams}");
    let reasons: Vec<_> = rows
        .iter()
        .filter_map(|row| match row {
            Err(StorageError::Corrupt { entity: Entity::ApiKey, reason, .. }) => Some(reason.as_str()),
            _ => None,
        })
        .collect();
    assert_eq!(reasons.len(), 4, "{reasons:?}");
    let earlier: Vec<_> = rows.iter().flatten().filter(|(.., previous)| !previous.is_empty()).collect();
    assert_eq!(earlier.iter().map(|(_, api_key, _)| api_key.id).collect::<Vec<_>>(), [id(5)]);
}

/// Nobody else sees what is not committed.
pub fn one_transaction_is_read_by_itself(db: &Database) {
    fill(db);
    let expected = one_stream(&db.store);
    db.store
        .in_one_transaction(Actor::Kickstart, |inner| {
            let (rows, streams) = load(inner);
            assert!(rows == expected && streams == 1, "{streams}");
            Ok::<_, StorageError>(())
        })
        .unwrap();
}
