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

/// The translation prefixes by which `addresses`, the AAAA records of `ipv4only.arpa`, were made (RFC 7050 §3).
pub fn learned_prefixes(addresses: &[Ipv6Addr]) -> Vec<Ipv6Net> {
    const WELL_KNOWN: [Ipv4Addr; 2] = [Ipv4Addr::new(192, 0, 0, 170), Ipv4Addr::new(192, 0, 0, 171)];
    let mut prefixes = Vec::new();
    for address in addresses {
        for length in NAT64_LENGTHS {
            let Ok(prefix) = Ipv6Net::new(*address, length).map(|net| net.trunc()) else { continue };
            if WELL_KNOWN.iter().any(|v4| embed_nat64(prefix, *v4) == *address) && !prefixes.contains(&prefix)
            {
                prefixes.push(prefix);
            }
        }
    }
    prefixes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes_are_learned_from_the_well_known_addresses() {
        for prefix in ["64:ff9b::/96", "2001:67c:27e4:642::/96", "2a00:1098:2b::/64", "2001:67c::/32"] {
            let prefix: Ipv6Net = prefix.parse().unwrap();
            let seen = embed_nat64(prefix, Ipv4Addr::new(192, 0, 0, 170));
            assert!(learned_prefixes(&[seen]).contains(&prefix), "{prefix}");
        }
        assert_eq!(learned_prefixes(&["2606:4700:4700::1111".parse().unwrap()]), []);
    }
}
