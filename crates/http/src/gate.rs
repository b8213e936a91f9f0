//! The gate: nobody reaches an operation without having passed it.
//!
//! The order of the checks is part of the contract: credential, permission, scope, tenant header. Whoever fails learns
//! only that; bodies and objects come later. The gate works in memory alone and never touches the database.

use std::fmt;

use claviger_authz::{Access, Decision, Endpoint, Reason, Request, Target};
use claviger_domain::{
    Actor, ApiKeyDigest, ApiKeyId, ChangeContext, Instant, Method, TenantId, TenantScope, TenantState,
    Violation, codes,
};
use claviger_keyring::Entry;

use crate::credential::Credential;
use crate::error::ApiError;
use crate::routes::Guard;
use crate::state::AppState;

/// Why the gate refused; for log and tests, never for the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// No credential where one is needed.
    NoCredential,
    /// A scheme that this endpoint does not take.
    OtherScheme,
    /// The value has the form of a generated key with a wrong checksum.
    Mistyped,
    /// No API key has this value.
    UnknownKey,
    /// The tenant of the key is being deleted, or gone.
    TenantGone(ApiKeyId),
    /// The rules do not allow it.
    Denied(ApiKeyId, Reason),
    /// The rules allow the call, but not on this object.
    ObjectNotCovered(ApiKeyId),
    /// A tenant-bound caller cannot make tenants.
    ScopeTooNarrow(ApiKeyId),
    /// The route names an endpoint that is not in the catalogue: a bug, answered by refusing.
    UnknownEndpoint,
}

impl Refusal {
    /// The API key that was refused, where there is one.
    pub(crate) const fn api_key_id(self) -> Option<ApiKeyId> {
        match self {
            Self::TenantGone(id)
            | Self::Denied(id, _)
            | Self::ObjectNotCovered(id)
            | Self::ScopeTooNarrow(id) => Some(id),
            Self::NoCredential
            | Self::OtherScheme
            | Self::Mistyped
            | Self::UnknownKey
            | Self::UnknownEndpoint => None,
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoCredential => "no credential",
            Self::OtherScheme => "scheme not taken here",
            Self::Mistyped => "mistyped key",
            Self::UnknownKey => "unknown key",
            Self::TenantGone(_) => "tenant gone",
            Self::Denied(_, reason) => reason.as_str(),
            Self::ObjectNotCovered(_) => "object not covered",
            Self::ScopeTooNarrow(_) => "scope too narrow",
            Self::UnknownEndpoint => "unknown endpoint",
        })
    }
}

/// The value of `X-FusionAuth-TenantId`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TenantHeader {
    /// Not sent.
    Absent,
    /// A UUID.
    Tenant(TenantId),
    /// Anything else, or sent twice.
    Malformed,
}

/// A caller that passed the gate. Only [`admit`] makes one.
pub(crate) struct Caller {
    digest: ApiKeyDigest,
    entry: Entry,
    scope: TenantScope,
    request: Request,
    address: Option<String>,
}

impl Caller {
    /// The id of the caller's API key.
    pub(crate) const fn api_key_id(&self) -> ApiKeyId {
        self.entry.id
    }

    /// What the caller may do.
    pub(crate) fn access(&self) -> Access<'_> {
        self.entry.access()
    }

    /// The tenants that the caller may touch in this request.
    pub(crate) const fn scope(&self) -> TenantScope {
        self.scope
    }

    /// What is recorded with the changes that the caller makes.
    pub(crate) fn change_context(&self, now: Instant) -> ChangeContext {
        ChangeContext { actor: Actor::ApiKey(self.entry.id), instant: now, address: self.address.clone() }
    }

    /// Decides again with what the keyring knows now: after slow work the key may be gone, expired or narrower.
    ///
    /// # Errors
    /// As [`admit`].
    pub(crate) fn still_stands(&self, state: &AppState) -> Result<(), ApiError> {
        if !state.serves() {
            return Err(ApiError::Unavailable(None));
        }
        let request = Request { now: state.now(), ..self.request };
        let entry = state.keyring.find(&self.digest).ok_or(ApiError::Refused(Refusal::UnknownKey))?;
        decide(state, &entry, &request).map(|_| ())
    }
}

/// Lets a request with this credential through to what `guard` protects, or says why not.
///
/// # Errors
/// [`ApiError::Refused`] for everything that is answered with 401, [`ApiError::Invalid`] for a tenant header that is
/// wrong in itself, [`ApiError::Unavailable`] while this node does not hold the database.
pub(crate) fn admit(
    state: &AppState,
    guard: Guard,
    method: Method,
    credential: Credential<'_>,
    tenant: TenantHeader,
    address: Option<String>,
) -> Result<Caller, ApiError> {
    let target = match guard {
        Guard::KeyManager => Target::ApiKeys,
        Guard::Endpoint(path) | Guard::Optional(path) => {
            Target::Endpoint(Endpoint::find(path).ok_or(ApiError::Refused(Refusal::UnknownEndpoint))?)
        }
        Guard::Public => return Err(ApiError::Refused(Refusal::NoCredential)),
    };
    let presented = match credential {
        Credential::None => return Err(ApiError::Refused(Refusal::NoCredential)),
        Credential::OtherScheme => return Err(ApiError::Refused(Refusal::OtherScheme)),
        Credential::ApiKey(presented) => presented,
    };
    if !state.serves() {
        return Err(ApiError::Unavailable(None));
    }
    if state.is_mistyped(presented) {
        return Err(ApiError::Refused(Refusal::Mistyped));
    }
    let digest = state.digester.digest(presented);
    let entry = state.keyring.find(&digest).ok_or(ApiError::Refused(Refusal::UnknownKey))?;
    let tenant_id = match tenant {
        TenantHeader::Tenant(id) => Some(id),
        TenantHeader::Absent | TenantHeader::Malformed => None,
    };
    let request = Request { method, target, tenant_id, now: state.now() };
    let scope = decide(state, &entry, &request)?;
    if tenant == TenantHeader::Malformed {
        // A global endpoint takes no tenant header at all; elsewhere the caller may know what is wrong with it.
        let global = matches!(target, Target::Endpoint(endpoint) if endpoint.scope() == claviger_authz::EndpointScope::Global);
        return Err(if global {
            ApiError::Refused(Refusal::Denied(entry.id, Reason::TenantHeaderAtGlobalEndpoint))
        } else {
            Violation::new(&codes::TENANT_ID_COULD_NOT_CONVERT).into()
        });
    }
    if let Some(id) = tenant_id
        && state.keyring.tenant_state(&id) != Some(TenantState::Active)
    {
        return Err(Violation::new(&codes::INVALID_TENANT_ID).into());
    }
    Ok(Caller { digest, entry, scope, request, address })
}

fn decide(state: &AppState, entry: &Entry, request: &Request) -> Result<TenantScope, ApiError> {
    if let Some(tenant) = entry.tenant_id
        && state.keyring.tenant_state(&tenant) != Some(TenantState::Active)
    {
        return Err(ApiError::Refused(Refusal::TenantGone(entry.id)));
    }
    match claviger_authz::decide(&entry.access(), request) {
        Decision::Allow(scope) => Ok(scope),
        Decision::Deny(reason) => Err(ApiError::Refused(Refusal::Denied(entry.id, reason))),
    }
}
