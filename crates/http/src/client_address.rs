//! Who sends a request: the address that counts where addresses matter, worked out in one place.
//!
//! It is the socket's peer, unless the peer is a proxy that the setting `TRUSTED_PROXIES` names. Only then
//! `X-Forwarded-For` is read, from the right: every proxy adds at the end the address that it was called from, so the
//! first one from there that is no trusted proxy is the client. What stands further left was written by the client and
//! is worth nothing. `Forwarded` (RFC 7239), `X-Real-IP` and their like are never read.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

/// The word for a proxy that connects over the Unix socket.
const UNIX: &str = "unix";

/// A network in CIDR notation (RFC 4632, RFC 4291). The bits beyond the prefix are zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Cidr {
    network: IpAddr,
    prefix: u8,
}

impl Cidr {
    /// The network that a text of a setting stands for. One of IPv4 written as IPv6 (`::ffff:192.0.2.0/120`) is one of
    /// IPv4, as addresses are.
    fn parse(text: &str) -> Result<Self, CidrProblem> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let given = address.parse::<IpAddr>().map_err(|_| CidrProblem::NoAddress)?;
        let network = given.to_canonical();
        let (longest, given_longest) = (longest_prefix(network), longest_prefix(given));
        let prefix = match prefix {
            None => longest,
            Some(prefix) => number(prefix)
                .filter(|prefix| *prefix <= given_longest)
                .ok_or(CidrProblem::Prefix(given_longest))?
                // What is below is wider than all of IPv4 written as IPv6.
                .checked_sub(given_longest.saturating_sub(longest))
                .ok_or(CidrProblem::HostBits)?,
        };
        let cidr = Self { network, prefix };
        if cidr.first() == network { Ok(cidr) } else { Err(CidrProblem::HostBits) }
    }

    /// Whether an address lies in the network. It must not be one of IPv4 written as IPv6.
    fn contains(&self, address: IpAddr) -> bool {
        address.is_ipv4() == self.network.is_ipv4()
            && Self { network: address, prefix: self.prefix }.first() == self.network
    }

    /// The network with the bits beyond the prefix cleared.
    fn first(&self) -> IpAddr {
        let kept = u32::from(self.prefix);
        match self.network {
            IpAddr::V4(address) => {
                let host = u32::MAX.checked_shr(kept).unwrap_or(0);
                Ipv4Addr::from_bits(address.to_bits() & !host).into()
            }
            IpAddr::V6(address) => {
                let host = u128::MAX.checked_shr(kept).unwrap_or(0);
                Ipv6Addr::from_bits(address.to_bits() & !host).into()
            }
        }
    }
}

const fn longest_prefix(address: IpAddr) -> u8 {
    if address.is_ipv4() { 32 } else { 128 }
}

/// A number as prefix lengths are written: digits, none of them a zero in front.
fn number(text: &str) -> Option<u8> {
    let canonical = text == "0" || !text.starts_with(['0', '+']);
    text.parse().ok().filter(|_| canonical)
}

impl fmt::Display for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.prefix == longest_prefix(self.network) {
            write!(f, "{}", self.network)
        } else {
            write!(f, "{}/{}", self.network, self.prefix)
        }
    }
}

/// What is wrong with an entry of the setting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum CidrProblem {
    NoAddress,
    Prefix(u8),
    HostBits,
}

impl fmt::Display for CidrProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoAddress => f.write_str(
                "is no IPv4 or IPv6 address, no network such as 10.0.0.0/8 or 2001:db8::/32, and not the word unix",
            ),
            Self::Prefix(longest) => write!(f, "has a prefix length that is no number from 0 to {longest}"),
            Self::HostBits => f.write_str("has bits set beyond its prefix length"),
        }
    }
}

/// A text that names no trusted proxies.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the entry {entry:?} {problem}")]
pub struct InvalidTrustedProxies {
    entry: String,
    problem: CidrProblem,
}

/// The proxies whose `X-Forwarded-For` is believed. None by default.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TrustedProxies {
    networks: Vec<Cidr>,
    unix: bool,
}

impl TrustedProxies {
    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.networks.is_empty() && !self.unix
    }

    fn contains(&self, address: IpAddr) -> bool {
        self.networks.iter().any(|network| network.contains(address))
    }
}

impl FromStr for TrustedProxies {
    type Err = InvalidTrustedProxies;

    /// Reads addresses, networks in CIDR notation and the word `unix`, separated by commas, with spaces around them.
    fn from_str(text: &str) -> Result<Self, InvalidTrustedProxies> {
        let mut proxies = Self::default();
        for entry in text.split(',').map(|entry| entry.trim_matches(' ')) {
            if entry == UNIX {
                proxies.unix = true;
                continue;
            }
            match Cidr::parse(entry) {
                Ok(network) => proxies.networks.push(network),
                Err(problem) => return Err(InvalidTrustedProxies { entry: entry.to_owned(), problem }),
            }
        }
        Ok(proxies)
    }
}

impl fmt::Display for TrustedProxies {
    /// As [`TrustedProxies::from_str`] reads it, but for none.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_empty() {
            return f.write_str("none");
        }
        let unix = self.unix.then(|| UNIX.to_owned());
        let entries: Vec<_> = self.networks.iter().map(ToString::to_string).chain(unix).collect();
        f.write_str(&entries.join(","))
    }
}

/// The other end of the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Peer {
    /// An address.
    Tcp(SocketAddr),
    /// A process on this machine, over the Unix socket.
    UnixSocket,
    /// Nobody can tell: the connection was gone before it was asked. Never a proxy.
    Unknown,
}

impl Peer {
    /// The peer of a connection to a server that listens on a Unix socket, or on TCP. An address that is missing does not
    /// tell the two apart: a TCP connection that was reset has none either.
    pub(crate) fn new(address: Option<SocketAddr>, unix_socket: bool) -> Self {
        match address {
            Some(address) => Self::Tcp(address),
            None if unix_socket => Self::UnixSocket,
            None => Self::Unknown,
        }
    }

    fn address(self) -> Option<IpAddr> {
        match self {
            Self::Tcp(address) => Some(address.ip().to_canonical()),
            Self::UnixSocket | Self::Unknown => None,
        }
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => write!(f, "{address}"),
            Self::UnixSocket => f.write_str(UNIX),
            Self::Unknown => f.write_str("-"),
        }
    }
}

/// Who sends a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Client {
    peer: Peer,
    by_proxy: bool,
    address: Option<IpAddr>,
}

impl Client {
    /// The client behind this peer; `forwarded_for` are the lines of `X-Forwarded-For` in their order.
    pub(crate) fn new<'a>(
        peer: Peer,
        trusted: &TrustedProxies,
        forwarded_for: impl Iterator<Item = &'a [u8]>,
    ) -> Self {
        let by_proxy = match peer {
            Peer::Tcp(_) => peer.address().is_some_and(|address| trusted.contains(address)),
            Peer::UnixSocket => trusted.unix,
            Peer::Unknown => false,
        };
        let reported = if by_proxy { reported(trusted, forwarded_for) } else { None };
        Self { peer, by_proxy, address: reported.unwrap_or(peer.address()) }
    }

    /// The other end of the connection, for the log.
    pub(crate) const fn peer(&self) -> Peer {
        self.peer
    }

    /// Whether the peer is a trusted proxy.
    pub(crate) const fn is_by_proxy(&self) -> bool {
        self.by_proxy
    }

    /// The address for decisions and records, never one of IPv4 written as IPv6. `None` when it is not known, because the
    /// peer is on a Unix socket or a proxy reports something that is no address: what depends on addresses is refused
    /// then.
    pub(crate) const fn address(&self) -> Option<IpAddr> {
        self.address
    }

    /// The client for the log, where it is not the peer.
    pub(crate) fn behind_peer(&self) -> Option<String> {
        (self.address != self.peer.address())
            .then(|| self.address.map_or_else(|| "unknown".to_owned(), |address| address.to_string()))
    }

    /// Whether the peer itself is on loopback and no trusted proxy, whatever headers say.
    pub(crate) fn is_on_loopback(&self) -> bool {
        !self.by_proxy && self.peer.address().is_some_and(|address| address.is_loopback())
    }
}

/// What a trusted proxy says about the client: nothing, or an address that may be unreadable.
///
/// Instead of walking from the right and stopping at the first address that is not trusted, this goes from the left and
/// keeps the last such address, so that nothing has to be gathered first.
fn reported<'a>(
    trusted: &TrustedProxies,
    forwarded_for: impl Iterator<Item = &'a [u8]>,
) -> Option<Option<IpAddr>> {
    let mut leftmost = None;
    let mut untrusted = None;
    for element in forwarded_for.flat_map(|line| line.split(|byte| *byte == b',')) {
        let address = element_address(element);
        leftmost = leftmost.or(Some(address));
        if !address.is_some_and(|address| trusted.contains(address)) {
            untrusted = Some(address);
        }
    }
    untrusted.or(leftmost)
}

/// The address of an element: bare, or with a port; of IPv6 in brackets then.
fn element_address(element: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(element).ok()?.trim_matches([' ', '\t']);
    if let Ok(address) = text.parse::<IpAddr>() {
        return Some(address.to_canonical());
    }
    if let Some(rest) = text.strip_prefix('[') {
        let (address, port) = rest.split_once(']')?;
        let address = address.parse::<Ipv6Addr>().ok()?;
        let whole = port.is_empty() || port.strip_prefix(':').is_some_and(is_port);
        return whole.then(|| IpAddr::V6(address).to_canonical());
    }
    let (address, port) = text.split_once(':')?;
    let address = address.parse::<Ipv4Addr>().ok()?;
    is_port(port).then_some(IpAddr::V4(address))
}

fn is_port(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit()) && text.parse::<u16>().is_ok()
}

#[cfg(test)]
mod tests;
