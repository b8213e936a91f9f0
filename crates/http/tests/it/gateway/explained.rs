//! `POST /api/authorize`: the same decisions, with their reasons, for whoever manages keys.

use claviger_domain::Permissions;
use serde_json::{Value, json};

use super::{ask, behind};
use crate::support::fixture::names;
use crate::support::server::START;
use crate::support::{Client, Server, uuid};

on_each_database! {
    shared: a_key_is_named_by_value_or_id, everything_that_is_missing_is_named, only_covered_keys_are_explained,
        what_is_asked_is_checked, it_is_for_key_managers;
    own: it_decides_as_gateways_are_told, managers_of_a_tenant_ask_about_its_keys;
}

const PATH: &str = "/api/authorize";

fn about(value: &str, method: &str, path: &str) -> Value {
    json!({"key": value, "method": method, "path": path})
}

#[track_caller]
fn explained(client: &Client, members: Value) -> Value {
    let reply = client.post(PATH, &json!({"authorization": members}));
    let document = reply.ok();
    assert_eq!(names(&document), ["authorization"]);
    document["authorization"].clone()
}

fn a_key_is_named_by_value_or_id(server: &Server) {
    let key = server.restricted(json!({"/v1/orders": ["GET"]}));
    let manager = server.as_key_manager();
    for which in [json!({"key": key.value}), json!({"apiKeyId": key.id})] {
        let mut members = which;
        members["method"] = "GET".into();
        members["path"] = "/v1/orders/7".into();
        let reply = manager.post(PATH, &json!({"authorization": members}));
        assert!(!reply.text().contains(&key.value));
        assert_eq!(
            reply.ok(),
            json!({"authorization":
                {"allowed": true, "apiKeyId": key.id, "explanation": "allowed", "missing": []}})
        );
        let renamed = json!({"apiKey": {"name": format!("f\u{fc}r {}", key.id)}});
        manager.patch(&key.path(), &renamed).ok();
        assert_eq!(explained(&manager, members.clone())["apiKeyName"], renamed["apiKey"]["name"]);
        manager.patch(&key.path(), &json!({"apiKey": {"name": null}})).ok();
        members["method"] = "POST".into();
        let reply = manager.post(PATH, &json!({"authorization": members}));
        assert!(!reply.text().contains(&key.value));
        let needed = "POST on /v1/orders/7 or a path above it (the entry /v1/orders decides)";
        assert_eq!(
            reply.ok(),
            json!({"authorization": {
                "allowed": false,
                "apiKeyId": key.id,
                "explanation": format!("denied (not_granted): needs {needed}"),
                "missing": [needed],
                "reason": "not_granted",
            }})
        );
    }
}

fn everything_that_is_missing_is_named(server: &Server) {
    let list = server.ip_access_control_list(json!([
        {"action": "Allow", "startIPAddress": "192.0.2.7", "endIPAddress": "192.0.2.7"},
        {"action": "Block", "startIPAddress": "*"},
    ]));
    let (tenant, other) = (server.tenant(), server.tenant());
    let key = server.api_key(json!({
        "tenantId": tenant,
        "disabled": true,
        "expirationInstant": START - 1,
        "ipAccessControlListId": list,
        "permissions": {"endpoints": {"/api/user": ["GET"]}},
    }));
    let manager = server.as_key_manager();
    let mut members = about(&key.value, "DELETE", "/api/key/7");
    members["tenantId"] = other.clone().into();
    members["address"] = "198.51.100.1".into();
    let answer = explained(&manager, members.clone());
    assert_eq!((&answer["allowed"], &answer["reason"]), (&json!(false), &json!("expired")));
    assert_eq!(answer["missing"].as_array().unwrap().len(), 7, "{answer}");
    // Where everything fits, the tenant is told.
    manager.patch(&key.path(), &json!({"apiKey": {"disabled": false, "expirationInstant": START + 1}})).ok();
    let mut members = about(&key.value, "HEAD", "/api/user/7");
    members["address"] = "::ffff:192.0.2.7".into();
    let answer = explained(&manager, members.clone());
    assert_eq!(answer["tenantId"], tenant.as_str(), "{answer}");
    assert_eq!(answer["explanation"], format!("allowed in the tenant {tenant}"));
    members["address"] = Value::Null;
    assert_eq!(explained(&manager, members)["reason"], "address_blocked");
    // A tenant that there is not.
    let mut members = about(&server.unrestricted().value, "GET", "/v1");
    members["tenantId"] = uuid().into();
    let answer = explained(&manager, members);
    assert_eq!(
        (&answer["reason"], answer["missing"].as_array().unwrap().len()),
        (&json!("no_such_tenant"), 1)
    );
    // Paths that nobody may ask for.
    for (path, needed) in [
        ("/v1//a", "a path without an empty segment"),
        ("/v1/a?b", "a path without a query or fragment"),
        ("v1", "a path that starts with a slash"),
        ("/%2e%2e", "a path without a percent-encoded character that needs no encoding"),
    ] {
        let answer = explained(&manager, about(&server.unrestricted().value, "GET", path));
        assert_eq!(answer["reason"], "original_path");
        assert_eq!(answer["missing"], json!([needed]));
        assert_eq!(answer["explanation"], format!("denied (original_path): needs {needed}"));
    }
}

fn only_covered_keys_are_explained(server: &Server) {
    let manager = server.as_key_manager();
    let unknown = manager.post(PATH, &json!({"authorization": about("no key has this value", "GET", "/")}));
    unknown.not_found();
    manager
        .post(PATH, &json!({"authorization": {"apiKeyId": uuid(), "method": "GET", "path": "/"}}))
        .not_found();
    let deleted = server.unrestricted();
    manager.delete(&deleted.path()).done();
    manager.post(PATH, &json!({"authorization": about(&deleted.value, "GET", "/")})).not_found();
}

fn managers_of_a_tenant_ask_about_its_keys(server: &Server) {
    let (own, other) = (server.tenant(), server.tenant());
    let restricted = Permissions::Only("GET:/v1\nGET:/api/user".parse().unwrap());
    let [of_tenant, narrow] = server.command_line_api_keys([
        ("manager of a tenant", true, Permissions::All, Some(&own)),
        ("narrow manager", true, restricted, None),
    ]);
    let global = server.unrestricted();
    let mine = server.api_key(json!({"tenantId": own}));
    let theirs = server.api_key(json!({"tenantId": other}));
    let small = server.restricted(json!({"/v1": ["GET"]}));
    let ask = |manager: &str, which: Value| {
        let mut members = which;
        members["method"] = "GET".into();
        members["path"] = "/v1".into();
        server.with_key(manager).post(PATH, &json!({"authorization": members})).status
    };
    for (manager, key, expected) in [
        (&of_tenant.value, &mine, 200),
        (&of_tenant.value, &theirs, 404),
        (&of_tenant.value, &global, 404),
        (&narrow.value, &small, 200),
        (&narrow.value, &global, 404),
        (&narrow.value, &mine, 404),
    ] {
        assert_eq!(ask(manager, json!({"key": key.value})), expected);
        assert_eq!(ask(manager, json!({"apiKeyId": key.id})), expected);
    }
    // Whether another tenant exists is not told.
    for tenant in [&other, &uuid()] {
        let mut members = about(&mine.value, "GET", "/v1");
        members["tenantId"] = tenant.as_str().into();
        assert_eq!(explained(&server.with_key(&of_tenant.value), members)["reason"], "other_tenant");
    }
}

fn what_is_asked_is_checked(server: &Server) {
    let manager = server.as_key_manager();
    let refused = |body: Value, codes: &[&str]| manager.post(PATH, &body).refused(codes);
    refused(json!({}), &["authorization [missing]authorization"]);
    refused(
        json!({"authorization": {"key": "a", "apiKeyId": uuid(), "method": "get", "address": "1.2"}}),
        &[
            "authorization.address [invalid]authorization.address",
            "authorization.key [missing]authorization.key",
            "authorization.method [invalid]authorization.method",
            "authorization.path [missing]authorization.path",
        ],
    );
    refused(
        json!({"authorization": {"key": "a", "method": "GET", "path": "/", "permission": "x"}}),
        &["[invalidJSON]"],
    );
    manager.get(PATH).status.eq(&405).then_some(()).unwrap();
}

fn it_is_for_key_managers(server: &Server) {
    let key = server.unrestricted();
    let body = json!({"authorization": about(&key.value, "GET", "/v1")});
    server.anonymous().post(PATH, &body).denied();
    server.with_key(&key.value).post(PATH, &body).denied();
    server.with_key(&server.restricted(json!({"/api/authorize": ["POST"]})).value).post(PATH, &body).denied();
    server.anonymous().with_header("x-api-key", crate::support::server::BOOTSTRAP).post(PATH, &body).ok();
    let manager = server.as_key_manager();
    manager.with_header("x-api-key", &key.value).post(PATH, &body).refused(&["[ambiguousCredentials]"]);
}

fn it_decides_as_gateways_are_told(server: &Server) {
    let server = &behind(server);
    let tenant = server.tenant();
    let keys = [
        server.unrestricted(),
        server.api_key(json!({"tenantId": tenant})),
        server.api_key(json!({"disabled": true})),
        server.api_key(json!({"expirationInstant": START})),
        server.restricted(
            json!({"/v1": ["GET"], "/v1/closed": [], "/api/user": ["POST"], "/api/key": ["GET"]}),
        ),
    ];
    let mut told = std::collections::BTreeMap::new();
    for key in &keys {
        for path in [
            "/v1/a",
            "/v1/closed/a",
            "/V1/a",
            "/v1//a",
            "/api/user/7",
            "/api/key",
            "/api/api-key",
            "/api/Key",
            "/oauth2/x",
        ] {
            for method in ["GET", "HEAD", "POST", "OPTIONS"] {
                for named in [None, Some(&tenant)] {
                    let client = server.with_key(&key.value);
                    let client = named.map_or(client.clone(), |named| client.in_tenant(named));
                    let reply = ask(&client, method, path);
                    let mut members = about(&key.value, method, path);
                    members["tenantId"] = json!(named);
                    let answer = explained(&server.as_key_manager(), members);
                    let what = format!("{method} {path} {answer}");
                    assert_eq!(answer["allowed"], reply.status == 200, "{what}");
                    assert_eq!(answer["tenantId"].as_str(), reply.header("x-claviger-tenant-id"), "{what}");
                    *told.entry(reply.status).or_insert(0) += 1;
                }
            }
        }
    }
    assert_eq!(told.keys().collect::<Vec<_>>(), [&200, &401, &403], "{told:?}");
}
