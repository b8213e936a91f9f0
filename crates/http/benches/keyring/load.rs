//! The load at a start, in a process of its own each time, so that memory which somebody else has freed hides nothing.

use std::process::Command;
use std::time::Instant;

use claviger_keyring::Keyring;
use claviger_storage::{LoadedApiKey, StorageError, Store, StoreOptions};

use crate::databases::median;
use crate::keys;
use crate::server::Process;

const KEYS: usize = 1_000_000;
const ROUNDS: usize = 3;
/// Milliseconds, of a load by several readers from SQLite; PostgreSQL shares the processors with them here.
const MOST_TIME: f64 = 3_000.0;
/// Resident bytes for each key. All of them share one set of permissions.
const MOST_MEMORY: f64 = 150.0;

/// Resident memory of this process in bytes.
fn resident() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<f64>().unwrap() * 1024.0
}

/// Loads once as the server does, and prints milliseconds and bytes.
pub(crate) fn run(url: &str, readers: &str) {
    let store = Store::open(&StoreOptions::new(url.parse().unwrap())).unwrap();
    let keyring = Keyring::new();
    let (before, start) = (resident(), Instant::now());
    store
        .read_between_commits::<_, StorageError>(|tx| {
            let begin = || {
                let mut loader = keyring.loader();
                move |row: Result<LoadedApiKey, StorageError>| {
                    let (digest, api_key, previous) = row.unwrap();
                    loader.add(digest, &api_key, &previous);
                }
            };
            match readers {
                "one" => tx.for_each_api_key(&mut begin()),
                _ => store.for_each_api_key_at_once(tx, begin),
            }?;
            Ok(())
        })
        .unwrap();
    let took = start.elapsed().as_secs_f64() * 1e3;
    println!("{} {took} {}", keyring.len(), resident() - before);
}

/// Starts this program again to load once.
fn loaded(url: &str, readers: &str) -> (f64, f64) {
    let program = std::env::current_exe().unwrap();
    let output = Command::new(program).args(["load", url, readers]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    let figures: Vec<f64> = text.split_whitespace().map(|figure| figure.parse().unwrap()).collect();
    let [keys, took, bytes] = figures.as_slice() else { panic!("{text}") };
    // And the one that the server was set up with.
    assert_eq!(*keys, KEYS as f64 + 1.0);
    (*took, bytes / keys)
}

pub(crate) fn measure(database: &str, url: &str) -> bool {
    let directory = tempfile::tempdir().unwrap();
    // The first start makes the instance with its first key.
    let server = Process::start(&["serve", url]);
    assert!(server.address.ip().is_loopback());
    drop(server);
    keys::fill(url, KEYS, &directory.path().join("keys"));
    let rounds: Vec<_> = (0..ROUNDS).map(|_| (loaded(url, "one"), loaded(url, "several"))).collect();
    let one = median(rounds.iter().map(|round| round.0.0));
    let several = median(rounds.iter().map(|round| round.1.0));
    let bytes = median(rounds.iter().map(|round| round.1.1));
    let limit = if database == "SQLite" { MOST_TIME } else { f64::INFINITY };
    let bold = |reached: bool| if reached { "" } else { "**" };
    let (time, memory) = (bold(several <= limit), bold(bytes <= MOST_MEMORY));
    let promised = if limit.is_finite() { format!("{limit:.0}") } else { "-".to_owned() };
    println!(
        "| {database} | {KEYS} | {one:.0} | {time}{several:.0}{time} | {promised} | {memory}{bytes:.0}{memory} | {MOST_MEMORY:.0} |"
    );
    several <= limit && bytes <= MOST_MEMORY
}
