//! Values of rotated keys, and the tokens that upstreams get for them.

use std::collections::HashMap;

use serde_json::{Value, json};

use crate::common::{Connection, Numbers, Reply, Server};
use crate::evidence::Evidence;

/// The settings without which nobody gets a token for an upstream.
pub(crate) const GATEWAY: [(&str, &str); 2] =
    [("CLAVIGER_TRUSTED_PROXIES", "127.0.0.1"), ("CLAVIGER_UPSTREAM_TOKEN_AUDIENCE", "orders")];

/// What carries the signature of a token, by which whoever holds it is known.
const TOKEN_HEADER: &str = "x-claviger-upstream-token: ";

/// Rotates keys to values of both sorts, disables them and looks at what is told of them; all the while gateways ask.
pub(crate) fn rotate(server: &Server, manager: &mut Connection, evidence: &mut Evidence) {
    let mut numbers = Numbers::fresh();
    let mut signatures = HashMap::new();
    for (sort, retrievable) in [("a rotated key", true), ("a rotated key that is shown once", false)] {
        let wanted = json!({"apiKey": {"name": sort, "retrievable": retrievable,
            "permissions": {"endpoints": {"/v1/orders": ["GET"]}}}});
        let reply = manager.call("POST", "/api/api-key", Some(&wanted));
        let (id, first) = id_and_value(&reply.ok());
        let path = format!("/api/api-key/{id}");
        let mut shown = format!("the first value of {sort}");
        evidence.secret(&shown, &first);
        evidence.reply_showing(&format!("the answer that makes {sort}"), &shown, &reply);
        ask_for_token(server, sort, &first, &mut signatures, evidence);

        let chosen = format!("chosen-{}", numbers.text());
        let refused = format!("chosen-{}", numbers.text());
        evidence.secret(&format!("the value that {sort} did not get"), &refused);
        for (which, key) in [("second", Value::Null), ("third", json!(chosen))] {
            let body = json!({"apiKey": {"key": key}, "gracePeriodInSeconds": 600});
            let reply = manager.call("POST", &format!("{path}/rotate"), Some(&body));
            let (_, value) = id_and_value(&reply.ok());
            shown = format!("the {which} value of {sort}");
            evidence.secret(&shown, &value);
            evidence.reply_showing(&format!("the answer with {shown}"), &shown, &reply);
            ask_for_token(server, &shown, &value, &mut signatures, evidence);
        }
        // An earlier value still works, and is not told apart from the present one but in the counts.
        ask_for_token(server, &format!("an earlier value of {sort}"), &first, &mut signatures, evidence);

        for (body, why) in [
            (json!({"apiKey": {"key": refused}, "gracePeriodInSeconds": -1}), "grace"),
            (json!({"apiKey": {"key": first}}), "value"),
            (json!({"apiKey": {"key": format!("{refused} ")}}), "character"),
        ] {
            let reply = manager.call("POST", &format!("{path}/rotate"), Some(&body));
            assert_eq!(reply.status, 400, "{why}: {}", reply.text());
            evidence.reply(&format!("the refusal to rotate {sort} for its {why}"), &reply);
        }
        let disabled = json!({"apiKey": {"disabled": true}});
        for (method, path, body) in [
            ("GET", path.clone(), None),
            ("PATCH", path.clone(), Some(&disabled)),
            ("GET", format!("{path}/usage"), None),
        ] {
            let reply = manager.call(method, &path, body);
            reply.ok();
            let place = format!("the answer to {method} {path}, {sort}");
            if retrievable && !path.ends_with("/usage") {
                evidence.reply_showing(&place, &shown, &reply);
            } else {
                evidence.reply(&place, &reply);
            }
        }
        let reply = ask(server, &first);
        assert_eq!(reply.status, 401);
        evidence.reply(&format!("the refusal of {sort} to a gateway"), &reply);
    }
}

fn id_and_value(answer: &Value) -> (String, String) {
    let text = |member: &str| answer["apiKey"][member].as_str().unwrap().to_owned();
    (text("id"), text("key"))
}

/// What nginx asks about a request with this value.
fn ask(server: &Server, value: &str) -> Reply {
    let headers = format!(
        "Authorization: {value}\r\nX-Original-Method: GET\r\nX-Original-URI: /v1/orders/1?apiKey={value}\r\n"
    );
    let mut gateway = Connection::anonymous(server.address).unwrap();
    gateway.send_raw("GET", "/forward-auth?upstreamToken=true", &headers, b"").unwrap();
    gateway.receive().unwrap()
}

/// Gets a token for an upstream, and presents it where tokens may be presented, and where not.
///
/// The present values of a key get the same token one after the other: it names the key, and was kept. `signatures` has the names of
/// those that were seen.
fn ask_for_token(
    server: &Server,
    who: &str,
    value: &str,
    signatures: &mut HashMap<String, String>,
    evidence: &mut Evidence,
) {
    let reply = ask(server, value);
    assert_eq!(reply.status, 200, "{}", reply.text());
    let token = reply.head.lines().find_map(|line| line.strip_prefix(TOKEN_HEADER)).unwrap();
    let signature = token.rsplit('.').next().unwrap();
    let name = signatures.entry(signature.to_owned()).or_insert_with(|| {
        let name = format!("the signature of the token for {who}");
        evidence.secret(&name, signature);
        name
    });
    evidence.reply_showing(&format!("the answer to a gateway about {who}"), name, &reply);
    for path in ["/api/jwt/validate", "/api/key", "/forward-auth"] {
        let headers = format!("Authorization: Bearer {token}\r\n");
        let mut connection = Connection::anonymous(server.address).unwrap();
        connection.send_raw("GET", path, &headers, b"").unwrap();
        let reply = connection.receive().unwrap();
        assert!([200, 401].contains(&reply.status), "{path}: {}", reply.status);
        evidence.reply(&format!("the answer to the token for {who} at {path}"), &reply);
    }
}
