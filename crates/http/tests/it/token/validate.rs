//! Claims, times and tenants of a token whose signature is right; and whatever is wrong, the answer is the same.

use claviger_domain::KeyAlgorithm;
use serde_json::json;

use super::known::{Known, NOW, good, refused};
use super::{accepted, configure, encode, forge, generate, part, present, validate, vend};
use crate::support::server::START;
use crate::support::{Reply, Server, uuid};

on_each_database! {
    shared: every_refusal_looks_alike, claims_have_types, payloads_are_strict, tenants_are_compared;
    own: times_hold_to_the_millisecond, tokens_outlive_a_restart;
}

/// Everything that a client sees of an answer, but for what differs in all answers.
fn seen(reply: &Reply) -> (u16, Vec<(String, String)>, Vec<u8>) {
    let mut headers = reply.headers.clone();
    headers.retain(|(name, _)| name != "x-request-id" && name != "date");
    headers.sort();
    (reply.status, headers, reply.body.clone())
}

fn every_refusal_looks_alike(server: &Server) {
    let key = Known::new(server);
    let token = key.token(&good());
    let nobody = seen(&server.anonymous().get("/api/jwt/validate"));
    assert_eq!((nobody.0, nobody.2.len()), (401, 0));
    let changed = format!("{}.{}", token.rsplit_once('.').unwrap().0, encode([0; 32]));
    let other_tenant = key.token(&format!(r#"{{"exp":{},"tid":"{}"}}"#, NOW + 60, uuid()));
    for wrong in [
        "x",
        "a.b.c",
        &changed,
        &key.token(r#"{"exp":1}"#),
        &key.token("{}"),
        &key.token(&format!(r#"{{"exp":{},"nbf":{}}}"#, NOW + 60, NOW + 1)),
        &forge(KeyAlgorithm::Hs256, "x", r#"{"alg":"HS256","kid":"of nobody"}"#, &good()),
    ] {
        assert_eq!(seen(&validate(server, wrong)), nobody, "{wrong}");
    }
    let client = server.anonymous().in_tenant(&server.tenant());
    assert_eq!(seen(&present(&client, &format!("Bearer {other_tenant}"))), nobody);
    let client = server.anonymous().in_tenant(&uuid());
    assert_eq!(seen(&present(&client, &format!("Bearer {token}"))), nobody);
}

fn times_hold_to_the_millisecond(server: &Server) {
    let key = Known::new(server);
    let expiring = key.token(&format!(r#"{{"exp":{}}}"#, NOW + 10));
    let bounded = key.token(&format!(r#"{{"exp":{},"nbf":{}}}"#, NOW + 20, NOW + 10));
    for (millis, first, second) in [
        (0, true, false),
        (9_999, true, false),
        (10_000, false, true),
        (19_999, false, true),
        (20_000, false, false),
        // The clock of the server is what counts, also when it is put back.
        (-1_000_000, true, false),
    ] {
        server.set_now(START + millis);
        assert_eq!(validate(server, &expiring).status == 200, first, "{millis}");
        assert_eq!(validate(server, &bounded).status == 200, second, "{millis}");
    }
    server.set_now(START);
    let generated = generate(server, "Ed25519");
    let vended = super::vend_as(
        &server.as_key_manager(),
        &json!({"keyId": generated["id"], "timeToLiveInSeconds": 1}),
    );
    server.set_now(START + 999);
    accepted(&validate(server, &vended));
    server.set_now(START + 1000);
    refused(server, &vended);
}

fn claims_have_types(server: &Server) {
    let key = Known::new(server);
    let exp = NOW + 60;
    for payload in [
        format!(r#"{{"exp":{exp}.5}}"#),
        format!(r#"{{"exp":{exp},"nbf":{NOW},"iat":{}}}"#, NOW + 1000),
        format!(r#"{{"exp":{exp},"nbf":{NOW}.0,"iss":"i","sub":"s","jti":"j","aud":"a"}}"#),
        format!(r#"{{"exp":{exp},"aud":["a","b"]}}"#),
        format!(r#"{{"exp":{exp},"aud":[]}}"#),
        r#"{"exp":253402300799}"#.to_owned(),
    ] {
        accepted(&validate(server, &key.token(&payload)));
    }
    let wrong = [
        "null",
        "true",
        "\"1900000000\"",
        "[1900000000]",
        "{}",
        "-1",
        "1e300",
        "9223372036854775807",
        "18446744073709551615",
        "253402300800",
    ];
    for value in wrong {
        refused(server, &key.token(&format!(r#"{{"exp":{value}}}"#)));
        refused(server, &key.token(&format!(r#"{{"exp":{exp},"nbf":{value}}}"#)));
        refused(server, &key.token(&format!(r#"{{"exp":{exp},"iat":{value}}}"#)));
    }
    for claim in ["iss", "sub", "jti", "aud"] {
        for value in ["null", "1", "true", "{}", "[1]", "[null]", r#"["a",[]]"#] {
            refused(server, &key.token(&format!(r#"{{"exp":{exp},"{claim}":{value}}}"#)));
        }
    }
    refused(server, &key.token(&format!(r#"{{"iat":{NOW}}}"#)));
    refused(server, &key.token(&format!(r#"{{"EXP":{exp}}}"#)));
    refused(server, &key.token(r#"{"exp":0}"#));
}

fn payloads_are_strict(server: &Server) {
    let key = Known::new(server);
    let good = good();
    for payload in [
        "",
        "null",
        "[]",
        "1",
        "\"exp\"",
        &format!("[{good}]"),
        &format!("{good}{good}"),
        &format!("{good}\u{0}"),
        &good.replace('{', r#"{"exp":1900000000,"#),
        &good.replace('{', r#"{"\u0065xp":1900000000,"#),
        &good.replace('{', r#"{"a":{"b":1,"b":2},"#),
        &good.replace('{', r#"{"aud":"you","aud":"me","#),
        &good.replace('}', r#","a":"\ud800"}"#),
        &good.replace('}', ",}"),
        &good.replace('}', r#","a":01}"#),
        &good.replace('}', &format!(r#","a":{}1{}}}"#, "[".repeat(1000), "]".repeat(1000))),
    ] {
        refused(server, &key.token(payload));
    }
}

fn tenants_are_compared(server: &Server) {
    let (own, other, key) = (server.tenant(), server.tenant(), Known::new(server));
    let token = |tid: &str| key.token(&format!(r#"{{"exp":{},"tid":{tid}}}"#, NOW + 60));
    for tenant in [&own, &other] {
        let listed = json!({"accessTokenVerificationKeyIds": [key.id], "timeToLiveInSeconds": 60});
        configure(server, tenant, listed);
    }
    let plain = key.token(&good());
    let mine = token(&format!("\"{own}\""));
    let ask = |tenant: &str, token: &str| {
        present(&server.anonymous().in_tenant(tenant), &format!("Bearer {token}"))
    };
    accepted(&validate(server, &mine));
    accepted(&ask(&own, &mine));
    accepted(&ask(&own.to_uppercase(), &mine));
    // Tokens that name no tenant are those of every tenant that names their key.
    accepted(&ask(&own, &plain));
    accepted(&ask(&other, &plain));
    ask(&server.default_tenant(), &plain).denied();
    ask(&other, &mine).denied();
    ask(&server.default_tenant(), &mine).denied();
    for tid in ["null", "1", "\"\"", "\"x\"", &format!("[\"{own}\"]"), &format!("\"{}\"", own.to_uppercase())]
    {
        ask(&own, &token(tid)).denied();
    }
    ask(&uuid(), &plain).denied();
    ask(&uuid(), "x").denied();
    for malformed in ["x", "", &format!("{own}0"), &format!("{{{own}}}"), &format!("{own}, {own}"), "*"] {
        for token in [&plain, "x"] {
            ask(malformed, token).refused(&["tenantId [couldNotConvert]tenantId"]);
        }
    }
    let twice = server.anonymous().in_tenant(&own).in_tenant(&own);
    present(&twice, &format!("Bearer {plain}")).refused(&["tenantId [couldNotConvert]tenantId"]);
    server.as_key_manager().delete(&format!("/api/tenant/{own}")).done();
    ask(&own, &mine).denied();
    ask(&own, &plain).denied();
}

fn tokens_outlive_a_restart(server: &Server) {
    let keys = ["RS256", "ES384", "Ed25519", "HS512"].map(|algorithm| generate(server, algorithm));
    let tokens = keys.each_ref().map(|key| vend(server, key, json!({"sub": key["id"]})));
    server.while_stopped(|_| ());
    for (key, token) in keys.iter().zip(&tokens) {
        assert_eq!(accepted(&validate(server, token))["sub"], key["id"]);
        let again = vend(server, key, json!({}));
        assert_eq!(part(&again, 0), part(token, 0));
        accepted(&validate(server, &again));
    }
}
