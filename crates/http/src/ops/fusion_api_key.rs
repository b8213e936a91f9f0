//! API keys in Lucidworks Fusion's dialect: create, list, read, delete. Such a key may do what its roles allow; what a caller
//! may give away is compared as everywhere else.

use std::collections::BTreeMap;
use std::sync::Arc;

use claviger_authz::may_grant;
use claviger_domain::{
    ApiKey, ApiKeyId, FusionId, Instant, Name, Permissions, Revision, RoleName, SecretText, TenantScope,
    TenantState,
};
use claviger_storage::{ReadTransaction, StoredApiKey, TxError};

use super::api_key::{ApiKeyReference, make_value};
use super::power::Power;
use super::{id_bytes, write};
use crate::error::{ApiError, FusionError};
use crate::gate::{Caller, Refusal};
use crate::state::AppState;
use crate::wire::errors::FusionCode;

/// A key to make.
#[derive(Debug, Clone)]
pub(crate) struct CreateFusionApiKey {
    pub(crate) name: Name,
    pub(crate) id: Option<FusionId>,
    /// In the order given, each once.
    pub(crate) roles: Vec<RoleName>,
    pub(crate) disabled: bool,
}

/// A key as this dialect shows it.
#[derive(Debug, Clone)]
pub(crate) struct FusionApiKey {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) roles: Vec<String>,
    pub(crate) created: Instant,
    /// Whether it is refused: because it is disabled, or because it has expired.
    pub(crate) disabled: bool,
}

/// The role of whoever may do everything.
pub(crate) const ADMIN: &str = "admin";

/// Makes a key and shows its value, this once.
pub(crate) fn create(
    state: &AppState,
    caller: &Arc<Caller>,
    command: CreateFusionApiKey,
) -> Result<(FusionApiKey, SecretText), ApiError> {
    let now = state.now();
    // An id that looks like a UUID is one, so that one text never means two keys.
    let uuid = command.id.as_ref().and_then(|id| id.as_str().parse().ok());
    let id = match uuid {
        Some(id) => id,
        None => ApiKeyId::from_random_bytes(id_bytes(&mut state.random())?),
    };
    let value = make_value(state, id, None, false)?;
    let (digest, admin_keys) = (value.digest, state.fusion_admin_keys);
    let owner = Arc::clone(caller);
    let made = write(state, caller, now, move |tx| {
        let api_key = ApiKey {
            id,
            revision: Revision::FIRST,
            fusion_id: Some(match &command.id {
                Some(id) => id.clone(),
                None => free_id(tx, &command.name, now)?,
            }),
            name: Some(command.name.clone()),
            name_repeats: true,
            attributes: BTreeMap::new(),
            permissions: Permissions::Roles(command.roles.clone()),
            key_manager: false,
            tenant_id: owner.scope().tenant(),
            ip_access_control_list_id: None,
            disabled: command.disabled,
            // So that the value, which is shown once in this dialect, is shown once in the other one too.
            retrievable: false,
            expiration_instant: None,
            insert_instant: now,
            last_update_instant: now,
        };
        check_roles(tx, &command.roles)?;
        let power = Power::of(tx, &api_key)?;
        if power.key_manager && !admin_keys {
            let message = "Keys whose roles allow everything cannot be made through this API.";
            return Err(refused(FusionCode::AdminKeyNotAllowed, message));
        }
        // A key that manages others because its roles allow everything comes only from a caller who holds everything.
        let wanted = claviger_authz::Access { key_manager: false, ..power.access() };
        if may_grant(&owner.access(), owner.scope(), &wanted).is_err() {
            return Err(TxError::Abort(ApiError::Refused(Refusal::ObjectNotCovered(owner.api_key_id()))));
        }
        if let Some(tenant_id) = api_key.tenant_id {
            let tenant = tx.find_tenant(tenant_id, owner.scope())?;
            if tenant.is_none_or(|tenant| tenant.state != TenantState::Active) {
                return Err(refused(FusionCode::InvalidTenant, "There is no such tenant within reach."));
            }
        }
        // In any tenant: ids are unique in the whole instance.
        let by_fusion_id = match &api_key.fusion_id {
            Some(id) => tx.find_api_key_by_fusion_id(id, TenantScope::All)?,
            None => None,
        };
        if by_fusion_id.is_some() || tx.find_api_key(id, TenantScope::All)?.is_some() {
            return Err(refused(FusionCode::AlreadyExists, "An API key with this id exists already."));
        }
        let shown = shown(&api_key, &power, now);
        tx.insert_api_key(&StoredApiKey { api_key, digest, sealed_value: None })?;
        Ok(shown)
    })?;
    Ok((made, value.text))
}

fn refused(code: FusionCode, message: impl Into<String>) -> TxError<ApiError> {
    TxError::Abort(FusionError::new(code, message).into())
}

/// A misspelt role must not make a key that quietly can do less than was meant.
fn check_roles(tx: &mut ReadTransaction<'_>, names: &[RoleName]) -> Result<(), TxError<ApiError>> {
    let found = tx.roles_named(names)?;
    match names.iter().find(|name| found.iter().all(|role| role.name != **name)) {
        Some(unknown) => {
            Err(refused(FusionCode::UnknownRole, format!("There is no role with the name {unknown}.")))
        }
        None => Ok(()),
    }
}

/// The longest slug in a generated id: with the rest it stays below the longest id.
const MAXIMUM_SLUG: usize = 200;

/// How many ids are tried before the caller is told to try again: in the next millisecond others are free.
const MAXIMUM_TAKEN_IDS: usize = 64;

/// The id of a key for which none was chosen, as Fusion's user interface makes them: `api-key-<slug>-<14 digits>`, the
/// digits being milliseconds since the epoch and one more, which counts up until the id is free.
fn free_id(tx: &mut ReadTransaction<'_>, name: &Name, now: Instant) -> Result<FusionId, TxError<ApiError>> {
    let mut number = now.epoch_millis().saturating_mul(10);
    for _ in 0..MAXIMUM_TAKEN_IDS {
        let text = format!("api-key-{}-{number:014}", slug(name.as_str()));
        let id = FusionId::try_from(text)
            .map_err(|error| TxError::Abort(ApiError::Internal(format!("a generated id: {error}"))))?;
        if tx.find_api_key_by_fusion_id(&id, TenantScope::All)?.is_none() {
            return Ok(id);
        }
        number = number.saturating_add(1);
    }
    // Somebody makes a lot of keys of one name, or took the ids ahead.
    Err(TxError::Abort(ApiError::Conflict))
}

/// The letters and digits of a name in lower case, each run of anything else as one hyphen.
fn slug(name: &str) -> String {
    let lower = name.to_ascii_lowercase();
    let words: Vec<_> =
        lower.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty()).collect();
    let mut slug = words.join("-");
    slug.truncate(MAXIMUM_SLUG);
    let slug = slug.trim_end_matches('-');
    if slug.is_empty() { "key".to_owned() } else { slug.to_owned() }
}

/// A key in this dialect, whichever it was made in.
fn shown(api_key: &ApiKey, power: &Power, now: Instant) -> FusionApiKey {
    let uuid = api_key.id.to_string();
    let name = api_key.name.as_ref().map(Name::as_str).or_else(|| {
        api_key.attributes.get("description").map(String::as_str).filter(|text| !text.is_empty())
    });
    let roles = match &api_key.permissions {
        Permissions::Roles(names) => names.iter().map(|name| name.as_str().to_owned()).collect(),
        // The same power in both readings.
        Permissions::All if power.key_manager && power.tenant_id.is_none() => vec![ADMIN.to_owned()],
        Permissions::All | Permissions::Only(_) => Vec::new(),
    };
    FusionApiKey {
        name: name.unwrap_or(&uuid).to_owned(),
        id: api_key.fusion_id.as_ref().map_or(uuid, |id| id.as_str().to_owned()),
        roles,
        created: api_key.insert_instant,
        disabled: api_key.disabled || api_key.expiration_instant.is_some_and(|end| end <= now),
    }
}

/// Every key that the caller could read one by one, the oldest first.
pub(crate) fn retrieve_all(state: &AppState, caller: &Caller) -> Result<Vec<FusionApiKey>, ApiError> {
    let now = state.now();
    let mut keys = state.store.read::<_, ApiError>(|tx| {
        let mut keys = Vec::new();
        for api_key in tx.list_api_keys(caller.scope())? {
            let (permissions, manages) = state.keyring.compile(&api_key.permissions);
            let key_manager = api_key.key_manager || manages;
            let power = Power { permissions, key_manager, tenant_id: api_key.tenant_id };
            if power.is_covered_by(caller) {
                keys.push(shown(&api_key, &power, now));
            }
        }
        Ok(keys)
    })?;
    keys.sort_by(|a, b| (a.created, &a.id).cmp(&(b.created, &b.id)));
    Ok(keys)
}

/// Reads a key, never with its value.
pub(crate) fn retrieve(
    state: &AppState,
    caller: &Caller,
    reference: &ApiKeyReference,
) -> Result<FusionApiKey, ApiError> {
    let now = state.now();
    state
        .store
        .read::<_, ApiError>(|tx| {
            let stored = reference.find(tx, caller.scope())?;
            let power = Power::of(tx, &stored.api_key)?;
            power.require_covered_by(caller).map_err(TxError::Abort)?;
            Ok(shown(&stored.api_key, &power, now))
        })
        .map_err(ApiError::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slugs() {
        for (name, expected) in [
            ("core_ui", "core-ui"),
            ("searchaccess", "searchaccess"),
            ("  Kiosk #1 (Paris) ", "kiosk-1-paris"),
            ("éé", "key"),
            ("_", "key"),
        ] {
            assert_eq!(slug(name), expected, "{name}");
        }
        assert_eq!(slug(&"a b".repeat(100)).len(), MAXIMUM_SLUG - 1);
    }
}
