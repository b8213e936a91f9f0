//! The ways in which a client authenticates, and two secrets at once.

use serde_json::{Value, json};

use super::{GRANT, TOKEN, World, ask, claims, credentials, form, refused, text, with_basic};
use crate::support::server::START;
use crate::support::{Server, unique};

on_each_database! {
    shared: both_ways_lead_to_a_token, basic_is_taken_as_it_stands_and_decoded, case_and_white_space_count;
    own: both_secrets_count_until_the_first_one_ends;
}

fn both_ways_lead_to_a_token(server: &Server) {
    let world = World::new(server);
    let client = world.entity(json!({}));
    let (id, secret) = (text(&client, "clientId"), text(&client, "clientSecret"));
    let in_form = form(&server.anonymous(), TOKEN, &[&[GRANT][..], &credentials(&client)].concat());
    assert_eq!(claims(&in_form)["sub"], client["id"]);
    let plain = format!("{id}:{secret}");
    for more in
        [&[GRANT][..], &[GRANT, ("client_id", id)], &[GRANT, ("client_secret", ""), ("client_id", "")]]
    {
        assert_eq!(claims(&form(&with_basic(server, &plain), TOKEN, more))["sub"], client["id"]);
    }
    // Parameters that mean nothing here are ignored; the tenant may stand in the header, as clients send it everywhere.
    let more = [&[GRANT, ("foo", "bar"), ("code", "")][..], &credentials(&client)].concat();
    form(&server.anonymous().in_tenant(&world.tenant), TOKEN, &more).ok();
    let reply = form(&server.anonymous().in_tenant(&server.tenant()), TOKEN, &more);
    refused(&reply, 400, "invalid_request", "invalid_tenant_id");
    let reply = form(&server.anonymous().in_tenant("x"), TOKEN, &more);
    refused(&reply, 400, "invalid_request", "invalid_tenant_id");
}

/// Entities with secrets and client ids that look different in a form.
fn basic_is_taken_as_it_stands_and_decoded(server: &Server) {
    let world = World::new(server);
    let get = |plain: &str| form(&with_basic(server, plain), TOKEN, &[GRANT]);
    let id_of = |client: &Value| text(client, "clientId").to_owned();
    for secret in ["+fcXet9Iu2kQi61yWD9Tu4ReZ113P6yEAkr32v6WKOQ=", "100%", "a:b", "%41", "é %2B", "~"] {
        let client = world.entity(json!({"clientSecret": secret}));
        get(&format!("{}:{secret}", id_of(&client))).ok();
        get(&format!("{}:{}", id_of(&client), super::encoded(secret))).ok();
        let parameters = [GRANT, ("client_id", &id_of(&client)), ("client_secret", secret)];
        form(&server.anonymous(), TOKEN, &parameters).ok();
        let wrong = get(&format!("{}:{secret}x", id_of(&client)));
        refused(&wrong, 401, "invalid_client", "invalid_client_authentication");
    }
    let name = unique("a:client with+%");
    let client = world.entity(json!({"clientId": name, "clientSecret": "+"}));
    get(&format!("{}:{}", super::encoded(&name), super::encoded("+"))).ok();
    assert_eq!(claims(&ask(server, &client, &[]))["sub"], client["id"]);
    // The id counts in the same form as the secret.
    let reply = get(&format!("{}:%2B", name));
    refused(&reply, 401, "invalid_client", "invalid_client_authentication");
}

fn case_and_white_space_count(server: &Server) {
    let world = World::new(server);
    let client = world.entity(json!({"clientId": unique("Client"), "clientSecret": "Secret"}));
    let id = text(&client, "clientId");
    for (id, secret) in [
        (id.to_lowercase().as_str(), "Secret"),
        (id, "secret"),
        (id, "Secret "),
        (id, " Secret"),
        (id, "Secre"),
        (&format!(" {id}"), "Secret"),
        (&format!("{id} "), "Secret"),
    ] {
        let reply = form(&server.anonymous(), TOKEN, &[GRANT, ("client_id", id), ("client_secret", secret)]);
        refused(&reply, 401, "invalid_client", "invalid_client_authentication");
    }
    ask(server, &client, &[]).ok();
}

fn both_secrets_count_until_the_first_one_ends(server: &Server) {
    let world = World::new(server);
    let client = world.entity(json!({"clientSecret": "one"}));
    let status = |secret: &str| {
        let id = text(&client, "clientId");
        let parameters = [GRANT, ("client_id", id), ("client_secret", secret)];
        form(&server.anonymous(), TOKEN, &parameters).status
    };
    let rotate = |secret: &str, seconds: u64| {
        let body = json!({"entity": {"clientSecret": secret}, "gracePeriodInSeconds": seconds});
        world.home.post(&format!("/api/entity/{}/rotate-secret", text(&client, "id")), &body).ok();
    };
    assert_eq!((status("one"), status("two")), (200, 401));
    rotate("two", 60);
    for (millis, before) in [(0, 200), (59_999, 200), (60_000, 401), (60_001, 401)] {
        server.set_now(START + millis);
        assert_eq!((status("two"), status("one"), status("three")), (200, before, 401), "{millis}");
    }
    // Never more than two, and without a period only one.
    rotate("three", 60);
    rotate("four", 60);
    assert_eq!(["four", "three", "two", "one"].map(status), [200, 200, 401, 401]);
    rotate("five", 0);
    assert_eq!(["five", "four", "three"].map(status), [200, 401, 401]);
}
