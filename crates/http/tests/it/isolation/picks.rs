//! Random choices for a request.
//!
//! What a server made itself is named by `<kind number>`, which each server replaces by its own: `<id 3>` is the fourth id
//! that the caller's tenant was shown, `<foreign-token 0>` a token of the other tenant.

use serde_json::{Value, json};

use super::play::{Cast, Party};

/// A request with what stands for things of a server.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) path: String,
    pub(super) body: Option<String>,
    pub(super) headers: Vec<(&'static str, String)>,
    /// What `Authorization` has instead of the caller's API key; empty for no such header.
    pub(super) credential: Option<String>,
}

/// Random choices for one request.
pub(super) struct Picks<'a> {
    pub(super) cast: &'a Cast,
    pub(super) party: Party,
    numbers: std::iter::Cycle<std::slice::Iter<'a, usize>>,
    pub(super) now: i64,
    /// A text that stands in names of this party only, and in those of this request only.
    pub(super) mark: String,
}

impl<'a> Picks<'a> {
    pub(super) fn new(cast: &'a Cast, party: Party, numbers: &'a [usize], now: i64, mark: String) -> Self {
        Self { cast, party, numbers: numbers.iter().cycle(), now, mark }
    }

    pub(super) fn number(&mut self) -> usize {
        *self.numbers.next().unwrap()
    }

    /// Whether something is done that is done once in so many times.
    pub(super) fn one_in(&mut self, times: usize) -> bool {
        self.number().is_multiple_of(times)
    }

    pub(super) fn of<T: Copy>(&mut self, list: &[T]) -> T {
        list[self.number() % list.len()]
    }

    /// An id for a new object.
    pub(super) fn own_id(&mut self) -> String {
        let number = self.number();
        self.cast.ids[self.party as usize][number % 3].clone()
    }

    /// The id of an object: one's own under a chosen id, guessed ones of the other party, and one that is nobody's.
    pub(super) fn chosen_id(&mut self) -> String {
        let own = &self.cast.ids[self.party as usize];
        let foreign = &self.cast.ids[1 - self.party as usize];
        let number = self.number();
        match number % 8 {
            // The first two of A exist from the start.
            0..=3 => own[number / 8 % 2].clone(),
            4 => own[2].clone(),
            5..=6 => foreign[number / 8 % 3].clone(),
            _ => self.cast.unknown.clone(),
        }
    }

    /// The id of an entity that most likely has grants.
    pub(super) fn granted_id(&mut self) -> String {
        let number = self.number();
        match number % 4 {
            0 => self.chosen_id(),
            _ => self.cast.ids[self.party as usize][number / 4 % 2].clone(),
        }
    }

    /// The id of an object, also of those that were made without one.
    pub(super) fn any_id(&mut self) -> String {
        let number = self.number();
        match number % 6 {
            0 => format!("<id {number}>"),
            1 => "<foreign-id 0>".to_owned(),
            _ => self.chosen_id(),
        }
    }

    /// A tenant: one's own, the other one, or none that there is.
    pub(super) fn tenant(&mut self) -> String {
        let (own, foreign) = (self.party as usize, 1 - self.party as usize);
        match self.number() % 4 {
            0 | 1 => self.cast.tenants[own].clone(),
            2 => self.cast.tenants[foreign].clone(),
            _ => self.cast.unknown.clone(),
        }
    }

    /// A name that nothing else has. Parts of it are in the names of both parties.
    pub(super) fn name(&mut self) -> String {
        format!("{} {}", self.of(&["pump", "valve", "Pump station"]), self.mark)
    }

    /// What to search names for.
    pub(super) fn text(&mut self) -> String {
        let id = self.any_id();
        let texts = ["pump", "VALVE", "*", "of B", "of A", "station*of", id.as_str()];
        self.of(&texts).to_owned()
    }

    /// The page of a search.
    pub(super) fn page(&mut self, orders: &[&'static str]) -> Vec<(&'static str, Value)> {
        vec![
            ("numberOfResults", json!(self.of(&[1, 2, 25, 1000]))),
            ("startRow", json!(self.of(&[0, 0, 1, 2]))),
            ("orderBy", json!(self.of(orders))),
        ]
    }

    pub(super) fn endpoints(&mut self) -> Value {
        self.of(&[r#"{}"#, r#"{"/v1": ["GET"]}"#, r#"{"/api/entity": ["GET", "POST"]}"#, "null"])
            .parse()
            .unwrap()
    }

    pub(super) fn signing_key(&mut self) -> Option<String> {
        let key = self.of(&[None, Some(0), Some(1)]);
        key.map(|key: usize| self.cast.keys[key].clone())
    }
}
