//! Many clients at one list: no change is lost, and a list and the keys that name it do not part.

use serde_json::{Value, json};

use super::{body, create, default, id, list, path, range};
use crate::concurrency::{insist, one_winner, together};
use crate::support::{Server, unique, uuid};

on_each_database! {
    own: patches_are_not_lost, one_name_and_one_id_have_one_winner, one_deletion_wins,
        a_list_and_the_keys_that_name_it_do_not_part;
}

fn patches_are_not_lost(server: &Server) {
    let made = create(server, json!({"entries": [default("Block")]}));
    together(|client| {
        for number in 0..20 {
            let address = format!("10.{client}.0.{number}");
            let patch = body(json!({"entries": [range("Allow", &address, &address)]}));
            insist(|| server.as_key_manager().patch(&path(id(&made)), &patch)).ok();
        }
    });
    let stored = list(&server.as_key_manager().get(&path(id(&made))));
    let mut starts: Vec<_> = stored["entries"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| entry["startIPAddress"].to_string())
        .collect();
    starts.sort();
    starts.dedup();
    assert_eq!(starts.len(), 161);
}

fn one_name_and_one_id_have_one_winner(server: &Server) {
    let manager = server.as_key_manager();
    let entries = || json!([default("Allow")]);
    for _ in 0..5 {
        let name = unique("wanted");
        let new = body(json!({"name": name, "entries": entries()}));
        let replies = together(|_| insist(|| manager.post("/api/ip-acl", &new)));
        let winner = one_winner(&replies, "ipAccessControlList.name [duplicate]ipAccessControlList.name");
        assert_eq!(winner["ipAccessControlList"]["name"], json!(name));
        let wanted = uuid();
        let replies = together(|_| {
            let new = body(json!({"name": unique("named"), "entries": entries()}));
            insist(|| manager.post(&path(&wanted), &new))
        });
        let winner = one_winner(&replies, "ipAccessControlListId [duplicate]ipAccessControlListId");
        assert_eq!(list(&manager.get(&path(&wanted))), winner["ipAccessControlList"]);
    }
}

fn one_deletion_wins(server: &Server) {
    let manager = server.as_key_manager();
    for _ in 0..5 {
        let made = create(server, json!({}));
        let replies = together(|_| insist(|| manager.delete(&path(id(&made)))));
        assert_eq!(replies.iter().filter(|reply| reply.status == 200).count(), 1);
        assert!(replies.iter().all(|reply| matches!(reply.status, 200 | 404)));
    }
}

/// Half of the clients delete the list, half make keys that name it: either the list goes and no key names it, or it
/// stays with every key that was acknowledged.
fn a_list_and_the_keys_that_name_it_do_not_part(server: &Server) {
    let manager = server.as_key_manager();
    let in_use = ["ipAccessControlListId [inUse]ipAccessControlListId"];
    let no_list = ["apiKey.ipAccessControlListId [invalid]apiKey.ipAccessControlListId"];
    for _ in 0..10 {
        let made = create(server, json!({}));
        let named = json!({"apiKey": {"ipAccessControlListId": made["id"]}});
        let outcomes: Vec<(bool, bool)> = together(|number| {
            if number % 2 == 0 {
                let reply = insist(|| manager.delete(&path(id(&made))));
                if reply.status == 400 {
                    reply.refused(&in_use);
                }
                (reply.status == 200, false)
            } else {
                let reply = insist(|| manager.post("/api/api-key", &named));
                if reply.status != 200 {
                    reply.refused(&no_list);
                }
                (false, reply.status == 200)
            }
        });
        let deleted = outcomes.iter().any(|(deleted, _)| *deleted);
        let named: Vec<&(bool, bool)> = outcomes.iter().filter(|(_, named)| *named).collect();
        assert_ne!(deleted, !named.is_empty(), "{outcomes:?}");
        let found: Option<Value> = (!deleted).then(|| list(&manager.get(&path(id(&made)))));
        assert_eq!(found.as_ref(), (!deleted).then_some(&made));
    }
}
