//! Whether checks go on while a tenant with 100 000 API keys and as many entities is deleted: the time of an authenticated request before the
//! deletion and during it, over TCP, at a steady rate. The last line says whether the 99th percentile stayed below twice
//! that before.
//!
//! `cargo xtask bench tenant-delete` runs it, on SQLite and, where there is one, on the PostgreSQL of
//! `CLAVIGER_TEST_POSTGRES_URL`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::allow_attributes,
    missing_docs,
    reason = "test code"
)]

#[path = "support/client.rs"]
mod client;
#[path = "support/options.rs"]
mod options;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::channel;
use std::thread;
use std::time::{Duration, Instant};

use claviger_domain::{
    Actor, ApiKey, ApiKeyDigest, ApiKeyId, ChangeContext, ClientId, Entity, EntityGrant, EntityGrantId,
    EntityId, EntityType, EntityTypeId, EntityTypeJwtConfiguration, Instant as Moment, KeptDocument, Name,
    Permissions, Revision, Sealed, Tenant, TenantId, TenantJwtConfiguration, TenantState,
};
use claviger_http::{ServerOptions, Stop, serve};
use claviger_storage::{DatabaseUrl, StorageError, Store, StoreOptions, StoredApiKey};
use serde_json::{Value, json};

use client::{Client, request};
use options::options;

/// API keys of the tenant, and entities.
const KEYS: u128 = 100_000;
/// Each so many of the entities is granted something on the one before.
const GRANT_EACH: u128 = 10;
/// The keys that are tried as credentials once the deletion is acknowledged.
const TRIED: usize = 50;
const CLIENTS: usize = 2;
/// The time between two requests of a client.
const PACE: Duration = Duration::from_millis(1);
const WARM_UP: Duration = Duration::from_secs(2);
const BEFORE: Duration = Duration::from_secs(15);
/// How long checks are made during the deletion; the rest of it has the server for itself.
const DURING: Duration = Duration::from_secs(30);
/// How much the 99th percentile may grow.
const MOST: f64 = 2.0;
const MANAGER: &str = "the key manager of the measurement";
const TENANT: TenantId = TenantId::from_u128(0x7e57);
const ENTITY_TYPE: EntityTypeId = EntityTypeId::from_u128(0x7e57);

/// Makes a request with this API key.
fn call(client: &mut Client, method: &str, path: &str, key: &str, body: &str) -> (u16, Vec<u8>) {
    let head = format!("Authorization: {key}\r\nContent-Type: application/json");
    client.call(&request(method, path, &head, body))
}

fn store_tenant(options: &StoreOptions) {
    let store = Store::open(options).unwrap();
    store.migrate_up().unwrap();
    let now = Moment::from_epoch_millis(1_000_000_000_000);
    let context = ChangeContext { actor: Actor::System, instant: now, address: None };
    let tenant = Tenant {
        id: TENANT,
        revision: Revision::FIRST,
        name: Name::try_from("large".to_owned()).unwrap(),
        issuer: "acme.com".to_owned(),
        jwt: TenantJwtConfiguration {
            access_token_key_id: None,
            id_token_key_id: None,
            access_token_verification_key_ids: Vec::new(),
            id_token_verification_key_ids: Vec::new(),
            time_to_live_in_seconds: 3600,
            refresh_token_time_to_live_in_minutes: 43200,
        },
        kept: KeptDocument::from_json("{}".to_owned()),
        state: TenantState::Active,
        insert_instant: now,
        last_update_instant: now,
    };
    store.write::<_, StorageError, _>(&context, move |tx| Ok(tx.insert_tenant(&tenant)?)).unwrap();
    for start in (1..=KEYS).step_by(10_000) {
        let insert = move |tx: &mut claviger_storage::WriteTransaction<'_>| {
            for number in start..start + 10_000 {
                let number = scattered(number);
                let mut digest = [1; 32];
                digest[..16].copy_from_slice(&number.to_le_bytes());
                let id = ApiKeyId::from_u128(number);
                tx.insert_api_key(&StoredApiKey {
                    api_key: ApiKey {
                        id,
                        revision: Revision::FIRST,
                        name: Some(Name::try_from(format!("key {id}")).unwrap()),
                        attributes: BTreeMap::new(),
                        permissions: Permissions::Only("GET:/api/tenant".parse().unwrap()),
                        key_manager: false,
                        tenant_id: Some(TENANT),
                        fusion_id: None,
                        name_repeats: false,
                        ip_access_control_list_id: None,
                        disabled: false,
                        retrievable: false,
                        expiration_instant: None,
                        insert_instant: now,
                        last_update_instant: now,
                    },
                    digest: ApiKeyDigest::from_bytes(digest),
                    sealed_value: None,
                })?;
            }
            Ok(())
        };
        store.write::<_, StorageError, _>(&context, insert).unwrap();
    }
    store_entities(&store, &context);
}

/// Neither ids nor digests come in the order of the numbers.
fn scattered(number: u128) -> u128 {
    number.wrapping_mul(0x9E37_79B9_7F4A_7C15_F39C_C060_5CED_C835)
}

fn store_entities(store: &Store, context: &ChangeContext) {
    let now = context.instant;
    let entity_type = EntityType {
        id: ENTITY_TYPE,
        revision: Revision::FIRST,
        name: Name::try_from("machine".to_owned()).unwrap(),
        jwt: EntityTypeJwtConfiguration {
            enabled: false,
            access_token_key_id: None,
            access_token_verification_key_ids: Vec::new(),
            time_to_live_in_seconds: None,
        },
        data: None,
        insert_instant: now,
        last_update_instant: now,
    };
    store.write::<_, StorageError, _>(context, move |tx| Ok(tx.insert_entity_type(&entity_type)?)).unwrap();
    for start in (1..=KEYS).step_by(10_000) {
        let insert = move |tx: &mut claviger_storage::WriteTransaction<'_>| {
            for number in start..start + 10_000 {
                let id = EntityId::from_u128(scattered(number));
                let entity = Entity {
                    id,
                    revision: Revision::FIRST,
                    tenant_id: TENANT,
                    entity_type_id: ENTITY_TYPE,
                    name: Name::try_from(format!("entity {number}")).unwrap(),
                    client_id: ClientId::from(id),
                    parent_id: None,
                    data: None,
                    insert_instant: now,
                    last_update_instant: now,
                };
                tx.insert_entity(&entity, &Sealed::from(vec![7; 80]))?;
                if number % GRANT_EACH == 0 {
                    tx.insert_entity_grant(&EntityGrant {
                        id: EntityGrantId::from_u128(scattered(number)),
                        revision: Revision::FIRST,
                        tenant_id: TENANT,
                        entity_id: EntityId::from_u128(scattered(number - 1)),
                        recipient_entity_id: id,
                        permissions: Vec::new(),
                        data: None,
                        insert_instant: now,
                        last_update_instant: now,
                    })?;
                }
            }
            Ok(())
        };
        store.write::<_, StorageError, _>(context, insert).unwrap();
    }
}

/// Sends checks at a steady rate until it is told to stop, and returns how long each took, in microseconds. What had to wait
/// for an answer before it is counted from when it was due.
fn checks(address: SocketAddr, key: &str, stop: &AtomicBool) -> Vec<u64> {
    let mut client = Client::open(address);
    let mut times = Vec::new();
    let (mut due, mut free) = (Instant::now(), Instant::now());
    while !stop.load(Ordering::Relaxed) {
        let now = Instant::now();
        if now < due {
            thread::sleep(due - now);
        }
        let start = if free > due { due } else { Instant::now() };
        let (status, _) = call(&mut client, "GET", "/api/system/version", key, "");
        assert_eq!(status, 200);
        free = Instant::now();
        times.push(u64::try_from((free - start).as_micros()).unwrap());
        due += PACE;
    }
    times
}

/// Says that it is over, also when the measurement fails.
struct Ending<'a>(&'a AtomicBool);

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Runs checks beside `work`.
fn beside<T>(address: SocketAddr, key: &str, work: impl FnOnce() -> T) -> (T, Vec<u64>) {
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        let clients = [(); CLIENTS].map(|()| scope.spawn(|| checks(address, key, &stop)));
        let ending = Ending(&stop);
        let outcome = work();
        drop(ending);
        let mut times: Vec<u64> = clients.into_iter().flat_map(|client| client.join().unwrap()).collect();
        times.sort_unstable();
        (outcome, times)
    })
}

fn percentile(sorted: &[u64], share: f64) -> u64 {
    sorted[((sorted.len() - 1) as f64 * share) as usize]
}

fn row(what: &str, sorted: &[u64]) {
    let [median, p99, p999] = [0.5, 0.99, 0.999].map(|share| percentile(sorted, share));
    println!("| {what} | {} | {median} | {p99} | {p999} | {} |", sorted.len(), percentile(sorted, 1.0));
}

fn key_of(document: &[u8]) -> String {
    let document: Value = serde_json::from_slice(document).unwrap();
    document["apiKey"]["key"].as_str().unwrap().to_owned()
}

/// Measures against a server that runs, prints the table, and answers how much the 99th percentile grew.
fn measure(address: SocketAddr) -> f64 {
    let mut manager = Client::open(address);
    let mut make = |tenant: Option<String>| {
        let body = json!({"apiKey": {"tenantId": tenant}}).to_string();
        let (status, answer) = call(&mut manager, "POST", "/api/api-key", MANAGER, &body);
        assert_eq!(status, 200, "{}", String::from_utf8_lossy(&answer));
        key_of(&answer)
    };
    let checked = make(None);
    let doomed: Vec<_> = (0..TRIED).map(|_| make(Some(TENANT.to_string()))).collect();
    beside(address, &checked, || thread::sleep(WARM_UP));
    let ((), before) = beside(address, &checked, || thread::sleep(BEFORE));
    let path = format!("/api/tenant/{TENANT}");
    let (took, during) = beside(address, &checked, || {
        // A connection that nobody used for a while is closed.
        let mut manager = Client::open(address);
        let start = Instant::now();
        assert_eq!(call(&mut manager, "DELETE", &format!("{path}?async=true"), MANAGER, "").0, 202);
        let acknowledged = start.elapsed();
        for key in &doomed {
            assert_eq!(call(&mut manager, "GET", &path, key, "").0, 401, "a key outlived its tenant");
        }
        thread::sleep(DURING);
        assert_eq!(
            call(&mut manager, "GET", &path, MANAGER, "").0,
            200,
            "it was over too soon to measure anything"
        );
        (acknowledged, start)
    });
    // Without requests the rest takes no rests.
    while call(&mut manager, "GET", &path, MANAGER, "").0 == 200 {
        thread::sleep(Duration::from_secs(1));
    }
    println!(
        "{KEYS} API keys and as many entities deleted in {:.1} s; acknowledged after {:.1} ms",
        took.1.elapsed().as_secs_f64(),
        took.0.as_secs_f64() * 1e3
    );
    println!("| checks | number | median µs | p99 µs | p99.9 µs | longest µs |");
    println!("| --- | ---: | ---: | ---: | ---: | ---: |");
    row("before", &before);
    row("during", &during);
    percentile(&during, 0.99) as f64 / percentile(&before, 0.99) as f64
}

/// The same on one database.
fn run(url: DatabaseUrl) -> f64 {
    let store = StoreOptions::new(url.clone());
    store_tenant(&store);
    let workers = thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let options = ServerOptions { store, workers, ..options(url, MANAGER) };
    let (stop, stopped) = tokio::sync::oneshot::channel();
    let (tell, told) = channel();
    let server = thread::spawn(move || {
        serve(options, Stop::Channel(stopped), |ready| tell.send(ready.address.unwrap()).unwrap())
    });
    let growth = measure(told.recv().unwrap());
    drop(stop);
    server.join().unwrap().unwrap();
    growth
}

#[cfg(feature = "postgres")]
fn on_postgres(server: &str) -> f64 {
    use diesel::connection::SimpleConnection;
    use diesel::{Connection, PgConnection};

    let schema = format!("claviger_bench_{}", std::process::id());
    let execute = |statements: String| {
        PgConnection::establish(server).unwrap().batch_execute(&statements).unwrap();
    };
    execute(format!("DROP SCHEMA IF EXISTS {schema} CASCADE; CREATE SCHEMA {schema}"));
    let separator = if server.contains('?') { '&' } else { '?' };
    let growth = run(format!("{server}{separator}options=-c%20search_path%3D{schema}").parse().unwrap());
    execute(format!("DROP SCHEMA {schema} CASCADE"));
    growth
}

fn main() -> ExitCode {
    println!("== SQLite");
    let directory = tempfile::tempdir().unwrap();
    let mut growths = vec![run(DatabaseUrl::Sqlite(directory.path().join("claviger.db")))];
    #[cfg(feature = "postgres")]
    if let Some(server) = std::env::var("CLAVIGER_TEST_POSTGRES_URL").ok().filter(|url| !url.is_empty()) {
        println!("\n== PostgreSQL");
        growths.push(on_postgres(&server));
    }
    for growth in &growths {
        println!("the 99th percentile during the deletion is {growth:.2} times that before");
    }
    let goes_on = growths.iter().all(|growth| *growth <= MOST);
    println!("{}", if goes_on { "checks went on" } else { "checks were slowed down" });
    ExitCode::SUCCESS
}
