//! What Kickstart files may say, and what is told of those that may not.

use std::sync::Arc;

use tempfile::TempDir;

use super::*;
use crate::kickstart::Environment;

const KEY: &str = "a long value that is a secret";

fn environment() -> Environment {
    Arc::new(|name| match name {
        "KEY" => Some("key of the environment".to_owned()),
        "QUOTED" => Some("\"}, #{secret} \\".to_owned()),
        _ => None,
    })
}

fn place() -> TempDir {
    tempfile::tempdir().unwrap()
}

fn read_in(place: &TempDir, text: &str) -> Result<Kickstart, String> {
    let file = place.path().join("kickstart.json");
    std::fs::write(&file, text).unwrap();
    read(&KickstartSource { file: file.clone(), environment: environment() }).map_err(|error| {
        let told = error.to_string();
        told.strip_prefix(&format!("{}: ", file.display())).unwrap().to_owned()
    })
}

fn read_value(document: &Value) -> Result<Kickstart, String> {
    read_in(&place(), &document.to_string())
}

/// The one request of a file with these variables.
fn request_of(variables: Value, request: Value) -> Result<Request, String> {
    let document = json!({"variables": variables, "apiKeys": [{"key": KEY}], "requests": [request]});
    Ok(read_value(&document)?.requests.pop().unwrap())
}

fn body_of(variables: Value, body: Value) -> Result<Value, String> {
    let request = request_of(variables, json!({"method": "POST", "url": "/api/tenant", "body": body}))?;
    Ok(serde_json::from_slice(&request.body).unwrap())
}

#[track_caller]
fn refused(document: &Value, expected: &str) {
    let Err(told) = read_value(document) else { panic!("accepted: {document}") };
    assert!(told.contains(expected), "{told}");
    assert!(!told.contains(KEY) && !told.contains("s3cret"), "{told}");
}

#[test]
fn the_whole_is_read() {
    let id = "30663132-6464-6665-3032-326466613934";
    let kickstart = read_value(&json!({
        "variables": {"defaultTenantId": id, "key": "#{ENV.KEY}", "path": "tenant"},
        "licenseId": "x",
        "settings": {"connectTimeout": 7000},
        "apiKeys": [
            {"key": "#{key}", "description": "of #{path}", "keyManager": true},
            {"key": KEY, "tenantId": "#{FUSIONAUTH_TENANT_ID}", "permissions": {"endpoints": {"/api/entity": ["GET"]}}}],
        "requests": [
            {"method": "POST", "url": "/api/#{path}?a=b", "body": {"tenant": {"name": "n"}}},
            {"method": "PATCH", "url": "/api/tenant/x", "tenantId": "#{defaultTenantId}",
             "contentType": "application/json-patch+json", "body": [{"op": "test"}]},
            {"method": "PUT", "url": "/api/tenant/x", "body": null}]
    }))
    .unwrap();
    assert_eq!(kickstart.ids.default_tenant_id.to_string(), id);
    assert_eq!(kickstart.without_effect(), ["licenseId", "settings"]);
    let [first, second] = kickstart.api_keys.as_slice() else { panic!() };
    assert_eq!(first.value.expose(), "key of the environment");
    assert_eq!(first.command.fields.key_manager, Some(true));
    assert_eq!(first.command.fields.attributes.get("description").map(String::as_str), Some("of tenant"));
    assert_eq!(second.command.fields.tenant_id, id.parse().ok());
    assert!(matches!(&second.command.fields.permissions, Permissions::Only(list) if !list.is_empty()));
    let [post, patch, put] = kickstart.requests.as_slice() else { panic!() };
    assert_eq!(
        (post.method, &*post.url, &*post.url_as_written),
        (Method::Post, "/api/tenant?a=b", "/api/#{path}?a=b")
    );
    assert_eq!((&*post.content_type, &*post.body), ("application/json", &br#"{"tenant":{"name":"n"}}"#[..]));
    assert_eq!((&*patch.content_type, patch.tenant_id.as_deref()), ("application/json-patch+json", Some(id)));
    assert_eq!(patch.body, br#"[{"op":"test"}]"#);
    assert!(put.body.is_empty());
}

#[test]
fn random_ids_are_fixed_for_the_file() {
    let kickstart = read_value(&json!({
        "variables": {"id": "#{UUID()}"},
        "apiKeys": [{"key": KEY}],
        "requests": [{"method": "POST", "url": "/api/tenant/#{id}",
            "body": {"again": "#{id}", "other": "#{UUID()}", "tenant": "#{FUSIONAUTH_TENANT_ID}",
                     "key": "#{FUSIONAUTH_DEFAULT_SIGNING_KEY_ID}"}}]
    }))
    .unwrap();
    let [request] = kickstart.requests.as_slice() else { panic!() };
    let body: Value = serde_json::from_slice(&request.body).unwrap();
    assert_eq!(request.url, format!("/api/tenant/{}", body["again"].as_str().unwrap()));
    assert!(body["other"] != body["again"]);
    assert_eq!(body["tenant"], json!(kickstart.ids.default_tenant_id.to_string()));
    assert_eq!(body["key"], json!(kickstart.ids.signing_key_id.to_string()));
}

#[test]
fn values_are_put_in_once_and_stay_what_they_are() {
    let variables = json!({"n": 25, "on": true, "hash": "\\#{n}", "quoted": "#{ENV.QUOTED}", "secret": "s"});
    for (text, expected) in [
        ("#{n}", json!(25)),
        ("#{on}", json!(true)),
        ("port #{n}, #{on}", json!("port 25, true")),
        ("#{hash}", json!("#{n}")),
        ("#{quoted}", json!("\"}, #{secret} \\")),
        ("\\#{n}#{n}", json!("#{n}25")),
    ] {
        assert_eq!(
            body_of(variables.clone(), json!({"a": [{"b": text}]})),
            Ok(json!({"a": [{"b": expected}]}))
        );
    }
    // Names of members are no texts.
    assert_eq!(body_of(variables, json!({"#{n}": 1})), Ok(json!({"#{n}": 1})));
}

#[test]
fn files_are_included() {
    let place = place();
    std::fs::create_dir(place.path().join("json")).unwrap();
    std::fs::write(place.path().join("json/text.txt"), "two\n\"lines\" #{name}").unwrap();
    std::fs::write(
        place.path().join("json/body.json"),
        r##"{"name": "#{name}", "text": "@{json/text.txt}"}"##,
    )
    .unwrap();
    let request = r##"{"method": "POST", "url": "/api/#{name}", "body": "&{json/body.json}"}"##;
    std::fs::write(place.path().join("json/request.json"), request).unwrap();
    let document = json!({"variables": {"name": "value"}, "apiKeys": [{"key": KEY}],
        "requests": ["&{json/request.json}"]});
    let kickstart = read_in(&place, &document.to_string()).unwrap_or_else(|error| panic!("{error}"));
    let [request] = kickstart.requests.as_slice() else { panic!() };
    assert_eq!((&*request.url, &*request.url_as_written), ("/api/value", "/api/#{name}"));
    let body: Value = serde_json::from_slice(&request.body).unwrap();
    assert_eq!(body, json!({"name": "value", "text": "two\n\"lines\" #{name}"}));
}

#[test]
fn inclusion_has_bounds() {
    let place = place();
    std::fs::write(place.path().join("itself.json"), r#"{"a": "&{itself.json}"}"#).unwrap();
    std::fs::write(place.path().join("bad.json"), "{\"a\": 1,\n \"a\": \"s3cret\"}").unwrap();
    std::fs::write(place.path().join("bytes.txt"), b"\xff").unwrap();
    for (body, expected) in [
        (
            json!("&{itself.json}"),
            "request 1: body.a.a.a.a.a.a.a.a: files include each other more than 8 deep",
        ),
        (
            json!("&{bad.json}"),
            "includes \"bad.json\", which is not valid JSON: a member stands twice in an object at line 2",
        ),
        (json!({"a": "@{bytes.txt}"}), "request 1: body.a: includes \"bytes.txt\", which is not UTF-8"),
        (json!({"a": "@{absent}"}), "request 1: body.a: includes \"absent\", which cannot be read"),
        (json!({"a": "@{../a}"}), "no relative path below the directory"),
        (json!({"a": "see @{bytes.txt}"}), "a text that consists of nothing else"),
    ] {
        let document = json!({"apiKeys": [{"key": KEY}],
            "requests": [{"method": "POST", "url": "/a", "body": body}]});
        let Err(told) = read_in(&place, &document.to_string()) else { panic!("{expected}") };
        assert!(told.contains(expected) && !told.contains("s3cret"), "{told}");
    }
}

#[test]
fn texts_do_not_grow_without_bound() {
    let large = "x".repeat(1 << 20);
    let document = json!({"variables": {"large": large}, "apiKeys": [{"key": KEY}],
        "requests": [{"method": "POST", "url": "/a", "body": {"a": "#{large}".repeat(100)}}]});
    refused(&document, "request 1: body.a: the file becomes larger than 64 MiB");
    let document = json!({"variables": {"large": large}, "apiKeys": [{"key": KEY}],
        "requests": [{"method": "POST", "url": "/a", "body": {"a": vec!["#{large}"; 65]}}]});
    refused(&document, "the file becomes larger than 64 MiB");
}

#[test]
fn what_is_no_json_is_told_with_its_place() {
    for (text, expected) in [
        ("", "is not valid JSON: it ends too early at line 1"),
        ("{\n  \"apiKeys\": s3cret", "is not valid JSON: it cannot be read at line 2, column 14"),
        (
            "{\"variables\": {},\n\"variables\": {}}",
            "is not valid JSON: a member stands twice in an object at line 2",
        ),
        ("[]", "is no JSON object"),
    ] {
        let Err(told) = read_in(&place(), text) else { panic!("accepted: {text}") };
        assert!(told.starts_with(expected), "{told}");
    }
    let deep = format!("{}1{}", "{\"a\":".repeat(200), "}".repeat(200));
    assert!(read_in(&place(), &deep).is_err());
    let absent = KickstartSource { file: place().path().join("absent"), environment: environment() };
    assert!(read(&absent).err().unwrap().to_string().contains("absent: cannot be read"));
}

#[test]
fn unknown_and_misplaced_members_are_refused() {
    let key = json!([{"key": KEY}]);
    for (document, expected) in [
        (json!({}), "apiKeys: at least one API key is needed"),
        (json!({"apiKeys": []}), "apiKeys: at least one API key is needed"),
        (json!({"requests": [{"method": "POST", "url": "/a"}]}), "apiKeys: at least one API key is needed"),
        (json!({"apiKeys": key, "request": []}), "there is no member \"request\""),
        (json!({"apiKeys": {"key": KEY}}), "apiKeys: must be a list"),
        (json!({"apiKeys": [KEY]}), "API key 1: must be an object"),
        (
            json!({"apiKeys": [{"key": KEY, "permission": {}}]}),
            "API key 1: [invalidJSON] The member \"apiKey.permission\"",
        ),
        (json!({"apiKeys": [{"description": "d"}]}), "API key 1: key: is missing"),
        (json!({"apiKeys": [{"key": ""}]}), "API key 1: [blank]apiKey.key"),
        (json!({"apiKeys": [{"key": KEY, "id": "x"}]}), "API key 1: id: must be a UUID"),
        (json!({"apiKeys": [{"key": KEY, "description": "d", "metaData": {}}]}), "cannot stand together"),
        (json!({"apiKeys": [{"key": KEY, "sourceKeyId": "x"}]}), "API key 1: [invalidJSON]"),
        (json!({"apiKeys": key, "variables": []}), "variables: must be an object"),
        (json!({"apiKeys": key, "variables": {"a": null}}), "variables: \"a\": must be a text, a number"),
        (
            json!({"apiKeys": key, "variables": {"a": "#{b}", "b": "s3cret"}}),
            "variables: \"a\": only #{ENV.NAME}",
        ),
        (json!({"apiKeys": key, "variables": {"a": "@{b}"}}), "variables: \"a\": cannot include a file"),
        (json!({"apiKeys": key, "variables": {"a": "s3cret#{b"}}), "variables: \"a\": #{ is not closed"),
        (json!({"apiKeys": key, "variables": {"a": "#{ENV.ABSENT}"}}), "variable \"ABSENT\" is not set"),
        (
            json!({"apiKeys": key, "variables": {"FUSIONAUTH_TENANT_ID": "a"}}),
            "cannot be the name of a variable",
        ),
        (
            json!({"apiKeys": key, "variables": {"defaultTenantId": "s3cret"}}),
            "variables.defaultTenantId: must be a UUID",
        ),
        (
            json!({"apiKeys": key, "variables": {"defaultTenantId": 1}}),
            "variables.defaultTenantId: must be a UUID",
        ),
        (json!({"apiKeys": key, "requests": {}}), "requests: must be a list"),
        (json!({"apiKeys": key, "requests": ["x"]}), "request 1: must be an object, or &{FILE}"),
    ] {
        refused(&document, expected);
    }
}

#[test]
fn the_first_key_may_do_everything() {
    for further in [
        json!({"permissions": {"endpoints": {"/api/tenant": ["GET"]}}}),
        json!({"permissions": {"endpoints": {}}}),
        json!({"tenantId": "30663132-6464-6665-3032-326466613934"}),
        json!({"ipAccessControlListId": "30663132-6464-6665-3032-326466613934"}),
        json!({"disabled": true}),
        json!({"expirationInstant": 1}),
    ] {
        let mut key = json!({"key": KEY});
        key.as_object_mut().unwrap().extend(further.as_object().unwrap().clone());
        refused(&json!({"apiKeys": [key]}), "API key 1: the first API key makes the requests");
        assert!(read_value(&json!({"apiKeys": [{"key": "another value"}, key]})).is_ok());
    }
}

#[test]
fn requests_are_calls_of_this_server_that_write() {
    for (request, expected) in [
        (json!({"url": "/a"}), "request 1: method: must be POST, PUT or PATCH"),
        (json!({"method": "GET", "url": "/a"}), "request 1: method: must be POST, PUT or PATCH"),
        (json!({"method": "DELETE", "url": "/a"}), "method: must be"),
        (json!({"method": "post", "url": "/a"}), "method: must be"),
        (json!({"method": 1, "url": "/a"}), "request 1: method: must be a text"),
        (json!({"method": "POST"}), "request 1: url: is missing"),
        (json!({"method": "POST", "url": 1}), "request 1: url: must be a text"),
        (
            json!({"method": "POST", "url": "http://localhost/a"}),
            "request 1: url: must be a path of this server",
        ),
        (json!({"method": "POST", "url": "//host/a"}), "url: must be a path"),
        (json!({"method": "POST", "url": "a"}), "url: must be a path"),
        (json!({"method": "POST", "url": "/a#b"}), "url: must be a path"),
        (json!({"method": "POST", "url": "/#{absent}"}), "request 1.url: there is no variable \"absent\""),
        (
            json!({"method": "POST", "url": "/a", "body": "text"}),
            "request 1: body: must be an object or a list",
        ),
        (
            json!({"method": "POST", "url": "/a", "body": {"a": ["#{absent}"]}}),
            "request 1: body.a[0]: there is no variable",
        ),
        (json!({"method": "POST", "url": "/a", "tenant": "x"}), "request 1: there is no member \"tenant\""),
        (json!({"method": "POST", "url": "/a", "tenantId": 1}), "request 1: tenantId: must be a text"),
    ] {
        let Err(told) = request_of(json!({}), request.clone()) else { panic!("accepted: {request}") };
        assert!(told.contains(expected), "{told}");
    }
}
