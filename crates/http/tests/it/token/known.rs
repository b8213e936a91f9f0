//! Tokens that nobody vended: signed with a secret that tests know, with any header and payload.

use claviger_domain::KeyAlgorithm;

use super::{forge, import_secret, text, validate};
use crate::support::server::START;
use crate::support::{Server, unique};

/// When the tests take place, in seconds since the epoch.
pub(super) const NOW: i64 = START / 1000;

/// An HMAC key whose secret is known here.
pub(crate) struct Known {
    pub(super) id: String,
    pub(super) kid: String,
    pub(super) secret: String,
}

impl Known {
    pub(crate) fn new(server: &Server) -> Self {
        let secret = unique("a secret that both sides know");
        let key = import_secret(server, "HS256", &secret);
        Self { id: text(&key, "id").to_owned(), kid: text(&key, "kid").to_owned(), secret }
    }

    /// A token with this header and payload, rightly signed.
    pub(super) fn sign(&self, header: &str, payload: &str) -> String {
        forge(KeyAlgorithm::Hs256, &self.secret, header, payload)
    }

    pub(super) fn header(&self) -> String {
        format!(r#"{{"alg":"HS256","typ":"JWT","kid":"{}"}}"#, self.kid)
    }

    /// A token with the usual header.
    pub(crate) fn token(&self, payload: &str) -> String {
        self.sign(&self.header(), payload)
    }

    /// A token with further members in its header.
    pub(super) fn with_members(&self, members: &str) -> String {
        self.sign(&format!(r#"{{"alg":"HS256","kid":"{}",{members}}}"#, self.kid), &good())
    }
}

/// A payload that is accepted.
pub(crate) fn good() -> String {
    format!(r#"{{"exp":{},"iat":{NOW}}}"#, NOW + 60)
}

/// Asserts that a token is not accepted.
#[track_caller]
pub(super) fn refused(server: &Server, token: &str) {
    validate(server, token).denied();
}
