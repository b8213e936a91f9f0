//! Who signs, as others see it; and what happens where nobody can.

use claviger_domain::{Actor, ChangeContext, Instant, KeyId, Tenant, TenantId, TenantScope};
use claviger_storage::{StorageError, Store, TxError};
use serde_json::{Value, json};

use super::super::Told;
use super::{ask, give_key, token, unavailable, vending};
use crate::support::{Server, Settings, unique};
use crate::token::foreign::pyjwt::verify_for;
use crate::token::foreign::use_real_time;
use crate::token::{accepted, claims, configure, import_secret, present, text};

on_each_database! {
    own: others_verify_by_the_key_set, a_tenant_without_a_key_that_signs, nobody_vends_one, one_is_no_credential;
}

fn others_verify_by_the_key_set(server: &Server) {
    let server = &vending(server, 60);
    use_real_time(server);
    let (mut tokens, mut secrets) = (Vec::new(), json!({}));
    for algorithm in ["RS256", "ES256", "Ed25519", "HS256"] {
        let tenant = server.tenant();
        if algorithm == "HS256" {
            let secret = unique("a secret that the upstream has as well").repeat(3);
            let key = import_secret(server, algorithm, &secret);
            secrets[text(&key, "kid")] = json!(secret);
            configure(server, &tenant, json!({"accessTokenKeyId": key["id"], "timeToLiveInSeconds": 60}));
        } else {
            give_key(server, &tenant, algorithm);
        }
        let client = server.with_key(&server.api_key(json!({"tenantId": tenant})).value);
        let token = token(&ask(&client, "GET", "/v1"));
        // And ourselves, for the tenant that it is of and for no other.
        let bearer = format!("Bearer {token}");
        assert_eq!(accepted(&present(&server.anonymous().in_tenant(&tenant), &bearer)), claims(&token));
        present(&server.anonymous().in_tenant(&server.tenant()), &bearer).denied();
        tokens.push(token);
    }
    let verify = |audience: &str, issuer: &str| {
        verify_for(server, &tokens, &secrets, &json!(audience), &json!(issuer))
    };
    assert_eq!(verify("orders", "acme.com"), tokens.iter().map(|token| claims(token)).collect::<Vec<_>>());
    assert_eq!(verify("invoices", "acme.com"), [(); 4].map(|()| json!("InvalidAudienceError")));
    assert_eq!(verify("orders", "other.example"), [(); 4].map(|()| json!("InvalidIssuerError")));
}

/// The API gives every tenant a key that signs; a database may come from elsewhere.
fn a_tenant_without_a_key_that_signs(server: &Server) {
    let server = &vending(server, 60);
    let public = include_str!("../../../../../crypto/tests/fixtures/ec-p256.spki.pem");
    let body = json!({"key": {"publicKey": public, "kid": unique("public"), "name": unique("public")}});
    let public = server.as_key_manager().post("/api/key/import", &body).ok()["key"]["id"].clone();
    let shadow = json!("c753a44d-7f2e-48d3-bc4e-c2c16488a23b");
    for key in [None, Some(public), Some(shadow)] {
        let tenant = server.tenant();
        let client = server.with_key(&server.api_key(json!({"tenantId": tenant})).value);
        token(&ask(&client, "GET", "/v1"));
        let key_id = key.as_ref().map(|id| id.as_str().unwrap().parse::<KeyId>().unwrap());
        let (id, now) = (tenant.parse::<TenantId>().unwrap(), Instant::from_epoch_millis(server.now()));
        server.while_stopped(|options| {
            let context = ChangeContext { actor: Actor::System, instant: now, address: None };
            let store = Store::open(options).unwrap();
            store
                .write::<_, StorageError, _>(&context, move |tx| {
                    let found =
                        tx.find_tenant(id, TenantScope::All)?.ok_or(TxError::Abort(StorageError::Stale))?;
                    let mut jwt = found.jwt.clone();
                    jwt.access_token_key_id = key_id;
                    tx.update_tenant(&Tenant { jwt, ..found })?;
                    Ok(())
                })
                .unwrap();
        });
        let client = |value: &str| server.with_key(value);
        let bound = server.api_key(json!({"tenantId": tenant})).value;
        let global = server.unrestricted().value;
        // Twice: the key is read for the first one.
        for _ in 0..2 {
            unavailable(&ask(&client(&bound), "GET", "/v1"));
            unavailable(&ask(&client(&global).in_tenant(&tenant), "GET", "/v1"));
        }
        super::super::ask(&client(&bound), "GET", "/v1").let_through();
        token(&ask(&client(&global), "GET", "/v1"));
    }
}

/// Whoever may vend writes subject and permissions too, and upstreams would believe it. So nobody vends for their audience.
fn nobody_vends_one(server: &Server) {
    let server = &vending(server, 60);
    let tenant = server.tenant();
    let vend = json!({"permissions": {"endpoints": {"/api/jwt/vend": ["POST"]}}});
    let of_tenant = json!({"permissions": {"endpoints": {"/api/jwt/vend": ["POST"]}}, "tenantId": tenant});
    let victim = server.api_key(json!({"tenantId": tenant}));
    for algorithm in ["Ed25519", "RS256"] {
        let key = give_key(server, &tenant, algorithm);
        for members in [&vend, &of_tenant] {
            let client = server.with_key(&server.api_key(members.clone()).value).in_tenant(&tenant);
            let forged = |aud: Value| {
                let claims = json!({"iss": "acme.com", "sub": victim.id, "tid": tenant, "aud": aud,
                    "permissions": ["GET,POST,PUT,DELETE,PATCH,HEAD,OPTIONS:/**"]});
                [json!({"claims": claims}), json!({"claims": claims, "keyId": key["id"]})]
            };
            for aud in [json!("orders"), json!(["orders"]), json!(["a", "orders"]), json!([["orders"]])] {
                for body in forged(aud) {
                    client.post("/api/jwt/vend", &body).refused(&["claims.aud [invalid]claims.aud"]);
                }
            }
            // Every other one is free, as it was.
            for aud in
                [json!("invoices"), json!("Orders"), json!(["order", "orders2"]), json!(null), json!([])]
            {
                for body in forged(aud) {
                    client.post("/api/jwt/vend", &body).ok();
                }
            }
        }
    }
    // Without the setting there are no such tokens, and the audience is like any other.
    let without = server.sibling(Settings::default());
    without.as_key_manager().post("/api/jwt/vend", &json!({"claims": {"aud": "orders"}})).ok();
}

/// A token opens nothing here, wherever it is presented, and no further token can be had for it.
fn one_is_no_credential(server: &Server) {
    let server = &vending(server, 60);
    let key = server.unrestricted();
    let token = token(&ask(&server.with_key(&key.value), "GET", "/v1"));
    let bearer = format!("Bearer {token}");
    let jwt = format!("JWT {token}");
    for value in [&token, &bearer, &jwt] {
        let client = server.with_key(value);
        ask(&client, "GET", "/v1").unknown();
        client.get("/ext-authz/v1").unknown();
        client.get("/api/system/version").denied();
        client.post("/api/jwt/vend", &json!({"claims": {}})).denied();
    }
    for name in ["X-Api-Key", "X-Claviger-Upstream-Token", "Cookie"] {
        let value = if name == "Cookie" { format!("access_token={token}") } else { token.clone() };
        let client = server.anonymous().with_header(name, &value);
        ask(&client, "GET", "/v1").unknown();
        client.get("/api/system/version").denied();
    }
}
