//! `cargo xtask cluster-test`: several processes of the server on one PostgreSQL, clients on all of them, and faults.
//!
//! Clients ask every node about API keys, at once where something has just changed, while others make keys and take their power away in every way there
//! is. Meanwhile nodes are frozen, killed and cut off, and the database is stopped. What the clients saw is then searched for a
//! request that was accepted after a revocation had been acknowledged, and for an acknowledged write that is gone.
//!
//! With sabotage the servers are built with switches that spoil them; that must be found.

mod check;
pub(crate) mod client;
mod faults;
mod history;
mod load;
mod proxy;
mod report;
mod stand;
mod writers;

use crate::bench;
use crate::gateway::Directory;
use crate::postgres::{Postgres, Server};
use crate::run::{Failure, Result};
use check::{Found, Rule, Violation};
use client::Client;
use faults::{Pace, Schedule};
use history::History;
use load::Shared;
use report::Figures;
use stand::{Build, MANAGER, Stand};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant};

/// What a whole run must reach.
const DECISIONS: usize = 1_000_000;
const REVOCATIONS: usize = 1_000;
/// Whoever has not reached it by then never does.
const LONGEST: Duration = Duration::from_secs(3600);
/// Sabotage must be found within this time.
const FOUND_WITHIN: Duration = Duration::from_secs(60);
const NODES: u8 = 3;
/// Clients that ask, for each node.
const ASKING: u8 = 2;
/// Clients that write, for each node.
const WRITING: u8 = 2;
/// The calm at the beginning of a whole run: no fault, and little to do, so that the nodes are not kept from the processors by their
/// clients.
const CALM: Duration = Duration::from_secs(60);
/// Between two looks at whether a run is over.
const LOOK: Duration = Duration::from_millis(500);
/// The findings that are shown.
const SHOWN: usize = 10;
/// How often what is to be read at the end is read before it counts as unreadable.
const READINGS: usize = 20;

/// How the servers are spoilt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sabotage {
    /// They decide from what they knew a second ago.
    Cache,
    /// Writes are answered before the other nodes have confirmed them.
    Unconfirmed,
}

impl Sabotage {
    const ALL: [Self; 2] = [Self::Cache, Self::Unconfirmed];

    fn name(self) -> &'static str {
        match self {
            Self::Cache => "cache",
            Self::Unconfirmed => "unconfirmed",
        }
    }
}

/// What is to be run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Plan {
    /// For how long; else until everything that is promised could be judged.
    seconds: Option<u64>,
    seed: u64,
    nodes: u8,
    sabotage: Option<Sabotage>,
}

/// Reads the arguments of the command.
pub(crate) fn parse(arguments: &[&str]) -> Option<Plan> {
    let mut plan = Plan { seconds: None, seed: 1, nodes: NODES, sabotage: None };
    let mut rest = arguments.iter().copied();
    while let Some(argument) = rest.next() {
        let value = rest.next()?;
        match argument {
            "--seconds" => plan.seconds = Some(value.parse().ok().filter(|seconds| *seconds > 0)?),
            "--seed" => plan.seed = value.parse().ok()?,
            "--nodes" => plan.nodes = value.parse().ok().filter(|nodes| (1..=9).contains(nodes))?,
            "--sabotage" => plan.sabotage = Some(Sabotage::ALL.into_iter().find(|one| one.name() == value)?),
            _ => return None,
        }
    }
    Some(plan)
}

/// When a run is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Goal {
    /// So many decisions, so many revocations, and a whole round of faults.
    Counts,
    /// A time.
    Time(Duration),
    /// One round of faults.
    Round,
    /// A key was accepted after its revocation.
    Found,
}

/// Runs the plan. With sabotage it is a failure to find nothing.
///
/// # Errors
/// PostgreSQL is not installed, something does not start, or the outcome is not as it must be.
pub(crate) fn run(plan: Plan) -> Result<()> {
    let mut server = match Postgres::throw_away() {
        Postgres::Started(server) => server,
        Postgres::Given => return Err(Failure::new("the cluster test needs a PostgreSQL that it may stop")),
        Postgres::Absent(reason) => return Err(Failure::new(reason)),
    };
    let directory = Directory::new("cluster")?;
    let (goal, build) = match (plan.sabotage, plan.seconds) {
        (Some(_), _) => (Goal::Found, Build::Sabotage),
        // Their figures are those of what users run.
        (None, Some(seconds)) => (Goal::Time(Duration::from_secs(seconds)), Build::Release),
        (None, None) => (Goal::Counts, Build::Release),
    };
    let program = stand::build(build, directory.path())?;
    let pace = if plan.sabotage.is_some() { Pace::Sabotage } else { Pace::Long };
    let (table, clock) = on(&program, plan, goal, pace, &mut server, directory.path())?;
    if !clock {
        println!(
            "clocks that go wrong are left out: libfaketime is not installed (Debian, Ubuntu: the package faketime)"
        );
    }
    if goal == Goal::Counts {
        bench::report::write("cluster", &table, &[])?;
    }
    Ok(())
}

/// The form that belongs to the tests: one round of a few faults, then both kinds of sabotage. Answers why it was left out, where
/// PostgreSQL is not installed.
///
/// # Errors
/// As [`run`].
pub(crate) fn few() -> Result<Option<String>> {
    let mut server = match Postgres::throw_away() {
        Postgres::Started(server) => server,
        Postgres::Given => return Ok(Some("it needs a PostgreSQL that it may stop".to_owned())),
        Postgres::Absent(reason) => return Ok(Some(reason)),
    };
    let directory = Directory::new("cluster")?;
    // The last build is the one that is left behind: a server as it should be.
    let spoilt = stand::build(Build::Sabotage, directory.path())?;
    let good = stand::build(Build::Debug, directory.path())?;
    let plan = Plan { seconds: None, seed: 1, nodes: NODES, sabotage: None };
    on(&good, plan, Goal::Round, Pace::Short, &mut server, directory.path())?;
    for (number, sabotage) in (2..).zip(Sabotage::ALL) {
        let plan = Plan { seed: number, sabotage: Some(sabotage), ..plan };
        on(&spoilt, plan, Goal::Found, Pace::Sabotage, &mut server, directory.path())?;
    }
    Ok(None)
}

/// Runs a plan on a database that may have been used before; answers its table, and whether a clock went wrong.
fn on(
    program: &Path,
    plan: Plan,
    goal: Goal,
    pace: Pace,
    server: &mut Server,
    directory: &Path,
) -> Result<(String, bool)> {
    let sabotage = plan.sabotage.map(Sabotage::name);
    let spoilt = sabotage.map(|name| format!(", sabotage: {name}")).unwrap_or_default();
    println!("\n{} nodes, seed {}{spoilt}", plan.nodes, plan.seed);
    let mut stand = Stand::start(plan.nodes, program, sabotage, server, directory)?;
    let seats = stand.nodes.iter().map(|node| Arc::clone(&node.seat)).collect();
    let shared = Shared::new(seats, plan.seed);
    writers::prepare(&shared)?;
    let began = Instant::now();
    let schedule = Schedule::new(pace, plan.seed, stand.nodes.len());
    drive(&shared, plan.nodes, || conduct(&shared, schedule, goal, &mut stand, server))?;
    let took = began.elapsed();
    let history = std::mem::take(&mut *shared.recorder.history());
    let mut violations = check::violations(&history);
    if goal != Goal::Found {
        // What only memory knew is gone now.
        if let Some(node) = stand.nodes.first_mut() {
            node.kill();
            node.launch()?;
        }
        violations.extend(read_back(&shared, &history)?);
    }
    let table = report::markdown(&history, stand.nodes.len(), &violations, goal == Goal::Found);
    print!("\n{table}");
    for violation in violations.iter().take(SHOWN) {
        println!("  {violation}");
    }
    for slow in report::slow(&history).iter().filter(|_| goal != Goal::Found).take(SHOWN) {
        println!("  slower than promised: {slow}");
    }
    judge(goal, &history, &violations, took)?;
    Ok((table, stand.clock))
}

/// Keeps all clients busy while `conduct` runs.
fn drive(shared: &Shared, nodes: u8, conduct: impl FnOnce() -> Result<()>) -> Result<()> {
    thread::scope(|scope| {
        for number in 0..nodes * ASKING {
            scope.spawn(move || load::ask(shared, usize::from(number % nodes), u64::from(number)));
        }
        for number in 0..nodes * WRITING {
            scope.spawn(move || writers::write(shared, u64::from(number)));
        }
        let outcome = conduct();
        shared.stop.store(true, Ordering::Relaxed);
        outcome
    })
}

/// One fault after the other, until the goal is reached.
fn conduct(
    shared: &Shared,
    schedule: Schedule,
    goal: Goal,
    stand: &mut Stand,
    server: &mut Server,
) -> Result<()> {
    if goal == Goal::Counts {
        shared.calm.store(true, Ordering::Relaxed);
        thread::sleep(CALM);
        shared.calm.store(false, Ordering::Relaxed);
        let now = shared.recorder.now();
        shared.recorder.history().calm_until = now;
    }
    let (began, round) = (Instant::now(), schedule.round());
    for (number, step) in schedule.enumerate() {
        let until = Instant::now() + step.rest;
        loop {
            if is_over(shared, goal, began.elapsed(), number >= round) {
                return Ok(());
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            thread::sleep(left.min(LOOK));
        }
        faults::perform(step, stand, server, shared)?;
    }
    Ok(())
}

fn is_over(shared: &Shared, goal: Goal, elapsed: Duration, whole_round: bool) -> bool {
    let history = shared.recorder.history();
    match goal {
        Goal::Counts => {
            let reached =
                history.decisions.len() >= DECISIONS && history.revocations().count() >= REVOCATIONS;
            reached && whole_round || elapsed > LONGEST
        }
        Goal::Time(time) => elapsed >= time,
        Goal::Round => whole_round,
        Goal::Found => {
            let copy = history.clone();
            // The search takes longer than the copy, and nobody has to wait for it.
            drop(history);
            elapsed > FOUND_WITHIN || is_found(&check::violations(&copy))
        }
    }
}

fn is_found(violations: &[Violation]) -> bool {
    violations.iter().any(|violation| violation.rule == Rule::DeadAtOnce)
}

/// Compares what every node shows after the run with what was acknowledged.
fn read_back(shared: &Shared, history: &History) -> Result<Vec<Violation>> {
    let keys = check::existence(&history.operations);
    let credentials = check::lives(&history.operations);
    let read = |client: &mut Client, request: &[u8], there: &dyn Fn(u16) -> Option<bool>| {
        for _ in 0..READINGS {
            if let Some(there) = there(client.send(request)) {
                return Ok(there);
            }
            thread::sleep(Duration::from_millis(100));
        }
        Err(Failure::new("a node does not answer after the run"))
    };
    let look = |node: usize| -> Result<Vec<Violation>> {
        let Some(seat) = shared.seats.get(node) else { return Ok(Vec::new()) };
        let mut client = Client::new(Arc::clone(seat), Duration::from_secs(10));
        let mut found = Vec::new();
        for key in keys.keys() {
            let id = load::id(shared.seed, *key);
            let request = format!(
                "GET /api/api-key/{id} HTTP/1.1\r\nHost: localhost\r\nAuthorization: {MANAGER}\r\n\r\n"
            );
            let there = |status| match status {
                200 => Some(true),
                404 => Some(false),
                _ => None,
            };
            found.push(Found::Key(*key, read(&mut client, request.as_bytes(), &there)?));
        }
        for credential in credentials.keys() {
            let there = |status| match status {
                200 => Some(true),
                401 | 403 => Some(false),
                _ => None,
            };
            let is = read(&mut client, &load::question(shared.seed, *credential), &there)?;
            found.push(Found::Credential(*credential, is));
        }
        Ok(check::missing(&history.operations, &format!("node {node}"), &found))
    };
    thread::scope(|scope| {
        let look = &look;
        let looking: Vec<_> = (0..shared.seats.len()).map(|node| scope.spawn(move || look(node))).collect();
        let mut wrong = Vec::new();
        for one in looking {
            wrong.extend(one.join().map_err(|_| Failure::new("a client of the stand ended early"))??);
        }
        Ok(wrong)
    })
}

/// Whether the outcome is as it must be.
fn judge(goal: Goal, history: &History, violations: &[Violation], took: Duration) -> Result<()> {
    if goal == Goal::Found {
        if !is_found(violations) {
            return Err(Failure::new(format!("the sabotage was not found within {FOUND_WITHIN:?}")));
        }
        println!("the sabotage was found after {:.1} s", took.as_secs_f64());
        return Ok(());
    }
    if !violations.is_empty() {
        return Err(Failure::new(format!("{} violations", violations.len())));
    }
    let figures = Figures::of(history);
    if figures.decisions == 0 || figures.revocations == 0 {
        return Err(Failure::new("nothing was decided or revoked"));
    }
    if goal != Goal::Counts {
        return Ok(());
    }
    if figures.decisions < DECISIONS || figures.revocations < REVOCATIONS {
        return Err(Failure::new(format!("too few decisions or revocations within {LONGEST:?}")));
    }
    if figures.delay() > report::DELAY {
        return Err(Failure::new("a node that was away delayed a revocation for longer than is promised"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use history::{Decision, Effect, Kind, Means, Operation, Outcome, Span};

    #[test]
    fn plans_are_read() {
        let plan = Plan { seconds: None, seed: 1, nodes: 3, sabotage: None };
        assert_eq!(parse(&[]), Some(plan));
        assert_eq!(
            parse(&["--seconds", "5", "--seed", "9", "--nodes", "2", "--sabotage", "unconfirmed"]),
            Some(Plan { seconds: Some(5), seed: 9, nodes: 2, sabotage: Some(Sabotage::Unconfirmed) })
        );
        for bad in
            [&["--seconds"][..], &["--seconds", "0"], &["--nodes", "0"], &["--sabotage", "all"], &["x", "y"]]
        {
            assert_eq!(parse(bad), None);
        }
    }

    /// Made to fail: a run is only as good as its judgement.
    #[test]
    fn runs_are_judged() {
        let operation = |kind, start, effect| Operation {
            span: Span { start, end: start + 10 },
            kind,
            key: 1,
            node: 0,
            outcome: Outcome::Acknowledged,
            effects: vec![effect],
        };
        let operations = vec![
            operation(Kind::Create, 10, Effect::Grants(1)),
            operation(Kind::Take(Means::Disable), 30, Effect::Revokes(1)),
        ];
        let decision =
            |start| Decision { span: Span { start, end: start + 1 }, credential: 1, status: 200, node: 1 };
        let outcome = |goal, decisions: Vec<Decision>| {
            let history = History { decisions, operations: operations.clone(), ..History::default() };
            judge(goal, &history, &check::violations(&history), Duration::ZERO).is_ok()
        };
        assert!(outcome(Goal::Round, vec![decision(25)]));
        assert!(!outcome(Goal::Round, vec![decision(50)]), "accepted although dead");
        assert!(!outcome(Goal::Round, Vec::new()), "nothing decided");
        assert!(!outcome(Goal::Counts, vec![decision(25)]), "too little decided");
        assert!(outcome(Goal::Found, vec![decision(50)]));
        assert!(!outcome(Goal::Found, vec![decision(25)]), "sabotage that nobody noticed");
    }
}
