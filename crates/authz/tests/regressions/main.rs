//! Published failures of this field as regression tests: one file per rule of design, one test per product and root cause.
//!
//! What the engine cannot show, because it never sees it:
//!
//! | Failure | Where it is tested, or why it cannot happen |
//! | --- | --- |
//! | CVE-2024-55949: bulk import without the check of single calls | over HTTP and on the command line: imports ask `may_grant` for each key |
//! | CVE-2026-28744, CVE-2026-40344, CVE-2026-41145: a carrier of credentials that skips a check | over HTTP: all carriers end in one type |
//! | CVE-2026-27840: a token with its tail cut off | in the tests of key values: the digest is of the whole value |
//! | CVE-2020-13945: a default admin token | in the tests of the configuration: none is shipped |
//! | CVE-2026-23996: a random delay on failure | nothing in the engine has a clock or a random source; in the server every refusal waits for the same instant |
//! | CVE-2023-20902, CVE-2015-10004: secrets compared byte by byte | in the tests of cryptography, under these names: the engine sees no secret |
//! | CVE-2022-24112: a batch endpoint that sets the client's address | over HTTP: there is none, and headers are believed from named proxies only |
//!
//! Method-override headers are no part of [`claviger_authz::Request`].
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::allow_attributes,
    missing_docs,
    reason = "test code"
)]

mod rule_1_power;
mod rule_2_principal;
mod rule_4_time;
mod rule_5_paths;
mod rule_7_addresses;
mod rule_8_tenants;
mod rule_9_revocation;

use claviger_authz::{Access, CompiledPermissions, Decision, Path, PathError, Reason, Request, decide};
use claviger_domain::{Instant, Permissions, RequestMethod, RolePermission};

const NOW: Instant = Instant::from_epoch_millis(1_000);

fn only(text: &str) -> CompiledPermissions {
    CompiledPermissions::from(&Permissions::Only(text.parse().unwrap()))
}

fn roles(lines: &[&str]) -> CompiledPermissions {
    let permissions: Vec<RolePermission> = lines.iter().map(|line| line.parse().unwrap()).collect();
    CompiledPermissions::of_roles(&permissions)
}

fn all() -> CompiledPermissions {
    CompiledPermissions::from(&Permissions::All)
}

const fn manager(permissions: &CompiledPermissions) -> Access<'_> {
    Access { key_manager: true, ..Access::new(permissions) }
}

fn request(method: RequestMethod, path: &str) -> Request<'_> {
    Request::new(method, Path::parse(path.as_bytes()).unwrap(), NOW)
}

/// Why a global key with these permissions is denied; `None` if it is not.
fn denied(permissions: &CompiledPermissions, method: RequestMethod, path: &str) -> Option<Reason> {
    match decide(&Access::new(permissions), &request(method, path)) {
        Decision::Allow(_) => None,
        Decision::Deny(reason) => Some(reason),
    }
}

#[track_caller]
fn refused(raw: &str, reason: PathError) {
    assert_eq!(Path::parse(raw.as_bytes()), Err(reason), "{raw}");
}
