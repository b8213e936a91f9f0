//! Generating large keys while others go about their work.

use std::thread;

use serde_json::json;

use crate::support::{Server, unique, uuid};

on_each_database! {
    own: checks_are_answered_while_large_keys_are_generated, work_for_a_caller_that_is_gone_is_not_kept;
}

fn checks_are_answered_while_large_keys_are_generated(server: &Server) {
    let client = server.with_key(&server.restricted(json!({"/api/system/version": ["GET"]})).value);
    let generated = thread::scope(|scope| {
        let generators = ["RS256", "RS512"].map(|algorithm| {
            scope.spawn(move || {
                let key = json!({"name": unique("large"), "algorithm": algorithm, "length": 4096});
                server.as_key_manager().post("/api/key/generate", &json!({"key": key}))
            })
        });
        let mut checks = 0;
        while !generators.iter().all(thread::ScopedJoinHandle::is_finished) {
            client.get("/api/system/version").ok();
            server.with_key("no such key").get("/api/system/version").denied();
            checks += 1;
        }
        assert!(checks > 0);
        generators.map(|generator| generator.join().unwrap().ok())
    });
    for (document, algorithm) in generated.iter().zip(["RS256", "RS512"]) {
        super::generate::check_certified(&document["key"], algorithm, "RSA", 4096);
    }
}

fn work_for_a_caller_that_is_gone_is_not_kept(server: &Server) {
    let manager = server.as_key_manager();
    let caller = server.restricted(json!({"/api/key/generate": ["POST"]}));
    let id = uuid();
    let before = server.clock_reads();
    let reply = thread::scope(|scope| {
        let generator = scope.spawn(|| {
            let key = json!({"name": unique("orphan"), "algorithm": "RS256", "length": 4096});
            let client = server.with_key(&caller.value);
            client.post(&format!("/api/key/generate/{id}"), &json!({"key": key}))
        });
        // The request has passed the gate, and the work takes longer than the deletion of its key.
        while server.clock_reads() == before {
            thread::yield_now();
        }
        manager.delete(&caller.path()).done();
        generator.join().unwrap()
    });
    reply.denied();
    manager.get(&format!("/api/key/{id}")).not_found();
}
