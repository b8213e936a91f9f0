//! The compact form of a token and its header: every character counts, and nothing may be read in two ways.

use claviger_domain::KeyAlgorithm;
use serde_json::json;

use super::known::{Known, good, refused};
use super::{accepted, encode, forge, generate, import, text, validate, vend};
use crate::support::{Server, unique};

on_each_database! {
    shared: every_changed_character_counts, parts_cannot_be_exchanged, kids_lead_to_keys, headers_are_strict;
}

fn every_changed_character_counts(server: &Server) {
    for key in [generate(server, "Ed25519"), generate(server, "HS256")] {
        let token = vend(server, &key, json!({}));
        accepted(&validate(server, &token));
        for position in 0..token.len() {
            let old = token.as_bytes()[position];
            // The neighbour in the alphabet differs in the lowest bit only, where stray bits could hide.
            for new in [
                if old == b'A' { 'B' } else { 'A' },
                if old == b'.' { '_' } else { '.' },
                old.wrapping_add(1).into(),
            ] {
                if u32::from(old) != u32::from(new) && new.is_ascii_graphic() {
                    let mut changed = token.clone();
                    changed.replace_range(position..=position, &new.to_string());
                    refused(server, &changed);
                }
            }
            refused(server, &token[..position]);
        }
        for appended in ["A", "=", ".", "-", " x"] {
            refused(server, &format!("{token}{appended}"));
        }
    }
}

fn parts_cannot_be_exchanged(server: &Server) {
    let (key, other) = (generate(server, "ES256"), generate(server, "ES256"));
    let [a, b, c] = [
        vend(server, &key, json!({"sub": "a"})),
        vend(server, &key, json!({"sub": "b"})),
        vend(server, &other, json!({"sub": "a"})),
    ]
    .map(|token| token.split('.').map(str::to_owned).collect::<Vec<_>>());
    accepted(&validate(server, &a.join(".")));
    for mixed in [[&a[0], &a[1], &b[2]], [&a[0], &b[1], &a[2]], [&c[0], &a[1], &a[2]], [&a[0], &a[1], &c[2]]]
    {
        refused(server, &mixed.map(String::as_str).join("."));
    }
    let signature = &a[2];
    for parts in [
        format!("{}.{}", a[0], a[1]),
        format!("{}.{}.", a[0], a[1]),
        format!(".{}.{signature}", a[1]),
        format!("{}..{signature}", a[0]),
        "..".to_owned(),
        ".".to_owned(),
        format!("{}.{}.{signature}.", a[0], a[1]),
        format!("{}.{}.{signature}.x", a[0], a[1]),
        format!("{}.{}.{signature}.x.y", a[0], a[1]),
        format!("{}.{}.{signature}{}", a[0], a[1], ".".repeat(60_000)),
        format!("{}={}.{signature}", a[0], a[1]),
    ] {
        refused(server, &parts);
    }
    // All of ECDSA's trivial signatures: r = s = 0, and of the wrong length.
    for length in [0, 1, 63, 64, 65, 70, 72, 128] {
        refused(server, &format!("{}.{}.{}", a[0], a[1], encode(vec![0; length])));
    }
}

fn kids_lead_to_keys(server: &Server) {
    let (key, other) = (Known::new(server), Known::new(server));
    let header = |kid: &str| format!(r#"{{"alg":"HS256","typ":"JWT"{kid}}}"#);
    accepted(&validate(server, &key.sign(&header(&format!(r#","kid":"{}""#, key.kid)), &good())));
    for kid in [
        String::new(),
        r#","kid":"""#.to_owned(),
        r#","kid":null"#.to_owned(),
        r#","kid":1"#.to_owned(),
        r#","kid":"unknown""#.to_owned(),
        format!(r#","kid":"{}""#, other.kid),
        format!(r#","kid":"{}""#, key.kid.to_uppercase() + "X"),
        format!(r#","kid":" {}""#, key.kid),
        format!(r#","kid":["{}"]"#, key.kid),
        format!(r#","KID":"{}""#, key.kid),
        format!(r#","kid":"{}","kid":"{}""#, key.kid, key.kid),
        format!(r#","kid":"{}""#, "k".repeat(257)),
        format!(r#","kid":"../../{}""#, key.kid),
        r#","kid":"' OR 1=1 --""#.to_owned(),
    ] {
        refused(server, &key.sign(&header(&kid), &good()));
    }
    // The kid of a shadow key leads to no secret at all.
    let shadow = server.as_key_manager().get("/api/key/092dbedc-30af-4149-9c61-b578f2c72f59").ok();
    let header = format!(r#"{{"alg":"HS256","kid":"{}"}}"#, text(&shadow["key"], "kid"));
    for secret in ["x", "null", "\u{0}"] {
        refused(server, &forge(KeyAlgorithm::Hs256, secret, &header, &good()));
    }
    // A secret of the type Secret signs nothing.
    let secret = unique("of the type Secret");
    let stored = import(server, json!({"type": "Secret", "algorithm": "None", "secret": secret}));
    let header = format!(r#"{{"alg":"HS256","kid":"{}"}}"#, text(&stored, "kid"));
    refused(server, &forge(KeyAlgorithm::Hs256, &secret, &header, &good()));
}

fn headers_are_strict(server: &Server) {
    let key = Known::new(server);
    for members in [
        r#""typ":"JWT""#,
        r#""typ":"jwt""#,
        r#""typ":"at+jwt""#,
        r#""cty":"x""#,
        r#""gty":["client_credentials"],"use":"scim_server""#,
        r#""x5t":"x""#,
    ] {
        accepted(&validate(server, &key.with_members(members)));
    }
    for members in [
        r#""crit":["exp"],"exp":1"#,
        r#""crit":[]"#,
        r#""crit":["b64"],"b64":true"#,
        r#""b64":false"#,
        r#""jwk":{"kty":"oct","k":"eA"}"#,
        r#""jwk":null"#,
        r#""jku":"http://localhost/""#,
        r#""x5u":"http://localhost/""#,
        r#""x5c":["x"]"#,
        r#""enc":"A256GCM""#,
        r#""zip":"DEF""#,
        r#""typ":"JWE""#,
        r#""typ":"application/jwt""#,
        r#""typ":null"#,
        r#""typ":["JWT"]"#,
        r#""typ":"JWT","typ":"JWT""#,
        r#""alg":"HS256""#,
        r#""a":1,"\u0061":1"#,
        r#""a":{"b":1,"b":1}"#,
    ] {
        refused(server, &key.with_members(members));
    }
    let header = key.header();
    for broken in [
        "",
        "{}",
        "[]",
        "null",
        "1",
        &format!("[{header}]"),
        &format!("{header}{header}"),
        &format!("{header} x"),
        &format!("\u{feff}{header}"),
        &header.replace(':', "="),
        &header.replace('"', "'"),
        &header.replace('}', ",}"),
        &header.replace('}', r#","a":1e999}"#),
        &header.replace('}', &format!(r#","a":{}1{}}}"#, "[".repeat(200), "]".repeat(200))),
    ] {
        refused(server, &key.sign(broken, &good()));
    }
}
