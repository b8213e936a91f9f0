//! The path of a request target, parsed once and strictly: what two programs could read differently is refused.
//!
//! The grammar is RFC 3986, section 3.3, less what routers, proxies and file systems disagree on. Segments are never
//! decoded: what is let through percent-encoded stays so, and can be nothing but part of an identifier.

use std::fmt;

/// The longest path that is parsed, in bytes.
pub const MAXIMUM_PATH_LENGTH: usize = 8 * 1024;

/// Why a path is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PathError {
    /// More than [`MAXIMUM_PATH_LENGTH`] bytes.
    TooLong,
    /// A path starts with `/`; the empty path, `*` and absolute URIs do not.
    NoLeadingSlash,
    /// Two slashes in a row.
    EmptySegment,
    /// A segment `.` or `..`.
    DotSegment,
    /// A backslash, which some take for a slash.
    Backslash,
    /// A `;`, behind which some drop the rest of the segment.
    Semicolon,
    /// A `?` or `#`: the caller cuts query and fragment off first.
    QueryOrFragment,
    /// A control character, a space or a byte outside ASCII.
    InvalidCharacter,
    /// A `%` without two hexadecimal digits.
    InvalidPercentEncoding,
    /// A letter, a digit or one of `-._~`, percent-encoded without need (RFC 3986, section 2.3); dots among them.
    EncodedUnreserved,
    /// A percent-encoded `/`.
    EncodedSlash,
    /// A percent-encoded backslash.
    EncodedBackslash,
    /// A percent-encoded `%`, which a second decoding would make into something else.
    EncodedPercent,
    /// A percent-encoded `;`.
    EncodedSemicolon,
    /// A percent-encoded control character, NUL among them.
    EncodedControl,
    /// Percent-encoded bytes that are not UTF-8; overlong forms are not.
    InvalidUtf8,
}

impl PathError {
    /// A name for logs and labels of metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::TooLong => "too_long",
            Self::NoLeadingSlash => "no_leading_slash",
            Self::EmptySegment => "empty_segment",
            Self::DotSegment => "dot_segment",
            Self::Backslash => "backslash",
            Self::Semicolon => "semicolon",
            Self::QueryOrFragment => "query_or_fragment",
            Self::InvalidCharacter => "invalid_character",
            Self::InvalidPercentEncoding => "invalid_percent_encoding",
            Self::EncodedUnreserved => "encoded_unreserved",
            Self::EncodedSlash => "encoded_slash",
            Self::EncodedBackslash => "encoded_backslash",
            Self::EncodedPercent => "encoded_percent",
            Self::EncodedSemicolon => "encoded_semicolon",
            Self::EncodedControl => "encoded_control",
            Self::InvalidUtf8 => "invalid_utf8",
        }
    }
}

impl fmt::Display for PathError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TooLong => "longer than 8192 bytes",
            Self::NoLeadingSlash => "does not start with a slash",
            Self::EmptySegment => "an empty segment",
            Self::DotSegment => "a dot segment",
            Self::Backslash => "a backslash",
            Self::Semicolon => "a semicolon",
            Self::QueryOrFragment => "a query or fragment",
            Self::InvalidCharacter => "a control character, a space or a byte outside ASCII",
            Self::InvalidPercentEncoding => "an invalid percent-encoding",
            Self::EncodedUnreserved => "a percent-encoded character that needs no encoding",
            Self::EncodedSlash => "a percent-encoded slash",
            Self::EncodedBackslash => "a percent-encoded backslash",
            Self::EncodedPercent => "a percent-encoded percent sign",
            Self::EncodedSemicolon => "a percent-encoded semicolon",
            Self::EncodedControl => "a percent-encoded control character",
            Self::InvalidUtf8 => "percent-encoded bytes that are not valid UTF-8",
        })
    }
}

impl std::error::Error for PathError {}

/// A path that everybody reads alike. Borrows from the request; nothing is allocated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Path<'a> {
    /// Without the slash at the start and the one that may stand at the end.
    text: &'a str,
}

impl<'a> Path<'a> {
    /// Parses the raw bytes of a request target's path, from the first `/` up to the query. One slash at the end is
    /// ignored.
    ///
    /// # Errors
    /// The first reason found, segment by segment, for which the path is refused.
    pub fn parse(raw: &'a [u8]) -> Result<Self, PathError> {
        if raw.len() > MAXIMUM_PATH_LENGTH {
            return Err(PathError::TooLong);
        }
        let Some((b'/', text)) = raw.split_first() else {
            return Err(PathError::NoLeadingSlash);
        };
        if !text.is_empty() {
            let text = text.strip_suffix(b"/").unwrap_or(text);
            text.split(|byte| *byte == b'/').try_for_each(check_segment)?;
        }
        let text = str::from_utf8(text).map_err(|_| PathError::InvalidCharacter)?;
        Ok(Self { text: text.strip_suffix('/').unwrap_or(text) })
    }

    /// The segments between the slashes, raw; `/` has none.
    pub fn segments(&self) -> impl Iterator<Item = &'a str> + Clone + use<'a> {
        self.text.split('/').filter(|segment| !segment.is_empty())
    }

    /// The segments with the slashes between them.
    pub(crate) const fn text(&self) -> &'a str {
        self.text
    }
}

impl fmt::Display for Path<'_> {
    /// The path with one slash at the start and none at the end, otherwise as it came.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "/{}", self.text)
    }
}

/// What a segment of a parsed path stands for: percent-decoded once, as Unicode, which the parser has made sure of.
#[must_use]
pub fn decode_segment(segment: &str) -> String {
    String::from_utf8_lossy(&decoded(segment).collect::<Vec<u8>>()).into_owned()
}

/// The bytes that a segment of a parsed path stands for, percent-decoded once.
pub(crate) fn decoded(segment: &str) -> impl Iterator<Item = u8> {
    let mut rest = segment.as_bytes();
    std::iter::from_fn(move || {
        let (byte, behind) = match rest {
            [b'%', after @ ..] => encoded_byte(after).ok()?,
            [byte, after @ ..] => (*byte, after),
            [] => return None,
        };
        rest = behind;
        Some(byte)
    })
}

fn check_segment(segment: &[u8]) -> Result<(), PathError> {
    match segment {
        b"" => return Err(PathError::EmptySegment),
        b"." | b".." => return Err(PathError::DotSegment),
        _ => {}
    }
    // Most segments have nothing to look at twice.
    if segment.iter().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'A'..=b'Z' | b'_')) {
        return Ok(());
    }
    let mut remaining = segment;
    while let [byte, rest @ ..] = remaining {
        remaining = match byte {
            b'%' => check_encoded(rest)?,
            b'\\' => return Err(PathError::Backslash),
            b';' => return Err(PathError::Semicolon),
            b'?' | b'#' => return Err(PathError::QueryOrFragment),
            b'!'..=b'~' => rest,
            _ => return Err(PathError::InvalidCharacter),
        };
    }
    Ok(())
}

/// Checks one percent-encoded character, of which `after` begins behind the first `%`; returns what follows it.
fn check_encoded(after: &[u8]) -> Result<&[u8], PathError> {
    let (byte, rest) = encoded_byte(after)?;
    match byte {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
            Err(PathError::EncodedUnreserved)
        }
        b'/' => Err(PathError::EncodedSlash),
        b'\\' => Err(PathError::EncodedBackslash),
        b'%' => Err(PathError::EncodedPercent),
        b';' => Err(PathError::EncodedSemicolon),
        0x00..=0x1F | 0x7F => Err(PathError::EncodedControl),
        0x20..=0x7E => Ok(rest),
        0x80..=0xFF => check_multibyte(byte, rest),
    }
}

/// Checks one character of two to four encoded bytes (RFC 3629), of which the first is read already.
fn check_multibyte(first: u8, mut rest: &[u8]) -> Result<&[u8], PathError> {
    let length = match first {
        0xC2..=0xDF => 2,
        0xE0..=0xEF => 3,
        0xF0..=0xF4 => 4,
        _ => return Err(PathError::InvalidUtf8),
    };
    let mut bytes = [first, 0, 0, 0];
    for byte in bytes.iter_mut().take(length).skip(1) {
        let Some((b'%', after)) = rest.split_first() else {
            return Err(PathError::InvalidUtf8);
        };
        (*byte, rest) = encoded_byte(after)?;
    }
    let character = bytes.get(..length).and_then(|bytes| str::from_utf8(bytes).ok());
    match character {
        None => Err(PathError::InvalidUtf8),
        Some(character) if character.contains(char::is_control) => Err(PathError::EncodedControl),
        Some(_) => Ok(rest),
    }
}

/// The byte that the two hexadecimal digits at the start stand for, and what follows them.
fn encoded_byte(after: &[u8]) -> Result<(u8, &[u8]), PathError> {
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'A'..=b'F' => Some(byte - b'A' + 10),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    let [high, low, rest @ ..] = after else {
        return Err(PathError::InvalidPercentEncoding);
    };
    match (digit(*high), digit(*low)) {
        (Some(high), Some(low)) => Ok((high << 4 | low, rest)),
        _ => Err(PathError::InvalidPercentEncoding),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn accepted(raw: &str, expected: &[&str]) {
        let path = Path::parse(raw.as_bytes()).unwrap_or_else(|error| panic!("{raw}: {error}"));
        assert_eq!(path.segments().collect::<Vec<_>>(), expected, "{raw}");
    }

    #[track_caller]
    fn refused(raw: &[u8], reason: PathError) {
        assert_eq!(Path::parse(raw), Err(reason), "{:?}", raw.escape_ascii().to_string());
    }

    #[test]
    fn segments_stay_raw() {
        accepted("/", &[]);
        accepted("/api", &["api"]);
        accepted("/api/", &["api"]);
        accepted("/api/user/7", &["api", "user", "7"]);
        accepted("/.well-known/jwks.json", &[".well-known", "jwks.json"]);
        accepted("/.../a..b/.c", &["...", "a..b", ".c"]);
        accepted(
            "/a%20b/%C3%A9/%3A/%3f/%e2%82%ac/%F0%9F%94%91",
            &["a%20b", "%C3%A9", "%3A", "%3f", "%e2%82%ac", "%F0%9F%94%91"],
        );
        accepted("/-._~!$&'()*+,=:@", &["-._~!$&'()*+,=:@"]);
    }

    #[test]
    fn one_slash_at_the_end_is_ignored() {
        assert_eq!(Path::parse(b"/api/user/"), Path::parse(b"/api/user"));
        refused(b"/api/user//", PathError::EmptySegment);
        refused(b"//", PathError::EmptySegment);
        refused(b"///", PathError::EmptySegment);
    }

    #[test]
    fn refuses_what_is_no_path() {
        for raw in [&b""[..], b"*", b"api/user", b"http://host/api/user", b"\\api", b"%2Fapi", b" /api"] {
            refused(raw, PathError::NoLeadingSlash);
        }
        refused(b"//host/api", PathError::EmptySegment);
        refused(b"/api/user?x=1", PathError::QueryOrFragment);
        refused(b"/api/user#x", PathError::QueryOrFragment);
    }

    #[test]
    fn refuses_ambiguous_segments() {
        refused(b"/api//user", PathError::EmptySegment);
        refused(b"/api/./user", PathError::DotSegment);
        refused(b"/api/../user", PathError::DotSegment);
        refused(b"/api/..", PathError::DotSegment);
        refused(b"/api/../", PathError::DotSegment);
        refused(b"/.", PathError::DotSegment);
        refused(b"/api\\user", PathError::Backslash);
        refused(b"/api/user;a=b", PathError::Semicolon);
        refused(b"/api/..;/user", PathError::Semicolon);
    }

    /// Every single byte, raw.
    #[test]
    fn raw_bytes() {
        for byte in 0..=u8::MAX {
            let raw = [b'/', b'a', byte, b'b'];
            let expected = match byte {
                b'%' => Err(PathError::InvalidPercentEncoding),
                b'\\' => Err(PathError::Backslash),
                b';' => Err(PathError::Semicolon),
                b'?' | b'#' => Err(PathError::QueryOrFragment),
                0x00..=0x20 | 0x7F..=0xFF => Err(PathError::InvalidCharacter),
                _ => Ok(()),
            };
            assert_eq!(Path::parse(&raw).map(|_| ()), expected, "{byte:#04x}");
        }
    }

    /// Every single byte, percent-encoded in both cases.
    #[test]
    fn encoded_bytes() {
        for byte in 0..=u8::MAX {
            let expected = match char::from(byte) {
                '/' => Err(PathError::EncodedSlash),
                '\\' => Err(PathError::EncodedBackslash),
                '%' => Err(PathError::EncodedPercent),
                ';' => Err(PathError::EncodedSemicolon),
                c if c.is_ascii_alphanumeric() || "-._~".contains(c) => Err(PathError::EncodedUnreserved),
                c if c.is_ascii_control() => Err(PathError::EncodedControl),
                c if !c.is_ascii() => Err(PathError::InvalidUtf8),
                _ => Ok(()),
            };
            for raw in [format!("/a%{byte:02x}b"), format!("/%{byte:02X}")] {
                assert_eq!(Path::parse(raw.as_bytes()).map(|_| ()), expected, "{raw}");
            }
        }
    }

    #[test]
    fn refuses_broken_encodings() {
        for raw in ["/%", "/%2", "/%2/0", "/%zz", "/%+1", "/% 20", "/%u0041", "/a%", "/%C3%", "/%C3%A"] {
            refused(raw.as_bytes(), PathError::InvalidPercentEncoding);
        }
        // A lone continuation, a lone lead, a gap, overlong slash and dot, a surrogate, above U+10FFFF.
        for raw in [
            "/%A9",
            "/%C3",
            "/%C3a",
            "/%C3/%A9",
            "/%C3%28",
            "/%C0%AF",
            "/%E0%80%AF",
            "/%C0%AE",
            "/%ED%A0%80",
            "/%F4%90%80%80",
            "/%F5%80%80%80",
            "/%FF",
            "/%E2%82",
        ] {
            refused(raw.as_bytes(), PathError::InvalidUtf8);
        }
        refused(b"/%C2%85", PathError::EncodedControl);
    }

    #[test]
    fn length_is_bounded() {
        let longest = format!("/{}", "a".repeat(MAXIMUM_PATH_LENGTH - 1));
        assert!(Path::parse(longest.as_bytes()).is_ok());
        refused(format!("{longest}a").as_bytes(), PathError::TooLong);
    }
}
