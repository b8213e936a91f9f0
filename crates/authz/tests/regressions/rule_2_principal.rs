//! One credential, one principal, and no scope that is left unset.

use std::collections::HashSet;

use claviger_authz::CompiledPermissions;
use claviger_domain::{
    EndpointPath, EndpointPermissions, Method, MethodSet, Permissions, RequestMethod, RoleName,
};

use crate::{denied, only, roles};

/// Gitea never set the scope of a token that came as a password, and read that as no restriction. Here roles that have not
/// been looked up, and entries that say nothing, open nothing.
#[test]
fn cve_2026_28699_what_is_not_set_is_nothing() {
    let named = Permissions::Roles([RoleName::try_from("admin").unwrap()].into_iter().collect());
    let mut empty = EndpointPermissions::default();
    empty.add(EndpointPath::try_from("/api/user").unwrap(), MethodSet::EMPTY);
    for permissions in [named, Permissions::Only(empty), Permissions::Only(EndpointPermissions::default())] {
        let compiled = CompiledPermissions::from(&permissions);
        assert!(!compiled.are_unrestricted());
        for path in ["/api/user", "/api/roles", "/api/jwt/issue", "/v1/orders"] {
            assert!(denied(&compiled, RequestMethod::Get, path).is_some(), "{permissions:?} {path}");
        }
    }
}

/// Traefik merged checks under a key that two credentials could share. Compiled permissions are what keys share here: they
/// are equal only where they grant the same, whatever delimiters stand in paths and values.
#[test]
fn cve_2026_71326_different_rules_are_never_one() {
    let methods: MethodSet = [Method::Get].into_iter().collect();
    let listed = |paths: &[&str]| {
        let mut list = EndpointPermissions::default();
        paths.iter().for_each(|path| list.add(EndpointPath::try_from(*path).unwrap(), methods));
        CompiledPermissions::from(&Permissions::Only(list))
    };
    let different = [
        listed(&["/a", "/b"]),
        listed(&["/a/b"]),
        listed(&["/a,/b"]),
        listed(&["/a:GET:/b"]),
        listed(&["/A", "/b"]),
        only("GET:/a\n:/a/b"),
        roles(&["GET:/{x}:x=a,b"]),
        roles(&["GET:/{x}/{y}:x=a,b;y=b"]),
        roles(&["GET:/a/b"]),
        roles(&["GET:/a", "HEAD:/b"]),
        roles(&["GET,HEAD:/a"]),
    ];
    for (index, one) in different.iter().enumerate() {
        for (other_index, other) in different.iter().enumerate() {
            assert_eq!(one == other, index == other_index, "{one:?} {other:?}");
        }
    }
    assert_eq!(different.iter().collect::<HashSet<_>>().len(), different.len());
}
