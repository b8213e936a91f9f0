//! Display names of API keys, keys and tenants: one rule for all of them.

use std::fmt;

/// The longest name, in characters: FusionAuth's column width.
pub const MAXIMUM_NAME_LENGTH: usize = 191;

/// A name: not blank, at most [`MAXIMUM_NAME_LENGTH`] characters, without control characters. Stored as given.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(String);

/// Why a text is no [`Name`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Empty, or white space only.
    #[error("blank")]
    Blank,
    /// More than [`MAXIMUM_NAME_LENGTH`] characters.
    #[error("longer than {MAXIMUM_NAME_LENGTH} characters")]
    TooLong,
    /// A control character; U+0000 among them, which PostgreSQL cannot store.
    #[error("contains a control character")]
    InvalidCharacter,
}

impl Name {
    /// The text of the name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name in lower case, by which it is searched and sorted. The rules are Unicode's and the same everywhere;
    /// those of databases differ.
    #[must_use]
    pub fn folded(&self) -> String {
        fold(&self.0)
    }
}

/// A text in lower case, character by character: a part of a text folds as it does within the whole, which the rule for
/// the Greek sigma at the end of a word would break.
#[must_use]
pub fn fold(text: &str) -> String {
    text.chars().flat_map(char::to_lowercase).map(|lower| if lower == 'ς' { 'σ' } else { lower }).collect()
}

impl TryFrom<String> for Name {
    type Error = NameError;

    fn try_from(text: String) -> Result<Self, NameError> {
        if text.trim().is_empty() {
            Err(NameError::Blank)
        } else if text.chars().count() > MAXIMUM_NAME_LENGTH {
            Err(NameError::TooLong)
        } else if text.chars().any(char::is_control) {
            Err(NameError::InvalidCharacter)
        } else {
            Ok(Self(text))
        }
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Result<(), NameError>) {
        assert_eq!(Name::try_from(text.to_owned()).map(|_| ()), expected, "{text:?}");
    }

    #[test]
    fn folding_follows_unicode() {
        for (name, folded) in [
            ("Signing KEY", "signing key"),
            ("ÄÖÜ", "äöü"),
            ("İ", "i\u{307}"),
            ("ß", "ß"),
            ("ΟΔΟΣ", "οδοσ"),
            ("οδος", "οδοσ"),
        ] {
            assert_eq!(Name::try_from(name.to_owned()).unwrap().folded(), folded);
        }
    }

    #[test]
    fn rules() {
        check("Payments", Ok(()));
        check(" é ", Ok(()));
        check(&"é".repeat(191), Ok(()));
        check(&"é".repeat(192), Err(NameError::TooLong));
        check("", Err(NameError::Blank));
        check(" \u{3000}\t", Err(NameError::Blank));
        check("a\0b", Err(NameError::InvalidCharacter));
        check("a\nb", Err(NameError::InvalidCharacter));
    }
}
