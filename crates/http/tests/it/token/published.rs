//! What anybody may fetch: `/api/jwt/public-key` in its three forms and the JSON Web Key Set, as documents that caches
//! keep, and that are never old.

use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use serde_json::{Value, json};

use super::{StopAtEnd, generate, import, import_secret, path, patiently, text};
use crate::support::fixture::names;
use crate::support::server::START;
use crate::support::{Client, Reply, Server, unique, uuid};

on_each_database! {
    shared: one_public_key_is_found_by_its_kid, all_public_keys_are_listed, parameters_are_checked,
        secrets_are_never_published, members_follow_the_key;
    own: keys_stand_in_order, known_documents_are_not_sent_again, tags_follow_the_content, heads_have_no_content,
        first_requests_at_once_agree, no_reader_sees_an_old_document;
}

const JWKS: &str = "/.well-known/jwks.json";
const PUBLIC_KEY: &str = "/api/jwt/public-key";

const RSA_PUBLIC: &str = include_str!("../../../../crypto/tests/fixtures/rsa-2048.spki.pem");
const EC_PUBLIC: &str = include_str!("../../../../crypto/tests/fixtures/ec-p256.spki.pem");

/// Imports a public key under a kid.
fn import_public(server: &Server, kid: &str) -> Value {
    import(server, json!({"publicKey": EC_PUBLIC, "kid": kid}))
}

/// The kids in the key set.
fn kids(reply: &Reply) -> Vec<String> {
    reply.ok()["keys"].as_array().unwrap().iter().map(|jwk| text(jwk, "kid").to_owned()).collect()
}

fn one_public_key_is_found_by_its_kid(server: &Server) {
    let client = server.anonymous();
    for algorithm in ["RS256", "ES512", "Ed25519"] {
        let key = generate(server, algorithm);
        let kid = text(&key, "kid");
        let expected = json!({"publicKey": key["publicKey"]});
        for query in [
            format!("kid={kid}"),
            format!("keyId={kid}"),
            format!("kid={kid}&keyId="),
            format!("kid=&keyId={kid}"),
            format!("applicationId=&kid={kid}"),
            format!("unknown=1&kid={kid}"),
        ] {
            let reply = client.get(&format!("{PUBLIC_KEY}?{query}"));
            assert_eq!(reply.ok(), expected, "{query}");
            assert_eq!(reply.header("cache-control"), Some("public, max-age=60"));
        }
        server.as_key_manager().delete(&path(&key)).done();
        client.get(&format!("{PUBLIC_KEY}?kid={kid}")).not_found();
    }
    // Kids are taken as they are, with what URLs need to escape.
    let key = import_public(server, &unique("a kid + é &=%/"));
    let escaped: String = text(&key, "kid").bytes().map(|byte| format!("%{byte:02X}")).collect();
    assert_eq!(
        client.get(&format!("{PUBLIC_KEY}?kid={escaped}")).ok(),
        json!({"publicKey": key["publicKey"]})
    );
    for unknown in ["unknown", &uuid(), "%20", &text(&generate(server, "ES256"), "kid").to_lowercase()[..20]]
    {
        client.get(&format!("{PUBLIC_KEY}?kid={unknown}")).not_found();
    }
    // What has no public half has none here either.
    let secret = import_secret(server, "HS256", "a secret without a public half");
    client.get(&format!("{PUBLIC_KEY}?kid={}", text(&secret, "kid"))).not_found();
}

fn all_public_keys_are_listed(server: &Server) {
    let keys = ["ES256", "Ed25519"].map(|algorithm| generate(server, algorithm));
    let client = server.anonymous();
    for query in ["", "?", "?kid=", "?keyId=", "?kid=&keyId=&applicationId=", "?unknown=1"] {
        let reply = client.get(&format!("{PUBLIC_KEY}{query}"));
        let document = reply.ok();
        assert_eq!(names(&document), ["publicKeys"]);
        assert_eq!(reply.header("cache-control"), Some("public, max-age=60"));
        for key in &keys {
            assert_eq!(document["publicKeys"][text(key, "kid")], key["publicKey"]);
        }
    }
    // Who asks, and from which tenant, makes no difference.
    for client in [server.with_key("no such key"), server.as_key_manager().in_tenant(&server.tenant())] {
        assert_eq!(
            patiently(|| client.get(PUBLIC_KEY)).ok()["publicKeys"][text(&keys[0], "kid")],
            keys[0]["publicKey"]
        );
    }
}

fn parameters_are_checked(server: &Server) {
    let client = server.anonymous();
    let kid = text(&generate(server, "Ed25519"), "kid").to_owned();
    for query in [
        format!("applicationId={}", uuid()),
        "applicationId=x".to_owned(),
        format!("applicationId=x&kid={kid}"),
    ] {
        client.get(&format!("{PUBLIC_KEY}?{query}")).not_found();
    }
    for name in ["kid", "keyId", "applicationId"] {
        for query in [
            format!("{name}={kid}&{name}={kid}"),
            format!("{name}={kid}&{name}="),
            format!("{name}=&{name}="),
        ] {
            let expected = format!("{name} [invalid]{name}");
            client.get(&format!("{PUBLIC_KEY}?{query}")).refused(&[&expected]);
        }
    }
}

fn secrets_are_never_published(server: &Server) {
    let secret = unique("a secret of many words that would be seen");
    let hmac = import_secret(server, "HS256", &secret);
    let stored = import(server, json!({"type": "Secret", "algorithm": "None", "secret": secret}));
    let generated = generate(server, "HS512");
    let private = include_str!("../../../../crypto/tests/fixtures/ec-p256.pkcs8.pem");
    let pair = import(
        server,
        json!({"type": "EC", "algorithm": "ES256", "privateKey": private, "publicKey": EC_PUBLIC,
            "kid": unique("pair")}),
    );
    let shadow = server.as_key_manager().get("/api/key/c753a44d-7f2e-48d3-bc4e-c2c16488a23b").ok();
    for document in [JWKS, PUBLIC_KEY] {
        let reply = server.anonymous().get(document);
        let published = reply.text();
        for key in [&hmac, &stored, &generated, &shadow["key"]] {
            assert!(!published.contains(&key["kid"].to_string()), "{key}");
        }
        assert!(published.contains(&pair["kid"].to_string()));
        assert!(!published.contains(&secret) && !published.contains("PRIVATE"));
        for secret_member in ["\"d\"", "\"k\"", "\"p\"", "\"q\"", "\"dp\"", "\"dq\"", "\"qi\"", "\"oct\""] {
            assert!(!published.contains(secret_member), "{secret_member}");
        }
    }
}

fn members_follow_the_key(server: &Server) {
    let certified = ["alg", "kid", "kty", "use", "x5c", "x5t", "x5t#S256"];
    let own = |kty: &str| match kty {
        "RSA" => ["e", "n"].as_slice(),
        "EC" => &["crv", "x", "y"],
        _ => &["crv", "x"],
    };
    let certificate = include_str!("../../../../crypto/tests/fixtures/rsa-2048.certificate-v3.pem");
    let cases = [
        (generate(server, "RS384"), "RSA", certified.as_slice()),
        (generate(server, "ES384"), "EC", &certified),
        (generate(server, "Ed25519"), "OKP", &certified),
        (
            import(server, json!({"certificate": certificate, "kid": unique("certificate")})),
            "RSA",
            &certified,
        ),
        // Without a certificate there is nothing to say about one.
        (import_public(server, &unique("bare")), "EC", &["alg", "kid", "kty", "use"]),
        // A bare RSA key does not say which digest it goes with.
        (
            import(server, json!({"publicKey": RSA_PUBLIC, "kid": unique("bare")})),
            "RSA",
            &["kid", "kty", "use"],
        ),
    ];
    let document = server.anonymous().get(JWKS).ok();
    for (key, kty, common) in cases {
        let jwk = document["keys"].as_array().unwrap().iter().find(|jwk| jwk["kid"] == key["kid"]).unwrap();
        let mut expected = [common, own(kty)].concat();
        expected.sort_unstable();
        assert_eq!(names(jwk), expected, "in alphabetical order");
        assert_eq!((&jwk["kty"], &jwk["use"]), (&json!(kty), &json!("sig")));
        assert_eq!(jwk["alg"], key["algorithm"]);
        assert_eq!(jwk["x5t"], key["certificateInformation"]["sha1Thumbprint"]);
        assert_eq!(jwk["x5t#S256"], key["certificateInformation"]["sha256Thumbprint"]);
        if let Some(chain) = jwk.get("x5c") {
            let lines: Vec<_> =
                text(&key, "certificate").lines().filter(|line| !line.starts_with('-')).collect();
            assert_eq!(chain, &json!([lines.concat()]));
        }
    }
}

fn keys_stand_in_order(server: &Server) {
    let first = kids(&server.anonymous().get(JWKS));
    assert_eq!(first.len(), 1, "the key of a new instance");
    let import_as = |id: &str, kid: &str| {
        let key = json!({"publicKey": EC_PUBLIC, "kid": kid, "name": unique("ordered")});
        server.as_key_manager().post(&format!("/api/key/import/{id}"), &json!({"key": key})).ok();
    };
    // Later instants first, and at each instant neither in the order of ids nor of kids.
    for (instant, seconds) in [(2, 20), (1, 10), (3, 30)] {
        server.set_now(START + seconds * 1000);
        for (id, kid) in [(3, "a"), (1, "c"), (2, "b")] {
            import_as(
                &format!("0000000{id}-0000-4000-8000-00000000000{instant}"),
                &format!("{instant}{kid}"),
            );
        }
    }
    let expected = ["1c", "1b", "1a", "2c", "2b", "2a", "3c", "3b", "3a"];
    assert_eq!(kids(&server.anonymous().get(JWKS))[1..], expected);
    server.while_stopped(|_| ());
    let reply = server.anonymous().get(JWKS);
    assert_eq!(kids(&reply)[1..], expected);
    assert_eq!(kids(&reply)[..1], first);
}

/// The answer to whoever knows these tags.
fn knowing(client: &Client, path: &str, tags: &str) -> Reply {
    client.with_header("If-None-Match", tags).get(path)
}

#[track_caller]
fn tag(reply: &Reply) -> String {
    let tag = reply.header("etag").unwrap();
    assert!(tag.len() > 2 && tag.starts_with('"') && tag.ends_with('"'), "a strong tag: {tag}");
    tag.to_owned()
}

fn known_documents_are_not_sent_again(server: &Server) {
    let client = server.anonymous();
    let kid = text(&generate(server, "ES256"), "kid").to_owned();
    for path in [JWKS.to_owned(), PUBLIC_KEY.to_owned(), format!("{PUBLIC_KEY}?kid={kid}")] {
        let reply = client.get(&path);
        let tag = tag(&reply);
        assert_eq!(client.get(&path).header("etag"), Some(tag.as_str()));
        for known in [
            tag.clone(),
            format!("W/{tag}"),
            format!("\"a\", {tag}"),
            format!("\"a\",W/\"b\" ,\tW/{tag},\"c\""),
            "*".to_owned(),
        ] {
            let known = knowing(&client, &path, &known);
            assert_eq!((known.status, known.text()), (304, ""));
            assert_eq!(known.header("etag"), Some(tag.as_str()));
            assert_eq!(known.header("cache-control"), reply.header("cache-control"));
            assert_eq!(known.header("content-type"), None);
        }
        let two = client.with_header("If-None-Match", "\"a\"").with_header("If-None-Match", &tag);
        assert_eq!(two.get(&path).status, 304);
        for other in ["", "\"a\"", "W/\"a\"", tag.trim_matches('"'), &tag.to_uppercase(), &format!("{tag}x")]
        {
            let answer = knowing(&client, &path, other);
            assert_eq!((answer.status, &answer.body), (200, &reply.body), "{other}");
        }
    }
    // What has no tag is not compared: `*` stands for any document, not for a failure.
    for (path, status) in [(format!("{PUBLIC_KEY}?kid=unknown"), 404), ("/api/jwt/validate".to_owned(), 401)]
    {
        let reply = knowing(&client, &path, "*");
        assert_eq!((reply.status, reply.header("etag")), (status, None));
        assert_eq!(reply.header("cache-control"), Some("no-store"));
    }
}

fn tags_follow_the_content(server: &Server) {
    let (client, manager) = (server.anonymous(), server.as_key_manager());
    let state = || {
        [JWKS, PUBLIC_KEY].map(|path| {
            let reply = client.get(path);
            (tag(&reply), reply.body)
        })
    };
    let mut before = state();
    assert_ne!(before[0].0, before[1].0);
    let changed = |before: &mut [(String, Vec<u8>); 2]| {
        let after = state();
        for (index, path) in [JWKS, PUBLIC_KEY].into_iter().enumerate() {
            assert_ne!(before[index].0, after[index].0);
            assert_ne!(before[index].1, after[index].1);
            // Whoever knows the old document gets the new one.
            assert_eq!(knowing(&client, path, &before[index].0).body, after[index].1);
            assert_eq!(knowing(&client, path, &after[index].0).status, 304);
        }
        *before = after;
    };
    let initial = before.clone();
    let generated = generate(server, "Ed25519");
    changed(&mut before);
    let imported = import_public(server, "imported");
    changed(&mut before);
    // What is not published changes nothing.
    let hmac = generate(server, "HS256");
    manager.put(&path(&generated), &json!({"key": {"name": unique("renamed")}})).ok();
    manager.delete(&path(&hmac)).done();
    server.tenant();
    assert_eq!(state(), before);
    // Nor does a restart, or time.
    server.set_now(START + 1_000_000_000_000);
    server.while_stopped(|_| ());
    let client = server.anonymous();
    for (index, path) in [JWKS, PUBLIC_KEY].into_iter().enumerate() {
        assert_eq!(knowing(&client, path, &before[index].0).status, 304);
    }
    let manager = server.as_key_manager();
    for key in [generated, imported] {
        manager.delete(&path(&key)).done();
        for (index, path) in [JWKS, PUBLIC_KEY].into_iter().enumerate() {
            assert_ne!(tag(&client.get(path)), before[index].0);
        }
    }
    for (index, path) in [JWKS, PUBLIC_KEY].into_iter().enumerate() {
        assert_eq!(client.get(path).body, initial[index].1);
        assert_eq!(tag(&client.get(path)), initial[index].0);
    }
}

fn heads_have_no_content(server: &Server) {
    let client = server.anonymous();
    let kid = kids(&client.get(JWKS)).remove(0);
    for path in [JWKS.to_owned(), PUBLIC_KEY.to_owned(), format!("{PUBLIC_KEY}?kid={kid}")] {
        let get = client.get(&path);
        let head = client.send("HEAD", &path, None);
        assert_eq!((head.status, head.text()), (200, ""));
        for name in ["etag", "cache-control", "content-type", "content-length"] {
            assert_eq!(head.header(name), get.header(name), "{name}");
        }
        assert_eq!(head.header("content-length"), Some(get.body.len().to_string().as_str()));
        let known = client.with_header("If-None-Match", &tag(&get)).send("HEAD", &path, None);
        assert_eq!(known.status, 304);
    }
    assert_eq!(client.send("HEAD", &format!("{PUBLIC_KEY}?kid=unknown"), None).status, 404);
    for method in ["POST", "PUT", "PATCH", "DELETE"] {
        for path in [JWKS, PUBLIC_KEY] {
            let reply = client.send(method, path, None);
            assert_eq!((reply.status, reply.header("allow")), (405, Some("GET, HEAD")));
        }
    }
}

fn first_requests_at_once_agree(server: &Server) {
    for number in 0..5 {
        // Nothing is at hand after a change.
        let key = import_public(server, &format!("before the rush {number}"));
        let start = Barrier::new(50);
        let replies: Vec<_> = thread::scope(|scope| {
            let readers: Vec<_> = (0..50)
                .map(|_| {
                    scope.spawn(|| {
                        start.wait();
                        patiently(|| server.anonymous().get(JWKS))
                    })
                })
                .collect();
            readers.into_iter().map(|reader| reader.join().unwrap()).collect()
        });
        assert!(kids(&replies[0]).iter().any(|kid| key["kid"] == kid.as_str()));
        for reply in &replies {
            assert_eq!((reply.status, &reply.body), (200, &replies[0].body));
            assert_eq!(tag(reply), tag(&replies[0]));
        }
    }
}

fn no_reader_sees_an_old_document(server: &Server) {
    // How many keys were made, and deleted, as far as anybody was told.
    let (made, deleted, done) = (AtomicUsize::new(0), AtomicUsize::new(0), AtomicBool::new(false));
    let kid = |number: usize| format!("number {number}");
    let reads: usize = thread::scope(|scope| {
        let readers: Vec<_> = (0..3)
            .map(|reader| {
                let (made, deleted, done) = (&made, &deleted, &done);
                scope.spawn(move || {
                    let mut reads = 0;
                    while !done.load(Ordering::SeqCst) {
                        let (gone, first) = (deleted.load(Ordering::SeqCst), made.load(Ordering::SeqCst));
                        let client = server.anonymous();
                        let seen: Vec<String> = if reader % 2 == 0 {
                            kids(&patiently(|| client.get(JWKS)))
                        } else {
                            names(&patiently(|| client.get(PUBLIC_KEY)).ok()["publicKeys"])
                                .into_iter()
                                .map(str::to_owned)
                                .collect()
                        };
                        for number in 0..gone {
                            assert!(!seen.contains(&kid(number)), "{number} was deleted before");
                        }
                        // What is deleted meanwhile may be missing, what was there before and is there after not.
                        for number in (deleted.load(Ordering::SeqCst) + 1)..first {
                            assert!(seen.contains(&kid(number)), "{number} was made before");
                        }
                        reads += 1;
                    }
                    reads
                })
            })
            .collect();
        let stop = StopAtEnd(&done);
        let mut keys = Vec::new();
        for number in 0..40 {
            keys.push(import_public(server, &kid(number)));
            made.store(number + 1, Ordering::SeqCst);
            if number % 2 == 1 {
                let oldest = deleted.load(Ordering::SeqCst);
                patiently(|| server.as_key_manager().delete(&path(&keys[oldest]))).done();
                deleted.store(oldest + 1, Ordering::SeqCst);
            }
        }
        drop(stop);
        readers.into_iter().map(|reader| reader.join().unwrap()).sum()
    });
    assert!(reads > 0);
}
