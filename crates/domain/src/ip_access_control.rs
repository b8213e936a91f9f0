//! IP access control lists: from which addresses an API key may be used (FusionAuth: IP Access Control Lists).

use std::net::IpAddr;

use crate::{Instant, IpAccessControlListId, Name, Revision};

/// The most entries of one list.
pub const MAXIMUM_IP_ENTRIES: usize = 1024;

/// What an entry does with the addresses that it speaks of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum IpAction {
    /// Lets them in.
    Allow,
    /// Keeps them out.
    Block,
}

impl IpAction {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Allow, Self::Block];

    /// FusionAuth's name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Allow => "Allow",
            Self::Block => "Block",
        }
    }
}

/// The addresses from one to another, both included. Made by [`AddressRange::new`] only, so that it is never empty and
/// never mixes the two families; IPv4 addresses written as IPv6 (`::ffff:192.0.2.1`) are IPv4 addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AddressRange {
    first: IpAddr,
    last: IpAddr,
}

impl AddressRange {
    /// The range; `None` when the ends are of two families or the last lies before the first.
    #[must_use]
    pub fn new(first: IpAddr, last: IpAddr) -> Option<Self> {
        let (first, last) = (first.to_canonical(), last.to_canonical());
        (first.is_ipv4() == last.is_ipv4() && first <= last).then_some(Self { first, last })
    }

    /// The lowest address.
    #[must_use]
    pub const fn first(&self) -> IpAddr {
        self.first
    }

    /// The highest address.
    #[must_use]
    pub const fn last(&self) -> IpAddr {
        self.last
    }
}

/// One entry of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct IpAccessControlEntry {
    /// What is done.
    pub action: IpAction,
    /// With which addresses; `None`, on the wire `*`, stands for all that no other entry speaks of.
    pub range: Option<AddressRange>,
}

/// A list. Exactly one of its entries has no range.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IpAccessControlList {
    /// Names the list; not secret.
    pub id: IpAccessControlListId,
    /// Grows with each change.
    pub revision: Revision,
    /// Unique among lists.
    pub name: Name,
    /// The entries in the order in which they were given, which means nothing.
    pub entries: Vec<IpAccessControlEntry>,
    /// The member `data`, a JSON object as text: kept, not acted on.
    pub data: Option<String>,
    /// When the list was made.
    pub insert_instant: Instant,
    /// When the list was last changed.
    pub last_update_instant: Instant,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_neither_empty_nor_mixed() {
        let range =
            |first: &str, last: &str| AddressRange::new(first.parse().unwrap(), last.parse().unwrap());
        assert!(range("192.0.2.1", "192.0.2.1").is_some());
        assert!(range("192.0.2.1", "192.0.2.255").is_some());
        assert!(range("192.0.2.2", "192.0.2.1").is_none());
        assert!(range("2001:db8::", "2001:db8::ff").is_some());
        assert!(range("192.0.2.1", "2001:db8::").is_none());
        assert_eq!(range("::ffff:192.0.2.1", "192.0.2.9"), range("192.0.2.1", "::ffff:192.0.2.9"));
    }
}
