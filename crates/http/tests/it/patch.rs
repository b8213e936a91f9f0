//! PATCH in its three media types: the same on every kind of object that has it.

mod documents;
mod hostile;

use serde_json::{Value, json};

use crate::support::{Client, Reply, Server, unique};

const JSON: &str = "application/json";
pub(crate) const JSON_PATCH: &str = "application/json-patch+json";
pub(crate) const MERGE_PATCH: &str = "application/merge-patch+json";

/// Sends a patch of this type.
pub(crate) fn patch(client: &Client, media_type: &str, path: &str, body: &Value) -> Reply {
    client.with_header("Content-Type", media_type).send_bytes(
        "PATCH",
        path,
        Some(body.to_string().as_bytes()),
    )
}

/// An object of each kind: its path, and the name of its wrapper. Each has a name, and an empty object under `place`.
fn objects(server: &Server) -> [(String, &'static str); 4] {
    let manager = server.as_key_manager();
    let attributes = json!({"attributes": {"old": "x"}});
    let api_key = server.api_key(json!({"name": unique("patched"), "metaData": attributes}));
    let entries = json!([{"action": "Block", "startIPAddress": "*"}]);
    let list = json!({"name": unique("patched"), "entries": entries, "data": {"old": "x"}});
    let list = manager.post("/api/ip-acl", &json!({"ipAccessControlList": list})).ok();
    let id = list["ipAccessControlList"]["id"].as_str().unwrap();
    let tenant = json!({"name": unique("patched"), "data": {"old": "x"}});
    let tenant = manager.post("/api/tenant", &json!({"tenant": tenant})).ok();
    let tenant = format!("/api/tenant/{}", tenant["tenant"]["id"].as_str().unwrap());
    let entity_type = json!({"name": unique("patched"), "data": {"old": "x"}});
    let entity_type = manager.post("/api/entity/type", &json!({"entityType": entity_type})).ok();
    let entity_type = format!("/api/entity/type/{}", entity_type["entityType"]["id"].as_str().unwrap());
    [
        (api_key.path(), "apiKey"),
        (format!("/api/ip-acl/{id}"), "ipAccessControlList"),
        (tenant, "tenant"),
        (entity_type, "entityType"),
    ]
}

/// Where objects with this wrapper have members of the caller's choice.
fn free_place(wrapper: &str) -> &'static str {
    if wrapper == "apiKey" { "/metaData/attributes" } else { "/data" }
}
