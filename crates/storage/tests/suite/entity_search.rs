//! Searches for entity types, entities and grants answer as naive models do.

use std::cmp::Ordering;

use claviger_domain::{
    ClientId, Entity, EntityColumn, EntityFilter, EntityGrant, EntityGrantColumn, EntityGrantSearch,
    EntityId, EntitySearch, EntityType, EntityTypeColumn, EntityTypeId, EntityTypeSearch, Instant,
    NamePattern, Order, SortColumn, TenantId, TenantScope, fold,
};
use claviger_storage::WriteTransaction;

use crate::support::{Database, objects, read, write};

/// Names that differ in case, with what `LIKE` treats specially, and one that stands twice.
const NAMES: [&str; 8] = ["Pump", "pump", "50%", "a_b", "Äther", "ätna", "Pump", "zz"];
const PATTERNS: [&str; 8] = ["pump", "P*", "%", "_", "ä", "sensor", "client-3", "nothing"];
const SCOPES: [TenantScope; 3] =
    [TenantScope::All, TenantScope::One(TenantId::from_u128(1)), TenantScope::One(TenantId::from_u128(2))];

/// What a pattern without special meaning of the database does.
fn fits(pattern: &str, text: &str) -> bool {
    let (pattern, text) = (fold(pattern), fold(text));
    match pattern.strip_suffix('*') {
        Some(front) => text.starts_with(front),
        None => text.contains(&pattern),
    }
}

/// Two types, and entities with few values in each column, so that there are ties.
fn some_entities() -> (Vec<EntityType>, Vec<Entity>) {
    let types = [(1, "Sensor"), (2, "other")]
        .map(|(number, name)| EntityType { name: objects::name(name), ..objects::entity_type(number) });
    let entities = (0..).zip(NAMES).map(|(number, name): (u128, &str)| Entity {
        name: objects::name(name),
        client_id: ClientId::try_from(format!("Client-{}", number * 3 % 8)).unwrap(),
        entity_type_id: EntityTypeId::from_u128(1 + number % 2),
        insert_instant: Instant::from_epoch_millis([7, -1, 3][number as usize % 3]),
        last_update_instant: Instant::from_epoch_millis([5, 2][number as usize % 2]),
        ..objects::entity(number * 7 % 11, 1 + number / 3 % 2)
    });
    (types.to_vec(), entities.collect())
}

fn insert(
    tx: &mut WriteTransaction<'_>,
    types: &[EntityType],
    entities: &[Entity],
) -> Result<(), claviger_storage::StorageError> {
    tx.insert_tenant(&objects::tenant(1))?;
    tx.insert_tenant(&objects::tenant(2))?;
    types.iter().try_for_each(|entity_type| tx.insert_entity_type(entity_type))?;
    entities.iter().try_for_each(|entity| tx.insert_entity(entity, &vec![1].into()))
}

fn prepare(db: &Database) -> (Vec<EntityType>, Vec<Entity>) {
    let (types, entities) = some_entities();
    let written = (types.clone(), entities.clone());
    write(&db.store, move |tx| insert(tx, &written.0, &written.1));
    (types, entities)
}

/// Every order of at most two columns.
fn orders<C: SortColumn>() -> Vec<Vec<Order<C>>> {
    let both = |column: &C| [false, true].map(|descending| Order { column: *column, descending });
    let single: Vec<Order<C>> = C::ALL.iter().flat_map(both).collect();
    let mut orders: Vec<_> = single.iter().map(|order| vec![*order]).collect();
    for first in &single {
        orders.extend(
            single.iter().filter(|second| second.column != first.column).map(|second| vec![*first, *second]),
        );
    }
    orders.push(Vec::new());
    orders
}

fn sorted<T, C: Copy>(
    mut items: Vec<T>,
    order: &[Order<C>],
    by: impl Fn(C, &T, &T) -> Ordering,
    last: impl Fn(&T, &T) -> Ordering,
) -> Vec<T> {
    items.sort_by(|a, b| {
        let criterion = |order: &Order<C>| {
            let result = by(order.column, a, b);
            if order.descending { result.reverse() } else { result }
        };
        order.iter().map(criterion).find(|result| result.is_ne()).unwrap_or_else(|| last(a, b))
    });
    items
}

fn by_name(a: &str, b: &str) -> Ordering {
    (fold(a), a).cmp(&(fold(b), b))
}

fn compare(column: EntityColumn, a: &Entity, b: &Entity) -> Ordering {
    match column {
        EntityColumn::ClientId => a.client_id.cmp(&b.client_id),
        EntityColumn::Insert => a.insert_instant.cmp(&b.insert_instant),
        EntityColumn::LastUpdate => a.last_update_instant.cmp(&b.last_update_instant),
        EntityColumn::Name => by_name(a.name.as_str(), b.name.as_str()),
        EntityColumn::TenantId => a.tenant_id.cmp(&b.tenant_id),
        EntityColumn::TypeId => a.entity_type_id.cmp(&b.entity_type_id),
    }
}

pub fn entity_searches_agree_with_a_model(db: &Database) {
    let (types, entities) = prepare(db);
    let mut filters = vec![
        EntityFilter::All,
        EntityFilter::Ids(vec![EntityId::from_u128(3), EntityId::from_u128(7), EntityId::from_u128(77)]),
        EntityFilter::Ids(entities.iter().map(|entity| entity.id).collect()),
    ];
    filters.extend(PATTERNS.map(|pattern| EntityFilter::Text(NamePattern::parse(pattern))));
    for (number, filter) in filters.into_iter().enumerate() {
        let matches = |entity: &Entity| match &filter {
            EntityFilter::All => true,
            EntityFilter::Ids(ids) => ids.contains(&entity.id),
            EntityFilter::Text(_) => {
                let pattern = PATTERNS[number - 3];
                let own = types.iter().find(|one| one.id == entity.entity_type_id).unwrap();
                [entity.name.as_str(), entity.client_id.as_str(), own.name.as_str()]
                    .into_iter()
                    .any(|text| fits(pattern, text))
            }
        };
        for (scope, order) in
            SCOPES.into_iter().flat_map(|scope| orders().into_iter().map(move |order| (scope, order)))
        {
            let inside: Vec<_> = entities
                .iter()
                .filter(|entity| scope.contains(Some(entity.tenant_id)) && matches(entity))
                .cloned()
                .collect();
            let expected = sorted(inside, &order, compare, |a, b| a.id.cmp(&b.id));
            let search = EntitySearch { filter: filter.clone(), order, start_row: 0, number_of_results: 100 };
            let page = read(&db.store, |tx| tx.search_entities(&search, scope));
            assert_eq!((&page.entities, page.total), (&expected, expected.len() as u64), "{search:?}");
            if matches!(filter, EntityFilter::Ids(_)) {
                continue;
            }
            for (start_row, number_of_results) in [(0, 3), (2, 2), (7, 9), (100, 1), (0, 0)] {
                let part = EntitySearch { start_row, number_of_results, ..search.clone() };
                let page = read(&db.store, |tx| tx.search_entities(&part, scope));
                let part: Vec<_> = expected
                    .iter()
                    .skip(start_row as usize)
                    .take(number_of_results as usize)
                    .cloned()
                    .collect();
                assert_eq!((page.entities, page.total), (part, expected.len() as u64));
            }
        }
    }
    let long = EntitySearch {
        filter: EntityFilter::Text(NamePattern::parse(&"x".repeat(400))),
        ..EntitySearch::default()
    };
    assert_eq!(read(&db.store, |tx| tx.search_entities(&long, TenantScope::All)).total, 0);
}

pub fn grant_searches_agree_with_a_model(db: &Database) {
    let (_, entities) = prepare(db);
    // Every entity on every other one of its tenant, with few instants.
    let mut grants: Vec<EntityGrant> = Vec::new();
    for on in &entities {
        for to in entities.iter().filter(|to| to.tenant_id == on.tenant_id) {
            let number = grants.len() as u128;
            grants.push(EntityGrant {
                tenant_id: on.tenant_id,
                entity_id: on.id,
                recipient_entity_id: to.id,
                insert_instant: Instant::from_epoch_millis((number % 3) as i64),
                ..objects::grant(number * 13 % 101, 0, 0, &[])
            });
        }
    }
    let written = grants.clone();
    write(&db.store, move |tx| written.iter().try_for_each(|grant| tx.insert_entity_grant(grant)));
    let name_of = |grant: &EntityGrant| {
        entities.iter().find(|entity| entity.id == grant.entity_id).unwrap().name.as_str()
    };
    let compare = |column, a: &EntityGrant, b: &EntityGrant| match column {
        EntityGrantColumn::Insert => a.insert_instant.cmp(&b.insert_instant),
        EntityGrantColumn::Name => by_name(name_of(a), name_of(b)),
    };
    for scope in SCOPES {
        for entity_id in [None, Some(entities[1].id), Some(EntityId::from_u128(77))] {
            for pattern in [None, Some("pump"), Some("p*"), Some("%")] {
                for order in orders::<EntityGrantColumn>() {
                    let inside: Vec<_> = grants
                        .iter()
                        .filter(|grant| scope.contains(Some(grant.tenant_id)))
                        .filter(|grant| entity_id.is_none_or(|id| grant.entity_id == id))
                        .filter(|grant| pattern.is_none_or(|pattern| fits(pattern, name_of(grant))))
                        .cloned()
                        .collect();
                    let expected = sorted(inside, &order, compare, |a, b| a.id.cmp(&b.id));
                    let search = EntityGrantSearch {
                        entity_id,
                        name: pattern.map(NamePattern::parse),
                        order,
                        start_row: 1,
                        number_of_results: 7,
                    };
                    let page = read(&db.store, |tx| tx.search_entity_grants(&search, scope));
                    let part: Vec<_> = expected.iter().skip(1).take(7).cloned().collect();
                    assert_eq!((page.grants, page.total), (part, expected.len() as u64), "{search:?}");
                }
            }
        }
    }
    let count = EntityGrantSearch { number_of_results: 0, ..EntityGrantSearch::default() };
    let page = read(&db.store, |tx| tx.search_entity_grants(&count, TenantScope::All));
    assert_eq!((page.grants.len(), page.total), (0, grants.len() as u64));
}

pub fn type_searches_agree_with_a_model(db: &Database) {
    let types: Vec<_> = (0..)
        .zip(["Pump", "pump", "50%", "a_b", "Äther", "ätna", "zz"])
        .map(|(number, name): (u128, &str)| EntityType {
            name: objects::name(name),
            insert_instant: Instant::from_epoch_millis([7, -1, 3][number as usize % 3]),
            last_update_instant: Instant::from_epoch_millis([5, 2][number as usize % 2]),
            ..objects::entity_type(number * 7 % 11)
        })
        .collect();
    let written = types.clone();
    write(&db.store, move |tx| written.iter().try_for_each(|one| tx.insert_entity_type(one)));
    let compare = |column, a: &EntityType, b: &EntityType| match column {
        EntityTypeColumn::Id => a.id.cmp(&b.id),
        EntityTypeColumn::Insert => a.insert_instant.cmp(&b.insert_instant),
        EntityTypeColumn::LastUpdate => a.last_update_instant.cmp(&b.last_update_instant),
        EntityTypeColumn::Name => by_name(a.name.as_str(), b.name.as_str()),
    };
    for pattern in [None, Some("pump"), Some("ä*"), Some("_"), Some("nothing")] {
        for order in orders::<EntityTypeColumn>() {
            let inside: Vec<_> = types
                .iter()
                .filter(|one| pattern.is_none_or(|pattern| fits(pattern, one.name.as_str())))
                .cloned()
                .collect();
            let expected = sorted(inside, &order, compare, |a, b| a.id.cmp(&b.id));
            let search = EntityTypeSearch {
                name: pattern.map(NamePattern::parse),
                order,
                start_row: 0,
                number_of_results: 4,
            };
            let page = read(&db.store, |tx| tx.search_entity_types(&search));
            let part: Vec<_> = expected.iter().take(4).cloned().collect();
            assert_eq!((page.entity_types, page.total), (part, expected.len() as u64), "{search:?}");
        }
    }
}
