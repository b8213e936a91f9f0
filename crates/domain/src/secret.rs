//! Secrets that cannot be printed, copied or serialized by accident, and that are wiped when they go.
//!
//! ```compile_fail
//! fn printable(_: impl std::fmt::Debug) {}
//! printable(claviger_domain::SecretText::from(String::from("secret")));
//! ```
//!
//! ```compile_fail
//! fn printable(_: impl std::fmt::Display) {}
//! printable(claviger_domain::SecretText::from(String::from("secret")));
//! ```
//!
//! ```compile_fail
//! fn cloned(secret: &claviger_domain::SecretBytes) -> claviger_domain::SecretBytes { secret.clone() }
//! ```

use std::fmt;

use zeroize::Zeroizing;

/// Secret bytes in plain, such as a private key or a master key. Wiped on drop.
pub struct SecretBytes(Zeroizing<Vec<u8>>);

impl SecretBytes {
    /// The plain bytes. Every use of this is a place where a secret could leak.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}

impl From<Vec<u8>> for SecretBytes {
    fn from(bytes: Vec<u8>) -> Self {
        Self(Zeroizing::new(bytes))
    }
}

/// Secret text in plain, such as the value of an API key. Wiped on drop.
pub struct SecretText(Zeroizing<String>);

impl SecretText {
    /// The plain text. Every use of this is a place where a secret could leak.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl From<String> for SecretText {
    fn from(text: String) -> Self {
        Self(Zeroizing::new(text))
    }
}

/// A secret as it is stored: encrypted and authenticated, useless without the master key.
#[derive(Clone, PartialEq, Eq)]
pub struct Sealed(Vec<u8>);

impl Sealed {
    /// The ciphertext with its header.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The ciphertext with its header, owned.
    #[must_use]
    pub fn into_bytes(self) -> Vec<u8> {
        self.0
    }
}

impl From<Vec<u8>> for Sealed {
    fn from(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }
}

impl fmt::Debug for Sealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sealed({} bytes)", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sealed_shows_its_size_only() {
        assert_eq!(format!("{:?}", Sealed::from(vec![1, 2, 3])), "Sealed(3 bytes)");
    }
}
