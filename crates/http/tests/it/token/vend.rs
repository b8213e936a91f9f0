//! Tokens are made as asked: header, claims and their order, lifetime, key; and what cannot be made is refused.

use claviger_crypto::MAXIMUM_TOKEN_LENGTH;
use claviger_domain::KeyId;
use serde_json::{Map, Value, json};

use super::{
    ALGORITHMS, accepted, claims, configure, generate, import, import_secret, part, text, validate, vend,
    vend_as,
};
use crate::support::fixture::names;
use crate::support::server::START;
use crate::support::{Server, unique, uuid};

on_each_database! {
    shared: headers_say_algorithm_type_and_key, claims_stand_in_order, reserved_claims_are_left_out,
        the_callers_jti_wins, identifiers_differ, lifetimes_are_as_asked, tenants_give_the_defaults,
        keys_that_do_not_sign_are_refused, lifetimes_have_bounds, bodies_may_be_empty, bodies_are_checked,
        claims_come_back_unchanged, nesting_has_a_bound, tokens_have_a_longest_length;
    own: the_default_tenant_gives_the_defaults;
}

const BAD_KEY: [&str; 1] = ["keyId [invalid]keyId"];

fn headers_say_algorithm_type_and_key(server: &Server) {
    for algorithm in ALGORITHMS {
        let key = generate(server, algorithm);
        let token = vend(server, &key, json!({}));
        let expected = format!(r#"{{"alg":"{algorithm}","typ":"JWT","kid":"{}"}}"#, text(&key, "kid"));
        assert_eq!(part(&token, 0), expected);
        assert_eq!(token.split('.').count(), 3);
        assert_eq!(accepted(&validate(server, &token)), claims(&token), "{algorithm}");
    }
}

fn claims_stand_in_order(server: &Server) {
    let key = generate(server, "Ed25519");
    let token = vend(server, &key, json!({"zeta": 1, "alpha": {"z": 1, "a": 2}, "sub": "s", "aud": ["a"]}));
    let now = START / 1000;
    let jti = claims(&token)["jti"].clone();
    let expected = format!(
        r#"{{"exp":{},"iat":{now},"zeta":1,"alpha":{{"z":1,"a":2}},"sub":"s","aud":["a"],"jti":{jti}}}"#,
        now + 3600
    );
    assert_eq!(part(&token, 1), expected);
    // The answer keeps the order too.
    assert_eq!(validate(server, &token).text(), format!(r#"{{"jwt":{expected}}}"#));
}

fn reserved_claims_are_left_out(server: &Server) {
    let key = generate(server, "HS256");
    let reserved =
        json!({"amr": ["pwd"], "cnf": {"jkt": "x"}, "exp": 1, "iat": "then", "own": true, "EXP": 2});
    let token = vend(server, &key, reserved);
    // Nothing else is added either: no issuer, subject, audience or tenant.
    assert_eq!(names(&claims(&token)), ["exp", "iat", "own", "EXP", "jti"]);
    assert_eq!(claims(&token)["exp"], json!(START / 1000 + 3600));
    assert_eq!(names(&claims(&vend(server, &key, json!({})))), ["exp", "iat", "jti"]);
}

fn the_callers_jti_wins(server: &Server) {
    let key = generate(server, "ES256");
    let token = vend(server, &key, json!({"jti": "my own", "b": 1}));
    assert_eq!(names(&claims(&token)), ["exp", "iat", "jti", "b"]);
    assert_eq!(accepted(&validate(server, &token))["jti"], "my own");
}

fn identifiers_differ(server: &Server) {
    let key = generate(server, "Ed25519");
    let mut seen: Vec<_> = (0..20)
        .map(|_| {
            let jti = text(&claims(&vend(server, &key, json!({}))), "jti").to_owned();
            // The same form as all ids.
            assert_eq!(jti.parse::<KeyId>().unwrap().to_string(), jti);
            jti
        })
        .collect();
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), 20);
}

fn lifetimes_are_as_asked(server: &Server) {
    let (key, now) = (generate(server, "HS512"), START / 1000);
    for lifetime in [1, 60, 2_147_483_647_i64] {
        let body = json!({"keyId": key["id"], "timeToLiveInSeconds": lifetime});
        let token = vend_as(&server.as_key_manager(), &body);
        assert_eq!(claims(&token)["exp"], json!(now + lifetime));
        accepted(&validate(server, &token));
    }
}

fn tenants_give_the_defaults(server: &Server) {
    let (access, id, tenant) = (generate(server, "ES384"), generate(server, "HS384"), server.tenant());
    configure(
        server,
        &tenant,
        json!({"accessTokenKeyId": access["id"], "idTokenKeyId": id["id"], "timeToLiveInSeconds": 77}),
    );
    let bound = server.api_key(json!({"tenantId": tenant}));
    for client in [
        server.as_key_manager().in_tenant(&tenant),
        server.with_key(&bound.value),
        server.with_key(&bound.value).in_tenant(&tenant),
    ] {
        let token = vend_as(&client, &json!({}));
        assert!(part(&token, 0).ends_with(&format!(r#""kid":{}}}"#, access["kid"])));
        assert_eq!(claims(&token)["exp"], json!(START / 1000 + 77));
        // One of them given: the other stays the default.
        let token = vend_as(&client, &json!({"timeToLiveInSeconds": 5}));
        assert!(part(&token, 0).contains(text(&access, "kid")));
        assert_eq!(claims(&token)["exp"], json!(START / 1000 + 5));
        let token = vend_as(&client, &json!({"keyId": id["id"]}));
        assert!(part(&token, 0).contains(text(&id, "kid")));
        assert_eq!(claims(&token)["exp"], json!(START / 1000 + 77));
    }
    let manager = server.as_key_manager();
    manager.in_tenant(&uuid()).post("/api/jwt/vend", &json!({})).refused(&["[InvalidTenantId]"]);
    manager.in_tenant("x").post("/api/jwt/vend", &json!({})).refused(&["tenantId [couldNotConvert]tenantId"]);
}

fn the_default_tenant_gives_the_defaults(server: &Server) {
    let manager = server.as_key_manager();
    // A new instance has a key for this already.
    let token = vend_as(&manager, &json!({}));
    assert!(part(&token, 0).starts_with(r#"{"alg":"RS256","#));
    assert_eq!(claims(&token)["exp"], json!(START / 1000 + 3600));
    accepted(&validate(server, &token));
    let key = generate(server, "ES512");
    configure(
        server,
        &server.default_tenant(),
        json!({"accessTokenKeyId": key["id"], "timeToLiveInSeconds": 10}),
    );
    let token = vend_as(&manager, &json!({}));
    assert!(part(&token, 0).contains(text(&key, "kid")));
    assert_eq!(claims(&token)["exp"], json!(START / 1000 + 10));
    // A tenant that is made without a key of its own takes that of the default tenant as it is now.
    let token = vend_as(&manager.in_tenant(&server.tenant()), &json!({}));
    assert!(part(&token, 0).contains(text(&key, "kid")));
    server.set_now(START + 5999);
    assert_eq!(claims(&vend_as(&manager, &json!({})))["iat"], json!(START / 1000 + 5));
}

fn keys_that_do_not_sign_are_refused(server: &Server) {
    let pair = generate(server, "ES256");
    let rsa = include_str!("../../../../crypto/tests/fixtures/rsa-2048.spki.pem");
    let secret = json!({"type": "Secret", "algorithm": "None", "secret": "not for tokens"});
    let ids = [
        uuid(),
        "00000000-0000-0000-0000-000000000000".to_owned(),
        text(&import(server, json!({"publicKey": pair["publicKey"], "kid": unique("half")})), "id")
            .to_owned(),
        text(&import(server, json!({"certificate": pair["certificate"], "kid": unique("half")})), "id")
            .to_owned(),
        // RSA without a certificate says nothing about the digest.
        text(&import(server, json!({"publicKey": rsa, "kid": unique("half")})), "id").to_owned(),
        text(&import(server, secret), "id").to_owned(),
        "092dbedc-30af-4149-9c61-b578f2c72f59".to_owned(),
        "4b8f1c06-518e-45bd-9ac5-d549686ae02a".to_owned(),
        "c753a44d-7f2e-48d3-bc4e-c2c16488a23b".to_owned(),
    ];
    let manager = server.as_key_manager();
    for id in ids {
        manager.post("/api/jwt/vend", &json!({"keyId": id})).refused(&BAD_KEY);
    }
    // A deleted key signs no more.
    vend(server, &pair, json!({}));
    manager.delete(&super::path(&pair)).done();
    manager.post("/api/jwt/vend", &json!({"keyId": pair["id"]})).refused(&BAD_KEY);
}

fn lifetimes_have_bounds(server: &Server) {
    let key = generate(server, "Ed25519");
    let refused = |lifetime: Value, code: &str| {
        let body = json!({"keyId": key["id"], "timeToLiveInSeconds": lifetime});
        server.as_key_manager().post("/api/jwt/vend", &body).refused(&[code]);
    };
    for lifetime in [0, -1, 2_147_483_648, i64::MAX, i64::MIN] {
        refused(json!(lifetime), "timeToLiveInSeconds [invalid]timeToLiveInSeconds");
    }
    for lifetime in [json!(1.5), json!(1e10), json!("60"), json!(true), json!([]), json!(u64::MAX)] {
        refused(lifetime, "timeToLiveInSeconds [invalidJSON]");
    }
}

fn bodies_may_be_empty(server: &Server) {
    let client = server.as_key_manager();
    for reply in [
        client.send("POST", "/api/jwt/vend", None),
        client.send_bytes("POST", "/api/jwt/vend", Some(b"")),
        client.post("/api/jwt/vend", &json!({})),
        client.post("/api/jwt/vend", &json!({"claims": null, "keyId": "", "timeToLiveInSeconds": null})),
    ] {
        assert_eq!(names(&claims(text(&reply.ok(), "token"))), ["exp", "iat", "jti"]);
        assert_eq!(reply.header("cache-control"), Some("no-store"));
    }
}

fn bodies_are_checked(server: &Server) {
    let client = server.as_key_manager();
    for wrong in [json!([]), json!("a"), json!(1), json!(true)] {
        client.post("/api/jwt/vend", &json!({"claims": wrong})).refused(&["claims [invalidJSON]"]);
    }
    client.post("/api/jwt/vend", &json!({"keyId": "x"})).refused(&["keyId [invalidJSON]"]);
    client.post("/api/jwt/vend", &json!({"claim": {}})).refused(&["[invalidJSON]"]);
    client.post("/api/jwt/vend", &json!({"claims": 1, "keyId": 2, "timeToLiveInSeconds": 0})).refused(&[
        "claims [invalidJSON]",
        "keyId [invalidJSON]",
        "timeToLiveInSeconds [invalid]timeToLiveInSeconds",
    ]);
    let typed = client.with_header("Content-Type", "application/json");
    let twice: [&[u8]; 3] = [
        br#"{"claims":{"a":1,"a":2}}"#,
        br#"{"claims":{"a":1,"\u0061":2}}"#,
        br#"{"claims":{},"claims":{}}"#,
    ];
    for body in twice {
        typed.send_bytes("POST", "/api/jwt/vend", Some(body)).refused(&["[invalidJSON]"]);
    }
}

fn claims_come_back_unchanged(server: &Server) {
    let claims = json!({
        "é": "\u{1f511}\u{0}\u{2028}\"\\/", "": "", "a.b": null, "$ref": [[], {}, [null, true, false]],
        "largest": u64::MAX, "smallest": i64::MIN, "beyond 2^53": 9_007_199_254_740_993_i64,
        "tiny": 5e-324, "huge": 1.797_693_134_862_315_7e308, "tenth": 0.1, "negative zero": -0.0, "whole": 1.0,
        "nested": {"exp": 1, "amr": 2, "list": [{"iat": "x"}]}, "long": "x".repeat(10_000),
    });
    for algorithm in ["Ed25519", "HS256", "RS512"] {
        let token = vend(server, &generate(server, algorithm), claims.clone());
        let mut read = accepted(&validate(server, &token));
        let read = read.as_object_mut().unwrap();
        for added in ["exp", "iat", "jti"] {
            assert!(read.shift_remove(added).is_some());
        }
        assert_eq!(Value::Object(read.clone()).to_string(), claims.to_string());
    }
}

fn nesting_has_a_bound(server: &Server) {
    let key = generate(server, "HS256");
    let client = server.as_key_manager().with_header("Content-Type", "application/json");
    let vend = |depth: usize| {
        let body = format!(
            r#"{{"keyId":"{}","claims":{{"a":{}1{}}}}}"#,
            text(&key, "id"),
            "[".repeat(depth),
            "]".repeat(depth)
        );
        client.send_bytes("POST", "/api/jwt/vend", Some(body.as_bytes()))
    };
    // 127 levels, two of which are the body and the claims. What is vended can be read again.
    let token = vend(125).ok();
    accepted(&validate(server, text(&token, "token")));
    vend(126).refused(&["[invalidJSON]"]);
    vend(100_000).refused(&["[invalidJSON]"]);
}

fn tokens_have_a_longest_length(server: &Server) {
    let client = server.as_key_manager();
    for algorithm in ["Ed25519", "HS256", "RS256"] {
        let key = generate(server, algorithm);
        let vend = |length: usize| {
            let body = json!({"keyId": key["id"], "claims": {"a": "a".repeat(length)}});
            client.post("/api/jwt/vend", &body)
        };
        // Each three bytes of the claim are four characters of the token.
        let longest = (MAXIMUM_TOKEN_LENGTH - text(&vend(0).ok(), "token").len()) / 4 * 3;
        let token = text(&vend(longest).ok(), "token").to_owned();
        assert!(token.len() > MAXIMUM_TOKEN_LENGTH - 4 && token.len() <= MAXIMUM_TOKEN_LENGTH);
        assert_eq!(text(&accepted(&validate(server, &token)), "a").len(), longest);
        vend(longest + 3).refused(&["claims [tooLong]claims"]);
        vend(900_000).refused(&["claims [tooLong]claims"]);
    }
    // Many small claims are as long as a large one.
    let key = import_secret(server, "HS256", &unique("a secret of many claims"));
    let many: Map<String, Value> =
        (0..6000).map(|number| (format!("claim {number}"), json!(number))).collect();
    client
        .post("/api/jwt/vend", &json!({"keyId": key["id"], "claims": many}))
        .refused(&["claims [tooLong]claims"]);
}
