//! The one place where an address is brought to all the forms a packet to it could reach.

use std::net::{IpAddr, Ipv6Addr};

use ipnet::Ipv6Net;

use crate::dns::{Embedding, NAT64_LENGTHS};

const LOW: [(u128, u8); 3] = [(0, 96), (0xffff_0000_0000, 96), (0xffff_0000 << 32, 96)];
const WELL_KNOWN_NAT64: u128 = 0x0064_ff9b << 96;
const SIX_TO_FOUR: u128 = 0x2002 << 112;
const TEREDO: u128 = 0x2001_0000 << 96;

/// Calls `form` with the address itself and with every IPv4 address a packet to it may end up at.
pub(super) fn each_form(address: IpAddr, nat64: &[Ipv6Net], mut form: impl FnMut(IpAddr)) {
    form(address);
    if let IpAddr::V6(v6) = address {
        each_embedding(v6, nat64, |embedding| {
            for v4 in embedding.addresses(v6).into_iter().flatten() {
                form(IpAddr::V4(v4));
            }
        });
    }
}

fn each_embedding(address: Ipv6Addr, nat64: &[Ipv6Net], mut found: impl FnMut(Embedding)) {
    let bits = u128::from(address);
    let within = |prefix: u128, length: u8| (bits ^ prefix) >> (128 - u32::from(length)) == 0;
    // `::` and `::1` are themselves, not IPv4-compatible addresses (RFC 4291 §2.5.5.1).
    if bits > 1 && LOW.iter().any(|&(prefix, length)| within(prefix, length)) {
        found(Embedding::Low);
    }
    if within(SIX_TO_FOUR, 16) {
        found(Embedding::SixToFour);
    }
    if within(TEREDO, 32) {
        found(Embedding::Teredo);
    }
    if bits >> 32 & 0xfdff_ffff == 0x0000_5efe {
        found(Embedding::Isatap);
    }
    // The longest of nested prefixes routes the packet, if all of them are real. One may be forged, so each counts.
    for length in NAT64_LENGTHS {
        let is_well_known = length == 96 && within(WELL_KNOWN_NAT64, 96);
        let holds = |prefix: &Ipv6Net| prefix.prefix_len() == length && prefix.contains(&address);
        if is_well_known || nat64.iter().any(holds) {
            found(Embedding::Nat64(length));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;
    use crate::dns::embed_nat64;

    fn forms(address: &str, nat64: &[&str]) -> Vec<String> {
        let nat64: Vec<Ipv6Net> = nat64.iter().map(|net| net.parse().unwrap()).collect();
        let mut all = Vec::new();
        each_form(address.parse().unwrap(), &nat64, |form| all.push(form.to_string()));
        all.remove(0);
        all
    }

    #[test]
    fn every_disguise_of_an_ipv4_address_is_seen_through() {
        for (address, inside) in [
            ("::ffff:127.0.0.1", &["127.0.0.1"][..]),
            ("::127.0.0.1", &["127.0.0.1"]),
            ("::ffff:0:127.0.0.1", &["127.0.0.1"]),
            ("64:ff9b::127.0.0.1", &["127.0.0.1"]),
            ("2002:7f00:1::", &["127.0.0.1"]),
            ("2002:7f00:1::1:2", &["127.0.0.1"]),
            ("2001:0:808:808:0:0:80ff:fffe", &["8.8.8.8", "127.0.0.1"]),
            ("2606:4700::5efe:10.0.0.1", &["10.0.0.1"]),
            ("2606:4700::200:5efe:10.0.0.1", &["10.0.0.1"]),
            ("2606:4700::100:5efe:10.0.0.1", &[]),
            ("::1", &[]),
            ("::", &[]),
            ("::2", &["0.0.0.2"]),
            ("2606:4700:4700::1111", &[]),
            ("127.0.0.1", &[]),
        ] {
            assert_eq!(forms(address, &[]), inside, "{address}");
        }
    }

    #[test]
    fn translation_prefixes_of_every_length_are_seen_through() {
        // The examples of RFC 6052 §2.4.
        for (prefix, address) in [
            ("2001:db8::/32", "2001:db8:c000:221::"),
            ("2001:db8:100::/40", "2001:db8:1c0:2:21::"),
            ("2001:db8:122::/48", "2001:db8:122:c000:2:2100::"),
            ("2001:db8:122:300::/56", "2001:db8:122:3c0:0:221::"),
            ("2001:db8:122:344::/64", "2001:db8:122:344:c0:2:2100::"),
            ("2001:db8:122:344::/96", "2001:db8:122:344::192.0.2.33"),
        ] {
            assert_eq!(forms(address, &[prefix]), ["192.0.2.33"], "{prefix}");
            let made = embed_nat64(prefix.parse().unwrap(), Ipv4Addr::new(192, 0, 2, 33));
            assert_eq!(made.to_string(), address.parse::<Ipv6Addr>().unwrap().to_string(), "{prefix}");
        }
    }

    /// A longer prefix, perhaps forged, must not hide the address behind the shorter one.
    #[test]
    fn an_address_is_decoded_by_every_prefix_that_holds_it() {
        let nested = ["2001:db8::/32", "2001:db8:7f00:1::/96", "2001:db8:7f00::/48", "2001:dead::/32"];
        assert_eq!(forms("2001:db8:7f00:1::808:808", &nested), ["127.0.0.1", "0.1.0.0", "8.8.8.8"]);
        assert_eq!(forms("64:ff9b::8.8.8.8", &["64:ff9b::/96", "64:ff9b::/32"]), ["0.0.0.0", "8.8.8.8"]);
    }
}
