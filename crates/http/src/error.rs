//! The one place where errors become status and body.

use actix_web::http::header::{HeaderValue, WWW_AUTHENTICATE};
use claviger_crypto::CryptoError;
use claviger_domain::{Code, Violation, Violations, codes};
use claviger_storage::{Entity, Field, StorageError, TxError};
use serde::Serialize;

use crate::answer::Answer;
use crate::credential::Ambiguous;
use crate::gate::Refusal;
use crate::handlers::no_cache;
use crate::routes::Dialect;
use crate::rsa_stock::NoRsaKey;
use crate::wire::errors::{Errors, ErrorsOfBothDialects, FusionCode, FusionErrorBody};
use crate::wire::oauth::{OAuthError, OAuthErrorBody, OAuthRefusal};
use crate::wire::render;

/// Why a request is not answered as asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ApiError {
    /// Something in the request is wrong.
    #[error("the request is invalid")]
    Invalid(Violations),
    /// Something is wrong in the words of Fusion's dialect.
    #[error("{}", .0.message)]
    Fusion(FusionError),
    /// Something is wrong in the words of OAuth 2.0.
    #[error("{}", .0.error.as_str())]
    OAuth(OAuthRefusal),
    /// More than one credential.
    #[error("ambiguous credentials")]
    AmbiguousCredentials,
    /// Two requests changed the same object, and retrying did not help.
    #[error("conflicting changes")]
    Conflict,
    /// No such object, as far as this caller can tell.
    #[error("not found")]
    NotFound,
    /// No such path.
    #[error("no such path")]
    NoSuchPath,
    /// The path exists, but not with this method.
    #[error("method not allowed")]
    MethodNotAllowed,
    /// A method that no path knows.
    #[error("method not implemented")]
    MethodNotImplemented,
    /// Not authenticated or not authorized; outside, both look the same.
    #[error("refused: {0}")]
    Refused(Refusal),
    /// The body is larger than is read.
    #[error("body too large")]
    TooLarge,
    /// The client went away before its body was complete.
    #[error("the body ended early")]
    BodyCut,
    /// The body took too long.
    #[error("the body came too slowly")]
    BodyLate,
    /// Too much work waits already.
    #[error("too busy: {0}")]
    Busy(&'static str),
    /// A gateway asks for a token that cannot be made; what has to be done about it.
    #[error("no token for the upstream: {0}")]
    NoUpstreamToken(&'static str),
    /// The database, or this node's hold of it, is away.
    #[error("the database is unavailable")]
    Unavailable(#[source] Option<StorageError>),
    /// Our bug, or a broken database.
    #[error("internal error: {0}")]
    Internal(String),
}

impl ApiError {
    /// Whether this is the one violation of that code.
    pub(crate) fn is(&self, code: &'static Code) -> bool {
        matches!(self, Self::Invalid(violations) if *violations == Violations::from(code))
    }

    /// The status and body for this error.
    pub(crate) fn answer(&self, dialect: Dialect) -> Answer {
        match dialect {
            Dialect::FusionAuth => self.answer_in_fusionauths_dialect(),
            Dialect::Fusion => self.answer_in_fusions_dialect(),
            Dialect::OAuth => self.answer_in_oauths_form(),
        }
    }

    /// What this error is called at the endpoints of OAuth 2.0.
    pub(crate) const fn as_oauth(&self) -> OAuthError {
        match self {
            Self::OAuth(refusal) => refusal.error,
            Self::TooLarge => OAuthError::TooLarge,
            Self::BodyCut => OAuthError::BodyCut,
            Self::BodyLate => OAuthError::BodyLate,
            Self::Busy(_) | Self::NoUpstreamToken(_) | Self::Unavailable(_) => OAuthError::Unavailable,
            // None of these comes from there.
            Self::Invalid(_)
            | Self::Fusion(_)
            | Self::AmbiguousCredentials
            | Self::Conflict
            | Self::NotFound
            | Self::NoSuchPath
            | Self::MethodNotAllowed
            | Self::MethodNotImplemented
            | Self::Refused(_)
            | Self::Internal(_) => OAuthError::Internal,
        }
    }

    /// RFC 6749, section 5.2: the same three members, whatever it is.
    fn answer_in_oauths_form(&self) -> Answer {
        let error = self.as_oauth();
        let status = error.row().0;
        let mut answer = rendered(status, &OAuthErrorBody::from(error));
        answer.headers.push(no_cache());
        if status == 401 && matches!(self, Self::OAuth(refusal) if refusal.by_basic) {
            let challenge = HeaderValue::from_static("Basic realm=\"claviger\", charset=\"UTF-8\"");
            answer.headers.push((WWW_AUTHENTICATE, challenge));
        }
        answer
    }

    /// One object with a code and a sentence; 401 has no body there either.
    fn answer_in_fusions_dialect(&self) -> Answer {
        let (status, code, message) = match self {
            Self::Fusion(error) => (error.code.status(), error.code, error.message.as_str()),
            Self::Invalid(violations) => {
                let first = violations.iter().next();
                let code = first.map_or(FusionCode::InvalidRequest, |first| FusionCode::of(first.entry()));
                (400, code, first.map_or("", Violation::message))
            }
            Self::Conflict => (409, FusionCode::Conflict, codes::RETRYABLE_CONFLICT.message),
            Self::NotFound => (404, FusionCode::NotFound, "There is no such object within reach."),
            Self::MethodNotAllowed => {
                (405, FusionCode::MethodNotAllowed, "The path does not have this method in this dialect.")
            }
            Self::TooLarge => (413, FusionCode::TooLarge, codes::BODY_TOO_LARGE.message),
            Self::Busy(_) | Self::NoUpstreamToken(_) | Self::Unavailable(_) => {
                (503, FusionCode::Unavailable, codes::UNAVAILABLE.message)
            }
            Self::Internal(_) => (500, FusionCode::InternalError, codes::EXCEPTION.message),
            Self::AmbiguousCredentials
            | Self::OAuth(_)
            | Self::NoSuchPath
            | Self::MethodNotImplemented
            | Self::Refused(_)
            | Self::BodyCut
            | Self::BodyLate => return self.answer_in_fusionauths_dialect(),
        };
        rendered(status, &FusionErrorBody { code: code.as_str(), message })
    }

    fn answer_in_fusionauths_dialect(&self) -> Answer {
        match self {
            // Never on a path of FusionAuth's.
            Self::Fusion(error) => Answer::empty(error.code.status()),
            Self::OAuth(refusal) => Answer::empty(refusal.error.row().0),
            Self::Invalid(violations) => errors(400, violations),
            Self::AmbiguousCredentials => {
                let code = &codes::AMBIGUOUS_CREDENTIALS;
                let violations = Violations::from(code);
                let errors = Errors::from(&violations);
                rendered(
                    400,
                    &ErrorsOfBothDialects {
                        code: FusionCode::AmbiguousCredentials.as_str(),
                        message: code.message,
                        errors,
                    },
                )
            }
            Self::Conflict => errors(409, &Violations::from(&codes::RETRYABLE_CONFLICT)),
            Self::NotFound | Self::NoSuchPath => Answer::empty(404),
            Self::MethodNotAllowed => Answer::empty(405),
            Self::MethodNotImplemented => Answer::empty(501),
            Self::Refused(_) => Answer::empty(401),
            Self::TooLarge => errors(413, &Violations::from(&codes::BODY_TOO_LARGE)),
            Self::BodyLate => Answer::empty(408),
            Self::BodyCut => errors(400, &Violations::from(&codes::INVALID_JSON)),
            Self::Busy(_) | Self::NoUpstreamToken(_) | Self::Unavailable(_) => {
                errors(503, &Violations::from(&codes::UNAVAILABLE))
            }
            Self::Internal(_) => errors(500, &Violations::from(&codes::EXCEPTION)),
        }
    }
}

fn errors(status: u16, violations: &Violations) -> Answer {
    rendered(status, &Errors::from(violations))
}

fn rendered(status: u16, document: &impl Serialize) -> Answer {
    match render(document) {
        Ok(body) => Answer::json(status, body),
        Err(_) => Answer::empty(status),
    }
}

/// What is wrong with a request in Fusion's dialect.
#[derive(Debug)]
pub(crate) struct FusionError {
    pub(crate) code: FusionCode,
    pub(crate) message: String,
}

impl FusionError {
    pub(crate) fn new(code: FusionCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }
}

impl From<FusionError> for ApiError {
    fn from(error: FusionError) -> Self {
        Self::Fusion(error)
    }
}

impl From<OAuthRefusal> for ApiError {
    fn from(refusal: OAuthRefusal) -> Self {
        Self::OAuth(refusal)
    }
}

impl From<Ambiguous> for ApiError {
    fn from(Ambiguous: Ambiguous) -> Self {
        Self::AmbiguousCredentials
    }
}

impl From<Violations> for ApiError {
    fn from(violations: Violations) -> Self {
        Self::Invalid(violations)
    }
}

impl From<Violation> for ApiError {
    fn from(violation: Violation) -> Self {
        Self::Invalid(violation.into())
    }
}

impl From<&'static Code> for ApiError {
    fn from(code: &'static Code) -> Self {
        Self::Invalid(code.into())
    }
}

impl From<CryptoError> for ApiError {
    fn from(error: CryptoError) -> Self {
        Self::Internal(error.to_string())
    }
}

impl From<NoRsaKey> for ApiError {
    fn from(error: NoRsaKey) -> Self {
        match error {
            NoRsaKey::Busy => Self::Busy("key generation"),
            NoRsaKey::Failed(error) => error.into(),
        }
    }
}

impl From<StorageError> for ApiError {
    fn from(error: StorageError) -> Self {
        match error {
            // Whoever chooses Fusion's ids and the names of roles looks first whether they are taken.
            StorageError::Conflict { field: Field::FusionId, .. }
            | StorageError::Conflict { entity: Entity::Role, .. }
            // Somebody else made the same grant at the same time.
            | StorageError::Conflict { entity: Entity::EntityGrant, .. } => Self::Conflict,
            StorageError::Conflict { entity, field } => match conflict_code(entity, field) {
                Some(code) => code.into(),
                None => Self::Internal(format!("unexpected conflict: {entity:?} {field:?}")),
            },
            StorageError::MissingReference(Entity::Tenant) => (&codes::API_KEY_TENANT_INVALID).into(),
            StorageError::MissingReference(Entity::IpAccessControlList) => {
                (&codes::API_KEY_IP_ACL_INVALID).into()
            }
            StorageError::InUse(Entity::IpAccessControlList) => (&codes::IP_ACL_ID_IN_USE).into(),
            StorageError::InUse(Entity::EntityType) => (&codes::ENTITY_TYPE_ID_IN_USE).into(),
            StorageError::InUse(Entity::Key) => (&codes::KEY_ID_IN_USE).into(),
            // What is named, a key by a tenant or a role by an API key, was there when it was checked, and is gone now.
            StorageError::MissingReference(
                Entity::EntityType | Entity::EntityTypePermission | Entity::Key | Entity::Role,
            )
            | StorageError::InUse(_)
            | StorageError::Stale => Self::Conflict,
            StorageError::Busy => Self::Busy("the database"),
            StorageError::Unavailable | StorageError::Locked => Self::Unavailable(Some(error)),
            _ => Self::Internal(error.to_string()),
        }
    }
}

impl From<TxError<Self>> for ApiError {
    fn from(error: TxError<Self>) -> Self {
        match error {
            TxError::Storage(error) => error.into(),
            TxError::Abort(error) => error,
        }
    }
}

/// The code that answers a value which must be unique and is taken.
fn conflict_code(entity: Entity, field: Field) -> Option<&'static Code> {
    Some(match (entity, field) {
        (Entity::ApiKey, Field::Id) => &codes::API_KEY_ID_DUPLICATE,
        (Entity::ApiKey, Field::Name) => &codes::API_KEY_NAME_DUPLICATE,
        (Entity::ApiKey, Field::Digest) => &codes::API_KEY_KEY_DUPLICATE,
        (Entity::Entity, Field::ClientId) => &codes::ENTITY_CLIENT_ID_DUPLICATE,
        (Entity::Entity, Field::Id) => &codes::ENTITY_ID_DUPLICATE,
        (Entity::EntityType, Field::Id) => &codes::ENTITY_TYPE_ID_DUPLICATE,
        (Entity::EntityType, Field::Name) => &codes::ENTITY_TYPE_NAME_DUPLICATE,
        (Entity::EntityTypePermission, Field::Id) => &codes::PERMISSION_ID_DUPLICATE,
        (Entity::EntityTypePermission, Field::Name) => &codes::PERMISSION_NAME_DUPLICATE,
        (Entity::IpAccessControlList, Field::Id) => &codes::IP_ACL_ID_DUPLICATE,
        (Entity::IpAccessControlList, Field::Name) => &codes::IP_ACL_NAME_DUPLICATE,
        (Entity::Key, Field::Id) => &codes::KEY_ID_DUPLICATE,
        (Entity::Key, Field::Name) => &codes::KEY_NAME_DUPLICATE,
        (Entity::Key, Field::Kid) => &codes::KEY_KID_DUPLICATE,
        (Entity::Tenant, Field::Id) => &codes::TENANT_ID_DUPLICATE,
        (Entity::Tenant, Field::Name) => &codes::TENANT_NAME_DUPLICATE,
        _ => return None,
    })
}
