//! What patches make of objects.

use serde_json::{Value, json};

use super::{JSON, JSON_PATCH, MERGE_PATCH, free_place, objects, patch};
use crate::support::{Server, poll, unique, uuid};

on_each_database! {
    shared: each_type_changes_each_object, lists_are_appended_or_replaced, all_six_operations,
        a_failed_operation_changes_nothing, read_only_members_stay, the_override_takes_each_type,
        restrictions_are_lifted_on_purpose_only, results_are_checked_like_a_put, no_patch_overwrites_another;
}

fn each_type_changes_each_object(server: &Server) {
    let manager = server.as_key_manager();
    for (path, wrapper) in objects(server) {
        let place = free_place(wrapper);
        let nested = |value: Value| {
            let inner = place
                .rsplit('/')
                .filter(|name| !name.is_empty())
                .fold(value, |inner, name| json!({name: inner}));
            let mut document = inner;
            document["name"] = json!(unique("renamed"));
            json!({wrapper: document})
        };
        let members = |document: &Value| document.pointer(&format!("/{wrapper}{place}")).cloned();
        for (media_type, body) in [
            (JSON, nested(json!({"new": "y", "old": null}))),
            (MERGE_PATCH, nested(json!({"new": null, "newer": "y"}))),
            (
                JSON_PATCH,
                json!([
                    {"op": "replace", "path": format!("/{wrapper}/name"), "value": unique("renamed")},
                    {"op": "move", "from": format!("/{wrapper}{place}/newer"),
                        "path": format!("/{wrapper}{place}/a~1b~0")},
                ]),
            ),
        ] {
            let after = patch(&manager, media_type, &path, &body).ok();
            let expected = match media_type {
                JSON => json!({"new": "y"}),
                MERGE_PATCH => json!({"newer": "y"}),
                _ => json!({"a/b~": "y"}),
            };
            assert_eq!(members(&after), Some(expected), "{wrapper} {media_type}");
            let name = body[wrapper].get("name").or(body.get(0).map(|first| &first["value"]));
            assert_eq!(Some(&after[wrapper]["name"]), name, "{wrapper} {media_type}");
            assert_eq!(manager.get(&path).ok(), after);
        }
    }
}

fn lists_are_appended_or_replaced(server: &Server) {
    let manager = server.as_key_manager();
    let [_, (path, _), (tenant, _), _] = objects(server);
    let block = json!({"action": "Block", "startIPAddress": "*"});
    let allow = json!({"action": "Allow", "startIPAddress": "192.0.2.1", "endIPAddress": "192.0.2.1"});
    let with = |entries: Value| json!({"ipAccessControlList": {"entries": entries}});
    let entries = |reply: crate::support::Reply| reply.ok()["ipAccessControlList"]["entries"].take();
    assert_eq!(entries(patch(&manager, JSON, &path, &with(json!([allow])))), json!([block, allow]));
    assert_eq!(entries(patch(&manager, MERGE_PATCH, &path, &with(json!([block])))), json!([block]));
    patch(&manager, MERGE_PATCH, &path, &with(json!([allow])))
        .refused(&["ipAccessControlList.entries [missingDefault]ipAccessControlList.entries"]);
    let add = json!([{"op": "add", "path": "/ipAccessControlList/entries/0", "value": allow}]);
    assert_eq!(entries(patch(&manager, JSON_PATCH, &path, &add)), json!([allow, block]));
    let with = |ids: Value| json!({"tenant": {"jwtConfiguration": {"accessTokenVerificationKeyIds": ids}}});
    let ids = |reply: crate::support::Reply| {
        reply.ok()["tenant"]["jwtConfiguration"]["accessTokenVerificationKeyIds"].take()
    };
    let [one, two] = [server.signing_key(), server.signing_key()];
    assert_eq!(ids(patch(&manager, JSON, &tenant, &with(json!([one])))), json!([one]));
    assert_eq!(ids(patch(&manager, JSON, &tenant, &with(json!([two, one])))), json!([one, two]));
    assert_eq!(ids(patch(&manager, MERGE_PATCH, &tenant, &with(json!([two])))), json!([two]));
    let add = json!([{"op": "add", "path": "/tenant/jwtConfiguration/accessTokenVerificationKeyIds/0", "value": one}]);
    assert_eq!(ids(patch(&manager, JSON_PATCH, &tenant, &add)), json!([one, two]));
    // Methods of an API key are a set: appended means added.
    let key = server.api_key(json!({"permissions": {"endpoints": {"/api/user": ["GET"]}}}));
    let with = |methods: Value| json!({"apiKey": {"permissions": {"endpoints": {"/api/user": methods}}}});
    let methods =
        |reply: crate::support::Reply| reply.ok()["apiKey"]["permissions"]["endpoints"]["/api/user"].take();
    assert_eq!(methods(patch(&manager, JSON, &key.path(), &with(json!(["PUT"])))), json!(["GET", "PUT"]));
    assert_eq!(methods(patch(&manager, MERGE_PATCH, &key.path(), &with(json!(["PUT"])))), json!(["PUT"]));
    let add = json!([{"op": "add", "path": "/apiKey/permissions/endpoints/~1api~1user/-", "value": "POST"}]);
    assert_eq!(methods(patch(&manager, JSON_PATCH, &key.path(), &add)), json!(["POST", "PUT"]));
}

fn all_six_operations(server: &Server) {
    let manager = server.as_key_manager();
    for (path, wrapper) in objects(server) {
        let place = format!("/{wrapper}{}", free_place(wrapper));
        let body = json!([
            {"op": "test", "path": format!("{place}/old"), "value": "x"},
            {"op": "add", "path": format!("{place}/b"), "value": "y"},
            {"op": "copy", "from": format!("{place}/b"), "path": format!("{place}/c")},
            {"op": "move", "from": format!("{place}/old"), "path": format!("{place}/d")},
            {"op": "replace", "path": format!("{place}/b"), "value": "z"},
            {"op": "remove", "path": format!("{place}/c")},
        ]);
        let after = patch(&manager, JSON_PATCH, &path, &body).ok();
        assert_eq!(after.pointer(&place), Some(&json!({"b": "z", "d": "x"})), "{wrapper}");
        assert_eq!(manager.get(&path).ok(), after);
    }
}

fn a_failed_operation_changes_nothing(server: &Server) {
    let manager = server.as_key_manager();
    for (path, wrapper) in objects(server) {
        let before = manager.get(&path).ok();
        let place = format!("/{wrapper}{}", free_place(wrapper));
        let first = json!({"op": "add", "path": format!("{place}/new"), "value": "y"});
        for (second, code) in [
            (json!({"op": "test", "path": format!("{place}/old"), "value": "y"}), "[JSONPatchTestFailed]"),
            (json!({"op": "remove", "path": format!("{place}/none")}), "[JSONPatchNotApplicable]"),
            (
                json!({"op": "replace", "path": format!("/{wrapper}/none"), "value": 1}),
                "[JSONPatchNotApplicable]",
            ),
            (json!({"op": "remove", "path": ""}), "[JSONPatchNotApplicable]"),
            (json!({"op": "add", "path": "", "value": []}), "[invalidJSON]"),
        ] {
            patch(&manager, JSON_PATCH, &path, &json!([first, second])).refused(&[code]);
            assert_eq!(manager.get(&path).ok(), before);
        }
        patch(&manager, JSON_PATCH, &path, &json!([first, {"op": "none", "path": 1}]))
            .refused(&["[1].op [invalidJSON]", "[1].path [invalidJSON]"]);
        assert_eq!(manager.get(&path).ok(), before);
        // A value that a test is sure about.
        let guarded =
            json!([{"op": "test", "path": format!("/{wrapper}/id"), "value": before[wrapper]["id"]}, first]);
        patch(&manager, JSON_PATCH, &path, &guarded).ok();
    }
}

fn read_only_members_stay(server: &Server) {
    let manager = server.as_key_manager();
    for (path, wrapper) in objects(server) {
        let before = manager.get(&path).ok();
        let other = json!({wrapper: {"id": uuid(), "insertInstant": 1, "lastUpdateInstant": 2}});
        for media_type in [JSON, MERGE_PATCH] {
            assert_eq!(patch(&manager, media_type, &path, &other).ok(), before);
        }
        let operations: Vec<_> = ["id", "insertInstant", "lastUpdateInstant"]
            .map(|member| json!({"op": "remove", "path": format!("/{wrapper}/{member}")}))
            .into();
        assert_eq!(patch(&manager, JSON_PATCH, &path, &operations.into()).ok(), before);
    }
}

fn the_override_takes_each_type(server: &Server) {
    let manager = server.as_key_manager().with_header("X-HTTP-Method-Override", "PATCH");
    for (path, wrapper) in objects(server) {
        for (media_type, body) in [
            (JSON, json!({wrapper: {"name": unique("renamed")}})),
            (MERGE_PATCH, json!({wrapper: {"name": unique("renamed")}})),
            (
                JSON_PATCH,
                json!([{"op": "replace", "path": format!("/{wrapper}/name"), "value": unique("renamed")}]),
            ),
        ] {
            let client = manager.with_header("Content-Type", media_type);
            let after = client.send_bytes("POST", &path, Some(body.to_string().as_bytes())).ok();
            let name = body[wrapper].get("name").or(body.get(0).map(|first| &first["value"]));
            assert_eq!(Some(&after[wrapper]["name"]), name);
        }
    }
}

fn restrictions_are_lifted_on_purpose_only(server: &Server) {
    let manager = server.as_key_manager();
    let endpoints = json!({"/api/user": ["GET"]});
    for (media_type, last) in [
        (JSON, json!({"apiKey": {"permissions": {"endpoints": {"/api/user": null}}}})),
        (MERGE_PATCH, json!({"apiKey": {"permissions": {"endpoints": {"/api/user": null}}}})),
        (JSON_PATCH, json!([{"op": "remove", "path": "/apiKey/permissions/endpoints/~1api~1user"}])),
        (JSON_PATCH, json!([{"op": "replace", "path": "/apiKey/permissions/endpoints", "value": {}}])),
    ] {
        let key = server.api_key(json!({"permissions": {"endpoints": endpoints}}));
        let after = patch(&manager, media_type, &key.path(), &last).ok();
        assert_eq!(after["apiKey"]["permissions"], json!({"endpoints": {}}), "{media_type}");
        server.with_key(&key.value).get("/api/system/version").denied();
        // What is put around it says nothing about it.
        let around = json!([{"op": "replace", "path": "/apiKey", "value": {"name": unique("around")}}]);
        patch(&manager, JSON_PATCH, &key.path(), &around)
            .refused(&["apiKey.permissions.endpoints [invalid]apiKey.permissions.endpoints"]);
        let on_purpose = json!([{"op": "remove", "path": "/apiKey/permissions"}]);
        let after = patch(&manager, JSON_PATCH, &key.path(), &on_purpose).ok();
        assert_eq!(after["apiKey"].get("permissions"), None);
        server.with_key(&key.value).get("/api/system/version").ok();
    }
}

fn results_are_checked_like_a_put(server: &Server) {
    let manager = server.as_key_manager();
    for (path, wrapper) in objects(server) {
        let before = manager.get(&path).ok();
        for (media_type, body) in [
            (JSON, json!({wrapper: {"nam": "x"}})),
            (MERGE_PATCH, json!({wrapper: {"nam": "x"}})),
            (JSON_PATCH, json!([{"op": "add", "path": format!("/{wrapper}/nam"), "value": "x"}])),
            (
                JSON_PATCH,
                json!([{"op": "move", "from": format!("/{wrapper}/name"), "path": format!("/{wrapper}/nam")}]),
            ),
            (JSON_PATCH, json!([{"op": "add", "path": "/more", "value": {}}])),
        ] {
            let reply = patch(&manager, media_type, &path, &body);
            let codes = reply.errors();
            assert!(codes.contains(&"[invalidJSON]".to_owned()), "{codes:?}");
            assert_eq!((reply.status, manager.get(&path).ok()), (400, before.clone()));
        }
        let missing = format!("{wrapper} [missing]{wrapper}");
        patch(&manager, JSON_PATCH, &path, &json!([{"op": "remove", "path": format!("/{wrapper}")}]))
            .refused(&[&missing]);
        patch(&manager, MERGE_PATCH, &path, &json!({wrapper: null})).refused(&[&missing]);
        assert_eq!(manager.get(&path).ok(), before);
    }
}

fn no_patch_overwrites_another(server: &Server) {
    const EACH: usize = 5;
    let manager = server.as_key_manager();
    for (path, wrapper) in objects(server) {
        let place = free_place(wrapper);
        std::thread::scope(|scope| {
            for media_type in [JSON, MERGE_PATCH, JSON_PATCH] {
                let (manager, path) = (&manager, &path);
                scope.spawn(move || {
                    for number in 0..EACH {
                        let name = format!("{}{number}", media_type.len());
                        let nested = place.rsplit('/').filter(|part| !part.is_empty());
                        let body = match media_type {
                            JSON_PATCH => {
                                json!([{"op": "add", "path": format!("/{wrapper}{place}/{name}"), "value": "x"}])
                            }
                            _ => json!({wrapper: nested.fold(json!({name: "x"}), |inner, part| json!({part: inner}))}),
                        };
                        // Whoever came too late again and again is told, and asks again.
                        let reply = poll("a patch", || {
                            let reply = patch(manager, media_type, path, &body);
                            (reply.status != 409).then_some(reply)
                        });
                        reply.ok();
                    }
                });
            }
        });
        let after = manager.get(&path).ok();
        let members = after.pointer(&format!("/{wrapper}{place}")).unwrap().as_object().unwrap();
        assert_eq!(members.len(), 1 + 3 * EACH, "{wrapper}: {members:?}");
    }
}
