//! `cargo xtask gateway-test`: a real gateway with the shipped configuration between generated requests and an upstream
//! that notes what it receives.
//!
//! Whatever is sent over raw sockets, three things are compared for each request that reaches the upstream: what Claviger
//! was asked about, what the upstream received, and what the engine itself says about that.

mod closed;
mod entity;
mod generator;
mod http;
mod records;
mod stand;
mod verdict;

use crate::run::{Failure, Result};
use generator::Generated;
pub(crate) use generator::Random;
use http::{Head, skip_body};
use records::{Notes, REACHED};
use stand::{Claviger, Running};
pub(crate) use stand::{Directory, Gateway, Sabotage};
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::io::{self, BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;
use verdict::{Key, What, Wrong};

/// The header with the number of a request.
const TEST_ID: &str = "X-Test-Id";
/// So many have more than [`TARGETS`] different targets.
const REQUESTS: u64 = 300_000;
/// What the long form must ask for at least.
const TARGETS: usize = 100_000;
/// Of the form that belongs to the tests.
const FEW_REQUESTS: u64 = 4_000;
const CLIENTS: u64 = 8;
/// A gateway that says nothing for so long will not answer: some requests have no end for it.
const PATIENCE: Duration = Duration::from_secs(10);
/// The findings that are shown.
const SHOWN: usize = 5;
/// How many characters of one are shown: some names of keys are long.
const LONGEST: usize = 400;

/// What is to be run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Plan {
    gateway: Gateway,
    requests: u64,
    seed: u64,
    sabotage: Option<Sabotage>,
}

/// Reads the arguments of the command.
pub(crate) fn parse(arguments: &[&str]) -> Option<Plan> {
    let mut plan = Plan { gateway: Gateway::Nginx, requests: REQUESTS, seed: 1, sabotage: None };
    let mut rest = arguments.iter().copied();
    while let Some(argument) = rest.next() {
        let value = rest.next()?;
        match argument {
            "--requests" => plan.requests = value.parse().ok().filter(|requests| *requests > 0)?,
            "--seed" => plan.seed = value.parse().ok()?,
            "--gateway" => plan.gateway = Gateway::ALL.into_iter().find(|one| one.program() == value)?,
            "--sabotage" => {
                plan.sabotage = Some(match value {
                    "headers" => Sabotage::Headers,
                    "path" => Sabotage::Path,
                    _ => return None,
                });
            }
            _ => return None,
        }
    }
    Some(plan)
}

/// Runs the plan. With sabotage it is a failure to find nothing.
///
/// # Errors
/// The gateway is not installed, something does not start, or the outcome is not as it must be.
pub(crate) fn run(plan: Plan) -> Result<()> {
    let program = plan.gateway.find().ok_or_else(|| {
        Failure::new(format!(
            "{0} is not installed (Debian, Ubuntu: the package {0})",
            plan.gateway.program()
        ))
    })?;
    let directory = Directory::new("gateway")?;
    let claviger = Claviger::start(&directory)?;
    on(&claviger, &directory, plan, &program)
}

/// The form that belongs to the tests: few requests to every gateway that is there, with and without sabotage. Answers the
/// names of those that are not there.
///
/// # Errors
/// As [`run`].
pub(crate) fn few() -> Result<Vec<&'static str>> {
    let (mut absent, mut present) = (Vec::new(), Vec::new());
    for gateway in Gateway::ALL {
        match gateway.find() {
            Some(program) => present.push((gateway, program)),
            None => absent.push(gateway.program()),
        }
    }
    if present.is_empty() {
        return Ok(absent);
    }
    let directory = Directory::new("gateway")?;
    let claviger = Claviger::start(&directory)?;
    for (gateway, program) in present {
        for sabotage in [None, Some(Sabotage::Headers), Some(Sabotage::Path)] {
            on(&claviger, &directory, Plan { gateway, requests: FEW_REQUESTS, seed: 1, sabotage }, &program)?;
        }
    }
    Ok(absent)
}

fn on(claviger: &Claviger, directory: &Directory, plan: Plan, program: &std::path::Path) -> Result<()> {
    let stand = Stand { keys: &claviger.keys, asked: Arc::default(), received: Arc::default() };
    let relay = records::relay(claviger.address, Arc::clone(&stand.asked))?;
    let upstream = records::upstream(Arc::clone(&stand.received))?;
    let gateway = Running::start(plan.gateway, program, directory, relay, upstream, plan.sabotage)?;
    let totals = drive(&stand, gateway.address, plan);
    drop(gateway);
    totals.print(plan);
    if plan.sabotage.is_none() {
        closed::check(plan.gateway, program, directory)?;
    }
    let unseen = stand.received.left();
    if let Some(head) = unseen.first() {
        let (count, head) = (unseen.len(), String::from_utf8_lossy(&head.raw).into_owned());
        return Err(Failure::new(format!(
            "the upstream received {count} requests that nobody sent: {head:?}"
        )));
    }
    let what = match plan.sabotage {
        Some(Sabotage::Headers) => What::Forged,
        Some(Sabotage::Path) => What::Target,
        None => What::Other,
    };
    match (plan.sabotage, totals.found(what)) {
        (None, _) if !totals.findings.is_empty() => {
            Err(Failure::new(format!("{} requests went wrong", totals.findings.len())))
        }
        (None, _) if totals.reached * 10 < totals.sent => {
            Err(Failure::new("too few requests reached the upstream to say anything"))
        }
        (None, _) if totals.credentials.len() < claviger.keys.len() => {
            Err(Failure::new("too few requests: one of the credentials never reached the upstream"))
        }
        (None, _) if plan.requests >= REQUESTS && totals.targets.len() < TARGETS => {
            Err(Failure::new("too few different targets"))
        }
        (None, _) => Ok(()),
        (Some(_), 0) => Err(Failure::new("the sabotage was not found")),
        (Some(_), _) => Ok(()),
    }
}

struct Stand<'a> {
    keys: &'a [Key],
    asked: Arc<Notes<records::Asked>>,
    received: Arc<Notes<Head>>,
}

/// What came of all requests.
#[derive(Default)]
struct Totals {
    sent: u64,
    /// What was asked for, each target once.
    targets: HashSet<String>,
    /// How many of them Claviger was asked about.
    asked: u64,
    reached: u64,
    /// How often the client got which status; 0 for no answer.
    statuses: BTreeMap<u16, u64>,
    /// The places of the credentials with which requests reached the upstream.
    credentials: BTreeSet<usize>,
    findings: Vec<Wrong>,
}

impl Totals {
    /// How many findings are of this kind.
    fn found(&self, what: What) -> usize {
        self.findings.iter().filter(|finding| finding.what == what).count()
    }

    fn add(&mut self, other: Self) {
        self.sent += other.sent;
        self.targets.extend(other.targets);
        self.asked += other.asked;
        self.reached += other.reached;
        for (status, count) in other.statuses {
            *self.statuses.entry(status).or_default() += count;
        }
        self.credentials.extend(other.credentials);
        self.findings.extend(other.findings);
    }

    fn print(&self, plan: Plan) {
        let sabotage = match plan.sabotage {
            None => "as shipped",
            Some(Sabotage::Headers) => "sabotaged: identity headers are not deleted",
            Some(Sabotage::Path) => "sabotaged: the path is changed after the decision",
        };
        let statuses: Vec<_> =
            self.statuses.iter().map(|(status, count)| format!("{status}: {count}")).collect();
        println!(
            "{} ({sabotage}), seed {}: {} requests for {} targets, {} asked about, {} reached the upstream, {} went wrong \
             ({} with the client's words about itself, {} with another target); statuses {}",
            plan.gateway.program(),
            plan.seed,
            self.sent,
            self.targets.len(),
            self.asked,
            self.reached,
            self.findings.len(),
            self.found(What::Forged),
            self.found(What::Target),
            statuses.join(", ")
        );
        for finding in self.findings.iter().take(SHOWN) {
            println!("  {}", finding.text.chars().take(LONGEST).collect::<String>());
        }
    }
}

fn drive(stand: &Stand<'_>, gateway: SocketAddr, plan: Plan) -> Totals {
    let next = AtomicU64::new(0);
    let values: Vec<_> = stand.keys.iter().map(|key| key.value.clone()).collect();
    let client = || {
        let (mut totals, mut connection) = (Totals::default(), None);
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= plan.requests {
                return totals;
            }
            let request = generator::request(plan.seed, number, &values);
            let told = send(&mut connection, gateway, &request);
            totals.sent += 1;
            *totals.statuses.entry(told.status).or_default() += 1;
            let (asked, received) = (stand.asked.take(number), stand.received.take(number));
            totals.asked += u64::from(!asked.is_empty());
            let outcome = if told.reached || !received.is_empty() {
                totals.reached += 1;
                totals.credentials.extend(request.key);
                verdict::check(&request, stand.keys, &asked, &received)
            } else {
                verdict::check_refused(&told, &asked)
            };
            if let Err(wrong) = outcome {
                let shown = String::from_utf8_lossy(&request.bytes);
                let line = shown.lines().next().unwrap_or_default();
                let text = format!("request {number}, {line:?}: {}", wrong.text);
                totals.findings.push(Wrong { text, ..wrong });
            }
            totals.targets.insert(request.target);
        }
    };
    let mut totals = Totals::default();
    thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS).map(|_| scope.spawn(client)).collect();
        for client in clients {
            match client.join() {
                Ok(part) => totals.add(part),
                Err(_) => totals.findings.push("a client of the stand ended early".into()),
            }
        }
    });
    totals
}

/// What the client was told.
#[derive(Debug, Default)]
struct Told {
    /// 0 for no answer.
    status: u16,
    /// Whether the upstream gave the answer.
    reached: bool,
    /// The values of `WWW-Authenticate`.
    challenges: Vec<String>,
}

/// Sends a request and reads the answer.
fn send(connection: &mut Option<BufReader<TcpStream>>, gateway: SocketAddr, request: &Generated) -> Told {
    // A connection that was kept may be closed by now: then a new one is tried.
    for _ in 0..2 {
        let kept = connection.is_some();
        match exchange(connection, gateway, request) {
            Ok(told) => return told,
            Err(_) => *connection = None,
        }
        if !kept {
            break;
        }
    }
    Told::default()
}

fn exchange(
    connection: &mut Option<BufReader<TcpStream>>,
    gateway: SocketAddr,
    request: &Generated,
) -> io::Result<Told> {
    let mut reader = match connection.take() {
        Some(reader) => reader,
        None => {
            let stream = TcpStream::connect(gateway)?;
            stream.set_nodelay(true)?;
            stream.set_read_timeout(Some(PATIENCE))?;
            BufReader::new(stream)
        }
    };
    reader.get_mut().write_all(&request.bytes)?;
    let head = Head::read(&mut reader)?.ok_or(io::ErrorKind::UnexpectedEof)?;
    let told = Told {
        status: head.status(),
        reached: head.values(REACHED).next().is_some(),
        challenges: head.values("www-authenticate").map(str::to_owned).collect(),
    };
    let closes = request.last || head.values("connection").any(|value| value.eq_ignore_ascii_case("close"));
    let length = if request.head_only { Some(0) } else { head.content_length() };
    // Without a length the end of the connection is the end of the body.
    if let (false, Some(length)) = (closes, length) {
        skip_body(&mut reader, length)?;
        *connection = Some(reader);
    }
    Ok(told)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plans_are_read() {
        let plan = Plan { gateway: Gateway::Nginx, requests: REQUESTS, seed: 1, sabotage: None };
        assert_eq!(parse(&[]), Some(plan));
        assert_eq!(
            parse(&["--requests", "5", "--sabotage", "path", "--gateway", "caddy", "--seed", "9"]),
            Some(Plan { gateway: Gateway::Caddy, requests: 5, seed: 9, sabotage: Some(Sabotage::Path) })
        );
        let haproxy = parse(&["--gateway", "haproxy"]).map(|plan| plan.gateway);
        assert_eq!(haproxy, Some(Gateway::Haproxy));
        for bad in [
            &["--requests"][..],
            &["--gateway", "apache"],
            &["--requests", "0"],
            &["--sabotage", "all"],
            &["x", "y"],
        ] {
            assert_eq!(parse(bad), None);
        }
    }
}
