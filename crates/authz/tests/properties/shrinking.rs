//! Whatever is taken away from a key, it can do no more than before.

use claviger_authz::Decision;
use proptest::prelude::*;
use proptest::sample::Index;

use crate::cases::{Compiled, all_requests, entries, keys, lasting, plain_key, requests, shares};
use crate::naive::{Endpoints, NaiveEntry, NaiveKey, NaiveRules};

/// Whether all that the one may do the other may do as well, within the same tenants.
fn no_more(less: &Compiled, more: &Compiled) -> Result<(), TestCaseError> {
    for request in all_requests(&[None, Some(crate::cases::tenant(1))]) {
        if let Decision::Allow(scope) = less.decide(&request) {
            prop_assert_eq!(more.decide(&request), Decision::Allow(scope), "{:?}", request);
        }
    }
    Ok(())
}

/// The key with one thing less: a method of an entry, a permission of a role, or one of its methods or values.
fn without_one(key: &NaiveKey, which: Index, part: Index) -> NaiveKey {
    let mut less = key.clone();
    match &mut less.rules {
        // From no list at all to an empty one is the longest step.
        NaiveRules::All => less.rules = NaiveRules::List(Endpoints::new()),
        NaiveRules::List(list) => {
            let mut listed: Vec<_> = list.values_mut().filter(|methods| !methods.is_empty()).collect();
            if !listed.is_empty() {
                let place = which.index(listed.len());
                let methods = &mut listed[place];
                let method = part.get(&methods.iter().cloned().collect::<Vec<_>>()).clone();
                methods.remove(&method);
            }
        }
        NaiveRules::Roles(permissions) if !permissions.is_empty() => {
            let place = which.index(permissions.len());
            let permission = &mut permissions[place];
            let methods: Vec<_> = permission.methods.iter().cloned().collect();
            let values = permission.values.values_mut().next().filter(|values| values.len() > 1);
            match (part.index(3), values) {
                (0, _) => drop(permissions.remove(place)),
                (1, Some(values)) => drop(values.remove(part.index(values.len()))),
                _ if methods.len() > 1 => drop(permission.methods.remove(part.get(&methods))),
                _ => drop(permissions.remove(place)),
            }
        }
        NaiveRules::Roles(_) => {}
    }
    plain_key(less)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn removing_a_permission_never_allows_more(key in lasting(), which in any::<Index>(), part in any::<Index>()) {
        let less = without_one(&key, which, part);
        no_more(&less.compile(), &key.compile())?;
    }

    /// The permissions of a role are a part of the key's: a whole role is taken away.
    #[test]
    fn removing_a_role_never_allows_more(key in lasting(), end in any::<Index>()) {
        let NaiveRules::Roles(permissions) = &key.rules else { return Ok(()) };
        let kept = permissions[..end.index(permissions.len() + 1)].to_vec();
        let less = plain_key(NaiveKey { rules: NaiveRules::Roles(kept), ..key.clone() });
        no_more(&less.compile(), &key.compile())?;
    }

    #[test]
    fn an_entry_that_blocks_never_lets_more_in(
        key in keys(), list in entries(), blocked in entries(), place in any::<Index>(), wanted in prop::collection::vec(requests(), 30)
    ) {
        let before = NaiveKey { addresses: Some(list.clone()), expiration: None, disabled: false, ..key };
        let mut longer = list;
        let Some(entry) = blocked.into_iter().next() else { return Ok(()) };
        longer.insert(place.index(longer.len() + 1), NaiveEntry { allow: false, ..entry });
        let after = NaiveKey { addresses: Some(longer), ..before.clone() };
        let (before, after) = (before.compile(), after.compile());
        for request in wanted {
            prop_assert!(!after.allows(&request) || before.allows(&request), "{:?}", request);
        }
    }

    /// Nor does a list of addresses where there was none, an end, a lock, or a tenant.
    #[test]
    fn no_circumstance_allows_more(key in lasting(), list in entries(), wanted in prop::collection::vec(requests(), 30)) {
        let before = key.compile();
        for after in [
            NaiveKey { addresses: Some(list), ..key.clone() },
            NaiveKey { expiration: Some(2), ..key.clone() },
            NaiveKey { disabled: true, ..key.clone() },
            NaiveKey { tenant: key.tenant.clone().or_else(|| Some(crate::cases::tenant(1))), ..key.clone() },
        ] {
            let after = after.compile();
            for request in &wanted {
                prop_assert!(!after.allows(request) || before.allows(request), "{:?}", request);
            }
        }
    }
}

/// What is taken away is often missed, so that the properties above speak of something.
#[test]
fn the_cases_contain_losses() {
    let cases = (lasting(), any::<Index>(), any::<Index>());
    let lost = shares(&cases, 500, |(key, which, part)| {
        let (before, after) = (key.compile(), without_one(&key, which, part).compile());
        let lost =
            all_requests(&[None]).iter().any(|request| before.allows(request) && !after.allows(request));
        let kept = all_requests(&[None]).iter().any(|request| after.allows(request));
        if !lost {
            "nothing"
        } else if kept {
            "something"
        } else {
            "everything"
        }
    });
    assert!(lost["something"] > 100 && lost["everything"] > 25, "{lost:?}");
    let cases = (entries(), entries(), requests());
    let blocked = shares(&cases, 5_000, |(list, blocked, request)| {
        let lets_in = |entries: &[NaiveEntry]| crate::naive::lets_in(entries, &request.address);
        let mut longer = list.clone();
        longer.extend(blocked.into_iter().take(1).map(|entry| NaiveEntry { allow: false, ..entry }));
        match (lets_in(&list), lets_in(&longer)) {
            (true, false) => "kept out now",
            (true, true) => "let in still",
            _ => "kept out before",
        }
    });
    assert!(blocked.len() == 3 && blocked.values().all(|count| *count > 100), "{blocked:?}");
}
