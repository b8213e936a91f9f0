//! Keys that sign tokens: generate, read, search, rename, delete.

use std::sync::Arc;
use std::time::Instant as Stopwatch;

use claviger_crypto::{
    CertificateInformation, GenerateRequest, SealedItem, certificate_information, finish, generate_material,
    random_hmac_kid,
};
use claviger_domain::{
    Instant, Key, KeyId, KeySearch, KeySpec, Name, Revision, TenantScope, Violation, Violations, codes,
};
use claviger_storage::{StoredKey, TxError};

use super::{id_bytes, write};
use crate::error::ApiError;
use crate::gate::Caller;
use crate::published::Published;
use crate::state::AppState;

/// The longest issuer of a generated key, in characters: the upper bound of a common name (RFC 5280, appendix A.1).
pub(crate) const MAXIMUM_ISSUER_LENGTH: usize = 64;

/// Random kids of HMAC keys have 40 bits: a clash is rare, and drawn again.
const KID_ATTEMPTS: usize = 5;

/// A key to generate.
pub(crate) struct GenerateKey {
    pub(crate) name: Name,
    pub(crate) spec: KeySpec,
    pub(crate) issuer: Option<String>,
}

/// A key with what its certificate says.
pub(crate) type DescribedKey = (Key, Option<CertificateInformation>);

/// Generates a key. No connection is held meanwhile.
pub(crate) fn generate(
    state: &AppState,
    caller: &Arc<Caller>,
    id: Option<KeyId>,
    command: GenerateKey,
) -> Result<DescribedKey, ApiError> {
    let mut random = state.random();
    let id = match id {
        Some(id) => id,
        None => KeyId::from_random_bytes(id_bytes(&mut random)?),
    };
    let asymmetric = command.spec.algorithm().key_type().is_asymmetric();
    let issuer = check_before_work(state, &command.name, id, command.issuer.as_deref())?;
    if asymmetric && !crate::wire::key::is_issuer(&issuer) {
        return Err((&codes::KEY_ISSUER_INVALID).into());
    }
    let material = match command.spec {
        KeySpec::Rsa(_, length) => state.rsa_keys.obtain(length)?,
        spec @ (KeySpec::Ec(_) | KeySpec::Ed25519 | KeySpec::Hmac(_)) => {
            let stopwatch = Stopwatch::now();
            let material = generate_material(spec, &mut random)?;
            state.metrics.generation(spec, stopwatch.elapsed());
            material
        }
    };
    let request = GenerateRequest { id, spec: command.spec, issuer: &issuer, now: state.now() };
    let generated = finish(&request, material, &mut random)?;
    let now = state.now();
    let sealed = state.sealer.seal(SealedItem::KeyMaterial(id), generated.material.expose(), &mut random)?;
    let stored = StoredKey {
        key: Key {
            id,
            revision: Revision::FIRST,
            name: command.name,
            kid: generated.kid,
            key_type: command.spec.algorithm().key_type(),
            algorithm: Some(command.spec.algorithm()),
            length: command.spec.length(),
            issuer: asymmetric.then_some(issuer),
            public_key: generated.public_key,
            certificate: generated.certificate,
            has_private_key: true,
            shadow: false,
            expiration_instant: generated.expiration_instant,
            insert_instant: now,
            last_update_instant: now,
        },
        sealed_material: Some(sealed),
    };
    // The kid of a pair follows from its certificate.
    describe(insert(state, caller, stored, !asymmetric)?)
}

/// Stores a new key. A kid that is random is drawn again when it is taken.
pub(super) fn insert(
    state: &AppState,
    caller: &Arc<Caller>,
    mut stored: StoredKey,
    random_kid: bool,
) -> Result<Key, ApiError> {
    let now = stored.key.insert_instant;
    for _ in 0..KID_ATTEMPTS {
        let row = stored.clone();
        match write(state, caller, now, move |tx| Ok(tx.insert_key(&row)?)) {
            Err(error) if random_kid && error.is(&codes::KEY_KID_DUPLICATE) => {
                stored.key.kid = random_hmac_kid(&mut state.random())?;
            }
            Err(error) => return Err(error),
            Ok(()) => return Ok(stored.key),
        }
    }
    Err((&codes::KEY_KID_DUPLICATE).into())
}

/// Refuses names and ids that are taken before seconds of work are spent, and finds the issuer. The unique constraints
/// decide again when the key is stored.
pub(super) fn check_before_work(
    state: &AppState,
    name: &Name,
    id: KeyId,
    issuer: Option<&str>,
) -> Result<String, ApiError> {
    if id.as_u128() == 0 {
        return Err((&codes::KEY_ID_INVALID).into());
    }
    let default_tenant_id = state.default_tenant_id;
    state
        .store
        .read::<_, ApiError>(|tx| {
            let mut violations = Violations::none();
            if tx.find_key(id)?.is_some() {
                violations.add(&codes::KEY_ID_DUPLICATE);
            }
            if tx.key_name_taken(name)? {
                violations.add(&codes::KEY_NAME_DUPLICATE);
            }
            violations.into_result(()).map_err(|violations| TxError::Abort(violations.into()))?;
            match issuer {
                Some(issuer) => Ok(issuer.to_owned()),
                None => Ok(tx
                    .find_tenant(default_tenant_id, TenantScope::All)?
                    .map_or_else(|| claviger_domain::DEFAULT_ISSUER.to_owned(), |tenant| tenant.issuer)),
            }
        })
        .map_err(ApiError::from)
}

pub(super) fn describe(key: Key) -> Result<DescribedKey, ApiError> {
    let information = key.certificate.as_deref().map(certificate_information).transpose()?;
    Ok((key, information))
}

/// Reads one key.
pub(crate) fn retrieve(state: &AppState, _caller: &Caller, id: KeyId) -> Result<DescribedKey, ApiError> {
    let key = state.store.read::<_, ApiError>(|tx| Ok(tx.find_key(id)?))?;
    describe(key.ok_or(ApiError::NotFound)?)
}

/// Reads every key, sorted by name.
pub(crate) fn retrieve_all(state: &AppState, _caller: &Caller) -> Result<Vec<DescribedKey>, ApiError> {
    let keys = state.store.read::<_, ApiError>(|tx| Ok(tx.keys()?))?;
    keys.into_iter().map(describe).collect()
}

/// Renames a key; nothing else about it can change.
pub(crate) fn rename(
    state: &AppState,
    caller: &Arc<Caller>,
    id: KeyId,
    name: Name,
) -> Result<DescribedKey, ApiError> {
    let now = state.now();
    let key = write(state, caller, now, move |tx| {
        let key = tx.find_key(id)?.ok_or(TxError::Abort(ApiError::NotFound))?;
        if key.shadow {
            return Err(TxError::Abort((&codes::KEY_ID_INVALID).into()));
        }
        let renamed = Key { name: name.clone(), last_update_instant: now, ..key };
        Ok(tx.rename_key(&renamed)?)
    })?;
    describe(key)
}

/// Deletes a key that nothing refers to.
pub(crate) fn delete(state: &AppState, caller: &Arc<Caller>, id: KeyId) -> Result<(), ApiError> {
    write(state, caller, state.now(), move |tx| {
        let key = tx.find_key(id)?.ok_or(TxError::Abort(ApiError::NotFound))?;
        if key.shadow {
            return Err(TxError::Abort((&codes::KEY_ID_INVALID).into()));
        }
        let mut in_use = Violations::none();
        for place in tx.references_to_key(id)? {
            in_use.push(Violation::new(&codes::KEY_ID_IN_USE).with_message(format!(
                "The key is in use: {} {} names it in {}.",
                place.owner, place.owner_id, place.property
            )));
        }
        in_use.into_result(()).map_err(|violations| TxError::Abort(violations.into()))?;
        // Two deletions can meet: the second one found the key, and finds nothing to delete.
        if tx.delete_key(id)? { Ok(()) } else { Err(TxError::Abort(ApiError::NotFound)) }
    })?;
    Ok(())
}

/// A page of the keys that match, and the number of all that do.
pub(crate) fn search(
    state: &AppState,
    _caller: &Caller,
    search: &KeySearch,
) -> Result<(Vec<DescribedKey>, u64), ApiError> {
    let page = state.store.read::<_, ApiError>(|tx| Ok(tx.search_keys(search)?))?;
    Ok((page.keys.into_iter().map(describe).collect::<Result<_, _>>()?, page.total))
}

/// The public halves of all keys, as they are published.
pub(crate) fn published(state: &AppState) -> Result<Arc<Published>, ApiError> {
    state.derived.published.current(|| Ok(state.store.read::<_, ApiError>(|tx| Ok(tx.keys()?))?))
}

/// The shadow keys as they are stored: public facts only, no secret of their own.
pub(crate) fn shadow_keys(
    now: Instant,
    random: &mut dyn claviger_crypto::RandomSource,
) -> Result<Vec<StoredKey>, ApiError> {
    claviger_domain::SHADOW_KEYS
        .iter()
        .map(|shadow| {
            let name = Name::try_from(shadow.name.to_owned())
                .map_err(|error| ApiError::Internal(format!("name of a shadow key: {error}")))?;
            Ok(StoredKey {
                key: Key {
                    id: shadow.id,
                    revision: Revision::FIRST,
                    name,
                    kid: random_hmac_kid(random)?,
                    key_type: shadow.algorithm.key_type(),
                    algorithm: Some(shadow.algorithm),
                    length: None,
                    issuer: None,
                    public_key: None,
                    certificate: None,
                    has_private_key: false,
                    shadow: true,
                    expiration_instant: None,
                    insert_instant: now,
                    last_update_instant: now,
                },
                sealed_material: None,
            })
        })
        .collect()
}
