//! How soon the server answers after it was started, and how much memory it has then: the program itself, on a database with one API key and on one
//! with a million.
//!
//! `cargo xtask bench start` builds the program and names it in `CLAVIGER_BENCH_SERVER`; SQLite and, where there is one, the
//! PostgreSQL of `CLAVIGER_TEST_POSTGRES_URL`. The last line says whether what is promised was reached.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::allow_attributes,
    missing_docs,
    reason = "test code"
)]

#[path = "support/databases.rs"]
mod databases;
#[path = "support/keys.rs"]
mod keys;
#[path = "support/master_key.rs"]
mod master_key;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, ExitCode, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use databases::{median, on_each_database};
use master_key::master_key;

/// API keys, rounds, and what is promised: milliseconds until the first 200, and MiB.
const PROMISES: [(usize, usize, f64, f64); 2] = [(1, 11, 100.0, 25.0), (1_000_000, 3, 3_000.0, 300.0)];
const DEADLINE: Duration = Duration::from_secs(120);
/// Between two questions.
const PAUSE: Duration = Duration::from_micros(500);

/// A running server, which ends with this.
struct Server(Child);

impl Server {
    /// Starts it and waits for the first 200; answers how many milliseconds that took.
    fn start(url: &str, directory: &Path) -> (Self, f64) {
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let start = Instant::now();
        let child = Command::new(std::env::var_os("CLAVIGER_BENCH_SERVER").expect("CLAVIGER_BENCH_SERVER"))
            // Names that it does not know would keep it from starting.
            .env_clear()
            .env("CLAVIGER_DATABASE_URL", url)
            .env("CLAVIGER_DATA_DIR", directory)
            .env("CLAVIGER_HTTP_ADDR", address.to_string())
            .env("CLAVIGER_MASTER_KEY", master_key().to_base64().expose())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut server = Self(child);
        while !is_healthy(address) {
            assert!(server.0.try_wait().unwrap().is_none(), "the server does not start");
            assert!(start.elapsed() < DEADLINE, "the server does not answer");
            thread::sleep(PAUSE);
        }
        (server, start.elapsed().as_secs_f64() * 1e3)
    }

    /// A figure of the process in MiB: `VmRSS` what is resident now, `VmHWM` what was at most.
    fn memory(&self, what: &str) -> f64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.0.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix(what)).unwrap();
        let kibibytes: f64 = line.trim_start_matches(':').trim().trim_end_matches(" kB").parse().unwrap();
        kibibytes / 1024.0
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It is to stop as it does in life, and not to leave anything half written.
        let pid = self.0.id().to_string();
        let _sent = Command::new("kill").args(["-TERM", &pid]).status();
        let _status = self.0.wait();
    }
}

fn is_healthy(address: SocketAddr) -> bool {
    let Ok(mut stream) = TcpStream::connect(address) else { return false };
    let mut answer = [0; 12];
    stream.write_all(b"GET /api/health HTTP/1.1\r\nHost: localhost\r\n\r\n").is_ok()
        && stream.read_exact(&mut answer).is_ok()
        && answer == *b"HTTP/1.1 200"
}

fn judged(text: String, reached: bool) -> String {
    if reached { text } else { format!("**{text}**") }
}

fn measure(
    database: &str,
    url: &str,
    (number, rounds, most_time, most_memory): (usize, usize, f64, f64),
) -> bool {
    let directory = tempfile::tempdir().unwrap();
    // The first start makes the instance with its first key.
    drop(Server::start(url, directory.path()));
    if number > 1 {
        keys::fill(url, number, &directory.path().join("keys"));
    }
    let rounds: Vec<_> = (0..rounds)
        .map(|_| {
            let (server, took) = Server::start(url, directory.path());
            // What the start left behind is given back, and what runs behind it has run.
            thread::sleep(Duration::from_millis(1500));
            (took, server.memory("VmRSS"), server.memory("VmHWM"))
        })
        .collect();
    let took = median(rounds.iter().map(|round| round.0));
    let resident = median(rounds.iter().map(|round| round.1));
    let most = median(rounds.iter().map(|round| round.2));
    println!(
        "| {database} | {number} | {} | {most_time:.0} | {} | {most:.0} | {most_memory:.0} |",
        judged(format!("{took:.0}"), took <= most_time),
        judged(format!("{resident:.0}"), resident <= most_memory)
    );
    took <= most_time && resident <= most_memory
}

fn main() -> ExitCode {
    println!(
        "| database | API keys | first 200 after ms | promised | resident MiB | at most MiB | promised |\n\
         | --- | ---: | ---: | ---: | ---: | ---: | ---: |"
    );
    let mut reached = true;
    for promise in PROMISES {
        on_each_database(|database, url| reached &= measure(database, url, promise));
    }
    println!("{}", if reached { "what is promised was reached" } else { "what is promised was missed" });
    ExitCode::SUCCESS
}
