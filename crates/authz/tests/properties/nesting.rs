//! Entries below one another, in one spelling and in several: where a longer entry takes something away, and where it does not.
//! The same properties as elsewhere, with nothing else in the way, so that rare constellations come up.

use proptest::prelude::*;
use proptest::sample::Index;

use crate::cases::{Compiled, NESTED, nested, shares};
use crate::grants::management;
use crate::naive::{Endpoints, NaiveKey, NaiveRequest, NaiveRules, naive_decide, spellings_clash};

fn key(list: &Endpoints) -> NaiveKey {
    let rules = NaiveRules::List(list.clone());
    NaiveKey { rules, key_manager: false, disabled: false, tenant: None, expiration: None, addresses: None }
}

/// The paths of the entries, what lies below them, and other spellings of both.
fn all_requests() -> Vec<NaiveRequest> {
    let below = [
        "/v1/ORDERS",
        "/v1/Orders/7",
        "/V1/orders/audit",
        "/v1/orders/Audit/x",
        "/v1/orders/audit/X/y",
        "/V2",
    ];
    let paths = NESTED.into_iter().chain(below);
    paths.flat_map(|path| ["GET", "PUT"].map(|method| management(method, path, &None))).collect()
}

fn no_more(less: &Compiled, more: &Compiled) -> Result<(), TestCaseError> {
    for request in all_requests() {
        prop_assert!(!less.allows(&request) || more.allows(&request), "{:?}", request);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_500))]

    #[test]
    fn decisions_agree_with_the_model(list in nested()) {
        let key = key(&list);
        let compiled = key.compile();
        for request in all_requests() {
            prop_assert_eq!(compiled.allows(&request), naive_decide(&key, &request).is_ok(), "{:?}", request);
        }
    }

    #[test]
    fn removing_a_method_never_allows_more(list in nested(), which in any::<Index>(), method in 0..2) {
        let mut less = list.clone();
        let place = which.index(less.len());
        less.values_mut().nth(place).unwrap().remove(["GET", "PUT"][usize::try_from(method).unwrap()]);
        no_more(&key(&less).compile(), &key(&list).compile())?;
    }

    #[test]
    fn what_is_covered_does_no_more(a in nested(), b in nested()) {
        // Both ways, and without an entry: that is often covered.
        let mut shorter = a.clone();
        shorter.pop_last();
        for (more, less) in [(&a, &b), (&b, &a), (&a, &shorter), (&shorter, &a)] {
            let (more, less) = (key(more).compile(), key(less).compile());
            if more.access().permissions.covers(less.access().permissions) {
                no_more(&less, &more)?;
            }
        }
    }
}

#[test]
fn the_cases_contain_lists_of_both_kinds() {
    let kinds = shares((nested(), nested()), 1_000, |(a, b)| {
        let covered = key(&a).compile().access().permissions.covers(key(&b).compile().access().permissions);
        match (spellings_clash(a.keys().chain(b.keys())), covered) {
            (true, true) => "several spellings, covered",
            (true, false) => "several spellings",
            (false, true) => "one spelling, covered",
            (false, false) => "one spelling",
        }
    });
    assert!(kinds.len() == 4 && kinds.values().all(|count| *count > 25), "{kinds:?}");
}
