//! Which keys count for which tokens: rotation, imported public keys, deletion, and a key that comes back changed.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use claviger_domain::KeyAlgorithm;
use serde_json::{Value, json};

use super::{
    accepted, configure, forge, generate, import, import_secret, part, path, present, text, validate, vend,
    vend_as,
};
use crate::support::server::START;
use crate::support::{Reply, Server, unique, uuid};

on_each_database! {
    shared: keys_that_only_verify_count_where_they_are_listed, lists_of_id_tokens_do_not_count,
        own_keys_count_for_the_tenants_that_name_them, keys_are_rotated, a_deleted_key_is_dead_at_once,
        a_key_that_comes_back_is_another, a_kid_can_move_to_another_key, a_renamed_key_goes_on;
    own: the_default_tenant_has_a_list_too;
}

const PRIVATE: &str = include_str!("../../../../crypto/tests/fixtures/ec-p256.pkcs8.pem");
const PUBLIC: &str = include_str!("../../../../crypto/tests/fixtures/ec-p256.spki.pem");
const CERTIFICATE: &str = include_str!("../../../../crypto/tests/fixtures/ec-p256.certificate-v3.pem");

/// A token that only the holder of the private half can have made.
fn token_of_others(kid: &str) -> String {
    let lines: Vec<_> = PRIVATE.lines().filter(|line| !line.starts_with('-')).collect();
    let header = format!(r#"{{"alg":"ES256","kid":"{kid}"}}"#);
    let payload = format!(r#"{{"exp":{},"sub":"of others"}}"#, START / 1000 + 60);
    forge(KeyAlgorithm::Es256, STANDARD.decode(lines.concat()).unwrap(), &header, &payload)
}

fn ask(server: &Server, tenant: &str, token: &str) -> Reply {
    present(&server.anonymous().in_tenant(tenant), &format!("Bearer {token}"))
}

/// Imports the public half, bare or in its certificate.
fn public_halves(server: &Server) -> [Value; 2] {
    [json!({"publicKey": PUBLIC}), json!({"certificate": CERTIFICATE})].map(|mut members| {
        members["kid"] = json!(unique("public half"));
        import(server, members)
    })
}

fn keys_that_only_verify_count_where_they_are_listed(server: &Server) {
    for key in public_halves(server) {
        let (token, id) = (token_of_others(text(&key, "kid")), text(&key, "id"));
        let (lists, does_not) = (server.tenant(), server.tenant());
        let access = generate(server, "Ed25519");
        let list = |ids: Value| {
            let jwt = json!({"accessTokenKeyId": access["id"], "accessTokenVerificationKeyIds": ids,
                "timeToLiveInSeconds": 60});
            configure(server, &lists, jwt);
        };
        for _ in 0..2 {
            ask(server, &lists, &token).denied();
            list(json!([id]));
            assert_eq!(accepted(&ask(server, &lists, &token))["sub"], "of others");
            ask(server, &does_not, &token).denied();
            // Without the header it is the default tenant that counts.
            validate(server, &token).denied();
            list(json!([]));
        }
        ask(server, &lists, &token).denied();
    }
}

fn the_default_tenant_has_a_list_too(server: &Server) {
    let [key, _] = public_halves(server);
    let token = token_of_others(text(&key, "kid"));
    let (default, other) = (server.default_tenant(), server.tenant());
    validate(server, &token).denied();
    let jwt = json!({"accessTokenVerificationKeyIds": [key["id"]], "timeToLiveInSeconds": 60});
    configure(server, &default, jwt.clone());
    accepted(&validate(server, &token));
    accepted(&ask(server, &default, &token));
    ask(server, &other, &token).denied();
    server.while_stopped(|_| ());
    accepted(&validate(server, &token));
    ask(server, &other, &token).denied();
}

fn lists_of_id_tokens_do_not_count(server: &Server) {
    let [key, _] = public_halves(server);
    let tenant = server.tenant();
    configure(server, &tenant, json!({"idTokenVerificationKeyIds": [key["id"]], "timeToLiveInSeconds": 60}));
    ask(server, &tenant, &token_of_others(text(&key, "kid"))).denied();
}

fn own_keys_count_for_the_tenants_that_name_them(server: &Server) {
    let pair = import(
        server,
        json!({"type": "EC", "algorithm": "ES256", "privateKey": PRIVATE, "publicKey": PUBLIC,
            "kid": unique("pair")}),
    );
    let token = token_of_others(text(&pair, "kid"));
    accepted(&validate(server, &token));
    let tenant = server.tenant();
    ask(server, &tenant, &token).denied();
    for member in ["accessTokenKeyId", "idTokenKeyId"] {
        let tenant = server.tenant();
        configure(server, &tenant, json!({member: pair["id"], "timeToLiveInSeconds": 60}));
        accepted(&ask(server, &tenant, &token));
    }
    let listed = json!({"accessTokenVerificationKeyIds": [pair["id"]], "timeToLiveInSeconds": 60});
    configure(server, &tenant, listed);
    accepted(&ask(server, &tenant, &token));
}

fn keys_are_rotated(server: &Server) {
    let (manager, tenant) = (server.as_key_manager(), server.tenant());
    let in_tenant = manager.in_tenant(&tenant);
    let [old, new] = ["RS256", "ES256"].map(|algorithm| generate(server, algorithm));
    configure(server, &tenant, json!({"accessTokenKeyId": old["id"], "timeToLiveInSeconds": 600}));
    let of_old = vend_as(&in_tenant, &json!({}));
    // As documented: the new key signs, the old one goes on the list.
    configure(
        server,
        &tenant,
        json!({"accessTokenKeyId": new["id"], "accessTokenVerificationKeyIds": [old["id"]],
            "timeToLiveInSeconds": 600}),
    );
    let of_new = vend_as(&in_tenant, &json!({}));
    assert!(part(&of_new, 0).contains(text(&new, "kid")));
    for token in [&of_old, &of_new] {
        accepted(&ask(server, &tenant, token));
    }
    let in_use = "keyId [inUse]keyId";
    manager.delete(&path(&old)).refused(&[in_use]);
    accepted(&ask(server, &tenant, &of_old));
    configure(server, &tenant, json!({"accessTokenKeyId": new["id"], "timeToLiveInSeconds": 600}));
    manager.delete(&path(&old)).done();
    ask(server, &tenant, &of_old).denied();
    validate(server, &of_old).denied();
    accepted(&ask(server, &tenant, &of_new));
    manager.delete(&path(&new)).refused(&[in_use]);
}

fn a_deleted_key_is_dead_at_once(server: &Server) {
    for algorithm in ["Ed25519", "HS256", "ES512", "RS256"] {
        let key = generate(server, algorithm);
        let tokens = [0, 1, 2].map(|number| vend(server, &key, json!({"number": number})));
        for token in &tokens {
            accepted(&validate(server, token));
        }
        server.as_key_manager().delete(&path(&key)).done();
        for token in &tokens {
            validate(server, token).denied();
        }
        server
            .as_key_manager()
            .post("/api/jwt/vend", &json!({"keyId": key["id"]}))
            .refused(&["keyId [invalid]keyId"]);
    }
}

/// Imports an HMAC secret under this id and kid.
#[track_caller]
fn import_as(server: &Server, id: &str, kid: &str, algorithm: &str, secret: &str) -> Value {
    let key = json!({"type": "HMAC", "algorithm": algorithm, "secret": secret, "kid": kid,
        "name": unique("comes back")});
    server.as_key_manager().post(&format!("/api/key/import/{id}"), &json!({"key": key})).ok()["key"].take()
}

fn a_key_that_comes_back_is_another(server: &Server) {
    let (id, kid) = (uuid(), unique("same kid"));
    let mut tokens: Vec<(String, String)> = Vec::new();
    for (number, algorithm) in ["HS256", "HS256", "HS512", "HS256"].into_iter().enumerate() {
        let key = import_as(server, &id, &kid, algorithm, &format!("{kid} secret {number}"));
        for (_, old) in &tokens {
            validate(server, old).denied();
        }
        let token = vend(server, &key, json!({"number": number}));
        assert_eq!(accepted(&validate(server, &token))["number"], json!(number));
        // Signed with this secret, as made anew from the same parts.
        let remade = forge(
            algorithm.parse().unwrap(),
            format!("{kid} secret {number}"),
            &part(&token, 0),
            &part(&token, 1),
        );
        assert_eq!(token, remade);
        tokens.push((algorithm.to_owned(), token.clone()));
        let renamed = json!({"key": {"name": unique("renamed")}});
        server.as_key_manager().put(&path(&key), &renamed).ok();
        for (_, old) in &tokens[..number] {
            validate(server, old).denied();
        }
        accepted(&validate(server, &token));
        accepted(&validate(server, &vend(server, &key, json!({}))));
        server.as_key_manager().delete(&path(&key)).done();
        validate(server, &token).denied();
    }
    // The same id with another kid: the old kid is nobody's.
    let key = import_as(server, &id, &unique("other kid"), "HS256", &format!("{kid} secret 3"));
    for (_, old) in &tokens {
        validate(server, old).denied();
    }
    accepted(&validate(server, &vend(server, &key, json!({}))));
}

fn a_kid_can_move_to_another_key(server: &Server) {
    let kid = unique("moving");
    let first = import_as(server, &uuid(), &kid, "HS256", "the first secret of this kid");
    let token = vend(server, &first, json!({}));
    accepted(&validate(server, &token));
    server.as_key_manager().delete(&path(&first)).done();
    let second = import_as(server, &uuid(), &kid, "HS256", "the second secret of this kid");
    validate(server, &token).denied();
    accepted(&validate(server, &vend(server, &second, json!({}))));
    // Only the material counts: with the old one back, its tokens are valid again.
    server.as_key_manager().delete(&path(&second)).done();
    import_as(server, &uuid(), &kid, "HS256", "the first secret of this kid");
    accepted(&validate(server, &token));
}

fn a_renamed_key_goes_on(server: &Server) {
    for key in [
        generate(server, "Ed25519"),
        generate(server, "RS256"),
        import_secret(server, "HS384", "a secret that keeps"),
    ] {
        let before = vend(server, &key, json!({}));
        for _ in 0..3 {
            let renamed = json!({"key": {"name": unique("renamed")}});
            server.as_key_manager().put(&path(&key), &renamed).ok();
            let after = vend(server, &key, json!({}));
            assert_eq!(part(&before, 0), part(&after, 0));
            for token in [&before, &after] {
                accepted(&validate(server, token));
            }
        }
    }
}
