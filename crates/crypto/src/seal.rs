//! Secrets at rest. The master key of the configuration seals data keys; data keys seal everything else.
//!
//! A sealed value is AES-256-GCM (NIST SP 800-38D) with a fresh random nonce:
//!
//! | bytes | content |
//! | --- | --- |
//! | 1 | format, always 1 |
//! | 4 | version of the data key, big-endian |
//! | 12 | nonce |
//! | as the plain text | ciphertext |
//! | 16 | tag |
//!
//! The first five bytes and the place that the value belongs to are authenticated with it: a value that is moved to
//! another row or column does not open. Random nonces are safe for 2^32 values under one data key (SP 800-38D,
//! section 8.3).

use std::collections::BTreeMap;
use std::sync::{Mutex, OnceLock, PoisonError};

use claviger_domain::{ApiKeyId, EntityId, KeyId, Sealed, SecretBytes};
use openssl::cipher::Cipher;
use openssl::cipher_ctx::CipherCtx;
use openssl::error::ErrorStack;
use zeroize::Zeroizing;

use crate::error::backend;
use crate::master_key::KEY;
use crate::random::random_secret;
use crate::{CryptoError, MasterKey, RandomSource, random_array};

/// The longest plain text that is sealed, in bytes.
pub const MAXIMUM_PLAIN_LENGTH: usize = 1024 * 1024;

/// The one format so far.
const FORMAT: u8 = 1;
/// Bytes of format and version.
const HEADER: usize = 5;
/// Bytes of a GCM nonce.
const NONCE: usize = 12;
/// Bytes of a GCM tag.
const TAG: usize = 16;

/// What a sealed value is, and to which row it belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SealedItem {
    /// The key under which API keys are digested; one per installation.
    ApiKeyDigestKey,
    /// The value of a retrievable API key.
    ApiKeyValue(ApiKeyId),
    /// A secret of an entity, the present one or the one before.
    ClientSecret(EntityId),
    /// The private half or the secret of a key that signs tokens.
    KeyMaterial(KeyId),
}

impl SealedItem {
    /// The associated data. Kinds differ before the first variable byte, so that no two items have the same text.
    fn purpose(self) -> String {
        match self {
            Self::ApiKeyDigestKey => String::from("claviger/api-key-digest-key"),
            Self::ApiKeyValue(id) => format!("claviger/api-key-value/{id}"),
            Self::ClientSecret(id) => format!("claviger/client-secret/{id}"),
            Self::KeyMaterial(id) => format!("claviger/key-material/{id}"),
        }
    }
}

/// The associated data of a data key; its version stands in the header.
const DATA_KEY: &str = "claviger/data-key";

/// Seals and opens the secrets of the database. Holds the data keys in plain; they are wiped on drop.
pub struct Sealer {
    /// By version; the highest seals. Never empty.
    data_keys: BTreeMap<u32, DataKey>,
}

/// A data key in plain.
struct DataKey {
    key: SecretBytes,
    /// Contexts of OpenSSL that are set up for opening with this key, one for each thread that was at it at the same time: to set one
    /// up takes longer than to open a secret. OpenSSL wipes them when they go.
    openers: Mutex<Vec<CipherCtx>>,
}

/// The contexts that are kept at most for a key.
const MOST_OPENERS: usize = 16;

impl DataKey {
    const fn new(key: SecretBytes) -> Self {
        Self { key, openers: Mutex::new(Vec::new()) }
    }

    fn open(&self, parts: &Parts<'_>, purpose: &str) -> Result<SecretBytes, CryptoError> {
        // Valid after each statement: a panic elsewhere leaves it whole.
        let kept = || self.openers.lock().unwrap_or_else(PoisonError::into_inner);
        let ready = kept().pop();
        let mut opener = match ready {
            Some(opener) => opener,
            None => opener(&self.key).map_err(backend)?,
        };
        let plain = decrypt(&mut opener, parts, purpose)?;
        // One that failed is not used again.
        let mut openers = kept();
        if openers.len() < MOST_OPENERS {
            openers.push(opener);
        }
        Ok(plain)
    }
}

impl Sealer {
    /// A sealer with one new data key, and that key sealed under the master key, for storage.
    ///
    /// # Errors
    /// [`CryptoError::Entropy`] when the source fails.
    pub fn create(
        master: &MasterKey,
        version: u32,
        random: &mut dyn RandomSource,
    ) -> Result<(Self, Sealed), CryptoError> {
        let data_key = random_secret(KEY, random)?;
        let sealed = encrypt(master.bytes(), version, DATA_KEY, data_key.expose(), random)?;
        Ok((Self { data_keys: BTreeMap::from([(version, DataKey::new(data_key))]) }, sealed))
    }

    /// The sealer with these data keys, as they are stored: (version, sealed). The highest version seals; values
    /// that were sealed under any of them open.
    ///
    /// # Errors
    /// [`CryptoError::Unsealable`] when the list is empty, names a version twice, or one of the keys does not open:
    /// the master key is another one, or the row was changed.
    pub fn open(master: &MasterKey, data_keys: &[(u32, Sealed)]) -> Result<Self, CryptoError> {
        let mut opened = BTreeMap::new();
        for (version, sealed) in data_keys {
            let parts = Parts::of(sealed.as_bytes())?;
            let data_key = decrypt(&mut opener(master.bytes()).map_err(backend)?, &parts, DATA_KEY)?;
            if parts.version != *version || data_key.expose().len() != KEY {
                return Err(CryptoError::Unsealable);
            }
            if opened.insert(*version, DataKey::new(data_key)).is_some() {
                return Err(CryptoError::Unsealable);
            }
        }
        if opened.is_empty() { Err(CryptoError::Unsealable) } else { Ok(Self { data_keys: opened }) }
    }

    /// Seals a secret for its place.
    ///
    /// # Errors
    /// [`CryptoError::Entropy`] when the source fails, [`CryptoError::Malformed`] when `plain` is longer than
    /// [`MAXIMUM_PLAIN_LENGTH`].
    pub fn seal(
        &self,
        item: SealedItem,
        plain: &[u8],
        random: &mut dyn RandomSource,
    ) -> Result<Sealed, CryptoError> {
        if plain.len() > MAXIMUM_PLAIN_LENGTH {
            return Err(CryptoError::Malformed);
        }
        let (version, data_key) = self.data_keys.last_key_value().ok_or(CryptoError::Unsealable)?;
        encrypt(&data_key.key, *version, &item.purpose(), plain, random)
    }

    /// Opens a secret that was sealed for this place.
    ///
    /// # Errors
    /// [`CryptoError::Unsealable`] when the value was sealed for another place or under a data key that is not here,
    /// or was changed or cut.
    pub fn unseal(&self, item: SealedItem, sealed: &Sealed) -> Result<SecretBytes, CryptoError> {
        let parts = Parts::of(sealed.as_bytes())?;
        let data_key = self.data_keys.get(&parts.version).ok_or(CryptoError::Unsealable)?;
        data_key.open(&parts, &item.purpose())
    }
}

/// A sealed value, taken apart and not yet trusted.
struct Parts<'a> {
    header: &'a [u8; HEADER],
    version: u32,
    nonce: &'a [u8; NONCE],
    ciphertext: &'a [u8],
    tag: &'a [u8; TAG],
}

impl<'a> Parts<'a> {
    fn of(sealed: &'a [u8]) -> Result<Self, CryptoError> {
        let (header, rest) = sealed.split_first_chunk::<HEADER>().ok_or(CryptoError::Unsealable)?;
        let (nonce, rest) = rest.split_first_chunk().ok_or(CryptoError::Unsealable)?;
        let (ciphertext, tag) = rest.split_last_chunk().ok_or(CryptoError::Unsealable)?;
        let [format, version @ ..] = *header;
        if format != FORMAT || ciphertext.len() > MAXIMUM_PLAIN_LENGTH {
            return Err(CryptoError::Unsealable);
        }
        Ok(Self { header, version: u32::from_be_bytes(version), nonce, ciphertext, tag })
    }
}

/// The cipher, which OpenSSL is asked for once: to find it among those of its providers takes longer than to open a secret.
fn aes_256_gcm() -> Result<&'static Cipher, ErrorStack> {
    static CIPHER: OnceLock<Cipher> = OnceLock::new();
    match CIPHER.get() {
        Some(cipher) => Ok(cipher),
        None => {
            let fetched = Cipher::fetch(None, "AES-256-GCM", None)?;
            Ok(CIPHER.get_or_init(|| fetched))
        }
    }
}

fn encrypt(
    key: &SecretBytes,
    version: u32,
    purpose: &str,
    plain: &[u8],
    random: &mut dyn RandomSource,
) -> Result<Sealed, CryptoError> {
    let [a, b, c, d] = version.to_be_bytes();
    let header: [u8; HEADER] = [FORMAT, a, b, c, d];
    let nonce: [u8; NONCE] = random_array(random)?;
    let mut ciphertext = vec![0; plain.len()];
    let mut tag = [0; TAG];
    let mut run = || {
        let mut context = CipherCtx::new()?;
        context.encrypt_init(Some(aes_256_gcm()?), Some(key.expose()), Some(&nonce))?;
        context.cipher_update(&header, None)?;
        context.cipher_update(purpose.as_bytes(), None)?;
        context.cipher_update(plain, Some(&mut ciphertext))?;
        context.cipher_final(&mut [])?;
        context.tag(&mut tag)
    };
    run().map_err(backend)?;
    Ok(Sealed::from([&header, nonce.as_slice(), &ciphertext, &tag].concat()))
}

/// A context that opens what was sealed under this key.
fn opener(key: &SecretBytes) -> Result<CipherCtx, ErrorStack> {
    let mut context = CipherCtx::new()?;
    context.decrypt_init(Some(aes_256_gcm()?), Some(key.expose()), None)?;
    Ok(context)
}

/// The plain text, which is written to a buffer that is wiped: GCM decrypts before it knows whether the tag is right.
fn decrypt(context: &mut CipherCtx, parts: &Parts<'_>, purpose: &str) -> Result<SecretBytes, CryptoError> {
    let mut plain = Zeroizing::new(vec![0; parts.ciphertext.len()]);
    let mut run = || {
        context.decrypt_init(None, None, Some(parts.nonce))?;
        context.cipher_update(parts.header, None)?;
        context.cipher_update(purpose.as_bytes(), None)?;
        context.cipher_update(parts.ciphertext, Some(&mut plain))?;
        context.set_tag(parts.tag)?;
        context.cipher_final(&mut [])
    };
    run().map_err(|_| CryptoError::Unsealable)?;
    Ok(SecretBytes::from(std::mem::take(&mut *plain)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::test_random::{CountingRandom, NoRandom};

    const ITEM: SealedItem = SealedItem::KeyMaterial(KeyId::from_u128(7));

    fn master(seed: u8) -> MasterKey {
        MasterKey::from_bytes(SecretBytes::from((seed..seed + 32).collect::<Vec<u8>>())).unwrap()
    }

    fn sealer() -> Sealer {
        Sealer::create(&master(0), 1, &mut CountingRandom::default()).unwrap().0
    }

    #[track_caller]
    fn refused<T>(result: Result<T, CryptoError>) {
        assert_eq!(result.err(), Some(CryptoError::Unsealable));
    }

    #[test]
    fn round_trips() {
        let sealer = sealer();
        let mut random = CountingRandom::default();
        let longest = vec![0x5a; MAXIMUM_PLAIN_LENGTH];
        for plain in [b"".as_slice(), b"x", b"a private key of some length", &longest] {
            for item in [SealedItem::ApiKeyDigestKey, SealedItem::ApiKeyValue(ApiKeyId::from_u128(1)), ITEM] {
                let sealed = sealer.seal(item, plain, &mut random).unwrap();
                assert_eq!(sealed.as_bytes().len(), 5 + 12 + plain.len() + 16);
                assert!(sealer.unseal(item, &sealed).unwrap().expose() == plain);
            }
        }
        let too_long = vec![0; MAXIMUM_PLAIN_LENGTH + 1];
        assert_eq!(sealer.seal(ITEM, &too_long, &mut random), Err(CryptoError::Malformed));
    }

    /// Computed with another implementation, so that the stored form cannot change unnoticed.
    #[test]
    fn the_stored_form_is_fixed() {
        let (sealer, data_key) =
            Sealer::create(&master(0), 0x0102_0304, &mut CountingRandom::default()).unwrap();
        assert_eq!(hex(data_key.as_bytes()), DATA_KEY_VECTOR);
        let sealed = sealer.seal(ITEM, b"secret", &mut CountingRandom::default()).unwrap();
        assert_eq!(hex(sealed.as_bytes()), ITEM_VECTOR);
    }

    const DATA_KEY_VECTOR: &str = "0101020304202122232425262728292a2bd23ba473689d1c09127548c5cd15faf6c058fe8f939575f974ef7609559740169320b51bc0366eb4764cee6ec461cfe9";
    const ITEM_VECTOR: &str =
        "0101020304000102030405060708090a0b3467b569a09105925b960c073c9f76382502e3dabaf8";

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    #[test]
    fn nonces_are_fresh() {
        let (sealer, mut random) = (sealer(), CountingRandom::default());
        let first = sealer.seal(ITEM, b"secret", &mut random).unwrap();
        let second = sealer.seal(ITEM, b"secret", &mut random).unwrap();
        assert_ne!(first.as_bytes()[5..17], second.as_bytes()[5..17]);
        assert_ne!(first.as_bytes()[17..], second.as_bytes()[17..]);
    }

    #[test]
    fn every_flipped_bit_is_noticed() {
        let sealer = sealer();
        let sealed = sealer.seal(ITEM, b"secret", &mut CountingRandom::default()).unwrap().into_bytes();
        for bit in 0..sealed.len() * 8 {
            let mut changed = sealed.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            refused(sealer.unseal(ITEM, &Sealed::from(changed)));
        }
    }

    #[test]
    fn what_cannot_be_opened_leaves_nothing_behind() {
        let sealer = sealer();
        let seal = |plain: &[u8]| sealer.seal(ITEM, plain, &mut CountingRandom::default()).unwrap();
        let (long, short) = (seal(&[0x5a; 100]), seal(b"secret"));
        let mut broken = long.clone().into_bytes();
        *broken.last_mut().unwrap() ^= 1;
        for _ in 0..3 {
            assert!(sealer.unseal(ITEM, &long).unwrap().expose() == [0x5a; 100]);
            refused(sealer.unseal(ITEM, &Sealed::from(broken.clone())));
            assert!(sealer.unseal(ITEM, &short).unwrap().expose() == b"secret");
        }
        let kept = sealer.data_keys.values().map(|key| key.openers.lock().unwrap().len()).sum::<usize>();
        assert_eq!(kept, 1);
    }

    #[test]
    fn any_number_of_threads_open_at_once() {
        let sealer = sealer();
        let values: Vec<_> = (0..32_u8)
            .map(|number| (number, sealer.seal(ITEM, &[number; 40], &mut CountingRandom::default()).unwrap()))
            .collect();
        std::thread::scope(|scope| {
            for (number, sealed) in &values {
                let sealer = &sealer;
                scope.spawn(move || {
                    for _ in 0..50 {
                        assert!(sealer.unseal(ITEM, sealed).unwrap().expose() == [*number; 40]);
                    }
                });
            }
        });
        let key = sealer.data_keys.values().next().unwrap();
        assert!((1..=MOST_OPENERS).contains(&key.openers.lock().unwrap().len()));
    }

    #[test]
    fn every_cut_and_every_addition_is_noticed() {
        let sealer = sealer();
        let sealed = sealer.seal(ITEM, b"secret", &mut CountingRandom::default()).unwrap().into_bytes();
        for length in 0..sealed.len() {
            refused(sealer.unseal(ITEM, &Sealed::from(sealed[..length].to_vec())));
            refused(sealer.unseal(ITEM, &Sealed::from(sealed[sealed.len() - length..].to_vec())));
        }
        refused(sealer.unseal(ITEM, &Sealed::from([sealed.as_slice(), &[0]].concat())));
        refused(sealer.unseal(ITEM, &Sealed::from(vec![FORMAT; MAXIMUM_PLAIN_LENGTH + 100])));
    }

    #[test]
    fn a_value_opens_in_its_own_place_only() {
        let sealer = sealer();
        let id = 7;
        let places = [
            SealedItem::ApiKeyDigestKey,
            SealedItem::ApiKeyValue(ApiKeyId::from_u128(id)),
            SealedItem::ApiKeyValue(ApiKeyId::from_u128(id + 1)),
            SealedItem::ClientSecret(EntityId::from_u128(id)),
            SealedItem::ClientSecret(EntityId::from_u128(id + 1)),
            SealedItem::KeyMaterial(KeyId::from_u128(id)),
            SealedItem::KeyMaterial(KeyId::from_u128(id + 1)),
        ];
        for sealed_for in places {
            let sealed = sealer.seal(sealed_for, b"secret", &mut CountingRandom::default()).unwrap();
            for place in places {
                assert_eq!(
                    sealer.unseal(place, &sealed).is_ok(),
                    place == sealed_for,
                    "{sealed_for:?} {place:?}"
                );
            }
        }
    }

    #[test]
    fn data_keys_open_under_their_master_key_only() {
        let (sealer, data_key) = Sealer::create(&master(0), 1, &mut CountingRandom::default()).unwrap();
        let sealed = sealer.seal(ITEM, b"secret", &mut CountingRandom::default()).unwrap();
        refused(Sealer::open(&master(1), &[(1, data_key.clone())]));
        refused(Sealer::open(&master(0), &[(2, data_key.clone())]));
        refused(Sealer::open(&master(0), &[(1, data_key.clone()), (1, data_key.clone())]));
        refused(Sealer::open(&master(0), &[(1, sealed.clone())]));
        refused(Sealer::open(&master(0), &[]));
        let mut moved = data_key.clone().into_bytes();
        moved[4] = 2;
        refused(Sealer::open(&master(0), &[(2, Sealed::from(moved))]));
        let opened = Sealer::open(&master(0), &[(1, data_key)]).unwrap();
        assert_eq!(opened.unseal(ITEM, &sealed).unwrap().expose(), b"secret");
    }

    #[test]
    fn the_highest_version_seals_and_all_open() {
        let master = master(0);
        let mut random = CountingRandom::default();
        let (old, old_key) = Sealer::create(&master, 1, &mut random).unwrap();
        let (new, new_key) = Sealer::create(&master, 2, &mut random).unwrap();
        let sealed_before = old.seal(ITEM, b"old", &mut random).unwrap();
        refused(new.unseal(ITEM, &sealed_before));
        for order in
            [[(1, old_key.clone()), (2, new_key.clone())], [(2, new_key.clone()), (1, old_key.clone())]]
        {
            let both = Sealer::open(&master, &order).unwrap();
            assert_eq!(both.unseal(ITEM, &sealed_before).unwrap().expose(), b"old");
            let sealed_after = both.seal(ITEM, b"new", &mut random).unwrap();
            assert_eq!(new.unseal(ITEM, &sealed_after).unwrap().expose(), b"new");
            refused(old.unseal(ITEM, &sealed_after));
        }
    }

    #[test]
    fn without_random_bytes_nothing_is_sealed() {
        assert_eq!(Sealer::create(&master(0), 1, &mut NoRandom).err(), Some(CryptoError::Entropy));
        assert_eq!(sealer().seal(ITEM, b"secret", &mut NoRandom), Err(CryptoError::Entropy));
    }
}
