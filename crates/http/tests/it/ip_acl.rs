//! `/api/ip-acl`: lists of addresses from which API keys may be used.

mod authority;
mod effect;
mod in_use;
mod manage;
mod races;
mod search;
mod validation;

use serde_json::{Value, json};

use crate::support::{Reply, Server, unique};

/// An entry about the addresses from one to another.
fn range(action: &str, first: &str, last: &str) -> Value {
    json!({"action": action, "endIPAddress": last, "startIPAddress": first})
}

/// The entry about all addresses that no other one speaks of.
fn default(action: &str) -> Value {
    json!({"action": action, "startIPAddress": "*"})
}

/// The body of a request with these members.
fn body(members: Value) -> Value {
    json!({"ipAccessControlList": members})
}

fn path(id: &str) -> String {
    format!("/api/ip-acl/{id}")
}

/// The list in an answer.
#[track_caller]
fn list(reply: &Reply) -> Value {
    let mut document = reply.ok();
    assert_eq!(document.as_object().unwrap().len(), 1, "{document}");
    document["ipAccessControlList"].take()
}

/// Makes a list with these members; those that are required have a value where none is given.
#[track_caller]
fn create(server: &Server, members: Value) -> Value {
    let mut whole = json!({"name": unique("list"), "entries": [default("Allow")]});
    for (member, value) in members.as_object().unwrap() {
        whole[member] = value.clone();
    }
    list(&server.as_key_manager().post("/api/ip-acl", &body(whole)))
}

/// The id of a list.
fn id(list: &Value) -> &str {
    list["id"].as_str().unwrap()
}
