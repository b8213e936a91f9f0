//! Import of keys that were made elsewhere.

use std::sync::Arc;

use claviger_crypto::{ImportRefusal, ImportRequest, SealedItem, random_hmac_kid};
use claviger_domain::{Key, KeyAlgorithm, KeyId, KeyType, Kid, Name, Revision, SecretText, Violations};
use claviger_storage::StoredKey;

use super::id_bytes;
use super::key::{DescribedKey, check_before_work, describe, insert};
use crate::error::ApiError;
use crate::gate::Caller;
use crate::state::AppState;
use crate::wire::key::is_issuer;
use crate::wire::key_import::violation;

/// A key to import.
pub(crate) struct ImportKey {
    pub(crate) name: Name,
    pub(crate) algorithm: Option<KeyAlgorithm>,
    pub(crate) key_type: Option<KeyType>,
    pub(crate) kid: Option<Kid>,
    pub(crate) certificate: Option<String>,
    pub(crate) public_key: Option<String>,
    pub(crate) private_key: Option<SecretText>,
    pub(crate) secret: Option<SecretText>,
}

/// Imports a key. No connection is held while it is checked.
pub(crate) fn import(
    state: &AppState,
    caller: &Arc<Caller>,
    id: Option<KeyId>,
    command: ImportKey,
) -> Result<DescribedKey, ApiError> {
    let mut random = state.random();
    let id = match id {
        Some(id) => id,
        None => KeyId::from_random_bytes(id_bytes(&mut random)?),
    };
    let issuer = check_before_work(state, &command.name, id, None)?;
    let now = state.now();
    let imported = claviger_crypto::import(&ImportRequest {
        id,
        key_type: command.key_type,
        algorithm: command.algorithm,
        certificate: command.certificate.as_deref(),
        public_key: command.public_key.as_deref(),
        private_key: command.private_key.as_ref(),
        secret: command.secret.as_ref(),
        // An issuer that is too long for a certificate must not keep anybody from importing a key.
        issuer: if is_issuer(&issuer) { &issuer } else { claviger_domain::DEFAULT_ISSUER },
        now,
    })
    .map_err(refusal)?;
    let mut random_kid = false;
    let kid = match (imported.key_type, command.kid, imported.kid) {
        // Its name is what it is found by (FusionAuth: Keys, Import).
        (KeyType::Secret, _, _) => Kid::from(command.name.as_str().to_owned()),
        (_, Some(kid), _) | (_, None, Some(kid)) => kid,
        (_, None, None) => {
            random_kid = true;
            random_hmac_kid(&mut random)?
        }
    };
    let sealed_material = imported
        .material
        .as_ref()
        .map(|material| state.sealer.seal(SealedItem::KeyMaterial(id), material.expose(), &mut random))
        .transpose()?;
    let stored = StoredKey {
        key: Key {
            id,
            revision: Revision::FIRST,
            name: command.name,
            kid,
            key_type: imported.key_type,
            algorithm: imported.algorithm,
            length: imported.length,
            issuer: imported.issuer,
            public_key: imported.public_key,
            certificate: imported.certificate,
            has_private_key: imported.material.is_some(),
            shadow: false,
            expiration_instant: imported.expiration_instant,
            insert_instant: now,
            last_update_instant: now,
        },
        sealed_material,
    };
    describe(insert(state, caller, stored, random_kid)?)
}

fn refusal(refusal: ImportRefusal) -> ApiError {
    match refusal {
        ImportRefusal::Problems(problems) => {
            let mut violations = Violations::none();
            for problem in problems {
                violations.push(violation(problem));
            }
            violations.into()
        }
        ImportRefusal::Failed(error) => error.into(),
    }
}
