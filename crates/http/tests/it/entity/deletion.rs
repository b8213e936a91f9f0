//! What goes with an entity, and with a tenant.

use claviger_domain::{Actor, ChangeContext, Instant, Tenant, TenantScope, TenantState};
use claviger_storage::{StorageError, Store, TxError};
use serde_json::{Value, json};

use super::{create, entity_path, grant_body, grant_path, granted, id, type_with};
use crate::support::{Server, poll, uuid};

on_each_database! {
    shared: an_entity_takes_its_grants_along, a_tenant_takes_its_entities_along;
    own: a_deletion_that_was_cut_short_is_finished_at_the_next_start, more_than_one_group_goes;
}

fn total(server: &Server, path: &str) -> Value {
    server.as_key_manager().get(path).ok()["total"].clone()
}

fn an_entity_takes_its_grants_along(server: &Server) {
    let client = server.as_key_manager().in_tenant(&server.tenant());
    let of = type_with(server, &["read"]);
    let [gone, one, two] = [(); 3].map(|()| create(&client, &of, json!({})));
    for (on, to) in [(&gone, &one), (&one, &gone), (&gone, &gone), (&one, &two)] {
        client.post(&grant_path(on), &grant_body(to, json!(["read"]))).done();
    }
    client.delete(&entity_path(id(&gone))).done();
    client.get(&grant_path(&gone)).not_found();
    client.get(&format!("{}?recipientEntityId={}", grant_path(&one), id(&gone))).not_found();
    assert_eq!(client.get("/api/entity/grant/search").ok()["total"], 1);
    assert_eq!(granted(&client, &one, &two)["permissions"], json!(["read"]));
    // Its id can be taken again, and brings nothing of the past with it.
    let whole = super::body(json!({"name": "n", "type": {"id": of["id"]}}));
    client.post(&entity_path(id(&gone)), &whole).ok();
    assert_eq!(client.get(&grant_path(&gone)).ok(), json!({"grants": []}));
    assert_eq!(client.get("/api/entity/grant/search").ok()["total"], 1);
}

fn a_tenant_takes_its_entities_along(server: &Server) {
    let manager = server.as_key_manager();
    let of = type_with(server, &["read"]);
    let [tenant, other] = [server.tenant(), server.tenant()];
    let [gone, stays] = [&tenant, &other].map(|tenant| {
        let client = manager.in_tenant(tenant);
        let made = create(&client, &of, json!({}));
        client.post(&grant_path(&made), &grant_body(&made, json!(["read"]))).done();
        made
    });
    manager.delete(&format!("/api/tenant/{tenant}")).done();
    manager.get(&entity_path(id(&gone))).not_found();
    manager.get(&grant_path(&gone)).not_found();
    assert_eq!(granted(&manager, &stays, &stays)["permissions"], json!(["read"]));
    let found = total(server, &format!("/api/entity/search?ids={}&ids={}", id(&gone), id(&stays)));
    assert_eq!(found, 1);
}

fn a_deletion_that_was_cut_short_is_finished_at_the_next_start(server: &Server) {
    let of = type_with(server, &["read"]);
    let tenant = server.tenant();
    let client = server.as_key_manager().in_tenant(&tenant);
    let made = create(&client, &of, json!({}));
    client.post(&grant_path(&made), &grant_body(&made, json!(["read"]))).done();
    server.while_stopped(|options| {
        let store = Store::open(options).unwrap();
        let context =
            ChangeContext { actor: Actor::System, instant: Instant::from_epoch_millis(1), address: None };
        let id = tenant.parse().unwrap();
        store
            .write::<_, StorageError, _>(&context, move |tx| {
                let stored =
                    tx.find_tenant(id, TenantScope::All)?.ok_or(TxError::Abort(StorageError::Stale))?;
                tx.update_tenant(&Tenant { state: TenantState::PendingDelete, ..stored })?;
                Ok(())
            })
            .unwrap();
    });
    let manager = server.as_key_manager();
    poll("the end of the tenant", || {
        (manager.get(&format!("/api/tenant/{tenant}")).status == 404).then_some(())
    });
    manager.get(&entity_path(id(&made))).not_found();
    assert_eq!(total(server, "/api/entity/grant/search"), 0);
}

/// Grants of an entity go in groups of 500, and what a tenant owns in groups of 50.
fn more_than_one_group_goes(server: &Server) {
    let of = type_with(server, &["read"]);
    let tenant = server.tenant();
    let client = server.as_key_manager().in_tenant(&tenant);
    let hub = create(&client, &of, json!({}));
    let spare = create(&client, &of, json!({}));
    let rows = 1_100;
    server.while_stopped(|options| {
        let store = Store::open(options).unwrap();
        let context =
            ChangeContext { actor: Actor::System, instant: Instant::from_epoch_millis(1), address: None };
        let hub_id = id(&hub).parse().unwrap();
        store
            .write::<_, StorageError, _>(&context, move |tx| {
                let hub =
                    tx.find_entity(hub_id, TenantScope::All)?.ok_or(TxError::Abort(StorageError::Stale))?;
                for number in 0..rows {
                    let entity_id = claviger_domain::EntityId::from_u128(number + 1);
                    let entity = claviger_domain::Entity {
                        id: entity_id,
                        client_id: entity_id.into(),
                        ..hub.entity.clone()
                    };
                    tx.insert_entity(&entity, &hub.client_secret)?;
                    tx.insert_entity_grant(&claviger_domain::EntityGrant {
                        id: claviger_domain::EntityGrantId::from_u128(number + 1),
                        revision: claviger_domain::Revision::FIRST,
                        tenant_id: hub.entity.tenant_id,
                        entity_id: hub_id,
                        recipient_entity_id: entity_id,
                        permissions: Vec::new(),
                        data: None,
                        insert_instant: context_instant(),
                        last_update_instant: context_instant(),
                    })?;
                }
                Ok(())
            })
            .unwrap();
    });
    let manager = server.as_key_manager();
    let client = manager.in_tenant(&tenant);
    assert_eq!(total(server, "/api/entity/grant/search?numberOfResults=0"), json!(rows));
    client.delete(&entity_path(id(&hub))).done();
    assert_eq!(total(server, "/api/entity/grant/search?numberOfResults=0"), 0);
    assert_eq!(total(server, "/api/entity/search?numberOfResults=0"), json!(rows + 1));
    manager.delete(&format!("/api/tenant/{tenant}")).done();
    assert_eq!(total(server, "/api/entity/search"), 0);
    manager.get(&entity_path(id(&spare))).not_found();
    manager.get(&entity_path(&uuid())).not_found();
}

const fn context_instant() -> Instant {
    Instant::from_epoch_millis(1)
}
