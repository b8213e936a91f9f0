//! Searches for API keys answer as a naive model does, and the column of folded names stays true.

use std::cell::Cell;
use std::cmp::Ordering;

use claviger_domain::{
    ApiKey, ApiKeyColumn, ApiKeyId, ApiKeySearch, Instant, NamePattern, Order, Permissions, SortColumn,
    TenantId, TenantScope, UsedValue, Uses, fold,
};
use claviger_storage::{ApiKeyGrant, ApiKeyPage, Entity, StorageError, StoredApiKey, TxError};
use proptest::option::{of, weighted};
use proptest::prelude::*;
use proptest::sample::select;
use proptest::strategy::ValueTree;

use super::key_search::{fits, runner, text};
use crate::support::{Database, objects, read, write};

const ALL: TenantScope = TenantScope::All;
const TENANTS: [TenantId; 2] = [TenantId::from_u128(1), TenantId::from_u128(2)];
const ROLES: [&str; 2] = ["role 1", "role 2"];

fn instants() -> impl Strategy<Value = Instant> + Clone {
    select(vec![i64::MIN, -1, 0, 5, i64::MAX]).prop_map(Instant::from_epoch_millis)
}

fn permissions() -> impl Strategy<Value = Permissions> {
    let roles =
        |names: &[&str]| Permissions::Roles(names.iter().map(|name| objects::role_name(name)).collect());
    select(vec![
        Permissions::All,
        Permissions::Only("GET:/api/user".parse().unwrap()),
        Permissions::Only("GET:/api/tenant".parse().unwrap()),
        roles(&[]),
        roles(&ROLES[..1]),
        roles(&ROLES[1..]),
        roles(&ROLES),
    ])
}

/// Id, name, permissions; tenant and list; key manager, disabled, retrievable; expiration, insertion, last change.
type OneKey = (
    (u128, Option<String>, Permissions),
    (Option<TenantId>, Option<u128>),
    [bool; 3],
    (Option<Instant>, Instant, Instant),
);

/// Keys with few values in each member, so that there are many ties; names repeat, and some keys have none.
fn some_keys() -> Vec<StoredApiKey> {
    let one = (
        (any::<u128>(), weighted(0.8, text(0..4)), permissions()),
        (of(select(TENANTS.to_vec())), of(1..3_u128)),
        any::<[bool; 3]>(),
        (of(instants()), instants(), instants()),
    );
    let rows: Vec<OneKey> = proptest::collection::vec(one, 150).new_tree(&mut runner(1)).unwrap().current();
    let made = |(number, row): (u128, OneKey)| {
        let ((id, name, permissions), (tenant, list), flags, instants) = row;
        let mut stored = objects::api_key(id, tenant);
        stored.digest = objects::digest(number);
        stored.api_key = ApiKey {
            // A key without a name has none that could repeat.
            name_repeats: name.is_some(),
            name: name.map(|name| objects::name(&format!("{name}k"))),
            permissions,
            ip_access_control_list_id: list.map(objects::list_id),
            key_manager: flags[0],
            disabled: flags[1],
            retrievable: flags[2],
            expiration_instant: instants.0,
            insert_instant: instants.1,
            last_update_instant: instants.2,
            ..stored.api_key
        };
        stored
    };
    (0..).zip(rows).map(made).collect()
}

/// The uses of a key: by its present value, by an earlier one, by both or none.
fn uses_of(key: &ApiKey) -> Vec<(UsedValue, Uses)> {
    const LAST: [Option<i64>; 5] = [None, Some(-2), Some(0), Some(4), Some(5)];
    let number = key.id.to_string().bytes().map(usize::from).sum::<usize>();
    [(false, number % LAST.len()), (true, number / LAST.len() % LAST.len())]
        .into_iter()
        .filter_map(|(earlier, place)| {
            let uses = Uses::one(Instant::from_epoch_millis(LAST[place]?), None);
            Some((UsedValue { api_key_id: key.id, earlier }, uses))
        })
        .collect()
}

fn insert(db: &Database, keys: &[StoredApiKey]) {
    let written = keys.to_vec();
    let uses: Vec<_> = keys.iter().flat_map(|key| uses_of(&key.api_key)).collect();
    write(&db.store, move |tx| {
        for number in 1..3 {
            tx.insert_tenant(&objects::tenant(number))?;
            tx.insert_ip_access_control_list(&objects::list(number))?;
            tx.insert_role(&objects::role(number))?;
        }
        written.iter().try_for_each(|key| tx.insert_api_key(key))?;
        tx.add_api_key_uses(&uses)
    });
}

/// A search, with the text that its pattern was read from, and the tenants within reach.
fn a_search() -> impl Strategy<Value = (Option<String>, ApiKeySearch, TenantScope, bool)> {
    let order = (select(ApiKeyColumn::ALL.to_vec()), any::<bool>())
        .prop_map(|(column, descending)| Order { column, descending });
    // Each filter now and then: all of them together leave hardly anything.
    let filters = (
        weighted(0.3, text(0..3)),
        weighted(0.2, select(TENANTS.to_vec())),
        (weighted(0.2, any::<bool>()), weighted(0.2, any::<bool>()), weighted(0.2, any::<bool>())),
        weighted(0.1, 1..4_u128),
        weighted(0.1, select(vec!["role 1", "role 2", "role 3"])),
        (weighted(0.2, instants()), weighted(0.2, instants())),
    );
    let rows = || prop_oneof![4 => 0..10_u64, 2 => 0..200_u64, 1 => Just(u64::MAX)];
    let scope = prop_oneof![3 => Just(ALL), 1 => select(TENANTS.to_vec()).prop_map(TenantScope::One)];
    (filters, proptest::collection::vec(order, 0..4), rows(), rows(), scope, any::<bool>()).prop_map(
        |((name, tenant_id, flags, list, role, instants), order, start_row, number, scope, asks)| {
            let pattern = name.as_deref().map(NamePattern::parse);
            let search = ApiKeySearch {
                name: pattern,
                tenant_id,
                key_manager: flags.0,
                disabled: flags.1,
                retrievable: flags.2,
                ip_access_control_list_id: list.map(objects::list_id),
                role: role.map(objects::role_name),
                expires_before: instants.0,
                unused_since: instants.1,
                order,
                start_row,
                number_of_results: number,
            };
            (name, search, scope, asks)
        },
    )
}

/// Keys that do not have a value come last, whatever the direction.
fn by_value<T: Ord>(a: Option<T>, b: Option<T>, descending: bool) -> Ordering {
    match (a, b) {
        (Some(a), Some(b)) if descending => b.cmp(&a),
        (Some(a), Some(b)) => a.cmp(&b),
        (a, b) => b.is_some().cmp(&a.is_some()),
    }
}

fn compare(a: &ApiKey, b: &ApiKey, order: &[Order<ApiKeyColumn>]) -> Ordering {
    let last =
        Order { column: ApiKeyColumn::Id, descending: order.last().is_none_or(|last| last.descending) };
    let name = |key: &ApiKey| key.name.as_ref().map(|name| fold(name.as_str()));
    let criterion = |Order { column, descending }: &Order<ApiKeyColumn>| match column {
        ApiKeyColumn::Expiration => by_value(a.expiration_instant, b.expiration_instant, *descending),
        ApiKeyColumn::Id => by_value(Some(a.id.to_string()), Some(b.id.to_string()), *descending),
        ApiKeyColumn::Insert => by_value(Some(a.insert_instant), Some(b.insert_instant), *descending),
        ApiKeyColumn::LastUpdate => {
            by_value(Some(a.last_update_instant), Some(b.last_update_instant), *descending)
        }
        ApiKeyColumn::Name => by_value(name(a), name(b), *descending),
    };
    order.iter().chain([&last]).map(criterion).find(|result| result.is_ne()).unwrap_or(Ordering::Equal)
}

/// As if `role 1` made key managers, and what `/api/tenant` opens was beyond the caller.
fn is_wanted(grant: &ApiKeyGrant, key_manager: Option<bool>) -> bool {
    let by_role = matches!(&grant.permissions, Permissions::Roles(names) if names.contains(&objects::role_name("role 1")));
    let beyond = matches!(&grant.permissions, Permissions::Only(list) if list.to_string().contains("tenant"));
    !beyond && key_manager.is_none_or(|wanted| wanted == (grant.key_manager || by_role))
}

fn model(
    keys: &[StoredApiKey],
    name: Option<&str>,
    search: &ApiKeySearch,
    scope: TenantScope,
    asks: bool,
) -> ApiKeyPage {
    let has_role = |key: &ApiKey| match (&search.role, &key.permissions) {
        (None, _) => true,
        (Some(role), Permissions::Roles(roles)) => roles.contains(role),
        (Some(_), Permissions::All | Permissions::Only(_)) => false,
    };
    let may_manage = |key: &ApiKey| match search.key_manager {
        None => true,
        Some(true) => key.key_manager || matches!(key.permissions, Permissions::Roles(_)),
        Some(false) => !key.key_manager,
    };
    let wanted = |key: &ApiKey| {
        let (permissions, tenant_id) = (key.permissions.clone(), key.tenant_id);
        !asks
            || is_wanted(
                &ApiKeyGrant { permissions, key_manager: key.key_manager, tenant_id },
                search.key_manager,
            )
    };
    let list = search.ip_access_control_list_id;
    let mut found: Vec<ApiKey> = keys
        .iter()
        .map(|stored| stored.api_key.clone())
        .filter(|key| scope.contains(key.tenant_id))
        .filter(|key| name.is_none_or(|name| key.name.as_ref().is_some_and(|own| fits(own.as_str(), name))))
        .filter(|key| search.tenant_id.is_none() || key.tenant_id == search.tenant_id)
        .filter(|key| search.disabled.is_none_or(|disabled| key.disabled == disabled))
        .filter(|key| search.retrievable.is_none_or(|retrievable| key.retrievable == retrievable))
        .filter(|key| list.is_none() || key.ip_access_control_list_id == list)
        .filter(|key| {
            search.expires_before.is_none_or(|end| key.expiration_instant.is_some_and(|own| own < end))
        })
        .filter(|key| {
            search.unused_since.is_none_or(|since| {
                key.insert_instant < since && uses_of(key).iter().all(|(_, uses)| uses.last_instant < since)
            })
        })
        .filter(|key| has_role(key) && may_manage(key) && wanted(key))
        .collect();
    found.sort_by(|a, b| compare(a, b, &search.order));
    let bounded = |number: u64| usize::try_from(number).unwrap();
    let page = found.iter().skip(bounded(search.start_row)).take(bounded(search.number_of_results));
    ApiKeyPage { api_keys: page.cloned().collect(), total: found.len() as u64 }
}

fn found(db: &Database, search: &ApiKeySearch, scope: TenantScope, asks: bool) -> ApiKeyPage {
    let wanted = |grant: &ApiKeyGrant| is_wanted(grant, search.key_manager);
    read(&db.store, |tx| tx.search_api_keys(search, scope, if asks { Some(&wanted) } else { None }))
}

pub fn api_key_searches_agree_with_a_model(db: &Database) {
    let keys = some_keys();
    insert(db, &keys);
    let matches = Cell::new(0);
    runner(800)
        .run(&a_search(), |(name, search, scope, asks)| {
            let page = found(db, &search, scope, asks);
            matches.set(matches.get() + u32::from(!page.api_keys.is_empty()));
            prop_assert_eq!(page, model(&keys, name.as_deref(), &search, scope, asks));
            Ok(())
        })
        .unwrap();
    assert!(matches.get() > 200, "only {} searches found something", matches.get());
}

pub fn pages_of_api_keys_make_up_the_whole(db: &Database) {
    let keys = some_keys();
    insert(db, &keys);
    for &column in ApiKeyColumn::ALL {
        for (descending, asks) in [(false, false), (true, false), (true, true)] {
            let order = vec![Order { column, descending }];
            let whole = ApiKeySearch { order, number_of_results: u64::MAX, ..ApiKeySearch::default() };
            let expected = model(&keys, None, &whole, ALL, asks);
            let mut seen = Vec::new();
            loop {
                let start_row = seen.len() as u64;
                let search = ApiKeySearch { start_row, number_of_results: 7, ..whole.clone() };
                let page = found(db, &search, ALL, asks);
                assert_eq!(page.total, expected.total);
                if page.api_keys.is_empty() {
                    break;
                }
                seen.extend(page.api_keys);
            }
            assert_eq!(seen, expected.api_keys, "{column:?} {descending}");
            assert_eq!(found(db, &whole, ALL, asks), expected);
        }
    }
}

pub fn api_key_searches_have_bounds(db: &Database) {
    // More than are loaded by one statement.
    let keys: Vec<_> = (1..=1_203).map(|number| objects::api_key(number, None)).collect();
    insert(db, &keys);
    let search = |start_row, number_of_results, name: &str| {
        let name = Some(NamePattern::parse(name));
        let search = ApiKeySearch { start_row, number_of_results, name, ..ApiKeySearch::default() };
        let page = found(db, &search, ALL, false);
        assert_eq!(found(db, &search, ALL, true), page);
        (page.api_keys.len(), page.total)
    };
    assert_eq!(search(0, u64::MAX, ""), (1_203, 1_203));
    assert_eq!(search(0, 0, ""), (0, 1_203));
    assert_eq!(search(1_200, 25, ""), (3, 1_203));
    assert_eq!(search(1_203, 25, ""), (0, 1_203));
    assert_eq!(search(u64::MAX, u64::MAX, ""), (0, 1_203));
    assert_eq!(search(0, 25, "key 12"), (15, 15));
    assert_eq!(search(0, 25, "*KEY 12"), (1, 1));
    // What neither database could compare.
    assert_eq!(search(0, 25, "key\u{0}1"), (0, 0));
    assert_eq!(search(0, 25, &"k".repeat(100_000)), (0, 0));
    let default = found(db, &ApiKeySearch::default(), ALL, false);
    assert_eq!((default.api_keys.len(), default.total), (25, 1_203));
    assert_eq!(default.api_keys[0].id, ApiKeyId::from_u128(1_203));
}

pub fn special_characters_of_api_keys_are_literal(db: &Database) {
    let names =
        ["50%", "501", "a_b", "aXb", "c\\d", "cd", "e*f", "egf", "O'Neil", "Straße", "İstanbul", "ΟΔΟΣ"];
    let keys: Vec<_> = (1_u128..)
        .zip(names)
        .map(|(number, name)| {
            let mut stored = objects::api_key(number, None);
            stored.api_key.name = Some(objects::name(name));
            stored
        })
        .collect();
    insert(db, &keys);
    for (pattern, expected) in [
        ("50%", vec!["50%"]),
        ("A_B", vec!["a_b"]),
        ("C\\D", vec!["c\\d"]),
        ("e**f", vec!["e*f"]),
        ("e*f", vec!["e*f", "egf"]),
        ("o'neil", vec!["O'Neil"]),
        ("STRASSE", vec![]),
        ("STRAßE", vec!["Straße"]),
        ("i\u{307}stan*", vec!["İstanbul"]),
        ("istanbul", vec![]),
        ("οδος", vec!["ΟΔΟΣ"]),
        ("*", names.to_vec()),
    ] {
        let order = vec![Order { column: ApiKeyColumn::Id, descending: false }];
        let search =
            ApiKeySearch { name: Some(NamePattern::parse(pattern)), order, ..ApiKeySearch::default() };
        let page = found(db, &search, ALL, false);
        let names: Vec<_> = page.api_keys.iter().map(|key| key.name.as_ref().unwrap().as_str()).collect();
        assert_eq!((names.len() as u64, names), (page.total, expected), "{pattern}");
    }
}

fn named(db: &Database, name: &str) -> u64 {
    let search = ApiKeySearch { name: Some(NamePattern::parse(name)), ..ApiKeySearch::default() };
    found(db, &search, ALL, false).total
}

pub fn renamed_api_keys_are_found_by_their_new_name(db: &Database) {
    insert(db, &[objects::api_key(1, None), objects::fusion_key(2, &["role 1"])]);
    let rename = |number, name: Option<&str>| {
        let name = name.map(objects::name);
        write(&db.store, move |tx| {
            let stored = tx.find_api_key(ApiKeyId::from_u128(number), ALL)?.ok_or(StorageError::Stale)?;
            tx.update_api_key(&ApiKey { name: name.clone(), ..stored.api_key }).map(drop)
        });
    };
    assert_eq!((named(db, "API*"), named(db, "KIOSK")), (1, 1));
    rename(1, Some("ÜBER"));
    rename(2, Some("Café"));
    assert_eq!((named(db, "über"), named(db, "api"), named(db, "CAFÉ"), named(db, "kiosk")), (1, 0, 1, 0));
    rename(1, None);
    assert_eq!((named(db, "über"), named(db, "*")), (0, 1));
}

pub fn corrupt_api_keys_are_reported_by_searches(db: &Database) {
    insert(db, &[objects::api_key(1, None), objects::api_key(2, None)]);
    let id = ApiKeyId::from_u128(1).to_string();
    db.execute(&format!("UPDATE api_key SET permissions = 'nonsense' WHERE id = '{id}'"));
    let search = ApiKeySearch::default();
    let outcome = db.store.read::<_, ()>(|tx| Ok(tx.search_api_keys(&search, ALL, None)?));
    let corrupt = StorageError::Corrupt { entity: Entity::ApiKey, id, reason: String::from("permissions") };
    assert_eq!(outcome, Err(TxError::Storage(corrupt)));
    // Nobody knows whether it may be shown.
    let page = found(db, &search, ALL, true);
    assert_eq!((page.api_keys, page.total), (vec![objects::api_key(2, None).api_key], 1));
}

/// The version of the migration before the one that added the folded names.
const BEFORE_FOLDED_NAMES: &str = "20261122120000";

pub fn schema_folds_api_key_names(db: &Database) {
    // More than are folded in one transaction, half of them with names that may repeat, and some without.
    let names = ["ÄÖÜ", "İ", "ß", "ΑΣ", "a", "A", "\u{10ffff}"].map(String::from);
    let numbered = (0..1_500).map(|number| format!("KEY {number:04}"));
    let mut keys: Vec<StoredApiKey> = (1_u128..)
        .zip(names.into_iter().chain(numbered))
        .map(|(number, name)| {
            let mut stored = objects::api_key(number, None);
            stored.api_key.name = Some(objects::name(&name));
            stored.api_key.name_repeats = number % 2 == 0;
            stored
        })
        .collect();
    keys[5].api_key.name = None;
    keys[5].api_key.name_repeats = false;
    insert(db, &keys);
    let everything = || {
        let mut keys: Vec<ApiKey> = read(&db.store, |tx| tx.list_api_keys(ALL));
        keys.sort_by_key(|key| key.id.to_string());
        (keys, read(&db.store, |tx| tx.changes(0, usize::MAX >> 1)).len())
    };
    let values =
        || db.texts("SELECT coalesce(CAST(length(sealed_value) AS TEXT), '-') AS value FROM api_key");
    let (before, sealed) = (everything(), values());
    let folded = || {
        db.texts("SELECT coalesce(name, repeating_name, '-') || '>' || coalesce(name_folded, '-') AS value FROM api_key ORDER BY id")
    };
    let written = folded();
    assert_eq!(written[0], "ÄÖÜ>äöü");
    assert_eq!(written[5], "->-");

    let later = db.store.migrate_down(BEFORE_FOLDED_NAMES).unwrap();
    assert!(later > 0);
    assert_eq!(db.store.migrate_up(), Ok(later));
    assert_eq!(folded(), written);
    assert_eq!((everything(), values()), (before, sealed));
    assert_eq!((named(db, "äöü"), named(db, "key 14")), (1, 100));
}

pub fn schema_unfolded_api_key_names_are_noticed(db: &Database) {
    insert(db, &[objects::api_key(1, None), objects::fusion_key(2, &[]), objects::api_key(3, None)]);
    // As after a crash between the migration and the folding, or after a program that did not know the column.
    for column in ["name", "repeating_name"] {
        db.execute(&format!("UPDATE api_key SET name_folded = NULL WHERE {column} IS NOT NULL"));
        assert_eq!(db.store.check_schema(), Err(StorageError::MigrationsPending));
        assert_eq!((db.store.migrate_up(), db.store.check_schema()), (Ok(0), Ok(())));
    }
    let folded = || db.texts("SELECT coalesce(name_folded, '-') AS value FROM api_key ORDER BY id");
    assert_eq!(folded(), ["api key 1", "kiosk", "api key 3"]);
    // Such a program renames a key, and takes the name of another one away.
    db.execute("UPDATE api_key SET name = 'Ä' WHERE name = 'api key 1'");
    db.execute("UPDATE api_key SET name = NULL WHERE name = 'api key 3'");
    assert_eq!((db.store.migrate_up(), db.store.check_schema()), (Ok(0), Ok(())));
    assert_eq!(folded(), ["ä", "kiosk", "-"]);
    let revisions = db.texts("SELECT CAST(revision AS TEXT) AS value FROM api_key");
    assert_eq!(revisions, ["1", "1", "1"]);
}
