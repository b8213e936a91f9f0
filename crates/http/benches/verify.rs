//! What a check costs over HTTP: `GET /forward-auth` as nginx asks it, with API keys at random out of all, beside a handler of the same HTTP
//! library with the same settings that answers 200 to everything. Both are processes of their own, and so is wrk, which
//! sends the requests; the three share the machine's cores.
//!
//! `cargo xtask bench verify` runs it with 1 000 and 1 000 000 keys, on SQLite and, where there is one, on the PostgreSQL of
//! `CLAVIGER_TEST_POSTGRES_URL`; an argument restricts it to one of these numbers. Rounds of the two take turns, and who begins
//! changes. What counts are the medians of the ratios of a round. A second table compares, on SQLite, with servers that leave something
//! out. The last line says whether what is promised was reached.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::allow_attributes,
    missing_docs,
    reason = "test code"
)]

#[path = "verify/bare.rs"]
mod bare;
#[path = "support/databases.rs"]
mod databases;
#[path = "support/keys.rs"]
mod keys;
#[path = "verify/load.rs"]
mod load;
#[path = "support/master_key.rs"]
mod master_key;
#[path = "support/options.rs"]
mod options;
#[path = "support/server.rs"]
mod server;

use std::process::ExitCode;

use claviger_http::{Part, leave_out};
use databases::{median, on_each_database};
use load::{Keys, Shown};
use server::{Process, run_server};

const CONNECTIONS: [usize; 2] = [8, 64];
/// Numbers of keys, and the share of the bare handler's throughput that is promised.
const PROMISES: [(usize, f64); 2] = [(1_000, 0.90), (1_000_000, 0.85)];
/// How many times the bare handler's 99th percentile, and its processor time, a check may take.
const MOST_P99: f64 = 1.5;
const MOST_PROCESSOR: f64 = 1.25;
/// What may be left out, and its name on the command line.
const PARTS: [(&str, Part); 2] = [("uses", Part::Uses), ("metrics", Part::Metrics)];
/// How many times what a check takes without uses it may take with them.
const MOST_WITH_USES: f64 = 1.03;
const ROUNDS: usize = 7;
const SECONDS: usize = 1;

/// A number, in bold if the promise is missed.
fn judged(text: String, reached: bool) -> String {
    if reached { text } else { format!("**{text}**") }
}

/// Measures one database with so many keys, prints a row for each number of connections, and answers whether what is
/// promised was reached.
fn measure(database: &str, url: &str, number: usize, promise: f64) -> bool {
    let directory = tempfile::tempdir().unwrap();
    // The first start makes the instance.
    drop(Process::start(&["serve", url]));
    let file = directory.path().join("keys");
    let width = keys::fill(url, number, &file);
    let keys = Keys { file, width };
    let (mut check, bare) = (Process::start(&["serve", url]), Process::start(&["bare"]));
    let mut all_reached = true;
    for connections in CONNECTIONS {
        let round = |server: &Process, seed: usize| load::run(server, &keys, connections, SECONDS, seed);
        let (_, _) = (round(&bare, 1), round(&check, 1));
        let rounds: Vec<(Shown, Shown)> = (0..ROUNDS)
            .map(|turn| {
                let seed = turn + 2;
                if turn % 2 == 0 {
                    let bare = round(&bare, seed);
                    (bare, round(&check, seed))
                } else {
                    let check = round(&check, seed);
                    (round(&bare, seed), check)
                }
            })
            .collect();
        let of = |what: fn(&Shown) -> f64| {
            (
                median(rounds.iter().map(|(bare, _)| what(bare))),
                median(rounds.iter().map(|(_, check)| what(check))),
                median(rounds.iter().map(|(bare, check)| what(check) / what(bare))),
            )
        };
        let (rate, p99, processor) =
            (of(|shown| shown.rate), of(|shown| shown.p99), of(|shown| shown.processor));
        let reached = [rate.2 >= promise, p99.2 <= MOST_P99, processor.2 <= MOST_PROCESSOR];
        println!(
            "| {database} | {number} | {connections} | {:.0} | {:.0} | {} | {:.0} | {:.0} | {} | {:.1} | {:.1} | {} |",
            rate.0,
            rate.1,
            judged(format!("{:.0} %", rate.2 * 100.0), reached[0]),
            p99.0,
            p99.1,
            judged(format!("{:.2}", p99.2), reached[1]),
            processor.0,
            processor.1,
            judged(format!("{:.2}", processor.2), reached[2]),
        );
        all_reached &= reached == [true; 3];
    }
    // At a stop it would write all the uses that there were, which nobody looks at here.
    check.child.kill().unwrap();
    all_reached
}

/// Compares servers that leave something out with one that does not, each on a copy of one database, prints a row for each, and
/// answers whether uses cost no more than is promised.
#[cfg(feature = "sqlite")]
fn compare_parts(number: usize) -> bool {
    let directory = tempfile::tempdir().unwrap();
    let database = |name: &str| directory.path().join(name);
    let url = |name: &str| format!("sqlite:{}", database(name).display());
    drop(Process::start(&["serve", &url("all")]));
    let file = directory.path().join("keys");
    let width = keys::fill(&url("all"), number, &file);
    let keys = Keys { file, width };
    for (part, _) in PARTS {
        std::fs::copy(database("all"), database(part)).unwrap();
    }
    let mut all = Process::start(&["serve", &url("all")]);
    let mut others = PARTS.map(|(part, _)| (part, Process::start(&["serve", &url(part), part])));
    let mut reached = true;
    for connections in CONNECTIONS {
        let round = |server: &Process, seed: usize| load::run(server, &keys, connections, SECONDS, seed);
        let mut rounds = vec![Vec::new(); PARTS.len()];
        // The first one only warms up.
        for turn in 0..=ROUNDS {
            let seed = turn + 1;
            let with = round(&all, seed);
            let mut order: Vec<_> = (0..PARTS.len()).collect();
            order.rotate_left(turn % PARTS.len());
            for place in order {
                let without = round(&others[place].1, seed);
                if turn > 0 {
                    rounds[place].push((with, without));
                }
            }
        }
        for ((part, _), rounds) in others.iter().zip(&rounds) {
            let ratio = |what: fn(&Shown) -> f64| {
                median(rounds.iter().map(|(with, without)| what(with) / what(without)))
            };
            let (rate, processor) = (ratio(|shown| shown.rate), ratio(|shown| shown.processor));
            let good = *part != "uses" || rate * MOST_WITH_USES >= 1.0;
            reached &= good;
            println!(
                "| {number} | {connections} | {part} | {} | {processor:.2} |",
                judged(format!("{:.0} %", rate * 100.0), good),
            );
        }
    }
    for server in others.iter_mut().map(|(_, server)| server).chain([&mut all]) {
        server.child.kill().unwrap();
    }
    reached
}

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let only = match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["serve", url, parts @ ..] => {
            PARTS.iter().filter(|(name, _)| parts.contains(name)).for_each(|(_, part)| leave_out(*part));
            run_server(url);
            return ExitCode::SUCCESS;
        }
        ["bare"] => {
            bare::run();
            return ExitCode::SUCCESS;
        }
        [number] => Some(number.parse::<usize>().expect("a number of keys")),
        _ => None,
    };
    println!(
        "| database | keys | connections | bare requests/s | checks/s | share | bare p99 µs | p99 µs | ratio | bare processor µs | processor µs | ratio |"
    );
    println!("| --- |{}", " ---: |".repeat(11));
    let mut reached = true;
    for (number, promise) in
        PROMISES.into_iter().filter(|(number, _)| only.is_none_or(|only| only == *number))
    {
        on_each_database(|database, url| reached &= measure(database, url, number, promise));
    }
    #[cfg(feature = "sqlite")]
    {
        println!(
            "\n| keys | connections | beside a server without | share of its checks/s | ratio of processor time |"
        );
        println!("| ---: | ---: | --- | ---: | ---: |");
        for (number, _) in PROMISES.into_iter().filter(|(number, _)| only.is_none_or(|only| only == *number))
        {
            reached &= compare_parts(number);
        }
    }
    println!("{}", if reached { "what is promised was reached" } else { "what is promised was missed" });
    ExitCode::SUCCESS
}
