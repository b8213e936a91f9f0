//! Every route with every carrier: one key gets one answer, however it is sent.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use claviger_http::{Dialect, Guard, ROUTES, Route};
use serde_json::{Value, json};

use super::{CARRIERS, Carrier, with_query};
use crate::authorization::table::{Class, Row, Sample, TABLE, success};
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
    let same = |row: &&Row| {
        (row.0, row.1) == (route.method.as_str(), route.template)
            && row.2.is_fusions() == (route.dialect == Some(Dialect::Fusion))
    };
    TABLE.iter().find(same).unwrap()
}

fn ask(server: &Server, carrier: Carrier, key: &str, method: &str, sample: &Sample) -> Reply {
    let (client, path) = carrier.send(&server.anonymous(), key, &sample.path);
    client.send(method, &path, sample.body.as_ref())
}

/// The carriers that lead to the route: all of them, where the carrier does not tell which API is spoken.
fn carriers(route: &Route) -> Vec<Carrier> {
    let leads = |carrier: &Carrier| route.dialect.is_none_or(|dialect| dialect == dialect_of(*carrier));
    CARRIERS.into_iter().filter(leads).collect()
}

fn dialect_of(carrier: Carrier) -> Dialect {
    match carrier {
        Carrier::Header(name) if name.eq_ignore_ascii_case("authorization") => Dialect::FusionAuth,
        Carrier::Header(_) | Carrier::BothHeaders | Carrier::Query => Dialect::Fusion,
    }
}

/// Whether a request leads to a route in this dialect.
fn is_spoken(route: &Route, dialect: Dialect) -> bool {
    let same = |other: &&Route| (other.method, other.template) == (route.method, route.template);
    ROUTES.iter().filter(same).any(|other| other.dialect.is_none_or(|own| own == dialect))
}

fn sufficient(server: &Server, route: &Route) -> String {
    let managers = matches!(route.guard, Guard::KeyManager | Guard::Roles);
    if managers { BOOTSTRAP.to_owned() } else { server.unrestricted().value }
}

fn every_carrier_gets_the_same_answer(server: &Server) {
    let server = with_query(server);
    let ungranted = server.restricted(json!({"/api/user": ["GET", "POST", "PUT", "PATCH", "DELETE"]})).value;
    let tenant = server.tenant();
    let bound = server
        .api_key(json!({"tenantId": tenant, "permissions": {"endpoints": {"/api/user": ["GET"]}}}))
        .value;
    for route in ROUTES {
        let (method, template, class, sample) = *row(route);
        let untouched = sample(&server, None);
        for (who, key) in [("unknown", "no key has this value"), ("ungranted", &ungranted), ("bound", &bound)]
        {
            let expected = shape(&ask(&server, carriers(route)[0], key, method, &untouched));
            assert!(expected.0 == 401 || route.guard == Guard::Public, "{method} {template}, {who}");
            for carrier in carriers(route) {
                let reply = ask(&server, carrier, key, method, &untouched);
                assert_eq!(shape(&reply), expected, "{method} {template}, {who}, {carrier:?}");
            }
        }
        let global = sufficient(&server, route);
        let mut expected = None;
        for carrier in carriers(route) {
            let reply = ask(&server, carrier, &global, method, &sample(&server, None));
            let found = shape(&reply);
            let token = template == "/api/jwt/validate";
            let expected_status = match class {
                _ if token => 401,
                // Nobody names a tenant.
                Class::TenantNamed(_) => 400,
                // API keys are nothing to clients of OAuth 2.0, and the sample is no form.
                Class::Client => 400,
                _ => success(method, template),
            };
            assert_eq!(found.0, expected_status, "{method} {template}, {carrier:?}");
            assert_eq!(found, *expected.get_or_insert(found.clone()), "{method} {template}, {carrier:?}");
        }
        // A key of a tenant, in that tenant.
        let mut expected = None;
        for carrier in carriers(route) {
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
        let (method, template, class, sample) = *row(route);
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
        let home = match class {
            Class::TenantNamed(_) => server.anonymous().in_tenant(&server.default_tenant()),
            _ => server.anonymous(),
        };
        let (client, path) = carriers(route)[0].send(&home, &key, &target.path);
        let done = client.send(method, &path, target.body.as_ref()).status;
        assert_eq!(done, success(method, template), "{method} {template}");
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
            // A scheme stands in the header of FusionAuth's dialect.
            let expected = match (taken, is_spoken(route, Dialect::FusionAuth)) {
                (true, _) => 200,
                (false, true) => 401,
                (false, false) => 404,
            };
            assert_eq!(reply.status, expected, "{method} {template}, {}", &scheme[..5]);
            // In the other carriers a scheme word is a part of a value that is no key's.
            for name in ["x-api-key", "apiKey"] {
                let client = server.anonymous().with_header(name, &scheme);
                let reply = client.send(method, &target.path, target.body.as_ref());
                // To Fusion's clients the path of the search is that of a key.
                let is_key = (method, template) == ("GET", "/api/api-key/search");
                match is_spoken(route, Dialect::Fusion) || is_key {
                    true => reply.denied(),
                    false => assert_eq!(reply.status, 405, "{method} {template}, {name}"),
                }
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
