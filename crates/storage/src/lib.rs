//! Storage of Claviger: API keys, what restricts them, keys and tenants in SQLite or PostgreSQL, through one set of queries.
//!
//! [`Store::read`] and [`Store::write`] are the only doors. What a look-up may see is an argument of it
//! ([`claviger_domain::TenantScope`]), and every mutation writes a row of the `change` table in the same
//! transaction and tells the listener after the commit, of what anybody keeps in memory. Everything here blocks. Nothing of the database
//! library shows outside.

#[cfg(not(any(feature = "postgres", feature = "sqlite")))]
compile_error!("claviger-storage needs the feature `postgres` or `sqlite`, or both");

mod alone;
mod api_key_load;
mod api_key_rotation;
mod api_key_rows;
mod api_key_search;
mod api_key_usage;
mod api_keys;
mod change_search;
mod changes;
mod confirmation;
mod conn;
mod dialect;
mod enclosing;
mod entities;
mod entity_grants;
mod entity_search;
mod entity_type_permissions;
mod entity_types;
mod error;
mod feed;
mod file;
mod instance;
mod ip_access_control_lists;
mod key_expirations;
mod key_search;
mod keys;
mod lease;
mod migrate;
mod news;
mod node;
mod references;
mod roles;
#[cfg(feature = "sabotage")]
pub mod sabotage;
mod schema;
mod search;
mod serving;
#[cfg(feature = "sqlite")]
mod snapshots;
mod store;
mod tenant_search;
mod tenants;
mod token_clients;
mod transaction;
mod url;
#[cfg(feature = "sqlite")]
mod writer;

pub use api_key_load::LoadedApiKey;
pub use api_key_rotation::ApiKeyRotation;
pub use api_key_rows::StoredApiKey;
pub use api_key_search::{ApiKeyGrant, ApiKeyPage, IsWanted};
pub use change_search::ChangePage;
pub use changes::{Action, ChangeRow};
pub use entities::{ClientSecretChange, PreviousClientSecret, StoredEntity};
pub use entity_grants::EntityGrantPage;
pub use entity_search::EntityPage;
pub use entity_types::EntityTypePage;
pub use error::{Entity, Field, StorageError, TxError};
pub use instance::Instance;
pub use ip_access_control_lists::IpAccessControlListPage;
pub use key_search::KeyPage;
pub use keys::StoredKey;
pub use migrate::MigrationStatus;
pub use news::Listener;
pub use serving::{DEFAULT_LEASE, FeedStatus, LONGEST_LEASE, SHORTEST_LEASE, Serving, Turn};
pub use store::Store;
pub use tenant_search::TenantPage;
pub use token_clients::{TokenClient, TokenConfiguration, TokenGrant, TokenTypes};
pub use transaction::{ReadTransaction, WriteTransaction};
pub use url::{
    DEFAULT_CONNECTION_TIMEOUT, DEFAULT_IDLE_IN_TRANSACTION, DEFAULT_POOL_SIZE, DatabaseUrl, StoreOptions,
};

/// How often the closure of a write runs at most.
const ATTEMPTS: usize = 10;
