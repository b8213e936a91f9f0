//! What is read of requests, what answers show, and what patches and copies make of it.

use claviger_domain::{Instant, Revision, TenantState};

use super::*;

fn object(value: Value) -> Map<String, Value> {
    value.as_object().unwrap().clone()
}

fn tenant(fields: TenantFields) -> Tenant {
    Tenant {
        id: TenantId::from_u128(7),
        revision: Revision::FIRST,
        name: fields.name,
        issuer: fields.issuer,
        jwt: fields.jwt,
        kept: fields.kept,
        state: TenantState::Active,
        insert_instant: Instant::from_epoch_millis(1),
        last_update_instant: Instant::from_epoch_millis(2),
    }
}

#[test]
fn keeps_what_it_does_not_act_on() {
    let body = json!({"tenant": {"name": "t", "data": {"b": [1, null], "a": {"x": 1.5}}, "themeId": "anything",
        "jwtConfiguration": {"refreshTokenUsagePolicy": "OneTimeUse", "timeToLiveInSeconds": 60}}});
    let document = document(&tenant(replace(object(body)).unwrap()));
    let members = document.as_object().unwrap();
    assert!(members.keys().is_sorted() && members["data"].as_object().unwrap().keys().is_sorted());
    assert_eq!(members["data"].to_string(), r#"{"a":{"x":1.5},"b":[1,null]}"#);
    assert_eq!(members["themeId"], json!("anything"));
    assert_eq!(
        members["jwtConfiguration"].to_string(),
        r#"{"refreshTokenExpirationPolicy":"Fixed","refreshTokenSlidingWindowConfiguration":{"maximumTimeToLiveInMinutes":43200},"refreshTokenTimeToLiveInMinutes":43200,"refreshTokenUsagePolicy":"OneTimeUse","timeToLiveInSeconds":60}"#
    );
    assert_eq!(
        members["webAuthnConfiguration"]["bootstrapWorkflow"]["userVerificationRequirement"],
        "required"
    );
    // What is shown can be sent back: then it is set, and shown the same.
    let again = replace(object(json!({"tenant": document}))).unwrap();
    assert_eq!(self::document(&tenant(again)), document);
}

#[test]
fn a_patch_works_on_what_is_shown() {
    let stored = tenant(replace(object(json!({"tenant": {"name": "t", "data": {"a": [1]}}}))).unwrap());
    let patched = |media_type: &str, patch: Value| {
        let patch = Patch::read(media_type, patch.to_string().as_bytes()).unwrap();
        patched(&stored, &patch).map(|fields| document(&tenant(fields)))
    };
    let merge = json!({"tenant": {"data": {"a": [2], "b": null}, "emailConfiguration": {"port": null}}});
    let after = patched("application/json", merge.clone()).unwrap();
    assert_eq!((&after["data"], &after["emailConfiguration"]["port"]), (&json!({"a": [1, 2]}), &json!(25)));
    let after = patched("application/merge-patch+json", merge).unwrap();
    assert_eq!(after["data"], json!({"a": [2]}));
    let operations = json!([{"op": "test", "path": "/tenant/emailConfiguration/port", "value": 25},
        {"op": "replace", "path": "/tenant/emailConfiguration/port", "value": 587},
        {"op": "replace", "path": "/tenant/state", "value": "PendingDelete"}]);
    let after = patched("application/json-patch+json", operations).unwrap();
    assert_eq!(after["emailConfiguration"], json!({"host": "localhost", "port": 587}));
    assert_eq!(after["state"], json!("Active"));
    // Patches that add up end.
    let large = json!({"tenant": {"data": {"a": ["x".repeat(MAXIMUM_KEPT)]}}});
    let violations = patched("application/json", large).unwrap_err();
    assert_eq!(violations.iter().next().unwrap().code(), "[tooLong]tenant");
}

#[test]
fn a_copy_takes_a_name_only() {
    let id = TenantId::from_u128(1);
    let copy = |tenant: Value| create(object(json!({"sourceTenantId": id.to_string(), "tenant": tenant})));
    let empty = json!({"name": "c", "configured": true, "issuer": "", "data": {}, "connectorPolicies": [],
        "jwtConfiguration": {"enabled": false, "timeToLiveInSeconds": 0}, "emailConfiguration": {"a": {"b": [null]}}});
    assert!(matches!(copy(empty), Ok(NewTenant::Copy(CopyTenant { source_id, .. })) if source_id == id));
    let check = |tenant: Value, expected: &[&str]| {
        let violations = copy(tenant).err().unwrap();
        assert_eq!(violations.iter().map(Violation::code).collect::<Vec<_>>(), expected);
    };
    check(
        json!({"name": "c", "issuer": "x", "data": {"a": 1}, "jwtConfiguration": {"timeToLiveInSeconds": 5}}),
        &["[notAllowed]tenant.data", "[notAllowed]tenant.issuer", "[notAllowed]tenant.jwtConfiguration"],
    );
    check(json!({}), &["[blank]tenant.name"]);
    check(json!({"name": "c", "nam": false}), &["[invalidJSON]"]);
    assert!(create(object(json!({"sourceTenantId": id.to_string()}))).is_err());
    assert!(matches!(
        create(object(json!({"sourceTenantId": "", "tenant": {"name": "n"}}))),
        Ok(NewTenant::Create(_))
    ));
}

#[test]
fn either_place_asks_not_to_wait() {
    let asked = |value: Option<&str>, body: Value| {
        let query: Vec<_> = value.map(|value| ("async".to_owned(), value.to_owned())).into_iter().collect();
        is_asynchronous(&query, object(body))
    };
    for (query, body, expected) in [
        (None, json!({}), false),
        (Some("true"), json!({}), true),
        (Some("false"), json!({"eventInfo": {"os": "x"}}), false),
        (Some(""), json!({"async": true}), true),
        (Some("true"), json!({"async": false}), true),
        (None, json!({"async": null}), false),
    ] {
        assert_eq!(asked(query, body), Ok(expected));
    }
    assert!(asked(Some("yes"), json!({})).is_err() && asked(None, json!({"async": "true"})).is_err());
    assert!(asked(None, json!({"asynch": true})).is_err());
}

#[test]
fn refuses_wrong_members_all_at_once() {
    let body = json!({"tenant": {"nam": "t", "issuer": "a\nb", "jwtConfiguration": {"timeToLiveInSeconds": 0,
        "accessTokenKeyId": "x", "unknown": 1, "idTokenVerificationKeyIds": [1]}}, "sourceTenantId": "x"});
    let violations = replace(object(body)).unwrap_err();
    let found: Vec<_> =
        violations.iter().map(|v| format!("{} {}", v.code(), v.field().unwrap_or("-"))).collect();
    assert_eq!(
        found,
        [
            "[blank]tenant.name tenant.name",
            "[invalid]tenant.issuer tenant.issuer",
            "[invalidJSON] tenant.jwtConfiguration.accessTokenKeyId",
            "[invalidJSON] tenant.jwtConfiguration.idTokenVerificationKeyIds",
            "[invalid]tenant.jwtConfiguration.timeToLiveInSeconds tenant.jwtConfiguration.timeToLiveInSeconds",
            "[invalidJSON] -",
            "[invalidJSON] -",
        ]
    );
    assert!(replace(object(json!({}))).is_err() && replace(object(json!({"tenant": []}))).is_err());
}
