//! Why a command fails, and with which exit code.

use std::io;
use std::path::PathBuf;
use std::process::ExitCode;

use claviger_crypto::CryptoError;
use claviger_http::ServerError;
use claviger_storage::{DatabaseUrl, StorageError};

use crate::config::{Problems, weakness};

/// The exit code for wrong usage or configuration.
pub(crate) const USAGE: u8 = 2;

/// Why a command fails.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// The configuration is wrong.
    #[error("{0}")]
    Configuration(Problems),
    /// Somebody else has the database.
    #[error("another process, such as a running server, has the database {0} open")]
    Locked(DatabaseUrl),
    /// The schema is older than this program.
    #[error("the database needs migrations first: run `claviger migrate`")]
    MigrationsPending,
    /// A command that works on what is there found nothing.
    #[error("there is no database at {}: start the server once", .0.display())]
    NoDatabase(PathBuf),
    /// The data directory cannot be made.
    #[error("cannot make the directory {}: {source}", .path.display())]
    Directory {
        /// The directory.
        path: PathBuf,
        /// What the operating system says.
        source: io::Error,
    },
    /// The configuration was read without its secrets. A bug.
    #[error("there is no master key")]
    NoMasterKey,
    /// A database without its key: a new one would not open it.
    #[error(
        "the database {} exists, but its master key {} is missing: bring the file back from a backup, or give the \
         key in CLAVIGER_MASTER_KEY or CLAVIGER_MASTER_KEY_FILE; without it the secrets in the database are lost",
        .database.display(), .key.display()
    )]
    MasterKeyMissing {
        /// The database.
        database: PathBuf,
        /// Where the key should be.
        key: PathBuf,
    },
    /// The file of the master key cannot be read or written.
    #[error("the master key {}: {source}", .path.display())]
    MasterKeyFile {
        /// The file.
        path: PathBuf,
        /// What the operating system says.
        source: io::Error,
    },
    /// The file holds no master key.
    #[error("the master key {} {}", .path.display(), weakness(.source))]
    MasterKey {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: CryptoError,
    },
    /// The server fails.
    #[error(transparent)]
    Server(ServerError),
    /// The database fails.
    #[error(transparent)]
    Storage(StorageError),
    /// Cryptography fails.
    #[error(transparent)]
    Crypto(#[from] CryptoError),
    /// The server fails, and its log says so already.
    #[error("{0}")]
    Logged(Box<Error>),
    /// The server is not healthy, or cannot be asked.
    #[error("unhealthy: {0}")]
    Unhealthy(String),
    /// The log cannot be set up.
    #[error("the log cannot be set up: {0}")]
    Telemetry(String),
    /// Standard output is closed or full.
    #[error("cannot write to standard output: {0}")]
    Output(#[from] io::Error),
    /// The value of a new API key could not be shown, and nobody will ever know it.
    #[error(
        "the API key {id} was made, but its value could not be printed ({source}): delete it and make another"
    )]
    Unprinted {
        /// The key's id.
        id: claviger_domain::ApiKeyId,
        /// Why it could not be printed.
        source: io::Error,
    },
}

impl Error {
    /// Says more about some failures of a server on this database.
    pub(crate) fn of_server(error: ServerError, url: &DatabaseUrl) -> Self {
        match error {
            ServerError::Storage(error) => Self::of_storage(error, url),
            other => Self::Server(other),
        }
    }

    /// Says more about some failures of this database.
    pub(crate) fn of_storage(error: StorageError, url: &DatabaseUrl) -> Self {
        match error {
            StorageError::Locked => Self::Locked(url.clone()),
            StorageError::MigrationsPending => Self::MigrationsPending,
            other => Self::Storage(other),
        }
    }

    /// Whether it stands in the log already.
    pub(crate) const fn is_logged(&self) -> bool {
        matches!(self, Self::Logged(_))
    }

    /// 2 for a wrong configuration, else 1.
    pub(crate) fn exit_code(&self) -> ExitCode {
        match self {
            Self::Configuration(_) => ExitCode::from(USAGE),
            _ => ExitCode::FAILURE,
        }
    }
}
