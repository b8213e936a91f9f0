//! Tokens: vend and validate.
//!
//! Both come in two forms. The quick one works on the event loop, with a key that is at hand and an algorithm that takes
//! microseconds; where it cannot, it answers `None`, and the full one is run on a blocking thread.

use std::sync::Arc;

use claviger_crypto::{CryptoError, TokenFault, TokenHeader, UnverifiedToken, sign_token};
use claviger_domain::{KeyId, TenantId, TenantState, Violations, codes};
use serde_json::{Map, Value};

use super::id_bytes;
use crate::error::ApiError;
use crate::gate::Caller;
use crate::parsed_keys::ParsedKey;
use crate::state::AppState;

/// Claims that a caller cannot set (FusionAuth: Vend a JWT).
const RESERVED_CLAIMS: [&str; 4] = ["amr", "cnf", "exp", "iat"];

/// The longest lifetime of a token in seconds.
pub(crate) const LONGEST_LIFETIME: i64 = 2_147_483_647;

/// A token to vend.
#[derive(Debug, Clone)]
pub(crate) struct VendToken {
    pub(crate) claims: Map<String, Value>,
    pub(crate) key_id: Option<KeyId>,
    pub(crate) time_to_live_in_seconds: Option<i64>,
}

/// A token to validate, and the tenant that the request names.
#[derive(Clone)]
pub(crate) struct ValidateToken {
    pub(crate) token: String,
    pub(crate) tenant_id: Option<TenantId>,
}

/// Why a token is not accepted; for metrics and tests, never for the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum InvalidToken {
    /// There is no token, or there are several.
    Absent,
    /// The token itself is wrong, or its time.
    Fault(TokenFault),
    /// No key has its kid, or none that counts here.
    UnknownKey,
    /// It is another tenant's, or the tenant of the request is not in use.
    OtherTenant,
}

impl InvalidToken {
    /// A name for the labels of metrics.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Absent => "absent",
            Self::Fault(fault) => fault.as_str(),
            Self::UnknownKey => "unknown-key",
            Self::OtherTenant => "other-tenant",
        }
    }
}

/// The claims of a token, or why it is not accepted.
pub(crate) type Validated = Result<Map<String, Value>, InvalidToken>;

/// Vends a token if that is quick.
pub(crate) fn vend_quickly(
    state: &AppState,
    caller: &Caller,
    command: &VendToken,
) -> Option<Result<String, ApiError>> {
    let key_id = match key_to_sign(state, caller, command) {
        Ok(key_id) => key_id,
        Err(error) => return Some(Err(error)),
    };
    let Some(key) = state.derived.parsed_keys.at_hand(key_id)? else {
        return Some(Err((&codes::KEY_ID_NOT_SIGNING).into()));
    };
    let quick = key.signer.as_ref().is_none_or(|signer| !signer.is_slow());
    quick.then(|| sign(state, caller, command, &key))
}

/// Vends a token. Work may have waited for a thread: what counts is what the caller may do now.
pub(crate) fn vend(state: &AppState, caller: &Caller, command: &VendToken) -> Result<String, ApiError> {
    let key_id = key_to_sign(state, caller, command)?;
    let key = parsed_key(state, key_id)?.ok_or(&codes::KEY_ID_NOT_SIGNING)?;
    let caller = caller.refreshed(state)?;
    if key_to_sign(state, &caller, command)? != key_id {
        return Err(ApiError::Conflict);
    }
    sign(state, &caller, command, &key)
}

/// The tenant whose key and lifetime are the defaults.
pub(super) fn tenant_of(state: &AppState, caller: &Caller) -> TenantId {
    caller.scope().tenant().unwrap_or(state.default_tenant_id)
}

/// The key that the request asks for. A caller that is confined to a tenant uses the keys of that tenant only: keys are
/// global, and another tenant's tokens are none of its business.
fn key_to_sign(state: &AppState, caller: &Caller, command: &VendToken) -> Result<KeyId, ApiError> {
    let tenant = state.derived.tenants.find(tenant_of(state, caller));
    let named = tenant.as_ref().map(|tenant| tenant.jwt.clone());
    match command.key_id {
        None => {
            named.and_then(|jwt| jwt.access_token_key_id).ok_or_else(|| (&codes::KEY_ID_NOT_SIGNING).into())
        }
        Some(key_id) if caller.is_confined() => {
            let own = named.is_some_and(|jwt| {
                jwt.access_token_key_id == Some(key_id) || jwt.id_token_key_id == Some(key_id)
            });
            if own { Ok(key_id) } else { Err((&codes::KEY_ID_NOT_SIGNING).into()) }
        }
        Some(key_id) => Ok(key_id),
    }
}

/// Refuses claims that make a token look like another tenant's.
fn require_own(claims: &Map<String, Value>, tid: &str, issuer: &str) -> Result<(), ApiError> {
    let mut violations = Violations::none();
    for (name, own, code) in
        [("tid", tid, &codes::CLAIMS_TENANT_INVALID), ("iss", issuer, &codes::CLAIMS_ISSUER_INVALID)]
    {
        if claims.get(name).is_some_and(|given| given.as_str() != Some(own)) {
            violations.add(code);
        }
    }
    violations.into_result(()).map_err(ApiError::from)
}

/// Refuses the audience of the tokens for upstreams: whoever vends would write the subject and the permissions too, and
/// upstreams would take that for the word of a gateway.
fn require_no_upstream(state: &AppState, claims: &Map<String, Value>) -> Result<(), ApiError> {
    let Some(audience) = state.upstream_tokens.audience.as_deref() else { return Ok(()) };
    if claims.get("aud").is_some_and(|aud| is_for(aud, audience)) {
        return Err((&codes::CLAIMS_AUDIENCE_INVALID).into());
    }
    Ok(())
}

/// Whether the claim `aud` names this audience: one text or a list of some (RFC 7519, section 4.1.3).
fn is_for(aud: &Value, audience: &str) -> bool {
    match aud {
        Value::String(one) => one == audience,
        Value::Array(some) => some.iter().any(|one| is_for(one, audience)),
        _ => false,
    }
}

/// A key, read if it is not at hand: not for the event loop. `None` if it can neither sign nor verify.
pub(super) fn parsed_key(state: &AppState, id: KeyId) -> Result<Option<Arc<ParsedKey>>, ApiError> {
    let find = || Ok(state.store.read::<_, ApiError>(|tx| Ok(tx.find_key_with_material(id)?))?);
    state.derived.parsed_keys.get(id, &state.sealer, find)
}

fn sign(state: &AppState, caller: &Caller, command: &VendToken, key: &ParsedKey) -> Result<String, ApiError> {
    let signer = key.signer.as_ref().ok_or(&codes::KEY_ID_NOT_SIGNING)?;
    let tenant_id = tenant_of(state, caller);
    let tenant = state.derived.tenants.find(tenant_id).ok_or(ApiError::NotFound)?;
    let tid = tenant_id.to_string();
    if caller.is_confined() {
        require_own(&command.claims, &tid, &tenant.issuer)?;
    }
    require_no_upstream(state, &command.claims)?;
    let lifetime = command.time_to_live_in_seconds.unwrap_or(tenant.jwt.time_to_live_in_seconds);
    let now = state.now().epoch_seconds();
    // In the order of FusionAuth's tokens.
    let mut claims = Map::with_capacity(command.claims.len() + 3);
    claims.insert("exp".to_owned(), Value::from(now.saturating_add(lifetime)));
    claims.insert("iat".to_owned(), Value::from(now));
    for (name, value) in &command.claims {
        if !RESERVED_CLAIMS.contains(&name.as_str()) {
            claims.insert(name.clone(), value.clone());
        }
    }
    if caller.is_confined() {
        // Tenants can share a key: their tokens must be told apart.
        claims.insert("tid".to_owned(), Value::from(tid));
    }
    if !claims.contains_key("jti") {
        let jti = KeyId::from_random_bytes(id_bytes(&mut state.random())?);
        claims.insert("jti".to_owned(), Value::from(jti.to_string()));
    }
    let header = TokenHeader { kid: &key.kid, grant_types: &[], key_use: None };
    let token = sign_token(signer, &header, &claims).map_err(|error| match error {
        // Longer than MAXIMUM_TOKEN_LENGTH: the kid of a stored key is never what is wrong.
        CryptoError::Malformed => ApiError::from(&codes::CLAIMS_TOO_LONG),
        error => error.into(),
    })?;
    state.metrics.signature(key.algorithm);
    Ok(token)
}

/// Validates a token if that is quick: the claims, or `Err` with what is wrong.
pub(crate) fn validate_quickly(state: &AppState, command: &ValidateToken) -> Option<Validated> {
    let token = match UnverifiedToken::parse(&command.token) {
        Ok(token) => token,
        Err(fault) => return Some(Err(InvalidToken::Fault(fault))),
    };
    let Some(key_id) = token.kid().and_then(|kid| state.derived.parsed_keys.id_of(kid)) else {
        return Some(Err(InvalidToken::UnknownKey));
    };
    let Some(key) = state.derived.parsed_keys.at_hand(key_id)? else {
        return Some(Err(InvalidToken::UnknownKey));
    };
    (!key.verifier.is_slow()).then(|| check(state, command, &token, &key))
}

/// Validates a token: the claims, or what is wrong with it.
pub(crate) fn validate(state: &AppState, command: &ValidateToken) -> Result<Validated, ApiError> {
    let token = match UnverifiedToken::parse(&command.token) {
        Ok(token) => token,
        Err(fault) => return Ok(Err(InvalidToken::Fault(fault))),
    };
    let id = token.kid().and_then(|kid| state.derived.parsed_keys.id_of(kid));
    let key = match id {
        Some(id) => parsed_key(state, id)?,
        None => None,
    };
    Ok(match key {
        Some(key) => check(state, command, &token, &key),
        None => Err(InvalidToken::UnknownKey),
    })
}

fn check(
    state: &AppState,
    command: &ValidateToken,
    token: &UnverifiedToken<'_>,
    key: &ParsedKey,
) -> Validated {
    let tenant_id = command.tenant_id.unwrap_or(state.default_tenant_id);
    let tenant = state.derived.tenants.find(tenant_id);
    let tenant =
        tenant.filter(|tenant| tenant.state == TenantState::Active).ok_or(InvalidToken::OtherTenant)?;
    let jwt = &tenant.jwt;
    let named = jwt.access_token_key_id == Some(key.id)
        || jwt.id_token_key_id == Some(key.id)
        || jwt.access_token_verification_key_ids.contains(&key.id);
    // A tenant's tokens are made with its keys. Where no tenant is asked for, any key will do that is ours; but whoever
    // holds the private half of a key that we only verify with makes tokens that count where a tenant says so.
    if !named && (command.tenant_id.is_some() || key.signer.is_none()) {
        return Err(InvalidToken::UnknownKey);
    }
    let claims = token.verify(&key.verifier, state.now()).map_err(InvalidToken::Fault)?;
    if let (Some(named), Some(tid)) = (command.tenant_id, claims.get("tid"))
        && tid.as_str() != Some(named.to_string().as_str())
    {
        return Err(InvalidToken::OtherTenant);
    }
    Ok(claims)
}
