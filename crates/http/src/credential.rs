//! The credential of a request, parsed in one place into one type.

use std::fmt;

use claviger_domain::{Violations, codes};

/// What a request presents.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Credential<'a> {
    /// Nothing.
    None,
    /// An API key: the whole value of `Authorization`, without a scheme word.
    ApiKey(&'a [u8]),
    /// A scheme that no endpoint of this version takes: `Basic`, `Bearer`, `DPoP`, `JWT`.
    OtherScheme,
}

impl fmt::Debug for Credential<'_> {
    /// Without the value.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "None",
            Self::ApiKey(_) => "ApiKey(..)",
            Self::OtherScheme => "OtherScheme",
        })
    }
}

const SCHEMES: [&[u8]; 4] = [b"basic", b"bearer", b"dpop", b"jwt"];

/// Whether a value in `Authorization` would be read as a scheme with its credentials, and so cannot be an API key.
pub(crate) fn has_scheme(value: &[u8]) -> bool {
    SCHEMES.iter().any(|scheme| match value.split_at_checked(scheme.len()) {
        Some((word, rest)) => word.eq_ignore_ascii_case(scheme) && matches!(rest.first(), None | Some(b' ')),
        None => false,
    })
}

/// The credential among the values of `Authorization` and `x-api-key` on one request.
///
/// # Errors
/// `[ambiguousCredentials]` when there is more than one, whatever their values.
pub(crate) fn parse<'a>(
    mut authorization: impl Iterator<Item = &'a [u8]>,
    x_api_key: impl Iterator<Item = &'a [u8]>,
) -> Result<Credential<'a>, Violations> {
    let first = authorization.next();
    let others = authorization.count() + x_api_key.count();
    match first {
        // The header of another dialect alone is no credential in this version.
        None if others > 1 => Err(Violations::from(&codes::AMBIGUOUS_CREDENTIALS)),
        None => Ok(Credential::None),
        Some(_) if others > 0 => Err(Violations::from(&codes::AMBIGUOUS_CREDENTIALS)),
        Some(value) => Ok(match value.trim_ascii() {
            [] => Credential::None,
            value if has_scheme(value) => Credential::OtherScheme,
            value => Credential::ApiKey(value),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(authorization: &[&[u8]], x_api_key: &[&[u8]], expected: Result<Credential<'_>, ()>) {
        let parsed = parse(authorization.iter().copied(), x_api_key.iter().copied());
        assert_eq!(parsed.map_err(|_| ()), expected);
    }

    #[test]
    fn one_credential_or_none() {
        check(&[], &[], Ok(Credential::None));
        check(&[b""], &[], Ok(Credential::None));
        check(&[b"  key with space "], &[], Ok(Credential::ApiKey(b"key with space")));
        check(&[b"\xff\xfe"], &[], Ok(Credential::ApiKey(b"\xff\xfe")));
        check(&[b"Bearer-like"], &[], Ok(Credential::ApiKey(b"Bearer-like")));
        for scheme in [b"Basic YTpi".as_slice(), b"bearer x", b"JWT x", b"dPoP x", b"Basic"] {
            check(&[scheme], &[], Ok(Credential::OtherScheme));
        }
        check(&[], &[b"k"], Ok(Credential::None));
    }

    #[test]
    fn two_are_refused_whatever_they_say() {
        check(&[b"k", b"k"], &[], Err(()));
        check(&[b"k"], &[b"k"], Err(()));
        check(&[b""], &[b"k"], Err(()));
        check(&[], &[b"k", b"k"], Err(()));
    }
}
