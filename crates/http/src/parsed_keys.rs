//! Keys that are ready to sign and verify: parsed once, and kept by id and digest of their material.
//!
//! Parsing costs more than a signature. What is kept here follows from the committed state: a key that changes is read
//! again before it is used, and what was parsed is used again only if its digest is still the same; a key that is deleted is
//! forgotten before its deletion is answered. Which `kid` belongs to which key is known for all keys, so that tokens with
//! unknown kids cost no database work.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use claviger_crypto::{SealedItem, Sealer, Signer, Verifier, content_digest};
use claviger_domain::{Key, KeyAlgorithm, KeyId, KeyType, Kid};
use claviger_storage::StoredKey;

use crate::error::ApiError;

/// Keys that are kept parsed: some kilobytes each. Beyond that, one that was not just asked for makes room.
const MOST_PARSED: usize = 1024;

/// A key, ready for use.
pub(crate) struct ParsedKey {
    /// Its id.
    pub(crate) id: KeyId,
    /// What goes into the header of its tokens.
    pub(crate) kid: Kid,
    /// What it does.
    pub(crate) algorithm: KeyAlgorithm,
    /// Signs; `None` of keys that only verify.
    pub(crate) signer: Option<Signer>,
    /// Verifies.
    pub(crate) verifier: Verifier,
}

/// What is known of the keys.
#[derive(Default)]
pub(crate) struct ParsedKeys {
    known: RwLock<Known>,
}

#[derive(Default)]
struct Known {
    ids: HashMap<Kid, KeyId>,
    parsed: HashMap<KeyId, Kept>,
    /// Grows with each change, so that nothing is kept that was read before one.
    changes: u64,
}

struct Kept {
    digest: [u8; 32],
    key: Arc<ParsedKey>,
    /// Whether the key may have changed since it was read.
    changed: bool,
}

impl ParsedKeys {
    /// Forgets everything, before all of it is told again.
    pub(crate) fn clear(&self) {
        let mut known = self.write();
        known.ids.clear();
        known.parsed.clear();
        known.changes += 1;
    }

    /// A key was made or changed.
    pub(crate) fn written(&self, id: KeyId, kid: &Kid) {
        let mut known = self.write();
        known.changes += 1;
        known.ids.insert(kid.clone(), id);
        if let Some(kept) = known.parsed.get_mut(&id) {
            kept.changed = true;
        }
    }

    /// A key was deleted.
    pub(crate) fn deleted(&self, id: KeyId) {
        let mut known = self.write();
        known.changes += 1;
        known.parsed.remove(&id);
        known.ids.retain(|_, other| *other != id);
    }

    /// The key with this kid.
    pub(crate) fn id_of(&self, kid: &str) -> Option<KeyId> {
        self.read().ids.get(&Kid::from(kid.to_owned())).copied()
    }

    /// The key, if it is parsed and known not to have changed.
    pub(crate) fn at_hand(&self, id: KeyId) -> Option<Arc<ParsedKey>> {
        self.read().parsed.get(&id).filter(|kept| !kept.changed).map(|kept| Arc::clone(&kept.key))
    }

    /// The number of keys that are parsed.
    pub(crate) fn len(&self) -> usize {
        self.read().parsed.len()
    }

    /// The key, read with `find` and parsed if it is not at hand. `None` when there is none, or it can neither sign nor
    /// verify: shadow keys, secrets, keys without an algorithm.
    ///
    /// # Errors
    /// Those of `find`; [`ApiError::Internal`] when what is stored cannot be opened or parsed.
    pub(crate) fn get(
        &self,
        id: KeyId,
        sealer: &Sealer,
        find: impl FnOnce() -> Result<Option<StoredKey>, ApiError>,
    ) -> Result<Option<Arc<ParsedKey>>, ApiError> {
        if let Some(key) = self.at_hand(id) {
            return Ok(Some(key));
        }
        // Read before the key is: what changes meanwhile is not kept.
        let changes = self.read().changes;
        let Some(stored) = find()? else { return Ok(None) };
        let digest = digest(&stored);
        let same = self
            .read()
            .parsed
            .get(&id)
            .filter(|kept| kept.digest == digest)
            .map(|kept| Arc::clone(&kept.key));
        let key = match same {
            Some(key) => key,
            None => match parse(&stored, sealer)? {
                Some(key) => Arc::new(key),
                None => return Ok(None),
            },
        };
        let mut known = self.write();
        if known.changes == changes {
            if known.parsed.len() >= MOST_PARSED && !known.parsed.contains_key(&id) {
                let other = known.parsed.keys().next().copied();
                other.map(|other| known.parsed.remove(&other));
            }
            known.parsed.insert(id, Kept { digest, key: Arc::clone(&key), changed: false });
        }
        Ok(Some(key))
    }

    // What these locks protect is valid after each statement: a panic elsewhere leaves it whole.
    fn read(&self) -> RwLockReadGuard<'_, Known> {
        self.known.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Known> {
        self.known.write().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a parsed key is made of. The sealed form stands for the material: another material is never sealed alike.
fn digest(stored: &StoredKey) -> [u8; 32] {
    let Key { kid, algorithm, public_key, .. } = &stored.key;
    content_digest(&[
        kid.as_str().as_bytes(),
        algorithm.map_or("", KeyAlgorithm::as_str).as_bytes(),
        public_key.as_deref().unwrap_or("").as_bytes(),
        stored.sealed_material.as_ref().map_or(&[], |sealed| sealed.as_bytes()),
    ])
}

fn parse(stored: &StoredKey, sealer: &Sealer) -> Result<Option<ParsedKey>, ApiError> {
    let key = &stored.key;
    let Some(algorithm) = key.algorithm.filter(|_| !key.shadow && key.key_type != KeyType::Secret) else {
        return Ok(None);
    };
    let material = match &stored.sealed_material {
        Some(sealed) => Some(sealer.unseal(SealedItem::KeyMaterial(key.id), sealed)?),
        None => None,
    };
    let verifier = match (&key.public_key, &material) {
        (Some(public_key), _) => Verifier::from_public_key(algorithm, public_key)?,
        (None, Some(secret)) if key.key_type == KeyType::Hmac => Verifier::from_secret(algorithm, secret)?,
        (None, _) => return Ok(None),
    };
    let signer = material.as_ref().map(|material| Signer::new(algorithm, material)).transpose()?;
    Ok(Some(ParsedKey { id: key.id, kid: key.kid.clone(), algorithm, signer, verifier }))
}
