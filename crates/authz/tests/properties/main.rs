//! Properties, checked with random keys and requests against a naive model of the rules.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::allow_attributes,
    missing_docs,
    reason = "test code"
)]

mod cases;
mod covering;
mod decisions;
mod explaining;
mod grants;
mod matching;
mod naive;
mod nesting;
mod paths;
mod sequences;
mod shrinking;
mod spelling;
