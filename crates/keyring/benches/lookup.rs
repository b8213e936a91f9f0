//! How long a look-up takes among a thousand and among a million keys, and how much memory a key with a name takes.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::allow_attributes,
    missing_docs,
    reason = "test code"
)]

use std::collections::BTreeMap;
use std::fs;
use std::hint::black_box;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Instant as Stopwatch;

use claviger_domain::{
    ApiKey, ApiKeyDigest, ApiKeyId, Change, Instant, Name, Permissions, Revision, TenantId,
};
use claviger_keyring::Keyring;
use criterion::{Criterion, criterion_group, criterion_main};

/// A page of memory on Linux, in bytes.
const PAGE: u64 = 4096;
/// What a key with a name of 20 bytes may take, in bytes.
const BUDGET: u64 = 150;
/// Different permission sets, as roles of a large installation.
const SETS: u64 = 20;

/// As random as a keyed digest, and the same in each run (SplitMix64).
fn digest(number: u64) -> ApiKeyDigest {
    let mut bytes = [0; 32];
    for (index, chunk) in bytes.chunks_exact_mut(8).enumerate() {
        let mut word = (number * 4 + index as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        word = (word ^ (word >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        chunk.copy_from_slice(&(word ^ (word >> 31)).to_le_bytes());
    }
    ApiKeyDigest::from_bytes(bytes)
}

fn written(number: u64) -> Change {
    let api_key = ApiKey {
        id: ApiKeyId::from_u128(number.into()),
        revision: Revision::FIRST,
        name: Some(Name::try_from(format!("service {number:012}")).unwrap()),
        attributes: BTreeMap::new(),
        permissions: Permissions::Only(
            format!("GET,POST:/api/user\nGET:/v1/{}", number % SETS).parse().unwrap(),
        ),
        key_manager: false,
        tenant_id: Some(TenantId::from_u128((number % 50).into())),
        fusion_id: None,
        name_repeats: false,
        ip_access_control_list_id: None,
        disabled: false,
        retrievable: false,
        expiration_instant: Some(Instant::from_epoch_millis(2_000)),
        insert_instant: Instant::from_epoch_millis(1),
        last_update_instant: Instant::from_epoch_millis(1),
    };
    Change::ApiKeyWritten { digest: digest(number), api_key, previous: Vec::new(), ended: Vec::new() }
}

/// Resident memory of this process in bytes; `None` where there is no `/proc`.
fn resident() -> Option<u64> {
    let statm = fs::read_to_string("/proc/self/statm").ok()?;
    Some(statm.split_whitespace().nth(1)?.parse::<u64>().ok()? * PAGE)
}

fn filled(keys: u64) -> Keyring {
    let keyring = Keyring::new();
    let (before, start) = (resident(), Stopwatch::now());
    for number in 0..keys {
        keyring.apply(&written(number));
    }
    let seconds = start.elapsed().as_secs_f64();
    assert_eq!((keyring.len() as u64, keyring.permission_sets() as u64), (keys, SETS));
    println!("{keys} keys: filled in {seconds:.3} s");
    // A few keys fit into memory that the process holds already.
    if let (Some(before), Some(after), 100_000..) = (before, resident(), keys) {
        let each = after.saturating_sub(before) / keys;
        println!("{keys} keys: {each} bytes per key");
        assert!(each <= BUDGET, "a key takes {each} bytes");
    }
    keyring
}

fn benches(criterion: &mut Criterion) {
    // The large one first, while the process holds no freed memory that would hide what it takes.
    for keys in [1_000_000, 1_000] {
        let keyring = filled(keys);
        // In an order in which neither caches nor prefetchers help, as callers come.
        let order: Vec<u64> =
            (0..65_536_u64).map(|turn| turn.wrapping_mul(0x9E37_79B9_7F4A_7C15) % keys).collect();
        let known: Vec<_> = order.iter().map(|number| digest(*number)).collect();
        let unknown: Vec<_> = order.iter().map(|number| digest(number + keys)).collect();
        for (name, digests, found) in [("known", &known, true), ("unknown", &unknown, false)] {
            assert!(digests.iter().all(|digest| keyring.find(digest).is_some() == found));
            let mut turns = digests.iter().cycle();
            criterion.bench_function(&format!("with, {keys} keys, {name}"), |bencher| {
                bencher.iter(|| {
                    keyring.with(black_box(turns.next().unwrap()), |entry| entry.map(|entry| entry.id))
                });
            });
            criterion.bench_function(&format!("find, {keys} keys, {name}"), |bencher| {
                bencher.iter(|| keyring.find(black_box(turns.next().unwrap())));
            });
        }
        beside_another_reader(criterion, &keyring, &known, keys);
    }
}

/// While another thread looks keys up as well: `find` passes the counters of shared permissions back and forth.
fn beside_another_reader(criterion: &mut Criterion, keyring: &Keyring, known: &[ApiKeyDigest], keys: u64) {
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            for digest in known.iter().cycle() {
                if stop.load(Ordering::Relaxed) {
                    break;
                }
                black_box(keyring.find(digest));
            }
        });
        let mut turns = known.iter().cycle();
        criterion.bench_function(&format!("with, {keys} keys, beside another reader"), |bencher| {
            bencher
                .iter(|| keyring.with(black_box(turns.next().unwrap()), |entry| entry.map(|entry| entry.id)));
        });
        criterion.bench_function(&format!("find, {keys} keys, beside another reader"), |bencher| {
            bencher.iter(|| keyring.find(black_box(turns.next().unwrap())));
        });
        stop.store(true, Ordering::Relaxed);
    });
}

criterion_group! {
    name = lookups;
    config = Criterion::default().sample_size(50);
    targets = benches
}
criterion_main!(lookups);
