//! Tokens for entities (RFC 6749, section 4.4): one look-up, the checks of what is asked for, and one signature.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::Arc;

use claviger_crypto::{CryptoError, TokenHeader, sign_claims};
use claviger_domain::{EntityId, KeyId, SecretText};
use claviger_storage::{TokenClient, TokenConfiguration, TokenGrant};

use super::id_bytes;
use super::oauth_client::{self, ProvedClient};
use super::token::parsed_key;
use crate::error::ApiError;
use crate::parsed_keys::ParsedKey;
use crate::state::AppState;
use crate::tenant_tokens::TenantTokens;
use crate::wire::json_text::push_text;
use crate::wire::oauth::{CLIENT_CREDENTIALS, OAuthError, OAuthRefusal, Scope, TokenRequest};

/// A token for its client.
pub(crate) struct IssuedToken {
    pub(crate) token: SecretText,
    /// Whole seconds that are left of it.
    pub(crate) expires_in: i64,
}

/// What a token says of one entity for which it is: its id, and the permissions.
type Granted<'a> = (EntityId, Vec<&'a str>);

/// Issues a token if that is quick: the client is at hand or looked up at once, it asks for one entity at most, its key is at hand,
/// and the algorithm takes microseconds. So are clients refused that are not who they say.
///
/// # Errors
/// If it is not quick: the client, where at least that was, for [`issue`].
pub(crate) fn issue_quickly(
    state: &AppState,
    request: &TokenRequest,
) -> Result<Result<IssuedToken, ApiError>, Option<ProvedClient>> {
    let begun = match OneState::begin(state) {
        Ok(begun) => begun,
        Err(error) => return Ok(Err(error)),
    };
    let proved = oauth_client::authenticate_at_once(state, &request.client, first(request));
    issue_if_quick(state, request, begun, proved)
}

/// As [`issue_quickly`], for a client that is not looked up at once: this waits for it, together with others.
///
/// # Errors
/// As [`issue_quickly`].
pub(crate) async fn issue_after_look_up(
    state: &AppState,
    request: &TokenRequest,
) -> Result<Result<IssuedToken, ApiError>, Option<ProvedClient>> {
    let begun = match OneState::begin(state) {
        Ok(begun) => begun,
        Err(error) => return Ok(Err(error)),
    };
    let on = first(request);
    let proved = oauth_client::look_up(state, &request.client, on)
        .await
        .and_then(|found| oauth_client::authenticate_looked_up(state, &request.client, on, found));
    issue_if_quick(state, request, begun, proved)
}

fn issue_if_quick(
    state: &AppState,
    request: &TokenRequest,
    begun: OneState,
    proved: Result<Option<ProvedClient>, ApiError>,
) -> Result<Result<IssuedToken, ApiError>, Option<ProvedClient>> {
    let mut left = None;
    let issued = proved.and_then(|proved| {
        let Some(proved) = proved else { return Ok(None) };
        match quick_key(state, request, &proved.client) {
            Some(key) => issue_to(state, request, &proved.client, Some(key)).map(Some),
            None => {
                left = Some(proved);
                Ok(None)
            }
        }
    });
    begun.end(state, issued).transpose().ok_or(left)
}

/// Issues a token; not for the event loop. The client is the one that [`issue_quickly`] or [`issue_after_look_up`] left, if they did.
///
/// # Errors
/// [`ApiError::OAuth`] for what is wrong with the request, [`ApiError::Unavailable`] while this node has no lease,
/// and its failures.
pub(crate) fn issue(
    state: &AppState,
    request: &TokenRequest,
    proved: Option<ProvedClient>,
) -> Result<IssuedToken, ApiError> {
    let begun = OneState::begin(state)?;
    let proved = match proved.filter(|proved| proved.is_current(state)) {
        Some(proved) => Ok(proved),
        None => oauth_client::authenticate(state, &request.client, first(request)),
    };
    begun.end(state, proved.and_then(|proved| issue_to(state, request, &proved.client, None)))
}

/// The state of memory in which a token is issued. Tenants and keys are there, which may be old while another node holds the database:
/// what came of it then does not count.
struct OneState {
    generation: u64,
}

impl OneState {
    fn begin(state: &AppState) -> Result<Self, ApiError> {
        let generation = state.generation();
        if state.serves() { Ok(Self { generation }) } else { Err(ApiError::Unavailable(None)) }
    }

    /// What came of it, if memory held all the while.
    fn end<T>(self, state: &AppState, outcome: Result<T, ApiError>) -> Result<T, ApiError> {
        if state.serves() && state.generation() == self.generation {
            outcome
        } else {
            Err(ApiError::Unavailable(None))
        }
    }
}

/// The first entity of the scope, whose grant is looked up with the client.
fn first(request: &TokenRequest) -> Option<EntityId> {
    request.scope.as_ref()?.targets.first().map(|target| target.entity_id)
}

/// The key for the token, if that can be signed without waiting for anything.
fn quick_key(state: &AppState, request: &TokenRequest, client: &TokenClient) -> Option<Arc<ParsedKey>> {
    if request.scope.as_ref().is_some_and(|scope| scope.targets.len() > 1) {
        return None;
    }
    let tenant = state.derived.tenants.find(client.tenant_id)?;
    let (key_id, _) = key_and_lifetime(client.jwt, &tenant)?;
    let key = state.derived.parsed_keys.at_hand(key_id)??;
    key.signer.as_ref().is_some_and(|signer| !signer.is_slow()).then_some(key)
}

/// Issues a token to a client that proved who it is, with `key` if that still is the one.
fn issue_to(
    state: &AppState,
    request: &TokenRequest,
    client: &TokenClient,
    key: Option<Arc<ParsedKey>>,
) -> Result<IssuedToken, ApiError> {
    let scope = request.scope.as_ref();
    let first = first(request);
    if request.tenants.iter().any(|named| *named != client.tenant_id) {
        return Err(refused(OAuthError::InvalidTenantId));
    }
    let tenant = state.derived.tenants.find(client.tenant_id);
    let tenant = tenant.ok_or_else(|| refused(OAuthError::TenantNotActive))?;
    let others = other_grants(state, client, scope)?;
    let mut scim = false;
    let mut granted: Vec<Granted<'_>> = Vec::new();
    for target in scope.into_iter().flat_map(|scope| &scope.targets) {
        let own = client.grant.as_ref().filter(|_| first == Some(target.entity_id));
        let grant = own.or_else(|| others.get(&target.entity_id));
        let grant = grant.ok_or_else(|| refused(OAuthError::InvalidScope))?;
        scim |= tenant.scim_server_type == Some(grant.entity_type_id);
        let has = &grant.permissions;
        let names = match &target.permissions {
            None => has.iter().map(|name| &**name).collect(),
            Some(wanted) if wanted.iter().all(|name| is_among(has, name)) => {
                wanted.iter().map(String::as_str).collect()
            }
            Some(_) => return Err(refused(OAuthError::InvalidPermission)),
        };
        granted.push((target.entity_id, names));
    }
    let no_key = || refused(OAuthError::NoSigningKey);
    let (key_id, lifetime) = key_and_lifetime(client.jwt, &tenant).ok_or_else(no_key)?;
    let key = match key.filter(|key| key.id == key_id) {
        Some(key) => key,
        None => parsed_key(state, key_id)?.ok_or_else(no_key)?,
    };
    let signer = key.signer.as_ref().ok_or_else(no_key)?;
    let issued = state.now().epoch_seconds();
    let expires = issued.saturating_add(lifetime);
    let jti = KeyId::from_random_bytes(id_bytes(&mut state.random())?);
    let claims = claims(client, &tenant, jti, (issued, expires), scope, &granted)?;
    let header = TokenHeader {
        kid: &key.kid,
        grant_types: &[CLIENT_CREDENTIALS],
        key_use: scim.then_some("scim_server"),
    };
    let token = sign_claims(signer, &header, &claims).map_err(|error| match error {
        // Longer than MAXIMUM_TOKEN_LENGTH: the kid of a stored key is never what is wrong.
        CryptoError::Malformed => refused(OAuthError::TokenTooLong),
        error => error.into(),
    })?;
    state.metrics.signature(key.algorithm);
    let left = expires.saturating_mul(1000).saturating_sub(state.now().epoch_millis()) / 1000;
    Ok(IssuedToken { token: SecretText::from(token), expires_in: left.max(0) })
}

/// Whether a permission is among these, which are sorted.
fn is_among(names: &[Arc<str>], wanted: &str) -> bool {
    names.binary_search_by(|name| (**name).cmp(wanted)).is_ok()
}

fn refused(error: OAuthError) -> ApiError {
    OAuthRefusal::from(error).into()
}

/// What the client is granted on all entities of the scope but the first, whose grant was found with the client.
fn other_grants(
    state: &AppState,
    client: &TokenClient,
    scope: Option<&Scope>,
) -> Result<HashMap<EntityId, TokenGrant>, ApiError> {
    let others: Vec<_> = scope.iter().flat_map(|scope| &scope.targets).skip(1).collect();
    if others.is_empty() {
        return Ok(HashMap::new());
    }
    let ids: Vec<_> = others.iter().map(|target| target.entity_id).collect();
    Ok(state.store.token_grants(client.entity_id, &ids)?)
}

/// What signs the token and how long it lasts: as the type of the client says, or else its tenant.
fn key_and_lifetime(of_type: Option<TokenConfiguration>, tenant: &TenantTokens) -> Option<(KeyId, i64)> {
    let (key_id, lifetime) = match of_type {
        Some(own) => (own.access_token_key_id, own.time_to_live_in_seconds),
        None => (tenant.jwt.access_token_key_id, Some(tenant.jwt.time_to_live_in_seconds)),
    };
    key_id.zip(lifetime)
}

/// The claims as JSON, in FusionAuth's order. Written by hand: a tree of values would take as long as some signatures.
fn claims(
    client: &TokenClient,
    tenant: &TenantTokens,
    jti: KeyId,
    (issued, expires): (i64, i64),
    scope: Option<&Scope>,
    granted: &[Granted<'_>],
) -> Result<String, ApiError> {
    let mut text = String::with_capacity(512);
    let mut write = || -> Result<(), std::fmt::Error> {
        text.push('{');
        match granted {
            [] => {}
            [(only, _)] => write!(text, "\"aud\":\"{only}\",")?,
            several => {
                for (index, (id, _)) in several.iter().enumerate() {
                    write!(text, "{}\"{id}\"", if index == 0 { "\"aud\":[" } else { "," })?;
                }
                text.push_str("],");
            }
        }
        write!(text, "\"exp\":{expires},\"iat\":{issued},\"iss\":")?;
        push_text(&mut text, &tenant.issuer);
        write!(text, ",\"sub\":\"{}\",\"jti\":\"{jti}\"", client.entity_id)?;
        if let Some(scope) = scope {
            text.push_str(",\"scope\":");
            push_text(&mut text, &scope.text);
        }
        write!(text, ",\"tid\":\"{}\"", client.tenant_id)?;
        // An entity on which nothing may be done is left out.
        let permitted = granted.iter().filter(|(_, names)| !names.is_empty());
        let mut any = false;
        for (id, names) in permitted {
            write!(text, "{}\"{id}\":[", if any { "," } else { ",\"permissions\":{" })?;
            any = true;
            for (index, name) in names.iter().enumerate() {
                if index > 0 {
                    text.push(',');
                }
                push_text(&mut text, name);
            }
            text.push(']');
        }
        text.push_str(if any { "}}" } else { "}" });
        Ok(())
    };
    write().map_err(|error| ApiError::Internal(format!("cannot write claims: {error}")))?;
    Ok(text)
}
