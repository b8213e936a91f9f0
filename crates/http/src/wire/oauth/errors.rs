//! What is wrong with a request, in the words of OAuth 2.0 (RFC 6749, section 5.2) and FusionAuth's `error_reason`.
//!
//! Some of FusionAuth's clients know the names of both members and throw at any other. So whatever has no name there carries
//! the reason `unknown`, and the description says what it is.

use serde::Serialize;

/// Status, `error`, `error_reason` and `error_description`.
pub type OAuthErrorRow = (u16, &'static str, &'static str, &'static str);

macro_rules! oauth_errors {
    ($($(#[$doc:meta])* $name:ident $label:literal = $status:literal $error:literal $reason:literal, $description:literal;)*) => {
        /// What is wrong with a request.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) enum OAuthError { $(#[doc = $description] $(#[$doc])* $name),* }

        impl OAuthError {
            /// Status and members of the answer.
            pub(crate) const fn row(self) -> OAuthErrorRow {
                match self { $(Self::$name => ($status, $error, $reason, $description)),* }
            }

            /// A name of its own, for metrics and the log.
            pub(crate) const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $label),* }
            }
        }

        /// Every error of the token endpoint and of introspection, for the documentation. What must look alike from outside
        /// stands there once for each cause.
        pub static OAUTH_ERRORS: &[OAuthErrorRow] = &[$(($status, $error, $reason, $description)),*];
    };
}

oauth_errors! {
    MissingGrantType "missing_grant_type" = 400 "invalid_request" "missing_grant_type", "The request is missing a required parameter: grant_type";
    UnsupportedGrantType "unsupported_grant_type" = 400 "unsupported_grant_type" "invalid_grant_type", "The request has an unsupported parameter: grant_type. Only client_credentials is supported";
    MissingAuthentication "missing_authentication" = 401 "invalid_client" "client_authentication_missing", "The client must authenticate: with Basic, or with client_id and client_secret";
    OtherScheme "other_scheme" = 401 "invalid_client" "invalid_client_authentication_scheme", "The header Authorization has another scheme than Basic";
    MalformedBasic "malformed_basic" = 401 "invalid_client" "invalid_client_authentication", "What follows Basic is not the base64 of a client id, a colon and a secret";
    ClientIdMismatch "client_id_mismatch" = 401 "invalid_client" "client_id_mismatch", "The parameter client_id names another client than the header Authorization";
    MissingClientId "missing_client_id" = 401 "invalid_client" "invalid_client_id", "The request is missing a required parameter: client_id";
    MissingClientSecret "missing_client_secret" = 401 "invalid_client" "missing_client_secret", "The request is missing a required parameter: client_secret";
    WrongSecret "wrong_secret" = 401 "invalid_client" "invalid_client_authentication", "There is no such client, or its secret is another one";
    #[doc = " From outside this is `WrongSecret`."]
    UnknownClient "unknown_client" = 401 "invalid_client" "invalid_client_authentication", "There is no such client, or its secret is another one";
    #[doc = " The tenant of the client is being deleted; from outside this is `WrongSecret`."]
    TenantNotActive "tenant_not_active" = 401 "invalid_client" "invalid_client_authentication", "There is no such client, or its secret is another one";
    SeveralAuthentications "several_authentications" = 400 "invalid_request" "invalid_client_authentication", "The client authenticates in more than one way";
    InvalidScope "invalid_scope" = 400 "invalid_scope" "invalid_target_entity_scope", "The request has an invalid parameter: scope. It is a list of target-entity:<id> or target-entity:<id>:<permissions>, of entities on which the client has a grant";
    InvalidPermission "invalid_permission" = 400 "invalid_scope" "invalid_entity_permission_scope", "The request has an invalid parameter: scope. It names a permission that is not granted";
    TokenTooLong "token_too_long" = 400 "invalid_scope" "invalid_entity_permission_scope", "The request has an invalid parameter: scope. So many permissions do not fit into a token";
    InvalidTenantId "invalid_tenant_id" = 400 "invalid_request" "invalid_tenant_id", "The request has an invalid parameter: tenantId";
    NoSigningKey "no_signing_key" = 400 "unauthorized_client" "access_token_failed_processing", "Neither the type of the client nor its tenant names a key that can sign its tokens";
    MissingToken "missing_token" = 400 "invalid_request" "missing_token", "The request is missing a required parameter: token";
    OtherTokenType "other_token_type" = 400 "unsupported_token_type" "token_type_hint_mismatch", "The token is of another type than the parameter token_type_hint says";
    OtherClientsToken "other_clients_token" = 401 "invalid_client" "client_id_mismatch", "The token was neither issued to the client nor meant for it";
    ContentType "content_type" = 400 "invalid_request" "unknown", "The body must be a form: application/x-www-form-urlencoded";
    MalformedForm "malformed_form" = 400 "invalid_request" "unknown", "The form cannot be read: it must be UTF-8 and percent-encoded, without NUL";
    RepeatedParameter "repeated_parameter" = 400 "invalid_request" "unknown", "The form has a parameter more than once";
    TooManyParameters "too_many_parameters" = 400 "invalid_request" "unknown", "The form has more than 64 parameters";
    BodyCut "body_cut" = 400 "invalid_request" "unknown", "The body ended early";
    BodyLate "body_late" = 408 "invalid_request" "unknown", "The body came too slowly";
    TooLarge "too_large" = 413 "invalid_request" "unknown", "The body has more than 1 MiB";
    Internal "internal" = 500 "server_error" "unknown", "An unexpected error; the log has it under the request id";
    Unavailable "unavailable" = 503 "server_error" "unknown", "The server cannot answer this now";
}

impl OAuthError {
    /// Whether it is about a client id and a secret that were looked up: from outside all of these are one, in their time
    /// as well.
    pub(crate) const fn is_about_a_secret(self) -> bool {
        matches!(self, Self::WrongSecret | Self::UnknownClient | Self::TenantNotActive)
    }
}

/// An error, and whether the client had tried Basic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct OAuthRefusal {
    pub(crate) error: OAuthError,
    /// An answer of 401 then names the scheme (RFC 6749, section 5.2).
    pub(crate) by_basic: bool,
}

impl From<OAuthError> for OAuthRefusal {
    fn from(error: OAuthError) -> Self {
        Self { error, by_basic: false }
    }
}

/// The body of a refusal.
#[derive(Serialize)]
pub(crate) struct OAuthErrorBody {
    error: &'static str,
    error_reason: &'static str,
    error_description: &'static str,
}

impl From<OAuthError> for OAuthErrorBody {
    fn from(error: OAuthError) -> Self {
        let (_, error, error_reason, error_description) = error.row();
        Self { error, error_reason, error_description }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// FusionAuth's names, as its clients for Java and .NET know them; only those that have something to do with this.
    const ERRORS: [&str; 6] = [
        "invalid_request",
        "invalid_client",
        "invalid_scope",
        "unauthorized_client",
        "unsupported_grant_type",
        "unsupported_token_type",
    ];
    const REASONS: [&str; 15] = [
        "access_token_failed_processing",
        "client_authentication_missing",
        "client_id_mismatch",
        "invalid_client_authentication",
        "invalid_client_authentication_scheme",
        "invalid_client_id",
        "invalid_entity_permission_scope",
        "invalid_grant_type",
        "invalid_target_entity_scope",
        "invalid_tenant_id",
        "missing_client_secret",
        "missing_grant_type",
        "missing_token",
        "token_type_hint_mismatch",
        "unknown",
    ];

    #[test]
    fn every_name_is_one_that_clients_know() {
        for (status, error, reason, description) in OAUTH_ERRORS {
            assert_eq!(*status >= 500, *error == "server_error", "{description}");
            assert_eq!(*status == 401, *error == "invalid_client", "{description}");
            assert!(*error == "server_error" || ERRORS.contains(error), "{error}");
            assert!(REASONS.contains(reason), "{reason}");
            // RFC 6749, section 5.2: no other characters than these.
            assert!(
                description.bytes().all(|byte| matches!(byte, 0x20..=0x7e) && byte != b'"' && byte != b'\\')
            );
        }
    }

    #[test]
    fn what_is_about_a_secret_looks_alike() {
        let [wrong, unknown, tenant] =
            [OAuthError::WrongSecret, OAuthError::UnknownClient, OAuthError::TenantNotActive];
        assert_eq!((wrong.row(), wrong.row()), (unknown.row(), tenant.row()));
        assert!([wrong, unknown, tenant].into_iter().all(OAuthError::is_about_a_secret));
        assert!(!OAuthError::MissingClientSecret.is_about_a_secret());
    }
}
