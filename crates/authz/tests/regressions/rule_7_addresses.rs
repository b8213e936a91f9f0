//! Addresses are numbers.

use std::net::IpAddr;

use claviger_authz::{Access, AddressRules, Decision, Reason, Request, decide};
use claviger_domain::{AddressRange, IpAccessControlEntry, IpAction, RequestMethod};

use crate::{all, request};

fn list(default: IpAction, ranges: &[(IpAction, &str, &str)]) -> AddressRules {
    let mut entries = vec![IpAccessControlEntry { action: default, range: None }];
    entries.extend(ranges.iter().map(|(action, first, last)| IpAccessControlEntry {
        action: *action,
        range: AddressRange::new(first.parse().unwrap(), last.parse().unwrap()),
    }));
    assert!(entries.iter().skip(1).all(|entry| entry.range.is_some()));
    AddressRules::compile(&entries)
}

fn decision(rules: &AddressRules, address: Option<&str>) -> Result<(), Reason> {
    let permissions = all();
    let access = Access { addresses: Some(rules), ..Access::new(&permissions) };
    let address: Option<IpAddr> = address.map(|address| address.parse().unwrap());
    match decide(&access, &Request { address, ..request(RequestMethod::Get, "/api/user") }) {
        Decision::Allow(_) => Ok(()),
        Decision::Deny(reason) => Err(reason),
    }
}

/// gin believed an address that the client had written. Here one that is not known for certain is none, and no list lets
/// that in, not even one that blocks only a few.
#[test]
fn cve_2020_28483_an_address_that_is_not_known_is_let_in_nowhere() {
    let rules = list(IpAction::Allow, &[(IpAction::Block, "192.0.2.1", "192.0.2.1")]);
    assert_eq!(decision(&rules, Some("192.0.2.2")), Ok(()));
    assert_eq!(decision(&rules, None), Err(Reason::AddressBlocked));
}

/// Traefik acted on data that arrived before the address was validated. Here that is an address that is not known, even
/// where everything is let in.
#[test]
fn cve_2024_39321_an_address_that_is_not_validated_is_none() {
    assert_eq!(decision(&list(IpAction::Allow, &[]), None), Err(Reason::AddressBlocked));
    assert_eq!(decision(&list(IpAction::Allow, &[]), Some("192.0.2.1")), Ok(()));
}

/// Fiber's "is local" looked at a header. Here no address is anything special: loopback is let in where a list says so.
#[test]
fn cve_2023_41338_loopback_has_no_privilege() {
    let rules = list(IpAction::Block, &[(IpAction::Allow, "192.0.2.0", "192.0.2.255")]);
    for address in ["127.0.0.1", "::1", "::ffff:127.0.0.1", "0.0.0.0", "10.0.0.1"] {
        assert_eq!(decision(&rules, Some(address)), Err(Reason::AddressBlocked), "{address}");
    }
    assert_eq!(decision(&rules, Some("192.0.2.7")), Ok(()));
}

/// Rust's own parser read leading zeros as decimal where others read octal. Here one text is one number: such texts are no
/// addresses, and IPv4 in the spelling of IPv6 is the same number, in lists and in requests.
#[test]
fn cve_2021_29922_one_address_one_number() {
    for text in [
        "010.8.8.8",
        "192.0.02.1",
        "192.0.2",
        "0xC0.0.2.1",
        "3221225985",
        "192.0.2.256",
        " 192.0.2.1",
        "192.0.2.1/32",
    ] {
        assert!(text.parse::<IpAddr>().is_err(), "{text}");
    }
    for written in ["192.0.2.1", "::ffff:192.0.2.1"] {
        let rules = list(IpAction::Allow, &[(IpAction::Block, written, written)]);
        for address in ["192.0.2.1", "::ffff:192.0.2.1", "::FFFF:c000:201", "0:0:0:0:0:ffff:c000:0201"] {
            assert_eq!(decision(&rules, Some(address)), Err(Reason::AddressBlocked), "{written} {address}");
        }
        // Another address, which only looks alike (RFC 4291, section 2.5.5.1).
        assert_eq!(decision(&rules, Some("::192.0.2.1")), Ok(()));
    }
}
