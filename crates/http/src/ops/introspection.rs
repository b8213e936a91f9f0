//! What a token says and whether it still counts, for its client and for those it is meant for (RFC 7662).

use serde_json::{Map, Value};

use super::entity_token;
use super::oauth_client::authenticate;
use crate::error::ApiError;
use crate::state::AppState;
use crate::wire::oauth::{IntrospectionRequest, OAuthError, OAuthRefusal, TokenTypeHint};

/// The claims of a token that is active; `None` of any other text. Not for the event loop.
///
/// # Errors
/// [`ApiError::OAuth`] for what is wrong with the request, also when a token that is active is none of the client's business;
/// failures of the database.
pub(crate) fn introspect(
    state: &AppState,
    request: &IntrospectionRequest,
) -> Result<Option<Map<String, Value>>, ApiError> {
    if !state.serves() {
        return Err(ApiError::Unavailable(None));
    }
    let client = authenticate(state, &request.client, None)?.client;
    let refused = |error| -> ApiError { OAuthRefusal { error, by_basic: request.client.by_basic }.into() };
    if request.tenants.iter().any(|named| *named != client.tenant_id) {
        return Err(refused(OAuthError::InvalidTenantId));
    }
    let Some(token) = entity_token::verify(state, request.token.expose(), state.now())? else {
        return Ok(None);
    };
    let own = token.entity_id == client.entity_id || token.audience.contains(&client.entity_id);
    if token.tenant_id != client.tenant_id || !own {
        return Err(refused(OAuthError::OtherClientsToken));
    }
    if request.hint == Some(TokenTypeHint::OtherToken) {
        return Err(refused(OAuthError::OtherTokenType));
    }
    Ok(Some(token.claims))
}
