//! Look-ups among few and many keys, with keys at random, and beside a thread that tries unknown ones.

use std::collections::BTreeMap;
use std::hint::black_box;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Instant as Stopwatch;

use claviger_domain::{ApiKey, ApiKeyDigest, ApiKeyId, Instant, Name, Permissions, Revision};
use claviger_keyring::Keyring;

use crate::databases::median;

const SIZES: [u64; 5] = [1_000, 10_000, 100_000, 1_000_000, 10_000_000];
const ROUNDS: usize = 5;
const LOOKUPS: u64 = 500_000;
/// Bytes of a key in memory, of which there is an array as large as the keyring to compare with.
const BYTES_PER_KEY: u64 = 140;
/// How many of the keys the flood is measured among, and how much longer look-ups may take beside it than beside another
/// thread that looks up keys which are there.
const FLOOD: u64 = 1_000_000;
const MOST_SLOWER: f64 = 1.1;

/// A number as random as a digest, and the same in each run (SplitMix64).
fn mixed(number: u64) -> u64 {
    let mut word = number.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    word = (word ^ (word >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    word = (word ^ (word >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    word ^ (word >> 31)
}

fn digest(number: u64) -> ApiKeyDigest {
    let mut bytes = [0; 32];
    for (index, chunk) in bytes.chunks_exact_mut(8).enumerate() {
        chunk.copy_from_slice(&mixed(number * 4 + index as u64 + 1).to_le_bytes());
    }
    ApiKeyDigest::from_bytes(bytes)
}

fn filled(keys: u64) -> Keyring {
    let keyring = Keyring::new();
    let mut loader = keyring.loader();
    let mut api_key = ApiKey {
        id: ApiKeyId::from_u128(0),
        revision: Revision::FIRST,
        name: None,
        attributes: BTreeMap::new(),
        permissions: Permissions::Only("GET,POST:/v1/orders\nGET:/v1/invoices".parse().unwrap()),
        key_manager: false,
        tenant_id: None,
        fusion_id: None,
        name_repeats: false,
        ip_access_control_list_id: None,
        disabled: false,
        retrievable: false,
        expiration_instant: None,
        insert_instant: Instant::from_epoch_millis(1),
        last_update_instant: Instant::from_epoch_millis(1),
    };
    for number in 0..keys {
        api_key.id = ApiKeyId::from_u128(number.into());
        api_key.name = Some(Name::try_from(format!("key {number}")).unwrap());
        loader.add(digest(number), &api_key, &[]);
    }
    drop(loader);
    keyring
}

/// Nanoseconds of one of many calls with numbers at random below `most`.
fn each(round: u64, most: u64, mut call: impl FnMut(u64)) -> f64 {
    let start = Stopwatch::now();
    for turn in 0..LOOKUPS {
        call(mixed(round * LOOKUPS + turn) % most);
    }
    start.elapsed().as_secs_f64() * 1e9 / LOOKUPS as f64
}

fn with(keyring: &Keyring, number: u64) -> bool {
    keyring.with(&digest(number), |found| black_box(found.is_some_and(|found| !found.access.disabled)))
}

fn check(keyring: &Keyring, number: u64) {
    black_box(with(keyring, number));
}

fn find(keyring: &Keyring, number: u64) {
    black_box(keyring.find(&digest(number)));
}

/// Nanoseconds of one access at random to as much memory as so many keys take.
fn access(keys: u64) -> f64 {
    let words = keys * BYTES_PER_KEY / 8;
    let memory: Vec<u64> = (0..words).collect();
    let mut last = 0;
    median((0..ROUNDS as u64).map(|round| {
        // Each access waits for the one before, as steps of a look-up do.
        each(round, words, |number| {
            last = black_box(memory[((number ^ (last & 1)) % words) as usize]);
        })
    }))
}

/// Look-ups of known keys while another thread looks for others, from `first` on.
fn beside(keyring: &Keyring, round: u64, first: u64) -> f64 {
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            let mut turn = 0;
            while !stop.load(Ordering::Relaxed) {
                check(keyring, first + mixed(turn) % FLOOD);
                turn += 1;
            }
        });
        let took = each(round, FLOOD, |number| check(keyring, number));
        stop.store(true, Ordering::Relaxed);
        took
    })
}

/// Known keys alone, beside known and beside unknown ones, in rounds that take turns.
fn flood(keyring: &Keyring) -> bool {
    let rounds: Vec<_> = (0..ROUNDS as u64)
        .map(|round| {
            let alone = each(round, FLOOD, |number| check(keyring, number));
            (alone, beside(keyring, round, 0), beside(keyring, round, FLOOD))
        })
        .collect();
    let alone = median(rounds.iter().map(|round| round.0));
    let known = median(rounds.iter().map(|round| round.1));
    let unknown = median(rounds.iter().map(|round| round.2));
    let ratio = median(rounds.iter().map(|round| round.2 / round.1));
    let bold = if ratio <= MOST_SLOWER { "" } else { "**" };
    println!(
        "\n| API keys | a known key, alone, ns | beside known keys, ns | beside unknown keys, ns | ratio | promised |\n\
         | ---: | ---: | ---: | ---: | ---: | ---: |\n\
         | {FLOOD} | {alone:.0} | {known:.0} | {unknown:.0} | {bold}{ratio:.2}{bold} | {MOST_SLOWER} |"
    );
    ratio <= MOST_SLOWER
}

pub(crate) fn measure() -> bool {
    println!(
        "| API keys | with, known, ns | with, unknown, ns | find, known, ns | find, unknown, ns | with, known, to 1000 keys | an access to as much memory, ns |\n\
         | ---: | ---: | ---: | ---: | ---: | ---: | ---: |"
    );
    let mut first = None;
    for keys in SIZES {
        let keyring = filled(keys);
        assert_eq!(keyring.len() as u64, keys);
        assert!((0..1_000).all(|number| with(&keyring, number) && !with(&keyring, number + keys)));
        let rounds = || 0..ROUNDS as u64;
        let with_known = median(rounds().map(|round| each(round, keys, |number| check(&keyring, number))));
        let with_unknown =
            median(rounds().map(|round| each(round, keys, |number| check(&keyring, keys + number))));
        let find_known = median(rounds().map(|round| each(round, keys, |number| find(&keyring, number))));
        let find_unknown =
            median(rounds().map(|round| each(round, keys, |number| find(&keyring, keys + number))));
        drop(keyring);
        let ratio = with_known / *first.get_or_insert(with_known);
        println!(
            "| {keys} | {with_known:.0} | {with_unknown:.0} | {find_known:.0} | {find_unknown:.0} | {ratio:.2} | {:.0} |",
            access(keys)
        );
    }
    flood(&filled(FLOOD))
}
