//! The use of API keys on the wire: `GET /api/api-key/{apiKeyId}/usage`, ours, in FusionAuth's style.

use claviger_domain::{ApiKeyId, ApiKeyUsage, Uses};
use serde_json::{Map, Value, json};

/// The body of an answer. What never was is absent, but for a count of 0.
pub(crate) fn response(id: ApiKeyId, usage: &ApiKeyUsage) -> Value {
    let mut members =
        usage.total().as_ref().map_or_else(|| Map::from_iter([("count".to_owned(), 0.into())]), uses);
    members.insert("apiKeyId".to_owned(), id.to_string().into());
    if let Some(earlier) = &usage.earlier {
        members.insert("earlierValues".to_owned(), Value::Object(uses(earlier)));
    }
    json!({"usage": members})
}

fn uses(uses: &Uses) -> Map<String, Value> {
    let mut members = Map::new();
    members.insert("count".to_owned(), uses.count.into());
    members.insert("lastUsedInstant".to_owned(), uses.last_instant.epoch_millis().into());
    if let Some(address) = uses.last_address {
        members.insert("lastAddress".to_owned(), address.to_string().into());
    }
    members
}

/// The schemas of this file for the OpenAPI document.
pub(crate) fn schemas() -> Value {
    let count =
        json!({"type": "integer", "format": "int64", "description": "Requests that were let through"});
    let instant = json!({"type": "integer", "format": "int64", "description": "Absent if there was none"});
    let address = json!({"type": "string", "description": "From where the last one came, if that is known"});
    json!({
        "ApiKeyUsageResponse": {"type": "object", "properties": {
            "usage": {"type": "object", "properties": {
                "apiKeyId": {"type": "string", "format": "uuid"},
                "count": count,
                "earlierValues": {"type": "object",
                    "description": "What of this was with values from before a rotation; absent if nothing was",
                    "properties": {"count": count, "lastAddress": address, "lastUsedInstant": instant}},
                "lastAddress": address,
                "lastUsedInstant": instant,
            }},
        }},
    })
}
