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
    /// The number of a value, for one user more; `None` if it has none.
    pub(crate) fn acquire<Q: Eq + Hash + ?Sized>(&mut self, value: &Q) -> Option<Number>
    where
        V: Borrow<Q>,
    {
        let number = *self.numbers.get(value)?;
        let (_, users) = self.values.get_mut(&number)?;
        *users = users.saturating_add(1);
        Some(number)
    }

    /// Gives a value that has none this number, for its first user.
    pub(crate) fn insert(&mut self, number: Number, value: V) {
        self.numbers.insert(value.clone(), number);
        self.values.insert(number, (value, 1));
    }

    /// Says that a user is gone. The number of those that are left, of whom the last takes the value along; `None` for a
    /// number that no value has.
    pub(crate) fn release(&mut self, number: Number) -> Option<usize> {
        let Entry::Occupied(mut entry) = self.values.entry(number) else { return None };
        let (_, users) = entry.get_mut();
        *users = users.saturating_sub(1);
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
        assert_eq!(counted.acquire("a"), None);
        counted.insert(one, "a");
        assert_eq!((counted.acquire("a"), counted.acquire("b")), (Some(one), None));
        counted.insert(two, "b");
        assert_eq!(counted.len(), 2);
        assert_eq!(
            (counted.release(one), counted.release(one), counted.release(one)),
            (Some(1), Some(0), None)
        );
        assert_eq!((counted.acquire("a"), counted.acquire("b")), (None, Some(two)));
        assert_eq!(counted.iter().collect::<Vec<_>>(), [(two, &"b")]);
    }
}
