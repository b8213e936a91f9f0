//! Entity types, permissions, entities and grants: what is written is read, what belongs together goes together, and nothing
//! leaves its tenant.

use claviger_domain::{
    ClientId, Entity as DomainEntity, EntityGrant, EntityId, EntityType, EntityTypeId,
    EntityTypeJwtConfiguration, EntityTypePermission, EntityTypePermissionId, Instant, KeptDocument, KeyId,
    Revision, Sealed, TenantId, TenantScope,
};
use claviger_storage::{
    Action, ClientSecretChange, Entity, Field, PreviousClientSecret, StorageError, WriteTransaction,
};

use crate::support::{Database, objects, read, try_write, write};

const ALL: TenantScope = TenantScope::All;
const ONE: TenantScope = TenantScope::One(TenantId::from_u128(1));
const TWO: TenantScope = TenantScope::One(TenantId::from_u128(2));

fn secret(text: &str) -> Sealed {
    Sealed::from(text.as_bytes().to_vec())
}

fn id(number: u128) -> EntityId {
    EntityId::from_u128(number)
}

/// Two tenants and a type with the permissions 1 to 3.
fn prepare(tx: &mut WriteTransaction<'_>) -> Result<(), StorageError> {
    tx.insert_tenant(&objects::tenant(1))?;
    tx.insert_tenant(&objects::tenant(2))?;
    tx.insert_entity_type(&objects::entity_type(1))?;
    (1..=3).try_for_each(|number| tx.insert_entity_type_permission(&objects::permission(number, 1)))
}

fn insert(tx: &mut WriteTransaction<'_>, entity: &DomainEntity) -> Result<(), StorageError> {
    tx.insert_entity(entity, &secret("a sealed secret"))
}

pub fn entity_types_round_trip(db: &Database) {
    let whole = EntityType {
        jwt: EntityTypeJwtConfiguration {
            enabled: true,
            access_token_key_id: Some(KeyId::from_u128(1)),
            access_token_verification_key_ids: vec![KeyId::from_u128(2), KeyId::from_u128(1)],
            time_to_live_in_seconds: Some(60),
        },
        data: Some(KeptDocument::from_json(String::from(r#"{"a":1}"#))),
        ..objects::entity_type(1)
    };
    let bare = objects::entity_type(2);
    let (written, other) = (whole.clone(), bare.clone());
    write(&db.store, move |tx| {
        tx.insert_key(&objects::key(1))?;
        tx.insert_key(&objects::key(2))?;
        tx.insert_entity_type(&written)?;
        tx.insert_entity_type(&other)
    });
    assert_eq!(read(&db.store, |tx| tx.find_entity_type(whole.id)), Some(whole.clone()));
    assert_eq!(read(&db.store, |tx| tx.entity_types()), [whole.clone(), bare.clone()]);
    let ids = [bare.id, EntityTypeId::from_u128(9)];
    let found = read(&db.store, |tx| tx.entity_types_by_ids(&ids));
    assert_eq!(found.into_values().collect::<Vec<_>>(), std::slice::from_ref(&bare));
    let changed = EntityType { revision: whole.revision, name: objects::name("other"), ..bare.clone() };
    let wanted = EntityType { id: whole.id, insert_instant: Instant::from_epoch_millis(77), ..changed };
    let stored = write(&db.store, move |tx| tx.update_entity_type(&wanted));
    assert_eq!((stored.revision, stored.insert_instant), (Revision::FIRST.next(), whole.insert_instant));
    assert_eq!(read(&db.store, |tx| tx.find_entity_type(whole.id)), Some(stored));
    assert_eq!(read(&db.store, |tx| tx.references_to_key(KeyId::from_u128(1))), []);

    let [b, a] = [("b", 5), ("a", 6)].map(|(name, number)| EntityTypePermission {
        name: objects::name(name),
        is_default: number == 5,
        data: Some(KeptDocument::from_json(String::from("{}"))),
        ..objects::permission(number, 2)
    });
    let both = [b.clone(), a.clone()];
    write(&db.store, move |tx| {
        tx.insert_entity_type_permission(&objects::permission(7, 1))?;
        both.iter().try_for_each(|permission| tx.insert_entity_type_permission(permission))
    });
    assert_eq!(read(&db.store, |tx| tx.permissions_of_entity_type(bare.id)), [a.clone(), b.clone()]);
    let of_both = read(&db.store, |tx| tx.permissions_of_entity_types(&[bare.id, whole.id]));
    assert_eq!((of_both.len(), of_both[&bare.id].len(), of_both[&whole.id].len()), (2, 2, 1));
    // A permission is found at its own type alone.
    let find = |of, id| read(&db.store, |tx| tx.find_entity_type_permission(of, id));
    assert_eq!((find(bare.id, a.id), find(whole.id, a.id)), (Some(a.clone()), None));
    let (type_id, other_id, permission_id) = (bare.id, whole.id, a.id);
    assert!(!write(&db.store, move |tx| tx.delete_entity_type_permission(other_id, permission_id)));
    // Its name stays.
    let wanted =
        EntityTypePermission { name: objects::name("c"), description: None, is_default: true, ..a.clone() };
    let stored = write(&db.store, move |tx| tx.update_entity_type_permission(&wanted));
    let expected =
        EntityTypePermission { revision: Revision::FIRST.next(), description: None, is_default: true, ..a };
    assert_eq!(stored, expected);
    assert_eq!(find(type_id, permission_id), Some(expected));
    assert!(write(&db.store, move |tx| tx.delete_entity_type_permission(type_id, permission_id)));
    let missing = try_write(&db.store, |tx| tx.insert_entity_type_permission(&objects::permission(8, 99)));
    assert_eq!(missing, Err(StorageError::MissingReference(Entity::EntityType)));
}

pub fn entities_round_trip(db: &Database) {
    let whole = DomainEntity {
        client_id: ClientId::try_from(String::from("Client: é")).unwrap(),
        parent_id: Some(id(99)),
        data: Some(KeptDocument::from_json(String::from(r#"{"b":null}"#))),
        ..objects::entity(1, 1)
    };
    let written = whole.clone();
    write(&db.store, move |tx| {
        prepare(tx)?;
        tx.insert_entity(&written, &secret("one"))?;
        insert(tx, &DomainEntity { name: written.name.clone(), ..objects::entity(2, 1) })
    });
    let stored = read(&db.store, |tx| tx.find_entity(whole.id, ALL)).unwrap();
    assert_eq!((&stored.entity, &stored.client_secret), (&whole, &secret("one")));
    assert_eq!(stored.previous_client_secret, None);
    assert_eq!(
        read(&db.store, |tx| tx.find_entity_by_client_id(&whole.client_id, ALL)),
        Some(stored.clone())
    );
    let other_case = ClientId::try_from(String::from("client: é")).unwrap();
    assert_eq!(read(&db.store, |tx| tx.find_entity_by_client_id(&other_case, ALL)), None);
    // Tenant, type, client id and the instant of insertion stay.
    let wanted = DomainEntity {
        id: whole.id,
        client_id: other_case,
        entity_type_id: EntityTypeId::from_u128(7),
        name: objects::name("renamed"),
        insert_instant: Instant::from_epoch_millis(77),
        ..objects::entity(1, 2)
    };
    let changed = write(&db.store, move |tx| tx.update_entity(&wanted, &ClientSecretChange::Keep));
    let expected = DomainEntity {
        revision: Revision::FIRST.next(),
        name: objects::name("renamed"),
        parent_id: None,
        data: None,
        ..whole
    };
    assert_eq!(changed, expected);
    let stored = read(&db.store, |tx| tx.find_entity(expected.id, ALL)).unwrap();
    assert_eq!((stored.entity, stored.client_secret), (expected, secret("one")));
    assert_eq!(read(&db.store, |tx| tx.count_entities_of_type(EntityTypeId::from_u128(1))), 2);
    assert_eq!(read(&db.store, |tx| tx.count_entities_of_tenant(TenantId::from_u128(1))), 2);
    // Both can be gone when somebody else was first: whoever made the entity looks again.
    for orphan in [
        objects::entity(5, 9),
        DomainEntity { entity_type_id: EntityTypeId::from_u128(9), ..objects::entity(5, 1) },
    ] {
        let made = try_write(&db.store, move |tx| insert(tx, &orphan));
        assert_eq!(made, Err(StorageError::Stale));
    }
}

pub fn grants_round_trip(db: &Database) {
    let whole = EntityGrant {
        data: Some(KeptDocument::from_json(String::from("{}"))),
        ..objects::grant(1, 1, 2, &["permission 1", "permission 3"])
    };
    let written = whole.clone();
    write(&db.store, move |tx| {
        prepare(tx)?;
        (1..=3).try_for_each(|number| insert(tx, &objects::entity(number, 1)))?;
        tx.insert_entity_grant(&written)?;
        // On itself, and on the recipient in turn.
        tx.insert_entity_grant(&objects::grant(2, 1, 1, &[]))?;
        tx.insert_entity_grant(&objects::grant(3, 2, 1, &["permission 2"]))
    });
    let find = |on, to| read(&db.store, |tx| tx.find_entity_grant(id(on), id(to), ALL));
    assert_eq!(find(1, 2), Some(whole.clone()));
    assert_eq!(find(1, 3), None);
    let granted = |to, on| read(&db.store, |tx| tx.permissions_granted(id(to), id(on), ONE));
    assert_eq!(granted(2, 1), Some(whole.permissions.clone()));
    assert_eq!((granted(1, 1), granted(3, 1)), (Some(Vec::new()), None));
    let on_one = read(&db.store, |tx| tx.grants_on_entity(id(1), ALL));
    assert_eq!(on_one.iter().map(|grant| grant.recipient_entity_id).collect::<Vec<_>>(), [id(1), id(2)]);
    let wanted = EntityGrant { insert_instant: Instant::from_epoch_millis(77), ..whole.clone() };
    let wanted = EntityGrant { permissions: vec![objects::name("permission 2")], data: None, ..wanted };
    let changed = write(&db.store, move |tx| tx.update_entity_grant(&wanted));
    let expected = EntityGrant {
        revision: Revision::FIRST.next(),
        permissions: vec![objects::name("permission 2")],
        data: None,
        ..whole
    };
    assert_eq!(changed, expected);
    assert_eq!(find(1, 2), Some(expected));
    // There is one already; whoever makes it reads it first.
    let again = try_write(&db.store, |tx| tx.insert_entity_grant(&objects::grant(9, 1, 2, &[])));
    assert_eq!(again, Err(StorageError::Stale));
    let unknown =
        try_write(&db.store, |tx| tx.insert_entity_grant(&objects::grant(9, 1, 3, &["permission 9"])));
    assert_eq!(unknown, Err(StorageError::MissingReference(Entity::EntityTypePermission)));
    let delete = |scope| write(&db.store, move |tx| tx.delete_entity_grant(id(1), id(2), scope));
    assert_eq!((delete(TWO), delete(ONE), delete(ALL)), (false, true, false));
    assert_eq!(find(1, 2), None);
}

pub fn entity_conflicts_name_the_first_field(db: &Database) {
    write(&db.store, |tx| {
        prepare(tx)?;
        insert(tx, &objects::entity(1, 1))
    });
    let conflict = |outcome: Result<(), StorageError>, entity, field| {
        assert_eq!(outcome, Err(StorageError::Conflict { entity, field }));
    };
    let again = |change: fn(&mut DomainEntity)| {
        let mut entity = objects::entity(1, 2);
        change(&mut entity);
        try_write(&db.store, move |tx| insert(tx, &entity))
    };
    conflict(again(|_| ()), Entity::Entity, Field::Id);
    conflict(again(|entity| entity.id = id(2)), Entity::Entity, Field::ClientId);
    let typed = |number: u128, name: &str| {
        let entity_type = EntityType { name: objects::name(name), ..objects::entity_type(number) };
        try_write(&db.store, move |tx| tx.insert_entity_type(&entity_type))
    };
    conflict(typed(1, "type 1"), Entity::EntityType, Field::Id);
    conflict(typed(2, "type 1"), Entity::EntityType, Field::Name);
    assert_eq!(typed(2, "Type 1"), Ok(()));
    let permitted = |number: u128, name: u128, of: u128| {
        let name = objects::permission(name, of).name;
        let permission = EntityTypePermission { name, ..objects::permission(number, of) };
        try_write(&db.store, move |tx| tx.insert_entity_type_permission(&permission))
    };
    conflict(permitted(1, 1, 1), Entity::EntityTypePermission, Field::Id);
    conflict(permitted(4, 1, 1), Entity::EntityTypePermission, Field::Name);
    // Another type may have one of the same name.
    assert_eq!(permitted(4, 1, 2), Ok(()));
}

pub fn entities_stay_in_their_tenant(db: &Database) {
    write(&db.store, |tx| {
        prepare(tx)?;
        insert(tx, &objects::entity(1, 1))?;
        insert(tx, &objects::entity(2, 2))?;
        insert(tx, &objects::entity(3, 1))?;
        tx.insert_entity_grant(&objects::grant(1, 1, 3, &["permission 1"]))
    });
    for (number, in_one, in_two) in [(1, true, false), (2, false, true)] {
        for (scope, expected) in [(ALL, true), (ONE, in_one), (TWO, in_two)] {
            let client_id = ClientId::from(id(number));
            assert_eq!(read(&db.store, |tx| tx.find_entity(id(number), scope)).is_some(), expected);
            let found = read(&db.store, |tx| tx.find_entity_by_client_id(&client_id, scope));
            assert_eq!(found.is_some(), expected, "{number} {scope:?}");
            let by_ids = read(&db.store, |tx| tx.entities_by_ids(&[id(number)], scope));
            assert_eq!(by_ids.len(), usize::from(expected));
        }
    }
    assert_eq!(read(&db.store, |tx| tx.grants_on_entity(id(1), TWO)), []);
    assert_eq!(read(&db.store, |tx| tx.permissions_granted(id(3), id(1), TWO)), None);
    assert!(!write(&db.store, |tx| tx.delete_entity(id(2), ONE)));
    assert!(write(&db.store, |tx| tx.delete_entity(id(2), TWO)));
    assert_eq!(read(&db.store, |tx| tx.only_tenant()), None);
    assert!(write(&db.store, |tx| tx.delete_tenant(TenantId::from_u128(2))));
    assert_eq!(read(&db.store, |tx| tx.only_tenant()), Some(TenantId::from_u128(1)));
}

/// The database itself lets no grant join two tenants, whatever the program does.
pub fn grants_join_entities_of_one_tenant(db: &Database) {
    write(&db.store, |tx| {
        prepare(tx)?;
        insert(tx, &objects::entity(1, 1))?;
        insert(tx, &objects::entity(2, 2))?;
        insert(tx, &objects::entity(3, 2))
    });
    for (on, to) in [(1, 2), (2, 1), (2, 3), (1, 9)] {
        let made = try_write(&db.store, move |tx| tx.insert_entity_grant(&objects::grant(1, on, to, &[])));
        assert_eq!(made, Err(StorageError::Stale), "{on} {to}");
    }
    assert_eq!(db.texts("SELECT id AS value FROM entity_grant"), [""; 0]);
}

pub fn secrets_are_replaced_and_end(db: &Database) {
    write(&db.store, |tx| {
        prepare(tx)?;
        tx.insert_entity(&objects::entity(1, 1), &secret("one"))
    });
    // Writes of the tests happen at the instant 1000.
    let change = |text: &str, until: i64| ClientSecretChange::Replace {
        sealed: secret(text),
        previous_valid_until: Instant::from_epoch_millis(until),
    };
    let update = |change: ClientSecretChange| {
        write(&db.store, move |tx| {
            let entity = tx.find_entity(id(1), ALL)?.unwrap().entity;
            tx.update_entity(&entity, &change).map(drop)
        });
        let stored = read(&db.store, |tx| tx.find_entity(id(1), ALL)).unwrap();
        (stored.client_secret, stored.previous_client_secret)
    };
    let previous = |text: &str, until: i64| {
        Some(PreviousClientSecret { sealed: secret(text), valid_until: Instant::from_epoch_millis(until) })
    };
    assert_eq!(update(change("two", 1_001)), (secret("two"), previous("one", 1_001)));
    assert_eq!(update(ClientSecretChange::Keep), (secret("two"), previous("one", 1_001)));
    // There are never more than two.
    assert_eq!(update(change("three", 5_000)), (secret("three"), previous("two", 5_000)));
    assert_eq!(update(change("four", 1_000)), (secret("four"), None));
    assert_eq!(update(change("five", 1_001)), (secret("five"), previous("four", 1_001)));
    db.execute("UPDATE entity SET previous_client_secret_valid_until = 1000");
    assert_eq!(update(ClientSecretChange::Keep), (secret("five"), None));
}

pub fn permissions_leave_grants_when_they_go(db: &Database) {
    write(&db.store, |tx| {
        prepare(tx)?;
        insert(tx, &objects::entity(1, 1))?;
        insert(tx, &objects::entity(2, 1))?;
        tx.insert_entity_grant(&objects::grant(1, 1, 2, &["permission 1", "permission 2"]))?;
        tx.insert_entity_grant(&objects::grant(2, 2, 1, &["permission 1"]))
    });
    let type_id = EntityTypeId::from_u128(1);
    assert!(write(&db.store, move |tx| {
        tx.delete_entity_type_permission(type_id, EntityTypePermissionId::from_u128(1))
    }));
    let granted = |to, on| read(&db.store, |tx| tx.permissions_granted(id(to), id(on), ALL));
    assert_eq!(granted(2, 1), Some(vec![objects::name("permission 2")]));
    assert_eq!(granted(1, 2), Some(Vec::new()));
    // One of the same name is another one.
    write(&db.store, |tx| {
        let name = objects::permission(1, 1).name;
        tx.insert_entity_type_permission(&EntityTypePermission { name, ..objects::permission(9, 1) })
    });
    assert_eq!(granted(1, 2), Some(Vec::new()));
}

pub fn types_in_use_stay(db: &Database) {
    write(&db.store, |tx| {
        prepare(tx)?;
        insert(tx, &objects::entity(1, 1))
    });
    let type_id = EntityTypeId::from_u128(1);
    let delete = || try_write(&db.store, move |tx| tx.delete_entity_type(type_id));
    assert_eq!(delete(), Err(StorageError::InUse(Entity::EntityType)));
    assert_eq!(read(&db.store, |tx| tx.permissions_of_entity_type(type_id)).len(), 3);
    assert!(write(&db.store, |tx| tx.delete_entity(id(1), ALL)));
    assert_eq!((delete(), delete()), (Ok(true), Ok(false)));
    assert_eq!(db.texts("SELECT id AS value FROM entity_type_permission"), [""; 0]);
}

pub fn entities_go_with_their_grants(db: &Database) {
    write(&db.store, |tx| {
        prepare(tx)?;
        (1..=4).try_for_each(|number| insert(tx, &objects::entity(number, 1)))?;
        for (number, on, to) in [(1, 1, 2), (2, 2, 1), (3, 1, 1), (4, 3, 1), (5, 3, 4)] {
            tx.insert_entity_grant(&objects::grant(number, on, to, &["permission 1"]))?;
        }
        Ok(())
    });
    let delete = || try_write(&db.store, |tx| tx.delete_entity(id(1), ALL));
    assert_eq!(delete(), Err(StorageError::InUse(Entity::Entity)));
    let batches = [(); 3].map(|()| write(&db.store, |tx| tx.delete_grants_of_entity(id(1), 3)));
    assert_eq!(batches, [3, 1, 0]);
    assert_eq!((delete(), delete()), (Ok(true), Ok(false)));
    assert!(read(&db.store, |tx| tx.find_entity_grant(id(3), id(4), ALL)).is_some());
    assert_eq!(db.texts("SELECT entity_grant_id AS value FROM entity_grant_permission").len(), 1);
}

pub fn entities_go_with_their_tenant(db: &Database) {
    write(&db.store, |tx| {
        prepare(tx)?;
        (1..=5).try_for_each(|number| insert(tx, &objects::entity(number, 1)))?;
        insert(tx, &objects::entity(6, 2))?;
        (2..=5).try_for_each(|number| tx.insert_entity_grant(&objects::grant(number, 1, number, &[])))
    });
    let tenant = TenantId::from_u128(1);
    let delete = || try_write(&db.store, move |tx| tx.delete_tenant(tenant));
    assert_eq!(delete(), Err(StorageError::InUse(Entity::Tenant)));
    let grants = [(); 3].map(|()| write(&db.store, move |tx| tx.delete_grants_of_tenant(tenant, 3)));
    assert_eq!(grants, [3, 1, 0]);
    let entities = [(); 4].map(|()| write(&db.store, move |tx| tx.delete_entities_of_tenant(tenant, 2)));
    assert_eq!(entities, [2, 2, 1, 0]);
    assert_eq!(delete(), Ok(true));
    assert!(read(&db.store, |tx| tx.find_entity(id(6), TWO)).is_some());
}

pub fn old_revisions_of_entities_are_stale(db: &Database) {
    write(&db.store, |tx| {
        prepare(tx)?;
        insert(tx, &objects::entity(1, 1))?;
        tx.insert_entity_grant(&objects::grant(1, 1, 1, &[]))?;
        tx.update_entity_type(&objects::entity_type(1))?;
        tx.update_entity_type_permission(&objects::permission(1, 1))?;
        tx.update_entity(&objects::entity(1, 1), &ClientSecretChange::Keep)?;
        tx.update_entity_grant(&objects::grant(1, 1, 1, &[])).map(drop)
    });
    let stale = Err(StorageError::Stale);
    assert_eq!(try_write(&db.store, |tx| tx.update_entity_type(&objects::entity_type(1)).map(drop)), stale);
    let permission =
        try_write(&db.store, |tx| tx.update_entity_type_permission(&objects::permission(1, 1)).map(drop));
    assert_eq!(permission, stale);
    let entity = try_write(&db.store, |tx| {
        tx.update_entity(&objects::entity(1, 1), &ClientSecretChange::Keep).map(drop)
    });
    assert_eq!(entity, stale);
    let grant = try_write(&db.store, |tx| tx.update_entity_grant(&objects::grant(1, 1, 1, &[])).map(drop));
    assert_eq!(grant, stale);
}

pub fn corrupt_entities_are_reported(db: &Database) {
    write(&db.store, |tx| {
        prepare(tx)?;
        insert(tx, &objects::entity(1, 1))
    });
    let corrupt = |result: Result<(), StorageError>, wanted: Entity| match result {
        Err(StorageError::Corrupt { entity, .. }) => assert_eq!(entity, wanted),
        other => panic!("{other:?}"),
    };
    db.execute("UPDATE entity SET client_id = ' '");
    corrupt(try_write(&db.store, |tx| tx.find_entity(id(1), ALL).map(drop)), Entity::Entity);
    db.execute("UPDATE entity_type SET access_token_verification_key_ids = 'x'");
    corrupt(
        try_write(&db.store, |tx| tx.find_entity_type(EntityTypeId::from_u128(1)).map(drop)),
        Entity::EntityType,
    );
    db.execute("UPDATE entity_type_permission SET name = '' WHERE name = 'permission 1'");
    corrupt(
        try_write(&db.store, |tx| tx.permissions_of_entity_type(EntityTypeId::from_u128(1)).map(drop)),
        Entity::EntityTypePermission,
    );
    // They can be deleted all the same.
    assert!(write(&db.store, |tx| tx.delete_entity(id(1), ALL)));
    assert!(write(&db.store, |tx| tx.delete_entity_type(EntityTypeId::from_u128(1))));
}

pub fn changes_of_entities_are_recorded_without_secrets(db: &Database) {
    let hidden = "hidden-from-the-log";
    let data = Some(KeptDocument::from_json(format!(r#"{{"note":"{hidden}"}}"#)));
    let noted = data.clone();
    write(&db.store, move |tx| {
        prepare(tx)?;
        let entity = DomainEntity { data: noted.clone(), ..objects::entity(1, 1) };
        tx.insert_entity(&entity, &secret(hidden))?;
        tx.insert_entity_grant(&EntityGrant {
            data: noted.clone(),
            ..objects::grant(1, 1, 1, &["permission 1"])
        })?;
        let replaced = ClientSecretChange::Replace {
            sealed: secret(&format!("{hidden} too")),
            previous_valid_until: Instant::from_epoch_millis(9_000),
        };
        tx.update_entity(&entity, &replaced)?;
        tx.update_entity_grant(&objects::grant(1, 1, 1, &[]))?;
        tx.delete_grants_of_entity(id(1), 10)?;
        tx.delete_entity(id(1), ALL)?;
        tx.delete_entity_type(EntityTypeId::from_u128(1)).map(drop)
    });
    let changes = read(&db.store, |tx| tx.changes(0, 100));
    let told: Vec<_> = changes.iter().map(|change| (change.entity, change.action)).collect();
    use Entity::{EntityGrant as Grant, EntityType as Type, EntityTypePermission as Permission, Tenant};
    let (create, update, delete) = (Action::Create, Action::Update, Action::Delete);
    let expected = [
        (Tenant, create),
        (Tenant, create),
        (Type, create),
        (Permission, create),
        (Permission, create),
        (Permission, create),
        (Entity::Entity, create),
        (Grant, create),
        (Entity::Entity, update),
        (Grant, update),
        (Grant, delete),
        (Entity::Entity, delete),
        (Permission, delete),
        (Permission, delete),
        (Permission, delete),
        (Type, delete),
    ];
    assert_eq!(told, expected);
    for change in &changes {
        let text = format!("{change:?}");
        assert!(!text.contains(hidden), "{text}");
        let owned = matches!(change.entity, Entity::Entity | Grant);
        if change.entity != Tenant {
            assert_eq!(change.tenant_id, owned.then_some(TenantId::from_u128(1)), "{text}");
        }
    }
    let after: serde_json::Value = serde_json::from_str(changes[8].after.as_deref().unwrap()).unwrap();
    assert_eq!(after["clientSecretChanged"], true);
    assert_eq!(after["previousClientSecretValidUntil"], 9_000);
    let after: serde_json::Value = serde_json::from_str(changes[9].after.as_deref().unwrap()).unwrap();
    assert_eq!((&after["dataChanged"], &after["permissions"]), (&true.into(), &serde_json::json!([])));
}
