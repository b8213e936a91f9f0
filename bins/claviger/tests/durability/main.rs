//! What was acknowledged survives `kill -9` of the server, and nothing is half-written. The real program, on both
//! databases, killed at random moments.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::allow_attributes,
    missing_docs,
    reason = "test code"
)]

mod audit;
#[allow(dead_code, unused_imports, reason = "shared with the search for secrets")]
#[path = "../common/mod.rs"]
mod common;
mod deletion;
mod first_start;
mod generation;
mod kills;
mod load;
mod straggler;
#[allow(dead_code, reason = "shared with the other black-box tests")]
#[path = "../it/support.rs"]
mod support;
