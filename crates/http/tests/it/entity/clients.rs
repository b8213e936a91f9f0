//! The bodies that Terraform's provider sends, twice: what is read back equals what was written.

use serde_json::{Value, json};

use super::{entity, entity_path, entity_type, id, one, type_path};
use crate::support::{Server, unique, uuid};

on_each_database! { shared: terraform_sees_no_difference; }

/// The members of an object that the provider reads back.
fn picked(object: &Value, members: &[&str]) -> Value {
    members.iter().map(|name| ((*name).to_owned(), object[*name].clone())).collect()
}

fn terraform_sees_no_difference(server: &Server) {
    let manager = server.as_key_manager();
    let key = server.signing_key();
    let tenant = server.tenant();
    let home = manager.in_tenant(&tenant);

    // The empty permission beside the type, and the other way round, are what the Go client sends.
    let jwt = json!({"accessTokenKeyId": key, "enabled": true, "timeToLiveInSeconds": 3600});
    let type_of = |name: &str, data: Value, jwt: &Value| json!({"entityType": {"name": name, "data": data, "jwtConfiguration": jwt}, "permission": {"isDefault": false}});
    let name = unique("terraform");
    let sent = type_of(&name, json!({"owner": "a"}), &jwt);
    let made = entity_type(&manager.post(&type_path(&uuid()), &sent));
    let read_type = |id: &str| {
        let read = entity_type(&manager.get(&type_path(id)));
        picked(&read, &["name", "data", "jwtConfiguration"])
    };
    for _ in 0..2 {
        assert_eq!(read_type(id(&made)), sent["entityType"]);
        manager.put(&type_path(id(&made)), &sent).ok();
    }
    // A configuration that is taken out leaves nothing behind.
    let bare = json!({"entityType": {"name": name, "jwtConfiguration": {"enabled": false}}, "permission": {"isDefault": false}});
    for _ in 0..2 {
        manager.put(&type_path(id(&made)), &bare).ok();
        assert_eq!(
            read_type(id(&made)),
            json!({"name": name, "data": null, "jwtConfiguration": {"enabled": false}})
        );
    }

    let path = format!("{}/permission", type_path(id(&made)));
    let sent = json!({"permission": {"data": {"a": "b"}, "description": "Reads", "isDefault": true, "name": "read"},
        "entityType": {"jwtConfiguration": {"enabled": false}}});
    let permission = one(&manager.post(&path, &sent), "permission");
    for _ in 0..2 {
        // The provider looks for it in the type.
        let read = entity_type(&manager.get(&type_path(id(&made))));
        let found = picked(&read["permissions"][0], &["data", "description", "isDefault", "name"]);
        assert_eq!(found, sent["permission"]);
        manager.put(&format!("{path}/{}", id(&permission)), &sent).ok();
    }

    let sent = json!({"entity": {"clientId": uuid(), "clientSecret": unique("a secret from the configuration"),
        "data": {"serial": "7"}, "name": unique("pump"), "tenantId": tenant,
        "type": {"id": id(&made), "jwtConfiguration": {"enabled": false}}}});
    let pump = entity(&home.post(&entity_path(&uuid()), &sent));
    for _ in 0..2 {
        let read = entity(&home.get(&entity_path(id(&pump))));
        let mut expected = picked(&sent["entity"], &["clientId", "clientSecret", "data", "name", "tenantId"]);
        assert_eq!(picked(&read, &["clientId", "clientSecret", "data", "name", "tenantId"]), expected);
        assert_eq!(read["type"]["id"], made["id"]);
        expected = entity(&home.put(&entity_path(id(&pump)), &sent));
        assert_eq!(expected["clientSecret"], sent["entity"]["clientSecret"]);
    }
    // What the configuration leaves out is read back as it was made.
    let bare = json!({"entity": {"name": unique("bare"), "tenantId": tenant,
        "type": {"id": id(&made), "jwtConfiguration": {"enabled": false}}}});
    let computed = entity(&home.post("/api/entity", &bare));
    let again = entity(&home.put(&entity_path(id(&computed)), &bare));
    for member in ["clientId", "clientSecret", "id", "tenantId"] {
        assert_eq!(again[member], computed[member], "{member}");
    }

    let path = format!("{}/grant", entity_path(id(&pump)));
    let sent = json!({"grant": {"data": {"why": "test"}, "permissions": ["read"], "recipientEntityId": id(&computed),
        "entity": {"type": {"jwtConfiguration": {"enabled": false}}}}});
    let query = format!("{path}?recipientEntityId={}&userId=", id(&computed));
    let mut ids = Vec::new();
    for _ in 0..2 {
        home.post(&path, &sent).done();
        let read = one(&home.get(&query), "grant");
        let mut expected = sent["grant"].clone();
        expected.as_object_mut().unwrap().remove("entity");
        assert_eq!(picked(&read, &["data", "permissions", "recipientEntityId"]), expected);
        assert_eq!((&read["entity"]["id"], &read["entity"]["tenantId"]), (&pump["id"], &json!(tenant)));
        ids.push(read["id"].clone());
    }
    assert_eq!(ids[0], ids[1]);

    // Everything goes again; what is gone is 404.
    manager.delete(&query).done();
    manager.delete(&query).not_found();
    for made in [&pump, &computed] {
        home.delete(&entity_path(id(made))).done();
        home.delete(&entity_path(id(made))).not_found();
    }
    manager.delete(&type_path(id(&made))).done();
    manager.delete(&type_path(id(&made))).not_found();
}
