//! The places that can name a key, in one table. A key that any of them names cannot be deleted.
//!
//! Whoever adds a property that holds key ids adds a row here: the error that lists the places, the check whether a key
//! may stand there, and the tests of storage all work from the table.

use crate::{Key, KeyId, KeyType};

/// The kinds of objects that can name keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum KeyOwner {
    /// An entity type.
    EntityType,
    /// A tenant.
    Tenant,
}

impl KeyOwner {
    /// The name in storage and in messages.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::EntityType => "EntityType",
            Self::Tenant => "Tenant",
        }
    }

    /// The places of objects of this kind, in the order of [`KEY_PLACES`].
    pub fn places(self) -> impl Iterator<Item = &'static KeyPlace> {
        KEY_PLACES.iter().filter(move |place| place.owner == self)
    }
}

/// What a place uses its key for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum KeyUsage {
    /// Signs access tokens.
    SignAccessTokens,
    /// Signs id tokens.
    SignIdTokens,
    /// Verifies access tokens that it may have signed earlier.
    VerifyAccessTokens,
    /// Verifies id tokens that it may have signed earlier.
    VerifyIdTokens,
}

impl KeyUsage {
    /// Whether the private half or the secret is needed.
    #[must_use]
    pub const fn signs(self) -> bool {
        match self {
            Self::SignAccessTokens | Self::SignIdTokens => true,
            Self::VerifyAccessTokens | Self::VerifyIdTokens => false,
        }
    }

    /// Whether this key can be used so. A shadow key means "the client's own secret", which can sign id tokens only.
    #[must_use]
    pub fn accepts(self, key: &Key) -> bool {
        if key.shadow {
            return self == Self::SignIdTokens;
        }
        key.key_type != KeyType::Secret && (!self.signs() || (key.has_private_key && key.algorithm.is_some()))
    }
}

/// A place that can name a key, or several.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyPlace {
    /// The kind of the object.
    pub owner: KeyOwner,
    /// The path of the member inside the object.
    pub property: &'static str,
    /// What the key is used for. No two places of one kind have the same.
    pub usage: KeyUsage,
    /// Where it is stored, as `table.column`.
    pub column: &'static str,
}

/// Every place that can name a key.
pub const KEY_PLACES: [KeyPlace; 6] = [
    KeyPlace {
        owner: KeyOwner::EntityType,
        property: "jwtConfiguration.accessTokenKeyId",
        usage: KeyUsage::SignAccessTokens,
        column: "entity_type.access_token_key_id",
    },
    KeyPlace {
        owner: KeyOwner::EntityType,
        property: "jwtConfiguration.accessTokenVerificationKeyIds",
        usage: KeyUsage::VerifyAccessTokens,
        column: "entity_type.access_token_verification_key_ids",
    },
    KeyPlace {
        owner: KeyOwner::Tenant,
        property: "jwtConfiguration.accessTokenKeyId",
        usage: KeyUsage::SignAccessTokens,
        column: "tenant.access_token_key_id",
    },
    KeyPlace {
        owner: KeyOwner::Tenant,
        property: "jwtConfiguration.idTokenKeyId",
        usage: KeyUsage::SignIdTokens,
        column: "tenant.id_token_key_id",
    },
    KeyPlace {
        owner: KeyOwner::Tenant,
        property: "jwtConfiguration.accessTokenVerificationKeyIds",
        usage: KeyUsage::VerifyAccessTokens,
        column: "tenant.access_token_verification_key_ids",
    },
    KeyPlace {
        owner: KeyOwner::Tenant,
        property: "jwtConfiguration.idTokenVerificationKeyIds",
        usage: KeyUsage::VerifyIdTokens,
        column: "tenant.id_token_verification_key_ids",
    },
];

/// One place of one object that names a key, which therefore cannot be deleted.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyReference {
    /// The kind of the object, such as `Tenant`.
    pub owner: String,
    /// The object's id.
    pub owner_id: String,
    /// The member that holds the key's id, such as `jwtConfiguration.accessTokenKeyId`.
    pub property: String,
    /// The key that is named.
    pub key_id: KeyId,
}

/// Every key that one object names, given what it names in each place: one entry per pair of place and key, sorted.
pub(crate) fn key_references<'a>(
    owner: KeyOwner,
    owner_id: &str,
    key_ids: impl Fn(KeyUsage) -> &'a [KeyId],
) -> Vec<KeyReference> {
    let mut references: Vec<_> = owner
        .places()
        .flat_map(|place| key_ids(place.usage).iter().map(|key_id| (place.property, *key_id)))
        .map(|(property, key_id)| KeyReference {
            owner: owner.as_str().to_owned(),
            owner_id: owner_id.to_owned(),
            property: property.to_owned(),
            key_id,
        })
        .collect();
    references.sort();
    references.dedup();
    references
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::{Instant, KeyAlgorithm, Kid, Name, Revision};

    fn a_key() -> Key {
        Key {
            id: KeyId::from_u128(1),
            revision: Revision::FIRST,
            name: Name::try_from(String::from("key")).unwrap(),
            kid: Kid::from(String::from("kid")),
            key_type: KeyType::Rsa,
            algorithm: Some(KeyAlgorithm::Rs256),
            length: Some(2048),
            issuer: None,
            public_key: None,
            certificate: None,
            has_private_key: true,
            shadow: false,
            expiration_instant: None,
            insert_instant: Instant::from_epoch_millis(0),
            last_update_instant: Instant::from_epoch_millis(0),
        }
    }

    #[test]
    fn places_are_told_apart() {
        let unique =
            |tell: fn(&KeyPlace) -> String| KEY_PLACES.iter().map(tell).collect::<BTreeSet<_>>().len();
        assert_eq!(unique(|place| format!("{:?} {}", place.owner, place.property)), KEY_PLACES.len());
        assert_eq!(unique(|place| format!("{:?} {:?}", place.owner, place.usage)), KEY_PLACES.len());
        assert_eq!(unique(|place| place.column.to_owned()), KEY_PLACES.len());
        assert_eq!(KeyOwner::Tenant.places().count(), 4);
        assert_eq!(KeyOwner::EntityType.places().count(), 2);
    }

    #[test]
    fn usages_accept_what_can_do_the_work() {
        use KeyUsage::{SignAccessTokens, SignIdTokens, VerifyAccessTokens, VerifyIdTokens};
        let accepted_by = |change: fn(&mut Key)| {
            let mut key = a_key();
            change(&mut key);
            [SignAccessTokens, SignIdTokens, VerifyAccessTokens, VerifyIdTokens]
                .map(|usage| usage.accepts(&key))
        };
        assert_eq!(accepted_by(|_| ()), [true; 4]);
        assert_eq!(accepted_by(|key| key.has_private_key = false), [false, false, true, true]);
        assert_eq!(accepted_by(|key| key.algorithm = None), [false, false, true, true]);
        assert_eq!(accepted_by(|key| key.key_type = KeyType::Secret), [false; 4]);
        assert_eq!(accepted_by(|key| key.shadow = true), [false, true, false, false]);
    }
}
