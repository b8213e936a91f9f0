//! The endpoints of OAuth 2.0 and OpenID Connect discovery: forms in, JSON out.

use actix_web::http::header::{HeaderName, HeaderValue, PRAGMA};
use claviger_domain::{KeyAlgorithm, TenantId, TenantState, Violation, Violations, codes};
use serde_json::{Value, json};

use super::{Input, JWKS_CACHE_SECONDS, json_answer};
use crate::answer::Answer;
use crate::error::ApiError;
use crate::ops;
use crate::ops::oauth_client::ProvedClient;
use crate::ops::oauth_token::IssuedToken;
use crate::published::Document;
use crate::state::AppState;
use crate::wire::oauth::{self, Authorization, CLIENT_CREDENTIALS, Received, TokenRequest, TokenResponse};
use crate::wire::query::Parameters;

/// What the headers of a request to these endpoints say.
pub(crate) struct ClientHeaders {
    pub(crate) authorization: Authorization,
    /// The tenant; `Err` of one that cannot be read.
    pub(crate) tenant: Result<Option<TenantId>, ()>,
}

/// The URL under which the server is reached by whoever asks.
pub(crate) struct Base {
    pub(crate) url: String,
    /// Whether the settings say so, and not the request.
    pub(crate) is_set: bool,
}

/// A request for a token that was read, and its client if that was found.
pub(crate) struct BegunToken {
    request: TokenRequest,
    client: Option<ProvedClient>,
}

/// `POST /oauth2/token`, if that is quick. If not, what was done is left in `input` for [`token`].
pub(super) fn token_quickly(state: &AppState, input: &mut Input) -> Option<Result<Answer, ApiError>> {
    let request = match token_request(input) {
        Ok(request) => request,
        Err(error) => return Some(answered(state, Err(error))),
    };
    match ops::oauth_token::issue_quickly(state, &request) {
        Ok(outcome) => Some(answered(state, outcome.map(|issued| (request, issued)))),
        Err(client) => {
            input.begun = Some(BegunToken { request, client });
            None
        }
    }
}

/// `POST /oauth2/token` for a client that [`token_quickly`] would have had to wait for, if all else is quick, and those who wait ask
/// together. If not, what was done is left in `input` for [`token`].
pub(crate) async fn token_after_look_up(
    state: &AppState,
    input: &mut Input,
) -> Option<Result<Answer, ApiError>> {
    if !state.store.shares_look_ups() {
        return None;
    }
    let request = input.begun.take_if(|begun| begun.client.is_none())?.request;
    match ops::oauth_token::issue_after_look_up(state, &request).await {
        Ok(outcome) => Some(answered(state, outcome.map(|issued| (request, issued)))),
        Err(client) => {
            input.begun = Some(BegunToken { request, client });
            None
        }
    }
}

/// `POST /oauth2/token`.
pub(super) fn token(state: &AppState, mut input: Input) -> Result<Answer, ApiError> {
    let begun = match input.begun.take() {
        Some(begun) => Ok(begun),
        None => token_request(&input).map(|request| BegunToken { request, client: None }),
    };
    let outcome = begun.and_then(|BegunToken { request, client }| {
        let issued = ops::oauth_token::issue(state, &request, client)?;
        Ok((request, issued))
    });
    answered(state, outcome)
}

fn token_request(input: &Input) -> Result<TokenRequest, ApiError> {
    Ok(oauth::token_request(&received(input)?)?)
}

fn answered(
    state: &AppState,
    outcome: Result<(TokenRequest, IssuedToken), ApiError>,
) -> Result<Answer, ApiError> {
    state.metrics.oauth_token(refusal(&outcome));
    let (request, issued) = outcome?;
    let response = TokenResponse {
        access_token: issued.token.expose(),
        expires_in: issued.expires_in,
        scope: request.scope.as_ref().map(|scope| scope.text.as_str()),
    };
    let mut answer = Answer::json(200, response.render());
    answer.headers.push(no_cache());
    Ok(answer)
}

/// `POST /oauth2/introspect`.
pub(super) fn introspect(state: &AppState, input: &Input) -> Result<Answer, ApiError> {
    let outcome = received(input).and_then(|received| {
        let request = oauth::introspection_request(&received)?;
        ops::introspection::introspect(state, &request)
    });
    let active = outcome.as_ref().is_ok_and(Option::is_some);
    state.metrics.introspection(active, refusal(&outcome));
    let document = match outcome? {
        None => json!({"active": false}),
        Some(claims) => {
            let mut document = serde_json::Map::with_capacity(claims.len() + 1);
            document.insert("active".to_owned(), true.into());
            document.extend(claims.into_iter().filter(|(name, _)| name != "active"));
            document.into()
        }
    };
    let mut answer = json_answer(&document)?;
    answer.headers.push(no_cache());
    Ok(answer)
}

/// For caches of HTTP/1.0 (RFC 6749, section 5.1); every answer that may not be kept says `Cache-Control: no-store`.
pub(crate) const fn no_cache() -> (HeaderName, HeaderValue) {
    (PRAGMA, HeaderValue::from_static("no-cache"))
}

fn received(input: &Input) -> Result<Received<'_>, ApiError> {
    let headers = input.client.as_ref();
    let headers = headers.ok_or_else(|| ApiError::Internal("the headers were not read".to_owned()))?;
    Ok(Received {
        content_type: input.content_type.as_deref(),
        body: &input.body,
        authorization: &headers.authorization,
        tenant: headers.tenant,
    })
}

/// What an outcome is called in metrics, if it is no success.
fn refusal<T>(outcome: &Result<T, ApiError>) -> Option<&'static str> {
    match outcome {
        Ok(_) => None,
        Err(error) => Some(error.as_oauth().as_str()),
    }
}

/// `GET /.well-known/openid-configuration`: what of OpenID Connect Discovery 1.0, section 3, is served, for the tenant of the
/// path, of the query or by default. An endpoint or a type of token that does not exist is not listed; the lists that the
/// section requires are there, if empty.
pub(super) fn discovery(state: &AppState, input: &Input) -> Result<Answer, ApiError> {
    let mut violations = Violations::none();
    let in_query = Parameters::new(&input.query).text("tenantId", &mut violations);
    violations.into_result(())?;
    let id = match input.parameter.as_deref().or(in_query) {
        None => state.default_tenant_id,
        Some(text) => text.parse().map_err(|_| ApiError::NotFound)?,
    };
    let tenant = state.derived.tenants.find(id).filter(|tenant| tenant.state == TenantState::Active);
    let tenant = tenant.ok_or(ApiError::NotFound)?;
    let base =
        input.base.as_ref().ok_or_else(|| Violation::at(&codes::PARAMETER_COULD_NOT_CONVERT, "Host"))?;
    let url = &base.url;
    let methods = ["client_secret_basic", "client_secret_post"];
    let signs = |algorithm: &KeyAlgorithm| *algorithm != KeyAlgorithm::None;
    let algorithms: Vec<_> = KeyAlgorithm::ALL.into_iter().filter(signs).map(KeyAlgorithm::as_str).collect();
    let document = Document::from(json!({
        "grant_types_supported": [CLIENT_CREDENTIALS],
        "id_token_signing_alg_values_supported": algorithms,
        "introspection_endpoint": format!("{url}/oauth2/introspect"),
        "introspection_endpoint_auth_methods_supported": methods,
        "issuer": tenant.issuer,
        "jwks_uri": format!("{url}/.well-known/jwks.json"),
        "response_types_supported": [],
        "subject_types_supported": ["public"],
        "token_endpoint": format!("{url}/oauth2/token"),
        "token_endpoint_auth_methods_supported": methods,
    }));
    // A cache that does not tell hosts apart would give one caller what another one wrote into his header.
    Ok(Answer::shared(&document, if base.is_set { JWKS_CACHE_SECONDS } else { 0 }))
}

/// The schema of discovery for the OpenAPI document.
pub(crate) fn schemas() -> Value {
    let list = || json!({"type": "array", "items": {"type": "string"}});
    let url = || json!({"type": "string", "format": "uri"});
    json!({"OpenIdConfiguration": {"type": "object", "properties": {
        "grant_types_supported": list(),
        "id_token_signing_alg_values_supported": list(),
        "introspection_endpoint": url(),
        "introspection_endpoint_auth_methods_supported": list(),
        "issuer": {"type": "string"},
        "jwks_uri": url(),
        "response_types_supported": list(),
        "subject_types_supported": list(),
        "token_endpoint": url(),
        "token_endpoint_auth_methods_supported": list(),
    }}})
}
