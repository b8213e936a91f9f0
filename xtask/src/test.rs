//! `cargo xtask test`: every test of the workspace, on SQLite and on PostgreSQL.
//!
//! The contract with the tests:
//! - the PostgreSQL half (tests with `postgres::` in their names) reads `CLAVIGER_TEST_POSTGRES_URL`;
//! - where that is absent such a test appends one line, its name, to the file that `CLAVIGER_SKIPPED_FILE` names
//!   (opened for appending; without the variable it says so on standard error) and passes;
//! - with `CLAVIGER_REQUIRE_POSTGRES=1` it panics instead.
//!
//! The lines are counted here, and the last line of the output says how many tests were skipped.

use crate::features::OpenSsl;
use crate::postgres::{Postgres, REQUIRE_VARIABLE, URL_VARIABLE};
use crate::run::{Failure, Result, cargo, root, status};
use std::path::{Path, PathBuf};

/// The variable that names the file for skipped tests.
pub(crate) const SKIPPED_VARIABLE: &str = "CLAVIGER_SKIPPED_FILE";

/// How many tests run at once; the default is one for each core.
const TEST_THREADS: &str = "RUST_TEST_THREADS";

/// Runs `cargo test` with these further arguments; answers its exit code.
///
/// Without `-p` every package is tested, and every test is run even if some fail.
///
/// # Errors
/// PostgreSQL is required and absent, cargo cannot be started, or a test was skipped although PostgreSQL was there.
pub(crate) fn run(extra: &[String]) -> Result<u8> {
    let postgres = Postgres::find();
    if let Postgres::Absent(reason) = &postgres
        && std::env::var(REQUIRE_VARIABLE).is_ok_and(|value| value == "1")
    {
        return Err(Failure::new(format!("{REQUIRE_VARIABLE}=1, but {reason}: {INSTALL}")));
    }

    let packages = packages(extra);
    let mut command = cargo(["test"]);
    if packages.is_empty() {
        command.arg("--workspace");
    }
    command.args(OpenSsl::detect().arguments(&packages));
    if !cargo_arguments(extra).any(|argument| argument == "--no-fail-fast") {
        command.arg("--no-fail-fast");
    }
    command.args(extra);
    // Half of the time a test waits: for the disk, for a deadline, for the other side.
    if std::env::var_os(TEST_THREADS).is_none() {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        command.env(TEST_THREADS, (2 * cores).to_string());
    }

    let skipped = SkippedFile::create()?;
    command.env(SKIPPED_VARIABLE, &skipped.0);
    match &postgres {
        Postgres::Given => {}
        Postgres::Started(server) => drop(command.env(URL_VARIABLE, server.url())),
        // An empty value counts as none here; the tests need not know that.
        Postgres::Absent(_) => drop(command.env_remove(URL_VARIABLE)),
    }
    let code = status(&mut command)?;
    let skipped = skipped.count()?;
    let whole = packages.is_empty() && extra.is_empty();
    if whole {
        gateways()?;
        cluster()?;
    }
    match postgres {
        Postgres::Absent(reason) => println!("{}", loud(skipped, &reason)),
        Postgres::Given | Postgres::Started(_) if skipped > 0 => {
            return Err(Failure::new(format!("{skipped} tests were skipped although PostgreSQL was there")));
        }
        Postgres::Given | Postgres::Started(_) => {}
    }
    Ok(code)
}

/// `1` there makes the absence of the gateway a failure: the variable, the gateway, and its package.
const REQUIRED: [(&str, &str, &str); 2] =
    [("CLAVIGER_REQUIRE_NGINX", "nginx", "nginx-light"), ("CLAVIGER_REQUIRE_HAPROXY", "haproxy", "haproxy")];

/// The test of gateways in its short form, where they are installed.
pub(crate) fn gateways() -> Result<()> {
    println!("\n== gateways");
    let absent = crate::gateway::few()?;
    for (variable, gateway, package) in REQUIRED {
        if std::env::var(variable).is_ok_and(|value| value == "1") && absent.contains(&gateway) {
            return Err(Failure::new(format!(
                "{variable}=1, but {gateway} is absent: install the package {package}"
            )));
        }
    }
    for gateway in absent {
        println!(
            "WARNING: THE 3 RUNS OF THE GATEWAY TEST WITH {gateway} WERE SKIPPED: install the package {gateway}"
        );
    }
    Ok(())
}

/// The test of several nodes in its short form, where PostgreSQL is installed.
pub(crate) fn cluster() -> Result<()> {
    println!("\n== cluster");
    match crate::cluster::few()? {
        Some(reason) if std::env::var(REQUIRE_VARIABLE).is_ok_and(|value| value == "1") => {
            Err(Failure::new(format!("{REQUIRE_VARIABLE}=1, but {reason}: install the package postgresql")))
        }
        Some(reason) => {
            println!("WARNING: THE CLUSTER TEST WAS SKIPPED ({reason}): install the package postgresql");
            Ok(())
        }
        None => Ok(()),
    }
}

const INSTALL: &str = "install the package postgresql (Debian, Ubuntu; postgresql-server on Fedora), \
                       or name a server in CLAVIGER_TEST_POSTGRES_URL";

fn loud(skipped: usize, reason: &str) -> String {
    format!("WARNING: {skipped} PostgreSQL TESTS WERE SKIPPED ({reason}): {INSTALL}")
}

/// The arguments that are cargo's own: those before `--`.
fn cargo_arguments(extra: &[String]) -> impl Iterator<Item = &str> {
    extra.iter().map(String::as_str).take_while(|argument| *argument != "--")
}

/// The packages that `-p` and `--package` select.
fn packages(extra: &[String]) -> Vec<String> {
    let mut packages = Vec::new();
    let mut arguments = cargo_arguments(extra);
    while let Some(argument) = arguments.next() {
        let package = match argument {
            "-p" | "--package" => arguments.next(),
            _ => argument.strip_prefix("--package=").or_else(|| argument.strip_prefix("-p")),
        };
        packages.extend(package.map(str::to_owned));
    }
    packages
}

/// The file that skipping tests write to, removed with the value.
struct SkippedFile(PathBuf);

impl SkippedFile {
    fn create() -> Result<Self> {
        let directory = root().join("target").join("xtask");
        let file = directory.join(format!("skipped-{}", std::process::id()));
        std::fs::create_dir_all(&directory).map_err(|error| Failure::file(&directory, &error))?;
        std::fs::write(&file, "").map_err(|error| Failure::file(&file, &error))?;
        Ok(Self(file))
    }

    fn count(&self) -> Result<usize> {
        count_lines(&self.0)
    }
}

impl Drop for SkippedFile {
    fn drop(&mut self) {
        // What cannot be removed lies in the target directory, which is nobody's.
        let _ = std::fs::remove_file(&self.0);
    }
}

fn count_lines(file: &Path) -> Result<usize> {
    let text = std::fs::read_to_string(file).map_err(|error| Failure::file(file, &error))?;
    // Tests run at once: parts of their lines may be mixed, the number of line ends is right all the same.
    Ok(text.matches('\n').count())
}

/// What a test does that cannot run for want of PostgreSQL (see the contract above).
#[cfg(test)]
pub(crate) fn note_skipped(name: &str) {
    use std::io::Write;
    eprintln!("skipped for want of PostgreSQL: {name}");
    if let Some(file) = std::env::var_os(SKIPPED_VARIABLE) {
        let mut file = std::fs::OpenOptions::new().append(true).open(file).unwrap();
        file.write_all(format!("{name}\n").as_bytes()).unwrap();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn strings(text: &str) -> Vec<String> {
        text.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn packages_are_found_before_the_separator_only() {
        assert_eq!(packages(&strings("-p a --package b --package=c -pd name -- -p e")), strings("a b c d"));
        assert!(packages(&strings("name -- -p e")).is_empty());
        assert!(packages(&strings("--lib")).is_empty());
        assert!(packages(&strings("-p")).is_empty());
    }

    #[test]
    fn skipped_tests_are_counted_and_named_loudly() {
        let file = SkippedFile::create().unwrap();
        assert_eq!(file.count().unwrap(), 0);
        std::fs::write(&file.0, "postgres::a\npostgres::b\n").unwrap();
        assert_eq!(file.count().unwrap(), 2);
        let path = file.0.clone();
        drop(file);
        assert!(!path.exists());
        let line = loud(2, "no server");
        assert!(line.contains("2 PostgreSQL TESTS WERE SKIPPED") && line.contains("package postgresql"));
        assert!(!line.contains('\n'));
    }
}
