//! What storage promises about each kind of object.

use std::sync::Barrier;

use claviger_domain::{
    Actor, ApiKey, ApiKeyId, ChangeContext, Instant, IpAccessControlList, KeptDocument, KeyId, Permissions,
    Revision, Role, Sealed, Tenant, TenantId, TenantScope, TenantState,
};
use claviger_storage::{
    Action, ChangeRow, Entity, Field, Instance, StorageError, StoredApiKey, StoredKey, TxError,
    WriteTransaction,
};

use crate::support::{Database, objects, read, try_write, write};

const ALL: TenantScope = TenantScope::All;

#[track_caller]
fn conflict(result: Result<(), StorageError>, entity: Entity, field: Field) {
    assert_eq!(result, Err(StorageError::Conflict { entity, field }));
}

pub fn conflicts_name_the_first_field(db: &Database) {
    write(&db.store, |tx| {
        tx.insert_tenant(&objects::tenant(1))?;
        tx.insert_key(&objects::key(1))?;
        tx.insert_api_key(&objects::api_key(1, None))?;
        tx.insert_data_key(1, &Sealed::from(vec![]), Instant::from_epoch_millis(0))
    });

    let api_key = |id, name, digest| {
        let mut made = objects::api_key(id, None);
        made.api_key.name = objects::api_key(name, None).api_key.name;
        made.digest = objects::digest(digest);
        try_write(&db.store, move |tx| tx.insert_api_key(&made))
    };
    conflict(api_key(1, 2, 2), Entity::ApiKey, Field::Id);
    conflict(api_key(2, 1, 2), Entity::ApiKey, Field::Name);
    conflict(api_key(2, 2, 1), Entity::ApiKey, Field::Digest);
    conflict(api_key(1, 1, 1), Entity::ApiKey, Field::Id);
    conflict(api_key(2, 1, 1), Entity::ApiKey, Field::Name);

    write(&db.store, |tx| {
        tx.insert_ip_access_control_list(&objects::list(1))?;
        tx.insert_role(&objects::role(1))?;
        tx.insert_api_key(&objects::fusion_key(9, &["role 1"]))
    });
    let fusion_key = |id, digest| {
        let mut made = objects::fusion_key(9, &[]);
        made.api_key.id = ApiKeyId::from_u128(id);
        made.digest = objects::digest(digest);
        try_write(&db.store, move |tx| tx.insert_api_key(&made))
    };
    conflict(fusion_key(8, 8), Entity::ApiKey, Field::FusionId);
    conflict(fusion_key(9, 9), Entity::ApiKey, Field::Id);
    conflict(fusion_key(8, 9), Entity::ApiKey, Field::Digest);
    let mut named = objects::fusion_key(9, &[]);
    named.api_key.id = ApiKeyId::from_u128(8);
    named.digest = objects::digest(8);
    named.api_key.name = objects::api_key(1, None).api_key.name;
    named.api_key.name_repeats = false;
    let named = try_write(&db.store, move |tx| tx.insert_api_key(&named));
    conflict(named, Entity::ApiKey, Field::Name);

    let list = |id, name| {
        let made = IpAccessControlList { name: objects::list(name).name, ..objects::list(id) };
        try_write(&db.store, move |tx| tx.insert_ip_access_control_list(&made))
    };
    conflict(list(1, 2), Entity::IpAccessControlList, Field::Id);
    conflict(list(2, 1), Entity::IpAccessControlList, Field::Name);
    conflict(list(1, 1), Entity::IpAccessControlList, Field::Id);
    let role = |id, name| {
        let made = Role { name: objects::role(name).name, ..objects::role(id) };
        try_write(&db.store, move |tx| tx.insert_role(&made))
    };
    conflict(role(1, 2), Entity::Role, Field::Id);
    conflict(role(2, 1), Entity::Role, Field::Name);
    conflict(role(1, 1), Entity::Role, Field::Id);

    let key = |id, name, kid| {
        let mut made = objects::key(id);
        made.key.name = objects::key(name).key.name;
        made.key.kid = objects::key(kid).key.kid;
        try_write(&db.store, move |tx| tx.insert_key(&made))
    };
    conflict(key(1, 2, 2), Entity::Key, Field::Id);
    conflict(key(2, 1, 2), Entity::Key, Field::Name);
    conflict(key(2, 2, 1), Entity::Key, Field::Kid);
    conflict(key(1, 1, 1), Entity::Key, Field::Id);
    conflict(key(2, 1, 1), Entity::Key, Field::Name);

    let tenant = |id, name| {
        let made = Tenant { name: objects::tenant(name).name, ..objects::tenant(id) };
        try_write(&db.store, move |tx| tx.insert_tenant(&made))
    };
    conflict(tenant(1, 2), Entity::Tenant, Field::Id);
    conflict(tenant(2, 1), Entity::Tenant, Field::Name);
    conflict(tenant(1, 1), Entity::Tenant, Field::Id);

    let again = try_write(&db.store, |tx| {
        tx.insert_data_key(1, &Sealed::from(vec![]), Instant::from_epoch_millis(0))
    });
    conflict(again, Entity::DataKey, Field::Id);

    // Renaming collides just as well.
    let renamed = try_write(&db.store, |tx| {
        tx.insert_key(&objects::key(2))?;
        let mut key = tx.find_key(KeyId::from_u128(2))?.unwrap();
        key.name = objects::key(1).key.name;
        tx.rename_key(&key).map(drop)
    });
    conflict(renamed, Entity::Key, Field::Name);
    let renamed = try_write(&db.store, |tx| {
        tx.insert_ip_access_control_list(&objects::list(2))?;
        let name = objects::list(1).name;
        tx.update_ip_access_control_list(&IpAccessControlList { name, ..objects::list(2) }).map(drop)
    });
    conflict(renamed, Entity::IpAccessControlList, Field::Name);
    // A role that is in use cannot be renamed either, but the conflict comes first.
    let renamed = try_write(&db.store, |tx| {
        tx.insert_role(&objects::role(2))?;
        tx.update_role(&Role { name: objects::role(2).name, ..objects::role(1) }).map(drop)
    });
    conflict(renamed, Entity::Role, Field::Name);
    // A name that differs in case, or in how its letters are composed, is another one.
    let mut other = objects::api_key(3, None);
    for (number, text) in ["Name", "name", "é", "e\u{301}"].into_iter().enumerate() {
        other.api_key.id = ApiKeyId::from_u128(100 + number as u128);
        other.api_key.name = Some(objects::name(text));
        other.digest = objects::digest(100 + number as u128);
        let other = other.clone();
        write(&db.store, move |tx| tx.insert_api_key(&other));
    }
    // Any number of API keys have no name.
    for number in 200..202 {
        let mut unnamed = objects::api_key(number, None);
        unnamed.api_key.name = None;
        write(&db.store, move |tx| tx.insert_api_key(&unnamed));
    }
}

pub fn missing_references_are_named(db: &Database) {
    let orphan = objects::api_key(1, Some(TenantId::from_u128(7)));
    let result = try_write(&db.store, move |tx| tx.insert_api_key(&orphan));
    assert_eq!(result, Err(StorageError::MissingReference(Entity::Tenant)));

    let moved = try_write(&db.store, |tx| {
        tx.insert_api_key(&objects::api_key(1, None))?;
        let mut key = objects::api_key(1, None).api_key;
        key.tenant_id = Some(TenantId::from_u128(7));
        tx.update_api_key(&key).map(drop)
    });
    assert_eq!(moved, Err(StorageError::MissingReference(Entity::Tenant)));

    // Of several that are missing the first one in the order tenant, list, role.
    let missing = |tenant: bool, list: bool, role: bool| {
        let change = move |api_key: &mut ApiKey| {
            api_key.tenant_id = Some(TenantId::from_u128(if tenant { 7 } else { 1 }));
            api_key.ip_access_control_list_id = Some(objects::list_id(if list { 7 } else { 1 }));
            let roles = if role { ["role 1", "role 7"] } else { ["role 1", "role 1"] };
            api_key.permissions = Permissions::Roles(roles.map(objects::role_name).to_vec());
        };
        let found = |tx: &mut WriteTransaction<'_>| {
            tx.insert_tenant(&objects::tenant(1))?;
            tx.insert_ip_access_control_list(&objects::list(1))?;
            tx.insert_role(&objects::role(1))
        };
        let inserted = try_write(&db.store, move |tx| {
            found(tx)?;
            let mut made = objects::api_key(1, None);
            change(&mut made.api_key);
            tx.insert_api_key(&made)?;
            tx.delete_api_key(made.api_key.id, ALL)?;
            Err::<(), _>(StorageError::Busy)
        });
        let updated = try_write(&db.store, move |tx| {
            found(tx)?;
            let mut made = objects::api_key(1, None);
            tx.insert_api_key(&made)?;
            change(&mut made.api_key);
            tx.update_api_key(&made.api_key)?;
            Err::<(), _>(StorageError::Busy)
        });
        assert_eq!(inserted, updated);
        inserted
    };
    for (tenant, list, role, entity) in [
        (true, true, true, Entity::Tenant),
        (true, false, false, Entity::Tenant),
        (false, true, true, Entity::IpAccessControlList),
        (false, true, false, Entity::IpAccessControlList),
        (false, false, true, Entity::Role),
    ] {
        assert_eq!(missing(tenant, list, role), Err(StorageError::MissingReference(entity)));
    }
    assert_eq!(missing(false, false, false), Err(StorageError::Busy));

    let place: [fn(&mut Tenant); 4] = [
        |tenant| tenant.jwt.access_token_key_id = Some(KeyId::from_u128(9)),
        |tenant| tenant.jwt.id_token_key_id = Some(KeyId::from_u128(9)),
        |tenant| tenant.jwt.access_token_verification_key_ids.push(KeyId::from_u128(9)),
        |tenant| tenant.jwt.id_token_verification_key_ids.push(KeyId::from_u128(9)),
    ];
    for put in place {
        let mut tenant = objects::tenant(1);
        put(&mut tenant);
        let result = try_write(&db.store, move |tx| tx.insert_tenant(&tenant));
        assert_eq!(result, Err(StorageError::MissingReference(Entity::Key)));
    }

    let instance = try_write(&db.store, |tx| {
        tx.insert_instance(&Instance {
            id: String::from("instance"),
            default_tenant_id: TenantId::from_u128(7),
            sealed_digest_key: Sealed::from(vec![1]),
            insert_instant: Instant::from_epoch_millis(0),
        })
    });
    assert_eq!(instance, Err(StorageError::MissingReference(Entity::Tenant)));
    assert_eq!(read(&db.store, |tx| tx.changes(0, 10)), []);
}

pub fn scopes_hide_what_is_outside(db: &Database) {
    let (one, two) = (TenantId::from_u128(1), TenantId::from_u128(2));
    write(&db.store, move |tx| {
        tx.insert_tenant(&objects::tenant(1))?;
        tx.insert_tenant(&objects::tenant(2))?;
        tx.insert_api_key(&objects::api_key(10, None))?;
        tx.insert_api_key(&objects::api_key(11, Some(one)))?;
        tx.insert_api_key(&objects::api_key(12, Some(two)))
    });
    let tenants =
        |scope| read(&db.store, |tx| tx.tenants(scope)).into_iter().map(|tenant| tenant.id).collect();
    let tenants = |scope| -> Vec<TenantId> { tenants(scope) };
    assert_eq!(tenants(ALL), [one, two]);
    assert_eq!(tenants(TenantScope::One(two)), [two]);
    assert_eq!(tenants(TenantScope::One(TenantId::from_u128(3))), []);
    let find = |id, scope| read(&db.store, |tx| tx.find_tenant(id, scope)).is_some();
    assert!(find(one, ALL) && find(one, TenantScope::One(one)) && !find(one, TenantScope::One(two)));

    let find = |number, scope| {
        let found = read(&db.store, |tx| tx.find_api_key(ApiKeyId::from_u128(number), scope));
        found.is_some()
    };
    for (number, in_one, in_two) in [(10, false, false), (11, true, false), (12, false, true)] {
        assert!(find(number, ALL));
        assert_eq!(find(number, TenantScope::One(one)), in_one, "{number}");
        assert_eq!(find(number, TenantScope::One(two)), in_two, "{number}");
    }
    let delete =
        |number, scope| write(&db.store, move |tx| tx.delete_api_key(ApiKeyId::from_u128(number), scope));
    assert!(!delete(10, TenantScope::One(one)) && !delete(12, TenantScope::One(one)));
    assert!(delete(11, TenantScope::One(one)) && !delete(11, ALL) && delete(10, ALL) && delete(12, ALL));
}

pub fn lists_are_sorted_by_bytes(db: &Database) {
    let names = ["10", "9", "A b", "Ab", "Z", "a", "z", "ä", "é", "\u{ffff}", "\u{10000}"];
    for (number, name) in names.into_iter().enumerate().rev() {
        let number = 1 + number as u128;
        let tenant = Tenant { name: objects::name(name), ..objects::tenant(number) };
        let mut key = objects::key(number);
        key.key.name = objects::name(name);
        write(&db.store, move |tx| {
            tx.insert_tenant(&tenant)?;
            tx.insert_key(&key)
        });
    }
    let tenants = read(&db.store, |tx| tx.tenants(ALL));
    assert_eq!(tenants.iter().map(|tenant| tenant.name.as_str()).collect::<Vec<_>>(), names);
    let keys = read(&db.store, |tx| tx.keys());
    assert_eq!(keys.iter().map(|key| key.name.as_str()).collect::<Vec<_>>(), names);
}

pub fn keys_in_use_stay(db: &Database) {
    let (used, free) = (KeyId::from_u128(1), KeyId::from_u128(2));
    let mut tenant = objects::tenant(1);
    tenant.jwt.access_token_key_id = Some(used);
    tenant.jwt.id_token_verification_key_ids = vec![used, used];
    let references = tenant.key_references();
    let written = tenant.clone();
    write(&db.store, move |tx| {
        tx.insert_key(&objects::key(1))?;
        tx.insert_key(&objects::key(2))?;
        tx.insert_tenant(&written)
    });
    assert_eq!(references.len(), 2);
    assert_eq!(read(&db.store, |tx| tx.references_to_key(used)), references);
    assert_eq!(read(&db.store, |tx| tx.references_to_key(free)), []);
    let delete = |id| try_write(&db.store, move |tx| tx.delete_key(id));
    assert_eq!(delete(used), Err(StorageError::InUse(Entity::Key)));
    assert_eq!(read(&db.store, |tx| tx.find_key(used)).map(|key| key.id), Some(used));
    assert_eq!((delete(free), delete(free)), (Ok(true), Ok(false)));

    tenant.jwt.access_token_key_id = None;
    let written = tenant.clone();
    tenant = write(&db.store, move |tx| tx.update_tenant(&written));
    assert_eq!(delete(used), Err(StorageError::InUse(Entity::Key)));
    tenant.jwt.id_token_verification_key_ids.clear();
    write(&db.store, move |tx| tx.update_tenant(&tenant));
    assert_eq!(delete(used), Ok(true));
}

pub fn tenants_are_deleted_in_batches(db: &Database) {
    let id = TenantId::from_u128(1);
    write(&db.store, move |tx| {
        tx.insert_tenant(&objects::tenant(1))?;
        tx.insert_tenant(&objects::tenant(2))?;
        tx.insert_api_key(&objects::api_key(100, None))?;
        tx.insert_api_key(&objects::api_key(101, Some(TenantId::from_u128(2))))?;
        (1..=5).try_for_each(|number| tx.insert_api_key(&objects::api_key(number, Some(id))))
    });
    assert_eq!(read(&db.store, |tx| tx.count_api_keys_of_tenant(id)), 5);
    let result = try_write(&db.store, move |tx| tx.delete_tenant(id));
    assert_eq!(result, Err(StorageError::InUse(Entity::Tenant)));
    let batches = [(); 4].map(|()| write(&db.store, move |tx| tx.delete_api_keys_of_tenant(id, 2)));
    assert_eq!(batches, [2, 2, 1, 0]);
    assert!(write(&db.store, move |tx| tx.delete_tenant(id)));
    assert!(!write(&db.store, move |tx| tx.delete_tenant(id)));
    assert_eq!(read(&db.store, |tx| tx.count_api_keys()), 2);

    // The default tenant stays.
    let default = TenantId::from_u128(2);
    write(&db.store, move |tx| {
        tx.insert_instance(&Instance {
            id: String::from("instance"),
            default_tenant_id: default,
            sealed_digest_key: Sealed::from(vec![1]),
            insert_instant: Instant::from_epoch_millis(0),
        })?;
        tx.delete_api_keys_of_tenant(default, 10)
    });
    let result = try_write(&db.store, move |tx| tx.delete_tenant(default));
    assert_eq!(result, Err(StorageError::InUse(Entity::Tenant)));
}

pub fn old_revisions_are_stale(db: &Database) {
    write(&db.store, |tx| {
        tx.insert_tenant(&objects::tenant(1))?;
        tx.insert_key(&objects::key(1))?;
        tx.insert_ip_access_control_list(&objects::list(1))?;
        tx.insert_role(&objects::role(1))?;
        tx.insert_api_key(&objects::api_key(1, None))
    });
    let update = |revision, gone| {
        let revision = Revision::from_number(revision);
        let number = if gone { 9 } else { 1 };
        let tenant = Tenant { revision, ..objects::tenant(number) };
        let mut key = objects::key(number).key;
        key.revision = revision;
        let mut api_key = objects::api_key(number, None).api_key;
        api_key.revision = revision;
        let list = IpAccessControlList { revision, ..objects::list(number) };
        let role = Role { revision, ..objects::role(number) };
        [
            try_write(&db.store, move |tx| tx.update_tenant(&tenant).map(|new| new.revision.number())),
            try_write(&db.store, move |tx| tx.rename_key(&key).map(|new| new.revision.number())),
            try_write(&db.store, move |tx| tx.update_api_key(&api_key).map(|new| new.revision.number())),
            try_write(&db.store, move |tx| {
                tx.update_ip_access_control_list(&list).map(|new| new.revision.number())
            }),
            try_write(&db.store, move |tx| tx.update_role(&role).map(|new| new.revision.number())),
        ]
    };
    const STALE: Result<i64, StorageError> = Err(StorageError::Stale);
    assert_eq!(update(1, false), [const { Ok(2) }; 5]);
    assert_eq!(update(1, false), [STALE; 5]);
    assert_eq!(update(3, false), [STALE; 5]);
    assert_eq!(update(1, true), [STALE; 5]);
    assert_eq!(update(2, false), [const { Ok(3) }; 5]);
}

pub fn updates_keep_what_is_fixed(db: &Database) {
    let stored = objects::api_key(1, None);
    let mut changed = stored.api_key.clone();
    changed.name = None;
    changed.attributes.clear();
    changed.permissions = Permissions::All;
    changed.key_manager = true;
    changed.tenant_id = Some(TenantId::from_u128(1));
    changed.retrievable = false;
    changed.fusion_id = Some(objects::fusion_id("another"));
    changed.ip_access_control_list_id = Some(objects::list_id(1));
    changed.disabled = true;
    changed.expiration_instant = Some(Instant::from_epoch_millis(9));
    changed.insert_instant = Instant::from_epoch_millis(9);
    changed.last_update_instant = Instant::from_epoch_millis(9);
    let (before, new) = (stored.clone(), changed.clone());
    let returned = write(&db.store, move |tx| {
        tx.insert_tenant(&objects::tenant(1))?;
        tx.insert_ip_access_control_list(&objects::list(1))?;
        tx.insert_api_key(&before)?;
        tx.update_api_key(&new)
    });
    changed.retrievable = true;
    changed.fusion_id = None;
    changed.insert_instant = stored.api_key.insert_instant;
    changed.revision = Revision::from_number(2);
    assert_eq!(returned, changed);
    let expected = StoredApiKey { api_key: changed, ..stored };
    assert_eq!(read(&db.store, |tx| tx.find_api_key(expected.api_key.id, ALL)), Some(expected));

    let stored = objects::key(1);
    let mut renamed = objects::key(2).key;
    renamed.id = stored.key.id;
    renamed.last_update_instant = Instant::from_epoch_millis(9);
    let (before, new) = (stored.clone(), renamed.clone());
    write(&db.store, move |tx| {
        tx.insert_key(&before)?;
        tx.rename_key(&new)
    });
    let StoredKey { mut key, sealed_material } = stored;
    key.revision = Revision::from_number(2);
    key.name = renamed.name;
    key.last_update_instant = renamed.last_update_instant;
    assert_eq!(read(&db.store, |tx| tx.find_sealed_material(key.id)), sealed_material);
    assert_eq!(read(&db.store, |tx| tx.find_key(key.id)), Some(key));
}

pub fn one_instance_wins(db: &Database) {
    write(&db.store, |tx| tx.insert_tenant(&objects::tenant(1)));
    let barrier = Barrier::new(4);
    let start = |number: u8| {
        let instance = Instance {
            id: format!("instance {number}"),
            default_tenant_id: TenantId::from_u128(1),
            sealed_digest_key: Sealed::from(vec![number]),
            insert_instant: Instant::from_epoch_millis(0),
        };
        let written = instance.clone();
        barrier.wait();
        (instance, try_write(&db.store, move |tx| tx.insert_instance(&written)))
    };
    let outcomes: Vec<_> = std::thread::scope(|scope| {
        let start = &start;
        let threads: Vec<_> = (0..4).map(|number| scope.spawn(move || start(number))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let (won, lost): (Vec<_>, Vec<_>) = outcomes.into_iter().partition(|(_, outcome)| outcome.is_ok());
    assert_eq!(won.len(), 1);
    for (_, outcome) in lost {
        conflict(outcome, Entity::Instance, Field::Id);
    }
    assert_eq!(read(&db.store, |tx| tx.find_instance()).as_ref(), Some(&won[0].0));
}

pub fn corrupt_rows_are_reported(db: &Database) {
    write(&db.store, |tx| {
        tx.insert_tenant(&objects::tenant(1))?;
        tx.insert_key(&objects::key(1))?;
        (1..=4).try_for_each(|number| tx.insert_api_key(&objects::api_key(number, None)))
    });
    let id = |number| ApiKeyId::from_u128(number).to_string();
    db.execute(&format!(
        "UPDATE api_key SET permissions = 'anything' WHERE id = '{}';
         UPDATE api_key SET attributes = '[]' WHERE id = '{}';
         UPDATE tenant SET state = 'Alive';
         UPDATE \"key\" SET length = -1",
        id(1),
        id(2),
    ));
    let corrupt =
        |entity, id: String, reason: &str| StorageError::Corrupt { entity, id, reason: reason.to_owned() };
    let found = db.store.read::<_, ()>(|tx| Ok(tx.find_api_key(ApiKeyId::from_u128(1), ALL)?));
    let expected = corrupt(Entity::ApiKey, id(1), "permissions");
    assert_eq!(found, Err(TxError::Storage(expected.clone())));
    let tenants = db.store.read::<_, ()>(|tx| Ok(tx.tenants(ALL)?));
    let tenant_id = TenantId::from_u128(1).to_string();
    assert_eq!(tenants, Err(TxError::Storage(corrupt(Entity::Tenant, tenant_id, "state"))));
    let keys = db.store.read::<_, ()>(|tx| Ok(tx.keys()?));
    let key_id = KeyId::from_u128(1).to_string();
    assert_eq!(keys, Err(TxError::Storage(corrupt(Entity::Key, key_id, "length"))));

    // Loading goes on behind them.
    let (mut good, mut bad) = (Vec::new(), Vec::new());
    read(&db.store, |tx| {
        tx.for_each_api_key(&mut |row| match row {
            Ok((_, key, _)) => good.push(key.id.as_u128()),
            Err(error) => bad.push(error),
        })
    });
    good.sort_unstable();
    bad.sort_by_key(ToString::to_string);
    assert_eq!(good, [3, 4]);
    assert_eq!(bad, [expected, corrupt(Entity::ApiKey, id(2), "attributes")]);

    // They can be deleted, and the change row says so.
    assert!(write(&db.store, |tx| {
        Ok(tx.delete_api_key(ApiKeyId::from_u128(1), ALL)?
            && tx.delete_tenant(TenantId::from_u128(1))?
            && tx.delete_key(KeyId::from_u128(1))?)
    }));
    let rows = read(&db.store, |tx| tx.changes(6, 10));
    assert_eq!(rows.len(), 3);
    assert!(rows.iter().all(|row| row.before.as_deref().unwrap().contains("corrupt row")), "{rows:?}");
}

pub fn changes_are_recorded_without_secrets(db: &Database) {
    let actor = Actor::ApiKey(ApiKeyId::from_u128(77));
    let instant = Instant::from_epoch_millis(i64::MAX);
    let context = ChangeContext { actor, instant, address: Some(String::from("192.0.2.1")) };
    let tenant_id = TenantId::from_u128(1);
    let result = db.store.write::<(), (), _>(&context, move |tx| {
        let mut tenant = objects::tenant(1);
        tenant.kept = KeptDocument::from_json(String::from(r#"{"password":"hunter2"}"#));
        tx.insert_tenant(&tenant)?;
        tenant.state = TenantState::PendingDelete;
        tx.update_tenant(&tenant)?;
        tx.insert_key(&objects::key(1))?;
        tx.rename_key(&objects::key(1).key)?;
        tx.insert_api_key(&objects::api_key(1, Some(tenant_id)))?;
        tx.update_api_key(&objects::api_key(1, Some(tenant_id)).api_key)?;
        tx.insert_instance(&Instance {
            id: String::from("instance"),
            default_tenant_id: tenant_id,
            sealed_digest_key: Sealed::from(b"sealed digest key".to_vec()),
            insert_instant: instant,
        })?;
        tx.insert_data_key(1, &Sealed::from(b"sealed data key".to_vec()), instant)?;
        tx.delete_api_key(ApiKeyId::from_u128(1), ALL)?;
        tx.delete_key(KeyId::from_u128(1))?;
        Ok(())
    });
    assert_eq!(result, Ok(()));
    // What finds nothing records nothing.
    assert!(!write(&db.store, move |tx| tx.delete_key(KeyId::from_u128(1))));

    let rows = read(&db.store, |tx| tx.changes(0, 100));
    let seen: Vec<_> = rows.iter().map(|row| (row.entity, row.action)).collect();
    let expected = [
        (Entity::Tenant, Action::Create),
        (Entity::Tenant, Action::Update),
        (Entity::Key, Action::Create),
        (Entity::Key, Action::Update),
        (Entity::ApiKey, Action::Create),
        (Entity::ApiKey, Action::Update),
        (Entity::Instance, Action::Create),
        (Entity::DataKey, Action::Create),
        (Entity::ApiKey, Action::Delete),
        (Entity::Key, Action::Delete),
    ];
    assert_eq!(seen, expected);
    for ChangeRow { action, before, after, .. } in &rows {
        assert_eq!(
            (before.is_some(), after.is_some()),
            (*action != Action::Create, *action != Action::Delete)
        );
    }
    assert!(rows.iter().all(|row| row.actor == actor && row.instant == instant));
    assert!(rows.iter().all(|row| row.address.as_deref() == Some("192.0.2.1")));
    let tenants: Vec<_> = rows.iter().filter(|row| row.tenant_id == Some(tenant_id)).collect();
    assert_eq!(tenants.len(), 5);
    let update: serde_json::Value = serde_json::from_str(rows[1].after.as_deref().unwrap()).unwrap();
    assert_eq!(update["state"], "PendingDelete");
    assert_eq!(update["revision"], 2);
    assert_eq!(update["documentChanged"], false);
    let made: serde_json::Value = serde_json::from_str(rows[4].after.as_deref().unwrap()).unwrap();
    assert_eq!(made["permissions"], "GET,POST:/api/user");

    // Neither as text nor as a list of numbers, as JSON writes bytes, nor in hexadecimal.
    let all = db
        .texts("SELECT coalesce(\"before\", '') || coalesce(\"after\", '') AS value FROM change ORDER BY id");
    assert_eq!(all.len(), expected.len());
    for text in all {
        for secret in ["sealed", "hunter2", "digest", "209,209", "d1d1", "115,101,97"] {
            assert!(!text.to_lowercase().contains(secret), "{secret} in {text}");
        }
    }
    // Paging goes on behind the last row seen.
    assert_eq!(read(&db.store, |tx| tx.changes(rows[7].id, 1)), rows[8..9]);
    assert_eq!(read(&db.store, |tx| tx.changes(rows[9].id, 1)), []);
}
