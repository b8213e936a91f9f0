//! Tenants: the separate worlds of one instance. API keys can be bound to one.

use crate::{Instant, KeyId, Name, Revision, TenantId};

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

/// One place of one object that names a key, which therefore cannot be deleted.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyReference {
    /// The kind of the object, such as `Tenant`.
    pub owner: String,
    /// The object's id.
    pub owner_id: String,
    /// The member that holds the key's id, such as `jwtConfiguration.accessTokenKeyId`.
    pub property: String,
    /// The key that is named.
    pub key_id: KeyId,
}

impl Tenant {
    /// Every key that the tenant names, with the place. One entry per pair of place and key.
    #[must_use]
    pub fn key_references(&self) -> Vec<KeyReference> {
        let single = [
            ("jwtConfiguration.accessTokenKeyId", self.jwt.access_token_key_id),
            ("jwtConfiguration.idTokenKeyId", self.jwt.id_token_key_id),
        ];
        let lists = [
            ("jwtConfiguration.accessTokenVerificationKeyIds", &self.jwt.access_token_verification_key_ids),
            ("jwtConfiguration.idTokenVerificationKeyIds", &self.jwt.id_token_verification_key_ids),
        ];
        let reference = |property: &str, key_id| KeyReference {
            owner: String::from("Tenant"),
            owner_id: self.id.to_string(),
            property: property.to_owned(),
            key_id,
        };
        let mut references: Vec<_> = single
            .into_iter()
            .filter_map(|(property, key)| key.map(|key| reference(property, key)))
            .chain(
                lists
                    .into_iter()
                    .flat_map(|(property, keys)| keys.iter().map(move |key| reference(property, *key))),
            )
            .collect();
        references.sort();
        references.dedup();
        references
    }
}
