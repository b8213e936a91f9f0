//! What keys may do by their roles on the server's own endpoints, and who may read and change roles.

use claviger_domain::Permissions;
use serde_json::{Value, json};

use super::{API_KEYS, powerless, powers, refused};
use crate::support::fixture::TestRole;
use crate::support::server::BOOTSTRAP;
use crate::support::{Client, Server, unique, uuid};

on_each_database! {
    shared: a_change_of_a_role_acts_at_once, head_and_options_count_as_themselves, variables,
        patterns_on_the_servers_own_endpoints, roles_add_up, keys_of_a_tenant_stay_there,
        roles_that_change_roles, keys_of_a_tenant_change_no_roles;
    own: managers_and_roles, a_role_key_and_its_own_role, roles_that_read_roles;
}

const ROLES: &str = "/api/roles";

fn permissions(role: &TestRole, permissions: &[&str]) -> Value {
    json!({"name": role.name, "permissions": permissions})
}

/// A client with a new key of one new role.
fn with_role(server: &Server, permissions: &[&str]) -> Client {
    server.with_key(&server.fusion_key(&[&server.role(permissions).name], None).value)
}

#[track_caller]
fn answers(client: &Client, expected: &[(&str, &str, u16)]) {
    for (method, path, status) in expected {
        assert_eq!(client.send(method, path, None).status, *status, "{method} {path}");
    }
}

fn a_change_of_a_role_acts_at_once(server: &Server) {
    let admin = server.as_fusion_admin();
    let role = server.role(&["GET:/key/**"]);
    let key = server.fusion_key(&[&role.name], None);
    let clients = [server.with_key(&key.value), server.with_fusion_key(&key.value)];
    for _ in 0..3 {
        for client in &clients {
            client.get("/api/key").ok();
            client.get("/api/tenant").denied();
        }
        admin.put(&role.path(), &permissions(&role, &["GET:/tenant/**"])).ok();
        for client in &clients {
            client.get("/api/key").denied();
            client.get("/api/tenant").ok();
        }
        admin.put(&role.path(), &permissions(&role, &[])).ok();
        powerless(server, &key.value);
        admin.put(&role.path(), &permissions(&role, &["GET:/key/**"])).ok();
    }
    // A role that comes to allow everything makes managers of its keys, and takes that away again.
    admin.put(&role.path(), &permissions(&role, &["GET,POST,PUT,DELETE,PATCH,HEAD:/**"])).ok();
    assert_eq!(powers(server, &key.value), powers(server, BOOTSTRAP));
    assert_eq!(super::seen_in_a(server, &key.id)["keyManager"], json!(true));
    admin.put(&role.path(), &permissions(&role, &["GET,POST,PUT,DELETE,PATCH:/**"])).ok();
    assert_eq!(super::seen_in_a(server, &key.id)["keyManager"], json!(false));
    clients[1].get(API_KEYS).denied();
}

fn head_and_options_count_as_themselves(server: &Server) {
    let get = with_role(server, &["GET:/key/**"]);
    answers(&get, &[("GET", "/api/key", 200), ("HEAD", "/api/key", 401)]);
    let head = with_role(server, &["HEAD:/key/**", "HEAD:/roles"]);
    answers(&head, &[("GET", "/api/key", 401), ("HEAD", "/api/key", 200), ("HEAD", "/api/roles", 200)]);
    answers(&head, &[("GET", "/api/roles", 401), ("HEAD", "/api/roles/x", 401)]);
    let both = with_role(server, &["GET,HEAD:/key/**"]);
    answers(&both, &[("GET", "/api/key", 200), ("HEAD", "/api/key", 200)]);
    let options = with_role(server, &["OPTIONS:/**"]);
    answers(&options, &[("GET", "/api/key", 401), ("HEAD", "/api/key", 401), ("OPTIONS", "/api/key", 405)]);
    // PATCH by override is a PATCH, and not the POST as which it comes.
    let post = with_role(server, &["POST:/key/**"]).with_header("X-HTTP-Method-Override", "PATCH");
    assert_eq!(post.post("/api/key/generate", &json!({})).status, 405);
}

fn variables(server: &Server) {
    let [own, other] = [server.tenant(), server.tenant()];
    let path = |id: &str| format!("/api/tenant/{id}");
    let client = with_role(server, &[&format!("GET:/tenant/{{id}}:id={own},x")]);
    client.get(&path(&own)).ok();
    client.get(&path("x")).refused(&["tenantId [couldNotConvert]tenantId"]);
    // Another value, another spelling, another length and another method are none of it.
    for path in [path(&other), path(&own.to_uppercase()), "/api/tenant".to_owned(), path("X")] {
        client.get(&path).denied();
    }
    client.delete(&path(&own)).denied();
    assert_eq!(client.get(&format!("{}/x", path(&own))).status, 404);
    // The id of a user that an API key does not have.
    for permission in ["GET:/tenant/{id}:id=#ID", "GET:/**/{id}:id=#ID", "GET:/{a}/{b}:a=tenant;b=#ID"] {
        let client = with_role(server, &[permission]);
        for id in ["%23ID", "ID", "", &own] {
            client.get(&path(id)).denied();
        }
        assert_eq!(super::seen_in_a(server, &server.fusion_key(&[], None).id)["keyManager"], json!(false));
    }
}

fn patterns_on_the_servers_own_endpoints(server: &Server) {
    let key = format!("/api/key/{}", server.signing_key());
    let client = with_role(server, &["GET:/key/**"]);
    answers(
        &client,
        &[
            ("GET", "/api/key", 200),
            ("GET", "/api/key/", 200),
            ("GET", &key, 200),
            ("GET", "/api/key/search", 200),
        ],
    );
    answers(&client, &[("POST", "/api/key/generate", 401), ("PUT", &key, 401), ("DELETE", &key, 401)]);
    answers(
        &client,
        &[("GET", "/api/tenant", 401), ("GET", "/api/system/version", 401), ("GET", ROLES, 401)],
    );
    let client = with_role(server, &["GET:/key/*"]);
    answers(&client, &[("GET", "/api/key", 401), ("GET", &key, 200), ("GET", "/api/key/search", 200)]);
    let client = with_role(server, &["GET:/key"]);
    answers(&client, &[("GET", "/api/key", 200), ("GET", "/api/key/", 200), ("GET", &key, 401)]);
    // Patterns speak of paths without their base; paths of another case or spelling are none.
    for permission in ["GET:/api/key/**", "GET:/Key/**", "GET:/keys/**", "GET:/*/key"] {
        answers(&with_role(server, &[permission]), &[("GET", "/api/key", 401), ("GET", &key, 401)]);
    }
    let client = with_role(server, &["GET:/**"]);
    answers(&client, &[("GET", "/api/Key", 404), ("GET", "/api//key", 404), ("GET", "/api/%6bey", 404)]);
    answers(&client, &[("GET", "/api/key", 200), ("GET", "/api/status", 200), ("GET", ROLES, 200)]);
    // Keys are for those who manage, whatever patterns say.
    let client =
        with_role(server, &["GET,POST,PUT,DELETE,PATCH,HEAD:/api-key/**", "GET,POST,PUT,DELETE,PATCH:/**"]);
    answers(
        &client,
        &[("POST", API_KEYS, 401), ("GET", &super::path(&uuid()), 401), ("DELETE", &super::path("x"), 401)],
    );
}

fn roles_add_up(server: &Server) {
    let roles = [&["GET:/key/**"][..], &["GET:/tenant/**"], &["POST:/roles"]].map(|lines| server.role(lines));
    let names: Vec<_> = roles.iter().map(|role| role.name.as_str()).collect();
    let sum = powers(server, &server.fusion_key(&names, None).value);
    let parts = names.iter().flat_map(|name| powers(server, &server.fusion_key(&[name], None).value));
    assert_eq!(sum, parts.collect());
    // Parts that allow everything together do that.
    let half = server.role(&["GET,HEAD,PATCH:/**"]);
    let other = server.role(&["POST,PUT,DELETE:/**"]);
    let whole = server.fusion_key(&[&half.name, &other.name], None);
    assert_eq!(powers(server, &whole.value), powers(server, BOOTSTRAP));
    server.with_fusion_key(&server.fusion_key(&[&half.name], None).value).get(API_KEYS).denied();
}

fn keys_of_a_tenant_stay_there(server: &Server) {
    let [own, other] = [server.tenant(), server.tenant()];
    let role = server.role(&["GET:/**"]);
    let client = server.with_key(&server.fusion_key(&[&role.name], Some(&own)).value);
    let tenants = client.get("/api/tenant").ok();
    assert_eq!(tenants["tenants"].as_array().unwrap().len(), 1);
    assert_eq!(tenants["tenants"][0]["id"], json!(own));
    client.in_tenant(&own).get("/api/tenant").ok();
    client.in_tenant(&other).get("/api/tenant").denied();
    client.get(&format!("/api/tenant/{other}")).not_found();
    for global in ["/api/key", "/api/key/search", "/api/prometheus/metrics", "/api/status"] {
        client.get(global).denied();
    }
    // A global key in the tenant does not reach them either.
    let global = server.with_key(&server.fusion_key(&[&role.name], None).value);
    global.get("/api/key").ok();
    global.in_tenant(&own).get("/api/key").denied();
    assert_eq!(global.in_tenant(&own).get("/api/tenant").ok()["tenants"].as_array().unwrap().len(), 1);
}

fn roles_that_read_roles(server: &Server) {
    let role = server.role(&["GET:/x"]);
    let tenant = server.tenant();
    let reader = server.role(&["GET:/roles/**"]);
    for tenant in [None, Some(tenant.as_str())] {
        let client = server.with_key(&server.fusion_key(&[&reader.name], tenant).value);
        assert_eq!(
            client.get(ROLES).ok(),
            client.in_tenant(tenant.unwrap_or(&server.default_tenant())).get(ROLES).ok()
        );
        assert_eq!(client.get(&role.path()).ok()["name"], json!(role.name));
        client.post(ROLES, &json!({"name": unique("x")})).denied();
        client.put(&role.path(), &json!({"name": role.name})).denied();
        client.delete(&role.path()).denied();
        client.get(API_KEYS).not_found();
        client.send("HEAD", ROLES, None);
    }
    let list = with_role(server, &["GET:/roles"]);
    list.get(ROLES).ok();
    list.get(&role.path()).denied();
    // Endpoint permissions open no way, and neither does being unrestricted: that takes a key manager.
    for key in [server.restricted(json!({"/api/roles": ["GET", "POST"]})), server.unrestricted()] {
        let client = server.with_key(&key.value);
        for (method, path) in
            [("GET", ROLES), ("POST", ROLES), ("GET", &role.path()), ("DELETE", &role.path())]
        {
            client.send(method, path, None).denied();
        }
    }
}

fn roles_that_change_roles(server: &Server) {
    let held = ["GET,POST,PUT,DELETE:/roles/**", "GET:/key/**", "GET,POST:/x/{id}:id=1,2"];
    let client = with_role(server, &held);
    let make = |lines: &[&str]| client.post(ROLES, &json!({"name": unique("made"), "permissions": lines}));
    for fits in [
        &[][..],
        &["GET:/key"],
        &["GET:/key/*"],
        &["GET:/key/**", "GET:/x/{a}:a=2"],
        &["POST:/x/1"],
        &["DELETE:/roles/y"],
        &["PATCH:/users/{id}:id=#ID"],
    ] {
        assert_eq!(make(fits).status, 201, "{fits:?}");
    }
    for exceeds in [
        &["HEAD:/key"][..],
        &["GET:/key", "POST:/key"],
        &["GET:/*"],
        &["GET:/**"],
        &["GET:/x/3"],
        &["GET:/x/{id}:id=1,2,3"],
        &["GET:/x/*"],
        &["PUT:/x/1"],
        &["PATCH:/roles/**"],
        &["GET,POST,PUT,DELETE,PATCH,HEAD:/**"],
    ] {
        make(exceeds).denied();
    }
    // A role that is there: neither into more than is held, nor out of it.
    let within = server.role(&["GET:/key/**"]);
    let beyond = server.role(&["GET:/key/**", "GET:/tenant/**"]);
    client.put(&within.path(), &permissions(&within, &["GET:/key"])).ok();
    client.put(&within.path(), &permissions(&within, &["GET:/key", "POST:/key"])).denied();
    for lines in [&["GET:/key"][..], &[], &["GET:/key/**", "GET:/tenant/**"]] {
        client.put(&beyond.path(), &permissions(&beyond, lines)).denied();
    }
    client.delete(&beyond.path()).denied();
    client.delete(&within.path()).done();
    assert_eq!(server.as_fusion_admin().get(&beyond.path()).ok()["permissions"].as_array().unwrap().len(), 2);
    let all = server.as_fusion_admin().get(&format!("{ROLES}?name=admin")).ok();
    let admin = TestRole { id: all[0]["id"].as_str().unwrap().to_owned(), name: "admin".to_owned() };
    refused(&client.put(&admin.path(), &permissions(&admin, &[])), 400, "protected-role");
    refused(&client.delete(&admin.path()), 400, "protected-role");
}

fn keys_of_a_tenant_change_no_roles(server: &Server) {
    let tenant = server.tenant();
    let role = server.role(&["GET,POST,PUT,DELETE:/roles/**"]);
    let target = server.role(&[]);
    for roles in [[role.name.as_str()], ["admin"]] {
        let confined = server.with_key(&server.fusion_key(&roles, Some(&tenant)).value);
        let global = server.with_key(&server.fusion_key(&roles, None).value);
        for client in
            [confined.clone(), confined.in_tenant(&tenant), global.in_tenant(&tenant), global.in_tenant("x")]
        {
            client.post(ROLES, &json!({"name": unique("x")})).denied();
            client.put(&target.path(), &json!({"name": target.name})).denied();
            client.delete(&target.path()).denied();
        }
        confined.get(ROLES).ok();
        global.put(&target.path(), &json!({"name": target.name})).ok();
    }
}

fn managers_and_roles(server: &Server) {
    let tenant = server.tenant();
    let only = Permissions::Only("GET:/api/key\nGET:/api/tenant".parse().unwrap());
    let [restricted, confined] = server.command_line_api_keys([
        ("restricted", true, only, None),
        ("confined", true, Permissions::All, Some(&tenant)),
    ]);
    let reader = server.role(&["GET:/key"]);
    let client = server.with_key(&restricted.value);
    client.get(ROLES).ok();
    client.get(&reader.path()).ok();
    // A list of endpoints covers no pattern, only what allows nothing.
    for (lines, status) in
        [(&[][..], 201), (&["GET:/x/{id}:id=#ID"], 201), (&["GET:/key"], 401), (&["GET:/**"], 401)]
    {
        let reply = client.post(ROLES, &json!({"name": unique("x"), "permissions": lines}));
        assert_eq!(reply.status, status, "{lines:?}");
    }
    client.put(&reader.path(), &permissions(&reader, &[])).denied();
    client.delete(&reader.path()).denied();
    let empty = server.role(&[]);
    client.put(&empty.path(), &permissions(&empty, &["GET:/key"])).denied();
    client.delete(&empty.path()).done();
    let client = server.with_key(&confined.value);
    client.get(ROLES).ok();
    client.post(ROLES, &json!({"name": unique("x")})).denied();
    client.delete(&reader.path()).denied();
}

fn a_role_key_and_its_own_role(server: &Server) {
    let role = server.role(&["GET,PUT,DELETE:/roles/**", "GET:/key/**"]);
    let key = server.fusion_key(&[&role.name], None);
    let client = server.with_key(&key.value);
    let before = powers(server, &key.value);
    for wider in
        [&["GET,PUT,DELETE,POST:/roles/**"][..], &["GET,PUT,DELETE,POST,PATCH,HEAD:/**"], &["GET:/**"]]
    {
        client.put(&role.path(), &permissions(&role, wider)).denied();
        assert_eq!(powers(server, &key.value), before);
    }
    refused(&client.delete(&role.path()), 409, "in-use");
    // It may take from itself, and does not get it back.
    client.put(&role.path(), &permissions(&role, &["GET,PUT,DELETE:/roles/**"])).ok();
    client.get("/api/key").denied();
    client.put(&role.path(), &permissions(&role, &["GET,PUT,DELETE:/roles/**", "GET:/key/**"])).denied();
    client.put(&role.path(), &permissions(&role, &[])).ok();
    powerless(server, &key.value);
}
