//! Counters move by exactly what was done, and what callers write becomes no label.

use serde_json::{Value, json};

use super::{PATH, Series, decisions, look, requests, value};
use crate::support::server::{BOOTSTRAP, PREFIX, START};
use crate::support::{Server, unique, uuid};

on_each_database! {
    own: requests_and_decisions, signatures_and_validations, generations_and_stock_misses, nothing_of_callers_is_shown;
}

/// Checks a step: what moves beside looking at the metrics itself is exactly this.
struct Watch<'a> {
    server: &'a Server,
    before: Series,
}

impl<'a> Watch<'a> {
    fn new(server: &'a Server) -> Self {
        Self { server, before: look(server) }
    }

    /// What counters moved by since the last call; buckets and sums of histograms left out.
    #[track_caller]
    fn moved(&mut self) -> Series {
        let after = look(self.server);
        let mut moved = Series::new();
        for (name, number) in &after {
            let before = self.before.get(name).copied().unwrap_or(0.0);
            let is_counter = name.contains("_total") || name.contains("_count{");
            if is_counter && *number != before {
                moved.insert(name.clone(), number - before);
            }
        }
        // The look before this one was counted after its text was written.
        for own in [requests("GET", PATH, 200), decisions("allowed")] {
            let count = moved.get_mut(&own).unwrap_or_else(|| panic!("{own} did not move"));
            *count -= 1.0;
            if *count == 0.0 {
                moved.remove(&own);
            }
        }
        assert!(self.before.keys().all(|name| after.contains_key(name)), "a series is gone");
        self.before = after;
        moved
    }

    #[track_caller]
    fn check(&mut self, expected: &[(String, u32)]) {
        let expected: Series =
            expected.iter().map(|(name, count)| (name.clone(), f64::from(*count))).collect();
        assert_eq!(self.moved(), expected);
    }

    /// As many refusals of this route for this reason.
    #[track_caller]
    fn refused(&mut self, method: &str, route: &str, reason: &str, count: u32) {
        self.check(&[(requests(method, route, 401), count), (decisions(reason), count)]);
    }

    /// As many allowed requests with this status.
    #[track_caller]
    fn allowed(&mut self, method: &str, route: &str, status: u16, count: u32) {
        self.check(&[(requests(method, route, status), count), (decisions("allowed"), count)]);
    }
}

fn requests_and_decisions(server: &Server) {
    let manager = server.as_key_manager();
    let tenant = server.tenant();
    let [bound, other] = [(); 2].map(|()| server.api_key(json!({"tenantId": tenant})));
    let narrow = server.restricted(json!({"/api/user": ["GET"]}));
    let expired = server.api_key(json!({"expirationInstant": START}));
    let mut watch = Watch::new(server);
    watch.check(&[]);

    // Public routes need no decision.
    server.anonymous().get("/api/health").done();
    server.anonymous().get("/api/status").ok();
    let jwks = server.anonymous().get("/.well-known/jwks.json");
    let tag = jwks.header("etag").unwrap().to_owned();
    assert_eq!(
        server.anonymous().with_header("If-None-Match", &tag).get("/.well-known/jwks.json").status,
        304
    );
    watch.check(&[
        (requests("GET", "/api/health", 200), 1),
        (requests("GET", "/api/status", 200), 1),
        (requests("GET", "/.well-known/jwks.json", 200), 1),
        (requests("GET", "/.well-known/jwks.json", 304), 1),
    ]);

    // What no route takes.
    for path in ["/", "/api/none", "/api/key//", "/api/%6bey"] {
        manager.get(path).not_found();
    }
    watch.check(&[(requests("none", "none", 404), 4)]);
    assert_eq!(manager.delete("/api/key").status, 405);
    assert_eq!(manager.send_bytes("BREW", "/api/key", None).status, 501);
    watch.check(&[(requests("none", "none", 405), 1), (requests("none", "none", 501), 1)]);

    // Allowed, whatever comes of it.
    manager.get("/api/key").ok();
    manager.send_bytes("HEAD", "/api/key", None);
    watch.allowed("GET", "/api/key", 200, 2);
    manager.get(&format!("/api/key/{}", uuid())).not_found();
    watch.allowed("GET", "/api/key/{keyId}", 404, 1);
    for _ in 0..3 {
        manager.get("/api/key/x").refused(&["keyId [couldNotConvert]keyId"]);
    }
    watch.allowed("GET", "/api/key/{keyId}", 400, 3);
    manager.post("/api/tenant", &json!({})).refused(&["tenant [missing]tenant"]);
    watch.allowed("POST", "/api/tenant", 400, 1);
    let long = " ".repeat(1024 * 1024 + 1);
    assert_eq!(manager.send_bytes("PUT", &bound.path(), Some(long.as_bytes())).status, 413);
    watch.allowed("PUT", "/api/api-key/{apiKeyId}", 413, 1);
    let overridden = manager.with_header("X-HTTP-Method-Override", "PATCH");
    overridden.post(&bound.path(), &json!({"apiKey": {}})).ok();
    watch.allowed("PATCH", "/api/api-key/{apiKeyId}", 200, 1);

    // Refused, each for its own reason.
    server.anonymous().get("/api/key").denied();
    server.anonymous().with_header("x-api-key", "").get("/api/key").denied();
    watch.refused("GET", "/api/key", "no_credential", 2);
    for scheme in ["Bearer x", "Basic x", "JWT x", "DPoP x"] {
        server.with_key(scheme).get("/api/key").denied();
    }
    watch.refused("GET", "/api/key", "other_scheme", 4);
    server.with_key("no such key").get("/api/tenant").denied();
    watch.refused("GET", "/api/tenant", "unknown_key", 1);
    let mut mistyped = narrow.value.clone();
    let last = mistyped.pop().unwrap();
    mistyped.push(if last == 'A' { 'B' } else { 'A' });
    assert!(mistyped.starts_with(PREFIX));
    server.with_key(&mistyped).get("/api/tenant").denied();
    watch.refused("GET", "/api/tenant", "mistyped_key", 1);
    server.with_key(&expired.value).get("/api/key").denied();
    watch.refused("GET", "/api/key", "expired", 1);
    server.with_key(&narrow.value).get("/api/key").denied();
    server.with_key(&narrow.value).get("/api/key").denied();
    watch.refused("GET", "/api/key", "not_granted", 2);
    server.with_key(&narrow.value).get(&bound.path()).denied();
    watch.refused("GET", "/api/api-key/{apiKeyId}", "not_key_manager", 1);
    server.with_key(&bound.value).get("/api/key").denied();
    watch.refused("GET", "/api/key", "tenant_key_at_global_endpoint", 1);
    manager.in_tenant(&tenant).get("/api/key").denied();
    manager.in_tenant("x").get("/api/key").denied();
    watch.refused("GET", "/api/key", "tenant_header_at_global_endpoint", 2);
    server.with_key(&bound.value).in_tenant(&uuid()).get("/api/tenant").denied();
    watch.refused("GET", "/api/tenant", "other_tenant", 1);
    let body = json!({"tenant": {"name": unique("tenant")}});
    server.with_key(&other.value).post("/api/tenant", &body).denied();
    watch.check(&[(requests("POST", "/api/tenant", 401), 1), (decisions("scope_too_narrow"), 1)]);
    // Ambiguous, before anything is decided.
    server
        .with_key("x")
        .with_header("Authorization", "x")
        .get("/api/key")
        .refused(&["[ambiguousCredentials]"]);
    watch.check(&[(requests("GET", "/api/key", 400), 1)]);
    // A request that is answered while it is refused counts once.
    server.with_key("no such key").get("/api/status").denied();
    watch.refused("GET", "/api/status", "unknown_key", 1);
}

fn signatures_and_validations(server: &Server) {
    let manager = server.as_key_manager();
    let algorithms = ["HS256", "HS384", "HS512", "ES256", "ES384", "ES512", "Ed25519", "RS256", "RS512"];
    let keys: Vec<Value> = algorithms
        .iter()
        .map(|algorithm| {
            let length = algorithm.starts_with("RS").then_some(2048);
            let key = json!({"name": unique("signer"), "algorithm": algorithm, "length": length});
            manager.post("/api/key/generate", &json!({"key": key})).ok()["key"].take()
        })
        .collect();
    let validations = |result: &str| format!("claviger_token_validations_total{{result=\"{result}\"}}");
    let (vend_route, validate_route) = ("/api/jwt/vend", "/api/jwt/validate");
    let vend = |key: &Value| {
        let request = json!({"keyId": key["id"], "timeToLiveInSeconds": 60});
        manager.post(vend_route, &request).ok()["token"].as_str().unwrap().to_owned()
    };
    let validate = |token: &str| {
        server.anonymous().with_header("Authorization", &format!("Bearer {token}")).get(validate_route)
    };
    let mut watch = Watch::new(server);
    let mut tokens = Vec::new();
    for (count, (algorithm, key)) in (1..).zip(algorithms.iter().zip(&keys)) {
        for _ in 0..count {
            tokens.push(vend(key));
        }
        watch.check(&[
            (requests("POST", vend_route, 200), count),
            (decisions("allowed"), count),
            (format!("claviger_signatures_total{{algorithm=\"{algorithm}\"}}"), count),
        ]);
    }
    // What is not signed is not counted.
    manager.post(vend_route, &json!({"keyId": uuid()})).refused(&["keyId [invalid]keyId"]);
    watch.allowed("POST", vend_route, 400, 1);

    for token in &tokens {
        validate(token).ok();
    }
    let count = u32::try_from(tokens.len()).unwrap();
    watch.check(&[(requests("GET", validate_route, 200), count), (validations("valid"), count)]);
    let mut invalid = |token: &str, result: &str| {
        validate(token).denied();
        watch.check(&[(requests("GET", validate_route, 401), 1), (validations(result), 1)]);
    };
    invalid("x", "malformed");
    invalid("a.b.c", "malformed");
    // One token's signature under another one's claims.
    let (one, other) = (&tokens[1], &tokens[2]);
    let (claims, signature) = (one.rsplit_once('.').unwrap().0, other.rsplit_once('.').unwrap().1);
    invalid(&format!("{claims}.{signature}"), "signature");
    let token = &tokens[0];
    let (start, end) = token.split_at(token.len() - 20);
    let turned = if end.starts_with('A') { 'B' } else { 'A' };
    invalid(&format!("{start}{turned}{}", &end[1..]), "signature");
    let unknown = {
        let key = json!({"key": {"name": unique("gone"), "algorithm": "HS256"}});
        let key = manager.post("/api/key/generate", &key).ok()["key"].take();
        let token = vend(&key);
        manager.delete(&format!("/api/key/{}", key["id"].as_str().unwrap())).done();
        token
    };
    // That was more than a validation: begin anew.
    let mut watch = Watch::new(server);
    validate(&unknown).denied();
    server.anonymous().get(validate_route).denied();
    watch.check(&[
        (requests("GET", validate_route, 401), 2),
        (validations("unknown-key"), 1),
        (validations("absent"), 1),
    ]);
    let client = server.anonymous().in_tenant(&uuid());
    client.with_header("Authorization", &format!("Bearer {token}")).get(validate_route).denied();
    watch.check(&[(requests("GET", validate_route, 401), 1), (validations("other-tenant"), 1)]);
    server.set_now(START + 61_000);
    validate(token).denied();
    watch.check(&[(requests("GET", validate_route, 401), 1), (validations("expired"), 1)]);
    // Every key that was used is at hand.
    assert!(value(&look(server), "claviger_parsed_keys") >= f64::from(u8::try_from(keys.len()).unwrap()));
}

fn generations_and_stock_misses(server: &Server) {
    let manager = server.as_key_manager();
    let mut watch = Watch::new(server);
    let route = "/api/key/generate";
    let generate = |algorithm: &str, length: Option<u32>| {
        let key = json!({"name": unique("generated"), "algorithm": algorithm, "length": length});
        manager.post(route, &json!({"key": key})).ok();
    };
    let seconds = |kind: &str| format!("claviger_key_generation_seconds_count{{kind=\"{kind}\"}}");
    for (algorithm, kind, count) in [("HS512", "HMAC", 3), ("ES384", "EC", 2), ("Ed25519", "OKP", 1)] {
        for _ in 0..count {
            generate(algorithm, None);
        }
        watch.check(&[
            (requests("POST", route, 200), count),
            (decisions("allowed"), count),
            (seconds(kind), count),
        ]);
    }
    // Without a stock every RSA key is missing from it.
    for (length, count) in [(2048, 2), (3072, 1)] {
        for _ in 0..count {
            generate("RS256", Some(length));
        }
        watch.check(&[
            (requests("POST", route, 200), count),
            (decisions("allowed"), count),
            (seconds(&format!("RSA-{length}")), count),
            (format!("claviger_rsa_stock_misses_total{{length=\"{length}\"}}"), count),
        ]);
    }
    // What is refused is not generated, and an import is no generation.
    let wrong = json!({"key": {"name": "x", "algorithm": "RS256", "length": 1}});
    manager.post(route, &wrong).refused(&["key.length [invalid]key.length"]);
    watch.allowed("POST", route, 400, 1);
    let private = crate::key::fixture("rsa-2048.pkcs8");
    let import = json!({"key": {"name": unique("imported"), "privateKey": private}});
    manager.post("/api/key/import", &import).ok();
    watch.allowed("POST", "/api/key/import", 200, 1);
    let series = look(server);
    let sum = value(&series, "claviger_key_generation_seconds_sum{kind=\"RSA-3072\"}");
    assert!(sum > 0.0, "{sum}");
    for length in ["2048", "3072", "4096"] {
        assert_eq!(value(&series, &format!("claviger_rsa_stock_keys{{length=\"{length}\"}}")), 0.0);
        assert_eq!(value(&series, &format!("claviger_rsa_stock_bytes{{length=\"{length}\"}}")), 0.0);
    }
}

fn nothing_of_callers_is_shown(server: &Server) {
    const MARK: &str = "xq7mark";
    let manager = server.as_key_manager();
    // Once for each series that can come of it, then again with other texts: no series may be new.
    let abuse = |mark: &str| {
        for path in [
            format!("/{mark}"),
            format!("/api/{mark}"),
            format!("/api/key/generate/{}/{mark}", uuid()),
            format!("/{mark}?{mark}={mark}"),
        ] {
            server.anonymous().get(&path).not_found();
            manager.get(&path).not_found();
        }
        let id = uuid();
        let name = unique(mark);
        manager.get(&format!("/api/key/{mark}")).refused(&["keyId [couldNotConvert]keyId"]);
        manager.get(&format!("/api/key/search?name={mark}&{mark}={mark}")).ok();
        manager.get(&format!("/api/key/search?type={mark}")).refused(&["type [invalidOption]type"]);
        server.anonymous().get(&format!("/api/jwt/public-key?kid={mark}")).not_found();
        server.with_key(mark).get("/api/key").denied();
        server.with_key(&format!("Bearer {mark}")).get("/api/jwt/validate").denied();
        server.with_key(&format!("{mark} {mark}")).get("/api/key").denied();
        let odd = manager.with_header("User-Agent", mark).with_header("Content-Type", mark);
        odd.send_bytes("POST", "/api/key/import", Some(b"{}")).refused(&["[UnsupportedContentType]"]);
        assert_eq!(manager.send_bytes(&mark.to_uppercase(), "/api/key", None).status, 501);
        let key = json!({"key": {"name": name, "type": "HMAC", "kid": unique(mark), "secret": mark}});
        manager.post(&format!("/api/key/import/{id}"), &key).ok();
        let vend = json!({"keyId": id, "timeToLiveInSeconds": 60, "claims": {mark: mark}});
        manager.post("/api/jwt/vend", &vend).ok();
        let pair = json!({"key": {"name": unique(mark), "algorithm": "ES256", "issuer": mark}});
        manager.post("/api/key/generate", &pair).ok();
        let tenant = json!({"tenant": {"name": unique(mark), "issuer": mark, "data": {mark: mark}}});
        manager.post("/api/tenant", &tenant).ok();
        let made = server.api_key(json!({"name": unique(mark), "key": format!("{mark} value"),
            "permissions": {"endpoints": {format!("/api/{mark}"): ["GET"]}}}));
        server.with_key(&made.value).get("/api/key").denied();
        manager.delete(&made.path()).done();
        server.with_key(&made.value).get("/api/key").denied();
    };
    abuse(&format!("{MARK}1"));
    // The first look is itself a series in the second one.
    look(server);
    let before = look(server);
    abuse(&format!("{MARK}2"));
    let reply = manager.get(PATH);
    let after = super::read(&reply);
    assert_eq!(before.keys().collect::<Vec<_>>(), after.keys().collect::<Vec<_>>());
    let text = reply.text().to_lowercase();
    for absent in [MARK, BOOTSTRAP, PREFIX, "default", "127.0.0.1", "localhost", "7e57ab1e", "private"] {
        assert!(!text.contains(absent), "{absent}");
    }
    // Every route that is shown is one of the table.
    for name in after.keys().filter_map(|name| name.strip_prefix("claviger_http_requests_total{method=\"")) {
        let (method, rest) = name.split_once("\",route=\"").unwrap();
        let (route, _) = rest.split_once('"').unwrap();
        let known =
            claviger_http::ROUTES.iter().any(|one| one.method.as_str() == method && one.template == route);
        assert!(known || (method, route) == ("none", "none"), "{name}");
    }
}
