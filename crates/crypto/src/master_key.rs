//! The master key: what it looks like in the configuration, and which texts are none.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use claviger_domain::{SecretBytes, SecretText};
use zeroize::Zeroizing;

use crate::random::random_secret;
use crate::{CryptoError, RandomSource};

/// Bytes of a key for AES-256.
pub(crate) const KEY: usize = 32;

/// The key of the installation, 32 bytes. It lives in the configuration, never in the database.
pub struct MasterKey(SecretBytes);

impl MasterKey {
    /// A new random key.
    ///
    /// # Errors
    /// [`CryptoError::Entropy`] when the source fails, [`CryptoError::TooWeak`] when it repeats one byte.
    pub fn generate(random: &mut dyn RandomSource) -> Result<Self, CryptoError> {
        Self::from_bytes(random_secret(KEY, random)?)
    }

    /// The key with these bytes.
    ///
    /// # Errors
    /// [`CryptoError::Malformed`] unless there are 32, [`CryptoError::TooWeak`] when all are equal: that is a
    /// placeholder and no key.
    pub fn from_bytes(bytes: SecretBytes) -> Result<Self, CryptoError> {
        let first = *bytes.expose().first().ok_or(CryptoError::Malformed)?;
        if bytes.expose().len() != KEY {
            return Err(CryptoError::Malformed);
        }
        if bytes.expose().iter().all(|byte| *byte == first) {
            return Err(CryptoError::TooWeak);
        }
        Ok(Self(bytes))
    }

    /// The key in standard base64 with padding (RFC 4648, section 4), as [`to_base64`](Self::to_base64) writes it.
    /// White space around it is skipped, such as the newline at the end of a file.
    ///
    /// # Errors
    /// As [`from_bytes`](Self::from_bytes), and [`CryptoError::Malformed`] for any other text.
    pub fn from_base64(text: &str) -> Result<Self, CryptoError> {
        let text = text.trim();
        let mut bytes = Zeroizing::new(Vec::with_capacity(text.len()));
        STANDARD.decode_vec(text, &mut bytes).map_err(|_| CryptoError::Malformed)?;
        Self::from_bytes(SecretBytes::from(std::mem::take(&mut *bytes)))
    }

    /// The 32 bytes.
    pub(crate) fn bytes(&self) -> &SecretBytes {
        &self.0
    }

    /// The key in standard base64 with padding, 44 characters.
    #[must_use]
    pub fn to_base64(&self) -> SecretText {
        SecretText::from(STANDARD.encode(self.0.expose()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SystemRandom;
    use crate::random::test_random::NoRandom;

    #[test]
    fn master_keys_are_read_strictly() {
        let key = MasterKey::generate(&mut SystemRandom).unwrap();
        let text = key.to_base64();
        assert_eq!(text.expose().len(), 44);
        let again = MasterKey::from_base64(&format!("\n {} \r\n", text.expose())).unwrap();
        assert_eq!(again.0.expose(), key.0.expose());
        for (length, expected) in
            [(0, CryptoError::Malformed), (31, CryptoError::Malformed), (33, CryptoError::Malformed)]
        {
            let short = STANDARD.encode((0..length).collect::<Vec<u8>>());
            assert_eq!(MasterKey::from_base64(&short).err(), Some(expected));
        }
        for bad in ["", "!", "AAEC", &text.expose()[..43], &text.expose().replace('=', "==")] {
            assert_eq!(MasterKey::from_base64(bad).err(), Some(CryptoError::Malformed));
        }
        for byte in [0, 1, 0xff] {
            let weak = STANDARD.encode([byte; 32]);
            assert_eq!(MasterKey::from_base64(&weak).err(), Some(CryptoError::TooWeak));
        }
    }

    #[test]
    fn generated_keys_differ() {
        let generate = || MasterKey::generate(&mut SystemRandom).unwrap();
        assert_ne!(generate().bytes().expose(), generate().bytes().expose());
        assert_eq!(MasterKey::generate(&mut NoRandom).err(), Some(CryptoError::Entropy));
    }
}
