//! The gate: nobody reaches an operation without having passed it.
//!
//! The order of the checks is part of the contract: credential, permission, scope, tenant header. Whoever fails learns
//! only that; bodies and objects come later. The gate works in memory alone and never touches the database.

use std::fmt;
use std::net::IpAddr;

use claviger_authz::{
    Access, Decision, Endpoint, EndpointScope, Matched, Path, Reason, Request, Target, matched,
};
use claviger_domain::{
    Actor, ApiKeyDigest, ApiKeyId, ChangeContext, EntityId, Instant, RequestMethod, TenantId, TenantScope,
    TenantState, UsedValue, Violation, codes,
};
use claviger_keyring::Entry;
use claviger_storage::{ReadTransaction, StoredApiKey, TxError};

use crate::credential::Credential;
use crate::error::ApiError;
use crate::ops::power::{Power, list_rules};
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
    /// The route is guarded as something else than what its path leads to: a bug, answered by refusing.
    UnknownEndpoint,
    /// A gateway's question from a peer that is no trusted proxy.
    UntrustedGateway,
    /// A gateway's question without the method or the URI of the request that it is about.
    OriginalMissing,
    /// A gateway's question with one of these twice, or in another spelling besides.
    OriginalRepeated,
    /// A gateway's question in both conventions, one of which may be the client's own words.
    OriginalContradictory,
    /// A gateway asks about a request with more than one credential.
    TwoCredentials,
    /// A gateway asks about a URI that two programs could read differently.
    OriginalPath,
    /// A gateway asks about a method that nobody is granted.
    OriginalMethod,
    /// A gateway asks about a request whose tenant header is no UUID, or stands twice.
    MalformedTenant(ApiKeyId),
    /// A gateway asks about a request for a tenant that there is not, or that is being deleted.
    NoSuchTenant,
    /// A gateway asks about a request with a token that is no live one of an entity.
    UnknownToken,
    /// A gateway asks about a request with a token that is not for the API behind it.
    OtherAudience(EntityId),
    /// The rules do not allow it to a token of this entity.
    DeniedToEntity(EntityId, Reason),
    /// As [`MalformedTenant`](Self::MalformedTenant), of a request with a token of this entity.
    MalformedTenantOfEntity(EntityId),
    /// A gateway asks for a token for the upstream, which is made for API keys only, about a request of this entity.
    NoUpstreamTokenOfEntity(EntityId),
}

impl Refusal {
    /// The API key that was refused, where there is one.
    pub(crate) const fn api_key_id(self) -> Option<ApiKeyId> {
        match self {
            Self::TenantGone(id)
            | Self::Denied(id, _)
            | Self::ObjectNotCovered(id)
            | Self::ScopeTooNarrow(id)
            | Self::MalformedTenant(id) => Some(id),
            Self::NoCredential
            | Self::OtherScheme
            | Self::Mistyped
            | Self::UnknownKey
            | Self::UnknownEndpoint
            | Self::UntrustedGateway
            | Self::OriginalMissing
            | Self::OriginalRepeated
            | Self::OriginalContradictory
            | Self::TwoCredentials
            | Self::OriginalPath
            | Self::OriginalMethod
            | Self::NoSuchTenant
            | Self::UnknownToken
            | Self::OtherAudience(_)
            | Self::DeniedToEntity(..)
            | Self::MalformedTenantOfEntity(_)
            | Self::NoUpstreamTokenOfEntity(_) => None,
        }
    }

    /// The entity whose token was refused, where it is one's.
    pub(crate) const fn entity_id(self) -> Option<EntityId> {
        match self {
            Self::OtherAudience(id)
            | Self::DeniedToEntity(id, _)
            | Self::MalformedTenantOfEntity(id)
            | Self::NoUpstreamTokenOfEntity(id) => Some(id),
            _ => None,
        }
    }
}

impl Refusal {
    /// One of each kind but those for which the rules have a reason, in the order of [`place`](Self::place). What is
    /// refused to entities for the same reason as to API keys is counted with it.
    const WITHOUT_REASON: [Self; 20] = [
        Self::NoCredential,
        Self::OtherScheme,
        Self::Mistyped,
        Self::UnknownKey,
        Self::TenantGone(ApiKeyId::from_u128(0)),
        Self::ObjectNotCovered(ApiKeyId::from_u128(0)),
        Self::ScopeTooNarrow(ApiKeyId::from_u128(0)),
        Self::UnknownEndpoint,
        Self::UntrustedGateway,
        Self::OriginalMissing,
        Self::OriginalRepeated,
        Self::OriginalContradictory,
        Self::TwoCredentials,
        Self::OriginalPath,
        Self::OriginalMethod,
        Self::MalformedTenant(ApiKeyId::from_u128(0)),
        Self::NoSuchTenant,
        Self::UnknownToken,
        Self::OtherAudience(EntityId::from_u128(0)),
        Self::NoUpstreamTokenOfEntity(EntityId::from_u128(0)),
    ];

    /// The names of all refusals, in the order of [`place`](Self::place).
    pub(crate) fn names() -> impl Iterator<Item = &'static str> {
        Self::WITHOUT_REASON.into_iter().map(Self::as_str).chain(Reason::ALL.into_iter().map(Reason::as_str))
    }

    /// The place of the refusal among all of them.
    pub(crate) const fn place(self) -> usize {
        match self {
            Self::NoCredential => 0,
            Self::OtherScheme => 1,
            Self::Mistyped => 2,
            Self::UnknownKey => 3,
            Self::TenantGone(_) => 4,
            Self::ObjectNotCovered(_) => 5,
            Self::ScopeTooNarrow(_) => 6,
            Self::UnknownEndpoint => 7,
            Self::UntrustedGateway => 8,
            Self::OriginalMissing => 9,
            Self::OriginalRepeated => 10,
            Self::OriginalContradictory => 11,
            Self::TwoCredentials => 12,
            Self::OriginalPath => 13,
            Self::OriginalMethod => 14,
            Self::MalformedTenant(_) | Self::MalformedTenantOfEntity(_) => 15,
            Self::NoSuchTenant => 16,
            Self::UnknownToken => 17,
            Self::OtherAudience(_) => 18,
            Self::NoUpstreamTokenOfEntity(_) => 19,
            Self::Denied(_, reason) | Self::DeniedToEntity(_, reason) => {
                Self::WITHOUT_REASON.len() + reason.place()
            }
        }
    }
}

impl Refusal {
    /// A name for logs and labels of metrics.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::NoCredential => "no_credential",
            Self::OtherScheme => "other_scheme",
            Self::Mistyped => "mistyped_key",
            Self::UnknownKey => "unknown_key",
            Self::TenantGone(_) => "tenant_gone",
            Self::Denied(_, reason) | Self::DeniedToEntity(_, reason) => reason.as_str(),
            Self::ObjectNotCovered(_) => "object_not_covered",
            Self::ScopeTooNarrow(_) => "scope_too_narrow",
            Self::UnknownEndpoint => "unknown_endpoint",
            Self::UntrustedGateway => "untrusted_gateway",
            Self::OriginalMissing => "original_missing",
            Self::OriginalRepeated => "original_repeated",
            Self::OriginalContradictory => "original_contradictory",
            Self::TwoCredentials => "two_credentials",
            Self::OriginalPath => "original_path",
            Self::OriginalMethod => "original_method",
            Self::MalformedTenant(_) | Self::MalformedTenantOfEntity(_) => "malformed_tenant",
            Self::NoSuchTenant => "no_such_tenant",
            Self::UnknownToken => "unknown_token",
            Self::OtherAudience(_) => "other_audience",
            Self::NoUpstreamTokenOfEntity(_) => "no_upstream_token_of_entity",
        }
    }
}

impl Refusal {
    /// Whether a gateway is told 403: the credential is good, or nobody's would do. Everything else is 401, which says
    /// that the gateway or the credential is not known.
    pub(crate) const fn is_forbidden(self) -> bool {
        match self {
            Self::OriginalPath
            | Self::OriginalMethod
            | Self::MalformedTenant(_)
            | Self::NoSuchTenant
            | Self::MalformedTenantOfEntity(_)
            | Self::NoUpstreamTokenOfEntity(_)
            | Self::ObjectNotCovered(_)
            | Self::ScopeTooNarrow(_) => true,
            Self::Denied(_, reason) | Self::DeniedToEntity(_, reason) => {
                !matches!(reason, Reason::Expired | Reason::Disabled | Reason::AddressBlocked)
            }
            Self::NoCredential
            | Self::OtherScheme
            | Self::Mistyped
            | Self::UnknownKey
            | Self::TenantGone(_)
            | Self::UnknownEndpoint
            | Self::UntrustedGateway
            | Self::OriginalMissing
            | Self::OriginalRepeated
            | Self::OriginalContradictory
            | Self::TwoCredentials
            | Self::UnknownToken
            | Self::OtherAudience(_) => false,
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
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

impl TenantHeader {
    /// The tenant that it names.
    const fn id(self) -> Option<TenantId> {
        match self {
            Self::Tenant(id) => Some(id),
            Self::Absent | Self::Malformed => None,
        }
    }
}

/// A caller that passed the gate. Only [`admit`] makes one.
pub(crate) struct Caller {
    digest: ApiKeyDigest,
    entry: Entry,
    scope: TenantScope,
    asked: Asked,
}

/// What a request asks for: what is kept of it while its body is on the way.
#[derive(Clone)]
struct Asked {
    /// The method, HEAD told from GET.
    method: RequestMethod,
    /// The path, which was parsed once and can be again.
    path: Box<str>,
    /// The tenant that the request names.
    tenant_id: Option<TenantId>,
    /// From where it comes, as far as that is known.
    address: Option<IpAddr>,
}

impl Caller {
    /// The id of the caller's API key.
    pub(crate) const fn api_key_id(&self) -> ApiKeyId {
        self.entry.id
    }

    /// What this use of the caller's API key counts for.
    pub(crate) const fn used_value(&self) -> UsedValue {
        UsedValue { api_key_id: self.entry.id, earlier: self.entry.earlier_value }
    }

    /// What `use_name` makes of the name of the caller's API key, as it is now; `None` if it has none, or if the value does
    /// not belong to that key any more.
    pub(crate) fn with_name<R>(&self, state: &AppState, use_name: impl FnOnce(&str) -> R) -> Option<R> {
        state.keyring.with(&self.digest, |found| {
            let found = found.filter(|found| found.id == self.entry.id)?;
            found.name.map(use_name)
        })
    }

    /// What the caller may do.
    pub(crate) fn access(&self) -> Access<'_> {
        self.entry.access()
    }

    /// The permissions of the caller that match this request.
    ///
    /// # Errors
    /// Never: the path was parsed before.
    pub(crate) fn matched(&self) -> Result<Vec<Matched>, ApiError> {
        let Asked { method, path, tenant_id, address } = &self.asked;
        let path = Path::parse(path.as_bytes()).map_err(|_| ApiError::NoSuchPath)?;
        // The time has no part in it.
        let now = Instant::from_epoch_millis(0);
        let request = Request { method: *method, path, tenant_id: *tenant_id, address: *address, now };
        Ok(matched(&self.entry.access(), &request))
    }

    /// The tenants that the caller may touch in this request.
    pub(crate) const fn scope(&self) -> TenantScope {
        self.scope
    }

    /// Whether the API key belongs to a tenant, and so never reaches beyond it.
    pub(crate) const fn is_confined(&self) -> bool {
        self.entry.tenant_id.is_some()
    }

    /// What is recorded with the changes that the caller makes.
    pub(crate) fn change_context(&self, now: Instant) -> ChangeContext {
        let address = self.asked.address.map(|address| address.to_string());
        ChangeContext { actor: Actor::ApiKey(self.entry.id), instant: now, address }
    }

    /// The caller as the keyring knows it now: while the body was on its way the key may have been deleted or narrowed.
    ///
    /// # Errors
    /// As [`admit`].
    pub(crate) fn refreshed(&self, state: &AppState) -> Result<Self, ApiError> {
        pass(state, self.digest, self.asked.clone())
    }

    /// Compares the caller with the database, inside the transaction that is about to write: nothing is written with power
    /// that was taken away before.
    ///
    /// # Errors
    /// [`ApiError::Refused`] when the key is gone, expired, or its tenant is not in use any more;
    /// [`ApiError::Conflict`] when its rights have changed, so that a second try is decided by the new ones.
    pub(crate) fn require_current(
        &self,
        tx: &mut ReadTransaction<'_>,
        now: Instant,
    ) -> Result<(), TxError<ApiError>> {
        let refused = |refusal| TxError::Abort(ApiError::Refused(refusal));
        let found = tx.find_api_key(self.entry.id, TenantScope::All)?;
        let StoredApiKey { api_key: stored, digest, .. } = found.ok_or(refused(Refusal::UnknownKey))?;
        let valid_until = if digest == self.digest {
            None
        } else {
            let previous = tx.previous_api_key_digests(self.entry.id)?;
            let own = previous.iter().find(|value| value.digest == self.digest);
            Some(own.ok_or(refused(Refusal::UnknownKey))?.valid_until)
        };
        let ends = |end: Option<Instant>| end.is_some_and(|end| end <= now);
        if ends(self.access().expiration_instant) || ends(valid_until) {
            return Err(refused(Refusal::Denied(self.entry.id, Reason::Expired)));
        }
        if let Some(tenant_id) = self.scope.tenant() {
            let tenant = tx.find_tenant(tenant_id, TenantScope::All)?;
            if tenant.is_none_or(|tenant| tenant.state != TenantState::Active) {
                return Err(refused(Refusal::TenantGone(self.entry.id)));
            }
        }
        let addresses = list_rules(tx, stored.ip_access_control_list_id)?;
        let power = Power::of(tx, &stored)?;
        // Who passed with a value that was rotated meanwhile lost nothing yet.
        let earlier = stored.expiration_instant.into_iter().chain(valid_until).min();
        let same_end = [stored.expiration_instant, earlier].contains(&self.entry.expiration_instant);
        let unchanged = power.key_manager == self.entry.key_manager
            && stored.disabled == self.entry.disabled
            && stored.tenant_id == self.entry.tenant_id
            && same_end
            && addresses.as_ref() == self.entry.addresses.as_deref()
            && power.permissions == *self.entry.permissions;
        if unchanged { Ok(()) } else { Err(TxError::Abort(ApiError::Conflict)) }
    }
}

/// Lets a request with this credential through to what `guard` protects, or says why not. `address` is the client's;
/// `None` when it is not known.
///
/// # Errors
/// [`ApiError::Refused`] for everything that is answered with 401, [`ApiError::Invalid`] for a tenant header that is
/// wrong in itself, [`ApiError::Unavailable`] while this node has no lease.
pub(crate) fn admit(
    state: &AppState,
    guard: Guard,
    method: RequestMethod,
    path: Path<'_>,
    credential: Credential<'_>,
    tenant: TenantHeader,
    address: Option<IpAddr>,
) -> Result<Caller, ApiError> {
    let target = match guard {
        Guard::KeyManager => Target::ApiKeys,
        Guard::Roles => Target::Roles,
        Guard::Endpoint(path) | Guard::Operator(path) | Guard::Optional(path) => {
            Target::Endpoint(Endpoint::find(path).ok_or(ApiError::Refused(Refusal::UnknownEndpoint))?)
        }
        Guard::Public => return Err(ApiError::Refused(Refusal::NoCredential)),
        // Who asks there is the gateway, and not the caller.
        Guard::Gateway => return Err(ApiError::Refused(Refusal::UnknownEndpoint)),
    };
    if Target::of(&path) != target {
        return Err(ApiError::Refused(Refusal::UnknownEndpoint));
    }
    let caller = present(state, method, path, credential, tenant, address)?;
    if tenant == TenantHeader::Malformed {
        // A global endpoint takes no tenant header at all; elsewhere the caller may know what is wrong with it.
        let global = match target {
            Target::Endpoint(endpoint) => endpoint.scope() == EndpointScope::Global,
            Target::Roles => !matches!(method, RequestMethod::Get | RequestMethod::Head),
            _ => false,
        };
        return Err(if global {
            ApiError::Refused(Refusal::Denied(caller.entry.id, Reason::TenantHeaderAtGlobalEndpoint))
        } else {
            Violation::new(&codes::TENANT_ID_COULD_NOT_CONVERT).into()
        });
    }
    Ok(caller)
}

/// Lets a request through about which a gateway asks: its own method and path, its credential, and the address from which
/// it came. The path may be anything, Claviger's own paths included.
///
/// # Errors
/// [`ApiError::Refused`], of which [`Refusal::is_forbidden`] tells those that the right key does not help against;
/// [`ApiError::Unavailable`] while this node has no lease.
pub(crate) fn admit_for_gateway(
    state: &AppState,
    method: RequestMethod,
    path: Path<'_>,
    credential: Credential<'_>,
    tenant: TenantHeader,
    address: Option<IpAddr>,
) -> Result<Caller, ApiError> {
    let caller = present(state, method, path, credential, tenant, address).map_err(told_to_gateways)?;
    if tenant == TenantHeader::Malformed {
        return Err(ApiError::Refused(Refusal::MalformedTenant(caller.entry.id)));
    }
    Ok(caller)
}

/// What a gateway is told of a request that may go on.
pub(crate) struct Passed {
    /// What this use of the API key counts for.
    pub(crate) used: UsedValue,
    /// When that was.
    pub(crate) now: Instant,
    /// The one tenant that the request can touch.
    pub(crate) tenant_id: Option<TenantId>,
}

/// The same as [`admit_for_gateway`] for whoever needs no [`Caller`]: nothing is copied of the key but what is answered. `use_name`
/// sees the name of the key that was let through.
///
/// # Errors
/// As [`admit_for_gateway`].
pub(crate) fn pass_for_gateway<R>(
    state: &AppState,
    method: RequestMethod,
    path: Path<'_>,
    credential: Credential<'_>,
    tenant: TenantHeader,
    address: Option<IpAddr>,
    use_name: impl FnOnce(&str) -> R,
) -> Result<(Passed, Option<R>), ApiError> {
    let digest = digest(state, credential)?;
    let request = Request { method, path, tenant_id: tenant.id(), address, now: state.now() };
    let decided = undisturbed(state, || {
        state.keyring.with_or_decoy(&digest, |found, known| {
            let scope = judge(state, found.id, &found.access, known, &request)?;
            let used = UsedValue { api_key_id: found.id, earlier: found.earlier_value };
            let passed = Passed { used, now: request.now, tenant_id: scope.tenant() };
            Ok((passed, found.name.map(use_name)))
        })
    });
    let (passed, name) = decided.map_err(told_to_gateways)?;
    if tenant == TenantHeader::Malformed {
        return Err(ApiError::Refused(Refusal::MalformedTenant(passed.used.api_key_id)));
    }
    Ok((passed, name))
}

/// The error as a gateway is told of it. The one thing that can be invalid in a request is the tenant that it names.
pub(crate) fn told_to_gateways(error: ApiError) -> ApiError {
    match error {
        ApiError::Invalid(_) => ApiError::Refused(Refusal::NoSuchTenant),
        error => error,
    }
}

/// From the credential to the decision. A malformed tenant header is left to whoever asks.
fn present(
    state: &AppState,
    method: RequestMethod,
    path: Path<'_>,
    credential: Credential<'_>,
    tenant: TenantHeader,
    address: Option<IpAddr>,
) -> Result<Caller, ApiError> {
    let digest = digest(state, credential)?;
    pass(state, digest, Asked { method, path: path.to_string().into(), tenant_id: tenant.id(), address })
}

/// The digest of the API key that is presented.
fn digest(state: &AppState, credential: Credential<'_>) -> Result<ApiKeyDigest, ApiError> {
    let presented = match credential {
        Credential::None => return Err(ApiError::Refused(Refusal::NoCredential)),
        Credential::Basic(_) | Credential::Bearer(_) | Credential::OtherScheme => {
            return Err(ApiError::Refused(Refusal::OtherScheme));
        }
        Credential::ApiKey(presented) => presented,
    };
    if !state.serves() {
        return Err(ApiError::Unavailable(None));
    }
    if state.is_mistyped(presented) {
        return Err(ApiError::Refused(Refusal::Mistyped));
    }
    Ok(state.digester.digest(presented))
}

/// Looks the key up and decides.
fn pass(state: &AppState, digest: ApiKeyDigest, asked: Asked) -> Result<Caller, ApiError> {
    let Asked { method, tenant_id, address, .. } = asked;
    let path = Path::parse(asked.path.as_bytes()).map_err(|_| ApiError::NoSuchPath)?;
    let request = Request { method, path, tenant_id, address, now: state.now() };
    let (entry, scope) = undisturbed(state, || {
        let (entry, known) = state.keyring.find_or_decoy(&digest);
        let scope = judge(state, entry.id, &entry.access(), known, &request)?;
        Ok((entry, scope))
    })?;
    Ok(Caller { digest, entry, scope, asked })
}

/// A decision from memory. A refusal counts only if memory was whole all the time: while it is loaded again, a key may be
/// missing from it.
fn undisturbed<T>(state: &AppState, decide: impl FnOnce() -> Result<T, ApiError>) -> Result<T, ApiError> {
    let generation = state.generation();
    match state.serves().then(decide) {
        Some(Ok(decided)) => Ok(decided),
        Some(Err(error)) if state.serves() && state.generation() == generation => Err(error),
        Some(Err(_)) | None => Err(ApiError::Unavailable(None)),
    }
}

/// Takes the same steps whatever is wrong with the key: one that is not known is decided about as if it were one that may do
/// nothing.
fn judge(
    state: &AppState,
    id: ApiKeyId,
    access: &Access<'_>,
    known: bool,
    request: &Request<'_>,
) -> Result<TenantScope, ApiError> {
    let in_use = |tenant: TenantId| state.keyring.tenant_state(&tenant) == Some(TenantState::Active);
    let own_in_use = in_use(access.tenant_id.unwrap_or(state.default_tenant_id));
    let named_in_use = request.tenant_id.is_none_or(in_use);
    let decision = claviger_authz::decide(access, request);
    if !known {
        return Err(ApiError::Refused(Refusal::UnknownKey));
    }
    if access.tenant_id.is_some() && !own_in_use {
        return Err(ApiError::Refused(Refusal::TenantGone(id)));
    }
    match decision {
        Decision::Deny(reason) => Err(ApiError::Refused(Refusal::Denied(id, reason))),
        Decision::Allow(_) if !named_in_use => Err(Violation::new(&codes::INVALID_TENANT_ID).into()),
        Decision::Allow(scope) => Ok(scope),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// However late it is found out: a request for a tenant that is not in use is no fault of this node.
    #[test]
    fn gateways_are_refused_for_tenants_that_are_not_in_use() {
        let unknown = ApiError::from(&codes::INVALID_TENANT_ID);
        assert!(matches!(told_to_gateways(unknown), ApiError::Refused(Refusal::NoSuchTenant)));
        let gone = Refusal::TenantGone(ApiKeyId::from_u128(1));
        assert!(matches!(told_to_gateways(ApiError::Refused(gone)), ApiError::Refused(told) if told == gone));
        assert!(matches!(told_to_gateways(ApiError::Unavailable(None)), ApiError::Unavailable(None)));
    }

    #[test]
    fn every_refusal_has_its_place_among_the_names() {
        let id = ApiKeyId::from_u128(1);
        let denied = Reason::ALL.map(|reason| Refusal::Denied(id, reason));
        let all: Vec<_> = Refusal::WITHOUT_REASON.into_iter().chain(denied).collect();
        let names: Vec<_> = Refusal::names().collect();
        assert_eq!(names.len(), all.len());
        for (place, refusal) in all.into_iter().enumerate() {
            assert_eq!((refusal.place(), names[place]), (place, refusal.as_str()));
        }
    }
}
