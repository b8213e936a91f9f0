//! What is no live token of an entity, or of one that counts here: 401, as for a bad API key.

use claviger_domain::KeyAlgorithm;
use serde_json::{Value, json};

use super::super::{Told, ask};
use super::{Known, World, audience, bearing, der, sign, with};
use crate::support::{Reply, Server, unique, uuid};
use crate::token::{configure, text};

on_each_database! {
    own: other_tokens_and_credentials_are_unknown, the_grant_stands_in_the_header, claims_are_required,
        tokens_end_to_the_second, keys_of_other_places_do_not_count, no_algorithm_is_taken_for_another,
        entities_of_other_tenants_do_not_count, without_the_setting_there_are_none;
}

/// What can be compared of an answer; the order of the headers is that of a hash map.
fn comparable(reply: &Reply) -> Vec<(String, String)> {
    let mut headers = reply.unknown().headers.clone();
    headers.retain(|(name, _)| !matches!(name.as_str(), "x-request-id" | "date"));
    headers.sort();
    headers
}

fn other_tokens_and_credentials_are_unknown(server: &Server) {
    let world = World::new(server);
    let good = world.token();
    world.accepts(&good);
    let server = &world.server;
    let bad_key = comparable(&ask(&server.with_key("no key has this value"), "GET", "/v1/orders"));
    let (signed, signature) = good.rsplit_once('.').unwrap();
    let (header, claims) = signed.split_once('.').unwrap();
    let key = server.unrestricted().value;
    let secret =
        server.as_key_manager().get(&super::entity_path(&world.entity)).ok()["entity"]["clientSecret"]
            .clone();
    // Signed by the same key, with the same claims.
    let vended = server.as_key_manager().in_tenant(&world.tenant).post("/api/jwt/vend", &json!({
        "keyId": world.key.id(), "timeToLiveInSeconds": 60, "claims": with(&world.claims(), &json!({"gty": ["client_credentials"]}))}));
    let vended = text(&vended.ok(), "token").to_owned();
    for token in [
        "",
        "x",
        "a.b.c",
        "..",
        "eyJ.eyJ.x",
        &key,
        secret.as_str().unwrap(),
        signed,
        &format!("{signed}."),
        &format!("{good}."),
        &format!("{good}.{signature}"),
        &format!("{header}.{signature}.{claims}"),
        &format!("{good}, {good}"),
        &format!("{good} {good}"),
        &format!("x{good}"),
        &format!("{good}x"),
        &format!("{signed}.{}", "A".repeat(signature.len())),
        &vended,
        &"a".repeat(3000),
    ] {
        assert_eq!(comparable(&world.ask(token, "GET", "/v1/orders")), bad_key, "{token}");
    }
    // A token stands behind one scheme of one header.
    for value in [
        good.clone(),
        format!("JWT {good}"),
        format!("DPoP {good}"),
        format!("Bearer{good}"),
        format!("Basic {good}"),
    ] {
        assert_eq!(comparable(&ask(&server.with_key(&value), "GET", "/v1/orders")), bad_key, "{value}");
    }
    for name in ["x-api-key", "apikey"] {
        for value in [good.clone(), format!("Bearer {good}")] {
            assert_eq!(
                comparable(&ask(&server.anonymous().with_header(name, &value), "GET", "/v1/orders")),
                bad_key
            );
        }
    }
    let cookie = server.anonymous().with_header("Cookie", &format!("access_token={good}"));
    assert_eq!(comparable(&ask(&cookie, "GET", "/v1/orders")), bad_key);
    assert_eq!(
        comparable(&ask(&server.anonymous(), "GET", &format!("/v1/orders?access_token={good}"))),
        bad_key
    );
    // Two credentials are none, whatever they are worth.
    for (name, value) in [
        ("x-api-key", &key),
        ("apikey", &key),
        ("Authorization", &key),
        ("Authorization", &format!("Bearer {good}")),
    ] {
        assert_eq!(
            comparable(&ask(&world.bearing(&good).with_header(name, value), "GET", "/v1/orders")),
            bad_key
        );
    }
    // The value of an API key may look like a token; it is one nowhere, and stays a key.
    let twin = with(&world.claims(), &json!({"permissions": {audience(): ["GET:/other"]}}));
    let value = world.key.sign(&world.key.header(), &twin);
    server.api_key(json!({"key": value, "permissions": {"endpoints": {"/v1": ["GET"]}}}));
    ask(&server.with_key(&value), "GET", "/v1/orders").let_through();
    world.ask(&value, "GET", "/v1/orders").forbidden();
    world.accepts(&good);
}

fn the_grant_stands_in_the_header(server: &Server) {
    let world = World::new(server);
    let signed = |header: Value| world.key.sign(&with(&world.key.header(), &header), &world.claims());
    for header in [
        json!({"gty": ["refresh_token", "client_credentials"]}),
        json!({"use": "scim_server"}),
        json!({"typ": "at+jwt"}),
        json!({"typ": null}),
    ] {
        world.accepts(&signed(header));
    }
    for header in [
        json!({"gty": null}),
        json!({"gty": []}),
        json!({"gty": "client_credentials"}),
        json!({"gty": ["Client_Credentials"]}),
        json!({"gty": ["authorization_code", "refresh_token"]}),
        json!({"gty": ["client_credentials", 7]}),
        json!({"gty": [["client_credentials"]]}),
        json!({"gty": {"client_credentials": true}}),
        json!({"kid": null}),
        json!({"kid": unique("no such kid")}),
        json!({"kid": 7}),
        json!({"alg": "none"}),
        json!({"alg": "HS512"}),
        json!({"alg": null}),
        json!({"crit": ["exp"]}),
        json!({"jwk": {"kty": "oct", "k": "AA"}}),
        json!({"typ": "JOSE"}),
    ] {
        world.ask(&signed(header.clone()), "GET", "/v1/orders").unknown();
    }
}

fn claims_are_required(server: &Server) {
    let world = World::new(server);
    let user = uuid();
    for claims in [
        json!({"sub": null}),
        json!({"sub": user}),
        json!({"sub": user, "roles": ["admin"], "applicationId": uuid()}),
        json!({"sub": [world.entity]}),
        json!({"sub": world.tenant}),
        json!({"tid": null}),
        json!({"tid": world.server.tenant()}),
        json!({"tid": world.server.default_tenant()}),
        json!({"tid": uuid()}),
        json!({"tid": 7}),
        json!({"exp": null}),
        json!({"exp": format!("{}", world.server.now() / 1000 + 60)}),
        json!({"exp": 1e300}),
        json!({"exp": -1}),
        json!({"aud": 7}),
        json!({"aud": {audience(): true}}),
        json!({"aud": [audience(), 7]}),
        json!({"aud": [audience(), "orders"]}),
        json!({"aud": format!("{} ", audience())}),
        json!({"permissions": ["GET:/v1"]}),
        json!({"permissions": "GET:/v1"}),
        json!({"permissions": {audience(): "GET:/v1"}}),
        json!({"permissions": {audience(): {"GET:/v1": true}}}),
        json!({"permissions": {audience(): ["GET:/v1", 7]}}),
        json!({"permissions": {audience(): ["GET:/v1"], "orders": ["GET:/v1"]}}),
        json!({"permissions": {audience(): ["GET:/v1"], audience().to_uppercase(): ["GET:/v1"]}}),
    ] {
        let reply = world.ask(&world.token_with(claims.clone()), "GET", "/v1/orders");
        assert_eq!(reply.status, 401, "{claims}");
        reply.unknown();
    }
    // A tenant that gets another issuer keeps its tokens.
    let claims = json!({"iss": "another issuer", "iat": null, "scope": null, "jti": null});
    world.accepts(&world.token_with(claims));
}

fn tokens_end_to_the_second(server: &Server) {
    let world = World::new(server);
    let start = world.server.now();
    let token = world.token();
    world.server.set_now(start + 59_999);
    world.accepts(&token);
    world.server.set_now(start + 60_000);
    world.ask(&token, "GET", "/v1/orders").unknown();
    world.server.set_now(start);
    world.accepts(&token);
    let seconds = start / 1000;
    for name in ["iat", "nbf"] {
        let token = world.token_with(json!({name: seconds + 1}));
        world.ask(&token, "GET", "/v1/orders").unknown();
        world.server.set_now(start + 1_000);
        world.accepts(&token);
        world.server.set_now(start);
    }
}

fn keys_of_other_places_do_not_count(server: &Server) {
    let world = World::new(server);
    let server = &world.server;
    let [of_type, of_other_type, of_other_tenant, of_id_tokens, listed, nobodys] =
        [(); 6].map(|()| Known::secret(server));
    let jwt = json!({"accessTokenKeyId": world.key.id(), "accessTokenVerificationKeyIds": [listed.id()],
        "idTokenKeyId": of_id_tokens.id(), "idTokenVerificationKeyIds": [of_id_tokens.id()], "timeToLiveInSeconds": 60});
    configure(server, &world.tenant, jwt);
    configure(
        server,
        &server.tenant(),
        json!({"accessTokenKeyId": of_other_tenant.id(), "timeToLiveInSeconds": 60}),
    );
    configure(
        server,
        &server.default_tenant(),
        json!({"accessTokenKeyId": of_other_tenant.id(), "timeToLiveInSeconds": 60}),
    );
    let other_type = super::entity_type(server);
    let own = |id: &str, enabled: bool| json!({"enabled": enabled, "accessTokenKeyId": id, "accessTokenVerificationKeyIds": [id], "timeToLiveInSeconds": 60});
    let body =
        json!({"entityType": {"name": unique("type"), "jwtConfiguration": own(of_other_type.id(), true)}});
    server.as_key_manager().put(&super::type_path(&other_type), &body).ok();
    let signed = |key: &Known| key.sign(&key.header(), &world.claims());
    let check = |accepted: &[&Known], refused: &[&Known]| {
        for key in accepted {
            world.accepts(&signed(key));
        }
        for key in refused {
            world.ask(&signed(key), "GET", "/v1/orders").unknown();
        }
    };
    let elsewhere = [&of_other_type, &of_other_tenant, &of_id_tokens, &nobodys];
    // The keys of the type count while they are enabled, and those of the tenant while they are not.
    for _ in 0..2 {
        world.configure_type(own(of_type.id(), false));
        check(&[&world.key, &listed], &[&of_type]);
        check(&[], &elsewhere);
        world.configure_type(own(of_type.id(), true));
        check(&[&of_type], &[&world.key, &listed]);
        check(&[], &elsewhere);
    }
    // A key that is named does not sign for another one's kid.
    let header = with(&of_type.header(), &json!({"kid": world.key.kid()}));
    world.ask(&of_type.sign(&header, &world.claims()), "GET", "/v1/orders").unknown();
    let header = with(&nobodys.header(), &json!({"kid": of_type.kid()}));
    world.ask(&nobodys.sign(&header, &world.claims()), "GET", "/v1/orders").unknown();
}

/// CVE-2015-9235 and its kin: the public half, which everybody knows, is no secret of an HMAC.
fn no_algorithm_is_taken_for_another(server: &Server) {
    const P256: &str = include_str!("../../../../../crypto/tests/fixtures/ec-p256.pkcs8.pem");
    const P256_PUBLIC: &str = include_str!("../../../../../crypto/tests/fixtures/ec-p256.spki.pem");
    let world = World::new(server);
    let pair = Known::pair(&world.server, KeyAlgorithm::Es256, P256, P256_PUBLIC);
    configure(
        &world.server,
        &world.tenant,
        json!({"accessTokenKeyId": pair.id(), "timeToLiveInSeconds": 60}),
    );
    world.accepts(&pair.sign(&pair.header(), &world.claims()));
    let shown = text(&pair.key, "publicKey");
    for secret in
        [shown.as_bytes(), format!("{shown}\n").as_bytes(), P256_PUBLIC.as_bytes(), &der(P256_PUBLIC)]
    {
        for alg in ["HS256", "ES256", "none"] {
            let header = with(&pair.header(), &json!({"alg": alg}));
            let token = sign(KeyAlgorithm::Hs256, secret, &header, &world.claims());
            world.ask(&token, "GET", "/v1/orders").unknown();
        }
    }
    // The right key under another name of algorithm.
    for alg in ["HS256", "ES384", "RS256", "es256", "Ed25519"] {
        let header = with(&pair.header(), &json!({"alg": alg}));
        world.ask(&pair.sign(&header, &world.claims()), "GET", "/v1/orders").unknown();
    }
}

fn entities_of_other_tenants_do_not_count(server: &Server) {
    let world = World::new(server);
    let other = world.server.tenant();
    configure(&world.server, &other, json!({"accessTokenKeyId": world.key.id(), "timeToLiveInSeconds": 60}));
    let theirs = world.make_entity(&other, &world.entity_type, None);
    // Their tenant has the same key; the entity that stands for the API is of this one.
    world.ask(&world.token_with(json!({"sub": theirs, "tid": other})), "GET", "/v1/orders").unknown();
    world.ask(&world.token_with(json!({"sub": theirs})), "GET", "/v1/orders").unknown();
    world.ask(&world.token_with(json!({"tid": other})), "GET", "/v1/orders").unknown();
    world.accepts(&world.token());
}

fn without_the_setting_there_are_none(server: &Server) {
    let world = World::new(server);
    let token = world.token();
    world.accepts(&token);
    // The same database, served without it.
    let plain = super::super::behind(server);
    let tenant = plain.tenant();
    let key = Known::secret(&plain);
    configure(&plain, &tenant, json!({"accessTokenKeyId": key.id(), "timeToLiveInSeconds": 60}));
    let world = World { server: plain, tenant, key, ..world };
    let entity_type = super::entity_type(&world.server);
    world.make_entity(&world.tenant, &entity_type, Some(&audience()));
    let entity = world.make_entity(&world.tenant, &entity_type, None);
    let token = world.token_with(json!({"sub": entity}));
    ask(&bearing(&world.server, &token), "GET", "/v1/orders").unknown();
    bearing(&world.server, &token).get("/ext-authz/v1/orders").unknown();
    let question = json!({"authorization": {"token": token, "method": "GET", "path": "/v1/orders"}});
    world.server.as_key_manager().post("/api/authorize", &question).not_found();
}
