//! The PostgreSQL of the tests: the one that the environment names, or a throw-away server from installed binaries.
//!
//! The throw-away server lives in an own directory, listens on a free port of 127.0.0.1 behind a random password
//! (other users of the machine could otherwise act as its superuser), keeps `fsync` on because tests kill it, writes what need not survive that as late as it can, and runs
//! as an unprivileged user where we are root, since PostgreSQL refuses root. A small shell guards it: the guard waits
//! for the end of its standard input, which comes when this process ends in any way, an interrupt and `kill -9`
//! included; then it stops the server and removes the directory. Until then it takes orders there: a test may stop the
//! server in between and start it again.

use crate::run::{Failure, Result, read};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};

/// The variable with the URL of a server that the tests may use; its user must be allowed to create schemas.
pub(crate) const URL_VARIABLE: &str = "CLAVIGER_TEST_POSTGRES_URL";
/// `1` here makes the absence of PostgreSQL a failure.
pub(crate) const REQUIRE_VARIABLE: &str = "CLAVIGER_REQUIRE_POSTGRES";
/// Another program can take the free port before the server does, so more than one is tried.
const ATTEMPTS: usize = 3;
const OLDEST: u32 = 13;

/// Arguments: directory of the binaries, port. Writes `ready <password>` once the server answers, and `done` or `failed` after
/// each order.
///
/// The sort order of the databases is a natural language's where the server can do that (15 and newer): columns that
/// lack `COLLATE "C"` then sort differently from SQLite, and tests see it.
const GUARD: &str = r#"
set -eu
trap '' INT TERM HUP
umask 077
bin=$1 port=$2
dir=$(mktemp -d "${TMPDIR:-/tmp}/claviger-postgres.XXXXXX" 2>/dev/null || mktemp -d /tmp/claviger-postgres.XXXXXX)
end() { "$bin/pg_ctl" -D "$dir/data" -m immediate -w stop >/dev/null 2>&1 </dev/null || true; rm -rf "$dir"; }
trap end EXIT
od -An -N16 -tx1 /dev/urandom | tr -d ' \n' >"$dir/password"
init() {
    "$bin/initdb" -D "$dir/data" -U postgres -E UTF8 --locale=C --no-sync \
        --auth=scram-sha-256 --pwfile="$dir/password" "$@" >>"$dir/log" 2>&1 </dev/null
}
init --locale-provider=icu --icu-locale=en-US || init || { cat "$dir/log" >&2; exit 1; }
start() {
    "$bin/pg_ctl" -D "$dir/data" -l "$dir/server.log" -w -t 60 start >>"$dir/log" 2>&1 </dev/null -o "-p $port -k '$dir' \
        -c listen_addresses=127.0.0.1 -c fsync=on -c shared_buffers=32MB -c max_connections=300 \
        -c wal_writer_delay=10s" ||
        { cat "$dir/log" "$dir/server.log" >&2; return 1; }
}
start || exit 1
echo "ready $(cat "$dir/password")"
while read -r order; do
    case $order in
        stop) "$bin/pg_ctl" -D "$dir/data" -m immediate -w stop >>"$dir/log" 2>&1 </dev/null && echo done || echo failed ;;
        start) start && echo done || echo failed ;;
    esac
done
"#;

/// What the tests get.
#[derive(Debug)]
pub(crate) enum Postgres {
    /// The server that the environment names.
    Given,
    /// A throw-away server, which ends with this value.
    Started(Server),
    /// None, and why.
    Absent(String),
}

impl Postgres {
    /// Looks at the environment, then for installed binaries; starts what it finds and says so.
    pub(crate) fn find() -> Self {
        if std::env::var_os(URL_VARIABLE).is_some_and(|url| !url.is_empty()) {
            println!("PostgreSQL: the one of {URL_VARIABLE}");
            return Self::Given;
        }
        Self::throw_away()
    }

    /// A throw-away server, whatever the environment names: for tests that stop it.
    pub(crate) fn throw_away() -> Self {
        let Some((version, binaries)) = newest_binaries() else {
            return Self::Absent(format!("no server binaries of PostgreSQL {OLDEST} or newer found"));
        };
        match Server::start(&binaries) {
            Ok(server) => {
                println!(
                    "PostgreSQL: a throw-away server {version} from {} on port {}",
                    binaries.display(),
                    server.port
                );
                Self::Started(server)
            }
            Err(error) => Self::Absent(format!("PostgreSQL {version} did not start: {error}")),
        }
    }
}

/// A running throw-away server.
#[derive(Debug)]
pub(crate) struct Server {
    guard: Child,
    /// What the guard says.
    answers: Option<BufReader<ChildStdout>>,
    port: u16,
    password: String,
}

impl Server {
    fn start(binaries: &Path) -> Result<Self> {
        let mut last = Failure::new("no attempt was made");
        for _ in 0..ATTEMPTS {
            match Self::start_on(binaries, free_port()?) {
                Ok(server) => return Ok(server),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    fn start_on(binaries: &Path, port: u16) -> Result<Self> {
        let mut command = unprivileged_shell()?;
        command.args(["-c", GUARD, "claviger-postgres"]).arg(binaries).arg(port.to_string());
        // PGDATA, PGPORT and their like would change what the server's programs do.
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("PG")) {
            command.env_remove(name);
        }
        let mut guard = command
            .env("LC_ALL", "C")
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| Failure::new(format!("the guard of the server: {error}")))?;
        let answers = guard.stdout.take().map(BufReader::new);
        let mut server = Self { guard, answers, port, password: String::new() };
        let line = server.answer();
        line.strip_prefix("ready ").map(str::trim).unwrap_or_default().clone_into(&mut server.password);
        if server.password.is_empty() {
            return Err(Failure::new("its programs failed (see above)"));
        }
        Ok(server)
    }

    /// The next line of the guard, empty if there is none.
    fn answer(&mut self) -> String {
        let mut line = String::new();
        if let Some(answers) = &mut self.answers {
            // A read that fails leaves the line empty.
            let _ = answers.read_line(&mut line);
        }
        line
    }

    fn order(&mut self, order: &str) -> Result<()> {
        let sent = match &mut self.guard.stdin {
            Some(input) => writeln!(input, "{order}").is_ok(),
            None => false,
        };
        if sent && self.answer().trim() == "done" {
            Ok(())
        } else {
            Err(Failure::new(format!("PostgreSQL did not {order}")))
        }
    }

    /// Stops it at once, as a loss of power would: connections break, and the next start recovers.
    ///
    /// # Errors
    /// It does not run.
    pub(crate) fn stop(&mut self) -> Result<()> {
        self.order("stop")
    }

    /// Starts it after [`Self::stop`], and waits until it answers.
    ///
    /// # Errors
    /// It does not start.
    pub(crate) fn start_again(&mut self) -> Result<()> {
        self.order("start")
    }

    /// The port of 127.0.0.1 on which it listens.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Where the tests reach it, with the password of its superuser.
    pub(crate) fn url(&self) -> String {
        self.url_through(self.port)
    }

    /// The same through a proxy on this port of 127.0.0.1.
    pub(crate) fn url_through(&self, port: u16) -> String {
        format!("postgres://postgres:{}@127.0.0.1:{port}/postgres", self.password)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // `wait` closes the guard's standard input first. The guard outlives no failure of it: our end closes it too.
        let _ = self.guard.wait();
    }
}

/// A shell, as user `postgres` or `nobody` when we are root.
fn unprivileged_shell() -> Result<Command> {
    if id(&["-u"]).as_deref() != Some("0") {
        return Ok(Command::new("sh"));
    }
    let found =
        ["postgres", "nobody"].iter().find_map(|user| Some((*user, id(&["-u", user])?, id(&["-g", user])?)));
    let Some((user, uid, gid)) = found else {
        return Err(Failure::new("root may not run it, and there is neither a user postgres nor nobody"));
    };
    let mut command = if answers("setpriv") {
        let mut command = Command::new("setpriv");
        command.args([&format!("--reuid={uid}"), &format!("--regid={gid}"), "--init-groups", "--", "sh"]);
        command
    } else if answers("runuser") {
        let mut command = Command::new("runuser");
        command.args(["-u", user, "--", "sh"]);
        command
    } else {
        return Err(Failure::new("root may not run it, and neither setpriv nor runuser is installed"));
    };
    command.env("HOME", "/");
    Ok(command)
}

fn id(arguments: &[&str]) -> Option<String> {
    let output = Command::new("id").args(arguments).stderr(Stdio::null()).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

fn answers(program: &str) -> bool {
    let mut command = Command::new(program);
    command.arg("--version").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

fn free_port() -> Result<u16> {
    let port = TcpListener::bind(("127.0.0.1", 0)).and_then(|listener| listener.local_addr());
    port.map(|address| address.port()).map_err(|error| Failure::new(format!("no free port: {error}")))
}

/// The newest server on the machine: its version and the directory of its programs.
fn newest_binaries() -> Option<(String, PathBuf)> {
    let mut directories: Vec<PathBuf> =
        std::env::var_os("PATH").map(|path| std::env::split_paths(&path).collect()).unwrap_or_default();
    // Debian keeps a server's programs out of PATH.
    for version in std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten() {
        directories.push(version.path().join("bin"));
    }
    let mut found = BTreeMap::new();
    for directory in directories {
        if !["initdb", "pg_ctl", "postgres"].iter().all(|program| directory.join(program).is_file()) {
            continue;
        }
        let Some(version) = read(Command::new(directory.join("postgres")).arg("--version")).ok() else {
            continue;
        };
        if let Some(number) = version_number(&version).filter(|number| number.0 >= OLDEST) {
            found.entry(number).or_insert(directory);
        }
    }
    let ((major, minor), directory) = found.pop_last()?;
    Some((format!("{major}.{minor}"), directory))
}

/// Major and minor number in the answer to `postgres --version`; a version in testing counts as minor 0.
fn version_number(answer: &str) -> Option<(u32, u32)> {
    let version = answer.split_whitespace().nth(2)?;
    let digits = |text: &str| text.chars().take_while(char::is_ascii_digit).collect::<String>().parse().ok();
    let minor = version.split('.').nth(1).and_then(digits).unwrap_or(0);
    Some((digits(version)?, minor))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read() {
        assert_eq!(version_number("postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)\n"), Some((15, 18)));
        assert_eq!(version_number("postgres (PostgreSQL) 19beta1\n"), Some((19, 0)));
        assert_eq!(version_number("postgres (PostgreSQL) 9.6.24"), Some((9, 6)));
        assert_eq!(version_number("postgres"), None);
        assert_eq!(version_number("a b c"), None);
    }

    #[test]
    fn failing_programs_end_the_start() {
        let nowhere = std::env::temp_dir().join("claviger-no-such-directory");
        assert!(Server::start_on(&nowhere, 1).is_err());
    }

    /// Where a server is installed it starts, listens, and is gone, directory and all, when the value is dropped.
    #[test]
    fn server_lives_as_long_as_its_value() {
        let Some((_, binaries)) = newest_binaries() else {
            let required = std::env::var(REQUIRE_VARIABLE).is_ok_and(|value| value == "1");
            assert!(!required, "{REQUIRE_VARIABLE}=1, but no server binaries are installed");
            crate::test::note_skipped("xtask::postgres::server_lives_as_long_as_its_value");
            return;
        };
        let mut server = Server::start(&binaries).unwrap();
        let (port, url) = (server.port, server.url());
        assert!(
            url.starts_with("postgres://postgres:") && url.ends_with(&format!("@127.0.0.1:{port}/postgres"))
        );
        std::net::TcpStream::connect(("127.0.0.1", port)).unwrap();
        server.stop().unwrap();
        assert!(std::net::TcpStream::connect(("127.0.0.1", port)).is_err());
        assert!(server.stop().is_err(), "it is stopped");
        server.start_again().unwrap();
        std::net::TcpStream::connect(("127.0.0.1", port)).unwrap();
        drop(server);
        assert!(std::net::TcpStream::connect(("127.0.0.1", port)).is_err());
    }
}
