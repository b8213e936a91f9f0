//! The audit log on the wire (FusionAuth: Audit Logs): one entry, and searches by query string and by body.

use claviger_domain::{Actor, ChangeSearch, MAXIMUM_CHANGES_PER_PAGE, Violation, Violations, codes};
use claviger_storage::{Action, ChangeRow};
use serde_json::{Map, Value, json};

use super::json::sorted;
use super::search::{MAXIMUM_PATTERN_LENGTH, Page, Source, page};

/// The body of an answer: `{"auditLog": {…}}`.
pub(crate) fn response(change: &ChangeRow) -> Value {
    json!({"auditLog": document(change)})
}

/// The body of an answer: `{"auditLogs": […], "total": n}`, a page of a search that found so many.
pub(crate) fn search_response(changes: &[ChangeRow], total: u64) -> Value {
    json!({"auditLogs": changes.iter().map(document).collect::<Vec<_>>(), "total": total})
}

/// One entry. No entry has a `reason`: nobody is asked for one.
fn document(change: &ChangeRow) -> Value {
    let (kind, actor_id) = match change.actor {
        Actor::ApiKey(id) => ("ApiKey", Some(id.to_string())),
        Actor::System => ("System", None),
        Actor::CommandLine => ("CommandLine", None),
        Actor::Kickstart => ("Kickstart", None),
    };
    let data = object([
        ("action", Some(change.action.as_str().into())),
        ("actor", Some(object([("id", actor_id.map(Value::from)), ("kind", Some(kind.into()))]))),
        ("address", change.address.clone().map(Value::from)),
        ("entity", Some(change.entity.as_str().into())),
        ("entityId", Some(change.entity_id.clone().into())),
    ]);
    object([
        ("data", Some(data)),
        ("id", Some(change.id.into())),
        ("insertInstant", Some(change.instant.epoch_millis().into())),
        ("insertUser", Some(change.user().into())),
        ("message", Some(change.message().into())),
        ("newValue", change.after.as_deref().map(value)),
        ("oldValue", change.before.as_deref().map(value)),
        ("tenantId", change.tenant_id.map(|id| id.to_string().into())),
    ])
}

/// An object of the members that there are.
fn object<const N: usize>(members: [(&str, Option<Value>); N]) -> Value {
    members.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect()
}

/// What a row says about the object. What is no JSON is shown as the text that it is: an entry is never kept back.
fn value(text: &str) -> Value {
    serde_json::from_str(text).map_or_else(|_| Value::from(text), sorted)
}

/// Reads the query string of `GET /api/system/audit-log/search`.
///
/// # Errors
/// Everything that is wrong with the parameters.
pub(crate) fn from_query(query: &[(String, String)]) -> Result<ChangeSearch, Violations> {
    search(Source::query(query))
}

/// Reads the body of `POST /api/system/audit-log/search`.
///
/// # Errors
/// Everything that is wrong with the members.
pub(crate) fn from_body(document: Map<String, Value>) -> Result<ChangeSearch, Violations> {
    search(Source::body(document)?)
}

fn search(mut source: Source<'_>) -> Result<ChangeSearch, Violations> {
    let mut violations = Violations::none();
    let end = source.instant("end", &mut violations);
    let start = source.instant("start", &mut violations);
    let mut pattern = |name| source.pattern(name, &mut violations);
    let [message, new_value, old_value, reason, user] =
        ["message", "newValue", "oldValue", "reason", "user"].map(&mut pattern);
    let tenant_id = source.id("tenantId", &mut violations);
    let Page { order, start_row, number_of_results } =
        page(&mut source, &codes::AUDIT_LOG_ORDER_BY_INVALID, &mut violations);
    if number_of_results > MAXIMUM_CHANGES_PER_PAGE {
        // A page that is silently smaller than asked for would let clients skip entries.
        let path = source.path_of("numberOfResults");
        violations.push(Violation::at(&codes::AUDIT_LOG_NUMBER_OF_RESULTS_INVALID, path));
    }
    source.finish(&mut violations);
    violations.into_result(ChangeSearch {
        start,
        end,
        message,
        old_value,
        new_value,
        reason,
        tenant_id,
        user,
        order,
        start_row,
        number_of_results,
    })
}

/// The schemas of this file for the OpenAPI document.
pub(crate) fn schemas() -> Value {
    let text = json!({"type": "string", "maxLength": MAXIMUM_PATTERN_LENGTH});
    let instant = json!({"type": "integer", "format": "int64"});
    let any = json!({"type": "object", "additionalProperties": true});
    json!({
        "AuditLog": {"type": "object", "properties": {
            "data": {"type": "object", "properties": {
                "action": {"type": "string", "enum": Action::ALL.map(Action::as_str)},
                "actor": {"type": "object", "properties": {
                    "id": {"type": "string", "format": "uuid"},
                    "kind": {"type": "string", "enum": ["ApiKey", "CommandLine", "Kickstart", "System"]}}},
                "address": {"type": "string"},
                "entity": {"type": "string"},
                "entityId": {"type": "string"}}},
            "id": {"type": "integer", "format": "int64"},
            "insertInstant": instant,
            "insertUser": {"type": "string"},
            "message": {"type": "string"},
            "newValue": any,
            "oldValue": any,
            "tenantId": {"type": "string", "format": "uuid"}}},
        "AuditLogResponse": {"type": "object", "properties": {
            "auditLog": {"$ref": "#/components/schemas/AuditLog"}}},
        "AuditLogSearchRequest": {"type": "object", "required": ["search"], "properties": {
            "search": {"type": "object", "properties": {
                "end": instant,
                "message": text,
                "newValue": text,
                "numberOfResults": {"type": "integer", "minimum": 0, "maximum": MAXIMUM_CHANGES_PER_PAGE, "default": 25},
                "oldValue": text,
                "orderBy": {"type": "string", "default": "insertInstant DESC"},
                "reason": text,
                "start": instant,
                "startRow": {"type": "integer", "minimum": 0, "default": 0},
                "tenantId": {"type": "string", "format": "uuid"},
                "user": text}}}},
        "AuditLogSearchResponse": {"type": "object", "properties": {
            "auditLogs": {"type": "array", "items": {"$ref": "#/components/schemas/AuditLog"}},
            "total": {"type": "integer", "format": "int64"}}},
    })
}

#[cfg(test)]
mod tests {
    use claviger_domain::{ChangeColumn, Instant, Order, TextPattern};

    use super::*;

    fn codes_of(violations: &Violations) -> Vec<String> {
        violations.iter().map(Violation::code).collect()
    }

    fn by_query(pairs: &[(&str, &str)]) -> Result<ChangeSearch, Vec<String>> {
        let pairs: Vec<_> = pairs.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect();
        from_query(&pairs).map_err(|violations| codes_of(&violations))
    }

    fn by_body(search: Value) -> Result<ChangeSearch, Vec<String>> {
        from_body(json!({"search": search}).as_object().unwrap().clone())
            .map_err(|violations| codes_of(&violations))
    }

    const TENANT: &str = "00000000-0000-0000-0000-000000000001";

    #[test]
    fn both_ways_say_the_same() {
        let query = by_query(&[
            ("end", "9"),
            ("message", " Created*"),
            ("newValue", "n"),
            ("numberOfResults", "1000"),
            ("oldValue", "o"),
            ("orderBy", "insertUser, id DESC"),
            ("reason", "r"),
            ("start", "-1"),
            ("startRow", "7"),
            ("tenantId", TENANT),
            ("user", "u"),
            ("other", "x"),
        ]);
        let body =
            by_body(json!({"end": 9, "message": " Created*", "newValue": "n", "numberOfResults": 1000,
            "oldValue": "o", "orderBy": "insertUser, id DESC", "reason": "r", "start": -1, "startRow": 7,
            "tenantId": TENANT, "user": "u"}));
        let expected = ChangeSearch {
            start: Some(Instant::from_epoch_millis(-1)),
            end: Some(Instant::from_epoch_millis(9)),
            message: Some(TextPattern::parse("created*")),
            old_value: Some(TextPattern::parse("o")),
            new_value: Some(TextPattern::parse("n")),
            reason: Some(TextPattern::parse("r")),
            tenant_id: TENANT.parse().ok(),
            user: Some(TextPattern::parse("u")),
            order: vec![
                Order { column: ChangeColumn::User, descending: false },
                Order { column: ChangeColumn::Id, descending: true },
            ],
            start_row: 7,
            number_of_results: 1000,
        };
        assert_eq!(query.as_ref(), Ok(&expected));
        assert_eq!(body, query);
        assert_eq!(
            by_query(&[("message", ""), ("orderBy", ""), ("tenantId", "")]),
            Ok(ChangeSearch::default())
        );
        assert_eq!(by_body(json!({"tenantId": "", "start": null})), Ok(ChangeSearch::default()));
    }

    #[test]
    fn everything_wrong_is_reported() {
        let expected = [
            "[couldNotConvert]end",
            "[invalid]start",
            "[tooLong]message",
            "[couldNotConvert]user",
            "[couldNotConvert]tenantId",
            "[invalid]orderBy",
            "[invalid]startRow",
            "[invalid]numberOfResults",
        ];
        let long = "m".repeat(513);
        let query = by_query(&[
            ("end", "today"),
            ("start", "1"),
            ("start", "2"),
            ("message", long.as_str()),
            ("user", "\0"),
            ("tenantId", "x"),
            ("orderBy", "reason"),
            ("startRow", "-1"),
            ("numberOfResults", "1001"),
        ]);
        assert_eq!(query, Err(expected.map(str::to_owned).to_vec()));
        let body = by_body(json!({"end": "9", "tenantId": 1, "name": "x"}));
        assert_eq!(body, Err(vec!["[invalidJSON]".to_owned(); 3]));
        assert_eq!(codes_of(&from_body(Map::new()).unwrap_err()), ["[missing]search"]);
    }

    #[test]
    fn what_is_no_json_is_shown_all_the_same() {
        assert_eq!(value(r#"{"b":1,"a":{}}"#).to_string(), r#"{"a":{},"b":1}"#);
        assert_eq!(value("{"), json!("{"));
    }
}
