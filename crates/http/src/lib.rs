//! The HTTP server of Claviger: FusionAuth's API for API keys, keys and tenants over the crates that do the work.
//!
//! A request is routed by one table ([`ROUTES`]), passes the gate, which decides in memory, and only then reaches an
//! operation, which works on one blocking thread with the store and the cryptography. `serve` owns the runtime: nothing of
//! it shows in the public interface.

mod answer;
mod client_address;
mod credential;
mod dispatch;
mod error;
mod gate;
mod gateway;
mod handlers;
#[cfg(feature = "in-process")]
mod in_process;
mod kickstart;
mod metrics;
mod openapi;
mod ops;
mod options;
mod parsed_keys;
mod public_url;
mod published;
mod routes;
mod rsa_stock;
#[cfg(feature = "sabotage")]
pub mod sabotage;
mod server;
mod shared_body;
mod state;
mod tenant_deletions;
mod tenant_tokens;
mod token_clients;
mod token_look_ups;
mod upstream_tokens;
mod usage;
mod wire;
mod without;

pub use client_address::{InvalidTrustedProxies, TrustedProxies};
pub use handlers::FUSIONAUTH_VERSION;
#[cfg(feature = "in-process")]
pub use in_process::{Call, Outcome, TokenCall, TokenEndpoint, in_process};
pub use kickstart::{
    Environment, Kickstart, KickstartAnswer, KickstartError, KickstartFileError, KickstartSource,
};
pub use openapi::openapi_document;
pub use ops::instance::{CommandLineApiKey, InstanceError};
pub use options::{InvalidListenAddress, ListenAddress, ServerOptions, WithoutLease};
pub use public_url::{InvalidPublicUrl, PublicUrl};
pub use routes::{Dialect, GATEWAY_ROUTES, Gives, Guard, Operation, QueryParameter, ROUTES, Route, Takes};
pub use rsa_stock::RsaStockSize;
pub use server::{
    BACKLOG, BLOCKING_THREADS, CHATTY_TARGETS, KEEP_ALIVE, Ready, ServerError, Stop, create_api_key, serve,
};
pub use state::{Clock, system_clock};
pub use wire::errors::{FUSION_CODES, FusionCodeRow};
pub use wire::oauth::{OAUTH_ERRORS, OAuthErrorRow};
#[cfg(feature = "without")]
pub use without::{Part, leave_out};
