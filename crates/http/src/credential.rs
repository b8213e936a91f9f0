//! The credential of a request, parsed in one place into one type, with the carrier that it came in.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use claviger_crypto::content_digest;
use zeroize::Zeroizing;

use crate::routes::Dialect;

/// What a request presents.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Credential<'a> {
    /// Nothing.
    None,
    /// An API key: the whole value of its carrier; in `Authorization` without a scheme word.
    ApiKey(&'a [u8]),
    /// The credentials of Basic (RFC 7617), in base64.
    Basic(&'a [u8]),
    /// A token behind `Bearer` (RFC 6750, section 2.1), which is never an API key.
    Bearer(&'a [u8]),
    /// Another scheme that carries no API key: `DPoP`, `JWT`, or one without anything behind it.
    OtherScheme,
}

impl fmt::Debug for Credential<'_> {
    /// Without the value.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "None",
            Self::ApiKey(_) => "ApiKey(..)",
            Self::Basic(_) => "Basic(..)",
            Self::Bearer(_) => "Bearer(..)",
            Self::OtherScheme => "OtherScheme",
        })
    }
}

/// Where a credential stands in the request. It tells which API the caller believes to speak to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Carrier {
    /// The header `Authorization`: FusionAuth's dialect.
    Authorization,
    /// The header `x-api-key` or `apikey`: Fusion's dialect.
    ApiKeyHeader,
    /// The parameter `apiKey` in the query string: Fusion's dialect.
    Query,
}

impl Carrier {
    /// The dialect that goes with it.
    pub(crate) const fn dialect(self) -> Dialect {
        match self {
            Self::Authorization => Dialect::FusionAuth,
            Self::ApiKeyHeader | Self::Query => Dialect::Fusion,
        }
    }

    /// A name for the log.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Authorization => "authorization",
            Self::ApiKeyHeader => "x-api-key",
            Self::Query => "query",
        }
    }
}

/// A credential and its carrier.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Presented<'a> {
    /// The credential.
    pub(crate) credential: Credential<'a>,
    /// Where it stands; `None` where there is none.
    pub(crate) carrier: Option<Carrier>,
}

/// A request with more than one credential: two programs on its way could see different ones, so it has none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ambiguous;

/// The user name of Basic whose password is an API key (FusionAuth: API Authentication).
const BASIC_USER: &[u8] = b"apikey:";

/// The parameter in the query string that carries an API key, where a setting allows it. Case-sensitive.
const QUERY_PARAMETER: &[u8] = b"apiKey";

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

/// The API key in a query string (`application/x-www-form-urlencoded`), decoded once.
///
/// # Errors
/// [`Ambiguous`] when the parameter stands there twice, whatever its values.
pub(crate) fn in_query(query: &str) -> Result<Option<Zeroizing<Vec<u8>>>, Ambiguous> {
    let mut values = query.split('&').filter_map(|pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        (**decoded(name) == *QUERY_PARAMETER).then(|| decoded(value))
    });
    let value = values.next();
    if values.next().is_some() { Err(Ambiguous) } else { Ok(value) }
}

/// Decodes a name or value of a form: `+` is a space, `%` with two hexadecimal digits a byte; any other `%` is itself.
fn decoded(text: &str) -> Zeroizing<Vec<u8>> {
    let hexadecimal = |digit: u8| char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok());
    let mut bytes = Zeroizing::new(Vec::with_capacity(text.len()));
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let escaped = match (first, after) {
            (b'%', [high, low, after @ ..]) => {
                hexadecimal(*high).zip(hexadecimal(*low)).map(|(high, low)| ((high << 4) | low, after))
            }
            _ => None,
        };
        let (byte, after) = escaped.unwrap_or((if *first == b'+' { b' ' } else { *first }, after));
        bytes.push(byte);
        rest = after;
    }
    bytes
}

/// The credential of a request among the values of its headers `Authorization`, `x-api-key` and `apikey`, and the API key
/// in its query string, if that is a carrier at all. A cookie is none.
///
/// # Errors
/// [`Ambiguous`] when there is more than one, whatever their values; but `x-api-key` and `apikey` may say the same.
/// Headers that are sent twice can be joined with a comma on the way: a value of these two with a comma is two values.
pub(crate) fn parse<'a>(
    authorization: impl Iterator<Item = &'a [u8]>,
    x_api_key: impl Iterator<Item = &'a [u8]>,
    apikey: impl Iterator<Item = &'a [u8]>,
    in_query: Option<&'a [u8]>,
) -> Result<Presented<'a>, Ambiguous> {
    let in_headers = match (at_most_one(x_api_key)?, at_most_one(apikey)?) {
        (Some(first), Some(second)) if !is_same(first, second) => return Err(Ambiguous),
        (first, second) => first.or(second),
    };
    if in_headers.is_some_and(|value| value.contains(&b',')) {
        return Err(Ambiguous);
    }
    let (credential, carrier) = match (at_most_one(authorization)?, in_headers, in_query) {
        (None, None, None) => return Ok(Presented { credential: Credential::None, carrier: None }),
        (Some(value), None, None) => (in_authorization(value), Carrier::Authorization),
        (None, Some(value), None) => (api_key(value), Carrier::ApiKeyHeader),
        (None, None, Some(value)) => (api_key(value), Carrier::Query),
        _ => return Err(Ambiguous),
    };
    Ok(Presented { credential, carrier: (credential != Credential::None).then_some(carrier) })
}

/// The value of a header without the white space around it (RFC 9110, section 5.5).
fn at_most_one<'a>(mut values: impl Iterator<Item = &'a [u8]>) -> Result<Option<&'a [u8]>, Ambiguous> {
    let value = values.next();
    if values.next().is_some() { Err(Ambiguous) } else { Ok(value.map(<[u8]>::trim_ascii)) }
}

/// Whether two secrets are the same. What takes different time for different ones works on their digests.
fn is_same(first: &[u8], second: &[u8]) -> bool {
    content_digest(&[first]) == content_digest(&[second])
}

const fn api_key(value: &[u8]) -> Credential<'_> {
    if value.is_empty() { Credential::None } else { Credential::ApiKey(value) }
}

fn in_authorization(value: &[u8]) -> Credential<'_> {
    if !has_scheme(value) {
        return api_key(value);
    }
    let basic = after_scheme(value, b"basic").map(Credential::Basic);
    basic
        .or_else(|| after_scheme(value, b"bearer").map(Credential::Bearer))
        .unwrap_or(Credential::OtherScheme)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONE: &[&[u8]] = &[];

    type Outcome<'a> = Result<(Credential<'a>, Option<Carrier>), Ambiguous>;

    fn parsed<'a>(
        authorization: &[&'a [u8]],
        x_api_key: &[&'a [u8]],
        apikey: &[&'a [u8]],
        query: Option<&'a [u8]>,
    ) -> Outcome<'a> {
        let [authorization, x_api_key, apikey] =
            [authorization, x_api_key, apikey].map(|values| values.iter().copied());
        parse(authorization, x_api_key, apikey, query).map(|found| (found.credential, found.carrier))
    }

    fn key(value: &[u8], carrier: Carrier) -> Outcome<'_> {
        Ok((Credential::ApiKey(value), Some(carrier)))
    }

    #[test]
    fn nothing_is_nothing() {
        let none = Ok((Credential::None, None));
        assert_eq!(parsed(NONE, NONE, NONE, None), none);
        for empty in [b"".as_slice(), b"  ", b"\t"] {
            assert_eq!(parsed(&[empty], NONE, NONE, None), none);
            assert_eq!(parsed(NONE, &[empty], NONE, None), none);
            assert_eq!(parsed(NONE, NONE, &[empty], None), none);
            assert_eq!(parsed(NONE, &[empty], &[b""], None), none);
        }
        assert_eq!(parsed(NONE, NONE, NONE, Some(b"")), none);
    }

    #[test]
    fn authorization_takes_keys_and_schemes() {
        let authorization = |value| parsed(&[value], NONE, NONE, None);
        for value in [b"k".as_slice(), b"\xff\xfe", b"Bearer-like", b"a,b", b"key with space"] {
            assert_eq!(authorization(value), key(value, Carrier::Authorization));
        }
        assert_eq!(authorization(b" \tk "), key(b"k", Carrier::Authorization));
        let scheme = |credential| Ok((credential, Some(Carrier::Authorization)));
        assert_eq!(authorization(b"basic  YTpi "), scheme(Credential::Basic(b"YTpi")));
        assert_eq!(authorization(b"bearer  a.b.c "), scheme(Credential::Bearer(b"a.b.c")));
        for other in [b"JWT x".as_slice(), b"dPoP x", b"Basic", b"Bearer"] {
            assert_eq!(authorization(other), scheme(Credential::OtherScheme));
        }
    }

    #[test]
    fn the_other_carriers_know_no_schemes() {
        for value in [b"k".as_slice(), b"\xff", b"Bearer x", b"Basic YTpi", b"key with space"] {
            assert_eq!(parsed(NONE, &[value], NONE, None), key(value, Carrier::ApiKeyHeader));
            assert_eq!(parsed(NONE, NONE, &[value], None), key(value, Carrier::ApiKeyHeader));
            assert_eq!(parsed(NONE, &[value], &[value], None), key(value, Carrier::ApiKeyHeader));
            assert_eq!(parsed(NONE, NONE, NONE, Some(value)), key(value, Carrier::Query));
        }
        assert_eq!(parsed(NONE, &[b" k"], &[b"k\t "], None), key(b"k", Carrier::ApiKeyHeader));
        // The query is no list, and not trimmed: nothing on the way joins or pads its values.
        assert_eq!(parsed(NONE, NONE, NONE, Some(b" a,b ")), key(b" a,b ", Carrier::Query));
    }

    #[test]
    fn two_are_refused_whatever_they_say() {
        let (k, empty): (&[u8], &[u8]) = (b"k", b"");
        for [first, second] in [[k, k], [k, b"other"], [k, empty], [empty, k], [empty, empty]] {
            for two in [
                parsed(&[first, second], NONE, NONE, None),
                parsed(NONE, &[first, second], NONE, None),
                parsed(NONE, NONE, &[first, second], None),
                parsed(&[first], &[second], NONE, None),
                parsed(&[first], NONE, &[second], None),
                parsed(&[first], &[second], &[second], None),
                parsed(&[first], NONE, NONE, Some(second)),
                parsed(NONE, &[first], NONE, Some(second)),
                parsed(NONE, NONE, &[first], Some(second)),
            ] {
                assert_eq!(two, Err(Ambiguous), "{first:?} {second:?}");
            }
            if first != second {
                assert_eq!(parsed(NONE, &[first], &[second], None), Err(Ambiguous));
            }
        }
        for list in [b"k,k".as_slice(), b"k, k", b"k,", b",", b",k", b"a,b"] {
            assert_eq!(parsed(NONE, &[list], NONE, None), Err(Ambiguous));
            assert_eq!(parsed(NONE, NONE, &[list], None), Err(Ambiguous));
            assert_eq!(parsed(NONE, &[list], &[list], None), Err(Ambiguous));
        }
        assert_eq!(parsed(&[b"Bearer x"], &[b"k"], NONE, None), Err(Ambiguous));
        assert_eq!(parsed(&[b"Basic YTpi"], NONE, &[b""], None), Err(Ambiguous));
    }

    #[test]
    fn a_query_is_decoded_once() {
        for (query, expected) in [
            ("apiKey=k", "k"),
            ("a=b&apiKey=k&c", "k"),
            ("apiKey=", ""),
            ("apiKey", ""),
            ("%61piKey=k", "k"),
            ("apiKey=a%2Bb%20c+d", "a+b c d"),
            ("apiKey=a%252Bb", "a%2Bb"),
            ("apiKey=k=k", "k=k"),
            ("apiKey=%e2%82%ac", "\u{20ac}"),
            ("apiKey=100%&x", "100%"),
            ("apiKey=%+1%-1%g0%1", "% 1%-1%g0%1"),
        ] {
            let found = in_query(query).unwrap().unwrap();
            assert_eq!(std::str::from_utf8(&found), Ok(expected), "{query}");
        }
        assert_eq!(in_query("apiKey=%ff%00").unwrap().unwrap().as_slice(), b"\xff\0");
        for other in
            ["", "apikey=k", "ApiKey=k", "APIKEY=k", "x-api-key=k", "a=apiKey", "apiKey[]=k", ";apiKey=k"]
        {
            assert_eq!(in_query(other), Ok(None), "{other}");
        }
        for twice in ["apiKey=k&apiKey=k", "apiKey&apiKey", "apiKey=k&a=b&%61piKey=", "apiKey=&apiKey=k"] {
            assert_eq!(in_query(twice), Err(Ambiguous), "{twice}");
        }
    }

    #[test]
    fn secrets_are_not_printed() {
        let presented = parse([b"s3cret".as_slice()].into_iter(), [].into_iter(), [].into_iter(), None);
        assert_eq!(
            format!("{:?}", presented.unwrap()),
            "Presented { credential: ApiKey(..), carrier: Some(Authorization) }"
        );
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
