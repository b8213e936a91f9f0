//! What the registry of places promises: a key that any of them names stays, and the error can say where it is named.

use std::collections::BTreeSet;

use claviger_domain::{
    EntityType, EntityTypeId, KEY_PLACES, KeyId, KeyOwner, KeyPlace, KeyReference, KeyUsage, Tenant, TenantId,
};
use claviger_storage::{Entity, StorageError, Store};

use crate::support::{Database, Kind, objects, read, try_write, write};

/// A tenant that names keys in these places.
fn tenant_with(places: &[(&KeyPlace, KeyId)]) -> Tenant {
    let mut tenant = objects::tenant(1);
    for (place, key) in places {
        match place.usage {
            KeyUsage::SignAccessTokens => tenant.jwt.access_token_key_id = Some(*key),
            KeyUsage::SignIdTokens => tenant.jwt.id_token_key_id = Some(*key),
            KeyUsage::VerifyAccessTokens => tenant.jwt.access_token_verification_key_ids.push(*key),
            KeyUsage::VerifyIdTokens => tenant.jwt.id_token_verification_key_ids.push(*key),
        }
    }
    tenant
}

/// An entity type that names keys in these places.
fn entity_type_with(places: &[(&KeyPlace, KeyId)]) -> EntityType {
    let mut entity_type = objects::entity_type(1);
    for (place, key) in places {
        match place.usage {
            KeyUsage::SignAccessTokens => entity_type.jwt.access_token_key_id = Some(*key),
            KeyUsage::VerifyAccessTokens => entity_type.jwt.access_token_verification_key_ids.push(*key),
            KeyUsage::SignIdTokens | KeyUsage::VerifyIdTokens => panic!("entities get no id tokens"),
        }
    }
    entity_type
}

/// Writes an object of this kind that names exactly these keys: a new one, or the one that was written before.
fn put(store: &Store, owner: KeyOwner, places: &[(&KeyPlace, KeyId)]) {
    match owner {
        KeyOwner::EntityType => {
            let entity_type = entity_type_with(places);
            write(store, move |tx| match tx.find_entity_type(entity_type.id)? {
                None => tx.insert_entity_type(&entity_type),
                Some(stored) => tx
                    .update_entity_type(&EntityType { revision: stored.revision, ..entity_type.clone() })
                    .map(drop),
            });
        }
        KeyOwner::Tenant => {
            let tenant = tenant_with(places);
            write(store, move |tx| match tx.find_tenant(tenant.id, claviger_domain::TenantScope::All)? {
                None => tx.insert_tenant(&tenant),
                Some(stored) => {
                    tx.update_tenant(&Tenant { revision: stored.revision, ..tenant.clone() }).map(drop)
                }
            });
        }
    }
}

fn remove(store: &Store, owner: KeyOwner) {
    match owner {
        KeyOwner::EntityType => {
            assert!(write(store, |tx| tx.delete_entity_type(EntityTypeId::from_u128(1))));
        }
        KeyOwner::Tenant => assert!(write(store, |tx| tx.delete_tenant(TenantId::from_u128(1)))),
    }
}

/// The place of the reference that [`put`] makes.
fn reference(place: &KeyPlace, key_id: KeyId) -> KeyReference {
    KeyReference {
        owner: place.owner.as_str().to_owned(),
        // The same text for objects of every kind.
        owner_id: TenantId::from_u128(1).to_string(),
        property: place.property.to_owned(),
        key_id,
    }
}

pub fn every_place_keeps_its_key(db: &Database) {
    let store = &db.store;
    let delete = |key| try_write(store, move |tx| tx.delete_key(key));
    let in_use = Err(StorageError::InUse(Entity::Key));
    for place in &KEY_PLACES {
        let key = KeyId::from_u128(1);
        for end in [put_nothing as fn(&Store, KeyOwner), remove] {
            write(store, |tx| tx.insert_key(&objects::key(1)));
            put(store, place.owner, &[(place, key)]);
            assert_eq!(delete(key), in_use, "{place:?}");
            assert_eq!(read(store, |tx| tx.references_to_key(key)), [reference(place, key)]);
            end(store, place.owner);
            assert_eq!(read(store, |tx| tx.references_to_key(key)), []);
            assert_eq!(delete(key), Ok(true), "{place:?}");
        }
    }
}

fn put_nothing(store: &Store, owner: KeyOwner) {
    put(store, owner, &[]);
}

pub fn all_places_at_once_keep_their_keys(db: &Database) {
    let store = &db.store;
    let numbers = 1..=KEY_PLACES.len() as u128;
    let places: Vec<_> = KEY_PLACES.iter().zip(numbers.clone().map(KeyId::from_u128)).collect();
    write(store, move |tx| numbers.clone().try_for_each(|number| tx.insert_key(&objects::key(number))));
    let owners: BTreeSet<KeyOwner> = KEY_PLACES.iter().map(|place| place.owner).collect();
    for owner in &owners {
        let own: Vec<_> = places.iter().filter(|(place, _)| place.owner == *owner).copied().collect();
        put(store, *owner, &own);
    }
    for (place, key) in &places {
        let key = *key;
        let deleted = try_write(store, move |tx| tx.delete_key(key));
        assert_eq!(deleted, Err(StorageError::InUse(Entity::Key)), "{place:?}");
        assert_eq!(read(store, |tx| tx.references_to_key(key)), [reference(place, key)]);
    }
    owners.into_iter().for_each(|owner| remove(store, owner));
    for (_, key) in places {
        assert!(write(store, move |tx| tx.delete_key(key)));
    }
    assert_eq!(db.texts("SELECT key_id AS value FROM key_reference"), [""; 0]);
}

/// Whoever adds a column that holds key ids has to add the place that it stands for.
pub fn every_column_with_key_ids_is_a_place(db: &Database) {
    let columns = match db.kind {
        #[cfg(feature = "sqlite")]
        Kind::Sqlite => {
            "SELECT t.name || '.' || c.name AS value FROM sqlite_schema t JOIN pragma_table_info(t.name) c \
             WHERE t.type = 'table'"
        }
        #[cfg(feature = "postgres")]
        Kind::Postgres => {
            "SELECT table_name || '.' || column_name AS value FROM information_schema.columns \
             WHERE table_schema = current_schema()"
        }
    };
    let holds_key_ids = |column: &String| {
        column.split_once('.').is_some_and(|(table, column)| {
            table != "key_reference" && column.contains("key_id") && !column.contains("api_key_id")
        })
    };
    let found: BTreeSet<String> = db.texts(columns).into_iter().filter(holds_key_ids).collect();
    let registered: BTreeSet<String> = KEY_PLACES.iter().map(|place| place.column.to_owned()).collect();
    assert_eq!(found, registered);
}
