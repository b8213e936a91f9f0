//! Searches for keys, and the column that they need: the name in lower case.
//!
//! A row has kilobytes of PEM, so a page is found in two steps: its ids from an index that holds every column by which
//! keys are filtered and sorted, then the rows of those ids.

use claviger_domain::{Key, KeyAlgorithm, KeyColumn, KeyOrder, KeySearch, KeyType, NamePattern, fold};
use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Text};

use crate::conn::{AnyConnection, MultiBackend};
use crate::keys::{COLUMNS, Row};
use crate::schema::key;
use crate::search::{Criterion, NAMES_PER_PASS, ROWS_AT_ONCE, bounded, fold_all, in_order, terms};
use crate::{ReadTransaction, StorageError, dialect};

/// A part of the keys that a search found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyPage {
    /// The keys of the page, in the order that was asked for.
    pub keys: Vec<Key>,
    /// How many keys there are on all pages.
    pub total: u64,
}

impl ReadTransaction<'_> {
    /// The keys that a search asks for, without their sealed material; the same ones on either database. Names compare
    /// by the bytes in UTF-8 of their lower case. Successive pages make up the whole as long as nothing is written.
    ///
    /// # Errors
    /// [`StorageError::Corrupt`] when a row of the page makes no sense; [`StorageError::Unavailable`] and the like.
    pub fn search_keys(&mut self, search: &KeySearch) -> Result<KeyPage, StorageError> {
        if search.name.as_ref().is_some_and(|name| !name.is_matchable()) {
            return Ok(KeyPage { keys: Vec::new(), total: 0 });
        }
        if counts_along(search) {
            let rows: Vec<(String, i64)> = self.run(|connection| page_with_total(search).load(connection))?;
            if let Some((_, total)) = rows.first() {
                let total = total.unsigned_abs();
                let ids: Vec<String> = rows.into_iter().map(|(id, _)| id).collect();
                return Ok(KeyPage { keys: self.keys_by_ids(&ids)?, total });
            }
            return Ok(KeyPage { keys: Vec::new(), total: self.count_matching(search)? });
        }
        let ids = if search.number_of_results == 0 {
            Vec::new()
        } else {
            self.run(|connection| page_of_ids(search).load(connection))?
        };
        let found = u64::try_from(ids.len()).unwrap_or(u64::MAX);
        // A page that is not full is the last one, unless it lies behind the end: no need to count.
        let is_last = found < search.number_of_results && (found > 0 || search.start_row == 0);
        let total =
            if is_last { search.start_row.saturating_add(found) } else { self.count_matching(search)? };
        Ok(KeyPage { keys: self.keys_by_ids(&ids)?, total })
    }

    fn count_matching(&mut self, search: &KeySearch) -> Result<u64, StorageError> {
        let count: i64 = self.run(|connection| matching(search).count().get_result(connection))?;
        Ok(count.unsigned_abs())
    }

    /// The keys with these ids, in their order.
    fn keys_by_ids(&mut self, ids: &[String]) -> Result<Vec<Key>, StorageError> {
        let mut keys = Vec::with_capacity(ids.len());
        for ids in ids.chunks(ROWS_AT_ONCE) {
            let query = key::table.filter(key::id.eq_any(ids)).select(COLUMNS);
            let rows: Vec<Row> = self.run(|connection| query.load(connection))?;
            for row in in_order(ids, rows, |row| &row.id) {
                keys.push(Key::try_from(row)?);
            }
        }
        Ok(keys)
    }
}

fn matching(search: &KeySearch) -> key::BoxedQuery<'_, MultiBackend> {
    let mut query = key::table.into_boxed();
    if let Some(pattern) = search.name.as_ref().map(NamePattern::as_like) {
        query = query.filter(key::name_folded.like(pattern).escape('\\'));
    }
    if let Some(algorithm) = search.algorithm.map(KeyAlgorithm::as_str) {
        query = query.filter(key::algorithm.eq(algorithm));
    }
    if let Some(key_type) = search.key_type.map(KeyType::as_str) {
        query = query.filter(key::key_type.eq(key_type));
    }
    query
}

/// The ids of the keys on the page, in order.
fn page_of_ids(search: &KeySearch) -> key::BoxedQuery<'_, MultiBackend, Text> {
    let mut query = matching(search).select(key::id);
    for criterion in criteria(&search.order, is_filtered(search)) {
        query = query.then_order_by(sql::<Text>(criterion));
    }
    query.limit(bounded(search.number_of_results)).offset(bounded(search.start_row))
}

/// The same, each id with the number of keys on all pages.
fn page_with_total(search: &KeySearch) -> key::BoxedQuery<'_, MultiBackend, (Text, BigInt)> {
    let mut query = matching(search).select((key::id, sql::<BigInt>("count(*) OVER ()")));
    for criterion in criteria(&search.order, true) {
        query = query.then_order_by(sql::<Text>(criterion));
    }
    query.limit(bounded(search.number_of_results)).offset(bounded(search.start_row))
}

/// Whether page and total are found in one pass: comparing every name is the work, and a page that is sorted otherwise than
/// by name does it for all of them in any case.
fn counts_along(search: &KeySearch) -> bool {
    search.name.is_some()
        && search.number_of_results > 0
        && search.order.first().is_none_or(|first| first.column != KeyColumn::Name)
}

const fn is_filtered(search: &KeySearch) -> bool {
    search.name.is_some() || search.algorithm.is_some() || search.key_type.is_some()
}

fn criteria(order: &[KeyOrder], filtered: bool) -> Vec<&'static str> {
    let criterion = |&KeyOrder { column, descending }: &KeyOrder| match (column, descending) {
        (KeyColumn::Algorithm, false) => Criterion::Term("algorithm ASC NULLS FIRST"),
        (KeyColumn::Algorithm, true) => Criterion::Term("algorithm DESC NULLS LAST"),
        (KeyColumn::Expiration, false) => Criterion::Term("expiration_instant ASC NULLS FIRST"),
        (KeyColumn::Expiration, true) => Criterion::Term("expiration_instant DESC NULLS LAST"),
        (KeyColumn::Insert, false) => Criterion::Term("insert_instant"),
        (KeyColumn::Insert, true) => Criterion::Term("insert_instant DESC"),
        (KeyColumn::Type, false) => Criterion::Term("key_type"),
        (KeyColumn::Type, true) => Criterion::Term("key_type DESC"),
        (KeyColumn::Id, descending) => Criterion::Id { descending },
        (KeyColumn::Name, descending) => Criterion::Name { descending },
    };
    terms(order.iter().map(criterion), filtered)
}

/// Fills the column of folded names, as [`fold_all`] says.
pub(crate) fn fold_names(connection: &mut AnyConnection) -> Result<usize, StorageError> {
    fold_all(connection, names_to_fold, |connection, (name, folded)| {
        let row = key::table.filter(key::name.eq(name).and(key::name_folded.eq(folded)));
        diesel::update(row).set(key::name_folded.eq(fold(name))).execute(connection)
    })
}

/// Names whose folded form is another one than the row has, with what the row has.
fn names_to_fold(connection: &mut AnyConnection) -> QueryResult<Vec<(String, String)>> {
    let mut names = Vec::new();
    let each = |row: Result<(String, String), String>| {
        // What cannot be read is reported by whoever reads the key.
        if let Ok((name, folded)) = row
            && names.len() < NAMES_PER_PASS
            && fold(&name) != folded
        {
            names.push((name, folded));
        }
    };
    dialect::stream!(connection, key::table.select((key::name, key::name_folded)), (String, String), each)?;
    Ok(names)
}

/// Whether there are rows whose folded names nobody has filled yet. No name is empty, and so is no folded one; a row that
/// has an empty name all the same makes no sense, and is reported by whoever reads it.
pub(crate) fn has_unfolded_names(connection: &mut AnyConnection) -> Result<bool, StorageError> {
    let one: Option<String> = key::table
        .filter(key::name_folded.eq("").and(key::name.ne("")))
        .select(key::name)
        .first(connection)
        .optional()
        .map_err(|error| dialect::translate(error).into_error())?;
    Ok(one.is_some())
}

#[cfg(all(test, feature = "sqlite"))]
pub(crate) mod tests {
    use claviger_domain::SortColumn;
    use diesel::query_builder::{AstPass, Query, QueryFragment, QueryId};
    use diesel::sql_types::Integer;

    use super::*;
    use crate::conn::Role;
    use crate::{DatabaseUrl, Store, StoreOptions};

    /// A statement that asks how SQLite would run another one.
    struct Explain<Q>(Q);

    impl<Q: QueryFragment<MultiBackend>> QueryFragment<MultiBackend> for Explain<Q> {
        fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, MultiBackend>) -> QueryResult<()> {
            out.unsafe_to_cache_prepared();
            out.push_sql("EXPLAIN QUERY PLAN ");
            self.0.walk_ast(out)
        }
    }

    impl<Q> QueryId for Explain<Q> {
        type QueryId = ();
        const HAS_STATIC_QUERY_ID: bool = false;
    }

    impl<Q> Query for Explain<Q> {
        type SqlType = (Integer, Integer, Integer, Text);
    }

    impl<Q> RunQueryDsl<AnyConnection> for Explain<Q> {}

    /// How SQLite would run a statement.
    pub(crate) fn plan(
        connection: &mut AnyConnection,
        query: impl QueryFragment<MultiBackend>,
    ) -> QueryResult<String> {
        let steps: Vec<(i32, i32, i32, String)> = Explain(query).load(connection)?;
        Ok(steps.into_iter().map(|(_, _, _, step)| step).collect::<Vec<_>>().join("; "))
    }

    /// A connection to an empty database with the newest schema, in a directory that is gone in the end.
    pub(crate) fn migrated() -> Result<(tempfile::TempDir, AnyConnection), Box<dyn std::error::Error>> {
        let directory = tempfile::tempdir()?;
        let options = StoreOptions::new(DatabaseUrl::Sqlite(directory.path().join("claviger.db")));
        Store::open(&options)?.migrate_up()?;
        Ok((directory, dialect::connect(&options, Role::Read)?))
    }

    #[test]
    fn searches_read_an_index_and_no_rows() {
        let (_directory, mut connection) = migrated().unwrap();
        let filters = [
            KeySearch::default(),
            KeySearch { name: Some(NamePattern::parse("x")), ..KeySearch::default() },
            KeySearch { algorithm: Some(KeyAlgorithm::Rs256), ..KeySearch::default() },
            KeySearch { key_type: Some(KeyType::Rsa), ..KeySearch::default() },
        ];
        for filter in filters {
            let counted = plan(&mut connection, matching(&filter).count()).unwrap();
            assert!(counted.contains("COVERING INDEX"), "{counted}");
            for &column in KeyColumn::ALL {
                for descending in [false, true] {
                    let search = KeySearch { order: vec![KeyOrder { column, descending }], ..filter.clone() };
                    if counts_along(&search) {
                        let found = plan(&mut connection, page_with_total(&search)).unwrap();
                        assert!(found.contains("COVERING INDEX"), "{search:?}: {found}");
                        assert!(!found.contains("SCAN key;"), "{search:?}: {found}");
                    }
                    let found = plan(&mut connection, page_of_ids(&search)).unwrap();
                    assert!(found.contains("COVERING INDEX"), "{search:?}: {found}");
                    // In the order of the index, or along that of the ids.
                    let sorted =
                        column != KeyColumn::Name && (column != KeyColumn::Id || is_filtered(&search));
                    assert_eq!(found.contains("TEMP B-TREE"), sorted, "{search:?}: {found}");
                }
            }
        }
    }
}
