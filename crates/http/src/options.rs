//! What a server is told when it starts.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use claviger_crypto::MasterKey;
use claviger_domain::{EntityId, SecretText};
use claviger_storage::StoreOptions;

use crate::client_address::TrustedProxies;
use crate::kickstart::KickstartSource;
use crate::public_url::PublicUrl;
use crate::rsa_stock::RsaStockSize;
use crate::state::Clock;

/// Where a server listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ListenAddress {
    /// A TCP address; port 0 takes a free one.
    Tcp(SocketAddr),
    /// A Unix socket, written `unix:/path`.
    Unix(PathBuf),
}

/// A text that is no [`ListenAddress`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be an address with a port, such as 127.0.0.1:9011 or [::1]:9011, or unix:/path")]
pub struct InvalidListenAddress;

impl FromStr for ListenAddress {
    type Err = InvalidListenAddress;

    fn from_str(text: &str) -> Result<Self, InvalidListenAddress> {
        match text.strip_prefix("unix:") {
            Some("") => Err(InvalidListenAddress),
            Some(path) => Ok(Self::Unix(path.into())),
            None => text.parse().map(Self::Tcp).map_err(|_| InvalidListenAddress),
        }
    }
}

impl fmt::Display for ListenAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => write!(f, "http://{address}"),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// What is done for a request that needs a decision when this node may not decide from memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum WithoutLease {
    /// The database is asked; the request waits for the answer, and is refused when there is none.
    #[default]
    Ask,
    /// The request is refused at once.
    Refuse,
}

/// Everything that a server needs to know.
pub struct ServerOptions {
    /// Where to listen.
    pub listen: ListenAddress,
    /// The database.
    pub store: StoreOptions,
    /// Opens what is sealed in the database.
    pub master_key: MasterKey,
    /// The value of the first key manager, for an instance without API keys.
    pub bootstrap_api_key: Option<SecretText>,
    /// With what an instance begins that does not exist yet, instead of one key manager.
    pub kickstart: Option<KickstartSource>,
    /// What generated API keys start with.
    pub api_key_prefix: String,
    /// Whether to run migrations that are due.
    pub migrate: bool,
    /// Whether a caller on loopback sees the full `/api/status` and the metrics.
    pub local_metrics: bool,
    /// The proxies whose word about the client's address counts.
    pub trusted_proxies: TrustedProxies,
    /// Under which URL callers reach the server, for discovery; without one what each request says.
    pub public_url: Option<PublicUrl>,
    /// Whether the parameter `apiKey` in the query string carries an API key.
    pub api_key_in_query: bool,
    /// Whether a caller in Fusion's dialect who may do everything can make further keys that may.
    pub fusion_admin_keys: bool,
    /// The claim `aud` of tokens for upstreams; without one none are made.
    pub upstream_token_audience: Option<String>,
    /// How long tokens for upstreams last; whole seconds count.
    pub upstream_token_lifetime: Duration,
    /// The entity that stands for the API behind gateways, as which tokens of entities name it; without one no such token is
    /// a credential anywhere.
    pub entity_token_audience: Option<EntityId>,
    /// How long this node may decide from memory after it has read the changes; counts on PostgreSQL alone.
    pub lease: Duration,
    /// What requests get that need a decision while the lease has ended.
    pub without_lease: WithoutLease,
    /// Of how many requests that were let through and change nothing the log shows one at `info`; 0 for none.
    pub log_one_in: u32,
    /// RSA keys that are generated ahead.
    pub rsa_stock: RsaStockSize,
    /// How long the body of a request may take to arrive.
    pub longest_body: Duration,
    /// How long running requests may take to finish when the server stops.
    pub shutdown_grace: Duration,
    /// Threads that accept and parse requests.
    pub workers: usize,
    /// The time.
    pub clock: Clock,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn listen_addresses() {
        assert_eq!("127.0.0.1:9011".parse(), Ok(ListenAddress::Tcp(([127, 0, 0, 1], 9011).into())));
        assert_eq!("unix:/run/c.sock".parse(), Ok(ListenAddress::Unix("/run/c.sock".into())));
        for bad in ["", "9011", "localhost", "localhost:9011", "unix:", "127.0.0.1", "127.0.0.1:65536"] {
            assert_eq!(bad.parse::<ListenAddress>(), Err(InvalidListenAddress), "{bad}");
        }
    }
}
