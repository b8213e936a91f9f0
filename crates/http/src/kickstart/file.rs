//! The files of a Kickstart: read within bounds, and errors that name places and never values.

use std::collections::HashMap;
use std::fs::File;
use std::io::Read;
use std::path::{Component, Path, PathBuf};

use claviger_crypto::{JsonError, JsonFault};
use zeroize::Zeroizing;

/// The bytes of a file at most.
const LARGEST_FILE: u64 = 4 * 1024 * 1024;
/// The files that one Kickstart file includes at most; each is read once.
const MOST_FILES: usize = 256;

/// What keeps a Kickstart file from being used. Shows places and names, and no value of the file or of a variable.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}: {}{what}", .file.display(), before(.place))]
pub struct KickstartFileError {
    /// The file that it is about.
    pub file: PathBuf,
    /// The member, such as `requests[2].body.name`; empty for the file as a whole.
    pub place: String,
    /// What is wrong.
    pub what: String,
}

fn before(place: &str) -> String {
    if place.is_empty() { String::new() } else { format!("{place}: ") }
}

/// Reads the file and what it includes. Names of included files are relative to the directory of the Kickstart file.
pub(super) struct Files {
    directory: PathBuf,
    read: HashMap<PathBuf, Zeroizing<Vec<u8>>>,
}

impl Files {
    /// For the files beside this one.
    pub(super) fn beside(kickstart: &Path) -> Self {
        Self { directory: kickstart.parent().unwrap_or(Path::new("")).to_owned(), read: HashMap::new() }
    }

    /// The content of an included file.
    ///
    /// # Errors
    /// When the name leads out of the directory, or the file cannot be read or is too large.
    pub(super) fn included(&mut self, name: &str) -> Result<&[u8], String> {
        let path = Path::new(name);
        let inside = path.components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
        if !inside || name.is_empty() {
            return Err(format!(
                "includes {name:?}, which is no relative path below the directory of the Kickstart file"
            ));
        }
        if self.read.len() >= MOST_FILES && !self.read.contains_key(path) {
            return Err(format!("includes more than {MOST_FILES} files"));
        }
        match self.read.entry(path.to_owned()) {
            std::collections::hash_map::Entry::Occupied(entry) => Ok(entry.into_mut()),
            std::collections::hash_map::Entry::Vacant(entry) => {
                let content = read(&self.directory.join(path))
                    .map_err(|error| format!("includes {name:?}, which {error}"))?;
                Ok(entry.insert(content))
            }
        }
    }
}

/// The content of a file, within its bound.
///
/// # Errors
/// What is wrong, as the end of a sentence about the file.
pub(super) fn read(path: &Path) -> Result<Zeroizing<Vec<u8>>, String> {
    let mut content = Zeroizing::new(Vec::new());
    let length = File::open(path)
        .and_then(|file| file.take(LARGEST_FILE + 1).read_to_end(&mut content))
        .map_err(|error| format!("cannot be read: {error}"))?;
    if length as u64 > LARGEST_FILE { Err("has more than 4 MiB".to_owned()) } else { Ok(content) }
}

/// Says where a text stops being the JSON that is expected, as the end of a sentence about it.
pub(super) fn not_json(error: JsonError) -> String {
    let reason = match error.fault {
        JsonFault::NotAnObject => return "is no JSON object".to_owned(),
        JsonFault::NotAnArray => return "is no JSON array".to_owned(),
        JsonFault::EndsEarly => "it ends too early",
        JsonFault::DuplicateMember => "a member stands twice in an object",
        JsonFault::Syntax => "it cannot be read",
    };
    format!("is not valid JSON: {reason} at line {}, column {}", error.line, error.column)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn included_files_lie_below_the_directory() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::create_dir(directory.path().join("json")).unwrap();
        std::fs::write(directory.path().join("json/a.json"), "{}").unwrap();
        let kickstart = directory.path().join("json/../kickstart.json");
        let mut files = Files::beside(&kickstart);
        assert_eq!(files.included("json/a.json"), Ok(&b"{}"[..]));
        assert_eq!(files.included("./json/a.json"), Ok(&b"{}"[..]));
        for outside in ["", "/etc/hostname", "../a", "json/../../a", "..", "json/../json/a.json"] {
            assert!(files.included(outside).unwrap_err().contains("no relative path"), "{outside}");
        }
        assert!(files.included("absent").unwrap_err().contains("cannot be read"));
    }

    #[test]
    fn large_files_are_not_read() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("large");
        std::fs::write(&path, vec![b' '; 4 * 1024 * 1024]).unwrap();
        assert_eq!(read(&path).map(|content| content.len()), Ok(4 * 1024 * 1024));
        std::fs::write(&path, vec![b' '; 4 * 1024 * 1024 + 1]).unwrap();
        assert_eq!(read(&path).err().as_deref(), Some("has more than 4 MiB"));
    }
}
