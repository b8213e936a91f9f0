//! `cargo xtask soak`: hours of a busy server's life in minutes, and what its processes hold meanwhile.
//!
//! A server on SQLite, then two on one PostgreSQL, are asked about keys that are there and keys that are not, while keys, tenants and
//! entities come and go, tokens are issued, and clients hang up in the middle of requests. Memory must not grow once the server has
//! warmed up, and neither must threads, descriptors and connections to the database.

mod load;
mod stand;
mod watch;

use crate::gateway::Directory;
use crate::postgres::Postgres;
use crate::run::Result;
use load::{Counts, Shared};
use stand::Stand;
use std::sync::PoisonError;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant};
use watch::{Sample, Verdict};

/// Unless it is said otherwise.
const MINUTES: u64 = 10;
/// What a busy instance does in an hour: the measure of how long the life was that a run has led.
const WRITES_PER_HOUR: u64 = 1_000;
const CHECKS_PER_SECOND: u64 = 50;
/// Promised to be survived.
const HOURS: f64 = 4.0;
/// The part of a run after which everything has been used that will be: caches are full, and pools are.
const WARM_UP: u32 = 4;
/// Samples that are judged.
const SAMPLES: u32 = 60;
/// Samples that are printed.
const SHOWN: usize = 12;
/// How long the servers may take to let go of what clients left behind.
const PATIENCE: Duration = Duration::from_secs(30);

/// What is to be run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Plan {
    /// On each database.
    minutes: u64,
}

/// Reads the arguments of the command.
pub(crate) fn parse(arguments: &[&str]) -> Option<Plan> {
    match arguments {
        [] => Some(Plan { minutes: MINUTES }),
        ["--minutes", minutes] => {
            minutes.parse().ok().filter(|minutes| *minutes > 0).map(|minutes| Plan { minutes })
        }
        _ => None,
    }
}

/// Runs the plan on each database that can be had.
///
/// # Errors
/// A server does not start, answers with a failure, or grows.
pub(crate) fn run(plan: Plan) -> Result<()> {
    let directory = Directory::new("soak")?;
    let program = stand::build(directory.path())?;
    let time = Duration::from_secs(plan.minutes * 60);
    let file = format!("sqlite:{}", directory.path().join("claviger.db").display());
    on("SQLite", Stand::start(&program, directory.path(), &file, 1, None)?, time)?;
    match Postgres::throw_away() {
        Postgres::Started(server) => {
            let stand = Stand::start(&program, directory.path(), &server.url(), 2, Some(server.port()))?;
            on("PostgreSQL, two nodes", stand, time)
        }
        Postgres::Given => {
            println!("on SQLite alone: a PostgreSQL that others use tells nothing");
            Ok(())
        }
        Postgres::Absent(reason) => {
            println!("on SQLite alone: {reason}");
            Ok(())
        }
    }
}

/// Keeps the servers busy for so long, and judges them.
fn on(name: &str, mut stand: Stand, time: Duration) -> Result<()> {
    println!("\n{name}");
    let shared = Shared::new(stand.seats());
    load::prepare(&shared)?;
    let at_rest = stand.sample()?;
    let began = Instant::now();
    let (samples, warm) = thread::scope(|scope| {
        for node in 0..shared.seats.len() {
            for part in load::PARTS {
                let shared = &shared;
                scope.spawn(move || part(shared, node));
            }
        }
        let sampled = follow(&mut stand, time);
        shared.stop.store(true, Ordering::Relaxed);
        sampled
    })?;
    let took = began.elapsed();
    let afterwards = rested(&mut stand, &at_rest)?;
    print!("{}", lived(&shared.counts, took));
    print!("{}", watch::table(&at_rest, &samples, SHOWN, &afterwards));
    let mut verdict = Verdict::of(samples.get(warm..).unwrap_or_default(), &at_rest, &afterwards);
    let failures = shared.counts.failures.lock().unwrap_or_else(PoisonError::into_inner);
    for ((status, wanted), number) in failures.iter() {
        verdict.complain(format!("{number} answers of status {status} where {wanted} was due"));
    }
    verdict.result(name)
}

/// The samples of a run, and the number of those in which the server was still warming up.
fn follow(stand: &mut Stand, time: Duration) -> Result<(Vec<Sample>, usize)> {
    let (began, warm_up) = (Instant::now(), time / WARM_UP);
    let pause = (time - warm_up) / SAMPLES;
    let (mut samples, mut warm) = (Vec::new(), 0);
    while began.elapsed() < time {
        thread::sleep(pause);
        samples.push(stand.sample()?.at(began.elapsed()));
        if began.elapsed() <= warm_up {
            warm = samples.len();
        }
    }
    Ok((samples, warm))
}

/// A sample as soon as the servers hold what they held before, or when it is clear that they go on holding more.
fn rested(stand: &mut Stand, before: &Sample) -> Result<Sample> {
    let began = Instant::now();
    loop {
        let sample = stand.sample()?.at(began.elapsed());
        if sample.is_as_small(before) || began.elapsed() > PATIENCE {
            return Ok(sample);
        }
        thread::sleep(Duration::from_millis(500));
    }
}

/// What was done, and how long a life that was.
fn lived(counts: &Counts, took: Duration) -> String {
    let [checks, unknown, writes, tokens, tenants, hung_up] =
        [&counts.checks, &counts.unknown, &counts.writes, &counts.tokens, &counts.tenants, &counts.hung_up]
            .map(|count| count.load(Ordering::Relaxed));
    let hours = hours(checks, writes);
    let enough = if hours >= HOURS { "" } else { ": fewer than promised, for want of time" };
    format!(
        "{checks} checks of keys that were there, {unknown} of unknown ones, {writes} writes, {tokens} tokens, {tenants} tenants deleted, \
         {hung_up} connections dropped in {:.0} s.\nAt {WRITES_PER_HOUR} writes an hour and {CHECKS_PER_SECOND} checks a second that is \
         {hours:.1} hours of life{enough}.\n\n",
        took.as_secs_f64()
    )
}

/// The hours in which a busy instance does as much of either.
fn hours(checks: u64, writes: u64) -> f64 {
    let checks = checks as f64 / (CHECKS_PER_SECOND * 3600) as f64;
    checks.min(writes as f64 / WRITES_PER_HOUR as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_understood() {
        assert_eq!(parse(&[]), Some(Plan { minutes: 10 }));
        assert_eq!(parse(&["--minutes", "3"]), Some(Plan { minutes: 3 }));
        for wrong in [&["--minutes"][..], &["--minutes", "0"], &["--minutes", "x"], &["3"]] {
            assert_eq!(parse(wrong), None);
        }
    }

    #[test]
    fn a_life_is_as_long_as_the_rarer_of_both() {
        assert!((hours(720_000, 4_000) - 4.0).abs() < 1e-9);
        assert!((hours(360_000, 4_000) - 2.0).abs() < 1e-9);
        assert!((hours(720_000, 500) - 0.5).abs() < 1e-9);
    }
}
