//! Which permissions of a key matched a request: what a token for the upstream says about an allowed one.

use std::collections::BTreeSet;
use std::fmt;

use claviger_domain::{MethodSet, RequestMethodSet};

use crate::access::Rules;
use crate::decision::Checks;
use crate::{Access, Path, Request, Target};

/// A permission that matched a request. `Display` writes it in one line, as command line and roles do.
///
/// In that line, what would mean something else there is percent-encoded: `%`, `*`, `:`, `{` and `}` in the path of an entry,
/// where they stand for themselves, and whatever cannot stand in a fragment of a pattern. A line says by what this request was allowed. It says
/// nothing about other requests: what lies below an entry may be taken away by a longer one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Matched {
    /// An entry of the key's list, with the methods that it grants on the path of the request: `GET,POST:/v1/orders`.
    Entry {
        /// The methods.
        methods: MethodSet,
        /// The path of the entry: an endpoint, or the start of paths of another service.
        path: String,
    },
    /// A pattern of a role: `GET:/collections/C1/**`. Where the role has a list of values the one stands that the request
    /// has. Of a key without any restriction it is `/**` with every method; of a key manager on the paths that are open to key
    /// managers alone, these paths. Patterns are without the base `/api`.
    Pattern {
        /// The methods.
        methods: RequestMethodSet,
        /// The path of the pattern.
        path: String,
    },
}

impl fmt::Display for Matched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Entry { methods, path } => write!(f, "{methods}:{path}"),
            Self::Pattern { methods, path } => write!(f, "{methods}:{path}"),
        }
    }
}

/// The permissions of the key that match the request; none if and only if its permissions do not allow the request. Nothing
/// else is looked at: whether the key may be used at all, and in which tenant, is [`decide`](crate::decide)'s to say.
///
/// A list grants by one entry. An entry that says what the next shorter one says anyway is not told from that; where the
/// entry that decides differs from the request in spelling alone, it is the one above it, with the methods that are left.
#[must_use]
pub fn matched(access: &Access<'_>, request: &Request<'_>) -> Vec<Matched> {
    if Checks::new(access, request).not_permitted.is_some() {
        return Vec::new();
    }
    match (Target::of(&request.path), &access.permissions.0) {
        // Those that a flag of the key opens, and no list.
        (Target::ApiKeys, _) | (Target::Roles, Rules::All | Rules::Only { .. }) => {
            vec![everything_below(&format!("/{}", second_segment(&request.path)))]
        }
        (_, Rules::All) => vec![everything_below("")],
        (_, Rules::Roles(patterns)) => patterns
            .matching(request.method, &request.path)
            .map(|(methods, path)| Matched::Pattern { methods, path })
            // Patterns that differ in other values are alike here.
            .collect::<BTreeSet<_>>()
            .into_iter()
            .collect(),
        (Target::Endpoint(endpoint), Rules::Only { known, .. }) => {
            let methods = known.get(endpoint.index()).copied().unwrap_or_default();
            vec![Matched::Entry { methods, path: endpoint.as_str().to_owned() }]
        }
        (_, Rules::Only { foreign, .. }) => foreign
            .granting(&request.path)
            .map(|(path, methods)| Matched::Entry { methods, path: literally(path) })
            .into_iter()
            .collect(),
    }
}

/// The path of an entry, in which nothing is a wildcard, a variable or the end of the path to whoever reads it as a role's.
fn literally(path: &str) -> String {
    let mut written = String::with_capacity(path.len() + 1);
    written.push('/');
    for c in path.chars() {
        match c {
            '%' => written.push_str("%25"),
            '*' => written.push_str("%2A"),
            ':' => written.push_str("%3A"),
            '{' => written.push_str("%7B"),
            '}' => written.push_str("%7D"),
            c => written.push(c),
        }
    }
    written
}

fn everything_below(path: &str) -> Matched {
    Matched::Pattern { methods: RequestMethodSet::ALL, path: format!("{path}/**") }
}

/// The one behind `api`, by which the targets without a list are told apart.
fn second_segment<'a>(path: &Path<'a>) -> &'a str {
    path.segments().nth(1).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use claviger_domain::{Instant, Permissions, RequestMethod, RolePermission};

    use super::*;
    use crate::CompiledPermissions;

    const EVERY: &str = "GET,POST,PUT,DELETE,PATCH,HEAD,OPTIONS";

    fn only(text: &str) -> CompiledPermissions {
        CompiledPermissions::from(&Permissions::Only(text.parse().unwrap()))
    }

    fn roles(lines: &[&str]) -> CompiledPermissions {
        let permissions: Vec<RolePermission> = lines.iter().map(|line| line.parse().unwrap()).collect();
        CompiledPermissions::of_roles(&permissions)
    }

    #[track_caller]
    fn check(access: &Access<'_>, method: RequestMethod, path: &str, expected: &[&str]) {
        let request =
            Request::new(method, Path::parse(path.as_bytes()).unwrap(), Instant::from_epoch_millis(0));
        let lines: Vec<_> = matched(access, &request).iter().map(ToString::to_string).collect();
        assert_eq!(lines, expected, "{method} {path}");
    }

    #[test]
    fn lists_match_by_one_entry() {
        use RequestMethod::{Delete, Get, Head, Options, Post};
        let list = only(
            "GET,POST:/api/user\nGET:/api/user/search\nGET,POST:/v1/orders\nGET:/v1/orders/audit\nGET:/v1/*",
        );
        let key = Access::new(&list);
        check(&key, Post, "/api/user/7", &["GET,POST:/api/user"]);
        check(&key, Get, "/api/user/search", &["GET:/api/user/search"]);
        check(&key, Head, "/v1/orders/7/lines", &["GET,POST:/v1/orders"]);
        check(&key, Get, "/v1/orders/audit/7", &["GET:/v1/orders/audit"]);
        check(&key, Get, "/v1/*/7", &["GET:/v1/%2A"]);
        for (method, path) in [
            (Post, "/v1/orders/audit"),
            (Delete, "/v1/orders"),
            (Options, "/v1/orders"),
            (Get, "/v2"),
            (Get, "/v1/Orders"),
            (Get, "/api/User"),
            (Get, "/api/api-key"),
            (Get, "/oauth2/token"),
        ] {
            check(&key, method, path, &[]);
        }
    }

    /// Read as a role's, `GET:/v1/{id}:id=5` would be about `/v1/5`.
    #[test]
    fn entries_are_never_read_as_more_than_they_are() {
        use RequestMethod::Get;
        let list = only("GET:/v1/a:id=5\nGET:/v1/{id}:id=5\nGET:/v1/**\nGET:/v1/x:y\nGET:/v1/%3A");
        let key = Access::new(&list);
        for (path, expected) in [
            ("/v1/a:id=5/b", "GET:/v1/a%3Aid=5"),
            ("/v1/{id}:id=5", "GET:/v1/%7Bid%7D%3Aid=5"),
            ("/v1/**", "GET:/v1/%2A%2A"),
            ("/v1/x:y", "GET:/v1/x%3Ay"),
            ("/v1/%3A", "GET:/v1/%253A"),
        ] {
            check(&key, Get, path, &[expected]);
            // What can be read as a role's at all is about nothing that the key may not do.
            let read: Result<RolePermission, _> = expected.parse();
            let granted = CompiledPermissions::of_roles(read.as_ref().ok());
            for other in ["/v1/a", "/v1/5", "/v1/b", "/v1/x"] {
                check(&Access::new(&granted), Get, other, &[]);
                check(&key, Get, other, &[]);
            }
        }
    }

    #[test]
    fn another_spelling_leaves_the_entry_above_with_what_both_grant() {
        use RequestMethod::{Get, Post};
        let list = only("GET,POST:/v1\nGET,PUT:/v1/Orders\n:/v1/secret");
        let key = Access::new(&list);
        check(&key, Get, "/v1/orders/7", &["GET:/v1"]);
        check(&key, Get, "/v1/Orders/7", &["GET,PUT:/v1/Orders"]);
        check(&key, Post, "/v1/orders", &[]);
        check(&key, Get, "/v1/SECRET", &[]);
        check(&key, Get, "/V1", &[]);
    }

    #[test]
    fn roles_match_by_every_pattern_with_the_value_of_the_request() {
        use RequestMethod::{Get, Post};
        let patterns = roles(&[
            "GET:/collections/**",
            "GET,POST:/collections/{id}/{id}/*:id=C1,C2,a b",
            "GET:/{what}/**/x:what=collections,apps",
            "POST:/collections/C1",
            "POST:/collections/{id}:id=C1,C3",
        ]);
        let key = Access::new(&patterns);
        check(
            &key,
            Get,
            "/api/collections/C2/a%20b/x",
            &["GET:/collections/**", "GET:/collections/**/x", "GET,POST:/collections/C2/a%20b/*"],
        );
        check(&key, Post, "/collections/C1", &["POST:/collections/C1"]);
        check(&key, Post, "/collections/C2", &[]);
        // What a value holds is no wildcard, and no end of the path.
        let odd = roles(&["GET:/{a}/{b}/{c}:a=**;b=x:y;c=ü{,}"]);
        check(&Access::new(&odd), Get, "/**/x:y/%C3%BC%7B,%7D", &[]);
        let odd = roles(&["GET:/{a}/{b}/{c}:a=**;b=x:y;c=ü{"]);
        check(&Access::new(&odd), Get, "/**/x:y/%C3%BC%7B", &["GET:/%2A%2A/x%3Ay/ü%7B"]);
    }

    #[test]
    fn a_key_without_restriction_matches_by_one_pattern() {
        let all = CompiledPermissions::from(&Permissions::All);
        let everything = format!("{EVERY}:/**");
        assert!(everything.parse::<RolePermission>().is_ok());
        for path in ["/", "/v1/orders", "/api/user", "/oauth2/token"] {
            check(&Access::new(&all), RequestMethod::Options, path, &[&everything]);
        }
        let admin = roles(&["GET,POST,PUT,DELETE,PATCH,HEAD:/**"]);
        check(&Access::new(&admin), RequestMethod::Get, "/v1", &[&everything]);
        check(&Access::new(&all), RequestMethod::Get, "/api/USER", &[]);
    }

    #[test]
    fn key_managers_match_by_the_paths_that_are_theirs() {
        let list = only("GET:/v1");
        let manager = Access { key_manager: true, ..Access::new(&list) };
        for (path, expected) in [
            ("/api/api-key/7", "/api-key/**"),
            ("/api/authorize", "/authorize/**"),
            ("/api/roles/7", "/roles/**"),
        ] {
            let expected = format!("{EVERY}:{expected}");
            check(&manager, RequestMethod::Post, path, &[&expected]);
            check(&Access::new(&list), RequestMethod::Post, path, &[]);
        }
        let all = CompiledPermissions::from(&Permissions::All);
        check(&Access::new(&all), RequestMethod::Get, "/api/api-key", &[]);
        let reader = roles(&["GET:/roles/**"]);
        check(&Access::new(&reader), RequestMethod::Get, "/api/roles/7", &["GET:/roles/**"]);
    }
}
