//! API keys of a Kickstart file. Nobody's power bounds them: whoever chooses the file of an empty instance owns it.

use claviger_domain::{
    Actor, ApiKey, ApiKeyId, ChangeContext, Revision, SecretText, TenantScope, TenantState, Violation,
    Violations, codes,
};
use claviger_storage::{StoredApiKey, TxError};

use super::api_key::{CreateApiKey, check_list, check_name, is_usable, make_value};
use super::instance::SHORTEST_BOOTSTRAP_KEY;
use crate::error::ApiError;
use crate::state::AppState;

/// Makes a key, which may be a key manager. The value of `command` does not count.
///
/// # Errors
/// [`ApiError::Invalid`] for what does not fit, such as a tenant that there is not.
pub(crate) fn create(
    state: &AppState,
    id: ApiKeyId,
    value: SecretText,
    command: CreateApiKey,
) -> Result<(), ApiError> {
    let fields = command.fields;
    let now = state.now();
    let api_key = ApiKey {
        id,
        revision: Revision::FIRST,
        name: fields.name,
        attributes: fields.attributes,
        permissions: fields.permissions,
        key_manager: fields.key_manager.unwrap_or(false),
        tenant_id: fields.tenant_id,
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
    if !api_key.retrievable && api_key.name.is_none() {
        violations.add(&codes::API_KEY_NAME_BLANK);
    }
    if !is_usable(state, value.expose()) {
        violations.add(&codes::API_KEY_KEY_INVALID);
    } else if api_key.key_manager && value.expose().len() < SHORTEST_BOOTSTRAP_KEY {
        violations.push(
            Violation::new(&codes::API_KEY_KEY_INVALID)
                .with_message("The value of a key manager must have at least 16 bytes."),
        );
    }
    violations.into_result(()).map_err(ApiError::from)?;
    let value = make_value(state, id, Some(value), api_key.retrievable)?;
    let stored = StoredApiKey { api_key, digest: value.digest, sealed_value: value.sealed };
    let context = ChangeContext { actor: Actor::Kickstart, instant: now, address: None };
    let written = state.store.write::<_, ApiError, _>(&context, move |tx| {
        let mut violations = Violations::none();
        if let Some(tenant_id) = stored.api_key.tenant_id {
            let tenant = tx.find_tenant(tenant_id, TenantScope::All)?;
            if tenant.is_none_or(|tenant| tenant.state != TenantState::Active) {
                violations.add(&codes::API_KEY_TENANT_INVALID);
            }
        }
        check_list(tx, &stored.api_key, &mut violations)?;
        check_name(tx, &stored.api_key, &mut violations)?;
        violations.into_result(()).map_err(|violations| TxError::Abort(violations.into()))?;
        tx.insert_api_key(&stored)?;
        Ok(())
    });
    written.map_err(ApiError::from)
}
