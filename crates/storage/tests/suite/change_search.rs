//! Searches of the audit log answer as a naive model does.

use std::cmp::Ordering;

use claviger_domain::{
    Actor, ApiKeyId, ChangeColumn, ChangeContext, ChangeSearch, Instant, Order, SortColumn, TenantId,
    TenantScope, TextPattern,
};
use claviger_storage::{ChangeRow, Entity, StorageError, TxError, WriteTransaction};

use crate::support::{Database, objects, read, write};

const ALL: TenantScope = TenantScope::All;

fn write_as(
    db: &Database,
    actor: Actor,
    millis: i64,
    closure: fn(&mut WriteTransaction<'_>) -> Result<(), StorageError>,
) {
    let address = matches!(actor, Actor::ApiKey(_)).then(|| String::from("192.0.2.7"));
    let context = ChangeContext { actor, instant: Instant::from_epoch_millis(millis), address };
    db.store.write::<_, (), _>(&context, move |tx| Ok(closure(tx)?)).unwrap();
}

fn tenant(number: u128) -> TenantId {
    TenantId::from_u128(number)
}

/// Changes of every kind of actor, action and object, two tenants, and few instants, so that there are ties.
fn insert(db: &Database) -> Vec<ChangeRow> {
    let [one, two] = [0xab, 0xcd].map(|number| Actor::ApiKey(ApiKeyId::from_u128(number)));
    write_as(db, Actor::System, 20, |tx| {
        tx.insert_tenant(&objects::tenant(1))?;
        tx.insert_tenant(&objects::tenant(2))?;
        tx.insert_role(&objects::role(1))
    });
    write_as(db, Actor::CommandLine, 10, |tx| {
        tx.insert_api_key(&objects::api_key(1, Some(tenant(1))))?;
        tx.insert_api_key(&objects::api_key(2, None))
    });
    write_as(db, one, 30, |tx| {
        let mut list = objects::list(1);
        list.name = objects::name("50%_off\\ Ämter \"quoted\" 'x'");
        tx.insert_ip_access_control_list(&list)?;
        tx.insert_api_key(&objects::api_key(3, Some(tenant(2))))?;
        tx.insert_key(&objects::key(1))?;
        let mut renamed = objects::tenant(2);
        renamed.name = objects::name("ÄMTER");
        tx.update_tenant(&renamed).map(drop)
    });
    write_as(db, two, 20, |tx| {
        tx.delete_api_key(ApiKeyId::from_u128(3), ALL)?;
        tx.delete_role(objects::role(1).id)?;
        tx.delete_ip_access_control_list(objects::list_id(1)).map(drop)
    });
    let rows = read(&db.store, |tx| tx.changes(0, 100));
    assert_eq!(rows.len(), 12);
    rows
}

/// Whether a text fits a pattern: parts between runs of `*`, with the letters A to Z without regard to case.
fn fits(text: &str, pattern: &str) -> bool {
    let (text, pattern) = (text.to_ascii_lowercase(), pattern.trim().to_ascii_lowercase());
    if !pattern.contains('*') {
        return text.contains(&pattern);
    }
    let parts: Vec<&str> = pattern.split('*').collect();
    let (first, last) = (parts[0], parts[parts.len() - 1]);
    let Some(mut rest) = text.strip_prefix(first) else { return false };
    for part in &parts[1..parts.len() - 1] {
        match rest.split_once(part) {
            Some((_, behind)) => rest = behind,
            None => return false,
        }
    }
    rest.ends_with(last)
}

/// A search in the words of callers.
#[derive(Debug, Clone, Default)]
struct Wanted {
    start: Option<i64>,
    end: Option<i64>,
    message: Option<&'static str>,
    old_value: Option<&'static str>,
    new_value: Option<&'static str>,
    user: Option<&'static str>,
    tenant: Option<u128>,
    scope: Option<u128>,
}

impl Wanted {
    fn search(&self) -> (ChangeSearch, TenantScope) {
        let pattern = |text: Option<&str>| text.map(TextPattern::parse);
        let search = ChangeSearch {
            start: self.start.map(Instant::from_epoch_millis),
            end: self.end.map(Instant::from_epoch_millis),
            message: pattern(self.message),
            old_value: pattern(self.old_value),
            new_value: pattern(self.new_value),
            user: pattern(self.user),
            tenant_id: self.tenant.map(tenant),
            ..ChangeSearch::default()
        };
        (search, self.scope.map_or(ALL, |number| TenantScope::One(tenant(number))))
    }

    fn wants(&self, row: &ChangeRow) -> bool {
        let millis = row.instant.epoch_millis();
        let text = |value: Option<&str>, pattern: Option<&str>| {
            pattern.is_none_or(|pattern| value.is_some_and(|value| fits(value, pattern)))
        };
        self.start.is_none_or(|start| millis >= start)
            && self.end.is_none_or(|end| millis <= end)
            && text(Some(&row.message()), self.message)
            && text(Some(&row.user()), self.user)
            && text(row.before.as_deref(), self.old_value)
            && text(row.after.as_deref(), self.new_value)
            && [self.tenant, self.scope].into_iter().flatten().all(|id| row.tenant_id == Some(tenant(id)))
    }
}

fn wishes() -> Vec<Wanted> {
    let mut wishes = vec![Wanted::default()];
    for (start, end) in [(Some(20), None), (None, Some(20)), (Some(11), Some(29)), (Some(31), None)] {
        wishes.push(Wanted { start, end, ..Wanted::default() });
    }
    for message in ["Created", "api KEY", "*KEY 0*", "deleted*1", "the tenant", "", "*", "nothing", "50%"] {
        wishes.push(Wanted { message: Some(message), ..Wanted::default() });
    }
    for user in ["api key", "API key *cd", "system", "command line", "Command*", "line*", "_"] {
        wishes.push(Wanted { user: Some(user), ..Wanted::default() });
    }
    for value in [
        "\"name\":\"",
        "ROLE 1",
        "50%_off",
        "50_",
        "\\\\ Ä",
        "ämter",
        "ÄMTER",
        "'x'",
        "\\\"quoted",
        "*192.0.2.9*",
        "",
        "*",
    ] {
        wishes.push(Wanted { old_value: Some(value), ..Wanted::default() });
        wishes.push(Wanted { new_value: Some(value), ..Wanted::default() });
    }
    for (tenant, scope) in
        [(Some(1), None), (None, Some(1)), (Some(2), Some(2)), (Some(1), Some(2)), (Some(9), None)]
    {
        wishes.push(Wanted { tenant, scope, ..Wanted::default() });
        wishes.push(Wanted { tenant, scope, message: Some("API key"), start: Some(11), ..Wanted::default() });
    }
    wishes
}

fn compare(a: &ChangeRow, b: &ChangeRow, order: &[Order<ChangeColumn>]) -> Ordering {
    let by = |column| match column {
        ChangeColumn::Id => a.id.cmp(&b.id),
        ChangeColumn::Insert => a.instant.cmp(&b.instant),
        ChangeColumn::User => a.user().cmp(&b.user()),
        ChangeColumn::Message => a.message().cmp(&b.message()),
    };
    let directed = |column, descending| if descending { by(column).reverse() } else { by(column) };
    let last = order.last().unwrap().descending;
    order
        .iter()
        .map(|order| directed(order.column, order.descending))
        .find(|result| result.is_ne())
        .unwrap_or_else(|| directed(ChangeColumn::Id, last))
}

/// Every order of at most two columns.
fn orders() -> Vec<Vec<Order<ChangeColumn>>> {
    let one: Vec<_> = ChangeColumn::ALL
        .iter()
        .flat_map(|&column| [false, true].map(|descending| Order { column, descending }))
        .collect();
    let two = one.iter().flat_map(|&first| one.iter().map(move |&second| vec![first, second]));
    one.iter().map(|&order| vec![order]).chain(two).collect()
}

#[track_caller]
fn check(db: &Database, rows: &[ChangeRow], wanted: &Wanted, order: &[Order<ChangeColumn>]) {
    let (search, scope) = wanted.search();
    let mut expected: Vec<_> = rows.iter().filter(|row| wanted.wants(row)).cloned().collect();
    expected.sort_by(|a, b| compare(a, b, order));
    let total = expected.len() as u64;
    for (start_row, number_of_results) in [(0, 100), (1, 3), (0, 0), (total, 5)] {
        let search = ChangeSearch { order: order.to_vec(), start_row, number_of_results, ..search.clone() };
        let page = read(&db.store, |tx| tx.search_changes(&search, scope));
        let part: Vec<_> =
            expected.iter().skip(start_row as usize).take(number_of_results as usize).cloned().collect();
        assert_eq!((page.changes, page.total), (part, total), "{search:?} {scope:?}");
    }
}

pub fn change_searches_agree_with_a_model(db: &Database) {
    let rows = insert(db);
    let mut matched = 0;
    for wanted in wishes() {
        check(db, &rows, &wanted, &[Order::DEFAULT]);
        let found = rows.iter().filter(|row| wanted.wants(row)).count();
        matched += usize::from(found > 0 && found < rows.len());
    }
    assert!(matched > 20, "{matched} searches tell rows apart");
    for order in orders() {
        check(db, &rows, &Wanted::default(), &order);
        check(db, &rows, &Wanted { message: Some("API key"), ..Wanted::default() }, &order);
    }
}

pub fn change_searches_have_bounds(db: &Database) {
    let rows = insert(db);
    let search = |search: ChangeSearch| read(&db.store, |tx| tx.search_changes(&search, ALL));
    let far =
        search(ChangeSearch { start_row: u64::MAX, number_of_results: u64::MAX, ..ChangeSearch::default() });
    assert_eq!((far.changes.len(), far.total), (0, rows.len() as u64));
    let instants = [Some(Instant::from_epoch_millis(i64::MIN)), Some(Instant::from_epoch_millis(i64::MAX))];
    let [start, end] = instants;
    assert_eq!(search(ChangeSearch { start, end, ..ChangeSearch::default() }).total, rows.len() as u64);
    assert_eq!(search(ChangeSearch { start: end, end: start, ..ChangeSearch::default() }).total, 0);
    // What no text can be does not reach the database, and no change has a reason.
    let nul = Some(TextPattern::parse("a\0"));
    for nothing in [
        ChangeSearch { message: nul.clone(), ..ChangeSearch::default() },
        ChangeSearch { old_value: nul.clone(), ..ChangeSearch::default() },
        ChangeSearch { new_value: nul.clone(), ..ChangeSearch::default() },
        ChangeSearch { user: nul, ..ChangeSearch::default() },
        ChangeSearch { reason: Some(TextPattern::parse("*")), ..ChangeSearch::default() },
    ] {
        let page = search(nothing);
        assert_eq!((page.changes, page.total), (vec![], 0));
    }
    // One change by its id, where the scope reaches it.
    let mut reached = 0;
    for row in &rows {
        let found = |scope| read(&db.store, |tx| tx.find_change(row.id, scope));
        assert_eq!(found(ALL).as_ref(), Some(row));
        for number in [1, 2, 9] {
            let inside = row.tenant_id == Some(tenant(number));
            assert_eq!(found(TenantScope::One(tenant(number))).as_ref(), inside.then_some(row));
            reached += u32::from(inside);
        }
    }
    assert_eq!(reached, 6);
    for id in [0, -1, i64::MAX] {
        assert_eq!(read(&db.store, |tx| tx.find_change(id, ALL)), None);
    }
}

/// The words in SQL, by which is searched, are those of the rows.
pub fn changes_are_put_into_words(db: &Database) {
    let mut rows = insert(db);
    let id = |number| ApiKeyId::from_u128(number);
    assert_eq!(rows[0].message(), format!("Created the tenant {}", tenant(1)));
    assert_eq!((rows[0].user().as_str(), rows[3].user().as_str()), ("System", "Command line"));
    assert_eq!(rows[9].message(), format!("Deleted the API key {}", id(3)));
    assert_eq!(rows[9].user(), format!("API key {}", id(0xcd)));
    // Kinds of rows that the store does not write here.
    db.execute(
        "INSERT INTO change (instant, actor_kind, entity, entity_id, action) VALUES \
         (1, 'System', 'Instance', 'b6ec', 'create'), (1, 'CommandLine', 'DataKey', '7', 'update')",
    );
    rows = read(&db.store, |tx| tx.changes(0, 100));
    assert_eq!(rows[12].message(), "Created the instance b6ec");
    assert_eq!(rows[13].message(), "Updated the data key 7");
    let mut kinds: Vec<_> = rows.iter().map(|row| row.entity.as_str()).collect();
    kinds.sort_unstable();
    kinds.dedup();
    assert_eq!(kinds.len(), 7, "{kinds:?}");
    for row in &rows {
        let whole = |text: String| Some(TextPattern::parse(&format!("{text}*")));
        let search = ChangeSearch {
            message: whole(row.message()),
            user: whole(row.user()),
            ..ChangeSearch::default()
        };
        let found = read(&db.store, |tx| tx.search_changes(&search, ALL)).changes;
        assert!(found.contains(row), "{row:?}");
        assert!(found.iter().all(|other| (other.message(), other.user()) == (row.message(), row.user())));
    }
}

pub fn corrupt_changes_are_reported(db: &Database) {
    write(&db.store, |tx| tx.insert_role(&objects::role(1)));
    let id = read(&db.store, |tx| tx.changes(0, 1))[0].id;
    for (column, bad) in
        [("entity", "Rule"), ("action", "made"), ("actor_kind", "ApiKey"), ("tenant_id", "x")]
    {
        let good = db.texts(&format!("SELECT coalesce({column}, '') AS value FROM change WHERE id = {id}"));
        db.execute(&format!("UPDATE change SET {column} = '{bad}'"));
        let searched = db.store.read::<_, ()>(|tx| Ok(tx.search_changes(&ChangeSearch::default(), ALL)?));
        let found = db.store.read::<_, ()>(|tx| Ok(tx.find_change(id, ALL)?));
        for error in [searched.map(drop).unwrap_err(), found.map(drop).unwrap_err()] {
            let TxError::Storage(StorageError::Corrupt { entity, .. }) = error else { panic!("{column}") };
            assert_eq!(entity, if column == "entity" { Entity::Instance } else { Entity::Role });
        }
        db.execute(&format!("UPDATE change SET {column} = nullif('{}', '')", good[0]));
    }
}
