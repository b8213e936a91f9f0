//! One entry for every change that was acknowledged, none for those that were refused, and no secret in any.

use claviger_domain::Permissions;
use serde_json::{Value, json};

use super::{all, messages};
use crate::support::fixture::names;
use crate::support::server::{BOOTSTRAP, START};
use crate::support::{Client, Reply, Server, Settings, uuid};

on_each_database! {
    own: every_acknowledged_change_has_one_entry, refused_changes_have_none, entries_say_all_about_a_change,
        entries_outlive_a_restart;
}

/// Text that is in values of keys only.
const SECRET: &str = "s3cr3t-of-the-audit-test";

fn api_key(members: Value) -> Value {
    json!({"apiKey": members})
}

fn list(name: &str) -> Value {
    let entries = json!([{"action": "Allow", "startIPAddress": "*"}]);
    json!({"ipAccessControlList": {"name": name, "entries": entries}})
}

/// Speaks Fusion's dialect.
fn fusion(server: &Server, value: &str) -> Client {
    server.anonymous().with_header("x-api-key", value)
}

fn id_of(reply: &Reply, object: &str) -> String {
    assert!(matches!(reply.status, 200 | 201), "{}", reply.text());
    let document = reply.json();
    let found = if object.is_empty() { &document["id"] } else { &document[object]["id"] };
    found.as_str().unwrap().to_owned()
}

fn every_acknowledged_change_has_one_entry(server: &Server) {
    let manager = server.as_key_manager();
    let other = fusion(server, BOOTSTRAP);
    let mut seen = all(server).len();
    // What the first start did is there: the instance, its default tenant, the keys, the key manager.
    let first = messages(&all(server));
    for what in ["Created the instance ", "Created the tenant ", "Created the key ", "Created the API key "] {
        assert!(first.iter().any(|message| message.starts_with(what)), "{what}: {first:?}");
    }
    // Each step names what it must have written, and nothing else may be there.
    let mut step = |reply: Reply, expected: &[String]| {
        assert!(matches!(reply.status, 200 | 201 | 204), "{}: {expected:?}", reply.text());
        let entries = all(server);
        assert_eq!(messages(&entries[seen..]), expected);
        for entry in &entries[seen..] {
            assert!(!entry.to_string().contains(SECRET), "{entry}");
            let has = |name: &str| names(entry).contains(&name);
            let action = entry["data"]["action"].as_str().unwrap();
            assert_eq!(
                (has("oldValue"), has("newValue")),
                (action != "create", action != "delete"),
                "{entry}"
            );
        }
        seen = entries.len();
    };

    // API keys, as FusionAuth has them.
    let ids: [String; 12] = std::array::from_fn(|_| uuid());
    let [key, copy, list_id, signing, imported, tenant, tenant_key, ..] = &ids;
    let path = |id: &str| format!("/api/api-key/{id}");
    let made = manager.post(&path(key), &api_key(json!({"key": SECRET})));
    step(made, &[format!("Created the API key {key}")]);
    let copied = json!({"sourceKeyId": key, "apiKey": {"name": "copy"}});
    step(manager.post(&path(copy), &copied), &[format!("Created the API key {copy}")]);
    step(manager.put(&path(key), &api_key(json!({"name": "put"}))), &[format!("Updated the API key {key}")]);
    step(
        manager.patch(&path(key), &api_key(json!({"name": "patched"}))),
        &[format!("Updated the API key {key}")],
    );
    step(manager.delete(&path(key)), &[format!("Deleted the API key {key}")]);

    // Lists.
    let path = format!("/api/ip-acl/{list_id}");
    step(manager.post(&path, &list("a")), &[format!("Created the IP access control list {list_id}")]);
    step(manager.put(&path, &list("b")), &[format!("Updated the IP access control list {list_id}")]);
    let patch = json!({"ipAccessControlList": {"name": "c", "data": {"note": SECRET}}});
    step(manager.patch(&path, &patch), &[format!("Updated the IP access control list {list_id}")]);
    step(manager.delete(&path), &[format!("Deleted the IP access control list {list_id}")]);

    // Keys.
    let path = |id: &str| format!("/api/key/{id}");
    let wanted = json!({"key": {"name": "signing", "algorithm": "Ed25519"}});
    step(
        manager.post(&format!("/api/key/generate/{signing}"), &wanted),
        &[format!("Created the key {signing}")],
    );
    let wanted = json!({"key": {"name": "imported", "type": "HMAC", "secret": SECRET}});
    step(
        manager.post(&format!("/api/key/import/{imported}"), &wanted),
        &[format!("Created the key {imported}")],
    );
    step(
        manager.put(&path(signing), &json!({"key": {"name": "renamed"}})),
        &[format!("Updated the key {signing}")],
    );
    step(manager.delete(&path(imported)), &[format!("Deleted the key {imported}")]);

    // Tenants. A deletion is marked first, then takes along what the tenant owns.
    let path = format!("/api/tenant/{tenant}");
    let named = |name: &str| json!({"tenant": {"name": name, "data": {"note": SECRET}}});
    step(manager.post(&path, &named("one")), &[format!("Created the tenant {tenant}")]);
    step(manager.put(&path, &named("two")), &[format!("Updated the tenant {tenant}")]);
    let bound = api_key(json!({"tenantId": tenant}));
    step(
        manager.post(&format!("/api/api-key/{tenant_key}"), &bound),
        &[format!("Created the API key {tenant_key}")],
    );
    step(
        manager.delete(&path),
        &[
            format!("Updated the tenant {tenant}"),
            format!("Deleted the API key {tenant_key}"),
            format!("Deleted the tenant {tenant}"),
        ],
    );

    // Types of entities, permissions, entities and grants.
    let [of, permission, pump, valve, tenant, owned] = std::array::from_fn(|_| uuid());
    let path = format!("/api/entity/type/{of}");
    let typed = |name: &str| json!({"entityType": {"name": name, "data": {"note": SECRET}}});
    step(manager.post(&path, &typed("one")), &[format!("Created the entity type {of}")]);
    step(manager.put(&path, &typed("two")), &[format!("Updated the entity type {of}")]);
    step(manager.patch(&path, &typed("three")), &[format!("Updated the entity type {of}")]);
    let path = format!("{path}/permission/{permission}");
    let permitted = json!({"permission": {"name": "read", "data": {"note": SECRET}}});
    step(manager.post(&path, &permitted), &[format!("Created the entity type permission {permission}")]);
    step(manager.put(&path, &permitted), &[format!("Updated the entity type permission {permission}")]);
    let entity = json!({"entity": {"name": "e", "type": {"id": of}, "clientSecret": SECRET, "data": {"note": SECRET}}});
    for id in [&pump, &valve] {
        let path = format!("/api/entity/{id}");
        step(manager.post(&path, &entity), &[format!("Created the entity {id}")]);
        let other = json!({"entity": {"clientSecret": format!("{SECRET} too")}});
        step(manager.patch(&path, &other), &[format!("Updated the entity {id}")]);
        step(manager.put(&path, &entity), &[format!("Updated the entity {id}")]);
        step(manager.post(&format!("{path}/rotate-secret"), &other), &[format!("Updated the entity {id}")]);
    }
    let grants = format!("/api/entity/{pump}/grant");
    let grant = |to: &str| json!({"grant": {"recipientEntityId": to, "permissions": ["read"], "data": {"note": SECRET}}});
    let written = [manager.post(&grants, &grant(&valve)), manager.put(&grants, &grant(&pump))];
    let ids = [&valve, &pump].map(|to| {
        let grant = manager.get(&format!("{grants}?recipientEntityId={to}")).ok();
        grant["grant"]["id"].as_str().unwrap().to_owned()
    });
    let [first, second] = written;
    step(first, &ids.each_ref().map(|id| format!("Created the entity grant {id}")));
    step(second, &[]);
    let [to_valve, to_pump] = ids;
    step(manager.post(&grants, &grant(&valve)), &[format!("Updated the entity grant {to_valve}")]);
    step(
        manager.delete(&format!("{grants}?recipientEntityId={valve}")),
        &[format!("Deleted the entity grant {to_valve}")],
    );
    step(
        manager.delete(&format!("/api/entity/{pump}")),
        &[format!("Deleted the entity grant {to_pump}"), format!("Deleted the entity {pump}")],
    );
    let path = format!("/api/tenant/{tenant}");
    step(manager.post(&path, &named("three")), &[format!("Created the tenant {tenant}")]);
    let home = manager.in_tenant(&tenant);
    step(home.post(&format!("/api/entity/{owned}"), &entity), &[format!("Created the entity {owned}")]);
    assert_eq!(all(server).pop().unwrap()["tenantId"], json!(tenant));
    step(
        manager.delete(&path),
        &[
            format!("Updated the tenant {tenant}"),
            format!("Deleted the entity {owned}"),
            format!("Deleted the tenant {tenant}"),
        ],
    );
    step(manager.delete(&format!("/api/entity/{valve}")), &[format!("Deleted the entity {valve}")]);
    step(
        manager.delete(&format!("/api/entity/type/{of}")),
        &[
            format!("Deleted the entity type permission {permission}"),
            format!("Deleted the entity type {of}"),
        ],
    );

    // Roles and API keys, as Fusion has them; the ids are only known from the answers.
    let role = json!({"name": "auditors", "permissions": [{"methods": ["GET"], "path": "/collections/**"}]});
    let made = other.post("/api/roles", &role);
    let role_id = id_of(&made, "");
    step(made, &[format!("Created the role {role_id}")]);
    let changed = json!({"name": "auditors", "desc": "changed", "permissions": role["permissions"]});
    step(other.put(&format!("/api/roles/{role_id}"), &changed), &[format!("Updated the role {role_id}")]);
    let made = other.post("/api/api-key", &json!({"name": "kiosk", "id": "kiosk-1", "roles": ["auditors"]}));
    let value = made.json()["key"].as_str().unwrap().to_owned();
    let entry = all(server).pop().unwrap();
    let kiosk = entry["data"]["entityId"].as_str().unwrap().to_owned();
    assert_eq!(entry["newValue"]["fusionId"], "kiosk-1");
    step(made, &[format!("Created the API key {kiosk}")]);
    assert!(all(server).iter().all(|entry| !entry.to_string().contains(&value)));
    step(other.delete("/api/api-key/kiosk-1"), &[format!("Deleted the API key {kiosk}")]);
    step(other.delete(&format!("/api/roles/{role_id}")), &[format!("Deleted the role {role_id}")]);

    // Reading and asking for tokens changes nothing.
    step(manager.get("/api/key"), &[]);
    step(manager.get("/api/tenant"), &[]);
    step(manager.send("PUT", "/api/entity/search", None), &[]);
    step(other.get("/api/roles"), &[]);
    step(manager.post("/api/jwt/vend", &json!({"claims": {"a": 1}, "keyId": signing})), &[]);
}

fn refused_changes_have_none(server: &Server) {
    let manager = server.as_key_manager();
    let restricted = server.with_key(&server.restricted(json!({"/api/tenant": ["GET"]})).value);
    let taken = server.api_key(json!({"name": "taken"}));
    let in_use = server.ip_access_control_list(json!([{"action": "Allow", "startIPAddress": "*"}]));
    server.api_key(json!({"name": "user", "ipAccessControlListId": in_use}));
    let default_tenant = server.default_tenant();
    let before = all(server);
    let name = |name: &str| api_key(json!({"name": name}));
    let replies = [
        // Without the right, or without a key.
        (401, server.anonymous().post("/api/api-key", &name("a"))),
        (401, server.with_key("wrong").delete(&taken.path())),
        (401, restricted.post("/api/tenant", &json!({"tenant": {"name": "t"}}))),
        (401, restricted.post("/api/ip-acl", &list("l"))),
        // What is wrong in itself, or collides, or is in use.
        (400, manager.post("/api/api-key", &name("taken"))),
        (400, manager.post("/api/api-key", &api_key(json!({"permission": {}})))),
        (400, manager.put("/api/key/x", &json!({"key": {"name": "n"}}))),
        (400, manager.post("/api/key/generate", &json!({"key": {"name": "n", "algorithm": "RS1"}}))),
        (400, manager.post("/api/key/import", &json!({"key": {"name": "n", "publicKey": "no"}}))),
        (400, manager.post("/api/ip-acl", &json!({"ipAccessControlList": {"name": "n", "entries": []}}))),
        (400, manager.delete(&format!("/api/ip-acl/{in_use}"))),
        (400, manager.post("/api/tenant", &json!({"tenant": {"name": ""}}))),
        (400, manager.delete(&format!("/api/tenant/{default_tenant}"))),
        (400, manager.post("/api/entity/type", &json!({"entityType": {"name": ""}}))),
        (400, manager.post("/api/entity", &json!({"entity": {"name": "e", "type": {"id": uuid()}}}))),
        // What is not there.
        (404, manager.delete(&format!("/api/api-key/{}", uuid()))),
        (404, manager.put(&format!("/api/tenant/{}", uuid()), &json!({"tenant": {"name": "n"}}))),
        (404, manager.delete(&format!("/api/key/{}", uuid()))),
        (404, manager.delete(&format!("/api/entity/{}", uuid()))),
        (404, manager.delete(&format!("/api/entity/type/{}", uuid()))),
        (404, manager.delete(&format!("/api/entity/{}/grant?recipientEntityId={}", uuid(), uuid()))),
        (404, manager.delete(&format!("/api/ip-acl/{}", uuid()))),
        // Nobody writes into the log itself, or changes it.
        (404, manager.post("/api/system/audit-log", &json!({"auditLog": {"message": "m"}}))),
        (405, manager.delete(&format!("/api/system/audit-log/{}", before[0]["id"]))),
        (405, manager.put("/api/system/audit-log/1", &json!({"auditLog": {"message": "m"}}))),
    ];
    for (expected, reply) in replies {
        assert_eq!(reply.status, expected, "{}", reply.text());
    }
    let other = fusion(server, BOOTSTRAP);
    for reply in [
        other.post("/api/api-key", &json!({"name": "kiosk", "roles": ["no such role"]})),
        other.post("/api/roles", &json!({"name": ""})),
        other.delete(&format!("/api/roles/{}", uuid())),
        fusion(server, "wrong").post("/api/roles", &json!({"name": "r"})),
    ] {
        assert!((400..500).contains(&reply.status), "{} {}", reply.status, reply.text());
    }
    assert_eq!(all(server), before);
}

fn entries_say_all_about_a_change(server: &Server) {
    let tenant = server.tenant();
    let [made] = server.command_line_api_keys([(
        "made by an operator",
        false,
        Permissions::All,
        Some(tenant.as_str()),
    )]);
    server.set_now(START + 1234);
    let changed = json!({"apiKey": {"name": "changed", "permissions": {"endpoints": {"/api/key": ["GET"]}}}});
    server.as_key_manager().put(&format!("/api/api-key/{}", made.id), &changed).ok();
    let entries = all(server);
    let [by_operator, by_key] = &entries[entries.len() - 2..] else { panic!() };

    assert_eq!(
        names(by_operator),
        ["data", "id", "insertInstant", "insertUser", "message", "newValue", "tenantId"]
    );
    assert_eq!(by_operator["insertUser"], "Command line");
    let data = json!({"action": "create", "actor": {"kind": "CommandLine"}, "entity": "ApiKey", "entityId": made.id});
    assert_eq!(by_operator["data"], data);

    assert_eq!(
        names(by_key),
        ["data", "id", "insertInstant", "insertUser", "message", "newValue", "oldValue", "tenantId"]
    );
    let manager = by_key["data"]["actor"]["id"].as_str().unwrap();
    assert_eq!(server.as_key_manager().get(&format!("/api/api-key/{manager}")).ok()["apiKey"]["id"], manager);
    let data = json!({"action": "update", "actor": {"id": manager, "kind": "ApiKey"}, "address": "127.0.0.1",
        "entity": "ApiKey", "entityId": made.id});
    assert_eq!(by_key["data"], data);
    assert_eq!(by_key["insertUser"], format!("API key {manager}"));
    assert_eq!(by_key["insertInstant"], START + 1234);
    assert_eq!(by_key["message"], format!("Updated the API key {}", made.id));
    assert_eq!(by_key["tenantId"], json!(tenant));
    assert_eq!(
        (&by_key["oldValue"]["name"], &by_key["newValue"]["name"]),
        (&json!("made by an operator"), &json!("changed"))
    );
    assert_eq!(by_key["newValue"]["id"], json!(made.id));

    // The server's own work has neither key nor address.
    let first = &entries[0];
    assert_eq!(
        (&first["insertUser"], &first["data"]["actor"]),
        (&json!("System"), &json!({"kind": "System"}))
    );
    assert!(first["data"].get("address").is_none());
}

fn entries_outlive_a_restart(server: &Server) {
    server.tenant();
    let before = all(server);
    server.while_stopped(|_| ());
    assert_eq!(all(server), before);
    // A server that makes its first key itself tells of it all the same, without the value.
    let sibling = server.sibling(Settings { bootstrap: false, ..Settings::default() });
    let value = sibling.first_api_key().unwrap();
    let members = json!({"message": "Created the API key"});
    let (entries, total) = super::search_as(&sibling.with_key(&value), &members);
    assert_eq!((entries.len(), total), (1, 1));
    assert!(!entries[0].to_string().contains(&value));
}
