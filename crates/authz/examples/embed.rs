//! A service that keeps its own table of API keys and asks the engine: no server, no database.
//!
//! Run it with `cargo run -p claviger-authz --example embed`.

use std::collections::HashMap;
use std::error::Error;

use claviger_authz::{Access, CompiledPermissions, Decision, Path, Request, decide};
use claviger_domain::{Instant, Permissions, RequestMethod, TenantId, TenantScope};

/// What the service knows of a key, found by whatever it makes of the credential.
struct Entry {
    permissions: CompiledPermissions,
    tenant_id: Option<TenantId>,
    expiration_instant: Option<Instant>,
}

/// The answer as the service gives it: an HTTP status, and the tenants that the work may touch.
fn check(
    keys: &HashMap<&str, Entry>,
    credential: &str,
    method: RequestMethod,
    target: &str,
    now: Instant,
) -> Result<TenantScope, u16> {
    let entry = keys.get(credential).ok_or(401_u16)?;
    // Query and fragment are never part of the decision.
    let raw = target.split(['?', '#']).next().unwrap_or_default();
    let path = Path::parse(raw.as_bytes()).map_err(|_| 400_u16)?;
    let access = Access {
        tenant_id: entry.tenant_id,
        expiration_instant: entry.expiration_instant,
        ..Access::new(&entry.permissions)
    };
    match decide(&access, &Request::new(method, path, now)) {
        Decision::Allow(scope) => Ok(scope),
        Decision::Deny(reason) => {
            println!("    denied: {}", reason.as_str());
            Err(401)
        }
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let tenant: TenantId = "780e1d5b-ee3b-43b2-aec8-db99b99adc4e".parse()?;
    let reader = Permissions::Only("GET:/api/user\nGET,POST:/api/user/search".parse()?);
    let keys = HashMap::from([
        (
            "reader-of-one-tenant",
            Entry {
                permissions: CompiledPermissions::from(&reader),
                tenant_id: Some(tenant),
                expiration_instant: Some(Instant::from_epoch_millis(2_000)),
            },
        ),
        (
            "everything",
            Entry {
                permissions: CompiledPermissions::from(&Permissions::All),
                tenant_id: None,
                expiration_instant: None,
            },
        ),
    ]);
    let now = Instant::from_epoch_millis(1_000);
    let later = Instant::from_epoch_millis(2_000);
    let cases = [
        (
            "reader-of-one-tenant",
            RequestMethod::Get,
            "/api/user/17?loginId=x",
            now,
            Ok(TenantScope::One(tenant)),
        ),
        ("reader-of-one-tenant", RequestMethod::Post, "/api/user/search", now, Ok(TenantScope::One(tenant))),
        ("reader-of-one-tenant", RequestMethod::Delete, "/api/user/17", now, Err(401)),
        ("reader-of-one-tenant", RequestMethod::Get, "/api/user/%2e%2e/key", now, Err(400)),
        ("reader-of-one-tenant", RequestMethod::Get, "/api/user/17", later, Err(401)),
        ("everything", RequestMethod::Delete, "/api/key/17", now, Ok(TenantScope::All)),
        ("unknown", RequestMethod::Get, "/api/user/17", now, Err(401)),
    ];
    for (credential, method, target, now, expected) in cases {
        println!("{credential}: {method} {target}");
        let answer = check(&keys, credential, method, target, now);
        println!("    {answer:?}");
        if answer != expected {
            return Err(format!("expected {expected:?}").into());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #[test]
    fn answers_as_expected() {
        super::main().unwrap();
    }
}
