//! Under which URL callers reach the server: the setting `PUBLIC_URL`, or else what the request says.
//!
//! `Host` is written by the client. It is taken only in the one form that a host and a port have, goes into the answer to that
//! client alone, and answers made of it are never for caches.

use std::fmt;
use std::net::Ipv6Addr;
use std::str::FromStr;

/// The URL at which the server is reached, such as `https://auth.example.com` or, behind a proxy that adds a prefix,
/// `https://example.com/auth`. Without a slash at its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicUrl(String);

/// A text that is no [`PublicUrl`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "must be http:// or https:// with a host, and maybe a port and a path, such as https://auth.example.com"
)]
pub struct InvalidPublicUrl;

impl PublicUrl {
    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for PublicUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for PublicUrl {
    type Err = InvalidPublicUrl;

    fn from_str(text: &str) -> Result<Self, InvalidPublicUrl> {
        let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
        let rest = rest.ok_or(InvalidPublicUrl)?;
        let (host, path) = rest.find('/').map_or((rest, ""), |at| rest.split_at(at));
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte);
        let ambiguous = path.contains("//") || path.split('/').any(|segment| matches!(segment, "." | ".."));
        if is_host(host) && path.bytes().all(plain) && !ambiguous {
            Ok(Self(text.trim_end_matches('/').to_owned()))
        } else {
            Err(InvalidPublicUrl)
        }
    }
}

/// The URL that a request was sent to, of the one value of its scheme and host.
///
/// # Errors
/// What cannot be read.
pub(crate) fn of_request(
    scheme: Result<Option<&[u8]>, SeveralValues>,
    host: Result<Option<&[u8]>, SeveralValues>,
) -> Result<String, InvalidPublicUrl> {
    let scheme = match scheme.map_err(|SeveralValues| InvalidPublicUrl)? {
        None => "http",
        Some(given) if given.eq_ignore_ascii_case(b"http") => "http",
        Some(given) if given.eq_ignore_ascii_case(b"https") => "https",
        Some(_) => return Err(InvalidPublicUrl),
    };
    let host = host.map_err(|SeveralValues| InvalidPublicUrl)?.ok_or(InvalidPublicUrl)?;
    let host = std::str::from_utf8(host).ok().filter(|host| is_host(host)).ok_or(InvalidPublicUrl)?;
    Ok(format!("{scheme}://{}", host.to_ascii_lowercase()))
}

/// A header that must stand there once stands there more often.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SeveralValues;

/// The value of a header that stands there once at most.
pub(crate) fn one<'a>(mut values: impl Iterator<Item = &'a [u8]>) -> Result<Option<&'a [u8]>, SeveralValues> {
    match (values.next(), values.next()) {
        (value, None) => Ok(value),
        _ => Err(SeveralValues),
    }
}

/// Whether this is a host name, an IPv4 address or an IPv6 address in brackets, with a port or without.
fn is_host(text: &str) -> bool {
    if text.len() > 255 {
        return false;
    }
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let Some((address, port)) = rest.split_once(']') else { return false };
            if address.parse::<Ipv6Addr>().is_err() {
                return false;
            }
            ("v6", port.strip_prefix(':').or(port.is_empty().then_some("0")))
        }
        None => text.split_once(':').map_or((text, Some("0")), |(host, port)| (host, Some(port))),
    };
    let label = |label: &str| {
        !label.is_empty()
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
    };
    let digits = |port: &str| port.bytes().all(|byte| byte.is_ascii_digit()) && port.parse::<u16>().is_ok();
    host.split('.').all(label) && port.is_some_and(digits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_whole_urls() {
        for (text, expected) in [
            ("https://auth.example.com", "https://auth.example.com"),
            ("http://localhost:9011/", "http://localhost:9011"),
            ("https://example.com/auth/", "https://example.com/auth"),
            ("https://[2001:db8::1]:8443", "https://[2001:db8::1]:8443"),
        ] {
            assert_eq!(text.parse::<PublicUrl>().map(|url| url.to_string()).as_deref(), Ok(expected));
        }
        for bad in [
            "",
            "auth.example.com",
            "ftp://a",
            "https://",
            "https:///a",
            "https://user@a",
            "https://a?b",
            "https://a#b",
            "https://a b",
            "https://a/b//c",
            "https://a/../b",
            "https://a:x",
            "https://a:65536",
            "https://a/\"",
            "HTTPS://a",
        ] {
            assert_eq!(bad.parse::<PublicUrl>(), Err(InvalidPublicUrl), "{bad}");
        }
    }

    #[track_caller]
    fn check(scheme: Option<&str>, host: &str, expected: Option<&str>) {
        let found = of_request(Ok(scheme.map(str::as_bytes)), Ok(Some(host.as_bytes())));
        assert_eq!(found.ok().as_deref(), expected, "{scheme:?} {host}");
    }

    #[test]
    fn hosts_of_requests_are_hosts() {
        check(None, "localhost:9011", Some("http://localhost:9011"));
        check(Some("HTTPS"), "Auth.Example.com", Some("https://auth.example.com"));
        check(Some("http"), "[::1]:80", Some("http://[::1]:80"));
        check(None, "192.0.2.1", Some("http://192.0.2.1"));
        check(Some("ftp"), "a", None);
        check(Some("https,http"), "a", None);
        let long = "a".repeat(256);
        for bad in [
            "", "a b", "a/b", "a\"b", "a@b", "a:", "a:99999", "a:-1", "[::1", "[x]", "[::1]x", "a..b", "é",
            &long,
        ] {
            check(None, bad, None);
        }
        assert!(of_request(Ok(None), Ok(None)).is_err());
        assert!(of_request(Ok(None), one([b"a".as_slice(), b"a"].into_iter())).is_err());
        assert!(of_request(one([b"http".as_slice(), b"http"].into_iter()), Ok(Some(b"a"))).is_err());
    }
}
