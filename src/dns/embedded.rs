//! IPv4 addresses within IPv6 addresses, by the format of each kind.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::nat64::extract_nat64;

/// How an IPv4 address is hidden in an IPv6 one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Embedding {
    /// `::a.b.c.d`, `::ffff:a.b.c.d`, `::ffff:0:a.b.c.d`: the last 32 bits (RFC 4291 §2.5.5, RFC 2765 §2.1).
    Low,
    /// `2002:aabb:ccdd::/48` (RFC 3056 §2).
    SixToFour,
    /// Teredo: a server, and a client with inverted bits (RFC 4380 §4).
    Teredo,
    /// An interface identifier `0000:5efe:a.b.c.d` or `0200:5efe:a.b.c.d` (RFC 5214 §6.1).
    Isatap,
    /// A translation prefix of this length (RFC 6052 §2.2).
    Nat64(u8),
}

impl Embedding {
    /// The IPv4 addresses in `address`.
    pub fn addresses(self, address: Ipv6Addr) -> [Option<Ipv4Addr>; 2] {
        let bits = u128::from(address);
        let low32 = |shift: u32| Ipv4Addr::from((bits >> shift & 0xffff_ffff) as u32);
        match self {
            Self::Low | Self::Isatap => [Some(low32(0)), None],
            Self::SixToFour => [Some(low32(80)), None],
            Self::Teredo => [Some(low32(64)), Some(Ipv4Addr::from(!u32::from(low32(0))))],
            Self::Nat64(length) => [extract_nat64(length, address), None],
        }
    }
}
