//! The audit log: what is in it, and who sees which part of it.

mod entries;
mod routes;
mod search;

use serde_json::{Value, json};

use crate::support::{Client, Server};

/// The path of the search.
const SEARCH: &str = "/api/system/audit-log/search";

/// Everything but letters and digits, percent-encoded.
fn encode(text: &str) -> String {
    let byte = |byte: u8| match byte.is_ascii_alphanumeric() {
        true => char::from(byte).to_string(),
        false => format!("%{byte:02X}"),
    };
    text.bytes().map(byte).collect()
}

/// The entries and the total that a search of this client finds, which are the same by query string and by body.
#[track_caller]
fn search_as(client: &Client, members: &Value) -> (Vec<Value>, u64) {
    let parameters: Vec<_> = members
        .as_object()
        .unwrap()
        .iter()
        .map(|(name, value)| {
            format!("{name}={}", encode(&value.as_str().map_or_else(|| value.to_string(), str::to_owned)))
        })
        .collect();
    let by_query = client.get(&format!("{SEARCH}?{}", parameters.join("&"))).ok();
    let by_body = client.post(SEARCH, &json!({"search": members})).ok();
    assert_eq!(by_query, by_body, "{members}");
    (by_query["auditLogs"].as_array().unwrap().clone(), by_query["total"].as_u64().unwrap())
}

/// All entries, the oldest first.
#[track_caller]
fn all(server: &Server) -> Vec<Value> {
    let members = json!({"numberOfResults": 1000, "orderBy": "id"});
    let (entries, total) = search_as(&server.as_key_manager(), &members);
    assert_eq!(entries.len() as u64, total);
    entries
}

/// The sentences of entries.
fn messages(entries: &[Value]) -> Vec<String> {
    entries.iter().map(|entry| entry["message"].as_str().unwrap().to_owned()).collect()
}
