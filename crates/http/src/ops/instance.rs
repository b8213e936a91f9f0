//! The instance as a whole: its first start, its keys for sealing and digesting, and the one way to a key manager
//! besides: an operator with access to the database.

use std::collections::BTreeMap;

use claviger_crypto::{
    ApiKeyDigester, ApiKeyFormat, ApiKeyShape, CryptoError, GenerateRequest, MasterKey, SealedItem, Sealer,
    SystemRandom, generate,
};
use claviger_domain::{
    Actor, ApiKey, ApiKeyId, ChangeContext, DEFAULT_ISSUER, DEFAULT_REFRESH_TOKEN_TIME_TO_LIVE_IN_MINUTES,
    DEFAULT_TIME_TO_LIVE_IN_SECONDS, HashSize, Instant, KeptDocument, Key, KeyId, KeySpec, Name, Permissions,
    Revision, RsaLength, SHADOW_KEYS, SecretText, Tenant, TenantId, TenantJwtConfiguration, TenantScope,
    TenantState,
};
use claviger_storage::{Instance, StorageError, Store, StoredApiKey, StoredKey, TxError};

use super::{id_bytes, key};
use crate::credential::has_scheme;
use crate::error::ApiError;
use crate::ops::default_roles::DefaultRolesError;
use crate::state::Clock;

const FIRST_DATA_KEY: u32 = 1;
const DEFAULT_TENANT_NAME: &str = "Default";
const FIRST_SIGNING_KEY_NAME: &str = "Default signing key";
const BOOTSTRAP_KEY_NAME: &str = "Bootstrap key manager";
/// A key manager can make every other key: its value must not be guessable.
pub(super) const SHORTEST_BOOTSTRAP_KEY: usize = 16;

/// Why an instance cannot be opened, or a key not be made from the command line.
#[derive(Debug, thiserror::Error)]
pub enum InstanceError {
    /// The master key does not open what the database holds.
    #[error("the master key does not belong to this database: it cannot open the instance's data keys")]
    WrongMasterKey,
    /// The value for the first key manager cannot be used.
    #[error(
        "the bootstrap API key must have 16 to 1024 bytes, no white space at its ends, no control characters, and must not look like another scheme or a mistyped generated key"
    )]
    BootstrapKey,
    /// The name of a key is taken.
    #[error("an API key with this name exists already")]
    NameTaken,
    /// No such tenant.
    #[error("there is no active tenant {0}")]
    NoSuchTenant(TenantId),
    /// The instance was never started.
    #[error("the database holds no instance yet: start the server once")]
    NoInstance,
    /// The database failed.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// Cryptography failed.
    #[error(transparent)]
    Crypto(#[from] CryptoError),
    /// A bug.
    #[error("internal error: {0}")]
    Internal(String),
}

impl From<TxError<Self>> for InstanceError {
    fn from(error: TxError<Self>) -> Self {
        match error {
            TxError::Storage(error) => error.into(),
            TxError::Abort(error) => error,
        }
    }
}

impl From<DefaultRolesError> for InstanceError {
    fn from(error: DefaultRolesError) -> Self {
        match error {
            DefaultRolesError::Storage(error) => error.into(),
            error => Self::Internal(error.to_string()),
        }
    }
}

impl From<ApiError> for InstanceError {
    fn from(error: ApiError) -> Self {
        Self::Internal(error.to_string())
    }
}

/// An instance, ready for work.
pub(crate) struct OpenInstance {
    pub(crate) sealer: Sealer,
    pub(crate) digester: ApiKeyDigester,
    pub(crate) default_tenant_id: TenantId,
    /// The value of a key manager that was generated now.
    pub(crate) first_key: Option<SecretText>,
}

/// Opens the instance in `store`, and makes it first where there is none: default tenant, shadow keys, one RS256 key and
/// the first key manager, all in one transaction. `bootstrap` is the value of that manager; without it one is generated.
/// It also brings a manager back to an instance that has lost all its API keys.
pub(crate) fn open(
    store: &Store,
    master_key: &MasterKey,
    format: &ApiKeyFormat,
    bootstrap: Option<&SecretText>,
    clock: &Clock,
) -> Result<OpenInstance, InstanceError> {
    if let Some(value) = bootstrap {
        check_bootstrap_value(format, value.expose())?;
    }
    if let Some(opened) = open_existing(store, master_key)? {
        return match bootstrap {
            Some(value) => add_bootstrap_key(store, opened, value, clock()),
            None => Ok(opened),
        };
    }
    create(store, master_key, format, bootstrap, clock)
}

/// Whether there is an instance in `store`.
///
/// # Errors
/// When the database cannot be read.
pub(crate) fn exists(store: &Store) -> Result<bool, InstanceError> {
    Ok(store.read::<_, InstanceError>(|tx| Ok(tx.find_instance()?.is_some()))?)
}

fn open_existing(store: &Store, master_key: &MasterKey) -> Result<Option<OpenInstance>, InstanceError> {
    let found = store.read::<_, InstanceError>(|tx| {
        Ok(match tx.find_instance()? {
            Some(instance) => Some((instance, tx.data_keys()?)),
            None => None,
        })
    })?;
    let Some((instance, data_keys)) = found else { return Ok(None) };
    let sealer = Sealer::open(master_key, &data_keys).map_err(wrong_master_key)?;
    let digest_key =
        sealer.unseal(SealedItem::ApiKeyDigestKey, &instance.sealed_digest_key).map_err(wrong_master_key)?;
    Ok(Some(OpenInstance {
        sealer,
        digester: ApiKeyDigester::new(digest_key)?,
        default_tenant_id: instance.default_tenant_id,
        first_key: None,
    }))
}

fn wrong_master_key(error: CryptoError) -> InstanceError {
    match error {
        CryptoError::Unsealable => InstanceError::WrongMasterKey,
        other => other.into(),
    }
}

fn check_bootstrap_value(format: &ApiKeyFormat, value: &str) -> Result<(), InstanceError> {
    let usable = (SHORTEST_BOOTSTRAP_KEY..=1024).contains(&value.len())
        && value.trim() == value
        && !value.chars().any(char::is_control)
        && !has_scheme(value.as_bytes())
        && format.classify(value.as_bytes()) != ApiKeyShape::Mistyped;
    if usable { Ok(()) } else { Err(InstanceError::BootstrapKey) }
}

/// An instance that has lost all its API keys gets the configured key manager back.
fn add_bootstrap_key(
    store: &Store,
    opened: OpenInstance,
    value: &SecretText,
    now: Instant,
) -> Result<OpenInstance, InstanceError> {
    let manager =
        key_manager(&opened.digester, ApiKeyId::from_random_bytes(id_bytes(&mut SystemRandom)?), value, now)?;
    store.write::<_, InstanceError, _>(&system(now), move |tx| {
        if tx.count_api_keys()? == 0 {
            tx.insert_api_key(&manager)?;
        }
        Ok(())
    })?;
    Ok(opened)
}

fn create(
    store: &Store,
    master_key: &MasterKey,
    format: &ApiKeyFormat,
    bootstrap: Option<&SecretText>,
    clock: &Clock,
) -> Result<OpenInstance, InstanceError> {
    let mut random = SystemRandom;
    let ids = InstanceIds {
        default_tenant_id: TenantId::from_random_bytes(id_bytes(&mut random)?),
        signing_key_id: KeyId::from_random_bytes(id_bytes(&mut random)?),
    };
    let generated = bootstrap.is_none().then(|| format.generate(&mut random)).transpose()?;
    let opened = make(store, master_key, &ids, bootstrap.or(generated.as_ref()), clock)?;
    Ok(OpenInstance { first_key: generated, ..opened })
}

/// The ids in a new instance that others may want to know before it is there.
pub(crate) struct InstanceIds {
    pub(crate) default_tenant_id: TenantId,
    /// Of the key that signs the tokens of that tenant.
    pub(crate) signing_key_id: KeyId,
}

/// Makes an instance in a store that has none, with a key manager of this value, if any.
///
/// # Errors
/// [`StorageError::Conflict`] when there is one, and failures of database and cryptography.
pub(crate) fn make(
    store: &Store,
    master_key: &MasterKey,
    ids: &InstanceIds,
    manager: Option<&SecretText>,
    clock: &Clock,
) -> Result<OpenInstance, InstanceError> {
    let mut random = SystemRandom;
    let default_tenant_id = ids.default_tenant_id;
    let (sealer, sealed_data_key) = Sealer::create(master_key, FIRST_DATA_KEY, &mut random)?;
    let digest_key = ApiKeyDigester::generate_secret(&mut random)?;
    let sealed_digest_key = sealer.seal(SealedItem::ApiKeyDigestKey, digest_key.expose(), &mut random)?;
    let digester = ApiKeyDigester::new(digest_key)?;
    let signing_key = first_signing_key(&sealer, ids.signing_key_id, clock)?;
    let now = clock();
    let tenant = default_tenant(default_tenant_id, signing_key.key.id, now)?;
    let manager_id = ApiKeyId::from_random_bytes(id_bytes(&mut random)?);
    let manager = manager.map(|value| key_manager(&digester, manager_id, value, now)).transpose()?;
    let instance = Instance {
        id: TenantId::from_random_bytes(id_bytes(&mut random)?).to_string(),
        default_tenant_id,
        sealed_digest_key,
        insert_instant: now,
    };
    let mut keys = key::shadow_keys(now, &mut random)?;
    keys.push(signing_key);
    store.write::<_, InstanceError, _>(&system(now), move |tx| {
        tx.insert_data_key(FIRST_DATA_KEY, &sealed_data_key, now)?;
        for stored in &keys {
            tx.insert_key(stored)?;
        }
        tx.insert_tenant(&tenant)?;
        tx.insert_instance(&instance)?;
        manager.as_ref().map_or(Ok(()), |manager| tx.insert_api_key(manager))?;
        Ok(())
    })?;
    Ok(OpenInstance { sealer, digester, default_tenant_id, first_key: None })
}

fn system(now: Instant) -> ChangeContext {
    ChangeContext { actor: Actor::System, instant: now, address: None }
}

fn first_signing_key(sealer: &Sealer, id: KeyId, clock: &Clock) -> Result<StoredKey, InstanceError> {
    let mut random = SystemRandom;
    let spec = KeySpec::Rsa(HashSize::Bits256, RsaLength::Bits2048);
    let now = clock();
    let generated = generate(&GenerateRequest { id, spec, issuer: DEFAULT_ISSUER, now }, &mut random)?;
    let sealed = sealer.seal(SealedItem::KeyMaterial(id), generated.material.expose(), &mut random)?;
    Ok(StoredKey {
        key: Key {
            id,
            revision: Revision::FIRST,
            name: fixed_name(FIRST_SIGNING_KEY_NAME)?,
            kid: generated.kid,
            key_type: spec.algorithm().key_type(),
            algorithm: Some(spec.algorithm()),
            length: spec.length(),
            issuer: Some(DEFAULT_ISSUER.to_owned()),
            public_key: generated.public_key,
            certificate: generated.certificate,
            has_private_key: true,
            shadow: false,
            expiration_instant: generated.expiration_instant,
            insert_instant: now,
            last_update_instant: now,
        },
        sealed_material: Some(sealed),
    })
}

fn default_tenant(id: TenantId, signing_key: KeyId, now: Instant) -> Result<Tenant, InstanceError> {
    let [shadow, ..] = SHADOW_KEYS;
    Ok(Tenant {
        id,
        revision: Revision::FIRST,
        name: fixed_name(DEFAULT_TENANT_NAME)?,
        issuer: DEFAULT_ISSUER.to_owned(),
        jwt: TenantJwtConfiguration {
            access_token_key_id: Some(signing_key),
            id_token_key_id: Some(shadow.id),
            access_token_verification_key_ids: Vec::new(),
            id_token_verification_key_ids: Vec::new(),
            time_to_live_in_seconds: DEFAULT_TIME_TO_LIVE_IN_SECONDS,
            refresh_token_time_to_live_in_minutes: DEFAULT_REFRESH_TOKEN_TIME_TO_LIVE_IN_MINUTES,
        },
        kept: KeptDocument::from_json("{}".to_owned()),
        state: TenantState::Active,
        insert_instant: now,
        last_update_instant: now,
    })
}

fn fixed_name(text: &str) -> Result<Name, InstanceError> {
    Name::try_from(text.to_owned()).map_err(|error| InstanceError::Internal(error.to_string()))
}

/// A key manager without any restriction. Its value is never kept: it is known to whoever chose it, or printed once.
fn key_manager(
    digester: &ApiKeyDigester,
    id: ApiKeyId,
    value: &SecretText,
    now: Instant,
) -> Result<StoredApiKey, InstanceError> {
    Ok(StoredApiKey {
        api_key: ApiKey {
            id,
            revision: Revision::FIRST,
            name: Some(fixed_name(BOOTSTRAP_KEY_NAME)?),
            attributes: BTreeMap::new(),
            permissions: Permissions::All,
            key_manager: true,
            tenant_id: None,
            fusion_id: None,
            name_repeats: false,
            ip_access_control_list_id: None,
            disabled: false,
            retrievable: false,
            expiration_instant: None,
            insert_instant: now,
            last_update_instant: now,
        },
        digest: digester.digest(value.expose().as_bytes()),
        sealed_value: None,
    })
}

/// An API key that an operator asks for on the command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandLineApiKey {
    /// Unique among API keys.
    pub name: Name,
    /// Whether it may manage other keys.
    pub key_manager: bool,
    /// What it may call.
    pub permissions: Permissions,
    /// The tenant that it is bound to.
    pub tenant_id: Option<TenantId>,
}

/// Makes an API key with access to the database instead of an API key: the way back when no key manager is left. The
/// value is returned once and not kept.
///
/// # Errors
/// When the instance does not exist, the master key is not its own, or name or tenant do not fit.
pub(crate) fn create_api_key(
    store: &Store,
    master_key: &MasterKey,
    format: &ApiKeyFormat,
    wanted: CommandLineApiKey,
    clock: &Clock,
) -> Result<(ApiKeyId, SecretText), InstanceError> {
    let opened = open_existing(store, master_key)?.ok_or(InstanceError::NoInstance)?;
    let now = clock();
    let value = format.generate(&mut SystemRandom)?;
    let id = ApiKeyId::from_random_bytes(id_bytes(&mut SystemRandom)?);
    let CommandLineApiKey { name, key_manager, permissions, tenant_id } = wanted;
    let stored = StoredApiKey {
        api_key: ApiKey {
            id,
            revision: Revision::FIRST,
            name: Some(name),
            attributes: BTreeMap::new(),
            permissions,
            key_manager,
            tenant_id,
            fusion_id: None,
            name_repeats: false,
            ip_access_control_list_id: None,
            disabled: false,
            retrievable: false,
            expiration_instant: None,
            insert_instant: now,
            last_update_instant: now,
        },
        digest: opened.digester.digest(value.expose().as_bytes()),
        sealed_value: None,
    };
    let context = ChangeContext { actor: Actor::CommandLine, instant: now, address: None };
    store
        .write::<_, InstanceError, _>(&context, move |tx| {
            if let Some(id) = stored.api_key.tenant_id {
                let active =
                    tx.find_tenant(id, TenantScope::All)?.is_some_and(|t| t.state == TenantState::Active);
                if !active {
                    return Err(TxError::Abort(InstanceError::NoSuchTenant(id)));
                }
            }
            tx.insert_api_key(&stored)?;
            Ok(())
        })
        .map_err(|error| match error {
            TxError::Storage(StorageError::Conflict { .. }) => InstanceError::NameTaken,
            other => other.into(),
        })?;
    Ok((id, value))
}
