//! Any sequence of changes leaves the keyring as it leaves a plain map.

use std::collections::{HashMap, HashSet};

use claviger_authz::CompiledPermissions;
use claviger_domain::{
    ApiKey, ApiKeyDigest, ApiKeyId, Change, Instant, KeyId, Kid, Name, Permissions, TenantId, TenantState,
};
use claviger_keyring::{Entry, Keyring};
use proptest::option;
use proptest::prelude::*;

use crate::support::{api_key, colliding_digest, deleted, digest, only, tenant, written};

fn digests() -> Vec<ApiKeyDigest> {
    (0..3).map(digest).chain((0..3).map(colliding_digest)).collect()
}

fn permissions() -> impl Strategy<Value = Permissions> {
    prop_oneof![
        Just(Permissions::All),
        prop::sample::select(vec!["", ":/api/user", "GET:/api/user", "GET,POST:/api/user", "GET:/v1/orders"])
            .prop_map(only),
    ]
}

fn api_keys() -> impl Strategy<Value = ApiKey> {
    let names = option::of(prop::sample::select(vec!["orders", "Zahlungen für Köln", " ends "]));
    let tenants = option::of(0_u128..2);
    (0_u128..3, names, permissions(), any::<bool>(), tenants, option::of(0_i64..3)).prop_map(
        |(id, name, permissions, key_manager, tenant, expiration)| ApiKey {
            name: name.map(|name| Name::try_from(name.to_owned()).unwrap()),
            key_manager,
            tenant_id: tenant.map(TenantId::from_u128),
            expiration_instant: expiration.map(Instant::from_epoch_millis),
            ..api_key(id, permissions)
        },
    )
}

fn changes() -> impl Strategy<Value = Change> {
    let states = vec![TenantState::Active, TenantState::PendingDelete];
    prop_oneof![
        6 => (prop::sample::select(digests()), api_keys())
            .prop_map(|(digest, api_key)| Change::ApiKeyWritten {
                digest,
                api_key,
                previous: Vec::new(),
                ended: Vec::new(),
            }),
        4 => (prop::sample::select(digests()), 0_u128..3).prop_map(|(digest, id)| deleted(digest, id)),
        1 => (0_u128..2, prop::sample::select(states))
            .prop_map(|(id, state)| Change::TenantWritten(tenant(id, state))),
        1 => (0_u128..2).prop_map(|id| Change::TenantDeleted(TenantId::from_u128(id))),
        1 => (0_u128..2).prop_map(|id| Change::KeyWritten {
            id: KeyId::from_u128(id),
            kid: Kid::from(format!("kid {id}")),
        }),
        1 => (0_u128..2).prop_map(|id| Change::KeyDeleted(KeyId::from_u128(id))),
    ]
}

#[derive(Default)]
struct Model {
    keys: HashMap<ApiKeyDigest, ApiKey>,
    tenants: HashMap<TenantId, TenantState>,
}

impl Model {
    fn apply(&mut self, change: &Change) {
        match change {
            Change::ApiKeyWritten { digest, api_key, .. } => {
                self.keys.insert(*digest, api_key.clone());
            }
            Change::ApiKeyDeleted { digest, id, .. } => {
                if self.keys.get(digest).is_some_and(|known| known.id == *id) {
                    self.keys.remove(digest);
                }
            }
            Change::TenantWritten(tenant) => {
                self.tenants.insert(tenant.id, tenant.state);
            }
            Change::TenantDeleted(id) => {
                self.tenants.remove(id);
            }
            Change::IpAccessControlListWritten(_)
            | Change::IpAccessControlListDeleted(_)
            | Change::RoleWritten(_)
            | Change::RoleDeleted(_)
            | Change::EntitiesWritten
            | Change::KeyWritten { .. }
            | Change::KeyDeleted(_) => {}
        }
    }
}

#[track_caller]
fn same(entry: Option<&Entry>, expected: Option<&ApiKey>) {
    assert_eq!(entry.map(|entry| entry.id), expected.map(|key| key.id));
    if let (Some(entry), Some(key)) = (entry, expected) {
        let access = entry.access();
        assert_eq!(*access.permissions, CompiledPermissions::from(&key.permissions));
        assert_eq!(access.key_manager, key.key_manager);
        assert_eq!(access.tenant_id, key.tenant_id);
        assert_eq!(access.expiration_instant, key.expiration_instant);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn the_keyring_is_a_map(changes in prop::collection::vec(changes(), 0..40)) {
        let keyring = Keyring::new();
        let mut model = Model::default();
        for change in &changes {
            keyring.apply(change);
            model.apply(change);
            for digest in digests() {
                same(keyring.find(&digest).as_ref(), model.keys.get(&digest));
                keyring.with(&digest, |found| {
                    let key = model.keys.get(&digest);
                    assert_eq!(found.map(|found| found.id), key.map(|key| key.id));
                    assert_eq!(
                        found.and_then(|found| found.name),
                        key.and_then(|key| key.name.as_ref()).map(Name::as_str)
                    );
                    let entry = keyring.find(&digest);
                    assert_eq!(
                        found.map(|found| format!("{:?}", found.access)),
                        entry.as_ref().map(|entry| format!("{:?}", entry.access()))
                    );
                });
            }
            prop_assert_eq!(keyring.len(), model.keys.len());
            prop_assert_eq!(keyring.is_empty(), model.keys.is_empty());
            let sets: HashSet<_> =
                model.keys.values().map(|key| CompiledPermissions::from(&key.permissions)).collect();
            prop_assert_eq!(keyring.permission_sets(), sets.len());
            for id in (0..2).map(TenantId::from_u128) {
                prop_assert_eq!(keyring.tenant_state(&id), model.tenants.get(&id).copied());
            }
        }
    }
}

#[test]
fn a_deletion_that_comes_late_leaves_the_new_owner_of_the_value() {
    let keyring = Keyring::new();
    keyring.apply(&written(digest(1), 1, Permissions::All));
    keyring.apply(&written(digest(1), 2, only("GET:/api/user")));
    keyring.apply(&deleted(digest(1), 1));
    assert_eq!(keyring.find(&digest(1)).map(|entry| entry.id), Some(ApiKeyId::from_u128(2)));
    assert_eq!((keyring.len(), keyring.permission_sets()), (1, 1));
    keyring.apply(&deleted(digest(1), 2));
    assert_eq!(keyring.find(&digest(1)), None);
    assert_eq!((keyring.len(), keyring.permission_sets()), (0, 0));
}

#[test]
fn shows_numbers_only() {
    let keyring = Keyring::new();
    keyring.apply(&written(digest(1), 1, Permissions::All));
    assert_eq!(format!("{keyring:?}"), "Keyring { api_keys: 1, tenants: 0, permission_sets: 1 }");
}

#[test]
fn a_cleared_keyring_is_empty_and_can_be_filled_again() {
    let keyring = Keyring::new();
    let fill = || {
        keyring.apply(&Change::TenantWritten(tenant(1, TenantState::Active)));
        for number in 0..200 {
            keyring.apply(&written(digest(number), number.into(), only(&format!("GET:/v1/{}", number % 5))));
        }
        keyring.apply(&written(colliding_digest(1), 1_000, Permissions::All));
        keyring.apply(&written(colliding_digest(2), 1_001, Permissions::All));
    };
    for _ in 0..2 {
        fill();
        assert_eq!((keyring.len(), keyring.permission_sets()), (202, 6));
        assert_eq!(keyring.tenant_state(&TenantId::from_u128(1)), Some(TenantState::Active));
        keyring.clear();
        assert_eq!((keyring.len(), keyring.permission_sets()), (0, 0));
        assert!((0..200).all(|number| keyring.find(&digest(number)).is_none()));
        assert_eq!(keyring.tenant_state(&TenantId::from_u128(1)), None);
    }
}
