//! Every API key of an instance in memory, compiled for decisions.
//!
//! A [`Keyring`] is fed [`Change`](claviger_domain::Change)s and asked for keys by the keyed digest of the value that a
//! caller presents. It does no I/O and starts no task: in the server storage delivers the changes, and a service that
//! embeds it can hold a replica that is fed in another way. Readers take no lock, and writers never make them wait.
//!
//! ```
//! use claviger_authz::{Decision, Path, Request, decide};
//! use claviger_domain::{ApiKeyDigest, Instant, RequestMethod};
//! use claviger_keyring::Keyring;
//!
//! fn check(keyring: &Keyring, digest: &ApiKeyDigest, request: &Request<'_>) -> bool {
//!     keyring.with(digest, |found| {
//!         found.is_some_and(|found| matches!(decide(&found.access, request), Decision::Allow(_)))
//!     })
//! }
//!
//! let path = Path::parse(b"/api/user").unwrap();
//! let request = Request::new(RequestMethod::Get, path, Instant::from_epoch_millis(0));
//! let unknown = ApiKeyDigest::from_bytes([7; 32]);
//! assert!(!check(&Keyring::new(), &unknown, &request));
//! ```
#![forbid(unsafe_code)]

mod counted;
mod entry;
mod hash;
mod keyring;
mod loader;
mod shared;

pub use entry::Entry;
pub use keyring::{Found, Keyring};
pub use loader::Loader;
