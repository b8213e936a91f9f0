//! What part of the instance an operation may touch.

use crate::TenantId;

/// The tenants that a decision lets an operation see. Storage takes it and filters by it, so that a forgotten
/// tenant filter does not compile.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TenantScope {
    /// Every tenant, and the objects that belong to none.
    All,
    /// Exactly this tenant; objects that belong to no tenant are outside.
    One(TenantId),
}

impl TenantScope {
    /// Whether an object of `tenant` (`None`: of the instance as a whole) is inside.
    #[must_use]
    pub fn contains(self, tenant: Option<TenantId>) -> bool {
        match self {
            Self::All => true,
            Self::One(own) => tenant == Some(own),
        }
    }

    /// The one tenant, if the scope is narrowed to one.
    #[must_use]
    pub const fn tenant(self) -> Option<TenantId> {
        match self {
            Self::All => None,
            Self::One(tenant) => Some(tenant),
        }
    }
}
