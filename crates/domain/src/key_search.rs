//! Searching keys: name patterns, sort orders, and what a search asks for. How a database answers is storage's business.

use crate::{KeyAlgorithm, KeyType, MAXIMUM_NAME_LENGTH, fold};

/// The size of a page when a search names none (FusionAuth: `numberOfResults`).
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
        let folded = fold(text.trim());
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

impl KeyColumn {
    /// Every column.
    pub const ALL: [Self; 6] =
        [Self::Algorithm, Self::Expiration, Self::Id, Self::Insert, Self::Name, Self::Type];

    /// The name in `orderBy` (FusionAuth: Search for Keys). Case counts.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
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

/// One criterion of a sort order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct KeyOrder {
    /// What is compared.
    pub column: KeyColumn,
    /// From the largest to the smallest.
    pub descending: bool,
}

impl KeyOrder {
    /// The order when a search names none, or one that cannot be read.
    pub const DEFAULT: Self = Self { column: KeyColumn::Name, descending: false };
}

/// An `orderBy` names a column by which keys cannot be sorted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("unknown column")]
pub struct UnknownColumn;

/// Reads `orderBy`: fields with an optional `ASC` or `DESC` in any case, separated by commas; a field may stand in
/// backquotes. As in FusionAuth, what does not have this form is dropped, and the order is [`KeyOrder::DEFAULT`]. Of a
/// column that is named twice the first mention counts, so that the list has at most as many entries as there are columns.
///
/// # Errors
/// [`UnknownColumn`] when the form is right but a field is none of [`KeyColumn`].
pub fn parse_order_by(text: &str) -> Result<Vec<KeyOrder>, UnknownColumn> {
    let Some(items) = text.split(',').map(order_item).collect::<Option<Vec<_>>>() else {
        return Ok(vec![KeyOrder::DEFAULT]);
    };
    let mut order: Vec<KeyOrder> = Vec::new();
    for (field, descending) in items {
        let column = KeyColumn::ALL.into_iter().find(|column| column.as_str() == field);
        let column = column.ok_or(UnknownColumn)?;
        if !order.iter().any(|earlier| earlier.column == column) {
            order.push(KeyOrder { column, descending });
        }
    }
    Ok(order)
}

/// A field, and whether `DESC` follows it; `None` when the text has another form.
fn order_item(text: &str) -> Option<(&str, bool)> {
    let mut words = text.split_ascii_whitespace();
    let (field, direction) = (words.next()?, words.next());
    if words.next().is_some() {
        return None;
    }
    let descending = match direction {
        None => false,
        Some(word) if word.eq_ignore_ascii_case("ASC") => false,
        Some(word) if word.eq_ignore_ascii_case("DESC") => true,
        Some(_) => return None,
    };
    let bare = match field.strip_prefix('`') {
        Some(rest) => rest.strip_suffix('`')?,
        None => field,
    };
    let is_field = !bare.is_empty() && bare.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    is_field.then_some((bare, descending))
}

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
    fn what_no_name_can_be_is_known_beforehand() {
        let matchable = |text: &str| NamePattern::parse(text).is_matchable();
        assert!(matchable(&"İ".repeat(191)) && matchable(&"*a".repeat(382)));
        assert!(!matchable(&"a".repeat(383)) && !matchable(&"**".repeat(383)));
        assert!(!matchable("a\0b") && !matchable("a\nb") && matchable("\na\n"));
    }

    const fn by(column: KeyColumn, descending: bool) -> KeyOrder {
        KeyOrder { column, descending }
    }

    #[test]
    fn orders_are_read() {
        use KeyColumn::{Algorithm, Expiration, Id, Insert, Name, Type};
        assert_eq!(parse_order_by("name"), Ok(vec![by(Name, false)]));
        assert_eq!(parse_order_by("  `insertInstant`\t dEsC "), Ok(vec![by(Insert, true)]));
        assert_eq!(
            parse_order_by("type,algorithm DESC , expiration asc,id"),
            Ok(vec![by(Type, false), by(Algorithm, true), by(Expiration, false), by(Id, false)])
        );
        assert_eq!(parse_order_by("id DESC,name,id ASC"), Ok(vec![by(Id, true), by(Name, false)]));
        for column in KeyColumn::ALL {
            assert_eq!(parse_order_by(column.as_str()), Ok(vec![by(column, false)]));
        }
    }

    #[test]
    fn what_has_another_form_is_dropped() {
        for text in [
            "",
            " ",
            ",",
            "name,",
            ",name",
            "name,,id",
            "name up",
            "name ASC DESC",
            "name; DROP",
            "`name",
            "name`",
            "``",
            "`na me`",
            "na-me",
            "name IS NULL",
            "ä",
            "bogus,",
            "name\u{a0}ASC",
            "name.id",
        ] {
            assert_eq!(parse_order_by(text), Ok(vec![KeyOrder::DEFAULT]), "{text:?}");
        }
    }

    #[test]
    fn unknown_columns_are_refused() {
        for text in ["Name", "bogus", "insert_instant", "name,kid DESC", "ASC", "`ID`", "lastUpdateInstant"] {
            assert_eq!(parse_order_by(text), Err(UnknownColumn), "{text:?}");
        }
    }
}
