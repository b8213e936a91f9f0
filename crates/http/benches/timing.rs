//! Whether the time that a refusal takes tells why: a million requests with keys that are unknown, expired,
//! disabled, of another tenant, blocked by their address, or that lack the permission, in random order, and Welch's t test
//! between unknown keys and each of the others. The last line says whether a difference was found.
//!
//! `cargo xtask bench timing` runs it, and once more with the feature `sabotage-timing`, which it must find.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::allow_attributes,
    missing_docs,
    reason = "test code"
)]

#[path = "support/options.rs"]
mod options;

use std::process::ExitCode;

use claviger_http::{Call, Outcome, in_process};
use serde_json::{Value, json};

use options::options;

const REQUESTS: usize = 1_000_000;
/// Keys of each kind: more than any cache line would favour, fewer than would only measure the memory.
const KEYS: usize = 256;
/// From this value of t on a difference counts as found (as in "dudect: dude, is my code constant time?").
const THRESHOLD: f64 = 4.5;
/// The share of the slowest measurements that is left out: what the machine did meanwhile.
const CUT: f64 = 0.1;
const MANAGER: &str = "the key manager of the measurement";

/// Kinds of refused keys; the first is what the others are compared with.
const KINDS: [&str; 6] = ["unknown", "expired", "disabled", "other tenant", "address blocked", "not granted"];

type Ask<'a> = dyn FnMut(&Call<'_>) -> Outcome + 'a;

fn manage(ask: &mut Ask<'_>, method: &str, path: &str, body: &Value) -> Value {
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let outcome = ask(&Call { method, path, headers: &[("authorization", MANAGER)], body: &body });
    assert_eq!(outcome.status, 200, "{method} {path}: {}", String::from_utf8_lossy(&outcome.body));
    serde_json::from_slice(&outcome.body).unwrap_or_default()
}

/// The tenant in the header of every request, and the values of the keys of each kind.
fn prepare(ask: &mut Ask<'_>) -> (String, Vec<Vec<String>>) {
    let tenant = |ask: &mut Ask<'_>, name: &str| {
        let made = manage(ask, "POST", "/api/tenant", &json!({"tenant": {"name": name}}));
        made["tenant"]["id"].as_str().unwrap().to_owned()
    };
    let (own, other) = (tenant(ask, "own"), tenant(ask, "other"));
    let list = json!({"ipAccessControlList": {"name": "nowhere", "entries": [
        {"action": "Block", "startIPAddress": "*"},
        {"action": "Allow", "startIPAddress": "192.0.2.1", "endIPAddress": "192.0.2.9"},
    ]}});
    let list = manage(ask, "POST", "/api/ip-acl", &list)["ipAccessControlList"]["id"].clone();
    let keys = KINDS.map(|kind| {
        let mut members = json!({"tenantId": own});
        match kind {
            "expired" => members["expirationInstant"] = json!(1),
            "disabled" => members["disabled"] = json!(true),
            "other tenant" => members["tenantId"] = json!(other),
            "address blocked" => members["ipAccessControlListId"] = list.clone(),
            "not granted" => members["permissions"] = json!({"endpoints": {"/api/user": ["GET"]}}),
            _ => {}
        }
        let body = json!({"apiKey": members});
        let values = (0..KEYS).map(|_| {
            let made = manage(ask, "POST", "/api/api-key", &body);
            if kind == "unknown" {
                let path = format!("/api/api-key/{}", made["apiKey"]["id"].as_str().unwrap());
                manage(ask, "DELETE", &path, &Value::Null);
            }
            made["apiKey"]["key"].as_str().unwrap().to_owned()
        });
        values.collect()
    });
    (own, keys.into())
}

/// Mean and variance as they come (Welford).
#[derive(Default, Clone, Copy)]
struct Sample {
    count: f64,
    mean: f64,
    squares: f64,
}

impl Sample {
    fn add(&mut self, value: f64) {
        self.count += 1.0;
        let distance = value - self.mean;
        self.mean += distance / self.count;
        self.squares += distance * (value - self.mean);
    }

    fn variance(&self) -> f64 {
        self.squares / (self.count - 1.0)
    }
}

fn welch(a: &Sample, b: &Sample) -> f64 {
    (a.mean - b.mean) / (a.variance() / a.count + b.variance() / b.count).sqrt()
}

fn measure(ask: &mut Ask<'_>, tenant: &str, keys: &[Vec<String>]) -> Vec<(usize, u64)> {
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    let mut random = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    let mut times = Vec::with_capacity(REQUESTS);
    for turn in 0..REQUESTS + REQUESTS / 20 {
        let number = random();
        let kind = usize::try_from(number % KINDS.len() as u64).unwrap();
        let key = &keys[kind][usize::try_from((number >> 32) % KEYS as u64).unwrap()];
        let headers = [("authorization", key.as_str()), ("x-fusionauth-tenantid", tenant)];
        let outcome = ask(&Call { method: "GET", path: "/api/system/version", headers: &headers, body: "" });
        assert_eq!((outcome.status, outcome.body.len()), (401, 0), "{}", KINDS[kind]);
        // The first ones warm up.
        if turn >= REQUESTS / 20 {
            times.push((kind, u64::try_from(outcome.took.as_nanos()).unwrap()));
        }
    }
    times
}

/// The kinds of keys with their samples, of all measurements up to this time.
fn samples(times: &[(usize, u64)], slowest: u64) -> [Sample; KINDS.len()] {
    let mut samples = [Sample::default(); KINDS.len()];
    for (kind, time) in times.iter().filter(|(_, time)| *time <= slowest) {
        samples[*kind].add(*time as f64);
    }
    samples
}

/// Prints the table, and answers whether a difference was found.
fn judge(times: &[(usize, u64)]) -> bool {
    let mut all: Vec<u64> = times.iter().map(|(_, time)| *time).collect();
    all.sort_unstable();
    let slowest = all[((all.len() - 1) as f64 * (1.0 - CUT)) as usize];
    let (whole, quiet) = (samples(times, u64::MAX), samples(times, slowest));
    println!(
        "{} requests; quiet: without the slowest {:.0} % (above {slowest} ns)",
        times.len(),
        CUT * 100.0
    );
    println!(
        "| key | requests | mean ns | against unknown ns | Welch t | quiet: against unknown ns | Welch t |"
    );
    println!("| --- | --- | --- | --- | --- | --- | --- |");
    let mut found = false;
    for ((kind, sample), quiet_sample) in KINDS.iter().zip(&whole).zip(&quiet) {
        let t = welch(sample, &whole[0]);
        found |= t.abs() >= THRESHOLD;
        println!(
            "| {kind} | {} | {:.1} | {:+.1} | {t:+.2} | {:+.1} | {:+.2} |",
            sample.count,
            sample.mean,
            sample.mean - whole[0].mean,
            quiet_sample.mean - quiet[0].mean,
            welch(quiet_sample, &quiet[0])
        );
    }
    found
}

fn main() -> ExitCode {
    let directory = tempfile::tempdir().unwrap();
    let database = format!("sqlite:{}/timing.db", directory.path().display());
    let options = options(database.parse().unwrap(), MANAGER);
    let found = in_process(&options, |ask| {
        let (tenant, keys) = prepare(ask);
        judge(&measure(ask, &tenant, &keys))
    });
    match found {
        Ok(found) => {
            println!("{}", if found { "a difference was found" } else { "no difference was found" });
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}
