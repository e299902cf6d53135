//! The suspicious reader: every address anything could see in a message, whatever the section, type or owner, and
//! the IPv4 addresses that IPv6 addresses carry.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::parse::{Parsed, Rr};
use super::stubs;
use crate::audit::wire::code;

/// The IPv4 addresses a packet to `address` could come out at: mapped, compatible, translated, NAT64 at the
/// well-known prefix, 6to4, Teredo (server and client), ISATAP.
pub fn embedded(address: Ipv6Addr) -> Vec<Ipv4Addr> {
    let o = address.octets();
    let s = address.segments();
    let [.., a, b, c, d] = o;
    let low = Ipv4Addr::new(a, b, c, d);
    let mut found = Vec::new();
    let is_zero = |range: &[u16]| range.iter().all(|segment| *segment == 0);
    match s {
        [0, 0, 0, 0, 0, 0, ..] | [0, 0, 0, 0, 0, 0xffff, ..] | [0, 0, 0, 0, 0xffff, 0, ..] => found.push(low),
        [0x64, 0xff9b, a, b, c, d, ..] if is_zero(&[a, b, c, d]) => found.push(low),
        [0x2002, high, low, ..] => found.push(Ipv4Addr::from(u32::from(high) << 16 | u32::from(low))),
        [0x2001, 0, high, low, ..] => {
            found.push(Ipv4Addr::from(u32::from(high) << 16 | u32::from(low)));
            found.push(Ipv4Addr::new(!a, !b, !c, !d));
        }
        _ => {}
    }
    if matches!(s, [.., 0 | 0x200, 0x5efe, _, _]) {
        found.push(low);
    }
    found
}

/// The IPv4 address inside `address` under an RFC 6052 prefix of `length` bits, the u-octet (bits 64–71) skipped.
pub fn embedded_under(address: Ipv6Addr, length: u8) -> Option<Ipv4Addr> {
    let octets = address.octets();
    let first = usize::from(length / 8);
    let places = (first..16).filter(|place| length == 96 || *place != 8);
    let value: Vec<u8> = places.take(4).filter_map(|place| octets.get(place).copied()).collect();
    <[u8; 4]>::try_from(value).ok().map(Ipv4Addr::from)
}

/// The addresses a record carries in a place made for addresses, lengths not looked at closely.
pub fn carried(parsed: &Parsed<'_>, rr: &Rr<'_>) -> Vec<IpAddr> {
    match rr.rtype {
        code::A => prefix::<4>(rr.rdata).map(|octets| Ipv4Addr::from(octets).into()).into_iter().collect(),
        code::AAAA => match prefix::<16>(rr.rdata) {
            Some(octets) => vec![Ipv6Addr::from(octets).into()],
            None => prefix::<4>(rr.rdata).map(|octets| Ipv4Addr::from(octets).into()).into_iter().collect(),
        },
        code::SVCB | code::HTTPS => stubs::hints(parsed, rr),
        _ => Vec::new(),
    }
}

fn prefix<const N: usize>(octets: &[u8]) -> Option<[u8; N]> {
    octets.first_chunk().copied()
}

/// Whether the octets of `address` stand anywhere in `octets`. Addresses of fewer than two octets other than zero
/// are not looked for: they stand everywhere.
pub fn contains(octets: &[u8], address: IpAddr) -> bool {
    let needle = match address {
        IpAddr::V4(v4) => v4.octets().to_vec(),
        IpAddr::V6(v6) => v6.octets().to_vec(),
    };
    let telling = needle.iter().filter(|octet| **octet != 0).count() >= 2;
    telling && octets.windows(needle.len()).any(|window| window == needle)
}

/// Whether RDATA of this type is full of octets that only look like addresses: timers, hashes, and names, in whose
/// labels anything may stand. What hides in a label is for the reader that stumbles over labels to find.
pub fn is_noise(rtype: u16) -> bool {
    matches!(
        rtype,
        code::CNAME
            | code::DNAME
            | code::NS
            | code::PTR
            | code::SOA
            | code::OPT
            | code::RRSIG
            | code::NSEC
            | code::NSEC3
            | code::DNSKEY
            | code::DS
            | code::HINFO
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_embedding_is_undone() {
        for (text, inner) in [
            ("::ffff:127.0.0.1", "127.0.0.1"),
            ("::10.0.0.1", "10.0.0.1"),
            ("::ffff:0:192.168.1.1", "192.168.1.1"),
            ("64:ff9b::169.254.169.254", "169.254.169.254"),
            ("2002:7f00:1::", "127.0.0.1"),
            ("2001:0:808:808:0:0:80ff:fffe", "127.0.0.1"),
            ("2001:0:7f00:1:0:0:f7f7:f7f7", "127.0.0.1"),
            ("2606:4700::5efe:10.0.0.1", "10.0.0.1"),
            ("2606:4700::200:5efe:10.0.0.1", "10.0.0.1"),
        ] {
            let address = text.parse().unwrap();
            assert!(embedded(address).contains(&inner.parse().unwrap()), "{text}");
        }
        assert!(embedded("2606:4700::1111".parse().unwrap()).is_empty());
    }

    /// The rows of RFC 6052 §2.4.
    #[test]
    fn the_octet_u_is_skipped() {
        for (text, length) in [
            ("2001:db8:c000:221::", 32),
            ("2001:db8:1c0:2:21::", 40),
            ("2001:db8:122:c000:2:2100::", 48),
            ("2001:db8:122:3c0:0:221::", 56),
            ("2001:db8:122:344:c0:2:2100::", 64),
            ("2001:db8:122:344::192.0.2.33", 96),
        ] {
            let inner = embedded_under(text.parse().unwrap(), length);
            assert_eq!(inner, Some(Ipv4Addr::new(192, 0, 2, 33)), "{text}");
        }
    }
}
