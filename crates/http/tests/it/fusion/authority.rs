//! Who may make, see and delete what in Fusion's dialect: nobody hands out more than they have, or beyond their tenant.

use claviger_domain::Permissions;
use serde_json::json;

use super::{API_KEYS, listed, path, powerless, powers, refused, seen_in_a};
use crate::support::fixture::{FusionKey, TestKey};
use crate::support::server::BOOTSTRAP;
use crate::support::{Client, Reply, Server, Settings, unique, uuid};

on_each_database! {
    shared: an_admin_makes_admins, the_tenant_header_scopes_a_new_key, patterns_for_api_keys_make_no_manager,
        a_key_manages_itself;
    own: managers_of_a_tenant, restricted_managers, admin_keys_can_be_forbidden,
        a_tenant_that_is_deleted_takes_its_keys_along;
}

fn make(client: &Client, roles: &[&str]) -> Reply {
    client.post(API_KEYS, &json!({"name": unique("made"), "roles": roles}))
}

fn an_admin_makes_admins(server: &Server) {
    let first = FusionKey::of(&make(&server.as_fusion_admin(), &["admin"]).ok());
    // A key that an admin makes manages in both dialects, and makes others.
    let second = FusionKey::of(&make(&server.with_fusion_key(&first.value), &["admin", "search"]).ok());
    for key in [&first, &second] {
        assert_eq!(seen_in_a(server, &key.id)["keyManager"], json!(true));
        let own = server.with_key(&key.value);
        let made = TestKey::of(&own.post(API_KEYS, &json!({"apiKey": {}})).ok());
        assert_eq!(seen_in_a(server, &made.id)["keyManager"], json!(false));
        own.get(&made.path()).ok();
        assert!(listed(&server.with_fusion_key(&key.value)).contains(&made.id));
        let promoted = json!({"apiKey": {"keyManager": true}});
        own.post(API_KEYS, &promoted).refused(&["apiKey.keyManager [notAllowed]apiKey.keyManager"]);
        assert_eq!(powers(server, &key.value), powers(server, BOOTSTRAP));
        // Without roles a key has no rights, whoever makes it.
        powerless(server, &FusionKey::of(&make(&server.with_fusion_key(&key.value), &[]).ok()).value);
    }
    // It goes with its maker's word, not with its maker.
    server.with_fusion_key(&second.value).delete(&first.path()).done();
    server.with_fusion_key(&first.value).get(API_KEYS).denied();
    server.with_fusion_key(&second.value).get(API_KEYS).ok();
}

fn the_tenant_header_scopes_a_new_key(server: &Server) {
    let [own, other] = [server.tenant(), server.tenant()];
    let admin = server.as_fusion_admin();
    let global = FusionKey::of(&make(&admin, &[]).ok());
    assert_eq!(seen_in_a(server, &global.id).get("tenantId"), None);
    let key = FusionKey::of(&make(&admin.in_tenant(&own), &["search"]).ok());
    assert_eq!(seen_in_a(server, &key.id)["tenantId"], json!(own));
    assert_eq!(listed(&admin.in_tenant(&own)), std::slice::from_ref(&key.id));
    assert_eq!(listed(&admin.in_tenant(&other)), [""; 0]);
    for id in [&key.id, &global.id] {
        refused(&admin.in_tenant(&other).get(&path(id)), 404, "not-found");
        refused(&admin.in_tenant(&other).delete(&path(id)), 404, "not-found");
    }
    refused(&admin.in_tenant(&own).get(&path(&global.id)), 404, "not-found");
    for wrong in [uuid(), "not-a-uuid".to_owned(), String::new()] {
        refused(&make(&admin.in_tenant(&wrong), &[]), 400, "invalid-tenant");
        refused(&admin.in_tenant(&wrong).get(API_KEYS), 400, "invalid-tenant");
    }
    refused(&make(&admin.in_tenant(&own).in_tenant(&own), &[]), 400, "invalid-tenant");
    admin.in_tenant(&own).delete(&key.path()).done();
    assert!(listed(&admin).contains(&global.id));
}

fn patterns_for_api_keys_make_no_manager(server: &Server) {
    for lines in [
        &["GET,POST,PUT,DELETE,PATCH,HEAD:/api-key/**"][..],
        &["GET,POST,PUT,DELETE,PATCH,HEAD:/api-key", "GET,POST,PUT,DELETE,PATCH,HEAD:/api-key/*"],
        &["GET,POST,PUT,DELETE,PATCH,HEAD,OPTIONS:/*/**"],
        &["GET,POST,PUT,DELETE,PATCH,HEAD:/"],
        // All methods, but for HEAD.
        &["GET,POST,PUT,DELETE,PATCH,OPTIONS:/**"],
    ] {
        let role = server.role(lines);
        let key = server.fusion_key(&[&role.name], None);
        let fusion = server.with_fusion_key(&key.value);
        make(&fusion, &[]).denied();
        make(&fusion, &["admin"]).denied();
        fusion.get(API_KEYS).denied();
        fusion.get(&key.path()).denied();
        fusion.delete(&key.path()).denied();
        let fusionauth = server.with_key(&key.value);
        fusionauth.post(API_KEYS, &json!({"apiKey": {}})).denied();
        fusionauth.get(&key.path()).denied();
        fusionauth.patch(&key.path(), &json!({"apiKey": {"name": unique("x")}})).denied();
        assert_eq!(seen_in_a(server, &key.id)["keyManager"], json!(false), "{lines:?}");
    }
    // Other spellings of everything are everything.
    for lines in
        [&["GET,POST,PUT,DELETE,PATCH,HEAD:/**/**"][..], &["GET,HEAD,PUT:/**", "POST,DELETE,PATCH:/**"]]
    {
        let key = server.fusion_key(&[&server.role(lines).name], None);
        assert_eq!(seen_in_a(server, &key.id)["keyManager"], json!(true), "{lines:?}");
        assert_eq!(seen_in_a(server, &key.id).get("permissions"), None);
        server.with_fusion_key(&key.value).get(&key.path()).ok();
    }
}

fn a_key_manages_itself(server: &Server) {
    let key = server.fusion_key(&["admin"], None);
    let own = server.with_fusion_key(&key.value);
    assert_eq!(own.get(&key.path()).ok()["id"], json!(key.id));
    own.delete(&key.path()).done();
    own.get(API_KEYS).denied();
}

fn managers_of_a_tenant(server: &Server) {
    let [own, other] = [server.tenant(), server.tenant()];
    let [manager] = server.command_line_api_keys([("manager", true, Permissions::All, Some(&own))]);
    let by_role = server.fusion_key(&["admin"], Some(&own));
    let foreign = [
        server.fusion_key(&["search"], Some(&other)).id,
        server.fusion_key(&[], None).id,
        server.unrestricted().id,
    ];
    for value in [&manager.value, &by_role.value] {
        let client = server.with_fusion_key(value);
        let mut there = listed(&client);
        let mut expected = [manager.id.clone(), by_role.id.clone()];
        there.sort_unstable();
        expected.sort_unstable();
        assert_eq!(there, expected);
        let made = FusionKey::of(&make(&client, &["search"]).ok());
        assert_eq!(seen_in_a(server, &made.id)["tenantId"], json!(own));
        // An admin of the tenant makes others of it, who reach no further.
        let admin = FusionKey::of(&make(&client, &["admin"]).ok());
        let document = seen_in_a(server, &admin.id);
        assert_eq!((&document["tenantId"], &document["keyManager"]), (&json!(own), &json!(true)));
        assert_eq!(powers(server, &admin.value), powers(server, &by_role.value));
        assert!(!powers(server, &admin.value).contains("GET /api/key None"));
        for reach in [&client, &server.with_fusion_key(&admin.value)] {
            for id in &foreign {
                assert!(!listed(reach).contains(id));
                refused(&reach.get(&path(id)), 404, "not-found");
                refused(&reach.delete(&path(id)), 404, "not-found");
            }
            make(&reach.in_tenant(&other), &[]).denied();
            reach.in_tenant(&other).get(API_KEYS).denied();
            make(&reach.in_tenant(&own), &[]).ok();
            reach.post("/api/roles", &json!({"name": unique("x")})).denied();
        }
        let there = listed(&client);
        for id in there.iter().filter(|id| **id != manager.id && **id != by_role.id) {
            client.delete(&path(id)).done();
        }
        // In FusionAuth's dialect it is the same.
        let fusionauth = server.with_key(value);
        fusionauth.get(&path(&foreign[0])).refused(&["apiKeyId [couldNotConvert]apiKeyId"]);
        fusionauth.get(&path(&foreign[2])).not_found();
        let elsewhere = json!({"apiKey": {"tenantId": other}});
        fusionauth.post(API_KEYS, &elsewhere).refused(&["apiKey.tenantId [invalid]apiKey.tenantId"]);
    }
    for id in &foreign {
        seen_in_a(server, id);
    }
}

fn restricted_managers(server: &Server) {
    let tenant = server.tenant();
    let only = || Permissions::Only("GET:/api/key\nGET:/api/tenant\nGET:/v1/orders".parse().unwrap());
    let [global, confined] = server
        .command_line_api_keys([("global", true, only(), None), ("confined", true, only(), Some(&tenant))]);
    let reader = server.role(&["GET:/key"]);
    let nothing = server.role(&["GET:/key/{id}:id=#ID"]);
    for manager in [&global, &confined] {
        let client = server.with_fusion_key(&manager.value);
        // Endpoints and patterns do not cover each other: what roles allow is nobody's who has a list.
        for roles in [&["admin"][..], &["search"], &[&reader.name], &[&nothing.name, "search"]] {
            make(&client, roles).denied();
        }
        for roles in [vec![], vec![nothing.name.as_str()]] {
            powerless(server, &FusionKey::of(&make(&client, &roles).ok()).value);
        }
        let in_tenant = (manager.id == confined.id).then_some(tenant.as_str());
        let uncovered = [server.fusion_key(&["search"], in_tenant), server.fusion_key(&["admin"], in_tenant)];
        let covered = server.fusion_key(&[], in_tenant);
        let list = listed(&client);
        for key in &uncovered {
            assert!(!list.contains(&key.id));
            client.get(&key.path()).denied();
            client.delete(&key.path()).denied();
            server.with_key(&manager.value).get(&key.path()).denied();
            server.with_key(&manager.value).delete(&key.path()).denied();
        }
        assert!(list.contains(&covered.id) && list.contains(&manager.id));
        client.get(&covered.path()).ok();
        client.delete(&covered.path()).done();
        // Keys of the other dialect within its list are within reach too.
        let members = json!({"tenantId": in_tenant, "permissions": {"endpoints": {"/api/key": ["GET"]}}});
        let key = server.api_key(members);
        assert_eq!(client.get(&key.path()).ok()["roles"], json!([]));
        client.delete(&key.path()).done();
        let wider = server.api_key(json!({"tenantId": in_tenant}));
        client.get(&wider.path()).denied();
        client.delete(&wider.path()).denied();
    }
}

fn admin_keys_can_be_forbidden(server: &Server) {
    let server = server.sibling(Settings { fusion_admin_keys: false, ..Settings::default() });
    let admin = server.as_fusion_admin();
    let tenant = server.tenant();
    let everything = server.role(&["GET,POST,PUT,DELETE,PATCH,HEAD:/**/**"]);
    let [half, other] = [server.role(&["GET,HEAD,PATCH:/**"]), server.role(&["POST,PUT,DELETE:/**"])];
    for roles in [&["admin"][..], &["search", "admin"], &[&everything.name], &[&half.name, &other.name]] {
        refused(&make(&admin, roles), 400, "admin-key-not-allowed");
        refused(&make(&admin.in_tenant(&tenant), roles), 400, "admin-key-not-allowed");
    }
    assert_eq!(listed(&admin).len(), 1);
    // Nor does a key become one through its roles.
    let key = server.fusion_key(&[&half.name], None);
    let before = powers(&server, &key.value);
    for wider in [&["GET,POST,PUT,DELETE,PATCH,HEAD:/**"][..], &["GET,HEAD,PATCH:/**", "POST,PUT,DELETE:/**"]]
    {
        let body = json!({"name": half.name, "permissions": wider});
        refused(&admin.put(&half.path(), &body), 400, "admin-key-not-allowed");
        assert_eq!(powers(&server, &key.value), before);
    }
    let both = server.role(&[]);
    let key = server.fusion_key(&[&half.name, &both.name], Some(&tenant));
    let rest = json!({"name": both.name, "permissions": ["POST,PUT,DELETE:/**"]});
    refused(&admin.put(&both.path(), &rest), 400, "admin-key-not-allowed");
    assert_eq!(seen_in_a(&server, &key.id)["keyManager"], json!(false));
    // Anything less may be.
    let less = json!({"name": both.name, "permissions": ["POST,PUT:/**"]});
    admin.put(&both.path(), &less).ok();
    let unused = server.role(&[]);
    let body = json!({"name": unused.name, "permissions": ["GET,POST,PUT,DELETE,PATCH,HEAD:/**"]});
    admin.put(&unused.path(), &body).ok();
    make(&admin, &["search", "developer"]).ok();
}

fn a_tenant_that_is_deleted_takes_its_keys_along(server: &Server) {
    let tenant = server.tenant();
    let key = server.fusion_key(&["admin"], Some(&tenant));
    server.as_key_manager().delete(&format!("/api/tenant/{tenant}")).done();
    server.with_fusion_key(&key.value).get(API_KEYS).denied();
    let admin = server.as_fusion_admin();
    refused(&admin.get(&key.path()), 404, "not-found");
    refused(&make(&admin.in_tenant(&tenant), &[]), 400, "invalid-tenant");
    // Its id is free again, for another key.
    admin.post(API_KEYS, &json!({"name": "x", "id": key.id})).ok();
    server.with_fusion_key(&key.value).get(API_KEYS).denied();
}
