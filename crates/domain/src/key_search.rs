//! Searching keys: name patterns, the columns to sort by, and what a search asks for. How a database answers is storage's business.

use crate::{KeyAlgorithm, KeyType, MAXIMUM_NAME_LENGTH, Order, SortColumn, fold};

/// The size of a page when a search, of whatever objects, names none (FusionAuth: `numberOfResults`).
pub const DEFAULT_NUMBER_OF_RESULTS: u64 = 25;

/// The longest name once it is folded, in characters: `İ` (U+0130) is the one character that becomes two in lower case.
const MAXIMUM_FOLDED_LENGTH: usize = 2 * MAXIMUM_NAME_LENGTH;

/// What a name must look like, without regard to case.
///
/// White space at the ends does not count. Without `*` the text may stand anywhere in the name. `*` is any run of
/// characters, none included, and then the text is anchored at both ends; `**` is a literal `*`. Nothing else is special.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamePattern {
    like: String,
    matchable: bool,
}

impl NamePattern {
    /// Reads what a caller searches for. Every text is a pattern.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let Like { like, length, printable } = Like::new(&fold(text.trim()));
        Self { like, matchable: printable && length <= MAXIMUM_FOLDED_LENGTH }
    }

    /// The pattern for `LIKE` with a backslash as escape character, to be compared with [`Name::folded`].
    ///
    /// [`Name::folded`]: crate::Name::folded
    #[must_use]
    pub fn as_like(&self) -> &str {
        &self.like
    }

    /// Whether any name can fit: not when the text is longer than every name, or has a control character, which no name
    /// has. Such patterns need not reach a database; U+0000 could not, and long ones are slow to compare.
    #[must_use]
    pub const fn is_matchable(&self) -> bool {
        self.matchable
    }
}

/// What a text other than a name must look like, such as the JSON of an object: the same wildcards, but only the letters A
/// to Z without regard to case, which is what both databases can fold by themselves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TextPattern {
    like: String,
    matchable: bool,
}

impl TextPattern {
    /// Reads what a caller searches for. Every text is a pattern.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        Self { like: Like::new(&text.trim().to_ascii_lowercase()).like, matchable: !text.contains('\0') }
    }

    /// The pattern for `LIKE` with a backslash as escape character, to be compared with a text whose letters A to Z are in
    /// lower case.
    #[must_use]
    pub fn as_like(&self) -> &str {
        &self.like
    }

    /// Whether any text can fit: not one with U+0000, which stands in no text of a database and must not reach one.
    #[must_use]
    pub const fn is_matchable(&self) -> bool {
        self.matchable
    }
}

/// A pattern of a caller, translated.
struct Like {
    like: String,
    /// The characters that stand for themselves.
    length: usize,
    /// Whether none of those is a control character.
    printable: bool,
}

impl Like {
    fn new(folded: &str) -> Self {
        let anchored = folded.contains('*');
        let mut like = String::with_capacity(folded.len() + 2);
        let (mut length, mut printable) = (0_usize, true);
        if !anchored {
            like.push('%');
        }
        let mut characters = folded.chars().peekable();
        while let Some(character) = characters.next() {
            if character == '*' && characters.next_if_eq(&'*').is_none() {
                like.push('%');
                continue;
            }
            if matches!(character, '%' | '_' | '\\') {
                like.push('\\');
            }
            like.push(character);
            length += 1;
            printable &= !character.is_control();
        }
        if !anchored {
            like.push('%');
        }
        Self { like, length, printable }
    }
}

/// The columns by which keys can be sorted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum KeyColumn {
    /// The algorithm by its name; keys without one count as smaller than all others.
    Algorithm,
    /// The end of the certificate; keys without one count as smaller than all others.
    Expiration,
    /// The id.
    Id,
    /// When the key was made.
    Insert,
    /// The name in lower case, then the name itself.
    Name,
    /// The type by its name.
    Type,
}

impl SortColumn for KeyColumn {
    const ALL: &[Self] = &[Self::Algorithm, Self::Expiration, Self::Id, Self::Insert, Self::Name, Self::Type];
    const DEFAULT: Self = Self::Name;

    /// FusionAuth: Search for Keys.
    fn as_str(self) -> &'static str {
        match self {
            Self::Algorithm => "algorithm",
            Self::Expiration => "expiration",
            Self::Id => "id",
            Self::Insert => "insertInstant",
            Self::Name => "name",
            Self::Type => "type",
        }
    }
}

/// One criterion of the order of keys.
pub type KeyOrder = Order<KeyColumn>;

/// What to look for, in which order, and which part of the result. The filters combine with "and".
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeySearch {
    /// Only keys whose name fits.
    pub name: Option<NamePattern>,
    /// Only keys with exactly this algorithm.
    pub algorithm: Option<KeyAlgorithm>,
    /// Only keys of exactly this type.
    pub key_type: Option<KeyType>,
    /// The criteria, the weightiest first. Keys that are equal in all of them are sorted by id.
    pub order: Vec<KeyOrder>,
    /// How many keys to leave out at the start.
    pub start_row: u64,
    /// The size of the page; 0 asks for the total only.
    pub number_of_results: u64,
}

impl Default for KeySearch {
    /// The first [`DEFAULT_NUMBER_OF_RESULTS`] of all keys by name.
    fn default() -> Self {
        Self {
            name: None,
            algorithm: None,
            key_type: None,
            order: vec![KeyOrder::DEFAULT],
            start_row: 0,
            number_of_results: DEFAULT_NUMBER_OF_RESULTS,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn like(text: &str, expected: &str) {
        let pattern = NamePattern::parse(text);
        assert_eq!(pattern.as_like(), expected, "{text:?}");
        assert!(pattern.is_matchable(), "{text:?}");
    }

    #[test]
    fn patterns_are_those_of_fusionauth() {
        like("forum", "%forum%");
        like(" Forum ", "%forum%");
        like("for*", "for%");
        like("*rum", "%rum");
        like("*", "%");
        like("f*m", "f%m");
        like("", "%%");
        like("50%", "%50\\%%");
        like("a_b", "%a\\_b%");
        like("a_*", "a\\_%");
        like("**", "*");
        like("a**b", "a*b");
        like("a***b", "a*%b");
        like("*RS256*", "%rs256%");
    }

    #[test]
    fn the_escape_character_is_literal() {
        like("a\\b", "%a\\\\b%");
        like("\\*", "\\\\%");
        like("\\%", "%\\\\\\%%");
    }

    #[test]
    fn case_is_folded_as_in_names() {
        like("ÄÖÜ", "%äöü%");
        like("\u{3000}İ ", "%i\u{307}%");
        like("ß", "%ß%");
    }

    #[test]
    fn other_texts_are_folded_in_ascii_only() {
        for (text, expected) in [
            (" Forum\t", "%forum%"),
            ("*\"name\":\"Ä*", "%\"name\":\"Ä%"),
            ("100%_\\", "%100\\%\\_\\\\%"),
            ("**", "*"),
        ] {
            let pattern = TextPattern::parse(text);
            assert_eq!((pattern.as_like(), pattern.is_matchable()), (expected, true), "{text:?}");
        }
        assert!(TextPattern::parse(&"a".repeat(1_000)).is_matchable());
        assert!(!TextPattern::parse("a\0b").is_matchable() && TextPattern::parse("a\u{85}b").is_matchable());
    }

    #[test]
    fn what_no_name_can_be_is_known_beforehand() {
        let matchable = |text: &str| NamePattern::parse(text).is_matchable();
        assert!(matchable(&"İ".repeat(191)) && matchable(&"*a".repeat(382)));
        assert!(!matchable(&"a".repeat(383)) && !matchable(&"**".repeat(383)));
        assert!(!matchable("a\0b") && !matchable("a\nb") && matchable("\na\n"));
    }
}
