//! Searches for entities on the wire (FusionAuth: Entities, Search; the database engine): the same members in a query string and
//! in a body.

use claviger_domain::{
    EntityColumn, EntityFilter, EntityId, EntitySearch, MAXIMUM_ENTITY_IDS, NamePattern, Order, SortColumn,
    Violation, Violations, codes,
};
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::entity::EntityBody;
use super::json::Members;
use super::search::{MAXIMUM_PATTERN_LENGTH, Page, Source, page, searchable};
use crate::ops::entity::Entities;

/// The most sort fields that are looked for in a query string; a body has as many as it likes.
const SORT_FIELDS_IN_QUERY: usize = EntityColumn::ALL.len();

/// The body of an answer: `{"entities": […], "total": n}`, a page of a search that found so many.
#[derive(Serialize)]
pub(crate) struct EntitySearchResponse<'a> {
    entities: Vec<EntityBody<'a>>,
    total: u64,
}

impl<'a> EntitySearchResponse<'a> {
    /// A page of a search that found so many. Secrets are not shown.
    pub(crate) fn new(found: &'a Entities, total: u64) -> Self {
        let body = |entity: &'a claviger_domain::Entity| {
            EntityBody::new(entity, found.types.get(&entity.entity_type_id), None)
        };
        Self { entities: found.entities.iter().map(body).collect(), total }
    }
}

/// Reads the query string of `GET /api/entity/search`: `ids` as often as there are ids, and sort fields as
/// `sortFields[0].name` and `sortFields[0].order`.
///
/// # Errors
/// Everything that is wrong with the parameters.
pub(crate) fn from_query(query: &[(String, String)]) -> Result<EntitySearch, Violations> {
    let mut violations = Violations::none();
    let given = |name: &str| {
        let name = name.to_owned();
        query.iter().filter(move |(own, value)| *own == name && !value.is_empty()).map(|(_, value)| value)
    };
    let ids: Vec<_> = given("ids").map(|text| text.parse::<EntityId>().ok()).collect();
    let has_ids = !ids.is_empty();
    let ids: Option<Vec<_>> = ids.into_iter().collect();
    if ids.is_none() {
        violations.push(Violation::at(&codes::PARAMETER_COULD_NOT_CONVERT, "ids"));
    }
    let mut order = Vec::new();
    for place in 0..SORT_FIELDS_IN_QUERY {
        let path = format!("sortFields[{place}]");
        if let Some(name) = given(&format!("{path}.name")).next() {
            let direction = given(&format!("{path}.order")).next();
            add_order(&mut order, name, direction.map(String::as_str), &path, &mut violations);
        }
    }
    search(Source::query(query), ids.filter(|_| has_ids), order, violations)
}

/// Reads the body of `POST /api/entity/search`.
///
/// # Errors
/// Everything that is wrong with the members.
pub(crate) fn from_body(document: Map<String, Value>) -> Result<EntitySearch, Violations> {
    let mut violations = Violations::none();
    let mut source = Source::body(document)?;
    let (mut ids, mut order) = (None, Vec::new());
    if let Source::Body(members) = &mut source {
        ids = members.ids::<EntityId>("ids", &mut violations).filter(|ids| !ids.is_empty());
        members.flag("accurateTotal", &mut violations);
        let path = members.path_of("sortFields");
        for (place, item) in members.list("sortFields", &mut violations).into_iter().flatten().enumerate() {
            let path = format!("{path}[{place}]");
            let Some(mut field) = Members::of_item(path.clone(), item, &mut violations) else { continue };
            let direction = field.text("order", &mut violations);
            // Nothing by which entities are sorted can be missing.
            field.text("missing", &mut violations);
            if let Some(name) = field.text("name", &mut violations) {
                add_order(&mut order, &name, direction.as_deref(), &path, &mut violations);
            }
            field.finish(&mut violations);
        }
    }
    search(source, ids, order, violations)
}

/// Adds a sort field. Of one that is named twice the first mention counts.
fn add_order(
    order: &mut Vec<Order<EntityColumn>>,
    name: &str,
    direction: Option<&str>,
    path: &str,
    violations: &mut Violations,
) {
    let column = EntityColumn::ALL.iter().copied().find(|column| column.as_str() == name);
    let descending = match direction {
        None => Some(false),
        Some(word) if word.is_empty() || word.eq_ignore_ascii_case("asc") => Some(false),
        Some(word) if word.eq_ignore_ascii_case("desc") => Some(true),
        Some(_) => None,
    };
    match (column, descending) {
        (Some(column), Some(descending)) => {
            if !order.iter().any(|earlier| earlier.column == column) {
                order.push(Order { column, descending });
            }
        }
        (None, _) => violations.push(Violation::at(&codes::ENTITY_ORDER_BY_INVALID, format!("{path}.name"))),
        (_, None) => violations.push(Violation::at(&codes::ENTITY_ORDER_BY_INVALID, format!("{path}.order"))),
    }
}

/// Reads the rest. Ids go before a text, and sort fields before `orderBy`.
fn search(
    mut source: Source<'_>,
    ids: Option<Vec<EntityId>>,
    order: Vec<Order<EntityColumn>>,
    mut violations: Violations,
) -> Result<EntitySearch, Violations> {
    if ids.as_ref().is_some_and(|ids| ids.len() > MAXIMUM_ENTITY_IDS) {
        violations.push(Violation::at(&codes::ENTITY_SEARCH_IDS_TOO_MANY, source.path_of("ids")));
    }
    for name in ["query", "nextResults"] {
        if source.text(name, &mut violations).is_some() {
            violations.push(Violation::at(&codes::ENTITY_SEARCH_NOT_SUPPORTED, source.path_of(name)));
        }
    }
    let text = searchable(&mut source, "queryString", &codes::SEARCH_TEXT_TOO_LONG, &mut violations);
    let Page { order: order_by, start_row, number_of_results } =
        page(&mut source, &codes::ENTITY_ORDER_BY_INVALID, &mut violations);
    source.finish(&mut violations);
    let filter = match (ids, text) {
        (Some(ids), _) => EntityFilter::Ids(ids),
        (None, Some(text)) if text.trim() != "*" => EntityFilter::Text(NamePattern::parse(&text)),
        (None, _) => EntityFilter::All,
    };
    let order = if order.is_empty() { order_by } else { order };
    violations.into_result(EntitySearch { filter, order, start_row, number_of_results })
}

/// The schemas of this file for the OpenAPI document.
pub(crate) fn schemas() -> Value {
    let columns: Vec<_> = EntityColumn::ALL.iter().map(|column| column.as_str()).collect();
    json!({
        "EntitySearchRequest": {"type": "object", "required": ["search"], "properties": {
            "search": {"type": "object", "properties": {
                "accurateTotal": {"type": "boolean", "description": "The total is accurate in any case."},
                "ids": {"type": "array", "items": {"type": "string", "format": "uuid"}, "maxItems": MAXIMUM_ENTITY_IDS},
                "numberOfResults": {"type": "integer", "minimum": 0, "default": 25},
                "orderBy": {"type": "string", "default": "name ASC"},
                "queryString": {"type": "string", "maxLength": MAXIMUM_PATTERN_LENGTH},
                "sortFields": {"type": "array", "items": {"type": "object", "properties": {
                    "missing": {"type": "string"},
                    "name": {"type": "string", "enum": columns},
                    "order": {"type": "string", "enum": ["asc", "desc"], "default": "asc"}}}},
                "startRow": {"type": "integer", "minimum": 0, "default": 0}}}}},
        "EntitySearchResponse": {"type": "object", "properties": {
            "entities": {"type": "array", "items": {"$ref": "#/components/schemas/Entity"}},
            "total": {"type": "integer", "format": "int64"}}},
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "00000000-0000-0000-0000-000000000007";

    fn by_query(pairs: &[(&str, &str)]) -> Result<EntitySearch, Vec<String>> {
        let pairs: Vec<_> = pairs.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect();
        from_query(&pairs).map_err(|violations| violations.iter().map(Violation::code).collect())
    }

    fn by_body(search: Value) -> Result<EntitySearch, Vec<String>> {
        from_body(json!({"search": search}).as_object().unwrap().clone())
            .map_err(|violations| violations.iter().map(Violation::code).collect())
    }

    #[test]
    fn both_ways_say_the_same() {
        let query = by_query(&[
            ("ids", ID),
            ("ids", ID),
            ("sortFields[0].name", "typeId"),
            ("sortFields[0].order", "DESC"),
            ("sortFields[1].name", "clientId"),
            ("startRow", "3"),
        ]);
        let body = by_body(json!({"ids": [ID, ID], "startRow": 3, "accurateTotal": false, "queryString": "",
            "sortFields": [{"name": "typeId", "order": "desc", "missing": "_first"}, {"name": "clientId"}]}));
        assert_eq!(query, body);
        let search = query.unwrap();
        assert_eq!(search.filter, EntityFilter::Ids(vec![ID.parse().unwrap(); 2]));
        let order = [EntityColumn::TypeId, EntityColumn::ClientId];
        assert_eq!(search.order.iter().map(|order| order.column).collect::<Vec<_>>(), order);
        assert_eq!(by_query(&[("queryString", " * "), ("ids", "")]), Ok(EntitySearch::default()));
        assert_eq!(by_body(json!({"ids": []})), Ok(EntitySearch::default()));
        let by_text = by_query(&[("queryString", "Dev"), ("orderBy", "insertInstant DESC")]).unwrap();
        assert_eq!(by_text.filter, EntityFilter::Text(NamePattern::parse("dev")));
        assert_eq!(by_text.order, [Order { column: EntityColumn::Insert, descending: true }]);
    }

    #[test]
    fn everything_wrong_is_reported() {
        let found = by_body(json!({"query": "{}", "nextResults": "x", "orderBy": "kid", "name": "n",
            "ids": vec![ID; MAXIMUM_ENTITY_IDS + 1],
            "sortFields": [{"name": "email"}, {"name": "name", "order": "up"}, 1, {"column": "name"}]}));
        let expected = [
            "[invalid]search.sortFields[0].name",
            "[invalid]search.sortFields[1].order",
            "[invalidJSON]",
            "[invalidJSON]",
            "[tooMany]search.ids",
            "[notSupported]search.query",
            "[notSupported]search.nextResults",
            "[invalid]search.orderBy",
            "[invalidJSON]",
        ];
        assert_eq!(found, Err(expected.map(str::to_owned).to_vec()));
        assert_eq!(by_query(&[("ids", "x")]), Err(vec!["[couldNotConvert]ids".to_owned()]));
        assert_eq!(by_query(&[("queryString", "\0")]), Err(vec!["[couldNotConvert]queryString".to_owned()]));
    }
}
