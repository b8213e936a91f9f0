//! `cargo xtask tidy`: the rules of the tree that neither rustfmt nor clippy knows. The rules stand in `rules`;
//! this part finds the files and reports.

mod rules;

pub(crate) use rules::is_migration_name;

use crate::run::{Failure, Result, read, root};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Checks every file that git tracks or would track.
///
/// # Errors
/// A file breaks a rule (each is printed), or the files cannot be listed or read.
pub(crate) fn run() -> Result<()> {
    let root = root();
    let problems = problems(&root)?;
    for problem in &problems {
        eprintln!("{problem}");
    }
    match problems.len() {
        0 => Ok(()),
        count => Err(Failure::new(format!("{count} untidy places"))),
    }
}

fn problems(root: &Path) -> Result<Vec<String>> {
    let paths = files(root)?;
    let mut problems = rules::twin_migrations(&paths);
    let conn = root.join(rules::CONNECTIONS);
    let connections = std::fs::read_to_string(&conn).map_err(|error| Failure::file(&conn, &error))?;
    let connection_type = rules::connection_type(&connections);
    if connection_type.is_none() {
        problems.push(format!(
            "{}: no enum that derives MultiConnection, so its rule is blind",
            rules::CONNECTIONS
        ));
    }
    for path in &paths {
        let file = root.join(path);
        // Links lead to files that are looked at themselves, or out of the tree.
        if !file.is_file() || file.is_symlink() {
            continue;
        }
        let bytes = std::fs::read(&file).map_err(|error| Failure::file(&file, &error))?;
        // What is not text has no lines to be tidy.
        if let Ok(text) = String::from_utf8(bytes) {
            problems.extend(rules::check(path, &text, connection_type));
        }
    }
    problems.sort();
    Ok(problems)
}

/// The files of the tree, relative to its root, with `/` between the parts.
fn files(root: &Path) -> Result<Vec<String>> {
    let mut paths: Vec<String> = if root.join(".git").exists() {
        // A checkout of another user (usual in containers) is still only listed.
        let mut git = Command::new("git");
        git.current_dir(root).args(["-c", "safe.directory=*", "ls-files", "-z"]);
        git.args(["--cached", "--others", "--exclude-standard"]);
        read(&mut git)?.split_terminator('\0').map(str::to_owned).collect()
    } else {
        let mut found = Vec::new();
        walk(root, root, &mut found)?;
        found
    };
    paths.sort();
    paths.dedup();
    Ok(paths)
}

/// Lists an unpacked archive, which has no git: everything but what builds, servers and fuzzers leave behind.
fn walk(root: &Path, directory: &Path, found: &mut Vec<String>) -> Result<()> {
    let entries = std::fs::read_dir(directory).map_err(|error| Failure::file(directory, &error))?;
    for entry in entries {
        let path: PathBuf = entry.map_err(|error| Failure::file(directory, &error))?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if path.is_dir() && !path.is_symlink() {
            if !matches!(&*name, "target" | "claviger-data" | "artifacts" | "corpus" | "coverage") {
                walk(root, &path, found)?;
            }
        } else if let Ok(relative) = path.strip_prefix(root) {
            let parts: Vec<_> =
                relative.components().map(|part| part.as_os_str().to_string_lossy()).collect();
            found.push(parts.join("/"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// So that a plain `cargo test` tells of untidy places too.
    #[test]
    fn this_tree_is_tidy() {
        assert_eq!(problems(&root()).unwrap(), Vec::<String>::new());
    }

    #[test]
    fn files_are_the_same_with_and_without_git() {
        let listed = files(&root()).unwrap();
        assert!(listed.contains(&"xtask/src/tidy/rules.rs".to_owned()));
        assert!(!listed.iter().any(|path| path.starts_with("target/")));
        let mut walked = Vec::new();
        walk(&root().join("xtask"), &root().join("xtask"), &mut walked).unwrap();
        assert!(walked.contains(&"src/tidy/rules.rs".to_owned()));
    }
}
