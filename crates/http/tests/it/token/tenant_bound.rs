//! An API key of a tenant makes tokens of that tenant only.

use serde_json::{Value, json};

use super::{accepted, claims, configure, generate, part, present, text, vend_as};
use crate::support::{Client, Server};

on_each_database! {
    shared: a_bound_key_uses_the_keys_of_its_tenant, a_bound_key_names_its_own_tenant, a_global_key_is_free, tenants_that_share_a_key_cannot_speak_for_each_other,
        a_key_that_its_tenant_no_longer_names_is_out_of_reach;
}

/// A tenant with keys of its own, and a client that is bound to it.
struct Bound {
    tenant: String,
    access: Value,
    id: Value,
    listed: Value,
    client: Client,
}

fn bound(server: &Server) -> Bound {
    let tenant = server.tenant();
    let [access, id, listed] = ["Ed25519", "ES256", "HS256"].map(|algorithm| generate(server, algorithm));
    configure(
        server,
        &tenant,
        json!({"accessTokenKeyId": access["id"], "idTokenKeyId": id["id"], "timeToLiveInSeconds": 60,
            "accessTokenVerificationKeyIds": [listed["id"]], "idTokenVerificationKeyIds": [listed["id"]]}),
    );
    let client = server.with_key(&server.api_key(json!({"tenantId": tenant})).value);
    Bound { tenant, access, id, listed, client }
}

fn a_bound_key_uses_the_keys_of_its_tenant(server: &Server) {
    let (own, other) = (bound(server), bound(server));
    for key in [&own.access, &own.id] {
        let token = vend_as(&own.client, &json!({"keyId": key["id"]}));
        assert!(part(&token, 0).contains(text(key, "kid")));
    }
    let shadow = json!({"id": "092dbedc-30af-4149-9c61-b578f2c72f59"});
    let unused = generate(server, "Ed25519");
    for key in [&own.listed, &other.access, &other.id, &other.listed, &unused, &shadow] {
        let body = json!({"keyId": key["id"], "claims": {"tid": own.tenant}});
        own.client.post("/api/jwt/vend", &body).refused(&["keyId [invalid]keyId"]);
    }
    // Neither does the header help: it may name the own tenant only.
    let body = json!({"keyId": other.access["id"]});
    own.client.in_tenant(&own.tenant).post("/api/jwt/vend", &body).refused(&["keyId [invalid]keyId"]);
    own.client.in_tenant(&other.tenant).post("/api/jwt/vend", &body).denied();
}

fn a_bound_key_names_its_own_tenant(server: &Server) {
    let (own, other) = (bound(server), server.tenant());
    for key in [&own.access, &own.id] {
        let token =
            vend_as(&own.client, &json!({"keyId": key["id"], "claims": {"tid": own.tenant, "sub": "s"}}));
        assert_eq!(claims(&token)["tid"], json!(own.tenant));
        let anonymous = server.anonymous().in_tenant(&own.tenant);
        accepted(&present(&anonymous, &format!("Bearer {token}")));
    }
    for tid in [
        json!(other),
        json!(server.default_tenant()),
        json!(own.tenant.to_uppercase()),
        json!(format!("{} ", own.tenant)),
        json!(""),
        json!(null),
        json!([own.tenant]),
        json!({"id": own.tenant}),
    ] {
        for body in [json!({"claims": {"tid": tid}}), json!({"claims": {"tid": tid}, "keyId": own.id["id"]})]
        {
            own.client.post("/api/jwt/vend", &body).refused(&["claims.tid [invalid]claims.tid"]);
        }
    }
    // Only the claim that verifiers read.
    vend_as(&own.client, &json!({"claims": {"TID": other, "nested": {"tid": other}}}));
}

fn tenants_that_share_a_key_cannot_speak_for_each_other(server: &Server) {
    // Both have the key of the default tenant.
    let (one, other) = (server.tenant(), server.tenant());
    let client = server.with_key(&server.api_key(json!({"tenantId": one})).value);
    let token = vend_as(&client, &json!({"claims": {"sub": "admin of the other"}}));
    assert_eq!(claims(&token)["tid"], json!(one));
    let under = |tenant: &str| present(&server.anonymous().in_tenant(tenant), &format!("Bearer {token}"));
    accepted(&under(&one));
    under(&other).denied();
    under(&server.default_tenant()).denied();
    // The issuer is the own one or none.
    let issuer = server.as_key_manager().get(&format!("/api/tenant/{one}")).ok()["tenant"]["issuer"].clone();
    let token = vend_as(&client, &json!({"claims": {"iss": issuer}}));
    assert_eq!(claims(&token)["iss"], issuer);
    for iss in [json!("other.example"), json!(null), json!([issuer]), json!("")] {
        let body = json!({"claims": {"iss": iss}});
        client.post("/api/jwt/vend", &body).refused(&["claims.iss [invalid]claims.iss"]);
    }
}

fn a_global_key_is_free(server: &Server) {
    let (one, other) = (bound(server), bound(server));
    let global = server.with_key(&server.unrestricted().value);
    for client in [&global, &global.in_tenant(&one.tenant), &server.as_key_manager()] {
        for key in [&one.access, &one.listed, &other.id, &other.listed] {
            let body = json!({"keyId": key["id"], "claims": {"tid": other.tenant}});
            let token = vend_as(client, &body);
            assert_eq!(claims(&token)["tid"], json!(other.tenant));
        }
        vend_as(client, &json!({"claims": {"tid": 1}}));
    }
}

fn a_key_that_its_tenant_no_longer_names_is_out_of_reach(server: &Server) {
    let own = bound(server);
    let body = json!({"keyId": own.access["id"]});
    vend_as(&own.client, &body);
    let new = generate(server, "ES256");
    configure(
        server,
        &own.tenant,
        json!({"accessTokenKeyId": new["id"], "idTokenKeyId": own.id["id"], "timeToLiveInSeconds": 60,
            "accessTokenVerificationKeyIds": [own.access["id"]]}),
    );
    own.client.post("/api/jwt/vend", &body).refused(&["keyId [invalid]keyId"]);
    let token = vend_as(&own.client, &json!({}));
    assert!(part(&token, 0).contains(text(&new, "kid")));
}
