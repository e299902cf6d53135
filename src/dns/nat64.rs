//! IPv4 addresses behind translation prefixes (RFC 6052), and how a network tells its prefix (RFC 7050).

use std::net::{Ipv4Addr, Ipv6Addr};

use ipnet::Ipv6Net;

/// The lengths of translation prefixes (RFC 6052 §2.2).
pub const NAT64_LENGTHS: [u8; 6] = [32, 40, 48, 56, 64, 96];

/// The address that stands for `v4` behind `prefix`: the inverse, for learning prefixes and for tests.
pub fn embed_nat64(prefix: Ipv6Net, v4: Ipv4Addr) -> Ipv6Addr {
    let v4 = u128::from(u32::from(v4));
    let before = 64u32.saturating_sub(u32::from(prefix.prefix_len()));
    let low = match prefix.prefix_len() {
        96 => v4,
        _ => {
            let after = 32 - before.min(32);
            let high = v4 >> after << 64;
            let rest = v4 & ((1u128 << after) - 1);
            high | if after == 0 { 0 } else { rest << (56 - after) }
        }
    };
    Ipv6Addr::from(u128::from(prefix.network()) | low)
}

/// The IPv4 address that `address` stands for behind a prefix of this length.
pub(super) fn extract_nat64(length: u8, address: Ipv6Addr) -> Option<Ipv4Addr> {
    let bits = u128::from(address);
    if length == 96 {
        return u32::try_from(bits & 0xffff_ffff).ok().map(Ipv4Addr::from);
    }
    // Bits 64–71 are the "u" octet and are skipped (RFC 6052 §2.2).
    let before = 64 - u32::from(length).min(64);
    let high = if before == 0 { 0 } else { (bits >> 64) & ((1 << before) - 1) };
    let after = 32 - before.min(32);
    let low = if after == 0 { 0 } else { bits >> (56 - after) & ((1 << after) - 1) };
    u32::try_from(high << after | low).ok().map(Ipv4Addr::from)
}

/// The translation prefixes by which `addresses`, the AAAA records of `ipv4only.arpa`, were made (RFC 7050 §3).
///
/// A translator makes one record from each of the two well-known addresses. So a prefix counts only if both addresses are behind
/// it: a single address proves nothing. Neither does an address that holds a well-known address in two places.
pub fn learned_prefixes(addresses: &[Ipv6Addr]) -> Vec<Ipv6Net> {
    let [first, second] = WELL_KNOWN.map(|v4| -> Vec<Ipv6Net> {
        addresses.iter().filter_map(|address| prefix_before(*address, v4)).collect()
    });
    let mut prefixes: Vec<Ipv6Net> = Vec::new();
    for prefix in first {
        if second.contains(&prefix) && !prefixes.contains(&prefix) {
            prefixes.push(prefix);
        }
    }
    prefixes
}

/// 192.0.0.170 and 192.0.0.171 (RFC 7050 §2.2)
const WELL_KNOWN: [Ipv4Addr; 2] = [Ipv4Addr::new(192, 0, 0, 170), Ipv4Addr::new(192, 0, 0, 171)];

/// The prefix with which `address` was made from `v4`; `None` if there is not exactly one.
fn prefix_before(address: Ipv6Addr, v4: Ipv4Addr) -> Option<Ipv6Net> {
    let holds_one = |length: &u8| extract_nat64(*length, address).is_some_and(|v4| WELL_KNOWN.contains(&v4));
    let mut lengths = NAT64_LENGTHS.into_iter().filter(holds_one);
    let prefix = Ipv6Net::new(address, lengths.next()?).ok()?.trunc();
    (lengths.next().is_none() && embed_nat64(prefix, v4) == address).then_some(prefix)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn learned(addresses: &[&str]) -> Vec<String> {
        let addresses: Vec<Ipv6Addr> = addresses.iter().map(|text| text.parse().unwrap()).collect();
        learned_prefixes(&addresses).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn prefixes_are_learned_from_the_well_known_addresses() {
        for prefix in ["64:ff9b::/96", "2001:67c:27e4:642::/96", "2a00:1098:2b::/64", "2001:67c::/32"] {
            let net: Ipv6Net = prefix.parse().unwrap();
            let both = WELL_KNOWN.map(|v4| embed_nat64(net, v4).to_string());
            assert_eq!(learned(&both.each_ref().map(String::as_str)), [prefix]);
            for one in both {
                assert_eq!(learned(&[&one]), [""; 0], "{one}");
                assert_eq!(learned(&[&one, &one]), [""; 0], "{one}");
            }
        }
    }

    #[test]
    fn addresses_that_prove_nothing_teach_no_prefix() {
        for addresses in [
            &[][..],
            &["2606:4700:4700::1111"],
            // Under different prefixes, and under one of different lengths.
            &["2001:67c:1::192.0.0.170", "2001:67c:2::192.0.0.171"],
            &["2001:67c::192.0.0.170", "2001:67c:c000:ab::"],
            // A well-known address is in two places.
            &["2001:67c:c000:aa::192.0.0.170", "2001:67c:c000:aa::192.0.0.171"],
            // The reserved octet and the suffix are zero.
            &["2001:67c:1:0:1c0:0:aa00:0", "2001:67c:1:0:1c0:0:ab00:0"],
            &["2001:67c:c000:aa::1", "2001:67c:c000:ab::1"],
        ] {
            assert_eq!(learned(addresses), [""; 0], "{addresses:?}");
        }
    }

    #[test]
    fn one_prefix_among_other_addresses_is_found() {
        let told =
            ["2001:67c:1::192.0.0.171", "2606:4700::1", "2001:67c:1::192.0.0.170", "2001:67c:2::192.0.0.170"];
        assert_eq!(learned(&told), ["2001:67c:1::/96"]);
    }
}
