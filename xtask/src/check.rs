//! `cargo xtask check`: everything short of the tests. Every step runs, whatever became of those before it.

use crate::features::OpenSsl;
use crate::run::{Result, cargo, succeed};
use crate::{codegen, deps, semver, tidy};
use std::time::Instant;

type Step = (&'static str, Box<dyn Fn() -> Result<()>>);

/// Runs all steps, prints what became of each, and answers whether all of them succeeded.
pub(crate) fn run() -> bool {
    let mut summary = Vec::new();
    for (name, step) in steps(OpenSsl::detect()) {
        if name == "semver" && semver::is_left_out() {
            continue;
        }
        println!("\n== {name}");
        let start = Instant::now();
        let outcome = step();
        if let Err(error) = &outcome {
            eprintln!("error: {error}");
        }
        summary.push((name, outcome.is_ok(), start.elapsed()));
    }
    println!("\n== summary");
    for (name, good, time) in &summary {
        println!("{} {name} ({:.1} s)", if *good { "ok    " } else { "FAILED" }, time.as_secs_f64());
    }
    if semver::is_left_out() {
        println!("SKIPPED semver: CLAVIGER_SEMVER=0 says that the tool or the history cannot be had here");
    }
    summary.iter().all(|(_, good, _)| *good)
}

fn steps(openssl: OpenSsl) -> Vec<Step> {
    let features = openssl.arguments(&[]);
    let with_features = |start: &[&str], end: &[&str]| {
        let mut arguments: Vec<String> = start.iter().map(|&argument| argument.to_owned()).collect();
        arguments.extend(features.iter().cloned());
        arguments.extend(end.iter().map(|&argument| argument.to_owned()));
        arguments
    };
    let clippy = with_features(&["clippy", "--workspace", "--all-targets"], &["--", "-D", "warnings"]);
    let doc = with_features(&["doc", "--workspace", "--no-deps"], &[]);
    vec![
        ("format", Box::new(format)),
        ("tidy", Box::new(tidy::run)),
        ("dependencies", Box::new(|| deps::run(false))),
        ("semver", Box::new(semver::check)),
        ("clippy", Box::new(move || succeed(&mut cargo(&clippy)))),
        (
            "clippy of what only benchmarks build",
            Box::new(move || succeed(&mut cargo(bench_clippy(openssl)))),
        ),
        ("documentation", Box::new(move || succeed(cargo(&doc).env("RUSTDOCFLAGS", "-D warnings")))),
        ("generated files", Box::new(move || codegen::run(openssl, true))),
        ("SQLite alone", Box::new(move || succeed(&mut cargo(alone(openssl, "sqlite"))))),
        ("PostgreSQL alone", Box::new(move || succeed(&mut cargo(alone(openssl, "postgres"))))),
    ]
}

/// The fuzz targets and the benchmark beside other engines are workspaces of their own.
fn format() -> Result<()> {
    succeed(&mut cargo(["fmt", "--all", "--check"]))?;
    succeed(&mut cargo(["fmt", "--manifest-path", "bench/Cargo.toml", "--check"]))?;
    succeed(&mut cargo(["fmt", "--manifest-path", "fuzz/Cargo.toml", "--check"]))
}

/// The features of the HTTP crate that no server is built with.
fn bench_clippy(openssl: OpenSsl) -> Vec<String> {
    let mut arguments: Vec<String> =
        ["clippy", "-p", "claviger-http", "--lib", "--benches"].map(str::to_owned).into();
    arguments.extend(openssl.arguments(&["claviger-http".to_owned()]));
    if let Some(features) = arguments.last_mut() {
        features.push_str(",claviger-http/sabotage,claviger-http/sabotage-timing,claviger-http/without");
    }
    arguments.extend(["--", "-D", "warnings"].map(str::to_owned));
    arguments
}

/// Storage and what stands on it, built for one database.
fn alone(openssl: OpenSsl, database: &str) -> Vec<String> {
    let vendored = if openssl == OpenSsl::Vendored { ",claviger/vendored" } else { "" };
    let features = format!("claviger/{database}{vendored}");
    let packages =
        ["check", "-p", "claviger-storage", "-p", "claviger", "--no-default-features", "--features"];
    packages.iter().map(|&argument| argument.to_owned()).chain([features]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_database_is_checked_without_the_other() {
        let arguments = alone(OpenSsl::System, "sqlite").join(" ");
        assert!(arguments.ends_with("--no-default-features --features claviger/sqlite"));
        assert!(
            alone(OpenSsl::Vendored, "postgres").join(" ").ends_with(" claviger/postgres,claviger/vendored")
        );
    }

    #[test]
    fn every_step_has_its_own_name() {
        let mut names: Vec<&str> = steps(OpenSsl::System).iter().map(|(name, _)| *name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), 10);
    }
}
