//! Keys that tenants name: they stay, each place is told, and a tenant's own API keys bring no others in.

use serde_json::{Value, json};

use super::{fixture, generate, import, path};
use crate::support::{Client, Reply, Server, unique};

on_each_database! {
    shared: each_place_of_each_tenant_is_told, shadow_keys_stand_for_the_clients_secret,
        keys_that_do_not_sign_only_verify, a_tenants_own_api_key_brings_no_key_in,
        a_verification_key_does_not_start_to_sign, a_tenants_own_api_key_may_keep_remove_and_swap,
        keys_that_are_left_out_stay, the_keys_of_the_whole_instance_are_at_hand_for_global_keys;
}

const ACCESS: &str = "accessTokenKeyId";
const ID: &str = "idTokenKeyId";
const VERIFY_ACCESS: &str = "accessTokenVerificationKeyIds";
const VERIFY_ID: &str = "idTokenVerificationKeyIds";

/// A tenant as its documents are sent: the name does not change.
struct Tenant {
    id: String,
    name: String,
}

impl Tenant {
    #[track_caller]
    fn new(server: &Server, jwt: Value) -> Self {
        let name = unique("user of keys");
        let document = server.as_key_manager().post("/api/tenant", &body(&name, &jwt)).ok();
        Self { id: document["tenant"]["id"].as_str().unwrap().to_owned(), name }
    }

    fn path(&self) -> String {
        format!("/api/tenant/{}", self.id)
    }

    /// Replaces the tenant, with this `jwtConfiguration`.
    #[track_caller]
    fn put(&self, client: &Client, jwt: Value) -> Reply {
        client.put(&self.path(), &body(&self.name, &jwt))
    }

    /// What its `jwtConfiguration` names in the four places.
    #[track_caller]
    fn keys(&self, server: &Server) -> Value {
        let document = server.as_key_manager().get(&self.path()).ok();
        let jwt = &document["tenant"]["jwtConfiguration"];
        let list = |name: &str| jwt.get(name).cloned().unwrap_or_else(|| json!([]));
        json!({ACCESS: jwt[ACCESS], ID: jwt[ID], VERIFY_ACCESS: list(VERIFY_ACCESS), VERIFY_ID: list(VERIFY_ID)})
    }

    /// A client with an API key of this tenant alone.
    #[track_caller]
    fn own_client(&self, server: &Server) -> Client {
        server.with_key(&server.api_key(json!({"tenantId": self.id})).value)
    }
}

fn body(name: &str, jwt: &Value) -> Value {
    json!({"tenant": {"name": name, "jwtConfiguration": jwt}})
}

/// The places that keep a key from being deleted, as they are told.
#[track_caller]
fn places(server: &Server, key: &str) -> Vec<String> {
    let reply = server.as_key_manager().delete(&format!("/api/key/{key}"));
    assert_eq!(reply.status, 400, "{}", reply.text());
    let document = reply.json();
    assert!(document.get("generalErrors").is_none());
    let fields = document["fieldErrors"].as_object().unwrap();
    assert_eq!(fields.len(), 1);
    let entries = fields["keyId"].as_array().unwrap();
    assert!(entries.iter().all(|entry| entry["code"] == "[inUse]keyId"), "{document}");
    let mut told: Vec<_> =
        entries.iter().map(|entry| entry["message"].as_str().unwrap().to_owned()).collect();
    told.sort();
    told
}

/// The same, as they should be told.
fn expected(of: &[(&Tenant, &str)]) -> Vec<String> {
    let mut expected: Vec<_> = of
        .iter()
        .map(|(tenant, place)| {
            format!("The key is in use: Tenant {} names it in jwtConfiguration.{place}.", tenant.id)
        })
        .collect();
    expected.sort();
    expected
}

fn each_place_of_each_tenant_is_told(server: &Server) {
    let manager = server.as_key_manager();
    let key = server.signing_key();
    let one = Tenant::new(server, json!({}));
    for place in [ACCESS, ID] {
        one.put(&manager, json!({place: key})).ok();
        assert_eq!(places(server, &key), expected(&[(&one, place)]));
    }
    for place in [VERIFY_ACCESS, VERIFY_ID] {
        one.put(&manager, json!({place: [server.signing_key(), key]})).ok();
        assert_eq!(places(server, &key), expected(&[(&one, place)]));
    }
    // Named twice in one list it stands there once.
    one.put(&manager, json!({VERIFY_ID: [key, key]})).ok();
    assert_eq!(places(server, &key), expected(&[(&one, VERIFY_ID)]));
    // Everywhere at once, in two tenants.
    let everywhere = json!({ACCESS: key, ID: key, VERIFY_ACCESS: [key], VERIFY_ID: [key]});
    one.put(&manager, everywhere.clone()).ok();
    let other = Tenant::new(server, everywhere);
    let all = [ACCESS, ID, VERIFY_ACCESS, VERIFY_ID];
    let mut uses: Vec<_> = all.into_iter().flat_map(|place| [(&one, place), (&other, place)]).collect();
    assert_eq!(places(server, &key), expected(&uses));
    // A place that lets go is told no more; the others are.
    one.put(&manager, json!({ID: key, VERIFY_ACCESS: [key]})).ok();
    uses.retain(|(tenant, place)| tenant.id == other.id || [ID, VERIFY_ACCESS].contains(place));
    assert_eq!(places(server, &key), expected(&uses));
    manager.delete(&other.path()).done();
    uses.retain(|(tenant, _)| tenant.id == one.id);
    assert_eq!(places(server, &key), expected(&uses));
    manager.get(&format!("/api/key/{key}")).ok();
    one.put(&manager, json!({})).ok();
    manager.delete(&format!("/api/key/{key}")).done();
    // A key that is gone can be named no more.
    for place in [ACCESS, ID] {
        let code = format!("tenant.jwtConfiguration.{place} [invalid]tenant.jwtConfiguration.{place}");
        one.put(&manager, json!({place: key})).refused(&[&code]);
    }
}

fn shadow_keys_stand_for_the_clients_secret(server: &Server) {
    let manager = server.as_key_manager();
    let tenant = Tenant::new(server, json!({}));
    for id in [
        "092dbedc-30af-4149-9c61-b578f2c72f59",
        "4b8f1c06-518e-45bd-9ac5-d549686ae02a",
        "c753a44d-7f2e-48d3-bc4e-c2c16488a23b",
    ] {
        let key_path = format!("/api/key/{id}");
        let before = manager.get(&key_path).ok();
        manager.put(&key_path, &json!({"key": {"name": unique("x")}})).refused(&["keyId [invalid]keyId"]);
        manager.delete(&key_path).refused(&["keyId [invalid]keyId"]);
        let vend = json!({"keyId": id, "timeToLiveInSeconds": 60});
        manager.post("/api/jwt/vend", &vend).refused(&["keyId [invalid]keyId"]);
        tenant.put(&manager, json!({ID: id})).ok();
        // In use it cannot be deleted either, and that it is a shadow key is what counts.
        manager.delete(&key_path).refused(&["keyId [invalid]keyId"]);
        for (place, value) in [(ACCESS, json!(id)), (VERIFY_ACCESS, json!([id])), (VERIFY_ID, json!([id]))] {
            let path = format!("tenant.jwtConfiguration.{place}");
            tenant.put(&manager, json!({place: value})).refused(&[&format!("{path} [invalid]{path}")]);
        }
        assert_eq!(tenant.keys(server)[ID], json!(id));
        assert_eq!(manager.get(&key_path).ok(), before);
    }
}

fn keys_that_do_not_sign_only_verify(server: &Server) {
    let manager = server.as_key_manager();
    let certificate = json!({"certificate": fixture("ec-p256.certificate-v3"), "kid": unique("verifies")});
    let verifies = import(server, certificate)["id"].clone();
    let secret = import(server, json!({"type": "Secret", "secret": "s"}))["id"].clone();
    let tenant = Tenant::new(server, json!({VERIFY_ACCESS: [verifies], VERIFY_ID: [verifies]}));
    for place in [ACCESS, ID] {
        let path = format!("tenant.jwtConfiguration.{place}");
        tenant.put(&manager, json!({place: verifies})).refused(&[&format!("{path} [invalid]{path}")]);
    }
    for (place, value) in [
        (ACCESS, secret.clone()),
        (ID, secret.clone()),
        (VERIFY_ACCESS, json!([secret])),
        (VERIFY_ID, json!([verifies, secret])),
    ] {
        let path = format!("tenant.jwtConfiguration.{place}");
        tenant.put(&manager, json!({place: value})).refused(&[&format!("{path} [invalid]{path}")]);
    }
    assert_eq!(tenant.keys(server)[VERIFY_ID], json!([verifies]));
}

/// The code of a key that the tenant did not name before.
fn not_authorized(place: &str) -> String {
    format!("tenant.jwtConfiguration.{place} [notAuthorized]tenant.jwtConfiguration.{place}")
}

fn a_tenants_own_api_key_brings_no_key_in(server: &Server) {
    let [own, foreign] = [(); 2].map(|()| server.signing_key());
    let tenant = Tenant::new(server, json!({ACCESS: own, ID: own}));
    let other = Tenant::new(server, json!({ACCESS: foreign}));
    let client = tenant.own_client(server);
    let before = tenant.keys(server);
    // Neither another tenant's nor one that nobody uses, in no place.
    for key in [foreign, server.signing_key()] {
        for (place, value) in [
            (ACCESS, json!(key)),
            (ID, json!(key)),
            (VERIFY_ACCESS, json!([key])),
            (VERIFY_ID, json!([own, key])),
        ] {
            tenant.put(&client, json!({place: value})).refused(&[&not_authorized(place)]);
        }
        let everywhere = json!({ACCESS: key, ID: key, VERIFY_ACCESS: [key], VERIFY_ID: [key]});
        let codes = [ACCESS, ID, VERIFY_ACCESS, VERIFY_ID].map(not_authorized);
        tenant.put(&client, everywhere).refused(&codes.each_ref().map(String::as_str));
    }
    assert_eq!(tenant.keys(server), before);
    // An express grant is none for that.
    let endpoints = json!({"/api/tenant": ["PUT"], "/api/key": ["GET"]});
    let granted = server.api_key(json!({"tenantId": tenant.id, "permissions": {"endpoints": endpoints}}));
    let granted = server.with_key(&granted.value);
    tenant.put(&granted, json!({ACCESS: server.signing_key()})).refused(&[&not_authorized(ACCESS)]);
    // And the tenant next door is out of reach.
    other.put(&client, json!({})).not_found();
}

fn a_verification_key_does_not_start_to_sign(server: &Server) {
    let [signs, verifies] = [(); 2].map(|()| server.signing_key());
    let tenant = Tenant::new(
        server,
        json!({ACCESS: signs, ID: signs, VERIFY_ACCESS: [verifies], VERIFY_ID: [verifies]}),
    );
    let client = tenant.own_client(server);
    for place in [ACCESS, ID] {
        let jwt = json!({place: verifies, VERIFY_ACCESS: [verifies], VERIFY_ID: [verifies]});
        tenant.put(&client, jwt).refused(&[&not_authorized(place)]);
    }
    // Nor does it by way of a second request.
    tenant.put(&client, json!({VERIFY_ACCESS: [verifies], VERIFY_ID: []})).ok();
    tenant.put(&client, json!({ACCESS: verifies})).refused(&[&not_authorized(ACCESS)]);
    tenant.put(&client, json!({})).ok();
    assert_eq!(tenant.keys(server), json!({ACCESS: signs, ID: signs, VERIFY_ACCESS: [], VERIFY_ID: []}));
    // What was given away does not come back.
    tenant.put(&client, json!({VERIFY_ACCESS: [verifies]})).refused(&[&not_authorized(VERIFY_ACCESS)]);
}

fn a_tenants_own_api_key_may_keep_remove_and_swap(server: &Server) {
    let [access, id, old] = [(); 3].map(|()| server.signing_key());
    let whole = json!({ACCESS: access, ID: id, VERIFY_ACCESS: [old], VERIFY_ID: [old, access]});
    let tenant = Tenant::new(server, whole.clone());
    let client = tenant.own_client(server);
    let put = |jwt: Value| {
        tenant.put(&client, jwt.clone()).ok();
        assert_eq!(tenant.keys(server), jwt);
    };
    put(whole);
    // Those that sign may swap, and verify as well; the order of a list is the caller's.
    put(json!({ACCESS: id, ID: access, VERIFY_ACCESS: [access, old, id], VERIFY_ID: [access, old]}));
    put(json!({ACCESS: id, ID: access, VERIFY_ACCESS: [id], VERIFY_ID: [old]}));
    put(json!({ACCESS: access, ID: access, VERIFY_ACCESS: [old], VERIFY_ID: []}));
    // The id token's key is gone now.
    tenant.put(&client, json!({ID: id})).refused(&[&not_authorized(ID)]);
    put(json!({ACCESS: access, ID: access, VERIFY_ACCESS: [], VERIFY_ID: []}));
    // Whose tokens they are is told by the issuer as well.
    let moved = json!({"tenant": {"name": tenant.name, "issuer": "other.example"}});
    client.put(&tenant.path(), &moved).refused(&["tenant.issuer [notAuthorized]tenant.issuer"]);
    let moved = server.as_key_manager().put(&tenant.path(), &moved).ok();
    // The rest of the tenant is its own to change.
    let body = json!({"tenant": {"name": tenant.name, "issuer": "other.example", "data": {"a": 1}}});
    let answer = client.put(&tenant.path(), &body).ok();
    assert_eq!(
        (&answer["tenant"]["issuer"], &answer["tenant"]["data"]),
        (&moved["tenant"]["issuer"], &json!({"a": 1}))
    );
}

fn keys_that_are_left_out_stay(server: &Server) {
    let [access, id] = [(); 2].map(|()| server.signing_key());
    let tenant = Tenant::new(server, json!({ACCESS: access, ID: id, VERIFY_ACCESS: [id]}));
    let client = tenant.own_client(server);
    for jwt in [json!({}), json!(null), json!({ACCESS: "", ID: null, "timeToLiveInSeconds": 60})] {
        tenant.put(&client, jwt).ok();
        assert_eq!(tenant.keys(server), json!({ACCESS: access, ID: id, VERIFY_ACCESS: [], VERIFY_ID: []}));
    }
    // For who may use all keys, what is left out is the default tenant's, as in a new tenant.
    let default = server.as_key_manager().get(&format!("/api/tenant/{}", server.default_tenant())).ok();
    tenant.put(&server.as_key_manager(), json!({})).ok();
    for place in [ACCESS, ID] {
        assert_eq!(tenant.keys(server)[place], default["tenant"]["jwtConfiguration"][place]);
    }
    // Then those are the tenant's own.
    tenant.put(&client, json!({ACCESS: access})).refused(&[&not_authorized(ACCESS)]);
}

fn the_keys_of_the_whole_instance_are_at_hand_for_global_keys(server: &Server) {
    let key = generate(server, json!({"algorithm": "ES256"}));
    let tenant = Tenant::new(server, json!({}));
    let granted = server.restricted(json!({"/api/tenant": ["PUT"]}));
    for client in [server.with_key(&granted.value), server.as_key_manager()] {
        for client in [client.clone(), client.in_tenant(&tenant.id)] {
            let whole =
                json!({ACCESS: key["id"], ID: key["id"], VERIFY_ACCESS: [key["id"]], VERIFY_ID: [key["id"]]});
            tenant.put(&client, whole.clone()).ok();
            assert_eq!(tenant.keys(server), whole);
            tenant.put(&client, json!({})).ok();
        }
    }
    server.as_key_manager().delete(&path(&key)).done();
}
