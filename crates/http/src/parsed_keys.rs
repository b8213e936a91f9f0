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

/// Keys that are kept parsed: some kilobytes each. Beyond that, any one of them makes room.
const MOST_PARSED: usize = 1024;

/// A key, ready for use.
pub(crate) struct ParsedKey {
    /// Its id.
    pub(crate) id: KeyId,
    /// The digest of what it is made of.
    pub(crate) digest: [u8; 32],
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
    kids: HashMap<KeyId, Kid>,
    parsed: HashMap<KeyId, Kept>,
    /// Grows with each change, so that nothing is kept that was read before one.
    changes: u64,
}

struct Kept {
    digest: [u8; 32],
    /// `None` of a key that can neither sign nor verify.
    key: Option<Arc<ParsedKey>>,
    /// Whether the key may have changed since it was read.
    changed: bool,
}

impl ParsedKeys {
    /// Forgets everything, before all of it is told again.
    pub(crate) fn clear(&self) {
        let mut known = self.write();
        known.ids.clear();
        known.kids.clear();
        known.parsed.clear();
        known.changes += 1;
    }

    /// A key was made or changed. Answers whether it was known before under the same kid: its material is the same then,
    /// since that never changes while a key exists.
    pub(crate) fn written(&self, id: KeyId, kid: &Kid) -> bool {
        let mut known = self.write();
        known.changes += 1;
        let before = known.kids.insert(id, kid.clone());
        if let Some(before) = before.as_ref().filter(|before| *before != kid) {
            known.ids.remove(before);
        }
        known.ids.insert(kid.clone(), id);
        if let Some(kept) = known.parsed.get_mut(&id) {
            kept.changed = true;
        }
        before.as_ref() == Some(kid)
    }

    /// A key was deleted.
    pub(crate) fn deleted(&self, id: KeyId) {
        let mut known = self.write();
        known.changes += 1;
        known.parsed.remove(&id);
        if let Some(kid) = known.kids.remove(&id) {
            known.ids.remove(&kid);
        }
    }

    /// The key with this kid.
    pub(crate) fn id_of(&self, kid: &str) -> Option<KeyId> {
        self.read().ids.get(&Kid::from(kid.to_owned())).copied()
    }

    /// The key, if it has been read and is known not to have changed since; `Some(None)` of one that can neither sign nor
    /// verify.
    pub(crate) fn at_hand(&self, id: KeyId) -> Option<Option<Arc<ParsedKey>>> {
        self.read().parsed.get(&id).filter(|kept| !kept.changed).map(|kept| kept.key.clone())
    }

    /// The number of keys that are kept.
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
            return Ok(key);
        }
        // Read before the key is: what changes meanwhile is not kept.
        let changes = self.read().changes;
        let Some(stored) = find()? else { return Ok(None) };
        let digest = digest(&stored);
        let same =
            self.read().parsed.get(&id).filter(|kept| kept.digest == digest).map(|kept| kept.key.clone());
        let key = match same {
            Some(key) => key,
            None => parse(&stored, digest, sealer)?.map(Arc::new),
        };
        let mut known = self.write();
        if known.changes == changes {
            if known.parsed.len() >= MOST_PARSED && !known.parsed.contains_key(&id) {
                let other = known.parsed.keys().next().copied();
                other.map(|other| known.parsed.remove(&other));
            }
            known.parsed.insert(id, Kept { digest, key: key.clone(), changed: false });
        }
        Ok(key)
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

fn parse(stored: &StoredKey, digest: [u8; 32], sealer: &Sealer) -> Result<Option<ParsedKey>, ApiError> {
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
    Ok(Some(ParsedKey { id: key.id, digest, kid: key.kid.clone(), algorithm, signer, verifier }))
}

#[cfg(test)]
mod tests {
    use claviger_crypto::{MasterKey, SystemRandom};
    use claviger_domain::{Instant, Name, Revision};

    use super::*;

    fn stored(id: u128, kid: &str, secret: Option<&[u8]>, sealer: &Sealer) -> StoredKey {
        let id = KeyId::from_u128(id);
        let seal = |secret| sealer.seal(SealedItem::KeyMaterial(id), secret, &mut SystemRandom).unwrap();
        let instant = Instant::from_epoch_millis(0);
        StoredKey {
            sealed_material: secret.map(seal),
            key: Key {
                id,
                revision: Revision::FIRST,
                name: Name::try_from("a key".to_owned()).unwrap(),
                kid: Kid::from(kid.to_owned()),
                key_type: KeyType::Hmac,
                algorithm: Some(KeyAlgorithm::Hs256),
                length: None,
                issuer: None,
                public_key: None,
                certificate: None,
                has_private_key: secret.is_some(),
                shadow: secret.is_none(),
                expiration_instant: None,
                insert_instant: instant,
                last_update_instant: instant,
            },
        }
    }

    fn sealer() -> Sealer {
        let master = MasterKey::generate(&mut SystemRandom).unwrap();
        Sealer::create(&master, 1, &mut SystemRandom).unwrap().0
    }

    fn signature(key: &ParsedKey) -> Vec<u8> {
        key.signer.as_ref().unwrap().sign(b"text").unwrap()
    }

    #[test]
    fn a_key_is_parsed_once_and_read_again_after_a_change() {
        let (keys, sealer) = (ParsedKeys::default(), sealer());
        let row = stored(1, "k", Some(b"secret"), &sealer);
        let id = row.key.id;
        assert!(!keys.written(id, &row.key.kid) && keys.at_hand(id).is_none());
        let first = keys.get(id, &sealer, || Ok(Some(row.clone()))).unwrap().unwrap();
        let second = keys.get(id, &sealer, || panic!("read although it is at hand")).unwrap().unwrap();
        assert!(Arc::ptr_eq(&first, &second));
        // A rename: read again, and the same material is not parsed again.
        assert!(keys.written(id, &row.key.kid) && keys.at_hand(id).is_none());
        let third = keys.get(id, &sealer, || Ok(Some(row.clone()))).unwrap().unwrap();
        assert!(Arc::ptr_eq(&first, &third) && keys.len() == 1);
    }

    #[test]
    fn another_key_under_the_same_id_or_kid_takes_the_place_of_a_deleted_one() {
        let (keys, sealer) = (ParsedKeys::default(), sealer());
        let (old, new) = (stored(1, "k", Some(b"old"), &sealer), stored(1, "k", Some(b"new"), &sealer));
        let id = old.key.id;
        keys.written(id, &old.key.kid);
        let before = signature(&keys.get(id, &sealer, || Ok(Some(old.clone()))).unwrap().unwrap());
        keys.deleted(id);
        assert_eq!(keys.id_of("k"), None);
        assert!(!keys.written(id, &new.key.kid));
        let after = signature(&keys.get(id, &sealer, || Ok(Some(new))).unwrap().unwrap());
        assert_ne!(before, after);
        // The kid goes to another id.
        keys.deleted(id);
        let other = stored(2, "k", Some(b"old"), &sealer);
        keys.written(other.key.id, &other.key.kid);
        assert_eq!(keys.id_of("k"), Some(other.key.id));
    }

    #[test]
    fn a_kid_that_moves_leaves_its_old_name() {
        let keys = ParsedKeys::default();
        let (id, kid) = (KeyId::from_u128(1), |kid: &str| Kid::from(kid.to_owned()));
        assert!(!keys.written(id, &kid("a")));
        assert!(!keys.written(id, &kid("b")));
        assert_eq!((keys.id_of("a"), keys.id_of("b")), (None, Some(id)));
    }

    #[test]
    fn what_was_read_before_a_change_is_not_kept() {
        let (keys, sealer) = (ParsedKeys::default(), sealer());
        let row = stored(1, "k", Some(b"secret"), &sealer);
        let id = row.key.id;
        keys.written(id, &row.key.kid);
        let overtaken = keys.get(id, &sealer, || {
            keys.deleted(id);
            Ok(Some(row.clone()))
        });
        assert!(overtaken.unwrap().is_some());
        assert!(keys.at_hand(id).is_none() && keys.len() == 0);
    }

    #[test]
    fn a_key_that_does_nothing_is_remembered_as_such() {
        let (keys, sealer) = (ParsedKeys::default(), sealer());
        let row = stored(1, "k", None, &sealer);
        let id = row.key.id;
        keys.written(id, &row.key.kid);
        assert!(keys.get(id, &sealer, || Ok(Some(row.clone()))).unwrap().is_none());
        assert!(matches!(keys.at_hand(id), Some(None)));
    }

    #[test]
    fn the_number_of_parsed_keys_is_bounded() {
        let (keys, sealer) = (ParsedKeys::default(), sealer());
        for number in 1..=MOST_PARSED as u128 + 5 {
            let row = stored(number, &number.to_string(), Some(b"secret"), &sealer);
            keys.written(row.key.id, &row.key.kid);
            assert!(keys.get(row.key.id, &sealer, || Ok(Some(row.clone()))).unwrap().is_some());
        }
        assert_eq!(keys.len(), MOST_PARSED);
        keys.clear();
        assert!(keys.len() == 0 && keys.id_of("1").is_none());
    }
}
