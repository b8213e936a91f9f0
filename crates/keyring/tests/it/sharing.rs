//! Permission sets are shared by content and go with the last key that uses them.

use std::sync::{Arc, Weak};

use claviger_domain::Permissions;
use claviger_keyring::Keyring;

use crate::support::{deleted, digest, only, written};

#[test]
fn keys_with_the_same_permissions_share_one_set() {
    let keyring = Keyring::new();
    for number in 0..100 {
        keyring.apply(&written(digest(number), number.into(), only("GET:/api/user\nPOST:/api/group")));
    }
    assert_eq!((keyring.len(), keyring.permission_sets()), (100, 1));
    let first = keyring.find(&digest(0)).unwrap().permissions;
    for number in 1..100 {
        assert!(Arc::ptr_eq(&first, &keyring.find(&digest(number)).unwrap().permissions));
    }
    // The same in other words.
    keyring.apply(&written(digest(100), 100, only("POST:/api/group\n:/api/key\nGET:/api/user")));
    assert!(Arc::ptr_eq(&first, &keyring.find(&digest(100)).unwrap().permissions));
    keyring.apply(&written(digest(101), 101, Permissions::All));
    assert_eq!(keyring.permission_sets(), 2);
}

#[test]
fn a_set_goes_with_its_last_key() {
    let keyring = Keyring::new();
    let narrow = || only("GET:/api/user");
    keyring.apply(&written(digest(1), 1, narrow()));
    keyring.apply(&written(digest(2), 2, narrow()));
    // Written again with the same permissions: still two users.
    keyring.apply(&written(digest(1), 1, narrow()));
    keyring.apply(&deleted(digest(1), 1));
    assert_eq!(keyring.permission_sets(), 1);
    // A second deletion and one with another id count for nothing.
    keyring.apply(&deleted(digest(1), 1));
    keyring.apply(&deleted(digest(2), 1));
    assert_eq!(keyring.permission_sets(), 1);
    keyring.apply(&written(digest(2), 2, Permissions::All));
    assert_eq!(keyring.permission_sets(), 1);
    keyring.apply(&deleted(digest(2), 2));
    assert_eq!(keyring.permission_sets(), 0);
}

/// Keys come and go, each with permissions of its own: the memory goes as well. The map reclaims in batches, so that
/// a few hundred may wait at any time, but not thousands.
#[test]
fn memory_is_given_back() {
    let keyring = Keyring::new();
    let mut sets = Vec::new();
    for number in 0..10_000 {
        let permissions = only(&format!("GET:/v1/{number}"));
        keyring.apply(&written(digest(number), number.into(), permissions));
        sets.push(Arc::downgrade(&keyring.find(&digest(number)).unwrap().permissions));
        keyring.apply(&deleted(digest(number), number.into()));
    }
    assert_eq!((keyring.len(), keyring.permission_sets()), (0, 0));
    let alive = sets.iter().filter(|set| Weak::upgrade(set).is_some()).count();
    assert!(alive < 1_000, "{alive} permission sets without a key");
}
