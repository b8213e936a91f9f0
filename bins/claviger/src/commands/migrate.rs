//! `claviger migrate`: the migrations of the database. They need no secrets.

use std::fmt::Write;

use claviger_storage::{StorageError, Store};

use super::require_database;
use crate::config::Config;
use crate::error::Error;
use crate::master_key::{Missing, prepare};
use crate::output::print;

/// Prints the migrations, one per line, oldest first.
///
/// # Errors
/// When the database cannot be read.
pub(crate) fn status(config: &Config) -> Result<(), Error> {
    require_database(config)?;
    let store = open(config)?;
    let mut text = String::new();
    for migration in store.migrations().map_err(|error| of(error, config))? {
        let state = if migration.applied { "applied" } else { "pending" };
        // Writing to a string cannot fail.
        let _written = writeln!(text, "{} {state} {}", migration.version, migration.name);
    }
    Ok(print(&text)?)
}

/// Runs the migrations that are due.
///
/// With SQLite this can be what makes the database, so a master key that belongs beside it is made first, as `serve` does:
/// later it would be missing.
///
/// # Errors
/// When a migration fails; those before it stay.
pub(crate) fn up(config: &mut Config) -> Result<(), Error> {
    prepare(config, Missing::Create)?;
    let applied = open(config)?.migrate_up().map_err(|error| of(error, config))?;
    Ok(print(&format_args!("migrations applied: {applied}\n"))?)
}

/// Undoes the migrations after a version, while no server works with what they made.
///
/// # Errors
/// When there is no such version, a server runs on the database, or a migration fails.
pub(crate) fn down(config: &Config, to: &str) -> Result<(), Error> {
    require_database(config)?;
    let store = open(config)?;
    let _turn = store.exclusive().map_err(|error| of(error, config))?;
    let undone = store.migrate_down(to).map_err(|error| of(error, config))?;
    Ok(print(&format_args!("migrations undone: {undone}\n"))?)
}

fn open(config: &Config) -> Result<Store, Error> {
    Store::open(&config.store).map_err(|error| of(error, config))
}

fn of(error: StorageError, config: &Config) -> Error {
    Error::of_storage(error, &config.store.url)
}
