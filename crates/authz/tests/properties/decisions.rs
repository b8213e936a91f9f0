//! The engine against a naive one, and what must hold of every decision.

use claviger_authz::{Decision, decide};
use claviger_domain::TenantScope;
use proptest::prelude::*;

use crate::cases::{REQUESTED, keys, lists, requests, shares, tenants};
use crate::naive::{Endpoints, NaiveKey, NaiveRequest, NaiveRules, naive_decide};

/// The decision in the naive model's words.
fn plain(decision: Decision) -> Result<Option<String>, &'static str> {
    match decision {
        Decision::Allow(scope) => Ok(scope.tenant().map(|tenant| tenant.to_string())),
        Decision::Deny(reason) => Err(reason.as_str()),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn decisions_agree_with_the_model(key in keys(), wanted in prop::collection::vec(requests(), 10)) {
        let compiled = key.compile();
        for request in wanted {
            prop_assert_eq!(plain(compiled.decide(&request)), naive_decide(&key, &request), "{:?}", request);
        }
    }

    /// A list that was given and is empty, or whose entries list no method, opens no path; nor does no role.
    #[test]
    fn an_empty_list_is_nothing(key in keys(), request in requests(), path in prop::sample::select(REQUESTED.as_slice())) {
        let unlisted = Endpoints::from([(path.to_owned(), Default::default())]);
        for rules in
            [NaiveRules::List(Endpoints::new()), NaiveRules::List(unlisted), NaiveRules::Roles(Vec::new())]
        {
            let key = NaiveKey { rules, key_manager: false, ..key.clone() };
            prop_assert!(!key.compile().allows(&request), "{:?}", key);
        }
    }

    #[test]
    fn a_tenant_key_never_leaves_its_tenant(key in keys(), wanted in prop::collection::vec(requests(), 10)) {
        let compiled = key.compile();
        let access = compiled.access();
        for request in wanted {
            if let (Some(own), Decision::Allow(scope)) = (access.tenant_id, decide(&access, &request.request())) {
                prop_assert_eq!(scope, TenantScope::One(own));
            }
        }
    }

    /// A header narrows and never widens.
    #[test]
    fn a_tenant_header_never_allows_more(key in keys(), request in requests(), tenant in tenants()) {
        let compiled = key.compile();
        let mut with = request.clone();
        with.tenant = tenant;
        let mut without = request;
        without.tenant = None;
        if let Decision::Allow(narrow) = compiled.decide(&with) {
            let Decision::Allow(wide) = compiled.decide(&without) else {
                return Err(TestCaseError::fail("allowed only with a header"));
            };
            prop_assert!(wide == TenantScope::All || wide == narrow);
        }
    }

    /// Endpoint lists take HEAD for GET and grant OPTIONS to nobody.
    #[test]
    fn lists_know_head_as_get_and_no_options(key in keys(), list in lists(), request in requests()) {
        let key = NaiveKey { rules: NaiveRules::List(list), key_manager: false, ..key };
        let compiled = key.compile();
        let with = |method: &str| compiled.decide(&NaiveRequest { method: method.to_owned(), ..request.clone() });
        prop_assert_eq!(with("HEAD"), with("GET"));
        prop_assert!(matches!(with("OPTIONS"), Decision::Deny(_)));
    }
}

/// The properties above say nothing if everything is denied for one reason.
#[test]
fn the_cases_contain_every_outcome() {
    let cases = (keys(), requests());
    let shares = shares(&cases, 6_000, |(key, request)| match naive_decide(&key, &request) {
        Ok(None) => "allowed everywhere",
        Ok(Some(_)) => "allowed in a tenant",
        Err(reason) => reason,
    });
    assert_eq!(shares.len(), 11, "{shares:?}");
    assert!(shares.values().all(|count| *count > 10), "{shares:?}");
    assert!(shares["allowed everywhere"] + shares["allowed in a tenant"] > 400, "{shares:?}");
}
