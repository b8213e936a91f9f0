//! Tenants: the separate worlds of one instance. API keys can be bound to one.

use crate::key_reference::key_references;
use crate::{Instant, KeyId, KeyOwner, KeyReference, KeyUsage, Name, Revision, TenantId};

/// The issuer of a tenant that names none (FusionAuth's default).
pub const DEFAULT_ISSUER: &str = "acme.com";
/// The lifetime of an access token where a tenant sets none, in seconds.
pub const DEFAULT_TIME_TO_LIVE_IN_SECONDS: i64 = 3600;
/// The lifetime of a refresh token where a tenant sets none, in minutes.
pub const DEFAULT_REFRESH_TOKEN_TIME_TO_LIVE_IN_MINUTES: i64 = 43_200;

/// Whether a tenant is in use (FusionAuth: `ObjectState`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TenantState {
    /// In use.
    Active,
    /// Being deleted: its API keys are refused.
    PendingDelete,
}

impl TenantState {
    /// The name on the wire and in storage.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "Active",
            Self::PendingDelete => "PendingDelete",
        }
    }
}

/// Members of a tenant's document that Claviger keeps and returns as they were given, but does not act on: the text of
/// one JSON object. The domain does not look inside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptDocument(String);

impl KeptDocument {
    /// The document with this text, which must be one JSON object.
    #[must_use]
    pub const fn from_json(text: String) -> Self {
        Self(text)
    }

    /// The JSON text.
    #[must_use]
    pub fn as_json(&self) -> &str {
        &self.0
    }
}

/// `tenant.jwtConfiguration`, as far as Claviger knows it; the rest is in the kept document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TenantJwtConfiguration {
    /// Signs access tokens.
    pub access_token_key_id: Option<KeyId>,
    /// Signs id tokens; a shadow key stands for the client's own secret.
    pub id_token_key_id: Option<KeyId>,
    /// Further keys whose access tokens are accepted.
    pub access_token_verification_key_ids: Vec<KeyId>,
    /// Further keys whose id tokens are accepted.
    pub id_token_verification_key_ids: Vec<KeyId>,
    /// Lifetime of access tokens in seconds, at least 1.
    pub time_to_live_in_seconds: i64,
    /// Lifetime of refresh tokens in minutes, at least 1.
    pub refresh_token_time_to_live_in_minutes: i64,
}

/// A tenant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tenant {
    /// Names the tenant.
    pub id: TenantId,
    /// Grows with each change.
    pub revision: Revision,
    /// Unique over all tenants.
    pub name: Name,
    /// `iss` of tokens; of the default tenant also the issuer of generated certificates.
    pub issuer: String,
    /// Keys and lifetimes of tokens.
    pub jwt: TenantJwtConfiguration,
    /// What is kept, but not acted on.
    pub kept: KeptDocument,
    /// Whether it is in use.
    pub state: TenantState,
    /// When the tenant was made.
    pub insert_instant: Instant,
    /// When the tenant was last changed.
    pub last_update_instant: Instant,
}

impl TenantJwtConfiguration {
    /// The keys that are named for this use.
    #[must_use]
    pub const fn key_ids(&self, usage: KeyUsage) -> &[KeyId] {
        match usage {
            KeyUsage::SignAccessTokens => self.access_token_key_id.as_slice(),
            KeyUsage::SignIdTokens => self.id_token_key_id.as_slice(),
            KeyUsage::VerifyAccessTokens => self.access_token_verification_key_ids.as_slice(),
            KeyUsage::VerifyIdTokens => self.id_token_verification_key_ids.as_slice(),
        }
    }
}

impl Tenant {
    /// Every key that the tenant names, with the place. One entry per pair of place and key, sorted.
    #[must_use]
    pub fn key_references(&self) -> Vec<KeyReference> {
        key_references(KeyOwner::Tenant, &self.id.to_string(), |usage| self.jwt.key_ids(usage))
    }
}
