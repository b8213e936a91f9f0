//! What Lucidworks Fusion's dialect adds to an API key: an id of the caller's own choice, beside the UUID.

use std::fmt;

/// The longest id, in characters.
pub const MAXIMUM_FUSION_ID_LENGTH: usize = 255;

/// A text that cannot be the id of a key in Fusion's dialect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "an id has 1 to {MAXIMUM_FUSION_ID_LENGTH} characters, none of them a slash, backslash, semicolon, percent sign or control character, and is not '.', '..' or 'search'"
)]
pub struct InvalidFusionId;

/// The id of an API key in Fusion's dialect: 1 to [`MAXIMUM_FUSION_ID_LENGTH`] characters. Case matters. Unique in the
/// whole instance. What could not stand in the path of a request, where the strict parser refuses it, is no id: a key
/// under it could never be read or deleted; and `search` is a path of its own.
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
        let reachable = !matches!(text.as_str(), "." | ".." | "search");
        if fits && reachable && !text.chars().any(|c| "/\\;%".contains(c) || c.is_control()) {
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
        for good in ["k", "api-key-core-ui-16630249022972", "Kiosk 1", "é", "...", "a?b", &"é".repeat(255)]
        {
            assert_eq!(FusionId::try_from(good.to_owned()).unwrap().as_str(), good);
        }
        for bad in ["", "a/b", "a\0", "a\n", "a\\b", "a;b", "a%2fb", ".", "..", "search", &"é".repeat(256)] {
            assert_eq!(FusionId::try_from(bad.to_owned()), Err(InvalidFusionId), "{bad:?}");
        }
    }
}
