//! What is written is read back, whatever it is.

use std::fmt::Debug;

use claviger_domain::{
    AddressRange, ApiKey, ApiKeyDigest, ApiKeyId, EndpointPermissions, FusionId, Instant,
    IpAccessControlEntry, IpAccessControlList, IpAccessControlListId, IpAccessControlListSearch, IpAction,
    KeptDocument, Key, KeyAlgorithm, KeyId, KeyType, Kid, Method, Name, Permissions, RequestMethod, Revision,
    Role, RoleId, RolePermission, Sealed, Tenant, TenantId, TenantJwtConfiguration, TenantScope, TenantState,
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

/// The names of the roles that keys have.
const ROLES: [&str; 4] = ["admin", "two  words", "\"é\"", "[\\]"];

fn a_fusion_id() -> impl Strategy<Value = FusionId> {
    let text =
        text().prop_map(|text| text.replace(|c: char| c.is_control() || "/\\;%".contains(c), "") + "n");
    prop_oneof![text, Just("\u{10ffff}".repeat(255))].prop_map(|text| objects::fusion_id(&text))
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
    // The order of roles is kept.
    let roles = Just(ROLES.map(objects::role_name).to_vec()).prop_shuffle();
    let roles = (roles, 0..=ROLES.len()).prop_map(|(mut roles, length)| {
        roles.truncate(length);
        Permissions::Roles(roles)
    });
    prop_oneof![Just(Permissions::All), Just(Permissions::Only(EndpointPermissions::default())), list, roles]
}

fn sealed() -> impl Strategy<Value = Option<Sealed>> {
    of(vec(any::<u8>(), 0..64).prop_map(Sealed::from))
}

fn an_api_key() -> impl Strategy<Value = StoredApiKey> {
    let identity = (any::<u128>(), number(), any::<[u8; 32]>(), sealed(), of(a_name()));
    let rights = (permissions(), any::<bool>(), any::<bool>(), any::<bool>());
    let rest = (btree_map(wild_text(), wild_text(), 0..4), of(instant()), instant(), instant());
    let restrictions = (of(a_fusion_id()), any::<bool>(), any::<bool>(), any::<bool>());
    (identity, rights, rest, restrictions).prop_map(|(identity, rights, rest, restrictions)| StoredApiKey {
        api_key: ApiKey {
            id: ApiKeyId::from_u128(identity.0),
            revision: Revision::from_number(identity.1),
            fusion_id: restrictions.0,
            name_repeats: restrictions.1 && identity.4.is_some(),
            name: identity.4,
            attributes: rest.0,
            permissions: rights.0,
            key_manager: rights.1,
            tenant_id: rights.2.then_some(TenantId::from_u128(1)),
            ip_access_control_list_id: restrictions.2.then_some(objects::list_id(1)),
            disabled: restrictions.3,
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
    write(&db.store, |tx| {
        tx.insert_tenant(&objects::tenant(1))?;
        tx.insert_ip_access_control_list(&objects::list(1))?;
        (1..).zip(ROLES).try_for_each(|(number, name)| {
            tx.insert_role(&Role { name: objects::role_name(name), ..objects::role(number) })
        })
    });
    check(an_api_key(), |stored| {
        let (id, written) = (stored.api_key.id, stored.clone());
        write(&db.store, move |tx| tx.insert_api_key(&written));
        let found = read(&db.store, |tx| tx.find_api_key(id, TenantScope::All));
        assert_eq!(found.as_ref(), Some(&stored));
        if let Some(fusion_id) = &stored.api_key.fusion_id {
            let found = read(&db.store, |tx| tx.find_api_key_by_fusion_id(fusion_id, TenantScope::All));
            assert_eq!(found.as_ref(), Some(&stored));
        }
        let listed = read(&db.store, |tx| tx.list_api_keys(TenantScope::All));
        assert_eq!(listed, std::slice::from_ref(&stored.api_key));
        let mut roles = db.texts("SELECT role_name AS value FROM api_key_role");
        roles.sort_unstable();
        let mut expected = match &stored.api_key.permissions {
            Permissions::Roles(names) => names.iter().map(ToString::to_string).collect(),
            Permissions::All | Permissions::Only(_) => Vec::new(),
        };
        expected.sort_unstable();
        assert_eq!(roles, expected);
        let mut streamed = Vec::new();
        read(&db.store, |tx| tx.for_each_api_key(&mut |row| streamed.push(row)));
        assert_eq!(streamed, [Ok((stored.digest, stored.api_key, Vec::new()))]);
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

fn an_entry() -> impl Strategy<Value = IpAccessControlEntry> {
    let address = prop_oneof![
        any::<std::net::Ipv4Addr>().prop_map(std::net::IpAddr::from),
        any::<std::net::Ipv6Addr>().prop_map(std::net::IpAddr::from),
    ];
    (select(IpAction::ALL.to_vec()), address.clone(), address).prop_map(|(action, one, other)| {
        let range = AddressRange::new(one, other).or_else(|| AddressRange::new(other, one));
        let range = range.or_else(|| AddressRange::new(one, one)).unwrap();
        IpAccessControlEntry { action, range: Some(range) }
    })
}

fn a_list() -> impl Strategy<Value = IpAccessControlList> {
    let entries = (vec(an_entry(), 0..5), any::<prop::sample::Index>(), select(IpAction::ALL.to_vec()))
        .prop_map(|(mut entries, index, action)| {
            let default = IpAccessControlEntry { action, range: None };
            entries.insert(index.index(entries.len() + 1), default);
            entries
        });
    let data = of(select(vec!["{}", r#"{"b":1,"a":[1.50,"\u0000"]}"#]).prop_map(String::from));
    (any::<u128>(), number(), a_name(), entries, data, instant(), instant()).prop_map(
        |(id, revision, name, entries, data, insert_instant, last_update_instant)| IpAccessControlList {
            id: IpAccessControlListId::from_u128(id),
            revision: Revision::from_number(revision),
            name,
            entries,
            data,
            insert_instant,
            last_update_instant,
        },
    )
}

pub fn ip_access_control_lists_round_trip(db: &Database) {
    check(a_list(), |list| {
        let (id, written) = (list.id, list.clone());
        write(&db.store, move |tx| tx.insert_ip_access_control_list(&written));
        assert_eq!(read(&db.store, |tx| tx.find_ip_access_control_list(id)).as_ref(), Some(&list));
        let search = IpAccessControlListSearch::default();
        let page = read(&db.store, |tx| tx.search_ip_access_control_lists(&search));
        assert_eq!((page.lists.as_slice(), page.total), (std::slice::from_ref(&list), 1));
        assert_eq!(read(&db.store, |tx| tx.ip_access_control_lists()), [list]);
        assert!(write(&db.store, move |tx| tx.delete_ip_access_control_list(id)));
    });
}

fn a_permission() -> impl Strategy<Value = RolePermission> {
    let methods = vec(select(RequestMethod::ALL.to_vec()), 1..4);
    // Values may have what separates them in the text form.
    let values =
        vec(wild_text().prop_map(|text| text.replace(|c: char| c.is_control() || c == '/', "") + ",;"), 1..4);
    let path = select(vec!["/", "/**", "/é/*/{id}", "/{id}/{id}/"]);
    (methods, path, values).prop_map(|(methods, path, values)| {
        let values = if path.contains("{id}") { [(String::from("id"), values)].into() } else { [].into() };
        RolePermission::new(methods.into_iter().collect(), path, values).unwrap()
    })
}

/// A name of a role that is like any other name: without commas, and without white space at its ends.
fn role_name(name: &str) -> String {
    let inner: String = name.chars().filter(|c| *c != ',').take(180).collect();
    format!("r{inner}n")
}

fn a_role() -> impl Strategy<Value = Role> {
    let identity = (any::<u128>(), number(), a_name(), of(text()));
    let rest = (vec(a_permission(), 0..4), vec(wild_text(), 0..3), instant(), instant());
    (identity, rest).prop_map(|(identity, rest)| Role {
        id: RoleId::from_u128(identity.0),
        revision: Revision::from_number(identity.1),
        name: objects::role_name(&role_name(identity.2.as_str())),
        desc: identity.3,
        permissions: rest.0,
        ui_permissions: rest.1,
        insert_instant: rest.2,
        last_update_instant: rest.3,
    })
}

pub fn roles_round_trip(db: &Database) {
    check(a_role(), |role| {
        let (id, written) = (role.id, role.clone());
        write(&db.store, move |tx| tx.insert_role(&written));
        assert_eq!(read(&db.store, |tx| tx.find_role(id)).as_ref(), Some(&role));
        let names = [role.name.clone(), objects::role_name("none"), role.name.clone()];
        assert_eq!(read(&db.store, |tx| tx.roles_named(&names)), std::slice::from_ref(&role));
        assert_eq!(read(&db.store, |tx| tx.roles(Some(role.name.as_str()))), std::slice::from_ref(&role));
        assert_eq!(read(&db.store, |tx| tx.roles(None)), [role]);
        assert!(write(&db.store, move |tx| tx.delete_role(id)));
    });
}
