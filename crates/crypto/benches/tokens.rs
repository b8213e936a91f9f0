//! How long signing and verifying take, each beside the same operation of the same OpenSSL in a bare loop: a context
//! that is made once, and a key that is parsed once. The table at the end gives the ratios: of the best of many short
//! rounds, which are interleaved, so that it holds on a busy machine too.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::allow_attributes,
    missing_docs,
    reason = "test code"
)]

use std::hint::black_box;
use std::time::{Duration, Instant as Stopwatch};

use claviger_crypto::{
    GenerateRequest, GeneratedKey, Signer, SystemRandom, TokenHeader, UnverifiedToken, Verifier, generate,
    sign_token,
};
use claviger_domain::{HashSize, Instant, KeyId, KeySpec, RsaLength};
use criterion::{Criterion, criterion_group, criterion_main};
use openssl::ecdsa::EcdsaSig;
use openssl::hash::{MessageDigest, hash};
use openssl::md::{Md, MdRef};
use openssl::md_ctx::MdCtx;
use openssl::memcmp;
use openssl::pkey::{PKey, Private, Public};
use openssl::pkey_ctx::PkeyCtx;
use serde_json::{Map, Value, json};

/// Rounds of the table; each figure is the best of as many.
const ROUNDS: usize = 100;
/// How long one operation is repeated in a round: so short that many rounds are not interrupted.
const SLICE: Duration = Duration::from_millis(2);

const NOW: Instant = Instant::from_epoch_millis(1_700_000_000_000);

const KEYS: [(&str, KeySpec); 7] = [
    ("RS256, 2048 bits", KeySpec::Rsa(HashSize::Bits256, RsaLength::Bits2048)),
    ("RS256, 4096 bits", KeySpec::Rsa(HashSize::Bits256, RsaLength::Bits4096)),
    ("ES256", KeySpec::Ec(HashSize::Bits256)),
    ("ES384", KeySpec::Ec(HashSize::Bits384)),
    ("ES512", KeySpec::Ec(HashSize::Bits512)),
    ("Ed25519", KeySpec::Ed25519),
    ("HS256", KeySpec::Hmac(HashSize::Bits256)),
];

/// One operation, to be repeated.
type Operation = Box<dyn FnMut()>;

/// What is measured of one key.
struct Case {
    name: &'static str,
    sign: Operation,
    bare_sign: Operation,
    parse_and_sign: Operation,
    verify: Operation,
    bare_verify: Operation,
    sign_token: Operation,
    verify_token: Operation,
}

/// As large as the claims of an entity token.
fn claims() -> Map<String, Value> {
    json!({
        "aud": "a647e989-1c7e-4386-9ec6-fa4fe6908906",
        "exp": 1_700_003_600,
        "iat": 1_700_000_000,
        "iss": "acme.com",
        "sub": "eb6fce6a-4ed8-4010-8091-1709fc823329",
        "jti": "c131a8bf-27a9-460e-91bb-19296a601e11",
        "tid": "579709f4-1f22-c131-de26-e770e04ba12d",
        "permissions": {"a647e989-1c7e-4386-9ec6-fa4fe6908906": ["read", "write"]},
    })
    .as_object()
    .unwrap()
    .clone()
}

fn key(spec: KeySpec) -> GeneratedKey {
    let request = GenerateRequest { id: KeyId::from_u128(1), spec, issuer: "acme.com", now: NOW };
    generate(&request, &mut SystemRandom).unwrap()
}

fn verifier(spec: KeySpec, key: &GeneratedKey) -> Verifier {
    match &key.public_key {
        Some(public_key) => Verifier::from_public_key(spec.algorithm(), public_key).unwrap(),
        None => Verifier::from_secret(spec.algorithm(), &key.material).unwrap(),
    }
}

fn case(name: &'static str, spec: KeySpec) -> Case {
    let key: &'static GeneratedKey = Box::leak(Box::new(key(spec)));
    let signer = move || Signer::new(spec.algorithm(), &key.material).unwrap();
    let header = TokenHeader { kid: &key.kid, grant_types: &["client_credentials"], key_use: None };
    let token = sign_token(&signer(), &header, &claims()).unwrap();
    let input: &'static [u8] = token.rsplit_once('.').unwrap().0.as_bytes().to_vec().leak();
    let signature = signer().sign(input).unwrap();
    let (bare_sign, bare_verify) = bare(spec, key, input, &signature);

    let (sign, verify) = (signer(), verifier(spec, key));
    let (token_signer, token_verifier, token_claims) = (signer(), self::verifier(spec, key), claims());
    Case {
        name,
        sign: Box::new(move || drop(black_box(sign.sign(black_box(input)).unwrap()))),
        bare_sign,
        parse_and_sign: Box::new(move || drop(black_box(signer().sign(black_box(input)).unwrap()))),
        verify: Box::new(move || assert!(verify.verify(black_box(input), &signature).unwrap())),
        bare_verify,
        sign_token: Box::new(move || {
            drop(black_box(sign_token(&token_signer, &header, black_box(&token_claims)).unwrap()));
        }),
        verify_token: Box::new(move || {
            let token = UnverifiedToken::parse(black_box(&token)).unwrap();
            drop(black_box(token.verify(&token_verifier, NOW).unwrap()));
        }),
    }
}

/// Signing and verifying by OpenSSL alone. ECDSA's signatures are in DER there.
fn bare(spec: KeySpec, key: &GeneratedKey, input: &'static [u8], signature: &[u8]) -> (Operation, Operation) {
    let digests = |size| match size {
        HashSize::Bits256 => (MessageDigest::sha256(), Md::sha256()),
        HashSize::Bits384 => (MessageDigest::sha384(), Md::sha384()),
        HashSize::Bits512 => (MessageDigest::sha512(), Md::sha512()),
    };
    let pair = || {
        let private = PKey::private_key_from_pkcs8(key.material.expose()).unwrap();
        let public = PKey::public_key_from_pem(key.public_key.as_ref().unwrap().as_bytes()).unwrap();
        (private, public)
    };
    match spec {
        KeySpec::Rsa(size, _) => over_digest(pair(), digests(size), input, signature.to_vec()),
        KeySpec::Ec(size) => {
            let (r, s) = signature.split_at(signature.len() / 2);
            let number = |bytes| openssl::bn::BigNum::from_slice(bytes).unwrap();
            let der = EcdsaSig::from_private_components(number(r), number(s)).unwrap().to_der().unwrap();
            over_digest(pair(), digests(size), input, der)
        }
        KeySpec::Ed25519 => {
            let (private, public) = pair();
            let (mut sign, mut verify) = (MdCtx::new().unwrap(), MdCtx::new().unwrap());
            let (mut buffer, signature) = ([0; 64], signature.to_vec());
            (
                Box::new(move || {
                    // Since OpenSSL 3.5 a context signs once.
                    sign.digest_sign_init(None, &private).unwrap();
                    black_box(sign.digest_sign(black_box(input), Some(&mut buffer)).unwrap());
                }),
                Box::new(move || {
                    verify.digest_verify_init(None, &public).unwrap();
                    assert!(verify.digest_verify(black_box(input), &signature).unwrap());
                }),
            )
        }
        KeySpec::Hmac(size) => {
            let key = PKey::hmac(key.material.expose()).unwrap();
            let md = digests(size).1;
            let mac = move |context: &mut MdCtx, buffer: &mut [u8]| {
                // A context makes one MAC.
                context.digest_sign_init(Some(md), &key).unwrap();
                context.digest_sign(black_box(input), Some(buffer)).unwrap()
            };
            let (mut sign, mut verify) = (MdCtx::new().unwrap(), MdCtx::new().unwrap());
            let (other_mac, signature) = (mac.clone(), signature.to_vec());
            (
                Box::new(move || {
                    black_box(mac(&mut sign, &mut [0; 64]));
                }),
                Box::new(move || {
                    let mut buffer = [0; 64];
                    let length = other_mac(&mut verify, &mut buffer);
                    assert!(memcmp::eq(&buffer[..length], &signature));
                }),
            )
        }
    }
}

/// The schemes that sign a digest.
fn over_digest(
    (private, public): (PKey<Private>, PKey<Public>),
    (digest, md): (MessageDigest, &'static MdRef),
    input: &'static [u8],
    signature: Vec<u8>,
) -> (Operation, Operation) {
    let (mut sign, mut verify) = (PkeyCtx::new(&private).unwrap(), PkeyCtx::new(&public).unwrap());
    sign.sign_init().unwrap();
    sign.set_signature_md(md).unwrap();
    verify.verify_init().unwrap();
    verify.set_signature_md(md).unwrap();
    let mut buffer = [0; 1024];
    (
        Box::new(move || {
            let digest = hash(digest, black_box(input)).unwrap();
            black_box(sign.sign(&digest, Some(&mut buffer)).unwrap());
        }),
        Box::new(move || {
            let digest = hash(digest, black_box(input)).unwrap();
            assert!(verify.verify(&digest, &signature).unwrap());
        }),
    )
}

/// Microseconds of one operation, over a slice of time. Quick ones are repeated between two looks at the clock.
fn measure(operation: &mut Operation) -> f64 {
    const BATCH: u32 = 8;
    let (start, mut count) = (Stopwatch::now(), 0);
    operation();
    let batch = if start.elapsed() * BATCH < SLICE { BATCH } else { 1 };
    let start = Stopwatch::now();
    while start.elapsed() < SLICE {
        for _ in 0..batch {
            operation();
        }
        count += batch;
    }
    start.elapsed().as_secs_f64() * 1e6 / f64::from(count)
}

fn table(cases: &mut [Case]) {
    println!("{}", openssl::version::version());
    println!("microseconds; in brackets the rate as a part of the bare loop's");
    println!(
        "{:17} {:>9} {:>18} {:>18} {:>18} {:>11} {:>18} {:>12}",
        "", "bare sign", "sign", "parse and sign", "sign_token", "bare verify", "verify", "verify token"
    );
    for case in cases {
        let mut operations = [
            &mut case.bare_sign,
            &mut case.sign,
            &mut case.parse_and_sign,
            &mut case.sign_token,
            &mut case.bare_verify,
            &mut case.verify,
            &mut case.verify_token,
        ];
        let mut best = [f64::INFINITY; 7];
        for _ in 0..ROUNDS {
            for (operation, best) in operations.iter_mut().zip(&mut best) {
                *best = best.min(measure(operation));
            }
        }
        let [bare_sign, sign, parse_and_sign, sign_token, bare_verify, verify, verify_token] = best;
        let beside = |figure: f64, bare: f64| format!("{figure:.2} ({:5.1} %)", 100.0 * bare / figure);
        println!(
            "{:17} {bare_sign:9.2} {:>18} {:>18} {:>18} {bare_verify:11.2} {:>18} {verify_token:12.2}",
            case.name,
            beside(sign, bare_sign),
            beside(parse_and_sign, bare_sign),
            beside(sign_token, bare_sign),
            beside(verify, bare_verify),
        );
    }
}

fn benches(criterion: &mut Criterion) {
    let mut cases = KEYS.map(|(name, spec)| case(name, spec));
    for case in &mut cases {
        for (what, operation) in [
            ("sign", &mut case.sign),
            ("sign in a bare loop", &mut case.bare_sign),
            ("parse the key and sign", &mut case.parse_and_sign),
            ("sign_token", &mut case.sign_token),
            ("verify", &mut case.verify),
            ("verify in a bare loop", &mut case.bare_verify),
            ("parse and verify a token", &mut case.verify_token),
        ] {
            criterion
                .bench_function(&format!("{}, {what}", case.name), |bencher| bencher.iter(&mut *operation));
        }
    }
    table(&mut cases);
}

criterion_group! {
    name = tokens;
    config = Criterion::default().warm_up_time(Duration::from_millis(300)).measurement_time(Duration::from_secs(1));
    targets = benches
}
criterion_main!(tokens);
