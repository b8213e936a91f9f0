//! Deletions of tenants that go on behind the answer.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::TcpStream;

use claviger_domain::{
    Actor, ApiKey, ApiKeyDigest, ApiKeyId, ChangeContext, Instant, Permissions, Revision, TenantId,
    TenantScope, TenantState,
};
use claviger_storage::{StorageError, Store, StoredApiKey};
use serde_json::{Value, json};

use crate::support::server::BOOTSTRAP;
use crate::support::{Reply, Server, poll, unique, uuid};

on_each_database! {
    shared: it_is_accepted_and_finished, the_body_can_ask_for_it, what_cannot_be_read_deletes_nothing,
        who_may_not_delete_deletes_nothing, a_tenant_on_its_way_out_takes_no_more, the_default_tenant_stays;
    own: a_server_that_stops_in_the_middle_goes_on_at_the_next_start, who_waits_does_not_hold_up_a_stop;
}

/// Asserts 202 without content.
#[track_caller]
fn accepted(reply: &Reply) {
    assert_eq!((reply.status, reply.text()), (202, ""));
}

#[track_caller]
fn wait_for_the_end(server: &Server, tenant: &str) {
    let (manager, path) = (server.as_key_manager(), format!("/api/tenant/{tenant}"));
    poll("the end of a tenant", || {
        let reply = manager.get(&path);
        match reply.status {
            404 => return Some(()),
            // PostgreSQL did not answer for two seconds, which happens where many tests share a disk.
            503 => return None,
            _ => {}
        }
        assert_eq!(reply.ok()["tenant"]["state"], json!("PendingDelete"));
        None
    });
}

fn it_is_accepted_and_finished(server: &Server) {
    let manager = server.as_key_manager();
    let tenant = server.tenant();
    let (path, keys) =
        (format!("/api/tenant/{tenant}"), [(); 3].map(|()| server.api_key(json!({"tenantId": tenant}))));
    accepted(&manager.delete(&format!("{path}?async=true")));
    // From the answer on, however far the rest is.
    for key in &keys {
        server.with_key(&key.value).get("/api/system/version").denied();
    }
    manager.in_tenant(&tenant).get("/api/tenant").refused(&["[InvalidTenantId]"]);
    wait_for_the_end(server, &tenant);
    for key in &keys {
        server.with_key(&key.value).get("/api/system/version").denied();
        manager.get(&key.path()).not_found();
    }
    manager.delete(&format!("{path}?async=true")).not_found();
    // The id is free again.
    manager.post(&path, &json!({"tenant": {"name": unique("reborn")}})).ok();
    manager.delete(&format!("{path}?async=false")).done();
    manager.get(&path).not_found();
}

fn the_body_can_ask_for_it(server: &Server) {
    let manager = server.as_key_manager();
    for (query, body, is_accepted) in [
        ("", json!({"async": true, "eventInfo": {"ipAddress": "192.0.2.1"}}), true),
        ("?async=true", json!({}), true),
        ("?async=", json!({"async": false}), false),
        ("?other=true", json!({"eventInfo": {}}), false),
    ] {
        let tenant = server.tenant();
        let reply = manager.send("DELETE", &format!("/api/tenant/{tenant}{query}"), Some(&body));
        if is_accepted {
            accepted(&reply);
        } else {
            reply.done();
        }
        wait_for_the_end(server, &tenant);
    }
}

fn what_cannot_be_read_deletes_nothing(server: &Server) {
    let manager = server.as_key_manager();
    let path = format!("/api/tenant/{}", server.tenant());
    let before = manager.get(&path).ok();
    for (query, code) in [
        ("async=1", "async [couldNotConvert]async"),
        ("async=TRUE", "async [couldNotConvert]async"),
        ("async=true&async=true", "async [invalid]async"),
    ] {
        manager.delete(&format!("{path}?{query}")).refused(&[code]);
    }
    let send = |body: Value| manager.send("DELETE", &path, Some(&body));
    send(json!({"async": "true"})).refused(&["async [invalidJSON]"]);
    send(json!({"asynchronous": true})).refused(&["[invalidJSON]"]);
    send(json!([])).refused(&["[invalidJSON]"]);
    manager.send_bytes("DELETE", &path, Some(b"{}")).refused(&["[MissingContentType]"]);
    assert_eq!(manager.get(&path).ok(), before);
}

fn who_may_not_delete_deletes_nothing(server: &Server) {
    let (own, other) = (server.tenant(), server.tenant());
    let path = format!("/api/tenant/{other}?async=true");
    let bound = server.api_key(json!({"tenantId": own}));
    let reading =
        server.api_key(json!({"permissions": {"endpoints": {"/api/tenant": ["GET", "PATCH", "PUT"]}}}));
    server.anonymous().delete(&path).denied();
    server.with_key(&reading.value).delete(&path).denied();
    server.with_key(&bound.value).delete(&path).not_found();
    server.as_key_manager().in_tenant(&own).delete(&path).not_found();
    let state = server.as_key_manager().get(&format!("/api/tenant/{other}")).ok()["tenant"]["state"].take();
    assert_eq!(state, json!("Active"));
}

fn a_tenant_on_its_way_out_takes_no_more(server: &Server) {
    let manager = server.as_key_manager();
    let tenant = server.tenant();
    let path = format!("/api/tenant/{tenant}");
    let name = manager.get(&path).ok()["tenant"]["name"].clone();
    // As if it had very much to delete.
    server.database_execute(&format!("UPDATE tenant SET state = 'PendingDelete' WHERE id = '{tenant}'"));
    let pending = ["tenantId [pendingDelete]tenantId"];
    for delete in [path.clone(), format!("{path}?async=true")] {
        manager.delete(&delete).refused(&pending);
    }
    manager.put(&path, &json!({"tenant": {"name": name}})).refused(&pending);
    manager.patch(&path, &json!({"tenant": {}})).refused(&pending);
    let copy = json!({"sourceTenantId": tenant, "tenant": {"name": unique("copy")}});
    manager.post("/api/tenant", &copy).refused(&["sourceTenantId [invalid]sourceTenantId"]);
    manager
        .post(&path, &json!({"tenant": {"name": unique("again")}}))
        .refused(&["tenantId [duplicate]tenantId"]);
    manager
        .post("/api/tenant", &json!({"tenant": {"name": name}}))
        .refused(&["tenant.name [duplicate]tenant.name"]);
    let key = json!({"apiKey": {"tenantId": tenant}});
    manager.post("/api/api-key", &key).refused(&["apiKey.tenantId [invalid]apiKey.tenantId"]);
    assert_eq!(manager.get(&path).ok()["tenant"]["state"], json!("PendingDelete"));
}

fn the_default_tenant_stays(server: &Server) {
    let path = format!("/api/tenant/{}", server.default_tenant());
    server.as_key_manager().delete(&format!("{path}?async=true")).refused(&["tenantId [notAllowed]tenantId"]);
    server.as_key_manager().get(&path).ok();
}

const KEYS: u64 = 2_000;

/// Stores API keys of a tenant without the server.
fn store_keys(store: &Store, tenant: &str) {
    let now = Instant::from_epoch_millis(1_000_000_000_000);
    let tenant_id: TenantId = tenant.parse().unwrap();
    let keys: Vec<_> = (0..KEYS)
        .map(|_| {
            let id: ApiKeyId = uuid().parse().unwrap();
            let mut digest = [7; 32];
            digest[..16].copy_from_slice(&id.as_u128().to_be_bytes());
            StoredApiKey {
                api_key: ApiKey {
                    id,
                    revision: Revision::FIRST,
                    name: None,
                    attributes: BTreeMap::new(),
                    permissions: Permissions::All,
                    key_manager: false,
                    tenant_id: Some(tenant_id),
                    fusion_id: None,
                    name_repeats: false,
                    ip_access_control_list_id: None,
                    disabled: false,
                    retrievable: false,
                    expiration_instant: None,
                    insert_instant: now,
                    last_update_instant: now,
                },
                digest: ApiKeyDigest::from_bytes(digest),
                sealed_value: None,
            }
        })
        .collect();
    let context = ChangeContext { actor: Actor::System, instant: now, address: None };
    store
        .write::<_, StorageError, _>(&context, move |tx| {
            keys.iter().try_for_each(|key| Ok(tx.insert_api_key(key)?))
        })
        .unwrap();
}

fn a_server_that_stops_in_the_middle_goes_on_at_the_next_start(server: &Server) {
    // The stop can come before the first step, and after the last.
    for attempt in 0..20 {
        let tenant = server.tenant();
        let key = server.api_key(json!({"tenantId": tenant}));
        server.while_stopped(|options| store_keys(&Store::open(options).unwrap(), &tenant));
        accepted(&server.as_key_manager().delete(&format!("/api/tenant/{tenant}?async=true")));
        let id: TenantId = tenant.parse().unwrap();
        let (state, left) = server.while_stopped(|options| {
            let store = Store::open(options).unwrap();
            store
                .read::<_, StorageError>(|tx| {
                    let state = tx.find_tenant(id, TenantScope::All)?.map(|tenant| tenant.state);
                    Ok((state, tx.count_api_keys_of_tenant(id)?))
                })
                .unwrap()
        });
        assert!(state.is_none() || state == Some(TenantState::PendingDelete));
        server.with_key(&key.value).get("/api/system/version").denied();
        wait_for_the_end(server, &tenant);
        server.as_key_manager().get(&key.path()).not_found();
        if (1..=KEYS).contains(&left) {
            return;
        }
        println!("attempt {attempt}: {left} keys were left");
    }
    panic!("no stop came in the middle");
}

fn who_waits_does_not_hold_up_a_stop(server: &Server) {
    // The stop can come after the last step.
    for _ in 0..20 {
        let tenant = server.tenant();
        let path = format!("/api/tenant/{tenant}");
        server.while_stopped(|options| store_keys(&Store::open(options).unwrap(), &tenant));
        let mut stream = TcpStream::connect(server.address()).unwrap();
        write!(stream, "DELETE {path} HTTP/1.1\r\nHost: x\r\nAuthorization: {BOOTSTRAP}\r\n\r\n").unwrap();
        let manager = server.as_key_manager();
        poll("the beginning of the deletion", || {
            let reply = manager.get(&path);
            (reply.status == 404 || reply.ok()["tenant"]["state"] == json!("PendingDelete")).then_some(())
        });
        // Fails if a thread does not let go of the database.
        server.while_stopped(|_| ());
        let mut answer = Vec::new();
        // A connection that is cut is as good.
        drop(stream.read_to_end(&mut answer));
        wait_for_the_end(server, &tenant);
        if !answer.starts_with(b"HTTP/1.1 200 ") {
            return;
        }
    }
    panic!("no stop came in the middle");
}
