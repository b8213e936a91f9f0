//! The real server as a process of its own, which is this program started again.

use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::thread;

use claviger_http::{ServerOptions, Stop, TrustedProxies, serve};

use crate::options::options;

/// The value of the first key manager.
pub(crate) const MANAGER: &str = "the key manager of the measurement";

/// As many as a server has by default.
pub(crate) fn workers() -> usize {
    thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

/// A process that listens, and stops when its standard input ends.
pub(crate) struct Process {
    pub(crate) child: Child,
    pub(crate) address: SocketAddr,
}

impl Process {
    /// This program with these arguments; it writes its address as soon as it listens.
    pub(crate) fn start(arguments: &[&str]) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut address = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut address).unwrap();
        Self { address: address.trim().parse().expect("the server does not start"), child }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _status = self.child.wait();
    }
}

/// Comes when the standard input ends.
pub(crate) fn word_to_stop() -> tokio::sync::oneshot::Receiver<()> {
    let (stop, stopped) = tokio::sync::oneshot::channel();
    thread::spawn(move || {
        let _read = std::io::stdin().read_to_end(&mut Vec::new());
        drop(stop);
    });
    stopped
}

/// Is the server on this database until its standard input ends.
pub(crate) fn run_server(url: &str) {
    let options = ServerOptions {
        trusted_proxies: "127.0.0.1".parse::<TrustedProxies>().unwrap(),
        workers: workers(),
        ..options(url.parse().unwrap(), MANAGER)
    };
    let ready = |ready: claviger_http::Ready| println!("{}", ready.address.unwrap());
    serve(options, Stop::Channel(word_to_stop()), ready).unwrap();
}
