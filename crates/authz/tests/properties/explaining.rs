//! The explanation beside the decision: it is complete, and each thing it asks for removes what it stands for.

use std::collections::BTreeMap;

use claviger_authz::{Decision, Missing, explain};
use proptest::prelude::*;

use crate::cases::{keys, requests, shares};
use crate::naive::{NaiveEntry, NaiveKey, NaivePermission, NaiveRequest, NaiveRules, without_base};

fn missing(key: &NaiveKey, request: &NaiveRequest) -> Vec<Missing> {
    explain(&key.compile().access(), &request.request()).missing
}

/// The reason that the thing stands for.
fn reason(missing: &Missing) -> &'static str {
    match missing {
        Missing::LaterExpiration { .. } => "expired",
        Missing::EnabledKey => "disabled",
        Missing::Address { .. } => "address_blocked",
        Missing::ExactCase => "ambiguous_path",
        Missing::KeyManager => "not_key_manager",
        Missing::EndpointPermission { .. }
        | Missing::PathPermission { .. }
        | Missing::RolePermission { .. }
        | Missing::UnrestrictedKey => "not_granted",
        Missing::GlobalKey { .. } => "tenant_key_at_global_endpoint",
        Missing::NoTenant => "tenant_header_at_global_endpoint",
        Missing::OwnTenant { .. } => "other_tenant",
        _ => "unknown",
    }
}

/// Does what is asked for, to the letter.
fn supply(missing: &Missing, key: &mut NaiveKey, request: &mut NaiveRequest) {
    match missing {
        Missing::LaterExpiration { expiration_instant } => {
            assert_eq!(key.expiration, Some(expiration_instant.epoch_millis()));
            key.expiration = Some(request.now + 1);
        }
        Missing::EnabledKey => key.disabled = false,
        Missing::Address { address } => {
            // A caller from nowhere in particular is let in by no list at all.
            let address = address.map(|address| address.to_string());
            key.addresses = address.map(|address| {
                vec![
                    NaiveEntry { allow: true, range: Some((address.clone(), address)) },
                    NaiveEntry { allow: false, range: None },
                ]
            });
        }
        Missing::ExactCase => request.path = request.path.to_ascii_lowercase(),
        Missing::KeyManager => key.key_manager = true,
        Missing::EndpointPermission { endpoint, method } => {
            list(key, endpoint.as_str(), method.map(|m| m.as_str()), request)
        }
        Missing::PathPermission { path, method, .. } => list(key, path, method.map(|m| m.as_str()), request),
        Missing::RolePermission { path, method } => {
            let NaiveRules::Roles(permissions) = &mut key.rules else { panic!("no key with roles") };
            let (mut pattern, mut values) = (String::new(), BTreeMap::new());
            for (index, segment) in without_base(path).into_iter().enumerate() {
                pattern += &format!("/{{v{index}}}");
                values.insert(format!("v{index}"), vec![segment]);
            }
            let path = if pattern.is_empty() { String::from("/") } else { pattern };
            let methods = [method.as_str().to_owned()].into();
            permissions.push(NaivePermission { methods, path, values });
        }
        Missing::UnrestrictedKey => key.rules = NaiveRules::All,
        Missing::GlobalKey { tenant_id } => {
            assert_eq!(key.tenant.take(), Some(tenant_id.to_string()));
        }
        Missing::NoTenant => request.tenant = None,
        Missing::OwnTenant { own, named } => {
            assert_eq!(request.tenant.replace(own.to_string()), Some(named.to_string()));
        }
        other => panic!("{other:?}"),
    }
}

/// Lists the method for the path; where no list grants it, the request is made with one that lists can grant.
fn list(key: &mut NaiveKey, path: &str, method: Option<&str>, request: &mut NaiveRequest) {
    let NaiveRules::List(list) = &mut key.rules else { panic!("no key with a list") };
    let method = method.unwrap_or_else(|| {
        assert_eq!(request.method, "OPTIONS");
        request.method = String::from("GET");
        "GET"
    });
    list.entry(path.to_owned()).or_default().insert(method.to_owned());
}

/// Whether the one thing stands for the other as well: naming another tenant comes to nothing when no tenant is named.
fn implied(supplied: &Missing, other: &Missing) -> bool {
    matches!(supplied, Missing::GlobalKey { .. } | Missing::NoTenant)
        && matches!(other, Missing::OwnTenant { .. })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn explanations_agree_with_decisions(key in keys(), request in requests()) {
        let compiled = key.compile();
        let explanation = explain(&compiled.access(), &request.request());
        prop_assert_eq!(explanation.decision, compiled.decide(&request));
        match explanation.decision {
            Decision::Allow(_) => prop_assert!(explanation.missing.is_empty()),
            // The reason is the first of what is missing.
            Decision::Deny(denied) => prop_assert_eq!(explanation.missing.first().map(reason), Some(denied.as_str())),
        }
    }

    #[test]
    fn what_is_supplied_is_missed_no_more(key in keys(), request in requests()) {
        let before = missing(&key, &request);
        for supplied in &before {
            let (mut key, mut request) = (key.clone(), request.clone());
            supply(supplied, &mut key, &mut request);
            let after = missing(&key, &request);
            if *supplied == Missing::ExactCase {
                // It is another path now, with needs of its own.
                prop_assert!(!after.contains(&Missing::ExactCase));
                continue;
            }
            let expected: Vec<_> =
                before.iter().filter(|other| *other != supplied && !implied(supplied, other)).cloned().collect();
            prop_assert_eq!(after, expected, "{:?}", supplied);
        }
    }

    /// All of it together is enough.
    #[test]
    fn with_everything_supplied_it_is_allowed(key in keys(), request in requests()) {
        let (mut key, mut request) = (key, request);
        // The exact case first, which may bring others.
        for _ in 0..2 {
            for supplied in missing(&key, &request) {
                if missing(&key, &request).contains(&supplied) {
                    supply(&supplied, &mut key, &mut request);
                }
            }
        }
        prop_assert!(key.compile().allows(&request), "{:?}", missing(&key, &request));
    }
}

#[test]
fn the_cases_contain_everything_that_can_be_missing() {
    let counts =
        shares((keys(), requests()), 4_000, |(key, request)| match missing(&key, &request).as_slice() {
            [] => "nothing",
            [_] => "one thing",
            [.., Missing::OwnTenant { .. }] => "own tenant among others",
            [.., Missing::NoTenant] => "no tenant among others",
            [.., Missing::GlobalKey { .. }] => "a global key among others",
            _ => "several things",
        });
    assert!(counts.len() == 6 && counts.values().all(|count| *count > 10), "{counts:?}");
    let kinds = shares((keys(), requests()), 4_000, |(key, request)| {
        match missing(&key, &request).iter().find(|m| reason(m) == "not_granted") {
            Some(Missing::EndpointPermission { .. }) => "endpoint",
            Some(Missing::PathPermission { decided_by: None, .. }) => "path",
            Some(Missing::PathPermission { .. }) => "path with an entry",
            Some(Missing::RolePermission { .. }) => "role",
            Some(_) => "unrestricted",
            None => "no permission",
        }
    });
    assert!(kinds.len() == 6 && kinds.values().all(|count| *count > 10), "{kinds:?}");
}
