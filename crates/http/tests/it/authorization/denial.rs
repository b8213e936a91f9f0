//! What callers who are not let in learn: nothing. And what counts as the same right.

use claviger_http::{Guard, ROUTES};
use serde_json::json;

use crate::support::{Server, unique, uuid};

on_each_database! {
    shared: bodies_and_objects_are_not_looked_at_before_the_caller, tenants_are_not_looked_at_before_the_caller,
        head_needs_the_right_to_get, a_slash_at_the_end_changes_no_right, only_the_exact_value_is_the_key,
        patch_by_override_is_no_post, an_override_is_a_patch_for_permissions_too;
}

fn bodies_and_objects_are_not_looked_at_before_the_caller(server: &Server) {
    let other = server.restricted(json!({"/api/user": ["GET", "POST", "PUT", "PATCH", "DELETE"]}));
    for client in [server.anonymous(), server.with_key("no such key"), server.with_key(&other.value)] {
        let typed = client.with_header("Content-Type", "application/json");
        for path in ["/api/api-key", "/api/key/generate", "/api/tenant", "/api/tenant/not-a-uuid"] {
            typed.send_bytes("POST", path, Some(b"{")).denied();
            client.send_bytes("POST", path, Some(b"x")).denied();
            client.send_bytes("POST", path, None).denied();
            typed.send_bytes("POST", path, Some(&vec![b' '; 1_100_000])).denied();
        }
        for path in ["/api/api-key/", "/api/key/", "/api/tenant/"] {
            for id in ["not-a-uuid".to_owned(), uuid()] {
                client.get(&format!("{path}{id}")).denied();
                client.delete(&format!("{path}{id}")).denied();
                typed.send_bytes("PUT", &format!("{path}{id}"), Some(b"[]")).denied();
            }
        }
    }
}

fn tenants_are_not_looked_at_before_the_caller(server: &Server) {
    let other = server.restricted(json!({"/api/user": ["GET"]}));
    let tenant = server.tenant();
    for client in [server.anonymous(), server.with_key("no such key"), server.with_key(&other.value)] {
        for header in [tenant.as_str(), &uuid(), "not-a-uuid", ""] {
            client.in_tenant(header).get("/api/tenant").denied();
            client.in_tenant(header).get(&format!("/api/api-key/{}", other.id)).denied();
        }
    }
}

fn head_needs_the_right_to_get(server: &Server) {
    let reader = server.restricted(json!({"/api/key": ["GET"]}));
    let writer = server.restricted(json!({"/api/key": ["POST", "PUT", "PATCH", "DELETE"]}));
    let reply = server.with_key(&reader.value).send("HEAD", "/api/key", None);
    assert_eq!((reply.status, reply.body.len()), (200, 0));
    let reply = server.with_key(&writer.value).send("HEAD", "/api/key", None);
    assert_eq!((reply.status, reply.body.len()), (401, 0));
    let invalid = uuid();
    server.with_key(&writer.value).delete(&format!("/api/key/{invalid}")).not_found();
}

fn a_slash_at_the_end_changes_no_right(server: &Server) {
    let generator = server.restricted(json!({"/api/key/generate": ["POST"]}));
    let client = server.with_key(&generator.value);
    let body = || json!({"key": {"name": unique("slash"), "algorithm": "HS256"}});
    client.post("/api/key/generate", &body()).ok();
    client.post("/api/key/generate/", &body()).ok();
    client.post(&format!("/api/key/generate/{}/", uuid()), &body()).ok();
    client.get("/api/key").denied();
    client.get("/api/key/").denied();
    // The literal segment wins over an identifier: this is no key with the id "generate".
    let reader = server.restricted(json!({"/api/key": ["GET", "PUT", "DELETE"]}));
    assert_eq!(server.with_key(&reader.value).get("/api/key/generate").status, 405);
    server.with_key(&reader.value).post("/api/key/generate/", &body()).denied();
}

fn only_the_exact_value_is_the_key(server: &Server) {
    let key = server.unrestricted().value;
    let version = |value: &str| server.with_key(value).get("/api/system/version");
    version(&key).ok();
    // White space around a header's value is no part of it (RFC 9110, section 5.5).
    version(&format!("  {key} \t")).ok();
    version(&key.to_uppercase()).denied();
    version(&key[..key.len() - 1]).denied();
    version(&format!("{key}x")).denied();
    version(&format!("{key},{key}")).denied();
    version(&format!("\"{key}\"")).denied();
    version(&format!("ApiKey {key}")).denied();
    version("").denied();
    server.anonymous().get(&format!("/api/system/version?apiKey={key}")).denied();
    server
        .anonymous()
        .with_header("Cookie", &format!("Authorization={key}"))
        .get("/api/system/version")
        .denied();
    server.anonymous().with_header("Authentication", &key).get("/api/system/version").denied();
    server.anonymous().with_header("aUTHORIZATION", &key).get("/api/system/version").ok();
}

fn patch_by_override_is_no_post(server: &Server) {
    let key = server.unrestricted();
    let client = server.with_key(&key.value).with_header("X-HTTP-Method-Override", "PATCH");
    let body = json!({"tenant": {"name": unique("override")}});
    // There is no PATCH of all tenants, and one of a tenant that is not there makes none.
    assert_eq!(client.post("/api/tenant", &body).status, 405);
    client.post(&format!("/api/tenant/{}", uuid()), &body).not_found();
    assert_eq!(client.post("/api/key/generate", &json!({"key": {}})).status, 405);
    // No other override is read.
    for (header, value) in [
        ("X-HTTP-Method-Override", "DELETE"),
        ("X-HTTP-Method-Override", "PUT"),
        ("X-HTTP-Method-Override", "GET"),
        ("X-HTTP-Method-Override", "patch"),
        ("X-HTTP-Method", "PATCH"),
        ("X-HTTP-Method-Override", "Patch"),
        ("X-HTTP-Method-Override", "PATCH,PATCH"),
        ("X-HTTP-Method-Override", ""),
        ("X-Method-Override", "PATCH"),
        ("X-HTTP-Method_Override", "PATCH"),
    ] {
        let body = json!({"tenant": {"name": unique("override")}});
        server.with_key(&key.value).with_header(header, value).post("/api/tenant", &body).ok();
    }
    // Sent twice it is not read.
    let body = json!({"tenant": {"name": unique("override")}});
    let twice = client.with_header("X-HTTP-Method-Override", "PATCH");
    let made = twice.post("/api/tenant", &body).ok();
    // Nor with other methods: the tenant is replaced and deleted, not patched.
    let path = format!("/api/tenant/{}", made["tenant"]["id"].as_str().unwrap());
    let body = json!({"tenant": {"name": unique("override")}});
    client.put(&path, &body).ok();
    assert_eq!(client.send("HEAD", &path, None).status, 200);
    client.delete(&path).done();
    let reader = server.restricted(json!({"/api/tenant": ["GET"]}));
    let client = server.with_key(&reader.value).with_header("X-HTTP-Method-Override", "PATCH");
    client.get("/api/tenant").ok();
    let id = server.tenant();
    let client = server.with_key(&reader.value).with_header("X-HTTP-Method-Override", "GET");
    client.post(&format!("/api/tenant/{id}"), &body).denied();
    client.delete(&format!("/api/tenant/{id}")).denied();
}

/// Where a path has no PATCH, neither way leads anywhere; where it has one, both need the same right.
fn an_override_is_a_patch_for_permissions_too(server: &Server) {
    let mut templates: Vec<_> = ROUTES.iter().map(|route| (route.template, route.guard)).collect();
    templates.dedup();
    for (template, guard) in templates {
        let Guard::Endpoint(endpoint) = guard else { continue };
        let path = template
            .replace("{ipAccessControlListId}", &uuid())
            .replace("{keyId}", &uuid())
            .replace("{tenantId}", &uuid());
        for (method, may) in [("POST", false), ("PATCH", true)] {
            let key = server.restricted(json!({endpoint: [method]})).value;
            let client = server.with_key(&key);
            let patch = client.patch(&path, &json!({}));
            let overridden = client.with_header("X-HTTP-Method-Override", "PATCH").post(&path, &json!({}));
            assert_eq!(overridden.status, patch.status, "{template} with {method}");
            assert!(may || matches!(patch.status, 401 | 405), "{template} with {method}: {}", patch.status);
        }
    }
    // The one PATCH that is served now is for key managers, who need no permission for it; for others it is none.
    let target = server.unrestricted();
    let body = json!({"apiKey": {"metaData": {"attributes": {"description": "patched"}}}});
    for methods in [json!(["POST"]), json!(["PATCH"])] {
        let client = server.with_key(&server.restricted(json!({"/api/api-key": methods})).value);
        client.with_header("X-HTTP-Method-Override", "PATCH").post(&target.path(), &body).denied();
    }
}
