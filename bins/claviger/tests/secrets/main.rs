//! No secret stands where it should not: the real program makes every kind of secret, with the log at its most talkative,
//! and everything that it leaves behind is searched for them in every usual encoding.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::allow_attributes,
    missing_docs,
    reason = "test code"
)]

mod command_line;
#[allow(dead_code, unused_imports, reason = "shared with the tests that kill the server")]
#[path = "../common/mod.rs"]
mod common;
mod database;
mod evidence;
mod kickstart;
mod mistakes;
mod overlap;
mod server;
#[allow(dead_code, reason = "shared with the other black-box tests")]
#[path = "../it/support.rs"]
mod support;
