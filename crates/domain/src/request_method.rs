//! The methods of requests. Endpoint permissions speak of five of them ([`Method`]); the permissions of roles also of HEAD
//! and OPTIONS, which they grant apart from GET.

use std::fmt;
use std::str::FromStr;

use crate::Method;

/// A text that is no method that Claviger knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a method is one of GET, POST, PUT, DELETE, PATCH, HEAD, OPTIONS")]
pub struct UnknownMethod;

/// The method of a request (RFC 9110, section 9; RFC 5789).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RequestMethod {
    /// `GET`
    Get,
    /// `POST`
    Post,
    /// `PUT`
    Put,
    /// `DELETE`
    Delete,
    /// `PATCH`
    Patch,
    /// `HEAD`
    Head,
    /// `OPTIONS`
    Options,
}

impl RequestMethod {
    /// All methods, in the order in which roles list them.
    pub const ALL: [Self; 7] =
        [Self::Get, Self::Post, Self::Put, Self::Delete, Self::Patch, Self::Head, Self::Options];

    /// The method's name in capitals.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Delete => "DELETE",
            Self::Patch => "PATCH",
            Self::Head => "HEAD",
            Self::Options => "OPTIONS",
        }
    }

    /// The method that endpoint permissions must list: HEAD counts as GET, because it reveals no less. OPTIONS is granted
    /// by none of them.
    #[must_use]
    pub const fn permission_method(self) -> Option<Method> {
        match self {
            Self::Get | Self::Head => Some(Method::Get),
            Self::Post => Some(Method::Post),
            Self::Put => Some(Method::Put),
            Self::Delete => Some(Method::Delete),
            Self::Patch => Some(Method::Patch),
            Self::Options => None,
        }
    }

    const fn bit(self) -> u8 {
        match self {
            Self::Get => 1,
            Self::Post => 2,
            Self::Put => 4,
            Self::Delete => 8,
            Self::Patch => 16,
            Self::Head => 32,
            Self::Options => 64,
        }
    }
}

impl From<Method> for RequestMethod {
    fn from(method: Method) -> Self {
        match method {
            Method::Delete => Self::Delete,
            Method::Get => Self::Get,
            Method::Patch => Self::Patch,
            Method::Post => Self::Post,
            Method::Put => Self::Put,
        }
    }
}

impl fmt::Display for RequestMethod {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for RequestMethod {
    type Err = UnknownMethod;

    /// Case-sensitive, as HTTP methods are (RFC 9110, section 9.1).
    fn from_str(text: &str) -> Result<Self, UnknownMethod> {
        Self::ALL.into_iter().find(|method| method.as_str() == text).ok_or(UnknownMethod)
    }
}

/// A set of request methods.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct RequestMethodSet(u8);

impl RequestMethodSet {
    /// No method.
    pub const EMPTY: Self = Self(0);
    /// What the role `admin` lists: all methods but OPTIONS.
    pub const ADMIN: Self = Self(63);
    /// All seven methods.
    pub const ALL: Self = Self(127);

    /// This set with `method` in it.
    #[must_use]
    pub const fn with(self, method: RequestMethod) -> Self {
        Self(self.0 | method.bit())
    }

    /// Whether `method` is in the set.
    #[must_use]
    pub const fn contains(self, method: RequestMethod) -> bool {
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

    /// The methods of this set that are not in `other`.
    #[must_use]
    pub const fn difference(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// Whether the set is empty.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The methods, in the order of [`RequestMethod::ALL`].
    pub fn iter(self) -> impl Iterator<Item = RequestMethod> {
        RequestMethod::ALL.into_iter().filter(move |method| self.contains(*method))
    }
}

impl FromIterator<RequestMethod> for RequestMethodSet {
    fn from_iter<I: IntoIterator<Item = RequestMethod>>(methods: I) -> Self {
        methods.into_iter().fold(Self::EMPTY, Self::with)
    }
}

impl fmt::Debug for RequestMethodSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

impl fmt::Display for RequestMethodSet {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_sets() {
        for method in RequestMethod::ALL {
            assert_eq!(method.as_str().parse(), Ok(method));
        }
        for bad in ["", "get", "TRACE", "CONNECT", "GET "] {
            assert_eq!(bad.parse::<RequestMethod>(), Err(UnknownMethod));
        }
        assert_eq!(RequestMethod::ALL.into_iter().collect::<RequestMethodSet>(), RequestMethodSet::ALL);
        assert_eq!(RequestMethodSet::ADMIN.to_string(), "GET,POST,PUT,DELETE,PATCH,HEAD");
        assert_eq!(RequestMethodSet::ALL.difference(RequestMethodSet::ADMIN).to_string(), "OPTIONS");
        assert!(RequestMethodSet::ALL.covers(RequestMethodSet::ADMIN));
        assert!(!RequestMethodSet::ADMIN.covers(RequestMethodSet::ALL));
    }

    #[test]
    fn head_counts_as_get_and_options_as_nothing() {
        assert_eq!(RequestMethod::Head.permission_method(), Some(Method::Get));
        assert_eq!(RequestMethod::Options.permission_method(), None);
        for method in Method::ALL {
            assert_eq!(RequestMethod::from(method).permission_method(), Some(method));
            assert_eq!(RequestMethod::from(method).as_str(), method.as_str());
        }
    }
}
