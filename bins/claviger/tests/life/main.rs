//! The life of a deployment, from the first API key to the end of a tenant: the real program over TCP on each database,
//! driven through its HTTP API alone, with PyJWT as the one who has to believe its tokens.
//!
//! Each step says what was done and what came of it; `--nocapture` shows that. All the while two watchers verify every token
//! that should be good, one by introspection and one with PyJWT through the published key set, and not one of
//! these verifications may fail.
//!
//! Beside it the life of one API key that is rotated while gateways ask about it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::allow_attributes,
    missing_docs,
    reason = "test code"
)]

#[allow(dead_code, unused_imports, reason = "shared with the tests that kill the server")]
#[path = "../common/mod.rs"]
mod common;
mod deployment;
mod foreign;
mod rotation;
mod story;
#[allow(dead_code, reason = "shared with the other black-box tests")]
#[path = "../it/support.rs"]
mod support;
mod watch;

use support::{Place, on_both};

on_both! { the_life_of_a_deployment, a_key_is_rotated_under_load }

fn the_life_of_a_deployment(place: &Place) {
    story::play(place);
}

fn a_key_is_rotated_under_load(place: &Place) {
    rotation::play(place);
}
