//! Permissions of types: made, changed and deleted on paths of their own.

use serde_json::{Value, json};

use super::{
    create, create_permission, create_type, entity_type, grant_body, grant_path, granted, id, one,
    permission_body, permission_path, type_path, type_with,
};
use crate::support::fixture::names;
use crate::support::{Server, unique, uuid};

on_each_database! {
    shared: a_permission_is_answered_as_it_is_stored, an_id_can_be_chosen_once, put_replaces_all_but_the_name,
        patch_merges, names_are_unique_within_a_type, a_permission_belongs_to_its_type, a_name_deletes_too,
        a_deleted_permission_leaves_every_grant, wrong_members_are_reported_together, keys_of_tenants_are_refused;
}

fn permission(reply: &crate::support::Reply) -> Value {
    one(reply, "permission")
}

fn a_permission_is_answered_as_it_is_stored(server: &Server) {
    let manager = server.as_key_manager();
    let of = create_type(server, json!({}));
    // The Go client sends an empty type along.
    let mut whole =
        permission_body(json!({"name": " read:all\t", "description": " For readers ", "isDefault": true,
        "data": {"b": 1, "a": 2}, "id": uuid()}));
    whole["entityType"] = json!({"jwtConfiguration": {"enabled": false}});
    let made = permission(&manager.post(&permission_path(&of), &whole));
    assert_eq!(
        names(&made),
        ["data", "description", "id", "insertInstant", "isDefault", "lastUpdateInstant", "name"]
    );
    assert_eq!(made["name"], "read:all");
    assert_eq!((&made["description"], &made["isDefault"]), (&json!("For readers"), &json!(true)));
    let bare = create_permission(server, &of, json!({"name": "a", "description": ""}));
    assert_eq!(names(&bare), ["id", "insertInstant", "isDefault", "lastUpdateInstant", "name"]);
    assert_eq!(bare["isDefault"], false);
    // They are read with their type, sorted by name.
    let read = entity_type(&manager.get(&type_path(id(&of))));
    assert_eq!(read["permissions"], json!([bare, made]));
    let other = manager.get(&permission_path(&of));
    assert_eq!((other.status, other.header("allow")), (405, Some("DELETE, POST")));
}

fn an_id_can_be_chosen_once(server: &Server) {
    let manager = server.as_key_manager();
    let of = create_type(server, json!({}));
    let path = format!("{}/{}", permission_path(&of), uuid());
    let made = permission(&manager.post(&path, &permission_body(json!({"name": "one"}))));
    assert!(path.ends_with(id(&made)));
    let again = manager.post(&path, &permission_body(json!({"name": "two"})));
    again.refused(&["permissionId [duplicate]permissionId"]);
    manager.post(&path, &permission_body(json!({}))).refused(&["permission.name [blank]permission.name"]);
}

fn put_replaces_all_but_the_name(server: &Server) {
    let manager = server.as_key_manager();
    let of = create_type(server, json!({}));
    let made = create_permission(
        server,
        &of,
        json!({"name": "n", "description": "d", "isDefault": true, "data": {"a": 1}}),
    );
    let path = format!("{}/{}", permission_path(&of), id(&made));
    let changed = permission(&manager.put(&path, &permission_body(json!({"name": " n "}))));
    assert_eq!(names(&changed), ["id", "insertInstant", "isDefault", "lastUpdateInstant", "name"]);
    assert_eq!((&changed["name"], &changed["isDefault"]), (&json!("n"), &json!(false)));
    // It need not be repeated, and cannot be another one.
    assert_eq!(permission(&manager.put(&path, &permission_body(json!({}))))["name"], "n");
    let code = ["permission.name [notAllowed]permission.name"];
    manager.put(&path, &permission_body(json!({"name": "N"}))).refused(&code);
    manager.patch(&path, &permission_body(json!({"name": "m"}))).refused(&code);
}

fn patch_merges(server: &Server) {
    let manager = server.as_key_manager();
    let of = create_type(server, json!({}));
    let made = create_permission(server, &of, json!({"name": "n", "description": "d", "data": {"a": [1]}}));
    let path = format!("{}/{}", permission_path(&of), id(&made));
    let patch = |members: Value| permission(&manager.patch(&path, &permission_body(members)));
    let changed = patch(json!({"isDefault": true, "data": {"a": [2]}}));
    assert_eq!((&changed["description"], &changed["data"]), (&json!("d"), &json!({"a": [1, 2]})));
    let changed = patch(json!({"description": null}));
    assert!(changed.get("description").is_none() && changed["isDefault"] == true);
}

fn names_are_unique_within_a_type(server: &Server) {
    let manager = server.as_key_manager();
    let [one, two] = [type_with(server, &["same"]), type_with(server, &["same"])];
    assert_ne!(one["id"], two["id"]);
    let again = manager.post(&permission_path(&one), &permission_body(json!({"name": "same "})));
    again.refused(&["permission.name [duplicate]permission.name"]);
    create_permission(server, &one, json!({"name": "Same"}));
}

fn a_permission_belongs_to_its_type(server: &Server) {
    let manager = server.as_key_manager();
    let [of, other] = [create_type(server, json!({})), create_type(server, json!({}))];
    let made = create_permission(server, &of, json!({"name": "n"}));
    let nowhere = [
        format!("{}/{}", permission_path(&other), id(&made)),
        format!("{}/{}", permission_path(&of), uuid()),
        format!("/api/entity/type/{}/permission/{}", uuid(), id(&made)),
    ];
    for path in nowhere {
        manager.put(&path, &permission_body(json!({"name": "n"}))).not_found();
        manager.patch(&path, &permission_body(json!({"isDefault": true}))).not_found();
        manager.delete(&path).not_found();
    }
    let unknown = format!("/api/entity/type/{}/permission", uuid());
    manager.post(&unknown, &permission_body(json!({"name": "n"}))).not_found();
    let malformed = "/api/entity/type/x/permission/y";
    let codes = ["entityTypeId [couldNotConvert]entityTypeId", "permissionId [couldNotConvert]permissionId"];
    manager.delete(malformed).refused(&codes);
    manager.post(malformed, &permission_body(json!({"name": "n"}))).refused(&codes);
    manager.delete(&format!("{}/{}", permission_path(&of), id(&made))).done();
}

fn a_name_deletes_too(server: &Server) {
    let manager = server.as_key_manager();
    let of = type_with(server, &["read:all", "write"]);
    let path = permission_path(&of);
    manager.delete(&path).refused(&["name [missing]name"]);
    manager.delete(&format!("{path}?name=")).refused(&["name [missing]name"]);
    manager.delete(&format!("{path}?name=read")).not_found();
    manager.delete(&format!("{path}?name=read%3Aall")).done();
    manager.delete(&format!("{path}?name=read%3Aall")).not_found();
    let left = entity_type(&manager.get(&type_path(id(&of))));
    assert_eq!(left["permissions"].as_array().unwrap().len(), 1);
}

fn a_deleted_permission_leaves_every_grant(server: &Server) {
    let manager = server.as_key_manager();
    let of = type_with(server, &["read", "write"]);
    let client = manager.in_tenant(&server.tenant());
    let [on, to] = [(); 2].map(|()| create(&client, &of, json!({})));
    client.post(&grant_path(&on), &grant_body(&to, json!(["read", "write"]))).done();
    manager.delete(&format!("{}?name=write", permission_path(&of))).done();
    assert_eq!(granted(&client, &on, &to)["permissions"], json!(["read"]));
    // One of the same name is another one.
    create_permission(server, &of, json!({"name": "write"}));
    assert_eq!(granted(&client, &on, &to)["permissions"], json!(["read"]));
}

fn wrong_members_are_reported_together(server: &Server) {
    let of = create_type(server, json!({}));
    let path = permission_path(&of);
    let manager = server.as_key_manager();
    manager.post(&path, &json!({"entityType": {}})).refused(&["permission [missing]permission"]);
    let wrong = json!({"name": "a\u{7}b", "description": 1, "isDefault": "no", "data": 1, "default": true});
    manager.post(&path, &permission_body(wrong)).refused(&[
        "[invalidJSON]",
        "permission.data [invalidJSON]",
        "permission.description [invalidJSON]",
        "permission.isDefault [invalidJSON]",
        "permission.name [invalid]permission.name",
    ]);
}

/// Types are those of every tenant: a key of one would change what others may do.
fn keys_of_tenants_are_refused(server: &Server) {
    let tenant = server.tenant();
    let of = type_with(server, &["read"]);
    let read = entity_type(&server.as_key_manager().get(&type_path(id(&of))));
    let one = format!("{}/{}", permission_path(&of), id(&read["permissions"][0]));
    let all = json!({"/api/entity/type/permission": ["POST", "PUT", "PATCH", "DELETE"]});
    let granted = server.api_key(json!({"tenantId": tenant, "permissions": {"endpoints": all}}));
    let name = || permission_body(json!({"name": unique("n")}));
    for key in [&granted, &server.api_key(json!({"tenantId": tenant}))] {
        for client in [server.with_key(&key.value), server.with_key(&key.value).in_tenant(&tenant)] {
            client.post(&permission_path(&of), &name()).denied();
            client.put(&one, &permission_body(json!({}))).denied();
            client.patch(&one, &permission_body(json!({"isDefault": true}))).denied();
            client.delete(&one).denied();
            client.delete(&format!("{}?name=read", permission_path(&of))).denied();
            // Whether there is such a type, or anything wrong with the body, is not for them to know.
            client.post("/api/entity/type/x/permission", &json!({})).denied();
        }
    }
    assert_eq!(entity_type(&server.as_key_manager().get(&type_path(id(&of)))), read);
    // A global key may narrow itself to a tenant.
    server.as_key_manager().in_tenant(&tenant).post(&permission_path(&of), &name()).ok();
}
