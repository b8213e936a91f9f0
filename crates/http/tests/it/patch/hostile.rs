//! Patches that are meant to do harm: bodies of the wrong type or shape, and patches that make much of little.

use serde_json::{Value, json};

use super::{JSON_PATCH, MERGE_PATCH, free_place, objects, patch};
use crate::support::Server;

on_each_database! {
    shared: bodies_that_are_no_patches, patches_that_grow, strangers_learn_nothing_of_patches;
}

fn bodies_that_are_no_patches(server: &Server) {
    let manager = server.as_key_manager();
    for (path, _) in objects(server) {
        let send = |media_type: &str, body: &[u8]| {
            manager.with_header("Content-Type", media_type).send_bytes("PATCH", &path, Some(body))
        };
        for media_type in [JSON_PATCH, MERGE_PATCH] {
            send(media_type, b"").refused(&["[missing]"]);
            for broken in [b"{".as_slice(), b"[", b"null", b"1", b"\xff", b"[{\"a\":1,\"a\":1}]", b"[[[]]"] {
                send(media_type, broken).refused(&["[invalidJSON]"]);
            }
            let deep = [b"[".repeat(100_000), b"]".repeat(100_000)].concat();
            send(media_type, &deep).refused(&["[invalidJSON]"]);
        }
        send(JSON_PATCH, b"{}").refused(&["[invalidJSON]"]);
        send(MERGE_PATCH, b"[]").refused(&["[invalidJSON]"]);
        // The parameters of a media type mean nothing, and its case neither.
        send("Application/JSON-Patch+JSON; charset=utf-8", b"[]").ok();
        send("application/merge-patch+json;x=y", b"{}").ok();
        for other in ["application/patch+json", "application/json-patch", "text/json", ""] {
            send(other, b"[]").refused(&["[UnsupportedContentType]"]);
        }
    }
}

fn patches_that_grow(server: &Server) {
    let manager = server.as_key_manager();
    for (path, wrapper) in objects(server) {
        let before = manager.get(&path).ok();
        let place = format!("/{wrapper}{}", free_place(wrapper));
        let doubling: Vec<_> = (0..100)
            .map(|number| json!({"op": "copy", "from": place, "path": format!("{place}/{number}")}))
            .collect();
        let deepening: Vec<_> = (0..500)
            .flat_map(|_| {
                [
                    json!({"op": "move", "from": place, "path": "/x"}),
                    json!({"op": "add", "path": place, "value": {}}),
                    json!({"op": "move", "from": "/x", "path": format!("{place}/a")}),
                ]
            })
            .take(1024)
            .collect();
        let many = vec![json!({"op": "test", "path": "", "value": {}}); 1025];
        for operations in [doubling, deepening, many] {
            patch(&manager, JSON_PATCH, &path, &Value::from(operations)).refused(&["[JSONPatchTooLarge]"]);
            assert_eq!(manager.get(&path).ok(), before);
        }
    }
}

fn strangers_learn_nothing_of_patches(server: &Server) {
    let key = server.api_key(json!({"permissions": {"endpoints": {"/api/ip-acl": ["GET", "POST", "PUT"]}}}));
    for (path, _) in objects(server) {
        for client in [server.anonymous(), server.with_key(&key.value)] {
            for body in [json!([]), json!([{"op": "test", "path": "/apiKey/id", "value": "x"}]), json!(1)] {
                patch(&client, JSON_PATCH, &path, &body).denied();
                // Whoever may POST may not PATCH by that.
                client
                    .with_header("Content-Type", JSON_PATCH)
                    .with_header("X-HTTP-Method-Override", "PATCH")
                    .send_bytes("POST", &path, Some(body.to_string().as_bytes()))
                    .denied();
            }
        }
    }
}
