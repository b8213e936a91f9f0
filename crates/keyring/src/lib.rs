//! Every API key of an instance in memory, compiled for decisions.
//!
//! A [`Keyring`] is fed [`Change`](claviger_domain::Change)s and asked for keys by the keyed digest of the value that a
//! caller presents. It does no I/O and starts no task: in the server storage delivers the changes, and a service that
//! embeds it can hold a replica that is fed in another way. Readers take no lock, and writers never make them wait.
//!
//! ```
//! use claviger_authz::{Decision, Request, Target, decide};
//! use claviger_domain::{ApiKeyDigest, Instant, Method};
//! use claviger_keyring::Keyring;
//!
//! fn check(keyring: &Keyring, digest: &ApiKeyDigest, method: Method, target: Target, now: Instant) -> bool {
//!     let request = Request { method, target, tenant_id: None, now };
//!     keyring.with(digest, |entry| {
//!         entry.is_some_and(|entry| matches!(decide(&entry.access(), &request), Decision::Allow(_)))
//!     })
//! }
//!
//! let unknown = ApiKeyDigest::from_bytes([7; 32]);
//! assert!(!check(&Keyring::new(), &unknown, Method::Get, Target::ApiKeys, Instant::from_epoch_millis(0)));
//! ```
#![forbid(unsafe_code)]

mod entry;
mod hash;
mod intern;
mod keyring;

pub use entry::Entry;
pub use keyring::Keyring;
