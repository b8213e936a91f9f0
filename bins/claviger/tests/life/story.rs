//! What happens, in order.

use std::thread;

use serde_json::{Value, json};

use crate::common::Numbers;
use crate::deployment::{Deployment, Machine, Way, poll, text};
use crate::foreign;
use crate::support::Place;
use crate::watch::{Good, Watch};

/// The permission of orders as gateways read it, and one that they do not.
const PERMISSIONS: [(&str, bool); 2] = [("GET:/v1/orders", false), ("read", true)];

/// How long the client secret before works on, in seconds: long enough for both to be used, on a busy machine too.
const OVERLAP: u64 = 20;

/// A tenant with an API and a client that may use it.
struct Tenant {
    id: String,
    issuer: String,
    /// The id of the key that signs.
    key: String,
    algorithm: &'static str,
    /// An API key of the tenant.
    api_key: String,
    api: Machine,
    client: Machine,
}

pub(crate) fn play(place: &Place) {
    let mut numbers = Numbers::fresh();
    let guarded = numbers.uuid();
    let deployment = Deployment::start(place, &guarded);
    deployment.step("The server starts on an empty database with the first API key, a key manager.");
    let entity_type = entity_type(&deployment);
    let a = Tenant::new(&deployment, "https://a.example", "RS256", &entity_type, &guarded, &mut numbers);
    let b =
        Tenant::new(&deployment, "https://b.example", "ES256", &entity_type, &numbers.uuid(), &mut numbers);

    let watch = Watch::new(deployment.address());
    thread::scope(|scope| {
        let _end = watch.end();
        scope.spawn(|| watch.introspect());
        scope.spawn(|| watch.verify());
        first_tokens(&deployment, &watch, [&a, &b]);
        tenants_are_apart(&deployment, &a, &b);
        rotate_signing_key(&deployment, &watch, &a);
        let client = rotate_client_secret(&deployment, &watch, &a);
        delete_entity(&deployment, &watch, &a, &client);
        delete_tenant(&deployment, &watch, &a, &b);
        let rounds = watch.so_far();
        deployment.step(&format!(
            "Watched all the while: {} introspections and {} verifications by PyJWT, none of which failed.",
            rounds.introspected, rounds.verified
        ));
        assert!(rounds.introspected > 0 && rounds.verified > 0);
    });
    audit_log(&deployment, &a, &b);
    let secrets = deployment.secrets();
    let log = deployment.stop();
    assert!(log.contains("listening"));
    for (what, secret) in secrets {
        assert!(!log.contains(&secret), "{what} is in the server's log");
    }
}

fn entity_type(deployment: &Deployment) -> Value {
    let members = json!({"name": "Orders API"});
    let made = deployment.change(None, "POST", "/api/entity/type", "entityType", &members);
    let path = format!("/api/entity/type/{}/permission", text(&made, "id"));
    for (name, default) in PERMISSIONS {
        let members = json!({"name": name, "isDefault": default});
        deployment.change(None, "POST", &path, "permission", &members);
    }
    deployment.step("A type of entities has two permissions: GET:/v1/orders, and read by default.");
    made
}

/// Generates a key that signs.
fn generate(deployment: &Deployment, name: &str, algorithm: &str, issuer: &str) -> Value {
    let length = if algorithm == "RS256" { 2048 } else { 256 };
    let members = json!({"name": name, "algorithm": algorithm, "length": length, "issuer": issuer});
    deployment.change(None, "POST", "/api/key/generate", "key", &members)
}

/// Makes an entity and returns it with its secret.
fn entity(deployment: &Deployment, tenant: &str, path: &str, name: &str, entity_type: &Value) -> Machine {
    let members = json!({"name": name, "type": {"id": entity_type["id"]}});
    machine(deployment, &deployment.change(Some(tenant), "POST", path, "entity", &members))
}

fn machine(deployment: &Deployment, entity: &Value) -> Machine {
    let secret = text(entity, "clientSecret").to_owned();
    deployment.keep_secret("a client secret", &secret);
    Machine { id: text(entity, "id").to_owned(), client_id: text(entity, "clientId").to_owned(), secret }
}

/// Grants permissions on one entity to another; an empty list stands for the default ones.
fn grant(deployment: &Deployment, on: &Machine, to: &Machine, permissions: &Value) {
    let body = json!({"grant": {"recipientEntityId": to.id, "permissions": permissions}});
    let reply = deployment.manage(None, "POST", &format!("/api/entity/{}/grant", on.id), Some(&body));
    assert_eq!((reply.status, reply.text()), (200, String::new()));
}

impl Tenant {
    fn new(
        deployment: &Deployment,
        issuer: &str,
        algorithm: &'static str,
        entity_type: &Value,
        api: &str,
        numbers: &mut Numbers,
    ) -> Self {
        let key = generate(deployment, &format!("Signs for {issuer}"), algorithm, issuer);
        let key = text(&key, "id").to_owned();
        let id = numbers.uuid();
        let jwt = json!({"accessTokenKeyId": key, "timeToLiveInSeconds": 3600});
        let members = json!({"name": issuer, "issuer": issuer, "jwtConfiguration": jwt});
        deployment.change(None, "POST", &format!("/api/tenant/{id}"), "tenant", &members);
        let members = json!({"name": format!("Operates {issuer}"), "tenantId": id});
        let made = deployment.change(None, "POST", "/api/api-key", "apiKey", &members);
        let api_key = text(&made, "key").to_owned();
        deployment.keep_secret("an API key", &api_key);
        let path = format!("/api/entity/{api}");
        let api = entity(deployment, &id, &path, "orders", entity_type);
        let client = entity(deployment, &id, "/api/entity", "storefront", entity_type);
        grant(deployment, &api, &client, &json!(["GET:/v1/orders", "read"]));
        // The other way round by default.
        grant(deployment, &client, &api, &json!([]));
        deployment.step(&format!(
            "{issuer}: a tenant with an issuer and an {algorithm} key of its own, an API key, two entities and their grants."
        ));
        Self { id, issuer: issuer.to_owned(), key, algorithm, api_key, api, client }
    }
}

/// The header of a token.
fn header(token: &str) -> Value {
    let part = token.split('.').next().unwrap().replace('-', "+").replace('_', "/");
    let padded = format!("{part}{}", "=".repeat((4 - part.len() % 4) % 4));
    serde_json::from_slice(&openssl::base64::decode_block(&padded).unwrap()).unwrap()
}

/// A token of a client for the API, verified by PyJWT, of which the claims are right.
#[track_caller]
fn believed(deployment: &Deployment, tenant: &Tenant, token: &str) {
    let read = foreign::verify(deployment.address(), &tenant.api.id, &tenant.issuer, &[token]).remove(0);
    for (name, expected) in [
        ("aud", json!(tenant.api.id)),
        ("iss", json!(tenant.issuer)),
        ("sub", json!(tenant.client.id)),
        ("tid", json!(tenant.id)),
        ("scope", json!(format!("target-entity:{}", tenant.api.id))),
        ("permissions", json!({&tenant.api.id: ["GET:/v1/orders", "read"]})),
    ] {
        assert_eq!(read[name], expected, "{name} in {read}");
    }
    assert_eq!(read["exp"].as_u64().unwrap() - read["iat"].as_u64().unwrap(), 3600);
    let header = header(token);
    assert_eq!((&header["alg"], &header["gty"]), (&json!(tenant.algorithm), &json!(["client_credentials"])));
}

fn first_tokens(deployment: &Deployment, watch: &Watch, tenants: [&Tenant; 2]) {
    for tenant in tenants {
        let tokens: Vec<_> = [Way::Basic, Way::Form]
            .map(|way| {
                let token = deployment.token(&tenant.client, way, Some(&tenant.api.id));
                believed(deployment, tenant, &token);
                // Both sides may ask.
                assert!(deployment.is_active(&tenant.client, &token));
                assert!(deployment.is_active(&tenant.api, &token));
                token
            })
            .into();
        // A default permission, by the grant that named none.
        let token = deployment.token(&tenant.api, Way::Basic, Some(&tenant.client.id));
        let read =
            foreign::verify(deployment.address(), &tenant.client.id, &tenant.issuer, &[&token]).remove(0);
        assert_eq!(read["permissions"], json!({&tenant.client.id: ["read"]}), "{read}");
        watch.change(|good| {
            good.push(Good {
                machine: tenant.client.clone(),
                audience: tenant.api.id.clone(),
                issuer: tenant.issuer.clone(),
                tokens,
            });
        });
        deployment.step(&format!(
            "{}: tokens by Basic and by form, signed with {}; PyJWT and introspection agree on their claims.",
            tenant.issuer, tenant.algorithm
        ));
    }
}

fn tenants_are_apart(deployment: &Deployment, a: &Tenant, b: &Tenant) {
    let issuer = |tenant: &Tenant| {
        let found = deployment.anonymous(&format!("/{}/.well-known/openid-configuration", tenant.id));
        text(&found.ok(), "issuer").to_owned()
    };
    assert_eq!((issuer(a), issuer(b)), (a.issuer.clone(), b.issuer.clone()));
    for (own, other) in [(a, b), (b, a)] {
        let token = deployment.token(&own.client, Way::Basic, Some(&own.api.id));
        // Nobody there may ask about it, nobody who insists on the issuer believes it, and nothing of theirs can be its target.
        let reply = deployment.introspect(&other.client, &token);
        assert_eq!((reply.status, error(&reply.text())), (401, "invalid_client".to_owned()));
        let read = foreign::verify(deployment.address(), &own.api.id, &other.issuer, &[&token]);
        assert_eq!(read, [json!("InvalidIssuerError")]);
        let read = foreign::verify(deployment.address(), &other.api.id, &own.issuer, &[&token]);
        assert_eq!(read, [json!("InvalidAudienceError")]);
        let reply = deployment.ask(&own.client, Way::Basic, Some(&other.api.id));
        assert_eq!(reply.status, 400, "{}", reply.text());
        let path = format!("/api/entity/{}", other.client.id);
        assert_eq!(deployment.with_key(&own.api_key, "GET", &path, None).status, 404);
    }
    // The gateway stands before the API of A.
    let of_a = deployment.token(&a.client, Way::Basic, Some(&a.api.id));
    let of_b = deployment.token(&b.client, Way::Basic, Some(&b.api.id));
    assert_eq!(deployment.gateway(&of_a), 200);
    assert!(matches!(deployment.gateway(&of_b), 401 | 403));
    deployment.step(
        "Tokens of one tenant are refused in the other one's world: by introspection, PyJWT and the gateway.",
    );
}

fn error(body: &str) -> String {
    text(&serde_json::from_str(body).unwrap(), "error").to_owned()
}

/// Waits until both watchers have gone round with everything as it is now.
fn watched(watch: &Watch) {
    let before = watch.so_far();
    poll("the watchers", || watch.went_on_since(before));
}

fn rotate_signing_key(deployment: &Deployment, watch: &Watch, tenant: &Tenant) {
    let path = format!("/api/tenant/{}", tenant.id);
    let old_key = format!("/api/key/{}", tenant.key);
    watched(watch);
    let old = deployment.token(&tenant.client, Way::Form, Some(&tenant.api.id));
    let new_key = generate(deployment, "Signs from now on", tenant.algorithm, &tenant.issuer);
    deployment.step(&format!("{}: a second key is generated; the key set shows both.", tenant.issuer));
    watched(watch);

    let jwt = json!({"accessTokenKeyId": new_key["id"], "accessTokenVerificationKeyIds": [tenant.key]});
    deployment.change(None, "PATCH", &path, "tenant", &json!({"jwtConfiguration": jwt}));
    let new = deployment.token(&tenant.client, Way::Basic, Some(&tenant.api.id));
    assert_eq!(header(&new)["kid"], new_key["kid"]);
    assert_ne!(header(&old)["kid"], new_key["kid"]);
    believed(deployment, tenant, &new);
    for token in [&old, &new] {
        assert!(deployment.is_active(&tenant.client, token));
        assert_eq!(deployment.gateway(token), 200);
    }
    watch.change(|good| {
        let group = good.iter_mut().find(|group| group.issuer == tenant.issuer).unwrap();
        group.tokens.extend([old.clone(), new.clone()]);
    });
    deployment.step("It signs now, and the old one is listed for verification: tokens of both are good.");
    watched(watch);

    let reply = deployment.manage(None, "DELETE", &old_key, None);
    assert_eq!(reply.status, 400, "{}", reply.text());
    assert!(reply.text().contains("[inUse]keyId"), "{}", reply.text());
    deployment.step("The old key cannot be deleted: it is in use.");

    watch.change(|good| {
        let group = good.iter_mut().find(|group| group.issuer == tenant.issuer).unwrap();
        group.tokens = vec![new.clone()];
    });
    let mut stored = deployment.manage(None, "GET", &path, None).ok()["tenant"].take();
    stored["jwtConfiguration"]["accessTokenVerificationKeyIds"] = json!([]);
    deployment.change(None, "PUT", &path, "tenant", &stored);
    assert!(!deployment.is_active(&tenant.client, &old));
    assert_eq!(deployment.gateway(&old), 401);
    assert!(deployment.is_active(&tenant.client, &new));
    assert_eq!(deployment.gateway(&new), 200);
    deployment.step("The old key is taken off the list: its tokens are refused from then on, those of the new one are good.");

    assert_eq!(deployment.manage(None, "DELETE", &old_key, None).status, 200);
    let published = deployment.anonymous("/.well-known/jwks.json").ok().to_string();
    assert!(!published.contains(text(&header(&old), "kid")));
    assert!(published.contains(text(&new_key, "kid")));
    deployment.step("Now it can be deleted, and is gone from the key set.");
    watched(watch);
}

/// Returns the client with its new secret.
fn rotate_client_secret(deployment: &Deployment, watch: &Watch, tenant: &Tenant) -> Machine {
    let body = json!({"gracePeriodInSeconds": OVERLAP});
    let path = format!("/api/entity/{}/rotate-secret", tenant.client.id);
    let rotated = deployment.manage(None, "POST", &path, Some(&body)).ok()["entity"].take();
    let new = machine(deployment, &rotated);
    assert_ne!(new.secret, tenant.client.secret);
    for machine in [&tenant.client, &new] {
        for way in [Way::Basic, Way::Form] {
            let token = deployment.token(machine, way, Some(&tenant.api.id));
            assert!(deployment.is_active(machine, &token));
        }
    }
    watch.change(|good| {
        let group = good.iter_mut().find(|group| group.issuer == tenant.issuer).unwrap();
        group.machine = new.clone();
    });
    deployment.step(&format!("A client gets a new secret: for {OVERLAP} seconds both get tokens."));
    poll("the end of the old secret", || {
        (deployment.ask(&tenant.client, Way::Basic, Some(&tenant.api.id)).status == 401).then_some(())
    });
    for way in [Way::Basic, Way::Form] {
        let reply = deployment.ask(&tenant.client, way, Some(&tenant.api.id));
        assert_eq!((reply.status, error(&reply.text())), (401, "invalid_client".to_owned()));
        deployment.token(&new, way, Some(&tenant.api.id));
    }
    deployment.step("After that the new one alone does.");
    watched(watch);
    new
}

fn delete_entity(deployment: &Deployment, watch: &Watch, tenant: &Tenant, client: &Machine) {
    let token = deployment.token(client, Way::Basic, Some(&tenant.api.id));
    let of_api = deployment.token(&tenant.api, Way::Basic, None);
    watch.change(|good| good.retain(|group| group.issuer != tenant.issuer));
    let path = format!("/api/entity/{}", client.id);
    assert_eq!(deployment.manage(Some(&tenant.id), "DELETE", &path, None).status, 200);
    assert!(!deployment.is_active(&tenant.api, &token));
    assert_eq!(deployment.gateway(&token), 401);
    assert_eq!(deployment.introspect(client, &token).status, 401);
    assert_eq!(deployment.ask(client, Way::Basic, None).status, 401);
    assert_eq!(deployment.manage(None, "GET", &path, None).status, 404);
    let grants = deployment.manage(None, "GET", &format!("/api/entity/{}/grant", tenant.api.id), None).ok();
    assert_eq!(grants, json!({"grants": []}));
    // Its tokens go with it, and no others.
    assert!(deployment.is_active(&tenant.api, &of_api));
    deployment
        .step("An entity is deleted: its tokens, its secret and its grants are dead at once, and no others.");
}

fn delete_tenant(deployment: &Deployment, watch: &Watch, going: &Tenant, staying: &Tenant) {
    let token = deployment.token(&going.api, Way::Basic, None);
    assert_eq!(deployment.with_key(&going.api_key, "GET", "/api/tenant", None).status, 200);
    let path = format!("/api/tenant/{}", going.id);
    assert_eq!(deployment.manage(None, "DELETE", &path, None).status, 200);
    assert_eq!(deployment.with_key(&going.api_key, "GET", "/api/tenant", None).status, 401);
    assert_eq!(deployment.ask(&going.api, Way::Form, None).status, 401);
    assert_eq!(deployment.introspect(&going.api, &token).status, 401);
    assert!(deployment.gateway(&token) == 401);
    let found = deployment.anonymous(&format!("/{}/.well-known/openid-configuration", going.id));
    assert_eq!(found.status, 404);
    assert_eq!(deployment.manage(None, "GET", &path, None).status, 404);
    deployment.step(&format!(
        "The tenant {} is deleted: its API key and its clients are refused at once.",
        going.issuer
    ));

    let token = deployment.token(&staying.client, Way::Form, Some(&staying.api.id));
    believed(deployment, staying, &token);
    assert!(deployment.is_active(&staying.client, &token));
    assert_eq!(deployment.with_key(&staying.api_key, "GET", "/api/tenant", None).status, 200);
    watched(watch);
    deployment.step(&format!("The tenant {} goes on as before.", staying.issuer));
}

/// The audit log has everything that happened to the first tenant in its order, and no secret.
fn audit_log(deployment: &Deployment, a: &Tenant, b: &Tenant) {
    let entries = deployment.audit_log();
    let told: Vec<_> = entries.iter().map(|entry| text(entry, "message").to_owned()).collect();
    let expected = [
        "Created the entity type ".to_owned(),
        "Created the entity type permission ".to_owned(),
        "Created the entity type permission ".to_owned(),
        format!("Created the key {}", a.key),
        format!("Created the tenant {}", a.id),
        "Created the API key ".to_owned(),
        format!("Created the entity {}", a.api.id),
        format!("Created the entity {}", a.client.id),
        "Created the entity grant ".to_owned(),
        format!("Created the key {}", b.key),
        format!("Created the tenant {}", b.id),
        "Created the key ".to_owned(),
        format!("Updated the tenant {}", a.id),
        format!("Updated the tenant {}", a.id),
        format!("Deleted the key {}", a.key),
        // The new client secret.
        format!("Updated the entity {}", a.client.id),
        "Deleted the entity grant ".to_owned(),
        "Deleted the entity grant ".to_owned(),
        format!("Deleted the entity {}", a.client.id),
        format!("Updated the tenant {}", a.id),
        "Deleted the API key ".to_owned(),
        format!("Deleted the entity {}", a.api.id),
        format!("Deleted the tenant {}", a.id),
    ];
    let mut rest = told.iter();
    for wanted in &expected {
        assert!(rest.any(|message| message.starts_with(wanted)), "no {wanted:?} in its place: {told:#?}");
    }
    let whole = serde_json::to_string(&entries).unwrap();
    for (what, secret) in deployment.secrets() {
        assert!(!whole.contains(&secret), "{what} is in the audit log");
    }
    deployment.step(&format!(
        "The audit log tells it in {} entries, in order, and none of {} secrets is in it.",
        entries.len(),
        deployment.secrets().len()
    ));
}
