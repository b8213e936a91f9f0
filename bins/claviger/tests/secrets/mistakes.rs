//! Secrets where callers put them by mistake.

use std::net::SocketAddr;

use serde_json::{Value, json};

use crate::common::Connection;
use crate::evidence::Evidence;

/// Sends `secret`, which is called `name`, in every wrong place. `manager` is a valid key, so that bodies are read.
pub(crate) fn make(address: SocketAddr, manager: &str, name: &str, secret: &str, evidence: &mut Evidence) {
    let mut senders = Senders { address, manager, name, evidence };
    for path in [
        format!("/api/api-key/{secret}"),
        format!("/api/key/{secret}"),
        format!("/api/key/generate/{secret}"),
        format!("/api/tenant/{secret}"),
        format!("/{secret}"),
        format!("/api/{secret}/key"),
        format!("//{secret}"),
        format!("/api/status?key={secret}"),
        format!("/api/health?{secret}"),
        format!("/api/key?apiKey={secret}"),
        format!("/.well-known/jwks.json?key={secret}"),
    ] {
        for method in ["GET", "POST", "PUT", "PATCH", "DELETE"] {
            senders.send(method, &path, "Content-Type: application/json\r\n", b"{}");
        }
    }
    for headers in [
        format!("X-FusionAuth-TenantId: {secret}\r\n"),
        format!("X-HTTP-Method-Override: {secret}\r\n"),
        format!("x-api-key: {secret}\r\n"),
        format!("Content-Type: {secret}\r\n"),
        format!("X-Request-Id: {secret}\r\n"),
        format!("Cookie: key={secret}\r\n"),
        format!("Expect: {secret}\r\n"),
    ] {
        senders.send("GET", "/api/key", &headers, b"");
        senders.send("POST", "/api/tenant", &headers, b"{}");
    }
    for body in bodies(secret) {
        for path in ["/api/api-key", "/api/key/generate", "/api/tenant"] {
            senders.send("POST", path, "Content-Type: application/json\r\n", body.as_bytes());
        }
    }
    // Not even HTTP.
    for start in [format!("{secret}\r\n\r\n"), format!("GET {secret} HTTP/9\r\n\r\n")] {
        senders.garbage(&start);
    }
}

/// Sends requests on connections of their own and notes the answers.
struct Senders<'a> {
    address: SocketAddr,
    manager: &'a str,
    name: &'a str,
    evidence: &'a mut Evidence,
}

impl Senders<'_> {
    fn send(&mut self, method: &str, path: &str, headers: &str, body: &[u8]) {
        let headers = format!("Authorization: {}\r\n{headers}", self.manager);
        let mut connection = Connection::anonymous(self.address).unwrap();
        connection.send_raw(method, path, &headers, body).unwrap();
        let reply = connection.receive().unwrap();
        assert!(reply.status < 500, "{method}: {}", reply.text());
        let refused = reply.status >= 400 || path.contains('?') || method == "GET";
        assert!(refused, "{method} with {} as a mistake was taken: {}", self.name, reply.text());
        let body = String::from_utf8_lossy(body).into_owned();
        self.evidence.reply(&format!("the answer to {method} {path} {headers:?} {body}"), &reply);
    }

    fn garbage(&mut self, text: &str) {
        use std::io::{Read, Write};
        let mut stream = std::net::TcpStream::connect(self.address).unwrap();
        stream.write_all(text.as_bytes()).unwrap();
        let mut answer = Vec::new();
        // The server may cut the connection.
        let _cut = stream.read_to_end(&mut answer);
        self.evidence.trace("the answer to garbage", answer);
    }
}

fn bodies(secret: &str) -> Vec<String> {
    let api_key = |members: Value| json!({"apiKey": members}).to_string();
    let key = |members: Value| json!({"key": members}).to_string();
    let tenant = |members: Value| json!({"tenant": members}).to_string();
    let mut bodies = vec![
        // Documents that are none.
        secret.to_owned(),
        format!("\"{secret}\""),
        format!("[\"{secret}\"]"),
        format!(r#"{{"apiKey": {{"key": "{secret}""#),
        format!(r#"{{"apiKey": {{"key": "{secret}", }}}}"#),
        format!(r#"{{"apiKey": {{"key": {secret}}}}}"#),
        format!(r#"{{"apiKey": {{"key": "{secret}", "key": "{secret}"}}}}"#),
        format!(r#"{{"apiKey": {{"{secret}": 1, "{secret}": 1}}}}"#),
        format!(r#"{{"{secret}": {secret}}}"#),
        // The name of a member.
        json!({ secret: {} }).to_string(),
        json!({"apiKey": {"name": "n"}, secret: 1}).to_string(),
        api_key(json!({ secret: 1 })),
        api_key(json!({"name": "n", "metaData": {secret: 1}})),
        api_key(json!({"name": "n", "metaData": {"attributes": {secret: 1}}})),
        api_key(json!({"name": "n", "permissions": {secret: []}})),
        api_key(json!({"name": "n", "permissions": {"endpoints": {secret: ["GET"]}}})),
        key(json!({"name": "n", "algorithm": "HS256", secret: 1})),
        tenant(json!({"name": "n", secret: 1})),
        tenant(json!({"name": "n", "jwtConfiguration": {secret: 1}})),
        json!({"tenant": {"name": "n", "jwtConfiguration": {secret: {"a": 1}}}}).to_string(),
        // Beside something else that is wrong.
        api_key(json!({"key": secret, "unknown": 1})),
        api_key(json!({"key": secret, "name": 5})),
        api_key(json!({"key": secret, "tenantId": "nowhere"})),
        api_key(json!({"key": secret, "keyManager": true})),
        api_key(json!({"key": format!("{secret} ")})),
        api_key(json!({"key": format!("Bearer {secret}")})),
        api_key(json!({"key": format!("{secret}\u{7}")})),
        api_key(json!({"key": secret.repeat(60)})),
        api_key(json!({"key": [secret]})),
        json!({"apiKey": secret}).to_string(),
        json!({"apiKey": [secret]}).to_string(),
        json!({"sourceKeyId": secret}).to_string(),
        json!({"sourceKeyId": "00000000-0000-4000-8000-000000000000", "apiKey": {"key": secret}}).to_string(),
        json!({"key": secret}).to_string(),
        json!({"tenant": secret}).to_string(),
        json!({"sourceTenantId": secret, "tenant": {"name": "n"}}).to_string(),
        api_key(json!({"name": secret.repeat(10)})),
        api_key(json!({"name": "n", "permissions": {"endpoints": {"/api/user": [secret]}}})),
        api_key(json!({"name": "n", "permissions": {"endpoints": {"/api/user": secret}}})),
        key(json!({"name": "n", "algorithm": "HS999", "secret": secret, "privateKey": secret})),
        tenant(json!({"name": "n", "jwtConfiguration": {"accessTokenVerificationKeyIds": [secret]}})),
        tenant(json!({"name": "n", "issuer": secret.repeat(10)})),
    ];
    // The value of a member of another type.
    for member in [
        "expirationInstant",
        "ipAccessControlListId",
        "keyManager",
        "metaData",
        "permissions",
        "retrievable",
        "tenantId",
    ] {
        bodies.push(api_key(json!({"name": "n", member: secret})));
    }
    bodies.push(key(json!({"name": "n", "algorithm": secret})));
    bodies.push(key(json!({"name": "n", "algorithm": "RS256", "length": secret})));
    for member in ["accessTokenKeyId", "idTokenKeyId", "timeToLiveInSeconds", "idTokenVerificationKeyIds"] {
        bodies.push(tenant(json!({"name": "n", "jwtConfiguration": {member: secret}})));
    }
    bodies
}
