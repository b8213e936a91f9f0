//! What an API key may do, in the form that decisions read: its permissions compiled, beside the facts of the key.

use claviger_domain::{EndpointPath, Instant, Method, MethodSet, Permissions, TenantId};

use crate::Endpoint;
use crate::catalogue::COUNT;

/// The permissions of a key, compiled against the catalogue. Two values are equal if they grant the same, so that
/// keys with the same permissions can share one.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct CompiledPermissions(Rules);

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Rules {
    All,
    Only {
        /// The methods of each endpoint, by its place in the catalogue.
        known: [MethodSet; COUNT],
        /// What is granted beyond the catalogue, sorted by path. It opens nothing, but counts when permissions are
        /// compared: a key must not hand on what it does not hold, even if that means something only tomorrow.
        foreign: Box<[(EndpointPath, MethodSet)]>,
    },
}

impl CompiledPermissions {
    /// Whether `method` at `endpoint` is granted. Says nothing about tenants: see [`decide`](crate::decide).
    #[must_use]
    pub fn allows(&self, endpoint: Endpoint, method: Method) -> bool {
        match &self.0 {
            Rules::All => true,
            Rules::Only { known, .. } => {
                known.get(endpoint.index()).is_some_and(|methods| methods.contains(method))
            }
        }
    }

    /// Whether everything that `other` grants is granted here too (FusionAuth: API Keys, "equal or greater
    /// permissions"). Unrestricted permissions cover everything and are covered by nothing else, however long a list
    /// may be.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        match (&self.0, &other.0) {
            (Rules::All, _) => true,
            (Rules::Only { .. }, Rules::All) => false,
            (Rules::Only { known, foreign }, Rules::Only { known: other_known, foreign: other_foreign }) => {
                known.iter().zip(other_known).all(|(own, other)| own.covers(*other))
                    && other_foreign.iter().all(|(path, methods)| {
                        foreign
                            .binary_search_by(|(own, _)| own.cmp(path))
                            .ok()
                            .and_then(|index| foreign.get(index))
                            .is_some_and(|(_, own)| own.covers(*methods))
                    })
            }
        }
    }
}

impl From<&Permissions> for CompiledPermissions {
    /// Compiles. An endpoint without methods grants nothing and leaves no trace.
    fn from(permissions: &Permissions) -> Self {
        let none = claviger_domain::EndpointPermissions::default();
        let endpoints = match permissions {
            Permissions::All => return Self(Rules::All),
            Permissions::Only(endpoints) => endpoints,
            Permissions::Roles(_) => &none,
        };
        let mut known = [MethodSet::EMPTY; COUNT];
        let mut foreign = Vec::new();
        for (path, methods) in endpoints.iter().filter(|(_, methods)| !methods.is_empty()) {
            let place = Endpoint::find(path.as_str()).and_then(|endpoint| known.get_mut(endpoint.index()));
            match place {
                Some(place) => *place = methods,
                None => foreign.push((path.clone(), methods)),
            }
        }
        Self(Rules::Only { known, foreign: foreign.into_boxed_slice() })
    }
}

/// The facts of one API key that a decision rests on.
#[derive(Debug, Clone, Copy)]
pub struct Access<'a> {
    /// What it may call.
    pub permissions: &'a CompiledPermissions,
    /// Whether it may manage API keys.
    pub key_manager: bool,
    /// The one tenant that it is bound to; `None` is a global key.
    pub tenant_id: Option<TenantId>,
    /// From this instant on it is refused; `None`: never.
    pub expiration_instant: Option<Instant>,
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
            Method::ALL.into_iter().filter(|method| permissions.allows(user, *method)).collect();
        assert_eq!(granted, [Method::Get, Method::Post]);
        for other in Endpoint::all().filter(|endpoint| *endpoint != user) {
            assert!(Method::ALL.into_iter().all(|method| !permissions.allows(other, method)), "{other}");
        }
    }

    #[test]
    fn an_empty_list_is_nothing_and_no_list_everything() {
        for endpoint in Endpoint::all() {
            for method in Method::ALL {
                assert!(!only("").allows(endpoint, method) && !only(":/api/user").allows(endpoint, method));
                assert!(all().allows(endpoint, method));
            }
        }
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
        covers(&only("GET:/v1"), &only("GET:/v1/orders"), false);
        covers(&only("GET:/api/user"), &only("GET:/v1/orders"), false);
        let every: Vec<_> = Endpoint::all().map(|e| format!("DELETE,GET,PATCH,POST,PUT:{e}")).collect();
        covers(&only(&every.join("\n")), &all(), false);
        covers(&all(), &only(&every.join("\n")), true);
    }

    #[test]
    fn equal_if_they_grant_the_same() {
        assert_eq!(only(""), only(":/api/user\n:/v1/orders"));
        assert_eq!(only("GET:/b\nGET:/a\nPUT:/a"), only("PUT,GET:/a\nGET:/b"));
        assert_ne!(only("GET:/a"), only("PUT:/a"));
        assert_ne!(only(""), all());
    }
}
