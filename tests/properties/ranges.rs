//! What is inside, in the plainest way: a table in text, searched from end to end.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::OnceLock;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Row {
    /// Blocked in both profiles.
    Block,
    /// Blocked in both profiles, and nothing allows it that does not name it.
    Sensitive,
    /// Blocked in the strict profile.
    Strict,
    /// Public.
    Open,
}

use Row::{Block, Open, Sensitive, Strict};

/// After the IANA special-purpose registries, the multicast and unicast registries, and cloud providers' pages.
const TABLE: &[(&str, Row)] = &[
    ("0.0.0.0/8", Sensitive),
    ("0.0.0.0/32", Sensitive),
    ("10.0.0.0/8", Block),
    ("100.64.0.0/10", Block),
    ("100.100.100.200/32", Sensitive),
    ("127.0.0.0/8", Sensitive),
    ("168.63.129.16/32", Sensitive),
    ("169.254.0.0/16", Sensitive),
    ("169.254.0.23/32", Sensitive),
    ("169.254.42.42/32", Sensitive),
    ("169.254.169.123/32", Sensitive),
    ("169.254.169.253/32", Sensitive),
    ("169.254.169.254/32", Sensitive),
    ("169.254.170.2/32", Sensitive),
    ("169.254.170.23/32", Sensitive),
    ("172.16.0.0/12", Block),
    ("192.0.0.0/24", Block),
    ("192.0.0.192/32", Sensitive),
    ("192.0.2.0/24", Block),
    ("192.88.99.0/24", Strict),
    ("192.88.99.2/32", Block),
    ("192.168.0.0/16", Block),
    ("198.18.0.0/15", Block),
    ("198.51.100.0/24", Block),
    ("203.0.113.0/24", Block),
    ("224.0.0.0/3", Block),
    ("::/0", Block),
    ("::/96", Block),
    ("::/128", Sensitive),
    ("::1/128", Sensitive),
    ("::ffff:0:0/96", Strict),
    ("::ffff:0:0:0/96", Strict),
    ("64:ff9b::/96", Open),
    ("2000::/3", Strict),
    ("2001::/23", Block),
    ("2001::/32", Strict),
    ("2001:4:112::/48", Open),
    ("2001:200::/23", Open),
    ("2001:400::/22", Open),
    ("2001:800::/21", Open),
    ("2001:db8::/32", Block),
    ("2001:1000::/20", Open),
    ("2001:2000::/19", Open),
    ("2001:4000::/20", Open),
    ("2001:5000::/20", Open),
    ("2001:8000::/18", Open),
    ("2002::/16", Strict),
    ("2003::/18", Open),
    ("2400::/11", Open),
    ("2600::/12", Open),
    ("2610::/23", Open),
    ("2620::/23", Open),
    ("2620:4f:8000::/48", Open),
    ("2630::/12", Open),
    ("2800::/12", Open),
    ("2a00::/11", Open),
    ("2c00::/12", Open),
    ("3fff::/20", Block),
    ("5f00::/16", Block),
    ("fc00::/7", Block),
    ("fd00:42::42/128", Sensitive),
    ("fd00:ec2::23/128", Sensitive),
    ("fd00:ec2::123/128", Sensitive),
    ("fd00:ec2::253/128", Sensitive),
    ("fd00:ec2::254/128", Sensitive),
    ("fd20:ce::254/128", Sensitive),
    ("fe80::/10", Sensitive),
    ("fe80::a9fe:a9fe/128", Sensitive),
];

#[derive(Debug, Clone, Copy)]
pub struct Net {
    pub address: IpAddr,
    pub length: u32,
}

impl Net {
    pub fn parse(text: &str) -> Self {
        let (address, length) = text.split_once('/').unwrap();
        Self { address: address.parse().unwrap(), length: length.parse().unwrap() }
    }

    pub fn holds(&self, address: IpAddr) -> bool {
        let (mine, theirs) = (bits(self.address), bits(address));
        self.address.is_ipv4() == address.is_ipv4()
            && mine.iter().zip(&theirs).take(self.length as usize).all(|(a, b)| a == b)
    }

    fn holds_net(&self, other: &Net) -> bool {
        self.length <= other.length && self.holds(other.address)
    }
}

fn bits(address: IpAddr) -> Vec<bool> {
    let octets = match address {
        IpAddr::V4(v4) => v4.octets().to_vec(),
        IpAddr::V6(v6) => v6.octets().to_vec(),
    };
    octets.iter().flat_map(|octet| (0..8).rev().map(move |bit| octet >> bit & 1 == 1)).collect()
}

fn row_of(address: IpAddr) -> Option<(Net, Row)> {
    static PARSED: OnceLock<Vec<(Net, Row)>> = OnceLock::new();
    let table = PARSED.get_or_init(|| TABLE.iter().map(|(net, row)| (Net::parse(net), *row)).collect());
    table.iter().filter(|(net, _)| net.holds(address)).max_by_key(|(net, _)| net.length).copied()
}

/// The address itself is blocked.
pub fn is_blocked(address: IpAddr, strict: bool) -> bool {
    match row_of(address) {
        Some((_, Block | Sensitive)) => true,
        Some((_, Strict)) => strict,
        Some((_, Open)) | None => false,
    }
}

/// The forms of `address` that are blocked.
pub fn blocked_forms(address: IpAddr, strict: bool, nat64: &[Net]) -> Vec<IpAddr> {
    forms(address, nat64).into_iter().filter(|form| is_blocked(*form, strict)).collect()
}

/// One of `nets` may stand for leave to answer with `address`.
pub fn is_covered(address: IpAddr, nets: &[Net]) -> bool {
    let named = |net: &Net| match row_of(address) {
        Some((range, Sensitive)) => range.holds_net(net),
        _ => true,
    };
    nets.iter().any(|net| net.holds(address) && named(net))
}

/// The address, and the IPv4 addresses in it.
pub fn forms(address: IpAddr, nat64: &[Net]) -> Vec<IpAddr> {
    let mut all = vec![address];
    let IpAddr::V6(v6) = address else { return all };
    let o = v6.octets();
    let zero = |range: std::ops::Range<usize>| o[range].iter().all(|octet| *octet == 0);
    let mut add = |a: u8, b: u8, c: u8, d: u8| all.push(Ipv4Addr::new(a, b, c, d).into());
    let compatible = zero(0..12) && v6 != Ipv6Addr::UNSPECIFIED && v6 != Ipv6Addr::LOCALHOST;
    let mapped = zero(0..10) && o[10] == 0xff && o[11] == 0xff;
    let translated = zero(0..8) && o[8] == 0xff && o[9] == 0xff && zero(10..12);
    let well_known = o[..4] == [0, 0x64, 0xff, 0x9b] && zero(4..12);
    let isatap = matches!(o[8..12], [0 | 2, 0, 0x5e, 0xfe]);
    if compatible || mapped || translated || well_known || isatap {
        add(o[12], o[13], o[14], o[15]);
    }
    if o[..2] == [0x20, 0x02] {
        add(o[2], o[3], o[4], o[5]);
    }
    if o[..4] == [0x20, 0x01, 0, 0] {
        add(o[4], o[5], o[6], o[7]);
        add(!o[12], !o[13], !o[14], !o[15]);
    }
    for net in nat64.iter().filter(|net| net.holds(address)) {
        match net.length {
            32 => add(o[4], o[5], o[6], o[7]),
            40 => add(o[5], o[6], o[7], o[9]),
            48 => add(o[6], o[7], o[9], o[10]),
            56 => add(o[7], o[9], o[10], o[11]),
            64 => add(o[9], o[10], o[11], o[12]),
            96 => add(o[12], o[13], o[14], o[15]),
            _ => {}
        }
    }
    all
}
