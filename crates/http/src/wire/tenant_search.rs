//! Searches for tenants on the wire (FusionAuth: Tenants, Search): the same members in a query string and in a body.

use claviger_domain::{Tenant, TenantSearch, Violations, codes};
use serde_json::{Map, Value, json};

use super::search::{Common, Source, common, common_properties};
use super::tenant::document;

/// The body of an answer: `{"tenants": […], "total": n}`, a page of a search that found so many.
pub(crate) fn response(tenants: &[Tenant], total: u64) -> Value {
    json!({"tenants": tenants.iter().map(document).collect::<Vec<_>>(), "total": total})
}

/// Reads the query string of `GET /api/tenant/search`.
///
/// # Errors
/// Everything that is wrong with the parameters.
pub(crate) fn from_query(query: &[(String, String)]) -> Result<TenantSearch, Violations> {
    search(Source::query(query))
}

/// Reads the body of `POST /api/tenant/search`.
///
/// # Errors
/// Everything that is wrong with the members.
pub(crate) fn from_body(document: Map<String, Value>) -> Result<TenantSearch, Violations> {
    search(Source::body(document)?)
}

fn search(mut source: Source<'_>) -> Result<TenantSearch, Violations> {
    let mut violations = Violations::none();
    let common = common(&mut source, &codes::TENANT_ORDER_BY_INVALID, &mut violations);
    source.finish(&mut violations);
    let Common { name, order, start_row, number_of_results } = common;
    violations.into_result(TenantSearch { name, order, start_row, number_of_results })
}

/// The schemas of this file for the OpenAPI document.
pub(crate) fn schemas() -> Value {
    json!({
        "TenantSearchRequest": {"type": "object", "required": ["search"], "properties": {
            "search": {"type": "object", "properties": common_properties()}}},
        "TenantSearchResponse": {"type": "object", "properties": {
            "tenants": {"type": "array", "items": {"$ref": "#/components/schemas/Tenant"}},
            "total": {"type": "integer", "format": "int64"}}},
    })
}

#[cfg(test)]
mod tests {
    use claviger_domain::{NamePattern, Order, TenantColumn, Violation};

    use super::*;

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
        let by_name = Order { column: TenantColumn::Name, descending: false };
        assert_eq!((by_query.number_of_results, by_query.order), (7, vec![by_name]));
        assert_eq!(from_query(&[]).unwrap(), TenantSearch::default());
    }

    #[test]
    fn everything_wrong_is_reported() {
        let body = json!({"search": {"name": "\u{0}", "orderBy": "lastUpdateInstant", "numberOfResults": -1,
            "startRow": -1, "state": "Active"}});
        let violations = from_body(object(body)).unwrap_err();
        let found: Vec<_> = violations.iter().map(Violation::code).collect();
        let expected = [
            "[couldNotConvert]search.name",
            "[invalid]search.orderBy",
            "[invalid]search.numberOfResults",
            "[invalid]search.startRow",
            "[invalidJSON]",
        ];
        assert_eq!(found, expected);
    }
}
