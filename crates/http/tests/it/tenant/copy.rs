//! Tenants with everything but the name from another one.

use serde_json::{Value, json};

use crate::support::{Server, unique, uuid};

on_each_database! {
    shared: a_copy_is_like_its_source, a_copy_stands_alone, a_copy_takes_a_name_only, sources_must_be_there,
        updates_copy_nothing;
}

fn source(server: &Server) -> Value {
    let tenant = json!({
        "name": unique("source"),
        "data": {"a": [1, {"b": null}]},
        "issuer": "source.example",
        "jwtConfiguration": {"accessTokenKeyId": server.signing_key(), "idTokenKeyId": server.signing_key(),
            "accessTokenVerificationKeyIds": [server.signing_key()], "refreshTokenUsagePolicy": "OneTimeUse",
            "timeToLiveInSeconds": 77},
        "logoutURL": "https://example.com",
    });
    server.as_key_manager().post("/api/tenant", &json!({"tenant": tenant})).ok()["tenant"].take()
}

fn copy(source: &Value, tenant: Value) -> Value {
    json!({"sourceTenantId": source["id"], "tenant": tenant})
}

fn a_copy_is_like_its_source(server: &Server) {
    let manager = server.as_key_manager();
    let source = source(server);
    for path in ["/api/tenant".to_owned(), format!("/api/tenant/{}", uuid())] {
        let name = unique("copy");
        let created = manager.post(&path, &copy(&source, json!({"name": name}))).ok()["tenant"].take();
        assert_ne!(created["id"], source["id"]);
        assert!(path.ends_with("tenant") || path.ends_with(created["id"].as_str().unwrap()));
        let mut expected = source.clone();
        for own in ["id", "name"] {
            expected[own] = created[own].clone();
        }
        assert_eq!((&created, &created["name"]), (&expected, &json!(name)));
        let stored = manager.get(&format!("/api/tenant/{}", created["id"].as_str().unwrap())).ok();
        assert_eq!(stored, json!({"tenant": created}));
    }
    // The keys are in use by each of the two copies too.
    let key = source["jwtConfiguration"]["accessTokenKeyId"].as_str().unwrap();
    manager.delete(&format!("/api/tenant/{}", source["id"].as_str().unwrap())).done();
    manager.delete(&format!("/api/key/{key}")).refused(&["keyId [inUse]keyId"; 2]);
}

fn a_copy_stands_alone(server: &Server) {
    let manager = server.as_key_manager();
    let source = source(server);
    let created = manager.post("/api/tenant", &copy(&source, json!({"name": unique("copy")}))).ok();
    let path = |tenant: &Value| format!("/api/tenant/{}", tenant["id"].as_str().unwrap());
    manager.put(&path(&source), &json!({"tenant": {"name": source["name"]}})).ok();
    assert_eq!(manager.get(&path(&created["tenant"])).ok(), created);
    // API keys stay where they are.
    let key = server.api_key(json!({"tenantId": source["id"]}));
    manager.delete(&path(&created["tenant"])).done();
    server.with_key(&key.value).get("/api/system/version").ok();
}

fn a_copy_takes_a_name_only(server: &Server) {
    let manager = server.as_key_manager();
    let source = source(server);
    let refused = |tenant: Value, expected: &[&str]| {
        let path = format!("/api/tenant/{}", uuid());
        manager.post(&path, &copy(&source, tenant)).refused(expected);
        manager.get(&path).not_found();
    };
    refused(json!({}), &["tenant.name [blank]tenant.name"]);
    refused(json!({"name": ""}), &["tenant.name [blank]tenant.name"]);
    refused(json!({"name": source["name"]}), &["tenant.name [duplicate]tenant.name"]);
    refused(
        json!({"name": unique("copy"), "issuer": "x", "jwtConfiguration": {"timeToLiveInSeconds": 1}}),
        &[
            "tenant.issuer [notAllowed]tenant.issuer",
            "tenant.jwtConfiguration [notAllowed]tenant.jwtConfiguration",
        ],
    );
    refused(json!({"name": unique("copy"), "nam": ""}), &["[invalidJSON]"]);
    // What clients send always, they send empty.
    let empty = json!({"name": unique("copy"), "configured": false, "data": {}, "id": uuid(),
        "jwtConfiguration": {"enabled": false}, "emailConfiguration": {"unverified": {"allowEmailChangeWhenGated": false}}});
    let request = json!({"sourceTenantId": source["id"], "tenant": empty, "eventInfo": {"location": {}}, "webhookIds": []});
    assert_eq!(manager.post("/api/tenant", &request).ok()["tenant"]["issuer"], json!("source.example"));
}

fn sources_must_be_there(server: &Server) {
    let manager = server.as_key_manager();
    let request = |source: &str| json!({"sourceTenantId": source, "tenant": {"name": unique("copy")}});
    let invalid = ["sourceTenantId [invalid]sourceTenantId"];
    manager.post("/api/tenant", &request(&uuid())).refused(&invalid);
    manager.post("/api/tenant", &request("x")).refused(&["sourceTenantId [invalidJSON]"]);
    let gone = server.tenant();
    manager.delete(&format!("/api/tenant/{gone}")).done();
    manager.post("/api/tenant", &request(&gone)).refused(&invalid);
    // Who is confined to a tenant copies none, not even that.
    let own = server.tenant();
    let key = server.api_key(json!({"tenantId": own}));
    server.with_key(&key.value).post("/api/tenant", &request(&own)).denied();
    manager.in_tenant(&own).post("/api/tenant", &request(&own)).denied();
}

fn updates_copy_nothing(server: &Server) {
    let manager = server.as_key_manager();
    let source = source(server);
    let path = format!("/api/tenant/{}", server.tenant());
    let before = manager.get(&path).ok();
    let request = copy(&source, json!({"name": before["tenant"]["name"]}));
    assert_eq!(manager.put(&path, &request).ok(), before);
    assert_eq!(manager.patch(&path, &copy(&source, json!({}))).ok(), before);
}
