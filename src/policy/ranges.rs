//! The range table: what a public name may not point at, as data. A row is all it takes to block one more.
//!
//! Sources: the IANA IPv4 and IPv6 special-purpose address registries, the multicast and IPv6 unicast registries,
//! and the cloud providers' documentation for metadata services. The longest prefix decides.

use std::net::{IpAddr, Ipv6Addr};
use std::sync::LazyLock;

use ipnet::{IpNet, Ipv6Net};

use super::blocked::BlockedRanges;
use super::settings::{GuardSettings, Profile};

/// What the table says of a range.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Treatment {
    /// A public name must not point here.
    Block,
    /// Reachable on the Internet.
    Allow,
    /// The IPv4 address inside decides.
    Decode,
}

/// A row of the table.
#[derive(Debug, Clone, Copy)]
pub struct SpecialRange {
    /// The range in CIDR notation.
    pub net: &'static str,
    /// Its name, as logs show it and `unblock` takes it.
    pub name: &'static str,
    /// Where it is defined.
    pub reference: &'static str,
    /// With `profile = "standard"`.
    pub standard: Treatment,
    /// With `profile = "strict"`.
    pub strict: Treatment,
    /// An exception or a route reaches it only by naming a network within it.
    pub never_implied: bool,
}

impl SpecialRange {
    /// The treatment in `profile`.
    pub fn treatment(&self, profile: Profile) -> Treatment {
        match profile {
            Profile::Standard => self.standard,
            Profile::Strict => self.strict,
        }
    }
}

use Treatment::{Allow, Block, Decode};

const fn row(
    net: &'static str,
    name: &'static str,
    reference: &'static str,
    standard: Treatment,
    strict: Treatment,
) -> SpecialRange {
    SpecialRange { net, name, reference, standard, strict, never_implied: false }
}

/// A range in which something sits that trusts whoever reaches it.
const fn sensitive(net: &'static str, name: &'static str, reference: &'static str) -> SpecialRange {
    SpecialRange { net, name, reference, standard: Block, strict: Block, never_implied: true }
}

const WELL_KNOWN_NAT64: Ipv6Net = range([0x64, 0xff9b, 0], 96);
const LOCAL_USE_NAT64: Ipv6Net = range([0x64, 0xff9b, 1], 48);
const UNIQUE_LOCAL: Ipv6Net = range([0xfc00, 0, 0], 7);
const GLOBAL_UNICAST: Ipv6Net = range([0x2000, 0, 0], 3);

const fn range([a, b, c]: [u16; 3], length: u8) -> Ipv6Net {
    Ipv6Net::new_assert(Ipv6Addr::new(a, b, c, 0, 0, 0, 0, 0), length)
}

const UNICAST6: &str = "IANA IPv6 unicast registry";

/// The table.
pub const SPECIAL_RANGES: &[SpecialRange] = &[
    // IPv4 special-purpose registry.
    sensitive("0.0.0.0/8", "this-network", "RFC 791 §3.2"),
    sensitive("0.0.0.0/32", "unspecified", "RFC 1122 §3.2.1.3"),
    row("10.0.0.0/8", "private-use", "RFC 1918", Block, Block),
    row("100.64.0.0/10", "shared-address-space", "RFC 6598", Block, Block),
    sensitive("127.0.0.0/8", "loopback", "RFC 1122 §3.2.1.3"),
    sensitive("169.254.0.0/16", "link-local", "RFC 3927"),
    row("172.16.0.0/12", "private-use", "RFC 1918", Block, Block),
    row("192.0.0.0/24", "ietf-protocol-assignments", "RFC 6890 §2.1", Block, Block),
    row("192.0.0.0/29", "ds-lite", "RFC 7335", Block, Block),
    row("192.0.0.8/32", "ipv4-dummy-address", "RFC 7600", Block, Block),
    row("192.0.0.9/32", "pcp-anycast", "RFC 7723", Block, Block),
    row("192.0.0.10/32", "turn-anycast", "RFC 8155", Block, Block),
    row("192.0.0.170/31", "nat64-discovery", "RFC 8880, RFC 7050 §2.2", Block, Block),
    row("192.0.2.0/24", "test-net-1", "RFC 5737", Block, Block),
    row("192.31.196.0/24", "as112-v4", "RFC 7535", Allow, Allow),
    row("192.52.193.0/24", "amt", "RFC 7450", Allow, Allow),
    row("192.88.99.0/24", "6to4-relay-anycast", "RFC 7526", Allow, Block),
    row("192.88.99.2/32", "6a44-relay-anycast", "RFC 6751", Block, Block),
    row("192.168.0.0/16", "private-use", "RFC 1918", Block, Block),
    row("192.175.48.0/24", "as112-direct-delegation", "RFC 7534", Allow, Allow),
    row("198.18.0.0/15", "benchmarking", "RFC 2544", Block, Block),
    row("198.51.100.0/24", "test-net-2", "RFC 5737", Block, Block),
    row("203.0.113.0/24", "test-net-3", "RFC 5737", Block, Block),
    row("224.0.0.0/4", "multicast", "RFC 5771", Block, Block),
    row("240.0.0.0/4", "reserved", "RFC 1112 §4", Block, Block),
    row("255.255.255.255/32", "limited-broadcast", "RFC 8190, RFC 919", Block, Block),
    // Cloud metadata services: each hands out credentials to whoever asks from inside.
    sensitive(
        "169.254.169.254/32",
        "cloud-metadata",
        "AWS, GCP, Azure, OpenStack and others: instance metadata",
    ),
    sensitive("169.254.170.2/32", "cloud-metadata", "AWS ECS: task credentials"),
    sensitive("169.254.170.23/32", "cloud-metadata", "AWS EKS: pod identity"),
    sensitive("169.254.169.123/32", "cloud-metadata", "AWS: time service"),
    sensitive("169.254.169.253/32", "cloud-metadata", "AWS: VPC resolver"),
    sensitive("169.254.42.42/32", "cloud-metadata", "Scaleway: instance metadata"),
    sensitive("169.254.0.23/32", "cloud-metadata", "Tencent Cloud: instance metadata"),
    sensitive("100.100.100.200/32", "cloud-metadata", "Alibaba Cloud: instance metadata"),
    sensitive("168.63.129.16/32", "cloud-metadata", "Azure: WireServer, a public address that leads inside"),
    sensitive("192.0.0.192/32", "cloud-metadata", "Oracle Cloud: instance metadata"),
    sensitive("fd00:ec2::254/128", "cloud-metadata", "AWS: instance metadata"),
    sensitive("fd00:ec2::23/128", "cloud-metadata", "AWS EKS: pod identity"),
    sensitive("fd00:ec2::123/128", "cloud-metadata", "AWS: time service"),
    sensitive("fd00:ec2::253/128", "cloud-metadata", "AWS: VPC resolver"),
    sensitive("fd20:ce::254/128", "cloud-metadata", "GCP: instance metadata"),
    sensitive("fd00:42::42/128", "cloud-metadata", "Scaleway: instance metadata"),
    sensitive("fe80::a9fe:a9fe/128", "cloud-metadata", "OpenStack: instance metadata"),
    // IPv6 special-purpose registry.
    sensitive("::1/128", "loopback", "RFC 4291 §2.5.3"),
    sensitive("::/128", "unspecified", "RFC 4291 §2.5.2"),
    row("::ffff:0:0/96", "ipv4-mapped", "RFC 4291 §2.5.5.2", Decode, Block),
    row("64:ff9b::/96", "nat64", "RFC 6052 §2.1", Decode, Decode),
    row("64:ff9b:1::/48", "nat64-local-use", "RFC 8215", Block, Block),
    row("100::/64", "discard-only", "RFC 6666", Block, Block),
    row("100:0:0:1::/64", "dummy-prefix", "RFC 9780", Block, Block),
    row("2001::/23", "ietf-protocol-assignments", "RFC 2928", Block, Block),
    row("2001::/32", "teredo", "RFC 4380, RFC 8190", Decode, Block),
    row("2001:1::1/128", "pcp-anycast", "RFC 7723", Block, Block),
    row("2001:1::2/128", "turn-anycast", "RFC 8155", Block, Block),
    row("2001:1::3/128", "dns-sd-srp-anycast", "RFC 9665", Block, Block),
    row("2001:2::/48", "benchmarking", "RFC 5180", Block, Block),
    row("2001:3::/32", "amt", "RFC 7450", Block, Block),
    row("2001:4:112::/48", "as112-v6", "RFC 7535", Allow, Allow),
    row("2001:10::/28", "orchid", "RFC 4843", Block, Block),
    row("2001:20::/28", "orchid-v2", "RFC 7343", Block, Block),
    row("2001:30::/28", "drone-remote-id", "RFC 9374", Block, Block),
    row("2001:db8::/32", "documentation", "RFC 3849", Block, Block),
    row("2002::/16", "6to4", "RFC 3056", Decode, Block),
    row("2620:4f:8000::/48", "as112-direct-delegation", "RFC 7534", Allow, Allow),
    row("3fff::/20", "documentation", "RFC 9637", Block, Block),
    row("5f00::/16", "srv6-sids", "RFC 9602", Block, Block),
    row("fc00::/7", "unique-local", "RFC 4193, RFC 8190", Block, Block),
    sensitive("fe80::/10", "link-local", "RFC 4291 §2.5.6"),
    // Not in the special-purpose registries.
    row("::/96", "ipv4-compatible", "RFC 4291 §2.5.5.1", Block, Block),
    row("::ffff:0:0:0/96", "ipv4-translated", "RFC 2765 §2.1", Decode, Block),
    row("fec0::/10", "site-local", "RFC 3879", Block, Block),
    row("ff00::/8", "multicast", "RFC 4291 §2.7", Block, Block),
    row("::/0", "not-global-unicast", "IANA IPv6 address space registry", Block, Block),
    row("200::/7", "nsap", "RFC 4048; used by Yggdrasil", Block, Block),
    row("2000::/3", "global-unicast", "RFC 4291 §2.5.4", Allow, Block),
    row("2001:200::/23", "allocated", UNICAST6, Allow, Allow),
    row("2001:400::/22", "allocated", UNICAST6, Allow, Allow),
    row("2001:800::/21", "allocated", UNICAST6, Allow, Allow),
    row("2001:1000::/20", "allocated", UNICAST6, Allow, Allow),
    row("2001:2000::/19", "allocated", UNICAST6, Allow, Allow),
    row("2001:4000::/20", "allocated", UNICAST6, Allow, Allow),
    row("2001:5000::/20", "allocated", UNICAST6, Allow, Allow),
    row("2001:8000::/18", "allocated", UNICAST6, Allow, Allow),
    row("2003::/18", "allocated", UNICAST6, Allow, Allow),
    row("2400::/11", "allocated", UNICAST6, Allow, Allow),
    row("2600::/12", "allocated", UNICAST6, Allow, Allow),
    row("2610::/23", "allocated", UNICAST6, Allow, Allow),
    row("2620::/23", "allocated", UNICAST6, Allow, Allow),
    row("2630::/12", "allocated", UNICAST6, Allow, Allow),
    row("2800::/12", "allocated", UNICAST6, Allow, Allow),
    row("2a00::/11", "allocated", UNICAST6, Allow, Allow),
    row("2c00::/12", "allocated", UNICAST6, Allow, Allow),
];

/// The networks of the blocked ranges of this name; what `unblock` means by it.
pub fn range_named(name: &str) -> Option<Vec<IpNet>> {
    let nets: Vec<IpNet> = SPECIAL_RANGES
        .iter()
        .filter(|range| range.name.eq_ignore_ascii_case(name) && range.is_ever_blocked())
        .filter_map(|range| range.net.parse().ok())
        .collect();
    (!nets.is_empty()).then_some(nets)
}

/// The names [`range_named`] knows, in the order of the table.
pub fn range_names() -> impl Iterator<Item = &'static str> + Clone {
    SPECIAL_RANGES.iter().enumerate().filter_map(|(index, range)| {
        let named = |other: &SpecialRange| other.name == range.name && other.is_ever_blocked();
        let is_first = !SPECIAL_RANGES.iter().take(index).any(named);
        (range.is_ever_blocked() && is_first).then_some(range.name)
    })
}

/// The ranges of the table alone.
pub(super) fn built_in_ranges() -> &'static BlockedRanges {
    static RANGES: LazyLock<BlockedRanges> =
        LazyLock::new(|| BlockedRanges::compile(&GuardSettings::default(), &[], &[]));
    &RANGES
}

/// The range that an exception for `address` has to name, if there is one: loopback, link-local, a metadata service and the
/// like, of the address itself or of an IPv4 address that a packet to it may reach.
pub fn range_to_name(address: IpAddr) -> Option<&'static str> {
    let ranges = built_in_ranges();
    let mut found = None;
    ranges.each_form(address, |form| {
        let range = ranges.find(form).filter(|range| range.never_implied);
        found = found.or(range.map(|range| range.name));
    });
    found
}

/// Where a translation prefix is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TranslatorPlace {
    /// 64:ff9b::/96, which is always known (RFC 6052 §2.1).
    WellKnown,
    /// In 64:ff9b:1::/48, reserved for translation (RFC 8215).
    LocalUse,
    /// A unique-local prefix of length 96.
    UniqueLocal,
    /// In public space.
    Public,
}

impl TranslatorPlace {
    /// The place of `prefix`; `None` if it overlaps space for something else, so that no translator can use it.
    pub fn of(prefix: Ipv6Net) -> Option<Self> {
        let is_in = |range: Ipv6Net| range.contains(&prefix);
        match prefix.prefix_len() {
            _ if prefix == WELL_KNOWN_NAT64 => Some(Self::WellKnown),
            48.. if is_in(LOCAL_USE_NAT64) => Some(Self::LocalUse),
            96 if is_in(UNIQUE_LOCAL) && decides(prefix, Block) => Some(Self::UniqueLocal),
            32.. if is_in(GLOBAL_UNICAST) && decides(prefix, Allow) => Some(Self::Public),
            _ => None,
        }
    }

    /// Whether `prefix` opens a blocked range for the public addresses behind it. Nothing vouches for a learned prefix: it
    /// opens only the range reserved for translation.
    pub(super) fn opens(prefix: Ipv6Net, is_learned: bool) -> bool {
        match Self::of(prefix) {
            Some(Self::LocalUse) => true,
            Some(Self::UniqueLocal) => !is_learned,
            Some(Self::WellKnown | Self::Public) | None => false,
        }
    }
}

/// Whether the table treats all of `prefix` as `treatment`.
fn decides(prefix: Ipv6Net, treatment: Treatment) -> bool {
    let prefix = IpNet::V6(prefix);
    let rows =
        || SPECIAL_RANGES.iter().filter_map(|row| Some((row.net.parse::<IpNet>().ok()?, row.standard)));
    let around = rows().filter(|(net, _)| net.contains(&prefix)).max_by_key(|(net, _)| net.prefix_len());
    let is_alike = |(net, standard): (IpNet, Treatment)| standard == treatment || !prefix.contains(&net);
    around.is_some_and(|(_, standard)| standard == treatment)
        && rows().all(is_alike)
        && !holds_sensitive(prefix)
}

fn holds_sensitive(prefix: IpNet) -> bool {
    let sensitive = SPECIAL_RANGES.iter().filter(|row| row.never_implied);
    sensitive.filter_map(|row| row.net.parse::<IpNet>().ok()).any(|net| prefix.contains(&net))
}

impl SpecialRange {
    fn is_ever_blocked(&self) -> bool {
        self.standard == Block || self.strict == Block
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_is_a_network_without_host_bits_and_says_where_it_is_from() {
        for range in SPECIAL_RANGES {
            let net: IpNet = range.net.parse().unwrap_or_else(|e| panic!("{}: {e}", range.net));
            assert_eq!(net, net.trunc(), "{}", range.net);
            assert!(!range.name.is_empty() && !range.reference.is_empty(), "{}", range.net);
        }
    }

    #[test]
    fn no_range_is_listed_twice() {
        for (index, range) in SPECIAL_RANGES.iter().enumerate() {
            assert!(
                SPECIAL_RANGES.iter().skip(index + 1).all(|other| other.net != range.net),
                "{}",
                range.net
            );
        }
    }

    #[test]
    fn names_of_ranges_are_found_whatever_the_case() {
        assert_eq!(range_named("Private-Use").map(|nets| nets.len()), Some(3));
        assert_eq!(range_named("allocated"), None);
        assert!(range_names().any(|name| name == "loopback"));
        assert_eq!(range_names().filter(|name| *name == "loopback").count(), 1);
    }

    #[test]
    fn a_translator_s_prefix_is_only_where_a_translator_can_be() {
        use TranslatorPlace::{LocalUse, Public, UniqueLocal, WellKnown};
        for (prefix, place) in [
            ("64:ff9b::/96", Some(WellKnown)),
            ("64:ff9b::/32", None),
            ("64:ff9b::/64", None),
            ("64:ff9b:1::/48", Some(LocalUse)),
            ("64:ff9b:1:abcd::/96", Some(LocalUse)),
            ("64:ff9b:1::/40", None),
            ("64:ff9b:2::/96", None),
            ("fd00:64::/96", Some(UniqueLocal)),
            ("fd00:64::/64", None),
            ("fd00:1::/32", None),
            ("fd00:ec2::/96", None),
            ("fd00:42::/96", None),
            ("2001:67c:2960:6464::/96", Some(Public)),
            ("2a00:6432::/32", Some(Public)),
            ("2001:db8::/32", None),
            ("2001:db8:1::/96", None),
            ("2001::/32", None),
            ("2001:2::/32", None),
            ("2002:a00:1::/96", None),
            ("3fff::/32", None),
            ("::/96", None),
            ("::ffff:0:0/96", None),
            ("fe80::/96", None),
            ("fec0::/96", None),
            ("ff02::/96", None),
            ("100::/64", None),
            ("5f00::/32", None),
            ("4000::/32", None),
        ] {
            assert_eq!(TranslatorPlace::of(prefix.parse().unwrap()), place, "{prefix}");
        }
    }
}
