//! The `change` table: one row for each object that a write touched, written in the same transaction. It is the audit log, and
//! what nodes follow.

use claviger_domain::{Actor, ApiKeyDigest, ApiKeyId, Change, ChangeContext, Instant, TenantId};
use diesel::prelude::*;
use serde_json::Value;

use crate::schema::change;
use crate::transaction::{Recorded, corrupt};
use crate::{Entity, ReadTransaction, StorageError, WriteTransaction, dialect};

/// What was done to an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Action {
    /// It was made.
    Create,
    /// It was changed.
    Update,
    /// An API key was given a new value.
    Rotate,
    /// It was deleted.
    Delete,
}

impl Action {
    /// Every action.
    pub const ALL: [Self; 4] = [Self::Create, Self::Update, Self::Rotate, Self::Delete];

    /// The name in the table.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Update => "update",
            Self::Rotate => "rotate",
            Self::Delete => "delete",
        }
    }

    /// What a sentence about it begins with.
    pub(crate) const fn verb(self) -> &'static str {
        match self {
            Self::Create => "Created",
            Self::Update => "Updated",
            Self::Rotate => "Rotated",
            Self::Delete => "Deleted",
        }
    }
}

/// A row of the `change` table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangeRow {
    /// Grows with each row; on PostgreSQL not in the order of the commits.
    pub id: i64,
    /// When, by the clock of the node that wrote.
    pub instant: Instant,
    /// Who.
    pub actor: Actor,
    /// From which address, if over the network.
    pub address: Option<String>,
    /// The kind of the object.
    pub entity: Entity,
    /// The object's id.
    pub entity_id: String,
    /// The tenant that the object belongs to, or that it is.
    pub tenant_id: Option<TenantId>,
    /// What was done.
    pub action: Action,
    /// The object before, as JSON without its secrets; `None` when it was made.
    pub before: Option<String>,
    /// The object afterwards, likewise; `None` when it was deleted.
    pub after: Option<String>,
}

/// What a mutation records: which object, and how it looked before and looks now.
pub(crate) struct Record {
    pub(crate) entity: Entity,
    pub(crate) entity_id: String,
    pub(crate) tenant_id: Option<TenantId>,
    pub(crate) before: Option<Value>,
    pub(crate) after: Option<Value>,
    /// The values of an API key that work no more from now on, and are not found in its own row any longer.
    pub(crate) ended_digests: Vec<ApiKeyDigest>,
}

#[derive(Insertable)]
#[diesel(table_name = change)]
pub(crate) struct NewRow {
    instant: i64,
    actor_kind: &'static str,
    actor_id: Option<String>,
    address: Option<String>,
    entity: &'static str,
    entity_id: String,
    tenant_id: Option<String>,
    action: &'static str,
    before: Option<String>,
    after: Option<String>,
    ended_digests: Option<Vec<u8>>,
}

impl NewRow {
    fn new(context: &ChangeContext, action: Action, record: Record) -> Self {
        let (actor_kind, actor_id) = match context.actor {
            Actor::ApiKey(id) => ("ApiKey", Some(id.to_string())),
            Actor::System => ("System", None),
            Actor::CommandLine => ("CommandLine", None),
            Actor::Kickstart => ("Kickstart", None),
        };
        Self {
            instant: context.instant.epoch_millis(),
            actor_kind,
            actor_id,
            address: context.address.clone(),
            entity: record.entity.as_str(),
            entity_id: record.entity_id,
            tenant_id: record.tenant_id.map(|id| id.to_string()),
            action: action.as_str(),
            before: record.before.map(|value| value.to_string()),
            after: record.after.map(|value| value.to_string()),
            ended_digests: (!record.ended_digests.is_empty())
                .then(|| record.ended_digests.iter().flat_map(|digest| *digest.as_bytes()).collect()),
        }
    }
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = change)]
pub(crate) struct Row {
    pub(crate) id: i64,
    instant: i64,
    actor_kind: String,
    actor_id: Option<String>,
    address: Option<String>,
    entity: String,
    entity_id: String,
    tenant_id: Option<String>,
    action: String,
    before: Option<String>,
    after: Option<String>,
}

impl WriteTransaction<'_> {
    /// Inserts the row for a mutation. The action follows from which of the two states there are.
    pub(crate) fn record(&mut self, record: Record) -> Result<(), StorageError> {
        let action = match (&record.before, &record.after) {
            (None, _) => Action::Create,
            (Some(_), Some(_)) => Action::Update,
            (Some(_), None) => Action::Delete,
        };
        self.record_as(action, record)
    }

    /// Inserts the row for a mutation that has a name of its own.
    pub(crate) fn record_as(&mut self, action: Action, record: Record) -> Result<(), StorageError> {
        self.announce_entities(&record);
        self.note_recorded(if action == Action::Create { Recorded::Creations } else { Recorded::Changes });
        let row = NewRow::new(self.context(), action, record);
        let transaction_id = self.run(|connection| dialect::insert_change(connection, row))?;
        self.note_transaction(transaction_id);
        Ok(())
    }

    /// Inserts the row for a new API key, and answers until when its value is, or was, an earlier value of a key.
    pub(crate) fn record_and_look_for(
        &mut self,
        record: Record,
        digest: &ApiKeyDigest,
    ) -> Result<Option<i64>, StorageError> {
        self.note_recorded(Recorded::Creations);
        let row = NewRow::new(self.context(), Action::Create, record);
        let (transaction_id, until) = self
            .run(|connection| dialect::insert_change_and_find_previous(connection, row, digest.as_bytes()))?;
        self.note_transaction(transaction_id);
        Ok(until)
    }

    /// Inserts the rows for the deletion of many objects.
    pub(crate) fn record_deletions(&mut self, records: Vec<Record>) -> Result<(), StorageError> {
        records.iter().for_each(|record| self.announce_entities(record));
        if !records.is_empty() {
            self.note_recorded(Recorded::Changes);
        }
        let context = self.context().clone();
        let rows = records.into_iter().map(|record| NewRow::new(&context, Action::Delete, record)).collect();
        self.run(|connection| dialect::insert_changes(connection, rows))
    }

    /// Tells that something of entities was written, if that is what is recorded.
    fn announce_entities(&mut self, record: &Record) {
        if matches!(
            record.entity,
            Entity::Entity | Entity::EntityGrant | Entity::EntityType | Entity::EntityTypePermission
        ) {
            self.announce_once(Change::EntitiesWritten);
        }
    }
}

impl ReadTransaction<'_> {
    /// At most `limit` rows with ids above `after_id`, in the order of the ids.
    ///
    /// # Errors
    /// [`StorageError::Corrupt`] when a row makes no sense; [`StorageError::Unavailable`] and the like.
    pub fn changes(&mut self, after_id: i64, limit: usize) -> Result<Vec<ChangeRow>, StorageError> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let rows: Vec<Row> = self.run(|connection| {
            change::table
                .filter(change::id.gt(after_id))
                .order(change::id)
                .limit(limit)
                .select(Row::as_select())
                .load(connection)
        })?;
        rows.into_iter().map(ChangeRow::try_from).collect()
    }
}

impl TryFrom<Row> for ChangeRow {
    type Error = StorageError;

    fn try_from(row: Row) -> Result<Self, StorageError> {
        let entity = Entity::from_name(&row.entity);
        // Without an entity there is nothing better to call the row by.
        let bad = |reason: &str| {
            corrupt(
                entity.unwrap_or(Entity::Instance),
                &row.entity_id,
                format!("change {}: {reason}", row.id),
            )
        };
        let actor = match (row.actor_kind.as_str(), row.actor_id.as_deref()) {
            ("ApiKey", Some(id)) => Actor::ApiKey(id.parse::<ApiKeyId>().map_err(|_| bad("actor"))?),
            ("System", None) => Actor::System,
            ("CommandLine", None) => Actor::CommandLine,
            ("Kickstart", None) => Actor::Kickstart,
            _ => return Err(bad("actor")),
        };
        let tenant_id = row.tenant_id.as_deref().map(str::parse).transpose().map_err(|_| bad("tenant id"))?;
        let action = Action::ALL
            .into_iter()
            .find(|action| action.as_str() == row.action)
            .ok_or_else(|| bad("action"))?;
        Ok(Self {
            id: row.id,
            instant: Instant::from_epoch_millis(row.instant),
            actor,
            address: row.address.clone(),
            entity: entity.ok_or_else(|| bad("entity"))?,
            entity_id: row.entity_id.clone(),
            tenant_id,
            action,
            before: row.before.clone(),
            after: row.after.clone(),
        })
    }
}
