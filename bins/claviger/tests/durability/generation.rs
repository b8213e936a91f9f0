//! Slow work beside quick work: while RSA keys are generated, API keys are checked.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::common::{Installation, Server};
use crate::support::{Place, on_both};

on_both!(two_rsa_generations_do_not_stop_checks);

fn two_rsa_generations_do_not_stop_checks(place: &Place) {
    let installation = Installation::new(place);
    let server = Server::start(&installation);
    let checker = json!({"apiKey": {"key": "checked-while-keys-are-made", "name": "checker",
        "permissions": {"endpoints": {"/api/system/version": ["GET"]}}}});
    server.connect(&installation.bootstrap_key).call("POST", "/api/api-key", Some(&checker)).ok();

    let returned = AtomicUsize::new(0);
    let (tell, sent) = channel();
    std::thread::scope(|scope| {
        for name in ["first", "second"] {
            let (tell, returned) = (tell.clone(), &returned);
            let mut manager = server.connect(&installation.bootstrap_key);
            scope.spawn(move || {
                let body = json!({"key": {"algorithm": "RS512", "length": 4096, "name": name}});
                manager.send("POST", "/api/key/generate", Some(&body)).unwrap();
                tell.send(()).unwrap();
                let reply = manager.receive();
                returned.fetch_add(1, Ordering::SeqCst);
                assert_eq!(reply.unwrap().ok()["key"]["length"], 4096);
            });
        }
        sent.recv().unwrap();
        sent.recv().unwrap();
        // Not more at once than can be waited for: each check has a connection of its own.
        let (mut while_both, mut slowest) = (0, Duration::ZERO);
        while returned.load(Ordering::SeqCst) < 2 {
            let start = Instant::now();
            let mut connection = server.connect("checked-while-keys-are-made");
            let reply = connection.call("GET", "/api/system/version", None);
            assert_eq!(reply.status, 200, "{}", reply.text());
            slowest = slowest.max(start.elapsed());
            while_both += usize::from(returned.load(Ordering::SeqCst) == 0);
        }
        println!("{while_both} checks while both keys were being made, the slowest took {slowest:?}");
        assert!(while_both > 0, "no check was answered while both keys were being made");
    });
    drop(server.stop());
}
