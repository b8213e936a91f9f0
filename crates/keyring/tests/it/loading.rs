//! Many keys put in by loaders: the same keyring as from changes, whoever loads, and nothing left over.

use std::thread;

use claviger_domain::{
    ApiKey, Change, Instant, Permissions, PreviousApiKeyDigest, Revision, Role, RoleId, RoleName, TenantId,
};
use claviger_keyring::Keyring;

use crate::support::{api_key, deleted, digest, only};

/// More than a loader takes numbers out for at once.
const KEYS: u64 = 3_000;

/// Key `number` of many kinds: with sets and roles of their own and shared, and with tenants.
fn key(number: u64) -> ApiKey {
    let permissions = match number % 4 {
        0 => Permissions::All,
        1 => only("GET:/api/user\nGET:/v1/orders"),
        2 => only(&format!("GET:/v1/{}", number % 100)),
        _ => Permissions::Roles(vec![RoleName::try_from("a").unwrap()]),
    };
    let tenant_id = (!number.is_multiple_of(3)).then(|| TenantId::from_u128(u128::from(number % 7)));
    ApiKey { tenant_id, disabled: number.is_multiple_of(5), ..api_key(number.into(), permissions) }
}

fn previous(number: u64) -> Vec<PreviousApiKeyDigest> {
    let valid_until = Instant::from_epoch_millis(7);
    let value = PreviousApiKeyDigest { digest: digest(number + KEYS), valid_until };
    if number.is_multiple_of(10) { vec![value] } else { Vec::new() }
}

fn role() -> Change {
    Change::RoleWritten(Role {
        id: RoleId::from_u128(1),
        revision: Revision::FIRST,
        name: RoleName::try_from("a").unwrap(),
        desc: None,
        permissions: vec!["GET:/**".parse().unwrap()],
        ui_permissions: Vec::new(),
        insert_instant: Instant::from_epoch_millis(1),
        last_update_instant: Instant::from_epoch_millis(1),
    })
}

fn loaded(loaders: u64) -> Keyring {
    let keyring = Keyring::new();
    keyring.apply(&role());
    thread::scope(|scope| {
        for which in 0..loaders {
            let keyring = &keyring;
            scope.spawn(move || {
                let mut loader = keyring.loader();
                for number in (0..KEYS).filter(|number| number % loaders == which) {
                    loader.add(digest(number), &key(number), &previous(number));
                }
            });
        }
    });
    keyring
}

#[test]
fn a_loaded_keyring_is_the_one_that_changes_make() {
    let expected = Keyring::new();
    expected.apply(&role());
    for number in 0..KEYS {
        expected.apply(&Change::ApiKeyWritten {
            digest: digest(number),
            api_key: key(number),
            previous: previous(number),
            ended: Vec::new(),
        });
    }
    for loaders in [1, 3] {
        let keyring = loaded(loaders);
        assert_eq!(keyring.len() as u64, KEYS);
        assert_eq!(keyring.permission_sets(), expected.permission_sets());
        for number in 0..2 * KEYS {
            let found = keyring.find(&digest(number));
            assert_eq!(found, expected.find(&digest(number)));
            assert_eq!(found.is_some(), number < KEYS || number.is_multiple_of(10));
        }
    }
}

/// What was taken out for keys that never came would keep sets for ever.
#[test]
fn the_last_key_of_a_set_takes_it_along() {
    let keyring = loaded(3);
    for number in 0..KEYS {
        keyring.apply(&Change::ApiKeyDeleted {
            digest: digest(number),
            id: key(number).id,
            previous: previous(number).iter().map(|value| value.digest).collect(),
        });
    }
    assert!(keyring.is_empty());
    assert_eq!(keyring.permission_sets(), 0);
}

/// More sets than a loader remembers.
#[test]
fn a_loader_forgets_sets_without_losing_keys() {
    let keyring = Keyring::new();
    let mut loader = keyring.loader();
    for number in 0..10_000_u64 {
        let permissions = only(&format!("GET:/v1/{}", number % 5_000));
        loader.add(digest(number), &api_key(number.into(), permissions), &[]);
    }
    drop(loader);
    assert_eq!((keyring.len(), keyring.permission_sets()), (10_000, 5_000));
    for number in 0..10_000 {
        assert!(!keyring.find(&digest(number)).unwrap().permissions.are_unrestricted());
        keyring.apply(&deleted(digest(number), number.into()));
    }
    assert_eq!(keyring.permission_sets(), 0);
}
