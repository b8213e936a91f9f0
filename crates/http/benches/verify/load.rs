//! Load by wrk, which costs less beside what it measures than a client of our own would.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::server::{Process, workers};

/// What the gateway tells of the request that it asks about, before the key; and what ends it.
const HEAD: &str = "GET /forward-auth HTTP/1.1\r\nHost: localhost\r\nX-Forwarded-For: 192.0.2.7\r\n\
                    X-Original-Method: GET\r\nX-Original-URI: /v1/orders/4711?page=2\r\nAuthorization: ";
const TAIL: &str = "\r\n\r\n";

/// What a round showed of a server.
#[derive(Clone, Copy)]
pub(crate) struct Shown {
    /// Requests in a second.
    pub(crate) rate: f64,
    /// Microseconds of the slowest hundredth, at least.
    pub(crate) p99: f64,
    /// Microseconds of the server's processor time for each request.
    pub(crate) processor: f64,
}

/// The keys that are asked with.
pub(crate) struct Keys {
    pub(crate) file: PathBuf,
    pub(crate) width: usize,
}

/// The processor time of a server so far, in seconds; the kernel counts it in hundredths.
fn processor_time(server: &Process) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", server.child.id())).unwrap();
    // What follows the name, which may hold anything, begins with the third field.
    let fields: Vec<_> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
    let ticks = |index: usize| fields[index].parse::<f64>().unwrap();
    (ticks(11) + ticks(12)) / 100.0
}

/// Sends requests for so many seconds.
pub(crate) fn run(server: &Process, keys: &Keys, connections: usize, seconds: usize, seed: usize) -> Shown {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/verify/requests.lua");
    let before = processor_time(server);
    let output = Command::new("wrk")
        .args(["--threads", &workers().to_string(), "--connections", &connections.to_string()])
        .args(["--duration", &format!("{seconds}s"), "--latency", "--script"])
        .arg(script)
        .args([&format!("http://{}", server.address), "--"])
        .arg(&keys.file)
        .args([&keys.width.to_string(), &seed.to_string(), HEAD, TAIL])
        .output()
        .expect("wrk is not installed");
    let processor = processor_time(server) - before;
    let text = String::from_utf8_lossy(&output.stdout);
    let counted = text.lines().find_map(|line| line.strip_prefix("counted "));
    let counted: Vec<f64> = counted
        .unwrap_or_else(|| panic!("wrk: {text}{}", String::from_utf8_lossy(&output.stderr)))
        .split(' ')
        .map(|number| number.parse().unwrap())
        .collect();
    let [requests, microseconds, p99, failed] = counted[..] else { panic!("wrk: {text}") };
    assert_eq!(failed, 0.0, "requests failed or were refused: {text}");
    Shown { rate: requests / microseconds * 1e6, p99, processor: processor / requests * 1e6 }
}
