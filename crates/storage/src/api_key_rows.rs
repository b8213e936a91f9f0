//! API keys as rows: the columns, what they mean, and what change rows say of a key.

use std::collections::{BTreeMap, HashMap};

use claviger_domain::{
    ApiKey, ApiKeyDigest, EndpointPermissions, FusionId, Instant, Name, Permissions, Revision, RoleName,
    Sealed,
};
use diesel::prelude::*;
use serde_json::{Value, json};

use crate::schema::api_key;
use crate::transaction::corrupt;
use crate::{Entity, StorageError};

/// An API key as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredApiKey {
    /// What is known about it.
    pub api_key: ApiKey,
    /// Under which it is found, until it is rotated.
    pub digest: ApiKeyDigest,
    /// The sealed value of a retrievable key.
    pub sealed_value: Option<Sealed>,
}

#[derive(Queryable, Insertable)]
#[diesel(table_name = api_key)]
pub(crate) struct Row {
    pub(crate) id: String,
    pub(crate) revision: i64,
    digest: Vec<u8>,
    pub(crate) name: Option<String>,
    pub(crate) permissions: Option<String>,
    pub(crate) key_manager: bool,
    pub(crate) tenant_id: Option<String>,
    retrievable: bool,
    pub(crate) expiration_instant: Option<i64>,
    pub(crate) attributes: String,
    insert_instant: i64,
    pub(crate) last_update_instant: i64,
    fusion_id: Option<String>,
    pub(crate) repeating_name: Option<String>,
    pub(crate) roles: Option<String>,
    pub(crate) ip_access_control_list_id: Option<String>,
    pub(crate) disabled: bool,
}

/// The columns of [`Row`], in its order: all but the sealed value and the folded name.
pub(crate) type Columns = (
    api_key::id,
    api_key::revision,
    api_key::digest,
    api_key::name,
    api_key::permissions,
    api_key::key_manager,
    api_key::tenant_id,
    api_key::retrievable,
    api_key::expiration_instant,
    api_key::attributes,
    api_key::insert_instant,
    api_key::last_update_instant,
    api_key::fusion_id,
    api_key::repeating_name,
    api_key::roles,
    api_key::ip_access_control_list_id,
    api_key::disabled,
);

pub(crate) const COLUMNS: Columns = (
    api_key::id,
    api_key::revision,
    api_key::digest,
    api_key::name,
    api_key::permissions,
    api_key::key_manager,
    api_key::tenant_id,
    api_key::retrievable,
    api_key::expiration_instant,
    api_key::attributes,
    api_key::insert_instant,
    api_key::last_update_instant,
    api_key::fusion_id,
    api_key::repeating_name,
    api_key::roles,
    api_key::ip_access_control_list_id,
    api_key::disabled,
);

/// A key as it comes back from its row: of a key without a name there is nothing that could repeat.
pub(crate) fn as_stored(api_key: &ApiKey) -> ApiKey {
    ApiKey { name_repeats: api_key.name_repeats && api_key.name.is_some(), ..api_key.clone() }
}

/// The names of the roles of a key, in their order; none for a key without roles, whatever else it may do.
pub(crate) fn roles(permissions: &Permissions) -> &[RoleName] {
    match permissions {
        Permissions::Roles(roles) => roles,
        Permissions::All | Permissions::Only(_) => &[],
    }
}

/// The key for a change row, without its value.
pub(crate) fn api_key_json(api_key: &ApiKey) -> Value {
    let (permissions, roles) = permission_columns(&api_key.permissions);
    json!({
        "id": api_key.id.to_string(),
        "revision": api_key.revision.number(),
        "fusionId": api_key.fusion_id.as_ref().map(FusionId::as_str),
        "name": api_key.name.as_ref().map(Name::as_str),
        "nameRepeats": api_key.name_repeats,
        "attributes": api_key.attributes,
        "permissions": permissions,
        "roles": roles,
        "keyManager": api_key.key_manager,
        "tenantId": api_key.tenant_id.map(|id| id.to_string()),
        "ipAccessControlListId": api_key.ip_access_control_list_id.map(|id| id.to_string()),
        "disabled": api_key.disabled,
        "retrievable": api_key.retrievable,
        "expirationInstant": api_key.expiration_instant.map(Instant::epoch_millis),
        "insertInstant": api_key.insert_instant.epoch_millis(),
        "lastUpdateInstant": api_key.last_update_instant.epoch_millis(),
    })
}

/// The columns `permissions` and `roles`. In the first one nothing (`NULL`) stands for all endpoints, and the empty text
/// for none: so that a program that does not know the second one takes a key with roles for a key that may do nothing.
fn permission_columns(permissions: &Permissions) -> (Option<String>, Option<Value>) {
    match permissions {
        Permissions::All => (None, None),
        Permissions::Only(list) => (Some(list.to_string()), None),
        Permissions::Roles(names) => {
            (Some(String::new()), Some(Value::from_iter(names.iter().map(RoleName::as_str))))
        }
    }
}

/// What the columns `permissions` and `roles` say.
///
/// # Errors
/// What makes no sense about them.
pub(crate) fn permissions_from_columns(
    permissions: Option<&str>,
    roles: Option<&str>,
) -> Result<Permissions, &'static str> {
    match (permissions, roles) {
        (None, None) => Ok(Permissions::All),
        (Some(text), None) => {
            text.parse::<EndpointPermissions>().map(Permissions::Only).map_err(|_| "permissions")
        }
        (Some(""), Some(roles)) => roles_from_text(roles).map(Permissions::Roles).ok_or("roles"),
        (_, Some(_)) => Err("permissions beside roles"),
    }
}

pub(crate) fn to_row(api_key: &ApiKey, digest: &ApiKeyDigest) -> Row {
    let name = api_key.name.as_ref().map(|name| name.as_str().to_owned());
    let (name, repeating_name) = if api_key.name_repeats { (None, name) } else { (name, None) };
    let (permissions, roles) = permission_columns(&api_key.permissions);
    Row {
        id: api_key.id.to_string(),
        revision: api_key.revision.number(),
        digest: digest.as_bytes().to_vec(),
        name,
        permissions,
        key_manager: api_key.key_manager,
        tenant_id: api_key.tenant_id.map(|id| id.to_string()),
        retrievable: api_key.retrievable,
        expiration_instant: api_key.expiration_instant.map(Instant::epoch_millis),
        attributes: json!(api_key.attributes).to_string(),
        insert_instant: api_key.insert_instant.epoch_millis(),
        last_update_instant: api_key.last_update_instant.epoch_millis(),
        fusion_id: api_key.fusion_id.as_ref().map(|id| id.as_str().to_owned()),
        repeating_name,
        roles: roles.map(|roles| roles.to_string()),
        ip_access_control_list_id: api_key.ip_access_control_list_id.map(|id| id.to_string()),
        disabled: api_key.disabled,
    }
}

pub(crate) fn digest_of(row: &Row) -> Result<ApiKeyDigest, StorageError> {
    row.digest
        .as_slice()
        .try_into()
        .map(ApiKeyDigest::from_bytes)
        .map_err(|_| corrupt(Entity::ApiKey, &row.id, "digest"))
}

/// What lists of permissions say, by their text: many keys have the same, and to read a text takes longer than to look it up.
#[derive(Debug, Default)]
pub(crate) struct KnownPermissions(HashMap<String, Permissions>);

impl KnownPermissions {
    /// How many texts are remembered.
    const LIMIT: usize = 4096;

    /// As [`permissions_from_columns`].
    fn read(
        &mut self,
        permissions: Option<String>,
        roles: Option<&str>,
    ) -> Result<Permissions, &'static str> {
        let (Some(text), None) = (&permissions, roles) else {
            return permissions_from_columns(permissions.as_deref(), roles);
        };
        if let Some(known) = self.0.get(text) {
            return Ok(known.clone());
        }
        let meant = permissions_from_columns(Some(text), None)?;
        if self.0.len() >= Self::LIMIT {
            self.0.clear();
        }
        self.0.extend(permissions.map(|text| (text, meant.clone())));
        Ok(meant)
    }
}

pub(crate) fn from_row(row: Row) -> Result<(ApiKeyDigest, ApiKey), StorageError> {
    from_row_knowing(row, &mut KnownPermissions::default())
}

/// As [`from_row`], for one of many rows.
pub(crate) fn from_row_knowing(
    row: Row,
    known: &mut KnownPermissions,
) -> Result<(ApiKeyDigest, ApiKey), StorageError> {
    let digest = digest_of(&row)?;
    let id = row.id;
    let bad = |reason: &str| corrupt(Entity::ApiKey, &id, reason);
    let permissions = known.read(row.permissions, row.roles.as_deref()).map_err(bad)?;
    let name_repeats = row.repeating_name.is_some();
    if name_repeats && row.name.is_some() {
        return Err(bad("two names"));
    }
    let name = row.name.or(row.repeating_name);
    let attributes: BTreeMap<String, String> = match row.attributes.as_str() {
        "{}" => BTreeMap::new(),
        attributes => serde_json::from_str(attributes).map_err(|_| bad("attributes"))?,
    };
    let api_key = ApiKey {
        id: id.parse().map_err(|_| bad("id"))?,
        revision: Revision::from_number(row.revision),
        fusion_id: row.fusion_id.map(FusionId::try_from).transpose().map_err(|_| bad("fusion id"))?,
        name: name.map(Name::try_from).transpose().map_err(|_| bad("name"))?,
        name_repeats,
        attributes,
        permissions,
        key_manager: row.key_manager,
        tenant_id: row.tenant_id.map(|text| text.parse()).transpose().map_err(|_| bad("tenant id"))?,
        ip_access_control_list_id: row
            .ip_access_control_list_id
            .map(|text| text.parse())
            .transpose()
            .map_err(|_| bad("IP access control list id"))?,
        disabled: row.disabled,
        retrievable: row.retrievable,
        expiration_instant: row.expiration_instant.map(Instant::from_epoch_millis),
        insert_instant: Instant::from_epoch_millis(row.insert_instant),
        last_update_instant: Instant::from_epoch_millis(row.last_update_instant),
    };
    Ok((digest, api_key))
}

fn roles_from_text(text: &str) -> Option<Vec<RoleName>> {
    let names: Vec<String> = serde_json::from_str(text).ok()?;
    names.iter().map(|name| RoleName::try_from(name.as_str()).ok()).collect()
}
