//! What searches for objects with names have in common: the order, the page, and the column of folded names.

use std::collections::HashMap;

use diesel::QueryResult;
use diesel::connection::TransactionManager;

use crate::conn::{AnyConnection, Transactions};
use crate::{StorageError, dialect};

/// The most rows that are asked for by their ids at once: a statement of SQLite takes 32 766 parameters.
pub(crate) const ROWS_AT_ONCE: usize = 500;
/// The most names that are folded in one transaction, so that other writers need not wait long.
const NAMES_PER_TRANSACTION: usize = 1_000;
/// The most names that are held in memory to be folded.
pub(crate) const NAMES_PER_PASS: usize = 20_000;

/// Far beyond every table, and the databases can add two of them up.
pub(crate) fn bounded(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX).min(i64::MAX / 2)
}

/// By what objects with unique names are sorted.
pub(crate) enum Criterion {
    /// A term of `ORDER BY` that others can follow.
    Term(&'static str),
    /// The id.
    Id { descending: bool },
    /// The name in lower case, then as it is.
    Name { descending: bool },
}

/// The terms of `ORDER BY`. They end with the name or the id, which are unique: whatever followed would decide nothing.
///
/// In a search with filters the id is an expression, because SQLite would else walk along the index of the ids, and read
/// each row to see whether it fits.
pub(crate) fn terms(criteria: impl Iterator<Item = Criterion>, filtered: bool) -> Vec<&'static str> {
    let id = |descending| match (filtered, descending) {
        (false, false) => "id",
        (false, true) => "id DESC",
        (true, false) => "id || ''",
        (true, true) => "id || '' DESC",
    };
    let mut terms = Vec::new();
    for criterion in criteria {
        match criterion {
            Criterion::Term(term) => terms.push(term),
            Criterion::Id { descending } => {
                terms.push(id(descending));
                return terms;
            }
            Criterion::Name { descending } => {
                let name =
                    if descending { ["name_folded DESC", "name DESC"] } else { ["name_folded", "name"] };
                terms.extend(name);
                return terms;
            }
        }
    }
    terms.push(id(false));
    terms
}

/// The rows in the order of these ids, as far as they are there.
pub(crate) fn in_order<R>(
    ids: &[String],
    rows: Vec<R>,
    id: impl Fn(&R) -> &String,
) -> impl Iterator<Item = R> {
    let mut rows: HashMap<String, R> = rows.into_iter().map(|row| (id(&row).clone(), row)).collect();
    ids.iter().filter_map(move |id| rows.remove(id))
}

/// Makes the column of folded names true where it is not, and returns how many rows that were: rows that were there before
/// the column, or that a program wrote which did not know it, or whose letters got a lower case in a later Unicode. SQL
/// cannot do it: the databases fold differently, and SQLite only ASCII. Stopped in the middle, it goes on where it was.
///
/// `find` returns at most [`NAMES_PER_PASS`] rows, none when all are done; `write` writes some of them, but for those that
/// changed meanwhile, because whoever renames an object fills the column, and returns how many it wrote.
pub(crate) fn fold_all<T>(
    connection: &mut AnyConnection,
    find: impl Fn(&mut AnyConnection) -> QueryResult<Vec<T>>,
    write: impl Fn(&mut AnyConnection, &T) -> QueryResult<usize>,
) -> Result<usize, StorageError> {
    let mut folded = 0;
    loop {
        let found = find(connection).map_err(|error| dialect::translate(error).into_error())?;
        if found.is_empty() {
            return Ok(folded);
        }
        for batch in found.chunks(NAMES_PER_TRANSACTION) {
            folded += fold_batch(connection, batch, &write).map_err(|error| {
                // The error says more than one of the roll-back, and the connection is not used again.
                drop(Transactions::rollback_transaction(connection));
                dialect::translate(error).into_error()
            })?;
        }
    }
}

fn fold_batch<T>(
    connection: &mut AnyConnection,
    batch: &[T],
    write: impl Fn(&mut AnyConnection, &T) -> QueryResult<usize>,
) -> QueryResult<usize> {
    dialect::begin_write(connection)?;
    let mut changed = 0;
    for row in batch {
        changed += write(connection, row)?;
    }
    Transactions::commit_transaction(connection)?;
    Ok(changed)
}
