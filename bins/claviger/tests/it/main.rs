//! Black-box tests: the real program, each time in a directory of its own, and where a database matters on both.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::allow_attributes,
    missing_docs,
    reason = "test code"
)]

mod commands;
#[cfg(feature = "sqlite")]
mod files;
mod http;
mod kickstart;
mod serve;
mod support;
