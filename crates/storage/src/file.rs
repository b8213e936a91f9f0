//! The file of a SQLite database: made with tight permissions, and kept for one process.

use std::path::{Path, PathBuf};
#[cfg(feature = "sqlite")]
use std::time::{Duration, Instant};

use crate::StorageError;

/// For so long the lock is asked for: who had it may be letting go, and a program that this process starts has its locks until it is
/// that program.
#[cfg(feature = "sqlite")]
const LET_GO: Duration = Duration::from_millis(100);

/// The lock on a SQLite file; without one on PostgreSQL. Clones share it, and the last one gives it back.
#[derive(Clone, Default)]
pub(crate) struct FileLock {
    #[cfg(feature = "sqlite")]
    file: Option<std::sync::Arc<std::fs::File>>,
}

impl FileLock {
    /// Makes the file if there is none, locks `<file>.lock`, and returns the file's full path.
    ///
    /// Symbolic links are followed first: one file under two names would have two locks.
    #[cfg(feature = "sqlite")]
    pub(crate) fn take(&mut self, path: &Path) -> Result<PathBuf, StorageError> {
        use std::fs::{OpenOptions, TryLockError};
        use std::io::{Error, ErrorKind};

        let failed = |path: &Path, error: Error| {
            StorageError::Backend(format!("cannot open {}: {error}", path.display()))
        };
        // An existing file is not opened here: closing it would drop the locks that SQLite has on it in this
        // process.
        match owner_only(OpenOptions::new().write(true).create_new(true)).open(path) {
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            Err(error) => return Err(failed(path, error)),
        }
        let path = path.canonicalize().map_err(|error| failed(path, error))?;
        let mut lock_path = path.clone().into_os_string();
        lock_path.push(".lock");
        let lock_path = PathBuf::from(lock_path);
        let file = owner_only(OpenOptions::new().write(true).create(true).truncate(false))
            .open(&lock_path)
            .map_err(|error| failed(&lock_path, error))?;
        let end = Instant::now() + LET_GO;
        loop {
            match file.try_lock() {
                Ok(()) => break,
                Err(TryLockError::WouldBlock) if Instant::now() < end => std::thread::sleep(LET_GO / 50),
                Err(TryLockError::WouldBlock) => return Err(StorageError::Locked),
                Err(TryLockError::Error(error)) => return Err(failed(&lock_path, error)),
            }
        }
        self.file = Some(std::sync::Arc::new(file));
        Ok(path)
    }

    /// Without SQLite there is no file; [`crate::dialect::connect`] says so.
    #[cfg(not(feature = "sqlite"))]
    pub(crate) fn take(&mut self, path: &Path) -> Result<PathBuf, StorageError> {
        Ok(path.to_owned())
    }
}

/// SQLite gives the files beside the database the permissions of the database.
#[cfg(feature = "sqlite")]
fn owner_only(options: &mut std::fs::OpenOptions) -> &mut std::fs::OpenOptions {
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        options.mode(0o600);
    }
    options
}
