//! `claviger serve`: the server, from its first line of log to its last.

use std::time::Duration;

use claviger_domain::SecretText;
use claviger_http::{ListenAddress, Ready, ServerOptions, Stop, system_clock};

use crate::config::Config;
use crate::error::Error;
use crate::master_key::{Missing, prepare, warn_if_shared};
use crate::output::print_all;

const VERSION: &str = env!("CARGO_PKG_VERSION");

/// How long the body of a request may take to arrive: bodies have a megabyte at most.
const LONGEST_BODY: Duration = Duration::from_secs(30);

/// Serves until a signal comes and running requests are done.
///
/// # Errors
/// When the server cannot start or fails. All of it is in the log.
pub(crate) fn serve(mut config: Config) -> Result<(), Error> {
    let database = config.store.url.clone();
    tracing::info!(version = VERSION, %database, "starting");
    match run(&mut config) {
        Ok(()) => {
            tracing::info!("stopped");
            Ok(())
        }
        Err(error) => {
            tracing::error!(%error, "the server cannot go on");
            Err(Error::Logged(Box::new(error)))
        }
    }
}

fn run(config: &mut Config) -> Result<(), Error> {
    if let Some(path) = &config.file_with_secret {
        warn_if_shared(path);
    }
    let master_key = prepare(config, Missing::Create)?.ok_or(Error::NoMasterKey)?;
    let database = config.store.url.clone();
    let listen = config.http_addr.clone();
    let options = ServerOptions {
        listen: config.http_addr.clone(),
        store: config.store.clone(),
        master_key,
        bootstrap_api_key: config.bootstrap_api_key.take(),
        kickstart: super::kickstart::source(config),
        api_key_prefix: config.api_key_prefix.clone(),
        migrate: config.migrate,
        local_metrics: config.local_metrics_enabled,
        public_url: config.public_url.clone(),
        trusted_proxies: config.trusted_proxies.clone(),
        api_key_in_query: config.api_key_in_query,
        fusion_admin_keys: config.fusion_admin_keys,
        upstream_token_audience: config.upstream_token_audience.clone(),
        upstream_token_lifetime: config.upstream_token_lifetime,
        entity_token_audience: config.entity_token_audience,
        lease: config.lease,
        without_lease: config.without_lease,
        log_one_in: config.log_one_in,
        rsa_stock: config.rsa_stock,
        longest_body: LONGEST_BODY,
        shutdown_grace: config.shutdown_grace,
        workers: config.http_workers,
        clock: system_clock(),
    };
    claviger_http::serve(options, Stop::Signal, |ready| {
        let Ready { address, first_api_key, api_keys } = ready;
        if let Some(value) = first_api_key {
            show(&value);
        }
        let address = address.map_or_else(|| listen.clone(), ListenAddress::Tcp);
        tracing::info!(%address, %database, api_keys, version = VERSION, "listening");
    })
    .map_err(|error| Error::of_server(error, &config.store.url))
}

/// The only time that anybody sees this value: on standard output, which is not the log.
fn show(value: &SecretText) {
    let text = format!(
        "This is the first API key, a key manager: it may call everything and make other keys. Keep it in a safe place:\n\
         it is shown only now. Send it as the value of the header Authorization.\n{}\n",
        value.expose()
    );
    let text = SecretText::from(text);
    if let Err(error) = print_all(&text.expose()) {
        tracing::error!(
            %error,
            "the first API key could not be printed: stop the server and make another with \
             `claviger api-key create --key-manager`"
        );
    }
}
