//! No path leads from a key with few rights, or none, to one with more: clients that read, modify and write back, and the
//! spellings of "no permissions" that mean everything elsewhere.

use serde_json::{Value, json};

use super::{API_KEYS, powers, seen_in_a};
use crate::support::fixture::{FusionKey, TestKey};
use crate::support::{Client, Server, unique};

on_each_database! {
    own: keys_without_roles, keys_with_roles_of_other_services, keys_that_read, keys_that_change_roles,
        keys_of_a_tenant;
}

const BY_ROLE: [&str; 1] = ["apiKey.permissions.endpoints [notAllowed]apiKey.permissions.endpoints"];

fn keys_without_roles(server: &Server) {
    assert_eq!(play(server, &[], None), 0);
}

fn keys_with_roles_of_other_services(server: &Server) {
    assert_eq!(play(server, &["GET:/query/**", "PATCH:/users/{id}:id=#ID", "GET:/key/{id}:id=7"], None), 0);
    assert_eq!(play(server, &["GET,POST,PUT,DELETE,PATCH:/api-key/**", "GET:/*/*/*/*/*"], None), 0);
}

fn keys_that_read(server: &Server) {
    assert!(play(server, &["GET:/key/**", "GET,HEAD:/tenant/**", "POST:/jwt/vend"], None) > 4);
    assert!(play(server, &["HEAD:/**"], None) > 4);
    // Everything but one method is not everything.
    assert!(play(server, &["GET,POST,PUT,PATCH,HEAD:/**"], None) > 20);
}

fn keys_that_change_roles(server: &Server) {
    assert_eq!(play(server, &["GET,POST,PUT,DELETE:/roles/**"], None), 5);
}

fn keys_of_a_tenant(server: &Server) {
    let tenant = server.tenant();
    assert_eq!(play(server, &[], Some(&tenant)), 0);
    assert!(play(server, &["GET,PUT:/**"], Some(&tenant)) > 2);
}

/// Members in which "no permissions" can be said.
fn nothing_said() -> [Value; 8] {
    [
        json!({}),
        json!({"permissions": null}),
        json!({"permissions": {}}),
        json!({"permissions": {"endpoints": null}}),
        json!({"permissions": {"endpoints": {}}}),
        json!({"permissions": {"endpoints": {"/api/key": null}}}),
        json!({"permissions": {"endpoints": {"/api/key": ["GET", "POST", "PUT", "PATCH", "DELETE"]}}}),
        json!({"keyManager": true}),
    ]
}

fn merged(base: &Value, members: &Value) -> Value {
    let mut merged = base.clone();
    for (name, value) in members.as_object().unwrap() {
        merged[name] = value.clone();
    }
    json!({"apiKey": merged})
}

/// Plays every client that could mean well or ill against a key of these permissions, and returns how many rights it had.
fn play(server: &Server, permissions: &[&str], tenant: Option<&str>) -> usize {
    let role = server.role(permissions);
    let roles: &[&str] = if permissions.is_empty() { &[] } else { &[&role.name] };
    let key = server.fusion_key(roles, tenant);
    let before = powers(server, &key.value);
    let manager = server.as_key_manager();
    let clients =
        [manager.clone(), tenant.map_or_else(|| manager.clone(), |tenant| manager.in_tenant(tenant))];
    let unchanged = |what: &str| assert_eq!(powers(server, &key.value), before, "{what}");
    for client in &clients {
        changes(server, client, &key, &unchanged);
        copies(server, client, &key, &before);
    }
    // The last step takes the key away.
    let read = seen_in_a(server, &key.id);
    let mut made_again = Vec::new();
    manager.delete(&key.path()).done();
    server.with_key(&key.value).get("/api/tenant").denied();
    for members in
        [json!({}), json!({"metaData": {"attributes": {"fusion.roles": "admin", "fusion.id": "x"}}})]
    {
        let mut again = merged(&read, &members);
        again["apiKey"]["name"] = json!(unique("made again"));
        made_again.push(TestKey::of(&manager.post(API_KEYS, &again).ok()).value);
    }
    let roles = seen_roles(&read);
    let again = json!({"name": unique("made again"), "roles": roles, "permissions": null, "apikey": {}});
    let fusion =
        tenant.map_or_else(|| server.as_fusion_admin(), |tenant| server.as_fusion_admin().in_tenant(tenant));
    made_again.push(FusionKey::of(&fusion.post(API_KEYS, &again).ok()).value);
    for value in made_again {
        let after = powers(server, &value);
        let more: Vec<_> = after.difference(&before).collect();
        // An endpoint permission for GET is one for HEAD as well, and that tells less: `powers` knows of it.
        assert!(more.is_empty(), "made again: {more:?}");
    }
    before.len()
}

fn seen_roles(read: &Value) -> Vec<&str> {
    let roles = read["metaData"]["attributes"]["fusion.roles"].as_str().unwrap();
    roles.split(',').filter(|role| !role.is_empty()).collect()
}

/// What was read with another name, and with every way to say nothing.
fn changes(server: &Server, client: &Client, key: &FusionKey, unchanged: &dyn Fn(&str)) {
    let read = seen_in_a(server, &key.id);
    let renamed = json!({"name": unique("renamed")});
    client.put(&key.path(), &merged(&read, &renamed)).ok();
    unchanged("PUT with another name");
    let read = seen_in_a(server, &key.id);
    let mut without = read.clone();
    without.as_object_mut().unwrap().remove("permissions");
    for members in nothing_said() {
        for (what, base) in [("as read", &read), ("without permissions", &without)] {
            let sent = merged(base, &members);
            let reply = client.put(&key.path(), &sent);
            // A list of methods that is null is an empty one.
            let text = |value: Option<&Value>| value.map(|value| value.to_string().replace("null", "[]"));
            let same = text(sent["apiKey"].get("permissions")) == text(read.get("permissions"))
                && members.get("keyManager").is_none();
            match same {
                true => drop(reply.ok()),
                false => assert_eq!(reply.status, 400, "{sent}"),
            }
            unchanged(&format!("PUT {what}, {members}"));
        }
        let reply = client.patch(&key.path(), &json!({"apiKey": members}));
        assert!(matches!(reply.status, 200 | 400), "{members}");
        unchanged(&format!("PATCH {members}"));
    }
    // The members that are left out on purpose are refused with words of their own.
    client.put(&key.path(), &json!({"apiKey": {"name": read["name"]}})).refused(&BY_ROLE);
    client.patch(&key.path(), &json!({"apiKey": {"permissions": null}})).refused(&BY_ROLE);
    let forged = json!({"apiKey": {"metaData": {"attributes": {"fusion.roles": "admin"}}}});
    client.patch(&key.path(), &forged).ok();
    unchanged("PATCH of fusion.roles");
    for method in ["PUT", "PATCH", "POST"] {
        let fusion = server.as_fusion_admin();
        assert_eq!(fusion.send(method, &key.path(), Some(&json!({"roles": ["admin"]}))).status, 405);
    }
    unchanged("Fusion's dialect changes no key");
    assert_eq!(
        seen_in_a(server, &key.id)["metaData"]["attributes"]["fusion.roles"],
        read["metaData"]["attributes"]["fusion.roles"]
    );
}

/// Copies, bare and with members that a copy would ignore.
fn copies(server: &Server, client: &Client, key: &FusionKey, before: &std::collections::BTreeSet<String>) {
    let source = seen_in_a(server, &key.id)["id"].clone();
    for members in nothing_said() {
        let named = merged(&members, &json!({"name": unique("copy")}));
        let reply = client.post(API_KEYS, &json!({"sourceKeyId": source, "apiKey": named["apiKey"]}));
        if reply.status == 400 {
            continue;
        }
        let copy = TestKey::of(&reply.ok());
        assert_eq!(&powers(server, &copy.value), before, "copy with {members}");
        // The copy is no easier to widen than its source.
        let widened = json!({"apiKey": {"permissions": null}});
        client.patch(&copy.path(), &widened).refused(&BY_ROLE);
        client.delete(&copy.path()).done();
    }
}
