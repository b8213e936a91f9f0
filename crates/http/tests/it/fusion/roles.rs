//! `/api/roles`: create, list, read, replace, delete; the grammar of permissions; what is protected.

use serde_json::{Value, json};

use super::refused;
use crate::support::fixture::{TestRole, names};
use crate::support::server::START;
use crate::support::{Reply, Server, unique, uuid};

on_each_database! {
    shared: a_role_goes_through_its_life, permissions_have_two_spellings, permissions_that_cannot_be_saved,
        other_members, lists_can_be_filtered, names_are_unique, admin_is_protected, roles_in_use, unknown_roles;
    own: a_new_instance_has_roles, instants_are_whole_seconds;
}

const ROLES: &str = "/api/roles";

fn post(server: &Server, body: &Value) -> Reply {
    server.as_fusion_admin().post(ROLES, body)
}

#[track_caller]
fn created(reply: &Reply) -> Value {
    assert_eq!(reply.status, 201, "{}", reply.text());
    reply.json()
}

fn role_of(document: &Value) -> TestRole {
    let text = |name: &str| document[name].as_str().unwrap().to_owned();
    TestRole { id: text("id"), name: text("name") }
}

fn role_names(list: &Value) -> Vec<&str> {
    list.as_array().unwrap().iter().map(|role| role["name"].as_str().unwrap()).collect()
}

fn a_role_goes_through_its_life(server: &Server) {
    let name = unique("life");
    let document = created(&post(server, &json!({"name": name})));
    assert_eq!(names(&document), ["id", "name", "createdAt", "permissions", "uiPermissions"]);
    let role = role_of(&document);
    let expected = json!({"id": role.id, "name": name, "createdAt": "2027-01-15T08:00:00Z", "permissions": [],
        "uiPermissions": []});
    assert_eq!(document, expected);
    let admin = server.as_fusion_admin();
    assert_eq!(admin.get(&role.path()).ok(), expected);
    assert!(admin.get(ROLES).ok().as_array().unwrap().contains(&expected));
    let full = json!({"name": name, "desc": "for people", "uiPermissions": ["fields", "dashboards"],
        "permissions": [{"methods": ["GET"], "path": "/collections/{id}", "params": {"id": ["b", "a", "b"]}}]});
    let changed = admin.put(&role.path(), &full).ok();
    assert_eq!(
        names(&changed),
        ["id", "name", "desc", "createdAt", "updatedAt", "permissions", "uiPermissions"]
    );
    assert_eq!(changed["updatedAt"], "2027-01-15T08:00:00Z");
    assert_eq!(
        changed["permissions"],
        json!([{"methods": ["GET"], "path": "/collections/{id}", "params": {"id": ["b", "a"]}}])
    );
    assert_eq!(changed["uiPermissions"], json!(["fields", "dashboards"]));
    assert_eq!(admin.get(&role.path()).ok(), changed);
    // A PUT replaces: what it leaves out is gone.
    let renamed = unique("life");
    let bare = admin.put(&role.path(), &json!({"name": renamed})).ok();
    assert_eq!(names(&bare), ["id", "name", "createdAt", "updatedAt", "permissions", "uiPermissions"]);
    assert_eq!((&bare["name"], &bare["id"]), (&json!(renamed), &json!(role.id)));
    server.while_role_is_listed(&role.id);
    admin.delete(&role.path()).done();
    refused(&admin.delete(&role.path()), 404, "not-found");
    refused(&admin.get(&role.path()), 404, "not-found");
}

impl Server {
    /// Asserts that a role is in the list, in either case of its id.
    #[track_caller]
    fn while_role_is_listed(&self, id: &str) {
        let list = self.as_fusion_admin().get(ROLES).ok();
        assert!(list.as_array().unwrap().iter().any(|role| role["id"] == json!(id)));
        self.as_fusion_admin().get(&format!("{ROLES}/{}", id.to_uppercase())).ok();
    }
}

fn permissions_have_two_spellings(server: &Server) {
    let objects = json!([
        {"methods": ["GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS"], "path": "/**"},
        {"methods": ["GET"], "path": "/query-pipelines/{id}/collections/{collection}/*",
            "params": {"collection": ["test"], "id": ["demo", "x"]}},
        {"methods": ["PATCH"], "path": "/users/{id}", "params": {"id": ["#ID"]}},
        {"methods": ["GET"], "path": "/"},
    ]);
    let lines = json!([
        "OPTIONS,HEAD,PATCH,DELETE,PUT,POST,GET,GET:/**",
        "GET:/query-pipelines/{id}/collections/{collection}/*:id=demo,x;collection=test",
        "PATCH:/users/{id}:id=#ID",
        "GET:/",
    ]);
    let mut shown = Vec::new();
    for permissions in [objects, lines] {
        let document =
            created(&post(server, &json!({"name": unique("spelling"), "permissions": permissions})));
        let mut found = document["permissions"].clone();
        // The order of methods means nothing.
        for permission in found.as_array_mut().unwrap() {
            let methods = permission["methods"].as_array_mut().unwrap();
            methods.sort_by_key(ToString::to_string);
        }
        shown.push(found);
    }
    assert_eq!(shown[0], shown[1]);
    assert_eq!(shown[0].as_array().unwrap().len(), 4);
    assert_eq!(names(&shown[0][0]), ["methods", "path"]);
    assert_eq!(shown[0][0]["methods"].as_array().unwrap().len(), 7);
    // What was read can be sent, also for a role that is there.
    let role = server.role(&["GET,PUT:/x/{a}/{b}:a=1;b=2,3", "POST:/y/**"]);
    let read = server.as_fusion_admin().get(&role.path()).ok();
    let sent = server.as_fusion_admin().put(&role.path(), &read).ok();
    assert_eq!(sent["permissions"], read["permissions"]);
}

fn permissions_that_cannot_be_saved(server: &Server) {
    let role = server.role(&["GET:/kept"]);
    let before = server.as_fusion_admin().get(&role.path()).ok();
    let check = |permission: Value, code: &str| {
        let body = json!({"name": role.name, "permissions": ["GET:/fine", permission]});
        refused(&server.as_fusion_admin().put(&role.path(), &body), 400, code);
        let body = json!({"name": unique("refused"), "permissions": [permission]});
        refused(&post(server, &body), 400, code);
    };
    for line in [
        "",
        "GET",
        "GET:",
        "GET:x",
        ":/x",
        "get:/x",
        "FETCH:/x",
        "*:/x",
        "GET,:/x",
        "GET:/x:",
        "GET:/{id}",
        "GET:/{id}:id=",
        "GET:/{id}:other=1",
        "GET:/x:id=1",
        "GET:/{id}:id=1;id=2",
        "GET:/a*",
        "GET:/***",
        "GET:/x//y",
        "GET:/x/../y",
        "GET:/%2e",
        "GET:/x;y",
        "GET:/x?y",
        "GET:/x y",
        "GET /x",
    ] {
        check(json!(line), "invalid-permission");
    }
    for object in [
        json!({}),
        json!({"path": "/x"}),
        json!({"methods": [], "path": "/x"}),
        json!({"methods": null, "path": "/x"}),
        json!({"methods": ["TRACE"], "path": "/x"}),
        json!({"methods": ["GET"]}),
        json!({"methods": ["GET"], "path": "x"}),
        json!({"methods": ["GET"], "path": "/{id}"}),
        json!({"methods": ["GET"], "path": "/{id}", "params": {"id": []}}),
        json!({"methods": ["GET"], "path": "/{id}", "params": {"id": ["a/b"]}}),
        json!({"methods": ["GET"], "path": "/x", "params": {"id": ["a"]}}),
    ] {
        check(object, "invalid-permission");
    }
    for object in [
        json!(1),
        json!(null),
        json!(["GET:/x"]),
        json!({"methods": "GET", "path": "/x"}),
        json!({"methods": [1], "path": "/x"}),
        json!({"methods": ["GET"], "path": ["/x"]}),
        json!({"methods": ["GET"], "path": "/{id}", "params": ["id"]}),
        json!({"methods": ["GET"], "path": "/{id}", "params": {"id": "a"}}),
    ] {
        check(object, "invalid-json");
    }
    assert_eq!(server.as_fusion_admin().get(&role.path()).ok(), before);
}

fn other_members(server: &Server) {
    let id = uuid();
    let sent = json!({"name": unique("other"), "id": id, "createdAt": "2001-01-01T00:00:00Z", "updatedAt": 7,
        "realm": {"x": 1}, "permissions": null, "uiPermissions": null, "desc": null});
    let document = created(&post(server, &sent));
    assert_ne!(document["id"], json!(id));
    assert_eq!(document["createdAt"], "2027-01-15T08:00:00Z");
    assert_eq!(names(&document), ["id", "name", "createdAt", "permissions", "uiPermissions"]);
    for (body, code) in [
        (json!({"permissions": []}), "missing-name"),
        (json!({"name": null}), "missing-name"),
        (json!({"name": " \t"}), "missing-name"),
        (json!({"name": "a,b"}), "invalid-name"),
        (json!({"name": "a\n"}), "invalid-name"),
        (json!({"name": "x".repeat(192)}), "invalid-name"),
        (json!({"name": ["x"]}), "invalid-json"),
        (json!({"name": unique("x"), "desc": 1}), "invalid-json"),
        (json!({"name": unique("x"), "desc": "x".repeat(4097)}), "invalid-request"),
        (json!({"name": unique("x"), "permissions": {}}), "invalid-json"),
        (json!({"name": unique("x"), "permissions": "GET:/x"}), "invalid-json"),
        (json!({"name": unique("x"), "permissions": vec!["GET:/x"; 257]}), "too-many"),
        (json!({"name": unique("x"), "uiPermissions": [1]}), "invalid-json"),
        (json!({"name": unique("x"), "uiPermissions": vec!["x"; 257]}), "too-many"),
    ] {
        refused(&post(server, &body), 400, code);
    }
    created(&post(
        server,
        &json!({"name": unique("x"), "permissions": vec!["GET:/x"; 256], "desc": "x".repeat(4096)}),
    ));
}

fn lists_can_be_filtered(server: &Server) {
    let admin = server.as_fusion_admin();
    let part = unique("filter").replace(' ', "-");
    let wanted = [format!("A {part}"), format!("{part} b"), format!("x {}", part.to_uppercase())];
    for name in &wanted {
        created(&post(server, &json!({"name": name})));
    }
    let find = |query: &str| admin.get(&format!("{ROLES}?{query}")).ok();
    assert_eq!(role_names(&find(&format!("name={part}"))), wanted);
    assert_eq!(role_names(&find(&format!("name={}", part.to_uppercase()))), wanted);
    assert_eq!(role_names(&find(&format!("other=x&name=A%20{part}"))), wanted[..1]);
    assert_eq!(role_names(&find("name=admin")), ["admin"]);
    for none in ["name=%25", "name=_dmin", "name=*", "name=no%20such%20role"] {
        assert_eq!(find(none), json!([]), "{none}");
    }
    for all in ["", "name=", "Name=admin"] {
        assert!(role_names(&find(all)).len() >= 6 + wanted.len(), "{all}");
    }
    refused(&admin.get(&format!("{ROLES}?name=admin&name=admin")), 400, "invalid-request");
    // The order is that of the names.
    let all = find("");
    let mut sorted = role_names(&all);
    sorted.sort_unstable();
    assert_eq!(role_names(&all), sorted);
}

fn names_are_unique(server: &Server) {
    let (first, second) = (server.role(&[]), server.role(&["GET:/x"]));
    refused(&post(server, &json!({"name": first.name})), 409, "already-exists");
    let admin = server.as_fusion_admin();
    refused(&admin.put(&second.path(), &json!({"name": first.name})), 409, "already-exists");
    assert_eq!(admin.get(&second.path()).ok()["name"], json!(second.name));
    admin.put(&second.path(), &json!({"name": second.name})).ok();
    // Case tells names apart, as everywhere.
    let upper = created(&post(server, &json!({"name": first.name.to_uppercase()})));
    refused(&post(server, &json!({"name": format!(" {}", first.name)})), 400, "invalid-name");
    let key = server.fusion_key(&[upper["name"].as_str().unwrap()], None);
    assert_eq!(super::seen_in_f(server, &key.id)["roles"], json!([first.name.to_uppercase()]));
}

fn admin_is_protected(server: &Server) {
    let admin = server.as_fusion_admin();
    let list = admin.get(&format!("{ROLES}?name=admin")).ok();
    let stored = &list[0];
    let own = role_of(stored).path();
    for body in [
        json!({"name": "admin"}),
        json!({"name": "admin", "permissions": ["GET:/x"]}),
        json!({"name": "boss"}),
        stored.clone(),
    ] {
        refused(&admin.put(&own, &body), 400, "protected-role");
    }
    refused(&admin.delete(&own), 400, "protected-role");
    refused(&post(server, &json!({"name": "admin"})), 409, "already-exists");
    let other = server.role(&[]);
    refused(&admin.put(&other.path(), &json!({"name": "admin"})), 409, "already-exists");
    assert_eq!(&admin.get(&own).ok(), stored);
}

fn roles_in_use(server: &Server) {
    let admin = server.as_fusion_admin();
    let role = server.role(&["GET:/x"]);
    let tenant = server.tenant();
    let keys =
        [server.fusion_key(&["search", &role.name], None), server.fusion_key(&[&role.name], Some(&tenant))];
    for key in keys {
        let renamed = json!({"name": unique("renamed"), "permissions": []});
        refused(&admin.put(&role.path(), &renamed), 409, "in-use");
        refused(&admin.delete(&role.path()), 409, "in-use");
        // What it allows can be changed.
        admin.put(&role.path(), &json!({"name": role.name, "desc": "changed"})).ok();
        admin.delete(&key.path()).done();
    }
    let renamed = unique("renamed");
    admin.put(&role.path(), &json!({"name": renamed})).ok();
    refused(&admin.post(super::API_KEYS, &json!({"name": "x", "roles": [role.name]})), 400, "unknown-role");
    server.fusion_key(&[&renamed], None);
    // Keys of a tenant that is deleted let go of their roles.
    let other = server.role(&[]);
    let key = server.fusion_key(&[&other.name], Some(&tenant));
    server.as_key_manager().delete(&format!("/api/tenant/{tenant}")).done();
    refused(&admin.get(&key.path()), 404, "not-found");
    admin.delete(&other.path()).done();
}

fn unknown_roles(server: &Server) {
    let admin = server.as_fusion_admin();
    for id in [uuid(), "not-a-uuid".to_owned(), "admin".to_owned(), "%20".to_owned()] {
        let path = format!("{ROLES}/{id}");
        refused(&admin.get(&path), 404, "not-found");
        refused(&admin.put(&path, &json!({"name": unique("x")})), 404, "not-found");
        refused(&admin.delete(&path), 404, "not-found");
    }
}

fn a_new_instance_has_roles(server: &Server) {
    let expected = ["admin", "developer", "readonly", "rules", "search", "search-template"];
    let list = server.as_fusion_admin().get(ROLES).ok();
    assert_eq!(role_names(&list), expected);
    for role in list.as_array().unwrap() {
        assert_eq!(names(role), ["id", "name", "desc", "createdAt", "permissions", "uiPermissions"]);
        assert!(!role["permissions"].as_array().unwrap().is_empty());
    }
    let mut admin = list[0]["permissions"].clone();
    admin[0]["methods"].as_array_mut().unwrap().sort_by_key(ToString::to_string);
    assert_eq!(admin, json!([{"methods": ["DELETE", "GET", "HEAD", "PATCH", "POST", "PUT"], "path": "/**"}]));
    // Those that somebody deletes or changes stay so, whatever starts.
    let (gone, changed) = (role_of(&list[1]), role_of(&list[2]));
    server.as_fusion_admin().delete(&gone.path()).done();
    server.as_fusion_admin().put(&changed.path(), &json!({"name": "readonly"})).ok();
    server.while_stopped(|_| ());
    let after = server.as_fusion_admin().get(ROLES).ok();
    assert_eq!(
        role_names(&after),
        expected.iter().copied().filter(|name| *name != "developer").collect::<Vec<_>>()
    );
    assert_eq!(server.as_fusion_admin().get(&changed.path()).ok()["permissions"], json!([]));
}

fn instants_are_whole_seconds(server: &Server) {
    server.set_now(START + 86_399_999);
    let role = role_of(&created(&post(server, &json!({"name": "instants"}))));
    server.set_now(START + 86_400_999);
    let document = server.as_fusion_admin().put(&role.path(), &json!({"name": "instants"})).ok();
    assert_eq!(document["createdAt"], "2027-01-16T07:59:59Z");
    assert_eq!(document["updatedAt"], "2027-01-16T08:00:00Z");
}
