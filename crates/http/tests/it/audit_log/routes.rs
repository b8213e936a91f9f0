//! Every route there is: one entry where it changes something, none where it only reads, and none for whoever is refused.

use serde_json::Value;

use super::{all, messages};
use crate::authorization::table::{Class, Row, Sample, TABLE, success};
use crate::support::fixture::names;
use crate::support::{Client, Reply, Server};

on_each_database! { own: every_route_of_the_table_leaves_what_it_must; }

/// Routes with a method that changes things, and which do not: (method, template).
const CHANGE_NOTHING: [(&str, &str); 13] = [
    ("POST", "/api/api-key/search"),
    ("POST", "/api/authorize"),
    ("POST", "/api/entity/grant/search"),
    ("POST", "/api/entity/search"),
    ("PUT", "/api/entity/search"),
    ("POST", "/api/entity/type/search"),
    ("POST", "/api/ip-acl/search"),
    ("POST", "/api/jwt/vend"),
    ("POST", "/api/key/search"),
    ("POST", "/api/system/audit-log/search"),
    ("POST", "/api/tenant/search"),
    ("POST", "/oauth2/introspect"),
    ("POST", "/oauth2/token"),
];

/// How entries of what a route does begin.
fn sentence(method: &str, template: &str) -> &'static str {
    match (method, template) {
        ("POST", "/api/api-key/{apiKeyId}/rotate") => "Rotated the ",
        ("PUT", "/api/entity/{entityId}/grant") => "Created the ",
        ("POST", "/api/entity/{entityId}/rotate-secret") | ("PUT" | "PATCH", _) => "Updated the ",
        ("POST", _) => "Created the ",
        ("DELETE", _) => "Deleted the ",
        other => panic!("{other:?} changes something"),
    }
}

/// Sends what the row asks for, in its dialect, with this value of an API key.
fn send(server: &Server, (method, _, class, _): &Row, sample: &Sample, value: &str) -> Reply {
    let client: Client =
        if class.errs_as_fusion() { server.with_fusion_key(value) } else { server.with_key(value) };
    // With other tenants about, some calls must say which one they are for.
    let default = server.default_tenant();
    let client = if matches!(class, Class::TenantNamed(_)) { client.in_tenant(&default) } else { client };
    client.send(method, &sample.path, sample.body.as_ref())
}

fn every_route_of_the_table_leaves_what_it_must(server: &Server) {
    let powerless = server.restricted(serde_json::json!({"/api/nothing": ["GET"]}));
    for row in TABLE {
        let (method, template, class, make) = row;
        let sample = make(server, None);
        let before = all(server);
        for value in [powerless.value.as_str(), "unknown"] {
            let reply = send(server, row, &sample, value);
            assert!(
                *method == "GET" || *class == Class::Client || reply.status == 401,
                "{method} {template}: {}",
                reply.text()
            );
        }
        assert_eq!(all(server), before, "{method} {template}, refused");
        let reply = send(server, row, &sample, crate::support::server::BOOTSTRAP);
        if !matches!(class, Class::Token | Class::Client) {
            assert_eq!(reply.status, success(method, template), "{method} {template}: {}", reply.text());
        }
        let entries = all(server);
        assert_eq!(entries[..before.len()], before, "{method} {template}");
        let new = &entries[before.len()..];
        if *method == "GET" || CHANGE_NOTHING.contains(&(method, template)) {
            assert_eq!(new, [] as [Value; 0], "{method} {template}");
            continue;
        }
        let said = messages(new);
        // A tenant is marked before it is deleted.
        let (last, marks) = said.split_last().unwrap_or_else(|| panic!("{method} {template} left no entry"));
        assert!(last.starts_with(sentence(method, template)), "{method} {template}: {last}");
        assert_eq!(marks.len(), usize::from((*method, *template) == ("DELETE", "/api/tenant/{tenantId}")));
        shows_no_value(template, new, &reply);
    }
}

/// The entries name the object of the answer, and the value of a key that the answer shows is not in them.
fn shows_no_value(template: &str, entries: &[Value], reply: &Reply) {
    if reply.text().is_empty() {
        return;
    }
    let answer = reply.json();
    let object = match names(&answer).as_slice() {
        [only] => &answer[*only],
        _ => &answer,
    };
    let id = object["id"].as_str().unwrap();
    for entry in entries {
        // Fusion's ids of API keys are of their own kind.
        let new = &entry["newValue"];
        assert!([&entry["data"]["entityId"], &new["fusionId"]].contains(&&Value::from(id)), "{entry}");
        if let Some(value) = object["key"].as_str() {
            assert!(!entry.to_string().contains(value), "{template}: {entry}");
        }
    }
}
