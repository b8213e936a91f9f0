//! A service that keeps its own table of API keys and asks the engine: no server, no database.
//!
//! Run it with `cargo run -p claviger-authz --example embed`.

use std::collections::HashMap;
use std::error::Error;
use std::net::IpAddr;

use claviger_authz::{Access, AddressRules, CompiledPermissions, Decision, Path, Request, decide, explain};
use claviger_domain::{
    AddressRange, Instant, IpAccessControlEntry, IpAction, Permissions, RequestMethod, RolePermission,
    TenantId, TenantScope,
};

/// What the service knows of a key, found by whatever it makes of the credential.
struct Entry {
    permissions: CompiledPermissions,
    tenant_id: Option<TenantId>,
    expiration_instant: Option<Instant>,
    addresses: Option<AddressRules>,
}

impl Entry {
    /// A global key without an end, for use from anywhere.
    const fn new(permissions: CompiledPermissions) -> Self {
        Self { permissions, tenant_id: None, expiration_instant: None, addresses: None }
    }
}

/// One request, as the service's HTTP library gives it.
#[derive(Clone, Copy)]
struct Asked {
    method: RequestMethod,
    target: &'static str,
    address: IpAddr,
    now: Instant,
}

/// The answer as the service gives it: an HTTP status, and the tenants that the work may touch.
fn check(keys: &HashMap<&str, Entry>, credential: &str, asked: Asked) -> Result<TenantScope, u16> {
    let entry = keys.get(credential).ok_or(401_u16)?;
    // Query and fragment are never part of the decision.
    let raw = asked.target.split(['?', '#']).next().unwrap_or_default();
    let path = Path::parse(raw.as_bytes()).map_err(|_| 400_u16)?;
    let access = Access {
        tenant_id: entry.tenant_id,
        expiration_instant: entry.expiration_instant,
        addresses: entry.addresses.as_ref(),
        ..Access::new(&entry.permissions)
    };
    let request = Request { address: Some(asked.address), ..Request::new(asked.method, path, asked.now) };
    match decide(&access, &request) {
        Decision::Allow(scope) => Ok(scope),
        Decision::Deny(_) => {
            // For the log of the service; the caller learns the status only.
            println!("    {}", explain(&access, &request));
            Err(403)
        }
    }
}

fn keys(tenant: TenantId) -> Result<HashMap<&'static str, Entry>, Box<dyn Error>> {
    let list = |text: &str| -> Result<CompiledPermissions, Box<dyn Error>> {
        Ok(CompiledPermissions::from(&Permissions::Only(text.parse()?)))
    };
    let roles: [RolePermission; 2] =
        ["GET,HEAD:/collections/*".parse()?, "GET:/query/{id}/**:id=demo,test".parse()?];
    let office = AddressRange::new(IpAddr::from([192, 0, 2, 0]), IpAddr::from([192, 0, 2, 255]));
    let office = AddressRules::compile(&[
        IpAccessControlEntry { action: IpAction::Allow, range: Some(office.ok_or("no range")?) },
        IpAccessControlEntry { action: IpAction::Block, range: None },
    ]);
    Ok(HashMap::from([
        ("everything", Entry::new(CompiledPermissions::from(&Permissions::All))),
        (
            "reader of one tenant",
            Entry {
                tenant_id: Some(tenant),
                expiration_instant: Some(Instant::from_epoch_millis(2_000)),
                ..Entry::new(list("GET:/api/user\nGET,POST:/api/user/search")?)
            },
        ),
        ("orders", Entry::new(list("GET,POST:/v1/orders\nGET:/v1/orders/archive")?)),
        ("roles", Entry::new(CompiledPermissions::of_roles(&roles))),
        ("office", Entry { addresses: Some(office), ..Entry::new(list("GET:/api/user")?) }),
    ]))
}

fn main() -> Result<(), Box<dyn Error>> {
    use RequestMethod::{Delete, Get, Head, Options, Post};

    let tenant: TenantId = "780e1d5b-ee3b-43b2-aec8-db99b99adc4e".parse()?;
    let keys = keys(tenant)?;
    let (all, one) = (Ok(TenantScope::All), Ok(TenantScope::One(tenant)));
    let inside = IpAddr::from([192, 0, 2, 7]);
    let cases = [
        ("reader of one tenant", Get, "/api/user/17?loginId=x", one),
        ("reader of one tenant", Head, "/api/user/17", one),
        ("reader of one tenant", Options, "/api/user/17", Err(403)),
        ("reader of one tenant", Post, "/api/user/search", one),
        ("reader of one tenant", Delete, "/api/user/17", Err(403)),
        ("reader of one tenant", Get, "/api/user/%2e%2e/key", Err(400)),
        ("everything", Delete, "/api/key/17", all),
        ("unknown", Get, "/api/user/17", Err(401)),
        // Entries for other paths: the longest one decides alone, and another spelling of it is granted nothing.
        ("orders", Post, "/v1/orders/17", all),
        ("orders", Get, "/v1/orders/archive/2024", all),
        ("orders", Post, "/v1/orders/archive/2024", Err(403)),
        ("orders", Post, "/v1/orders/Archive/2024", Err(403)),
        ("orders", Get, "/v1/orders-of-others", Err(403)),
        // Roles see paths without their base `/api`, and grant HEAD apart from GET.
        ("roles", Get, "/api/collections/books", all),
        ("roles", Head, "/api/collections/books", all),
        ("roles", Get, "/api/collections/books/17", Err(403)),
        ("roles", Get, "/api/query/demo/a/b", all),
        ("roles", Head, "/api/query/demo/a/b", Err(403)),
        ("roles", Get, "/api/query/other", Err(403)),
        ("office", Get, "/api/user/17", all),
    ];
    let now = Instant::from_epoch_millis(1_000);
    for (credential, method, target, expected) in cases {
        expect(&keys, credential, Asked { method, target, address: inside, now }, expected)?;
    }
    let later = Instant::from_epoch_millis(2_000);
    let asked = Asked { method: Get, target: "/api/user/17", address: inside, now: later };
    expect(&keys, "reader of one tenant", asked, Err(403))?;
    let outside = IpAddr::from([198, 51, 100, 7]);
    expect(&keys, "office", Asked { address: outside, now, ..asked }, Err(403))
}

fn expect(
    keys: &HashMap<&str, Entry>,
    credential: &str,
    asked: Asked,
    expected: Result<TenantScope, u16>,
) -> Result<(), Box<dyn Error>> {
    println!("{credential}: {} {}", asked.method, asked.target);
    let answer = check(keys, credential, asked);
    println!("    {answer:?}");
    if answer == expected { Ok(()) } else { Err(format!("expected {expected:?}").into()) }
}

#[cfg(test)]
mod tests {
    #[test]
    fn answers_as_expected() {
        super::main().unwrap();
    }
}
