//! Rotation of the key that signs: tokens of the old one count while it is listed, and not a single question fails meanwhile.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use serde_json::{Value, json};

use super::super::Told;
use super::{Known, World, type_path};
use crate::support::{Server, poll};
use crate::token::configure;

on_each_database! {
    own: keys_of_a_tenant_are_rotated, keys_of_a_type_are_rotated, the_type_takes_over_and_gives_back;
}

/// Asks with these tokens again and again while `work` is done; every answer must be a yes.
fn while_accepted(world: &World, tokens: &[&str], work: impl FnOnce()) {
    let (stop, asked) = (AtomicBool::new(false), AtomicUsize::new(0));
    thread::scope(|scope| {
        let asking = scope.spawn(|| {
            while !stop.load(Ordering::SeqCst) {
                for token in tokens {
                    world.accepts(token);
                }
                asked.fetch_add(1, Ordering::SeqCst);
            }
        });
        let more = |than: usize| {
            poll("further answers", || {
                (asking.is_finished() || asked.load(Ordering::SeqCst) > than).then_some(())
            });
        };
        more(0);
        work();
        more(asked.load(Ordering::SeqCst) + 1);
        stop.store(true, Ordering::SeqCst);
        asking.join().unwrap();
    });
}

/// Plays a rotation; `set` names the key that signs and those that verify beside it.
fn rotate(world: &World, old: &Known, set: impl Fn(&Known, Value)) {
    let new = Known::secret(&world.server);
    let manager = world.server.as_key_manager();
    let path = format!("/api/key/{}", old.id());
    let signed = |key: &Known| key.sign(&key.header(), &world.claims());
    let (of_old, of_new) = (signed(old), signed(&new));
    set(old, json!([]));
    world.ask(&of_new, "GET", "/v1/orders").unknown();
    while_accepted(world, &[&of_old], || {
        // The new key first verifies, then signs, and the old one verifies.
        set(old, json!([new.id()]));
        world.accepts(&of_new);
        set(&new, json!([old.id()]));
        world.accepts(&of_new);
        manager.delete(&path).refused(&["keyId [inUse]keyId"]);
    });
    while_accepted(world, &[&of_new], || {
        world.accepts(&of_old);
        set(&new, json!([]));
        world.ask(&of_old, "GET", "/v1/orders").unknown();
    });
    // Listed again it counts again, and gone it does not.
    set(&new, json!([old.id()]));
    world.accepts(&of_old);
    set(&new, json!([]));
    manager.delete(&path).done();
    world.ask(&of_old, "GET", "/v1/orders").unknown();
    world.accepts(&of_new);
}

fn keys_of_a_tenant_are_rotated(server: &Server) {
    let world = World::new(server);
    rotate(&world, &world.key, |signs, verify| {
        let jwt = json!({"accessTokenKeyId": signs.id(), "accessTokenVerificationKeyIds": verify, "timeToLiveInSeconds": 60});
        configure(&world.server, &world.tenant, jwt);
    });
}

fn keys_of_a_type_are_rotated(server: &Server) {
    let world = World::new(server);
    let old = Known::secret(&world.server);
    rotate(&world, &old, |signs, verify| {
        world.configure_type(
            json!({"enabled": true, "accessTokenKeyId": signs.id(), "accessTokenVerificationKeyIds": verify,
            "timeToLiveInSeconds": 60}),
        );
    });
    // A key that there is not is refused, and nothing changes.
    let unknown = json!({"entityType": {"jwtConfiguration": {"accessTokenVerificationKeyIds": [crate::support::uuid()]}}});
    world.server.as_key_manager().patch(&type_path(&world.entity_type), &unknown).refused(&[
        "entityType.jwtConfiguration.accessTokenVerificationKeyIds [invalid]entityType.jwtConfiguration.accessTokenVerificationKeyIds",
    ]);
}

/// Without an outage too: before a type gets its own key, that key is listed by nobody, so the type lists the tenant's.
fn the_type_takes_over_and_gives_back(server: &Server) {
    let world = World::new(server);
    let own = Known::secret(&world.server);
    let (of_tenant, of_type) = (world.token(), own.sign(&own.header(), &world.claims()));
    let set = |enabled: bool| {
        world.configure_type(json!({"enabled": enabled, "accessTokenKeyId": own.id(),
            "accessTokenVerificationKeyIds": [world.key.id()], "timeToLiveInSeconds": 60}));
    };
    while_accepted(&world, &[&of_tenant], || {
        world.ask(&of_type, "GET", "/v1/orders").unknown();
        set(true);
        world.accepts(&of_type);
        set(false);
        world.ask(&of_type, "GET", "/v1/orders").unknown();
    });
    // Listed in both places, either key counts whichever place does.
    let jwt = json!({"accessTokenKeyId": world.key.id(), "accessTokenVerificationKeyIds": [own.id()], "timeToLiveInSeconds": 60});
    configure(&world.server, &world.tenant, jwt);
    while_accepted(&world, &[&of_tenant, &of_type], || {
        for enabled in [true, false, true, false] {
            set(enabled);
        }
    });
}
