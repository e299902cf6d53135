//! A and W: inside addresses in every spelling, with the last public address before and the first one after each
//! range, and the host's own addresses.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::Ipv6Net;

use super::{Case, Expect, Group, PUBLIC4, PUBLIC6, Setup, address_type, ip};
use crate::audit::wire::{Record, code};
use crate::policy::Profile;

/// What the two profiles do with an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// Blocked in both.
    Block,
    /// Let through in both.
    Keep,
    /// Blocked in the strict profile only.
    StrictBlock,
    /// Blocked, and alone in a reply it is an upstream's sinkhole.
    Sinkhole,
}

impl Fate {
    pub(super) fn blocks(self, profile: Profile) -> bool {
        match self {
            Self::Block | Self::Sinkhole => true,
            Self::Keep => false,
            Self::StrictBlock => profile == Profile::Strict,
        }
    }
}

use Fate::{Block, Keep, Sinkhole, StrictBlock};

/// Row, range, fate, addresses.
pub(super) type Row = (&'static str, &'static str, Fate, &'static [&'static str]);

/// The range tables and the boundary vectors.
pub(super) const RANGES: &[Row] = &[
    ("A02", "unspecified", Sinkhole, &["0.0.0.0"]),
    ("A02", "0.0.0.0/8", Block, &["0.0.0.1", "0.1.2.3", "0.255.255.255"]),
    ("A02", "beside 0.0.0.0/8", Keep, &["1.0.0.0", "1.0.0.1"]),
    ("A03", "beside 10.0.0.0/8", Keep, &["9.255.255.255", "11.0.0.0"]),
    ("A03", "10.0.0.0/8", Block, &["10.0.0.0", "10.0.0.1", "10.1.2.3", "10.255.255.255"]),
    ("A05", "beside 100.64.0.0/10", Keep, &["100.63.255.255", "100.128.0.0"]),
    ("A05", "100.64.0.0/10", Block, &["100.64.0.0", "100.100.100.100", "100.100.100.200", "100.127.255.255"]),
    ("A01", "beside 127.0.0.0/8", Keep, &["126.255.255.255", "128.0.0.0"]),
    ("A01", "127.0.0.0/8", Block, &["127.0.0.0", "127.0.0.1", "127.0.1.1", "127.1.2.3", "127.255.255.255"]),
    ("A04", "beside 169.254.0.0/16", Keep, &["169.253.255.255", "169.255.0.0"]),
    ("A04", "169.254.0.0/16", Block, &["169.254.0.0", "169.254.255.255"]),
    (
        "A04",
        "cloud metadata",
        Block,
        &[
            "169.254.169.254",
            "169.254.170.2",
            "169.254.170.23",
            "169.254.169.123",
            "169.254.169.253",
            "169.254.42.42",
            "169.254.0.23",
        ],
    ),
    ("A03", "beside 172.16.0.0/12", Keep, &["172.15.255.255", "172.32.0.0"]),
    ("A03", "172.16.0.0/12", Block, &["172.16.0.0", "172.17.0.1", "172.31.255.255"]),
    ("A07", "beside 192.0.0.0/24", Keep, &["191.255.255.255", "192.0.1.0"]),
    (
        "A07",
        "192.0.0.0/24",
        Block,
        &[
            "192.0.0.0",
            "192.0.0.1",
            "192.0.0.2",
            "192.0.0.7",
            "192.0.0.8",
            "192.0.0.9",
            "192.0.0.10",
            "192.0.0.11",
            "192.0.0.170",
            "192.0.0.171",
            "192.0.0.192",
            "192.0.0.255",
        ],
    ),
    ("A08", "192.0.2.0/24", Block, &["192.0.2.0", "192.0.2.255"]),
    ("A08", "beside 192.0.2.0/24", Keep, &["192.0.1.255", "192.0.3.0"]),
    ("A08", "AS112 and AMT", Keep, &["192.31.196.1", "192.52.193.1", "192.175.48.1"]),
    ("A08", "192.88.99.0/24", StrictBlock, &["192.88.99.0", "192.88.99.1", "192.88.99.3", "192.88.99.255"]),
    ("A08", "192.88.99.2/32", Block, &["192.88.99.2"]),
    ("A08", "beside 192.88.99.0/24", Keep, &["192.88.98.255", "192.88.100.0"]),
    ("A03", "beside 192.168.0.0/16", Keep, &["192.167.255.255", "192.169.0.0"]),
    ("A03", "192.168.0.0/16", Block, &["192.168.0.0", "192.168.1.1", "192.168.255.255"]),
    ("A08", "beside 198.18.0.0/15", Keep, &["198.17.255.255", "198.20.0.0"]),
    ("A08", "198.18.0.0/15", Block, &["198.18.0.0", "198.18.0.1", "198.19.255.255"]),
    ("A08", "beside 198.51.100.0/24", Keep, &["198.51.99.255", "198.51.101.0"]),
    ("A08", "198.51.100.0/24", Block, &["198.51.100.0", "198.51.100.255"]),
    ("A08", "beside 203.0.113.0/24", Keep, &["203.0.112.255", "203.0.114.0"]),
    ("A08", "203.0.113.0/24", Block, &["203.0.113.0", "203.0.113.255"]),
    ("A08", "beside 224.0.0.0/4", Keep, &["223.255.255.255"]),
    ("A08", "224.0.0.0/4", Block, &["224.0.0.0", "224.0.0.251", "239.255.255.255"]),
    ("A08", "240.0.0.0/4", Block, &["240.0.0.0", "250.1.2.3", "255.255.255.254", "255.255.255.255"]),
    ("A06", "beside Azure's 168.63.129.16", Keep, &["168.63.129.15", "168.63.129.17"]),
    ("A06", "Azure's 168.63.129.16", Block, &["168.63.129.16"]),
    ("A08", "public IPv4", Keep, &["1.1.1.1", "8.8.8.8", "9.9.9.9", "93.184.215.14", "185.199.108.153"]),
    ("W03", "squat space that nobody listed", Keep, &["11.0.0.1", "25.0.0.1", "30.0.0.1"]),
    ("A09", "unspecified", Sinkhole, &["::"]),
    ("A09", "loopback", Block, &["::1"]),
    (
        "A10",
        "IPv4-mapped, inside",
        Block,
        &[
            "::ffff:127.0.0.1",
            "::ffff:0.1.2.3",
            "::ffff:10.0.0.1",
            "::ffff:100.64.0.1",
            "::ffff:168.63.129.16",
            "::ffff:169.254.169.254",
            "::ffff:172.16.0.1",
            "::ffff:192.168.1.1",
            "::ffff:198.18.0.1",
            "::ffff:224.0.0.1",
        ],
    ),
    ("A10", "IPv4-mapped, unspecified", Sinkhole, &["::ffff:0.0.0.0"]),
    ("A10", "IPv4-mapped, public", StrictBlock, &["::ffff:8.8.8.8", "::ffff:172.32.0.0"]),
    ("A11", "IPv4-compatible", Block, &["::127.0.0.1", "::10.0.0.1", "::192.168.1.1", "::8.8.8.8", "::2"]),
    (
        "A12",
        "IPv4-translated, inside",
        Block,
        &["::ffff:0:127.0.0.1", "::ffff:0:10.0.0.1", "::ffff:0:192.168.1.1", "::ffff:0:169.254.169.254"],
    ),
    ("A12", "IPv4-translated, public", StrictBlock, &["::ffff:0:8.8.8.8"]),
    (
        "A13",
        "NAT64, inside",
        Block,
        &[
            "64:ff9b::127.0.0.1",
            "64:ff9b::10.0.0.1",
            "64:ff9b::100.64.0.1",
            "64:ff9b::169.254.169.254",
            "64:ff9b::172.31.255.255",
            "64:ff9b::192.168.1.1",
            "64:ff9b::0.0.0.1",
        ],
    ),
    ("A13", "NAT64, public", Keep, &["64:ff9b::8.8.8.8", "64:ff9b::172.32.0.0", "64:ff9b::9.255.255.255"]),
    ("A13", "beside the NAT64 prefix", Block, &["64:ff9b::1:808:808", "64:ff9a:ffff::1", "64:ff9b:2::1"]),
    (
        "A14",
        "local-use NAT64",
        Block,
        &["64:ff9b:1::", "64:ff9b:1::808:808", "64:ff9b:1:ffff:ffff:ffff:ffff:ffff"],
    ),
    (
        "A15",
        "6to4, inside",
        Block,
        &["2002:7f00:1::", "2002:a00:1::1", "2002:c0a8:101::1", "2002:a9fe:a9fe::a9fe", "2002:1:203::1"],
    ),
    ("A15", "6to4, public", StrictBlock, &["2002:808:808::", "2002:ac20:0:1::1"]),
    (
        "A16",
        "Teredo, inside",
        Block,
        &[
            "2001:0:808:808:0:0:80ff:fffe",
            "2001:0:808:808:0:0:3f57:fefe",
            "2001:0:7f00:1:0:0:f7f7:f7f7",
            "2001:0:a00:1:0:0:f7f7:f7f7",
        ],
    ),
    ("A16", "Teredo, public", StrictBlock, &["2001:0:808:808:0:0:f7f7:f7f7"]),
    (
        "A17",
        "ISATAP, inside",
        Block,
        &[
            "2606:4700::5efe:7f00:1",
            "2606:4700::5efe:a00:1",
            "2606:4700::200:5efe:c0a8:101",
            "2606:4700::200:5efe:a9fe:a9fe",
        ],
    ),
    ("A17", "ISATAP, public", Keep, &["2606:4700::5efe:808:808", "2606:4700::200:5efe:808:808"]),
    (
        "A18",
        "link-local",
        Block,
        &[
            "fe80::",
            "fe80::1",
            "fe80::a9fe:a9fe",
            "fe90::1",
            "fea0::1",
            "febf:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
        ],
    ),
    ("A18", "beside link-local", Block, &["fe7f:ffff:ffff:ffff:ffff:ffff:ffff:ffff"]),
    (
        "A19",
        "unique-local",
        Block,
        &[
            "fc00::",
            "fc00::1",
            "fcff::1",
            "fd00::1",
            "fd12:3456:789a::1",
            "fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
        ],
    ),
    ("A19", "beside unique-local", Block, &["fbff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "fe00::"]),
    (
        "A19",
        "metadata and mesh in unique-local",
        Block,
        &[
            "fd00:ec2::254",
            "fd00:ec2::23",
            "fd00:ec2::123",
            "fd00:ec2::253",
            "fd20:ce::254",
            "fd00:42::42",
            "fd7a:115c:a1e0::53",
        ],
    ),
    ("A20", "site-local", Block, &["fec0::", "fec0::1", "feff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"]),
    (
        "A21",
        "multicast",
        Block,
        &["ff00::", "ff02::1", "ff02::fb", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"],
    ),
    ("A21", "discard and dummy", Block, &["100::", "100::ffff:ffff:ffff:ffff", "100:0:0:1::1"]),
    (
        "A21",
        "2001::/23",
        Block,
        &[
            "2001:1::1",
            "2001:1::2",
            "2001:1::3",
            "2001:2::1",
            "2001:3::1",
            "2001:4:111::1",
            "2001:4:113::1",
            "2001:10::1",
            "2001:20::1",
            "2001:30::1",
            "2001:1ff:ffff:ffff:ffff:ffff:ffff:ffff",
        ],
    ),
    ("A21", "AS112", Keep, &["2001:4:112::1", "2620:4f:8000::1"]),
    ("A21", "beside 2001::/23", Keep, &["2001:200::", "2001:200::1"]),
    (
        "A21",
        "documentation",
        Block,
        &["2001:db8::", "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff", "3fff::", "3fff:fff:ffff::1"],
    ),
    ("A21", "beside 2001:db8::/32", Keep, &["2001:db7:ffff:ffff:ffff:ffff:ffff:ffff", "2001:db9::"]),
    ("A21", "beside 3fff::/20", StrictBlock, &["3ffe:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "3fff:1000::"]),
    ("A21", "SRv6", Block, &["5f00::", "5f00:ffff::1"]),
    (
        "A22",
        "outside 2000::/3",
        Block,
        &[
            "200::1",
            "300::1",
            "3ff:ffff::1",
            "1fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
            "4000::",
            "5eff::1",
            "5f01::1",
            "8000::1",
            "e000::1",
        ],
    ),
    ("A22", "unallocated in 2000::/3", StrictBlock, &["2000::1", "2d00::1", "3000::1"]),
    (
        "A22",
        "public IPv6",
        Keep,
        &[
            "2606:4700:4700::1111",
            "2001:4860:4860::8888",
            "2620:fe::fe",
            "2a00:1450:4001:81b::200e",
            "2a01:4f8::1",
            "2a10:50c0::ad1:ff",
            "2003::1",
            "2400:3200::1",
            "2804:14c::1",
            "2c0f:fb50::1",
        ],
    ),
];

pub(super) fn cases(setup: &Setup) -> Vec<Case> {
    let mut cases = Vec::new();
    for (id, range, fate, addresses) in RANGES {
        for address in *addresses {
            cases.push(alone(id, range, *fate, ip(address), setup.profile));
        }
    }
    for prefix in &setup.nat64 {
        cases.extend(under_prefix(*prefix, &setup.nat64));
    }
    cases.extend(in_a_set());
    cases.extend(wrong_lengths());
    for address in &setup.host {
        cases.extend(own(*address));
    }
    cases
}

/// A reply of this one address.
fn alone(id: &'static str, range: &'static str, fate: Fate, address: IpAddr, profile: Profile) -> Case {
    let record = Record::address(address);
    let blocks = fate.blocks(profile);
    let group = if blocks { Group::Addresses } else { Group::Kept };
    let case = Case::new(group, id, range)
        .variant(address.to_string())
        .ask(address_type(address))
        .answers([record.clone()]);
    match fate {
        _ if !blocks => case.keeps([record]),
        Sinkhole => case.forbid([address.to_string().as_str()]).expect(Expect::Nodata),
        Block | StrictBlock | Keep => case.forbid([address.to_string().as_str()]).blocked(),
    }
}

/// `inner` under an RFC 6052 prefix.
pub(super) fn embed(prefix: Ipv6Net, inner: Ipv4Addr) -> Ipv6Addr {
    let mut octets = prefix.network().octets();
    let length = prefix.prefix_len();
    let places = (usize::from(length / 8)..16).filter(|place| length == 96 || *place != 8);
    for (place, octet) in places.zip(inner.octets()) {
        if let Some(slot) = octets.get_mut(place) {
            *slot = octet;
        }
    }
    Ipv6Addr::from(octets)
}

/// The IPv4 address behind an RFC 6052 prefix.
fn behind(prefix: Ipv6Net, address: Ipv6Addr) -> Ipv4Addr {
    let length = prefix.prefix_len();
    let places = (usize::from(length / 8)..16).filter(|place| length == 96 || *place != 8);
    let mut inner = [0; 4];
    for (slot, place) in inner.iter_mut().zip(places) {
        *slot = address.octets().get(place).copied().unwrap_or_default();
    }
    inner.into()
}

fn under_prefix(prefix: Ipv6Net, all: &[Ipv6Net]) -> Vec<Case> {
    let under = |title, fate, inner: [u8; 4]| {
        let inner = Ipv4Addr::from(inner);
        let address = IpAddr::V6(embed(prefix, inner));
        alone("A14", title, fate, address, Profile::Standard).variant(format!("{inner} under {prefix}"))
    };
    let inside = [[127, 0, 0, 1], [10, 0, 0, 1], [192, 168, 1, 1], [169, 254, 169, 254], [100, 64, 0, 1]];
    let title = "under the network's NAT64 prefix";
    let mut cases: Vec<Case> = inside.into_iter().map(|inner| under(title, Block, inner)).collect();
    // A prefix may lie in a shorter one, behind which the address embeds something else.
    let address = embed(prefix, Ipv4Addr::new(8, 8, 8, 8));
    let others = all.iter().filter(|other| **other != prefix && other.contains(&address));
    let read: Vec<Ipv4Addr> = others.map(|other| behind(*other, address)).collect();
    let leads_inside = |v4: &Ipv4Addr| v4.is_private() || v4.is_loopback();
    if read.is_empty() {
        cases.push(under("a public address under the network's NAT64 prefix", Keep, [8, 8, 8, 8]));
    } else if read.iter().any(leads_inside) {
        cases.push(under("a NAT64 prefix within another, which leads inside", Block, [8, 8, 8, 8]));
    }
    cases
}

/// A24: one inside address at some place of a set.
fn in_a_set() -> Vec<Case> {
    let mut cases = Vec::new();
    for (size, place) in [(2, 1), (2, 2), (3, 2), (50, 50), (300, 250), (300, 300)] {
        for secret in ["127.0.0.1", "::1"] {
            let secret = ip(secret);
            let public: Vec<IpAddr> = (1..size).map(|number| numbered(secret.is_ipv4(), number)).collect();
            let mut all = public.clone();
            all.insert(place - 1, secret);
            cases.push(
                Case::new(Group::Addresses, "A24", "one inside address in a set")
                    .variant(format!("{secret} at {place} of {size}"))
                    .ask(address_type(secret))
                    .answers(all.into_iter().map(Record::address))
                    .forbid([secret.to_string().as_str()])
                    .leaves(public.into_iter().map(Record::address)),
            );
        }
    }
    for (variant, addresses) in [
        ("twice", &["192.168.1.1", PUBLIC4, "192.168.1.1"][..]),
        ("different ones", &["10.0.0.1", PUBLIC4, "127.0.0.1", "169.254.169.254"]),
        ("0.0.0.0 beside a public one", &["0.0.0.0", PUBLIC4]),
    ] {
        cases.push(
            Case::new(Group::Addresses, "A24", "several inside addresses in a set")
                .variant(variant)
                .answers(addresses.iter().map(|text| Record::address(ip(text))))
                .forbid(addresses.iter().copied().filter(|text| *text != PUBLIC4))
                .leaves_addresses([PUBLIC4]),
        );
    }
    cases.push(
        Case::new(Group::Addresses, "A24", "several inside addresses in a set")
            .variant("nothing else")
            .answers(["10.0.0.1", "127.0.0.1", "0.0.0.0"].map(|text| Record::address(ip(text))))
            .forbid(["10.0.0.1", "127.0.0.1", "0.0.0.0"])
            .blocked(),
    );
    cases
}

/// A public address of its own for each number.
pub(super) fn numbered(v4: bool, number: u16) -> IpAddr {
    let [high, low] = number.to_be_bytes();
    if v4 {
        Ipv4Addr::new(185, 199, high, low).into()
    } else {
        Ipv6Addr::new(0x2606, 0x4700, 0, 0, 0, 0, 1, number).into()
    }
}

/// A23: RDATA that is too long or too short for an address.
fn wrong_lengths() -> Vec<Case> {
    let loopback = [127, 0, 0, 1];
    let long = [&loopback[..], &[0; 12]].concat();
    let shapes: [(&str, u16, Vec<u8>); 6] = [
        ("A of 16 octets", code::A, long.clone()),
        ("A of 5 octets", code::A, [&loopback[..], &[9]].concat()),
        ("A of 8 octets", code::A, [loopback, loopback].concat()),
        ("AAAA of 4 octets", code::AAAA, loopback.to_vec()),
        ("AAAA of 17 octets", code::AAAA, [&loopback[..], &[0; 13]].concat()),
        ("AAAA of 32 octets", code::AAAA, [&long[..], &long].concat()),
    ];
    let mut cases = Vec::new();
    for (variant, rtype, rdata) in shapes {
        let record = Record::new(rtype, rdata);
        let case = Case::new(Group::Addresses, "A23", "an address of the wrong length").ask(rtype);
        cases.push(
            case.clone().variant(format!("{variant}, alone")).answers([record.clone()]).forbid(["127.0.0.1"]),
        );
        let public = if rtype == code::A { PUBLIC4 } else { PUBLIC6 };
        cases.push(
            case.variant(format!("{variant}, beside a right one"))
                .answers([record, Record::address(ip(public))])
                .forbid(["127.0.0.1"])
                .allow([public]),
        );
    }
    cases
}

/// W01, W02: an address of this host under a public name.
fn own(address: IpAddr) -> Vec<Case> {
    let (id, title) = match address {
        IpAddr::V4(_) => ("W01", "this host's IPv4 address"),
        IpAddr::V6(_) => ("W02", "this host's IPv6 address"),
    };
    let mut spellings = vec![address];
    if let IpAddr::V4(v4) = address {
        spellings.push(v4.to_ipv6_mapped().into());
        spellings
            .push(embed(Ipv6Net::new_assert(Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, 0, 0), 96), v4).into());
    }
    spellings
        .into_iter()
        .map(|spelling| {
            let mut case = alone(id, title, Block, spelling, Profile::Standard);
            case.group = Group::OwnAddresses;
            case
        })
        .collect()
}
