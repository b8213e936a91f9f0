//! `covers` is what grants rest on: it may say no too often, and never yes wrongly.

use claviger_authz::CompiledPermissions;
use proptest::prelude::*;
use proptest::sample::Index;

use crate::cases::{all_requests, compile, lists, permissions, rules, shares};
use crate::naive::{
    Endpoints, NaiveKey, NaivePermission, NaiveRules, NaiveTarget, foreign_entries, opens, spellings_clash,
    target,
};

/// A key that holds the rules; who grants is a key manager.
fn key(rules: &NaiveRules, key_manager: bool) -> NaiveKey {
    NaiveKey {
        rules: rules.clone(),
        key_manager,
        disabled: false,
        tenant: None,
        expiration: None,
        addresses: None,
    }
}

/// Whatever the one may do, the other, as a key manager, may do as well.
fn within(less: &NaiveRules, more: &NaiveRules) -> Result<(), TestCaseError> {
    let (less, more) = (key(less, false).compile(), key(more, true).compile());
    for request in all_requests(&[None]) {
        prop_assert!(!less.allows(&request) || more.allows(&request), "{:?}", request);
    }
    Ok(())
}

/// A part of the rules, so that pairs in order come up.
fn part(rules: &NaiveRules, kept: &[bool]) -> NaiveRules {
    let mut kept = kept.iter().copied().cycle();
    let mut keep = || kept.next().unwrap_or(true);
    match rules {
        NaiveRules::All => NaiveRules::All,
        NaiveRules::List(list) => {
            let mut list = list.clone();
            list.retain(|_, methods| {
                methods.retain(|_| keep());
                keep()
            });
            NaiveRules::List(list)
        }
        NaiveRules::Roles(permissions) => {
            NaiveRules::Roles(permissions.iter().filter(|_| keep()).cloned().collect())
        }
    }
}

/// The methods of the one with the paths and values of the other, so that pairs come up that are almost in order.
fn near(rules: &NaiveRules, other: &NaiveRules) -> NaiveRules {
    match (rules, other) {
        (NaiveRules::List(list), NaiveRules::List(other)) => {
            let methods = list.values().cloned();
            NaiveRules::List(other.keys().cloned().zip(methods).collect())
        }
        (NaiveRules::Roles(permissions), NaiveRules::Roles(other)) => {
            let pairs = permissions.iter().zip(other);
            let moved = |(own, other): (&NaivePermission, &NaivePermission)| NaivePermission {
                methods: own.methods.clone(),
                ..other.clone()
            };
            // Everything on every path is more than its parts: see the cases.
            NaiveRules::Roles(pairs.filter(|(_, other)| other.path != "/**").map(moved).collect())
        }
        (_, other) => other.clone(),
    }
}

/// Two sources of rules, the second often a part of the first, or almost.
fn pairs() -> impl Strategy<Value = (NaiveRules, NaiveRules)> {
    let kept = prop::collection::vec(prop::bool::weighted(0.8), 16);
    let both = prop_oneof![
        2 => (rules(), rules()),
        2 => (lists(), lists()).prop_map(|(a, b)| (NaiveRules::List(a), NaiveRules::List(b))),
        2 => (permissions(), permissions()).prop_map(|(a, b)| (NaiveRules::Roles(a), NaiveRules::Roles(b))),
    ];
    (both, kept, 0..3).prop_map(|((a, b), kept, how)| {
        let b = match how {
            0 => part(&a, &kept),
            1 => near(&a, &b),
            _ => b,
        };
        (a, b)
    })
}

/// The rule in words, for lists in which no two entries differ in spelling alone: what is granted changes at entries only.
fn naive_covers(a: &Endpoints, b: &Endpoints) -> bool {
    let rules = NaiveRules::List(a.clone());
    let listed = b.iter().all(|(path, methods)| match target(path) {
        NaiveTarget::Other if !path.contains("//") => true,
        NaiveTarget::Endpoint(endpoint, _) if endpoint == path => {
            methods.iter().all(|method| opens(&rules, &target(path), path, method))
        }
        _ => a.get(path).is_some_and(|own| own.is_superset(methods)) || methods.is_empty(),
    });
    let (own, wanted) = (foreign_entries(a), foreign_entries(b));
    let wanted_rules = NaiveRules::List(wanted.clone());
    listed
        && own.keys().chain(wanted.keys()).all(|path| {
            ["GET", "POST", "PUT", "PATCH", "DELETE"].into_iter().all(|method| {
                !opens(&wanted_rules, &NaiveTarget::Other, path, method)
                    || opens(&rules, &NaiveTarget::Other, path, method)
            })
        })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn what_is_covered_does_no_more((a, b) in pairs()) {
        if compile(&a).covers(&compile(&b)) {
            within(&b, &a)?;
        }
    }

    #[test]
    fn everything_covers_itself(a in rules()) {
        prop_assert!(compile(&a).covers(&compile(&a)));
    }

    #[test]
    fn covering_lists_agrees_with_the_model(a in lists(), b in lists(), kept in prop::collection::vec(prop::bool::weighted(0.8), 16), smaller in any::<bool>()) {
        let a = NaiveRules::List(a);
        let b = if smaller { part(&a, &kept) } else { NaiveRules::List(b) };
        let (NaiveRules::List(own), NaiveRules::List(wanted)) = (&a, &b) else { return Ok(()) };
        let (own_foreign, wanted_foreign) = (foreign_entries(own), foreign_entries(wanted));
        if !spellings_clash(own_foreign.keys().chain(wanted_foreign.keys())) {
            prop_assert_eq!(compile(&a).covers(&compile(&b)), naive_covers(own, wanted));
        } else if compile(&a).covers(&compile(&b)) {
            prop_assert!(naive_covers(own, wanted));
        }
    }

    /// Through a third one: its powers are within in any case, and among roles the answer is the same as well.
    #[test]
    fn covering_is_transitive((a, b) in pairs(), kept in prop::collection::vec(prop::bool::weighted(0.8), 16), other in rules(), smaller in any::<bool>()) {
        let c = if smaller { part(&b, &kept) } else { other };
        let (held, middle, wanted) = (compile(&a), compile(&b), compile(&c));
        if held.covers(&middle) && middle.covers(&wanted) {
            within(&c, &a)?;
            let lists = [&a, &b, &c].map(|rules| match rules {
                NaiveRules::List(list) => foreign_entries(list).into_keys().collect(),
                _ => Vec::new(),
            });
            prop_assert!(held.covers(&wanted) || spellings_clash(lists.iter().flatten()));
        }
    }

    /// Roles are summed: what one of them holds is covered by all of them together.
    #[test]
    fn roles_cover_each_of_theirs(all in permissions(), which in any::<Index>()) {
        prop_assume!(!all.is_empty());
        let one = which.get(&all).clone();
        prop_assert!(compile(&NaiveRules::Roles(all)).covers(&compile(&NaiveRules::Roles(vec![one]))));
    }

    /// What is interned by content is interned by meaning: equal rules are covered both ways, and those that are cannot be
    /// told apart by any request.
    #[test]
    fn equal_rules_decide_alike((a, b) in pairs()) {
        let (left, right) = (compile(&a), compile(&b));
        if left == right {
            prop_assert!(left.covers(&right) && right.covers(&left));
        }
        if left.covers(&right) && right.covers(&left) {
            within(&a, &b)?;
            within(&b, &a)?;
        }
    }

    /// Lists beside roles: neither covers anything that the other grants.
    #[test]
    fn lists_and_roles_do_not_mix(list in lists(), permissions in permissions()) {
        let (list, roles) = (NaiveRules::List(list), NaiveRules::Roles(permissions));
        let nothing = CompiledPermissions::none();
        let (list, roles) = (compile(&list), compile(&roles));
        prop_assert_eq!(list.covers(&roles), nothing.covers(&roles));
        prop_assert_eq!(roles.covers(&list), roles.are_unrestricted() || nothing.covers(&list));
    }
}

#[test]
fn the_cases_contain_both_answers() {
    let answers = shares(pairs(), 1_000, |(a, b)| match (compile(&a).covers(&compile(&b)), a, b) {
        (false, ..) => "no",
        (true, NaiveRules::List(a), NaiveRules::List(b)) if !foreign_entries(&b).is_empty() && a != b => {
            "prefixes"
        }
        (true, NaiveRules::Roles(a), NaiveRules::Roles(b)) if !b.is_empty() && a != b => "roles",
        _ => "yes",
    });
    assert!(answers.len() == 4 && answers.values().all(|count| *count > 30), "{answers:?}");
}
