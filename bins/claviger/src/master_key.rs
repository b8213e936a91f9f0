//! The master key in the data directory: made once, with the database, and never again.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use claviger_crypto::{MasterKey, SystemRandom, random_array};
use claviger_domain::SecretText;
use claviger_storage::DatabaseUrl;

use crate::config::{Config, MasterKeySource};
use crate::error::Error;

/// What a generated master key may do to the file system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Missing {
    /// It is made, unless the database exists.
    Create,
    /// It is an error.
    Fail,
}

/// Makes the directories that are needed, and reads or makes the master key. `None` where the configuration did not ask
/// for one.
///
/// # Errors
/// When the key is missing and cannot be made, or cannot be read.
pub(crate) fn prepare(config: &mut Config, missing: Missing) -> Result<Option<MasterKey>, Error> {
    let source = std::mem::replace(&mut config.master_key, MasterKeySource::NotRead);
    if let DatabaseUrl::Sqlite(database) = &config.store.url
        && missing == Missing::Create
    {
        let inside = database.starts_with(&config.data_dir);
        if inside || matches!(source, MasterKeySource::DataDirectory(_)) {
            make_directory(&config.data_dir)?;
        }
    }
    match (source, &config.store.url) {
        (MasterKeySource::Given(key), _) => Ok(Some(key)),
        (MasterKeySource::DataDirectory(path), DatabaseUrl::Sqlite(database)) => {
            read_or_make(&path, database, missing).map(Some)
        }
        (MasterKeySource::DataDirectory(_) | MasterKeySource::NotRead, _) => Ok(None),
    }
}

fn make_directory(path: &Path) -> Result<(), Error> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .map_err(|source| Error::Directory { path: path.to_owned(), source })
}

fn read_or_make(path: &Path, database: &Path, missing: Missing) -> Result<MasterKey, Error> {
    if let Some(key) = read(path)? {
        return Ok(key);
    }
    let exists = database.try_exists().map_err(|source| file_error(path, source))?;
    if !exists && missing == Missing::Create {
        let key = MasterKey::generate(&mut SystemRandom)?;
        match write(path, &key) {
            Ok(()) => {
                tracing::info!(
                    file = %path.display(),
                    "generated a master key: back it up, apart from the database; without it the secrets are lost"
                );
                return Ok(key);
            }
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            Err(source) => return Err(file_error(path, source)),
        }
    }
    // Another process may have made key and database just now.
    read(path)?.ok_or_else(|| {
        if exists {
            Error::MasterKeyMissing { database: database.to_owned(), key: path.to_owned() }
        } else {
            Error::NoDatabase(database.to_owned())
        }
    })
}

fn read(path: &Path) -> Result<Option<MasterKey>, Error> {
    let text = match std::fs::read_to_string(path) {
        Ok(text) => SecretText::from(text),
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(file_error(path, source)),
    };
    warn_if_shared(path);
    MasterKey::from_base64(text.expose())
        .map(Some)
        .map_err(|source| Error::MasterKey { path: path.to_owned(), source })
}

/// Warns about a file with secrets that others than its owner may read.
pub(crate) fn warn_if_shared(path: &Path) {
    if let Ok(metadata) = std::fs::metadata(path)
        && metadata.permissions().mode() & 0o077 != 0
    {
        tracing::warn!(
            file = %path.display(),
            mode = format!("{:03o}", metadata.permissions().mode() & 0o777),
            "others than the owner may use this file, which holds a secret: set its mode to 600"
        );
    }
}

/// Writes the key all at once: whoever finds the file finds the whole key, after a loss of power too.
///
/// The name of the temporary file is random: a process that is killed here leaves it behind, and the next one may well
/// have the same process id, as in a container.
fn write(path: &Path, key: &MasterKey) -> io::Result<()> {
    let number = random_array::<8>(&mut SystemRandom).map_err(io::Error::other)?;
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(format!(".{:016x}.new", u64::from_be_bytes(number)));
    let temporary = PathBuf::from(temporary);
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temporary)?;
    let written = file
        .write_all(key.to_base64().expose().as_bytes())
        .and_then(|()| file.write_all(b"\n"))
        .and_then(|()| file.sync_all())
        // A link and no renaming: it fails when somebody else was first.
        .and_then(|()| std::fs::hard_link(&temporary, path));
    std::fs::remove_file(&temporary)?;
    written?;
    match path.parent() {
        Some(directory) => File::open(directory)?.sync_all(),
        None => Ok(()),
    }
}

fn file_error(path: &Path, source: io::Error) -> Error {
    Error::MasterKeyFile { path: path.to_owned(), source }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_made_once_and_never_beside_a_database() {
        let directory = tempfile::tempdir().unwrap();
        let (path, database) = (directory.path().join("master.key"), directory.path().join("claviger.db"));
        let failed = read_or_make(&path, &database, Missing::Fail).err().unwrap();
        assert!(matches!(failed, Error::NoDatabase(_)), "{failed}");
        let key = read_or_make(&path, &database, Missing::Create).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        std::fs::write(&database, "").unwrap();
        let again = read_or_make(&path, &database, Missing::Create).unwrap();
        assert_eq!(again.to_base64().expose(), key.to_base64().expose());
        std::fs::remove_file(&path).unwrap();
        for missing in [Missing::Create, Missing::Fail] {
            let refused = read_or_make(&path, &database, missing).err().unwrap();
            assert!(matches!(refused, Error::MasterKeyMissing { .. }), "{refused}");
            assert!(!path.exists());
        }
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 1, "nothing temporary is left");
    }

    #[test]
    fn what_a_killed_process_left_is_in_nobodys_way() {
        let directory = tempfile::tempdir().unwrap();
        let (path, database) = (directory.path().join("master.key"), directory.path().join("claviger.db"));
        for left in [format!("master.key.{}.new", std::process::id()), "master.key.new".to_owned()] {
            std::fs::write(directory.path().join(left), "half a k").unwrap();
        }
        let key = read_or_make(&path, &database, Missing::Create).unwrap();
        assert_eq!(read(&path).unwrap().unwrap().to_base64().expose(), key.to_base64().expose());
    }

    #[test]
    fn writing_never_replaces() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("master.key");
        std::fs::write(&path, "old").unwrap();
        let key = MasterKey::generate(&mut SystemRandom).unwrap();
        assert_eq!(write(&path, &key).unwrap_err().kind(), ErrorKind::AlreadyExists);
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "old");
        let malformed = read(&path).err().unwrap();
        assert!(malformed.to_string().contains("is not 32 bytes"), "{malformed}");
    }
}
