//! API keys: create, copy, read, change, delete.
//!
//! Power only shrinks: whatever a caller makes or changes is compared with what the caller holds, on the stored key and
//! on the result alike (`claviger_authz::may_grant`, `may_manage`). Key managers are never made here.

use std::collections::BTreeMap;
use std::sync::Arc;

use claviger_authz::{GrantRefusal, may_grant};
use claviger_crypto::SealedItem;
use claviger_domain::{
    ApiKey, ApiKeyDigest, ApiKeyId, EndpointPath, EndpointPermissions, FusionId, Instant,
    IpAccessControlListId, MethodSet, Name, Permissions, Revision, RoleName, Sealed, SecretText, TenantId,
    TenantScope, TenantState, Violations, codes,
};
use claviger_storage::{ReadTransaction, StorageError, StoredApiKey, TxError};

use super::power::Power;
use super::{id_bytes, write};
use crate::credential::has_scheme;
use crate::error::ApiError;
use crate::gate::Caller;
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
    pub(crate) ip_access_control_list_id: Option<IpAccessControlListId>,
    /// `None` leaves it as it is.
    pub(crate) disabled: Option<bool>,
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

/// A key as FusionAuth's clients see it, with its value where the caller may see that.
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
pub(crate) struct Value {
    pub(crate) text: SecretText,
    pub(crate) digest: ApiKeyDigest,
    pub(super) sealed: Option<Sealed>,
}

pub(crate) fn make_value(
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
pub(super) fn is_usable(state: &AppState, value: &str) -> bool {
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
        ip_access_control_list_id: fields.ip_access_control_list_id,
        disabled: fields.disabled.unwrap_or(false),
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
    let (permissions, key_manager) = state.keyring.compile(&api_key.permissions);
    let power = Power { permissions, key_manager, tenant_id: api_key.tenant_id };
    check_grant(caller, caller.scope(), &power, &mut violations);
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
    let source = state.store.read::<_, ApiError>(|tx| {
        let Some(stored) = tx.find_api_key(source_id, scope)? else { return Ok(None) };
        let power = Power::of(tx, &stored.api_key)?;
        Ok((!power.key_manager && power.is_covered_by(caller)).then_some(stored.api_key))
    })?;
    // Unknown, out of reach, not covered, a manager: all look the same.
    let source = source.ok_or(ApiError::from(&codes::SOURCE_KEY_ID_INVALID))?;
    if !source.retrievable && name.is_none() {
        return Err((&codes::API_KEY_NAME_BLANK).into());
    }
    let source_revision = source.revision;
    let api_key = ApiKey {
        id,
        revision: Revision::FIRST,
        name,
        name_repeats: false,
        fusion_id: None,
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
    let owner = Arc::clone(caller);
    let stored = StoredApiKey { api_key, digest: value.digest, sealed_value: value.sealed };
    let shown = write(state, caller, state.now(), move |tx| {
        if let Some((id, revision)) = source {
            let unchanged =
                tx.find_api_key(id, scope)?.is_some_and(|found| found.api_key.revision == revision);
            // Its roles can have been widened meanwhile, which changes no key.
            let power = Power::of(tx, &stored.api_key)?;
            if !unchanged || power.key_manager || !power.is_covered_by(&owner) {
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
        let mut violations = Violations::none();
        check_list(tx, &stored.api_key, &mut violations)?;
        check_name(tx, &stored.api_key, &mut violations)?;
        violations.into_result(()).map_err(|violations| TxError::Abort(violations.into()))?;
        tx.insert_api_key(&stored)?;
        Ok(view(&stored.api_key, &Power::of(tx, &stored.api_key)?))
    })?;
    Ok((shown, Some(value.text)))
}

/// How a request names a key: by the id that was chosen in Fusion's dialect, or by the UUID.
#[derive(Debug, Clone)]
pub(crate) struct ApiKeyReference {
    pub(crate) fusion_id: Option<FusionId>,
    pub(crate) id: Option<ApiKeyId>,
}

impl ApiKeyReference {
    /// The key within the scope: the id of Fusion's dialect comes first, since it was chosen.
    ///
    /// # Errors
    /// [`ApiError::NotFound`]; where the reference can be no UUID, `[couldNotConvert]apiKeyId`.
    pub(crate) fn find(
        &self,
        tx: &mut ReadTransaction<'_>,
        scope: TenantScope,
    ) -> Result<StoredApiKey, TxError<ApiError>> {
        if let Some(fusion_id) = &self.fusion_id
            && let Some(found) = tx.find_api_key_by_fusion_id(fusion_id, scope)?
        {
            return Ok(found);
        }
        let Some(id) = self.id else {
            return Err(TxError::Abort((&codes::API_KEY_ID_COULD_NOT_CONVERT).into()));
        };
        tx.find_api_key(id, scope)?.ok_or(TxError::Abort(ApiError::NotFound))
    }
}

/// Reads a key.
pub(crate) fn retrieve(
    state: &AppState,
    caller: &Caller,
    reference: &ApiKeyReference,
) -> Result<ShownApiKey, ApiError> {
    let (stored, power) = state.store.read::<_, ApiError>(|tx| {
        let stored = reference.find(tx, caller.scope())?;
        let power = Power::of(tx, &stored.api_key)?;
        Ok((stored, power))
    })?;
    power.require_covered_by(caller)?;
    shown(state, view(&stored.api_key, &power), stored.sealed_value.as_ref())
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

/// Names of attributes that show what only Fusion's dialect has. They are read-only, and never stored.
pub(crate) const FUSION_ID: &str = "fusion.id";
/// As [`FUSION_ID`].
pub(crate) const FUSION_ROLES: &str = "fusion.roles";
/// The attribute for people. A key that was made in Fusion's dialect shows its name in it until one is given.
pub(crate) const DESCRIPTION: &str = "description";

/// A key as FusionAuth's clients see it: roles as the endpoints that they open. A key whose roles open none must not
/// look like one without restriction, and so shows a list that grants nothing.
pub(super) fn view(api_key: &ApiKey, power: &Power) -> ApiKey {
    let mut view = ApiKey { key_manager: power.key_manager, ..api_key.clone() };
    if let Permissions::Roles(names) = &api_key.permissions {
        view.permissions = shown_permissions(power);
        let names: Vec<_> = names.iter().map(RoleName::as_str).collect();
        view.attributes.insert(FUSION_ROLES.to_owned(), names.join(","));
        if let Some(name) = &api_key.name {
            view.attributes.entry(DESCRIPTION.to_owned()).or_insert_with(|| name.as_str().to_owned());
        }
    }
    if let Some(id) = &api_key.fusion_id {
        view.attributes.insert(FUSION_ID.to_owned(), id.as_str().to_owned());
    }
    view
}

fn shown_permissions(power: &Power) -> Permissions {
    if power.permissions.are_unrestricted() {
        return Permissions::All;
    }
    let mut endpoints = EndpointPermissions::default();
    for (endpoint, methods) in power.permissions.whole_endpoints() {
        if let Ok(path) = EndpointPath::try_from(endpoint.as_str()) {
            endpoints.add(path, methods);
        }
    }
    if endpoints.is_empty()
        && let Ok(path) = EndpointPath::try_from("/api/key")
    {
        endpoints.add(path, MethodSet::EMPTY);
    }
    Permissions::Only(endpoints)
}

/// Changes a key: `compute` makes the new fields from the key as it is shown, and may be called again when another change
/// came first.
pub(crate) fn update(
    state: &AppState,
    caller: &Arc<Caller>,
    reference: ApiKeyReference,
    compute: impl Fn(&ApiKey) -> Result<ApiKeyFields, Violations> + Send + 'static,
) -> Result<ShownApiKey, ApiError> {
    let now = state.now();
    let owner = Arc::clone(caller);
    let (api_key, sealed) = write(state, caller, now, move |tx| {
        let stored = reference.find(tx, owner.scope())?;
        let power = Power::of(tx, &stored.api_key)?;
        power.require_covered_by(&owner).map_err(TxError::Abort)?;
        let seen = view(&stored.api_key, &power);
        let fields = compute(&seen).map_err(|violations| TxError::Abort(violations.into()))?;
        let changed = apply(tx, &owner, stored.api_key, &seen, fields, now)?;
        let changed = tx.update_api_key(&changed)?;
        Ok((view(&changed, &Power::of(tx, &changed)?), stored.sealed_value))
    })?;
    shown(state, api_key, sealed.as_ref())
}

/// The outcome of a change. `seen` is the stored key as the caller sees it.
fn apply(
    tx: &mut ReadTransaction<'_>,
    caller: &Caller,
    stored: ApiKey,
    seen: &ApiKey,
    fields: ApiKeyFields,
    now: Instant,
) -> Result<ApiKey, TxError<ApiError>> {
    let mut violations = Violations::none();
    if fields.key_manager == Some(true) && !seen.key_manager {
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
    // Roles stay: what they allow cannot be said in endpoints. Sending back what was read changes nothing.
    let by_role = matches!(stored.permissions, Permissions::Roles(_));
    if by_role && fields.permissions != seen.permissions {
        violations.add(&codes::API_KEY_PERMISSIONS_BY_ROLE);
    }
    let renamed = fields.name != stored.name;
    let stored_is_powerless = matches!(&stored.permissions, Permissions::Only(list) if list.is_empty());
    let changed = ApiKey {
        name_repeats: stored.name_repeats && !renamed,
        name: fields.name,
        attributes: given_attributes(&stored, seen, fields.attributes),
        permissions: if by_role { stored.permissions } else { fields.permissions },
        ip_access_control_list_id: fields.ip_access_control_list_id,
        disabled: fields.disabled.unwrap_or(stored.disabled),
        expiration_instant: fields.expiration_instant,
        last_update_instant: now,
        ..stored
    };
    if stored_is_powerless && changed.permissions == Permissions::All && !fields.lifts_restrictions {
        violations.add(&codes::API_KEY_PERMISSIONS_LIFTED);
    }
    if !Power::of(tx, &changed)?.is_covered_by(caller) {
        violations.add(&codes::API_KEY_PERMISSIONS_NOT_AUTHORIZED);
    }
    check_list(tx, &changed, &mut violations)?;
    if renamed {
        check_name(tx, &changed, &mut violations)?;
    }
    violations.into_result(changed).map_err(|violations| TxError::Abort(violations.into()))
}

/// The attributes to store. A description that was only shown, and is sent back, was not given: it must not outlive the
/// name that it shows.
fn given_attributes(
    stored: &ApiKey,
    seen: &ApiKey,
    mut attributes: BTreeMap<String, String>,
) -> BTreeMap<String, String> {
    if !stored.attributes.contains_key(DESCRIPTION)
        && attributes.get(DESCRIPTION) == seen.attributes.get(DESCRIPTION)
    {
        attributes.remove(DESCRIPTION);
    }
    attributes
}

/// A list of addresses must exist: one that does not would let nobody in.
pub(super) fn check_list(
    tx: &mut ReadTransaction<'_>,
    api_key: &ApiKey,
    violations: &mut Violations,
) -> Result<(), StorageError> {
    if let Some(id) = api_key.ip_access_control_list_id
        && tx.find_ip_access_control_list(id)?.is_none()
    {
        violations.add(&codes::API_KEY_IP_ACL_INVALID);
    }
    Ok(())
}

/// Names that are given in FusionAuth's dialect are unique among all keys; the database knows only of those that were
/// given there.
pub(super) fn check_name(
    tx: &mut ReadTransaction<'_>,
    api_key: &ApiKey,
    violations: &mut Violations,
) -> Result<(), StorageError> {
    if let Some(name) = &api_key.name
        && tx.api_key_name_is_taken(name, Some(api_key.id))?
    {
        violations.add(&codes::API_KEY_NAME_DUPLICATE);
    }
    Ok(())
}

/// Deletes a key.
pub(crate) fn delete(
    state: &AppState,
    caller: &Arc<Caller>,
    reference: ApiKeyReference,
) -> Result<(), ApiError> {
    let owner = Arc::clone(caller);
    write(state, caller, state.now(), move |tx| {
        let stored = reference.find(tx, owner.scope())?;
        Power::of(tx, &stored.api_key)?.require_covered_by(&owner).map_err(TxError::Abort)?;
        let id = stored.api_key.id;
        // Two deletions can meet: the second one found the key, and finds nothing to delete.
        if tx.delete_api_key(id, owner.scope())? { Ok(()) } else { Err(TxError::Abort(ApiError::NotFound)) }
    })
}

fn check_grant(caller: &Caller, scope: TenantScope, wanted: &Power, violations: &mut Violations) {
    match may_grant(&caller.access(), scope, &wanted.access()) {
        Ok(()) => {}
        Err(GrantRefusal::Tenant) => violations.add(&codes::API_KEY_TENANT_INVALID),
        Err(GrantRefusal::KeyManager) => violations.add(&codes::API_KEY_KEY_MANAGER_NOT_ALLOWED),
        // Whatever else comes to stand against a grant: refuse.
        Err(_) => violations.add(&codes::API_KEY_PERMISSIONS_NOT_AUTHORIZED),
    }
}
