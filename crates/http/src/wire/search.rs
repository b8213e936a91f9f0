//! What all searches have in common on the wire: where their members stand, and which part of what is found is asked for,
//! in which order.

use claviger_domain::{
    Code, DEFAULT_NUMBER_OF_RESULTS, NamePattern, Order, SortColumn, Violation, Violations, codes,
    parse_order_by,
};
use serde_json::{Map, Value, json};

use super::json::Members;
use super::query::Parameters;

/// The longest name to search for, in characters.
const MAXIMUM_NAME_LENGTH: usize = 512;

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

/// The members that every search has.
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
    let name = name(source, violations);
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
    Common {
        name,
        order,
        start_row: start_row.unwrap_or(0),
        number_of_results: number_of_results.unwrap_or(DEFAULT_NUMBER_OF_RESULTS),
    }
}

fn name(source: &mut Source<'_>, violations: &mut Violations) -> Option<NamePattern> {
    let text = source.text("name", violations)?;
    let wrong = if text.chars().count() > MAXIMUM_NAME_LENGTH {
        &codes::SEARCH_NAME_TOO_LONG
    } else if text.contains('\0') {
        // No name has this character, and PostgreSQL takes it nowhere.
        &codes::PARAMETER_COULD_NOT_CONVERT
    } else {
        return Some(NamePattern::parse(&text));
    };
    violations.push(Violation::at(wrong, source.path_of("name")));
    None
}

/// The schemas of these members, for the OpenAPI document.
pub(crate) fn common_properties() -> Map<String, Value> {
    let properties = json!({
        "name": {"type": "string", "maxLength": MAXIMUM_NAME_LENGTH},
        "numberOfResults": {"type": "integer", "minimum": 0, "default": DEFAULT_NUMBER_OF_RESULTS},
        "orderBy": {"type": "string", "default": "name ASC"},
        "startRow": {"type": "integer", "minimum": 0, "default": 0},
    });
    match properties {
        Value::Object(properties) => properties,
        _ => Map::new(),
    }
}
