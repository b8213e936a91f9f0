//! The grammar of `scope`: `target-entity:<id>[:<permission>,…]`, separated by single spaces.
//!
//! Names of permissions may contain colons, so an item is split at its first two. A name with a comma or a space can be granted
//! but not asked for by its name.

use std::collections::BTreeSet;

use claviger_domain::EntityId;

use super::OAuthError;

/// The longest scope in bytes. It is repeated in the token, which travels in headers.
pub(super) const MAXIMUM_SCOPE: usize = 8 * 1024;
/// The most items of a scope.
const MAXIMUM_ITEMS: usize = 100;

/// What a request asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Scope {
    /// As it was sent.
    pub(crate) text: String,
    /// At least one, each entity once, in the order in which they are first named.
    pub(crate) targets: Vec<Target>,
}

/// An entity for which a token is to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Target {
    pub(crate) entity_id: EntityId,
    /// The permissions that are asked for; `None` for all that are granted.
    pub(crate) permissions: Option<BTreeSet<String>>,
}

impl Scope {
    /// Reads the parameter, which is not empty.
    ///
    /// # Errors
    /// [`OAuthError::InvalidScope`].
    pub(super) fn parse(text: &str) -> Result<Self, OAuthError> {
        let refused = OAuthError::InvalidScope;
        if text.len() > MAXIMUM_SCOPE {
            return Err(refused);
        }
        let mut targets: Vec<Target> = Vec::new();
        for (count, item) in text.split(' ').enumerate() {
            if count == MAXIMUM_ITEMS {
                return Err(refused);
            }
            let target = Target::parse(item).ok_or(refused)?;
            match targets.iter_mut().find(|known| known.entity_id == target.entity_id) {
                None => targets.push(target),
                Some(known) => {
                    known.permissions =
                        known.permissions.take().zip(target.permissions).map(|(mut all, more)| {
                            all.extend(more);
                            all
                        });
                }
            }
        }
        Ok(Self { text: text.to_owned(), targets })
    }
}

impl Target {
    fn parse(item: &str) -> Option<Self> {
        let rest = item.strip_prefix("target-entity:")?;
        let (id, permissions) = match rest.split_once(':') {
            None => (rest, None),
            Some((id, names)) => {
                let names: BTreeSet<_> = names.split(',').map(str::to_owned).collect();
                if names.iter().any(|name| name.is_empty() || name.chars().any(char::is_control)) {
                    return None;
                }
                (id, Some(names))
            }
        };
        Some(Self { entity_id: id.parse().ok()?, permissions })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: &str = "a647e989-1c7e-4386-9ec6-fa4fe6908906";
    const B: &str = "092dbedc-30af-4149-9c61-b578f2c72f59";

    fn read(text: &str) -> Option<Vec<(String, Option<String>)>> {
        let shown = |target: Target| {
            let permissions = target.permissions.map(|names| names.into_iter().collect::<Vec<_>>().join("|"));
            (target.entity_id.to_string(), permissions)
        };
        Scope::parse(&text.replace('A', A).replace('B', B))
            .ok()
            .map(|scope| scope.targets.into_iter().map(shown).collect())
    }

    #[track_caller]
    fn check(text: &str, expected: &[(&str, Option<&str>)]) {
        let expected = expected.iter().map(|(id, names)| ((*id).to_owned(), names.map(str::to_owned)));
        assert_eq!(read(text), Some(expected.collect()), "{text}");
    }

    #[test]
    fn items_are_split_at_their_first_two_colons() {
        check("target-entity:A", &[(A, None)]);
        check("target-entity:A:read", &[(A, Some("read"))]);
        check("target-entity:A:scim:user:read", &[(A, Some("scim:user:read"))]);
        check("target-entity:A:b,a,b", &[(A, Some("a|b"))]);
        check("target-entity:B target-entity:A:x", &[(B, None), (A, Some("x"))]);
        check(
            &format!("target-entity:{}", A.to_uppercase().replace('A', "a").replace('B', "b")),
            &[(A, None)],
        );
    }

    #[test]
    fn items_of_one_entity_are_merged() {
        check("target-entity:A:b target-entity:B target-entity:A:a", &[(A, Some("a|b")), (B, None)]);
        for all in
            ["target-entity:A target-entity:A:a", "target-entity:A:a target-entity:A target-entity:A:b"]
        {
            check(all, &[(A, None)]);
        }
    }

    #[test]
    fn everything_else_is_refused() {
        for bad in [
            " ",
            "x",
            "target-entity",
            "target-entity:",
            "target-entity::read",
            "target-entity:x",
            "Target-Entity:A",
            "target-entity:A:",
            "target-entity:A:,",
            "target-entity:A:a,",
            "target-entity:A:a,,b",
            "target-entity:A:a\nb",
            " target-entity:A",
            "target-entity:A ",
            "target-entity:A  target-entity:B",
            "target-entity:A\ttarget-entity:B",
            "target-entity:A openid",
            "target-entity:{A}",
        ] {
            assert_eq!(read(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn size_is_bounded() {
        let items = |count: usize| vec!["target-entity:A"; count].join(" ");
        check(&items(MAXIMUM_ITEMS), &[(A, None)]);
        assert_eq!(read(&items(MAXIMUM_ITEMS + 1)), None);
        assert_eq!(read(&items(10_000)), None);
        let long = |length: usize| format!("target-entity:A:{}", "x".repeat(length - 51));
        assert!(read(&long(MAXIMUM_SCOPE)).is_some());
        assert_eq!(read(&long(MAXIMUM_SCOPE + 1)), None);
    }
}
