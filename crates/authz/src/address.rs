//! IP access control lists, compiled: whether an address is let in.
//!
//! FusionAuth's lists hold ranges of IPv4 addresses and one default. Which range wins where two overlap is not public;
//! here the smaller one does, and of two equal ones the one that blocks. IPv6 ranges are an extension.

use std::net::IpAddr;

use claviger_domain::{IpAccessControlEntry, IpAction};

/// The addresses that are let in. Two values are equal if they decide alike about every address.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct AddressRules {
    v4: Box<[Span<u32>]>,
    v6: Box<[Span<u128>]>,
    /// What happens to addresses that lie in no span.
    default: bool,
}

/// Addresses that are all let in, or all kept out. Spans of one family do not overlap, are sorted, and differ from the
/// default.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Span<A> {
    first: A,
    last: A,
}

impl AddressRules {
    /// Compiles a list. Without a default entry, everything that no range lets in is blocked; of several defaults one
    /// that blocks wins.
    #[must_use]
    pub fn compile(entries: &[IpAccessControlEntry]) -> Self {
        let mut defaults = entries.iter().filter(|entry| entry.range.is_none()).peekable();
        let default = defaults.peek().is_some() && defaults.all(|entry| entry.action == IpAction::Allow);
        let mut v4 = Vec::new();
        let mut v6 = Vec::new();
        for entry in entries {
            let allow = entry.action == IpAction::Allow;
            match entry.range.map(|range| (range.first(), range.last())) {
                Some((IpAddr::V4(first), IpAddr::V4(last))) => {
                    v4.push((first.to_bits(), last.to_bits(), allow))
                }
                Some((IpAddr::V6(first), IpAddr::V6(last))) => {
                    v6.push((first.to_bits(), last.to_bits(), allow))
                }
                Some((IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_))) | None => {}
            }
        }
        Self { v4: spans(&v4, default), v6: spans(&v6, default), default }
    }

    /// Lets nobody in: what stands for a list that cannot be read.
    #[must_use]
    pub fn block_all() -> Self {
        Self::compile(&[])
    }

    /// Whether the address is let in. IPv4 addresses written as IPv6 (RFC 4291, section 2.5.5.2) are IPv4 addresses.
    #[must_use]
    pub fn allows(&self, address: IpAddr) -> bool {
        let listed = match address.to_canonical() {
            IpAddr::V4(address) => contains(&self.v4, address.to_bits()),
            IpAddr::V6(address) => contains(&self.v6, address.to_bits()),
        };
        listed != self.default
    }
}

fn contains<A: Copy + PartialOrd>(spans: &[Span<A>], address: A) -> bool {
    let after = spans.partition_point(|span| span.first <= address);
    after.checked_sub(1).and_then(|index| spans.get(index)).is_some_and(|span| address <= span.last)
}

/// An address as a number.
trait Number: Copy + Ord + Into<u128> {
    /// The number after this one; `None` for the last.
    fn next(self) -> Option<Self>;
    /// The number before this one; `None` for the first.
    fn previous(self) -> Option<Self>;
}

impl Number for u32 {
    fn next(self) -> Option<Self> {
        self.checked_add(1)
    }

    fn previous(self) -> Option<Self> {
        self.checked_sub(1)
    }
}

impl Number for u128 {
    fn next(self) -> Option<Self> {
        self.checked_add(1)
    }

    fn previous(self) -> Option<Self> {
        self.checked_sub(1)
    }
}

/// The spans in which the ranges decide against the default. Between two neighbouring ends of ranges nothing changes, so
/// each of these pieces is decided once, and pieces that touch are joined.
fn spans<A: Number>(ranges: &[(A, A, bool)], default: bool) -> Box<[Span<A>]> {
    let mut starts: Vec<A> =
        ranges.iter().flat_map(|(first, last, _)| [Some(*first), last.next()]).flatten().collect();
    starts.sort_unstable();
    starts.dedup();
    let mut spans: Vec<Span<A>> = Vec::new();
    for (index, first) in starts.iter().enumerate() {
        // The range that decides here: the smallest, and of equal ones that which blocks (`false` sorts first).
        let decisive = ranges
            .iter()
            .filter(|(low, high, _)| low <= first && first <= high)
            .min_by_key(|(low, high, allow)| ((*high).into().wrapping_sub((*low).into()), *allow));
        let Some((_, high, allow)) = decisive else { continue };
        if *allow == default {
            continue;
        }
        let last = starts.get(index + 1).and_then(|next| next.previous()).unwrap_or(*high);
        match spans.last_mut() {
            Some(span) if span.last.next() == Some(*first) => span.last = last,
            _ => spans.push(Span { first: *first, last }),
        }
    }
    spans.into_boxed_slice()
}

#[cfg(test)]
mod tests {
    use claviger_domain::AddressRange;
    use proptest::prelude::*;

    use super::*;

    fn entry(action: IpAction, range: Option<(&str, &str)>) -> IpAccessControlEntry {
        let range = range
            .map(|(first, last)| AddressRange::new(first.parse().unwrap(), last.parse().unwrap()).unwrap());
        IpAccessControlEntry { action, range }
    }

    #[track_caller]
    fn check(rules: &AddressRules, allowed: &[&str], blocked: &[&str]) {
        for address in allowed {
            assert!(rules.allows(address.parse().unwrap()), "{address}");
        }
        for address in blocked {
            assert!(!rules.allows(address.parse().unwrap()), "{address}");
        }
    }

    #[test]
    fn ranges_and_default() {
        use IpAction::{Allow, Block};
        let rules = AddressRules::compile(&[
            entry(Block, None),
            entry(Allow, Some(("10.0.0.0", "10.255.255.255"))),
            entry(Block, Some(("10.1.0.0", "10.1.255.255"))),
            entry(Allow, Some(("10.1.2.3", "10.1.2.3"))),
            entry(Allow, Some(("2001:db8::", "2001:db8::ffff"))),
        ]);
        check(
            &rules,
            &[
                "10.0.0.0",
                "10.0.255.255",
                "10.1.2.3",
                "10.2.0.0",
                "10.255.255.255",
                "::ffff:10.1.2.3",
                "2001:db8::1",
            ],
            &[
                "9.255.255.255",
                "11.0.0.0",
                "10.1.0.0",
                "10.1.2.2",
                "10.1.2.4",
                "10.1.255.255",
                "::ffff:10.1.2.4",
            ],
        );
        check(&rules, &[], &["2001:db8::1:0", "::1", "::", "0.0.0.0", "255.255.255.255", "::a01:203"]);
    }

    /// A list of IPv4 ranges says nothing about IPv6 addresses: the default does.
    #[test]
    fn other_families_get_the_default() {
        let range = Some(("0.0.0.0", "255.255.255.255"));
        let rules = AddressRules::compile(&[entry(IpAction::Block, None), entry(IpAction::Allow, range)]);
        check(&rules, &["0.0.0.0", "255.255.255.255"], &["::", "2001:db8::1"]);
        let rules = AddressRules::compile(&[entry(IpAction::Allow, None), entry(IpAction::Block, range)]);
        check(&rules, &["::", "2001:db8::1"], &["0.0.0.0", "255.255.255.255", "::ffff:1.2.3.4"]);
    }

    #[test]
    fn of_equal_ranges_the_one_that_blocks_wins() {
        use IpAction::{Allow, Block};
        let range = Some(("10.0.0.0", "10.0.0.9"));
        for entries in
            [[entry(Allow, range), entry(Block, range)], [entry(Block, range), entry(Allow, range)]]
        {
            for default in IpAction::ALL {
                let mut entries = entries.to_vec();
                entries.push(entry(default, None));
                check(&AddressRules::compile(&entries), &[], &["10.0.0.0", "10.0.0.9"]);
            }
        }
    }

    #[test]
    fn what_is_no_list_blocks() {
        check(&AddressRules::block_all(), &[], &["127.0.0.1", "::1"]);
        let only_range = [entry(IpAction::Allow, Some(("10.0.0.1", "10.0.0.1")))];
        check(&AddressRules::compile(&only_range), &["10.0.0.1"], &["10.0.0.2", "::1"]);
        let two_defaults = [entry(IpAction::Allow, None), entry(IpAction::Block, None)];
        check(&AddressRules::compile(&two_defaults), &[], &["10.0.0.1"]);
    }

    /// The rule word by word, over a few addresses at each end of either family.
    fn naive(entries: &[IpAccessControlEntry], address: IpAddr) -> bool {
        let number = |address: IpAddr| match address {
            IpAddr::V4(address) => u128::from(address.to_bits()),
            IpAddr::V6(address) => address.to_bits(),
        };
        let containing = entries.iter().filter_map(|entry| {
            let range = entry.range?;
            let same_family = range.first().is_ipv4() == address.is_ipv4();
            let inside = same_family && range.first() <= address && address <= range.last();
            inside.then(|| (number(range.last()) - number(range.first()), entry.action))
        });
        let smallest = containing.clone().map(|(size, _)| size).min();
        let mut decisive = containing.filter(|(size, _)| Some(*size) == smallest).peekable();
        if decisive.peek().is_some() {
            return decisive.all(|(_, action)| action == IpAction::Allow);
        }
        let mut defaults = entries.iter().filter(|entry| entry.range.is_none()).peekable();
        defaults.peek().is_some() && defaults.all(|entry| entry.action == IpAction::Allow)
    }

    fn addresses() -> Vec<IpAddr> {
        let v4 = (0..6).flat_map(|n| [n, u32::MAX - n]).map(|bits| IpAddr::V4(bits.into()));
        let v6 = (0..6).flat_map(|n| [n, u128::MAX - n]).map(|bits| IpAddr::V6(bits.into()));
        v4.chain(v6).collect()
    }

    proptest! {
        #[test]
        fn agrees_with_the_rule(entries in prop::collection::vec(
            (any::<bool>(), prop::option::weighted(0.9, (0_usize..24, 0_usize..24))), 0..8
        )) {
            let entries: Vec<_> = entries.into_iter().filter_map(|(allow, ends)| {
                let action = if allow { IpAction::Allow } else { IpAction::Block };
                let range = match ends {
                    None => None,
                    Some((first, last)) => Some(AddressRange::new(addresses()[first], addresses()[last])?),
                };
                Some(IpAccessControlEntry { action, range })
            }).collect();
            let rules = AddressRules::compile(&entries);
            for address in addresses() {
                prop_assert_eq!(rules.allows(address), naive(&entries, address), "{}", address);
            }
        }
    }
}
