//! A second, naive implementation of the rules, on maps of strings, written after the documents and not after the engine.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

/// Rows of FusionAuth's catalogue, with whether they are global. Requests under `/api` are for these and what is named below.
pub(crate) const CATALOGUE: [(&str, bool); 12] = [
    ("/api/user", false),
    ("/api/user/search", false),
    ("/api/user-action", true),
    ("/api/tenant", false),
    ("/api/tenant/search", true),
    ("/api/key", true),
    ("/api/key/generate", true),
    ("/api/entity/type", true),
    ("/api/entity/type/permission", false),
    ("/api/application", false),
    ("/api/application/role", false),
    ("/api/jwt/vend", false),
];
/// What else is FusionAuth's or ours: first segments, alone or behind `/api`.
const RESERVED: [&str; 8] = [
    "/api/api-key",
    "/api/authorize",
    "/api/health",
    "/api/logout",
    "/api/roles",
    "/api/scim",
    "/oauth2",
    "/.well-known",
];
/// What the role `admin` lists.
pub(crate) const ADMIN: [&str; 6] = ["GET", "POST", "PUT", "DELETE", "PATCH", "HEAD"];

pub(crate) type Endpoints = BTreeMap<String, BTreeSet<String>>;

/// "These methods on this path", of a role.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NaivePermission {
    pub(crate) methods: BTreeSet<String>,
    pub(crate) path: String,
    pub(crate) values: BTreeMap<String, Vec<String>>,
}

/// One source of rules.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum NaiveRules {
    /// No list was given.
    All,
    List(Endpoints),
    Roles(Vec<NaivePermission>),
}

/// An entry of an IP access control list; no range is the default.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NaiveEntry {
    pub(crate) allow: bool,
    pub(crate) range: Option<(String, String)>,
}

/// A key in plain data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NaiveKey {
    pub(crate) rules: NaiveRules,
    pub(crate) key_manager: bool,
    pub(crate) disabled: bool,
    pub(crate) tenant: Option<String>,
    pub(crate) expiration: Option<i64>,
    pub(crate) addresses: Option<Vec<NaiveEntry>>,
}

/// A request in plain data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NaiveRequest {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) tenant: Option<String>,
    pub(crate) address: Option<String>,
    pub(crate) now: i64,
}

/// What a path leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum NaiveTarget {
    Endpoint(&'static str, bool),
    ApiKeys,
    Roles,
    Reserved,
    Other,
    OtherCase,
}

pub(crate) fn segments(path: &str) -> Vec<&str> {
    path.split('/').filter(|segment| !segment.is_empty()).collect()
}

/// Percent-decoded once.
pub(crate) fn decode(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        rest = after;
        match (first, after) {
            (b'%', [high, low, after @ ..]) => {
                let hex = [*high, *low];
                bytes.push(u8::from_str_radix(str::from_utf8(&hex).unwrap(), 16).unwrap());
                rest = after;
            }
            _ => bytes.push(*first),
        }
    }
    String::from_utf8(bytes).unwrap()
}

fn fold(text: &str) -> String {
    decode(text).to_ascii_lowercase()
}

/// Whether a known path begins with this one, by whole segments.
fn begins(known: &str, path: &str) -> bool {
    format!("{known}/").starts_with(&format!("{path}/"))
}

pub(crate) fn target(path: &str) -> NaiveTarget {
    let known = || CATALOGUE.iter().map(|(path, _)| *path).chain(RESERVED);
    // Identifiers are left out wherever the catalogue has an endpoint so far and no literal that goes on.
    let mut literal = String::new();
    let parts = segments(path);
    for part in &parts {
        let longer = format!("{literal}/{part}");
        if known().any(|known| begins(known, &longer)) {
            literal = longer;
        } else if known().any(|known| begins(known, &longer.to_ascii_lowercase())) {
            return NaiveTarget::OtherCase;
        } else if !CATALOGUE.iter().any(|(endpoint, _)| *endpoint == literal) {
            break;
        }
    }
    if let Some((endpoint, global)) = CATALOGUE.iter().find(|(endpoint, _)| *endpoint == literal) {
        return NaiveTarget::Endpoint(endpoint, *global);
    }
    if let ("/api/api-key", [.., last]) = (literal.as_str(), parts.as_slice())
        && parts.len() == 4
        && ["rotate", "usage"].iter().any(|word| last.eq_ignore_ascii_case(word))
    {
        return if ["rotate", "usage"].contains(last) {
            NaiveTarget::ApiKeys
        } else {
            NaiveTarget::OtherCase
        };
    }
    match (literal.as_str(), parts.len()) {
        ("/api/api-key", 2..=3) | ("/api/authorize", 2) => NaiveTarget::ApiKeys,
        ("/api/roles", 2..=3) => NaiveTarget::Roles,
        ("" | "/api", _) => NaiveTarget::Other,
        _ => NaiveTarget::Reserved,
    }
}

/// Whether an entry of a list speaks of paths beyond FusionAuth's, and of which: without the slash at the end.
pub(crate) fn foreign(entry: &str) -> Option<String> {
    let trimmed = entry.strip_suffix('/').unwrap_or(entry);
    let refused = trimmed.contains("//") || trimmed.contains('*');
    (!refused && target(entry) == NaiveTarget::Other).then(|| trimmed.to_owned())
}

/// The entries of a list beyond FusionAuth's paths. Two that differ in a slash at the end are one.
pub(crate) fn foreign_entries(list: &Endpoints) -> Endpoints {
    let mut entries = Endpoints::new();
    for (entry, methods) in list {
        if let Some(path) = foreign(entry) {
            entries.entry(path).or_default().extend(methods.iter().cloned());
        }
    }
    entries
}

/// The longest entry decides alone; one that matches but for the spelling can only take away.
fn prefix_grants(list: &Endpoints, path: &str, method: &str) -> bool {
    let path = segments(path);
    let mut granted = false;
    let entries = foreign_entries(list);
    for length in 0..=path.len() {
        let beginning = &path[..length];
        let here: Vec<_> = entries
            .iter()
            .filter(|(entry, _)| {
                segments(entry).iter().map(|part| fold(part)).eq(beginning.iter().map(|part| fold(part)))
            })
            .collect();
        match here.iter().find(|(entry, _)| segments(entry) == beginning) {
            Some((_, methods)) => granted = methods.contains(method),
            None => granted = granted && here.iter().all(|(_, methods)| methods.contains(method)),
        }
    }
    granted
}

/// Tries every way to give segments to the wildcards.
fn matches(permission: &NaivePermission, pattern: &[&str], path: &[String]) -> bool {
    match (pattern, path) {
        ([], _) => path.is_empty(),
        (["**", rest @ ..], _) => (0..=path.len()).any(|taken| matches(permission, rest, &path[taken..])),
        (_, []) => false,
        ([piece, rest @ ..], [segment, behind @ ..]) => {
            let name = piece.strip_prefix('{').and_then(|piece| piece.strip_suffix('}'));
            let fits = match name {
                Some(name) => segment != "#ID" && permission.values[name].contains(segment),
                None => *piece == "*" || *piece == segment.as_str(),
            };
            fits && matches(permission, rest, behind)
        }
    }
}

/// What patterns see of a path: without the base, percent-decoded once.
pub(crate) fn without_base(path: &str) -> Vec<String> {
    let parts = segments(path);
    let parts = match parts.as_slice() {
        ["api", "apollo", rest @ ..] | ["api", rest @ ..] => rest,
        all => all,
    };
    parts.iter().map(|part| decode(part)).collect()
}

/// The admin permission, which is no restriction at all.
pub(crate) fn is_admin(permissions: &[NaivePermission]) -> bool {
    ADMIN.iter().all(|method| {
        permissions.iter().any(|permission| permission.path == "/**" && permission.methods.contains(*method))
    })
}

/// Whether the rules open this path of the target to the method, manager rights aside.
pub(crate) fn opens(rules: &NaiveRules, target: &NaiveTarget, path: &str, method: &str) -> bool {
    let listed = match method {
        "HEAD" => "GET",
        other => other,
    };
    match (rules, target) {
        (NaiveRules::All, _) => true,
        (NaiveRules::List(list), NaiveTarget::Endpoint(endpoint, _)) => {
            list.get(*endpoint).is_some_and(|methods| methods.contains(listed))
        }
        (NaiveRules::List(list), NaiveTarget::Other) => prefix_grants(list, path, listed),
        (NaiveRules::List(_), _) => false,
        (NaiveRules::Roles(permissions), _) => {
            is_admin(permissions)
                || permissions.iter().any(|permission| {
                    permission.methods.contains(method)
                        && matches(permission, &segments(&permission.path), &without_base(path))
                })
        }
    }
}

/// The family and number of an address; IPv4 in the spelling of IPv6 is IPv4.
fn number(address: &str) -> (u8, u128) {
    match address.parse().unwrap() {
        IpAddr::V4(address) => (4, u128::from(u32::from(address))),
        IpAddr::V6(address) => match u128::from(address) {
            mapped if mapped >> 32 == 0xFFFF => (4, mapped & 0xFFFF_FFFF),
            other => (6, other),
        },
    }
}

/// The smallest range that contains the address decides, then the default; what blocks wins over what lets in.
pub(crate) fn lets_in(entries: &[NaiveEntry], address: &Option<String>) -> bool {
    let Some(address) = address.as_deref().map(number) else { return false };
    let mut deciding: BTreeMap<u128, Vec<bool>> = BTreeMap::new();
    for entry in entries {
        if let Some((first, last)) = &entry.range {
            let (first, last) = (number(first), number(last));
            if first.0 == address.0 && first <= address && address <= last {
                deciding.entry(last.1 - first.1).or_default().push(entry.allow);
            }
        }
    }
    let defaults = entries.iter().filter(|entry| entry.range.is_none()).map(|entry| entry.allow).collect();
    let votes: Vec<bool> = deciding.into_values().next().unwrap_or(defaults);
    !votes.is_empty() && votes.iter().all(|allow| *allow)
}

/// The tenant to which the work is confined, or the name of the reason for refusal.
pub(crate) fn naive_decide(key: &NaiveKey, request: &NaiveRequest) -> Result<Option<String>, &'static str> {
    if key.expiration.is_some_and(|expiration| request.now >= expiration) {
        return Err("expired");
    }
    if key.disabled {
        return Err("disabled");
    }
    if key.addresses.as_ref().is_some_and(|entries| !lets_in(entries, &request.address)) {
        return Err("address_blocked");
    }
    let target = target(&request.path);
    let by_roles = matches!(&key.rules, NaiveRules::Roles(permissions) if !is_admin(permissions));
    match &target {
        NaiveTarget::OtherCase => return Err("ambiguous_path"),
        NaiveTarget::ApiKeys if !key.key_manager => return Err("not_key_manager"),
        NaiveTarget::Roles if !by_roles && !key.key_manager => return Err("not_key_manager"),
        NaiveTarget::ApiKeys => {}
        NaiveTarget::Roles if !by_roles => {}
        _ if !opens(&key.rules, &target, &request.path, &request.method) => return Err("not_granted"),
        _ => {}
    }
    let reading = ["GET", "HEAD"].contains(&request.method.as_str());
    if matches!(target, NaiveTarget::Endpoint(_, true)) || target == NaiveTarget::Roles && !reading {
        if key.tenant.is_some() {
            return Err("tenant_key_at_global_endpoint");
        }
        if request.tenant.is_some() {
            return Err("tenant_header_at_global_endpoint");
        }
    }
    match (&key.tenant, &request.tenant) {
        (Some(own), Some(named)) if own != named => Err("other_tenant"),
        (Some(own), _) => Ok(Some(own.clone())),
        (None, named) => Ok(named.clone()),
    }
}

/// Whether entries differ in spelling alone, up to some segment.
pub(crate) fn spellings_clash<'a>(entries: impl IntoIterator<Item = &'a String>) -> bool {
    let mut seen: BTreeMap<Vec<String>, Vec<&str>> = BTreeMap::new();
    entries.into_iter().any(|entry| {
        let parts = segments(entry);
        (0..=parts.len()).any(|length| {
            let folded = parts[..length].iter().map(|part| fold(part)).collect();
            let spelled = parts[..length].to_vec();
            *seen.entry(folded).or_insert_with(|| spelled.clone()) != spelled
        })
    })
}
