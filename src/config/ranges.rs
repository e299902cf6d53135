//! The names by which `unblock` takes whole ranges out of the table.

use ipnet::IpNet;

/// The names and their networks.
const NAMED: &[(&str, &[&str])] = &[
    ("private-use", &["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"]),
    ("loopback", &["127.0.0.0/8", "::1/128"]),
    ("link-local", &["169.254.0.0/16", "fe80::/10"]),
    ("shared-address-space", &["100.64.0.0/10"]),
    ("unique-local", &["fc00::/7"]),
    ("benchmarking", &["198.18.0.0/15", "2001:2::/48"]),
    ("documentation", &["192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "2001:db8::/32", "3fff::/20"]),
    ("multicast", &["224.0.0.0/4", "ff00::/8"]),
    ("reserved", &["240.0.0.0/4"]),
];

/// The networks of a range.
pub(super) fn named(name: &str) -> Option<Vec<IpNet>> {
    let (_, networks) = NAMED.iter().find(|(known, _)| *known == name)?;
    Some(networks.iter().filter_map(|network| network.parse().ok()).collect())
}

/// The ranges there are.
pub(super) fn names() -> impl Iterator<Item = &'static str> + Clone {
    NAMED.iter().map(|(name, _)| *name)
}
