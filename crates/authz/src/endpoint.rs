//! Endpoints: what permissions are given for, and how the path of a request leads to one.

use std::fmt;

use claviger_domain::MethodSet;

use crate::Path;
use crate::catalogue::{CATALOGUE, Row};
use crate::tree::{self, Step};

/// Which API keys reach an endpoint, whatever their permissions say (FusionAuth: API Authentication, global and
/// tenant-scoped keys).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EndpointScope {
    /// Keys without a tenant, on requests that name no tenant.
    Global,
    /// Keys of every kind; the work is done within the tenant, if there is one.
    Tenant,
}

impl EndpointScope {
    /// A name for logs and interfaces.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Global => "global",
            Self::Tenant => "tenant",
        }
    }
}

/// An endpoint of the catalogue: a path without identifier segments, such as `/api/user`. Endpoints compare by their
/// place in the catalogue, which is sorted by the segments of the paths.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Endpoint(&'static Row);

impl Endpoint {
    /// The endpoint with exactly this path. Case matters, and so does a slash at the end.
    #[must_use]
    pub fn find(path: &str) -> Option<Self> {
        let mut node = tree::root()?;
        for segment in path.strip_prefix('/')?.split('/') {
            node = node.child(segment)?;
        }
        node.row().map(Self)
    }

    /// The endpoint that the path of a request leads to.
    ///
    /// From left to right, a segment that the catalogue knows at its place is a literal; any other is an identifier,
    /// and identifiers stand only behind the path of an endpoint. So `/api/user/search` is not `/api/user` with the
    /// identifier `search`, `/api/application/{applicationId}/role/{roleId}` is `/api/application/role`, and
    /// `/v1/api/user` is nothing. There is no way back from a literal: `/api/webauthn/register`, only the beginning
    /// of an endpoint, is nothing. So is a path in which a literal is written in another case, since a router that
    /// ignores case would take the segment for the literal that it is not here.
    #[must_use]
    pub fn resolve(path: &Path<'_>) -> Option<Self> {
        match resolve(path) {
            Resolved::Endpoint(endpoint) => Some(endpoint),
            Resolved::OtherCase | Resolved::Nothing => None,
        }
    }

    /// Whether paths of endpoints begin with `/api` and this segment.
    pub(crate) fn is_beginning(segment: &str) -> bool {
        tree::root().and_then(|root| root.child("api")?.child(segment)).is_some()
    }

    /// The path.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        self.0.path
    }

    /// Which keys reach it.
    #[must_use]
    pub const fn scope(self) -> EndpointScope {
        self.0.scope
    }

    /// The methods that FusionAuth implements. A key may list others as well; they are kept and compared, though no
    /// route answers to them.
    #[must_use]
    pub const fn methods(self) -> MethodSet {
        self.0.methods
    }

    /// Every endpoint, in the order of the catalogue.
    pub fn all() -> impl ExactSizeIterator<Item = Self> {
        CATALOGUE.iter().map(Self)
    }

    /// The place in the catalogue.
    pub(crate) fn index(self) -> usize {
        usize::from(self.0.index)
    }
}

/// What a path is to the catalogue.
pub(crate) enum Resolved {
    Endpoint(Endpoint),
    /// A literal of the catalogue stands in it in another case.
    OtherCase,
    Nothing,
}

pub(crate) fn resolve(path: &Path<'_>) -> Resolved {
    let Some(mut node) = tree::root() else { return Resolved::Nothing };
    for segment in path.segments() {
        match node.step(segment) {
            Step::Literal(child) => node = child,
            Step::Unknown if node.row().is_some() => {}
            Step::Unknown => return Resolved::Nothing,
            Step::OtherCase => return Resolved::OtherCase,
        }
    }
    node.row().map_or(Resolved::Nothing, |row| Resolved::Endpoint(Endpoint(row)))
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Endpoint({})", self.0.path)
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_exact_paths_only() {
        for endpoint in Endpoint::all() {
            assert_eq!(Endpoint::find(endpoint.as_str()), Some(endpoint));
        }
        for path in
            ["", "/", "api/user", "/api", "/api/user/", "//api/user", "/API/user", "/api/user/x", "/api/use"]
        {
            assert_eq!(Endpoint::find(path), None, "{path:?}");
        }
    }

    #[track_caller]
    fn check(path: &str, expected: Option<&str>) {
        let parsed = Path::parse(path.as_bytes()).unwrap();
        assert_eq!(Endpoint::resolve(&parsed).map(Endpoint::as_str), expected, "{path}");
    }

    #[test]
    fn literals_come_before_identifiers() {
        check("/api/user", Some("/api/user"));
        check("/api/user/", Some("/api/user"));
        check("/api/user/search", Some("/api/user/search"));
        check("/api/user/search/", Some("/api/user/search"));
        check("/api/user/searches", Some("/api/user"));
        check("/api/user-action/search", Some("/api/user-action"));
        check("/api/application/7/role", Some("/api/application/role"));
        check("/api/application/7/role/8", Some("/api/application/role"));
        check("/api/application/7/roles", Some("/api/application"));
        check("/api/entity/7/grant", Some("/api/entity/grant"));
        check("/api/entity/grant/search", Some("/api/entity/grant/search"));
        check("/api/entity/type/7/permission/8", Some("/api/entity/type/permission"));
        check("/api/user/family/7/8", Some("/api/user/family"));
        check("/api/user/%20", Some("/api/user"));
    }

    #[test]
    fn identifiers_stand_behind_endpoints_only() {
        for path in [
            "/",
            "/api",
            "/api/7",
            "/api/7/user",
            "/v1/api/user",
            "/user",
            "/api/users",
            "/api/jwt/7/vend",
            "/api/webauthn/register",
            "/api/webauthn/register/complete",
            "/api/api-key",
            "/api/api-key/7",
            "/oauth2/token",
        ] {
            check(path, None);
        }
    }

    #[test]
    fn a_literal_in_another_case_is_nothing() {
        check("/API/user", None);
        check("/api/User", None);
        check("/api/user/Search", None);
        check("/api/user/7/SEARCH", None);
        check("/api/user/780E1D5B-EE3B-43B2-AEC8-DB99B99ADC4E", Some("/api/user"));
    }
}
