//! What must not be found in a history. Pure functions: the same history gives the same findings.
//!
//! A write whose outcome nobody knows may have happened, or may still happen, at any time after its start. A credential
//! therefore counts as dead or as alive only where no such write leaves a doubt.

use super::history::{Credential, Decision, Effect, History, Kind, Means, Moment, Operation, Outcome, Span};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// New power must be known everywhere after this time, in nanoseconds, while nothing is wrong.
pub(super) const LIVELINESS: u64 = 5_000_000_000;
/// So long after a fault, when all nodes call themselves healthy, connections and leases are renewed; in nanoseconds.
pub(super) const SETTLING: u64 = 1_000_000_000;

/// Which rule was broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Rule {
    /// A request that began after the acknowledgement of a revocation was accepted.
    DeadAtOnce,
    /// What was acknowledged is missing at the end.
    NothingLost,
    /// A live key was refused although no fault was on.
    Liveliness,
    /// An answer that must not be given: 5xx other than 503, or a refusal of a proper write.
    Answers,
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::DeadAtOnce => "accepted after an acknowledged revocation",
            Self::NothingLost => "an acknowledged write is missing",
            Self::Liveliness => "a live key was refused while no fault was on",
            Self::Answers => "an answer that must not be given",
        })
    }
}

/// One breach of a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Violation {
    pub(super) rule: Rule,
    pub(super) what: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.rule, self.what)
    }
}

/// When a credential was certainly dead, and when certainly alive.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Life {
    dead: Vec<Span>,
    alive: Vec<Span>,
    dead_since: Option<Moment>,
    alive_since: Option<Moment>,
    for_good: bool,
    /// A grant of unknown outcome may still take effect.
    unsure_grant: bool,
    /// A revocation of unknown outcome may still take effect.
    unsure_revocation: bool,
}

impl Life {
    fn grant(&mut self, operation: &Operation) {
        if matches!(operation.outcome, Outcome::Refused(_)) || self.for_good {
            return;
        }
        if let Some(start) = self.dead_since.take() {
            self.dead.push(Span { start, end: operation.span.start });
        }
        match operation.outcome {
            Outcome::Acknowledged if !self.unsure_revocation => {
                self.alive_since.get_or_insert(operation.span.end);
            }
            Outcome::Unknown(_) => self.unsure_grant = true,
            _ => {}
        }
    }

    fn revoke(&mut self, operation: &Operation, for_good: bool) {
        if matches!(operation.outcome, Outcome::Refused(_)) {
            return;
        }
        if let Some(start) = self.alive_since.take() {
            self.alive.push(Span { start, end: operation.span.start });
        }
        if operation.outcome != Outcome::Acknowledged {
            self.unsure_revocation = true;
        } else if for_good || !self.unsure_grant {
            self.dead_since.get_or_insert(operation.span.end);
            self.for_good |= for_good;
        }
    }

    fn finish(&mut self) {
        let open = |start| Span { start, end: Moment::MAX };
        self.dead.extend(self.dead_since.map(open));
        self.alive.extend(self.alive_since.map(open));
    }

    /// The spans in which it was certainly alive, the last one perhaps without end.
    pub(super) fn alive(&self) -> &[Span] {
        &self.alive
    }

    /// What must be found at the end, where that is certain.
    fn at_the_end(&self) -> Option<bool> {
        match (self.dead_since, self.alive_since) {
            (Some(_), _) => Some(false),
            (None, Some(_)) => Some(true),
            (None, None) => None,
        }
    }
}

/// The lives of all credentials.
pub(super) fn lives(operations: &[Operation]) -> BTreeMap<Credential, Life> {
    let mut sorted: Vec<_> = operations.iter().collect();
    sorted.sort_by_key(|operation| operation.span.start);
    let mut lives = BTreeMap::<_, Life>::new();
    for operation in sorted {
        for effect in &operation.effects {
            match *effect {
                Effect::Grants(one) => lives.entry(one).or_default().grant(operation),
                Effect::Revokes(one) => lives.entry(one).or_default().revoke(operation, false),
                Effect::RevokesForGood(one) => lives.entry(one).or_default().revoke(operation, true),
            }
        }
    }
    lives.values_mut().for_each(Life::finish);
    lives
}

fn milliseconds(nanoseconds: u64) -> u64 {
    nanoseconds / 1_000_000
}

fn described(decision: &Decision) -> String {
    let (from, to) = (milliseconds(decision.span.start), milliseconds(decision.span.end));
    format!("credential {} at node {}, asked from {from} to {to} ms", decision.credential, decision.node)
}

/// Everything that is wrong with the decisions and the answers to writes.
pub(super) fn violations(history: &History) -> Vec<Violation> {
    let lives = lives(&history.operations);
    let mut found = Vec::new();
    for decision in &history.decisions {
        let life = lives.get(&decision.credential);
        if decision.accepted() {
            found.extend(life.and_then(|life| dead_at_once(decision, life)));
        } else if decision.refused() {
            found.extend(life.and_then(|life| liveliness(decision, life, history)));
        } else if !matches!(decision.status, 0 | 503) {
            let what = format!("{}: status {}", described(decision), decision.status);
            found.push(Violation { rule: Rule::Answers, what });
        }
    }
    found.extend(answers(&history.operations));
    found
}

/// Only accepted requests that began after the acknowledgement and ended before power was given back.
fn dead_at_once(decision: &Decision, life: &Life) -> Option<Violation> {
    let dead =
        life.dead.iter().find(|dead| dead.start < decision.span.start && decision.span.end < dead.end)?;
    let what = format!("{}, dead since {} ms", described(decision), milliseconds(dead.start));
    Some(Violation { rule: Rule::DeadAtOnce, what })
}

fn liveliness(decision: &Decision, life: &Life, history: &History) -> Option<Violation> {
    let calm = Span { start: decision.span.start.saturating_sub(LIVELINESS), end: decision.span.end };
    let alive = life.alive.iter().find(|alive| alive.start <= calm.start && decision.span.end < alive.end)?;
    if decision.span.start < LIVELINESS || !history.healthy(calm, SETTLING) {
        return None;
    }
    let what = format!("{}, alive since {} ms", described(decision), milliseconds(alive.start));
    Some(Violation { rule: Rule::Liveliness, what })
}

/// Writes are made so that none of them is wrong: a refusal means that the node does not know what was acknowledged before. 409 is
/// for the client to try again, and 404 says that an earlier deletion of unknown outcome took place; of a tenant 400 says that it is
/// under way.
fn answers(operations: &[Operation]) -> Vec<Violation> {
    let unsure: BTreeSet<_> =
        operations.iter().filter(|operation| is_unsure(operation)).map(|one| one.key).collect();
    let mut found = Vec::new();
    for operation in operations {
        let status = match operation.outcome {
            Outcome::Refused(404) if unsure.contains(&operation.key) => continue,
            Outcome::Refused(400)
                if operation.kind == Kind::Take(Means::DeleteTenant) && unsure.contains(&operation.key) =>
            {
                continue;
            }
            Outcome::Acknowledged | Outcome::Refused(409) | Outcome::Unknown(0 | 503) => continue,
            Outcome::Refused(status) | Outcome::Unknown(status) => status,
        };
        let (at, kind) = (milliseconds(operation.span.start), operation.kind);
        let what =
            format!("{kind:?} of key {} at node {}, {at} ms: status {status}", operation.key, operation.node);
        found.push(Violation { rule: Rule::Answers, what });
    }
    found
}

/// Whether the key may be gone, or may never have been, without anybody being told.
fn is_unsure(operation: &Operation) -> bool {
    let about_existence = match operation.kind {
        Kind::Create => true,
        Kind::Take(means) => means.removes(),
        Kind::Succeed | Kind::Give(_) => false,
    };
    about_existence && matches!(operation.outcome, Outcome::Unknown(_))
}

/// Which keys must be there at the end: `None` where nobody can know.
pub(super) fn existence(operations: &[Operation]) -> BTreeMap<u32, Option<bool>> {
    let mut keys = BTreeMap::new();
    let mut sorted: Vec<_> = operations.iter().collect();
    sorted.sort_by_key(|operation| operation.span.start);
    for operation in sorted {
        let removes = matches!(operation.kind, Kind::Take(means) if means.removes());
        let known = keys.entry(operation.key).or_insert(None);
        match operation.outcome {
            Outcome::Acknowledged if operation.kind == Kind::Create => *known = Some(true),
            Outcome::Acknowledged if removes => *known = Some(false),
            Outcome::Unknown(_) if removes && *known == Some(true) => *known = None,
            _ => {}
        }
    }
    keys
}

/// What a node shows of a key after the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Found {
    /// Whether the key itself can be read.
    Key(u32, bool),
    /// Whether a credential is accepted.
    Credential(Credential, bool),
}

/// Compares what one node shows with what was acknowledged.
pub(super) fn missing(operations: &[Operation], node: &str, found: &[Found]) -> Vec<Violation> {
    let (keys, lives) = (existence(operations), lives(operations));
    let word = |there: bool| if there { "there" } else { "gone" };
    let mut wrong = Vec::new();
    for one in found {
        let (what, expected, is) = match *one {
            Found::Key(key, is) => (format!("key {key}"), keys.get(&key).copied().flatten(), is),
            Found::Credential(number, is) => {
                (format!("credential {number}"), lives.get(&number).and_then(Life::at_the_end), is)
            }
        };
        if let Some(expected) = expected.filter(|expected| *expected != is) {
            let what = format!("{what} is {} at {node} and must be {}", word(is), word(expected));
            wrong.push(Violation { rule: Rule::NothingLost, what });
        }
    }
    wrong
}

/// How many revocations were acknowledged by each means.
pub(super) fn by_means(history: &History) -> BTreeMap<Means, usize> {
    let mut counts = BTreeMap::new();
    for operation in history.revocations() {
        if let Kind::Take(means) = operation.kind {
            *counts.entry(means).or_default() += 1;
        }
    }
    counts
}

#[cfg(test)]
mod tests;
