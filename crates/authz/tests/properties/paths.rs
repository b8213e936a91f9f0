//! Whatever bytes come as a path: what is accepted has one reading.

use claviger_authz::{Endpoint, Path};
use proptest::prelude::*;

use crate::cases::shares;
use crate::naive::decode;

fn bytes() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        prop::collection::vec(any::<u8>(), 0..40),
        "(/|/\\.{1,3}|/api|/user|/key|//|%2[efEF]|%5c|%[0-9a-fA-F]{2}|%c3%a9|;|\\\\|[?#a-zA-Z0-9._~-]){0,12}"
            .prop_map(String::into_bytes),
        // Seldom wrong, and then in one place.
        "/(api|v1)/(user|key|tenant)(/[a-z0-9]{1,4}|/search|/%c3%a9|/%20){0,3}(/|//|/\\.|%2f|;|%41|\\\\)?"
            .prop_map(String::into_bytes),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    /// No panic, and what is accepted is read by everybody as the same segments.
    #[test]
    fn paths_are_canonical(raw in bytes()) {
        let Ok(path) = Path::parse(&raw) else { return Ok(()) };
        let segments: Vec<_> = path.segments().collect();
        let joined = format!("/{}", segments.join("/"));
        let text = str::from_utf8(&raw).unwrap();
        prop_assert_eq!(text.strip_suffix('/').unwrap_or(text), joined.strip_suffix('/').unwrap_or(&joined));
        for segment in &segments {
            let decoded = decode(segment);
            prop_assert!(!decoded.is_empty() && decoded != "." && decoded != "..");
            prop_assert!(!decoded.contains(['/', '\\', ';', '%']) && !decoded.contains(char::is_control));
            // Decoding once reaches the end: there is nothing left to decode.
            prop_assert_eq!(decode(&decoded), decoded);
        }
        if let Some(endpoint) = Endpoint::resolve(&path) {
            // An endpoint is its path with segments left out.
            let mut rest = segments.iter();
            prop_assert!(endpoint.as_str().split('/').skip(1).all(|literal| rest.any(|segment| *segment == literal)));
        }
    }
}

#[test]
fn the_cases_contain_paths_of_all_kinds() {
    let shares = shares(bytes(), 1_000, |raw| match Path::parse(&raw) {
        Ok(path) if Endpoint::resolve(&path).is_some() => "endpoint",
        Ok(_) => "path",
        Err(_) => "refused",
    });
    assert!(shares.len() == 3 && shares.values().all(|count| *count > 50), "{shares:?}");
}
