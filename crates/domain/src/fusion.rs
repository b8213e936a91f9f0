//! What Lucidworks Fusion's dialect adds to an API key: an id of the caller's own choice, beside the UUID.

use std::fmt;

/// The longest id, in characters.
pub const MAXIMUM_FUSION_ID_LENGTH: usize = 255;

/// A text that cannot be the id of a key in Fusion's dialect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an id has 1 to {MAXIMUM_FUSION_ID_LENGTH} characters, none of them '/' or a control character")]
pub struct InvalidFusionId;

/// The id of an API key in Fusion's dialect: 1 to [`MAXIMUM_FUSION_ID_LENGTH`] characters, neither `/` nor a control
/// character among them. Case matters. Unique in the whole instance.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FusionId(String);

impl FusionId {
    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for FusionId {
    type Error = InvalidFusionId;

    fn try_from(text: String) -> Result<Self, InvalidFusionId> {
        let fits = (1..=MAXIMUM_FUSION_ID_LENGTH).contains(&text.chars().count());
        if fits && !text.chars().any(|c| c == '/' || c.is_control()) {
            Ok(Self(text))
        } else {
            Err(InvalidFusionId)
        }
    }
}

impl fmt::Display for FusionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules() {
        for good in ["k", "api-key-core-ui-16630249022972", "Kiosk 1", "é", ".", "a%2fb", &"é".repeat(255)]
        {
            assert_eq!(FusionId::try_from(good.to_owned()).unwrap().as_str(), good);
        }
        for bad in ["", "a/b", "a\0", "a\n", &"é".repeat(256)] {
            assert_eq!(FusionId::try_from(bad.to_owned()), Err(InvalidFusionId), "{bad:?}");
        }
    }
}
