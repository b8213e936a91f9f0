//! What matched, beside the decision: something did if and only if the permissions allow the request, and a key made of
//! nothing else, read from the lines, may make the same request.

use std::collections::{BTreeMap, BTreeSet};

use claviger_authz::{Decision, Matched, explain, matched};
use claviger_domain::RolePermission;
use proptest::prelude::*;

use crate::cases::{keys, requests, shares};
use crate::naive::{Endpoints, NaiveKey, NaivePermission, NaiveRequest, NaiveRules};

fn matches(key: &NaiveKey, request: &NaiveRequest) -> Vec<Matched> {
    matched(&key.compile().access(), &request.request())
}

/// Takes back the percent-encoding of what stands for itself.
fn decoded(text: &str) -> String {
    let mut parts = text.split('%');
    let mut bytes = parts.next().unwrap().as_bytes().to_vec();
    for part in parts {
        bytes.push(u8::from_str_radix(&part[..2], 16).unwrap());
        bytes.extend_from_slice(&part.as_bytes()[2..]);
    }
    String::from_utf8(bytes).unwrap()
}

/// Takes back the percent-encoding of what stands for itself in the path of an entry.
fn undone(path: &str) -> String {
    [("%2A", "*"), ("%3A", ":"), ("%7B", "{"), ("%7D", "}"), ("%25", "%")]
        .into_iter()
        .fold(path.to_owned(), |path, (written, meant)| path.replace(written, meant))
}

/// The rules that these lines speak of: an entry of a list, or patterns.
fn rules(matched: &[Matched]) -> NaiveRules {
    let mut patterns = Vec::new();
    for one in matched {
        let line = one.to_string();
        let (methods, path) = line.split_once(':').unwrap();
        let methods: BTreeSet<String> = methods.split(',').map(str::to_owned).collect();
        match one {
            Matched::Entry { .. } => {
                assert_eq!(matched.len(), 1, "{line}");
                return NaiveRules::List(Endpoints::from([(undone(path), methods)]));
            }
            Matched::Pattern { .. } => patterns.push(pattern(methods, path)),
            _ => panic!("{line}"),
        }
    }
    NaiveRules::Roles(patterns)
}

/// The permission of a role in a line. Fragments that are no wildcards become variables, whose values may be anything.
fn pattern(methods: BTreeSet<String>, line: &str) -> NaivePermission {
    let (mut path, mut values) = (String::new(), BTreeMap::new());
    for (index, fragment) in line.split('/').filter(|fragment| !fragment.is_empty()).enumerate() {
        path.push('/');
        if matches!(fragment, "*" | "**") {
            path.push_str(fragment);
        } else {
            path.push_str(&format!("{{v{index}}}"));
            values.insert(format!("v{index}"), vec![decoded(fragment)]);
        }
    }
    let path = if path.is_empty() { String::from("/") } else { path };
    NaivePermission { methods, path, values }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn something_matches_if_and_only_if_the_permissions_allow(key in keys(), request in requests()) {
        let missing = explain(&key.compile().access(), &request.request()).missing;
        let granted = !missing.iter().any(|missing| {
            use claviger_authz::Missing::{EndpointPermission, ExactCase, KeyManager, PathPermission, RolePermission, UnrestrictedKey};
            matches!(missing, ExactCase | KeyManager | EndpointPermission { .. } | PathPermission { .. } | RolePermission { .. } | UnrestrictedKey)
        });
        let found = matches(&key, &request);
        prop_assert_eq!(!found.is_empty(), granted, "{:?}", found);
    }

    #[test]
    fn what_matched_is_enough(key in keys(), request in requests()) {
        if let Decision::Allow(scope) = key.compile().decide(&request) {
            let found = matches(&key, &request);
            let narrow = NaiveKey { rules: rules(&found), ..key.clone() };
            prop_assert_eq!(narrow.compile().decide(&request), Decision::Allow(scope), "{:?}", found);
            // Of roles also no more than the key has. Of a list a longer entry may say less below.
            let (narrow, wide) = (narrow.compile(), key.compile());
            let by_role = matches!(key.rules, NaiveRules::Roles(_)) && !key.key_manager;
            prop_assert!(!by_role || wide.access().permissions.covers(narrow.access().permissions), "{:?}", found);
        }
    }

    /// Where nothing has to be encoded, the readers of roles take the lines of patterns.
    #[test]
    fn roles_read_the_lines_of_patterns(key in keys(), request in requests()) {
        for one in matches(&key, &request) {
            let line = one.to_string();
            if matches!(one, Matched::Pattern { .. }) && !line.contains('%') {
                prop_assert_eq!(line.parse::<RolePermission>().unwrap().to_string(), line);
            }
        }
    }
}

#[test]
fn the_cases_contain_every_kind() {
    let shares = shares((keys(), requests()), 20_000, |(key, request)| match &matches(&key, &request)[..] {
        [] => "none",
        [Matched::Entry { .. }] => "an entry",
        [Matched::Pattern { .. }] => "a pattern",
        [Matched::Pattern { .. }, ..] => "patterns",
        _ => "something else",
    });
    assert_eq!(shares.len(), 4, "{shares:?}");
    assert!(shares.values().all(|count| *count > 3), "{shares:?}");
}
