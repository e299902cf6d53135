//! The compiled ranges: which one an address falls into, by one binary search.

use std::fmt;
use std::net::IpAddr;

use ipnet::{IpNet, Ipv6Net};

use super::address::each_form;
use super::ranges::{SPECIAL_RANGES, TranslatorPlace, Treatment};
use super::settings::{GuardSettings, Origin};

/// A range with its name and where it comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlockedRange {
    /// The range.
    pub net: IpNet,
    /// Its name in logs, metrics and EDE texts.
    pub name: &'static str,
    /// Where it is defined.
    pub reference: &'static str,
    /// Who put it there.
    pub origin: Origin,
    pub(super) treatment: Treatment,
    pub(super) never_implied: bool,
}

impl fmt::Display for BlockedRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { net, name, reference, origin, .. } = self;
        match origin {
            Origin::BuiltIn => write!(f, "{name} ({net}, {reference})"),
            _ => write!(f, "{name} ({net}, {origin})"),
        }
    }
}

/// All ranges, cut into pieces that do not overlap.
#[derive(Debug, Default)]
pub(super) struct BlockedRanges {
    ranges: Vec<BlockedRange>,
    /// By first address: pieces of IPv4 and of IPv6. The piece that holds an address is the last that starts at or
    /// before it; `None` is in no range.
    pieces: [Vec<(u128, Option<usize>)>; 2],
    /// The prefixes that embed IPv4 addresses, besides the well-known one.
    nat64: Vec<Ipv6Net>,
}

impl BlockedRanges {
    /// The table in the settings' profile, the settings' own ranges, `own` addresses and learned NAT64 prefixes.
    pub(super) fn compile(settings: &GuardSettings, own: &[IpAddr], learned: &[Ipv6Net]) -> Self {
        let built_in: Vec<BlockedRange> = SPECIAL_RANGES
            .iter()
            .filter_map(|special| {
                Some(BlockedRange {
                    net: special.net.parse().ok()?,
                    name: special.name,
                    reference: special.reference,
                    origin: Origin::BuiltIn,
                    treatment: special.treatment(settings.profile),
                    never_implied: special.never_implied,
                })
            })
            .collect();
        let table = Self::from_ranges(built_in.clone());
        let mut all = built_in;
        let mut add = |net: IpNet, name, reference, origin: &Origin, treatment| {
            // A narrower or an equal row must not make a sensitive range less so. Its first address may be in a row
            // that is narrower still, so the row around it is looked for by the whole of it.
            let around = table.ranges.iter().filter(|range| range.net.contains(&net));
            let never_implied =
                around.max_by_key(|range| range.net.prefix_len()).is_some_and(|range| range.never_implied);
            all.push(BlockedRange { net, name, reference, origin: origin.clone(), treatment, never_implied });
        };
        // If the range around a prefix is blocked as a whole, the prefix opens only itself, and only for public addresses.
        for prefix in learned.iter().filter(|prefix| TranslatorPlace::opens(**prefix, true)) {
            add(IpNet::V6(*prefix), "nat64-learned", "RFC 7050", &Origin::BuiltIn, Treatment::Decode);
        }
        for prefix in settings.nat64.iter().filter(|prefix| TranslatorPlace::opens(**prefix, false)) {
            add(IpNet::V6(*prefix), "nat64-configured", "RFC 6052", &Origin::BuiltIn, Treatment::Decode);
        }
        for (net, origin) in &settings.unblock {
            add(*net, "unblocked", "unblock", origin, Treatment::Allow);
        }
        if settings.own_addresses {
            let is_unblocked = |address| settings.unblock.iter().any(|(net, _)| net.contains(address));
            // What the table blocks anyway keeps the table's name.
            for own in own.iter().filter(|own| !table.blocks(**own) || is_unblocked(*own)) {
                let reference = "an interface of this host";
                add(IpNet::from(*own), "own-address", reference, &Origin::BuiltIn, Treatment::Block);
            }
        }
        for (net, origin) in &settings.block {
            add(*net, "blocked-by-configuration", "block", origin, Treatment::Block);
        }
        let nat64 = settings.nat64.iter().chain(learned).copied().collect();
        Self { nat64, ..Self::from_ranges(all) }
    }

    fn from_ranges(mut ranges: Vec<BlockedRange>) -> Self {
        // Stable: of equal ranges the later stays behind, and so decides.
        ranges.sort_by_cached_key(|range| (first(range.net), range.net.prefix_len()));
        let mut pieces = [Vec::new(), Vec::new()];
        for (family, list) in pieces.iter_mut().enumerate() {
            let mut open: Vec<(u128, usize)> = Vec::new();
            let of_family =
                ranges.iter().enumerate().filter(|(_, range)| family_of(range.net.addr()) == family);
            for (index, range) in of_family {
                close_before(list, &mut open, first(range.net));
                push_piece(list, first(range.net), Some(index));
                open.push((last(range.net), index));
            }
            close_before(list, &mut open, u128::MAX);
        }
        Self { ranges, pieces, nat64: Vec::new() }
    }

    /// The range that decides on `address`: the one with the longest prefix.
    pub(super) fn find(&self, address: IpAddr) -> Option<&BlockedRange> {
        let pieces = self.pieces.get(family_of(address))?;
        let bits = bits_of(address);
        let after = pieces.partition_point(|(start, _)| *start <= bits);
        let (_, index) = pieces.get(after.checked_sub(1)?)?;
        self.ranges.get((*index)?)
    }

    /// A public name may not point at `address` itself.
    pub(super) fn blocks(&self, address: IpAddr) -> bool {
        self.find(address).is_some_and(|range| range.treatment == Treatment::Block)
    }

    /// Whether neither `address` nor any address that a packet to it may reach is public.
    pub(super) fn keeps_inside(&self, address: IpAddr) -> bool {
        let mut inside = true;
        self.each_form(address, |form| inside &= self.blocks(form));
        inside
    }

    /// Calls `form` with the address itself and with every IPv4 address that a packet to it may reach.
    pub(super) fn each_form(&self, address: IpAddr, form: impl FnMut(IpAddr)) {
        each_form(address, &self.nat64, form);
    }

    /// How many ranges block.
    pub(super) fn len(&self) -> usize {
        self.ranges.iter().filter(|range| range.treatment == Treatment::Block).count()
    }
}

/// Ends the open ranges that end before `start`: what follows them is the range around them again.
fn close_before(list: &mut Vec<(u128, Option<usize>)>, open: &mut Vec<(u128, usize)>, start: u128) {
    while let Some(&(end, _)) = open.last() {
        if end >= start {
            return;
        }
        open.pop();
        // Several ranges may end here; the outermost that goes on decides.
        if open.last().is_none_or(|&(outer, _)| outer > end) {
            push_piece(list, end + 1, open.last().map(|&(_, index)| index));
        }
    }
}

/// Appends a piece; of two that start at one address the later is the narrower.
fn push_piece(list: &mut Vec<(u128, Option<usize>)>, start: u128, range: Option<usize>) {
    if list.last().is_some_and(|(last, _)| *last == start) {
        list.pop();
    }
    list.push((start, range));
}

fn family_of(address: IpAddr) -> usize {
    usize::from(address.is_ipv6())
}

fn bits_of(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(v4) => u128::from(u32::from(v4)),
        IpAddr::V6(v6) => u128::from(v6),
    }
}

fn first(net: IpNet) -> u128 {
    bits_of(net.network())
}

fn last(net: IpNet) -> u128 {
    bits_of(net.broadcast())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compile(own: &[&str], block: &[&str], unblock: &[&str]) -> BlockedRanges {
        let nets =
            |list: &[&str]| list.iter().map(|net| (net.parse().unwrap(), Origin::CommandLine)).collect();
        let settings =
            GuardSettings { block: nets(block), unblock: nets(unblock), ..GuardSettings::default() };
        let own: Vec<IpAddr> = own.iter().map(|address| address.parse().unwrap()).collect();
        BlockedRanges::compile(&settings, &own, &[])
    }

    #[test]
    fn a_range_added_within_a_sensitive_one_is_as_sensitive() {
        let ranges = compile(&[], &["169.254.169.254/31", "0.0.0.0/16", "10.0.0.0/16"], &[]);
        for (address, net, sensitive) in [
            ("169.254.169.255", "169.254.169.254/31", true),
            ("0.0.1.1", "0.0.0.0/16", true),
            ("10.0.0.1", "10.0.0.0/16", false),
        ] {
            let range = ranges.find(address.parse().unwrap()).unwrap();
            assert_eq!((range.net.to_string().as_str(), range.never_implied), (net, sensitive), "{address}");
        }
    }

    fn name_of<'a>(ranges: &'a BlockedRanges, address: &str) -> &'a str {
        match ranges.find(address.parse().unwrap()) {
            Some(range) if range.treatment == Treatment::Block => range.name,
            _ => "-",
        }
    }

    #[test]
    fn every_boundary_of_the_table_has_its_two_sides() {
        let ranges = compile(&[], &[], &[]);
        for (address, expected) in [
            ("0.255.255.255", "this-network"),
            ("1.0.0.0", "-"),
            ("0.0.0.0", "unspecified"),
            ("0.0.0.1", "this-network"),
            ("9.255.255.255", "-"),
            ("10.0.0.0", "private-use"),
            ("10.255.255.255", "private-use"),
            ("11.0.0.0", "-"),
            ("100.63.255.255", "-"),
            ("100.64.0.0", "shared-address-space"),
            ("100.100.100.199", "shared-address-space"),
            ("100.100.100.200", "cloud-metadata"),
            ("100.127.255.255", "shared-address-space"),
            ("100.128.0.0", "-"),
            ("126.255.255.255", "-"),
            ("127.0.0.0", "loopback"),
            ("127.255.255.255", "loopback"),
            ("128.0.0.0", "-"),
            ("168.63.129.15", "-"),
            ("168.63.129.16", "cloud-metadata"),
            ("168.63.129.17", "-"),
            ("169.253.255.255", "-"),
            ("169.254.0.0", "link-local"),
            ("169.254.169.254", "cloud-metadata"),
            ("169.254.255.255", "link-local"),
            ("169.255.0.0", "-"),
            ("172.15.255.255", "-"),
            ("172.16.0.0", "private-use"),
            ("172.31.255.255", "private-use"),
            ("172.32.0.0", "-"),
            ("191.255.255.255", "-"),
            ("192.0.0.0", "ds-lite"),
            ("192.0.0.7", "ds-lite"),
            ("192.0.0.8", "ipv4-dummy-address"),
            ("192.0.0.11", "ietf-protocol-assignments"),
            ("192.0.0.170", "nat64-discovery"),
            ("192.0.0.192", "cloud-metadata"),
            ("192.0.0.255", "ietf-protocol-assignments"),
            ("192.0.1.0", "-"),
            ("192.0.2.255", "test-net-1"),
            ("192.0.3.0", "-"),
            ("192.88.99.1", "-"),
            ("192.88.99.2", "6a44-relay-anycast"),
            ("192.88.99.3", "-"),
            ("192.167.255.255", "-"),
            ("192.168.0.0", "private-use"),
            ("192.168.255.255", "private-use"),
            ("192.169.0.0", "-"),
            ("198.17.255.255", "-"),
            ("198.18.0.0", "benchmarking"),
            ("198.19.255.255", "benchmarking"),
            ("198.20.0.0", "-"),
            ("198.51.100.255", "test-net-2"),
            ("198.51.101.0", "-"),
            ("203.0.113.255", "test-net-3"),
            ("203.0.114.0", "-"),
            ("223.255.255.255", "-"),
            ("224.0.0.0", "multicast"),
            ("239.255.255.255", "multicast"),
            ("240.0.0.0", "reserved"),
            ("255.255.255.254", "reserved"),
            ("255.255.255.255", "limited-broadcast"),
            ("::", "unspecified"),
            ("::1", "loopback"),
            ("64:ff9b:1::1", "nat64-local-use"),
            ("100::1", "discard-only"),
            ("100:0:0:1::1", "dummy-prefix"),
            ("200::1", "nsap"),
            ("1fff::", "not-global-unicast"),
            ("2000::", "-"),
            ("2001:1ff::", "ietf-protocol-assignments"),
            ("2001:200::", "-"),
            ("2001:4:112::1", "-"),
            ("2001:4:113::1", "ietf-protocol-assignments"),
            ("2001:db7:ffff::", "-"),
            ("2001:db8::", "documentation"),
            ("2001:db8:ffff::", "documentation"),
            ("2001:db9::", "-"),
            ("3ffe:ffff::", "-"),
            ("3fff::", "documentation"),
            ("3fff:fff:ffff::", "documentation"),
            ("3fff:1000::", "-"),
            ("4000::1", "not-global-unicast"),
            ("5f00::1", "srv6-sids"),
            ("fbff::", "not-global-unicast"),
            ("fc00::", "unique-local"),
            ("fd00:ec2::254", "cloud-metadata"),
            ("fdff:ffff::", "unique-local"),
            ("fe00::", "not-global-unicast"),
            ("fe7f:ffff::", "not-global-unicast"),
            ("fe80::", "link-local"),
            ("febf:ffff::", "link-local"),
            ("fec0::", "site-local"),
            ("feff:ffff::", "site-local"),
            ("ff00::", "multicast"),
            ("ff02::1", "multicast"),
            ("2606:4700:4700::1111", "-"),
        ] {
            assert_eq!(name_of(&ranges, address), expected, "{address}");
        }
    }

    #[test]
    fn the_binary_search_agrees_with_a_scan_for_the_longest_prefix() {
        let ranges = compile(
            &["8.8.8.8", "2606:4700::1"],
            &["9.9.0.0/16", "8.0.0.0/8"],
            &["198.18.0.0/15", "10.1.0.0/16"],
        );
        let edges = ranges
            .ranges
            .iter()
            .flat_map(|range| [first(range.net), last(range.net)].map(|bits| (bits, range.net)));
        for (bits, net) in edges {
            for near in [bits.wrapping_sub(1), bits, bits.wrapping_add(1)] {
                let address = match net {
                    IpNet::V4(_) => IpAddr::from(std::net::Ipv4Addr::from(near as u32)),
                    IpNet::V6(_) => IpAddr::from(std::net::Ipv6Addr::from(near)),
                };
                let scanned = ranges
                    .ranges
                    .iter()
                    .filter(|range| range.net.contains(&address))
                    .max_by_key(|range| range.net.prefix_len());
                assert_eq!(ranges.find(address), scanned, "{address}");
            }
        }
    }

    #[test]
    fn settings_add_and_take_ranges() {
        let ranges = compile(&["8.8.4.4"], &["9.9.9.0/24"], &["198.18.0.0/15", "10.1.0.0/16"]);
        for (address, expected) in [
            ("8.8.4.4", "own-address"),
            ("8.8.4.5", "-"),
            ("9.9.9.9", "blocked-by-configuration"),
            ("9.9.8.255", "-"),
            ("198.18.0.1", "-"),
            ("10.1.2.3", "-"),
            ("10.2.2.3", "private-use"),
        ] {
            assert_eq!(name_of(&ranges, address), expected, "{address}");
        }
    }
}
