//! What servers make by themselves, differently each time, replaced by the order in which it appeared.

use std::collections::{BTreeMap, BTreeSet};

use super::play::Cast;
use crate::support::Reply;

/// What the server makes by itself, and differently each time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Id,
    /// The value of an API key.
    Value,
    /// The secret of a client.
    Secret,
    Token,
    /// The number of an entry of the audit log.
    Entry,
    /// An id of Fusion's dialect.
    FusionId,
}

/// What a party was shown of these, in the order of appearance.
pub(super) struct Seen {
    known: BTreeSet<String>,
    /// Ids of the other party, by which this one asked.
    pub(super) guessed: BTreeSet<String>,
    pub(super) order: BTreeMap<Kind, Vec<String>>,
}

impl Seen {
    pub(super) fn new(cast: &Cast) -> Self {
        let lists = [&cast.tenants[..], &cast.keys, &cast.types, &cast.ids[0], &cast.ids[1]];
        let known = lists.into_iter().flatten().chain([&cast.unknown]).cloned().collect();
        let kinds = [Kind::Id, Kind::Value, Kind::Secret, Kind::Token, Kind::Entry, Kind::FusionId];
        Self { known, guessed: BTreeSet::new(), order: kinds.map(|kind| (kind, Vec::new())).into() }
    }

    /// The answer with everything that differs each time replaced by the order of its first appearance.
    pub(super) fn comparable(&mut self, reply: &Reply, usage: bool) -> String {
        let left_out = ["date", "x-request-id", "content-length"];
        // In no order: the server keeps them in a map.
        let headers: BTreeSet<_> = reply
            .headers
            .iter()
            .filter(|(name, _)| !left_out.contains(&name.as_str()))
            .map(|(name, value)| format!("{name}: {}", self.replace(value)))
            .collect();
        let mut body = reply.text().to_owned();
        if usage && reply.status == 200 {
            let mut document = reply.json();
            let names: Vec<_> = document["usage"].as_object().unwrap().keys().cloned().collect();
            for name in names.iter().filter(|name| *name != "apiKeyId") {
                document["usage"].as_object_mut().unwrap().remove(name);
            }
            body = document.to_string();
        }
        let headers: Vec<_> = headers.into_iter().collect();
        format!("{}\n{}\n\n{}", reply.status, headers.join("\n"), self.replace(&body))
    }

    fn replace(&mut self, text: &str) -> String {
        let word =
            |character: char| character.is_ascii_alphanumeric() || matches!(character, '-' | '_' | '.');
        let mut whole = String::new();
        let mut rest = text;
        while let Some(first) = rest.chars().next() {
            let end = rest.find(|character| !word(character)).unwrap_or(rest.len());
            if end == 0 {
                whole.push(first);
                rest = &rest[first.len_utf8()..];
                continue;
            }
            let (found, after) = rest.split_at(end);
            // A sentence may end here.
            let bare = found.trim_end_matches('.');
            if self.guessed.contains(bare) {
                whole.push_str("[guessed]");
                rest = after;
                continue;
            }
            match kind(bare, whole.ends_with("\"id\":")) {
                Some(kind) if !self.known.contains(bare) => {
                    let seen = self.order.get_mut(&kind).unwrap();
                    let index = seen.iter().position(|own| own == bare).unwrap_or_else(|| {
                        seen.push(bare.to_owned());
                        seen.len() - 1
                    });
                    whole.push_str(&format!("[{kind:?} {index}]{}", &found[bare.len()..]));
                }
                _ => whole.push_str(found),
            }
            rest = after;
        }
        whole
    }
}

/// As what the server may have made a word, if it may have.
fn kind(word: &str, is_number_of_entry: bool) -> Option<Kind> {
    let parts: Vec<_> = word.split('-').map(str::len).collect();
    let hexadecimal = word.chars().all(|character| character.is_ascii_hexdigit() || character == '-');
    if hexadecimal && parts == [8, 4, 4, 4, 12] {
        return Some(Kind::Id);
    }
    if is_number_of_entry && word.chars().all(|character| character.is_ascii_digit()) {
        return Some(Kind::Entry);
    }
    if word.starts_with("eyJ") && word.matches('.').count() == 2 {
        return Some(Kind::Token);
    }
    if word.starts_with("clv_") {
        return Some(Kind::Value);
    }
    if word.starts_with("api-key-") {
        return Some(Kind::FusionId);
    }
    (word.len() == 43 && !word.contains('.')).then_some(Kind::Secret)
}
