//! Failures of other programs in handing out power, each as a test that it cannot happen here.

use claviger_domain::Permissions;
use claviger_http::{Dialect, Guard, ROUTES, Route};
use serde_json::{Value, json};

use super::{API_KEYS, listed, path, powerless, powers, refused, seen_in_a};
use crate::support::fixture::{FusionKey, TestRole};
use crate::support::{Server, unique, uuid};

on_each_database! {
    own: cve_2025_61928_nobody_is_no_caller, cve_2024_24747_keys_do_not_inherit_from_their_maker,
        cve_2025_62506_a_restricted_key_makes_no_wider_one_beside_it, cve_2024_55949_there_is_no_bulk_call,
        cve_2026_56654_a_narrow_key_mints_no_wider_one, cve_2025_5999_cve_2025_54996_names_that_normalise_to_admin,
        cve_2025_64761_no_other_kind_of_rule_names_admin, cve_2026_30836_cve_2025_44005_no_call_skips_the_check,
        cve_2026_28699_a_scope_cannot_be_left_unset;
}

const ROLES: &str = "/api/roles";

/// CVE-2025-61928 (better-auth): no session and a user in the body were taken for a call of the server itself.
fn cve_2025_61928_nobody_is_no_caller(server: &Server) {
    let manager = server.as_key_manager();
    let own = listed(&server.as_fusion_admin());
    let client = server.anonymous();
    for extra in [
        json!({}),
        json!({"userId": own[0]}),
        json!({"userId": null, "rateLimitEnabled": false}),
        json!({"id": uuid()}),
    ] {
        let mut flat = json!({"name": unique("anonymous"), "roles": ["admin"]});
        flat.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        let mut envelope = json!({"apiKey": {"keyManager": true}, "sourceKeyId": own[0]});
        envelope.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        for body in [&flat, &envelope] {
            for anonymous in [
                client.clone(),
                client.with_header("x-api-key", ""),
                client.with_header("apiKey", " "),
                client.with_header("Authorization", ""),
                client.with_header("Cookie", "access_token=x; apiKey=x"),
                client.with_header("X-FusionAuth-TenantId", &server.default_tenant()),
            ] {
                anonymous.post(API_KEYS, body).denied();
                anonymous.post(&path(&uuid()), body).denied();
                anonymous.put(&path(&own[0]), body).denied();
                anonymous.post(ROLES, body).denied();
            }
        }
    }
    assert_eq!(listed(&server.as_fusion_admin()), own);
    manager.get(&path(&own[0])).ok();
}

/// CVE-2024-24747 (MinIO): new keys had the rights of their maker, and could change their own policy.
fn cve_2024_24747_keys_do_not_inherit_from_their_maker(server: &Server) {
    let admin = server.as_fusion_admin();
    for body in [
        json!({"name": "no roles"}),
        json!({"name": "null roles", "roles": null}),
        json!({"name": "empty roles", "roles": []}),
        json!({"name": "other members", "role": "admin", "Roles": ["admin"], "permissions": null, "policy": "*"}),
    ] {
        let key = FusionKey::of(&admin.post(API_KEYS, &body).ok());
        powerless(server, &key.value);
        assert_eq!(seen_in_a(server, &key.id)["permissions"], json!({"endpoints": {"/api/key": []}}));
    }
    let role = server.role(&["GET,POST,PUT,DELETE:/roles/**"]);
    let key = server.fusion_key(&[&role.name], None);
    let before = powers(server, &key.value);
    let client = server.with_fusion_key(&key.value);
    let wider = json!({"name": role.name, "permissions": ["GET,POST,PUT,DELETE,PATCH,HEAD:/**"]});
    client.put(&role.path(), &wider).denied();
    client.post(ROLES, &wider).denied();
    server.with_key(&key.value).patch(&key.path(), &json!({"apiKey": {"permissions": null}})).denied();
    assert_eq!(powers(server, &key.value), before);
}

/// CVE-2025-62506 (MinIO): the policy of a session was forgotten when it made a key for its own account.
fn cve_2025_62506_a_restricted_key_makes_no_wider_one_beside_it(server: &Server) {
    let tenant = server.tenant();
    let only = Permissions::Only("GET:/api/tenant".parse().unwrap());
    let [manager] = server.command_line_api_keys([("restricted", true, only, Some(&tenant))]);
    let reader = server.role(&["GET:/tenant"]);
    let client = server.with_fusion_key(&manager.value);
    for client in [client.clone(), client.in_tenant(&tenant)] {
        for roles in [["admin"], ["search"], [reader.name.as_str()]] {
            client.post(API_KEYS, &json!({"name": unique("wider"), "roles": roles})).denied();
        }
        let key = FusionKey::of(&client.post(API_KEYS, &json!({"name": unique("nothing")})).ok());
        powerless(server, &key.value);
    }
    // The same account by another way: a copy, and a change of what it has.
    let source = server.fusion_key(&["search"], Some(&tenant));
    let source = seen_in_a(server, &source.id)["id"].clone();
    let copy = json!({"sourceKeyId": source, "apiKey": {"name": unique("copy")}});
    server.with_key(&manager.value).post(API_KEYS, &copy).refused(&["sourceKeyId [invalid]sourceKeyId"]);
}

/// CVE-2024-55949 (MinIO): the import of many objects skipped the check that each single call makes.
fn cve_2024_55949_there_is_no_bulk_call(server: &Server) {
    let (manager, admin) = (server.as_key_manager(), server.as_fusion_admin());
    let before = (listed(&admin), admin.get(ROLES).ok());
    let flat = json!({"name": "one of many", "roles": ["search"]});
    let envelope = json!({"apiKey": {"name": "one of many"}});
    for one in [&flat, &envelope] {
        for many in [json!([one]), json!([one, one]), json!([])] {
            manager.post(API_KEYS, &many).refused(&["[invalidJSON]"]);
            manager.put(API_KEYS, &many).not_found();
            manager.patch(API_KEYS, &many).not_found();
            refused(&admin.post(API_KEYS, &many), 400, "invalid-json");
            refused(&admin.put(API_KEYS, &many), 405, "method-not-allowed");
            refused(&admin.post(ROLES, &many), 400, "invalid-json");
            refused(&admin.put(ROLES, &many), 405, "method-not-allowed");
        }
        for wrapped in [
            json!({"apiKeys": [one]}),
            json!({"keys": [one]}),
            json!({"roles": [one]}),
            json!({"apiKey": [one]}),
        ] {
            assert_eq!(manager.post(API_KEYS, &wrapped).status, 400, "{wrapped}");
            assert_eq!(admin.post(API_KEYS, &wrapped).status, 400, "{wrapped}");
            assert_eq!(admin.post(ROLES, &wrapped).status, 400, "{wrapped}");
        }
    }
    for word in ["bulk", "import", "batch", "search"] {
        // A search makes nothing either.
        let code = if word == "search" { "[invalidJSON]" } else { "apiKeyId [couldNotConvert]apiKeyId" };
        manager.post(&path(word), &envelope).refused(&[code]);
        refused(&admin.post(&path(word), &flat), 405, "method-not-allowed");
        refused(&admin.post(&format!("{ROLES}/{word}"), &flat), 405, "method-not-allowed");
    }
    assert_eq!((listed(&admin), admin.get(ROLES).ok()), before);
}

/// CVE-2026-56654 (Gitea): a narrow token made a wider one.
fn cve_2026_56654_a_narrow_key_mints_no_wider_one(server: &Server) {
    let held = "GET:/x/{id}:id=1,2";
    let role = server.role(&["GET,POST,PUT,DELETE:/roles/**", "GET,POST,DELETE:/api-key/**", held]);
    let key = server.fusion_key(&[&role.name], None);
    for client in [server.with_key(&key.value), server.with_fusion_key(&key.value)] {
        // It makes no key at all, the same one included.
        for roles in [vec![], vec![role.name.as_str()], vec!["admin"]] {
            client.post(API_KEYS, &json!({"name": unique("minted"), "roles": roles})).denied();
        }
        client.post(API_KEYS, &json!({"apiKey": {}})).denied();
        for wider in [
            "GET:/x/*",
            "GET:/x/**",
            "GET:/x/3",
            "GET:/x/{id}:id=1,2,3",
            "GET,HEAD:/x/1",
            "POST:/x/1",
            "GET:/x",
        ] {
            let made = client.post(ROLES, &json!({"name": unique("minted"), "permissions": [held, wider]}));
            made.denied();
            let body = json!({"name": role.name, "permissions": [held, wider]});
            client.put(&role.path(), &body).denied();
        }
        assert_eq!(client.post(ROLES, &json!({"name": unique("minted"), "permissions": [held]})).status, 201);
    }
}

/// What some program on the way could take for `admin`.
const ALMOST_ADMIN: [&str; 10] = [
    "Admin",
    "ADMIN",
    "admin\u{200b}",
    "\u{feff}admin",
    "\u{ff41}\u{ff44}\u{ff4d}\u{ff49}\u{ff4e}",
    "adm\u{131}n",
    "\u{430}dmin",
    "admin.",
    "./admin",
    "admi\u{6e}\u{301}",
];

/// CVE-2025-5999 and CVE-2025-54996 (Vault, OpenBao): the name of a policy became `root` only after it had been compared.
fn cve_2025_5999_cve_2025_54996_names_that_normalise_to_admin(server: &Server) {
    let admin = server.as_fusion_admin();
    for name in ALMOST_ADMIN {
        let body = json!({"name": unique("almost"), "roles": [name]});
        refused(&admin.post(API_KEYS, &body), 400, "unknown-role");
    }
    for name in ALMOST_ADMIN {
        let created = admin.post(ROLES, &json!({"name": name}));
        assert_eq!(created.status, 201, "{name:?}: {}", created.text());
        let document = created.json();
        assert_eq!(document["name"], json!(name));
        let key = server.fusion_key(&[name], None);
        powerless(server, &key.value);
        let seen = seen_in_a(server, &key.id);
        assert_eq!(seen["keyManager"], json!(false), "{name:?}");
        assert_eq!(seen["permissions"], json!({"endpoints": {"/api/key": []}}));
        // And it is no name that protects: what it allows is its own.
        let role = TestRole { id: document["id"].as_str().unwrap().to_owned(), name: name.to_owned() };
        admin.put(&role.path(), &json!({"name": name, "permissions": ["GET:/x"]})).ok();
        powerless(server, &key.value);
        refused(&admin.put(&role.path(), &json!({"name": "admin"})), 409, "already-exists");
        refused(&admin.delete(&role.path()), 409, "in-use");
    }
    refused(&admin.post(ROLES, &json!({"name": "admin"})), 409, "already-exists");
    // White space and characters of control are no part of the comparison either: there are no such names.
    for name in [" admin", "admin ", "admin\n", "admin\0", "\tadmin", "admin,admin"] {
        assert_eq!(admin.post(ROLES, &json!({"name": name})).status, 400, "{name:?}");
        assert_eq!(admin.post(API_KEYS, &json!({"name": "x", "roles": [name]})).status, 400, "{name:?}");
    }
}

/// CVE-2025-64761 (OpenBao): the policy of a group could name root where that of a token could not.
fn cve_2025_64761_no_other_kind_of_rule_names_admin(server: &Server) {
    // Neither attributes, nor endpoints, nor values of variables name a role.
    let manager = server.as_key_manager();
    for members in [
        json!({"metaData": {"attributes": {"fusion.roles": "admin"}}, "permissions": {"endpoints": {}}}),
        json!({"permissions": {"endpoints": {"admin": ["GET"]}}}),
        json!({"permissions": {"endpoints": {"/admin": ["GET"], "/**": ["GET"], "/api/**": ["GET"]}}}),
        json!({"permissions": {"roles": ["admin"], "endpoints": {}}}),
        json!({"roles": ["admin"], "permissions": {"endpoints": {}}}),
    ] {
        let reply = manager.post(API_KEYS, &json!({"apiKey": members}));
        if reply.status == 200 {
            powerless(server, reply.json()["apiKey"]["key"].as_str().unwrap());
        } else {
            assert_eq!(reply.status, 400, "{members}");
        }
    }
    for lines in [&["GET:/{role}:role=admin"][..], &["GET:/admin"], &["OPTIONS:/**"]] {
        powerless(server, &server.fusion_key(&[&server.role(lines).name], None).value);
    }
    // A restricted manager gets no further by a role than by a list, and no further by a list than by a role.
    let only = Permissions::Only("GET:/api/key".parse().unwrap());
    let [restricted] = server.command_line_api_keys([("restricted", true, only, None)]);
    let (fusion, fusionauth) =
        (server.with_fusion_key(&restricted.value), server.with_key(&restricted.value));
    fusion.post(API_KEYS, &json!({"name": "x", "roles": ["admin"]})).denied();
    fusion.post(ROLES, &json!({"name": "x", "permissions": ["GET:/key"]})).denied();
    let wider = json!({"apiKey": {"permissions": {"endpoints": {"/api/key": ["GET", "DELETE"]}}}});
    assert_eq!(fusionauth.post(API_KEYS, &wider).status, 400);
}

/// CVE-2026-30836 and CVE-2025-44005 (step-ca): one kind of message, and one path, never came to the check.
fn cve_2026_30836_cve_2025_44005_no_call_skips_the_check(server: &Server) {
    let target = server.unrestricted();
    let role = server.role(&[]);
    let key = server.fusion_key(&[], None);
    let bodies: [Option<Value>; 3] = [
        None,
        Some(json!({"name": "x", "roles": ["admin"]})),
        Some(json!({"apiKey": {"permissions": null}})),
    ];
    for method in ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"] {
        for path in [
            API_KEYS.to_owned(),
            format!("{API_KEYS}/"),
            target.path(),
            format!("{}/rotate", target.path()),
            format!("{API_KEYS}/search"),
            key.path(),
            ROLES.to_owned(),
            role.path(),
            "/api/authorize".to_owned(),
        ] {
            for client in [server.with_key(&key.value), server.with_fusion_key(&key.value)] {
                for body in &bodies {
                    let reply = client.send(method, &path, body.as_ref());
                    assert!(matches!(reply.status, 401 | 404 | 405), "{method} {path}: {}", reply.status);
                }
            }
        }
    }
    assert!(
        ROUTES.iter().filter(|route| matches!(route.guard, Guard::KeyManager | Guard::Roles)).count() == 20
    );
    seen_in_a(server, &target.id);
    server.as_fusion_admin().get(&role.path()).ok();
}

/// CVE-2026-28699 (Gitea): one way to send a credential left its scope unset, and that meant all.
fn cve_2026_28699_a_scope_cannot_be_left_unset(server: &Server) {
    // The same key has the same rights in both dialects, on every path that does not tell them apart.
    let role = server.role(&["GET:/tenant/**"]);
    let key = server.fusion_key(&[&role.name], None);
    let mut allowed = 0;
    let both =
        |route: &&Route| route.dialect != Some(Dialect::FusionAuth) && !route.template.starts_with("/{");
    for route in ROUTES.iter().filter(both) {
        let path = route.template.split('{').next().unwrap().trim_end_matches('/');
        for client in
            [server.with_fusion_key(&key.value), server.anonymous().with_header("apiKey", &key.value)]
        {
            let status = client.get(path).status;
            let open = matches!(route.guard, Guard::Public);
            let in_role = matches!(path, "/api/tenant" | "/api/tenant/search");
            assert_eq!(status == 200, open && status == 200 || in_role, "{path}: {status}");
            allowed += usize::from(in_role);
        }
    }
    assert!(allowed > 0);
}
