//! Client secrets (RFC 6749, section 2.3.1): what an entity proves at the token endpoint that it is itself.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use claviger_domain::SecretText;
use zeroize::Zeroizing;

use crate::random::random_secret;
use crate::{CryptoError, RandomSource};

/// The random bytes of a generated client secret.
const CLIENT_SECRET_LENGTH: usize = 32;

/// A new client secret: 32 random bytes in base64url without padding, 43 characters. None of them changes in a form, so that
/// it does not matter whether a client encodes them before it makes a header of them.
///
/// # Errors
/// [`CryptoError::Entropy`] when the source fails.
pub fn generate_client_secret(random: &mut dyn RandomSource) -> Result<SecretText, CryptoError> {
    let bytes = random_secret(CLIENT_SECRET_LENGTH, random)?;
    let mut text = Zeroizing::new(URL_SAFE_NO_PAD.encode(bytes.expose()));
    Ok(SecretText::from(std::mem::take(&mut *text)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::test_random::{CountingRandom, NoRandom};

    #[test]
    fn secrets_are_base64url() {
        let secret = generate_client_secret(&mut CountingRandom::default()).unwrap();
        assert_eq!(secret.expose(), "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8");
        assert_eq!(generate_client_secret(&mut NoRandom).err(), Some(CryptoError::Entropy));
    }
}
