//! The headers of a gateway's question, gathered in one walk over all of them: to look for each by name takes as long as everything
//! else that is done with it.

use actix_web::http::header::HeaderMap;

use crate::error::ApiError;
use crate::gate::Refusal;

/// The headers with method and URI of the original request, in the one convention and in the other.
pub(super) const ORIGINAL: [&str; 4] =
    ["x-original-method", "x-original-uri", "x-forwarded-method", "x-forwarded-uri"];

/// The values of a header. Of more than two, the first two: nobody takes more than one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Values<'a> {
    first: Option<&'a [u8]>,
    second: Option<&'a [u8]>,
    more: bool,
}

impl<'a> Values<'a> {
    fn add(&mut self, value: &'a [u8]) {
        match self {
            Self { first: first @ None, .. } => *first = Some(value),
            Self { second: second @ None, .. } => *second = Some(value),
            Self { more, .. } => *more = true,
        }
    }

    /// The first two.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        self.first.into_iter().chain(self.second)
    }

    /// All of them; `None` if there are more than two.
    pub(crate) fn all(&self) -> Option<impl Iterator<Item = &'a [u8]> + use<'a>> {
        (!self.more).then(|| self.iter())
    }
}

/// Method and URI of the original request, as far as headers tell them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Original<'a> {
    /// In the order of [`ORIGINAL`].
    values: [Option<&'a [u8]>; ORIGINAL.len()],
    /// Whether one of them is there twice, or in another spelling.
    repeated: bool,
}

/// What is looked at of the headers of a gateway's question.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct GatewayHeaders<'a> {
    pub(crate) authorization: Values<'a>,
    pub(crate) x_api_key: Values<'a>,
    pub(crate) apikey: Values<'a>,
    pub(crate) tenant: Values<'a>,
    pub(crate) forwarded_for: Values<'a>,
    pub(crate) original: Original<'a>,
}

impl<'a> GatewayHeaders<'a> {
    /// Walks over all headers.
    pub(crate) fn of(headers: &'a HeaderMap) -> Self {
        let mut found = Self::default();
        for (name, value) in headers {
            let (name, value) = (name.as_str(), value.as_bytes());
            match name {
                "authorization" => found.authorization.add(value),
                "x-api-key" => found.x_api_key.add(value),
                "apikey" => found.apikey.add(value),
                "x-fusionauth-tenantid" => found.tenant.add(value),
                "x-forwarded-for" => found.forwarded_for.add(value),
                _ => found.original.see(name, value),
            }
        }
        found
    }
}

impl<'a> Original<'a> {
    fn see(&mut self, name: &str, value: &'a [u8]) {
        // No two of them are equally long.
        let own = ORIGINAL.iter().zip(&mut self.values).find(|(own, _)| own.len() == name.len());
        if let Some((own, slot)) = own.filter(|(own, _)| is_spelling_of(own, name)) {
            self.repeated |= slot.replace(value).is_some() || name != *own;
        }
    }

    /// Method and URI, if there is exactly one way to read them.
    ///
    /// # Errors
    /// [`ApiError::Refused`] otherwise.
    pub(super) fn read(&self) -> Result<(&'a [u8], &'a [u8]), ApiError> {
        let refusal = match self.values {
            [Some(_), _, Some(_), _]
            | [Some(_), _, _, Some(_)]
            | [_, Some(_), Some(_), _]
            | [_, Some(_), _, Some(_)] => Refusal::OriginalContradictory,
            _ if self.repeated => Refusal::OriginalRepeated,
            [Some(method), Some(uri), None, None] | [None, None, Some(method), Some(uri)] => {
                return Ok((method, uri));
            }
            _ => Refusal::OriginalMissing,
        };
        Err(ApiError::Refused(refusal))
    }
}

/// Whether a header is this one for a program that takes underscores for hyphens.
fn is_spelling_of(own: &str, name: &str) -> bool {
    own.len() == name.len()
        && own.bytes().zip(name.bytes()).all(|(own, byte)| own == byte || (own == b'-' && byte == b'_'))
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::{HeaderName, HeaderValue};

    use super::*;

    #[test]
    fn no_two_headers_of_the_original_request_are_equally_long() {
        let mut lengths = ORIGINAL.map(str::len);
        lengths.sort_unstable();
        assert!(lengths.windows(2).all(|pair| pair[0] < pair[1]));
    }

    #[test]
    fn every_value_is_found_whatever_stands_between() {
        let mut headers = HeaderMap::new();
        for number in 0..3 {
            for name in [
                "authorization",
                "x-api-key",
                "apikey",
                "x-fusionauth-tenantid",
                "x-forwarded-for",
                "x-forwarded-fox",
            ] {
                let value = HeaderValue::try_from(format!("{name} {number}")).unwrap();
                headers.append(HeaderName::from_static(name), value);
            }
            let found = GatewayHeaders::of(&headers);
            for (name, values) in [
                ("authorization", found.authorization),
                ("x-api-key", found.x_api_key),
                ("apikey", found.apikey),
                ("x-fusionauth-tenantid", found.tenant),
                ("x-forwarded-for", found.forwarded_for),
            ] {
                let expected: Vec<_> =
                    (0..=number).map(|number| format!("{name} {number}").into_bytes()).collect();
                assert_eq!(values.iter().collect::<Vec<_>>(), expected[..expected.len().min(2)]);
                assert_eq!(values.all().is_some(), number < 2);
            }
            assert_eq!(found.original, Original::default());
        }
        assert_eq!(GatewayHeaders::of(&HeaderMap::new()), GatewayHeaders::default());
    }
}
