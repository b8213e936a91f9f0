//! One key seen from both sides: made in one dialect; read, changed, copied and deleted in the other.

use serde_json::{Value, json};

use super::{API_KEYS, listed, path, powerless, powers, refused, seen_in_a, seen_in_f};
use crate::support::fixture::{FusionKey, TestKey, names};
use crate::support::server::{BOOTSTRAP, START};
use crate::support::{Server, unique, uuid};

on_each_database! {
    shared: made_by_fusionauths_client, made_by_fusions_client, sent_back_as_read, the_description_follows_the_name,
        read_only_attributes, copies_of_keys_with_roles, names_repeat_in_one_dialect_only, keys_with_the_role_admin,
        values_are_not_retrievable, much_can_be_sent_back;
    own: expiry_and_switch_are_seen_from_both_sides;
}

fn body(members: &Value) -> Value {
    json!({"apiKey": members})
}

fn made_by_fusionauths_client(server: &Server) {
    let (admin, manager) = (server.as_fusion_admin(), server.as_key_manager());
    let name = unique("reader");
    for (members, expected) in [
        (json!({"name": name, "metaData": {"attributes": {"description": "other"}}}), Some(name.as_str())),
        (json!({"metaData": {"attributes": {"description": "reader"}}}), Some("reader")),
        (json!({"metaData": {"attributes": {"description": ""}}}), None),
        (json!({"permissions": {"endpoints": {"/api/user": ["GET"]}}}), None),
        (json!({}), None),
    ] {
        let key = server.api_key(members);
        let expected = json!({"name": expected.unwrap_or(&key.id), "id": key.id, "roles": [], "createdAt": "2027-01-15T08:00:00Z"});
        assert_eq!(seen_in_f(server, &key.id), expected);
        assert_eq!(admin.get(&path(&key.id.to_uppercase())).ok(), expected);
        assert!(admin.get(API_KEYS).ok().as_array().unwrap().contains(&expected));
        // A change there is seen here.
        let renamed = unique("renamed");
        manager.patch(&key.path(), &body(&json!({"name": renamed}))).ok();
        assert_eq!(seen_in_f(server, &key.id)["name"], json!(renamed));
        admin.delete(&key.path()).done();
        manager.get(&key.path()).not_found();
        server.with_key(&key.value).get("/api/tenant").denied();
    }
    // Whoever manages without restriction, and without a tenant, reads as an admin.
    let list = admin.get(API_KEYS).ok();
    let admins = list.as_array().unwrap().iter().filter(|key| key["name"] != "fusion key");
    assert!(admins.filter(|key| key["roles"] == json!(["admin"])).count() > 0);
}

fn made_by_fusions_client(server: &Server) {
    let (admin, manager) = (server.as_fusion_admin(), server.as_key_manager());
    let (name, id) = (unique("kiosk"), unique("kiosk id"));
    let made = admin.post(API_KEYS, &json!({"name": name, "id": id, "roles": ["search", "rules"]})).ok();
    let key = FusionKey::of(&made);
    let document = seen_in_a(server, &id);
    let uuid = document["id"].as_str().unwrap();
    let expected = json!({"id": uuid, "insertInstant": START, "keyManager": false, "lastUpdateInstant": START,
        "metaData": {"attributes": {"description": name, "fusion.id": id, "fusion.roles": "search,rules"}},
        "name": name, "permissions": {"endpoints": {"/api/key": []}}, "retrievable": false});
    assert_eq!(document, expected);
    // By the UUID it is the same key, in both dialects.
    assert_eq!(seen_in_a(server, uuid), expected);
    assert_eq!(seen_in_f(server, uuid), seen_in_f(server, &id));
    let change = body(&json!({"name": name, "expirationInstant": START + 60_000}));
    assert_eq!(
        manager.patch(&path(uuid), &change).ok()["apiKey"]["expirationInstant"],
        json!(START + 60_000)
    );
    assert_eq!(seen_in_a(server, &id)["expirationInstant"], json!(START + 60_000));
    manager.delete(&path(if id.len() % 2 == 0 { &id } else { uuid })).done();
    refused(&admin.get(&path(&id)), 404, "not-found");
    server.with_key(&key.value).get("/api/key").denied();
    assert!(!listed(&admin).contains(&id));
    // Roles that open whole endpoints are shown as those; patterns that open a part of one are not.
    let role = server.role(&[
        "GET,PUT:/key/**",
        "GET:/tenant/*",
        "DELETE:/api/user/**",
        "POST:/jwt/**/vend/**",
        "HEAD:/lambda/**",
    ]);
    let partial = server.fusion_key(&[&role.name], None);
    assert_eq!(
        seen_in_a(server, &partial.id)["permissions"],
        json!({"endpoints": {"/api/jwt/vend": ["POST"], "/api/key": ["GET", "PUT"], "/api/key/generate": ["GET", "PUT"],
            "/api/key/import": ["GET", "PUT"], "/api/key/search": ["GET", "PUT"]}})
    );
}

fn sent_back_as_read(server: &Server) {
    let manager = server.as_key_manager();
    let role = server.role(&["GET:/key/**", "POST:/jwt/**/vend/**"]);
    for roles in [vec![], vec!["search"], vec![role.name.as_str()], vec!["search", &role.name], vec!["admin"]]
    {
        let key = server.fusion_key(&roles, None);
        let before = powers(server, &key.value);
        let read = seen_in_a(server, &key.id);
        for method in ["PUT", "PATCH"] {
            let answer = manager.send(method, &key.path(), Some(&body(&read))).ok();
            assert_eq!(answer["apiKey"], read, "{method} {roles:?}");
        }
        // What a client does not know of it leaves out.
        let mut known = read.clone();
        for member in ["id", "insertInstant", "lastUpdateInstant", "retrievable", "metaData"] {
            known.as_object_mut().unwrap().remove(member);
        }
        assert_eq!(manager.put(&key.path(), &body(&known)).ok()["apiKey"], read);
        known["keyManager"] = json!(false);
        assert_eq!(manager.put(&key.path(), &body(&known)).ok()["apiKey"], read);
        assert_eq!(powers(server, &key.value), before, "{roles:?}");
        assert_eq!(seen_in_f(server, &key.id)["roles"], json!(roles));
    }
}

fn the_description_follows_the_name(server: &Server) {
    let manager = server.as_key_manager();
    let key = server.fusion_key(&["search"], None);
    let description = || seen_in_a(server, &key.id)["metaData"]["attributes"]["description"].clone();
    assert_eq!(description(), json!(key.name));
    let second = unique("second name");
    manager.patch(&key.path(), &body(&json!({"name": second}))).ok();
    assert_eq!(description(), json!(second));
    let mut read = seen_in_a(server, &key.id);
    let third = unique("third name");
    read["name"] = json!(third);
    manager.put(&key.path(), &body(&read)).ok();
    assert_eq!(description(), json!(third));
    // One that was given stays.
    let given = json!({"metaData": {"attributes": {"description": "given"}}});
    manager.patch(&key.path(), &body(&given)).ok();
    manager.patch(&key.path(), &body(&json!({"name": unique("fourth name")}))).ok();
    assert_eq!(description(), json!("given"));
    // In the other dialect the name is the name.
    assert!(seen_in_f(server, &key.id)["name"].as_str().unwrap().starts_with("fourth name"));
}

fn read_only_attributes(server: &Server) {
    let manager = server.as_key_manager();
    let forged = json!({"fusion.id": "forged", "fusion.roles": "admin", "own": "kept"});
    let key = server.api_key(json!({"name": unique("forger"), "metaData": {"attributes": forged},
        "permissions": {"endpoints": {"/api/user": ["GET"]}}}));
    let own = json!({"attributes": {"own": "kept"}});
    assert_eq!(seen_in_a(server, &key.id)["metaData"], own);
    manager.patch(&key.path(), &body(&json!({"metaData": {"attributes": forged}}))).ok();
    assert_eq!(seen_in_a(server, &key.id)["metaData"], own);
    let copy = json!({"sourceKeyId": key.id});
    let copy = TestKey::of(&manager.post(API_KEYS, &copy).ok());
    assert_eq!(seen_in_a(server, &copy.id)["metaData"], own);
    powerless(server, &key.value);
    manager.get(&path("forged")).refused(&["apiKeyId [couldNotConvert]apiKeyId"]);
    // Nor do they change where they are shown.
    let key = server.fusion_key(&["search"], None);
    let read = seen_in_a(server, &key.id);
    for method in ["PUT", "PATCH"] {
        let mut changed = read.clone();
        changed["metaData"]["attributes"]["fusion.id"] = json!("forged");
        changed["metaData"]["attributes"]["fusion.roles"] = json!("admin");
        assert_eq!(manager.send(method, &key.path(), Some(&body(&changed))).ok()["apiKey"], read);
    }
    let removed = json!({"metaData": {"attributes": {"fusion.id": null, "fusion.roles": null}}});
    assert_eq!(manager.patch(&key.path(), &body(&removed)).ok()["apiKey"], read);
    assert_eq!(seen_in_f(server, &key.id)["roles"], json!(["search"]));
}

fn copies_of_keys_with_roles(server: &Server) {
    let manager = server.as_key_manager();
    let tenant = server.tenant();
    let role = server.role(&["GET:/tenant/**"]);
    let source = server.fusion_key(&[&role.name, "search"], Some(&tenant));
    let source_id = seen_in_a(server, &source.id)["id"].clone();
    manager.post(API_KEYS, &json!({"sourceKeyId": source_id})).refused(&["apiKey.name [blank]apiKey.name"]);
    let taken = json!({"sourceKeyId": source_id, "apiKey": {"name": source.name}});
    manager.post(API_KEYS, &taken).refused(&["apiKey.name [duplicate]apiKey.name"]);
    let made =
        manager.post(API_KEYS, &json!({"sourceKeyId": source_id, "apiKey": {"name": unique("copy")}})).ok();
    let copy = TestKey::of(&made);
    // It has the roles and the tenant, and no id of Fusion's of its own.
    assert_eq!(made["apiKey"]["tenantId"], json!(tenant));
    assert_eq!(made["apiKey"]["retrievable"], json!(false));
    assert_eq!(names(&made["apiKey"]["metaData"]["attributes"]), ["description", "fusion.roles"]);
    assert_eq!(seen_in_f(server, &copy.id)["roles"], json!([role.name, "search"]));
    assert_eq!(powers(server, &copy.value), powers(server, &source.value));
    // Both follow their role.
    let narrower = json!({"name": role.name, "permissions": []});
    server.as_fusion_admin().put(&role.path(), &narrower).ok();
    powerless(server, &copy.value);
    // Who manages cannot be copied, whatever it manages by; and an id of Fusion's names no source.
    let admin = server.fusion_key(&["admin"], None);
    let confined = server.fusion_key(&["admin"], Some(&tenant));
    for id in [&admin.id, &confined.id] {
        let copy = json!({"sourceKeyId": seen_in_a(server, id)["id"], "apiKey": {"name": unique("copy")}});
        manager.post(API_KEYS, &copy).refused(&["sourceKeyId [invalid]sourceKeyId"]);
    }
    let copy = json!({"sourceKeyId": source.id, "apiKey": {"name": unique("copy")}});
    assert_eq!(manager.post(API_KEYS, &copy).status, 400);
}

fn names_repeat_in_one_dialect_only(server: &Server) {
    let (admin, manager) = (server.as_fusion_admin(), server.as_key_manager());
    let (name, other) = (unique("twin"), unique("other"));
    let duplicate = ["apiKey.name [duplicate]apiKey.name"];
    let make = |name: &str| FusionKey::of(&admin.post(API_KEYS, &json!({"name": name})).ok());
    let [first, second, alone] = [make(&name), make(&name), make(&other)];
    for taken in [&name, &other] {
        manager.post(API_KEYS, &body(&json!({"name": taken}))).refused(&duplicate);
    }
    // A name that is not changed may be sent, though another key has it.
    manager.put(&first.path(), &body(&seen_in_a(server, &first.id))).ok();
    manager.patch(&second.path(), &body(&json!({"name": name}))).ok();
    manager.patch(&alone.path(), &body(&json!({"name": name}))).refused(&duplicate);
    // Once renamed, it is one that was given in FusionAuth's dialect: the old name comes back only if it is free.
    let renamed = unique("renamed");
    manager.patch(&first.path(), &body(&json!({"name": renamed}))).ok();
    manager.patch(&first.path(), &body(&json!({"name": name}))).refused(&duplicate);
    admin.delete(&second.path()).done();
    manager.patch(&first.path(), &body(&json!({"name": name}))).ok();
    // Fusion's clients do not mind names that FusionAuth's have given.
    let own = server.api_key(json!({"name": unique("given in FusionAuth's")}));
    let given = seen_in_a(server, &own.id);
    make(given["name"].as_str().unwrap());
    manager.put(&own.path(), &body(&given)).ok();
    assert_eq!(make(&renamed).name, renamed);
}

fn keys_with_the_role_admin(server: &Server) {
    let manager = server.as_key_manager();
    let tenant = server.tenant();
    for tenant in [None, Some(tenant.as_str())] {
        for roles in [vec!["admin"], vec!["search", "admin"]] {
            let key = server.fusion_key(&roles, tenant);
            let document = seen_in_a(server, &key.id);
            assert_eq!(document["keyManager"], json!(true));
            assert_eq!(document.get("permissions"), None);
            assert_eq!(document["metaData"]["attributes"]["fusion.roles"], json!(roles.join(",")));
            let restricted = json!({"permissions": {"endpoints": {"/api/key": ["GET"]}}});
            manager
                .patch(&key.path(), &body(&restricted))
                .refused(&["apiKey.permissions.endpoints [notAllowed]apiKey.permissions.endpoints"]);
            assert_eq!(seen_in_a(server, &key.id), document);
        }
    }
    assert!(powers(server, BOOTSTRAP) == powers(server, &server.fusion_key(&["admin"], None).value));
}

fn values_are_not_retrievable(server: &Server) {
    let key = server.fusion_key(&["search"], None);
    let manager = server.as_key_manager();
    for members in
        [json!({"retrievable": true}), json!({"key": key.value}), json!({"retrievable": true, "key": "x"})]
    {
        let answer = manager.patch(&key.path(), &body(&members)).ok();
        assert_eq!(answer["apiKey"]["retrievable"], json!(false));
        assert_eq!(answer["apiKey"].get("key"), None);
    }
    assert_eq!(seen_in_a(server, &key.id).get("key"), None);
    // It needs its name for ever.
    let nameless = body(&json!({"permissions": {"endpoints": {"/api/key": []}}}));
    manager.put(&key.path(), &nameless).refused(&["apiKey.name [blank]apiKey.name"]);
    // Addresses would be kept as with any other key, once there are lists.
    let list = body(&json!({"ipAccessControlListId": uuid()}));
    manager
        .patch(&key.path(), &list)
        .refused(&["apiKey.ipAccessControlListId [invalid]apiKey.ipAccessControlListId"]);
}

fn much_can_be_sent_back(server: &Server) {
    let (admin, manager) = (server.as_fusion_admin(), server.as_key_manager());
    let many: Vec<String> = (0..16).map(|_| format!("{}{}", unique("long"), "x".repeat(180))).collect();
    for name in &many {
        assert_eq!(admin.post("/api/roles", &json!({"name": name})).status, 201);
    }
    let many: Vec<_> = many.iter().map(String::as_str).collect();
    let key = server.fusion_key(&many, None);
    let mut read = seen_in_a(server, &key.id);
    assert_eq!(read["metaData"]["attributes"]["fusion.roles"], json!(many.join(",")));
    manager.put(&key.path(), &body(&read)).ok();
    // As many attributes as there can be, beside those that are only shown.
    for number in 0..64 {
        read["metaData"]["attributes"][format!("own {number}")] = json!("x");
    }
    let answer = manager.put(&key.path(), &body(&read)).ok();
    assert_eq!(answer["apiKey"], read);
    assert_eq!(manager.put(&key.path(), &body(&read)).ok()["apiKey"], read);
    manager.patch(&key.path(), &body(&json!({"name": unique("renamed")}))).ok();
    read["metaData"]["attributes"]["one more"] = json!("x");
    manager
        .put(&key.path(), &body(&read))
        .refused(&["apiKey.metaData.attributes [invalid]apiKey.metaData.attributes"]);
}

fn expiry_and_switch_are_seen_from_both_sides(server: &Server) {
    let (admin, manager) = (server.as_fusion_admin(), server.as_key_manager());
    let role = server.role(&["GET:/key/**"]);
    let key = server.fusion_key(&[&role.name], None);
    let works = |expected: bool| {
        let status = if expected { 200 } else { 401 };
        assert_eq!(server.with_fusion_key(&key.value).get("/api/key").status, status);
        // It is said where it is so, and left out otherwise.
        let disabled = (!expected).then(|| json!(true));
        assert_eq!(seen_in_f(server, &key.id).get("disabled").cloned(), disabled);
        let list = admin.get(API_KEYS).ok();
        let listed = list.as_array().unwrap().iter().find(|listed| listed["id"] == json!(key.id)).unwrap();
        assert_eq!(listed.get("disabled").cloned(), disabled);
    };
    let patch = |members: Value| drop(manager.patch(&key.path(), &body(&members)).ok());
    works(true);
    patch(json!({"expirationInstant": START + 1_000}));
    works(true);
    server.set_now(START + 999);
    works(true);
    // The clock alone does it.
    server.set_now(START + 1_000);
    works(false);
    assert_eq!(seen_in_a(server, &key.id).get("disabled"), None);
    patch(json!({"expirationInstant": null}));
    works(true);
    patch(json!({"disabled": true}));
    works(false);
    assert_eq!(seen_in_a(server, &key.id)["disabled"], json!(true));
    patch(json!({"disabled": false}));
    works(true);
    assert_eq!(seen_in_a(server, &key.id).get("disabled"), None);
    // It can be made disabled, and enabled there.
    let made = json!({"name": "made disabled", "roles": [role.name], "disabled": true});
    let made = admin.post(API_KEYS, &made).ok();
    assert_eq!(names(&made), ["name", "id", "key", "roles", "createdAt", "disabled"]);
    let made = FusionKey::of(&made);
    server.with_key(&made.value).get("/api/key").denied();
    manager.patch(&made.path(), &body(&json!({"disabled": false}))).ok();
    server.with_key(&made.value).get("/api/key").ok();
}
