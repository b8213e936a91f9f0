//! Rotation of API keys on the wire: `POST /api/api-key/{apiKeyId}/rotate`, ours, in FusionAuth's style.

use std::time::Duration;

use claviger_domain::{Violations, codes};
use serde_json::{Map, Value, json};

use super::api_key::value;
use super::json::Members;
use crate::ops::api_key_rotation::RotateApiKey;

/// How long the value before works on if the request does not say: an hour.
const DEFAULT_GRACE_PERIOD_SECONDS: u64 = 3600;
/// The longest grace period: thirty days. Longer ones would make rotation a way to keep two values for good.
const MAXIMUM_GRACE_PERIOD_SECONDS: u64 = 30 * 24 * 3600;

/// Reads the body, all of whose members are optional.
///
/// # Errors
/// Everything that is wrong with the members.
pub(crate) fn rotate(document: Map<String, Value>) -> Result<RotateApiKey, Violations> {
    let mut violations = Violations::none();
    let mut root = Members::of_document(document);
    let seconds = match root.whole_number("gracePeriodInSeconds", &mut violations) {
        None => DEFAULT_GRACE_PERIOD_SECONDS,
        Some(seconds) => match u64::try_from(seconds) {
            Ok(seconds) if seconds <= MAXIMUM_GRACE_PERIOD_SECONDS => seconds,
            _ => {
                violations.add(&codes::API_KEY_GRACE_PERIOD_INVALID);
                0
            }
        },
    };
    let value = root.object("apiKey", &mut violations).and_then(|mut members| {
        let value = value(&mut members, &mut violations);
        members.finish(&mut violations);
        value
    });
    root.finish(&mut violations);
    violations.into_result(RotateApiKey { value, grace_period: Duration::from_secs(seconds) })
}

/// The schemas of this file for the OpenAPI document.
pub(crate) fn schemas() -> Value {
    json!({
        "ApiKeyRotationRequest": {"type": "object", "properties": {
            "apiKey": {"type": "object", "properties": {"key": {"type": "string"}}},
            "gracePeriodInSeconds": {"type": "integer", "format": "int64", "default": DEFAULT_GRACE_PERIOD_SECONDS,
                "minimum": 0, "maximum": MAXIMUM_GRACE_PERIOD_SECONDS},
        }},
    })
}
