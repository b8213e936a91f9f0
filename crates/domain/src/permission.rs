//! Endpoint permissions of API keys: which endpoint, which HTTP methods.
//!
//! An endpoint is a path without identifier segments, such as `/api/user`; what the paths mean is decided by
//! `claviger-authz`. The canonical text form, one `GET,POST:/api/user` per line, is what the command line reads and
//! what storage keeps.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use crate::RoleName;

/// The longest endpoint path, in bytes.
pub const MAXIMUM_ENDPOINT_LENGTH: usize = 512;

/// A text that is no permission.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidPermission {
    /// An endpoint must start with `/`.
    #[error("an endpoint starts with '/'")]
    NoLeadingSlash,
    /// An endpoint has at most [`MAXIMUM_ENDPOINT_LENGTH`] bytes.
    #[error("an endpoint has at most {MAXIMUM_ENDPOINT_LENGTH} bytes")]
    EndpointTooLong,
    /// White space and control characters cannot stand in an endpoint.
    #[error("an endpoint contains neither white space nor control characters")]
    InvalidCharacter,
    /// Methods are `GET`, `POST`, `PUT`, `PATCH` and `DELETE`, in capitals.
    #[error("a method is one of GET, POST, PUT, PATCH, DELETE")]
    UnknownMethod,
    /// The text form is `METHOD,METHOD:/endpoint`.
    #[error("a permission has the form METHOD,METHOD:/endpoint")]
    Form,
}

/// An HTTP method that permissions speak of (FusionAuth: API Keys, `permissions.endpoints`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Method {
    /// `DELETE`
    Delete,
    /// `GET`
    Get,
    /// `PATCH`
    Patch,
    /// `POST`
    Post,
    /// `PUT`
    Put,
}

impl Method {
    /// All methods, in alphabetical order.
    pub const ALL: [Self; 5] = [Self::Delete, Self::Get, Self::Patch, Self::Post, Self::Put];

    /// The method's name in capitals.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Delete => "DELETE",
            Self::Get => "GET",
            Self::Patch => "PATCH",
            Self::Post => "POST",
            Self::Put => "PUT",
        }
    }

    const fn bit(self) -> u8 {
        match self {
            Self::Delete => 1,
            Self::Get => 2,
            Self::Patch => 4,
            Self::Post => 8,
            Self::Put => 16,
        }
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Method {
    type Err = InvalidPermission;

    /// Case-sensitive, as HTTP methods are (RFC 9110, section 9.1).
    fn from_str(text: &str) -> Result<Self, InvalidPermission> {
        Self::ALL.into_iter().find(|method| method.as_str() == text).ok_or(InvalidPermission::UnknownMethod)
    }
}

/// A set of methods; the empty set grants nothing.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct MethodSet(u8);

impl MethodSet {
    /// No method.
    pub const EMPTY: Self = Self(0);
    /// All five methods.
    pub const ALL: Self = Self(31);

    /// This set with `method` in it.
    #[must_use]
    pub const fn with(self, method: Method) -> Self {
        Self(self.0 | method.bit())
    }

    /// This set without `method`.
    #[must_use]
    pub const fn without(self, method: Method) -> Self {
        Self(self.0 & !method.bit())
    }

    /// Whether `method` is in the set.
    #[must_use]
    pub const fn contains(self, method: Method) -> bool {
        self.0 & method.bit() != 0
    }

    /// Whether every method of `other` is in this set.
    #[must_use]
    pub const fn covers(self, other: Self) -> bool {
        other.0 & !self.0 == 0
    }

    /// The methods of either set.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// The methods that are in both sets.
    #[must_use]
    pub const fn intersection(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Whether the set is empty.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The methods in alphabetical order.
    pub fn iter(self) -> impl Iterator<Item = Method> {
        Method::ALL.into_iter().filter(move |method| self.contains(*method))
    }
}

impl FromIterator<Method> for MethodSet {
    fn from_iter<I: IntoIterator<Item = Method>>(methods: I) -> Self {
        methods.into_iter().fold(Self::EMPTY, Self::with)
    }
}

impl fmt::Debug for MethodSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

impl fmt::Display for MethodSet {
    /// The names joined by commas.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, method) in self.iter().enumerate() {
            if index > 0 {
                f.write_str(",")?;
            }
            f.write_str(method.as_str())?;
        }
        Ok(())
    }
}

/// The path of an endpoint as it stands in a permission: starts with `/`, no white space or control characters, at
/// most [`MAXIMUM_ENDPOINT_LENGTH`] bytes. It need not be in the catalogue: unknown paths are kept and match nothing.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EndpointPath(String);

impl EndpointPath {
    /// The text of the path.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<&str> for EndpointPath {
    type Error = InvalidPermission;

    fn try_from(text: &str) -> Result<Self, InvalidPermission> {
        if !text.starts_with('/') {
            Err(InvalidPermission::NoLeadingSlash)
        } else if text.len() > MAXIMUM_ENDPOINT_LENGTH {
            Err(InvalidPermission::EndpointTooLong)
        } else if text.chars().any(|c| c.is_control() || c.is_whitespace()) {
            Err(InvalidPermission::InvalidCharacter)
        } else {
            Ok(Self(text.to_owned()))
        }
    }
}

impl fmt::Display for EndpointPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A list of endpoints with their methods. The empty list grants nothing. Clones share it, so that a million of the same list
/// cost one.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct EndpointPermissions(Arc<BTreeMap<EndpointPath, MethodSet>>);

impl EndpointPermissions {
    /// Adds methods for an endpoint to those it already has.
    pub fn add(&mut self, endpoint: EndpointPath, methods: MethodSet) {
        let known = Arc::make_mut(&mut self.0).entry(endpoint).or_default();
        *known = known.union(methods);
    }

    /// The methods listed for exactly this path; the empty set when it is not listed.
    #[must_use]
    pub fn methods(&self, endpoint: &EndpointPath) -> MethodSet {
        self.0.get(endpoint).copied().unwrap_or_default()
    }

    /// Endpoints with their methods, in the order of the paths.
    pub fn iter(&self) -> impl Iterator<Item = (&EndpointPath, MethodSet)> {
        self.0.iter().map(|(endpoint, methods)| (endpoint, *methods))
    }

    /// The number of endpoints listed.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether no endpoint is listed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Display for EndpointPermissions {
    /// The canonical text: one line per endpoint, sorted by path.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (endpoint, methods)) in self.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{methods}:{endpoint}")?;
        }
        Ok(())
    }
}

impl FromStr for EndpointPermissions {
    type Err = InvalidPermission;

    /// Reads lines of `METHOD,METHOD:/endpoint`; the empty text is the empty list. A path may contain `:`.
    ///
    /// ```
    /// use claviger_domain::EndpointPermissions;
    ///
    /// let permissions: EndpointPermissions = "GET,POST:/api/user\n:/api/group".parse()?;
    /// assert_eq!(permissions.len(), 2);
    /// assert_eq!(permissions.to_string(), ":/api/group\nGET,POST:/api/user");
    /// # Ok::<(), claviger_domain::InvalidPermission>(())
    /// ```
    fn from_str(text: &str) -> Result<Self, InvalidPermission> {
        let mut permissions = Self::default();
        if text.is_empty() {
            return Ok(permissions);
        }
        for line in text.split('\n') {
            let (methods, endpoint) = line.split_once(':').ok_or(InvalidPermission::Form)?;
            let endpoint = EndpointPath::try_from(endpoint)?;
            let methods = if methods.is_empty() {
                MethodSet::EMPTY
            } else {
                methods.split(',').map(str::parse).collect::<Result<_, _>>()?
            };
            permissions.add(endpoint, methods);
        }
        Ok(permissions)
    }
}

/// What a key may call.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Permissions {
    /// Every endpoint (that the key's tenant scope reaches): a key made without any list.
    All,
    /// Only the pairs listed; an empty list is nothing, never everything.
    Only(EndpointPermissions),
    /// What any of these roles allows, in the order in which they were given, each once; without a role, nothing.
    Roles(Vec<RoleName>),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_form_round_trips() {
        let text = ":/api/group\nDELETE,GET,PATCH,POST,PUT:/api/user\nGET:/v1/a:b";
        let permissions: EndpointPermissions = text.parse().unwrap();
        assert_eq!(permissions.to_string(), text);
        assert_eq!("".parse::<EndpointPermissions>(), Ok(EndpointPermissions::default()));
    }

    #[test]
    fn lines_for_one_endpoint_add_up() {
        let permissions: EndpointPermissions = "GET:/a\nPUT:/a".parse().unwrap();
        assert_eq!(permissions.to_string(), "GET,PUT:/a");
    }

    #[track_caller]
    fn refused(text: &str, why: InvalidPermission) {
        assert_eq!(text.parse::<EndpointPermissions>(), Err(why), "{text:?}");
    }

    #[test]
    fn refuses_what_it_does_not_know() {
        refused("GET", InvalidPermission::Form);
        refused("GET:/a\n", InvalidPermission::Form);
        refused("GET:api", InvalidPermission::NoLeadingSlash);
        refused("GET:/a b", InvalidPermission::InvalidCharacter);
        refused("GET:/a\u{0}", InvalidPermission::InvalidCharacter);
        refused("get:/a", InvalidPermission::UnknownMethod);
        refused("GET,:/a", InvalidPermission::UnknownMethod);
        refused("HEAD:/a", InvalidPermission::UnknownMethod);
        refused(&format!("GET:/{}", "a".repeat(MAXIMUM_ENDPOINT_LENGTH)), InvalidPermission::EndpointTooLong);
    }

    #[test]
    fn sets() {
        let read = MethodSet::EMPTY.with(Method::Get);
        assert!(MethodSet::ALL.covers(read) && !read.covers(MethodSet::ALL) && read.covers(MethodSet::EMPTY));
        assert!(read.without(Method::Get).is_empty());
        assert_eq!(MethodSet::ALL.to_string(), "DELETE,GET,PATCH,POST,PUT");
        assert_eq!(Method::ALL.into_iter().collect::<MethodSet>(), MethodSet::ALL);
    }
}
