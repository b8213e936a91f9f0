//! What happened in a run, as the clients saw it: decisions, writes and faults, all by the one monotonic clock of this process.

use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// Nanoseconds since the run began.
pub(super) type Moment = u64;
/// The number of a value that an API key has or had: a rotated key has several.
pub(super) type Credential = u32;

/// From when to when the client waited. The server acted somewhere in between.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) start: Moment,
    pub(super) end: Moment,
}

impl Span {
    /// How long it took, in nanoseconds.
    pub(super) fn length(self) -> u64 {
        self.end.saturating_sub(self.start)
    }

    /// Whether the two have a moment in common.
    pub(super) fn meets(self, other: Self) -> bool {
        self.start <= other.end && other.start <= self.end
    }
}

/// A question to a node whether a credential may do the one thing that all of them are asked about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Decision {
    pub(super) span: Span,
    pub(super) credential: Credential,
    /// Of the answer; 0 where none came.
    pub(super) status: u16,
    pub(super) node: u8,
}

impl Decision {
    pub(super) fn accepted(&self) -> bool {
        self.status == 200
    }

    pub(super) fn refused(&self) -> bool {
        matches!(self.status, 401 | 403)
    }
}

/// By which way an API key loses its power.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Means {
    Disable,
    Narrow,
    Expire,
    /// The list of addresses that the key names is changed.
    ChangeList,
    /// The key is given another list.
    MoveList,
    Rotate,
    Delete,
    DeleteTenant,
}

impl Means {
    pub(super) const ALL: [Self; 8] = [
        Self::Disable,
        Self::Narrow,
        Self::Expire,
        Self::ChangeList,
        Self::MoveList,
        Self::Rotate,
        Self::Delete,
        Self::DeleteTenant,
    ];

    /// What was done, in words.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Disable => "disabled",
            Self::Narrow => "narrowed",
            Self::Expire => "ended by its expiry",
            Self::ChangeList => "blocked by a change of its list",
            Self::MoveList => "given a list that blocks",
            Self::Rotate => "rotated without grace",
            Self::Delete => "deleted",
            Self::DeleteTenant => "deleted with its tenant",
        }
    }

    /// Whether the power can be given back.
    pub(super) fn reversible(self) -> bool {
        !matches!(self, Self::Rotate | Self::Delete | Self::DeleteTenant)
    }

    /// Whether the key is gone afterwards.
    pub(super) fn removes(self) -> bool {
        matches!(self, Self::Delete | Self::DeleteTenant)
    }
}

/// What a write does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Create,
    /// A rotation after which the value before works on.
    Succeed,
    Take(Means),
    Give(Means),
}

/// What a write means for one credential.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Effect {
    Grants(Credential),
    Revokes(Credential),
    /// Nothing brings it back.
    RevokesForGood(Credential),
}

/// What the client learnt of a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    Acknowledged,
    /// Refused with this status: nothing was written.
    Refused(u16),
    /// A failure with this status, 0 for no answer: it may have been written, or may still be.
    Unknown(u16),
}

impl Outcome {
    /// What an answer to a write means.
    pub(super) fn of(status: u16) -> Self {
        match status {
            200..=299 => Self::Acknowledged,
            400..=499 => Self::Refused(status),
            _ => Self::Unknown(status),
        }
    }
}

/// A write. Those of one key follow each other: one client makes them all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Operation {
    pub(super) span: Span,
    pub(super) kind: Kind,
    /// The number of the API key.
    pub(super) key: u32,
    pub(super) node: u8,
    pub(super) outcome: Outcome,
    pub(super) effects: Vec<Effect>,
}

/// What is done to a node or to the database.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum FaultKind {
    /// Stopped for less than its lease.
    FreezeBriefly,
    /// Stopped for longer than its lease.
    Freeze,
    /// Killed and started again.
    Kill,
    /// Every connection to the database closed, new ones refused.
    Cut,
    /// Nothing passes between node and database, for less than a lease.
    StallBriefly,
    /// The same for longer than a lease.
    Stall,
    /// The database stopped at once and started again.
    Database,
}

impl fmt::Display for FaultKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::FreezeBriefly => "node frozen for less than its lease",
            Self::Freeze => "node frozen for longer than its lease",
            Self::Kill => "node killed and started again",
            Self::Cut => "connections of a node to the database cut",
            Self::StallBriefly => "connections of a node to the database stalled for less than its lease",
            Self::Stall => "connections of a node to the database stalled for longer than its lease",
            Self::Database => "database stopped at once and started again",
        })
    }
}

/// A fault, from its begin until every node was healthy again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) span: Span,
    pub(super) kind: FaultKind,
    /// `None` where it concerns all.
    pub(super) node: Option<u8>,
}

/// All of it.
#[derive(Debug, Clone, Default)]
pub(super) struct History {
    pub(super) decisions: Vec<Decision>,
    pub(super) operations: Vec<Operation>,
    pub(super) faults: Vec<Fault>,
    /// Until then little was asked and written; 0 if there was no such time.
    pub(super) calm_until: Moment,
}

impl History {
    /// Revocations that were acknowledged.
    pub(super) fn revocations(&self) -> impl Iterator<Item = &Operation> {
        self.operations.iter().filter(|operation| {
            matches!(operation.kind, Kind::Take(_)) && operation.outcome == Outcome::Acknowledged
        })
    }

    /// Whether no fault was on in this span, nor within `settling` nanoseconds before it.
    pub(super) fn healthy(&self, span: Span, settling: u64) -> bool {
        let span = Span { start: span.start.saturating_sub(settling), end: span.end };
        !self.faults.iter().any(|fault| fault.span.meets(span))
    }
}

/// The history while it is made, by many threads.
#[derive(Debug)]
pub(super) struct Recorder {
    began: Instant,
    history: Mutex<History>,
}

impl Recorder {
    /// An empty history that begins now.
    pub(super) fn new() -> Self {
        Self { began: Instant::now(), history: Mutex::default() }
    }

    /// The present moment.
    pub(super) fn now(&self) -> Moment {
        u64::try_from(self.began.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    /// Access to the history: short, everybody waits for it.
    pub(super) fn history(&self) -> MutexGuard<'_, History> {
        self.history.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
