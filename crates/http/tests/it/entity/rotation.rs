//! Two secrets at once: a new one, and for a while the one before. Who checks them reads them from the database.

use claviger_crypto::SealedItem;
use claviger_domain::{EntityId, Sealed, TenantScope};
use claviger_storage::{StorageError, Store};
use serde_json::{Value, json};

use super::{body, create, create_type, entity, entity_path, id};
use crate::support::server::START;
use crate::support::{Client, Server};

on_each_database! {
    shared: a_rotation_shows_the_new_secret, bodies_are_checked, other_tenants_rotate_nothing;
    own: the_secret_before_stays_until_its_end, secrets_are_sealed_in_their_place;
}

fn rotate(client: &Client, entity: &Value, body: Value) -> Value {
    super::entity(&client.post(&format!("{}/rotate-secret", entity_path(id(entity))), &body))
}

fn a_rotation_shows_the_new_secret(server: &Server) {
    let client = server.as_key_manager().in_tenant(&server.tenant());
    let of = create_type(server, json!({}));
    let made = create(&client, &of, json!({"data": {"a": 1}}));
    let rotated = rotate(&client, &made, json!({}));
    assert_ne!(rotated["clientSecret"], made["clientSecret"]);
    let mut same = rotated.clone();
    for member in ["clientSecret", "lastUpdateInstant"] {
        same[member] = made[member].clone();
    }
    assert_eq!(same, made);
    assert_eq!(entity(&client.get(&entity_path(id(&made)))), rotated);
    let chosen = json!({"entity": {"clientSecret": "chosen"}, "gracePeriodInSeconds": 0});
    assert_eq!(rotate(&client, &made, chosen)["clientSecret"], "chosen");
    // Without a body at all, and by a key without the tenant in the header: the id says which tenant.
    let path = format!("{}/rotate-secret", entity_path(id(&made)));
    let reply = server.as_key_manager().send("POST", &path, None);
    assert_eq!(entity(&reply)["clientSecret"].as_str().unwrap().len(), 43);
}

fn bodies_are_checked(server: &Server) {
    let client = server.as_key_manager().in_tenant(&server.tenant());
    let made = create(&client, &create_type(server, json!({})), json!({}));
    let path = format!("{}/rotate-secret", entity_path(id(&made)));
    let code = "gracePeriodInSeconds [invalid]gracePeriodInSeconds";
    for seconds in [-1, 2_592_001] {
        client.post(&path, &json!({"gracePeriodInSeconds": seconds})).refused(&[code]);
    }
    client
        .post(
            &path,
            &json!({"gracePeriodInSeconds": "1", "entity": {"clientSecret": "a\n", "name": "n"}, "x": 1}),
        )
        .refused(&[
            "[invalidJSON]",
            "[invalidJSON]",
            "entity.clientSecret [invalid]entity.clientSecret",
            "gracePeriodInSeconds [invalidJSON]",
        ]);
    assert_eq!(entity(&client.get(&entity_path(id(&made)))), made);
    let other = client.get(&path);
    assert_eq!((other.status, other.header("allow")), (405, Some("POST")));
}

fn other_tenants_rotate_nothing(server: &Server) {
    let client = server.as_key_manager().in_tenant(&server.tenant());
    let made = create(&client, &create_type(server, json!({})), json!({}));
    let path = format!("{}/rotate-secret", entity_path(id(&made)));
    let tenant = server.tenant();
    server.as_key_manager().in_tenant(&tenant).post(&path, &json!({})).not_found();
    server.with_key(&server.api_key(json!({"tenantId": tenant})).value).post(&path, &json!({})).not_found();
    let reader = server.restricted(json!({"/api/entity": ["GET", "PUT", "PATCH", "DELETE"]}));
    server.with_key(&reader.value).post(&path, &json!({})).denied();
    assert_eq!(entity(&client.get(&entity_path(id(&made)))), made);
}

/// Both secrets in plain, and the end of the one before, as the database has them.
fn stored(server: &Server, entity: &Value) -> (String, Option<(String, i64)>) {
    server.while_stopped(|options| {
        let store = Store::open(options).unwrap();
        let id: EntityId = id(entity).parse().unwrap();
        let sealer = crate::support::server::sealer(&store);
        let stored =
            store.read::<_, StorageError>(|tx| Ok(tx.find_entity(id, TenantScope::All)?.unwrap())).unwrap();
        let plain = |sealed: &Sealed| {
            let bytes = sealer.unseal(SealedItem::ClientSecret(id), sealed).unwrap();
            String::from_utf8(bytes.expose().to_vec()).unwrap()
        };
        let previous = stored.previous_client_secret;
        let previous =
            previous.map(|previous| (plain(&previous.sealed), previous.valid_until.epoch_millis()));
        (plain(&stored.client_secret), previous)
    })
}

fn the_secret_before_stays_until_its_end(server: &Server) {
    let client = server.as_key_manager();
    let made = create(&client, &create_type(server, json!({})), json!({"clientSecret": "one"}));
    let path = entity_path(id(&made));
    let next = |secret: &str, seconds: u64| {
        rotate(&client, &made, json!({"entity": {"clientSecret": secret}, "gracePeriodInSeconds": seconds}));
    };
    let text = str::to_owned;
    next("two", 60);
    let end = START + 60_000;
    assert_eq!(stored(server, &made), (text("two"), Some((text("one"), end))));
    // Changing other members, or sending the secret back, ends nothing.
    let client = server.as_key_manager();
    let next = |secret: &str, seconds: u64| {
        let body = json!({"entity": {"clientSecret": secret}, "gracePeriodInSeconds": seconds});
        rotate(&server.as_key_manager(), &made, body);
    };
    client.patch(&path, &body(json!({"name": "renamed"}))).ok();
    client.put(&path, &body(json!({"name": "renamed", "clientSecret": "two"}))).ok();
    assert_eq!(stored(server, &made), (text("two"), Some((text("one"), end))));
    // There are never more than two, and none without a period.
    next("three", 10);
    assert_eq!(stored(server, &made), (text("three"), Some((text("two"), START + 10_000))));
    next("four", 0);
    assert_eq!(stored(server, &made), (text("four"), None));
    // Who sets another secret without a rotation ends all others.
    next("five", 10);
    server.as_key_manager().put(&path, &body(json!({"name": "n", "clientSecret": "six"}))).ok();
    assert_eq!(stored(server, &made), (text("six"), None));
    // What has ended goes with the next write.
    next("seven", 10);
    server.set_now(START + 10_000);
    server.as_key_manager().patch(&path, &body(json!({"name": "later"}))).ok();
    assert_eq!(stored(server, &made), (text("seven"), None));
}

/// A sealed secret that is moved to another entity does not open there.
fn secrets_are_sealed_in_their_place(server: &Server) {
    let client = server.as_key_manager();
    let of = create_type(server, json!({}));
    let [one, two] = [(); 2].map(|()| create(&client, &of, json!({})));
    server.database_execute(&format!(
        "UPDATE entity SET sealed_client_secret = \
         (SELECT other.sealed_client_secret FROM entity other WHERE other.id = '{}') WHERE id = '{}'",
        id(&one),
        id(&two)
    ));
    assert_eq!(entity(&client.get(&entity_path(id(&one)))), one);
    let reply = client.get(&entity_path(id(&two)));
    assert_eq!(reply.status, 500);
    assert!(!reply.text().contains(one["clientSecret"].as_str().unwrap()));
}
