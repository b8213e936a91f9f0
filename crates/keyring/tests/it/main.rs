//! The keyring from outside: sequences of changes against a plain map, sharing of permission sets, many threads.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::allow_attributes,
    missing_docs,
    reason = "test code"
)]

mod concurrency;
mod loading;
mod rotation;
mod rules;
mod sequences;
mod sharing;
mod support;
