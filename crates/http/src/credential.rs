//! The credential of a request, parsed in one place into one type.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use claviger_domain::{Violations, codes};
use zeroize::Zeroizing;

/// What a request presents.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Credential<'a> {
    /// Nothing.
    None,
    /// An API key: the whole value of `Authorization`, without a scheme word.
    ApiKey(&'a [u8]),
    /// The credentials of Basic (RFC 7617), in base64.
    Basic(&'a [u8]),
    /// A scheme that carries no API key: `Bearer`, `DPoP`, `JWT`.
    OtherScheme,
}

impl fmt::Debug for Credential<'_> {
    /// Without the value.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "None",
            Self::ApiKey(_) => "ApiKey(..)",
            Self::Basic(_) => "Basic(..)",
            Self::OtherScheme => "OtherScheme",
        })
    }
}

/// The user name of Basic whose password is an API key (FusionAuth: API Authentication).
const BASIC_USER: &[u8] = b"apikey:";

/// The name of the cookie that carries a token.
const TOKEN_COOKIE: &str = "access_token";

const SCHEMES: [&[u8]; 4] = [b"basic", b"bearer", b"dpop", b"jwt"];

/// Whether a value in `Authorization` would be read as a scheme with its credentials, and so cannot be an API key.
pub(crate) fn has_scheme(value: &[u8]) -> bool {
    SCHEMES.iter().any(|scheme| match value.split_at_checked(scheme.len()) {
        Some((word, rest)) => word.eq_ignore_ascii_case(scheme) && matches!(rest.first(), None | Some(b' ')),
        None => false,
    })
}

/// What follows the scheme word, if it is this one.
fn after_scheme<'a>(value: &'a [u8], scheme: &[u8]) -> Option<&'a [u8]> {
    let (word, rest) = value.split_at_checked(scheme.len())?;
    (word.eq_ignore_ascii_case(scheme) && rest.first() == Some(&b' ')).then(|| rest.trim_ascii())
}

/// The API key in the credentials of Basic: the password of the user `apikey`.
pub(crate) fn basic_api_key(credentials: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let mut decoded = Zeroizing::new(STANDARD.decode(credentials).ok()?);
    if !decoded.starts_with(BASIC_USER) || decoded.len() == BASIC_USER.len() {
        return None;
    }
    decoded.drain(..BASIC_USER.len());
    Some(decoded)
}

/// The token of a request: after `Bearer`, or `JWT` as before FusionAuth 1.12, in `Authorization`; without that header in
/// the cookie `access_token`. `None` when there is none, and when there are several: a header that is there is not rescued
/// by a cookie.
pub(crate) fn token<'a>(
    mut authorization: impl Iterator<Item = &'a [u8]>,
    cookies: impl Iterator<Item = &'a [u8]>,
) -> Option<&'a str> {
    match (authorization.next(), authorization.next()) {
        (Some(value), None) => {
            let value = value.trim_ascii();
            let token = after_scheme(value, b"bearer").or_else(|| after_scheme(value, b"jwt"))?;
            std::str::from_utf8(token).ok()
        }
        (Some(_), Some(_)) => None,
        (None, _) => {
            let mut found = cookies
                .filter_map(|header| std::str::from_utf8(header).ok())
                .flat_map(|header| header.split(';'))
                .filter_map(|pair| pair.trim().split_once('='))
                .filter_map(|(name, value)| (name == TOKEN_COOKIE).then_some(value));
            found.next().filter(|_| found.next().is_none())
        }
    }
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
            value if has_scheme(value) => match after_scheme(value, b"basic") {
                Some(credentials) => Credential::Basic(credentials),
                None => Credential::OtherScheme,
            },
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
        check(&[b"basic  YTpi "], &[], Ok(Credential::Basic(b"YTpi")));
        for scheme in [b"bearer x".as_slice(), b"JWT x", b"dPoP x", b"Basic"] {
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

    #[test]
    fn basic_takes_one_user() {
        let key = |text: &str| basic_api_key(STANDARD.encode(text).as_bytes()).map(|key| key.to_vec());
        assert_eq!(key("apikey:a:b").as_deref(), Some(b"a:b".as_slice()));
        for other in ["APIKEY:k", "apikey:", "apikey", "user:k", ":k", ""] {
            assert_eq!(key(other), None, "{other}");
        }
        assert!(basic_api_key(b"not base64").is_none());
    }

    #[track_caller]
    fn check_token(authorization: &[&[u8]], cookies: &[&[u8]], expected: Option<&str>) {
        assert_eq!(token(authorization.iter().copied(), cookies.iter().copied()), expected);
    }

    #[test]
    fn tokens_come_from_one_place() {
        check_token(&[b"Bearer a.b.c"], &[], Some("a.b.c"));
        check_token(&[b"jwt  a.b.c "], &[], Some("a.b.c"));
        check_token(&[], &[b"x=1; access_token=a.b.c; y=2"], Some("a.b.c"));
        check_token(&[], &[b"x=1", b"access_token=a.b.c"], Some("a.b.c"));
        check_token(&[], &[b"access_token=a; access_token=a"], None);
        check_token(&[], &[b"Access_Token=a", b"xaccess_token=a"], None);
        check_token(&[b"Bearer a", b"Bearer a"], &[], None);
        check_token(&[b"an-api-key"], &[b"access_token=a.b.c"], None);
        check_token(&[b"Basic a"], &[b"access_token=a.b.c"], None);
        check_token(&[b"Bearer"], &[b"access_token=a.b.c"], None);
        check_token(&[b"Bearer \xff"], &[], None);
        check_token(&[], &[], None);
    }
}
