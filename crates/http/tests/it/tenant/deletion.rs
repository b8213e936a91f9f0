//! The end of a tenant, and of its API keys with it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use claviger_domain::{Actor, ChangeContext, Instant, Tenant, TenantId, TenantScope, TenantState};
use claviger_storage::{StorageError, Store, TxError};
use serde_json::json;

use crate::support::{Server, poll, unique};

on_each_database! {
    shared: its_keys_die_with_it, the_default_tenant_stays, a_key_can_delete_its_own_tenant;
    own: a_deletion_that_was_cut_short_is_finished_at_the_next_start, many_keys_die_and_none_comes_back;
}

fn its_keys_die_with_it(server: &Server) {
    let manager = server.as_key_manager();
    let (tenant, other) = (server.tenant(), server.tenant());
    let keys = [(); 3].map(|()| server.api_key(json!({"tenantId": tenant, "name": unique("doomed")})));
    let (global, foreign) = (server.unrestricted(), server.api_key(json!({"tenantId": other})));
    manager.delete(&format!("/api/tenant/{tenant}")).done();
    for key in &keys {
        server.with_key(&key.value).get("/api/system/version").denied();
        manager.get(&key.path()).not_found();
    }
    manager.get(&format!("/api/tenant/{tenant}")).not_found();
    let list = manager.get("/api/tenant").ok();
    assert!(list["tenants"].as_array().unwrap().iter().all(|other| other["id"] != *tenant));
    manager.in_tenant(&tenant).get("/api/tenant").refused(&["[InvalidTenantId]"]);
    for key in [global, foreign] {
        server.with_key(&key.value).get("/api/system/version").ok();
    }
    // Ids and values are free again, and bring nothing of the past with them.
    manager.post(&format!("/api/tenant/{tenant}"), &json!({"tenant": {"name": unique("reborn")}})).ok();
    server.with_key(&keys[0].value).get("/api/system/version").denied();
    let again = json!({"apiKey": {"key": keys[1].value, "tenantId": tenant}});
    manager.post(&keys[1].path(), &again).ok();
    server.with_key(&keys[1].value).get("/api/system/version").ok();
    server.with_key(&keys[2].value).get("/api/system/version").denied();
}

fn the_default_tenant_stays(server: &Server) {
    let path = format!("/api/tenant/{}", server.default_tenant());
    server.as_key_manager().delete(&path).refused(&["tenantId [notAllowed]tenantId"]);
    let own = server.api_key(json!({"tenantId": server.default_tenant()}));
    server.with_key(&own.value).delete(&path).refused(&["tenantId [notAllowed]tenantId"]);
    server.with_key(&own.value).get(&path).ok();
}

fn a_key_can_delete_its_own_tenant(server: &Server) {
    let tenant = server.tenant();
    let client = server.with_key(&server.api_key(json!({"tenantId": tenant})).value);
    client.delete(&format!("/api/tenant/{tenant}")).done();
    client.get("/api/system/version").denied();
    client.delete(&format!("/api/tenant/{tenant}")).denied();
}

fn a_deletion_that_was_cut_short_is_finished_at_the_next_start(server: &Server) {
    let tenant = server.tenant();
    let keys = [(); 3].map(|()| server.api_key(json!({"tenantId": tenant})));
    let now = server.now();
    // As a kill after the first step of a deletion leaves it.
    server.while_stopped(|options| {
        let store = Store::open(options).unwrap();
        let context =
            ChangeContext { actor: Actor::System, instant: Instant::from_epoch_millis(now), address: None };
        let id: TenantId = tenant.parse().unwrap();
        store
            .write::<_, StorageError, _>(&context, move |tx| {
                let found =
                    tx.find_tenant(id, TenantScope::All)?.ok_or(TxError::Abort(StorageError::Stale))?;
                tx.update_tenant(&Tenant { state: TenantState::PendingDelete, ..found })?;
                Ok(())
            })
            .unwrap();
    });
    let manager = server.as_key_manager();
    for key in &keys {
        server.with_key(&key.value).get("/api/system/version").denied();
    }
    let path = format!("/api/tenant/{tenant}");
    poll("the end of the tenant", || (manager.get(&path).status == 404).then_some(()));
    for key in &keys {
        server.with_key(&key.value).get("/api/system/version").denied();
        manager.get(&key.path()).not_found();
    }
}

fn many_keys_die_and_none_comes_back(server: &Server) {
    // More than go in one group, so that the deletion has steps in between.
    const KEYS: usize = 1100;
    let tenant = server.tenant();
    let keys: Vec<_> = thread::scope(|scope| {
        let makers = [(); 11].map(|()| {
            scope.spawn(|| {
                (0..KEYS / 11).map(|_| server.api_key(json!({"tenantId": tenant}))).collect::<Vec<_>>()
            })
        });
        makers.into_iter().flat_map(|maker| maker.join().unwrap()).collect()
    });
    let (path, manager) = (format!("/api/tenant/{tenant}"), server.as_key_manager());
    let (deleted, dead) = (AtomicBool::new(false), AtomicBool::new(false));
    thread::scope(|scope| {
        // They die all together, with the first step of the deletion, though it takes their rows in groups.
        for watched in [0, 1, 2].map(|offset| keys.iter().skip(offset).step_by(100)) {
            let (deleted, dead) = (&deleted, &dead);
            scope.spawn(move || {
                let clients: Vec<_> = watched.map(|key| server.with_key(&key.value)).collect();
                for client in clients.iter().cycle() {
                    let (last, doomed) = (deleted.load(Ordering::SeqCst), dead.load(Ordering::SeqCst));
                    match client.get("/api/system/version").status {
                        200 => assert!(!doomed, "a key outlived another, or came back to life"),
                        401 => dead.store(true, Ordering::SeqCst),
                        other => panic!("unexpected {other}"),
                    }
                    if last {
                        break;
                    }
                }
            });
        }
        let reply = manager.delete(&path);
        deleted.store(true, Ordering::SeqCst);
        reply.done();
    });
    manager.get(&path).not_found();
    for key in keys.iter().step_by(100) {
        server.with_key(&key.value).get("/api/system/version").denied();
        manager.get(&key.path()).not_found();
    }
    // Nothing else was touched.
    assert_eq!(manager.delete(&path).status, 404);
    manager.get("/api/key").ok();
}
