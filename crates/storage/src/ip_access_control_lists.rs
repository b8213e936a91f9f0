//! IP access control lists: rows, conversions, queries, searches.

use std::net::IpAddr;

use claviger_domain::{
    AddressRange, Change, Instant, IpAccessControlEntry, IpAccessControlList, IpAccessControlListColumn,
    IpAccessControlListId, IpAccessControlListSearch, IpAction, Name, NamePattern, Order, Revision,
};
use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::sql_types::Text;
use serde_json::{Map, Value, json};

use crate::changes::Record;
use crate::conn::MultiBackend;
use crate::schema::ip_access_control_list;
use crate::search::{Criterion, ROWS_AT_ONCE, bounded, in_order, terms};
use crate::transaction::corrupt;
use crate::{Entity, ReadTransaction, StorageError, WriteTransaction};

/// What stands in an entry instead of the first address when it is about all that no other entry speaks of.
const ANY_OTHER: &str = "*";

/// A part of the IP access control lists that a search found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IpAccessControlListPage {
    /// The lists of the page, in the order that was asked for.
    pub lists: Vec<IpAccessControlList>,
    /// How many lists there are on all pages.
    pub total: u64,
}

#[derive(Queryable, Insertable)]
#[diesel(table_name = ip_access_control_list)]
struct Row {
    id: String,
    revision: i64,
    name: String,
    name_folded: String,
    entries: String,
    data: Option<String>,
    insert_instant: i64,
    last_update_instant: i64,
}

impl ReadTransaction<'_> {
    /// The IP access control list with this id. Lists belong to no tenant.
    ///
    /// # Errors
    /// [`StorageError::Corrupt`] when its row makes no sense; [`StorageError::Unavailable`] and the like.
    pub fn find_ip_access_control_list(
        &mut self,
        id: IpAccessControlListId,
    ) -> Result<Option<IpAccessControlList>, StorageError> {
        let query = ip_access_control_list::table.find(id.to_string());
        let row: Option<Row> = self.run(|connection| query.first(connection).optional())?;
        row.map(IpAccessControlList::try_from).transpose()
    }

    /// All IP access control lists, sorted by name (by its bytes in UTF-8), then id.
    ///
    /// # Errors
    /// As [`Self::find_ip_access_control_list`].
    pub fn ip_access_control_lists(&mut self) -> Result<Vec<IpAccessControlList>, StorageError> {
        self.each_ip_access_control_list()?.into_iter().collect()
    }

    /// The same row by row: one that makes no sense, [`StorageError::Corrupt`], does not keep the others back.
    ///
    /// # Errors
    /// Failures of the database.
    pub fn each_ip_access_control_list(
        &mut self,
    ) -> Result<Vec<Result<IpAccessControlList, StorageError>>, StorageError> {
        let query =
            ip_access_control_list::table.order((ip_access_control_list::name, ip_access_control_list::id));
        let rows: Vec<Row> = self.run(|connection| query.load(connection))?;
        Ok(rows.into_iter().map(IpAccessControlList::try_from).collect())
    }

    /// The lists that a search asks for; the same ones on either database. Names compare by the bytes in UTF-8 of their
    /// lower case. Successive pages make up the whole as long as nothing is written.
    ///
    /// # Errors
    /// [`StorageError::Corrupt`] when a row of the page makes no sense; [`StorageError::Unavailable`] and the like.
    pub fn search_ip_access_control_lists(
        &mut self,
        search: &IpAccessControlListSearch,
    ) -> Result<IpAccessControlListPage, StorageError> {
        if search.name.as_ref().is_some_and(|name| !name.is_matchable()) {
            return Ok(IpAccessControlListPage { lists: Vec::new(), total: 0 });
        }
        let total: i64 = self.run(|connection| matching(search).count().get_result(connection))?;
        let ids: Vec<String> = if search.number_of_results == 0 {
            Vec::new()
        } else {
            self.run(|connection| page_of_ids(search).load(connection))?
        };
        let mut lists = Vec::with_capacity(ids.len());
        for ids in ids.chunks(ROWS_AT_ONCE) {
            let query = ip_access_control_list::table.filter(ip_access_control_list::id.eq_any(ids));
            let rows: Vec<Row> = self.run(|connection| query.load(connection))?;
            for row in in_order(ids, rows, |row| &row.id) {
                lists.push(IpAccessControlList::try_from(row)?);
            }
        }
        Ok(IpAccessControlListPage { lists, total: total.unsigned_abs() })
    }
}

fn matching(search: &IpAccessControlListSearch) -> ip_access_control_list::BoxedQuery<'_, MultiBackend> {
    let query = ip_access_control_list::table.into_boxed();
    match search.name.as_ref().map(NamePattern::as_like) {
        None => query,
        Some(pattern) => query.filter(ip_access_control_list::name_folded.like(pattern).escape('\\')),
    }
}

/// The ids of the lists on the page, in order.
fn page_of_ids(
    search: &IpAccessControlListSearch,
) -> ip_access_control_list::BoxedQuery<'_, MultiBackend, Text> {
    let mut query = matching(search).select(ip_access_control_list::id);
    for criterion in criteria(&search.order, search.name.is_some()) {
        query = query.then_order_by(sql::<Text>(criterion));
    }
    query.limit(bounded(search.number_of_results)).offset(bounded(search.start_row))
}

fn criteria(order: &[Order<IpAccessControlListColumn>], filtered: bool) -> Vec<&'static str> {
    let criterion =
        |&Order { column, descending }: &Order<IpAccessControlListColumn>| match (column, descending) {
            (IpAccessControlListColumn::Insert, false) => Criterion::Term("insert_instant"),
            (IpAccessControlListColumn::Insert, true) => Criterion::Term("insert_instant DESC"),
            (IpAccessControlListColumn::LastUpdate, false) => Criterion::Term("last_update_instant"),
            (IpAccessControlListColumn::LastUpdate, true) => Criterion::Term("last_update_instant DESC"),
            (IpAccessControlListColumn::Id, descending) => Criterion::Id { descending },
            (IpAccessControlListColumn::Name, descending) => Criterion::Name { descending },
        };
    terms(order.iter().map(criterion), filtered)
}

impl WriteTransaction<'_> {
    /// Stores a new IP access control list, at the revision that it carries.
    ///
    /// # Errors
    /// [`StorageError::Conflict`] in id or name, and failures of the database.
    pub fn insert_ip_access_control_list(&mut self, list: &IpAccessControlList) -> Result<(), StorageError> {
        let row = Row::from(list);
        self.run(|connection| {
            diesel::insert_into(ip_access_control_list::table).values(row).execute(connection)
        })?;
        self.record_list(list.id, None, Some(list_json(list)))?;
        self.announce(Change::IpAccessControlListWritten(list.clone()));
        Ok(())
    }

    /// Replaces an IP access control list by its new state, which carries the revision at which the old one was read,
    /// and returns it at the next revision. The instant of insertion stays.
    ///
    /// # Errors
    /// [`StorageError::Stale`] when the stored revision is another or the list is gone; otherwise as
    /// [`Self::insert_ip_access_control_list`].
    pub fn update_ip_access_control_list(
        &mut self,
        list: &IpAccessControlList,
    ) -> Result<IpAccessControlList, StorageError> {
        let before = self
            .find_ip_access_control_list(list.id)?
            .filter(|before| before.revision == list.revision)
            .ok_or(StorageError::Stale)?;
        let after = IpAccessControlList {
            revision: before.revision.next(),
            insert_instant: before.insert_instant,
            ..list.clone()
        };
        let row = Row::from(&after);
        let same = ip_access_control_list::id
            .eq(after.id.to_string())
            .and(ip_access_control_list::revision.eq(before.revision.number()));
        let updated = self.run(|connection| {
            diesel::update(ip_access_control_list::table.filter(same))
                .set((
                    ip_access_control_list::revision.eq(row.revision),
                    ip_access_control_list::name.eq(row.name),
                    ip_access_control_list::name_folded.eq(row.name_folded),
                    ip_access_control_list::entries.eq(row.entries),
                    ip_access_control_list::data.eq(row.data),
                    ip_access_control_list::last_update_instant.eq(row.last_update_instant),
                ))
                .execute(connection)
        })?;
        if updated == 0 {
            return Err(StorageError::Stale);
        }
        let mut after_json = list_json(&after);
        if let Some(members) = after_json.as_object_mut() {
            members.insert(String::from("dataChanged"), Value::from(before.data != after.data));
        }
        self.record_list(after.id, Some(list_json(&before)), Some(after_json))?;
        self.announce(Change::IpAccessControlListWritten(after.clone()));
        Ok(after)
    }

    /// Deletes an IP access control list; `false` when there was none. A row that makes no sense can be deleted too.
    ///
    /// # Errors
    /// [`StorageError::InUse`] while API keys name it
    /// ([`ReadTransaction::api_keys_with_ip_access_control_list`]), and failures of the database.
    pub fn delete_ip_access_control_list(&mut self, id: IpAccessControlListId) -> Result<bool, StorageError> {
        let in_use = StorageError::InUse(Entity::IpAccessControlList);
        let row: Option<Row> = self.run_referring(in_use, |connection| {
            diesel::delete(ip_access_control_list::table.find(id.to_string()))
                .returning(ip_access_control_list::all_columns)
                .get_result(connection)
                .optional()
        })?;
        let Some(row) = row else { return Ok(false) };
        let before = IpAccessControlList::try_from(row)
            .map_or_else(|error| json!({ "corrupt": error.to_string() }), |list| list_json(&list));
        self.record_list(id, Some(before), None)?;
        self.announce(Change::IpAccessControlListDeleted(id));
        Ok(true)
    }

    fn record_list(
        &mut self,
        id: IpAccessControlListId,
        before: Option<Value>,
        after: Option<Value>,
    ) -> Result<(), StorageError> {
        let (entity, entity_id) = (Entity::IpAccessControlList, id.to_string());
        self.record(Record { entity, entity_id, tenant_id: None, before, after, ended_digests: Vec::new() })
    }
}

/// The list for a change row. `data` is left out: nobody has looked into it.
fn list_json(list: &IpAccessControlList) -> Value {
    json!({
        "id": list.id.to_string(),
        "revision": list.revision.number(),
        "name": list.name.as_str(),
        "entries": entries_json(&list.entries),
        "insertInstant": list.insert_instant.epoch_millis(),
        "lastUpdateInstant": list.last_update_instant.epoch_millis(),
    })
}

fn entries_json(entries: &[IpAccessControlEntry]) -> Value {
    let entry = |entry: &IpAccessControlEntry| match entry.range {
        None => json!({ "action": entry.action.as_str(), "startIPAddress": ANY_OTHER }),
        Some(range) => json!({
            "action": entry.action.as_str(),
            "startIPAddress": range.first().to_string(),
            "endIPAddress": range.last().to_string(),
        }),
    };
    entries.iter().map(entry).collect()
}

/// The entries, if all of them make sense and exactly one is about all other addresses: a list without it would say
/// nothing about them, and one that lost an entry could let somebody in.
fn entries_from_text(text: &str) -> Option<Vec<IpAccessControlEntry>> {
    let entries: Vec<Map<String, Value>> = serde_json::from_str(text).ok()?;
    let entries: Vec<_> = entries.iter().map(entry_from_json).collect::<Option<_>>()?;
    let defaults = entries.iter().filter(|entry| entry.range.is_none()).count();
    (defaults == 1).then_some(entries)
}

fn entry_from_json(entry: &Map<String, Value>) -> Option<IpAccessControlEntry> {
    let text = |member: &str| entry.get(member)?.as_str();
    let action = text("action")?;
    let action = IpAction::ALL.into_iter().find(|known| known.as_str() == action)?;
    let range = match (text("startIPAddress")?, entry.get("endIPAddress")) {
        (ANY_OTHER, None) => None,
        (first, Some(last)) => {
            let address = |text: &str| text.parse::<IpAddr>().ok();
            Some(AddressRange::new(address(first)?, address(last.as_str()?)?)?)
        }
        (_, None) => return None,
    };
    Some(IpAccessControlEntry { action, range })
}

impl From<&IpAccessControlList> for Row {
    fn from(list: &IpAccessControlList) -> Self {
        Self {
            id: list.id.to_string(),
            revision: list.revision.number(),
            name: list.name.as_str().to_owned(),
            name_folded: list.name.folded(),
            entries: entries_json(&list.entries).to_string(),
            data: list.data.clone(),
            insert_instant: list.insert_instant.epoch_millis(),
            last_update_instant: list.last_update_instant.epoch_millis(),
        }
    }
}

impl TryFrom<Row> for IpAccessControlList {
    type Error = StorageError;

    fn try_from(row: Row) -> Result<Self, StorageError> {
        let id = row.id;
        let bad = |reason: &str| corrupt(Entity::IpAccessControlList, &id, reason);
        Ok(Self {
            id: id.parse().map_err(|_| bad("id"))?,
            revision: Revision::from_number(row.revision),
            name: Name::try_from(row.name).map_err(|_| bad("name"))?,
            entries: entries_from_text(&row.entries).ok_or_else(|| bad("entries"))?,
            data: row.data,
            insert_instant: Instant::from_epoch_millis(row.insert_instant),
            last_update_instant: Instant::from_epoch_millis(row.last_update_instant),
        })
    }
}

#[cfg(all(test, feature = "sqlite"))]
mod tests {
    use claviger_domain::SortColumn;

    use super::*;
    use crate::key_search::tests::{migrated, plan};

    #[test]
    fn searches_read_an_index_and_no_rows() {
        let (_directory, mut connection) = migrated().unwrap();
        for name in [None, Some(NamePattern::parse("x"))] {
            let filter = IpAccessControlListSearch { name, ..IpAccessControlListSearch::default() };
            let counted = plan(&mut connection, matching(&filter).count()).unwrap();
            assert!(counted.contains("COVERING INDEX"), "{counted}");
            for &column in IpAccessControlListColumn::ALL {
                for descending in [false, true] {
                    let order = vec![Order { column, descending }];
                    let search = IpAccessControlListSearch { order, ..filter.clone() };
                    let found = plan(&mut connection, page_of_ids(&search)).unwrap();
                    assert!(found.contains("COVERING INDEX"), "{search:?}: {found}");
                }
            }
        }
    }
}
