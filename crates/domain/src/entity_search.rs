//! Searching entity types, entities and grants: the columns to sort by, and what a search asks for.

use crate::{DEFAULT_NUMBER_OF_RESULTS, EntityId, NamePattern, Order, SortColumn};

/// The most ids that one search for entities names.
pub const MAXIMUM_ENTITY_IDS: usize = 1000;

/// The columns by which entity types can be sorted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EntityTypeColumn {
    /// The id.
    Id,
    /// When the type was made.
    Insert,
    /// When the type was last changed.
    LastUpdate,
    /// The name in lower case, then the name itself.
    Name,
}

impl SortColumn for EntityTypeColumn {
    const ALL: &[Self] = &[Self::Id, Self::Insert, Self::LastUpdate, Self::Name];
    const DEFAULT: Self = Self::Name;

    /// FusionAuth: Search for Entity Types.
    fn as_str(self) -> &'static str {
        match self {
            Self::Id => "id",
            Self::Insert => "insertInstant",
            Self::LastUpdate => "lastUpdateInstant",
            Self::Name => "name",
        }
    }
}

/// Which entity types to look for, in which order, and which part of the result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EntityTypeSearch {
    /// Only types whose name fits.
    pub name: Option<NamePattern>,
    /// The criteria, the weightiest first. Types that are equal in all of them are sorted by id.
    pub order: Vec<Order<EntityTypeColumn>>,
    /// How many types to leave out at the start.
    pub start_row: u64,
    /// The size of the page; 0 asks for the total only.
    pub number_of_results: u64,
}

impl Default for EntityTypeSearch {
    /// The first [`DEFAULT_NUMBER_OF_RESULTS`] of all types by name.
    fn default() -> Self {
        Self {
            name: None,
            order: vec![Order::DEFAULT],
            start_row: 0,
            number_of_results: DEFAULT_NUMBER_OF_RESULTS,
        }
    }
}

/// The columns by which entities can be sorted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EntityColumn {
    /// The client id by its bytes in UTF-8.
    ClientId,
    /// When the entity was made.
    Insert,
    /// When the entity was last changed.
    LastUpdate,
    /// The name in lower case, then the name itself.
    Name,
    /// The id of the tenant.
    TenantId,
    /// The id of the type.
    TypeId,
}

impl SortColumn for EntityColumn {
    const ALL: &[Self] =
        &[Self::ClientId, Self::Insert, Self::LastUpdate, Self::Name, Self::TenantId, Self::TypeId];
    const DEFAULT: Self = Self::Name;

    /// FusionAuth: Search for Entities, sort fields of the database engine.
    fn as_str(self) -> &'static str {
        match self {
            Self::ClientId => "clientId",
            Self::Insert => "insertInstant",
            Self::LastUpdate => "lastUpdateInstant",
            Self::Name => "name",
            Self::TenantId => "tenantId",
            Self::TypeId => "typeId",
        }
    }
}

/// Which entities to look for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EntityFilter {
    /// Every one.
    All,
    /// Those of these that there are, at most [`MAXIMUM_ENTITY_IDS`]; all of them are on one page.
    Ids(Vec<EntityId>),
    /// Those whose client id, name or name of the type fits.
    Text(NamePattern),
}

/// Which entities to look for, in which order, and which part of the result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EntitySearch {
    /// Which ones.
    pub filter: EntityFilter,
    /// The criteria, the weightiest first. Entities that are equal in all of them are sorted by id.
    pub order: Vec<Order<EntityColumn>>,
    /// How many entities to leave out at the start; without a meaning where ids are named.
    pub start_row: u64,
    /// The size of the page, 0 asks for the total only; likewise.
    pub number_of_results: u64,
}

impl Default for EntitySearch {
    /// The first [`DEFAULT_NUMBER_OF_RESULTS`] of all entities by name.
    fn default() -> Self {
        Self {
            filter: EntityFilter::All,
            order: vec![Order::DEFAULT],
            start_row: 0,
            number_of_results: DEFAULT_NUMBER_OF_RESULTS,
        }
    }
}

/// The columns by which grants can be sorted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EntityGrantColumn {
    /// When the grant was made.
    Insert,
    /// The name of the entity on which it is, in lower case, then that name itself.
    Name,
}

impl SortColumn for EntityGrantColumn {
    const ALL: &[Self] = &[Self::Insert, Self::Name];
    const DEFAULT: Self = Self::Name;

    /// FusionAuth: Search for Entity Grants.
    fn as_str(self) -> &'static str {
        match self {
            Self::Insert => "insertInstant",
            Self::Name => "name",
        }
    }
}

/// Which grants to look for, in which order, and which part of the result. The filters combine with "and".
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EntityGrantSearch {
    /// Only grants on this entity.
    pub entity_id: Option<EntityId>,
    /// Only grants on entities whose name fits.
    pub name: Option<NamePattern>,
    /// The criteria, the weightiest first. Grants that are equal in all of them are sorted by id.
    pub order: Vec<Order<EntityGrantColumn>>,
    /// How many grants to leave out at the start.
    pub start_row: u64,
    /// The size of the page; 0 asks for the total only.
    pub number_of_results: u64,
}

impl Default for EntityGrantSearch {
    /// The first [`DEFAULT_NUMBER_OF_RESULTS`] of all grants by the names of the entities.
    fn default() -> Self {
        Self {
            entity_id: None,
            name: None,
            order: vec![Order::DEFAULT],
            start_row: 0,
            number_of_results: DEFAULT_NUMBER_OF_RESULTS,
        }
    }
}
