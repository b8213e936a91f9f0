//! Strict reading of a form (`application/x-www-form-urlencoded`; WHATWG URL, section 5).
//!
//! A parameter that stands there twice is refused (RFC 6749, section 3.2): two readers could disagree about it. So is what no
//! encoder writes. A parameter without a value counts as left out, as that section has it.

use claviger_domain::SecretText;
use zeroize::Zeroizing;

use super::OAuthError;

/// The most parameters of a form.
const MAXIMUM_PARAMETERS: usize = 64;

/// The parameters of a form with their values, which may be secrets.
pub(super) struct Form<'a>(Vec<(Name<'a>, SecretText)>);

/// The name of a parameter.
enum Name<'a> {
    /// As it was sent.
    Plain(&'a str),
    Decoded(SecretText),
}

impl Name<'_> {
    fn as_str(&self) -> &str {
        match self {
            Self::Plain(name) => name,
            Self::Decoded(name) => name.expose(),
        }
    }
}

impl<'a> Form<'a> {
    /// Reads the body of a request.
    ///
    /// # Errors
    /// [`OAuthError::ContentType`], [`OAuthError::TooManyParameters`], [`OAuthError::MalformedForm`] and
    /// [`OAuthError::RepeatedParameter`].
    pub(super) fn parse(content_type: Option<&str>, body: &'a [u8]) -> Result<Self, OAuthError> {
        let media_type = content_type.unwrap_or_default().split(';').next().unwrap_or_default().trim();
        if !media_type.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
            return Err(OAuthError::ContentType);
        }
        let mut parameters: Vec<(Name<'a>, SecretText)> = Vec::with_capacity(8);
        for pair in body.split(|byte| *byte == b'&').filter(|pair| !pair.is_empty()) {
            if parameters.len() == MAXIMUM_PARAMETERS {
                return Err(OAuthError::TooManyParameters);
            }
            let mut halves = pair.splitn(2, |byte| *byte == b'=');
            let name = halves.next().unwrap_or_default();
            let name = match plain(name) {
                Some(name) => name.map(Name::Plain),
                None => decoded(name).map(Name::Decoded),
            };
            let name = name.ok_or(OAuthError::MalformedForm)?;
            let value = decoded(halves.next().unwrap_or_default()).ok_or(OAuthError::MalformedForm)?;
            if parameters.iter().any(|(known, _)| known.as_str() == name.as_str()) {
                return Err(OAuthError::RepeatedParameter);
            }
            parameters.push((name, value));
        }
        Ok(Self(parameters))
    }

    /// Takes the value of a parameter out; `None` if it is absent or empty.
    pub(super) fn take(&mut self, name: &str) -> Option<SecretText> {
        let index = self.0.iter().position(|(own, _)| own.as_str() == name)?;
        let (_, value) = self.0.swap_remove(index);
        (!value.expose().is_empty()).then_some(value)
    }
}

/// A text in which nothing is encoded, if it is UTF-8; the outer `None` of any other.
fn plain(text: &[u8]) -> Option<Option<&str>> {
    let is_plain = text.iter().all(|byte| !matches!(byte, 0 | b'+' | b'%'));
    is_plain.then(|| std::str::from_utf8(text).ok())
}

/// A text of a form: percent-encoded, with `+` for a space. `None` if it is broken, not UTF-8, or has a NUL.
pub(super) fn decoded(text: &[u8]) -> Option<SecretText> {
    if let Some(plain) = plain(text) {
        return plain.map(|text| SecretText::from(text.to_owned()));
    }
    let mut bytes = Zeroizing::new(Vec::with_capacity(text.len()));
    let mut rest = text.iter();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let (high, low) = (hexadecimal(*rest.next()?)?, hexadecimal(*rest.next()?)?);
                (high << 4) | low
            }
            other => *other,
        });
    }
    if bytes.contains(&0) {
        return None;
    }
    String::from_utf8(std::mem::take(&mut *bytes)).ok().map(SecretText::from)
}

fn hexadecimal(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    const FORM: Option<&str> = Some("application/x-www-form-urlencoded");

    fn read(body: &[u8]) -> Result<Vec<(String, String)>, OAuthError> {
        Form::parse(FORM, body).map(|form| {
            let mut pairs: Vec<_> = form
                .0
                .iter()
                .map(|(name, value)| (name.as_str().to_owned(), value.expose().to_owned()))
                .collect();
            pairs.sort_unstable();
            pairs
        })
    }

    #[track_caller]
    fn check(body: &str, expected: &[(&str, &str)]) {
        let expected = expected.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        assert_eq!(read(body.as_bytes()), Ok(expected.collect()), "{body}");
    }

    #[test]
    fn forms_are_decoded() {
        check("", &[]);
        check("&&", &[]);
        check("a=b&c=d", &[("a", "b"), ("c", "d")]);
        check("a=b=c", &[("a", "b=c")]);
        check("a", &[("a", "")]);
        check("%61+b=%C3%A9+%2B%2b", &[("a b", "é ++")]);
        check("=x", &[("", "x")]);
        let mut form = Form::parse(FORM, b"a=&b=1").unwrap();
        assert!(form.take("a").is_none() && form.take("c").is_none());
        assert_eq!(form.take("b").map(|value| value.expose().to_owned()).as_deref(), Some("1"));
        assert!(form.take("b").is_none());
    }

    #[test]
    fn what_no_encoder_writes_is_refused() {
        for broken in
            [b"a=%".as_slice(), b"a=%4", b"a=%zz", b"%=1", b"a=%00", b"a=\0", b"a=%ff", b"\xff=1", b"a=%+1"]
        {
            assert_eq!(read(broken), Err(OAuthError::MalformedForm), "{broken:?}");
        }
        for twice in ["a=1&a=1", "a=1&b=2&a", "a=1&%61=2"] {
            assert_eq!(read(twice.as_bytes()), Err(OAuthError::RepeatedParameter), "{twice}");
        }
        let many = |count: usize| (0..count).map(|number| format!("{number}=1&")).collect::<String>();
        assert_eq!(read(many(MAXIMUM_PARAMETERS).as_bytes()).unwrap().len(), MAXIMUM_PARAMETERS);
        let too_many = many(MAXIMUM_PARAMETERS + 1);
        assert_eq!(read(too_many.as_bytes()), Err(OAuthError::TooManyParameters));
    }

    #[test]
    fn only_forms_are_read() {
        for own in ["application/x-www-form-urlencoded", "Application/X-WWW-Form-Urlencoded ; charset=utf-8"]
        {
            assert!(Form::parse(Some(own), b"").is_ok());
        }
        for other in [None, Some(""), Some("application/json"), Some("multipart/form-data; boundary=x")] {
            assert_eq!(Form::parse(other, b"").err(), Some(OAuthError::ContentType));
        }
    }
}
