//! Grants: one for a pair of entities, written as a whole.

use serde_json::{Value, json};

use super::{
    create, create_permission, create_type, entity, entity_path, grant_body, grant_path, granted, id,
    type_with,
};
use crate::support::fixture::names;
use crate::support::server::START;
use crate::support::{Client, Server, uuid};

on_each_database! {
    shared: a_grant_is_answered_as_it_is_stored, a_second_grant_replaces_the_first, defaults_are_granted_where_none_are_named,
        permissions_must_be_those_of_the_type, recipients_are_entities_of_the_tenant, users_are_not_known,
        all_grants_on_an_entity, grants_are_deleted_one_by_one, wrong_members_are_reported_together,
        secrets_are_not_shown;
    own: instants_tell_when;
}

/// A client in a tenant of its own, and two entities of a type with the permissions `read`, `a:b` and `write`.
fn at_home(server: &Server) -> (Client, Value, Value) {
    let of = type_with(server, &["read", "a:b", "write"]);
    let client = server.as_key_manager().in_tenant(&server.tenant());
    let [on, to] = [(); 2].map(|()| create(&client, &of, json!({})));
    (client, on, to)
}

fn a_grant_is_answered_as_it_is_stored(server: &Server) {
    let (client, on, to) = at_home(server);
    // The Go client sends the entity along.
    let mut whole = grant_body(&to, json!(["write", "a:b", " write "]));
    whole["grant"]["entity"] = json!({"type": {"jwtConfiguration": {"enabled": false}}});
    whole["grant"]["data"] = json!({"b": 1, "a": null});
    client.post(&grant_path(&on), &whole).done();
    let grant = granted(&client, &on, &to);
    assert_eq!(
        names(&grant),
        ["data", "entity", "id", "insertInstant", "lastUpdateInstant", "permissions", "recipientEntityId"]
    );
    assert_eq!(grant["permissions"], json!(["a:b", "write"]));
    assert_eq!((&grant["data"], &grant["recipientEntityId"]), (&json!({"a": null, "b": 1}), &to["id"]));
    let mut shown = entity(&client.get(&entity_path(id(&on))));
    shown.as_object_mut().unwrap().remove("clientSecret");
    assert_eq!(grant["entity"], shown);
    // As the Go client asks.
    let path = format!("{}?recipientEntityId={}&userId=", grant_path(&on), id(&to));
    assert_eq!(client.get(&path).ok()["grant"], grant);
    // It goes one way.
    client.get(&format!("{}?recipientEntityId={}", grant_path(&to), id(&on))).not_found();
}

fn a_second_grant_replaces_the_first(server: &Server) {
    let (client, on, to) = at_home(server);
    client.post(&grant_path(&on), &grant_body(&to, json!(["read", "write"]))).done();
    let first = granted(&client, &on, &to);
    for (method, permissions) in [("POST", json!(["a:b"])), ("PUT", json!(["write"]))] {
        let mut whole = grant_body(&to, permissions.clone());
        whole["grant"]["id"] = json!(uuid());
        client.send(method, &grant_path(&on), Some(&whole)).done();
        let grant = granted(&client, &on, &to);
        assert_eq!((&grant["id"], &grant["permissions"]), (&first["id"], &permissions));
    }
    // An entity can be granted something on itself.
    client.put(&grant_path(&on), &grant_body(&on, json!(["read"]))).done();
    assert_eq!(granted(&client, &on, &on)["permissions"], json!(["read"]));
}

fn defaults_are_granted_where_none_are_named(server: &Server) {
    let of = type_with(server, &["read"]);
    for name in ["z", "b"] {
        create_permission(server, &of, json!({"name": name, "isDefault": true}));
    }
    let bare = create_type(server, json!({}));
    let client = server.as_key_manager().in_tenant(&server.tenant());
    let [on, to] = [&of, &bare].map(|of| create(&client, of, json!({})));
    for permissions in [json!(null), json!([])] {
        client.post(&grant_path(&on), &grant_body(&to, permissions)).done();
        assert_eq!(granted(&client, &on, &to)["permissions"], json!(["b", "z"]));
        client.post(&grant_path(&on), &grant_body(&to, json!(["read"]))).done();
        assert_eq!(granted(&client, &on, &to)["permissions"], json!(["read"]));
    }
    // A type without permissions has none to grant, and there is a grant all the same.
    client.post(&grant_path(&to), &grant_body(&on, json!([]))).done();
    assert_eq!(granted(&client, &to, &on)["permissions"], json!([]));
}

fn permissions_must_be_those_of_the_type(server: &Server) {
    let (client, on, to) = at_home(server);
    let other = type_with(server, &["other"]);
    let elsewhere = create(&client, &other, json!({}));
    let code = ["grant.permissions [invalid]grant.permissions"];
    for wrong in [json!(["nothing"]), json!(["read", "other"]), json!(["Read"]), json!([""]), json!([1])] {
        client.post(&grant_path(&on), &grant_body(&to, wrong)).refused(&code);
    }
    // Those of the entity count, not those of the recipient.
    client.post(&grant_path(&elsewhere), &grant_body(&to, json!(["read"]))).refused(&code);
    client.post(&grant_path(&elsewhere), &grant_body(&to, json!(["other"]))).done();
    client.get(&format!("{}?recipientEntityId={}", grant_path(&on), id(&to))).not_found();
}

fn recipients_are_entities_of_the_tenant(server: &Server) {
    let (client, on, _) = at_home(server);
    let (_, _, foreign) = at_home(server);
    let code = ["grant.recipientEntityId [invalid]grant.recipientEntityId"];
    for recipient in [&foreign, &json!({"id": uuid()})] {
        for caller in [&client, &server.as_key_manager()] {
            caller.post(&grant_path(&on), &grant_body(recipient, json!(["read"]))).refused(&code);
        }
    }
    let missing = ["grant.recipientEntityId [missing]grant.recipientEntityId"];
    for wrong in [json!({}), json!({"recipientEntityId": "", "userId": ""}), json!({"permissions": ["read"]})]
    {
        client.post(&grant_path(&on), &json!({"grant": wrong})).refused(&missing);
    }
    let both = json!({"grant": {"recipientEntityId": on["id"], "userId": uuid()}});
    client.post(&grant_path(&on), &both).refused(&missing);
}

fn users_are_not_known(server: &Server) {
    let (client, on, to) = at_home(server);
    let user = json!({"grant": {"userId": uuid(), "permissions": ["read"]}});
    client.post(&grant_path(&on), &user).refused(&["grant.userId [invalid]grant.userId"]);
    client.post(&grant_path(&on), &grant_body(&to, json!(["read"]))).done();
    let of_user = format!("{}?userId={}", grant_path(&on), uuid());
    client.get(&of_user).not_found();
    client.delete(&of_user).not_found();
    assert_eq!(client.get(&grant_path(&on)).ok()["grants"].as_array().unwrap().len(), 1);
}

fn all_grants_on_an_entity(server: &Server) {
    let (client, on, to) = at_home(server);
    assert_eq!(client.get(&grant_path(&on)).ok(), json!({"grants": []}));
    client.post(&grant_path(&on), &grant_body(&to, json!(["read"]))).done();
    client.post(&grant_path(&on), &grant_body(&on, json!(["write"]))).done();
    client.post(&grant_path(&to), &grant_body(&on, json!(["write"]))).done();
    let mut expected = [granted(&client, &on, &to), granted(&client, &on, &on)];
    expected.sort_by(|a, b| a["recipientEntityId"].as_str().cmp(&b["recipientEntityId"].as_str()));
    assert_eq!(client.get(&grant_path(&on)).ok(), json!({"grants": expected}));
    client.get(&format!("/api/entity/{}/grant", uuid())).not_found();
    client.get("/api/entity/x/grant").refused(&["entityId [couldNotConvert]entityId"]);
    let malformed = format!("{}?recipientEntityId=x", grant_path(&on));
    client.get(&malformed).refused(&["recipientEntityId [couldNotConvert]recipientEntityId"]);
}

fn grants_are_deleted_one_by_one(server: &Server) {
    let (client, on, to) = at_home(server);
    client.post(&grant_path(&on), &grant_body(&to, json!(["read"]))).done();
    client.post(&grant_path(&to), &grant_body(&on, json!(["read"]))).done();
    client.delete(&grant_path(&on)).refused(&["recipientEntityId [missing]recipientEntityId"]);
    let path = format!("{}?recipientEntityId={}&userId=", grant_path(&on), id(&to));
    // Terraform names no tenant here: the id says which.
    server.as_key_manager().delete(&path).done();
    client.delete(&path).not_found();
    assert_eq!(granted(&client, &to, &on)["permissions"], json!(["read"]));
    client.delete(&format!("/api/entity/{}/grant?recipientEntityId={}", uuid(), id(&to))).not_found();
}

fn wrong_members_are_reported_together(server: &Server) {
    let (client, on, _) = at_home(server);
    let path = grant_path(&on);
    client.post(&path, &json!({})).refused(&["grant [missing]grant"]);
    let wrong = json!({"recipientEntityId": 1, "permissions": "read", "data": 1, "role": "x"});
    client.post(&path, &json!({"grant": wrong, "entity": {}})).refused(&[
        "[invalidJSON]",
        "[invalidJSON]",
        "grant.data [invalidJSON]",
        "grant.permissions [invalidJSON]",
        "grant.recipientEntityId [invalidJSON]",
    ]);
    client.post(&format!("/api/entity/{}/grant", uuid()), &grant_body(&on, json!([]))).not_found();
}

/// Who reads grants, or searches, need not be the one who may read secrets.
fn secrets_are_not_shown(server: &Server) {
    let (client, on, to) = at_home(server);
    client.post(&grant_path(&on), &grant_body(&to, json!(["read"]))).done();
    for path in [
        grant_path(&on),
        format!("{}?recipientEntityId={}", grant_path(&on), id(&to)),
        format!("/api/entity/grant/search?entityId={}", id(&on)),
        format!("/api/entity/search?ids={}", id(&on)),
    ] {
        let reply = client.get(&path);
        assert!(reply.ok().to_string().contains(id(&on)), "{path}");
        assert!(!reply.text().contains("clientSecret"), "{path}");
    }
}

fn instants_tell_when(server: &Server) {
    let (client, on, to) = at_home(server);
    client.post(&grant_path(&on), &grant_body(&to, json!(["read"]))).done();
    server.set_now(START + 1);
    client.post(&grant_path(&on), &grant_body(&to, json!(["read"]))).done();
    let grant = granted(&client, &on, &to);
    assert_eq!((&grant["insertInstant"], &grant["lastUpdateInstant"]), (&json!(START), &json!(START + 1)));
}
