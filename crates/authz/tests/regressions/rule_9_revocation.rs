//! A key that is revoked or at its end is dead. That changes are heard of is the keyring's business, and tested there.

use claviger_authz::{Access, Decision, Reason, Request, decide};
use claviger_domain::{Instant, RequestMethod};

use crate::{all, manager, request};

/// In Zitadel what was deactivated still worked by another way. Here a disabled key is refused at every target.
#[test]
fn cve_2024_47000_cve_2024_46999_cve_2024_47060_disabled_is_disabled_everywhere() {
    let permissions = all();
    let access = Access { disabled: true, ..manager(&permissions) };
    for path in ["/api/user", "/api/key", "/api/api-key", "/api/roles", "/api/jwt/issue", "/v1/orders", "/"] {
        for method in RequestMethod::ALL {
            let decision = decide(&access, &request(method, path));
            assert_eq!(decision, Decision::Deny(Reason::Disabled), "{method} {path}");
        }
    }
}

/// In Vault a lease outlived its time, and near its end became endless. Here the edges of time keep their meaning.
#[test]
fn cve_2020_25816_cve_2021_32923_the_end_is_the_end() {
    let permissions = all();
    for (expiration, now, allowed) in [
        (i64::MIN, i64::MIN, false),
        (i64::MIN, i64::MAX, false),
        (i64::MAX, i64::MAX, false),
        (i64::MAX, i64::MAX - 1, true),
        (0, 0, false),
        (0, -1, true),
    ] {
        let expiration_instant = Some(Instant::from_epoch_millis(expiration));
        let access = Access { expiration_instant, ..Access::new(&permissions) };
        let request =
            Request { now: Instant::from_epoch_millis(now), ..request(RequestMethod::Get, "/api/user") };
        let decision = decide(&access, &request);
        assert_eq!(matches!(decision, Decision::Allow(_)), allowed, "{expiration} {now}");
    }
}
