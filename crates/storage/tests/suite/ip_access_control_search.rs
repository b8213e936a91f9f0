//! Searches for IP access control lists answer as a naive model does.

use std::cmp::Ordering;

use claviger_domain::{
    Instant, IpAccessControlList, IpAccessControlListColumn, IpAccessControlListSearch, NamePattern, Order,
    SortColumn, fold,
};

use crate::support::{Database, objects, read, write};

/// Names that differ in case, with what `LIKE` treats specially, in no order of any column.
const NAMES: [&str; 11] =
    ["Office", "office", "OFFICE 2", "50%", "50_", "a\\b", "Äther", "ätna", "İ", "'; --", "zz * zz"];

/// Lists with few values in each column, so that there are ties.
fn some_lists() -> Vec<IpAccessControlList> {
    let made = |(number, name): (u128, &&str)| IpAccessControlList {
        name: objects::name(name),
        insert_instant: Instant::from_epoch_millis([7, -1, 3][number as usize % 3]),
        last_update_instant: Instant::from_epoch_millis([5, 2][number as usize % 2]),
        // Neither in the order of the names nor in that of the instants.
        ..objects::list(number * 7 % 11)
    };
    (0..).zip(&NAMES).map(made).collect()
}

fn insert(db: &Database) -> Vec<IpAccessControlList> {
    let lists = some_lists();
    let written = lists.clone();
    write(&db.store, move |tx| written.iter().try_for_each(|list| tx.insert_ip_access_control_list(list)));
    lists
}

fn compare(
    a: &IpAccessControlList,
    b: &IpAccessControlList,
    order: &[Order<IpAccessControlListColumn>],
) -> Ordering {
    let by = |column| match column {
        IpAccessControlListColumn::Id => a.id.cmp(&b.id),
        IpAccessControlListColumn::Insert => a.insert_instant.cmp(&b.insert_instant),
        IpAccessControlListColumn::LastUpdate => a.last_update_instant.cmp(&b.last_update_instant),
        IpAccessControlListColumn::Name => {
            let (a, b) = (a.name.as_str(), b.name.as_str());
            (fold(a), a).cmp(&(fold(b), b))
        }
    };
    let criterion = |order: &Order<IpAccessControlListColumn>| {
        if order.descending { by(order.column).reverse() } else { by(order.column) }
    };
    order
        .iter()
        .map(criterion)
        .find(|result| result.is_ne())
        .unwrap_or_else(|| by(IpAccessControlListColumn::Id))
}

/// Every order of at most two columns.
fn orders() -> Vec<Vec<Order<IpAccessControlListColumn>>> {
    let one: Vec<_> = IpAccessControlListColumn::ALL
        .iter()
        .flat_map(|&column| [false, true].map(|descending| Order { column, descending }))
        .collect();
    let mut orders = vec![Vec::new()];
    orders.extend(one.iter().map(|first| vec![*first]));
    orders.extend(one.iter().flat_map(|first| one.iter().map(|second| vec![*first, *second])));
    orders
}

pub fn list_searches_agree_with_a_model(db: &Database) {
    let lists = insert(db);
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
                lists.iter().filter(|list| names.contains(&list.name.as_str())).cloned().collect();
            expected.sort_by(|a, b| compare(a, b, &order));
            let mut pages = Vec::new();
            for start_row in (0..12).step_by(4) {
                let search = IpAccessControlListSearch {
                    name: name.map(NamePattern::parse),
                    order: order.clone(),
                    start_row,
                    number_of_results: 4,
                };
                let page = read(&db.store, |tx| tx.search_ip_access_control_lists(&search));
                assert_eq!(page.total, expected.len() as u64, "{search:?}");
                assert!(page.lists.len() <= 4);
                pages.extend(page.lists);
            }
            assert_eq!(pages, expected, "{name:?} {order:?}");
        }
    }
}

pub fn list_searches_have_bounds(db: &Database) {
    insert(db);
    let found = |start_row, number_of_results| {
        let search = IpAccessControlListSearch {
            start_row,
            number_of_results,
            ..IpAccessControlListSearch::default()
        };
        let page = read(&db.store, |tx| tx.search_ip_access_control_lists(&search));
        (page.lists.len(), page.total)
    };
    assert_eq!(found(0, 0), (0, 11));
    assert_eq!(found(0, u64::MAX), (11, 11));
    assert_eq!(found(u64::MAX, u64::MAX), (0, 11));
    assert_eq!(found(10, 9), (1, 11));
    for hopeless in ["a\0b".to_owned(), "a".repeat(500)] {
        let name = Some(NamePattern::parse(&hopeless));
        let search = IpAccessControlListSearch { name, ..IpAccessControlListSearch::default() };
        assert_eq!(read(&db.store, |tx| tx.search_ip_access_control_lists(&search)).total, 0);
    }
    // A list that is renamed is found by its new name, and only by that.
    write(&db.store, |tx| {
        let name = objects::name("BÜRO");
        let list = tx.find_ip_access_control_list(objects::list_id(0))?.unwrap();
        tx.update_ip_access_control_list(&IpAccessControlList { name, ..list })
    });
    for (name, total) in [("büro", 1), ("Office", 2)] {
        let name = Some(NamePattern::parse(name));
        let search = IpAccessControlListSearch { name, ..IpAccessControlListSearch::default() };
        assert_eq!(read(&db.store, |tx| tx.search_ip_access_control_lists(&search)).total, total);
    }
}
