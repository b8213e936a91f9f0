//! How long searches take among a hundred thousand keys with 3 KB of PEM each: on SQLite, and on PostgreSQL when
//! `CLAVIGER_TEST_POSTGRES_URL` names a server whose user may create schemas.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::allow_attributes,
    missing_docs,
    reason = "test code"
)]

use std::time::{Duration, Instant as Stopwatch};

use claviger_domain::{
    Instant, KeyAlgorithm, KeyColumn, KeyOrder, KeySearch, KeyType, NamePattern, SortColumn,
};
use claviger_storage::{DatabaseUrl, ReadTransaction, StorageError, Store, StoreOptions};
use criterion::{Criterion, criterion_group, criterion_main};
use diesel::connection::SimpleConnection;

const KEYS: u32 = 100_000;
/// The time of the first of [`KEYS`] expirations, which are an hour apart.
const FIRST_EXPIRATION: i64 = 1_700_000_000_000;

/// Letters that do not compress, as base64 (SplitMix64).
fn letters(length: usize) -> String {
    let letter = |number: u64| {
        let mut word = number.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        word = (word ^ (word >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        char::from(b'A' + u8::try_from((word ^ (word >> 31)) % 57).unwrap())
    };
    (0..length as u64).map(letter).map(|letter| if letter == '\\' { '/' } else { letter }).collect()
}

/// The keys, in one statement that both databases understand. A tenth has no algorithm, a third does not end; names, ids
/// and instants are in different orders.
fn keys() -> String {
    let (public_key, certificate) = (letters(800), letters(2_200));
    format!(
        "WITH RECURSIVE number (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM number WHERE i < {KEYS} - 1), \
         shuffled (i, j) AS (SELECT i, (i * 7919) % 100003 FROM number) \
         INSERT INTO \"key\" (id, revision, name, kid, key_type, algorithm, length, issuer, public_key, \
             certificate, has_private_key, shadow, expiration_instant, insert_instant, last_update_instant) \
         SELECT '00000000-0000-4000-8000-' || CAST(100000000000 + j AS TEXT), 1, \
             'Signing key ' || CAST(i AS TEXT) || ' of Customer ' || CAST(j % 1000 AS TEXT), \
             'kid of a usual length, as of SHA-256: ' || CAST(i AS TEXT), \
             CASE i % 3 WHEN 0 THEN 'EC' WHEN 1 THEN 'HMAC' ELSE 'RSA' END, \
             CASE WHEN j % 10 = 0 THEN NULL WHEN i % 3 = 0 THEN 'ES256' WHEN i % 3 = 1 THEN 'HS256' ELSE 'RS256' END, \
             2048, 'acme.com', '{public_key}', '{certificate}', TRUE, FALSE, \
             CASE WHEN j % 3 = 0 THEN NULL ELSE {FIRST_EXPIRATION} + j * CAST(3600000 AS BIGINT) END, \
             {FIRST_EXPIRATION} - j * CAST(60000 AS BIGINT), 0 \
         FROM shuffled"
    )
}

/// Opens a database, puts the keys in behind the store's back, and lets it fill the column of folded names.
fn filled(database: &str, url: DatabaseUrl, connection: &mut dyn SimpleConnection) -> Store {
    let store = Store::open(&StoreOptions::new(url)).unwrap();
    store.migrate_up().unwrap();
    connection.batch_execute(&keys()).unwrap();
    let start = Stopwatch::now();
    store.migrate_up().unwrap();
    println!("{database}: {KEYS} names folded in {:.2} s", start.elapsed().as_secs_f64());
    store
}

fn measure<T>(
    criterion: &mut Criterion,
    store: &Store,
    name: &str,
    query: impl Fn(&mut ReadTransaction<'_>) -> Result<T, StorageError>,
) {
    criterion.bench_function(name, |bencher| {
        bencher.iter(|| store.read::<_, ()>(|tx| Ok(query(tx)?)).unwrap());
    });
}

fn searches() -> Vec<(String, u64, KeySearch)> {
    let all = u64::from(KEYS);
    let named = |text: &str| KeySearch { name: Some(NamePattern::parse(text)), ..KeySearch::default() };
    let mut searches = vec![
        (String::from("default"), all, KeySearch::default()),
        (String::from("page 3000"), all, KeySearch { start_row: 75_000, ..KeySearch::default() }),
        (String::from("name, a tenth"), 11_100, named("customer 7")),
        (String::from("name, one"), 1, named("KEY 77777 of")),
        (String::from("name, none"), 0, named("payments")),
        (String::from("type"), all / 3, KeySearch { key_type: Some(KeyType::Rsa), ..KeySearch::default() }),
        (
            String::from("algorithm"),
            29_997,
            KeySearch { algorithm: Some(KeyAlgorithm::Rs256), ..KeySearch::default() },
        ),
        (
            String::from("algorithm, none"),
            0,
            KeySearch { algorithm: Some(KeyAlgorithm::Es512), ..KeySearch::default() },
        ),
    ];
    for &column in KeyColumn::ALL {
        for descending in [false, true] {
            let direction = if descending { "DESC" } else { "ASC" };
            let order = vec![KeyOrder { column, descending }];
            let name = format!("{} {direction}", column.as_str());
            searches.push((name, all, KeySearch { order: order.clone(), ..KeySearch::default() }));
        }
    }
    let order = vec![KeyOrder { column: KeyColumn::Expiration, descending: true }];
    let both = KeySearch { order, ..named("customer 7") };
    searches.push((String::from("name, a tenth, expiration DESC"), 11_100, both));
    searches
}

fn measure_all(criterion: &mut Criterion, database: &str, store: &Store) {
    for (name, total, search) in searches() {
        let page = store.read::<_, ()>(|tx| Ok(tx.search_keys(&search)?)).unwrap();
        assert!(page.total.abs_diff(total) < 100, "{name}: {}", page.total);
        measure(criterion, store, &format!("{database}, search, {name}"), |tx| tx.search_keys(&search));
    }
    let day = 24 * 3_600_000;
    let now = FIRST_EXPIRATION + 1_000 * day;
    let boundaries = [0, 7, 30, 90].map(|days| Instant::from_epoch_millis(now + days * day));
    measure(criterion, store, &format!("{database}, key_expirations"), |tx| tx.key_expirations(&boundaries));
    measure(criterion, store, &format!("{database}, keys_expiring_before, 10"), |tx| {
        tx.keys_expiring_before(boundaries[3], 10)
    });
    measure(criterion, store, &format!("{database}, for_each_kid"), |tx| {
        let mut count = 0_u32;
        tx.for_each_kid(&mut |_, _| count += 1)?;
        assert_eq!(count, KEYS);
        Ok(())
    });
}

#[cfg(feature = "sqlite")]
fn sqlite(criterion: &mut Criterion) {
    use diesel::prelude::*;

    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("claviger.db");
    let mut connection = SqliteConnection::establish(path.to_str().unwrap()).unwrap();
    let store = filled("SQLite", DatabaseUrl::Sqlite(path), &mut connection);
    drop(connection);
    measure_all(criterion, "SQLite", &store);
}

#[cfg(feature = "postgres")]
fn postgres(criterion: &mut Criterion) {
    use diesel::prelude::*;

    let Ok(server) = std::env::var("CLAVIGER_TEST_POSTGRES_URL") else {
        return println!("PostgreSQL: skipped, CLAVIGER_TEST_POSTGRES_URL is not set");
    };
    let schema = format!("bench{}", std::process::id());
    let mut connection = PgConnection::establish(&server).unwrap();
    connection.batch_execute(&format!("CREATE SCHEMA {schema}; SET search_path = {schema}")).unwrap();
    let separator = if server.contains('?') { '&' } else { '?' };
    let url = format!("{server}{separator}options=-c%20search_path%3D{schema}").parse().unwrap();
    let store = filled("PostgreSQL", url, &mut connection);
    // As the server does by itself after a while.
    connection.batch_execute("VACUUM ANALYZE \"key\"").unwrap();
    measure_all(criterion, "PostgreSQL", &store);
    drop(store);
    connection.batch_execute(&format!("DROP SCHEMA {schema} CASCADE")).unwrap();
}

fn benches(criterion: &mut Criterion) {
    #[cfg(feature = "sqlite")]
    sqlite(criterion);
    #[cfg(feature = "postgres")]
    postgres(criterion);
}

criterion_group! {
    name = search;
    config = Criterion::default().sample_size(30).measurement_time(Duration::from_secs(2))
        .warm_up_time(Duration::from_millis(300));
    targets = benches
}
criterion_main!(search);
