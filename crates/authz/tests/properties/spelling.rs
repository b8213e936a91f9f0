//! No other spelling of a path is ever granted more than the one that the rules are written in.

use claviger_authz::Path;
use proptest::prelude::*;
use proptest::sample::Index;

use crate::cases::{REQUESTED, keys, requests, shares};
use crate::naive::{
    CATALOGUE, NaiveKey, NaivePermission, NaiveRequest, NaiveRules, NaiveTarget, decode, foreign_entries,
    segments, spellings_clash, target,
};

/// Another spelling of some characters: in the other case, or percent-encoded in either.
fn respell(path: &str, how: &[u8]) -> String {
    let mut how = how.iter().copied().cycle();
    let mut respelled = String::new();
    for character in path.chars() {
        let encoded = character.is_ascii_punctuation() && !"/%".contains(character);
        match how.next().unwrap_or_default() {
            1 if character.is_ascii_lowercase() => respelled.push(character.to_ascii_uppercase()),
            1 => respelled.push(character.to_ascii_lowercase()),
            2 if encoded => respelled += &format!("%{:02X}", u32::from(character)),
            3 if encoded => respelled += &format!("%{:02x}", u32::from(character)),
            // What needs no encoding: refused.
            4 if character != '/' && character != '%' => {
                respelled += &format!("%{:02X}", u32::from(character))
            }
            _ => respelled.push(character),
        }
    }
    respelled
}

/// Segments as the rules have them: those of the entries of a list, where these say the same but for the spelling, and else
/// those of the request in lower case and decoded.
fn canonical(path: &str, key: &NaiveKey) -> Vec<String> {
    let entries: Vec<String> = match &key.rules {
        NaiveRules::List(list) => foreign_entries(list).into_keys().collect(),
        _ => Vec::new(),
    };
    let fold = |part: &str| decode(part).to_ascii_lowercase();
    let mut spelled: Vec<String> = Vec::new();
    for part in segments(path) {
        let depth = spelled.len();
        let known = entries.iter().map(|entry| segments(entry)).find(|entry| {
            entry.len() > depth && entry[..depth] == spelled[..] && fold(entry[depth]) == fold(part)
        });
        spelled.push(known.map_or_else(|| part.to_owned(), |entry| entry[depth].to_owned()));
    }
    spelled
}

/// Keys whose rules are written in one spelling, roles in lower case.
fn tidy() -> impl Strategy<Value = NaiveKey> {
    keys().prop_filter_map("two spellings of one path", |mut key| {
        match &mut key.rules {
            NaiveRules::All => {}
            NaiveRules::List(list) => {
                let entries = foreign_entries(list);
                if spellings_clash(entries.keys()) {
                    return None;
                }
            }
            NaiveRules::Roles(permissions) => permissions.iter_mut().for_each(lower),
        }
        Some(key)
    })
}

fn lower(permission: &mut NaivePermission) {
    permission.path = permission.path.to_ascii_lowercase();
    for value in permission.values.values_mut().flatten() {
        if value != "#ID" {
            *value = value.to_ascii_lowercase();
        }
    }
}

/// A request and another spelling of its path.
fn respelled() -> impl Strategy<Value = (NaiveRequest, String)> {
    (
        requests(),
        prop::collection::vec(prop_oneof![6 => Just(0_u8), 1 => 1_u8..4], 8..20),
        any::<Index>(),
        0..20,
    )
        .prop_map(|(request, mut how, place, rare)| {
            if rare == 0 {
                let place = place.index(how.len());
                how[place] = 4;
            }
            let path = respell(&request.path, &how);
            (request, path)
        })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3_000))]

    #[test]
    fn no_spelling_is_granted_more((request, path) in respelled(), key in tidy()) {
        if Path::parse(path.as_bytes()).is_err() {
            return Ok(());
        }
        let compiled = key.compile();
        let mut spelled = canonical(&path, &key);
        if matches!(key.rules, NaiveRules::Roles(_)) {
            // Patterns are written in lower case here; letters behind a wildcard may be any.
            spelled = spelled.iter().map(|part| part.to_ascii_lowercase()).collect();
        }
        let variant = NaiveRequest { path, ..request.clone() };
        let expected = NaiveRequest { path: format!("/{}", spelled.join("/")), ..request };
        prop_assert!(!compiled.allows(&variant) || compiled.allows(&expected), "{:?} {:?}", variant, expected);
    }

    /// The words of the catalogue have one case; every other is let through by nobody. Percent-encoded they are no path.
    #[test]
    fn endpoints_have_one_spelling(which in any::<Index>(), how in prop::collection::vec(0_u8..2, 8..20), request in requests()) {
        let endpoint = which.get(CATALOGUE.as_slice()).0;
        let path = respell(endpoint, &how);
        prop_assume!(path != endpoint);
        let all = NaiveKey {
            rules: NaiveRules::All,
            key_manager: true,
            disabled: false,
            tenant: None,
            expiration: None,
            addresses: None,
        };
        let variant = NaiveRequest { path, ..request };
        prop_assert!(!all.compile().allows(&variant), "{:?}", variant);
    }
}

#[test]
fn the_cases_contain_other_spellings_that_matter() {
    let cases = (respelled(), tidy());
    let met = shares(&cases, 5_000, |((request, path), key)| {
        if Path::parse(path.as_bytes()).is_err() {
            return "refused";
        }
        let compiled = key.compile();
        let variant = NaiveRequest { path: path.clone(), ..request.clone() };
        match (path == request.path, compiled.allows(&request), compiled.allows(&variant)) {
            (true, ..) => "the same",
            (_, true, true) => "granted alike",
            (_, true, false) => "granted less",
            (_, false, _) => "not granted",
        }
    });
    assert!(met.len() == 5 && met.values().all(|count| *count > 25), "{met:?}");
    assert!(REQUESTED.iter().any(|path| target(path) == NaiveTarget::OtherCase));
}
