//! Clients of the token endpoint: what a look-up finds, whatever is known of types already, and which look-ups make nobody wait.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use claviger_domain::{
    Actor, ClientId, Entity, EntityId, EntityType, EntityTypeId, EntityTypeJwtConfiguration, Instant, KeyId,
    Sealed, TenantId,
};
use claviger_storage::{
    ClientSecretChange, PreviousClientSecret, StorageError, Store, TokenClient, TokenConfiguration,
    TokenGrant, TokenTypes,
};

use crate::support::{Database, Kind, objects, write};

fn id(number: u128) -> EntityId {
    EntityId::from_u128(number)
}

fn secret(text: &str) -> Sealed {
    Sealed::from(text.as_bytes().to_vec())
}

fn find(db: &Database, number: u128, on: Option<u128>, types: &TokenTypes) -> Option<TokenClient> {
    db.store.find_token_client(&ClientId::from(id(number)), on.map(id), types).unwrap()
}

/// A type with a key of its own and the permissions 1 to `permissions`; the entity 1, on which 2 has two permissions and 3 a grant
/// without any.
fn prepare(db: &Database, permissions: u128) {
    write(&db.store, move |tx| {
        tx.insert_tenant(&objects::tenant(1))?;
        tx.insert_key(&objects::key(1))?;
        let jwt = EntityTypeJwtConfiguration {
            enabled: true,
            access_token_key_id: Some(KeyId::from_u128(1)),
            time_to_live_in_seconds: Some(60),
            ..EntityTypeJwtConfiguration::default()
        };
        tx.insert_entity_type(&EntityType { jwt, ..objects::entity_type(1) })?;
        (1..=permissions)
            .try_for_each(|number| tx.insert_entity_type_permission(&objects::permission(number, 1)))?;
        (1..=4).try_for_each(|number| tx.insert_entity(&objects::entity(number, 1), &secret("a secret")))?;
        tx.insert_entity_grant(&objects::grant(1, 1, 2, &["permission 2", "permission 1"]))?;
        tx.insert_entity_grant(&objects::grant(2, 1, 3, &[]))
    });
}

pub fn token_clients_are_found_whatever_is_known(db: &Database) {
    prepare(db, 3);
    let expected = |number, permissions: Option<&[&str]>| TokenClient {
        entity_id: id(number),
        tenant_id: TenantId::from_u128(1),
        client_secret: secret("a secret"),
        previous_client_secret: None,
        jwt: Some(TokenConfiguration {
            access_token_key_id: Some(KeyId::from_u128(1)),
            time_to_live_in_seconds: Some(60),
        }),
        grant: permissions.map(|names| TokenGrant {
            entity_type_id: EntityTypeId::from_u128(1),
            permissions: names.iter().map(|name| Arc::from(*name)).collect(),
        }),
    };
    let types = TokenTypes::default();
    // The second time types and permissions are known.
    for _ in 0..2 {
        let names = ["permission 1", "permission 2"];
        assert_eq!(find(db, 2, Some(1), &types), Some(expected(2, Some(&names))));
        assert_eq!(find(db, 3, Some(1), &types), Some(expected(3, Some(&[]))));
        assert_eq!(find(db, 4, Some(1), &types), Some(expected(4, None)));
        assert_eq!(find(db, 2, None, &types), Some(expected(2, None)));
        assert_eq!(find(db, 2, Some(9), &types), Some(expected(2, None)));
        assert_eq!(find(db, 9, Some(1), &types), None);
    }
    // A permission that is not known yet, beside one that is.
    write(&db.store, |tx| {
        tx.insert_entity_grant(&objects::grant(3, 1, 4, &["permission 1", "permission 3"]))
    });
    let names = ["permission 1", "permission 3"];
    assert_eq!(find(db, 4, Some(1), &types), Some(expected(4, Some(&names))));
    // What is the client's own is read each time.
    let previous_valid_until = Instant::from_epoch_millis(1_000_000);
    write(&db.store, move |tx| {
        let change = ClientSecretChange::Replace { sealed: secret("another"), previous_valid_until };
        tx.update_entity(&objects::entity(2, 1), &change).map(drop)?;
        tx.delete_entity_grant(id(1), id(3), claviger_domain::TenantScope::All).map(drop)
    });
    let found = find(db, 2, Some(1), &types).unwrap();
    let previous = PreviousClientSecret { sealed: secret("a secret"), valid_until: previous_valid_until };
    assert_eq!((found.client_secret, found.previous_client_secret), (secret("another"), Some(previous)));
    assert_eq!(find(db, 3, Some(1), &types), Some(expected(3, None)));
}

type Found = Result<Option<TokenClient>, StorageError>;

fn together(db: &Database, wanted: &[(ClientId, Option<EntityId>)], types: &TokenTypes) -> Vec<Found> {
    db.store.find_token_clients(wanted, types).unwrap()
}

pub fn clients_looked_up_together_are_found_each_for_itself(db: &Database) {
    prepare(db, 3);
    let chosen = "NULL,\"{c}\" \\ ' ä";
    write(&db.store, move |tx| {
        let client_id = ClientId::try_from(chosen.to_owned()).unwrap();
        tx.insert_entity(&Entity { client_id, ..objects::entity(5, 1) }, &secret("of 5"))?;
        tx.insert_entity_grant(&objects::grant(3, 2, 5, &["permission 3"]))
    });
    let mut wanted: Vec<_> = [
        (2, Some(1)),
        (9, Some(1)),
        (3, Some(1)),
        (2, None),
        (4, Some(1)),
        (2, Some(1)),
        (2, Some(9)),
        (9, None),
        (5, Some(2)),
    ]
    .map(|(number, on)| (ClientId::from(id(number)), on.map(id)))
    .to_vec();
    wanted.push((ClientId::try_from(chosen.to_owned()).unwrap(), Some(id(2))));
    let types = TokenTypes::default();
    // What is not known is learned on the way; afterwards all is known; and then they stand in another order.
    for _ in 0..3 {
        let alone: Vec<_> = wanted
            .iter()
            .map(|(client_id, on)| db.store.find_token_client(client_id, *on, &TokenTypes::default()))
            .collect();
        assert_eq!(together(db, &wanted, &types), alone);
        assert_eq!(alone.iter().filter(|found| matches!(found, Ok(Some(_)))).count(), 7);
        wanted.rotate_left(4);
    }
    assert_eq!(together(db, &[], &types), []);
    // Many more than wait at once, each with what is its own.
    let many: Vec<_> = (0..1000).map(|number| (ClientId::from(id(1 + number % 6)), Some(id(1)))).collect();
    for (number, found) in (0..).zip(together(db, &many, &types)) {
        let expected = 1 + number % 6;
        let found = found.unwrap();
        // The fifth has another client id, and there is no sixth.
        assert_eq!(found.map(|client| client.entity_id), (expected < 5).then(|| id(expected)));
    }
}

pub fn one_row_that_makes_no_sense_is_nobody_elses_matter(db: &Database) {
    prepare(db, 3);
    db.execute(&format!("UPDATE entity SET id = 'no id' WHERE id = '{}'", id(4)));
    let wanted: Vec<_> = [2, 4, 9, 3].map(|number| (ClientId::from(id(number)), Some(id(1)))).to_vec();
    let types = TokenTypes::default();
    for _ in 0..2 {
        let found = together(db, &wanted, &types);
        let corrupt = StorageError::Corrupt {
            entity: claviger_storage::Entity::Entity,
            id: "no id".to_owned(),
            reason: "id".to_owned(),
        };
        assert_eq!(found[1], Err(corrupt));
        let ids: Vec<_> = [0, 2, 3]
            .iter()
            .map(|index| found[*index].as_ref().unwrap().as_ref().map(|client| client.entity_id))
            .collect();
        assert_eq!(ids, [Some(id(2)), None, Some(id(3))]);
    }
}

pub fn what_is_known_of_types_is_not_read_again(db: &Database) {
    prepare(db, 3);
    let types = TokenTypes::default();
    find(db, 2, Some(1), &types);
    db.execute("UPDATE entity_type_permission SET name = 'renamed' WHERE name = 'permission 1'");
    db.execute("UPDATE entity_type SET time_to_live_in_seconds = 61");
    let seen = |types: &TokenTypes| {
        let client = find(db, 2, Some(1), types).unwrap();
        (client.grant.unwrap().permissions, client.jwt.unwrap().time_to_live_in_seconds)
    };
    let names = |names: [&str; 2]| names.map(Arc::<str>::from).to_vec();
    assert_eq!(seen(&types), (names(["permission 1", "permission 2"]), Some(60)));
    assert_eq!(seen(&TokenTypes::default()), (names(["permission 2", "renamed"]), Some(61)));
}

pub fn only_quick_look_ups_are_made_at_once(db: &Database) {
    prepare(db, 70);
    let all: Vec<_> = (1..=70).map(|number| format!("permission {number}")).collect();
    let (most, too_many) = (all[..64].to_vec(), all[..65].to_vec());
    write(&db.store, move |tx| {
        let grant = |number, names: &[String]| {
            let names: Vec<_> = names.iter().map(String::as_str).collect();
            objects::grant(number, 2, number, &names)
        };
        tx.insert_entity_grant(&grant(3, &most))?;
        tx.insert_entity_grant(&grant(4, &too_many))
    });
    let types = TokenTypes::default();
    let at_once = |number, on| {
        let found = db.store.find_token_client_at_once(&ClientId::from(id(number)), Some(id(on)), &types)?;
        Some(found.unwrap().map(|client| client.grant.map_or(0, |grant| grant.permissions.len())))
    };
    assert_eq!(at_once(2, 1), None, "nothing is known yet");
    for (number, on) in [(3, 2), (4, 2), (2, 1)] {
        find(db, number, Some(on), &types);
    }
    if is_sqlite(db) {
        let known = (at_once(2, 1), at_once(3, 2), at_once(9, 1));
        assert_eq!(known, (Some(Some(2)), Some(Some(64)), Some(None)));
        // More permissions than are read at once, and a grant of which the entity's type is not known.
        assert_eq!((at_once(4, 2), at_once(3, 1)), (None, None));
    } else {
        assert_eq!((at_once(2, 1), at_once(9, 1)), (None, None));
    }
    // These look-ups have connections of their own.
    let in_use = holding(&db.store, db.options.pool_size, &|| at_once(2, 1));
    assert_eq!(in_use, is_sqlite(db).then_some(Some(2)));
}

/// On SQLite one state of the database serves many look-ups, and ends with the next write, whichever way that goes.
pub fn look_ups_see_every_write(db: &Database) {
    prepare(db, 2);
    let types = TokenTypes::default();
    find(db, 2, None, &types);
    let now = || {
        let client_id = ClientId::from(id(2));
        let at_once = db.store.find_token_client_at_once(&client_id, None, &types);
        assert_eq!(at_once.is_some(), is_sqlite(db));
        let found = at_once.unwrap_or_else(|| db.store.find_token_client(&client_id, None, &types));
        found.unwrap().unwrap().client_secret
    };
    let replace = |store: &Store, number: usize| {
        let sealed = secret(&number.to_string());
        write(store, move |tx| {
            let previous_valid_until = Instant::from_epoch_millis(0);
            let change = ClientSecretChange::Replace { sealed: sealed.clone(), previous_valid_until };
            let found = tx.find_entity(id(2), claviger_domain::TenantScope::All)?.unwrap();
            tx.update_entity(&found.entity, &change).map(drop)
        });
    };
    // Whatever happens, the threads end.
    struct Stop<'a>(&'a AtomicBool);
    impl Drop for Stop<'_> {
        fn drop(&mut self) {
            self.0.store(true, Ordering::SeqCst);
        }
    }
    let stop = AtomicBool::new(false);
    std::thread::scope(|threads| {
        for _ in 0..2 {
            threads.spawn(|| {
                while !stop.load(Ordering::SeqCst) {
                    now();
                }
            });
        }
        let _stop = Stop(&stop);
        for number in 0..200 {
            replace(&db.store, number);
            let expected = secret(&number.to_string());
            assert_eq!((now(), now()), (expected.clone(), expected));
        }
    });
    let inner = db.store.in_one_transaction::<_, StorageError>(Actor::System, |store| {
        replace(store, 201);
        Ok(())
    });
    assert_eq!((inner, now()), (Ok(()), secret("201")));
}

fn is_sqlite(db: &Database) -> bool {
    match db.kind {
        #[cfg(feature = "sqlite")]
        Kind::Sqlite => true,
        #[cfg(feature = "postgres")]
        Kind::Postgres => false,
    }
}

/// Does something while so many connections are in use.
fn holding<T>(store: &Store, connections: u32, work: &dyn Fn() -> T) -> T {
    match connections {
        0 => work(),
        more => store.read::<_, ()>(|_| Ok(holding(store, more - 1, work))).unwrap(),
    }
}
