//! What the path of a request leads to: an endpoint of the catalogue, one of the two interfaces that only some keys reach, or
//! a path that rules for other services speak of.

use crate::endpoint::{Resolved, resolve};
use crate::{Endpoint, Path};

/// What a request is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Target {
    /// An endpoint of the catalogue.
    Endpoint(Endpoint),
    /// `/api/api-key[/{id}]`, `/api/api-key/search`, `/api/api-key/{id}/rotate`, `/api/api-key/{id}/usage` and
    /// `/api/authorize`: only key managers reach them, and permissions neither grant nor withhold them.
    ApiKeys,
    /// `/api/roles[/{id}]`: for key managers, and for keys whose roles say so. Only global keys change roles.
    Roles,
    /// A path of FusionAuth's or Claviger's own that no list can open.
    Reserved,
    /// A path of another service.
    Other,
    /// A path that a program which ignores case would take for one of the above. Nobody is let through.
    OtherCase,
}

/// The first segments behind `/api` of FusionAuth's and Claviger's paths that are in no catalogue.
const RESERVED_WORDS: [&str; 6] = ["api-key", "authorize", "health", "logout", "roles", "scim"];
/// The first segments of such paths elsewhere.
const RESERVED_ROOTS: [&str; 2] = [".well-known", "oauth2"];

/// The last segments of the paths behind one API key.
const API_KEY_ACTIONS: [&str; 2] = ["rotate", "usage"];

impl Target {
    /// What the path leads to.
    #[must_use]
    pub fn of(path: &Path<'_>) -> Self {
        match resolve(path) {
            Resolved::Endpoint(endpoint) => return Self::Endpoint(endpoint),
            Resolved::OtherCase => return Self::OtherCase,
            Resolved::Nothing => {}
        }
        let mut segments = path.segments();
        let known = |words: &[&'static str], segment: &str| {
            words.iter().copied().find(|word| word.eq_ignore_ascii_case(segment))
        };
        let (Some(first), second) = (segments.next(), segments.next()) else { return Self::Other };
        if let Some(word) = known(&RESERVED_ROOTS, first) {
            return if word == first { Self::Reserved } else { Self::OtherCase };
        }
        // The catalogue took every other spelling of `api`.
        let Some(second) = second.filter(|_| first == "api") else { return Self::Other };
        match known(&RESERVED_WORDS, second) {
            Some(word) if word != second => Self::OtherCase,
            Some("api-key") => match (segments.nth(1), segments.next()) {
                (None, _) => Self::ApiKeys,
                (Some(third), None) => match known(&API_KEY_ACTIONS, third) {
                    Some(word) if word == third => Self::ApiKeys,
                    Some(_) => Self::OtherCase,
                    None => Self::Reserved,
                },
                _ => Self::Reserved,
            },
            Some("roles") if segments.nth(1).is_none() => Self::Roles,
            Some("authorize") if segments.next().is_none() => Self::ApiKeys,
            Some(_) => Self::Reserved,
            None if Endpoint::is_beginning(second) => Self::Reserved,
            None => Self::Other,
        }
    }
}

/// Whether no prefix permission can speak of the path.
pub(crate) fn is_reserved(path: &Path<'_>) -> bool {
    Target::of(path) != Target::Other
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(path: &str, expected: Target) {
        assert_eq!(Target::of(&Path::parse(path.as_bytes()).unwrap()), expected, "{path}");
    }

    #[test]
    fn targets() {
        check("/api/user/7", Target::Endpoint(Endpoint::find("/api/user").unwrap()));
        for path in [
            "/api/api-key",
            "/api/api-key/",
            "/api/api-key/7",
            "/api/api-key/search",
            "/api/api-key/7/rotate",
            "/api/api-key/7/usage",
            "/api/api-key/rotate",
            "/api/authorize",
        ] {
            check(path, Target::ApiKeys);
        }
        for path in ["/api/roles", "/api/roles/7"] {
            check(path, Target::Roles);
        }
        for path in [
            "/api/api-key/7/rotated",
            "/api/api-key/7/rotate/8",
            "/api/api-key/7/8/rotate",
            "/api/api-key/7/usage/8",
            "/api/api-key/7/used",
            "/api/roles/7/8",
            "/api/authorize/7",
            "/api/jwt",
            "/api/jwt/issue",
            "/api/jwt/validate",
            "/api/scim/resource/v2/Users",
            "/api/health",
            "/oauth2",
            "/oauth2/token",
            "/.well-known/jwks.json",
            "/api/webauthn/register/complete",
            "/api/passwordless/login",
        ] {
            check(path, Target::Reserved);
        }
        for path in
            ["/", "/api", "/v1/orders", "/api/orders", "/api/users", "/v1/api/user", "/api-key", "/roles"]
        {
            check(path, Target::Other);
        }
        for path in [
            "/API/user",
            "/Api",
            "/api/User",
            "/api/user/Search",
            "/api/Api-key",
            "/api/Authorize",
            "/api/api-key/7/Rotate",
            "/api/api-key/7/USAGE",
            "/api/ROLES/7",
            "/OAuth2/token",
            "/.Well-Known/x",
            "/api/Jwt/issue",
        ] {
            check(path, Target::OtherCase);
        }
    }
}
