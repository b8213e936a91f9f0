//! What an API key may do, in the form that decisions read: its permissions compiled, beside the facts of the key.

use claviger_domain::{Instant, Method, MethodSet, Permissions, RequestMethod, RolePermission, TenantId};

use crate::catalogue::COUNT;
use crate::pattern::Patterns;
use crate::prefix::PrefixRules;
use crate::{AddressRules, Endpoint, Path};

/// The permissions of a key, compiled against the catalogue. Two values are equal if they hold the same rules, so that keys
/// with the same permissions can share one.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct CompiledPermissions(pub(crate) Rules);

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Rules {
    All,
    Only {
        /// The methods of each endpoint, by its place in the catalogue.
        known: [MethodSet; COUNT],
        /// What is listed beyond the catalogue.
        foreign: Box<PrefixRules>,
    },
    Roles(Patterns),
}

impl CompiledPermissions {
    /// What these permissions of roles allow together; of none, nothing. Roles that allow the methods of the role `admin`
    /// on every path are no restriction at all.
    #[must_use]
    pub fn of_roles<'a>(permissions: impl IntoIterator<Item = &'a RolePermission>) -> Self {
        let patterns = Patterns::compile(permissions);
        Self(if patterns.are_unrestricted() { Rules::All } else { Rules::Roles(patterns) })
    }

    /// Permissions that open nothing.
    #[must_use]
    pub fn none() -> Self {
        Self(Rules::Roles(Patterns::compile([])))
    }

    /// Whether nothing is restricted.
    #[must_use]
    pub const fn are_unrestricted(&self) -> bool {
        matches!(self.0, Rules::All)
    }

    /// Whether `method` at `endpoint` is granted to a list of endpoints; `path` is what roles go by. Says nothing about
    /// tenants: see [`decide`](crate::decide).
    #[must_use]
    pub fn allow(&self, endpoint: Endpoint, path: &Path<'_>, method: RequestMethod) -> bool {
        match &self.0 {
            Rules::All => true,
            Rules::Only { known, .. } => method.permission_method().is_some_and(|method| {
                known.get(endpoint.index()).is_some_and(|methods| methods.contains(method))
            }),
            Rules::Roles(patterns) => patterns.allow(method, path),
        }
    }

    /// The endpoints of the catalogue that roles open as a whole, whatever identifiers a path of theirs holds, with the
    /// methods. HEAD is not looked at. Empty for permissions that are not made of roles.
    pub fn whole_endpoints(&self) -> impl Iterator<Item = (Endpoint, MethodSet)> {
        let patterns = match &self.0 {
            Rules::Roles(patterns) => Some(patterns),
            Rules::All | Rules::Only { .. } => None,
        };
        let methods = move |endpoint: Endpoint| {
            let opened = |method: &Method| {
                patterns.is_some_and(|patterns| patterns.open_below(endpoint.as_str(), (*method).into()))
            };
            Method::ALL.into_iter().filter(opened).collect::<MethodSet>()
        };
        Endpoint::all()
            .map(move |endpoint| (endpoint, methods(endpoint)))
            .filter(|(_, methods)| !methods.is_empty())
    }

    /// Whether everything that `other` grants is granted here too (FusionAuth: API Keys, "equal or greater
    /// permissions"). Unrestricted permissions cover everything and are covered by nothing else, however long a list
    /// may be. A list covers no role that grants anything and a role no such list: what they speak of differs.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        match (&self.0, &other.0) {
            (Rules::All, _) => true,
            (Rules::Only { .. } | Rules::Roles(_), Rules::All) => false,
            (Rules::Only { known, foreign }, Rules::Only { known: other_known, foreign: other_foreign }) => {
                known.iter().zip(other_known).all(|(own, other)| own.covers(*other))
                    && foreign.covers(other_foreign)
            }
            (Rules::Roles(own), Rules::Roles(other)) => own.covers(other),
            (Rules::Only { .. }, Rules::Roles(other)) => other.is_empty(),
            (Rules::Roles(_), Rules::Only { known, foreign }) => {
                known.iter().all(|methods| methods.is_empty()) && foreign.grant_nothing()
            }
        }
    }
}

impl From<&Permissions> for CompiledPermissions {
    /// Compiles. An endpoint without methods grants nothing. The roles of a key that names some are not known here, so
    /// that they grant nothing: see [`of_roles`](Self::of_roles).
    fn from(permissions: &Permissions) -> Self {
        let endpoints = match permissions {
            Permissions::All => return Self(Rules::All),
            Permissions::Only(endpoints) => endpoints,
            Permissions::Roles(_) => return Self::none(),
        };
        let mut known = [MethodSet::EMPTY; COUNT];
        let mut foreign = Vec::new();
        for (path, methods) in endpoints.iter() {
            match Endpoint::find(path.as_str()).and_then(|endpoint| known.get_mut(endpoint.index())) {
                Some(place) => *place = methods,
                None => foreign.push((path, methods)),
            }
        }
        Self(Rules::Only { known, foreign: Box::new(PrefixRules::compile(foreign)) })
    }
}

/// The facts of one API key that a decision rests on.
#[derive(Debug, Clone, Copy)]
pub struct Access<'a> {
    /// What it may call.
    pub permissions: &'a CompiledPermissions,
    /// Whether it may manage API keys.
    pub key_manager: bool,
    /// Whether it is refused until somebody enables it again.
    pub disabled: bool,
    /// The one tenant that it is bound to; `None` is a global key.
    pub tenant_id: Option<TenantId>,
    /// From this instant on it is refused; `None`: never.
    pub expiration_instant: Option<Instant>,
    /// From which addresses it may be used; `None`: from any, and from nowhere in particular.
    pub addresses: Option<&'a AddressRules>,
}

impl<'a> Access<'a> {
    /// A global key with these permissions: no manager, enabled, without an end, from any address.
    #[must_use]
    pub const fn new(permissions: &'a CompiledPermissions) -> Self {
        Self {
            permissions,
            key_manager: false,
            disabled: false,
            tenant_id: None,
            expiration_instant: None,
            addresses: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn only(text: &str) -> CompiledPermissions {
        CompiledPermissions::from(&Permissions::Only(text.parse().unwrap()))
    }

    fn all() -> CompiledPermissions {
        CompiledPermissions::from(&Permissions::All)
    }

    fn endpoint(path: &str) -> Endpoint {
        Endpoint::find(path).unwrap()
    }

    #[test]
    fn allows_the_pairs_listed() {
        let permissions = only("GET,POST:/api/user\n:/api/group\nGET:/api/user/\nGET:/API/tenant");
        let user = endpoint("/api/user");
        let granted: Vec<_> =
            Method::ALL.into_iter().filter(|method| allows(&permissions, user, *method)).collect();
        assert_eq!(granted, [Method::Get, Method::Post]);
        for other in Endpoint::all().filter(|endpoint| *endpoint != user) {
            assert!(Method::ALL.into_iter().all(|method| !allows(&permissions, other, method)), "{other}");
        }
    }

    #[test]
    fn an_empty_list_is_nothing_and_no_list_everything() {
        for endpoint in Endpoint::all() {
            for method in Method::ALL {
                assert!(
                    !allows(&only(""), endpoint, method) && !allows(&only(":/api/user"), endpoint, method)
                );
                assert!(allows(&all(), endpoint, method));
            }
        }
    }

    fn allows(permissions: &CompiledPermissions, endpoint: Endpoint, method: Method) -> bool {
        let path = Path::parse(endpoint.as_str().as_bytes()).unwrap();
        permissions.allow(endpoint, &path, method.into())
    }

    fn roles(lines: &[&str]) -> CompiledPermissions {
        let permissions: Vec<RolePermission> = lines.iter().map(|line| line.parse().unwrap()).collect();
        CompiledPermissions::of_roles(&permissions)
    }

    #[track_caller]
    fn covers(a: &CompiledPermissions, b: &CompiledPermissions, expected: bool) {
        assert_eq!(a.covers(b), expected, "{a:?} covers {b:?}");
    }

    #[test]
    fn covering() {
        covers(&all(), &all(), true);
        covers(&all(), &only("GET:/api/user"), true);
        covers(&only("GET:/api/user"), &all(), false);
        covers(&only("GET,PUT:/api/user"), &only("GET:/api/user"), true);
        covers(&only("GET:/api/user"), &only("GET,PUT:/api/user"), false);
        covers(&only("GET:/api/user"), &only("GET:/api/user/search"), false);
        covers(&only("GET:/api/user"), &only(""), true);
        covers(&only(""), &only(":/api/user\n:/v1/orders"), true);
        covers(&only("GET:/v1/orders"), &only("GET:/v1/orders"), true);
        covers(&only("GET:/v1/orders"), &only("POST:/v1/orders"), false);
        covers(&only("GET:/v1"), &only("GET:/v1/orders"), true);
        covers(&only("GET:/v1"), &only("GET:/v1/orders\nGET:/api/user"), false);
        covers(&only("GET:/api/user"), &only("GET:/v1/orders"), false);
        let every: Vec<_> = Endpoint::all().map(|e| format!("DELETE,GET,PATCH,POST,PUT:{e}")).collect();
        covers(&only(&every.join("\n")), &all(), false);
        covers(&all(), &only(&every.join("\n")), true);
    }

    #[test]
    fn lists_and_roles_cover_each_other_only_where_nothing_is_granted() {
        let admin = roles(&["GET,POST,PUT,DELETE,PATCH,HEAD:/**"]);
        assert!(admin.are_unrestricted());
        let reader = roles(&["GET:/**"]);
        covers(&admin, &all(), true);
        covers(&all(), &reader, true);
        covers(&reader, &only("GET:/api/user"), false);
        covers(&reader, &only(":/api/user\n:/v1/orders"), true);
        covers(&reader, &roles(&["GET:/collections/*"]), true);
        covers(&only("GET:/"), &roles(&["GET:/x"]), false);
        covers(&only(""), &roles(&[]), true);
        covers(&only(""), &CompiledPermissions::none(), true);
        covers(&CompiledPermissions::none(), &all(), false);
    }

    #[test]
    fn equal_if_they_grant_the_same() {
        assert_eq!(only(""), only(":/api/user\n:/v1/orders"));
        assert_eq!(only("GET:/b\nGET:/a\nPUT:/a"), only("PUT,GET:/a\nGET:/b"));
        assert_ne!(only("GET:/a"), only("PUT:/a"));
        assert_ne!(only(""), all());
    }
}
