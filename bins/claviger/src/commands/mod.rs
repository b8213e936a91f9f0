//! The commands, each a function from the configuration to what it prints.

mod api_key;
mod healthcheck;
mod kickstart;
mod migrate;
mod serve;

pub(crate) use api_key::create;
pub(crate) use healthcheck::healthcheck;
pub(crate) use kickstart::check;
pub(crate) use migrate::{down, status, up};
pub(crate) use serve::serve;

use std::path::Path;

use claviger_storage::DatabaseUrl;

use crate::config::Config;
use crate::error::Error;

/// Opening a SQLite file makes it, which only a start may do.
fn require_database(config: &Config) -> Result<(), Error> {
    match &config.store.url {
        DatabaseUrl::Sqlite(path) if !Path::exists(path) => Err(Error::NoDatabase(path.clone())),
        DatabaseUrl::Sqlite(_) | DatabaseUrl::Postgres(_) => Ok(()),
    }
}
