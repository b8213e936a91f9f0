//! Searches for keys on the wire (FusionAuth: Keys, Search): the same members in a query string and in a body.

use claviger_domain::{KeyAlgorithm, KeySearch, KeyType, Violations, codes};
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::key::{KeyBody, invalid_algorithm, invalid_type};
use super::search::{Common, Source, common, common_properties};
use crate::ops::key::DescribedKey;

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

/// Reads the query string of `GET /api/key/search`.
///
/// # Errors
/// Everything that is wrong with the parameters.
pub(crate) fn from_query(query: &[(String, String)]) -> Result<KeySearch, Violations> {
    search(Source::query(query))
}

/// Reads the body of `POST /api/key/search`.
///
/// # Errors
/// Everything that is wrong with the members.
pub(crate) fn from_body(document: Map<String, Value>) -> Result<KeySearch, Violations> {
    search(Source::body(document)?)
}

fn search(mut source: Source<'_>) -> Result<KeySearch, Violations> {
    let mut violations = Violations::none();
    let algorithm = source.text("algorithm", &mut violations).and_then(|text| {
        let algorithm = text.parse::<KeyAlgorithm>().ok();
        if algorithm.is_none() {
            violations.push(invalid_algorithm(source.path_of("algorithm")));
        }
        algorithm
    });
    let key_type = source.text("type", &mut violations).and_then(|text| {
        let key_type = text.parse::<KeyType>().ok();
        if key_type.is_none() {
            violations.push(invalid_type(source.path_of("type")));
        }
        key_type
    });
    let common = common(&mut source, &codes::ORDER_BY_INVALID, &mut violations);
    source.finish(&mut violations);
    let Common { name, order, start_row, number_of_results } = common;
    violations.into_result(KeySearch { name, algorithm, key_type, order, start_row, number_of_results })
}

/// The schemas of this file for the OpenAPI document.
pub(crate) fn schemas() -> Value {
    let mut properties = common_properties();
    properties.insert(
        "algorithm".to_owned(),
        json!({"type": "string", "enum": KeyAlgorithm::ALL.map(KeyAlgorithm::as_str)}),
    );
    properties
        .insert("type".to_owned(), json!({"type": "string", "enum": KeyType::ALL.map(KeyType::as_str)}));
    json!({
        "KeySearchRequest": {"type": "object", "required": ["search"], "properties": {
            "search": {"type": "object", "properties": properties}}},
        "KeySearchResponse": {"type": "object", "properties": {
            "keys": {"type": "array", "items": {"$ref": "#/components/schemas/Key"}},
            "total": {"type": "integer", "format": "int64"}}},
    })
}

#[cfg(test)]
mod tests {
    use claviger_domain::Violation;

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
