//! Searching tenants: the columns to sort by, and what a search asks for.

use crate::{DEFAULT_NUMBER_OF_RESULTS, NamePattern, Order, SortColumn};

/// The columns by which tenants can be sorted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TenantColumn {
    /// The id.
    Id,
    /// When the tenant was made.
    Insert,
    /// The name in lower case, then the name itself.
    Name,
}

impl SortColumn for TenantColumn {
    const ALL: &[Self] = &[Self::Id, Self::Insert, Self::Name];
    const DEFAULT: Self = Self::Name;

    /// FusionAuth: Search for Tenants.
    fn as_str(self) -> &'static str {
        match self {
            Self::Id => "id",
            Self::Insert => "insertInstant",
            Self::Name => "name",
        }
    }
}

/// What to look for, in which order, and which part of the result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TenantSearch {
    /// Only tenants whose name fits.
    pub name: Option<NamePattern>,
    /// The criteria, the weightiest first. Tenants that are equal in all of them are sorted by id.
    pub order: Vec<Order<TenantColumn>>,
    /// How many tenants to leave out at the start.
    pub start_row: u64,
    /// The size of the page; 0 asks for the total only.
    pub number_of_results: u64,
}

impl Default for TenantSearch {
    /// The first [`DEFAULT_NUMBER_OF_RESULTS`] of all tenants by name.
    fn default() -> Self {
        Self {
            name: None,
            order: vec![Order::DEFAULT],
            start_row: 0,
            number_of_results: DEFAULT_NUMBER_OF_RESULTS,
        }
    }
}
