//! What headers mean to the endpoints of OAuth 2.0 and OpenID Connect discovery.

use std::time::{Duration, Instant as Stopwatch};

use actix_web::http::header::{AUTHORIZATION, HOST, HeaderMap, HeaderName};
use tracing::Level;

use super::{TENANT_ID, TenantHeader, bytes, tenant_header};
use crate::answer::Answer;
use crate::client_address::Client;
use crate::error::ApiError;
use crate::handlers::{Base, ClientHeaders};
use crate::public_url;
use crate::state::AppState;
use crate::wire::oauth::{Authorization, OAuthError};

static X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
static X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// What the headers say about a client of OAuth 2.0.
pub(crate) fn client_headers(headers: &HeaderMap) -> ClientHeaders {
    ClientHeaders {
        authorization: Authorization::of(bytes(headers, &AUTHORIZATION)),
        tenant: match tenant_header(bytes(headers, &TENANT_ID)) {
            TenantHeader::Absent => Ok(None),
            TenantHeader::Tenant(id) => Ok(Some(id)),
            TenantHeader::Malformed => Err(()),
        },
    }
}

/// Under which URL the server is reached, if that can be told: scheme and host are a trusted proxy's word, or else the
/// connection's, which is not encrypted, and the header `Host`.
pub(super) fn base(headers: &HeaderMap, state: &AppState, client: &Client) -> Option<Base> {
    if let Some(url) = &state.public_url {
        return Some(Base { url: url.as_str().to_owned(), is_set: true });
    }
    let by_proxy = |name| if client.is_by_proxy() { public_url::one(bytes(headers, name)) } else { Ok(None) };
    let host = match by_proxy(&X_FORWARDED_HOST) {
        Ok(None) => public_url::one(bytes(headers, &HOST)),
        reported => reported,
    };
    let url = public_url::of_request(by_proxy(&X_FORWARDED_PROTO), host).ok()?;
    Some(Base { url, is_set: false })
}

/// When a client whose id or secret is wrong is told so, from the first look at the request on: after look-ups in the database
/// and secrets that were opened. Long enough for both in any state of health, and nobody waits for it who has a secret.
const CLIENT_REFUSAL_TIME: Duration = Duration::from_millis(5);

/// Waits for that time if the outcome is such a refusal: what it took to find that out tells whether there is such a client.
pub(super) async fn wait_if_about_a_secret(outcome: &Result<Answer, ApiError>, since: Stopwatch) {
    if matches!(outcome, Err(ApiError::OAuth(refusal)) if refusal.error.is_about_a_secret()) {
        tokio::time::sleep_until((since + CLIENT_REFUSAL_TIME).into()).await;
    }
}

/// The level at which a refusal is logged: what operators have to mend, who is not let in, and the rest.
pub(super) const fn level(error: OAuthError) -> Level {
    match error {
        OAuthError::NoSigningKey => Level::WARN,
        error if error.row().0 == 401 => Level::INFO,
        _ => Level::DEBUG,
    }
}
