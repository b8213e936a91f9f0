//! What restricts API keys or says what they may do: IP access control lists, roles, and the names and ids of keys that
//! were made in Fusion's dialect.

use std::sync::{Arc, Mutex};

use claviger_domain::{
    ApiKeyId, Change, Instant, IpAccessControlEntry, IpAccessControlList, Permissions, Revision, Role,
    RoleId, TenantId, TenantScope,
};
use claviger_storage::{Action, Entity, StorageError, TxError};

use crate::support::{Database, objects, read, try_write, write};

const ALL: TenantScope = TenantScope::All;

fn api_key_id(number: u128) -> ApiKeyId {
    ApiKeyId::from_u128(number)
}

pub fn names_repeat_only_where_they_may(db: &Database) {
    write(&db.store, |tx| {
        tx.insert_api_key(&objects::fusion_key(1, &[]))?;
        tx.insert_api_key(&objects::fusion_key(2, &[]))?;
        tx.insert_api_key(&objects::api_key(3, None))
    });
    let taken = |text: &str, except: Option<u128>| {
        let name = objects::name(text);
        read(&db.store, |tx| tx.api_key_name_is_taken(&name, except.map(api_key_id)))
    };
    assert!(taken("kiosk", None) && taken("kiosk", Some(1)) && taken("kiosk", Some(3)));
    assert!(taken("api key 3", None) && taken("api key 3", Some(1)) && !taken("api key 3", Some(3)));
    assert!(!taken("Kiosk", None) && !taken("kios_", None) && !taken("none", None));
    // One that is alone with its name may keep it.
    write(&db.store, |tx| tx.delete_api_key(api_key_id(2), ALL));
    assert!(!taken("kiosk", Some(1)));

    // The name moves between the columns, and the key has one in each state.
    let columns = || {
        db.texts(
            "SELECT coalesce(name, '-') || ' ' || coalesce(repeating_name, '-') AS value FROM api_key \
             WHERE fusion_id IS NOT NULL",
        )
    };
    assert_eq!(columns(), ["- kiosk"]);
    for (name, repeats, expected) in [
        (Some("own"), false, "own -"),
        (Some("own"), true, "- own"),
        (None, true, "- -"),
        (Some("again"), true, "- again"),
        (None, false, "- -"),
    ] {
        let updated = write(&db.store, move |tx| {
            let mut key = tx.find_api_key(api_key_id(1), ALL)?.unwrap().api_key;
            (key.name, key.name_repeats) = (name.map(objects::name), repeats);
            tx.update_api_key(&key)
        });
        assert_eq!(columns(), [expected]);
        assert_eq!(updated.name_repeats, repeats && name.is_some());
        let found = read(&db.store, |tx| tx.find_api_key(updated.id, ALL));
        assert_eq!(found.map(|found| found.api_key), Some(updated));
    }
}

pub fn fusion_ids_find_keys(db: &Database) {
    let tenant = TenantId::from_u128(1);
    write(&db.store, move |tx| {
        tx.insert_tenant(&objects::tenant(1))?;
        let mut own = objects::fusion_key(2, &[]);
        own.api_key.tenant_id = Some(tenant);
        tx.insert_api_key(&own)?;
        tx.insert_api_key(&objects::fusion_key(1, &[]))
    });
    let find = |id: &str, scope| {
        let id = objects::fusion_id(id);
        let found = read(&db.store, |tx| tx.find_api_key_by_fusion_id(&id, scope));
        found.map(|found| found.api_key.id.as_u128())
    };
    assert_eq!((find("api-key-1", ALL), find("api-key-2", ALL)), (Some(1), Some(2)));
    assert_eq!((find("API-KEY-1", ALL), find("api-key-_", ALL), find("kiosk", ALL)), (None, None, None));
    let (inside, outside) = (TenantScope::One(tenant), TenantScope::One(TenantId::from_u128(2)));
    assert_eq!((find("api-key-1", inside), find("api-key-2", inside)), (None, Some(2)));
    assert_eq!(find("api-key-2", outside), None);
}

pub fn api_keys_are_listed_by_age(db: &Database) {
    let tenant = TenantId::from_u128(1);
    write(&db.store, move |tx| {
        tx.insert_tenant(&objects::tenant(1))?;
        for (number, instant) in [(1, 5), (2, -1), (3, 5), (4, 0)] {
            let mut made = objects::api_key(number, (number > 2).then_some(tenant));
            made.api_key.insert_instant = Instant::from_epoch_millis(instant);
            tx.insert_api_key(&made)?;
        }
        Ok(())
    });
    let listed = |scope| -> Vec<u128> {
        let keys = read(&db.store, |tx| tx.list_api_keys(scope));
        keys.into_iter().map(|key| key.id.as_u128()).collect()
    };
    assert_eq!(listed(ALL), [2, 4, 1, 3]);
    assert_eq!(listed(TenantScope::One(tenant)), [4, 3]);
    assert_eq!(listed(TenantScope::One(TenantId::from_u128(2))), [0; 0]);
}

pub fn keys_with_roles_look_powerless_to_older_programs(db: &Database) {
    write(&db.store, |tx| {
        tx.insert_role(&objects::role(1))?;
        tx.insert_api_key(&objects::fusion_key(1, &["role 1"]))?;
        tx.insert_api_key(&objects::fusion_key(2, &[]))?;
        let mut all = objects::api_key(3, None);
        all.api_key.permissions = Permissions::All;
        tx.insert_api_key(&all)?;
        all.api_key.permissions = Permissions::Roles(vec![objects::role_name("role 1")]);
        tx.update_api_key(&all.api_key)
    });
    let permissions =
        db.texts("SELECT coalesce(permissions, 'all') || roles AS value FROM api_key ORDER BY id");
    assert_eq!(permissions, [r#"["role 1"]"#, "[]", r#"["role 1"]"#]);
}

pub fn roles_in_use_stay(db: &Database) {
    let tenant = TenantId::from_u128(1);
    write(&db.store, move |tx| {
        tx.insert_tenant(&objects::tenant(1))?;
        (1..=4).try_for_each(|number| tx.insert_role(&objects::role(number)))?;
        tx.insert_api_key(&objects::fusion_key(1, &["role 2", "role 1"]))?;
        let mut own = objects::fusion_key(2, &["role 3"]);
        own.api_key.tenant_id = Some(tenant);
        tx.insert_api_key(&own)
    });
    let delete = |number| try_write(&db.store, move |tx| tx.delete_role(RoleId::from_u128(number)));
    let rename = |number| {
        try_write(&db.store, move |tx| {
            let role = tx.find_role(RoleId::from_u128(number))?.unwrap();
            let name = objects::role_name(&format!("{} renamed", role.name));
            tx.update_role(&Role { name, ..role }).map(drop)
        })
    };
    let in_use = StorageError::InUse(Entity::Role);
    for number in 1..=3 {
        assert_eq!(delete(number), Err(in_use.clone()), "{number}");
        assert_eq!(rename(number), Err(in_use.clone()), "{number}");
    }
    assert_eq!((rename(4), delete(4), delete(4)), (Ok(()), Ok(true), Ok(false)));
    // All but the name can change.
    let changed = Role { desc: None, permissions: Vec::new(), ..objects::role(1) };
    let updated = write(&db.store, move |tx| tx.update_role(&changed));
    assert_eq!(read(&db.store, |tx| tx.find_role(updated.id)), Some(updated));

    // A key that loses a role frees it, be it by an update, its deletion, or that of its tenant.
    write(&db.store, |tx| {
        let mut key = tx.find_api_key(api_key_id(1), ALL)?.unwrap().api_key;
        key.permissions = Permissions::Roles(vec![objects::role_name("role 2")]);
        tx.update_api_key(&key)
    });
    assert_eq!((delete(1), delete(2)), (Ok(true), Err(in_use.clone())));
    assert!(write(&db.store, |tx| tx.delete_api_key(api_key_id(1), ALL)));
    assert_eq!((delete(2), delete(3)), (Ok(true), Err(in_use)));
    assert_eq!(write(&db.store, move |tx| tx.delete_api_keys_of_tenant(tenant, 9)), 1);
    assert_eq!(delete(3), Ok(true));
}

pub fn lists_in_use_stay(db: &Database) {
    let id = objects::list_id(1);
    write(&db.store, move |tx| {
        tx.insert_ip_access_control_list(&objects::list(1))?;
        tx.insert_ip_access_control_list(&objects::list(2))?;
        for number in 1..=3 {
            let mut made = objects::api_key(number, None);
            made.api_key.ip_access_control_list_id = (number > 1).then_some(id);
            tx.insert_api_key(&made)?;
        }
        Ok(())
    });
    let delete = |id| try_write(&db.store, move |tx| tx.delete_ip_access_control_list(id));
    let using = |limit| read(&db.store, |tx| tx.api_keys_with_ip_access_control_list(id, limit));
    let count = || read(&db.store, |tx| tx.count_api_keys_with_ip_access_control_list(id));
    assert_eq!(delete(id), Err(StorageError::InUse(Entity::IpAccessControlList)));
    assert_eq!((using(9), using(1), count()), ([2, 3].map(api_key_id).to_vec(), vec![api_key_id(2)], 2));
    // It can be changed and renamed: keys name it by its id.
    let changed = IpAccessControlList { name: objects::name("other"), ..objects::list(1) };
    write(&db.store, move |tx| tx.update_ip_access_control_list(&changed));

    write(&db.store, |tx| {
        let mut key = tx.find_api_key(api_key_id(2), ALL)?.unwrap().api_key;
        key.ip_access_control_list_id = None;
        tx.update_api_key(&key)?;
        tx.delete_api_key(api_key_id(3), ALL)
    });
    assert_eq!((using(9), count()), (vec![], 0));
    assert_eq!((delete(id), delete(id), delete(objects::list_id(2))), (Ok(true), Ok(false), Ok(true)));
}

pub fn roles_are_found_by_parts_of_their_names(db: &Database) {
    for (number, name) in ["search", "Research", "admin", "ÄRZTE", "ΟΔΟΣ", "100%"].into_iter().enumerate()
    {
        let role = Role { name: objects::role_name(name), ..objects::role(number as u128) };
        write(&db.store, move |tx| tx.insert_role(&role));
    }
    let names = |roles: Vec<Role>| roles.iter().map(|role| role.name.to_string()).collect::<Vec<_>>();
    let found = |part: &str| names(read(&db.store, |tx| tx.roles(Some(part))));
    assert_eq!(found("SEARCH"), ["Research", "search"]);
    assert_eq!(found("ärzte"), ["ÄRZTE"]);
    assert_eq!(found("οδος"), ["ΟΔΟΣ"]);
    assert_eq!(found("%"), ["100%"]);
    assert_eq!(found("none"), [""; 0]);
    let all = ["100%", "Research", "admin", "search", "ÄRZTE", "ΟΔΟΣ"];
    assert_eq!(names(read(&db.store, |tx| tx.roles(None))), all);
    assert_eq!(found(""), all);

    // By exact names, in their order: more than are asked for at once.
    let mut asked: Vec<_> =
        (0..1_200).map(|number| objects::role_name(&format!("unknown {number}"))).collect();
    asked.insert(0, objects::role_name("search"));
    asked.insert(600, objects::role_name("Search"));
    asked.push(objects::role_name("admin"));
    assert_eq!(names(read(&db.store, |tx| tx.roles_named(&asked))), ["search", "admin"]);
    assert_eq!(read(&db.store, |tx| tx.roles_named(&[])), []);
}

pub fn corrupt_access_rules_grant_nothing(db: &Database) {
    write(&db.store, |tx| {
        tx.insert_role(&objects::role(1))?;
        (1..=6).try_for_each(|number| tx.insert_api_key(&objects::fusion_key(number, &["role 1"])))
    });
    let broken = [
        (1, "roles = 'role 1'", "roles"),
        (2, "roles = '[\"a,b\"]'", "roles"),
        // What would mean every endpoint without the roles beside it.
        (3, "permissions = NULL", "permissions beside roles"),
        (4, "permissions = 'GET:/api/user'", "permissions beside roles"),
        (5, "name = 'another'", "two names"),
        (6, "fusion_id = 'a/b'", "fusion id"),
    ];
    let mut expected = Vec::new();
    for (number, change, reason) in broken {
        let id = api_key_id(number).to_string();
        db.execute(&format!("UPDATE api_key SET {change} WHERE id = '{id}'"));
        expected.push(StorageError::Corrupt { entity: Entity::ApiKey, id, reason: reason.to_owned() });
    }
    let mut streamed = Vec::new();
    read(&db.store, |tx| tx.for_each_api_key(&mut |row| streamed.push(row.map(drop).unwrap_err())));
    streamed.sort_by_key(ToString::to_string);
    assert_eq!(streamed, expected);
    let listed = db.store.read::<_, ()>(|tx| Ok(tx.list_api_keys(ALL)?));
    assert_eq!(listed, Err(TxError::Storage(expected[0].clone())));
    let deleted = write(&db.store, |tx| {
        (1..=6).map(|number| tx.delete_api_key(api_key_id(number), ALL)).collect::<Result<Vec<_>, _>>()
    });
    assert_eq!(deleted, [true; 6]);

    let role = |permissions: &str| {
        db.execute(&format!("UPDATE role SET permissions = '{permissions}'"));
        db.store.read::<_, ()>(|tx| Ok(tx.roles(None)?))
    };
    let good = r#"{"methods":["GET"],"path":"/a","params":{}}"#;
    assert_eq!(role(&format!("[{good}]")).map(|roles| roles.len()), Ok(1));
    for bad in [
        String::from("{}"),
        String::from("[{}]"),
        good.replace(r#"["GET"]"#, "[]"),
        good.replace("GET", "get"),
        good.replace("/a", "a"),
        good.replace("{}", r#"{"id":["x"]}"#),
        good.replace(r#""params":{}"#, r#""params":{},"not":1"#),
        format!("[{good},null]"),
    ] {
        let bad = if bad.starts_with('[') || bad == "{}" { bad } else { format!("[{bad}]") };
        let error = role(&bad).unwrap_err();
        let TxError::Storage(StorageError::Corrupt { entity, reason, .. }) = error else { panic!("{bad}") };
        assert_eq!((entity, reason.as_str()), (Entity::Role, "permissions"), "{bad}");
        let each = read(&db.store, |tx| tx.each_role());
        assert!(matches!(each.as_slice(), [Err(StorageError::Corrupt { .. })]), "{bad}");
    }
    db.execute("UPDATE role SET name = 'a,b'");
    assert!(write(&db.store, |tx| tx.delete_role(RoleId::from_u128(1))));
}

pub fn corrupt_lists_are_reported(db: &Database) {
    write(&db.store, |tx| tx.insert_ip_access_control_list(&objects::list(1)));
    let lists = |entries: &str| {
        db.execute(&format!("UPDATE ip_access_control_list SET entries = '{entries}'"));
        db.store.read::<_, ()>(|tx| Ok(tx.ip_access_control_lists()?))
    };
    let default = r#"{"action":"Block","startIPAddress":"*"}"#;
    let range = r#"{"action":"Allow","startIPAddress":"10.0.0.1","endIPAddress":"10.0.0.9"}"#;
    let good = lists(&format!("[{range},{default}]"));
    assert_eq!(good.map(|lists| lists[0].entries.len()), Ok(2));
    for bad in [
        String::new(),
        String::from("[]"),
        format!("[{range}]"),
        format!("[{default},{default}]"),
        format!("[{default},{}]", range.replace("10.0.0.9", "10.0.0.0")),
        format!("[{default},{}]", range.replace("10.0.0.9", "2001:db8::")),
        format!("[{default},{}]", range.replace("10.0.0.1", "*")),
        format!("[{default},{}]", range.replace("Allow", "allow")),
        format!("[{default},{}]", range.replace(r#","endIPAddress":"10.0.0.9""#, "")),
        format!("[{default},1]"),
    ] {
        let error = lists(&bad).unwrap_err();
        let TxError::Storage(StorageError::Corrupt { entity, reason, .. }) = error else { panic!("{bad}") };
        assert_eq!((entity, reason.as_str()), (Entity::IpAccessControlList, "entries"), "{bad}");
    }
    assert!(write(&db.store, |tx| tx.delete_ip_access_control_list(objects::list_id(1))));
    let last = read(&db.store, |tx| tx.changes(0, 9)).pop().unwrap();
    assert_eq!((last.entity, last.action), (Entity::IpAccessControlList, Action::Delete));
    assert!(last.before.unwrap().contains("corrupt row"));
}

pub fn changes_of_access_rules_are_heard_and_recorded(db: &Database) {
    let heard = Arc::new(Mutex::new(Vec::new()));
    let hears = Arc::clone(&heard);
    db.store.set_listener(Arc::new(move |changes| hears.lock().unwrap().extend_from_slice(changes))).unwrap();

    let mut list = objects::list(1);
    list.data = Some(String::from(r#"{"password":"hunter2"}"#));
    let mut role = objects::role(1);
    let (made_list, made_role) = (list.clone(), role.clone());
    write(&db.store, move |tx| {
        tx.insert_ip_access_control_list(&made_list)?;
        tx.insert_role(&made_role)
    });
    let mut expected =
        vec![Change::IpAccessControlListWritten(list.clone()), Change::RoleWritten(role.clone())];

    list.entries = vec![IpAccessControlEntry { action: claviger_domain::IpAction::Allow, range: None }];
    list.data = Some(String::from(r#"{"password":"hunter3"}"#));
    list.insert_instant = Instant::from_epoch_millis(9);
    role.desc = None;
    role.insert_instant = Instant::from_epoch_millis(9);
    let (changed_list, changed_role) = (list.clone(), role.clone());
    let (new_list, new_role) = write(&db.store, move |tx| {
        Ok((tx.update_ip_access_control_list(&changed_list)?, tx.update_role(&changed_role)?))
    });
    list.insert_instant = objects::list(1).insert_instant;
    list.revision = Revision::from_number(2);
    role.insert_instant = objects::role(1).insert_instant;
    role.revision = Revision::from_number(2);
    assert_eq!((&new_list, &new_role), (&list, &role));
    expected.extend([Change::IpAccessControlListWritten(list), Change::RoleWritten(role.clone())]);

    // A role that nobody uses may get another name: under the old one it is gone.
    let mut renamed = role.clone();
    renamed.name = objects::role_name("renamed");
    let changed = renamed.clone();
    renamed = write(&db.store, move |tx| tx.update_role(&changed));
    expected.extend([Change::RoleDeleted(role.name), Change::RoleWritten(renamed.clone())]);
    assert_eq!(renamed.revision, Revision::from_number(3));

    let mut key = objects::fusion_key(1, &["renamed"]);
    key.api_key.ip_access_control_list_id = Some(objects::list_id(1));
    key.api_key.disabled = true;
    let made = key.clone();
    write(&db.store, move |tx| tx.insert_api_key(&made));
    expected.push(Change::ApiKeyWritten {
        digest: key.digest,
        api_key: key.api_key,
        previous: Vec::new(),
        ended: Vec::new(),
    });
    write(&db.store, |tx| {
        Ok(tx.delete_api_key(api_key_id(1), ALL)?
            && tx.delete_role(RoleId::from_u128(1))?
            && tx.delete_ip_access_control_list(objects::list_id(1))?)
    });
    expected.extend([
        Change::ApiKeyDeleted { digest: key.digest, id: api_key_id(1), previous: Vec::new() },
        Change::RoleDeleted(renamed.name),
        Change::IpAccessControlListDeleted(objects::list_id(1)),
    ]);
    assert_eq!(*heard.lock().unwrap(), expected);

    let rows = read(&db.store, |tx| tx.changes(0, 100));
    let seen: Vec<_> = rows.iter().map(|row| (row.entity, row.action)).collect();
    assert_eq!(
        seen,
        [
            (Entity::IpAccessControlList, Action::Create),
            (Entity::Role, Action::Create),
            (Entity::IpAccessControlList, Action::Update),
            (Entity::Role, Action::Update),
            (Entity::Role, Action::Update),
            (Entity::ApiKey, Action::Create),
            (Entity::ApiKey, Action::Delete),
            (Entity::Role, Action::Delete),
            (Entity::IpAccessControlList, Action::Delete),
        ]
    );
    assert!(rows.iter().all(|row| !format!("{row:?}").contains("hunter")), "{rows:?}");
    let json = |text: &Option<String>| -> serde_json::Value {
        serde_json::from_str(text.as_deref().unwrap()).unwrap()
    };
    let list = json(&rows[2].after);
    assert_eq!(list["entries"], serde_json::json!([{ "action": "Allow", "startIPAddress": "*" }]));
    assert_eq!((&list["dataChanged"], &list["revision"]), (&true.into(), &2.into()));
    assert_eq!(json(&rows[2].before)["entries"][0]["endIPAddress"], "192.0.2.9");
    let role = json(&rows[4].before);
    assert_eq!((&role["name"], &role["desc"]), (&"role 1".into(), &serde_json::Value::Null));
    assert_eq!(
        role["permissions"],
        serde_json::json!([
            { "methods": ["GET", "HEAD"], "path": "/collections/{id}", "params": { "id": ["a", "b"] } }
        ])
    );
    let key = json(&rows[5].after);
    assert_eq!((&key["fusionId"], &key["nameRepeats"]), (&"api-key-1".into(), &true.into()));
    assert_eq!((&key["roles"], &key["permissions"]), (&serde_json::json!(["renamed"]), &"".into()));
    assert_eq!(key["ipAccessControlListId"], objects::list_id(1).to_string());
    assert_eq!(key["disabled"], true);
    assert_eq!(json(&rows[6].before), key);
}
