//! `cargo xtask bench …`: the benchmarks of the server, each with a verdict that becomes the exit code.

pub(crate) mod engines;
pub(crate) mod report;

use crate::features::OpenSsl;
use crate::postgres::{Postgres, URL_VARIABLE};
use crate::run::{Failure, Result, cargo, root, succeed};
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// Measures the refusals of the server as it is, where nothing must be found, and of one with an added delay, which must be
/// found.
///
/// # Errors
/// The benchmark fails, or one of the two comes out otherwise.
pub(crate) fn timing(openssl: OpenSsl) -> Result<()> {
    let found = |feature: &str| -> Result<bool> {
        println!("\n== {feature}");
        let mut features = openssl.arguments(&["claviger-http".to_owned()]);
        if let Some(list) = features.last_mut() {
            list.push_str(&format!(",claviger-http/{feature}"));
        }
        let mut command = cargo(["bench", "-p", "claviger-http", "--bench", "timing"]);
        let output = crate::run::read(command.args(features))?;
        print!("{output}");
        match output.lines().last() {
            Some("a difference was found") => Ok(true),
            Some("no difference was found") => Ok(false),
            _ => Err(Failure::new("the measurement ended without a verdict")),
        }
    };
    if found("in-process")? {
        return Err(Failure::new("the time of a refusal tells its reason"));
    }
    if !found("sabotage-timing")? {
        return Err(Failure::new("the measurement does not find a delay that was added"));
    }
    println!("\nno difference in the server, and the added delay was found");
    Ok(())
}

/// Measures checks before and during the deletion of a large tenant, on SQLite and, where it can be had, on PostgreSQL.
///
/// # Errors
/// The benchmark fails, or the checks were slowed down.
pub(crate) fn tenant_delete(openssl: OpenSsl) -> Result<()> {
    match on_both_databases(openssl, "tenant_delete")?.as_str() {
        "checks went on" => Ok(()),
        "checks were slowed down" => Err(Failure::new("the deletion of a tenant slows checks down")),
        _ => Err(Failure::new("the measurement ended without a verdict")),
    }
}

/// Measures how fast tokens are issued, on SQLite and, where it can be had, on PostgreSQL, and writes the tables to the page.
///
/// # Errors
/// The benchmark fails, or a promised share of the bare signing rate was missed.
pub(crate) fn tokens(openssl: OpenSsl) -> Result<()> {
    let output = with_databases(&mut server_bench_with(openssl, "tokens", ",claviger-http/in-process"))?;
    report::write("tokens", &output, &[])?;
    match output.lines().last() {
        Some("the promised shares were reached") => Ok(()),
        Some("a promised share was missed") => {
            Err(Failure::new("tokens are issued more slowly than is promised"))
        }
        _ => Err(Failure::new("the measurement ended without a verdict")),
    }
}

/// Measures what a check costs over HTTP beside a handler that does nothing, and writes the table to the page. `quick` looks at 1 000
/// keys on SQLite alone and writes nothing.
///
/// # Errors
/// wrk is not installed, the benchmark fails, or a promise was missed.
pub(crate) fn verify(openssl: OpenSsl, quick: bool) -> Result<()> {
    let found = Command::new("wrk").arg("-v").stdin(Stdio::null()).output();
    let version =
        found.map_err(|_| Failure::new("`wrk` is needed to send requests: install the package `wrk`"))?;
    let version = String::from_utf8_lossy(&version.stdout);
    let version = version.split(' ').nth(1).unwrap_or_default().to_owned();
    if quick {
        let mut command = server_bench_with(openssl, "verify", ",claviger-http/without");
        let output = crate::run::read(command.args(["--", "1000"]).env_remove(URL_VARIABLE))?;
        print!("{output}");
        return verdict(&output);
    }
    let output = with_databases(&mut server_bench_with(openssl, "verify", ",claviger-http/without"))?;
    report::write("verify", &output, &[("wrk", version)])?;
    verdict(&output)
}

/// Measures how many API keys can be made in a second beside bare inserts, and writes the table to the page.
///
/// # Errors
/// The benchmark fails, or a promise was missed.
pub(crate) fn create(openssl: OpenSsl) -> Result<()> {
    let output = measured(openssl, "create")?;
    report::write("create", &output, &[])?;
    verdict(&output)
}

/// Measures how soon the server answers after its start and what memory it takes, and writes the table to the page.
///
/// # Errors
/// The program cannot be built, the benchmark fails, or a promise was missed.
pub(crate) fn start(openssl: OpenSsl) -> Result<()> {
    let mut build = cargo(["build", "--profile=dist", "-p", "claviger"]);
    succeed(build.args(openssl.arguments(&["claviger".to_owned()])))?;
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from);
    let server = root().join(target).join("dist").join("claviger");
    let output = with_databases(server_bench(openssl, "start").env("CLAVIGER_BENCH_SERVER", server))?;
    report::write("start", &output, &[])?;
    verdict(&output)
}

/// Measures how fast the keyring is filled, what a key takes of memory and what a look-up takes among up to ten million keys, and
/// writes the tables to the page.
///
/// # Errors
/// The benchmark fails, or a promise was missed.
pub(crate) fn keyring(openssl: OpenSsl) -> Result<()> {
    let output = measured(openssl, "keyring")?;
    report::write("keyring", &output, &[])?;
    verdict(&output)
}

/// What the last line of a benchmark says.
fn verdict(output: &str) -> Result<()> {
    match output.lines().last() {
        Some("what is promised was reached") => Ok(()),
        Some("what is promised was missed") => Err(Failure::new("what is promised was missed")),
        _ => Err(Failure::new("the measurement ended without a verdict")),
    }
}

/// Runs a benchmark of the server, and answers the last line that it printed.
fn on_both_databases(openssl: OpenSsl, name: &str) -> Result<String> {
    let output = measured(openssl, name)?;
    Ok(output.lines().last().unwrap_or_default().to_owned())
}

fn server_bench(openssl: OpenSsl, name: &str) -> Command {
    server_bench_with(openssl, name, "")
}

/// A benchmark of the server, with features beside the usual ones.
fn server_bench_with(openssl: OpenSsl, name: &str, more_features: &str) -> Command {
    // As it is published.
    let mut command = cargo(["bench", "--profile=dist", "-p", "claviger-http", "--bench", name]);
    let mut features = openssl.arguments(&["claviger-http".to_owned()]);
    if let Some(list) = features.last_mut() {
        list.push_str(more_features);
    }
    command.args(features);
    command
}

/// Runs a benchmark of the server on both databases, shows what it prints, and answers that.
fn measured(openssl: OpenSsl, name: &str) -> Result<String> {
    with_databases(&mut server_bench(openssl, name))
}

fn with_databases(command: &mut Command) -> Result<String> {
    let postgres = Postgres::find();
    match &postgres {
        Postgres::Given => {}
        Postgres::Started(server) => drop(command.env(URL_VARIABLE, server.url())),
        Postgres::Absent(reason) => {
            println!("on SQLite alone: {reason}");
            command.env_remove(URL_VARIABLE);
        }
    }
    let output = crate::run::read(command)?;
    print!("{output}");
    Ok(output)
}
