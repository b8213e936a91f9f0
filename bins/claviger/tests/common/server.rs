//! The server as a process: started, read, killed.

use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::{Connection, Installation};

/// A server that does not start after this time does not start at all.
const PATIENCE: Duration = Duration::from_secs(60);

/// A process of the server, killed at the end.
pub(crate) struct Server {
    process: Process,
    pub(crate) address: SocketAddr,
}

/// A process with what it writes.
pub(crate) struct Process {
    child: Child,
    log: Arc<Mutex<Vec<u8>>>,
    address: Receiver<SocketAddr>,
    reader: Option<JoinHandle<()>>,
    output: Option<JoinHandle<Vec<u8>>>,
}

/// What a process has left when it is over.
pub(crate) struct Remains {
    pub(crate) status: ExitStatus,
    pub(crate) log: Vec<u8>,
    pub(crate) output: Vec<u8>,
}

impl Process {
    /// Starts the process and reads what it writes, without waiting for anything.
    pub(crate) fn spawn(command: &mut Command) -> Self {
        let mut child =
            command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let errors = child.stderr.take().unwrap();
        let mut output = child.stdout.take().unwrap();
        let log = Arc::new(Mutex::new(Vec::new()));
        let lines = Arc::clone(&log);
        let (tell, address) = channel();
        let reader = std::thread::spawn(move || {
            let mut errors = BufReader::new(errors);
            let mut line = Vec::new();
            while errors.read_until(b'\n', &mut line).is_ok_and(|length| length > 0) {
                if let Some(address) = listening(&line) {
                    // The test may have lost interest.
                    let _gone = tell.send(address);
                }
                lines.lock().unwrap().append(&mut line);
            }
        });
        let output = std::thread::spawn(move || {
            let mut bytes = Vec::new();
            output.read_to_end(&mut bytes).unwrap();
            bytes
        });
        Self { child, log, address, reader: Some(reader), output: Some(output) }
    }

    /// Waits for the end of the process.
    pub(crate) fn wait(mut self) -> Remains {
        let status = self.child.wait().unwrap();
        self.reader.take().unwrap().join().unwrap();
        let output = self.output.take().unwrap().join().unwrap();
        let log = std::mem::take(&mut *self.log.lock().unwrap());
        Remains { status, log, output }
    }

    /// Kills the process (SIGKILL); it may be over already.
    pub(crate) fn kill(mut self) -> Remains {
        self.child.kill().unwrap();
        self.wait()
    }

    /// Waits until it listens, or is over.
    pub(crate) fn ready(self) -> Result<Server, Remains> {
        match self.address.recv_timeout(PATIENCE) {
            Ok(address) => Ok(Server { process: self, address }),
            Err(_) => Err(self.kill()),
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // After a failed test; `kill` and `wait` have seen to the rest.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// The address in the line of the log that says that the server listens.
fn listening(line: &[u8]) -> Option<SocketAddr> {
    let line: Value = serde_json::from_slice(line).ok()?;
    if line.get("message")? != "listening" {
        return None;
    }
    line.get("address")?.as_str()?.strip_prefix("http://")?.parse().ok()
}

impl Server {
    /// Starts the server on an installation and waits until it listens.
    ///
    /// PostgreSQL notices the death of a former process on its own, shortly after it: until then the server says that
    /// another one has the database. Whoever starts servers again starts them again then.
    pub(crate) fn start(installation: &Installation<'_>) -> Self {
        Self::start_with(installation, &[])
    }

    /// As [`Self::start`], with more in the environment.
    pub(crate) fn start_with(installation: &Installation<'_>, variables: &[(&str, &str)]) -> Self {
        let start = Instant::now();
        loop {
            let mut command = installation.command(&[]);
            match Process::spawn(command.envs(variables.iter().copied())).ready() {
                Ok(server) => return server,
                Err(remains) => {
                    let log = String::from_utf8_lossy(&remains.log).into_owned();
                    let locked = log.contains("has the database");
                    assert!(locked && start.elapsed() < PATIENCE, "the server does not start: {log}");
                    eprintln!("the database was still locked {:?} after the start", start.elapsed());
                }
            }
        }
    }

    /// A connection that carries this API key.
    #[track_caller]
    pub(crate) fn connect(&self, key: &str) -> Connection {
        Connection::open(self.address, key).unwrap()
    }

    /// Kills the server (SIGKILL).
    pub(crate) fn kill(self) -> Remains {
        self.process.kill()
    }

    /// Has the server stop by itself (SIGTERM).
    pub(crate) fn stop(self) -> Remains {
        let id = self.process.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
        let remains = self.process.wait();
        assert!(remains.status.success(), "{}", remains.status);
        remains
    }
}
