//! The engine against a naive one, and what must hold of every decision.
use crate::naive::{all_requests, compile, endpoints, keys, naive_covers, naive_decide, requests, tenants};
use claviger_authz::{Decision, Endpoint, Path, decide};
use claviger_domain::TenantScope;
use proptest::prelude::*;

/// The decision in the naive model's words.
fn plain(decision: Decision) -> Result<Option<String>, &'static str> {
    match decision {
        Decision::Allow(scope) => Ok(scope.tenant().map(|tenant| tenant.to_string())),
        Decision::Deny(reason) => Err(reason.as_str()),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn decisions_agree_with_the_model(key in keys(), request in requests()) {
        let permissions = key.compile();
        let decision = decide(&key.access(&permissions), &request.request());
        prop_assert_eq!(plain(decision), naive_decide(&key, &request));
    }

    #[test]
    fn covering_agrees_with_the_model(a in endpoints(), b in endpoints()) {
        prop_assert_eq!(compile(&a).covers(&compile(&b)), naive_covers(&a, &b));
        prop_assert!(compile(&a).covers(&compile(&a)));
    }

    /// Equal exactly if each covers the other: what is interned by content is interned by meaning.
    #[test]
    fn equality_is_covering_both_ways(a in endpoints(), b in endpoints()) {
        let (left, right) = (compile(&a), compile(&b));
        prop_assert_eq!(left == right, left.covers(&right) && right.covers(&left));
    }

    /// Random pairs are seldom in order, so that covering is also asked of a list and a part of it.
    #[test]
    fn a_list_covers_its_parts(list in endpoints(), choice in any::<prop::sample::Index>()) {
        let mut part = list.clone();
        let Some(entries) = &mut part else { return Ok(()) };
        let Some(path) = (!entries.is_empty()).then(|| entries.keys().nth(choice.index(entries.len())).unwrap().clone())
        else {
            return Ok(());
        };
        let removed = entries.remove(&path).unwrap();
        prop_assert!(compile(&list).covers(&compile(&part)));
        prop_assert_eq!(compile(&part).covers(&compile(&list)), removed.is_empty());
    }

    #[test]
    fn removing_a_permission_never_allows_more(key in keys(), choice in any::<prop::sample::Index>()) {
        let mut less = key.clone();
        let pairs: Vec<_> = key.endpoints.iter().flatten()
            .flat_map(|(path, methods)| methods.iter().map(move |method| (path.clone(), method.clone())))
            .collect();
        if pairs.is_empty() {
            // The step from no list at all to an empty one takes everything away.
            less.endpoints = Some(Default::default());
        } else {
            let (path, method) = choice.get(&pairs);
            less.endpoints.as_mut().unwrap().get_mut(path).unwrap().remove(method);
        }
        let (before, after) = (key.compile(), less.compile());
        for request in all_requests() {
            let request = request.request();
            if let Decision::Allow(scope) = decide(&less.access(&after), &request) {
                prop_assert_eq!(decide(&key.access(&before), &request), Decision::Allow(scope));
            }
        }
    }

    #[test]
    fn a_tenant_key_never_leaves_its_tenant(key in keys(), request in requests()) {
        let permissions = key.compile();
        let access = key.access(&permissions);
        if let (Some(own), Decision::Allow(scope)) = (access.tenant_id, decide(&access, &request.request())) {
            prop_assert_eq!(scope, TenantScope::One(own));
        }
    }

    /// A header narrows and never widens.
    #[test]
    fn a_tenant_header_never_allows_more(key in keys(), request in requests(), tenant in tenants()) {
        let permissions = key.compile();
        let access = key.access(&permissions);
        let mut with = request.clone();
        with.tenant = tenant;
        let mut without = request;
        without.tenant = None;
        if let Decision::Allow(narrow) = decide(&access, &with.request()) {
            let Decision::Allow(wide) = decide(&access, &without.request()) else {
                return Err(TestCaseError::fail("allowed only with a header"));
            };
            prop_assert!(wide == TenantScope::All || wide == narrow);
        }
    }

    /// Whatever the bytes: no panic, and what is accepted is read by everybody as the same segments.
    #[test]
    fn paths_are_canonical(
        raw in prop_oneof![
            prop::collection::vec(any::<u8>(), 0..40),
            "(/|/\\.{1,3}|/api|/user|/key|//|%2[efEF]|%5c|%[0-9a-fA-F]{2}|%c3%a9|;|\\\\|[?#a-zA-Z0-9._~-]){0,12}"
                .prop_map(String::into_bytes),
        ]
    ) {
        let Ok(path) = Path::parse(&raw) else { return Ok(()) };
        let segments: Vec<_> = path.segments().collect();
        let joined = format!("/{}", segments.join("/"));
        let text = str::from_utf8(&raw).unwrap();
        prop_assert_eq!(text.strip_suffix('/').unwrap_or(text), joined.strip_suffix('/').unwrap_or(&joined));
        for segment in &segments {
            prop_assert!(!segment.is_empty() && *segment != "." && *segment != "..");
            let decoded = percent_decode(segment);
            let decoded = String::from_utf8(decoded).unwrap();
            prop_assert!(decoded != "." && decoded != "..");
            prop_assert!(!decoded.contains(['/', '\\', ';', '%']) && !decoded.contains(char::is_control));
            // Decoding once reaches the end: there is nothing left to decode.
            prop_assert_eq!(percent_decode(&decoded), decoded.as_bytes());
        }
        if let Some(endpoint) = Endpoint::resolve(&path) {
            // An endpoint is its path with segments left out.
            let mut rest = segments.iter();
            prop_assert!(endpoint.as_str().split('/').skip(1).all(|literal| rest.any(|segment| *segment == literal)));
        }
    }
}

fn percent_decode(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        rest = after;
        match (first, after) {
            (b'%', [high, low, after @ ..]) => {
                let hex = [*high, *low];
                bytes.push(u8::from_str_radix(str::from_utf8(&hex).unwrap(), 16).unwrap());
                rest = after;
            }
            _ => bytes.push(*first),
        }
    }
    bytes
}
