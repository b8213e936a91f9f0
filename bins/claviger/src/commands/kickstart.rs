//! The Kickstart file: handed to the server, and read for `claviger check-config`.

use std::sync::Arc;

use claviger_http::{Kickstart, KickstartSource};

use crate::config::{Config, Problems};
use crate::error::Error;
use crate::output::note;
use crate::settings;

/// The configured file, with the environment of this process.
pub(super) fn source(config: &Config) -> Option<KickstartSource> {
    let file = config.kickstart_file.clone()?;
    Some(KickstartSource { file, environment: Arc::new(|name| std::env::var(name).ok()) })
}

/// Reads the configured file, if any, with what it includes and the variables that it uses, and applies nothing.
///
/// # Errors
/// [`Error::Configuration`] with the first thing that is wrong.
pub(crate) fn check(config: &Config) -> Result<(), Error> {
    let Some(source) = source(config) else { return Ok(()) };
    match Kickstart::read(&source) {
        Ok(kickstart) => {
            for member in kickstart.without_effect() {
                note(&format_args!("{}: the member {member:?} has no effect", source.file.display()));
            }
            Ok(())
        }
        Err(error) => {
            let mut problems = Problems::default();
            problems.add(&settings::KICKSTART_FILE.name, error);
            Err(Error::Configuration(problems))
        }
    }
}
