//! Searches for tenants, and the column that they need: the name in lower case.
//!
//! A row has the whole document of a tenant, so a page is found in two steps: its ids from an index that holds every column
//! by which tenants are filtered and sorted, then the rows of those ids.

use claviger_domain::{NamePattern, Order, Tenant, TenantColumn, TenantId, TenantSearch, TenantState, fold};
use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::sql_types::Text;

use crate::conn::{AnyConnection, MultiBackend};
use crate::schema::tenant;
use crate::search::{Criterion, NAMES_PER_PASS, ROWS_AT_ONCE, bounded, fold_all, in_order, terms};
use crate::tenants::Row;
use crate::transaction::corrupt;
use crate::{Entity, ReadTransaction, StorageError, dialect};

/// A part of the tenants that a search found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TenantPage {
    /// The tenants of the page, in the order that was asked for.
    pub tenants: Vec<Tenant>,
    /// How many tenants there are on all pages.
    pub total: u64,
}

impl ReadTransaction<'_> {
    /// The tenants that a search asks for; the same ones on either database. Names compare by the bytes in UTF-8 of their
    /// lower case. Successive pages make up the whole as long as nothing is written.
    ///
    /// # Errors
    /// [`StorageError::Corrupt`] when a row of the page makes no sense; [`StorageError::Unavailable`] and the like.
    pub fn search_tenants(&mut self, search: &TenantSearch) -> Result<TenantPage, StorageError> {
        if search.name.as_ref().is_some_and(|name| !name.is_matchable()) {
            return Ok(TenantPage { tenants: Vec::new(), total: 0 });
        }
        let total: i64 = self.run(|connection| matching(search).count().get_result(connection))?;
        let ids: Vec<String> = if search.number_of_results == 0 {
            Vec::new()
        } else {
            self.run(|connection| page_of_ids(search).load(connection))?
        };
        let mut tenants = Vec::with_capacity(ids.len());
        for ids in ids.chunks(ROWS_AT_ONCE) {
            let query = tenant::table.filter(tenant::id.eq_any(ids));
            let rows: Vec<Row> = self.run(|connection| query.load(connection))?;
            for row in in_order(ids, rows, |row| &row.id) {
                tenants.push(Tenant::try_from(row)?);
            }
        }
        Ok(TenantPage { tenants, total: total.unsigned_abs() })
    }

    /// The tenants whose deletion has begun and is not finished, sorted by id.
    ///
    /// # Errors
    /// [`StorageError::Corrupt`] when the id of a row makes no sense, and failures of the database.
    pub fn tenants_pending_delete(&mut self) -> Result<Vec<TenantId>, StorageError> {
        let query = tenant::table
            .filter(tenant::state.eq(TenantState::PendingDelete.as_str()))
            .order(tenant::id)
            .select(tenant::id);
        let ids: Vec<String> = self.run(|connection| query.load(connection))?;
        ids.iter().map(|id| id.parse().map_err(|_| corrupt(Entity::Tenant, id, "id"))).collect()
    }
}

fn matching(search: &TenantSearch) -> tenant::BoxedQuery<'_, MultiBackend> {
    let query = tenant::table.into_boxed();
    match search.name.as_ref().map(NamePattern::as_like) {
        None => query,
        Some(pattern) => query.filter(tenant::name_folded.like(pattern).escape('\\')),
    }
}

/// The ids of the tenants on the page, in order.
fn page_of_ids(search: &TenantSearch) -> tenant::BoxedQuery<'_, MultiBackend, Text> {
    let mut query = matching(search).select(tenant::id);
    for criterion in criteria(&search.order, search.name.is_some()) {
        query = query.then_order_by(sql::<Text>(criterion));
    }
    query.limit(bounded(search.number_of_results)).offset(bounded(search.start_row))
}

fn criteria(order: &[Order<TenantColumn>], filtered: bool) -> Vec<&'static str> {
    let criterion = |&Order { column, descending }: &Order<TenantColumn>| match (column, descending) {
        (TenantColumn::Insert, false) => Criterion::Term("insert_instant"),
        (TenantColumn::Insert, true) => Criterion::Term("insert_instant DESC"),
        (TenantColumn::Id, descending) => Criterion::Id { descending },
        (TenantColumn::Name, descending) => Criterion::Name { descending },
    };
    terms(order.iter().map(criterion), filtered)
}

/// Fills the column of folded names, as [`fold_all`] says.
pub(crate) fn fold_tenant_names(connection: &mut AnyConnection) -> Result<usize, StorageError> {
    fold_all(connection, names_to_fold, |connection, (name, folded)| {
        let row = tenant::table.filter(tenant::name.eq(name).and(tenant::name_folded.eq(folded)));
        diesel::update(row).set(tenant::name_folded.eq(fold(name))).execute(connection)
    })
}

/// Names whose folded form is another one than the row has, with what the row has.
fn names_to_fold(connection: &mut AnyConnection) -> QueryResult<Vec<(String, String)>> {
    let mut names = Vec::new();
    let each = |row: Result<(String, String), String>| {
        // What cannot be read is reported by whoever reads the tenant.
        if let Ok((name, folded)) = row
            && names.len() < NAMES_PER_PASS
            && fold(&name) != folded
        {
            names.push((name, folded));
        }
    };
    let query = tenant::table.select((tenant::name, tenant::name_folded));
    dialect::stream!(connection, query, (String, String), each)?;
    Ok(names)
}

/// Whether there are rows whose folded names nobody has filled yet.
pub(crate) fn has_unfolded_tenant_names(connection: &mut AnyConnection) -> Result<bool, StorageError> {
    let one: Option<String> = tenant::table
        .filter(tenant::name_folded.eq("").and(tenant::name.ne("")))
        .select(tenant::name)
        .first(connection)
        .optional()
        .map_err(|error| dialect::translate(error).into_error())?;
    Ok(one.is_some())
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
            let filter = TenantSearch { name, ..TenantSearch::default() };
            let counted = plan(&mut connection, matching(&filter).count()).unwrap();
            assert!(counted.contains("COVERING INDEX"), "{counted}");
            for &column in TenantColumn::ALL {
                for descending in [false, true] {
                    let search = TenantSearch { order: vec![Order { column, descending }], ..filter.clone() };
                    let found = plan(&mut connection, page_of_ids(&search)).unwrap();
                    assert!(found.contains("COVERING INDEX"), "{search:?}: {found}");
                }
            }
        }
    }
}
