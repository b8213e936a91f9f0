//! Entity tokens: what the token endpoint issues for the client credentials of an entity (RFC 6749, section 4.4), verified.
//!
//! Vended tokens can carry any claims; what tells an entity token is the grant in its header, which vending never writes, and
//! a key that is named for the access tokens of just this entity. The owner of an imported public key can write any header,
//! but gets no further than the places where that key is listed.
//!
//! Nothing is kept of a token that was verified: the entity, its type and its tenant are looked at each time, so that a token
//! is dead as soon as the deletion of its entity, or the removal of its key from a list, was answered. Neither `iss` nor
//! grants are compared: a tenant that is given another issuer keeps its live tokens, and what was granted when a token was
//! issued holds until the token expires.

use std::collections::{BTreeMap, BTreeSet};

use claviger_crypto::UnverifiedToken;
use claviger_domain::{EntityId, Instant, KeyId, KeyUsage, TenantId, TenantScope, TenantState};
use serde_json::{Map, Value};

use super::token::parsed_key;
use crate::error::ApiError;
use crate::state::AppState;

/// The grant in the header of entity tokens (RFC 6749, section 4.4.2).
pub(crate) const CLIENT_CREDENTIALS: &str = "client_credentials";

/// A live entity token, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct EntityToken {
    /// Who got it (`sub`).
    pub(crate) entity_id: EntityId,
    /// The tenant of that entity (`tid`).
    pub(crate) tenant_id: TenantId,
    /// For which entities it is (`aud`), as it says; it may be for none.
    pub(crate) audience: Vec<EntityId>,
    /// What may be done with which entity (`permissions`).
    pub(crate) permissions: BTreeMap<EntityId, BTreeSet<String>>,
    /// From this instant on it is refused (`exp`).
    pub(crate) expires: Instant,
    /// All claims, in their order.
    pub(crate) claims: Map<String, Value>,
}

/// Verifies a token; not for the event loop. `None` if it is not a live entity token, whatever the reason.
///
/// The database is asked only about tokens whose signature is right, but for the first use of a key.
///
/// # Errors
/// Failures of the database, and [`ApiError::Unavailable`] while this node does not hold it.
pub(crate) fn verify(state: &AppState, token: &str, now: Instant) -> Result<Option<EntityToken>, ApiError> {
    while_held(state, || {
        let Some((token, key_id)) = plausible(state, token) else { return Ok(None) };
        let Some(key) = parsed_key(state, key_id)? else { return Ok(None) };
        let Ok(claims) = token.verify(&key.verifier, now) else { return Ok(None) };
        let Some(token) = read(claims, now) else { return Ok(None) };
        Ok(is_allowed(state, &token, key.id)?.then_some(token))
    })
}

/// Whether [`verify`] may come to accept a token, as far as that is known in memory within microseconds: it is formed well,
/// says that it comes from the grant, names a key that exists, and, if the key is at hand and quick, is signed with it and
/// still holds. Who only guesses costs neither a thread nor the database anything.
///
/// # Errors
/// [`ApiError::Unavailable`] while this node has no lease.
pub(crate) fn may_be_live(state: &AppState, token: &str, now: Instant) -> Result<bool, ApiError> {
    while_held(state, || {
        let Some((token, key_id)) = plausible(state, token) else { return Ok(false) };
        Ok(match state.derived.parsed_keys.at_hand(key_id) {
            Some(None) => false,
            Some(Some(key)) if !key.verifier.is_slow() => {
                token.verify(&key.verifier, now).is_ok_and(|claims| read(claims, now).is_some())
            }
            Some(Some(_)) | None => true,
        })
    })
}

/// What `look` finds, if this node held the database all the time: while memory is loaded again, a key may be missing from it.
fn while_held<T>(state: &AppState, look: impl FnOnce() -> Result<T, ApiError>) -> Result<T, ApiError> {
    let generation = state.generation();
    if !state.serves() {
        return Err(ApiError::Unavailable(None));
    }
    let found = look()?;
    if state.serves() && state.generation() == generation {
        Ok(found)
    } else {
        Err(ApiError::Unavailable(None))
    }
}

/// A token that is formed well and says that it comes from the grant, and the key that it names.
fn plausible<'a>(state: &AppState, token: &'a str) -> Option<(UnverifiedToken<'a>, KeyId)> {
    let token = UnverifiedToken::parse(token).ok()?;
    if !token.grant_types().iter().any(|grant| grant == CLIENT_CREDENTIALS) {
        return None;
    }
    let key_id = state.derived.parsed_keys.id_of(token.kid()?)?;
    Some((token, key_id))
}

/// Whether the token is of an entity that there is, and this key is for its tokens: one of its type's, where the type has
/// its own, else one of its tenant's. All of it as it was at one moment: a key that moves from the one to the other must be
/// found in its place, and one that was never allowed in neither.
fn is_allowed(state: &AppState, token: &EntityToken, key_id: KeyId) -> Result<bool, ApiError> {
    const USAGES: [KeyUsage; 2] = [KeyUsage::SignAccessTokens, KeyUsage::VerifyAccessTokens];
    let (id, scope) = (token.entity_id, TenantScope::One(token.tenant_id));
    let allowed = state.store.read::<_, ApiError>(|tx| {
        let tenant = tx.find_tenant(token.tenant_id, scope)?;
        let Some(tenant) = tenant.filter(|tenant| tenant.state == TenantState::Active) else {
            return Ok(false);
        };
        let Some(stored) = tx.find_entity(id, scope)? else { return Ok(false) };
        let Some(entity_type) = tx.find_entity_type(stored.entity.entity_type_id)? else { return Ok(false) };
        let named = |usage| {
            let jwt = &entity_type.jwt;
            if jwt.enabled { jwt.key_ids(usage) } else { tenant.jwt.key_ids(usage) }.contains(&key_id)
        };
        Ok(USAGES.into_iter().any(named))
    });
    Ok(allowed?)
}

/// The token with these claims, whose signature is right; `None` if any that an entity token has is missing, of another
/// type, or does not hold at the time `now`. The token endpoint writes times in whole seconds.
fn read(claims: Map<String, Value>, now: Instant) -> Option<EntityToken> {
    let expires = time(claims.get("exp")?)?;
    let begins = |name: &str| claims.get(name).map_or(Some(now), time);
    if expires <= now || begins("iat")? > now || begins("nbf")? > now {
        return None;
    }
    let entity_id = id(claims.get("sub")?)?;
    let tenant_id = claims.get("tid")?.as_str()?.parse().ok()?;
    let audience = match claims.get("aud") {
        None => Vec::new(),
        Some(Value::Array(several)) => several.iter().map(id).collect::<Option<_>>()?,
        Some(one) => vec![id(one)?],
    };
    let mut permissions = BTreeMap::new();
    if let Some(given) = claims.get("permissions") {
        for (on, names) in given.as_object()? {
            let names = names.as_array()?.iter().map(|name| name.as_str().map(str::to_owned));
            // One id in two spellings would be two answers to one question.
            if permissions.insert(on.parse().ok()?, names.collect::<Option<_>>()?).is_some() {
                return None;
            }
        }
    }
    Some(EntityToken { entity_id, tenant_id, audience, permissions, expires, claims })
}

fn id(value: &Value) -> Option<EntityId> {
    value.as_str()?.parse().ok()
}

/// A time in whole seconds since the epoch (RFC 7519, section 2).
fn time(value: &Value) -> Option<Instant> {
    let millis = i64::try_from(value.as_u64()?).ok()?.checked_mul(1000)?;
    Some(Instant::from_epoch_millis(millis)).filter(|instant| *instant <= Instant::MAXIMUM)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const ENTITY: &str = "7e57ab1e-0000-4000-8000-00000000000a";
    const TENANT: &str = "7e57ab1e-0000-4000-8000-00000000000b";
    const TARGET: &str = "7e57ab1e-0000-4000-8000-00000000000c";
    const OTHER: &str = "7e57ab1e-0000-4000-8000-00000000000d";

    fn good() -> Value {
        json!({"aud": TARGET, "exp": 1060, "iat": 1000, "iss": "acme.com", "sub": ENTITY, "jti": OTHER,
            "scope": "x", "tid": TENANT, "permissions": {TARGET: ["read", "write", "read"]}})
    }

    /// Reads the good claims with these changes (`null` takes one away) at 1000.5 seconds after the epoch.
    fn with(changes: Value) -> Option<EntityToken> {
        let mut claims = good();
        for (name, value) in changes.as_object().unwrap() {
            match value {
                Value::Null => drop(claims.as_object_mut().unwrap().shift_remove(name)),
                value => claims[name] = value.clone(),
            }
        }
        read(claims.as_object().unwrap().clone(), Instant::from_epoch_millis(1_000_500))
    }

    #[test]
    fn claims_are_taken_apart() {
        let token = with(json!({})).unwrap();
        let target: EntityId = TARGET.parse().unwrap();
        assert_eq!(token.entity_id.to_string(), ENTITY);
        assert_eq!(token.tenant_id.to_string(), TENANT);
        assert_eq!(
            (token.audience.as_slice(), token.expires.epoch_millis()),
            ([target].as_slice(), 1_060_000)
        );
        let names: Vec<_> = token.permissions[&target].iter().map(String::as_str).collect();
        assert_eq!((names, token.permissions.len()), (vec!["read", "write"], 1));
        assert_eq!(Value::Object(token.claims), good());

        let both = with(json!({"aud": [TARGET, OTHER], "permissions": {TARGET: [], OTHER: ["a"]}})).unwrap();
        assert_eq!((both.audience.len(), both.permissions.len()), (2, 2));
        let none = with(json!({"aud": null, "permissions": null, "iat": null, "scope": null})).unwrap();
        assert!(none.audience.is_empty() && none.permissions.is_empty());
        let empty = with(json!({"aud": [], "permissions": {}})).unwrap();
        assert!(empty.audience.is_empty() && empty.permissions.is_empty());
    }

    #[test]
    fn times_hold_to_the_second() {
        for (changes, live) in [
            (json!({"exp": 1001}), true),
            (json!({"exp": 1000}), false),
            (json!({"exp": 0}), false),
            (json!({"exp": null}), false),
            (json!({"iat": 1001}), false),
            (json!({"nbf": 1000}), true),
            (json!({"nbf": 1001}), false),
            (json!({"exp": 253_402_300_799_u64}), true),
            (json!({"exp": 253_402_300_800_u64}), false),
        ] {
            assert_eq!(with(changes.clone()).is_some(), live, "{changes}");
        }
        for bad in [json!("1000"), json!(999.5), json!(-1), json!([1000]), json!(u64::MAX), json!(1e300)] {
            for name in ["exp", "iat", "nbf"] {
                assert_eq!(with(json!({name: bad})), None, "{name} {bad}");
            }
        }
    }

    #[test]
    fn what_is_missing_or_of_another_type_is_refused() {
        for changes in [
            json!({"sub": null}),
            json!({"sub": "me"}),
            json!({"sub": [ENTITY]}),
            json!({"sub": format!("{{{ENTITY}}}")}),
            json!({"tid": null}),
            json!({"tid": 7}),
            json!({"tid": [TENANT]}),
            json!({"tid": format!("{TENANT} ")}),
            json!({"aud": 7}),
            json!({"aud": ""}),
            json!({"aud": {}}),
            json!({"aud": [[TARGET]]}),
            json!({"aud": [TARGET, 7]}),
            json!({"aud": [TARGET, "not an entity"]}),
            json!({"permissions": ["read"]}),
            json!({"permissions": "read"}),
            json!({"permissions": {TARGET: "read"}}),
            json!({"permissions": {TARGET: {"read": true}}}),
            json!({"permissions": {TARGET: ["read", 7]}}),
            json!({"permissions": {TARGET: null}}),
            json!({"permissions": {"orders": ["read"]}}),
            json!({"permissions": {TARGET: ["read"], TARGET.to_uppercase(): ["write"]}}),
        ] {
            assert_eq!(with(changes.clone()), None, "{changes}");
        }
    }
}
