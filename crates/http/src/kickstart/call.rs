//! One request of a Kickstart file: through the gate and to its operation, as a request over the network.

use std::sync::Arc;

use actix_web::web;
use claviger_authz::Path;
use claviger_domain::{RequestMethod, SecretText, Violation, codes};

use super::{KickstartAnswer, Request};
use crate::credential::Credential;
use crate::dispatch::MAXIMUM_BODY;
use crate::error::ApiError;
use crate::gate::{Caller, TenantHeader, admit};
use crate::handlers::{ClientHeaders, Input, handle};
use crate::routes::{Dialect, Found, Guard, Route, find};
use crate::state::AppState;
use crate::wire::oauth::Authorization;

/// Makes a request with this API key, and returns the status of its success.
///
/// # Errors
/// Any other answer.
pub(super) fn call(
    state: &AppState,
    credential: &SecretText,
    request: Request,
) -> Result<u16, KickstartAnswer> {
    let Request { method, url, tenant_id, content_type, body, .. } = request;
    let (path, query) = url.split_once('?').unwrap_or((&url, ""));
    // The key comes as it does in `Authorization`, which is what chooses the dialect.
    let in_dialect = |dialect| move |error: ApiError| KickstartAnswer::new(&error, dialect);
    let fusionauth = in_dialect(Dialect::FusionAuth);
    let path = Path::parse(path.as_bytes()).map_err(|_| fusionauth(ApiError::NoSuchPath))?;
    let (route, parameter, inner_parameter) = match find(&path, Some(method), Dialect::FusionAuth) {
        Found::Route(route, parameter, inner) => {
            (route, parameter.map(str::to_owned), inner.map(str::to_owned))
        }
        Found::OtherMethods => return Err(fusionauth(ApiError::MethodNotAllowed)),
        Found::Nothing => return Err(fusionauth(ApiError::NoSuchPath)),
    };
    let refused = in_dialect(route.answers_in());
    let caller = caller(state, route, path, credential, tenant_id.as_deref()).map_err(refused)?;
    if body.len() > MAXIMUM_BODY {
        return Err(refused(ApiError::TooLarge));
    }
    let query = parameters(route, query).map_err(refused)?;
    let content_type = Some(content_type);
    // The endpoints of OAuth 2.0 go by headers, of which there are none here.
    let client = Some(ClientHeaders { authorization: Authorization::Absent, tenant: Ok(None) });
    let (presented, base, begun) = (None, None, None);
    let input =
        Input { parameter, inner_parameter, query, content_type, body, presented, client, base, begun };
    let answer = handle(state, route.operation, caller, input).map_err(refused)?;
    if (200..300).contains(&answer.status) {
        return Ok(answer.status);
    }
    let reason = "the operation did not succeed".to_owned();
    Err(KickstartAnswer { status: answer.status, reason, body: String::new() })
}

/// The key of the request, let through by the gate. It comes from no address.
fn caller(
    state: &AppState,
    route: &Route,
    path: Path<'_>,
    credential: &SecretText,
    tenant_id: Option<&str>,
) -> Result<Option<Arc<Caller>>, ApiError> {
    if route.guard == Guard::Public {
        return Ok(None);
    }
    let tenant = match tenant_id.map(str::parse) {
        None => TenantHeader::Absent,
        Some(Ok(id)) => TenantHeader::Tenant(id),
        Some(Err(_)) => TenantHeader::Malformed,
    };
    let method = RequestMethod::from(route.method);
    let credential = Credential::ApiKey(credential.expose().as_bytes());
    admit(state, route.guard, method, path, credential, tenant, None).map(|caller| Some(Arc::new(caller)))
}

fn parameters(route: &Route, query: &str) -> Result<Vec<(String, String)>, ApiError> {
    if route.query().is_empty() || query.is_empty() {
        return Ok(Vec::new());
    }
    web::Query::<Vec<(String, String)>>::from_query(query)
        .map(web::Query::into_inner)
        .map_err(|_| Violation::at(&codes::PARAMETER_COULD_NOT_CONVERT, "query").into())
}
