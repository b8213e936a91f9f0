//! What keys have in common, each under a number, and how many use it.

use std::borrow::Borrow;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::Hash;

use crate::shared::Number;

/// Values with their numbers and users.
///
/// The users are counted here rather than by the `Arc`s in the map of readers: that map reclaims what was removed when no
/// reader can see it any more, and readers hold clones, so that the `Arc`s' own counts say when memory can go, but not how
/// many users there are.
#[derive(Debug)]
pub(crate) struct Counted<V> {
    numbers: HashMap<V, Number>,
    values: HashMap<Number, (V, usize)>,
}

impl<V> Default for Counted<V> {
    fn default() -> Self {
        Self { numbers: HashMap::new(), values: HashMap::new() }
    }
}

impl<V: Clone + Eq + Hash> Counted<V> {
    /// The number of a value, for so many users more; `None` if it has none.
    pub(crate) fn acquire<Q: Eq + Hash + ?Sized>(&mut self, value: &Q, more: usize) -> Option<Number>
    where
        V: Borrow<Q>,
    {
        let number = *self.numbers.get(value)?;
        let (_, users) = self.values.get_mut(&number)?;
        *users = users.saturating_add(more);
        Some(number)
    }

    /// Gives a value that has none this number, for its first users.
    pub(crate) fn insert(&mut self, number: Number, value: V, users: usize) {
        self.numbers.insert(value.clone(), number);
        self.values.insert(number, (value, users));
    }

    /// Says that so many users are gone. The number of those that are left, of whom the last takes the value along; `None` for
    /// a number that no value has.
    pub(crate) fn release(&mut self, number: Number, gone: usize) -> Option<usize> {
        let Entry::Occupied(mut entry) = self.values.entry(number) else { return None };
        let (_, users) = entry.get_mut();
        *users = users.saturating_sub(gone);
        let left = *users;
        if left == 0 {
            let (value, _) = entry.remove();
            self.numbers.remove(&value);
        }
        Some(left)
    }

    /// How many values there are.
    pub(crate) fn len(&self) -> usize {
        self.values.len()
    }

    /// The values with their numbers.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (Number, &V)> {
        self.values.iter().map(|(number, (value, _))| (*number, value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_user_takes_the_value_along() {
        let mut counted = Counted::<&str>::default();
        let [one, two] = [1, 2].map(|number| Number::new(number).unwrap());
        assert_eq!(counted.acquire("a", 1), None);
        counted.insert(one, "a", 1);
        assert_eq!((counted.acquire("a", 1), counted.acquire("b", 1)), (Some(one), None));
        counted.insert(two, "b", 3);
        assert_eq!(counted.len(), 2);
        assert_eq!(
            (counted.release(one, 1), counted.release(one, 1), counted.release(one, 1)),
            (Some(1), Some(0), None)
        );
        assert_eq!((counted.acquire("a", 1), counted.acquire("b", 2)), (None, Some(two)));
        assert_eq!(
            (counted.release(two, 4), counted.iter().collect::<Vec<_>>()),
            (Some(1), vec![(two, &"b")])
        );
    }
}
