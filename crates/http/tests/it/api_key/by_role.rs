//! Keys with roles, as FusionAuth's clients see and change them.

use serde_json::{Map, Value, json};

use super::body;
use crate::support::server::BOOTSTRAP;
use crate::support::{Client, Server, unique};

on_each_database! {
    shared: the_longest_roles_do_not_stand_in_the_way_of_changes, what_shows_roles_does_not_count_as_attributes,
        a_description_that_shows_the_name_follows_it;
}

fn in_fusions_dialect(server: &Server) -> Client {
    server.anonymous().with_header("x-api-key", BOOTSTRAP)
}

/// Makes a key with these roles and returns its path.
#[track_caller]
fn with_roles(server: &Server, name: &str, roles: &[String]) -> String {
    let made = in_fusions_dialect(server).post("/api/api-key", &json!({"name": name, "roles": roles})).ok();
    format!("/api/api-key/{}", made["id"].as_str().unwrap())
}

#[track_caller]
fn read(server: &Server, path: &str) -> Value {
    server.as_key_manager().get(path).ok()["apiKey"].take()
}

/// The attribute that shows them is not one of those that can be given.
fn the_longest_roles_do_not_stand_in_the_way_of_changes(server: &Server) {
    let roles: Vec<String> = (0..16).map(|_| format!("{:x<191}", unique("role"))).collect();
    for name in &roles {
        let made = in_fusions_dialect(server).post("/api/roles", &json!({"name": name}));
        assert_eq!(made.status, 201, "{}", made.text());
    }
    let key = with_roles(server, &unique("many roles"), &roles);
    let seen = read(server, &key);
    assert_eq!(seen["metaData"]["attributes"]["fusion.roles"], json!(roles.join(",")));
    let manager = server.as_key_manager();
    let disabled = manager.patch(&key, &body(json!({"disabled": true}))).ok();
    assert_eq!(disabled["apiKey"]["disabled"], json!(true));
    let replaced = manager.put(&key, &body(seen.clone())).ok();
    assert_eq!(replaced["apiKey"]["metaData"], seen["metaData"]);
}

fn what_shows_roles_does_not_count_as_attributes(server: &Server) {
    let key = with_roles(server, &unique("attributes"), &["search".to_owned()]);
    let manager = server.as_key_manager();
    let most: Map<_, _> = (0..64).map(|number| (format!("a{number}"), json!("x"))).collect();
    let mut seen = read(server, &key);
    seen["metaData"]["attributes"] = Value::Object(most);
    manager.put(&key, &body(seen)).ok();
    let seen = read(server, &key);
    assert_eq!(seen["metaData"]["attributes"].as_object().unwrap().len(), 67);
    manager.patch(&key, &body(json!({"disabled": true}))).ok();
    manager.put(&key, &body(seen)).ok();
    let one_more = body(json!({"metaData": {"attributes": {"more": "x"}}}));
    manager
        .patch(&key, &one_more)
        .refused(&["apiKey.metaData.attributes [invalid]apiKey.metaData.attributes"]);
}

fn a_description_that_shows_the_name_follows_it(server: &Server) {
    let manager = server.as_key_manager();
    let key = with_roles(server, &unique("before"), &["search".to_owned()]);
    manager.patch(&key, &body(json!({"disabled": true}))).ok();
    let after = unique("after");
    manager.patch(&key, &body(json!({"name": after, "disabled": false}))).ok();
    // PATCH repeats what it was shown; read and sent back in one, only what was changed is new.
    let seen = read(server, &key);
    assert_eq!(
        (&seen["name"], &seen["metaData"]["attributes"]["description"]),
        (&json!(after), &json!(after))
    );
    let own = body(json!({"metaData": {"attributes": {"description": "own"}}}));
    manager.patch(&key, &own).ok();
    manager.patch(&key, &body(json!({"name": unique("again")}))).ok();
    assert_eq!(read(server, &key)["metaData"]["attributes"]["description"], json!("own"));
}
