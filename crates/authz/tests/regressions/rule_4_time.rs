//! Time says nothing.

use claviger_authz::{Access, AddressRules, Decision, Missing, Reason, Request, explain};
use claviger_domain::{RequestMethod, TenantId};

use crate::{NOW, only, request};

/// Traefik, OpenBao and Vault answered known and unknown users in different time, since the first no ended the work. Here
/// the first no ends nothing: every check has been made, as the explanation shows, which is made of the same checks.
#[test]
fn cve_2026_32595_cve_2026_41263_cve_2025_54999_cve_2025_6011_an_early_no_skips_no_check() {
    let (own, named) = (TenantId::from_u128(1), TenantId::from_u128(2));
    let (list, addresses) = (only(""), AddressRules::block_all());
    let access = Access {
        disabled: true,
        tenant_id: Some(own),
        expiration_instant: Some(NOW),
        addresses: Some(&addresses),
        ..Access::new(&list)
    };
    let request = Request { tenant_id: Some(named), ..request(RequestMethod::Get, "/api/key") };
    let explanation = explain(&access, &request);
    assert_eq!(explanation.decision, Decision::Deny(Reason::Expired));
    assert!(matches!(
        explanation.missing.as_slice(),
        [
            Missing::LaterExpiration { .. },
            Missing::EnabledKey,
            Missing::Address { .. },
            Missing::EndpointPermission { .. },
            Missing::GlobalKey { .. },
            Missing::NoTenant,
            Missing::OwnTenant { .. },
        ]
    ));
}
