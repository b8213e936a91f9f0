//! Tokens for upstreams: what one says about a request that was let through, and how it is made.
//!
//! As with vending there is a quick form for the event loop, which takes a token that is kept, or signs with a key that is at
//! hand and quick; everything else is for a blocking thread.

use std::sync::Arc;

use claviger_authz::Reason;
use claviger_crypto::{CryptoError, TokenHeader, sign_token};
use claviger_domain::{KeyId, SecretText, TenantState};
use serde_json::{Map, Value};

use super::id_bytes;
use super::token::{parsed_key, tenant_of};
use crate::error::ApiError;
use crate::gate::{Caller, Refusal};
use crate::parsed_keys::ParsedKey;
use crate::state::AppState;
use crate::upstream_tokens::{Statement, Times, TokenKey, UpstreamToken};

/// The longest token in bytes. It travels in a header, for which gateways have some kilobytes.
const LONGEST: usize = 8 * 1024;

const NO_AUDIENCE: &str =
    "the gateway asks for tokens, and the setting UPSTREAM_TOKEN_AUDIENCE says for whom they are";
const NO_SIGNING_KEY: &str =
    "the tenant's jwtConfiguration.accessTokenKeyId names no key that can sign: name one that can";
const TOO_LONG: &str = "so many permissions match the request, or so long ones, that no token holds them";

/// What the quick form comes to.
pub(crate) enum Quick {
    /// There is a token, or none can be made.
    Done(Result<Arc<UpstreamToken>, ApiError>),
    /// It has to be made on a blocking thread.
    Slow(Statement),
}

/// What a token says about this request.
///
/// # Errors
/// [`ApiError::NoUpstreamToken`] where the settings or the tenant's lack something.
pub(crate) fn statement(state: &AppState, caller: &Caller) -> Result<Statement, ApiError> {
    if state.upstream_tokens.audience.is_none() {
        return Err(ApiError::NoUpstreamToken(NO_AUDIENCE));
    }
    let tenant = state.derived.tenants.find(tenant_of(state, caller));
    let tenant = tenant.filter(|tenant| tenant.state == TenantState::Active);
    let signs = tenant.and_then(|tenant| Some((tenant.issuer.clone(), tenant.jwt.access_token_key_id?)));
    let (issuer, key_id) = signs.ok_or(ApiError::NoUpstreamToken(NO_SIGNING_KEY))?;
    Ok(Statement {
        api_key_id: caller.api_key_id(),
        end: caller.access().expiration_instant,
        scope: caller.scope(),
        permissions: caller.matched()?,
        issuer,
        key_id,
    })
}

/// The token, if that is quick.
pub(crate) fn quickly(state: &AppState, statement: Statement) -> Quick {
    let Some(key) = state.derived.parsed_keys.at_hand(statement.key_id) else {
        return Quick::Slow(statement);
    };
    let Some(key) = key else {
        return Quick::Done(Err(ApiError::NoUpstreamToken(NO_SIGNING_KEY)));
    };
    let wanted = TokenKey { statement, key_digest: key.digest };
    if let Some(token) = find(state, &wanted) {
        return Quick::Done(Ok(token));
    }
    if key.signer.as_ref().is_some_and(|signer| signer.is_slow()) {
        return Quick::Slow(wanted.statement);
    }
    Quick::Done(make(state, wanted, &key))
}

/// The token, on a blocking thread. While it waited for one, another request may have made the same.
///
/// # Errors
/// [`ApiError::NoUpstreamToken`] where the key does not sign, [`ApiError::Refused`] when the API key ends within this
/// second, and those of reading and signing.
pub(crate) fn slowly(state: &AppState, statement: Statement) -> Result<Arc<UpstreamToken>, ApiError> {
    let key = parsed_key(state, statement.key_id)?.ok_or(ApiError::NoUpstreamToken(NO_SIGNING_KEY))?;
    let wanted = TokenKey { statement, key_digest: key.digest };
    match find(state, &wanted) {
        Some(token) => Ok(token),
        None => make(state, wanted, &key),
    }
}

fn find(state: &AppState, wanted: &TokenKey) -> Option<Arc<UpstreamToken>> {
    let found = state.upstream_tokens.find(wanted, state.now());
    if found.is_some() {
        state.metrics.upstream_token_reused();
    }
    found
}

fn make(state: &AppState, wanted: TokenKey, key: &ParsedKey) -> Result<Arc<UpstreamToken>, ApiError> {
    let tokens = &state.upstream_tokens;
    let Statement { api_key_id, end, scope, permissions, issuer, .. } = &wanted.statement;
    let signer = key.signer.as_ref().ok_or(ApiError::NoUpstreamToken(NO_SIGNING_KEY))?;
    let audience = tokens.audience.as_deref().ok_or(ApiError::NoUpstreamToken(NO_AUDIENCE))?;
    let now = state.now();
    let times = Times::new(now, tokens.lifetime, *end)
        .ok_or(ApiError::Refused(Refusal::Denied(*api_key_id, Reason::Expired)))?;
    let jti = KeyId::from_random_bytes(id_bytes(&mut state.random())?);
    let mut claims = Map::new();
    let mut put = |name: &str, value: Value| drop(claims.insert(name.to_owned(), value));
    put("aud", Value::from(audience));
    put("exp", Value::from(times.expires));
    put("iat", Value::from(times.issued));
    put("iss", Value::from(issuer.as_str()));
    put("sub", Value::from(api_key_id.to_string()));
    put("jti", Value::from(jti.to_string()));
    if let Some(tenant_id) = scope.tenant() {
        put("tid", Value::from(tenant_id.to_string()));
    }
    let lines: Vec<String> = permissions.iter().map(ToString::to_string).collect();
    // What cannot come to fit, in base64, is not worth a signature for each such request.
    if lines.iter().map(String::len).sum::<usize>() > LONGEST / 4 * 3 {
        return Err(ApiError::NoUpstreamToken(TOO_LONG));
    }
    put("permissions", Value::from(lines));
    let header = TokenHeader { kid: &key.kid, grant_types: &[], key_use: None };
    let text = match sign_token(signer, &header, &claims) {
        Ok(text) => SecretText::from(text),
        // The kid of a stored key is never what is wrong.
        Err(CryptoError::Malformed) => return Err(ApiError::NoUpstreamToken(TOO_LONG)),
        Err(error) => return Err(error.into()),
    };
    state.metrics.signature(key.algorithm);
    if text.expose().len() > LONGEST {
        return Err(ApiError::NoUpstreamToken(TOO_LONG));
    }
    state.metrics.upstream_token_made();
    let token = Arc::new(UpstreamToken { text, times });
    tokens.keep(wanted, Arc::clone(&token), now);
    Ok(token)
}
