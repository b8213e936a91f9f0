//! Places in which the program runs: a directory, a database, an environment of nothing else.

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

const PATIENCE: Duration = Duration::from_secs(60);
/// 32 bytes that are not all equal.
pub(crate) const MASTER_KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
pub(crate) const OTHER_MASTER_KEY: &str = "AQECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

/// Makes `sqlite::name` and `postgres::name` of each function over a [`Place`].
macro_rules! on_both {
    ($($name:ident),* $(,)?) => {
        #[cfg(feature = "sqlite")]
        mod sqlite {
            $(#[test] fn $name() { super::$name(&crate::support::Place::plain()); })*
        }
        #[cfg(feature = "postgres")]
        mod postgres {
            $(#[test] fn $name() {
                let test = concat!(module_path!(), "::", stringify!($name));
                if let Some(place) = crate::support::Place::postgres(test) { super::$name(&place); }
            })*
        }
    };
}
pub(crate) use on_both;

/// Where one test lets the program run.
pub(crate) struct Place {
    directory: TempDir,
    /// What stands in the environment besides the directory and the address.
    variables: Vec<(&'static str, String)>,
    #[cfg(feature = "postgres")]
    _schema: Option<postgres::Schema>,
}

impl Place {
    /// Without any setting: for SQLite, which is the default, and for what needs no database.
    pub(crate) fn plain() -> Self {
        Self {
            directory: TempDir::new().unwrap(),
            variables: Vec::new(),
            #[cfg(feature = "postgres")]
            _schema: None,
        }
    }

    /// With an own schema on PostgreSQL; `None` (and a note) where there is none.
    #[cfg(feature = "postgres")]
    pub(crate) fn postgres(test: &str) -> Option<Self> {
        let schema = postgres::Schema::create(test)?;
        Some(Self {
            directory: TempDir::new().unwrap(),
            variables: vec![
                ("CLAVIGER_DATABASE_URL", schema.url.clone()),
                ("CLAVIGER_MASTER_KEY", MASTER_KEY.to_owned()),
            ],
            _schema: Some(schema),
        })
    }

    pub(crate) fn is_sqlite(&self) -> bool {
        self.variables.is_empty()
    }

    pub(crate) fn path(&self) -> &Path {
        self.directory.path()
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.path().join("data")
    }

    /// The program with these arguments, ready to be changed and started.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_claviger"));
        command
            .args(arguments)
            .env_clear()
            .env("CLAVIGER_DATA_DIR", self.data())
            .env("CLAVIGER_HTTP_ADDR", "127.0.0.1:0")
            .envs(self.variables.iter().map(|(name, value)| (name, value)))
            .current_dir(self.path())
            .stdin(Stdio::null());
        command
    }

    /// Runs the program to its end.
    pub(crate) fn run(&self, arguments: &[&str]) -> Finished {
        self.run_with(arguments, &[])
    }

    /// The same with more in the environment.
    pub(crate) fn run_with(&self, arguments: &[&str], variables: &[(&str, &str)]) -> Finished {
        Finished::from(self.command(arguments).envs(variables.iter().copied()).output().unwrap())
    }

    /// Starts a server and waits until it answers.
    pub(crate) fn start(&self) -> Server {
        self.start_with(&[])
    }

    /// The same with more in the environment.
    pub(crate) fn start_with(&self, variables: &[(&str, &str)]) -> Server {
        let server = self.listen_with(variables);
        let address = server.address.strip_prefix("http://").unwrap_or(&server.address);
        self.run(&["healthcheck", "--http-addr", address]).expect(0);
        server
    }

    /// Starts a server and waits until it says that it listens, and no longer.
    pub(crate) fn listen_with(&self, variables: &[(&str, &str)]) -> Server {
        Server::start(self.command(&[]).envs(variables.iter().copied()))
    }
}

/// A program that has ended.
pub(crate) struct Finished {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl From<Output> for Finished {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

impl Finished {
    /// Ended with this exit code.
    #[track_caller]
    pub(crate) fn expect(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "stdout: {}\nstderr: {}", self.stdout, self.stderr);
        self
    }

    /// Says this on standard error.
    #[track_caller]
    pub(crate) fn says(self, text: &str) -> Self {
        assert!(self.stderr.contains(text), "no {text:?} in {}", self.stderr);
        self
    }

    /// The log: every line of standard error is a JSON object.
    pub(crate) fn log(&self) -> Vec<Value> {
        self.stderr
            .lines()
            .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
            .collect()
    }

    /// The line of the log with this message.
    #[track_caller]
    pub(crate) fn logged(&self, message: &str) -> Value {
        self.log()
            .into_iter()
            .find(|line| line["message"] == message)
            .unwrap_or_else(|| panic!("no {message:?} in {}", self.stderr))
    }
}

/// A running server. Killed when a test leaves it alone.
pub(crate) struct Server {
    child: Child,
    pub(crate) address: String,
    lines: Receiver<String>,
    /// The lines of the log that were looked at.
    seen: Vec<String>,
    stdout: Option<JoinHandle<String>>,
}

impl Server {
    fn start(command: &mut Command) -> Self {
        let mut server = Self::spawn(command);
        let listening = server.wait_for("listening");
        server.address = listening["address"].as_str().unwrap().to_owned();
        server
    }

    /// Starts a server and waits for nothing; its address is not known.
    pub(crate) fn spawn(command: &mut Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let (sender, lines) = channel();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        std::thread::spawn(move || {
            // The receiver is gone when the test is over.
            stderr.lines().map_while(Result::ok).all(|line| sender.send(line).is_ok())
        });
        let mut stdout = child.stdout.take().unwrap();
        let stdout = std::thread::spawn(move || {
            let mut text = String::new();
            stdout.read_to_string(&mut text).unwrap();
            text
        });
        Self { child, address: String::new(), lines, seen: Vec::new(), stdout: Some(stdout) }
    }

    /// Waits until the server listens, and says so, or has ended.
    pub(crate) fn listening_or_over(&mut self) -> Option<Value> {
        loop {
            match self.lines.recv_timeout(PATIENCE) {
                Ok(line) => {
                    let value: Value =
                        serde_json::from_str(&line).unwrap_or_else(|_| panic!("not JSON: {line}"));
                    self.seen.push(line);
                    if value["message"] == "listening" {
                        return Some(value);
                    }
                }
                Err(RecvTimeoutError::Disconnected) => return None,
                Err(RecvTimeoutError::Timeout) => {
                    panic!("neither listens nor ends:\n{}", self.seen.join("\n"))
                }
            }
        }
    }

    /// Sends a signal unless the server has ended.
    pub(crate) fn signal_if_running(&mut self, signal: &str) {
        if self.child.try_wait().unwrap().is_none() {
            self.signal(signal);
        }
    }

    /// Waits for a line of the log with this message.
    #[track_caller]
    pub(crate) fn wait_for(&mut self, message: &str) -> Value {
        loop {
            let Ok(line) = self.lines.recv_timeout(PATIENCE) else {
                panic!("no {message:?} in the log:\n{}", self.seen.join("\n"));
            };
            let value: Value = serde_json::from_str(&line).unwrap_or_else(|_| panic!("not JSON: {line}"));
            self.seen.push(line);
            if value["message"] == message {
                return value;
            }
        }
    }

    /// Sends a signal with the `kill` of the system.
    pub(crate) fn signal(&self, signal: &str) {
        let sent = Command::new("kill").arg(signal).arg(self.child.id().to_string()).status().unwrap();
        assert!(sent.success());
    }

    /// Waits for the end.
    pub(crate) fn wait(mut self) -> Finished {
        let code = self.child.wait().unwrap().code();
        let stdout = self.stdout.take().unwrap().join().unwrap();
        self.seen.extend(self.lines.iter());
        Finished { code, stdout, stderr: self.seen.join("\n") }
    }

    /// Stops it as a service manager does.
    pub(crate) fn stop(self) -> Finished {
        self.signal("-TERM");
        self.wait()
    }

    /// Stops it on its first start; returns the first key as well.
    #[track_caller]
    pub(crate) fn stop_first(self) -> (Finished, String) {
        let finished = self.stop().expect(0);
        let key = finished.stdout.lines().last().unwrap_or_default().to_owned();
        assert!(key.starts_with("clv_"), "{}", finished.stdout);
        (finished, key)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Both fail when it has ended, as it should.
        let _ended = self.child.kill();
        let _reaped = self.child.wait();
    }
}

#[cfg(feature = "postgres")]
mod postgres {
    //! Schemas on the PostgreSQL that `CLAVIGER_TEST_POSTGRES_URL` names.

    use std::fs::OpenOptions;
    use std::io::Write;
    use std::sync::atomic::{AtomicU32, Ordering};

    use diesel::connection::SimpleConnection;
    use diesel::{Connection, PgConnection};

    static COUNTER: AtomicU32 = AtomicU32::new(0);

    pub(super) struct Schema {
        server: String,
        name: String,
        pub(super) url: String,
    }

    impl Schema {
        pub(super) fn create(test: &str) -> Option<Self> {
            let Ok(server) = std::env::var("CLAVIGER_TEST_POSTGRES_URL") else {
                skip(test);
                return None;
            };
            let number = COUNTER.fetch_add(1, Ordering::Relaxed);
            let name = format!("claviger_bin_{}_{number}", std::process::id());
            let separator = if server.contains('?') { '&' } else { '?' };
            let url = format!("{server}{separator}options=-c%20search_path%3D{name}");
            let schema = Self { server, name, url };
            schema.execute(&format!("DROP SCHEMA IF EXISTS {0} CASCADE; CREATE SCHEMA {0}", schema.name));
            Some(schema)
        }

        fn execute(&self, statements: &str) {
            PgConnection::establish(&self.server).unwrap().batch_execute(statements).unwrap();
        }
    }

    impl Drop for Schema {
        fn drop(&mut self) {
            self.execute(&format!("SET client_min_messages = warning; DROP SCHEMA {} CASCADE", self.name));
        }
    }

    fn skip(test: &str) {
        assert!(
            std::env::var("CLAVIGER_REQUIRE_POSTGRES").as_deref() != Ok("1"),
            "CLAVIGER_REQUIRE_POSTGRES=1, but there is no CLAVIGER_TEST_POSTGRES_URL"
        );
        eprintln!("skipped for want of PostgreSQL: {test}");
        if let Some(file) = std::env::var_os("CLAVIGER_SKIPPED_FILE") {
            let mut file = OpenOptions::new().append(true).create(true).open(file).unwrap();
            file.write_all(format!("{test}\n").as_bytes()).unwrap();
        }
    }
}
