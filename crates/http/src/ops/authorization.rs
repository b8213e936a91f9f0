//! Whether an API key, or the token of an entity, may make a request, and what it would need: for whoever manages keys.

use std::net::IpAddr;

use claviger_authz::{Access, Decision, Path, PathError, Request, explain, may_manage};
use claviger_domain::{
    ApiKeyDigest, ApiKeyId, EntityId, RequestMethod, SecretText, TenantId, TenantState, UsedValue,
};

use super::{entity_rights, entity_token};
use crate::error::ApiError;
use crate::gate::{Caller, Refusal};
use crate::state::AppState;

/// The API key, or the token, that is asked about.
pub(crate) enum WhichKey {
    /// The one with this value.
    Value(SecretText),
    /// The one with this id.
    Id(ApiKeyId),
    /// This token of an entity.
    Token(SecretText),
}

/// Who was asked about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Holder {
    /// The API key with this id.
    ApiKey(ApiKeyId),
    /// The entity with this id, by its token.
    Entity(EntityId),
}

/// What is asked.
pub(crate) struct Question {
    pub(crate) key: WhichKey,
    pub(crate) method: RequestMethod,
    /// The path of the request target, raw, without the query.
    pub(crate) path: String,
    /// The tenant that the request names.
    pub(crate) tenant_id: Option<TenantId>,
    /// From where it comes; a list of addresses lets nobody in where that is not known.
    pub(crate) address: Option<IpAddr>,
}

/// What is answered: the same as a gateway would be told, with the reason.
pub(crate) struct Authorization {
    pub(crate) holder: Holder,
    /// The name of the API key, if it has one.
    pub(crate) api_key_name: Option<String>,
    /// The tenant in which the request is allowed, where it is confined to one.
    pub(crate) tenant_id: Option<TenantId>,
    /// Why not; `None` if the request is allowed.
    pub(crate) reason: Option<&'static str>,
    /// A line for people.
    pub(crate) explanation: String,
    /// What would have been needed.
    pub(crate) missing: Vec<String>,
}

/// Answers the question as a gateway's would be, about API keys from memory.
///
/// # Errors
/// [`ApiError::NotFound`] for a key that there is not, or that may do more than the caller; likewise for tokens.
pub(crate) fn authorize(
    state: &AppState,
    caller: &Caller,
    question: &Question,
) -> Result<Authorization, ApiError> {
    let generation = state.generation();
    let digest = match &question.key {
        WhichKey::Token(token) => return of_token(state, caller, question, token),
        WhichKey::Value(value) => state.digester.digest(value.expose().as_bytes()),
        WhichKey::Id(id) => digest(state, caller, *id)?,
    };
    let found = state.keyring.find(&digest);
    // While memory is loaded again, keys may be missing from it.
    if !state.serves() || state.generation() != generation {
        return Err(ApiError::Unavailable(None));
    }
    let entry = found
        .filter(|entry| may_manage(&caller.access(), caller.scope(), &entry.access()).is_ok())
        .ok_or(ApiError::NotFound)?;
    let holder = Holder::ApiKey(entry.id);
    let mut answer = match Path::parse(question.path.as_bytes()) {
        Ok(path) => explained(state, &entry.access(), holder, question, path),
        Err(error) => refused_path(holder, error),
    };
    answer.api_key_name = state
        .keyring
        .with(&digest, |found| found.filter(|found| found.id == entry.id)?.name.map(str::to_owned));
    // Who shows the value asks for its holder. Who names the id only wants to know.
    if answer.reason.is_none() && matches!(question.key, WhichKey::Value(_)) {
        let value = UsedValue { api_key_id: entry.id, earlier: entry.earlier_value };
        state.usage.elsewhere.note(value, state.now(), question.address);
    }
    Ok(answer)
}

fn digest(state: &AppState, caller: &Caller, id: ApiKeyId) -> Result<ApiKeyDigest, ApiError> {
    let stored = state.store.read::<_, ApiError>(|tx| Ok(tx.find_api_key(id, caller.scope())?))?;
    Ok(stored.ok_or(ApiError::NotFound)?.digest)
}

/// About the token of an entity, which is looked at anew for each question.
fn of_token(
    state: &AppState,
    caller: &Caller,
    question: &Question,
    token: &SecretText,
) -> Result<Authorization, ApiError> {
    let audience = state.entity_token_audience.ok_or(ApiError::NotFound)?;
    let token = entity_token::verify(state, token.expose(), state.now())?
        .filter(|token| caller.scope().contains(Some(token.tenant_id)))
        .ok_or(ApiError::NotFound)?;
    let holder = Holder::Entity(token.entity_id);
    let path = Path::parse(question.path.as_bytes());
    let Some(rights) = entity_rights::rights(state, &token, audience)? else {
        let needed = format!("a token whose audience is the entity {audience}");
        return Ok(match path {
            Ok(_) => denied(holder, Refusal::OtherAudience(token.entity_id), needed),
            Err(error) => refused_path(holder, error),
        });
    };
    let access = rights.access();
    may_manage(&caller.access(), caller.scope(), &access).map_err(|_| ApiError::NotFound)?;
    Ok(match path {
        Ok(path) => explained(state, &access, holder, question, path),
        Err(error) => refused_path(holder, error),
    })
}

fn explained(
    state: &AppState,
    access: &Access<'_>,
    holder: Holder,
    question: &Question,
    path: Path<'_>,
) -> Authorization {
    let request = Request {
        method: question.method,
        path,
        tenant_id: question.tenant_id,
        address: question.address,
        now: state.now(),
    };
    let explanation = explain(access, &request);
    let in_use = |tenant_id: TenantId| state.keyring.tenant_state(&tenant_id) == Some(TenantState::Active);
    let mut missing: Vec<_> = explanation.missing.iter().map(ToString::to_string).collect();
    let (reason, tenant_id, explanation) = match explanation.decision {
        _ if !access.tenant_id.is_none_or(in_use) => {
            let needed = "a key of a tenant that is in use".to_owned();
            let reason = match holder {
                Holder::ApiKey(id) => Refusal::TenantGone(id),
                Holder::Entity(_) => Refusal::UnknownToken,
            };
            let explanation = format!("denied ({reason}): needs {needed}");
            missing.insert(0, needed);
            (Some(reason.as_str()), None, explanation)
        }
        Decision::Deny(reason) => (Some(reason.as_str()), None, explanation.to_string()),
        Decision::Allow(_) if !question.tenant_id.is_none_or(in_use) => {
            let needed = "a request that names a tenant in use, or none".to_owned();
            let explanation = format!("denied (no_such_tenant): needs {needed}");
            missing.push(needed);
            (Some(Refusal::NoSuchTenant.as_str()), None, explanation)
        }
        Decision::Allow(scope) => (None, scope.tenant(), explanation.to_string()),
    };
    Authorization { holder, api_key_name: None, tenant_id, reason, explanation, missing }
}

fn refused_path(holder: Holder, error: PathError) -> Authorization {
    let needed = format!("a path without {error}");
    let needed = match error {
        PathError::TooLong => "a path of at most 8192 bytes".to_owned(),
        PathError::NoLeadingSlash => "a path that starts with a slash".to_owned(),
        _ => needed,
    };
    denied(holder, Refusal::OriginalPath, needed)
}

/// The answer that one thing is needed.
fn denied(holder: Holder, refusal: Refusal, needed: String) -> Authorization {
    let reason = refusal.as_str();
    Authorization {
        holder,
        api_key_name: None,
        tenant_id: None,
        reason: Some(reason),
        explanation: format!("denied ({reason}): needs {needed}"),
        missing: vec![needed],
    }
}
