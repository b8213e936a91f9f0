//! Objects for tests, made from a number.

use std::collections::BTreeMap;

use claviger_domain::{
    AddressRange, ApiKey, ApiKeyDigest, ApiKeyId, ClientId, Entity, EntityGrant, EntityGrantId, EntityId,
    EntityType, EntityTypeId, EntityTypeJwtConfiguration, EntityTypePermission, EntityTypePermissionId,
    FusionId, Instant, IpAccessControlEntry, IpAccessControlList, IpAccessControlListId, IpAction,
    KeptDocument, Key, KeyAlgorithm, KeyId, KeyType, Kid, Name, Permissions, Revision, Role, RoleId,
    RoleName, Sealed, Tenant, TenantId, TenantJwtConfiguration, TenantState,
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

pub fn list_id(number: u128) -> IpAccessControlListId {
    IpAccessControlListId::from_u128(number)
}

pub fn range(first: &str, last: &str) -> AddressRange {
    AddressRange::new(first.parse().unwrap(), last.parse().unwrap()).unwrap()
}

pub fn list(number: u128) -> IpAccessControlList {
    IpAccessControlList {
        id: list_id(number),
        revision: Revision::FIRST,
        name: name(&format!("list {number}")),
        entries: vec![
            IpAccessControlEntry { action: IpAction::Allow, range: Some(range("192.0.2.1", "192.0.2.9")) },
            IpAccessControlEntry { action: IpAction::Block, range: None },
        ],
        data: None,
        insert_instant: Instant::from_epoch_millis(1),
        last_update_instant: Instant::from_epoch_millis(2),
    }
}

pub fn role_name(text: &str) -> RoleName {
    RoleName::try_from(text).unwrap()
}

pub fn role(number: u128) -> Role {
    Role {
        id: RoleId::from_u128(number),
        revision: Revision::FIRST,
        name: role_name(&format!("role {number}")),
        desc: Some(String::from("for tests")),
        permissions: vec!["GET,HEAD:/collections/{id}:id=a,b".parse().unwrap()],
        ui_permissions: Vec::new(),
        insert_instant: Instant::from_epoch_millis(1),
        last_update_instant: Instant::from_epoch_millis(2),
    }
}

pub fn fusion_id(text: &str) -> FusionId {
    FusionId::try_from(text.to_owned()).unwrap()
}

/// A key as Fusion's dialect makes them, with these roles.
pub fn fusion_key(number: u128, roles: &[&str]) -> StoredApiKey {
    let mut made = api_key(number, None);
    made.api_key.fusion_id = Some(fusion_id(&format!("api-key-{number}")));
    made.api_key.name = Some(name("kiosk"));
    made.api_key.name_repeats = true;
    made.api_key.permissions = Permissions::Roles(roles.iter().map(|name| role_name(name)).collect());
    made
}

/// An entity type without keys.
pub fn entity_type(number: u128) -> EntityType {
    EntityType {
        id: EntityTypeId::from_u128(number),
        revision: Revision::FIRST,
        name: name(&format!("type {number}")),
        jwt: EntityTypeJwtConfiguration::default(),
        data: None,
        insert_instant: Instant::from_epoch_millis(1),
        last_update_instant: Instant::from_epoch_millis(2),
    }
}

/// A permission of a type. Its name says its number.
pub fn permission(number: u128, entity_type: u128) -> EntityTypePermission {
    EntityTypePermission {
        id: EntityTypePermissionId::from_u128(number),
        revision: Revision::FIRST,
        entity_type_id: EntityTypeId::from_u128(entity_type),
        name: name(&format!("permission {number}")),
        description: Some(String::from("for tests")),
        is_default: false,
        data: None,
        insert_instant: Instant::from_epoch_millis(1),
        last_update_instant: Instant::from_epoch_millis(2),
    }
}

/// An entity of a tenant, of the type 1.
pub fn entity(number: u128, tenant: u128) -> Entity {
    let id = EntityId::from_u128(number);
    Entity {
        id,
        revision: Revision::FIRST,
        tenant_id: TenantId::from_u128(tenant),
        entity_type_id: EntityTypeId::from_u128(1),
        name: name(&format!("entity {number}")),
        client_id: ClientId::from(id),
        parent_id: None,
        data: None,
        insert_instant: Instant::from_epoch_millis(1),
        last_update_instant: Instant::from_epoch_millis(2),
    }
}

/// A grant on one entity of the tenant 1 to another one.
pub fn grant(number: u128, entity: u128, recipient: u128, permissions: &[&str]) -> EntityGrant {
    EntityGrant {
        id: EntityGrantId::from_u128(number),
        revision: Revision::FIRST,
        tenant_id: TenantId::from_u128(1),
        entity_id: EntityId::from_u128(entity),
        recipient_entity_id: EntityId::from_u128(recipient),
        permissions: permissions.iter().map(|text| name(text)).collect(),
        data: None,
        insert_instant: Instant::from_epoch_millis(1),
        last_update_instant: Instant::from_epoch_millis(2),
    }
}
