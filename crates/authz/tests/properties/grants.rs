//! Single grants: what the engine says is the rule in the words of the reference.

use claviger_authz::{Decision, GrantRefusal, may_grant, may_manage};
use claviger_domain::TenantScope;
use proptest::prelude::*;

use crate::cases::{all_requests, compile, lasting, shares, tenants};
use crate::naive::{NaiveKey, NaiveRequest, NaiveRules};

/// The scope in which `key` works on API keys with this tenant header; `None` if it may not.
pub(crate) fn scope(key: &NaiveKey, header: &Option<String>) -> Option<TenantScope> {
    match key.compile().decide(&management("POST", "/api/api-key", header)) {
        Decision::Allow(scope) => Some(scope),
        Decision::Deny(_) => None,
    }
}

/// A request to the interfaces for keys and roles.
pub(crate) fn management(method: &str, path: &str, tenant: &Option<String>) -> NaiveRequest {
    let (method, path) = (method.to_owned(), path.to_owned());
    NaiveRequest { method, path, tenant: tenant.clone(), address: None, now: 0 }
}

pub(crate) fn grant(holder: &NaiveKey, scope: TenantScope, wanted: &NaiveKey) -> Result<(), GrantRefusal> {
    may_grant(&holder.compile().access(), scope, &wanted.compile().access())
}

pub(crate) fn manage(holder: &NaiveKey, scope: TenantScope, stored: &NaiveKey) -> Result<(), GrantRefusal> {
    may_manage(&holder.compile().access(), scope, &stored.compile().access())
}

/// Whether `key` does nothing that none of the others may do. What a global key does is done in one tenant by naming that.
pub(crate) fn within(key: &NaiveKey, others: &[NaiveKey]) -> bool {
    let compiled = key.compile();
    let others: Vec<_> = others.iter().map(NaiveKey::compile).collect();
    all_requests(&[None, Some(crate::cases::tenant(1))]).into_iter().all(|request| {
        match compiled.decide(&request) {
            Decision::Deny(_) => true,
            Decision::Allow(scope) => {
                let named = NaiveRequest {
                    tenant: scope.tenant().map(|tenant| tenant.to_string()),
                    ..request.clone()
                };
                // Naming the tenant is refused where what is done concerns all of them.
                others.iter().any(|other| {
                    other.decide(&request) == Decision::Allow(scope)
                        || other.decide(&named) == Decision::Allow(scope)
                })
            }
        }
    })
}

/// What a key asks for: anything, or a part of what `like` holds, so that many grants succeed.
pub(crate) fn wishes(like: &NaiveKey, other: &NaiveKey, part: bool) -> NaiveKey {
    if !part {
        return other.clone();
    }
    let rules = match (&like.rules, &other.rules) {
        (NaiveRules::All, other) => other.clone(),
        (NaiveRules::List(held), NaiveRules::List(unwanted)) => {
            let mut list = held.clone();
            if unwanted.len() % 3 == 0 {
                // Something else, on paths where something is held.
                list.retain(|path, methods| !methods.is_empty() && unwanted.contains_key(path));
                list.iter_mut().for_each(|(path, methods)| methods.clone_from(&unwanted[path]));
            } else {
                for (path, methods) in &mut list {
                    methods.retain(|method| !unwanted.get(path).is_some_and(|some| some.contains(method)));
                }
            }
            NaiveRules::List(list)
        }
        (NaiveRules::Roles(held), NaiveRules::Roles(unwanted)) => {
            NaiveRules::Roles(held.iter().skip(unwanted.len() / 2).cloned().collect())
        }
        (held, _) => held.clone(),
    };
    let tenant = like.tenant.clone().or_else(|| other.tenant.clone());
    NaiveKey { rules, tenant, key_manager: false, ..other.clone() }
}

fn managers() -> impl Strategy<Value = NaiveKey> {
    lasting().prop_map(|key| NaiveKey { key_manager: true, ..key })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    /// Manager, tenant, permissions, in this order and nothing else.
    #[test]
    fn grants_agree_with_the_rule(
        holder in lasting(), other in lasting(), part in any::<bool>(), header in tenants(), manager in any::<bool>()
    ) {
        let wanted = NaiveKey { key_manager: manager && other.key_manager, ..wishes(&holder, &other, part) };
        let covered = compile(&holder.rules).covers(&compile(&wanted.rules));
        for scope in [scope(&holder, &header), Some(TenantScope::All)].into_iter().flatten() {
            let reach = scope.tenant().map(|tenant| tenant.to_string());
            let reached = (holder.tenant.is_none() || holder.tenant == wanted.tenant)
                && (reach.is_none() || reach == wanted.tenant);
            let expected = match (holder.key_manager, reached, covered) {
                (false, ..) => Err(GrantRefusal::KeyManager),
                (true, false, _) => Err(GrantRefusal::Tenant),
                (true, true, false) => Err(GrantRefusal::Permissions),
                (true, true, true) => Ok(()),
            };
            prop_assert_eq!(manage(&holder, scope, &wanted), expected);
            let expected = if wanted.key_manager { Err(GrantRefusal::KeyManager) } else { expected };
            prop_assert_eq!(grant(&holder, scope, &wanted), expected);
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
            prop_assert!(within(&wanted, std::slice::from_ref(&holder)));
            prop_assert!(scope.contains(wanted.tenant.as_deref().map(|tenant| tenant.parse().unwrap())));
        }
    }
}

/// The properties above say nothing if nothing is ever granted: in a fixed population a fair share is.
#[test]
fn the_cases_contain_grants_and_refusals() {
    let cases = (managers(), lasting(), any::<bool>(), tenants());
    let answers = shares(&cases, 1_000, |(holder, other, part, header)| {
        let wanted = wishes(&holder, &other, part);
        let answer = scope(&holder, &header).map(|scope| grant(&holder, scope, &wanted));
        match answer {
            None => "not asked",
            Some(Ok(())) => "granted",
            Some(Err(GrantRefusal::KeyManager)) => "a manager",
            Some(Err(GrantRefusal::Tenant)) => "another tenant",
            Some(Err(GrantRefusal::Permissions)) => "too much",
            Some(Err(_)) => "something else",
        }
    });
    assert!(answers.len() == 5 && answers.values().all(|count| *count > 40), "{answers:?}");
}
