//! Makers of changes.

use std::collections::BTreeMap;

use claviger_domain::{
    ApiKey, ApiKeyDigest, ApiKeyId, Change, Instant, KeptDocument, Name, Permissions, Revision, Tenant,
    TenantId, TenantJwtConfiguration, TenantState,
};

/// A digest that differs from others in its first bytes.
pub(crate) fn digest(number: u64) -> ApiKeyDigest {
    let mut bytes = [0; 32];
    // Spread over all 64 bits, as the bytes of a real digest are.
    bytes[..8].copy_from_slice(&number.wrapping_mul(0x9E37_79B9_7F4A_7C15).to_le_bytes());
    ApiKeyDigest::from_bytes(bytes)
}

/// A digest that differs from others of its kind in its last byte only.
pub(crate) fn colliding_digest(number: u8) -> ApiKeyDigest {
    let mut bytes = [7; 32];
    bytes[31] = number;
    ApiKeyDigest::from_bytes(bytes)
}

pub(crate) fn only(text: &str) -> Permissions {
    Permissions::Only(text.parse().unwrap())
}

pub(crate) fn api_key(id: u128, permissions: Permissions) -> ApiKey {
    ApiKey {
        id: ApiKeyId::from_u128(id),
        revision: Revision::FIRST,
        name: None,
        attributes: BTreeMap::new(),
        permissions,
        key_manager: false,
        tenant_id: None,
        fusion_id: None,
        name_repeats: false,
        ip_access_control_list_id: None,
        disabled: false,
        retrievable: true,
        expiration_instant: None,
        insert_instant: Instant::from_epoch_millis(1),
        last_update_instant: Instant::from_epoch_millis(1),
    }
}

pub(crate) fn written(digest: ApiKeyDigest, id: u128, permissions: Permissions) -> Change {
    Change::ApiKeyWritten {
        digest,
        api_key: api_key(id, permissions),
        previous: Vec::new(),
        ended: Vec::new(),
    }
}

pub(crate) fn deleted(digest: ApiKeyDigest, id: u128) -> Change {
    Change::ApiKeyDeleted { digest, id: ApiKeyId::from_u128(id), previous: Vec::new() }
}

pub(crate) fn tenant(id: u128, state: TenantState) -> Tenant {
    Tenant {
        id: TenantId::from_u128(id),
        revision: Revision::FIRST,
        name: Name::try_from(String::from("Tenant")).unwrap(),
        issuer: String::from("acme.com"),
        jwt: TenantJwtConfiguration {
            access_token_key_id: None,
            id_token_key_id: None,
            access_token_verification_key_ids: Vec::new(),
            id_token_verification_key_ids: Vec::new(),
            time_to_live_in_seconds: 3600,
            refresh_token_time_to_live_in_minutes: 43_200,
        },
        kept: KeptDocument::from_json(String::from("{}")),
        state,
        insert_instant: Instant::from_epoch_millis(1),
        last_update_instant: Instant::from_epoch_millis(1),
    }
}
