//! What is unique over the whole instance, and so tells a caller that somebody has it: that much, and nothing about whose it
//! is.

use claviger_domain::Permissions;
use serde_json::{Value, json};

use crate::support::server::PREFIX;
use crate::support::{Client, Reply, Server, unique, uuid};

on_each_database! {
    own: what_is_taken_can_be_seen_and_no_more, numbers_of_entries_count_for_everybody;
}

/// Objects of one tenant, by what others can collide with.
struct Taken {
    api_key: String,
    name: String,
    value: String,
    fusion_id: String,
    entity: String,
    client_id: String,
    tenant_name: String,
}

impl Taken {
    /// Makes them in a tenant.
    fn new(server: &Server, tenant: &str, entity_type: &str) -> Self {
        let taken = Self {
            api_key: uuid(),
            name: unique("name"),
            value: unique("value"),
            fusion_id: unique("fusion").replace(' ', "-"),
            entity: uuid(),
            client_id: unique("client"),
            tenant_name: unique("renamed"),
        };
        let home = server.as_key_manager().in_tenant(tenant);
        let api_key = json!({"apiKey": {"name": taken.name, "key": taken.value, "tenantId": tenant}});
        home.post(&format!("/api/api-key/{}", taken.api_key), &api_key).ok();
        let fusion = server.as_fusion_admin().in_tenant(tenant);
        fusion.post("/api/api-key", &json!({"name": "by role", "roles": [], "id": taken.fusion_id})).ok();
        let entity =
            json!({"entity": {"name": "pump", "clientId": taken.client_id, "type": {"id": entity_type}}});
        home.post(&format!("/api/entity/{}", taken.entity), &entity).ok();
        let renamed = json!({"tenant": {"name": taken.tenant_name}});
        server.as_key_manager().patch(&format!("/api/tenant/{tenant}"), &renamed).ok();
        taken
    }
}

/// Collides with each of them, in both dialects.
fn collide(client: &Client, fusion: &Client, entity_type: &str, with: &Taken, own: &Own) -> Vec<Reply> {
    let entity = |client_id: &Value| json!({"entity": {"name": "pump", "clientId": client_id, "type": {"id": entity_type}}});
    vec![
        client.post(&format!("/api/api-key/{}", with.api_key), &json!({"apiKey": {}})),
        client.post("/api/api-key", &json!({"apiKey": {"name": with.name}})),
        client.patch(&own.api_key, &json!({"apiKey": {"name": with.name}})),
        client.post("/api/api-key", &json!({"apiKey": {"key": with.value}})),
        client.post(&format!("{}/rotate", own.api_key), &json!({"apiKey": {"key": with.value}})),
        fusion.post("/api/api-key", &json!({"name": "n", "roles": [], "id": with.fusion_id})),
        fusion.post("/api/api-key", &json!({"name": "n", "roles": [], "id": with.api_key})),
        client.post(&format!("/api/entity/{}", with.entity), &entity(&Value::Null)),
        client.post("/api/entity", &entity(&json!(with.client_id))),
        client.patch(&own.tenant, &json!({"tenant": {"name": with.tenant_name}})),
    ]
}

/// Paths of what a caller changes in vain.
struct Own {
    api_key: String,
    tenant: String,
}

fn what_is_taken_can_be_seen_and_no_more(server: &Server) {
    let [a, b, third] = [(); 3].map(|()| server.tenant());
    let [manager] = server.command_line_api_keys([("of A", true, Permissions::All, Some(a.as_str()))]);
    let name = json!({"entityType": {"name": unique("type")}});
    let made = server.as_key_manager().post("/api/entity/type", &name).ok();
    let entity_type = made["entityType"]["id"].as_str().unwrap();
    let (of_b, of_third) = (Taken::new(server, &b, entity_type), Taken::new(server, &third, entity_type));

    let (client, fusion) = (server.with_key(&manager.value), server.with_fusion_key(&manager.value));
    let api_key = client.post("/api/api-key", &json!({"apiKey": {}})).ok();
    assert!(api_key["apiKey"]["key"].as_str().unwrap().starts_with(PREFIX));
    let own = Own {
        api_key: format!("/api/api-key/{}", api_key["apiKey"]["id"].as_str().unwrap()),
        tenant: format!("/api/tenant/{a}"),
    };
    let replies = collide(&client, &fusion, entity_type, &of_b, &own);
    let said: Vec<_> = replies.iter().map(|reply| (reply.status, reply.text().to_owned())).collect();
    let codes = [
        "apiKeyId [duplicate]apiKeyId",
        "apiKey.name [duplicate]apiKey.name",
        "apiKey.name [duplicate]apiKey.name",
        "apiKey.key [duplicate]apiKey.key",
        "apiKey.key [duplicate]apiKey.key",
        "already-exists",
        "already-exists",
        "entityId [duplicate]entityId",
        "entity.clientId [duplicate]entity.clientId",
        "tenant.name [duplicate]tenant.name",
    ];
    assert_eq!(replies.len(), codes.len());
    for (reply, code) in replies.iter().zip(codes) {
        match code {
            "already-exists" => assert_eq!((reply.status, &reply.json()["code"]), (409, &json!(code))),
            _ => reply.refused(&[code]),
        }
        for secret in [&b, &of_b.value, &of_b.name, &of_b.client_id, &of_b.tenant_name] {
            assert!(!reply.text().contains(secret.as_str()), "{}", reply.text());
        }
    }
    // Whose it is makes no difference.
    let with_third = collide(&client, &fusion, entity_type, &of_third, &own);
    let again: Vec<_> = with_third.iter().map(|reply| (reply.status, reply.text().to_owned())).collect();
    assert_eq!(said, again);
    // Nor can anything be done with what was found.
    client.get(&format!("/api/api-key/{}", of_b.api_key)).not_found();
    for client in [&client, &fusion] {
        let [found, nobodys] =
            [&of_b.fusion_id, "nobodys-key"].map(|id| client.delete(&format!("/api/api-key/{id}")));
        assert_eq!((found.status, found.text()), (nobodys.status, nobodys.text()));
        assert_ne!(found.status, 200);
    }
    client.get(&format!("/api/entity/{}", of_b.entity)).not_found();
    let search = json!({"search": {"queryString": of_b.client_id}});
    assert_eq!(client.post("/api/entity/search", &search).ok()["total"], 0);
    server.with_key(&of_b.value).get("/api/tenant").ok();
}

fn numbers_of_entries_count_for_everybody(server: &Server) {
    let (a, b) = (server.tenant(), server.tenant());
    let key = server.api_key(json!({"tenantId": a}));
    let latest = || {
        let found = server.with_key(&key.value).get("/api/system/audit-log/search?numberOfResults=1").ok();
        (found["auditLogs"][0]["id"].as_i64().unwrap(), found["total"].as_u64().unwrap())
    };
    let rename = |tenant: &str| {
        let body = json!({"tenant": {"name": unique("renamed")}});
        server.as_key_manager().patch(&format!("/api/tenant/{tenant}"), &body).ok();
    };
    let (number, total) = latest();
    rename(&b);
    // Somebody else's change shows by the gap that it leaves, and by nothing until there is one of one's own.
    assert_eq!(latest(), (number, total));
    rename(&a);
    assert_eq!(latest(), (number + 2, total + 1));
    server.with_key(&key.value).get(&format!("/api/system/audit-log/{}", number + 1)).not_found();
}
