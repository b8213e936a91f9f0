//! Tenants as documents: what is acted on, what is kept, what has defaults.

use serde_json::{Value, json};

use crate::support::fixture::names;
use crate::support::server::START;
use crate::support::{Server, unique, uuid};

on_each_database! {
    shared: a_name_is_enough, everything_known_comes_back, put_replaces, ids_can_be_chosen, the_list_is_sorted,
        keys_come_from_the_default_tenant, patches_keep_what_they_do_not_name;
    own: a_new_instance_has_its_tenant, changes_move_one_instant, generated_keys_have_the_issuer_of_the_default_tenant;
}

fn create(server: &Server, tenant: Value) -> Value {
    server.as_key_manager().post("/api/tenant", &json!({"tenant": tenant})).ok()["tenant"].take()
}

fn path(tenant: &Value) -> String {
    format!("/api/tenant/{}", tenant["id"].as_str().unwrap())
}

fn a_name_is_enough(server: &Server) {
    let name = unique("tenant");
    let tenant = create(server, json!({"name": name}));
    assert_eq!(
        names(&tenant),
        [
            "configured",
            "connectorPolicies",
            "emailConfiguration",
            "externalIdentifierConfiguration",
            "id",
            "insertInstant",
            "issuer",
            "jwtConfiguration",
            "lastUpdateInstant",
            "multiFactorConfiguration",
            "name",
            "ssoConfiguration",
            "state",
            "themeId",
            "webAuthnConfiguration"
        ]
    );
    assert_eq!((&tenant["name"], &tenant["issuer"]), (&json!(name), &json!("acme.com")));
    assert_eq!((&tenant["configured"], &tenant["state"]), (&json!(true), &json!("Active")));
    assert_eq!((&tenant["insertInstant"], &tenant["lastUpdateInstant"]), (&json!(START), &json!(START)));
    let jwt = &tenant["jwtConfiguration"];
    assert_eq!(jwt["timeToLiveInSeconds"], json!(3600));
    assert_eq!(jwt["refreshTokenTimeToLiveInMinutes"], json!(43_200));
    assert_eq!(server.as_key_manager().get(&path(&tenant)).ok(), json!({"tenant": tenant}));
}

/// Members of every type, deeply nested; with numbers and texts that a careless store would change.
fn kept() -> Value {
    json!({
        "accessControlConfiguration": {"uiIPAccessControlListId": uuid()},
        "baseURL": "https://example.com",
        "connectorPolicies": [{"connectorId": uuid(), "domains": ["*"], "migrate": false}],
        "data": {"number": 9_007_199_254_740_993_i64, "float": 1.5, "text": "é \u{1f511} \\ \" \u{1}", "empty": {},
            "list": [null, true, [], {"a": {"b": {"c": null}}}]},
        "emailConfiguration": {"host": "localhost", "port": 25},
        "httpSessionMaxInactiveInterval": 3600,
        "logoutURL": "",
        "themeId": uuid(),
        "userDeletePolicy": {"unverified": {"enabled": false, "numberOfDaysToRetain": 120}},
        "webAuthnConfiguration": {
            "bootstrapWorkflow": {"authenticatorAttachmentPreference": "x", "userVerificationRequirement": ""},
            "enabled": false,
            "reauthenticationWorkflow": {"authenticatorAttachmentPreference": 1, "userVerificationRequirement": []},
        },
    })
}

fn everything_known_comes_back(server: &Server) {
    let key = server.signing_key();
    let other = server.signing_key();
    let mut request = kept();
    request["name"] = json!(unique("kept"));
    request["issuer"] = json!("https://issuer.example/é");
    request["jwtConfiguration"] = json!({
        "accessTokenKeyId": key,
        "accessTokenVerificationKeyIds": [other, key],
        "enabled": false,
        "idTokenKeyId": other,
        "idTokenVerificationKeyIds": [key],
        "refreshTokenExpirationPolicy": "SlidingWindow",
        "refreshTokenOneTimeUseConfiguration": {"gracePeriodInSeconds": 5},
        "refreshTokenRevocationPolicy": {"onLoginPrevented": true},
        "refreshTokenSlidingWindowConfiguration": {"maximumTimeToLiveInMinutes": 43_200},
        "refreshTokenTimeToLiveInMinutes": i32::MAX,
        "refreshTokenUsagePolicy": "OneTimeUse",
        "timeToLiveInSeconds": 1,
    });
    let created = create(server, request.clone());
    for (member, value) in request.as_object().unwrap() {
        assert_eq!(&created[member], value, "{member}");
    }
    // The three objects with defaults that were not sent, and what is read-only.
    assert_eq!(names(&created).len(), names(&request).len() + 3 + 5);
    let reply = server.as_key_manager().get(&path(&created));
    assert_eq!(reply.ok(), json!({"tenant": created}));
    // The document that was read can be sent back as it is.
    let after = server.as_key_manager().put(&path(&created), &json!({"tenant": created})).ok();
    assert_eq!(after, json!({"tenant": created}));
    // And it survives a stop.
    assert_eq!(
        server.as_key_manager().get("/api/tenant").ok()["tenants"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|tenant| **tenant == created)
            .count(),
        1
    );
}

fn put_replaces(server: &Server) {
    let mut request = kept();
    request["name"] = json!(unique("replaced"));
    request["issuer"] = json!("issuer.example");
    request["jwtConfiguration"] = json!({"timeToLiveInSeconds": 60, "refreshTokenUsagePolicy": "OneTimeUse",
        "accessTokenKeyId": server.signing_key()});
    let before = create(server, request);
    let name = unique("replaced");
    let plain = create(server, json!({"name": unique("plain")}));
    let after = server.as_key_manager().put(&path(&before), &json!({"tenant": {"name": name}})).ok();
    let mut expected = plain;
    expected["id"] = before["id"].clone();
    expected["name"] = json!(name);
    assert_eq!(after["tenant"], expected);
    // Read-only members keep what they are.
    let read_only = json!({"name": name, "id": uuid(), "state": "PendingDelete", "configured": false,
        "insertInstant": 1, "lastUpdateInstant": 2});
    let after = server.as_key_manager().put(&path(&before), &json!({"tenant": read_only})).ok();
    assert_eq!(after["tenant"], expected);
}

fn ids_can_be_chosen(server: &Server) {
    let manager = server.as_key_manager();
    let path = format!("/api/tenant/{}", uuid());
    let request = || json!({"tenant": {"name": unique("chosen")}});
    for _ in 0..3 {
        manager.post(&path.to_uppercase().replace("/API/TENANT", "/api/tenant"), &request()).ok();
        manager.post(&path, &request()).refused(&["tenantId [duplicate]tenantId"]);
        manager.delete(&path).done();
        manager.get(&path).not_found();
        manager.put(&path, &request()).not_found();
        manager.delete(&path).not_found();
    }
    let tenant = format!("{}/", super::document::path(&create(server, json!({"name": unique("slash")}))));
    manager.get(&tenant).ok();
}

fn the_list_is_sorted(server: &Server) {
    let created = ["b", "a", "B", "é"].map(|letter| create(server, json!({"name": unique(letter)})));
    let list = server.as_key_manager().get("/api/tenant").ok();
    assert_eq!(names(&list), ["tenants"]);
    let tenants = list["tenants"].as_array().unwrap();
    assert!(created.iter().all(|tenant| tenants.contains(tenant)));
    let listed: Vec<_> = tenants.iter().map(|tenant| tenant["name"].as_str().unwrap()).collect();
    assert!(listed.is_sorted(), "{listed:?}");
}

fn keys_come_from_the_default_tenant(server: &Server) {
    let manager = server.as_key_manager();
    let default = manager.get(&format!("/api/tenant/{}", server.default_tenant())).ok();
    let default = &default["tenant"]["jwtConfiguration"];
    let tenant = create(server, json!({"name": unique("tenant")}));
    for member in ["accessTokenKeyId", "idTokenKeyId"] {
        assert!(default[member].is_string());
        assert_eq!(tenant["jwtConfiguration"][member], default[member]);
    }
    let own = server.signing_key();
    let tenant =
        create(server, json!({"name": unique("tenant"), "jwtConfiguration": {"accessTokenKeyId": own}}));
    assert_eq!(tenant["jwtConfiguration"]["accessTokenKeyId"], json!(own));
    assert_eq!(tenant["jwtConfiguration"]["idTokenKeyId"], default["idTokenKeyId"]);
}

fn patches_keep_what_they_do_not_name(server: &Server) {
    let manager = server.as_key_manager();
    let mut request = kept();
    request["name"] = json!(unique("patched"));
    request["issuer"] = json!("issuer.example");
    request["jwtConfiguration"] =
        json!({"timeToLiveInSeconds": 60, "accessTokenKeyId": server.signing_key()});
    let mut expected = create(server, request);
    let path = path(&expected);
    assert_eq!(manager.patch(&path, &json!({"tenant": {}})).ok(), json!({"tenant": expected}));
    // Its own name is no duplicate, and none is needed.
    let own = json!({"tenant": {"name": expected["name"]}, "eventInfo": {}, "webhookIds": []});
    assert_eq!(manager.patch(&path, &own).ok(), json!({"tenant": expected}));
    let patch = json!({"tenant": {"data": {"text": null, "list": [7]}, "issuer": "other.example", "logoutURL": null,
        "jwtConfiguration": {"timeToLiveInSeconds": 61}, "themeId": null}});
    expected["data"].as_object_mut().unwrap().remove("text");
    expected["data"]["list"].as_array_mut().unwrap().push(json!(7));
    expected["issuer"] = json!("other.example");
    expected["jwtConfiguration"]["timeToLiveInSeconds"] = json!(61);
    expected.as_object_mut().unwrap().remove("logoutURL");
    let after = manager.patch(&path, &patch).ok();
    // What has a default gets it back.
    expected["themeId"] = after["tenant"]["themeId"].clone();
    assert!(expected["themeId"].is_string());
    assert_eq!(after, json!({"tenant": expected}));
    // The default tenant of a new instance can be patched, named or not.
    let default = format!("/api/tenant/{}", server.default_tenant());
    manager.patch(&default, &json!({"tenant": {"data": {}}})).ok();
    manager.patch(&default, &json!({"tenant": {"name": "Default"}})).ok();
}

fn a_new_instance_has_its_tenant(server: &Server) {
    let list = server.as_key_manager().get("/api/tenant").ok();
    let tenants = list["tenants"].as_array().unwrap();
    assert_eq!(tenants.len(), 1);
    assert_eq!((&tenants[0]["name"], &tenants[0]["issuer"]), (&json!("Default"), &json!("acme.com")));
    assert_eq!(tenants[0]["jwtConfiguration"]["idTokenKeyId"], json!("092dbedc-30af-4149-9c61-b578f2c72f59"));
    // A restart makes no second one.
    server.while_stopped(|_| ());
    assert_eq!(server.as_key_manager().get("/api/tenant").ok(), list);
}

fn changes_move_one_instant(server: &Server) {
    let tenant = create(server, json!({"name": "tenant"}));
    server.set_now(START + 5);
    let after = server.as_key_manager().put(&path(&tenant), &json!({"tenant": {"name": "other"}})).ok();
    let after = &after["tenant"];
    assert_eq!((&after["insertInstant"], &after["lastUpdateInstant"]), (&json!(START), &json!(START + 5)));
}

fn generated_keys_have_the_issuer_of_the_default_tenant(server: &Server) {
    let manager = server.as_key_manager();
    let issuer = || {
        let body = json!({"key": {"name": unique("key"), "algorithm": "Ed25519"}});
        manager.post("/api/key/generate", &body).ok()["key"]["issuer"].take()
    };
    create(server, json!({"name": unique("other"), "issuer": "other.example"}));
    assert_eq!(issuer(), json!("acme.com"));
    let default = format!("/api/tenant/{}", server.default_tenant());
    manager.patch(&default, &json!({"tenant": {"issuer": "login.example"}})).ok();
    assert_eq!(issuer(), json!("login.example"));
    manager.patch(&default, &json!({"tenant": {"issuer": null}})).ok();
    assert_eq!(issuer(), json!("acme.com"));
}
