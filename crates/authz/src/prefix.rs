//! Permissions for paths that are not FusionAuth's: an entry covers its own path and everything below it by whole segments,
//! unless a longer entry is met on the way, which then decides alone.
//!
//! A longer entry can grant less than a shorter one, so a request must not get past it by another spelling. Segments are
//! therefore looked up percent-decoded and without regard to case. Where the spelling then differs from the entry's, another
//! program could take both for the same or not, so the path is granted only what it would be granted either way: less than
//! that would let a key whose list is shorter do more.

use std::collections::{BTreeMap, HashMap};

use claviger_domain::{EndpointPath, MethodSet};

use crate::Path;
use crate::path::decoded;
use crate::target::is_reserved;

/// The entries of one key beyond the catalogue.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct PrefixRules {
    /// What decides about paths: without the entries that say what the next shorter one says anyway, sorted by path.
    entries: Box<[(Box<str>, MethodSet)]>,
    /// What can match no path: paths of FusionAuth that are in no catalogue, and spellings that are never let in. They are
    /// compared when keys are, since a key must not hand on what it does not hold, even if that means something only
    /// tomorrow.
    inert: Box<[(EndpointPath, MethodSet)]>,
    root: Node,
}

/// The paths that are alike up to here.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
struct Node {
    /// The entries that end here, by their exact text; more than one if they differ in spelling.
    entries: Vec<(Box<str>, MethodSet)>,
    /// By segment, decoded and in lower case; sorted.
    children: Vec<(Box<[u8]>, Node)>,
}

impl PrefixRules {
    /// Compiles entries that are in no catalogue.
    pub(crate) fn compile<'a>(entries: impl IntoIterator<Item = (&'a EndpointPath, MethodSet)>) -> Self {
        let mut active: BTreeMap<Box<str>, MethodSet> = BTreeMap::new();
        let mut inert = Vec::new();
        for (path, methods) in entries {
            match Path::parse(path.as_str().as_bytes()) {
                Ok(parsed) if !is_reserved(&parsed) => {
                    let known = active.entry(parsed.text().into()).or_default();
                    *known = known.union(methods);
                }
                _ if methods.is_empty() => {}
                _ => inert.push((path.clone(), methods)),
            }
        }
        inert.sort();
        let entries = telling(active);
        let mut root = Node::default();
        for (path, methods) in &entries {
            root.insert(path, *methods);
        }
        Self { entries: entries.into_boxed_slice(), inert: inert.into_boxed_slice(), root }
    }

    /// The entry that decides about a path, with its methods; `None` where none does.
    pub(crate) fn deciding(&self, path: &Path<'_>) -> Deciding<'_> {
        self.walk(path, |_| {})
    }

    /// What decides about a path, after `seen` was told what decides at each step on the way.
    fn walk<'a>(&'a self, path: &Path<'_>, mut seen: impl FnMut(Deciding<'a>)) -> Deciding<'a> {
        let mut node = &self.root;
        let mut deciding = node.decide("", Deciding::None);
        seen(deciding);
        let mut end = 0;
        for segment in path.segments() {
            let Some(child) = node.child(segment) else { break };
            // Behind the slash, which the first segment does not have here.
            end += segment.len() + usize::from(end > 0);
            node = child;
            deciding = node.decide(path.text().get(..end).unwrap_or_default(), deciding);
            seen(deciding);
        }
        deciding
    }

    /// The methods that are granted on a path.
    pub(crate) fn methods(&self, path: &Path<'_>) -> MethodSet {
        self.deciding(path).methods()
    }

    /// The entry by which methods are granted on a path, with these methods; `None` where there are none. Met in another
    /// spelling, an entry only takes away: what it leaves is granted by the last one above it that is spelled like the path.
    pub(crate) fn granting(&self, path: &Path<'_>) -> Option<(&str, MethodSet)> {
        let mut spelled_alike = None;
        let deciding = self.walk(path, |deciding| {
            if let Deciding::Entry(entry, _) = deciding {
                spelled_alike = Some(entry);
            }
        });
        let methods = deciding.methods();
        spelled_alike.filter(|_| !methods.is_empty()).map(|entry| (entry, methods))
    }

    /// Whether no entry grants anything, today or tomorrow.
    pub(crate) fn grant_nothing(&self) -> bool {
        self.inert.is_empty() && self.entries.iter().all(|(_, methods)| methods.is_empty())
    }

    /// Whether everything that `other` grants is granted here. What is granted changes only at entries, so that those of
    /// both are compared. Where entries differ in spelling alone, only the same entries cover each other.
    pub(crate) fn covers(&self, other: &Self) -> bool {
        let inert = other.inert.iter().all(|(path, methods)| {
            let own = self
                .inert
                .binary_search_by(|(own, _)| own.cmp(path))
                .ok()
                .and_then(|index| self.inert.get(index));
            own.is_some_and(|(_, own)| own.covers(*methods))
        });
        inert
            && (other.entries.iter().all(|(_, methods)| methods.is_empty())
                || self.entries == other.entries
                || (!spellings_clash(self.entries.iter().chain(&other.entries).map(|(path, _)| &**path))
                    && self
                        .entries
                        .iter()
                        .chain(&other.entries)
                        .all(|(path, _)| nearest(&self.entries, path).covers(nearest(&other.entries, path)))))
    }
}

/// What decides about a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Deciding<'a> {
    /// This entry (its path without the slash at the start), which grants these methods.
    Entry(&'a str, MethodSet),
    /// An entry, this one for instance, matches but for the spelling; with what is granted whether or not it is meant.
    OtherSpelling(&'a str, MethodSet),
    /// No entry.
    None,
}

impl Deciding<'_> {
    const fn methods(self) -> MethodSet {
        match self {
            Deciding::Entry(_, methods) | Deciding::OtherSpelling(_, methods) => methods,
            Deciding::None => MethodSet::EMPTY,
        }
    }
}

impl Node {
    /// What decides about a path that comes by here spelled so far as `spelled`, if `above` does without this node.
    fn decide<'a>(&'a self, spelled: &str, above: Deciding<'a>) -> Deciding<'a> {
        match (self.entries.iter().find(|(text, _)| **text == *spelled), self.entries.first()) {
            (Some((text, methods)), _) => Deciding::Entry(text, *methods),
            (None, Some((text, _))) => {
                let either_way =
                    |granted: MethodSet, (_, own): &(Box<str>, MethodSet)| granted.intersection(*own);
                Deciding::OtherSpelling(text, self.entries.iter().fold(above.methods(), either_way))
            }
            (None, None) => above,
        }
    }

    fn child(&self, segment: &str) -> Option<&Self> {
        // Nearly all segments stand for themselves, and comparing those takes a fraction of the time.
        let found = if segment.bytes().all(|byte| byte != b'%' && !byte.is_ascii_uppercase()) {
            self.children.binary_search_by(|(name, _)| (**name).cmp(segment.as_bytes()))
        } else {
            self.children.binary_search_by(|(name, _)| name.iter().copied().cmp(folded(segment)))
        };
        let found = found.ok()?;
        self.children.get(found).map(|(_, node)| node)
    }

    fn insert(&mut self, path: &str, methods: MethodSet) {
        let mut node = self;
        for segment in path.split('/').filter(|segment| !segment.is_empty()) {
            let name: Box<[u8]> = folded(segment).collect();
            let place = match node.children.binary_search_by(|(own, _)| own.cmp(&name)) {
                Ok(place) => place,
                Err(place) => {
                    node.children.insert(place, (name, Self::default()));
                    place
                }
            };
            let Some((_, child)) = node.children.get_mut(place) else { return };
            node = child;
        }
        node.entries.push((path.into(), methods));
    }
}

/// The bytes that a segment stands for, in lower case.
fn folded(segment: &str) -> impl Iterator<Item = u8> {
    decoded(segment).map(|byte| byte.to_ascii_lowercase())
}

/// Leaves out entries that say what holds without them: those with the methods of the next shorter one, unless entries
/// differ in spelling alone, since each then also says what another spelling is not granted.
fn telling(active: BTreeMap<Box<str>, MethodSet>) -> Vec<(Box<str>, MethodSet)> {
    if active.values().all(|methods| methods.is_empty()) {
        return Vec::new();
    }
    if spellings_clash(active.keys().map(|path| &**path)) {
        return active.into_iter().collect();
    }
    let mut kept: Vec<(Box<str>, MethodSet)> = Vec::with_capacity(active.len());
    // Sorted by text, a path comes after those that it lies below.
    for (path, methods) in active {
        if nearest(&kept, &path) != methods {
            kept.push((path, methods));
        }
    }
    kept
}

/// The methods of the longest entry at or above the path, spelled exactly so.
fn nearest(entries: &[(Box<str>, MethodSet)], path: &str) -> MethodSet {
    let mut above = Some(path);
    while let Some(prefix) = above {
        if let Ok(index) = entries.binary_search_by(|(own, _)| (**own).cmp(prefix)) {
            return entries.get(index).map_or(MethodSet::EMPTY, |(_, methods)| *methods);
        }
        above = match prefix.rsplit_once('/') {
            Some((shorter, _)) => Some(shorter),
            None if prefix.is_empty() => None,
            None => Some(""),
        };
    }
    MethodSet::EMPTY
}

/// Whether a segment on the way to one entry is spelled otherwise on the way to another. Each segment is looked at once: a
/// list can have a thousand entries of hundreds of segments.
fn spellings_clash<'a>(paths: impl Iterator<Item = &'a str>) -> bool {
    // By the place above and the segment folded: the segment as first spelled, and its own place.
    let mut places: HashMap<(usize, Vec<u8>), (&str, usize)> = HashMap::new();
    for path in paths {
        let mut above = 0;
        for segment in path.split('/') {
            let next = places.len() + 1;
            let (spelled, place) =
                *places.entry((above, folded(segment).collect())).or_insert((segment, next));
            if spelled != segment {
                return true;
            }
            above = place;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use claviger_domain::{EndpointPermissions, Method};

    use super::*;

    fn rules(text: &str) -> PrefixRules {
        let permissions: EndpointPermissions = text.parse().unwrap();
        PrefixRules::compile(permissions.iter())
    }

    #[track_caller]
    fn check(rules: &PrefixRules, path: &str, expected: &str) {
        let methods = rules.methods(&Path::parse(path.as_bytes()).unwrap());
        assert_eq!(methods.to_string(), expected, "{path}");
    }

    #[test]
    fn the_longest_entry_decides_alone() {
        let rules = rules(
            "GET,POST:/v1/orders\nGET:/v1/orders/audit\n:/v1/orders/audit/secret\nPUT:/v1/orders/audit/secret/hint",
        );
        check(&rules, "/v1/orders", "GET,POST");
        check(&rules, "/v1/orders/", "GET,POST");
        check(&rules, "/v1/orders/7/lines", "GET,POST");
        check(&rules, "/v1/orders/audit", "GET");
        check(&rules, "/v1/orders/audit/x", "GET");
        check(&rules, "/v1/orders/audit/secret/x", "");
        check(&rules, "/v1/orders/audit/secret/hint/x", "PUT");
        check(&rules, "/v1/orders-old", "");
        check(&rules, "/v1/order", "");
        check(&rules, "/v1", "");
        check(&rules, "/", "");
        check(&rules, "/x/v1/orders", "");
    }

    #[test]
    fn the_root_covers_everything() {
        let rules = rules("GET:/\n:/private/");
        check(&rules, "/", "GET");
        check(&rules, "/a/b", "GET");
        check(&rules, "/private", "");
        check(&rules, "/private/a", "");
        check(&rules, "/privateer", "GET");
    }

    /// CVE-2026-27587 and its kin: a narrower rule must not be got past by spelling.
    #[test]
    fn another_spelling_of_an_entry_is_granted_no_more_than_the_entry() {
        let narrow = rules("GET:/v1\n:/v1/admin\nGET,PUT:/v1/a:b\nPUT:/v1/c%20d");
        for path in ["/v1/Admin", "/v1/ADMIN/x", "/v1/C%20d", "/V1/x", "/V1"] {
            check(&narrow, path, "");
        }
        // Granted by the shorter entry and by the longer one, so it does not matter which is meant.
        for path in ["/v1/a%3Ab", "/v1/a%3ab/x", "/v1/A:b"] {
            check(&narrow, path, "GET");
        }
        check(&narrow, "/v1/a:b", "GET,PUT");
        check(&narrow, "/v1/c%20d", "PUT");
        check(&narrow, "/v1/X", "GET");
        let both = rules("GET:/v1/a\nPUT:/v1/A");
        check(&both, "/v1/a/x", "GET");
        check(&both, "/v1/A/x", "PUT");
        check(&both, "/V1/a", "");
    }

    /// An entry that changes nothing for its own path can still keep other spellings of it out.
    #[test]
    fn entries_that_differ_in_spelling_alone_all_count() {
        let upper = rules("GET:/v1\n:/V1/admin");
        check(&upper, "/v1/x", "GET");
        check(&upper, "/v1/admin", "");
        let beside = rules("GET:/v1\nGET:/v1/a\nPUT:/v1/A");
        check(&beside, "/v1/a/x", "GET");
        check(&beside, "/v1/A/x", "PUT");
        assert_eq!(rules(":/a\n:/A"), rules(""));
    }

    /// A key never covers a list that does more in another spelling, and taking a method away never adds one elsewhere.
    #[test]
    fn a_longer_entry_takes_nothing_from_what_the_shorter_one_grants_as_well() {
        let (long, short) = (rules("GET:/v1\nGET,PUT:/v1/admin"), rules("GET:/v1"));
        assert!(long.covers(&short));
        check(&short, "/v1/Admin", "GET");
        check(&long, "/v1/Admin", "GET");
        check(&rules("GET:/v1\nGET:/v1/admin"), "/v1/Admin", "GET");
    }

    #[test]
    fn what_is_fusionauths_and_what_is_never_let_in_grants_nothing() {
        for entry in [
            "/api/jwt/issue",
            "/api/user/",
            "/oauth2",
            "/api/scim/resource/v2/*",
            "/.well-known",
            "/API/user",
        ] {
            let rules = rules(&format!("GET:{entry}"));
            assert!(rules.entries.is_empty() && rules.inert.len() == 1, "{entry}");
        }
        for entry in ["/a//b", "/a/../b", "/a%2fb", "/a;b", "/é", "/a?b"] {
            let rules = rules(&format!("GET:{entry}"));
            assert!(rules.entries.is_empty() && rules.inert.len() == 1, "{entry}");
        }
        check(&rules("GET:/api"), "/api/orders", "GET");
        check(&rules("GET:/api/orders"), "/api/orders/7", "GET");
    }

    #[test]
    fn entries_that_change_nothing_do_not_count() {
        assert_eq!(rules("GET:/a\nGET:/a/b\nGET:/a/b/c"), rules("GET:/a"));
        assert_eq!(rules("GET:/a/\nPUT:/a"), rules("GET,PUT:/a"));
        assert_eq!(rules(":/a\n:/b/c"), rules(""));
        assert_ne!(rules("GET:/a\n:/a/b"), rules("GET:/a"));
        assert_ne!(rules("GET:/a"), rules("PUT:/a"));
    }

    #[track_caller]
    fn covers(own: &str, other: &str, expected: bool) {
        assert_eq!(rules(own).covers(&rules(other)), expected, "{own:?} covers {other:?}");
    }

    #[test]
    fn covering_looks_at_what_is_granted_below() {
        covers("GET:/v1", "GET:/v1/orders", true);
        covers("GET:/v1/orders", "GET:/v1", false);
        covers("GET:/v1\n:/v1/admin", "GET:/v1", false);
        covers("GET:/v1\n:/v1/admin", "GET:/v1/orders", true);
        covers("GET:/v1\n:/v1/admin", "GET:/v1/admin/x", false);
        covers("GET:/v1\n:/v1/admin", "GET:/v1\n:/v1/admin", true);
        covers("GET:/v1\n:/v1/admin", "GET:/v1\n:/v1/admin\n:/v1/x", true);
        covers("GET:/v1", "GET:/v1\n:/v1/admin", true);
        covers("GET:/v1", "GET:/v1\nPUT:/v1/admin", false);
        covers("GET:/", "GET:/v1\nGET:/v2", true);
        covers("", "", true);
        covers("", ":/v1", true);
        covers("GET:/v1\n:/v1/Admin", "GET:/v1/admin", false);
        covers("GET:/v1\n:/v1/Admin", "GET:/v1\n:/v1/Admin", true);
        covers("GET:/api/jwt/issue", "GET:/api/jwt/issue", true);
        covers("GET:/api/jwt", "GET:/api/jwt/issue", false);
        covers("GET:/", "GET:/api/jwt/issue", false);
    }

    #[test]
    fn methods_of_the_deciding_entry() {
        let rules = rules("GET:/v1/a");
        let deciding = |path: &str| rules.deciding(&Path::parse(path.as_bytes()).unwrap());
        assert_eq!(deciding("/v1/a/b"), Deciding::Entry("v1/a", [Method::Get].into_iter().collect()));
        assert_eq!(deciding("/v1/A/b"), Deciding::OtherSpelling("v1/a", MethodSet::EMPTY));
        assert_eq!(deciding("/v1"), Deciding::None);
    }
}
