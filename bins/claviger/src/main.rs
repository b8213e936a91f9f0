//! The Claviger server and its commands: reads the configuration, starts the log, and hands over to the crates that do
//! the work. Nothing here decides about a request.

mod cli;
mod codegen;
mod commands;
mod config;
mod error;
mod master_key;
mod output;
mod settings;
mod sources;
mod telemetry;

use std::io::{IsTerminal, stderr};
use std::process::ExitCode;
use std::thread::available_parallelism;

use claviger_crypto::{MasterKey, SystemRandom};

use crate::cli::{Action, Call, Configured};
#[cfg(feature = "sabotage")]
use crate::config::Problems;
use crate::config::{Config, Surroundings};
use crate::error::{Error, USAGE};
use crate::output::{note, print};

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args_os().collect();
    let call = match cli::parse(&arguments) {
        Ok(call) => call,
        Err(error) => {
            // The help and the version come this way too, and go to standard output.
            let _unread = error.print();
            return if error.use_stderr() { ExitCode::from(USAGE) } else { ExitCode::SUCCESS };
        }
    };
    match run(call) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            if !error.is_logged() {
                note(&format_args!("claviger: {error}"));
            }
            error.exit_code()
        }
    }
}

/// Makes the mistake that the test of many nodes must find.
#[cfg(feature = "sabotage")]
fn sabotage() -> Result<(), Error> {
    use claviger_http::sabotage::{Sabotage, commit};

    let mistake = match std::env::var("CLAVIGER_SABOTAGE").as_deref() {
        Ok("cache") => Sabotage::Cache,
        Ok("unconfirmed") => Sabotage::Unconfirmed,
        Err(std::env::VarError::NotPresent) => return Ok(()),
        _ => {
            let mut problems = Problems::default();
            problems.add(&"CLAVIGER_SABOTAGE", "must be cache or unconfirmed");
            return Err(Error::Configuration(problems));
        }
    };
    commit(mistake);
    Ok(())
}

fn run(call: Call) -> Result<(), Error> {
    #[cfg(feature = "sabotage")]
    sabotage()?;
    let Call { action, flags, mut problems } = call;
    let command = match action {
        Action::Configured(command) => command,
        _ if !problems.is_empty() => return Err(Error::Configuration(problems)),
        Action::Print(part) => return Ok(print(&part.text())?),
        Action::GenerateMasterKey => {
            let key = MasterKey::generate(&mut SystemRandom)?.to_base64();
            return Ok(print(&format_args!("{}\n", key.expose()))?);
        }
    };
    let surroundings = Surroundings {
        environment: std::env::vars_os().collect(),
        terminal: stderr().is_terminal(),
        cores: available_parallelism().map_or(1, std::num::NonZero::get),
    };
    match Config::read(&flags, &surroundings, command.purpose()) {
        Ok(config) if problems.is_empty() => configured(command, config),
        Ok(_) => Err(Error::Configuration(problems)),
        Err(others) => {
            problems.extend(others);
            Err(Error::Configuration(problems))
        }
    }
}

fn configured(command: Configured, mut config: Config) -> Result<(), Error> {
    // These two only look: a log of theirs would be in the way.
    if !matches!(command, Configured::CheckConfig | Configured::HealthCheck) {
        telemetry::start(&config)?;
    }
    match command {
        Configured::Serve => commands::serve(config),
        Configured::MigrateStatus => commands::status(&config),
        Configured::MigrateUp => commands::up(&mut config),
        Configured::MigrateDown { to } => commands::down(&config, &to),
        Configured::CreateApiKey(wanted) => commands::create(config, wanted),
        Configured::CheckConfig => {
            commands::check(&config)?;
            Ok(print(&config)?)
        }
        Configured::HealthCheck => commands::healthcheck(&config),
    }
}
