//! Power only shrinks.

use claviger_authz::{Access, CompiledPermissions, Endpoint, GrantRefusal, Reason, may_grant, may_manage};
use claviger_domain::{RequestMethod, TenantId, TenantScope};

use crate::{all, denied, manager, only, roles};

#[track_caller]
fn exceeds(held: &CompiledPermissions, wanted: &CompiledPermissions) {
    let refusal = may_grant(&manager(held), TenantScope::All, &Access::new(wanted));
    assert_eq!(refusal, Err(GrantRefusal::Permissions), "{held:?} {wanted:?}");
}

/// better-auth took a request without a session for a call of the server itself. Here whoever asks is an [`Access`], and one
/// that is no key manager grants and manages nothing, itself included.
#[test]
fn cve_2025_61928_who_is_no_manager_grants_nothing() {
    let (everything, nothing) = (all(), only(""));
    let holder = Access::new(&everything);
    assert_eq!(may_grant(&holder, TenantScope::All, &Access::new(&nothing)), Err(GrantRefusal::KeyManager));
    assert_eq!(may_manage(&holder, TenantScope::All, &holder), Err(GrantRefusal::KeyManager));
}

/// MinIO gave new keys the rights of the root user, and let them change their own policy. Here a restricted key becomes
/// unrestricted neither when it is made nor by its own change.
#[test]
fn cve_2024_24747_a_key_does_not_widen_itself() {
    let held = only("GET:/api/user");
    assert_eq!(may_manage(&manager(&held), TenantScope::All, &manager(&held)), Ok(()));
    let refusal = may_manage(&manager(&held), TenantScope::All, &manager(&all()));
    assert_eq!(refusal, Err(GrantRefusal::Permissions));
    exceeds(&held, &all());
    // A manager's right is never among what is granted.
    let refusal = may_grant(&manager(&all()), TenantScope::All, &manager(&only("")));
    assert_eq!(refusal, Err(GrantRefusal::KeyManager));
}

/// MinIO forgot the session policy when a restricted key made a key for its own account. Here being in the same tenant
/// excuses nobody from the comparison of permissions.
#[test]
fn cve_2025_62506_the_same_tenant_is_no_excuse() {
    let (held, wider, same) = (only("GET:/api/user"), only("GET,POST:/api/user"), only("GET:/api/user"));
    let tenant_id = Some(TenantId::from_u128(1));
    let holder = Access { tenant_id, ..manager(&held) };
    let scope = TenantScope::One(TenantId::from_u128(1));
    for (wanted, expected) in [(&wider, Err(GrantRefusal::Permissions)), (&same, Ok(()))] {
        let wanted = Access { tenant_id, ..Access::new(wanted) };
        assert_eq!(may_grant(&holder, scope, &wanted), expected);
        assert_eq!(may_manage(&holder, scope, &wanted), expected);
    }
}

/// Gitea let a narrow token mint a wider one. Here every way to be wider is refused: a method, an endpoint, a prefix, what a
/// narrower prefix holds back, a pattern, a value, a method of a pattern.
#[test]
fn cve_2026_56654_a_narrow_key_grants_no_wider_one() {
    let held = only("GET:/api/user\nGET:/v1\n:/v1/admin");
    for wanted in [
        "GET,POST:/api/user",
        "GET:/api/user\nGET:/api/key",
        "GET:/api/user/search",
        "GET:/",
        "GET:/v1",
        "GET:/v1/admin/x",
        "PUT:/v1/orders",
    ] {
        exceeds(&held, &only(wanted));
    }
    let held = roles(&["GET:/collections/{id}:id=C1,C2", "GET:/query/*"]);
    for wanted in [
        "GET:/collections/*",
        "GET:/collections/C3",
        "GET:/collections/{id}:id=C1,C3",
        "HEAD:/collections/C1",
        "GET:/query/**",
        "GET:/**",
    ] {
        exceeds(&held, &roles(&[wanted]));
    }
    for same in ["GET:/collections/C2", "GET:/query/demo", "GET:/collections/{x}:x=C1"] {
        let wanted = roles(&[same]);
        assert_eq!(may_grant(&manager(&held), TenantScope::All, &Access::new(&wanted)), Ok(()), "{same}");
    }
}

/// Vault and OpenBao compared the name of a policy before they normalised it into `root`. Here what is compared is what is
/// decided with: every spelling of "everything" counts as everything.
#[test]
fn cve_2025_5999_cve_2025_54996_no_spelling_of_everything_slips_through() {
    let held = roles(&["GET,POST,PUT,DELETE,PATCH,HEAD:/*/**"]);
    for lines in [
        &["GET,POST,PUT,DELETE,PATCH,HEAD:/**"][..],
        &["GET,POST,PUT,DELETE,PATCH,HEAD:/**/"],
        &["GET,POST,PUT,DELETE,PATCH,HEAD:/**/**"],
        &["GET,POST,PUT:/**", "DELETE,PATCH,HEAD,OPTIONS:/**/**"],
    ] {
        let everything = roles(lines);
        assert!(everything.are_unrestricted(), "{lines:?}");
        exceeds(&held, &everything);
        exceeds(&only("GET:/"), &everything);
    }
    // The slash at the end of an entry is no other entry.
    exceeds(&only("GET:/v1/"), &only("GET,PUT:/v1"));
    assert_eq!(only("GET:/v1/\n:/v1/admin/"), only("GET:/v1\n:/v1/admin"));
    exceeds(&only("GET:/v1\n:/v1/admin/"), &only("GET:/v1/admin"));
}

/// OpenBao let the policy of a group name root where that of a token could not. Here the source of the rules does not
/// matter: roles open no way past a list, nor a list past roles.
#[test]
fn cve_2025_64761_no_other_source_of_rules_is_a_back_door() {
    let mut every: Vec<String> =
        Endpoint::all().map(|endpoint| format!("DELETE,GET,PATCH,POST,PUT:{endpoint}")).collect();
    every.push(String::from("DELETE,GET,PATCH,POST,PUT:/"));
    let list = only(&every.join("\n"));
    exceeds(&list, &roles(&["GET:/user/7"]));
    exceeds(&list, &roles(&["GET,POST,PUT,DELETE,PATCH,HEAD:/**"]));
    exceeds(&list, &all());
    let reader = roles(&["GET,HEAD,OPTIONS:/**"]);
    exceeds(&reader, &only("GET:/api/user"));
    exceeds(&reader, &all());
}

/// In step-ca one type of message, and one path of a provisioner, never came to the authorization step. Here every target
/// and every method comes to it: a key that holds nothing may do nothing.
#[test]
fn cve_2026_30836_cve_2025_44005_nothing_passes_unasked() {
    let others = [
        "/",
        "/api",
        "/v1",
        "/api/api-key",
        "/api/api-key/7",
        "/api/roles",
        "/api/roles/7",
        "/api/jwt/issue",
    ];
    let paths = Endpoint::all().map(Endpoint::as_str).chain(others).chain([
        "/oauth2/token",
        "/.well-known/x",
        "/API/user",
    ]);
    for path in paths {
        for method in RequestMethod::ALL {
            for permissions in [only(""), only(":/\n:/api/user"), roles(&[]), CompiledPermissions::none()] {
                let reason = denied(&permissions, method, path);
                let expected = [Reason::NotGranted, Reason::NotKeyManager, Reason::AmbiguousPath]
                    .map(Some)
                    .contains(&reason);
                assert!(expected, "{method} {path} {reason:?}");
            }
        }
    }
}
