//! Every route with every carrier: one key gets one answer, however it is sent.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use claviger_http::{Guard, ROUTES, Route};
use serde_json::{Value, json};

use super::{CARRIERS, Carrier, with_query};
use crate::authorization::table::{Row, Sample, TABLE};
use crate::support::server::BOOTSTRAP;
use crate::support::{Reply, Server};

on_each_database! {
    shared: public_routes_look_at_no_credential;
    own: every_carrier_gets_the_same_answer, two_carriers_are_refused_everywhere,
        schemes_are_refused_but_for_basic_where_the_route_says_so;
}

/// The answer without what differs from one object to the next: names and types of members.
fn shape(reply: &Reply) -> (u16, Value) {
    let body = match reply.header("content-type") {
        None => Value::Null,
        Some("application/json;charset=UTF-8") => shape_of(&reply.json()),
        Some(other) => json!(other),
    };
    (reply.status, body)
}

fn shape_of(value: &Value) -> Value {
    match value {
        Value::Object(members) => members
            .iter()
            .map(|(name, value)| (name.clone(), shape_of(value)))
            .collect::<serde_json::Map<_, _>>()
            .into(),
        // Lists grow while the test runs, with objects of kinds that are there already.
        Value::Array(elements) => {
            let shapes: BTreeMap<String, Value> =
                elements.iter().map(shape_of).map(|shape| (shape.to_string(), shape)).collect();
            shapes.into_values().collect()
        }
        Value::String(_) => json!("text"),
        Value::Number(_) => json!(0),
        Value::Bool(_) => json!(true),
        Value::Null => Value::Null,
    }
}

fn row(route: &Route) -> &'static Row {
    TABLE.iter().find(|row| (row.0, row.1) == (route.method.as_str(), route.template)).unwrap()
}

fn ask(server: &Server, carrier: Carrier, key: &str, method: &str, sample: &Sample) -> Reply {
    let (client, path) = carrier.send(&server.anonymous(), key, &sample.path);
    client.send(method, &path, sample.body.as_ref())
}

/// Whether the carrier tells which API is spoken, so that answers to whoever may call differ in shape.
fn has_dialects(route: &Route) -> bool {
    route.template.starts_with("/api/api-key")
}

fn sufficient(server: &Server, route: &Route) -> String {
    if route.guard == Guard::KeyManager { BOOTSTRAP.to_owned() } else { server.unrestricted().value }
}

fn every_carrier_gets_the_same_answer(server: &Server) {
    let server = with_query(server);
    let ungranted = server.restricted(json!({"/api/user": ["GET", "POST", "PUT", "PATCH", "DELETE"]})).value;
    let tenant = server.tenant();
    let bound = server
        .api_key(json!({"tenantId": tenant, "permissions": {"endpoints": {"/api/user": ["GET"]}}}))
        .value;
    for route in ROUTES {
        let (method, template, _, sample) = *row(route);
        let untouched = sample(&server, None);
        for (who, key) in [("unknown", "no key has this value"), ("ungranted", &ungranted), ("bound", &bound)]
        {
            let expected = shape(&ask(&server, CARRIERS[0], key, method, &untouched));
            for carrier in CARRIERS {
                let reply = ask(&server, carrier, key, method, &untouched);
                assert_eq!(shape(&reply), expected, "{method} {template}, {who}, {carrier:?}");
            }
        }
        if has_dialects(route) {
            continue;
        }
        let global = sufficient(&server, route);
        let mut expected = None;
        for carrier in CARRIERS {
            let reply = ask(&server, carrier, &global, method, &sample(&server, None));
            let found = shape(&reply);
            let token = template == "/api/jwt/validate";
            assert_eq!(found.0, if token { 401 } else { 200 }, "{method} {template}, {carrier:?}");
            assert_eq!(found, *expected.get_or_insert(found.clone()), "{method} {template}, {carrier:?}");
        }
        // A key of a tenant, in that tenant.
        let mut expected = None;
        for carrier in CARRIERS {
            let tenant = if template.contains("{tenantId}") { server.tenant() } else { tenant.clone() };
            let of_tenant = server.api_key(json!({"tenantId": tenant})).value;
            let target = sample(&server, Some(&tenant));
            let (client, path) =
                carrier.send(&server.anonymous().in_tenant(&tenant), &of_tenant, &target.path);
            let found = shape(&client.send(method, &path, target.body.as_ref()));
            assert_eq!(found, *expected.get_or_insert(found.clone()), "{method} {template}, {carrier:?}");
        }
    }
}

/// `x-api-key` beside `apikey`, in any spelling: they may say the same.
fn may_stand_together(first: Carrier, second: Carrier) -> bool {
    let (Carrier::Header(first), Carrier::Header(second)) = (first, second) else { return false };
    let pair = [first, second].map(str::to_ascii_lowercase);
    pair == ["x-api-key", "apikey"] || pair == ["apikey", "x-api-key"]
}

fn two_carriers_are_refused_everywhere(server: &Server) {
    let server = with_query(server);
    let mut refused = 0;
    for route in ROUTES.iter().filter(|route| route.guard != Guard::Public) {
        let (method, template, _, sample) = *row(route);
        let key = sufficient(&server, route);
        let target = sample(&server, None);
        // All pairs on some routes, those of different kinds on the others.
        let all = ["/api/api-key", "/api/key", "/api/status"].contains(&template);
        let firsts = if all { CARRIERS.as_slice() } else { &[CARRIERS[0], Carrier::Query] };
        let seconds =
            if all { CARRIERS.as_slice() } else { &[CARRIERS[0], CARRIERS[2], CARRIERS[4], Carrier::Query] };
        for first in firsts {
            for second in seconds.iter().filter(|second| !may_stand_together(*first, **second)) {
                let (client, path) = first.send(&server.anonymous(), &key, &target.path);
                let (client, path) = second.send(&client, &key, &path);
                client.send(method, &path, target.body.as_ref()).refused(&["[ambiguousCredentials]"]);
                refused += 1;
            }
        }
        // Nothing happened to the target.
        assert_eq!(ask(&server, CARRIERS[0], &key, method, &target).status, 200, "{method} {template}");
    }
    assert!(refused > 300, "{refused}");
}

fn schemes_are_refused_but_for_basic_where_the_route_says_so(server: &Server) {
    for route in ROUTES.iter().filter(|route| route.guard != Guard::Public) {
        let (method, template, _, sample) = *row(route);
        let key = sufficient(server, route);
        let target = sample(server, None);
        let basic = format!("Basic {}", STANDARD.encode(format!("apikey:{key}")));
        for scheme in [format!("Bearer {key}"), format!("JWT {key}"), format!("DPoP {key}"), basic.clone()] {
            let reply = server.with_key(&scheme).send(method, &target.path, target.body.as_ref());
            let taken = matches!(route.guard, Guard::Operator(_)) && scheme == basic;
            let expected = if taken { 200 } else { 401 };
            assert_eq!(reply.status, expected, "{method} {template}, {}", &scheme[..5]);
            // In the other carriers a scheme word is a part of a value that is no key's.
            for name in ["x-api-key", "apiKey"] {
                let client = server.anonymous().with_header(name, &scheme);
                client.send(method, &target.path, target.body.as_ref()).denied();
            }
        }
    }
}

fn public_routes_look_at_no_credential(server: &Server) {
    for route in ROUTES.iter().filter(|route| route.guard == Guard::Public) {
        let (method, template, _, sample) = *row(route);
        let target = sample(server, None);
        let expected = shape(&server.anonymous().send(method, &target.path, None));
        let client = server.anonymous();
        for client in [
            client.with_header("x-api-key", "x"),
            client.with_header("x-api-key", "x").with_header("apikey", "y"),
            client.with_header("Authorization", "x").with_header("x-api-key", "y"),
            client.with_header("Authorization", "x").with_header("Authorization", "y"),
        ] {
            let found = shape(&client.send(method, &target.path, None));
            assert_eq!(found, expected, "{method} {template}");
        }
    }
}
