//! `cargo xtask migrate`: new migrations, always as twins, and the server's own command for the rest.

use crate::features::OpenSsl;
use crate::run::{Failure, Result, cargo, root, status};
use crate::{test, tidy};
use std::path::Path;
use std::time::{Duration, SystemTime};

const DATABASES: [&str; 2] = ["postgres", "sqlite"];

/// Makes the four files of a migration with the next version.
///
/// # Errors
/// The name is not made of lower-case letters, digits and `_`, or a file cannot be written.
pub(crate) fn new(name: &str) -> Result<()> {
    #[expect(clippy::disallowed_methods, reason = "the version of a migration is the time of its making")]
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    for file in create(&root().join("migrations"), name, now)? {
        println!("{file}");
    }
    println!("Write all four, then run `cargo xtask migrate check`.");
    Ok(())
}

/// `status` or `up`: the server's command, on the database of its settings. Answers its exit code.
///
/// # Errors
/// Cargo cannot be started.
pub(crate) fn server(command: &str, extra: &[String]) -> Result<u8> {
    let mut run = cargo(["run", "--quiet", "--package", "claviger"]);
    run.args(OpenSsl::detect().arguments(&["claviger".to_owned()]))
        .args(["--", "migrate", command])
        .args(extra);
    status(&mut run)
}

/// The tests of storage on the schema: up, down and up again, and the same columns on both databases.
///
/// # Errors
/// As [`test::run`].
pub(crate) fn check() -> Result<u8> {
    test::run(&["-p".to_owned(), "claviger-storage".to_owned(), "schema".to_owned()])
}

fn create(migrations: &Path, name: &str, now: Duration) -> Result<Vec<String>> {
    let directory = format!("{}_{name}", next_version(version(now), &existing_versions(migrations)?));
    if !tidy::is_migration_name(&directory) {
        return Err(Failure::new(format!("`{name}`: a name has lower-case letters, digits and `_` only")));
    }
    let mut made = Vec::new();
    for database in DATABASES {
        let directory = migrations.join(database).join(&directory);
        std::fs::create_dir_all(&directory).map_err(|error| Failure::file(&directory, &error))?;
        for (file, text) in
            [("up.sql", "-- What this changes, and why.\n"), ("down.sql", "-- Undoes all of up.sql.\n")]
        {
            let file = directory.join(file);
            std::fs::write(&file, text).map_err(|error| Failure::file(&file, &error))?;
            made.push(file.display().to_string());
        }
    }
    Ok(made)
}

/// The versions that either database has.
fn existing_versions(migrations: &Path) -> Result<Vec<String>> {
    let mut versions = Vec::new();
    for database in DATABASES {
        let directory = migrations.join(database);
        let entries = std::fs::read_dir(&directory).map_err(|error| Failure::file(&directory, &error))?;
        for entry in entries {
            let name = entry.map_err(|error| Failure::file(&directory, &error))?.file_name();
            versions.extend(name.to_string_lossy().split_once('_').map(|(version, _)| version.to_owned()));
        }
    }
    Ok(versions)
}

/// The version for this time, moved behind the newest one: migrations run in the order of their versions.
fn next_version(mut candidate: String, existing: &[String]) -> String {
    let newest = existing.iter().max();
    if let Some(newest) = newest.filter(|newest| **newest >= candidate) {
        // A clock behind the newest migration's: its last number grows by one, which need not be a time of day.
        let (start, number) = newest.split_at_checked(newest.len().saturating_sub(6)).unwrap_or(("", newest));
        candidate = format!("{start}{:06}", number.parse::<u32>().unwrap_or(0).saturating_add(1));
    }
    candidate
}

/// `YYYY-MM-DD-HHMMSS` in UTC for a time since 1970.
fn version(since_epoch: Duration) -> String {
    let seconds = since_epoch.as_secs();
    let (days, time) = (seconds / 86_400, seconds % 86_400);
    // Years are counted from March 0000, so that the leap day is the last of its year (a 400-year era has 146 097 days).
    let days = days + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    let (hour, minute, second) = (time / 3_600, time / 60 % 60, time % 60);
    format!("{year:04}-{month:02}-{day:02}-{hour:02}{minute:02}{second:02}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_times() {
        // Expected values from `date -u -d @SECONDS +%Y-%m-%d-%H%M%S`.
        for (seconds, expected) in [
            (0, "1970-01-01-000000"),
            (951_782_399, "2000-02-28-235959"),
            (951_782_400, "2000-02-29-000000"),
            (951_868_800, "2000-03-01-000000"),
            (1_795_255_982, "2026-11-21-101302"),
            (4_107_542_399, "2100-02-28-235959"),
            (4_107_542_400, "2100-03-01-000000"),
        ] {
            assert_eq!(version(Duration::from_secs(seconds)), expected);
        }
    }

    #[test]
    fn versions_grow() {
        let existing = ["2026-11-21-100000".to_owned(), "2026-11-21-235959".to_owned()];
        assert_eq!(next_version("2026-11-22-000000".to_owned(), &existing), "2026-11-22-000000");
        assert_eq!(next_version("2026-11-21-235959".to_owned(), &existing), "2026-11-21-235960");
        assert_eq!(next_version("2020-01-01-000000".to_owned(), &existing), "2026-11-21-235960");
        assert_eq!(next_version("2020-01-01-000000".to_owned(), &[]), "2020-01-01-000000");
    }

    #[test]
    fn twins_are_made_and_bad_names_are_not() {
        let directory = std::env::temp_dir().join(format!("claviger-xtask-migrate-{}", std::process::id()));
        for database in DATABASES {
            std::fs::create_dir_all(directory.join(database)).unwrap();
        }
        let made = create(&directory, "add_thing", Duration::from_secs(0)).unwrap();
        assert_eq!(made.len(), 4);
        assert!(directory.join("sqlite/1970-01-01-000000_add_thing/down.sql").is_file());
        create(&directory, "second", Duration::from_secs(0)).unwrap();
        assert!(directory.join("postgres/1970-01-01-000001_second/up.sql").is_file());
        for wrong in ["", "Name", "a-b", "../a"] {
            assert!(create(&directory, wrong, Duration::from_secs(0)).is_err(), "{wrong}");
        }
        std::fs::remove_dir_all(&directory).unwrap();
    }
}
