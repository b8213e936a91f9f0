//! A write of a killed server whose commit is under way in PostgreSQL outlives that server. The next one loads its memory before
//! that commit, of which nobody tells it, and must hear of it all the same.

use std::time::{Duration, Instant};

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::sql_types::BigInt;

use crate::common::{Installation, Server};
use crate::support::Place;
use serde_json::json;

#[derive(QueryableByName)]
struct Count {
    #[diesel(sql_type = BigInt)]
    value: i64,
}

/// Some leases, on a machine that does other things besides.
const PATIENCE: Duration = Duration::from_secs(10);

/// Commits of deletions of API keys take this long from here on.
const SLOW_COMMITS: &str = "
    CREATE FUNCTION wait() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(3); RETURN NULL; END';
    CREATE CONSTRAINT TRIGGER slow AFTER DELETE ON api_key DEFERRABLE INITIALLY DEFERRED
        FOR EACH ROW EXECUTE FUNCTION wait();";

fn sleeping(connection: &mut PgConnection) -> i64 {
    diesel::sql_query("SELECT count(*) AS value FROM pg_stat_activity WHERE wait_event = 'PgSleep'")
        .get_result::<Count>(connection)
        .unwrap()
        .value
}

mod postgres {
    #[test]
    fn a_commit_that_outlives_its_server_is_heard_of() {
        let name = concat!(module_path!(), "::a_commit_that_outlives_its_server_is_heard_of");
        if let Some(place) = crate::support::Place::postgres(name) {
            super::a_commit_that_outlives_its_server_is_heard_of(&place);
        }
    }
}

fn a_commit_that_outlives_its_server_is_heard_of(place: &Place) {
    let installation = Installation::new(place);
    let server = Server::start(&installation);
    let body = json!({"apiKey": {"key": "deleted-during-the-kill", "name": "victim",
        "permissions": {"endpoints": {"/api/system/version": ["GET"]}}}});
    let mut manager = server.connect(&installation.bootstrap_key);
    let made = manager.call("POST", "/api/api-key", Some(&body)).ok();
    let path = format!("/api/api-key/{}", made["apiKey"]["id"].as_str().unwrap());

    let mut database = PgConnection::establish(installation.postgres_url().unwrap()).unwrap();
    database.batch_execute(SLOW_COMMITS).unwrap();
    manager.send("DELETE", &path, None).unwrap();
    while sleeping(&mut database) == 0 {}
    drop(server.kill());
    let server = Server::start(&installation);
    while sleeping(&mut database) > 0 {}

    let mut manager = server.connect(&installation.bootstrap_key);
    let mut victim = server.connect("deleted-during-the-kill");
    let committed = Instant::now();
    loop {
        let stored = manager.call("GET", &path, None).status;
        let works = victim.call("GET", "/api/system/version", None).status;
        match (stored, works) {
            // The end of the process was noticed before the commit, or the commit was heard of.
            (200, 200) | (404, 401) => break,
            // Nobody was told that the key is gone.
            (404, 200) => assert!(committed.elapsed() < PATIENCE, "it still works"),
            other => panic!("stored and works: {other:?}"),
        }
    }
}
