//! Many clients of the token endpoint at once, who on PostgreSQL are looked up together: each gets what is its own, and what was taken away
//! while a look-up was under way is neither given to the next request nor remembered.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use serde_json::{Value, json};

use super::{GRANT, TOKEN, World, ask, ask_for, claims, credentials, form, refused, target, text};
use crate::concurrency::together;
use crate::support::{Server, uuid};

on_each_database! {
    own: everybody_gets_an_own_answer, what_is_taken_away_during_look_ups_is_gone;
}

/// What a client asks for, and what must come of it.
enum Asks {
    /// A token with these permissions on the target.
    Granted(&'static [&'static str]),
    /// A token for itself.
    Plain,
    /// With a permission that it has not.
    TooMuch,
    WrongSecret,
    Unknown,
}

impl Asks {
    #[track_caller]
    fn check(&self, server: &Server, on: &Value, client: &Value) {
        match self {
            Self::Granted(permissions) => {
                let said = claims(&ask_for(server, client, &target(on, &permissions.join(","))));
                assert_eq!((&said["sub"], &said["aud"]), (&client["id"], &on["id"]));
                assert_eq!(said["permissions"][text(on, "id")], json!(permissions));
            }
            Self::Plain => {
                let said = claims(&ask(server, client, &[]));
                assert_eq!((&said["sub"], said.get("permissions")), (&client["id"], None));
            }
            Self::TooMuch => {
                let reply = ask_for(server, client, &target(on, "scim:user:read"));
                refused(&reply, 400, "invalid_scope", "invalid_entity_permission_scope");
            }
            Self::WrongSecret | Self::Unknown => {
                let [(_, id), _] = credentials(client);
                let unknown = uuid();
                let id = if matches!(self, Self::Unknown) { unknown.as_str() } else { id };
                let parameters = [GRANT, ("client_id", id), ("client_secret", "wrong")];
                let reply = form(&server.anonymous(), TOKEN, &parameters);
                refused(&reply, 401, "invalid_client", "invalid_client_authentication");
            }
        }
    }
}

fn everybody_gets_an_own_answer(server: &Server) {
    const KINDS: [Asks; 7] = [
        Asks::Granted(&["read"]),
        Asks::Unknown,
        Asks::Granted(&["write"]),
        Asks::Plain,
        Asks::WrongSecret,
        Asks::Granted(&["read", "write"]),
        Asks::TooMuch,
    ];
    let world = World::new(server);
    let on = world.entity(json!({}));
    let clients: Vec<_> = (0..56)
        .map(|number| {
            let client = world.entity(json!({}));
            match &KINDS[number % KINDS.len()] {
                Asks::Granted(permissions) => world.grant(&on, &client, permissions),
                Asks::TooMuch => world.grant(&on, &client, &["read", "write"]),
                Asks::Plain | Asks::WrongSecret | Asks::Unknown => {}
            }
            client
        })
        .collect();
    for _ in 0..4 {
        // A change ends what is remembered, so that all are looked for.
        world.entity(json!({}));
        together(|thread| {
            for number in 0..clients.len() {
                // Some of them ask for the same client at the same time.
                let number = (number + thread / 2 * 5) % clients.len();
                KINDS[number % KINDS.len()].check(server, &on, &clients[number]);
            }
        });
    }
}

/// Takes rights away while eight threads ask for tokens without a pause: whoever asks when that was acknowledged gets none.
fn what_is_taken_away_during_look_ups_is_gone(server: &Server) {
    let world = World::new(server);
    for round in 0..9 {
        let (on, client, other) = (world.entity(json!({})), world.entity(json!({})), world.entity(json!({})));
        for recipient in [&client, &other] {
            world.grant(&on, recipient, &["read"]);
        }
        let scope = target(&on, "read");
        let (taken, seen) = (AtomicBool::new(false), AtomicBool::new(false));
        thread::scope(|scope_of_threads| {
            for number in 0..8 {
                let (client, other, scope, taken, seen) = (&client, &other, &scope, &taken, &seen);
                scope_of_threads.spawn(move || {
                    loop {
                        let over = taken.load(Ordering::SeqCst);
                        let who = if number % 2 == 0 { client } else { other };
                        let reply = ask_for(server, who, scope);
                        if number % 2 == 1 || !over {
                            assert!(number % 2 == 0 || reply.status == 200, "{}", reply.text());
                            seen.fetch_or(number % 2 == 0 && reply.status == 200, Ordering::SeqCst);
                        } else {
                            assert_ne!(reply.status, 200, "round {round}");
                        }
                        if over {
                            return;
                        }
                    }
                });
            }
            while !seen.load(Ordering::SeqCst) {
                thread::yield_now();
            }
            let entity = format!("/api/entity/{}", text(&client, "id"));
            match round % 3 {
                0 => world.home.delete(&entity).done(),
                1 => {
                    let body = json!({"gracePeriodInSeconds": 0});
                    world.home.post(&format!("{entity}/rotate-secret"), &body).ok();
                }
                _ => {
                    let of = text(&client, "id");
                    let grant = format!("/api/entity/{}/grant?recipientEntityId={of}", text(&on, "id"));
                    world.home.delete(&grant).done();
                }
            }
            taken.store(true, Ordering::SeqCst);
        });
    }
}

/// On PostgreSQL a look-up can be held up in the middle.
#[cfg(feature = "postgres")]
mod held_up {
    use std::thread;

    use serde_json::json;

    use super::super::{World, ask, ask_for, claims, refused, target, text};
    use super::Asks;
    use crate::support::{Server, poll};

    mod postgres {
        use crate::support::{Kind, on_own};

        #[test]
        fn what_changes_during_a_look_up_is_not_remembered() {
            let name = concat!(module_path!(), "::what_changes_during_a_look_up_is_not_remembered");
            on_own(Kind::Postgres, name, super::what_changes_during_a_look_up_is_not_remembered);
        }

        #[test]
        fn those_who_wait_are_asked_for_together() {
            let name = concat!(module_path!(), "::those_who_wait_are_asked_for_together");
            on_own(Kind::Postgres, name, super::those_who_wait_are_asked_for_together);
        }

        #[test]
        fn a_database_that_fails_is_told_to_everybody() {
            let name = concat!(module_path!(), "::a_database_that_fails_is_told_to_everybody");
            on_own(Kind::Postgres, name, super::a_database_that_fails_is_told_to_everybody);
        }
    }

    /// Makes statements that read permissions of grants note that they have begun, by a number of a sequence, and then wait, having seen what
    /// they see, until [`open_gate`].
    fn close_gate(server: &Server) {
        server.database_execute(
            "CREATE SEQUENCE gate_passed; CREATE TABLE gate (closed BOOLEAN); \
             INSERT INTO gate VALUES (true); \
             CREATE FUNCTION is_open() RETURNS BOOLEAN LANGUAGE plpgsql VOLATILE AS $$ BEGIN \
                PERFORM nextval('gate_passed'); \
                WHILE EXISTS (SELECT 1 FROM gate WHERE closed) LOOP PERFORM pg_sleep(0.001); END LOOP; \
                RETURN true; END $$; \
             ALTER TABLE entity_grant_permission RENAME TO behind_gate; \
             CREATE VIEW entity_grant_permission AS SELECT * FROM behind_gate WHERE is_open()",
        );
    }

    fn open_gate(server: &Server) {
        server.database_execute("UPDATE gate SET closed = false");
    }

    /// Waits until a statement waits at the gate.
    fn wait_at_gate(server: &Server) {
        poll("a look-up under way", || {
            server.database_is("(SELECT is_called FROM gate_passed)").then_some(())
        });
    }

    fn what_changes_during_a_look_up_is_not_remembered(server: &Server) {
        let world = World::new(server);
        let (on, client, other) = (world.entity(json!({})), world.entity(json!({})), world.entity(json!({})));
        for recipient in [&client, &other] {
            world.grant(&on, recipient, &["read"]);
        }
        let scope = target(&on, "read");
        // A deletion is answered when everything before it has been read back: nothing of it comes later and is taken for news.
        let entity = world.entity(json!({}));
        world.home.delete(&format!("/api/entity/{}", text(&entity, "id"))).done();
        // Types and permissions are known from here on, so that one statement finds all.
        ask_for(server, &other, &scope).ok();
        close_gate(server);
        let rotated = thread::scope(|threads| {
            let asked = threads.spawn(|| ask_for(server, &client, &scope));
            wait_at_gate(server);
            let path = format!("/api/entity/{}/rotate-secret", text(&client, "id"));
            let rotated = world.home.post(&path, &json!({"gracePeriodInSeconds": 0})).ok();
            open_gate(server);
            // It asked before the change.
            asked.join().unwrap().ok();
            rotated
        });
        for _ in 0..2 {
            let reply = ask_for(server, &client, &scope);
            refused(&reply, 401, "invalid_client", "invalid_client_authentication");
            ask_for(server, &rotated["entity"], &scope).ok();
        }
    }

    fn those_who_wait_are_asked_for_together(server: &Server) {
        let world = World::new(server);
        let on = world.entity(json!({}));
        let clients: Vec<_> = (0..100).map(|_| world.entity(json!({}))).collect();
        let permissions: [&'static [&'static str]; 3] = [&["read"], &["write"], &["read", "write"]];
        for (number, client) in clients.iter().enumerate() {
            world.grant(&on, client, permissions[number % 3]);
        }
        close_gate(server);
        thread::scope(|threads| {
            for (number, client) in clients.iter().enumerate() {
                let (on, granted) = (&on, permissions[number % 3]);
                threads.spawn(move || Asks::Granted(granted).check(server, on, client));
                if number % 10 == 0 {
                    threads.spawn(move || Asks::Granted(granted).check(server, on, client));
                    threads.spawn(move || Asks::Unknown.check(server, on, client));
                    threads.spawn(move || Asks::WrongSecret.check(server, on, client));
                }
            }
            wait_at_gate(server);
            open_gate(server);
        });
    }

    fn a_database_that_fails_is_told_to_everybody(server: &Server) {
        let world = World::new(server);
        let clients: Vec<_> = (0..20).map(|_| world.entity(json!({}))).collect();
        server.database_execute("ALTER TABLE entity RENAME TO gone");
        thread::scope(|threads| {
            for client in &clients {
                threads.spawn(|| {
                    let reply = ask(server, client, &[]);
                    refused(&reply, 500, "server_error", "unknown");
                });
            }
        });
        server.database_execute("ALTER TABLE gone RENAME TO entity");
        for client in &clients {
            assert_eq!(claims(&ask(server, client, &[]))["sub"], client["id"]);
        }
        // Connections that have ended are replaced. Nothing is remembered any more, after the change.
        world.entity(json!({}));
        server.database_execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
             WHERE application_name = current_setting('application_name') AND pid <> pg_backend_pid()",
        );
        for client in &clients {
            let reply = poll("a token over a new connection", || {
                let reply = ask(server, client, &[]);
                assert!(matches!(reply.status, 200 | 503), "{}", reply.text());
                (reply.status == 200).then_some(reply)
            });
            assert_eq!(claims(&reply)["sub"], client["id"]);
        }
    }
}
