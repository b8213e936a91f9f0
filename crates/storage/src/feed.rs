//! The change feed: what has happened since a node looked last, read from the rows of the `change` table.
//!
//! A position is what was visible at the last look. New is every row that is visible now and was not then, whatever order
//! numbers were drawn and transactions committed in, and however long one of them took. The rows say which objects were
//! touched; what these are like is read from their own tables in the same state of the database. So it does not matter how
//! often a change is read, nor what became of the object since.

use std::collections::{BTreeMap, BTreeSet};
use std::str::FromStr;

use claviger_domain::{
    ApiKeyDigest, ApiKeyId, Change, IpAccessControlListId, KeyId, RoleId, RoleName, TenantId, TenantScope,
};
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Binary, Nullable, Text};
use serde_json::Value;

use crate::conn::AnyConnection;
use crate::dialect::node::Snapshot;
use crate::transaction::corrupt;
use crate::{Entity, ReadTransaction, StorageError, dialect};

/// Rows that are read at once.
const ROWS_AT_ONCE: i64 = 1000;

/// How far a node has read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Position {
    /// What was visible, as PostgreSQL writes it.
    snapshot: String,
    /// The highest number of a transaction that was read. Numbers that were given up for a crash of the database are given to
    /// other transactions afterwards, although the snapshot says that they were seen, all of them maybe: that of nodes which said how far
    /// they are, which nobody waits for. But only higher ones than this.
    newest: i64,
}

impl Position {
    /// Where somebody stands who has read everything that is visible now.
    pub(crate) fn present(connection: &mut AnyConnection) -> Result<Self, StorageError> {
        let Snapshot { snapshot, newest } = dialect::node::snapshot(connection)?;
        Ok(Self { snapshot, newest })
    }

    #[cfg(test)]
    pub(crate) fn for_tests(snapshot: &str, newest: i64) -> Self {
        Self { snapshot: snapshot.to_owned(), newest }
    }
}

/// The same, to look up which transactions it holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Seen {
    /// All transactions from this number on were not visible.
    end: i64,
    /// Nor were these.
    running: Vec<i64>,
    newest: i64,
}

impl Seen {
    /// What a position says. Of one that makes no sense: nothing was visible.
    pub(crate) fn at(position: &Position) -> Self {
        // PostgreSQL's manual, "Transaction ID and Snapshot Information Functions": xmin:xmax:list of those in progress.
        let mut parts = position.snapshot.split(':').skip(1);
        let end = parts.next().and_then(|text| text.parse().ok()).unwrap_or(0);
        let running = parts.next().unwrap_or_default().split(',').filter_map(|text| text.parse().ok());
        Self { end, running: running.collect(), newest: position.newest }
    }

    /// Whether the changes of this transaction, which is committed, have been read.
    pub(crate) fn sees(&self, transaction_id: i64) -> bool {
        transaction_id <= self.newest && transaction_id < self.end && !self.running.contains(&transaction_id)
    }
}

#[derive(QueryableByName)]
struct Row {
    #[diesel(sql_type = BigInt)]
    id: i64,
    #[diesel(sql_type = Text)]
    entity: String,
    #[diesel(sql_type = Text)]
    entity_id: String,
    /// Of a role: how it was before.
    #[diesel(sql_type = Nullable<Text>)]
    role_before: Option<String>,
    /// Where an API key is found no more.
    #[diesel(sql_type = Nullable<Binary>)]
    ended_digests: Option<Vec<u8>>,
}

/// The objects that were touched.
#[derive(Default)]
struct Touched {
    api_keys: BTreeMap<String, BTreeSet<ApiKeyDigest>>,
    keys: BTreeSet<String>,
    lists: BTreeSet<String>,
    roles: BTreeSet<String>,
    former_role_names: BTreeSet<RoleName>,
    tenants: BTreeSet<String>,
    entities: bool,
}

impl Touched {
    fn add(&mut self, row: Row) -> Result<(), StorageError> {
        let Row { id, entity, entity_id, role_before, ended_digests, .. } = row;
        let bad = |reason: &str| corrupt(Entity::Instance, &entity_id, format!("change {id}: {reason}"));
        match Entity::from_name(&entity).ok_or_else(|| bad("entity"))? {
            Entity::ApiKey => {
                let bytes = ended_digests.unwrap_or_default();
                let digests = bytes.chunks(size_of::<ApiKeyDigest>()).map(|bytes| {
                    bytes.try_into().map(ApiKeyDigest::from_bytes).map_err(|_| bad("ended digests"))
                });
                let digests: BTreeSet<_> = digests.collect::<Result<_, _>>()?;
                self.api_keys.entry(entity_id).or_default().extend(digests);
            }
            Entity::Entity | Entity::EntityGrant | Entity::EntityType | Entity::EntityTypePermission => {
                self.entities = true;
            }
            Entity::IpAccessControlList => self.lists.extend([entity_id]),
            Entity::Key => self.keys.extend([entity_id]),
            Entity::Role => {
                let before = role_before.and_then(|text| serde_json::from_str::<Value>(&text).ok());
                let name = before.as_ref().and_then(|before| before.get("name")?.as_str());
                // A text that is no name was never told of.
                self.former_role_names.extend(name.and_then(|name| RoleName::try_from(name).ok()));
                self.roles.extend([entity_id]);
            }
            Entity::Tenant => self.tenants.extend([entity_id]),
            Entity::DataKey | Entity::Instance => {}
        }
        Ok(())
    }
}

/// What has happened since `position`, but for what these transactions did, and the new position. The changes say how things are now;
/// what was touched several times is told of once.
///
/// # Errors
/// [`StorageError::Corrupt`] when a row makes no sense: whoever follows must load everything again, which leaves such rows
/// out. Failures of the database.
pub(crate) fn changes_since(
    connection: &mut AnyConnection,
    position: &Position,
    but_for: &[i64],
) -> Result<(Vec<Change>, Position), StorageError> {
    use diesel::connection::TransactionManager;

    use crate::conn::Transactions;

    let failed = |error| dialect::translate(error).into_error();
    dialect::begin_read(connection).map_err(failed)?;
    let outcome = read(connection, position, but_for);
    let ended = Transactions::rollback_transaction(connection).map_err(failed);
    let outcome = outcome?;
    ended?;
    Ok(outcome)
}

fn read(
    connection: &mut AnyConnection,
    position: &Position,
    but_for: &[i64],
) -> Result<(Vec<Change>, Position), StorageError> {
    let Snapshot { snapshot, newest } = dialect::node::snapshot(connection)?;
    let but_for = but_for.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
    let mut touched = Touched::default();
    let mut after = 0;
    loop {
        let rows: Vec<Row> = diesel::sql_query(
            "SELECT id, entity, entity_id, ended_digests, \
                    CASE entity WHEN 'Role' THEN \"before\" END AS role_before \
             FROM change WHERE transaction_id >= least(pg_snapshot_xmin($1::pg_snapshot)::text::bigint, $2 + 1) AND id > $3 \
             AND (transaction_id > $2 OR NOT pg_visible_in_snapshot(transaction_id::text::xid8, $1::pg_snapshot)) \
             AND transaction_id <> ALL (string_to_array($5, ',')::bigint[]) ORDER BY id LIMIT $4",
        )
        .bind::<Text, _>(&position.snapshot)
        .bind::<BigInt, _>(position.newest)
        .bind::<BigInt, _>(after)
        .bind::<BigInt, _>(ROWS_AT_ONCE)
        .bind::<Text, _>(&but_for)
        .load(connection)
        .map_err(|error| dialect::translate(error).into_error())?;
        let last = rows.len() < usize::try_from(ROWS_AT_ONCE).unwrap_or(0);
        for row in rows {
            after = row.id;
            touched.add(row)?;
        }
        if last {
            break;
        }
    }
    let changes = ReadTransaction::new(connection).present_state(touched)?;
    Ok((changes, Position { snapshot, newest: newest.max(position.newest) }))
}

impl ReadTransaction<'_> {
    /// What has become of the objects. Of what is gone is told first: its names and values may be those of others by now.
    fn present_state(&mut self, touched: Touched) -> Result<Vec<Change>, StorageError> {
        let Touched { api_keys, keys, lists, roles, former_role_names, tenants, entities } = touched;
        let mut changes = Vec::new();
        for text in tenants {
            let id: TenantId = parsed(Entity::Tenant, &text)?;
            changes.push(match self.find_tenant(id, TenantScope::All)? {
                Some(tenant) => Change::TenantWritten(tenant),
                None => Change::TenantDeleted(id),
            });
        }
        let former: Vec<_> = former_role_names.into_iter().collect();
        // Another role may have the name by now.
        let successors = self.roles_named(&former)?;
        changes.extend(former.into_iter().map(Change::RoleDeleted));
        changes.extend(successors.into_iter().map(Change::RoleWritten));
        for text in roles {
            let id: RoleId = parsed(Entity::Role, &text)?;
            changes.extend(self.find_role(id)?.map(Change::RoleWritten));
        }
        for text in lists {
            let id: IpAccessControlListId = parsed(Entity::IpAccessControlList, &text)?;
            changes.push(match self.find_ip_access_control_list(id)? {
                Some(list) => Change::IpAccessControlListWritten(list),
                None => Change::IpAccessControlListDeleted(id),
            });
        }
        for text in keys {
            let id: KeyId = parsed(Entity::Key, &text)?;
            changes.push(match self.find_key(id)? {
                Some(found) => Change::KeyWritten { id, kid: found.kid },
                None => Change::KeyDeleted(id),
            });
        }
        self.present_state_of_api_keys(api_keys, &mut changes)?;
        if entities {
            changes.push(Change::EntitiesWritten);
        }
        Ok(changes)
    }

    fn present_state_of_api_keys(
        &mut self,
        mut touched: BTreeMap<String, BTreeSet<ApiKeyDigest>>,
        changes: &mut Vec<Change>,
    ) -> Result<(), StorageError> {
        let ids: Vec<String> = touched.keys().cloned().collect();
        let mut written = Vec::with_capacity(ids.len());
        for ids in ids.chunks(crate::search::ROWS_AT_ONCE) {
            for (digest, api_key, previous) in self.loaded_api_keys(ids)? {
                let mut ended = touched.remove(&api_key.id.to_string()).unwrap_or_default();
                ended.remove(&digest);
                for value in &previous {
                    ended.remove(&value.digest);
                }
                let ended = ended.into_iter().collect();
                written.push(Change::ApiKeyWritten { digest, api_key, previous, ended });
            }
        }
        for (text, digests) in touched {
            let id: ApiKeyId = parsed(Entity::ApiKey, &text)?;
            // Of a key that came and went meanwhile there are digests too: its deletion named them.
            let mut digests = digests.into_iter();
            if let Some(digest) = digests.next() {
                changes.push(Change::ApiKeyDeleted { digest, id, previous: digests.collect() });
            }
        }
        changes.append(&mut written);
        Ok(())
    }
}

fn parsed<T: FromStr>(entity: Entity, text: &str) -> Result<T, StorageError> {
    text.parse().map_err(|_| corrupt(entity, text, "id"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_say_which_transactions_were_read() {
        let seen = |snapshot: &str, newest| Seen::at(&Position::for_tests(snapshot, newest));
        let some = seen("10:20:12,15", 18);
        for (transaction, expected) in [
            (1, true),
            (10, true),
            (12, false),
            (13, true),
            (15, false),
            (18, true),
            (19, false),
            (20, false),
        ] {
            assert_eq!(some.sees(transaction), expected, "{transaction}");
        }
        // Given up in a crash of the database, and given to another transaction afterwards.
        assert!(!seen("30:30:", 18).sees(19));
        assert!(seen("30:30:", 29).sees(29) && !seen("30:30:", 30).sees(30));
        for senseless in ["", "10", "x:y:z", "::"] {
            assert!(!seen(senseless, 100).sees(1), "{senseless}");
        }
    }
}
