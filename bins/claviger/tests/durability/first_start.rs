//! The server is killed during its very first start, at moments all over it.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::audit::audit;
use crate::common::{Installation, Numbers, Process, Server};
use crate::support::{Place, on_both};

const KILLS: u64 = 12;

on_both!(a_first_start_that_was_killed_is_made_up_for);

fn a_first_start_that_was_killed_is_made_up_for(first: &Place) {
    let mut numbers = Numbers::fresh();
    let whole = time_of_first_start(first);
    let mut unfinished = 0;
    for kill in 0..KILLS {
        let place = another(first);
        let installation = Installation::new(&place);
        // One kill in each twelfth of the time.
        let part = (kill as f64 + numbers.below(1000) as f64 / 1000.0) / KILLS as f64;
        let process = Process::spawn(&mut installation.command(&[]));
        std::thread::sleep(whole.mul_f64(part));
        let killed = process.kill();
        unfinished += usize::from(!String::from_utf8_lossy(&killed.log).contains("listening"));

        let server = Server::start(&installation);
        check(&server, &installation);
        let last = server.stop();
        assert!(
            killed.output.is_empty() && last.output.is_empty(),
            "the bootstrap key is used, none is printed"
        );
        audit(&installation);
    }
    println!("{KILLS} first starts killed within {whole:?}, {unfinished} of them unfinished");
    assert!(unfinished > 0, "no kill came before the server was ready");
}

fn time_of_first_start(place: &Place) -> Duration {
    let start = Instant::now();
    let server = Server::start(&Installation::new(place));
    let whole = start.elapsed();
    drop(server.stop());
    whole
}

fn another(place: &Place) -> Place {
    #[cfg(feature = "postgres")]
    if !place.is_sqlite() {
        return Place::postgres("first_start").unwrap();
    }
    assert!(place.is_sqlite());
    Place::plain()
}

/// Everything that a first start makes is there, once.
fn check(server: &Server, installation: &Installation<'_>) {
    let mut manager = server.connect(&installation.bootstrap_key);
    let tenants = manager.call("GET", "/api/tenant", None).ok();
    let [tenant] = tenants["tenants"].as_array().unwrap().as_slice() else {
        panic!("not one tenant: {tenants}");
    };
    assert_eq!((&tenant["name"], &tenant["state"]), (&Value::from("Default"), &Value::from("Active")));

    let keys = manager.call("GET", "/api/key", None).ok();
    let keys = keys["keys"].as_array().unwrap();
    let is_rsa = |key: &&Value| key["algorithm"] == "RS256";
    let rsa: Vec<_> = keys.iter().filter(is_rsa).collect();
    assert_eq!((keys.len(), rsa.len()), (4, 1), "{keys:?}");
    assert_eq!(rsa[0]["hasPrivateKey"], true);
    assert_eq!(rsa[0]["id"], tenant["jwtConfiguration"]["accessTokenKeyId"]);
    let shadows: Vec<_> = claviger_domain::SHADOW_KEYS.iter().map(|shadow| shadow.id.to_string()).collect();
    for id in &shadows {
        assert!(keys.iter().any(|key| key["id"] == id.as_str()), "{id} is missing");
    }

    let roles = manager.call("GET", "/api/roles", None).ok();
    let names: Vec<_> = roles.as_array().unwrap().iter().map(|role| role["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["admin", "developer", "readonly", "rules", "search", "search-template"]);

    // The one API key is the bootstrap key, and it manages others.
    let made = serde_json::json!({"apiKey": {"name": "proof"}});
    let made = manager.call("POST", "/api/api-key", Some(&made)).ok();
    let id = made["apiKey"]["id"].as_str().unwrap();
    assert_eq!(manager.call("DELETE", &format!("/api/api-key/{id}"), None).status, 200);
}
