//! API keys: create, copy, read, change, delete.
//!
//! Power only shrinks: whatever a caller makes or changes is compared with what the caller holds, on the stored key and
//! on the result alike (`claviger_authz::may_grant`, `may_manage`). Key managers are never made here.

use std::collections::BTreeMap;
use std::sync::Arc;

use claviger_authz::{Access, CompiledPermissions, GrantRefusal, may_grant, may_manage};
use claviger_crypto::SealedItem;
use claviger_domain::{
    ApiKey, ApiKeyDigest, ApiKeyId, Instant, Name, Permissions, Revision, Sealed, SecretText, TenantId,
    TenantState, Violations, codes,
};
use claviger_storage::{StoredApiKey, TxError};

use super::{id_bytes, write};
use crate::credential::has_scheme;
use crate::error::ApiError;
use crate::gate::{Caller, Refusal};
use crate::state::AppState;

/// What a caller may say about a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ApiKeyFields {
    pub(crate) name: Option<Name>,
    pub(crate) attributes: BTreeMap<String, String>,
    pub(crate) permissions: Permissions,
    /// The request says expressly, with `null`, that there shall be no restriction.
    pub(crate) lifts_restrictions: bool,
    pub(crate) key_manager: Option<bool>,
    pub(crate) tenant_id: Option<TenantId>,
    pub(crate) retrievable: Option<bool>,
    pub(crate) expiration_instant: Option<Instant>,
}

/// A new key.
pub(crate) struct CreateApiKey {
    pub(crate) value: Option<SecretText>,
    pub(crate) fields: ApiKeyFields,
}

/// A new key with the power of another one.
pub(crate) struct CopyApiKey {
    pub(crate) source_id: ApiKeyId,
    pub(crate) name: Option<Name>,
}

/// One of the two ways to a new key.
pub(crate) enum NewApiKey {
    Create(CreateApiKey),
    Copy(CopyApiKey),
}

/// A key with its value, where the caller may see it.
pub(crate) type ShownApiKey = (ApiKey, Option<SecretText>);

/// Makes a key, with this id or a random one.
pub(crate) fn create(
    state: &AppState,
    caller: &Arc<Caller>,
    id: Option<ApiKeyId>,
    command: NewApiKey,
) -> Result<ShownApiKey, ApiError> {
    let id = match id {
        Some(id) => id,
        None => ApiKeyId::from_random_bytes(id_bytes(&mut state.random())?),
    };
    match command {
        NewApiKey::Create(command) => create_new(state, caller, id, command),
        NewApiKey::Copy(command) => copy(state, caller, id, command),
    }
}

/// The value, digest and sealed form of a key that is about to be stored.
struct Value {
    text: SecretText,
    digest: ApiKeyDigest,
    sealed: Option<Sealed>,
}

fn make_value(
    state: &AppState,
    id: ApiKeyId,
    chosen: Option<SecretText>,
    retrievable: bool,
) -> Result<Value, ApiError> {
    let mut random = state.random();
    let text = match chosen {
        Some(text) => text,
        None => state.api_key_format.generate(&mut random)?,
    };
    let digest = state.digester.digest(text.expose().as_bytes());
    let sealed = retrievable
        .then(|| state.sealer.seal(SealedItem::ApiKeyValue(id), text.expose().as_bytes(), &mut random))
        .transpose()?;
    Ok(Value { text, digest, sealed })
}

/// Whether a chosen value could be presented later on.
fn is_usable(state: &AppState, value: &str) -> bool {
    value.trim() == value
        && !value.chars().any(char::is_control)
        && !has_scheme(value.as_bytes())
        && !state.is_mistyped(value.as_bytes())
}

fn create_new(
    state: &AppState,
    caller: &Arc<Caller>,
    id: ApiKeyId,
    command: CreateApiKey,
) -> Result<ShownApiKey, ApiError> {
    let CreateApiKey { value, fields } = command;
    let now = state.now();
    let api_key = ApiKey {
        id,
        revision: Revision::FIRST,
        name: fields.name,
        attributes: fields.attributes,
        permissions: fields.permissions,
        key_manager: false,
        // Who is confined to a tenant makes keys of that tenant without having to say so.
        tenant_id: fields.tenant_id.or(caller.scope().tenant()),
        fusion_id: None,
        name_repeats: false,
        ip_access_control_list_id: None,
        disabled: false,
        retrievable: fields.retrievable.unwrap_or(true),
        expiration_instant: fields.expiration_instant,
        insert_instant: now,
        last_update_instant: now,
    };
    let mut violations = Violations::none();
    if fields.key_manager == Some(true) {
        violations.add(&codes::API_KEY_KEY_MANAGER_NOT_ALLOWED);
    }
    if !api_key.retrievable && api_key.name.is_none() {
        violations.add(&codes::API_KEY_NAME_BLANK);
    }
    if value.as_ref().is_some_and(|value| !is_usable(state, value.expose())) {
        violations.add(&codes::API_KEY_KEY_INVALID);
    }
    check_grant(caller, &api_key, &mut violations);
    violations.into_result(()).map_err(ApiError::from)?;
    let value = make_value(state, id, value, api_key.retrievable)?;
    insert(state, caller, api_key, value, None)
}

fn copy(
    state: &AppState,
    caller: &Arc<Caller>,
    id: ApiKeyId,
    command: CopyApiKey,
) -> Result<ShownApiKey, ApiError> {
    let CopyApiKey { source_id, name } = command;
    let now = state.now();
    let scope = caller.scope();
    let source = state.store.read::<_, ApiError>(|tx| Ok(tx.find_api_key(source_id, scope)?))?;
    // Unknown, out of reach, not covered, a manager: all look the same.
    let source = source
        .map(|stored| stored.api_key)
        .filter(|source| !source.key_manager && covers(caller, source))
        .ok_or(ApiError::from(&codes::SOURCE_KEY_ID_INVALID))?;
    if !source.retrievable && name.is_none() {
        return Err((&codes::API_KEY_NAME_BLANK).into());
    }
    let source_revision = source.revision;
    let api_key = ApiKey {
        id,
        revision: Revision::FIRST,
        name,
        key_manager: false,
        insert_instant: now,
        last_update_instant: now,
        ..source
    };
    let value = make_value(state, id, None, api_key.retrievable)?;
    insert(state, caller, api_key, value, Some((source_id, source_revision)))
}

/// Inserts a key. `source` must still stand as it was read: a copy of a key that was narrowed or deleted meanwhile would
/// carry power that was just taken away.
fn insert(
    state: &AppState,
    caller: &Arc<Caller>,
    api_key: ApiKey,
    value: Value,
    source: Option<(ApiKeyId, Revision)>,
) -> Result<ShownApiKey, ApiError> {
    let scope = caller.scope();
    let stored = StoredApiKey { api_key, digest: value.digest, sealed_value: value.sealed };
    let shown = stored.api_key.clone();
    write(state, caller, state.now(), move |tx| {
        if let Some((id, revision)) = source {
            let unchanged =
                tx.find_api_key(id, scope)?.is_some_and(|found| found.api_key.revision == revision);
            if !unchanged {
                return Err(TxError::Abort((&codes::SOURCE_KEY_ID_INVALID).into()));
            }
        }
        if let Some(tenant_id) = stored.api_key.tenant_id {
            let active =
                tx.find_tenant(tenant_id, scope)?.is_some_and(|tenant| tenant.state == TenantState::Active);
            if !active {
                return Err(TxError::Abort((&codes::API_KEY_TENANT_INVALID).into()));
            }
        }
        tx.insert_api_key(&stored)?;
        Ok(())
    })?;
    Ok((shown, Some(value.text)))
}

/// Reads a key.
pub(crate) fn retrieve(state: &AppState, caller: &Caller, id: ApiKeyId) -> Result<ShownApiKey, ApiError> {
    let scope = caller.scope();
    let stored =
        state.store.read::<_, ApiError>(|tx| Ok(tx.find_api_key(id, scope)?))?.ok_or(ApiError::NotFound)?;
    require_covered(caller, &stored.api_key)?;
    shown(state, stored.api_key, stored.sealed_value.as_ref())
}

fn shown(state: &AppState, api_key: ApiKey, sealed: Option<&Sealed>) -> Result<ShownApiKey, ApiError> {
    let value = match sealed {
        Some(sealed) if api_key.retrievable => {
            let plain = state.sealer.unseal(SealedItem::ApiKeyValue(api_key.id), sealed)?;
            let text = std::str::from_utf8(plain.expose()).map_err(|_| {
                ApiError::Internal(format!("the sealed value of API key {} is no text", api_key.id))
            })?;
            Some(SecretText::from(text.to_owned()))
        }
        _ => None,
    };
    Ok((api_key, value))
}

/// Changes a key: `compute` makes the new fields from the stored key, and may be called again when another change came
/// first.
pub(crate) fn update(
    state: &AppState,
    caller: &Arc<Caller>,
    id: ApiKeyId,
    compute: impl Fn(&ApiKey) -> Result<ApiKeyFields, Violations> + Send + 'static,
) -> Result<ShownApiKey, ApiError> {
    let now = state.now();
    let owner = Arc::clone(caller);
    let (api_key, sealed) = write(state, caller, now, move |tx| {
        let stored = tx.find_api_key(id, owner.scope())?.ok_or(TxError::Abort(ApiError::NotFound))?;
        require_covered(&owner, &stored.api_key).map_err(TxError::Abort)?;
        let fields = compute(&stored.api_key).map_err(|violations| TxError::Abort(violations.into()))?;
        let changed = apply(&owner, stored.api_key, fields, now)
            .map_err(|violations| TxError::Abort(violations.into()))?;
        let changed = tx.update_api_key(&changed)?;
        Ok((changed, stored.sealed_value))
    })?;
    shown(state, api_key, sealed.as_ref())
}

fn apply(caller: &Caller, stored: ApiKey, fields: ApiKeyFields, now: Instant) -> Result<ApiKey, Violations> {
    let mut violations = Violations::none();
    if fields.key_manager == Some(true) && !stored.key_manager {
        violations.add(&codes::API_KEY_KEY_MANAGER_NOT_ALLOWED);
    }
    // `retrievable` stays as it is, whatever the request says: the Go client always sends one. A tenant that differs is
    // refused, because a caller who means to move a key must not believe that it was moved.
    if fields.tenant_id.is_some() && fields.tenant_id != stored.tenant_id {
        violations.add(&codes::API_KEY_TENANT_INVALID);
    }
    if !stored.retrievable && fields.name.is_none() {
        violations.add(&codes::API_KEY_NAME_BLANK);
    }
    let stored_is_powerless = matches!(&stored.permissions, Permissions::Only(list) if list.is_empty());
    let changed = ApiKey {
        name: fields.name,
        attributes: fields.attributes,
        permissions: fields.permissions,
        expiration_instant: fields.expiration_instant,
        last_update_instant: now,
        ..stored
    };
    if stored_is_powerless && changed.permissions == Permissions::All && !fields.lifts_restrictions {
        violations.add(&codes::API_KEY_PERMISSIONS_LIFTED);
    }
    if !covers(caller, &changed) {
        violations.add(&codes::API_KEY_PERMISSIONS_NOT_AUTHORIZED);
    }
    violations.into_result(changed)
}

/// Deletes a key.
pub(crate) fn delete(state: &AppState, caller: &Arc<Caller>, id: ApiKeyId) -> Result<(), ApiError> {
    let owner = Arc::clone(caller);
    write(state, caller, state.now(), move |tx| {
        let stored = tx.find_api_key(id, owner.scope())?.ok_or(TxError::Abort(ApiError::NotFound))?;
        require_covered(&owner, &stored.api_key).map_err(TxError::Abort)?;
        // Two deletions can meet: the second one found the key, and finds nothing to delete.
        if tx.delete_api_key(id, owner.scope())? { Ok(()) } else { Err(TxError::Abort(ApiError::NotFound)) }
    })
}

fn check_grant(caller: &Caller, wanted: &ApiKey, violations: &mut Violations) {
    let permissions = CompiledPermissions::from(&wanted.permissions);
    match may_grant(&caller.access(), caller.scope(), &access(wanted, &permissions)) {
        Ok(()) => {}
        Err(GrantRefusal::Tenant) => violations.add(&codes::API_KEY_TENANT_INVALID),
        Err(GrantRefusal::KeyManager) => violations.add(&codes::API_KEY_KEY_MANAGER_NOT_ALLOWED),
        // Whatever else comes to stand against a grant: refuse.
        Err(_) => violations.add(&codes::API_KEY_PERMISSIONS_NOT_AUTHORIZED),
    }
}

fn covers(caller: &Caller, target: &ApiKey) -> bool {
    let permissions = CompiledPermissions::from(&target.permissions);
    may_manage(&caller.access(), caller.scope(), &access(target, &permissions)).is_ok()
}

fn require_covered(caller: &Caller, target: &ApiKey) -> Result<(), ApiError> {
    if covers(caller, target) {
        Ok(())
    } else {
        Err(ApiError::Refused(Refusal::ObjectNotCovered(caller.api_key_id())))
    }
}

fn access<'a>(api_key: &ApiKey, permissions: &'a CompiledPermissions) -> Access<'a> {
    Access {
        permissions,
        key_manager: api_key.key_manager,
        tenant_id: api_key.tenant_id,
        expiration_instant: api_key.expiration_instant,
    }
}
