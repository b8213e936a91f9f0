//! Where random bytes come from: a parameter everywhere, so that tests are deterministic.

use claviger_domain::SecretBytes;
use rand::TryRng;
use rand::rngs::SysRng;
use zeroize::Zeroizing;

use crate::CryptoError;

/// A source of random bytes that are fit for keys and nonces.
pub trait RandomSource {
    /// Fills all of `bytes`.
    ///
    /// # Errors
    /// [`CryptoError::Entropy`] when there are no random bytes; the content of `bytes` must not be used then.
    fn fill(&mut self, bytes: &mut [u8]) -> Result<(), CryptoError>;
}

/// The generator of the operating system (on Linux `getrandom(2)`), asked anew for every draw.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemRandom;

impl RandomSource for SystemRandom {
    fn fill(&mut self, bytes: &mut [u8]) -> Result<(), CryptoError> {
        SysRng.try_fill_bytes(bytes).map_err(|_| CryptoError::Entropy)
    }
}

/// `N` random bytes for values that are not secret, such as ids and nonces.
///
/// # Errors
/// [`CryptoError::Entropy`] when the source fails.
pub fn random_array<const N: usize>(random: &mut dyn RandomSource) -> Result<[u8; N], CryptoError> {
    let mut bytes = [0; N];
    random.fill(&mut bytes)?;
    Ok(bytes)
}

/// `length` random bytes in a buffer that is wiped, also when the source fails half-way.
pub(crate) fn random_secret(
    length: usize,
    random: &mut dyn RandomSource,
) -> Result<SecretBytes, CryptoError> {
    let mut bytes = Zeroizing::new(vec![0; length]);
    random.fill(&mut bytes)?;
    Ok(SecretBytes::from(std::mem::take(&mut *bytes)))
}

#[cfg(test)]
pub(crate) mod test_random {
    //! Random sources for the unit tests.

    use super::*;

    /// Fails always.
    pub(crate) struct NoRandom;

    impl RandomSource for NoRandom {
        fn fill(&mut self, _: &mut [u8]) -> Result<(), CryptoError> {
            Err(CryptoError::Entropy)
        }
    }

    /// The bytes 0, 1, 2, … and on.
    #[derive(Default)]
    pub(crate) struct CountingRandom(u8);

    impl RandomSource for CountingRandom {
        fn fill(&mut self, bytes: &mut [u8]) -> Result<(), CryptoError> {
            for byte in bytes {
                *byte = self.0;
                self.0 = self.0.wrapping_add(1);
            }
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::test_random::NoRandom;
    use super::*;

    #[test]
    fn system_random_fills_everything_and_does_not_repeat() {
        let first: [u8; 64] = random_array(&mut SystemRandom).unwrap();
        let second: [u8; 64] = random_array(&mut SystemRandom).unwrap();
        assert_ne!(first, second);
        // 16 zero bytes in a row have a probability of 2^-128: a part that was left out would show.
        assert!(first.chunks(16).all(|chunk| chunk.iter().any(|byte| *byte != 0)));
    }

    #[test]
    fn a_failing_source_gives_no_bytes() {
        assert_eq!(random_array::<16>(&mut NoRandom), Err(CryptoError::Entropy));
        assert_eq!(random_secret(32, &mut NoRandom).err(), Some(CryptoError::Entropy));
    }
}
