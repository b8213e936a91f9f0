//! Roles: rows, conversions, queries. A foreign key from the roles of API keys keeps a role that is in use as it is called.

use std::collections::{BTreeMap, HashMap};

use claviger_domain::{
    Change, Instant, RequestMethod, RequestMethodSet, Revision, Role, RoleId, RoleName, RolePermission, fold,
};
use diesel::prelude::*;
use serde_json::{Map, Value, json};

use crate::changes::Record;
use crate::schema::role;
use crate::search::ROWS_AT_ONCE;
use crate::transaction::corrupt;
use crate::{Entity, ReadTransaction, StorageError, WriteTransaction};

#[derive(Queryable, Insertable)]
#[diesel(table_name = role)]
struct Row {
    id: String,
    revision: i64,
    name: String,
    description: Option<String>,
    permissions: String,
    ui_permissions: String,
    insert_instant: i64,
    last_update_instant: i64,
}

impl ReadTransaction<'_> {
    /// The role with this id. Roles belong to no tenant.
    ///
    /// # Errors
    /// [`StorageError::Corrupt`] when its row makes no sense; [`StorageError::Unavailable`] and the like.
    pub fn find_role(&mut self, id: RoleId) -> Result<Option<Role>, StorageError> {
        let row: Option<Row> =
            self.run(|connection| role::table.find(id.to_string()).first(connection).optional())?;
        row.map(Role::try_from).transpose()
    }

    /// The roles with these names, in the order of the names and each once; names that no role has are left out.
    ///
    /// # Errors
    /// As [`Self::find_role`].
    pub fn roles_named(&mut self, names: &[RoleName]) -> Result<Vec<Role>, StorageError> {
        let mut rows: HashMap<String, Row> = HashMap::new();
        for names in names.chunks(ROWS_AT_ONCE) {
            let query = role::table.filter(role::name.eq_any(names.iter().map(RoleName::as_str)));
            let found: Vec<Row> = self.run(|connection| query.load(connection))?;
            rows.extend(found.into_iter().map(|row| (row.name.clone(), row)));
        }
        names.iter().filter_map(|name| rows.remove(name.as_str())).map(Role::try_from).collect()
    }

    /// All roles, or those whose name contains a text, without regard to case; sorted by name (by its bytes in UTF-8),
    /// then id.
    ///
    /// # Errors
    /// [`StorageError::Corrupt`] when one of their rows makes no sense; [`StorageError::Unavailable`] and the like.
    pub fn roles(&mut self, name_contains: Option<&str>) -> Result<Vec<Role>, StorageError> {
        let rows: Vec<Row> =
            self.run(|connection| role::table.order((role::name, role::id)).load(connection))?;
        let part = name_contains.map(fold);
        let fits = |row: &Row| part.as_ref().is_none_or(|part| fold(&row.name).contains(part));
        rows.into_iter().filter(fits).map(Role::try_from).collect()
    }

    /// All roles, row by row: one that makes no sense, [`StorageError::Corrupt`], does not keep the others back.
    ///
    /// # Errors
    /// Failures of the database.
    pub fn each_role(&mut self) -> Result<Vec<Result<Role, StorageError>>, StorageError> {
        let rows: Vec<Row> = self.run(|connection| role::table.load(connection))?;
        Ok(rows.into_iter().map(Role::try_from).collect())
    }
}

impl WriteTransaction<'_> {
    /// Stores a new role, at the revision that it carries.
    ///
    /// # Errors
    /// [`StorageError::Conflict`] in id or name, and failures of the database.
    pub fn insert_role(&mut self, role: &Role) -> Result<(), StorageError> {
        let row = Row::from(role);
        self.run(|connection| diesel::insert_into(role::table).values(row).execute(connection))?;
        self.record_role(role.id, None, Some(role_json(role)))?;
        self.announce(Change::RoleWritten(role.clone()));
        Ok(())
    }

    /// Replaces a role by its new state, which carries the revision at which the old one was read, and returns it at
    /// the next revision. The instant of insertion stays. Under its old name a renamed role is announced as deleted.
    ///
    /// # Errors
    /// [`StorageError::Stale`] when the stored revision is another or the role is gone, [`StorageError::InUse`] when it
    /// would be renamed while API keys name it; otherwise as [`Self::insert_role`].
    pub fn update_role(&mut self, role: &Role) -> Result<Role, StorageError> {
        let before = self
            .find_role(role.id)?
            .filter(|before| before.revision == role.revision)
            .ok_or(StorageError::Stale)?;
        let after =
            Role { revision: before.revision.next(), insert_instant: before.insert_instant, ..role.clone() };
        let row = Row::from(&after);
        let same = role::id.eq(after.id.to_string()).and(role::revision.eq(before.revision.number()));
        let updated = self.run_referring(StorageError::InUse(Entity::Role), |connection| {
            diesel::update(role::table.filter(same))
                .set((
                    role::revision.eq(row.revision),
                    role::name.eq(row.name),
                    role::description.eq(row.description),
                    role::permissions.eq(row.permissions),
                    role::ui_permissions.eq(row.ui_permissions),
                    role::last_update_instant.eq(row.last_update_instant),
                ))
                .execute(connection)
        })?;
        if updated == 0 {
            return Err(StorageError::Stale);
        }
        self.record_role(after.id, Some(role_json(&before)), Some(role_json(&after)))?;
        if before.name != after.name {
            self.announce(Change::RoleDeleted(before.name));
        }
        self.announce(Change::RoleWritten(after.clone()));
        Ok(after)
    }

    /// Deletes a role; `false` when there was none. A row that makes no sense can be deleted too.
    ///
    /// # Errors
    /// [`StorageError::InUse`] while API keys name it, and failures of the database.
    pub fn delete_role(&mut self, id: RoleId) -> Result<bool, StorageError> {
        let row: Option<Row> = self.run_referring(StorageError::InUse(Entity::Role), |connection| {
            diesel::delete(role::table.find(id.to_string()))
                .returning(role::all_columns)
                .get_result(connection)
                .optional()
        })?;
        let Some(row) = row else { return Ok(false) };
        // A text that is no name was never announced, and no key can name it.
        let name = RoleName::try_from(row.name.as_str()).ok();
        let before = Role::try_from(row)
            .map_or_else(|error| json!({ "corrupt": error.to_string() }), |role| role_json(&role));
        self.record_role(id, Some(before), None)?;
        if let Some(name) = name {
            self.announce(Change::RoleDeleted(name));
        }
        Ok(true)
    }

    fn record_role(
        &mut self,
        id: RoleId,
        before: Option<Value>,
        after: Option<Value>,
    ) -> Result<(), StorageError> {
        self.record(Record {
            entity: Entity::Role,
            entity_id: id.to_string(),
            tenant_id: None,
            before,
            after,
            ended_digests: Vec::new(),
        })
    }
}

fn role_json(role: &Role) -> Value {
    json!({
        "id": role.id.to_string(),
        "revision": role.revision.number(),
        "name": role.name.as_str(),
        "desc": role.desc,
        "permissions": permissions_json(&role.permissions),
        "uiPermissions": role.ui_permissions,
        "insertInstant": role.insert_instant.epoch_millis(),
        "lastUpdateInstant": role.last_update_instant.epoch_millis(),
    })
}

fn permissions_json(permissions: &[RolePermission]) -> Value {
    let permission = |permission: &RolePermission| {
        json!({
            "methods": permission.methods().iter().map(RequestMethod::as_str).collect::<Vec<_>>(),
            "path": permission.path(),
            "params": permission.values(),
        })
    };
    permissions.iter().map(permission).collect()
}

fn permissions_from_text(text: &str) -> Option<Vec<RolePermission>> {
    let permissions: Vec<Map<String, Value>> = serde_json::from_str(text).ok()?;
    permissions.into_iter().map(permission_from_json).collect()
}

fn permission_from_json(mut permission: Map<String, Value>) -> Option<RolePermission> {
    let methods: Vec<String> = serde_json::from_value(permission.remove("methods")?).ok()?;
    let path: String = serde_json::from_value(permission.remove("path")?).ok()?;
    let values: BTreeMap<String, Vec<String>> = serde_json::from_value(permission.remove("params")?).ok()?;
    let methods: RequestMethodSet =
        methods.iter().map(|method| method.parse()).collect::<Result<_, _>>().ok()?;
    RolePermission::new(methods, &path, values).ok().filter(|_| permission.is_empty())
}

impl From<&Role> for Row {
    fn from(role: &Role) -> Self {
        Self {
            id: role.id.to_string(),
            revision: role.revision.number(),
            name: role.name.as_str().to_owned(),
            description: role.desc.clone(),
            permissions: permissions_json(&role.permissions).to_string(),
            ui_permissions: json!(role.ui_permissions).to_string(),
            insert_instant: role.insert_instant.epoch_millis(),
            last_update_instant: role.last_update_instant.epoch_millis(),
        }
    }
}

impl TryFrom<Row> for Role {
    type Error = StorageError;

    fn try_from(row: Row) -> Result<Self, StorageError> {
        let id = row.id;
        let bad = |reason: &str| corrupt(Entity::Role, &id, reason);
        Ok(Self {
            id: id.parse().map_err(|_| bad("id"))?,
            revision: Revision::from_number(row.revision),
            name: RoleName::try_from(row.name.as_str()).map_err(|_| bad("name"))?,
            desc: row.description,
            permissions: permissions_from_text(&row.permissions).ok_or_else(|| bad("permissions"))?,
            ui_permissions: serde_json::from_str(&row.ui_permissions).map_err(|_| bad("ui permissions"))?,
            insert_instant: Instant::from_epoch_millis(row.insert_instant),
            last_update_instant: Instant::from_epoch_millis(row.last_update_instant),
        })
    }
}
