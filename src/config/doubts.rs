//! What is allowed and hardly meant: networks that open, or block, far more than their writer has in mind.

use std::net::SocketAddr;

use ipnet::IpNet;

use super::error::Wrong;
use super::table::Table;
use crate::policy::{SPECIAL_RANGES, SpecialRange, range_named};

/// The ranges in which the machines of a household or a company are.
const PRIVATE: [&str; 3] = ["private-use", "unique-local", "shared-address-space"];
/// The shortest prefix that is not a large part of the Internet: 10.0.0.0/8 and fc00::/7 are inside.
const WIDE: (u8, u8) = (8, 16);

fn named(name: &str) -> Vec<IpNet> {
    range_named(name).unwrap_or_default()
}

fn is_inside(network: &IpNet) -> bool {
    let inside = || PRIVATE.into_iter().chain(["link-local", "loopback"]).flat_map(named);
    inside().any(|range| range.contains(network))
}

/// A network that is a large part of the Internet; or several that together are one, such as two halves.
fn wide(networks: &[IpNet]) -> Option<IpNet> {
    let is_wide = |network: &IpNet| {
        let least = if network.addr().is_ipv4() { WIDE.0 } else { WIDE.1 };
        network.prefix_len() < least && !is_inside(network)
    };
    IpNet::aggregate(&networks.to_vec()).into_iter().find(is_wide)
}

/// Rows of the table that only a network within them opens.
fn sensitive() -> impl Iterator<Item = (&'static SpecialRange, IpNet)> {
    let rows = SPECIAL_RANGES.iter().filter(|row| row.never_implied);
    rows.filter_map(|row| Some((row, row.net.parse().ok()?)))
}

/// Warns if everybody on the Internet may ask, or read, where others than this machine can connect.
pub(super) fn open_to_all(table: &Table<'_>, listen: &[SocketAddr], clients: &[IpNet], what: &str) {
    let Some(reached) = listen.iter().find(|address| !address.ip().is_loopback()) else { return };
    if let Some(network) = wide(clients)
        && let Some(value) = table.get("allow-clients")
    {
        let message = format!("{network} may {what}, and {reached} can be reached from outside this machine");
        value.warn(Wrong::new(message).help(
            "write the networks of your own clients, such as [\"loopback\", \"private\"]; servers that are open to everybody are \
             abused for attacks",
        ));
    }
}

/// What an entry of `unblock` opens.
pub(super) fn unblocked(networks: &[IpNet]) -> Option<Wrong> {
    let overlaps = |range: &IpNet| networks.iter().any(|net| net.contains(range) || range.contains(net));
    let help = "remove it; for one domain, write an [[exception]] with these networks";
    // The range that holds the network says more than one that only overlaps it, and the narrowest of these most.
    let holds = |range: &IpNet| networks.iter().any(|net| range.contains(net));
    let rows = || sensitive().filter(|(_, range)| overlaps(range));
    let narrowest = rows().filter(|(_, range)| holds(range)).max_by_key(|(_, range)| range.prefix_len());
    if let Some((row, range)) = narrowest.or_else(|| rows().next()) {
        let own = networks.iter().find(|net| range.contains(*net)).copied().unwrap_or(range);
        let message = format!("every public name may then lead to {own} ({})", row.name);
        return Some(Wrong::new(message).help(help));
    }
    let private =
        PRIVATE.into_iter().flat_map(|name| named(name).into_iter().map(move |range| (name, range)));
    let (name, range) = private.into_iter().find(|(_, range)| overlaps(range))?;
    let own = networks.iter().find(|net| range.contains(*net)).copied().unwrap_or(range);
    let message =
        format!("every public name may then lead to {own} ({name}), where your own machines can be");
    Some(Wrong::new(message).help(help))
}

/// What is hardly meant about the networks of an exception or a route.
pub(super) fn allowed(networks: &[IpNet]) -> Option<Wrong> {
    let help = "write the networks that its names are in, such as \"192.168.1.0/24\"";
    if let Some(network) = wide(networks) {
        let message = format!(
            "{network} is far more than one network, and still does not allow loopback, link-local and metadata addresses"
        );
        return Some(Wrong::new(message).help(help));
    }
    let holds =
        |range: &IpNet| networks.iter().find(|net| net.contains(range) && *net != range && !is_inside(net));
    let (row, network) = sensitive().find_map(|(row, range)| Some((row, holds(&range)?)))?;
    let message = format!("{network} contains {} ({}), which it does not allow", row.net, row.name);
    Some(Wrong::new(message).help(format!("{help}; if \"{}\" is meant, write it too", row.net)))
}

/// What is hardly meant about the networks of `block`.
pub(super) fn blocked(networks: &[IpNet]) -> Option<Wrong> {
    let network = wide(networks)?;
    let message = format!("{network} is a large part of the Internet: names there get no answer");
    Some(Wrong::new(message).help("write the networks that are meant, such as \"203.0.113.0/24\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nets(text: &str) -> Vec<IpNet> {
        text.split_whitespace()
            .flat_map(|net| net.parse().map_or_else(|_| named(net), |net| vec![net]))
            .collect()
    }

    fn check(judge: fn(&[IpNet]) -> Option<Wrong>, rows: &[(&str, Option<&str>)]) {
        for (networks, expected) in rows {
            let said = judge(&nets(networks)).map(|wrong| wrong.to_string());
            match expected {
                None => assert_eq!(said, None, "{networks}"),
                Some(part) => {
                    assert!(said.as_ref().is_some_and(|said| said.contains(part)), "{networks}: {said:?}")
                }
            }
        }
    }

    #[test]
    fn an_unblocked_range_is_doubted_where_machines_are() {
        check(
            unblocked,
            &[
                ("198.18.0.0/15", None),
                ("203.0.113.0/24", None),
                ("benchmarking", None),
                ("127.0.0.0/8", Some("127.0.0.0/8 (loopback)")),
                ("127.0.0.1/32", Some("lead to 127.0.0.1/32 (loopback)")),
                ("loopback", Some("(loopback)")),
                ("::1/128", Some("::1/128 (loopback)")),
                ("112.0.0.0/4", Some("127.0.0.0/8 (loopback)")),
                ("169.254.169.254/32", Some("lead to 169.254.169.254/32 (cloud-metadata)")),
                ("169.254.0.0/16", Some("lead to 169.254.0.0/16 (link-local)")),
                ("169.254.1.0/24", Some("lead to 169.254.1.0/24 (link-local)")),
                ("link-local", Some("(link-local)")),
                ("cloud-metadata", Some("every public name")),
                ("0.0.0.0/32", Some("lead to 0.0.0.0/32 (unspecified)")),
                ("10.0.0.0/8", Some("10.0.0.0/8 (private-use)")),
                ("192.168.1.0/24", Some("192.168.1.0/24 (private-use)")),
                ("private-use", Some("(private-use)")),
                ("fc00::/7", Some("every public name")),
                ("fd12:3456::/32", Some("(unique-local)")),
            ],
        );
    }

    #[test]
    fn networks_of_exceptions_and_routes_are_doubted_if_they_are_far_too_wide() {
        check(
            allowed,
            &[
                ("10.0.0.0/8 172.16.0.0/12 192.168.0.0/16 fc00::/7", None),
                ("100.64.0.0/10 fd7a:115c:a1e0::/48", None),
                ("127.0.0.0/8", None),
                ("127.0.0.1/32 169.254.169.254/32 169.254.0.0/16", None),
                ("fd00::/8", None),
                ("203.0.113.0/24", None),
                ("0.0.0.0/0", Some("0.0.0.0/0 is far more")),
                ("::/0", Some("::/0 is far more")),
                ("0.0.0.0/1 128.0.0.0/1", Some("0.0.0.0/0 is far more")),
                ("128.0.0.0/1", Some("128.0.0.0/1 is far more")),
                ("2000::/3", Some("2000::/3 is far more")),
                ("169.0.0.0/8", Some("169.254.0.0/16 (link-local)")),
                ("168.63.0.0/16", Some("168.63.129.16/32 (cloud-metadata)")),
            ],
        );
    }

    #[test]
    fn blocking_a_large_part_of_the_internet_is_doubted() {
        check(
            blocked,
            &[
                ("203.0.113.0/24", None),
                ("2a00::/16", None),
                ("0.0.0.0/1 128.0.0.0/1", Some("0.0.0.0/0 is a large part")),
                ("64.0.0.0/2", Some("64.0.0.0/2")),
                ("2000::/3", Some("2000::/3")),
            ],
        );
    }
}
