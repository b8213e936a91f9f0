//! Handlers of Fusion's dialect: `/api/api-key` as its clients know it, and `/api/roles`.

use std::sync::Arc;

use claviger_domain::{RoleId, Violations};
use serde_json::{Map, Value};

use super::{Input, json_answer};
use crate::answer::Answer;
use crate::error::{ApiError, FusionError};
use crate::gate::Caller;
use crate::ops;
use crate::ops::api_key::ApiKeyReference;
use crate::routes::Operation;
use crate::state::AppState;
use crate::wire::errors::FusionCode;
use crate::wire::fusion::{self, ApiKeyBody, RoleBody};
use crate::wire::json::parse_object;

/// Runs one operation of this dialect.
pub(super) fn handle(
    state: &AppState,
    operation: Operation,
    caller: &Arc<Caller>,
    input: &Input,
) -> Result<Answer, ApiError> {
    match operation {
        Operation::CreateFusionApiKey => {
            let command = fusion::create_api_key(document(input)?)?;
            let (made, value) = ops::fusion_api_key::create(state, caller, command)?;
            json_answer(&ApiKeyBody::new(&made, Some(&value)))
        }
        Operation::RetrieveFusionApiKeys => {
            let keys = ops::fusion_api_key::retrieve_all(state, caller)?;
            json_answer(&keys.iter().map(|key| ApiKeyBody::new(key, None)).collect::<Vec<_>>())
        }
        Operation::RetrieveFusionApiKey => {
            let key = ops::fusion_api_key::retrieve(state, caller, &reference(input)?).map_err(not_found)?;
            json_answer(&ApiKeyBody::new(&key, None))
        }
        Operation::DeleteFusionApiKey => {
            ops::api_key::delete(state, caller, reference(input)?).map_err(not_found)?;
            Ok(Answer::empty(200))
        }
        Operation::CreateRole => {
            let role = ops::role::create(state, caller, fusion::role(document(input)?)?)?;
            json_answer(&RoleBody::from(&role)).map(|answer| Answer { status: 201, ..answer })
        }
        Operation::RetrieveRoles => {
            let roles = ops::role::retrieve_all(state, fusion::role_filter(&input.query)?)?;
            json_answer(&roles.iter().map(RoleBody::from).collect::<Vec<_>>())
        }
        Operation::RetrieveRole => {
            json_answer(&RoleBody::from(&ops::role::retrieve(state, role_id(input)?)?))
        }
        Operation::UpdateRole => {
            let (fields, id) = (fusion::role(document(input)?)?, role_id(input)?);
            json_answer(&RoleBody::from(&ops::role::update(state, caller, id, fields)?))
        }
        Operation::DeleteRole => {
            ops::role::delete(state, caller, role_id(input)?)?;
            Ok(Answer::empty(200))
        }
        _ => Err(ApiError::Internal(format!("{operation:?} is not of this dialect"))),
    }
}

/// The body. The example in Fusion's documentation is sent by `curl -d` without a Content-Type of its own, and so under that
/// of forms.
fn document(input: &Input) -> Result<Map<String, Value>, ApiError> {
    let media_type = input.content_type.as_deref().unwrap_or_default().split(';').next().unwrap_or_default();
    let media_type = media_type.trim().to_ascii_lowercase();
    let is_json = matches!(
        media_type.as_str(),
        "" | "application/json" | "application/x-www-form-urlencoded" | "text/plain"
    ) || (media_type.starts_with("application/") && media_type.ends_with("+json"));
    if !is_json {
        return Err(FusionError::new(FusionCode::UnsupportedContentType, "The body must be JSON.").into());
    }
    parse_object(&input.body).map_err(|violations: Violations| violations.into())
}

fn reference(input: &Input) -> Result<ApiKeyReference, ApiError> {
    input.api_key_reference().map_err(|_| ApiError::NotFound)
}

/// What FusionAuth's dialect calls no UUID is here an id that no key has.
fn not_found(error: ApiError) -> ApiError {
    match error {
        ApiError::Invalid(_) => ApiError::NotFound,
        error => error,
    }
}

fn role_id(input: &Input) -> Result<RoleId, ApiError> {
    input.parameter.as_deref().and_then(|text| text.parse().ok()).ok_or(ApiError::NotFound)
}
