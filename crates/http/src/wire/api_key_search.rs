//! Searches for API keys on the wire: ours, in the style of FusionAuth's searches, with the same members in a query string
//! and in a body.

use claviger_domain::{
    ApiKey, ApiKeySearch, MAXIMUM_API_KEYS_PER_PAGE, MAXIMUM_ROLE_NAME_LENGTH, RoleName, Violation,
    Violations, codes,
};
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::api_key::ApiKeyBody;
use super::search::{Common, Source, common, common_properties};

/// The body of an answer: `{"apiKeys": […], "total": n}`. It cannot hold a value of a key: none is given to it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ApiKeySearchResponse<'a> {
    api_keys: Vec<ApiKeyBody<'a>>,
    total: u64,
}

impl<'a> ApiKeySearchResponse<'a> {
    /// A page of a search that found so many.
    pub(crate) fn new(api_keys: &'a [ApiKey], total: u64) -> Self {
        Self { api_keys: api_keys.iter().map(|api_key| ApiKeyBody::new(api_key, None)).collect(), total }
    }
}

/// Reads the query string of `GET /api/api-key/search`.
///
/// # Errors
/// Everything that is wrong with the parameters.
pub(crate) fn from_query(query: &[(String, String)]) -> Result<ApiKeySearch, Violations> {
    search(Source::query(query))
}

/// Reads the body of `POST /api/api-key/search`.
///
/// # Errors
/// Everything that is wrong with the members.
pub(crate) fn from_body(document: Map<String, Value>) -> Result<ApiKeySearch, Violations> {
    search(Source::body(document)?)
}

fn search(mut source: Source<'_>) -> Result<ApiKeySearch, Violations> {
    let mut violations = Violations::none();
    let disabled = source.flag("disabled", &mut violations);
    let expires_before = source.instant("expiresBefore", &mut violations);
    let ip_access_control_list_id = source.id("ipAccessControlListId", &mut violations);
    let key_manager = source.flag("keyManager", &mut violations);
    let retrievable = source.flag("retrievable", &mut violations);
    let role = source.text("role", &mut violations).and_then(|text| {
        let role = RoleName::try_from(text.as_str()).ok();
        if role.is_none() {
            violations.push(Violation::at(&codes::PARAMETER_COULD_NOT_CONVERT, source.path_of("role")));
        }
        role
    });
    let tenant_id = source.id("tenantId", &mut violations);
    let unused_since = source.instant("unusedSince", &mut violations);
    let Common { name, order, start_row, number_of_results } =
        common(&mut source, &codes::API_KEY_ORDER_BY_INVALID, &mut violations);
    if number_of_results > MAXIMUM_API_KEYS_PER_PAGE {
        // A page that is silently smaller than asked for would let clients skip keys.
        let path = source.path_of("numberOfResults");
        violations.push(Violation::at(&codes::API_KEY_NUMBER_OF_RESULTS_INVALID, path));
    }
    source.finish(&mut violations);
    violations.into_result(ApiKeySearch {
        name,
        tenant_id,
        key_manager,
        disabled,
        retrievable,
        ip_access_control_list_id,
        role,
        expires_before,
        unused_since,
        order,
        start_row,
        number_of_results,
    })
}

/// The schemas of this file for the OpenAPI document.
pub(crate) fn schemas() -> Value {
    let mut properties = common_properties();
    for (name, schema) in [
        ("disabled", json!({"type": "boolean"})),
        ("expiresBefore", json!({"type": "integer", "format": "int64"})),
        ("ipAccessControlListId", json!({"type": "string", "format": "uuid"})),
        ("keyManager", json!({"type": "boolean"})),
        (
            "numberOfResults",
            json!({"type": "integer", "minimum": 0, "maximum": MAXIMUM_API_KEYS_PER_PAGE,
                "default": claviger_domain::DEFAULT_NUMBER_OF_RESULTS}),
        ),
        ("orderBy", json!({"type": "string", "default": "insertInstant DESC"})),
        ("retrievable", json!({"type": "boolean"})),
        ("role", json!({"type": "string", "maxLength": MAXIMUM_ROLE_NAME_LENGTH})),
        ("tenantId", json!({"type": "string", "format": "uuid"})),
        ("unusedSince", json!({"type": "integer", "format": "int64"})),
    ] {
        properties.insert(name.to_owned(), schema);
    }
    json!({
        "ApiKeySearchRequest": {"type": "object", "required": ["search"], "properties": {
            "search": {"type": "object", "properties": properties}}},
        "ApiKeySearchResponse": {"type": "object", "properties": {
            "apiKeys": {"type": "array", "description": "Never with their values",
                "items": {"$ref": "#/components/schemas/ApiKey"}},
            "total": {"type": "integer", "format": "int64"}}},
    })
}

#[cfg(test)]
mod tests {
    use claviger_domain::{ApiKeyColumn, Instant, NamePattern, Order};

    use super::*;

    fn codes_of(violations: &Violations) -> Vec<String> {
        violations.iter().map(Violation::code).collect()
    }

    fn by_query(pairs: &[(&str, &str)]) -> Result<ApiKeySearch, Vec<String>> {
        let pairs: Vec<_> = pairs.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect();
        from_query(&pairs).map_err(|violations| codes_of(&violations))
    }

    fn by_body(search: Value) -> Result<ApiKeySearch, Vec<String>> {
        from_body(json!({"search": search}).as_object().unwrap().clone())
            .map_err(|violations| codes_of(&violations))
    }

    const ID: &str = "00000000-0000-0000-0000-000000000001";

    #[test]
    fn both_ways_say_the_same() {
        let query = by_query(&[
            ("disabled", "false"),
            ("expiresBefore", "-1"),
            ("ipAccessControlListId", ID),
            ("keyManager", "true"),
            ("name", " Bill* "),
            ("numberOfResults", "1000"),
            ("orderBy", "expirationInstant DESC, id"),
            ("retrievable", "false"),
            ("role", "search"),
            ("startRow", "7"),
            ("tenantId", ID),
            ("unusedSince", "1800000000000"),
            ("other", "x"),
        ]);
        let body = by_body(json!({"disabled": false, "expiresBefore": -1, "ipAccessControlListId": ID,
            "keyManager": true, "name": " Bill* ", "numberOfResults": 1000,
            "orderBy": "expirationInstant DESC, id", "retrievable": false, "role": "search", "startRow": 7,
            "tenantId": ID, "unusedSince": 1_800_000_000_000_i64}));
        let expected = ApiKeySearch {
            name: Some(NamePattern::parse("bill*")),
            tenant_id: ID.parse().ok(),
            key_manager: Some(true),
            disabled: Some(false),
            retrievable: Some(false),
            ip_access_control_list_id: ID.parse().ok(),
            role: RoleName::try_from("search").ok(),
            expires_before: Some(Instant::from_epoch_millis(-1)),
            unused_since: Some(Instant::from_epoch_millis(1_800_000_000_000)),
            order: vec![
                Order { column: ApiKeyColumn::Expiration, descending: true },
                Order { column: ApiKeyColumn::Id, descending: false },
            ],
            start_row: 7,
            number_of_results: 1000,
        };
        assert_eq!(query, Ok(expected));
        assert_eq!(body, query);
        let empty = ["disabled", "expiresBefore", "keyManager", "name", "role", "tenantId", "orderBy"];
        assert_eq!(by_query(&empty.map(|name| (name, ""))), Ok(ApiKeySearch::default()));
        let absent = json!({"disabled": null, "name": "", "role": "", "tenantId": "", "orderBy": ""});
        assert_eq!(by_body(absent), Ok(ApiKeySearch::default()));
    }

    #[test]
    fn everything_wrong_is_reported() {
        let query = by_query(&[
            ("disabled", "1"),
            ("expiresBefore", "today"),
            ("ipAccessControlListId", "x"),
            ("keyManager", "True"),
            ("retrievable", "true"),
            ("retrievable", "true"),
            ("role", "\0"),
            ("tenantId", "x"),
            ("name", "\0"),
            ("orderBy", "key"),
            ("numberOfResults", "1001"),
            ("startRow", "-1"),
        ]);
        let expected = [
            "[couldNotConvert]disabled",
            "[couldNotConvert]expiresBefore",
            "[couldNotConvert]ipAccessControlListId",
            "[couldNotConvert]keyManager",
            "[invalid]retrievable",
            "[couldNotConvert]role",
            "[couldNotConvert]tenantId",
            "[couldNotConvert]name",
            "[invalid]orderBy",
            "[invalid]startRow",
            "[invalid]numberOfResults",
        ];
        assert_eq!(query, Err(expected.map(str::to_owned).to_vec()));
        let body = by_body(json!({"disabled": "true", "expiresBefore": "9", "keyManager": 1, "key": "x"}));
        assert_eq!(body, Err(vec!["[invalidJSON]".to_owned(); 4]));
        assert_eq!(codes_of(&from_body(Map::new()).unwrap_err()), ["[missing]search"]);
    }
}
