//! Searching changes, which are the audit log: the columns to sort by, and what a search asks for.

use crate::{DEFAULT_NUMBER_OF_RESULTS, Instant, Order, SortColumn, TenantId, TextPattern};

/// The most changes on one page. A row can hold two whole documents, and the table only grows.
pub const MAXIMUM_CHANGES_PER_PAGE: u64 = 1_000;

/// The columns by which changes can be sorted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ChangeColumn {
    /// The id.
    Id,
    /// When the change was made.
    Insert,
    /// Who made it, as the audit log calls them.
    User,
    /// The sentence that says what was done.
    Message,
}

impl SortColumn for ChangeColumn {
    const ALL: &[Self] = &[Self::Id, Self::Insert, Self::User, Self::Message];
    const DEFAULT: Self = Self::Insert;
    const DEFAULT_DESCENDING: bool = true;

    /// FusionAuth: Search for Audit Logs.
    fn as_str(self) -> &'static str {
        match self {
            Self::Id => "id",
            Self::Insert => "insertInstant",
            Self::User => "insertUser",
            Self::Message => "message",
        }
    }
}

/// What to look for, in which order, and which part of the result. The filters combine with "and".
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangeSearch {
    /// Only changes at this instant or later.
    pub start: Option<Instant>,
    /// Only changes at this instant or earlier.
    pub end: Option<Instant>,
    /// Only changes whose sentence fits.
    pub message: Option<TextPattern>,
    /// Only changes of objects whose JSON before fits.
    pub old_value: Option<TextPattern>,
    /// Only changes of objects whose JSON afterwards fits.
    pub new_value: Option<TextPattern>,
    /// Only changes whose reason fits. No change has one.
    pub reason: Option<TextPattern>,
    /// Only changes of objects that belong to this tenant, or of the tenant itself.
    pub tenant_id: Option<TenantId>,
    /// Only changes by those whose name in the audit log fits.
    pub user: Option<TextPattern>,
    /// The criteria, the weightiest first. Changes that are equal in all of them are sorted by id, in the direction of the
    /// last criterion.
    pub order: Vec<Order<ChangeColumn>>,
    /// How many changes to leave out at the start.
    pub start_row: u64,
    /// The size of the page, at most [`MAXIMUM_CHANGES_PER_PAGE`]; 0 asks for the total only.
    pub number_of_results: u64,
}

impl Default for ChangeSearch {
    /// The last [`DEFAULT_NUMBER_OF_RESULTS`] of all changes, the latest first.
    fn default() -> Self {
        Self {
            start: None,
            end: None,
            message: None,
            old_value: None,
            new_value: None,
            reason: None,
            tenant_id: None,
            user: None,
            order: vec![Order::DEFAULT],
            start_row: 0,
            number_of_results: DEFAULT_NUMBER_OF_RESULTS,
        }
    }
}
