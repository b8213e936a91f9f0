//! A server makes secrets and is asked about them; then all its traces are searched.

use serde_json::{Value, json};

use claviger_crypto::{ApiKeyFormat, SystemRandom};

use crate::common::{Connection, Installation, Numbers, Remains, Reply, Server};
use crate::database::{CONTROL, note_files, note_rows, note_secrets};
use crate::evidence::Evidence;
use crate::mistakes;
use crate::overlap::{self, GATEWAY};
use crate::support::{Place, on_both};

/// Everything is logged, and every carrier of API keys is read.
const TRACE: [(&str, &str); 2] = [("CLAVIGER_LOG", "trace"), ("CLAVIGER_API_KEY_IN_QUERY", "true")];

on_both!(a_server_leaves_no_secret_behind, the_generated_first_key_is_shown_once);

fn a_server_leaves_no_secret_behind(place: &Place) {
    let installation = Installation::new(place);
    #[cfg(feature = "postgres")]
    let user = installation.postgres_url().map(crate::database::postgres::User::create);
    #[cfg(feature = "postgres")]
    let installation = match &user {
        Some(user) => installation.at(&user.url),
        None => installation,
    };
    let mut evidence = Evidence::default();
    #[cfg(feature = "postgres")]
    if let Some(user) = &user {
        evidence.secret("the password of the database", &user.password);
    }
    evidence.secret("the bootstrap key", &installation.bootstrap_key);

    let server = Server::start_with(&installation, &[TRACE, GATEWAY].concat());
    let mut manager = server.connect(&installation.bootstrap_key);
    make_control(&mut manager, &mut evidence);
    make_api_keys(&server, &mut manager, &mut evidence);
    overlap::rotate(&server, &mut manager, &mut evidence);
    make_keys(&mut manager, &mut evidence);
    import_keys(&mut manager, &mut evidence);
    make_entities(&mut manager, &mut evidence);
    pass_tokens_around(&server, &mut manager, &mut evidence);
    present_wrong_credentials(&server, &mut evidence);
    ask_around(&server, &mut manager, &mut evidence);
    let mut numbers = Numbers::fresh();
    for (name, secret) in [
        ("a generated key in the wrong place", generated()),
        ("a chosen key in the wrong place", format!("chosen-{}", numbers.text())),
        ("a short key in the wrong place", numbers.text()[..32].to_owned()),
    ] {
        evidence.secret(name, &secret);
        mistakes::make(server.address, &installation.bootstrap_key, name, &secret, &mut evidence);
    }
    read_audit_log(&mut manager, &mut evidence);
    note_files(&installation, "while it was written", &mut evidence);
    note_remains("the server", server.stop(), &mut evidence);
    note_files(&installation, "when the server was stopped", &mut evidence);
    note_rows(&installation, &mut evidence);
    note_secrets(&installation, &mut evidence);
    evidence.judge();
}

/// Makes an API key whose id stands in log and database, to see that the search finds what is there.
fn make_control(manager: &mut Connection, evidence: &mut Evidence) {
    let mut numbers = Numbers::fresh();
    let id = numbers.uuid();
    evidence.secret(CONTROL, &id);
    let path = format!("/api/api-key/{id}");
    let body = json!({"apiKey": {"name": "control", "retrievable": false}});
    manager.call("POST", &path, Some(&body)).ok();
}

fn generated() -> String {
    ApiKeyFormat::new("clv_").unwrap().generate(&mut SystemRandom).unwrap().expose().to_owned()
}

/// Makes API keys in every way, and looks at them again.
fn make_api_keys(server: &Server, manager: &mut Connection, evidence: &mut Evidence) {
    let mut numbers = Numbers::fresh();
    let mut chosen = || format!("chosen-{}", numbers.text());
    let mut source = None;
    let free_value = chosen();
    evidence.secret("a key that was refused", &free_value);
    for (name, value, retrievable) in [
        ("a generated key", None, true),
        ("a generated key that is shown once", None, false),
        ("a chosen key", Some(chosen()), true),
        ("a chosen key that is shown once", Some(chosen()), false),
    ] {
        let mut api_key = json!({"name": name, "retrievable": retrievable,
            "permissions": {"endpoints": {"/api/system/version": ["GET"]}}});
        if let Some(value) = &value {
            api_key["key"] = Value::from(value.as_str());
        }
        let body = json!({"apiKey": api_key});
        let reply = manager.call("POST", "/api/api-key", Some(&body));
        let made = reply.ok();
        let value = made["apiKey"]["key"].as_str().unwrap().to_owned();
        let path = format!("/api/api-key/{}", made["apiKey"]["id"].as_str().unwrap());
        evidence.secret(name, &value);
        evidence.reply_showing(&format!("the answer that makes {name}"), name, &reply);

        let patch = json!({"apiKey": {"metaData": {"attributes": {"description": "patched"}}}});
        for (method, body) in [("GET", None), ("PATCH", Some(&patch)), ("PUT", Some(&made))] {
            let reply = manager.call(method, &path, body);
            reply.ok();
            let place = format!("the answer to {method} of {name}");
            match retrievable {
                true => evidence.reply_showing(&place, name, &reply),
                false => evidence.reply(&place, &reply),
            }
        }
        // The value is taken, and so is the name.
        for (key, name) in [(value.as_str(), "another name"), (free_value.as_str(), name)] {
            let body = json!({"apiKey": {"key": key, "name": name}});
            let reply = manager.call("POST", "/api/api-key", Some(&body));
            assert_eq!(reply.status, 400, "{}", reply.text());
            evidence.reply(&format!("the refusal of a second {name}"), &reply);
        }
        // It works, and may not do everything.
        let mut own = server.connect(&value);
        for (path, status) in [("/api/system/version", 200), ("/api/key", 401), ("/api/api-key", 404)] {
            let reply = own.call("GET", path, None);
            assert_eq!(reply.status, status, "{path}");
            evidence.reply(&format!("the answer to {name} at {path}"), &reply);
        }
        source = made["apiKey"]["id"].as_str().map(str::to_owned);
    }
    let copy = json!({"sourceKeyId": source, "apiKey": {"name": "a copy"}});
    let reply = manager.call("POST", "/api/api-key", Some(&copy));
    evidence.secret("a copied key", reply.ok()["apiKey"]["key"].as_str().unwrap());
    evidence.reply_showing("the answer that makes a copy", "a copied key", &reply);
    // It finds all of them, and shows the value of none.
    let reply = manager.call("GET", "/api/api-key/search?numberOfResults=1000", None);
    assert!(reply.ok()["total"].as_u64().unwrap() >= 6, "{}", reply.text());
    evidence.reply_showing("the answer to a search for API keys", CONTROL, &reply);
}

/// Generates keys of every kind. None of the answers shows what is secret about them.
fn make_keys(manager: &mut Connection, evidence: &mut Evidence) {
    for algorithm in ["RS256", "ES256", "ES384", "ES512", "Ed25519", "HS256", "HS384", "HS512"] {
        let mut key = json!({"algorithm": algorithm, "name": format!("key {algorithm}")});
        if algorithm == "RS256" {
            key["length"] = Value::from(2048);
        }
        let reply = manager.call("POST", "/api/key/generate", Some(&json!({"key": key})));
        evidence.reply(&format!("the answer that makes a key {algorithm}"), &reply);
        let made = reply.ok();
        let path = format!("/api/key/{}", made["key"]["id"].as_str().unwrap());
        let renamed = json!({"key": {"name": format!("renamed {algorithm}")}});
        for (method, body) in [("GET", None), ("PUT", Some(&renamed))] {
            let reply = manager.call(method, &path, body);
            reply.ok();
            evidence.reply(&format!("the answer to {method} of a key {algorithm}"), &reply);
        }
        let taken = json!({"key": {"algorithm": "HS256", "name": format!("renamed {algorithm}")}});
        let reply = manager.call("POST", "/api/key/generate", Some(&taken));
        assert_eq!(reply.status, 400);
        evidence.reply(&format!("the refusal of a second key {algorithm}"), &reply);
    }
}

/// Imports what is secret, rightly and wrongly. What is kept of it is found again in the database, sealed.
fn import_keys(manager: &mut Connection, evidence: &mut Evidence) {
    let mut numbers = Numbers::fresh();
    let (hmac, plain, lost) = (numbers.text(), numbers.text(), numbers.text());
    let pem = include_str!("../../../../crates/crypto/tests/fixtures/ec-p256.pkcs8.pem");
    // What stands before the private number is alike in all such keys, what follows it is the public half.
    let body: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
    evidence.secret("an imported private key", &body[50..90]);
    for (name, secret) in
        [("an imported HMAC secret", &hmac), ("an imported secret", &plain), ("a refused secret", &lost)]
    {
        evidence.secret(name, secret);
    }
    for (name, key, status) in [
        ("an HMAC secret", json!({"type": "HMAC", "algorithm": "HS512", "secret": hmac}), 200),
        ("a secret", json!({"type": "Secret", "secret": plain}), 200),
        ("a private key", json!({"privateKey": pem}), 200),
        ("a secret of another type", json!({"type": "RSA", "secret": lost}), 400),
        ("a private key in another place", json!({"publicKey": pem}), 400),
        ("a private key cut off", json!({"privateKey": &pem[..pem.len() / 2]}), 400),
        ("a secret as an algorithm", json!({"type": "HMAC", "algorithm": lost, "secret": lost}), 400),
    ] {
        let mut body = json!({"key": key});
        body["key"]["name"] = json!(format!("imported: {name}"));
        let reply = manager.call("POST", "/api/key/import", Some(&body));
        assert_eq!(reply.status, status, "{name}: {}", reply.text());
        evidence.reply(&format!("the answer to an import of {name}"), &reply);
    }
    for path in ["/api/key/search?name=imported", "/api/key"] {
        let reply = manager.call("GET", path, None);
        reply.ok();
        evidence.reply(&format!("the answer to {path}"), &reply);
    }
}

/// Makes entities with secrets of either kind, changes and rotates them. Only answers about one entity show its secret, and only
/// the present one.
fn make_entities(manager: &mut Connection, evidence: &mut Evidence) {
    let mut numbers = Numbers::fresh();
    let mut chosen = || format!("chosen-{}", numbers.text());
    let reply = manager.call("POST", "/api/entity/type", Some(&json!({"entityType": {"name": "machines"}})));
    let type_id = reply.ok()["entityType"]["id"].clone();
    evidence.reply("the answer that makes an entity type", &reply);
    let mut ids = Vec::new();
    for (name, secret) in [("a generated client secret", None), ("a chosen client secret", Some(chosen()))] {
        let mut entity = json!({"name": name, "type": {"id": type_id}});
        if let Some(secret) = &secret {
            entity["clientSecret"] = Value::from(secret.as_str());
        }
        let reply = manager.call("POST", "/api/entity", Some(&json!({"entity": entity})));
        let made = reply.ok();
        evidence.secret(name, made["entity"]["clientSecret"].as_str().unwrap());
        evidence.reply_showing(&format!("the answer that makes an entity with {name}"), name, &reply);
        let id = made["entity"]["id"].as_str().unwrap().to_owned();
        let path = format!("/api/entity/{id}");
        let patch = json!({"entity": {"data": {"patched": true}}});
        for (method, body) in [("GET", None), ("PATCH", Some(&patch)), ("PUT", Some(&made))] {
            let reply = manager.call(method, &path, body);
            reply.ok();
            evidence.reply_showing(&format!("the answer to {method} of an entity with {name}"), name, &reply);
        }
        for (rotated, secret) in
            [(format!("{name}, rotated"), None), (format!("{name}, rotated to a chosen one"), Some(chosen()))]
        {
            let body = json!({"gracePeriodInSeconds": 600, "entity": {"clientSecret": secret}});
            let reply = manager.call("POST", &format!("{path}/rotate-secret"), Some(&body));
            evidence.secret(&rotated, reply.ok()["entity"]["clientSecret"].as_str().unwrap());
            evidence.reply_showing(&format!("the answer that makes {rotated}"), &rotated, &reply);
        }
        let refused = chosen();
        let secret = format!("a client secret beside {name} that was refused");
        evidence.secret(&secret, &refused);
        let wrong =
            json!({"entity": {"name": "n", "clientId": refused, "clientSecret": format!("{refused}\n")}});
        let reply = manager.call("PUT", &path, Some(&wrong));
        assert_eq!(reply.status, 400, "{}", reply.text());
        evidence.reply(&format!("the refusal of {secret}"), &reply);
        ids.push(id);
    }
    get_tokens(manager, &ids[0], evidence);
    let grants = format!("/api/entity/{}/grant", ids[0]);
    let grant = json!({"grant": {"recipientEntityId": ids[1]}});
    let reply = manager.call("POST", &grants, Some(&grant));
    assert_eq!(reply.status, 200, "{}", reply.text());
    for path in [grants.as_str(), "/api/entity/search", "/api/entity/grant/search", "/api/entity/type"] {
        let reply = manager.call("GET", path, None);
        reply.ok();
        evidence.reply(&format!("the answer to {path}"), &reply);
    }
    let reply = manager.call("DELETE", &format!("/api/entity/{}", ids[1]), None);
    assert_eq!(reply.status, 200, "{}", reply.text());
}

fn form(connection: &mut Connection, path: &str, body: &str) -> Reply {
    let headers = "Content-Type: application/x-www-form-urlencoded\r\n";
    connection.send_raw("POST", path, headers, body.as_bytes()).unwrap();
    connection.receive().unwrap()
}

/// Sends client secrets to the token endpoint, rightly and wrongly, and the token to introspection. A token is shown to whoever
/// gets it, and its signature to nobody else.
fn get_tokens(manager: &mut Connection, id: &str, evidence: &mut Evidence) {
    let shown = manager.call("GET", &format!("/api/entity/{id}"), None).ok();
    let text = |name: &str| shown["entity"][name].as_str().unwrap().to_owned();
    let (client_id, secret) = (text("clientId"), text("clientSecret"));
    let mut numbers = Numbers::fresh();
    let (wrong, unknown) = (format!("wrong-{}", numbers.text()), format!("nobody-{}", numbers.text()));
    evidence.secret("a client secret that is wrong", &wrong);
    evidence.secret("a secret of no client", &unknown);
    let grant = "grant_type=client_credentials";
    let of = |id: &str, secret: &str| format!("{grant}&client_id={id}&client_secret={secret}");
    let reply = form(manager, "/oauth2/token", &of(&client_id, &secret));
    let token = reply.ok()["access_token"].as_str().unwrap().to_owned();
    let signature = token.rsplit('.').next().unwrap();
    evidence.secret("the signature of an entity token", signature);
    evidence.reply_showing("the answer with an entity token", "the signature of an entity token", &reply);
    for (what, body, status) in [
        ("a wrong secret", of(&client_id, &wrong), 401),
        ("an unknown client", of("nobody", &unknown), 401),
        ("a secret where the client id belongs", of(&unknown, &wrong), 401),
        ("a secret as the scope", format!("{}&scope={unknown}", of(&client_id, &secret)), 400),
        ("a secret as the grant", format!("grant_type={wrong}"), 400),
        ("a secret as a name twice", format!("{grant}&{wrong}=1&{wrong}=2"), 400),
    ] {
        let reply = form(manager, "/oauth2/token", &body);
        assert_eq!(reply.status, status, "{what}: {}", reply.text());
        evidence.reply(&format!("the answer to {what} at the token endpoint"), &reply);
    }
    for sent in [token.as_str(), wrong.as_str()] {
        let body = format!("token={sent}&client_id={client_id}&client_secret={secret}");
        let reply = form(manager, "/oauth2/introspect", &body);
        reply.ok();
        evidence.reply("the answer of introspection", &reply);
    }
}

/// Vends a token, and presents it rightly and wrongly. Whoever holds a token can use it: its signature is secret.
fn pass_tokens_around(server: &Server, manager: &mut Connection, evidence: &mut Evidence) {
    let reply = manager.call("POST", "/api/jwt/vend", Some(&json!({"claims": {"sub": "somebody"}})));
    let token = reply.ok()["token"].as_str().unwrap().to_owned();
    let signature = token.rsplit('.').next().unwrap();
    evidence.secret("the signature of a token", signature);
    evidence.reply_showing("the answer that vends a token", "the signature of a token", &reply);
    let changed = token.replacen("eyJ", "eyK", 1);
    for (headers, status) in [
        (format!("Authorization: Bearer {token}\r\n"), 200),
        (format!("Authorization: JWT {token}\r\n"), 200),
        (format!("Cookie: access_token={token}\r\n"), 200),
        (format!("Authorization: Bearer {changed}\r\n"), 401),
        (format!("Authorization: {token}\r\n"), 401),
    ] {
        for path in ["/api/jwt/validate", "/api/prometheus/metrics", "/api/key"] {
            let mut connection = Connection::anonymous(server.address).unwrap();
            connection.send_raw("GET", path, &headers, b"").unwrap();
            let reply = connection.receive().unwrap();
            assert_eq!(reply.status, if path.ends_with("validate") { status } else { 401 }, "{path}");
            evidence.reply(&format!("the answer to a token at {path} in {}", headers.len()), &reply);
        }
    }
    let reply = manager.call("GET", "/api/prometheus/metrics", None);
    assert_eq!(reply.status, 200);
    evidence.reply("the metrics", &reply);
}

fn present_wrong_credentials(server: &Server, evidence: &mut Evidence) {
    let mut mistyped = generated();
    let last = if mistyped.pop() == Some('0') { '1' } else { '0' };
    mistyped.push(last);
    for (name, value) in [("a mistyped key", mistyped), ("an unknown key", generated())] {
        evidence.secret(name, &value);
        for headers in [
            format!("Authorization: {value}\r\n"),
            format!("Authorization: Bearer {value}\r\n"),
            format!("Authorization: Basic {value}\r\n"),
            format!("Authorization: {value}\r\nAuthorization: {value}\r\n"),
            format!("Authorization: {value}\r\nx-api-key: {value}\r\n"),
            format!("x-api-key: {value}\r\n"),
            format!("apiKey: {value}\r\n"),
            format!("x-api-key: {value}\r\napiKey: {value}\r\n"),
            format!("x-api-key: {value}\r\napiKey: x{value}\r\n"),
            format!("x-api-key: {value},{value}\r\n"),
            String::new(),
        ] {
            for path in ["/api/key", "/api/api-key/00000000-0000-4000-8000-000000000000", "/api/status"] {
                let in_query = format!("{path}?apiKey={value}");
                let path = if headers.is_empty() { in_query.as_str() } else { path };
                let mut connection = Connection::anonymous(server.address).unwrap();
                connection.send_raw("GET", path, &headers, b"").unwrap();
                let reply = connection.receive().unwrap();
                evidence.reply(&format!("the answer to {name} at {path} in {headers:?}"), &reply);
            }
        }
    }
}

fn ask_around(server: &Server, manager: &mut Connection, evidence: &mut Evidence) {
    let mut anonymous = Connection::anonymous(server.address).unwrap();
    for path in [
        "/api/status",
        "/api/health",
        "/.well-known/jwks.json",
        "/api/key",
        "/api/tenant",
        "/api/system/version",
    ] {
        for (who, connection) in [("the manager", &mut *manager), ("nobody", &mut anonymous)] {
            let reply = connection.call("GET", path, None);
            assert!([200, 401].contains(&reply.status), "{path}: {}", reply.text());
            evidence.reply(&format!("the answer to {who} at {path}"), &reply);
        }
    }
}

/// Everything that was done above, as the audit log tells it.
fn read_audit_log(manager: &mut Connection, evidence: &mut Evidence) {
    let reply = manager.call("GET", "/api/system/audit-log/search?numberOfResults=1000", None);
    let found = reply.ok();
    let entries = found["auditLogs"].as_array().unwrap();
    assert!(entries.len() > 30 && found["total"] == entries.len(), "{}", found["total"]);
    evidence.reply_showing("the audit log", CONTROL, &reply);
    for entry in entries {
        let reply = manager.call("GET", &format!("/api/system/audit-log/{}", entry["id"]), None);
        assert_eq!(reply.ok()["auditLog"], *entry);
    }
}

fn note_remains(name: &str, remains: Remains, evidence: &mut Evidence) {
    assert!(remains.log.windows(5).any(|word| word == b"DEBUG"), "the log does not say much");
    evidence.trace_showing(&format!("the log of {name}"), CONTROL, remains.log);
    evidence.trace(&format!("the output of {name}"), remains.output);
}

fn the_generated_first_key_is_shown_once(place: &Place) {
    let installation = Installation::new(place);
    let mut evidence = Evidence::default();
    let server =
        Server::start_with(&installation, &[("CLAVIGER_LOG", "trace"), ("CLAVIGER_BOOTSTRAP_API_KEY", "")]);
    let address = server.address;
    let first = server.stop();
    let output = String::from_utf8(first.output).unwrap();
    let value = output.split_whitespace().find(|word| word.starts_with("clv_")).unwrap().to_owned();
    assert_eq!(output.matches(&value).count(), 1);
    evidence.secret("the first key", &value);
    evidence.trace_showing("the output of the first start", "the first key", output);
    evidence.trace(&format!("the log of the first start on {address}"), first.log);

    let server =
        Server::start_with(&installation, &[("CLAVIGER_LOG", "trace"), ("CLAVIGER_BOOTSTRAP_API_KEY", "")]);
    let mut manager = server.connect(&value);
    evidence.reply("an answer to the first key", &manager.call("GET", "/api/tenant", None));
    let body = json!({"apiKey": {"name": "another"}});
    assert_eq!(manager.call("POST", "/api/api-key", Some(&body)).status, 200);
    evidence.secret(CONTROL, "Bootstrap key manager");
    note_files(&installation, "while it was written", &mut evidence);
    let second = server.stop();
    evidence.trace("the output of the second start", second.output);
    evidence.trace("the log of the second start", second.log);
    note_files(&installation, "when the server was stopped", &mut evidence);
    note_rows(&installation, &mut evidence);
    evidence.judge();
}
