//! Searches for keys on the wire (FusionAuth: Keys, Search): the same members in a query string and in a body.

use claviger_domain::{
    KeyAlgorithm, KeySearch, KeyType, NamePattern, Violation, Violations, codes, parse_order_by,
};
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::json::Members;
use super::key::{KeyBody, invalid_algorithm, invalid_type};
use super::query::Parameters;
use crate::ops::key::DescribedKey;

/// The longest name to search for, in characters.
const MAXIMUM_NAME_LENGTH: usize = 512;

/// The body of an answer: `{"keys": […], "total": n}`.
#[derive(Serialize)]
pub(crate) struct KeySearchResponse {
    keys: Vec<KeyBody>,
    total: u64,
}

impl KeySearchResponse {
    /// A page of a search that found so many.
    pub(crate) fn new(keys: Vec<DescribedKey>, total: u64) -> Self {
        Self { keys: keys.into_iter().map(Into::into).collect(), total }
    }
}

/// The members as they come.
#[derive(Default)]
struct Raw {
    algorithm: Option<String>,
    name: Option<String>,
    key_type: Option<String>,
    number_of_results: Option<i64>,
    order_by: Option<String>,
    start_row: Option<i64>,
}

/// Where the members stand, for the paths of violations.
struct Paths {
    algorithm: &'static str,
    name: &'static str,
    key_type: &'static str,
    number_of_results: &'static str,
    order_by: &'static str,
    start_row: &'static str,
}

const IN_QUERY: Paths = Paths {
    algorithm: "algorithm",
    name: "name",
    key_type: "type",
    number_of_results: "numberOfResults",
    order_by: "orderBy",
    start_row: "startRow",
};

const IN_BODY: Paths = Paths {
    algorithm: "search.algorithm",
    name: "search.name",
    key_type: "search.type",
    number_of_results: "search.numberOfResults",
    order_by: "search.orderBy",
    start_row: "search.startRow",
};

/// Reads the query string of `GET /api/key/search`.
///
/// # Errors
/// Everything that is wrong with the parameters.
pub(crate) fn from_query(query: &[(String, String)]) -> Result<KeySearch, Violations> {
    let mut violations = Violations::none();
    let parameters = Parameters::new(query);
    let raw = Raw {
        algorithm: parameters.text("algorithm", &mut violations).map(str::to_owned),
        name: parameters.text("name", &mut violations).map(str::to_owned),
        key_type: parameters.text("type", &mut violations).map(str::to_owned),
        number_of_results: parameters.number("numberOfResults", &mut violations),
        order_by: parameters.text("orderBy", &mut violations).map(str::to_owned),
        start_row: parameters.number("startRow", &mut violations),
    };
    let search = search(raw, &IN_QUERY, &mut violations);
    violations.into_result(search)
}

/// Reads the body of `POST /api/key/search`.
///
/// # Errors
/// Everything that is wrong with the members.
pub(crate) fn from_body(document: Map<String, Value>) -> Result<KeySearch, Violations> {
    let mut violations = Violations::none();
    let mut root = Members::of_document(document);
    let members = root.object("search", &mut violations);
    root.finish(&mut violations);
    let Some(mut members) = members else {
        if violations.is_empty() {
            violations.add(&codes::SEARCH_MISSING);
        }
        return Err(violations);
    };
    let text = |members: &mut Members, name, violations: &mut Violations| {
        members.text(name, violations).filter(|text| !text.is_empty())
    };
    let raw = Raw {
        algorithm: text(&mut members, "algorithm", &mut violations),
        name: text(&mut members, "name", &mut violations),
        key_type: text(&mut members, "type", &mut violations),
        number_of_results: members.whole_number("numberOfResults", &mut violations),
        order_by: text(&mut members, "orderBy", &mut violations),
        start_row: members.whole_number("startRow", &mut violations),
    };
    members.finish(&mut violations);
    let search = search(raw, &IN_BODY, &mut violations);
    violations.into_result(search)
}

fn search(raw: Raw, paths: &Paths, violations: &mut Violations) -> KeySearch {
    let mut search = KeySearch::default();
    if let Some(text) = raw.algorithm {
        search.algorithm = text.parse::<KeyAlgorithm>().ok();
        if search.algorithm.is_none() {
            violations.push(invalid_algorithm(paths.algorithm));
        }
    }
    if let Some(text) = raw.key_type {
        search.key_type = text.parse::<KeyType>().ok();
        if search.key_type.is_none() {
            violations.push(invalid_type(paths.key_type));
        }
    }
    match raw.name {
        Some(text) if text.chars().count() > MAXIMUM_NAME_LENGTH => {
            violations.push(Violation::at(&codes::SEARCH_NAME_TOO_LONG, paths.name));
        }
        Some(text) if text.contains('\0') => {
            // No name has this character, and PostgreSQL takes it nowhere.
            violations.push(Violation::at(&codes::PARAMETER_COULD_NOT_CONVERT, paths.name));
        }
        Some(text) => search.name = Some(NamePattern::parse(&text)),
        None => {}
    }
    if let Some(text) = raw.order_by {
        match parse_order_by(&text) {
            Ok(order) => search.order = order,
            Err(_) => violations.push(Violation::at(&codes::ORDER_BY_INVALID, paths.order_by)),
        }
    }
    if let Some(number) = raw.number_of_results {
        match u64::try_from(number) {
            Ok(number) => search.number_of_results = number,
            Err(_) => {
                violations.push(Violation::at(&codes::NUMBER_OF_RESULTS_INVALID, paths.number_of_results))
            }
        }
    }
    if let Some(number) = raw.start_row {
        match u64::try_from(number) {
            Ok(number) => search.start_row = number,
            Err(_) => violations.push(Violation::at(&codes::START_ROW_INVALID, paths.start_row)),
        }
    }
    search
}

/// The schemas of this file for the OpenAPI document.
pub(crate) fn schemas() -> Value {
    json!({
        "KeySearchRequest": {"type": "object", "required": ["search"], "properties": {
            "search": {"type": "object", "properties": {
                "algorithm": {"type": "string", "enum": KeyAlgorithm::ALL.map(KeyAlgorithm::as_str)},
                "name": {"type": "string", "maxLength": MAXIMUM_NAME_LENGTH},
                "numberOfResults": {"type": "integer", "minimum": 0, "default": 25},
                "orderBy": {"type": "string", "default": "name ASC"},
                "startRow": {"type": "integer", "minimum": 0, "default": 0},
                "type": {"type": "string", "enum": KeyType::ALL.map(KeyType::as_str)},
            }}}},
        "KeySearchResponse": {"type": "object", "properties": {
            "keys": {"type": "array", "items": {"$ref": "#/components/schemas/Key"}},
            "total": {"type": "integer", "format": "int64"}}},
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn by_query(pairs: &[(&str, &str)]) -> Result<KeySearch, Vec<String>> {
        let pairs: Vec<_> = pairs.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect();
        from_query(&pairs).map_err(|violations| violations.iter().map(Violation::code).collect())
    }

    fn by_body(search: Value) -> Result<KeySearch, Vec<String>> {
        from_body(json!({"search": search}).as_object().unwrap().clone())
            .map_err(|violations| violations.iter().map(Violation::code).collect())
    }

    #[test]
    fn both_ways_say_the_same() {
        let query = by_query(&[
            ("algorithm", "RS256"),
            ("name", " For* "),
            ("numberOfResults", "true"),
            ("orderBy", "type DESC, name"),
            ("startRow", "7"),
            ("type", "RSA"),
            ("other", "x"),
        ]);
        let body = by_body(json!({"algorithm": "RS256", "name": " For* ", "numberOfResults": 1,
            "orderBy": "type DESC, name", "startRow": 7, "type": "RSA"}));
        assert_eq!(query, body);
        assert_eq!(query.unwrap().number_of_results, 1);
        assert_eq!(by_query(&[("name", ""), ("orderBy", "")]), Ok(KeySearch::default()));
        assert_eq!(by_body(json!({})), Ok(KeySearch::default()));
    }

    #[test]
    fn everything_wrong_is_reported() {
        let all = [
            "[invalidOption]search.algorithm",
            "[invalidOption]search.type",
            "[tooLong]search.name",
            "[invalid]search.orderBy",
            "[invalid]search.numberOfResults",
            "[invalid]search.startRow",
        ];
        let body = by_body(json!({"algorithm": "PS256", "name": "n".repeat(513), "numberOfResults": -1,
            "orderBy": "kid", "startRow": -1, "type": "rsa"}));
        assert_eq!(body, Err(all.map(str::to_owned).to_vec()));
        assert_eq!(by_query(&[("name", "\0")]), Err(vec!["[couldNotConvert]name".to_owned()]));
        assert_eq!(by_query(&[("startRow", "1e3")]), Err(vec!["[couldNotConvert]startRow".to_owned()]));
        assert_eq!(by_body(json!({"nam": ""})), Err(vec!["[invalidJSON]".to_owned()]));
        assert!(from_body(Map::new()).is_err());
    }
}
