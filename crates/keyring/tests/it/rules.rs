//! Roles and lists of addresses: what changes for all keys that use them at once, and what is missing grants nothing.

use std::net::IpAddr;

use claviger_authz::{Access, Decision, Path, Reason, Request, decide};
use claviger_domain::{
    AddressRange, ApiKey, Change, Instant, IpAccessControlEntry, IpAccessControlList, IpAccessControlListId,
    IpAction, Name, Permissions, RequestMethod, Revision, Role, RoleId, RoleName,
};
use claviger_keyring::Keyring;

use crate::support::{api_key, deleted, digest, written};

fn name(text: &str) -> RoleName {
    RoleName::try_from(text).unwrap()
}

fn roles(names: &[&str]) -> Permissions {
    Permissions::Roles(names.iter().map(|text| name(text)).collect())
}

fn role(text: &str, permissions: &[&str]) -> Change {
    Change::RoleWritten(Role {
        id: RoleId::from_u128(1),
        revision: Revision::FIRST,
        name: name(text),
        desc: None,
        permissions: permissions.iter().map(|line| line.parse().unwrap()).collect(),
        ui_permissions: Vec::new(),
        insert_instant: Instant::from_epoch_millis(1),
        last_update_instant: Instant::from_epoch_millis(1),
    })
}

const LIST: IpAccessControlListId = IpAccessControlListId::from_u128(9);

/// A list that lets one address in.
fn list(address: &str) -> Change {
    let address: IpAddr = address.parse().unwrap();
    let range = AddressRange::new(address, address);
    Change::IpAccessControlListWritten(IpAccessControlList {
        id: LIST,
        revision: Revision::FIRST,
        name: Name::try_from(String::from("office")).unwrap(),
        entries: vec![
            IpAccessControlEntry { action: IpAction::Block, range: None },
            IpAccessControlEntry { action: IpAction::Allow, range },
        ],
        data: None,
        insert_instant: Instant::from_epoch_millis(1),
        last_update_instant: Instant::from_epoch_millis(1),
    })
}

/// What a key of the number may do, by both ways to look it up, which agree.
#[track_caller]
fn ask(keyring: &Keyring, number: u64, path: &str, address: &str) -> Result<(), Reason> {
    let request = Request {
        address: address.parse().ok(),
        ..Request::new(
            RequestMethod::Get,
            Path::parse(path.as_bytes()).unwrap(),
            Instant::from_epoch_millis(1_000),
        )
    };
    let answer = |access: &Access<'_>| match decide(access, &request) {
        Decision::Allow(_) => Ok(()),
        Decision::Deny(reason) => Err(reason),
    };
    let kept = answer(&keyring.find(&digest(number)).unwrap().access());
    assert_eq!(keyring.with(&digest(number), |found| answer(&found.unwrap().access)), kept);
    let (entry, known) = keyring.find_or_decoy(&digest(number));
    assert!(known);
    assert_eq!(answer(&entry.access()), kept);
    kept
}

#[test]
fn a_role_that_changes_changes_its_keys() {
    let keyring = Keyring::new();
    keyring.apply(&written(digest(1), 1, roles(&["search", "rules"])));
    keyring.apply(&written(digest(2), 2, roles(&["search"])));
    keyring.apply(&written(digest(3), 3, roles(&[])));
    // Not known yet: nothing.
    assert_eq!(ask(&keyring, 1, "/api/query/x", ""), Err(Reason::NotGranted));
    keyring.apply(&role("search", &["GET:/query/**"]));
    keyring.apply(&role("rules", &["GET:/rules/**"]));
    for (number, query, rules) in [(1, Ok(()), Ok(())), (2, Ok(()), Err(Reason::NotGranted))] {
        assert_eq!(ask(&keyring, number, "/api/query/x", ""), query);
        assert_eq!(ask(&keyring, number, "/api/rules/x", ""), rules);
    }
    assert_eq!(ask(&keyring, 3, "/api/query/x", ""), Err(Reason::NotGranted));
    keyring.apply(&role("search", &["POST:/query/**"]));
    assert_eq!(ask(&keyring, 2, "/api/query/x", ""), Err(Reason::NotGranted));
    keyring.apply(&Change::RoleDeleted(name("rules")));
    assert_eq!(ask(&keyring, 1, "/api/rules/x", ""), Err(Reason::NotGranted));
}

#[test]
fn keys_of_the_same_roles_share_one_set_that_goes_with_the_last() {
    let keyring = Keyring::new();
    for number in 0..10 {
        keyring.apply(&written(digest(number), number.into(), roles(&["a", "b"])));
    }
    // In whichever order they are named.
    keyring.apply(&written(digest(10), 10, roles(&["b", "a"])));
    assert_eq!(keyring.permission_sets(), 1);
    keyring.apply(&written(digest(11), 11, roles(&["b"])));
    assert_eq!(keyring.permission_sets(), 2);
    keyring.apply(&deleted(digest(10), 10));
    keyring.apply(&deleted(digest(11), 11));
    assert_eq!(keyring.permission_sets(), 1);
    keyring.apply(&role("a", &["GET:/x"]));
    for number in 0..10 {
        assert_eq!(ask(&keyring, number, "/x", ""), Ok(()));
        keyring.apply(&deleted(digest(number), number.into()));
    }
    assert_eq!(keyring.permission_sets(), 0);
    // A set that comes back knows what changed meanwhile.
    keyring.apply(&role("a", &["GET:/y"]));
    keyring.apply(&written(digest(1), 1, roles(&["a", "b"])));
    assert_eq!(ask(&keyring, 1, "/x", ""), Err(Reason::NotGranted));
    assert_eq!(ask(&keyring, 1, "/y", ""), Ok(()));
}

#[test]
fn roles_that_allow_everything_make_a_manager() {
    let keyring = Keyring::new();
    keyring.apply(&written(digest(1), 1, roles(&["admin"])));
    assert_eq!(ask(&keyring, 1, "/api/api-key", ""), Err(Reason::NotKeyManager));
    keyring.apply(&role("admin", &["GET,POST,PUT,DELETE,PATCH,HEAD:/**"]));
    assert_eq!(ask(&keyring, 1, "/api/api-key", ""), Ok(()));
    assert!(keyring.find(&digest(1)).unwrap().key_manager);
    let (compiled, manages) = keyring.compile(&roles(&["admin"]));
    assert!(compiled.are_unrestricted() && manages);
    // A key without a list is no manager for that.
    let (compiled, manages) = keyring.compile(&Permissions::All);
    assert!(compiled.are_unrestricted() && !manages);
    keyring.apply(&role("admin", &["GET,POST,PUT,DELETE,PATCH:/**"]));
    assert_eq!(ask(&keyring, 1, "/api/api-key", ""), Err(Reason::NotKeyManager));
}

#[test]
fn a_list_that_changes_changes_its_keys() {
    let keyring = Keyring::new();
    let key = ApiKey { ip_access_control_list_id: Some(LIST), ..api_key(1, Permissions::All) };
    keyring.apply(&Change::ApiKeyWritten {
        digest: digest(1),
        api_key: key.clone(),
        previous: Vec::new(),
        ended: Vec::new(),
    });
    // Not known: from nowhere.
    assert_eq!(ask(&keyring, 1, "/api/user", "192.0.2.1"), Err(Reason::AddressBlocked));
    keyring.apply(&list("192.0.2.1"));
    assert_eq!(ask(&keyring, 1, "/api/user", "192.0.2.1"), Ok(()));
    assert_eq!(ask(&keyring, 1, "/api/user", "192.0.2.2"), Err(Reason::AddressBlocked));
    assert_eq!(ask(&keyring, 1, "/api/user", ""), Err(Reason::AddressBlocked));
    keyring.apply(&list("192.0.2.2"));
    assert_eq!(ask(&keyring, 1, "/api/user", "192.0.2.1"), Err(Reason::AddressBlocked));
    assert_eq!(ask(&keyring, 1, "/api/user", "192.0.2.2"), Ok(()));
    // It cannot be deleted while it is in use; should it be, the key is refused rather than let in.
    keyring.apply(&Change::IpAccessControlListDeleted(LIST));
    assert_eq!(ask(&keyring, 1, "/api/user", "192.0.2.2"), Err(Reason::AddressBlocked));
    // A list that comes later under the same id is another one.
    keyring.apply(&list("192.0.2.2"));
    assert_eq!(ask(&keyring, 1, "/api/user", "192.0.2.2"), Err(Reason::AddressBlocked));
    keyring.apply(&Change::ApiKeyWritten {
        digest: digest(1),
        api_key: key,
        previous: Vec::new(),
        ended: Vec::new(),
    });
    assert_eq!(ask(&keyring, 1, "/api/user", "192.0.2.2"), Ok(()));
}

#[test]
fn a_disabled_key_is_found_and_refused() {
    let keyring = Keyring::new();
    let key = ApiKey { disabled: true, ..api_key(1, Permissions::All) };
    keyring.apply(&Change::ApiKeyWritten {
        digest: digest(1),
        api_key: key,
        previous: Vec::new(),
        ended: Vec::new(),
    });
    assert_eq!(ask(&keyring, 1, "/api/user", ""), Err(Reason::Disabled));
}

#[test]
fn the_decoy_may_do_nothing() {
    let keyring = Keyring::new();
    keyring.apply(&written(digest(1), 1, Permissions::All));
    let (decoy, known) = keyring.find_or_decoy(&digest(2));
    assert!(!known && !decoy.key_manager);
    for path in ["/api/user", "/api/api-key", "/x"] {
        let request = Request::new(
            RequestMethod::Get,
            Path::parse(path.as_bytes()).unwrap(),
            Instant::from_epoch_millis(1_000),
        );
        assert!(matches!(decide(&decoy.access(), &request), Decision::Deny(_)), "{path}");
    }
}

#[test]
fn clearing_forgets_roles_and_lists() {
    let keyring = Keyring::new();
    keyring.apply(&role("a", &["GET:/x"]));
    keyring.apply(&list("192.0.2.1"));
    keyring.clear();
    keyring.apply(&written(digest(1), 1, roles(&["a"])));
    assert_eq!(ask(&keyring, 1, "/x", ""), Err(Reason::NotGranted));
    let key = ApiKey { ip_access_control_list_id: Some(LIST), ..api_key(2, Permissions::All) };
    keyring.apply(&Change::ApiKeyWritten {
        digest: digest(2),
        api_key: key,
        previous: Vec::new(),
        ended: Vec::new(),
    });
    assert_eq!(ask(&keyring, 2, "/x", "192.0.2.1"), Err(Reason::AddressBlocked));
}
