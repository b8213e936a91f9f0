//! `/api/api-key`: every field and rule.

mod authority;
mod by_role;
mod change;
mod copy;
mod create;
mod effect;
mod rotate;
mod search;
mod terraform;
mod usage;
mod usage_load;
mod validation;

use serde_json::{Value, json};

use crate::support::Server;
use crate::support::fixture::TestKey;

/// Reads a key back as the unrestricted manager sees it.
#[track_caller]
fn stored(server: &Server, key: &TestKey) -> Value {
    server.as_key_manager().get(&key.path()).ok()["apiKey"].take()
}

/// The body of a request with these members.
fn body(members: Value) -> Value {
    json!({"apiKey": members})
}
