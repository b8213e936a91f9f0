//! Searches for keys answer as a naive model does, and so do the questions about kids and expirations.

use std::cell::Cell;
use std::cmp::Ordering;
use std::collections::BTreeMap;

use claviger_domain::{
    Instant, Key, KeyAlgorithm, KeyColumn, KeyId, KeyOrder, KeySearch, KeyType, NamePattern, SortColumn, fold,
};
use claviger_storage::{Entity, KeyPage, StorageError, StoredKey, TxError};
use proptest::collection::vec;
use proptest::option::{of, weighted};
use proptest::prelude::*;
use proptest::sample::select;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use crate::support::{Database, objects, read, write};

/// Letters that differ in case, what `LIKE` treats specially, quotes, and letters whose lower case is longer or absent.
const ALPHABET: [&str; 20] = [
    "a",
    "A",
    "b",
    "B",
    "%",
    "_",
    "\\",
    "*",
    "'",
    "\"",
    "ä",
    "Ä",
    "ß",
    "İ",
    "i",
    "\u{307}",
    "Σ",
    "ς",
    " ",
    "\u{10ffff}",
];

pub fn text(length: std::ops::Range<usize>) -> impl Strategy<Value = String> {
    vec(select(ALPHABET.to_vec()), length).prop_map(|parts| parts.concat())
}

pub fn runner(cases: u32) -> TestRunner {
    let config = Config { cases, failure_persistence: None, ..Config::default() };
    TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha))
}

/// Keys with few values in each column, so that there are many ties.
fn some_keys() -> Vec<StoredKey> {
    let instant = || select(vec![i64::MIN, -1, 0, 5, i64::MAX]).prop_map(Instant::from_epoch_millis);
    let one = (
        any::<u128>(),
        text(0..4),
        of(select(KeyAlgorithm::ALL.to_vec())),
        select(KeyType::ALL.to_vec()),
        of(instant()),
        instant(),
    );
    let rows = vec(one, 150).new_tree(&mut runner(1)).unwrap().current();
    // Names are unique and not blank.
    let by_name: BTreeMap<_, _> = rows.into_iter().map(|row| (format!("{}k", row.1), row)).collect();
    assert!(by_name.len() > 60, "{}", by_name.len());
    let made = |(name, (id, _, algorithm, key_type, expiration_instant, insert_instant)): (String, _)| {
        let mut stored = objects::key(id);
        stored.key.name = objects::name(&name);
        stored.key.algorithm = algorithm;
        stored.key.key_type = key_type;
        stored.key.expiration_instant = expiration_instant;
        stored.key.insert_instant = insert_instant;
        stored
    };
    by_name.into_iter().map(made).collect()
}

fn insert(db: &Database, keys: &[StoredKey]) {
    let written = keys.to_vec();
    write(&db.store, move |tx| written.iter().try_for_each(|key| tx.insert_key(key)));
}

/// A search, with the text that its pattern was read from.
fn a_search() -> impl Strategy<Value = (Option<String>, KeySearch)> {
    let order = (select(KeyColumn::ALL.to_vec()), any::<bool>())
        .prop_map(|(column, descending)| KeyOrder { column, descending });
    // Each filter now and then: all of them together leave hardly anything.
    let filters = (
        weighted(0.5, text(0..3)),
        weighted(0.2, select(KeyAlgorithm::ALL.to_vec())),
        weighted(0.2, select(KeyType::ALL.to_vec())),
    );
    let rows = || prop_oneof![4 => 0..10_u64, 2 => 0..200_u64, 1 => Just(u64::MAX)];
    let pages = (rows(), rows());
    (filters, vec(order, 0..4), pages).prop_map(|((name, algorithm, key_type), order, pages)| {
        let pattern = name.as_deref().map(NamePattern::parse);
        let search = KeySearch {
            name: pattern,
            algorithm,
            key_type,
            order,
            start_row: pages.0,
            number_of_results: pages.1,
        };
        (name, search)
    })
}

/// Whether a name fits what a caller wrote, from the description of patterns alone.
pub fn fits(name: &str, wanted: &str) -> bool {
    fn matches(name: &[char], pattern: &[Option<char>]) -> bool {
        match pattern.split_first() {
            None => name.is_empty(),
            Some((None, rest)) => (0..=name.len()).any(|from| matches(&name[from..], rest)),
            Some((Some(one), rest)) => name.first() == Some(one) && matches(&name[1..], rest),
        }
    }
    let wanted = fold(wanted.trim());
    let mut pattern: Vec<Option<char>> = Vec::new();
    for (number, piece) in wanted.split("**").enumerate() {
        if number > 0 {
            pattern.push(Some('*'));
        }
        pattern.extend(piece.chars().map(|letter| (letter != '*').then_some(letter)));
    }
    if !wanted.contains('*') {
        pattern.insert(0, None);
        pattern.push(None);
    }
    matches(&fold(name).chars().collect::<Vec<_>>(), &pattern)
}

fn compare(a: &Key, b: &Key, order: &[KeyOrder]) -> Ordering {
    let by = |column| match column {
        KeyColumn::Algorithm => {
            a.algorithm.map(KeyAlgorithm::as_str).cmp(&b.algorithm.map(KeyAlgorithm::as_str))
        }
        KeyColumn::Expiration => a.expiration_instant.cmp(&b.expiration_instant),
        KeyColumn::Id => a.id.to_string().cmp(&b.id.to_string()),
        KeyColumn::Insert => a.insert_instant.cmp(&b.insert_instant),
        KeyColumn::Name => {
            let (a, b) = (a.name.as_str(), b.name.as_str());
            (fold(a), a).cmp(&(fold(b), b))
        }
        KeyColumn::Type => a.key_type.as_str().cmp(b.key_type.as_str()),
    };
    let criterion = |order: &KeyOrder| {
        if order.descending { by(order.column).reverse() } else { by(order.column) }
    };
    order.iter().map(criterion).find(|result| result.is_ne()).unwrap_or_else(|| by(KeyColumn::Id))
}

fn model(keys: &[StoredKey], name: Option<&str>, search: &KeySearch) -> KeyPage {
    let mut found: Vec<Key> = keys
        .iter()
        .map(|stored| stored.key.clone())
        .filter(|key| name.is_none_or(|name| fits(key.name.as_str(), name)))
        .filter(|key| search.algorithm.is_none() || key.algorithm == search.algorithm)
        .filter(|key| search.key_type.is_none_or(|kind| key.key_type == kind))
        .collect();
    found.sort_by(|a, b| compare(a, b, &search.order));
    let bounded = |number: u64| usize::try_from(number).unwrap();
    let page = found.iter().skip(bounded(search.start_row)).take(bounded(search.number_of_results));
    KeyPage { keys: page.cloned().collect(), total: found.len() as u64 }
}

pub fn searches_agree_with_a_model(db: &Database) {
    let keys = some_keys();
    insert(db, &keys);
    let matches = Cell::new(0);
    runner(600)
        .run(&a_search(), |(name, search)| {
            let page = read(&db.store, |tx| tx.search_keys(&search));
            matches.set(matches.get() + u32::from(!page.keys.is_empty()));
            prop_assert_eq!(page, model(&keys, name.as_deref(), &search));
            Ok(())
        })
        .unwrap();
    assert!(matches.get() > 150, "only {} searches found something", matches.get());
}

pub fn pages_make_up_the_whole(db: &Database) {
    let keys = some_keys();
    insert(db, &keys);
    for &column in KeyColumn::ALL {
        for descending in [false, true] {
            let order = vec![KeyOrder { column, descending }];
            let whole = KeySearch { order, number_of_results: u64::MAX, ..KeySearch::default() };
            let expected = model(&keys, None, &whole).keys;
            let mut seen = Vec::new();
            loop {
                let start_row = seen.len() as u64;
                let search = KeySearch { start_row, number_of_results: 7, ..whole.clone() };
                let page = read(&db.store, |tx| tx.search_keys(&search));
                assert_eq!(page.total, keys.len() as u64);
                if page.keys.is_empty() {
                    break;
                }
                seen.extend(page.keys);
            }
            assert_eq!(seen, expected, "{column:?} {descending}");
            assert_eq!(read(&db.store, |tx| tx.search_keys(&whole)).keys, expected);
        }
    }
}

pub fn searches_have_bounds(db: &Database) {
    // More than are loaded by one statement.
    let keys: Vec<_> = (1..=1_203).map(objects::key).collect();
    insert(db, &keys);
    let search = |start_row, number_of_results, name: &str| {
        let name = Some(NamePattern::parse(name));
        let search = KeySearch { start_row, number_of_results, name, ..KeySearch::default() };
        let page = read(&db.store, |tx| tx.search_keys(&search));
        (page.keys.len(), page.total)
    };
    assert_eq!(search(0, u64::MAX, ""), (1_203, 1_203));
    assert_eq!(search(0, 0, ""), (0, 1_203));
    assert_eq!(search(1_200, 25, ""), (3, 1_203));
    assert_eq!(search(1_203, 25, ""), (0, 1_203));
    assert_eq!(search(u64::MAX, u64::MAX, ""), (0, 1_203));
    assert_eq!(search(0, 25, "key 12"), (15, 15));
    assert_eq!(search(0, 25, "key 12*"), (15, 15));
    assert_eq!(search(0, 25, "*key 12"), (1, 1));
    assert_eq!(search(0, 25, "nothing"), (0, 0));
    // What neither database could compare.
    assert_eq!(search(0, 25, "key\u{0}1"), (0, 0));
    assert_eq!(search(0, 25, &"k".repeat(100_000)), (0, 0));
    assert_eq!(search(0, 25, &"*k".repeat(382)), (0, 0));
    let default = read(&db.store, |tx| tx.search_keys(&KeySearch::default()));
    assert_eq!((default.keys.len(), default.total), (25, 1_203));
    assert_eq!(default.keys[1].name.as_str(), "key 10");
}

pub fn special_characters_are_literal(db: &Database) {
    let names = ["50%", "501", "a_b", "aXb", "c\\d", "cd", "e*f", "egf", "O'Neil \"x\"", "Straße", "ÄÖÜ"];
    let keys: Vec<_> = (1_u128..)
        .zip(names)
        .map(|(number, name)| {
            let mut stored = objects::key(number);
            stored.key.name = objects::name(name);
            stored
        })
        .collect();
    insert(db, &keys);
    for (pattern, expected) in [
        ("50%", vec!["50%"]),
        ("0%*", vec![]),
        ("*0%", vec!["50%"]),
        ("A_B", vec!["a_b"]),
        ("c\\d", vec!["c\\d"]),
        ("\\", vec!["c\\d"]),
        ("e**f", vec!["e*f"]),
        ("e*f", vec!["e*f", "egf"]),
        ("**", vec![]),
        ("***", vec![]),
        ("***f*", vec![]),
        ("'neil \"", vec!["O'Neil \"x\""]),
        ("STRASSE", vec![]),
        ("straße", vec!["Straße"]),
        ("äö", vec!["ÄÖÜ"]),
        ("%", vec!["50%"]),
        ("_", vec!["a_b"]),
    ] {
        let search = KeySearch { name: Some(NamePattern::parse(pattern)), ..KeySearch::default() };
        let page = read(&db.store, |tx| tx.search_keys(&search));
        let found: Vec<_> = page.keys.iter().map(|key| key.name.as_str()).collect();
        assert_eq!((found.len() as u64, found), (page.total, expected), "{pattern}");
    }
}

pub fn renamed_keys_are_found_by_their_new_name(db: &Database) {
    insert(db, &[objects::key(1)]);
    write(&db.store, |tx| {
        let mut key = objects::key(1).key;
        key.name = objects::name("ÜBER");
        tx.rename_key(&key).map(drop)
    });
    for (name, found) in [("über", 1), ("key", 0)] {
        let search = KeySearch { name: Some(NamePattern::parse(name)), ..KeySearch::default() };
        assert_eq!(read(&db.store, |tx| tx.search_keys(&search)).total, found, "{name}");
    }
}

pub fn expirations_are_counted_and_listed(db: &Database) {
    let keys = some_keys();
    insert(db, &keys);
    let mut ending: Vec<&Key> =
        keys.iter().map(|stored| &stored.key).filter(|key| key.expiration_instant.is_some()).collect();
    ending.sort_by_key(|key| (key.expiration_instant, key.id.to_string()));
    assert!(ending.len() > 20);
    let before = |instant| ending.iter().filter(|key| key.expiration_instant < Some(instant)).count();

    // Unsorted, with one twice, and with the ends of the range.
    let boundaries =
        [5, i64::MIN, -1, 1, 5, i64::MAX, 0, i64::MIN + 1].map(Instant::from_epoch_millis).to_vec();
    let expected: Vec<u64> = boundaries.iter().map(|boundary| before(*boundary) as u64).collect();
    assert!(expected.contains(&0) && expected.iter().filter(|count| **count > 0).count() > 4);
    assert_eq!(read(&db.store, |tx| tx.key_expirations(&boundaries)), expected);
    assert_eq!(read(&db.store, |tx| tx.key_expirations(&[])), Vec::<u64>::new());

    for boundary in boundaries {
        for limit in [0, 3, usize::MAX] {
            let found = read(&db.store, |tx| tx.keys_expiring_before(boundary, limit));
            let expected: Vec<Key> =
                ending.iter().take(before(boundary).min(limit)).map(|key| (*key).clone()).collect();
            assert_eq!(found, expected, "{boundary} {limit}");
        }
    }
}

pub fn keys_are_found_with_their_material_and_kids_are_told(db: &Database) {
    let mut bare = objects::key(2);
    bare.sealed_material = None;
    insert(db, &[objects::key(1), bare.clone(), objects::key(3)]);
    let find = |number| read(&db.store, |tx| tx.find_key_with_material(KeyId::from_u128(number)));
    assert_eq!((find(1), find(2), find(4)), (Some(objects::key(1)), Some(bare.clone()), None));

    let mut kids = Vec::new();
    read(&db.store, |tx| tx.for_each_kid(&mut |id, kid| kids.push((id, kid))));
    kids.sort_unstable();
    let expected = |numbers: &[u128]| -> Vec<_> {
        numbers.iter().map(|number| objects::key(*number).key).map(|key| (key.id, key.kid)).collect()
    };
    assert_eq!(kids, expected(&[1, 2, 3]));

    // A row that makes no sense does not keep the others back.
    db.execute(&format!("UPDATE \"key\" SET id = 'nonsense' WHERE id = '{}'", KeyId::from_u128(1)));
    kids.clear();
    let outcome = db.store.read::<(), ()>(|tx| Ok(tx.for_each_kid(&mut |id, kid| kids.push((id, kid)))?));
    let corrupt = StorageError::Corrupt {
        entity: Entity::Key,
        id: String::from("nonsense"),
        reason: String::from("id"),
    };
    assert_eq!(outcome, Err(TxError::Storage(corrupt)));
    kids.sort_unstable();
    assert_eq!(kids, expected(&[2, 3]));
}
