//! Who may make, see and change which API key: nobody hands on more than they hold.

use claviger_domain::Permissions;
use serde_json::{Value, json};

use super::{body, stored};
use crate::support::fixture::TestKey;
use crate::support::server::CommandLineKey;
use crate::support::{Client, Server, unique};

on_each_database! {
    own: managers_of_a_tenant_stay_in_it, a_tenant_header_confines_a_global_manager,
        restricted_managers_make_no_more_than_they_hold, restricted_managers_reach_no_more_than_they_hold,
        managers_of_a_tenant_can_be_restricted_too, managers_are_not_copied_and_not_promoted,
        a_manager_can_manage_itself, a_dead_manager_manages_nothing;
}

const NOT_AUTHORIZED: [&str; 1] =
    ["apiKey.permissions.endpoints [notAuthorized]apiKey.permissions.endpoints"];
const OTHER_TENANT: [&str; 1] = ["apiKey.tenantId [invalid]apiKey.tenantId"];
const NO_SOURCE: [&str; 1] = ["sourceKeyId [invalid]sourceKeyId"];

/// What the restricted managers of these tests hold.
const HELD: &str = "GET,POST:/api/system/version\nGET:/api/user\nGET:/v1/orders";

fn only(text: &str) -> Permissions {
    Permissions::Only(text.parse().unwrap())
}

fn path(key: &CommandLineKey) -> String {
    format!("/api/api-key/{}", key.id)
}

fn endpoints(endpoints: Value) -> Value {
    body(json!({"permissions": {"endpoints": endpoints}}))
}

/// Asserts that a caller can neither see nor change a key, nor learn that it is there.
#[track_caller]
fn out_of_reach(server: &Server, client: &Client, key: &TestKey) {
    let before = stored(server, key);
    client.get(&key.path()).not_found();
    client.put(&key.path(), &body(json!({}))).not_found();
    client.patch(&key.path(), &body(json!({"name": unique("x")}))).not_found();
    client.delete(&key.path()).not_found();
    client.post("/api/api-key", &json!({"sourceKeyId": key.id})).refused(&NO_SOURCE);
    assert_eq!(stored(server, key), before);
}

/// Asserts that a caller is refused at a key which it can reach but does not cover.
#[track_caller]
fn not_covered(server: &Server, client: &Client, key: &TestKey) {
    let before = stored(server, key);
    client.get(&key.path()).denied();
    client.put(&key.path(), &endpoints(json!({"/api/user": ["GET"]}))).denied();
    client.patch(&key.path(), &body(json!({"name": unique("x")}))).denied();
    client.delete(&key.path()).denied();
    client.post("/api/api-key", &json!({"sourceKeyId": key.id})).refused(&NO_SOURCE);
    assert_eq!(stored(server, key), before);
}

fn managers_of_a_tenant_stay_in_it(server: &Server) {
    let (own, other) = (server.tenant(), server.tenant());
    let [manager] = server.command_line_api_keys([("tenant manager", true, Permissions::All, Some(&own))]);
    let client = server.with_key(&manager.value);
    // A new key is of the tenant, whether it says so or not.
    for (client, members) in [
        (client.clone(), json!({})),
        (client.clone(), json!({"tenantId": own})),
        (client.in_tenant(&own), json!({})),
    ] {
        let created = client.post("/api/api-key", &body(members)).ok();
        assert_eq!(created["apiKey"]["tenantId"], json!(own));
        let key = TestKey::of(&created);
        client.get(&key.path()).ok();
        client.patch(&key.path(), &body(json!({"name": unique("own")}))).ok();
        let copy = client.post("/api/api-key", &json!({"sourceKeyId": key.id})).ok();
        assert_eq!(copy["apiKey"]["tenantId"], json!(own));
        // Also when the client of the moment sends the tenant back, and when it does not.
        client.put(&key.path(), &body(json!({"tenantId": own}))).ok();
        client.put(&key.path(), &body(json!({}))).ok();
        client.delete(&key.path()).done();
    }
    client.post("/api/api-key", &body(json!({"tenantId": other}))).refused(&OTHER_TENANT);
    client.in_tenant(&other).post("/api/api-key", &body(json!({}))).denied();
    out_of_reach(server, &client, &server.unrestricted());
    out_of_reach(server, &client, &server.api_key(json!({"tenantId": other})));
    out_of_reach(server, &client, &server.restricted(json!({"/api/user": []})));
    // Keys that others made in the tenant are within reach.
    let key = server.api_key(json!({"tenantId": own}));
    client.get(&key.path()).ok();
    client.delete(&key.path()).done();
}

fn a_tenant_header_confines_a_global_manager(server: &Server) {
    let (own, other) = (server.tenant(), server.tenant());
    let client = server.as_key_manager().in_tenant(&own);
    out_of_reach(server, &client, &server.unrestricted());
    out_of_reach(server, &client, &server.api_key(json!({"tenantId": other})));
    let key = server.api_key(json!({"tenantId": own}));
    client.get(&key.path()).ok();
    client.put(&key.path(), &body(json!({}))).ok();
    client.patch(&key.path(), &body(json!({}))).ok();
    client.delete(&key.path()).done();
}

fn restricted_managers_make_no_more_than_they_hold(server: &Server) {
    let [manager] = server.command_line_api_keys([("restricted manager", true, only(HELD), None)]);
    let client = server.with_key(&manager.value);
    for fits in [
        json!({"/api/system/version": ["GET"]}),
        json!({"/api/system/version": ["GET", "POST"], "/api/user": ["GET"], "/v1/orders": ["GET"]}),
        json!({"/api/user": []}),
        json!({"/api/tenant": []}),
        json!({"/v1/orders/7": ["GET"]}),
        json!({}),
    ] {
        client.post("/api/api-key", &endpoints(fits)).ok();
    }
    for exceeds in [
        json!({"/api/system/version": ["GET", "PUT"]}),
        json!({"/api/user": ["GET"], "/api/group": ["GET"]}),
        json!({"/api/user/search": ["GET"]}),
        json!({"/v1": ["GET"]}),
        json!({"/v1/orders": ["GET", "DELETE"]}),
        json!({"/v1/orders-old": ["GET"]}),
    ] {
        client.post("/api/api-key", &endpoints(exceeds)).refused(&NOT_AUTHORIZED);
    }
    // No list at all is more than any list.
    for unrestricted in [json!({}), json!({"permissions": null}), json!({"permissions": {}})] {
        client.post("/api/api-key", &body(unrestricted)).refused(&NOT_AUTHORIZED);
    }
    // In a tenant too: an unrestricted key of a tenant holds all of the tenant's endpoints.
    client.post("/api/api-key", &body(json!({"tenantId": server.tenant()}))).refused(&NOT_AUTHORIZED);
    let bound = json!({"tenantId": server.tenant(), "permissions": {"endpoints": {"/api/user": ["GET"]}}});
    client.post("/api/api-key", &body(bound)).ok();
}

fn restricted_managers_reach_no_more_than_they_hold(server: &Server) {
    let [manager] = server.command_line_api_keys([("restricted manager", true, only(HELD), None)]);
    let client = server.with_key(&manager.value);
    not_covered(server, &client, &server.unrestricted());
    not_covered(server, &client, &server.restricted(json!({"/api/user": ["GET", "POST"]})));
    not_covered(server, &client, &server.restricted(json!({"/v1/other": ["GET"]})));
    not_covered(server, &client, &server.api_key(json!({"tenantId": server.tenant()})));
    // A key within reach cannot be widened beyond it, least of all by leaving its list out.
    let key = server.restricted(json!({"/api/user": ["GET"]}));
    let before = stored(server, &key);
    client.get(&key.path()).ok();
    for wide in [
        body(json!({})),
        body(json!({"permissions": null})),
        body(json!({"permissions": {}})),
        endpoints(json!({"/api/user": ["DELETE", "GET"]})),
        endpoints(json!({"/api/group": ["GET"]})),
    ] {
        client.put(&key.path(), &wide).refused(&NOT_AUTHORIZED);
    }
    for wide in [
        body(json!({"permissions": null})),
        body(json!({"permissions": {"endpoints": null}})),
        endpoints(json!({"/api/user": ["DELETE"]})),
        endpoints(json!({"/api/group": ["GET"]})),
    ] {
        client.patch(&key.path(), &wide).refused(&NOT_AUTHORIZED);
    }
    assert_eq!(stored(server, &key), before);
    client.patch(&key.path(), &endpoints(json!({"/api/system/version": ["POST"]}))).ok();
    client.put(&key.path(), &endpoints(json!({"/api/user": []}))).ok();
    let copy = TestKey::of(&client.post("/api/api-key", &json!({"sourceKeyId": key.id})).ok());
    client.delete(&copy.path()).done();
    client.delete(&key.path()).done();
}

fn managers_of_a_tenant_can_be_restricted_too(server: &Server) {
    let own = server.tenant();
    let [manager] = server.command_line_api_keys([("both", true, only(HELD), Some(&own))]);
    let client = server.with_key(&manager.value);
    client.post("/api/api-key", &body(json!({}))).refused(&NOT_AUTHORIZED);
    client.post("/api/api-key", &endpoints(json!({"/api/tenant": ["GET"]}))).refused(&NOT_AUTHORIZED);
    let created = client.post("/api/api-key", &endpoints(json!({"/api/user": ["GET"]}))).ok();
    assert_eq!(created["apiKey"]["tenantId"], json!(own));
    not_covered(server, &client, &server.api_key(json!({"tenantId": own})));
    out_of_reach(server, &client, &server.restricted(json!({"/api/user": ["GET"]})));
}

fn managers_are_not_copied_and_not_promoted(server: &Server) {
    let [source] = server.command_line_api_keys([("source", true, only(HELD), None)]);
    let manager = server.as_key_manager();
    let request = json!({"sourceKeyId": source.id, "apiKey": {"name": unique("copy")}});
    manager.post("/api/api-key", &request).refused(&NO_SOURCE);
    server.with_key(&source.value).post("/api/api-key", &request).refused(&NO_SOURCE);
    // Another manager is an ordinary key to whoever covers it, and stays a manager.
    for members in
        [json!({"name": "renamed", "keyManager": false}), json!({"name": "renamed", "keyManager": true})]
    {
        let after = manager.put(&path(&source), &body(members)).ok();
        assert_eq!(after["apiKey"]["keyManager"], json!(true));
        assert!(after["apiKey"].get("permissions").is_none(), "{after}");
    }
    let key = server.restricted(json!({"/api/user": ["GET"]}));
    let promote = json!({"keyManager": true, "permissions": {"endpoints": {"/api/user": ["GET"]}}});
    let promoted = ["apiKey.keyManager [notAllowed]apiKey.keyManager"];
    manager.put(&key.path(), &body(promote.clone())).refused(&promoted);
    manager.patch(&key.path(), &body(promote.clone())).refused(&promoted);
    manager.post("/api/api-key", &body(promote)).refused(&promoted);
    server.with_key(&key.value).get(&key.path()).denied();
}

fn a_manager_can_manage_itself(server: &Server) {
    let [own] = server.command_line_api_keys([("self", true, only(HELD), None)]);
    let client = server.with_key(&own.value);
    let read = client.get(&path(&own)).ok();
    assert_eq!(read["apiKey"]["keyManager"], json!(true));
    assert!(read["apiKey"].get("key").is_none(), "the value of a manager is not kept");
    // It cannot raise itself.
    client.put(&path(&own), &body(json!({"name": "self"}))).refused(&NOT_AUTHORIZED);
    client.patch(&path(&own), &endpoints(json!({"/api/key": ["GET"]}))).refused(&NOT_AUTHORIZED);
    client.patch(&path(&own), &body(json!({"name": "itself"}))).ok();
    // It can lower itself, and there is no way back.
    let lower = json!({"name": "itself", "permissions": {"endpoints": {"/api/user": ["GET"]}}});
    client.put(&path(&own), &body(lower)).ok();
    client.patch(&path(&own), &endpoints(json!({"/v1/orders": ["GET"]}))).refused(&NOT_AUTHORIZED);
    client.delete(&path(&own)).done();
    client.get(&path(&own)).denied();
}

fn a_dead_manager_manages_nothing(server: &Server) {
    let tenant = server.tenant();
    let [deleted, expired, orphan] = server.command_line_api_keys([
        ("deleted", true, Permissions::All, None),
        ("expired", true, Permissions::All, None),
        ("orphan", true, Permissions::All, Some(&tenant)),
    ]);
    let manager = server.as_key_manager();
    manager.delete(&path(&deleted)).done();
    manager.put(&path(&expired), &body(json!({"name": "expired", "expirationInstant": server.now()}))).ok();
    manager.delete(&format!("/api/tenant/{tenant}")).done();
    let key = server.unrestricted();
    for dead in [&deleted, &expired, &orphan] {
        let client = server.with_key(&dead.value);
        client.post("/api/api-key", &body(json!({}))).denied();
        client.get(&key.path()).denied();
        client.get(&path(dead)).denied();
        client.delete(&key.path()).denied();
    }
    manager.get(&path(&orphan)).not_found();
    manager.get(&key.path()).ok();
}
