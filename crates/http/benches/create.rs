//! How many API keys can be made in a second: through the store, and over HTTP, beside bare inserts of the same rows by diesel. Each key is a
//! transaction of its own in all three, with the same durability and as many connections as threads.
//!
//! `cargo xtask bench create` runs it, on SQLite and, where there is one, on the PostgreSQL of `CLAVIGER_TEST_POSTGRES_URL`. Rounds
//! take turns in one database. The last line says whether the store reached the promised share.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::allow_attributes,
    missing_docs,
    reason = "test code"
)]

#[path = "create/bare.rs"]
mod bare;
#[path = "support/client.rs"]
mod client;
#[path = "support/databases.rs"]
mod databases;
#[path = "support/options.rs"]
mod options;
#[path = "support/server.rs"]
mod server;

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use claviger_domain::{
    Actor, ApiKey, ApiKeyDigest, ApiKeyId, Change, ChangeContext, Instant as Moment, Name, Permissions,
    Revision,
};
use claviger_storage::{DEFAULT_LEASE, DatabaseUrl, StorageError, Store, StoreOptions, StoredApiKey};
use serde_json::json;

use client::{Client, request};
use databases::{median, on_each_database};
use server::{MANAGER, Process, run_server};

const THREADS: [usize; 2] = [1, 8];
const ROUNDS: usize = 5;
const ROUND: Duration = Duration::from_secs(1);
/// The share of the bare rate that the store is to reach.
const PROMISE: f64 = 0.8;
/// Five endpoints.
const PERMISSIONS: &str =
    "DELETE:/v1/carts\nGET,PUT:/v1/customers\nGET:/v1/invoices\nGET,POST:/v1/orders\nGET:/v2/orders";
const NOW: i64 = 1_000_000_000_000;

/// The id of the key with this number: such ids come in no order.
fn id(number: u64) -> ApiKeyId {
    ApiKeyId::from_u128(u128::from(number).wrapping_mul(0x9E37_79B9_7F4A_7C15_F39C_C060_5CED_C835))
}

fn name(number: u64) -> String {
    format!("Key {number}")
}

fn digest(number: u64) -> [u8; 32] {
    let mut digest = [7; 32];
    digest[..16].copy_from_slice(id(number).to_string().replace('-', "").as_bytes()[..16].as_ref());
    digest[16..24].copy_from_slice(&number.to_le_bytes());
    digest
}

/// Keys made in a second by so many threads, each of which makes one after the other with what `maker` gives it.
fn rate<M: FnMut(u64)>(threads: usize, numbers: &AtomicU64, maker: impl Fn() -> M + Sync) -> f64 {
    let (made, stop) = (AtomicU64::new(0), AtomicBool::new(false));
    let barrier = std::sync::Barrier::new(threads + 1);
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                let mut make = maker();
                barrier.wait();
                while !stop.load(Ordering::Relaxed) {
                    make(numbers.fetch_add(1, Ordering::Relaxed));
                    made.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        barrier.wait();
        let start = Instant::now();
        thread::sleep(ROUND);
        let (made, took) = (made.load(Ordering::Relaxed), start.elapsed());
        stop.store(true, Ordering::Relaxed);
        made as f64 / took.as_secs_f64()
    })
}

fn write(store: &Store, number: u64) {
    let now = Moment::from_epoch_millis(NOW);
    let context = ChangeContext { actor: Actor::System, instant: now, address: None };
    let stored = StoredApiKey {
        api_key: ApiKey {
            id: id(number),
            revision: Revision::FIRST,
            name: Some(Name::try_from(name(number)).unwrap()),
            attributes: BTreeMap::new(),
            permissions: Permissions::Only(PERMISSIONS.parse().unwrap()),
            key_manager: false,
            tenant_id: None,
            fusion_id: None,
            name_repeats: false,
            ip_access_control_list_id: None,
            disabled: false,
            retrievable: false,
            expiration_instant: None,
            insert_instant: now,
            last_update_instant: now,
        },
        digest: ApiKeyDigest::from_bytes(digest(number)),
        sealed_value: None,
    };
    store.write::<_, StorageError, _>(&context, move |tx| Ok(tx.insert_api_key(&stored)?)).unwrap();
}

/// Measures one database, prints a row for each number of threads, and answers whether the store reached what is promised.
fn measure(database: &str, url: &str) -> bool {
    let numbers = AtomicU64::new(1);
    let parsed: DatabaseUrl = url.parse().unwrap();
    let store = Store::open(&StoreOptions::new(parsed.clone())).unwrap();
    store.migrate_up().unwrap();
    // As in a server, whose memory hears of everything.
    let heard = AtomicU64::new(0);
    let listener = move |_: &[Change]| {
        heard.fetch_add(1, Ordering::Relaxed);
    };
    store.set_listener(Arc::new(listener)).unwrap();
    let serving = store.serve(DEFAULT_LEASE, || true).unwrap();
    let through_store = THREADS.map(|threads| {
        let of_store = || rate(threads, &numbers, || |number| write(&store, number));
        let of_bare = || rate(threads, &numbers, || bare::inserter(&parsed));
        let rounds = (0..ROUNDS).map(|turn| {
            if turn % 2 == 0 {
                let bare = of_bare();
                (bare, of_store())
            } else {
                let store = of_store();
                (of_bare(), store)
            }
        });
        rounds.collect::<Vec<_>>()
    });
    drop(serving);
    drop(store);
    let server = Process::start(&["serve", url]);
    let permissions = json!({"/v1/orders": ["GET", "POST"], "/v1/invoices": ["GET"], "/v1/customers": ["GET", "PUT"],
        "/v1/carts": ["DELETE"], "/v2/orders": ["GET"]});
    let over_http = THREADS.map(|threads| {
        let maker = || {
            let mut client = Client::open(server.address);
            let permissions = &permissions;
            move |number| {
                let head = format!("Authorization: {MANAGER}\r\nContent-Type: application/json");
                let body =
                    json!({"apiKey": {"name": name(number), "permissions": {"endpoints": permissions}}});
                let (status, answer) =
                    client.call(&request("POST", "/api/api-key", &head, &body.to_string()));
                assert_eq!(status, 200, "{}", String::from_utf8_lossy(&answer));
            }
        };
        median((0..ROUNDS).map(|_| rate(threads, &numbers, maker)))
    });
    drop(server);
    let mut reached = true;
    for ((threads, rounds), http) in THREADS.into_iter().zip(through_store).zip(over_http) {
        let bare = median(rounds.iter().map(|round| round.0));
        let store = median(rounds.iter().map(|round| round.1));
        let share = median(rounds.iter().map(|round| round.1 / round.0));
        let bold = if share >= PROMISE { "" } else { "**" };
        println!(
            "| {database} | {threads} | {bare:.0} | {store:.0} | {bold}{:.0} %{bold} | {http:.0} | {:.0} % |",
            share * 100.0,
            http / bare * 100.0
        );
        reached &= share >= PROMISE;
    }
    reached
}

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    if let [word, url] = arguments.as_slice()
        && word == "serve"
    {
        run_server(url);
        return ExitCode::SUCCESS;
    }
    println!(
        "| database | threads | bare inserts/s | through the store/s | share | over HTTP/s | share |\n\
         | --- | ---: | ---: | ---: | ---: | ---: | ---: |"
    );
    let mut reached = true;
    on_each_database(|database, url| reached &= measure(database, url));
    println!("{}", if reached { "what is promised was reached" } else { "what is promised was missed" });
    ExitCode::SUCCESS
}
