//! `cargo xtask semver`: whether a change of the published crates breaks those who use them, compared with the commit that
//! `xtask/semver-baseline.txt` names: the last release, or, before the first one, the last change that was meant to break.

use crate::run::{Failure, Result, cargo, read, root, succeed};
use std::path::PathBuf;
use std::process::{Command, Stdio};

const BASELINE: &str = "xtask/semver-baseline.txt";
const INSTALL: &str = "cargo install cargo-semver-checks --locked --version 0.51.0";
/// The crates that others link.
const PUBLISHED: [&str; 2] = ["claviger-authz", "claviger-domain"];

/// Compares the published crates with the baseline.
///
/// # Errors
/// Something breaks users (the tool says what), the tool is not installed, or the baseline is not at hand.
pub(crate) fn check() -> Result<()> {
    if !works(&mut cargo(["semver-checks", "--version"])) {
        return Err(Failure::new(format!("cargo-semver-checks is not installed: {INSTALL}")));
    }
    let file = file();
    let text = std::fs::read_to_string(&file).map_err(|error| Failure::file(&file, &error))?;
    let revision = revision(&text)?;
    if !works(git(["cat-file", "-e", &format!("{revision}^{{commit}}")]).current_dir(root())) {
        return Err(Failure::new(format!(
            "{BASELINE}: no commit {revision} here: a shallow clone needs `git fetch --unshallow`, a rewritten history \
             `cargo xtask semver --bless`"
        )));
    }
    let mut command = cargo(["semver-checks", "check-release", "--baseline-rev", revision]);
    for package in PUBLISHED {
        command.args(["--package", package]);
    }
    // Everything that the two versions depend on was fetched to build this one.
    succeed(command.env("CARGO_NET_OFFLINE", "true"))
}

/// Whether `CLAVIGER_SEMVER=0` says that the tool or the history cannot be had here. Whoever leaves the comparison out says so.
pub(crate) fn is_left_out() -> bool {
    std::env::var("CLAVIGER_SEMVER").is_ok_and(|value| value == "0")
}

/// Makes the current commit the baseline: after a release, or where a change is meant to break.
///
/// # Errors
/// This is no git repository, or the file cannot be written.
pub(crate) fn bless() -> Result<()> {
    let head = read(git(["rev-parse", "HEAD"]).current_dir(root()))?;
    let head = revision(&head)?;
    let file = file();
    std::fs::write(&file, format!("{head}\n")).map_err(|error| Failure::file(&file, &error))?;
    println!("{BASELINE}: {head}");
    Ok(())
}

fn file() -> PathBuf {
    root().join(BASELINE)
}

/// A checkout of another user (usual in containers) is still only read.
fn git<const N: usize>(arguments: [&str; N]) -> Command {
    let mut git = Command::new("git");
    git.args(["-c", "safe.directory=*"]).args(arguments);
    git
}

fn works(command: &mut Command) -> bool {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

/// The commit in a text that holds nothing else. In full, so that it is never a branch that moves, nor an option.
fn revision(text: &str) -> Result<&str> {
    let revision = text.trim_end();
    if revision.len() == 40 && revision.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')) {
        Ok(revision)
    } else {
        Err(Failure::new(format!("{BASELINE}: must hold the 40 digits of one commit")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_baseline_is_one_whole_commit() {
        let commit = "0123456789abcdef0123456789abcdef01234567";
        assert_eq!(revision(&format!("{commit}\n")).unwrap(), commit);
        for wrong in ["", "main", "HEAD", "0123456", "--help", &commit.to_uppercase(), &format!("{commit} x")]
        {
            assert!(revision(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_committed_baseline_is_one() {
        revision(&std::fs::read_to_string(file()).unwrap()).unwrap();
    }
}
