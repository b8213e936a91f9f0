//! The processes of the stand: nodes of one cluster, each behind a proxy of its own before the one database.

use super::client::{Client, Seat};
use super::proxy::Proxy;
use crate::features::OpenSsl;
use crate::postgres::Server;
use crate::run::{Failure, Result, cargo, read, root, succeed};
use serde_json::Value;
use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, Stdio};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

/// The value of the first key manager.
pub(super) const MANAGER: &str = "the key manager of the cluster";
/// Chooses the sabotage in a server that was built for it.
const SABOTAGE: &str = "CLAVIGER_SABOTAGE";
/// A node that does not listen, or is not healthy, after this time never will be.
const PATIENCE: Duration = Duration::from_secs(60);
/// Between two looks at something that nobody tells of.
const PAUSE: Duration = Duration::from_millis(20);
/// What the clock of the last node is off by, one after the other, at each of its starts; where that can be done.
const CLOCK_SHIFTS: [&str; 3] = ["+7200", "-5400", "+0"];

/// How a server is built.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Build {
    Debug,
    Release,
    /// With the switches that spoil it.
    Sabotage,
}

/// Builds the server and puts a copy into this directory, so that the next build may be another one.
///
/// # Errors
/// It cannot be built.
pub(super) fn build(build: Build, directory: &Path) -> Result<PathBuf> {
    let mut arguments = OpenSsl::detect().arguments(&["claviger".to_owned()]);
    if build == Build::Sabotage
        && let Some(features) = arguments.last_mut()
    {
        features.push_str(",claviger/sabotage");
    }
    let mut command = cargo(["build", "--package=claviger"]);
    if build == Build::Release {
        command.arg("--release");
    }
    succeed(command.args(arguments))?;
    let target =
        std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), |path| root().join(path));
    let profile = if build == Build::Release { "release" } else { "debug" };
    let copy = directory.join(format!("claviger-{build:?}"));
    std::fs::copy(target.join(profile).join("claviger"), &copy)
        .map_err(|error| Failure::file(&copy, &error))?;
    Ok(copy)
}

/// The nodes of a cluster, killed with this value.
pub(super) struct Stand {
    pub(super) nodes: Vec<Node>,
    /// Whether one of them has a clock that goes wrong.
    pub(super) clock: bool,
}

impl Stand {
    /// Starts so many nodes on the database, one after the other.
    ///
    /// # Errors
    /// One of them does not start.
    pub(super) fn start(
        count: u8,
        program: &Path,
        sabotage: Option<&str>,
        server: &Server,
        directory: &Path,
    ) -> Result<Self> {
        let master_key = master_key(program, directory)?;
        let faketime = faketime();
        let logs = root().join("target").join("xtask").join("cluster-logs");
        std::fs::create_dir_all(&logs).map_err(|error| Failure::file(&logs, &error))?;
        let mut nodes = Vec::new();
        for number in 0..count {
            let proxy = Proxy::start(server.port())?;
            let shifted = number + 1 == count;
            let mut node = Node {
                number,
                seat: Arc::default(),
                program: program.to_owned(),
                variables: vec![
                    ("CLAVIGER_HTTP_ADDR", "127.0.0.1:0".to_owned()),
                    ("CLAVIGER_DATA_DIR", directory.join(format!("node-{number}")).display().to_string()),
                    ("CLAVIGER_DATABASE_URL", server.url_through(proxy.port())),
                    ("CLAVIGER_MASTER_KEY", master_key.clone()),
                    ("CLAVIGER_BOOTSTRAP_API_KEY", MANAGER.to_owned()),
                    ("CLAVIGER_TRUSTED_PROXIES", "127.0.0.1".to_owned()),
                    ("CLAVIGER_RSA_STOCK_KEYS", "0".to_owned()),
                    ("CLAVIGER_LOG", "warn,claviger::commands=info".to_owned()),
                    ("CLAVIGER_LOG_FORMAT", "json".to_owned()),
                ],
                clock: faketime.clone().filter(|_| shifted),
                starts: 0,
                proxy,
                log: logs.join(format!("{}-{number}.log", sabotage.unwrap_or("node"))),
                process: None,
            };
            // That of an earlier run.
            let _ = std::fs::remove_file(&node.log);
            node.variables.extend(sabotage.map(|which| (SABOTAGE, which.to_owned())));
            node.launch()?;
            nodes.push(node);
        }
        Ok(Self { nodes, clock: faketime.is_some() })
    }

    /// Waits until every node says that it can do its work.
    ///
    /// # Errors
    /// One of them does not recover.
    pub(super) fn recovered(&self) -> Result<()> {
        let deadline = Instant::now() + PATIENCE;
        for node in &self.nodes {
            let mut client = Client::new(Arc::clone(&node.seat), Duration::from_secs(1));
            while client.call("GET", "/api/health", MANAGER, "") != 200 {
                if Instant::now() > deadline {
                    let number = node.number;
                    return Err(Failure::new(format!("node {number} does not recover within {PATIENCE:?}")));
                }
                thread::sleep(PAUSE);
            }
        }
        Ok(())
    }
}

fn master_key(program: &Path, directory: &Path) -> Result<String> {
    let file = directory.join("master-key");
    if !file.exists() {
        let key = read(own(program).args(["master-key", "generate"]))?;
        std::fs::write(&file, key.trim()).map_err(|error| Failure::file(&file, &error))?;
    }
    std::fs::read_to_string(&file).map_err(|error| Failure::file(&file, &error))
}

/// The program without the settings of whoever runs this, which are for other servers.
fn own(program: &Path) -> Command {
    let mut command = Command::new(program);
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("CLAVIGER_")) {
        command.env_remove(name);
    }
    command
}

/// The library that shifts a program's clock, where it is installed (Debian, Ubuntu: the package faketime).
fn faketime() -> Option<PathBuf> {
    let mut directories: Vec<PathBuf> = vec!["/usr/lib".into(), "/usr/local/lib".into(), "/usr/lib64".into()];
    directories
        .extend(std::fs::read_dir("/usr/lib").into_iter().flatten().flatten().map(|entry| entry.path()));
    directories.into_iter().map(|path| path.join("faketime/libfaketimeMT.so.1")).find(|path| path.is_file())
}

/// One process of the server.
pub(super) struct Node {
    number: u8,
    pub(super) seat: Arc<Seat>,
    pub(super) proxy: Proxy,
    program: PathBuf,
    variables: Vec<(&'static str, String)>,
    /// The library that shifts its clock.
    clock: Option<PathBuf>,
    starts: usize,
    log: PathBuf,
    process: Option<Child>,
}

impl Node {
    /// Starts it and waits until it listens.
    ///
    /// # Errors
    /// It ends, or does not listen in time.
    pub(super) fn launch(&mut self) -> Result<()> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let listens = self.spawn()?;
            match listens.recv_timeout(PATIENCE) {
                Ok(port) => {
                    self.seat.set(port);
                    return Ok(());
                }
                // PostgreSQL may not have noticed yet that the process before is gone.
                Err(RecvTimeoutError::Disconnected) if Instant::now() < deadline => self.end(),
                Err(_) => {
                    let (number, log) = (self.number, self.log.display());
                    return Err(Failure::new(format!("node {number} does not start: see {log}")));
                }
            }
            thread::sleep(PAUSE);
        }
    }

    /// Starts the process; its port comes when it listens.
    fn spawn(&mut self) -> Result<Receiver<u16>> {
        let mut command = own(&self.program);
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        if let (Some(library), Some(shift)) = (&self.clock, CLOCK_SHIFTS.iter().cycle().nth(self.starts)) {
            // The monotonic clock stays right, as it does when somebody sets the time.
            command
                .env("LD_PRELOAD", library)
                .env("FAKETIME", shift)
                .env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
            command.env("DONT_FAKE_MONOTONIC", "1");
        }
        self.starts += 1;
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn();
        let mut child = child.map_err(|error| Failure::file(&self.program, &error))?;
        let errors = child.stderr.take();
        self.process = Some(child);
        let log = OpenOptions::new().create(true).append(true).open(&self.log);
        let log = log.map_err(|error| Failure::file(&self.log, &error))?;
        let (tell, port) = channel();
        thread::spawn(move || {
            let Some(errors) = errors else { return };
            for listening in ports(errors, log) {
                // Nobody may wait for it any more.
                let _ = tell.send(listening);
            }
        });
        Ok(port)
    }

    /// Kills it; it may be over.
    pub(super) fn kill(&mut self) {
        self.seat.set(0);
        self.end();
    }

    fn end(&mut self) {
        if let Some(mut process) = self.process.take() {
            // It may have ended already.
            let _ = process.kill();
            let _ = process.wait();
        }
    }

    /// Stops the process without ending it.
    ///
    /// # Errors
    /// It is over.
    pub(super) fn freeze(&self) -> Result<()> {
        self.signal("STOP")
    }

    /// Lets it go on.
    ///
    /// # Errors
    /// It is over.
    pub(super) fn thaw(&self) -> Result<()> {
        self.signal("CONT")
    }

    fn signal(&self, signal: &str) -> Result<()> {
        let id = self.process.as_ref().map(|process| process.id().to_string()).unwrap_or_default();
        // The shell's own: a program of that name is not everywhere.
        let status = Command::new("sh").args(["-c", "kill -s \"$1\" \"$2\"", "sh", signal, &id]).status();
        if status.is_ok_and(|status| status.success()) {
            Ok(())
        } else {
            Err(Failure::new(format!("node {} ended on its own: see {}", self.number, self.log.display())))
        }
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Copies the log of a process, and answers the ports on which it says that it listens.
fn ports(errors: ChildStderr, mut log: File) -> impl Iterator<Item = u16> {
    BufReader::new(errors).split(b'\n').map_while(std::result::Result::ok).filter_map(move |mut line| {
        line.push(b'\n');
        // What is lost of the log is missed by nobody but its reader.
        let _ = log.write_all(&line);
        port(&line)
    })
}

/// The port in the line of the log that says that the server listens.
fn port(line: &[u8]) -> Option<u16> {
    let line: Value = serde_json::from_slice(line).ok()?;
    if line.get("message")? != "listening" {
        return None;
    }
    line.get("address")?.as_str()?.rsplit_once(':')?.1.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_log_tells_the_port() {
        let line =
            br#"{"level":"INFO","message":"listening","address":"http://127.0.0.1:34871","version":"0.1.0"}"#;
        assert_eq!(port(line), Some(34871));
        assert_eq!(port(br#"{"message":"starting","address":"http://127.0.0.1:34871"}"#), None);
        assert_eq!(port(b"listening on http://127.0.0.1:34871"), None);
    }
}
