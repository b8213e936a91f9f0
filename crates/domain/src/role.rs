//! Roles: named lists of permissions on patterns of paths (Lucidworks Fusion: Roles, Permissions). API keys refer to roles by
//! name, and may do what any of theirs allows.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use crate::{Instant, RequestMethodSet, Revision, RoleId};

/// The longest name of a role, in characters.
pub const MAXIMUM_ROLE_NAME_LENGTH: usize = 191;
/// The most permissions of a role.
pub const MAXIMUM_ROLE_PERMISSIONS: usize = 256;
/// The most values of all variables in all permissions of a role.
pub const MAXIMUM_ROLE_VALUES: usize = 1024;
/// The most roles of an API key.
pub const MAXIMUM_ROLES: usize = 16;
/// The longest pattern, in bytes.
pub const MAXIMUM_PATTERN_LENGTH: usize = 512;
/// The most fragments of a pattern.
pub const MAXIMUM_FRAGMENTS: usize = 16;
/// The most values of one variable.
pub const MAXIMUM_VALUES: usize = 256;
/// The longest value of a variable, in bytes.
pub const MAXIMUM_VALUE_LENGTH: usize = 512;

/// Stands among the values of a variable for the id of the user who calls. An API key has no user: it matches nothing.
pub const OWN_USER_ID: &str = "#ID";

/// A text that is no name of a role.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "the name of a role has 1 to {MAXIMUM_ROLE_NAME_LENGTH} characters, none of them ',' or a control character, and no white space at its ends"
)]
pub struct InvalidRoleName;

/// The name of a role. Without commas, since lists of roles are shown with commas between them.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RoleName(String);

impl RoleName {
    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<&str> for RoleName {
    type Error = InvalidRoleName;

    fn try_from(text: &str) -> Result<Self, InvalidRoleName> {
        let fits =
            text.chars().count() <= MAXIMUM_ROLE_NAME_LENGTH && !text.is_empty() && text.trim() == text;
        if fits && !text.chars().any(|c| c == ',' || c.is_control()) {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidRoleName)
        }
    }
}

impl fmt::Display for RoleName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// One piece of a pattern, between two slashes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Fragment {
    /// Exactly this segment, percent-decoded.
    Literal(String),
    /// `*`: any one segment.
    One,
    /// `**`: any number of segments, none included.
    Any,
    /// `{name}`: one segment, which is among the values that the permission lists for the name.
    Variable(String),
}

/// Why a permission of a role cannot be saved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidRolePermission {
    /// The text form is `METHOD,METHOD:/path` or `METHOD:/path:name=value,value;name=value`.
    #[error("a permission has the form METHOD,METHOD:/path:name=value,value;name=value")]
    Form,
    /// At least one of the seven methods, in capitals.
    #[error("a permission lists at least one of GET, POST, PUT, DELETE, PATCH, HEAD, OPTIONS")]
    Methods,
    /// The path starts with `/` and has at most [`MAXIMUM_PATTERN_LENGTH`] bytes and [`MAXIMUM_FRAGMENTS`] fragments.
    #[error(
        "a path starts with '/' and has at most {MAXIMUM_PATTERN_LENGTH} bytes and {MAXIMUM_FRAGMENTS} fragments"
    )]
    Path,
    /// A fragment that no request can have, or a wildcard that is only a part of one.
    #[error(
        "a fragment is '*', '**', '{{name}}' or a literal; empty ones, dots, percent signs, semicolons, backslashes and control characters are not allowed"
    )]
    Fragment,
    /// A variable without a value, a value for no variable, or a value that no segment can have.
    #[error(
        "every variable of the path, and no other, has 1 to {MAXIMUM_VALUES} values without slashes and control characters"
    )]
    Values,
}

/// "These methods on this path": one permission of a role. Made by [`RolePermission::new`] or from text only, so that its
/// parts fit together.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RolePermission {
    methods: RequestMethodSet,
    path: String,
    fragments: Vec<Fragment>,
    values: BTreeMap<String, Vec<String>>,
}

impl RolePermission {
    /// A permission from its parts. Values keep their order; one that is given twice is kept once.
    ///
    /// # Errors
    /// The first reason found why they do not make one.
    pub fn new(
        methods: RequestMethodSet,
        path: &str,
        values: BTreeMap<String, Vec<String>>,
    ) -> Result<Self, InvalidRolePermission> {
        if methods.is_empty() {
            return Err(InvalidRolePermission::Methods);
        }
        let fragments = fragments(path)?;
        let mut kept = BTreeMap::new();
        for (name, values) in values {
            let known =
                fragments.iter().any(|fragment| matches!(fragment, Fragment::Variable(own) if *own == name));
            if !known || !values.iter().all(|value| is_value(value)) {
                return Err(InvalidRolePermission::Values);
            }
            let mut unique: Vec<String> = Vec::new();
            for value in values {
                if !unique.contains(&value) {
                    unique.push(value);
                }
            }
            if unique.is_empty() || unique.len() > MAXIMUM_VALUES {
                return Err(InvalidRolePermission::Values);
            }
            kept.insert(name, unique);
        }
        let complete = fragments.iter().all(|fragment| match fragment {
            Fragment::Variable(name) => kept.contains_key(name),
            Fragment::Literal(_) | Fragment::One | Fragment::Any => true,
        });
        if !complete {
            return Err(InvalidRolePermission::Values);
        }
        Ok(Self { methods, path: path.to_owned(), fragments, values: kept })
    }

    /// The methods.
    #[must_use]
    pub const fn methods(&self) -> RequestMethodSet {
        self.methods
    }

    /// The path, as given.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The path in pieces.
    #[must_use]
    pub fn fragments(&self) -> &[Fragment] {
        &self.fragments
    }

    /// The values of the variables, by name.
    #[must_use]
    pub const fn values(&self) -> &BTreeMap<String, Vec<String>> {
        &self.values
    }
}

fn fragments(path: &str) -> Result<Vec<Fragment>, InvalidRolePermission> {
    let inner = path.strip_prefix('/').ok_or(InvalidRolePermission::Path)?;
    if path.len() > MAXIMUM_PATTERN_LENGTH {
        return Err(InvalidRolePermission::Path);
    }
    // A slash at the end means as little here as in a request.
    let inner = inner.strip_suffix('/').unwrap_or(inner);
    if inner.is_empty() {
        return if path == "/" { Ok(Vec::new()) } else { Err(InvalidRolePermission::Fragment) };
    }
    let fragments = inner.split('/').map(fragment).collect::<Result<Vec<_>, _>>()?;
    if fragments.len() > MAXIMUM_FRAGMENTS { Err(InvalidRolePermission::Path) } else { Ok(fragments) }
}

fn fragment(text: &str) -> Result<Fragment, InvalidRolePermission> {
    let variable = text.strip_prefix('{').and_then(|rest| rest.strip_suffix('}'));
    let is_name = |name: &str| {
        !name.is_empty()
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'))
    };
    let forbidden = |c: char| c.is_control() || c.is_whitespace() || "*{}%;\\?#:".contains(c);
    match (text, variable) {
        ("*", _) => Ok(Fragment::One),
        ("**", _) => Ok(Fragment::Any),
        (_, Some(name)) if is_name(name) => Ok(Fragment::Variable(name.to_owned())),
        ("" | "." | "..", _) => Err(InvalidRolePermission::Fragment),
        (literal, _) if literal.contains(forbidden) => Err(InvalidRolePermission::Fragment),
        (literal, _) => Ok(Fragment::Literal(literal.to_owned())),
    }
}

fn is_value(value: &str) -> bool {
    !value.is_empty()
        && value.len() <= MAXIMUM_VALUE_LENGTH
        && !value.chars().any(|c| c == '/' || c.is_control())
}

impl fmt::Display for RolePermission {
    /// `METHOD,METHOD:/path:name=value,value;name=value`. Values that contain `,` or `;` cannot be told apart in this form.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.methods, self.path)?;
        for (index, (name, values)) in self.values.iter().enumerate() {
            let separator = if index == 0 { ':' } else { ';' };
            write!(f, "{separator}{name}={}", values.join(","))?;
        }
        Ok(())
    }
}

impl FromStr for RolePermission {
    type Err = InvalidRolePermission;

    /// Reads the text form.
    ///
    /// ```
    /// use claviger_domain::RolePermission;
    ///
    /// let permission: RolePermission = "GET,HEAD:/collections/{id}:id=Collection345,Collection346".parse()?;
    /// assert_eq!(permission.values()["id"], ["Collection345", "Collection346"]);
    /// assert_eq!(permission.to_string(), "GET,HEAD:/collections/{id}:id=Collection345,Collection346");
    /// # Ok::<(), claviger_domain::InvalidRolePermission>(())
    /// ```
    fn from_str(text: &str) -> Result<Self, InvalidRolePermission> {
        let (methods, rest) = text.split_once(':').ok_or(InvalidRolePermission::Form)?;
        let (path, variables) = rest.split_once(':').map_or((rest, None), |(path, rest)| (path, Some(rest)));
        let methods = methods
            .split(',')
            .map(str::parse)
            .collect::<Result<RequestMethodSet, _>>()
            .map_err(|_| InvalidRolePermission::Methods)?;
        let mut values = BTreeMap::new();
        for variable in variables.into_iter().flat_map(|variables| variables.split(';')) {
            let (name, list) = variable.split_once('=').ok_or(InvalidRolePermission::Form)?;
            let list = list.split(',').map(str::to_owned).collect();
            if values.insert(name.to_owned(), list).is_some() {
                return Err(InvalidRolePermission::Form);
            }
        }
        Self::new(methods, path, values)
    }
}

/// A role.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Role {
    /// Names the role in URLs; API keys refer to it by name.
    pub id: RoleId,
    /// Grows with each change.
    pub revision: Revision,
    /// Unique among roles.
    pub name: RoleName,
    /// For people.
    pub desc: Option<String>,
    /// What the role allows.
    pub permissions: Vec<RolePermission>,
    /// Components of a user interface: kept, not acted on.
    pub ui_permissions: Vec<String>,
    /// When the role was made.
    pub insert_instant: Instant,
    /// When the role was last changed.
    pub last_update_instant: Instant,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_samples_of_the_documentation() {
        for (text, fragments) in [
            ("GET,POST,PUT,DELETE,PATCH,HEAD:/**", 1),
            ("GET:/query-pipelines/*", 2),
            ("PATCH:/users/{id}:id=#ID", 2),
            ("GET:/query-pipelines/{id}/collections/{collection}/*:collection=test;id=demo", 5),
            ("GET:/query-pipelines/*/collections/{collection}/*:collection=demo", 5),
            ("GET:/", 0),
        ] {
            let permission: RolePermission = text.parse().unwrap();
            assert_eq!(permission.fragments().len(), fragments, "{text}");
            assert_eq!(permission.to_string(), text);
        }
        let twice: RolePermission = "GET:/{a}/{a}/:a=1,2,1".parse().unwrap();
        assert_eq!(twice.values()["a"], ["1", "2"]);
        assert_eq!(twice.fragments().len(), 2);
    }

    #[track_caller]
    fn refused(text: &str, why: InvalidRolePermission) {
        assert_eq!(text.parse::<RolePermission>(), Err(why), "{text:?}");
    }

    #[test]
    fn refuses_what_cannot_match_as_meant() {
        use InvalidRolePermission::{Form, Fragment, Methods, Path, Values};
        refused("", Form);
        refused("GET", Form);
        refused(":/a", Methods);
        refused("get:/a", Methods);
        refused("GET,:/a", Methods);
        refused("TRACE:/a", Methods);
        refused("GET:", Path);
        refused("GET:a", Path);
        refused(&format!("GET:/{}", "a".repeat(MAXIMUM_PATTERN_LENGTH)), Path);
        refused(&format!("GET:{}", "/a".repeat(MAXIMUM_FRAGMENTS + 1)), Path);
        for path in [
            "//", "//a", "/a//b", "/.", "/a/..", "/a*", "/***", "/**b", "/{", "/{}", "/{a b}", "/a{b}",
            "/%41", "/a;b",
        ] {
            refused(&format!("GET:{path}"), Fragment);
        }
        for path in ["/\\", "/a?b", "/a#b", "/a b", "/a\u{0}"] {
            refused(&format!("GET:{path}"), Fragment);
        }
        refused("GET:/{id}", Values);
        refused("GET:/{id}:id=", Values);
        refused("GET:/{id}:id=a,,b", Values);
        refused("GET:/{id}:id=a/b", Values);
        refused("GET:/{id}:other=a", Values);
        refused("GET:/a:id=a", Values);
        refused("GET:/{id}:id", Form);
        refused("GET:/{id}:id=a;id=b", Form);
        let empty = BTreeMap::from([("id".to_owned(), Vec::new())]);
        let methods = RequestMethodSet::ADMIN;
        assert_eq!(RolePermission::new(methods, "/{id}", empty), Err(Values));
        let many = (0..=MAXIMUM_VALUES).map(|number| number.to_string()).collect();
        assert_eq!(
            RolePermission::new(methods, "/{id}", BTreeMap::from([("id".to_owned(), many)])),
            Err(Values)
        );
        assert_eq!(RolePermission::new(RequestMethodSet::EMPTY, "/a", BTreeMap::new()), Err(Methods));
    }

    #[test]
    fn names() {
        for good in ["admin", "search-template", "Ops team", "é"] {
            assert_eq!(RoleName::try_from(good).unwrap().as_str(), good);
        }
        for bad in ["", " ", " a", "a\u{3000}", "a,b", "a\n", &"a".repeat(MAXIMUM_ROLE_NAME_LENGTH + 1)] {
            assert_eq!(RoleName::try_from(bad), Err(InvalidRoleName), "{bad:?}");
        }
    }
}
