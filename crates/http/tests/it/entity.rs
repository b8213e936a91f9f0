//! `/api/entity`: types of entities with their permissions, entities, and what they are granted on each other.

mod authority;
mod clients;
mod deletion;
mod entities;
mod grants;
mod permissions;
mod rotation;
mod search;
mod tenants;
mod types;

use serde_json::{Value, json};

use crate::support::{Client, Reply, Server, unique};

const TYPES: &str = "/api/entity/type";

fn type_path(id: &str) -> String {
    format!("{TYPES}/{id}")
}

fn permission_path(entity_type: &Value) -> String {
    format!("{TYPES}/{}/permission", id(entity_type))
}

fn entity_path(id: &str) -> String {
    format!("/api/entity/{id}")
}

fn grant_path(entity: &Value) -> String {
    format!("/api/entity/{}/grant", id(entity))
}

/// The id of an object.
fn id(object: &Value) -> &str {
    object["id"].as_str().unwrap()
}

/// The one member of an answer.
#[track_caller]
fn one(reply: &Reply, member: &str) -> Value {
    let mut document = reply.ok();
    assert_eq!(document.as_object().unwrap().len(), 1, "{document}");
    document[member].take()
}

fn entity_type(reply: &Reply) -> Value {
    one(reply, "entityType")
}

fn entity(reply: &Reply) -> Value {
    one(reply, "entity")
}

fn type_body(members: Value) -> Value {
    json!({"entityType": members})
}

fn permission_body(members: Value) -> Value {
    json!({"permission": members})
}

fn body(members: Value) -> Value {
    json!({"entity": members})
}

/// These members, and those of `more`.
fn with(mut members: Value, more: &Value) -> Value {
    for (name, value) in more.as_object().unwrap() {
        members[name] = value.clone();
    }
    members
}

/// Makes a type with these members, and a name if none is given.
#[track_caller]
fn create_type(server: &Server, members: Value) -> Value {
    let whole = with(json!({"name": unique("type")}), &members);
    entity_type(&server.as_key_manager().post(TYPES, &type_body(whole)))
}

/// Makes a permission of a type.
#[track_caller]
fn create_permission(server: &Server, entity_type: &Value, members: Value) -> Value {
    let reply = server.as_key_manager().post(&permission_path(entity_type), &permission_body(members));
    one(&reply, "permission")
}

/// A type with permissions of these names, which no grant has by default.
#[track_caller]
fn type_with(server: &Server, names: &[&str]) -> Value {
    let entity_type = create_type(server, json!({}));
    for name in names {
        create_permission(server, &entity_type, json!({"name": name}));
    }
    entity_type
}

/// Makes an entity with these members, and a name if none is given.
#[track_caller]
fn create(client: &Client, entity_type: &Value, members: Value) -> Value {
    let whole = with(json!({"name": unique("entity"), "type": {"id": entity_type["id"]}}), &members);
    entity(&client.post("/api/entity", &body(whole)))
}

fn grant_body(recipient: &Value, permissions: Value) -> Value {
    json!({"grant": {"recipientEntityId": recipient["id"], "permissions": permissions}})
}

/// The grant on an entity to another one.
#[track_caller]
fn granted(client: &Client, on: &Value, to: &Value) -> Value {
    one(&client.get(&format!("{}?recipientEntityId={}", grant_path(on), id(to))), "grant")
}
