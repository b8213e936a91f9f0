//! The servers of a run: one or more processes on one database.

use super::watch::Sample;
use crate::cluster::client::{Client, Seat};
use crate::features::OpenSsl;
use crate::run::{Failure, Result, cargo, read, root, succeed};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

/// The value of the first key manager.
pub(super) const MANAGER: &str = "the key manager of the soak";
/// A server that is not healthy after this time never will be.
const PATIENCE: Duration = Duration::from_secs(60);

/// Builds the server that users run, and puts a copy into this directory.
///
/// # Errors
/// It cannot be built.
pub(super) fn build(directory: &Path) -> Result<PathBuf> {
    let arguments = OpenSsl::detect().arguments(&["claviger".to_owned()]);
    succeed(cargo(["build", "--release", "--package=claviger"]).args(arguments))?;
    let target =
        std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), |path| root().join(path));
    let copy = directory.join("claviger");
    std::fs::copy(target.join("release").join("claviger"), &copy)
        .map_err(|error| Failure::file(&copy, &error))?;
    Ok(copy)
}

/// Servers on one database, which end with this.
pub(super) struct Stand {
    servers: Vec<Server>,
    /// The port of their PostgreSQL.
    database: Option<u16>,
}

struct Server {
    process: Child,
    seat: Arc<Seat>,
}

impl Stand {
    /// Starts so many servers, one after the other.
    ///
    /// # Errors
    /// One of them does not start.
    pub(super) fn start(
        program: &Path,
        directory: &Path,
        url: &str,
        count: usize,
        database: Option<u16>,
    ) -> Result<Self> {
        let master_key = read(Command::new(program).args(["master-key", "generate"]).env_clear())?;
        let mut stand = Self { servers: Vec::new(), database };
        for number in 0..count {
            let server = Server::start(program, directory, url, number, master_key.trim())?;
            stand.servers.push(server);
        }
        Ok(stand)
    }

    /// Where the servers listen.
    pub(super) fn seats(&self) -> Vec<Arc<Seat>> {
        self.servers.iter().map(|server| Arc::clone(&server.seat)).collect()
    }

    /// What all of them hold.
    ///
    /// # Errors
    /// One of them is over.
    pub(super) fn sample(&mut self) -> Result<Sample> {
        for server in &mut self.servers {
            if let Ok(Some(status)) = server.process.try_wait() {
                return Err(Failure::new(format!("a server ended on its own: {status}")));
            }
        }
        Sample::of(self.servers.iter().map(|server| server.process.id()), self.database)
    }
}

impl Server {
    fn start(program: &Path, directory: &Path, url: &str, number: usize, master_key: &str) -> Result<Self> {
        let failed = |error: std::io::Error| Failure::file(program, &error);
        // Free when it is let go of, and hardly anybody else asks for one meanwhile.
        let address =
            TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).map_err(failed)?;
        let seat = Arc::new(Seat::default());
        seat.set(address.port());
        let process = Command::new(program)
            // Names that it does not know would keep it from starting.
            .env_clear()
            .env("CLAVIGER_DATABASE_URL", url)
            .env("CLAVIGER_DATA_DIR", directory.join(format!("data-{number}")))
            .env("CLAVIGER_HTTP_ADDR", address.to_string())
            .env("CLAVIGER_MASTER_KEY", master_key)
            .env("CLAVIGER_BOOTSTRAP_API_KEY", MANAGER)
            .env("CLAVIGER_TRUSTED_PROXIES", "127.0.0.1")
            // What is made in advance comes when it comes.
            .env("CLAVIGER_RSA_STOCK_KEYS", "0")
            .env("CLAVIGER_LOG", "error")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .map_err(failed)?;
        let mut server = Self { process, seat };
        let deadline = Instant::now() + PATIENCE;
        let mut client = Client::new(Arc::clone(&server.seat), Duration::from_secs(1));
        while client.call("GET", "/api/health", MANAGER, "") != 200 {
            if Instant::now() > deadline || matches!(server.process.try_wait(), Ok(Some(_))) {
                return Err(Failure::new(format!("server {number} does not start")));
            }
            thread::sleep(Duration::from_millis(20));
        }
        Ok(server)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
