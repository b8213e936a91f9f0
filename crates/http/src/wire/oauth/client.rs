//! How a client says who it is: the header `Authorization` with the scheme Basic, or the form (RFC 6749, section 2.3.1).
//!
//! That section wants id and secret to be encoded as in a form before they become Basic. FusionAuth and most clients do not do
//! that. So the header is taken as it stands first, and decoded if that leads nowhere; only what contains a `%` or a `+` can
//! be read in two ways.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use claviger_domain::{ClientId, SecretBytes, SecretText};

use super::form::{Form, decoded};
use super::{OAuthError, OAuthRefusal};

/// The values of the header `Authorization`, which hold a secret.
pub(crate) enum Authorization {
    /// There is none, or an empty one.
    Absent,
    /// The one value, without white space around it.
    One(SecretBytes),
    /// There are several.
    Several,
}

impl Authorization {
    /// Takes the values of the header.
    pub(crate) fn of<'a>(mut values: impl Iterator<Item = &'a [u8]>) -> Self {
        match (values.next().map(<[u8]>::trim_ascii), values.next()) {
            (_, Some(_)) => Self::Several,
            (None | Some([]), None) => Self::Absent,
            (Some(value), None) => Self::One(SecretBytes::from(value.to_vec())),
        }
    }
}

/// A client id, and the secrets of which one must be its own.
pub(crate) struct Attempt {
    /// `None` of a text that no client has as its id.
    pub(crate) client_id: Option<ClientId>,
    /// One or two.
    pub(crate) secrets: Vec<SecretText>,
}

/// Who the client says it is.
pub(crate) struct ClientCredentials {
    /// One or two ways to read it, each for another client.
    pub(crate) attempts: Vec<Attempt>,
    /// Whether it comes in Basic.
    pub(crate) by_basic: bool,
}

impl ClientCredentials {
    /// Reads the credentials of a request.
    ///
    /// # Errors
    /// What is missing or wrong about them, before anything is looked up.
    pub(super) fn read(authorization: &Authorization, form: &mut Form<'_>) -> Result<Self, OAuthRefusal> {
        let (id, secret) = (form.take("client_id"), form.take("client_secret"));
        match authorization {
            Authorization::Several => Err(OAuthError::SeveralAuthentications.into()),
            Authorization::Absent => Ok(Self::in_form(id, secret)?),
            Authorization::One(value) => {
                let credentials = after_basic(value.expose()).ok_or(OAuthError::OtherScheme)?;
                // RFC 6749, section 2.3: no more than one way in a request. The id alone is none.
                let read = match secret {
                    Some(_) => Err(OAuthError::SeveralAuthentications),
                    None => Self::in_header(credentials, id.as_ref().map(SecretText::expose)),
                };
                read.map_err(|error| OAuthRefusal { error, by_basic: true })
            }
        }
    }

    fn in_form(id: Option<SecretText>, secret: Option<SecretText>) -> Result<Self, OAuthError> {
        match (id, secret) {
            (None, None) => Err(OAuthError::MissingAuthentication),
            (None, Some(_)) => Err(OAuthError::MissingClientId),
            (Some(_), None) => Err(OAuthError::MissingClientSecret),
            (Some(id), Some(secret)) => {
                Ok(Self { attempts: vec![Attempt::new(id.expose(), vec![secret])], by_basic: false })
            }
        }
    }

    fn in_header(credentials: &[u8], in_form: Option<&str>) -> Result<Self, OAuthError> {
        let malformed = OAuthError::MalformedBasic;
        let plain = SecretBytes::from(STANDARD.decode(credentials).map_err(|_| malformed)?);
        let plain = std::str::from_utf8(plain.expose()).map_err(|_| malformed)?;
        let (id, secret) = plain.split_once(':').ok_or(malformed)?;
        if id.is_empty() {
            return Err(OAuthError::MissingClientId);
        }
        if secret.is_empty() {
            return Err(OAuthError::MissingClientSecret);
        }
        let as_it_stands = SecretText::from(secret.to_owned());
        let mut attempts = vec![Attempt::new(id, vec![as_it_stands])];
        if plain.contains(['%', '+'])
            && let (Some(other_id), Some(other_secret)) = (decoded(id.as_bytes()), decoded(secret.as_bytes()))
        {
            match attempts.first_mut().filter(|_| other_id.expose() == id) {
                Some(attempt) => attempt.secrets.push(other_secret),
                None => attempts.push(Attempt::new(other_id.expose(), vec![other_secret])),
            }
        }
        if let Some(in_form) = in_form {
            let same = |attempt: &Attempt| {
                attempt.client_id.as_ref().is_some_and(|client_id| client_id.as_str() == in_form)
            };
            attempts.retain(same);
            if attempts.is_empty() {
                return Err(OAuthError::ClientIdMismatch);
            }
        }
        Ok(Self { attempts, by_basic: true })
    }
}

impl Attempt {
    fn new(id: &str, secrets: Vec<SecretText>) -> Self {
        Self { client_id: ClientId::try_from(id.to_owned()).ok(), secrets }
    }
}

/// What follows the scheme Basic, in whatever case; `None` of another scheme or none.
fn after_basic(value: &[u8]) -> Option<&[u8]> {
    let (word, rest) = value.split_at_checked(b"basic".len())?;
    (word.eq_ignore_ascii_case(b"basic") && matches!(rest.first(), None | Some(b' ')))
        .then(|| rest.trim_ascii())
}

#[cfg(test)]
mod tests {
    use super::*;

    type Read = Result<Vec<(Option<String>, Vec<String>)>, (OAuthError, bool)>;

    fn read(authorization: &[&[u8]], form: &str) -> Read {
        let mut form = Form::parse(Some("application/x-www-form-urlencoded"), form.as_bytes()).unwrap();
        let authorization = Authorization::of(authorization.iter().copied());
        let shown = |attempt: Attempt| {
            let secrets = attempt.secrets.iter().map(|secret| secret.expose().to_owned()).collect();
            (attempt.client_id.map(|id| id.to_string()), secrets)
        };
        match ClientCredentials::read(&authorization, &mut form) {
            Ok(read) => Ok(read.attempts.into_iter().map(shown).collect()),
            Err(refusal) => Err((refusal.error, refusal.by_basic)),
        }
    }

    fn basic(plain: &[u8]) -> Vec<u8> {
        format!("Basic {}", STANDARD.encode(plain)).into_bytes()
    }

    fn one(id: &str, secrets: &[&str]) -> (Option<String>, Vec<String>) {
        (Some(id.to_owned()), secrets.iter().map(|secret| (*secret).to_owned()).collect())
    }

    #[test]
    fn the_form_has_both() {
        assert_eq!(read(&[], "client_id=a&client_secret=b"), Ok(vec![one("a", &["b"])]));
        assert_eq!(read(&[b" "], "client_id=a&client_secret=%2Bb"), Ok(vec![one("a", &["+b"])]));
        assert_eq!(read(&[], ""), Err((OAuthError::MissingAuthentication, false)));
        assert_eq!(read(&[], "client_secret=b"), Err((OAuthError::MissingClientId, false)));
        assert_eq!(read(&[], "client_id=a&client_secret="), Err((OAuthError::MissingClientSecret, false)));
        assert_eq!(read(&[], "client_id=a%0A&client_secret=b"), Ok(vec![(None, vec!["b".to_owned()])]));
    }

    #[test]
    fn the_header_is_taken_as_it_stands_and_decoded() {
        let header = |plain: &str| read(&[&basic(plain.as_bytes())], "");
        assert_eq!(header("a:b:c"), Ok(vec![one("a", &["b:c"])]));
        assert_eq!(header("a:+b="), Ok(vec![one("a", &["+b=", " b="])]));
        assert_eq!(header("a:%2Bb"), Ok(vec![one("a", &["%2Bb", "+b"])]));
        assert_eq!(header("a%3Ab:c"), Ok(vec![one("a%3Ab", &["c"]), one("a:b", &["c"])]));
        // What cannot be decoded is taken as it stands only.
        assert_eq!(header("a:100%"), Ok(vec![one("a", &["100%"])]));
        let lower = String::from_utf8(basic(b"a:b")).unwrap().replacen("Basic", "bASIC ", 1);
        assert_eq!(read(&[lower.as_bytes()], ""), Ok(vec![one("a", &["b"])]));
    }

    #[test]
    fn the_id_in_the_form_must_be_that_of_the_header() {
        let both = |plain: &str, id: &str| read(&[&basic(plain.as_bytes())], &format!("client_id={id}"));
        assert_eq!(both("a:b", "a"), Ok(vec![one("a", &["b"])]));
        assert_eq!(both("a:b", ""), Ok(vec![one("a", &["b"])]));
        assert_eq!(both("a%3Ab:c", "a:b"), Ok(vec![one("a:b", &["c"])]));
        assert_eq!(both("a:b", "A"), Err((OAuthError::ClientIdMismatch, true)));
        let secrets = read(&[&basic(b"a:b")], "client_id=a&client_secret=b");
        assert_eq!(secrets, Err((OAuthError::SeveralAuthentications, true)));
    }

    #[test]
    fn other_headers_are_refused() {
        for malformed in [b"Basic".as_slice(), b"Basic !", b"Basic YTpi=", b"Basic YWI=", b"basic YTpi YTpi"]
        {
            assert_eq!(read(&[malformed], ""), Err((OAuthError::MalformedBasic, true)), "{malformed:?}");
        }
        assert_eq!(read(&[&basic(b"\xff:b")], ""), Err((OAuthError::MalformedBasic, true)));
        assert_eq!(read(&[&basic(b":b")], ""), Err((OAuthError::MissingClientId, true)));
        assert_eq!(read(&[&basic(b"a:")], ""), Err((OAuthError::MissingClientSecret, true)));
        for other in [b"Bearer x".as_slice(), b"YTpi", b"Basically x", b"\xff"] {
            assert_eq!(read(&[other], "client_id=a&client_secret=b"), Err((OAuthError::OtherScheme, false)));
        }
        assert_eq!(read(&[b"", b""], ""), Err((OAuthError::SeveralAuthentications, false)));
    }
}
