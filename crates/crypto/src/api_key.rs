//! The values of API keys: their keyed digest, and the form of those that Claviger generates.
//!
//! A generated value is a prefix, 43 base62 digits that hold 256 random bits, and 6 base62 digits with the CRC-32 of
//! all that precedes. Leak scanners find it by its prefix and check; a mistyped one is told without a look-up.
//! Values that callers choose may have any other form.

use claviger_domain::{ApiKeyDigest, SecretBytes, SecretText};
use zeroize::Zeroizing;

use crate::random::random_secret;
use crate::{CryptoError, RandomSource};

/// The longest prefix of generated values, in characters.
pub const MAXIMUM_PREFIX_LENGTH: usize = 32;

/// Bytes of the digest key, and random bytes of a value.
const SECRET: usize = 32;
/// Base62 digits that hold 256 bits: 62^43 > 2^256.
const BODY: usize = 43;
/// Base62 digits that hold 32 bits: 62^6 > 2^32.
const CHECKSUM: usize = 6;
/// The base of the digits.
const BASE: u8 = 62;
/// The digits by their value.
const DIGITS: &[u8; BASE as usize] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// Computes the digests under which API keys are stored and found: keyed BLAKE3.
pub struct ApiKeyDigester(Box<Zeroizing<[u8; SECRET]>>);

impl ApiKeyDigester {
    /// The digester with this secret, which is the same for the whole installation.
    ///
    /// # Errors
    /// [`CryptoError::Malformed`] unless the secret has 32 bytes.
    pub fn new(secret: SecretBytes) -> Result<Self, CryptoError> {
        let bytes: &[u8; SECRET] = secret.expose().try_into().map_err(|_| CryptoError::Malformed)?;
        let mut key = Box::new(Zeroizing::new([0; SECRET]));
        key.copy_from_slice(bytes);
        Ok(Self(key))
    }

    /// A new random secret for [`new`](Self::new).
    ///
    /// # Errors
    /// [`CryptoError::Entropy`] when the source fails.
    pub fn generate_secret(random: &mut dyn RandomSource) -> Result<SecretBytes, CryptoError> {
        random_secret(SECRET, random)
    }

    /// The digest of a presented value. Allocates nothing.
    #[must_use]
    pub fn digest(&self, presented: &[u8]) -> ApiKeyDigest {
        ApiKeyDigest::from_bytes(*blake3::keyed_hash(&self.0, presented).as_bytes())
    }
}

/// What the form of a presented value says about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ApiKeyShape {
    /// Not of the form of a generated value: one that a caller chose, or of another prefix.
    Foreign,
    /// Of the form of a generated value, with the right checksum.
    Valid,
    /// Of the form of a generated value, with a wrong checksum: it cannot exist.
    Mistyped,
}

/// The form of generated values: their prefix.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiKeyFormat {
    prefix: String,
}

impl ApiKeyFormat {
    /// The form with this prefix, which may be empty.
    ///
    /// # Errors
    /// [`CryptoError::Malformed`] when it is longer than [`MAXIMUM_PREFIX_LENGTH`] or has characters other than
    /// ASCII letters, digits, `_` and `-`.
    pub fn new(prefix: &str) -> Result<Self, CryptoError> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
        if prefix.len() > MAXIMUM_PREFIX_LENGTH || !prefix.bytes().all(allowed) {
            return Err(CryptoError::Malformed);
        }
        Ok(Self { prefix: prefix.to_owned() })
    }

    /// A new value with 256 random bits.
    ///
    /// # Errors
    /// [`CryptoError::Entropy`] when the source fails.
    pub fn generate(&self, random: &mut dyn RandomSource) -> Result<SecretText, CryptoError> {
        let mut number = Zeroizing::new([0; SECRET]);
        random.fill(&mut *number)?;
        let mut body = Zeroizing::new([0; BODY]);
        for digit in body.iter_mut().rev() {
            *digit = digit_of(divide(&mut number));
        }
        // Large enough from the start: growing would leave a copy behind that is not wiped.
        let mut value = Zeroizing::new(String::with_capacity(self.prefix.len() + BODY + CHECKSUM));
        value.push_str(&self.prefix);
        value.extend(body.iter().copied().map(char::from));
        let checksum = checksum(value.as_bytes());
        value.extend(checksum.map(char::from));
        Ok(SecretText::from(std::mem::take(&mut *value)))
    }

    /// Tells a generated value from others by its form alone. Says [`Mistyped`](ApiKeyShape::Mistyped) only where the
    /// prefix is not empty, length and alphabet are those of a generated value, and the checksum is wrong: without a
    /// prefix it could be a value that a caller chose. Allocates nothing.
    #[must_use]
    pub fn classify(&self, presented: &[u8]) -> ApiKeyShape {
        let Some(digits) = presented.strip_prefix(self.prefix.as_bytes()) else {
            return ApiKeyShape::Foreign;
        };
        // All digits are looked at, which the processor does many at a time.
        let alphanumeric = || digits.iter().fold(true, |all, digit| all & digit.is_ascii_alphanumeric());
        if digits.len() != BODY + CHECKSUM || !alphanumeric() {
            return ApiKeyShape::Foreign;
        }
        match presented.split_last_chunk::<CHECKSUM>() {
            Some((before, last)) if *last == checksum(before) => ApiKeyShape::Valid,
            Some(_) if !self.prefix.is_empty() => ApiKeyShape::Mistyped,
            _ => ApiKeyShape::Foreign,
        }
    }
}

/// The base62 digit with this value, which is below [`BASE`].
fn digit_of(value: u8) -> u8 {
    DIGITS.get(usize::from(value)).copied().unwrap_or(b'0')
}

/// Divides a big-endian number by [`BASE`] and returns the remainder.
fn divide(number: &mut [u8; SECRET]) -> u8 {
    let base = u16::from(BASE);
    let mut remainder = 0;
    for byte in number {
        let value = (remainder << 8) | u16::from(*byte);
        // The remainder before is below 62, so the quotient is below 256.
        *byte = u8::try_from(value / base).unwrap_or(u8::MAX);
        remainder = value % base;
    }
    u8::try_from(remainder).unwrap_or(0)
}

/// The CRC-32 (ISO-HDLC, as zip has it) of these bytes in six base62 digits.
fn checksum(bytes: &[u8]) -> [u8; CHECKSUM] {
    let base = u32::from(BASE);
    let mut rest = crc32fast::hash(bytes);
    let mut digits = [b'0'; CHECKSUM];
    for digit in digits.iter_mut().rev() {
        *digit = digit_of(u8::try_from(rest % base).unwrap_or(0));
        rest /= base;
    }
    digits
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::test_random::{CountingRandom, NoRandom};

    /// Gives one byte over and over.
    struct Constant(u8);

    impl RandomSource for Constant {
        fn fill(&mut self, bytes: &mut [u8]) -> Result<(), CryptoError> {
            bytes.fill(self.0);
            Ok(())
        }
    }

    /// CVE-2023-20902 (Harbor): a secret was compared byte by byte. Values of API keys are never compared: what is looked up is
    /// a keyed digest, which tells nothing of how much of a value was right.
    #[test]
    fn cve_2023_20902_near_misses_are_as_far_away_as_any_other() {
        let digester = ApiKeyDigester::new(SecretBytes::from((1..=32).collect::<Vec<u8>>())).unwrap();
        let value = b"clv_003aUlTJC7tjlCTQj2uNU3MFagCXG9LRKRcwGkBIDlf1EKc4r";
        let right = digester.digest(value);
        let other = ApiKeyDigester::new(SecretBytes::from((2..=33).collect::<Vec<u8>>())).unwrap();
        assert_ne!(other.digest(value), right, "the digest is keyed");
        for place in 0..value.len() {
            let mut near = *value;
            near[place] ^= 1;
            for near in [&near[..], &value[..place]] {
                let digest = digester.digest(near);
                let same = digest.as_bytes().iter().zip(right.as_bytes()).filter(|(a, b)| a == b).count();
                // By chance one of 32 bytes is the same in every eighth case, four of them in one of a million.
                assert!(same < 5, "{place}: {same}");
                assert_ne!(digest.as_bytes()[..4], right.as_bytes()[..4], "{place}");
            }
        }
    }

    /// Values computed with another implementation of big numbers and CRC-32.
    #[test]
    fn generated_values_are_as_specified() {
        let format = ApiKeyFormat::new("clv_").unwrap();
        let generate = |random: &mut dyn RandomSource| format.generate(random).unwrap().expose().to_owned();
        assert_eq!(generate(&mut Constant(0)), "clv_0000000000000000000000000000000000000000000216qKT");
        assert_eq!(generate(&mut Constant(0xff)), "clv_yhjskwdA6OZ1AL1YmHWZWm8LLG7HjnuCA2j5rOw8Xp13cWa8L");
        assert_eq!(
            generate(&mut CountingRandom::default()),
            "clv_003aUlTJC7tjlCTQj2uNU3MFagCXG9LRKRcwGkBIDlf1EKc4r"
        );
    }

    #[test]
    fn prefixes_are_checked() {
        let longest = "a".repeat(MAXIMUM_PREFIX_LENGTH);
        for good in ["", "clv_", "A-9_z", &longest] {
            assert!(ApiKeyFormat::new(good).is_ok(), "{good}");
        }
        let too_long = "a".repeat(MAXIMUM_PREFIX_LENGTH + 1);
        for bad in ["clv.", " ", "é", "a\n", &too_long] {
            assert_eq!(ApiKeyFormat::new(bad), Err(CryptoError::Malformed), "{bad}");
        }
    }

    #[test]
    fn only_the_exact_form_is_mistyped() {
        let format = ApiKeyFormat::new("clv_").unwrap();
        let value = format.generate(&mut CountingRandom::default()).unwrap();
        let value = value.expose();
        assert_eq!(format.classify(value.as_bytes()), ApiKeyShape::Valid);
        let digits = "0".repeat(49);
        assert_eq!(format.classify(format!("clv_{digits}").as_bytes()), ApiKeyShape::Mistyped);
        for foreign in [
            "",
            "clv_",
            &value[..value.len() - 1],
            &format!("{value}0"),
            &format!("clw_{digits}"),
            &format!("clv_{}.", &digits[1..]),
            &format!("clv_{}é", &digits[2..]),
            &value[4..],
        ] {
            assert_eq!(format.classify(foreign.as_bytes()), ApiKeyShape::Foreign, "{foreign}");
        }
        assert_eq!(format.classify(&[0xff; 53]), ApiKeyShape::Foreign);
    }

    #[test]
    fn without_a_prefix_nothing_is_mistyped() {
        let format = ApiKeyFormat::new("").unwrap();
        let value = format.generate(&mut CountingRandom::default()).unwrap();
        assert_eq!(value.expose().len(), 49);
        assert_eq!(format.classify(value.expose().as_bytes()), ApiKeyShape::Valid);
        assert_eq!(format.classify("0".repeat(49).as_bytes()), ApiKeyShape::Foreign);
    }

    /// The first vectors of the BLAKE3 authors' `test_vectors.json`, with the key that they use.
    #[test]
    fn the_digest_is_keyed_blake3() {
        let digester =
            ApiKeyDigester::new(SecretBytes::from(b"whats the Elvish word for friend".to_vec())).unwrap();
        let hex = |input: &[u8]| -> String {
            digester.digest(input).as_bytes().iter().map(|byte| format!("{byte:02x}")).collect()
        };
        assert_eq!(hex(b""), "92b2b75604ed3c761f9d6f62392c8a9227ad0ea3f09573e783f1498a4ed60d26");
        assert_eq!(hex(&[0]), "6d7878dfff2f485635d39013278ae14f1454b8c0a3a2d34bc1ab38228a80c95b");
    }

    #[test]
    fn another_secret_gives_another_digest() {
        let digester = |byte| ApiKeyDigester::new(SecretBytes::from(vec![byte; 32])).unwrap();
        assert!(digester(1).digest(b"value") == digester(1).digest(b"value"));
        assert!(digester(1).digest(b"value") != digester(2).digest(b"value"));
        assert!(digester(1).digest(b"value") != digester(1).digest(b"valuf"));
    }

    #[test]
    fn secrets_have_32_bytes() {
        for length in [0, 31, 33] {
            assert_eq!(
                ApiKeyDigester::new(SecretBytes::from(vec![1; length])).err(),
                Some(CryptoError::Malformed)
            );
        }
        assert_eq!(ApiKeyDigester::generate_secret(&mut crate::SystemRandom).unwrap().expose().len(), 32);
    }

    #[test]
    fn without_random_bytes_there_is_no_value() {
        assert_eq!(ApiKeyFormat::new("").unwrap().generate(&mut NoRandom).err(), Some(CryptoError::Entropy));
        assert_eq!(ApiKeyDigester::generate_secret(&mut NoRandom).err(), Some(CryptoError::Entropy));
    }
}
