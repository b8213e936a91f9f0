//! The settings of every server that is measured; a benchmark says what it has otherwise.

use std::time::Duration;

use claviger_crypto::MasterKey;
use claviger_domain::{SecretBytes, SecretText};
use claviger_http::{RsaStockSize, ServerOptions, TrustedProxies, WithoutLease, system_clock};
use claviger_storage::{DEFAULT_LEASE, DatabaseUrl, StoreOptions};

/// One worker on a free port; no RSA keys are generated in idle time. `manager` is the value of the first key manager.
pub(crate) fn options(url: DatabaseUrl, manager: &str) -> ServerOptions {
    ServerOptions {
        listen: "127.0.0.1:0".parse().unwrap(),
        store: StoreOptions::new(url),
        master_key: MasterKey::from_bytes(SecretBytes::from((1..=32).collect::<Vec<u8>>())).unwrap(),
        bootstrap_api_key: Some(SecretText::from(manager.to_owned())),
        kickstart: None,
        api_key_prefix: "clv_".to_owned(),
        migrate: true,
        local_metrics: false,
        trusted_proxies: TrustedProxies::default(),
        public_url: None,
        api_key_in_query: false,
        fusion_admin_keys: true,
        upstream_token_audience: None,
        upstream_token_lifetime: Duration::from_secs(60),
        entity_token_audience: None,
        lease: DEFAULT_LEASE,
        without_lease: WithoutLease::Ask,
        log_one_in: 0,
        rsa_stock: RsaStockSize { keys: 0, bytes: 0 },
        longest_body: Duration::from_secs(30),
        shutdown_grace: Duration::from_secs(1),
        workers: 1,
        clock: system_clock(),
    }
}
