//! How fast `/oauth2/token` is for a scope with one target and its permissions, beside the bare signing rate of the same machine; clients show
//! their secrets in the form and by Basic in turn. Once with one client, which the server knows after its first token, and once with
//! more clients than it remembers, so that each request looks in the database.
//!
//! First without HTTP: the endpoint's own work, from headers and form to the text of the answer, look-ups included. Bare signatures and
//! tokens take turns in one process on one core, and what counts is processor time, so that others who want the core take nothing away:
//! for bare signatures that of their thread, for tokens that of the whole process, because look-ups on PostgreSQL are made by a
//! thread of their own, and what else the server does counts as well. Of the bare rate a share is promised, on PostgreSQL for 64 requests
//! at a time, as that many connections make them; what one at a time costs there, which is a statement and two changes of threads for each, is shown beside
//! it. The rate by the clock is told as well: there the process waits for the database, which runs wherever the system puts it.
//!
//! Then over TCP, where the whole exchange comes on top: server and bare signing are processes of their own on one core, one after the
//! other in short rounds, by their processor time; the requests come from the other core over connections that stay open.
//!
//! `cargo xtask bench tokens` runs it, on SQLite and, where there is one, on the PostgreSQL of `CLAVIGER_TEST_POSTGRES_URL`. The last
//! line says whether the shares that are promised were reached.
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

use std::cell::Cell;
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, ExitCode, Stdio};
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use actix_web::rt::{System, spawn};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use claviger_crypto::{Signer, SystemRandom, generate_material};
use claviger_domain::{HashSize, KeyAlgorithm, KeySpec, RsaLength};
use claviger_http::{Stop, TokenCall, TokenEndpoint, serve};
use rustix::time::{ClockId, clock_gettime};
use serde_json::{Value, json};

use client::{Client, request};
use options::options;

const MANAGER: &str = "the key manager of the measurement";
const SERVER_CORE: &str = "0";
const CLIENT_CORE: &str = "1";
const CONNECTIONS: usize = 8;
/// Requests in flight where look-ups are made together.
const IN_FLIGHT: usize = 64;
/// More than the server remembers.
const MANY: usize = 4_200;
const ROUNDS: usize = 5;
const ROUND: Duration = Duration::from_secs(1);
/// Turns of bare signatures and of tokens in one process, and the processor time of each in seconds.
const TURNS: usize = 12;
const TURN: f64 = 0.15;
/// What is done between two looks at the clock, which would cost a percent of a signature each time.
const AT_A_TIME: u32 = 8;
/// Algorithm, and the promised share of its bare signing rate.
const PROMISES: [(&str, f64); 2] = [("RS256", 0.85), ("ES256", 0.5)];

/// Makes an object and returns it.
fn make(client: &mut Client, path: &str, tenant: &str, body: &Value) -> Value {
    let mut head = format!("Authorization: {MANAGER}\r\nContent-Type: application/json");
    if !tenant.is_empty() {
        head.push_str(&format!("\r\nX-FusionAuth-TenantId: {tenant}"));
    }
    let (status, answer) = client.call(&request("POST", path, &head, &body.to_string()));
    assert_eq!(status, 200, "{path}: {}", String::from_utf8_lossy(&answer));
    serde_json::from_slice(&answer).unwrap_or_default()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

/// The value of `Authorization`, empty for none, and the form of a request for a token.
type Asked = (String, String);

/// The request as it goes over TCP.
fn over_tcp((authorization, form): &Asked) -> Vec<u8> {
    let mut head = "Content-Type: application/x-www-form-urlencoded".to_owned();
    if !authorization.is_empty() {
        head.push_str(&format!("\r\nAuthorization: {authorization}"));
    }
    request("POST", "/oauth2/token", &head, form)
}

/// A tenant that signs with this algorithm, and requests for tokens of its entities: of one in both ways, and of many, in one way each.
fn prepare(client: &mut Client, algorithm: &str) -> [(&'static str, Vec<Asked>); 2] {
    let length = (algorithm == "RS256").then_some(2048);
    let key = json!({"key": {"name": algorithm, "algorithm": algorithm, "length": length}});
    let key = make(client, "/api/key/generate", "", &key)["key"]["id"].clone();
    let jwt =
        json!({"accessTokenKeyId": key, "timeToLiveInSeconds": 3600, "refreshTokenTimeToLiveInMinutes": 60});
    let tenant = json!({"tenant": {"name": algorithm, "jwtConfiguration": jwt}});
    let tenant = text(&make(client, "/api/tenant", "", &tenant)["tenant"]["id"]);
    let of = json!({"entityType": {"name": algorithm}});
    let of = text(&make(client, "/api/entity/type", "", &of)["entityType"]["id"]);
    for name in ["read", "write"] {
        let path = format!("/api/entity/type/{of}/permission");
        make(client, &path, "", &json!({"permission": {"name": name}}));
    }
    let entity = |client: &mut Client, name: &str| {
        let entity = json!({"entity": {"name": name, "type": {"id": of}}});
        make(client, "/api/entity", &tenant, &entity)["entity"].clone()
    };
    let on = text(&entity(client, "target")["id"]);
    let mut both_ways = || {
        let own = entity(client, "client");
        let grant = json!({"grant": {"recipientEntityId": own["id"], "permissions": ["read", "write"]}});
        make(client, &format!("/api/entity/{on}/grant"), &tenant, &grant);
        let (id, secret) = (text(&own["clientId"]), text(&own["clientSecret"]));
        let form = format!("grant_type=client_credentials&scope=target-entity%3A{on}%3Aread%2Cwrite");
        let in_form = format!("{form}&client_id={id}&client_secret={secret}");
        let basic = format!("Basic {}", STANDARD.encode(format!("{id}:{secret}")));
        [(String::new(), in_form), (basic, form)]
    };
    let one = both_ways().to_vec();
    let many = (0..MANY).map(|number| both_ways()[number % 2].clone()).collect();
    [("one client", one), ("4200 clients", many)]
}

/// The processor time of a process so far, in seconds; the kernel counts it in hundredths.
fn processor_time(process: &str) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap();
    // What follows the name, which may hold anything, begins with the third field.
    let fields: Vec<_> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
    let ticks = |index: usize| fields[index].parse::<f64>().unwrap();
    (ticks(11) + ticks(12)) / 100.0
}

/// Tokens per second of the server's processor time, over all connections.
fn tokens(process: &str, clients: &mut [Client], requests: &[Vec<u8>]) -> f64 {
    let (done, stop) = (AtomicUsize::new(0), AtomicBool::new(false));
    let start = processor_time(process);
    let used = thread::scope(|scope| {
        for client in clients {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    let (status, body) =
                        client.call(&requests[done.fetch_add(1, Ordering::Relaxed) % requests.len()]);
                    assert_eq!(status, 200, "{}", String::from_utf8_lossy(&body));
                }
            });
        }
        thread::sleep(ROUND);
        stop.store(true, Ordering::Relaxed);
        processor_time(process) - start
    });
    done.load(Ordering::Relaxed) as f64 / used
}

/// This program again, on the core of the server.
fn pinned(arguments: &[&str]) -> Child {
    Command::new("taskset")
        .args(["-c", SERVER_CORE])
        .arg(std::env::current_exe().unwrap())
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Bare signatures per second of a text as long as that of the token.
fn bare(algorithm: &str, length: usize) -> f64 {
    let output = pinned(&["sign", algorithm, &length.to_string()]).wait_with_output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim().parse().unwrap()
}

fn signer(algorithm: &str) -> Signer {
    let (spec, algorithm) = match algorithm {
        "RS256" => (KeySpec::Rsa(HashSize::Bits256, RsaLength::Bits2048), KeyAlgorithm::Rs256),
        _ => (KeySpec::Ec(HashSize::Bits256), KeyAlgorithm::Es256),
    };
    let material = generate_material(spec, &mut SystemRandom).unwrap().to_pkcs8().unwrap().unwrap();
    Signer::new(algorithm, &material).unwrap()
}

fn sign(algorithm: &str, length: &str) {
    let signer = signer(algorithm);
    let input = vec![b'a'; length.parse().unwrap()];
    let (mut done, before, start) = (0_u64, processor_time("self"), Instant::now());
    while start.elapsed() < ROUND {
        signer.sign(&input).unwrap();
        done += 1;
    }
    println!("{}", done as f64 / (processor_time("self") - before));
}

/// The processor time of this thread, or of the whole process, so far, in seconds.
fn time_of(clock: ClockId) -> f64 {
    let time = clock_gettime(clock);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

/// How often something is done: per second of processor time, and of the clock.
struct Rate {
    processor: f64,
    clock: f64,
}

/// One turn, whose processor time is that of `whose`.
struct Turn {
    whose: ClockId,
    before: f64,
    start: Instant,
}

impl Turn {
    fn begin(whose: ClockId) -> Self {
        Self { whose, before: time_of(whose), start: Instant::now() }
    }

    fn used(&self) -> f64 {
        time_of(self.whose) - self.before
    }

    fn end(&self, done: u32) -> Rate {
        Rate {
            processor: f64::from(done) / self.used(),
            clock: f64::from(done) / self.start.elapsed().as_secs_f64(),
        }
    }
}

/// Bare signatures, all on this thread.
fn signatures(mut sign: impl FnMut()) -> Rate {
    let (mut done, turn) = (0, Turn::begin(ClockId::ThreadCPUTime));
    while turn.used() < TURN {
        (0..AT_A_TIME).for_each(|_| sign());
        done += AT_A_TIME;
    }
    turn.end(done)
}

/// The endpoint, and the requests that it gets in turn.
struct Inside {
    endpoint: TokenEndpoint,
    calls: Vec<TokenCall>,
    next: Cell<usize>,
}

impl Inside {
    async fn token(&self) -> String {
        let next = self.next.replace(self.next.get() + 1);
        let (status, answer) = self.endpoint.answer(&self.calls[next % self.calls.len()]).await;
        assert_eq!(status, 200, "{answer}");
        answer
    }

    /// So many tokens at a time, whose requests wait and are answered on this thread as those of as many connections. What other threads
    /// of the process do for them counts.
    async fn tokens(self: Rc<Self>, at_a_time: usize) -> Rate {
        let turn = Rc::new(Turn::begin(ClockId::ProcessCPUTime));
        let (done, over) = (Rc::new(Cell::new(0)), Rc::new(Cell::new(false)));
        let tasks: Vec<_> = (0..at_a_time)
            .map(|_| {
                let (own, turn, done) = (Rc::clone(&self), Rc::clone(&turn), Rc::clone(&done));
                let over = Rc::clone(&over);
                spawn(async move {
                    while !over.get() {
                        drop(own.token().await);
                        done.set(done.get() + 1);
                        if done.get() % AT_A_TIME == 0 && turn.used() >= TURN {
                            over.set(true);
                        }
                    }
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
        turn.end(done.get())
    }
}

/// Bare signatures and tokens of the endpoint in this process; the requests come on the standard input, and rates and share go to
/// the standard output.
fn inside(url: &str, algorithm: &str, at_a_time: usize) {
    let asked: Vec<Asked> = serde_json::from_reader(std::io::stdin()).unwrap();
    let calls: Vec<_> = asked
        .into_iter()
        .map(|(authorization, form)| {
            TokenCall::new((!authorization.is_empty()).then_some(authorization.as_str()), form)
        })
        .collect();
    let endpoint = TokenEndpoint::open(&options(url.parse().unwrap(), MANAGER)).unwrap();
    let (signer, system) = (signer(algorithm), System::new());
    let inside = Rc::new(Inside { endpoint, calls, next: Cell::new(0) });
    let tokens = || system.block_on(Rc::clone(&inside).tokens(at_a_time));
    // All of them once, so that what is kept of anything is kept.
    for _ in 1..inside.calls.len() {
        system.block_on(inside.token());
    }
    let answer: Value = serde_json::from_str(&system.block_on(inside.token())).unwrap();
    let input = vec![b'a'; text(&answer["access_token"]).rsplit_once('.').unwrap().0.len()];
    let bare = || signatures(|| drop(signer.sign(&input).unwrap()));
    let turns: Vec<_> = (0..TURNS)
        .map(|number| {
            if number % 2 == 0 {
                (bare(), tokens())
            } else {
                let tokens = tokens();
                (bare(), tokens)
            }
        })
        .collect();
    let signing = median(turns.iter().map(|turn| turn.0.processor).collect());
    let issued = median(turns.iter().map(|turn| turn.1.processor).collect());
    let by_the_clock = median(turns.iter().map(|turn| turn.1.clock).collect());
    let share = median(turns.iter().map(|turn| turn.1.processor / turn.0.processor).collect());
    println!("{signing} {issued} {by_the_clock} {share}");
}

fn server(url: &str) {
    let (stop, stopped) = tokio::sync::oneshot::channel();
    // The end of the standard input is the word to stop.
    thread::spawn(move || {
        let _read = std::io::stdin().read_to_end(&mut Vec::new());
        drop(stop);
    });
    serve(options(url.parse().unwrap(), MANAGER), Stop::Channel(stopped), |ready| {
        println!("{}", ready.address.unwrap())
    })
    .unwrap();
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// What was measured, as lines of two tables.
#[derive(Default)]
struct Report {
    endpoint: Vec<String>,
    over_tcp: Vec<String>,
    missed: bool,
}

/// What is measured without HTTP.
struct Case<'a> {
    database: &'a str,
    url: &'a str,
    algorithm: &'a str,
    who: &'a str,
    asked: &'a [Asked],
}

impl Report {
    fn add_inside(&mut self, case: &Case<'_>, at_a_time: usize, promise: Option<f64>) {
        let Case { database, url, algorithm, who, asked } = case;
        let mut child = pinned(&["inside", url, algorithm, &at_a_time.to_string()]);
        serde_json::to_writer(child.stdin.take().unwrap(), asked).unwrap();
        let output = child.wait_with_output().unwrap();
        let rates: Vec<f64> = String::from_utf8(output.stdout)
            .unwrap()
            .split_whitespace()
            .map(|rate| rate.parse().unwrap())
            .collect();
        let [signing, issued, by_the_clock, share] = rates[..] else { panic!("no rates") };
        let promised = promise.map_or("none".to_owned(), |promise| format!("{:.0} %", promise * 100.0));
        self.endpoint.push(format!(
            "| {database}, {who} | {algorithm} | {at_a_time} | {signing:.0} | {issued:.0} | {by_the_clock:.0} | {:.0} % | {promised} |",
            share * 100.0
        ));
        self.missed |= promise.is_some_and(|promise| share < promise);
    }
}

/// Measures on one database.
fn run(report: &mut Report, database: &str, url: &str) {
    let mut child = pinned(&["serve", url]);
    // What `taskset` starts takes its place.
    let process = child.id().to_string();
    let mut address = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut address).unwrap();
    let address = address.trim();
    let prepared = PROMISES
        .map(|(algorithm, promise)| (algorithm, promise, prepare(&mut Client::open(address), algorithm)));
    for (algorithm, _, cases) in &prepared {
        let (_, answer) = Client::open(address).call(&over_tcp(&cases[0].1[0]));
        let answer: Value = serde_json::from_slice(&answer).unwrap();
        let length = text(&answer["access_token"]).rsplit_once('.').unwrap().0.len();
        for (who, asked) in cases {
            let requests: Vec<_> = asked.iter().map(over_tcp).collect();
            let mut clients: Vec<_> = (0..CONNECTIONS).map(|_| Client::open(address)).collect();
            tokens(&process, &mut clients, &requests);
            let rounds: Vec<_> = (0..ROUNDS)
                .map(|_| (bare(algorithm, length), tokens(&process, &mut clients, &requests)))
                .collect();
            let signing = median(rounds.iter().map(|round| round.0).collect());
            let served = median(rounds.iter().map(|round| round.1).collect());
            let share = median(rounds.iter().map(|round| round.1 / round.0).collect()) * 100.0;
            let line =
                format!("| {database}, {who} | {algorithm} | {signing:.0} | {served:.0} | {share:.0} % |");
            report.over_tcp.push(line);
        }
    }
    drop(child.stdin.take());
    child.wait().unwrap();
    for (algorithm, promise, cases) in &prepared {
        for (who, asked) in cases {
            // Where a look-up is made together with others, it matters how many there are.
            let shared = database != "SQLite" && asked.len() == MANY;
            for at_a_time in if shared { &[1, IN_FLIGHT][..] } else { &[1] } {
                let is_promised = !shared || *at_a_time > 1;
                report.add_inside(
                    &Case { database, url, algorithm, who, asked },
                    *at_a_time,
                    is_promised.then_some(*promise),
                );
            }
        }
    }
}

#[cfg(feature = "postgres")]
fn on_postgres(report: &mut Report, server: &str) {
    use diesel::connection::SimpleConnection;
    use diesel::{Connection, PgConnection};

    let schema = format!("claviger_bench_{}", std::process::id());
    let execute = |statements: String| {
        PgConnection::establish(server).unwrap().batch_execute(&statements).unwrap();
    };
    execute(format!("DROP SCHEMA IF EXISTS {schema} CASCADE; CREATE SCHEMA {schema}"));
    let separator = if server.contains('?') { '&' } else { '?' };
    run(report, "PostgreSQL", &format!("{server}{separator}options=-c%20search_path%3D{schema}"));
    execute(format!("DROP SCHEMA {schema} CASCADE"));
}

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["sign", algorithm, length] => {
            sign(algorithm, length);
            return ExitCode::SUCCESS;
        }
        ["serve", url] => {
            server(url);
            return ExitCode::SUCCESS;
        }
        ["inside", url, algorithm, at_a_time] => {
            inside(url, algorithm, at_a_time.parse().unwrap());
            return ExitCode::SUCCESS;
        }
        _ => {}
    }
    let own = std::process::id().to_string();
    let moved =
        Command::new("taskset").args(["-a", "-c", "-p", CLIENT_CORE, &own]).stdout(Stdio::null()).status();
    assert!(moved.unwrap().success(), "the requests need a core of their own");
    let (directory, mut report) = (tempfile::tempdir().unwrap(), Report::default());
    run(&mut report, "SQLite", &format!("sqlite:{}", directory.path().join("claviger.db").display()));
    #[cfg(feature = "postgres")]
    if let Some(server) = std::env::var("CLAVIGER_TEST_POSTGRES_URL").ok().filter(|url| !url.is_empty()) {
        on_postgres(&mut report, &server);
    }
    println!("The endpoint's own work, per second of processor time:\n");
    println!(
        "| database | algorithm | requests at a time | bare signatures/s | tokens/s | tokens/s by the clock | share | promised |"
    );
    println!("| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: |\n{}", report.endpoint.join("\n"));
    println!("\nOver TCP, per second of the processor time of the server:\n");
    println!("| database | algorithm | bare signatures/s | tokens/s | share |");
    println!("| --- | --- | ---: | ---: | ---: |\n{}\n", report.over_tcp.join("\n"));
    let missed = report.missed;
    println!("{}", if missed { "a promised share was missed" } else { "the promised shares were reached" });
    ExitCode::SUCCESS
}
