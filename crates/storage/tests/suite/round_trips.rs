//! What is written is read back, whatever it is.

use std::fmt::Debug;

use claviger_domain::{
    ApiKey, ApiKeyDigest, ApiKeyId, EndpointPermissions, Instant, KeptDocument, Key, KeyAlgorithm, KeyId,
    KeyType, Kid, Method, Name, Permissions, Revision, Sealed, Tenant, TenantId, TenantJwtConfiguration,
    TenantScope, TenantState,
};
use claviger_storage::{Instance, StoredApiKey, StoredKey};
use proptest::collection::{btree_map, vec};
use proptest::option::of;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::{Config, TestRunner};

use crate::support::{Database, objects, read, write};

/// Few cases, the same ones in each run: each is several transactions.
fn check<T: Debug>(strategy: impl Strategy<Value = T>, property: impl Fn(T)) {
    let config = Config { cases: 24, failure_persistence: None, ..Config::default() };
    let random =
        proptest::test_runner::TestRng::deterministic_rng(proptest::test_runner::RngAlgorithm::ChaCha);
    TestRunner::new_with_rng(config, random)
        .run(&strategy, |value| {
            property(value);
            Ok(())
        })
        .unwrap();
}

fn number() -> impl Strategy<Value = i64> {
    prop_oneof![Just(i64::MIN), Just(-1), Just(0), Just(i64::MAX), any::<i64>()]
}

fn instant() -> impl Strategy<Value = Instant> {
    number().prop_map(Instant::from_epoch_millis)
}

fn wild_text() -> impl Strategy<Value = String> {
    vec(prop_oneof![any::<char>(), select(vec!['\0', '\n', '"', '\\', '\'', '%', '\u{10ffff}'])], 0..12)
        .prop_map(String::from_iter)
}

/// Without U+0000, which the domain refuses because PostgreSQL cannot store it.
fn text() -> impl Strategy<Value = String> {
    wild_text().prop_map(|text| text.replace('\0', ""))
}

fn a_name() -> impl Strategy<Value = Name> {
    prop_oneof![
        text().prop_map(|text| text.replace(char::is_control, "") + "n"),
        Just("\u{10ffff}".repeat(191)),
        Just(String::from(" both ends ")),
    ]
    .prop_map(|text| objects::name(&text))
}

fn permissions() -> impl Strategy<Value = Permissions> {
    let endpoint = select(vec!["/api/user", "/", "/api/é", "/a:b:c", "/a,b", "/%2F"]);
    let methods = vec(select(Method::ALL.to_vec()), 0..5);
    let list = btree_map(endpoint, methods, 0..4).prop_map(|entries| {
        let mut list = EndpointPermissions::default();
        for (endpoint, methods) in entries {
            list.add(endpoint.try_into().unwrap(), methods.into_iter().collect());
        }
        Permissions::Only(list)
    });
    prop_oneof![Just(Permissions::All), Just(Permissions::Only(EndpointPermissions::default())), list]
}

fn sealed() -> impl Strategy<Value = Option<Sealed>> {
    of(vec(any::<u8>(), 0..64).prop_map(Sealed::from))
}

fn an_api_key() -> impl Strategy<Value = StoredApiKey> {
    let identity = (any::<u128>(), number(), any::<[u8; 32]>(), sealed(), of(a_name()));
    let rights = (permissions(), any::<bool>(), any::<bool>(), any::<bool>());
    let rest = (btree_map(wild_text(), wild_text(), 0..4), of(instant()), instant(), instant());
    (identity, rights, rest).prop_map(|(identity, rights, rest)| StoredApiKey {
        api_key: ApiKey {
            id: ApiKeyId::from_u128(identity.0),
            revision: Revision::from_number(identity.1),
            name: identity.4,
            attributes: rest.0,
            permissions: rights.0,
            key_manager: rights.1,
            tenant_id: rights.2.then_some(TenantId::from_u128(1)),
            fusion_id: None,
            name_repeats: false,
            ip_access_control_list_id: None,
            disabled: false,
            retrievable: rights.3,
            expiration_instant: rest.1,
            insert_instant: rest.2,
            last_update_instant: rest.3,
        },
        digest: ApiKeyDigest::from_bytes(identity.2),
        sealed_value: identity.3,
    })
}

pub fn api_keys_round_trip(db: &Database) {
    write(&db.store, |tx| tx.insert_tenant(&objects::tenant(1)));
    check(an_api_key(), |stored| {
        let (id, written) = (stored.api_key.id, stored.clone());
        write(&db.store, move |tx| tx.insert_api_key(&written));
        let found = read(&db.store, |tx| tx.find_api_key(id, TenantScope::All));
        assert_eq!(found.as_ref(), Some(&stored));
        let mut streamed = Vec::new();
        read(&db.store, |tx| tx.for_each_api_key(&mut |row| streamed.push(row)));
        assert_eq!(streamed, [Ok((stored.digest, stored.api_key))]);
        assert!(write(&db.store, move |tx| tx.delete_api_key(id, TenantScope::All)));
    });
}

fn a_key() -> impl Strategy<Value = StoredKey> {
    let identity = (any::<u128>(), number(), a_name(), text(), select(KeyType::ALL.to_vec()));
    let shape = (of(select(KeyAlgorithm::ALL.to_vec())), of(any::<u32>()), any::<bool>(), any::<bool>());
    let texts = (of(text()), of(text()), of(text()), sealed());
    let times = (of(instant()), instant(), instant());
    (identity, shape, texts, times).prop_map(|(identity, shape, texts, times)| StoredKey {
        key: Key {
            id: KeyId::from_u128(identity.0),
            revision: Revision::from_number(identity.1),
            name: identity.2,
            kid: Kid::from(identity.3),
            key_type: identity.4,
            algorithm: shape.0,
            length: shape.1,
            issuer: texts.0,
            public_key: texts.1,
            certificate: texts.2,
            has_private_key: shape.2,
            shadow: shape.3,
            expiration_instant: times.0,
            insert_instant: times.1,
            last_update_instant: times.2,
        },
        sealed_material: texts.3,
    })
}

pub fn keys_round_trip(db: &Database) {
    check(a_key(), |stored| {
        let (id, written) = (stored.key.id, stored.clone());
        write(&db.store, move |tx| tx.insert_key(&written));
        assert_eq!(read(&db.store, |tx| tx.find_key(id)).as_ref(), Some(&stored.key));
        assert_eq!(read(&db.store, |tx| tx.find_sealed_material(id)), stored.sealed_material);
        assert_eq!(read(&db.store, |tx| tx.keys()), [stored.key]);
        assert!(write(&db.store, move |tx| tx.delete_key(id)));
    });
}

fn a_tenant() -> impl Strategy<Value = Tenant> {
    let key_id = || (1_u128..=4).prop_map(KeyId::from_u128);
    let identity = (any::<u128>(), number(), a_name(), text());
    // Lists keep their order, and an id may stand twice in one.
    let jwt = (of(key_id()), of(key_id()), vec(key_id(), 0..5), vec(key_id(), 0..5), number(), number());
    let rest = (text(), any::<bool>(), instant(), instant());
    (identity, jwt, rest).prop_map(|(identity, jwt, rest)| Tenant {
        id: TenantId::from_u128(identity.0),
        revision: Revision::from_number(identity.1),
        name: identity.2,
        issuer: identity.3,
        jwt: TenantJwtConfiguration {
            access_token_key_id: jwt.0,
            id_token_key_id: jwt.1,
            access_token_verification_key_ids: jwt.2,
            id_token_verification_key_ids: jwt.3,
            time_to_live_in_seconds: jwt.4,
            refresh_token_time_to_live_in_minutes: jwt.5,
        },
        kept: KeptDocument::from_json(rest.0),
        state: if rest.1 { TenantState::Active } else { TenantState::PendingDelete },
        insert_instant: rest.2,
        last_update_instant: rest.3,
    })
}

pub fn tenants_round_trip(db: &Database) {
    write(&db.store, |tx| (1..=4).try_for_each(|number| tx.insert_key(&objects::key(number))));
    check(a_tenant(), |tenant| {
        let (id, written) = (tenant.id, tenant.clone());
        write(&db.store, move |tx| tx.insert_tenant(&written));
        assert_eq!(read(&db.store, |tx| tx.find_tenant(id, TenantScope::All)).as_ref(), Some(&tenant));
        assert_eq!(read(&db.store, |tx| tx.tenants(TenantScope::All)), std::slice::from_ref(&tenant));
        let mut references = read(&db.store, |tx| {
            let of_one = (1..=4).map(|number| tx.references_to_key(KeyId::from_u128(number)));
            of_one.collect::<Result<Vec<_>, _>>()
        })
        .concat();
        references.sort();
        assert_eq!(references, tenant.key_references());
        assert!(write(&db.store, move |tx| tx.delete_tenant(id)));
    });
}

pub fn no_permission_is_not_every_permission(db: &Database) {
    let mut all = objects::api_key(1, None);
    all.api_key.permissions = Permissions::All;
    let mut none = objects::api_key(2, None);
    none.api_key.permissions = Permissions::Only(EndpointPermissions::default());
    let mut one = objects::api_key(3, None);
    one.api_key.permissions = Permissions::Only(":/api/user".parse().unwrap());
    let keys = [all, none, one];
    let written = keys.clone();
    write(&db.store, move |tx| written.iter().try_for_each(|key| tx.insert_api_key(key)));
    for key in keys {
        let found = read(&db.store, |tx| tx.find_api_key(key.api_key.id, TenantScope::All)).unwrap();
        assert_eq!(found.api_key.permissions, key.api_key.permissions);
    }
}

pub fn instance_and_data_keys_round_trip(db: &Database) {
    assert_eq!(read(&db.store, |tx| tx.find_instance()), None);
    let instance = Instance {
        id: String::from("instance"),
        default_tenant_id: TenantId::from_u128(1),
        sealed_digest_key: Sealed::from(vec![0, 255]),
        insert_instant: Instant::MAXIMUM,
    };
    let written = instance.clone();
    write(&db.store, move |tx| {
        tx.insert_tenant(&objects::tenant(1))?;
        tx.insert_instance(&written)?;
        tx.insert_data_key(u32::MAX, &Sealed::from(vec![2]), Instant::from_epoch_millis(2))?;
        tx.insert_data_key(0, &Sealed::from(vec![]), Instant::from_epoch_millis(1))
    });
    assert_eq!(read(&db.store, |tx| tx.find_instance()), Some(instance));
    assert_eq!(
        read(&db.store, |tx| tx.data_keys()),
        [(0, Sealed::from(vec![])), (u32::MAX, Sealed::from(vec![2]))]
    );
}
