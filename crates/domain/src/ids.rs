//! Identifiers: UUIDs with a type per kind of object, so that an API key's id cannot stand where a tenant's is asked.

use std::fmt;
use std::str::FromStr;

use uuid::Uuid;

/// The text is not a UUID in the hyphenated form of RFC 9562, section 4.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a hyphenated UUID")]
pub struct InvalidId;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Uuid);

        impl $name {
            /// The id with these 128 bits, as they are.
            #[must_use]
            pub const fn from_u128(value: u128) -> Self {
                Self(Uuid::from_u128(value))
            }

            /// A version 4 UUID (RFC 9562, section 5.4) from 16 random bytes; six of the 128 bits are fixed.
            #[must_use]
            pub fn from_random_bytes(bytes: [u8; 16]) -> Self {
                Self(uuid::Builder::from_random_bytes(bytes).into_uuid())
            }

            /// The 16 bytes, most significant first.
            #[must_use]
            pub const fn as_bytes(&self) -> &[u8; 16] {
                self.0.as_bytes()
            }

            /// The 128 bits as a number.
            #[must_use]
            pub const fn as_u128(&self) -> u128 {
                self.0.as_u128()
            }
        }

        impl fmt::Display for $name {
            /// Lower case with hyphens, 36 characters.
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.as_hyphenated().fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;

            /// Takes the hyphenated form in either case, and no other form of a UUID.
            fn from_str(text: &str) -> Result<Self, InvalidId> {
                parse(text).map(Self)
            }
        }
    };
}

id!(
    /// Names an [`ApiKey`](crate::ApiKey); not secret.
    ApiKeyId
);
id!(
    /// Names an [`Entity`](crate::Entity); not secret.
    EntityId
);
id!(
    /// Names an [`EntityGrant`](crate::EntityGrant).
    EntityGrantId
);
id!(
    /// Names an [`EntityType`](crate::EntityType).
    EntityTypeId
);
id!(
    /// Names an [`EntityTypePermission`](crate::EntityTypePermission).
    EntityTypePermissionId
);
id!(
    /// Names an [`IpAccessControlList`](crate::IpAccessControlList).
    IpAccessControlListId
);
id!(
    /// Names a [`Key`](crate::Key) that signs or verifies tokens.
    KeyId
);
id!(
    /// Names a [`Role`](crate::Role).
    RoleId
);
id!(
    /// Names a [`Tenant`](crate::Tenant).
    TenantId
);

/// The `uuid` crate also reads the simple, braced and URN forms; two spellings of one id would be two strings to
/// whatever compares paths, so only one is let in.
fn parse(text: &str) -> Result<Uuid, InvalidId> {
    if text.len() != 36 {
        return Err(InvalidId);
    }
    Uuid::try_parse(text).map_err(|_| InvalidId)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_hyphenated_form_only() {
        let text = "780e1d5b-ee3b-43b2-aec8-db99b99adc4e";
        let id: KeyId = text.parse().unwrap();
        assert_eq!(id.to_string(), text);
        assert_eq!(text.to_uppercase().parse::<KeyId>(), Ok(id));
        for bad in [
            "",
            "780e1d5bee3b43b2aec8db99b99adc4e",
            "{780e1d5b-ee3b-43b2-aec8-db99b99adc4e}",
            "urn:uuid:780e1d5b-ee3b-43b2-aec8-db99b99adc4e",
            "780e1d5b-ee3b-43b2-aec8-db99b99adc4",
            "780e1d5b-ee3b-43b2-aec8-db99b99adc4e ",
            "780e1d5bxee3b-43b2-aec8-db99b99adc4e",
            "780e1d5b-ee3b-43b2-aec8-db99b99adcé",
        ] {
            assert_eq!(bad.parse::<KeyId>(), Err(InvalidId), "{bad}");
        }
    }

    #[test]
    fn random_ids_are_version_4() {
        let id = TenantId::from_random_bytes([0xff; 16]);
        assert_eq!(id.to_string(), "ffffffff-ffff-4fff-bfff-ffffffffffff");
    }
}
