//! The log: one line per event on standard error, as text for people or as JSON for machines.

use std::io;

use tracing_subscriber::fmt::layer;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry;
use tracing_subscriber::util::SubscriberInitExt;

use crate::config::{Config, LogFormat};
use crate::error::Error;

/// Starts the log. Panics are logged from here on instead of being printed across it.
///
/// # Errors
/// [`Error::Telemetry`] when there is a log already.
pub(crate) fn start(config: &Config) -> Result<(), Error> {
    // A log that cannot be written must not stop the server, and not make it complain on the same closed stream.
    let layer = layer().with_writer(io::stderr).log_internal_errors(false);
    let registry = registry().with(config.log.clone());
    let started = match config.log_format {
        LogFormat::Text => registry.with(layer.with_ansi(config.log_colors)).try_init(),
        LogFormat::Json => registry
            .with(layer.json().flatten_event(true).with_current_span(false).with_span_list(false))
            .try_init(),
    };
    started.map_err(|error| Error::Telemetry(error.to_string()))?;
    std::panic::set_hook(Box::new(|panic| {
        // Not the message: that of a failed slice quotes the text, which may be a secret.
        let location = panic.location().map(ToString::to_string);
        tracing::error!(location, "panicked");
    }));
    Ok(())
}
