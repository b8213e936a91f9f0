//! Searches for tenants answer as a naive model does, and tenants whose deletion has begun are known.

use std::cmp::Ordering;

use claviger_domain::{
    Instant, NamePattern, Order, SortColumn, Tenant, TenantColumn, TenantId, TenantScope, TenantSearch,
    TenantState, fold,
};
use claviger_storage::StorageError;

use crate::support::{Database, objects, read, write};

/// Names that differ in case, with what `LIKE` treats specially, in no order of any column.
const NAMES: [&str; 11] =
    ["Office", "office", "OFFICE 2", "50%", "50_", "a\\b", "Äther", "ätna", "İ", "'; --", "zz * zz"];

/// Tenants with few instants, so that there are ties.
fn insert(db: &Database) -> Vec<Tenant> {
    let made = |(number, name): (u128, &&str)| Tenant {
        name: objects::name(name),
        insert_instant: Instant::from_epoch_millis([7, -1, 3][number as usize % 3]),
        // Neither in the order of the names nor in that of the instants.
        ..objects::tenant(number * 7 % 11)
    };
    let tenants: Vec<_> = (0..).zip(&NAMES).map(made).collect();
    let written = tenants.clone();
    write(&db.store, move |tx| written.iter().try_for_each(|tenant| tx.insert_tenant(tenant)));
    tenants
}

fn compare(a: &Tenant, b: &Tenant, order: &[Order<TenantColumn>]) -> Ordering {
    let by = |column| match column {
        TenantColumn::Id => a.id.cmp(&b.id),
        TenantColumn::Insert => a.insert_instant.cmp(&b.insert_instant),
        TenantColumn::Name => {
            let (a, b) = (a.name.as_str(), b.name.as_str());
            (fold(a), a).cmp(&(fold(b), b))
        }
    };
    let criterion = |order: &Order<TenantColumn>| {
        if order.descending { by(order.column).reverse() } else { by(order.column) }
    };
    order.iter().map(criterion).find(|result| result.is_ne()).unwrap_or_else(|| by(TenantColumn::Id))
}

/// Every order of at most two columns.
fn orders() -> Vec<Vec<Order<TenantColumn>>> {
    let one: Vec<_> = TenantColumn::ALL
        .iter()
        .flat_map(|&column| [false, true].map(|descending| Order { column, descending }))
        .collect();
    let mut orders = vec![Vec::new()];
    orders.extend(one.iter().map(|first| vec![*first]));
    orders.extend(one.iter().flat_map(|first| one.iter().map(|second| vec![*first, *second])));
    orders
}

pub fn tenant_searches_agree_with_a_model(db: &Database) {
    let tenants = insert(db);
    // What is searched for, and the names that fit.
    let filters: [(Option<&str>, &[&str]); 10] = [
        (None, &NAMES),
        (Some(""), &NAMES),
        (Some(" OFF "), &["Office", "office", "OFFICE 2"]),
        (Some("*e"), &["Office", "office"]),
        (Some("%"), &["50%"]),
        (Some("_"), &["50_"]),
        (Some("\\"), &["a\\b"]),
        (Some("ÄT*"), &["Äther", "ätna"]),
        (Some("*z ** z*"), &["zz * zz"]),
        (Some("none"), &[]),
    ];
    for (name, names) in filters {
        for order in orders() {
            let mut expected: Vec<_> =
                tenants.iter().filter(|tenant| names.contains(&tenant.name.as_str())).cloned().collect();
            expected.sort_by(|a, b| compare(a, b, &order));
            let mut pages = Vec::new();
            for start_row in (0..12).step_by(4) {
                let search = TenantSearch {
                    name: name.map(NamePattern::parse),
                    order: order.clone(),
                    start_row,
                    number_of_results: 4,
                };
                let page = read(&db.store, |tx| tx.search_tenants(&search));
                assert_eq!(page.total, expected.len() as u64, "{search:?}");
                assert!(page.tenants.len() <= 4);
                pages.extend(page.tenants);
            }
            assert_eq!(pages, expected, "{name:?} {order:?}");
        }
    }
}

pub fn tenant_searches_have_bounds(db: &Database) {
    insert(db);
    let found = |start_row, number_of_results| {
        let search = TenantSearch { start_row, number_of_results, ..TenantSearch::default() };
        let page = read(&db.store, |tx| tx.search_tenants(&search));
        (page.tenants.len(), page.total)
    };
    assert_eq!(found(0, 0), (0, 11));
    assert_eq!(found(0, u64::MAX), (11, 11));
    assert_eq!(found(u64::MAX, u64::MAX), (0, 11));
    assert_eq!(found(10, 9), (1, 11));
    let total = |name: &str| {
        let search = TenantSearch { name: Some(NamePattern::parse(name)), ..TenantSearch::default() };
        read(&db.store, |tx| tx.search_tenants(&search)).total
    };
    assert_eq!([total("a\0b"), total(&"a".repeat(500))], [0, 0]);
    // A tenant that is renamed is found by its new name, and only by that.
    write(&db.store, |tx| {
        let stored = tx.find_tenant(TenantId::from_u128(0), TenantScope::All)?.unwrap();
        tx.update_tenant(&Tenant { name: objects::name("BÜRO"), ..stored })
    });
    assert_eq!([total("büro"), total("Office")], [1, 2]);
}

pub fn tenants_pending_delete_are_listed(db: &Database) {
    let pending = |db: &Database| read(&db.store, |tx| tx.tenants_pending_delete());
    insert(db);
    assert_eq!(pending(db), []);
    write(&db.store, |tx| {
        for number in [7, 2] {
            let id = TenantId::from_u128(number);
            let stored = tx.find_tenant(id, TenantScope::All)?.unwrap();
            tx.update_tenant(&Tenant { state: TenantState::PendingDelete, ..stored })?;
        }
        Ok(())
    });
    assert_eq!(pending(db), [2, 7].map(TenantId::from_u128));
    write(&db.store, |tx| tx.delete_tenant(TenantId::from_u128(2)));
    assert_eq!(pending(db), [TenantId::from_u128(7)]);
}

pub fn unfolded_names_of_tenants_are_noticed(db: &Database) {
    insert(db);
    let folded = || {
        let query = "SELECT name || '>' || name_folded AS value FROM tenant ORDER BY id";
        db.texts(query)
    };
    let before = folded();
    assert!(before.contains(&"ätna>ätna".to_owned()) && before.contains(&"Äther>äther".to_owned()));
    // As after a crash between the migration and the folding.
    db.execute("UPDATE tenant SET name_folded = ''");
    assert_eq!(db.store.check_schema(), Err(StorageError::MigrationsPending));
    assert_eq!((db.store.migrate_up(), db.store.check_schema()), (Ok(0), Ok(())));
    assert_eq!(folded(), before);
}
