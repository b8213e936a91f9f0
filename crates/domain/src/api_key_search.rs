//! Searching API keys: the columns to sort by, and what a search asks for.

use crate::{
    DEFAULT_NUMBER_OF_RESULTS, Instant, IpAccessControlListId, NamePattern, Order, RoleName, SortColumn,
    TenantId,
};

/// The most API keys on one page. There can be millions of them.
pub const MAXIMUM_API_KEYS_PER_PAGE: u64 = 1_000;

/// The columns by which API keys can be sorted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ApiKeyColumn {
    /// From when on the key is refused; keys that never expire come last in either direction.
    Expiration,
    /// The id.
    Id,
    /// When the key was made.
    Insert,
    /// When the key was last changed.
    LastUpdate,
    /// The name in lower case; keys without one come last in either direction.
    Name,
}

impl SortColumn for ApiKeyColumn {
    const ALL: &[Self] = &[Self::Expiration, Self::Id, Self::Insert, Self::LastUpdate, Self::Name];
    const DEFAULT: Self = Self::Insert;
    const DEFAULT_DESCENDING: bool = true;

    /// The members of an API key; FusionAuth has no such search.
    fn as_str(self) -> &'static str {
        match self {
            Self::Expiration => "expirationInstant",
            Self::Id => "id",
            Self::Insert => "insertInstant",
            Self::LastUpdate => "lastUpdateInstant",
            Self::Name => "name",
        }
    }
}

/// What to look for, in which order, and which part of the result. The filters combine with "and".
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiKeySearch {
    /// Only keys that have a name, and one that fits.
    pub name: Option<NamePattern>,
    /// Only keys that are bound to this tenant.
    pub tenant_id: Option<TenantId>,
    /// Only keys that manage others, by themselves or through their roles, or only keys that do not.
    pub key_manager: Option<bool>,
    /// Only keys that are disabled, or only keys that are not.
    pub disabled: Option<bool>,
    /// Only keys whose value can be read again, or only keys whose value cannot.
    pub retrievable: Option<bool>,
    /// Only keys that name this list of addresses.
    pub ip_access_control_list_id: Option<IpAccessControlListId>,
    /// Only keys that have this role.
    pub role: Option<RoleName>,
    /// Only keys that expire, or did, earlier than this.
    pub expires_before: Option<Instant>,
    /// Only keys that were made earlier than this, and not used at that time or later as far as it is recorded.
    pub unused_since: Option<Instant>,
    /// The criteria, the weightiest first. Keys that are equal in all of them are sorted by id, in the direction of the
    /// last criterion.
    pub order: Vec<Order<ApiKeyColumn>>,
    /// How many keys to leave out at the start.
    pub start_row: u64,
    /// The size of the page, at most [`MAXIMUM_API_KEYS_PER_PAGE`]; 0 asks for the total only.
    pub number_of_results: u64,
}

impl Default for ApiKeySearch {
    /// The newest [`DEFAULT_NUMBER_OF_RESULTS`] of all keys.
    fn default() -> Self {
        Self {
            name: None,
            tenant_id: None,
            key_manager: None,
            disabled: None,
            retrievable: None,
            ip_access_control_list_id: None,
            role: None,
            expires_before: None,
            unused_since: None,
            order: vec![Order::DEFAULT],
            start_row: 0,
            number_of_results: DEFAULT_NUMBER_OF_RESULTS,
        }
    }
}
