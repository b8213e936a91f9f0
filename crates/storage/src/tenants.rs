//! Tenants: rows, conversions, queries.

use claviger_domain::{
    Change, Instant, KeptDocument, KeyId, KeyOwner, Name, Revision, Tenant, TenantId, TenantJwtConfiguration,
    TenantScope, TenantState,
};
use diesel::prelude::*;
use serde_json::{Value, json};

use crate::changes::Record;
use crate::schema::tenant;
use crate::transaction::corrupt;
use crate::{Entity, ReadTransaction, StorageError, WriteTransaction};

#[derive(Queryable, Insertable, AsChangeset)]
#[diesel(table_name = tenant, treat_none_as_null = true)]
pub(crate) struct Row {
    pub(crate) id: String,
    revision: i64,
    name: String,
    issuer: String,
    access_token_key_id: Option<String>,
    id_token_key_id: Option<String>,
    access_token_verification_key_ids: String,
    id_token_verification_key_ids: String,
    time_to_live_in_seconds: i64,
    refresh_token_time_to_live_in_minutes: i64,
    document: String,
    state: String,
    insert_instant: i64,
    last_update_instant: i64,
    name_folded: String,
}

impl ReadTransaction<'_> {
    /// The tenant with this id, if it exists inside the scope.
    ///
    /// # Errors
    /// [`StorageError::Corrupt`] when its row makes no sense; [`StorageError::Unavailable`] and the like.
    pub fn find_tenant(&mut self, id: TenantId, scope: TenantScope) -> Result<Option<Tenant>, StorageError> {
        if !scope.contains(Some(id)) {
            return Ok(None);
        }
        let row: Option<Row> =
            self.run(|connection| tenant::table.find(id.to_string()).first(connection).optional())?;
        row.map(Tenant::try_from).transpose()
    }

    /// The tenants inside the scope, sorted by name (by its bytes in UTF-8), then id.
    ///
    /// # Errors
    /// As [`Self::find_tenant`].
    pub fn tenants(&mut self, scope: TenantScope) -> Result<Vec<Tenant>, StorageError> {
        if let Some(id) = scope.tenant() {
            return Ok(self.find_tenant(id, scope)?.into_iter().collect());
        }
        let rows: Vec<Row> =
            self.run(|connection| tenant::table.order((tenant::name, tenant::id)).load(connection))?;
        rows.into_iter().map(Tenant::try_from).collect()
    }

    /// The id of the one tenant that there is; `None` when there are more.
    ///
    /// # Errors
    /// [`StorageError::Corrupt`] when the id makes no sense, and failures of the database.
    pub fn only_tenant(&mut self) -> Result<Option<TenantId>, StorageError> {
        let query = tenant::table.order(tenant::id).limit(2).select(tenant::id);
        let ids: Vec<String> = self.run(|connection| query.load(connection))?;
        match ids.as_slice() {
            [only] => only.parse().map(Some).map_err(|_| corrupt(Entity::Tenant, only, "id")),
            _ => Ok(None),
        }
    }
}

impl WriteTransaction<'_> {
    /// Stores a new tenant, at the revision that it carries.
    ///
    /// # Errors
    /// [`StorageError::Conflict`] in id or name, [`StorageError::MissingReference`] to a key, and failures of
    /// the database.
    pub fn insert_tenant(&mut self, tenant: &Tenant) -> Result<(), StorageError> {
        let row = Row::from(tenant);
        self.run(|connection| diesel::insert_into(tenant::table).values(row).execute(connection))?;
        self.insert_key_references(&tenant.key_references())?;
        self.record_tenant(tenant.id, None, Some(tenant_json(tenant)))?;
        self.announce(Change::TenantWritten(tenant.clone()));
        Ok(())
    }

    /// Replaces a tenant by its new state, which carries the revision at which the old one was read, and
    /// returns it at the next revision. The instant of insertion stays.
    ///
    /// # Errors
    /// [`StorageError::Stale`] when the stored revision is another or the tenant is gone; otherwise as
    /// [`Self::insert_tenant`].
    pub fn update_tenant(&mut self, tenant: &Tenant) -> Result<Tenant, StorageError> {
        let before = self.find_tenant(tenant.id, TenantScope::All)?;
        let before = before.filter(|before| before.revision == tenant.revision).ok_or(StorageError::Stale)?;
        let after = Tenant {
            revision: tenant.revision.next(),
            insert_instant: before.insert_instant,
            ..tenant.clone()
        };
        let row = Row::from(&after);
        let same = tenant::id.eq(tenant.id.to_string()).and(tenant::revision.eq(tenant.revision.number()));
        let updated =
            self.run(|connection| diesel::update(tenant::table.filter(same)).set(row).execute(connection))?;
        if updated == 0 {
            return Err(StorageError::Stale);
        }
        let references = after.key_references();
        if before.key_references() != references {
            self.delete_key_references(KeyOwner::Tenant, &after.id.to_string())?;
            self.insert_key_references(&references)?;
        }
        let mut after_json = tenant_json(&after);
        if let Some(members) = after_json.as_object_mut() {
            members.insert(String::from("documentChanged"), Value::from(before.kept != after.kept));
        }
        self.record_tenant(after.id, Some(tenant_json(&before)), Some(after_json))?;
        self.announce(Change::TenantWritten(after.clone()));
        Ok(after)
    }

    /// Deletes a tenant; `false` when there was none. Its API keys, grants and entities must be
    /// gone before ([`Self::delete_api_keys_of_tenant`], [`Self::delete_grants_of_tenant`],
    /// [`Self::delete_entities_of_tenant`]).
    ///
    /// # Errors
    /// [`StorageError::InUse`] while any of these belong to it or it is the default tenant, and failures of the
    /// database.
    pub fn delete_tenant(&mut self, id: TenantId) -> Result<bool, StorageError> {
        self.delete_key_references(KeyOwner::Tenant, &id.to_string())?;
        let row: Option<Row> = self.run_referring(StorageError::InUse(Entity::Tenant), |connection| {
            diesel::delete(tenant::table.find(id.to_string()))
                .returning(tenant::all_columns)
                .get_result(connection)
                .optional()
        })?;
        let Some(row) = row else { return Ok(false) };
        self.record_tenant(id, Some(json_or_nothing(row)), None)?;
        self.announce(Change::TenantDeleted(id));
        Ok(true)
    }

    fn record_tenant(
        &mut self,
        id: TenantId,
        before: Option<Value>,
        after: Option<Value>,
    ) -> Result<(), StorageError> {
        self.record(Record {
            entity: Entity::Tenant,
            entity_id: id.to_string(),
            tenant_id: Some(id),
            before,
            after,
            ended_digests: Vec::new(),
        })
    }
}

/// The tenant for a change row. The kept document is left out: nobody has looked into it, and it has places for
/// passwords, of mail servers for instance.
fn tenant_json(tenant: &Tenant) -> Value {
    let ids = |ids: &[KeyId]| ids.iter().map(ToString::to_string).collect::<Vec<_>>();
    json!({
        "id": tenant.id.to_string(),
        "revision": tenant.revision.number(),
        "name": tenant.name.as_str(),
        "issuer": tenant.issuer,
        "accessTokenKeyId": tenant.jwt.access_token_key_id.map(|id| id.to_string()),
        "idTokenKeyId": tenant.jwt.id_token_key_id.map(|id| id.to_string()),
        "accessTokenVerificationKeyIds": ids(&tenant.jwt.access_token_verification_key_ids),
        "idTokenVerificationKeyIds": ids(&tenant.jwt.id_token_verification_key_ids),
        "timeToLiveInSeconds": tenant.jwt.time_to_live_in_seconds,
        "refreshTokenTimeToLiveInMinutes": tenant.jwt.refresh_token_time_to_live_in_minutes,
        "state": tenant.state.as_str(),
        "insertInstant": tenant.insert_instant.epoch_millis(),
        "lastUpdateInstant": tenant.last_update_instant.epoch_millis(),
    })
}

/// A row that makes no sense can still be deleted; the change row then says no more than that it was there.
fn json_or_nothing(row: Row) -> Value {
    Tenant::try_from(row)
        .map_or_else(|error| json!({ "corrupt": error.to_string() }), |row| tenant_json(&row))
}

pub(crate) fn ids_text(ids: &[KeyId]) -> String {
    Value::from_iter(ids.iter().map(ToString::to_string)).to_string()
}

pub(crate) fn ids_from_text(text: &str) -> Option<Vec<KeyId>> {
    let ids: Vec<String> = serde_json::from_str(text).ok()?;
    ids.iter().map(|id| id.parse().ok()).collect()
}

impl From<&Tenant> for Row {
    fn from(tenant: &Tenant) -> Self {
        Self {
            id: tenant.id.to_string(),
            revision: tenant.revision.number(),
            name: tenant.name.as_str().to_owned(),
            issuer: tenant.issuer.clone(),
            access_token_key_id: tenant.jwt.access_token_key_id.map(|id| id.to_string()),
            id_token_key_id: tenant.jwt.id_token_key_id.map(|id| id.to_string()),
            access_token_verification_key_ids: ids_text(&tenant.jwt.access_token_verification_key_ids),
            id_token_verification_key_ids: ids_text(&tenant.jwt.id_token_verification_key_ids),
            time_to_live_in_seconds: tenant.jwt.time_to_live_in_seconds,
            refresh_token_time_to_live_in_minutes: tenant.jwt.refresh_token_time_to_live_in_minutes,
            document: tenant.kept.as_json().to_owned(),
            state: tenant.state.as_str().to_owned(),
            insert_instant: tenant.insert_instant.epoch_millis(),
            last_update_instant: tenant.last_update_instant.epoch_millis(),
            name_folded: tenant.name.folded(),
        }
    }
}

impl TryFrom<Row> for Tenant {
    type Error = StorageError;

    fn try_from(row: Row) -> Result<Self, StorageError> {
        let id = row.id;
        let bad = |reason: &str| corrupt(Entity::Tenant, &id, reason);
        let key_id = |text: Option<String>| text.map(|text| text.parse()).transpose();
        let state = [TenantState::Active, TenantState::PendingDelete]
            .into_iter()
            .find(|state| state.as_str() == row.state)
            .ok_or_else(|| bad("state"))?;
        Ok(Self {
            id: id.parse().map_err(|_| bad("id"))?,
            revision: Revision::from_number(row.revision),
            name: Name::try_from(row.name).map_err(|_| bad("name"))?,
            issuer: row.issuer,
            jwt: TenantJwtConfiguration {
                access_token_key_id: key_id(row.access_token_key_id)
                    .map_err(|_| bad("access token key id"))?,
                id_token_key_id: key_id(row.id_token_key_id).map_err(|_| bad("id token key id"))?,
                access_token_verification_key_ids: ids_from_text(&row.access_token_verification_key_ids)
                    .ok_or_else(|| bad("access token verification key ids"))?,
                id_token_verification_key_ids: ids_from_text(&row.id_token_verification_key_ids)
                    .ok_or_else(|| bad("id token verification key ids"))?,
                time_to_live_in_seconds: row.time_to_live_in_seconds,
                refresh_token_time_to_live_in_minutes: row.refresh_token_time_to_live_in_minutes,
            },
            kept: KeptDocument::from_json(row.document),
            state,
            insert_instant: Instant::from_epoch_millis(row.insert_instant),
            last_update_instant: Instant::from_epoch_millis(row.last_update_instant),
        })
    }
}
