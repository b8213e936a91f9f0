//! What must hold of every grant, alone and in any sequence.
use crate::naive::{NaiveKey, NaiveRequest, all_requests, keys, naive_covers, naive_decide, tenants};
use claviger_authz::{Decision, GrantRefusal, decide, may_grant, may_manage};
use claviger_domain::TenantScope;
use proptest::prelude::*;

/// The scope in which `key` works on API keys with this tenant header; `None` if it may not.
fn scope(key: &NaiveKey, header: &Option<String>) -> Option<TenantScope> {
    let method = String::from("POST");
    let request = NaiveRequest { method, path: String::from("/api/api-key"), tenant: header.clone(), now: 0 };
    let permissions = key.compile();
    match decide(&key.access(&permissions), &request.request()) {
        Decision::Allow(scope) => Some(scope),
        Decision::Deny(_) => None,
    }
}

fn grant(holder: &NaiveKey, scope: TenantScope, wanted: &NaiveKey) -> Result<(), GrantRefusal> {
    let (held, asked) = (holder.compile(), wanted.compile());
    may_grant(&holder.access(&held), scope, &wanted.access(&asked))
}

fn manage(holder: &NaiveKey, scope: TenantScope, target: &NaiveKey) -> Result<(), GrantRefusal> {
    let (held, asked) = (holder.compile(), target.compile());
    may_manage(&holder.access(&held), scope, &target.access(&asked))
}

/// Whether `key` can do nothing that `bound` cannot, whatever the request. A global key does in one tenant what it
/// does with that tenant in the header.
fn within(key: &NaiveKey, bound: &NaiveKey) -> bool {
    all_requests().into_iter().all(|request| match naive_decide(key, &request) {
        Err(_) => true,
        Ok(None) => naive_decide(bound, &request) == Ok(None),
        Ok(Some(tenant)) => {
            let named = NaiveRequest { tenant: Some(tenant.clone()), ..request };
            naive_decide(bound, &named) == Ok(Some(tenant))
        }
    })
}

/// The rule in the words of the reference: scope and permissions of the one cover those of the other.
fn naive_manage(holder: &NaiveKey, scope: TenantScope, target: &NaiveKey) -> bool {
    let reach = scope.tenant().map(|tenant| tenant.to_string());
    holder.key_manager
        && (holder.tenant.is_none() || holder.tenant == target.tenant)
        && (reach.is_none() || reach == target.tenant)
        && naive_covers(&holder.endpoints, &target.endpoints)
}

/// A key that does not expire, so that powers are compared and not ages.
fn lasting() -> impl Strategy<Value = NaiveKey> {
    keys().prop_map(|key| NaiveKey { expiration: None, ..key })
}

fn managers() -> impl Strategy<Value = NaiveKey> {
    lasting().prop_map(|key| NaiveKey { key_manager: true, ..key })
}

/// A restricted manager, which is where going beyond the bounds would show.
fn restricted_managers() -> impl Strategy<Value = NaiveKey> {
    managers()
        .prop_map(|key| NaiveKey { endpoints: key.endpoints.or_else(|| Some(Default::default())), ..key })
}

/// What a key asks for: anything, or a part of what `like` holds, so that many grants succeed.
fn wishes(like: &NaiveKey, other: &NaiveKey, part: bool) -> NaiveKey {
    if !part {
        return other.clone();
    }
    let mut endpoints = like.endpoints.clone().or_else(|| other.endpoints.clone());
    if let (Some(list), Some(unwanted)) = (&mut endpoints, &other.endpoints) {
        for (path, methods) in list {
            methods.retain(|method| !unwanted.get(path).is_some_and(|some| some.contains(method)));
        }
    }
    let tenant = like.tenant.clone().or_else(|| other.tenant.clone());
    NaiveKey { endpoints, tenant, key_manager: false, expiration: None }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn grants_agree_with_the_model(holder in lasting(), other in lasting(), part in any::<bool>(), header in tenants()) {
        let wanted = wishes(&holder, &other, part);
        for scope in [scope(&holder, &header), Some(TenantScope::All)].into_iter().flatten() {
            let expected = naive_manage(&holder, scope, &wanted);
            prop_assert_eq!(manage(&holder, scope, &wanted).is_ok(), expected);
            prop_assert_eq!(grant(&holder, scope, &wanted).is_ok(), expected && !wanted.key_manager);
        }
    }

    #[test]
    fn what_is_granted_does_nothing_that_the_holder_cannot(
        holder in managers(), other in lasting(), part in any::<bool>(), header in tenants()
    ) {
        let wanted = wishes(&holder, &other, part);
        let Some(scope) = scope(&holder, &header) else { return Ok(()) };
        if grant(&holder, scope, &wanted).is_ok() {
            prop_assert!(!wanted.key_manager);
            prop_assert!(within(&wanted, &holder));
            prop_assert!(scope.contains(wanted.tenant.as_deref().map(|tenant| tenant.parse().unwrap())));
        }
    }

    /// From one restricted manager, through the keys that it makes or changes and those that these make or change,
    /// nothing beyond its first powers is ever reached, and keys beyond them are never touched.
    #[test]
    fn no_sequence_exceeds_the_first_manager(
        first in restricted_managers(),
        strangers in prop::collection::vec(lasting(), 0..4),
        steps in prop::collection::vec(
            (any::<prop::sample::Index>(), option_index(), lasting(), any::<bool>(), tenants()),
            1..20,
        ),
    ) {
        // Every key with whether it is in the hands of the first one.
        let mut population: Vec<(NaiveKey, bool)> = vec![(first.clone(), true)];
        population.extend(strangers.into_iter().map(|key| (key, false)));
        for (who, whom, wish, part, header) in steps {
            let held: Vec<_> = population.iter().filter(|(_, held)| *held).map(|(key, _)| key.clone()).collect();
            let holder = who.get(&held);
            let Some(scope) = scope(holder, &header) else { continue };
            let wanted = wishes(holder, &wish, part);
            let Some(whom) = whom else {
                if grant(holder, scope, &wanted).is_ok() {
                    population.push((wanted, true));
                }
                continue;
            };
            let place = whom.index(population.len());
            let stored = population[place].0.clone();
            // A change keeps the tenant and whether the key is a manager.
            let outcome = NaiveKey { tenant: stored.tenant.clone(), key_manager: stored.key_manager, ..wanted };
            let asked = if stored.key_manager { manage } else { grant };
            if manage(holder, scope, &stored).is_ok() && asked(holder, scope, &outcome).is_ok() {
                prop_assert!(within(&stored, &first));
                population[place] = (outcome, true);
            }
        }
        for (key, held) in &population {
            prop_assert!(!held || within(key, &first), "{:?}", key);
        }
    }
}

fn option_index() -> impl Strategy<Value = Option<prop::sample::Index>> {
    proptest::option::of(any::<prop::sample::Index>())
}

/// The properties above say nothing if nothing is ever granted: in a fixed population a fair share is.
#[test]
fn the_cases_contain_grants_and_refusals() {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;

    let mut runner = TestRunner::deterministic();
    let (mut granted, mut refused) = (0, 0);
    for _ in 0..500 {
        let cases = (managers(), lasting(), any::<bool>(), tenants());
        let (holder, other, part, header) = cases.new_tree(&mut runner).unwrap().current();
        let Some(scope) = scope(&holder, &header) else { continue };
        match grant(&holder, scope, &wishes(&holder, &other, part)) {
            Ok(()) => granted += 1,
            Err(_) => refused += 1,
        }
    }
    assert!(granted > 50 && refused > 50, "{granted} granted, {refused} refused");
}
