//! Objects for tests, made from a number.

use std::collections::BTreeMap;

use claviger_domain::{
    ApiKey, ApiKeyDigest, ApiKeyId, Instant, KeptDocument, Key, KeyAlgorithm, KeyId, KeyType, Kid, Name,
    Permissions, Revision, Sealed, Tenant, TenantId, TenantJwtConfiguration, TenantState,
};
use claviger_storage::{StoredApiKey, StoredKey};

pub fn name(text: &str) -> Name {
    Name::try_from(text.to_owned()).unwrap()
}

pub fn tenant(number: u128) -> Tenant {
    Tenant {
        id: TenantId::from_u128(number),
        revision: Revision::FIRST,
        name: name(&format!("tenant {number}")),
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
        state: TenantState::Active,
        insert_instant: Instant::from_epoch_millis(1),
        last_update_instant: Instant::from_epoch_millis(2),
    }
}

pub fn digest(number: u128) -> ApiKeyDigest {
    let mut bytes = [0xd1; 32];
    bytes[..16].copy_from_slice(&number.to_be_bytes());
    ApiKeyDigest::from_bytes(bytes)
}

pub fn api_key(number: u128, tenant_id: Option<TenantId>) -> StoredApiKey {
    StoredApiKey {
        api_key: ApiKey {
            id: ApiKeyId::from_u128(number),
            revision: Revision::FIRST,
            name: Some(name(&format!("api key {number}"))),
            attributes: BTreeMap::from([(String::from("description"), String::from("for tests"))]),
            permissions: Permissions::Only("GET,POST:/api/user".parse().unwrap()),
            key_manager: false,
            tenant_id,
            fusion_id: None,
            name_repeats: false,
            ip_access_control_list_id: None,
            disabled: false,
            retrievable: true,
            expiration_instant: None,
            insert_instant: Instant::from_epoch_millis(1),
            last_update_instant: Instant::from_epoch_millis(2),
        },
        digest: digest(number),
        sealed_value: Some(Sealed::from(b"sealed value".to_vec())),
    }
}

pub fn key(number: u128) -> StoredKey {
    StoredKey {
        key: Key {
            id: KeyId::from_u128(number),
            revision: Revision::FIRST,
            name: name(&format!("key {number}")),
            kid: Kid::from(format!("kid {number}")),
            key_type: KeyType::Rsa,
            algorithm: Some(KeyAlgorithm::Rs256),
            length: Some(2048),
            issuer: Some(String::from("acme.com")),
            public_key: Some(String::from("-----BEGIN PUBLIC KEY-----")),
            certificate: None,
            has_private_key: true,
            shadow: false,
            expiration_instant: None,
            insert_instant: Instant::from_epoch_millis(1),
            last_update_instant: Instant::from_epoch_millis(2),
        },
        sealed_material: Some(Sealed::from(b"sealed material".to_vec())),
    }
}
