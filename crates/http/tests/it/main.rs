//! The HTTP interface, black box: the real server on a free port, spoken to over TCP, on each database.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::allow_attributes,
    missing_docs,
    reason = "test code"
)]

#[macro_use]
mod support;

mod api_key;
mod audit_log;
mod authorization;
mod carriers;
mod client_address;
mod concurrency;
mod entity;
mod fusion;
mod gateway;
mod input;
mod interruption;
mod ip_acl;
mod isolation;
mod key;
mod metrics;
mod nodes;
mod oauth;
mod patch;
mod property;
mod system;
mod tenant;
mod token;
