//! Searches for IP access control lists on the wire (FusionAuth: IP Access Control Lists, Search): the same members in a
//! query string and in a body.

use claviger_domain::{IpAccessControlList, IpAccessControlListSearch, Violations, codes};
use serde_json::{Map, Value, json};

use super::ip_acl::document;
use super::search::{Common, Source, common, common_properties};

/// The body of an answer: `{"ipAccessControlLists": […], "total": n}`, a page of a search that found so many.
pub(crate) fn response(lists: &[IpAccessControlList], total: u64) -> Value {
    json!({"ipAccessControlLists": lists.iter().map(document).collect::<Vec<_>>(), "total": total})
}

/// Reads the query string of `GET /api/ip-acl/search`.
///
/// # Errors
/// Everything that is wrong with the parameters.
pub(crate) fn from_query(query: &[(String, String)]) -> Result<IpAccessControlListSearch, Violations> {
    search(Source::query(query))
}

/// Reads the body of `POST /api/ip-acl/search`.
///
/// # Errors
/// Everything that is wrong with the members.
pub(crate) fn from_body(document: Map<String, Value>) -> Result<IpAccessControlListSearch, Violations> {
    search(Source::body(document)?)
}

fn search(mut source: Source<'_>) -> Result<IpAccessControlListSearch, Violations> {
    let mut violations = Violations::none();
    let common = common(&mut source, &codes::IP_ACL_ORDER_BY_INVALID, &mut violations);
    source.finish(&mut violations);
    let Common { name, order, start_row, number_of_results } = common;
    violations.into_result(IpAccessControlListSearch { name, order, start_row, number_of_results })
}

/// The schemas of this file for the OpenAPI document.
pub(crate) fn schemas() -> Value {
    json!({
        "IPAccessControlListSearchRequest": {"type": "object", "required": ["search"], "properties": {
            "search": {"type": "object", "properties": common_properties()}}},
        "IPAccessControlListSearchResponse": {"type": "object", "properties": {
            "ipAccessControlLists": {"type": "array", "items": {"$ref": "#/components/schemas/IPAccessControlList"}},
            "total": {"type": "integer", "format": "int64"}}},
    })
}

#[cfg(test)]
mod tests {
    use claviger_domain::{IpAccessControlListColumn, NamePattern, Order, Violation};

    use super::*;

    fn codes_of(violations: &Violations) -> Vec<String> {
        violations.iter().map(Violation::code).collect()
    }

    fn object(value: Value) -> Map<String, Value> {
        value.as_object().unwrap().clone()
    }

    #[test]
    fn both_ways_say_the_same() {
        let pairs = [("name", " Off* "), ("numberOfResults", "7"), ("startRow", "false"), ("other", "x")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()));
        let by_query = from_query(&pairs).unwrap();
        let body = json!({"search": {"name": " Off* ", "numberOfResults": 7, "startRow": 0, "orderBy": ""}});
        assert_eq!(from_body(object(body)).unwrap(), by_query);
        assert_eq!(by_query.name, Some(NamePattern::parse("off*")));
        let by_name = Order { column: IpAccessControlListColumn::Name, descending: false };
        assert_eq!((by_query.number_of_results, by_query.order), (7, vec![by_name]));
        assert_eq!(from_query(&[]).unwrap(), IpAccessControlListSearch::default());
    }

    #[test]
    fn everything_wrong_is_reported() {
        let body = json!({"search": {"name": "\u{0}", "orderBy": "type", "numberOfResults": -1,
            "startRow": -1, "algorithm": "RS256"}});
        let expected = [
            "[couldNotConvert]search.name",
            "[invalid]search.orderBy",
            "[invalid]search.numberOfResults",
            "[invalid]search.startRow",
            "[invalidJSON]",
        ];
        assert_eq!(codes_of(&from_body(object(body)).unwrap_err()), expected);
        assert_eq!(codes_of(&from_body(Map::new()).unwrap_err()), ["[missing]search"]);
    }
}
