//! What all searches have in common on the wire: where their members stand, and which part of what is found is asked for,
//! in which order.

use std::str::FromStr;

use claviger_domain::{
    Code, DEFAULT_NUMBER_OF_RESULTS, Instant, NamePattern, Order, SortColumn, TextPattern, Violation,
    Violations, codes, parse_order_by,
};
use serde_json::{Map, Value, json};

use super::json::Members;
use super::query::Parameters;

/// The longest name or other text to search for, in characters.
pub(crate) const MAXIMUM_PATTERN_LENGTH: usize = 512;

/// The members of a search, from either of their places. Empty texts count as absent.
pub(crate) enum Source<'a> {
    /// The query string.
    Query(Parameters<'a>),
    /// The member `search` of a body.
    Body(Members),
}

impl<'a> Source<'a> {
    /// The parameters of a query string; those that nobody asks for are ignored.
    pub(crate) const fn query(pairs: &'a [(String, String)]) -> Self {
        Self::Query(Parameters::new(pairs))
    }

    /// The member `search` of a body.
    ///
    /// # Errors
    /// It is missing or no object, or there are others.
    pub(crate) fn body(document: Map<String, Value>) -> Result<Self, Violations> {
        let mut violations = Violations::none();
        let mut root = Members::of_document(document);
        let members = root.object("search", &mut violations);
        root.finish(&mut violations);
        match members {
            Some(members) => violations.into_result(Self::Body(members)),
            None => {
                if violations.is_empty() {
                    violations.add(&codes::SEARCH_MISSING);
                }
                Err(violations)
            }
        }
    }

    /// A member that is a text.
    pub(crate) fn text(&mut self, name: &'static str, violations: &mut Violations) -> Option<String> {
        match self {
            Self::Query(parameters) => parameters.text(name, violations).map(str::to_owned),
            Self::Body(members) => members.text(name, violations).filter(|text| !text.is_empty()),
        }
    }

    /// A member that is a whole number; one below zero is reported under `negative`.
    fn number(
        &mut self,
        name: &'static str,
        negative: &'static Code,
        violations: &mut Violations,
    ) -> Option<u64> {
        let number = match self {
            Self::Query(parameters) => parameters.number(name, violations),
            Self::Body(members) => members.whole_number(name, violations),
        };
        let number = u64::try_from(number?).ok();
        if number.is_none() {
            violations.push(Violation::at(negative, self.path_of(name)));
        }
        number
    }

    /// A member that is `true` or `false`.
    pub(crate) fn flag(&mut self, name: &'static str, violations: &mut Violations) -> Option<bool> {
        match self {
            Self::Query(parameters) => parameters.flag(name, violations),
            Self::Body(members) => members.flag(name, violations),
        }
    }

    /// A member that is an instant in milliseconds since the epoch.
    pub(crate) fn instant(&mut self, name: &'static str, violations: &mut Violations) -> Option<Instant> {
        let millis = match self {
            Self::Query(parameters) => parameters.number(name, violations),
            Self::Body(members) => members.whole_number(name, violations),
        };
        millis.map(Instant::from_epoch_millis)
    }

    /// A member that is an id.
    pub(crate) fn id<T: FromStr>(&mut self, name: &'static str, violations: &mut Violations) -> Option<T> {
        match self {
            Self::Query(parameters) => {
                let id = parameters.text(name, violations)?.parse().ok();
                if id.is_none() {
                    violations.push(Violation::at(&codes::PARAMETER_COULD_NOT_CONVERT, name));
                }
                id
            }
            Self::Body(members) => members.id(name, violations),
        }
    }

    /// A member that says what a text other than a name must look like.
    pub(crate) fn pattern(&mut self, name: &'static str, violations: &mut Violations) -> Option<TextPattern> {
        let text = searchable(self, name, &codes::SEARCH_TEXT_TOO_LONG, violations)?;
        Some(TextPattern::parse(&text))
    }

    /// The path of a member, for violations.
    pub(crate) fn path_of(&self, name: &'static str) -> String {
        match self {
            Self::Query(_) => name.to_owned(),
            Self::Body(members) => members.path_of(name),
        }
    }

    /// Refuses what is left in a body.
    pub(crate) fn finish(self, violations: &mut Violations) {
        match self {
            Self::Query(_) => {}
            Self::Body(members) => members.finish(violations),
        }
    }
}

/// The members of a search for objects that have a name.
pub(crate) struct Common<C> {
    pub(crate) name: Option<NamePattern>,
    pub(crate) order: Vec<Order<C>>,
    pub(crate) start_row: u64,
    pub(crate) number_of_results: u64,
}

/// Reads them. A column by which these objects cannot be sorted is reported under `unknown_column`.
pub(crate) fn common<C: SortColumn>(
    source: &mut Source<'_>,
    unknown_column: &'static Code,
    violations: &mut Violations,
) -> Common<C> {
    let name = searchable(source, "name", &codes::SEARCH_NAME_TOO_LONG, violations);
    let Page { order, start_row, number_of_results } = page(source, unknown_column, violations);
    Common { name: name.map(|text| NamePattern::parse(&text)), order, start_row, number_of_results }
}

/// The members that every search has.
pub(crate) struct Page<C> {
    pub(crate) order: Vec<Order<C>>,
    pub(crate) start_row: u64,
    pub(crate) number_of_results: u64,
}

/// Reads them, as [`common`].
pub(crate) fn page<C: SortColumn>(
    source: &mut Source<'_>,
    unknown_column: &'static Code,
    violations: &mut Violations,
) -> Page<C> {
    let order = match source.text("orderBy", violations).map(|text| parse_order_by(&text)) {
        None => vec![Order::DEFAULT],
        Some(Ok(order)) => order,
        Some(Err(_)) => {
            violations.push(Violation::at(unknown_column, source.path_of("orderBy")));
            Vec::new()
        }
    };
    let number_of_results = source.number("numberOfResults", &codes::NUMBER_OF_RESULTS_INVALID, violations);
    let start_row = source.number("startRow", &codes::START_ROW_INVALID, violations);
    Page {
        order,
        start_row: start_row.unwrap_or(0),
        number_of_results: number_of_results.unwrap_or(DEFAULT_NUMBER_OF_RESULTS),
    }
}

/// A text to search for. One that is too long is reported under its own code.
pub(crate) fn searchable(
    source: &mut Source<'_>,
    name: &'static str,
    too_long: &'static Code,
    violations: &mut Violations,
) -> Option<String> {
    let text = source.text(name, violations)?;
    let wrong = if text.chars().count() > MAXIMUM_PATTERN_LENGTH {
        too_long
    } else if text.contains('\0') {
        // No text that is searched has this character, and PostgreSQL takes it nowhere.
        &codes::PARAMETER_COULD_NOT_CONVERT
    } else {
        return Some(text);
    };
    violations.push(Violation::at(wrong, source.path_of(name)));
    None
}

/// The schemas of these members, for the OpenAPI document.
pub(crate) fn common_properties() -> Map<String, Value> {
    let properties = json!({
        "name": {"type": "string", "maxLength": MAXIMUM_PATTERN_LENGTH},
        "numberOfResults": {"type": "integer", "minimum": 0, "default": DEFAULT_NUMBER_OF_RESULTS},
        "orderBy": {"type": "string", "default": "name ASC"},
        "startRow": {"type": "integer", "minimum": 0, "default": 0},
    });
    match properties {
        Value::Object(properties) => properties,
        _ => Map::new(),
    }
}
