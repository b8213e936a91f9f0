//! What an entity token may do with the API behind a gateway: what it says of the entity that stands for that API.
//!
//! Each name of a permission is one entry of a list as API keys have them, `GET:/v1/orders` or, for every method,
//! `*:/v1/orders`. From there on the engine decides as it does about an API key of the same tenant with that list. Such a
//! token gets no further than to an answer for a gateway: no operation takes what comes out of here for its caller.

use std::net::IpAddr;

use claviger_authz::{Access, CompiledPermissions, Decision, Path, Request};
use claviger_domain::{
    EndpointPath, EndpointPermissions, EntityId, Instant, Method, MethodSet, Permissions, RequestMethod,
    SecretText, TenantId, TenantScope,
};

use super::entity_token::{self, EntityToken};
use crate::error::ApiError;
use crate::gate::{Refusal, TenantHeader};
use crate::state::AppState;

/// What a live token may do with the API that the setting names.
pub(crate) struct EntityRights {
    /// Whose token it is.
    pub(crate) entity_id: EntityId,
    tenant_id: TenantId,
    expires: Instant,
    permissions: CompiledPermissions,
}

impl EntityRights {
    /// What the engine asks for.
    pub(crate) fn access(&self) -> Access<'_> {
        Access {
            tenant_id: Some(self.tenant_id),
            expiration_instant: Some(self.expires),
            ..Access::new(&self.permissions)
        }
    }
}

/// What the token may do with the API for which `audience` stands; `None` if it is not for that one, or there is no such
/// entity in its tenant.
///
/// # Errors
/// Failures of the database.
pub(crate) fn rights(
    state: &AppState,
    token: &EntityToken,
    audience: EntityId,
) -> Result<Option<EntityRights>, ApiError> {
    if !token.audience.contains(&audience) {
        return Ok(None);
    }
    let scope = TenantScope::One(token.tenant_id);
    let found = state.store.read::<_, ApiError>(|tx| Ok(tx.find_entity(audience, scope)?))?;
    Ok(found.map(|_| EntityRights {
        entity_id: token.entity_id,
        tenant_id: token.tenant_id,
        expires: token.expires,
        permissions: permissions(token.permissions.get(&audience).into_iter().flatten()),
    }))
}

fn permissions<'a>(names: impl Iterator<Item = &'a String>) -> CompiledPermissions {
    let mut list = EndpointPermissions::default();
    for (path, methods) in names.filter_map(|name| entry(name)) {
        list.add(path, methods);
    }
    CompiledPermissions::from(&Permissions::Only(list))
}

/// The entry that a permission of this name stands for; `None` for names of any other form, which allow nothing here.
fn entry(name: &str) -> Option<(EndpointPath, MethodSet)> {
    let (method, path) = name.split_once(':')?;
    let methods = match method {
        "*" => MethodSet::ALL,
        method => MethodSet::EMPTY.with(method.parse::<Method>().ok()?),
    };
    Some((EndpointPath::try_from(path).ok()?, methods))
}

/// A request about which a gateway asks, with a token that may be an entity's.
pub(crate) struct RequestWithToken {
    pub(crate) token: SecretText,
    /// The entity that stands for the API.
    pub(crate) audience: EntityId,
    pub(crate) method: RequestMethod,
    /// The path, which was parsed once and can be again.
    pub(crate) path: Box<str>,
    pub(crate) tenant: TenantHeader,
    pub(crate) address: Option<IpAddr>,
}

/// An entity whose request was let through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct AdmittedEntity {
    pub(crate) entity_id: EntityId,
    /// Its tenant, and so that of the request.
    pub(crate) tenant_id: TenantId,
}

/// Lets a request through whose token allows it; not for the event loop.
///
/// # Errors
/// [`ApiError::Refused`], failures of the database, and [`ApiError::Unavailable`] while this node does not hold it.
pub(crate) fn admit(state: &AppState, asked: &RequestWithToken) -> Result<AdmittedEntity, ApiError> {
    let refused = |refusal| Err(ApiError::Refused(refusal));
    let Some(token) = entity_token::verify(state, asked.token.expose(), state.now())? else {
        return refused(Refusal::UnknownToken);
    };
    let Some(rights) = rights(state, &token, asked.audience)? else {
        return refused(Refusal::OtherAudience(token.entity_id));
    };
    let (entity_id, tenant_id) = (rights.entity_id, rights.tenant_id);
    let path = Path::parse(asked.path.as_bytes()).map_err(|_| ApiError::NoSuchPath)?;
    let named = match asked.tenant {
        TenantHeader::Tenant(id) => Some(id),
        TenantHeader::Absent | TenantHeader::Malformed => None,
    };
    let request =
        Request { method: asked.method, path, tenant_id: named, address: asked.address, now: state.now() };
    match claviger_authz::decide(&rights.access(), &request) {
        Decision::Deny(reason) => refused(Refusal::DeniedToEntity(entity_id, reason)),
        Decision::Allow(_) if asked.tenant == TenantHeader::Malformed => {
            refused(Refusal::MalformedTenantOfEntity(entity_id))
        }
        Decision::Allow(_) => Ok(AdmittedEntity { entity_id, tenant_id }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_one_form_are_entries() {
        for (name, expected) in [
            ("GET:/v1/orders", "GET:/v1/orders"),
            ("*:/v1/orders", "DELETE,GET,PATCH,POST,PUT:/v1/orders"),
            ("DELETE:/", "DELETE:/"),
            ("PUT:/v1/a:b", "PUT:/v1/a:b"),
            ("GET:/api/user", "GET:/api/user"),
        ] {
            let (path, methods) = entry(name).unwrap();
            assert_eq!(format!("{methods}:{path}"), expected);
        }
        for other in [
            "",
            ":",
            "read",
            "scim:user:read",
            "GET",
            "GET:",
            "GET:v1",
            ":/v1",
            "get:/v1",
            "HEAD:/v1",
            "OPTIONS:/v1",
            "GET,POST:/v1",
            "**:/v1",
            "* :/v1",
            "GET :/v1",
            " GET:/v1",
            "GET: /v1",
            "GET:/v1 ",
            "GET:/v 1",
            "/v1",
            "*",
            "*:*",
            "GET:/v1\n",
        ] {
            assert_eq!(entry(other), None, "{other:?}");
        }
    }

    #[test]
    fn names_add_up_and_the_longest_decides() {
        let names = ["GET:/v1", "POST:/v1", "GET:/v1/closed", "everything", "DELETE:"].map(str::to_owned);
        let permissions = permissions(names.iter());
        let allowed = |method, path: &str| {
            let path = Path::parse(path.as_bytes()).unwrap();
            let request = Request::new(method, path, Instant::from_epoch_millis(0));
            matches!(claviger_authz::decide(&Access::new(&permissions), &request), Decision::Allow(_))
        };
        assert!(allowed(RequestMethod::Get, "/v1/a") && allowed(RequestMethod::Post, "/v1/a"));
        assert!(
            allowed(RequestMethod::Head, "/v1/closed/a") && !allowed(RequestMethod::Post, "/v1/closed/a")
        );
        for path in ["/", "/v2", "/v1-old", "/api/user", "/api/api-key"] {
            assert!(!allowed(RequestMethod::Get, path), "{path}");
        }
        assert!(!permissions.are_unrestricted() && !self::permissions([].iter()).are_unrestricted());
    }
}
