//! The audit log: searches over the `change` table, and how its rows are put into words.
//!
//! The words are not stored: SQL puts together the same ones as [`ChangeRow::message`] and [`ChangeRow::user`], so that rows
//! of any age can be searched and sorted by them.

use std::collections::HashMap;
use std::fmt::Write as _;

use claviger_domain::{Actor, ChangeColumn, ChangeSearch, Order, TenantScope};
use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Nullable, Text};

use crate::changes::Row;
use crate::conn::MultiBackend;
use crate::schema::change;
use crate::search::{ROWS_AT_ONCE, bounded};
use crate::{Action, ChangeRow, Entity, ReadTransaction, StorageError};

const SYSTEM: &str = "System";
const COMMAND_LINE: &str = "Command line";
const KICKSTART: &str = "Kickstart";
/// Followed by the id: names change and go, and the log is to say the same for ever.
const API_KEY: &str = "API key ";

/// A part of the changes that a search found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangePage {
    /// The changes of the page, in the order that was asked for.
    pub changes: Vec<ChangeRow>,
    /// How many changes there are on all pages.
    pub total: u64,
}

impl ChangeRow {
    /// One sentence without a full stop: what was done, and to which object.
    #[must_use]
    pub fn message(&self) -> String {
        format!("{} the {} {}", self.action.verb(), self.entity.label(), self.entity_id)
    }

    /// Who did it.
    #[must_use]
    pub fn user(&self) -> String {
        match self.actor {
            Actor::ApiKey(id) => format!("{API_KEY}{id}"),
            Actor::System => SYSTEM.to_owned(),
            Actor::CommandLine => COMMAND_LINE.to_owned(),
            Actor::Kickstart => KICKSTART.to_owned(),
        }
    }
}

/// [`ChangeRow::message`] in SQL.
fn message_sql() -> String {
    let mut words = String::from("(CASE action");
    for action in Action::ALL {
        // Nothing fails that writes to a String.
        let _ = write!(words, " WHEN '{}' THEN '{}'", action.as_str(), action.verb());
    }
    words.push_str(" END || ' the ' || CASE entity");
    for entity in Entity::ALL {
        let _ = write!(words, " WHEN '{}' THEN '{}'", entity.as_str(), entity.label());
    }
    words.push_str(" END || ' ' || entity_id)");
    words
}

/// [`ChangeRow::user`] in SQL.
fn user_sql() -> String {
    format!(
        "(CASE actor_kind WHEN 'ApiKey' THEN '{API_KEY}' || actor_id WHEN 'System' THEN '{SYSTEM}' \
         WHEN 'Kickstart' THEN '{KICKSTART}' ELSE '{COMMAND_LINE}' END)"
    )
}

impl ReadTransaction<'_> {
    /// The changes that a search asks for, among those of objects within the scope; the same ones on either database.
    /// Successive pages make up the whole as long as nothing is written.
    ///
    /// # Errors
    /// [`StorageError::Corrupt`] when a row of the page makes no sense; [`StorageError::Unavailable`] and the like.
    pub fn search_changes(
        &mut self,
        search: &ChangeSearch,
        scope: TenantScope,
    ) -> Result<ChangePage, StorageError> {
        let texts = [&search.message, &search.old_value, &search.new_value, &search.user];
        if search.reason.is_some() || texts.into_iter().flatten().any(|pattern| !pattern.is_matchable()) {
            return Ok(ChangePage { changes: Vec::new(), total: 0 });
        }
        let ids: Vec<i64> = if search.number_of_results == 0 {
            Vec::new()
        } else {
            self.run(|connection| page_of_ids(search, scope).load(connection))?
        };
        let found = u64::try_from(ids.len()).unwrap_or(u64::MAX);
        // A page that is not full is the last one, unless it lies behind the end: no need to count.
        let is_last = found < search.number_of_results && (found > 0 || search.start_row == 0);
        let total = if is_last {
            search.start_row.saturating_add(found)
        } else {
            let total: i64 = self.run(|connection| matching(search, scope).count().get_result(connection))?;
            total.unsigned_abs()
        };
        Ok(ChangePage { changes: self.changes_by_ids(&ids)?, total })
    }

    /// The change with this id, if its object is within the scope.
    ///
    /// # Errors
    /// As [`Self::search_changes`].
    pub fn find_change(&mut self, id: i64, scope: TenantScope) -> Result<Option<ChangeRow>, StorageError> {
        let query = within(scope).filter(change::id.eq(id));
        let row: Option<Row> =
            self.run(|connection| query.select(Row::as_select()).first(connection).optional())?;
        row.map(ChangeRow::try_from).transpose()
    }

    /// The changes with these ids, in their order.
    fn changes_by_ids(&mut self, ids: &[i64]) -> Result<Vec<ChangeRow>, StorageError> {
        let mut changes = Vec::with_capacity(ids.len());
        for ids in ids.chunks(ROWS_AT_ONCE) {
            let query = change::table.filter(change::id.eq_any(ids)).select(Row::as_select());
            let rows: Vec<Row> = self.run(|connection| query.load(connection))?;
            let mut rows: HashMap<i64, Row> = rows.into_iter().map(|row| (row.id, row)).collect();
            for row in ids.iter().filter_map(|id| rows.remove(id)) {
                changes.push(ChangeRow::try_from(row)?);
            }
        }
        Ok(changes)
    }
}

fn within<'a>(scope: TenantScope) -> change::BoxedQuery<'a, MultiBackend> {
    let query = change::table.into_boxed();
    match scope.tenant() {
        None => query,
        Some(tenant) => query.filter(change::tenant_id.eq(tenant.to_string())),
    }
}

fn matching(search: &ChangeSearch, scope: TenantScope) -> change::BoxedQuery<'_, MultiBackend> {
    let mut query = within(scope);
    if let Some(tenant) = search.tenant_id {
        query = query.filter(change::tenant_id.eq(tenant.to_string()));
    }
    if let Some(start) = search.start {
        query = query.filter(change::instant.ge(start.epoch_millis()));
    }
    if let Some(end) = search.end {
        query = query.filter(change::instant.le(end.epoch_millis()));
    }
    // Both databases fold the letters A to Z, and no others: PostgreSQL because the columns have the collation C.
    for (pattern, text) in [
        (&search.message, message_sql()),
        (&search.user, user_sql()),
        (&search.old_value, String::from("\"before\"")),
        (&search.new_value, String::from("\"after\"")),
    ] {
        if let Some(pattern) = pattern {
            let folded = sql::<Nullable<Text>>(&format!("lower({text})"));
            query = query.filter(folded.like(pattern.as_like()).escape('\\'));
        }
    }
    query
}

/// The ids of the changes on the page, in order.
fn page_of_ids(search: &ChangeSearch, scope: TenantScope) -> change::BoxedQuery<'_, MultiBackend, BigInt> {
    let mut query = matching(search, scope).select(change::id);
    for criterion in criteria(&search.order) {
        query = query.then_order_by(sql::<Text>(&criterion));
    }
    query.limit(bounded(search.number_of_results)).offset(bounded(search.start_row))
}

/// The terms of `ORDER BY`. They end with the id, which is unique, in the direction of the last term, as the indexes have it.
fn criteria(order: &[Order<ChangeColumn>]) -> Vec<String> {
    let mut criteria = Vec::new();
    let mut direction = " DESC";
    for Order { column, descending } in order {
        direction = if *descending { " DESC" } else { "" };
        let term = match column {
            ChangeColumn::Id => break,
            ChangeColumn::Insert => String::from("instant"),
            ChangeColumn::User => user_sql(),
            ChangeColumn::Message => message_sql(),
        };
        criteria.push(term + direction);
    }
    criteria.push(format!("id{direction}"));
    criteria
}

#[cfg(all(test, feature = "sqlite"))]
mod tests {
    use claviger_domain::{Instant, SortColumn, TenantId};

    use super::*;
    use crate::key_search::tests::{migrated, plan};

    #[test]
    fn pages_by_time_follow_an_index() {
        let (_directory, mut connection) = migrated().unwrap();
        let tenant = TenantScope::One(TenantId::from_u128(1));
        let all = ChangeSearch::default();
        let recent = ChangeSearch {
            start: Some(Instant::from_epoch_millis(1)),
            end: Some(Instant::from_epoch_millis(2)),
            ..all.clone()
        };
        for (search, scope, index) in [
            (&all, TenantScope::All, "change_instant_index"),
            (&recent, TenantScope::All, "change_instant_index"),
            (&all, tenant, "change_tenant_id_index"),
            (&recent, tenant, "change_tenant_id_index"),
        ] {
            let counted = plan(&mut connection, matching(search, scope).count()).unwrap();
            assert!(counted.contains("COVERING INDEX"), "{counted}");
            for descending in [false, true] {
                let order = vec![Order { column: ChangeColumn::DEFAULT, descending }];
                let search = ChangeSearch { order, ..search.clone() };
                let found = plan(&mut connection, page_of_ids(&search, scope)).unwrap();
                assert!(found.contains(&format!("COVERING INDEX {index}")), "{search:?}: {found}");
                assert!(!found.contains("TEMP B-TREE"), "{search:?}: {found}");
            }
        }
    }
}
