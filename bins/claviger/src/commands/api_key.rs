//! `claviger api-key create`: an API key by whoever has the database and the master key, for the day on which no key
//! manager is left.

use claviger_domain::{Permissions, SecretText};
use claviger_http::{CommandLineApiKey, create_api_key, system_clock};

use super::require_database;
use crate::config::Config;
use crate::error::Error;
use crate::master_key::{Missing, prepare};
use crate::output::{note, print_all};

/// Makes the key and prints its value, alone, on standard output.
///
/// # Errors
/// When a server runs on the database, or there is no instance, or name or tenant do not fit.
pub(crate) fn create(mut config: Config, wanted: CommandLineApiKey) -> Result<(), Error> {
    require_database(&config)?;
    let master_key = prepare(&mut config, Missing::Fail)?.ok_or(Error::NoMasterKey)?;
    let description = describe(&wanted);
    let (id, value) =
        create_api_key(&config.store, &master_key, &config.api_key_prefix, wanted, &system_clock())
            .map_err(|error| Error::of_server(error, &config.store.url))?;
    let line = SecretText::from(format!("{}\n", value.expose()));
    print_all(&line.expose()).map_err(|source| Error::Unprinted { id, source })?;
    note(&format_args!("Made the API key {id}: {description}. Its value is shown only now."));
    Ok(())
}

fn describe(wanted: &CommandLineApiKey) -> String {
    let kind = if wanted.key_manager { "a key manager" } else { "no key manager" };
    let reach = match wanted.tenant_id {
        Some(id) => format!("bound to the tenant {id}"),
        None => "global".to_owned(),
    };
    let endpoints = match &wanted.permissions {
        Permissions::All => "every endpoint".to_owned(),
        Permissions::Only(list) => list.to_string().replace('\n', " "),
        Permissions::Roles(names) => format!("what its {} roles allow", names.len()),
    };
    format!("{kind}, {reach}, may call {endpoints}")
}
