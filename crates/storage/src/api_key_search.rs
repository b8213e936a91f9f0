//! Searches for API keys, and the column that they need: the name in lower case.
//!
//! A page is found in two steps: its ids, from an index where the order has one, then the rows of those ids. What a key may
//! do is not known here: where that counts, the caller is asked, once for keys that are alike in it.

use std::collections::HashMap;

use claviger_domain::{
    ApiKey, ApiKeyColumn, ApiKeySearch, NamePattern, Order, Permissions, SortColumn, TenantId, TenantScope,
    fold,
};
use diesel::connection::DefaultLoadingMode;
use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::sql_types::{Bool, Nullable, Text};

use crate::api_key_rows::{COLUMNS, Row, from_row, permissions_from_columns};
use crate::api_keys::inside;
use crate::conn::{AnyConnection, MultiBackend};
use crate::schema::{api_key, api_key_role, api_key_usage};
use crate::search::{NAMES_PER_PASS, ROWS_AT_ONCE, bounded, fold_all, in_order};
use crate::{ReadTransaction, StorageError, dialect};

/// The most different sets of permissions for which an answer is remembered within one search.
const REMEMBERED_ANSWERS: usize = 10_000;

/// A part of the API keys that a search found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiKeyPage {
    /// The keys of the page, in the order that was asked for.
    pub api_keys: Vec<ApiKey>,
    /// How many keys there are on all pages.
    pub total: u64,
}

/// What an API key was given, whatever its roles make of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiKeyGrant {
    /// What it may call.
    pub permissions: Permissions,
    /// Whether it was made a key manager.
    pub key_manager: bool,
    /// The tenant that it is bound to.
    pub tenant_id: Option<TenantId>,
}

/// Says of an API key whether a search may find it. Asked once, or a few times, for keys with the same grant.
pub type IsWanted<'a> = &'a dyn Fn(&ApiKeyGrant) -> bool;

/// The columns that make an [`ApiKeyGrant`]: permissions, roles, key manager, tenant.
type GrantColumns = (Option<String>, Option<String>, bool, Option<String>);

impl ReadTransaction<'_> {
    /// The API keys inside the scope that a search asks for, without their values; the same ones on either database. Names
    /// compare by the bytes in UTF-8 of their lower case. Successive pages make up the whole as long as nothing is written.
    ///
    /// With `is_wanted` only those are found, and counted, that it wants; every key that fits is then looked at, and one
    /// whose grant makes no sense is left out. [`ApiKeySearch::key_manager`] is compared with how the keys were made: a key
    /// with roles fits both ways unless it was made a key manager, and is left to `is_wanted`.
    ///
    /// # Errors
    /// [`StorageError::Corrupt`] when a row of the page makes no sense; [`StorageError::Unavailable`] and the like.
    pub fn search_api_keys(
        &mut self,
        search: &ApiKeySearch,
        scope: TenantScope,
        is_wanted: Option<IsWanted<'_>>,
    ) -> Result<ApiKeyPage, StorageError> {
        if search.name.as_ref().is_some_and(|name| !name.is_matchable()) {
            return Ok(ApiKeyPage { api_keys: Vec::new(), total: 0 });
        }
        let (ids, total) = match is_wanted {
            Some(is_wanted) => self.run(|connection| wanted_page(connection, search, scope, is_wanted))?,
            None => self.page_with_total(search, scope)?,
        };
        Ok(ApiKeyPage { api_keys: self.api_keys_by_ids(&ids)?, total })
    }

    fn page_with_total(
        &mut self,
        search: &ApiKeySearch,
        scope: TenantScope,
    ) -> Result<(Vec<String>, u64), StorageError> {
        let ids: Vec<String> = if search.number_of_results == 0 {
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
        Ok((ids, total))
    }

    /// The API keys with these ids, in their order.
    fn api_keys_by_ids(&mut self, ids: &[String]) -> Result<Vec<ApiKey>, StorageError> {
        let mut api_keys = Vec::with_capacity(ids.len());
        for ids in ids.chunks(ROWS_AT_ONCE) {
            let query = api_key::table.filter(api_key::id.eq_any(ids)).select(COLUMNS);
            let rows: Vec<Row> = self.run(|connection| query.load(connection))?;
            for row in in_order(ids, rows, |row| &row.id) {
                api_keys.push(from_row(row)?.1);
            }
        }
        Ok(api_keys)
    }
}

fn matching(search: &ApiKeySearch, scope: TenantScope) -> api_key::BoxedQuery<'_, MultiBackend> {
    let mut query = inside(api_key::table.into_boxed(), scope);
    if let Some(pattern) = search.name.as_ref().map(NamePattern::as_like) {
        query = query.filter(api_key::name_folded.like(pattern).escape('\\'));
    }
    if let Some(tenant) = search.tenant_id {
        query = query.filter(api_key::tenant_id.eq(tenant.to_string()));
    }
    query = match search.key_manager {
        None => query,
        Some(true) => query.filter(api_key::key_manager.eq(true).or(api_key::roles.is_not_null())),
        Some(false) => query.filter(api_key::key_manager.eq(false)),
    };
    if let Some(disabled) = search.disabled {
        query = query.filter(api_key::disabled.eq(disabled));
    }
    if let Some(retrievable) = search.retrievable {
        query = query.filter(api_key::retrievable.eq(retrievable));
    }
    if let Some(list) = search.ip_access_control_list_id {
        query = query.filter(api_key::ip_access_control_list_id.eq(list.to_string()));
    }
    if let Some(role) = &search.role {
        let with_role = api_key_role::table
            .filter(api_key_role::role_name.eq(role.as_str()))
            .select(api_key_role::api_key_id);
        query = query.filter(api_key::id.eq_any(with_role));
    }
    if let Some(instant) = search.expires_before {
        query = query.filter(api_key::expiration_instant.lt(instant.epoch_millis()));
    }
    if let Some(instant) = search.unused_since {
        let used = api_key_usage::table
            .filter(api_key_usage::last_used_instant.ge(instant.epoch_millis()))
            .select(api_key_usage::api_key_id);
        query =
            query.filter(api_key::insert_instant.lt(instant.epoch_millis())).filter(api_key::id.ne_all(used));
    }
    query
}

/// The ids of the keys on the page, in order.
fn page_of_ids(search: &ApiKeySearch, scope: TenantScope) -> api_key::BoxedQuery<'_, MultiBackend, Text> {
    let mut query = matching(search, scope).select(api_key::id);
    for criterion in criteria(&search.order) {
        query = query.then_order_by(sql::<Text>(criterion));
    }
    query.limit(bounded(search.number_of_results)).offset(bounded(search.start_row))
}

/// The ids and grants of all keys that fit, in order.
type Granted<'a> =
    api_key::BoxedQuery<'a, MultiBackend, (Text, (Nullable<Text>, Nullable<Text>, Bool, Nullable<Text>))>;

fn granted(search: &ApiKeySearch, scope: TenantScope) -> Granted<'_> {
    let grant = (api_key::permissions, api_key::roles, api_key::key_manager, api_key::tenant_id);
    let mut query = matching(search, scope).select((api_key::id, grant));
    for criterion in criteria(&search.order) {
        query = query.then_order_by(sql::<Text>(criterion));
    }
    query
}

/// The ids of the page among those keys that are wanted, and how many of them there are.
fn wanted_page(
    connection: &mut AnyConnection,
    search: &ApiKeySearch,
    scope: TenantScope,
    is_wanted: IsWanted<'_>,
) -> QueryResult<(Vec<String>, u64)> {
    let mut answers: HashMap<GrantColumns, bool> = HashMap::new();
    let (mut ids, mut total) = (Vec::new(), 0_u64);
    let end = search.start_row.saturating_add(search.number_of_results);
    let rows = granted(search, scope).load_iter::<(String, GrantColumns), DefaultLoadingMode>(connection)?;
    for row in rows {
        let (id, columns) = row?;
        let wanted = match answers.get(&columns) {
            Some(answer) => *answer,
            None => {
                let answer = grant(&columns).is_some_and(|grant| is_wanted(&grant));
                if answers.len() < REMEMBERED_ANSWERS {
                    answers.insert(columns, answer);
                }
                answer
            }
        };
        if wanted {
            if (search.start_row..end).contains(&total) {
                ids.push(id);
            }
            total = total.saturating_add(1);
        }
    }
    Ok((ids, total))
}

fn grant((permissions, roles, key_manager, tenant_id): &GrantColumns) -> Option<ApiKeyGrant> {
    Some(ApiKeyGrant {
        permissions: permissions_from_columns(permissions.as_deref(), roles.as_deref()).ok()?,
        key_manager: *key_manager,
        tenant_id: tenant_id.as_deref().map(str::parse).transpose().ok()?,
    })
}

/// The terms of `ORDER BY`. They end with the id, which is unique, in the direction of the last term, as the indexes have it.
fn criteria(order: &[Order<ApiKeyColumn>]) -> Vec<&'static str> {
    let mut criteria = Vec::new();
    let mut last_descends = ApiKeyColumn::DEFAULT_DESCENDING;
    for Order { column, descending } in order {
        last_descends = *descending;
        criteria.push(match (column, descending) {
            (ApiKeyColumn::Id, _) => break,
            (ApiKeyColumn::Expiration, false) => "expiration_instant ASC NULLS LAST",
            (ApiKeyColumn::Expiration, true) => "expiration_instant DESC NULLS LAST",
            (ApiKeyColumn::Insert, false) => "insert_instant",
            (ApiKeyColumn::Insert, true) => "insert_instant DESC",
            (ApiKeyColumn::LastUpdate, false) => "last_update_instant",
            (ApiKeyColumn::LastUpdate, true) => "last_update_instant DESC",
            (ApiKeyColumn::Name, false) => "name_folded ASC NULLS LAST",
            (ApiKeyColumn::Name, true) => "name_folded DESC NULLS LAST",
        });
    }
    criteria.push(if last_descends { "id DESC" } else { "id" });
    criteria
}

/// A row whose name is to be folded: id, revision, the two columns of the name, its folded form.
type NameRow = (String, i64, Option<String>, Option<String>, Option<String>);

/// Fills the column of folded names, as [`fold_all`] says. A row that changes meanwhile has another revision.
pub(crate) fn fold_api_key_names(connection: &mut AnyConnection) -> Result<usize, StorageError> {
    fold_all(connection, rows_to_fold, |connection, (id, revision, folded)| {
        let row = api_key::table.filter(api_key::id.eq(id).and(api_key::revision.eq(revision)));
        diesel::update(row).set(api_key::name_folded.eq(folded)).execute(connection)
    })
}

/// Ids and revisions of rows whose names have another folded form than the row says, with that form.
fn rows_to_fold(connection: &mut AnyConnection) -> QueryResult<Vec<(String, i64, Option<String>)>> {
    let mut rows = Vec::new();
    let each = |row: Result<NameRow, String>| {
        // What cannot be read is reported by whoever reads the key.
        let Ok((id, revision, name, repeating_name, stored)) = row else { return };
        let folded = name.or(repeating_name).map(|name| fold(&name));
        if rows.len() < NAMES_PER_PASS && folded != stored {
            rows.push((id, revision, folded));
        }
    };
    let columns =
        (api_key::id, api_key::revision, api_key::name, api_key::repeating_name, api_key::name_folded);
    dialect::stream!(connection, api_key::table.select(columns), NameRow, each)?;
    Ok(rows)
}

/// Whether there are rows whose folded names nobody has filled yet.
pub(crate) fn has_unfolded_api_key_names(connection: &mut AnyConnection) -> Result<bool, StorageError> {
    let named = api_key::name.is_not_null().or(api_key::repeating_name.is_not_null());
    let one: Option<String> = api_key::table
        .filter(api_key::name_folded.is_null().and(named))
        .select(api_key::id)
        .first(connection)
        .optional()
        .map_err(|error| dialect::translate(error).into_error())?;
    Ok(one.is_some())
}

#[cfg(all(test, feature = "sqlite"))]
mod tests {
    use claviger_domain::Instant;

    use super::*;
    use crate::key_search::tests::{migrated, plan};

    #[test]
    fn pages_follow_an_index() {
        let (_directory, mut connection) = migrated().unwrap();
        let tenant = TenantId::from_u128(1);
        let all = ApiKeySearch::default();
        let by = |column| ApiKeySearch { order: vec![Order { column, descending: false }], ..all.clone() };
        let asked = ApiKeySearch { tenant_id: Some(tenant), ..all.clone() };
        let name = ApiKeySearch { name: Some(NamePattern::parse("x")), ..by(ApiKeyColumn::Name) };
        let ending = ApiKeySearch {
            expires_before: Some(Instant::from_epoch_millis(1)),
            ..by(ApiKeyColumn::Expiration)
        };
        for (search, scope, index) in [
            (&all, TenantScope::All, "api_key_insert_instant_index"),
            (&all, TenantScope::One(tenant), "api_key_tenant_insert_instant_index"),
            (&asked, TenantScope::All, "api_key_tenant_insert_instant_index"),
            (&by(ApiKeyColumn::Name), TenantScope::All, "api_key_name_folded_index"),
            (&name, TenantScope::All, "api_key_name_folded_index"),
            (&ending, TenantScope::All, "api_key_expiration_instant_index"),
        ] {
            let counted = plan(&mut connection, matching(search, scope).count()).unwrap();
            assert!(counted.contains("COVERING INDEX"), "{search:?}: {counted}");
            for descending in [false, true] {
                let order = search.order.iter().map(|order| Order { descending, ..*order }).collect();
                let search = ApiKeySearch { order, ..search.clone() };
                let found = plan(&mut connection, page_of_ids(&search, scope)).unwrap();
                assert!(found.contains(&format!("COVERING INDEX {index}")), "{search:?}: {found}");
                assert!(!found.contains("TEMP B-TREE"), "{search:?}: {found}");
            }
        }
    }
}
